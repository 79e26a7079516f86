/* What happens when the disk fails, is full, or the program is killed while it writes: a sentence
 * or the right result, nothing half-written in place, nothing left over. */
#include "core/base/text.h"
#include "tests/e2e/run_planish.h"
#include "tests/support/temp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POINTS = 10, DEATH = -9 };

static const char *const fault_names[] = {"LD_PRELOAD", "PLANISH_FAULT_UNDER", "PLANISH_FAULT_AT",
                                          "PLANISH_FAULT_ERRNO", "PLANISH_FAULT_LOG"};

/* The next runs fail at that call under the folder; log: counts the calls. */
static void set_fault(const char *under, size_t at, int code, const char *log)
{
    char number[32], reason[32];
    snprintf(number, sizeof number, "%zu", at);
    snprintf(reason, sizeof reason, "%d", code);
    const char *const values[] = {PL_FAULTS, under, number, reason, log};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i] != NULL) {
            setenv(fault_names[i], values[i], 1);
        }
    }
}

static void clear_fault(void)
{
    for (size_t i = 0; i < sizeof fault_names / sizeof fault_names[0]; i++) {
        unsetenv(fault_names[i]);
    }
}

static void empty(const char *folder)
{
    nftw(folder, pl_temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void check_file(const char *path, const char *want, size_t want_size)
{
    size_t size = 0;
    char *bytes = run_read(path, &size);
    assert_int_equal(size, want_size);
    assert_memory_equal(bytes, want, size);
    free(bytes);
}

/* 0: all went well; 1: it failed with one sentence. */
static int outcome(const run *r)
{
    if (r->status != 0 && r->status != 1) {
        fprintf(stderr, "exit status %d: %s%s", r->status, r->out, r->err);
        fail();
    }
    if (r->status == 1) {
        assert_true(strncmp(r->err, "planish: ", 9) == 0);
    }
    return r->status;
}

static size_t count_calls(const char *under, const char *script)
{
    size_t size = 0;
    char log[1024];
    snprintf(log, sizeof log, "%s", run_path("calls"));
    unlink(log);
    set_fault(under, 0, 0, log);
    run r = RUN("--store", run_path("faulty"), "-c", script);
    clear_fault();
    assert_int_equal(r.status, 0);
    run_free(&r);
    int64_t *calls = (int64_t *)(void *)run_read(log, &size);
    assert_int_equal(size, 9 * sizeof *calls);
    const int64_t counted = calls[8];
    free(calls);
    expect_less(POINTS, counted);
    return (size_t)counted;
}

/* Any call on the store's files fails: results do not depend on what could be kept, and what was
 * kept is right. */
static void test_a_store_that_fails(void **ctx)
{
    (void)ctx;
    static const int codes[] = {ENOSPC, EIO, EACCES};
    char store[1024], out[1024], script[2400];
    size_t size = 0, went_well = 0;
    snprintf(store, sizeof store, "%s", run_path("faulty"));
    snprintf(out, sizeof out, "%s", run_path("w.npy"));
    snprintf(script, sizeof script,
             "calibrate windows=1; method astro; method rtn bits=3; solve 1.q_proj; "
             "dump weights 1.q_proj which=after file=%s",
             out);
    const size_t calls = count_calls(store, script);
    char *want = run_read(out, &size);
    for (size_t i = 0; i < POINTS; i++) {
        empty(store);
        set_fault(store, 1 + i * (calls - 1) / (POINTS - 1), codes[i % 3], NULL);
        run r = RUN("--store", store, "-c", script);
        clear_fault();
        if (outcome(&r) == 0) {
            check_file(out, want, size);
            went_well++;
        }
        run_free(&r);
        r = RUN("--store", store, "-c", script);
        assert_int_equal(r.status, 0);
        assert_string_equal(r.err, "");
        check_file(out, want, size);
        run_free(&r);
    }
    expect_less(POINTS / 2, went_well); /* most of it is writing, which no result needs */
    free(want);
}

static const char *writing_script(const char *folder)
{
    static char script[4000];
    snprintf(script, sizeof script,
             "plot histogram 1.q_proj dpi=60 file=%s/h.png; plot channels 1.q_proj file=%s/c.svg;"
             "method rtn; solve 1.q_proj; export dir=%s/out weights=rounded partial=yes; "
             "export dir=%s/ct format=compressed-tensors partial=yes; "
             "export dir=%s/gg format=gguf dtype=f16 partial=yes; "
             "method rtn format=nvfp4; solve 1.q_proj; export dir=%s/nv format=nvfp4 partial=yes; "
             "method smoothquant powers=yes on=1.q_proj,1.k_proj,1.v_proj; method rtn; "
             "solve 1.q_proj; solve 1.k_proj; solve 1.v_proj; "
             "export dir=%s/fo format=compressed-tensors fold=yes partial=yes",
             folder, folder, folder, folder, folder, folder, folder);
    return script;
}

/* Every name there is one that was asked for, and is whole. */
static void check_whole(const char *folder)
{
    static const char *const names[] = {"h.png",
                                        "c.svg",
                                        "gg/model.gguf",
                                        "out/model.safetensors",
                                        "nv/model.safetensors",
                                        "fo/model.safetensors",
                                        "ct/model.safetensors",
                                        "ct/config.json",
                                        "fo/config.json",
                                        "out/config.json",
                                        "out/tokenizer.json"};
    char path[1200];
    size_t tops = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        const bool there = access(path, F_OK) == 0;
        tops += there && i < 7 ? 1 : 0; /* one of each file or folder */
        if (there) {
            size_t size = 0, want_size = 0;
            char *bytes = run_read(path, &size);
            snprintf(path, sizeof path, "%s/%s", run_path("whole"), names[i]);
            char *want = run_read(path, &want_size);
            expect_less(0, size);
            assert_int_equal(size, want_size);
            if (i > 1) { /* figures name their own file */
                assert_memory_equal(bytes, want, size);
            }
            free(want);
            free(bytes);
        }
    }
    assert_int_equal(pl_temp_count_names(folder), tops);
}

static void test_writing_that_fails_or_is_killed(void **ctx)
{
    (void)ctx;
    static const int codes[] = {ENOSPC, EIO, DEATH};
    char folder[1024], whole[1024];
    snprintf(whole, sizeof whole, "%s", run_path("whole"));
    snprintf(folder, sizeof folder, "%s", run_path("write")); /* as long as the other's name */
    empty(whole);
    run r = RUN("--store", run_path("store"), "-c", writing_script(whole));
    assert_int_equal(r.status, 0);
    run_free(&r);
    empty(folder);
    const size_t calls = count_calls(folder, writing_script(folder));
    for (size_t i = 0; i < 2 * POINTS; i++) {
        const int code = codes[i % 3];
        empty(folder);
        set_fault(folder, 1 + i * (calls - 1) / (2 * POINTS - 1), code, NULL);
        r = RUN("--store", run_path("store"), "-c", writing_script(folder));
        clear_fault();
        if (code == DEATH) {
            assert_int_equal(r.status, 128 + 9);
            run_free(&r);
            r = RUN("--store", run_path("store"), "-c", /* the next writing there sweeps */
                    "dump weights 1.q_proj file=/dev/null/no");
            run_free(&r);
            char path[1100], script[1300];
            snprintf(path, sizeof path, "%s/w.npy", folder);
            snprintf(script, sizeof script, "dump weights 1.q_proj file=%s", path);
            r = RUN("--store", run_path("store"), "-c", script);
            assert_int_equal(r.status, 0);
            assert_int_equal(unlink(path), 0);
        } else {
            (void)outcome(&r);
        }
        run_free(&r);
        check_whole(folder);
    }
}

/* --- full disks ------------------------------------------------------------------------------- */

/* Runs a shell script where a folder is a tmpfs of so many MiB; skips without the right to. */
static run on_small_disk(const char *folder, int mib, const char *body)
{
    char program[1024], script[6000];
    const char *own = geteuid() == 0 ? "unshare -m" : "unshare -rm";
    snprintf(program, sizeof program, "%s", getenv("PLANISH_BIN"));
    snprintf(script, sizeof script, "%s true 2>/dev/null", own);
    if (system(script) != 0) {
        skip();
    }
    snprintf(script, sizeof script,
             "exec %s sh -c 'mount -t tmpfs -o size=%dm tmpfs \"%s\" && P=\"%s\" D=\"%s\" && %s'",
             own, mib, folder, program, folder, body);
    setenv("PLANISH_BIN", "/bin/sh", 1);
    run r = RUN("-c", script);
    setenv("PLANISH_BIN", program, 1);
    return r;
}

/* Two windows and two iterations are as many bytes as eight and twenty. */
static void solve_script(char out[200], const char *bits)
{
    snprintf(out, 200,
             "calibrate windows=2; method astro iterations=2; method rtn bits=%s; solve all; "
             "perplexity which=after windows=2",
             bits);
}

/* 15 MB of statistics for all, 5.5 MB of results for each: more than there is. */
static void test_four_processes_on_a_small_disk(void **ctx)
{
    (void)ctx;
    char folder[1024], script[200], body[1000];
    snprintf(folder, sizeof folder, "%s", run_path("disk"));
    empty(folder);
    solve_script(script, "$b");
    snprintf(body, sizeof body,
             "for b in 2 3 4 5; do \"$P\" --store \"$D/s\" --threads 1 -c \"%s\" "
             ">\"$D/../full.$b\" 2>\"$D/../err.$b\" & done; wait; cd \"$D/..\"; "
             "for b in 2 3 4 5; do grep \"^perplexity \" full.$b | tail -n 1; "
             "cat err.$b >&2; done",
             script);
    run r = on_small_disk(folder, 26, body);
    assert_int_equal(r.status, 0);
    double found[4] = {0}, want = 0;
    if (sscanf(r.out, "perplexity %lf perplexity %lf perplexity %lf perplexity %lf", &found[0],
               &found[1], &found[2], &found[3]) != 4) {
        fail_msg("not four perplexities: %s\n%s", r.out, r.err);
    }
    assert_non_null(strstr(r.err, "nothing more is kept on disk"));
    assert_non_null(strstr(r.err, "No space left on device"));
    assert_non_null(strstr(r.err, "--store DIR"));
    run_free(&r);
    for (int bits = 2; bits < 6; bits++) {
        solve_script(script, (const char[]){(char)('0' + bits), '\0'});
        r = RUN("--json", "--threads", "1", "--store", run_path("store"), "-c", script);
        want = run_number(run_last(&r), "perplexity");
        pl_check_close(found[bits - 2], want, 1e-4, 0);
        run_free(&r);
    }
}

/* One after the other: what the ended ones left makes room. */
static void test_old_results_make_room(void **ctx)
{
    (void)ctx;
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", run_path("disk"));
    empty(folder);
    static const char body[] =
        "for b in 2 3 4; do \"$P\" --store \"$D/s\" -c \"calibrate windows=2; "
        "method astro iterations=1; method rtn bits=$b; solve all\" >/dev/null || exit 1; done";
    run r = on_small_disk(folder, 26, body);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    run_free(&r);
}

/* A folder in which nothing may be written, for a user who is not root. */
static void test_an_unwritable_store_keeps_nothing(void **ctx)
{
    (void)ctx;
    char folder[1024], script[4000], program[1024];
    snprintf(folder, sizeof folder, "%s", run_path("closed"));
    empty(folder);
    assert_int_equal(chmod(folder, 0555), 0);
    snprintf(program, sizeof program, "%s", getenv("PLANISH_BIN"));
    snprintf(script, sizeof script,
             "exec %s '%s' --store '%s/store' -c 'method gptq; solve 1.q_proj; solve 1.k_proj; "
             "perplexity which=after'",
             geteuid() == 0 ? "setpriv --reuid=65534 --clear-groups" : "", program, folder);
    if (geteuid() == 0) {
        char check[1300];
        snprintf(check, sizeof check, "setpriv --reuid=65534 --clear-groups test -x '%s'", program);
        chmod(run_folder(), 0755);
        if (system(check) != 0) {
            skip(); /* the build is nobody's to read */
        }
    }
    setenv("PLANISH_BIN", "/bin/sh", 1);
    run r = RUN("-c", script);
    setenv("PLANISH_BIN", program, 1);
    assert_int_equal(r.status, 0);
    char *said = strstr(r.err, "nothing more is kept on disk");
    assert_non_null(said);
    assert_non_null(strstr(said, "Permission denied"));
    assert_null(strstr(said + 1, "nothing more is kept")); /* once */
    run_free(&r);
    assert_int_equal(pl_temp_count_names(folder), 0);
}

/* --- what an export copies -------------------------------------------------------------------- */

static run export_of(const char *model, const char *to)
{
    char script[3000];
    free(run_shell("rm -rf '%s'", to));
    snprintf(script, sizeof script,
             "calibrate text=%s/calibration.txt length=64 windows=1; method rtn; solve 1.q_proj; "
             "export dir=%s weights=rounded partial=yes",
             model, to);
    return RUN("--store", run_path("store"), model, "-c", script);
}

/* What has no room is refused before anything is written. */
static void test_export_asks_for_room(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script, "method rtn; solve 1.q_proj; export dir=%s partial=yes",
             run_path("no-room"));
    set_fault(run_folder(), 0, 0, NULL);
    setenv("PLANISH_FAULT_ROOM", "1000000", 1);
    run r = run_demo(script);
    unsetenv("PLANISH_FAULT_ROOM");
    clear_fault();
    run_check_refused(
        &r, script,
        "no-room: the export takes about 2.2 MB and wants 32 MB to spare; its file system has "
        "1 MB left");
    run_free(&r);
    assert_int_not_equal(access(run_path("no-room"), F_OK), 0);
}

