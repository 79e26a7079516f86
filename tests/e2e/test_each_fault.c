/* Every command that reads, computes or writes, with each kind of failure at its n-th call of the
 * operating system or reservation, and under limits of the process: it says so in a sentence or
 * gives what it gives without; what it leaves under a name that was asked for is whole; nothing in
 * the making is left; and the same again, in what that left, gives what it gave at first.  Reads
 * and writes that are interrupted or do half of what they are asked change nothing.
 *
 * A failure of one kind for each scenario; with PLANISH_TEST_ALL a few of every kind, and as many
 * of every kind as PLANISH_FAULTS says.  PLANISH_FAULTS_IN names the only scenario. */
#include "tests/e2e/run_planish.h"

#include "core/base/temporary.h"
#include "core/base/text.h"
#include "tests/support/temp.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* @o is the folder for what is made, @g what was made before.  Who saves has a session. */
typedef struct scenario {
    const char *name, *script;
} scenario;

#define SHORT "calibrate text=@g/model/calibration.txt windows=1 length=32; "
#define ROUNDED SHORT "method rtn bits=4; solve all sequential=no; "

static const scenario given = {
    .name = "given",
    .script = "open @g/model; " ROUNDED "plot channels 1.q_proj file=@g/model/f.png dpi=40; "
              "export dir=@g/ct format=compressed-tensors; note 1.q_proj \"a note\"; "
              "perplexity text=@g/model/evaluation.txt windows=1 length=32; "
              "plot histogram 1.k_proj file=@g/h.svg; save; sessions export @g/moved.planish",
};

