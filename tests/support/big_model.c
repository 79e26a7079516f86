#include "tests/support/big_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const big_shape big_llama_7b = {"llama-2-7b", 4096, 11008, 32, 32, 32, 32000, false};
const big_shape big_qwen_1_5b = {"qwen2-1.5b", 1536, 8960, 28, 12, 2, 151936, true};

enum { NAME = 80, PER_BLOCK = 12, HEADER = 1 << 20 };

static const uint64_t SHARD_LIMIT = 5000000000;

typedef enum fill { FILL_NONE, FILL_WEIGHTS, FILL_ONES, FILL_EMBEDDING } fill;

typedef struct tensor {
    char name[NAME];
    size_t rows, cols; /* cols 0: a vector */
    fill fill;
    uint64_t bytes;
    size_t shard;
} tensor;

typedef struct list {
    tensor *tensors;
    size_t count;
    size_t shards;
    uint64_t total;
} list;

static size_t kv_rows(const big_shape *s)
{
    return s->hidden / s->heads * s->kv_heads;
}

static void add(list *l, const char *name, size_t rows, size_t cols, fill how)
{
    tensor *t = &l->tensors[l->count++];
    *t = (tensor){.rows = rows, .cols = cols, .fill = how};
    snprintf(t->name, sizeof t->name, "%s", name);
    t->bytes = 2 * (uint64_t)rows * (cols > 0 ? cols : 1);
    l->total += t->bytes;
}

static void add_block(list *l, const big_shape *s, size_t block, const big_options *o)
{
    const struct {
        const char *name;
        size_t rows, cols;
        bool here;
    } parts[PER_BLOCK] = {
        {"input_layernorm.weight", s->hidden, 0, true},
        {"post_attention_layernorm.weight", s->hidden, 0, true},
        {"self_attn.q_proj.weight", s->hidden, s->hidden, true},
        {"self_attn.k_proj.weight", kv_rows(s), s->hidden, true},
        {"self_attn.v_proj.weight", kv_rows(s), s->hidden, true},
        {"self_attn.o_proj.weight", s->hidden, s->hidden, true},
        {"mlp.gate_proj.weight", s->inner, s->hidden, true},
        {"mlp.up_proj.weight", s->inner, s->hidden, true},
        {"mlp.down_proj.weight", s->hidden, s->inner, true},
        {"self_attn.q_proj.bias", s->hidden, 0, s->qwen2},
        {"self_attn.k_proj.bias", kv_rows(s), 0, s->qwen2},
        {"self_attn.v_proj.bias", kv_rows(s), 0, s->qwen2},
    };
    for (size_t i = 0; i < PER_BLOCK; i++) {
        char name[NAME];
        const bool norm = i < 2;
        const fill how = norm && o->filled > 0                    ? FILL_ONES
                         : parts[i].cols > 0 && block < o->filled ? FILL_WEIGHTS
                                                                  : FILL_NONE;
        snprintf(name, sizeof name, "model.layers.%zu.%s", block, parts[i].name);
        if (parts[i].here) {
            add(l, name, parts[i].rows, parts[i].cols, how);
        }
    }
}

static bool make_list(const big_shape *s, const big_options *o, list *l)
{
    *l = (list){.tensors = calloc(s->blocks * PER_BLOCK + 3, sizeof(tensor))};
    if (l->tensors == NULL) {
        return false;
    }
    add(l, "model.embed_tokens.weight", s->vocab, s->hidden,
        o->filled > 0 ? FILL_EMBEDDING : FILL_NONE);
    for (size_t b = 0; b < s->blocks; b++) {
        add_block(l, s, b, o);
    }
    add(l, "model.norm.weight", s->hidden, 0, o->filled > 0 ? FILL_ONES : FILL_NONE);
    if (!s->qwen2) {
        add(l, "lm_head.weight", s->vocab, s->hidden, FILL_NONE);
    }
    uint64_t used = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (used + l->tensors[i].bytes > SHARD_LIMIT) {
            l->shards++;
            used = 0;
        }
        used += l->tensors[i].bytes;
        l->tensors[i].shard = l->shards;
    }
    l->shards++;
    return true;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Float16 numbers +-2^e (1 + m / 1024), e from -8 to -5. */
static void make_weights(uint64_t seed, uint16_t *out, size_t count)
{
    for (size_t i = 0; i < count; i += 4) {
        const uint64_t random = mix(seed + i);
        for (size_t k = 0; k < 4 && i + k < count; k++) {
            const unsigned bits = (unsigned)(random >> (16 * k)) & 0xffff;
            const unsigned exponent = 7 + (bits >> 10 & 3);
            out[i + k] = (uint16_t)((bits & 0x8000) | exponent << 10 | (bits & 0x3ff));
        }
    }
}

