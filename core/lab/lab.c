#include "core/lab/lab.h"

#include "core/base/checked.h"
#include "core/base/memory.h"
#include "core/lab/lab_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pl_status pl_lab_create(const pl_lab_options *options, pl_lab **out, pl_error *err)
{
    *out = NULL;
    pl_lab *lab = calloc(1, sizeof *lab);
    if (lab == NULL) {
        return pl_error_memory(err, "the calibration");
    }
    const size_t share = pl_memory_share();
    lab->memory_limit = options->memory_limit > 0 ? options->memory_limit
                        : share > 0               ? share
                                                  : (size_t)4 << 30;
    pl_status status = pl_store_open(options->store, 0, &lab->store, err);
    if (status != PL_OK) {
        pl_lab_destroy(lab);
        return status;
    }
    pl_store_keep_at_most(lab->store, lab->memory_limit / 4);
    lab->pool = options->pool;
    *out = lab;
    return PL_OK;
}

void pl_lab_begin(pl_lab *lab)
{
    pl_store_begin(lab->store);
    lab->known_used = (pl_id){0};
}

void pl_lab_free_bench(pl_lab_bench *entry)
{
    pl_factors_destroy(entry->factors);
    pl_site_stats_deinit(&entry->stats);
    free(entry);
}

void pl_lab_destroy(pl_lab *lab)
{
    if (lab == NULL) {
        return;
    }
    if (lab->pool != NULL) {
        lab->pool->leave(lab->pool->ctx);
    }
    while (lab->benches != NULL) {
        pl_lab_bench *next = lab->benches->next;
        pl_lab_free_bench(lab->benches);
        lab->benches = next;
    }
    if (lab->drop_walks != NULL) {
        lab->drop_walks(lab);
    }
    free(lab->states.x);
    pl_tokens_deinit(&lab->tokens);
    pl_buf_deinit(&lab->tokens_paths);
    pl_source_release(lab->tokens_source);
    pl_source_release(lab->own_source);
    pl_buf_deinit(&lab->warning);
    pl_store_close(lab->store);
    free(lab);
}

pl_kept_walk **pl_lab_kept_walks(pl_lab *lab, void (*drop)(pl_lab *lab))
{
    lab->drop_walks = drop;
    return &lab->walks;
}

pl_block_states *pl_lab_kept_states(pl_lab *lab)
{
    return &lab->states;
}

pl_store *pl_lab_store(pl_lab *lab)
{
    return lab->store;
}

void pl_lab_set_pool(pl_lab *lab, const pl_pool *pool)
{
    lab->pool = pool;
}

const pl_pool *pl_lab_pool(const pl_lab *lab)
{
    return lab->pool;
}

size_t pl_lab_memory_limit(const pl_lab *lab)
{
    return lab->memory_limit;
}

char *pl_lab_take_warning(pl_lab *lab)
{
    char *notice = pl_store_take_notice(lab->store);
    if (notice != NULL) {
        pl_lab_warn(lab, notice);
        free(notice);
    }
    char *text = lab->warning.data;
    lab->warning = (pl_buf){0};
    return text;
}

void pl_lab_warn(pl_lab *lab, const char *text)
{
    pl_buf_printf(&lab->warning, "%s%s", lab->warning.size > 0 ? "; " : "", text);
}

/* Names the files with what tells one version of them from another. */
static pl_status describe_paths(const char *const *paths, size_t n, pl_buf *out, pl_error *err)
{
    for (size_t i = 0; i < n; i++) {
        pl_file *file = NULL;
        pl_status status = pl_file_open(paths[i], &file, err);
        if (status != PL_OK) {
            return status;
        }
        pl_file_stamp stamp = pl_file_get_stamp(file);
        pl_file_close(file);
        pl_buf_printf(out, "%s\n%llu %llu %llu\n", paths[i], (unsigned long long)stamp.size,
                      (unsigned long long)stamp.mtime_ns, (unsigned long long)stamp.inode);
    }
    return pl_buf_check(out, err);
}

pl_status pl_lab_tokens(pl_context cx, const char *const *paths, size_t n, const pl_tokens **out,
                        pl_error *err)
{
    *out = NULL;
    pl_buf wanted = {0};
    pl_tokens fresh = {0};
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = describe_paths(paths, n, &wanted, err);
    if (status != PL_OK) {
        goto done;
    }
    if (cx.lab->tokens_source == cx.state->source && cx.lab->tokens_paths.size == wanted.size &&
        memcmp(cx.lab->tokens_paths.data, wanted.data, wanted.size) == 0) {
        *out = &cx.lab->tokens;
        goto done;
    }
    status = pl_model_need_tokenizer(cx.state->source->model, &tokenizer, err);
    PL_THEN(pl_tokens_read(tokenizer, paths, n, cx.lab->memory_limit, &fresh, cx.task, err));
    if (status != PL_OK) {
        goto done;
    }
    pl_tokens_deinit(&cx.lab->tokens);
    cx.lab->tokens = fresh;
    pl_source *old = cx.lab->tokens_source;
    cx.lab->tokens_source = pl_source_retain(cx.state->source);
    pl_source_release(old);
    pl_buf_deinit(&cx.lab->tokens_paths);
    cx.lab->tokens_paths = wanted;
    wanted = (pl_buf){0};
    *out = &cx.lab->tokens;
done:
    pl_buf_deinit(&wanted);
    return status;
}

pl_status pl_lab_own_tokens(pl_context cx, const char *const *paths, size_t n, pl_tokens *out,
                            pl_error *err)
{
    const pl_tokens *shared = NULL;
    *out = (pl_tokens){0};
    pl_status status = pl_lab_tokens(cx, paths, n, &shared, err);
    if (status != PL_OK) {
        return status;
    }
    int32_t *ids = pl_alloc(shared->count, sizeof *ids);
    if (ids == NULL) {
        return pl_error_memory(err, "a text's tokens");
    }
    memcpy(ids, shared->ids, shared->count * sizeof *ids);
    *out = *shared;
    out->ids = ids;
    return PL_OK;
}

pl_status pl_lab_calib_spec(pl_context cx, pl_calib_spec *spec, pl_tokens *tokens, pl_error *err)
{
    const pl_calibration *calibration = &cx.state->calibration;
    pl_status status = pl_lab_own_tokens(cx, (const char *const *)calibration->texts,
                                         calibration->n_texts, tokens, err);
    if (status != PL_OK) {
        return status;
    }
    *spec = (pl_calib_spec){
        .model = cx.state->source->model,
        .tokens = tokens,
        .protocol = calibration->protocol,
        .sample_rows = pl_protocol_rows(&calibration->protocol),
        .memory_limit = cx.lab->memory_limit,
    };
    return PL_OK;
}
