"""Training in PyTorch, the peer of bench/train.ts.

Usage: train.py CONFIG.json TENSORS.safetensors THREADS. Says one JSON line when ready; then each line "run STEPS" on
standard input makes that many optimiser steps and is answered with one JSON line {seconds, losses}.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

from model import decoder, projector, read_tensors, rotary_tables, vision


def batch_of(tensors):
    ids = tensors.pop("batch.ids").long()
    labels = tensors.pop("batch.labels").long()
    # The position before each label predicts it.
    where = (labels[:, 1:] >= 0).nonzero()
    return {
        "ids": ids,
        "image": tensors.pop("batch.image_positions").long(),
        "pixels": tensors.pop("batch.pixels"),
        "targets": where[:, 0] * ids.shape[1] + where[:, 1],
        "target_ids": labels[where[:, 0], where[:, 1] + 1],
    }


def loss_of(w, c, b, tables):
    rows = b["ids"].shape[0]
    x = F.embedding(b["ids"].view(-1), w["model.tok_embeddings.weight"], padding_idx=c["pad_token_id"])
    pictures = projector(w, vision(w, c["vision_config"], b["pixels"]))
    x = x.index_copy(0, b["image"], pictures.reshape(-1, c["hidden_size"]))
    hidden = decoder(w, c, x, rows, *tables, b["image"])
    return F.cross_entropy(F.linear(hidden.index_select(0, b["targets"]), w["output.weight"]), b["target_ids"])


def groups_of(w, rates, o):
    """Parameter groups by rate and decay, as the recipe's."""
    groups = {}
    for name, tensor in w.items():
        r = rates[name]
        groups.setdefault((r["lrScale"], r["weightDecay"]), []).append(tensor)
    return [{"params": p, "lr": o["rate"] * scale, "weight_decay": decay} for (scale, decay), p in groups.items()]


def fastest(w, make):
    """The faster of PyTorch's two AdamW implementations on copies of these tensors."""
    times = {}
    for kind in ("fused", "foreach"):
        copies = {n: t.detach().clone().requires_grad_() for n, t in w.items()}
        for t in copies.values():
            t.grad = torch.full_like(t, 1e-3)
        adamw = make(copies, kind)
        adamw.step()
        start = time.perf_counter()
        for _ in range(3):
            adamw.step()
        times[kind] = time.perf_counter() - start
    return min(times, key=times.get)


def main():
    config, file, threads = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    with open(config, encoding="utf-8") as f:
        c = json.load(f)
    w, metadata = read_tensors(file)
    o, rates = json.loads(metadata["optimiser"]), json.loads(metadata["rates"])
    b = batch_of(w)
    tables = rotary_tables(c, b["ids"].shape[1])
    for t in w.values():
        t.requires_grad_()

    def make(parameters, kind):
        return torch.optim.AdamW(groups_of(parameters, rates, o), betas=o["betas"], eps=o["epsilon"], **{kind: True})

    kind = fastest(w, make)
    adamw = make(w, kind)
    print(json.dumps({"torch": torch.__version__, "adamw": kind}), flush=True)
    for line in sys.stdin:
        steps = int(line.split()[1])
        losses = []
        start = time.perf_counter()
        for _ in range(steps):
            adamw.zero_grad(set_to_none=True)
            loss = loss_of(w, c, b, tables)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(w.values(), o["maxNorm"], foreach=True)
            adamw.step()
            losses.append(loss.item())
        print(json.dumps({"seconds": time.perf_counter() - start, "losses": losses}), flush=True)


if __name__ == "__main__":
    main()
