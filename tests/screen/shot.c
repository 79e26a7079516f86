#include "tests/screen/shot.h"

#include "core/base/text.h"
#include "tests/support/check.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- cells ------------------------------------------------------------------------------------ */

typedef struct cell {
    uint32_t code, look; /* code ' ' for a blank, UINT32_MAX for a right half */
} cell;

static uint32_t pack(pl_pty_cell c)
{
    return (uint32_t)(c.fg + 1) | (uint32_t)(c.bg + 1) << 9 | (uint32_t)c.bold << 18 |
           (uint32_t)c.underline << 19 | (uint32_t)c.reverse << 20;
}

/* --- masks ------------------------------------------------------------------------------------ */

static bool is_digit(cell c)
{
    return c.code >= '0' && c.code <= '9';
}

static bool is_word(cell c)
{
    return is_digit(c) || (c.code >= 'a' && c.code <= 'z') || (c.code >= 'A' && c.code <= 'Z') ||
           c.code == '.' || c.code == '_';
}

/* Length of "12.3 s", "98 ms" at i, 0 if there is none. */
static int duration_at(const cell *row, int cols, int i)
{
    int at = i;
    while (at < cols && (is_digit(row[at]) || row[at].code == '.')) {
        at++;
    }
    if (at == i || !is_digit(row[i]) || at + 1 >= cols || row[at].code != ' ') {
        return 0;
    }
    at++;
    at += row[at].code == 'm' && at + 1 < cols;
    return row[at].code == 's' && (at + 1 == cols || !is_word(row[at + 1])) ? at + 1 - i : 0;
}

/* It takes all the place between what stands before and behind it, whatever its length and on
 * whichever side its column is aligned. */
static void mask_duration(cell *row, int cols, int i, int length)
{
    int from = i;
    int to = i + length;
    while (from > 0 && row[from - 1].code == ' ') {
        from--;
    }
    while (to < cols && row[to].code == ' ') {
        to++;
    }
    uint32_t look = row[i].look;
    for (int x = from; x < to; x++) {
        row[x] = (cell){' ', look};
    }
    int at = from < i ? from + 1 : from;
    row[at].code = '#';
    row[at + 1].code = 's';
}

/* "21:04:59" */
static void mask_clock(cell *row, int cols, int i)
{
    for (int k = 0; k < 8; k++) {
        bool colon = k % 3 == 2;
        if (i + k >= cols || (colon ? row[i + k].code != ':' : !is_digit(row[i + k]))) {
            return;
        }
    }
    for (int k = 0; k < 8; k++) {
        row[i + k].code = k % 3 == 2 ? ':' : '0';
    }
}

/* A number of five digits and more: all behind the third. */
static void mask_digits(cell *row, int cols, int i)
{
    int digits = 0;
    bool leading = true;
    int end = i;
    while (end < cols && (is_digit(row[end]) || row[end].code == '.')) {
        leading = leading && (row[end].code == '0' || row[end].code == '.');
        digits += !leading && is_digit(row[end]);
        end++;
    }
    bool fraction = false;
    leading = true;
    for (int x = i, seen = 0; digits >= 5 && x < end; x++) {
        fraction = fraction || row[x].code == '.';
        leading = leading && (row[x].code == '0' || row[x].code == '.');
        seen += !leading && is_digit(row[x]);
        if (seen > 3 && fraction && is_digit(row[x])) {
            row[x].code = '#';
        }
    }
}

static void mask_row(cell *row, int cols)
{
    for (int i = 0; i < cols; i++) {
        if (i > 0 && is_word(row[i - 1])) {
            continue;
        }
        mask_clock(row, cols, i);
        mask_digits(row, cols, i);
        int length = duration_at(row, cols, i);
        if (length > 0) {
            mask_duration(row, cols, i, length);
        }
    }
}

/* --- a shot ----------------------------------------------------------------------------------- */

enum { MAX_LOOKS = 80 };

typedef struct legend {
    uint32_t looks[MAX_LOOKS];
    int count;
} legend;

/* Printable, no digit. */
static char letter_of(legend *all, uint32_t look)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&()*+,-./:;<=>?@[]^_{|}~";
    int i = 0;
    while (i < all->count && all->looks[i] != look) {
        i++;
    }
    assert_true(i < MAX_LOOKS);
    all->looks[i] = look;
    all->count = i < all->count ? all->count : i + 1;
    return letters[i];
}

static char *text_of_row(const cell *row, int cols)
{
    pl_buf out = {0};
    pl_buf_append(&out, "", 0);
    for (int x = 0; x < cols; x++) {
        if (row[x].code != UINT32_MAX) {
            char bytes[4];
            char *end = bytes;
            pl_pty_utf8(&end, row[x].code);
            pl_buf_append(&out, bytes, (size_t)(end - bytes));
        }
    }
    assert_false(out.failed);
    while (out.size > 0 && out.data[out.size - 1] == ' ') {
        out.data[--out.size] = '\0';
    }
    return out.data;
}

