/* Reads Spark's directories of a tree or a forest: Spark 3's, Spark 4's and our own. */
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "data/source_impl.h"
#include "ml/algo.h"
#include "ml/forest/forest_dir.h"
#include "ml/model_rows.h"

/* ---- Metadata ---- */

/* A whole number at the top level of the metadata. */
static qn_status read_count(qn_context *ctx, const qn_model_files *files, const char *key,
                            int32_t most, int32_t *count)
{
    const json_t *value = json_object_get(files->metadata, key);
    const json_int_t n = json_integer_value(value);

    if (!json_is_integer(value))
        return qn_fail(ctx, QN_EDATA, "%s/metadata: \"%s\" is missing or no whole number",
                       files->path, key);
    if (n < 1 || n > most)
        return qn_fail(ctx, QN_EDATA, "%s/metadata: \"%s\" is %lld, not 1 to %d", files->path, key,
                       (long long)n, most);
    *count = (int32_t)n;
    return QN_OK;
}

static qn_status fail_class(qn_context *ctx, const char *path, const char *name)
{
    const char *short_name = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;

    if (strncmp(short_name, "GBT", 3) == 0)
        return qn_fail(ctx, QN_EDATA,
                       "%s holds a %s: gradient-boosted trees are not read; decision trees and "
                       "random forests are",
                       path, short_name);
    return qn_fail(ctx, QN_EDATA, "%s holds a %s, not a decision tree or random forest", path,
                   short_name);
}

static qn_status read_head(qn_context *ctx, const qn_model_files *files, forest_head *head)
{
    const char *name = json_string_value(json_object_get(files->metadata, "class"));
    qn_status st = QN_OK;

    *head = (forest_head){.class = forest_class_named(name ? name : ""), .n_trees = 1};
    if (!head->class)
        return fail_class(ctx, files->path, name ? name : "");
    head->algo = qn_algo_of_class(name);
    if (!head->algo)
        return qn_fail(ctx, QN_EINTERNAL, "no algorithm has models of the class %s", name);
    QN_TRY(read_count(ctx, files, "numFeatures", FOREST_MAX_FEATURES, &head->n_features));
    if (head->class->is_classifier)
        QN_TRY(read_count(ctx, files, "numClasses", FOREST_MAX_CLASSES, &head->n_classes));
    if (!head->class->is_tree)
        QN_TRY(read_count(ctx, files, "numTrees", INT32_MAX, &head->n_trees));
done:
    return st;
}

/* ---- treesMetadata ---- */

typedef struct tree_reader {
    const forest_class *class;
    qn_forest_model *model;
    bool *is_there; /* [n_trees] */
    int32_t n;
} tree_reader;

static qn_status add_tree(qn_context *ctx, const char *path, const qn_batch *batch, int64_t i,
                          tree_reader *reader)
{
    const int32_t t = ((const int32_t *)batch->columns[0].data)[i];
    const uint32_t *ends = batch->columns[1].offsets;
    const char *text = (const char *)batch->columns[1].data + ends[i];
    const double weight = ((const double *)batch->columns[2].data)[i];
    const long long row = (long long)(batch->first_row + i);
    json_t *metadata = NULL;
    qn_status st;

    if (t < 0 || t >= reader->model->n_trees)
        return qn_fail(ctx, QN_EDATA, "%s, row %lld: tree %d is not one of %d", path, row, t,
                       reader->model->n_trees);
    if (reader->is_there[t])
        return qn_fail(ctx, QN_EDATA, "%s, row %lld: tree %d is there twice", path, row, t);
    if (!isfinite(weight))
        return qn_fail(ctx, QN_EDATA, "%s, row %lld: the weight is %g", path, row, weight);
    st = qn_model_metadata_parse(ctx, path, text, ends[i + 1] - ends[i], reader->class->tree_name,
                                 &metadata);
    json_decref(metadata);
    if (st == QN_EDATA)
        return qn_fail_prefix(ctx, st, "row %lld", row);
    reader->is_there[t] = true;
    reader->model->tree_weight[t] = weight;
    reader->n++;
    return st;
}

static qn_status add_trees(qn_context *ctx, const char *path, const qn_batch *batch, void *arg)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < batch->n_rows; i++)
        QN_TRY(add_tree(ctx, path, batch, i, arg));
done:
    return st;
}

static bool has_column(const qn_source *source, const char *name)
{
    const qn_schema *schema = qn_source_schema(source);

    for (int32_t i = 0; i < schema->n_fields; i++)
        if (strcmp(schema->field[i].name, name) == 0)
            return true;
    return false;
}

/* Spark 4.3 calls the columns _1, _2, _3. */
static qn_status read_trees(qn_context *ctx, const qn_model_files *files, const forest_class *class,
                            qn_forest_model *model)
{
    static const char *const names[] = {"treeID", "metadata", "weights"};
    static const char *const numbers[] = {"_1", "_2", "_3"};
    qn_column_request request[] = {{.type = QN_INT32}, {.type = QN_TEXT}, {.type = QN_DOUBLE}};
    tree_reader reader = {.class = class, .model = model};
    qn_source *source = NULL;
    qn_status st = QN_OK;

    QN_NEW0(ctx, reader.is_there, model->n_trees, "the trees of a model");
    QN_TRY(qn_model_files_table(ctx, files, "treesMetadata", &source));
    QN_TRY(qn_model_source_read(ctx, source, "treesMetadata",
                                has_column(source, "treeID") ? names : numbers, request, 3,
                                add_trees, &reader));
    if (reader.n < model->n_trees)
        st = qn_fail(ctx, QN_EDATA,
                     "%s/treesMetadata tells of %d trees, the metadata of %d: copy the whole model "
                     "directory",
                     files->path, reader.n, model->n_trees);
done:
    qn_source_free(source);
    qn_free(reader.is_there);
    return st;
}

/* ---- The whole ---- */

static qn_status read_nodes(qn_context *ctx, const qn_model_files *files, const forest_head *head,
                            qn_forest_model **model)
{
    char *path = qn_path_join(files->path, "data");
    forest_place *place = NULL;
    qn_source *source = NULL;
    qn_status st = QN_OK;

    *model = NULL;
    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    QN_TRY(qn_model_files_table(ctx, files, "data", &source));
    QN_TRY(forest_nodes_read(ctx, path, source, head, model, &place));
    QN_TRY(forest_model_check_places(ctx, path, *model, place));
done:
    qn_free(place);
    qn_source_free(source);
    free(path);
    return st;
}

qn_status qn_forest_load(qn_context *ctx, const char *path, qn_forest_model **model)
{
    qn_model_files files = {0};
    qn_forest_model *made = NULL;
    forest_head head;
    qn_status st = QN_OK;

    *model = NULL;
    QN_TRY(qn_model_files_open(ctx, path, NULL, &files));
    QN_TRY(read_head(ctx, &files, &head));
    QN_TRY(read_nodes(ctx, &files, &head, &made));
    made->base.algo = head.algo;
    if (!head.class->is_tree)
        QN_TRY(read_trees(ctx, &files, head.class, made));
    QN_TRY(forest_params_read(ctx, &files, made));
    QN_TRY(forest_note_read(ctx, &files, made));
    QN_TRY(forest_model_finish(ctx, made));
    *model = made;
    made = NULL;
done:
    qn_forest_free(made);
    qn_model_files_release(&files);
    return st;
}
