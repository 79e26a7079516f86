/* Bits over units: against every choice there is. */
#include "core/study/allocate.h"

#include "core/base/rng.h"
#include "core/lab/quantized.h"
#include "core/study/allocation.h"
#include "tests/support/demo_lab.h"

#include <math.h>
#include <string.h>

enum { UNITS = 6, CHOICES = 4 };

typedef struct made {
    double weights[UNITS], loss[UNITS * CHOICES], bits[UNITS * CHOICES];
    pl_knapsack sack;
} made;

static void make_sack(made *m, uint64_t seed)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    m->sack = (pl_knapsack){UNITS, CHOICES, m->weights, m->loss, m->bits};
    for (size_t u = 0; u < UNITS; u++) {
        m->weights[u] = 1000.0 * (1.0 + floor(8.0 * pl_rng_uniform(&rng)));
        for (size_t k = 0; k < CHOICES; k++) {
            m->bits[u * CHOICES + k] = (double)k + 2.0 + 0.25 * pl_rng_uniform(&rng);
            m->loss[u * CHOICES + k] =
                exp(-2.0 * (double)k + 3.0 * pl_rng_uniform(&rng)) * (seed % 3 == 0 ? 1e-6 : 1.0);
        }
    }
}

/* The least loss of all choices whose average is at most that. */
static double best_of_all(const made *m, double average)
{
    double best = (double)INFINITY, all = 0.0;
    size_t total = 1;
    for (size_t u = 0; u < UNITS; u++) {
        total *= CHOICES;
        all += m->weights[u];
    }
    for (size_t code = 0; code < total; code++) {
        double loss = 0.0, bits = 0.0;
        for (size_t u = 0, rest = code; u < UNITS; u++, rest /= CHOICES) {
            const size_t at = u * CHOICES + rest % CHOICES;
            loss += m->loss[at];
            bits += m->weights[u] * m->bits[at] / all;
        }
        best = bits <= average * (1.0 + 1e-12) && loss < best ? loss : best;
    }
    return best;
}

static void test_against_every_choice(void **ctx)
{
    (void)ctx;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        made m;
        pl_error err;
        size_t chosen[UNITS];
        pl_allocation found;
        make_sack(&m, seed);
        for (double average = 2.3; average < 6.0; average += 0.53) {
            pl_check_ok(pl_allocate(&m.sack, average, chosen, &found, &err), err);
            const double best = best_of_all(&m, average);
            double loss = 0.0;
            for (size_t u = 0; u < UNITS; u++) {
                loss += m.loss[u * CHOICES + chosen[u]];
            }
            pl_check_close(found.loss, loss, 1e-12, 0);
            expect_at_most(found.bits, average * (1.0 + 1e-9));
            expect_at_most(found.bound, best * (1.0 + 1e-9));
            expect_at_most(best, found.loss * (1.0 + 1e-12));
            /* Steps are rounded: it is no worse than the best of slightly fewer bits. */
            expect_at_most(found.loss,
                           best_of_all(&m, average - 4.0 * UNITS / 20000.0) * (1 + 1e-12));
        }
    }
}

/* Each point of the curve is a choice that exists, no worse than the best of slightly fewer bits,
 * and above its bound. */
static void test_curve(void **ctx)
{
    (void)ctx;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        made m;
        pl_error err;
        pl_curve curve;
        make_sack(&m, seed);
        pl_check_ok(pl_allocate_curve(&m.sack, &curve, &err), err);
        expect_less(10, (double)curve.count);
        for (size_t p = 0; p < curve.count; p++) {
            const double best = best_of_all(&m, curve.bits[p]);
            expect_at_most(best, curve.loss[p] * (1 + 1e-12));
            expect_at_most(curve.bound[p], best * (1 + 1e-9));
            if (p > 0) {
                expect_less(curve.bits[p - 1], curve.bits[p]);
                expect_at_most(curve.loss[p],
                               best_of_all(&m, curve.bits[p] - 8.0 * UNITS / 20000.0) *
                                   (1 + 1e-12));
            }
        }
        pl_check_close(curve.loss[curve.count - 1], best_of_all(&m, 100.0), 1e-12, 0);
    }
}

