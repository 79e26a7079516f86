/* Opening files of matrices: which tensors are layers, and which inputs are theirs. */
#include "core/model/bare.h"

#include "core/base/checked.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/model/bare_parts.h"
#include "core/model/model_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char WEIGHT[] = ".weight";

/* Length of a name without ".weight". */
static size_t stem_of(const char *name)
{
    size_t size = strlen(name);
    return pl_text_ends(name, WEIGHT) && size > strlen(WEIGHT) ? size - strlen(WEIGHT) : size;
}

bool pl_model_is_matrices(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode)) {
        return false;
    }
    pl_container kind = pl_checkpoint_kind(path);
    bool unknown = kind == PL_NO_CONTAINER;
    if (kind == PL_NPY || (unknown && pl_text_ends(path, ".npy"))) {
        return true;
    }
    bool tensors = kind == PL_SAFETENSORS || (unknown && pl_text_ends(path, ".safetensors"));
    pl_buf config = {0};
    const char *slash = strrchr(path, '/');
    pl_buf_append(&config, path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
    pl_buf_puts(&config, "config.json");
    bool alone = tensors && !config.failed && stat(config.data, &st) != 0;
    pl_buf_deinit(&config);
    return alone;
}

static bool is_matrix(const pl_tensor *tensor)
{
    return tensor->n_dims == 2 && tensor->dims[0] > 0 && tensor->dims[1] > 0 &&
           tensor->dtype != PL_DTYPE_OTHER;
}

