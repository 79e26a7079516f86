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
    PL_KEY_FILES, /* a file each time; it may be given again */
    PL_KEY_NEW_FILE,
    PL_KEY_INT,
    PL_KEY_REAL,
    PL_KEY_CHOICE,
    PL_KEY_LENGTH,
    PL_KEY_LAYER,
    PL_KEY_FORM,   /* of a figure: each has its own */
    PL_KEY_VIEW,   /* its choices are the views' names */
    PL_KEY_FORMAT, /* its choices are the number formats' */
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

/* What undo takes back of a command with an apply half. */
typedef enum pl_history {
    PL_HISTORY_STEP, /* each is a step of its own */
    PL_HISTORY_LOOK, /* what is looked at: no step; from keys those in a row are one log line */
    PL_HISTORY_KNOB, /* those of one turn of the knob are one step */
    PL_HISTORY_NONE, /* it adds results or ends the program: nothing to take back */
} pl_history;

/* What `rebuild` does with a command that a figure's file carries. */
typedef enum pl_rebuilding {
    PL_REBUILD_REFUSED, /* a file of somebody else's must not do this */
    PL_REBUILD_RUN,
    PL_REBUILD_MODEL,      /* open: the model is found already */
    PL_REBUILD_TEXTS,      /* its keys of files name texts that are looked for first */
    PL_REBUILD_CHECKPOINT, /* its after= names a checkpoint that is looked for first */
    PL_REBUILD_FIGURE,     /* it draws: what it reads is compared with the file's record */
} pl_rebuilding;

/* What waits for a command that runs. */
typedef enum pl_brings {
    PL_BRINGS_OTHER,
    PL_BRINGS_INPUTS,     /* solves and figures that need a calibration */
    PL_BRINGS_TRANSFORM,  /* solves that need a learned transform */
    PL_BRINGS_PERPLEXITY, /* the header's perplexity */
} pl_brings;

/* A parsed command and what its two halves hand on. */
typedef struct pl_call {
    const pl_command *command;
    char *text;   /* as typed */
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
        pl_spec spec; /* target: what the layer's slot gets with it */
    } * solved;       /* solve: what was solved */
    size_t n_solved;
    int *given; /* allocate: [n_given, 2] bits (0: it stays as it is) and group size (-1: as it
                   is) for each layer */
    size_t n_given;
    size_t columns;      /* of the terminal that the result's text is for, 0: any; tables fit it */
    char *warning;       /* to tell the user beside the result, or NULL */
    bool unchanged;      /* its apply half changed nothing: there is no step to undo */
    const char *differs; /* what is not as it was, a sentence: a batch goes on, and exits 1 */
} pl_call;

/* A call of a command under another word, by which the palette finds it. */
typedef struct pl_alias {
    const char *name; /* "worst" */
    const char *call; /* what stands behind the command's name: "sort=input_ratio top=10" */
    const char *help; /* what it does, a few words */
    bool ask;         /* it is put into the prompt to be finished */
} pl_alias;

/* A row says all that is to be known of a command: nobody compares with its name. */
struct pl_command {
    const char *name;
    /* For help and completion: words in lower case are meant as they stand, those in upper case
     * name a kind of word (complete.c lists the kinds): "[LAYER|all]"; "" where there is none. */
    const char *positional;
    size_t min_words, max_words;
    bool raw;            /* the rest of the line is one word, with its blanks, quotes and `=` */
    const pl_key *keys;  /* ends with name NULL */
    bool any_key;        /* keys are checked by the command itself (method) */
    const char *summary; /* one sentence */
    int revision;        /* how often a key of its JSON has changed its type or meaning */
    bool needs_model;    /* the demo is opened first where nothing is open */
    pl_status (*run)(pl_call *call, pl_context cx, pl_error *err);
    pl_status (*apply)(pl_call *call, pl_state *state, pl_error *err);

