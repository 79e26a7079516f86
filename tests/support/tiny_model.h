/* tests/support/tiny_model.h -- a seeded random llama checkpoint of a few kilobytes, written to a
 * test's own folder, for tests that need a model but no meaning. */
#ifndef PL_TESTS_TINY_MODEL_H
#define PL_TESTS_TINY_MODEL_H

#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/io/safetensors.h"
#include "core/model/model.h"
#include "tests/support/check.h"
#include "tests/support/temp.h"

enum {
    TINY_BLOCKS = 3,
    TINY_HIDDEN = 48,
    TINY_INNER = 72,
    TINY_VOCAB = 60,
    TINY_KV = 24,
    TINY_PER_BLOCK = 9,
    TINY_TENSORS = 3 + TINY_PER_BLOCK * TINY_BLOCKS
};

typedef struct tiny_options {
    double up_scale;    /* of every up_proj, 0: 1 */
    double massive_row; /* of row 5 of block 1's down_proj, 0: 1 */
    int bos;            /* write a tokenizer.json whose post_processor adds token 1; with 2 it
                           adds 1 and 0 in front and 2 behind */
} tiny_options;

static const struct {
    const char *name;
    uint64_t rows, cols; /* cols 0: a norm's gain */
} tiny_parts[TINY_PER_BLOCK] = {
    {"input_layernorm", TINY_HIDDEN, 0},
    {"post_attention_layernorm", TINY_HIDDEN, 0},
    {"self_attn.q_proj", TINY_HIDDEN, TINY_HIDDEN},
    {"self_attn.k_proj", TINY_KV, TINY_HIDDEN},
    {"self_attn.v_proj", TINY_KV, TINY_HIDDEN},
    {"self_attn.o_proj", TINY_HIDDEN, TINY_HIDDEN},
    {"mlp.gate_proj", TINY_INNER, TINY_HIDDEN},
    {"mlp.up_proj", TINY_INNER, TINY_HIDDEN},
    {"mlp.down_proj", TINY_HIDDEN, TINY_INNER},
};

typedef struct tiny_names {
    char names[TINY_TENSORS][96];
    uint64_t dims[TINY_TENSORS][2];
    pl_st_entry entries[TINY_TENSORS];
} tiny_names;

static inline void tiny_entry(tiny_names *n, size_t i, const char *name, uint64_t rows,
                              uint64_t cols)
{
    snprintf(n->names[i], sizeof n->names[i], "%s.weight", name);
    n->dims[i][0] = rows;
    n->dims[i][1] = cols;
    n->entries[i] = (pl_st_entry){n->names[i], PL_F32, cols > 0 ? 2 : 1, n->dims[i]};
}

static inline void tiny_list(tiny_names *n)
{
    size_t i = 0;
    tiny_entry(n, i++, "model.embed_tokens", TINY_VOCAB, TINY_HIDDEN);
    tiny_entry(n, i++, "model.norm", TINY_HIDDEN, 0);
    tiny_entry(n, i++, "lm_head", TINY_VOCAB, TINY_HIDDEN);
    for (int b = 0; b < TINY_BLOCKS; b++) {
        for (size_t p = 0; p < TINY_PER_BLOCK; p++) {
            char name[80];
            snprintf(name, sizeof name, "model.layers.%d.%s", b, tiny_parts[p].name);
            tiny_entry(n, i++, name, tiny_parts[p].rows, tiny_parts[p].cols);
        }
    }
}

static inline void tiny_fill(const tiny_names *n, size_t entry, const tiny_options *o, float *out)
{
    const uint64_t rows = n->dims[entry][0];
    const uint64_t cols = n->dims[entry][1];
    const char *name = n->names[entry];
    pl_rng rng;
    pl_rng_init(&rng, 1000 + entry);
    double scale = strstr(name, "embed") != NULL ? 0.3 : 0.25;
    if (o->up_scale > 0 && strstr(name, "up_proj") != NULL) {
        scale *= o->up_scale;
    }
    for (size_t i = 0; i < rows * (cols > 0 ? cols : 1); i++) {
        out[i] = (float)(cols > 0 ? scale * pl_rng_normal(&rng) : 0.5 + pl_rng_uniform(&rng));
        if (o->massive_row > 0 && i / (cols > 0 ? cols : 1) == 5 &&
            strstr(name, "layers.1.mlp.down_proj") != NULL) {
            out[i] = (float)(o->massive_row * (double)out[i]);
        }
    }
}

