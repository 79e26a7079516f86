/* What a session names and what a store holds is checked against the layer that asks for it: a key
 * may be another layer's, and an entry with a right checksum may be anybody's. */
#include "core/calib/calib_parts.h"
#include "core/lab/results.h"
#include "core/lab/transformed.h"
#include "core/lab/weights.h"
#include "tests/support/demo_lab.h"

#include <math.h>
#include <time.h>

enum { DEMO_K1 = 8, DEMO_DOWN1 = 13 }; /* [48, 144], [144, 400] */

static pl_result parts_of(demo_lab *d, size_t layer)
{
    pl_result parts;
    pl_error err;
    pl_check_ok(pl_result_read(d->lab, &d->state, layer, *pl_state_result(&d->state, layer), &parts,
                               NULL, &err),
                err);
    return parts;
}

static pl_status weights(demo_lab *d, size_t layer, pl_which which, pl_error *err)
{
    const pl_layer *info = pl_model_layer(d->state.source->model, layer);
    /* Of the layer's size to the byte, so that the sanitizers see what is written behind it. */
    float *out = malloc(info->rows * info->cols * sizeof *out);
    assert_non_null(out);
    pl_status status =
        pl_weights_read(demo_context(d), layer, (pl_weights_of){.which = which}, out, err);
    free(out);
    return status;
}

static void test_a_result_of_another_layer_is_named_and_not_used(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=3");
    (void)demo_solve(&d, DEMO_K1);
    (void)demo_solve(&d, DEMO_DOWN1);
    const pl_id own = d.state.solved[DEMO_K1].result, other = d.state.solved[DEMO_DOWN1].result;
    char hex[PL_ID_TEXT];
    pl_error err = {0};
    pl_solve_report report;
    for (int turn = 0; turn < 2; turn++) { /* the smaller layer's for the larger one, and back */
        const size_t layer = turn == 0 ? DEMO_K1 : DEMO_DOWN1;
        const pl_id wrong = turn == 0 ? other : own;
        d.state.solved[layer].result = wrong;
        pl_id_format(wrong, hex);
        for (pl_which which = PL_WHICH_PRECONDITIONED; which <= PL_WHICH_AFTER; which++) {
            assert_int_equal(weights(&d, layer, which, &err), PL_ERR_CHANGED);
            assert_non_null(strstr(err.message, hex));
            assert_non_null(strstr(err.message, "[48, 144]"));
            assert_non_null(strstr(err.message, "[144, 400]"));
        }
        assert_int_equal(pl_result_report(d.lab, &d.state, layer, wrong, &report, &err),
                         PL_ERR_CHANGED);
        d.state.solved[layer].result = turn == 0 ? own : other;
        pl_check_ok(weights(&d, layer, PL_WHICH_AFTER, &err), err);
    }
    /* A pin names a result too. */
    const pl_pin pin = {.layer = DEMO_K1, .result = other, .label = "rtn bits=3"};
    float *out = malloc(48 * 144 * sizeof *out);
    assert_int_equal(pl_weights_read(demo_context(&d), pin.layer,
                                     (pl_weights_of){.which = PL_WHICH_AFTER, .pin = &pin}, out,
                                     &err),
                     PL_ERR_CHANGED);
    assert_non_null(strstr(err.message, "rtn bits=3"));
    assert_non_null(strstr(err.message, "[144, 400]"));
    free(out);
    demo_lab_deinit(&d);
}

static void replace(demo_lab *d, const char *kind, pl_id key, json_t *about,
                    const pl_section *sections, size_t count)
{
    pl_error err;
    pl_store *store = pl_lab_store(d->lab);
    assert_non_null(about);
    pl_check_ok(pl_store_remove(store, kind, key, &err), err);
    pl_check_ok(pl_store_put(store, kind, key, about, sections, count, &err), err);
    json_decref(about);
}

