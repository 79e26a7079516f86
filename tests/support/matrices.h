/* tests/support/matrices.h -- safetensors files of a few matrices, with values by formula. */
#ifndef PL_TESTS_MATRICES_H
#define PL_TESTS_MATRICES_H

#include "core/io/safetensors.h"
#include "tests/support/check.h"

#include <stdlib.h>

/* A matrix to write, or with cols 0 a vector; its seed makes its values differ from others'. */
typedef struct pl_test_matrix {
    const char *name;
    size_t rows, cols;
    unsigned seed;
    pl_dtype dtype; /* PL_F32 is 0 */
} pl_test_matrix;

/* In [-1, 1), a multiple of 1/64, so that F16 and BF16 hold it exactly. */
static inline float pl_test_value(unsigned seed, size_t row, size_t col)
{
    unsigned hash = (unsigned)(row * 131071u + col * 8191u) + seed * 2654435761u;
    hash = (hash ^ hash >> 15) * 2246822519u;
    hash = (hash ^ hash >> 13) * 3266489917u;
    return (float)((int)(hash >> 25) - 64) / 64.0f;
}

/* poison: where not SIZE_MAX, this element of the last matrix listed is `bad`. */
static inline void pl_write_matrices(const char *path, const pl_test_matrix *list, size_t count,
                                     size_t poison, float bad)
{
    pl_error err;
    pl_st_entry entries[16] = {{0}};
    uint64_t dims[16][2];
    pl_st_writer *writer = NULL;
    expect_at_most(count, 16);
    for (size_t i = 0; i < count; i++) {
        dims[i][0] = list[i].rows;
        dims[i][1] = list[i].cols;
        entries[i] = (pl_st_entry){.name = list[i].name,
                                   .dtype = list[i].dtype,
                                   .n_dims = list[i].cols > 0 ? 2 : 1,
                                   .dims = dims[i]};
    }
    pl_check_ok(pl_st_writer_create(path, entries, NULL, count, NULL, &writer, &err), err);
    for (size_t i = 0; i < count; i++) {
        const pl_test_matrix *m = &list[pl_st_writer_order(writer, i)];
        size_t cols = m->cols > 0 ? m->cols : 1;
        float *values = calloc(m->rows * cols, sizeof *values);
        assert_non_null(values);
        for (size_t e = 0; e < m->rows * cols; e++) {
            values[e] = pl_test_value(m->seed, e / cols, e % cols);
        }
        pl_check_ok(pl_st_writer_put(writer, values, m->rows * cols, NULL, &err), err);
        free(values);
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    if (poison != SIZE_MAX) { /* the writer refuses it: patched in, F32 and last in the file */
        FILE *file = fopen(path, "r+b");
        const pl_test_matrix *m = &list[count - 1];
        assert_non_null(file);
        long back = (long)((m->rows * m->cols - poison) * sizeof(float));
        assert_int_equal(fseek(file, -back, SEEK_END), 0);
        assert_int_equal(fwrite(&bad, sizeof bad, 1, file), 1);
        assert_int_equal(fclose(file), 0);
    }
}
#define PL_WRITE_MATRICES(path, ...)                                                               \
    pl_write_matrices(path, (const pl_test_matrix[]){__VA_ARGS__},                                 \
                      sizeof((const pl_test_matrix[]){__VA_ARGS__}) / sizeof(pl_test_matrix),      \
                      SIZE_MAX, 0.0f)

#endif
