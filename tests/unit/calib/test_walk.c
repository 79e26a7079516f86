/* The walk of sequential solving: what the layers of a part see comes from everything before it as
 * the hooks have it, and from nothing else, on every architecture and whatever parts are left out.
 */
#include "core/calib/calib.h"
#include "tests/support/formula_cases.h"

#include <math.h>

enum { LENGTH = 32, WINDOWS = 3, TEXT = 100, SAMPLE = 40, COLS = 96 };

static json_t *values;

typedef struct fixture {
    pl_temp temp, folder;
    pl_model *model;
    pl_store *store;
    int32_t ids[TEXT];
    pl_tokens tokens;
    pl_calib_spec spec;
} fixture;

static void open_fixture(fixture *f, const char *name)
{
    pl_error err;
    *f = (fixture){0};
    pl_temp_init_fast(&f->temp);
    pl_temp_init_fast(&f->folder);
    formula_write_hf(formula_case(values, name), &f->temp);
    pl_check_ok(pl_model_open(f->temp.folder, &f->model, &err), err);
    pl_check_ok(pl_store_open(f->folder.folder, 0, &f->store, &err), err);
    formula_ids(FORMULA_VOCAB, f->ids, TEXT);
    f->tokens = (pl_tokens){.ids = f->ids, .count = TEXT, .text = {1, 2}};
    f->spec = (pl_calib_spec){.model = f->model,
                              .tokens = &f->tokens,
                              .protocol = {.length = LENGTH, .windows = WINDOWS},
                              .sample_rows = SAMPLE};
}

static void close_fixture(fixture *f)
{
    pl_store_close(f->store);
    pl_model_close(f->model);
    pl_temp_deinit(&f->folder);
    pl_temp_deinit(&f->temp);
}

static size_t part_of(const pl_model *model, size_t site)
{
    const pl_site *at = pl_model_site(model, site);
    const pl_site_role *roles = NULL;
    return at->block * pl_model_parts(model, &roles) + pl_model_part_number(model, at->role);
}

/* --- as a quantized model would run, without quantizing: every layer has other weights, and every
 * input is another than the one that is seen ----------------------------------------------------
 */

static pl_status other_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    pl_model *model = *(pl_model **)ctx;
    const pl_layer *l = pl_model_layer(model, layer);
    *provided = 1;
    pl_status status = pl_model_read_weight(model, layer, out, err);
    for (size_t i = 0; status == PL_OK && i < l->rows * l->cols; i++) {
        out[i] *= i % 3 == 0 ? 0.75f : 1.0f;
    }
    return status;
}

static void other_values(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = rintf(x[i] * 64.0f) / 64.0f;
    }
}

static pl_status other_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                             size_t cols, pl_error *err)
{
    (void)ctx;
    (void)site;
    (void)window;
    (void)err;
    other_values(x, rows * cols);
    return PL_OK;
}

static pl_status other_cache(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                             pl_error *err)
{
    (void)ctx;
    (void)block;
    (void)err;
    other_values(x, rows * cols);
    return PL_OK;
}

/* --- and beside it the original model: the inputs of both, row by row of the text ---------------
 */

typedef struct inputs {
    float x[2][WINDOWS * LENGTH][COLS]; /* of the original, of the other one */
    bool seen[2][WINDOWS * LENGTH];     /* an expert sees some tokens only */
} inputs;

typedef struct both {
    bool original;
    inputs *sites;
    pl_model *model;
    pl_forward *forward;
} both;

static pl_status note_both(void *ctx, size_t site, size_t window, float *x, size_t rows,
                           size_t cols, pl_error *err)
{
    both *b = ctx;
    const size_t which = b->original ? 0 : 1;
    (void)err;
    const uint32_t *at = pl_forward_rows(b->forward);
    expect_at_most(cols, COLS);
    for (size_t r = 0; r < rows; r++) {
        const size_t row = window * LENGTH + (at != NULL ? at[r] : r);
        memcpy(b->sites[site].x[which][row], x + r * cols, cols * sizeof *x);
        b->sites[site].seen[which][row] = true;
    }
    if (!b->original) {
        other_values(x, rows * cols);
    }
    return PL_OK;
}

static pl_status weight_of_both(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    both *b = ctx;
    *provided = 0;
    return b->original ? PL_OK : other_weight(&b->model, layer, out, provided, err);
}

