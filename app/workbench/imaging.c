#include "app/workbench/imaging.h"

#include "plots/options.h"
#include "plots/raster.h"
#include "views/figure_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* The range that the pane is zoomed to, with the digits that `plot` gets. */
static void find_limits(const pl_pixels_page *page, const pl_figure *figure,
                        pl_figure_options *options)
{
    double ends[2] = {0};
    if (!(page->shown > 0) || figure->table != NULL) {
        return;
    }
    pl_axis_shown(&figure->x, page->first, page->shown, &ends[0], &ends[1]);
    for (size_t i = 0; i < 2; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.4g", pl_axis_from(&figure->x, ends[i]));
        ends[i] = strtod(text, NULL);
    }
    options->xlim = (pl_option_RANGE){
        .given = true, .has_lo = true, .has_hi = true, .lo = ends[0], .hi = ends[1]};
}

pl_status pl_imaging_run(void *arg, pl_task *task, pl_error *err)
{
    pl_screen_job *job = arg;
    const pl_pixels_page *page = &job->page;
    pl_figure_options options = {0};
    pl_raster raster = {0};
    pl_status status = pl_kind_make(job->lab, &job->state, &job->request, &job->figure, task, err);
    if (status == PL_OK && job->figure.table != NULL) {
        return PL_OK; /* a table stays text */
    }
    if (status == PL_OK) {
        find_limits(page, &job->figure, &options);
    }
    PL_THEN(pl_figure_options_apply(&options, &job->figure, err));
    PL_THEN(pl_raster_make(&job->figure, page->width, page->height, page->dpi, &raster, err));
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
