"""Writes block_values.json: loss and gradients that PyTorch's autograd finds for FlatQuant's objective
on block 0 of a tiny checkpoint of make_arch_values.py, in float64, everything quantized to 4 bits with
a zero point.  Weights, inputs and parameters come from the formula there.

    python tests/golden/make_block_values.py > tests/golden/block_values.json

Needs what make_arch_values.py needs.
"""
import json
import math
import sys

import make_arch_values as arch
import numpy as np
import torch

LENGTH, WINDOWS, HIDDEN, INNER, HEADS, KV_HEADS, DIM, EPS, THETA = 12, 2, 32, 48, 4, 2, 8, 1e-5, 1e4
BITS = 4
SPLITS = {32: (4, 8), 48: (6, 8)}


def tensor(name, shape):
    values = arch.formula(name, int(np.prod(shape))).astype(np.float64)
    return torch.from_numpy(values.reshape(shape))


def weight(name, *shape):
    name = f"model.layers.0.{name}.weight"
    return torch.from_numpy(arch.weights(name, shape, False).astype(np.float64).reshape(shape))


def groups():
    """(name, size, kind) of every group of parameters, in the order of core/learn/block.h."""
    sites = [("qkv", HIDDEN, (HEADS + 2 * KV_HEADS) * DIM), ("o", HEADS * DIM, HIDDEN),
             ("gate_up", HIDDEN, 2 * INNER), ("down", INNER, HIDDEN)]
    parts, clips = [], []
    for name, n, rows in sites:
        a, b = (HEADS, DIM) if name == "o" else SPLITS[n]
        parts += [(name + ".first", a * a, "factor"), (name + ".second", b * b, "factor")]
        parts += [(name + ".scale", n, "scale")] if name != "o" else []
        clips += [(name + ".weight_low", rows, "clip"), (name + ".weight_high", rows, "clip"),
                  (name + ".input_low", 1, "clip"), (name + ".input_high", 1, "clip")]
    return parts + [("key", DIM * DIM, "factor")] + clips + [("cache", 4, "clip")]


def parameters():
    out, at = {}, 0
    whole = tensor("flat parameters", (sum(size for _, size, _ in groups()),))
    for name, size, kind in groups():
        value = whole[at:at + size].clone()
        at += size
        if kind == "factor":
            n = math.isqrt(size)
            value[-n:] = 1 + 0.2 * value[-n:]
        elif kind == "scale":
            value *= 0.3
        else:
            value = 1.5 + value
        out[name] = value.requires_grad_()
    return out


def cayley(lower, n):
    skew = torch.zeros(n, n, dtype=torch.float64)
    skew[tuple(torch.tril_indices(n, n, -1))] = lower
    skew = skew - skew.T
    eye = torch.eye(n, dtype=torch.float64)
    return torch.linalg.solve(eye - skew / 2, eye + skew / 2)


def factor(p):
    n = math.isqrt(p.numel())
    count = n * (n - 1) // 2
    u, v, d = cayley(p[:count], n), cayley(p[count:2 * count], n), p[2 * count:]
    return u * d @ v.T, u / d @ v.T


def kron(x, a, b):
    return (a.T @ x.reshape(-1, a.shape[0], b.shape[0]) @ b).reshape(x.shape)


def straight(x):
    return (x.round() - x).detach() + x


def quantize(x, low, high, clamps):
    low, high = x.amin(-1, keepdim=True).clamp(max=0) * low, x.amax(-1, keepdim=True).clamp(min=0) * high
    scale = (high - low) / (2**BITS - 1)
    zero = straight(-low / scale)
    kept = torch.minimum(torch.maximum(x, low), high) if clamps else x
    return scale * ((straight(kept / scale) + zero).clamp(0, 2**BITS - 1) - zero)


def clip(w, low, high):
    return torch.minimum(torch.maximum(w, w.amin(1, keepdim=True) * low), w.amax(1, keepdim=True) * high)


def norm(x, gain):
    return gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS)


