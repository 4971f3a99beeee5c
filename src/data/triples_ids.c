/* From the ids of the splits to dictionaries in ascending order over all ranks, and to indices. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_sort.h"
#include "data/triples_impl.h"
#include "engine/comm.h"

/* Ids that lie this close are marked in a bitmap instead of being sorted. */
#define BITMAP_MAX_RANGE ((uint64_t)1 << 28)

static inline int64_t raw_id(const qn_raw_ids *ids, int64_t i)
{
    return ids->wide ? ids->wide[i] : ids->narrow[i];
}

/* Finds the index of a number: by bitmap and counts, or by hash where the numbers lie far apart. */
typedef struct number_finder {
    uint64_t base;         /* least id */
    _Atomic uint64_t *bit; /* [n_words], NULL: by hash */
    uint32_t *before;      /* [n_words] ids in the words before */
    int64_t n_words;
    uint32_t *slot; /* [n_slots] 1 + index, a power of two */
    int64_t n_slots;
    const int64_t *number;
} number_finder;

typedef struct number_job {
    qn_context *ctx;
    qn_raw *raw;
    int32_t side;
    int64_t (*range)[2]; /* [n_splits] least and greatest of each split */
    uint64_t **distinct; /* [n_splits] by sorting */
    int64_t *n_distinct;
    number_finder find;
    uint32_t *index;
    uint32_t **text_index; /* [n_threads] texts: from the set of a thread to the dictionary */
} number_job;

static qn_status range_of_split(void *arg, int64_t s, int32_t thread)
{
    number_job *job = arg;
    const qn_raw_split *split = &job->raw->split[s];
    int64_t least = INT64_MAX, greatest = INT64_MIN;

    (void)thread;
    for (int64_t i = 0; i < split->n; i++) {
        const int64_t id = raw_id(&split->side[job->side], i);

        least = id < least ? id : least;
        greatest = id > greatest ? id : greatest;
    }
    job->range[s][0] = least;
    job->range[s][1] = greatest;
    return QN_OK;
}

static qn_status find_range(number_job *job, int64_t *least, int64_t *greatest)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    *least = INT64_MAX;
    *greatest = INT64_MIN;
    QN_TRY_ALL(qn_parallel(ctx, job->raw->n_splits, range_of_split, job));
    for (int64_t s = 0; s < job->raw->n_splits; s++) {
        *least = job->range[s][0] < *least ? job->range[s][0] : *least;
        *greatest = job->range[s][1] > *greatest ? job->range[s][1] : *greatest;
    }
    QN_TRY(qn_comm_min_int64(ctx, least, 1));
    QN_TRY(qn_comm_max_int64(ctx, greatest, 1));
done:
    return st;
}

/* Looks before it writes: most ids have been seen, and reading does not move cache lines about. */
static inline void mark(number_finder *find, int64_t id)
{
    const uint64_t place = (uint64_t)id - find->base;
    const uint64_t bit = (uint64_t)1 << (place & 63);
    _Atomic uint64_t *word = &find->bit[place >> 6];

    if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
}

static qn_status mark_split(void *arg, int64_t s, int32_t thread)
{
    number_job *job = arg;
    const qn_raw_split *split = &job->raw->split[s];

    (void)thread;
    for (int64_t i = 0; i < split->n; i++)
        mark(&job->find, raw_id(&split->side[job->side], i));
    return QN_OK;
}

static qn_status sort_split(void *arg, int64_t s, int32_t thread)
{
    number_job *job = arg;
    qn_context *ctx = job->ctx;
    const qn_raw_split *split = &job->raw->split[s];
    qn_status st = QN_OK;
    uint64_t *scratch = NULL;

    (void)thread;
    QN_NEW(ctx, job->distinct[s], split->n, "distinct ids");
    QN_NEW(ctx, scratch, split->n, "distinct ids");
    for (int64_t i = 0; i < split->n; i++)
        job->distinct[s][i] = qn_int64_order(raw_id(&split->side[job->side], i));
    qn_sort_keys(job->distinct[s], split->n, scratch);
    job->n_distinct[s] = qn_keys_unique(job->distinct[s], split->n);
    QN_GROW(ctx, job->distinct[s], job->n_distinct[s], "distinct ids");
done:
    qn_free(scratch);
    return st;
}

/* Distinct ids of this rank, as ordered keys. */
static qn_status distinct_by_bitmap(number_job *job, uint64_t **keys, int64_t *n)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    number_finder *find = &job->find;

    QN_NEW0(ctx, find->bit, find->n_words, "map of ids");
    QN_TRY(qn_parallel(ctx, job->raw->n_splits, mark_split, job));
    *n = 0;
    for (int64_t w = 0; w < find->n_words; w++)
        *n += __builtin_popcountll(find->bit[w]);
    QN_NEW(ctx, *keys, *n, "distinct ids");
    *n = 0;
    for (int64_t w = 0; w < find->n_words; w++)
        for (uint64_t bits = find->bit[w]; bits; bits &= bits - 1)
            (*keys)[(*n)++] =
                qn_int64_order((int64_t)(find->base + (uint64_t)(64 * w + __builtin_ctzll(bits))));
