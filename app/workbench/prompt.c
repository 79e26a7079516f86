#include "app/workbench/prompt.h"

#include "core/base/file.h"
#include "views/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

enum { HISTORY_LINES = 2000, BYTES = 64 };

struct pl_prompt {
    const pl_state *state;
    char *history; /* path, or NULL */
    FILE *nowhere; /* what readline may want to write goes here */
    bool open;
    char *entered;
    char bytes[BYTES]; /* waiting for readline */
    int n_bytes, next_byte;
    pl_buf candidates;
};

/* Readline's callbacks carry no argument. */
static pl_prompt *the_prompt;

static int next_byte(FILE *stream)
{
    (void)stream;
    pl_prompt *p = the_prompt;
    return p->next_byte < p->n_bytes ? (unsigned char)p->bytes[p->next_byte++] : EOF;
}

static int bytes_wait(void)
{
    return the_prompt->next_byte < the_prompt->n_bytes;
}

static void draw_nothing(void)
{
}

static void prepare_nothing(int meta)
{
    (void)meta;
}

static void on_line(char *line)
{
    /* Removed at once, or readline would start the next line. */
    rl_callback_handler_remove();
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

static void replace_word(int start, const char *text, size_t length, bool whole)
{
    char *word = strndup(text, length);
    if (word == NULL) {
        return;
    }
    rl_begin_undo_group();
    rl_delete_text(start, rl_point);
    rl_point = start;
    rl_insert_text(word);
    char last = length > 0 ? word[length - 1] : ' ';
    if (whole && last != '=' && last != '/') {
        rl_insert_text(" ");
    }
    rl_end_undo_group();
    free(word);
}

static int complete(int count, int key)
{
    (void)count;
    (void)key;
    pl_prompt *p = the_prompt;
    char *line = strndup(rl_line_buffer, (size_t)rl_point);
    char **list = line != NULL ? pl_complete(p->state, line) : NULL;
    int start = line != NULL ? (int)pl_complete_word(line) : rl_point;
    pl_buf_deinit(&p->candidates);
    if (list == NULL || list[0] == NULL) {
        pl_buf_puts(&p->candidates, "no completion");
    } else if (list[1] == NULL) {
        replace_word(start, list[0], strlen(list[0]), true);
    } else {
        size_t common = common_length(list);
        if (common > (size_t)(rl_point - start)) {
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
    return 0;
}

/* What readline is not to do: run signal handlers, know the terminal, write to it. */
static void set_up_readline(pl_prompt *p)
{
    rl_readline_name = "planish";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0;
    rl_outstream = p->nowhere;
    rl_getc_function = next_byte;
    rl_input_available_hook = bytes_wait;
    rl_redisplay_function = draw_nothing;
    rl_prep_term_function = prepare_nothing;
    rl_deprep_term_function = draw_nothing;
    rl_inhibit_completion = 1;
    rl_initialize();
    /* Escape closes the line, so vi's editing mode has no way to its commands. */
    rl_variable_bind("editing-mode", "emacs");
    rl_variable_bind("bell-style", "none");
    rl_variable_bind("enable-bracketed-paste", "off");
    rl_inhibit_completion = 0;
    rl_bind_key('\t', complete);
}

static void load_history(pl_prompt *p)
{
    using_history();
    stifle_history(HISTORY_LINES);
    if (p->history == NULL) {
        return;
    }
    char *slash = strrchr(p->history, '/');
    if (slash != NULL && slash != p->history) {
        *slash = '\0';
        pl_status made = pl_file_make_dirs(p->history, NULL);
        (void)made; /* the open below tells */
        *slash = '/';
    }
    int fd = open(p->history, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        free(p->history);
        p->history = NULL;
        return;
    }
    close(fd);
    read_history(p->history);
}

pl_status pl_prompt_create(const char *history, const pl_state *state, pl_prompt **out,
                           pl_error *err)
{
    *out = NULL;
    pl_prompt *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "the prompt");
    }
    p->state = state;
    p->history = history != NULL ? strdup(history) : NULL;
    p->nowhere = fopen("/dev/null", "we");
    if (p->nowhere == NULL) {
        free(p->history);
        free(p);
        return pl_error_set(err, PL_ERR_IO, "cannot open /dev/null");
    }
    the_prompt = p;
    set_up_readline(p);
    load_history(p);
    *out = p;
    return PL_OK;
}

void pl_prompt_destroy(pl_prompt *p)
{
    if (p == NULL) {
        return;
    }
    pl_prompt_close(p);
    if (p->history != NULL) {
        history_truncate_file(p->history, HISTORY_LINES);
    }
    clear_history();
    rl_outstream = stdout;
    fclose(p->nowhere);
    pl_buf_deinit(&p->candidates);
    free(p->entered);
    free(p->history);
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
    return p->open ? rl_line_buffer : "";
}

size_t pl_prompt_cursor(const pl_prompt *p)
{
    return p->open ? (size_t)rl_point : 0;
}

void pl_prompt_replace(pl_prompt *p, size_t first, size_t end, const char *text, size_t cursor)
{
    if (p->open && first <= end && end <= (size_t)rl_end) {
        rl_begin_undo_group();
        rl_delete_text((int)first, (int)end);
        rl_point = (int)first;
        rl_insert_text(text);
        rl_end_undo_group();
        rl_point = cursor < (size_t)rl_end ? (int)cursor : rl_end;
        pl_buf_deinit(&p->candidates);
    }
}

void pl_prompt_open(pl_prompt *p, const char *text)
{
    pl_prompt_close(p);
    rl_callback_handler_install(":", on_line);
    p->open = true;
    rl_insert_text(text);
}

void pl_prompt_close(pl_prompt *p)
{
    pl_buf_deinit(&p->candidates);
    p->n_bytes = p->next_byte = 0;
    if (p->open) {
        /* Ends a half-done search or argument, too. */
        rl_callback_sigcleanup();
        rl_free_line_state();
        rl_replace_line("", 1);
        rl_callback_handler_remove();
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
        return rl_point < rl_end ? 'd' & 0x1f : rl_end == 0 && press.key < 32 ? CLOSE : IGNORE;
    }
    return press.key < PL_K_NONE ? press.key : IGNORE;
}

static void remember(pl_prompt *p)
{
    const char *line = p->entered;
    if (line[strspn(line, " \t")] == '\0') {
        return;
    }
    HIST_ENTRY **list = history_list();
    const char *last = list != NULL && history_length > 0 ? list[history_length - 1]->line : "";
    if (strcmp(last, line) != 0) {
        add_history(line);
        if (p->history != NULL) {
            append_history(1, p->history);
        }
    }
}

void pl_prompt_key(pl_prompt *p, pl_press press, char **line)
{
    *line = NULL;
    pl_buf_deinit(&p->candidates);
    uint32_t code = translate(press);
    bool word_key = press.alt && (strchr("bfdulctBFDULCT.<>", (int)(press.key & 0x7f)) != NULL ||
                                  press.key == 127 || press.key == PL_K_BACKSPACE);
    /* Backspace over nothing leaves, as in vi. */
    bool leaves = code == 127 && rl_end == 0 && !press.alt;
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
        rl_callback_read_char();
    }
    if (p->entered != NULL) {
        remember(p);
        *line = p->entered;
        p->entered = NULL;
    }
}

void pl_prompt_draw(pl_prompt *p, pl_surface *surface, pl_rect rect)
{
    if (!p->open || rect.w < 2) {
        return;
    }
    char *head = strndup(rl_line_buffer, (size_t)rl_point);
    const char *lead = rl_display_prompt != NULL ? rl_display_prompt : ":";
    int lead_width = (int)pl_text_width(lead);
    int cursor = lead_width + (head != NULL ? (int)pl_text_width(head) : 0);
    free(head);
    /* Scrolled by whole steps, so that the text does not creep with every key. */
    int room = rect.w - 1;
    int step = room / 2 > 0 ? room / 2 : 1;
    int drop = cursor < room ? 0 : (cursor - room) / step * step + step;
    pl_buf text = {0};
    pl_buf_puts(&text, lead);
    pl_buf_puts(&text, rl_line_buffer);
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
