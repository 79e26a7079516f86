#include "core/study/sensitivity.h"

#include "core/base/checked.h"
#include "core/lab/quantized.h"
#include "core/metrics/local_error.h"
#include "core/metrics/variants.h"
#include "core/study/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char KIND[] = "sensitivity";
static const char SECTION[] = "loss";

typedef struct measuring {
    pl_context cx;
    const pl_model *model;
    const pl_sensitivity *asked;
    pl_sensitivities *out;
    long *unit_of;  /* [layers] index of a layer's unit, PL_NO_UNIT */
    size_t *wanted; /* [count + 1] units to measure; out->count is all of them together */
    size_t n_wanted;
    pl_id *keys;  /* [count + 1] in the store */
    pl_id common; /* hash of what all units share */
    pl_quantized quantized;
    pl_hooks all;      /* everything quantized */
    pl_hooks filtered; /* the same for the present unit */
    size_t unit;       /* out->count: all together */
} measuring;

/* --- units ------------------------------------------------------------------------------------ */

static pl_status find_units(measuring *m, pl_error *err)
{
    const size_t n = pl_model_layer_count(m->model);
    pl_sensitivities *out = m->out;
    m->unit_of = pl_alloc(n, sizeof *m->unit_of);
    m->wanted = calloc(n + 1, sizeof *m->wanted);
    m->keys = calloc(n + 1, sizeof *m->keys);
    out->units = calloc(n + 1, sizeof *out->units);
    if (m->unit_of == NULL || m->wanted == NULL || m->keys == NULL || out->units == NULL) {
        return pl_error_memory(err, "the units of a model");
    }
    return pl_find_units("sensitivity", m->cx.state, m->asked->unit, m->asked->glob, m->unit_of,
                         out->units, &out->count, &out->unsolved, err);
}

static void end_measuring(measuring *m)
{
    free(m->unit_of);
    free(m->wanted);
    free(m->keys);
}

/* An input is quantized for all layers that read it, or for none. */
static pl_status check_inputs(const measuring *m, pl_error *err)
{
    const bool closed = m->asked->unit == PL_UNIT_BLOCK || m->asked->unit == PL_UNIT_SITE;
    if (m->cx.state->activations.bits == 0 || closed) {
        return PL_OK;
    }
    return pl_error_set(err, PL_ERR_STATE,
                        "sensitivity: activations are quantized once for all layers that share an "
                        "input: expected unit=site or unit=block, or `activations none`");
}

/* --- what a unit's model is ------------------------------------------------------------------- */

static bool is_in(const measuring *m, size_t layer)
{
    const long unit = m->unit_of[layer];
    return unit != PL_NO_UNIT && (m->unit == m->out->count || (size_t)unit == m->unit);
}

static bool is_quantized_layer(const measuring *m, size_t layer)
{
    return is_in(m, layer) != m->asked->without;
}

static pl_status unit_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    const measuring *m = ctx;
    if (!is_quantized_layer(m, layer)) {
        *provided = 0;
        return PL_OK;
    }
    return m->all.weight(m->all.ctx, layer, out, provided, err);
}

static pl_status unit_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                            size_t cols, pl_error *err)
{
    const measuring *m = ctx;
    const pl_site *info = pl_model_site(m->model, site);
    bool quantized = m->asked->without;
    for (size_t i = 0; i < info->n_layers; i++) {
        if (is_in(m, info->layers[i])) {
            quantized = !m->asked->without;
        }
    }
    return quantized ? m->all.input(m->all.ctx, site, window, x, rows, cols, err) : PL_OK;
}

/* Whether the cache is quantized that a block's layer of the role fills. */
static bool fills_quantized_cache(const measuring *m, size_t block, pl_role role)
{
    size_t first = 0;
    const size_t count = pl_model_block_layers(m->model, block, &first);
    for (size_t i = first; i < first + count; i++) {
        if (pl_model_layer(m->model, i)->role == role) {
            return is_quantized_layer(m, i);
        }
    }
    return m->asked->without;
}

static pl_status unit_key(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                          pl_error *err)
{
    const measuring *m = ctx;
    return fills_quantized_cache(m, block, PL_ROLE_K)
               ? m->all.key(m->all.ctx, block, x, rows, cols, err)
               : PL_OK;
}

