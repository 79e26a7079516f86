#include "core/tensor/kernel.h"

#include "core/tensor/linalg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Which vectors OpenBLAS's kernels are written for.  Excavator's use AVX2 sparingly, but so does
 * that processor. */
static const char *const poor_kernels[] = {
    "Sandybridge", "Bulldozer",  "Piledriver", "Steamroller", "Nehalem", "Prescott",     "Core2",
    "Penryn",      "Dunnington", "Atom",       "Nano",        "Athlon",  "Opteron",      "Bobcat",
    "Barcelona",   "Katmai",     "Coppermine", "Northwood",   "Banias",  "Opteron_SSE3",
};
static const char *const avx2_kernels[] = {"Haswell", "Zen", "Excavator"};

pl_vectors pl_kernel_vectors(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        return PL_VECTORS_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return PL_VECTORS_AVX2;
    }
#endif
    return PL_VECTORS_OTHER;
}

static bool is_kernel_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

const char *pl_kernel_better(const char *name, pl_vectors vectors)
{
    const bool poor = is_kernel_of(name, poor_kernels, sizeof poor_kernels / sizeof *poor_kernels);
    const bool avx2 = is_kernel_of(name, avx2_kernels, sizeof avx2_kernels / sizeof *avx2_kernels);
    if (vectors == PL_VECTORS_AVX512 && (poor || avx2)) {
        return "SkylakeX";
    }
    return vectors == PL_VECTORS_AVX2 && poor ? "Haswell" : NULL;
}

/* Whole numbers from -4 to 4 without a pattern that a wrong index would keep. */
static void fill_float(float *out, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = (float)((seed >> 16) % 9) - 4;
    }
}

static void fill_double(double *out, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = (double)((seed >> 16) % 9) - 4;
    }
}

/* As values: a zero may have either sign. */
static bool same_floats(const float *a, const float *b, size_t count)
{
    size_t i = 0;
    while (i < count && a[i] == b[i]) {
        i++;
    }
    return i == count;
}

static bool same_doubles(const double *a, const double *b, size_t count)
{
    size_t i = 0;
    while (i < count && a[i] == b[i]) {
        i++;
    }
    return i == count;
}

/* The three products to C[m, n] over k, and the rank-k update by A's rows, in float32. */
static bool floats_are_right(size_t m, size_t n, size_t k)
{
    float *a = calloc(m * k, sizeof *a), *at = calloc(m * k, sizeof *at);
    float *b = calloc(n * k, sizeof *b), *bt = calloc(n * k, sizeof *bt);
    const size_t most = m > n ? m : n;
    float *want = calloc(most * most, sizeof *want), *c = calloc(most * most, sizeof *c);
    bool right = a != NULL && at != NULL && b != NULL && bt != NULL && want != NULL && c != NULL;
    if (right) {
        fill_float(a, m * k, 1);
        fill_float(b, n * k, 2);
        for (size_t t = 0; t < k; t++) {
            for (size_t i = 0; i < m; i++) {
                at[t * m + i] = a[i * k + t];
            }
            for (size_t j = 0; j < n; j++) {
                bt[t * n + j] = b[j * k + t];
                for (size_t i = 0; i < m; i++) {
                    want[i * n + j] += a[i * k + t] * b[j * k + t];
                }
            }
        }
        pl_gemm_nt(m, n, k, 1, a, k, b, k, 0, c, n);
        right = same_floats(c, want, m * n);
        memset(c, 0, m * n * sizeof *c);
        pl_gemm_nn(m, n, k, 1, a, k, bt, n, 0, c, n);
        right = right && same_floats(c, want, m * n);
        memset(c, 0, m * n * sizeof *c);
        pl_gemm_tn(m, n, k, at, m, bt, n, 0, c, n);
        right = right && same_floats(c, want, m * n);
        memset(c, 0, most * most * sizeof *c);
        pl_syrk_upper(m, k, at, m, c, m);
        for (size_t i = 0; i < m; i++) {
            for (size_t j = i; j < m; j++) {
                float sum = 0;
                for (size_t t = 0; t < k; t++) {
                    sum += a[i * k + t] * a[j * k + t];
                }
                right = right && c[i * m + j] == sum;
            }
        }
    }
    free(a);
    free(at);
    free(b);
    free(bt);
    free(want);
    free(c);
    return right;
}

