#include "core/model/tokenizer_parts.h"

enum {
    TICK = 1 << 16,         /* small steps between two ticks */
    TICK_RETRIES = 1 << 19, /* retries between two, some milliseconds */
    RETRIES_A_BYTE = 96,    /* and pre-tokenizer; usual ones take a fifth of it */
    FREE_RETRIES = 1 << 26, /* of a short text: below a second */
    GROWTH = 64,            /* bytes a byte of text may become by normalizers */
    FREE_GROWTH = 1 << 20,
};

void pl_meter_init(pl_meter *meter, size_t text_size, size_t splits, size_t most_bytes,
                   pl_task *task)
{
    *meter = (pl_meter){
        .task = task,
        .most_bytes = most_bytes,
        .most_retries = FREE_RETRIES + (uint64_t)RETRIES_A_BYTE * (splits + 1) * text_size,
        .most_normal = FREE_GROWTH + (uint64_t)GROWTH * text_size,
    };
}

static pl_status tick_meter(pl_meter *meter, pl_error *err)
{
    meter->steps = 0;
    return pl_task_tick(meter->task, err);
}

pl_status pl_meter_steps(pl_meter *meter, size_t steps, pl_error *err)
{
    meter->steps += steps;
    return meter->steps < TICK ? PL_OK : tick_meter(meter, err);
}

pl_status pl_meter_retry(pl_meter *meter, uint64_t retries, pl_error *err)
{
    meter->retries += retries;
    if (meter->retries > meter->most_retries) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the tokenizer's split pattern backtracks too much on this text: more "
                            "than %llu times",
                            (unsigned long long)meter->most_retries);
    }
    return pl_meter_steps(meter, (size_t)(retries / (TICK_RETRIES / TICK)), err);
}

pl_status pl_meter_take(pl_meter *meter, size_t had, size_t has, pl_error *err)
{
    meter->bytes += has;
    meter->bytes -= had < meter->bytes ? had : meter->bytes;
    if (meter->most_bytes > 0 && meter->bytes > meter->most_bytes) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "tokenizing this text needs more than %zu MB, the memory limit "
                            "(--memory) is %zu MB",
                            meter->bytes / 1000000, meter->most_bytes / 1000000);
    }
    return PL_OK;
}
