#include "tests/arrows/rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINES = 700, MAX_COLUMNS = 100 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Which rooms a room may include besides itself; a slash at the end: a whole folder; slash and dot:
 * its own files, none of its rooms. */
static const struct {
    const char *room, *may[12];
} arrows[] = {
    {"core/base", {NULL}},
    {"core/tensor", {"core/base"}},
    {"core/io", {"core/base", "core/tensor"}},
    {"core/model", {"core/base", "core/tensor", "core/io"}},
    {"core/calib", {"core/base", "core/tensor", "core/io", "core/model"}},
    {"core/format", {"core/base", "core/tensor"}},
    {"core/solve", {"core/base", "core/tensor"}},
    {"core/method", {"core/base", "core/tensor", "core/format", "core/solve"}},
    {"core/learn",
     {"core/base", "core/tensor", "core/io", "core/model", "core/format", "core/solve",
      "core/method"}},
    {"core/metrics",
     {"core/base", "core/tensor", "core/io", "core/model", "core/format", "core/solve"}},
    {"core/state",
     {"core/base", "core/tensor", "core/io", "core/model", "core/calib", "core/format",
      "core/method"}},
    {"core/lab",
     {"core/base", "core/tensor", "core/io", "core/model", "core/calib", "core/format",
      "core/solve", "core/method", "core/learn", "core/metrics", "core/state"}},
    {"core/study",
     {"core/base", "core/tensor", "core/io", "core/model", "core/calib", "core/format",
      "core/solve", "core/method", "core/metrics", "core/state", "core/lab"}},
    {"core/live",
     {"core/base", "core/tensor", "core/io", "core/model", "core/calib", "core/format",
      "core/solve", "core/method", "core/metrics", "core/state", "core/lab", "core/study"}},
    {"core/jobs", {"core/base", "core/tensor"}},
    {"core/lib",
     {"core/base", "core/tensor", "core/format", "core/solve", "core/method", "core/calib",
      "core/metrics"}},
    {"plots", {"core/"}},
    {"sessions", {"core/"}},
    {"views", {"core/", "plots"}},
    /* A command asks the screen through services.h; the table of commands alone lists them. */
    {"app/commands", {"core/", "plots", "sessions", "views", "app/.", "app/workbench/services.h"}},
    {"app/workbench", {"core/", "plots", "sessions", "views", "app/."}},
    /* The ranks of an mpirun: the batch front on one, workers on the others. */
    {"app/mpi", {"core/", "app/."}},
    {"app",
     {"core/", "plots", "sessions", "views", "app/commands/list.h", "app/workbench/workbench.h"}},
};

/* The screen's files in layers, its parts first: each includes headers of those before it. */
static const char layered[] = "app/workbench/";
static const char *const layers[] = {
    "wants",   "scores",   "sight",     "measuring",     "log",           "undo",    "typed",
    "jobs",    "imaging",  "line",      "line_readline", "line_editline", "prompt",  "screen",
    "parts",   "say",      "looks",     "tour",          "knob",          "best",    "learning",
    "figures", "draft",    "pixels",    "work",          "show",          "steps",   "resume",
    "ask",     "services", "lines",     "acts",          "results",       "palette", "keys",
    "mouse",   "loop",     "workbench",
};

/* Headers that only the named files or rooms may include; NULL-terminated. */
static const struct {
    const char *header, *may[5];
} guarded[] = {
    /* The module linalg: linalg.h, eigen.h and lower.h are implemented by these five. */
    {"cblas",
     {"core/tensor/linalg.c", "core/tensor/lanczos.c", "core/tensor/threads.c",
      "core/tensor/eigen.c", "core/tensor/lower.c"}},
    {"lapack",
     {"core/tensor/linalg.c", "core/tensor/lanczos.c", "core/tensor/threads.c",
      "core/tensor/eigen.c", "core/tensor/lower.c"}},
    {"openblas", {"core/tensor/linalg.c", "core/tensor/lanczos.c", "core/tensor/threads.c"}},
    {"ncurses", {"views", "app"}},
    {"curses", {"views", "app"}},
    {"term.h", {"views"}},
    {"sqlite3", {"sessions"}},
    {"cairo", {"plots"}},
    {"pango", {"plots"}},
    {"fontconfig", {"plots"}},
    {"png", {"plots"}},
    {"sixel", {"plots"}},
    {"readline", {"app"}},
    {"histedit", {"app"}},
    {"mpi.h", {"app/mpi/ranks.c"}},
    {"vterm", {NULL}},
};