static void run_one(fixture *f, both *b)
{
    pl_error err;
    const size_t hidden = pl_model_config(f->model)->hidden_size;
    float *x = malloc(WINDOWS * LENGTH * hidden * sizeof *x);
    assert_non_null(x);
    const pl_hooks hooks = {.ctx = b, .weight = weight_of_both, .input = note_both};
    pl_check_ok(pl_forward_create(f->model, LENGTH, &b->forward, &err), err);
    pl_check_ok(pl_forward_embed(b->forward, f->ids, WINDOWS * LENGTH, x, &err), err);
    for (size_t block = 0; block < pl_model_config(f->model)->blocks; block++) {
        pl_check_ok(pl_forward_load(b->forward, block, &hooks, NULL, &err), err);
        for (size_t w = 0; w < WINDOWS; w++) {
            pl_check_ok(
                pl_forward_run(b->forward, x + w * LENGTH * hidden, LENGTH, w, &hooks, NULL, &err),
                err);
        }
    }
    pl_forward_destroy(b->forward);
    free(x);
}

/* The inputs of every site, of both models; the caller's. */
static inputs *run_both(fixture *f)
{
    inputs *sites = calloc(pl_model_site_count(f->model), sizeof *sites);
    both b = {.sites = sites, .model = f->model};
    assert_non_null(sites);
    for (int i = 0; i < 2; i++) {
        b.original = i == 0;
        run_one(f, &b);
    }
    return sites;
}

/* D = (X0 - X)^T X / T, where an expert's tokens are those of the other model, of which one that
 * the original sends elsewhere counts as the same in both. */
static void check_cross(fixture *f, const inputs *in, pl_id key, size_t site)
{
    pl_error err;
    float *cross = NULL;
    const size_t n = pl_model_site(f->model, site)->cols;
    pl_check_ok(pl_calib_load_cross(f->store, key, f->model, site, &cross, &err), err);
    double tokens = 0.0, largest = 0.0;
    for (size_t r = 0; r < WINDOWS * LENGTH; r++) {
        tokens += in->seen[1][r] ? 1.0 : 0.0;
    }
    for (size_t i = 0; i < n; i++) {
        double sum[COLS] = {0}, scale[COLS] = {0};
        for (size_t r = 0; r < WINDOWS * LENGTH; r++) {
            if (in->seen[0][r] && in->seen[1][r]) {
                const double other = (double)in->x[1][r][i];
                const double lost = (double)in->x[0][r][i] - other;
                for (size_t k = 0; k < n; k++) {
                    const double at = (double)in->x[1][r][k];
                    sum[k] += lost * at;
                    scale[k] += fabs(lost * at) + 1e-3 * fabs(other * at);
                }
            }
        }
        for (size_t k = 0; k < n; k++) {
            largest = fmax(largest, fabs(sum[k]));
            pl_check_close((double)cross[i * n + k] * tokens, sum[k], 0, 1e-5 * scale[k] + 1e-30);
        }
    }
    if (site > 0 && tokens > 0.0 && pl_model_site(f->model, site)->expert >= PL_SHARED_EXPERT) {
        expect_less(0.0, largest); /* site 0 sees the embeddings of both */
    }
    free(cross);
}

/* --- plainly: whole blocks, and the inputs of each site noted before they are replaced ----------
 */

typedef struct noted_site {
    size_t rows;
    double gram[COLS * COLS];
} noted_site;

typedef struct noted {
    pl_model *model;
    noted_site *sites;
} noted;

static pl_status note_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                            size_t cols, pl_error *err)
{
    noted_site *n = &((noted *)ctx)->sites[site];
    (void)window;
    (void)err;
    expect_at_most(cols, COLS);
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * cols;
        for (size_t i = 0; i < cols; i++) {
            for (size_t k = 0; k < cols; k++) {
                n->gram[i * cols + k] += (double)row[i] * (double)row[k];
            }
        }
    }
    n->rows += rows;
    other_values(x, rows * cols);
    return PL_OK;
}

static void run_plainly(fixture *f, noted *n)
{
    pl_error err;
    pl_forward *forward = NULL;
    const size_t hidden = pl_model_config(f->model)->hidden_size;
    float *x = malloc(WINDOWS * LENGTH * hidden * sizeof *x);
    assert_non_null(x);
    const pl_hooks hooks = {.ctx = n,
                            .weight = other_weight,
                            .input = note_input,
                            .key = other_cache,
                            .value = other_cache};
    pl_check_ok(pl_forward_create(f->model, LENGTH, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, f->ids, WINDOWS * LENGTH, x, &err), err);
    for (size_t b = 0; b < pl_model_config(f->model)->blocks; b++) {
        pl_check_ok(pl_forward_load(forward, b, &hooks, NULL, &err), err);
        for (size_t w = 0; w < WINDOWS; w++) {
            pl_check_ok(
                pl_forward_run(forward, x + w * LENGTH * hidden, LENGTH, w, &hooks, NULL, &err),
                err);
        }
    }
    pl_forward_destroy(forward);
    free(x);
}

