/* A block's hand-written backward pass, on every architecture of the description table:
 * against central differences in float64 of a plain block (tests/support/ref_block.c), and against
 * PyTorch's autograd through transformers (tests/golden/make_tape_values.py). */
#include "core/model/model_parts.h"
#include "core/model/tape_parts.h"
#include "core/tensor/linalg.h"
#include "tests/support/formula_cases.h"
#include "tests/support/own_folder.h"
#include "tests/support/ref_block.h"

#include <math.h>

/* LONG: of models whose attention is in chunks, and whose queries grow with their position. */
enum { LENGTH = 12, LONG = 80, WINDOWS = 2 };

typedef struct block {
    pl_model *model;
    const pl_config *c;
    pl_tape *tape;
    size_t length, rows_x;
    const pl_site *sites; /* [n_sites] of the block */
    size_t n_sites;
    size_t rows[PL_REF_SITES], cols[PL_REF_SITES];
    float *weights[PL_REF_SITES];    /* the tape's */
    float *x, *y, *direction, *grad; /* [rows_x, hidden] */
    float *weight_sums[PL_REF_SITES], *bias_sums[PL_REF_SITES];
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
    b->length = b->c->chunk > 0 ? LONG : LENGTH;
    b->rows_x = b->length * WINDOWS;
    pl_check_ok(pl_tape_create(b->model, b->length, WINDOWS, &b->tape, &err), err);
    pl_check_ok(pl_tape_load(b->tape, at, NULL, &err), err);
    const size_t count = b->rows_x * b->c->hidden_size;
    b->x = zeros(count);
    b->y = zeros(count);
    b->direction = zeros(count);
    b->grad = zeros(count);
    for (size_t i = 0; i < count; i++) {
        b->x[i] = formula_number("block input", i);
        b->direction[i] = formula_number("block gradient", i);
    }
    size_t first;
    b->n_sites = pl_model_block_sites(b->model, at, &first);
    b->sites = pl_model_site(b->model, first);
    expect_at_most(b->n_sites, PL_REF_SITES);
    for (size_t i = 0; i < b->n_sites; i++) {
        b->weights[i] = pl_tape_weights(b->tape, i, &b->rows[i], &b->cols[i]);
        b->weight_sums[i] = zeros(b->rows[i] * b->cols[i]);
        b->bias_sums[i] = zeros(b->rows[i]);
    }
}

