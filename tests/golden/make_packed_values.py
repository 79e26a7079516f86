#!/usr/bin/env python3
"""make_packed_values.py NEW -- writes packed_values.json: one small layer in every packed layout.

compressed-tensors' are made by that package: the padded ones by the version that is imported
(0.16 or earlier), the dense ones by the version in the folder NEW (0.17 or later).  GPTQ's and AWQ's
follow the rules of GPTQModel (nn_modules/qlinear, pack_original) and AutoAWQ (GEMM: order_map
0 2 4 6 1 3 5 7), written in numpy.  GGUF blocks are made by
the gguf package.  What each package, or the rule, dequantizes is checked here to be
scale * (code - zero) to the bit; the test makes those numbers itself."""
import importlib.util
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from compressed_tensors.compressors.quantized_compressors.pack_quantized import (
    pack_to_int32 as pack_padded)
from compressed_tensors.quantization.lifecycle.forward import dequantize

spec = importlib.util.spec_from_file_location(
    "helpers", Path(sys.argv[1]) / "compressed_tensors/compressors/pack_quantized/helpers.py")
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)

ROWS, COLS, GROUPS = 32, 64, 2
R, C, G = np.arange(ROWS)[:, None], np.arange(COLS)[None, :], np.arange(GROUPS)[None, :]
scales = ((16 + (R * 7 + G * 13) % 101) / 4096).astype(np.float32)


def codes_of(bits):
    return (R * 31 + C * 17 + R * C % 7) % 2**bits


def zeros_of(bits, asymmetric, least=1):
    if not asymmetric:
        return np.full((ROWS, GROUPS), 2**(bits - 1))
    return least + (R * 5 + G * 3) % (2**bits - least)


def tensor(name, array):
    words = {"int32": "I32", "int64": "I64", "float16": "F16"}
    array = np.ascontiguousarray(array)
    return {"ending": name, "dtype": words[str(array.dtype)], "dims": list(array.shape),
            "bytes": array.tobytes().hex()}


def meant(codes, zeros, groups):
    return scales[:, groups] * (codes - zeros[:, groups]).astype(np.float32)


