#include "lifecycle/inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "data/triples_columns.h"
#include "lifecycle/model_kind.h"
#include "ml/model_dir.h"

static const qn_param rows_of_table[] = {
    QN_PARAM_FLAG(qn_inspect_options, schema_only, "columns alone, without reading the rows"),
    QN_PARAM_STRING(qn_inspect_options, label, NULL, "COL",
                    "column whose values are counted; the file is read as a table"),
};
const qn_params qn_inspect_table = {"inspect", rows_of_table,
                                    sizeof rows_of_table / sizeof *rows_of_table,
                                    sizeof(qn_inspect_options)};

void qn_inspect_result_release(qn_inspect_result *result)
{
    qn_free(result->column);
    qn_als_free(result->model);
    if (result->table_model)
        result->algo->table->free(result->table_model);
    free(result->note);
    *result = (qn_inspect_result){0};
}

/* -- a model ---------------------------------------------------------------------------------- */

static bool is_model(const char *path)
{
    char *metadata = qn_path_join(path, "metadata");
    const bool found = metadata && qn_path_is_dir(metadata);

    free(metadata);
    return found;
}

static double mean_norm(const float *factors, int64_t n, int64_t stride, int32_t rank)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        double squares = 0;

        for (int32_t f = 0; f < rank; f++)
            squares += (double)factors[i * stride + f] * (double)factors[i * stride + f];
        sum += sqrt(squares);
    }
    return n > 0 ? sum / (double)n : 0;
}

static void take_ids(const qn_ids *ids, char first[64], char last[64])
{
    first[0] = last[0] = '\0';
    if (ids->n == 0)
        return;
    qn_ids_format(ids, 0, first, 64);
    qn_ids_format(ids, ids->n - 1, last, 64);
}

static qn_status inspect_als(qn_context *ctx, const char *path, qn_inspect_result *result)
{
    const qn_als_model *m;
    qn_status st = qn_als_load(ctx, path, &result->model);

    if (st != QN_OK)
        return st;
    m = result->model;
    take_ids(&m->users, result->first_user, result->last_user);
    take_ids(&m->items, result->first_item, result->last_item);
    qn_als_digest(m, result->digest);
    result->user_norm = mean_norm(m->user_factors, m->users.n, m->stride, m->rank);
    result->item_norm = mean_norm(m->item_factors, m->items.n, m->stride, m->rank);
    return QN_OK;
}

qn_status qn_inspect_table_model(qn_context *ctx, const qn_algo *algo, const char *path,
                                 qn_inspect_result *result)
{
    qn_model_files files;
    qn_status st = QN_OK;

    result->kind = QN_INSPECT_MODEL;
    result->algo = algo;
    QN_TRY(qn_model_files_open(ctx, path, NULL, &files));
    if (files.quern)
        result->note = json_dumps(files.quern, JSON_COMPACT | JSON_REAL_PRECISION(17));
    qn_model_files_release(&files);
    QN_TRY(algo->table->load(ctx, path, &result->table_model));
    algo->table->digest(result->table_model, result->digest);
done:
    return st;
}

static qn_status inspect_model(qn_context *ctx, const char *path, qn_inspect_result *result)
{
    qn_status st = QN_OK;

    QN_TRY(qn_model_kind(ctx, path, &result->algo));
    result->kind = QN_INSPECT_MODEL;
    st = result->algo->table ? qn_inspect_table_model(ctx, result->algo, path, result)
                             : inspect_als(ctx, path, result);
done:
    return st;
}

/* -- any table --------------------------------------------------------------------------------- */

/* The first row's value of every column, as text. */
static qn_status read_examples(qn_context *ctx, qn_source *source, qn_inspect_result *result)
{
    qn_column_request *request = NULL;
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    if (qn_source_n_splits(source) == 0)
        return QN_OK;
    QN_NEW(ctx, request, result->n_columns, "columns");
    for (int32_t c = 0; c < result->n_columns; c++)
        request[c] = (qn_column_request){c, QN_TEXT, true};
    QN_TRY(qn_source_open_split(ctx, source, 0, request, result->n_columns, &reader));
    do {
        QN_TRY(qn_reader_next(ctx, reader, &batch));
    } while (batch && batch->n_rows == 0);
    for (int32_t c = 0; batch && c < result->n_columns; c++) {
        const qn_column *column = &batch->columns[c];
        const char *text = column->data;

        if (qn_is_valid(column, 0))
            snprintf(result->column[c].example, sizeof result->column[c].example, "%.*s",
                     (int)(column->offsets[1] - column->offsets[0]), text + column->offsets[0]);
    }
done:
    qn_reader_close(reader);
    qn_free(request);
    return st;
}

