#include "app/workbench/pixels.h"

#include "app/workbench/draft.h"
#include "app/workbench/figures.h"
#include "app/workbench/imaging.h"
#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "core/base/clock.h"
#include "views/view.h"

static const double ANSWER_SECONDS = 1;

enum {
    MOST_PIXELS = 8192, /* a side */
    BAND = 6,           /* pixels that a sixel is high: the image must not reach below its place */
};

/* So that the small letters of a page are about as high as the terminal's: points of a cell. */
static const double CELL_POINTS = 14;

static pl_graphics protocol_of(const pl_screen *screen)
{
    const pl_terminal *terminal = screen->face.terminal;
    return pl_terminal_shows(terminal, PL_GRAPHICS_KITTY) ? PL_GRAPHICS_KITTY
           : pl_terminal_shows(terminal, PL_GRAPHICS_SIXEL) && pl_imaging_makes(PL_GRAPHICS_SIXEL)
               ? PL_GRAPHICS_SIXEL
               : PL_GRAPHICS_NONE;
}

/* Where nothing lies over the panes and no line is typed, but that of a figure. */
static bool is_free(const pl_screen *screen)
{
    const pl_overlays *over = &screen->over;
    return !over->help.open && !over->palette.open && !over->jobs.open &&
           (!pl_prompt_is_open(screen->prompt) || pl_draft_is_open(screen)) &&
           screen->asking.question == NULL;
}

/* --- which image ------------------------------------------------------------------------------ */

/* What an image is made for besides its figure. */
static pl_id hashed(const pl_id *figure, const pl_pixels_page *page)
{
    pl_hasher *hasher = NULL;
    if (pl_hasher_create(&hasher, NULL) != PL_OK) {
        return (pl_id){0};
    }
    pl_hasher_id(hasher, *figure);
    pl_hasher_u64(hasher, page->protocol);
    pl_hasher_u64(hasher, page->width);
    pl_hasher_u64(hasher, page->height);
    pl_hasher_f64(hasher, page->dpi);
    pl_hasher_f64(hasher, page->first);
    pl_hasher_f64(hasher, page->shown);
    pl_id id = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return id;
}

/* As large as the draft's page can be there, with its shape. */
static void suit_page(const pl_draft *draft, pl_pixels_page *page)
{
    const double across = (double)page->width / draft->width_in;
    const double down = (double)page->height / draft->height_in;
    page->dpi = across < down ? across : down;
    page->dpi = page->dpi < 30 ? 30 : page->dpi;
    const double width = draft->width_in * page->dpi, height = draft->height_in * page->dpi;
    page->width = width < (double)page->width ? (size_t)width : page->width;
    page->height = height < (double)page->height ? (size_t)height : page->height;
    page->first = page->shown = 0;
}

/* The page of a place; false: no image fits there, or the terminal has not said enough. */
static bool find_page(const pl_screen *screen, pl_rect place, pl_pixels_page *out)
{
    const pl_pane_memo *memo = &screen->model.shown[pl_view_index(PL_PANE_MAIN)].memo;
    int w = 0, h = 0;
    *out = (pl_pixels_page){.protocol = protocol_of(screen)};
    if (!screen->face.pixels || out->protocol == PL_GRAPHICS_NONE || place.h < 1 || place.w < 1 ||
        !pl_terminal_cell(screen->face.terminal, &w, &h) || w > MOST_PIXELS / place.w ||
        h > MOST_PIXELS / place.h) {
        return false;
    }
    out->width = (size_t)(w * place.w);
    out->height = (size_t)(h * place.h / BAND * BAND);
    out->dpi = h * 72 / CELL_POINTS;
    out->dpi = out->dpi < 30 ? 30 : out->dpi > 2400 ? 2400 : out->dpi;
    out->first = memo->shown > 0 ? memo->first : 0;
    out->shown = memo->shown > 0 ? memo->shown : 0;
    if (pl_draft_is_open(screen) && screen->drafting.draft.width_in > 0) {
        suit_page(&screen->drafting.draft, out);
    }
    return (double)out->width >= out->dpi / 2 && (double)out->height >= out->dpi / 2;
}

/* The image that should stand in a place: the main pane's figure, or the draft's. */
typedef struct wanted_image {
    pl_pixels_page page;
    pl_request request;
    pl_id key, base;
    bool ready;
} wanted_image;

static bool find_image(const pl_screen *screen, pl_rect place, wanted_image *out)
{
    const bool drafted = pl_draft_is_open(screen);
    if (!is_free(screen) || !find_page(screen, place, &out->page)) {
        return false;
    }
    if (drafted) {
        out->request = screen->drafting.draft.request;
        out->ready = pl_draft_key(screen, &out->key);
        out->base = out->key;
    }
    if (drafted ? !out->ready
                : !pl_figures_paper(screen, &out->request, &out->key, &out->base, &out->ready)) {
        return false;
    }
    out->key = hashed(&out->key, &out->page);
    out->base = hashed(&out->base, &out->page);
    return true;
}

/* --- making it -------------------------------------------------------------------------------- */

static void stop_job(pl_screen *screen)
{
    if (screen->pixels.job != 0) {
        pl_worker_cancel(screen->jobs.worker, screen->pixels.job);
        screen->pixels.job = 0;
    }
}

