/* Values under dotted paths, in the order in which they first came, written as nested JSON objects:
 * what a run record is made of. Outside the budget, and calls nothing that needs a context: sinks
 * use it. Start with {0}. */
#ifndef QN_RUN_TREE_H
#define QN_RUN_TREE_H

#include "base/text.h"

#define QN_TREE_PATH 96

typedef struct qn_tree {
    qn_string leaves; /* struct leaf[n] */
    qn_string texts;  /* of all leaves, each ended by NUL */
    int64_t n;
} qn_tree;

/* A later value of the same path takes the place of the earlier. A path that ends in "[]" adds one
 * more element to an array. Paths are cut to QN_TREE_PATH bytes. */
void qn_tree_int(qn_tree *tree, const char *path, int64_t value);
void qn_tree_real(qn_tree *tree, const char *path, double value);
void qn_tree_text(qn_tree *tree, const char *path, const char *value);
/* Adds to a number that may be there. */
void qn_tree_add_real(qn_tree *tree, const char *path, double value);
/* Forgets the elements of all arrays: they are told of anew. */
void qn_tree_drop_arrays(qn_tree *tree);
/* The object below `path` ("" for all) as member `key`. */
void qn_tree_json(const qn_tree *tree, const char *path, const char *key, qn_json *j);
/* The same members into an object that is already open. */
void qn_tree_members_json(const qn_tree *tree, const char *path, qn_json *j);
/* The text at `path`, NULL if there is none. */
const char *qn_tree_get_text(const qn_tree *tree, const char *path);
bool qn_tree_failed(const qn_tree *tree);
void qn_tree_release(qn_tree *tree);

#endif
