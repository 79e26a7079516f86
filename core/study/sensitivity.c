#include "core/study/sensitivity.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/lab/pool.h"
#include "core/lab/quantized.h"
#include "core/metrics/local_error.h"
#include "core/metrics/variants.h"
#include "core/study/measured.h"
#include "core/study/sensitivity_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char KIND[] = PL_LOSS_KIND;
static const char SECTION[] = PL_LOSS_SECTION;

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
static pl_status check_units(const measuring *m, pl_error *err)
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

/* Whether the cache that a block's layer of this role (in latent attention kv_a_proj_with_mqa)
 * fills is quantized. */
static bool fills_quantized_cache(const measuring *m, size_t block, pl_role role)
{
    size_t first = 0;
    const size_t count = pl_model_block_layers(m->model, block, &first);
    for (size_t i = first; i < first + count; i++) {
        const pl_role own = pl_model_layer(m->model, i)->role;
        if (own == role || own == PL_ROLE_KV_A) {
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

static pl_status hash_measuring(measuring *m, const int32_t *ids, size_t count, pl_error *err)
{
    pl_model *model = m->cx.state->source->model;
    pl_hasher *hasher = NULL;
    pl_status status = pl_measured_begin(m->asked->without ? "planish sensitivity 2 without"
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

/* Of the layers that a unit's model is about.  Without none of them everything is quantized, which
 * is another model than that without all of a unit's. */
static pl_status unit_id(measuring *m, size_t unit, pl_id *out, pl_error *err)
{
    const bool everything = m->asked->without && unit == m->out->count;
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        m->unit = unit;
        pl_hasher_id(hasher, m->common);
        if (everything) {
            pl_hasher_text(hasher, "everything");
        } else {
            hash_results(m, hasher, false);
        }
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

static bool read_loss(pl_lab *lab, pl_id key, stored_loss *out)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(lab), KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, SECTION, out, sizeof *out, NULL));
    pl_entry_close(entry);
    return status == PL_OK && isfinite(out->loss.kl) && isfinite(out->loss.perplexity);
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

static stored_loss loss_of_measured(const pl_ppl_result *r)
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
    const stored_loss s = loss_of_measured(result);
    const bool all = unit == m->out->count;
    take_loss(m, unit, &s);
    /* An infinite perplexity is a finding, but not one to be trusted from a file. */
    pl_status status =
        isfinite(s.loss.perplexity)
            ? pl_loss_put(m->cx.lab, m->asked, m->keys[unit],
                          all ? "all" : m->out->units[unit].name, NULL, &s, sizeof s, err)
            : PL_OK;
    return status == PL_OK && !all ? pl_alone_put(m->cx.lab, m->cx.state, m->asked, false,
                                                  &m->out->units[unit], s.loss.kl, m->common, err)
                                   : status;
}

static pl_status unit_done(void *ctx, size_t variant, const pl_ppl_result *result, pl_error *err)
{
    measuring *m = ctx;
    return keep_loss(m, m->wanted[variant], result, err);
}

/* What a unit had in some windows of a walk that has more groups of them. */
static pl_id unit_part_key(const measuring *m, size_t variant, size_t first, size_t count)
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
    return pl_loss_put(m->cx.lab, m->asked, unit_part_key(m, variant, first, count),
                       unit == m->out->count ? "all" : m->out->units[unit].name, NULL, bytes, size,
                       err);
}

static bool recall_part(void *ctx, size_t variant, size_t first, size_t count, void *bytes,
                        size_t size)
{
    const measuring *m = ctx;
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(m->cx.lab), KIND,
                                    unit_part_key(m, variant, first, count), &entry, NULL);
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
                status = pl_alone_put(m->cx.lab, m->cx.state, m->asked, false, &m->out->units[u],
                                      s.loss.kl, m->common, err);
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

/* --- by a pool ------------------------------------------------------------------------------- */

/* The units of `what` by their indices: what pl_sensitivity_run would measure of them. */
static pl_status run_some(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    const pl_sensitivity asked = {
        .unit = (pl_unit)pl_pool_read_size(what, "unit"),
        .without = json_is_true(json_object_get(what, "without")),
        .glob = json_string_value(json_object_get(what, "glob")),
        .said = json_string_value(json_object_get(what, "said")),
        .text = {.protocol = (pl_ppl_protocol)pl_pool_read_size(what, "protocol"),
                 .length = pl_pool_read_size(what, "length"),
                 .windows = pl_pool_read_size(what, "windows")}};
    pl_sensitivities out = {0};
    measuring m = {.cx = cx, .model = cx.state->source->model, .asked = &asked, .out = &out};
    int32_t *ids = NULL;
    size_t count = 0, i;
    json_t *index;
    (void)answer;
    pl_status status =
        pl_pool_get_tokens(cx.lab, pl_pool_read_id(what, "tokens"), &ids, &count, err);
    PL_THEN(find_units(&m, err));
    PL_THEN(hash_measuring(&m, ids, count, err));
    json_array_foreach(json_object_get(what, "units"), i, index)
    {
        const size_t u = (size_t)json_integer_value(index);
        if (status == PL_OK && (u > out.count || m.n_wanted > out.count)) {
            status = pl_error_set(err, PL_ERR_USAGE, "sensitivity: unit %zu of %zu", u, out.count);
        }
        PL_THEN(unit_id(&m, u, &m.keys[u], err));
        if (status == PL_OK) {
            m.wanted[m.n_wanted++] = u;
        }
    }
    PL_THEN(measure_units(&m, ids, count, err));
    end_measuring(&m);
    pl_sensitivities_deinit(&out);
    free(ids);
    return status;
}

const pl_unit_kind pl_unit_sensitivity = {
    .name = "sensitivity", .counting = "units", .run = run_some};

/* The blocks that a unit walks through: those behind its first. */
static double walk_of(const measuring *m, size_t unit)
{
    const double blocks = (double)pl_model_config(m->model)->blocks;
    const size_t block = unit < m->out->count ? m->out->units[unit].block : SIZE_MAX;
    return block != SIZE_MAX ? blocks - (double)block : blocks;
}

/* Neighbouring units share the blocks before them, so each worker gets several in a row; the
 * reference of `without` is a measurement of its own. */
static pl_status measure_in_parts(measuring *m, const int32_t *ids, size_t count, pl_error *err)
{
    enum { EACH = 2 };
    const pl_sensitivity *a = m->asked;
    const size_t n = m->n_wanted - (a->without && m->wanted[m->n_wanted - 1] == m->out->count);
    const size_t parts =
        EACH * pl_pool_workers(m->cx.lab) < n ? EACH * pl_pool_workers(m->cx.lab) : n;
    pl_units units = {.kind = &pl_unit_sensitivity, .list = json_array(), .total = (double)n};
    pl_id tokens = {0};
    pl_status status = pl_pool_put_tokens(m->cx.lab, ids, count, &tokens, err);
    for (size_t p = 0; p < parts; p++) {
        json_t *some = json_array();
        double cost = 0.0;
        for (size_t i = p * n / parts; i < (p + 1) * n / parts; i++) {
            pl_json_append(some, json_integer((json_int_t)m->wanted[i]));
            cost += walk_of(m, m->wanted[i]);
        }
        pl_json_append(units.list,
                       json_pack("{s:i, s:b, s:s?, s:s?, s:i, s:I, s:I, s:o, s:o, s:f}", "unit",
                                 (int)a->unit, "without", a->without, "glob", a->glob, "said",
                                 a->said, "protocol", (int)a->text.protocol, "length",
                                 (json_int_t)a->text.length, "windows", (json_int_t)a->text.windows,
                                 "tokens", pl_pool_id(tokens), "units", some, "cost", cost));
    }
    if (status != PL_OK) {
        json_decref(units.list);
        return status;
    }
    status = pl_pool_run(m->cx, &units, err);
    pl_pool_drop_bytes(m->cx.lab, tokens);
    json_decref(units.answers);
    return status;
}

/* What a pool has made is found in the store, but was not there. */
static pl_status share_units(measuring *m, const int32_t *ids, size_t count, pl_error *err)
{
    const size_t n = m->n_wanted;
    if (pl_pool_workers(m->cx.lab) < 2 || n < 2) {
        return PL_OK;
    }
    size_t *wanted = pl_alloc(n, sizeof *wanted);
    if (wanted == NULL) {
        return pl_error_memory(err, "the units of a model");
    }
    memcpy(wanted, m->wanted, n * sizeof *wanted);
    pl_status status = measure_in_parts(m, ids, count, err);
    m->n_wanted = 0;
    PL_THEN(find_known(m, err));
    for (size_t i = 0; i < n; i++) {
        if (wanted[i] < m->out->count) {
            m->out->units[wanted[i]].found = false;
        }
    }
    free(wanted);
    return status;
}

pl_status pl_sensitivity_run(pl_context cx, const pl_sensitivity *asked, const int32_t *ids,
                             size_t count, pl_sensitivities *out, pl_error *err)
{
    *out = (pl_sensitivities){0};
    measuring m = {.cx = cx, .model = cx.state->source->model, .asked = asked, .out = out};
    pl_status status = find_units(&m, err);
    PL_THEN(check_units(&m, err));
    PL_THEN(hash_measuring(&m, ids, count, err));
    PL_THEN(find_known(&m, err));
    PL_THEN(share_units(&m, ids, count, err));
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
    PL_THEN(check_units(&m, err));
    PL_THEN(hash_measuring(&m, ids, count, err));
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
        status = pl_alone_put(cx.lab, cx.state, m.asked, true, &out->units[u],
                              out->units[u].estimate, m.common, err);
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
