#include "views/keys.h"

#include "core/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CTRL(letter) ((letter)&0x1f)

enum {
    LAYERS = 1 << PL_PANE_LAYERS,
    CHANNELS = 1 << PL_PANE_MAIN | 1 << PL_PANE_SECOND,
    OUTLIERS = 1 << PL_PANE_TABLE,
    TUNER = 1 << PL_PANE_TUNER,
    VIEWS = CHANNELS | OUTLIERS,
    KNOB = LAYERS | OUTLIERS | TUNER,
    LISTS = LAYERS | OUTLIERS | TUNER,
    ALL = PL_EVERYWHERE,
};

/* Order within a pane is the order of its hints; global ones come last. */
static const pl_binding bindings[] = {
    {PL_K_UP, PL_ACT_UP, LAYERS, "\u2191\u2193", "layer", "select the layer above, below"},
    {PL_K_UP, PL_ACT_UP, OUTLIERS, "\u2191\u2193", "row",
     "the row above, below; in the table of outliers it marks the channel in all views"},
    {PL_K_UP, PL_ACT_UP, TUNER, "\u2191\u2193", "parameter", "choose a parameter"},
    {PL_K_DOWN, PL_ACT_DOWN, ALL, "\u2193", NULL, NULL},
    {'k', PL_ACT_UP, ALL, "k", NULL, "up"},
    {'j', PL_ACT_DOWN, ALL, "j", NULL, "down"},
    {PL_K_LEFT, PL_ACT_LEFT, KNOB, "\u2190 \u2192", "strength",
     "turn the tuner's selected parameter; the solve starts at once"},
    {PL_K_LEFT, PL_ACT_LEFT, CHANNELS, "\u2190 \u2192", "crosshair",
     "move the crosshair by one point; in a plot over channels it marks them in all views"},
    {PL_K_RIGHT, PL_ACT_RIGHT, ALL, "\u2192", NULL, NULL},
    {'h', PL_ACT_LEFT, ALL, "h", NULL, "left"},
    {'l', PL_ACT_RIGHT, ALL, "l", NULL, "right"},
    {PL_K_SHIFT_LEFT, PL_ACT_FAR_LEFT, ALL, "Shift-\u2190", NULL,
     "left by four steps (crosshair: a sixteenth)"},
    {'<', PL_ACT_FAR_LEFT, ALL & ~LAYERS, "<", NULL, NULL},
    {PL_K_SHIFT_RIGHT, PL_ACT_FAR_RIGHT, ALL, "Shift-\u2192", NULL, "right by four steps"},
    {'>', PL_ACT_FAR_RIGHT, ALL & ~LAYERS, ">", NULL, NULL},
    {PL_KEY_ENTER, PL_ACT_ENTER, TUNER, "Enter", "edit", "type a value; so does any digit"},
    {PL_KEY_ENTER, PL_ACT_ENTER, LAYERS | VIEWS, "Enter", NULL,
     "go to the main view; in a plot over layers: select that layer"},
    {'v', PL_ACT_NEXT_VIEW, ALL, "v", "view",
     "next view in this pane: channels, histogram, layers, box, tokens, groups, ..."},
    {'V', PL_ACT_PREV_VIEW, ALL, "V", NULL, "previous view in this pane"},
    {'f', PL_ACT_FORM, ALL, "f", "form", "next form of the view, e.g. maxima or the distribution"},
    {'|', PL_ACT_SPLIT, ALL, "|", "split", "a second view beside the main one, or no more"},
    {'z', PL_ACT_ZOOM_PANE, ALL, "z", "zoom pane", "this pane alone, and back"},
    {'n', PL_ACT_NEXT_PEAK, VIEWS, "n", "next peak",
     "crosshair to the next smaller outlier channel"},
    {'N', PL_ACT_PREV_PEAK, VIEWS, "N", NULL, "crosshair to the next larger outlier channel"},
    {'/', PL_ACT_FILTER, ALL, "/", "filter",
     "filter the layers: by name (q_proj, 15.*) or by score (input_ratio > 20)"},
    {'o', PL_ACT_SORT, LAYERS, "o", "order", "turn the order: falling or rising"},
    {'<', PL_ACT_COLUMN_BEFORE, LAYERS, "< >", "sort by",
     "sort by the column before, behind: whatever is known of the layers, and model order"},
    {'>', PL_ACT_COLUMN_AFTER, LAYERS, ">", NULL, NULL},
    {'o', PL_ACT_SORT, CHANNELS | OUTLIERS, "o", "order", "channels by index or sorted by size"},
    {'d', PL_ACT_RESET, TUNER, "d", "default", "the parameter's default value"},
    {'b', PL_ACT_BEST, TUNER, "b", "best",
     "find the strength of the layer's least rounded error; :target has other goals"},
    {'y', PL_ACT_LOG, VIEWS, "y", "log", "vertical axis linear or logarithmic"},
    {'+', PL_ACT_ZOOM_IN, VIEWS, "+", NULL, "zoom in on the crosshair"},
    {PL_K_UP, PL_ACT_UP, CHANNELS, "\u2191\u2193", "zoom",
     "zoom in, out; in heat maps and tables: the row above, below"},
    {'=', PL_ACT_ZOOM_IN, VIEWS, "=", NULL, NULL},
    {'-', PL_ACT_ZOOM_OUT, VIEWS, "-", NULL, "zoom out"},
    {'0', PL_ACT_ZOOM_ALL, VIEWS, "0", NULL, "show all of the plot"},
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
    {'p', PL_ACT_PIN, ALL, "p", "pin", "keep the present setting as a baseline"},
    {'P', PL_ACT_UNPIN, ALL, "P", NULL, "take the last pinned baseline away"},
    {'m', PL_ACT_PERPLEXITY, ALL, "m", "perplexity",
     "measure the perplexity of the model as it is solved now, and of the original"},
    {'t', PL_ACT_TRANSFORM, ALL, "t", "transform",
     "the next transform: none, smoothquant, awq, hadamard, quarot, spinquant, flatquant, ..."},
    {'r', PL_ACT_LEARN, ALL, "r", NULL, "learn the layer's transform (flatquant), pause, go on"},
    {'R', PL_ACT_FORGET, ALL, "R", NULL, "forget what was learned"},
    {'u', PL_ACT_UNDO, ALL, "u", "undo", "undo the last change, and say what it was"},
    {CTRL('r'), PL_ACT_REDO, ALL, "Ctrl-R", NULL, "redo"},
    {'e', PL_ACT_FIGURE, ALL, "e", "figure",
     "save what the pane shows as a figure: its options as fields, drawn while they are typed"},
    {'c', PL_ACT_CALIBRATE, ALL, "c", NULL, "calibrate (asks for the text)"},
    {'L', PL_ACT_LAST_SESSION, ALL, "L", NULL,
     "bring the model's last session back; without a model, the newest"},
    {'\t', PL_ACT_NEXT_PANE, ALL, "Tab", "pane", "next pane"},
    {PL_K_SHIFT_TAB, PL_ACT_PREV_PANE, ALL, "Shift-Tab", NULL, "previous pane"},
    {CTRL('p'), PL_ACT_PALETTE, ALL, "Ctrl-P", "palette",
     "find any action, command, method or layer by a few of its letters"},
    {'J', PL_ACT_JOBS, ALL, "J", "jobs", "the jobs: what runs, waits and has ended; x cancels one"},
    {'T', PL_ACT_THEME, ALL, "T", NULL, "next theme: dark, light, safe, none"},
    {'!', PL_ACT_TOUR_OFF, ALL, "!", NULL, "end the tour; :tour starts it again"},
    {':', PL_ACT_PROMPT, ALL, ":", NULL,
     "type a command; Tab completes, \u2191 recalls, Esc leaves"},
    {'?', PL_ACT_HELP, ALL, "?", "help", "this help"},
    {PL_K_F1, PL_ACT_HELP, ALL, "F1", NULL, NULL},
    {PL_KEY_ESC, PL_ACT_CANCEL, ALL, "Esc", NULL, "cancel what runs"},
    {CTRL('c'), PL_ACT_CANCEL, ALL, "Ctrl-C", NULL, NULL},
    {CTRL('l'), PL_ACT_REDRAW, ALL, "Ctrl-L", NULL, "draw the screen afresh"},
    {CTRL('z'), PL_ACT_SUSPEND, ALL, "Ctrl-Z", NULL, "suspend; fg comes back"},
    {'q', PL_ACT_QUIT, ALL, "q", NULL,
     "quit, after a question where a long job runs; the session is kept"},
    {0, PL_ACT_NONE, 0, NULL, NULL, NULL},
};