static pl_status unit_value(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                            pl_error *err)
{
    const measuring *m = ctx;
    return fills_quantized_cache(m, block, PL_ROLE_V)
               ? m->all.value(m->all.ctx, block, x, rows, cols, err)
               : PL_OK;
}

static bool unit_touches(void *ctx, size_t variant, size_t block)
{
    measuring *m = ctx;
    size_t first = 0;
    const size_t count = pl_model_block_layers(m->model, block, &first);
    m->unit = m->wanted[variant];
    bool touches = false;
    for (size_t i = first; i < first + count; i++) {
        touches = touches || is_in(m, i);
    }
    return touches;
}

static const pl_hooks *unit_hooks(void *ctx, size_t variant)
{
    measuring *m = ctx;
    m->unit = m->wanted[variant];
    return &m->filtered;
}

static pl_status begin_hooks(measuring *m, pl_error *err)
{
    pl_status status = pl_quantized_init(&m->quantized, m->cx, PL_WHICH_AFTER, &m->all, err);
    m->filtered = (pl_hooks){
        .ctx = m,
        .weight = unit_weight,
        .input = m->all.input != NULL ? unit_input : NULL,
        .key = m->all.key != NULL ? unit_key : NULL,
        .value = m->all.value != NULL ? unit_value : NULL,
    };
    return status;
}

/* --- the store -------------------------------------------------------------------------------- */

static void hash_results(const measuring *m, pl_hasher *hasher, bool all)
{
    for (size_t i = 0; i < pl_model_layer_count(m->model); i++) {
        const pl_id *result = pl_state_result(m->cx.state, i);
        if (result != NULL && (all || is_in(m, i))) {
            pl_hasher_u64(hasher, (uint64_t)i);
            pl_hasher_id(hasher, *result);
        }
    }
}

static pl_status hash_common(measuring *m, const int32_t *ids, size_t count, pl_error *err)
{
    pl_model *model = m->cx.state->source->model;
    pl_hasher *hasher = NULL;
    pl_status status = pl_measured_begin(m->asked->without ? "planish sensitivity 1 without"
                                                           : "planish sensitivity 1 only",
                                         model, &hasher, m->cx.task, err);
    if (status != PL_OK) {
        return status;
    }
    pl_measured_text(hasher, model, ids, count, &m->asked->text);
    if (pl_state_quantizes(m->cx.state)) {
        pl_quantized_hash(m->cx.state, hasher);
    }
    if (m->asked->without) {
        hash_results(m, hasher, true);
    }
    m->common = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

static pl_status unit_id(measuring *m, size_t unit, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        m->unit = unit;
        pl_hasher_id(hasher, m->common);
        hash_results(m, hasher, false);
        *out = pl_hasher_finish(hasher);
        pl_hasher_destroy(hasher);
    }
    return status;
}

/* The original's perplexity stands with every unit's, since a run may find them all. */
typedef struct stored_loss {
    pl_loss loss;
    double original, original_error, tokens, windows;
} stored_loss;

static const char ALONE[32] = "planish sensitivity alone 1";
static const char ESTIMATED[32] = "planish sensitivity estimate 1";

static pl_id alone_key(const char what[32], pl_id result)
{
    struct {
        char what[32];
        pl_id result;
    } all = {.result = result};
    memcpy(all.what, what, sizeof all.what);
    return pl_id_bytes(&all, sizeof all);
}

static bool read_loss(pl_lab *lab, pl_id key, stored_loss *out)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(lab), KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, SECTION, out, sizeof *out, NULL));
    pl_entry_close(entry);
    return status == PL_OK && isfinite(out->loss.kl) && isfinite(out->loss.perplexity);
}

static pl_status write_loss(const measuring *m, pl_id key, const char *unit, const void *data,
                            size_t bytes, pl_error *err)
{
    const pl_section section = {SECTION, data, bytes};
    json_t *about = json_pack("{s:s, s:s, s:s, s:s?}", "holds", "what a unit costs the model",
                              "unit", unit, "version", PL_VERSION, "command", m->asked->said);
    pl_status status = about != NULL ? pl_store_replace(pl_lab_store(m->cx.lab), KIND, key, about,
                                                        &section, 1, err)
                                     : pl_error_memory(err, "a measurement");
    json_decref(about);
    return status;
}

/* What a layer's own result costs by itself, for the table of layers; of this model alone. */
typedef struct alone_loss {
    pl_id model;
    double kl;
} alone_loss;

