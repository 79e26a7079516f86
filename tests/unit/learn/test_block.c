/* FlatQuant's hand-written gradients on a block against central differences, in float64, of a plain
 * block whose rounding offsets are held, every group of parameters; and against PyTorch's autograd
 * (tests/golden/make_block_values.py). */
#include "core/learn/block.h"

#include "core/base/rng.h"
#include "core/model/forward_parts.h"
#include "core/tensor/linalg.h"
#include "tests/support/formula_cases.h"
#include "tests/support/own_folder.h"
#include "tests/support/ref_block.h"
#include "tests/support/ref_learn.h"

#include <math.h>

enum { LENGTH = 6, GOLDEN_LENGTH = 12, WINDOWS = 2, MOST_HELD = 1 << 17 };

typedef struct setting {
    const char *model;
    int weight_bits, act_bits, kv_bits;
    const pl_format *format;
    size_t weight_group, kv_group;
    size_t length; /* of a window; 0: LENGTH */
    size_t block;
} setting;

typedef struct block {
    setting set;
    pl_model *model;
    pl_tape *tape;
    pl_grid grid;
    pl_block_input in;
    pl_site_input sites[PL_REF_SITES]; /* those of in */
    pl_view views[PL_REF_SITES];
    float *max_abs, *x;
    /* the reference */
    pl_forward *forward;
    pl_ref_block ref;
    pl_block_layout at;
    double *x64, *y64, *target;
    double *w64[PL_REF_SITES], *b64[PL_REF_SITES]; /* the original ones */
    double *offsets, *sides, *zeros;
    size_t held, ranges;
    bool hold;
    const double *params;
    double *p1[PL_REF_SITES], *p2[PL_REF_SITES], *scale[PL_REF_SITES];
    double *p_h, *p_h_back;
    size_t seen[PL_REF_SITES], full[PL_REF_SITES]; /* rows of inputs, and in full precision */
} block;

static double *zeros64(size_t count)
{
    double *all = calloc(count, sizeof *all);
    assert_non_null(all);
    return all;
}

