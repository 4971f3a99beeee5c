/* Tables of numbers in delimited text: rows are marked out in chunks, and the fields of all columns
 * read in one go. What is not in its simplest form is tried one by one; what is no number at all
 * ends the chunk, and its row goes the general way. */
#ifndef QN_DATA_TEXT_GRID_H
#define QN_DATA_TEXT_GRID_H

#include "data/text_source.h"

/* Whether text cut so can be read in this way. */
bool qn_text_grid_serves(const qn_dialect *dialect);
/* Sets reader->grid, for columns that are all floats or doubles. A column may be asked for twice.
 */
qn_status qn_text_grid_create(qn_context *ctx, qn_text_reader *reader);
void qn_text_grid_free(struct qn_text_grid *grid);

/* Appends rows to the batch; returns the bytes that they took. */
size_t qn_text_grid_take(qn_text_reader *reader, const char *text, size_t n);

#endif
