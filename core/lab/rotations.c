#include "core/lab/rotations.h"

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/rotations_parts.h"
#include "core/learn/stiefel.h"
#include "core/method/rotations.h"
#include "core/model/stream.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char kind_rotations[] = "rotations";

static const double CHECKPOINT_SECONDS = 2.0;

static pl_status (*const losses[PL_LOSS_COUNT])(const pl_rotations_problem *, pl_rotations_loss *,
                                                pl_error *) = {
    [PL_LOSS_KURTOSIS] = pl_rotations_kurtosis,
    [PL_LOSS_MODEL] = pl_rotations_model,
};

void pl_learned_rotations_deinit(pl_learned_rotations *rotations)
{
    free(rotations->r1);
    free(rotations->r2);
    *rotations = (pl_learned_rotations){0};
}

static pl_status init_rotations(const pl_model *model, pl_learned_rotations *out, pl_error *err)
{
    const pl_config *c = pl_model_config(model);
    *out =
        (pl_learned_rotations){.hidden = c->hidden_size, .head = c->head_dim, .blocks = c->blocks};
    out->r1 = calloc(out->hidden * out->hidden, sizeof *out->r1);
    out->r2 = calloc(out->blocks * out->head * out->head, sizeof *out->r2);
    if (out->r1 == NULL || out->r2 == NULL) {
        pl_learned_rotations_deinit(out);
        return pl_error_memory(err, "rotations of %zu channels", c->hidden_size);
    }
    return PL_OK;
}

static size_t head_numbers(const pl_learned_rotations *r)
{
    return r->blocks * r->head * r->head;
}

bool pl_spec_learns_rotations(const pl_spec *spec)
{
    return spec->method != NULL && spec->method->stream_loss != PL_LOSS_NONE;
}

/* --- in the store ----------------------------------------------------------------------------- */

pl_status pl_rotations_key(const pl_state *state, pl_id calibration, const pl_spec *spec,
                           pl_id *out, pl_task *task, pl_error *err)
{
    pl_id model = {0};
    pl_hasher *hasher = NULL;
    pl_buf text = {0};
    pl_spec_format(spec, &text);
    if (spec->method->suits_activations) {
        pl_buf_puts(&text, "\n");
        pl_state_quantized_commands(state, &text);
    }
    pl_status status = pl_buf_check(&text, err);
    PL_THEN(pl_model_identity(state->source->model, &model, task, err));
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish rotations 2");
        pl_hasher_text(hasher, text.data);
        pl_hasher_id(hasher, model);
        pl_hasher_id(hasher, calibration);
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    pl_buf_deinit(&text);
    return status;
}

static pl_status keep_rotations(pl_lab *lab, pl_id key, const pl_learning *now,
                                const pl_learned_rotations *r, pl_error *err)
{
    const pl_section sections[] = {
        {"r1", r->r1, r->hidden * r->hidden * sizeof *r->r1},
        {"r2", r->r2, head_numbers(r) * sizeof *r->r2},
        {"losses", now->losses, ((size_t)now->steps + 1) * sizeof *now->losses},
    };
    const unsigned before = pl_memory_failures();
    json_t *about =
        json_pack("{s:I, s:I}", "step", (json_int_t)now->step, "steps", (json_int_t)now->steps);
    pl_store *store = pl_lab_store(lab);
    pl_status status =
        about != NULL ? pl_memory_check(before, err) : pl_error_memory(err, "rotations");
    PL_THEN(pl_store_replace(store, kind_rotations, key, about, sections,
                             sizeof sections / sizeof *sections, err));
    json_decref(about);
    return status == PL_OK ? pl_rotations_pin(lab, key, err) : status;
}

static pl_status read_floats(pl_entry *entry, const char *name, float *out, size_t count)
{
    pl_status status = pl_entry_read(entry, name, out, count * sizeof *out, NULL);
    const pl_view view = {out, 1, count, count};
    return status != PL_OK || pl_view_first_nonfinite(view) == count ? status : PL_ERR_FORMAT;
}

static pl_status read_steps(pl_entry *entry, pl_learning *out)
{
    const json_t *about = pl_entry_about(entry);
    const json_int_t step = json_integer_value(json_object_get(about, "step"));
    const json_int_t steps = json_integer_value(json_object_get(about, "steps"));
    const size_t bytes = pl_entry_section_bytes(entry, "losses");
    if (step < 0 || steps < step || bytes == SIZE_MAX || bytes % sizeof(double) != 0 ||
        bytes / sizeof(double) != (size_t)steps + 1) {
        return PL_ERR_FORMAT;
    }
    pl_status status = pl_learning_init(out, &(pl_flat_layout){0}, (uint64_t)steps, NULL);
    PL_THEN(pl_entry_read(entry, "losses", out->losses, bytes, NULL));
    out->step = (uint64_t)step;
    return status;
}

