/* Arithmetic speed of a calibration and of a perplexity, against SGEMM of the same shapes.
 *
 * Counted: 2 rows cols a token for each linear layer (and lm_head where its logits are made), the
 * two causal attention products, and n (n + 1) a token for each site's Gram matrix.  Decoding,
 * norms, softmax, RoPE, statistics and disk are not counted but take time: the ratio is what they
 * leave.  SGEMM: every distinct product of a block (and lm_head) over one window, alone. */
#include "core/base/checked.h"
#include "core/metrics/perplexity.h"
#include "core/tensor/linalg.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"
#include "tests/bench/sgemm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LENGTH = 512, WINDOWS = 32, TURNS = 3 };

static double linear_flops(const pl_model *model)
{
    double flops = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        flops += 2.0 * (double)layer->rows * (double)layer->cols;
    }
    return flops;
}

/* A token, on average over a window: query i sees i + 1 keys. */
static double attention_flops(const pl_config *config)
{
    return (double)config->blocks * 4.0 * (double)(config->heads * config->head_dim) *
           (LENGTH + 1) / 2.0;
}

static double gram_flops(const pl_model *model)
{
    double flops = 0;
    for (size_t i = 0; i < pl_model_site_count(model); i++) {
        double n = (double)pl_model_site(model, i)->cols;
        flops += n * (n + 1);
    }
    return flops;
}

/* An empty store each time, or there would be nothing to compute. */
static double calibration_seconds(void)
{
    char folder[] = "/tmp/planish-bench-XXXXXX", command[64];
    pl_error err = {0};
    pl_store *store = NULL;
    pl_id key;
    pl_calib_report report;
    const pl_calib_spec spec = {
        .model = bench_model(),
        .tokens = bench_tokens(),
        .protocol = {.length = LENGTH, .windows = WINDOWS, .sample = PL_SAMPLE_FIRST},
        .sample_rows = PL_CALIB_SAMPLE_ROWS,
    };
    if (mkdtemp(folder) == NULL || pl_store_open(folder, 0, &store, &err) != PL_OK) {
        bench_fail("store", &err);
    }
    double start = bench_now();
    if (pl_calib_run(&spec, store, &key, &report, NULL, &err) != PL_OK) {
        bench_fail("calibration", &err);
    }
    double seconds = bench_now() - start;
    pl_store_close(store);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) {
        bench_fail(folder, NULL);
    }
    return seconds;
}

static double perplexity_seconds(double *perplexity)
{
    pl_error err = {0};
    pl_ppl_result result;
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = WINDOWS};
    double start = bench_now();
    if (pl_perplexity(bench_model(), bench_tokens()->ids, bench_tokens()->count, &spec, NULL, false,
                      &result, NULL, &err) != PL_OK) {
        bench_fail("perplexity", &err);
    }
    *perplexity = result.perplexity;
    return bench_now() - start;
}

/* The same windows through the same shapes in PyTorch: "calibrate" or "forward". */
static double torch_seconds(const char *work)
{
    char args[192];
    const pl_config *c = pl_model_config(bench_model());
    snprintf(args, sizeof args, "%s %d %d %zu %zu %zu %zu %zu %zu", work, WINDOWS, LENGTH,
             c->blocks, c->hidden_size, c->intermediate_size, c->heads, c->kv_heads, c->vocab_size);
    return bench_torch(args);
}

static void report(const char *what, double flops, double *seconds, double *sgemm, double *torch)
{
    double ratio[TURNS], over[TURNS];
    char row[96];
    for (int i = 0; i < TURNS; i++) {
        ratio[i] = flops / seconds[i] / sgemm[i];
        over[i] = torch[i] / seconds[i];
    }
    double median = bench_median(seconds, TURNS);
    snprintf(row, sizeof row, "%s, FLOP/s over SGEMM's", what);
    bench_row("forward", row, bench_median(ratio, TURNS), BENCH_AT_LEAST, 0.75, NULL);
    snprintf(row, sizeof row, "%s in PyTorch over ours", what);
    bench_row("forward", row, bench_median(over, TURNS), BENCH_AT_LEAST, 1.5, NULL);
    bench_print(json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "bench", "forward", "what", what,
                          "flops_over_sgemm", bench_median(ratio, TURNS), "gflops",
                          1e-9 * flops / median, "sgemm_gflops", 1e-9 * bench_median(sgemm, TURNS),
                          "tokens_per_second", LENGTH * WINDOWS / median));
}

int main(void)
{
    double sgemm[TURNS], with_head[TURNS], calibration[TURNS], perplexity[TURNS], value = 0;
    double torch[2][TURNS];
    bench_threads();
    if (!bench_have_model()) {
        bench_print(json_pack("{s:s, s:s}", "bench", "forward", "skipped",
                              "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    const pl_config *config = pl_model_config(bench_model());
    double tokens = LENGTH * WINDOWS;
    double body = linear_flops(bench_model()) + attention_flops(config);
    double head = 2.0 * (double)config->hidden_size * (double)config->vocab_size;
    perplexity_seconds(&value); /* the file is in the page cache from here on */
    for (int i = 0; i < TURNS; i++) {
        sgemm[i] = bench_sgemm_speed(bench_model(), LENGTH, false);
        calibration[i] = calibration_seconds();
        torch[0][i] = torch_seconds("calibrate");
        with_head[i] = bench_sgemm_speed(bench_model(), LENGTH, true);
        perplexity[i] = perplexity_seconds(&value);
        torch[1][i] = torch_seconds("forward");
    }
    report("calibration", tokens * (body + gram_flops(bench_model())), calibration, sgemm,
           torch[0]);
    report("perplexity", tokens * (body + head), perplexity, with_head, torch[1]);
    return 0;
}
