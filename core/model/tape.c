#include "core/model/tape.h"

#include "core/base/checked.h"
#include "core/model/model_parts.h"
#include "core/model/tape_parts.h"

#include <stdlib.h>
#include <string.h>

/* --- making ----------------------------------------------------------------------------------- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t outputs_of(const pl_model *model, const pl_site *site)
{
    size_t outputs = 0;
    for (size_t i = 0; i < site->n_layers; i++) {
        outputs += model->layers[site->layers[i]].rows;
    }
    return outputs;
}

static size_t widest_outputs(const pl_model *model)
{
    size_t widest = 0;
    for (size_t i = 0; i < model->n_sites; i++) {
        widest = larger(widest, outputs_of(model, &model->sites[i]));
    }
    return widest;
}

static bool allocate_tape(pl_tape *t)
{
    const pl_config *c = t->c;
    const size_t all = t->most * t->length, hidden = c->hidden_size;
    const size_t outputs = widest_outputs(t->f->model), cols = pl_model_widest_input(t->f->model);
    bool failed = false;
    t->most_sites = pl_model_most_block_sites(t->f->model);
    t->sites = calloc(t->most_sites, sizeof *t->sites);
    t->attention_in = pl_forward_floats(all, hidden, &failed);
    t->mlp_in = pl_forward_floats(all, hidden, &failed);
    for (size_t part = 0; part < PL_TAPE_QKV; part++) {
        t->qkv[part] = pl_forward_floats(all, pl_tape_part_cols(t, part), &failed);
        t->grad_q[part] = pl_forward_floats(all, pl_tape_part_cols(t, part), &failed);
    }
    for (size_t part = 0; c->normed_heads && part < 2; part++) {
        t->turned[part] = pl_forward_floats(all, pl_tape_part_cols(t, part), &failed);
    }
    t->o_out = pl_forward_floats(all, hidden, &failed);
    t->middle = pl_forward_floats(all, hidden, &failed);
    t->down_out = pl_forward_floats(all, hidden, &failed);
    t->wide = pl_forward_floats(all, outputs, &failed);
    t->narrow = pl_forward_floats(all, larger(hidden, cols), &failed);
    t->head_k = pl_forward_floats(t->length, t->f->q_rows, &failed);
    t->head_v = pl_forward_floats(t->length, t->f->o_cols, &failed);
    t->scratch =
        pl_forward_floats(t->f->scratch_threads, pl_attend_back_scratch(t->length), &failed);
    t->minus_sine = pl_forward_floats(t->length, c->rotary_dim / 2, &failed);
    t->direct = c->arch->parallel ? pl_forward_floats(all, hidden, &failed) : NULL;
    return !failed && t->sites != NULL;
}

static bool has_mixtures(const pl_config *c)
{
    bool some = false;
    for (size_t b = 0; b < c->blocks; b++) {
        some = some || (c->block_kind[b] & PL_BLOCK_EXPERTS) != 0;
    }
    return some;
}

pl_status pl_tape_create(pl_model *model, size_t length, size_t windows, pl_tape **out,
                         pl_error *err)
{
    *out = NULL;
    size_t rows = 0;
    pl_tape *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return pl_error_memory(err, "a block's backward pass");
    }
    t->length = length;
    t->most = windows;
    t->c = pl_model_config(model);
    pl_status status = pl_mul(length, windows, &rows)
                           ? pl_forward_create_at(model, rows, length, &t->f, err)
                           : pl_error_memory(err, "a block's backward pass");
    if (status == PL_OK) {
        status = allocate_tape(t)
                     ? PL_OK
                     : pl_error_memory(err, "a block's backward pass over %zu tokens", rows);
    }
    if (status == PL_OK && t->c->kv_latent > 0) {
        status = pl_tape_latent_create(t, &t->latent, err);
    }
    if (status == PL_OK && has_mixtures(t->c)) {
        status = pl_tape_experts_create(t, &t->experts, err);
    }
    if (status != PL_OK) {
        pl_tape_destroy(t);
        return status;
    }
    *out = t;
    return PL_OK;
}

void pl_tape_destroy(pl_tape *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; t->sites != NULL && i < t->most_sites; i++) {
        free(t->sites[i].hooked);
    }
    for (size_t part = 0; part < PL_TAPE_QKV; part++) {
        free(t->qkv[part]);
        free(t->cached[part]);
        free(t->grad_q[part]);
    }
    float *const owned[] = {t->attention_in, t->mlp_in,   t->turned[0],  t->turned[1], t->o_out,
                            t->middle,       t->down_out, t->wide,       t->narrow,    t->head_k,
                            t->head_v,       t->scratch,  t->minus_sine, t->direct};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        free(owned[i]);
    }
    free(t->sites);
    pl_tape_latent_destroy(t->latent);
    pl_tape_experts_destroy(t->experts);
    pl_forward_destroy(t->f);
    free(t);
}

/* --- the loaded block ------------------------------------------------------------------------- */