static void open_block(block *b, pl_temp *temp, const json_t *values, setting set)
{
    /* Those of the golden values, which are of a plain block. */
    static const char *const names[] = {"qkv", "o", "gate_up", "down"};
    pl_error err = {0};
    *b = (block){.set = set,
                 .grid = {.bits = set.weight_bits,
                          .group_size = set.weight_group,
                          .format = set.format,
                          .scale_dtype = PL_F32}};
    formula_write_hf(formula_case(values, set.model), temp);
    pl_check_ok(pl_model_open(temp->folder, &b->model, &err), err);
    const pl_config *c = pl_model_config(b->model);
    const size_t length = set.length > 0 ? set.length : LENGTH, all = length * WINDOWS;
    pl_check_ok(pl_tape_create(b->model, length, WINDOWS, &b->tape, &err), err);
    pl_check_ok(pl_tape_load(b->tape, set.block, NULL, &err), err);
    pl_check_ok(pl_forward_create(b->model, length, &b->forward, &err), err);
    pl_check_ok(pl_forward_load(b->forward, set.block, NULL, NULL, &err), err);
    const pl_act_grid act = {.bits = set.act_bits, .format = set.format, .clip = 0.95};
    const pl_act_grid kv = {.bits = set.kv_bits, .format = set.format, .clip = 0.9};
    b->x = calloc(all * c->hidden_size, sizeof *b->x);
    b->max_abs = calloc(1024, sizeof *b->max_abs);
    assert_non_null(b->x);
    assert_non_null(b->max_abs);
    b->x64 = zeros64(all * c->hidden_size);
    b->y64 = zeros64(all * c->hidden_size);
    b->target = zeros64(all * c->hidden_size);
    for (size_t i = 0; i < all * c->hidden_size; i++) {
        b->x[i] = formula_number("block input", i);
        b->x64[i] = (double)b->x[i];
    }
    for (size_t i = 0; i < 1024; i++) {
        b->max_abs[i] = 1.0f + 0.5f * formula_number("largest", i);
    }
    size_t first;
    b->in = (pl_block_input){.name = "block",
                             .sites = b->sites,
                             .n_sites = pl_model_block_sites(b->model, set.block, &first),
                             .latent = c->kv_latent > 0,
                             .heads = c->heads,
                             .kv_heads = c->kv_heads,
                             .head_dim = c->head_dim,
                             .kv = kv,
                             .kv_group_size = set.kv_group,
                             .tape = b->tape,
                             .x = b->x,
                             .windows = WINDOWS,
                             .length = length,
                             .hidden = c->hidden_size};
    b->in.mixture = b->in.n_sites;
    expect_at_most(b->in.n_sites, PL_REF_SITES);
    for (size_t r = 0; r < b->in.n_sites; r++) {
        size_t rows, cols;
        if (pl_model_site(b->model, first + r)->expert != PL_NO_EXPERT && r < b->in.mixture) {
            b->in.mixture = r;
        }
        const float *w = pl_tape_weights(b->tape, r, &rows, &cols);
        const float *bias = pl_tape_biases(b->tape, r);
        b->views[r] = (pl_view){w, rows, cols, cols};
        b->sites[r] = (pl_site_input){.site = r < 4 ? names[r] : "another",
                                      .n = cols,
                                      .weights = &b->views[r],
                                      .n_weights = 1,
                                      .max_abs = b->max_abs,
                                      .grid = set.weight_bits > 0 ? &b->grid : NULL,
                                      .activations = act};
        b->w64[r] = zeros64(rows * cols);
        b->b64[r] = zeros64(rows);
        b->ref.weights[r] = zeros64(rows * cols);
        b->ref.biases[r] = zeros64(rows);
        b->p1[r] = zeros64(2 * cols * cols);
        b->p2[r] = zeros64(2 * cols * cols);
        b->scale[r] = zeros64(2 * cols);
        for (size_t i = 0; i < rows * cols; i++) {
            b->w64[r][i] = (double)w[i];
        }
        for (size_t i = 0; bias != NULL && i < rows; i++) {
            b->b64[r][i] = (double)bias[i];
        }
    }
    b->p_h = zeros64(2 * c->head_dim * c->head_dim);
    b->p_h_back = b->p_h + c->head_dim * c->head_dim;
    b->offsets = zeros64(MOST_HELD);
    b->sides = zeros64(MOST_HELD);
    b->zeros = zeros64(MOST_HELD);
    pl_check_ok(pl_block_layout_init(&b->at, &b->in, &err), err);
    b->ref.forward = b->forward;
    b->ref.config = c;
    b->ref.ctx = b;
    const pl_step s = {.f = b->forward, .c = c, .length = length};
    pl_forward_turns(&s, &b->ref.cosine, &b->ref.sine);
}

static void close_block(block *b)
{
    double *const owned[] = {b->x64, b->y64, b->target, b->p_h, b->offsets, b->sides, b->zeros};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        free(owned[i]);
    }
    for (size_t r = 0; r < b->in.n_sites; r++) {
        free(b->w64[r]);
        free(b->b64[r]);
        free(b->ref.weights[r]);
        free(b->ref.biases[r]);
        free(b->p1[r]);
        free(b->p2[r]);
        free(b->scale[r]);
    }
    free(b->x);
    free(b->max_abs);
    pl_block_layout_deinit(&b->at);
    pl_forward_destroy(b->forward);
    pl_tape_destroy(b->tape);
    pl_model_close(b->model);
}

/* --- the reference ---------------------------------------------------------------------------- */

/* Q of count values on the shares of their own range; which offsets are held follows from the order
 * of the calls, which is always the same. */
static void quantize(block *b, double *x, size_t count, double low, double high, int bits,
                     bool clamps)
{
    pl_ref_ends e = pl_ref_ends_of(x, count);
    e.low *= low;
    e.high *= high;
    expect_at_most(b->held + count, MOST_HELD);
    pl_ref_quantize(b->hold, x, count, e, bits, b->set.format, clamps, b->offsets + b->held,
                    b->sides + b->held, b->zeros + b->ranges);
    b->held += count;
    b->ranges++;
}

static double share(const block *b, size_t at)
{
    return pl_ref_share(b->params[at]);
}

static void count_rows(void *ctx, size_t site, double *x, size_t rows)
{
    block *b = ctx;
    (void)x;
    b->full[site] += rows;
}

