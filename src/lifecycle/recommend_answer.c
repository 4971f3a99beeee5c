/* The answers of `recommend`, a batch of rows at a time: shared out over the ranks, gathered on
 * rank 0 in the order of the rows. */
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "lifecycle/recommend_impl.h"

/* Of a batch, for each rank: bounds what is held, whatever the number of rows. */
#define ROWS_AT_ONCE ((int64_t)1024)
/* Bytes of a batch: fewer where little of a rank's budget is left. */
#define BATCH_BYTES     ((int64_t)32 << 20)
#define BATCH_MIN_BYTES ((int64_t)1 << 20)

/* What a rank finds for a slot. */
typedef struct answer {
    int64_t other; /* -1: none left */
    float score;
    int32_t n_reasons;
} answer;

typedef struct answering {
    recommend_job *job;
    qn_context *ctx;
    int32_t k, most;            /* slots of a row, reasons of a slot */
    int64_t most_entries;       /* ratings of a batch, for each rank */
    int64_t most_rows;          /* of a batch, for all ranks together: rank 0 holds their lines */
    int64_t first, n;           /* rows of the batch */
    int64_t my_first, my_n;     /* of them this rank's */
    int64_t *index;             /* [my rows x k] */
    float *score;               /* [my rows x k] */
    answer *mine;               /* [my rows x k] */
    qn_reason_found *my_reason; /* [my rows x k x most] */
    answer *all;                /* [n x k] on rank 0 */
    qn_reason_found *reason;    /* [n x k x most] on rank 0 */
    int64_t my_room, all_room;  /* rows that there is room for */
    size_t *bytes;              /* [ranks] */
    int64_t n_lines;            /* of this rank */
} answering;

/* ---- folding in ---- */

/* Rank r has the rows from n * r / ranks. */
static int64_t first_of(int64_t n, int32_t rank, int32_t n_ranks)
{
    return n * rank / n_ranks;
}

static qn_status fold_rows(recommend_job *job, int64_t first, int64_t n)
{
    const qn_als_seen *rated = &job->rated;
    const int64_t stride = job->model->stride;
    qn_context *ctx = job->ctx;
    int64_t *other = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, other, rated->start[n], "ratings of new rows");
    for (int64_t i = 0; i < rated->start[n]; i++)
        other[i] = rated->other[i];
    for (int64_t r = 0; r < n; r++) {
        const int64_t start = rated->start[r];

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_als_fold_in(ctx, job->model, job->side, rated->start[r + 1] - start,
                              other + start, rated->rating + start,
                              job->folded + (first + r) * stride));
    }
done:
    qn_free(other);
    return st;
}

/* Collective. */
static qn_status share_folded(recommend_job *job, int64_t n)
{
    const size_t row_bytes = (size_t)job->model->stride * sizeof *job->folded;
    const int32_t rank = qn_rank(job->ctx), n_ranks = qn_size(job->ctx);
    qn_context *ctx = job->ctx;
    size_t *bytes = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&bytes, n_ranks, sizeof *bytes, "sizes of workers"));
    for (int32_t r = 0; r < n_ranks; r++)
        bytes[r] = (size_t)(first_of(n, r + 1, n_ranks) - first_of(n, r, n_ranks)) * row_bytes;
    QN_TRY(qn_comm_allgatherv(ctx, job->folded + first_of(n, rank, n_ranks) * job->model->stride,
                              bytes[rank], job->folded, bytes));
done:
    qn_free(bytes);
    return st;
}

qn_status qn_recommend_fold_in(recommend_job *job)
{
    const bool is_user = job->side == QN_SIDE_USER;
    const int32_t rank = qn_rank(job->ctx), n_ranks = qn_size(job->ctx);
    const int64_t n = job->new_ids.n;
    const int64_t first = first_of(n, rank, n_ranks), end = first_of(n, rank + 1, n_ranks);
    qn_context *ctx = job->ctx;
    int64_t row[ROWS_AT_ONCE];
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&job->folded, n * job->model->stride,
                               sizeof *job->folded, "factors of new rows"));
    for (int64_t done = 0; done <= n / n_ranks; done += ROWS_AT_ONCE) {
        const int64_t left = end - first - done;
        const int64_t some = left < 0 ? 0 : left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;

        for (int64_t i = 0; i < some; i++)
            row[i] = first + done + i;
        QN_TRY(qn_als_seen_take(ctx, &job->rated, row, some));
        QN_TRY_ALL(fold_rows(job, first + done, some));
    }
    QN_TRY(share_folded(job, n));
    if (is_user)
        job->view.user_factors = job->folded;
    else
        job->view.item_factors = job->folded;
