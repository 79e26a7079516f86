#include "app/workbench/keys.h"

#include "app/workbench/acts.h"
#include "app/workbench/ask.h"
#include "app/workbench/draft.h"
#include "app/workbench/figures.h"
#include "app/workbench/lines.h"
#include "app/workbench/looks.h"
#include "app/workbench/palette.h"
#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "app/workbench/show.h"
#include "app/workbench/steps.h"
#include "app/workbench/tour.h"
#include "app/workbench/work.h"
#include "plots/kinds.h"
#include "views/layers.h"
#include "views/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COUNT = 9999 };

static void cycle_view(pl_screen *screen, bool side)
{
    char text[96];
    if (side) {
        snprintf(
            text, sizeof text, "view side=%s",
            pl_side_name(screen->state->side == PL_SIDE_WEIGHT ? PL_SIDE_INPUT : PL_SIDE_WEIGHT));
    } else {
        snprintf(text, sizeof text, "view which=%s",
                 pl_which_name((pl_which)((screen->state->which + 1) % 4)));
    }
    pl_screen_key_command(screen, text, false);
    if (!side && screen->state->side == PL_SIDE_INPUT) {
        strcat(text, " is for the weights; s shows them");
        pl_screen_say(screen, PL_MESSAGE_INFO, text);
    }
}

static void open_help(pl_screen *screen)
{
    pl_buf text = {0};
    pl_help(NULL, &text);
    pl_screen_show_keys(screen, text.data != NULL ? text.data : "");
    pl_buf_deinit(&text);
}

static void change_pane(pl_screen *screen, int by)
{
    pl_panes panes =
        pl_screen_panes(&screen->model, screen->face.surface.rows, screen->face.surface.cols);
    screen->model.focus = pl_panes_next(&panes, screen->model.focus, by);
    if (pl_zoomed_pane(screen->state) < PL_PANE_COUNT) { /* the zoom goes along */
        char text[32];
        snprintf(text, sizeof text, "view zoom=%s", pl_pane_word(screen->model.focus));
        pl_screen_key_command(screen, text, false);
    }
}