static void see_input(void *ctx, size_t site, double *x, size_t rows)
{
    block *b = ctx;
    b->seen[site] += rows;
    const pl_flat_layout *at = &b->at.sites[site];
    const size_t n = at->n, d = at->n2;
    double *turned = zeros64(rows * n), *identity = zeros64(d * d);
    for (size_t i = 0; i < d; i++) {
        identity[i * d + i] = 1.0;
    }
    pl_ref_turn(at, x, rows, b->scale[site], b->p1[site], site == b->at.o ? identity : b->p2[site],
                turned);
    memcpy(x, turned, rows * n * sizeof *x);
    for (size_t r = 0; b->set.act_bits > 0 && r < rows; r++) {
        quantize(b, x + r * n, n, (double)0.95f * share(b, at->input_low),
                 (double)0.95f * share(b, at->input_high), b->set.act_bits, false);
    }
    free(turned);
    free(identity);
}

/* x[heads, d] <- x m in each head. */
static void turn_heads(const block *b, const double *m, double *x, size_t heads)
{
    const size_t d = b->in.head_dim;
    double *keep = zeros64(d);
    for (size_t h = 0; h < heads; h++) {
        memcpy(keep, x + h * d, d * sizeof *keep);
        for (size_t j = 0; j < d; j++) {
            x[h * d + j] = 0.0;
            for (size_t i = 0; i < d; i++) {
                x[h * d + j] += keep[i] * m[i * d + j];
            }
        }
    }
    free(keep);
}

static void see_cache(void *ctx, double *q, double *k, double *v)
{
    block *b = ctx;
    const size_t d = b->in.head_dim, width = b->set.kv_group > 0 ? b->set.kv_group : d;
    const double clip = 0.9;
    turn_heads(b, b->p_h_back, q, b->in.heads);
    turn_heads(b, b->p_h, k, b->in.kv_heads);
    for (size_t part = 0; part < 2; part++) {
        const size_t at = b->at.cache + 2 * part;
        for (size_t i = 0; i < b->in.kv_heads * d; i += width) {
            quantize(b, (part == 0 ? k : v) + i, width, (double)(float)clip * share(b, at),
                     (double)(float)clip * share(b, at + 1), b->set.kv_bits, false);
        }
    }
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

/* v's rows [value_rows, n]: clipped, turned by P_v. */
static void turn_values(block *b, double *w, size_t first_row)
{
    const pl_flat_layout *at = &b->at.sites[PL_SITE_QKV];
    const size_t n = at->n, d = b->in.head_dim;
    for (size_t r = 0; b->set.weight_bits > 0 && r < b->at.value_rows; r++) {
        for (size_t g = 0; g < at->groups; g++) {
            const size_t i = (first_row + r) * at->groups + g, from = g * at->width;
            const size_t count = n - from < at->width ? n - from : at->width;
            const pl_ref_ends e = pl_ref_ends_of(w + r * n + from, count);
            for (size_t c = 0; c < count; c++) {
                w[r * n + from + c] =
                    clamp(w[r * n + from + c], e.low * share(b, at->weight_low + i),
                          e.high * share(b, at->weight_high + i));
            }
        }
    }
    double *keep = zeros64(d);
    for (size_t head = 0; head < b->in.kv_heads; head++) {
        for (size_t c = 0; c < n; c++) {
            for (size_t i = 0; i < d; i++) {
                keep[i] = w[(head * d + i) * n + c];
            }
            for (size_t j = 0; j < d; j++) {
                double sum = 0.0;
                for (size_t i = 0; i < d; i++) {
                    sum += b->p2[PL_SITE_O][i * d + j] * keep[i];
                }
                w[(head * d + j) * n + c] = sum;
            }
        }
    }
    free(keep);
}

static void make_weights(block *b, size_t site)
{
    const pl_flat_layout *at = &b->at.sites[site];
    const size_t n = at->n, first = site == PL_SITE_QKV ? at->rows - b->at.value_rows : at->rows;
    double *w = b->ref.weights[site];
    pl_ref_turn(at, b->w64[site], at->rows, b->scale[site] + n, b->p1[site] + at->n1 * at->n1,
                b->p2[site] + at->n2 * at->n2, w);
    if (site == PL_SITE_QKV && b->at.value_rows > 0) {
        turn_values(b, w + first * n, first);
        turn_heads(b, b->p2[PL_SITE_O], b->ref.biases[site] + first, b->in.kv_heads);
    }
    for (size_t i = 0; b->set.weight_bits > 0 && i < at->rows * at->groups; i++) {
        const size_t from = i % at->groups * at->width, row = i / at->groups;
        const size_t count = n - from < at->width ? n - from : at->width;
        quantize(b, w + row * n + from, count, row < first ? share(b, at->weight_low + i) : 1.0,
                 row < first ? share(b, at->weight_high + i) : 1.0, b->set.weight_bits, true);
    }
}

/* log of L / ||F(X) - X||^2. */
static double reference(block *b, const double *params)
{
    const size_t count = b->in.length * WINDOWS * b->in.hidden;
    b->params = params;
    b->held = b->ranges = 0;
    memset(b->seen, 0, sizeof b->seen);
    b->ref.input = see_input;
    b->ref.cache = b->at.key != PL_FLAT_NONE ? see_cache : NULL;
    for (size_t r = 0; r < b->in.n_sites; r++) {
        const pl_flat_layout *at = &b->at.sites[r];
        pl_ref_learn_factor(at->n1, params + at->first, b->p1[r], b->p1[r] + at->n1 * at->n1);
        pl_ref_learn_factor(at->n2, params + at->second, b->p2[r], b->p2[r] + at->n2 * at->n2);
        for (size_t c = 0; c < at->n; c++) {
            const double log = at->scale != PL_FLAT_NONE ? params[at->scale + c] : 0.0;
            b->scale[r][c] = exp(log);
            b->scale[r][at->n + c] = exp(-log);
        }
        memcpy(b->ref.biases[r], b->b64[r], at->rows * sizeof(double));
    }
    if (b->at.key != PL_FLAT_NONE) {
        pl_ref_learn_factor(b->in.head_dim, params + b->at.key, b->p_h, b->p_h_back);
    }
    for (size_t r = 0; r < b->in.n_sites; r++) {
        make_weights(b, r);
    }
    pl_ref_block_run(&b->ref, b->x64, b->in.length, WINDOWS, b->y64);
    double error = 0.0, energy = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double lost = b->y64[i] - b->target[i], own = b->target[i] - b->x64[i];
        error += lost * lost;
        energy += own * own;
    }
    return log(error / energy);
}