/* What files of keys call the actions. */
static const char *const action_names[PL_ACT_COUNT] = {
    [PL_ACT_NONE] = "none",
    [PL_ACT_UP] = "up",
    [PL_ACT_DOWN] = "down",
    [PL_ACT_LEFT] = "left",
    [PL_ACT_RIGHT] = "right",
    [PL_ACT_FAR_LEFT] = "far-left",
    [PL_ACT_FAR_RIGHT] = "far-right",
    [PL_ACT_PAGE_UP] = "page-up",
    [PL_ACT_PAGE_DOWN] = "page-down",
    [PL_ACT_FIRST] = "first",
    [PL_ACT_LAST] = "last",
    [PL_ACT_ENTER] = "enter",
    [PL_ACT_SORT] = "order",
    [PL_ACT_COLUMN_BEFORE] = "column-before",
    [PL_ACT_COLUMN_AFTER] = "column-behind",
    [PL_ACT_LOG] = "log-scale",
    [PL_ACT_ZOOM_IN] = "zoom-in",
    [PL_ACT_ZOOM_OUT] = "zoom-out",
    [PL_ACT_ZOOM_ALL] = "zoom-all",
    [PL_ACT_NEXT_PEAK] = "next-peak",
    [PL_ACT_PREV_PEAK] = "previous-peak",
    [PL_ACT_RESET] = "default-value",
    [PL_ACT_SIDE] = "side",
    [PL_ACT_WHICH] = "which",
    [PL_ACT_SOLVE] = "solve",
    [PL_ACT_SOLVE_ALL] = "solve-all",
    [PL_ACT_CALIBRATE] = "calibrate",
    [PL_ACT_FIGURE] = "figure",
    [PL_ACT_PROMPT] = "prompt",
    [PL_ACT_HELP] = "help",
    [PL_ACT_NEXT_PANE] = "next-pane",
    [PL_ACT_PREV_PANE] = "previous-pane",
    [PL_ACT_CANCEL] = "cancel",
    [PL_ACT_UNDO] = "undo",
    [PL_ACT_REDO] = "redo",
    [PL_ACT_LAST_SESSION] = "last-session",
    [PL_ACT_REDRAW] = "redraw",
    [PL_ACT_SUSPEND] = "suspend",
    [PL_ACT_QUIT] = "quit",
    [PL_ACT_FILTER] = "filter",
    [PL_ACT_PALETTE] = "palette",
    [PL_ACT_JOBS] = "jobs",
    [PL_ACT_THEME] = "theme",
    [PL_ACT_TOUR_OFF] = "tour-off",
    [PL_ACT_NEXT_VIEW] = "next-view",
    [PL_ACT_PREV_VIEW] = "previous-view",
    [PL_ACT_SPLIT] = "split",
    [PL_ACT_ZOOM_PANE] = "zoom-pane",
    [PL_ACT_FORM] = "form",
    [PL_ACT_PIN] = "pin",
    [PL_ACT_UNPIN] = "unpin",
    [PL_ACT_PERPLEXITY] = "perplexity",
    [PL_ACT_TRANSFORM] = "next-transform",
    [PL_ACT_LEARN] = "learn",
    [PL_ACT_FORGET] = "forget-learned",
    [PL_ACT_BEST] = "best-strength",
};

