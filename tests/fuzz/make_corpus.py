#!/usr/bin/env python3
"""Writes the seed files of tests/fuzz/corpus: small good files, and the shapes that broke parsers."""
import json
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def save(kind, name, data):
    folder = os.path.join(HERE, kind)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def safetensors(header, data, pad=True):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8 if pad else 0)
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + value


def info(name, dims, kind, offset):
    return (text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims)
            + struct.pack("<IQ", kind, offset))


def gguf(version, keys, infos, data, alignment=32, tensors=None, pairs=None):
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos) if tensors is None else tensors,
                                 len(keys) if pairs is None else pairs)
    head += b"".join(keys) + b"".join(infos)
    return head + b"\0" * (-len(head) % alignment) + data


def all_safetensors():
    good = {"__metadata__": {"format": "pt"}, "w": entry("F32", [2, 2], 0, 16),
            "h": entry("F16", [4], 16, 24), "b": entry("BF16", [], 24, 26),
            "e": entry("F32", [0, 3], 26, 26), "i": entry("I64", [1], 26, 34)}
    values = struct.pack("<4f", 1, -2, 3.5, 1e-40) + bytes(range(18))
    save("safetensors", "good", safetensors(good, values))
    save("safetensors", "nan", safetensors({"w": entry("F32", [2], 0, 8)},
                                           struct.pack("<2f", 1, float("nan"))))
    save("safetensors", "packed", safetensors({"l.weight": entry("U32", [1, 1], 0, 4),
                                               "l.scales": entry("F16", [1, 1], 4, 6),
                                               "l.biases": entry("F16", [1, 1], 6, 8)}, bytes(8)))
    save("safetensors", "empty", safetensors({}, b""))
    save("safetensors", "huge_length", struct.pack("<Q", 2**63) + b"{}")
    save("safetensors", "overlap", safetensors({"a": entry("F32", [2], 0, 8),
                                                "b": entry("F32", [2], 4, 12)}, bytes(12)))
    save("safetensors", "product_wraps",
         safetensors({"a": entry("F32", [2**32, 2**32, 2**32], 0, 4)}, bytes(4)))
    save("safetensors", "bytes_wrap", safetensors({"a": entry("F32", [2**62 + 1], 0, 4)}, bytes(4)))
    save("safetensors", "duplicate",
         safetensors(b'{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},'
                     b'"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', bytes(1)))
    save("safetensors", "nested", safetensors(b"[" * 3000 + b"]" * 3000, b""))


def spm_gguf():
    """A SentencePiece vocabulary: every token type, half the bytes, scores that are equal."""
    tokens = [("<unk>", 0, 2), ("<s>", 0, 3), ("\u2581", -1, 1), ("a", -2, 1), ("b", -2, 1),
              ("ab", -3, 1), ("ba", -3, 5), ("aba", -4, 1), ("\u2581a", -5, 1), ("\n\n", 0, 4),
              ("a\u2581", -6, 1), ("\u2581\u2581", -7, 4), (b"\xe2\x96", -8, 1), ("", 0, 1)]
    tokens += [("<0x%02X>" % byte, 0, 6) for byte in range(128)]
    array = lambda name, kind, values: key(name, 9, struct.pack("<IQ", kind, len(tokens)) + values)
    keys = [key("tokenizer.ggml.model", 8, text("llama")),
            array("tokenizer.ggml.tokens", 8, b"".join(text(t[0]) for t in tokens)),
            array("tokenizer.ggml.scores", 6, b"".join(struct.pack("<f", t[1]) for t in tokens)),
            array("tokenizer.ggml.token_type", 5, b"".join(struct.pack("<i", t[2]) for t in tokens)),
            key("tokenizer.ggml.add_space_prefix", 7, b"\1")]
    save("gguf", "spm", gguf(3, keys, [], b""))


