/* Loading an ALSModel directory of Quern's or Spark's. Nothing in it is trusted. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "kernels/kernels.h"
#include "ml/als/als_dir.h"
#include "ml/model_rows.h"

#define MAX_RANK 65536

/* One side being read. */
typedef struct side_reader {
    const char *table; /* "userFactors" */
    const char *one;   /* "user" */
    int32_t rank;
    int64_t stride;
    int64_t n, capacity;
    int64_t *id;    /* [n] */
    float *factors; /* [n x stride] */
} side_reader;

static qn_status side_grow(qn_context *ctx, side_reader *side, int64_t more)
{
    int64_t capacity = side->capacity;
    qn_status st = QN_OK;

    if (side->n + more <= capacity)
        return QN_OK;
    capacity = capacity + capacity / 2 + more;
    QN_GROW(ctx, side->id, capacity, "ids of a model");
    QN_GROW(ctx, side->factors, capacity * side->stride, "factors of a model");
    side->capacity = capacity;
done:
    return st;
}

static qn_status check_features(qn_context *ctx, const char *path, const side_reader *side,
                                int32_t id, const float *features, int64_t n)
{
    if (n != side->rank)
        return qn_fail(
            ctx, QN_EDATA,
            "%s: %s %d has %lld features, the metadata says rank %d: parts of two models "
            "are mixed",
            path, side->one, id, (long long)n, side->rank);
    for (int64_t f = 0; f < n; f++)
        if (!isfinite(features[f]))
            return qn_fail(ctx, QN_EDATA,
                           "%s: feature %lld of %s %d is no finite number: train again", path,
                           (long long)f, side->one, id);
    return QN_OK;
}

static qn_status add_factors(qn_context *ctx, const char *path, const qn_batch *batch, void *arg)
{
    side_reader *side = arg;
    const int32_t *id = batch->columns[0].data;
    const float *features = batch->columns[1].data;
    const uint32_t *offsets = batch->columns[1].offsets;
    qn_status st = QN_OK;

    QN_TRY(qn_check_cancel(ctx));
    QN_TRY(side_grow(ctx, side, batch->n_rows));
    for (int64_t i = 0; i < batch->n_rows; i++) {
        float *row = side->factors + side->n * side->stride;

        QN_TRY(check_features(ctx, path, side, id[i], features + offsets[i],
                              offsets[i + 1] - offsets[i]));
        side->id[side->n++] = id[i];
        memcpy(row, features + offsets[i], (size_t)side->rank * sizeof *row);
        memset(row + side->rank, 0, (size_t)(side->stride - side->rank) * sizeof *row);
    }
done:
    return st;
}

typedef struct place {
    int64_t id, row;
} place;

static int compare_places(const void *a, const void *b)
{
    const int64_t one = ((const place *)a)->id, two = ((const place *)b)->id;

    return (one > two) - (one < two);
}

/* Rows in ascending order of id. Spark's lie by hash. */
static qn_status sort_rows(qn_context *ctx, side_reader *side)
{
    place *places = NULL;
    float *sorted = NULL;
    int64_t in_order = 1;
    qn_status st = QN_OK;

    while (in_order < side->n && side->id[in_order - 1] < side->id[in_order])
        in_order++;
    if (in_order >= side->n)
        return QN_OK;
    QN_NEW(ctx, places, side->n, "the order of ids");
    for (int64_t i = 0; i < side->n; i++)
        places[i] = (place){side->id[i], i};
    qsort(places, (size_t)side->n, sizeof *places, compare_places);
    QN_NEW(ctx, sorted, side->n * side->stride, "factors of a model");
    for (int64_t i = 0; i < side->n; i++) {
        side->id[i] = places[i].id;
        memcpy(sorted + i * side->stride, side->factors + places[i].row * side->stride,
               (size_t)side->stride * sizeof *sorted);
    }
    qn_free(side->factors);
    side->factors = sorted;
    sorted = NULL;
done:
    qn_free(places);
    qn_free(sorted);
    return st;
}

static qn_status check_order(qn_context *ctx, const qn_model_files *files, const side_reader *side)
{
    if (side->n == 0)
        return qn_fail(ctx, QN_EDATA, "%s/%s holds no rows: copy the whole model directory",
                       files->path, side->table);
    for (int64_t i = 1; i < side->n; i++)
        if (side->id[i - 1] == side->id[i])
            return qn_fail(ctx, QN_EDATA,
                           "%s/%s holds %s %lld twice: part files of two models are mixed, remove "
                           "the older ones",
                           files->path, side->table, side->one, (long long)side->id[i]);
    return QN_OK;
}