static void find_target(block *b)
{
    b->ref.input = count_rows;
    b->ref.cache = NULL;
    for (size_t r = 0; r < b->in.n_sites; r++) {
        const pl_flat_layout *at = &b->at.sites[r];
        memcpy(b->ref.weights[r], b->w64[r], at->rows * at->n * sizeof(double));
        memcpy(b->ref.biases[r], b->b64[r], at->rows * sizeof(double));
    }
    pl_ref_block_run(&b->ref, b->x64, b->in.length, WINDOWS, b->target);
}

/* A token whose attention is on one other (the first's always is) gets that one's values
 * themselves. Behind a cache with few levels several of them are equal, and where they decide the
 * range of their row, it has no slope that differences could find: the settings below keep off
 * that.  (In block 1 of llama4 with a cache of 4 bits, token 13: its largest two of 64 are equal,
 * no other row has such.)
 */

/* --- the tests -------------------------------------------------------------------------------- */

static void check_group(block *b, double *params, const double *gradient, size_t first,
                        size_t count)
{
    static const double STEP = 1e-6;
    double *keep = zeros64(count), most = 0.0, slope = 0.0;
    memcpy(keep, params + first, count * sizeof *keep);
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs(gradient[first + i]));
        slope += gradient[first + i] * (double)formula_number("along", i);
    }
    for (int way = 0; way < 4; way++) {
        const size_t single = (size_t)way * 7919 % count;
        double ends[2];
        for (int end = 0; end < 2; end++) {
            for (size_t i = 0; i < count; i++) {
                const double move =
                    way > 0 ? (i == single ? 1.0 : 0.0) : (double)formula_number("along", i);
                params[first + i] = keep[i] + (end == 0 ? STEP : -STEP) * move;
            }
            ends[end] = reference(b, params);
        }
        const double measured = (ends[0] - ends[1]) / (2.0 * STEP);
        expect_close(way > 0 ? gradient[first + single] : slope, measured,
                     (way > 0 ? 1e-3 : 2e-4 * sqrt((double)count) + 1e-3) * most + 5e-6);
    }
    memcpy(params + first, keep, count * sizeof *keep);
    free(keep);
}