static bool write_at(int fd, const void *bytes, size_t size, uint64_t at)
{
    const char *from = bytes;
    while (size > 0) {
        const ssize_t put = pwrite(fd, from, size, (off_t)at);
        if (put <= 0) {
            return false;
        }
        from += put;
        at += (uint64_t)put;
        size -= (size_t)put;
    }
    return true;
}

static bool write_data(int fd, const tensor *t, uint64_t seed, uint64_t at)
{
    enum { PIECE = 1 << 18 };
    static uint16_t piece[PIECE];
    size_t count = t->fill == FILL_NONE        ? 0
                   : t->fill == FILL_EMBEDDING ? BIG_TOKENS * t->cols
                                               : t->rows * (t->cols > 0 ? t->cols : 1);
    for (size_t done = 0; done < count; done += PIECE) {
        const size_t now = count - done < PIECE ? count - done : PIECE;
        make_weights((seed << 40) + done, piece, now);
        for (size_t i = 0; t->fill == FILL_ONES && i < now; i++) {
            piece[i] = 0x3c00;
        }
        if (!write_at(fd, piece, 2 * now, at + 2 * done)) {
            return false;
        }
    }
    return true;
}

static size_t print_header(const list *l, size_t shard, char *out)
{
    uint64_t at = 0;
    size_t size = (size_t)snprintf(out, HEADER, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < l->count; i++) {
        const tensor *t = &l->tensors[i];
        char shape[64];
        if (t->shard != shard) {
            continue;
        }
        snprintf(shape, sizeof shape, t->cols > 0 ? "%zu,%zu" : "%zu", t->rows, t->cols);
        size += (size_t)snprintf(out + size, HEADER - size,
                                 ",\"%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":"
                                 "[%llu,%llu]}",
                                 t->name, shape, (unsigned long long)at,
                                 (unsigned long long)(at + t->bytes));
        at += t->bytes;
    }
    out[size++] = '}';
    while (size % 8 != 0) {
        out[size++] = ' ';
    }
    return size;
}

static void shard_name(const list *l, size_t shard, char out[NAME])
{
    snprintf(out, NAME, "model-%05zu-of-%05zu.safetensors", shard + 1, l->shards);
}

