#include "views/tour.h"

#include "views/text.h"

#include <stdio.h>

static const char *key_of_step(const pl_keymap *keys, pl_action action)
{
    const char *name = pl_keymap_key_of(keys, action, PL_PANE_LAYERS);
    return name != NULL ? name : ":";
}

void pl_tour_text(pl_tour_step step, const pl_keymap *keys, char *out, size_t capacity)
{
    static const struct {
        pl_action action;
        const char *what;
    } steps[] = {
        [PL_TOUR_OFF] = {PL_ACT_NONE, ""},
        [PL_TOUR_LAYERS] = {PL_ACT_UP, "go from layer to layer"},
        [PL_TOUR_SIDE] = {PL_ACT_SIDE, "the layer's inputs, and back"},
        [PL_TOUR_SOLVE] = {PL_ACT_SOLVE, "solve: before and after"},
        [PL_TOUR_TURN] = {PL_ACT_LEFT, "turn the strength"},
        [PL_TOUR_FIGURE] = {PL_ACT_FIGURE, "save a figure"},
        [PL_TOUR_DONE] = {PL_ACT_NONE, ""},
    };
    if (step <= PL_TOUR_OFF || step >= PL_TOUR_DONE) {
        snprintf(out, capacity, "%s", "");
        return;
    }
    snprintf(out, capacity, "Tour %d of 5:  %s  %s  (%s ends it)", (int)step,
             key_of_step(keys, steps[step].action), steps[step].what,
             key_of_step(keys, PL_ACT_TOUR_OFF));
}

void pl_tour_draw(pl_tour_step step, const pl_keymap *keys, pl_surface *surface, pl_rect rect,
                  int used)
{
    char text[120];
    pl_tour_text(step, keys, text, sizeof text);
    int width = (int)pl_text_width(text);
    if (width > 0 && used + 2 + width < rect.w) {
        pl_put_right(surface, rect, 0, rect.w - 1, PL_STYLE_KEY, text);
    }
}