static inline void tiny_write_tokenizer(pl_temp *temp, int bos)
{
    pl_buf json = {0};
    pl_error err;
    pl_buf_puts(&json, "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":1,\"content\":\"<s>\","
                       "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                       "\"normalized\":false,\"special\":true}],\"normalizer\":null,"
                       "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                       "\"trim_offsets\":true,\"use_regex\":true},"
                       "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
                       "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
                       "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}");
    pl_buf_printf(&json,
                  "%s],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[%s],",
                  bos == 2 ? ",{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}" : "",
                  bos == 2 ? "1,0" : "1");
    pl_buf_puts(&json, "\"tokens\":[\"<s>\"]},\"</s>\":{\"id\":\"</s>\",\"ids\":[2],"
                       "\"tokens\":[\"</s>\"]}}},\"decoder\":{\"type\":\"ByteLevel\"},"
                       "\"model\":{\"type\":\"BPE\",\"vocab\":{\"!\":0,\"<s>\":1");
    for (int i = 2; i < TINY_VOCAB; i++) {
        pl_buf_printf(&json, ",\"%c\":%d", 'A' + i - 2 == '\\' ? '#' : 'A' + i - 2, i);
    }
    pl_buf_puts(&json, "},\"merges\":[]}}");
    pl_check_ok(pl_file_write_all(pl_temp_path(temp, "tokenizer.json"), json.data, json.size, &err),
                err);
    pl_buf_deinit(&json);
}

/* Writes the model into temp's folder and opens it.  The caller closes it. */
static inline pl_model *tiny_model(pl_temp *temp, tiny_options options)
{
    static tiny_names n;
    static float values[TINY_INNER * TINY_VOCAB + TINY_INNER * TINY_HIDDEN];
    pl_error err;
    char config[512];
    snprintf(config, sizeof config,
             "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\","
             "\"hidden_size\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":%d,"
             "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"vocab_size\":%d,"
             "\"max_position_embeddings\":256,\"rms_norm_eps\":1e-5,\"hidden_act\":\"silu\","
             "\"rope_theta\":10000.0,\"tie_word_embeddings\":false,\"torch_dtype\":\"float32\"}",
             TINY_HIDDEN, TINY_INNER, TINY_BLOCKS, TINY_VOCAB);
    pl_check_ok(pl_file_write_all(pl_temp_path(temp, "config.json"), config, strlen(config), &err),
                err);
    if (options.bos) {
        tiny_write_tokenizer(temp, options.bos);
    }
    tiny_list(&n);
    pl_st_writer *writer = NULL;
    pl_check_ok(pl_st_writer_create(pl_temp_path(temp, "model.safetensors"), n.entries, NULL,
                                    TINY_TENSORS, NULL, &writer, &err),
                err);
    for (size_t i = 0; i < TINY_TENSORS; i++) {
        const size_t entry = pl_st_writer_order(writer, i);
        tiny_fill(&n, entry, &options, values);
        const uint64_t cols = n.dims[entry][1] > 0 ? n.dims[entry][1] : 1;
        pl_check_ok(pl_st_writer_put(writer, values, n.dims[entry][0] * cols, NULL, &err), err);
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    pl_model *model = NULL;
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    return model;
}

/* count seeded ids, never 0 or 1 (the tokenizer's BOS). */
static inline void tiny_ids(int32_t *ids, size_t count)
{
    pl_rng rng;
    pl_rng_init(&rng, 77);
    for (size_t i = 0; i < count; i++) {
        ids[i] = 2 + (int32_t)pl_rng_below(&rng, TINY_VOCAB - 2);
    }
}

#endif