static void test_uniform_losses(void **ctx)
{
    (void)ctx;
    made m;
    pl_error err;
    size_t chosen[UNITS];
    pl_allocation found;
    make_sack(&m, 1);
    for (size_t u = 0; u < UNITS; u++) {
        m.weights[u] = 5000.0;
        for (size_t k = 0; k < CHOICES; k++) {
            m.loss[u * CHOICES + k] = pow(4.0, -(double)k);
            m.bits[u * CHOICES + k] = 2.0 + (double)k;
        }
    }
    pl_check_ok(pl_allocate(&m.sack, 4.0, chosen, &found, &err), err);
    for (size_t u = 0; u < UNITS; u++) {
        assert_int_equal(chosen[u], 2);
    }
    pl_check_close(found.bits, 4.0, 1e-12, 0);
    pl_check_close(found.bound, found.loss, 1e-6, 0); /* nothing is lost to the relaxation there */
}

/* Where all that may be spent is the least, none gets more. */
static void test_least_is_cheapest(void **ctx)
{
    (void)ctx;
    const double weights[] = {1, 1, 1}, bits[] = {3.5, 4.5, 8.5, 3.5, 4.5, 8.5, 3.5, 4.5, 8.5},
                 loss[] = {9, 2, 1, 9, 2, 1, 9, 2, 1};
    const double averages[] = {3.5, 3.5 * (1 - 1e-13), 3.5 * (1 + 1e-13)};
    const pl_knapsack sack = {3, 3, weights, loss, bits};
    for (size_t i = 0; i < sizeof averages / sizeof *averages; i++) {
        pl_error err;
        size_t chosen[3];
        pl_allocation found;
        pl_check_ok(pl_allocate(&sack, averages[i], chosen, &found, &err), err);
        expect_at_most(found.bits, averages[i] * (1 + 1e-9));
        pl_check_close(found.loss, 27, 1e-12, 0);
        expect_at_most(found.bound, found.loss);
        for (size_t u = 0; u < 3; u++) {
            assert_int_equal(chosen[u], 0);
        }
    }
}

/* Averages that hit the least and the most to the bit, and what lies between them. */
static void test_average_is_kept_at_the_ends(void **ctx)
{
    (void)ctx;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        made m;
        pl_error err;
        size_t chosen[UNITS];
        pl_allocation found;
        make_sack(&m, seed);
        double all = 0.0, least = 0.0, most = 0.0;
        for (size_t u = 0; u < UNITS; u++) {
            if (seed % 2 == 0) { /* units alike: choices of one price */
                m.weights[u] = m.weights[0];
                memcpy(m.bits + u * CHOICES, m.bits, CHOICES * sizeof *m.bits);
            }
            all += m.weights[u];
            least += m.weights[u] * m.bits[u * CHOICES];
            most += m.weights[u] * m.bits[u * CHOICES + CHOICES - 1];
        }
        const double averages[] = {least / all, least / all * (1 - 1e-13), least / all + 1e-12,
                                   most / all, most / all * (1 - 1e-13)};
        for (size_t i = 0; i < sizeof averages / sizeof *averages; i++) {
            pl_check_ok(pl_allocate(&m.sack, averages[i], chosen, &found, &err), err);
            expect_at_most(found.bits, averages[i] * (1 + 1e-9));
            expect_at_most(found.bound, found.loss);
        }
    }
}

