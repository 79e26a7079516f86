#include "plots/options.h"

#include "plots/build.h"
#include "plots/label.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_TEXT 4.0
#define LARGEST_TEXT 40.0
#define LEAST_LINE 0.1
#define LARGEST_LINE 10.0

/* --- reading ---------------------------------------------------------------------------------- */

static pl_status read_TEXT(const pl_option_row *row, const char *value, void *option, pl_error *err)
{
    pl_option_TEXT *o = option;
    pl_buf text = {0};
    pl_status status = pl_label_read(value, &text, err);
    if (status != PL_OK) {
        pl_error_prefix(err, "%s=: ", row->name);
    } else if (text.size >= sizeof o->text) {
        status = pl_error_set(err, PL_ERR_USAGE, "%s= has %zu bytes, expected at most %zu",
                              row->name, text.size, sizeof o->text - 1);
    } else {
        snprintf(o->text, sizeof o->text, "%s", text.data);
    }
    pl_buf_deinit(&text);
    return status;
}

static pl_status read_NAMES(const pl_option_row *row, const char *value, void *option,
                            pl_error *err)
{
    pl_option_NAMES *o = option;
    if (strlen(value) >= sizeof o->text || strchr(value, '=') == NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s=%s: expected SERIES=NAME, more behind commas, of at most %zu bytes",
                            row->name, strchr(value, '=') == NULL ? value : "...",
                            sizeof o->text - 1);
    }
    snprintf(o->text, sizeof o->text, "%s", value);
    return PL_OK;
}

static bool read_end(const char *text, size_t size, bool *has, double *out)
{
    char copy[40];
    char *end = NULL;
    *has = size > 0;
    if (size == 0) {
        return true;
    }
    snprintf(copy, sizeof copy, "%.*s", (int)size, text);
    *out = strtod(copy, &end);
    return size < sizeof copy && *end == '\0' && isfinite(*out);
}

static pl_status read_RANGE(const pl_option_row *row, const char *value, void *option,
                            pl_error *err)
{
    pl_option_RANGE *o = option;
    const char *colon = strchr(value, ':');
    bool read = colon != NULL && read_end(value, (size_t)(colon - value), &o->has_lo, &o->lo) &&
                read_end(colon + 1, strlen(colon + 1), &o->has_hi, &o->hi) &&
                (o->has_lo || o->has_hi) && (!o->has_lo || !o->has_hi || o->lo < o->hi);
    return read ? PL_OK
                : pl_error_set(err, PL_ERR_USAGE,
                               "%s=%s: expected LO:HI with LO < HI, or one of them, such as 0: or "
                               ":0.5",
                               row->name, value);
}

static pl_status read_CHOICE(const pl_option_row *row, const char *value, void *option,
                             pl_error *err)
{
    pl_option_CHOICE *o = option;
    o->index = 0;
    for (const char *c = row->choices; *c != '\0'; o->index++) {
        size_t length = strcspn(c, "|");
        if (strlen(value) == length && strncmp(c, value, length) == 0) {
            return PL_OK;
        }
        c += length + (c[length] == '|' ? 1 : 0);
    }
    return pl_error_set(err, PL_ERR_USAGE, "%s=%s: expected one of %s", row->name, value,
                        row->choices);
}

static pl_status read_points(const pl_option_row *row, const char *value, double least, double most,
                             double *out, pl_error *err)
{
    char *end = NULL;
    *out = strtod(value, &end);
    bool unit = strcmp(end, "pt") == 0 || *end == '\0';
    return end != value && unit && *out >= least && *out <= most
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE, "%s=%s: expected %g to %g points", row->name,
                              value, least, most);
}

static pl_status read_SIZE(const pl_option_row *row, const char *value, void *option, pl_error *err)
{
    pl_option_SIZE *o = option;
    return read_points(row, value, LEAST_TEXT, LARGEST_TEXT, &o->points, err);
}

static pl_status read_WIDTH(const pl_option_row *row, const char *value, void *option,
                            pl_error *err)
{
    pl_option_WIDTH *o = option;
    return read_points(row, value, LEAST_LINE, LARGEST_LINE, &o->points, err);
}

static const struct {
    const char *name;
    uint32_t rgb;
} colours[] = {
    /* Okabe and Ito (2008), and the greys */
    {"black", 0x000000},  {"orange", 0xe69f00}, {"skyblue", 0x56b4e9},   {"green", 0x009e73},
    {"yellow", 0xf0e442}, {"blue", 0x0072b2},   {"vermilion", 0xd55e00}, {"purple", 0xcc79a7},
    {"grey", 0x808080},   {"red", 0xd62728},
};

static bool read_colour(const char *text, size_t size, uint32_t *out)
{
    if (size == 7 && text[0] == '#' && strspn(text + 1, "0123456789abcdefABCDEF") >= 6) {
        *out = (uint32_t)strtoul(text + 1, NULL, 16);
        return true;
    }
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
        if (strlen(colours[i].name) == size && strncmp(colours[i].name, text, size) == 0) {
            *out = colours[i].rgb;
            return true;
        }
    }
    return false;
}