pl_status pl_tape_load(pl_tape *t, size_t block, pl_task *task, pl_error *err)
{
    const pl_model *model = t->f->model;
    const pl_block_parts *parts = &model->blocks[block];
    t->windows = 0;
    pl_status status = pl_forward_load(t->f, block, NULL, task, err);
    t->n_sites = parts->n_sites;
    t->o = parts->sites[PL_SITE_O] - parts->first_site;
    t->mlp = parts->sites[PL_SITE_GATE_UP] - parts->first_site;
    for (size_t i = 0; status == PL_OK && i < t->n_sites; i++) {
        const pl_site *from = &model->sites[parts->first_site + i];
        pl_tape_site *to = &t->sites[i];
        to->role = from->role;
        to->expert = from->expert;
        to->outputs = outputs_of(model, from);
        to->cols = from->cols;
        to->weights = pl_forward_place(t->f, &model->layers[from->layers[0]]);
        to->biases = pl_forward_biases(t->f, from);
        to->tokens = 0;
    }
    return status;
}

float *pl_tape_weights(pl_tape *t, size_t site, size_t *rows, size_t *cols)
{
    *rows = t->sites[site].outputs;
    *cols = t->sites[site].cols;
    return t->sites[site].weights;
}

float *pl_tape_biases(pl_tape *t, size_t site)
{
    return t->sites[site].biases;
}

/* --- forward ---------------------------------------------------------------------------------- */

static void norm_rows(const pl_tape_pass *p, pl_norm_role role, const float *x, float *out)
{
    const pl_tape *t = p->t;
    const pl_block_weights *w = &t->f->w;
    if (w->norms[role] != NULL) {
        pl_forward_norm(t->c, w->norms[role], w->norm_biases[role], x, p->rows, out);
    } else if (out != x) {
        memcpy(out, x, p->rows * t->c->hidden_size * sizeof *out);
    }
}

/* sum = x + the norm of out, where the block has one there. */
static pl_status add_half(const pl_tape_pass *p, const float *x, pl_norm_role role,
                          const float *out, float *sum, pl_error *err)
{
    const size_t hidden = p->t->c->hidden_size;
    norm_rows(p, role, out, sum);
    pl_forward_scale(sum, p->rows * hidden, p->t->c->residual_scale);
    return pl_add_finite(sum, x, p->rows * hidden)
               ? PL_OK
               : pl_error_set(err, PL_ERR_NUMERIC,
                              "model.layers.%zu: the residual stream is not finite",
                              p->t->f->w.block);
}

/* What the norm before the MLP sees. */
static const float *mlp_input(const pl_tape *t)
{
    return t->c->arch->parallel ? t->x : t->middle;
}

static bool is_mixture(const pl_tape *t)
{
    return t->sites[t->mlp].expert != PL_NO_EXPERT;
}

static pl_tape_mlp dense_mlp(const pl_tape *t)
{
    return (pl_tape_mlp){t->mlp, t->c->intermediate_size, t->f->gate_up, t->f->act};
}

static pl_status run_tape_mlp(const pl_tape_pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    norm_rows(p, pl_forward_input_norm(t->c, PL_NORM_MLP), mlp_input(t), t->mlp_in);
    if (is_mixture(t)) {
        return pl_tape_experts_run(p, t->down_out, err);
    }
    const pl_tape_mlp mlp = dense_mlp(t);
    return pl_tape_mlp_run(p, &mlp, t->mlp_in, p->rows, t->down_out, err);
}

static pl_tape_pass pass_of(pl_tape *t, const pl_tape_hooks *hooks, const pl_tape_sums *sums,
                            pl_task *task)
{
    static const pl_tape_hooks no_hooks = {0};
    static const pl_tape_sums no_sums = {0};
    return (pl_tape_pass){t, hooks != NULL ? hooks : &no_hooks, sums != NULL ? sums : &no_sums,
                          t->windows * t->length, task};
}

