#include "views/display.h"

#include "core/base/json.h"

#include <stdio.h>
#include <string.h>

static const char *const pane_names[PL_DISPLAY_PANES] = {"main", "second", "table"};

const char *pl_display_pane_name(size_t pane)
{
    return pane < PL_DISPLAY_PANES ? pane_names[pane] : "";
}

static void copy_name(const json_t *value, char out[PL_VIEW_NAME])
{
    const char *text = json_string_value(value);
    if (text != NULL && strlen(text) < PL_VIEW_NAME) {
        snprintf(out, PL_VIEW_NAME, "%s", text);
    }
}

bool pl_display_is_split(const pl_state *state)
{
    return json_is_true(json_object_get(pl_state_screen(state), "split"));
}

pl_display pl_display_of(const pl_state *state)
{
    pl_display display = {
        .panes = {{.view = "channels"}, {.view = "histogram"}, {.view = "outliers"}},
        .split = pl_display_is_split(state),
    };
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(pl_state_screen(state), "panes"), index, item)
    {
        if (index < PL_DISPLAY_PANES) {
            pl_pane_view *pane = &display.panes[index];
            copy_name(json_object_get(item, "view"), pane->view);
            copy_name(json_object_get(item, "form"), pane->form);
            pane->sorted = json_is_true(json_object_get(item, "sorted"));
            pane->log = json_is_true(json_object_get(item, "log"));
        }
    }
    copy_name(json_object_get(pl_state_screen(state), "zoom"), display.zoom);
    return display;
}

pl_status pl_display_set(pl_state *state, const pl_display *display, pl_error *err)
{
    json_t *panes = json_array();
    for (size_t i = 0; i < PL_DISPLAY_PANES; i++) {
        const pl_pane_view *pane = &display->panes[i];
        pl_json_append(panes,
                       json_pack("{s:s, s:s, s:b, s:b}", "view", pane->view, "form", pane->form,
                                 "sorted", (int)pane->sorted, "log", (int)pane->log));
    }
    json_t *screen = json_pack("{s:o, s:b, s:s}", "panes", panes, "split", (int)display->split,
                               "zoom", display->zoom);
    if (screen == NULL || json_array_size(panes) < PL_DISPLAY_PANES) {
        json_decref(screen);
        return pl_error_memory(err, "what the panes show");
    }
    pl_state_set_screen(state, screen);
    return PL_OK;
}
