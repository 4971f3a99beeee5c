/* Sums of double vectors over cells through one binary tree, whatever thread or rank computed a
 * cell: node i of a level is node 2i plus node 2i + 1 of the level below; a missing right node
 * passes the left one up unchanged. The tree depends on the number of cells only. */
#ifndef QN_ENGINE_TREE_SUM_H
#define QN_ENGINE_TREE_SUM_H

#include <stdint.h>

#include "base/context.h"

typedef struct qn_tree_sum qn_tree_sum;

/* For cells 0 .. n_cells - 1 of all ranks, each a vector of `width` doubles. */
qn_status qn_tree_sum_create(qn_context *ctx, int64_t n_cells, int64_t width, qn_tree_sum **tree);
/* Adds the vector of one cell; any thread, any order, once a cell. Siblings merge as soon as both
 * are there, so little is held when cells come in about ascending order. */
qn_status qn_tree_sum_add(qn_context *ctx, qn_tree_sum *tree, int64_t cell, const double *values);
/* Collective. total[width] on every rank; zeros when there are no cells. Every cell must have been
 * added on exactly one rank, otherwise QN_EINTERNAL. The tree is empty again afterwards. */
qn_status qn_tree_sum_finish(qn_context *ctx, qn_tree_sum *tree, double *total);
void qn_tree_sum_free(qn_tree_sum *tree);

#endif
