#include "core/method/method.h"

#include "tests/support/check.h"

#include <stdlib.h>

static void check_format(const pl_spec *spec, const char *expected)
{
    pl_buf text = {0};
    pl_spec_format(spec, &text);
    assert_string_equal(text.data, expected);
    pl_buf_deinit(&text);
}

static pl_spec spec_of(const char *name)
{
    const pl_method *method = pl_method_find(name);
    assert_non_null(method);
    return pl_spec_default(method);
}

static void defaults(void **state)
{
    (void)state;
    pl_spec spec = spec_of("astro");
    check_format(&spec, "astro target=0.2 group_size=128 solver=admm iterations=20 gap=0 rho=0");
    pl_error err;
    pl_check_ok(pl_spec_set(&spec, "solver", "pgd", &err), err);
    check_format(&spec, "astro target=0.2 group_size=128 solver=pgd steps=200");
    pl_check_ok(pl_spec_set(&spec, "beta", "3e-4", &err), err); /* beta rules where it is given */
    check_format(&spec, "astro beta=0.0003 group_size=128 solver=pgd steps=200");
    spec = spec_of("magr");
    check_format(&spec, "magr target=0.2 group_size=128 solver=admm iterations=20 gap=0 rho=0");
    spec = spec_of("rtn");
    check_format(&spec, "rtn bits=4 group_size=128 symmetric=yes mse=no scale_dtype=f16");
    spec = spec_of("gptq");
    check_format(&spec, "gptq bits=4 group_size=128 symmetric=yes mse=no scale_dtype=f16 "
                        "damping=0.01 act_order=no static_groups=no");
    check_format(&(pl_spec){0}, "none");
    assert_null(pl_method_find("nosuch"));
}

/* Every table is sound: defaults in range, choices that match, helps that are there. */
static void tables(void **state)
{
    (void)state;
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        expect_at_most((*m)->n_params, PL_MAX_PARAMS);
        assert_ptr_equal(pl_method_find((*m)->name), *m);
        assert_int_equal((*m)->slot == PL_SLOT_PRECONDITION, (*m)->precondition != NULL);
        assert_int_equal((*m)->slot == PL_SLOT_ROUND, (*m)->round != NULL);
        for (size_t i = 0; i < (*m)->n_params; i++) {
            const pl_param *p = &(*m)->params[i];
            expect_at_most(p->minimum, p->initial);
            expect_at_most(p->initial, p->maximum);
            expect_less(0.0, p->step);
            assert_int_not_equal(p->help[0], '\0');
            assert_non_null(p->unit);
            assert_int_equal(pl_method_param(*m, p->name), i);
            size_t choices = 0;
            while (p->choices != NULL && p->choices[choices] != NULL) {
                choices++;
            }
            if (p->type == PL_PARAM_CHOICE) {
                expect_close(p->maximum, (double)choices - 1.0, 0);
            }
            if (p->conditional) {
                assert_int_equal((*m)->params[p->needs].type, PL_PARAM_CHOICE);
                expect_at_most(p->needs_value, (*m)->params[p->needs].maximum);
            }
            assert_true(!p->sought || (p->sought_by != i && (*m)->params[p->sought_by].optional));
            if (p->telling) { /* one of them at most */
                assert_int_equal(pl_method_telling(*m), i);
            }
        }
        expect_at_most((*m)->n_reported, PL_MAX_REPORTED);
        for (size_t i = 0; i < (*m)->n_reported; i++) {
            const pl_reported *r = &(*m)->reported[i];
            assert_int_not_equal(r->name[0], '\0');
            assert_int_not_equal(r->help[0], '\0');
            assert_non_null(r->unit);
        }
        if ((*m)->slot == PL_SLOT_ROUND) { /* begins as every rounder's table */
            const pl_method *rtn = pl_method_find("rtn");
            for (size_t i = 0; i < PL_GRID_COUNT; i++) {
                assert_string_equal((*m)->params[i].name, rtn->params[i].name);
            }
        }
    }
    assert_string_equal(pl_slot_name(PL_SLOT_ROUND), "round");
}

static void round_trip(void **state)
{
    (void)state;
    const char *const values[] = {"1e-09", "0.1",     "0.30000000000000004",
                                  "1e-05", "123.456", "1000"};
    pl_error err;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        pl_spec spec = spec_of("astro");
        pl_buf text = {0};
        pl_check_ok(pl_spec_set(&spec, "beta", values[i], &err), err);
        pl_spec_format_value(&spec, 0, &text);
        assert_string_equal(text.data, values[i]);
        pl_buf_deinit(&text);
    }
    pl_spec a = spec_of("gptq"), b = spec_of("gptq");
    assert_true(pl_spec_equal(&a, &b));
    pl_check_ok(pl_spec_set(&a, "group_size", "1000000", &err), err);
    assert_false(pl_spec_equal(&a, &b));
    check_format(&a, "gptq bits=4 group_size=1000000 symmetric=yes mse=no scale_dtype=f16 "
                     "damping=0.01 act_order=no static_groups=no");
    pl_check_ok(pl_spec_set(&a, "symmetric", "full", &err), err);
    pl_check_ok(pl_spec_set(&a, "scale_dtype", "bf16", &err), err);
    pl_check_ok(pl_spec_set(&a, "mse", "yes", &err), err);
    pl_check_ok(pl_spec_set(&a, "bits", "3e0", &err), err);
    const pl_grid grid = pl_spec_grid(&a);
    assert_int_equal(grid.bits, 3);
    assert_int_equal(grid.group_size, 1000000);
    assert_true(grid.mse);
    assert_ptr_equal(grid.format, &pl_format_full);
    assert_int_equal(grid.scale_dtype, PL_BF16);
    const pl_spec other = spec_of("rtn");
    assert_false(pl_spec_equal(&b, &other));
}

static void refusals(void **state)
{
    (void)state;
    const struct {
        const char *method, *key, *value, *says;
    } bad[] = {
        {"astro", "gamma", "1",
         "method astro has no parameter \"gamma\"; it has beta, target, group_size"},
        {"astro", "beta", "abc", "method astro: beta=abc: a number from 1e-09 to 1000 expected"},
        {"astro", "beta", "0", "from 1e-09"},
        {"astro", "beta", "nan", "beta=nan"},
        {"astro", "beta", "inf", "beta=inf"},
        {"astro", "beta", "0x1", "beta=0x1"},
        {"astro", "beta", "", "a number"},
        {"astro", "beta", " 1", "a number"},
        {"astro", "beta", "1e-4x", "a number"},
        {"astro", "solver", "fista", "solver=fista: one of admm, pgd expected"},
        {"gptq", "bits", "2.5", "bits=2.5: a whole number from 2 to 8 expected"},
        {"gptq", "bits", "9", "bits=9"},
        {"gptq", "group_size", "-1", "a whole number from 0"},
        {"rtn", "symmetric", "maybe", "one of no, yes, full"},
        {"rtn", "damping", "0.1", "method rtn has no parameter \"damping\""},
    };
    pl_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pl_spec spec = spec_of(bad[i].method);
        const pl_spec before = spec;
        assert_int_equal(pl_spec_set(&spec, bad[i].key, bad[i].value, &err), PL_ERR_USAGE);
        pl_check_says(err, bad[i].says);
        assert_true(pl_spec_equal(&spec, &before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(tables),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
