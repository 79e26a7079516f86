/* The tables of keys, commands, methods and figures, and the layers. */
#include "app/workbench/palette.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "plots/kinds.h"
#include "views/view.h"
#include "views/text.h"

#include <stdio.h>
#include <string.h>

/* name: what one types who knows it. */
static void add_command(pl_palette *palette, const char *name, const char *label,
                        const char *detail, bool ask)
{
    pl_palette_item item = {.label = NULL, .detail = NULL, .ask = ask};
    char known[100];
    char shown[200];
    char text[200];
    char summary[400];
    /* The item's texts are copied, so that these may go. */
    snprintf(known, sizeof known, "%s", name);
    snprintf(shown, sizeof shown, ":%s", label);
    snprintf(text, sizeof text, "%s", label);
    snprintf(summary, sizeof summary, "%s", detail);
    item.name = known;
    item.label = shown;
    item.detail = summary;
    item.command = text;
    pl_palette_add(palette, &item);
}

/* Nobody looks for the arrow keys. */
static bool moves(pl_action action)
{
    return (action >= PL_ACT_UP && action <= PL_ACT_LAST) || action == PL_ACT_PALETTE;
}

/* Every action once, the focused pane's keys first: the help and key that are valid there. */
static void add_actions(pl_screen *screen)
{
    bool seen[PL_ACT_COUNT] = {false};
    for (int here = 1; here >= 0; here--) {
        for (const pl_binding *b = pl_keymap_bindings(screen->model.keys); b->name != NULL; b++) {
            bool valid = (b->where & (1u << screen->model.focus)) != 0;
            if (b->help == NULL || seen[b->action] || moves(b->action) || valid != (here == 1) ||
                b->action == PL_ACT_NONE) {
                continue;
            }
            seen[b->action] = true;
            char label[64];
            char detail[200];
            char key[PL_KEY_NAME + 16];
            snprintf(label, sizeof label, "%s", pl_action_name(b->action));
            snprintf(detail, sizeof detail, "%s", b->help);
            snprintf(key, sizeof key, "%s", b->name);
            pl_palette_add(&screen->over.palette, &(pl_palette_item){.label = label,
                                                                     .detail = detail,
                                                                     .name = label,
                                                                     .key = valid ? key : NULL,
                                                                     .action = b->action});
        }
    }
}

static void add_commands(pl_palette *palette)
{
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        bool bare = (*c)->positional[0] == '\0' && (*c)->keys->name == NULL && !(*c)->any_key;
        char text[64];
        snprintf(text, sizeof text, "%s%s", (*c)->name, bare ? "" : " ");
        add_command(palette, (*c)->name, text, (*c)->summary, !bare);
    }
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        for (const char *const *r = (*c)->ready; r != NULL && *r != NULL; r += 2) {
            char text[64];
            snprintf(text, sizeof text, "%s %s", (*c)->name, r[0]);
            add_command(palette, r[0], text, r[1], false);
        }
        for (const pl_alias *a = (*c)->aliases; a != NULL && a->name != NULL; a++) {
            char text[100];
            char detail[200];
            snprintf(text, sizeof text, "%s %s", (*c)->name, a->call);
            snprintf(detail, sizeof detail, "%s: %s", a->name, a->help);
            add_command(palette, a->name, text, detail, a->ask);
        }
    }
}

/* Methods and their parameters, views, figures. */
static void add_tables(pl_palette *palette)
{
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        char text[128];
        snprintf(text, sizeof text, "method %s", (*m)->name);
        add_command(palette, (*m)->name, text, (*m)->summary, false);
        for (size_t i = 0; i < (*m)->n_params; i++) {
            snprintf(text, sizeof text, "method %s %s=", (*m)->name, (*m)->params[i].name);
            add_command(palette, (*m)->params[i].name, text, (*m)->params[i].help, true);
        }
    }
    for (const pl_screen_view *const *view = pl_views(); *view != NULL; view++) {
        char text[64];
        snprintf(text, sizeof text, "view main=%s", (*view)->name);
        add_command(palette, (*view)->name, text, (*view)->help, false);
    }
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        char text[64];
        snprintf(text, sizeof text, "plot %s file=", (*kind)->name);
        add_command(palette, (*kind)->name, text, (*kind)->summary, true);
    }
}

static void add_layer_items(pl_screen *screen)
{
    const pl_source *source = screen->state->source;
    size_t n = source != NULL ? pl_model_layer_count(source->model) : 0;
    for (size_t i = 0; i < n; i++) {
        char name[80];
        char text[120];
        char detail[120] = "";
        pl_layer_short(pl_model_layer(source->model, i), false, name, sizeof name);
        snprintf(text, sizeof text, "select %s", name);
        if (i < screen->scores.overview.n) {
            char input[PL_NUMBER_TEXT];
            char weight[PL_NUMBER_TEXT];
            pl_format_number(screen->scores.overview.rows[i].number[PL_COLUMN_INPUT_RATIO], input);
            pl_format_number(screen->scores.overview.rows[i].number[PL_COLUMN_WEIGHT_RATIO],
                             weight);
            snprintf(detail, sizeof detail,
                     "largest channel over the median: inputs %s, weights %s", input, weight);
        }
        add_command(&screen->over.palette, name, text, detail, false);
    }
}

void pl_screen_open_palette(pl_screen *screen)
{
    pl_error err = {0};
    pl_palette_close(&screen->over.palette);
    add_actions(screen);
    add_commands(&screen->over.palette);
    add_tables(&screen->over.palette);
    add_layer_items(screen);
    if (pl_palette_open(&screen->over.palette, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
    }
}