/* Words that code (not comments, not strings) may contain only in the named files or rooms. */
static const struct {
    const char *word, *in, *may[3];
} words[] = {
    {"initscr", "", {"views/terminal.c"}},
    {"newterm", "", {"views/terminal.c"}},
    {"endwin", "", {"views/terminal.c"}},
    {"getenv", "core/", {"core/model/hub.c", "core/io/store.c"}},
    {"secure_getenv", "core/", {NULL}},
    {"setenv", "core/", {NULL}},
    {"environ", "core/", {NULL}},
    {"printf", "core/", {"core/base/error.h"}}, /* the name of a format attribute */
    {"vprintf", "core/", {NULL}},
    {"puts", "core/", {NULL}},
    {"putchar", "core/", {NULL}},
    {"perror", "core/", {NULL}},
    {"stdout", "core/", {NULL}},
    {"stderr", "core/", {NULL}},
    {"exit", "core/", {NULL}},
    {"_exit", "core/", {NULL}},
    {"abort", "core/", {NULL}},
    {"setlocale", "core/", {NULL}},
    /* Reading the mask sets it, for all threads: open() and mkdir() obey it by themselves. */
    {"umask", "", {NULL}},
};

/* Solvers are the worker's: a view asks for them through a command or a job. */
static const char *const solvers[] = {"core/solve/linf.h", "core/solve/factors.h",
                                      "core/solve/prox.h", "core/tensor/linalg.h"};

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether path is in the room or folder of that name, or is the file. */
static bool inside(const char *path, const char *name)
{
    size_t length = strlen(name);
    if (length > 2 && strcmp(name + length - 2, "/.") == 0) {
        return strncmp(path, name, length - 1) == 0 && strchr(path + length - 1, '/') == NULL;
    }
    return begins(path, name) &&
           (path[length] == '/' || path[length] == '\0' || (length > 0 && name[length - 1] == '/'));
}

static bool listed(const char *path, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count && names[i] != NULL; i++) {
        if (inside(path, names[i])) {
            return true;
        }
    }
    return false;
}

/* Whether a header is private to its folder, and path is in another one. */
static bool is_private(const char *path, const char *header)
{
    static const char ending[] = "_parts.h";
    const size_t length = strlen(header), folder = (size_t)(strrchr(header, '/') - header) + 1;
    return length > strlen(ending) && strcmp(header + length - strlen(ending), ending) == 0 &&
           (strncmp(path, header, folder) != 0 || strchr(path + folder, '/') != NULL);
}

/* Index of the room in the table of arrows, or their count. */
static size_t room_of(const char *path)
{
    size_t i = 0;
    while (i < COUNT(arrows) && !inside(path, arrows[i].room)) {
        i++;
    }
    return i;
}

/* Index of a layered file's layer, or their count. */
static size_t layer_of(const char *path)
{
    const char *name = path + strlen(layered);
    const size_t length = strcspn(name, ".");
    size_t i = 0;
    while (i < COUNT(layers) &&
           (strlen(layers[i]) != length || strncmp(layers[i], name, length) != 0)) {
        i++;
    }
    return i;
}

/* What is being written: one violation a line. */
typedef struct report {
    const char *path;
    pl_buf *out;
    size_t line, count;
} report;

static void complain(report *to, const char *what, const char *subject)
{
    pl_buf_printf(to->out, "%s:%zu: %s%s\n", to->path, to->line, what, subject);
    to->count++;
}

static void check_own_include(report *to, const char *header)
{
    size_t from = room_of(to->path), target = room_of(header);
    if (target == COUNT(arrows)) {
        if (from < COUNT(arrows) || !begins(header, "tests/")) {
            complain(to, "is not included from the root: ", header);
        }
        return;
    }
    if (from == COUNT(arrows)) {
        return; /* tests may include everything */
    }
    if (from != target && !listed(header, arrows[from].may, COUNT(arrows[from].may))) {
        complain(to, "goes against the arrows: ", header);
    }
    if (is_private(to->path, header)) {
        complain(to, "is private to its folder: ", header);
    }
    if (begins(to->path, layered) && begins(header, layered) &&
        (layer_of(to->path) == COUNT(layers) || layer_of(header) > layer_of(to->path))) {
        complain(to, "goes against the layers of its room: ", header);
    }
    if (strcmp(arrows[from].room, "views") == 0 && listed(header, solvers, COUNT(solvers))) {
        complain(to, "a view may not call solvers: ", header);
    }
}

