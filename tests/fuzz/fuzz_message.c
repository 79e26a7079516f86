/* A message between ranks, header and payload, as rank 0 or a worker takes it: what is not refused
 * is what put writes, an entry that is taken is sound, and a unit works or ends with a sentence. */
#include "app/mpi/kinds.h"
#include "app/mpi/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/made_store.h"
#include "tests/fuzz/place.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t LIMIT = 1 << 20;

static void check_header(const pl_message *message)
{
    unsigned char bytes[PL_MSG_HEADER], again[PL_MSG_HEADER];
    pl_message copy;
    pl_error err = {0};
    pl_fuzz_promise(message->size <= LIMIT, "a payload beyond the limit");
    pl_fuzz_promise(memchr(message->kind, '\0', sizeof message->kind) != NULL, "a kind that ends");
    pl_message_put(message, bytes);
    pl_fuzz_promise(pl_message_get(bytes, sizeof bytes, LIMIT, &copy, &err) == PL_OK,
                    "a message that is read is read again");
    pl_message_put(&copy, again);
    pl_fuzz_promise(memcmp(bytes, again, sizeof bytes) == 0, "the same bytes again");
}

/* What another rank says that it has computed. */
static void take_entry(pl_store *store, const pl_message *message, const uint8_t *data, size_t size)
{
    pl_error err = {0};
    pl_entry *entry = NULL;
    const pl_status status =
        pl_store_take_file(store, message->kind, message->key, data, size, message->flag, &err);
    pl_fuzz_status(status, &err);
    if (status == PL_OK) {
        err = (pl_error){0};
        pl_fuzz_status(pl_store_get(store, message->kind, message->key, &entry, &err), &err);
        pl_fuzz_promise(entry != NULL, "an entry that was taken is there");
        pl_entry_close(entry);
    }
}

static void run_unit(made_store *made, const char *text)
{
    json_t *unit = json_loads(text, 0, NULL), *answer = json_object();
    const pl_unit_kind *kind = pl_unit_kind_find(json_string_value(json_object_get(unit, "kind")));
    pl_error err = {0};
    if (kind != NULL) {
        pl_lab_begin(made->front.lab);
        pl_fuzz_status(kind->run((pl_context){made->front.lab, &made->front.state, NULL},
                                 json_object_get(unit, "what"), answer, &err),
                       &err);
    }
    json_decref(unit);
    json_decref(answer);
}

static void take_setting(made_store *made, const char *text)
{
    json_t *record = json_loads(text, 0, NULL);
    pl_state state;
    pl_error err = {0};
    if (json_is_object(record)) {
        const pl_status status = pl_state_restore(&state, record, made->front.state.source, &err);
        pl_fuzz_status(status, &err);
        if (status == PL_OK) {
            pl_state_deinit(&state);
        }
    }
    json_decref(record);
}

static void take(made_store *made, const pl_message *message, const uint8_t *data, size_t size)
{
    pl_store *store = pl_lab_store(made->front.lab);
    char *text = pl_fuzz_text(data, size), *bytes = NULL;
    pl_error err = {0};
    size_t length = 0;
    switch (message->type) {
    case PL_MSG_WROTE:
        take_entry(store, message, data, size);
        break;
    case PL_MSG_FETCH:
        pl_fuzz_status(
            pl_store_read_file(store, message->kind, message->key, &bytes, &length, &err), &err);
        free(bytes);
        break;
    case PL_MSG_HAS:
        (void)pl_store_has(store, message->kind, message->key);
        break;
    case PL_MSG_REMOVED:
    case PL_MSG_GONE:
        pl_fuzz_status(pl_store_remove(store, message->kind, message->key, &err), &err);
        break;
    case PL_MSG_UNIT:
        run_unit(made, text);
        break;
    case PL_MSG_SETTING:
        take_setting(made, text);
        break;
    default:
        break;
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_message message;
    pl_error err = {0};
    const size_t head = size < PL_MSG_HEADER ? size : (size_t)PL_MSG_HEADER;
    const pl_status status = pl_message_get(data, head, LIMIT, &message, &err);
    pl_fuzz_status(status, &err);
    if (status == PL_OK) {
        check_header(&message);
        take(made_store_get(), &message, data + head, size - head);
    }
    return 0;
}