/* Of a mixture, the first expert, the second, which shares the first one's T, and the last. */
static bool is_checked(const block *b, size_t site)
{
    return site < b->in.mixture + 4 || site + 2 >= b->in.n_sites;
}

static void check_gradients(block *b, double *params, const double *gradient)
{
    for (size_t r = 0; r < b->in.n_sites; r++) {
        if (!is_checked(b, r)) {
            continue;
        }
        const pl_flat_layout *at = &b->at.sites[r];
        const size_t clipped = at->weight_high - at->weight_low;
        if (pl_block_turn(&b->at, r) == r) {
            check_group(b, params, gradient, at->first, at->n1 * at->n1);
            check_group(b, params, gradient, at->second, at->n2 * at->n2);
        }
        if (pl_block_turn(&b->at, r) == r && at->scale != PL_FLAT_NONE) {
            check_group(b, params, gradient, at->scale, at->n);
        }
        if (clipped > 0) {
            check_group(b, params, gradient, at->weight_low, clipped);
            check_group(b, params, gradient, at->weight_high, clipped);
        }
        if (pl_block_turn(&b->at, r) == r && at->input_high > at->input_low) {
            check_group(b, params, gradient, at->input_low, 1);
            check_group(b, params, gradient, at->input_high, 1);
        }
    }
    if (b->at.key != PL_FLAT_NONE) {
        check_group(b, params, gradient, b->at.key, b->in.head_dim * b->in.head_dim);
        check_group(b, params, gradient, b->at.cache, 4);
    }
}

/* An expert that no token of the batch is for gets no gradient, any other does. */
static void check_reached(const block *b, const double *gradient)
{
    for (size_t site = b->in.mixture + 1; site < b->in.n_sites; site += 2) {
        const pl_flat_layout *at = &b->at.sites[site];
        double most = 0.0;
        for (size_t i = 0; i < at->n1 * at->n1; i++) {
            most = fmax(most, fabs(gradient[at->first + i]));
        }
        assert_int_equal(most > 0.0, b->seen[site] > 0);
    }
}

static json_t *values;

/* Whether experts have other tokens than in full precision. */
static bool check(pl_temp *temp, setting set)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    double got = 0.0;
    pl_rng rng;
    open_block(&b, temp, values, set);
    pl_check_ok(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), err);
    double *params = zeros64(2 * o.at.count), *gradient = params + o.at.count;
    pl_check_ok(pl_block_start(&o.at, &b.in, 0.3, 1, params, &err), err);
    pl_rng_init(&rng, 77);
    for (size_t i = 0; i < o.at.count; i++) {
        params[i] += 0.1 * pl_rng_normal(&rng) - (i >= o.at.clips ? 2.5 : 0.0);
    }
    pl_check_ok(pl_block_objective_value(&o, params, 0, &got, gradient, NULL, &err), err);
    find_target(&b);
    b.hold = false;
    const double expected = reference(&b, params);
    b.hold = true;
    pl_check_close(log(got), expected, 0, 2e-4);
    check_reached(&b, gradient);
    const bool moved = memcmp(b.seen, b.full, sizeof b.seen) != 0;
    check_gradients(&b, params, gradient);
    free(params);
    pl_block_objective_deinit(&o);
    close_block(&b);
    return moved;
}