/* The table of one side, in order, into ids and factors. */
static qn_status read_side(qn_context *ctx, const qn_model_files *files, side_reader *side,
                           qn_ids *ids, float **factors)
{
    static const char *const names[] = {"id", "features"};
    qn_column_request request[] = {{0, QN_INT32, false}, {0, QN_FLOAT_LIST, false}};
    qn_status st = QN_OK;

    side->stride = qn_factor_stride(side->rank);
    QN_TRY(qn_model_table_read(ctx, files, side->table, names, request, 2, add_factors, side));
    QN_TRY(sort_rows(ctx, side));
    QN_TRY(check_order(ctx, files, side));
    *ids = (qn_ids){.type = QN_ID_INT32, .n = side->n, .number = side->id};
    *factors = side->factors;
    side->id = NULL;
    side->factors = NULL;
done:
    qn_free(side->id);
    qn_free(side->factors);
    return st;
}

/* The map from factor ids back to the ids of the data. */
typedef struct map_reader {
    const qn_ids *factor_ids;
    qn_ids ids;
    int64_t text_capacity;
} map_reader;

static qn_status fail_map(qn_context *ctx, const char *path, int64_t row)
{
    return qn_fail(ctx, QN_EDATA,
                   "%s, row %lld does not belong to the factors beside it: copy the whole model "
                   "directory",
                   path, (long long)row);
}

static qn_status add_numbers(qn_context *ctx, const char *path, const qn_batch *batch, void *arg)
{
    map_reader *map = arg;
    const int32_t *id = batch->columns[0].data;
    const int64_t *original = batch->columns[1].data;

    for (int64_t i = 0; i < batch->n_rows; i++) {
        const int64_t row = map->ids.n;

        if (row >= map->factor_ids->n || id[i] != row || map->factor_ids->number[row] != row ||
            (row > 0 && map->ids.number[row - 1] >= original[i]))
            return fail_map(ctx, path, row);
        map->ids.number[map->ids.n++] = original[i];
    }
    return QN_OK;
}

/* Whether the text that was added last stands before `text`. */
static bool ascends(const qn_ids *ids, const char *text, int64_t length)
{
    const int64_t start = ids->n > 0 ? ids->offset[ids->n - 1] : 0;
    const int64_t before = ids->offset[ids->n] - start;
    const int64_t shorter = before < length ? before : length;
    const int order = shorter > 0 ? memcmp(ids->text + start, text, (size_t)shorter) : 0;

    return ids->n == 0 || order < 0 || (order == 0 && before < length);
}

static qn_status add_texts(qn_context *ctx, const char *path, const qn_batch *batch, void *arg)
{
    map_reader *map = arg;
    qn_ids *ids = &map->ids;
    const int32_t *id = batch->columns[0].data;
    const uint32_t *offsets = batch->columns[1].offsets;
    const int64_t bytes = offsets[batch->n_rows] - offsets[0];
    qn_status st = QN_OK;

    if (ids->offset[ids->n] + bytes > map->text_capacity) {
        const int64_t capacity = map->text_capacity * 2 + bytes;

        QN_GROW(ctx, ids->text, capacity, "ids of a model");
        map->text_capacity = capacity;
    }
    for (int64_t i = 0; i < batch->n_rows; i++) {
        const char *text = (const char *)batch->columns[1].data + offsets[i];
        const int64_t length = offsets[i + 1] - offsets[i];
        const int64_t row = ids->n;

        if (row >= map->factor_ids->n || id[i] != row || map->factor_ids->number[row] != row ||
            !ascends(ids, text, length))
            return fail_map(ctx, path, row);
        memcpy(ids->text + ids->offset[row], text, (size_t)length);
        ids->offset[row + 1] = ids->offset[row] + length;
        ids->n++;
    }
done:
    return st;
}

/* Whether column "original" is text. */
static qn_status map_is_text(qn_context *ctx, const qn_source *source, const char *table,
                             bool *is_text)
{
    int32_t field;

    if (qn_source_column(ctx, source, "original", &field) != QN_OK)
        return qn_fail(ctx, QN_EDATA, "table \"%s\" of the model has no column \"original\"",
                       table);
    *is_text = qn_source_schema(source)->field[field].type == QN_TEXT;
    return QN_OK;
}

