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

/* A letter for each look, the same in all scenes: a screen that changes changes no other. */
enum { MAX_LOOKS = 80 };
static const char letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!\"#$%&'()*+,-./:;<=>?@";

static struct {
    uint32_t looks[MAX_LOOKS];
    int count, stored; /* the stored ones come first */
    bool read;
} legend;

static const char *stored_folder(void)
{
    static char path[1024];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/screen/stored", root != NULL ? root : ".");
    return path;
}

static const char *legend_path(void)
{
    static char path[1100];
    snprintf(path, sizeof path, "%s/looks", stored_folder());
    return path;
}

static void read_legend(void)
{
    char line[80];
    FILE *file = fopen(legend_path(), "r");
    legend.read = true;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        pl_pty_cell look = {0};
        int fg = 0, bg = 0;
        expect_less(legend.count, MAX_LOOKS);
        assert_int_equal(line[0], letters[legend.count]);
        assert_int_equal(sscanf(line + 1, "%d/%d", &fg, &bg), 2);
        look.fg = (short)fg;
        look.bg = (short)bg;
        look.bold = strstr(line, "+bold") != NULL;
        look.underline = strstr(line, "+line") != NULL;
        look.reverse = strstr(line, "+reverse") != NULL;
        legend.looks[legend.count++] = pack(look);
    }
    legend.stored = legend.count;
    if (file != NULL) {
        fclose(file);
    }
}

/* ' ' for what looks as the terminal does by itself. */
static char letter_of(cell c)
{
    static const uint32_t seen_on_blanks = (uint32_t)511 << 9 | 1u << 19 | 1u << 20;
    if (c.look == 0 || (c.code == ' ' && (c.look & seen_on_blanks) == 0)) {
        return ' ';
    }
    if (!legend.read) {
        read_legend();
    }
    int i = 0;
    while (i < legend.count && legend.looks[i] != c.look) {
        i++;
    }
    expect_less(i, MAX_LOOKS);
    legend.looks[i] = c.look;
    legend.count = i < legend.count ? legend.count : i + 1;
    return letters[i];
}

static void print_legend(FILE *file, int from)
{
    for (int i = from; i < legend.count; i++) {
        uint32_t look = legend.looks[i];
        fprintf(file, "%c %d/%d%s%s%s\n", letters[i], (int)(look & 511) - 1,
                (int)(look >> 9 & 511) - 1, (look >> 18 & 1) != 0 ? "+bold" : "",
                (look >> 19 & 1) != 0 ? "+line" : "", (look >> 20 & 1) != 0 ? "+reverse" : "");
    }
}

static char *trimmed(pl_buf *out)
{
    assert_false(out->failed);
    while (out->size > 0 && out->data[out->size - 1] == ' ') {
        out->data[--out->size] = '\0';
    }
    return out->data;
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
    return trimmed(&out);
}

static char *looks_of_row(const cell *row, int cols)
{
    pl_buf out = {0};
    pl_buf_append(&out, "", 0);
    for (int x = 0; x < cols; x++) {
        char letter = letter_of(row[x]);
        pl_buf_append(&out, &letter, 1);
    }
    return trimmed(&out);
}

pl_shot pl_shot_take(pl_pty *pty)
{
    int rows = pl_pty_rows(pty);
    int cols = pl_pty_cols(pty);
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
        shot.looks[y] = looks_of_row(row, cols);
    }
    free(row);
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
    *shot = (pl_shot){0};
}

/* --- files ------------------------------------------------------------------------------------ */

/* A block is its heading ("text 8 as 256", "looks none") and its lines. */
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
            expect_less(0, stored->count);
            block *last = &stored->blocks[stored->count - 1];
            expect_less(last->count, rows);
            last->lines[last->count++] = line + 1;
        } else if (line[0] != '\0') {
            expect_less(stored->count, MAX_BLOCKS);
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

/* The block "KIND MODE..."; for one that is as another mode's, that one's. */
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

static bool has_rows(const block *b, char *const *rows, int count)
{
    bool same = b != NULL;
    for (int y = 0; same && y < count; y++) {
        same = has_row(b, y, rows[y]);
    }
    return same;
}

bool pl_stored_is(const pl_stored *stored, const char *mode, const pl_shot *shot)
{
    return stored != NULL && has_rows(find_block(stored, "text", mode), shot->text, shot->rows) &&
           (shot->rows != PL_LOOKS_ROWS ||
            has_rows(find_block(stored, "looks", mode), shot->looks, shot->rows));
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
    explain_rows(find_block(stored, "text", mode), "text", shot->text, shot->rows);
    if (shot->rows == PL_LOOKS_ROWS) {
        explain_rows(find_block(stored, "looks", mode), "looks", shot->looks, shot->rows);
        print_legend(stderr, legend.stored); /* the letters that no stored screen has */
    }
}

static void put_block(FILE *file, const block *b)
{
    fprintf(file, "%s\n", b->head);
    for (int y = 0; y < b->count; y++) {
        fprintf(file, "|%s\n", b->lines[y]);
    }
}

static bool is_of_mode(const char *head, const char *mode)
{
    const char *space = strchr(head, ' ');
    size_t length = strlen(mode);
    return space != NULL && strncmp(space + 1, mode, length) == 0 &&
           (space[length + 1] == '\0' || space[length + 1] == ' ');
}

/* One line where it is as with 256 colours. */
static void put_rows(FILE *file, const pl_stored *old, const char *kind, const char *mode,
                     char *const *rows, int count)
{
    bool same = strcmp(mode, "256") != 0 && old != NULL &&
                has_rows(find_block(old, kind, "256"), rows, count);
    fprintf(file, "%s %s%s\n", kind, mode, same ? " as 256" : "");
    for (int y = 0; !same && y < count; y++) {
        fprintf(file, "|%s\n", rows[y]);
    }
}

void pl_stored_write(const char *scene, int rows, int cols, const char *mode, const pl_shot *shot)
{
    pl_stored *old = pl_stored_read(scene, rows, cols);
    FILE *file = fopen(stored_path(scene, rows, cols), "wb");
    assert_non_null(file);
    for (int i = 0; old != NULL && i < old->count; i++) {
        if (!is_of_mode(old->blocks[i].head, mode)) {
            put_block(file, &old->blocks[i]);
        }
    }
    put_rows(file, old, "text", mode, shot->text, shot->rows);
    if (shot->rows == PL_LOOKS_ROWS) {
        put_rows(file, old, "looks", mode, shot->looks, shot->rows);
    }
    assert_int_equal(fclose(file), 0);
    pl_stored_free(old);
    file = fopen(legend_path(), "wb");
    assert_non_null(file);
    print_legend(file, 0);
    assert_int_equal(fclose(file), 0);
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
