/* How a pane shows its view: order, scale, form, and the request for its figure. */
#include "views/view.h"

#include <stdio.h>
#include <string.h>

pl_pane_view pl_view_settings(const pl_state *state, pl_pane pane)
{
    size_t index = pl_view_index(pane);
    return index < PL_DISPLAY_PANES ? pl_display_of(state).panes[index] : (pl_pane_view){0};
}

/* --- forms ------------------------------------------------------------------------------------ */

int pl_view_form(const pl_kind *kind, const char *name)
{
    size_t length = strlen(name);
    const char *s = kind != NULL ? kind->forms : NULL;
    for (int i = 0; s != NULL && length > 0; i++) {
        size_t here = strcspn(s, "|");
        if (here == length && strncmp(s, name, length) == 0) {
            return i;
        }
        s = s[here] != '\0' ? s + here + 1 : NULL;
    }
    return length == 0 ? 0 : -1;
}

void pl_view_form_name(const pl_kind *kind, int form, char out[PL_VIEW_NAME])
{
    const char *s = kind != NULL ? kind->forms : NULL;
    for (; s != NULL && form > 0; form--) {
        s = strchr(s, '|');
        s = s != NULL ? s + 1 : NULL;
    }
    snprintf(out, PL_VIEW_NAME, "%.*s", s != NULL ? (int)strcspn(s, "|") : 0, s != NULL ? s : "");
}

/* A form of another view, kept while this one is shown, is none of this one's: its first. */
int pl_view_shown_form(const pl_state *state, pl_pane pane)
{
    const pl_kind *kind = pl_view_of(state, pane)->kind;
    const pl_pane_view settings = pl_view_settings(state, pane);
    const int form = pl_view_form(kind, settings.form);
    return form > 0 ? form : 0;
}

bool pl_view_request(const pl_state *state, pl_pane pane, pl_request *out)
{
    const pl_screen_view *view = pl_view_of(state, pane);
    const pl_kind *kind = view != NULL ? view->kind : NULL;
    if (kind == NULL) {
        return false;
    }
    *out = pl_request_of(state, kind);
    const pl_pane_view settings = pl_view_settings(state, pane);
    out->sorted = settings.sorted;
    out->log = settings.log;
    out->form = pl_view_shown_form(state, pane);
    out->pins = out->pins && !pl_view_compares(state, pane);
    return true;
}

/* --- panes ----------------------------------------------------------------------------------- */

pl_pane pl_zoomed_pane(const pl_state *state)
{
    const pl_display display = pl_display_of(state);
    pl_pane pane = 0;
    while (pane < PL_PANE_COUNT && strcmp(pl_pane_word(pane), display.zoom) != 0) {
        pane++;
    }
    return pane;
}

bool pl_view_compares(const pl_state *state, pl_pane pane)
{
    return pane == PL_PANE_MAIN && state->source != NULL && pl_state_compared(state) > 0 &&
           pl_view_of(state, pane)->kind != NULL;
}
