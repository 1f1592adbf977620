"""Greedy decoding with a KV cache in PyTorch, the peer of bench/decode.ts.

Usage: decode.py CONFIG.json TENSORS.safetensors THREADS NEW_TOKENS. Says one JSON line when ready; each line "run" on
standard input is answered with one JSON line {seconds, ids}. The first token comes from the prompt and is not timed.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

from model import decoder, read_tensors, rotary_tables


def main():
    config, file, threads, new_tokens = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    with open(config, encoding="utf-8") as f:
        c = json.load(f)
    w, _ = read_tensors(file)
    prompt = w.pop("prompt.ids").long()
    total = len(prompt) + new_tokens
    cos, sin = rotary_tables(c, total)
    kv, d = c["num_key_value_heads"], c["hidden_size"] // c["num_attention_heads"]
    buffers = [[torch.zeros(1, kv, total, d) for _ in "kv"] for _ in range(c["num_hidden_layers"])]

    def step(ids, past):
        x = F.embedding(ids, w["model.tok_embeddings.weight"])
        end = past + len(ids)
        hidden = decoder(w, c, x, 1, cos[past:end], sin[past:end], None, [(k, v, past) for k, v in buffers])
        return F.linear(hidden[-1:], w["output.weight"]).argmax(-1)

    print(json.dumps({"torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        with torch.inference_mode():
            token = step(prompt, 0)
            ids = [token.item()]
            start = time.perf_counter()
            while len(ids) < new_tokens:
                token = step(token, len(prompt) + len(ids) - 1)
                ids.append(token.item())
            seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "ids": ids}), flush=True)


if __name__ == "__main__":
    main()
