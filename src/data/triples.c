#include "data/triples.h"

#include <stdatomic.h>
#include <string.h>

#define XXH_INLINE_ALL /* a record is 24 bytes: the call would cost more than the hash */
#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/triples_impl.h"
#include "engine/comm.h"

/* Rows that a task works through at once. */
#define CHUNK ((int64_t)1 << 16)

void qn_triples_free(qn_triples *triples)
{
    if (!triples)
        return;
    qn_ids_release(&triples->users);
    qn_ids_release(&triples->items);
    qn_free(triples->user);
    qn_free(triples->item);
    qn_free(triples->value);
    qn_free(triples->time);
    qn_free(triples);
}

static int64_t n_chunks(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

static int64_t chunk_end(int64_t chunk, int64_t n)
{
    return (chunk + 1) * CHUNK < n ? (chunk + 1) * CHUNK : n;
}

int64_t qn_triples_n_blocks(const qn_triples *t)
{
    return n_chunks(t->n);
}

qn_status qn_triples_pin(qn_context *ctx, const qn_triples *t, int64_t block, qn_triples_view *view)
{
    const int64_t first = block * CHUNK;

    (void)ctx;
    *view = (qn_triples_view){.first = first,
                              .n = chunk_end(block, t->n) - first,
                              .user = t->user + first,
                              .item = t->item + first,
                              .value = t->value + first,
                              .time = t->time ? t->time + first : NULL};
    return QN_OK;
}

void qn_triples_unpin(const qn_triples *t, int64_t block)
{
    (void)t;
    (void)block;
}

/* ---- fingerprint ---- */

typedef struct fingerprint_job {
    const qn_triples *triples;
    _Atomic uint64_t sum;
} fingerprint_job;

/* A number is its own key; of a text it is the hash of its bytes. */
static int64_t id_key(const qn_ids *ids, uint32_t index)
{
    if (ids->type != QN_ID_STRING)
        return ids->number[index];
    return (int64_t)XXH3_64bits(ids->text + ids->offset[index],
                                (size_t)(ids->offset[index + 1] - ids->offset[index]));
}

/* The record of a rating: keys of user and item and the bits of the rating, 8 bytes each. */
static uint64_t hash_record(const qn_triples *t, int64_t i)
{
    uint64_t record[3] = {(uint64_t)id_key(&t->users, t->user[i]),
                          (uint64_t)id_key(&t->items, t->item[i]), 0};
    uint32_t bits;

    memcpy(&bits, &t->value[i], sizeof bits);
    record[2] = bits;
    return XXH3_64bits(record, sizeof record);
}

static qn_status fingerprint_chunk(void *arg, int64_t chunk, int32_t thread)
{
    fingerprint_job *job = arg;
    const int64_t end = chunk_end(chunk, job->triples->n);
    uint64_t sum = 0;

    (void)thread;
    for (int64_t i = chunk * CHUNK; i < end; i++)
        sum += hash_record(job->triples, i);
    atomic_fetch_add_explicit(&job->sum, sum, memory_order_relaxed);
    return QN_OK;
}

qn_status qn_triples_fingerprint(qn_context *ctx, const qn_triples *triples, uint64_t *fingerprint)
{
    fingerprint_job job = {.triples = triples};
    qn_status st = QN_OK;
    int64_t sum = 0;

    *fingerprint = 0;
    QN_TRY_ALL(qn_parallel(ctx, n_chunks(triples->n), fingerprint_chunk, &job));
    sum = (int64_t)job.sum;
    QN_TRY(qn_comm_sum_int64(ctx, &sum, 1));
    *fingerprint = (uint64_t)sum;
done:
    return st;
}

/* ---- taking rows ---- */

typedef struct take_job {
    const qn_triples *from;
    const uint8_t *part;
    uint8_t keep;
    int64_t *first; /* [n_chunks + 1] place of the first row that a chunk gives */
    qn_triples *to;
    const uint32_t *new_index[2]; /* NULL: as before */
} take_job;

static bool is_taken(const take_job *job, int64_t i)
{
    return !job->part || job->part[i] == job->keep;
}

static qn_status count_chunk(void *arg, int64_t chunk, int32_t thread)
{
    take_job *job = arg;
    const int64_t end = chunk_end(chunk, job->from->n);
    int64_t n = 0;

    (void)thread;
    for (int64_t i = chunk * CHUNK; i < end; i++)
        n += is_taken(job, i);
    job->first[chunk + 1] = n;
    return QN_OK;
}

static qn_status take_chunk(void *arg, int64_t chunk, int32_t thread)
{
    take_job *job = arg;
    const qn_triples *from = job->from;
    const int64_t end = chunk_end(chunk, from->n);
    int64_t at = job->first[chunk];

    (void)thread;
    for (int64_t i = chunk * CHUNK; i < end; i++) {
        if (!is_taken(job, i))
            continue;
        job->to->user[at] = job->new_index[0] ? job->new_index[0][from->user[i]] : from->user[i];
        job->to->item[at] = job->new_index[1] ? job->new_index[1][from->item[i]] : from->item[i];
        job->to->value[at] = from->value[i];
        if (from->time)
            job->to->time[at] = from->time[i];
        at++;
    }
    return QN_OK;
}

/* Bits of the ids of one side that occur in rows that are taken, on any rank. Collective. */
static qn_status mark_used(qn_context *ctx, const take_job *job, const uint32_t *index,
                           int64_t n_ids, uint64_t **used)
{
    const int64_t n_words = n_ids / 64 + 1;
    qn_status st = QN_OK;
    uint64_t *all = NULL;
    size_t bytes = 0;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)used, n_words, sizeof **used, "ids in use"));
    for (int64_t i = 0; i < job->from->n; i++)
        if (is_taken(job, i))
            (*used)[index[i] >> 6] |= (uint64_t)1 << (index[i] & 63);
    QN_TRY(qn_comm_allgather(ctx, *used, (size_t)n_words * sizeof **used, (void **)&all, &bytes));
    for (int64_t w = 0; w < (int64_t)(bytes / sizeof *all); w++)
        (*used)[w % n_words] |= all[w];
