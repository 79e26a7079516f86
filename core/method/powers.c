#include "core/method/method_parts.h"

#include <math.h>

void pl_round_to_powers(float *scale, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        scale[c] = exp2f(rintf(log2f(scale[c])));
    }
}
