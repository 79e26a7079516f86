/* A session's file: it is refused with a sentence, or read, written to and read again. */
#include "sessions/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

#include <stdio.h>
#include <unistd.h>

static void count_one(void *ctx, const pl_session_command *one)
{
    pl_fuzz_promise(one->text != NULL, "a command without its text");
    ++*(size_t *)ctx;
}

static void use_session(pl_session *session)
{
    json_t *state = NULL;
    pl_error err = {0};
    size_t before = 0, after = 0;
    pl_fuzz_status(pl_session_state(session, &state, &err), &err);
    json_decref(state);
    state = NULL;
    err = (pl_error){0};
    pl_fuzz_status(pl_session_solved_state(session, &state, &err), &err);
    json_decref(state);
    err = (pl_error){0};
    pl_status status = pl_session_commands(session, 1000, count_one, &before, &err);
    PL_THEN(pl_session_record(session, "info", true, NULL, NULL, NULL, &err));
    PL_THEN(pl_session_commands(session, 1000, count_one, &after, &err));
    pl_fuzz_status(status, &err);
    pl_fuzz_promise(status != PL_OK || after == (before < 1000 ? before + 1 : 1000),
                    "a recorded command is not there");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const beside[] = {"-wal", "-shm", "-journal"};
    char other[800];
    pl_session *session = NULL;
    pl_error err = {0};
    const char *path = pl_fuzz_place("one.planish", data, size);
    pl_fuzz_status(pl_session_open(path, &session, &err), &err);
    if (session != NULL) {
        use_session(session);
    }
    pl_session_close(session);
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(other, sizeof other, "%s%s", path, beside[i]);
        unlink(other);
    }
    return 0;
}