def all_gguf():
    u32 = lambda name, value: key(name, 4, struct.pack("<I", value))
    tokens = key("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 3) + text("a") + text(b"\xff")
                 + text(""))
    scores = key("tokenizer.ggml.scores", 9, struct.pack("<IQ3f", 6, 3, 0, -1, float("-inf")))
    plain = [u32("general.alignment", 32), key("general.architecture", 8, text("llama")), tokens,
             scores, key("flag", 7, b"\1"), key("big", 10, struct.pack("<Q", 2**64 - 1))]
    infos, offset, data = [], 0, b""
    for name, kind, size in (("f32", 0, 128), ("f16", 1, 64), ("bf16", 30, 64), ("q4_0", 2, 18),
                             ("q4_1", 3, 20), ("q5_0", 6, 22), ("q5_1", 7, 24), ("q8_0", 8, 34)):
        infos.append(info(name, [32, 1], kind, offset))
        data += bytes((i * 7 + kind) % 60 for i in range(size)) + b"\0" * (-size % 32)
        offset = len(data)
    for name, kind, size in (("q2_k", 10, 84), ("q3_k", 11, 110), ("q4_k", 12, 144),
                             ("q5_k", 13, 176), ("q6_k", 14, 210)):
        infos.append(info(name, [256, 2], kind, offset))
        data += bytes((i * 7 + kind) % 60 for i in range(2 * size)) + b"\0" * (-2 * size % 32)
        offset = len(data)
    infos.append(info("unknown", [5], 77, len(data)))
    for name, no, count in (("split_first", 0, 2), ("split_second", 1, 2), ("split_many", 0, 65535)):
        keys = [key("split.no", 2, struct.pack("<H", no)),
                key("split.count", 2, struct.pack("<H", count)),
                key("split.tensors.count", 5, struct.pack("<i", 2))]
        save("gguf", name, gguf(3, keys, [info("t", [2], 0, 0)], struct.pack("<2f", 1, 2)))
    adapter = [key("general.type", 8, text("adapter"))]
    save("gguf", "adapter", gguf(3, adapter, [info("t.lora_a", [2], 0, 0)],
                                 struct.pack("<2f", 1, 2)))
    save("gguf", "good_v3", gguf(3, plain, infos, data + bytes(32)))
    save("gguf", "good_v2", gguf(2, plain, infos, data + bytes(32)))
    save("gguf", "no_tensors", gguf(3, plain, [], b""))
    one = [info("t", [4], 0, 0)]
    save("gguf", "k_rows", gguf(3, [], [info("t", [384, 2], 14, 0)], bytes(1024)))
    save("gguf", "k_short", gguf(3, [], [info("t", [256, 3], 10, 0)], bytes(3 * 84 - 1)))
    save("gguf", "k_nan", gguf(3, [], [info("t", [256], 14, 0)], b"\xff" * 224))
    spm_gguf()
    save("gguf", "tensor_count", gguf(3, [], one, bytes(32), tensors=2**60))
    save("gguf", "key_count", gguf(3, plain, one, bytes(32), pairs=2**63))
    save("gguf", "string_length", gguf(3, [text("k") + struct.pack("<IQ", 8, 2**64 - 1)], one, bytes(32)))
    save("gguf", "array_wraps",
         gguf(3, [key("k", 9, struct.pack("<IQ", 10, 2**61 + 1))], one, bytes(32)))
    save("gguf", "array_type", gguf(3, [key("k", 9, struct.pack("<IQ", 200, 4))], one, bytes(32)))
    save("gguf", "nested_array",
         gguf(3, [key("k", 9, struct.pack("<IQIQ", 9, 1, 9, 1))], one, bytes(32)))
    save("gguf", "alignment", gguf(3, [u32("general.alignment", 2**31)], one, bytes(32)))
    save("gguf", "alignment_0", gguf(3, [u32("general.alignment", 0)], one, bytes(32)))
    save("gguf", "dims_wrap", gguf(3, [], [info("t", [2**32, 2**32, 4], 0, 0)], bytes(32)))
    save("gguf", "bytes_wrap", gguf(3, [], [info("t", [2**62], 0, 0)], bytes(32)))
    save("gguf", "sums_wrap", gguf(3, [], [info("t", [2**61], 0, 0), info("u", [2**61], 0, 2**63)],
                                   bytes(32)))
    save("gguf", "beyond_data", gguf(3, [], [info("t", [32, 4096], 3, 0)], bytes(32)))
    save("gguf", "far_offset", gguf(3, [], [info("x", [5], 77, 0), info("t", [4], 0, 2**64 - 32)],
                                    bytes(64)))



def forged(name, kind, index=0, about=None, sections=None):
    save("store", name, json.dumps({"kind": kind, "index": index, "about": about or {},
                                    "sections": sections or []}).encode())


