#include "core/metrics/perplexity_parts.h"

#include "core/metrics/softmax.h"

#include <math.h>

pl_status pl_windows_init(pl_windows *out, const pl_model *model, const int32_t *ids, size_t count,
                          const pl_ppl_spec *spec, pl_error *err)
{
    const bool llama = spec->protocol == PL_PPL_LLAMA_CPP;
    if (spec->length < (llama ? 3u : 2u)) {
        return pl_error_set(err, PL_ERR_USAGE, "length is %zu, expected at least %d by protocol %s",
                            spec->length, llama ? 3 : 2, llama ? "llama.cpp" : "gptq");
    }
    const pl_tokenizer *tokenizer = pl_model_tokenizer(model);
    const pl_frame frame = tokenizer != NULL ? *pl_tokenizer_frame(tokenizer) : (pl_frame){0};
    const size_t has = (frame.n_front + count + frame.n_back) / spec->length;
    if (has == 0 || has < spec->windows) {
        return pl_error_set(
            err, PL_ERR_STATE, "the text has %zu window%s of %zu tokens, %zu were asked", has,
            has == 1 ? "" : "s", spec->length, spec->windows > 0 ? spec->windows : 1);
    }
    *out = (pl_windows){
        .text = ids,
        .count = count,
        .frame = frame,
        .protocol = spec->protocol,
        .length = spec->length,
        .windows = spec->windows > 0 ? spec->windows : has,
        .first_target = llama ? spec->length / 2 + 1 : 1,
    };
    return PL_OK;
}

void pl_windows_ids(const pl_windows *windows, size_t window, int32_t *out)
{
    const pl_frame *f = &windows->frame;
    for (size_t i = 0; i < windows->length; i++) {
        const size_t at = window * windows->length + i;
        out[i] = at < f->n_front                    ? f->front[at]
                 : at < f->n_front + windows->count ? windows->text[at - f->n_front]
                                                    : f->back[at - f->n_front - windows->count];
    }
    if (f->n_front > 0 && windows->protocol == PL_PPL_LLAMA_CPP) {
        out[0] = f->front[0];
    }
}

double pl_block_parameters(const pl_model *model)
{
    double sum = 0.0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        sum += layer->block == 0 ? (double)layer->rows * (double)layer->cols : 0.0;
    }
    return sum;
}

static pl_status check_scores_finite(const pl_score *scores, size_t count, pl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(scores[i].nll) || !isfinite(scores[i].kl)) {
            return pl_error_set(err, PL_ERR_NUMERIC, "the model's logits are not finite");
        }
    }
    return PL_OK;
}

pl_status pl_score_alone(const float *logits, const int32_t *targets, size_t rows, size_t vocab,
                         pl_score *out, pl_error *err)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i++) {
        const float *row = logits + i * vocab;
        const float max = pl_row_max(row, vocab);
        const double log_sum = pl_row_log_sum_exp(row, vocab, max);
        const double chosen = (double)row[targets[i]];
        out[i] = (pl_score){.nll = log_sum - chosen, .original = log_sum - chosen};
    }
    return check_scores_finite(out, rows, err);
}

pl_status pl_score_against(const float *original, const float *logits, const int32_t *targets,
                           size_t rows, size_t vocab, pl_score *out, pl_error *err)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i++) {
        const float *q = logits + i * vocab;
        const float *o = original + i * vocab;
        const float max_q = pl_row_max(q, vocab);
        const float max_o = pl_row_max(o, vocab);
        const double log_q = pl_row_log_sum_exp(q, vocab, max_q);
        const double log_o = pl_row_log_sum_exp(o, vocab, max_o);
        out[i] = (pl_score){
            .nll = log_q - (double)q[targets[i]],
            .original = log_o - (double)o[targets[i]],
            .kl = pl_row_kl(o, q, vocab, max_o, log_o, log_q),
            .agreed = pl_row_find(q, vocab, max_q) == pl_row_find(o, vocab, max_o),
        };
    }
    return check_scores_finite(out, rows, err);
}

void pl_window_add(pl_window_sums *sums, const pl_score *scores, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const pl_score *s = &scores[i];
        sums->nll += s->nll;
        sums->nll2 += s->nll * s->nll;
        sums->original += s->original;
        sums->original2 += s->original * s->original;
        sums->kl += s->kl;
        sums->kl_max = s->kl > sums->kl_max ? s->kl : sums->kl_max;
        sums->agreed += s->agreed ? 1 : 0;
    }
}

/* exp(mean), and one standard error of it, from the sums of n scores and of their squares. */
static double perplexity_of(double sum, double squares, double n, double *error)
{
    const double mean = sum / n;
    const double variance = squares / n - mean * mean;
    const double spread = sqrt((variance > 0.0 ? variance : 0.0) / (n - 1.0));
    *error = n > 1.0 ? exp(mean) * spread : (double)NAN;
    return exp(mean);
}

pl_ppl_result pl_windows_result(const pl_windows *windows, const pl_window_sums *sums,
                                bool compared, bool itself)
{
    pl_window_sums all = {0};
    for (size_t w = 0; w < windows->windows; w++) {
        all.nll += sums[w].nll;
        all.nll2 += sums[w].nll2;
        all.original += sums[w].original;
        all.original2 += sums[w].original2;
        all.kl += sums[w].kl;
        all.kl_max = sums[w].kl_max > all.kl_max ? sums[w].kl_max : all.kl_max;
        all.agreed += sums[w].agreed;
    }
    const size_t tokens = windows->windows * (windows->length - windows->first_target);
    const double n = (double)tokens;
    pl_ppl_result out = {
        .mean_nll = all.nll / n,
        .tokens = tokens,
        .windows = windows->windows,
        .kl_mean = compared ? all.kl / n : NAN,
        .kl_max = compared ? all.kl_max : NAN,
        .top1_agreement = !compared ? NAN
                          : itself  ? 1.0
                                    : (double)all.agreed / n,
        .original = (double)NAN,
        .original_error = (double)NAN,
        .spread_least = (double)NAN,
        .spread_largest = (double)NAN,
        .spread_deviation = (double)NAN,
    };
    out.perplexity = perplexity_of(all.nll, all.nll2, n, &out.perplexity_error);
    if (compared) {
        out.original = perplexity_of(all.original, all.original2, n, &out.original_error);
    }
    return out;
}
