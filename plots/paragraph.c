#include "plots/paragraph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What plots/fonts.c draws of a line; no line on paper is nearly as long. */
enum { LINE_TEXT = 1024, LONGEST_LINE = 400 };

static void copy_line(const char *text, size_t length, char out[LINE_TEXT])
{
    snprintf(out, LINE_TEXT, "%.*s", (int)length, text);
}

static double width_of(pl_fonts *fonts, const char *text, size_t length, const pl_setting *setting)
{
    char line[LINE_TEXT];
    copy_line(text, length, line);
    return (setting->bold ? pl_fonts_measure_bold(fonts, line, setting->size)
                          : pl_fonts_measure(fonts, line, setting->size, 0))
        .width;
}

static bool fits_line(pl_fonts *fonts, const char *text, size_t length, const pl_setting *setting,
                      double room)
{
    return length <= LONGEST_LINE && width_of(fonts, text, length, setting) <= room;
}

/* Bytes of a letter, at least 1. */
static size_t letter_at(const char *text)
{
    const size_t size = pl_text_utf8_length(text, text + strlen(text));
    return size > 0 ? size : 1;
}

/* As much of a word that is wider than a line as there is room for, at least a letter. */
static size_t part_of_word(pl_fonts *fonts, const char *word, size_t size,
                           const pl_setting *setting, double room)
{
    size_t any = letter_at(word), good = 0;
    for (size_t at = any; at <= size && (at == any || fits_line(fonts, word, at, setting, room));) {
        any = at;
        good = at < size && strchr("_.-/=,", word[at - 1]) != NULL ? at : good;
        at += at < size ? letter_at(word + at) : 1;
    }
    return good > 0 ? good : any;
}

static pl_status add_line(pl_paragraph *paragraph, size_t first, size_t length, pl_error *err)
{
    if (paragraph->n == paragraph->capacity) {
        const size_t capacity = 2 * paragraph->capacity + 4;
        pl_line *grown = realloc(paragraph->lines, capacity * sizeof *grown);
        if (grown == NULL) {
            return pl_error_memory(err, "a paragraph");
        }
        paragraph->lines = grown;
        paragraph->capacity = capacity;
    }
    paragraph->lines[paragraph->n++] = (pl_line){first, length};
    return PL_OK;
}

pl_status pl_paragraph_break(pl_fonts *fonts, const char *text, const pl_setting *setting,
                             pl_paragraph *out, pl_error *err)
{
    *out = (pl_paragraph){0};
    pl_status status = PL_OK;
    size_t at = strspn(text, " ");
    while (status == PL_OK && (text[at] != '\0' || out->n == 0)) {
        const double room = setting->room - (out->n == 0 ? setting->first : setting->others);
        const char *line = text + at;
        size_t length = 0;
        for (;;) { /* a word more */
            const size_t blanks = strspn(line + length, " ");
            const size_t next = length + blanks + strcspn(line + length + blanks, " ");
            if (next == length || line[length + blanks] == '\0' ||
                !fits_line(fonts, line, next, setting, room)) {
                break;
            }
            length = next;
        }
        if (length == 0 && line[0] != '\0') {
            length = part_of_word(fonts, line, strcspn(line, " "), setting, room);
        }
        status = add_line(out, at, length, err);
        at += length;
        at += strspn(text + at, " ");
    }
    if (status != PL_OK) {
        pl_paragraph_deinit(out);
    }
    return status;
}

void pl_paragraph_deinit(pl_paragraph *paragraph)
{
    free(paragraph->lines);
    *paragraph = (pl_paragraph){0};
}

void pl_paragraph_draw_line(pl_fonts *fonts, cairo_t *cr, const char *text,
                            const pl_paragraph *paragraph, size_t line, const pl_setting *setting,
                            double x, double y)
{
    char shown[LINE_TEXT];
    copy_line(text + paragraph->lines[line].first, paragraph->lines[line].length, shown);
    if (setting->bold) {
        pl_fonts_draw_bold(fonts, cr, shown, setting->size, x, y);
    } else {
        pl_fonts_draw(fonts, cr, shown, setting->size, 0, x, y);
    }
}

double pl_paragraph_line_width(pl_fonts *fonts, const char *text, const pl_paragraph *paragraph,
                               size_t line, const pl_setting *setting)
{
    const pl_line *l = &paragraph->lines[line];
    return width_of(fonts, text + l->first, l->length, setting);
}
