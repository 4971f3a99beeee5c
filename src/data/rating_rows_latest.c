/* The latest rating of each (movie, user), over all parts: rows of one pair lie in as many parts as
 * it has months. All new rows are merged by pair, whatever their part, together with the stored
 * rows of the same pairs; where the latest of a pair lies in another part than a row of it, that
 * part is told the winner. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "data/rating_rows_stream.h"

#define FILTER_BITS_ROW 16
#define FILTER_MIN      ((size_t)1 << 12) /* bits */

/* A set of pairs that may say yes by mistake. */
typedef struct filter {
    uint64_t *bit;
    uint64_t mask; /* bits - 1 */
} filter;

static uint64_t pair_hash(const qn_rating_row *row)
{
    uint64_t x = qn_row_key_of(row).high;

    x = (x ^ x >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    x = (x ^ x >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 32;
}

static void filter_add(const filter *f, const qn_rating_row *row)
{
    const uint64_t h = pair_hash(row), a = h & f->mask, b = h >> 20 & f->mask;

    f->bit[a / 64] |= UINT64_C(1) << (a % 64);
    f->bit[b / 64] |= UINT64_C(1) << (b % 64);
}

static bool filter_has(const filter *f, const qn_rating_row *row)
{
    const uint64_t h = pair_hash(row), a = h & f->mask, b = h >> 20 & f->mask;

    return (f->bit[a / 64] >> (a % 64) & 1) && (f->bit[b / 64] >> (b % 64) & 1);
}

typedef struct latest {
    const qn_rows_latest *job;
    filter filter;
    qn_row_pile *stored; /* rows of the files that the filter lets through */
} latest;

/* All runs of a pile (NULL: none), whatever their part. */
static qn_status add_all(qn_context *ctx, qn_row_merge *merge, const qn_row_pile *pile)
{
    const int32_t *part;
    int64_t n_parts;
    qn_status st = QN_OK;

    if (!pile)
        return QN_OK;
    qn_row_pile_parts(pile, &part, &n_parts);
    merge->room = qn_row_pile_memory(pile) / 4 / (size_t)(n_parts > 0 ? n_parts : 1) + 1;
    for (int64_t i = 0; i < n_parts; i++)
        QN_TRY(qn_row_merge_add_part(ctx, merge, qn_row_pile_find(pile, part[i])));
done:
    return st;
}

static qn_status fill_filter(const latest *l, const qn_row_pile *pile)
{
    qn_context *ctx = l->job->ctx;
    qn_row_merge merge = {0};
    int64_t n = 0;
    qn_status st = QN_OK;

    QN_TRY(add_all(ctx, &merge, pile));
    QN_TRY(qn_row_merge_start(ctx, &merge));
    do {
        const qn_rating_row *row;

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_row_merge_next(ctx, &merge, &row, &n));
        for (int64_t i = 0; i < n; i++)
            filter_add(&l->filter, &row[i]);
    } while (n > 0);
done:
    qn_row_merge_release(&merge);
    return st;
}

static qn_status scan_file(void *arg, int64_t task, int32_t thread)
{
    const latest *l = arg;
    qn_context *ctx = l->job->ctx;
    qn_rows_reader reader = l->job->model;
    qn_status st = QN_OK;

    reader.file = &l->job->file[task];
    reader.n_files = 1;
    reader.first_number = task;
    for (;;) {
        const qn_rating_row *row;
        int64_t n;

        QN_TRY(qn_rows_reader_next(ctx, &reader, &row, &n));
        if (n == 0)
            break;
        for (int64_t i = 0; i < n; i++)
            if (l->job->everything || filter_has(&l->filter, &row[i]))
                QN_TRY(qn_row_pile_add(ctx, l->stored, thread, &row[i], 1));
    }
done:
    qn_rows_reader_release(&reader);
    return st;
}

/* Stored rows of the pairs that have new ones. */
static qn_status scan_stored(latest *l)
{
    const qn_rows_latest *job = l->job;
    size_t wanted = 0, bits = FILTER_MIN;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < 2 && !job->everything; i++)
        wanted += job->pile[i] ? (size_t)qn_row_pile_rows(job->pile[i]) * FILTER_BITS_ROW : 0;
    while (bits < wanted && bits / 8 < job->memory / 2)
        bits *= 2;
    l->filter.mask = bits - 1;
    QN_NEW0(job->ctx, l->filter.bit, (int64_t)(bits / 64), "pairs of movies and users");
    for (int32_t i = 0; i < 2 && !job->everything; i++)
        QN_TRY(fill_filter(l, job->pile[i]));
    QN_TRY(qn_parallel(job->ctx, job->n_files, scan_file, l));
done:
    qn_free(l->filter.bit);
    l->filter.bit = NULL;
    return st;
}

