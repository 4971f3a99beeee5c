/* Saving a model as Spark's ALSModel directory:
 *
 *   metadata/part-00000                        what Spark needs
 *   userFactors/, itemFactors/ part-*.parquet  id, features
 *   quern/userIds.parquet, itemIds.parquet     id, original: where ids are texts or beyond int32,
 * the factor id is the index quern/itemCounts.parquet                   id, count, mean of the
 * training ratings quern.json                                 parameters, digest, run record */
#include "ml/als/als_dir.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"

/* Rows of a part file, and of a batch of other tables. */
#define ROWS_PER_FILE ((int64_t)1 << 22)
#define BATCH_ROWS    ((int64_t)65536)
#define BATCH_BYTES   ((int64_t)4 << 20)

bool als_ids_need_map(const qn_ids *ids)
{
    if (ids->type == QN_ID_STRING)
        return true;
    return ids->n > 0 && (ids->number[0] < INT32_MIN || ids->number[ids->n - 1] > INT32_MAX);
}

static void digest_side(XXH3_state_t *state, uint8_t side, const qn_ids *ids, const float *factors,
                        int64_t stride, int32_t rank)
{
    for (int64_t i = 0; i < ids->n; i++) {
        XXH3_128bits_update(state, &side, 1);
        if (ids->type == QN_ID_STRING) {
            const int64_t length = ids->offset[i + 1] - ids->offset[i];

            XXH3_128bits_update(state, &length, sizeof length);
            XXH3_128bits_update(state, ids->text + ids->offset[i], (size_t)length);
        } else {
            XXH3_128bits_update(state, &ids->number[i], sizeof ids->number[i]);
        }
        XXH3_128bits_update(state, factors + i * stride, (size_t)rank * sizeof *factors);
    }
}

void qn_als_digest(const qn_als_model *model, char digest[33])
{
    XXH3_state_t state;
    XXH128_hash_t hash;

    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    digest_side(&state, QN_SIDE_USER, &model->users, model->user_factors, model->stride,
                model->rank);
    digest_side(&state, QN_SIDE_ITEM, &model->items, model->item_factors, model->stride,
                model->rank);
    hash = XXH3_128bits_digest(&state);
    snprintf(digest, 33, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

/* What is written of one side. */
typedef struct side_rows {
    const qn_ids *ids;
    const float *factors;
    int64_t stride;
    int32_t rank;
    bool is_mapped; /* the factor id is the index */
} side_rows;

static int32_t factor_id(const side_rows *side, int64_t row)
{
    return (int32_t)(side->is_mapped ? row : side->ids->number[row]);
}

static qn_status write_factors(qn_context *ctx, const qn_out_dir *dir, const char *name,
                               const side_rows *side)
{
    static const qn_field fields[] = {{"id", QN_INT32}, {"features", QN_FLOAT_LIST}};
    const qn_schema schema = {fields, 2, true};
    const qn_model_table table = {.name = name, .rows_per_file = ROWS_PER_FILE};
    const int64_t wide = BATCH_BYTES / ((int64_t)side->rank * 4) + 1;
    const int64_t step = wide < BATCH_ROWS ? wide : BATCH_ROWS;
    int32_t *id = NULL;
    float *features = NULL;
    uint32_t *offsets = NULL;
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, id, step, "rows being written");
    QN_NEW(ctx, features, step * side->rank, "rows being written");
    QN_NEW(ctx, offsets, step + 1, "rows being written");
    QN_TRY(qn_model_dir_table(ctx, dir, &table, &schema, &sink));
    for (int64_t first = 0; first < side->ids->n; first += step) {
        const int64_t n = side->ids->n - first < step ? side->ids->n - first : step;
        const qn_column columns[] = {{QN_INT32, id, NULL, NULL},
                                     {QN_FLOAT_LIST, features, offsets, NULL}};

        offsets[0] = 0;
        for (int64_t i = 0; i < n; i++) {
            id[i] = factor_id(side, first + i);
            memcpy(features + i * side->rank, side->factors + (first + i) * side->stride,
                   (size_t)side->rank * sizeof *features);
            offsets[i + 1] = (uint32_t)((i + 1) * side->rank);
        }
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_sink_write(ctx, sink, &(qn_batch){n, 2, columns, first}));
    }
    QN_TRY(qn_sink_commit(ctx, &sink));
done:
    qn_sink_abandon(&sink);
    qn_free(id);
    qn_free(features);
    qn_free(offsets);
    return st;
}

