#include "core/model/config.h"

#include <math.h>

/* 1 / theta^(2i/d), each step rounded to float32, as transformers' default RoPE does. */
static void plain_frequencies(const pl_config *config, double theta, float *out)
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

/* The dimension whose frequency turns that often over the original positions (YaRN, arXiv
 * 2309.00071, section 3.2), a real number. */
static double turning_dimension(const pl_config *config, double turns)
{
    const double two_pi = 6.28318530717958647692;
    return (double)config->rotary_dim *
           log((double)config->rope_original_positions / (turns * two_pi)) /
           (2 * log(config->rope_theta));
}

/* YaRN: high frequencies stay, low ones are divided by the factor, a ramp between. */
static void stretch_by_parts(const pl_config *config, float *out)
{
    size_t count = config->rotary_dim / 2;
    double fast = turning_dimension(config, config->rope_beta_fast);
    double slow = turning_dimension(config, config->rope_beta_slow);
    float low = (float)fmax(config->rope_untruncated ? fast : floor(fast), 0);
    float high =
        (float)fmin(config->rope_untruncated ? slow : ceil(slow), (double)config->rotary_dim - 1);
    float width = high - low;
    width = width > 0 || width < 0 ? width : 0.001f;
    for (size_t i = 0; i < count; i++) {
        float exponent = (float)(2 * i) / (float)config->rotary_dim;
        float wave = powf((float)config->rope_theta, exponent);
        float ramp = fminf(fmaxf(((float)i - low) / width, 0.0f), 1.0f);
        float kept = 1.0f - ramp;
        out[i] = 1.0f / ((float)config->rope_factor * wave) * (1.0f - kept) + 1.0f / wave * kept;
    }
}

/* Dynamic NTK: beyond the model's positions theta grows with the window. */
static double dynamic_theta(const pl_config *config, size_t length)
{
    float factor = (float)config->rope_factor;
    float positions = (float)config->max_positions;
    float dim = (float)config->rotary_dim;
    if (length <= config->max_positions) {
        return config->rope_theta;
    }
    float base = factor * (float)length / positions - (float)(config->rope_factor - 1);
    return (double)((float)config->rope_theta * powf(base, dim / (dim - 2)));
}

size_t pl_config_longest(const pl_config *config)
{
    const bool yarn = config->rope == PL_ROPE_YARN;
    const size_t from = yarn ? config->rope_original_positions : config->max_positions;
    const double longest = fmin((double)from * config->rope_factor, 1 << 24);
    const bool stretched = yarn || config->rope == PL_ROPE_DYNAMIC;
    return stretched && longest > (double)config->max_positions ? (size_t)longest
                                                                : config->max_positions;
}

void pl_config_frequencies(const pl_config *config, size_t length, float *out)
{
    size_t count = config->rotary_dim / 2;
    if (config->rope == PL_ROPE_YARN) {
        stretch_by_parts(config, out);
        return;
    }
    if (config->rope == PL_ROPE_DYNAMIC) {
        plain_frequencies(config, dynamic_theta(config, length), out);
        return;
    }
    if (config->rope == PL_ROPE_LONG) {
        stretch(config, config->rope_divisor, out);
        return;
    }
    plain_frequencies(config, config->rope_theta, out);
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
        plain_frequencies(config, config->rope_local_theta, out);
        return true;
    }
    return false;
}