static void every_gradient_agrees_with_differences(void **state)
{
    const setting settings[] = {
        {"qwen3", 4, 4, 4, &pl_format_asymmetric, 16, 4, 0, 0},
        {"llama_biases", 4, 4, 4, &pl_format_symmetric, 0, 0, 0, 0},
        {"gemma2", 3, 0, 0, &pl_format_symmetric, 0, 0, 0, 0},
        {"olmo2", 0, 4, 0, &pl_format_asymmetric, 0, 0, 0, 0},
        {"phi3", 0, 0, 3, &pl_format_symmetric, 0, 0, 0, 0},
        {"llama4", 4, 4, 4, &pl_format_asymmetric, 16, 0, 16, 0},
        {"deepseek_v3", 4, 4, 0, &pl_format_asymmetric, 16, 0, 0, 0},
        {"deepseek_v3_dense", 4, 4, 0, &pl_format_symmetric, 0, 0, 0, 0},
        /* mixtures of experts */
        {"mixtral", 4, 4, 4, &pl_format_asymmetric, 16, 4, 0, 0},
        {"qwen2_moe", 4, 4, 0, &pl_format_asymmetric, 0, 0, 0, 1},
        {"qwen3_moe_mixed", 4, 4, 4, &pl_format_asymmetric, 0, 0, 0, 1},
        {"olmoe_normalized", 3, 0, 0, &pl_format_symmetric, 0, 0, 0, 1},
        {"gpt_oss", 4, 4, 4, &pl_format_asymmetric, 16, 0, 0, 1},
        {"llama4", 4, 4, 8, &pl_format_asymmetric, 16, 0, 16, 1},
        {"llama4", 4, 4, 4, &pl_format_asymmetric, 16, 0, 16, 3},
        {"deepseek_v2", 4, 4, 0, &pl_format_asymmetric, 0, 0, 0, 1},
        {"deepseek_v3", 4, 4, 0, &pl_format_asymmetric, 16, 0, 0, 2},
    };
#ifdef __SANITIZE_ADDRESS__
    enum { STEP = 3 }; /* six times slower, and test_block_experts.c has the mixtures, too */
#else
    enum { STEP = 1 };
#endif
    size_t moved = 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i += STEP) {
        print_message("  %s, block %zu\n", settings[i].model, settings[i].block);
        moved += check(*state, settings[i]) ? 1 : 0;
    }
    expect_less(0, moved); /* what the quantized block's own router chooses is checked */
}

/* The parameters of make_block_values.py. */
static void make_golden(const pl_block_layout *at, double *params)
{
    for (size_t i = 0; i < at->count; i++) {
        params[i] = (double)formula_number("flat parameters", i) + (i >= at->clips ? 1.5 : 0.0);
    }
    for (size_t r = 0; r < at->n_sites; r++) {
        const pl_flat_layout *site = &at->sites[r];
        const struct {
            size_t first, n;
        } factors[] = {{site->first, site->n1}, {site->second, site->n2}, {at->key, at->head_dim}};
        for (size_t f = 0; f < (r == 0 ? 3 : 2); f++) {
            double *d = params + factors[f].first + factors[f].n * (factors[f].n - 1);
            for (size_t i = 0; i < factors[f].n; i++) {
                d[i] = 1.0 + 0.2 * d[i];
            }
        }
        for (size_t c = 0; site->scale != PL_FLAT_NONE && c < site->n; c++) {
            params[site->scale + c] *= 0.3;
        }
    }
}

static void check_golden(const json_t *gradients, const char *site, const char *part,
                         const double *gradient, size_t count)
{
    char name[64];
    double along = 0.0, square = 0.0;
    snprintf(name, sizeof name, "%s%s", site, part);
    const json_t *expected = json_object_get(gradients, name);
    assert_int_equal(json_array_size(expected), 2);
    for (size_t i = 0; i < count; i++) {
        along += gradient[i] * (double)formula_number(name, i);
        square += gradient[i] * gradient[i];
    }
    const double norm = json_number_value(json_array_get(expected, 1));
    pl_check_close(sqrt(square), norm, 1e-4, 0);
    expect_close(along, json_number_value(json_array_get(expected, 0)), 1e-4 * norm);
}

static void every_gradient_agrees_with_autograd(void **state)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    json_error_t why;
    double got = 0.0;
    char path[4096];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/golden/block_values.json", root != NULL ? root : ".");
    json_t *golden = json_load_file(path, 0, &why);
    assert_non_null(golden);
    open_block(
        &b, *state, values,
        (setting){"mistral_no_window", 4, 4, 4, &pl_format_asymmetric, 0, 0, GOLDEN_LENGTH, 0});
    b.in.kv.clip = 1.0;
    for (size_t r = 0; r < b.in.n_sites; r++) {
        b.sites[r].activations.clip = 1.0;
    }
    pl_check_ok(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), err);
    double *params = zeros64(2 * o.at.count), *gradient = params + o.at.count;
    make_golden(&o.at, params);
    pl_check_ok(pl_block_objective_value(&o, params, 0, &got, gradient, NULL, &err), err);
    expect_close(log(got), json_number_value(json_object_get(golden, "log_loss")), 1e-5);
    const json_t *all = json_object_get(golden, "gradients");
    for (size_t r = 0; r < o.at.n_sites; r++) {
        const pl_flat_layout *at = &o.at.sites[r];
        const char *site = b.in.sites[r].site;
        check_golden(all, site, ".first", gradient + at->first, at->n1 * at->n1);
        check_golden(all, site, ".second", gradient + at->second, at->n2 * at->n2);
        if (at->scale != PL_FLAT_NONE) {
            check_golden(all, site, ".scale", gradient + at->scale, at->n);
        }
        check_golden(all, site, ".weight_low", gradient + at->weight_low, at->rows);
        check_golden(all, site, ".weight_high", gradient + at->weight_high, at->rows);
        check_golden(all, site, ".input_low", gradient + at->input_low, 1);
        check_golden(all, site, ".input_high", gradient + at->input_high, 1);
    }
    check_golden(all, "key", "", gradient + o.at.key, b.in.head_dim * b.in.head_dim);
    check_golden(all, "cache", "", gradient + o.at.cache, 4);
    free(params);
    json_decref(golden);
    pl_block_objective_deinit(&o);
    close_block(&b);
}

