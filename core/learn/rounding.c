#include "core/learn/rounding.h"

#include "core/tensor/clones.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Values of formats that are not evenly spaced go through the format's own functions, so many at a
 * time; a mode with two candidates for a scale has groups of no more. */
enum { PIECE = 64 };

static bool is_even(const pl_rounding *rounding)
{
    return rounding->format->steps != NULL;
}

static pl_rounding rounding_of(const pl_grid *grid, bool clamps)
{
    pl_rounding rounding = {.bits = grid->bits,
                            .format = grid->format,
                            .clamps = clamps,
                            .scaling = {grid->scale_dtype, grid->scale_mode, 0.0f}};
    if (!is_even(&rounding)) {
        float levels[256];
        const size_t count = pl_grid_levels(grid, (pl_grid_param){1.0f, 0}, levels);
        rounding.least = levels[0];
        rounding.most = levels[count - 1];
        rounding.steps_by_two =
            grid->scale_mode == PL_SCALE_FLOOR || grid->scale_mode == PL_SCALE_EVEN ||
            grid->scale_mode == PL_SCALE_CEIL || grid->scale_mode == PL_SCALE_RCEIL;
    }
    return rounding;
}

pl_rounding pl_rounding_of_weights(const pl_grid *grid)
{
    return rounding_of(grid, true);
}

pl_rounding pl_rounding_of_activations(const pl_act_grid *grid)
{
    const pl_grid as_weights = {.bits = grid->bits,
                                .format = grid->bits > 0 ? grid->format : &pl_format_symmetric,
                                .scale_dtype = PL_F32,
                                .scale_mode = grid->scale_mode};
    return rounding_of(&as_weights, false);
}

pl_status pl_round_check(const char *name, const pl_rounding *rounding, pl_error *err)
{
    const pl_scale_mode mode = rounding->scaling.mode;
    return rounding->bits == 0 || (mode != PL_SCALE_TENSOR && mode != PL_SCALE_BLOCK)
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE,
                              "%s: nothing is learned for scale_mode=%s, whose scales many groups "
                              "share: choose another scale_mode",
                              name, pl_scale_mode_names[mode]);
}

bool pl_round_of_tensor(const pl_rounding *rounding)
{
    return rounding->bits > 0 && pl_format_of_tensor(rounding->format, rounding->scaling.mode);
}

static void clamp_to(pl_act_range kept, const float *x, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = x[i] < kept.lo ? kept.lo : x[i] > kept.hi ? kept.hi : x[i];
    }
}

static void fit_uneven(const pl_rounding *rounding, float most, const float *x, size_t count,
                       pl_round_group *group)
{
    float clamped[PIECE];
    pl_scaling scaling = rounding->scaling;
    scaling.most = most;
    if (rounding->clamps && count <= PIECE) {
        clamp_to(group->kept, x, count, clamped);
        x = clamped;
    }
    if (group->kept.lo < 0.0f || group->kept.hi > 0.0f) {
        group->scale = pl_format_fit(rounding->format, rounding->bits, &scaling,
                                     (double)group->kept.lo, (double)group->kept.hi, x, count)
                           .scale;
    }
}

/* What a range is divided by to give the scale. */
static double rounding_steps(const pl_rounding *rounding, const pl_round_group *group)
{
    return is_even(rounding) ? rounding->format->steps(rounding->bits)
                             : (double)pl_act_farther(group->kept) / (double)group->scale;
}

pl_round_group pl_round_fit(const pl_rounding *rounding, pl_act_range own, pl_act_range share,
                            float most, const float *x, size_t count)
{
    const pl_act_range kept = pl_act_kept(own, share);
    pl_round_group group = {own, kept, 0.0f, 0.0f};
    if (!is_even(rounding)) {
        fit_uneven(rounding, most, x, count, &group);
        return group;
    }
    const bool asymmetric = rounding->format->zero_point;
    const double steps = rounding_steps(rounding, &group);
    const double reach =
        asymmetric ? (double)kept.hi - (double)kept.lo : (double)pl_act_farther(kept);
    group.scale = (float)(reach / steps);
    if (asymmetric && group.scale > 0.0f) {
        group.zero = (float)fmin(rint(-(double)kept.lo / (double)group.scale), steps);
    }
    return group;
}

/* What the loops below know of a group. */
typedef struct grid_loop {
    float low, high;   /* where values are clamped */
    float least, most; /* codes */
    float scale, zero;
    float code_base;    /* what a clamped code's value moves with: kept.lo, or nothing */
    float code_follows; /* 1: it moves with kept.lo */
} grid_loop;

static grid_loop loop_of(const pl_rounding *rounding, const pl_round_group *group)
{
    const float levels = (float)(1 << rounding->bits);
    const bool asymmetric = rounding->format->zero_point;
    return (grid_loop){
        .low = rounding->clamps ? group->kept.lo : -FLT_MAX,
        .high = rounding->clamps ? group->kept.hi : FLT_MAX,
        .least = asymmetric ? 0.0f : -levels / 2.0f,
        .most = asymmetric ? levels - 1.0f : levels / 2.0f - 1.0f,
        .scale = group->scale,
        .zero = group->zero,
        .code_base = asymmetric ? group->kept.lo : 0.0f,
        .code_follows = asymmetric ? 1.0f : 0.0f,
    };
}

