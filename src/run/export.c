#include "run/export.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "run/runs.h"
#include "run/spark_log.h"

/* One key: where its value stands in the record. */
typedef struct export_row {
    const char *key;
    const char *place;     /* "timings.fit_s" */
    const char *plus;      /* a second place, added; NULL: none */
    double scale;          /* the number is multiplied by it; 0: as it is */
    const char *otherwise; /* JSON, where the record has null or nothing; NULL: it must be there */
    const char *times;     /* a second place, multiplied with; NULL: none */
    bool is_rounded;
    int8_t decimals; /* where it is; 0: a whole number */
    bool begins;     /* an object of this key: the rows behind it are its members */
} export_row;
#define ROUNDED(n) .is_rounded = true, .decimals = (n)

/* K4 of the K-means experiment: rows and features are those that were trained on, wssse is Spark's
 * trainingCost, size_gb are the bytes that were read. */
static const export_row kmeans_rows[] = {
    {"tag", "parameters.tag", .otherwise = "\"run\""},
    {"hostname", "host.name"},
    {"workers", "resources.workers"},
    {"k", "parameters.k"},
    {"maxIter", "parameters.max_iter"},
    {"parts", "counts.partitions"},
    {"rows", "counts.train_records"},
    {"features", "counts.features"},
    {"size_gb", "counts.bytes", .scale = 1e-9},
    {"fraction", "parameters.fraction"},
    {"train_sec", "timings.fit_s"},
    {"wssse", "metrics.training_cost"},
    {"cluster_sizes", "counts.cluster_sizes"},
};

/* A15 of the recommending experiment; without test ratings there is no rmse. */
static const export_row als_rows[] = {
    {"num_nodes", "resources.workers"},
    {"load_time", "timings.load_s"},
    {"train_time", "timings.fit_s"},
    {"total_time", "timings.load_s", .plus = "timings.fit_s"},
    {"rmse", "metrics.rmse", .otherwise = "null"},
    {"train_records", "counts.train_records"},
    {"test_records", "counts.test_records"},
    {"partitions", "parameters.partitions"},
};

/* F7 and F9 of the forest experiment. Its thirty counters are sparkmeasure's, in ms and bytes;
 * those of things that are not here (a JVM, shuffle files) are 0. */
static const export_row forest_rows[] = {
    {"train_count", "counts.train_records"},
    {"val_count", "counts.val_records", .otherwise = "null"},
    {"test_count", "counts.test_records", .otherwise = "null"},
    {"num_partitions", "counts.partitions"},
    {"val_accuracy", "metrics.val.accuracy", .otherwise = "null", ROUNDED(4)},
    {"test_accuracy", "metrics.test.accuracy", .otherwise = "null", ROUNDED(4)},
    {"training_time_sec", "timings.fit_s", ROUNDED(2)},
    {"total_time_sec", "timings.total_s", ROUNDED(2)},
    {"num_executors", "resources.workers"},
    {"executor_cores", "resources.threads"},
    {"sample_fraction", "parameters.fraction"},
    {"executor_memory", "resources.budget_bytes", .scale = 0x1p-30, ROUNDED(2)},
    {"num_trees", "counts.num_trees"},
    {"total_cores", "resources.threads", .times = "resources.workers"},
    {"spark_metrics", .begins = true},
    {"numStages", "resources.stages"},
    {"numTasks", "resources.tasks"},
    {"elapsedTime", "timings.total_s", .scale = 1e3, ROUNDED(0)},
    {"stageDuration", "resources.stage_s", .scale = 1e3, ROUNDED(0)},
    {"executorRunTime", "resources.busy_s", .scale = 1e3, ROUNDED(0)},
    {"executorCpuTime", "resources.cpu_s", .scale = 1e3, ROUNDED(0)},
    {"executorDeserializeTime", .otherwise = "0"},
    {"executorDeserializeCpuTime", .otherwise = "0"},
    {"resultSerializationTime", .otherwise = "0"},
    {"jvmGCTime", .otherwise = "0"},
    {"shuffleFetchWaitTime", .otherwise = "0"},
    {"shuffleWriteTime", .otherwise = "0"},
    {"resultSize", .otherwise = "0"},
    {"diskBytesSpilled", "resources.spilled_bytes"},
    {"memoryBytesSpilled", "resources.spilled_bytes"},
    {"peakExecutionMemory", "resources.peak_bytes"},
    {"recordsRead", "counts.rows"},
    {"bytesRead", "counts.bytes"},
    {"recordsWritten", "counts.nodes"},
    {"bytesWritten", .otherwise = "0"},
    {"shuffleRecordsRead", .otherwise = "0"},
    {"shuffleTotalBlocksFetched", .otherwise = "0"},
    {"shuffleLocalBlocksFetched", .otherwise = "0"},
    {"shuffleRemoteBlocksFetched", .otherwise = "0"},
    {"shuffleTotalBytesRead", "resources.moved_bytes"},
    {"shuffleLocalBytesRead", .otherwise = "0"},
    {"shuffleRemoteBytesRead", "resources.moved_bytes"},
    {"shuffleRemoteBytesReadToDisk", .otherwise = "0"},
    {"shuffleBytesWritten", "resources.moved_bytes"},
    {"shuffleRecordsWritten", .otherwise = "0"},
};

