"""Writes tape_values.json: the gradients that PyTorch's autograd finds through a block of transformers'
of some of the tiny checkpoints of make_arch_values.py, whose formula gives weights, inputs and the
direction of the loss.

    python tests/golden/make_tape_values.py [OLD.json] > tests/golden/tape_values.json

Needs what make_arch_values.py needs, and as there two versions of transformers: what the one that runs
does not make comes from OLD.json.  "cases" has block 0 by parameter, "blocks" others by Planish's
sites: the gradients of all weights of a site, one below the other.
"""
import json
import sys

import make_arch_values as arch
import numpy as np
import torch
import transformers

LENGTH, LONG, WINDOWS = 12, 80, 2
NAMES = ["llama_biases", "mistral", "qwen2_window", "qwen3_biases", "phi3", "olmo2", "gemma2", "gemma3"]
BLOCKS = [("mixtral", 1), ("qwen2_moe", 1), ("qwen3_moe", 1), ("olmoe", 0), ("deepseek_v2", 0),
          ("deepseek_v2", 1), ("deepseek_v2_groups", 1), ("deepseek_v3", 0), ("deepseek_v3", 2),
          ("deepseek_v3_yarn", 1), ("deepseek_v3_dense", 1), ("gpt_oss", 0), ("gpt_oss", 1),
          ("gpt_oss_yarn", 1), ("llama4", 0), ("llama4", 1), ("llama4", 3), ("llama4_plain", 1)]


def tensor(name, shape):
    return torch.from_numpy(arch.formula(name, int(np.prod(shape))).reshape(shape))


def rounded(values):
    return [float(f"{v:.7g}") for v in values]


def summary(name, grad):
    grad = grad.double().flatten().numpy()
    return rounded([grad @ arch.formula(name, grad.size).astype(np.float64), np.linalg.norm(grad)])


def run(this, block, length):
    """The input and the layer, with their gradients."""
    model, config = arch.build(this)
    unit = this["model_type"].startswith("gemma")
    with torch.no_grad():
        buffers = [b for b in model.named_buffers() if b[0].endswith("e_score_correction_bias")]
        for name, p in [*model.named_parameters(), *buffers]:
            p.copy_(torch.from_numpy(arch.weights(name, tuple(p.shape), unit)))
    shape = (WINDOWS, length, config.hidden_size)
    x = tensor("block input", shape).requires_grad_()
    layer = model.model.layers[block]
    out = []
    layer.register_forward_pre_hook(lambda _, args, kw: ((x, *args[1:]), kw), with_kwargs=True)
    layer.register_forward_hook(lambda _, args, y: out.append(y[0] if isinstance(y, tuple) else y))
    model.eval()(input_ids=torch.ones(shape[:2], dtype=torch.long), use_cache=False)
    (out[0] * tensor("block gradient", shape)).sum().backward()
    return x, layer


def differentiate(this):
    x, layer = run(this, 0, LENGTH)
    found = {}
    for name, p in layer.named_parameters():
        if "proj" in name:
            whole = "model.layers.0." + name
            found[whole] = summary(whole, p.grad)
    return {"input": summary("input", x.grad), "first": rounded(x.grad.flatten()[:16].tolist()),
            "parameters": found}


def linear(module):
    """Gradients of weight and bias; zeros where no token reached the module."""
    return [None if p is None else torch.zeros_like(p) if p.grad is None else p.grad
            for p in (module.weight, module.bias)]


def sites(layer, config):
    """Every site's linear layers, each [gradient of the weight, of the bias or None]."""
    attention, out = layer.self_attn, {}
    names = ("q_a_proj", "q_proj", "k_proj", "v_proj", "kv_a_proj_with_mqa")
    out["qkv"] = [linear(getattr(attention, n)) for n in names if hasattr(attention, n)]
    for name in ("q_b_proj", "kv_b_proj"):
        if hasattr(attention, name):
            out[name[:-5]] = [linear(getattr(attention, name))]
    out["o"] = [linear(attention.o_proj)]

    def add(prefix, gate, up, down):
        out[prefix + "gate_up"], out[prefix + "down"] = [gate, up], [down]

    mlp = next(getattr(layer, n) for n in ("block_sparse_moe", "feed_forward", "mlp") if hasattr(layer, n))
    experts = getattr(mlp, "experts", None)
    for e, one in enumerate(experts if isinstance(experts, torch.nn.ModuleList) else []):
        parts = ("w1", "w3", "w2") if hasattr(one, "w1") else ("gate_proj", "up_proj", "down_proj")
        add(f"experts.{e}.", *(linear(getattr(one, n)) for n in parts))
    if hasattr(experts, "gate_up_proj"):
        both, down = experts.gate_up_proj.grad, experts.down_proj.grad
        biased = hasattr(experts, "gate_up_proj_bias")  # gpt_oss: gate and up take turns
        inner = down.shape[1]
        for e in range(both.shape[0]):
            half = [slice(0, None, 2), slice(1, None, 2)] if biased else [slice(0, inner), slice(inner, None)]
            bias = experts.gate_up_proj_bias.grad[e] if biased else None
            add(f"experts.{e}.", *([both[e][:, h].T, bias[h] if biased else None] for h in half),
                [down[e].T, experts.down_proj_bias.grad[e] if biased else None])
    shared = getattr(mlp, "shared_experts", getattr(mlp, "shared_expert", None))
    prefix, dense = ("shared_expert.", shared) if experts is not None else ("", mlp)
    if dense is not None:
        add(prefix, *(linear(getattr(dense, n)) for n in ("gate_proj", "up_proj", "down_proj")))
    return out


def differentiate_block(this, block):
    length = LONG if this["model_type"] == "llama4_text" else LENGTH
    x, layer = run(this, block, length)
    found = {}
    for name, layers in sites(layer, this["config"]).items():
        whole = f"model.layers.{block}.{name}"
        found[whole] = summary(whole, torch.cat([w.contiguous() for w, _ in layers]))
        if any(b is not None for _, b in layers):
            biases = [torch.zeros(len(w)) if b is None else b for w, b in layers]
            found[whole + ".bias"] = summary(whole + ".bias", torch.cat(biases))
    return {"name": this["name"], "block": block, "made_by": transformers.__version__,
            "input": summary("input", x.grad), "first": rounded(x.grad.flatten()[:16].tolist()),
            "sites": found}


def main():
    cases = {c["name"]: c for c in arch.CASES}
    old = json.load(open(sys.argv[1])) if len(sys.argv) > 1 else {}
    kept = {(b["name"], b["block"]): b for b in old.get("blocks", [])}
    values = {k: v for k, v in old.items() if k != "blocks"}
    if transformers.__version__ == arch.OLDER:
        values = {"made_by": f"transformers {transformers.__version__}, torch {torch.__version__}",
                  "cases": {name: differentiate(cases[name]) for name in NAMES}}
    blocks = []
    for name, block in BLOCKS:
        here = arch.NEWER.get(cases[name]["model_type"], arch.OLDER) == transformers.__version__
        one = differentiate_block(cases[name], block) if here else kept.get((name, block))
        if one is not None:
            blocks.append(one)
    json.dump({**values, "blocks": blocks}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
