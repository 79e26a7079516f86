/* core/calib/tree.h -- the binary tree in which the sums of windows are joined.
 *
 * A node stands for the windows [index << level, (index + 1) << level) as far as there are.  Two
 * nodes are joined as soon as both are there, left with right, so the same windows give the same
 * bytes in whatever order they come, and windows in order leave at most levels + 1 nodes.  Private
 * to core/calib. */
#ifndef PL_CALIB_TREE_H
#define PL_CALIB_TREE_H

#include <stdbool.h>
#include <stddef.h>

/* The first member of what holds a node's sums. */
typedef struct pl_tree_node {
    struct pl_tree_node *next;
    unsigned level;
    size_t index;
} pl_tree_node;

typedef struct pl_tree {
    size_t windows;
    unsigned root;       /* the level that covers all windows */
    pl_tree_node *nodes; /* those that wait for their sibling, or the root alone */
} pl_tree;

/* left += right; right is the callee's to keep or to free. */
typedef void (*pl_tree_join_fn)(void *ctx, pl_tree_node *left, pl_tree_node *right);

unsigned pl_tree_levels(size_t windows);

/* Nodes at most while windows come in order. */
size_t pl_tree_most_nodes(size_t windows);

/* How many windows a node has. */
size_t pl_tree_count(const pl_tree *tree, size_t level, size_t index);

/* Whether it is a node of the tree. */
bool pl_tree_has_place(const pl_tree *tree, size_t level, size_t index);

/* Takes a node's sibling out of the tree; NULL where it is not there. */
pl_tree_node *pl_tree_take_sibling(pl_tree *tree, unsigned level, size_t index);

/* Puts a node in and joins upwards as far as both children are there.  A sibling that has no
 * windows at all counts as there. */
void pl_tree_insert(pl_tree *tree, pl_tree_node *node, pl_tree_join_fn join, void *ctx);

#endif