/* In float64: L of L L^T found again (a power of 2 on its diagonal keeps every step exact), and the
 * rows x of b = x L^T and of x L. */
static bool doubles_are_right(size_t n, size_t count)
{
    double *l = calloc(n * n, sizeof *l), *a = calloc(n * n, sizeof *a);
    double *x = calloc(count * n, sizeof *x), *b = calloc(count * n, sizeof *b);
    double *want = calloc(count * n, sizeof *want);
    bool right = l != NULL && a != NULL && x != NULL && b != NULL && want != NULL;
    if (right) {
        size_t column = 0;
        fill_double(l, n * n, 3);
        fill_double(x, count * n, 4);
        for (size_t i = 0; i < n; i++) {
            l[i * n + i] = i % 2 == 0 ? 2 : 4;
            for (size_t j = i + 1; j < n; j++) {
                l[i * n + j] = 0;
            }
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                for (size_t t = 0; t < n; t++) {
                    a[i * n + j] += l[i * n + t] * l[j * n + t];
                }
            }
        }
        double *product = calloc(n * n, sizeof *product);
        if (product != NULL) {
            pl_multiply(false, true, n, n, n, l, l, 0, product);
            right = same_doubles(product, a, n * n);
        }
        right = right && product != NULL && pl_cholesky(a, n, &column);
        free(product);
        for (size_t i = 0; i < n; i++) {
            right = right && same_doubles(a + i * n, l + i * n, i + 1);
        }
        for (size_t r = 0; r < count; r++) {
            for (size_t i = 0; i < n; i++) {
                for (size_t t = 0; t < n; t++) {
                    b[r * n + i] += l[i * n + t] * x[r * n + t];
                    want[r * n + i] += x[r * n + t] * l[t * n + i];
                }
            }
        }
        pl_solve_lower(l, n, b, count);
        right = right && same_doubles(b, x, count * n);
        pl_mul_lower(l, n, x, count);
        right = right && same_doubles(x, want, count * n);
    }
    free(l);
    free(a);
    free(x);
    free(b);
    free(want);
    return right;
}

bool pl_kernel_is_right(void)
{
    /* Below, beside and above the blocks in registers (up to 48 rows), and more than one block of
     * the sum (384). */
    return floats_are_right(3, 5, 7) && floats_are_right(53, 67, 401) &&
           floats_are_right(130, 97, 64) && doubles_are_right(7, 3) && doubles_are_right(83, 37);
}

/* The value of the first line that begins with name and a colon. */
static bool find_field(const char *text, const char *name, char *out, size_t capacity)
{
    const size_t length = strlen(name);
    for (const char *line = text; *line != '\0';) {
        const size_t size = strcspn(line, "\n");
        const char *colon = memchr(line, ':', size);
        if (colon != NULL && strncmp(line, name, length) == 0 &&
            line + length + strspn(line + length, " \t") == colon) {
            const char *value = colon + 1 + strspn(colon + 1, " \t");
            const char *end = line + size;
            snprintf(out, capacity, "%.*s", value < end ? (int)(end - value) : 0, value);
            return out[0] != '\0';
        }
        line += size + (line[size] == '\n');
    }
    return false;
}

void pl_processor_parse(const char *cpuinfo, char *out, size_t capacity)
{
    char name[128], family[16], model[16];
    const bool named = find_field(cpuinfo, "model name", name, sizeof name);
    if (!named) {
        snprintf(name, sizeof name, "unknown processor");
    }
    for (char *c = name; *c != '\0'; c++) {
        *c = *c < 0x20 || *c > 0x7e ? '?' : *c;
    }
    if (find_field(cpuinfo, "cpu family", family, sizeof family) &&
        find_field(cpuinfo, "model", model, sizeof model)) {
        snprintf(out, capacity, "%s (family %d, model %d)", name, atoi(family), atoi(model));
    } else {
        snprintf(out, capacity, "%s", name);
    }
}

void pl_processor_name(char *out, size_t capacity)
{
    char text[4096] = "";
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    pl_processor_parse(text, out, capacity);
}