/* What learning takes for the transforms' function is what the transforms do: without quantizers'
 * error, at 8 bits, nearly nothing is lost; and the transforms made of the parameters undo
 * themselves. */
static void transforms_mean_what_is_learned(void **state)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    double got = 0.0;
    open_block(&b, *state, values, (setting){"qwen3", 8, 8, 8, &pl_format_symmetric, 0, 0, 0, 0});
    b.in.kv.clip = 1.0;
    for (size_t r = 0; r < b.in.n_sites; r++) {
        b.sites[r].activations.clip = 1.0;
    }
    pl_check_ok(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), err);
    double *params = zeros64(o.at.count);
    pl_check_ok(pl_block_start(&o.at, &b.in, 0.3, 1, params, &err), err);
    for (size_t i = o.at.clips; i < o.at.count; i++) {
        params[i] = 30.0;
    }
    pl_check_ok(pl_block_objective_value(&o, params, 0, &got, NULL, NULL, &err), err);
    expect_less(got, 2e-3);
    pl_transform *t = NULL;
    enum { VALUES = 2 };
    pl_check_ok(pl_block_transform(&o.at, PL_SITE_QKV, params, &t, &err), err);
    const pl_transform *turn = pl_transform_outputs(t, VALUES);
    assert_non_null(turn);
    assert_non_null(pl_transform_keys(t));
    const size_t turned = pl_transform_n(turn);
    assert_int_equal(turned, b.in.kv_heads * b.in.head_dim);
    const size_t first = b.views[PL_SITE_QKV].rows - turned;
    const size_t rows = b.views[PL_SITE_QKV].rows, n = b.in.hidden;
    float *w = malloc(rows * n * sizeof *w);
    assert_non_null(w);
    memcpy(w, b.views[PL_SITE_QKV].data, rows * n * sizeof *w);
    pl_check_ok(pl_transform_weights(t, w, rows, NULL, &err), err);
    pl_check_ok(pl_transform_outputs_weights(t, VALUES, w + first * n, turned, n, NULL, &err), err);
    for (size_t i = 0; i < rows * n; i++) {
        const float *of = i / n < first ? o.sites[PL_SITE_QKV].wt : o.mixed - first * n;
        expect_close(w[i], of[i], 1e-5);
    }
    pl_check_ok(pl_transform_outputs_weights_back(t, VALUES, w + first * n, turned, n, NULL, &err),
                err);
    pl_check_ok(pl_transform_weights_back(t, w, rows, NULL, &err), err);
    for (size_t i = 0; i < rows * n; i++) {
        expect_close(w[i], b.views[PL_SITE_QKV].data[i], 1e-5);
    }
    free(w);
    pl_transform_destroy(t);
    free(params);
    pl_block_objective_deinit(&o);
    close_block(&b);
}

static void what_cannot_be_learned_is_refused(void **state)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    open_block(&b, *state, values, (setting){"qwen3", 0, 0, 0, &pl_format_symmetric, 0, 0, 0, 0});
    assert_int_equal(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), PL_ERR_STATE);
    pl_check_says(err, "nothing is quantized, so transforms have nothing to learn");
    pl_block_objective_deinit(&o);
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
        cmocka_unit_test_setup_teardown(transforms_mean_what_is_learned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_learned_is_refused, set_up, tear_down),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
