/* What a directory of trees says, whatever it says. The first byte: rows of nodes as Parquet would
 * give them, or quern.json beside Spark's parameters. A model that is accepted can be walked,
 * shown and told from others; one that is not is refused with a message. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"
#include "ml/algo.h"
#include "ml/forest/forest_dir.h"
#include "ml/forest/forest_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS      40
#define ROW_BYTES 14

static const char *const names[] = {"nodeData.id",
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
#define N_COLUMNS 12

/* A table whose numbers are made of bytes, a few of each row. */
typedef struct table {
    qn_source source;
    qn_reader reader;
    qn_field field[N_COLUMNS];
    qn_column column[N_COLUMNS];
    qn_batch batch;
    bool is_read;
    int32_t id[ROWS], left[ROWS], right[ROWS], feature[ROWS], categories[ROWS], tree[ROWS];
    double prediction[ROWS], impurity[ROWS], gain[ROWS];
    int64_t raw_count[ROWS];
    double stats[ROWS * 8], at[ROWS * 8];
    uint32_t stats_end[ROWS + 1], at_end[ROWS + 1];
} table;

static void table_free(qn_source *source)
{
    (void)source;
}

static int64_t table_n_splits(const qn_source *source)
{
    (void)source;
    return 1;
}

static const char *table_path(const qn_source *source, int64_t split)
{
    (void)source;
    (void)split;
    return "part";
}

static qn_status table_next(qn_context *ctx, qn_reader *reader, const qn_batch **batch)
{
    table *t = (table *)((char *)reader - offsetof(table, reader));

    (void)ctx;
    *batch = t->is_read ? NULL : &t->batch;
    t->is_read = true;
    return QN_OK;
}

static void table_close(qn_reader *reader)
{
    (void)reader;
}

static qn_status table_open(qn_context *ctx, qn_source *source, int64_t split,
                            const qn_column_request *request, int32_t n_columns, qn_reader **reader)
{
    static const qn_reader_ops ops = {table_next, table_close};
    table *t = (table *)source;

    (void)ctx;
    (void)split;
    (void)request;
    (void)n_columns;
    t->reader.ops = &ops;
    *reader = &t->reader;
    return QN_OK;
}

static const qn_source_ops table_ops = {
    .free = table_free,
    .n_splits = table_n_splits,
    .split_path = table_path,
    .open_split = table_open,
};

/* Small numbers mostly, and the odd ones. */
static double real_of(uint8_t byte)
{
    static const double odd[] = {0, -1, 0.5, 1e300, INFINITY, -INFINITY, NAN, 4294967296.0};

    return byte < 248 ? (double)(byte % 32) : odd[byte - 248];
}

static int32_t int_of(uint8_t byte)
{
    static const int32_t odd[] = {-1, -2, INT32_MAX, INT32_MIN};

    return byte < 252 ? byte % 64 : odd[byte - 252];
}

static void fill(table *t, const uint8_t *data, size_t size, int32_t n_stats)
{
    const void *values[N_COLUMNS] = {t->id,        t->prediction, t->impurity,   t->stats,
                                     t->raw_count, t->gain,       t->left,       t->right,
                                     t->feature,   t->at,         t->categories, t->tree};
    const qn_type types[N_COLUMNS] = {QN_INT32, QN_DOUBLE,      QN_DOUBLE, QN_DOUBLE_LIST,
                                      QN_INT64, QN_DOUBLE,      QN_INT32,  QN_INT32,
                                      QN_INT32, QN_DOUBLE_LIST, QN_INT32,  QN_INT32};
    int64_t n = (int64_t)(size / ROW_BYTES);

    n = n < ROWS ? n : ROWS;
    for (int64_t i = 0; i < n; i++, data += ROW_BYTES) {
        const uint32_t n_at = data[10] % 8, n_own = data[13] == 255 ? 7 : (uint32_t)n_stats;

        t->id[i] = int_of(data[0]);
        t->tree[i] = int_of(data[1]);
        t->left[i] = int_of(data[2]);
        t->right[i] = int_of(data[3]);
        t->feature[i] = int_of(data[4]);
        t->categories[i] = data[5] % 2 ? -1 : int_of(data[5]);
        t->prediction[i] = real_of(data[6]);
        t->gain[i] = real_of(data[7]);
        t->raw_count[i] = data[8];
        t->stats_end[i + 1] = t->stats_end[i] + n_own;
        for (uint32_t k = 0; k < n_own; k++)
            t->stats[t->stats_end[i] + k] = real_of(data[9 + k % 3]);
        t->at_end[i + 1] = t->at_end[i] + n_at;
        for (uint32_t k = 0; k < n_at; k++)
            t->at[t->at_end[i] + k] = real_of((uint8_t)(data[11] + k * data[12]));
    }
    for (int32_t c = 0; c < N_COLUMNS; c++) {
        t->field[c] = (qn_field){names[c], types[c]};
        t->column[c] = (qn_column){types[c], values[c],
                                   c == 3   ? t->stats_end
                                   : c == 9 ? t->at_end
                                            : NULL,
                                   NULL};
    }
    t->source = (qn_source){.ops = &table_ops, .schema = {t->field, N_COLUMNS, true}};
    t->batch = (qn_batch){n, N_COLUMNS, t->column, 0};
}