static pl_status read_COLOURS(const pl_option_row *row, const char *value, void *option,
                              pl_error *err)
{
    static const char *const palettes[] = {"viridis", "cividis"};
    pl_option_COLOURS *o = option;
    for (const char *c = value; o->n < PL_FIGURE_SERIES; c++) {
        size_t size = strcspn(c, ",");
        bool known = false;
        for (size_t i = 0; i < sizeof palettes / sizeof *palettes; i++) {
            if (strlen(palettes[i]) == size && strncmp(palettes[i], c, size) == 0) {
                o->has_palette = known = true;
                o->palette = (pl_colormap)i;
            }
        }
        if (!known && read_colour(c, size, &o->rgb[o->n])) {
            o->n++;
            known = true;
        }
        if (!known) {
            char shown[40];
            snprintf(shown, sizeof shown, "%.*s", (int)size, c);
            pl_text_trim_utf8(shown);
            return pl_error_set(err, PL_ERR_USAGE,
                                "%s=: \"%s\" is no colour, expected #RRGGBB, black, orange, "
                                "skyblue, green, yellow, blue, vermilion, purple, grey, red, or "
                                "viridis or cividis",
                                row->name, shown);
        }
        c += size;
        if (*c == '\0') {
            break;
        }
    }
    return PL_OK;
}

/* --- the table -------------------------------------------------------------------------------- */

typedef pl_status (*read_fn)(const pl_option_row *row, const char *value, void *option,
                             pl_error *err);

