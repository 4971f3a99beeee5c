/* Spark's KMeansModel directory, both ways:
 *
 *   metadata/part-00000     what Spark needs
 *   data/part-*.parquet     clusterIdx, clusterCenter
 *   quern.json              parameters, digest, sizes, costs, features, run record */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/text.h"
#include "ml/algo.h"
#include "ml/kmeans/kmeans_impl.h"
#include "ml/model_rows.h"

#define MAX_FEATURES (1 << 24)
#define BATCH_VALUES ((int64_t)1 << 20)

void qn_kmeans_digest(const qn_kmeans_model *model, char digest[33])
{
    XXH3_state_t state;
    XXH128_hash_t hash;

    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    for (int64_t j = 0; j < model->k; j++) {
        XXH3_128bits_update(&state, &j, sizeof j);
        XXH3_128bits_update(&state, model->centre + j * model->n_features,
                            (size_t)model->n_features * sizeof *model->centre);
    }
    hash = XXH3_128bits_digest(&state);
    snprintf(digest, 33, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

/* ---- Saving ---- */

/* The inside of an object: without its braces. */
static const char *inside(qn_json *json)
{
    json->out.text[json->out.length - 1] = '\0';
    return json->out.text + 1;
}

static void params_as_spark(const qn_kmeans_params *params, const char *prediction_col, qn_json *j)
{
    const char *mode = params->init_mode;
    const bool is_parallel =
        !mode || qn_name_equal(mode, "k-means||") || qn_name_equal(mode, "k-means-parallel");

    qn_json_open(j, NULL, '{');
    qn_json_text(j, "featuresCol", "features");
    qn_json_text(j, "predictionCol", prediction_col);
    qn_json_int(j, "k", params->k);
    qn_json_int(j, "maxIter", params->max_iter);
    qn_json_real(j, "tol", params->tol);
    /* Spark knows two; quern.json has the file. */
    qn_json_text(j, "initMode", is_parallel ? "k-means||" : "random");
    qn_json_int(j, "initSteps", params->init_steps);
    qn_json_text(j, "distanceMeasure",
                 params->distance_measure == QN_COSINE ? "cosine" : "euclidean");
    qn_json_int(j, "seed", params->seed);
    qn_json_close(j, '}');
}

static qn_status write_metadata(qn_context *ctx, const qn_out_dir *dir,
                                const qn_kmeans_model *model, const char *digest)
{
    qn_kmeans_params initial;
    qn_json params = {0}, defaults = {0};
    char uid[32];
    qn_status st;

    snprintf(uid, sizeof uid, "kmeans_%.12s", digest);
    qn_params_init(&qn_kmeans_table, &initial);
    params_as_spark(&model->params, model->base.prediction_col, &params);
    params_as_spark(&initial, "prediction", &defaults);
    if (params.out.failed || defaults.out.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the metadata of a model");
    } else {
        const qn_spark_metadata metadata = {qn_algo_kmeans.spark_class, uid, inside(&params),
                                            inside(&defaults), NULL};

        st = qn_model_dir_metadata(ctx, dir, &metadata);
    }
    qn_json_release(&params);
    qn_json_release(&defaults);
    return st;
}

static qn_status write_centres(qn_context *ctx, const qn_out_dir *dir, const qn_kmeans_model *model)
{
    static const qn_field fields[] = {{"clusterIdx", QN_INT32}, {"clusterCenter", QN_DOUBLE_LIST}};
    static const qn_schema schema = {fields, 2, true};
    static const qn_model_table table = {
        .name = "data",
        .select = "clusterIdx, " QN_SPARK_VECTOR_SELECT("clusterCenter"),
        .row_metadata = "{\"type\":\"struct\",\"fields\":[" QN_SPARK_FIELD(
            "clusterIdx", "\"integer\"") "," QN_SPARK_FIELD("clusterCenter",
                                                            QN_SPARK_VECTOR_TYPE) "]}",
    };
    const int32_t d = model->n_features;
    const int64_t wide = BATCH_VALUES / d + 1;
    const int64_t step = wide < model->k ? wide : model->k;
    int32_t *index = NULL;
    uint32_t *offsets = NULL;
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, index, step, "rows being written");
    QN_NEW(ctx, offsets, step + 1, "rows being written");
    QN_TRY(qn_model_dir_table(ctx, dir, &table, &schema, &sink));
    for (int64_t first = 0; first < model->k; first += step) {
        const int64_t n = model->k - first < step ? model->k - first : step;
        const qn_column columns[] = {
            {QN_INT32, index, NULL, NULL},
            {QN_DOUBLE_LIST, model->centre + first * d, offsets, NULL},
        };

        for (int64_t i = 0; i <= n; i++)
            offsets[i] = (uint32_t)(i * d);
        for (int64_t i = 0; i < n; i++)
            index[i] = (int32_t)(first + i);
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_sink_write(ctx, sink, &(qn_batch){n, 2, columns, first}));
    }
    QN_TRY(qn_sink_commit(ctx, &sink));
done:
    qn_sink_abandon(&sink);
    qn_free(index);
    qn_free(offsets);
    return st;
}

