"""Golden values of the number formats: format_values.json from independent packages.

Needs torch, compressed-tensors 0.13, torchao 0.12, gguf 0.19, bitsandbytes and ml_dtypes:
python tests/golden/make_format_values.py tests/golden/format_values.json

Arrays are bytes in hexadecimal: inputs float32, codes a byte each (the element's bits), scales a
byte (mx, nvfp4) or float32 (fp8, nf4), all little endian.  `x` is the number of an input."""

import json
import sys

import ml_dtypes
import numpy as np
import torch

BLOCK = 32


def inputs():
    """Rows of 64: what a block may meet."""
    rng = np.random.default_rng(17)
    rows = [rng.standard_normal(64) for _ in range(4)]
    rows.append(rng.standard_t(2, 64) * 0.02)
    rows.append(np.zeros(64))
    rows.append(np.concatenate([np.zeros(32), rng.standard_normal(32)]))
    outlier = rng.standard_normal(64) * 1e-3
    outlier[[5, 40]] = 3e4, -1e6
    rows.append(outlier)
    # every multiple of 1/8 under a maximum of 6: all ties of E2M1, with negative zero
    ties = np.arange(64) * 0.125 * np.where(np.arange(64) % 2, -1, 1)
    ties[[0, 33]] = -0.0, 6
    rows.append(np.clip(ties, -6, 6))
    # maxima between the elements' largest value and the next power of two: what saturates
    for top in (7.999, 7.0, 6.0, 5.0, 4.0, 3.5):
        row = rng.uniform(-1, 1, 64)
        row[[3, 35]] = top, -top
        rows.append(row)
    for top in (448, 479.9, 480, 500, 28, 31.9, 7.5, 7.75):
        row = rng.uniform(-top, top, 64)
        row[[9, 60]] = -top, top
        rows.append(row)
    rows.append(rng.standard_normal(64) * 2.0**-100)
    rows.append(rng.standard_normal(64) * 2.0**100)
    return np.array(rows, np.float32)


known = []


def number_of(x):
    text = np.ascontiguousarray(x, np.float32).tobytes().hex()
    if text not in known:
        known.append(text)
    return known.index(text)


def case(name, source, x, codes, scales, **more):
    scales = np.asarray(scales)
    stored = scales.tobytes() if scales.dtype == np.float32 else np.uint8(scales).tobytes()
    return dict(format=name, source=source, rows=x.shape[0], cols=x.shape[1], x=number_of(x),
                codes=np.uint8(codes).tobytes().hex(), scales=stored.hex(), **more)


def torchao_mx(x):
    from torchao.prototype.mx_formats import constants as c
    from torchao.prototype.mx_formats import mx_tensor as m

    m.pack_uint4 = lambda t: t  # the codes, not packed
    if not hasattr(torch, "float4_e2m1fn_x2"):  # only names of types that are not used
        torch.float4_e2m1fn_x2 = "fp4_e2m1"
        torch.float8_e8m0fnu = torch.uint8
    elements = {"mxfp4": torch.float4_e2m1fn_x2, "mxfp6_e2m3": c.DTYPE_FP6_E2M3,
                "mxfp6_e3m2": c.DTYPE_FP6_E3M2, "mxfp8": torch.float8_e4m3fn}
    m.SUPPORTED_ELEM_DTYPES = list(elements.values())
    for name, element in elements.items():
        for mode in m.ScaleCalculationMode:
            scale, data = m.to_mx(torch.from_numpy(x), element, BLOCK, mode)
            codes = data.view(torch.uint8).numpy()
            yield case(name, "torchao", x, codes.reshape(x.shape),
                       scale.view(torch.uint8).numpy(), mode=mode.name.lower())


def elements_by_ml_dtypes(x):
    """Subnormal blocks, where torchao divides by 2^-126 and the standard by 2^-127: the elements
    of ml_dtypes on the standard's scale."""
    table = {"mxfp4": (ml_dtypes.float4_e2m1fn, 6), "mxfp6_e2m3": (ml_dtypes.float6_e2m3fn, 7.5),
             "mxfp6_e3m2": (ml_dtypes.float6_e3m2fn, 28),
             "mxfp8": (ml_dtypes.float8_e4m3fn, 448)}
    for name, (dtype, most) in table.items():
        blocks = x.reshape(-1, BLOCK).astype(np.float64)
        top = np.abs(blocks).max(1)
        exponent = np.floor(np.log2(np.where(top > 0, top, 2.0**-200)))
        exponent = np.clip(exponent - np.floor(np.log2(most)), -127, 127)
        v = np.clip(blocks / 2.0 ** exponent[:, None], -most, most).astype(np.float32)
        yield case(name, "ml_dtypes", x, v.astype(dtype).view(np.uint8), exponent + 127,
                   mode="floor")