done:
    return st;
}

static qn_status sort_unique(qn_context *ctx, uint64_t *keys, int64_t *n)
{
    qn_status st = QN_OK;
    uint64_t *scratch = NULL;

    if (!qn_keys_ascend(keys, *n)) {
        QN_NEW(ctx, scratch, *n, "distinct ids");
        qn_sort_keys(keys, *n, scratch);
    }
    *n = qn_keys_unique(keys, *n);
done:
    qn_free(scratch);
    return st;
}

static qn_status distinct_by_sorting(number_job *job, uint64_t **keys, int64_t *n)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    *n = 0;
    QN_TRY(qn_parallel(ctx, job->raw->n_splits, sort_split, job));
    for (int64_t s = 0; s < job->raw->n_splits; s++)
        *n += job->n_distinct[s];
    QN_NEW(ctx, *keys, *n, "distinct ids");
    *n = 0;
    for (int64_t s = 0; s < job->raw->n_splits; s++) {
        memcpy(*keys + *n, job->distinct[s], (size_t)job->n_distinct[s] * sizeof **keys);
        *n += job->n_distinct[s];
    }
    QN_TRY(sort_unique(ctx, *keys, n));
done:
    return st;
}

/* From the ordered keys of all ranks to the dictionary. */
static qn_status number_ids(qn_context *ctx, uint64_t *keys, int64_t n, qn_id_type type,
                            qn_ids *ids)
{
    qn_status st = QN_OK;

    QN_TRY(sort_unique(ctx, keys, &n));
    if (n >= (int64_t)UINT32_MAX)
        return qn_fail(ctx, QN_EDATA, "more than 4 billion distinct ids");
    QN_NEW(ctx, ids->number, n, "ids");
    for (int64_t i = 0; i < n; i++)
        ids->number[i] = qn_int64_of_order(keys[i]);
    ids->n = n;
    ids->type = type;
    if (type == QN_ID_AUTO)
        ids->type = n == 0 || (ids->number[0] >= INT32_MIN && ids->number[n - 1] <= INT32_MAX)
                        ? QN_ID_INT32
                        : QN_ID_INT64;
done:
    return st;
}

static uint64_t number_hash(int64_t number)
{
    return XXH3_64bits(&number, sizeof number);
}

static qn_status finder_finish(qn_context *ctx, number_finder *find, const qn_ids *ids)
{
    qn_status st = QN_OK;
    uint32_t before = 0;

    find->number = ids->number;
    if (find->bit) {
        QN_NEW(ctx, find->before, find->n_words, "map of ids");
        for (int64_t i = 0; i < ids->n; i++)
            mark(find, ids->number[i]);
        for (int64_t w = 0; w < find->n_words; w++) {
            find->before[w] = before;
            before += (uint32_t)__builtin_popcountll(find->bit[w]);
        }
        return QN_OK;
    }
    for (find->n_slots = 64; find->n_slots < 2 * ids->n;)
        find->n_slots *= 2;
    QN_NEW0(ctx, find->slot, find->n_slots, "table of ids");
    for (int64_t i = 0; i < ids->n; i++) {
        uint64_t at = number_hash(ids->number[i]) & (uint64_t)(find->n_slots - 1);

        while (find->slot[at])
            at = (at + 1) & (uint64_t)(find->n_slots - 1);
        find->slot[at] = (uint32_t)(i + 1);
    }
done:
    return st;
}

static inline uint32_t finder_index(const number_finder *find, int64_t id)
{
    if (find->bit) {
        const uint64_t place = (uint64_t)id - find->base;
        const uint64_t word = atomic_load_explicit(&find->bit[place >> 6], memory_order_relaxed);
        const uint64_t below = word & (((uint64_t)1 << (place & 63)) - 1);

        return find->before[place >> 6] + (uint32_t)__builtin_popcountll(below);
    }
    for (uint64_t at = number_hash(id);; at++) {
        const uint32_t slot = find->slot[at & (uint64_t)(find->n_slots - 1)];

        if (slot && find->number[slot - 1] == id)
            return slot - 1;
    }
}

static void free_side(qn_raw_ids *ids)
{
    qn_free(ids->narrow);
    qn_free(ids->wide);
    *ids = (qn_raw_ids){0};
}

