"""Trains a language model in InternLM2's shape with PyTorch: what `bench -- rounding` rounds where nano is too narrow.

Usage: language.py CONFIG.json IDS OUT SECONDS [ROWS]. CONFIG.json is a model's config.json. IDS holds token ids as 16-bit numbers, with the
id of <s> before each document (bench/subject/ids.ts writes it). OUT becomes a model directory in the released layout, bfloat16, with
PLoRA's matrices zero. Trains for SECONDS on ROWS windows a step (default 4), on a GPU if there is one; the learning rate falls with the
time that is left.
"""
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

WINDOW = 512
PEAK_RATE, WARM_UP_STEPS = 1e-3, 100


def matrices(c):
    """Names and shapes of what trains, as in the checkpoints (SPEC 3)."""
    h, f, v = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    shapes = {"model.tok_embeddings.weight": (v, h), "model.norm.weight": (h,), "output.weight": (v, h)}
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}"
        shapes |= {
            f"{at}.attention_norm.weight": (h,),
            f"{at}.attention.wqkv.weight": ((heads + 2 * kv) * h // heads, h),
            f"{at}.attention.wo.weight": (h, h),
            f"{at}.ffn_norm.weight": (h,),
            f"{at}.feed_forward.w1.weight": (f, h),
            f"{at}.feed_forward.w3.weight": (f, h),
            f"{at}.feed_forward.w2.weight": (h, f),
        }
    return shapes


class Decoder(torch.nn.Module):
    def __init__(self, c, device):
        super().__init__()
        self.c = c
        self.names = list(matrices(c))
        deep = 0.02 / math.sqrt(2 * c["num_hidden_layers"])
        self.weights = torch.nn.ParameterList()
        for name, shape in matrices(c).items():
            w = torch.ones(shape, device=device)
            if len(shape) == 2:
                w.normal_(0, deep if name.endswith(("wo.weight", "w2.weight")) else 0.02)
            self.weights.append(torch.nn.Parameter(w))
        d = c["hidden_size"] // c["num_attention_heads"]
        inverse = c["rope_theta"] ** -(torch.arange(0, d, 2, device=device) / d)
        angles = torch.outer(torch.arange(WINDOW, device=device), inverse)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids):
        c, w = self.c, dict(zip(self.names, self.weights))
        heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
        group, d = heads // kv, c["hidden_size"] // heads
        rows, tokens = ids.shape

        def norm(x, name):
            return F.rms_norm(x.float(), x.shape[-1:], w[name], c["rms_norm_eps"])

        def turn(x):
            a, b = x.float().chunk(2, -1)
            cos, sin = self.cos[:tokens], self.sin[:tokens]
            return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)

        x = F.embedding(ids, w["model.tok_embeddings.weight"])
        for i in range(c["num_hidden_layers"]):
            at = f"model.layers.{i}"
            qkv = F.linear(norm(x, f"{at}.attention_norm.weight"), w[f"{at}.attention.wqkv.weight"])
            q, k, v = qkv.view(rows, tokens, kv, group + 2, d).split((group, 1, 1), 3)
            q, k, v = (part.reshape(rows, tokens, -1, d).transpose(1, 2) for part in (q, k, v))
            mixed = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(rows, tokens, -1), w[f"{at}.attention.wo.weight"])
            n = norm(x, f"{at}.ffn_norm.weight")
            gate = F.silu(F.linear(n, w[f"{at}.feed_forward.w1.weight"]))
            wide = gate * F.linear(n, w[f"{at}.feed_forward.w3.weight"])
            x = x + F.linear(wide, w[f"{at}.feed_forward.w2.weight"])
        return F.linear(norm(x, "model.norm.weight"), w["output.weight"])


def main():
    config, ids_file, out, seconds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
    batch = int(sys.argv[5]) if len(sys.argv) > 5 else 4
    c = json.loads(Path(config).read_text())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    ids = torch.from_numpy(np.fromfile(ids_file, dtype="<u2").astype(np.int64)).to(device)
    model = Decoder(c, device)
    decayed = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95), fused=device == "cuda")
    run = torch.compile(model) if device == "cuda" else model
    offsets = torch.arange(WINDOW + 1, device=device)
    step, begun = 0, time.monotonic()
    while (used := (time.monotonic() - begun) / seconds) < 1:
        rate = PEAK_RATE * min(1, (step + 1) / WARM_UP_STEPS) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * used)))
        for g in optimiser.param_groups:
            g["lr"] = rate
        starts = torch.randint(len(ids) - WINDOW, (batch, 1), device=device)
        rows = ids[starts + offsets]
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = run(rows[:, :-1])
            loss = F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step}: {time.monotonic() - begun:.0f} s, loss {loss.item():.3f}", flush=True)
        step += 1
    print(f"{step} steps, {step * batch * WINDOW / 1e6:.0f} million tokens, last loss {loss.item():.3f}", flush=True)

    tensors = {name: w.detach().to("cpu", torch.bfloat16) for name, w in zip(model.names, model.weights)}
    for name, (rows, inputs) in [(n, s) for n, s in matrices(c).items() if ".layers." in n and len(s) == 2]:
        at, rank = name.removesuffix(".weight"), c["plora_rank"]
        tensors[f"{at}.Plora_A.weight"] = torch.zeros(rank, inputs, dtype=torch.bfloat16)
        tensors[f"{at}.Plora_B.weight"] = torch.zeros(rows, rank, dtype=torch.bfloat16)
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(out / "model.safetensors"), {"format": "pt"})
    (out / "config.json").write_text(Path(config).read_text())


if __name__ == "__main__":
    main()
