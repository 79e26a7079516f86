#!/usr/bin/env python3
"""Writes the seed files of tests/fuzz/corpus: small good files, and the shapes that broke parsers."""
import json
import os
import sqlite3
import struct
import tempfile
import zlib

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

def all_npy():
    def npy(header, data, version=b"\1\0"):
        text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
        size = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
        return b"\x93NUMPY" + version + size + text + data

    def about(descr, order, shape):
        return "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)

    four = struct.pack("<4f", 1, -2, 3.5, 1e-40)
    save("npy", "good", npy(about("<f4", False, "(2, 2)"), four))
    save("npy", "version_2", npy(about("<f4", False, "(2, 2)"), four, b"\2\0"))
    save("npy", "doubles", npy(about("<f8", False, "(4,)"), struct.pack("<4d", 1, 2, 3, 1e300)))
    save("npy", "halves", npy(about("<f2", False, "(2, 2)"), bytes(8)))
    save("npy", "columns_first", npy(about("<f4", True, "(2, 2)"), four))
    save("npy", "big_endian", npy(about(">f4", False, "(2, 2)"), four))
    save("npy", "wraps", npy(about("<f4", False, "(4294967296, 4294967296, 2)"), four))
    save("npy", "short", npy(about("<f4", False, "(3, 2)"), four))
    save("npy", "objects", npy(about("|O", False, "(1,)"), bytes(8)))


def all_indexes():
    def index(name, weight_map, **more):
        save("index", name, json.dumps({"metadata": {"total_size": 48}, **more,
                                        "weight_map": weight_map}).encode())

    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    index("good", {"a.weight": first, "b.weight": second})
    index("other_shard", {"a.weight": second, "b.weight": first})
    index("no_shard", {"a.weight": "model-00003-of-00002.safetensors"})
    index("leaves", {"a.weight": "../../etc/passwd", "b.weight": "/etc/passwd"})
    index("names", {"": first, "a.weight": "", "x" * 500: second})
    save("index", "list", b'{"weight_map": ["a.weight"]}')
    save("index", "duplicate", b'{"weight_map":{"a.weight":"%s","a.weight":"%s"}}'
         % (first.encode(), second.encode()))
    save("index", "nested", b'{"weight_map":' + b"[" * 3000 + b"]" * 3000 + b"}")


LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 48,
         "intermediate_size": 72, "num_hidden_layers": 3, "num_attention_heads": 4,
         "num_key_value_heads": 2, "vocab_size": 60, "max_position_embeddings": 256,
         "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 10000.0,
         "tie_word_embeddings": False, "torch_dtype": "float32"}


def all_configs():
    """Of the model that fuzz_config.c makes."""
    def config(name, **changes):
        save("config", name, json.dumps({**LLAMA, **changes}).encode())

    config("good")
    config("one_block", num_hidden_layers=1)
    config("no_heads", num_attention_heads=0)
    config("heads", num_attention_heads=2**31, num_key_value_heads=2**31)
    config("odd_heads", num_attention_heads=48, num_key_value_heads=24, head_dim=1)
    config("many_blocks", num_hidden_layers=2**40)
    config("qwen", model_type="qwen2", architectures=["Qwen2ForCausalLM"], sliding_window=2,
           use_sliding_window=True, max_window_layers=1)
    config("gemma", model_type="gemma2", architectures=["Gemma2ForCausalLM"], head_dim=12,
           query_pre_attn_scalar=0, attn_logit_softcapping=1e-30, final_logit_softcapping=-1)
    config("mixtral", model_type="mixtral", architectures=["MixtralForCausalLM"],
           num_local_experts=3, num_experts_per_tok=7)
    config("phi3", model_type="phi3", architectures=["Phi3ForCausalLM"],
           rope_scaling={"type": "longrope", "short_factor": [1.0] * 6, "long_factor": [2.0] * 6},
           original_max_position_embeddings=4)
    config("llama3", rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                   "high_freq_factor": 1.0, "original_max_position_embeddings": 0})
    config("yarn", rope_scaling={"rope_type": "yarn", "factor": 0.0, "beta_fast": 0,
                                 "beta_slow": 0, "original_max_position_embeddings": 16})
    config("packed", quantization_config={"quant_method": "gptq", "bits": 4, "group_size": -1,
                                          "desc_act": True, "sym": False})
    config("floats", rms_norm_eps=1e308, rope_theta=-0.0, hidden_act="gelu_pytorch_tanh")
    config("types", hidden_size="48", vocab_size=60.5, eos_token_id=[1, None, {}])


