#!/usr/bin/env python3
"""load_packed.py PLANISH DEMO FOLDER [GGUF] -- exports the demo in every packed format to FOLDER and
loads each as its owners do; prints a row of the README's table for each, and fails where anything
differs from the float32 export by a bit.

transformers with compressed-tensors runs the models (logits; a pair of versions that do not belong
together loads random weights without an error, so nothing less will do).  GPTQ's and AWQ's tensors
are unpacked by the rules of GPTQModel (dequantize_weight) and AutoAWQ (unpack_awq, order
0 2 4 6 1 3 5 7), written here in numpy.  With a GGUF, one of its layers is rounded, written and
dequantized by the gguf package."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

planish, demo, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
ids = torch.randint(0, 600, (1, 64))


def export(name, methods, arguments, model=demo):
    out = folder / name
    script = f"{methods}; export dir={out} {arguments}"
    subprocess.run([planish, "--store", str(folder / "store"), model, "-c", script], check=True,
                   stdout=subprocess.DEVNULL)
    return out


def logits(path):
    model = AutoModelForCausalLM.from_pretrained(path, torch_dtype=torch.float32)
    with torch.no_grad():
        return model(ids).logits


def bits_of(words, bits, count):
    """Codes of a stream of int32 words along axis 0, without gaps."""
    out = np.zeros((count, words.shape[1]), np.int64)
    words = words.view(np.uint32).astype(np.uint64)
    for i in range(count):
        at, used = i * bits // 32, i * bits % 32
        code = words[at] >> np.uint64(used)
        if used + bits > 32:
            code = code | words[at + 1] << np.uint64(32 - used)
        out[i] = code & np.uint64(2**bits - 1)
    return out


def gptq(t, name, bits, offset):
    scales = t[name + ".scales"].astype(np.float32)
    g = t[name + ".g_idx"]
    q = bits_of(t[name + ".qweight"], bits, len(g))
    z = bits_of(t[name + ".qzeros"].T.copy(), bits, scales.shape[1]).T + offset
    return (scales[g] * (q - z[g]).astype(np.float32)).T


def awq(t, name):
    def unpack(words):
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        out = np.zeros((words.shape[0], words.shape[1] * 8), np.int64)
        for i in range(8):
            out[:, order[i]::8] = words.view(np.uint32) >> np.uint32(4 * i) & np.uint32(15)
        return out
    scales = t[name + ".scales"].astype(np.float32)
    q, z = unpack(t[name + ".qweight"]), unpack(t[name + ".qzeros"])
    g = np.arange(q.shape[0]) // (q.shape[0] // scales.shape[0])
    return (scales[g] * (q - z[g]).astype(np.float32)).T


def compare_layers(path, floats, unpack):
    t, f = load_file(path / "model.safetensors"), load_file(floats / "model.safetensors")
    names = [n[:-len(".qweight")] for n in t if n.endswith(".qweight")]
    assert len(names) == 28
    for name in names:
        assert np.array_equal(unpack(t, name), f[name + ".weight"]), (path, name)


def row(what, loader):
    print(f"| `{what}` | {loader} | 0 |", flush=True)


W4, A4 = "method rtn bits=4; solve all", "method rtn bits=4 symmetric=no; solve all"
floats = export("w4", W4, "format=hf dtype=f32")
floats_a4 = export("a4", A4, "format=hf dtype=f32")
meant = logits(floats)
for name, methods in (("compressed-tensors", W4),
                      ("mixed", "method rtn bits=4; method rtn bits=8 on=*.down_proj; solve all")):
    packed = export(name, methods, "format=compressed-tensors")
    own = meant if methods == W4 else logits(export(name + "-f32", methods, "dtype=f32"))
    assert torch.equal(logits(packed), own), name
    row("format=compressed-tensors" + (" (mixed bits)" if name == "mixed" else ""),
        "transformers, compressed-tensors: logits")
for methods in ("method rtn format=fp8", "method rtn format=fp8 scale_mode=tensor"):
    name = methods.rsplit("=", 1)[1]
    own = export(name + "-f32", methods + "; solve all", "dtype=f32")
    assert torch.equal(logits(export(name, methods + "; solve all", "format=fp8")), logits(own))
    row(f"format=fp8 ({methods[7:]})", "transformers, compressed-tensors: logits")
compare_layers(export("gptq", W4, "format=gptq"), floats, lambda t, n: gptq(t, n, 4, 1))
row("format=gptq", "GPTQModel's rule: weights")
compare_layers(export("v2", A4, "format=gptq_v2"), floats_a4, lambda t, n: gptq(t, n, 4, 0))
row("format=gptq_v2", "GPTQModel's rule: weights")
compare_layers(export("awq", A4, "format=awq"), floats_a4, awq)
row("format=awq", "AutoAWQ's rule: weights")
if len(sys.argv) > 4:
    import gguf
    one = "method rtn bits=4 group_size=32 symmetric={}; solve 15.up_proj"
    for symmetric in ("yes", "no"):
        methods = one.format(symmetric)
        dump = folder / f"{symmetric}.npy"
        written = export("gguf-" + symmetric, methods + f"; dump weights 15.up_proj which=after "
                         f"file={dump}", "format=gguf partial=yes", sys.argv[4])
        tensor = next(t for t in gguf.GGUFReader(written / "model.gguf").tensors
                      if t.name == "blk.15.ffn_up.weight")
        found = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(found, np.load(dump)), symmetric
        row(f"format=gguf ({tensor.tensor_type.name})", "gguf: weights")
