/* A block's hand-written backward pass, on every dense architecture of the description table:
 * against central differences in float64 of a plain block (tests/support/ref_block.c), and against
 * PyTorch's autograd through transformers (tests/golden/make_tape_values.py). */
#include "core/model/model_parts.h"
#include "core/model/stream.h"
#include "core/model/tape.h"
#include "core/tensor/linalg.h"
#include "tests/support/formula_cases.h"
#include "tests/support/own_folder.h"
#include "tests/support/ref_block.h"

#include <math.h>

enum { LENGTH = 12, WINDOWS = 2, ROWS = LENGTH * WINDOWS };

static const char *const site_names[PL_SITE_ROLE_COUNT] = {"qkv", "o", "gate_up", "down"};

typedef struct block {
    pl_model *model;
    const pl_config *c;
    pl_tape *tape;
    size_t rows[PL_SITE_ROLE_COUNT], cols[PL_SITE_ROLE_COUNT];
    float *weights[PL_SITE_ROLE_COUNT]; /* the tape's */
    float *x, *y, *direction, *grad;    /* [ROWS, hidden] */
    pl_tape_sums sums;
} block;

static float *zeros(size_t count)
{
    float *all = calloc(count, sizeof *all);
    assert_non_null(all);
    return all;
}

static void open_block(block *b, const char *folder, size_t at)
{
    pl_error err = {0};
    pl_check_ok(pl_model_open(folder, &b->model, &err), err);
    b->c = pl_model_config(b->model);
    pl_check_ok(pl_tape_create(b->model, LENGTH, WINDOWS, &b->tape, &err), err);
    pl_check_ok(pl_tape_load(b->tape, at, NULL, &err), err);
    const size_t count = ROWS * b->c->hidden_size;
    b->x = zeros(count);
    b->y = zeros(count);
    b->direction = zeros(count);
    b->grad = zeros(count);
    for (size_t i = 0; i < count; i++) {
        b->x[i] = formula_number("block input", i);
        b->direction[i] = formula_number("block gradient", i);
    }
    for (pl_site_role r = 0; r < PL_SITE_ROLE_COUNT; r++) {
        b->weights[r] = pl_tape_weights(b->tape, r, &b->rows[r], &b->cols[r]);
        b->sums.weights[r] = zeros(b->rows[r] * b->cols[r]);
        b->sums.biases[r] = zeros(b->rows[r]);
    }
}

static void close_block(block *b)
{
    for (size_t r = 0; r < PL_SITE_ROLE_COUNT; r++) {
        free(b->sums.weights[r]);
        free(b->sums.biases[r]);
    }
    free(b->x);
    free(b->y);
    free(b->direction);
    free(b->grad);
    pl_tape_destroy(b->tape);
    pl_model_close(b->model);
}

/* The loss is the sum of y times the direction. */
static void differentiate(block *b, const pl_tape_hooks *hooks)
{
    pl_error err = {0};
    const size_t count = ROWS * b->c->hidden_size;
    pl_check_ok(pl_tape_forward(b->tape, b->x, WINDOWS, hooks, b->y, NULL, &err), err);
    memcpy(b->grad, b->direction, count * sizeof *b->grad);
    pl_check_ok(pl_tape_backward(b->tape, hooks, b->grad, &b->sums, NULL, &err), err);
}

/* --- against central differences -------------------------------------------------------------- */

typedef struct reference {
    pl_ref_block block;
    pl_forward *forward;
    double *x, *y;
} reference;

static double *to_doubles(const float *from, size_t count)
{
    double *all = calloc(count, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; from != NULL && i < count; i++) {
        all[i] = (double)from[i];
    }
    return all;
}

static void make_reference(const block *b, size_t at, reference *r)
{
    pl_error err = {0};
    pl_check_ok(pl_forward_create(b->model, LENGTH, &r->forward, &err), err);
    pl_check_ok(pl_forward_load(r->forward, at, NULL, NULL, &err), err);
    r->block = (pl_ref_block){.forward = r->forward, .config = b->c};
    const pl_step s = {.f = r->forward, .c = b->c, .length = LENGTH};
    pl_forward_turns(&s, &r->block.cosine, &r->block.sine);
    for (pl_site_role role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        r->block.weights[role] = to_doubles(b->weights[role], b->rows[role] * b->cols[role]);
        r->block.biases[role] = to_doubles(pl_tape_biases(b->tape, role), b->rows[role]);
    }
    r->x = to_doubles(b->x, ROWS * b->c->hidden_size);
    r->y = to_doubles(NULL, ROWS * b->c->hidden_size);
}

