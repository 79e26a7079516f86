"""Writes arch_values.json: what transformers computes on tiny checkpoints of every architecture.  Their weights come from a formula that tests/support/formula_model.h repeats in C, so
neither weights nor Python are needed where the test runs.

    python tests/golden/make_arch_values.py > values.json
    python tests/golden/make_arch_values.py OLD.json [CASE...] > values.json

The second form takes from OLD.json all that is there, but for the cases named.

Needs torch, transformers, gguf (only for its table of tensor names), numpy.  Every case names the
version of transformers that made it: 4.53.3, but for the architectures in NEWER.  Run it by both
versions, the second time with the first's file as OLD.json.
"""
import json
import re
import sys

import gguf
import numpy as np
import torch
import transformers

LENGTH = 100
VOCAB = 96
OLDER, NEWER = "4.53.3", {"deepseek_v2": "4.57.1", "gpt_oss": "4.57.1"}


def formula(name, count):
    """Numbers in [-1, 1), exact in float32: a hash of the name (FNV-1a) and the index."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    x = (seed + np.arange(count, dtype=np.uint64) * 2654435761) & 0xFFFFFFFF
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> shift)) * factor) & 0xFFFFFFFF
    x ^= x >> 16
    return ((x >> 8).astype(np.float64) / 2**23 - 1).astype(np.float32)


def is_norm(name):
    return bool(re.search(r"norm\.(weight|bias)$|layernorm|ln_\w+\.", name))


def weights(name, shape, unit_norms):
    values = formula(name, int(np.prod(shape))).reshape(shape)
    if is_norm(name):
        one = 0 if unit_norms or name.endswith("bias") else 1
        return values * np.float32(0.25) + np.float32(one)
    if name.endswith(("gate.weight", "router.weight")):  # routers: clear choices
        return values
    if name.endswith("e_score_correction_bias"):  # transformers takes a masked group's for 0
        return values * np.float32(0.25) + np.float32(0.25)
    embedding = "embed_tokens" in name or "wte." in name
    return values * np.float32(0.5 if embedding else 0.25)


SMALL = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=VOCAB, max_position_embeddings=128,
             pad_token_id=None, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False,
             rms_norm_eps=1e-5, attention_dropout=0.0)


FOREIGN = {  # what these models' configs call otherwise or do not have
    "gpt2": ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "attention_dropout"),
    "opt": ("intermediate_size", "num_key_value_heads", "rms_norm_eps"),
    "starcoder2": ("rms_norm_eps",), "cohere": ("rms_norm_eps",), "cohere2": ("rms_norm_eps",)}


def case(name, model_type, arch=None, keys=None, permute=False, arrays=None, **more):
    small = {k: v for k, v in SMALL.items() if k not in FOREIGN.get(model_type, ())}
    return dict(name=name, model_type=model_type, arch=arch, keys=keys or {}, permute=permute,
                arrays=arrays or {}, config={**small, **more})


LONG = {"rope_factors_short.weight": [1.0, 1.5, 2.0], "rope_factors_long.weight": [1.5, 3.0, 5.0]}
EXPERTS = {"expert_count": 4, "expert_used_count": 2}
LATENT = {"attention.key_length": 20, "attention.value_length": 10, "attention.kv_lora_rank": 16,
          "attention.head_count_kv": 4, "rope.dimension_count": 8}
LATENT_SIZES = dict(num_key_value_heads=4, kv_lora_rank=16, qk_rope_head_dim=8,
                    qk_nope_head_dim=12, v_head_dim=10, moe_intermediate_size=24,
                    n_shared_experts=2, num_experts_per_tok=2, first_k_dense_replace=1)
DEEPSEEK = {**EXPERTS, "expert_feed_forward_length": 24, "expert_shared_count": 2,
            "leading_dense_block_count": 1}
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0}
CASES = [
    case("llama_biases", "llama", "llama", permute=True, attention_bias=True, mlp_bias=True),
    case("llama_yarn", "llama", "llama", {**YARN, "rope.scaling.original_context_length": 32},
         permute=True, head_dim=16, rope_scaling={
             "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}),
    case("llama_yarn_factors", "llama", "llama", {**YARN, "rope.scaling.yarn_beta_fast": 4.0,
         "rope.scaling.yarn_beta_slow": 2.0,
         "rope.scaling.attn_factor": float(0.9 / (1 + 0.1 * np.log(4)))}, permute=True, head_dim=24,
         rope_scaling={"type": "yarn", "factor": 4.0, "beta_fast": 4.0, "beta_slow": 2.0,
                       "attention_factor": 0.9}),
    case("qwen3_yarn_mscale", "qwen3", head_dim=16, rope_scaling={
        "rope_type": "yarn", "factor": 8.0, "mscale": 0.7, "mscale_all_dim": 0.3}),
    case("qwen3_biases", "qwen3", "qwen3", head_dim=16, attention_bias=True),
    case("gemma3_yarn", "gemma3_text", num_hidden_layers=6, head_dim=16, query_pre_attn_scalar=16,
         sliding_window=9, tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh",
         rope_scaling={"rope_type": "yarn", "factor": 2.0,
                       "original_max_position_embeddings": 64}),
    case("llama_dynamic_long", "llama", head_dim=16, max_position_embeddings=64,
         rope_scaling={"rope_type": "dynamic", "factor": 3.0}),
    case("llama_dynamic_short", "llama", rope_scaling={"type": "dynamic", "factor": 3.0}),
    case("mistral", "mistral", "llama", {"attention.sliding_window": 9}, permute=True, head_dim=12,
         sliding_window=9),
    case("mistral_no_window", "mistral", "llama", permute=True, sliding_window=None),
    case("qwen2_window", "qwen2", use_sliding_window=True, sliding_window=70, max_window_layers=1),
    case("qwen3", "qwen3", "qwen3", head_dim=16),
    case("qwen3_window", "qwen3", head_dim=16, use_sliding_window=True, sliding_window=9,
         layer_types=["full_attention", "sliding_attention"], tie_word_embeddings=True),
    case("phi3", "phi3", "phi3", {"attention.sliding_window": 9}, partial_rotary_factor=0.5,
         sliding_window=9),
    case("phi3_long", "phi3", "phi3", {"rope.scaling.original_context_length": 32,
         "rope.scaling.attn_factor": float(np.sqrt(1 + np.log(4) / np.log(32)))}, arrays=LONG,
         partial_rotary_factor=0.75, original_max_position_embeddings=32, rope_scaling={
             "type": "longrope", "short_factor": [1.0, 1.5, 2.0], "long_factor": [1.5, 3.0, 5.0]}),
    case("phi3_short", "phi3", "phi3", {"rope.scaling.original_context_length": 112}, arrays=LONG,
         partial_rotary_factor=0.75, original_max_position_embeddings=112, rope_scaling={
             "type": "longrope", "short_factor": [1.0, 1.5, 2.0], "long_factor": [1.5, 3.0, 5.0]}),
    case("olmo2", "olmo2", "olmo2", rope_theta=500000.0),
    case("gemma2", "gemma2", "gemma2", {"attention.sliding_window": 9, "attn_logit_softcapping": 5.0,
         "final_logit_softcapping": 3.0}, num_hidden_layers=3, head_dim=16, sliding_window=9,
         query_pre_attn_scalar=16, attn_logit_softcapping=5.0, final_logit_softcapping=3.0,
         tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh"),
    case("gemma2_defaults", "gemma2", head_dim=16, query_pre_attn_scalar=24,
         tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh"),
    case("gemma3", "gemma3_text", "gemma3", {"attention.sliding_window": 9,
         "rope.freq_base": 1000000.0, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0},
         num_hidden_layers=6, head_dim=16, query_pre_attn_scalar=16, sliding_window=9,
         rope_scaling={"rope_type": "linear", "factor": 8.0}, tie_word_embeddings=True,
         hidden_activation="gelu_pytorch_tanh"),
    case("gemma3_pattern", "gemma3_text", "gemma3", {"attention.sliding_window": 9,
         "attention.sliding_window_pattern": 2, "rope.freq_base": 20000.0,
         "rope.freq_base_swa": 500.0}, num_hidden_layers=2, head_dim=16, query_pre_attn_scalar=16,
         sliding_window=9, sliding_window_pattern=2, rope_theta=20000.0, rope_local_base_freq=500.0,
         tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh"),
    case("gemma3_vision", "gemma3", text_config=dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, vocab_size=VOCAB, head_dim=4,
        query_pre_attn_scalar=4, sliding_window=9, sliding_window_pattern=2, rms_norm_eps=1e-5)),
    case("mixtral", "mixtral", "llama", EXPERTS, permute=True, num_local_experts=4,
         num_experts_per_tok=2, sliding_window=None),
    case("qwen2_moe", "qwen2_moe", "qwen2moe", {**EXPERTS, "expert_feed_forward_length": 24,
         "expert_shared_feed_forward_length": 40}, num_experts=4, num_experts_per_tok=2,
         moe_intermediate_size=24, shared_expert_intermediate_size=40),
    case("qwen2_moe_mixed", "qwen2_moe", num_hidden_layers=3, num_experts=6, num_experts_per_tok=3,
         moe_intermediate_size=24, shared_expert_intermediate_size=40, norm_topk_prob=True,
         decoder_sparse_step=1, mlp_only_layers=[0]),
    case("qwen3_moe", "qwen3_moe", "qwen3moe", {**EXPERTS, "expert_feed_forward_length": 24},
         head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24,
         norm_topk_prob=True),
    case("qwen3_moe_mixed", "qwen3_moe", num_hidden_layers=3, num_experts=6, num_experts_per_tok=3,
         moe_intermediate_size=24, decoder_sparse_step=2, mlp_only_layers=[], attention_bias=True),
    case("olmoe", "olmoe", "olmoe", EXPERTS, num_experts=4, num_experts_per_tok=2),
    case("granite", "granite", "granite", {"attention.scale": 0.2, "embedding_scale": 3.0,
         "residual_scale": 0.5, "logit_scale": 4.0}, permute=True, attention_multiplier=0.2,
         embedding_multiplier=3.0, residual_multiplier=0.5, logits_scaling=4.0,
         attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    case("smollm3", "smollm3", "smollm3", permute=True, num_hidden_layers=4,
         tie_word_embeddings=True),
    case("smollm3_list", "smollm3", num_hidden_layers=3, no_rope_layers=[0, 1, 0],
         use_sliding_window=True, sliding_window=9, attention_bias=True, layer_types=[
             "sliding_attention", "full_attention", "sliding_attention"]),
    case("starcoder2", "starcoder2", "starcoder2", {"attention.layer_norm_epsilon": 1e-5,
         "attention.sliding_window": 9}, norm_epsilon=1e-5, sliding_window=9,
         tie_word_embeddings=True),
    case("starcoder2_unbiased", "starcoder2", norm_epsilon=1e-3, use_bias=False,
         sliding_window=None),
    case("gpt2", "gpt2", "gpt2", {"attention.layer_norm_epsilon": 1e-5}, n_embd=32, n_inner=48,
         n_layer=2, n_head=4, n_positions=128, tie_word_embeddings=True),
    case("gpt2_untied", "gpt2", n_embd=32, n_layer=2, n_head=4, n_positions=128),
    case("opt", "opt", ffn_dim=48, word_embed_proj_dim=32, tie_word_embeddings=True),
    case("opt_gelu", "opt", ffn_dim=48, word_embed_proj_dim=32, activation_function="gelu",
         enable_bias=False),
    case("glm", "glm", head_dim=16, attention_bias=True),
    case("glm4", "glm4", "glm4", head_dim=16, partial_rotary_factor=0.5),
    case("glm4_quarter", "glm4", head_dim=16, partial_rotary_factor=0.25, attention_bias=False),
    case("cohere", "cohere", "command-r", {"attention.layer_norm_epsilon": 1e-5,
         "logit_scale": 0.5}, logit_scale=0.5, layer_norm_eps=1e-5, tie_word_embeddings=True),
    case("cohere2", "cohere2", "cohere2", {"attention.layer_norm_epsilon": 1e-5,
         "logit_scale": 2.0, "attention.sliding_window": 9}, num_hidden_layers=4, logit_scale=2.0,
         layer_norm_eps=1e-5, sliding_window=9, tie_word_embeddings=True),
    case("cohere2_types", "cohere2", num_hidden_layers=2, sliding_window=9, attention_bias=True,
         layer_types=["full_attention", "sliding_attention"]),
    case("deepseek_v2", "deepseek_v2", "deepseek2", {**LATENT, **DEEPSEEK,
         "expert_weights_scale": 1.5, "attention.key_length": 24, "attention.value_length": 16,
         "attention.head_count_kv": 1, "attention.key_length_mla": 20,
         "attention.value_length_mla": 10}, num_hidden_layers=3, rms_norm_eps=1e-6, q_lora_rank=None,
         n_routed_experts=4, routed_scaling_factor=1.5, n_group=1, topk_group=1,
         topk_method="greedy", **LATENT_SIZES),
    case("deepseek_v2_groups", "deepseek_v2", q_lora_rank=20, n_routed_experts=8,
         n_group=4, topk_group=2, topk_method="group_limited_greedy", **LATENT_SIZES),
    case("deepseek_v3", "deepseek_v3", "deepseek2", {**LATENT, **DEEPSEEK,
         "attention.q_lora_rank": 20, "expert_weights_scale": 2.5, "expert_weights_norm": True,
         "expert_gating_func": 2, "expert_count": 8, "expert_used_count": 3,
         "expert_group_count": 4, "expert_group_used_count": 2}, num_hidden_layers=3,
         rms_norm_eps=1e-6, q_lora_rank=20, n_routed_experts=8, n_group=4, topk_group=2,
         norm_topk_prob=True, routed_scaling_factor=2.5, **{**LATENT_SIZES, "num_experts_per_tok": 3}),
    case("deepseek_v3_yarn", "deepseek_v3", "deepseek2", {**LATENT, **DEEPSEEK, **YARN,
         "attention.q_lora_rank": 20, "expert_weights_scale": 1.0, "expert_gating_func": 2,
         "rope.scaling.original_context_length": 32,
         "rope.scaling.yarn_log_multiplier": 0.05}, rms_norm_eps=1e-6, q_lora_rank=20,
         n_routed_experts=4, n_group=1, topk_group=1, norm_topk_prob=False,
         routed_scaling_factor=1.0, rope_scaling={
             "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32,
             "mscale": 0.5, "mscale_all_dim": 0.5, "beta_fast": 32.0, "beta_slow": 1.0},
         **LATENT_SIZES),
    case("deepseek_v3_dense", "deepseek_v3", q_lora_rank=None, n_routed_experts=4, n_group=1,
         topk_group=1, rope_scaling={"rope_type": "yarn", "factor": 4.0, "mscale": 1.0,
                                     "mscale_all_dim": 0.5},
         **{**LATENT_SIZES, "first_k_dense_replace": 2}),
    case("gpt_oss", "gpt_oss", "gpt-oss", {**EXPERTS, "expert_feed_forward_length": 48,
         "attention.sliding_window": 9}, num_hidden_layers=3, head_dim=16, num_local_experts=4,
         num_experts_per_tok=2, sliding_window=9, rope_theta=150000.0, rope_scaling={
             "rope_type": "default"}),
    case("gpt_oss_yarn", "gpt_oss", "gpt-oss", {**EXPERTS, **YARN, "attention.sliding_window": 128,
         "rope.scaling.original_context_length": 32, "rope.scaling.yarn_beta_fast": 4.0},
         head_dim=16, num_local_experts=4,
         num_experts_per_tok=2, sliding_window=128, layer_types=["full_attention"] * 2,
         rope_scaling={"rope_type": "yarn", "factor": 4.0, "beta_fast": 4.0, "beta_slow": 1.0,
                       "truncate": False, "original_max_position_embeddings": 32}),
    case("llama4", "llama4_text", num_hidden_layers=4, head_dim=16, intermediate_size_mlp=40,
         intermediate_size=24, num_local_experts=4, interleave_moe_layer_step=2,
         attention_chunk_size=13, floor_scale=16, attn_scale=0.5, rope_scaling={
             "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
             "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
    case("llama4_plain", "llama4_text", head_dim=16, intermediate_size_mlp=40,
         intermediate_size=24, num_local_experts=4, num_experts_per_tok=2, moe_layers=[1],
         attention_chunk_size=40, use_qk_norm=False, attn_temperature_tuning=False,
         no_rope_layers=[1, 1]),
    case("phi4_mini", "phi3", "phi3", {"rope.scaling.original_context_length": 32,
         "rope.scaling.attn_factor": float(np.sqrt(1 + np.log(4) / np.log(32)))}, arrays=LONG,
         partial_rotary_factor=0.75, original_max_position_embeddings=32,
         tie_word_embeddings=True, rope_scaling={
             "type": "longrope", "short_factor": [1.0, 1.5, 2.0], "long_factor": [1.5, 3.0, 5.0]}),
    case("olmoe_normalized", "olmoe", num_experts=4, num_experts_per_tok=3, norm_topk_prob=True,
         attention_bias=True),
]


def site_of_experts(module_name, experts):
    """Of all experts in one module: the prefix of their sites."""
    found = re.fullmatch(r"model\.layers\.(\d+)\.(?:mlp|feed_forward)\.experts", module_name)
    return f"model.layers.{found.group(1)}.experts." if found and experts > 0 else None


def see_experts(prefix, module, shares, x, seen, scaled):
    """What each expert's layers see of the tokens x routed to it, and what down sees."""
    for e in range(shares.shape[1]):
        rows = shares[:, e] > 0
        own = x[rows] * (shares[rows, e, None] if scaled else 1)
        both = own @ module.gate_up_proj[e]
        if scaled:
            gate, up = both.chunk(2, dim=-1)
            inner = up * module.act_fn(gate)
        else:
            both = both + module.gate_up_proj_bias[e]
            gate = both[:, ::2].clamp(max=module.limit)
            up = both[:, 1::2].clamp(-module.limit, module.limit)
            inner = (up + 1) * gate * torch.sigmoid(gate * module.alpha)
        seen[f"{prefix}{e}.gate_up"], seen[f"{prefix}{e}.down"] = own, inner


