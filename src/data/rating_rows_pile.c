/* Collects rows by part, thread by thread; closing sorts what is in memory. */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "data/rating_rows_pile.h"

#define BLOCK_BYTES    ((size_t)16 << 10)
#define BLOCK_ROWS_MIN 8
#define SLAB_BYTES     ((size_t)4 << 20)
#define SORT_ROWS_MAX  ((int64_t)1 << 20)

static size_t block_bytes(const qn_row_pile *pile)
{
    return sizeof(qn_row_block) + (size_t)pile->block_rows * sizeof(qn_rating_row);
}

/* An eighth of the memory is for sorting: two rooms a thread, of as many rows as a part has if that
 * fits. */
static void pile_sizes(qn_row_pile *pile)
{
    const size_t share = pile->memory / (size_t)pile->threads;
    size_t bytes = share / 64 < BLOCK_BYTES ? share / 64 : BLOCK_BYTES;
    size_t slab;

    pile->block_rows = ((int64_t)bytes - (int64_t)sizeof(qn_row_block)) / 24;
    if (pile->block_rows < BLOCK_ROWS_MIN)
        pile->block_rows = BLOCK_ROWS_MIN;
    pile->sort_rows = (int64_t)(share / 8 / (2 * sizeof(qn_rating_row)));
    if (pile->sort_rows > SORT_ROWS_MAX)
        pile->sort_rows = SORT_ROWS_MAX;
    if (pile->sort_rows < pile->block_rows)
        pile->sort_rows = pile->block_rows;
    bytes = share - 2 * sizeof(qn_rating_row) * (size_t)pile->sort_rows;
    if (bytes > share) /* there is hardly any */
        bytes = 0;
    slab = bytes / 4 < SLAB_BYTES ? bytes / 4 : SLAB_BYTES;
    pile->slab_blocks = (int64_t)(slab / block_bytes(pile));
    if (pile->slab_blocks < 1)
        pile->slab_blocks = 1;
    slab = (size_t)pile->slab_blocks * block_bytes(pile);
    pile->max_slabs = (int64_t)(bytes * (size_t)pile->threads / slab);
}

qn_status qn_row_pile_create(qn_context *ctx, int32_t partition_by, size_t memory,
                             const char *scratch, qn_row_pile **out)
{
    qn_row_pile *pile = NULL;
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, pile, 1, "a pile of rows");
    pile->partition_by = partition_by;
    pile->threads = qn_context_threads(ctx);
    pile->memory = memory;
    pile_sizes(pile);
    if (scratch)
        QN_TRY(qn_strdup(ctx, scratch, &pile->scratch));
    QN_NEW0(ctx, pile->thread, pile->threads, "a pile of rows");
    for (int32_t i = 0; i < pile->threads; i++) {
        pile->thread[i].fd = -1;
        for (int32_t d = 0; d < QN_PILE_DAYS; d++)
            pile->thread[i].day[d].at = -1;
    }
    *out = pile;
    pile = NULL;
done:
    qn_row_pile_free(pile);
    return st;
}

static void thread_release(qn_pile_thread *thread)
{
    for (int64_t i = 0; i < thread->n_slabs; i++)
        qn_free(thread->slab[i]);
    qn_free(thread->slab);
    qn_free(thread->part);
    qn_free(thread->slot);
    qn_free(thread->spilled);
    qn_pile_room_free(thread);
    if (thread->fd >= 0)
        close(thread->fd);
    free(thread->path);
}

void qn_row_pile_free(qn_row_pile *pile)
{
    if (!pile)
        return;
    for (int32_t i = 0; pile->thread && i < pile->threads; i++)
        thread_release(&pile->thread[i]);
    for (int64_t i = 0; pile->part && i < pile->n_parts; i++)
        qn_free(pile->part[i].run);
    qn_free(pile->part);
    qn_free(pile->name);
    qn_free(pile->thread);
    qn_free(pile->scratch);
    qn_free(pile);
}

static void slots_put(qn_pile_thread *thread, int32_t at)
{
    uint64_t i = (uint32_t)thread->part[at].part * UINT64_C(0x9E3779B97F4A7C15) >> 32;

    for (;; i++) {
        int32_t *slot = &thread->slot[i & (uint64_t)(thread->n_slots - 1)];

        if (*slot < 0) {
            *slot = at;
            return;
        }
    }
}