typedef struct export_format {
    const char *command;
    const char *tag; /* of files, where the run has none */
    const export_row *row;
    size_t n_rows;
} export_format;

/* In the order of QN_EXPORT_CHOICES; the one behind them is the event log. */
static const export_format formats[] = {
    {"fit kmeans", "run", kmeans_rows, sizeof kmeans_rows / sizeof *kmeans_rows},
    {"fit als", "als", als_rows, sizeof als_rows / sizeof *als_rows},
    {"fit forest", "forest", forest_rows, sizeof forest_rows / sizeof *forest_rows},
};
#define N_FORMATS ((int32_t)(sizeof formats / sizeof *formats))

static const qn_param rows_of_table[] = {
    QN_PARAM_CHOICE_OF(qn_export_options, format, 0, QN_EXPORT_CHOICES,
                       "whose keys: those of the experiment with this algorithm; or the event log",
                       .required = true),
    QN_PARAM_STRING(qn_export_options, out, ".", "DIR", "folder to write the file into"),
    QN_PARAM_FLAG(qn_export_options, overwrite, "replace a file that is there"),
};
const qn_params qn_export_table = {"runs export", rows_of_table,
                                   sizeof rows_of_table / sizeof *rows_of_table,
                                   sizeof(qn_export_options)};

/* The value at "a.b"; NULL where there is none, or null, or no place. */
static const json_t *find(const json_t *record, const char *place)
{
    const json_t *value = place ? record : NULL;

    while (value && *place) {
        const size_t length = strcspn(place, ".");
        char name[64];

        snprintf(name, sizeof name, "%.*s", (int)length, place);
        value = json_object_get(value, name);
        place += length + (place[length] == '.');
    }
    return json_is_null(value) ? NULL : value;
}

static const char *text_at(const json_t *record, const char *place)
{
    const json_t *value = find(record, place);

    return json_is_string(value) ? json_string_value(value) : "";
}

static bool add_value(const json_t *value, double scale, qn_json *j);

static bool add_list(const json_t *list, double scale, qn_json *j)
{
    bool fits = true;

    qn_json_open(j, NULL, '[');
    for (size_t i = 0; i < json_array_size(list) && fits; i++)
        fits = add_value(json_array_get(list, i), scale, j);
    qn_json_close(j, ']');
    return fits;
}

/* False: something else than a text, a number, or a list of them. */
static bool add_value(const json_t *value, double scale, qn_json *j)
{
    if (json_is_array(value))
        return add_list(value, scale, j);
    if (json_is_string(value))
        qn_json_text(j, NULL, json_string_value(value));
    else if (json_is_integer(value) && scale == 0)
        qn_json_int(j, NULL, (int64_t)json_integer_value(value));
    else if (json_is_number(value))
        qn_json_real(j, NULL, json_number_value(value) * (scale == 0 ? 1 : scale));
    else
        return false;
    return true;
}