static qn_status read_map(qn_context *ctx, const qn_model_files *files, const char *table,
                          qn_ids *ids)
{
    static const char *const names[] = {"id", "original"};
    qn_column_request request[] = {{0, QN_INT32, false}, {0, QN_INT64, false}};
    map_reader map = {.factor_ids = ids};
    qn_source *source = NULL;
    bool is_text = false;
    qn_status st = QN_OK;

    if (!qn_model_files_has(files, table))
        return QN_OK;
    QN_TRY(qn_model_files_table(ctx, files, table, &source));
    QN_TRY(map_is_text(ctx, source, table, &is_text));
    map.ids.type = is_text ? QN_ID_STRING : QN_ID_INT64;
    if (is_text) {
        request[1].type = QN_TEXT;
        map.text_capacity = 4096;
        QN_NEW(ctx, map.ids.text, map.text_capacity, "ids of a model");
        QN_NEW(ctx, map.ids.offset, ids->n + 1, "ids of a model");
        map.ids.offset[0] = 0;
    } else {
        QN_NEW(ctx, map.ids.number, ids->n, "ids of a model");
    }
    QN_TRY(qn_model_source_read(ctx, source, table, names, request, 2,
                                is_text ? add_texts : add_numbers, &map));
    if (map.ids.n != ids->n) {
        st = qn_fail(ctx, QN_EDATA,
                     "%s/%s holds %lld ids for %lld rows of factors: copy the whole "
                     "model directory",
                     files->path, table, (long long)map.ids.n, (long long)ids->n);
        goto done;
    }
    qn_ids_release(ids);
    *ids = map.ids;
    map.ids = (qn_ids){0};
done:
    qn_ids_release(&map.ids);
    qn_source_free(source);
    return st;
}

typedef struct counts_reader {
    qn_als_model *model;
    const int64_t *factor_id; /* [items.n] */
    int64_t n;
} counts_reader;

static qn_status add_counts(qn_context *ctx, const char *path, const qn_batch *batch, void *arg)
{
    counts_reader *counts = arg;
    const int32_t *id = batch->columns[0].data;
    const int64_t *count = batch->columns[1].data;
    const float *mean = batch->columns[2].data;

    for (int64_t i = 0; i < batch->n_rows; i++) {
        const int64_t row = counts->n;

        if (row >= counts->model->items.n || count[i] < 0 || count[i] > UINT32_MAX ||
            id[i] != (counts->factor_id ? counts->factor_id[row] : row))
            return fail_map(ctx, path, row);
        counts->model->item_count[row] = (uint32_t)count[i];
        counts->model->item_mean[row] = mean[i];
        counts->n++;
    }
    return QN_OK;
}

static qn_status read_counts(qn_context *ctx, const qn_model_files *files, qn_als_model *model)
{
    static const char *const names[] = {"id", "count", "mean"};
    qn_column_request request[] = {
        {0, QN_INT32, false}, {0, QN_INT64, false}, {0, QN_FLOAT, false}};
    counts_reader counts = {
        .model = model, .factor_id = als_ids_need_map(&model->items) ? NULL : model->items.number};
    qn_status st = QN_OK;

    if (!files->quern || !qn_model_files_has(files, ALS_COUNTS))
        return QN_OK;
    QN_NEW(ctx, model->item_count, model->items.n, "the ratings of each item");
    QN_NEW(ctx, model->item_mean, model->items.n, "the mean rating of each item");
    QN_TRY(qn_model_table_read(ctx, files, ALS_COUNTS, names, request, 3, add_counts, &counts));
    if (counts.n != model->items.n)
        st = fail_map(ctx, ALS_COUNTS, counts.n);
done:
    return st;
}

static void copy_text(char out[64], const json_t *value, const char *otherwise)
{
    const char *text = json_string_value(value);

    snprintf(out, 64, "%s", text ? text : otherwise);
}

