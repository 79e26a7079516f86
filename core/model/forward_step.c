/* What every part of a block's forward pass does: norms, products, hooks, and attention on given
 * keys and values. */
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>

size_t pl_forward_rotated(const pl_forward *f)
{
    const pl_config *c = &f->model->config;
    return (c->block_kind[f->w.block] & PL_BLOCK_NO_ROPE) != 0 ? 0 : c->rotary_dim;
}

pl_norm_role pl_forward_input_norm(const pl_config *config, pl_norm_role role)
{
    return config->arch->parallel && role == PL_NORM_MLP ? PL_NORM_ATTENTION : role;
}

void pl_forward_norm(const pl_config *c, const float *gain, const float *bias, const float *x,
                     size_t rows, float *out)
{
    if (c->arch->layer_norm) {
        pl_layer_norm(x, gain, bias, c->norm_eps, rows, c->hidden_size, out);
    } else {
        pl_rms_norm(x, gain, c->norm_eps, rows, c->hidden_size, out);
    }
}

void pl_forward_scale(float *x, size_t count, double by)
{
    const float scale = (float)by;
    for (size_t i = 0; by != 1.0 && i < count; i++) {
        x[i] *= scale;
    }
}

const uint32_t *pl_forward_rows(const pl_forward *forward)
{
    return forward->rows;
}

pl_status pl_forward_see(const pl_step *s, size_t site, float *x, size_t rows, size_t cols,
                         pl_error *err)
{
    if (s->hooks == NULL || s->hooks->input == NULL) {
        return PL_OK;
    }
    return s->hooks->input(s->hooks->ctx, site, s->window, x, rows, cols, err);
}

pl_status pl_forward_multiply(const float *x, size_t length, const float *w, size_t rows,
                              size_t cols, float *y, pl_task *task, pl_error *err)
{
    const double most = cols <= 1024 ? 2e9 : 8e9; /* FLOP between two ticks */
    double flops_a_row = 2.0 * (double)length * (double)cols;
    size_t piece = rows;
    if (flops_a_row * (double)rows > most) {
        piece = (size_t)(most / flops_a_row) / 64 * 64;
        piece = piece > 64 ? piece : 64;
    }
    pl_status status = PL_OK;
    for (size_t row = 0; row < rows && status == PL_OK; row += piece) {
        size_t count = rows - row < piece ? rows - row : piece;
        status = pl_task_tick(task, err);
        if (status == PL_OK) {
            pl_gemm_nt(length, count, cols, 1.0f, x, cols, w + row * cols, cols, 0.0f, y + row,
                       rows);
        }
    }
    return status;
}

pl_status pl_forward_linear(const pl_step *s, const float *x, const float *w, size_t rows,
                            size_t cols, float *y, pl_error *err)
{
    if (s->f->reads_on && s->length == 1) {
        pl_matvec(rows, cols, w, x, y);
        return pl_task_tick(s->task, err);
    }
    return pl_forward_multiply(x, s->length, w, rows, cols, y, s->task, err);
}

/* What the loaded block is: a PL_BLOCK_ flag. */
static bool is(const pl_step *s, int kind)
{
    return (s->c->block_kind[s->f->w.block] & kind) != 0;
}

static bool slides(const pl_step *s)
{
    return is(s, PL_BLOCK_SLIDES);
}

float pl_forward_temper(const pl_config *c, size_t at)
{
    const float floor_scale = (float)c->temper_floor, scale = (float)c->temper_scale;
    return logf(floorf(((float)at + 1.0f) / floor_scale) + 1.0f) * scale + 1.0f;
}

/* All of the step's keys, and values. */
static float *keys_of(const pl_step *s)
{
    return s->keys != NULL ? s->keys : s->f->k;
}

static float *values_of(const pl_step *s)
{
    return s->values != NULL ? s->values : s->f->v;
}

float *pl_forward_keys(const pl_step *s)
{
    return keys_of(s) + s->past * s->f->kv_rows;
}

float *pl_forward_values(const pl_step *s)
{
    return values_of(s) + s->past * s->f->value_rows;
}

void pl_forward_turns(const pl_step *s, const float **cosine, const float **sine)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    const size_t all = s->packed != NULL ? f->positions : s->past + s->length;
    bool other = c->rope == PL_ROPE_LONG ? all > c->rope_original_positions
                                         : c->rope_local_theta > 0 && slides(s);
    size_t kind = other ? 1 : 0;
    size_t beyond = all > c->max_positions ? all : 0;
    if (c->rope == PL_ROPE_DYNAMIC && beyond != f->angles_length) {
        pl_forward_angles(f, 0, beyond);
        f->angles_length = beyond;
    }
    *cosine = s->packed != NULL ? s->packed->cosine[kind] : f->cosine[kind];
    *sine = s->packed != NULL ? s->packed->sine[kind] : f->sine[kind];
    *cosine += s->past * c->rotary_dim / 2;
    *sine += s->past * c->rotary_dim / 2;
}

pl_status pl_forward_attend(const pl_step *s, float *attended, pl_error *err)
{
    const pl_hooks *hooks = s->hooks;
    const pl_forward *f = s->f;
    const bool plain = s->c->kv_latent == 0; /* else they have been seen before they were made */
    pl_status status = PL_OK;
    if (plain && hooks != NULL && hooks->key != NULL) {
        status = hooks->key(hooks->ctx, f->w.block, pl_forward_keys(s), s->length, f->kv_rows, err);
    }
    if (status == PL_OK && plain && hooks != NULL && hooks->value != NULL) {
        status = hooks->value(hooks->ctx, f->w.block, pl_forward_values(s), s->length,
                              f->value_rows, err);
    }
    if (status != PL_OK) {
        return status;
    }
    if (s->packed != NULL) {
        s->packed->attend(s->packed->ctx, s, attended);
    } else {
        const pl_attention attention = pl_forward_attention(s, attended);
        pl_attend(&attention);
    }
    return pl_task_tick(s->task, err);
}

pl_attention pl_forward_attention(const pl_step *s, float *out)
{
    const pl_forward *f = s->f;
    const pl_config *c = s->c;
    return (pl_attention){.q = f->qkv,
                          .q_stride = f->q_stride,
                          .k = keys_of(s),
                          .v = values_of(s),
                          .out = out,
                          .length = s->length,
                          .past = s->past,
                          .heads = c->heads,
                          .kv_heads = c->kv_heads,
                          .head_dim = c->head_dim,
                          .value_dim = c->value_dim,
                          .window = slides(s) ? c->window : SIZE_MAX,
                          .chunk = is(s, PL_BLOCK_CHUNKED) ? c->chunk : 0,
                          .sinks = f->w.sinks,
                          .scale = (float)c->attention_scale,
                          .cap = c->attention_cap,
                          .scratch = f->scratch,
                          .scratch_stride = f->scratch_stride,
                          .threads = f->scratch_threads};
}
