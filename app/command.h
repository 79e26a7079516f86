/* app/command.h -- what a command is and how it is called: on the screen, at the `:` prompt, in a
 * batch.
 *
 * Grammar: blanks separate words, '...' and "..." quote, `;` or a newline ends a command, `#`
 * starts a comment, a line that ends in `\` goes on in the next; positional words come first, then
 * key=value in any order.
 *
 * A command has two halves.  `run` computes, on the worker, from a copy of the state; `apply`
 * changes the state, on the thread that owns it, after run has succeeded.  Commands that only
 * change the state have no run; commands that only compute have no apply. */
#ifndef PL_APP_COMMAND_H
#define PL_APP_COMMAND_H

#include "core/study/layer_table.h"
#include "views/tour.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum pl_key_kind {
    PL_KEY_TEXT,
    PL_KEY_FILE,
    PL_KEY_FILES, /* one file; the key may be repeated */
    PL_KEY_NEW_FILE,
    PL_KEY_INT,
    PL_KEY_REAL,
    PL_KEY_CHOICE,
    PL_KEY_LENGTH,
    PL_KEY_LAYER,
    PL_KEY_FORM,   /* of a figure: each figure has its own */
    PL_KEY_VIEW,   /* a view's name */
    PL_KEY_FORMAT, /* a number format's name */
} pl_key_kind;

typedef struct pl_key {
    const char *name;
    pl_key_kind kind;
    const char *initial; /* shown default, NULL where there is none */
    const char *choices; /* "first|random", NULL otherwise */
    const char *help;
} pl_key;

typedef struct pl_command pl_command;
typedef struct pl_screen pl_screen; /* app/workbench/parts.h */
typedef struct pl_front pl_front;   /* app/front.h */
typedef struct pl_draft pl_draft;   /* app/draft.h */

/* How undo treats a command with an apply half. */
typedef enum pl_history {
    PL_HISTORY_STEP, /* each call is a step */
    PL_HISTORY_LOOK, /* changes only the looks: no step; several keys in a row are one log line */
    PL_HISTORY_KNOB, /* the calls of one turn of a knob are one step */
    PL_HISTORY_NONE, /* it adds results or ends the program: nothing to take back */
} pl_history;

/* What `rebuild` does with a command that a figure's file carries. */
typedef enum pl_rebuilding {
    PL_REBUILD_REFUSED, /* somebody else's file must not do this */
    PL_REBUILD_RUN,
    PL_REBUILD_MODEL,      /* open: the model has been found already */
    PL_REBUILD_TEXTS,      /* its files are texts, which are looked for first */
    PL_REBUILD_CHECKPOINT, /* its after= is a checkpoint, which is looked for first */
    PL_REBUILD_FIGURE,     /* it draws: its inputs are compared with the file's record */
} pl_rebuilding;

/* What waits for a command that runs. */
typedef enum pl_brings {
    PL_BRINGS_OTHER,
    PL_BRINGS_INPUTS,     /* solves and figures that need a calibration */
    PL_BRINGS_TRANSFORM,  /* solves that need a learned transform */
    PL_BRINGS_PERPLEXITY, /* the header's perplexity */
} pl_brings;

/* A parsed command, and what its halves pass on. */
typedef struct pl_call {
    const pl_command *command;
    char *text;   /* as typed, but for paths in $HOME, whose `~` is spelled out */
    char **words; /* positional words after the name */
    size_t n_words;
    char **names; /* keys and values, in order */
    char **values;
    size_t n_keys;
    json_t *result;    /* an object; filled by run, then apply */
    pl_source *source; /* open: the new source */
    struct {
        size_t layer;
        pl_id plan, result;
        bool sequential;
        pl_solve_report report;
        pl_spec spec; /* target: the spec for the layer's slot */
    } * solved;       /* solve: what was solved */
    size_t n_solved;
    int *given; /* allocate: [n_given, 2] bits (0: unchanged) and group size (-1: unchanged) of each
                   layer */
    size_t n_given;
    size_t columns;      /* of the terminal, which tables in the result's text must fit; 0: any */
    char *warning;       /* to tell the user beside the result, or NULL */
    bool unchanged;      /* its apply half changed nothing: no step to undo */
    const char *differs; /* a sentence on what differs; a batch goes on, then exits 1 */
} pl_call;

