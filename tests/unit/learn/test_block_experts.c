/* FlatQuant on a mixture of experts: what its sites share, and that its transforms keep the block's
 * function as long as nothing is rounded.  Gradients are test_block.c's. */
#include "core/learn/block.h"

#include "core/base/rng.h"
#include "core/tensor/linalg.h"
#include "tests/support/formula_cases.h"
#include "tests/support/own_folder.h"
#include "tests/support/ref_block.h"

#include <math.h>

enum { LENGTH = 16, WINDOWS = 3 };

typedef struct mixture {
    pl_model *model;
    pl_tape *tape;
    pl_grid grid;
    pl_block_input in;
    pl_block_layout at;
    pl_site_input sites[PL_REF_SITES];
    pl_view views[PL_REF_SITES];
    float *max_abs[PL_REF_SITES];
    float *x, *y, *target; /* [rows, hidden] */
    double *params;
    pl_transform *turns[PL_REF_SITES];
    float *turned[PL_REF_SITES]; /* [rows, cols] W T^-T */
} mixture;

static json_t *values;

static float *zeros(size_t count)
{
    float *all = calloc(count, sizeof *all);
    assert_non_null(all);
    return all;
}

static size_t states(const mixture *m)
{
    return (size_t)LENGTH * WINDOWS * m->in.hidden;
}

static void describe_sites(mixture *m, size_t first, const pl_act_grid *act)
{
    m->in.mixture = m->in.n_sites;
    for (size_t i = 0; i < m->in.n_sites; i++) {
        const pl_site *site = pl_model_site(m->model, first + i);
        size_t rows, cols;
        const float *w = pl_tape_weights(m->tape, i, &rows, &cols);
        if (site->expert != PL_NO_EXPERT && i < m->in.mixture) {
            m->in.mixture = i;
        }
        m->max_abs[i] = zeros(cols);
        for (size_t c = 0; c < cols; c++) {
            m->max_abs[i][c] = 1.0f + 0.5f * formula_number(site->name, c);
        }
        m->views[i] = (pl_view){w, rows, cols, cols};
        m->sites[i] = (pl_site_input){.site = site->name,
                                      .n = cols,
                                      .weights = &m->views[i],
                                      .n_weights = 1,
                                      .max_abs = m->max_abs[i],
                                      .grid = &m->grid,
                                      .activations = *act};
    }
}

static void open_mixture(mixture *m, pl_temp *temp, const char *name, size_t block, int bits)
{
    pl_error err = {0};
    const pl_act_grid act = {.bits = bits, .format = &pl_format_asymmetric, .clip = 1.0};
    *m = (mixture){.grid = {.bits = bits, .format = &pl_format_asymmetric, .scale_dtype = PL_F32}};
    formula_write_hf(formula_case(values, name), temp);
    pl_check_ok(pl_model_open(temp->folder, &m->model, &err), err);
    const pl_config *c = pl_model_config(m->model);
    pl_check_ok(pl_tape_create(m->model, LENGTH, WINDOWS, &m->tape, &err), err);
    pl_check_ok(pl_tape_load(m->tape, block, NULL, &err), err);
    size_t first;
    m->in = (pl_block_input){.name = name,
                             .sites = m->sites,
                             .n_sites = pl_model_block_sites(m->model, block, &first),
                             .latent = c->kv_latent > 0,
                             .heads = c->heads,
                             .kv_heads = c->kv_heads,
                             .head_dim = c->head_dim,
                             .tape = m->tape,
                             .windows = WINDOWS,
                             .length = LENGTH,
                             .hidden = c->hidden_size};
    expect_at_most(m->in.n_sites, PL_REF_SITES);
    describe_sites(m, first, &act);
    expect_less(m->in.mixture, m->in.n_sites);
    m->x = zeros(states(m));
    m->y = zeros(states(m));
    m->target = zeros(states(m));
    for (size_t i = 0; i < states(m); i++) {
        m->x[i] = formula_number("block input", i);
    }
    m->in.x = m->x;
    pl_check_ok(pl_block_layout_init(&m->at, &m->in, &err), err);
    m->params = calloc(m->at.count, sizeof *m->params);
    assert_non_null(m->params);
    pl_check_ok(pl_block_start(&m->at, &m->in, 0.3, 1, m->params, &err), err);
}

static void close_mixture(mixture *m)
{
    for (size_t i = 0; i < m->in.n_sites; i++) {
        free(m->max_abs[i]);
        free(m->turned[i]);
        pl_transform_destroy(m->turns[i]);
    }
    free(m->x);
    free(m->y);
    free(m->target);
    free(m->params);
    pl_block_layout_deinit(&m->at);
    pl_tape_destroy(m->tape);
    pl_model_close(m->model);
}

/* --- what is shared --------------------------------------------------------------------------- */

/* The experts' gate and up have one T and one clipping of inputs, rows of their own; down has all
 * of its own; and no two parts that are not shared overlap. */