static pl_status write_alone(measuring *m, const char what[32], size_t unit, double kl,
                             pl_error *err)
{
    const pl_unit_loss *u = &m->out->units[unit];
    alone_loss alone = {.kl = kl};
    if (m->asked->unit != PL_UNIT_LAYER || m->asked->without || pl_state_quantizes(m->cx.state) ||
        !pl_model_known_identity(m->model, &alone.model)) {
        return PL_OK;
    }
    return write_loss(m, alone_key(what, *pl_state_result(m->cx.state, u->layer)), u->name, &alone,
                      sizeof alone, err);
}

static double read_alone(pl_lab *lab, const pl_state *state, const char what[32], pl_id result,
                         pl_buf *said)
{
    alone_loss found = {.kl = NAN};
    pl_id model = {0};
    pl_entry *entry = NULL;
    if (!pl_model_known_identity(state->source->model, &model)) {
        return (double)NAN;
    }
    pl_status status = pl_store_get(pl_lab_store(lab), KIND, alone_key(what, result), &entry, NULL);
    PL_THEN(pl_entry_read(entry, SECTION, &found, sizeof found, NULL));
    const bool known = status == PL_OK && pl_id_equal(found.model, model);
    if (known && said != NULL) {
        const json_t *command = json_object_get(pl_entry_about(entry), "command");
        pl_buf_puts(said, json_is_string(command) ? json_string_value(command) : "");
    }
    pl_entry_close(entry);
    return known ? found.kl : (double)NAN;
}

double pl_sensitivity_of_result(pl_lab *lab, const pl_state *state, pl_id result, pl_buf *said)
{
    return read_alone(lab, state, ALONE, result, said);
}

double pl_estimate_of_result(pl_lab *lab, const pl_state *state, pl_id result, pl_buf *said)
{
    return read_alone(lab, state, ESTIMATED, result, said);
}

void pl_sensitivity_commands(pl_lab *lab, const pl_state *state, pl_buf *out)
{
    static const char *const whats[] = {ALONE, ESTIMATED};
    const size_t start = out->size;
    for (size_t i = 0; i < 2 * pl_model_layer_count(state->source->model); i++) {
        const pl_id *result = pl_state_result(state, i / 2);
        pl_buf said = {0};
        if (result != NULL && isfinite(read_alone(lab, state, whats[i % 2], *result, &said)) &&
            said.size > 0) {
            pl_buf_puts(&said, "\n");
            if (out->size == start || strstr(out->data + start, said.data) == NULL) {
                pl_buf_puts(out, said.data);
            }
        }
        pl_buf_deinit(&said);
    }
}

/* --- measuring -------------------------------------------------------------------------------- */

static void take_loss(measuring *m, size_t unit, const stored_loss *s)
{
    pl_sensitivities *out = m->out;
    if (unit == out->count) {
        out->together = s->loss;
    } else {
        out->units[unit].loss = s->loss;
    }
    out->original = s->original;
    out->original_error = s->original_error;
    out->tokens = (size_t)s->tokens;
    out->windows = (size_t)s->windows;
}

static stored_loss loss_of(const pl_ppl_result *r)
{
    return (stored_loss){.loss = {.kl = r->kl_mean,
                                  .kl_max = r->kl_max,
                                  .perplexity = r->perplexity,
                                  .perplexity_error = r->perplexity_error,
                                  .agreement = r->top1_agreement},
                         .original = r->original,
                         .original_error = r->original_error,
                         .tokens = (double)r->tokens,
                         .windows = (double)r->windows};
}

static pl_status keep_loss(measuring *m, size_t unit, const pl_ppl_result *result, pl_error *err)
{
    const stored_loss s = loss_of(result);
    const bool all = unit == m->out->count;
    take_loss(m, unit, &s);
    /* An infinite perplexity is a finding, but not one to be trusted from a file. */
    pl_status status = isfinite(s.loss.perplexity)
                           ? write_loss(m, m->keys[unit], all ? "all" : m->out->units[unit].name,
                                        &s, sizeof s, err)
                           : PL_OK;
    return status == PL_OK && !all ? write_alone(m, ALONE, unit, s.loss.kl, err) : status;
}

static pl_status unit_done(void *ctx, size_t variant, const pl_ppl_result *result, pl_error *err)
{
    measuring *m = ctx;
    return keep_loss(m, m->wanted[variant], result, err);
}

