#include "plots/kinds.h"

#include "core/state/kept.h"
#include "plots/label.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_kind_layer_title(const pl_state *state, size_t layer, pl_buf *out)
{
    char name[128];
    pl_layer_short(pl_model_layer(state->source->model, layer), false, name, sizeof name);
    pl_buf_puts(out, name);
}

const char *pl_side_name(pl_side side)
{
    static const char *const names[] = {"weight", "input"};
    return names[side];
}

const char *pl_which_name(pl_which which)
{
    static const char *const names[] = {"before", "preconditioned", "after", "both"};
    return names[which];
}

size_t pl_kind_whichs(const pl_state *state, const pl_request *request, pl_which out[2])
{
    if (request->which != PL_WHICH_BOTH) {
        out[0] = request->which;
        return 1;
    }
    bool moved = pl_state_spec(state, request->layer, PL_SLOT_PRECONDITION)->method != NULL;
    out[0] = PL_WHICH_BEFORE;
    out[1] = moved ? PL_WHICH_PRECONDITIONED : PL_WHICH_AFTER;
    return 2;
}

pl_tone pl_kind_tone(pl_which which)
{
    return which == PL_WHICH_BEFORE           ? PL_TONE_BEFORE
           : which == PL_WHICH_PRECONDITIONED ? PL_TONE_PRECONDITIONED
                                              : PL_TONE_AFTER;
}

/* "3e-4" for 0.0003; larger numbers as `usual` has them. */
static void put_strength(double value, const char *usual, pl_buf *out)
{
    char text[32];
    if (value > 0 && value < 1e-2) {
        snprintf(text, sizeof text, "%.2e", value);
        char *e = strchr(text, 'e');
        char *end = e;
        while (end > text && (end[-1] == '0' || end[-1] == '.')) {
            end--;
            if (*end == '.') {
                break;
            }
        }
        pl_buf_printf(out, "%.*se%d", (int)(end - text), text, atoi(e + 1));
        return;
    }
    pl_buf_puts(out, usual);
}

/* A parameter's sign: its own, the Greek letter of its name, or its name. */
static void put_symbol(const char *symbol, const char *name, pl_buf *out)
{
    pl_buf typed = {0}, letter = {0};
    pl_buf_printf(&typed, "\\%s", name);
    const bool greek = !typed.failed && pl_label_read(typed.data, &letter, NULL) == PL_OK;
    pl_buf_puts(out, symbol != NULL ? symbol : greek ? letter.data : name);
    pl_buf_deinit(&typed);
    pl_buf_deinit(&letter);
}

/* "W4", or the name of a format that has its own bits: "NVFP4", "MXFP6 E2M3". */
static void put_format(const pl_format *format, const char *bits, pl_buf *out)
{
    if (format->bits == 0) { /* those that bits= says */
        pl_buf_printf(out, ", W%s", bits);
        return;
    }
    pl_buf_puts(out, ", ");
    for (const char *c = format->key; *c != '\0'; c++) {
        const char upper = *c == '_' ? ' ' : (char)toupper((unsigned char)*c);
        pl_buf_append(out, &upper, 1);
    }
}

/* Takes ", W4" from the end: the format behind it has its own. */
static void drop_bits(pl_buf *out)
{
    size_t end = out->size;
    while (end > 0 && isdigit((unsigned char)out->data[end - 1])) {
        end--;
    }
    if (end < out->size && end >= 3 && memcmp(out->data + end - 3, ", W", 3) == 0) {
        out->size = end - 3;
    }
}

/* One word of a chain; *method is the one that keys behind it are of. */
static void put_chain_word(const char *word, size_t length, const pl_method **method, pl_buf *out)
{
    char text[64];
    const size_t cut = length < sizeof text ? length : sizeof text - 1;
    snprintf(text, sizeof text, "%.*s", (int)cut, word);
    const pl_method *found = pl_method_find(text);
    char *equals = strchr(text, '=');
    if (found != NULL) {
        *method = found;
        pl_buf_puts(out, found->title != NULL ? found->title : found->name);
    } else if (strcmp(text, ">") == 0) {
        pl_buf_puts(out, "+");
    } else if (equals != NULL && *method != NULL) {
        *equals = '\0';
        const size_t param = pl_method_param(*method, text);
        const char *symbol = param != SIZE_MAX ? (*method)->params[param].symbol : NULL;
        const pl_format *format = strcmp(text, "format") == 0 ? pl_format_find(equals + 1) : NULL;
        if ((*method)->slot == PL_SLOT_ROUND && param == PL_GRID_BITS) {
            out->size -= out->size > 0 ? 1 : 0; /* the blank */
            pl_buf_printf(out, ", W%s", equals + 1);
        } else if ((*method)->slot == PL_SLOT_ROUND && format != NULL && format->bits > 0) {
            out->size -= out->size > 0 ? 1 : 0;
            drop_bits(out);
            put_format(format, "", out);
        } else {
            put_symbol(symbol, text, out);
            pl_buf_puts(out, " = ");
            put_strength(strtod(equals + 1, NULL), equals + 1, out);
        }
    } else {
        pl_buf_append(out, word, length);
    }
}