/* Digits compare as numbers, so that block 2 stands before block 10. */
static int compare_natural(const char *a, const char *b)
{
    static const char digits[] = "0123456789";
    while (*a != '\0' && *b != '\0') {
        size_t m = strspn(a, digits), n = strspn(b, digits);
        if (m > 0 && n > 0) {
            size_t p = strspn(a, "0"), q = strspn(b, "0");
            p = p < m ? p : m - 1; /* a last 0 counts */
            q = q < n ? q : n - 1;
            int order = m - p != n - q ? (m - p < n - q ? -1 : 1) : memcmp(a + p, b + q, m - p);
            if (order != 0) {
                return order;
            }
            a += m;
            b += n;
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int compare_tensors(const void *a, const void *b)
{
    const pl_tensor *const *x = a, *const *y = b;
    int order = compare_natural((*x)->name, (*y)->name);
    return order != 0 ? order : strcmp((*x)->name, (*y)->name);
}

/* --- names ------------------------------------------------------------------------------------ */

/* A name as commands can hold it: what the grammar or a glob reads as a sign becomes '_'. */
static char *layer_name(const pl_checkpoint *checkpoint, const char *name)
{
    size_t stem = stem_of(name);
    char *plain = strndup(name, stem);
    if (plain == NULL) {
        return NULL;
    }
    bool taken = name[stem] != '\0' && pl_checkpoint_find(checkpoint, plain) != NULL;
    free(plain);
    stem = taken ? strlen(name) : stem;
    size_t size = pl_text_escape(name, stem, NULL, 0);
    char *safe = malloc(size + 1);
    if (safe != NULL) {
        pl_text_escape(name, stem, safe, size + 1);
        for (char *c = safe; (c = strpbrk(c, " \t;#'\"=*?[")) != NULL;) {
            *c = '_';
        }
    }
    return safe;
}

/* Tensors may come to one name, and "all" means every layer: a number tells them apart. */
static bool make_unique(pl_bare *bare, size_t index)
{
    const char *name = bare->names[index];
    bool taken = name[0] == '\0' || strcmp(name, "all") == 0;
    for (size_t i = 0; i < index && !taken; i++) {
        taken = strcmp(bare->names[i], name) == 0;
    }
    if (!taken) {
        return true;
    }
    pl_buf other = {0};
    pl_buf_printf(&other, "%s~%zu", name, index);
    free(bare->names[index]);
    bare->names[index] = other.failed ? NULL : other.data;
    return !other.failed;
}

/* Length of what all names begin with, up to a dot. */
static size_t common_prefix(char *const *names, size_t count)
{
    size_t dot = 0;
    for (size_t at = 0; count > 1; at++) {
        for (size_t i = 0; i < count; i++) {
            if (names[i][at] == '\0' || names[i][at] != names[0][at]) {
                return dot;
            }
        }
        dot = names[0][at] == '.' && names[0][at + 1] != '\0' ? at + 1 : dot;
    }
    return 0;
}

/* --- inputs ----------------------------------------------------------------------------------- */

static const pl_tensor *find_stem(const pl_checkpoint *inputs, const char *name, const char *ending)
{
    pl_buf text = {0};
    pl_buf_append(&text, name, stem_of(name));
    pl_buf_puts(&text, ending);
    const pl_tensor *found = text.failed ? NULL : pl_checkpoint_find(inputs, text.data);
    pl_buf_deinit(&text);
    return found;
}

/* The rule of bare.h. */
static const pl_tensor *find_inputs(const pl_model *model, const pl_tensor *weight)
{
    const pl_checkpoint *inputs = model->bare->inputs;
    const pl_tensor *found = pl_checkpoint_find(inputs, weight->name);
    found = found != NULL ? found : find_stem(inputs, weight->name, ".input");
    found = found != NULL ? found : find_stem(inputs, weight->name, "");
    bool nameless = pl_checkpoint_container(inputs) == PL_NPY ||
                    pl_checkpoint_container(model->checkpoint) == PL_NPY;
    if (found == NULL && nameless && model->n_layers == 1 && pl_checkpoint_count(inputs) == 1) {
        found = pl_checkpoint_tensor(inputs, 0);
    }
    return found;
}

static pl_status check_bare_inputs(const pl_model *model, const pl_tensor *weight,
                                   const pl_tensor *x, pl_error *err)
{
    const pl_bare *bare = model->bare;
    char needed[192], found[192], name[100], input[100];
    pl_text_escape(weight->name, strlen(weight->name), name, sizeof name);
    pl_text_escape(x->name, strlen(x->name), input, sizeof input);
    if (x->dtype == PL_DTYPE_OTHER) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: the inputs '%s' have the dtype %.16s, expected F32, F16 or BF16",
                            bare->inputs_path, input, x->dtype_name);
    }
    if (x->n_dims >= 2 && pl_tensor_rows(x) > 0 && pl_tensor_cols(x) == weight->dims[1] &&
        pl_tensor_rows(x) < UINT32_MAX) {
        return PL_OK;
    }
    pl_format_shape(weight->dims, weight->n_dims, needed, sizeof needed);
    pl_format_shape(x->dims, x->n_dims, found, sizeof found);
    return pl_error_set(err, PL_ERR_FORMAT,
                        "%s: the inputs '%s' have the shape %s; the weight '%s' of %s is %s, so "
                        "[tokens, %llu] was expected",
                        bare->inputs_path, input, found, name, model->path, needed,
                        (unsigned long long)weight->dims[1]);
}

static pl_status nothing_pairs(const pl_model *model, pl_error *err)
{
    const pl_bare *bare = model->bare;
    const char *name = model->layers[0].tensor->name;
    char wanted[100], found[100] = "";
    pl_text_escape(name, stem_of(name), wanted, sizeof wanted);
    if (pl_checkpoint_count(bare->inputs) > 0) {
        const char *first = pl_checkpoint_tensor(bare->inputs, 0)->name;
        pl_text_escape(first, strlen(first), found, sizeof found);
    }
    return pl_error_set(err, PL_ERR_FORMAT,
                        "%s: none of its %zu tensors ('%s', ...) is named like a weight of %s: for "
                        "'%s.weight' it is '%s.weight', '%s.input' or '%s'",
                        bare->inputs_path, pl_checkpoint_count(bare->inputs), found, model->path,
                        wanted, wanted, wanted, wanted);
}

/* --- layers ----------------------------------------------------------------------------------- */

/* Whether two tensors of inputs hold the same numbers under two names, as dumps of q, k and v do.
 * Different ones usually differ in their first rows. */
static pl_status same_inputs(pl_checkpoint *checkpoint, const pl_tensor *a, const pl_tensor *b,
                             bool *same, pl_error *err)
{
    enum { TOGETHER = 64 };
    const size_t rows = pl_tensor_rows(a), cols = pl_tensor_cols(a);
    *same = a == b;
    if (*same || a->dtype != b->dtype || pl_tensor_rows(b) != rows || pl_tensor_cols(b) != cols) {
        return PL_OK;
    }
    float *x = pl_alloc(TOGETHER * cols, sizeof *x), *y = pl_alloc(TOGETHER * cols, sizeof *y);
    pl_status status = x == NULL || y == NULL ? pl_error_memory(err, "rows of inputs") : PL_OK;
    *same = true;
    for (size_t at = 0; status == PL_OK && *same && at < rows; at += TOGETHER) {
        const size_t count = rows - at < TOGETHER ? rows - at : TOGETHER;
        status = pl_checkpoint_read(checkpoint, a, at, count, x, err);
        PL_THEN(pl_checkpoint_read(checkpoint, b, at, count, y, err));
        *same = status == PL_OK && memcmp(x, y, count * cols * sizeof *x) == 0;
    }
    free(x);
    free(y);
    return status;
}

/* The site with the same inputs, if it has room, or a new one.  Only the last few sites are
 * searched for the same numbers under other names: q, k and v lie near one another. */
static pl_status take_site(pl_model *model, const pl_tensor *inputs, size_t layer, pl_site **out,
                           pl_error *err)
{
    enum { NEAR = 8 };
    const size_t most = sizeof model->sites->layers / sizeof model->sites->layers[0];
    for (size_t back = 1; inputs != NULL && back <= model->n_sites; back++) {
        const size_t s = model->n_sites - back;
        const pl_tensor *seen = model->bare->site_inputs[s];
        bool same = seen == inputs;
        pl_status status = PL_OK;
        if (seen != NULL && back <= NEAR && model->sites[s].n_layers < most) {
            status = same_inputs(model->bare->inputs, seen, inputs, &same, err);
        }
        if (status != PL_OK) {
            return status;
        }
        if (same && model->sites[s].n_layers < most) {
            *out = &model->sites[s];
            return PL_OK;
        }
    }
    pl_site *site = &model->sites[model->n_sites];
    *site = (pl_site){.block = layer, .expert = PL_NO_EXPERT, .cols = model->layers[layer].cols};
    const char *name = inputs != NULL ? inputs->name : model->layers[layer].name;
    pl_text_escape(name, strlen(name), site->name, sizeof site->name);
    model->bare->site_inputs[model->n_sites++] = inputs;
    *out = site;
    return PL_OK;
}

static pl_status build_sites(pl_model *model, pl_error *err)
{
    pl_bare *bare = model->bare;
    for (size_t i = 0; i < model->n_layers; i++) {
        const pl_tensor *weight = model->layers[i].tensor;
        const pl_tensor *x = bare->inputs != NULL ? find_inputs(model, weight) : NULL;
        pl_status status = x != NULL ? check_bare_inputs(model, weight, x, err) : PL_OK;
        if (status != PL_OK) {
            return status;
        }
        pl_site *site = NULL;
        PL_THEN(take_site(model, x, i, &site, err));
        if (status != PL_OK) {
            return status;
        }
        site->layers[site->n_layers++] = i;
        model->layers[i].site = (size_t)(site - model->sites);
        bare->seeing += x != NULL;
    }
    return bare->inputs != NULL && bare->seeing == 0 ? nothing_pairs(model, err) : PL_OK;
}

static pl_status build(pl_model *model, const pl_tensor **matrices, size_t count, pl_error *err)
{
    pl_bare *bare = model->bare;
    model->layers = calloc(count, sizeof *model->layers);
    model->sites = calloc(count, sizeof *model->sites);
    model->layer_ids = calloc(count, sizeof *model->layer_ids);
    model->has_layer_id = calloc(count, sizeof *model->has_layer_id);
    bare->names = calloc(count, sizeof *bare->names);
    bare->site_inputs = calloc(count, sizeof *bare->site_inputs);
    bool room = model->layers != NULL && model->sites != NULL && model->layer_ids != NULL &&
                model->has_layer_id != NULL && bare->names != NULL && bare->site_inputs != NULL;
    for (size_t i = 0; room && i < count; i++) {
        bare->names[i] = layer_name(model->checkpoint, matrices[i]->name);
        bare->n_names = i + 1;
        room = bare->names[i] != NULL && make_unique(bare, i);
    }
    if (!room) {
        return pl_error_memory(err, "the list of layers");
    }
    size_t prefix = common_prefix(bare->names, count);
    for (size_t i = 0; i < count; i++) {
        model->layers[i] = (pl_layer){.name = bare->names[i],
                                      .brief = bare->names[i] + prefix,
                                      .tensor = matrices[i],
                                      .rows = (size_t)matrices[i]->dims[0],
                                      .cols = (size_t)matrices[i]->dims[1],
                                      .block = i,
                                      .expert = PL_NO_EXPERT};
    }
    model->n_layers = count;
    return build_sites(model, err);
}

static pl_status build_layers(pl_model *model, pl_error *err)
{
    size_t all = pl_checkpoint_count(model->checkpoint), count = 0;
    const pl_tensor **matrices = calloc(all + 1, sizeof *matrices);
    if (matrices == NULL) {
        return pl_error_memory(err, "the list of layers");
    }
    for (size_t i = 0; i < all; i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(model->checkpoint, i);
        matrices[count] = tensor;
        count += is_matrix(tensor);
    }
    qsort(matrices, count, sizeof *matrices, compare_tensors);
    pl_status status =
        count > 0 ? build(model, matrices, count, err)
                  : pl_error_set(err, PL_ERR_FORMAT,
                                 "%s: holds no matrix [out, in] of F32, F16 or BF16", model->path);
    free(matrices);
    return status;
}

/* --- opening ---------------------------------------------------------------------------------- */

static pl_status open_file(const char *path, pl_checkpoint **out, pl_error *err)
{
    pl_status status = pl_checkpoint_open(path, out, err);
    if (status == PL_OK && pl_checkpoint_container(*out) == PL_GGUF) {
        pl_checkpoint_close(*out);
        *out = NULL;
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s: matrices and their inputs are read from .safetensors or .npy "
                              "files, not from a GGUF",
                              path);
    }
    return status;
}

static pl_status open_inputs(pl_model *model, const char *path, pl_error *err)
{
    pl_bare *bare = model->bare;
    bare->inputs_path = strdup(path);
    bare->inputs_name = pl_model_title(path);
    if (bare->inputs_path == NULL || bare->inputs_name == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    return open_file(path, &bare->inputs, err);
}

pl_status pl_model_open_matrices(const char *weights, const char *inputs, pl_model **out,
                                 pl_error *err)
{
    pl_status status = pl_model_new(weights, out, err);
    if (status != PL_OK) {
        return status;
    }
    pl_model *model = *out;
    model->bare = calloc(1, sizeof *model->bare);
    if (model->bare == NULL) {
        status = pl_error_memory(err, "%s", weights);
    }
    snprintf(model->config.architecture, sizeof model->config.architecture, "matrices");
    PL_THEN(open_file(weights, &model->checkpoint, err));
    if (status == PL_OK && inputs != NULL) {
        status = open_inputs(model, inputs, err);
    }
    PL_THEN(build_layers(model, err));
    PL_THEN(pl_model_list_unread(model, err));
    if (status != PL_OK) {
        pl_model_close(model);
        *out = NULL;
    }
    return status;
}
