#include "app/workbench/prompt.h"

#include "app/workbench/line.h"
#include "core/base/file.h"
#include "views/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 64 };

struct pl_prompt {
    const pl_state *state;
    bool open;
    char *entered;
    char bytes[BYTES]; /* waiting for the line */
    int n_bytes, next_byte;
    pl_buf candidates;
};

/* The line's hooks carry no argument. */
static pl_prompt *the_prompt;

static int next_byte(void)
{
    pl_prompt *p = the_prompt;
    return p->next_byte < p->n_bytes ? (unsigned char)p->bytes[p->next_byte++] : EOF;
}

static bool bytes_wait(void)
{
    return the_prompt->next_byte < the_prompt->n_bytes;
}

static void on_line(char *line)
{
    the_prompt->open = false;
    the_prompt->entered = line;
}

/* Length of the common beginning of all candidates. */
static size_t common_length(char *const *list)
{
    size_t length = strlen(list[0]);
    for (size_t i = 1; list[i] != NULL; i++) {
        size_t same = 0;
        while (same < length && list[i][same] == list[0][same]) {
            same++;
        }
        length = same;
    }
    return length;
}

/* What tells a candidate from the others: no folders before it, and no key. */
static const char *word_of_candidate(const char *candidate)
{
    const char *word = strchr(candidate, '=');
    word = word != NULL && word[1] != '\0' ? word + 1 : candidate;
    for (const char *s = word; *s != '\0'; s++) {
        word = *s == '/' && s[1] != '\0' ? s + 1 : word;
    }
    return word;
}

static void replace_word(size_t start, const char *text, size_t length, bool whole)
{
    pl_buf word = {0};
    char last = length > 0 ? text[length - 1] : ' ';
    pl_buf_append(&word, text, length);
    pl_buf_puts(&word, whole && last != '=' && last != '/' ? " " : "");
    if (!word.failed) {
        pl_line_replace(start, pl_line_cursor(), word.data, start + word.size);
    }
    pl_buf_deinit(&word);
}

static void complete_line(void)
{
    pl_prompt *p = the_prompt;
    const size_t cursor = pl_line_cursor();
    char *line = strndup(pl_line_text(), cursor);
    char **list = line != NULL ? pl_complete(p->state, line) : NULL;
    const size_t start = line != NULL ? pl_complete_word(line) : cursor;
    pl_buf_deinit(&p->candidates);
    if (list == NULL || list[0] == NULL) {
        pl_buf_puts(&p->candidates, "no completion");
    } else if (list[1] == NULL) {
        replace_word(start, list[0], strlen(list[0]), true);
    } else {
        size_t common = common_length(list);
        if (common > cursor - start) {
            replace_word(start, list[0], common, false);
        }
        for (size_t i = 0; list[i] != NULL; i++) {
            char safe[256];
            const char *word = word_of_candidate(list[i]);
            pl_text_escape(word, strlen(word), safe, sizeof safe);
            pl_buf_printf(&p->candidates, "%s%s", i > 0 ? "  " : "", safe);
        }
    }
    pl_completions_free(list);
    free(line);
}

/* Makes the history's file and its folder; false where that cannot be. */
static bool make_history(const char *path)
{
    char *folder = strdup(path);
    char *slash = folder != NULL ? strrchr(folder, '/') : NULL;
    if (slash != NULL && slash != folder) {
        *slash = '\0';
        pl_status made = pl_file_make_private_dirs(folder, NULL);
        (void)made; /* the open below tells */
    }
    free(folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

pl_status pl_prompt_create(const char *history, const pl_state *state, pl_prompt **out,
                           pl_error *err)
{
    static const pl_line_hooks hooks = {next_byte, bytes_wait, complete_line, on_line};
    *out = NULL;
    pl_prompt *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "the prompt");
    }
    p->state = state;
    const bool kept = history != NULL && make_history(history);
    pl_status status = pl_line_start(&hooks, kept ? history : NULL, err);
    if (status != PL_OK) {
        free(p);
        return status;
    }
    the_prompt = p;
    *out = p;
    return PL_OK;
}

void pl_prompt_destroy(pl_prompt *p)
{
    if (p == NULL) {
        return;
    }
    pl_prompt_close(p);
    pl_line_stop();
    pl_buf_deinit(&p->candidates);
    free(p->entered);
    free(p);
    the_prompt = NULL;
}

bool pl_prompt_is_open(const pl_prompt *p)
{
    return p->open;
}

const char *pl_prompt_candidates(const pl_prompt *p)
{
    return p->candidates.data != NULL ? p->candidates.data : "";
}

const char *pl_prompt_line(const pl_prompt *p)
{
    return p->open ? pl_line_text() : "";
}

size_t pl_prompt_cursor(const pl_prompt *p)
{
    return p->open ? pl_line_cursor() : 0;
}

