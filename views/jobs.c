#include "views/jobs.h"

#include "views/mouse.h"
#include "views/panel.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BAR = 16, NAME = 20 };

static void choose(pl_jobs_view *view, const pl_screen_model *model, size_t row)
{
    view->row = row;
    view->id = row < model->n_all_jobs ? model->all_jobs[row].id : 0;
}

/* The chosen job's row now.  At first it is the first that is not one of the screen's own; one that
 * is no longer listed leaves its row to the next. */
static void follow(pl_jobs_view *view, const pl_screen_model *model)
{
    const size_t n = model->n_all_jobs;
    size_t row = 0;
    while (row < n &&
           (view->id != 0 ? model->all_jobs[row].id != view->id : model->all_jobs[row].own)) {
        row++;
    }
    if (row == n) {
        row = view->row < n ? view->row : n > 0 ? n - 1 : 0;
    }
    choose(view, model, row);
}

uint64_t pl_jobs_key(pl_jobs_view *view, const pl_screen_model *model, pl_press press)
{
    size_t n = model->n_all_jobs;
    follow(view, model);
    pl_action action = pl_keymap_action(model->keys, press.key, PL_PANE_LAYERS);
    if (press.key == PL_KEY_ESC || press.key == PL_KEY_ENTER || press.key == '\n' ||
        press.key == 'q' || action == PL_ACT_JOBS) {
        view->open = false;
    } else if (press.key == 'x' || press.key == PL_K_DELETE) {
        const pl_job_row *job = view->row < n ? &model->all_jobs[view->row] : NULL;
        bool alive = job != NULL &&
                     (job->phase == PL_JOB_PHASE_RUNNING || job->phase == PL_JOB_PHASE_QUEUED);
        return alive ? job->id : 0;
    } else if (action == PL_ACT_UP) {
        choose(view, model, view->row - (view->row > 0));
    } else if (action == PL_ACT_DOWN) {
        choose(view, model, view->row + (view->row + 1 < n));
    } else if (action == PL_ACT_FIRST || action == PL_ACT_PAGE_UP) {
        choose(view, model, 0);
    } else if (action == PL_ACT_LAST || action == PL_ACT_PAGE_DOWN) {
        choose(view, model, n > 0 ? n - 1 : 0);
    }
    return 0;
}

void pl_jobs_point(pl_jobs_view *view, const pl_screen_model *model, pl_mouse mouse)
{
    const int line = pl_mouse_line(mouse, view->list, 0);
    if (line >= 0 && view->top + (size_t)line < model->n_all_jobs) {
        choose(view, model, view->top + (size_t)line);
    }
}

/* "2,310 tokens/s"; "" where nothing is known yet. */
static void put_job_rate(const pl_job_line *job, char *out, size_t capacity)
{
    out[0] = '\0';
    if (job->amount > 0 && job->seconds > 0.3) {
        char rate[PL_NUMBER_TEXT];
        double value = job->amount / job->seconds;
        if (value >= 10) {
            pl_format_count(value, rate);
        } else {
            pl_format_number(value, rate);
        }
        snprintf(out, capacity, "%s %s/s", rate, job->what);
    }
}

/* "0:41", that are left; likewise. */
static void put_time_left(const pl_job_line *job, char *out, size_t capacity)
{
    out[0] = '\0';
    if (job->share > 0 && job->share < 1 && job->seconds > 0.3) {
        char left[PL_NUMBER_TEXT];
        pl_format_seconds(job->seconds * (1 / job->share - 1), left);
        snprintf(out, capacity, "%s", left);
    }
}

static void draw_progress(const pl_job_row *job, pl_surface *surface, pl_rect rect, int row,
                          int col)
{
    const double share = job->line.share;
    if (!(job->line.total > 0)) {
        return;
    }
    for (int i = 0; i < BAR; i++) {
        bool full = i < (int)lround(share * BAR);
        uint32_t code = surface->ascii ? (full ? '#' : '.') : (full ? 0x2588u : 0x2591u);
        pl_put_code(surface, rect, row, col + i, full ? PL_STYLE_AFTER : PL_STYLE_FAINT, code);
    }
    char text[64];
    char done[PL_NUMBER_TEXT];
    char total[PL_NUMBER_TEXT];
    pl_format_count(job->line.amount, done);
    pl_format_count(job->line.total, total);
    snprintf(text, sizeof text, "%s / %s", done, total);
    pl_put(surface, rect, row, col + BAR + 1, PL_STYLE_TEXT, text);
}

