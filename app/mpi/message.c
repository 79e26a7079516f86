#include "app/mpi/message.h"

#include <math.h>
#include <string.h>

static const char MAGIC[8] = "PLRANK2";

/* As it lies in memory. */
typedef struct header {
    char magic[8];
    uint32_t type, flag;
    uint64_t number;
    double seconds, waited;
    char kind[PL_MSG_KIND];
    uint64_t key[2];
    uint64_t peak;
    uint64_t size;
    uint64_t order; /* of the bytes of a number */
} header;
_Static_assert(sizeof(header) == PL_MSG_HEADER, "no padding in what is sent");

static const uint64_t ORDER = 0x0102030405060708u;

void pl_message_put(const pl_message *message, unsigned char out[PL_MSG_HEADER])
{
    header h = {.type = (uint32_t)message->type,
                .flag = message->flag,
                .number = message->number,
                .seconds = message->seconds,
                .waited = message->waited,
                .key = {message->key.high, message->key.low},
                .peak = message->peak,
                .size = message->size,
                .order = ORDER};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.kind, message->kind, sizeof h.kind);
    h.kind[PL_MSG_KIND - 1] = '\0';
    memcpy(out, &h, sizeof h);
}

static pl_status refuse_message(const char *what, pl_error *err)
{
    return pl_error_set(
        err, PL_ERR_FORMAT,
        "a message between ranks: %s: expected planish-mpi " PL_VERSION " on every rank", what);
}

pl_status pl_message_get(const unsigned char *bytes, size_t size, uint64_t limit, pl_message *out,
                         pl_error *err)
{
    header h;
    *out = (pl_message){0};
    if (size != sizeof h) {
        return refuse_message("a header of another size", err);
    }
    memcpy(&h, bytes, sizeof h);
    if (memcmp(h.magic, MAGIC, sizeof h.magic) != 0 || h.order != ORDER) {
        return refuse_message("it does not begin with PLRANK2, or is of another kind of machine",
                              err);
    }
    if (h.type < PL_MSG_SETTING || h.type >= PL_MSG_TYPES || h.flag > 1) {
        return refuse_message("of a type that is not known", err);
    }
    if (memchr(h.kind, '\0', sizeof h.kind) == NULL || !isfinite(h.seconds) ||
        !isfinite(h.waited)) {
        return refuse_message("a kind without an end, or a time that is no number", err);
    }
    if (h.size > limit) {
        return refuse_message("larger than this machine's memory", err);
    }
    out->type = (pl_message_type)h.type;
    out->flag = h.flag == 1;
    out->number = h.number;
    out->seconds = h.seconds;
    out->waited = h.waited;
    memcpy(out->kind, h.kind, sizeof out->kind);
    out->key = (pl_id){h.key[0], h.key[1]};
    out->peak = h.peak;
    out->size = h.size;
    return PL_OK;
}
