#!/usr/bin/env python3
"""Writes sensitivity_values.json: what parts of the demo cost it when they alone are rounded (RTN, 3
bits, symmetric, groups of 128, f16 scales), by PyTorch and transformers, in float64.  Needs torch and
transformers; the tests need only what it wrote.

ids are two windows of 64 tokens.  A unit's kl is the mean over targets of KL(original || rounded),
perplexity is of the same targets, move the mean over tokens of |d|^2 / |h|^2 behind its block,
summed over its blocks.
"""
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

here = Path(__file__).resolve().parent
model = AutoModelForCausalLM.from_pretrained(here.parents[1] / "sessions/demo").double().eval()
LENGTH, WINDOWS = 64, 2
ids = torch.tensor([5 + i * i % 200 for i in range(LENGTH * WINDOWS)]).view(WINDOWS, LENGTH)
UNITS = {"3.v_proj": ["layers.3.self_attn.v_proj"], "0.down_proj": ["layers.0.mlp.down_proj"],
         "q_proj": [f"layers.{b}.self_attn.q_proj" for b in range(4)],
         "2": [f"layers.2.{p}" for p in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                         "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
                                         "mlp.down_proj")]}


def rtn(weight, bits=3, group=128):
    out = weight.clone()
    for c in range(0, weight.shape[1], group):
        w = weight[:, c:c + group]
        s = (w.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)).half().double()
        out[:, c:c + group] = (w / s).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * s
    return out


def run():
    with torch.no_grad():
        out = model(ids, output_hidden_states=True)
    return out.logits[:, :-1].log_softmax(-1)


def behind(block, x):
    """The residual stream behind a block whose input is x, and what the block makes of it."""
    pos = torch.arange(LENGTH)[None].expand(WINDOWS, -1)
    mask = torch.full((LENGTH, LENGTH), float("-inf"), dtype=torch.float64).triu(1)[None, None]
    with torch.no_grad():
        out = model.model.layers[block](x, attention_mask=mask, position_ids=pos,
                                        position_embeddings=model.model.rotary_emb(x, pos))
    return out[0] if isinstance(out, tuple) else out


original = run()
targets = ids[:, 1:, None]
with torch.no_grad():
    inputs = [model.model.embed_tokens(ids)]
for b in range(4):
    inputs.append(behind(b, inputs[b]))
result = {"original": (-original.gather(-1, targets)).mean().exp().item(), "units": []}
for name, parts in UNITS.items():
    layers = {p: model.model.get_submodule(p) for p in parts}
    kept = {p: layer.weight.data for p, layer in layers.items()}
    for p, layer in layers.items():
        layer.weight.data = rtn(kept[p])
    rounded = run()
    move = 0.0
    for b in sorted({int(p.split(".")[1]) for p in parts}):
        h, d = inputs[b + 1], behind(b, inputs[b]) - inputs[b + 1]
        move += ((d ** 2).sum(-1) / (h ** 2).sum(-1)).mean().item()
    for p, layer in layers.items():
        layer.weight.data = kept[p]
    kl = (original.exp() * (original - rounded)).sum(-1)
    result["units"].append({"unit": name, "kl": kl.mean().item(), "kl_max": kl.max().item(),
                            "perplexity": (-rounded.gather(-1, targets)).mean().exp().item(),
                            "move": move})
(here / "sensitivity_values.json").write_text(json.dumps(result, indent=1) + "\n")
