/* Events of all ranks come to rank 0, whose sinks then hold the whole run: ranks keep what only
 * they know (tasks, storage, warnings) and hand it over at the end of each stage. What every rank
 * tells alike (jobs, stages, steps, metrics, counts, facts) rank 0 tells alone. */
#ifndef QN_ENGINE_EVENT_GATHER_H
#define QN_ENGINE_EVENT_GATHER_H

#include "base/context.h"

#define QN_EVENT_GATHER_BYTES ((size_t)1 << 20) /* that a rank keeps between two stage ends */

typedef struct qn_event_gather_box qn_event_gather_box;

/* Becomes a sink of the context; every rank opens one or none does. Free it after the context. */
qn_status qn_event_gather_open(qn_context *ctx, qn_event_gather_box **box);
void qn_event_gather_free(qn_event_gather_box *box);

/* Hands over what was kept: rank 0 emits it. Collective; nothing where no box is open. A rank that
 * had to drop events says so in a warning. */
qn_status qn_event_gather(qn_context *ctx);

/* qn_span_end of a stage on every rank, with what the ranks know of it handed to rank 0 before the
 * stage ends there. Collective where `status`, on which the ranks have agreed, is QN_OK: call it
 * where all ranks pass. Returns `status`, or why handing over failed. */
qn_status qn_stage_end(qn_context *ctx, const qn_span *stage, qn_status status,
                       const qn_event *totals);

#endif
