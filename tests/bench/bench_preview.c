/* How near the numbers on the screen are while the strength turns: every layer of SmolLM2, three
 * betas in the order a knob goes through them, each number of each frame against the one that the
 * cold solve then reports.  A number is withheld where no frame of a turn had it.  Beside them,
 * what the preview costs over the cold solve. */
#include "core/live/preview.h"
#include "core/metrics/recon.h"
#include "core/model/model.h"
#include "tests/bench/bench.h"
#include "tests/support/rising.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LAYERS = 256, BETAS = 3, NUMBERS = 4 };

static const double betas[BETAS] = {1e-5, 1e-4, 1e-3};
static const char *const names[NUMBERS] = {"group_max", "error", "w3_error", "bound"};

static struct {
    double off[NUMBERS][LAYERS]; /* of the worst frame that shows it; NaN: none did */
    double preview_over_cold[LAYERS];
    char layer[NUMBERS][64]; /* where it is furthest off */
} results[BETAS];

typedef struct turn {
    const bench_layer *layer;
    pl_spec astro, gptq;
    float *w;
    double frames[64][NUMBERS]; /* as shown */
    size_t n_frames;
    double final[NUMBERS];
} turn;

static void show_frames(turn *t, pl_preview *preview)
{
    pl_error err = {0};
    t->n_frames = 0;
    pl_preview_begin(preview, t->layer->name, &t->astro, &t->gptq);
    for (bool more = true; more;) {
        if (pl_preview_step(preview, t->layer->factors, &more, NULL, &err) != PL_OK) {
            bench_fail(t->layer->name, &err);
        }
        const pl_row_sample_numbers now = pl_preview_read(preview).numbers;
        const double shown[NUMBERS] = {now.group_max_after, now.relative_error,
                                       now.rounded_relative_error, now.bound};
        for (int i = 0; i < NUMBERS && t->n_frames < 64; i++) {
            t->frames[t->n_frames][i] = shown[i];
        }
        t->n_frames += t->n_frames < 64;
    }
}

/* The factors, which the screen makes beforehand: they are not timed. */
static void prepare(const turn *t)
{
    pl_error err = {0};
    const bench_layer *layer = t->layer;
    const pl_layer_input in = {
        .layer = layer->name, .factors = layer->factors, .w = pl_mat_view(&layer->w)};
    if (t->astro.method->prepare(&t->astro, &in, NULL, &err) != PL_OK ||
        t->gptq.method->prepare(&t->gptq, &in, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
}

static void solve(turn *t, pl_preview *preview)
{
    pl_error err = {0};
    const bench_layer *layer = t->layer;
    pl_layer_input in = {
        .layer = layer->name, .factors = layer->factors, .w = pl_mat_view(&layer->w)};
    in.warm = pl_preview_warm(preview, &in.place);
    const pl_view w = {t->w, layer->w.rows, layer->w.cols, layer->w.cols};
    const pl_grid grid = pl_spec_grid(&t->gptq);
    pl_method_report report, rounding;
    pl_qweights q = {0};
    if (t->astro.method->precondition(&t->astro, &in, t->w, &report, NULL, &err) != PL_OK ||
        pl_relative_error(layer->factors, in.w, w, &t->final[1], NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    t->final[0] = pl_group_max_mean(w, t->astro.method->group_size(&t->astro));
    t->final[3] = pl_error_bound(layer->factors, &grid, w);
    pl_preview_add(preview, false, 0, w.rows, t->w);
    in.w = w;
    if (t->gptq.method->round(&t->gptq, &in, &q, &rounding, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    pl_qweights_decode(&q, t->w);
    pl_qweights_deinit(&q);
    if (pl_relative_error(layer->factors, pl_mat_view(&layer->w), w, &t->final[2], NULL, &err) !=
        PL_OK) {
        bench_fail(layer->name, &err);
    }
    pl_preview_finish(preview);
}

static double worst_of(const double *off, size_t count)
{
    double worst = (double)NAN;
    for (size_t i = 0; i < count; i++) {
        worst = fmax(worst, off[i]);
    }
    return worst;
}

static void measure(const bench_layer *layer, size_t at)
{
    pl_error err = {0};
    pl_preview *preview = NULL;
    turn t = {.layer = layer,
              .astro = pl_spec_default(pl_method_find("astro")),
              .gptq = pl_spec_default(pl_method_find("gptq"))};
    t.gptq.values[PL_GRID_BITS] = 3;
    t.w = malloc(layer->w.rows * layer->w.cols * sizeof *t.w);
    if (t.w == NULL || pl_preview_create(pl_mat_view(&layer->w), &preview, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    for (int b = 0; b < BETAS; b++) {
        t.astro.values[pl_method_param(t.astro.method, "beta")] = betas[b];
        t.astro.values[pl_method_param(t.astro.method, "target")] = 0;
        prepare(&t);
        const double start = bench_now();
        show_frames(&t, preview);
        const double shown = bench_now();
        solve(&t, preview);
        results[b].preview_over_cold[at] = (shown - start) / (bench_now() - shown);
        for (int i = 0; i < NUMBERS; i++) {
            double off = (double)NAN;
            for (size_t f = 0; f < t.n_frames; f++) {
                off = fmax(off, fabs(t.frames[f][i] / t.final[i] - 1.0)); /* skips NaN */
            }
            if (!(off <= worst_of(results[b].off[i], at))) {
                snprintf(results[b].layer[i], sizeof results[b].layer[i], "%s", layer->name);
            }
            results[b].off[i][at] = off;
        }
    }
    free(t.w);
    pl_preview_destroy(preview);
}

static double percentile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, rising_doubles);
    return count > 0 ? values[(size_t)(share * (double)(count - 1))] : (double)NAN;
}

static void report(int b, size_t count)
{
    for (int i = 0; i < NUMBERS; i++) {
        double *off = results[b].off[i];
        size_t shown = 0, far = 0;
        for (size_t l = 0; l < count; l++) {
            if (isfinite(off[l])) {
                far += off[l] > 0.1;
                off[shown++] = off[l];
            }
        }
        const double most = percentile(off, shown, 0.9);
        bench_print(json_pack("{s:s, s:f, s:s, s:I, s:f, s:f, s:s, s:I, s:f}", "bench", "preview",
                              "beta", betas[b], "number", names[i], "layers", (json_int_t)count,
                              "off_worst", shown > 0 ? off[shown - 1] : 0.0, "off_90", most,
                              "furthest_off", results[b].layer[i], "further_than_0.1",
                              (json_int_t)far, "share_withheld",
                              (double)(count - shown) / (double)count));
    }
    bench_print(json_pack("{s:s, s:f, s:f}", "bench", "preview", "beta", betas[b],
                          "preview_over_cold_seconds_median",
                          percentile(results[b].preview_over_cold, count, 0.5)));
}

int main(int argc, char **argv)
{
    bench_threads();
    if (!bench_have_model()) {
        bench_print(json_pack("{s:s, s:s}", "bench", "preview", "skipped",
                              "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    const size_t step = argc > 1 && argv[1][0] == 'q' ? 8 : 1; /* quick: each kind in turn */
    const size_t layers = pl_model_layer_count(bench_model());
    size_t count = 0;
    for (size_t i = 0; i < layers && count < LAYERS; i += step) {
        bench_layer layer;
        bench_layer_load(pl_model_layer(bench_model(), i)->name, &layer);
        measure(&layer, count++);
        bench_layer_deinit(&layer);
    }
    for (int b = 0; b < BETAS; b++) {
        report(b, count);
    }
    return 0;
}
