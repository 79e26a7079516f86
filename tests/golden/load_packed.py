#!/usr/bin/env python3
"""load_packed.py PLANISH DEMO FOLDER [GGUF] -- exports the demo in every layout to FOLDER and loads
each as its owners do; prints the table "what loads where" of app/guide.md, and fails where Planish,
transformers or an owner's rule differs from the float32 export by a bit.  A cell is what was
compared and the largest difference.

transformers with compressed-tensors runs the models (logits; a pair of versions that do not belong
together loads random weights without an error, so nothing less will do).  GPTQ's and AWQ's tensors
are unpacked by the rules of GPTQModel (dequantize_weight) and AutoAWQ (unpack_awq, order
0 2 4 6 1 3 5 7), written here in numpy.  Models with transforms folded in are compared with the
same folded in float32, and their perplexity with the one that was measured before folding.  llama.cpp
runs where PLANISH_LLAMA_PYTHON names a Python
with PyPI's xllamacpp.  With a GGUF, one of its layers is rounded, written and dequantized by the
gguf package."""
import json
import math
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch
from transformers import AutoModelForCausalLM, AutoTokenizer

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


def perplexities(path, methods):
    """By Planish before it exports, by transformers of what was exported."""
    text = Path(__file__).parents[2] / "sessions/demo/evaluation.txt"
    script = f"{methods}; perplexity which=after text={text} length=64 windows=8"
    lines = subprocess.run([planish, "--json", "--store", str(folder / "store"), demo, "-c", script],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    model = AutoModelForCausalLM.from_pretrained(path, torch_dtype=torch.float32)
    words = AutoTokenizer.from_pretrained(path)(text.read_text())["input_ids"][:512]
    with torch.no_grad():
        rows = torch.tensor(words).reshape(8, 64)
        found = math.exp(model(rows, labels=rows).loss)
    return json.loads(lines[-1])["result"]["perplexity"], found


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


def fused_nvfp4(path, floats):
    """The largest difference of a weight as vLLM dequantizes it: q, k and v are one layer, gate and
    up another, under the largest of their global scales."""
    t, f = load_torch(path / "model.safetensors"), load_torch(floats / "model.safetensors")
    names = [n[:-len(".weight_packed")] for n in t if n.endswith(".weight_packed")]
    e2m1 = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6])
    worst = 0.0
    for name in names:
        fused = [name] + [n for n in names if n != name and n.rsplit(".", 1)[0] ==
                          name.rsplit(".", 1)[0] and t[n + ".weight_packed"].shape[1] ==
                          t[name + ".weight_packed"].shape[1] and "o_proj" not in n + name]
        scale = max(t[n + ".weight_global_scale"] for n in fused)
        packed = t[name + ".weight_packed"]
        codes = torch.stack((packed & 15, packed >> 4), -1).reshape(packed.shape[0], -1)
        blocks = (t[name + ".weight_scale"].float() / scale).repeat_interleave(16, 1)
        worst = max(worst, largest(e2m1[codes.long()] * blocks, f[name + ".weight"]))
    return worst


def fp8_blocks(path, floats, ending):
    """The largest difference of a weight by DeepSeek-V3's rule (inference/kernel.py, weight_dequant):
    each 128 x 128 block of E4M3 numbers times its float32 scale, which is that of the weights that
    were rounded, max|block| / 448."""
    t, f = load_torch(path / "model.safetensors"), load_torch(floats / "model.safetensors")
    w = load_torch(Path(demo) / "model.safetensors")
    names = [n[:-len(ending)] + ".weight" for n in t if n.endswith(ending)]
    assert len(names) == 28
    worst = 0.0
    for name in names:
        codes, scales = t[name].float(), t[name[:-len(".weight")] + ending]
        for r in range(0, codes.shape[0], 128):
            for c in range(0, codes.shape[1], 128):
                at = (slice(r, r + 128), slice(c, c + 128))
                scale = scales[r // 128, c // 128]
                assert scale == w[name][at].float().abs().max() / 448
                worst = max(worst, largest(codes[at] * scale, f[name][at]))
    return worst


def largest(a, b):
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max())


def by_rule(path, floats, unpack):
    """The largest difference of a weight by an owner's rule."""
    t, f = load_file(path / "model.safetensors"), load_file(floats / "model.safetensors")
    names = [n[:-len(".qweight")] for n in t if n.endswith(".qweight")]
    assert len(names) == 28
    return max(largest(unpack(t, n), f[n + ".weight"]) for n in names)


def by_planish(path, floats):
    """The same as Planish opens the export and writes it in float32."""
    out = folder / (path.name + "-back")
    subprocess.run([planish, "--store", str(folder / "store"), str(path), "-c",
                    f"method rtn bits=8; solve 0.q_proj; export dir={out} dtype=f32 partial=yes"],
                   check=True, stdout=subprocess.DEVNULL)
    a, f = load_file(out / "model.safetensors"), load_file(floats / "model.safetensors")
    touched = "model.layers.0.self_attn.q_proj.weight"
    return max(largest(a[n], f[n]) for n in f if n != touched)


def by_transformers(path, floats):
    own = logits(floats)
    try:
        return f"logits: {largest(logits(path), own):.3g}"
    except Exception as why:  # a layout that this pair does not know
        return f"refused ({type(why).__name__})"


