#include "core/solve/adamw.h"

#include <math.h>

void pl_adamw_step(double *p, const double *g, double *m, double *v, size_t n, uint64_t step,
                   const double *rates, double share, double decay)
{
    static const double B1 = 0.9, B2 = 0.999, LEAST = 1e-8;
    const double unbias1 = 1.0 - pow(B1, (double)step), unbias2 = 1.0 - pow(B2, (double)step);
    for (size_t i = 0; i < n; i++) {
        m[i] = B1 * m[i] + (1.0 - B1) * g[i];
        v[i] = B2 * v[i] + (1.0 - B2) * g[i] * g[i];
        const double rate = share * rates[i];
        p[i] -= rate * decay * p[i];
        p[i] -= rate * (m[i] / unbias1) / (sqrt(v[i] / unbias2) + LEAST);
    }
}

double pl_cosine_rate(double first, uint64_t step, uint64_t steps)
{
    static const double PI = 3.14159265358979323846, END = 1e-3;
    const double at = steps > 0 ? (double)step / (double)steps : 1.0;
    return first * (END + (1.0 - END) * 0.5 * (1.0 + cos(PI * fmin(at, 1.0))));
}
