/* Big models: seconds and peak memory of opening, of inspecting one layer, and of calibrating and
 * solving a block, by the real program.
 *
 * Peak memory is the program's greatest resident size (ru_maxrss): everything counts, its own
 * 25 MB too.  What a block needs is
 *     4 (h (2 h + 2 k) + 3 h i)                   its weights in float32
 *   + 4 (3 h^2 + i^2)                             the Gram matrices of its four sites, as squares
 *   + 4 T (6 h + 2 k + 3 i) + 4 T h (windows + 1) what its linear layers take in and give out for
 *                                                 one window of T tokens, and the hidden states
 * with h, i, k: hidden and intermediate size, rows of k_proj.  ratio is peak over that.
 *
 * Checkpoints are sparse files with one block's weights written; two blocks stand for all, since no
 * step holds more than one.  Astro runs 2 iterations: their number changes no allocation. */
#include "tests/bench/bench.h"
#include "tests/support/big_model.h"

#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { WINDOWS = 2, LENGTH = 512, PATH = 600, RUNS = 9 };

static char folder[512]; /* all files of this bench */

static void path_of(const char *name, char out[PATH])
{
    snprintf(out, PATH, "%s/%s", folder, name);
}

typedef struct cost {
    double seconds, bytes;
} cost;

/* planish MODEL --store STORE -c SCRIPT, without output. */
static cost measure(const char *model, const char *script)
{
    const char *program = getenv("PLANISH_BIN");
    char where[PATH], store[PATH];
    struct rusage usage = {0};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;
    path_of(model, where);
    path_of("store", store);
    if (program == NULL) {
        bench_fail("PLANISH_BIN is not set", NULL);
    }
    const char *const args[] = {program, where, "--store", store, "-c", script, NULL};
    char *argv[sizeof args / sizeof args[0]];
    memcpy(argv, args, sizeof argv);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    const double begin = bench_now();
    if (posix_spawn(&pid, program, &actions, NULL, argv, environ) != 0 ||
        wait4(pid, &status, 0, &usage) != pid || status != 0) {
        bench_fail(script, NULL);
    }
    posix_spawn_file_actions_destroy(&actions);
    return (cost){bench_now() - begin, 1024.0 * (double)usage.ru_maxrss};
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_model(const big_shape *shape, const big_options *options)
{
    char where[PATH];
    path_of(shape->name, where);
    if (mkdir(where, 0700) != 0 || !big_model_write(where, shape, options)) {
        bench_fail(where, NULL);
    }
}

static void drop(const char *name)
{
    char where[PATH];
    path_of(name, where);
    remove_all(where);
}

/* The median time and the greatest peak of several runs. */
static cost measure_often(const char *model, const char *script)
{
    double seconds[RUNS];
    cost all = {0};
    for (int i = 0; i < RUNS; i++) {
        const cost one = measure(model, script);
        seconds[i] = one.seconds;
        all.bytes = one.bytes > all.bytes ? one.bytes : all.bytes;
    }
    all.seconds = bench_median(seconds, RUNS);
    return all;
}

static void print_cost(const char *work, const big_shape *shape, cost c, double seconds,
                       double bytes)
{
    bench_print(json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "bench", "open", "work",
                          work, "model", shape->name, "file_gb", big_model_bytes(shape) / 1e9,
                          "seconds", c.seconds, "limit_seconds", seconds, "peak_mb", c.bytes / 1e6,
                          "limit_mb", bytes / 1e6, "ratio", c.bytes / bytes));
}

static void open_and_inspect(const big_shape *shape)
{
    const double layer = 4.0 * (double)shape->hidden * (double)shape->inner;
    make_model(shape, &(big_options){.filled = 1, .whole_vocab = true});
    print_cost("open", shape, measure_often(shape->name, "info"), 0.1, 30e6);
    print_cost("inspect a layer", shape,
               measure_often(shape->name, "outliers 0.down_proj side=weight"), 1.0, 30e6 + layer);
    drop(shape->name);
}

static void solve_block(big_shape shape)
{
    static const char *const layers[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                         "gate_proj", "up_proj", "down_proj"};
    char script[4096], calibrate[1024], text[PATH];
    shape.blocks = 2;
    make_model(&shape, &(big_options){.filled = 1});
    path_of("text.txt", text);
    if (!big_text_write(text, 4096)) {
        bench_fail(text, NULL);
    }
    snprintf(calibrate, sizeof calibrate, "calibrate text='%s' windows=%d length=%d", text, WINDOWS,
             LENGTH);
    int used = snprintf(script, sizeof script,
                        "%s; method astro beta=3e-4 iterations=2; method gptq bits=4", calibrate);
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        used += snprintf(script + used, sizeof script - (size_t)used, "; solve 0.%s", layers[i]);
    }
    const double weights = big_block_bytes(&shape), grams = big_gram_bytes(&shape);
    const double activations = big_activation_bytes(&shape, WINDOWS, LENGTH);
    const double need = weights + grams + activations;
    const cost first = measure(shape.name, calibrate);
    const cost all = measure(shape.name, script);
    bench_print(json_pack(
        "{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "bench", "open", "work",
        "calibrate and solve a block", "model", shape.name, "seconds", first.seconds + all.seconds,
        "weights_mb", weights / 1e6, "gram_mb", grams / 1e6, "activations_mb", activations / 1e6,
        "calibrate_mb", first.bytes / 1e6, "solve_mb", all.bytes / 1e6, "calibrate_ratio",
        first.bytes / need, "ratio", all.bytes / need, "limit", 1.2));
    drop(shape.name);
    drop("store");
}

int main(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/planish-bench-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(folder) == NULL) {
        bench_fail("no temporary folder", NULL);
    }
    open_and_inspect(&big_llama_7b);
    solve_block(big_qwen_1_5b);
    solve_block(big_llama_7b);
    remove_all(folder);
    return 0;
}