    /* Whether this call may take long: then it waits for others like it, and quick ones go before
     * it.  NULL: never. */
    bool (*slow)(const pl_call *call);
    /* What the progress of such a call is counted in (core/jobs/progress.h), or NULL. */
    const char *unit;
    bool keeps; /* what is done is kept where it is stopped, and the same call goes on from there */
    bool sets;  /* apply changes the setting: results found under the new one before are taken back
                   behind it, and the result says layers_in_store */
    pl_history history;
    bool ends_run;    /* it ends a run, not the work: a session's script leaves it out */
    bool says_itself; /* on the screen: its message is the command, since its result is long */
    pl_rebuilding rebuild;
    pl_brings brings;
    bool in_setting; /* it may stand in a setting of `compare`: its apply half is all it does */
    bool learns;     /* run learns the layer's transform first, where it is a learned one */
    /* Calls that the palette offers ready to run: pairs of a word and what it does, then NULL; or
     * NULL for none. */
    const char *const *ready;
    const pl_alias *aliases;        /* ends with name NULL; or NULL */
    void (*more_help)(pl_buf *out); /* what `help NAME` adds, or NULL */
    /* Keys of its result that say how it ran, not what was found, for `replay`: "kernel threads";
     * "*": all of them, and replay leaves the command out.  NULL: those of any command. */
    const char *of_run;
    /* Columns of its table that a narrow terminal leaves out first: "rms token_id"; or NULL. */
    const char *least;
    /* The result as a person reads it; NULL: its object as lines and tables. */
    void (*put_text)(const pl_call *call, pl_buf *out);
    /* The same in one line, a sentence that fits into 78 columns; NULL: the object's numbers. */
    void (*put_line)(const pl_call *call, pl_buf *out);
    /* What the screen does instead of run, on its own thread; *taken says whether it did.  A
     * command with none of the other halves is the screen's alone. */
    pl_status (*on_screen)(pl_screen *screen, pl_call *call, bool *taken, pl_error *err);
    /* What a line that is still being typed would draw: the screen shows it, and its keys as
     * fields. NULL: nothing. */
    pl_status (*draft)(const pl_call *call, const pl_state *state, pl_draft *out, pl_error *err);
    /* What the screen does behind apply, `how` being how it ended; NULL: it draws anew where there
     * is an apply half. */
    void (*follow)(pl_screen *screen, const pl_call *call, pl_status how);
    pl_tour_step tour; /* the step of the tour that it completes; PL_TOUR_OFF for none */
    /* What a batch does instead of run: it has the session.  NULL: nothing else. */
    pl_status (*in_batch)(pl_front *front, pl_call *call, pl_error *err);
};

/* What a command does with the session that is kept, in a batch and on the screen alike.  *moved:
 * *state is initialised, and is what goes on from now.  On failure nothing has changed. */
typedef pl_status (*pl_session_act)(pl_front *front, pl_call *call, pl_state *state, bool *moved,
                                    pl_error *err);

/* Whether its first word is `all`. */
bool pl_call_is_of_all(const pl_call *call);

/* What the call's progress is counted in, or NULL. */
const char *pl_call_unit(const pl_call *call);
/* Whether the call may take long, see pl_command.slow. */
bool pl_call_is_slow(const pl_call *call);
/* Whether only the screen has the command. */
bool pl_command_is_screen_only(const pl_command *command);
/* Whether its first command ends a run; false where it cannot be parsed. */
bool pl_text_ends_run(const char *text);

/* "first|random", NULL where there are none. */
const char *pl_key_choices(const pl_key *key);

/* Of a command without keys. */
extern const pl_key pl_no_keys[];

/* NULL-terminated, in the order of help. */
const pl_command *const *pl_commands(void);
const pl_command *pl_command_find(const char *name);

/* Takes the next command off *script: *text (caller frees) is it as typed, trimmed, NULL at the
 * end.  An unclosed quote is PL_ERR_USAGE. */
PL_NODISCARD pl_status pl_script_next(const char **script, char **text, pl_error *err);

/* Appends a value as the grammar reads it, in quotes where it must be. */
void pl_command_quote(const char *value, pl_buf *out);

/* Whether text[size], whole lines, ends within a command: in a `\` that no quote or comment holds.
 */
bool pl_script_goes_on(const char *text, size_t size);

/* Parses one command's text and checks its words and keys against the table.  PL_ERR_USAGE names
 * what is unknown and the near ones.  Caller destroys *out. */
PL_NODISCARD pl_status pl_call_parse(const char *text, pl_call **out, pl_error *err);
void pl_call_destroy(pl_call *call);

/* The halves of a call's command (one that has none does nothing).  PL_ERR_MEMORY where any
 * reservation failed on the way, though the command went on: its result may lack something. */
PL_NODISCARD pl_status pl_call_run(pl_call *call, pl_context cx, pl_error *err);
PL_NODISCARD pl_status pl_call_apply(pl_call *call, pl_state *state, pl_error *err);

/* Value of a key, or NULL. */
const char *pl_call_value(const pl_call *call, const char *key);

/* Completions of a command line cut at the cursor: full replacements of its last word, quoted
 * where they must be, in a NULL-terminated array that the caller frees with pl_completions_free. */
char **pl_complete(const pl_state *state, const char *line);
/* Where that last word begins: behind the last blank or `;` that no quote holds. */
size_t pl_complete_word(const char *line);
void pl_completions_free(char **list);

/* Help of one command, or of all (command NULL), as plain lines. */
void pl_help(const pl_command *command, pl_buf *out);

/* The same for a method and its parameters; for all of them, and for all figures. */
void pl_help_method(const pl_method *method, pl_buf *out);
void pl_help_methods(pl_buf *out);
void pl_help_kinds(pl_buf *out);

/* A result for a person, over several lines: numbers by name, lists as aligned tables. */
void pl_result_text(const pl_call *call, pl_buf *out);
/* An object as lines and tables. */
void pl_result_object(json_t *result, pl_buf *out);
/* An array of objects as a table that fits the call's terminal. */
void pl_result_table(const pl_call *call, json_t *rows, pl_buf *out);

/* One line that tells a person what a result object says ("gap 0.8 %, relative_error 1.2e-3"). */
void pl_result_line(const pl_call *call, pl_buf *out);

#endif