pl_status pl_rotations_read(pl_lab *lab, const pl_model *model, pl_id key, pl_learning *learning,
                            pl_learned_rotations *out)
{
    pl_entry *entry = NULL;
    pl_learning steps = {0};
    pl_learned_rotations found = {0};
    pl_status status = pl_store_get(pl_lab_store(lab), kind_rotations, key, &entry, NULL);
    PL_THEN(read_steps(entry, &steps));
    if (status == PL_OK && out != NULL) {
        status = init_rotations(model, &found, NULL);
        PL_THEN(read_floats(entry, "r1", found.r1, found.hidden * found.hidden));
        PL_THEN(read_floats(entry, "r2", found.r2, head_numbers(&found)));
    }
    pl_entry_close(entry);
    if (status == PL_OK && learning != NULL) {
        *learning = steps;
        steps = (pl_learning){0};
    }
    if (status == PL_OK && out != NULL) {
        *out = found;
        found = (pl_learned_rotations){0};
    }
    pl_learning_deinit(&steps);
    pl_learned_rotations_deinit(&found);
    return status == PL_OK || status == PL_ERR_MEMORY ? status : PL_ERR_NOT_FOUND;
}

bool pl_rotations_are_kept(pl_lab *lab, pl_id key)
{
    return pl_store_has(pl_lab_store(lab), kind_rotations, key);
}

pl_status pl_rotations_pin(pl_lab *lab, pl_id key, pl_error *err)
{
    return pl_store_pin(pl_lab_store(lab), kind_rotations, key, err);
}

pl_status pl_rotations_forget(pl_lab *lab, pl_id key, pl_error *err)
{
    return pl_rotations_are_kept(lab, key)
               ? pl_store_remove(pl_lab_store(lab), kind_rotations, key, err)
               : PL_OK;
}

/* --- learning --------------------------------------------------------------------------------- */

/* r[n, n] <- the matrix of a random Hadamard rotation. */
static pl_status make_dense(const pl_rotation_parts *parts, float *r, pl_error *err)
{
    pl_transform *t = NULL;
    for (size_t i = 0; i < parts->n; i++) {
        r[i * parts->n + i] = 1.0f;
    }
    pl_status status = pl_transform_rotation(parts, &t, err);
    PL_THEN(pl_transform_inputs(t, r, parts->n, NULL, err));
    pl_transform_destroy(t);
    return status;
}

/* QuaRot's, of the same seed. */
static pl_status start_rotations(const pl_state *state, uint64_t seed, pl_learned_rotations *out,
                                 pl_error *err)
{
    pl_status status = init_rotations(state->source->model, out, err);
    for (size_t b = 0; status == PL_OK && b < out->blocks; b++) {
        pl_random_rotations random = {0};
        const pl_stream stream = {.block = b, .hidden = out->hidden, .head_dim = out->head};
        status = pl_rotations_random(&stream, 1, seed, false, &random, err);
        if (status == PL_OK && b == 0) {
            status = make_dense(&random.is.r1, out->r1, err);
        }
        PL_THEN(make_dense(&random.is.r2, out->r2 + b * out->head * out->head, err));
        pl_rotations_random_free(&random);
    }
    return status;
}

typedef struct run {
    const pl_rotations_problem *problem;
    pl_id key;
    pl_learning now;
    pl_learned_rotations at;
    pl_rotations_loss loss;
    float *g1, *g2;
    double written_at;
} run;

/* A line from the spec's rate down to 0. */
static pl_status descend(run *r, pl_error *err)
{
    const pl_learned_rotations *at = &r->at;
    const size_t small = at->head * at->head;
    const double left = 1.0 - (double)r->now.step / (double)r->now.steps;
    const double given = r->problem->spec->values[PL_ROTATIONS_RATE] * left;
    const double rate = r->loss.shares ? (double)INFINITY : given;
    const double share = r->loss.shares ? given : 1.0;
    pl_status status = pl_stiefel_step(at->hidden, at->r1, r->g1, rate, share, err);
    for (size_t b = 0; status == PL_OK && b < at->blocks; b++) {
        status = pl_stiefel_step(at->head, at->r2 + b * small, r->g2 + b * small, rate, share, err);
    }
    r->now.step++;
    return status;
}

