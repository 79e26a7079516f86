#include "views/terminal.h"

#include "core/base/checked.h"
#include "core/base/text.h"
#include "views/rescue.h"
#include "views/sequence.h"
#include "views/theme.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

/* Beyond this no more is drawn: a terminal may claim 32,767 rows of 32,767 columns, for which
 * ncurses would ask for 30 GB. */
enum { MOST_ROWS = 500, MOST_COLS = 1000 };

struct pl_terminal {
    SCREEN *screen;
    WINDOW *keys; /* a pad: reading from it never refreshes the screen */
    pl_marks marks;
    int most_colours, colours; /* that it has, that the theme takes: 256, 8 or 0 */
    pl_theme theme;
    attr_t attrs[PL_STYLE_COUNT];
    pl_surface shown; /* what is on the screen */
    bool afresh;
    bool has_mouse, mouse; /* the terminal reports it; it is wanted */
    bool sync;             /* it shows at once what stands between two marks */
    pl_images images;
    char notice[240]; /* empty: none */
};

static int colours_wanted(void)
{
    const char *no = getenv("NO_COLOR");
    if ((no != NULL && no[0] != '\0') || !has_colors() || start_color() != OK) {
        return 0;
    }
    return COLORS >= 256 ? 256 : COLORS >= 8 ? 8 : 0;
}

/* COLORFGBG tells, where a terminal sets it. */
static bool light_background(void)
{
    const char *value = getenv("COLORFGBG");
    const char *last = value != NULL ? strrchr(value, ';') : NULL;
    return last != NULL && (strcmp(last, ";15") == 0 || strcmp(last, ";7") == 0);
}

static attr_t attrs_of_flags(unsigned flags)
{
    return ((flags & PL_LOOK_BOLD) != 0 ? A_BOLD : A_NORMAL) |
           ((flags & PL_LOOK_DIM) != 0 ? A_DIM : A_NORMAL) |
           ((flags & PL_LOOK_REVERSE) != 0 ? A_REVERSE : A_NORMAL);
}

static void set_looks(pl_terminal *terminal)
{
    bool light = light_background();
    terminal->colours = terminal->theme == PL_THEME_NONE ? 0 : terminal->most_colours;
    for (int s = 0; s < PL_STYLE_COUNT; s++) {
        pl_look look = pl_theme_look(terminal->theme, light, (pl_style)s);
        terminal->attrs[s] =
            attrs_of_flags(terminal->colours > 0 ? look.colour_flags : look.plain_flags);
        if (terminal->colours == 256) {
            init_pair((short)(s + 1), look.fg256, look.bg256);
        } else if (terminal->colours == 8) {
            init_pair((short)(s + 1), look.fg8, -1);
            if (s == PL_STYLE_BAR) {
                terminal->attrs[s] |= A_REVERSE;
            }
        }
        if (terminal->colours > 0) {
            terminal->attrs[s] |= (attr_t)COLOR_PAIR(s + 1);
        }
    }
}

pl_theme pl_terminal_usual_theme(void)
{
    return light_background() ? PL_THEME_LIGHT : PL_THEME_DARK;
}

void pl_terminal_set_theme(pl_terminal *terminal, pl_theme theme)
{
    terminal->theme = theme;
    terminal->afresh = true;
    set_looks(terminal);
}

static pl_marks choose_marks(const char *wanted)
{
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const char *term = getenv("TERM");
    if (!utf8 || (wanted != NULL && strcmp(wanted, "ascii") == 0)) {
        return PL_MARKS_ASCII;
    }
    if (term != NULL && strncmp(term, "linux", 5) == 0) {
        return PL_MARKS_HALVES;
    }
    return wanted != NULL && strcmp(wanted, "blocks") == 0 ? PL_MARKS_BLOCKS : PL_MARKS_BRAILLE;
}