static void check_site(fixture *f, const noted_site *n, pl_id key, size_t site)
{
    pl_error err;
    pl_site_stats stats;
    pl_check_ok(
        pl_calib_load_site(f->store, key, f->model, site, PL_GRAM_SQUARE, true, &stats, &err), err);
    pl_check_close(stats.tokens, (double)n->rows, 0, 0);
    for (size_t i = 0; i < stats.n * stats.n && n->rows > 0; i++) {
        const double scale =
            sqrt(n->gram[i / stats.n * (stats.n + 1)] * n->gram[i % stats.n * (stats.n + 1)]);
        pl_check_close((double)stats.gram[i] * (double)n->rows, n->gram[i], 0, 1e-5 * scale);
    }
    pl_site_stats_deinit(&stats);
}

static void check_sites(fixture *f, pl_id key)
{
    const size_t count = pl_model_site_count(f->model);
    noted n = {.model = f->model, .sites = calloc(count, sizeof *n.sites)};
    assert_non_null(n.sites);
    run_plainly(f, &n);
    for (size_t s = 0; s < count; s++) {
        check_site(f, &n.sites[s], key, s);
    }
    free(n.sites);
}

/* Every part whose number leaves `rest` by `step`. */
static bool beside; /* walks have the original model along */

static pl_status try_walk(fixture *f, pl_id key, const pl_hooks *hooks, size_t step, size_t rest,
                          pl_error *err)
{
    pl_calib_walk *walk = NULL;
    pl_status status = pl_calib_walk_create(&f->spec, beside, &walk, NULL, err);
    const pl_site_role *roles = NULL;
    const size_t each = pl_model_parts(f->model, &roles);
    const size_t parts = pl_model_config(f->model)->blocks * each;
    for (size_t part = rest; status == PL_OK && part < parts; part += step) {
        for (int twice = 0; status == PL_OK && twice < 2; twice++) {
            status = pl_calib_walk_observe(walk, f->store, key, part / each, roles[part % each],
                                           hooks, NULL, err);
        }
    }
    pl_calib_walk_destroy(walk);
    return status;
}

static void walk(fixture *f, pl_id key, const pl_hooks *hooks, size_t step, size_t rest)
{
    pl_error err;
    pl_check_ok(try_walk(f, key, hooks, step, rest, &err), err);
}

/* The same with the least memory that does: hidden states on disk, and several rounds. */
static void walk_in_little_memory(fixture *f, pl_id key, const pl_hooks *hooks, size_t step,
                                  size_t rest)
{
    pl_error err;
    size_t tries = 0;
    pl_status status = PL_ERR_MEMORY;
    for (size_t limit = (size_t)96 << 20; status == PL_ERR_MEMORY; limit += 64 << 10) {
        f->spec.memory_limit = limit;
        status = try_walk(f, key, hooks, step, rest, &err);
        tries++;
    }
    pl_check_ok(status, err);
    expect_less(1, tries);
    f->spec.memory_limit = 0;
}

static const char *const architectures[] = {
    "mistral", "qwen2_window", "phi3_long",   "olmo2",   "gemma2", "qwen2_moe_mixed",
    "mixtral", "deepseek_v3",  "deepseek_v2", "gpt_oss", "llama4"};
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

static void test_parts_see_what_is_before_them(void **ctx)
{
    (void)ctx;
    for (size_t a = 0; a < ARCHITECTURES; a++) {
        fixture f;
        open_fixture(&f, architectures[a]);
        const pl_hooks hooks = {.ctx = &f.model,
                                .weight = other_weight,
                                .input = other_input,
                                .key = other_cache,
                                .value = other_cache};
        const pl_id key = {5, 6};
        walk(&f, key, &hooks, 1, 0);
        check_sites(&f, key);
        close_fixture(&f);
    }
}

/* What the store has under a key. */
static void check_same(fixture *f, pl_id ka, pl_id kb, size_t site)
{
    pl_error err;
    pl_site_stats a, b;
    pl_check_ok(pl_calib_load_site(f->store, ka, f->model, site, PL_GRAM_SQUARE, true, &a, &err),
                err);
    pl_check_ok(pl_calib_load_site(f->store, kb, f->model, site, PL_GRAM_SQUARE, true, &b, &err),
                err);
    assert_memory_equal(a.gram, b.gram, a.n * a.n * sizeof(float));
    assert_memory_equal(a.max_position, b.max_position, a.n * sizeof *a.max_position);
    assert_int_equal(a.sample_rows, b.sample_rows);
    assert_memory_equal(a.sample, b.sample, a.sample_rows * a.n * sizeof(float));
    pl_site_stats_deinit(&a);
    pl_site_stats_deinit(&b);
}

