/* A worker's signs of life while it does what knows no cancel point: waits for a disk, writes a
 * model, loads a library. A thread of its own, so that whoever watches can tell a busy process from
 * one that is stopped, dead or cut off. */
#ifndef QN_RUN_HEARTBEAT_H
#define QN_RUN_HEARTBEAT_H

#include "base/context.h"

typedef struct qn_heartbeat qn_heartbeat;

/* Emits a sign of life whenever the context has given none for `seconds`, but no longer than
 * `patience` seconds after its last own one: who is stuck for good must not look alive. */
qn_status qn_heartbeat_start(qn_context *ctx, double seconds, double patience,
                             qn_heartbeat **heartbeat);
/* Before the context goes. */
void qn_heartbeat_stop(qn_heartbeat *heartbeat);

#endif
