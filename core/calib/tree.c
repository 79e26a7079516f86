#include "core/calib/tree.h"

unsigned pl_tree_levels(size_t windows)
{
    unsigned level = 0;
    while (level < 63 && (size_t)1 << level < windows) {
        level++;
    }
    return level;
}

size_t pl_tree_most_nodes(size_t windows)
{
    return windows > 2 ? pl_tree_levels(windows) : 1;
}

size_t pl_tree_count(const pl_tree *tree, size_t level, size_t index)
{
    const size_t first = index << level, rest = tree->windows - first;
    return rest < (size_t)1 << level ? rest : (size_t)1 << level;
}

bool pl_tree_has_place(const pl_tree *tree, size_t level, size_t index)
{
    return level <= tree->root && index < tree->windows && index << level < tree->windows;
}

pl_tree_node *pl_tree_take_sibling(pl_tree *tree, unsigned level, size_t index)
{
    for (pl_tree_node **at = &tree->nodes; *at != NULL; at = &(*at)->next) {
        if ((*at)->level == level && (*at)->index == (index ^ 1u)) {
            pl_tree_node *sibling = *at;
            *at = sibling->next;
            return sibling;
        }
    }
    return NULL;
}

void pl_tree_insert(pl_tree *tree, pl_tree_node *node, pl_tree_join_fn join, void *ctx)
{
    while (node->level < tree->root) {
        const bool alone =
            node->index % 2 == 0 && (node->index + 1) << node->level >= tree->windows;
        if (!alone) {
            pl_tree_node *sibling = pl_tree_take_sibling(tree, node->level, node->index);
            if (sibling == NULL) {
                break;
            }
            pl_tree_node *left = node->index % 2 == 0 ? node : sibling;
            join(ctx, left, left == node ? sibling : node);
            node = left;
        }
        node->level++;
        node->index /= 2;
    }
    node->next = tree->nodes;
    tree->nodes = node;
}