static void free_reference(reference *r)
{
    for (size_t role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        free(r->block.weights[role]);
        free(r->block.biases[role]);
    }
    free(r->x);
    free(r->y);
    pl_forward_destroy(r->forward);
}

static double loss(const block *b, reference *r)
{
    double sum = 0.0;
    pl_ref_block_run(&r->block, r->x, LENGTH, WINDOWS, r->y);
    for (size_t i = 0; i < ROWS * b->c->hidden_size; i++) {
        sum += r->y[i] * (double)b->direction[i];
    }
    return sum;
}

/* The slope along a direction that a formula gives, and along single values. */
static void check_group(const block *b, reference *r, const char *name, double *values,
                        const float *gradient, size_t count)
{
    static const double STEP = 1e-5;
    double *keep = to_doubles(NULL, count), most = 0.0, slope = 0.0;
    memcpy(keep, values, count * sizeof *keep);
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)gradient[i]));
        slope += (double)gradient[i] * (double)formula_number(name, i);
    }
    for (int way = 0; way < 5; way++) {
        const size_t single = (size_t)way * 7919 % count;
        double ends[2];
        for (int end = 0; end < 2; end++) {
            for (size_t i = 0; i < count; i++) {
                const double move =
                    way > 0 ? (i == single ? 1.0 : 0.0) : (double)formula_number(name, i);
                values[i] = keep[i] + (end == 0 ? STEP : -STEP) * move;
            }
            ends[end] = loss(b, r);
        }
        const double measured = (ends[0] - ends[1]) / (2.0 * STEP);
        expect_close(way > 0 ? (double)gradient[single] : slope, measured,
                     way > 0 ? 2e-5 * most + 1e-6 : 1e-5 * most * (double)count + 1e-6);
    }
    memcpy(values, keep, count * sizeof *keep);
    free(keep);
}

static void check_block(const char *folder, size_t at)
{
    block b = {0};
    reference r;
    open_block(&b, folder, at);
    make_reference(&b, at, &r);
    differentiate(&b, NULL);
    loss(&b, &r);
    for (size_t i = 0; i < ROWS * b.c->hidden_size; i++) {
        expect_close(b.y[i], r.y[i], 2e-5);
    }
    check_group(&b, &r, "input", r.x, b.grad, ROWS * b.c->hidden_size);
    for (size_t role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        check_group(&b, &r, site_names[role], r.block.weights[role], b.sums.weights[role],
                    b.rows[role] * b.cols[role]);
        check_group(&b, &r, "bias", r.block.biases[role], b.sums.biases[role], b.rows[role]);
    }
    free_reference(&r);
    close_block(&b);
}

static json_t *values;

static void every_gradient_agrees_with_differences(void **state)
{
    pl_temp *temp = *state;
    size_t i, dense = 0;
    json_t *about;
    json_array_foreach(json_object_get(values, "cases"), i, about)
    {
        pl_error err = {0};
        pl_model *model = NULL;
        pl_tape *tape = NULL;
        formula_write_hf(about, temp);
        pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
        const pl_config *c = pl_model_config(model);
        const size_t last = c->blocks - 1;
        const bool mixed = (c->block_kind[last] & PL_BLOCK_EXPERTS) != 0;
        const bool other = pl_model_need_backward(model, "this", NULL) != PL_OK;
        const bool refused = mixed || other;
        if (other) {
            assert_int_equal(pl_tape_create(model, LENGTH, WINDOWS, &tape, &err),
                             PL_ERR_UNSUPPORTED);
            pl_check_says(err, "this needs a block's backward pass, which there is none of here");
        } else if (mixed) {
            pl_check_ok(pl_tape_create(model, LENGTH, WINDOWS, &tape, &err), err);
            assert_int_equal(pl_tape_load(tape, last, NULL, &err), PL_ERR_UNSUPPORTED);
            pl_check_says(err, "is a mixture of experts, which has no backward pass here");
            pl_tape_destroy(tape);
        }
        pl_model_close(model);
        for (size_t at = 0; !refused && at <= last; at += last) {
            print_message("  %s, block %zu\n", json_string_value(json_object_get(about, "name")),
                          at);
            check_block(temp->folder, at);
            dense++;
        }
    }
    expect_at_most(70, dense);
}

/* --- against autograd ------------------------------------------------------------------------- */

