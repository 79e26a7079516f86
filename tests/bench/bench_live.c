/* A turn of the strength, without a screen: from the new value to the first frame's numbers, to
 * the last piece of the preview, to the end of the cold solve behind it; and how soon a cold solve
 * that is superseded gives the thread back.  Beside them, how near the previewed column maxima
 * were.  Factors are ready; what the other rho costs is reported apart. */
#include "core/live/preview.h"
#include "core/solve/linf.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { TURNS = 40 };

typedef struct cold {
    const bench_layer *layer;
    pl_spec spec;
    pl_task task;
    float *w;
    double ended;
    pl_warm *warm;
    const size_t *place;
} cold;

static void *run_cold(void *arg)
{
    cold *c = arg;
    pl_error err = {0};
    pl_method_report report;
    const pl_layer_input in = {.layer = c->layer->name,
                               .factors = c->layer->factors,
                               .w = pl_mat_view(&c->layer->w),
                               .warm = c->warm,
                               .place = c->place};
    bench_threads(); /* OpenMP keeps the number per thread */
    pl_status status = c->spec.method->precondition(&c->spec, &in, c->w, &report, &c->task, &err);
    c->ended = bench_now();
    if (status != PL_OK && status != PL_ERR_CANCELLED) {
        bench_fail("the cold solve", &err);
    }
    return NULL;
}

static void step(pl_preview *preview, const bench_layer *layer, bool *more)
{
    pl_error err = {0};
    if (pl_preview_step(preview, layer->factors, more, NULL, &err) != PL_OK) {
        bench_fail("a preview", &err);
    }
}

/* Mean relative difference of the previewed column maxima from the cold solve's, over columns. */
static double difference(const pl_preview *preview, const float *w, const bench_layer *layer)
{
    const pl_preview_now now = pl_preview_read(preview);
    const size_t rows = layer->w.rows, n = layer->w.cols;
    double sum = 0;
    for (size_t c = 0; c < n; c++) {
        double max = 1e-30;
        for (size_t r = 0; r < rows; r++) {
            max = fmax(max, fabs((double)w[r * n + c]));
        }
        sum += fabs((double)now.preconditioned[c] - max) / max;
    }
    return sum / (double)n;
}

static double percentile(double *values, size_t count, double p)
{
    (void)bench_median(values, count); /* sorts */
    size_t at = (size_t)(p * (double)count);
    return values[at < count ? at : count - 1];
}

static void measure(const bench_layer *layer)
{
    pl_error err = {0};
    pl_preview *preview = NULL;
    const size_t *place = NULL;
    double first[TURNS], all[TURNS], give[TURNS], start = bench_now();
    cold c = {.layer = layer, .spec = pl_spec_default(pl_method_find("astro"))};
    const pl_spec gptq = pl_spec_default(pl_method_find("gptq"));
    const size_t beta = pl_method_param(c.spec.method, "beta");
    c.spec.values[pl_method_param(c.spec.method, "target")] = 0;
    c.w = calloc(layer->w.rows * layer->w.cols, sizeof *c.w);
    if (c.w == NULL || pl_preview_create(pl_mat_view(&layer->w), &preview, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    const double create = bench_now() - start;
    size_t count = 0;
    (void)pl_preview_warm(preview, &place);
    for (size_t r = 0; r < layer->w.rows; r++) {
        count += place[r] != SIZE_MAX ? 1 : 0;
    }
    bool more = true;
    pl_gptq_factor factor;
    start = bench_now();
    float alpha[32];
    pl_linf_problem problem = {
        .w0 = pl_mat_view(&layer->w), .group_size = 128, .alpha = alpha, .beta = 3e-4};
    pl_factors_alpha(layer->factors, 128, alpha);
    if (pl_linf_prepare(layer->factors, &problem, 0, NULL, &err) != PL_OK ||
        pl_factors_gptq(layer->factors, 0.01, false, &factor, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    const double prepare = bench_now() - start;
    size_t first_rows = 0;
    const bool wide = layer->w.cols > 1024;
    const int turns = wide ? 12 : TURNS;
    for (int i = -1; i < turns; i++) {
        c.spec.values[beta] = 3e-4 * pow(10.0, (double)((i + 20) % 5) / 12.0);
        /* A cold solve is under way, as behind the last turn, somewhere in the middle. */
        pthread_t thread;
        atomic_store(&c.task.cancel, false);
        c.warm = i >= 0 ? pl_preview_warm(preview, &c.place) : NULL;
        if (pthread_create(&thread, NULL, run_cold, &c) != 0) {
            bench_fail("a thread", NULL);
        }
        double until = bench_now() + (wide ? 0.3 : 0.02) + 0.003 * (double)((i * 7 + 7) % 11);
        while (bench_now() < until) {
        }
        start = bench_now();
        atomic_store(&c.task.cancel, true);
        pthread_join(thread, NULL);
        const double gone = fmax(0.0, c.ended - start);
        c.spec.values[beta] *= pow(10.0, 1.0 / 12.0);
        pl_preview_begin(preview, layer->name, &c.spec, &gptq);
        const double from = bench_now();
        step(preview, layer, &more);
        const double shown = bench_now() - from;
        const pl_preview_now now = pl_preview_read(preview);
        first_rows = now.preconditioned_rows;
        while (more) {
            step(preview, layer, &more);
        }
        if (i >= 0) {
            give[i] = 1e3 * gone;
            first[i] = 1e3 * (gone + shown);
            all[i] = 1e3 * (gone + bench_now() - from);
        }
    }
    atomic_store(&c.task.cancel, false);
    c.warm = NULL;
    start = bench_now();
    run_cold(&c);
    const double whole = bench_now() - start;
    const double far = difference(preview, c.w, layer);
    start = bench_now();
    problem.beta = 1e-2;
    if (pl_linf_prepare(layer->factors, &problem, 0, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    const double other = bench_now() - start;
    bench_print(json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "bench",
        "live", "layer", layer->name, "rows", (json_int_t)layer->w.rows, "preview_rows",
        (json_int_t)count, "first_frame_rows", (json_int_t)first_rows, "first_frame_ms",
        bench_median(first, (size_t)turns), "first_frame_p95_ms",
        percentile(first, (size_t)turns, 0.95), "superseded_p95_ms",
        percentile(give, (size_t)turns, 0.95), "preview_ms", bench_median(all, (size_t)turns),
        "cold_ms", 1e3 * whole, "first_frame_over_cold",
        bench_median(first, (size_t)turns) / (1e3 * whole), "maxima_off", far, "choose_rows_ms",
        1e3 * create, "factors_ms", 1e3 * prepare, "other_rho_ms", 1e3 * other));
    pl_preview_destroy(preview);
    free(c.w);
}

int main(int argc, char **argv)
{
    bench_layer layer;
    bench_threads();
    if (bench_have_model()) {
        static const char *const names[] = {"15.q_proj", "15.gate_proj", "15.down_proj",
                                            "11.down_proj"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            bench_layer_load(names[i], &layer);
            measure(&layer);
            bench_layer_deinit(&layer);
        }
    } else {
        bench_layer_make(576, 576, &layer);
        measure(&layer);
        bench_layer_deinit(&layer);
    }
    if (argc < 2 || argv[1][0] != 'q') { /* quick: without the wide one */
        bench_layer_make(4096, 4096, &layer);
        measure(&layer);
        bench_layer_deinit(&layer);
    }
    return 0;
}