static pl_status make_step(run *r, pl_task *task, pl_error *err)
{
    pl_learning *now = &r->now;
    const bool last = now->step == now->steps;
    double loss = 0.0;
    pl_status status = r->loss.value(r->loss.ctx, &r->at, now->step, &loss, last ? NULL : r->g1,
                                     last ? NULL : r->g2, task, err);
    if (status == PL_OK && !isfinite(loss)) {
        return pl_error_set(err, PL_ERR_NUMERIC, "%s: the loss of step %llu is not finite",
                            r->problem->spec->method->name, (unsigned long long)now->step);
    }
    if (status != PL_OK) {
        return status;
    }
    now->losses[now->step] = loss;
    return last ? PL_OK : descend(r, err);
}

static pl_status learn(run *r, uint64_t until, pl_task *task, pl_error *err)
{
    const pl_learning *now = &r->now;
    pl_lab *lab = r->problem->cx.lab;
    pl_status status = PL_OK;
    pl_task_progress(task, "steps", (double)now->step, (double)now->steps);
    while (status == PL_OK && !pl_learning_done(now) &&
           (now->step < until || until >= now->steps)) {
        status = make_step(r, task, err);
        if (status == PL_OK && pl_clock_now() - r->written_at >= CHECKPOINT_SECONDS) {
            status = keep_rotations(lab, r->key, now, &r->at, err);
            r->written_at = pl_clock_now();
        }
        pl_task_progress(task, "steps", (double)now->step, (double)now->steps);
    }
    if (status == PL_OK) {
        return keep_rotations(lab, r->key, now, &r->at, err);
    }
    if (status == PL_ERR_CANCELLED) {
        pl_status kept =
            keep_rotations(lab, r->key, now, &r->at, NULL); /* else a step is learned again */
        (void)kept;
    }
    return status;
}

static pl_status begin_run(run *r, pl_error *err)
{
    const pl_rotations_problem *p = r->problem;
    pl_model *model = p->cx.state->source->model;
    const pl_spec *spec = p->spec;
    const uint64_t steps = (uint64_t)spec->values[PL_ROTATIONS_STEPS];
    pl_status status = PL_OK;
    if (pl_rotations_read(p->cx.lab, model, r->key, &r->now, &r->at) != PL_OK ||
        r->now.steps != steps) {
        pl_learning_deinit(&r->now);
        pl_learned_rotations_deinit(&r->at);
        status = pl_learning_init(&r->now, &(pl_flat_layout){0}, steps, err);
        PL_THEN(
            start_rotations(p->cx.state, (uint64_t)spec->values[PL_ROTATIONS_SEED], &r->at, err));
    }
    if (status == PL_OK && pl_learning_done(&r->now)) {
        return PL_OK;
    }
    if (status == PL_OK) {
        r->g1 = pl_alloc(r->at.hidden * r->at.hidden, sizeof *r->g1);
        r->g2 = pl_alloc(head_numbers(&r->at), sizeof *r->g2);
        status = r->g1 != NULL && r->g2 != NULL ? PL_OK : pl_error_memory(err, "a gradient");
    }
    return status == PL_OK ? losses[spec->method->stream_loss](p, &r->loss, err) : status;
}

pl_status pl_rotations_learn(pl_context cx, pl_id calibration, const pl_spec *spec, pl_id key,
                             uint64_t until, pl_learning *reached, pl_learned_rotations *out,
                             pl_error *err)
{
    const pl_rotations_problem problem = {cx, calibration, spec};
    run r = {.problem = &problem, .key = key, .written_at = pl_clock_now()};
    *reached = (pl_learning){0};
    *out = (pl_learned_rotations){0};
    pl_status status = begin_run(&r, err);
    PL_THEN(learn(&r, until, cx.task, err));
    if (r.loss.end != NULL) {
        r.loss.end(r.loss.ctx);
    }
    if (status == PL_OK) {
        *reached = r.now;
        *out = r.at;
    } else {
        pl_learning_deinit(&r.now);
        pl_learned_rotations_deinit(&r.at);
    }
    free(r.g1);
    free(r.g2);
    return status;
}

/* --- a site's transform ----------------------------------------------------------------------- */

pl_status pl_rotations_transform(const pl_learned_rotations *rotations, const pl_site_input *in,
                                 uint64_t seed, bool online, pl_transform **out, pl_error *err)
{
    pl_random_rotations random = {0};
    const size_t head = rotations->head;
    *out = NULL;
    pl_status status = pl_rotations_random(&in->stream, in->n, seed, online, &random, err);
    if (status == PL_OK) {
        pl_rotations is = random.is;
        is.r1 = (pl_rotation_parts){
            .n = rotations->hidden, .q = rotations->r1, .order = rotations->hidden};
        is.r2 = (pl_rotation_parts){
            .n = head, .q = rotations->r2 + in->stream.block * head * head, .order = head};
        status = pl_rotations_of_site(in, &is, out, err);
    }
    pl_rotations_random_free(&random);
    return status;
}
