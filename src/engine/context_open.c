#include "engine/context_open.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "engine/comm.h"
#include "engine/store_impl.h"
#include "kernels/kernels.h"

qn_status qn_context_use_kernels(qn_context *ctx, const char *name)
{
    const qn_kernels *picked = qn_kernels_pick(name);
    const char *names[3] = {NULL};
    qn_string known = {0};

    if (picked) {
        ctx->kernels = picked;
        return QN_OK;
    }
    for (int32_t i = 0, n = qn_kernels_available(names); i < n; i++)
        qn_string_addf(&known, "%s%s", i ? ", " : "", names[i]);
    qn_fail(ctx, QN_EINVAL, "kernel set \"%s\" does not run here; this processor has: %s", name,
            qn_string_text(&known));
    qn_string_release(&known);
    return QN_EINVAL;
}

/* The context and its communicator are the two blocks that no budget counts: it does not exist yet.
 */
qn_status qn_context_create(const qn_context_options *options, qn_context **out)
{
    static const qn_context_options none = {0};
    qn_status st = QN_ENOMEM;
    qn_context *ctx = calloc(1, sizeof *ctx);
    qn_comm *comm = calloc(1, sizeof *comm);

    *out = NULL;
    if (!options)
        options = &none;
    if (!ctx || !comm)
        goto done;
    st = qn_context_init(ctx, options);
    if (st != QN_OK)
        goto done;
    qn_comm_one(comm);
    ctx->comm = comm;
    comm = NULL;
    st = qn_stores_create(ctx);
    if (st == QN_OK)
        st = qn_context_use_kernels(ctx, options->kernels);
    if (st != QN_OK) {
        qn_context_free(ctx);
        ctx = NULL;
        goto done;
    }
    qn_budget_settle(ctx->budget);
    if (ctx->scratch_dir) /* what dead processes have left there */
        qn_scratch_sweep(ctx->scratch_dir, false, NULL);
    *out = ctx;
    ctx = NULL;
done:
    free(comm);
    free(ctx);
    return st;
}

void qn_context_free(qn_context *ctx)
{
    if (!ctx)
        return;
    qn_stores_free(ctx->stores); /* first: its thread and the folder's name use the rest */
    if (ctx->comm)
        ctx->comm->ops->free(ctx->comm);
    free(ctx->comm);
    qn_context_release(ctx);
    free(ctx);
}

const char *qn_context_kernels(const qn_context *ctx)
{
    return ctx->kernels->name;
}
