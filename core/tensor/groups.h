/* core/tensor/groups.h -- groups of adjacent columns: each has group_size columns, a row's last
 * group what is left; group_size 0: a row is one group. */
#ifndef PL_TENSOR_GROUPS_H
#define PL_TENSOR_GROUPS_H

#include <stddef.h>

/* Columns of a row's first group. */
static inline size_t pl_group_width(size_t cols, size_t group_size)
{
    return group_size == 0 || group_size > cols ? cols : group_size;
}

/* Groups of a row; 1 of a row without columns. */
static inline size_t pl_group_count(size_t cols, size_t group_size)
{
    return group_size == 0 || cols == 0 ? 1 : (cols - 1) / group_size + 1;
}

#endif
