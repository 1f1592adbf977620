"""One question about one picture in PyTorch, the peer of bench/image.ts.

Usage: image.py SHAPE.json INPUTS.safetensors DTYPE THREADS NEW_TOKENS. Draws weights of that shape in that dtype, says one JSON line when
ready; each line "run" on standard input is answered with one JSON line {firstMs, decodeMs}. Pixels come decoded and resized.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

from model import decoder, projector, read_tensors, rotary_tables, vision


def random_weights(shapes, dtype):
    """Norms 1, biases 0, the rest normal numbers so small that activations stay finite."""
    torch.manual_seed(0)
    w = {}
    for name, shape in shapes.items():
        t = torch.empty(shape, dtype=dtype)
        if name.endswith(".bias"):
            t.zero_()
        elif len(shape) == 1 and "norm" in name.rsplit(".", 2)[-2]:
            t.fill_(1)
        else:
            t.normal_(0, 0.02)
        w[name] = t
    return w


def main():
    shape, file, dtype, threads, new_tokens = sys.argv[1:6]
    dtype, new_tokens = getattr(torch, dtype), int(new_tokens)
    torch.set_num_threads(int(threads))
    with open(shape, encoding="utf-8") as f:
        told = json.load(f)
    c = told["config"]
    inputs, _ = read_tensors(file)
    ids, image, pixels = inputs["ids"].long(), inputs["image"].long(), inputs["pixels"].to(dtype)
    w = random_weights(told["tensors"], dtype)
    total = len(ids) + new_tokens
    cos, sin = (t.to(dtype) for t in rotary_tables(c, total))
    kv, d = c["num_key_value_heads"], c["hidden_size"] // c["num_attention_heads"]
    buffers = [[torch.zeros(1, kv, total, d, dtype=dtype) for _ in "kv"] for _ in range(c["num_hidden_layers"])]

    def step(x, past, rows=None):
        end = past + x.shape[0]
        hidden = decoder(w, c, x, 1, cos[past:end], sin[past:end], rows, [(k, v, past) for k, v in buffers])
        return F.linear(hidden[-1:], w["output.weight"])

    def embed(tokens):
        return F.embedding(tokens, w["model.tok_embeddings.weight"])

    def prefill():
        picture = projector(w, vision(w, c["vision_config"], pixels))[0]
        return step(embed(ids).index_copy(0, image, picture), 0, image)

    gigabytes = sum(t.nbytes for t in w.values()) / 1e9
    print(json.dumps({"torch": torch.__version__, "weightsGB": round(gigabytes, 2)}), flush=True)
    for _ in sys.stdin:
        with torch.inference_mode():
            start = time.perf_counter()
            logits = prefill()
            token = logits.argmax(-1)
            token.item()
            first = time.perf_counter()
            for i in range(new_tokens - 1):
                token = step(embed(token), len(ids) + i).argmax(-1)
                token.item()
            end = time.perf_counter()
        if not torch.isfinite(logits).all():
            sys.exit("the random weights give logits that are no numbers")
        print(json.dumps({"firstMs": 1000 * (first - start), "decodeMs": 1000 * (end - first)}), flush=True)


if __name__ == "__main__":
    main()