done:
    qn_free(all);
    return st;
}

/* The dictionary of the ids in use, and where each old index goes. */
static qn_status compact_ids(qn_context *ctx, const qn_ids *from, const uint64_t *used, qn_ids *to,
                             uint32_t **new_index)
{
    const bool is_text = from->type == QN_ID_STRING;
    qn_status st = QN_OK;
    int64_t bytes = 0;

    to->type = from->type;
    QN_NEW(ctx, *new_index, from->n, "indices of ids");
    for (int64_t i = 0; i < from->n; i++) {
        (*new_index)[i] = (uint32_t)to->n;
        if (!((used[i >> 6] >> (i & 63)) & 1))
            continue;
        to->n++;
        bytes += is_text ? from->offset[i + 1] - from->offset[i] : 0;
    }
    if (is_text) {
        QN_NEW(ctx, to->text, bytes, "text ids");
        QN_NEW0(ctx, to->offset, to->n + 1, "text ids");
    } else {
        QN_NEW(ctx, to->number, to->n, "ids");
    }
    for (int64_t i = 0, at = 0; i < from->n; i++) {
        if (!((used[i >> 6] >> (i & 63)) & 1))
            continue;
        if (is_text) {
            const int64_t n = from->offset[i + 1] - from->offset[i];

            memcpy(to->text + to->offset[at], from->text + from->offset[i], (size_t)n);
            to->offset[at + 1] = to->offset[at] + n;
        } else {
            to->number[at] = from->number[i];
        }
        at++;
    }
done:
    return st;
}

/* Dictionaries of the new triples. Collective. */
static qn_status take_ids(qn_context *ctx, take_job *job, bool compact, uint32_t *map[2])
{
    const qn_triples *from = job->from;
    const uint32_t *index[2] = {from->user, from->item};
    const qn_ids *old[2] = {&from->users, &from->items};
    qn_ids *made[2] = {&job->to->users, &job->to->items};
    qn_status st = QN_OK;
    uint64_t *used = NULL;

    for (int32_t side = 0; side < 2; side++) {
        if (!compact) {
            QN_TRY_ALL(qn_ids_copy(ctx, old[side], made[side]));
            continue;
        }
        QN_TRY(mark_used(ctx, job, index[side], old[side]->n, &used));
        QN_TRY_ALL(compact_ids(ctx, old[side], used, made[side], &map[side]));
        job->new_index[side] = map[side];
        qn_free(used);
        used = NULL;
    }
done:
    qn_free(used);
    return st;
}

