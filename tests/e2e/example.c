/* Astro on a layer that sees outliers, then GPTQ, with libplanish:
 *     cc example.c -o example $(pkg-config --cflags --libs planish) && ./example */
#include <planish.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKENS = 1000, N = 256, ROWS = 128 };

static float x[TOKENS][N], w[ROWS][N], flat[ROWS][N], rounded[ROWS][N];

static float uniform(void)
{
    return (float)rand() / (float)RAND_MAX - 0.5f;
}

static void check(int status, const planish_error *err)
{
    if (status != PLANISH_OK) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

int main(void)
{
    for (int i = 0; i < TOKENS * N; i++) {
        (&x[0][0])[i] = uniform() * (i % N == 17 ? 30.0f : 1.0f); /* an outlier channel */
    }
    for (int i = 0; i < ROWS * N; i++) {
        (&w[0][0])[i] = uniform() / 16.0f;
    }
    planish_error err;
    planish_site *site;
    planish_report report;
    planish_quantized *q;
    double error;
    check(planish_site_from_inputs(&x[0][0], TOKENS, N, N, &site, &err), &err);
    check(planish_precondition(site, "astro beta=1e-3 group_size=64", &w[0][0], ROWS, N,
                               &flat[0][0], &report, &err),
          &err);
    check(planish_round(site, "gptq bits=3 group_size=64", &flat[0][0], ROWS, N, N, &q, NULL, &err),
          &err);
    planish_dequantize(q, &rounded[0][0]);
    check(planish_relative_error(site, &w[0][0], N, &rounded[0][0], N, ROWS, &error, &err), &err);
    printf("astro: objective %.6g, at most %.2g above the least\n", report.objective, report.gap);
    printf("gptq: %d bits, code of [0, 0] %d, relative error %.4f\n", q->bits, q->codes[0], error);
    planish_quantized_destroy(q);
    planish_site_destroy(site);
    return 0;
}
