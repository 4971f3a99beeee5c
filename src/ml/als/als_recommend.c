/* Best k of the other side for many rows: the other side lies in panels of 16, eight rows are
 * scored against a panel at once, and a heap a row keeps the best. */
#include <math.h>
#include <string.h>

#include "ml/als/als_impl.h"
#include "ml/als/als_seen.h"
#include "ml/als/als_topk.h"

/* Rows the scoring kernel takes at once, and rows of a task: they share the panels of a tile. */
#define ALS_SCORE_ROWS 8
#define ALS_TASK_ROWS  64
/* Panels worked through before the next rows come, to stay in the L2 cache. */
#define ALS_TILE_BYTES ((int64_t)256 << 10)

typedef struct als_ranker {
    qn_context *ctx;
    const qn_als_model *model;
    const float *rows_of; /* factors of the rows asked for */
    int64_t n_others, n_panels, tile;
    float *panel; /* [n_panels x rank x QN_PANEL] */
    const int64_t *rows;
    int64_t n;
    int32_t k;      /* slots of a row */
    int32_t n_kept; /* at most k, and the others there are */
    qn_ties ties;
    const qn_als_seen *exclude; /* NULL: nothing */
    als_scored *heap;           /* [threads x ALS_TASK_ROWS x n_kept] */
    float *gathered;            /* [threads x ALS_TASK_ROWS x stride] */
    int64_t *index;
    float *score;
} als_ranker;

static qn_status als_fill_panels(void *arg, int64_t task, int32_t thread)
{
    als_ranker *r = arg;
    const qn_als_model *m = r->model;
    const float *others = r->rows_of == m->user_factors ? m->item_factors : m->user_factors;
    const int64_t end = (task + 1) * r->tile < r->n_panels ? (task + 1) * r->tile : r->n_panels;

    (void)thread;
    for (int64_t p = task * r->tile; p < end; p++) {
        float *panel = r->panel + p * m->rank * QN_PANEL;

        for (int64_t j = 0; j < QN_PANEL; j++) {
            const int64_t other = p * QN_PANEL + j;

            for (int64_t f = 0; f < m->rank; f++)
                panel[f * QN_PANEL + j] = other < r->n_others ? others[other * m->stride + f] : 0;
        }
    }
    return QN_OK;
}

/* A row's place in a task: its heap, and how far its seen list has been passed. */
typedef struct als_place {
    als_topk top;
    const uint32_t *seen, *seen_end;
} als_place;

/* True when none of a whole panel can enter; the compiler does all 16 at once. */
static bool als_panel_is_below(const als_topk *top, const float *score)
{
    const float worst = top->n == top->k ? top->heap[0].score : -INFINITY;
    int32_t n_below = 0;

    for (int32_t j = 0; j < QN_PANEL; j++)
        n_below += score[j] < worst;
    return n_below == QN_PANEL;
}

static void als_offer(const als_ranker *r, als_place *place, int64_t panel, const float *score)
{
    const int64_t first = panel * QN_PANEL;
    const int64_t left = r->n_others - first;
    const int32_t n = (int32_t)(left < QN_PANEL ? left : QN_PANEL);

    if (als_panel_is_below(&place->top, score))
        return;
    for (int32_t j = 0; j < n; j++) {
        const uint32_t other = (uint32_t)(first + j);

        if (als_topk_is_below(&place->top, score[j]))
            continue;
        while (place->seen < place->seen_end && *place->seen < other)
            place->seen++;
        if (place->seen == place->seen_end || *place->seen != other)
            als_topk_add(&place->top, (als_scored){score[j], other});
    }
}

static void als_score_tile(const als_ranker *r, const float *rows, int64_t n, int64_t tile,
                           als_place *place)
{
    const qn_als_model *m = r->model;
    const int64_t end = (tile + 1) * r->tile < r->n_panels ? (tile + 1) * r->tile : r->n_panels;
    float score[ALS_SCORE_ROWS * QN_PANEL];

    for (int64_t first = 0; first < n; first += ALS_SCORE_ROWS) {
        const int32_t some = (int32_t)(n - first < ALS_SCORE_ROWS ? n - first : ALS_SCORE_ROWS);

        for (int64_t p = tile * r->tile; p < end; p++) {
            r->ctx->kernels->score_panel(some, m->rank, m->stride, rows + first * m->stride,
                                         r->panel + p * m->rank * QN_PANEL, score);
            for (int32_t i = 0; i < some; i++)
                als_offer(r, &place[first + i], p, score + i * QN_PANEL);
        }
    }
}