static void draw_state(const pl_job_row *job, pl_surface *surface, pl_rect rect, int row)
{
    static const char *const words[] = {"running", "waits", "done", "failed", "cancelled"};
    static const pl_style styles[] = {PL_STYLE_BUSY, PL_STYLE_FAINT, PL_STYLE_GOOD, PL_STYLE_ERROR,
                                      PL_STYLE_WARNING};
    char seconds[PL_NUMBER_TEXT];
    char text[64];
    pl_format_seconds(job->line.seconds, seconds);
    snprintf(text, sizeof text, "%s %s", words[job->phase],
             job->phase == PL_JOB_PHASE_QUEUED ? "" : seconds);
    pl_put_right(surface, rect, row, rect.w - 1, styles[job->phase], text);
}

static void draw_job(const pl_job_row *job, pl_surface *surface, pl_rect rect, int row,
                     bool selected)
{
    char rate[64];
    char left[PL_NUMBER_TEXT + 8];
    char name[64];
    bool alive = job->phase == PL_JOB_PHASE_RUNNING || job->phase == PL_JOB_PHASE_QUEUED;
    snprintf(name, sizeof name, "%s%s", job->line.name, job->own ? " (screen)" : "");
    pl_put(surface, rect, row, 0, PL_STYLE_STRONG, selected ? ">" : " ");
    pl_put_cut(surface, rect, row, 2, NAME, job->own ? PL_STYLE_FAINT : PL_STYLE_TEXT, name);
    int col = 3 + NAME;
    if (job->phase == PL_JOB_PHASE_FAILED) {
        pl_put_cut(surface, rect, row, col, rect.w - col - 18, PL_STYLE_ERROR, job->why);
    } else if (alive) {
        draw_progress(job, surface, rect, row, col);
        put_job_rate(&job->line, rate, sizeof rate);
        put_time_left(&job->line, left, sizeof left);
        if (left[0] != '\0') {
            strcat(left, " left");
        }
        if (rect.w >= 110) {
            pl_put_right(surface, rect, row, rect.w - 38, PL_STYLE_TEXT, rate);
        }
        if (rect.w >= 92) {
            pl_put_right(surface, rect, row, rect.w - 20, PL_STYLE_TEXT, left);
        }
    }
    draw_state(job, surface, rect, row);
    if (selected) {
        pl_mark_row(surface, rect, row, PL_REVERSE);
    }
}

/* Where the line has no room for them: rate and time left of the chosen job. */
static void draw_chosen(const pl_job_row *job, pl_surface *surface, pl_rect rect, int row)
{
    char rate[64];
    char left[PL_NUMBER_TEXT + 8];
    char text[160];
    put_job_rate(&job->line, rate, sizeof rate);
    put_time_left(&job->line, left, sizeof left);
    snprintf(text, sizeof text, "%s%s%s%s", rate, left[0] != '\0' ? "   " : "", left,
             left[0] != '\0' ? " left" : "");
    pl_put_cut(surface, rect, row, 2, rect.w - 3, PL_STYLE_FAINT, text);
}

void pl_jobs_draw(pl_jobs_view *view, const pl_screen_model *model, pl_surface *surface,
                  pl_rect rect)
{
    size_t n = model->n_all_jobs;
    int rows = (int)n + 3 < rect.h ? (int)n + 3 : rect.h;
    rows = rows < 5 ? (rect.h < 5 ? rect.h : 5) : rows;
    pl_rect box = {rect.y, rect.x, rows, rect.w};
    follow(view, model);
    pl_fill(surface, box, PL_STYLE_TEXT, ' ');
    pl_rect top = {box.y, box.x, 1, box.w};
    pl_fill(surface, top, PL_STYLE_FOCUS, surface->ascii ? '=' : 0x2501);
    pl_put(surface, top, 0, 1, PL_STYLE_FOCUS | PL_REVERSE, " Jobs ");
    pl_put_right(surface, top, 0, box.w - 1, PL_STYLE_FAINT, " x cancels  Esc closes ");
    pl_rect list = {box.y + 1, box.x, box.h - 2, box.w};
    view->list = list;
    view->top = pl_panel_scroll(view->top, view->row, n, list.h);
    for (int row = 0; row < list.h && view->top + (size_t)row < n; row++) {
        size_t i = view->top + (size_t)row;
        draw_job(&model->all_jobs[i], surface, list, row, i == view->row);
    }
    if (n == 0) {
        pl_put_cut(surface, list, 0, 2, list.w - 3, PL_STYLE_TEXT,
                   "nothing has run yet; solve, calibrate and perplexity are jobs");
    } else if (model->all_jobs[view->row].phase == PL_JOB_PHASE_RUNNING) {
        draw_chosen(&model->all_jobs[view->row], surface, box, box.h - 1);
    }
}
