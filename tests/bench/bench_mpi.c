/* What planish-mpi takes on the demo with 1, 2 and 4 ranks of a thread, what a model of it says
 * they take, and what it says of 64.
 *
 * The model: units come from one queue, the dearest first; a rank computes one, c seconds of its
 * own, then rank 0's serving thread is busy with its messages for s, one rank after another; what a
 * command does beside its units stays.  c and s are those of the run with 2 ranks.  More ranks than
 * processors share them.  A calibration's unit costs a part for each window and a part for itself,
 * which the runs with 1 and 2 ranks tell apart; with more ranks it has fewer windows. */
#include "tests/bench/bench.h"

#include "core/tensor/linalg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 512, WINDOWS = 64, KINDS = 2, RUNS = 3, EACH = 2, CLUSTER = 64 };

static const char *const kinds[KINDS] = {"calibrate", "solve"};
static const size_t ranks[RUNS] = {1, 2, 4};

typedef struct units {
    size_t count, elsewhere;
    double compute[MOST]; /* of each */
    double served;        /* of one, in the mean over those that other ranks had */
    double rest;          /* what the command takes beside them */
    double whole;         /* seconds of the command */
} units;

static char folder[] = "/tmp/planish-bench-XXXXXX";

static void shell(const char *command)
{
    if (system(command) != 0) {
        bench_fail(command, NULL);
    }
}

/* Seconds of the two commands. */
static void run(size_t count, double seconds[KINDS])
{
    char command[1024], line[65536];
    snprintf(command, sizeof command,
             "rm -rf %s/store; mpirun -n %zu \"${PLANISH_BIN}-mpi\" --json --threads 1 --store "
             "%s/store --trace %s/trace%zu -c 'method astro target=0.3; method gptq bits=3; "
             "calibrate length=128 windows=%d; solve all sequential=no' 2> /dev/null",
             folder, count, folder, folder, count, WINDOWS);
    FILE *pipe = popen(command, "r");
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        json_t *object = json_loads(line, 0, NULL);
        const char *said = json_string_value(json_object_get(object, "command"));
        const json_t *value = json_object_get(json_object_get(object, "result"), "seconds");
        for (size_t k = 0; k < KINDS; k++) {
            if (said != NULL && strncmp(said, kinds[k], strlen(kinds[k])) == 0) {
                seconds[k] = json_number_value(value);
            }
        }
        json_decref(object);
    }
    if (pipe == NULL || pclose(pipe) != 0) {
        bench_fail(command, NULL);
    }
}

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

/* The units of a kind in a run's trace; times of the computing alone. */
static void read_trace(size_t count, const char *kind, units *out)
{
    char path[64], line[1024];
    double served = 0.0;
    *out = (units){0};
    snprintf(path, sizeof path, "%s/trace%zu", folder, count);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        json_t *object = json_loads(line, 0, NULL);
        const char *own = json_string_value(json_object_get(object, "kind"));
        if (own != NULL && strcmp(own, kind) == 0 && out->count < MOST) {
            out->compute[out->count++] = number(object, "seconds") - number(object, "waited");
            out->elsewhere += number(object, "rank") > 0.0;
            served += number(object, "served");
        }
        json_decref(object);
    }
    if (file == NULL || out->count == 0) {
        bench_fail(path, NULL);
    }
    fclose(file);
    out->served = out->elsewhere > 0 ? served / (double)out->elsewhere : 0.0;
}

static int falling(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* Seconds until the last of the units has ended. */
static double simulate(const units *u, size_t count, double slower)
{
    double ends[CLUSTER] = {0}, serving = 0.0, last = 0.0, compute[MOST];
    memcpy(compute, u->compute, sizeof compute);
    qsort(compute, u->count, sizeof *compute, falling);
    for (size_t i = 0; i < u->count; i++) {
        size_t first = 0;
        for (size_t r = 1; r < count; r++) {
            first = ends[r] < ends[first] ? r : first;
        }
        double end = ends[first] + slower * compute[i];
        if (first > 0) { /* rank 0 sends itself nothing */
            end = serving = fmax(end, serving) + u->served;
        }
        ends[first] = end;
        last = fmax(last, end);
    }
    return last;
}

/* A calibration for so many ranks: whole is what one process takes for all windows. */
static units recut(const units *two, double whole, size_t count)
{
    units out = *two;
    const double windows = (double)WINDOWS / (double)two->count;
    double mean = 0.0;
    for (size_t i = 0; i < two->count; i++) {
        mean += two->compute[i] / (double)two->count;
    }
    const double each = fmax((whole - mean) / ((double)WINDOWS - windows), 0.0);
    const double own = fmax(mean - each * windows, 0.0);
    size_t size = 1;
    while (2 * size * EACH * count <= WINDOWS) {
        size *= 2;
    }
    out.count = (WINDOWS + size - 1) / size;
    for (size_t i = 0; i < out.count; i++) {
        out.compute[i] = own + each * (double)size;
    }
    out.rest = two->rest * (double)out.count / (double)two->count; /* joining what each made */
    return out;
}

static double slower(size_t count)
{
    const double processors = (double)pl_linalg_processors();
    return fmax((double)count / processors, 1.0);
}

static double predict(size_t kind, const units *two, double whole, size_t count, double share)
{
    const units u = kind == 0 ? recut(two, whole, count) : *two;
    return (count > 1 ? u.rest : 0.0) + simulate(&u, count, share);
}

int main(void)
{
    double seconds[RUNS][KINDS] = {{0}};
    if (getenv("PLANISH_BIN") == NULL || system("command -v mpirun > /dev/null") != 0 ||
        system("test -x \"${PLANISH_BIN}-mpi\"") != 0) {
        bench_print(json_pack("{s:s, s:s}", "bench", "mpi", "skipped",
                              "needs PLANISH_BIN, planish-mpi beside it and mpirun"));
        return 0;
    }
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1);
    if (mkdtemp(folder) == NULL) {
        bench_fail(folder, NULL);
    }
    for (size_t i = 0; i < RUNS; i++) {
        run(ranks[i], seconds[i]);
    }
    for (size_t k = 0; k < KINDS; k++) {
        units two;
        read_trace(2, kinds[k], &two);
        two.whole = seconds[1][k];
        two.rest = fmax(two.whole - simulate(&two, 2, 1.0), 0.0);
        const double one = seconds[0][k];
        json_t *line = json_pack("{s:s, s:s, s:i, s:f, s:f}", "bench", "mpi", "command", kinds[k],
                                 "units_of_2_ranks", (int)two.count, "served_per_unit", two.served,
                                 "rest", two.rest);
        for (size_t i = 0; i < RUNS; i++) {
            char name[40];
            const double said = i == 0 && k == 0
                                    ? one /* the model is fitted to it */
                                    : predict(k, &two, one, ranks[i], slower(ranks[i]));
            snprintf(name, sizeof name, "seconds_%zu", ranks[i]);
            json_object_set_new(line, name, json_real(seconds[i][k]));
            snprintf(name, sizeof name, "predicted_over_measured_%zu", ranks[i]);
            json_object_set_new(line, name, json_real(said / seconds[i][k]));
        }
        const double many = predict(k, &two, one, CLUSTER, 1.0);
        json_object_set_new(line, "predicted_seconds_64", json_real(many));
        json_object_set_new(line, "predicted_speedup_64", json_real(one / many));
        bench_print(line);
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    shell(command);
    return 0;
}
