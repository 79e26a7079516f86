#include "core/study/latency_parts.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/measured.h"
#include "core/tensor/int8.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>

static const char LATENCY[] = "latency";

static const char *const scopes[PL_LATENCY_SCOPES] = {"layer", "block"};
static const char *const phases[PL_LATENCY_PHASES] = {"prefill", "decode"};
static const char *const shapes[PL_LATENCY_SHAPES] = {"none", "diagonal", "hadamard", "kronecker",
                                                      "orthogonal"};

/* --- numbers ---------------------------------------------------------------------------------- */

/* Median and quartiles of one way over the repeats. */
typedef struct latency_summary {
    double transform, quantize, online, product, seconds, q1, q3;
} latency_summary;

static int compare_seconds(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value below which a share of the sorted values lies, between neighbours on a line. */
static double quantile(const double *sorted, size_t count, double share)
{
    const double at = share * (double)(count - 1);
    const size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

/* The parts whose bits are set, added up in each repeat. */
static void sort_sums(const pl_latency_times *times, size_t phase, size_t way, size_t scope,
                      unsigned parts, double *out)
{
    for (size_t r = 0; r < times->repeats; r++) {
        const double *seconds = pl_latency_at(times, r, phase, way, scope);
        out[r] = 0.0;
        for (size_t k = 0; k < PL_LATENCY_TIMES; k++) {
            out[r] += (parts >> k & 1) != 0 ? seconds[k] : 0.0;
        }
    }
    qsort(out, times->repeats, sizeof *out, compare_seconds);
}

static latency_summary summarize(const pl_latency_times *times, size_t phase, size_t way,
                                 size_t scope, double *room)
{
    latency_summary s;
    double *const medians[] = {&s.transform, &s.quantize, &s.product, &s.online, &s.seconds};
    static const unsigned parts[] = {1u << PL_LATENCY_TRANSFORM, 1u << PL_LATENCY_QUANTIZE,
                                     1u << PL_LATENCY_PRODUCT,
                                     1u << PL_LATENCY_TRANSFORM | 1u << PL_LATENCY_QUANTIZE, 7};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sort_sums(times, phase, way, scope, parts[i], room);
        *medians[i] = quantile(room, times->repeats, 0.5);
    }
    s.q1 = quantile(room, times->repeats, 0.25);
    s.q3 = quantile(room, times->repeats, 0.75);
    return s;
}

/* --- rows ------------------------------------------------------------------------------------- */

typedef struct latency_machine {
    char processor[160];
    const char *kernel;
    int threads;
} latency_machine;

static latency_machine this_machine(void)
{
    latency_machine m = {.kernel = pl_kernel_name(), .threads = pl_linalg_threads()};
    pl_processor_name(m.processor, sizeof m.processor);
    return m;
}

static json_t *latency_row(const latency_summary *all, size_t index, size_t scope, size_t phase,
                           size_t tokens, const latency_machine *machine)
{
    const pl_latency_way way = pl_latency_way_at(index);
    const latency_summary *s = &all[index];
    const size_t without = index > 0 ? 1 + (index - 1) % 4 : 0; /* the same, no transform */
    const bool apart = way.quantized && !way.fused;
    json_t *row = json_object();
    pl_json_set(row, "part", json_string(scopes[scope]));
    pl_json_set(row, "phase", json_string(phases[phase]));
    pl_json_set(row, "tokens", json_integer((json_int_t)tokens));
    pl_json_set(row, "product", json_string(way.int8 ? "int8" : "float32"));
    pl_json_set(row, "transform", json_string(shapes[way.shape]));
    pl_json_set(row, "online",
                json_string(!way.quantized ? "none"
                            : way.fused    ? "fused"
                                           : "apart"));
    pl_json_set(row, "transform_seconds",
                pl_json_number(apart && way.shape > 0 ? s->transform : (double)NAN));
    pl_json_set(row, "quantize_seconds", pl_json_number(apart ? s->quantize : (double)NAN));
    pl_json_set(row, "online_seconds", pl_json_number(s->online));
    pl_json_set(row, "product_seconds", pl_json_number(s->product));
    pl_json_set(row, "seconds", pl_json_number(s->seconds));
    pl_json_set(row, "seconds_q1", pl_json_number(s->q1));
    pl_json_set(row, "seconds_q3", pl_json_number(s->q3));
    pl_json_set(row, "speedup", pl_json_number(all[0].seconds / s->seconds));
    pl_json_set(row, "slowdown",
                pl_json_number(index > 0 ? all[0].seconds / all[without].seconds -
                                               all[0].seconds / s->seconds
                                         : (double)NAN));
    pl_json_set(row, "processor", json_string(machine->processor));
    pl_json_set(row, "kernel", json_string(machine->kernel));
    pl_json_set(row, "threads", json_integer(machine->threads));
    return row;
}

static pl_status put_rows(const pl_latency_spec *spec, const pl_latency_times *times,
                          const latency_machine *machine, json_t *rows, pl_error *err)
{
    const bool int8 = times->kernel[0] != '\0';
    double *room = pl_alloc(times->repeats, sizeof *room);
    if (room == NULL) {
        return pl_error_memory(err, "%zu repeats", times->repeats);
    }
    for (size_t scope = 0; scope < (times->block ? PL_LATENCY_SCOPES : 1u); scope++) {
        for (size_t p = 0; p < PL_LATENCY_PHASES; p++) {
            latency_summary all[PL_LATENCY_WAYS];
            for (size_t i = 0; i < PL_LATENCY_WAYS; i++) {
                all[i] = summarize(times, p, i, scope, room);
            }
            for (size_t i = 0; i < PL_LATENCY_WAYS; i++) {
                if (int8 || !pl_latency_way_at(i).int8) {
                    pl_json_append(rows,
                                   latency_row(all, i, scope, p,
                                               p == PL_LATENCY_DECODE ? 1 : spec->tokens, machine));
                }
            }
        }
    }
    free(room);
    return PL_OK;
}

static json_t *about_run(const pl_state *state, const pl_latency_spec *spec,
                         const pl_latency_times *times, const latency_machine *machine)
{
    const char *missing = times->kernel[0] == '\0' ? pl_int8_missing() : NULL;
    json_t *out = json_object();
    pl_json_set(out, "layer", json_string(pl_model_layer(state->source->model, spec->layer)->name));
    pl_json_set(out, "tokens", json_integer((json_int_t)spec->tokens));
    pl_json_set(out, "repeats", json_integer((json_int_t)spec->repeats));
    pl_json_set(out, "processor", json_string(machine->processor));
    pl_json_set(out, "threads", json_integer(machine->threads));
    pl_json_set(out, "pinned", json_boolean(times->pinned));
    pl_json_set(out, "kernel", json_string(machine->kernel));
    pl_json_set(out, "int8_kernel",
                times->kernel[0] != '\0' ? json_string(times->kernel) : json_null());
    pl_json_set(out, "int8_missing", missing != NULL ? json_string(missing) : json_null());
    pl_json_set(out, "copied_bytes", json_integer((json_int_t)times->copied));
    return out;
}

/* --- keeping ---------------------------------------------------------------------------------- */

/* A time is of one machine: another one finds nothing under its own key. */
static pl_status find_key(const pl_state *state, size_t layer, pl_id *out, pl_task *task,
                          pl_error *err)
{
    const latency_machine machine = this_machine();
    pl_hasher *hasher = NULL;
    pl_status status =
        pl_measured_begin("planish latency 1", state->source->model, &hasher, task, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, pl_model_layer(state->source->model, layer)->name);
        pl_hasher_text(hasher, machine.processor);
        pl_hasher_text(hasher, machine.kernel);
        pl_hasher_u64(hasher, (uint64_t)machine.threads);
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

static pl_status keep_times(pl_context cx, size_t layer, json_t *found, const char *commands,
                            pl_error *err)
{
    pl_id key = {0};
    json_t *about = json_pack("{s:s, s:s, s:s, s:O}", "holds", "times of a layer and a block",
                              "version", PL_VERSION, "commands", commands, "found", found);
    pl_status status = about != NULL ? PL_OK : pl_error_memory(err, "times");
    PL_THEN(find_key(cx.state, layer, &key, cx.task, err));
    PL_THEN(pl_store_replace(pl_lab_store(cx.lab), LATENCY, key, about, NULL, 0, err));
    json_decref(about);
    return status;
}

pl_status pl_latency_run(pl_context cx, const pl_latency_spec *spec, const char *commands,
                         json_t **out, pl_error *err)
{
    const latency_machine machine = this_machine();
    pl_latency_times times = {0};
    json_t *found = NULL, *rows = json_array();
    *out = NULL;
    pl_status status = pl_latency_measure(cx, spec, &times, err);
    PL_THEN(put_rows(spec, &times, &machine, rows, err));
    if (status == PL_OK) {
        found = about_run(cx.state, spec, &times, &machine);
        pl_json_set(found, "rows", json_incref(rows));
        status = keep_times(cx, spec->layer, found, commands, err);
    }
    free(times.seconds);
    json_decref(rows);
    if (status != PL_OK) {
        json_decref(found);
        return status;
    }
    *out = found;
    return PL_OK;
}

pl_status pl_latency_load(pl_context cx, size_t layer, const char *who, json_t **out,
                          pl_buf *commands, pl_error *err)
{
    pl_id key = {0};
    pl_entry *entry = NULL;
    *out = NULL;
    pl_status status = find_key(cx.state, layer, &key, cx.task, err);
    if (status == PL_OK &&
        pl_store_get(pl_lab_store(cx.lab), LATENCY, key, &entry, NULL) == PL_OK) {
        const json_t *about = pl_entry_about(entry);
        const char *said = json_string_value(json_object_get(about, "commands"));
        const json_t *found = json_object_get(about, "found");
        if (said != NULL && json_array_size(json_object_get(found, "rows")) > 0) {
            *out = json_deep_copy(found);
            if (commands != NULL) {
                pl_buf_puts(commands, said);
            }
        }
    }
    pl_entry_close(entry);
    return status != PL_OK || *out != NULL
               ? status
               : pl_error_set(err, PL_ERR_STATE,
                              "%s: %s was not timed on this machine yet: `cost measure=yes`", who,
                              pl_model_layer(cx.state->source->model, layer)->name);
}