/* What a unit had in some windows of a walk that has more groups of them. */
static pl_id part_key(const measuring *m, size_t variant, size_t first, size_t count)
{
    struct {
        char what[32];
        pl_id unit;
        uint64_t first, count;
    } all = {.what = "planish sensitivity part 1",
             .unit = m->keys[m->wanted[variant]],
             .first = first,
             .count = count};
    return pl_id_bytes(&all, sizeof all);
}

static pl_status keep_part(void *ctx, size_t variant, size_t first, size_t count, const void *bytes,
                           size_t size, pl_error *err)
{
    const measuring *m = ctx;
    const size_t unit = m->wanted[variant];
    return write_loss(m, part_key(m, variant, first, count),
                      unit == m->out->count ? "all" : m->out->units[unit].name, bytes, size, err);
}

static bool recall_part(void *ctx, size_t variant, size_t first, size_t count, void *bytes,
                        size_t size)
{
    const measuring *m = ctx;
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(m->cx.lab), KIND,
                                    part_key(m, variant, first, count), &entry, NULL);
    PL_THEN(pl_entry_read(entry, SECTION, bytes, size, NULL));
    pl_entry_close(entry);
    return status == PL_OK;
}

/* The probed ones stand in the middles of equal parts of the model. */
static bool is_asked(const measuring *m, size_t unit)
{
    const size_t n = m->out->count, probes = m->asked->probes;
    for (size_t k = 0; k < probes; k++) {
        if (unit == (2 * k + 1) * n / (2 * probes)) {
            return true;
        }
    }
    return probes == 0;
}

/* What the store has need not be measured. */
static pl_status find_known(measuring *m, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t u = 0; status == PL_OK && u <= m->out->count; u++) {
        stored_loss s;
        if (!is_asked(m, u)) {
            continue;
        }
        status = unit_id(m, u, &m->keys[u], err);
        if (status == PL_OK && read_loss(m->cx.lab, m->keys[u], &s)) {
            take_loss(m, u, &s);
            if (u < m->out->count) {
                m->out->units[u].found = true;
                status = write_alone(m, ALONE, u, s.loss.kl, err);
            }
        } else {
            m->wanted[m->n_wanted++] = u;
        }
    }
    return status;
}

static pl_status measure_units(measuring *m, const int32_t *ids, size_t count, pl_error *err)
{
    pl_sensitivities *out = m->out;
    pl_ppl_spec spec = m->asked->text;
    pl_ppl_result of_base;
    spec.memory_limit = pl_lab_memory_limit(m->cx.lab);
    /* Everything quantized is what the units of `without` differ from: the walk's own result. */
    const bool base_known = m->n_wanted == 0 || m->wanted[m->n_wanted - 1] != out->count;
    if (m->asked->without && !base_known) {
        m->n_wanted--;
    }
    const pl_variants variants = {.count = m->n_wanted,
                                  .ctx = m,
                                  .touches = unit_touches,
                                  .hooks = unit_hooks,
                                  .done = unit_done,
                                  .keep = keep_part,
                                  .recall = recall_part};
    pl_status status = begin_hooks(m, err);
    PL_THEN(pl_variants_run(m->cx.state->source->model, ids, count, &spec,
                            m->asked->without ? &m->all : NULL, &variants, &of_base, m->cx.task,
                            err));
    pl_quantized_deinit(&m->quantized);
    return status == PL_OK && m->asked->without && !base_known
               ? keep_loss(m, out->count, &of_base, err)
               : status;
}

pl_status pl_sensitivity_run(pl_context cx, const pl_sensitivity *asked, const int32_t *ids,
                             size_t count, pl_sensitivities *out, pl_error *err)
{
    *out = (pl_sensitivities){0};
    measuring m = {.cx = cx, .model = cx.state->source->model, .asked = asked, .out = out};
    pl_status status = find_units(&m, err);
    PL_THEN(check_inputs(&m, err));
    PL_THEN(hash_common(&m, ids, count, err));
    PL_THEN(find_known(&m, err));
    if (status == PL_OK && m.n_wanted > 0) {
        status = measure_units(&m, ids, count, err);
    }
    end_measuring(&m);
    if (status != PL_OK) {
        pl_sensitivities_deinit(out);
    }
    return status;
}

/* --- the estimate ----------------------------------------------------------------------------- */

