#include "core/tensor/int8.h"

#ifdef PL_WITH_ONEDNN

#include "core/base/checked.h"
#include "core/tensor/clones.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a call hands to oneDNN: handles are set anew each time, the objects stay. */
enum { INPUT, WEIGHTS, OUTPUT, PARTS };

struct pl_int8 {
    size_t rows, tokens, copies, bytes; /* bytes: of one packed copy */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t plan;
    dnnl_primitive_t product;
    dnnl_memory_t memory[PARTS];
    int8_t *packed; /* [copies, bytes] */
    char kernel[96];
};

const char *pl_int8_missing(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")) {
        return NULL;
    }
#endif
    return "this processor has no AVX-512 VNNI";
}

static pl_status refused(dnnl_status_t how, const char *what, pl_error *err)
{
    if (how == dnnl_success) {
        return PL_OK;
    }
    return how == dnnl_out_of_memory
               ? pl_error_memory(err, "a product of 8-bit codes")
               : pl_error_set(err, PL_ERR_NUMERIC, "oneDNN refuses %s of 8-bit codes (status %d)",
                              what, (int)how);
}

/* The product as a plan: weights in whatever order suits it, a scale an output channel. */
static pl_status plan_product(pl_int8 *w, const float *scales, int64_t cols, pl_error *err)
{
    const int64_t rows = (int64_t)w->rows, tokens = (int64_t)w->tokens;
    const dnnl_dims_t x = {tokens, cols}, v = {cols, rows}, y = {tokens, rows};
    dnnl_memory_desc_t in, weights, out;
    dnnl_matmul_desc_t product;
    dnnl_primitive_attr_t scaled = NULL;
    dnnl_status_t how = dnnl_memory_desc_init_by_tag(&in, 2, x, dnnl_s8, dnnl_ab);
    how = how != dnnl_success
              ? how
              : dnnl_memory_desc_init_by_tag(&weights, 2, v, dnnl_s8, dnnl_format_tag_any);
    how = how != dnnl_success ? how : dnnl_memory_desc_init_by_tag(&out, 2, y, dnnl_f32, dnnl_ab);
    how = how != dnnl_success ? how : dnnl_matmul_desc_init(&product, &in, &weights, NULL, &out);
    how = how != dnnl_success ? how : dnnl_primitive_attr_create(&scaled);
    how =
        how != dnnl_success ? how : dnnl_primitive_attr_set_output_scales(scaled, rows, 2, scales);
    how = how != dnnl_success
              ? how
              : dnnl_primitive_desc_create(&w->plan, &product, scaled, w->engine, NULL);
    how = how != dnnl_success ? how : dnnl_primitive_create(&w->product, w->plan);
    if (scaled != NULL) {
        dnnl_primitive_attr_destroy(scaled);
    }
    if (how == dnnl_success) {
        const dnnl_version_t *version = dnnl_version();
        const char *name = "";
        (void)dnnl_primitive_desc_query(w->plan, dnnl_query_impl_info_str, 0, &name);
        snprintf(w->kernel, sizeof w->kernel, "oneDNN %d.%d.%d %s", version->major, version->minor,
                 version->patch, name);
    }
    return refused(how, "a product", err);
}

/* codes[rows, cols] in the plan's order to the first copy, then the others. */
static pl_status pack_int8(pl_int8 *w, const int8_t *codes, int64_t cols, pl_error *err)
{
    const dnnl_memory_desc_t *packed =
        dnnl_primitive_desc_query_md(w->plan, dnnl_query_weights_md, 0);
    const dnnl_dims_t dims = {cols, (int64_t)w->rows};
    dnnl_memory_desc_t plain;
    dnnl_memory_t from = NULL, to = NULL;
    dnnl_primitive_desc_t plan = NULL;
    dnnl_primitive_t reorder = NULL;
    w->bytes = (dnnl_memory_desc_get_size(packed) + 4095) / 4096 * 4096;
    w->packed = pl_alloc(w->copies, w->bytes);
    if (w->packed == NULL) {
        return pl_error_memory(err, "%zu copies of a layer's 8-bit codes", w->copies);
    }
    memset(w->packed, 0, w->bytes);
    dnnl_status_t how = dnnl_memory_desc_init_by_tag(&plain, 2, dims, dnnl_s8, dnnl_ba);
    how = how != dnnl_success
              ? how
              : dnnl_memory_create(&from, &plain, w->engine, (void *)(uintptr_t)codes);
    how = how != dnnl_success ? how : dnnl_memory_create(&to, packed, w->engine, w->packed);
    how = how != dnnl_success ? how
                              : dnnl_reorder_primitive_desc_create(&plan, &plain, w->engine, packed,
                                                                   w->engine, NULL);
    how = how != dnnl_success ? how : dnnl_primitive_create(&reorder, plan);
    if (how == dnnl_success) {
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        how = dnnl_primitive_execute(reorder, w->stream, 2, arguments);
        how = how != dnnl_success ? how : dnnl_stream_wait(w->stream);
    }
    for (size_t i = 1; how == dnnl_success && i < w->copies; i++) {
        memcpy(w->packed + i * w->bytes, w->packed, w->bytes);
    }
    if (reorder != NULL) {
        dnnl_primitive_destroy(reorder);
    }
    if (plan != NULL) {
        dnnl_primitive_desc_destroy(plan);
    }
    if (to != NULL) {
        dnnl_memory_destroy(to);
    }
    if (from != NULL) {
        dnnl_memory_destroy(from);
    }
    return refused(how, "a packing", err);
}