def site_of(linear):
    """The site that sees a Linear's input, in Planish's words; None for routers and the head."""
    linear = re.sub(r"^model\.(language_model|decoder)\.", "model.", linear)
    linear = linear.replace("transformer.h.", "model.layers.")
    found = re.fullmatch(r"model\.layers\.(\d+)\.(.*)", linear)
    if not found or linear.endswith(("gate", "router")):
        return None
    block, rest = found.groups()
    expert = re.search(r"experts\.(\d+)\.", rest)
    inside = f"experts.{expert.group(1)}." if expert else "shared_expert." if "shared" in rest else ""
    last = rest.split(".")[-1]
    if rest in ("mlp.c_fc", "fc1"):
        return f"model.layers.{block}.up"
    last = {"attn.c_proj": "o_proj", "mlp.c_proj": "down_proj"}.get(rest, last)
    role = {"q_a_proj": "qkv", "kv_a_proj_with_mqa": "qkv", "q_b_proj": "q_b", "kv_b_proj": "kv_b",
            "c_attn": "qkv", "out_proj": "o", "fc2": "down", "q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "qkv_proj": "qkv", "o_proj": "o",
            "down_proj": "down", "w2": "down"}.get(last, "gate_up")
    return f"model.layers.{block}.{inside}{role}"


