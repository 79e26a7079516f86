#include "core/base/number.h"
#include "core/base/search.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a bracket, what a step leaves at each end at least; and the slope where none is known. */
static const double MARGIN = 0.02, USUAL_SLOPE = 0.7;

/* A least value is looked for from decade to decade, or from eighth to eighth of a linear range,
 * then by parabolas, and by golden sections where those do not help. */
static const double DECADE = 2.302585092994046, GOLDEN = 0.3819660112501051;

static double position(const pl_search *s, double x)
{
    return s->logarithmic ? log(x) : x;
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* The x of a position, in the range and in its numbers. */
static double value_at_position(const pl_search *s, double u)
{
    double x = clamp(s->logarithmic ? exp(u) : u, s->low, s->high);
    if (s->whole) {
        x = rint(x);
    } else if (x > s->low && x < s->high) {
        x = pl_round_digits(x);
    }
    return clamp(x, s->low, s->high);
}

/* How far y is from what is wanted, by its logarithm; below nothing it counts as next to nothing.
 */
static double miss(const pl_search *s, double y)
{
    return log(fmax(y / s->want, 1e-6));
}

static bool is_known(const pl_search *s, double x)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!(s->x[i] < x) && !(s->x[i] > x)) {
            return true;
        }
    }
    return false;
}

/* Indices of the points by rising x. */
static void order_points(const pl_search *s, size_t *order)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t at = i;
        for (; at > 0 && s->x[order[at - 1]] > s->x[i]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

/* --- a value ---------------------------------------------------------------------------------- */

/* The two points nearest to what is wanted; false where there is only one. */
static bool nearest_two(const pl_search *s, size_t *first, size_t *second)
{
    *first = *second = SIZE_MAX;
    for (size_t i = 0; i < s->count; i++) {
        const double m = fabs(miss(s, s->y[i]));
        if (*first == SIZE_MAX || m < fabs(miss(s, s->y[*first]))) {
            *second = *first;
            *first = i;
        } else if (*second == SIZE_MAX || m < fabs(miss(s, s->y[*second]))) {
            *second = i;
        }
    }
    return *second != SIZE_MAX;
}

/* d miss / d position of those two. */
static double secant_slope(const pl_search *s)
{
    size_t a = 0, b = 0;
    return nearest_two(s, &a, &b) ? (miss(s, s->y[b]) - miss(s, s->y[a])) /
                                        (position(s, s->x[b]) - position(s, s->x[a]))
                                  : 0.0;
}

double pl_search_slope(const pl_search *s)
{
    const double slope = s->count > 1 && s->want > 0.0 ? secant_slope(s) : 0.0;
    return isfinite(slope) ? slope : 0.0;
}

/* The neighbouring points between which y passes what is wanted: the narrowest. */
static bool find_bracket(const pl_search *s, const size_t *order, size_t *a, size_t *b)
{
    double least = INFINITY;
    for (size_t i = 0; i + 1 < s->count; i++) {
        const size_t p = order[i], q = order[i + 1];
        const double width = position(s, s->x[q]) - position(s, s->x[p]);
        if ((miss(s, s->y[p]) < 0.0) != (miss(s, s->y[q]) < 0.0) && width < least) {
            least = width;
            *a = p;
            *b = q;
        }
    }
    return isfinite(least);
}

/* Whether the last two values have left more than half of the bracket before them. */
static bool creeps(const pl_search *s, double width)
{
    pl_search before = *s;
    size_t order[PL_SEARCH_MOST], a = 0, b = 0;
    before.count -= before.count > 2 ? 2 : before.count;
    order_points(&before, order);
    return find_bracket(&before, order, &a, &b) &&
           width > 0.5 * (position(s, s->x[b]) - position(s, s->x[a]));
}

/* Inside a bracket: where the secant of the two nearest points says, else that of its ends; the
 * middle where those creep. */
static double inside(const pl_search *s, size_t a, size_t b)
{
    const double ua = position(s, s->x[a]), ub = position(s, s->x[b]), width = ub - ua;
    const double ma = miss(s, s->y[a]), mb = miss(s, s->y[b]), slope = secant_slope(s);
    double u = position(s, s->x[s->best]) - miss(s, s->y[s->best]) / slope;
    if (creeps(s, width)) {
        u = 0.5 * (ua + ub);
    } else if (!(u > ua + MARGIN * width && u < ub - MARGIN * width)) {
        u = clamp(ua - ma * width / (mb - ma), ua + MARGIN * width, ub - MARGIN * width);
    }
    return value_at_position(s, u);
}

/* No bracket yet: on along the slope, to an end at the most; behind a plateau in growing steps. */
static bool outside(const pl_search *s, double *x)
{
    const double low = position(s, s->low), high = position(s, s->high);
    const double at = position(s, s->x[s->best]), m = miss(s, s->y[s->best]);
    double slope = s->count > 1 ? secant_slope(s) : s->slope;
    double step = 0.0;
    if (s->count == 1 && !s->logarithmic) {
        step = 0.25 * (high - low) * (m < 0.0 ? 1.0 : -1.0);
    } else if (fabs(slope) > 1e-3) {
        step = -m / slope;
    } else {
        step = s->count == 1 ? -m / USUAL_SLOPE
                             : 4.0 * (at - position(s, s->x[s->count > 1 ? s->count - 2 : 0]));
        step = fabs(step) > 0.0 ? step : 0.1 * (high - low);
    }
    double longest = 0.5 * (high - low);
    if (s->logarithmic && fabs(slope) > 1e-3) { /* farther away a slope is no guide */
        longest = fmin(longest, 2.0 * DECADE);
    }
    step = clamp(step, -longest, longest);
    const double candidates[] = {value_at_position(s, at + 1.05 * step),
                                 step > 0.0 ? s->high : s->low, step > 0.0 ? s->low : s->high};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        if (!is_known(s, candidates[i])) {
            *x = candidates[i];
            return true;
        }
    }
    return false;
}

