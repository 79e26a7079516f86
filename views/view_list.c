/* The views, and which of them a pane shows. */
#include "views/figure_view.h"
#include "views/view.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { MOST_VIEWS = 128, NAMES = 2048 };

/* Views that draw themselves: of figures that the live picture holds, and of no figure. */
static const pl_screen_view *const special[] = {&pl_view_channels, &pl_view_outliers, &pl_view_log};

static struct {
    pl_screen_view views[MOST_VIEWS];
    const pl_screen_view *list[MOST_VIEWS + 1];
    size_t count;
    char names[NAMES];
} all;

static const pl_figure_look *look_of(const pl_screen_model *model, pl_pane pane)
{
    return &pl_view_of(model->state, pane)->kind->look;
}

static void draw_figure(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, look_of(model, pane));
}

static bool act_on_figure(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, look_of(model, pane));
}

static bool point_at_figure(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                            pl_intent *intent)
{
    return pl_figure_view_mouse(model, pane, rect, mouse, intent, look_of(model, pane));
}

static void add_view(pl_screen_view view)
{
    assert(all.count < MOST_VIEWS);
    const size_t used = strlen(all.names);
    snprintf(all.names + used, NAMES - used, "%s%s", used > 0 ? "|" : "", view.name);
    all.views[all.count] = view;
    all.list[all.count] = &all.views[all.count];
    all.count++;
}

static void add_kind(const pl_kind *kind)
{
    pl_screen_view view = {.name = kind->name,
                           .title = kind->title,
                           .help = kind->look.help,
                           .kind = kind,
                           .figure = true,
                           .draw = draw_figure,
                           .act = act_on_figure,
                           .mouse = point_at_figure};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (strcmp(special[i]->name, kind->name) == 0) {
            view.figure = special[i]->figure;
            view.live = special[i]->live;
            view.draw = special[i]->draw;
            view.act = special[i]->act;
            view.mouse = special[i]->mouse;
        }
    }
    add_view(view);
}

/* Figures in their own order, then views without one. */
static void list_views(void)
{
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        add_kind(*kind);
    }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (pl_kind_find(special[i]->name) == NULL) {
            add_view(*special[i]);
        }
    }
}

const pl_screen_view *const *pl_views(void)
{
    if (all.count == 0) {
        list_views();
    }
    return all.list;
}

size_t pl_view_count(void)
{
    pl_views();
    return all.count;
}

const char *pl_view_names(void)
{
    pl_views();
    return all.names;
}

const pl_screen_view *pl_view_find(const char *name)
{
    for (const pl_screen_view *const *view = pl_views(); *view != NULL; view++) {
        if (strcmp((*view)->name, name) == 0) {
            return *view;
        }
    }
    return NULL;
}

size_t pl_view_place(const pl_screen_view *view)
{
    return (size_t)(view - all.views);
}

/* --- a pane's -------------------------------------------------------------------------------- */

size_t pl_view_index(pl_pane pane)
{
    switch (pane) {
    case PL_PANE_MAIN:
        return 0;
    case PL_PANE_SECOND:
        return 1;
    case PL_PANE_TABLE:
        return 2;
    default:
        return PL_DISPLAY_PANES;
    }
}

const pl_screen_view *pl_view_of(const pl_state *state, pl_pane pane)
{
    static const char *const first[PL_DISPLAY_PANES] = {"channels", "histogram", "outliers"};
    size_t index = pl_view_index(pane);
    if (index == PL_DISPLAY_PANES) {
        return NULL;
    }
    const pl_display display = pl_display_of(state);
    const pl_screen_view *view = pl_view_find(display.panes[index].view);
    return view != NULL ? view : pl_view_find(first[index]);
}
