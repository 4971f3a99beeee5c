/* Puts a context together: base, kernels and a communicator of one rank. The public calls are
 * qn_context_create and qn_context_free. */
#ifndef QN_ENGINE_CONTEXT_OPEN_H
#define QN_ENGINE_CONTEXT_OPEN_H

#include "quern/context.h"

/* Uses another kernel set from here on (tests; ranks that agree on the lowest common set).
 * QN_EINVAL names the sets that this processor can run. */
qn_status qn_context_use_kernels(qn_context *ctx, const char *name);

#endif
