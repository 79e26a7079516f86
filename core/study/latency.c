#include "core/study/latency_parts.h"

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/method/fused.h"
#include "core/model/bare.h"
#include "core/study/piece.h"
#include "core/tensor/int8.h"
#include "core/tensor/kron.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A layer's copies are at most so many. */
enum { MOST_COPIES = 256 };

/* Of what each row's maximum gets the largest code. */
static const pl_act_grid grid8 = {.bits = 8, .format = &pl_format_symmetric, .clip = 1.0};

typedef struct timed_layer {
    size_t index, rows, cols;
    size_t copies, next; /* of w; the next to be read */
    float *w;            /* [copies, rows, cols] */
    pl_int8 *codes[PL_LATENCY_PHASES];
    size_t next_codes;
} timed_layer;

typedef struct timed_site {
    size_t n;
    pl_transform *shapes[PL_LATENCY_SHAPES]; /* [0] NULL */
    timed_layer *layers;
    size_t n_layers;
} timed_site;

/* All that is timed, and the buffers it is timed in. */
typedef struct latency_work {
    const pl_latency_spec *spec;
    timed_site *sites;
    size_t n_sites, widest, tallest, copies; /* copies: of codes; of w a quarter */
    float *x, *turned, *values, *scales;     /* [tokens, widest], scales [tokens] */
    int8_t *codes;                           /* [tokens, widest] */
    float *y;                                /* [tokens, tallest] */
} latency_work;

pl_latency_way pl_latency_way_at(size_t index)
{
    const size_t at = index - 1;
    return index == 0 ? (pl_latency_way){0}
                      : (pl_latency_way){.shape = at / 4,
                                         .int8 = at / 2 % 2 != 0,
                                         .quantized = true,
                                         .fused = at % 2 != 0};
}

double *pl_latency_at(const pl_latency_times *times, size_t repeat, size_t phase, size_t way,
                      size_t scope)
{
    const size_t at =
        ((repeat * PL_LATENCY_PHASES + phase) * PL_LATENCY_WAYS + way) * PL_LATENCY_SCOPES + scope;
    return times->seconds + at * PL_LATENCY_TIMES;
}

/* --- making ----------------------------------------------------------------------------------- */

static size_t bytes_that_pass(void)
{
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const size_t least = (size_t)64 << 20;
    return cache > 0 && 2 * (size_t)cache > least ? 2 * (size_t)cache : least;
}

static void set_identity(float *p, size_t n)
{
    memset(p, 0, n * n * sizeof *p);
    for (size_t i = 0; i < n; i++) {
        p[i * n + i] = 1.0f;
    }
}

/* The identity as a dense matrix, and as a Kronecker product: they cost what any other does. */
static pl_status make_dense(size_t n, pl_transform **out, pl_error *err)
{
    float *q = pl_alloc(n * n, sizeof *q);
    if (q == NULL) {
        return pl_error_memory(err, "a transform of %zu channels", n);
    }
    set_identity(q, n);
    pl_status status = pl_transform_orthogonal(n, q, out, err);
    free(q);
    return status;
}

static pl_status kron_of_identities(size_t n, const float *scale, pl_transform **out, pl_error *err)
{
    pl_kron_parts parts = {.scale = scale};
    pl_kron_split(n, &parts.n1, &parts.n2);
    float *p = pl_alloc(parts.n1 * parts.n1 + parts.n2 * parts.n2, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "a transform of %zu channels", n);
    }
    set_identity(p, parts.n1);
    set_identity(p + parts.n1 * parts.n1, parts.n2);
    parts.p1 = parts.i1 = p;
    parts.p2 = parts.i2 = p + parts.n1 * parts.n1;
    pl_status status = pl_transform_kron(&parts, out, err);
    free(p);
    return status;
}

/* In the order of the rows' names (latency_rows.c). */
static pl_status make_shapes(timed_site *site, pl_error *err)
{
    const size_t n = site->n;
    float *ones = pl_alloc(n, sizeof *ones);
    if (ones == NULL) {
        return pl_error_memory(err, "a transform of %zu channels", n);
    }
    for (size_t c = 0; c < n; c++) {
        ones[c] = 1.0f;
    }
    pl_status status = pl_transform_scaling(n, ones, &site->shapes[1], err);
    PL_THEN(pl_transform_hadamard(n, &site->shapes[2], err));
    PL_THEN(kron_of_identities(n, NULL, &site->shapes[3], err));
    PL_THEN(make_dense(n, &site->shapes[4], err));
    free(ones);
    return status;
}