/* Appends a terminal string without its padding marks "$<5>". */
static void add_string(char *out, size_t capacity, const char *name)
{
    /* tigetstr's argument is not const in every ncurses. */
    char copy[16];
    strncpy(copy, name, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    const char *s = tigetstr(copy);
    size_t n = strlen(out);
    if (s == NULL || s == (const char *)-1) {
        return;
    }
    while (*s != '\0' && n + 1 < capacity) {
        if (s[0] == '$' && s[1] == '<' && strchr(s, '>') != NULL) {
            s = strchr(s, '>') + 1;
            continue;
        }
        out[n++] = *s++;
    }
    out[n] = '\0';
}

static pl_status install_rescue(pl_error *err)
{
    char strings[256] = "";
    static const char *const names[] = {"sgr0", "op", "cnorm", "rmkx", "rmcup"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        add_string(strings, sizeof strings, names[i]);
    }
    strncat(strings, PL_SYNC_END PL_MOUSE_OFF "\r\n", sizeof strings - strlen(strings) - 1);
    return pl_rescue_install(strings, err);
}

/* What terminals send whatever TERM says of them (tmux under TERM=xterm, say). */
static void define_keys(void)
{
    static const struct {
        const char *sequence;
        int key;
    } keys[] = {
        {"\033[1~", KEY_HOME},     {"\033[7~", KEY_HOME},  {"\033[H", KEY_HOME},
        {"\033OH", KEY_HOME},      {"\033[4~", KEY_END},   {"\033[8~", KEY_END},
        {"\033[F", KEY_END},       {"\033OF", KEY_END},    {"\033[3~", KEY_DC},
        {"\033[5~", KEY_PPAGE},    {"\033[6~", KEY_NPAGE}, {"\033[A", KEY_UP},
        {"\033OA", KEY_UP},        {"\033[B", KEY_DOWN},   {"\033OB", KEY_DOWN},
        {"\033[C", KEY_RIGHT},     {"\033OC", KEY_RIGHT},  {"\033[D", KEY_LEFT},
        {"\033OD", KEY_LEFT},      {"\033[Z", KEY_BTAB},   {"\033[1;2D", KEY_SLEFT},
        {"\033[1;2C", KEY_SRIGHT},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        define_key(keys[i].sequence, keys[i].key);
    }
    /* Reports of the mouse come as they are: ncurses would wait for a second click. */
    define_key(NULL, KEY_MOUSE);
}

static void tell_terminal(const char *sequence)
{
    pl_sequence_send(sequence, strlen(sequence));
}

static bool describes(const char *capability)
{
    char copy[16];
    snprintf(copy, sizeof copy, "%s", capability);
    const char *s = tigetstr(copy);
    return s != NULL && s != (const char *)-1;
}

/* Mouse and synchronized output.  The question is sent before the first clearing of the screen,
 * which removes what an ignorant terminal prints for it. */
static void find_abilities(pl_terminal *terminal)
{
    terminal->has_mouse = describes("kmous");
    terminal->sync = describes("Sync");
    if (terminal->has_mouse && !terminal->sync) {
        putp(PL_SYNC_ASK);
    }
}

static bool read_terminal_size(int *rows, int *cols)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
        return false;
    }
    *rows = size.ws_row < MOST_ROWS ? size.ws_row : MOST_ROWS;
    *cols = size.ws_col < MOST_COLS ? size.ws_col : MOST_COLS;
    return true;
}

/* newterm for a screen of a size that can be drawn: it obeys LINES and COLUMNS before it asks the
 * terminal. */
static SCREEN *open_sized(void)
{
    int rows = 0, cols = 0;
    char high[16], wide[16];
    const bool large = read_terminal_size(&rows, &cols) && (rows == MOST_ROWS || cols == MOST_COLS);
    if (large) {
        snprintf(high, sizeof high, "%d", rows);
        snprintf(wide, sizeof wide, "%d", cols);
        if (setenv("LINES", high, 1) != 0 || setenv("COLUMNS", wide, 1) != 0) {
            return NULL;
        }
    }
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (large) {
        unsetenv("LINES");
        unsetenv("COLUMNS");
    }
    return screen;
}

/* Opens the terminal as TERM says it is.  Many databases lack the names of newer terminals, for
 * example behind an ssh; nearly all of these understand xterm's sequences. */
static pl_status open_curses(pl_terminal *terminal, pl_error *err)
{
    static const char *const known[] = {"xterm-256color", "xterm", "vt100"};
    const char *term = getenv("TERM");
    char named[64], safe[80];
    snprintf(named, sizeof named, "%s", term != NULL ? term : "");
    pl_text_escape(named, strlen(named), safe, sizeof safe);
    terminal->screen = open_sized();
    for (size_t i = 0; i < sizeof known / sizeof known[0] && terminal->screen == NULL; i++) {
        if (setenv("TERM", known[i], 1) == 0 && (terminal->screen = open_sized()) != NULL) {
            snprintf(terminal->notice, sizeof terminal->notice,
                     "TERM=%s is not known on this machine: drawn as %s; if that looks wrong, set "
                     "TERM to what it knows",
                     safe, known[i]);
        }
    }
    if (terminal->screen == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "TERM=%s: this terminal is not known, nor is xterm: install a terminfo "
                            "database (ncurses-base), or work without a screen by -c or --batch",
                            safe);
    }
    if (tigetstr("cup") == NULL || tigetstr("cup") == (char *)-1) {
        return pl_error_set(err, PL_ERR_STATE,
                            "TERM=%s: this terminal cannot move its cursor: start planish in "
                            "another, set TERM to what it is (TERM=xterm-256color planish), or "
                            "work without a screen by -c or --batch",
                            safe);
    }
    return PL_OK;
}

