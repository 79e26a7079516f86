/* core/model/expf.h -- e^x in float32 that compilers vectorise (libm's call does not).
 *
 * Cody-Waite reduction x = n ln 2 + r with |r| <= ln 2 / 2, then a polynomial of degree 6 for e^r
 * (Cephes' coefficients); relative error below 2e-7 for x in [-87, 88].  Below -87 it gives about
 * e^-87 (1.6e-38), above 88 about e^88; a NaN gives an unspecified finite number, so callers check
 * what enters. */
#ifndef PL_MODEL_EXPF_H
#define PL_MODEL_EXPF_H

#include <stdint.h>
#include <string.h>

static inline float pl_expf(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504088896341f + magic;
    float n = shifted - magic;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int32_t)((uint32_t)(bits - 0x4b400000 + 127) << 23);
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

#endif