static qn_status lacks(qn_context *ctx, const json_t *record, const export_row *row,
                       const char *place)
{
    return qn_fail(ctx, QN_EINVAL, "the record of %s has no %s, which %s is made of",
                   text_at(record, "run_id"), place, row->key);
}

/* The number of a row that is made of two, or is rounded; false: as it stands. */
static bool make_number(const json_t *record, const export_row *row, const json_t *value,
                        double *out)
{
    const json_t *plus = find(record, row->plus), *times = find(record, row->times);
    char text[64];

    if (!json_is_number(value) || !(plus || times || row->is_rounded))
        return false;
    *out = json_number_value(value);
    if (plus)
        *out += json_number_value(plus);
    if (times)
        *out *= json_number_value(times);
    if (row->scale != 0)
        *out *= row->scale;
    if (row->is_rounded) {
        snprintf(text, sizeof text, "%.*f", row->decimals, *out);
        *out = strtod(text, NULL);
    }
    return true;
}

/* The value of one key as JSON. */
static qn_status row_value(qn_context *ctx, const json_t *record, const export_row *row, qn_json *j)
{
    const json_t *value = find(record, row->place);
    double number;

    if (!value && row->otherwise) {
        qn_json_raw(j, NULL, row->otherwise);
        return QN_OK;
    }
    if (!value || (row->plus && !find(record, row->plus)) ||
        (row->times && !find(record, row->times)))
        return lacks(ctx, record, row,
                     !value                                  ? row->place
                     : row->plus && !find(record, row->plus) ? row->plus
                                                             : row->times);
    if (make_number(record, row, value, &number)) {
        if (number == floor(number) && fabs(number) < 0x1p53 &&
            ((row->is_rounded && row->decimals == 0) || row->times))
            qn_json_int(j, NULL, (int64_t)number);
        else
            qn_json_real(j, NULL, number);
        return QN_OK;
    }
    return add_value(value, row->scale, j) ? QN_OK : lacks(ctx, record, row, row->place);
}

/* What keeps a run from being exported in this format at all. */
static qn_status check_run(qn_context *ctx, const json_t *record, const export_format *format)
{
    const char *command = text_at(record, "command"), *status = text_at(record, "status");
    const char *id = text_at(record, "run_id");

    if (!json_is_object(record) || !command[0])
        return qn_fail(ctx, QN_EDATA, "this is no run record");
    if (strcmp(command, format->command) != 0)
        return qn_fail(ctx, QN_EINVAL,
                       "run %s is one of %s; these keys are those of %s\ntry: quern runs list", id,
                       command, format->command);
    if (strcmp(status, "ok") != 0)
        return qn_fail(ctx, QN_EINVAL, "run %s has no results: it is %s", id, status);
    return QN_OK;
}

/* {tag}_{YYYYmmdd_HHMMSS}.json; what file names should not hold becomes '_'. */
static void make_name(const json_t *record, const export_format *format, qn_string *name)
{
    const char *tag = text_at(record, "parameters.tag"), *ended = text_at(record, "ended");
    int32_t digits = 0;

    for (tag = tag[0] ? tag : format->tag; *tag; tag++)
        qn_string_addf(name, "%c",
                       isalnum((unsigned char)*tag) || strchr("-_.", *tag) ? *tag : '_');
    if (name->length > 0 && name->text[0] == '.')
        name->text[0] = '_';
    qn_string_add(name, "_");
    for (; *ended && digits < 14; ended++) {
        if (!isdigit((unsigned char)*ended))
            continue;
        qn_string_add_bytes(name, ended, 1);
        if (++digits == 8)
            qn_string_add(name, "_");
    }
    qn_string_add(name, ".json");
}