def compressed(bits, asymmetric, dense):
    codes, zeros, middle = codes_of(bits), zeros_of(bits, asymmetric), 2**(bits - 1)
    pack = helpers.pack_to_int32 if dense else pack_padded
    q = torch.tensor(codes - middle).to(torch.int8)
    z = torch.tensor(zeros - middle).to(torch.int8)
    w = dequantize(q, torch.tensor(scales), z if asymmetric else None)
    assert np.array_equal(w.numpy(), meant(codes, zeros, np.arange(COLS) // 32))
    parts = [tensor(".weight_packed", pack(q, bits).numpy()),
             tensor(".weight_scale", scales.astype(np.float16)),
             tensor(".weight_shape", np.array([ROWS, COLS], np.int64))]
    if asymmetric:
        # 0.16 and earlier pad the wrong side where rows do not fill the last word: packed here as
        # the transpose, which is the same layout.
        packed = (pack(z, bits, packed_dim=0) if dense else pack(z.T.contiguous(), bits).T).numpy()
        parts.append(tensor(".weight_zero_point", packed))
    return {"packing": "compressed-tensors", "bits": bits, "asymmetric": asymmetric,
            "padded": not dense, "act_order": False, "parts": parts}


def words_along(values, bits):
    """values[n, m] of `bits` bits, packed along n without gaps: [n bits / 32, m]."""
    big = [sum(int(v) << (bits * i) for i, v in enumerate(column)) for column in values.T]
    n = values.shape[0] * bits // 32
    words = np.array([[b >> (32 * w) & 0xffffffff for b in big] for w in range(n)], np.uint64)
    return words.astype(np.uint32).view(np.int32).reshape(n, values.shape[1])


def gptq(bits, version, act_order):
    least = 1 if version == "gptq" else 0
    codes, zeros = codes_of(bits), zeros_of(bits, True, least)
    groups = np.arange(COLS) % 2 if act_order else np.arange(COLS) // 32
    # GPTQModel's dequantize_weight: (weight - zeros[g_idx]) * scales[g_idx], of the transposes.
    w = (scales.T[groups] * (codes.T - zeros.T[groups]).astype(np.float32)).T
    assert np.array_equal(w, meant(codes, zeros, groups))
    return {"packing": version, "bits": bits, "asymmetric": True, "padded": False,
            "act_order": act_order,
            "parts": [tensor(".qweight", words_along(codes.T, bits)),
                      tensor(".scales", scales.T.astype(np.float16)),
                      tensor(".qzeros", words_along((zeros - least), bits).T),
                      tensor(".g_idx", groups.astype(np.int32))]}


def awq_words(values):
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    out = np.zeros((values.shape[0], values.shape[1] // 8), np.uint32)
    for i in range(8):
        out |= values[:, order[i]::8].astype(np.uint32) << np.uint32(4 * i)
    return out.view(np.int32)


def awq():
    codes, zeros = codes_of(4), zeros_of(4, True, 0)
    return {"packing": "awq", "bits": 4, "asymmetric": True, "padded": False, "act_order": False,
            "parts": [tensor(".qweight", awq_words(codes.T)),
                      tensor(".scales", scales.T.astype(np.float16)),
                      tensor(".qzeros", awq_words(zeros.T))]}


cases = [compressed(bits, False, True) for bits in range(2, 9)]
cases += [compressed(bits, True, True) for bits in (3, 4, 8)]
cases += [compressed(bits, False, False) for bits in (3, 5, 6, 7)]
cases += [compressed(bits, True, False) for bits in (3, 4)]
cases += [gptq(bits, "gptq", False) for bits in (2, 3, 4, 8)]
cases += [gptq(4, "gptq", True), gptq(3, "gptq_v2", False), gptq(4, "gptq_v2", True), awq()]


def gguf_blocks():
    """Plain rounding by the gguf package: a block of zeros, ties of +- and a wide one."""
    x = np.concatenate([np.zeros(32), np.sin(np.arange(32) * 1.7) * 0.25,
                        np.cos(np.arange(32) * 0.9)**5 * 3 - 1]).astype(np.float32)
    types = ["MXFP4", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
    return {"x": x.tobytes().hex(),
            "types": {t: gguf.quants.quantize(x, gguf.GGMLQuantizationType[t]).tobytes().hex()
                      for t in types}}



def floats():
    """Layers whose codes are floats: E2M1 by compressed-tensors, E4M3 by torch."""
    from compressed_tensors.compressors.quantized_compressors.nvfp4_quantized import (
        unpack_fp4_from_uint8)
    codes = codes_of(4).astype(np.uint8)
    packed = codes[:, ::2] | codes[:, 1::2] << 4
    q = unpack_fp4_from_uint8(torch.tensor(packed), ROWS, COLS, torch.float32).numpy()
    e4m3 = (40 + (R * 7 + np.arange(4)[None, :] * 13) % 60).astype(np.uint8)
    of_e4m3 = lambda c: torch.tensor(c).view(torch.float8_e4m3fn).float().numpy()
    whole = np.array([384.5], np.float32)
    e8m0 = (120 + (R * 7 + G * 3) % 11).astype(np.uint8)
    e8 = codes_of(8).astype(np.uint8)
    e8[(e8 & 127) == 127] = 3
    rows = scales[:, :1]
    part = lambda name, word, array: {"ending": name, "dtype": word, "dims": list(array.shape),
                                      "bytes": np.ascontiguousarray(array).tobytes().hex()}
    layer = lambda what, w, *parts: {"what": what, "parts": list(parts),
                                     "weights": w.astype(np.float32).tobytes().hex()}
    nv = of_e4m3(e4m3) / whole
    return [layer("nvfp4", nv[:, np.arange(COLS) // 16] * q,
                  part(".weight_packed", "U8", packed), part(".weight_scale", "F8_E4M3", e4m3),
                  part(".weight_global_scale", "F32", whole)),
            layer("mxfp4", (2.0**(e8m0.astype(int) - 127))[:, np.arange(COLS) // 32] * q,
                  part(".weight_packed", "U8", packed), part(".weight_scale", "U8", e8m0)),
            layer("fp8 a row", rows * of_e4m3(e8),
                  part(".weight", "F8_E4M3", e8), part(".weight_scale", "F32", rows)),
            layer("fp8 a block", np.float32(0.375) * of_e4m3(e8), part(".weight", "F8_E4M3", e8),
                  part(".weight_scale_inv", "F32", np.full((1, 1), 0.375, np.float32)))]


cases = {"layers": cases, "gguf": gguf_blocks(), "floats": floats()}
out = Path(__file__).resolve().parent / "packed_values.json"
out.write_text(json.dumps(cases, indent=0) + "\n")