/* Texts of ids [first, first + n) as a column: the bytes stay where they are. */
static qn_status write_id_texts(qn_context *ctx, qn_sink *sink, const qn_ids *ids, int64_t first,
                                int64_t n, const int32_t *id, uint32_t *offsets)
{
    const char *start = ids->text + ids->offset[first];
    const qn_column columns[] = {{QN_INT32, id, NULL, NULL}, {QN_TEXT, start, offsets, NULL}};

    for (int64_t i = 0; i <= n; i++) {
        const int64_t at = ids->offset[first + i] - ids->offset[first];

        if (at > (int64_t)UINT32_MAX)
            return qn_fail(ctx, QN_EDATA, "ids of more than 4 GB in %lld rows", (long long)n);
        offsets[i] = (uint32_t)at;
    }
    return qn_sink_write(ctx, sink, &(qn_batch){n, 2, columns, first});
}

static qn_status write_ids(qn_context *ctx, const qn_out_dir *dir, const char *name,
                           const qn_ids *ids)
{
    const bool is_text = ids->type == QN_ID_STRING;
    const qn_field fields[] = {{"id", QN_INT32}, {"original", is_text ? QN_TEXT : QN_INT64}};
    const qn_schema schema = {fields, 2, true};
    int32_t *id = NULL;
    uint32_t *offsets = NULL;
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, id, BATCH_ROWS, "rows being written");
    QN_NEW(ctx, offsets, BATCH_ROWS + 1, "rows being written");
    QN_TRY(qn_model_dir_table(ctx, dir, &(qn_model_table){.name = name}, &schema, &sink));
    for (int64_t first = 0; first < ids->n; first += BATCH_ROWS) {
        const int64_t n = ids->n - first < BATCH_ROWS ? ids->n - first : BATCH_ROWS;

        for (int64_t i = 0; i < n; i++)
            id[i] = (int32_t)(first + i);
        if (is_text) {
            QN_TRY(write_id_texts(ctx, sink, ids, first, n, id, offsets));
        } else {
            const qn_column columns[] = {{QN_INT32, id, NULL, NULL},
                                         {QN_INT64, ids->number + first, NULL, NULL}};

            QN_TRY(qn_sink_write(ctx, sink, &(qn_batch){n, 2, columns, first}));
        }
    }
    QN_TRY(qn_sink_commit(ctx, &sink));
done:
    qn_sink_abandon(&sink);
    qn_free(id);
    qn_free(offsets);
    return st;
}

static qn_status write_counts(qn_context *ctx, const qn_out_dir *dir, const qn_als_model *model,
                              const side_rows *items)
{
    static const qn_field fields[] = {{"id", QN_INT32}, {"count", QN_INT64}, {"mean", QN_FLOAT}};
    const qn_schema schema = {fields, 3, true};
    int32_t *id = NULL;
    int64_t *count = NULL;
    float *mean = NULL;
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, id, BATCH_ROWS, "rows being written");
    QN_NEW(ctx, count, BATCH_ROWS, "rows being written");
    QN_NEW(ctx, mean, BATCH_ROWS, "rows being written");
    QN_TRY(qn_model_dir_table(ctx, dir, &(qn_model_table){.name = ALS_COUNTS}, &schema, &sink));
    for (int64_t first = 0; first < items->ids->n; first += BATCH_ROWS) {
        const int64_t n = items->ids->n - first < BATCH_ROWS ? items->ids->n - first : BATCH_ROWS;
        const qn_column columns[] = {{QN_INT32, id, NULL, NULL},
                                     {QN_INT64, count, NULL, NULL},
                                     {QN_FLOAT, mean, NULL, NULL}};

        for (int64_t i = 0; i < n; i++) {
            id[i] = factor_id(items, first + i);
            count[i] = model->item_count[first + i];
            mean[i] = model->item_mean ? model->item_mean[first + i] : NAN;
        }
        QN_TRY(qn_sink_write(ctx, sink, &(qn_batch){n, 3, columns, first}));
    }
    QN_TRY(qn_sink_commit(ctx, &sink));
done:
    qn_sink_abandon(&sink);
    qn_free(id);
    qn_free(count);
    qn_free(mean);
    return st;
}

/* The inside of an object: without its braces. */
static const char *inside(qn_json *json)
{
    json->out.text[json->out.length - 1] = '\0';
    return json->out.text + 1;
}

