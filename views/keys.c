#include "views/keys.h"

#define CTRL(letter) ((letter)&0x1f)

enum {
    LAYERS = 1 << PL_PANE_LAYERS,
    CHANNELS = 1 << PL_PANE_CHANNELS,
    OUTLIERS = 1 << PL_PANE_OUTLIERS,
    TUNER = 1 << PL_PANE_TUNER,
    KNOB = LAYERS | OUTLIERS | TUNER,
    LISTS = LAYERS | OUTLIERS | TUNER,
    ALL = PL_EVERYWHERE,
};

/* Order within a pane is the order of its hints; global ones come last. */
static const pl_binding bindings[] = {
    {PL_K_UP, PL_ACT_UP, LAYERS, "\u2191\u2193", "layer", "select the layer above, below"},
    {PL_K_UP, PL_ACT_UP, OUTLIERS, "\u2191\u2193", "channel",
     "move the crosshair from outlier to outlier"},
    {PL_K_UP, PL_ACT_UP, TUNER, "\u2191\u2193", "parameter", "choose a parameter"},
    {PL_K_DOWN, PL_ACT_DOWN, LISTS, "\u2193", NULL, NULL},
    {'k', PL_ACT_UP, LISTS, "k", NULL, "up"},
    {'j', PL_ACT_DOWN, LISTS, "j", NULL, "down"},
    {PL_K_LEFT, PL_ACT_LEFT, KNOB, "\u2190 \u2192", "strength",
     "turn the tuner's selected parameter; the solve starts at once"},
    {PL_K_LEFT, PL_ACT_LEFT, CHANNELS, "\u2190 \u2192", "crosshair",
     "move the crosshair by one channel"},
    {PL_K_RIGHT, PL_ACT_RIGHT, ALL, "\u2192", NULL, NULL},
    {'h', PL_ACT_LEFT, ALL, "h", NULL, "left"},
    {'l', PL_ACT_RIGHT, ALL, "l", NULL, "right"},
    {PL_K_SHIFT_LEFT, PL_ACT_FAR_LEFT, ALL, "Shift-\u2190", NULL,
     "left by four steps (crosshair: a sixteenth)"},
    {'<', PL_ACT_FAR_LEFT, ALL, "<", NULL, NULL},
    {PL_K_SHIFT_RIGHT, PL_ACT_FAR_RIGHT, ALL, "Shift-\u2192", NULL, "right by four steps"},
    {'>', PL_ACT_FAR_RIGHT, ALL, ">", NULL, NULL},
    {PL_KEY_ENTER, PL_ACT_ENTER, TUNER, "Enter", "edit", "type a value; so does any digit"},
    {PL_KEY_ENTER, PL_ACT_ENTER, LAYERS | OUTLIERS, "Enter", NULL, "go to the channel plot"},
    {'n', PL_ACT_NEXT_PEAK, CHANNELS, "n", "next peak",
     "crosshair to the next smaller outlier channel"},
    {'N', PL_ACT_PREV_PEAK, CHANNELS, "N", NULL, "crosshair to the next larger outlier channel"},
    {'o', PL_ACT_SORT, LAYERS, "o", "order",
     "next order: model, input ratio, weight ratio, weight max"},
    {'o', PL_ACT_SORT, CHANNELS | OUTLIERS, "o", "order", "channels by index or sorted by size"},
    {'d', PL_ACT_RESET, TUNER, "d", "default", "the parameter's default value"},
    {'y', PL_ACT_LOG, CHANNELS, "y", "log", "vertical axis linear or logarithmic"},
    {'+', PL_ACT_ZOOM_IN, CHANNELS, "+", NULL, "zoom in on the crosshair"},
    {PL_K_UP, PL_ACT_ZOOM_IN, CHANNELS, "\u2191\u2193", "zoom", "zoom in, out"},
    {'=', PL_ACT_ZOOM_IN, CHANNELS, "=", NULL, NULL},
    {'-', PL_ACT_ZOOM_OUT, CHANNELS, "-", NULL, "zoom out"},
    {PL_K_DOWN, PL_ACT_ZOOM_OUT, CHANNELS, "\u2193", NULL, NULL},
    {'0', PL_ACT_ZOOM_ALL, CHANNELS, "0", NULL, "show all channels"},
    {PL_K_PAGE_UP, PL_ACT_PAGE_UP, ALL, "PgUp", NULL, "a page up"},
    {CTRL('b'), PL_ACT_PAGE_UP, ALL, "Ctrl-B", NULL, NULL},
    {PL_K_PAGE_DOWN, PL_ACT_PAGE_DOWN, ALL, "PgDn", NULL, "a page down"},
    {CTRL('f'), PL_ACT_PAGE_DOWN, ALL, "Ctrl-F", NULL, NULL},
    {PL_K_HOME, PL_ACT_FIRST, ALL, "Home", NULL, "first"},
    {'g', PL_ACT_FIRST, ALL, "g", NULL, NULL},
    {PL_K_END, PL_ACT_LAST, ALL, "End", NULL, "last"},
    {'G', PL_ACT_LAST, ALL, "G", NULL, NULL},

    {'s', PL_ACT_SIDE, ALL, "s", "side", "plot and table of weights or of inputs"},
    {'w', PL_ACT_WHICH, ALL, "w", "which", "weights: both, before, preconditioned, after"},
    {' ', PL_ACT_SOLVE, ALL, "Space", "solve", "solve the selected layer"},
    {'X', PL_ACT_SOLVE_ALL, ALL, "X", NULL, "solve all layers"},
    {'u', PL_ACT_UNDO, ALL, "u", "undo", "undo the last command"},
    {CTRL('r'), PL_ACT_REDO, ALL, "Ctrl-R", NULL, "redo"},
    {'e', PL_ACT_FIGURE, ALL, "e", NULL, "save the channel plot as a figure (asks for the file)"},
    {'c', PL_ACT_CALIBRATE, ALL, "c", NULL, "calibrate (asks for the text)"},
    {'L', PL_ACT_LAST_SESSION, ALL, "L", NULL, "restore the last session"},
    {'\t', PL_ACT_NEXT_PANE, ALL, "Tab", "pane", "next pane"},
    {PL_K_SHIFT_TAB, PL_ACT_PREV_PANE, ALL, "Shift-Tab", NULL, "previous pane"},
    {':', PL_ACT_PROMPT, ALL, ":", NULL,
     "type a command; Tab completes, \u2191 recalls, Esc leaves"},
    {'?', PL_ACT_HELP, ALL, "?", "help", "this help"},
    {PL_K_F1, PL_ACT_HELP, ALL, "F1", NULL, NULL},
    {PL_KEY_ESC, PL_ACT_CANCEL, ALL, "Esc", NULL, "cancel what runs"},
    {CTRL('c'), PL_ACT_CANCEL, ALL, "Ctrl-C", NULL, NULL},
    {CTRL('l'), PL_ACT_REDRAW, ALL, "Ctrl-L", NULL, "draw the screen afresh"},
    {CTRL('z'), PL_ACT_SUSPEND, ALL, "Ctrl-Z", NULL, "suspend; fg comes back"},
    {'q', PL_ACT_QUIT, ALL, "q", NULL, "quit; the session is kept"},
    {0, PL_ACT_NONE, 0, NULL, NULL, NULL},
};

const pl_binding *pl_bindings(void)
{
    return bindings;
}

pl_action pl_key_action(uint32_t key, pl_pane pane)
{
    if (key == '\n') {
        key = PL_KEY_ENTER;
    }
    for (const pl_binding *b = bindings; b->name != NULL; b++) {
        if (b->key == key && (b->where & (1u << pane)) != 0) {
            return b->action;
        }
    }
    return PL_ACT_NONE;
}

const char *pl_pane_name(pl_pane pane)
{
    static const char *const names[PL_PANE_COUNT] = {"Layers", "Channels", "Outliers", "Tuner"};
    return names[pane];
}
