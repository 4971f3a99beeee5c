/* Rating rows in the order of date, user, movie, rating; rows that are alike in all stay. As many
 * as do not fit in memory go through scratch. */
#ifndef QN_DATA_RATING_BY_DATE_H
#define QN_DATA_RATING_BY_DATE_H

#include "data/rating_rows.h"

typedef struct qn_rows_by_date qn_rows_by_date;

/* `memory` and `scratch` as for qn_row_pile_create. */
qn_status qn_rows_by_date_create(qn_context *ctx, size_t memory, const char *scratch,
                                 qn_rows_by_date **rows);
void qn_rows_by_date_free(qn_rows_by_date *rows);
/* Any thread, numbered 0 .. threads - 1; origins are forgotten. */
qn_status qn_rows_by_date_add(qn_context *ctx, qn_rows_by_date *rows, int32_t thread,
                              const qn_rating_row *row, int64_t n);
/* No more rows will come: gives all of them in order. */
qn_status qn_rows_by_date_each(qn_context *ctx, qn_rows_by_date *rows, qn_rows_visit_rows *visit,
                               void *arg);

#endif
