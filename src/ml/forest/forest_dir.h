/* What writing and reading Spark's directories of trees share. */
#ifndef QN_ML_FOREST_DIR_H
#define QN_ML_FOREST_DIR_H

#include "base/text.h"
#include "ml/forest/forest_impl.h"
#include "ml/model_dir.h"

/* One of Spark's four. */
typedef struct forest_class {
    const char *name;
    const char *tree_name; /* of the trees in it */
    const char *uid;       /* how its uid begins */
    bool is_tree, is_classifier;
} forest_class;

const forest_class *forest_class_of(const qn_forest_model *model);
/* NULL if it is none of the four. */
const forest_class *forest_class_named(const char *name);

/* Most features and categories that a directory is believed. */
#define FOREST_MAX_FEATURES   (1 << 24)
#define FOREST_MAX_CATEGORIES (1 << 20)

/* File and row that a node was read from. */
typedef struct forest_place {
    const char *path;
    int64_t row;
} forest_place;
/* As forest_model_check; `place` [n_nodes] makes messages name file and row, NULL: none. */
qn_status forest_model_check_places(qn_context *ctx, const char *path, const qn_forest_model *model,
                                    const forest_place *place);

/* quern.json: an object, left open. forest_note.c */
void forest_note_write(const qn_forest_model *model, const char *digest, const char *record,
                       qn_json *j);
/* What quern.json adds, if it is there; models of Spark know none of it. */
qn_status forest_note_read(qn_context *ctx, const qn_model_files *files, qn_forest_model *model);
/* The parameters of a saved model, copied into `model`, and its thresholds. */
qn_status forest_params_read(qn_context *ctx, const qn_model_files *files, qn_forest_model *model);

/* The nodes of the table "data": a model that is neither finished nor checked beyond what reading
 * needs, and where its nodes came from (the caller frees *place, whose paths are the source's).
 * forest_dir_nodes.c */
typedef struct forest_head {
    const forest_class *class;
    const struct qn_algo *algo;
    int32_t n_features, n_classes, n_trees;
} forest_head;
qn_status forest_nodes_read(qn_context *ctx, const char *path, qn_source *source,
                            const forest_head *head, qn_forest_model **model, forest_place **place);

#endif