PL_CLONES static void apply(const grid_loop *g, const float *x, size_t count, float *out)
{
    const float low = g->low, high = g->high, least = g->least, most = g->most;
    const float scale = g->scale, zero = g->zero;
    for (size_t i = 0; i < count; i++) {
        const float up = x[i] > low ? x[i] : low, kept = up < high ? up : high;
        const float code = rintf(kept / scale) + zero;
        const float above = code > least ? code : least;
        out[i] = scale * ((above < most ? above : most) - zero);
    }
}

void pl_round_apply(const pl_rounding *rounding, const pl_round_group *group, const float *x,
                    size_t count, float *out)
{
    if (rounding->bits == 0 || !(group->scale > 0.0f)) {
        for (size_t i = 0; i < count; i++) {
            out[i] = x[i];
        }
        return;
    }
    if (is_even(rounding)) {
        const grid_loop g = loop_of(rounding, group);
        apply(&g, x, count, out);
        return;
    }
    if (rounding->clamps) {
        clamp_to(group->kept, x, count, out);
    } else if (out != x) {
        memcpy(out, x, count * sizeof *out);
    }
    rounding->format->round(rounding->bits, (pl_grid_param){group->scale, 0}, out, count);
}

enum { LANES = 16 };

typedef struct lane_sums {
    float scale[LANES], low[LANES], high[LANES];
} lane_sums;

#define INLINE static inline __attribute__((always_inline))

/* Of a value that is kept as `kept` and rounded to `out`; over: its code is clamped.  What it adds
 * to the sums goes to *scale, *low and *high. */
INLINE void one(const grid_loop *g, float x, float kept, float out, bool over, float *grad,
                float *scale, float *low, float *high)
{
    const float e = *grad;
    const bool below = x<g->low, beyond = x> g->high;
    *scale = e * (out - (over ? g->code_base : kept));
    *low = over ? e * g->code_follows : below ? e : 0.0f;
    *high = !over && beyond ? e : 0.0f;
    *grad = over || below || beyond ? 0.0f : e;
}

INLINE void one_even(const grid_loop *g, float x, float *grad, float *scale, float *low,
                     float *high)
{
    const float up = x > g->low ? x : g->low, kept = up < g->high ? up : g->high;
    const float code = rintf(kept / g->scale) + g->zero;
    const float above = code > g->least ? code : g->least;
    const float inside = above < g->most ? above : g->most;
    one(g, x, kept, g->scale * (inside - g->zero), code < g->least || code > g->most, grad, scale,
        low, high);
}

INLINE void one_uneven(const grid_loop *g, float x, float rounded, float *grad, float *scale,
                       float *low, float *high)
{
    const float up = x > g->low ? x : g->low, kept = up < g->high ? up : g->high;
    one(g, x, kept, rounded, kept < g->least || kept > g->most, grad, scale, low, high);
}

/* What a piece's values add to the sums. */
typedef struct piece_terms {
    float scale[PIECE], low[PIECE], high[PIECE];
} piece_terms;

INLINE void add_to_lanes(const float *terms, size_t count, float *lanes)
{
    const size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            lanes[lane] += terms[i + lane];
        }
    }
    for (size_t i = whole; i < count; i++) {
        lanes[0] += terms[i];
    }
}

INLINE void add_all(const lane_sums *from, lane_sums *sums)
{
    add_to_lanes(from->scale, LANES, sums->scale);
    add_to_lanes(from->low, LANES, sums->low);
    add_to_lanes(from->high, LANES, sums->high);
}

INLINE void add_terms(const piece_terms *terms, size_t count, lane_sums *sums)
{
    add_to_lanes(terms->scale, count, sums->scale);
    add_to_lanes(terms->low, count, sums->low);
    add_to_lanes(terms->high, count, sums->high);
}

/* Both add to *sums.  A piece's terms are made in one loop, which has no sums, and added in others:
 * so each is one of vectors. */
PL_CLONES static void differentiate(const grid_loop *from, const float *restrict x, size_t count,
                                    float *restrict grad, lane_sums *sums)
{
    const grid_loop g = *from;
    lane_sums all = {0};
    for (size_t at = 0; at < count; at += PIECE) {
        const size_t some = count - at < PIECE ? count - at : (size_t)PIECE;
        piece_terms terms;
        for (size_t i = 0; i < some; i++) {
            one_even(&g, x[at + i], grad + at + i, &terms.scale[i], &terms.low[i], &terms.high[i]);
        }
        add_terms(&terms, some, &all);
    }
    add_all(&all, sums);
}

/* Of a piece whose rounded values are given. */
PL_CLONES static void differentiate_uneven(const grid_loop *from, const float *restrict x,
                                           const float *restrict rounded, size_t count,
                                           float *restrict grad, lane_sums *sums)
{
    const grid_loop g = *from;
    lane_sums all = {0};
    piece_terms terms;
    for (size_t i = 0; i < count; i++) {
        one_uneven(&g, x[i], rounded[i], grad + i, &terms.scale[i], &terms.low[i], &terms.high[i]);
    }
    add_terms(&terms, count, &all);
    add_all(&all, sums);
}