/* Rows of one pair, all parts: each part but the winner's is told once. */
static qn_status tell_parts(qn_context *ctx, const latest *l, qn_rating_row *group, int64_t n,
                            qn_row_pile *losing)
{
    const int32_t by = l->job->partition_by;
    const qn_rating_row *best = &group[0];
    int32_t winner_part, told;
    qn_status st = QN_OK;

    for (int64_t i = 1; i < n; i++)
        if (qn_row_beats(&group[i], best))
            best = &group[i];
    /* Dates ascend, and so do parts. */
    winner_part = told = qn_dataset_part(by, best->days);
    for (int64_t i = 0; i < n; i++) {
        const int32_t part = qn_dataset_part(by, group[i].days);

        if (part != told && part != winner_part)
            QN_TRY(qn_row_pile_add_to(ctx, losing, 0, part, best));
        told = part;
    }
done:
    return st;
}

static qn_status tell_all(latest *l, qn_row_merge *merge, qn_row_pile *losing)
{
    qn_context *ctx = l->job->ctx;
    qn_rating_row *group = NULL;
    int64_t n_group = 0, capacity = 0, n = 0;
    qn_status st = QN_OK;

    do {
        const qn_rating_row *row;

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_row_merge_next(ctx, merge, &row, &n));
        for (int64_t i = 0; i < n; i++) {
            if (n_group > 0 && qn_row_key_of(&group[0]).high != qn_row_key_of(&row[i]).high) {
                if (n_group > 1)
                    QN_TRY(tell_parts(ctx, l, group, n_group, losing));
                n_group = 0;
            }
            if (n_group == capacity) {
                QN_GROW(ctx, group, 2 * capacity + 64, "ratings of one movie by one user");
                capacity = 2 * capacity + 64;
            }
            group[n_group++] = row[i];
        }
    } while (n > 0);
    if (n_group > 1)
        QN_TRY(tell_parts(ctx, l, group, n_group, losing));
done:
    qn_free(group);
    return st;
}

qn_status qn_rows_find_losing(const qn_rows_latest *job, qn_row_pile **losing)
{
    qn_context *ctx = job->ctx;
    latest l = {.job = job};
    qn_row_merge merge = {0};
    qn_row_pile *found = NULL;
    const int32_t *part;
    int64_t n;
    qn_status st = QN_OK;

    *losing = NULL;
    QN_TRY(qn_row_pile_create(ctx, job->partition_by, job->memory / 2, job->scratch, &l.stored));
    QN_TRY(qn_row_pile_create(ctx, job->partition_by, job->memory / 2, job->scratch, &found));
    if (job->n_files > 0)
        QN_TRY(scan_stored(&l));
    QN_TRY(qn_row_pile_close(ctx, l.stored, &part, &n));
    QN_TRY(add_all(ctx, &merge, job->pile[0]));
    QN_TRY(add_all(ctx, &merge, job->pile[1]));
    QN_TRY(add_all(ctx, &merge, l.stored));
    QN_TRY(qn_row_merge_start(ctx, &merge));
    QN_TRY(tell_all(&l, &merge, found));
    QN_TRY(qn_row_pile_close(ctx, found, &part, &n));
    *losing = found;
    found = NULL;
done:
    qn_row_merge_release(&merge);
    qn_row_pile_free(l.stored);
    qn_row_pile_free(found);
    return st;
}
