/* Blocks of 32 weights as GGUF's plain types have them: exactly, where a grid fits, or rounded as
 * ggml rounds them (ggml/src/ggml-quants.c, quantize_row_*_ref). */
#include "core/io/gguf_write.h"

#include <math.h>
#include <string.h>

enum { HALF = PL_GGUF_BLOCK / 2 };

const pl_gguf_choice pl_gguf_choices[] = {
    {PL_MXFP4, 38, 4, false, "mxfp4"},   {PL_Q4_0, 2, 4, false, NULL}, {PL_Q4_1, 3, 4, true, NULL},
    {PL_Q5_0, 8, 5, false, NULL},        {PL_Q5_1, 9, 5, true, NULL},  {PL_Q8_0, 7, 8, false, NULL},
    {PL_DTYPE_OTHER, 0, 0, false, NULL},
};

uint32_t pl_gguf_float_file_type(pl_dtype dtype)
{
    return dtype == PL_F16 ? 1 : dtype == PL_BF16 ? 32 : 0;
}

static const pl_gguf_choice *choice_of(pl_dtype dtype)
{
    const pl_gguf_choice *choice = pl_gguf_choices;
    while (choice->dtype != PL_DTYPE_OTHER && choice->dtype != dtype) {
        choice++;
    }
    return choice;
}

/* d, with an offset the least value, and codes from 0 on (of Q8_0 around 0). */
static void put_block(const pl_gguf_choice *choice, float d, float least, const int *q,
                      uint8_t *out)
{
    const uint16_t scale = pl_f32_to_f16(d), offset = pl_f32_to_f16(least);
    memcpy(out, &scale, sizeof scale);
    out += sizeof scale;
    if (choice->offset) {
        memcpy(out, &offset, sizeof offset);
        out += sizeof offset;
    }
    if (choice->bits == 8) {
        for (int i = 0; i < PL_GGUF_BLOCK; i++) {
            out[i] = (uint8_t)(int8_t)q[i];
        }
        return;
    }
    if (choice->bits == 5) {
        uint32_t high = 0;
        for (int i = 0; i < PL_GGUF_BLOCK; i++) {
            high |= (uint32_t)(q[i] >> 4) << i;
        }
        memcpy(out, &high, sizeof high);
        out += sizeof high;
    }
    for (int i = 0; i < HALF; i++) {
        out[i] = (uint8_t)((q[i] & 15) | (q[i + HALF] & 15) << 4);
    }
}

/* E2M1 in halves, as ggml has them: no -0. */
static const int halves[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* A power of two as it is stored, 2^(byte - 128) of a half; false for any other scale. */
static bool find_e8m0(float half, uint8_t *byte)
{
    int exponent = 0;
    const float fraction = frexpf(half, &exponent);
    const int stored = exponent - 1 + 128;
    *byte = (uint8_t)stored;
    return fraction >= 0.5f && fraction <= 0.5f && stored >= 0 && stored < 255;
}

static void put_mxfp4(uint8_t scale, const int *codes, uint8_t *out)
{
    out[0] = scale;
    for (int i = 0; i < HALF; i++) {
        out[1 + i] = (uint8_t)(codes[i] | codes[i + HALF] << 4);
    }
}

static bool mxfp4_exact(float scale, const int *steps, uint8_t *out)
{
    uint8_t byte;
    int codes[PL_GGUF_BLOCK];
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        codes[i] = 0;
        while (codes[i] < 16 && halves[codes[i]] != steps[i]) {
            codes[i]++;
        }
        if (codes[i] == 16) {
            return false;
        }
    }
    if (!find_e8m0(scale, &byte)) {
        return false;
    }
    put_mxfp4(byte, codes, out);
    return true;
}

