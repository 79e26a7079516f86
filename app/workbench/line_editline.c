#include "app/workbench/line.h"

#include "core/base/file.h"
#include "core/base/text.h"

#include <fcntl.h>
#include <histedit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_LINES = 2000, HISTORY_BYTES = 16 << 20 };

const char *pl_line_licence(void)
{
    return "This program is linked with\nBSD editline, whose licence asks for no other.";
}

/* Editline needs a terminal whose modes it may change and to which it may write: it gets a hidden
 * one. */
static struct {
    pl_line_hooks hooks;
    char *path; /* of the history, or NULL */
    int master;
    FILE *keys, *screen; /* the terminal's two directions */
    EditLine *el;
    History *history;
    char *last; /* entered */
    pl_buf text;
    size_t cursor;
} the_line = {.master = -1};

/* One character of what waits. */
static int next_character(EditLine *el, wchar_t *out)
{
    (void)el;
    char bytes[4];
    size_t count = 0, length = 0;
    uint32_t code = 0;
    while (length == 0 && count < sizeof bytes) {
        const int byte = the_line.hooks.next_byte();
        if (byte == EOF) {
            return 0;
        }
        bytes[count++] = (char)byte;
        length = pl_text_utf8_decode(bytes, bytes + count, &code);
    }
    *out = length > 0 ? (wchar_t)code : L'?';
    return 1;
}

/* The text and the cursor as bytes. */
static void copy_edited_line(void)
{
    const LineInfoW *line = el_wline(the_line.el);
    the_line.text.size = 0;
    for (const wchar_t *s = line->buffer; s <= line->lastchar; s++) {
        if (s == line->cursor) {
            the_line.cursor = the_line.text.size;
        }
        char bytes[4];
        if (s < line->lastchar) {
            pl_buf_append(&the_line.text, bytes, pl_text_utf8_encode((uint32_t)*s, bytes));
        }
    }
    pl_buf_puts(&the_line.text, "");
    if (the_line.text.data != NULL) {
        the_line.text.data[the_line.text.size] = '\0';
    }
}

static unsigned char on_complete(EditLine *el, int key)
{
    (void)el;
    (void)key;
    copy_edited_line();
    the_line.hooks.complete();
    return CC_REFRESH;
}

static const char *no_prompt(EditLine *el)
{
    (void)el;
    return "";
}

static void enter_history(const char *line)
{
    HistEvent event;
    history(the_line.history, &event, H_ENTER, line);
    char *last = strdup(line);
    if (last != NULL) {
        free(the_line.last);
        the_line.last = last;
    }
}

/* The file's newest lines; *size is 0 where there is none, *cut says whether it has more. */
static char *read_history(size_t *size, bool *cut)
{
    char *text = NULL;
    *size = 0;
    *cut = false;
    if (the_line.path == NULL ||
        pl_file_read_all(the_line.path, HISTORY_BYTES, &text, size, NULL) != PL_OK) {
        *size = 0;
        return NULL;
    }
    size_t lines = 0, first = *size;
    while (first > 0 && (lines += text[first - 1] == '\n') <= HISTORY_LINES) {
        first--;
    }
    *cut = first > 0;
    memmove(text, text + first, *size - first + 1);
    *size -= first;
    return text;
}

static void load_history(void)
{
    HistEvent event;
    history(the_line.history, &event, H_SETSIZE, HISTORY_LINES);
    size_t size = 0;
    bool cut = false;
    char *text = read_history(&size, &cut), *rest = NULL;
    for (char *line = text != NULL ? strtok_r(text, "\n", &rest) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        enter_history(line);
    }
    free(text);
}

/* Nothing may wait: neither who reads what was written, nor who writes. */
static bool open_terminal(void)
{
    the_line.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];
    /* A size of its own, or it would take that of the terminal that planish is on. */
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    if (the_line.master < 0 || grantpt(the_line.master) != 0 || unlockpt(the_line.master) != 0 ||
        ptsname_r(the_line.master, name, sizeof name) != 0 ||
        fcntl(the_line.master, F_SETFL, O_NONBLOCK) != 0 ||
        ioctl(the_line.master, TIOCSWINSZ, &size) != 0) {
        return false;
    }
    const int keys = open(name, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    const int screen = open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    the_line.keys = keys >= 0 ? fdopen(keys, "r") : NULL;
    the_line.screen = screen >= 0 ? fdopen(screen, "w") : NULL;
    return the_line.keys != NULL && the_line.screen != NULL;
}

/* What was written, so that there is room for more. */
static void drain(void)
{
    char bytes[4096];
    fflush(the_line.screen);
    while (read(the_line.master, bytes, sizeof bytes) > 0) {
    }
}

