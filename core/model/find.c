/* Finding a layer by what a person types. */
#include "core/model/bare_parts.h"
#include "core/model/model_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a name's last part means this role: "q_proj", "q", "attn_q". */
static bool means(pl_names names, const char *word, size_t size)
{
    if (names.hf == NULL) {
        return false;
    }
    const char *dot = strrchr(names.hf, '.');
    const char *last = dot != NULL ? dot + 1 : names.hf;
    size_t whole = strlen(last);
    const char *under = strstr(last, "_proj"); /* also of kv_a_proj_with_mqa */
    size_t stem = under != NULL ? (size_t)(under - last) : whole;
    return (size == whole && memcmp(word, last, whole) == 0) ||
           (size == stem && memcmp(word, last, stem) == 0) ||
           (size == strlen(names.gguf) && memcmp(word, names.gguf, size) == 0);
}

typedef struct wanted {
    bool has_block;
    size_t block;
    bool has_role;
    pl_role role;
    pl_role other; /* a role that the words mean as well; PL_ROLE_COUNT: none */
    size_t expert; /* PL_NO_EXPERT: none was named */
} wanted;

static bool is(const char *text, const char *word, size_t size)
{
    return strlen(text) == size && memcmp(text, word, size) == 0;
}

/* Whether a layer's name fits behind this part of a block ("mlp"); part NULL: none was given, or
 * the architecture's names have none. */
static bool in_part(pl_names names, const char *part)
{
    const size_t size = part != NULL ? strcspn(part, ".") : 0;
    return part == NULL || names.hf == NULL || strchr(names.hf, '.') == NULL ||
           (strncmp(names.hf, part, size) == 0 && names.hf[size] == '.');
}

/* GGUF's word for the experts' or the shared expert's tensor says more than the role. */
static bool read_role(const pl_arch *arch, const char *word, size_t size, bool last,
                      const char *part, wanted *out)
{
    const pl_expert_names *experts = arch->experts;
    for (int role = 0; role < PL_ROLE_COUNT && !out->has_role; role++) {
        bool joint = experts != NULL && experts->layers[role].hf != NULL &&
                     is(experts->layers[role].gguf, word, size);
        bool shared = experts != NULL && experts->shared[role].hf != NULL &&
                      is(experts->shared[role].gguf, word, size);
        bool plain =
            last && ((means(arch->layers[role], word, size) && in_part(arch->layers[role], part)) ||
                     (experts != NULL && means(experts->layers[role], word, size)));
        if (joint || shared || plain) {
            out->has_role = true;
            out->role = (pl_role)role;
            out->expert = shared ? PL_SHARED_EXPERT : out->expert;
            for (int other = role + 1; plain && other < PL_ROLE_COUNT; other++) {
                out->other =
                    means(arch->layers[other], word, size) && in_part(arch->layers[other], part)
                        ? (pl_role)other
                        : out->other;
            }
            return true;
        }
    }
    return false;
}

/* The first number is a block's, the second an expert's. */
static bool read_number(const char *word, size_t size, bool experts, wanted *out)
{
    if (size == 0 || size > 6 || strspn(word, "0123456789") < size) {
        return false;
    }
    size_t number = (size_t)strtoul(word, NULL, 10);
    if (!out->has_block) {
        out->has_block = true;
        out->block = number;
        return true;
    }
    if (experts && out->expert == PL_NO_EXPERT) {
        out->expert = number;
        return true;
    }
    return false;
}

/* Reads "model.layers.15.self_attn.q_proj", "15.down", "blk.3.ffn_up.weight", "q_proj",
 * "15.experts.3.w1", "15.3.down", "blk.15.ffn_up_exps.3". */
static bool parse(const pl_arch *arch, const char *name, wanted *out)
{
    static const char *const fillers[] = {
        "self_attn",   "mlp",     "attn", "model",        "layers",  "blk",
        "transformer", "decoder", "h",    "feed_forward", "experts", "block_sparse_moe"};
    const size_t parts = 3, plain_fillers = 10;
    const char *part = NULL;
    bool experts = arch->experts != NULL;
    size_t n_fillers = experts ? sizeof fillers / sizeof fillers[0] : plain_fillers;
    *out = (wanted){.expert = PL_NO_EXPERT, .other = PL_ROLE_COUNT};
    size_t size = strlen(name);
    if (size > 7 && strcmp(name + size - 7, ".weight") == 0) {
        size -= 7;
    }
    for (const char *word = name, *end = name + size; word < end;) {
        const char *dot = memchr(word, '.', (size_t)(end - word));
        size_t length = (size_t)((dot != NULL ? dot : end) - word);
        bool known = read_number(word, length, experts, out) ||
                     read_role(arch, word, length, dot == NULL, part, out);
        const bool shared = is("shared_expert", word, length) || is("shared_experts", word, length);
        if (!known && experts && out->expert == PL_NO_EXPERT && shared) {
            out->expert = PL_SHARED_EXPERT;
            known = true;
        }
        for (size_t i = 0; i < n_fillers && !known; i++) {
            known = is(fillers[i], word, length);
            part = known && i < parts ? word : part;
        }
        if (!known) {
            return false;
        }
        word += length + 1;
    }
    return out->has_role;
}

enum { OTHER_NAME = 128 };

