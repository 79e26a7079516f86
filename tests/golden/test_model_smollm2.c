/* SmolLM2-135M-Instruct Q4_1 (a GGUF whose q and k are permuted) against an independent float32
 * program: ../shared/refs/smollm2.json. */
#include "core/base/file.h"
#include "core/model/forward.h"
#include "core/tensor/linalg.h"
#include "tests/support/shared.h"

#include <math.h>

enum { LENGTH = 512 };

typedef struct text {
    pl_model *model;
    int32_t *ids;
    size_t count;
} text;

static void open_text(text *t)
{
    pl_error err = {0};
    char path[PL_TEST_PATH];
    char *bytes = NULL;
    size_t size = 0;
    const pl_tokenizer *tokenizer = NULL;
    const char *model = pl_test_smollm2();
    pl_test_shared("data/wikitext2-valid.txt", path);
    pl_check_ok(pl_file_read_all(path, 1 << 24, &bytes, &size, &err), err);
    pl_check_ok(pl_model_open(model, &t->model, &err), err);
    pl_check_ok(pl_model_need_tokenizer(t->model, &tokenizer, &err), err);
    pl_check_ok(pl_tokenizer_encode(tokenizer, bytes, size, 0, &t->ids, &t->count, NULL, &err),
                err);
    free(bytes);
}

static void close_text(text *t)
{
    free(t->ids);
    pl_model_close(t->model);
}

/* SHA-256 (FIPS 180-4): its constants are the fractions of roots of the first primes. */
static void sha256(const uint8_t *data, size_t size, char out[65])
{
    uint32_t k[64];
    uint32_t h[8];
    size_t found = 0;
    for (uint32_t n = 2; found < 64; n++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= n; d++) {
            prime = prime && n % d != 0;
        }
        if (prime) {
            long double root = cbrtl((long double)n);
            k[found] = (uint32_t)((root - floorl(root)) * 4294967296.0L);
            root = sqrtl((long double)n);
            if (found < 8) {
                h[found] = (uint32_t)((root - floorl(root)) * 4294967296.0L);
            }
            found++;
        }
    }
    size_t padded = (size + 9 + 63) / 64 * 64;
    uint8_t *bytes = calloc(padded, 1);
    assert_non_null(bytes);
    memcpy(bytes, data, size);
    bytes[size] = 0x80;
    for (size_t i = 0; i < 8; i++) {
        bytes[padded - 1 - i] = (uint8_t)((uint64_t)size * 8 >> (8 * i));
    }
#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
    for (size_t at = 0; at < padded; at += 64) {
        uint32_t w[64];
        uint32_t v[8];
        for (size_t i = 0; i < 64; i++) {
            const uint8_t *b = bytes + at + 4 * (i % 16);
            w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
            if (i >= 16) {
                uint32_t a = w[i - 15];
                uint32_t e = w[i - 2];
                w[i] = w[i - 16] + w[i - 7] + (ROTATE(a, 7) ^ ROTATE(a, 18) ^ a >> 3) +
                       (ROTATE(e, 17) ^ ROTATE(e, 19) ^ e >> 10);
            }
        }
        memcpy(v, h, sizeof v);
        for (size_t i = 0; i < 64; i++) {
            uint32_t s1 = ROTATE(v[4], 6) ^ ROTATE(v[4], 11) ^ ROTATE(v[4], 25);
            uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            uint32_t s0 = ROTATE(v[0], 2) ^ ROTATE(v[0], 13) ^ ROTATE(v[0], 22);
            uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof v[0]);
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (size_t i = 0; i < 8; i++) {
            h[i] += v[i];
        }
    }
#undef ROTATE
    free(bytes);
    for (size_t i = 0; i < 8; i++) {
        snprintf(out + 8 * i, 9, "%08x", (unsigned)h[i]);
    }
}

static void hash_of_the_test_itself_is_right(void **state)
{
    (void)state;
    char hex[65];
    sha256((const uint8_t *)"abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void tokenizes_wikitext_exactly(void **state)
{
    (void)state;
    text t = {0};
    open_text(&t);
    assert_int_equal(t.count, 273868);
    char hex[65];
    uint8_t *bytes = malloc(4 * t.count);
    assert_non_null(bytes);
    for (size_t i = 0; i < 4 * t.count; i++) {
        bytes[i] = (uint8_t)((uint32_t)t.ids[i / 4] >> (8 * (i % 4)));
    }
    sha256(bytes, 4 * t.count, hex);
    free(bytes);
    assert_string_equal(hex, "b6d2cfa62c23c103a2932b23947049e850cdc755b6ae8c85dd01277c56b3b3d9");
    close_text(&t);
}

typedef struct scored {
    const int32_t *ids;
    double nll;
} scored;

static pl_status score(void *ctx, size_t first, const float *logits, size_t count, size_t vocab,
                       pl_error *err)
{
    scored *s = ctx;
    (void)err;
    for (size_t r = 0; r < count && first + r + 1 < LENGTH; r++) {
        const float *row = logits + r * vocab;
        double sum = 0;
        for (size_t i = 0; i < vocab; i++) {
            sum += (double)expf(row[i]);
        }
        s->nll += log(sum) - (double)row[s->ids[first + r + 1]];
    }
    return PL_OK;
}

static void windows_have_the_reference_loss(void **state)
{
    (void)state;
    pl_error err = {0};
    text t = {0};
    open_text(&t);
    json_t *reference = pl_test_shared_json("refs/smollm2.json");
    const json_t *expected = json_object_get(reference, "window_nll");
    size_t windows = getenv("PLANISH_TEST_ALL") != NULL ? json_array_size(expected) : 2;
    size_t hidden = pl_model_config(t.model)->hidden_size;
    float *x = malloc(windows * LENGTH * hidden * sizeof *x);
    pl_forward *forward = NULL;
    expect_at_most(2, windows);
    assert_non_null(x);
    pl_check_ok(pl_forward_create(t.model, LENGTH, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, t.ids, windows * LENGTH, x, &err), err);
    for (size_t block = 0; block < pl_model_config(t.model)->blocks; block++) {
        pl_check_ok(pl_forward_load(forward, block, NULL, NULL, &err), err);
        for (size_t w = 0; w < windows; w++) {
            pl_check_ok(
                pl_forward_run(forward, x + w * LENGTH * hidden, LENGTH, w, NULL, NULL, &err), err);
        }
    }
    for (size_t w = 0; w < windows; w++) {
        scored s = {.ids = t.ids + w * LENGTH};
        pl_check_ok(
            pl_forward_logits(forward, x + w * LENGTH * hidden, LENGTH, score, &s, NULL, &err),
            err);
        pl_check_close(s.nll / (LENGTH - 1), json_real_value(json_array_get(expected, w)), 1e-4, 0);
    }
    free(x);
    pl_forward_destroy(forward);
    json_decref(reference);
    close_text(&t);
}

int main(void)
{
    pl_error err = {0};
    if (pl_linalg_set_threads(pl_linalg_default_threads(), &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_of_the_test_itself_is_right),
        cmocka_unit_test(tokenizes_wikitext_exactly),
        cmocka_unit_test(windows_have_the_reference_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