def by_llama(path, floats):
    python = os.environ.get("PLANISH_LLAMA_PYTHON")
    if not python:
        return "not run"
    np.save(folder / "ids.npy", ids[0].numpy())
    subprocess.run([python, Path(__file__).parent / "llama_logits.py", path / "model.gguf",
                    folder / "ids.npy", folder / "logits.npy"], check=True)
    return f"logits: {largest(np.load(folder / 'logits.npy'), logits(floats)[0]):.3g}"


def row(layout, path, floats, transformers=True, rules=("", ""), llama=""):
    """rules: weights by GPTQModel's and by AutoAWQ's rule."""
    own = "" if llama else by_planish(path, floats)
    run = by_transformers(path, floats) if transformers else ""
    assert own in ("", 0.0) and all(r in ("", 0.0) for r in rules), (layout, own, rules)
    assert not run.startswith("logits") or run == "logits: 0", (layout, run)
    cells = [f"weights: {own:g}" if own != "" else "", run,
             *(f"weights: {r:g}" if r != "" else "" for r in rules), llama]
    print(f"| `{layout}` | " + " | ".join(cells) + " |", flush=True)


W4, A4 = "method rtn bits=4; solve all", "method rtn bits=4 symmetric=no; solve all"
floats = export("w4", W4, "format=hf dtype=f32")
floats_a4 = export("a4", A4, "format=hf dtype=f32")
print(f"| export | Planish | transformers {version('transformers')} with compressed-tensors "
      f"{version('compressed-tensors')} | GPTQModel's rule | AutoAWQ's rule | llama.cpp |")
print("|---|---|---|---|---|---|")
row("format=hf dtype=f32", floats, floats)
for name, methods, arguments in (
        ("int4", "method rtn bits=4", "compressed-tensors"),
        ("mixed", "method rtn bits=4; method rtn bits=8 on=*.down_proj", "compressed-tensors"),
        ("int3", "method rtn bits=3", "compressed-tensors packing=padded"),
        ("fp8", "method rtn format=fp8", "fp8"),
        ("tensor", "method rtn format=fp8 scale_mode=tensor", "fp8"),
        ("blocks", "method rtn format=fp8 scale_mode=block", "fp8"),
        ("nvfp4", "method rtn format=nvfp4", "nvfp4")):
    own = export(name + "-f32", methods + "; solve all", "dtype=f32")
    row(f"format={arguments}` behind `{methods}",
        export(name, methods + "; solve all", "format=" + arguments), own)
methods = "method rtn format=fp8 scale_mode=block; solve all"
for name, ending in (("fp8", ".weight_scale"), ("fp8_block", ".weight_scale_inv")):
    packed = export("by-" + name, methods, "format=" + name)
    lost = fp8_blocks(packed, folder / "blocks-f32", ending)
    assert lost == 0.0 and by_planish(packed, folder / "blocks-f32") == 0.0, (name, lost)
    print(f"`format={name}` of blocks by DeepSeek-V3's rule: weights: {lost:g}", flush=True)
for share in ("own", "shared"):
    methods = f"method rtn format=nvfp4 fused_scales={share}; solve all"
    lost = fused_nvfp4(export(f"nvfp4-{share}", methods, "format=nvfp4"),
                       export(f"nvfp4-{share}-f32", methods, "dtype=f32"))
    assert (lost == 0.0) == (share == "shared"), (share, lost)
    print(f"`format=nvfp4` with `fused_scales={share}`, by vLLM's rule for fused layers: {lost:.3g}",
          flush=True)
calibrate = f"calibrate text={demo}/calibration.txt length=64; "
online_o = "; method none slot=transform on=*.o_proj"
for name, transform in (("quarot", "quarot online=no"),
                        ("smoothquant", "smoothquant powers=yes" + online_o),
                        ("awq-diagonal", "awq powers=yes" + online_o)):
    methods = f"method {transform}; method rtn bits=4"
    solve = calibrate + methods + "; solve all"
    own = export(name + "-f32", solve, "fold=yes dtype=f32")
    packed = export(name, solve, "format=compressed-tensors fold=yes"
                    + (" dtype=f32" if name == "quarot" else ""))
    row(f"format=compressed-tensors fold=yes` behind `{methods}", packed, own)
    measured, found = perplexities(packed, solve)
    assert abs(found - measured) < 1e-5 * measured, (name, measured, found)
    print(f"| perplexity of it | {measured:.6f} | {found:.6f} |", flush=True)
gptq_v1 = export("gptq", W4, "format=gptq")
row("format=gptq", gptq_v1, floats, False,
    (by_rule(gptq_v1, floats, lambda t, n: gptq(t, n, 4, 1)), ""))
gptq_v2 = export("v2", A4, "format=gptq_v2")
row("format=gptq_v2", gptq_v2, floats_a4, False,
    (by_rule(gptq_v2, floats_a4, lambda t, n: gptq(t, n, 4, 0)), ""))
packed = export("awq", A4, "format=awq")
row("format=awq", packed, floats_a4, False, ("", by_rule(packed, floats_a4, awq)))
row("format=gguf dtype=f32", export("gguf", W4, "format=gguf dtype=f32"), floats, False,
    llama=by_llama(folder / "gguf", floats))
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
        print(f"`format=gguf` ({tensor.tensor_type.name}): the gguf package's weights: 0")