/* Another word for a call of a command, in the palette. */
typedef struct pl_alias {
    const char *name; /* "worst" */
    const char *call; /* the call's arguments: "sort=input_ratio top=10" */
    const char *help; /* what it does, a few words */
    bool ask;         /* it is put into the prompt, for the user to complete */
} pl_alias;

/* A row says everything about a command: no code compares names. */
struct pl_command {
    const char *name;
    /* For help and completion: words in lower case stand for themselves, words in upper case for a
     * kind of word (complete.c lists the kinds): "[LAYER|all]"; "" for none. */
    const char *positional;
    size_t min_words, max_words;
    bool raw;            /* the rest of the line is one word, with its blanks, quotes and `=` */
    const pl_key *keys;  /* ends with name NULL */
    bool any_key;        /* the command itself checks its keys (method) */
    const char *summary; /* one sentence */
    int revision;        /* number of times that a key of its JSON has changed type or meaning */
    bool needs_model;    /* the demo is opened first where nothing is open */
    pl_status (*run)(pl_call *call, pl_context cx, pl_error *err);
    pl_status (*apply)(pl_call *call, pl_state *state, pl_error *err);

    /* Whether this call may take long: then it queues behind other slow ones, and quick ones
     * overtake it.  NULL: never. */
    bool (*slow)(const pl_call *call);
    /* The unit of a slow call's progress (core/jobs/progress.h), or NULL. */
    const char *unit;
    bool keeps; /* a stopped call keeps what it has done, and the same call goes on from there */
    bool sets;  /* apply changes the setting: afterwards layers get their earlier results under the
                   new one, and the result counts them as layers_in_store */
    pl_history history;
    bool ends_run;    /* it ends a run: a session's script leaves it out */
    bool says_itself; /* its result is long: on the screen its message is the command itself */
    pl_rebuilding rebuild;
    pl_brings brings;
    bool in_setting; /* allowed in a setting of `compare`: it has only an apply half */
    bool learns;     /* run first learns the layer's transform, if it is a learned one */
    /* Complete calls for the palette: pairs of a word and what it does, then NULL; or NULL. */
    const char *const *ready;
    const pl_alias *aliases;        /* ends with name NULL; or NULL */
    void (*more_help)(pl_buf *out); /* what `help NAME` adds, or NULL */
    /* Keys of its result that say how it ran, not what it found, for `replay`: "kernel threads";
     * "*": all, so that replay skips the command.  NULL: only those that any command has. */
    const char *of_run;
    /* Columns of its table that a narrow terminal leaves out first: "rms token_id"; or NULL. */
    const char *least;
    /* The result for a person; NULL: the object as lines and tables. */
    void (*put_text)(const pl_call *call, pl_buf *out);
    /* The same in one line, a sentence that fits into 78 columns; NULL: the object's numbers. */
    void (*put_line)(const pl_call *call, pl_buf *out);
    /* What the screen does instead of run, on its own thread; *taken: whether it did.  A command
     * with no other half exists on the screen only. */
    pl_status (*on_screen)(pl_screen *screen, pl_call *call, bool *taken, pl_error *err);
    /* The figure of a line that is still being typed: the screen shows it, and the line's keys as
     * fields.  NULL: none. */
    pl_status (*draft)(const pl_call *call, const pl_state *state, pl_draft *out, pl_error *err);
    /* What the screen does after apply; how: apply's status.  NULL: it redraws if there is an apply
     * half. */
    void (*follow)(pl_screen *screen, const pl_call *call, pl_status how);
    pl_tour_step tour; /* the step of the tour that it completes; PL_TOUR_OFF for none */
    /* What a batch does instead of run, for commands about the session; NULL: run. */
    pl_status (*in_batch)(pl_front *front, pl_call *call, pl_error *err);
};

