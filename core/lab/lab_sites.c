/* The calibration of a state, and its sites: read from the store, kept in memory. */
#include "core/lab/lab_parts.h"

#include "core/base/memory.h"
#include "core/model/bare.h"

#include <math.h>
#include <stdlib.h>

/* What a batch solve keeps of other sites, its own one's needs counted in. */
enum { BATCH_BYTES = 512 << 20 };

static bool same_protocol(const pl_protocol *a, const pl_protocol *b)
{
    return a->length == b->length && a->windows == b->windows && a->sample == b->sample &&
           pl_protocol_rows(a) == pl_protocol_rows(b) &&
           (a->sample == PL_SAMPLE_FIRST || a->seed == b->seed);
}

bool pl_lab_is_calibrated(pl_lab *lab, const pl_state *state, pl_id *key)
{
    if (state->calibration.known) {
        *key = state->calibration.key;
        return true;
    }
    if (pl_source_has_inputs(state->source) && lab->own_source == state->source &&
        same_protocol(&lab->own_protocol, &state->calibration.protocol)) {
        *key = lab->own_key;
        return true;
    }
    return false;
}

bool pl_lab_can_calibrate(const pl_state *state)
{
    return state->calibration.known || pl_source_has_inputs(state->source);
}

pl_status pl_lab_find_calibration(pl_context cx, bool needed, pl_id *key, pl_error *err)
{
    *key = (pl_id){0};
    return needed || pl_lab_can_calibrate(cx.state) ? pl_lab_calibration(cx, key, err) : PL_OK;
}

pl_status pl_lab_calibration(pl_context cx, pl_id *key, pl_error *err)
{
    if (pl_lab_is_calibrated(cx.lab, cx.state, key)) {
        if (!pl_id_equal(cx.lab->known_used, *key)) { /* all of it is wanted from now on */
            (void)pl_calib_complete(cx.lab->store, *key, cx.state->source->model);
            cx.lab->known_used = *key;
        }
        return PL_OK;
    }
    if (!pl_source_has_inputs(cx.state->source) && pl_model_is_bare(cx.state->source->model)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s was opened without inputs, which this needs: open it with "
                            "inputs=X.safetensors",
                            pl_model_name(cx.state->source->model));
    }
    if (!pl_source_has_inputs(cx.state->source)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "this needs calibration: run `calibrate text=FILE` first");
    }
    pl_status status = pl_lab_calibrate(cx, key, NULL, err);
    if (status == PL_OK) {
        pl_source *old = cx.lab->own_source;
        cx.lab->own_source = pl_source_retain(cx.state->source);
        pl_source_release(old);
        cx.lab->own_protocol = cx.state->calibration.protocol;
        cx.lab->own_key = *key;
    }
    return status;
}

static size_t bench_bytes(const pl_lab_bench *entry)
{
    const size_t n = entry->stats.n;
    const size_t gram = entry->stats.gram != NULL ? n * n : pl_packed_size(n);
    return gram * sizeof(float) + pl_factors_bytes(entry->factors);
}

/* Sites not in use go, oldest first, while all together hold more than half of the limit. */
static void trim(pl_lab *lab)
{
    size_t total = 0;
    for (pl_lab_bench **at = &lab->benches; *at != NULL;) {
        pl_lab_bench *entry = *at;
        total += bench_bytes(entry);
        if (total > lab->memory_limit / 2 && entry->holders == 0 && entry != lab->benches) {
            total -= bench_bytes(entry);
            *at = entry->next;
            pl_lab_free_bench(entry);
        } else {
            at = &entry->next;
        }
    }
}

static pl_lab_bench *find_bench(pl_lab *lab, pl_id calibration, size_t site, pl_id transform)
{
    for (pl_lab_bench **at = &lab->benches; *at != NULL; at = &(*at)->next) {
        pl_lab_bench *entry = *at;
        if (entry->site == site && pl_id_equal(entry->calibration, calibration) &&
            pl_id_equal(entry->transform, transform)) {
            *at = entry->next;
            entry->next = lab->benches;
            lab->benches = entry;
            return entry;
        }
    }
    return NULL;
}