static void test_a_forged_matrix_of_another_shape_is_not_used(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err = {0};
    demo_lab_init(&d);
    demo_method(&d.state, "astro");
    demo_method(&d.state, "rtn bits=3");
    (void)demo_solve(&d, DEMO_K1);
    const pl_result parts = parts_of(&d, DEMO_K1);
    const size_t large = 1 << 20;
    float *filler = calloc(large, sizeof *filler);
    assert_non_null(filler);
    const pl_section w = {"w", filler, large * sizeof *filler};
    const pl_section rounded[] = {{"codes", filler, large * sizeof(int16_t)},
                                  {"scales", filler, 1024 * sizeof(float)},
                                  {"zeros", filler, 1024 * sizeof(int16_t)},
                                  {"group_of", filler, 1024 * sizeof(uint32_t)}};
    /* As they say of themselves. */
    replace(&d, "precondition", parts.preconditioned,
            json_pack("{s:i, s:i}", "rows", 1024, "cols", 1024), &w, 1);
    replace(&d, "round", parts.rounded,
            json_pack("{s:i, s:i, s:{s:i, s:i}}", "rows", 1024, "cols", 1024, "grid", "bits", 3,
                      "group_size", 0),
            rounded, 4);
    for (pl_which which = PL_WHICH_PRECONDITIONED; which <= PL_WHICH_AFTER; which++) {
        assert_int_equal(weights(&d, DEMO_K1, which, &err), PL_ERR_CHANGED);
        assert_non_null(strstr(err.message, "[1024, 1024]"));
        assert_non_null(strstr(err.message, "[48, 144]"));
        assert_non_null(strstr(err.message, "self_attn.k_proj"));
    }
    /* As the layer asks, with other sections. */
    replace(&d, "precondition", parts.preconditioned,
            json_pack("{s:i, s:i}", "rows", 48, "cols", 144), &w, 1);
    assert_int_equal(weights(&d, DEMO_K1, PL_WHICH_PRECONDITIONED, &err), PL_ERR_NOT_FOUND);
    /* The result has gone with it: solving again makes all of it anew, and says so. */
    (void)demo_solve(&d, DEMO_K1);
    char *warning = pl_lab_take_warning(d.lab);
    assert_non_null(warning);
    assert_non_null(strstr(warning, "computed again"));
    free(warning);
    pl_check_ok(weights(&d, DEMO_K1, PL_WHICH_AFTER, &err), err);
    pl_check_ok(weights(&d, DEMO_K1, PL_WHICH_PRECONDITIONED, &err), err);
    free(filler);
    demo_lab_deinit(&d);
}

/* What certify=yes reads the scales from. */
static void test_codes_of_another_shape_are_not_read(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err = {0};
    pl_qweights q;
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=3");
    (void)demo_solve(&d, DEMO_K1);
    const pl_id key = parts_of(&d, DEMO_K1).rounded;
    pl_check_ok(pl_result_read_codes(d.lab, key, 48, 144, &q, &err), err);
    assert_int_equal(q.grid.bits, 3);
    pl_qweights_deinit(&q);
    assert_int_equal(pl_result_read_codes(d.lab, key, 48, 145, &q, &err), PL_ERR_CHANGED);
    assert_non_null(strstr(err.message, "[48, 144]"));
    assert_non_null(strstr(err.message, "[48, 145]"));
    assert_null(q.codes);
    demo_lab_deinit(&d);
}

static void test_a_forged_matrix_with_nan_is_not_used(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err = {0};
    demo_lab_init(&d);
    demo_method(&d.state, "astro");
    (void)demo_solve(&d, DEMO_K1);
    float *w = calloc(48 * 144, sizeof *w);
    assert_non_null(w);
    w[5] = NAN;
    const pl_section section = {"w", w, 48 * 144 * sizeof *w};
    replace(&d, "precondition", parts_of(&d, DEMO_K1).preconditioned,
            json_pack("{s:i, s:i}", "rows", 48, "cols", 144), &section, 1);
    assert_int_equal(weights(&d, DEMO_K1, PL_WHICH_AFTER, &err), PL_ERR_NOT_FOUND);
    free(w);
    demo_lab_deinit(&d);
}

