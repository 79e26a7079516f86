/* A .npy file as a checkpoint of one tensor, named as the file without its ending. */
#include "core/io/checkpoint_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { FIXED = 10, HEADER_LIMIT = 1 << 16 };

/* What stands behind 'key': in the header's Python dict, without blanks; NULL if it is missing. */
static const char *dict_value(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (at == NULL || (at = strchr(at + strlen(key), ':')) == NULL) {
        return NULL;
    }
    return at + 1 + strspn(at + 1, " ");
}

static pl_status refuse_npy(const char *path, const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: %s", path, what);
}

static pl_status read_dtype(const char *path, const char *value, pl_tensor *out, pl_error *err)
{
    static const struct {
        const char *descr, *name;
        pl_dtype dtype;
    } known[] = {{"<f4", "F32", PL_F32}, {"<f2", "F16", PL_F16}};
    for (size_t i = 0; value != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (*value == '\'' && strncmp(value + 1, known[i].descr, 3) == 0 && value[4] == '\'') {
            out->dtype = known[i].dtype;
            out->dtype_name = known[i].name;
            return PL_OK;
        }
    }
    size_t size = value != NULL && *value == '\'' ? strcspn(value + 1, "'") : 0;
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "%s: the array's type is '%s', expected '<f4' or '<f2': save "
                        "x.astype('float32')",
                        path, pl_brief_of(size > 0 ? value + 1 : "", size).text);
}

static pl_status read_npy_shape(const char *path, const char *value, pl_tensor *out, pl_error *err)
{
    bool whole = value != NULL && *value == '(';
    const char *at = whole ? value + 1 : "";
    while (whole && *(at += strspn(at, " ,")) != ')') {
        char *end = NULL;
        unsigned long long size = isdigit((unsigned char)*at) ? strtoull(at, &end, 10) : 0;
        whole = end != NULL && out->n_dims < PL_MAX_DIMS && size < (1ull << 62);
        if (whole) {
            out->dims[out->n_dims++] = size;
            at = end;
        }
    }
    return whole ? PL_OK
                 : refuse_npy(path, "its header's 'shape' is no tuple of at most 8 sizes", err);
}

/* Reads the header's dict, NUL-terminated, to *text (caller frees); *data is where values begin. */
static pl_status read_npy_header(pl_file *file, char **text, uint64_t *data, pl_error *err)
{
    const char *path = pl_file_path(file);
    unsigned char fixed[FIXED + 2] = {0};
    const uint64_t size = pl_file_size(file);
    *text = NULL;
    if (size < FIXED + 2) {
        return refuse_npy(path, "is too short for a .npy file", err);
    }
    pl_status status = pl_file_read(file, 0, fixed, sizeof fixed, err);
    if (status != PL_OK) {
        return status;
    }
    if (memcmp(fixed, "\x93NUMPY", 6) != 0 || fixed[6] < 1 || fixed[6] > 3) {
        return refuse_npy(path, "does not begin as a .npy file of version 1 to 3 does", err);
    }
    const bool narrow = fixed[6] == 1; /* 16 bits of length, later versions have 32 */
    uint64_t length = fixed[8] | (uint64_t)fixed[9] << 8;
    length |= narrow ? 0 : (uint64_t)fixed[10] << 16 | (uint64_t)fixed[11] << 24;
    const uint64_t begin = narrow ? FIXED : FIXED + 2;
    if (length > HEADER_LIMIT || begin + length > size) {
        return refuse_npy(path, "its header is longer than the file or than 64 KiB", err);
    }
    *text = calloc((size_t)length + 1, 1);
    if (*text == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    *data = begin + length;
    return pl_file_read(file, begin, *text, (size_t)length, err);
}

static pl_status check_size(const pl_file *file, const pl_tensor *tensor, pl_error *err)
{
    uint64_t elements = 0;
    size_t bytes = 0;
    if (!pl_dims_product(tensor->dims, tensor->n_dims, &elements) || elements > SIZE_MAX ||
        !pl_dtype_bytes(tensor->dtype, (size_t)elements, &bytes)) {
        return refuse_npy(pl_file_path(file), "the product of its shape overflows 64 bits", err);
    }
    const uint64_t have = pl_file_size(file) - tensor->offset;
    if (have != bytes) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: holds %llu bytes of values, expected %zu from its shape and type",
                            pl_file_path(file), (unsigned long long)have, bytes);
    }
    return PL_OK;
}

pl_status pl_npy_load(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    pl_file *file = NULL;
    char *header = NULL;
    pl_tensor tensor = {0};
    checkpoint->container = PL_NPY;
    pl_status status = pl_checkpoint_add_shard(checkpoint, path, &file, err);
    PL_THEN(read_npy_header(file, &header, &tensor.offset, err));
    PL_THEN(read_dtype(path, dict_value(header, "'descr'"), &tensor, err));
    if (status == PL_OK) {
        const char *order = dict_value(header, "'fortran_order'");
        if (order == NULL || strncmp(order, "False", 5) != 0) {
            status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                                  "%s: the array is stored column by column (fortran_order): save "
                                  "numpy.ascontiguousarray(x)",
                                  path);
        }
    }
    PL_THEN(read_npy_shape(path, dict_value(header, "'shape'"), &tensor, err));
    PL_THEN(check_size(file, &tensor, err));
    if (status == PL_OK) {
        const char *slash = strrchr(path, '/');
        const char *name = slash != NULL ? slash + 1 : path;
        tensor.shard = checkpoint->shard_count - 1;
        tensor.bytes = pl_file_size(file) - tensor.offset;
        status =
            pl_checkpoint_add_tensor(checkpoint, &tensor, name, strlen(name) - strlen(".npy"), err);
    }
    free(header);
    return status == PL_OK ? pl_checkpoint_index_names(checkpoint, err) : status;
}