/* Keys whose name is not their character; the first name of a key is the one that is shown. */
static const struct {
    uint32_t key;
    const char *name;
} named_keys[] = {
    {PL_K_UP, "\u2191"},
    {PL_K_UP, "Up"},
    {PL_K_DOWN, "\u2193"},
    {PL_K_DOWN, "Down"},
    {PL_K_LEFT, "\u2190"},
    {PL_K_LEFT, "Left"},
    {PL_K_RIGHT, "\u2192"},
    {PL_K_RIGHT, "Right"},
    {PL_K_SHIFT_LEFT, "Shift-\u2190"},
    {PL_K_SHIFT_LEFT, "Shift-Left"},
    {PL_K_SHIFT_RIGHT, "Shift-\u2192"},
    {PL_K_SHIFT_RIGHT, "Shift-Right"},
    {PL_K_SHIFT_TAB, "Shift-Tab"},
    {PL_K_PAGE_UP, "PgUp"},
    {PL_K_PAGE_UP, "PageUp"},
    {PL_K_PAGE_DOWN, "PgDn"},
    {PL_K_PAGE_DOWN, "PageDown"},
    {PL_K_HOME, "Home"},
    {PL_K_END, "End"},
    {PL_K_BACKSPACE, "Backspace"},
    {PL_K_DELETE, "Delete"},
    {PL_K_F1, "F1"},
    {PL_KEY_ENTER, "Enter"},
    {PL_KEY_ESC, "Esc"},
    {'\t', "Tab"},
    {' ', "Space"},
    {'#', "Hash"},
};

