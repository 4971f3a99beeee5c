/* Which rows are for training and which for testing, asked block by block. */
#ifndef QN_DATA_SPLIT_H
#define QN_DATA_SPLIT_H

#include "data/triples.h"

typedef struct qn_split qn_split;

/* Finds out what decides; needs memory by id, none by row. Collective. *split NULL on failure. */
qn_status qn_split_open(qn_context *ctx, const qn_triples *triples, const qn_split_spec *spec,
                        qn_split **split);
void qn_split_close(qn_split *split);
/* part[view->n] of the rows of a block: 1 for test. Any thread. */
void qn_split_rows(const qn_split *split, const qn_triples_view *view, uint8_t *part);

#endif
