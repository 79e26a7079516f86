/* Paley's Hadamard matrices, from the quadratic character of a finite field. */
#include "core/tensor/hadamard.h"

#include <stdlib.h>
#include <string.h>

/* The field of q = p^k elements; an element is the number whose digits in base p are its
 * coefficients. */
typedef struct field {
    size_t p, k, q;
    size_t modulus; /* the monic irreducible polynomial of degree k without its leading term */
} field;

/* p and k with q = p^k, p an odd prime; false if there are none. */
static bool prime_power(size_t q, size_t *p, size_t *k)
{
    size_t least = 3;
    if (q < 3 || q % 2 == 0) {
        return false;
    }
    while (least * least <= q && q % least != 0) {
        least += 2;
    }
    *p = least * least <= q ? least : q;
    for (*k = 0; q % *p == 0; q /= *p) {
        *k += 1;
    }
    return q == 1;
}

static size_t add_digits(const field *f, size_t a, size_t b, size_t times)
{
    size_t sum = 0;
    for (size_t place = 1; place < f->q; place *= f->p) {
        sum += (a / place + times * (b / place % f->p)) % f->p * place;
    }
    return sum;
}

static size_t subtract_in_field(const field *f, size_t a, size_t b)
{
    return add_digits(f, a, b, f->p - 1);
}

/* x a: a shift by one place, the overflow replaced by minus the modulus. */
static size_t shift(const field *f, size_t a)
{
    const size_t top = a / (f->q / f->p);
    const size_t moved = a % (f->q / f->p) * f->p;
    return add_digits(f, moved, f->modulus, (f->p - 1) * top % f->p);
}

static size_t multiply_in_field(const field *f, size_t a, size_t b)
{
    size_t sum = 0;
    for (size_t place = f->q / f->p; place > 0; place /= f->p) {
        sum = f->k == 1 ? 0 : shift(f, sum);
        if (f->k == 1) {
            return a * b % f->p;
        }
        sum = add_digits(f, sum, a, b / place % f->p);
    }
    return sum;
}

/* chi[q]: 0 at 0, 1 at the squares, -1 elsewhere; false where the modulus gives no field, which
 * shows in the number of squares. */
static bool quadratic_character(const field *f, int8_t *chi)
{
    size_t squares = 0;
    memset(chi, -1, f->q);
    chi[0] = 0;
    for (size_t a = 1; a < f->q; a++) {
        const size_t square = multiply_in_field(f, a, a);
        if (square == 0) {
            return false;
        }
        squares += chi[square] < 0;
        chi[square] = 1;
    }
    return squares == (f->q - 1) / 2;
}

/* No product of two elements other than 0 is 0. */
static bool is_field(const field *f)
{
    for (size_t a = f->p; f->k > 1 && a < f->q; a++) {
        size_t power = a;
        size_t order = 1;
        while (power != 1 && power != 0 && order < f->q) {
            power = multiply_in_field(f, power, a);
            order++;
        }
        if (power != 1) {
            return false; /* an element without an inverse */
        }
    }
    return true;
}

static bool make_field(size_t q, field *f, int8_t *chi)
{
    *f = (field){.q = q};
    if (!prime_power(q, &f->p, &f->k)) {
        return false;
    }
    for (f->modulus = 0; f->modulus < q; f->modulus++) {
        if (quadratic_character(f, chi) && is_field(f)) {
            return true;
        }
        if (f->k == 1) {
            return false;
        }
    }
    return false;
}

/* Which construction gives the order m: 1, 2, or 0 for none. */
static int construction(size_t m)
{
    size_t p = 0, k = 0;
    if (m % 4 != 0) {
        return 0;
    }
    if (prime_power(m - 1, &p, &k)) {
        return 1; /* m - 1 = 3 (mod 4) */
    }
    return m / 2 % 4 == 2 && prime_power(m / 2 - 1, &p, &k) ? 2 : 0;
}

bool pl_paley_is_known(size_t m)
{
    return m == 1 || construction(m) != 0;
}

/* The bordered matrix [q + 1, q + 1]: row 0 is 0, 1, 1, ...; column 0 is 0, sign, sign, ...;
 * inside chi(i - j). */
static int8_t bordered(const field *f, const int8_t *chi, int sign, size_t i, size_t j)
{
    if (i == 0 || j == 0) {
        return (int8_t)(i == j ? 0 : i == 0 ? 1 : sign);
    }
    return chi[subtract_in_field(f, i - 1, j - 1)];
}

bool pl_paley_make(size_t m, int8_t *h)
{
    const int kind = construction(m);
    field f;
    if (m == 1) {
        h[0] = 1;
        return true;
    }
    const size_t order = kind == 1 ? m : m / 2;
    int8_t *chi = kind != 0 ? malloc(order) : NULL;
    bool made = chi != NULL && make_field(order - 1, &f, chi);
    for (size_t i = 0; made && i < order; i++) {
        for (size_t j = 0; j < order; j++) {
            const int c = bordered(&f, chi, kind == 1 ? -1 : 1, i, j);
            if (kind == 1) { /* I + S */
                h[i * m + j] = (int8_t)(i == j ? 1 : c);
                continue;
            }
            /* C (x) [1 1; 1 -1] + I (x) [1 -1; -1 -1] */
            int8_t *at = h + 2 * i * m + 2 * j;
            const int e = i == j;
            at[0] = (int8_t)(c + e);
            at[1] = (int8_t)(c - e);
            at[m] = (int8_t)(c - e);
            at[m + 1] = (int8_t)(-c - e);
        }
    }
    free(chi);
    return made;
}