/* Predicts rows of all kinds, one by one and in panels, which must agree, and writes all forms. */
static void use(qn_context *ctx, qn_forest_model *model)
{
    static const double odd[] = {0, 1, 2.5, -1, 63, 64, 1e300, NAN, INFINITY, -INFINITY};
    double rows[16 * 8] = {0}, x[16 * 8] = {0}, one[16], two[16], shares[16 * 8], again[16 * 8];
    const int64_t d = model->n_features;
    char digest[33];

    for (int64_t i = 0; i < 16 * d; i++)
        rows[i] = odd[(i * 7 + i / 5) % 10];
    for (int64_t i = 0; i < 16 * d; i++)
        x[i % d * 16 + i / d] = rows[i];
    qn_forest_predict(model, 16, rows, one, model->is_classifier ? shares : NULL);
    forest_predict_panels(model, 16, x, two, NULL, model->is_classifier ? again : NULL);
    if (memcmp(one, two, sizeof one) != 0 ||
        (model->is_classifier &&
         memcmp(shares, again, (size_t)(16 * model->n_classes) * sizeof *shares) != 0))
        abort();
    qn_forest_digest(model, digest);
    for (int32_t format = 0; format < 4; format++) {
        const qn_model_form form = {format, -1, "toy"};
        qn_out_file *out = NULL;

        if (qn_out_open(ctx, "/dev/null", true, &out) == QN_OK &&
            forest_export(ctx, &model->base, &form, out) != QN_OK)
            abort();
        qn_out_abandon(&out);
    }
}

static void fuzz_nodes(qn_context *ctx, const uint8_t *data, size_t size)
{
    static table t;
    const bool is_classifier = data[0] % 2;
    const forest_head head = {
        .class = forest_class_named(
            is_classifier ? "org.apache.spark.ml.classification.RandomForestClassificationModel"
                          : "org.apache.spark.ml.regression.RandomForestRegressionModel"),
        .n_features = 1 + data[1] % 8,
        .n_classes = is_classifier ? 1 + data[2] % 7 : 0,
        .n_trees = 1 + data[3] % 4};
    qn_forest_model *model = NULL;
    forest_place *place = NULL;
    qn_status st;

    memset(&t, 0, sizeof t);
    fill(&t, data + 4, size - 4, is_classifier ? head.n_classes : 3);
    st = forest_nodes_read(ctx, "model/data", &t.source, &head, &model, &place);
    if (st == QN_OK)
        st = forest_model_check_places(ctx, "model/data", model, place);
    if (st == QN_OK)
        st = forest_model_finish(ctx, model);
    if (st == QN_OK)
        use(ctx, model);
    else if (!*qn_context_error(ctx))
        abort();
    qn_free(place);
    qn_forest_free(model);
}

/* A stump of three classes, to which quern.json and parameters are added. */
static void fuzz_note(qn_context *ctx, const char *text, size_t length)
{
    const forest_shape shape = {.n_trees = 1, .n_features = 2, .n_stats = 3, .n_nodes = 3};
    json_t *json = json_loadb(text, length, 0, NULL);
    const qn_model_files files = {.path = (char *)"model", .metadata = json, .quern = json};
    qn_forest_model *model = NULL;
    qn_status st = forest_model_create(ctx, &shape, &model);

    if (st != QN_OK)
        abort();
    model->base.algo = &qn_algo_forest;
    model->is_classifier = true;
    model->n_classes = 3;
    model->first_node[1] = 3;
    model->node[0] = (qn_tree_node){.left = 1, .right = 2, .n_categories = -1};
    model->node[1] = model->node[2] = (qn_tree_node){.left = -1, .right = -1};
    st = forest_params_read(ctx, &files, model);
    if (st == QN_OK)
        st = forest_note_read(ctx, &files, model);
    if (st == QN_OK && model->base.features.n > 0 && model->base.features.width != 2)
        abort();
    if (st == QN_OK && forest_model_finish(ctx, model) == QN_OK)
        use(ctx, model);
    if (st != QN_OK && !*qn_context_error(ctx))
        abort();
    qn_forest_free(model);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qn_context *ctx = NULL;

    if (size < 5 || qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return 0;
    if (*data % 4)
        fuzz_nodes(ctx, data, size);
    else
        fuzz_note(ctx, (const char *)data + 1, size - 1);
    if (qn_alloc_live(ctx) != 0)
        abort();
    qn_context_free(ctx);
    return 0;
}
