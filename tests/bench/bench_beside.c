/* What a run loses on a machine that does something else, too: a calibration of SmolLM2 on 8
 * windows beside 0, 1 and 4 processes that do nothing but compute, in turns.  With two threads on
 * two cores its fair share makes it take 1.5 times as long beside one, and 3 times beside four. */
#include "tests/bench/bench.h"
#include "tests/bench/program.h"
#include "tests/bench/rows.h"

#include <signal.h>
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
    char store[BENCH_STORE_SIZE];
    pid_t pids[MOST_BUSY];
    bench_store_make(store);
    start_busy(pids, busy);
    const double seconds =
        bench_planish_seconds(store, "calibrate text=$TEXT length=512 windows=8");
    stop_busy(pids, busy);
    bench_store_remove(store);
    return seconds;
}

int main(void)
{
    static const int counts[] = {0, 1, MOST_BUSY};
    double seconds[3][TURNS], median[3];
    if (!bench_have_planish("beside")) {
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
