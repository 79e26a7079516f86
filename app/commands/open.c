/* open: a model, or matrices with their inputs. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/source.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/model/bare.h"

/* Weights that found no inputs though there is a file of them: a slip in the names is seen. */
static void warn_unpaired(const pl_model *model, pl_lab *lab)
{
    size_t blind = 0, first = 0;
    for (size_t i = 0; pl_model_inputs(model) != NULL && i < pl_model_layer_count(model); i++) {
        if (pl_model_is_blind(model, i)) {
            first = blind++ == 0 ? i : first;
        }
    }
    if (blind > 0) {
        pl_buf text = {0};
        pl_buf_printf(&text, "%zu of %zu weights (%s%s) have no inputs in %s", blind,
                      pl_model_layer_count(model), pl_model_layer(model, first)->name,
                      blind > 1 ? ", ..." : "", pl_model_inputs_name(model));
        pl_lab_warn(lab, text.data != NULL ? text.data : "weights without inputs");
        pl_buf_deinit(&text);
    }
}

/* "12 tensors ... are read by nothing: blk.*.attn_q.bias (3), ..." */
static void warn_unread(const pl_model *model, pl_lab *lab)
{
    const size_t shown = 5;
    size_t kinds = 0, all = 0;
    const pl_unread *unread = pl_model_unread(model, &kinds);
    pl_buf text = {0};
    for (size_t i = 0; i < kinds; i++) {
        all += unread[i].count;
    }
    if (all == 0 || pl_model_is_bare(model)) { /* matrices stand alone */
        return;
    }
    pl_buf_printf(&text, "%zu tensor%s of %s %s read by nothing: ", all, all > 1 ? "s" : "",
                  pl_model_name(model), all > 1 ? "are" : "is");
    for (size_t i = 0; i < kinds && i < shown; i++) {
        pl_buf_printf(&text, unread[i].count > 1 ? "%s%s (%zu)" : "%s%s", i > 0 ? ", " : "",
                      unread[i].kind, unread[i].count);
    }
    pl_buf_puts(&text, kinds > shown ? ", ... (`info` names all)" : "");
    pl_lab_warn(lab, text.data != NULL ? text.data : "tensors are read by nothing");
    pl_buf_deinit(&text);
}

static pl_status run_open(pl_call *call, pl_context cx, pl_error *err)
{
    double start = pl_clock_now();
    const char *path = call->n_words > 0 ? call->words[0] : NULL;
    const char *inputs = pl_call_value(call, "inputs");
    if (path == NULL && inputs != NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "open: inputs= goes with a file of weights: open W.safetensors "
                            "inputs=X.safetensors");
    }
    pl_status status = pl_open_source(path, inputs, &call->source, err);
    if (status == PL_OK) {
        pl_put_info(call->result, call->source->model, pl_clock_now() - start);
        warn_unpaired(call->source->model, cx.lab);
        const char *note = pl_checkpoint_note(pl_model_checkpoint(call->source->model));
        if (note != NULL) {
            pl_lab_warn(cx.lab, note);
        }
        warn_unread(call->source->model, cx.lab);
    }
    return status;
}

static pl_status apply_open(pl_call *call, pl_state *state, pl_error *err)
{
    return pl_state_set_source(state, call->source, err);
}

/* What `open W inputs=X` expects, and how any torch module is dumped so. */
static void help_dumps(pl_buf *out)
{
    pl_buf_puts(
        out,
        "  Any other architecture opens by dumps: `open W.safetensors inputs=X.safetensors` (or\n"
        "  .npy for both).  W holds matrices [out, in]; the inputs X [tokens, in] of the weight\n"
        "  NAME.weight are named NAME.weight, NAME.input or NAME; two files of one array are a\n"
        "  pair.  Everything but perplexity, probe, tokenize, calibrate and massive works, since\n"
        "  nothing runs the model; without inputs= the weights alone.  A dump from PyTorch:\n"
        "\n"
        "    import torch\n"
        "    from safetensors.torch import save_file\n"
        "    W, X = {}, {}\n"
        "    def keep(n, w, turned):  # as [out, in]\n"
        "        W[n + '.weight'] = (w.t() if turned else w).detach().cpu().clone("
        "memory_format=torch.contiguous_format)\n"
        "    def see(n, x):\n"
        "        X.setdefault(n + '.input', []).append(x.detach().reshape(-1, x.shape[-1])\n"
        "                                              .to('cpu', torch.float32, copy=True))\n"
        "    for n, m in model.named_modules():\n"
        "        turned = type(m).__name__ == 'Conv1D'  # gpt2's layers hold [in, out]\n"
        "        if turned or isinstance(m, torch.nn.Linear):\n"
        "            keep(n, m.weight, turned)\n"
        "            m.register_forward_pre_hook(lambda _, x, n=n: see(n, x[0]))\n"
        "            continue\n"
        "        for p, w in m.named_parameters(recurse=False):\n"
        "            if w.dim() == 3 and 'xpert' in type(m).__name__:  # fused, without inputs\n"
        "                for e, one in enumerate(w):\n"
        "                    keep(f'{n}.{p}.{e}', one, turned=p != 'weight')\n"
        "            elif w.dim() > 1 and not isinstance(m, torch.nn.Embedding):\n"
        "                print('skipped:', n + '.' + p, tuple(w.shape), type(m).__name__)\n"
        "    with torch.no_grad(): model(batch)  # once or more: the text to calibrate on\n"
        "    for n in sorted(W.keys() - {x.replace('.input', '.weight') for x in X}):\n"
        "        print('no input was seen:', n)\n"
        "    save_file(W, 'W.safetensors')\n"
        "    save_file({n: torch.cat(x) for n, x in X.items()}, 'X.safetensors')\n");
}

static const pl_key open_keys[] = {
    {"inputs", PL_KEY_FILE, NULL, NULL,
     "open matrices: their inputs X [tokens, in], .safetensors or .npy"},
    {0},
};

const pl_command pl_command_open = {
    .name = "open",
    .positional = "[PATH]",
    .max_words = 1,
    .keys = open_keys,
    .summary = "Open a model: a folder, .safetensors, .gguf, .npy or cached org/name; alone: the "
               "demo",
    .put_line = pl_line_info,
    .run = run_open,
    .apply = apply_open,
    .slow = pl_slow_always,
    .rebuild = PL_REBUILD_MODEL,
    .more_help = help_dumps,
};
