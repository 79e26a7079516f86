/* Replays a corpus through a fuzz target: every file whole, cut at every eighth, and with single
 * bytes changed by a seeded generator.  For compilers without libFuzzer; with one:
 * clang -fsanitize=fuzzer,address fuzz_X.c fuzz_open.c. */
#include "core/base/file.h"
#include "core/base/rng.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/check.h"

#include <dirent.h>
#include <stdlib.h>

#ifndef PL_FUZZ_CORPUS
#error "PL_FUZZ_CORPUS: the name of the folder under tests/fuzz/corpus"
#endif

enum { CHANGES = 40 };

static void replay(const uint8_t *bytes, size_t size, pl_rng *rng)
{
    LLVMFuzzerTestOneInput(bytes, size);
    for (size_t i = 0; i < 8; i++) {
        LLVMFuzzerTestOneInput(bytes, size * i / 8);
    }
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    for (int i = 0; i < CHANGES && size > 0; i++) {
        static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '}', '9'};
        memcpy(copy, bytes, size);
        copy[pl_rng_below(rng, size)] = telling[pl_rng_below(rng, sizeof telling)];
        LLVMFuzzerTestOneInput(copy, size);
    }
    free(copy);
}

static void the_corpus(void **state)
{
    (void)state;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    pl_buf folder = {0};
    pl_rng rng;
    size_t seen = 0;
    pl_rng_init(&rng, 1);
    pl_path_join(&folder, root != NULL ? root : ".", "tests/fuzz/corpus/" PL_FUZZ_CORPUS);
    DIR *dir = opendir(folder.data);
    assert_non_null(dir);
    for (struct dirent *item = readdir(dir); item != NULL; item = readdir(dir)) {
        if (item->d_name[0] == '.') {
            continue;
        }
        pl_buf path = {0};
        char *bytes = NULL;
        size_t size = 0;
        pl_error err;
        pl_path_join(&path, folder.data, item->d_name);
        pl_check_ok(pl_file_read_all(path.data, 1 << 24, &bytes, &size, &err), err);
        replay((const uint8_t *)bytes, size, &rng);
        free(bytes);
        pl_buf_deinit(&path);
        seen++;
    }
    closedir(dir);
    pl_buf_deinit(&folder);
    expect_at_most(3, seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_corpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
