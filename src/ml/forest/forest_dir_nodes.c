/* Reads the nodes of a directory of trees. Rows may come in any order and from any number of
 * files; every tree must have each of its numbers once. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "ml/forest/forest_dir.h"
#include "ml/model_rows.h"

/* A row as it came. first_category counts in the reader's list. */
typedef struct read_node {
    int32_t tree, id;
    qn_tree_node node;
    forest_place place;
} read_node;

typedef struct node_reader {
    const forest_head *head;
    int32_t n_stats;
    int64_t n, capacity;
    read_node *node;
    double *stats; /* [capacity x n_stats] */
    int64_t n_categories, category_capacity;
    int32_t *category;
} node_reader;

enum {
    COLUMN_ID,
    COLUMN_PREDICTION,
    COLUMN_IMPURITY,
    COLUMN_STATS,
    COLUMN_RAW_COUNT,
    COLUMN_GAIN,
    COLUMN_LEFT,
    COLUMN_RIGHT,
    COLUMN_FEATURE,
    COLUMN_AT,
    COLUMN_CATEGORIES,
    COLUMN_TREE, /* of forests */
    N_COLUMNS
};

static int32_t int_at(const qn_batch *batch, int32_t column, int64_t i)
{
    return ((const int32_t *)batch->columns[column].data)[i];
}

static double real_at(const qn_batch *batch, int32_t column, int64_t i)
{
    return ((const double *)batch->columns[column].data)[i];
}

static const double *list_at(const qn_batch *batch, int32_t column, int64_t i, int64_t *n)
{
    const qn_column *c = &batch->columns[column];

    *n = c->offsets[i + 1] - c->offsets[i];
    return (const double *)c->data + c->offsets[i];
}

static qn_status fail_row(qn_context *ctx, const forest_place *place, const char *what)
{
    return qn_fail(ctx, QN_EDATA, "%s, row %lld: %s", place->path, (long long)place->row, what);
}

static qn_status reader_grow(qn_context *ctx, node_reader *reader, int64_t more)
{
    const int64_t capacity = 2 * reader->n + more;
    qn_status st = QN_OK;

    if (reader->n + more <= reader->capacity)
        return QN_OK;
    QN_GROW(ctx, reader->node, capacity, "the nodes of a model");
    QN_GROW(ctx, reader->stats, capacity * reader->n_stats, "the statistics of a model");
    reader->capacity = capacity;
done:
    return st;
}

static qn_status add_categories(qn_context *ctx, node_reader *reader, read_node *row,
                                const double *list, int64_t n)
{
    qn_status st = QN_OK;

    if (reader->n_categories + n > INT32_MAX)
        return fail_row(ctx, &row->place, "the model lists too many categories");
    if (reader->n_categories + n > reader->category_capacity) {
        const int64_t capacity = 2 * (reader->n_categories + n);

        QN_GROW(ctx, reader->category, capacity, "the categories of a model");
        reader->category_capacity = capacity;
    }
    row->node.first_category = (int32_t)reader->n_categories;
    row->node.n_left_categories = (int32_t)n;
    for (int64_t k = 0; k < n; k++) {
        if (!(list[k] >= 0 && list[k] < row->node.n_categories) || list[k] != floor(list[k]))
            return fail_row(ctx, &row->place,
                            "leftCategoriesOrThreshold holds what is no category");
        reader->category[reader->n_categories++] = (int32_t)list[k];
    }
done:
    return st;
}

/* What decides at a node: a threshold, or the categories that go left. */
static qn_status add_split(qn_context *ctx, node_reader *reader, const qn_batch *batch, int64_t i,
                           read_node *row)
{
    qn_tree_node *node = &row->node;
    int64_t n;
    const double *list = list_at(batch, COLUMN_AT, i, &n);

    node->feature = int_at(batch, COLUMN_FEATURE, i);
    node->n_categories = int_at(batch, COLUMN_CATEGORIES, i);
    if (node->n_categories < -1 || node->n_categories == 0 ||
        node->n_categories > FOREST_MAX_CATEGORIES)
        return fail_row(ctx, &row->place, "numCategories is neither -1 nor a number of categories");
    if (node->n_categories > 0)
        return add_categories(ctx, reader, row, list, n);
    if (n != 1)
        return fail_row(ctx, &row->place, "leftCategoriesOrThreshold is not one threshold");
    node->threshold = list[0];
    return QN_OK;
}