/* "15.q_proj", "15.3.w1": the block, the expert's number, the last part of the name. */
static void brief_name(const pl_layer *layer, char out[PL_LAYER_NAME])
{
    const char *last = strrchr(layer->name, '.') + 1;
    if (layer->expert < PL_SHARED_EXPERT) {
        snprintf(out, PL_LAYER_NAME, "%zu.%zu.%s", layer->block, layer->expert, last);
    } else {
        const char *inside = layer->name + strlen("model.layers.");
        snprintf(out, PL_LAYER_NAME, "%zu.%s%s", layer->block,
                 layer->expert == PL_SHARED_EXPERT ? "shared_expert." : "",
                 layer->needs_part ? strchr(inside, '.') + 1 : last);
    }
}

static pl_status not_found(const pl_model *model, const char *name, const wanted *want,
                           pl_error *err)
{
    if (want->has_role && want->has_block && want->block >= model->config.blocks) {
        return pl_error_set(err, PL_ERR_NOT_FOUND, "no layer '%.100s': blocks are 0 to %zu", name,
                            model->config.blocks - 1);
    }
    /* The three nearest, by the full name or without "model.layers.". */
    size_t best[3] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    const char *names[3] = {"", "", ""};
    for (size_t i = 0; i < model->n_layers && strlen(name) < 128; i++) {
        const char *full = model->layers[i].name;
        char brief[PL_LAYER_NAME];
        brief_name(&model->layers[i], brief);
        size_t whole = pl_text_distance(name, full);
        size_t part = pl_text_distance(name, brief);
        size_t distance = whole < part ? whole : part;
        for (size_t k = 0; k < 3; k++) {
            if (distance < best[k]) {
                memmove(best + k + 1, best + k, (2 - k) * sizeof best[0]);
                memmove(names + k + 1, names + k, (2 - k) * sizeof names[0]);
                best[k] = distance;
                names[k] = full;
                break;
            }
        }
    }
    return pl_error_set(err, PL_ERR_NOT_FOUND, "no layer '%.100s': did you mean %s%s%s%s%s?", name,
                        names[0], names[1][0] != '\0' ? ", " : "", names[1],
                        names[2][0] != '\0' ? " or " : "", names[2]);
}

pl_status pl_model_find_layer(const pl_model *model, const char *name, size_t *index, pl_error *err)
{
    if (model->bare != NULL) {
        return pl_bare_find_layer(model, name, index, err);
    }
    wanted want;
    bool parsed = parse(model->config.arch, name, &want);
    if (parsed && !want.has_block && model->config.blocks == 1) {
        want.has_block = true;
    }
    if (parsed && !want.has_block) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "'%.100s' names a layer of every block; name the block as well, as in "
                            "0.%.100s",
                            name, name);
    }
    if (!parsed || want.block >= model->config.blocks) {
        return not_found(model, name, &want, err);
    }
    if (want.other != PL_ROLE_COUNT) {
        const pl_arch *arch = model->config.arch;
        return pl_error_set(
            err, PL_ERR_USAGE, "'%.100s' may be %zu.%s or %zu.%s: name the part as well", name,
            want.block, arch->layers[want.role].hf, want.block, arch->layers[want.other].hf);
    }
    size_t first = 0;
    size_t count = pl_model_block_layers(model, want.block, &first);
    size_t other = first;
    bool mixed = false;
    for (size_t i = first; i < first + count; i++) {
        const pl_layer *layer = &model->layers[i];
        if (layer->role == want.role && layer->expert == want.expert) {
            *index = i;
            return PL_OK;
        }
        other = !mixed && layer->role == want.role ? i : other;
        mixed = mixed || (layer->role == want.role && want.expert == PL_NO_EXPERT);
    }
    if (mixed) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "'%.100s' names a layer of every expert of block %zu; name the expert "
                            "as well, as in %zu.0.%s",
                            name, want.block, want.block,
                            strrchr(model->layers[other].name, '.') + 1);
    }
    return not_found(model, name, &want, err);
}

/* other[128] is room for a short name. */
static bool matches_glob(const pl_model *model, size_t index, const char *glob, char *other)
{
    if (model->bare != NULL) {
        return pl_bare_layer_matches(model, index, glob);
    }
    const pl_layer *layer = &model->layers[index];
    const pl_arch *arch = model->config.arch;
    if (strncmp(glob, "blk.", 4) == 0) {
        if (layer->expert < PL_SHARED_EXPERT) {
            snprintf(other, OTHER_NAME, "blk.%zu.%s.%zu", layer->block,
                     arch->experts->layers[layer->role].gguf, layer->expert);
        } else {
            snprintf(other, OTHER_NAME, "blk.%zu.%s", layer->block,
                     layer->expert == PL_SHARED_EXPERT ? arch->experts->shared[layer->role].gguf
                                                       : arch->layers[layer->role].gguf);
        }
        return pl_text_glob(glob, other);
    }
    if (strncmp(glob, "model.layers.", strlen("model.layers.")) == 0) {
        return pl_text_glob(glob, layer->name);
    }
    if (other[0] < '0' || other[0] > '9') { /* a list asks for the short name again and again */
        brief_name(layer, other);
    }
    return pl_text_glob(glob, layer->name) || pl_text_glob(glob, other) ||
           pl_text_glob(glob, layer->name + strlen("model.layers."));
}

bool pl_model_layer_matches(const pl_model *model, size_t index, const char *glob)
{
    char other[OTHER_NAME] = "", part[OTHER_NAME];
    bool matches = matches_glob(model, index, glob, other);
    for (const char *at = strchr(glob, ',') != NULL ? glob : ""; *at != '\0' && !matches;) {
        const size_t length = strcspn(at, ",");
        if (length < sizeof part) {
            memcpy(part, at, length);
            part[length] = '\0';
            matches = matches_glob(model, index, part, other);
        }
        at += length + (at[length] == ',');
    }
    return matches;
}
