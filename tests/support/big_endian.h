/* tests/support/big_endian.h -- numbers in a PNG. */
#ifndef PL_TESTS_BIG_ENDIAN_H
#define PL_TESTS_BIG_ENDIAN_H

#include <stdint.h>

static inline uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#endif
