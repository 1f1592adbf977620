#!/bin/sh
# Trains nano's tokenizer on a text sample: SentencePiece BPE, 6000 pieces with byte fallback, no added spaces, and the
# two turn markers of SPEC 8 as whole pieces. Needs spm_train (Debian package sentencepiece). Usage: tokenizer.sh sample.txt out-prefix
set -eu
spm_train --input="$1" --model_prefix="$2" --model_type=bpe --vocab_size=6000 --byte_fallback=true \
  --add_dummy_prefix=false --remove_extra_whitespaces=false --normalization_rule_name=identity \
  --character_coverage=0.9995 --user_defined_symbols='[UNUSED_TOKEN_145],[UNUSED_TOKEN_146]' \
  --unk_id=0 --bos_id=1 --eos_id=2 --pad_id=-1 --split_digits=false --max_sentence_length=100000 \
  --num_threads=1 --minloglevel=1