pl_status pl_terminal_open(const char *marks, pl_terminal **out, pl_error *err)
{
    *out = NULL;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "standard input and output must be a terminal; without one use -c or "
                            "--batch");
    }
    pl_terminal *terminal = calloc(1, sizeof *terminal);
    if (terminal == NULL) {
        return pl_error_memory(err, "the terminal");
    }
    setlocale(LC_CTYPE, "");
    pl_status status = pl_rescue_prepare(err);
    PL_THEN(open_curses(terminal, err));
    PL_THEN(install_rescue(err));
    if (status != PL_OK) {
        pl_terminal_close(terminal);
        return status;
    }
    set_escdelay(20); /* the answer, drawn, is there within 25 ms */
    raw();
    noecho();
    nonl();
    curs_set(0);
    terminal->keys = newpad(1, 1);
    keypad(terminal->keys, TRUE);
    nodelay(terminal->keys, TRUE);
    define_keys();
    find_abilities(terminal);
    terminal->most_colours = colours_wanted();
    if (terminal->most_colours > 0 && use_default_colors() != OK) {
        assume_default_colors(COLOR_WHITE, COLOR_BLACK);
    }
    pl_terminal_set_theme(terminal, pl_terminal_usual_theme());
    terminal->marks = choose_marks(marks);
    terminal->afresh = true;
    *out = terminal;
    return PL_OK;
}

void pl_terminal_close(pl_terminal *terminal)
{
    if (terminal == NULL) {
        return;
    }
    if (terminal->screen != NULL) {
        pl_terminal_set_mouse(terminal, false);
        terminal->images.wanted = (pl_image){0};
        pl_images_clear(&terminal->images, false);
        curs_set(1);
        endwin();
        if (terminal->keys != NULL) {
            delwin(terminal->keys);
        }
    }
    pl_rescue_remove();
    if (terminal->screen != NULL) {
        delscreen(terminal->screen);
    }
    pl_surface_deinit(&terminal->shown);
    free(terminal);
}

const char *pl_terminal_notice(const pl_terminal *terminal)
{
    return terminal->notice[0] != '\0' ? terminal->notice : NULL;
}

void pl_terminal_set_marks(pl_terminal *terminal, const char *marks)
{
    terminal->marks = choose_marks(marks);
}

bool pl_terminal_set_mouse(pl_terminal *terminal, bool on)
{
    if (terminal->has_mouse && on != terminal->mouse) {
        tell_terminal(on ? PL_MOUSE_ON : PL_MOUSE_OFF);
        terminal->mouse = on;
    }
    return terminal->has_mouse;
}

bool pl_terminal_ask_images(pl_terminal *terminal)
{
    if (!terminal->has_mouse || terminal->most_colours == 0) {
        return false;
    }
    if (!terminal->images.asked) {
        pl_images_ask(&terminal->images);
        terminal->afresh =
            true; /* whatever a terminal makes of it that does not know such questions */
    }
    return true;
}

bool pl_terminal_shows(const pl_terminal *terminal, pl_graphics protocol)
{
    return protocol == PL_GRAPHICS_KITTY   ? terminal->images.kitty
           : protocol == PL_GRAPHICS_SIXEL ? terminal->images.sixel
                                           : terminal->images.answered;
}

bool pl_terminal_cell(const pl_terminal *terminal, int *width, int *height)
{
    return pl_images_cell(&terminal->images, width, height);
}

void pl_terminal_set_image(pl_terminal *terminal, pl_image image)
{
    terminal->images.wanted = image;
}

pl_marks pl_terminal_marks(const pl_terminal *terminal)
{
    return terminal->marks;
}

int pl_terminal_colours(const pl_terminal *terminal)
{
    return terminal->colours;
}

void pl_terminal_size(const pl_terminal *terminal, int *rows, int *cols)
{
    (void)terminal;
    getmaxyx(stdscr, *rows, *cols);
}

void pl_terminal_resized(pl_terminal *terminal)
{
    int rows = 0, cols = 0;
    if (read_terminal_size(&rows, &cols)) {
        resizeterm(rows, cols);
    }
    terminal->afresh = true;
}