static bool is_list(qn_type type)
{
    return type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST;
}

static qn_status inspect_table(qn_context *ctx, qn_source *source, bool with_examples,
                               qn_inspect_result *result)
{
    const qn_schema *schema = qn_source_schema(source);
    bool has_lists = false;
    qn_status st = QN_OK;

    result->kind = QN_INSPECT_TABLE;
    result->format = qn_source_format(source);
    result->bytes = qn_source_bytes(source);
    result->n_splits = qn_source_n_splits(source);
    result->has_names = schema->has_names;
    result->n_columns = schema->n_fields;
    QN_NEW0(ctx, result->column, schema->n_fields, "columns");
    for (int32_t c = 0; c < schema->n_fields; c++) {
        snprintf(result->column[c].name, sizeof result->column[c].name, "%s",
                 schema->field[c].name);
        result->column[c].type = schema->field[c].type;
        has_lists = has_lists || is_list(schema->field[c].type);
    }
    if (with_examples && !has_lists)
        QN_TRY(read_examples(ctx, source, result));
done:
    return st;
}

/* -- ratings ----------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* degree is sorted on the way. Gini by the sorted sum: 2 sum(i d_i) / (n sum d) - (n + 1) / n. */
static void measure_skew(uint32_t *degree, int64_t n, qn_skew *skew)
{
    const int64_t top = (n + 99) / 100;
    double sum = 0, weighted = 0, head = 0;

    if (n == 0)
        return;
    qsort(degree, (size_t)n, sizeof *degree, by_size);
    for (int64_t i = 0; i < n; i++) {
        sum += degree[i];
        weighted += (double)(i + 1) * degree[i];
        if (i >= n - top)
            head += degree[i];
    }
    skew->mean = sum / (double)n;
    skew->max = degree[n - 1];
    skew->median = degree[n / 2];
    skew->top_share = sum > 0 ? head / sum : 0;
    skew->gini = sum > 0 ? 2 * weighted / ((double)n * sum) - (double)(n + 1) / (double)n : 0;
}

static qn_status take_skew(qn_context *ctx, const qn_orientation *o, qn_skew *skew)
{
    qn_status st = QN_OK;
    uint32_t *degree = NULL;

    QN_NEW(ctx, degree, o->n_rows, "ratings of each row");
    memcpy(degree, o->degree, (size_t)o->n_rows * sizeof *degree);
    measure_skew(degree, o->n_rows, skew);
done:
    qn_free(degree);
    return st;
}

typedef struct spread {
    double mean, sum, squares;
} spread;

static qn_status sum_values(void *arg, const qn_triples_view *view, int64_t block, int32_t thread)
{
    spread *s = arg;

    (void)block;
    (void)thread;
    for (int64_t i = 0; i < view->n; i++)
        s->sum += (double)view->value[i];
    return QN_OK;
}

static qn_status sum_squares(void *arg, const qn_triples_view *view, int64_t block, int32_t thread)
{
    spread *s = arg;

    (void)block;
    (void)thread;
    for (int64_t i = 0; i < view->n; i++) {
        const double d = (double)view->value[i] - s->mean;

        s->squares += d * d;
    }
    return QN_OK;
}

static qn_status take_spread(qn_context *ctx, const qn_triples *t, qn_inspect_result *result)
{
    spread s = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_triples_each_in_order(ctx, t, sum_values, &s));
    s.mean = result->mean_rating = s.sum / (double)t->n;
    QN_TRY(qn_triples_each_in_order(ctx, t, sum_squares, &s));
    result->std_rating = t->n > 1 ? sqrt(s.squares / (double)(t->n - 1)) : 0;
done:
    return st;
}