static bool next_value(pl_search *s, double *x)
{
    size_t order[PL_SEARCH_MOST], a = 0, b = 0;
    order_points(s, order);
    if (fabs(s->y[s->best] - s->want) <= s->tolerance * s->want) {
        s->end = PL_SEARCH_FOUND;
        return false;
    }
    const bool bracketed = find_bracket(s, order, &a, &b);
    if (bracketed) {
        *x = inside(s, a, b);
        if (is_known(s, *x)) { /* the middle, where there is a number between */
            *x = value_at_position(s, 0.5 * (position(s, s->x[a]) + position(s, s->x[b])));
        }
        s->end = is_known(s, *x) ? PL_SEARCH_NEAREST : PL_SEARCH_GOES_ON;
    } else if (!outside(s, x)) {
        s->end = PL_SEARCH_BEYOND;
    }
    return s->end == PL_SEARCH_GOES_ON;
}

/* --- the least -------------------------------------------------------------------------------- */

/* Between its neighbours: the parabola's vertex, or a golden section of the wider side. */
static double between(const pl_search *s, size_t left, size_t right)
{
    const bool logs = s->y[left] > 0.0 && s->y[right] > 0.0 && s->y[s->best] > 0.0;
    const double a = position(s, s->x[left]), b = position(s, s->x[s->best]),
                 c = position(s, s->x[right]);
    const double ya = logs ? log(s->y[left]) : s->y[left];
    const double yb = logs ? log(s->y[s->best]) : s->y[s->best];
    const double yc = logs ? log(s->y[right]) : s->y[right];
    const double p = (b - a) * (yb - yc), q = (b - c) * (yb - ya);
    const double vertex = b - 0.5 * ((b - a) * p - (b - c) * q) / (p - q);
    const double wider = c - b > b - a ? c - b : b - a;
    const bool inside_both = vertex > a + 0.1 * (b - a) && vertex < c - 0.1 * (c - b);
    if (inside_both && fabs(vertex - b) > 0.1 * wider) {
        return value_at_position(s, vertex);
    }
    return value_at_position(s, c - b > b - a ? b + GOLDEN * (c - b) : b - GOLDEN * (b - a));
}

/* A neighbour of the least point that is not there yet, a stride away. */
static bool next_least(pl_search *s, double *x)
{
    size_t order[PL_SEARCH_MOST], at = 0;
    order_points(s, order);
    while (order[at] != s->best) {
        at++;
    }
    const double b = position(s, s->x[s->best]);
    const double stride = s->logarithmic ? DECADE : 0.125 * (s->high - s->low);
    const double down = value_at_position(s, b - stride), up = value_at_position(s, b + stride);
    const bool no_left = at == 0, no_right = at + 1 == s->count;
    if (no_right && !is_known(s, up)) {
        *x = up;
    } else if (no_left && !is_known(s, down)) {
        *x = down;
    } else if (no_left || no_right) {
        s->end = PL_SEARCH_FOUND; /* at an end of the range */
    } else {
        const size_t left = order[at - 1], right = order[at + 1];
        const double width = position(s, s->x[right]) - position(s, s->x[left]);
        const double enough = s->logarithmic ? s->tolerance : s->tolerance * (s->high - s->low);
        *x = between(s, left, right);
        s->end = 0.5 * width <= enough || is_known(s, *x) ? PL_SEARCH_FOUND : PL_SEARCH_GOES_ON;
    }
    return s->end == PL_SEARCH_GOES_ON;
}

/* ---------------------------------------------------------------------------------------------- */

bool pl_search_next(pl_search *s, double *x)
{
    const size_t most = s->most > 0 && s->most < PL_SEARCH_MOST ? s->most : PL_SEARCH_MOST;
    if (s->end != PL_SEARCH_GOES_ON) {
        return false;
    }
    if (s->count == 0) {
        s->slope = fabs(s->slope) > 0.0 ? s->slope : USUAL_SLOPE;
        *x = value_at_position(s, position(s, clamp(s->start, s->low, s->high)));
        return true;
    }
    if (!(s->least ? next_least(s, x) : next_value(s, x))) {
        return false;
    }
    if (s->count == most) {
        s->end = s->least ? PL_SEARCH_FOUND : PL_SEARCH_NEAREST;
        return false;
    }
    return true;
}

void pl_search_tell(pl_search *s, double x, double y)
{
    if (!isfinite(y)) {
        s->end = PL_SEARCH_NO_NUMBER;
        return;
    }
    s->x[s->count] = x;
    s->y[s->count] = y;
    const bool better =
        s->count == 0 ||
        (s->least ? y < s->y[s->best] : fabs(miss(s, y)) < fabs(miss(s, s->y[s->best])));
    s->best = better ? s->count : s->best;
    s->count++;
}
