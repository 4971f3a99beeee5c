/* From ids as they were read to dictionaries in ascending order over all ranks, and to indices. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_sort.h"
#include "data/triples_blocks.h"
#include "data/triples_impl.h"
#include "engine/comm.h"

/* Finds the index of a number: by bitmap and counts, or by hash where the numbers lie far apart. Of
 * a text: by its number in the set of the thread that read it. */
typedef struct finder {
    uint64_t base;    /* least id */
    uint64_t *bit;    /* [n_words], NULL: by hash */
    uint32_t *before; /* [n_words] ids in the words before */
    int64_t n_words;
    uint32_t *slot; /* [n_slots] 1 + index, a power of two */
    int64_t n_slots;
    const int64_t *number;
    uint32_t **text; /* [n_threads] texts: from the set of a thread to the dictionary */
    int32_t n_threads;
} finder;

void qn_raw_side_release(qn_raw_side *side)
{
    for (int32_t t = 0; t < side->n_threads; t++) {
        if (side->texts)
            qn_text_set_release(&side->texts[t]);
        if (side->numbers)
            qn_number_set_release(&side->numbers[t]);
    }
    qn_free(side->texts);
    qn_free(side->numbers);
    *side = (qn_raw_side){0};
}

static void finder_release(finder *find)
{
    for (int32_t t = 0; find->text && t < find->n_threads; t++)
        qn_free(find->text[t]);
    qn_free(find->text);
    qn_free(find->bit);
    qn_free(find->before);
    qn_free(find->slot);
}

/* ---- numbers ---- */

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

/* A bitmap is faster, and pays while it is not much larger than a table. */
static bool bitmap_pays(uint64_t range, int64_t n_ids)
{
    return range / 64 < ((uint64_t)1 << 16) + 8 * (uint64_t)n_ids;
}

static qn_status find_by_bits(qn_context *ctx, const qn_ids *ids, finder *find)
{
    qn_status st = QN_OK;
    uint32_t before = 0;

    find->base = (uint64_t)ids->number[0];
    find->n_words = (int64_t)(((uint64_t)ids->number[ids->n - 1] - find->base) / 64) + 1;
    QN_NEW0(ctx, find->bit, find->n_words, "map of ids");
    QN_NEW(ctx, find->before, find->n_words, "map of ids");
    for (int64_t i = 0; i < ids->n; i++) {
        const uint64_t place = (uint64_t)ids->number[i] - find->base;

        find->bit[place >> 6] |= (uint64_t)1 << (place & 63);
    }
    for (int64_t w = 0; w < find->n_words; w++) {
        find->before[w] = before;
        before += (uint32_t)__builtin_popcountll(find->bit[w]);
    }
done:
    return st;
}

