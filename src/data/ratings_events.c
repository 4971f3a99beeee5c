#include "data/ratings_events.h"

#include "engine/cell.h"
#include "engine/phase.h"

static qn_status emit_orientation(qn_context *ctx, const qn_orientation *o, const char *name)
{
    const int64_t n_partitions = o->partitioning->n_partitions;
    qn_places places = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_places_init(ctx, n_partitions, &places));
    for (int64_t p = 0; p < n_partitions; p++)
        places.rows[p] = o->partitioning->partition[p].n_entries;
    for (int64_t b = 0; b < qn_store_n_blocks(o->store); b++)
        qn_places_add_block(&places, qn_store_block_partition(o->store, b), o->store, b);
    qn_places_emit(ctx, &places, name);
done:
    qn_places_release(&places);
    return st;
}

qn_status qn_ratings_emit_storage(qn_context *ctx, const qn_ratings *ratings)
{
    qn_status st = QN_OK;

    QN_TRY(emit_orientation(ctx, &ratings->by_user, "ratings by user"));
    QN_TRY(emit_orientation(ctx, &ratings->by_item, "ratings by item"));
done:
    return st;
}
