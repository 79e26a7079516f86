/* tests/e2e/run_planish.h -- runs the real program and takes apart what it says.
 *
 * The program is $PLANISH_BIN.  Every run has a home and a store below one folder of the test's
 * own, which is made by the group's setup and removed by its teardown, and a stdin with content,
 * of which no run may read a byte. */
#ifndef PL_TESTS_RUN_PLANISH_H
#define PL_TESTS_RUN_PLANISH_H

#include "tests/support/check.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct run {
    int status;      /* exit status; 128 + signal if it was killed */
    char *out, *err; /* all of stdout and stderr */
    json_t **lines;  /* with --json: one object a line */
    double *seconds; /* between the end of the line before (or the start) and this one */
    size_t n_lines;
    size_t peak_bytes; /* its greatest resident size */
    bool goes_on;      /* with --keep-going */
} run;

int run_setup(void **ctx);
int run_setup_inside(void **ctx); /* what a run writes by name lands in the folder too */
int run_teardown(void **ctx);

/* The test's folder, and a path in it (good until the twelfth next call). */
const char *run_folder(void);
const char *run_path(const char *name);

/* The demo's checkpoint in the checkout. */
const char *run_demo_folder(void);

/* $PLANISH_BIN without its last two parts. */
const char *run_build_folder(void);

/* Standard output of a shell's script, which must succeed; the caller's. */
char *run_shell(const char *format, ...) PL_PRINTF(1, 2);

/* planish ARGS, NULL-terminated; lines are parsed if --json is among them, and then every line of
 * stdout must be an object with schema, version, command, ok, and result or error, and its result
 * as app/json.md has it. */
run run_planish(const char *const *args);
#define RUN(...) run_planish((const char *const[]){__VA_ARGS__, NULL})

/* planish --json -c SCRIPT on the demo, with a store that all runs of the program share. */
run run_demo(const char *script);
void run_free(run *r);

/* Result of line i, which must be ok. */
json_t *run_result(const run *r, size_t i);
json_t *run_last(const run *r); /* the last line's result; status must be 0 */

/* A result holds these keys: "name" with a value, "name?" with null;
 * further ones may be there. */
void run_check_keys(const json_t *result, const char *keys);
double run_number(const json_t *result, const char *key);

/* The run failed: exit status, one sentence on stderr (behind warnings) that says this; with --json
 * an error object as the last line that says the same. */
void run_check_failed(const run *r, int status, const char *says);

/* The run of a script failed, and what it printed as JSON says this, quotes as \\". */
void run_check_refused(const run *r, const char *script, const char *says);

/* No C0 but newline, no DEL, no C1, valid UTF-8. */
void run_check_clean(const char *text);

/* Seconds a command on the demo may take: 2; 8 where CI is set or under a sanitizer; more on a
 * machine that is busy with something else. */
double run_limit(void);

/* Whole file; caller frees. */
char *run_read(const char *path, size_t *size);

/* The count values of a .npy of float32 in the test's folder that Planish wrote; caller frees. */
float *run_read_npy(const char *name, size_t count);

void run_write(const char *path, const char *text);

/* How often a piece is in a text. */
size_t run_count(const char *text, const char *piece);

#endif