def observe(model, seen):
    for name, module in model.named_modules():
        prefix = site_of_experts(name, getattr(module, "num_experts", 0))
        if prefix is not None and hasattr(module, "gate_up_proj_bias"):  # gpt_oss
            module.register_forward_hook(
                lambda m, args, kwargs, out, prefix=prefix: see_experts(
                    prefix, m, kwargs["routing_weights"], args[0].reshape(-1, m.hidden_size), seen,
                    False), with_kwargs=True)
        elif prefix is not None and hasattr(module, "gate_up_proj"):  # llama4: routed inputs
            parent = model.get_submodule(name.rsplit(".", 1)[0])
            parent.register_forward_hook(
                lambda m, args, out, prefix=prefix: see_experts(
                    prefix, m.experts, out[1].T, args[0].reshape(-1, m.hidden_dim), seen, True))
        linear = isinstance(module, (torch.nn.Linear, transformers.pytorch_utils.Conv1D))
        site = site_of(name) if linear else None
        if site is not None:
            module.register_forward_pre_hook(
                lambda _, args, site=site: seen.__setitem__(site, args[0].reshape(-1, args[0].shape[-1])))


def gguf_tensors(this, shapes):
    """GGUF's names from the gguf package; experts stacked, gemma's norms plus 1, q and k permuted."""
    arch = next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == this["arch"])
    blocks = this["config"].get("n_layer") or this["config"]["num_hidden_layers"]
    names = gguf.get_tensor_name_map(arch, blocks)
    out = {}
    for hf in shapes:
        generic = re.sub(r"experts\.\d+\.", "experts.", hf)
        generic = generic.replace("e_score_correction_bias", "e_score_correction.bias")
        stacked = re.match(r"(model\.layers\.(\d+)\.)mlp\.experts\.(gate_up|down)_proj(_bias)?$", hf)
        if stacked:  # gpt_oss: gate and up apart, [experts, out, in]
            block, ending = stacked.group(2), "bias" if stacked.group(4) else "weight"
            parts = ["gate", "up"] if stacked.group(3) == "gate_up" else ["down"]
            for i, part in enumerate(parts):
                out[f"blk.{block}.ffn_{part}_exps.{ending}"] = {
                    "from": [hf], "add": 0, "permuted_heads": 0, "first": i, "step": len(parts),
                    "turned": ending == "weight"}
            continue
        if "attention.key_length_mla" in this["keys"] and "kv_b_proj" in hf:  # keys are turned
            block = hf.split(".")[2]
            for part, rows in (("k", [0, 12]), ("v", [12, 22])):
                out[f"blk.{block}.attn_{part}_b.weight"] = {
                    "from": [hf], "add": 0, "permuted_heads": 0, "heads": 4, "rows": rows,
                    "turned": part == "k"}
            continue
        if hf.endswith(".self_attn.sinks"):
            generic += ".weight"
        name = names.get_name(generic, try_suffixes=(".weight", ".bias"))
        assert name is not None, hf
        entry = out.setdefault(name, {"from": [], "add": 0, "permuted_heads": 0})
        if this["model_type"] == "gpt2" and re.search(r"c_(attn|fc|proj)\.weight", hf):
            entry["transposed"] = True
        entry["from"].append(hf)
        if this["model_type"].startswith("gemma") and hf.endswith("norm.weight"):
            entry["add"] = 1
        if this["permute"] and re.search(r"[qk]_proj", hf):
            entry["permuted_heads"] = this["config"]["num_attention_heads" if "q_proj" in hf
                                                     else "num_key_value_heads"]
    return out


