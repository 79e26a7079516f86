/* What target= takes: SmolLM2, all layers of blocks that are spread over the model and hold the
 * hard ones, three targets.  How many solves of the whole layer, how near the fall comes, and the
 * time over that of one solve at the beta that was found. */
#include "core/method/method.h"
#include "core/metrics/recon.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const roles[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                    "gate_proj", "up_proj", "down_proj"};
static const int blocks[] = {0, 11, 15, 28, 29};
static const char *const targets[] = {"0.05", "0.18", "0.4"};
enum { ROLES = 7, BLOCKS = 5, TARGETS = 3, CASES = ROLES * BLOCKS, BETA_FOUND = 3, SOLVES = 4 };

/* Seconds of one solve, the report, and the mean group maximum of what it made. */
static double run(const bench_layer *layer, const pl_spec *spec, pl_method_report *report,
                  double *group_max)
{
    pl_error err = {0};
    float *w = malloc(layer->w.rows * layer->w.cols * sizeof *w);
    const pl_layer_input in = {
        .layer = layer->name, .factors = layer->factors, .w = pl_mat_view(&layer->w)};
    const double start = bench_now();
    if (w == NULL || spec->method->precondition(spec, &in, w, report, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    const double seconds = bench_now() - start;
    *group_max = pl_group_max_mean((pl_view){w, layer->w.rows, layer->w.cols, layer->w.cols}, 128);
    free(w);
    return seconds;
}

int main(void)
{
    if (!bench_have_model()) {
        bench_print(json_pack("{s:s, s:s}", "bench", "target", "skipped",
                              "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    bench_threads();
    double over[TARGETS][CASES] = {{0}}, solves[TARGETS][CASES] = {{0}}, off[TARGETS] = {0};
    for (int c = 0; c < CASES; c++) {
        char name[32];
        bench_layer layer;
        snprintf(name, sizeof name, "%d.%s", blocks[c / ROLES], roles[c % ROLES]);
        bench_layer_load(name, &layer);
        const double before = pl_group_max_mean(pl_mat_view(&layer.w), 128);
        for (int t = 0; t < TARGETS; t++) {
            pl_error err = {0};
            pl_method_report report;
            double after = 0;
            char beta[40];
            pl_spec spec = pl_spec_default(pl_method_find("astro"));
            if (pl_spec_set(&spec, "target", targets[t], &err) != PL_OK) {
                bench_fail(name, &err);
            }
            const double searched = run(&layer, &spec, &report, &after);
            const double want = strtod(targets[t], NULL);
            off[t] = fmax(off[t], fabs((1 - after / before) / want - 1));
            solves[t][c] = report.own[SOLVES];
            snprintf(beta, sizeof beta, "%.17g", report.own[BETA_FOUND]);
            if (pl_spec_set(&spec, "target", "0", &err) != PL_OK ||
                pl_spec_set(&spec, "beta", beta, &err) != PL_OK) {
                bench_fail(name, &err);
            }
            over[t][c] = searched / run(&layer, &spec, &report, &after);
        }
        bench_layer_deinit(&layer);
    }
    double most = 0;
    json_t *numbers = json_object();
    for (int t = 0; t < TARGETS; t++) {
        double mean = 0, largest = 0;
        for (int c = 0; c < CASES; c++) {
            mean += solves[t][c] / CASES;
            largest = fmax(largest, solves[t][c]);
        }
        most = fmax(most, largest);
        json_object_set_new(numbers, targets[t],
                            json_pack("{s:f, s:f, s:f, s:f}", "mean_solves", mean, "most_solves",
                                      largest, "largest_miss", off[t], "median_time_over_a_solve",
                                      bench_median(over[t], CASES)));
    }
    bench_row("target", "target=: solves of a layer at the most", most, BENCH_AT_MOST, 12, numbers);
    return 0;
}
