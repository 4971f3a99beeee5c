#include "data/rating_input.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/rating_input_impl.h"

static const qn_param input_params[] = {
    QN_PARAM_STRING(qn_rating_input_options, input, NULL, "FILE",
                    "ratings: Netflix text, CSV, Parquet, packed or not; files, folders, data sets "
                    "or -",
                    .aliases = "future_file", .group = "Input"),
    QN_PARAM_CHOICE_OF(qn_rating_input_options, format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the input, found out by name and first bytes if not given",
                       .group = "Input"),
    QN_PARAM_CHOICE_OF(qn_rating_input_options, header, 0, "auto|no|yes",
                       "whether the first line names the columns", .group = "Input"),
    QN_PARAM_STRING(qn_rating_input_options, delimiter, NULL, "CHAR",
                    "character between fields, found out if not given", .aliases = "sep",
                    .group = "Input"),
    QN_PARAM_STRING(qn_rating_input_options, user_col, NULL, "COL",
                    "column of users; if not given CUST_ID, userId and the like",
                    .aliases = "user_id_column", .group = "Input"),
    QN_PARAM_STRING(qn_rating_input_options, item_col, NULL, "COL",
                    "column of movies; if not given MOVIE_ID, itemId and the like",
                    .aliases = "item_id_column", .group = "Input"),
    QN_PARAM_STRING(qn_rating_input_options, rating_col, NULL, "COL",
                    "column of ratings; if not given RATING, score and the like", .group = "Input"),
    QN_PARAM_STRING(qn_rating_input_options, date_col, NULL, "COL",
                    "column of dates or times; if not given DATE, timestamp and the like; empty: "
                    "there is none",
                    .aliases = "timestamp_col", .group = "Input"),
    QN_PARAM(qn_rating_input_options, split_bytes, 0, 0, 1099511627776,
             "bytes of a piece that one thread reads, 0: 8m; never changes results",
             .metavar = "BYTES", .hidden = true, .group = "Input"),
};
const qn_params qn_rating_input_table = {"rating_input", input_params,
                                         sizeof input_params / sizeof *input_params,
                                         sizeof(qn_rating_input_options)};

const char *qn_drop_name(qn_drop_reason reason)
{
    static const char *const name[] = {
#define DROP_NAME(value, text) text,
        QN_DROP_LIST(DROP_NAME)
#undef DROP_NAME
    };

    return (size_t)reason < QN_DROP_REASONS ? name[reason] : "unknown";
}

qn_drop_reason qn_drop_of(qn_reject_kind kind)
{
    return kind == QN_REJECT_NULL    ? QN_DROP_NULL
           : kind == QN_REJECT_RANGE ? QN_DROP_RANGE
                                     : QN_DROP_MALFORMED;
}

void qn_rating_input_free(qn_rating_input *input)
{
    if (!input)
        return;
    qn_source_free(input->source);
    qn_file_list_release(&input->files);
    for (int64_t i = 0; i < input->n_data_sets; i++)
        qn_free(input->data_set[i].taken.name);
    qn_free(input->data_set);
    qn_free(input->lines);
    qn_free(input);
}

/* ---- the files of the input ---- */

/* Paths to open. */
typedef struct path_list {
    char **path;
    int64_t n, capacity;
    qn_dataset_columns columns; /* of the first data set of ours; user "": there is none */
} path_list;

static void path_list_release(path_list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        qn_free(list->path[i]);
    qn_free(list->path);
}

/* `folder` may be NULL. */
static qn_status path_list_add(qn_context *ctx, path_list *list, const char *folder,
                               const char *name)
{
    const size_t length = (folder ? strlen(folder) + 1 : 0) + strlen(name) + 1;
    char *path = NULL;
    qn_status st = QN_OK;

    if (list->n == list->capacity) {
        const int64_t capacity = list->capacity ? 2 * list->capacity : 16;

        QN_GROW(ctx, list->path, capacity, "names of input files");
        list->capacity = capacity;
    }
    QN_NEW(ctx, path, (int64_t)length, "the name of an input file");
    snprintf(path, length, "%s%s%s", folder ? folder : "", folder ? "/" : "", name);
    list->path[list->n++] = path;
done:
    return st;
}

/* A data set of ours: the link is followed once, and its files are those that the manifest of that
 * generation names. */
static qn_status add_data_set(qn_context *ctx, qn_rating_input *input, path_list *list,
                              const char *name, const char *folder)
{
    qn_rating_data_set *added = NULL;
    qn_dataset_manifest manifest = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_read(ctx, folder, &manifest));
    QN_GROW(ctx, input->data_set, input->n_data_sets + 1, "data sets of input");
    added = &input->data_set[input->n_data_sets];
    *added = (qn_rating_data_set){.before_file = input->files.n};
    QN_TRY(qn_strdup(ctx, name, &added->taken.name));
    input->n_data_sets++;
    qn_rating_input_digest_manifest(&manifest, added->taken.digest);
    for (int64_t i = 0; i < manifest.n_files; i++) {
        added->taken.bytes += manifest.file[i].bytes;
        QN_TRY(path_list_add(ctx, list, folder, manifest.file[i].path));
    }
    input->n_files += manifest.n_files;
    if (!list->columns.user[0])
        list->columns = manifest.columns;
done:
    qn_dataset_manifest_release(&manifest);
    return st;
}