static void test_a_transform_of_another_width_is_not_used(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err = {0};
    demo_lab_init(&d);
    demo_method(&d.state, "smoothquant");
    demo_method(&d.state, "rtn bits=3");
    (void)demo_solve(&d, DEMO_K1);
    const pl_result parts = parts_of(&d, DEMO_K1);
    pl_transform *t = NULL;
    assert_int_equal(pl_transform_read(d.lab, &d.state, DEMO_K1, parts.transform, &t), PL_OK);
    pl_transform_destroy(t);
    assert_int_equal(pl_transform_read(d.lab, &d.state, DEMO_DOWN1, parts.transform, &t),
                     PL_ERR_FORMAT);
    assert_null(t);
    float scale[400];
    for (size_t i = 0; i < 400; i++) {
        scale[i] = 2.0f;
    }
    const pl_section section = {"scale", scale, sizeof scale};
    for (int honest = 0; honest < 2; honest++) {
        replace(&d, "transform", parts.transform,
                json_pack("{s:s, s:i, s:i}", "kind", "scaling", "n", honest ? 400 : 144,
                          "clip_group_size", 0),
                &section, 1);
        assert_int_equal(weights(&d, DEMO_K1, PL_WHICH_AFTER, &err), PL_ERR_NOT_FOUND);
        assert_int_equal(pl_transform_read(d.lab, &d.state, DEMO_K1, parts.transform, &t),
                         PL_ERR_FORMAT);
        (void)demo_solve(&d, DEMO_K1);
        pl_check_ok(weights(&d, DEMO_K1, PL_WHICH_AFTER, &err), err);
        free(pl_lab_take_warning(d.lab));
    }
    demo_lab_deinit(&d);
}

static void test_a_calibration_of_another_model_is_not_used(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err = {0};
    demo_lab_init(&d);
    demo_method(&d.state, "gptq bits=3");
    (void)demo_solve(&d, DEMO_K1);
    /* The widest site's statistics under the narrowest one's key. */
    pl_id calibration;
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    pl_model *model = d.state.source->model;
    const size_t wide = pl_model_layer(model, DEMO_DOWN1)->site;
    const size_t site = pl_model_layer(model, DEMO_K1)->site;
    pl_site_stats stats = {0};
    pl_check_ok(pl_calib_load_site(pl_lab_store(d.lab), calibration, model, wide, PL_GRAM_SQUARE,
                                   true, &stats, &err),
                err);
    pl_check_ok(pl_calib_drop_site(pl_lab_store(d.lab), calibration, site, &err), err);
    pl_check_ok(pl_calib_put_site(pl_lab_store(d.lab), calibration, model, site, &stats, &err),
                err);
    pl_site_stats_deinit(&stats);
    assert_int_equal(pl_calib_load_site(pl_lab_store(d.lab), calibration, model, site,
                                        PL_GRAM_SQUARE, true, &stats, &err),
                     PL_ERR_FORMAT);
    assert_non_null(strstr(err.message, "400"));
    assert_non_null(strstr(err.message, "144"));
    /* Made again, with a warning that says why. */
    demo_lab_restart(&d);
    pl_site_stats again = {0};
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    pl_check_ok(
        pl_lab_load_site(demo_context(&d), calibration, site, PL_GRAM_SQUARE, false, &again, &err),
        err);
    assert_int_equal(again.n, 144);
    pl_site_stats_deinit(&again);
    demo_lab_deinit(&d);
}

/* A result that was found, not made, is wanted by the commands behind the one that found it, with
 * all that it refers to. */
static void check_that_it_stays(const char *transform)
{
    demo_lab d;
    pl_store *other = NULL;
    pl_error err = {0};
    demo_lab_init(&d);
    demo_method(&d.state, transform);
    demo_method(&d.state, "rtn bits=3");
    (void)demo_solve(&d, DEMO_K1);
    demo_lab_restart(&d);
    (void)demo_solve(&d, DEMO_K1);
    const struct timespec tick = {.tv_nsec = 20000000}; /* files are marked by ticks of 4 ms */
    (void)nanosleep(&tick, NULL);
    pl_lab_begin(d.lab);
    pl_check_ok(pl_store_open(d.store, 1, &other, &err), err); /* room for nothing */
    pl_check_ok(pl_store_trim(other, &err), err);
    pl_check_ok(weights(&d, DEMO_K1, PL_WHICH_AFTER, &err), err);
    pl_store_close(other);
    demo_lab_deinit(&d);
}

static void test_a_found_result_stays(void **ctx)
{
    (void)ctx;
    check_that_it_stays("hadamard");
    check_that_it_stays("kurtail steps=1 rows=16 online=no"); /* whose rotations are the model's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_found_result_stays),
        cmocka_unit_test(test_a_result_of_another_layer_is_named_and_not_used),
        cmocka_unit_test(test_a_forged_matrix_of_another_shape_is_not_used),
        cmocka_unit_test(test_codes_of_another_shape_are_not_read),
        cmocka_unit_test(test_a_forged_matrix_with_nan_is_not_used),
        cmocka_unit_test(test_a_transform_of_another_width_is_not_used),
        cmocka_unit_test(test_a_calibration_of_another_model_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