static void cancel(pl_screen *screen)
{
    if (!pl_screen_cancel(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing runs; q quits");
    }
}

static void say_nothing_to_do(pl_screen *screen, pl_action action)
{
    char text[100];
    const pl_screen_view *view = pl_view_of(screen->state, screen->model.focus);
    snprintf(text, sizeof text, "%s: there is nothing for it in %s%s", pl_action_name(action),
             view != NULL ? "the view " : "this pane", view != NULL ? view->name : "");
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
}

/* A key without an action here: where it has one, or who lists them. */
static void say_no_action(pl_screen *screen, uint32_t key)
{
    char name[PL_KEY_NAME];
    char text[200];
    const pl_keymap *keys = screen->model.keys;
    pl_pane pane = 0;
    pl_key_name(key, name);
    while (pane < PL_PANE_COUNT && pl_keymap_action(keys, key, pane) == PL_ACT_NONE) {
        pane++;
    }
    const char *next = pl_keymap_key_of(keys, PL_ACT_NEXT_PANE, screen->model.focus);
    const char *help = pl_keymap_key_of(keys, PL_ACT_HELP, screen->model.focus);
    if (pane < PL_PANE_COUNT) {
        snprintf(text, sizeof text, "%s is a key of the pane %s (%s); %s goes from pane to pane",
                 name, pl_pane_name(pane), pl_action_name(pl_keymap_action(keys, key, pane)),
                 next != NULL ? next : "a click");
    } else {
        snprintf(text, sizeof text, "%s has no meaning; %s lists the keys", name,
                 help != NULL ? help : ":help");
    }
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
}

static void global_action(pl_screen *screen, pl_action action)
{
    switch (action) {
    case PL_ACT_SIDE:
    case PL_ACT_WHICH:
        cycle_view(screen, action == PL_ACT_SIDE);
        break;
    case PL_ACT_SOLVE:
        if (screen->state->source != NULL) {
            pl_wants_solve(&screen->wants);
        } else {
            pl_screen_say(screen, PL_MESSAGE_INFO, "no model is open:  :open PATH");
        }
        break;
    case PL_ACT_SOLVE_ALL:
        pl_screen_type_line(screen, "solve all");
        break;
    case PL_ACT_CALIBRATE:
        pl_screen_open_prompt(screen, "calibrate text=");
        break;
    case PL_ACT_FIGURE:
        pl_figures_offer(screen);
        break;
    case PL_ACT_PROMPT:
        pl_screen_open_prompt(screen, "");
        break;
    case PL_ACT_HELP:
        open_help(screen);
        break;
    case PL_ACT_NEXT_PANE:
        change_pane(screen, 1);
        break;
    case PL_ACT_PREV_PANE:
        change_pane(screen, -1);
        break;
    case PL_ACT_CANCEL:
        cancel(screen);
        break;
    case PL_ACT_UNDO:
    case PL_ACT_REDO:
        pl_screen_step_history(screen, action == PL_ACT_UNDO);
        break;
    case PL_ACT_LAST_SESSION:
        pl_screen_restore(screen);
        break;
    case PL_ACT_REDRAW:
        pl_terminal_redraw(screen->face.terminal);
        pl_figures_retry(screen);
        break;
    case PL_ACT_SUSPEND:
        pl_terminal_suspend(screen->face.terminal);
        break;
    case PL_ACT_QUIT:
        pl_screen_ask_quit(screen);
        break;
    case PL_ACT_FILTER:
        pl_layers_type_start(&screen->model);
        break;
    case PL_ACT_PALETTE:
        pl_screen_open_palette(screen);
        break;
    case PL_ACT_JOBS:
        pl_screen_show_jobs(screen);
        break;
    case PL_ACT_THEME:
        pl_screen_next_theme(screen);
        break;
    case PL_ACT_PIN:
        pl_screen_pin(screen);
        break;
    case PL_ACT_UNPIN:
        pl_screen_key_command(screen, "unpin", false);
        break;
    case PL_ACT_PERPLEXITY:
        pl_screen_measure(screen);
        break;
    case PL_ACT_TRANSFORM:
        pl_screen_next_transform(screen);
        break;
    case PL_ACT_LEARN:
        pl_screen_learn(screen);
        break;
    case PL_ACT_FORGET:
        pl_screen_key_command(screen, "learn reset", false);
        break;
    case PL_ACT_BEST:
        pl_screen_type_line(screen, "target best");
        break;
    case PL_ACT_TOUR_OFF:
        pl_screen_set_tour(screen, PL_TOUR_OFF);
        break;
    default:
        say_nothing_to_do(screen, action);
        break;
    }
}

/* A figure of the layer before, which may be wider, is shown until the new one has come. */
static void mark_channel(pl_state *state, size_t channel)
{
    size_t cols =
        state->source != NULL ? pl_model_layer(state->source->model, state->layer)->cols : 0;
    if (channel < cols || channel == SIZE_MAX) {
        state->channel = channel;
    }
}

void pl_screen_follow_intent(pl_screen *screen, const pl_intent *intent)
{
    if (intent->focus >= 0) {
        screen->model.focus = (pl_pane)intent->focus;
    }
    if (intent->say != NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, intent->say);
    }
    if (intent->mark) { /* no step to undo, as a cursor is none */
        mark_channel(screen->state, intent->channel);
    }
    if (intent->command[0] != '\0') {
        pl_screen_follow_knob(screen, intent);
    }
    if (intent->prompt[0] != '\0') {
        pl_screen_open_prompt(screen, intent->prompt);
    }
}

