/* How activations and cache are quantized, in words. */
#include "core/state/state.h"

bool pl_state_quantizes(const pl_state *state)
{
    return state->activations.bits > 0 || state->kv.bits > 0;
}

void pl_state_cache_format(const pl_state *state, pl_buf *out)
{
    pl_buf_puts(out, "KV ");
    pl_act_format(&state->kv, out);
    pl_buf_printf(out, " %zu", state->kv.bits > 0 ? state->kv_group_size : 0);
}

static void put_format(const pl_act_grid *grid, pl_buf *out)
{
    pl_buf_printf(out, " %s=%s", pl_format_is_int(grid->format) ? "symmetric" : "format",
                  grid->format->key);
    if (grid->format->modes != 0) {
        pl_buf_printf(out, " scale_mode=%s", pl_scale_mode_names[grid->scale_mode]);
    }
}

void pl_state_quantized_commands(const pl_state *state, pl_buf *out)
{
    const pl_act_grid *a = &state->activations, *kv = &state->kv;
    if (a->bits > 0) {
        pl_buf_printf(out, "activations bits=%d", a->bits);
        if (a->group_size > 0) {
            pl_buf_printf(out, " group_size=%zu", a->group_size);
        }
        put_format(a, out);
        pl_buf_printf(out, " clip=%.17g range=%s\n", a->clip, a->fixed ? "tensor" : "token");
    }
    if (kv->bits > 0) {
        pl_buf_printf(out, "kv bits=%d group_size=%zu", kv->bits, state->kv_group_size);
        put_format(kv, out);
        pl_buf_puts(out, "\n");
    }
}
