/* tests/support/demo_mixture.h -- the demo made a mixture of experts that predicts as well:
 * Mixtral's layout, every expert the dense MLP with noise of its own, chosen by a random router.
 * The weights of the chosen experts sum to 1, so that what they give is the MLP's output but for
 * the noise; the demo's outlier channels stay. */
#ifndef PL_TESTS_DEMO_MIXTURE_H
#define PL_TESTS_DEMO_MIXTURE_H

#include "core/base/rng.h"
#include "core/io/checkpoint.h"
#include "core/io/safetensors.h"
#include "tests/support/formula_demo.h"

#include <math.h>

enum { DEMO_EXPERTS = 4, DEMO_MIXTURE_TENSORS = 256 };

typedef struct demo_part {
    const pl_tensor *from; /* of the demo; a router: the gain of the norm before it */
    uint64_t dims[2];
    size_t n_dims;
    bool expert, router;
    char name[96];
} demo_part;

static inline size_t demo_part_count(const demo_part *p)
{
    return (size_t)(p->dims[0] * (p->n_dims > 1 ? p->dims[1] : 1));
}

/* The parts that a tensor of the demo becomes. */
static inline size_t demo_mixture_add(const pl_tensor *t, demo_part *parts)
{
    static const char *const roles[][2] = {
        {"gate_proj", "w1"}, {"up_proj", "w3"}, {"down_proj", "w2"}};
    demo_part part = {.from = t, .n_dims = t->n_dims};
    size_t count = 0;
    int block = 0;
    for (size_t i = 0; i < t->n_dims; i++) {
        part.dims[i] = t->dims[i];
    }
    const bool in_block = sscanf(t->name, "model.layers.%d.", &block) == 1;
    for (size_t r = 0; r < 3; r++) {
        for (int e = 0; strstr(t->name, roles[r][0]) != NULL && e < DEMO_EXPERTS; e++) {
            parts[count] = part;
            parts[count].expert = true;
            snprintf(parts[count].name, sizeof part.name,
                     "model.layers.%d.block_sparse_moe.experts.%d.%s.weight", block, e,
                     roles[r][1]);
            count++;
        }
    }
    if (count == 0) {
        parts[count] = part;
        snprintf(parts[count++].name, sizeof part.name, "%s", t->name);
    }
    if (in_block && strstr(t->name, "post_attention_layernorm") != NULL) {
        parts[count] =
            (demo_part){.from = t, .dims = {DEMO_EXPERTS, t->dims[0]}, .n_dims = 2, .router = true};
        snprintf(parts[count++].name, sizeof part.name,
                 "model.layers.%d.block_sparse_moe.gate.weight", block);
    }
    return count;
}

/* Noise of 15 % of each column's own size; of a router, logits that no outlier channel decides. */
static inline void demo_part_fill(const demo_part *p, uint64_t seed, const float *from, float *out)
{
    pl_rng rng;
    const size_t count = demo_part_count(p), cols = (size_t)p->dims[p->n_dims - 1];
    pl_rng_init(&rng, seed);
    memcpy(out, from, p->router ? 0 : count * sizeof *out);
    for (size_t c = 0; (p->expert || p->router) && c < cols; c++) {
        double square = 0.0;
        for (size_t i = c; p->expert && i < count; i += cols) {
            square += (double)(from[i] * from[i]);
        }
        const double size = p->router ? 1.0 / (double)fmaxf(fabsf(from[c]), 1e-3f)
                                      : sqrt(square / (double)(count / cols));
        for (size_t i = c; i < count; i += cols) {
            out[i] =
                (float)((p->router ? 0.0 : (double)from[i]) + 0.15 * size * pl_rng_normal(&rng));
        }
    }
}

static inline void demo_mixture_config(const char *folder, pl_temp *temp)
{
    char path[600];
    snprintf(path, sizeof path, "%s/config.json", folder);
    json_t *config = json_load_file(path, 0, NULL);
    assert_non_null(config);
    json_object_set_new(config, "architectures", json_pack("[s]", "MixtralForCausalLM"));
    json_object_set_new(config, "model_type", json_string("mixtral"));
    json_object_set_new(config, "torch_dtype", json_string("float32"));
    json_object_set_new(config, "num_local_experts", json_integer(DEMO_EXPERTS));
    json_object_set_new(config, "num_experts_per_tok", json_integer(2));
    char *text = json_dumps(config, 0);
    assert_non_null(text);
    pl_temp_write(temp, "config.json", text, strlen(text));
    free(text);
    json_decref(config);
}

/* Into temp->folder. */
static inline void demo_mixture_write(pl_temp *temp)
{
    static demo_part parts[DEMO_MIXTURE_TENSORS];
    static pl_st_entry entries[DEMO_MIXTURE_TENSORS];
    pl_error err;
    char folder[512];
    pl_checkpoint *demo = NULL;
    pl_st_writer *writer = NULL;
    size_t n = 0, most = 0;
    demo_folder(folder);
    pl_check_ok(pl_checkpoint_open(folder, &demo, &err), err);
    for (size_t i = 0; i < pl_checkpoint_count(demo); i++) {
        expect_at_most(n + DEMO_EXPERTS + 1, DEMO_MIXTURE_TENSORS);
        n += demo_mixture_add(pl_checkpoint_tensor(demo, i), parts + n);
    }
    for (size_t i = 0; i < n; i++) {
        const size_t count = demo_part_count(&parts[i]);
        entries[i] = (pl_st_entry){parts[i].name, PL_F32, parts[i].n_dims, parts[i].dims};
        most = count > most ? count : most;
    }
    float *from = calloc(2 * most, sizeof *from), *made = from + most;
    assert_non_null(from);
    pl_check_ok(pl_st_writer_create(pl_temp_path(temp, "model.safetensors"), entries, NULL, n, NULL,
                                    &writer, &err),
                err);
    for (size_t i = 0; i < n; i++) {
        const size_t at = pl_st_writer_order(writer, i);
        const size_t count = demo_part_count(&parts[at]);
        const pl_tensor *t = parts[at].from;
        const size_t rows = t->n_dims > 1 ? (size_t)t->dims[0] : 1;
        pl_check_ok(pl_checkpoint_read(demo, t, 0, rows, from, &err), err);
        demo_part_fill(&parts[at], at, from, made);
        pl_check_ok(pl_st_writer_put(writer, made, count, NULL, &err), err);
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    pl_checkpoint_close(demo);
    free(from);
    demo_mixture_config(folder, temp);
    demo_write_tokenizer(temp);
}

#endif