done:
    return st;
}

/* ---- a batch ---- */

/* The next rows, the same on every rank: at least one, with lists and ratings that there is room
 * for. */
static void next_batch(answering *a)
{
    const recommend_job *job = a->job;
    const int64_t n_ranks = qn_size(a->ctx);
    int64_t entries = 0;

    for (a->n = 0; a->first + a->n < job->n && a->n < a->most_rows; a->n++) {
        entries += job->seen ? qn_als_seen_most(&job->rated, job->row[a->first + a->n]) : 0;
        if (a->n > 0 && entries > a->most_entries * n_ranks)
            break;
    }
    a->my_first = a->first + first_of(a->n, qn_rank(a->ctx), (int32_t)n_ranks);
    a->my_n = a->first + first_of(a->n, qn_rank(a->ctx) + 1, (int32_t)n_ranks) - a->my_first;
}

static qn_status make_room(answering *a)
{
    qn_context *ctx = a->ctx;
    qn_status st = QN_OK;

    if (a->my_n > a->my_room) {
        QN_GROW(ctx, a->index, a->my_n * a->k, "recommendations");
        QN_GROW(ctx, a->score, a->my_n * a->k, "recommendations");
        QN_GROW(ctx, a->mine, a->my_n * a->k, "recommendations");
        QN_GROW(ctx, a->my_reason, a->my_n * a->k * a->most, "reasons");
        a->my_room = a->my_n;
    }
    if (qn_rank(ctx) == 0 && a->n > a->all_room) {
        QN_GROW(ctx, a->all, a->n * a->k, "recommendations");
        QN_GROW(ctx, a->reason, a->n * a->k * a->most, "reasons");
        a->all_room = a->n;
    }
done:
    return st;
}

static qn_status find_reasons(answering *a, int64_t r, int64_t slot)
{
    qn_reasons *reasons = &a->job->reasons;
    qn_status st = QN_OK;

    QN_TRY(qn_reasons_find(a->ctx, reasons, &a->job->rated, r, a->mine[slot].other, false));
    a->mine[slot].n_reasons = reasons->n;
    memset(a->my_reason + slot * a->most, 0, (size_t)a->most * sizeof *a->my_reason);
    memcpy(a->my_reason + slot * a->most, reasons->found,
           (size_t)reasons->n * sizeof *a->my_reason);
done:
    return st;
}

/* This rank's part. */
static qn_status answer_rows(answering *a)
{
    const recommend_job *job = a->job;
    qn_context *ctx = a->ctx;
    qn_status st = QN_OK;

    QN_TRY(make_room(a));
    QN_TRY(qn_als_recommend_unseen(ctx, &job->view, job->side, job->row + a->my_first, a->my_n,
                                   a->k, (qn_ties)job->options->ties,
                                   job->seen ? &job->rated : NULL, a->index, a->score));
    for (int64_t slot = 0; slot < a->my_n * a->k; slot++) {
        a->mine[slot] = (answer){a->index[slot], a->score[slot], 0};
        a->n_lines += a->index[slot] >= 0;
        if (a->most > 0 && a->index[slot] >= 0)
            QN_TRY(find_reasons(a, slot / a->k, slot));
    }
done:
    return st;
}

/* Each rank's records of a batch to rank 0. Collective. */
static qn_status gather(answering *a, const void *mine, size_t row_bytes, void *all)
{
    const int32_t rank = qn_rank(a->ctx), n_ranks = qn_size(a->ctx);

    for (int32_t r = 0; r < n_ranks; r++)
        a->bytes[r] =
            (size_t)(first_of(a->n, r + 1, n_ranks) - first_of(a->n, r, n_ranks)) * row_bytes;
    return qn_comm_gather(a->ctx, mine, a->bytes[rank], all, a->bytes, 0);
}

/* ---- lines ---- */