def turn(x):
    angle = torch.outer(torch.arange(LENGTH).double(), 1 / THETA ** (torch.arange(0, DIM, 2).double() / DIM))
    c, s = torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()
    return x * c + torch.cat([-x[..., DIM // 2:], x[..., :DIM // 2]], -1) * s


def heads(x, n):
    return x.view(WINDOWS, LENGTH, n, DIM).transpose(1, 2)


def block(x, w, see, cache):
    """see(site, input) gives the quantized input and the weights; cache(q, k, v) what attention sees."""
    n, m = see("qkv", norm(x, w["input_layernorm"]))
    q, k, v = (n @ m.T).split([HEADS * DIM, KV_HEADS * DIM, KV_HEADS * DIM], -1)
    q, k, v = cache(turn(heads(q, HEADS)), turn(heads(k, KV_HEADS)), heads(v, KV_HEADS))
    k, v = (t.repeat_interleave(HEADS // KV_HEADS, 1) for t in (k, v))
    mask = torch.full((LENGTH, LENGTH), -math.inf, dtype=torch.float64).triu(1)
    a = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(DIM) + mask, -1) @ v
    a, m = see("o", a.transpose(1, 2).reshape(x.shape[:2] + (HEADS * DIM,)))
    x = x + a @ m.T
    n, m = see("gate_up", norm(x, w["post_attention_layernorm"]))
    gate, up = (n @ m.T).split(INNER, -1)
    a, m = see("down", torch.nn.functional.silu(gate) * up)
    return x + a @ m.T


def main():
    w = {n: weight(n, HIDDEN) for n in ("input_layernorm", "post_attention_layernorm")}
    stacked = {
        "qkv": torch.cat([weight("self_attn.q_proj", HEADS * DIM, HIDDEN),
                          weight("self_attn.k_proj", KV_HEADS * DIM, HIDDEN),
                          weight("self_attn.v_proj", KV_HEADS * DIM, HIDDEN)]),
        "o": weight("self_attn.o_proj", HIDDEN, HEADS * DIM),
        "gate_up": torch.cat([weight("mlp.gate_proj", INNER, HIDDEN), weight("mlp.up_proj", INNER, HIDDEN)]),
        "down": weight("mlp.down_proj", HIDDEN, INNER)}
    x = tensor("block input", (WINDOWS, LENGTH, HIDDEN))
    y = block(x, w, lambda site, n: (n, stacked[site]), lambda *qkv: qkv)
    p = parameters()
    share = lambda name: torch.sigmoid(p[name])

    def see(site, n):
        a, ai = factor(p[site + ".first"])
        b, bi = factor(p[site + ".second"])
        scale = torch.exp(p[site + ".scale"]) if site != "o" else torch.ones(1, dtype=torch.float64)
        n = kron(n * scale, a, b if site != "o" else torch.eye(DIM, dtype=torch.float64))
        n = quantize(n, share(site + ".input_low"), share(site + ".input_high"), False)
        m = kron(stacked[site] / scale, ai, bi)
        low, high = share(site + ".weight_low")[:, None], share(site + ".weight_high")[:, None]
        if site != "qkv":
            return n, quantize(m, low, high, True)
        first = (HEADS + KV_HEADS) * DIM
        value = clip(m[first:], low[first:], high[first:]).view(KV_HEADS, DIM, HIDDEN)
        value = (factor(p["o.second"])[0].T @ value).reshape(-1, HIDDEN)
        return n, torch.cat([quantize(m[:first], low[:first], high[:first], True),
                             quantize(value, 1.0, 1.0, True)])

    def cache(q, k, v):
        h, hi = factor(p["key"])
        c = share("cache")
        return q @ hi, quantize(k @ h, c[0], c[1], False), quantize(v, c[2], c[3], False)

    loss = torch.log((block(x, w, see, cache) - y).pow(2).sum() / (y - x).pow(2).sum())
    loss.backward()
    found = {}
    for name, size, _ in groups():
        grad = p[name].grad.numpy()
        along = grad @ arch.formula(name, size).astype(np.float64)
        found[name] = [float(f"{v:.8g}") for v in (along, np.linalg.norm(grad))]
    json.dump({"made_by": f"torch {torch.__version__}", "log_loss": loss.item(), "gradients": found},
              sys.stdout)
    print()


if __name__ == "__main__":
    main()
