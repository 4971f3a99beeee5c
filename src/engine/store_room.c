#include "base/alloc.h"
#include "engine/store.h"

size_t qn_context_room(qn_context *ctx)
{
    const size_t limit = qn_budget_limit(ctx->budget), used = qn_budget_used(ctx->budget);
    const size_t resident = ctx->scratch_dir ? qn_context_store_totals(ctx).bytes_resident : 0;
    const size_t held = used > resident ? used - resident : 0;

    return limit > held ? limit - held : 0;
}