void pl_lab_make_room(pl_lab *lab, const pl_state *state, pl_id calibration, size_t site)
{
    /* Of the wanted site: its Gram matrix, a factor and its inverse, and what certifies. */
    const double n = (double)pl_model_site(state->source->model, site)->cols;
    double total = 16.0 * n * n;
    (void)find_bench(lab, calibration, site, (pl_id){0});
    for (pl_lab_bench **at = &lab->benches; *at != NULL;) {
        pl_lab_bench *entry = *at;
        const bool wanted = entry->site == site && pl_id_equal(entry->calibration, calibration);
        const double bytes = wanted ? 0.0 : (double)bench_bytes(entry);
        if (!wanted && total + bytes > (double)BATCH_BYTES && entry->holders == 0) {
            *at = entry->next;
            pl_lab_free_bench(entry);
        } else {
            total += bytes;
            at = &entry->next;
        }
    }
}

pl_status pl_lab_forget_site(pl_lab *lab, pl_id calibration, size_t site, pl_error *err)
{
    for (pl_lab_bench **at = &lab->benches; *at != NULL;) {
        pl_lab_bench *entry = *at;
        if (entry->site == site && pl_id_equal(entry->calibration, calibration) &&
            entry->holders == 0) {
            *at = entry->next;
            pl_lab_free_bench(entry);
        } else {
            at = &entry->next;
        }
    }
    return pl_calib_drop_site(lab->store, calibration, site, err);
}

double pl_lab_site_tokens(pl_lab *lab, const pl_state *state, size_t site)
{
    pl_id calibration = {0};
    pl_site_stats stats = {0};
    double tokens = NAN;
    if (pl_lab_is_calibrated(lab, state, &calibration) &&
        pl_calib_load_site(lab->store, calibration, state->source->model, site, PL_GRAM_NONE, false,
                           &stats, NULL) == PL_OK) {
        tokens = stats.tokens;
    }
    pl_site_stats_deinit(&stats);
    return tokens;
}

/* A site of given inputs is read when it is first asked for, or where its entry is damaged. */
static pl_status read_given_inputs(pl_context cx, pl_id calibration, size_t site, pl_status found,
                                   const pl_error *why, pl_error *err)
{
    const pl_inputs_spec spec = {.model = cx.state->source->model,
                                 .sample_rows = PL_CALIB_SAMPLE_ROWS,
                                 .memory_limit = cx.lab->memory_limit};
    if (found == PL_ERR_FORMAT) {
        pl_lab_warn(cx.lab, why->message);
    }
    pl_status status = pl_calib_drop_site(cx.lab->store, calibration, site, err);
    return status == PL_OK
               ? pl_calib_inputs_site(&spec, calibration, site, cx.lab->store, cx.task, err)
               : status;
}

