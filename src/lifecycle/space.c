#include "lifecycle/space.h"

#include <math.h>
#include <stdio.h>

#include "base/context.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"

/* What a rating is reckoned with in Spark, and how often the factors' making holds all of them. */
#define RAW_BYTES         32
#define ESTIMATE_MULTIPLE 3

static void measure_cut(const qn_orientation *o, qn_cut *cut)
{
    const qn_partitioning *p = o->partitioning;
    double squares = 0;

    *cut = (qn_cut){.n = p->n_partitions};
    for (int64_t i = 0; i < p->n_partitions; i++) {
        const int64_t n = p->partition[i].n_entries;

        cut->records += n;
        cut->least = i == 0 || n < cut->least ? n : cut->least;
        cut->most = n > cut->most ? n : cut->most;
    }
    if (cut->n == 0)
        return;
    cut->mean = (double)cut->records / (double)cut->n;
    for (int64_t i = 0; i < p->n_partitions; i++) {
        const double off = (double)p->partition[i].n_entries - cut->mean;

        squares += off * off;
    }
    cut->deviation = sqrt(squares / (double)cut->n);
    cut->skew = cut->mean > 0 ? (double)cut->most / cut->mean : 0;
}

void qn_space_estimate(const qn_context *ctx, const qn_ratings *ratings, qn_space *space)
{
    *space = (qn_space){
        .raw_bytes = ratings->n_ratings * RAW_BYTES,
        .estimated_bytes = ratings->n_ratings * RAW_BYTES * ESTIMATE_MULTIPLE,
        .limit_bytes = (int64_t)qn_context_memory(ctx),
    };
    measure_cut(&ratings->by_user, &space->users);
    measure_cut(&ratings->by_item, &space->items);
}

/* Adds what this rank holds of an orientation: bytes in all, in memory, on disk. */
static void add_store(const qn_store *store, int64_t bytes[3])
{
    bytes[0] += (int64_t)qn_store_get_stats(store).bytes;
    for (int64_t b = 0; b < qn_store_n_blocks(store); b++) {
        size_t memory = 0, disk = 0;

        qn_store_block_place(store, b, &memory, &disk);
        bytes[1] += (int64_t)memory;
        bytes[2] += (int64_t)disk;
    }
}

qn_status qn_space_measure(qn_context *ctx, const qn_ratings *ratings, const qn_als_model *model,
                           qn_space *space)
{
    int64_t bytes[3] = {0};
    qn_status st = QN_OK;

    add_store(ratings->by_user.store, bytes);
    add_store(ratings->by_item.store, bytes);
    QN_TRY(qn_comm_sum_int64(ctx, bytes, 3));
    space->ratings_bytes = bytes[0];
    space->memory_bytes = bytes[1];
    space->disk_bytes = bytes[2];
    space->factors_bytes =
        (model->users.n + model->items.n) * model->stride * (int64_t)sizeof(float);
done:
    return st;
}

static void emit_cut(qn_context *ctx, const char *side, const qn_orientation *o, const qn_cut *cut)
{
    char name[8][48];
    static const char *const member[] = {"count", "records", "min",  "max",
                                         "mean",  "std",     "skew", "sizes[]"};

    for (int32_t i = 0; i < 8; i++)
        snprintf(name[i], sizeof name[i], "partitions.%s.%s", side, member[i]);
    qn_emit_count(ctx, name[0], cut->n);
    qn_emit_count(ctx, name[1], cut->records);
    qn_emit_count(ctx, name[2], cut->least);
    qn_emit_count(ctx, name[3], cut->most);
    qn_emit_metric(ctx, name[4], cut->mean, "rows");
    qn_emit_metric(ctx, name[5], cut->deviation, "rows");
    qn_emit_metric(ctx, name[6], cut->skew, "share");
    for (int64_t p = 0; p < cut->n; p++)
        qn_emit_count(ctx, name[7], o->partitioning->partition[p].n_entries);
}

void qn_space_emit_cuts(qn_context *ctx, const qn_ratings *ratings, const qn_space *space)
{
    emit_cut(ctx, "users", &ratings->by_user, &space->users);
    emit_cut(ctx, "items", &ratings->by_item, &space->items);
}

static double share_of(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

void qn_space_emit_memory(qn_context *ctx, const qn_space *s)
{
    qn_emit_count(ctx, "memory.raw_bytes", s->raw_bytes);
    qn_emit_count(ctx, "memory.estimated_bytes", s->estimated_bytes);
    qn_emit_count(ctx, "memory.limit_bytes", s->limit_bytes);
    qn_emit_metric(ctx, "memory.estimated_share", share_of(s->estimated_bytes, s->limit_bytes),
                   "share");
    qn_emit_count(ctx, "memory.ratings_bytes", s->ratings_bytes);
    qn_emit_count(ctx, "memory.ratings_in_memory_bytes", s->memory_bytes);
    qn_emit_count(ctx, "memory.ratings_on_disk_bytes", s->disk_bytes);
    qn_emit_count(ctx, "memory.factors_bytes", s->factors_bytes);
    qn_emit_metric(ctx, "memory.measured_multiple",
                   share_of(s->ratings_bytes + s->factors_bytes, s->raw_bytes), "share");
}