static void round_mxfp4(const float *x, uint8_t *out)
{
    float most = 0.0f;
    int codes[PL_GGUF_BLOCK];
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    const int wanted = most > 0.0f ? ilogbf(most) - 2 + 127 : 0, byte = wanted > 0 ? wanted : 0;
    const float half = ldexpf(1.0f, byte - 128);
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        codes[i] = 0;
        for (int k = 1; k < 16; k++) {
            const float best = fabsf((float)halves[codes[i]] * half - x[i]);
            codes[i] = fabsf((float)halves[k] * half - x[i]) < best ? k : codes[i];
        }
    }
    put_mxfp4((uint8_t)byte, codes, out);
}

static bool is_f16(float x)
{
    const float stored = pl_f16_to_f32(pl_f32_to_f16(x));
    return stored >= x && stored <= x;
}

bool pl_gguf_block_exact(pl_dtype dtype, float scale, const int *steps, uint8_t *out)
{
    const pl_gguf_choice *choice = choice_of(dtype);
    const int levels = 1 << choice->bits;
    int low = steps[0], high = steps[0], q[PL_GGUF_BLOCK];
    if (choice->element != NULL) {
        return mxfp4_exact(scale, steps, out);
    }
    for (int i = 1; i < PL_GGUF_BLOCK; i++) {
        low = steps[i] < low ? steps[i] : low;
        high = steps[i] > high ? steps[i] : high;
    }
    if (!is_f16(scale) || high - low >= levels) {
        return false;
    }
    int first = -levels / 2; /* the step that has code 0 */
    if (choice->offset) {
        first = high - levels + 1;
        while (first <= low && !is_f16(scale * (float)first)) {
            first++;
        }
    }
    if (low < first || high >= first + levels) {
        return false;
    }
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        q[i] = steps[i] - (choice->bits == 8 ? 0 : first);
    }
    put_block(choice, scale, scale * (float)first, q, out);
    return true;
}

/* Around 0: the element of the largest magnitude gets the lowest code. */
static void round_around(const pl_gguf_choice *choice, const float *x, uint8_t *out)
{
    const int middle = 1 << (choice->bits - 1);
    float most = 0.0f, value = 0.0f;
    int q[PL_GGUF_BLOCK];
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        if (most < fabsf(x[i])) {
            most = fabsf(x[i]);
            value = x[i];
        }
    }
    const float d = value / (float)-middle, id = d != 0.0f ? 1.0f / d : 0.0f;
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        const int code = (int)(x[i] * id + ((float)middle + 0.5f));
        q[i] = code < 2 * middle - 1 ? code : 2 * middle - 1;
    }
    put_block(choice, d, 0.0f, q, out);
}

static void round_range(const pl_gguf_choice *choice, const float *x, uint8_t *out)
{
    const int levels = 1 << choice->bits;
    float low = x[0], high = x[0];
    int q[PL_GGUF_BLOCK];
    for (int i = 1; i < PL_GGUF_BLOCK; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    const float d = (high - low) / (float)(levels - 1), id = d != 0.0f ? 1.0f / d : 0.0f;
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        const int code = (int)((x[i] - low) * id + 0.5f);
        q[i] = code < levels - 1 ? code : levels - 1;
    }
    put_block(choice, d, low, q, out);
}

static void round_q8_0(const pl_gguf_choice *choice, const float *x, uint8_t *out)
{
    float most = 0.0f;
    int q[PL_GGUF_BLOCK];
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    const float d = most / 127.0f, id = d != 0.0f ? 1.0f / d : 0.0f;
    for (int i = 0; i < PL_GGUF_BLOCK; i++) {
        q[i] = (int)roundf(x[i] * id);
    }
    put_block(choice, d, 0.0f, q, out);
}

void pl_gguf_block_round(pl_dtype dtype, const float *x, uint8_t *out)
{
    const pl_gguf_choice *choice = choice_of(dtype);
    if (choice->element != NULL) {
        round_mxfp4(x, out);
        return;
    }
    (choice->bits == 8 ? round_q8_0 : choice->offset ? round_range : round_around)(choice, x, out);
}
