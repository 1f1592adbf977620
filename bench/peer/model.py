"""The same model in PyTorch, written for speed in eager float32: the peer of bench/*.ts.

Tensors keep the names and layouts of the checkpoint, so a state is a plain dict. Knows nothing of timing.
"""
import json
import struct

import numpy as np
import torch
import torch.nn.functional as F

VISION = "vit.vision_tower.vision_model"
DTYPES = {"F32": np.float32, "I32": np.int32}


def read_tensors(path):
    """A safetensors file of F32 and I32 tensors -> ({name: tensor}, metadata)."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = np.frombuffer(data, DTYPES[entry["dtype"]], (end - begin) // 4, 8 + length + begin)
        tensors[name] = torch.from_numpy(raw.reshape(entry["shape"]).copy())
    return tensors, metadata


def rotary_tables(c, positions):
    """cos and sin [positions, head_dim], the angles twice (half-split convention)."""
    d = c["hidden_size"] // c["num_attention_heads"]
    frequency = 1.0 / c["rope_theta"] ** (torch.arange(0, d, 2, dtype=torch.float32) / d)
    angle = torch.outer(torch.arange(positions, dtype=torch.float32), frequency)
    angle = torch.cat((angle, angle), -1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def plora(w, name, x, image, scale):
    """All rows pass W; image rows (flat positions) add B A x. x [rows, in]."""
    y = F.linear(x, w[f"{name}.weight"])
    if image is None:
        return y
    low = F.linear(F.linear(x.index_select(0, image), w[f"{name}.Plora_A.weight"]), w[f"{name}.Plora_B.weight"])
    return y.index_add_(0, image, low if scale == 1 else low * scale)


def block(w, c, at, x, batch, cos, sin, image, cache=None):
    """One decoder block. x [batch * tokens, hidden]; `cache` is (keys, values, length before) or None."""
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    h = c["hidden_size"]
    d, group, eps = h // heads, heads // kv, c["rms_norm_eps"]
    rank = c.get("plora_rank", 256)
    scale = c.get("plora_alpha", rank) / rank
    tokens = x.shape[0] // batch
    n = F.rms_norm(x, (h,), w[f"{at}.attention_norm.weight"], eps)
    qkv = plora(w, f"{at}.attention.wqkv", n, image, scale).view(batch, tokens, kv, group + 2, d)
    q = qkv[:, :, :, :group].reshape(batch, tokens, heads, d).transpose(1, 2)
    k = rotate(qkv[:, :, :, group].transpose(1, 2), cos, sin)
    v = qkv[:, :, :, group + 1].transpose(1, 2)
    q = rotate(q, cos, sin)
    causal = tokens > 1
    if cache is not None:
        keys, values, past = cache
        keys[:, :, past : past + tokens] = k
        values[:, :, past : past + tokens] = v
        k, v = keys[:, :, : past + tokens], values[:, :, : past + tokens]
    a = F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)
    a = a.transpose(1, 2).reshape(batch * tokens, h)
    x = x + plora(w, f"{at}.attention.wo", a, image, scale)
    n = F.rms_norm(x, (h,), w[f"{at}.ffn_norm.weight"], eps)
    f = F.silu(plora(w, f"{at}.feed_forward.w1", n, image, scale)) * plora(w, f"{at}.feed_forward.w3", n, image, scale)
    return x + plora(w, f"{at}.feed_forward.w2", f, image, scale)


def decoder(w, c, x, batch, cos, sin, image=None, caches=None):
    """Blocks and final norm over x [batch * tokens, hidden]."""
    for i in range(c["num_hidden_layers"]):
        x = block(w, c, f"model.layers.{i}", x, batch, cos, sin, image, caches[i] if caches else None)
    return F.rms_norm(x, (c["hidden_size"],), w["model.norm.weight"], c["rms_norm_eps"])


def dense(w, name, x):
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def stem(w, v, pixels):
    """3 x 3 convolutions behind LayerNorm over channels and quick_gelu -> [images, tokens, hidden].

    Weights are [out, 3 * 3 * in] with the channel last, which is PyTorch's channels_last layout: no copies.
    """
    x = pixels.contiguous(memory_format=torch.channels_last)
    for i, layer in enumerate(v["stem"]):
        name = f"{VISION}.embeddings.stem.{i}"
        active = x
        if i > 0:
            n = F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), w[f"{name}.norm.weight"], w[f"{name}.norm.bias"], v["layer_norm_eps"])
            active = quick_gelu(n).permute(0, 3, 1, 2)
        weight = w[f"{name}.conv.weight"].view(layer["channels"], 3, 3, x.shape[1]).permute(0, 3, 1, 2)
        y = F.conv2d(active, weight, w[f"{name}.conv.bias"], stride=layer["stride"], padding=1)
        x = x + y if y.shape == x.shape else y
    return x.flatten(2).transpose(1, 2)


def patches(w, v, pixels):
    weight = w[f"{VISION}.embeddings.patch_embedding.weight"]
    return F.conv2d(pixels, weight, stride=v["patch_size"]).flatten(2).transpose(1, 2)


def vision(w, v, pixels):
    """pixels [images, 3, S, S] -> features [images, tokens, hidden] without the class token."""
    h, heads, eps = v["hidden_size"], v["num_attention_heads"], v["layer_norm_eps"]

    def norm(name, x):
        return F.layer_norm(x, (h,), w[f"{name}.weight"], w[f"{name}.bias"], eps)

    x = stem(w, v, pixels) if v.get("stem") else patches(w, v, pixels)
    images = x.shape[0]
    first = w[f"{VISION}.embeddings.class_embedding"].expand(images, 1, h)
    x = torch.cat((first, x), 1) + w[f"{VISION}.embeddings.position_embedding.weight"]
    x = norm(f"{VISION}.pre_layrnorm", x)
    for i in range(v["num_hidden_layers"]):
        at = f"{VISION}.encoder.layers.{i}"
        n = norm(f"{at}.layer_norm1", x)
        q, k, value = (
            dense(w, f"{at}.self_attn.{part}_proj", n).view(images, -1, heads, h // heads).transpose(1, 2) for part in "qkv"
        )
        a = F.scaled_dot_product_attention(q, k, value).transpose(1, 2).reshape(images, -1, h)
        x = x + dense(w, f"{at}.self_attn.out_proj", a)
        x = x + dense(w, f"{at}.mlp.fc2", quick_gelu(dense(w, f"{at}.mlp.fc1", norm(f"{at}.layer_norm2", x))))
    return x[:, 1:]


def projector(w, features):
    return dense(w, "vision_proj.2", F.gelu(dense(w, "vision_proj.0", features)))