static int32_t slots_find(const qn_pile_thread *thread, int32_t part)
{
    uint64_t i = (uint32_t)part * UINT64_C(0x9E3779B97F4A7C15) >> 32;

    for (; thread->n_slots > 0; i++) {
        const int32_t at = thread->slot[i & (uint64_t)(thread->n_slots - 1)];

        if (at < 0 || thread->part[at].part == part)
            return at;
    }
    return -1;
}

/* Index of a part, which is added if it is new. */
static qn_status part_index(qn_context *ctx, qn_pile_thread *thread, int32_t part, int32_t *at)
{
    qn_status st = QN_OK;

    *at = slots_find(thread, part);
    if (*at >= 0)
        return QN_OK;
    if (thread->n_parts == thread->part_capacity) {
        const int64_t capacity = 2 * thread->part_capacity + 64;
        const int64_t n_slots = thread->n_slots ? 2 * thread->n_slots : 256;
        int32_t *slot;

        QN_GROW(ctx, thread->part, capacity, "parts of rows");
        thread->part_capacity = capacity;
        QN_NEW(ctx, slot, n_slots, "parts of rows");
        memset(slot, -1, (size_t)n_slots * sizeof *slot);
        qn_free(thread->slot);
        thread->slot = slot;
        thread->n_slots = n_slots;
        for (int32_t i = 0; i < thread->n_parts; i++)
            slots_put(thread, i);
    }
    *at = (int32_t)thread->n_parts++;
    thread->part[*at] = (qn_pile_part){.part = part};
    slots_put(thread, *at);
done:
    return st;
}

/* A slab more, if the pile has the memory; each thread may have one. */
static qn_status slab_add(qn_context *ctx, qn_row_pile *pile, qn_pile_thread *thread, bool *is_full)
{
    qn_status st = QN_OK;

    *is_full = atomic_fetch_add(&pile->n_slabs, 1) + pile->threads > pile->max_slabs &&
               thread->n_slabs > 0;
    if (*is_full) {
        atomic_fetch_sub(&pile->n_slabs, 1);
        return QN_OK;
    }
    if (thread->n_slabs == thread->slab_capacity) {
        QN_GROW(ctx, thread->slab, 2 * thread->slab_capacity + 16, "rows");
        thread->slab_capacity = 2 * thread->slab_capacity + 16;
    }
    QN_TRY(qn_alloc_array(ctx, &thread->slab[thread->n_slabs], pile->slab_blocks, block_bytes(pile),
                          "rows"));
    thread->n_slabs++;
    thread->fresh = pile->slab_blocks;
done:
    return st;
}

/* An empty block behind those of a part. */
static qn_status block_add(qn_context *ctx, qn_row_pile *pile, qn_pile_thread *thread, int32_t at,
                           qn_row_block **out)
{
    qn_row_block *block = thread->idle;
    qn_pile_part *part;
    bool is_full = false;
    qn_status st = QN_OK;

    if (!block && thread->fresh == 0)
        QN_TRY(slab_add(ctx, pile, thread, &is_full));
    if (is_full) {
        QN_TRY(qn_pile_spill(ctx, pile, thread));
        block = thread->idle;
    }
    if (block) {
        thread->idle = block->next;
    } else {
        const int64_t i = pile->slab_blocks - thread->fresh--;

        block = (qn_row_block *)((char *)thread->slab[thread->n_slabs - 1] +
                                 (size_t)i * block_bytes(pile));
    }
    block->next = NULL;
    block->n = 0;
    part = &thread->part[at];
    if (part->last)
        part->last->next = block;
    else
        part->first = block;
    part->last = block;
    *out = block;
done:
    return st;
}

static qn_status put_row(qn_context *ctx, qn_row_pile *pile, qn_pile_thread *thread, int32_t at,
                         const qn_rating_row *row)
{
    qn_row_block *block = thread->part[at].last;
    qn_status st = QN_OK;

    if (!block || block->n == pile->block_rows)
        QN_TRY(block_add(ctx, pile, thread, at, &block));
    block->row[block->n++] = *row;
    thread->rows++;
done:
    return st;
}