qn_status qn_export_make(qn_context *ctx, const char *record, int32_t format, qn_string *name,
                         qn_string *text)
{
    const export_format *f = &formats[format >= 0 && format < N_FORMATS ? format : 0];
    json_t *object = json_loads(record, 0, NULL);
    qn_json value = {0};
    bool is_first = true, is_inside = false;
    qn_status st = QN_OK;

    QN_TRY(check_run(ctx, object, f));
    qn_string_add(text, "{");
    for (size_t i = 0; i < f->n_rows; i++) {
        const export_row *row = &f->row[i];

        qn_json_release(&value);
        qn_string_addf(text, "%s\n%s  \"%s\": ", is_first ? "" : ",", is_inside ? "  " : "",
                       row->key);
        is_first = row->begins;
        if (row->begins) {
            qn_string_add(text, "{");
            is_inside = true;
            continue;
        }
        QN_TRY(row_value(ctx, object, row, &value));
        qn_string_add(text, qn_string_text(&value.out));
        text->failed |= value.out.failed;
    }
    qn_string_add(text, is_inside ? "\n  }\n}\n" : "\n}\n");
    make_name(object, f, name);
    if (text->failed || name->failed)
        st = qn_fail(ctx, QN_ENOMEM, "not enough memory for what is exported");
done:
    qn_json_release(&value);
    json_decref(object);
    return st;
}

static qn_status copy_bytes(qn_context *ctx, FILE *from, const char *path, qn_out_file *out)
{
    char bytes[1 << 16];
    size_t n;
    qn_status st = QN_OK;

    while ((n = fread(bytes, 1, sizeof bytes, from)) > 0)
        QN_TRY(qn_out_write(out, bytes, n));
    if (ferror(from))
        st = qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s", path);
done:
    return st;
}

/* The event log under its own name, which the server goes by: with .inprogress while the run lives.
 */
static qn_status copy_log(qn_context *ctx, const char *runs_dir, const char *record,
                          const qn_export_options *options, qn_string *path)
{
    json_t *object = json_loads(record, 0, NULL);
    const char *id = text_at(object, "run_id"), *ending = "";
    qn_string from = {0};
    qn_out_file *out = NULL;
    FILE *file = NULL;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < 2 && !file; i++) {
        ending = i == 0 ? "" : ".inprogress";
        qn_string_clear(&from);
        qn_string_addf(&from, "%s/%s/%s%s", runs_dir, QN_SPARK_LOG_FOLDER, id, ending);
        file = fopen(qn_string_text(&from), "re");
    }
    if (!file) {
        st = qn_fail(ctx, QN_ENOTFOUND,
                     "run %s has no event log in %s/%s; it was run with --event-log false", id,
                     runs_dir, QN_SPARK_LOG_FOLDER);
        goto done;
    }
    QN_TRY(qn_make_dirs(ctx, options->out));
    qn_string_addf(path, "%s/%s%s", options->out, id, ending);
    QN_TRY(qn_out_open(ctx, qn_string_text(path), options->overwrite, &out));
    QN_TRY(copy_bytes(ctx, file, qn_string_text(&from), out));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    if (file)
        fclose(file);
    qn_string_release(&from);
    json_decref(object);
    return st;
}

qn_status qn_export_run(qn_context *ctx, const char *runs_dir, const char *run,
                        const qn_export_options *options, qn_string *path)
{
    qn_string name = {0}, text = {0};
    qn_out_file *out = NULL;
    char *record = NULL;
    qn_status st = QN_OK;

    qn_string_clear(path);
    QN_TRY(qn_runs_show(ctx, runs_dir, run, &record));
    if (options->format == N_FORMATS) {
        st = copy_log(ctx, runs_dir, record, options, path);
        goto done;
    }
    QN_TRY(qn_export_make(ctx, record, options->format, &name, &text));
    QN_TRY(qn_make_dirs(ctx, options->out));
    qn_string_addf(path, "%s/%s", options->out, qn_string_text(&name));
    QN_TRY(qn_out_open(ctx, qn_string_text(path), options->overwrite, &out));
    QN_TRY(qn_out_write(out, qn_string_text(&text), text.length));
    QN_TRY(qn_out_commit(&out));
done:
    if (st != QN_OK)
        qn_string_clear(path);
    qn_out_abandon(&out);
    qn_string_release(&name);
    qn_string_release(&text);
    qn_free(record);
    return st;
}