/* The layer's own weights, all copies of them, as they are and as codes. */
static pl_status fill_layer(timed_layer *layer, pl_model *model, size_t tokens, size_t copies,
                            pl_error *err)
{
    const size_t count = layer->rows * layer->cols;
    int8_t *codes = pl_alloc(count, 1);
    float *scales = pl_alloc(layer->rows, sizeof *scales);
    layer->w = pl_alloc(layer->copies * count, sizeof *layer->w);
    pl_status status = codes != NULL && scales != NULL && layer->w != NULL
                           ? PL_OK
                           : pl_error_memory(err, "%zu copies of a layer", layer->copies);
    PL_THEN(pl_model_read_weight(model, layer->index, layer->w, err));
    for (size_t i = 1; status == PL_OK && i < layer->copies; i++) {
        memcpy(layer->w + i * count, layer->w, count * sizeof *layer->w);
    }
    PL_THEN(pl_fused_quantize(NULL, layer->cols, &grid8, layer->w, layer->rows,
                              &(pl_quantized){codes, NULL, scales}, err));
    for (size_t p = 0; status == PL_OK && pl_int8_missing() == NULL && p < PL_LATENCY_PHASES; p++) {
        status = pl_int8_create(codes, scales, layer->rows, layer->cols,
                                p == PL_LATENCY_DECODE ? 1 : tokens, copies, &layer->codes[p], err);
    }
    free(codes);
    free(scales);
    return status;
}

/* The layer's site alone, or all of its block's. */
static pl_status gather_sites(latency_work *w, pl_model *model, bool block, pl_error *err)
{
    const pl_layer *chosen = pl_model_layer(model, w->spec->layer);
    size_t first = chosen->site;
    w->n_sites = block ? pl_model_block_sites(model, chosen->block, &first) : 1;
    w->sites = calloc(w->n_sites, sizeof *w->sites);
    bool made = w->sites != NULL;
    for (size_t s = 0; made && s < w->n_sites; s++) {
        const pl_site *from = pl_model_site(model, first + s);
        timed_site *site = &w->sites[s];
        site->n = from->cols;
        site->layers = calloc(from->n_layers, sizeof *site->layers);
        made = site->layers != NULL;
        for (size_t i = 0; made && i < from->n_layers; i++) {
            const pl_layer *layer = pl_model_layer(model, from->layers[i]);
            if (block || from->layers[i] == w->spec->layer) {
                site->layers[site->n_layers++] = (timed_layer){
                    .index = from->layers[i], .rows = layer->rows, .cols = layer->cols};
                w->tallest = layer->rows > w->tallest ? layer->rows : w->tallest;
            }
        }
        w->widest = site->n > w->widest ? site->n : w->widest;
    }
    return made ? PL_OK : pl_error_memory(err, "a block");
}

static pl_status choose_copies(latency_work *w, size_t limit, pl_error *err)
{
    double weights = 0.0, dense = 0.0;
    for (size_t s = 0; s < w->n_sites; s++) {
        dense += (double)w->sites[s].n * (double)w->sites[s].n;
        for (size_t i = 0; i < w->sites[s].n_layers; i++) {
            weights += (double)w->sites[s].layers[i].rows * (double)w->sites[s].layers[i].cols;
        }
    }
    const double copies = ceil((double)bytes_that_pass() / weights); /* of bytes */
    w->copies = copies < 1.0 ? 1 : copies > MOST_COPIES ? MOST_COPIES : (size_t)copies;
    const double bytes =
        weights * (4.0 * ceil((double)w->copies / 4.0) + 2.0 * (double)w->copies) + 4.0 * dense;
    return bytes <= (double)limit || limit == 0
               ? PL_OK
               : pl_error_set(err, PL_ERR_MEMORY,
                              "timing these layers needs %.0f MB for copies of their weights, the "
                              "memory limit (--memory) is %.0f MB",
                              bytes / 1e6, (double)limit / 1e6);
}

static pl_status make_buffers(latency_work *w, pl_error *err)
{
    const size_t tokens = w->spec->tokens, count = tokens * w->widest;
    pl_rng rng;
    w->x = pl_alloc(count, sizeof *w->x);
    w->turned = pl_alloc(count, sizeof *w->x);
    w->values = pl_alloc(count, sizeof *w->x);
    w->codes = pl_alloc(count, 1);
    w->scales = pl_alloc(tokens, sizeof *w->scales);
    w->y = pl_alloc(tokens * w->tallest, sizeof *w->y);
    if (w->x == NULL || w->turned == NULL || w->values == NULL || w->codes == NULL ||
        w->scales == NULL || w->y == NULL) {
        return pl_error_memory(err, "%zu tokens", tokens);
    }
    pl_rng_init(&rng, 1);
    for (size_t i = 0; i < count; i++) {
        w->x[i] = (float)pl_rng_normal(&rng);
    }
    return PL_OK;
}

