#include "core/base/twister.h"

#include "core/base/checked.h"

#include <math.h>

enum { STATES = 624, SHIFT = 397 };

static void seed_by_number(pl_twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (uint32_t i = 1; i < STATES; i++) {
        t->state[i] = 1812433253u * (t->state[i - 1] ^ (t->state[i - 1] >> 30)) + i;
    }
    t->next = STATES;
}

/* init_by_array with the one word that Python makes of a small seed. */
void pl_twister_init(pl_twister *t, uint32_t seed)
{
    uint32_t *s = t->state;
    size_t i = 1;
    seed_by_number(t, 19650218u);
    for (size_t k = STATES; k > 0; k--) {
        s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1664525u)) + seed;
        if (++i >= STATES) {
            s[0] = s[STATES - 1];
            i = 1;
        }
    }
    for (size_t k = STATES - 1; k > 0; k--) {
        s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1566083941u)) - (uint32_t)i;
        if (++i >= STATES) {
            s[0] = s[STATES - 1];
            i = 1;
        }
    }
    s[0] = 0x80000000u;
}

static void turn_over(pl_twister *t)
{
    uint32_t *s = t->state;
    for (size_t i = 0; i < STATES; i++) {
        const uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % STATES] & 0x7fffffffu);
        s[i] = s[(i + SHIFT) % STATES] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0dfu : 0u);
    }
    t->next = 0;
}

static uint32_t next_number(pl_twister *t)
{
    if (t->next >= STATES) {
        turn_over(t);
    }
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Random._randbelow: bits until they are below n, 1 <= n < 2^32. */
static size_t next_below(pl_twister *t, size_t n)
{
    const unsigned bits = 64 - (unsigned)__builtin_clzll((unsigned long long)n);
    size_t r = n;
    while (r >= n) {
        r = next_number(t) >> (32 - bits);
    }
    return r;
}

/* A small pool is drawn from itself, the last one taking the place of what was drawn. */
static pl_status sample_pool(pl_twister *t, size_t n, size_t count, size_t *out, pl_error *err)
{
    size_t *pool = pl_alloc(n, sizeof *pool);
    if (pool == NULL) {
        return pl_error_memory(err, "a sample of %zu", n);
    }
    for (size_t i = 0; i < n; i++) {
        pool[i] = i;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t j = next_below(t, n - i);
        out[i] = pool[j];
        pool[j] = pool[n - i - 1];
    }
    free(pool);
    return PL_OK;
}

static bool is_drawn_before(const size_t *drawn, size_t count, size_t index)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        found = found || drawn[i] == index;
    }
    return found;
}

pl_status pl_twister_sample(pl_twister *t, size_t n, size_t count, size_t *out, pl_error *err)
{
    double set_size = 21.0;
    if (count > n || n > UINT32_MAX / 2) {
        return pl_error_set(err, PL_ERR_USAGE, "%zu of %zu cannot be drawn", count, n);
    }
    if (count > 5) {
        set_size += pow(4.0, ceil(log((double)count * 3.0) / log(4.0)));
    }
    if ((double)n <= set_size) {
        return sample_pool(t, n, count, out, err);
    }
    for (size_t i = 0; i < count; i++) {
        do {
            out[i] = next_below(t, n);
        } while (is_drawn_before(out, i, out[i]));
    }
    return PL_OK;
}