qn_status qn_row_pile_add(qn_context *ctx, qn_row_pile *pile, int32_t number,
                          const qn_rating_row *row, int64_t n)
{
    qn_pile_thread *thread = &pile->thread[number];
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        qn_pile_day *day = &thread->day[row[i].days & (QN_PILE_DAYS - 1)];

        if (day->days != row[i].days || day->at < 0) {
            int32_t at;

            QN_TRY(part_index(ctx, thread, qn_dataset_part(pile->partition_by, row[i].days), &at));
            *day = (qn_pile_day){row[i].days, at};
        }
        QN_TRY(put_row(ctx, pile, thread, day->at, &row[i]));
    }
done:
    return st;
}

qn_status qn_row_pile_add_to(qn_context *ctx, qn_row_pile *pile, int32_t number, int32_t part,
                             const qn_rating_row *row)
{
    qn_pile_thread *thread = &pile->thread[number];
    int32_t at;
    qn_status st;

    QN_TRY(part_index(ctx, thread, part, &at));
    QN_TRY(put_row(ctx, pile, thread, at, row));
done:
    return st;
}

/* ---- closing ---- */

static int compare_int32(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

/* The parts of all threads, each once, ascending. */
static qn_status list_parts(qn_context *ctx, qn_row_pile *pile)
{
    int64_t n = 0;
    qn_status st = QN_OK;

    for (int32_t t = 0; t < pile->threads; t++)
        n += pile->thread[t].n_parts;
    QN_NEW(ctx, pile->name, n, "parts of rows");
    n = 0;
    for (int32_t t = 0; t < pile->threads; t++)
        for (int64_t i = 0; i < pile->thread[t].n_parts; i++)
            pile->name[n++] = pile->thread[t].part[i].part;
    qsort(pile->name, (size_t)n, sizeof *pile->name, compare_int32);
    QN_NEW0(ctx, pile->part, n, "parts of rows");
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || pile->name[i] != pile->name[i - 1]) {
            pile->name[pile->n_parts] = pile->name[i];
            pile->part[pile->n_parts++].part = pile->name[i];
        }
done:
    return st;
}

static int compare_part(const void *key, const void *element)
{
    return compare_int32(key, &((const qn_row_part *)element)->part);
}

const qn_row_part *qn_row_pile_find(const qn_row_pile *pile, int32_t part)
{
    return pile->n_parts
               ? bsearch(&part, pile->part, (size_t)pile->n_parts, sizeof *pile->part, compare_part)
               : NULL;
}

static qn_status run_add(qn_context *ctx, qn_row_pile *pile, int32_t part, const qn_row_run *run)
{
    qn_row_part *found = (qn_row_part *)qn_row_pile_find(pile, part);
    qn_status st = QN_OK;

    if (found->n_runs == found->run_capacity) {
        QN_GROW(ctx, found->run, 2 * found->run_capacity + 4, "runs of rows");
        found->run_capacity = 2 * found->run_capacity + 4;
    }
    found->run[found->n_runs++] = *run;
    found->rows += run->rows;
done:
    return st;
}

/* All that one part has in memory becomes one list of blocks, cut into runs that can be sorted. */
static qn_status list_memory_runs(qn_context *ctx, qn_row_pile *pile, int64_t p)
{
    qn_row_run run = {0};
    qn_row_block *last = NULL;
    qn_status st = QN_OK;

    for (int32_t t = 0; t < pile->threads; t++) {
        qn_pile_thread *thread = &pile->thread[t];
        const int32_t at = slots_find(thread, pile->name[p]);

        for (qn_row_block *b = at < 0 ? NULL : thread->part[at].first; b; b = b->next) {
            if (run.rows + b->n > pile->sort_rows) {
                QN_TRY(run_add(ctx, pile, pile->name[p], &run));
                run = (qn_row_run){0};
                last = NULL;
            }
            if (last)
                last->next = b;
            else
                run.block = b;
            last = b;
            run.rows += b->n;
        }
    }
    if (run.rows > 0)
        QN_TRY(run_add(ctx, pile, pile->name[p], &run));
done:
    return st;
}