/* At the least average the better of two choices of one price is taken. */
static void test_alike_prices(void **ctx)
{
    (void)ctx;
    const double weights[] = {1, 1}, bits[] = {3, 3, 4, 3, 3, 4}, loss[] = {9, 2, 1, 2, 9, 1};
    const pl_knapsack sack = {2, 3, weights, loss, bits};
    pl_error err;
    size_t chosen[2];
    pl_allocation found;
    pl_check_ok(pl_allocate(&sack, 3, chosen, &found, &err), err);
    assert_int_equal(chosen[0], 1);
    assert_int_equal(chosen[1], 0);
    pl_check_close(found.bound, 4, 1e-12, 0);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    made m;
    pl_error err;
    size_t chosen[UNITS];
    pl_allocation found;
    make_sack(&m, 2);
    assert_int_equal(pl_allocate(&m.sack, 1.5, chosen, &found, &err), PL_ERR_USAGE);
    pl_check_says(err, "the fewest that these choices take are 2.");
    m.loss[CHOICES + 2] = (double)NAN;
    assert_int_equal(pl_allocate(&m.sack, 4.0, chosen, &found, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "unit 1, choice 2");
}

static void take_result(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    pl_state *state = ctx;
    (void)report;
    assert_int_equal(pl_state_set_result(state, layer, pl_state_plan(state, layer), result, NULL),
                     PL_OK);
}

/* A transform that is made for the rounder of q_proj leaves k_proj and v_proj no bits of their own.
 */
static void test_rounder_of_an_input(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_allocated found;
    demo_lab_init(&d);
    demo_method(&d.state, "awq");
    demo_method(&d.state, "rtn bits=2");
    pl_allocating asked = {
        .average = 3.5, .choices = {{2, -1}, {4, -1}}, .n_choices = 2, .by = PL_BY_ERROR};
    asked.measured.glob = "3.[qk]_proj";
    assert_int_equal(pl_allocation_run(demo_context(&d), &asked, NULL, 0, &found, &err),
                     PL_ERR_USAGE);
    pl_check_says(err, "awq is made for one rounder of all layers of an input: expected unit=site");
    asked.measured.unit = PL_UNIT_SITE;
    assert_int_equal(pl_allocation_run(demo_context(&d), &asked, NULL, 0, &found, &err),
                     PL_ERR_USAGE); /* without v_proj */
    asked.measured.glob = "3.[qkv]_proj";
    pl_check_ok(pl_allocation_run(demo_context(&d), &asked, NULL, 0, &found, &err), err);
    pl_allocated_deinit(&found);
    asked.measured = (pl_sensitivity){.glob = "3.[kv]_proj"};
    pl_check_ok(pl_allocation_run(demo_context(&d), &asked, NULL, 0, &found, &err), err);
    pl_allocated_deinit(&found);
    demo_lab_deinit(&d);
}

/* Layers in no unit keep their methods while the outcome is measured. */
static void test_others_keep_theirs(void **ctx)
{
    (void)ctx;
    enum { LENGTH = 64 };
    demo_lab d;
    pl_error err;
    pl_allocated found;
    pl_solve_report total;
    pl_quantized q;
    pl_hooks hooks;
    pl_ppl_result alone;
    int32_t ids[LENGTH];
    for (size_t i = 0; i < LENGTH; i++) {
        ids[i] = (int32_t)(5 + i * i % 200);
    }
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=2");
    pl_allocating asked = {.average = 3.5,
                           .choices = {{2, -1}, {8, -1}},
                           .n_choices = 2,
                           .by = PL_BY_ERROR,
                           .test = ids,
                           .n_test = LENGTH,
                           .test_windows = {.length = LENGTH}};
    asked.measured.glob = "3.[qk]_proj";
    pl_check_ok(pl_allocation_run(demo_context(&d), &asked, NULL, 0, &found, &err), err);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        if (found.unit_of[i] >= 0) {
            pl_check_ok(
                pl_allocation_set(&d.state, i, asked.choices[found.chosen[found.unit_of[i]]], &err),
                err);
        }
    }
    pl_check_ok(pl_solve_all(demo_context(&d), false, take_result, &d.state, &total, &err), err);
    pl_check_ok(pl_quantized_init(&q, demo_context(&d), PL_WHICH_AFTER, &hooks, &err), err);
    pl_check_ok(pl_perplexity(d.state.source->model, ids, LENGTH, &asked.test_windows, &hooks, true,
                              &alone, NULL, &err),
                err);
    pl_quantized_deinit(&q);
    pl_check_close(found.test[0].perplexity, alone.perplexity, 1e-12, 0);
    pl_allocated_deinit(&found);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_every_choice),
        cmocka_unit_test(test_curve),
        cmocka_unit_test(test_uniform_losses),
        cmocka_unit_test(test_least_is_cheapest),
        cmocka_unit_test(test_average_is_kept_at_the_ends),
        cmocka_unit_test(test_alike_prices),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_rounder_of_an_input),
        cmocka_unit_test(test_others_keep_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