static const scenario scenarios[] = {
    {"solve", "open @g/model; " SHORT "method astro iterations=2; method gptq bits=3; "
              "solve 1.q_proj; solve 1.up_proj; dump weights 1.q_proj which=after file=@o/w.npy; "
              "dump stats file=@o/s.npy"},
    {"in sequence", SHORT "method qronos bits=4; solve all; layers file=@o/l.csv; "
                          "layers file=@o/l.tex; perplexity which=after windows=1 length=32"},
    {"flatquant", SHORT "method flatquant steps=2 rows=32; method rtn bits=4; learn 1.q_proj; "
                        "solve 1.q_proj; dump weights 1.q_proj which=after file=@o/w.npy"},
    {"flatquant of a block",
     SHORT "method flatquant scope=block steps=2; method rtn bits=4; "
           "learn 1.q_proj; solve 1.q_proj; plot learning 1.q_proj file=@o/l.csv"},
    {"spinquant", SHORT "activations bits=4; method spinquant steps=1 online=no; method rtn bits=4 "
                        "group_size=0; learn 1.q_proj; solve 1.q_proj; "
                        "dump weights 1.q_proj which=after file=@o/w.npy"},
    {"hf", ROUNDED "export dir=@o/hf"},
    {"compressed-tensors", ROUNDED "export dir=@o/ct format=compressed-tensors"},
    {"gptq", ROUNDED "export dir=@o/gptq format=gptq"},
    {"awq", SHORT "method rtn bits=4 symmetric=no group_size=64; solve all sequential=no; "
                  "export dir=@o/awq format=awq"},
    {"gguf", ROUNDED "export dir=@o/gguf format=gguf dtype=f16"},
    {"converted", "export dir=@o/hf weights=original; export dir=@o/gguf format=gguf dtype=q8_0"},
    {"fp8", SHORT "method rtn format=fp8; solve all sequential=no; export dir=@o/fp8 format=fp8"},
    {"nvfp4", SHORT "method rtn format=nvfp4; solve all sequential=no; "
                    "export dir=@o/nvfp4 format=nvfp4"},
    {"png", "plot histogram 1.q_proj dpi=40 file=@o/h.png"},
    {"pdf", SHORT "figure 1x2 channels histogram file=@o/f.pdf caption=yes"},
    {"svg",
     "plot surface 1.q_proj side=weight file=@o/s.svg; plot envelope 1.q_proj file=@o/f.csv"},
    {"report", SHORT "method rtn bits=4; solve 1.q_proj; report 1.q_proj file=@o/r.html; "
                     "report all file=@o/r.pdf"},
    {"session", SHORT "note 1.q_proj \"a note\"; method rtn bits=4; solve 1.q_proj; save; "
                      "branch other; solve 1.k_proj; sessions; log file=@o/log.txt; "
                      "sessions export @o/moved.planish"},
    {"sessions import", "sessions import @g/moved.planish name=here model=@g/model files=@g/model; "
                        "sessions"},
    {"replay", "replay @g/moved.planish model=@g/model files=@g/model"},
    {"compare", ROUNDED "keep start; method rtn bits=3; solve 1.q_proj; "
                        "compare start windows=1 length=32 file=@o/c.csv"},
    {"tune", "calibrate text=@g/model/calibration.txt windows=2 length=32; method astro "
             "target=0.2; method rtn bits=3; "
             "tune 1.q_proj target=0.2:0.4:lin2 file=@o/t.csv"},
    {"allocate", SHORT "method rtn; allocate 1.q_proj bits=3.3 windows=1 length=32 "
                       "file=@o/bits.csv; solve 1.q_proj"},
    {"costs", SHORT
     "method rtn bits=3; solve 1.q_proj; sensitivity 1.q_proj windows=1 length=32 file=@o/s.csv; "
     "sweep 1.q_proj bits=3:4:lin2; "
     "generate \"a cat\" tokens=2"},
    {"rebuild", "open @g/model; rebuild @g/model/f.png; rebuild @g/model/f.png file=@o/f.png"},
    {"import", "open @g/model; import after=@g/ct; open @g/ct; "
               "perplexity text=@g/model/evaluation.txt windows=1 length=32"},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static const struct {
    const char *name;
    int codes[4];
} kinds[] = {{"open", {EMFILE, EACCES, EIO, ENOMEM}},  {"read", {EIO, EIO, EISDIR, ENOMEM}},
             {"write", {ENOSPC, EIO, EDQUOT, EFBIG}},  {"sync", {EIO, ENOSPC, EIO, EDQUOT}},
             {"rename", {EACCES, EIO, ENOSPC, EROFS}}, {"remove", {EACCES, EIO, EBUSY, EROFS}},
             {"folder", {ENOSPC, EACCES, EROFS, EIO}}, {"memory", {ENOMEM}}};
enum { KINDS = sizeof kinds / sizeof *kinds, REMOVE = 5, MEMORY = 7 };

/* ulimit's options and what is tried of each, from what nothing can be done with. */
static const struct {
    const char *name;
    char option;
    long least, most;
} limits[] = {
    {"open files", 'n', 4, 16},
    {"size of a file, in blocks", 'f', 1, 6000},
    {"address space, in KiB", 'v', 150000, 900000},
};
enum { LIMITS = sizeof limits / sizeof *limits, LIMIT_STEPS = 12 };

static char root[512], work[600], out[640], before[640], whole[600];

static void clear_fault(void)
{
    static const char *const names[] = {"LD_PRELOAD", "PLANISH_FAULT_KIND", "PLANISH_FAULT_AT",
                                        "PLANISH_FAULT_LOG", "PLANISH_FAULT_SHORT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsetenv(names[i]);
    }
}

/* at 0: counts. */
static void set_fault(size_t kind, size_t at, bool all)
{
    char number[32], code[32];
    snprintf(number, sizeof number, "%zu", at);
    snprintf(code, sizeof code, "%d", kind == MEMORY ? ENOMEM : kinds[kind].codes[at % 4]);
    unlink(run_path("calls"));
    setenv("PLANISH_FAULT_KIND", kinds[kind].name, 1);
    setenv("PLANISH_FAULT_AT", number, 1);
    setenv("PLANISH_FAULT_ALL", all ? "1" : "0", 1);
    setenv("PLANISH_FAULT_ERRNO", code, 1);
    setenv("PLANISH_FAULT_LOG", run_path("calls"), 1);
    setenv("LD_PRELOAD", PL_FAULTS, 1);
}

/* Of each kind, since set_fault. */
static void read_calls(size_t calls[KINDS])
{
    size_t size = 0;
    int64_t *counted = (int64_t *)(void *)run_read(run_path("calls"), &size);
    assert_int_equal(size, (KINDS + 1) * sizeof *counted);
    for (size_t i = 0; i < KINDS; i++) {
        calls[i] = (size_t)counted[i];
    }
    free(counted);
}

static void put_script(const scenario *s, pl_buf *script)
{
    for (const char *at = s->script; *at != '\0'; at++) {
        if (at[0] == '@' && (at[1] == 'o' || at[1] == 'g')) {
            pl_buf_puts(script, at[1] == 'o' ? out : before);
            at++;
        } else {
            pl_buf_append(script, at, 1);
        }
    }
    assert_false(script->failed);
}

static run run_scenario(const scenario *s)
{
    pl_buf script = {0};
    char session[700], store[700];
    put_script(s, &script);
    snprintf(session, sizeof session, "%s/s.planish", work);
    snprintf(store, sizeof store, "%s/store", work);
    run r = strstr(s->script, "save; ") != NULL
                ? RUN("--json", "--threads", "1", "--store", store, "--session", session, "-c",
                      script.data)
                : RUN("--json", "--threads", "1", "--store", store, "-c", script.data);
    pl_buf_deinit(&script);
    return r;
}

static void start_anew(void)
{
    free(run_shell("rm -rf '%s' && mkdir -p '%s' '%s/tmp' '%s/state' '%s/cache'", work, out, work,
                   work, work));
}

/* --- what must hold --------------------------------------------------------------------------- */

static const char *left_over;

static int find_left_over(const char *path, const struct stat *st, int type, struct FTW *at)
{
    static char found[1200];
    (void)st;
    (void)type;
    if (pl_temporary_is_named(path + at->base)) {
        snprintf(found, sizeof found, "%s", path);
        left_over = found;
    }
    return 0;
}

static const char *anything_in_the_making(void)
{
    left_over = NULL;
    assert_int_equal(nftw(root, find_left_over, 16, FTW_PHYS), 0);
    return left_over;
}

static const char *differing;
static bool all_of_it;

/* A file of the reference: there it is the same, or it is not there. */
static int compare_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    static char made[1200];
    (void)st;
    (void)at;
    if (type != FTW_F) {
        return 0;
    }
    snprintf(made, sizeof made, "%s%s", out, path + strlen(whole));
    const bool there = access(made, F_OK) == 0;
    bool same = there || !all_of_it;
    if (there) {
        size_t size = 0, want_size = 0;
        char *bytes = run_read(made, &size), *want = run_read(path, &want_size);
        same = size == want_size && memcmp(bytes, want, size) == 0;
        if (strstr(path, ".planish") != NULL || strstr(path, "/c.csv") != NULL) {
            same = size > 100; /* they say when they were made, or how long it took */
        }
        free(bytes);
        free(want);
    }
    if (!same) {
        differing = made;
    }
    return 0;
}