pl_status pl_tape_forward(pl_tape *t, const float *x, size_t windows, const pl_tape_hooks *hooks,
                          float *y, pl_task *task, pl_error *err)
{
    if (t->f->w.block == SIZE_MAX || windows == 0 || windows > t->most) {
        return pl_error_set(err, PL_ERR_STATE,
                            "a block's forward pass over %zu windows needs a loaded block and 1 to "
                            "%zu windows",
                            windows, t->most);
    }
    t->x = x;
    t->windows = windows;
    const pl_tape_pass p = pass_of(t, hooks, NULL, task);
    norm_rows(&p, PL_NORM_ATTENTION, x, t->attention_in);
    pl_status status = pl_tape_attend(&p, err);
    PL_THEN(pl_tape_site_run(&p, t->o, t->f->attended, p.rows, t->o_out, err));
    PL_THEN(add_half(&p, x, PL_NORM_ATTENTION_OUT, t->o_out, t->middle, err));
    PL_THEN(run_tape_mlp(&p, err));
    PL_THEN(add_half(&p, t->middle, PL_NORM_MLP_OUT, t->down_out, y, err));
    if (status != PL_OK) {
        t->windows = 0;
    }
    return status;
}

/* --- backward --------------------------------------------------------------------------------- */

/* grad[rows, hidden] of a norm of x to that of x, in place. */
static void norm_back(const pl_tape_pass *p, pl_norm_role role, const float *x, float *grad)
{
    const pl_tape *t = p->t;
    const size_t hidden = t->c->hidden_size;
    if (t->f->w.norms[role] != NULL && t->c->arch->layer_norm) {
        pl_layer_norm_back(x, t->f->w.norms[role], t->c->norm_eps, p->rows, hidden, grad);
    } else if (t->f->w.norms[role] != NULL) {
        pl_rms_norm_back(x, hidden, t->f->w.norms[role], t->c->norm_eps, p->rows, 1, hidden, grad,
                         hidden);
    }
}

static void add_rows(float *to, const float *from, size_t count)
{
    const bool finite = pl_add_finite(to, from, count); /* whoever uses it asks */
    (void)finite;
}

static pl_status tape_mlp_half_back(const pl_tape_pass *p, float *grad, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t count = p->rows * t->c->hidden_size;
    const pl_tape_mlp mlp = dense_mlp(t);
    float *out_grad = t->f->normed;
    memcpy(out_grad, grad, count * sizeof *grad);
    pl_forward_scale(out_grad, count, t->c->residual_scale);
    norm_back(p, PL_NORM_MLP_OUT, t->down_out, out_grad);
    pl_status status = is_mixture(t) ? pl_tape_experts_back(p, out_grad, err)
                                     : pl_tape_mlp_back(p, &mlp, p->rows, out_grad, err);
    if (status == PL_OK) {
        norm_back(p, pl_forward_input_norm(t->c, PL_NORM_MLP), mlp_input(t), t->narrow);
        add_rows(grad, t->narrow, count);
    }
    return status;
}

static pl_status attention_half_back(const pl_tape_pass *p, float *grad, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t count = p->rows * t->c->hidden_size;
    float *out_grad = t->f->normed;
    memcpy(out_grad, t->direct != NULL ? t->direct : grad, count * sizeof *grad);
    pl_forward_scale(out_grad, count, t->c->residual_scale);
    norm_back(p, PL_NORM_ATTENTION_OUT, t->o_out, out_grad);
    pl_status status = pl_tape_site_back(p, t->o, out_grad, t->narrow, err);
    PL_THEN(pl_tape_attend_back(p, t->narrow, t->wide, err));
    PL_THEN(pl_tape_site_back(p, 0, t->wide, t->narrow, err));
    if (status == PL_OK) {
        norm_back(p, PL_NORM_ATTENTION, t->x, t->narrow);
        add_rows(grad, t->narrow, count);
    }
    return status;
}

pl_status pl_tape_backward(pl_tape *t, const pl_tape_hooks *hooks, float *grad,
                           const pl_tape_sums *sums, pl_task *task, pl_error *err)
{
    if (t->windows == 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "a block's backward pass needs its forward pass before it");
    }
    const pl_tape_pass p = pass_of(t, hooks, sums, task);
    if (t->direct != NULL) {
        memcpy(t->direct, grad, p.rows * t->c->hidden_size * sizeof *grad);
    }
    pl_status status = tape_mlp_half_back(&p, grad, err);
    return status == PL_OK ? attention_half_back(&p, grad, err) : status;
}
