/* Tokens against channels: the inputs of a layer, row by row of the stored sample. */
#include "plots/build.h"
#include "plots/kinds.h"

#include "core/base/checked.h"
#include "core/base/number.h"
#include "core/calib/massive.h"
#include "core/study/token_context.h"
#include "core/tensor/mat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 96, COLS = 1024, LARGEST = 16, NAME = PL_TICK_TEXT - 24, POINTS = 4096 };

/* The colours end at the largest value, or at a multiple of the 99th percentile if massive
 * activations would make all else dark; they begin at the 2nd percentile, at most four decades
 * below. */
#define BRIGHT 30.0
#define DECADES 1e-4

/* One sample row that may be shown. */
typedef struct candidate {
    size_t row; /* of the sample */
    float max;
} candidate;

typedef struct work {
    const pl_state *state;
    const pl_site *site;
    pl_site_stats stats;
    size_t rows[ROWS]; /* sample rows, the first on top */
    size_t n_rows;
    int32_t ids[ROWS]; /* their tokens, -1 where the text is not at hand */
    char *words[ROWS]; /* the words around them, NULL where they are not known */
    pl_massive *massive;
    size_t n_massive;
    float *scratch; /* [n] */
    double *marks;  /* [2 POINTS]: channel, line of the figure */
    size_t n_marks, line;
    const float *row;
} work;

static int by_falling_max(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->max < y->max || x->max > y->max) {
        return x->max < y->max ? 1 : -1;
    }
    return (x->row > y->row) - (x->row < y->row);
}

