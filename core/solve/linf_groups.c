#include "core/solve/linf_parts.h"

#include "core/tensor/groups.h"

size_t pl_linf_width(const pl_linf_problem *problem)
{
    return pl_group_width(problem->w0.cols, problem->group_size);
}

size_t pl_linf_groups(const pl_linf_problem *problem)
{
    const size_t width = pl_linf_width(problem);
    return (problem->w0.cols + width - 1) / width;
}
