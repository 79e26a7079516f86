/* Headers of messages between ranks: what one wrote is read, anything else is a sentence. */
#include "app/mpi/message.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const pl_message sent = {.type = PL_MSG_WROTE,
                                .flag = true,
                                .number = 7,
                                .seconds = 1.5,
                                .waited = 0.25,
                                .kind = "site",
                                .key = {3, 4},
                                .size = 1000};

static void test_as_sent(void **ctx)
{
    (void)ctx;
    unsigned char bytes[PL_MSG_HEADER];
    pl_message got;
    pl_error err = {0};
    pl_message_put(&sent, bytes);
    pl_check_ok(pl_message_get(bytes, sizeof bytes, 1000, &got, &err), err);
    assert_int_equal(got.type, sent.type);
    assert_true(got.flag);
    assert_int_equal(got.number, 7);
    expect_close(got.seconds, 1.5, 0);
    expect_close(got.waited, 0.25, 0);
    assert_string_equal(got.kind, "site");
    assert_true(pl_id_equal(got.key, sent.key));
    assert_int_equal(got.size, 1000);
}

/* Bytes of the header that are laid over, and what is said. */
static void check_refused(size_t at, const void *with, size_t size, const char *says)
{
    unsigned char bytes[PL_MSG_HEADER];
    pl_message got;
    pl_error err = {0};
    pl_message_put(&sent, bytes);
    memcpy(bytes + at, with, size);
    assert_int_equal(pl_message_get(bytes, sizeof bytes, 1000, &got, &err), PL_ERR_FORMAT);
    if (strstr(err.message, says) == NULL) {
        fail_msg("expected \"%s\" in: %s", says, err.message);
    }
}

static void test_refused(void **ctx)
{
    (void)ctx;
    const double nan = (double)NAN;
    const uint64_t large = 1001;
    const uint32_t none = 0, beyond = PL_MSG_TYPES;
    char kind[PL_MSG_KIND];
    unsigned char bytes[PL_MSG_HEADER];
    pl_message got;
    memset(kind, 'k', sizeof kind);
    check_refused(0, "PLRANK9", 8, "PLRANK2");
    check_refused(PL_MSG_HEADER - 8, "\1\2\3\4\5\6\7\10", 8, "another kind of machine");
    check_refused(8, &none, sizeof none, "a type that is not known");
    check_refused(8, &beyond, sizeof beyond, "a type that is not known");
    check_refused(24, &nan, sizeof nan, "a time that is no number");
    check_refused(32, &nan, sizeof nan, "a time that is no number");
    check_refused(40, kind, sizeof kind, "a kind without an end");
    check_refused(PL_MSG_HEADER - 16, &large, sizeof large, "memory");
    pl_message_put(&sent, bytes);
    assert_int_equal(pl_message_get(bytes, sizeof bytes - 1, 1000, &got, NULL), PL_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_sent),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