pl_status pl_line_start(const pl_line_hooks *hooks, const char *path, pl_error *err)
{
    the_line.hooks = *hooks;
    the_line.path = path != NULL ? strdup(path) : NULL;
    the_line.history = history_init();
    if (the_line.history != NULL && open_terminal()) {
        the_line.el = el_init("planish", the_line.keys, the_line.screen, the_line.screen);
    }
    if (the_line.el == NULL) {
        pl_line_stop();
        return pl_error_set(err, PL_ERR_IO, "no pseudo-terminal for editing a line");
    }
    el_set(the_line.el, EL_TERMINAL, "dumb");
    el_set(the_line.el, EL_EDITOR, "emacs");
    el_set(the_line.el, EL_PROMPT, no_prompt);
    el_wset(the_line.el, EL_GETCFN, next_character);
    el_set(the_line.el, EL_HIST, history, the_line.history);
    el_wset(the_line.el, EL_ADDFN, L"planish-complete", L"complete a command", on_complete);
    el_set(the_line.el, EL_BIND, "\t", "planish-complete", NULL);
    /* Its incremental search waits for keys that are not there yet. */
    el_set(the_line.el, EL_BIND, "^R", "ed-search-prev-history", NULL);
    el_set(the_line.el, EL_BIND, "^W", "ed-delete-prev-word", NULL);
    load_history();
    return PL_OK;
}

void pl_line_stop(void)
{
    size_t size = 0;
    bool cut = false;
    char *text = read_history(&size, &cut);
    /* A history that cannot be written is no error. */
    if (cut && pl_file_write_all(the_line.path, text, size, NULL) == PL_OK) {
        (void)!chmod(the_line.path, 0600);
    }
    free(text);
    if (the_line.el != NULL) {
        el_end(the_line.el);
    }
    if (the_line.history != NULL) {
        history_end(the_line.history);
    }
    if (the_line.keys != NULL) {
        fclose(the_line.keys);
    }
    if (the_line.screen != NULL) {
        fclose(the_line.screen);
    }
    if (the_line.master >= 0) {
        close(the_line.master);
    }
    pl_buf_deinit(&the_line.text);
    free(the_line.last);
    free(the_line.path);
    memset(&the_line, 0, sizeof the_line);
    the_line.master = -1;
}

static void insert_text(const char *text)
{
    const char *end = text + strlen(text);
    while (text < end) {
        uint32_t code = 0;
        const size_t length = pl_text_utf8_decode(text, end, &code);
        const wchar_t character[2] = {length > 0 ? (wchar_t)code : L'?', L'\0'};
        el_winsertstr(the_line.el, character);
        text += length > 0 ? length : 1;
    }
}

void pl_line_open(const char *text)
{
    el_set(the_line.el, EL_UNBUFFERED, 1);
    insert_text(text);
    copy_edited_line();
    drain();
}

void pl_line_close(void)
{
    el_reset(the_line.el);
    el_set(the_line.el, EL_UNBUFFERED, 0);
    drain();
    the_line.text.size = the_line.cursor = 0;
}

void pl_line_read(void)
{
    int count = 0;
    const wchar_t *line = el_wgets(the_line.el, &count);
    const bool entered = line != NULL && count > 0 && line[count - 1] == L'\n';
    copy_edited_line();
    drain();
    if (entered) {
        the_line.text.data[the_line.text.size - 1] = '\0';
        char *text = strdup(the_line.text.data);
        pl_line_close();
        the_line.hooks.entered(text);
    }
}

const char *pl_line_text(void)
{
    return the_line.text.data != NULL ? the_line.text.data : "";
}

size_t pl_line_length(void)
{
    return the_line.text.size;
}

size_t pl_line_cursor(void)
{
    return the_line.cursor;
}

const char *pl_line_lead(void)
{
    return ":";
}

/* Characters of the first `bytes` bytes of the line. */
static int characters(size_t bytes)
{
    int count = 0;
    for (size_t i = 0; i < bytes; i++) {
        count += ((unsigned char)the_line.text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

static void move_cursor(int character)
{
    const LineInfoW *line = el_wline(the_line.el);
    el_cursor(the_line.el, character - (int)(line->cursor - line->buffer));
}

void pl_line_replace(size_t first, size_t end, const char *text, size_t cursor)
{
    move_cursor(characters(end));
    if (end > first) { /* 0 characters would be one */
        el_deletestr(the_line.el, characters(end) - characters(first));
    }
    insert_text(text);
    copy_edited_line();
    move_cursor(characters(cursor < the_line.text.size ? cursor : the_line.text.size));
    copy_edited_line();
}

void pl_line_remember(const char *line)
{
    if (the_line.last != NULL && strcmp(the_line.last, line) == 0) {
        return;
    }
    enter_history(line);
    FILE *file = the_line.path != NULL ? fopen(the_line.path, "ae") : NULL;
    if (file != NULL) {
        fprintf(file, "%s\n", line);
        fclose(file);
    }
}

const char *pl_line_library(void)
{
    static char name[64];
    snprintf(name, sizeof name, "editline %d.%d", LIBEDIT_MAJOR, LIBEDIT_MINOR);
    return name;
}
