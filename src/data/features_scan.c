/* Passes over columns whose width is in the data: lists, libsvm's indices, categories. */
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/features_impl.h"
#include "data/reading.h"
#include "data/source_impl.h"
#include "data/triples_impl.h"
#include "engine/comm.h"

/* Rows of this rank's splits, for every batch of which `take` is called. */
typedef struct scan {
    qn_context *ctx;
    qn_source *source;
    const qn_column_request *request;
    int32_t n_columns;
    qn_status (*take)(struct scan *scan, const qn_batch *batch, int32_t thread);
    int64_t *largest;        /* [threads] largest index of libsvm, -1: none */
    qn_text_set *set;        /* [threads x n_columns] */
    const bool *is_number;   /* [n_columns] categories that are numbers */
    const char *const *name; /* [n_columns] */
} scan;

static qn_status scan_split(void *arg, int64_t task, int32_t thread)
{
    scan *s = arg;
    const int64_t split = task * qn_size(s->ctx) + qn_rank(s->ctx);
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_source_open_split(s->ctx, s->source, split, s->request, s->n_columns, &reader));
    for (;;) {
        QN_TRY(qn_check_cancel(s->ctx));
        QN_TRY(qn_reader_next(s->ctx, reader, &batch));
        if (!batch)
            break;
        QN_TRY(s->take(s, batch, thread));
    }
done:
    qn_reader_close(reader);
    return st;
}

static qn_status scan_run(scan *s)
{
    const int64_t n = qn_source_n_splits(s->source), size = qn_size(s->ctx);
    const int64_t own = (n - qn_rank(s->ctx) + size - 1) / size;

    return qn_parallel(s->ctx, own > 0 ? own : 0, scan_split, s);
}

static qn_status check_can_scan(qn_context *ctx, const qn_source *source, const qn_feature *f)
{
    if (!source->is_once)
        return QN_OK;
    if (f->kind == QN_FEATURE_LIST)
        return qn_fail(
            ctx, QN_EINVAL,
            "the input can be read only once, and the width of column %s takes a pass of "
            "its own: give it by --num-features or read from a file",
            f->source);
    return qn_fail(
        ctx, QN_EINVAL,
        "the input can be read only once, and the categories of column %s take a pass of "
        "their own: write it to a file first",
        f->source);
}

static qn_status take_indices(scan *s, const qn_batch *batch, int32_t thread)
{
    const qn_column *c = &batch->columns[0];
    const double *index = c->data;

    for (uint32_t i = 0; i < c->offsets[batch->n_rows]; i++)
        if (index[i] > (double)s->largest[thread])
            s->largest[thread] = (int64_t)index[i];
    return QN_OK;
}

/* libsvm: the largest index of all rows. */
static qn_status scan_indices(qn_context *ctx, qn_source *source, const qn_feature_column *column,
                              qn_feature *f)
{
    const qn_column_request request = {.field = column->index_field, .type = QN_DOUBLE_LIST};
    const int32_t threads = qn_context_threads(ctx);
    int64_t largest = -1;
    scan s = {ctx, source, &request, 1, .take = take_indices};
    qn_status st = QN_OK;

    st = qn_alloc_array(ctx, (void **)&s.largest, threads, sizeof *s.largest, "largest indices");
    for (int32_t t = 0; st == QN_OK && t < threads; t++)
        s.largest[t] = -1;
    QN_TRY_ALL(st == QN_OK ? scan_run(&s) : st);
    for (int32_t t = 0; t < threads; t++)
        largest = s.largest[t] > largest ? s.largest[t] : largest;
    QN_TRY(qn_comm_max_int64(ctx, &largest, 1));
    if (largest < 0)
        st = qn_fail(ctx, QN_EDATA, "%s: no row holds an index:value pair",
                     qn_source_split_path(source, 0));
    else if (largest >= QN_MAX_WIDTH)
        st = qn_fail(ctx, QN_EDATA,
                     "%s: the largest index is %lld; more than %d features are not "
                     "taken",
                     qn_source_split_path(source, 0), (long long)largest + 1, QN_MAX_WIDTH);
    else
        f->width = (int32_t)(largest + 1);
done:
    qn_free(s.largest);
    return st;
}

