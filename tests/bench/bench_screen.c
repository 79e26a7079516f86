/* How long a person waits, in a real pseudo-terminal of 100 x 30: from start to the first frame
 * that holds the layer list and the plot, and from a turn of the knob to the first frame with new
 * numbers.  Beside the same work without a screen: `planish -c info` and the solve alone.
 * Then what a key costs: bytes at three sizes, and the time to its frame at 300 x 80 while a
 * calibration runs and solves go before it.  On the built-in demo, and on SmolLM2 where it is. */
#include "tests/bench/bench.h"
#include "tests/screen/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 30, COLS = 100, KEYS = 40, TURNS = 9, KNOB_TURNS = 24, TEXT = 4096 };

/* Reads on, a millisecond at a time, until there(pty, ctx); returns the time since start, in ms. */
static double wait_until(pl_pty *pty, bool (*there)(pl_pty *pty, const void *ctx), const void *ctx,
                         double start, double limit)
{
    while (!there(pty, ctx)) {
        if (bench_now() - start > limit) {
            fprintf(stderr, "%s", pl_pty_text(pty));
            bench_fail("the screen did not show what it should", NULL);
        }
        pl_pty_run(pty, 0.001);
    }
    return 1e3 * (bench_now() - start);
}

/* The layer list and a braille cell (U+2800..U+28FF begins with E2 A0..A3). */
static bool shows_everything(pl_pty *pty, const void *ctx)
{
    (void)ctx;
    const char *text = pl_pty_text(pty);
    if (strstr(text, "q_proj") == NULL) {
        return false;
    }
    for (const char *at = text; (at = strchr(at, '\xe2')) != NULL; at++) {
        if ((unsigned char)at[1] >= 0xa0 && (unsigned char)at[1] <= 0xa3) {
            return true;
        }
    }
    return false;
}

static bool shows_text(pl_pty *pty, const void *ctx)
{
    return pl_pty_shows(pty, ctx);
}

/* The tuner's group maxima, before and after. */
static void numbers(pl_pty *pty, char out[64])
{
    const char *at = strstr(pl_pty_text(pty), "group max ");
    size_t length = at != NULL ? strcspn(at, "\n") : 0;
    snprintf(out, 64, "%.*s", (int)(length < 63 ? length : 63), at != NULL ? at : "");
}

static bool shows_other_numbers(pl_pty *pty, const void *ctx)
{
    char now[64];
    numbers(pty, now);
    return now[0] != '\0' && strcmp(now, ctx) != 0;
}

/* Milliseconds of a whole batch run; *seconds is what its last command says of itself, or NaN. */
static double batch(const char *model, const char *commands, double *seconds)
{
    char command[TEXT], line[TEXT], last[TEXT] = "";
    const char *program = getenv("PLANISH_BIN");
    snprintf(command, sizeof command, "'%s' %s%s%s --json -c '%s' 2>/dev/null",
             program != NULL ? program : "", model != NULL ? "'" : "", model != NULL ? model : "",
             model != NULL ? "'" : "", commands);
    double start = bench_now();
    FILE *pipe = popen(command, "r");
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        memcpy(last, line, sizeof last);
    }
    if (pipe == NULL || pclose(pipe) != 0) {
        fprintf(stderr, "%s\n%s", command, last);
        bench_fail("a batch run", NULL);
    }
    double milliseconds = 1e3 * (bench_now() - start);
    json_t *object = json_loads(last, 0, NULL);
    const json_t *value = json_object_get(json_object_get(object, "result"), "seconds");
    *seconds = value != NULL ? json_number_value(value) : (double)NAN;
    json_decref(object);
    return milliseconds;
}

static void type_command(pl_pty *pty, const char *command)
{
    char keys[TEXT];
    snprintf(keys, sizeof keys, ":%s\r", command);
    pl_pty_send(pty, keys);
}

/* The knob's turns.  Between them everything comes to rest: the recorded, cold solve goes on
 * behind the preview. */
static void turn_knob(pl_pty *pty, double milliseconds[KNOB_TURNS])
{
    char before[64];
    for (int i = -1; i < KNOB_TURNS; i++) { /* the first one also makes the factors: not counted */
        numbers(pty, before);
        double start = bench_now();
        pl_pty_send(pty, "\x1bOC"); /* right: never a value that was solved before */
        double waited = wait_until(pty, shows_other_numbers, before, start, 30);
        if (i >= 0) {
            milliseconds[i] = waited;
        }
        pl_pty_run(pty, 1.0);
    }
}

/* model NULL: the demo.  calibrate: the command to do it with, NULL where it does it itself. */
static void measure(const char *folder, const char *name, const char *model, const char *layer_name,
                    const char *calibrate)
{
    const char *const args[] = {model, NULL};
    char select[64], commands[TEXT];
    double open[TURNS], first[TURNS], knob[KNOB_TURNS], unused, solve = 0;
    pl_pty *pty = NULL;
    snprintf(select, sizeof select, "select %s", layer_name);
    for (int i = 0; i < TURNS; i++) {
        open[i] = batch(model, "info", &unused);
        pl_pty_stop(pty);
        double start = bench_now();
        pty = pl_pty_start(folder, ROWS, COLS, "xterm-256color", "C.UTF-8", args);
        first[i] = wait_until(pty, shows_everything, NULL, start, 20);
    }
    if (calibrate != NULL) {
        type_command(pty, calibrate);
    }
    wait_until(pty, shows_text, " calibrated 4,096 tokens", bench_now(), 300);
    type_command(pty, select);
    pl_pty_run(pty, 1.0);
    turn_knob(pty, knob);
    pl_pty_stop(pty);
    snprintf(commands, sizeof commands,
             "%s; %s; method astro beta=3e-4; method gptq; solve; method astro beta=4e-4; solve",
             calibrate != NULL ? calibrate : "info", select);
    batch(model, commands, &solve);
    double start_ms = bench_median(first, TURNS), knob_ms = bench_median(knob, KNOB_TURNS);
    bench_print(json_pack(
        "{s:s, s:s, s:s, s:f, s:i, s:f, s:f, s:f, s:f}", "bench", "screen", "model", name, "layer",
        layer_name, "start_to_first_frame_ms", start_ms, "start_limit_ms", 150, "start_over_info",
        start_ms / bench_median(open, TURNS), "knob_to_first_frame_ms", knob_ms, "knob_p95_ms",
        knob[KNOB_TURNS * 95 / 100], "knob_over_solve", knob_ms / (1e3 * solve)));
}

