#include "tests/unit/learn/block_reference.h"

#include "core/model/forward_parts.h"
#include "tests/support/ref_learn.h"

#include <math.h>

double *block_zeros(size_t count)
{
    double *all = calloc(count, sizeof *all);
    assert_non_null(all);
    return all;
}

size_t setting_input_group(const setting *set)
{
    return set->format->blocks ? set->weight_group : 0;
}

void block_open(block *b, pl_temp *temp, const json_t *values, setting set)
{
    /* Those of the golden values, which are of a plain block. */
    static const char *const names[] = {"qkv", "o", "gate_up", "down"};
    pl_error err = {0};
    *b = (block){.set = set,
                 .grid = {.bits = set.weight_bits,
                          .group_size = set.weight_group,
                          .format = set.format,
                          .scale_dtype = PL_F32,
                          .scale_mode = set.format->mode}};
    formula_write_hf(formula_case(values, set.model), temp);
    pl_check_ok(pl_model_open(temp->folder, &b->model, &err), err);
    const pl_config *c = pl_model_config(b->model);
    const size_t length = set.length > 0 ? set.length : LENGTH, all = length * WINDOWS;
    pl_check_ok(pl_tape_create(b->model, length, WINDOWS, &b->tape, &err), err);
    pl_check_ok(pl_tape_load(b->tape, set.block, NULL, &err), err);
    pl_check_ok(pl_forward_create(b->model, length, &b->forward, &err), err);
    pl_check_ok(pl_forward_load(b->forward, set.block, NULL, NULL, &err), err);
    const pl_act_grid act = {.bits = set.act_bits,
                             .format = set.format,
                             .clip = 0.95,
                             .group_size = setting_input_group(&set),
                             .scale_mode = set.format->mode};
    const pl_act_grid kv = {
        .bits = set.kv_bits, .format = set.format, .clip = 0.9, .scale_mode = set.format->mode};
    b->x = calloc(all * c->hidden_size, sizeof *b->x);
    b->max_abs = calloc(1024, sizeof *b->max_abs);
    assert_non_null(b->x);
    assert_non_null(b->max_abs);
    b->x64 = block_zeros(all * c->hidden_size);
    b->y64 = block_zeros(all * c->hidden_size);
    b->target = block_zeros(all * c->hidden_size);
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
        b->w64[r] = block_zeros(rows * cols);
        b->b64[r] = block_zeros(rows);
        b->ref.weights[r] = block_zeros(rows * cols);
        b->ref.biases[r] = block_zeros(rows);
        b->p1[r] = block_zeros(2 * cols * cols);
        b->p2[r] = block_zeros(2 * cols * cols);
        b->scale[r] = block_zeros(2 * cols);
        for (size_t i = 0; i < rows * cols; i++) {
            b->w64[r][i] = (double)w[i];
        }
        for (size_t i = 0; bias != NULL && i < rows; i++) {
            b->b64[r][i] = (double)bias[i];
        }
    }
    b->p_h = block_zeros(2 * c->head_dim * c->head_dim);
    b->p_h_back = b->p_h + c->head_dim * c->head_dim;
    b->offsets = block_zeros(MOST_HELD);
    b->sides = block_zeros(MOST_HELD);
    b->zeros = block_zeros(MOST_HELD);
    pl_check_ok(pl_block_layout_init(&b->at, &b->in, &err), err);
    b->ref.forward = b->forward;
    b->ref.config = c;
    b->ref.ctx = b;
    const pl_step s = {.f = b->forward, .c = c, .length = length};
    pl_forward_turns(&s, &b->ref.cosine, &b->ref.sine);
}