static pl_status make_work(latency_work *w, pl_lab *lab, pl_model *model, bool block, pl_task *task,
                           pl_error *err)
{
    pl_status status = gather_sites(w, model, block, err);
    PL_THEN(choose_copies(w, pl_lab_memory_limit(lab), err));
    PL_THEN(make_buffers(w, err));
    for (size_t s = 0; status == PL_OK && s < w->n_sites; s++) {
        timed_site *site = &w->sites[s];
        status = make_shapes(site, err);
        for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
            site->layers[i].copies = (w->copies + 3) / 4;
            status = fill_layer(&site->layers[i], model, w->spec->tokens, w->copies, err);
            PL_THEN(pl_task_tick(task, err));
        }
    }
    return status;
}

static void free_work(latency_work *w)
{
    for (size_t s = 0; w->sites != NULL && s < w->n_sites; s++) {
        for (size_t i = 0; i < PL_LATENCY_SHAPES; i++) {
            pl_transform_destroy(w->sites[s].shapes[i]);
        }
        for (size_t i = 0; i < w->sites[s].n_layers; i++) {
            free(w->sites[s].layers[i].w);
            pl_int8_destroy(w->sites[s].layers[i].codes[PL_LATENCY_PREFILL]);
            pl_int8_destroy(w->sites[s].layers[i].codes[PL_LATENCY_DECODE]);
        }
        free(w->sites[s].layers);
    }
    free(w->sites);
    free(w->x);
    free(w->turned);
    free(w->values);
    free(w->codes);
    free(w->scales);
    free(w->y);
}

/* --- timing ----------------------------------------------------------------------------------- */

/* What the products of the site read, and how long it took: times[TRANSFORM], times[QUANTIZE]. */
static pl_status prepare_input(latency_work *w, const timed_site *site, pl_latency_way way,
                               size_t tokens, double *times, pl_error *err)
{
    const pl_transform *t = site->shapes[way.shape];
    const pl_quantized out = {way.int8 ? w->codes : NULL, way.int8 ? NULL : w->values, w->scales};
    pl_status status = PL_OK;
    if (!way.quantized) {
        return PL_OK;
    }
    /* Each finds its input just written, as a norm leaves it; a transform apart works in place. */
    memcpy(w->turned, w->x, tokens * site->n * sizeof *w->x);
    const double start = pl_clock_now();
    double between = start;
    if (way.fused) {
        status = pl_fused_quantize(t, site->n, &grid8, w->turned, tokens, &out, err);
    } else {
        if (t != NULL) {
            status = pl_transform_inputs(t, w->turned, tokens, NULL, err);
            between = pl_clock_now();
        }
        pl_apart_quantize(&grid8, NULL, w->turned, tokens, site->n, &out);
    }
    times[PL_LATENCY_TRANSFORM] = between - start;
    times[PL_LATENCY_QUANTIZE] = pl_clock_now() - between;
    return status;
}

static pl_status time_product(latency_work *w, timed_layer *layer, pl_latency_way way, size_t phase,
                              size_t tokens, double *seconds, pl_error *err)
{
    const size_t count = layer->rows * layer->cols;
    const float *x = way.quantized ? w->values : w->x;
    const float *weights = layer->w + layer->next * count;
    pl_status status = PL_OK;
    const double start = pl_clock_now();
    if (way.int8) {
        status = pl_int8_multiply(layer->codes[phase], layer->next_codes++, w->codes, w->scales,
                                  w->y, err);
    } else if (tokens == 1) {
        pl_matvec(layer->rows, layer->cols, weights, x, w->y);
    } else {
        pl_gemm_nt(tokens, layer->rows, layer->cols, 1.0f, x, layer->cols, weights, layer->cols,
                   0.0f, w->y, layer->rows);
    }
    *seconds = pl_clock_now() - start;
    layer->next = way.int8 ? layer->next : (layer->next + 1) % layer->copies;
    return status;
}