static pl_status make_memory(pl_int8 *w, pl_error *err)
{
    static const dnnl_query_t queries[PARTS] = {dnnl_query_src_md, dnnl_query_weights_md,
                                                dnnl_query_dst_md};
    dnnl_status_t how = dnnl_success;
    for (size_t i = 0; how == dnnl_success && i < PARTS; i++) {
        how =
            dnnl_memory_create(&w->memory[i], dnnl_primitive_desc_query_md(w->plan, queries[i], 0),
                               w->engine, DNNL_MEMORY_NONE);
    }
    return refused(how, "memory", err);
}

pl_status pl_int8_create(const int8_t *codes, const float *scales, size_t rows, size_t cols,
                         size_t tokens, size_t copies, pl_int8 **out, pl_error *err)
{
    const char *missing = pl_int8_missing();
    *out = NULL;
    if (missing != NULL) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "products of 8-bit codes: %s", missing);
    }
    pl_int8 *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return pl_error_memory(err, "a product of 8-bit codes");
    }
    w->rows = rows;
    w->tokens = tokens;
    w->copies = copies;
    pl_status status = refused(dnnl_engine_create(&w->engine, dnnl_cpu, 0), "an engine", err);
    PL_THEN(refused(dnnl_stream_create(&w->stream, w->engine, dnnl_stream_default_flags),
                    "a stream", err));
    PL_THEN(plan_product(w, scales, (int64_t)cols, err));
    PL_THEN(pack_int8(w, codes, (int64_t)cols, err));
    PL_THEN(make_memory(w, err));
    if (status != PL_OK) {
        pl_int8_destroy(w);
        return status;
    }
    *out = w;
    return PL_OK;
}

void pl_int8_destroy(pl_int8 *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < PARTS; i++) {
        if (w->memory[i] != NULL) {
            dnnl_memory_destroy(w->memory[i]);
        }
    }
    if (w->product != NULL) {
        dnnl_primitive_destroy(w->product);
    }
    if (w->plan != NULL) {
        dnnl_primitive_desc_destroy(w->plan);
    }
    if (w->stream != NULL) {
        dnnl_stream_destroy(w->stream);
    }
    if (w->engine != NULL) {
        dnnl_engine_destroy(w->engine);
    }
    free(w->packed);
    free(w);
}

/* oneDNN's kernel knows no scale a token, so that one comes behind it. */
PL_CLONES static void scale_token(float *restrict y, float scale, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        y[r] *= scale;
    }
}

pl_status pl_int8_multiply(pl_int8 *w, size_t copy, const int8_t *x, const float *x_scales,
                           float *y, pl_error *err)
{
    void *handles[PARTS] = {(void *)(uintptr_t)x, w->packed + copy % w->copies * w->bytes, y};
    dnnl_status_t how = dnnl_success;
    for (size_t i = 0; how == dnnl_success && i < PARTS; i++) {
        how = dnnl_memory_set_data_handle(w->memory[i], handles[i]);
    }
    if (how == dnnl_success) {
        const dnnl_exec_arg_t arguments[PARTS] = {{DNNL_ARG_SRC, w->memory[INPUT]},
                                                  {DNNL_ARG_WEIGHTS, w->memory[WEIGHTS]},
                                                  {DNNL_ARG_DST, w->memory[OUTPUT]}};
        how = dnnl_primitive_execute(w->product, w->stream, PARTS, arguments);
        how = how != dnnl_success ? how : dnnl_stream_wait(w->stream);
    }
#pragma omp parallel for schedule(static) if (w->tokens * w->rows > 65536)
    for (size_t t = 0; t < w->tokens; t++) {
        scale_token(y + t * w->rows, x_scales[t], w->rows);
    }
    return refused(how, "a product", err);
}

const char *pl_int8_kernel(const pl_int8 *w)
{
    return w->kernel;
}

#else

const char *pl_int8_missing(void)
{
    return "this build has no oneDNN (Debian's libdnnl-dev, meson's option onednn)";
}

pl_status pl_int8_create(const int8_t *codes, const float *scales, size_t rows, size_t cols,
                         size_t tokens, size_t copies, pl_int8 **out, pl_error *err)
{
    (void)codes;
    (void)scales;
    (void)rows;
    (void)cols;
    (void)tokens;
    (void)copies;
    *out = NULL;
    return pl_error_set(err, PL_ERR_UNSUPPORTED, "products of 8-bit codes: %s", pl_int8_missing());
}

void pl_int8_destroy(pl_int8 *weights)
{
    (void)weights;
}

pl_status pl_int8_multiply(pl_int8 *weights, size_t copy, const int8_t *x, const float *x_scales,
                           float *y, pl_error *err)
{
    (void)weights;
    (void)copy;
    (void)x;
    (void)x_scales;
    (void)y;
    return pl_error_set(err, PL_ERR_UNSUPPORTED, "products of 8-bit codes: %s", pl_int8_missing());
}

const char *pl_int8_kernel(const pl_int8 *weights)
{
    (void)weights;
    return "";
}

#endif