void pl_prompt_replace(pl_prompt *p, size_t first, size_t end, const char *text, size_t cursor)
{
    if (p->open && first <= end && end <= pl_line_length()) {
        pl_line_replace(first, end, text, cursor);
        pl_buf_deinit(&p->candidates);
    }
}

void pl_prompt_open(pl_prompt *p, const char *text)
{
    pl_prompt_close(p);
    pl_line_open(text);
    p->open = true;
}

void pl_prompt_close(pl_prompt *p)
{
    pl_buf_deinit(&p->candidates);
    p->n_bytes = p->next_byte = 0;
    if (p->open) {
        pl_line_close();
        p->open = false;
    }
}

static void push(pl_prompt *p, uint32_t code)
{
    char out[4];
    const int n = (int)pl_text_utf8_encode(code, out);
    if (p->n_bytes + n <= BYTES) {
        memcpy(p->bytes + p->n_bytes, out, (size_t)n);
        p->n_bytes += n;
    }
}

enum { CLOSE = 0x7fffffff, IGNORE = 0x7ffffffe };

/* Function keys as the control characters that emacs mode has for them. */
static uint32_t translate(pl_press press)
{
    static const struct {
        uint32_t key, code;
    } keys[] = {
        {PL_K_UP, 'p' & 0x1f},   {PL_K_DOWN, 'n' & 0x1f},
        {PL_K_LEFT, 'b' & 0x1f}, {PL_K_RIGHT, 'f' & 0x1f},
        {PL_K_HOME, 'a' & 0x1f}, {PL_K_END, 'e' & 0x1f},
        {PL_K_BACKSPACE, 127},   {8, 127},
        {PL_KEY_ESC, CLOSE},     {'c' & 0x1f, CLOSE},
        {'g' & 0x1f, CLOSE},     {'l' & 0x1f, IGNORE},
        {'z' & 0x1f, IGNORE},    {'v' & 0x1f, IGNORE},
        {'q' & 0x1f, IGNORE},    {'s' & 0x1f, IGNORE},
        {'x' & 0x1f, IGNORE},    {'\n', '\r'},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].key == press.key) {
            return keys[i].code;
        }
    }
    if (press.key == PL_K_DELETE || press.key == ('d' & 0x1f)) {
        return pl_line_cursor() < pl_line_length()       ? 'd' & 0x1f
               : pl_line_length() == 0 && press.key < 32 ? CLOSE
                                                         : IGNORE;
    }
    return press.key < PL_K_NONE ? press.key : IGNORE;
}

void pl_prompt_key(pl_prompt *p, pl_press press, char **line)
{
    *line = NULL;
    pl_buf_deinit(&p->candidates);
    uint32_t code = translate(press);
    bool word_key = press.alt && (strchr("bfdulctBFDULCT.<>", (int)(press.key & 0x7f)) != NULL ||
                                  press.key == 127 || press.key == PL_K_BACKSPACE);
    /* Backspace over nothing leaves, as in vi. */
    bool leaves = code == 127 && pl_line_length() == 0 && !press.alt;
    if (code == CLOSE || (press.alt && !word_key) || leaves) {
        pl_prompt_close(p);
        return;
    }
    if (code == IGNORE) {
        return;
    }
    p->n_bytes = p->next_byte = 0;
    if (press.alt) {
        push(p, PL_KEY_ESC);
    }
    push(p, code);
    while (p->open && bytes_wait()) {
        pl_line_read();
    }
    if (p->entered != NULL) {
        if (p->entered[strspn(p->entered, " \t")] != '\0') {
            pl_line_remember(p->entered);
        }
        *line = p->entered;
        p->entered = NULL;
    }
}

void pl_prompt_draw(pl_prompt *p, pl_surface *surface, pl_rect rect)
{
    if (!p->open || rect.w < 2) {
        return;
    }
    char *head = strndup(pl_line_text(), pl_line_cursor());
    const char *lead = pl_line_lead();
    int lead_width = (int)pl_text_width(lead);
    int cursor = lead_width + (head != NULL ? (int)pl_text_width(head) : 0);
    free(head);
    /* Scrolled by whole steps, so that the text does not creep with every key. */
    int room = rect.w - 1;
    int step = room / 2 > 0 ? room / 2 : 1;
    int drop = cursor < room ? 0 : (cursor - room) / step * step + step;
    pl_buf text = {0};
    pl_buf_puts(&text, lead);
    pl_buf_puts(&text, pl_line_text());
    const char *s = text.data != NULL ? text.data : "";
    int dropped = 0;
    while (dropped < drop && *s != '\0') {
        dropped += pl_char_width(pl_text_next(&s));
    }
    if (drop > 0) {
        pl_put(surface, rect, 0, 0, PL_STYLE_FAINT, "<");
    }
    pl_put(surface, rect, 0, drop > 0 ? 1 : 0, PL_STYLE_TEXT, s);
    surface->cursor_y = rect.y;
    surface->cursor_x = rect.x + cursor - dropped + (drop > 0 ? 1 : 0);
    pl_buf_deinit(&text);
}