/* All sites in one way, added to the scopes of one repeat: out[SCOPES][TIMES]. */
static pl_status time_way(latency_work *w, size_t index, size_t phase, double *out, pl_task *task,
                          pl_error *err)
{
    const pl_latency_way way = pl_latency_way_at(index);
    const size_t tokens = phase == PL_LATENCY_DECODE ? 1 : w->spec->tokens;
    double *of_layer = out, *of_block = out + PL_LATENCY_TIMES;
    pl_status status = PL_OK;
    for (size_t s = 0; status == PL_OK && s < w->n_sites; s++) {
        timed_site *site = &w->sites[s];
        double times[PL_LATENCY_TIMES] = {0};
        bool chosen = false;
        status = prepare_input(w, site, way, tokens, times, err);
        for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
            double seconds = 0.0;
            status = time_product(w, &site->layers[i], way, phase, tokens, &seconds, err);
            times[PL_LATENCY_PRODUCT] += seconds;
            if (site->layers[i].index == w->spec->layer) {
                chosen = true;
                of_layer[PL_LATENCY_PRODUCT] = seconds;
            }
        }
        for (size_t k = 0; k < PL_LATENCY_TIMES; k++) {
            of_block[k] += times[k];
            of_layer[k] = chosen && k != PL_LATENCY_PRODUCT ? times[k] : of_layer[k];
        }
        PL_THEN(pl_task_tick(task, err));
    }
    return status;
}

/* The first round warms up: its times are written over. */
static pl_status time_all(latency_work *w, pl_latency_times *times, pl_task *task, pl_error *err)
{
    const bool int8 = pl_int8_missing() == NULL;
    pl_status status = PL_OK;
    pl_piece piece;
    pl_piece_init(&piece, task, "repeats", times->repeats + 1);
    for (size_t round = 0; status == PL_OK && round <= times->repeats; round++) {
        const size_t repeat = round > 0 ? round - 1 : 0;
        for (size_t p = 0; status == PL_OK && p < PL_LATENCY_PHASES; p++) {
            for (size_t i = 0; status == PL_OK && i < PL_LATENCY_WAYS; i++) {
                double *out = pl_latency_at(times, repeat, p, i, 0);
                memset(out, 0, PL_LATENCY_SCOPES * PL_LATENCY_TIMES * sizeof *out);
                if (int8 || !pl_latency_way_at(i).int8) {
                    status = time_way(w, i, p, out, &piece.task, err);
                }
            }
        }
        pl_piece_step(&piece);
    }
    return status;
}

/* Of experts a token meets a few: their block is no sum over layers. */
static bool has_block(pl_model *model, const pl_layer *layer)
{
    size_t first = 0;
    if (pl_model_is_bare(model)) {
        return false;
    }
    const size_t count = pl_model_block_layers(model, layer->block, &first);
    for (size_t i = first; i < first + count; i++) {
        if (pl_model_layer(model, i)->expert != PL_NO_EXPERT) {
            return false;
        }
    }
    return true;
}

pl_status pl_latency_measure(pl_context cx, const pl_latency_spec *spec, pl_latency_times *out,
                             pl_error *err)
{
    pl_model *model = cx.state->source->model;
    const pl_layer *layer = pl_model_layer(model, spec->layer);
    latency_work w = {.spec = spec};
    *out = (pl_latency_times){.repeats = spec->repeats, .block = has_block(model, layer)};
    out->seconds = pl_alloc(spec->repeats * PL_LATENCY_PHASES * PL_LATENCY_WAYS *
                                PL_LATENCY_SCOPES * PL_LATENCY_TIMES,
                            sizeof *out->seconds);
    pl_status status =
        out->seconds != NULL ? PL_OK : pl_error_memory(err, "%zu repeats", spec->repeats);
    PL_THEN(make_work(&w, cx.lab, model, out->block, cx.task, err));
    if (status == PL_OK) {
        pl_pinned *pinned = pl_linalg_pin();
        status = time_all(&w, out, cx.task, err);
        pl_linalg_unpin(pinned);
        out->pinned = pinned != NULL;
        for (size_t s = 0; s < w.n_sites; s++) {
            for (size_t i = 0; i < w.sites[s].n_layers; i++) {
                const timed_layer *timed = &w.sites[s].layers[i];
                out->copied += w.copies * timed->rows * timed->cols;
                if (timed->index == spec->layer && timed->codes[0] != NULL) {
                    snprintf(out->kernel, sizeof out->kernel, "%s",
                             pl_int8_kernel(timed->codes[0]));
                }
            }
        }
    }
    free_work(&w);
    if (status != PL_OK) {
        free(out->seconds);
        *out = (pl_latency_times){0};
    }
    return status;
}
