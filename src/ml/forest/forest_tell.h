/* What commands tell of a forest: operations of qn_table_ops. */
#ifndef QN_ML_FOREST_TELL_H
#define QN_ML_FOREST_TELL_H

#include "base/text.h"
#include "ml/forest/forest_impl.h"

void forest_describe(const qn_model *model, bool all, qn_json *j);
void forest_summary(qn_context *ctx, const qn_model *model, qn_json *j);
bool forest_doubts(const qn_model *model, char *out, size_t size);

#endif