static void write_note(const qn_kmeans_model *model, const char *digest, const char *record,
                       qn_json *j)
{
    qn_model_note(&model->base, digest, record, j);
    qn_json_int(j, "k", model->k);
    qn_json_int(j, "n_rows", model->n_rows);
    qn_json_int(j, "iterations", model->iterations);
    qn_json_bool(j, "has_converged", model->has_converged);
    qn_json_real(j, "training_cost", model->training_cost);
    qn_json_real(j, "cost", model->cost);
    if (model->size) {
        qn_json_open(j, "cluster_sizes", '[');
        for (int32_t c = 0; c < model->k; c++)
            qn_json_int(j, NULL, model->size[c]);
        qn_json_close(j, ']');
    }
    qn_json_close(j, '}');
}

qn_status qn_kmeans_save(qn_context *ctx, const qn_kmeans_model *model, const char *path,
                         bool overwrite, const char *record)
{
    char digest[33];
    qn_out_dir dir = {0};
    qn_json note = {0};
    qn_status st = QN_OK;

    qn_kmeans_digest(model, digest);
    QN_TRY(qn_model_dir_open(ctx, path, overwrite, &dir));
    QN_TRY(write_metadata(ctx, &dir, model, digest));
    QN_TRY(write_centres(ctx, &dir, model));
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

/* ---- Loading ---- */

/* Centres in the order of the file. */
typedef struct centre_reader {
    int64_t n, capacity; /* rows */
    int64_t d;           /* of the first one */
    int32_t *index;      /* [n] */
    double *centre;      /* [n x d] */
} centre_reader;

static qn_status fail_centre(qn_context *ctx, const char *path, int64_t row, const char *what)
{
    return qn_fail(ctx, QN_EDATA,
                   "%s, row %lld: %s: copy the whole model directory, or save the "
                   "model again",
                   path, (long long)row, what);
}

/* The first row tells how wide all are. */
static qn_status reader_grow(qn_context *ctx, centre_reader *reader, const char *path,
                             const char *text, int64_t length, int64_t more)
{
    const int64_t capacity = reader->capacity + reader->capacity / 2 + more;
    qn_status st = QN_OK;

    if (reader->n == 0 && (!qn_spark_vector_parse(text, length, 0, NULL, &reader->d) ||
                           reader->d < 1 || reader->d > MAX_FEATURES))
        return fail_centre(ctx, path, 0, "clusterCenter is no vector");
    if (reader->n + more <= reader->capacity)
        return QN_OK;
    QN_GROW(ctx, reader->index, capacity, "centres of a model");
    QN_GROW(ctx, reader->centre, capacity * reader->d, "centres of a model");
    reader->capacity = capacity;
done:
    return st;
}

static qn_status add_centre(qn_context *ctx, centre_reader *reader, const char *path, int64_t row,
                            const char *text, int64_t length)
{
    double *centre = reader->centre + reader->n * reader->d;
    char what[96];
    int64_t d = 0;

    if (!qn_spark_vector_parse(text, length, reader->d, centre, &d))
        return fail_centre(ctx, path, row, "clusterCenter is no vector");
    if (d != reader->d) {
        snprintf(what, sizeof what, "the centre has %lld coordinates, others have %lld",
                 (long long)d, (long long)reader->d);
        return fail_centre(ctx, path, row, what);
    }
    for (int64_t f = 0; f < d; f++)
        if (!isfinite(centre[f])) {
            snprintf(what, sizeof what, "coordinate %lld is no finite number", (long long)f);
            return fail_centre(ctx, path, row, what);
        }
    reader->n++;
    return QN_OK;
}

static qn_status add_centres(qn_context *ctx, const char *path, const qn_batch *batch, void *arg)
{
    centre_reader *reader = arg;
    const uint32_t *offsets = batch->columns[1].offsets;
    const char *texts = batch->columns[1].data;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < batch->n_rows; i++) {
        const char *text = texts + offsets[i];
        const int64_t length = offsets[i + 1] - offsets[i];

        QN_TRY(reader_grow(ctx, reader, path, text, length, batch->n_rows - i));
        reader->index[reader->n] = ((const int32_t *)batch->columns[0].data)[i];
        QN_TRY(add_centre(ctx, reader, path, batch->first_row + i, text, length));
    }
done:
    return st;
}