/* A group's sums to *sums, the scale's by the scale. */
static void add_lanes(const lane_sums *lanes, float scale, pl_round_sums *sums)
{
    double all = 0.0;
    for (int lane = 0; lane < LANES; lane++) {
        all += (double)lanes->scale[lane];
        sums->low += (double)lanes->low[lane];
        sums->high += (double)lanes->high[lane];
    }
    sums->scale += all / (double)scale;
}

static void uneven_gradient(const pl_rounding *rounding, const pl_round_group *group,
                            const float *x, size_t count, float *grad, pl_round_sums *sums)
{
    const grid_loop g = {.low = rounding->clamps ? group->kept.lo : -FLT_MAX,
                         .high = rounding->clamps ? group->kept.hi : FLT_MAX,
                         .least = rounding->least * group->scale,
                         .most = rounding->most * group->scale};
    float rounded[PIECE];
    lane_sums all = {0};
    for (size_t at = 0; at < count; at += PIECE) {
        const size_t some = count - at < PIECE ? count - at : (size_t)PIECE;
        pl_round_apply(rounding, group, x + at, some, rounded);
        differentiate_uneven(&g, x + at, rounded, some, grad + at, &all);
    }
    add_lanes(&all, group->scale, sums);
}

/* grad[count]: dL/dQ(x) becomes dL/dx without the range's part, which is added to *sums. */
static void round_gradient(const pl_rounding *rounding, const pl_round_group *group, const float *x,
                           size_t count, float *grad, pl_round_sums *sums)
{
    if (rounding->bits == 0 || !(group->scale > 0.0f)) {
        return;
    }
    if (!is_even(rounding)) {
        uneven_gradient(rounding, group, x, count, grad, sums);
        return;
    }
    const grid_loop g = loop_of(rounding, group);
    lane_sums lanes = {0};
    differentiate(&g, x, count, grad, &lanes);
    add_lanes(&lanes, group->scale, sums);
}

/* dL/d(kept.lo) and dL/d(kept.hi) whole, from the sums over the group. */
static void round_range_gradient(const pl_rounding *rounding, const pl_round_group *group,
                                 const pl_round_sums *sums, double *low, double *high)
{
    *low = *high = 0.0;
    if (rounding->bits == 0 || !(group->scale > 0.0f)) {
        return;
    }
    const double share =
        rounding->steps_by_two ? 0.0 : sums->scale / rounding_steps(rounding, group);
    const bool upper = group->kept.hi >= -group->kept.lo;
    *low = sums->low;
    *high = sums->high;
    if (rounding->format->zero_point) {
        *low -= share;
        *high += share;
    } else if (upper) {
        *high += share;
    } else {
        *low -= share;
    }
}

/* The part of a group's own range, from dL/d of what is kept of its ends: dL/dshare to *low and
 * *high, dL/dx to the values at its ends. */
static void spread_range(pl_act_range own, pl_act_range share, double low_grad, double high_grad,
                         const float *x, size_t count, float *grad, double *low, double *high)
{
    *low = low_grad * (double)own.lo;
    *high = high_grad * (double)own.hi;
    bool want_low = own.lo < 0.0f && (low_grad < 0.0 || low_grad > 0.0);
    bool want_high = own.hi > 0.0f && (high_grad < 0.0 || high_grad > 0.0);
    for (size_t i = 0; (want_low || want_high) && i < count; i++) {
        if (want_low && x[i] <= own.lo) {
            grad[i] += (float)(low_grad * (double)share.lo);
            want_low = false;
        }
        if (want_high && x[i] >= own.hi) {
            grad[i] += (float)(high_grad * (double)share.hi);
            want_high = false;
        }
    }
}

void pl_round_back(const pl_rounding *rounding, const pl_round_group *group, pl_act_range share,
                   const float *x, size_t count, float *grad, double *low, double *high)
{
    pl_round_sums sums = {0};
    double low_grad, high_grad;
    round_gradient(rounding, group, x, count, grad, &sums);
    round_range_gradient(rounding, group, &sums, &low_grad, &high_grad);
    spread_range(group->own, share, low_grad, high_grad, x, count, grad, low, high);
}

void pl_clip_apply(pl_act_range own, pl_act_range share, const float *x, size_t count, float *out)
{
    clamp_to(pl_act_kept(own, share), x, count, out);
}

void pl_clip_back(pl_act_range own, pl_act_range share, const float *x, size_t count, float *grad,
                  double *low, double *high)
{
    const float least = own.lo * share.lo, most = own.hi * share.hi;
    double low_grad = 0.0, high_grad = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (x[i] < least) {
            low_grad += (double)grad[i];
            grad[i] = 0.0f;
        } else if (x[i] > most) {
            high_grad += (double)grad[i];
            grad[i] = 0.0f;
        }
    }
    spread_range(own, share, low_grad, high_grad, x, count, grad, low, high);
}