/* What a command does with the run's session, in a batch and on the screen.  *moved: *state is
 * initialised, and replaces the present state.  On failure nothing has changed. */
typedef pl_status (*pl_session_act)(pl_front *front, pl_call *call, pl_state *state, bool *moved,
                                    pl_error *err);

/* Value of a key, or NULL. */
const char *pl_call_value(const pl_call *call, const char *key);

/* Whether its first word is `all`. */
bool pl_call_is_of_all(const pl_call *call);

/* The unit of the call's progress, or NULL. */
const char *pl_call_unit(const pl_call *call);
/* Whether the call may take long, see pl_command.slow. */
bool pl_call_is_slow(const pl_call *call);
/* Whether only the screen has the command. */
bool pl_command_is_screen_only(const pl_command *command);

/* "first|random", NULL where there are none. */
const char *pl_key_choices(const pl_key *key);

/* The keys of a command without any. */
extern const pl_key pl_no_keys[];

/* NULL-terminated, in the order of help. */
const pl_command *const *pl_commands(void);
const pl_command *pl_command_find(const char *name);

/* Appends a value, quoted where the grammar needs it. */
void pl_command_quote(const char *value, pl_buf *out);

/* The same of a positional word, where a `=` would make a key of it. */
void pl_command_quote_word(const char *word, pl_buf *out);

/* The script behind the byte order mark that its file may begin with. */
const char *pl_script_begin(const char *text);

/* Where the next command begins, behind blanks, `;` and comments; the final NUL where none does. */
const char *pl_script_command(const char *script);

/* Appends a path as a shell reads it: a `~` alone or before the first `/` is $HOME, where that is
 * set. */
void pl_command_path(const char *value, pl_buf *out);

/* Takes the next command off *script: *text (caller frees), trimmed; NULL at the end.  An unclosed
 * quote is PL_ERR_USAGE. */
PL_NODISCARD pl_status pl_script_next(const char **script, char **text, pl_error *err);

/* Whether the command goes on behind text[size], whole lines: they end in a `\` outside quotes and
 * comments. */
bool pl_script_goes_on(const char *text, size_t size);

/* Parses one command's text and checks its words and keys against the table.  PL_ERR_USAGE names
 * what is unknown, and similar names.  Caller destroys *out. */
PL_NODISCARD pl_status pl_call_parse(const char *text, pl_call **out, pl_error *err);
void pl_call_destroy(pl_call *call);

/* Whether its first command ends a run; false where it cannot be parsed. */
bool pl_text_ends_run(const char *text);

/* Run the halves of a call's command, if it has them.  PL_ERR_MEMORY also where the command went on
 * after a failed allocation, since its result may be incomplete. */
PL_NODISCARD pl_status pl_call_run(pl_call *call, pl_context cx, pl_error *err);
PL_NODISCARD pl_status pl_call_apply(pl_call *call, pl_state *state, pl_error *err);

/* Completions of a command line cut at the cursor: full replacements of its last word, quoted where
 * needed, in a NULL-terminated array that the caller frees with pl_completions_free. */
char **pl_complete(const pl_state *state, const char *line);
/* Where that last word begins: behind the last blank or `;` outside quotes. */
size_t pl_complete_word(const char *line);
void pl_completions_free(char **list);

/* Help of one command, or of all (command NULL), as plain lines. */
void pl_help(const pl_command *command, pl_buf *out);

/* The same for a method and its parameters, for all methods, and for all figures. */
void pl_help_method(const pl_method *method, pl_buf *out);
void pl_help_methods(pl_buf *out);
void pl_help_kinds(pl_buf *out);

/* A result for a person, over several lines: numbers by name, lists as aligned tables. */
void pl_result_text(const pl_call *call, pl_buf *out);
/* An object as lines and tables. */
void pl_result_object(json_t *result, pl_buf *out);
/* An array of objects as a table that fits the call's terminal. */
void pl_result_table(const pl_call *call, json_t *rows, pl_buf *out);

/* A result object in one line for a person ("gap 0.8 %, relative_error 1.2e-3"). */
void pl_result_line(const pl_call *call, pl_buf *out);

#endif