def all_tokenizers():
    def tokenizer(name, **changes):
        vocab = {"!": 0, "<s>": 1}
        for token in "abcdeABIt's123\u0120\u010a,.":
            vocab.setdefault(token, len(vocab))
        for token in ("ab", "aba", "\u0120a"):
            vocab[token] = len(vocab)
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                 "use_regex": True}
        added = {"id": 1, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": True,
                 "normalized": False, "special": True}
        whole = {"version": "1.0", "added_tokens": [added], "normalizer": None,
                 "pre_tokenizer": level, "post_processor": None, "decoder": level,
                 "model": {"type": "BPE", "vocab": vocab,
                           "merges": ["a b", "ab a", "\u0120 a"], "unk_token": None,
                           "byte_fallback": False, "ignore_merges": False}}
        whole.update(changes)
        save("tokenizer", name, json.dumps(whole).encode())

    def split(pattern, behaviour="Isolated"):
        return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behaviour,
                "invert": False}

    tokenizer("good")
    tokenizer("splits", pre_tokenizer={"type": "Sequence", "pretokenizers": [
        split(r"(?i:'s|'t)|\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+"),
        {"type": "ByteLevel", "add_prefix_space": True, "use_regex": False}]})
    tokenizer("patience", pre_tokenizer=split("(a+)+$|(a|aa)+b"))
    tokenizer("no_pattern", pre_tokenizer=split("([", "Removed"))
    tokenizer("grows", normalizer={"type": "Sequence", "normalizers": [
        {"type": "NFKC"}, {"type": "Lowercase"},
        {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 60},
        {"type": "Replace", "pattern": {"Regex": " *"}, "content": "\u2581"},
        {"type": "Prepend", "prepend": "\u2581"}]})
    tokenizer("spm", pre_tokenizer={"type": "Metaspace", "replacement": "\u2581",
                                    "prepend_scheme": "first", "split": False},
              model={"type": "BPE", "vocab": {"<unk>": 0, "<s>": 1, "\u2581": 2, "a": 3, "b": 4,
                                              "ab": 5, **{"<0x%02X>" % i: 6 + i for i in range(256)}},
                     "merges": [["a", "b"]], "unk_token": "<unk>", "byte_fallback": True,
                     "fuse_unk": True})
    tokenizer("template", post_processor={
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                                                 {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1, 1, -1], "tokens": ["<s>"]}}})
    tokenizer("ids", model={"type": "BPE", "vocab": {"a": 2**31, "b": -1, "c": 0, "d": 0},
                            "merges": ["a b", "x y", "ab", ""]})
    tokenizer("others", pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"},
        {"type": "Whitespace"}, {"type": "BertPreTokenizer"}]})
    tokenizer("word_piece", model={"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a"})


def all_templates():
    save("template", "turns", b"""{{ bos_token }}{% for m in messages %}
{%- if m['role'] == 'system' -%}<<{{ m.content | trim }}>>
{%- elif loop.index0 is odd or not loop.last %}[{{ m['role'] | upper }}] {{ m.content|e }}
{%- endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|a|>\n' }}{% endif %}""")
    save("template", "namespace", b"""{% set ns = namespace(n=0, found=false) %}
{% for m in messages[::-1] %}{% if m.role == "user" and not ns.found %}{% set ns.n = loop.index %}
{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.n ~ "/" ~ messages | length }}""")
    save("template", "macro", b"""{% macro say(m, end='!') %}{{ m.content + end }}{% endmacro %}
{{ say(messages[1]) }}{{ messages | tojson(indent=2) }}{{ (number * 3 - 1) // 2 ** 3 % 5 }}""")
    save("template", "endless", b"{% for a in range(100000) %}{% for b in range(100000) %}{{ a * b }}"
         b"{% endfor %}{% endfor %}")
    save("template", "grows", b"{% set ns = namespace(s='x') %}{% for i in range(60) %}"
         b"{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}")
    save("template", "nested", b"{{ " + b"(" * 4000 + b"1" + b")" * 4000 + b" }}")
    save("template", "open", b"{% if x %}{% for y in z %}{{ '\\u12' }}{# ")
    save("template", "refuses", b"{{ raise_exception('no ' ~ messages[0]['role']) }}")
    save("template", "methods", b"{{ 'a,b'.split(',')[-1].replace('b', 'c').title() }}"
         b"{{ messages[0].items() | list | last }}{{ strftime_now('%d %b %Y') }}{{ 1/0 }}")