def all_store():
    """Entries with right checksums that are not what their name promises (fuzz_store.c)."""
    forged("result_as_it_is", "result")
    forged("result_of_another", "result", 0, {"layer": "b.10.fc", "rows": 8, "cols": 24})
    forged("result_other_parts", "result", 1,
           {"preconditioned": "0" * 32, "rounded": "f" * 32, "transform": "1" * 32})
    forged("result_no_numbers", "result", 0, {"gap": "much", "bound": [], "rows": 2**63 - 1})
    forged("matrix_other_shape", "precondition", 0, {"rows": 16, "cols": 12})
    forged("matrix_too_large", "precondition", 0, {"rows": 1024, "cols": 16},
           [{"name": "w", "bytes": 65536, "fill": "other"}])
    forged("matrix_too_long", "precondition", 1, {}, [{"name": "w", "bytes": 65536, "fill": "own"}])
    forged("matrix_nan", "precondition", 0, {}, [{"name": "w", "fill": "ones"}])
    forged("codes_grid", "round", 0, {"grid": {"bits": 60, "group_size": 2**62, "symmetry": 9,
                                               "mse": True, "scale_dtype": -1}})
    forged("codes_one_group", "round", 1, {"grid": {"bits": 3, "group_size": 0}})
    forged("codes_groups", "round", 0, {}, [{"name": "group_of", "fill": "ones"},
                                            {"name": "codes", "fill": "other"}])
    forged("codes_scales", "round", 0, {}, [{"name": "scales", "fill": "ones"}])
    forged("transform_wide", "transform", 0, {"n": 400, "kind": "scaling"},
           [{"name": "scale", "bytes": 1600, "fill": "other"}])
    forged("transform_kind", "transform", 1, {"kind": "orthogonal", "clip_group_size": 2**40})
    forged("transform_clips", "transform", 0, {}, [{"name": "row_clip", "bytes": 8, "fill": "zero"}])
    forged("learning_layout", "learning", 0, {"layout": [2**40] * 15})
    forged("learning_steps", "learning", 1, {"steps": 2**61, "step": 0, "rollbacks": -5})
    forged("learning_numbers", "learning", 0, {}, [{"name": "numbers", "fill": "ones"}])
    forged("site_wide", "site", 0, {"n": 2**23}, [{"name": "gram", "bytes": 65536, "fill": "other"}])
    forged("site_rows", "site", 1, {"sample_rows": 2**31, "tokens": -1.5})
    forged("site_no_sample", "site", 0, {"sample_rows": 0}, [{"name": "sample", "bytes": 0},
                                                             {"name": "sample_position", "bytes": 0}])
    forged("site_gram", "site", 0, {}, [{"name": "gram", "fill": "ones"}])
    forged("spectrum_zero", "spectrum", 0, {}, [{"name": "values", "fill": "zero"}])
    forged("spectrum_nan", "spectrum", 0, {}, [{"name": "vectors", "fill": "ones"}])
    forged("basin_other", "basin", 0, {}, [{"name": "basin", "fill": "other"}])


def session(name, **changes):
    def key(word):
        return word + "." * (32 - len(word))

    state = {
        "version": 1, "model": "w.safetensors", "inputs": "x.safetensors", "import": None,
        "import_id": "0" * 32,
        "calibration": {"texts": [], "length": 512, "windows": 8, "sample": 0, "seed": 0, "rows": 0,
                        "key": ""},
        "slots": [{"slot": "transform", "spec": "flatquant steps=4", "on": None},
                  {"slot": "precondition", "spec": "astro beta=0.001", "on": None},
                  {"slot": "round", "spec": "rtn bits=3 group_size=8", "on": None}],
        "solved": [["b.2.fc", key("PLAN0"), key("RESULT0"), False, False, False],
                   ["b.10.fc", key("PLAN1"), key("RESULT1"), False, False, False]],
        "layer": "b.2.fc", "side": 0, "which": 2,
        "display": {"panes": [{"view": "channels", "form": "", "sorted": False, "log": False}],
                    "split": False, "zoom": "", "channel": None,
                    "pins": [{"layer": "b.2.fc", "result": key("RESULT0"),
                              "slots": ["", "astro beta=0.001", "rtn bits=3"]}], "sweep": None},
        "activations": {"bits": 4, "clip": 1.0, "asymmetric": False, "fixed": False},
        "kv": {"bits": 0}, "origin": {"files": key("FILES"), "model": ""}}
    state.update(changes)
    save("session", name, json.dumps(state).encode())


def all_sessions():
    """States as a session holds them (fuzz_session.c)."""
    def key(word):
        return word + "." * (32 - len(word))

    session("as_it_is")
    session("another_layers_result",
            solved=[["b.2.fc", key("PLAN0"), key("RESULT1"), False, False, False],
                    ["b.10.fc", key("PLAN1"), key("RESULT0"), False, True, False]])
    session("another_model", origin={"files": "0" * 32, "model": "1" * 32})
    session("no_origin", origin=None)
    session("imports", solved=[["b.2.fc", key("PLAN0"), key("RESULT1"), True, True, False]],
            **{"import": "nowhere", "import_id": "2" * 32})
    session("pins", display={"pins": [
        {"layer": "b.10.fc", "result": key("RESULT0"), "slots": ["", "", "rtn bits=3"]}] * 12,
        "channel": 2**62, "zoom": "x" * 200, "panes": [{}] * 9,
        "sweep": {"param": "beta", "layer": "b.2.fc", "text": "", "slot": 1, "points": 64,
                  "from": 1e-300, "to": 1e300, "length": -1, "windows": 2**62}})
    session("calibrated", calibration={"texts": ["/nowhere"] * 40, "length": 2, "windows": 1,
                                       "sample": 5, "seed": -1, "rows": 2**20, "key": "a" * 32})
    session("grids", activations={"bits": 8, "clip": 1e-320, "group_size": -1},
            kv={"bits": 2**40, "clip": 0.5, "group_size": 2**62})
    session("slots", slots=[{"slot": "round", "spec": "gptq bits=8 group_size=1", "on": "*"}] * 60)


if __name__ == "__main__":
    all_safetensors()
    all_gguf()
    all_store()
    all_sessions()
