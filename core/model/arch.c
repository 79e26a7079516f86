#include "core/model/arch.h"

#include "core/base/text.h"

#include <string.h>

#define ATTENTION_LAYERS                                                                           \
    [PL_ROLE_Q] = {"self_attn.q_proj", "attn_q"}, [PL_ROLE_K] = {"self_attn.k_proj", "attn_k"},    \
    [PL_ROLE_V] = {"self_attn.v_proj", "attn_v"},                                                  \
    [PL_ROLE_O] = {"self_attn.o_proj", "attn_output"}

#define LAYERS                                                                                     \
    .layers = {                                                                                    \
        ATTENTION_LAYERS, [PL_ROLE_GATE] = {"mlp.gate_proj", "ffn_gate"},                          \
        [PL_ROLE_UP] = {"mlp.up_proj", "ffn_up"}, [PL_ROLE_DOWN] = {"mlp.down_proj", "ffn_down"}}

#define ENDS                                                                                       \
    .embedding = {"model.embed_tokens", "token_embd"}, .norm = {"model.norm", "output_norm"},      \
    .lm_head = {"lm_head", "output"}

#define PRE_NORMS                                                                                  \
    [PL_NORM_ATTENTION] = {"input_layernorm", "attn_norm"}, [PL_NORM_MLP] = {                      \
                                                                "post_attention_layernorm",        \
                                                                "ffn_norm"}

#define QK_NORMS                                                                                   \
    [PL_NORM_Q] = {"self_attn.q_norm", "attn_q_norm"}, [PL_NORM_K] = {"self_attn.k_norm",          \
                                                                      "attn_k_norm"}

#define POST_NORMS                                                                                 \
    [PL_NORM_ATTENTION_OUT] = {"post_attention_layernorm", "post_attention_norm"},                 \
    [PL_NORM_MLP_OUT] = {"post_feedforward_layernorm", "post_ffw_norm"}

#define FOUR_NORMS                                                                                 \
    [PL_NORM_ATTENTION] = {"input_layernorm", "attn_norm"},                                        \
    [PL_NORM_MLP] = {"pre_feedforward_layernorm", "ffn_norm"}, POST_NORMS

#define EXPERT_LAYERS                                                                              \
    .layers = {[PL_ROLE_GATE] = {"gate_proj", "ffn_gate_exps"},                                    \
               [PL_ROLE_UP] = {"up_proj", "ffn_up_exps"},                                          \
               [PL_ROLE_DOWN] = {"down_proj", "ffn_down_exps"}}

/* An MLP without a gate. */
#define PLAIN_LAYERS(o, up, down)                                                                  \
    .layers = {[PL_ROLE_Q] = {"self_attn.q_proj", "attn_q"},                                       \
               [PL_ROLE_K] = {"self_attn.k_proj", "attn_k"},                                       \
               [PL_ROLE_V] = {"self_attn.v_proj", "attn_v"},                                       \
               [PL_ROLE_O] = {o, "attn_output"},                                                   \
               [PL_ROLE_UP] = {up, "ffn_up"},                                                      \
               [PL_ROLE_DOWN] = {down, "ffn_down"}}

static const pl_expert_names mixtral_experts = {
    .prefix = {"block_sparse_moe.experts", NULL},
    .layers = {[PL_ROLE_GATE] = {"w1", "ffn_gate_exps"},
               [PL_ROLE_UP] = {"w3", "ffn_up_exps"},
               [PL_ROLE_DOWN] = {"w2", "ffn_down_exps"}},
    .router = {"block_sparse_moe.gate", "ffn_gate_inp"},
    .count = "num_local_experts",
    .normalized = true,
};

