/* Inside data/fill: one column of a batch. */
#ifndef QN_DATA_FILL_COLUMN_H
#define QN_DATA_FILL_COLUMN_H

#include "data/fill.h"

/* Room for `rows` rows. */
qn_status qn_fill_column_init(qn_context *ctx, qn_fill_column *column,
                              const qn_column_request *request, int64_t rows);
void qn_fill_column_release(qn_fill_column *column);
/* Appends the n values of `run` behind the `row` that are there; `number` of the column and what is
 * bad go into `verdict`, where nothing stands yet. */
qn_status qn_fill_column_append(qn_context *ctx, qn_fill_column *column, int32_t number,
                                const qn_run *run, int64_t row, int64_t n, qn_verdict *verdict);
/* Whether a value can be bad at all: not where types agree and any size goes. */
bool qn_fill_column_can_reject(const qn_fill_column *column);
/* A value that was appended is missing. */
void qn_fill_column_drop(qn_fill_column *column, int64_t row);
/* Takes the rejected ones of the last n rows, behind `row`, out again. */
void qn_fill_column_compact(qn_fill_column *column, int64_t row, int64_t n,
                            const qn_verdict *verdict);
/* The value as text for an example of a reject; returns its length in `text`. */
size_t qn_fill_value_text(const qn_fill_column *column, const qn_run *run, int64_t i,
                          char text[QN_REJECT_TEXT]);
/* The column as a batch shows it. */
qn_column qn_fill_column_view(const qn_fill_column *column);

#endif