static int open_in(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static bool write_shard(const char *folder, const list *l, size_t shard)
{
    char name[NAME];
    char *header = malloc(HEADER);
    shard_name(l, shard, name);
    const int fd = open_in(folder, name);
    bool fine = header != NULL && fd >= 0;
    if (fine) {
        const uint64_t size = print_header(l, shard, header);
        uint64_t at = sizeof size + size;
        fine = write_at(fd, &size, sizeof size, 0) && write_at(fd, header, (size_t)size, 8);
        for (size_t i = 0; i < l->count && fine; i++) {
            if (l->tensors[i].shard == shard) {
                fine = write_data(fd, &l->tensors[i], i + 1, at);
                at += l->tensors[i].bytes;
            }
        }
        fine = fine && ftruncate(fd, (off_t)at) == 0;
    }
    free(header);
    return (fd < 0 || close(fd) == 0) && fine;
}

static bool close_text(FILE *file)
{
    const bool fine = ferror(file) == 0;
    return fclose(file) == 0 && fine;
}

static FILE *open_text(const char *folder, const char *name)
{
    const int fd = open_in(folder, name);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static bool write_index(const char *folder, const list *l)
{
    FILE *file = open_text(folder, "model.safetensors.index.json");
    if (file == NULL) {
        return false;
    }
    fprintf(file, "{\"metadata\": {\"total_size\": %llu}, \"weight_map\": {",
            (unsigned long long)l->total);
    for (size_t i = 0; i < l->count; i++) {
        char name[NAME];
        shard_name(l, l->tensors[i].shard, name);
        fprintf(file, "%s\n\"%s\": \"%s\"", i > 0 ? "," : "", l->tensors[i].name, name);
    }
    fprintf(file, "}}\n");
    return close_text(file);
}

static bool write_config(const char *folder, const big_shape *s)
{
    FILE *file = open_text(folder, "config.json");
    if (file == NULL) {
        return false;
    }
    fprintf(file,
            "{\"architectures\": [\"%s\"], \"model_type\": \"%s\", \"hidden_size\": %zu, "
            "\"intermediate_size\": %zu, \"num_hidden_layers\": %zu, \"num_attention_heads\": %zu, "
            "\"num_key_value_heads\": %zu, \"vocab_size\": %zu, \"hidden_act\": \"silu\", "
            "\"rms_norm_eps\": %s, \"rope_theta\": %s, \"max_position_embeddings\": 4096, "
            "\"tie_word_embeddings\": %s, \"torch_dtype\": \"float16\"}\n",
            s->qwen2 ? "Qwen2ForCausalLM" : "LlamaForCausalLM", s->qwen2 ? "qwen2" : "llama",
            s->hidden, s->inner, s->blocks, s->heads, s->kv_heads, s->vocab,
            s->qwen2 ? "1e-6" : "1e-5", s->qwen2 ? "1000000.0" : "10000.0",
            s->qwen2 ? "true" : "false");
    return close_text(file);
}

/* Character i as a byte-level tokenizer writes it in JSON. */
static const char *character(size_t i, char out[8])
{
    const char c = (char)(' ' + i);
    if (i == 0 || i == BIG_TOKENS - 1) {
        return strcpy(out, i == 0 ? "\xc4\xa0" : "\xc4\x8a");
    }
    snprintf(out, 8, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    return out;
}

/* The tokens after the characters: pairs of them, then triples; token i and its two parts. */
static void joined(size_t i, char left[32], char right[8])
{
    const size_t pairs = (size_t)BIG_TOKENS * BIG_TOKENS;
    char one[8], two[8];
    size_t rest = i - BIG_TOKENS;
    if (rest < pairs) {
        strcpy(left, character(rest / BIG_TOKENS, one));
    } else {
        rest -= pairs;
        snprintf(left, 32, "%s%s", character(rest / pairs, one),
                 character(rest / BIG_TOKENS % BIG_TOKENS, two));
    }
    character(rest % BIG_TOKENS, right);
}

static bool write_tokenizer(const char *folder, size_t vocab)
{
    FILE *file = open_text(folder, "tokenizer.json");
    if (file == NULL) {
        return false;
    }
    char left[32], right[8];
    fprintf(file, "{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null, "
                  "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
                  "\"trim_offsets\": true, \"use_regex\": true}, \"post_processor\": null, "
                  "\"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", "
                  "\"vocab\": {");
    for (size_t i = 0; i < BIG_TOKENS; i++) {
        fprintf(file, "%s\"%s\": %zu", i > 0 ? ", " : "", character(i, right), i);
    }
    for (size_t i = BIG_TOKENS; i < vocab; i++) {
        joined(i, left, right);
        fprintf(file, ", \"%s%s\": %zu", left, right, i);
    }
    fprintf(file, "}, \"merges\": [");
    for (size_t i = BIG_TOKENS; i < vocab; i++) {
        joined(i, left, right);
        fprintf(file, "%s\"%s %s\"", i > BIG_TOKENS ? ", " : "", left, right);
    }
    fprintf(file, "]}}\n");
    return close_text(file);
}

bool big_model_write(const char *folder, const big_shape *shape, const big_options *options)
{
    list l;
    bool fine = make_list(shape, options, &l);
    for (size_t s = 0; fine && s < l.shards; s++) {
        fine = write_shard(folder, &l, s);
    }
    fine = fine && write_index(folder, &l) && write_config(folder, shape) &&
           write_tokenizer(folder, options->whole_vocab ? shape->vocab : BIG_TOKENS);
    free(l.tensors);
    return fine;
}

bool big_text_write(const char *path, size_t count)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t token = mix(i) % BIG_TOKENS;
        fputc(token == BIG_TOKENS - 1 ? '\n' : (char)(' ' + token), file);
    }
    return close_text(file);
}

double big_block_bytes(const big_shape *s)
{
    const double hidden = (double)s->hidden;
    return 4 * hidden * (2 * hidden + 2 * (double)kv_rows(s) + 3 * (double)s->inner);
}

double big_gram_bytes(const big_shape *s)
{
    const double hidden = (double)s->hidden, inner = (double)s->inner;
    return 4 * (3 * hidden * hidden + inner * inner);
}

double big_activation_bytes(const big_shape *s, size_t windows, size_t length)
{
    /* In: q/k/v, o, gate/up, down; out: q, k, v, o, gate, up, down. */
    const double hidden = (double)s->hidden;
    const double a_token = 6 * hidden + 2 * (double)kv_rows(s) + 3 * (double)s->inner;
    return 4 * (double)length * (a_token + hidden * ((double)windows + 1));
}

double big_model_bytes(const big_shape *shape)
{
    list l;
    const big_options nothing = {0};
    double total = make_list(shape, &nothing, &l) ? (double)l.total : 0;
    free(l.tensors);
    return total;
}