/* Length of the first list of a batch that is not missing; -1: all are. */
static int64_t first_length(const qn_batch *batch)
{
    const qn_column *c = &batch->columns[0];

    for (int64_t r = 0; r < batch->n_rows; r++)
        if (qn_is_valid(c, r))
            return (int64_t)c->offsets[r + 1] - (int64_t)c->offsets[r];
    return -1;
}

/* Every rank looks for itself: it mostly takes one batch. */
static qn_status scan_first_list(qn_context *ctx, qn_source *source,
                                 const qn_feature_column *column, int64_t *length)
{
    const qn_column_request request = {
        .field = column->field, .type = column->type, .nullable = true};
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    *length = -1;
    for (int64_t split = 0; split < qn_source_n_splits(source) && *length < 0; split++) {
        QN_TRY(qn_source_open_split(ctx, source, split, &request, 1, &reader));
        do {
            QN_TRY(qn_check_cancel(ctx));
            QN_TRY(qn_reader_next(ctx, reader, &batch));
            if (batch)
                *length = first_length(batch);
        } while (batch && *length < 0);
        qn_reader_close(reader);
        reader = NULL;
    }
done:
    qn_reader_close(reader);
    return st;
}

static qn_status scan_list(qn_context *ctx, qn_source *source, const qn_feature_column *column,
                           qn_feature *f)
{
    int64_t length = -1;
    qn_status st = QN_OK;

    QN_TRY_ALL(scan_first_list(ctx, source, column, &length));
    if (length < 0)
        st = qn_fail(ctx, QN_EDATA, "%s: column %s holds no list", qn_source_split_path(source, 0),
                     f->source);
    else if (length == 0 || length > QN_MAX_WIDTH)
        st = qn_fail(ctx, QN_EDATA,
                     "%s: the first list of column %s has %lld values; 1 to %d are "
                     "taken",
                     qn_source_split_path(source, 0), f->source, (long long)length, QN_MAX_WIDTH);
    else
        f->width = (int32_t)length;
done:
    return st;
}

static qn_status too_many(const scan *s, int32_t column, int64_t n)
{
    return qn_fail(s->ctx, QN_EDATA,
                   "column %s has %lld different values so far; at most %d categories are taken: "
                   "leave it out of --categorical",
                   s->name[column], (long long)n, QN_MAX_CATEGORIES);
}

static qn_status add_category(scan *s, qn_text_set *set, int32_t column, const char *text,
                              size_t length)
{
    char number[32];
    uint32_t place;

    if (s->is_number[column] && qn_category_of_number(text, length, number)) {
        text = number;
        length = strlen(number);
    }
    if (length > 0 && memchr(text, '\0', length))
        return qn_fail(s->ctx, QN_EDATA, "column %s: a category holds a zero byte",
                       s->name[column]);
    const qn_status st = qn_text_set_add(s->ctx, set, text, length, &place);
    return st == QN_OK && set->n > QN_MAX_CATEGORIES ? too_many(s, column, set->n) : st;
}

static qn_status take_categories(scan *s, const qn_batch *batch, int32_t thread)
{
    qn_status st = QN_OK;

    for (int32_t c = 0; c < s->n_columns; c++) {
        const qn_column *column = &batch->columns[c];
        const char *text = column->data;

        for (int64_t r = 0; r < batch->n_rows; r++)
            if (qn_is_valid(column, r))
                QN_TRY(add_category(s, &s->set[thread * s->n_columns + c], c,
                                    text + column->offsets[r],
                                    column->offsets[r + 1] - column->offsets[r]));
    }
done:
    return st;
}

/* All threads' sets of this rank as bytes: for each thread and column the number of texts, then
 * length and bytes of each. */