/* --- keys ------------------------------------------------------------------------------------- */

static const char *const crosshair[] = {"\033OC", "\033OC", "\033OD"};
static const char *const layer[] = {"j", "j", "k"};
static const char *const knob[] = {"\033OC", "\033OD"};

static double most(const double *values, int count)
{
    double best = 0;
    for (int i = 0; i < count; i++) {
        best = values[i] > best ? values[i] : best;
    }
    return best;
}

static void print_keys(const char *model, const char *key, bool busy, pl_pty *pty, pl_measure *m,
                       double limit_bytes, double limit_ms)
{
    double median_bytes = pl_measure_median(m->bytes, m->count);
    bench_print(json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}",
                          "bench", "keys", "model", model, "key", key, "busy", busy, "cols",
                          pl_pty_cols(pty), "rows", pl_pty_rows(pty), "count", m->count, "lost",
                          m->lost, "bytes_median", median_bytes, "bytes_most",
                          most(m->bytes, m->count), "bytes_limit", limit_bytes, "ms_median",
                          pl_measure_median(m->ms, m->count), "ms_p95",
                          pl_measure_p95(m->ms, m->count), "ms_limit", limit_ms));
}

/* At rest, on the demo. */
static void measure_bytes(const char *folder, int rows, int cols)
{
    pl_pty *pty = pl_pty_start(folder, rows, cols, "xterm-256color", "C.UTF-8", NULL);
    wait_until(pty, shows_text, " calibrated 4,096 tokens", bench_now(), 30);
    type_command(pty, "tour off; select 1.q_proj; solve");
    pl_pty_rest(pty, 0.5, 10);
    pl_measure m = pl_measure_keys(pty, layer, 3, KEYS, 0.12);
    print_keys("demo", "layer", false, pty, &m, 0, 16);
    m = pl_measure_keys(pty, knob, 2, KEYS, 0.3);
    print_keys("demo", "knob", false, pty, &m, 0, 50);
    pl_pty_send(pty, "\t");
    pl_pty_rest(pty, 0.2, 5);
    m = pl_measure_keys(pty, crosshair, 3, KEYS, 0.08);
    print_keys("demo", "crosshair", false, pty, &m, 4096, 16);
    pl_pty_stop(pty);
}

/* A long calibration runs, and every turn of the knob has it give way to a solve. */
static void measure_busy(const char *folder, const char *calibrate)
{
    const char *const args[] = {getenv("PLANISH_SMOLLM2"), NULL};
    char busy[TEXT];
    pl_pty *pty = pl_pty_start(folder, 80, 300, "xterm-256color", "C.UTF-8", args);
    wait_until(pty, shows_text, "q_proj", bench_now(), 30);
    type_command(pty, "tour off");
    type_command(pty, calibrate); /* in the store by now */
    wait_until(pty, shows_text, " calibrated 4,096 tokens", bench_now(), 300);
    type_command(pty, "select 15.q_proj; solve");
    pl_pty_rest(pty, 0.5, 20);
    snprintf(busy, sizeof busy, "%s windows=400", calibrate);
    type_command(pty, busy);
    pl_pty_run(pty, 2);
    pl_measure m = pl_measure_keys(pty, knob, 2, KEYS / 2, 0.6);
    print_keys("SmolLM2-135M", "knob", true, pty, &m, 0, 50);
    pl_pty_send(pty, "\t");
    pl_pty_run(pty, 0.3);
    m = pl_measure_keys(pty, crosshair, 3, KEYS, 0.05);
    print_keys("SmolLM2-135M", "crosshair", true, pty, &m, 4096, 16);
    pl_pty_stop(pty);
}

int main(void)
{
    char folder[] = "/tmp/planish-bench-XXXXXX", path[64], calibrate[1024];
    if (mkdtemp(folder) == NULL) {
        bench_fail(folder, NULL);
    }
    /* The batch runs share the screens' store. */
    snprintf(path, sizeof path, "%s/cache", folder);
    setenv("XDG_CACHE_HOME", path, 1);
    measure(folder, "demo", NULL, "1.q_proj", NULL);
    measure_bytes(folder, 24, 80);
    measure_bytes(folder, 50, 200);
    measure_bytes(folder, 80, 300);
    if (bench_have_model()) {
        snprintf(calibrate, sizeof calibrate, "calibrate text=%s/data/wikitext2-valid.txt",
                 getenv("PLANISH_SHARED"));
        measure(folder, "SmolLM2-135M", getenv("PLANISH_SMOLLM2"), "15.q_proj", calibrate);
        measure_busy(folder, calibrate);
        measure(folder, "SmolLM2-135M", getenv("PLANISH_SMOLLM2"), "15.gate_proj", calibrate);
    } else {
        bench_print(json_pack("{s:s, s:s, s:s}", "bench", "screen", "model", "SmolLM2-135M",
                              "skipped", "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
    }
    snprintf(calibrate, sizeof calibrate, "rm -rf '%s'", folder);
    return system(calibrate) == 0 ? 0 : 1;
}