def all_figures():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def png(*texts, width=2, rows=b"\0\x10\x20\x30\x40\x50\x60" * 2):
        head = struct.pack(">IIBBBBB", width, 2, 8, 2, 0, 0, 0)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
                + b"".join(chunk(b"tEXt", t) for t in texts)
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

    said = "Planish-Commands: open 'demo'; plot channels 1.q_proj file=a.png"
    save("figure", "png", png(b"Software\0Planish", b"Planish-Commands\0open 'demo'\nplot channels",
                              b"Description\0caf\xe9 \\u{3b2} = 1e-3"))
    save("figure", "png_other", png(b"Software\0another"))
    save("figure", "png_no_zero", png(b"Planish-Commands", b"Planish-Commands\0\\u{110000}\\u{"))
    save("figure", "png_wide", png(b"Planish-Commands\0x", width=2**31 - 1))
    save("figure", "png_many", png(*[b"k%d\0v" % i for i in range(40)], b"Planish-Commands\0x"))
    save("figure", "pdf", b"%PDF-1.5\n1 0 obj << /Keywords (Software: Planish | " + said.encode()
         + b" | Planish-Version: 1) >> endobj\n%%EOF")
    save("figure", "pdf_wide", b"%PDF-1.5\n<< /Keywords <FEFF" + "".join(
        "%04X" % u for u in struct.unpack(">%dH" % len(said + "\U0001f642 "),
                                          (said + "\U0001f642").encode("utf-16-be"))).encode() + b"> >>")
    save("figure", "svg", b"<?xml version='1.0'?><svg><desc>\nSoftware: Planish\n" + said.encode()
         + b" &lt;x&gt; &amp;\n</desc></svg>")
    save("figure", "csv", b"# Software: Planish\n# " + said.encode() + b"\nx,y\n1,2\n")
    save("figure", "latex", b"% Software: Planish\n% " + said.encode() + b"\n\\begin{tabular}{l}\n")
    save("figure", "report", b"%PDF-1.5\n/Creator (Planish 1) /Outlines 3 0 R")


SCHEMAS = [
    """CREATE TABLE commands(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, text TEXT NOT NULL,"""
    """ ok INTEGER NOT NULL CHECK (ok IN (0, 1)), result TEXT, error TEXT);"""
    """CREATE TABLE states(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES states(id),"""
    """ command INTEGER NOT NULL REFERENCES commands(id), json TEXT NOT NULL);"""
    """CREATE TABLE head(one INTEGER PRIMARY KEY CHECK (one = 1),"""
    """ state INTEGER REFERENCES states(id));"""
    """INSERT INTO head VALUES (1, NULL);""",
    """CREATE TABLE begun(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, text TEXT NOT NULL,"""
    """ state INTEGER REFERENCES states(id));""",
]
APPLICATION = 0x506c6e73


def all_databases():
    """Session files: the schemas are sessions/database.c's."""
    def database(name, version, *more, application=APPLICATION):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "one")
            db = sqlite3.connect(path)
            db.execute("PRAGMA page_size = 512")
            db.executescript("PRAGMA application_id = %d; %s PRAGMA user_version = %d; %s"
                             % (application, "".join(SCHEMAS[:version]), version, "".join(more)))
            db.commit()
            db.close()
            with open(path, "rb") as file:
                save("database", name, file.read())

    rows = ("INSERT INTO commands VALUES (1, 1700000000000, 'info', 1, '{}', NULL);"
            "INSERT INTO commands VALUES (2, 1700000000001, 'solve all', 0, NULL, 'no');"
            "INSERT INTO states VALUES (1, NULL, 1, '{\"version\": 1}');"
            "INSERT INTO states VALUES (2, 1, 2, '{}'); UPDATE head SET state = 2;")
    database("first_version", 1, rows)
    database("second_version", 2, rows, "INSERT INTO begun VALUES (1, 1700000000002, 'tune', 1);")
    database("circle", 2, rows, "UPDATE states SET parent = 2 WHERE id = 1;")
    database("no_head", 2, "DELETE FROM head;")
    database("no_json", 2, rows, "UPDATE states SET json = '[[[';")
    database("blobs", 2, rows, "UPDATE commands SET text = x'00ff', result = x'80';")
    database("trigger", 2, "CREATE TRIGGER t AFTER INSERT ON commands BEGIN DELETE FROM head; END;")
    database("newer", 2, "PRAGMA user_version = 99;")
    database("another", 2, application=1)
    save("database", "empty", b"")


def all_keymaps():
    save("keymap", "good", b"# mine\nmap all x solve\nmap layers Ctrl-P next-pane\nunmap all q\n"
         b"map tuner Hash help # more\nmap main Space undo\r\nmap second Shift-Left redo")
    save("keymap", "wrong", b"map\nmap all\nmap nowhere x solve\nmap all Ctrl- solve\n"
         b"map all \xff solve\nunmap all F99\nmap all x no-action\n" + b"map all x solve " * 300)
    save("keymap", "many", b"".join(b"map all %c solve\n" % c for c in range(33, 127)))
    save("keymap", "empty", b"\n\n   \n#")