/* Every index 0 .. n - 1 once. */
static qn_status place_centres(qn_context *ctx, const qn_model_files *files,
                               const centre_reader *reader, qn_kmeans_model *model)
{
    bool *is_there = NULL;
    qn_status st = QN_OK;

    QN_NEW0(ctx, is_there, reader->n, "centres of a model");
    for (int64_t i = 0; i < reader->n; i++) {
        const int32_t at = reader->index[i];

        if (at < 0 || at >= reader->n || is_there[at]) {
            st = qn_fail(ctx, QN_EDATA,
                         "%s/data, row %lld: clusterIdx %d %s the %lld centres: parts are missing "
                         "or those of two models are mixed",
                         files->path, (long long)i, at,
                         at < 0 || at >= reader->n ? "is not one of" : "is there twice among",
                         (long long)reader->n);
            goto done;
        }
        is_there[at] = true;
        memcpy(model->centre + at * reader->d, reader->centre + i * reader->d,
               (size_t)reader->d * sizeof *model->centre);
    }
done:
    qn_free(is_there);
    return st;
}

static double real_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* What quern.json adds; models of Spark know none of it. */
static qn_status read_note(qn_context *ctx, const qn_model_files *files, qn_kmeans_model *model)
{
    const json_t *note = files->quern;
    const json_t *sizes = json_object_get(note, "cluster_sizes");
    qn_status st = QN_OK;

    QN_TRY(qn_model_note_read(ctx, files, &model->base));
    model->n_rows = json_integer_value(json_object_get(note, "n_rows"));
    model->iterations = (int32_t)json_integer_value(json_object_get(note, "iterations"));
    model->has_converged = json_is_true(json_object_get(note, "has_converged"));
    model->training_cost = real_of(json_object_get(note, "training_cost"));
    model->cost = real_of(json_object_get(note, "cost"));
    if (json_array_size(sizes) != (size_t)model->k) {
        qn_free(model->size);
        model->size = NULL;
    }
    for (int32_t j = 0; model->size && j < model->k; j++)
        model->size[j] = json_integer_value(json_array_get(sizes, (size_t)j));
done:
    return st;
}

/* `mode` is borrowed from the files. */
static qn_status read_params(qn_context *ctx, const qn_model_files *files, qn_kmeans_params *params)
{
    const json_t *note = json_object_get(files->quern, "params");
    const char *mode = json_string_value(json_object_get(note, "init_mode"));
    qn_status st = QN_OK;

    qn_params_init(&qn_kmeans_table, params);
    QN_TRY(qn_model_params_of(ctx, files, &qn_kmeans_table, params));
    if (!mode)
        mode = json_string_value(qn_model_files_param(files, "initMode"));
    params->init_mode = mode ? mode : params->init_mode;
    if (qn_params_check(ctx, &qn_kmeans_table, params) != QN_OK)
        st = qn_fail_prefix(ctx, QN_EDATA, "%s", files->path);
done:
    return st;
}

qn_status qn_kmeans_load(qn_context *ctx, const char *path, qn_kmeans_model **model)
{
    static const char *const names[] = {"clusterIdx", "clusterCenter"};
    qn_column_request request[] = {{0, QN_INT32, false, 0}, {0, QN_TEXT, false, 0}};
    qn_model_files files = {0};
    qn_kmeans_params params;
    centre_reader reader = {0};
    qn_kmeans_model *made = NULL;
    qn_status st = QN_OK;

    *model = NULL;
    QN_TRY(qn_model_files_open(ctx, path, qn_algo_kmeans.spark_class, &files));
    QN_TRY(read_params(ctx, &files, &params));
    QN_TRY(qn_model_table_read(ctx, &files, "data", names, request, 2, add_centres, &reader));
    if (reader.n == 0) {
        st = qn_fail(ctx, QN_EDATA, "%s/data holds no centres: copy the whole model directory",
                     files.path);
        goto done;
    }
    QN_TRY(kmeans_model_create(ctx, &params, (int32_t)reader.n, (int32_t)reader.d, &made));
    QN_TRY(place_centres(ctx, &files, &reader, made));
    QN_TRY(read_note(ctx, &files, made));
    *model = made;
    made = NULL;
done:
    qn_kmeans_free(made);
    qn_free(reader.index);
    qn_free(reader.centre);
    qn_model_files_release(&files);
    return st;
}
