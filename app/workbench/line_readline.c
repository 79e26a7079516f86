#include "app/workbench/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <readline/history.h>
#include <readline/readline.h>

enum { HISTORY_LINES = 2000 };

const char *pl_line_licence(void)
{
    return "This program is linked with GNU Readline:\n"
           "as a whole it is under the GNU General Public License, version 3 "
           "or later.";
}

/* Readline's callbacks carry no argument. */
static struct {
    pl_line_hooks hooks;
    char *history;
    FILE *nowhere; /* what readline may want to write goes here */
} the_line;

static int next_byte(FILE *stream)
{
    (void)stream;
    return the_line.hooks.next_byte();
}

static int bytes_wait(void)
{
    return the_line.hooks.bytes_wait();
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
    the_line.hooks.entered(line);
}

static int on_complete(int count, int key)
{
    (void)count;
    (void)key;
    the_line.hooks.complete();
    return 0;
}

/* What readline is not to do: run signal handlers, know the terminal, write to it. */
static void set_up_readline(void)
{
    rl_readline_name = "planish";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0;
    rl_outstream = the_line.nowhere;
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
    rl_bind_key('\t', on_complete);
}

pl_status pl_line_start(const pl_line_hooks *hooks, const char *history, pl_error *err)
{
    the_line.hooks = *hooks;
    the_line.history = history != NULL ? strdup(history) : NULL;
    the_line.nowhere = fopen("/dev/null", "we");
    if (the_line.nowhere == NULL) {
        free(the_line.history);
        the_line.history = NULL;
        return pl_error_set(err, PL_ERR_IO, "cannot open /dev/null");
    }
    set_up_readline();
    using_history();
    stifle_history(HISTORY_LINES);
    if (the_line.history != NULL) {
        read_history(the_line.history);
    }
    return PL_OK;
}

void pl_line_stop(void)
{
    if (the_line.history != NULL) {
        history_truncate_file(the_line.history, HISTORY_LINES);
    }
    clear_history();
    rl_outstream = stdout;
    fclose(the_line.nowhere);
    free(the_line.history);
    the_line.history = NULL;
}

void pl_line_open(const char *text)
{
    rl_callback_handler_install(":", on_line);
    rl_insert_text(text);
}

void pl_line_close(void)
{
    rl_callback_sigcleanup();
    rl_free_line_state();
    rl_replace_line("", 1);
    rl_callback_handler_remove();
}

void pl_line_read(void)
{
    rl_callback_read_char();
}

const char *pl_line_text(void)
{
    return rl_line_buffer;
}

size_t pl_line_length(void)
{
    return (size_t)rl_end;
}

size_t pl_line_cursor(void)
{
    return (size_t)rl_point;
}

const char *pl_line_lead(void)
{
    return rl_display_prompt != NULL ? rl_display_prompt : ":";
}

void pl_line_replace(size_t first, size_t end, const char *text, size_t cursor)
{
    rl_begin_undo_group();
    rl_delete_text((int)first, (int)end);
    rl_point = (int)first;
    rl_insert_text(text);
    rl_end_undo_group();
    rl_point = cursor < (size_t)rl_end ? (int)cursor : rl_end;
}

void pl_line_remember(const char *line)
{
    HIST_ENTRY **list = history_list();
    const char *last = list != NULL && history_length > 0 ? list[history_length - 1]->line : "";
    if (strcmp(last, line) != 0) {
        add_history(line);
        if (the_line.history != NULL) {
            append_history(1, the_line.history);
        }
    }
}

const char *pl_line_library(void)
{
    static char name[64];
    snprintf(name, sizeof name, "Readline %s", rl_library_version);
    return name;
}