static qn_status pack_sets(const scan *s, int32_t n_sets, qn_string *out)
{
    for (int32_t i = 0; i < n_sets; i++) {
        const qn_text_set *set = &s->set[i];

        qn_string_add_bytes(out, (const char *)&set->n, sizeof set->n);
        for (int64_t t = 0; t < set->n; t++) {
            const int64_t length = set->offset[t + 1] - set->offset[t];

            qn_string_add_bytes(out, (const char *)&length, sizeof length);
            if (length > 0)
                qn_string_add_bytes(out, set->text + set->offset[t], (size_t)length);
        }
    }
    return out->failed ? qn_fail(s->ctx, QN_ENOMEM, "no memory for categories") : QN_OK;
}

static qn_status unpack_sets(scan *s, const char *bytes, size_t n, qn_text_set *all)
{
    const char *at = bytes, *end = bytes + n;
    int64_t count, length;
    qn_status st = QN_OK;

    for (int32_t c = 0; at < end; c = (c + 1) % s->n_columns) {
        memcpy(&count, at, sizeof count);
        at += sizeof count;
        for (int64_t t = 0; t < count; t++) {
            memcpy(&length, at, sizeof length);
            at += sizeof length;
            QN_TRY(add_category(s, &all[c], c, at, (size_t)length));
            at += length;
        }
    }
done:
    return st;
}

static qn_status keep_categories(const scan *s, const qn_text_set *set, int32_t column,
                                 qn_feature *f)
{
    qn_context *ctx = s->ctx;
    qn_status st = QN_OK;

    if (set->n == 0)
        return qn_fail(ctx, QN_EDATA, "column %s holds no category: every value is missing",
                       s->name[column]);
    QN_NEW0(ctx, f->category, set->n, "categories");
    f->n_categories = (int32_t)set->n;
    for (int64_t t = 0; t < set->n; t++) {
        const size_t length = (size_t)(set->offset[t + 1] - set->offset[t]);

        QN_NEW(ctx, f->category[t], (int64_t)length + 1, "a category");
        if (length > 0)
            memcpy(f->category[t], set->text + set->offset[t], length);
        f->category[t][length] = '\0';
    }
    qn_categories_sort(f->category, f->n_categories);
done:
    return st;
}

/* The sets of all threads and ranks become one a column. Collective. */
static qn_status join_categories(scan *s, int32_t n_sets, qn_feature *const *feature)
{
    qn_context *ctx = s->ctx;
    qn_string packed = {0};
    qn_text_set *all = NULL;
    char *bytes = NULL;
    size_t n = 0;
    qn_status st = QN_OK;

    QN_TRY_ALL(pack_sets(s, n_sets, &packed));
    QN_TRY(qn_comm_allgather(ctx, packed.text, packed.length, (void **)&bytes, &n));
    st = qn_calloc_array(ctx, (void **)&all, s->n_columns, sizeof *all, "categories");
    if (st == QN_OK)
        st = unpack_sets(s, bytes, n, all);
    for (int32_t c = 0; c < s->n_columns && st == QN_OK; c++)
        st = keep_categories(s, &all[c], c, feature[c]);
    QN_TRY_ALL(st);
done:
    for (int32_t c = 0; all && c < s->n_columns; c++)
        qn_text_set_release(&all[c]);
    qn_free(all);
    qn_free(bytes);
    qn_string_release(&packed);
    return st;
}

typedef struct category_columns {
    qn_column_request *request;
    bool *is_number;
    const char **name;
    qn_feature **feature;
    int32_t n;
} category_columns;

