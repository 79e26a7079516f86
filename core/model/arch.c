#include "core/model/arch.h"

#include <string.h>

#define LLAMA_NAMES                                                                                \
    .layers = {[PL_ROLE_Q] = {"self_attn.q_proj", "attn_q"},                                       \
               [PL_ROLE_K] = {"self_attn.k_proj", "attn_k"},                                       \
               [PL_ROLE_V] = {"self_attn.v_proj", "attn_v"},                                       \
               [PL_ROLE_O] = {"self_attn.o_proj", "attn_output"},                                  \
               [PL_ROLE_GATE] = {"mlp.gate_proj", "ffn_gate"},                                     \
               [PL_ROLE_UP] = {"mlp.up_proj", "ffn_up"},                                           \
               [PL_ROLE_DOWN] = {"mlp.down_proj", "ffn_down"}},                                    \
    .attention_norm = {"input_layernorm", "attn_norm"},                                            \
    .mlp_norm = {"post_attention_layernorm", "ffn_norm"},                                          \
    .embedding = {"model.embed_tokens", "token_embd"}, .norm = {"model.norm", "output_norm"},      \
    .lm_head = {"lm_head", "output"}

static const pl_arch table[] = {
    {.model_type = "llama",
     .gguf = "llama",
     .hf_class = "LlamaForCausalLM",
     .gguf_permuted = true,
     .default_positions = 2048,
     LLAMA_NAMES},
    {.model_type = "qwen2",
     .gguf = "qwen2",
     .hf_class = "Qwen2ForCausalLM",
     .qkv_bias = true,
     .sliding_switch = true,
     .default_positions = 32768,
     LLAMA_NAMES},
};

enum { COUNT = sizeof table / sizeof table[0] };

const pl_arch *pl_arch_by_type(const char *model_type)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].model_type, model_type) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

const pl_arch *pl_arch_by_gguf(const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].gguf, name) == 0) {
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
                                    "supported: %s",
                                    where, name, field, list.data != NULL ? list.data : "");
    pl_buf_deinit(&list);
    return status;
}