static void test_export_copies_the_models_own_files(void **ctx)
{
    (void)ctx;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char model[1024], to[1024], secret[1024];
    snprintf(model, sizeof model, "%s", run_path("model"));
    snprintf(to, sizeof to, "%s", run_path("exported"));
    snprintf(secret, sizeof secret, "%s", run_path("secret"));
    run_write(secret, "root:secret");
    free(run_shell("rm -rf '%s'; cp -r '%s/sessions/demo' '%s' && chmod -R u+w '%s'", model,
                   root != NULL ? root : ".", model, model));
    free(run_shell(
        "cd '%s' && echo mine >notes.txt && echo '{}' >secrets.json && ln -s '%s' passwd.json",
        model, secret));
    run r = export_of(model, to);
    assert_int_equal(r.status, 0);
    run_free(&r);
    free(run_shell(
        "cd '%s' && test -f config.json -a -f tokenizer.json -a -f tokenizer_config.json", to));
    free(run_shell("cd '%s' && grep -q 'export format=hf' README.md && test ! -e own.py", to));
    /* Modules that an auto_map names are the model's. */
    free(run_shell("cd '%s' && echo pass >own.py && sed -i 's/^{/{\"auto_map\": {\"AutoModel\": "
                   "\"own.Model\"},/' config.json",
                   model));
    r = export_of(model, to);
    assert_int_equal(r.status, 0);
    run_free(&r);
    free(run_shell("cd '%s' && test -f own.py", to));
    free(
        run_shell("cd '%s' && test ! -e notes.txt -a ! -e secrets.json -a ! -e passwd.json -a ! -e "
                  "training.txt -a ! -e truth.json",
                  to));

    /* A link to what lies outside, under a name that is copied. */
    free(run_shell("ln -s '%s' '%s/chat_template.jinja'", secret, model));
    r = export_of(model, to);
    run_check_failed(&r, 1, "chat_template.jinja is a link to ");
    run_free(&r);
    assert_int_equal(access(to, F_OK), -1);

    /* One to what lies inside is as the file. */
    free(run_shell("cd '%s' && echo hello >other && ln -sf other chat_template.jinja", model));
    r = export_of(model, to);
    assert_int_equal(r.status, 0);
    run_free(&r);
    free(run_shell("grep -q hello '%s/chat_template.jinja' && test ! -L '%s/chat_template.jinja'",
                   to, to));

    /* The hub's cache: links into its own blobs, and no others. */
    free(run_shell(
        "cd '%s' && rm -rf hub && mkdir -p hub/models--a--b/blobs hub/models--a--b/snapshots/0 "
        "&& cd hub/models--a--b && for f in config.json tokenizer.json tokenizer_config.json "
        "model.safetensors calibration.txt; do cp '%s'/$f blobs/$f.blob && ln -s "
        "../../blobs/$f.blob "
        "snapshots/0/$f; done",
        run_folder(), model));
    char snapshot[1200];
    snprintf(snapshot, sizeof snapshot, "%s/hub/models--a--b/snapshots/0", run_folder());
    r = export_of(snapshot, to);
    assert_int_equal(r.status, 0);
    run_free(&r);
    free(run_shell("cmp '%s/config.json' '%s/config.json' && test ! -L '%s/config.json'", model, to,
                   to));
    free(run_shell("ln -s '%s' '%s/merges.txt'", secret, snapshot));
    r = export_of(snapshot, to);
    run_check_failed(&r, 1, "merges.txt is a link to ");
    run_free(&r);
}