void pl_kind_in_full(const char *chain, pl_buf *out)
{
    const pl_method *method = NULL;
    for (const char *c = chain; *c != '\0';) {
        size_t length = strcspn(c, " ");
        put_chain_word(c, length, &method, out);
        c += length;
        pl_buf_puts(out, *c != '\0' ? " " : "");
        c += *c != '\0' ? 1 : 0;
    }
    pl_buf_puts(out, "");
}

static void put_in_full(const pl_spec *spec, pl_buf *out)
{
    const size_t telling = pl_spec_telling(spec);
    pl_buf_puts(out, spec->method->title != NULL ? spec->method->title : spec->method->name);
    if (spec->method->slot == PL_SLOT_PRECONDITION && telling != SIZE_MAX) {
        const pl_param *param = &spec->method->params[telling];
        pl_buf_puts(out, " ");
        put_symbol(param->symbol, param->name, out);
        pl_buf_puts(out, " = ");
        pl_buf usual = {0};
        pl_spec_format_value(spec, telling, &usual);
        put_strength(spec->values[telling], usual.data != NULL ? usual.data : "", out);
        pl_buf_deinit(&usual);
    }
}

static void put_full_label(const pl_state *state, size_t layer, bool rounded, pl_buf *out)
{
    size_t count = 0;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = pl_state_spec(state, layer, slot);
        if (spec->method != NULL && (slot != PL_SLOT_ROUND || rounded)) {
            pl_buf_puts(out, count++ > 0 ? " + " : "");
            put_in_full(spec, out);
        }
    }
    if (rounded) {
        char bits[16];
        const pl_grid grid = pl_spec_grid(pl_state_spec(state, layer, PL_SLOT_ROUND));
        snprintf(bits, sizeof bits, "%d", grid.bits);
        put_format(grid.format, bits, out);
    } else if (count == 0) {
        pl_buf_puts(out, "no preconditioner: original");
    }
}

void pl_kind_label(const pl_state *state, size_t layer, pl_which which, bool paper, pl_buf *out)
{
    const pl_spec *first = pl_state_spec(state, layer, PL_SLOT_PRECONDITION);
    const pl_spec *last = pl_state_spec(state, layer, PL_SLOT_ROUND);
    bool rounded = which == PL_WHICH_AFTER && last->method != NULL;
    if (which == PL_WHICH_BEFORE) {
        pl_buf_puts(out, "before");
        return;
    }
    if (pl_state_result(state, layer) == NULL) {
        pl_buf_printf(out, "%s (not solved)", pl_which_name(which));
        return;
    }
    if (paper) {
        put_full_label(state, layer, rounded, out);
        return;
    }
    if (first->method != NULL) {
        pl_buf_puts(out, first->method->name);
        const size_t telling = pl_spec_telling(first);
        if (!rounded && telling != SIZE_MAX) {
            const pl_param *param = &first->method->params[telling];
            pl_buf_printf(out, ", %s = ", param->symbol != NULL ? param->symbol : param->name);
            pl_spec_format_value(first, telling, out);
        }
    }
    if (rounded) {
        const pl_grid grid = pl_spec_grid(last);
        pl_buf_printf(out, "%s%s, ", first->method != NULL ? " + " : "", last->method->name);
        if (grid.format->bits == 0) {
            pl_buf_printf(out, "%d bits", grid.bits);
        } else {
            pl_buf_puts(out, pl_format_choice(grid.format));
        }
    } else if (first->method == NULL) {
        pl_buf_puts(out, "no preconditioner: original");
    }
}