static void check_library_include(report *to, const char *header)
{
    if (begins(to->path, "tests/")) {
        return;
    }
    for (size_t i = 0; i < COUNT(guarded); i++) {
        /* <cairo-pdf.h>, <pango/pangocairo.h> and <readline/history.h> are all meant. */
        if (begins(header, guarded[i].header) &&
            !listed(to->path, guarded[i].may, COUNT(guarded[i].may))) {
            complain(to, "may not use this library: ", header);
            return;
        }
    }
}

/* line: with comments blanked, from its '#'. */
static void check_directive(report *to, const char *line)
{
    const char *word = line + 1 + strspn(line + 1, " \t");
    char header[256];
    if (begins(word, "pragma") && strstr(word, "omp") == NULL) {
        complain(to, "a pragma other than OpenMP's", "");
    }
    if (!begins(word, "include")) {
        return;
    }
    word += 7;
    word += strspn(word, " \t");
    size_t length = word[0] != '\0' ? strcspn(word + 1, "\">\n") : 0;
    if ((word[0] != '"' && word[0] != '<') || length >= sizeof header) {
        complain(to, "an include that names no header", "");
        return;
    }
    memcpy(header, word + 1, length);
    header[length] = '\0';
    if (word[0] == '"') {
        check_own_include(to, header);
    } else {
        check_library_include(to, header);
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* line: comments and strings blanked. */
static void check_words(report *to, const char *line)
{
    for (const char *at = line; *at != '\0';) {
        size_t length = 0;
        while (is_word(at[length])) {
            length++;
        }
        for (size_t i = 0; length > 0 && i < COUNT(words); i++) {
            if (strlen(words[i].word) == length && strncmp(at, words[i].word, length) == 0 &&
                begins(to->path, words[i].in) && !begins(to->path, "tests/") &&
                !listed(to->path, words[i].may, COUNT(words[i].may))) {
                complain(to, "may not use ", words[i].word);
            }
        }
        at += length > 0 ? length : 1;
    }
}

/* Blanks comments, and the insides of strings and character constants except on lines that begin
 * with '#', in place.  Newlines stay. */
static void blank(char *text)
{
    enum { CODE, LINE_COMMENT, COMMENT, QUOTED } mode = CODE;
    char quote = 0;
    bool directive = false, line_start = true;
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\n') {
            mode = mode == COMMENT ? COMMENT : CODE;
            line_start = true;
            directive = false;
            continue;
        }
        if (line_start && !isspace((unsigned char)*at)) {
            directive = *at == '#' && mode == CODE;
            line_start = false;
        }
        switch (mode) {
        case CODE:
            if (at[0] == '/' && (at[1] == '/' || at[1] == '*')) {
                mode = at[1] == '/' ? LINE_COMMENT : COMMENT;
                at[0] = at[1] = ' ';
                at++;
            } else if (!directive && (*at == '"' || *at == '\'')) {
                mode = QUOTED;
                quote = *at;
            }
            break;
        case LINE_COMMENT:
            *at = ' ';
            break;
        case COMMENT:
            if (at[0] == '*' && at[1] == '/') {
                at[0] = at[1] = ' ';
                at++;
                mode = CODE;
            } else {
                *at = ' ';
            }
            break;
        case QUOTED:
            if (*at == quote) {
                mode = CODE;
            } else if (*at == '\\' && at[1] != '\0' && at[1] != '\n') {
                at[0] = at[1] = ' ';
                at++;
            } else {
                *at = ' ';
            }
            break;
        }
    }
}

/* Characters, not bytes, of the line at text. */
static size_t columns(const char *text)
{
    size_t count = 0;
    for (; *text != '\0' && *text != '\n'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

size_t pl_rules_check(const char *path, const char *text, pl_buf *out)
{
    report to = {.path = path, .out = out, .line = 1};
    char *code = strdup(text);
    if (code == NULL) {
        complain(&to, "out of memory", "");
        return to.count;
    }
    blank(code);
    const char *raw = text;
    for (char *line = code; line != NULL; to.line++) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        const char *first = line + strspn(line, " \t");
        if (columns(raw) > MAX_COLUMNS) {
            complain(&to, "a line of more than 100 columns", "");
        }
        if (*first == '#') {
            check_directive(&to, first);
        }
        check_words(&to, line);
        raw += strcspn(raw, "\n") + 1;
        line = end != NULL && end[1] != '\0' ? end + 1 : NULL;
    }
    if (--to.line >= MAX_LINES) {
        complain(&to, "a file of 700 lines or more", "");
    }
    free(code);
    return to.count;
}
