#include "core/base/text.h"
#include "core/model/config.h"

pl_status pl_config_identity(const pl_config *c, pl_id *out, pl_error *err)
{
    pl_buf all = {0};
    *out = (pl_id){0};
    pl_buf_printf(&all, "%s %zu %zu %zu %zu %zu %zu %zu %zu %zu\n", c->architecture, c->hidden_size,
                  c->intermediate_size, c->blocks, c->heads, c->kv_heads, c->head_dim,
                  c->vocab_size, c->rotary_dim, c->max_positions);
    pl_buf_printf(&all, "%a %d %d %a %a %a %a %zu\n", c->norm_eps, c->unit_norms,
                  (int)c->activation, c->attention_scale, c->embedding_scale, c->attention_cap,
                  c->logits_cap, c->window);
    pl_buf_append(&all, (const char *)c->block_kind, c->blocks);
    pl_buf_printf(&all, "%zu %zu %zu %zu %d %d\n", c->experts, c->experts_used, c->expert_size,
                  c->shared_size, c->experts_normalized, c->tied_embeddings);
    for (int role = 0; role <= PL_ROLE_DOWN; role++) { /* no others have biases */
        pl_buf_puts(&all, c->biased[role] ? "b" : "-");
    }
    pl_buf_printf(&all, "%d %a %a %a %a %a %zu %zu %a\n", (int)c->rope, c->rope_theta,
                  c->rope_local_theta, c->rope_factor, c->rope_low_freq_factor,
                  c->rope_high_freq_factor, c->rope_original_positions, c->rope_divisors,
                  c->rope_amplitude);
    pl_buf_printf(&all, "%a %a\n", c->rope_beta_fast, c->rope_beta_slow);
    pl_buf_append(&all, (const char *)c->rope_divisor, c->rope_divisors * sizeof(float));
    pl_buf_append(&all, (const char *)c->rope_long_divisor, c->rope_divisors * sizeof(float));
    if (c->residual_scale != 1 || c->logits_scale != 1) { /* 1 in models that were known before */
        pl_buf_printf(&all, "%a %a\n", c->residual_scale, c->logits_scale);
    }
    if (c->kv_latent > 0) {
        pl_buf_printf(&all, "latent %zu %zu %zu %a\n", c->value_dim, c->kv_latent, c->q_latent,
                      c->latent_eps);
    }
    if (c->experts_scale != 1 || c->expert_groups > 0) {
        pl_buf_printf(&all, "experts %a %zu %zu\n", c->experts_scale, c->expert_groups,
                      c->expert_groups_used);
    }
    if (c->chunk > 0 || c->normed_heads || c->temper_floor > 0 || c->rope_untruncated) {
        pl_buf_printf(&all, "more %zu %d %a %a %d\n", c->chunk, c->normed_heads, c->temper_floor,
                      c->temper_scale, c->rope_untruncated);
    }
    pl_status status = pl_buf_check(&all, err);
    if (status == PL_OK) {
        *out = pl_id_bytes(all.data, all.size);
    }
    pl_buf_deinit(&all);
    return status;
}