static qn_status add_input(qn_context *ctx, qn_rating_input *input, path_list *list,
                           const char *name)
{
    const int64_t before = input->files.n;
    qn_dataset_kind kind = QN_DATASET_NONE;
    char *folder = NULL;
    qn_status st = QN_OK;

    if (qn_path_is_dir(name))
        QN_TRY(qn_dataset_resolve(ctx, name, &kind, &folder));
    if (kind == QN_DATASET_OURS) {
        QN_TRY(add_data_set(ctx, input, list, name, folder));
    } else {
        QN_TRY(qn_file_list_fill(ctx, &name, 1, &input->files));
        QN_TRY(path_list_add(ctx, list, NULL, name));
        input->n_files += input->files.n - before;
    }
done:
    qn_free(folder);
    return st;
}

/* ---- columns ---- */

/* The same question as ratings for a fit are asked by; names that are not given are found by the
 * usual ones. */
static qn_ratings_options ratings_options(const qn_rating_input_options *options,
                                          const path_list *list)
{
    const qn_dataset_columns *own = list->columns.user[0] ? &list->columns : NULL;

    return (qn_ratings_options){
        .input = {(const char **)list->path, list->n},
        .format = options->format,
        .header = options->header,
        .delimiter = options->delimiter,
        .user_col = options->user_col ? options->user_col
                    : own             ? own->user
                                      : "userId",
        .item_col = options->item_col ? options->item_col
                    : own             ? own->item
                                      : "movieId",
        .rating_col = options->rating_col ? options->rating_col
                      : own               ? own->rating
                                          : "rating",
        .timestamp_col = options->date_col ? options->date_col
                         : own             ? own->date
                                           : "timestamp",
        .id_type = QN_ID_INT32,
        .split_bytes = options->split_bytes,
    };
}

static qn_status find_columns(qn_context *ctx, const qn_rating_input_options *options,
                              const qn_ratings_options *ratings, qn_rating_input *input)
{
    const bool want_date = ratings->timestamp_col[0] != '\0';
    qn_rating_columns *columns = &input->columns;
    int32_t field;
    qn_status st = QN_OK;

    st = qn_rating_columns_find(ctx, input->source, ratings, want_date, false, columns);
    if (st == QN_OK && want_date && columns->time < 0)
        st = qn_source_column(ctx, input->source, options->date_col ? options->date_col : "DATE",
                              &field);
    if (st != QN_OK)
        return qn_fail_prefix(ctx, st,
                              "columns are found by the usual names, or named with --user-col, "
                              "--item-col, --rating-col and --date-col");
    if (columns->rating < 0)
        return qn_fail(ctx, QN_EINVAL, "--rating-col is empty: a data set needs ratings");
    for (int32_t c = 0; c < 2; c++)
        columns->request[c].type = QN_INT32;
    if (columns->time >= 0) {
        qn_column_request *date = &columns->request[columns->time];

        date->nullable = false;
        if (qn_source_format(input->source) != QN_FORMAT_PARQUET)
            date->type = QN_TIME; /* seconds and dates alike */
    }
    return QN_OK;
}

/* Ratings with fractions among the first rows make all of them doubles; Netflix text has whole
 * ones. A pipe cannot be read twice: there the type guessed of its first rows decides. */
static qn_status find_type(qn_context *ctx, qn_rating_input *input)
{
    const qn_column_request *request = &input->columns.request[input->columns.rating];
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    if (input->source->format == QN_FORMAT_NETFLIX)
        return QN_OK;
    if (input->source->is_once) {
        input->is_double = input->source->schema.field[request->field].type == QN_DOUBLE;
        return QN_OK;
    }
    if (qn_source_n_splits(input->source) == 0)
        return QN_OK;
    QN_TRY(qn_source_open_split(ctx, input->source, 0, request, 1, &reader));
    QN_TRY(qn_reader_next(ctx, reader, &batch));
    for (int64_t i = 0; batch && i < batch->n_rows; i++) {
        const double rating = ((const double *)batch->columns[0].data)[i];

        input->is_double = input->is_double || rating != floor(rating);
    }
done:
    qn_reader_close(reader);
    return st;
}

qn_status qn_rating_input_open(qn_context *ctx, const qn_rating_input_options *options,
                               qn_rating_input **input)
{
    qn_ratings_options ratings;
    qn_rating_input *made = NULL;
    path_list list = {0};
    qn_status st = QN_OK;

    *input = NULL;
    QN_NEW0(ctx, made, 1, "rating input");
    for (int64_t i = 0; i < options->input.n; i++)
        QN_TRY(add_input(ctx, made, &list, options->input.item[i]));
    if (list.n == 0 && made->n_data_sets > 0) {
        st = qn_fail(ctx, QN_EDATA, "%s: the data set is empty", made->data_set[0].taken.name);
        goto done;
    }
    ratings = ratings_options(options, &list);
    QN_TRY(qn_ratings_source_open(ctx, &ratings, &made->source));
    QN_TRY(find_columns(ctx, options, &ratings, made));
    QN_TRY(find_type(ctx, made));
    *input = made;
    made = NULL;
done:
    path_list_release(&list);
    qn_rating_input_free(made);
    return st;
}

bool qn_rating_input_is_double(const qn_rating_input *input)
{
    return input->is_double;
}

static void copy_name(char out[64], const char *name)
{
    snprintf(out, 64, "%s", name);
}

void qn_rating_input_columns(const qn_rating_input *input, qn_dataset_columns *columns)
{
    const qn_rating_columns *c = &input->columns;

    *columns = (qn_dataset_columns){.rating_is_double = input->is_double};
    copy_name(columns->user, c->name[0]);
    copy_name(columns->item, c->name[1]);
    copy_name(columns->rating, c->name[c->rating]);
    if (c->time >= 0)
        copy_name(columns->date, c->name[c->time]);
}
