/* What is asked of all rows: the fingerprint; and where ids stand in other dictionaries. */
#include "data/triples.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/triples_record.h"
#include "engine/comm.h"

/* ---- fingerprint ---- */

typedef struct fingerprint_job {
    const qn_triples *triples;
    _Atomic uint64_t sum;
} fingerprint_job;

static qn_status fingerprint_block(void *arg, const qn_triples_view *view, int64_t block,
                                   int32_t thread)
{
    fingerprint_job *job = arg;

    (void)block;
    (void)thread;
    atomic_fetch_add_explicit(&job->sum, qn_records_hash(job->triples, view), memory_order_relaxed);
    return QN_OK;
}

qn_status qn_triples_fingerprint(qn_context *ctx, const qn_triples *triples, uint64_t *fingerprint)
{
    fingerprint_job job = {.triples = triples};
    qn_status st = QN_OK;
    int64_t sum = 0;

    *fingerprint = 0;
    QN_TRY_ALL(qn_triples_each(ctx, triples, fingerprint_block, &job));
    sum = (int64_t)job.sum;
    QN_TRY(qn_comm_sum_int64(ctx, &sum, 1));
    *fingerprint = (uint64_t)sum;
done:
    return st;
}

/* ---- the ids of another dictionary ---- */

qn_status qn_ids_place(qn_context *ctx, const qn_ids *from, const qn_ids *to, int64_t **map)
{
    qn_status st = QN_OK;
    const bool same = (from->type == QN_ID_STRING) == (to->type == QN_ID_STRING);
    int64_t *place = NULL;
    char *text = NULL;
    int64_t size = 32;

    *map = NULL;
    QN_NEW(ctx, place, from->n, "map of ids");
    for (int64_t i = 0; from->offset && i < from->n; i++)
        if (from->offset[i + 1] - from->offset[i] >= size)
            size = from->offset[i + 1] - from->offset[i] + 1;
    QN_NEW(ctx, text, size, "map of ids");
    for (int64_t i = 0; i < from->n; i++) {
        if (same && from->type != QN_ID_STRING) {
            place[i] = qn_ids_find_number(to, from->number[i]);
        } else if (same) {
            place[i] = qn_ids_find_text(to, from->text + from->offset[i],
                                        (size_t)(from->offset[i + 1] - from->offset[i]));
        } else {
            qn_ids_format(from, i, text, (size_t)size);
            place[i] = qn_ids_find(to, text);
        }
    }
    *map = place;
    place = NULL;
done:
    qn_free(place);
    qn_free(text);
    return st;
}
