/* Between the files that grow trees level by level. */
#ifndef QN_ML_FOREST_GROW_IMPL_H
#define QN_ML_FOREST_GROW_IMPL_H

#include "ml/forest/forest_grow.h"

/* A node whose split is sought. */
typedef struct grow_open {
    int32_t tree; /* in the group */
    int32_t node; /* in the tree */
    uint64_t place;
} grow_open;

/* The open nodes of a level, tree by tree, and how many entries of each block they have. */
typedef struct grow_level {
    grow_open *open;
    int64_t n;
    int64_t *first; /* [n_trees + 1] of a tree's nodes */
    uint32_t *run;  /* [n_blocks x n] */
} grow_level;

/* Scratch of a thread. */
typedef struct grow_thread {
    uint32_t *count; /* [4 x most_rows] draws */
    uint32_t *right; /* [most_rows] entries that go right; grows for merged rows */
    int64_t n_right;
    void *sums; /* of the batch */
    forest_search search;
} grow_thread;

/* Trees that grow together, and the batch of open nodes that is being added up. */
typedef struct grow {
    forest_fit *fit;
    int32_t first_tree, n_trees;
    uint32_t **entry;    /* [n_blocks x n_trees] entries of a tree in a block, by open node */
    uint32_t *n_entries; /* [n_blocks x n_trees] drawn */
    grow_level before, now;
    grow_thread *thread;
    int32_t n_threads;

    int64_t first, end; /* of the batch, in now.open */
    size_t most_bytes;  /* of sums of a batch, if it has more than one node */
    int64_t *bin;       /* [end - first + 1] where the sums of its nodes begin, in bins */
    int32_t *tried;     /* [batch x n_tried], or [n_tried] where all features are tried */
    int32_t *offset;    /* where a feature's sums begin in the node's: in lanes with codes that
                           hold the class, else in bins */
    char *found;        /* [batch] what was found, one record a node */
    size_t record_bytes;
} grow;

/* A record: the split, the lanes of all rows as its feature adds them up, those of the left, and of
 * a root those of its rows. */
static inline forest_split *grow_split(const grow *g, int64_t i)
{
    return (forest_split *)(void *)(g->found + (size_t)(i - g->first) * g->record_bytes);
}

static inline int64_t *grow_total(const grow *g, int64_t i)
{
    return (int64_t *)(void *)(grow_split(g, i) + 1);
}

static inline int64_t *grow_left(const grow *g, int64_t i)
{
    return grow_total(g, i) + g->fit->rule.n_lanes;
}

static inline int64_t *grow_parent(const grow *g, int64_t i)
{
    return grow_left(g, i) + g->fit->rule.n_lanes;
}

static inline int32_t *grow_tried(const grow *g, const int32_t *list, int64_t i)
{
    const forest_rule *rule = &g->fit->rule;

    return (int32_t *)list +
           (rule->n_tried < rule->n_features ? (i - g->first) * rule->n_tried : 0);
}

/* Finds the best splits of open nodes from g->first on, as many as fit: sets g->end and fills
 * g->found. Collective. forest_grow_batch.c */
qn_status grow_batch(grow *g, const char *name);
void grow_batch_release(grow *g);
/* Draws the rows of the group's trees. Collective. forest_grow_rows.c */
qn_status grow_draw(grow *g);
/* Sends the entries of one tree in a block to the children of their nodes. */
qn_status grow_divide(grow *g, const forest_block *block, int32_t tree, int32_t thread);
/* Adds a run of entries to the sums of node i of the batch. */
void grow_add(const grow *g, const forest_block *block, int64_t n, const uint32_t *entry, int64_t i,
              void *sums);

#endif
