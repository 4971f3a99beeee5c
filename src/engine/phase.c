#include "engine/phase.h"

#include "base/alloc.h"
#include "engine/comm.h"
#include "engine/event_gather.h"

static qn_phase phase_of(qn_context *ctx, qn_span span)
{
    return (qn_phase){
        .span = span,
        .moved = atomic_load(&ctx->traffic.moved),
        .read = atomic_load(&ctx->traffic.read_back),
        .spilled = atomic_load(&ctx->traffic.spilled),
    };
}

qn_phase qn_phase_start(qn_context *ctx, const qn_span *job, const char *name, int64_t n_tasks)
{
    return phase_of(ctx, qn_stage_start(ctx, job, name, n_tasks));
}

qn_phase qn_phase_job_start(qn_context *ctx, const char *name, const char *stages)
{
    return phase_of(ctx, qn_job_start_planned(ctx, name, stages));
}

static qn_event totals_of(qn_context *ctx, const qn_phase *phase, int64_t rows)
{
    return (qn_event){
        .rank = qn_rank(ctx),
        .rows = rows,
        .bytes_moved = atomic_load(&ctx->traffic.moved) - phase->moved,
        .bytes_read = atomic_load(&ctx->traffic.read_back) - phase->read,
        .bytes_spilled = atomic_load(&ctx->traffic.spilled) - phase->spilled,
    };
}

double qn_phase_end(qn_context *ctx, const qn_phase *phase, qn_status status, int64_t rows)
{
    const qn_event totals = totals_of(ctx, phase, rows);

    return qn_span_end(ctx, &phase->span, status, &totals);
}

qn_status qn_phase_end_stage(qn_context *ctx, const qn_phase *phase, qn_status status, int64_t rows)
{
    const qn_event totals = totals_of(ctx, phase, rows);

    return qn_stage_end(ctx, &phase->span, status, &totals);
}

qn_status qn_places_init(qn_context *ctx, int64_t n_partitions, qn_places *places)
{
    qn_status st = QN_OK;

    *places = (qn_places){.n_partitions = n_partitions};
    QN_NEW0(ctx, places->rows, 3 * n_partitions, "places of partitions");
    places->memory = places->rows + n_partitions;
    places->disk = places->memory + n_partitions;
done:
    return st;
}

void qn_places_release(qn_places *places)
{
    qn_free(places->rows);
    *places = (qn_places){0};
}

void qn_places_add_block(qn_places *places, int64_t partition, const qn_store *store, int64_t block)
{
    size_t memory, disk;

    qn_store_block_place(store, block, &memory, &disk);
    places->memory[partition] += (int64_t)memory;
    places->disk[partition] += (int64_t)disk;
}

void qn_places_emit(qn_context *ctx, const qn_places *places, const char *name)
{
    for (int64_t p = 0; p < places->n_partitions; p++)
        if (places->memory[p] + places->disk[p] > 0)
            qn_emit(ctx, &(qn_event){.kind = QN_EVENT_STORAGE,
                                     .rank = qn_rank(ctx),
                                     .name = name,
                                     .id = p,
                                     .total = places->n_partitions,
                                     .rows = places->rows[p],
                                     .memory_bytes = places->memory[p],
                                     .disk_bytes = places->disk[p]});
}