void pl_terminal_redraw(pl_terminal *terminal)
{
    terminal->afresh = true;
}

static attr_t attrs_of(const pl_terminal *terminal, uint32_t style)
{
    pl_style s = (pl_style)(style & PL_STYLE_MASK);
    if ((style & PL_STALE) != 0 && s < PL_STYLE_HEAT) {
        s = PL_STYLE_FAINT;
    }
    attr_t attrs = terminal->attrs[s];
    attrs |= (style & PL_BOLD) != 0 ? A_BOLD : A_NORMAL;
    attrs |= (style & PL_UNDERLINE) != 0 ? A_UNDERLINE : A_NORMAL;
    /* Twice reversed is not: the bar of a terminal without colours. */
    attrs ^= (style & PL_REVERSE) != 0 ? A_REVERSE : A_NORMAL;
    return attrs;
}

static void show_row(const pl_terminal *terminal, int y, const pl_cell *cells, int cols)
{
    cchar_t line[512];
    int n = 0;
    int start = 0;
    for (int x = 0; x <= cols; x++) {
        if (n > 0 && (x == cols || n == 512)) {
            mvadd_wchnstr(y, start, line, n);
            n = 0;
            start = x;
        }
        if (x == cols || cells[x].code == 0) {
            continue; /* the right half comes with its character */
        }
        wchar_t text[2] = {(wchar_t)cells[x].code, L'\0'};
        attr_t attrs = attrs_of(terminal, cells[x].style);
        setcchar(&line[n++], text, attrs & ~A_COLOR, (short)PAIR_NUMBER(attrs), NULL);
    }
}

pl_status pl_terminal_show(pl_terminal *terminal, const pl_surface *surface, pl_error *err)
{
    pl_surface *shown = &terminal->shown;
    size_t row_bytes = (size_t)surface->cols * sizeof *surface->cells;
    if (shown->rows != surface->rows || shown->cols != surface->cols) {
        pl_status status = pl_surface_resize(shown, surface->rows, surface->cols, err);
        if (status != PL_OK) {
            return status;
        }
        terminal->afresh = true;
    }
    if (pl_images_clear(&terminal->images, terminal->afresh)) {
        terminal->afresh = true;
    }
    if (terminal->afresh) {
        clearok(curscr, TRUE);
        erase();
    }
    for (int y = 0; y < surface->rows; y++) {
        const pl_cell *cells = surface->cells + (size_t)y * (size_t)surface->cols;
        pl_cell *old = shown->cells + (size_t)y * (size_t)surface->cols;
        if (terminal->afresh || memcmp(cells, old, row_bytes) != 0) {
            show_row(terminal, y, cells, surface->cols);
            memcpy(old, cells, row_bytes);
        }
    }
    terminal->afresh = false;
    bool cursor = surface->cursor_y >= 0 && surface->cursor_x < surface->cols;
    if (cursor) {
        move(surface->cursor_y, surface->cursor_x);
    }
    if (terminal->sync) {
        tell_terminal(PL_SYNC_BEGIN);
    }
    refresh();
    pl_images_put(&terminal->images);
    /* Behind the refresh: some terminals save the cursor's state as the screen is entered. */
    curs_set(cursor ? 1 : 0);
    if (terminal->sync) {
        tell_terminal(PL_SYNC_END);
    }
    return PL_OK;
}

void pl_terminal_suspend(pl_terminal *terminal)
{
    const bool mouse = terminal->mouse;
    pl_terminal_set_mouse(terminal, false);
    terminal->images.wanted = (pl_image){0};
    pl_images_clear(&terminal->images, false);
    def_prog_mode();
    curs_set(1);
    endwin();
    kill(getpid(), SIGSTOP);
    reset_prog_mode();
    pl_terminal_set_mouse(terminal, mouse);
    pl_terminal_resized(terminal);
}

static uint32_t function_key(wint_t code)
{
    static const struct {
        wint_t curses;
        uint32_t key;
    } keys[] = {
        {KEY_UP, PL_K_UP},
        {KEY_DOWN, PL_K_DOWN},
        {KEY_LEFT, PL_K_LEFT},
        {KEY_RIGHT, PL_K_RIGHT},
        {KEY_PPAGE, PL_K_PAGE_UP},
        {KEY_NPAGE, PL_K_PAGE_DOWN},
        {KEY_HOME, PL_K_HOME},
        {KEY_END, PL_K_END},
        {KEY_BTAB, PL_K_SHIFT_TAB},
        {KEY_SLEFT, PL_K_SHIFT_LEFT},
        {KEY_SRIGHT, PL_K_SHIFT_RIGHT},
        {KEY_BACKSPACE, PL_K_BACKSPACE},
        {KEY_DC, PL_K_DELETE},
        {KEY_F(1), PL_K_F1},
        {KEY_ENTER, PL_KEY_ENTER},
        {KEY_RESIZE, PL_K_RESIZE},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].curses == code) {
            return keys[i].key;
        }
    }
    return PL_K_NONE;
}

