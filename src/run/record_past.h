/* What the record of a resumed run keeps of its earlier attempts. */
#ifndef QN_RUN_RECORD_PAST_H
#define QN_RUN_RECORD_PAST_H

#include "base/context.h"
#include "base/text.h"

/* From the text of the earlier record: the run's id, its iterations behind the '[' that stands in
 * *iterations, and all attempts so far as an array {started, ended, status, exit_code, total_s}.
 * QN_EDATA: it is none. */
qn_status qn_record_past(qn_context *ctx, const char *record, char id[64], qn_string *iterations,
                         qn_string *attempts);
/* Drops iterations after `last`: they are done anew. */
void qn_record_past_cut(qn_json *iterations, int64_t last);

#endif
