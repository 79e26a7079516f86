/* Times of a layer and its block: what their rows say, and what a stop leaves. */
#include "core/study/latency.h"

#include "core/base/json.h"
#include "core/tensor/int8.h"
#include "core/tensor/linalg.h"
#include "tests/support/demo_lab.h"

#include <string.h>

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    assert_non_null(text);
    return text;
}

static bool is_of(const json_t *row, const json_t *like, bool none)
{
    return strcmp(text_of(row, "part"), text_of(like, "part")) == 0 &&
           strcmp(text_of(row, "phase"), text_of(like, "phase")) == 0 &&
           (none ? strcmp(text_of(row, "online"), "none") == 0
                 : strcmp(text_of(row, "product"), text_of(like, "product")) == 0 &&
                       strcmp(text_of(row, "online"), text_of(like, "online")) == 0 &&
                       strcmp(text_of(row, "transform"), "none") == 0);
}

static double speedup_like(const json_t *rows, const json_t *like, bool none, const char *key)
{
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(rows, i, row)
    {
        if (is_of(row, like, none)) {
            return pl_json_number_of(row, key);
        }
    }
    fail();
    return 0.0;
}

/* speedup and slowdown are what their definitions make of the seconds; nothing is calibrated. */
static void test_rows(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    json_t *found = NULL, *again = NULL;
    pl_buf said = {0};
    demo_lab_init(&d);
    const pl_latency_spec spec = {.layer = d.state.layer, .tokens = 8, .repeats = 3};
    assert_int_equal(pl_latency_load(demo_context(&d), spec.layer, "plot", &again, NULL, &err),
                     PL_ERR_STATE);
    assert_non_null(strstr(err.message, "not timed on this machine yet: `cost measure=yes`"));
    pl_check_ok(pl_latency_run(demo_context(&d), &spec, "cost\n", &found, &err), err);
    const json_t *rows = json_object_get(found, "rows");
    const bool int8 = pl_int8_missing() == NULL;
    assert_int_equal(json_array_size(rows), int8 ? 84 : 44);
    assert_true(json_is_string(json_object_get(found, int8 ? "int8_kernel" : "int8_missing")));
    expect_close(pl_json_number_of(found, "threads"), pl_linalg_threads(), 0);
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(rows, i, row)
    {
        const double seconds = pl_json_number_of(row, "seconds");
        const bool plain = strcmp(text_of(row, "online"), "none") == 0;
        expect_less(0.0, seconds);
        expect_at_most(pl_json_number_of(row, "seconds_q1"), seconds);
        expect_at_most(seconds, pl_json_number_of(row, "seconds_q3"));
        expect_less(0.0, pl_json_number_of(row, "product_seconds"));
        pl_check_close(pl_json_number_of(row, "speedup"),
                       speedup_like(rows, row, true, "seconds") / seconds, 1e-9, 0);
        if (!plain) {
            expect_less(0.0, pl_json_number_of(row, "online_seconds"));
            pl_check_close(pl_json_number_of(row, "slowdown"),
                           speedup_like(rows, row, false, "speedup") -
                               pl_json_number_of(row, "speedup"),
                           0, 1e-12);
        }
        assert_string_equal(text_of(row, "processor"), text_of(found, "processor"));
    }
    pl_check_ok(pl_latency_load(demo_context(&d), spec.layer, "plot", &again, &said, &err), err);
    assert_true(json_equal(found, again));
    assert_string_equal(said.data, "cost\n");
    json_decref(found);
    json_decref(again);
    pl_buf_deinit(&said);
    demo_lab_deinit(&d);
}

typedef struct stopping {
    pl_task task;
    int ticks_left;
} stopping;

static void stop_soon(void *ctx)
{
    stopping *s = ctx;
    if (--s->ticks_left == 0) {
        atomic_store(&s->task.cancel, true);
    }
}

/* Stopped on the way nothing is kept, and the thread has all its processors again. */
static void test_stopped(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    json_t *found = NULL;
    const int processors = pl_linalg_processors();
    demo_lab_init(&d);
    stopping s = {.task = {.give_way = stop_soon, .ctx = &s}, .ticks_left = 60};
    const pl_latency_spec spec = {.layer = d.state.layer, .tokens = 8, .repeats = 50};
    assert_int_equal(
        pl_latency_run((pl_context){d.lab, &d.state, &s.task}, &spec, "cost\n", &found, &err),
        PL_ERR_CANCELLED);
    assert_null(found);
    assert_int_equal(s.ticks_left, 0);
    assert_int_equal(pl_linalg_processors(), processors);
    assert_int_equal(pl_latency_load(demo_context(&d), spec.layer, "plot", &found, NULL, &err),
                     PL_ERR_STATE);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
