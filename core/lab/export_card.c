/* The model card of an export: what it is, how it was made, what was measured, how it is loaded. */
#include "core/base/text.h"
#include "core/lab/export_parts.h"
#include "core/state/kept.h"
#include "core/state/record.h"

#include <math.h>
#include <string.h>

pl_status pl_export_commands(const pl_exporter *x, pl_buf *out, pl_error *err)
{
    pl_state opened;
    const pl_state *state = x->cx.state;
    pl_status status = PL_OK;
    pl_state_init(&opened);
    if (x->spec->which == PL_WHICH_BEFORE) {
        status = pl_state_set_source(&opened, state->source, err);
        state = &opened;
    }
    if (status == PL_OK) {
        pl_state_commands(state, true, out);
        status = pl_buf_check(out, err);
    }
    pl_state_deinit(&opened);
    return status;
}

static const char *format_name(const pl_exporter *x)
{
    return x->spec->gguf ? "GGUF" : x->packing != NULL ? x->packing->name : "floats (safetensors)";
}

static void put_card_perplexity(const pl_exporter *x, pl_buf *out)
{
    pl_measurement found;
    const bool original = x->spec->which == PL_WHICH_BEFORE;
    const pl_id setting = original ? (pl_id){0} : pl_state_setting(x->cx.state);
    if (!pl_record_find(x->cx.state->source, &setting, NULL, &found)) {
        pl_buf_puts(out, "No perplexity was measured before the export.\n");
        return;
    }
    pl_buf_puts(out, "| model | perplexity | protocol |\n|---|---|---|\n");
    if (isfinite(found.original)) {
        pl_buf_printf(out, "| original | %.6g | %s |\n", found.original, found.protocol);
    }
    if (!original) {
        pl_buf_printf(out, "| this one | %.6g | %s |\n", found.perplexity, found.protocol);
    }
    if (isfinite(found.kl_mean)) {
        pl_buf_printf(out, "\nMean KL divergence from the original: %.4g nats a token.\n",
                      found.kl_mean);
    }
    pl_buf_puts(out, x->report.max_dtype_error > 0 || x->report.other_dtype_error > 0 ||
                             x->report.requantized > 0 || x->lost > 0.0
                         ? "\nMeasured before the files' element types rounded the weights; the "
                           "largest change of a weight by them is "
                         : "\nThe files hold exactly the weights that were measured.\n");
    if (x->report.max_dtype_error > 0 || x->report.other_dtype_error > 0) {
        pl_buf_printf(out, "%.3g (of layers), %.3g (of norms and embeddings).\n",
                      x->report.max_dtype_error, x->report.other_dtype_error);
    } else if (x->report.requantized > 0) {
        pl_buf_printf(out, "0; %zu layers were rounded anew for this format.\n",
                      x->report.requantized);
    } else if (x->lost > 0.0) {
        pl_buf_puts(out, "0; scales of packed layers were rounded to hold the transforms.\n");
    }
    if (pl_state_quantizes(x->cx.state)) {
        pl_buf_puts(out, "\nMeasured with the quantized activations and cache that the commands "
                         "below set, which are not in the files: these weights without them have "
                         "another perplexity.\n");
    }
}

static void put_loading(const pl_exporter *x, pl_buf *out)
{
    if (x->spec->gguf) {
        pl_buf_puts(out, "```\nllama-cli -m model.gguf -p \"Once upon a time\"\n```\n");
        return;
    }
    pl_buf_printf(out,
                  "```python\nfrom transformers import AutoModelForCausalLM\n"
                  "model = AutoModelForCausalLM.from_pretrained(\"FOLDER\", torch_dtype=\"auto\")"
                  "\n```\n");
    if (x->packing != NULL) {
        pl_buf_printf(out, "\nLoads in: %s.\n", x->packing->about);
    }
    if (x->report.loaded_error > 0.0) {
        pl_buf_printf(out,
                      "\nLoaded in the configuration's %s, weights of packed layers are rounded "
                      "once more, by %.2g relatively; in float32 they are those measured.\n",
                      x->config_dtype == PL_BF16 ? "bfloat16" : "float16", x->report.loaded_error);
    }
}

/* The command, with all that alters the files. */
static void put_export(const pl_exporter *x, pl_buf *out)
{
    static const char *const dtypes[] = {
        [PL_F32] = " dtype=f32", [PL_F16] = " dtype=f16", [PL_BF16] = " dtype=bf16"};
    const pl_export_spec *spec = x->spec;
    pl_buf_printf(out, "export format=%s weights=%s%s%s%s%s%s%s dir=FOLDER\n",
                  spec->gguf           ? "gguf"
                  : x->packing != NULL ? x->packing->name
                                       : "hf",
                  spec->which == PL_WHICH_AFTER    ? "rounded"
                  : spec->which == PL_WHICH_BEFORE ? "original"
                                                   : "preconditioned",
                  spec->dtype <= PL_BF16   ? dtypes[spec->dtype]
                  : spec->dtype == PL_Q8_0 ? " dtype=q8_0"
                                           : "",
                  spec->order == PL_PACK_PADDED ? " packing=padded" : "",
                  spec->lossy ? " lossy=yes" : "", spec->fold ? " fold=yes" : "",
                  spec->partial ? " partial=yes" : "",
                  pl_state_quantizes(x->cx.state) ? " online=drop" : "");
}

pl_status pl_export_write_card(const pl_exporter *x, pl_error *err)
{
    pl_buf text = {0}, path = {0}, commands = {0};
    pl_status status = pl_export_commands(x, &commands, err);
    if (status != PL_OK) {
        pl_buf_deinit(&commands);
        return status;
    }
    pl_buf_printf(&text, "# %s, %s with Planish " PL_VERSION "\n\nFormat: %s",
                  pl_model_name(x->model),
                  x->spec->which == PL_WHICH_BEFORE ? "converted" : "quantized", format_name(x));
    pl_buf_printf(&text, x->report.types[0] != '\0' ? " (%s)" : "%s", x->report.types);
    pl_buf_puts(&text, ".\n\n## Perplexity\n\n");
    put_card_perplexity(x, &text);
    pl_buf_puts(&text, "\n## Loading\n\n");
    put_loading(x, &text);
    pl_buf_puts(&text, "\n## Commands that made it\n\n```\n");
    pl_buf_append(&text, commands.data != NULL ? commands.data : "", commands.size);
    put_export(x, &text);
    pl_buf_puts(&text, "```\n");
    pl_path_join(&path, x->made.path, "README.md");
    status = pl_buf_check(&text, err);
    PL_THEN(pl_buf_check(&path, err));
    PL_THEN(pl_file_write_all(path.data, text.data, text.size, err));
    pl_buf_deinit(&text);
    pl_buf_deinit(&path);
    pl_buf_deinit(&commands);
    return status;
}