static qn_status category_columns_fill(qn_context *ctx, const qn_source *source,
                                       qn_features *features, category_columns *c)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, c->request, features->n, "columns of categories");
    QN_NEW0(ctx, c->is_number, features->n, "columns of categories");
    QN_NEW0(ctx, c->name, features->n, "columns of categories");
    QN_NEW0(ctx, c->feature, features->n, "columns of categories");
    for (int32_t i = 0; i < features->n; i++) {
        qn_feature *f = &features->feature[i];

        if (f->kind != QN_FEATURE_CATEGORY)
            continue;
        QN_TRY(check_can_scan(ctx, source, f));
        const qn_feature_column column = qn_feature_column_find(source, f->source, -1);
        c->request[c->n] =
            (qn_column_request){.field = column.field, .type = QN_TEXT, .nullable = true};
        c->is_number[c->n] = column.type <= QN_DOUBLE;
        c->name[c->n] = f->source;
        c->feature[c->n++] = f;
    }
done:
    return st;
}

static qn_status scan_categories(qn_context *ctx, qn_source *source, qn_features *features)
{
    const int32_t threads = qn_context_threads(ctx);
    category_columns c = {0};
    scan s = {ctx, source, .take = take_categories};
    qn_status st = QN_OK;

    QN_TRY_ALL(category_columns_fill(ctx, source, features, &c));
    s.request = c.request;
    s.n_columns = c.n;
    s.is_number = c.is_number;
    s.name = c.name;
    st = qn_calloc_array(ctx, (void **)&s.set, (int64_t)threads * c.n, sizeof *s.set,
                         "sets of categories");
    QN_TRY_ALL(st == QN_OK ? scan_run(&s) : st);
    QN_TRY(join_categories(&s, threads * c.n, c.feature));
done:
    for (int32_t i = 0; s.set && i < threads * c.n; i++)
        qn_text_set_release(&s.set[i]);
    qn_free(s.set);
    qn_free(c.request);
    qn_free(c.is_number);
    qn_free(c.name);
    qn_free(c.feature);
    return st;
}

bool qn_features_stray(qn_context *ctx, qn_source *source, int32_t field, char *out, size_t size)
{
    const qn_column_request request = {
        .field = field, .type = QN_DOUBLE, .nullable = true, .lenient = true};
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    int64_t n_numbers = 0, n_strays = 0;
    char value[320];
    qn_status st = QN_OK;

    if (source->is_once || qn_source_n_splits(source) == 0)
        return false;
    QN_TRY(qn_source_open_split(ctx, source, 0, &request, 1, &reader));
    QN_TRY(qn_reader_next(ctx, reader, &batch));
    for (int64_t r = 0; batch && r < batch->n_rows; r++)
        n_numbers += qn_is_valid(&batch->columns[0], r);
    n_strays = qn_reader_rejects(reader)->n_kept;
    if (n_strays > 0 && n_strays < n_numbers) {
        const qn_reject *first = &qn_reader_rejects(reader)->example[0];

        qn_reject_value(source, &request, 1, first, value, sizeof value);
        qn_reject_place(ctx, source, 0, first, value, out, size);
    }
done:
    qn_reader_close(reader);
    if (st != QN_OK)
        qn_error_clear(ctx); /* whoever reads the features meets it again */
    return st == QN_OK && n_strays > 0 && n_strays < n_numbers;
}

qn_status qn_features_scan(qn_context *ctx, qn_source *source, int32_t num_features,
                           qn_features *features)
{
    bool has_categories = false;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < features->n; i++) {
        qn_feature *f = &features->feature[i];

        has_categories = has_categories || f->kind == QN_FEATURE_CATEGORY;
        if (f->kind != QN_FEATURE_LIST)
            continue;
        const qn_feature_column column = qn_feature_column_find(source, f->source, -1);
        f->width = num_features;
        if (num_features > 0 && (column.index_field >= 0 || source->is_once))
            continue;
        QN_TRY(check_can_scan(ctx, source, f));
        if (column.index_field >= 0)
            QN_TRY(scan_indices(ctx, source, &column, f));
        else
            QN_TRY(scan_list(ctx, source, &column, f));
    }
    if (has_categories)
        QN_TRY(scan_categories(ctx, source, features));
done:
    return st;
}
