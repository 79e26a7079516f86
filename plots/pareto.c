/* What a bit buys: every compared setting's perplexity over its bits per weight. */
#include "plots/build.h"
#include "plots/compared.h"
#include "plots/overview.h"

#include <math.h>
#include <stdlib.h>

/* The rows that can be drawn, by rising bits. */
typedef struct places {
    size_t *row; /* [count] */
    double *x, *y;
    size_t count;
} places;

static pl_status find_places(const pl_compared_rows *rows, places *out, pl_error *err)
{
    out->row = calloc(rows->count + 1, sizeof *out->row);
    out->x = calloc(rows->count + 1, sizeof *out->x);
    out->y = calloc(rows->count + 1, sizeof *out->y);
    if (out->row == NULL || out->x == NULL || out->y == NULL) {
        return pl_error_memory(err, "a figure");
    }
    for (size_t i = 0; i < rows->count; i++) {
        const double x = pl_compared_number(rows, i, "bits_per_weight");
        const double y = pl_compared_number(rows, i, "perplexity");
        if (!isfinite(x) || !(isfinite(y) && y > 0.0)) {
            continue;
        }
        size_t at = out->count++;
        for (; at > 0 && out->x[at - 1] > x; at--) {
            out->x[at] = out->x[at - 1];
            out->y[at] = out->y[at - 1];
            out->row[at] = out->row[at - 1];
        }
        out->x[at] = x;
        out->y[at] = y;
        out->row[at] = i;
    }
    return out->count > 0
               ? PL_OK
               : pl_error_set(err, PL_ERR_STATE,
                              "pareto: no compared setting has bits per weight and a finite "
                              "perplexity: compare settings with a quantizer");
}

/* Whether no other setting has as few bits and as low a perplexity, and one of them less. */
static bool is_on_front(const places *p, size_t at)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->x[i] <= p->x[at] && p->y[i] <= p->y[at] &&
            (p->x[i] < p->x[at] || p->y[i] < p->y[at])) {
            return false;
        }
    }
    return true;
}

static pl_status add_front(const places *p, pl_figure *out, pl_error *err)
{
    size_t count = 0, at = 0;
    pl_series *series = NULL;
    for (size_t i = 0; i < p->count; i++) {
        count += is_on_front(p, i);
    }
    pl_status status =
        pl_figure_add(out, "Pareto front", PL_MARK_LINE, PL_TONE_BEFORE, count, &series, err);
    for (size_t i = 0; status == PL_OK && i < p->count; i++) {
        if (is_on_front(p, i)) {
            series->x[at] = p->x[i];
            series->y[at++] = p->y[i];
        }
    }
    pl_figure_fact(out, "points_on_the_front", "%zu of %zu", count, p->count);
    return status;
}

/* In the order of the rows, where each may have a series of its own; else all in one. */
static pl_status add_settings(const pl_compared_rows *rows, const places *p, pl_figure *out,
                              pl_error *err)
{
    pl_series *series = NULL;
    pl_status status = PL_OK;
    if (p->count > PL_COMPARED_TONES) {
        char label[48];
        snprintf(label, sizeof label, "%zu settings", p->count);
        status = pl_figure_add(out, label, PL_MARK_POINTS, PL_TONE_AFTER, p->count, &series, err);
        for (size_t i = 0; status == PL_OK && i < p->count; i++) {
            series->x[i] = p->x[i];
            series->y[i] = p->y[i];
        }
        return status;
    }
    for (size_t row = 0; status == PL_OK && row < rows->count; row++) {
        for (size_t i = 0; status == PL_OK && i < p->count; i++) {
            pl_buf label = {0};
            if (p->row[i] != row) {
                continue;
            }
            pl_compared_label(rows, row, &label);
            status = pl_buf_check(&label, err);
            PL_THEN(pl_figure_add(out, label.data, PL_MARK_POINTS, pl_compared_tone(row), 1,
                                  &series, err));
            if (status == PL_OK) {
                series->x[0] = p->x[i];
                series->y[0] = p->y[i];
            }
            pl_buf_deinit(&label);
        }
    }
    return status;
}

static pl_status make_pareto(pl_context cx, const pl_request *request, pl_figure *out,
                             pl_error *err)
{
    pl_compared_rows rows = {0};
    places p = {0};
    pl_buf title = {0};
    pl_overview_put_model(cx.state->source->model, &title);
    pl_buf_puts(&title, ", perplexity over bits");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_compared_read(cx.lab, cx.state, request, &rows, err));
    PL_THEN(find_places(&rows, &p, err));
    PL_THEN(pl_figure_texts(out, title.data, "bits per weight", "perplexity", err));
    PL_THEN(add_front(&p, out, err));
    PL_THEN(add_settings(&rows, &p, out, err));
    if (status == PL_OK) {
        double lo = p.y[0], hi = p.y[0];
        for (size_t i = 0; i < p.count; i++) {
            lo = fmin(lo, p.y[i]);
            hi = fmax(hi, p.y[i]);
        }
        pl_compared_fit(&out->x, p.x[0], p.x[p.count - 1]);
        pl_compared_fit(&out->y, lo, hi);
    }
    free(p.row);
    free(p.x);
    free(p.y);
    pl_compared_free(&rows);
    pl_buf_deinit(&title);
    return status;
}

const pl_kind pl_kind_pareto = {
    .name = "pareto",
    .title = "Pareto",
    .summary = "The settings of the last measured `compare`: perplexity over bits per weight, a "
               "line through those that no other one beats in both",
    .uses = PL_USES_COMPARISON,
    .commands = pl_compared_commands,
    .make = make_pareto,
    .look = {.help = "Perplexity over bits per weight of the last measured `compare`; on the line "
                     "are the settings that no other one beats in both.",
             .whole = true,
             .snaps = true,
             .say = pl_compared_say},
};
