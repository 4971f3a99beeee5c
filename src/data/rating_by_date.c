/* The pile orders rows by movie, user, date and rating; here the date takes the movie's place. */
#include "data/rating_by_date.h"

#include "base/alloc.h"
#include "data/rating_rows_impl.h"

#define CHUNK_ROWS 1024

struct qn_rows_by_date {
    qn_row_pile *pile;
};

static qn_rating_row turned(const qn_rating_row *row)
{
    return (qn_rating_row){
        .movie = row->days, .user = row->user, .days = row->movie, .rating = row->rating};
}

qn_status qn_rows_by_date_create(qn_context *ctx, size_t memory, const char *scratch,
                                 qn_rows_by_date **rows)
{
    qn_rows_by_date *made = NULL;
    qn_status st = QN_OK;

    *rows = NULL;
    QN_NEW0(ctx, made, 1, "rows by date");
    QN_TRY(qn_row_pile_create(ctx, QN_BY_YEAR_MONTH, memory, scratch, &made->pile));
    *rows = made;
    made = NULL;
done:
    qn_rows_by_date_free(made);
    return st;
}

void qn_rows_by_date_free(qn_rows_by_date *rows)
{
    if (!rows)
        return;
    qn_row_pile_free(rows->pile);
    qn_free(rows);
}

qn_status qn_rows_by_date_add(qn_context *ctx, qn_rows_by_date *rows, int32_t thread,
                              const qn_rating_row *row, int64_t n)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        const qn_rating_row t = turned(&row[i]);

        QN_TRY(qn_row_pile_add_to(ctx, rows->pile, thread,
                                  qn_dataset_part(QN_BY_YEAR_MONTH, row[i].days), &t));
    }
done:
    return st;
}

static qn_status visit_part(qn_context *ctx, const qn_row_part *part, qn_rows_visit_rows *visit,
                            void *arg)
{
    qn_rating_row chunk[CHUNK_ROWS];
    qn_row_merge merge = {0};
    const qn_rating_row *row;
    int64_t n;
    qn_status st = QN_OK;

    QN_TRY(qn_row_merge_add_part(ctx, &merge, part));
    QN_TRY(qn_row_merge_start(ctx, &merge));
    QN_TRY(qn_row_merge_next(ctx, &merge, &row, &n));
    while (n > 0) {
        for (int64_t at = 0; at < n;) {
            int64_t k = 0;

            for (; k < CHUNK_ROWS && at < n; k++, at++)
                chunk[k] = turned(&row[at]);
            QN_TRY(visit(arg, chunk, k));
        }
        QN_TRY(qn_row_merge_next(ctx, &merge, &row, &n));
    }
done:
    qn_row_merge_release(&merge);
    return st;
}

qn_status qn_rows_by_date_each(qn_context *ctx, qn_rows_by_date *rows, qn_rows_visit_rows *visit,
                               void *arg)
{
    const int32_t *part;
    int64_t n_parts;
    qn_status st = QN_OK;

    QN_TRY(qn_row_pile_close(ctx, rows->pile, &part, &n_parts));
    for (int64_t p = 0; p < n_parts; p++) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(visit_part(ctx, qn_row_pile_find(rows->pile, part[p]), visit, arg));
    }
done:
    return st;
}