static int by_row(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* top: the rows with the largest |x|, the largest first.  Else LARGEST of them among rows spread
 * evenly over the sample, all in token order. */
static pl_status choose_rows(work *w, bool top, pl_error *err)
{
    const size_t all = w->stats.sample_rows;
    w->n_rows = all < ROWS ? all : ROWS;
    candidate *list = pl_alloc(all, sizeof *list);
    bool *taken = calloc(all + 1, sizeof *taken);
    if (list == NULL || taken == NULL || all == 0) {
        free(list);
        free(taken);
        return all == 0
                   ? pl_error_set(err, PL_ERR_STATE, "%s: no sample rows are stored", w->site->name)
                   : pl_error_memory(err, "a figure");
    }
    for (size_t r = 0; r < all; r++) {
        list[r] = (candidate){r, pl_floats_largest(w->stats.sample + r * w->stats.n, w->stats.n)};
    }
    qsort(list, all, sizeof *list, by_falling_max);
    size_t count = 0;
    while (count < w->n_rows && (top || count < LARGEST)) {
        w->rows[count] = list[count].row;
        taken[list[count++].row] = true;
    }
    const size_t spread = w->n_rows - count;
    for (size_t i = 0; i < spread; i++) {
        size_t r = i * all / spread;
        while (taken[r]) {
            r = (r + 1) % all;
        }
        w->rows[count++] = r;
        taken[r] = true;
    }
    if (!top) {
        qsort(w->rows, count, sizeof *w->rows, by_row);
    }
    free(list);
    free(taken);
    return PL_OK;
}

/* The rows' token ids, where the calibration's text is still as it was. */
static pl_status find_tokens(work *w, pl_lab *lab, pl_id calibration, pl_task *task, pl_error *err)
{
    pl_token_context context = {0};
    pl_status status =
        pl_token_context_init((pl_context){lab, w->state, task}, calibration, &context, err);
    for (size_t i = 0; i < w->n_rows; i++) {
        pl_buf words = {0};
        w->ids[i] = pl_token_context_id(&context, w->stats.sample_position[w->rows[i]]);
        pl_token_context_words(&context, w->stats.sample_position[w->rows[i]], &words);
        w->words[i] = words.data;
    }
    pl_token_context_deinit(&context);
    return status;
}

/* ' the @88'; names stand from the bottom up, the first row on top. */
static pl_status add_names(work *w, pl_figure *out, pl_error *err)
{
    const pl_tokenizer *tokenizer = NULL;
    bool named = pl_model_need_tokenizer(w->state->source->model, &tokenizer, NULL) == PL_OK;
    pl_status status = pl_figure_names(&out->y, w->n_rows, err);
    out->y.downward = true;
    if (status == PL_OK && (out->y.more = calloc(w->n_rows + 1, sizeof *out->y.more)) == NULL) {
        status = pl_error_memory(err, "a figure");
    }
    for (size_t i = 0; status == PL_OK && i < w->n_rows; i++) {
        char text[NAME] = "";
        pl_buf name = {0};
        pl_buf shown = {0};
        if (named && w->ids[i] >= 0) {
            pl_tokenizer_show(tokenizer, w->ids[i], &shown);
            snprintf(text, sizeof text, "%s", shown.data != NULL ? shown.data : "");
            pl_text_trim_utf8(text);
            pl_buf_printf(&name, "“%s” ", text);
        }
        pl_buf_printf(&name, "@%u", (unsigned)w->stats.sample_position[w->rows[i]]);
        status = pl_buf_check(&name, err);
        PL_THEN(pl_figure_text(&out->y.names[w->n_rows - 1 - i], name.data, err));
        if (status == PL_OK) {
            out->y.more[w->n_rows - 1 - i] = w->words[i];
            w->words[i] = NULL;
        }
        pl_buf_deinit(&name);
        pl_buf_deinit(&shown);
    }
    return status;
}

static pl_status set_token_colours(pl_heat *heat, pl_error *err)
{
    const size_t count = heat->rows * heat->cols;
    float *sorted = pl_alloc(count, sizeof *sorted);
    if (sorted == NULL) {
        return pl_error_memory(err, "a figure");
    }
    memcpy(sorted, heat->values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, pl_floats_rising);
    const double largest = (double)sorted[count - 1],
                 most = (double)sorted[count - 1 - count / 100];
    heat->log = true;
    heat->hi = largest > 0.0 ? largest : 1.0;
    heat->hi = most > 0.0 ? fmin(heat->hi, BRIGHT * most) : heat->hi;
    heat->lo = fmax(DECADES * heat->hi, fmin((double)sorted[count / 50], 0.1 * heat->hi));
    free(sorted);
    return PL_OK;
}

static pl_status add_heat(const work *w, pl_figure *out, pl_error *err)
{
    const size_t n = w->stats.n, step = (n + COLS - 1) / COLS, cols = (n + step - 1) / step;
    pl_status status = pl_figure_heat(out, w->n_rows, cols, "|x|", err);
    if (status == PL_OK && step > 1) {
        status = pl_figure_heat_several(out, err);
        pl_figure_fact(out, "channels_per_column", "%zu", step);
    }
    if (status != PL_OK) {
        return status;
    }
    for (size_t i = 0; i < w->n_rows; i++) {
        const float *row = w->stats.sample + w->rows[i] * n;
        float *cells = out->heat->values + (w->n_rows - 1 - i) * cols;
        uint32_t *at = out->heat->at != NULL ? out->heat->at + (w->n_rows - 1 - i) * cols : NULL;
        for (size_t c = 0; c < cols; c++) {
            size_t count = n - c * step < step ? n - c * step : step;
            cells[c] = pl_floats_largest(row + c * step, count);
            for (size_t k = count; at != NULL && k-- > 0;) { /* the first of equals stays */
                at[c] = fabsf(row[c * step + k]) >= cells[c] ? (uint32_t)(c * step + k) : at[c];
            }
        }
    }
    out->heat->step = (double)step;
    out->x.lo = -0.5;
    out->x.hi = (double)(cols * step) - 0.5;
    out->x.whole = true;
    out->y.lo = -0.5;
    out->y.hi = (double)w->n_rows - 0.5;
    return set_token_colours(out->heat, err);
}

static void mark_outlier(work *w, double channel)
{
    if (w->n_marks < POINTS) {
        w->marks[2 * w->n_marks] = channel;
        w->marks[2 * w->n_marks + 1] = (double)w->line;
        w->n_marks++;
    }
}

static void mark_massive(void *ctx, size_t channel, float value, float median)
{
    (void)value;
    (void)median;
    mark_outlier(ctx, (double)channel);
}

/* The marks gathered so far as a series of points, if there are any. */
static pl_status put_marks(work *w, const char *label, pl_tone tone, pl_figure *out, pl_error *err)
{
    pl_series *series = NULL;
    pl_status status = PL_OK;
    if (w->n_marks > 0) {
        status = pl_figure_add(out, label, PL_MARK_POINTS, tone, w->n_marks, &series, err);
    }
    for (size_t i = 0; status == PL_OK && i < w->n_marks; i++) {
        series->x[i] = w->marks[2 * i];
        series->y[i] = w->marks[2 * i + 1];
    }
    w->n_marks = 0;
    return status;
}

/* Massive activations of this input (methods.md 4), and those of the residual stream that a norm
 * has made small again on its way to this input: same token, same channel. */
static pl_status add_marks(work *w, pl_figure *out, pl_error *err)
{
    const size_t n = w->stats.n;
    for (size_t i = 0; i < w->n_rows; i++) {
        w->line = w->n_rows - 1 - i;
        pl_massive_scan(w->stats.sample + w->rows[i] * n, n, w->scratch, mark_massive, w);
    }
    pl_figure_fact(out, "massive", "%zu shown", w->n_marks);
    pl_status status = put_marks(w, "massive", PL_TONE_AFTER, out, err);
    bool normed = w->site->role == PL_SITE_QKV || w->site->role == PL_SITE_GATE_UP;
    for (size_t i = 0; status == PL_OK && normed && i < w->n_rows; i++) {
        for (size_t m = 0; m < w->n_massive; m++) {
            const pl_massive *one = &w->massive[m];
            if (one->block + 1 == w->site->block && one->channel < n &&
                one->position == w->stats.sample_position[w->rows[i]]) {
                w->line = w->n_rows - 1 - i;
                mark_outlier(w, (double)one->channel);
            }
        }
    }
    return status == PL_OK ? put_marks(w, "massive in the residual stream", PL_TONE_EXTRA, out, err)
                           : status;
}

static pl_status add_channel(const pl_request *request, size_t n, pl_figure *out, pl_error *err)
{
    if (request->channel >= n) {
        return PL_OK;
    }
    char label[32];
    snprintf(label, sizeof label, "channel %zu", request->channel);
    return pl_figure_rule(out, (double)request->channel, true, label, err);
}

static void add_tokens_facts(const work *w, pl_figure *out)
{
    const size_t n = w->stats.n;
    float largest = -1.0f;
    size_t channel = 0, position = 0;
    for (size_t r = 0; r < w->stats.sample_rows; r++) {
        for (size_t c = 0; c < n; c++) {
            float size = fabsf(w->stats.sample[r * n + c]);
            if (size > largest) {
                largest = size;
                channel = c;
                position = w->stats.sample_position[r];
            }
        }
    }
    pl_figure_fact(out, "rows", "%zu of %zu sample rows", w->n_rows, w->stats.sample_rows);
    pl_figure_fact(out, "largest", "%.4g in channel %zu @%zu", (double)largest, channel, position);
}

static pl_status fill_figure(work *w, pl_lab *lab, pl_id calibration, const pl_request *request,
                             pl_figure *out, pl_task *task, pl_error *err)
{
    pl_status status = choose_rows(w, request->form == 1, err);
    PL_THEN(find_tokens(w, lab, calibration, task, err));
    if (status == PL_OK) {
        w->scratch = pl_alloc(w->stats.n, sizeof *w->scratch);
        w->marks = pl_alloc(2 * POINTS, sizeof *w->marks);
        status = w->scratch == NULL || w->marks == NULL ? pl_error_memory(err, "a figure") : PL_OK;
    }
    PL_THEN(add_names(w, out, err));
    PL_THEN(add_heat(w, out, err));
    if (status == PL_OK) {
        add_tokens_facts(w, out);
        status = add_marks(w, out, err);
    }
    return status == PL_OK ? add_channel(request, w->stats.n, out, err) : status;
}

static pl_status make_tokens(pl_context cx, const pl_request *request, pl_figure *out,
                             pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, request->layer);
    work w = {.state = cx.state, .site = pl_model_site(cx.state->source->model, info->site)};
    pl_buf title = {0};
    pl_id calibration = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(pl_lab_load_site(cx, calibration, info->site, false, true, &w.stats, err));
    if (status == PL_OK) {
        /* An old calibration may lack the list: its figure is whole without it. */
        pl_status listed = pl_calib_load_massive(pl_lab_store(cx.lab), calibration, &w.massive,
                                                 &w.n_massive, NULL);
        w.n_massive = listed == PL_OK ? w.n_massive : 0;
        status = pl_figure_texts(out, title.data, "input channel", "token", err);
    }
    PL_THEN(fill_figure(&w, cx.lab, calibration, request, out, cx.task, err));
    pl_site_stats_deinit(&w.stats);
    pl_buf_deinit(&title);
    free(w.massive);
    free(w.scratch);
    free(w.marks);
    for (size_t i = 0; i < w.n_rows; i++) {
        free(w.words[i]);
    }
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

static double place_in_tokens(const pl_looked *at)
{
    size_t channel = at->state->channel;
    return (double)channel <= at->figure->x.hi ? (double)channel : NAN;
}

static size_t channel_in_tokens(const pl_looked *at, double x)
{
    const pl_heat *heat = at->figure->heat;
    return x < 0          ? SIZE_MAX
           : heat != NULL ? (size_t)pl_heat_x(heat, at->row, pl_heat_col(heat, x))
                          : (size_t)(x + 0.5);
}

/* The token whole, and where it is; the axis shows its beginning only. */
static void say_tokens(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    pl_look_say_named_cell(at, "channel", x, row, out);
}

const pl_kind pl_kind_tokens = {
    .name = "tokens",
    .title = "Tokens",
    .summary = "The layer's inputs, token by token: which tokens make which channels large, with "
               "massive activations marked",
    .forms = "order|top",
    .uses = PL_USES_LAYER | PL_USES_CHANNEL | PL_NEEDS_INPUTS,
    .make = make_tokens,
    .look = {.help = "The size of every channel's input at the tokens that matter: rows are "
                     "tokens, columns channels; massive activations are marked.",
             .follows = true,
             .place = place_in_tokens,
             .channel = channel_in_tokens,
             .say = say_tokens},
};