static qn_status write_row(answering *a, int64_t row, const answer *slot,
                           const qn_reason_found *reason)
{
    recommend_job *job = a->job;
    const bool is_user = job->side == QN_SIDE_USER;
    const qn_ids *ids = is_user ? &job->view.users : &job->view.items;
    const qn_ids *others = is_user ? &job->view.items : &job->view.users;
    char id[256], other[256];
    qn_status st = QN_OK;

    qn_ids_format(ids, row, id, sizeof id);
    for (int32_t i = 0; i < a->k && slot[i].other >= 0; i++) {
        qn_recommendation line = {
            .side = job->side,
            .id = id,
            .other = other,
            .id_is_number = ids->type != QN_ID_STRING,
            .other_is_number = others->type != QN_ID_STRING,
            .id_title = is_user ? NULL : qn_title(job->titles, row),
            .title = is_user ? qn_title(job->titles, slot[i].other) : NULL,
            .rank = i + 1,
            .score = slot[i].score,
        };

        qn_ids_format(others, slot[i].other, other, sizeof other);
        if (a->most > 0) {
            qn_reasons_tell(&job->reasons, job->titles, reason + (int64_t)i * a->most,
                            slot[i].n_reasons);
            line.reason = job->reasons.reason;
            line.n_reasons = slot[i].n_reasons;
        }
        QN_TRY(qn_line_out_add(a->ctx, job->out, &line));
    }
done:
    return st;
}

/* The lines of the batch, in the order of its rows, which is that of the ranks. */
static qn_status write_rows(answering *a)
{
    const recommend_job *job = a->job;
    qn_status st = QN_OK;

    for (int64_t r = 0; job->out && r < a->n; r++)
        QN_TRY(write_row(a, job->row[a->first + r], a->all + r * a->k,
                         a->reason + r * a->k * a->most));
done:
    return st;
}

static void tell_progress(const answering *a)
{
    qn_emit(a->ctx, &(qn_event){.kind = QN_EVENT_PROGRESS,
                                .rank = qn_rank(a->ctx),
                                .name = "recommend",
                                .done = a->first + a->n,
                                .total = a->job->n,
                                .rows = a->first + a->n});
}

static qn_status prepare(answering *a)
{
    const qn_recommend_options *o = a->job->options;
    recommend_job *job = a->job;
    qn_context *ctx = a->ctx;
    qn_status st = QN_OK;

    a->k = o->k;
    a->most = job->most_reasons;
    QN_NEW(ctx, a->bytes, qn_size(ctx), "sizes of workers");
    QN_TRY(qn_reasons_open(ctx, &job->view, a->most, &job->reasons));
done:
    return st;
}

/* By the rank that has the least left. Collective. */
static qn_status measure_batches(answering *a)
{
    qn_context *ctx = a->ctx;
    const int64_t row_bytes =
        (int64_t)a->k *
        (int64_t)(2 * sizeof(answer) + 12 + 2 * (size_t)a->most * sizeof(qn_reason_found));
    const int64_t most_rows = ROWS_AT_ONCE * qn_size(ctx);
    int64_t room = (int64_t)(qn_context_room(ctx) / 16);
    qn_status st = QN_OK;

    QN_TRY(qn_comm_min_int64(ctx, &room, 1));
    room = room < BATCH_MIN_BYTES ? BATCH_MIN_BYTES : room > BATCH_BYTES ? BATCH_BYTES : room;
    a->most_entries = room / 16;
    a->most_rows = room / row_bytes < 1 ? 1 : room / row_bytes;
    a->most_rows = a->most_rows < most_rows ? a->most_rows : most_rows;
done:
    return st;
}

/* Collective. */
static qn_status answer_all(answering *a)
{
    recommend_job *job = a->job;
    qn_context *ctx = a->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(prepare(a));
    QN_TRY(measure_batches(a));
    for (a->first = 0; a->first < job->n; a->first += a->n) {
        next_batch(a);
        if (job->seen)
            QN_TRY(qn_als_seen_take(ctx, &job->rated, job->row + a->my_first, a->my_n));
        QN_TRY_ALL(answer_rows(a));
        QN_TRY(gather(a, a->mine, (size_t)a->k * sizeof *a->mine, a->all));
        if (a->most > 0)
            QN_TRY(gather(a, a->my_reason, (size_t)(a->k * a->most) * sizeof *a->my_reason,
                          a->reason));
        QN_TRY_ALL(write_rows(a));
        tell_progress(a);
    }
    job->result->rows = job->n;
    job->result->lines = a->n_lines;
    QN_TRY(qn_comm_sum_int64(ctx, &job->result->lines, 1));
done:
    return st;
}

qn_status qn_recommend_answer(recommend_job *job)
{
    answering a = {.job = job, .ctx = job->ctx};
    const qn_status st = answer_all(&a);

    qn_free(a.index);
    qn_free(a.score);
    qn_free(a.mine);
    qn_free(a.my_reason);
    qn_free(a.all);
    qn_free(a.reason);
    qn_free(a.bytes);
    return st;
}