static char *looks_of_row(legend *all, const cell *row, int cols)
{
    pl_buf out = {0};
    pl_buf_append(&out, "", 0);
    for (int x = 0; x < cols;) {
        int end = x;
        while (end < cols && row[end].look == row[x].look) {
            end++;
        }
        pl_buf_printf(&out, "%d%c", end - x, letter_of(all, row[x].look));
        x = end;
    }
    assert_false(out.failed);
    return out.data;
}

static char *legend_text(const legend *all)
{
    legend copy = {0};
    pl_buf out = {0};
    pl_buf_append(&out, "", 0);
    for (int i = 0; i < all->count; i++) {
        uint32_t look = all->looks[i];
        pl_buf_printf(&out, "%s%c %d/%d%s%s%s", i > 0 ? " " : "", letter_of(&copy, look),
                      (int)(look & 511) - 1, (int)(look >> 9 & 511) - 1,
                      (look >> 18 & 1) != 0 ? "+bold" : "", (look >> 19 & 1) != 0 ? "+line" : "",
                      (look >> 20 & 1) != 0 ? "+reverse" : "");
    }
    assert_false(out.failed);
    return out.data;
}

pl_shot pl_shot_take(pl_pty *pty)
{
    int rows = pl_pty_rows(pty);
    int cols = pl_pty_cols(pty);
    legend all = {0};
    cell *row = malloc((size_t)cols * sizeof *row);
    pl_shot shot = {.rows = rows,
                    .text = calloc((size_t)rows, sizeof *shot.text),
                    .looks = calloc((size_t)rows, sizeof *shot.looks)};
    assert_true(row != NULL && shot.text != NULL && shot.looks != NULL);
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < cols; x++) {
            pl_pty_cell at = pl_pty_cell_at(pty, y, x);
            row[x] = (cell){at.code != 0 ? at.code : ' ', pack(at)};
        }
        mask_row(row, cols);
        shot.text[y] = text_of_row(row, cols);
        shot.looks[y] = looks_of_row(&all, row, cols);
    }
    free(row);
    shot.legend = legend_text(&all);
    return shot;
}

void pl_shot_deinit(pl_shot *shot)
{
    for (int y = 0; y < shot->rows; y++) {
        free(shot->text[y]);
        free(shot->looks[y]);
    }
    free(shot->text);
    free(shot->looks);
    free(shot->legend);
    *shot = (pl_shot){0};
}

/* --- files ------------------------------------------------------------------------------------ */

/* A block is its heading ("text 8 as 256", "looks none: a -1/-1") and its lines. */
enum { MAX_BLOCKS = 12 };

typedef struct block {
    char *head;
    char **lines;
    int count;
} block;

struct pl_stored {
    char *whole;
    int rows;
    block blocks[MAX_BLOCKS];
    int count;
};

static const char *stored_folder(void)
{
    static char path[1024];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/screen/stored", root != NULL ? root : ".");
    return path;
}

static const char *stored_path(const char *scene, int rows, int cols)
{
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s-%dx%d.txt", stored_folder(), scene, cols, rows);
    return path;
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    pl_buf out = {0};
    char piece[8192];
    for (size_t n = 0; (n = fread(piece, 1, sizeof piece, file)) > 0;) {
        pl_buf_append(&out, piece, n);
    }
    pl_buf_append(&out, "", 0);
    fclose(file);
    assert_false(out.failed);
    return out.data;
}

/* Lines of a block start with '|', so that a heading is one that does not. */
pl_stored *pl_stored_read(const char *scene, int rows, int cols)
{
    char *whole = read_whole(stored_path(scene, rows, cols));
    if (whole == NULL) {
        return NULL;
    }
    pl_stored *stored = calloc(1, sizeof *stored);
    assert_non_null(stored);
    stored->whole = whole;
    stored->rows = rows;
    char *rest = whole;
    for (char *line = NULL; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] == '|') {
            assert_true(stored->count > 0);
            block *last = &stored->blocks[stored->count - 1];
            assert_true(last->count < rows);
            last->lines[last->count++] = line + 1;
        } else if (line[0] != '\0') {
            assert_true(stored->count < MAX_BLOCKS);
            block *next = &stored->blocks[stored->count++];
            next->head = line;
            next->lines = calloc((size_t)rows, sizeof *next->lines);
            assert_non_null(next->lines);
        }
    }
    return stored;
}

void pl_stored_free(pl_stored *stored)
{
    if (stored != NULL) {
        for (int i = 0; i < stored->count; i++) {
            free(stored->blocks[i].lines);
        }
        free(stored->whole);
        free(stored);
    }
}