static qn_status add_node(qn_context *ctx, node_reader *reader, const char *path,
                          const qn_batch *batch, int64_t i)
{
    read_node *row = &reader->node[reader->n];
    int64_t n;
    const double *stats = list_at(batch, COLUMN_STATS, i, &n);
    qn_status st = QN_OK;

    *row = (read_node){
        .tree = reader->head->class->is_tree ? 0 : int_at(batch, COLUMN_TREE, i),
        .id = int_at(batch, COLUMN_ID, i),
        .place = {path, batch->first_row + i},
        .node = {.prediction = real_at(batch, COLUMN_PREDICTION, i),
                 .impurity = real_at(batch, COLUMN_IMPURITY, i),
                 .gain = real_at(batch, COLUMN_GAIN, i),
                 .raw_count = ((const int64_t *)batch->columns[COLUMN_RAW_COUNT].data)[i],
                 .left = int_at(batch, COLUMN_LEFT, i),
                 .right = int_at(batch, COLUMN_RIGHT, i),
                 .feature = -1,
                 .n_categories = -1},
    };
    if (row->tree < 0 || row->tree >= reader->head->n_trees)
        return fail_row(ctx, &row->place, "treeID is not one of the trees");
    if (n != reader->n_stats)
        return fail_row(ctx, &row->place,
                        reader->head->class->is_classifier
                            ? "impurityStats has not one number a class"
                            : "impurityStats has not three numbers");
    memcpy(reader->stats + reader->n * n, stats, (size_t)n * sizeof *stats);
    if (row->node.left >= 0 || row->node.right >= 0)
        QN_TRY(add_split(ctx, reader, batch, i, row));
    reader->n++;
done:
    return st;
}

static qn_status add_nodes(qn_context *ctx, const char *path, const qn_batch *batch, void *arg)
{
    node_reader *reader = arg;
    qn_status st = QN_OK;

    QN_TRY(reader_grow(ctx, reader, batch->n_rows));
    for (int64_t i = 0; i < batch->n_rows; i++)
        QN_TRY(add_node(ctx, reader, path, batch, i));
done:
    return st;
}

static qn_status read_rows(qn_context *ctx, qn_source *source, node_reader *reader)
{
    static const char *const tree_names[] = {"id",
                                             "prediction",
                                             "impurity",
                                             "impurityStats",
                                             "rawCount",
                                             "gain",
                                             "leftChild",
                                             "rightChild",
                                             "split.featureIndex",
                                             "split.leftCategoriesOrThreshold",
                                             "split.numCategories"};
    static const char *const forest_names[] = {"nodeData.id",
                                               "nodeData.prediction",
                                               "nodeData.impurity",
                                               "nodeData.impurityStats",
                                               "nodeData.rawCount",
                                               "nodeData.gain",
                                               "nodeData.leftChild",
                                               "nodeData.rightChild",
                                               "nodeData.split.featureIndex",
                                               "nodeData.split.leftCategoriesOrThreshold",
                                               "nodeData.split.numCategories",
                                               "treeID"};
    qn_column_request request[N_COLUMNS] = {
        [COLUMN_ID] = {.type = QN_INT32},         [COLUMN_PREDICTION] = {.type = QN_DOUBLE},
        [COLUMN_IMPURITY] = {.type = QN_DOUBLE},  [COLUMN_STATS] = {.type = QN_DOUBLE_LIST},
        [COLUMN_RAW_COUNT] = {.type = QN_INT64},  [COLUMN_GAIN] = {.type = QN_DOUBLE},
        [COLUMN_LEFT] = {.type = QN_INT32},       [COLUMN_RIGHT] = {.type = QN_INT32},
        [COLUMN_FEATURE] = {.type = QN_INT32},    [COLUMN_AT] = {.type = QN_DOUBLE_LIST},
        [COLUMN_CATEGORIES] = {.type = QN_INT32}, [COLUMN_TREE] = {.type = QN_INT32},
    };
    const bool is_tree = reader->head->class->is_tree;

    return qn_model_source_read(ctx, source, "data", is_tree ? tree_names : forest_names, request,
                                is_tree ? N_COLUMNS - 1 : N_COLUMNS, add_nodes, reader);
}

