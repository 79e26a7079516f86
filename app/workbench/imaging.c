#include "app/workbench/imaging.h"

#include "plots/look.h"
#include "plots/options.h"
#include "plots/raster.h"

#include <string.h>

void pl_imaging_put_zoom(const pl_axis *axis, double first, double shown, pl_buf *out)
{
    double lo = 0, hi = 0;
    pl_axis_shown(axis, first, shown, &lo, &hi);
    pl_buf_printf(out, "%.4g:%.4g", pl_axis_from(axis, lo), pl_axis_from(axis, hi));
}

/* The range that the pane is zoomed to, as `plot` gets it. */
static pl_status crop_to_zoom(const pl_pixels_page *page, const pl_figure *figure,
                              pl_figure_options *options, pl_error *err)
{
    size_t row = 0;
    pl_buf range = {0};
    if (!(page->shown > 0)) {
        return PL_OK;
    }
    while (pl_figure_option(row) != NULL && strcmp(pl_figure_option(row)->name, "xlim") != 0) {
        row++;
    }
    pl_imaging_put_zoom(&figure->x, page->first, page->shown, &range);
    pl_status status = pl_buf_check(&range, err);
    PL_THEN(pl_figure_option_read(options, row, range.data, err));
    pl_buf_deinit(&range);
    return status;
}

pl_status pl_imaging_run(void *arg, pl_task *task, pl_error *err)
{
    pl_screen_job *job = arg;
    const pl_pixels_page *page = &job->page;
    pl_figure_options *options = &job->options;
    pl_raster raster = {0};
    pl_status status = pl_kind_make(pl_job_context(job, task), &job->request, &job->figure, err);
    if (status == PL_OK && job->figure.table != NULL) {
        return PL_OK; /* a table stays text */
    }
    PL_THEN(crop_to_zoom(page, &job->figure, options, err));
    PL_THEN(pl_figure_options_apply(options, &job->figure, err));
    PL_THEN(
        pl_raster_make(&job->figure, options, page->width, page->height, page->dpi, &raster, err));
    if (status == PL_OK) {
        status = page->protocol == PL_GRAPHICS_KITTY
                     ? pl_raster_put_kitty(&raster, PL_IMAGE_ID, &job->image, err)
                     : pl_raster_put_sixel(&raster, &job->image, err);
    }
    pl_raster_deinit(&raster);
    return status;
}

bool pl_imaging_makes(pl_graphics protocol)
{
    return protocol == PL_GRAPHICS_KITTY ||
           (protocol == PL_GRAPHICS_SIXEL && pl_raster_has_sixel());
}