static pl_status load_inputs(pl_context cx, pl_id calibration, size_t site, pl_gram_form form,
                             bool with_sample, pl_site_stats *out, pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    pl_error why = {0};
    *out = (pl_site_stats){0};
    pl_status status = pl_model_need_inputs(model, pl_model_site(model, site)->layers[0], err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_calib_load_site(cx.lab->store, calibration, cx.state->source->model, site, form,
                                with_sample, out, &why);
    if (status == PL_ERR_FORMAT || status == PL_ERR_NOT_FOUND) {
        status = read_given_inputs(cx, calibration, site, status, &why, &why);
        PL_THEN(pl_calib_load_site(cx.lab->store, calibration, cx.state->source->model, site, form,
                                   with_sample, out, &why));
    }
    if (status != PL_OK && err != NULL) {
        *err = why;
    }
    return status;
}

/* What made a calibration that neither the store nor its text gives back. */
static void say_how_to_calibrate(const pl_state *state, pl_error *why)
{
    const pl_protocol *protocol = &state->calibration.protocol;
    const pl_error was = *why;
    pl_status said = pl_error_set(
        why, was.code,
        "%.300s: the session's calibration is not in the store and its text cannot be read; "
        "`calibrate text=FILE length=%zu windows=%zu` makes it again",
        was.message, protocol->length, protocol->windows);
    (void)said;
}

pl_status pl_lab_load_site(pl_context cx, pl_id calibration, size_t site, pl_gram_form form,
                           bool with_sample, pl_site_stats *out, pl_error *err)
{
    if (pl_model_is_bare(cx.state->source->model)) {
        return load_inputs(cx, calibration, site, form, with_sample, out, err);
    }
    pl_error why = {0};
    pl_status status = pl_calib_load_site(cx.lab->store, calibration, cx.state->source->model, site,
                                          form, with_sample, out, &why);
    pl_id own = {0};
    bool lost = status == PL_ERR_FORMAT || status == PL_ERR_NOT_FOUND;
    if (lost && pl_lab_is_calibrated(cx.lab, cx.state, &own) && pl_id_equal(own, calibration)) {
        pl_lab_warn(cx.lab, why.message);
        status = pl_lab_calibrate(cx, &own, NULL, &why);
        if (status == PL_ERR_IO || status == PL_ERR_NOT_FOUND) {
            say_how_to_calibrate(cx.state, &why);
        }
        if (status == PL_OK && !pl_id_equal(own, calibration)) {
            status = pl_error_set(&why, PL_ERR_CHANGED,
                                  "the calibration text changed since `calibrate`: run it again");
        }
        PL_THEN(pl_calib_load_site(cx.lab->store, calibration, cx.state->source->model, site, form,
                                   with_sample, out, &why));
    }
    if (status != PL_OK && err != NULL) {
        *err = why;
    }
    return status;
}

/* An expert that no token was routed to has no inputs: its layers are solved as if all input
 * channels were independent and alike, and the user is told (of the first few by name). */
static void stand_in(pl_lab *lab, const pl_site *site, pl_site_stats *stats)
{
    enum { NAMED = 3 };
    if (stats->tokens > 0.0) {
        return;
    }
    for (size_t i = 0; i < stats->n; i++) {
        float *at = stats->gram != NULL ? stats->gram + i * stats->n + i
                                        : stats->triangle + pl_packed_row(stats->n, i);
        *at = 1.0f;
    }
    stats->tokens = 1.0;
    if (lab->without_tokens++ < NAMED) {
        pl_buf text = {0};
        pl_buf_printf(&text,
                      "%s: no token of the calibration was routed to this expert, so the "
                      "identity stands in for its Gram matrix",
                      site->name);
        pl_lab_warn(lab, text.data != NULL ? text.data : site->name);
        pl_buf_deinit(&text);
    } else if (lab->without_tokens == NAMED + 1) {
        pl_lab_warn(lab, "more experts got no token");
    }
}

pl_status pl_lab_site(pl_context cx, pl_id calibration, size_t site, pl_bench *out, pl_error *err)
{
    return pl_lab_site_under(cx, calibration, site, NULL, (pl_id){0}, out, err);
}

pl_status pl_lab_site_under(pl_context cx, pl_id calibration, size_t site,
                            const pl_transform *transform, pl_id key, pl_bench *out, pl_error *err)
{
    *out = (pl_bench){0};
    pl_lab_bench *entry = find_bench(cx.lab, calibration, site, key);
    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL) {
            return pl_error_memory(err, "the calibration");
        }
        entry->calibration = calibration;
        entry->site = site;
        entry->transform = key;
        /* A wide site has room for its packed half only. */
        const bool wide = pl_model_site(cx.state->source->model, site)->cols > PL_LOWER_WHOLE;
        const pl_gram_form form = wide && transform == NULL ? PL_GRAM_PACKED : PL_GRAM_SQUARE;
        pl_status status = pl_lab_load_site(cx, calibration, site, form, false, &entry->stats, err);
        if (status == PL_OK) {
            stand_in(cx.lab, pl_model_site(cx.state->source->model, site), &entry->stats);
        }
        if (status == PL_OK && transform != NULL) {
            float *gram = entry->stats.gram;
            status = pl_transform_gram(transform, gram, gram, cx.task, err);
        }
        if (status == PL_OK) {
            const pl_sym gram = pl_site_stats_gram(&entry->stats);
            status = pl_factors_create(&gram, entry->stats.tokens,
                                       pl_model_site(cx.state->source->model, site)->name,
                                       &entry->factors, err);
        }
        if (status != PL_OK) {
            pl_lab_free_bench(entry);
            return status;
        }
        entry->next = cx.lab->benches;
        cx.lab->benches = entry;
    }
    entry->holders++;
    trim(cx.lab);
    *out = (pl_bench){.factors = entry->factors, .stats = &entry->stats, .hold = entry};
    return PL_OK;
}

void pl_lab_release(pl_lab *lab, pl_bench *out)
{
    pl_lab_bench *entry = out->hold;
    if (entry != NULL) {
        entry->holders--;
        trim(lab);
    }
    *out = (pl_bench){0};
}
