/* Whose files are what is written, and where: the user's own folders and sessions are the user's
 * alone, products follow the umask, and what a checkpoint names stays in its folder. */
#include "tests/e2e/run_planish.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_mode(const char *path, unsigned mode)
{
    struct stat st;
    if (stat(path, &st) != 0 || (st.st_mode & 0777) != mode) {
        fail_msg("%s has mode %o, expected %o", path, (unsigned)st.st_mode & 0777, mode);
    }
}

/* Of every kind that the program writes. */
static void test_modes(void **ctx)
{
    (void)ctx;
    static const char *const masks[] = {"0022", "0077"};
    static const char *const products[] = {"h.png",
                                           "c.svg",
                                           "f.pdf",
                                           "l.csv",
                                           "l.tex",
                                           "w.npy",
                                           "r.html",
                                           "r.pdf",
                                           "log.txt",
                                           "hf/config.json",
                                           "hf/model.safetensors",
                                           "hf/README.md",
                                           "gguf/model.gguf"};
    for (size_t i = 0; i < 2; i++) {
        const unsigned mask = (unsigned)strtoul(masks[i], NULL, 8);
        const mode_t before = umask(mask);
        free(run_shell("rm -rf .cache .local .config out && mkdir out"));
        run r = RUN("--session", "mine.planish", "-c",
                    "calibrate windows=1 length=32; method rtn bits=4; solve all sequential=no; "
                    "plot histogram 1.q_proj file=out/h.png dpi=40; layers file=out/l.csv; "
                    "plot channels 1.q_proj file=out/c.svg; layers file=out/l.tex; "
                    "figure 1x2 channels histogram file=out/f.pdf; report 1.q_proj "
                    "file=out/r.html; report 1.q_proj file=out/r.pdf; log file=out/log.txt; "
                    "dump weights 1.q_proj file=out/w.npy; export dir=out/hf; "
                    "export dir=out/gguf format=gguf dtype=f16; save; sessions export "
                    "out/moved.planish; branch other");
        if (r.status != 0) {
            fail_msg("%s", r.err);
        }
        run_free(&r);
        for (size_t p = 0; p < sizeof products / sizeof *products; p++) {
            char path[64];
            snprintf(path, sizeof path, "out/%s", products[p]);
            check_mode(path, 0666 & ~mask);
        }
        check_mode("out/hf", 0777 & ~mask);
        check_mode("out/gguf", 0777 & ~mask);
        check_mode("mine.planish", 0600);
        check_mode("out/moved.planish", 0600);
        check_mode(".cache/planish", 0700);
        check_mode(".local/state/planish", 0700);
        check_mode(".local/state/planish/other.planish", 0600);
        char *others = run_shell("find .cache .local .config -maxdepth 3 -path '*planish*' -type d "
                                 "-perm /077 2>/dev/null | grep -v '^.cache/planish/' || true");
        assert_string_equal(others, "");
        free(others);
        free(run_shell("rm -f mine.planish*"));
        umask(before);
    }
}

/* A store that somebody has made for others, too, stays one. */
static void test_a_shared_store(void **ctx)
{
    (void)ctx;
    const mode_t before = umask(0002);
    free(run_shell("mkdir shared && chmod 2775 shared"));
    run r = RUN("--store", "shared", "-c", "calibrate windows=1 length=32");
    assert_int_equal(r.status, 0);
    run_free(&r);
    char *closed = run_shell("find shared -mindepth 1 -maxdepth 1 -type d ! -perm -2775");
    assert_string_equal(closed, "");
    free(closed);
    check_mode("shared", 0775);
    umask(before);
}

/* Names in a checkpoint that lead out of its folder are refused, or not followed. */
static void test_names_in_a_checkpoint(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *says;
    } shards[] = {
        {"../outside.safetensors", "in the same folder"},
        {"sub/model.safetensors", "in the same folder"},
        {"/etc/passwd", "in the same folder"},
        {"..", "in the same folder"},
    };
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    free(run_shell("cp -r '%s/sessions/demo' model && chmod -R u+w model && mkdir model/sub && "
                   "cp model/model.safetensors outside.safetensors && mv model/model.safetensors "
                   "model/sub/ && echo planted-text >secret.py && cp secret.py model/sub/",
                   root != NULL ? root : "."));
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
        free(run_shell("printf '{\"weight_map\": {\"model.embed_tokens.weight\": \"%s\"}}' "
                       ">model/model.safetensors.index.json",
                       shards[i].name));
        run r = RUN("--store", "store", "model", "-c", "info");
        run_check_failed(&r, 1, shards[i].says);
        run_free(&r);
    }
    /* Modules that config.json names: none of them is copied from elsewhere. */
    static const char *const modules[] = {"../secret.Model", "sub/secret.Model",
                                          "/tmp/secret.Model", "../secret--x.Model"};
    free(run_shell("mv model/sub/model.safetensors model/ && rm model/*.index.json"));
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        free(
            run_shell("rm -rf exported && cp '%s/sessions/demo/config.json' model/ && chmod u+w "
                      "model/config.json && sed -i 's|^{|{\"auto_map\": {\"AutoModel\": \"%s\"},|' "
                      "model/config.json",
                      root != NULL ? root : ".", modules[i]));
        run r = RUN("--store", "store", "model", "-c",
                    "calibrate text=model/calibration.txt windows=1 length=32; method rtn; "
                    "solve 1.q_proj; export dir=exported partial=yes");
        expect_at_most(r.status, 1);
        run_free(&r);
        char *found = run_shell("grep -rl planted-text exported 2>/dev/null || true");
        assert_string_equal(found, "");
        free(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_a_shared_store),
        cmocka_unit_test(test_names_in_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, run_setup_inside, run_teardown);
}
