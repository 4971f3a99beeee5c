/* What a fit tells of its stages and of where its data lie. */
#include "base/text.h"
#include "data/ratings_events.h"
#include "engine/phase.h"
#include "ml/als/als_impl.h"

void als_start_job(als_fit *fit)
{
    const int64_t items = fit->ratings->by_item.partitioning->n_partitions;
    const int64_t users = fit->ratings->by_user.partitioning->n_partitions;
    qn_string stages = {0};

    for (int32_t sweep = 1; sweep <= fit->params->max_iter; sweep++)
        qn_string_addf(&stages, "items %d\t%lld\nusers %d\t%lld\n", sweep, (long long)items, sweep,
                       (long long)users);
    fit->job = qn_job_start_planned(fit->ctx, "fit", qn_string_text(&stages));
    qn_string_release(&stages);
}

static qn_status als_emit_factors(als_fit *fit, qn_side which)
{
    const als_side *side = &fit->side[which];
    const qn_partitioning *cut = side->rows->partitioning;
    const int32_t rank = qn_rank(fit->ctx);
    qn_places places = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_places_init(fit->ctx, cut->n_partitions, &places));
    for (int64_t p = 0; p < cut->n_partitions; p++) {
        const qn_partition *partition = &cut->partition[p];

        if (partition->owner != rank)
            continue;
        places.rows[p] = partition->n_rows;
        places.memory[p] = partition->n_rows * fit->eq.stride * (int64_t)sizeof(float);
    }
    qn_places_emit(fit->ctx, &places,
                   which == QN_SIDE_USER ? "factors of users" : "factors of items");
done:
    qn_places_release(&places);
    return st;
}

qn_status als_emit_storage(als_fit *fit)
{
    qn_status st = QN_OK;

    QN_TRY(qn_ratings_emit_storage(fit->ctx, fit->ratings));
    QN_TRY(als_emit_factors(fit, QN_SIDE_USER));
    QN_TRY(als_emit_factors(fit, QN_SIDE_ITEM));
done:
    return st;
}
