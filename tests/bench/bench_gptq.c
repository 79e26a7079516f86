/* GPTQ of every layer of SmolLM2, 3 bits in groups of 128, one factor a site: reading and the
 * factors apart from the columns; against the authors' column loop in PyTorch, which makes a factor
 * a layer.  Both times are for factors and columns together.  PyTorch works on two of the thirty
 * blocks, which are all of the same shapes: the whole model takes it minutes. */
#include "core/base/text.h"
#include "core/method/method.h"
#include "core/tensor/linalg.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include <stdlib.h>

enum { TURNS = 3, TORCH_BLOCKS = 2 };

typedef struct spent {
    double factors, columns;
    size_t sites, layers;
} spent;

static void round_layer(const pl_spec *spec, const char *name, const pl_mat *w, pl_factors *factors,
                        spent *all)
{
    pl_error err = {0};
    pl_qweights out = {0};
    pl_method_report report;
    const pl_layer_input in = {.layer = name, .factors = factors, .w = pl_mat_view(w)};
    const double start = bench_now();
    if (spec->method->round(spec, &in, &out, &report, NULL, &err) != PL_OK) {
        bench_fail(name, &err);
    }
    all->columns += bench_now() - start;
    all->layers++;
    pl_qweights_deinit(&out);
}

static void round_site(const pl_spec *spec, size_t index, spent *all)
{
    pl_error err = {0};
    pl_site_stats stats;
    pl_factors *factors = NULL;
    pl_model *model = bench_model();
    const pl_site *site = pl_model_site(model, index);
    bench_site_load(index, &stats);
    const double start = bench_now();
    if (pl_factors_create(&(pl_sym){.n = stats.n, .square = stats.gram}, stats.tokens, site->name,
                          &factors, &err) != PL_OK ||
        spec->method->prepare(spec, &(pl_layer_input){.layer = site->name, .factors = factors},
                              NULL, &err) != PL_OK) {
        bench_fail(site->name, &err);
    }
    all->factors += bench_now() - start;
    all->sites++;
    for (size_t i = 0; i < site->n_layers; i++) {
        const pl_layer *layer = pl_model_layer(model, site->layers[i]);
        pl_mat w;
        if (pl_mat_init(&w, layer->rows, layer->cols, &err) != PL_OK ||
            pl_model_read_weight(model, site->layers[i], w.data, &err) != PL_OK) {
            bench_fail(layer->name, &err);
        }
        round_layer(spec, layer->name, &w, factors, all);
        pl_mat_deinit(&w);
    }
    pl_factors_destroy(factors);
    pl_site_stats_deinit(&stats);
}

static double torch_seconds(void)
{
    const pl_model *model = bench_model();
    const double blocks = (double)pl_model_config(model)->blocks;
    pl_buf args = {0};
    pl_buf_printf(&args, "gptq %d", TORCH_BLOCKS);
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        if (layer->block == 0) {
            pl_buf_printf(&args, " %zux%zu", layer->rows, layer->cols);
        }
    }
    const double seconds = bench_torch(args.data);
    pl_buf_deinit(&args);
    return seconds * blocks / TORCH_BLOCKS;
}

int main(void)
{
    pl_error err = {0};
    pl_spec spec = pl_spec_default(pl_method_find("gptq"));
    spent turns[TURNS] = {0};
    double seconds[TURNS], torch[TURNS], ratio[TURNS], columns[TURNS];
    bench_threads();
    if (!bench_have_model()) {
        bench_print(json_pack("{s:s, s:s}", "bench", "gptq", "skipped",
                              "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    if (pl_spec_set(&spec, "bits", "3", &err) != PL_OK) {
        bench_fail("gptq", &err);
    }
    for (int t = 0; t < TURNS; t++) {
        for (size_t s = 0; s < pl_model_site_count(bench_model()); s++) {
            round_site(&spec, s, &turns[t]);
        }
        columns[t] = turns[t].columns;
        seconds[t] = turns[t].factors + turns[t].columns;
        torch[t] = torch_seconds();
        ratio[t] = torch[t] / seconds[t];
    }
    const double median = bench_median(seconds, TURNS);
    bench_row("gptq", "PyTorch's column loop over GPTQ of all layers", bench_median(ratio, TURNS),
              BENCH_AT_LEAST, 7,
              json_pack("{s:I, s:I, s:f, s:f, s:o}", "layers", (json_int_t)turns[0].layers,
                        "factors", (json_int_t)turns[0].sites, "seconds", median, "columns_seconds",
                        bench_median(columns, TURNS), "torch_seconds",
                        torch[0] > 0 ? json_real(bench_median(torch, TURNS)) : json_null()));
    return 0;
}