static void close_block(block *b)
{
    for (size_t i = 0; i < b->n_sites; i++) {
        free(b->weight_sums[i]);
        free(b->bias_sums[i]);
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
    const size_t count = b->rows_x * b->c->hidden_size;
    pl_check_ok(pl_tape_forward(b->tape, b->x, WINDOWS, hooks, b->y, NULL, &err), err);
    memcpy(b->grad, b->direction, count * sizeof *b->grad);
    const pl_tape_sums sums = {b->weight_sums, b->bias_sums};
    pl_check_ok(pl_tape_backward(b->tape, hooks, b->grad, &sums, NULL, &err), err);
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
    pl_check_ok(pl_forward_create(b->model, b->length, &r->forward, &err), err);
    pl_check_ok(pl_forward_load(r->forward, at, NULL, NULL, &err), err);
    r->block = (pl_ref_block){.forward = r->forward, .config = b->c};
    const pl_step s = {.f = r->forward, .c = b->c, .length = b->length};
    pl_forward_turns(&s, &r->block.cosine, &r->block.sine);
    for (size_t i = 0; i < b->n_sites; i++) {
        r->block.weights[i] = to_doubles(b->weights[i], b->rows[i] * b->cols[i]);
        r->block.biases[i] = to_doubles(pl_tape_biases(b->tape, i), b->rows[i]);
    }
    r->x = to_doubles(b->x, b->rows_x * b->c->hidden_size);
    r->y = to_doubles(NULL, b->rows_x * b->c->hidden_size);
}

static void free_reference(reference *r)
{
    for (size_t i = 0; i < PL_REF_SITES; i++) {
        free(r->block.weights[i]);
        free(r->block.biases[i]);
    }
    free(r->x);
    free(r->y);
    pl_forward_destroy(r->forward);
}

static double loss(const block *b, reference *r)
{
    double sum = 0.0;
    pl_ref_block_run(&r->block, r->x, b->length, WINDOWS, r->y);
    for (size_t i = 0; i < b->rows_x * b->c->hidden_size; i++) {
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
    for (size_t i = 0; i < b.rows_x * b.c->hidden_size; i++) {
        expect_close(b.y[i], r.y[i], 2e-5);
    }
    check_group(&b, &r, "input", r.x, b.grad, b.rows_x * b.c->hidden_size);
    for (size_t i = 0; i < b.n_sites; i++) {
        check_group(&b, &r, b.sites[i].name, r.block.weights[i], b.weight_sums[i],
                    b.rows[i] * b.cols[i]);
        check_group(&b, &r, "bias", r.block.biases[i], b.bias_sums[i], b.rows[i]);
    }
    free_reference(&r);
    close_block(&b);
}

static json_t *values;

static void every_gradient_agrees_with_differences(void **state)
{
    pl_temp *temp = *state;
    size_t i, checked = 0;
    json_t *about;
    json_array_foreach(json_object_get(values, "cases"), i, about)
    {
        pl_error err = {0};
        pl_model *model = NULL;
        formula_write_hf(about, temp);
        pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
        const size_t last = pl_model_config(model)->blocks - 1;
        pl_model_close(model);
        for (size_t at = 0; at <= last; at += last) {
            print_message("  %s, block %zu\n", json_string_value(json_object_get(about, "name")),
                          at);
            check_block(temp->folder, at);
            checked++;
        }
    }
    expect_at_most(108, checked);
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
        return (bias ? b->bias_sums[role] : b->weight_sums[role]) +
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
    pl_check_close(sqrt(square), norm, 1e-4, 1e-6);
    expect_close(along, json_number_value(json_array_get(expected, 0)), 1e-4 * norm + 1e-6);
}

static void check_input(const block *b, const json_t *about)
{
    const json_t *first = json_object_get(about, "first");
    check_sum(b->grad, b->rows_x * b->c->hidden_size, "input", json_object_get(about, "input"));
    for (size_t i = 0; i < json_array_size(first); i++) {
        const double norm = json_number_value(json_array_get(json_object_get(about, "input"), 1));
        expect_close(b->grad[i], json_number_value(json_array_get(first, i)), 1e-5 * norm);
    }
}

static void check_autograd(const char *folder, const json_t *about)
{
    block b = {0};
    open_block(&b, folder, 0);
    differentiate(&b, NULL);
    check_input(&b, about);
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

/* By sites: every one of them, with its biases where it has some. */
static void check_block_autograd(const char *folder, const json_t *about)
{
    block b = {0};
    const json_t *sites = json_object_get(about, "sites");
    open_block(&b, folder, (size_t)json_integer_value(json_object_get(about, "block")));
    differentiate(&b, NULL);
    check_input(&b, about);
    size_t checked = 0;
    for (size_t i = 0; i < b.n_sites; i++) {
        char bias[160];
        snprintf(bias, sizeof bias, "%s.bias", b.sites[i].name);
        const json_t *of_bias = json_object_get(sites, bias);
        check_sum(b.weight_sums[i], b.rows[i] * b.cols[i], b.sites[i].name,
                  json_object_get(sites, b.sites[i].name));
        checked++;
        assert_int_equal(of_bias != NULL, pl_tape_biases(b.tape, i) != NULL);
        if (of_bias != NULL) {
            check_sum(b.bias_sums[i], b.rows[i], bias, of_bias);
            checked++;
        }
    }
    assert_int_equal(checked, json_object_size(sites));
    close_block(&b);
}

static void every_gradient_agrees_with_autograd(void **state)
{
    pl_temp *temp = *state;
    json_t *golden = golden_values("tape_values.json");
    const char *name;
    json_t *about;
    size_t checked = 0, i;
    json_object_foreach(json_object_get(golden, "cases"), name, about)
    {
        print_message("  %s\n", name);
        formula_write_hf(formula_case(values, name), temp);
        check_autograd(temp->folder, about);
        checked++;
    }
    expect_at_most(7, checked);
    json_array_foreach(json_object_get(golden, "blocks"), i, about)
    {
        name = json_string_value(json_object_get(about, "name"));
        print_message("  %s, block %d\n", name,
                      (int)json_integer_value(json_object_get(about, "block")));
        formula_write_hf(formula_case(values, name), temp);
        check_block_autograd(temp->folder, about);
    }
    expect_at_most(18, i);
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

static pl_status scale_input(void *ctx, size_t role, const float *x, size_t rows, float *out,
                             pl_error *err)
{
    (void)err;
    scale_rows(x, rows, ((const block *)ctx)->cols[role], out);
    return PL_OK;
}

static pl_status scale_input_back(void *ctx, size_t role, const float *x, size_t rows, float *grad,
                                  pl_error *err)
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
    const size_t count = b.rows_x * b.c->hidden_size;
    float *y = zeros(count), *grad = zeros(count);
    memcpy(y, b.y, count * sizeof *y);
    memcpy(grad, b.grad, count * sizeof *grad);
    const float *weights[PL_SITE_ROLE_COUNT];
    for (size_t role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        float *w = zeros(b.rows[role] * b.cols[role]);
        for (size_t i = 0; i < b.rows[role] * b.cols[role]; i++) {
            w[i] =
                b.weights[role][i] / scale_of(i % b.cols[role]) * (role == PL_SITE_O ? 2.0f : 1.0f);
        }
        weights[role] = w;
    }
    hooks.weights = weights;
    differentiate(&b, &hooks);
    for (size_t i = 0; i < count; i++) {
        expect_close(b.y[i], y[i], 2e-5);
        expect_close(b.grad[i], grad[i], 2e-4);
    }
    for (size_t role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        free((float *)weights[role]);
    }
    free(y);
    free(grad);
    close_block(&b);
}

/* The clamped SwiGLU, where gates and ups are held and where not. */
static double clamped(double gate, double up)
{
    const double g = fmin(gate, 7.0), u = fmin(fmax(up, -7.0), 7.0);
    return (u + 1.0) * g / (1.0 + exp(-1.702 * g));
}

static void held_values_have_no_slope(void **state)
{
    (void)state;
    static const float points[] = {-9.0f, -6.5f, -1.0f, 0.0f, 0.75f, 6.5f, 7.5f, 30.0f};
    enum { POINTS = sizeof points / sizeof *points };
    const double step = 1e-5;
    for (size_t i = 0; i < POINTS; i++) {
        for (size_t k = 0; k < POINTS; k++) {
            const float both[2] = {points[i], points[k]}, of_out = 1.5f;
            const double gate = (double)both[0], up = (double)both[1];
            float out, grad[2];
            pl_gate_mul(PL_CLAMPED_SWIGLU, both, 2, 1, 1, &out);
            pl_gate_mul_back(PL_CLAMPED_SWIGLU, both, &of_out, 1, 1, grad);
            expect_close(out, clamped(gate, up), 1e-5);
            expect_close(grad[0],
                         1.5 * (clamped(gate + step, up) - clamped(gate - step, up)) / (2 * step),
                         1e-4);
            expect_close(grad[1],
                         1.5 * (clamped(gate, up + step) - clamped(gate, up - step)) / (2 * step),
                         1e-4);
        }
    }
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
        cmocka_unit_test(held_values_have_no_slope),
        cmocka_unit_test_setup_teardown(a_pass_out_of_order_is_refused, set_up, tear_down),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