static qn_status write_metadata(qn_context *ctx, const qn_out_dir *dir, const qn_als_model *model,
                                const char *digest)
{
    qn_json params = {0}, defaults = {0};
    char uid[32], extra[32];
    qn_status st;

    snprintf(uid, sizeof uid, "als_%.12s", digest);
    snprintf(extra, sizeof extra, "\"rank\":%d", model->rank);
    qn_json_open(&params, NULL, '{');
    qn_json_text(&params, "userCol", model->user_col);
    qn_json_text(&params, "itemCol", model->item_col);
    if (strcmp(model->prediction_col, "prediction") != 0)
        qn_json_text(&params, "predictionCol", model->prediction_col);
    /* Spark knows two; quern.json has ours. */
    qn_json_text(&params, "coldStartStrategy",
                 model->params.cold_start == QN_COLD_DROP ? "drop" : "nan");
    qn_json_close(&params, '}');
    qn_json_open(&defaults, NULL, '{');
    qn_json_text(&defaults, "userCol", "user");
    qn_json_text(&defaults, "itemCol", "item");
    qn_json_text(&defaults, "predictionCol", "prediction");
    qn_json_text(&defaults, "coldStartStrategy", "nan");
    qn_json_int(&defaults, "blockSize", 4096);
    qn_json_close(&defaults, '}');
    if (params.out.failed || defaults.out.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the metadata of a model");
    } else {
        const qn_spark_metadata metadata = {ALS_CLASS, uid, inside(&params), inside(&defaults),
                                            extra};

        st = qn_model_dir_metadata(ctx, dir, &metadata);
    }
    qn_json_release(&params);
    qn_json_release(&defaults);
    return st;
}

static const char *id_type_name(const qn_ids *ids)
{
    return ids->type == QN_ID_STRING ? "string" : ids->type == QN_ID_INT64 ? "int64" : "int32";
}

/* quern.json but for what every model has. */
static void write_note(const qn_als_model *model, const char *digest, const char *record,
                       qn_json *json)
{
    char fingerprint[17];

    snprintf(fingerprint, sizeof fingerprint, "%016llx",
             (unsigned long long)model->data_fingerprint);
    qn_json_open(json, NULL, '{');
    qn_json_text(json, "algorithm", "als");
    qn_json_text(json, "quern_version", qn_version());
    qn_json_text(json, "model_digest", digest);
    qn_json_text(json, "data_fingerprint", fingerprint);
    qn_json_text(json, "kernel_set", model->kernel_set);
    qn_json_int(json, "iterations", model->iterations);
    qn_json_float(json, "mean_rating", model->mean_rating);
    qn_json_text(json, "user_col", model->user_col);
    qn_json_text(json, "item_col", model->item_col);
    qn_json_text(json, "rating_col", model->rating_col);
    qn_json_text(json, "prediction_col", model->prediction_col);
    qn_json_text(json, "user_id_type", id_type_name(&model->users));
    qn_json_text(json, "item_id_type", id_type_name(&model->items));
    qn_json_int(json, "users", model->users.n);
    qn_json_int(json, "items", model->items.n);
    qn_json_open(json, "params", '{');
    qn_model_params_write(&qn_als_table, &model->params, json);
    qn_json_close(json, '}');
    if (record && *record)
        qn_json_raw(json, "run", record);
    qn_json_close(json, '}');
}

static qn_status check_sizes(qn_context *ctx, const qn_als_model *model, const char *path)
{
    const int64_t most = model->users.n > model->items.n ? model->users.n : model->items.n;

    if (most > INT32_MAX)
        return qn_fail(ctx, QN_EINVAL, "%s: %lld ids: Spark's format holds 2,147,483,647 a side",
                       path, (long long)most);
    return QN_OK;
}

qn_status qn_als_save(qn_context *ctx, const qn_als_model *model, const char *path, bool overwrite,
                      const char *record)
{
    const side_rows users = {&model->users, model->user_factors, model->stride, model->rank,
                             als_ids_need_map(&model->users)};
    const side_rows items = {&model->items, model->item_factors, model->stride, model->rank,
                             als_ids_need_map(&model->items)};
    char digest[33];
    qn_out_dir dir = {0};
    qn_json note = {0};
    qn_status st = QN_OK;

    QN_TRY(check_sizes(ctx, model, path));
    QN_TRY(qn_model_dir_open(ctx, path, overwrite, &dir));
    qn_als_digest(model, digest);
    QN_TRY(write_metadata(ctx, &dir, model, digest));
    QN_TRY(write_factors(ctx, &dir, "userFactors", &users));
    QN_TRY(write_factors(ctx, &dir, "itemFactors", &items));
    if (users.is_mapped)
        QN_TRY(write_ids(ctx, &dir, ALS_USER_IDS, &model->users));
    if (items.is_mapped)
        QN_TRY(write_ids(ctx, &dir, ALS_ITEM_IDS, &model->items));
    if (model->item_count)
        QN_TRY(write_counts(ctx, &dir, model, &items));
    write_note(model, digest, record, &note);
    if (note.out.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the record of a model");
        goto done;
    }
    QN_TRY(qn_model_dir_commit(ctx, &dir, note.out.text));
done:
    qn_out_dir_abandon(&dir);
    qn_json_release(&note);
    return st;
}
