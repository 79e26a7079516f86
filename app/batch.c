/* The batch front: MODEL, -c and --batch, one command after another. */
#include "app/figure_pipe.h"
#include "app/front.h"
#include "app/lines.h"
#include "core/base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, SCRIPT_LIMIT = 64 << 20 };

typedef struct batch {
    pl_front front;
    bool json;
    bool show_progress;
    bool goes_on;        /* behind a command that failed */
    const char *script;  /* what the commands come from, for errors; or NULL */
    size_t line;         /* where in it the present one begins, 1... */
    const char *differs; /* a command's answer was that something is not as it was; or NULL */
} batch;

/* A JSON text on one line, with characters that a terminal would obey (DEL, C1 controls,
 * bidirectional overrides; jansson escapes C0 controls) as \uXXXX, the same value to a reader of
 * JSON. */
static void print_json(const char *text)
{
    const char *end = text + strlen(text);
    while (text < end) {
        uint32_t code = 0;
        size_t length = pl_text_utf8_decode(text, end, &code);
        code = length > 0 ? code : (unsigned char)*text;
        length = length > 0 ? length : 1;
        if (pl_text_escape(text, length, NULL, 0) == length) {
            fwrite(text, 1, length, stdout);
        } else {
            printf("\\u%04x", (unsigned)code);
        }
        text += length;
    }
    putchar('\n');
}

static void print_line(json_t *object)
{
    char *text = pl_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (text != NULL) {
        print_json(text);
    } else {
        pl_memory_failed();
    }
    fflush(stdout);
    free(text);
}