def gguf_keys(this, config):
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    keys = {"block_count": config.num_hidden_layers, "context_length": 128,
            "embedding_length": config.hidden_size,
            "feed_forward_length": this["config"].get("n_inner") or config.intermediate_size,
            "attention.head_count": config.num_attention_heads,
            "attention.head_count_kv": getattr(config, "num_key_value_heads",
                                               config.num_attention_heads)}
    if this["model_type"] != "gpt2":
        keys |= {"attention.key_length": head_dim, "attention.value_length": head_dim,
                 "attention.layer_norm_rms_epsilon": getattr(config, "rms_norm_eps", None),
                 "rope.dimension_count": int(head_dim * getattr(config, "partial_rotary_factor", 1)),
                 "rope.freq_base": config.rope_theta}
    if "attention.layer_norm_epsilon" in this["keys"]:
        keys.pop("attention.layer_norm_rms_epsilon", None)
    return {**keys, **this["keys"]}


def rounded(values):
    return [float(f"{v:.5g}") for v in values]


def build(this):
    if this["model_type"] == "gemma3":
        this["config"] = {"text_config": this["config"]["text_config"]}
        small = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                     num_attention_heads=2, image_size=28, patch_size=14)
        whole = transformers.Gemma3Config(vision_config=small, mm_tokens_per_image=4,
                                          attn_implementation="eager", **this["config"])
        return transformers.Gemma3ForConditionalGeneration(whole), whole.text_config
    if this["model_type"] == "llama4_text":
        config = transformers.Llama4TextConfig(**this["config"])
        config._attn_implementation = "eager"
        return transformers.Llama4ForCausalLM(config), config
    config = transformers.AutoConfig.for_model(this["model_type"], **this["config"])
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager"), config


