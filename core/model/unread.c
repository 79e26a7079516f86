/* Tensors of a checkpoint that nothing reads: what the forward pass leaves out is told. */
#include "core/model/model_parts.h"

#include <stdlib.h>
#include <string.h>

/* Buffers that every reader makes anew from the config. */
static bool is_made_anew(const char *name)
{
    /* RoPE's frequencies; gpt2's causal masks and what stood in for minus infinity. */
    static const char *const endings[] = {".rotary_emb.inv_freq", ".attn.bias",
                                          ".attn.masked_bias"};
    bool made = false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && !made; i++) {
        size_t size = strlen(name), need = strlen(endings[i]);
        made = size > need && strcmp(name + size - need, endings[i]) == 0;
    }
    return made;
}

static void mark_tensor_read(const pl_model *model, bool *read, const pl_tensor *tensor)
{
    if (tensor != NULL) {
        read[tensor - pl_checkpoint_tensor(model->checkpoint, 0)] = true;
    }
}

static void mark_read(const pl_model *model, bool *read)
{
    static const char *const divisors[] = {"rope_freqs.weight", "rope_factors_short.weight",
                                           "rope_factors_long.weight"};
    const pl_config *c = &model->config;
    for (size_t i = 0; i < model->n_layers; i++) {
        mark_tensor_read(model, read, model->layers[i].tensor);
        mark_tensor_read(model, read, model->layers[i].bias);
        mark_tensor_read(model, read, model->layers[i].keys);
    }
    for (size_t b = 0; model->bare == NULL && b < c->blocks; b++) {
        const pl_block_parts *parts = &model->blocks[b];
        for (size_t role = 0; role < PL_NORM_COUNT; role++) {
            mark_tensor_read(model, read, parts->norms[role]);
            mark_tensor_read(model, read, parts->norm_biases[role]);
        }
        mark_tensor_read(model, read, parts->router);
        mark_tensor_read(model, read, parts->shared_gate);
        mark_tensor_read(model, read, parts->score_bias);
        mark_tensor_read(model, read, parts->router_bias);
        mark_tensor_read(model, read, parts->sinks);
    }
    mark_tensor_read(model, read, model->embedding);
    mark_tensor_read(model, read, model->norm);
    mark_tensor_read(model, read, model->lm_head);
    mark_tensor_read(model, read, model->positions);
    mark_tensor_read(model, read, model->norm_bias);
    bool gguf = pl_checkpoint_container(model->checkpoint) == PL_GGUF;
    for (size_t i = 0; gguf && c->rope_divisors > 0 && i < 3; i++) {
        bool used = (i > 0) == (c->rope == PL_ROPE_LONG);
        mark_tensor_read(model, read,
                         used ? pl_checkpoint_find(model->checkpoint, divisors[i]) : NULL);
    }
}

/* The name with every number between dots as '*', safe to show; NULL without memory. */
static char *kind_of(const char *name)
{
    size_t size = pl_text_escape(name, strlen(name), NULL, 0);
    char *kind = malloc(size + 1);
    if (kind == NULL) {
        return NULL;
    }
    pl_text_escape(name, strlen(name), kind, size + 1);
    char *to = kind;
    for (const char *from = kind; *from != '\0';) {
        size_t digits = strspn(from, "0123456789");
        bool number = digits > 0 && (to == kind || to[-1] == '.') &&
                      (from[digits] == '.' || from[digits] == '\0');
        if (number) {
            *to++ = '*';
            from += digits;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return kind;
}

static int compare_kinds(const void *a, const void *b)
{
    const pl_unread *x = a, *y = b;
    return strcmp(x->kind, y->kind);
}

/* Equal kinds, sorted, become one with their number. */
static size_t merge(pl_unread *list, size_t count)
{
    size_t kinds = 0;
    qsort(list, count, sizeof *list, compare_kinds);
    for (size_t i = 0; i < count; i++) {
        if (kinds > 0 && strcmp(list[kinds - 1].kind, list[i].kind) == 0) {
            list[kinds - 1].count++;
            free(list[i].kind);
        } else {
            list[kinds++] = list[i];
        }
    }
    return kinds;
}

pl_status pl_model_list_unread(pl_model *model, pl_error *err)
{
    size_t all = pl_checkpoint_count(model->checkpoint), count = 0;
    bool failed = false;
    bool *read = calloc(all + 1, sizeof *read);
    pl_unread *list = calloc(all + 1, sizeof *list);
    if (read == NULL || list == NULL) {
        free(read);
        free(list);
        return pl_error_memory(err, "the list of tensors");
    }
    mark_read(model, read);
    for (size_t i = 0; i < all && !failed; i++) {
        const char *name = pl_checkpoint_tensor(model->checkpoint, i)->name;
        if (!read[i] && !is_made_anew(name)) {
            list[count] = (pl_unread){kind_of(name), 1};
            failed = list[count].kind == NULL;
            count += !failed;
        }
    }
    free(read);
    model->unread = list;
    model->n_unread = failed ? count : merge(list, count);
    return failed ? pl_error_memory(err, "the list of tensors") : PL_OK;
}

const pl_unread *pl_model_unread(const pl_model *model, size_t *count)
{
    *count = model->n_unread;
    return model->unread;
}