/* The first file that is not as it must be, or NULL. */
static const char *compare_files(bool all)
{
    differing = NULL;
    all_of_it = all;
    assert_int_equal(nftw(whole, compare_one, 16, FTW_PHYS), 0);
    return differing;
}

static void strip(json_t *value)
{
    static const char *const of_run[] = {"seconds",
                                         "tokens_per_second",
                                         "peak_bytes",
                                         "stored",
                                         "from_store",
                                         "layers_in_store",
                                         "read_from_store",
                                         "tokens_computed",
                                         "text_seconds",
                                         "prompt_seconds",
                                         "step",
                                         "session",
                                         "branch_of",
                                         "started",
                                         "changed",
                                         "commands",
                                         "sessions",
                                         "kept",
                                         "computed",
                                         "spread",
                                         "measured"};
    const char *key = NULL;
    size_t index = 0;
    json_t *inner = NULL;
    for (size_t i = 0; i < sizeof of_run / sizeof *of_run; i++) {
        json_object_del(value, of_run[i]);
    }
    json_object_foreach(value, key, inner)
    {
        strip(inner);
    }
    json_array_foreach(value, index, inner)
    {
        strip(inner);
    }
}

/* Results without what says how the run went. */
static void strip_all(run *r)
{
    for (size_t i = 0; i < r->n_lines; i++) {
        strip(json_object_get(r->lines[i], "result"));
    }
}

static bool same_results(const run *r, const run *reference, size_t *at)
{
    for (size_t i = 0; i < r->n_lines; i++) {
        *at = i;
        const json_t *now = json_object_get(r->lines[i], "result");
        if (now != NULL && !json_equal(now, json_object_get(reference->lines[i], "result"))) {
            return false;
        }
    }
    return true;
}