def all_commands():
    save("commands", "settings", b"method astro beta=1e-3 group_size=8; method gptq bits=3 on='*.q_proj'\n"
         b"activations bits=8 group_size=-1; kv bits=4 # both\nselect 1.q_proj; view histogram log=yes\n"
         b"filter input_ratio > 10 and not (solved or *.down_proj)")
    save("commands", "quotes", b"method 'rtn' \"bits=4\" 'a;b' \\\n group_size=8; tokenize \"it's\"; log '")
    save("commands", "numbers", b"method rtn bits=99999999999999999999; method astro beta=1e-999 target=nan;"
         b"select -1; activations bits=0x4; kv bits=; method astro target=0.2 beta=1e-4")
    save("commands", "globs", b"method rtn bits=4 on='[0-9]*.{q,k}_proj,!1.*'; layers tag=*; select [; select **")
    save("commands", "braces", b"compare \"astro beta={1e-5,1e-4,}; gptq bits={3,{4}}\" windows=2; keep a; use b")
    save("commands", "unknown", b"slove all; metod astro; plot histogrm 1.q; help; ? ; ;;; \xc3\xa9 = x")
    save("commands", "words", b"method " + b"a" * 5000 + b"; method rtn" + b" x=1" * 500)


def message(kind, payload=b"", flag=0, entry="", key=(3, 4), magic=b"PLRANK2\0", **changes):
    """As app/mpi/message.c lays it out; kind: of the message."""
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    field = {"seconds": 1.5, "waited": 0.25, "size": len(payload), "order": 0x0102030405060708,
             "number": 7, "peak": 1 << 27, **changes}
    return struct.pack("<8sIIQdd32sQQQQQ", magic, kind, flag, field["number"], field["seconds"],
                       field["waited"], entry.encode(), *key, field["peak"], field["size"],
                       field["order"]) + payload


def all_messages():
    """Headers that are whole and that are not, and what they carry (fuzz_message.c)."""
    setting, unit, answer, gone, rest, end, has, fetch, wrote, removed, done = range(1, 12)
    zeros = "0" * 32
    search = {"params": [{"name": "bits", "values": ["3", "4"]}], "any_slot": True, "slot": 2,
              "unit": 0, "whole": False, "glob": "b.*", "by_kl": False, "sequential": False,
              "protocol": 0, "length": 8, "windows": 2}
    units = (
        ("solve", {"layers": [0, 1], "calibration": zeros}),
        ("solve", {"layers": [99, -1], "calibration": "x"}),
        ("calibrate", {"windows": 2, "shard": 1, "calibration": zeros, "half": 1, "rows": 16}),
        ("walk", {"run": zeros, "calibration": zeros, "key": zeros, "windows": 1, "shard": 9,
                  "shards": 1, "block": 0, "role": 3}),
        ("sensitivity", {"unit": 0, "tokens": zeros, "units": [0, 1], "length": 8}),
        ("compare", {"state": {"version": 1}, "tokens": zeros, "length": 8, "windows": 2}),
        ("sweep", {"slot": 2, "layer": 0, "param": "damping", "value": 0.05}),
        ("tune_heldout", {"tuning": search, "layers": [0, 1], "tokens": zeros,
                  "solved_on": zeros, "measured_on": zeros}),
        ("tune_trials", {"tuning": {**search, "by_kl": True}, "tokens": zeros,
                  "base": [0], "trials": [[2], [3]], "results": zeros}),
        ("tune_solves", {"tuning": search, "layers": [1], "tokens": zeros}),
        ("tasks", {"key": zeros, "requests": zeros, "task": "piqa", "which": 1,
                   "writes": False, "positions": 64}),
        ("none", {}))
    for index, (name, what) in enumerate(units):
        save("message", "unit_%d_%s" % (index, name), message(unit, {"kind": name, "what": what}))
    save("message", "setting", message(setting, {"version": 1, "model": "demo"}))
    save("message", "answer", message(answer, b"bytes", 1))
    save("message", "gone", message(gone, entry="result"))
    save("message", "rest", message(rest))
    save("message", "end", message(end, flag=1))
    save("message", "has", message(has, entry="site"))
    save("message", "fetch_elsewhere", message(fetch, entry="../../etc"))
    save("message", "wrote_nothing", message(wrote, b"PLANISH1" + bytes(56), 1, "round"))
    save("message", "removed", message(removed, entry="precondition"))
    save("message", "done", message(done, {"distinct": 1}, 1))
    save("message", "done_nan", message(done, b"{}", 1, seconds=float("nan")))
    save("message", "too_large", message(wrote, b"x", entry="round", size=2**60))
    save("message", "of_another", message(has, entry="site", magic=b"PLRANK1\0"))
    save("message", "other_order", message(has, entry="site", order=0x0807060504030201))
    save("message", "kind_without_end", message(has, entry="k" * 32))


if __name__ == "__main__":
    all_safetensors()
    all_gguf()
    all_store()
    all_sessions()
    all_npy()
    all_indexes()
    all_configs()
    all_tokenizers()
    all_templates()
    all_figures()
    all_databases()
    all_keymaps()
    all_commands()
    all_messages()