/* The block "KIND MODE..."; for a text that is another mode's, that one's. */
static const block *find_block(const pl_stored *stored, const char *kind, const char *mode)
{
    char head[32];
    snprintf(head, sizeof head, "%s %s", kind, mode);
    size_t length = strlen(head);
    for (int i = 0; i < stored->count; i++) {
        const char *here = stored->blocks[i].head;
        if (strncmp(here, head, length) != 0 || (here[length] != '\0' && here[length] != ' ')) {
            continue;
        }
        bool other = strncmp(here + length, " as ", 4) == 0;
        return other ? find_block(stored, kind, here + length + 4) : &stored->blocks[i];
    }
    return NULL;
}

static bool has_row(const block *b, int y, const char *text)
{
    return b != NULL && y < b->count && strcmp(b->lines[y], text) == 0;
}

static bool is_legend(const block *b, const char *text)
{
    const char *colon = b != NULL ? strstr(b->head, " : ") : NULL;
    return colon != NULL && strcmp(colon + 3, text) == 0;
}

bool pl_stored_is(const pl_stored *stored, const char *mode, const pl_shot *shot)
{
    const block *text = stored != NULL ? find_block(stored, "text", mode) : NULL;
    const block *looks = stored != NULL ? find_block(stored, "looks", mode) : NULL;
    bool same = is_legend(looks, shot->legend);
    for (int y = 0; same && y < shot->rows; y++) {
        same = has_row(text, y, shot->text[y]) && has_row(looks, y, shot->looks[y]);
    }
    return same;
}

static void explain_rows(const block *b, const char *kind, char *const *found, int rows)
{
    for (int y = 0; y < rows; y++) {
        if (!has_row(b, y, found[y])) {
            fprintf(stderr, "row %d, %s\n  expected |%s\n  found    |%s\n", y, kind,
                    b != NULL && y < b->count ? b->lines[y] : "(nothing stored)", found[y]);
        }
    }
}

void pl_stored_explain(const pl_stored *stored, const char *scene, const char *mode,
                       const pl_shot *shot)
{
    fprintf(stderr, "scene %s, %d rows, mode %s is not the stored one\n", scene, shot->rows, mode);
    if (stored == NULL) {
        fprintf(stderr, "none is stored; tests/screen/store makes it\n");
        return;
    }
    const block *looks = find_block(stored, "looks", mode);
    explain_rows(find_block(stored, "text", mode), "text", shot->text, shot->rows);
    if (!is_legend(looks, shot->legend)) {
        fprintf(stderr, "looks\n  expected %s\n  found    %s\n",
                looks != NULL ? looks->head : "(nothing stored)", shot->legend);
    }
    explain_rows(looks, "looks", shot->looks, shot->rows);
}

static void put_block(FILE *file, const char *head, char *const *lines, int count)
{
    fprintf(file, "%s\n", head);
    for (int y = 0; y < count; y++) {
        fprintf(file, "|%s\n", lines[y]);
    }
}

static bool is_of_mode(const char *head, const char *mode)
{
    const char *space = strchr(head, ' ');
    size_t length = strlen(mode);
    return space != NULL && strncmp(space + 1, mode, length) == 0 &&
           (space[length + 1] == '\0' || space[length + 1] == ' ');
}

static bool same_text(const block *b, const pl_shot *shot)
{
    bool same = b != NULL;
    for (int y = 0; same && y < shot->rows; y++) {
        same = has_row(b, y, shot->text[y]);
    }
    return same;
}

void pl_stored_write(const char *scene, int rows, int cols, const char *mode, const pl_shot *shot)
{
    pl_stored *old = pl_stored_read(scene, rows, cols);
    FILE *file = fopen(stored_path(scene, rows, cols), "wb");
    assert_non_null(file);
    for (int i = 0; old != NULL && i < old->count; i++) {
        const block *b = &old->blocks[i];
        if (!is_of_mode(b->head, mode)) {
            put_block(file, b->head, b->lines, b->count);
        }
    }
    pl_buf head = {0};
    if (strcmp(mode, "256") != 0 && old != NULL &&
        same_text(find_block(old, "text", "256"), shot)) {
        fprintf(file, "text %s as 256\n", mode);
    } else {
        pl_buf_printf(&head, "text %s", mode);
        put_block(file, head.data, shot->text, shot->rows);
    }
    head.size = 0;
    pl_buf_printf(&head, "looks %s : %s", mode, shot->legend);
    assert_false(head.failed);
    put_block(file, head.data, shot->looks, shot->rows);
    pl_buf_deinit(&head);
    assert_int_equal(fclose(file), 0);
    pl_stored_free(old);
}

void pl_stored_clear(void)
{
    DIR *folder = opendir(stored_folder());
    char path[1400];
    for (struct dirent *e = NULL; folder != NULL && (e = readdir(folder)) != NULL;) {
        size_t length = strlen(e->d_name);
        if (length > 4 && strcmp(e->d_name + length - 4, ".txt") == 0) {
            snprintf(path, sizeof path, "%s/%s", stored_folder(), e->d_name);
            unlink(path);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}