static void experts_share_the_transform_of_their_input(void **state)
{
    mixture m;
    open_mixture(&m, *state, "qwen2_moe", 0, 4);
    const pl_flat_layout *shared = &m.at.sites[m.in.mixture];
    size_t *uses = calloc(m.at.count, sizeof *uses);
    assert_non_null(uses);
    for (size_t i = 0; i < m.in.n_sites; i++) {
        const pl_flat_layout *at = &m.at.sites[i];
        const bool first = pl_block_turn(&m.at, i) == i;
        assert_int_equal(first, i <= m.in.mixture || (i - m.in.mixture) % 2 == 1);
        if (!first) {
            assert_int_equal(at->first, shared->first);
            assert_int_equal(at->second, shared->second);
            assert_int_equal(at->scale, shared->scale);
            assert_int_equal(at->input_low, shared->input_low);
            assert_int_equal(at->input_high, shared->input_high);
        }
        const struct {
            size_t first, count;
        } parts[] = {{at->weight_low, at->rows * at->groups},
                     {at->weight_high, at->rows * at->groups},
                     {at->first, first ? at->n1 * at->n1 : 0},
                     {at->second, first ? at->n2 * at->n2 : 0},
                     {at->scale, first && at->scale != PL_FLAT_NONE ? at->n : 0},
                     {at->input_low, first ? 1 : 0},
                     {at->input_high, first ? 1 : 0}};
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            for (size_t k = 0; k < parts[p].count; k++) {
                uses[parts[p].first + k]++;
            }
        }
    }
    for (size_t i = 0; i < m.at.count; i++) {
        assert_int_equal(uses[i], 1);
    }
    /* It starts from the rows of all experts, and from the largest inputs of any. */
    for (size_t c = 0; c < shared->n; c++) {
        float row = 0.0f, input = 0.0f;
        for (size_t i = m.in.mixture; i < m.in.n_sites; i += 2) {
            input = fmaxf(input, m.max_abs[i][c]);
            for (size_t r = 0; r < m.views[i].rows; r++) {
                row = fmaxf(row, fabsf(m.views[i].data[r * shared->n + c]));
            }
        }
        expect_close(m.params[shared->scale + c], 0.7 * log((double)row) - 0.3 * log((double)input),
                     1e-12);
    }
    free(uses);
    close_mixture(&m);
}

/* --- the function ----------------------------------------------------------------------------- */

static pl_status turn_input(void *ctx, size_t site, const float *x, size_t rows, float *out,
                            pl_error *err)
{
    const mixture *m = ctx;
    memcpy(out, x, rows * m->sites[site].n * sizeof *out);
    return pl_transform_inputs(m->turns[site], out, rows, NULL, err);
}

static const struct {
    const char *name;
    size_t block;
} mixtures[] = {{"mixtral", 0}, {"qwen2_moe", 0},    {"qwen3_moe", 1},   {"olmoe", 0},
                {"gpt_oss", 0}, {"llama4_plain", 1}, {"deepseek_v2", 1}, {"deepseek_v3", 2}};

enum { MIXTURES = sizeof mixtures / sizeof *mixtures };

static void stir_params(mixture *m)
{
    pl_rng rng;
    pl_rng_init(&rng, 5);
    for (size_t i = 0; i < m->at.clips; i++) {
        m->params[i] += 0.1 * pl_rng_normal(&rng);
    }
}

/* Whatever the parameters: with all sites in the coordinates of their transforms and nothing
 * rounded, the block gives what it gave. */
static void transforms_keep_the_function(void **state)
{
    for (size_t k = 0; k < MIXTURES; k++) {
        pl_error err = {0};
        mixture m;
        const float *weights[PL_REF_SITES];
        double most = 0.0;
        open_mixture(&m, *state, mixtures[k].name, mixtures[k].block, 4);
        stir_params(&m);
        for (size_t i = 0; i < m.in.n_sites; i++) {
            const size_t count = m.views[i].rows * m.views[i].cols;
            pl_check_ok(pl_block_transform(&m.at, i, m.params, &m.turns[i], &err), err);
            m.turned[i] = zeros(count);
            memcpy(m.turned[i], m.views[i].data, count * sizeof(float));
            pl_check_ok(pl_transform_weights(m.turns[i], m.turned[i], m.views[i].rows, NULL, &err),
                        err);
            weights[i] = m.turned[i];
            for (size_t c = 0; c < count; c++) {
                most = fmax(most, fabs((double)(m.turned[i][c] - m.views[i].data[c])));
            }
        }
        expect_less(0.1, most);
        const pl_tape_hooks hooks = {.ctx = &m, .weights = weights, .input = turn_input};
        pl_check_ok(pl_tape_forward(m.tape, m.x, WINDOWS, NULL, m.target, NULL, &err), err);
        pl_check_ok(pl_tape_forward(m.tape, m.x, WINDOWS, &hooks, m.y, NULL, &err), err);
        for (size_t i = 0; i < states(&m); i++) {
            expect_close(m.y[i], m.target[i], 1e-4);
        }
        close_mixture(&m);
    }
}

/* What the objective computes agrees with that: at 16 bits nothing to speak of is lost, at 4 bits
 * much. */
static void wide_grids_lose_nothing(void **state)
{
    for (size_t k = 0; k < 2 * MIXTURES; k++) {
        pl_error err = {0};
        mixture m;
        pl_block_objective o;
        double lost = 0.0;
        const bool wide = k < MIXTURES;
        open_mixture(&m, *state, mixtures[k % MIXTURES].name, mixtures[k % MIXTURES].block,
                     wide ? 16 : 4);
        stir_params(&m);
        for (size_t i = m.at.clips; i < m.at.count; i++) {
            m.params[i] = 30.0;
        }
        pl_check_ok(pl_block_objective_init(&o, &m.in, WINDOWS, 3, NULL, &err), err);
        pl_check_ok(pl_block_objective_value(&o, m.params, 0, &lost, NULL, NULL, &err), err);
        if (wide) {
            expect_less(lost, 1e-7);
        } else {
            expect_less(1e-3, lost);
        }
        pl_block_objective_deinit(&o);
        close_mixture(&m);
    }
}

int main(void)
{
    pl_error err = {0};
    if (pl_linalg_set_threads(1, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    values = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(experts_share_the_transform_of_their_input, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(transforms_keep_the_function, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wide_grids_lose_nothing, set_up, tear_down),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