/* One sentence behind warnings. */
static bool is_a_sentence(const char *said)
{
    static const char warning[] = "planish: warning: ";
    while (strncmp(said, warning, strlen(warning)) == 0 && strchr(said, '\n') != NULL) {
        said = strchr(said, '\n') + 1;
    }
    const size_t size = strlen(said);
    return strncmp(said, "planish: ", 9) == 0 && size > 12 && strchr(said, '\n') == said + size - 1;
}

static size_t wrong, checked;

static void complain(const scenario *s, size_t kind, size_t n, size_t count, const char *what,
                     const run *r)
{
    wrong++;
    const char *name = kind < KINDS ? kinds[kind].name : limits[kind - KINDS].name;
    fprintf(stderr, "%s, %s %zu of %zu: %s\nexit status %d: %s\n", s->name, name, n, count, what,
            r->status, r->err);
}

static void check_run(const scenario *s, size_t kind, size_t n, size_t count, run *r, bool all,
                      const run *reference)
{
    char what[4000];
    size_t at = 0;
    const char *bad = compare_files(r->status == 0);
    if (r->status != 0 && r->status != 1) {
        complain(s, kind, n, count, "it ends so", r);
    } else if (r->status == 1 && !is_a_sentence(r->err)) {
        complain(s, kind, n, count, "not one sentence", r);
    }
    if (bad != NULL) {
        snprintf(what, sizeof what, "%s is %s", bad, access(bad, F_OK) == 0 ? "other" : "missing");
        complain(s, kind, n, count, what, r);
    }
    strip_all(r);
    if (!same_results(r, reference, &at)) {
        char *now = json_dumps(r->lines[at], JSON_COMPACT);
        char *then = json_dumps(reference->lines[at], JSON_COMPACT);
        snprintf(what, sizeof what, "%.1800s\ninstead of\n%.1800s", now, then);
        complain(s, kind, n, count, what, r);
        free(now);
        free(then);
    }
    /* Who may not remove or look into folders in a folder leaves them to the next. */
    const bool helpless = n > 0 && (kind == REMOVE || (all && strcmp(s->name, "replay") == 0));
    bad = helpless ? NULL : anything_in_the_making();
    if (bad != NULL) {
        snprintf(what, sizeof what, "%s is left", bad);
        complain(s, kind, n, count, what, r);
    }
}

/* The same once more in what is left of it, but for what it made. */
static void check_again(const scenario *s, size_t kind, size_t count, const run *reference)
{
    free(run_shell("rm -rf '%s' && mkdir '%s' && rm -f '%s'/s.planish*", out, out, work));
    free(run_shell("rm -rf '%s/state'", work));
    run r = run_scenario(s);
    if (r.status != 0) {
        complain(s, kind, 0, count, "and then it fails", &r);
    }
    check_run(s, kind, 0, count, &r, false, reference);
    run_free(&r);
    checked++;
}

static void check_fault(const scenario *s, size_t kind, size_t n, size_t count, bool all,
                        const run *reference)
{
    start_anew();
    set_fault(kind, n, all);
    run r = run_scenario(s);
    clear_fault();
    check_run(s, kind, n, count, &r, all, reference);
    run_free(&r);
    check_again(s, kind, count, reference);
}

static void check_short_transfers(const scenario *s, const run *reference)
{
    start_anew();
    set_fault(0, 0, false);
    setenv("PLANISH_FAULT_SHORT", "1", 1);
    run r = run_scenario(s);
    clear_fault();
    if (r.status != 0) {
        complain(s, 1, 0, 0, "it fails where reads and writes are short", &r);
    }
    check_run(s, 1, 0, 0, &r, true, reference);
    run_free(&r);
    checked++;
}

