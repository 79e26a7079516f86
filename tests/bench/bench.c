#include "tests/bench/bench.h"
#include "tests/support/rising.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, rising_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void bench_print(json_t *object)
{
    char processor[160];
    pl_processor_name(processor, sizeof processor);
    json_object_set_new(object, "kernel", json_string(pl_kernel_name()));
    json_object_set_new(object, "threads", json_integer(pl_linalg_threads()));
    json_object_set_new(object, "processor", json_string(processor));
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    puts(text != NULL ? text : "{}");
    fflush(stdout);
    free(text);
    json_decref(object);
}

void bench_fail(const char *what, const pl_error *err)
{
    fprintf(stderr, "bench: %s: %s\n", what, err != NULL ? err->message : "failed");
    exit(1);
}

void bench_threads(void)
{
    pl_error err = {0};
    if (pl_linalg_set_threads(pl_linalg_default_threads(), &err) != PL_OK) {
        bench_fail("threads", &err);
    }
}

static struct {
    pl_model *model;
    pl_tokens tokens;
    pl_store *store;
    pl_id calibration;
} real;

bool bench_have_model(void)
{
    const char *model = getenv("PLANISH_SMOLLM2"), *shared = getenv("PLANISH_SHARED");
    char text[1024];
    snprintf(text, sizeof text, "%s/data/wikitext2-valid.txt", shared != NULL ? shared : "");
    return model != NULL && access(model, R_OK) == 0 && access(text, R_OK) == 0;
}

pl_model *bench_model(void)
{
    pl_error err = {0};
    const char *path = getenv("PLANISH_SMOLLM2");
    if (real.model == NULL && pl_model_open(path, &real.model, &err) != PL_OK) {
        bench_fail("SmolLM2", &err);
    }
    return real.model;
}

const pl_tokens *bench_tokens(void)
{
    pl_error err = {0};
    char text[1024];
    const char *paths[] = {text};
    const pl_tokenizer *tokenizer = NULL;
    snprintf(text, sizeof text, "%s/data/wikitext2-valid.txt", getenv("PLANISH_SHARED"));
    if (real.tokens.ids == NULL &&
        (pl_model_need_tokenizer(bench_model(), &tokenizer, &err) != PL_OK ||
         pl_tokens_read(tokenizer, paths, 1, 0, &real.tokens, NULL, &err) != PL_OK)) {
        bench_fail(text, &err);
    }
    return &real.tokens;
}

/* 48 windows of 512 tokens, as in methods.md 2.2; found in the store after the first time. */
static void calibrate(void)
{
    pl_error err = {0};
    pl_calib_report report;
    const pl_calib_spec spec = {
        .model = bench_model(),
        .tokens = bench_tokens(),
        .protocol = {.length = 512, .windows = 48, .sample = PL_SAMPLE_FIRST},
        .sample_rows = 16,
    };
    if (real.store == NULL &&
        (pl_store_open(getenv("PLANISH_BENCH_STORE"), 0, &real.store, &err) != PL_OK ||
         pl_calib_run(&spec, real.store, &real.calibration, &report, NULL, &err) != PL_OK)) {
        bench_fail("calibration", &err);
    }
}

void bench_site_load(size_t site, pl_site_stats *out)
{
    pl_error err = {0};
    calibrate();
    if (pl_calib_load_site(real.store, real.calibration, real.model, site, PL_GRAM_SQUARE, false,
                           out, &err) != PL_OK) {
        bench_fail("site", &err);
    }
}

void bench_layer_load(const char *name, bench_layer *out)
{
    pl_error err = {0};
    size_t index = 0;
    pl_site_stats stats = {0};
    *out = (bench_layer){0};
    calibrate();
    if (pl_model_find_layer(real.model, name, &index, &err) != PL_OK) {
        bench_fail(name, &err);
    }
    const pl_layer *layer = pl_model_layer(real.model, index);
    snprintf(out->name, sizeof out->name, "%s", layer->name);
    if (pl_mat_init(&out->w, layer->rows, layer->cols, &err) != PL_OK ||
        pl_model_read_weight(real.model, index, out->w.data, &err) != PL_OK ||
        pl_calib_load_site(real.store, real.calibration, real.model, layer->site, PL_GRAM_SQUARE,
                           false, &stats, &err) != PL_OK ||
        pl_factors_create(&(pl_sym){.n = stats.n, .square = stats.gram}, stats.tokens, layer->name,
                          &out->factors, &err) != PL_OK) {
        bench_fail(name, &err);
    }
    out->gram = stats.gram; /* the factors borrow it */
    stats.gram = NULL;
    pl_site_stats_deinit(&stats);
}

void bench_layer_make(size_t rows, size_t cols, bench_layer *out)
{
    const size_t tokens = cols > 2048 ? 2 * cols : 4096;
    pl_error err = {0};
    pl_rng rng;
    pl_mat z = {0}, mix = {0}, x = {0};
    pl_rng_init(&rng, 1);
    *out = (bench_layer){0};
    snprintf(out->name, sizeof out->name, "made [%zu, %zu]", rows, cols);
    out->gram = pl_alloc(cols * cols, sizeof *out->gram);
    if (out->gram == NULL || pl_mat_init(&out->w, rows, cols, &err) != PL_OK ||
        pl_mat_init(&z, tokens, cols, &err) != PL_OK ||
        pl_mat_init(&mix, cols, cols, &err) != PL_OK ||
        pl_mat_init(&x, tokens, cols, &err) != PL_OK) {
        bench_fail(out->name, &err);
    }
    for (size_t i = 0; i < rows * cols; i++) {
        out->w.data[i] = (float)(0.05 * pl_rng_normal(&rng));
    }
    for (size_t i = 0; i < tokens * cols; i++) {
        z.data[i] = (float)(pl_rng_normal(&rng) * pow((double)(i % cols + 1), -0.4));
    }
    for (size_t i = 0; i < cols * cols; i++) {
        mix.data[i] = (float)(pl_rng_normal(&rng) / sqrt((double)cols) * (i % 97 == 0 ? 8.0 : 1.0));
    }
    pl_gemm_nn(tokens, cols, cols, 1.0f, z.data, cols, mix.data, cols, 0.0f, x.data, cols);
    memset(out->gram, 0, cols * cols * sizeof *out->gram);
    pl_syrk_upper(cols, tokens, x.data, cols, out->gram, cols);
    for (size_t i = 0; i < cols * cols; i++) {
        out->gram[i] /= (float)tokens;
    }
    pl_symmetrize(cols, out->gram);
    pl_mat_deinit(&z);
    pl_mat_deinit(&mix);
    pl_mat_deinit(&x);
    if (pl_factors_create(&(pl_sym){.n = cols, .square = out->gram}, (double)tokens, out->name,
                          &out->factors, &err) != PL_OK) {
        bench_fail(out->name, &err);
    }
}

void bench_layer_deinit(bench_layer *layer)
{
    pl_factors_destroy(layer->factors);
    free(layer->gram);
    pl_mat_deinit(&layer->w);
    *layer = (bench_layer){0};
}