/* ---- Putting them in order ---- */

static qn_status count_nodes(qn_context *ctx, const char *path, const node_reader *reader,
                             int64_t *first_node)
{
    for (int64_t i = 0; i < reader->n; i++)
        first_node[reader->node[i].tree + 1]++;
    for (int32_t t = 0; t < reader->head->n_trees; t++) {
        if (first_node[t + 1] == 0)
            return qn_fail(ctx, QN_EDATA,
                           "%s: tree %d of %d has no nodes: copy the whole model directory", path,
                           t, reader->head->n_trees);
        first_node[t + 1] += first_node[t];
    }
    return QN_OK;
}

static qn_status place_node(qn_context *ctx, const node_reader *reader, int64_t i,
                            qn_forest_model *model, forest_place *place)
{
    const read_node *row = &reader->node[i];
    const int64_t first = model->first_node[row->tree];
    const int64_t n = model->first_node[row->tree + 1] - first;
    char what[160];

    if (row->id < 0 || row->id >= n) {
        snprintf(what, sizeof what,
                 "id %d of tree %d, which has %lld nodes: parts are missing or those of two "
                 "models are mixed",
                 row->id, row->tree, (long long)n);
        return fail_row(ctx, &row->place, what);
    }
    if (place[first + row->id].path) {
        snprintf(what, sizeof what, "node %d of tree %d is there twice", row->id, row->tree);
        return fail_row(ctx, &row->place, what);
    }
    place[first + row->id] = row->place;
    model->node[first + row->id] = row->node;
    if (row->node.left >= 0)
        model->node[first + row->id].missing_left = forest_missing_left(&row->node);
    memcpy(model->stats + (first + row->id) * model->n_stats, reader->stats + i * model->n_stats,
           (size_t)model->n_stats * sizeof *model->stats);
    return QN_OK;
}

/* Lists of categories in the order of the nodes. */
static void copy_categories(const node_reader *reader, qn_forest_model *model)
{
    int32_t n = 0;

    for (int64_t i = 0; i < reader->n; i++) {
        qn_tree_node *node = model->node + i;

        for (int32_t k = 0; k < node->n_left_categories; k++)
            model->category[n + k] = reader->category[node->first_category + k];
        node->first_category = n;
        n += node->n_left_categories;
    }
}

static qn_status put_in_order(qn_context *ctx, const char *path, const node_reader *reader,
                              qn_forest_model **model, forest_place **place)
{
    const forest_head *head = reader->head;
    const forest_shape shape = {.n_trees = head->n_trees,
                                .n_features = head->n_features,
                                .n_stats = reader->n_stats,
                                .n_nodes = reader->n,
                                .n_category_list = reader->n_categories};
    qn_forest_model *made = NULL;
    qn_status st = QN_OK;

    QN_TRY(forest_model_create(ctx, &shape, &made));
    made->is_tree = head->class->is_tree;
    made->is_classifier = head->class->is_classifier;
    made->n_classes = head->n_classes;
    QN_TRY(count_nodes(ctx, path, reader, made->first_node));
    QN_NEW0(ctx, *place, reader->n, "the nodes of a model");
    for (int64_t i = 0; i < reader->n; i++)
        QN_TRY(place_node(ctx, reader, i, made, *place));
    copy_categories(reader, made);
    *model = made;
    made = NULL;
done:
    qn_forest_free(made);
    return st;
}

qn_status forest_nodes_read(qn_context *ctx, const char *path, qn_source *source,
                            const forest_head *head, qn_forest_model **model, forest_place **place)
{
    node_reader reader = {.head = head,
                          .n_stats = head->class->is_classifier ? head->n_classes : 3};
    qn_status st = QN_OK;

    *model = NULL;
    *place = NULL;
    QN_TRY(read_rows(ctx, source, &reader));
    if (reader.n < head->n_trees) {
        st = qn_fail(ctx, QN_EDATA,
                     "%s holds %lld nodes of %d trees: copy the whole model directory", path,
                     (long long)reader.n, head->n_trees);
        goto done;
    }
    QN_TRY(put_in_order(ctx, path, &reader, model, place));
done:
    qn_free(reader.node);
    qn_free(reader.stats);
    qn_free(reader.category);
    return st;
}