static const struct {
    pl_option_row row;
    read_fn read;
    size_t at, size; /* in pl_figure_options */
} table[] = {
#define OPTION_ROW(name, kind, whole, initial, choices, help)                                      \
    {{#name, choices, whole},                                                                      \
     read_##kind,                                                                                  \
     offsetof(pl_figure_options, name),                                                            \
     sizeof(pl_option_##kind)},
    PL_FIGURE_OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

enum { ROWS = sizeof table / sizeof *table };

const pl_option_row *pl_figure_option(size_t index)
{
    return index < ROWS ? &table[index].row : NULL;
}

pl_status pl_figure_option_read(pl_figure_options *options, size_t index, const char *value,
                                pl_error *err)
{
    char *option = (char *)options + table[index].at;
    memset(option, 0, table[index].size);
    pl_status status = table[index].read(&table[index].row, value, option, err);
    if (status == PL_OK) {
        *(bool *)option = true; /* each kind's first member */
    } else {
        memset(option, 0, table[index].size);
    }
    return status;
}

void pl_figure_options_inherit(pl_figure_options *panel, const pl_figure_options *page)
{
    for (size_t i = 0; i < ROWS; i++) {
        char *to = (char *)panel + table[i].at;
        if (!*(bool *)to && table[i].at != offsetof(pl_figure_options, title)) {
            memcpy(to, (const char *)page + table[i].at, table[i].size);
            panel->inherited |= *(bool *)to ? 1u << i : 0;
        }
    }
}

/* --- applying --------------------------------------------------------------------------------- */

/* Whether an option was set for this very figure. */
static bool is_own_option(const pl_figure_options *options, const void *option)
{
    const size_t at = (size_t)((const char *)option - (const char *)options);
    bool own = false;
    for (size_t i = 0; i < ROWS; i++) {
        own = own || (table[i].at == at && (options->inherited & 1u << i) == 0);
    }
    return own && *(const bool *)option;
}

static pl_status set_text(const pl_option_TEXT *text, char **slot, pl_error *err)
{
    return text->given ? pl_figure_text(slot, text->text, err) : PL_OK;
}

static pl_status set_limits(const pl_option_RANGE *range, const char *name, pl_axis *axis,
                            pl_error *err)
{
    if (!range->given) {
        return PL_OK;
    }
    double lo = range->has_lo ? range->lo : axis->lo;
    double hi = range->has_hi ? range->hi : axis->hi;
    if (axis->log && lo <= 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s=: the axis is logarithmic, expected limits above 0", name);
    }
    if (!(lo < hi)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s=: from %g to %g, expected a rising range (the data's own is %g to "
                            "%g)",
                            name, lo, hi, axis->lo, axis->hi);
    }
    if (lo > axis->hi || hi < axis->lo) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s=: from %g to %g there is nothing: the data's own range is %g to %g",
                            name, lo, hi, axis->lo, axis->hi);
    }
    axis->lo = lo;
    axis->hi = hi;
    axis->cropped = true;
    return PL_OK;
}

static bool is_option_key(const char *key, size_t size, const char *word)
{
    return strlen(word) == size && strncmp(key, word, size) == 0;
}

/* The series that a key of names= means: its number, its tone's word, or its own name. */
static pl_series *find_series(pl_figure *figure, const char *key, size_t size)
{
    static const char *const tones[] = {"before", "preconditioned", "after", "input"};
    char *end = NULL;
    const unsigned long number = strtoul(key, &end, 10);
    size_t named = 0;
    for (size_t i = 0; end == key + size && i < figure->n_series; i++) {
        named += pl_series_is_named(&figure->series[i]) ? 1 : 0;
        if (named == number && pl_series_is_named(&figure->series[i])) {
            return &figure->series[i];
        }
    }
    for (size_t t = 0; t < sizeof tones / sizeof *tones; t++) {
        for (size_t i = 0; i < figure->n_series; i++) {
            if (figure->series[i].tone == (pl_tone)t && pl_series_is_named(&figure->series[i]) &&
                is_option_key(key, size, tones[t])) {
                return &figure->series[i];
            }
        }
    }
    for (size_t i = 0; i < figure->n_series; i++) {
        if (is_option_key(key, size, figure->series[i].label)) {
            return &figure->series[i];
        }
    }
    /* What the methods have made, whichever of them it is. */
    for (size_t i = 0; i < figure->n_series; i++) {
        if (figure->series[i].tone == PL_TONE_PRECONDITIONED &&
            pl_series_is_named(&figure->series[i]) && is_option_key(key, size, "after")) {
            return &figure->series[i];
        }
    }
    return NULL;
}

static pl_status no_series(const pl_figure *figure, const char *key, size_t size, pl_error *err)
{
    pl_buf known = {0};
    size_t named = 0;
    for (size_t i = 0; i < figure->n_series; i++) {
        if (pl_series_is_named(&figure->series[i])) {
            pl_buf_printf(&known, "%s%zu (%s)", named > 0 ? ", " : "", named + 1,
                          figure->series[i].label);
            named++;
        }
    }
    pl_status status =
        pl_error_set(err, PL_ERR_USAGE, "names=: no series is \"%.*s\"; the figure has %s",
                     (int)size, key, known.size > 0 && !known.failed ? known.data : "none");
    pl_buf_deinit(&known);
    return status;
}

static pl_status set_name(pl_figure *figure, bool own, const char *key, size_t size,
                          const char *name, pl_error *err)
{
    pl_series *series = find_series(figure, key, size);
    if (series == NULL) {
        return own ? no_series(figure, key, size, err) : PL_OK;
    }
    pl_buf text = {0};
    pl_status status = pl_label_read(name, &text, err);
    if (status == PL_OK) {
        status = pl_figure_text(&series->label, text.data, err);
    } else {
        pl_error_prefix(err, "names=: ");
    }
    pl_buf_deinit(&text);
    return status;
}

/* "before=W,after=Astro\, \beta = 1": pairs between commas without a `\`; a piece without `=` goes
 * on in the name before it. */
static pl_status set_names(const pl_option_NAMES *names, bool own, pl_figure *figure, pl_error *err)
{
    char copy[PL_OPTION_NAMES];
    snprintf(copy, sizeof copy, "%s", names->text);
    pl_status status = PL_OK;
    for (char *key = copy; names->given && key != NULL && status == PL_OK;) {
        char *equals = strchr(key, '=');
        char *to = equals + 1, *next = NULL;
        for (const char *from = equals + 1; *from != '\0'; from++) {
            if (from[0] == '\\' && from[1] == ',') {
                *to++ = *++from;
            } else if (*from == ',' && strchr(from, '=') != NULL) {
                next = copy + (from + 1 - copy);
                break;
            } else {
                *to++ = *from;
            }
        }
        *to = '\0';
        status = set_name(figure, own, key, (size_t)(equals - key), equals + 1, err);
        key = next;
    }
    return status;
}

static void drop_guides(pl_figure *figure)
{
    size_t kept = 0;
    for (size_t i = 0; i < figure->n_rules; i++) {
        if (figure->rules[i].guide) {
            free(figure->rules[i].label);
        } else {
            figure->rules[kept++] = figure->rules[i];
        }
    }
    figure->n_rules = kept;
}

static void set_series_colours(const pl_option_COLOURS *set, pl_figure *figure)
{
    size_t named = 0;
    for (size_t i = 0; i < figure->n_series && set->n > 0; i++) {
        figure->series[i].coloured = true;
        figure->series[i].rgb = set->rgb[named % set->n];
        named += pl_series_is_named(&figure->series[i]) ? 1 : 0;
    }
}

pl_status pl_figure_options_apply(const pl_figure_options *options, pl_figure *figure,
                                  pl_error *err)
{
    const bool axes = is_own_option(options, &options->xlim) ||
                      is_own_option(options, &options->ylim) ||
                      is_own_option(options, &options->names);
    if (axes && figure->table != NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "a table has no axes and no legend: xlim=, ylim= "
                            "and names= mean nothing in it");
    }
    if (options->guides.index == 0) {
        drop_guides(figure);
    }
    pl_status status = set_text(&options->title, &figure->title, err);
    PL_THEN(set_text(&options->xlabel, &figure->x.label, err));
    PL_THEN(set_text(&options->ylabel, &figure->y.label, err));
    if (figure->table != NULL) {
        return status;
    }
    PL_THEN(set_limits(&options->xlim, "xlim", &figure->x, err));
    PL_THEN(set_limits(&options->ylim, "ylim", &figure->y, err));
    PL_THEN(set_names(&options->names, is_own_option(options, &options->names), figure, err));
    if (status == PL_OK) {
        set_series_colours(&options->colors, figure);
    }
    return status;
}