def saved_name(name):
    """A parameter's name in a file; None for those Planish has no use for."""
    if name.startswith(("model.vision_tower", "model.multi_modal_projector")):
        return None
    return re.sub(r"^model\.language_model\.", "language_model.model.", name)


def compute(this):
    model, config = build(this)
    model = model.float().eval()
    unit = this["model_type"].startswith("gemma")
    shapes = {}
    with torch.no_grad():
        buffers = [b for b in model.named_buffers() if b[0].endswith("e_score_correction_bias")]
        for own_name, parameter in [*model.named_parameters(), *buffers]:
            name = saved_name(own_name)
            if name is not None:
                shapes[name] = list(parameter.shape)
                parameter.copy_(torch.from_numpy(weights(name, shapes[name], unit)))
    ids = (formula("tokens", LENGTH).astype(np.float64) + 1) / 2 * VOCAB
    ids = torch.from_numpy(ids.astype(np.int64))[None]
    seen = {}
    observe(model, seen)
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits[0].double()
    nll = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()
    last = f"model.layers.{config.num_hidden_layers - 1}."
    said = {"model_type": this["model_type"], **this["config"]}
    out = {"name": this["name"], "made_by": transformers.__version__, "config": said, "unit_norms": unit, "length": LENGTH,
           "tensors": shapes, "perplexity": float(np.exp(nll)),
           "logits_last": rounded(logits[-1][:16].tolist()), "rows": {}, "inputs": {}}
    for site in sorted(seen):
        x = seen[site].double()
        out["rows"][site] = x.shape[0]
        if site.startswith(last) and x.shape[0] > 0:
            out["inputs"][site] = {"max": rounded(x.abs().amax(0).tolist()),
                                   "l2": rounded(x.norm(dim=0).tolist())}
    if this["arch"]:
        out["gguf"] = {"architecture": this["arch"], "keys": gguf_keys(this, config),
                       "tensors": gguf_tensors(this, shapes), "arrays": this["arrays"]}
    return out


def main():
    kept = {}
    if len(sys.argv) > 1:
        kept = {case["name"]: case for case in json.load(open(sys.argv[1]))["cases"]}
    cases = []
    for this in CASES:
        own = NEWER.get(this["model_type"], OLDER)
        here = own == transformers.__version__
        if this["name"] in kept and (this["name"] not in sys.argv[2:] or not here):
            cases.append(kept[this["name"]])
            continue
        if not here:
            print(f"{this['name']}: left out, it is made by transformers {own}", file=sys.stderr)
            continue
        try:
            cases.append(compute(this))
        except Exception as why:
            print(f"{this['name']}: {why}", file=sys.stderr)
            raise
    # One case, and in it one tensor or site, a line.
    for one in cases:
        one.setdefault("made_by", OLDER)  # of files that said it once for all
    text = json.dumps({"cases": cases}, separators=(",", ":"))
    text = re.sub(r'("(?:model\.layers\.\d+|name|blk\.\d+)[^"]*":)', r"\n\1", text)
    print(text)


if __name__ == "__main__":
    main()