/* What Spark's metadata tell. */
static qn_status read_metadata(qn_context *ctx, const qn_model_files *files, qn_als_model *model)
{
    const json_t *rank = json_object_get(files->metadata, "rank");
    const char *cold = json_string_value(qn_model_files_param(files, "coldStartStrategy"));

    if (!json_is_integer(rank) || json_integer_value(rank) < 1 ||
        json_integer_value(rank) > MAX_RANK)
        return qn_fail(ctx, QN_EDATA, "%s/metadata: \"rank\" is missing or not from 1 to %d",
                       files->path, MAX_RANK);
    qn_params_init(&qn_als_table, &model->params);
    model->rank = model->params.rank = (int32_t)json_integer_value(rank);
    model->stride = qn_factor_stride(model->rank);
    model->params.cold_start = cold && strcmp(cold, "drop") == 0 ? QN_COLD_DROP : QN_COLD_NAN;
    copy_text(model->user_col, qn_model_files_param(files, "userCol"), "user");
    copy_text(model->item_col, qn_model_files_param(files, "itemCol"), "item");
    copy_text(model->prediction_col, qn_model_files_param(files, "predictionCol"), "prediction");
    copy_text(model->rating_col, NULL, "rating");
    model->mean_rating = NAN;
    return QN_OK;
}

/* What quern.json adds. It is about these very files, so what does not fit is a damaged model. */
static qn_status read_note(qn_context *ctx, const qn_model_files *files, qn_als_model *model)
{
    const json_t *note = files->quern;
    const json_t *mean = json_object_get(note, "mean_rating");
    const char *fingerprint = json_string_value(json_object_get(note, "data_fingerprint"));
    const char *kernels = json_string_value(json_object_get(note, "kernel_set"));
    qn_status st = QN_OK;

    if (!note)
        return QN_OK;
    QN_TRY(
        qn_model_params_read(ctx, &qn_als_table, json_object_get(note, "params"), &model->params));
    if (model->rank != model->params.rank + (model->params.bias == QN_ALS_BIAS_FULL ? 2 : 0)) {
        st = qn_fail(ctx, QN_EDATA, "%s: quern.json says rank %d, the factors have %d columns",
                     files->path, model->params.rank, model->rank);
        goto done;
    }
    if (json_is_number(mean))
        model->mean_rating = (float)json_number_value(mean);
    copy_text(model->rating_col, json_object_get(note, "rating_col"), "rating");
    model->iterations = (int32_t)json_integer_value(json_object_get(note, "iterations"));
    snprintf(model->kernel_set, sizeof model->kernel_set, "%s", kernels ? kernels : "");
    model->data_fingerprint = fingerprint ? strtoull(fingerprint, NULL, 16) : 0;
done:
    return st;
}

/* Ids that fit int32 but came as int64 keep their type. */
static void restore_type(const json_t *note, const char *key, qn_ids *ids)
{
    const char *type = json_string_value(json_object_get(note, key));

    if (ids->type == QN_ID_INT32 && type && strcmp(type, "int64") == 0)
        ids->type = QN_ID_INT64;
}

static qn_status load_files(qn_context *ctx, const qn_model_files *files, qn_als_model *model)
{
    side_reader users = {.table = "userFactors", .one = "user"};
    side_reader items = {.table = "itemFactors", .one = "item"};
    qn_status st = QN_OK;

    QN_TRY(read_metadata(ctx, files, model));
    QN_TRY(read_note(ctx, files, model));
    users.rank = items.rank = model->rank;
    QN_TRY(read_side(ctx, files, &users, &model->users, &model->user_factors));
    QN_TRY(read_side(ctx, files, &items, &model->items, &model->item_factors));
    QN_TRY(read_map(ctx, files, ALS_USER_IDS, &model->users));
    QN_TRY(read_map(ctx, files, ALS_ITEM_IDS, &model->items));
    restore_type(files->quern, "user_id_type", &model->users);
    restore_type(files->quern, "item_id_type", &model->items);
    QN_TRY(read_counts(ctx, files, model));
done:
    return st;
}

qn_status qn_als_load(qn_context *ctx, const char *path, qn_als_model **model)
{
    qn_model_files files = {0};
    qn_als_model *made = NULL;
    qn_status st = QN_OK;

    *model = NULL;
    QN_TRY(qn_model_files_open(ctx, path, ALS_CLASS, &files));
    QN_NEW0(ctx, made, 1, "a model");
    QN_TRY(load_files(ctx, &files, made));
    *model = made;
    made = NULL;
done:
    qn_als_free(made);
    qn_model_files_release(&files);
    return st;
}
