#include "core/solve/linf_parts.h"

#include "core/tensor/clones.h"
#include "core/tensor/groups.h"

#include <math.h>

size_t pl_linf_width(const pl_linf_problem *problem)
{
    return pl_group_width(problem->w0.cols, problem->group_size);
}

size_t pl_linf_groups(const pl_linf_problem *problem)
{
    const size_t width = pl_linf_width(problem);
    return (problem->w0.cols + width - 1) / width;
}

PL_CLONES
double pl_linf_magnitudes(const float *x, size_t count)
{
    double lanes[8] = {0};
    for (size_t i = 0; i < count; i++) {
        lanes[i % 8] += fabs((double)x[i]);
    }
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
           ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}
