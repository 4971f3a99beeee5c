/* Rows back from files of a data set. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/rating_rows_stream.h"

qn_rows_columns qn_rows_columns_of(const qn_dataset_columns *names, bool for_reading)
{
    const qn_parquet_type rating = for_reading               ? QN_PARQUET_FLOAT
                                   : names->rating_is_double ? QN_PARQUET_DOUBLE
                                                             : QN_PARQUET_INT32;

    return (qn_rows_columns){.column = {{names->item, QN_PARQUET_INT32},
                                        {names->user, QN_PARQUET_INT32},
                                        {names->rating, rating},
                                        {names->date, QN_PARQUET_DATE}},
                             .n = *names->date ? 4 : 3};
}

double qn_rating_as_double(float rating)
{
    double power = 1;

    if (rating == truncf(rating) || !isfinite(rating))
        return (double)rating;
    for (int32_t decimals = 1; decimals <= 15; decimals++) {
        double value;

        power *= 10;
        value = nearbyint((double)rating * power) / power;
        if ((float)value == rating)
            return value;
    }
    return (double)rating;
}

int64_t qn_rows_per_file(int64_t target_file_size, const char *codec)
{
    const int64_t row_bytes = strcmp(codec, "zstd") == 0 ? 3 : 4;

    return target_file_size > row_bytes ? target_file_size / row_bytes : 1;
}

static qn_status file_open(qn_context *ctx, qn_rows_reader *reader)
{
    const qn_dataset_file *file = &reader->file[reader->at];
    qn_status st = QN_OK;

    reader->path = reader->folder ? qn_path_join(reader->folder, file->path) : strdup(file->path);
    if (!reader->path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    reader->request = (qn_parquet_file){
        .path = reader->path, .column = reader->columns.column, .n_columns = reader->columns.n};
    reader->next_row = 0;
    QN_TRY(qn_parquet_decoder_open(ctx, reader->coder, &reader->request, &reader->decoder));
done:
    return st;
}

static void file_close(qn_rows_reader *reader)
{
    qn_parquet_decoder_close(reader->decoder);
    reader->decoder = NULL;
    free(reader->path);
    reader->path = NULL;
}

static bool is_null(const qn_rows_reader *reader, const qn_parquet_rows *rows, int64_t i)
{
    for (int32_t c = 0; c < reader->columns.n; c++)
        if (rows->valid[c] && !(rows->valid[c][i / 64] >> (i % 64) & 1))
            return true;
    return false;
}

static qn_status check_order(qn_context *ctx, qn_rows_reader *reader, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const qn_row_key key = qn_row_key_of(&reader->row[i]);

        if (reader->has_last && qn_row_key_less(key, reader->last))
            return qn_fail(ctx, QN_EDATA,
                           "%s: row %lld is out of order: the file is not what its manifest says; "
                           "see what \"quern data verify\" tells",
                           reader->path, (long long)qn_origin_row(reader->row[i].origin));
        reader->last = key;
        reader->has_last = true;
    }
    return QN_OK;
}

/* Columns to rows. */
static qn_status convert(qn_context *ctx, qn_rows_reader *reader, const qn_parquet_rows *rows,
                         int64_t *n)
{
    const int32_t *movie = rows->data[0], *user = rows->data[1];
    const int32_t *days = reader->columns.n > 3 ? rows->data[3] : NULL;
    const float *rating = rows->data[2];
    const uint64_t origin =
        reader->origin_bit | qn_row_origin(reader->first_number + reader->at, reader->next_row);
    bool has_null = false;
    qn_status st = QN_OK;

    for (int32_t c = 0; c < reader->columns.n; c++)
        has_null |= rows->valid[c] != NULL;
    if (rows->n > reader->capacity) {
        QN_GROW(ctx, reader->row, rows->n, "rows being read");
        reader->capacity = rows->n;
    }
    *n = 0;
    for (int64_t i = 0; i < rows->n; i++) {
        if (has_null && is_null(reader, rows, i)) {
            reader->rows_null++;
            if (!reader->may_be_null)
                return qn_fail(ctx, QN_EDATA, "%s: row %lld lacks a value", reader->path,
                               (long long)(reader->next_row + i));
            continue;
        }
        reader->row[(*n)++] = (qn_rating_row){.movie = movie[i],
                                              .user = user[i],
                                              .days = days ? days[i] : 0,
                                              .rating = rating[i],
                                              .origin = origin + (uint64_t)i};
    }
    reader->next_row += rows->n;
    reader->rows += *n;
    if (reader->must_be_sorted)
        QN_TRY(check_order(ctx, reader, *n));
done:
    return st;
}

qn_status qn_rows_reader_next(qn_context *ctx, qn_rows_reader *reader, const qn_rating_row **row,
                              int64_t *n)
{
    qn_status st = QN_OK;

    *row = NULL;
    *n = 0;
    while (*n == 0 && reader->at < reader->n_files) {
        qn_parquet_rows rows;

        QN_TRY(qn_check_cancel(ctx));
        if (!reader->decoder)
            QN_TRY(file_open(ctx, reader));
        QN_TRY(qn_parquet_decoder_next(ctx, reader->decoder, &rows));
        if (rows.n > 0) {
            QN_TRY(convert(ctx, reader, &rows, n));
        } else {
            file_close(reader);
            reader->at++;
        }
    }
    *row = reader->row;
done:
    return st;
}

void qn_rows_reader_release(qn_rows_reader *reader)
{
    file_close(reader);
    qn_free(reader->row);
    reader->row = NULL;
}

qn_status qn_rows_read_file_by(qn_context *ctx, qn_parquet_coder *coder, const char *path,
                               const qn_dataset_columns *columns, int64_t number,
                               qn_rows_visit_rows *visit, void *arg)
{
    const qn_dataset_file file = {.path = (char *)path};
    qn_rows_reader reader = {.coder = coder,
                             .columns = qn_rows_columns_of(columns, true),
                             .file = &file,
                             .n_files = 1,
                             .first_number = number,
                             .origin_bit = QN_ORIGIN_STORED};
    qn_status st = QN_OK;

    for (;;) {
        const qn_rating_row *row;
        int64_t n;

        QN_TRY(qn_rows_reader_next(ctx, &reader, &row, &n));
        if (n == 0)
            break;
        QN_TRY(visit(arg, row, n));
    }
done:
    qn_rows_reader_release(&reader);
    return st;
}

qn_status qn_rows_read_file(qn_context *ctx, const char *path, const qn_dataset_columns *columns,
                            int64_t number, qn_rows_visit_rows *visit, void *arg)
{
    qn_parquet_coder *coder = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_parquet_coder_open(ctx, &coder));
    QN_TRY(qn_rows_read_file_by(ctx, coder, path, columns, number, visit, arg));
done:
    qn_parquet_coder_close(coder);
    return st;
}