const pl_binding *pl_bindings(void)
{
    return bindings;
}

const char *pl_pane_name(pl_pane pane)
{
    static const char *const names[PL_PANE_COUNT] = {"Layers", "Main view", "Second view", "Table",
                                                     "Tuner"};
    return names[pane];
}

const char *pl_pane_word(pl_pane pane)
{
    static const char *const words[PL_PANE_COUNT] = {"layers", "main", "second", "table", "tuner"};
    return words[pane];
}

const char *pl_action_name(pl_action action)
{
    return action_names[action];
}

pl_action pl_action_find(const char *name)
{
    for (pl_action action = PL_ACT_NONE + 1; action < PL_ACT_COUNT; action++) {
        if (action_names[action] != NULL && strcmp(action_names[action], name) == 0) {
            return action;
        }
    }
    return PL_ACT_NONE;
}

void pl_key_name(uint32_t key, char out[PL_KEY_NAME])
{
    for (size_t i = 0; i < sizeof named_keys / sizeof *named_keys; i++) {
        if (named_keys[i].key == key && key != '#') {
            snprintf(out, PL_KEY_NAME, "%s", named_keys[i].name);
            return;
        }
    }
    if (key < ' ') {
        snprintf(out, PL_KEY_NAME, "Ctrl-%c", (char)(key + '@'));
        return;
    }
    out[pl_text_utf8_encode(key, out)] = '\0';
}

/* The code of a text that is one UTF-8 character, else 0. */
static uint32_t single_character(const char *text)
{
    uint32_t code = 0;
    const size_t n = strlen(text);
    return n > 0 && pl_text_utf8_decode(text, text + n, &code) == n ? code : 0;
}

uint32_t pl_key_find(const char *name)
{
    for (size_t i = 0; i < sizeof named_keys / sizeof *named_keys; i++) {
        if (strcasecmp(named_keys[i].name, name) == 0) {
            return named_keys[i].key;
        }
    }
    if (strncasecmp(name, "Ctrl-", 5) == 0 && name[5] != '\0' && name[6] == '\0') {
        char letter = (char)(name[5] & ~0x20);
        return letter >= 'A' && letter <= 'Z' ? (uint32_t)CTRL(letter) : 0;
    }
    return single_character(name);
}