static qn_status index_numbers(void *arg, int64_t s, int32_t thread)
{
    number_job *job = arg;
    qn_raw_split *split = &job->raw->split[s];
    uint32_t *out = job->index + split->first;

    (void)thread;
    for (int64_t i = 0; i < split->n; i++)
        out[i] = finder_index(&job->find, raw_id(&split->side[job->side], i));
    free_side(&split->side[job->side]);
    return QN_OK;
}

static qn_status index_texts(void *arg, int64_t s, int32_t thread)
{
    number_job *job = arg;
    qn_raw_split *split = &job->raw->split[s];
    const uint32_t *map = job->text_index[split->thread];
    uint32_t *out = job->index + split->first;

    (void)thread;
    for (int64_t i = 0; i < split->n; i++)
        out[i] = map[split->side[job->side].narrow[i]];
    free_side(&split->side[job->side]);
    return QN_OK;
}

static void number_job_release(number_job *job)
{
    for (int64_t s = 0; job->distinct && s < job->raw->n_splits; s++)
        qn_free(job->distinct[s]);
    for (int32_t t = 0; job->text_index && t < job->raw->n_threads; t++)
        qn_free(job->text_index[t]);
    qn_free(job->range);
    qn_free(job->distinct);
    qn_free(job->n_distinct);
    qn_free(job->find.bit);
    qn_free(job->find.before);
    qn_free(job->find.slot);
    qn_free(job->text_index);
    qn_free(job->index);
}

static qn_status prepare_numbers(number_job *job)
{
    qn_context *ctx = job->ctx;
    const int64_t n_splits = job->raw->n_splits;
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->range, n_splits, "distinct ids");
    QN_NEW0(ctx, job->distinct, n_splits, "distinct ids");
    QN_NEW0(ctx, job->n_distinct, n_splits, "distinct ids");
    QN_NEW(ctx, job->index, job->raw->n_rows, "indices of ids");
done:
    return st;
}

/* A bitmap pays while it is not much larger than the rows themselves. */
static bool bitmap_pays(uint64_t range, int64_t n_rows)
{
    return range < BITMAP_MAX_RANGE && range / 64 <= (uint64_t)n_rows + 1024;
}

static qn_status index_side_numbers(number_job *job, qn_ids *ids)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    int64_t least = 0, greatest = 0, n = 0;
    uint64_t *keys = NULL, *all = NULL;
    size_t n_all = 0;

    QN_TRY_ALL(prepare_numbers(job));
    QN_TRY(find_range(job, &least, &greatest));
    job->find.base = (uint64_t)least;
    if (least <= greatest && bitmap_pays((uint64_t)greatest - (uint64_t)least, job->raw->n_rows)) {
        job->find.n_words = (greatest - least) / 64 + 1;
        st = distinct_by_bitmap(job, &keys, &n);
    } else {
        st = distinct_by_sorting(job, &keys, &n);
    }
    QN_TRY_ALL(st);
    QN_TRY(qn_comm_allgather(ctx, keys, (size_t)n * sizeof *keys, (void **)&all, &n_all));
    QN_TRY_ALL(
        number_ids(ctx, all, (int64_t)(n_all / sizeof *all), job->raw->type[job->side], ids));
    QN_TRY_ALL(finder_finish(ctx, &job->find, ids));
    QN_TRY_ALL(qn_parallel(ctx, job->raw->n_splits, index_numbers, job));
done:
    qn_free(keys);
    qn_free(all);
    return st;
}

/* One set of the texts of all threads of this rank. */
static qn_status join_texts(qn_context *ctx, const qn_raw *raw, int32_t side, qn_text_set *joined)
{
    qn_status st = QN_OK;
    uint32_t number = 0;

    for (int32_t t = 0; t < raw->n_threads; t++) {
        const qn_text_set *set = &raw->texts[side][t];

        for (int64_t i = 0; i < set->n; i++)
            QN_TRY(qn_text_set_add(ctx, joined, set->text + set->offset[i],
                                   (size_t)(set->offset[i + 1] - set->offset[i]), &number));
    }
done:
    return st;
}

static int compare_in_set(const void *a, const void *b, void *arg)
{
    const qn_text_set *set = arg;
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const int64_t n = set->offset[i + 1] - set->offset[i], m = set->offset[j + 1] - set->offset[j];
    const int order =
        memcmp(set->text + set->offset[i], set->text + set->offset[j], (size_t)(n < m ? n : m));

    return order != 0 ? order : (n > m) - (n < m);
}