static bool read_one(pl_terminal *terminal, uint32_t *key)
{
    wint_t code = 0;
    int kind = wget_wch(terminal->keys, &code);
    if (kind == ERR) {
        return false;
    }
    *key = kind == KEY_CODE_YES ? function_key(code) : (uint32_t)code;
    return true;
}

/* The rest of a sequence may come in another piece. */
static bool read_more(pl_terminal *terminal, uint32_t *key)
{
    enum { REST_MS = 20 };
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return read_one(terminal, key) || (poll(&input, 1, REST_MS) > 0 &&
                                       (input.revents & POLLIN) != 0 && read_one(terminal, key));
}

/* Reads what follows ESC [: a report of the mouse, an answer, or an unknown sequence, which is
 * dropped.  A sequence that is cut off ends where another one begins. */
static void read_sequence(pl_terminal *terminal, pl_press *press)
{
    char text[96]; /* attributes are many */
    unsigned char bytes[3];
    size_t n = 0;
    uint32_t next = 0;
    pl_mouse mouse = {0};
    while (read_more(terminal, &next)) {
        if (next == PL_KEY_ESC) {
            n = 0;
            if (!read_more(terminal, &next)) {
                *press = (pl_press){.key = PL_KEY_ESC};
                return;
            }
            if (next != '[') {
                *press = (pl_press){.key = next, .alt = true};
                return;
            }
            continue;
        }
        if (next > PL_K_NONE) { /* a key behind a sequence that was cut off */
            *press = (pl_press){.key = next};
            return;
        }
        if (n + 1 < sizeof text) {
            text[n++] = next < 0x80 ? (char)next : '?';
        }
        if (next >= 0x40) {
            break;
        }
    }
    if (n == 0) {
        return; /* Alt and [ */
    }
    text[n] = '\0';
    if (strcmp(text, "M") == 0) {
        for (n = 0; n < sizeof bytes && read_more(terminal, &next); n++) {
            bytes[n] = (unsigned char)(next < 0x100 ? next : 0);
        }
        (void)(n == sizeof bytes && pl_mouse_from_bytes(bytes, &mouse));
    } else {
        (void)pl_mouse_parse(text, &mouse);
    }
    pl_images_hear(&terminal->images, text);
    terminal->sync = terminal->sync || pl_mode_is_known(text, PL_MODE_SYNC);
    const bool heard = mouse.kind != PL_MOUSE_NONE && terminal->mouse;
    *press = (pl_press){.key = heard ? PL_K_MOUSE : PL_K_NONE, .mouse = mouse};
}

/* Reads what follows ESC _, up to ESC \ or BEL: an answer about images; else the keys Alt and _. */
static void read_answer(pl_terminal *terminal, pl_press *press)
{
    char text[96];
    size_t n = 0;
    uint32_t next = 0;
    if (!read_more(terminal, &next)) {
        return;
    }
    if (next != 'G') {
        if (next < PL_K_NONE) {
            unget_wch((wchar_t)next);
        }
        return;
    }
    do {
        text[n] = next < 0x80 ? (char)next : '?';
        n += n + 1 < sizeof text;
    } while (read_more(terminal, &next) && next != PL_KEY_ESC && next != '\a');
    if (next == PL_KEY_ESC) {
        (void)read_more(terminal, &next); /* its backslash */
    }
    text[n] = '\0';
    pl_images_hear(&terminal->images, text);
    *press = (pl_press){.key = PL_K_NONE};
}

bool pl_terminal_key(pl_terminal *terminal, pl_press *press)
{
    *press = (pl_press){0};
    if (!read_one(terminal, &press->key)) {
        return false;
    }
    uint32_t next = 0;
    if (press->key == PL_KEY_ESC && read_one(terminal, &next)) {
        *press = (pl_press){.key = next, .alt = true};
        if (next == '[') {
            read_sequence(terminal, press);
        } else if (next == '_' && terminal->images.asked) {
            read_answer(terminal, press);
        }
    }
    return true;
}
