/* tests/support/shared.h -- the references and texts shared beside the checkout, and SmolLM2.
 *
 * They are no part of the product.  A test that needs them is skipped, with their name, where the
 * whole folder is absent; a file that is missing inside it is a failure. */
#ifndef PL_TESTS_SHARED_H
#define PL_TESTS_SHARED_H

#include "tests/support/check.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

enum { PL_TEST_PATH = 1024 };

/* The path of a file below the shared folder: $PLANISH_SHARED, else ../shared beside the source
 * root, which is $PLANISH_SOURCE_ROOT, else the working folder. */
static inline const char *pl_test_shared(const char *name, char path[PL_TEST_PATH])
{
    const char *shared = getenv("PLANISH_SHARED");
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char folder[PL_TEST_PATH / 2];
    if (shared != NULL && shared[0] != '\0') {
        snprintf(folder, sizeof folder, "%s", shared);
    } else {
        snprintf(folder, sizeof folder, "%s/../shared", root != NULL ? root : ".");
    }
    if (access(folder, F_OK) != 0) {
        fprintf(stderr, "skipped: the shared folder %s is not here (PLANISH_SHARED names it)\n",
                folder);
        skip();
    }
    snprintf(path, PL_TEST_PATH, "%s/%s", folder, name);
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "the shared file %s is missing\n", path);
        fail();
    }
    return path;
}

/* A shared JSON file; the caller decrefs. */
static inline json_t *pl_test_shared_json(const char *name)
{
    char path[PL_TEST_PATH];
    json_error_t why;
    json_t *json = json_load_file(pl_test_shared(name, path), 0, &why);
    if (json == NULL) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        fail();
    }
    return json;
}

/* SmolLM2-135M-Instruct.Q4_1.gguf: $PLANISH_SMOLLM2.  Without it the test is skipped, but fails
 * where CI=true. */
static inline const char *pl_test_smollm2(void)
{
    const char *path = getenv("PLANISH_SMOLLM2");
    if (path != NULL && access(path, R_OK) == 0) {
        return path;
    }
    fprintf(stderr, "SmolLM2-135M-Instruct.Q4_1.gguf is not here (PLANISH_SMOLLM2 names it)\n");
    const char *ci = getenv("CI");
    if (ci != NULL && strcmp(ci, "true") == 0) {
        fail();
    }
    skip();
    return "";
}

/* Where the calibration of SmolLM2 on 8 windows of 512 tokens with 4,096 rows kept is, or will be:
 * $PLANISH_TEST_STORE, which tests/run gives to all that need it, else a folder of one's own. */
static inline const char *pl_test_smollm2_store(const char *own)
{
    const char *store = getenv("PLANISH_TEST_STORE");
    return store != NULL && store[0] != '\0' ? store : own;
}

#endif