/* Of standard output, 0 where that is no terminal. */
static size_t terminal_columns(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* The name of an object's shape, which app/json.md describes. */
static json_t *schema_of(const char *name)
{
    char text[64];
    snprintf(text, sizeof text, "planish.%s", name);
    return json_string(text);
}

/* `as typed` may hold anything, so it is escaped like all text.  An object that lacks a key is not
 * printed, but counted as a failure. */
static void print_outcome(const batch *b, const char *typed, pl_call *call, pl_status status,
                          const pl_error *err)
{
    const unsigned before = pl_memory_failures();
    if (!b->json) {
        if (status == PL_OK && call != NULL) {
            pl_buf text = {0};
            call->columns = terminal_columns();
            pl_result_text(call, &text);
            fputs(text.data != NULL && !text.failed ? text.data : "", stdout);
            fflush(stdout);
            pl_buf_deinit(&text);
        }
        return;
    }
    json_t *object = json_object();
    json_t *command = json_string(typed);
    if (command == NULL) { /* not UTF-8 */
        char safe[1024];
        pl_text_escape(typed, strlen(typed), safe, sizeof safe);
        command = json_string(safe);
    }
    pl_json_set(object, "schema", schema_of(status == PL_OK ? call->command->name : "error"));
    pl_json_set(object, "version", json_integer(status == PL_OK ? call->command->revision + 1 : 1));
    pl_json_set(object, "command", command);
    pl_json_set(object, "ok", json_boolean(status == PL_OK));
    if (status == PL_OK) {
        pl_json_set(object, "result", json_incref(call->result));
    } else {
        json_t *error =
            json_pack("{s:s, s:s}", "code", pl_status_name(err->code), "message", err->message);
        if (b->script != NULL) {
            pl_json_set(error, "line", json_integer((json_int_t)b->line));
        }
        pl_json_set(object, "error", error);
    }
    if (pl_memory_failures() == before) {
        print_line(object);
    }
    json_decref(object);
}

/* A line of stderr: "planish: script:3: sentence". */
static void print_sentence(const batch *b, const char *kind, const char *sentence)
{
    fprintf(stderr, "planish: %s", kind);
    if (b->script != NULL) {
        fprintf(stderr, "%s:%zu: ", b->script, b->line);
    }
    fprintf(stderr, "%s\n", sentence);
}

/* Exit status so far: 0, or why the batch stops. */
static int finish_command(batch *b, const char *typed, pl_call *call, pl_status status, bool parsed,
                          pl_error *err)
{
    /* Said once; a command that fails over it says it itself. */
    if (b->front.notice.code != PL_OK && status != b->front.notice.code) {
        fprintf(stderr, "planish: warning: %s: %s\n", pl_session_path(b->front.session),
                b->front.notice.message);
    }
    b->front.notice.code = PL_OK;
    if (status == PL_OK && call->warning != NULL) {
        print_sentence(b, "warning: ", call->warning);
    }
    const unsigned before = pl_memory_failures();
    print_outcome(b, typed, call, status, err);
    if (status == PL_OK && pl_memory_check(before, err) != PL_OK) {
        status = err->code;
    }
    if (status != PL_OK) {
        print_sentence(b, "", err->message);
        return parsed ? EXIT_FAILED : EXIT_USAGE;
    }
    return 0;
}

/* Runs one parsed call; takes its ownership. */
static int run_batch_call(batch *b, const char *shown, pl_call *call, bool *quit)
{
    pl_error err = {0};
    pl_status status = pl_front_execute(&b->front, call, b->show_progress, &err);
    if (status == PL_ERR_CANCELLED) {
        pl_error_prefix(&err, "%s: ", call->command->name);
    }
    pl_error why = err;
    pl_status recorded = pl_front_record(&b->front, call, status, &err, &why);
    if (recorded == PL_OK && b->front.session != NULL) {
        recorded = pl_session_flush(b->front.session, &why); /* nothing printed is lost */
    }
    if (recorded != PL_OK && status == PL_OK) {
        status = recorded;
        err = why;
    }
    (void)pl_interrupts_take(b->front.interrupts); /* those that came meant this command */
    int code = finish_command(b, shown, call, status, true, &err);
    b->differs = b->differs != NULL ? b->differs : call->differs;
    *quit = call->command->ends_run;
    pl_call_destroy(call);
    return code;
}

/* The exit status: that of the first command that failed. */
static int run_script(batch *b, const char *script, bool *quit)
{
    int code = 0;
    const char *counted = script;
    while ((code == 0 || b->goes_on) && !*quit) {
        pl_error err = {0};
        char *text = NULL;
        pl_call *call = NULL;
        for (const char *command = pl_script_command(script); counted < command; counted++) {
            b->line += *counted == '\n';
        }
        pl_status status = pl_script_next(&script, &text, &err);
        if (status == PL_OK && text == NULL) {
            break;
        }
        const bool cut = status == PL_OK;
        PL_THEN(pl_call_parse(text, &call, &err));
        const int ended = status == PL_OK ? run_batch_call(b, text, call, quit)
                                          : finish_command(b, text != NULL ? text : script, NULL,
                                                           status, status == PL_ERR_MEMORY, &err);
        free(text);
        code = code == 0 ? ended : code;
        if (!cut) {
            break; /* where the next command begins is not known */
        }
    }
    return code;
}

/* The same for a script that comes line by line: each runs when it has come. */
static int run_lines(batch *b, int fd, const char *name, bool *quit)
{
    int code = 0;
    pl_lines lines = {.fd = fd, .name = name, .interrupts = b->front.interrupts};
    while ((code == 0 || b->goes_on) && !*quit) {
        pl_error err = {0};
        char *line = NULL;
        pl_status status = pl_lines_next(&lines, &line, &err);
        if (status != PL_OK) {
            fprintf(stderr, "planish: %s\n", err.message);
            code = EXIT_FAILED;
            break;
        }
        if (line == NULL) {
            break;
        }
        b->line = lines.number;
        const int ended = run_script(b, line, quit);
        free(line);
        code = code == 0 ? ended : code;
    }
    pl_lines_deinit(&lines);
    return code;
}

static int open_model(batch *b, const char *path, bool *quit)
{
    pl_error err = {0};
    pl_call *call = NULL;
    if (pl_call_parse("open", &call, &err) != PL_OK) {
        return finish_command(b, "open", NULL, err.code, true, &err);
    }
    call->words = calloc(1, sizeof *call->words);
    pl_buf text = {0};
    pl_buf_puts(&text, "open ");
    pl_command_quote_word(path, &text);
    if (call->words == NULL || text.failed || (call->words[0] = strdup(path)) == NULL) {
        pl_buf_deinit(&text);
        pl_call_destroy(call);
        fputs("planish: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    call->n_words = 1;
    free(call->text);
    call->text = text.data;
    return run_batch_call(b, "open", call, quit);
}

/* What --batch names: a text that is read whole, or a descriptor that lines come through. */
typedef struct batch_source {
    const char *path;
    char *script; /* NULL: none */
    int fd;       /* -1: none */
} batch_source;

static bool is_standard_input(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

/* A pipe has no size: what it holds is known when it has come. */
static bool comes_in_lines(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode);
}

static pl_status open_batch_source(const char *path, batch_source *out, pl_error *err)
{
    size_t size = 0;
    *out = (batch_source){.path = path, .fd = -1};
    if (path == NULL) {
        return PL_OK;
    }
    if (is_standard_input(path)) {
        out->path = "standard input";
        out->fd = STDIN_FILENO;
        return PL_OK;
    }
    if (comes_in_lines(path)) {
        out->fd = open(path, O_RDONLY | O_CLOEXEC);
        return out->fd >= 0 ? PL_OK : pl_error_set(err, PL_ERR_IO, "%s: %s", path, strerror(errno));
    }
    pl_status status = pl_file_read_all(path, SCRIPT_LIMIT, &out->script, &size, err);
    if (status == PL_OK && strlen(out->script) != size) {
        status = pl_error_set(err, PL_ERR_FORMAT, "%s: expected a text, found a NUL byte", path);
    }
    return status;
}

static void close_batch_source(batch_source *source)
{
    free(source->script);
    if (source->fd > STDIN_FILENO) {
        close(source->fd);
    }
}

static int run_batch_source(batch *b, const batch_source *source, bool *quit)
{
    int code = 0;
    b->script = source->fd == STDIN_FILENO ? "stdin" : source->path;
    b->line = 1;
    if (source->script != NULL) {
        code = run_script(b, pl_script_begin(source->script), quit);
    } else if (source->fd >= 0) {
        code = run_lines(b, source->fd, source->path, quit);
    }
    b->script = NULL;
    return code;
}

int pl_batch_run(const pl_options *options)
{
    pl_interrupts_end_all();
    const bool resident = is_standard_input(options->batch);
    batch b = {.json = options->json,
               .show_progress = isatty(STDERR_FILENO) != 0,
               .goes_on = options->keep_going};
    pl_error err = {0};
    batch_source source = {0};
    bool quit = false;
    int code = 0;
    pl_status status = open_batch_source(options->batch, &source, &err);
    if (status == PL_OK &&
        (pl_figure_pipe_wanted(options->commands) || pl_figure_pipe_wanted(source.script))) {
        status = pl_figure_pipe_open(&err);
    }
    PL_THEN(pl_front_open(options, options->session, &b.front, &err));
    if (status == PL_OK && resident) {
        status = pl_interrupts_open(&b.front.interrupts, &err);
    }
    if (status != PL_OK) {
        fprintf(stderr, "planish: %s\n", err.message);
        pl_front_close(&b.front);
        close_batch_source(&source);
        return EXIT_FAILED;
    }
    if (options->model != NULL) {
        code = open_model(&b, options->model, &quit);
    }
    const bool opened = code == 0;
    if (opened && options->commands != NULL) {
        code = run_script(&b, options->commands, &quit);
    }
    if (opened && (code == 0 || b.goes_on) && !quit) {
        b.goes_on = b.goes_on || resident;
        const int ended = run_batch_source(&b, &source, &quit);
        code = code == 0 ? ended : code;
    }
    if (b.front.session != NULL && pl_session_flush(b.front.session, &err) != PL_OK && code == 0) {
        fprintf(stderr, "planish: %s\n", err.message);
        code = EXIT_FAILED;
    }
    if (b.differs != NULL && code == 0) {
        fprintf(stderr, "planish: %s\n", b.differs);
        code = EXIT_FAILED;
    }
    pl_interrupts_close(b.front.interrupts);
    pl_front_close(&b.front);
    close_batch_source(&source);
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == 0) {
        fputs("planish: stdout: the results could not be written\n", stderr);
        code = EXIT_FAILED;
    }
    return code;
}