static qn_status als_rank_task(void *arg, int64_t task, int32_t thread)
{
    qn_status st = QN_OK;
    const als_ranker *r = arg;
    const int64_t stride = r->model->stride;
    const int64_t first = task * ALS_TASK_ROWS;
    const int64_t n = r->n - first < ALS_TASK_ROWS ? r->n - first : ALS_TASK_ROWS;
    float *rows = r->gathered + thread * ALS_TASK_ROWS * stride;
    als_place place[ALS_TASK_ROWS];

    for (int64_t i = 0; i < n; i++) {
        const int64_t at = first + i;

        memcpy(rows + i * stride, r->rows_of + r->rows[at] * stride, (size_t)stride * sizeof *rows);
        place[i] = (als_place){
            .top = {r->heap + (thread * ALS_TASK_ROWS + i) * r->n_kept, r->n_kept, 0,
                    r->ties == QN_TIES_SPARK},
            .seen = r->exclude ? r->exclude->other + r->exclude->start[at] : NULL,
            .seen_end = r->exclude ? r->exclude->other + r->exclude->start[at + 1] : NULL,
        };
    }
    for (int64_t tile = 0; tile * r->tile < r->n_panels; tile++) {
        QN_TRY(qn_check_cancel(r->ctx));
        als_score_tile(r, rows, n, tile, place);
    }
    for (int64_t i = 0; i < n; i++)
        als_topk_take(&place[i].top, r->k, r->index + (first + i) * r->k,
                      r->score + (first + i) * r->k);
done:
    return st;
}

static qn_status als_check_rows(qn_context *ctx, const int64_t *rows, int64_t n, int64_t n_known,
                                int32_t k)
{
    if (k < 1)
        return qn_fail(ctx, QN_EINVAL, "k is %d: ask for at least 1", k);
    for (int64_t i = 0; i < n; i++)
        if (rows[i] < 0 || rows[i] >= n_known)
            return qn_fail(ctx, QN_EINVAL, "row %lld is not below %lld", (long long)rows[i],
                           (long long)n_known);
    return QN_OK;
}

static qn_status als_rank_all(als_ranker *r)
{
    qn_status st = QN_OK;
    const qn_als_model *m = r->model;
    const int64_t n_slots = (int64_t)qn_context_threads(r->ctx) * ALS_TASK_ROWS;
    const int64_t panel_size = (int64_t)m->rank * QN_PANEL;

    r->n_kept = (int32_t)(r->k < r->n_others ? r->k : r->n_others);
    r->n_panels = (r->n_others + QN_PANEL - 1) / QN_PANEL;
    r->tile = ALS_TILE_BYTES / (panel_size * (int64_t)sizeof(float));
    r->tile = r->tile > 0 ? r->tile : 1;
    QN_NEW(r->ctx, r->panel, r->n_panels * panel_size, "panels to score");
    QN_NEW(r->ctx, r->heap, n_slots * r->n_kept, "the best of each row");
    QN_NEW(r->ctx, r->gathered, n_slots * m->stride, "rows to score");
    QN_TRY(qn_parallel(r->ctx, (r->n_panels + r->tile - 1) / r->tile, als_fill_panels, r));
    QN_TRY(qn_parallel(r->ctx, (r->n + ALS_TASK_ROWS - 1) / ALS_TASK_ROWS, als_rank_task, r));
done:
    qn_free(r->panel);
    qn_free(r->heap);
    qn_free(r->gathered);
    return st;
}

qn_status qn_als_recommend_unseen(qn_context *ctx, const qn_als_model *model, qn_side side,
                                  const int64_t *rows, int64_t n, int32_t k, qn_ties ties,
                                  const qn_als_seen *seen, int64_t *index, float *score)
{
    qn_status st = QN_OK;
    const bool is_user = side == QN_SIDE_USER;
    als_ranker r = {
        .ctx = ctx,
        .model = model,
        .rows_of = is_user ? model->user_factors : model->item_factors,
        .n_others = is_user ? model->items.n : model->users.n,
        .rows = rows,
        .n = n,
        .k = k,
        .ties = ties,
        .exclude = seen,
        .index = index,
        .score = score,
    };

    QN_TRY(als_check_rows(ctx, rows, n, is_user ? model->users.n : model->items.n, k));
    QN_TRY(als_rank_all(&r));
done:
    return st;
}

qn_status qn_als_recommend(qn_context *ctx, const qn_als_model *model, qn_side side,
                           const int64_t *rows, int64_t n, int32_t k, qn_ties ties,
                           const qn_ratings *seen, int64_t *index, float *score)
{
    const int64_t n_known = side == QN_SIDE_USER ? model->users.n : model->items.n;
    qn_als_seen lists = {0};
    qn_status st = QN_OK;

    if (!seen)
        return qn_als_recommend_unseen(ctx, model, side, rows, n, k, ties, NULL, index, score);
    QN_TRY_ALL(als_check_rows(ctx, rows, n, n_known, k));
    QN_TRY_ALL(qn_als_seen_open(ctx, model, side, seen, false, &lists));
    QN_TRY(qn_als_seen_take(ctx, &lists, rows, n));
    QN_TRY(qn_als_recommend_unseen(ctx, model, side, rows, n, k, ties, &lists, index, score));
done:
    qn_als_seen_close(&lists);
    return st;
}
