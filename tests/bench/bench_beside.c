/* What a run loses on a machine that does something else, too: a calibration of SmolLM2 on 8
 * windows beside 0, 1 and 4 processes that do nothing but compute, in turns.  With two threads on
 * two cores its fair share makes it take 1.5 times as long beside one, and 3 times beside four. */
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include "core/tensor/linalg.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURNS = 3, MOST_BUSY = 4 };

static void start_busy(pid_t *pids, int count)
{
    for (int i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (volatile double x = 1;; x = x * 1.0000001) {
            }
        }
        if (pids[i] < 0) {
            bench_fail("fork", NULL);
        }
    }
}

static void stop_busy(const pid_t *pids, int count)
{
    for (int i = 0; i < count; i++) {
        kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
}

/* Seconds of a calibration into an empty store, beside so many busy processes. */
static double calibrate_beside(int busy)
{
    char store[] = "/tmp/planish-bench-XXXXXX", command[4096], line[4096];
    pid_t pids[MOST_BUSY];
    double seconds = -1;
    if (mkdtemp(store) == NULL) {
        bench_fail("store", NULL);
    }
    snprintf(command, sizeof command,
             "'%s' '%s' --json --store '%s' -c 'calibrate text=%s/data/wikitext2-valid.txt "
             "length=512 windows=8'",
             getenv("PLANISH_BIN"), getenv("PLANISH_SMOLLM2"), store, getenv("PLANISH_SHARED"));
    start_busy(pids, busy);
    FILE *pipe = popen(command, "r");
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        json_t *object = json_loads(line, 0, NULL);
        const json_t *value = json_object_get(json_object_get(object, "result"), "seconds");
        seconds = json_is_number(value) ? json_number_value(value) : seconds;
        json_decref(object);
    }
    const int status = pipe != NULL ? pclose(pipe) : -1;
    stop_busy(pids, busy);
    snprintf(command, sizeof command, "rm -rf '%s'", store);
    if (status != 0 || seconds < 0 || system(command) != 0) {
        bench_fail("calibrate", NULL);
    }
    return seconds;
}

int main(void)
{
    static const int counts[] = {0, 1, MOST_BUSY};
    double seconds[3][TURNS], median[3];
    if (!bench_have_model() || getenv("PLANISH_BIN") == NULL) {
        bench_print(json_pack("{s:s, s:s}", "bench", "beside", "skipped",
                              "needs PLANISH_BIN, PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    bench_threads();
    (void)calibrate_beside(0); /* reads the files into the page cache */
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < 3; i++) {
            seconds[i][turn] = calibrate_beside(counts[i]);
        }
    }
    for (int i = 0; i < 3; i++) {
        median[i] = bench_median(seconds[i], TURNS);
    }
    bench_row("beside", "calibration beside one busy process over idle", median[1] / median[0],
              BENCH_AT_MOST, 1.8, json_pack("{s:f, s:f}", "idle", median[0], "busy", median[1]));
    bench_row("beside", "calibration beside four busy processes over idle", median[2] / median[0],
              BENCH_AT_MOST, 3.3, json_pack("{s:f, s:f}", "idle", median[0], "busy", median[2]));
    return 0;
}