static void make_image(pl_screen *screen, const wanted_image *wanted, pl_rect place)
{
    pl_screen_job *job = NULL;
    pl_state own = {0};
    const bool drafted = pl_draft_is_open(screen);
    const pl_state *state = drafted ? pl_draft_state(screen, &own) : screen->state;
    /* What fails here is tried again in the next round. */
    if (state != NULL &&
        pl_jobs_create(&screen->jobs, PL_JOB_KIND_PIXELS, "image", state, &job, NULL) == PL_OK) {
        job->request = wanted->request;
        job->figure_key = wanted->key;
        job->figure_base = wanted->base;
        job->page = wanted->page;
        job->place = place;
        job->options = drafted ? screen->drafting.draft.options : (pl_figure_options){0};
        pl_urgency urgency = job->request.kind->slow ? PL_JOB_ORDINARY : PL_JOB_URGENT;
        if (pl_jobs_submit(&screen->jobs, job, urgency, pl_imaging_run, NULL) == PL_OK) {
            screen->pixels.job = job->id;
        }
    }
    pl_state_deinit(&own);
}

static const char no_images[] = "pixels: this terminal does not answer that it shows images";

static void say_answer(pl_screen *screen)
{
    pl_pixels *pixels = &screen->pixels;
    const bool answered = pl_terminal_shows(screen->face.terminal, PL_GRAPHICS_NONE);
    const pl_graphics protocol = protocol_of(screen);
    int w = 0, h = 0;
    if (pixels->asked == 0) {
        return;
    }
    if (protocol == PL_GRAPHICS_NONE && !answered) {
        /* Over a slow line an answer may still come; then it is said, too. */
        if (!pixels->unanswered && pl_clock_now() - pixels->asked >= ANSWER_SECONDS) {
            pixels->unanswered = true;
            screen->loop.dirty = true;
            pl_screen_say(screen, PL_MESSAGE_WARNING, no_images);
        }
        return;
    }
    pixels->asked = 0;
    screen->loop.dirty = true;
    if (protocol != PL_GRAPHICS_NONE && !pl_terminal_cell(screen->face.terminal, &w, &h)) {
        pl_screen_say(screen, PL_MESSAGE_WARNING,
                      "pixels: this terminal does not say how large a cell is");
    } else if (protocol != PL_GRAPHICS_NONE) {
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      protocol == PL_GRAPHICS_KITTY
                          ? "pixels: the main pane's figure as export writes it (kitty)"
                          : "pixels: the main pane's figure as export writes it (sixel)");
    } else if (pl_terminal_shows(screen->face.terminal, PL_GRAPHICS_SIXEL)) {
        pl_screen_say(screen, PL_MESSAGE_WARNING,
                      "pixels: this terminal shows sixel, for which this build has no libsixel");
    } else {
        pl_screen_say(screen, PL_MESSAGE_WARNING, no_images);
    }
}

void pl_pixels_pump(pl_screen *screen)
{
    pl_pixels *pixels = &screen->pixels;
    wanted_image wanted = {0};
    say_answer(screen);
    if (!find_image(screen, screen->model.image.place, &wanted)) {
        stop_job(screen);
        return;
    }
    if (!pl_id_equal(wanted.key, pixels->wanted)) {
        stop_job(screen);
        pixels->wanted = wanted.key;
        pixels->failed = false;
    }
    const bool current = pixels->serial != 0 && pl_id_equal(wanted.key, pixels->key);
    if (wanted.ready && !current && !pixels->failed && pixels->job == 0) {
        make_image(screen, &wanted, screen->model.image.place);
    }
}

bool pl_pixels_rest(const pl_screen *screen)
{
    return screen->pixels.asked > 0;
}

void pl_pixels_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event)
{
    pl_pixels *pixels = &screen->pixels;
    if (pixels->job != job->id) {
        return;
    }
    pixels->job = 0;
    pixels->failed = event->status != PL_OK || job->image.size == 0;
    if (pixels->failed) {
        return; /* the plot of characters is there */
    }
    pl_buf_deinit(&pixels->bytes);
    pixels->bytes = job->image;
    job->image = (pl_buf){0};
    pixels->serial++;
    pixels->key = job->figure_key;
    pixels->base = job->figure_base;
    pixels->place = job->place;
    pixels->protocol = job->page.protocol;
}

void pl_pixels_drop(pl_screen *screen)
{
    pl_pixels *pixels = &screen->pixels;
    stop_job(screen);
    pl_buf_deinit(&pixels->bytes);
    /* The serial goes on, so that no later image is taken for an earlier one. */
    *pixels = (pl_pixels){.asked = pixels->asked, .serial = pixels->serial};
}

/* --- a frame ---------------------------------------------------------------------------------- */

void pl_pixels_fill(pl_screen *screen)
{
    const pl_pixels *pixels = &screen->pixels;
    wanted_image wanted = {0};
    screen->model.image.place = screen->model.image.of = (pl_rect){0};
    screen->model.image.shown = false;
    if (pixels->bytes.size > 0 && find_image(screen, pixels->place, &wanted) &&
        pl_id_equal(wanted.base, pixels->base)) {
        screen->model.image.of = pixels->place;
    }
}

void pl_pixels_place(pl_screen *screen)
{
    const pl_pixels *pixels = &screen->pixels;
    pl_image image = {0};
    if (screen->model.image.shown) {
        image = (pl_image){.serial = pixels->serial,
                           .bytes = pixels->bytes.data,
                           .size = pixels->bytes.size,
                           .protocol = pixels->protocol,
                           .row = pixels->place.y,
                           .col = pixels->place.x};
    }
    pl_terminal_set_image(screen->face.terminal, image);
}
