"""Writes spin_values.json: the loss of some of the tiny checkpoints of make_arch_values.py with
4-bit activations and cache in the coordinates of random rotations, and its gradients by them, as
PyTorch's autograd finds them through transformers with straight-through rounding.  along: the
gradient along a direction of the formula's, by central differences in float64 of what straight-through
rounding is the gradient of, the same function with what rounding adds held fast.

    python tests/golden/make_spin_values.py [OLD.json] > tests/golden/spin_values.json

Needs what make_arch_values.py needs, and as there two versions of transformers: what the one that runs
does not make comes from OLD.json.
"""
import importlib
import json
import sys

import make_arch_values as arch
import numpy as np
import torch
import transformers

LENGTH, WINDOWS = 20, 2
NAMES = ["llama_biases", "qwen3", "qwen3_moe", "gpt_oss"]


held = None  # what rounding added, in the order of the calls; None: it is found anew


def ste(x):
    if held is not None and len(held) > 0 and held[0] == "replay":
        held.append(held.pop(1))
        return x + held[-1]
    scale = x.abs().amax(-1, keepdim=True) / 7
    q = torch.clamp(torch.round(x / scale), -8, 7) * scale
    if held is not None:
        held.append((q - x).detach())
    return x + (q - x).detach()


def heads_of(x, n):
    return x.view(*x.shape[:-1], -1, n)


def orthogonal(rng, n):
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return torch.from_numpy((q * np.sign(np.diag(r))).astype(np.float32)).requires_grad_()


def fused(x, shares, experts, into):
    """gpt_oss's experts (modeling_gpt_oss.py), all on all tokens, with both inputs rounded."""
    (x,) = into(None, (x.view(-1, x.shape[-1]),))
    out = 0
    for e in range(experts.gate_up_proj.shape[0]):
        both = x @ experts.gate_up_proj[e] + experts.gate_up_proj_bias[e]
        gate, up = both[:, 0::2].clamp(max=7), both[:, 1::2].clamp(-7, 7)
        act = ste((up + 1) * gate * torch.sigmoid(1.702 * gate))
        out = out + shares[:, e, None] * (act @ experts.down_proj[e] + experts.down_proj_bias[e])
    return out.view(WINDOWS, LENGTH, -1)


def watch(model, config, r1, r2):
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads

    def stream(norm):
        return lambda _, args: (ste(args[0] / norm.weight @ r1) @ r1.T * norm.weight,)

    def of_heads(x, r, whole):
        turned = (heads_of(x, head) @ r)
        turned = ste(turned.flatten(-2)).view(turned.shape) if whole else ste(turned)
        return (turned @ r.T).flatten(-2)

    for b, layer in enumerate(model.model.layers):
        for name in ("q_proj", "k_proj", "v_proj"):
            getattr(layer.self_attn, name).register_forward_pre_hook(stream(layer.input_layernorm))
        into = stream(layer.post_attention_layernorm)
        experts = getattr(layer.mlp, "experts", None)
        if hasattr(experts, "gate_up_proj"):
            experts.forward = lambda x, router_indices, routing_weights, e=experts, n=into: fused(
                x, routing_weights, e, n)
        for mlp in [] if hasattr(experts, "gate_up_proj") else experts or [layer.mlp]:
            for name in ("gate_proj", "up_proj"):
                getattr(mlp, name).register_forward_pre_hook(into)
            mlp.down_proj.register_forward_pre_hook(lambda _, args: (ste(args[0]),))
        layer.self_attn.v_proj.register_forward_hook(
            lambda _, args, y, r=r2[b]: of_heads(y, r, False))
        layer.self_attn.o_proj.register_forward_pre_hook(
            lambda _, args, r=r2[b]: (of_heads(args[0], r, True),))
    module = importlib.import_module(type(model).__module__)
    rope = module.apply_rotary_pos_emb

    def turned_rope(q, k, *rest, **more):
        q, k = rope(q, k, *rest, **more)
        return q, ste(k)

    return module, rope, turned_rope