static qn_status list_runs(qn_context *ctx, qn_row_pile *pile)
{
    qn_status st = QN_OK;

    for (int32_t t = 0; t < pile->threads; t++) {
        const qn_pile_thread *thread = &pile->thread[t];

        pile->rows += thread->rows;
        for (int64_t i = 0; i < thread->n_spilled; i++) {
            const qn_pile_spilled *s = &thread->spilled[i];

            QN_TRY(run_add(ctx, pile, s->part,
                           &(qn_row_run){.rows = s->rows, .fd = thread->fd, .offset = s->offset}));
        }
    }
    for (int64_t p = 0; p < pile->n_parts; p++)
        QN_TRY(list_memory_runs(ctx, pile, p));
done:
    return st;
}

/* Runs in memory, for sorting on all threads. */
typedef struct sorting {
    qn_context *ctx;
    qn_row_pile *pile;
    qn_row_run **run;
    int64_t n;
} sorting;

static qn_status sort_run(void *arg, int64_t task, int32_t number)
{
    const sorting *job = arg;
    const qn_row_run *run = job->run[task];
    qn_pile_thread *thread = &job->pile->thread[number];
    qn_status st;

    QN_TRY(qn_pile_room(job->ctx, job->pile, thread));
    qn_rows_sort(run->block, run->rows, thread->room);
done:
    return st;
}

static int compare_run(const void *a, const void *b)
{
    const qn_row_run *x = *(qn_row_run *const *)a, *y = *(qn_row_run *const *)b;

    return (x->rows < y->rows) - (x->rows > y->rows);
}

/* The largest first. */
static qn_status sort_runs(qn_context *ctx, qn_row_pile *pile)
{
    sorting job = {.ctx = ctx, .pile = pile};
    qn_status st = QN_OK;

    for (int64_t p = 0; p < pile->n_parts; p++)
        job.n += pile->part[p].n_runs;
    QN_NEW(ctx, job.run, job.n, "runs of rows");
    job.n = 0;
    for (int64_t p = 0; p < pile->n_parts; p++)
        for (int64_t i = 0; i < pile->part[p].n_runs; i++)
            if (pile->part[p].run[i].block)
                job.run[job.n++] = &pile->part[p].run[i];
    qsort(job.run, (size_t)job.n, sizeof *job.run, compare_run);
    if (job.n > 0 && job.run[0]->rows < pile->sort_rows)
        pile->sort_rows = job.run[0]->rows; /* less room will do */
    for (int32_t t = 0; t < pile->threads; t++)
        qn_pile_room_free(&pile->thread[t]);
    QN_TRY(qn_parallel(ctx, job.n, sort_run, &job));
done:
    for (int32_t t = 0; t < pile->threads; t++)
        qn_pile_room_free(&pile->thread[t]);
    qn_free(job.run);
    return st;
}

qn_status qn_row_pile_close(qn_context *ctx, qn_row_pile *pile, const int32_t **part,
                            int64_t *n_parts)
{
    qn_status st = QN_OK;

    *part = NULL;
    *n_parts = 0;
    QN_TRY(list_parts(ctx, pile));
    QN_TRY(list_runs(ctx, pile));
    QN_TRY(sort_runs(ctx, pile));
    *part = pile->name;
    *n_parts = pile->n_parts;
done:
    return st;
}

int64_t qn_row_pile_rows(const qn_row_pile *pile)
{
    return pile->rows;
}

int64_t qn_row_pile_part_rows(const qn_row_pile *pile, int32_t part)
{
    const qn_row_part *found = qn_row_pile_find(pile, part);

    return found ? found->rows : 0;
}

int64_t qn_row_pile_spilled(const qn_row_pile *pile)
{
    int64_t bytes = 0;

    for (int32_t t = 0; t < pile->threads; t++)
        bytes += pile->thread[t].file_bytes;
    return bytes;
}

const char *qn_row_pile_scratch(const qn_row_pile *pile)
{
    return pile->scratch;
}

size_t qn_row_pile_memory(const qn_row_pile *pile)
{
    return pile->memory;
}

int32_t qn_row_pile_partition(const qn_row_pile *pile)
{
    return pile->partition_by;
}

void qn_row_pile_parts(const qn_row_pile *pile, const int32_t **part, int64_t *n_parts)
{
    *part = pile->name;
    *n_parts = pile->n_parts;
}