def compressed_nvfp4(x):
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import quantize
    from compressed_tensors.quantization.utils.helpers import calculate_qparams, generate_gparam

    args = QuantizationArgs(num_bits=4, type="float", symmetric=True, strategy="tensor_group",
                            group_size=16, scale_dtype=torch.float8_e4m3fn,
                            zp_dtype=torch.float8_e4m3fn)
    w = torch.from_numpy(x)
    g = generate_gparam(w.min(), w.max())
    blocks = w.reshape(w.shape[0], -1, 16)
    scale, _ = calculate_qparams(blocks.amin(-1), blocks.amax(-1), args, g)
    q = quantize(w, scale, None, args, global_scale=g)
    codes = e2m1_codes(q.numpy())
    stored = scale.to(torch.float8_e4m3fn).view(torch.uint8).numpy()
    return case("nvfp4", "compressed-tensors", x, codes, stored, mode="amax",
                tensor_scale=float(g))


def e2m1_codes(values):
    table = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    index = np.searchsorted(table, np.abs(values))
    assert (table[index] == np.abs(values)).all()
    return index | np.signbit(values) << 3


def four_over_six(x):
    """arXiv 2512.02010 with the squared error, in float32; elements and scales of ml_dtypes."""
    f = np.float32
    top = np.abs(x).max()
    g = f(6 * 256) / f(top)
    blocks = x.reshape(-1, 16)
    raw = np.abs(blocks).max(1) / f(6) * g
    tried = []
    for stretch in (f(1), f(1.5)):
        scale = (raw * stretch).astype(ml_dtypes.float8_e4m3fn)
        step = np.where(scale.astype(f) > 0, scale.astype(f), f(0.125)) / g
        q = np.clip(blocks / step[:, None], -6, 6).astype(ml_dtypes.float4_e2m1fn)
        error = ((q.astype(np.float64) * step[:, None].astype(np.float64) - blocks) ** 2).sum(1)
        tried.append((error, scale, q))
    four = tried[1][0] < tried[0][0]
    assert four.any() and not four.all()
    scale = np.where(four, tried[1][1].view(np.uint8), tried[0][1].view(np.uint8))
    scale = np.where(scale > 0, scale, np.array(0.125, ml_dtypes.float8_e4m3fn).view(np.uint8))
    codes = np.where(four[:, None], tried[1][2].view(np.uint8), tried[0][2].view(np.uint8))
    return case("nvfp4", "ml_dtypes", x, codes, scale, mode="four_over_six",
                tensor_scale=float(g))


def compressed_fp8(x, strategy):
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import quantize
    from compressed_tensors.quantization.utils.helpers import calculate_qparams

    args = QuantizationArgs(num_bits=8, type="float", symmetric=True, strategy=strategy)
    w = torch.from_numpy(x)
    if strategy == "channel":
        scale, _ = calculate_qparams(w.amin(-1, keepdim=True), w.amax(-1, keepdim=True), args)
    else:
        scale, _ = calculate_qparams(w.min(), w.max(), args)
    q = quantize(w, scale, None, args).to(torch.float8_e4m3fn)
    return case("fp8", "compressed-tensors", x, q.view(torch.uint8).numpy(), scale.numpy(),
                mode="tensor" if strategy == "tensor" else "amax")


def bitsandbytes_nf4(x, block):
    import bitsandbytes.functional as f

    q, state = f.quantize_4bit(torch.from_numpy(x), blocksize=block, quant_type="nf4")
    packed = q.numpy().ravel()
    codes = np.stack([packed >> 4, packed & 15], 1).ravel()[:x.size]
    return case("nf4", "bitsandbytes", x, codes, state.absmax.numpy(), group_size=block)


def gguf_mxfp4(x):
    """Of two values that are as near gguf takes the smaller: such elements are in `ties`."""
    from gguf import GGMLQuantizationType, quants

    packed = quants.quantize(x, GGMLQuantizationType.MXFP4).reshape(-1, 17)
    low, high = packed[:, 1:] & 15, packed[:, 1:] >> 4
    codes = np.concatenate([low, high], 1)
    v = np.abs(x.reshape(-1, BLOCK).astype(np.float64)) / 2.0 ** (packed[:, :1].astype(int) - 127)
    ties = np.isin(v, [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5])
    return case("mxfp4", "gguf", x, codes, packed[:, 0], mode="floor",
                ties=np.uint8(ties).tobytes().hex())


def main():
    x = inputs()
    ordinary = np.abs(x).max(1)
    ordinary = x[(ordinary < 1e10) & (ordinary > 1e-10)]
    small = (np.random.default_rng(3).standard_normal((3, 64)) * 2.0**-126).astype(np.float32)
    small[2] *= 2.0**-18
    cases = list(torchao_mx(x)) + list(elements_by_ml_dtypes(small))
    cases.append(gguf_mxfp4(x))
    cases += [compressed_nvfp4(rows) for rows in (x[:5], ordinary, x[5:7], x[8:9])]
    cases.append(four_over_six(x[:5]))
    live = x[np.abs(x).max(1) > 0]
    cases += [compressed_fp8(live, s) for s in ("channel", "tensor")]
    cases += [bitsandbytes_nf4(live, 64), bitsandbytes_nf4(live.reshape(-1, 128), 128),
              bitsandbytes_nf4(x[:1, :40], 64)]
    with open(sys.argv[1], "w") as out:
        json.dump({"inputs": known, "cases": cases}, out, indent=0)
        out.write("\n")


main()