static qn_status find_by_hash(qn_context *ctx, const qn_ids *ids, finder *find)
{
    qn_status st = QN_OK;

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

static qn_status finder_make(qn_context *ctx, const qn_ids *ids, finder *find)
{
    find->number = ids->number;
    if (ids->n > 0 &&
        bitmap_pays((uint64_t)ids->number[ids->n - 1] - (uint64_t)ids->number[0], ids->n))
        return find_by_bits(ctx, ids, find);
    return find_by_hash(ctx, ids, find);
}

static inline uint32_t find_bit(const finder *find, int64_t id)
{
    const uint64_t place = (uint64_t)id - find->base;
    const uint64_t below = find->bit[place >> 6] & (((uint64_t)1 << (place & 63)) - 1);

    return find->before[place >> 6] + (uint32_t)__builtin_popcountll(below);
}

static inline uint32_t find_hash(const finder *find, int64_t id)
{
    for (uint64_t at = number_hash(id);; at++) {
        const uint32_t slot = find->slot[at & (uint64_t)(find->n_slots - 1)];

        if (slot && find->number[slot - 1] == id)
            return slot - 1;
    }
}

/* Dictionary and finder of one side. Collective. */
static qn_status open_numbers(qn_context *ctx, qn_raw_side *side, qn_ids *ids, finder *find)
{
    qn_status st = QN_OK;
    uint64_t *keys = NULL, *all = NULL;
    int64_t n = 0;
    size_t n_all = 0;

    QN_TRY_ALL(qn_number_sets_join(ctx, side->numbers, side->n_threads, &keys, &n));
    QN_TRY(qn_comm_allgather(ctx, keys, (size_t)n * sizeof *keys, (void **)&all, &n_all));
    QN_TRY_ALL(number_ids(ctx, all, (int64_t)(n_all / sizeof *all), side->type, ids));
    QN_TRY_ALL(finder_make(ctx, ids, find));
done:
    qn_free(keys);
    qn_free(all);
    return st;
}

/* ---- texts ---- */

/* One set of the texts of all threads of this rank. */
static qn_status join_texts(qn_context *ctx, const qn_raw_side *side, qn_text_set *joined)
{
    qn_status st = QN_OK;
    uint32_t number = 0;

    for (int32_t t = 0; t < side->n_threads; t++) {
        const qn_text_set *set = &side->texts[t];

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

static qn_status open_texts(qn_context *ctx, qn_raw_side *side, qn_ids *ids, finder *find)
{
    qn_status st = QN_OK;
    qn_text_set all = {0};
    text_map_job map = {.ctx = ctx, .set = side->texts, .ids = ids};

    find->n_threads = side->n_threads;
    QN_TRY_ALL(join_texts(ctx, side, &all));
    QN_TRY(gather_texts(ctx, &all));
    QN_TRY_ALL(text_ids(ctx, &all, ids));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&find->text, side->n_threads, sizeof *find->text,
                               "indices of text ids"));
    map.map = find->text;
    QN_TRY_ALL(qn_parallel(ctx, side->n_threads, map_thread, &map));
done:
    qn_text_set_release(&all);
    return st;
}

/* ---- rows ---- */

typedef struct index_job {
    qn_context *ctx;
    const qn_triples *raw;
    qn_triples *out;
    finder find[2];
    qn_row_run *run; /* [blocks] */
} index_job;

static inline int64_t raw_id(const void *ids, bool is_wide, int64_t i)
{
    return is_wide ? ((const int64_t *)ids)[i] : ((const int32_t *)ids)[i];
}

static void index_ids(const finder *find, const qn_row_block *block, int32_t side, const void *ids,
                      uint32_t *out)
{
    const bool is_wide = block->is_wide[side];
    const int64_t n = block->n;

    if (find->text) {
        for (int64_t i = 0; i < n; i++)
            out[i] = find->text[block->thread][((const uint32_t *)ids)[i]];
    } else if (find->bit && !is_wide) {
        for (int64_t i = 0; i < n; i++)
            out[i] = find_bit(find, ((const int32_t *)ids)[i]);
    } else {
        for (int64_t i = 0; i < n; i++) {
            const int64_t id = raw_id(ids, is_wide, i);

            out[i] = find->bit ? find_bit(find, id) : find_hash(find, id);
        }
    }
}

static qn_status index_block(void *arg, int64_t b, int32_t thread)
{
    index_job *job = arg;
    const qn_row_block *block = &job->raw->block[b];
    qn_row_run *run = &job->run[b];
    qn_row_columns from;
    qn_status st = QN_OK;

    (void)thread;
    QN_TRY(qn_row_block_pin(job->ctx, job->raw, b, &from));
    st = qn_row_run_open(job->ctx, job->out, run, block->n);
    if (st == QN_OK) {
        for (int32_t side = 0; side < 2; side++)
            index_ids(&job->find[side], block, side, from.id[side], run->columns.id[side]);
        memcpy(run->columns.value, from.value, (size_t)block->n * sizeof *from.value);
        if (from.time)
            memcpy(run->columns.time, from.time, (size_t)block->n * sizeof *from.time);
        run->used = block->n;
    }
    qn_triples_unpin(job->raw, b);
    QN_TRY(st);
    qn_row_block_drop(job->raw, b);
    QN_TRY(qn_row_run_end(job->ctx, job->out, run));
done:
    return st;
}

static qn_status index_rows(index_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->run, job->raw->n_blocks, "blocks of ratings");
    QN_TRY(qn_triples_read_ahead(ctx, job->raw));
    QN_TRY(qn_parallel(ctx, job->raw->n_blocks, index_block, job));
    QN_TRY(qn_row_runs_join(ctx, job->out, job->run, job->raw->n_blocks));
done:
    return st;
}

qn_status qn_triples_index(qn_context *ctx, const qn_triples *raw, qn_raw_side sides[2],
                           qn_triples *out)
{
    qn_ids *ids[2] = {&out->users, &out->items};
    index_job job = {.ctx = ctx, .raw = raw, .out = out};
    qn_status st = QN_OK;

    for (int32_t s = 0; s < 2; s++) {
        if (sides[s].type == QN_ID_STRING)
            QN_TRY(open_texts(ctx, &sides[s], ids[s], &job.find[s]));
        else
            QN_TRY(open_numbers(ctx, &sides[s], ids[s], &job.find[s]));
        qn_raw_side_release(&sides[s]);
    }
    QN_TRY_ALL(index_rows(&job));
done:
    for (int64_t b = 0; job.run && b < raw->n_blocks; b++)
        qn_row_run_release(&job.run[b]);
    qn_free(job.run);
    for (int32_t s = 0; s < 2; s++)
        finder_release(&job.find[s]);
    return st;
}