static qn_status take_ratings(qn_context *ctx, const qn_ratings *r, qn_inspect_result *result)
{
    qn_status st = QN_OK;

    result->n_users = r->users.n;
    result->n_items = r->items.n;
    result->n_ratings = r->n_ratings;
    result->user_type = r->users.type;
    result->item_type = r->items.type;
    take_ids(&r->users, result->first_user, result->last_user);
    take_ids(&r->items, result->first_item, result->last_item);
    result->density = (double)r->n_ratings / ((double)r->users.n * (double)r->items.n);
    result->n_values = r->n_values;
    memcpy(result->value, r->value, sizeof result->value);
    memcpy(result->value_count, r->value_count, sizeof result->value_count);
    result->min_rating = r->min_rating;
    result->max_rating = r->max_rating;
    result->min_time = r->min_time;
    result->max_time = r->max_time;
    result->counts = r->counts;
    result->duplicates = r->counts.duplicates;
    result->fingerprint = r->fingerprint;
    QN_TRY(take_skew(ctx, &r->by_user, &result->user_skew));
    QN_TRY(take_skew(ctx, &r->by_item, &result->item_skew));
done:
    return st;
}

/* Who looks wants to see a damaged file too: bad rows are counted, they end nothing. */
static qn_status inspect_ratings(qn_context *ctx, const qn_ratings_options *given,
                                 qn_inspect_result *result)
{
    qn_ratings_options options = *given;
    qn_triples *triples = NULL;
    qn_ratings *ratings = NULL;
    qn_status st = QN_OK;

    options.on_bad_row = QN_BAD_ROW_SKIP;
    QN_TRY(qn_triples_read(ctx, &options, true, false, &triples));
    QN_TRY(take_spread(ctx, triples, result));
    QN_TRY(qn_ratings_from_triples(ctx, &triples, options.partitions, &ratings));
    QN_TRY(take_ratings(ctx, ratings, result));
    result->kind = QN_INSPECT_RATINGS;
done:
    qn_triples_free(triples);
    qn_ratings_free(ratings);
    return st;
}

/* True if the columns of ratings are there; what was looked for otherwise is no error here. */
static bool has_rating_columns(qn_context *ctx, const qn_source *source,
                               const qn_ratings_options *options)
{
    qn_rating_columns columns;
    const bool found =
        qn_rating_columns_find(ctx, source, options, false, false, &columns) == QN_OK;

    if (!found)
        qn_error_clear(ctx);
    return found;
}

/* Ratings by the names of their columns; without names the first two must be ids. */
static bool looks_like_ratings(qn_context *ctx, const qn_source *source,
                               const qn_ratings_options *options)
{
    const qn_schema *schema = qn_source_schema(source);

    if (!schema->has_names)
        for (int32_t c = 0; c < 2 && c < schema->n_fields; c++)
            if (schema->field[c].type == QN_FLOAT || schema->field[c].type == QN_DOUBLE)
                return false;
    return has_rating_columns(ctx, source, options);
}

static qn_status inspect_files(qn_context *ctx, const qn_inspect_options *options,
                               const qn_ratings_options *ratings, qn_inspect_result *result)
{
    qn_source *source = NULL;
    bool is_stdin = false, is_ratings;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < ratings->input.n; i++)
        is_stdin = is_stdin || strcmp(ratings->input.item[i], "-") == 0;
    QN_TRY(qn_ratings_source_open(ctx, ratings, &source));
    is_ratings = !options->label && looks_like_ratings(ctx, source, ratings);
    /* Standard input can be read once: then the rows matter more than examples. */
    QN_TRY(inspect_table(ctx, source, !is_stdin, result));
    if (!is_ratings && !options->schema_only)
        QN_TRY(qn_inspect_statistics(ctx, options, source, result));
    qn_source_free(source);
    source = NULL;
    if (is_ratings && !options->schema_only)
        QN_TRY(inspect_ratings(ctx, ratings, result));
done:
    qn_source_free(source);
    return st;
}

qn_status qn_inspect_run(qn_context *ctx, const qn_inspect_options *options,
                         const qn_ratings_options *ratings, qn_inspect_result *result)
{
    const double start = qn_seconds();
    qn_span job;
    qn_status st;

    *result = (qn_inspect_result){0};
    if (ratings->input.n == 0)
        return qn_fail(ctx, QN_EINVAL, "name a file, a folder or a model to inspect");
    job = qn_job_start(ctx, "inspect");
    if (ratings->input.n == 1 && is_model(ratings->input.item[0]))
        st = inspect_model(ctx, ratings->input.item[0], result);
    else
        st = inspect_files(ctx, options, ratings, result);
    result->load_s = qn_seconds() - start;
    qn_span_end(ctx, &job, st, NULL);
    if (st != QN_OK)
        qn_inspect_result_release(result);
    return st;
}
