/* What a solve of all layers in sequence costs: SmolLM2, 16 windows, GPTQ at W4.  In sequence it
 * has the inputs of each part of a block made anew by the layers solved before it; the alternative
 * is one calibration and a solve of each layer on the original's inputs. */
#include "tests/bench/bench.h"
#include "tests/bench/program.h"
#include "tests/bench/rows.h"

#define SET_UP "calibrate text=$TEXT length=512 windows=16"
#define GPTQ SET_UP "; method gptq bits=4; solve all sequential="

enum { TURNS = 3 };

int main(void)
{
    double calibration[TURNS], apart[TURNS], sequence[TURNS];
    if (!bench_have_planish("sequential")) {
        return 0;
    }
    bench_threads();
    for (int turn = 0; turn < TURNS; turn++) {
        char store[BENCH_STORE_SIZE];
        bench_store_make(store);
        calibration[turn] = bench_planish_seconds(store, SET_UP);
        apart[turn] = bench_planish_seconds(store, GPTQ "no");
        sequence[turn] = bench_planish_seconds(store, GPTQ "yes");
        bench_store_remove(store);
    }
    const double once = bench_median(calibration, TURNS), solve = bench_median(apart, TURNS),
                 all = bench_median(sequence, TURNS);
    bench_row("sequential", "solve all in sequence over calibration + solve of each layer",
              all / (once + solve), BENCH_AT_MOST, 1.3,
              json_pack("{s:f, s:f, s:f}", "calibration", once, "solve", solve, "sequence", all));
    return 0;
}