def differences(model, loss_of, rotations, names):
    """Central differences of all rotations of a name, moved along the formula's direction."""
    global held
    held = []
    loss_of()
    held.insert(0, "replay")
    found = []
    for name, group in zip(names, rotations):
        size = sum(r.numel() for r in group)
        way = torch.from_numpy(arch.formula(name, size).astype(np.float64))
        values, start = [], [r.detach().clone() for r in group]
        for sign in (1, -1):
            with torch.no_grad():
                at = 0
                for r, was in zip(group, start):
                    step = way[at:at + r.numel()].view(r.shape)
                    r.copy_(was + sign * 1e-5 * step)
                    at += r.numel()
                values.append(loss_of().item())
        with torch.no_grad():
            for r, was in zip(group, start):
                r.copy_(was)
        found.append((values[0] - values[1]) / 2e-5)
        grad = torch.cat([r.grad.flatten() for r in group])
        exact = (grad.double() * way).sum().item()
        assert abs(found[-1] - exact) < 1e-6 + 1e-5 * abs(exact), (name, found[-1], exact)
    held = None
    return found


def measure(this):
    model, config = arch.build(this)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(arch.weights(name, tuple(p.shape), False)))
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rng = np.random.default_rng(11)
    plain = [orthogonal(rng, config.hidden_size)]
    plain += [orthogonal(rng, head) for _ in range(config.num_hidden_layers)]
    ids = torch.from_numpy(rng.integers(0, config.vocab_size, (WINDOWS, LENGTH)))
    model = model.double().eval()
    if this["model_type"] != "gpt_oss":  # whose own way is the only one
        model.config._attn_implementation = "sdpa"  # which, as this norm, does not go through float32
    softmax = torch.nn.functional.softmax  # nor may a router's
    torch.nn.functional.softmax = lambda x, dim=None, dtype=None, **_: softmax(x, dim=dim)
    for part in model.modules():
        if type(part).__name__.endswith("RMSNorm"):
            part.forward = lambda x, n=part: (
                n.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + n.variance_epsilon))
    all_r = [r.detach().double().requires_grad_() for r in plain]
    module, rope, turned = watch(model, config, all_r[0], all_r[1:])

    def loss_of():
        module.apply_rotary_pos_emb = turned
        logits = model(input_ids=ids, use_cache=False).logits
        module.apply_rotary_pos_emb = rope
        return torch.nn.functional.cross_entropy(
            logits[:, :-1].reshape(-1, config.vocab_size), ids[:, 1:].reshape(-1))

    loss = loss_of()
    loss.backward()
    groups = ([all_r[0]], all_r[1:])
    along = differences(model, loss_of, groups, ("r1 direction", "r2 direction"))
    numbers = lambda group: [float(f"{v:.8g}") for r in group for v in r.double().flatten().tolist()]
    return {
        "name": this["name"],
        "ids": ids.flatten().tolist(),
        "r1": numbers([r.detach() for r in groups[0]]),
        "r2": numbers([r.detach() for r in groups[1]]),
        "loss": loss.item(),
        "g1": numbers([r.grad for r in groups[0]]),
        "g2": numbers([r.grad for r in groups[1]]),
        "along": along,
    }


def main():
    cases = {c["name"]: c for c in arch.CASES}
    old = json.load(open(sys.argv[1])) if len(sys.argv) > 1 else {"cases": []}
    kept = {c["name"]: c for c in old["cases"]}
    found = []
    for name in NAMES:
        here = arch.NEWER.get(cases[name]["model_type"], arch.OLDER) == transformers.__version__
        one = kept.get(name) or (measure(cases[name]) if here else None)
        found += [one] if one is not None else []
    values = {"length": LENGTH, "windows": WINDOWS, "cases": found}
    json.dump(values, sys.stdout, separators=(",", ":"))
    print()


main()