/* Without hooks it is the calibration; with parts left out, with little memory (several rounds, and
 * hidden states on disk), the bytes are the same. */
static void test_bytes_do_not_depend_on_the_way(void **ctx)
{
    (void)ctx;
    for (size_t a = 0; a < ARCHITECTURES; a++) {
        fixture f;
        pl_error err;
        pl_id whole;
        const pl_id key = {5, 6};
        open_fixture(&f, architectures[a]);
        pl_check_ok(pl_calib_run(&f.spec, f.store, &whole, NULL, NULL, &err), err);
        walk(&f, key, NULL, 1, 0);
        for (size_t s = 0; s < pl_model_site_count(f.model); s++) {
            check_same(&f, whole, key, s);
        }
        const pl_hooks hooks = {.ctx = &f.model, .weight = other_weight, .input = other_input};
        const pl_id all = {9, 1};
        walk(&f, all, &hooks, 1, 0);
        for (size_t step = 3; step < 7; step += 3) {
            const pl_id some = {9, step};
            (step == 6 ? walk_in_little_memory : walk)(&f, some, &hooks, step, step - 1);
            for (size_t s = 0; s < pl_model_site_count(f.model); s++) {
                pl_site_stats stats;
                const bool seen = part_of(f.model, s) % step == step - 1;
                if (seen) {
                    check_same(&f, all, some, s);
                } else {
                    assert_int_equal(pl_calib_load_site(f.store, some, f.model, s, PL_GRAM_NONE,
                                                        false, &stats, &err),
                                     PL_ERR_NOT_FOUND);
                }
            }
        }
        close_fixture(&f);
    }
}

/* The original model walks along: the statistics are the same bytes, with the products of both
 * models' inputs beside them, also where parts are left out or memory is short.  An entry without
 * is made anew. */
static void test_the_original_walks_along(void **ctx)
{
    (void)ctx;
    const char *const some[] = {"mistral", "gemma2", "qwen2_moe_mixed"};
    for (size_t a = 0; a < 3; a++) {
        fixture f;
        pl_error err;
        float *one = NULL, *two = NULL;
        open_fixture(&f, some[a]);
        const pl_hooks hooks = {.ctx = &f.model, .weight = other_weight, .input = other_input};
        const pl_id plain = {5, 6}, key = {5, 7}, little = {5, 8};
        walk(&f, plain, &hooks, 1, 0);
        walk(&f, key, &hooks, 3, 1);
        assert_int_equal(pl_calib_load_cross(f.store, plain, f.model, 0, &one, &err),
                         PL_ERR_NOT_FOUND);
        assert_non_null(strstr(err.message, "its statistics are without those of the original"));
        beside = true;
        walk(&f, key, &hooks, 1, 0);
        walk_in_little_memory(&f, little, &hooks, 3, 2);
        beside = false;
        inputs *const in = run_both(&f);
        for (size_t s = 0; s < pl_model_site_count(f.model); s++) {
            const size_t n = pl_model_site(f.model, s)->cols;
            check_same(&f, plain, key, s);
            check_cross(&f, &in[s], key, s);
            if (part_of(f.model, s) % 3 == 2) {
                check_same(&f, plain, little, s);
                pl_check_ok(pl_calib_load_cross(f.store, key, f.model, s, &one, &err), err);
                pl_check_ok(pl_calib_load_cross(f.store, little, f.model, s, &two, &err), err);
                assert_memory_equal(one, two, n * n * sizeof *one);
                free(one);
                free(two);
            }
        }
        free(in);
        close_fixture(&f);
    }
}

static void test_there_is_no_way_back(void **ctx)
{
    (void)ctx;
    fixture f;
    pl_error err;
    pl_calib_walk *walk = NULL;
    const pl_id key = {5, 6};
    open_fixture(&f, "mistral");
    pl_check_ok(pl_calib_walk_create(&f.spec, false, &walk, NULL, &err), err);
    pl_check_ok(pl_calib_walk_observe(walk, f.store, key, 1, PL_SITE_O, NULL, NULL, &err), err);
    assert_int_equal(pl_calib_walk_observe(walk, f.store, key, 0, PL_SITE_DOWN, NULL, NULL, &err),
                     PL_ERR_STATE);
    pl_calib_walk_destroy(walk);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_see_what_is_before_them),
        cmocka_unit_test(test_bytes_do_not_depend_on_the_way),
        cmocka_unit_test(test_the_original_walks_along),
        cmocka_unit_test(test_there_is_no_way_back),
    };
    values = formula_cases();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
