#include "core/model/config.h"

#include <math.h>

/* 1 / theta^(2i/d), each step rounded to float32, as transformers' default RoPE does. */
static void plain(const pl_config *config, double theta, float *out)
{
    for (size_t i = 0; i < config->rotary_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)config->rotary_dim;
        out[i] = 1.0f / powf((float)theta, exponent);
    }
}

/* Llama 3.1's scaling: long waves slowed by the factor, short ones kept, a ramp between. */
static float scale_llama3(const pl_config *config, float frequency)
{
    const float two_pi = 6.283185307179586f;
    float factor = (float)config->rope_factor;
    float low = (float)config->rope_low_freq_factor;
    float high = (float)config->rope_high_freq_factor;
    float positions = (float)config->rope_original_positions;
    float wave = two_pi / frequency;
    if (wave < positions / high) {
        return frequency;
    }
    if (wave > positions / low) {
        return frequency / factor;
    }
    float smooth = (positions / wave - low) / (high - low);
    return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

/* 1 / (divisor * theta^(2i/d)): Microsoft's LongRoPE. */
static void stretch(const pl_config *config, const float *divisor, float *out)
{
    for (size_t i = 0; i < config->rotary_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)config->rotary_dim;
        out[i] = 1.0f / (divisor[i] * powf((float)config->rope_theta, exponent));
    }
}

void pl_config_frequencies(const pl_config *config, float *out)
{
    size_t count = config->rotary_dim / 2;
    if (config->rope == PL_ROPE_LONG) {
        stretch(config, config->rope_divisor, out);
        return;
    }
    plain(config, config->rope_theta, out);
    for (size_t i = 0; i < count; i++) {
        if (config->rope_divisors == count) {
            out[i] /= config->rope_divisor[i];
        } else if (config->rope == PL_ROPE_LINEAR) {
            out[i] /= (float)config->rope_factor;
        } else if (config->rope == PL_ROPE_LLAMA3) {
            out[i] = scale_llama3(config, out[i]);
        }
    }
}

bool pl_config_other_frequencies(const pl_config *config, float *out)
{
    if (config->rope == PL_ROPE_LONG) {
        stretch(config, config->rope_long_divisor, out);
        return true;
    }
    if (config->rope_local_theta > 0) {
        plain(config, config->rope_local_theta, out);
        return true;
    }
    return false;
}
