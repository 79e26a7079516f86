"""Writes tape_values.json: the gradients that PyTorch's autograd finds through transformers' block 0
of some of the tiny checkpoints of make_arch_values.py, whose formula gives weights, inputs and the
direction of the loss.

    python tests/golden/make_tape_values.py > tests/golden/tape_values.json

Needs what make_arch_values.py needs.
"""
import json
import sys

import make_arch_values as arch
import numpy as np
import torch
import transformers

LENGTH, WINDOWS = 12, 2
NAMES = ["llama_biases", "mistral", "qwen2_window", "qwen3_biases", "phi3", "olmo2", "gemma2", "gemma3"]


def tensor(name, shape):
    return torch.from_numpy(arch.formula(name, int(np.prod(shape))).reshape(shape))


def rounded(values):
    return [float(f"{v:.7g}") for v in values]


def differentiate(this):
    model, config = arch.build(this)
    unit = this["model_type"].startswith("gemma")
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(arch.weights(name, tuple(p.shape), unit)))
    shape = (WINDOWS, LENGTH, config.hidden_size)
    x = tensor("block input", shape).requires_grad_()
    layer = model.model.layers[0]
    out = []
    layer.register_forward_pre_hook(lambda _, args, kw: ((x, *args[1:]), kw), with_kwargs=True)
    layer.register_forward_hook(lambda _, args, y: out.append(y[0] if isinstance(y, tuple) else y))
    model.eval()(input_ids=torch.ones(shape[:2], dtype=torch.long), use_cache=False)
    (out[0] * tensor("block gradient", shape)).sum().backward()
    found = {}
    for name, p in layer.named_parameters():
        if "proj" in name:
            whole = "model.layers.0." + name
            grad = p.grad.double().flatten().numpy()
            found[whole] = rounded([grad @ arch.formula(whole, grad.size).astype(np.float64),
                                    np.linalg.norm(grad)])
    grad = x.grad.double().flatten().numpy()
    along = grad @ arch.formula("input", grad.size).astype(np.float64)
    return {"input": rounded([along, np.linalg.norm(grad)]), "first": rounded(grad[:16]),
            "parameters": found}


def main():
    cases = {c["name"]: c for c in arch.CASES}
    values = {"made_by": f"transformers {transformers.__version__}, torch {torch.__version__}",
              "cases": {name: differentiate(cases[name]) for name in NAMES}}
    json.dump(values, sys.stdout)
    print()


if __name__ == "__main__":
    main()