/* The dictionary of a set: its texts in byte order. */
static qn_status text_ids(qn_context *ctx, qn_text_set *set, qn_ids *ids)
{
    qn_status st = QN_OK;
    uint32_t *order = NULL;

    ids->type = QN_ID_STRING;
    QN_NEW(ctx, order, set->n, "order of text ids");
    for (int64_t i = 0; i < set->n; i++)
        order[i] = (uint32_t)i;
    if (set->n > 1)
        qsort_r(order, (size_t)set->n, sizeof *order, compare_in_set, set);
    QN_NEW(ctx, ids->offset, set->n + 1, "text ids");
    QN_NEW(ctx, ids->text, set->bytes, "text ids");
    ids->offset[0] = 0;
    for (int64_t i = 0; i < set->n; i++) {
        const int64_t start = set->offset[order[i]], n = set->offset[order[i] + 1] - start;

        if (n > 0)
            memcpy(ids->text + ids->offset[i], set->text + start, (size_t)n);
        ids->offset[i + 1] = ids->offset[i] + n;
    }
    ids->n = set->n;
done:
    qn_free(order);
    return st;
}

/* Adds texts that lie behind one another, with their lengths. */
static qn_status add_gathered(qn_context *ctx, qn_text_set *set, const char *text,
                              const int64_t *length, int64_t n)
{
    qn_status st = QN_OK;
    uint32_t number = 0;

    for (int64_t i = 0; i < n; i++) {
        QN_TRY(qn_text_set_add(ctx, set, text, (size_t)length[i], &number));
        text += length[i];
    }
done:
    return st;
}

/* Texts of all ranks; `set` holds those of this one. */
static qn_status gather_texts(qn_context *ctx, qn_text_set *set)
{
    qn_status st = QN_OK;
    int64_t *length = NULL, *lengths = NULL;
    char *texts = NULL;
    size_t n_bytes = 0, n_lengths = 0;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&length, set->n, sizeof *length, "text ids"));
    for (int64_t i = 0; i < set->n; i++)
        length[i] = set->offset[i + 1] - set->offset[i];
    QN_TRY(qn_comm_allgather(ctx, length, (size_t)set->n * sizeof *length, (void **)&lengths,
                             &n_lengths));
    QN_TRY(qn_comm_allgather(ctx, set->text, (size_t)set->bytes, (void **)&texts, &n_bytes));
    QN_TRY_ALL(add_gathered(ctx, set, texts, lengths, (int64_t)(n_lengths / sizeof *lengths)));
done:
    qn_free(length);
    qn_free(lengths);
    qn_free(texts);
    return st;
}

typedef struct text_map_job {
    qn_context *ctx;
    const qn_text_set *set; /* of each thread */
    const qn_ids *ids;
    uint32_t **map;
} text_map_job;

static qn_status map_thread(void *arg, int64_t t, int32_t thread)
{
    text_map_job *job = arg;
    const qn_text_set *set = &job->set[t];
    qn_status st = qn_alloc_array(job->ctx, (void **)&job->map[t], set->n, sizeof **job->map,
                                  "indices of text ids");

    (void)thread;
    for (int64_t i = 0; st == QN_OK && i < set->n; i++)
        job->map[t][i] = (uint32_t)qn_ids_find_text(job->ids, set->text + set->offset[i],
                                                    (size_t)(set->offset[i + 1] - set->offset[i]));
    return st;
}

static qn_status index_side_texts(number_job *job, qn_ids *ids)
{
    qn_context *ctx = job->ctx;
    qn_raw *raw = job->raw;
    qn_status st = QN_OK;
    qn_text_set all = {0};
    text_map_job map = {.ctx = ctx, .set = raw->texts[job->side], .ids = ids};

    QN_TRY_ALL(join_texts(ctx, raw, job->side, &all));
    QN_TRY(gather_texts(ctx, &all));
    QN_TRY_ALL(text_ids(ctx, &all, ids));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&job->text_index, raw->n_threads,
                               sizeof *job->text_index, "indices of text ids"));
    map.map = job->text_index;
    QN_TRY_ALL(qn_parallel(ctx, raw->n_threads, map_thread, &map));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&job->index, raw->n_rows, sizeof *job->index,
                              "indices of ids"));
    QN_TRY_ALL(qn_parallel(ctx, raw->n_splits, index_texts, job));
done:
    qn_text_set_release(&all);
    return st;
}

qn_status qn_raw_index(qn_context *ctx, qn_raw *raw, int32_t side, qn_ids *ids, uint32_t **index)
{
    number_job job = {.ctx = ctx, .raw = raw, .side = side};
    qn_ids made = {0};
    qn_status st;

    *index = NULL;
    *ids = (qn_ids){0};
    st = raw->type[side] == QN_ID_STRING ? index_side_texts(&job, &made)
                                         : index_side_numbers(&job, &made);
    if (st == QN_OK) {
        *index = job.index;
        job.index = NULL;
        *ids = made;
        made = (qn_ids){0};
    }
    qn_ids_release(&made);
    number_job_release(&job);
    return st;
}
