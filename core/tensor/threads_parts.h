/* core/tensor/threads_parts.h -- the cgroup quota, with its inputs open for tests. */
#ifndef PL_TENSOR_THREADS_PARTS_H
#define PL_TENSOR_THREADS_PARTS_H

/* Processors that a quota leaves (rounded down, at least 1), or 0 if there is none.
 * membership: the text of /proc/self/cgroup; root: where the cgroup file systems are mounted
 * (/sys/fs/cgroup).  Looks at the group itself and every group above it; v2 and v1. */
int pl_cgroup_processors(const char *membership, const char *root);

#endif