/* Where a parameter of transformers' block is among the sums. */
static const float *find_sum(const block *b, const char *name, size_t *count)
{
    static const struct {
        const char *name;
        pl_site_role role;
        int part; /* of q, k, v or gate, up; -1: all */
    } places[] = {{"qkv_proj", PL_SITE_QKV, -1},     {"q_proj", PL_SITE_QKV, 0},
                  {"k_proj", PL_SITE_QKV, 1},        {"v_proj", PL_SITE_QKV, 2},
                  {"o_proj", PL_SITE_O, -1},         {"gate_up_proj", PL_SITE_GATE_UP, -1},
                  {"gate_proj", PL_SITE_GATE_UP, 0}, {"up_proj", PL_SITE_GATE_UP, 1},
                  {"down_proj", PL_SITE_DOWN, -1}};
    const size_t q = b->c->heads * b->c->head_dim, kv = b->c->kv_heads * b->c->head_dim;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strstr(name, places[i].name) == NULL) {
            continue;
        }
        const pl_site_role role = places[i].role;
        const bool bias = formula_ends(name, ".bias");
        const size_t inner = b->c->intermediate_size, width = bias ? 1 : b->cols[role];
        const size_t starts[2][3] = {{0, q, q + kv}, {0, inner, 0}};
        const size_t sizes[2][3] = {{q, kv, kv}, {inner, inner, 0}};
        const size_t kind = role == PL_SITE_QKV ? 0 : 1;
        const size_t part = places[i].part < 0 ? 0 : (size_t)places[i].part;
        *count = (places[i].part < 0 ? b->rows[role] : sizes[kind][part]) * width;
        return (bias ? b->sums.biases[role] : b->sums.weights[role]) +
               (places[i].part < 0 ? 0 : starts[kind][part]) * width;
    }
    fail();
    return NULL;
}

/* The slope along the direction that the name's formula gives, and the norm: [slope, norm]. */
static void check_sum(const float *sum, size_t count, const char *name, const json_t *expected)
{
    double along = 0.0, square = 0.0;
    for (size_t i = 0; i < count; i++) {
        along += (double)sum[i] * (double)formula_number(name, i);
        square += (double)sum[i] * (double)sum[i];
    }
    const double norm = json_number_value(json_array_get(expected, 1));
    pl_check_close(sqrt(square), norm, 1e-4, 0);
    expect_close(along, json_number_value(json_array_get(expected, 0)), 1e-4 * norm);
}

static void check_autograd(const char *folder, const json_t *about)
{
    block b = {0};
    open_block(&b, folder, 0);
    differentiate(&b, NULL);
    const json_t *first = json_object_get(about, "first");
    check_sum(b.grad, ROWS * b.c->hidden_size, "input", json_object_get(about, "input"));
    for (size_t i = 0; i < json_array_size(first); i++) {
        const double norm = json_number_value(json_array_get(json_object_get(about, "input"), 1));
        expect_close(b.grad[i], json_number_value(json_array_get(first, i)), 1e-5 * norm);
    }
    const char *name;
    json_t *number;
    size_t checked = 0;
    json_object_foreach(json_object_get(about, "parameters"), name, number)
    {
        size_t count = 0;
        const float *sum = find_sum(&b, name, &count);
        check_sum(sum, count, name, number);
        checked++;
    }
    expect_at_most(4, checked);
    close_block(&b);
}

static void every_gradient_agrees_with_autograd(void **state)
{
    pl_temp *temp = *state;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[4096];
    json_error_t why;
    snprintf(path, sizeof path, "%s/tests/golden/tape_values.json", root != NULL ? root : ".");
    json_t *golden = json_load_file(path, 0, &why);
    assert_non_null(golden);
    const char *name;
    json_t *about;
    size_t checked = 0;
    json_object_foreach(json_object_get(golden, "cases"), name, about)
    {
        print_message("  %s\n", name);
        formula_write_hf(formula_case(values, name), temp);
        check_autograd(temp->folder, about);
        checked++;
    }
    expect_at_most(7, checked);
    json_decref(golden);
}

/* --- hooks ------------------------------------------------------------------------------------ */

/* Inputs times a scale by channel, queries halved and keys doubled, values halved. */
static float scale_of(size_t c)
{
    return 1.0f + 0.25f * (float)(c % 5);
}

static void scale_rows(const float *x, size_t rows, size_t cols, float *out)
{
    for (size_t i = 0; i < rows * cols; i++) {
        out[i] = x[i] * scale_of(i % cols);
    }
}

static pl_status scale_input(void *ctx, pl_site_role role, const float *x, size_t rows, float *out,
                             pl_error *err)
{
    (void)err;
    scale_rows(x, rows, ((const block *)ctx)->cols[role], out);
    return PL_OK;
}