/* One action in the focused pane, which may use the count. */
static bool act_once(pl_screen *screen, pl_action action)
{
    const pl_panel *panel = pl_panel_of(screen->model.focus);
    pl_intent intent = {.focus = -1};
    if (!pl_display_act(&screen->model, action, &intent) &&
        !panel->act(&screen->model, action, &intent)) {
        global_action(screen, action);
        return action != PL_ACT_UNDO && action != PL_ACT_REDO && action != PL_ACT_NEXT_PANE &&
               action != PL_ACT_PREV_PANE;
    }
    pl_screen_follow_intent(screen, &intent);
    return intent.counted;
}

/* Actions of which a count makes so many; `10g` and `10G` go to the tenth. */
static bool is_repeated(pl_action action)
{
    static const pl_action actions[] = {
        PL_ACT_UP,       PL_ACT_DOWN,      PL_ACT_LEFT,      PL_ACT_RIGHT,
        PL_ACT_FAR_LEFT, PL_ACT_FAR_RIGHT, PL_ACT_PAGE_UP,   PL_ACT_PAGE_DOWN,
        PL_ACT_ZOOM_IN,  PL_ACT_ZOOM_OUT,  PL_ACT_NEXT_PEAK, PL_ACT_PREV_PEAK,
        PL_ACT_UNDO,     PL_ACT_REDO,      PL_ACT_NEXT_PANE, PL_ACT_PREV_PANE,
    };
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (actions[i] == action) {
            return true;
        }
    }
    return false;
}

/* What Down does here moves from row to row; in plots it zooms, and Right goes on. */
static pl_action next_action(const pl_screen *screen)
{
    return pl_keymap_action(NULL, PL_K_DOWN, screen->model.focus) == PL_ACT_DOWN ? PL_ACT_DOWN
                                                                                 : PL_ACT_RIGHT;
}

static void act_counted(pl_screen *screen, pl_action action, size_t count)
{
    screen->model.count = count;
    if (action == PL_ACT_LAST && count > 0) {
        action = PL_ACT_FIRST;
    }
    bool whole = act_once(screen, action);
    if (action == PL_ACT_FIRST) {
        action = next_action(screen);
    } else if (!is_repeated(action)) {
        whole = true;
    }
    screen->model.count = 0;
    for (size_t i = 1; i < count && !whole; i++) {
        act_once(screen, action);
    }
}

/* Does what a key of the table does, in a pane where it does. */
static void act_from_palette(pl_screen *screen, pl_action action)
{
    const pl_keymap *keys = screen->model.keys;
    if (pl_keymap_key_of(keys, action, screen->model.focus) == NULL) {
        for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
            if (pane != PL_PANE_SECOND && pl_keymap_key_of(keys, action, pane) != NULL) {
                screen->model.focus = pane;
                break;
            }
        }
    }
    act_counted(screen, action, 0);
}

/* Digits before an action say how often; 0 goes on a number only. */
static bool count_digit(pl_screen *screen, uint32_t key)
{
    if (key < '0' || key > '9' || (key == '0' && screen->typing.count == 0)) {
        return false;
    }
    if (screen->typing.count == 0 &&
        pl_keymap_action(screen->model.keys, key, screen->model.focus) != PL_ACT_NONE) {
        return false; /* mapped */
    }
    screen->typing.count = 10 * screen->typing.count + (key - '0');
    screen->typing.count = screen->typing.count < MOST_COUNT ? screen->typing.count : MOST_COUNT;
    char text[64];
    snprintf(text, sizeof text, "%zu: how often, or which line for g", screen->typing.count);
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
    return true;
}

static void pane_key(pl_screen *screen, pl_press press)
{
    const pl_panel *panel = pl_panel_of(screen->model.focus);
    pl_intent intent = {.focus = -1};
    if (screen->typing.count == 0 && panel->type != NULL &&
        panel->type(&screen->model, press, &intent)) {
        pl_screen_follow_intent(screen, &intent);
        return;
    }
    if (count_digit(screen, press.key)) {
        return;
    }
    size_t count = screen->typing.count;
    if (count > 0) {
        screen->typing.count = 0;
        pl_screen_say(screen, PL_MESSAGE_INFO, "");
        if (press.key == PL_KEY_ESC) {
            return;
        }
    }
    pl_action action = pl_keymap_action(screen->model.keys, press.key, screen->model.focus);
    bool second_g = press.key == 'g' && action == PL_ACT_FIRST && screen->typing.went_first;
    screen->typing.went_first = press.key == 'g' && action == PL_ACT_FIRST && !second_g;
    if (action == PL_ACT_NONE && press.key < PL_K_NONE) {
        say_no_action(screen, press.key);
    } else if (action != PL_ACT_NONE && !second_g) {
        act_counted(screen, action, count);
    }
}