static const pl_expert_names qwen_experts = {
    .prefix = {"mlp.experts", NULL},
    EXPERT_LAYERS,
    .router = {"mlp.gate", "ffn_gate_inp"},
    .shared = {[PL_ROLE_GATE] = {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
               [PL_ROLE_UP] = {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
               [PL_ROLE_DOWN] = {"mlp.shared_expert.down_proj", "ffn_down_shexp"}},
    .shared_gate = {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
    .count = "num_experts",
    .inner = "moe_intermediate_size",
    .sparse_blocks = true,
};

static const pl_expert_names qwen3_experts = {
    .prefix = {"mlp.experts", NULL},
    EXPERT_LAYERS,
    .router = {"mlp.gate", "ffn_gate_inp"},
    .count = "num_experts",
    .inner = "moe_intermediate_size",
    .gguf_normalized = true,
    .sparse_blocks = true,
};

static const pl_expert_names olmo_experts = {
    .prefix = {"mlp.experts", NULL},
    EXPERT_LAYERS,
    .router = {"mlp.gate", "ffn_gate_inp"},
    .count = "num_experts",
};

#define LATENT_LAYERS                                                                              \
    .layers = {[PL_ROLE_Q] = {"self_attn.q_proj", "attn_q"},                                       \
               [PL_ROLE_Q_A] = {"self_attn.q_a_proj", "attn_q_a"},                                 \
               [PL_ROLE_KV_A] = {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},                 \
               [PL_ROLE_Q_B] = {"self_attn.q_b_proj", "attn_q_b"},                                 \
               [PL_ROLE_KV_B] = {"self_attn.kv_b_proj", "attn_kv_b"},                              \
               [PL_ROLE_O] = {"self_attn.o_proj", "attn_output"},                                  \
               [PL_ROLE_GATE] = {"mlp.gate_proj", "ffn_gate"},                                     \
               [PL_ROLE_UP] = {"mlp.up_proj", "ffn_up"},                                           \
               [PL_ROLE_DOWN] = {"mlp.down_proj", "ffn_down"}}

#define LATENT_NORMS                                                                               \
    PRE_NORMS, [PL_NORM_Q_LATENT] = {"self_attn.q_a_layernorm", "attn_q_a_norm"},                  \
               [PL_NORM_KV_LATENT] = {"self_attn.kv_a_layernorm", "attn_kv_a_norm"}

#define DEEPSEEK_EXPERTS                                                                           \
    .prefix = {"mlp.experts", NULL}, EXPERT_LAYERS, .router = {"mlp.gate", "ffn_gate_inp"},        \
    .shared = {[PL_ROLE_GATE] = {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},                \
               [PL_ROLE_UP] = {"mlp.shared_experts.up_proj", "ffn_up_shexp"},                      \
               [PL_ROLE_DOWN] = {"mlp.shared_experts.down_proj", "ffn_down_shexp"}},               \
    .shared_count = "n_shared_experts", .first_dense = "first_k_dense_replace",                    \
    .scale = "routed_scaling_factor", .grouped = true, .count = "n_routed_experts",                \
    .inner = "moe_intermediate_size"

static const pl_expert_names deepseek2_experts = {DEEPSEEK_EXPERTS, .default_shared = 2};

static const pl_expert_names deepseek3_experts = {
    DEEPSEEK_EXPERTS,
    .default_shared = 1,
    .default_dense = 3,
    .default_groups = 8,
    .default_groups_used = 4,
    .default_scale = 2.5,
    .score_bias = {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    .group_pairs = true,
    .sigmoid = true,
    .normalized_by_default = true,
};

static const pl_expert_names gpt_oss_experts = {
    .prefix = {"mlp.experts", NULL},
    EXPERT_LAYERS,
    .router = {"mlp.router", "ffn_gate_inp"},
    .stacked = {"mlp.experts.gate_up_proj", "mlp.experts.down_proj"},
    .alternating = true,
    .biased = true,
    .gguf_inner = true,
    .count = "num_local_experts",
    .normalized = true,
};

static const pl_expert_names llama4_experts = {
    .prefix = {"feed_forward.experts", NULL},
    EXPERT_LAYERS,
    .router = {"feed_forward.router", "ffn_gate_inp"},
    .shared = {[PL_ROLE_GATE] = {"feed_forward.shared_expert.gate_proj", "ffn_gate_shexp"},
               [PL_ROLE_UP] = {"feed_forward.shared_expert.up_proj", "ffn_up_shexp"},
               [PL_ROLE_DOWN] = {"feed_forward.shared_expert.down_proj", "ffn_down_shexp"}},
    .default_used = 1,
    .one_shared = true,
    .stacked = {"feed_forward.experts.gate_up_proj", "feed_forward.experts.down_proj"},
    .step = "interleave_moe_layer_step",
    .list = "moe_layers",
    .input_scaled = true,
    .sigmoid = true,
    .count = "num_local_experts",
    .inner = "intermediate_size",
};

static const pl_arch table[] = {
    {.model_type = "llama",
     .gguf = "llama",
     .hf_class = "LlamaForCausalLM",
     .tokenizer = "LlamaTokenizer",
     .attention_bias = true,
     .mlp_bias = true,
     .gguf_permuted = true,
     .default_positions = 2048,
     LAYERS,
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "mistral",
     .gguf = "llama",
     .hf_class = "MistralForCausalLM",
     .tokenizer = "LlamaTokenizer",
     .gguf_permuted = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_ALL,
     .default_window = 4096,
     .default_positions = 131072,
     LAYERS,
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "qwen2",
     .gguf = "qwen2",
     .hf_class = "Qwen2ForCausalLM",
     .qkv_bias = true,
     .windows = PL_WINDOW_SWITCH,
     .default_window = 4096,
     .default_positions = 32768,
     LAYERS,
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "qwen3",
     .gguf = "qwen3",
     .hf_class = "Qwen3ForCausalLM",
     .attention_bias = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_SWITCH,
     .default_window = 4096,
     .default_positions = 32768,
     .default_head_dim = 128,
     LAYERS,
     .norms = {PRE_NORMS, QK_NORMS},
     ENDS},
    {.model_type = "phi3",
     .gguf = "phi3",
     .hf_class = "Phi3ForCausalLM",
     .tokenizer = "LlamaTokenizer",
     .partial_rotary = true,
     .long_rope = true,
     .windows = PL_WINDOW_ALL,
     .default_positions = 4096,
     .default_eps = 1e-5,
     LAYERS,
     .fused_qkv = {"self_attn.qkv_proj", "attn_qkv"},
     .fused_gate_up = {"mlp.gate_up_proj", "ffn_up"},
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "olmo2",
     .gguf = "olmo2",
     .hf_class = "Olmo2ForCausalLM",
     .tokenizer = "GPTNeoXTokenizer",
     .attention_bias = true,
     .whole_qk_norm = true,
     .default_positions = 2048,
     .default_eps = 1e-5,
     LAYERS,
     .norms = {POST_NORMS, QK_NORMS},
     ENDS},
    {.model_type = "gemma2",
     .gguf = "gemma2",
     .hf_class = "Gemma2ForCausalLM",
     .tokenizer = "GemmaTokenizer",
     .attention_bias = true,
     .unit_norms = true,
     .scaled_embedding = true,
     .activation = PL_GELU_TANH,
     .fields = {.activation = "hidden_activation"},
     .query_scalar = true,
     .soft_caps = true,
     .tied_by_default = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_PATTERN,
     .default_window = 4096,
     .window_pattern = 2,
     .default_positions = 8192,
     .default_head_dim = 256,
     .wide_blocks = 46,
     .default_attention_cap = 50,
     .default_logits_cap = 30,
     LAYERS,
     .norms = {FOUR_NORMS},
     ENDS},
    {.model_type = "gemma3_text",
     .gguf = "gemma3",
     .hf_class = "Gemma3ForCausalLM",
     .tokenizer = "GemmaTokenizer",
     .attention_bias = true,
     .unit_norms = true,
     .scaled_embedding = true,
     .activation = PL_GELU_TANH,
     .fields = {.activation = "hidden_activation"},
     .query_scalar = true,
     .soft_caps = true,
     .tied_by_default = true,
     .default_heads = 8, /* gemma3's text_config leaves them out */
     .default_kv_heads = 4,
     .default_vocab = 262208,
     .windows = PL_WINDOW_PATTERN,
     .default_window = 4096,
     .window_pattern = 6,
     .default_positions = 131072,
     .default_head_dim = 256,
     .wide_blocks = 62,
     .default_theta = 1e6,
     .default_local_theta = 1e4,
     .settings = {{"use_bidirectional_attention", PL_MUST_BE_OFF, NULL}},
     LAYERS,
     .norms = {FOUR_NORMS, QK_NORMS},
     ENDS},
    {.model_type = "mixtral",
     .gguf = "llama",
     .hf_class = "MixtralForCausalLM",
     .tokenizer = "LlamaTokenizer",
     .gguf_permuted = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_ALL,
     .default_positions = 131072,
     .default_theta = 1e6,
     .default_eps = 1e-5,
     LAYERS,
     .norms = {PRE_NORMS},
     ENDS,
     .experts = &mixtral_experts},
    {.model_type = "qwen2_moe",
     .gguf = "qwen2moe",
     .hf_class = "Qwen2MoeForCausalLM",
     .qkv_bias = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_REFUSED,
     .default_positions = 32768,
     LAYERS,
     .norms = {PRE_NORMS},
     ENDS,
     .experts = &qwen_experts},
    {.model_type = "qwen3_moe",
     .gguf = "qwen3moe",
     .hf_class = "Qwen3MoeForCausalLM",
     .attention_bias = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_REFUSED,
     .default_positions = 32768,
     LAYERS,
     .norms = {PRE_NORMS, QK_NORMS},
     ENDS,
     .experts = &qwen3_experts},
    {.model_type = "olmoe",
     .gguf = "olmoe",
     .hf_class = "OlmoeForCausalLM",
     .tokenizer = "GPTNeoXTokenizer",
     .attention_bias = true,
     .whole_qk_norm = true,
     .default_positions = 4096,
     .default_eps = 1e-5,
     .settings = {{"clip_qkv", PL_MUST_BE_OFF, NULL}},
     LAYERS,
     .norms = {PRE_NORMS, QK_NORMS},
     ENDS,
     .experts = &olmo_experts},
    {.model_type = "granite",
     .gguf = "granite",
     .hf_class = "GraniteForCausalLM",
     .attention_bias = true,
     .mlp_bias = true,
     .gguf_permuted = true, /* its converter is LlamaModel's (conversion/granite.py) */
     .multipliers = true,
     .default_positions = 2048,
     LAYERS,
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "smollm3",
     .gguf = "smollm3",
     .hf_class = "SmolLM3ForCausalLM",
     .attention_bias = true,
     .gguf_permuted = true,
     .tied_by_default = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_SWITCH,
     .no_rope = PL_NO_ROPE_LIST,
     .default_positions = 32768,
     .default_theta = 2e6,
     LAYERS,
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "starcoder2",
     .gguf = "starcoder2",
     .hf_class = "Starcoder2ForCausalLM",
     .all_biased = true,
     .bias_switch = "use_bias",
     .layer_norm = true,
     .norm_biases = true,
     .activation = PL_GELU_TANH,
     .tied_by_default = true,
     .kv_heads_needed = true,
     .windows = PL_WINDOW_ALL,
     .default_positions = 4096,
     .default_eps = 1e-5,
     .fields = {.eps = "norm_epsilon"},
     PLAIN_LAYERS("self_attn.o_proj", "mlp.c_fc", "mlp.c_proj"),
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "gpt2",
     .gguf = "gpt2",
     .hf_class = "GPT2LMHeadModel",
     .all_biased = true,
     .layer_norm = true,
     .norm_biases = true,
     .activation = PL_GELU_TANH,
     .transposed = true,
     .tied_by_default = true,
     .default_positions = 1024,
     .default_eps = 1e-5,
     .body = {"transformer.", ""},
     .block_list = "h",
     .fields = {.hidden_size = "n_embd",
                .intermediate_size = "n_inner",
                .blocks = "n_layer",
                .heads = "n_head",
                .positions = "n_positions",
                .eps = "layer_norm_epsilon",
                .activation = "activation_function"},
     .settings = {{"scale_attn_weights", PL_MUST_BE_ON, NULL},
                  {"scale_attn_by_inverse_layer_idx", PL_MUST_BE_OFF, NULL},
                  {"add_cross_attention", PL_MUST_BE_OFF, NULL}},
     .layers = {[PL_ROLE_Q] = {"attn.q_proj", "attn_q"},
                [PL_ROLE_K] = {"attn.k_proj", "attn_k"},
                [PL_ROLE_V] = {"attn.v_proj", "attn_v"},
                [PL_ROLE_O] = {"attn.c_proj", "attn_output"},
                [PL_ROLE_UP] = {"mlp.c_fc", "ffn_up"},
                [PL_ROLE_DOWN] = {"mlp.c_proj", "ffn_down"}},
     .fused_qkv = {"attn.c_attn", "attn_qkv"},
     .norms = {[PL_NORM_ATTENTION] = {"ln_1", "attn_norm"}, [PL_NORM_MLP] = {"ln_2", "ffn_norm"}},
     .embedding = {"model.wte", "token_embd"},
     .norm = {"model.ln_f", "output_norm"},
     .lm_head = {"lm_head", "output"},
     .positions = {"model.wpe", "position_embd"}},
    {.model_type = "opt",
     .hf_class = "OPTForCausalLM",
     .all_biased = true,
     .bias_switch = "enable_bias",
     .layer_norm = true,
     .norm_biases = true,
     .activation = PL_RELU,
     .any_activation = true,
     .tied_by_default = true,
     .default_positions = 2048,
     .default_eps = 1e-5,
     .body = {"model.decoder.", "decoder."},
     .fields = {.intermediate_size = "ffn_dim", .activation = "activation_function"},
     .settings = {{"do_layer_norm_before", PL_MUST_BE_ON, NULL},
                  {"_remove_final_layer_norm", PL_MUST_BE_OFF, NULL},
                  {"layer_norm_elementwise_affine", PL_MUST_BE_ON, NULL},
                  {"word_embed_proj_dim", PL_MUST_BE_HIDDEN_SIZE, NULL}},
     PLAIN_LAYERS("self_attn.out_proj", "fc1", "fc2"),
     .norms = {[PL_NORM_ATTENTION] = {"self_attn_layer_norm", "attn_norm"},
               [PL_NORM_MLP] = {"final_layer_norm", "ffn_norm"}},
     .embedding = {"model.embed_tokens", "token_embd"},
     .norm = {"model.final_layer_norm", "output_norm"},
     .lm_head = {"lm_head", "output"},
     .positions = {"model.embed_positions", "position_embd"},
     .position_offset = 2},
    {.model_type = "glm",
     .hf_class = "GlmForCausalLM",
     .attention_bias = true,
     .o_unbiased = true,
     .default_bias = true,
     .partial_rotary = true,
     .neighbours = true,
     .kv_heads_needed = true,
     .default_positions = 131072,
     .default_head_dim = 128,
     .default_eps = 1.5625e-7,
     .default_partial = 0.5,
     LAYERS,
     .fused_gate_up = {"mlp.gate_up_proj", "ffn_up"},
     .norms = {PRE_NORMS},
     ENDS},
    {.model_type = "glm4",
     .gguf = "glm4",
     .hf_class = "Glm4ForCausalLM",
     .attention_bias = true,
     .o_unbiased = true,
     .default_bias = true,
     .partial_rotary = true,
     .neighbours = true,
     .kv_heads_needed = true,
     .default_positions = 131072,
     .default_head_dim = 128,
     .default_eps = 1.5625e-7,
     .default_partial = 0.5,
     LAYERS,
     .fused_gate_up = {"mlp.gate_up_proj", "ffn_up"},
     .norms =
         {PRE_NORMS, [PL_NORM_ATTENTION_OUT] = {"post_self_attn_layernorm", "post_attention_norm"},
          [PL_NORM_MLP_OUT] = {"post_mlp_layernorm", "post_ffw_norm"}},
     ENDS},
    {.model_type = "cohere",
     .gguf = "command-r",
     .hf_class = "CohereForCausalLM",
     .tokenizer = "CohereTokenizer",
     .attention_bias = true,
     .layer_norm = true,
     .parallel = true,
     .neighbours = true,
     .logit_scale = true,
     .tied_by_default = true,
     .default_positions = 8192,
     .default_eps = 1e-5,
     .fields = {.eps = "layer_norm_eps"},
     .settings = {{"use_qk_norm", PL_MUST_BE_OFF, NULL}},
     LAYERS,
     .norms = {[PL_NORM_ATTENTION] = {"input_layernorm", "attn_norm"}},
     ENDS},
    {.model_type = "cohere2",
     .gguf = "cohere2",
     .hf_class = "Cohere2ForCausalLM",
     .tokenizer = "CohereTokenizer",
     .attention_bias = true,
     .layer_norm = true,
     .parallel = true,
     .neighbours = true,
     .logit_scale = true,
     .tied_by_default = true,
     .windows = PL_WINDOW_PATTERN,
     .no_rope = PL_NO_ROPE_FULL,
     .default_window = 4096,
     .window_pattern = 4,
     .default_positions = 8192,
     .default_eps = 1e-5,
     .fields = {.eps = "layer_norm_eps"},
     LAYERS,
     .norms = {[PL_NORM_ATTENTION] = {"input_layernorm", "attn_norm"}},
     ENDS},
    {.model_type = "deepseek_v2",
     .gguf = "deepseek2",
     .hf_class = "DeepseekV2ForCausalLM",
     .tokenizer = "LlamaTokenizer",
     .latent = true,
     .neighbours = true,
     .deep_yarn = true,
     .default_positions = 2048,
     .settings = {{"scoring_func", PL_MUST_BE_WORD, "\"softmax\""},
                  {"norm_topk_prob", PL_MUST_BE_OFF, NULL},
                  {"moe_layer_freq", PL_MUST_BE_WORD, "1"},
                  {"attention_bias", PL_MUST_BE_OFF, NULL}},
     LATENT_LAYERS,
     .norms = {LATENT_NORMS},
     ENDS,
     .experts = &deepseek2_experts},
    {.model_type = "deepseek_v3",
     .gguf = "deepseek2",
     .hf_class = "DeepseekV3ForCausalLM",
     .tokenizer = "LlamaTokenizer",
     .latent = true,
     .neighbours = true,
     .deep_yarn = true,
     .default_positions = 4096,
     .settings = {{"scoring_func", PL_MUST_BE_WORD, "\"sigmoid\""},
                  {"topk_method", PL_MUST_BE_WORD, "\"noaux_tc\""},
                  {"rope_interleave", PL_MUST_BE_ON, NULL},
                  {"moe_layer_freq", PL_MUST_BE_WORD, "1"},
                  {"attention_bias", PL_MUST_BE_OFF, NULL}},
     LATENT_LAYERS,
     .norms = {LATENT_NORMS},
     ENDS,
     .experts = &deepseek3_experts},
    {.model_type = "gpt_oss",
     .gguf = "gpt-oss",
     .hf_class = "GptOssForCausalLM",
     .attention_bias = true,
     .default_bias = true,
     .kv_heads_needed = true,
     .activation = PL_CLAMPED_SWIGLU,
     .windows = PL_WINDOW_PATTERN,
     .default_window = 128,
     .window_pattern = 2,
     .default_positions = 131072,
     .default_head_dim = 64,
     .default_theta = 150000,
     .default_eps = 1e-5,
     .gguf_untruncated = true,
     .settings = {{"swiglu_limit", PL_MUST_BE_WORD, "7.0"}},
     LAYERS,
     .norms = {[PL_NORM_ATTENTION] = {"input_layernorm", "attn_norm"},
               [PL_NORM_MLP] = {"post_attention_layernorm", "post_attention_norm"}},
     ENDS,
     .sinks = {"self_attn.sinks", "attn_sinks.weight"},
     .experts = &gpt_oss_experts},
    {.model_type = "llama4_text",
     .hf_class = "Llama4ForCausalLM",
     .neighbours = true,
     .kv_heads_needed = true,
     .no_rope = PL_NO_ROPE_LIST,
     .chunks = true,
     .default_positions = 131072,
     .default_head_dim = 128,
     .default_theta = 500000,
     .default_eps = 1e-5,
     .fields = {.intermediate_size = "intermediate_size_mlp"},
     .layers = {ATTENTION_LAYERS, [PL_ROLE_GATE] = {"feed_forward.gate_proj", "ffn_gate"},
                [PL_ROLE_UP] = {"feed_forward.up_proj", "ffn_up"},
                [PL_ROLE_DOWN] = {"feed_forward.down_proj", "ffn_down"}},
     .norms = {PRE_NORMS},
     ENDS,
     .experts = &llama4_experts},
};

enum { COUNT = sizeof table / sizeof table[0] };

static const char *or_else(const char *own, const char *usual)
{
    return own != NULL ? own : usual;
}

pl_field_names pl_arch_fields(const pl_arch *arch)
{
    const pl_field_names *own = &arch->fields;
    return (pl_field_names){
        .hidden_size = or_else(own->hidden_size, "hidden_size"),
        .intermediate_size = or_else(own->intermediate_size, "intermediate_size"),
        .blocks = or_else(own->blocks, "num_hidden_layers"),
        .heads = or_else(own->heads, "num_attention_heads"),
        .positions = or_else(own->positions, "max_position_embeddings"),
        .eps = or_else(own->eps, "rms_norm_eps"),
        .activation = or_else(own->activation, "hidden_act"),
    };
}

const char *pl_arch_body(const pl_arch *arch)
{
    return or_else(arch->body[0], "model.");
}

const char *pl_arch_block_list(const pl_arch *arch)
{
    return or_else(arch->block_list, "layers");
}

const pl_arch *pl_arch_by_type(const char *model_type)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].model_type, model_type) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* The first that fits: llama before mistral. */
const pl_arch *pl_arch_by_gguf(const char *name, bool experts)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (table[i].gguf != NULL && strcmp(table[i].gguf, name) == 0 &&
            (table[i].experts != NULL) == experts) {
            return &table[i];
        }
    }
    return NULL;
}

pl_status pl_arch_refuse(pl_error *err, const char *where, const char *field, const char *name)
{
    pl_buf list = {0};
    for (size_t i = 0; i < COUNT; i++) {
        pl_buf_puts(&list, i > 0 ? ", " : "");
        pl_buf_puts(&list, table[i].model_type);
    }
    pl_status status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                                    "%s: the architecture '%.80s' (%s) is not supported; "
                                    "supported: %s; any other opens by dumps (`help open`)",
                                    where, name, field, list.data != NULL ? list.data : "");
    pl_buf_deinit(&list);
    return status;
}