/* How far each unit that is asked for moves the residual stream, to moved[units]. */
static pl_status measure_moves(measuring *m, const int32_t *ids, size_t count, double *moved,
                               pl_error *err)
{
    pl_ppl_spec spec = m->asked->text;
    spec.memory_limit = pl_lab_memory_limit(m->cx.lab);
    for (size_t u = 0; u < m->out->count; u++) {
        if (is_asked(m, u)) {
            m->wanted[m->n_wanted++] = u;
        }
    }
    const pl_variants variants = {
        .count = m->n_wanted, .ctx = m, .touches = unit_touches, .hooks = unit_hooks};
    pl_status status = begin_hooks(m, err);
    PL_THEN(pl_local_errors(m->cx.state->source->model, ids, count, &spec, &variants, moved,
                            m->cx.task, err));
    pl_quantized_deinit(&m->quantized);
    return status;
}

/* KL over how far the residual stream moves: its geometric mean over the probed blocks. */
static pl_status find_factor(measuring *m, const int32_t *ids, size_t count, double *moved,
                             double *factor, pl_error *err)
{
    pl_sensitivities measured = {0};
    double sum = 0.0;
    size_t n = 0;
    pl_status status = pl_sensitivity_run(m->cx, m->asked, ids, count, &measured, err);
    PL_THEN(find_units(m, err));
    PL_THEN(measure_moves(m, ids, count, moved, err));
    for (size_t i = 0; status == PL_OK && i < m->n_wanted; i++) {
        const double ratio = measured.units[m->wanted[i]].loss.kl / moved[i];
        if (ratio > 0.0 && isfinite(ratio)) {
            sum += log(ratio);
            n++;
        }
    }
    if (status == PL_OK && n == 0) {
        status = pl_error_set(err, PL_ERR_NUMERIC,
                              "sensitivity: mode=estimate: none of the %zu blocks that are "
                              "measured changes the model's output: expected a larger probes=",
                              m->n_wanted);
    }
    *factor = exp(sum / (double)n);
    m->out->original = measured.original;
    m->out->original_error = measured.original_error;
    m->out->tokens = measured.tokens;
    m->out->windows = measured.windows;
    pl_sensitivities_deinit(&measured);
    return status;
}

static const pl_loss unknown_loss = {NAN, NAN, NAN, NAN, NAN};

pl_status pl_sensitivity_estimate(pl_context cx, const pl_sensitivity *asked, const int32_t *ids,
                                  size_t count, pl_sensitivities *out, pl_error *err)
{
    *out = (pl_sensitivities){0};
    pl_sensitivity unit = *asked, blocks = *asked;
    pl_sensitivities of_blocks = {0};
    unit.without = blocks.without = false;
    unit.probes = 0;
    blocks.unit = PL_UNIT_BLOCK;
    blocks.probes = asked->probes > 0 ? asked->probes : 1;
    const measuring made = {.cx = cx, .model = cx.state->source->model};
    measuring m = made, b = made;
    m.asked = &unit;
    m.out = out;
    b.asked = &blocks;
    b.out = &of_blocks;
    double factor = NAN;
    double *moved = calloc(pl_model_layer_count(m.model) + 1, sizeof *moved);
    pl_status status = moved != NULL ? find_units(&m, err) : pl_error_memory(err, "an estimate");
    PL_THEN(check_inputs(&m, err));
    PL_THEN(find_factor(&b, ids, count, moved, &factor, err));
    PL_THEN(measure_moves(&m, ids, count, moved, err));
    out->original = of_blocks.original;
    out->original_error = of_blocks.original_error;
    out->tokens = of_blocks.tokens;
    out->windows = of_blocks.windows;
    out->together = unknown_loss;
    for (size_t u = 0; status == PL_OK && u < out->count; u++) {
        out->units[u].estimate = factor * moved[u];
        out->units[u].loss = unknown_loss;
        status = write_alone(&m, ESTIMATED, u, out->units[u].estimate, err);
    }
    free(moved);
    end_measuring(&m);
    end_measuring(&b);
    pl_sensitivities_deinit(&of_blocks);
    if (status != PL_OK) {
        pl_sensitivities_deinit(out);
    }
    return status;
}

void pl_sensitivities_deinit(pl_sensitivities *s)
{
    free(s->units);
    *s = (pl_sensitivities){0};
}