/* The step-th of the limit's values, which grow by a factor. */
static void check_limit(const scenario *s, size_t limit, int step, const run *reference)
{
    char program[1024], value[32];
    const double least = (double)limits[limit].least, most = (double)limits[limit].most;
    const long at = (long)(least * pow(most / least, (double)step / (LIMIT_STEPS - 1)));
    snprintf(program, sizeof program, "%s", getenv("PLANISH_BIN"));
    snprintf(value, sizeof value, "-%c %ld", limits[limit].option, at);
    setenv("PLANISH_REAL_BIN", program, 1);
    setenv("PLANISH_LIMIT", value, 1);
    setenv("PLANISH_BIN", run_path("limited"), 1);
    start_anew();
    run r = run_scenario(s);
    setenv("PLANISH_BIN", program, 1);
    check_run(s, KINDS + limit, (size_t)at, (size_t)most, &r, true, reference);
    run_free(&r);
    check_again(s, KINDS + limit, (size_t)most, reference);
}

static size_t points(size_t index, size_t kind)
{
    const char *asked = getenv("PLANISH_FAULTS");
    if (asked != NULL) {
        return (size_t)atol(asked);
    }
    return getenv("PLANISH_TEST_ALL") != NULL ? 4 : (index + kind) % 8 == 0 ? 1 : 0;
}

static void check_scenario(size_t index)
{
    const scenario *s = &scenarios[index];
    size_t calls[KINDS];
    start_anew();
    set_fault(0, 0, false);
    run reference = run_scenario(s);
    clear_fault();
    read_calls(calls);
    if (reference.status != 0) {
        fail_msg("%s: %s", s->name, reference.err);
    }
    strip_all(&reference);
    free(run_shell("rm -rf '%s' && mv '%s' '%s'", whole, out, whole));
    for (size_t kind = 0; kind < KINDS; kind++) {
        const size_t asked = points(index, kind), count = calls[kind];
        if (asked == 0) {
            continue;
        }
        const size_t step = count / (asked + 1) + 1;
        for (size_t n = 1 + (asked < count ? (7 * index + 3 * kind) % step : 0); n <= count;
             n += step) {
            check_fault(s, kind, n, count, n % 4 == 3, &reference);
        }
    }
    const bool every = points(0, 0) > 1;
    if (getenv("PLANISH_TEST_ALL") != NULL || index % 4 == 1) {
        check_short_transfers(s, &reference);
    }
    for (size_t limit = 0; limit < LIMITS; limit++) {
        for (int step = 0; step < LIMIT_STEPS; step++) {
            if (every ||
                (index % 6 == 2 * limit && (size_t)step == (5 * index + 3) % LIMIT_STEPS)) {
                check_limit(s, limit, step, &reference);
            }
        }
    }
    run_free(&reference);
}

static void test_each_fault(void **ctx)
{
    (void)ctx;
    const char *only = getenv("PLANISH_FAULTS_IN");
    wrong = 0;
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (only == NULL || strcmp(only, scenarios[i].name) == 0) {
            check_scenario(i);
        }
    }
    printf("# %zu failures\n", checked);
    assert_int_equal(wrong, 0);
}

static int set_up(void **ctx)
{
    const char *source = getenv("PLANISH_SOURCE_ROOT");
    if (run_setup(ctx) != 0) {
        return -1;
    }
    snprintf(root, sizeof root, "%s/f", run_folder());
    snprintf(work, sizeof work, "%s/work", root);
    snprintf(out, sizeof out, "%s/out", work);
    snprintf(before, sizeof before, "%s/given", root);
    snprintf(whole, sizeof whole, "%s/whole", run_folder());
    setenv("PLANISH_FAULT_UNDER", root, 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("XDG_STATE_HOME", run_path("f/work/state"), 1);
    setenv("XDG_CACHE_HOME", run_path("f/work/cache"), 1);
    setenv("TMPDIR", run_path("f/work/tmp"), 1);
    free(
        run_shell("mkdir -p '%s' && cp -r '%s/sessions/demo' '%s/model' && chmod -R u+w '%s/model'",
                  before, source != NULL ? source : ".", before, before));
    run_write(run_path("limited"),
              "#!/bin/sh\nulimit $PLANISH_LIMIT && exec \"$PLANISH_REAL_BIN\" \"$@\"\n");
    assert_int_equal(chmod(run_path("limited"), 0700), 0);
    start_anew();
    run r = run_scenario(&given);
    if (r.status != 0) {
        fprintf(stderr, "%s", r.err);
        return -1;
    }
    run_free(&r);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_fault)};
    return cmocka_run_group_tests(tests, set_up, run_teardown);
}