static pl_status scale_input_back(void *ctx, pl_site_role role, const float *x, size_t rows,
                                  float *grad, pl_error *err)
{
    (void)x;
    return scale_input(ctx, role, grad, rows, grad, err);
}

static void scale_cache(const block *b, const float *const from[3], size_t rows, float *const to[3])
{
    static const float by[3] = {0.5f, 2.0f, 0.5f};
    const size_t heads[3] = {b->c->heads, b->c->kv_heads, b->c->kv_heads};
    for (size_t part = 0; part < 3; part++) {
        for (size_t i = 0; i < rows * heads[part] * b->c->head_dim; i++) {
            to[part][i] = from[part][i] * by[part];
        }
    }
}

static pl_status halve(void *ctx, const float *const qkv[3], size_t rows, float *const out[3],
                       pl_error *err)
{
    (void)err;
    scale_cache(ctx, qkv, rows, out);
    return PL_OK;
}

static pl_status halve_back(void *ctx, const float *const qkv[3], size_t rows, float *const grad[3],
                            pl_error *err)
{
    (void)qkv;
    return halve(ctx, (const float *const *)grad, rows, grad, err);
}

/* Hooks that scale, with weights that undo it, leave outputs and input gradients as they were. */
static void hooks_and_weights_take_part(void **state)
{
    pl_temp *temp = *state;
    block b = {0};
    pl_tape_hooks hooks = {.ctx = &b,
                           .input = scale_input,
                           .input_back = scale_input_back,
                           .cache = halve,
                           .cache_back = halve_back};
    formula_write_hf(formula_case(values, "qwen3"), temp);
    open_block(&b, temp->folder, 0);
    differentiate(&b, NULL);
    const size_t count = ROWS * b.c->hidden_size;
    float *y = zeros(count), *grad = zeros(count);
    memcpy(y, b.y, count * sizeof *y);
    memcpy(grad, b.grad, count * sizeof *grad);
    for (pl_site_role role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        float *w = zeros(b.rows[role] * b.cols[role]);
        for (size_t i = 0; i < b.rows[role] * b.cols[role]; i++) {
            w[i] =
                b.weights[role][i] / scale_of(i % b.cols[role]) * (role == PL_SITE_O ? 2.0f : 1.0f);
        }
        hooks.weights[role] = w;
    }
    differentiate(&b, &hooks);
    for (size_t i = 0; i < count; i++) {
        expect_close(b.y[i], y[i], 2e-5);
        expect_close(b.grad[i], grad[i], 2e-4);
    }
    for (size_t role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        free((float *)hooks.weights[role]);
    }
    free(y);
    free(grad);
    close_block(&b);
}

static void folded_gains_change_nothing(void **state)
{
    pl_temp *temp = *state;
    block b = {0};
    formula_write_hf(formula_case(values, "llama_biases"), temp);
    open_block(&b, temp->folder, 1);
    differentiate(&b, NULL);
    const size_t count = ROWS * b.c->hidden_size;
    float *y = zeros(count), *grad = zeros(count);
    memcpy(y, b.y, count * sizeof *y);
    memcpy(grad, b.grad, count * sizeof *grad);
    const float before = b.weights[PL_SITE_QKV][1];
    pl_tape_fold_gains(b.tape);
    expect_less(1e-4f * fabsf(before), fabsf(b.weights[PL_SITE_QKV][1] - before));
    differentiate(&b, NULL);
    for (size_t i = 0; i < count; i++) {
        expect_close(b.y[i], y[i], 2e-5);
        expect_close(b.grad[i], grad[i], 2e-4);
    }
    free(y);
    free(grad);
    close_block(&b);
}

static void a_pass_out_of_order_is_refused(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    block b = {0};
    formula_write_hf(formula_case(values, "mistral"), temp);
    open_block(&b, temp->folder, 0);
    assert_int_equal(pl_tape_backward(b.tape, NULL, b.grad, NULL, NULL, &err), PL_ERR_STATE);
    pl_check_says(err, "needs its forward pass before it");
    assert_int_equal(pl_tape_forward(b.tape, b.x, WINDOWS + 1, NULL, b.y, NULL, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "needs a loaded block and 1 to 2 windows");
    b.x[3] = INFINITY;
    assert_int_equal(pl_tape_forward(b.tape, b.x, WINDOWS, NULL, b.y, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "model.layers.0: the residual stream is not finite");
    close_block(&b);
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
        cmocka_unit_test_setup_teardown(every_gradient_agrees_with_differences, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_gradient_agrees_with_autograd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hooks_and_weights_take_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folded_gains_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pass_out_of_order_is_refused, set_up, tear_down),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