void block_close(block *b)
{
    double *const owned[] = {b->x64,     b->y64,   b->target, b->p_h,
                             b->offsets, b->sides, b->zeros,  b->made};
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

/* Q of count values on the shares of their own range; which offsets are held follows from the order
 * of the calls, which is always the same. */
static void quantize(block *b, double *x, size_t count, double low, double high, int bits,
                     double tensor, bool clamps)
{
    pl_ref_ends e = pl_ref_ends_of(x, count);
    e.low *= low;
    e.high *= high;
    expect_at_most(b->held + count, MOST_HELD);
    pl_ref_quantize(b->hold, x, count, e, bits, b->set.format, tensor, clamps, b->offsets + b->held,
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
    double *turned = block_zeros(rows * n), *identity = block_zeros(d * d);
    for (size_t i = 0; i < d; i++) {
        identity[i * d + i] = 1.0;
    }
    pl_ref_turn(at, x, rows, b->scale[site], b->p1[site], site == b->at.o ? identity : b->p2[site],
                turned);
    memcpy(x, turned, rows * n * sizeof *x);
    for (size_t r = 0; b->set.act_bits > 0 && r < rows; r++) {
        const double low = (double)0.95f * share(b, at->input_low);
        const double high = (double)0.95f * share(b, at->input_high);
        const double most = pl_ref_most(x + r * n, n, low, high, b->set.format);
        const size_t group = setting_input_group(&b->set), width = group > 0 ? group : n;
        for (size_t i = 0; i < n; i += width) {
            quantize(b, x + r * n + i, n - i < width ? n - i : width, low, high, b->set.act_bits,
                     most, false);
        }
    }
    free(turned);
    free(identity);
}

/* x[heads, d] <- x m in each head. */
static void turn_heads(const block *b, const double *m, double *x, size_t heads)
{
    const size_t d = b->in.head_dim;
    double *keep = block_zeros(d);
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
        const double low = (double)(float)clip * share(b, at);
        const double high = (double)(float)clip * share(b, at + 1);
        for (size_t head = 0; head < b->in.kv_heads; head++) {
            double *x = (part == 0 ? k : v) + head * d;
            const double most = pl_ref_most(x, d, low, high, b->set.format);
            for (size_t i = 0; i < d; i += width) {
                quantize(b, x + i, width, low, high, b->set.kv_bits, most, false);
            }
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
    double *keep = block_zeros(d);
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
    memcpy(b->ref.biases[site], b->b64[site], at->rows * sizeof(double));
    if (site == PL_SITE_QKV && b->at.value_rows > 0) {
        turn_values(b, w + first * n, first);
        turn_heads(b, b->p2[PL_SITE_O], b->ref.biases[site] + first, b->in.kv_heads);
    }
    double most[2] = {0.0, 0.0}; /* of v's rows, which are clipped already, and the others */
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; b->set.weight_bits > 0 && i < at->rows * at->groups; i++) {
            const size_t from = i % at->groups * at->width, row = i / at->groups;
            const size_t count = n - from < at->width ? n - from : at->width;
            double *group = w + row * n + from, *tensor = &most[row < first];
            const double low = row < first ? share(b, at->weight_low + i) : 1.0;
            const double high = row < first ? share(b, at->weight_high + i) : 1.0;
            if (pass == 0) {
                *tensor = fmax(*tensor, pl_ref_most(group, count, low, high, b->set.format));
            } else {
                quantize(b, group, count, low, high, b->set.weight_bits, *tensor, true);
            }
        }
    }
}

static bool same_part(const block *b, size_t first, size_t count)
{
    return memcmp(b->made + first, b->params + first, count * sizeof *b->made) == 0;
}

static bool same_turn(const block *b, size_t site)
{
    const pl_flat_layout *at = &b->at.sites[site];
    return same_part(b, at->first, at->n1 * at->n1) && same_part(b, at->second, at->n2 * at->n2) &&
           (at->scale == PL_FLAT_NONE || same_part(b, at->scale, at->n));
}

/* A difference moves the parameters of one group: the sites that have no part in it stay. */
static bool is_made(const block *b, size_t site)
{
    const pl_flat_layout *at = &b->at.sites[site];
    const size_t clipped = b->set.weight_bits > 0 ? at->weight_high - at->weight_low : 0;
    return b->made != NULL && same_turn(b, site) &&
           (clipped == 0 ||
            (same_part(b, at->weight_low, clipped) && same_part(b, at->weight_high, clipped))) &&
           (site != PL_SITE_QKV || b->at.value_rows == 0 || same_turn(b, b->at.o));
}

static void make_turn(block *b, size_t site)
{
    const pl_flat_layout *at = &b->at.sites[site];
    const double *params = b->params;
    pl_ref_learn_factor(at->n1, params + at->first, b->p1[site], b->p1[site] + at->n1 * at->n1);
    pl_ref_learn_factor(at->n2, params + at->second, b->p2[site], b->p2[site] + at->n2 * at->n2);
    for (size_t c = 0; c < at->n; c++) {
        const double log = at->scale != PL_FLAT_NONE ? params[at->scale + c] : 0.0;
        b->scale[site][c] = exp(log);
        b->scale[site][at->n + c] = exp(-log);
    }
}

double block_reference(block *b, const double *params)
{
    const size_t count = b->in.length * WINDOWS * b->in.hidden;
    bool made[PL_REF_SITES];
    b->params = params;
    b->held = b->ranges = 0;
    memset(b->seen, 0, sizeof b->seen);
    b->ref.input = see_input;
    b->ref.cache = b->at.key != PL_FLAT_NONE ? see_cache : NULL;
    for (size_t r = 0; r < b->in.n_sites; r++) {
        made[r] = is_made(b, r);
        if (!made[r]) {
            make_turn(b, r);
        }
    }
    if (b->at.key != PL_FLAT_NONE) {
        pl_ref_learn_factor(b->in.head_dim, params + b->at.key, b->p_h, b->p_h_back);
    }
    for (size_t r = 0; r < b->in.n_sites; r++) {
        const size_t held = b->held, ranges = b->ranges;
        if (made[r]) {
            b->held += b->made_held[r];
            b->ranges += b->made_ranges[r];
            continue;
        }
        make_weights(b, r);
        b->made_held[r] = b->held - held;
        b->made_ranges[r] = b->ranges - ranges;
    }
    if (b->hold) {
        b->made = b->made != NULL ? b->made : block_zeros(b->at.count);
        memcpy(b->made, params, b->at.count * sizeof *b->made);
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

void block_find_target(block *b)
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