/* Nobody's output goes into a file that happened to be opened next. */
static void test_closed_streams(void **ctx)
{
    (void)ctx;
    char program[1024], script[4000], out[1024];
    size_t size = 0, other = 0;
    snprintf(program, sizeof program, "%s", getenv("PLANISH_BIN"));
    snprintf(out, sizeof out, "%s", run_path("closed.npy"));
    snprintf(script, sizeof script,
             "'%s' --store '%s' -c 'info; dump weights 1.q_proj file=%s' <&- >&- 2>&-; echo $?",
             program, run_path("streams"), out);
    setenv("PLANISH_BIN", "/bin/sh", 1);
    run r = RUN("-c", script);
    setenv("PLANISH_BIN", program, 1);
    assert_string_equal(r.out, "0\n");
    run_free(&r);
    char *closed = run_read(out, &size);
    snprintf(script, sizeof script, "info; dump weights 1.q_proj file=%s", run_path("open.npy"));
    r = RUN("--store", run_path("streams"), "-c", script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    char *open = run_read(run_path("open.npy"), &other);
    assert_int_equal(size, other);
    assert_memory_equal(closed, open, size);
    free(closed);
    free(open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_that_fails),
        cmocka_unit_test(test_writing_that_fails_or_is_killed),
        cmocka_unit_test(test_four_processes_on_a_small_disk),
        cmocka_unit_test(test_old_results_make_room),
        cmocka_unit_test(test_an_unwritable_store_keeps_nothing),
        cmocka_unit_test(test_export_asks_for_room),
        cmocka_unit_test(test_export_copies_the_models_own_files),
        cmocka_unit_test(test_closed_streams),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