static void palette_key(pl_screen *screen, pl_press press)
{
    const pl_palette_item *item = pl_palette_key(&screen->over.palette, press);
    if (item == NULL) {
        return;
    }
    pl_action action = item->action;
    bool ask = item->ask;
    char command[200] = "";
    if (item->command != NULL) {
        snprintf(command, sizeof command, "%s", item->command);
    }
    pl_palette_close(&screen->over.palette);
    if (action != PL_ACT_NONE) {
        act_from_palette(screen, action);
    } else if (ask) {
        pl_screen_open_prompt(screen, command);
    } else {
        pl_screen_type_line(screen, command);
    }
}

/* A text over the panes gives way to what is asked next. */
static bool asks_for_more(const pl_screen *screen, pl_press press)
{
    pl_action action = pl_keymap_action(screen->model.keys, press.key, screen->model.focus);
    return !screen->over.help.typing && (action == PL_ACT_PROMPT || action == PL_ACT_PALETTE);
}

/* True if the key was for something that lies over the panes. */
static bool overlay_key(pl_screen *screen, pl_press press)
{
    if (screen->over.palette.open) {
        palette_key(screen, press);
    } else if (screen->over.jobs.open) {
        uint64_t id = pl_jobs_key(&screen->over.jobs, &screen->model, press);
        if (id != 0) {
            pl_screen_cancel_job(screen, id);
        }
    } else if (screen->over.help.open && asks_for_more(screen, press)) {
        pl_help_close(&screen->over.help);
        return false;
    } else if (screen->over.help.open) {
        int rows = 0;
        int cols = 0;
        pl_terminal_size(screen->face.terminal, &rows, &cols);
        pl_help_key(&screen->over.help, press, rows - 3);
    } else if (screen->model.views.layers.typing) {
        pl_intent intent = {.focus = -1};
        pl_layers_type(&screen->model, press, &intent);
        pl_screen_follow_intent(screen, &intent);
    } else {
        return false;
    }
    return true;
}

/* True if the prompt took the key. */
static bool prompt_key(pl_screen *screen, pl_press press)
{
    char *line = NULL;
    if (!press.alt && (press.key == PL_K_UP || press.key == PL_K_DOWN) &&
        pl_draft_step(screen, press.key == PL_K_UP ? -1 : 1)) {
        return true;
    }
    if ((press.key == PL_KEY_ENTER || press.key == '\n') && pl_draft_enter(screen)) {
        return true;
    }
    pl_prompt_key(screen->prompt, press, &line);
    bool entered = line != NULL;
    if (entered) {
        pl_screen_type_line(screen, line);
        free(line);
    }
    /* An Escape that closed the prompt: the key behind it is another one. */
    return !press.alt || pl_prompt_is_open(screen->prompt) || entered;
}

void pl_screen_key(pl_screen *screen, pl_press press)
{
    screen->early.n = 0;
    if (press.key == PL_K_RESIZE) {
        return; /* ncurses' echo of a resize that take_signals has followed */
    }
    screen->model.message_seen = true;
    if (pl_screen_answer(screen, press)) {
        return;
    }
    if (pl_prompt_is_open(screen->prompt)) {
        if (prompt_key(screen, press)) {
            return;
        }
        press.alt = false;
    }
    if (press.alt) {
        pl_screen_key(screen, (pl_press){.key = PL_KEY_ESC});
        press.alt = false;
    }
    if (!overlay_key(screen, press)) {
        pane_key(screen, press);
    }
}