static qn_status take_rows(qn_context *ctx, take_job *job)
{
    const qn_triples *from = job->from;
    qn_triples *to = job->to;
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->first, n_chunks(from->n) + 1, "rows taken");
    QN_TRY(qn_parallel(ctx, n_chunks(from->n), count_chunk, job));
    for (int64_t c = 0; c < n_chunks(from->n); c++)
        job->first[c + 1] += job->first[c];
    to->n = job->first[n_chunks(from->n)];
    to->counts = from->counts;
    QN_NEW(ctx, to->user, to->n, "ratings");
    QN_NEW(ctx, to->item, to->n, "ratings");
    QN_NEW(ctx, to->value, to->n, "ratings");
    if (from->time)
        QN_NEW(ctx, to->time, to->n, "times of ratings");
    QN_TRY(qn_parallel(ctx, n_chunks(from->n), take_chunk, job));
done:
    return st;
}

qn_status qn_triples_take(qn_context *ctx, const qn_triples *from, const uint8_t *part,
                          uint8_t keep, bool compact, qn_triples **out)
{
    take_job job = {.from = from, .part = part, .keep = keep};
    uint32_t *map[2] = {NULL, NULL};
    qn_status st = QN_OK;

    *out = NULL;
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&job.to, 1, sizeof *job.to, "ratings"));
    QN_TRY(take_ids(ctx, &job, compact, map));
    QN_TRY_ALL(take_rows(ctx, &job));
    *out = job.to;
    job.to = NULL;
done:
    qn_free(job.first);
    qn_free(map[0]);
    qn_free(map[1]);
    qn_triples_free(job.to);
    return st;
}

/* ---- the ids of another dictionary ---- */

/* Place of each id of `from` in `to`, or -1. Ids of different types meet by their text. */
static qn_status map_ids(qn_context *ctx, const qn_ids *from, const qn_ids *to, int64_t **map)
{
    qn_status st = QN_OK;
    const bool same = (from->type == QN_ID_STRING) == (to->type == QN_ID_STRING);
    char *text = NULL;
    int64_t size = 32;

    QN_NEW(ctx, *map, from->n, "map of ids");
    for (int64_t i = 0; from->offset && i < from->n; i++)
        if (from->offset[i + 1] - from->offset[i] >= size)
            size = from->offset[i + 1] - from->offset[i] + 1;
    QN_NEW(ctx, text, size, "map of ids");
    for (int64_t i = 0; i < from->n; i++) {
        if (same && from->type != QN_ID_STRING) {
            (*map)[i] = qn_ids_find_number(to, from->number[i]);
        } else if (same) {
            (*map)[i] = qn_ids_find_text(to, from->text + from->offset[i],
                                         (size_t)(from->offset[i + 1] - from->offset[i]));
        } else {
            qn_ids_format(from, i, text, (size_t)size);
            (*map)[i] = qn_ids_find(to, text);
        }
    }
done:
    qn_free(text);
    return st;
}

qn_status qn_triples_map(qn_context *ctx, const qn_triples *triples, const qn_ids *users,
                         const qn_ids *items, int64_t *user, int64_t *item)
{
    qn_status st = QN_OK;
    int64_t *user_map = NULL, *item_map = NULL;

    QN_TRY(map_ids(ctx, &triples->users, users, &user_map));
    QN_TRY(map_ids(ctx, &triples->items, items, &item_map));
    for (int64_t i = 0; i < triples->n; i++) {
        user[i] = user_map[triples->user[i]];
        item[i] = item_map[triples->item[i]];
    }
done:
    qn_free(user_map);
    qn_free(item_map);
    return st;
}
