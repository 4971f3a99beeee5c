#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "engine/comm.h"
#include "lifecycle/evaluate_impl.h"

#define ID_BYTES 4096
/* A user to judge is more work than one to train on: cells of users are smaller by this. */
#define CELLS_A_CELL 16

static int64_t find_mixed(const qn_ids *from, int64_t i, const qn_ids *to)
{
    char text[ID_BYTES];

    qn_ids_format(from, i, text, sizeof text);
    return qn_ids_find(to, text);
}

void qn_ids_map(const qn_ids *from, int64_t first, int64_t end, const qn_ids *to, int64_t *map)
{
    const bool from_text = from->type == QN_ID_STRING, to_text = to->type == QN_ID_STRING;

    for (int64_t i = first; i < end; i++) {
        if (from_text != to_text)
            map[i - first] = find_mixed(from, i, to);
        else if (from_text)
            map[i - first] = qn_ids_find_text(to, from->text + from->offset[i],
                                              (size_t)(from->offset[i + 1] - from->offset[i]));
        else
            map[i - first] = qn_ids_find_number(to, from->number[i]);
    }
}

/* ---- the set ---- */

/* Cell c goes to rank c * ranks / cells. */
static int64_t first_cell_of(const qn_test_set *set, int32_t rank, int32_t n_ranks)
{
    return (rank * set->n_cells + n_ranks - 1) / n_ranks;
}

static int64_t first_user_of(const qn_test_set *set, int64_t cell)
{
    const int64_t user = cell * set->cell_users;

    return user < set->n_users ? user : set->n_users;
}

static qn_status prepare(qn_context *ctx, qn_test_set *set, int32_t **owner)
{
    const int32_t n_ranks = qn_size(ctx);
    qn_status st = QN_OK;

    QN_NEW(ctx, *owner, set->n_users, "owners of test users");
    QN_NEW(ctx, set->user, set->end_user - set->first_user, "test users");
    QN_NEW(ctx, set->item, set->n_items, "test items");
    for (int64_t u = 0; u < set->n_users; u++)
        (*owner)[u] = (int32_t)(u / set->cell_users * n_ranks / set->n_cells);
done:
    return st;
}

qn_status qn_test_set_make(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                           qn_test_set *set)
{
    const int64_t cell_rows = ctx->cells.rating_rows / CELLS_A_CELL;
    const int32_t rank = qn_rank(ctx), n_ranks = qn_size(ctx);
    int32_t *owner = NULL;
    qn_status st = QN_OK;

    *set = (qn_test_set){.n_users = test->users.n,
                         .n_items = test->items.n,
                         .cell_users = cell_rows > 0 ? cell_rows : 1,
                         .n_rows = test->n,
                         .user_ids = &test->users};
    set->n_cells = (set->n_users + set->cell_users - 1) / set->cell_users;
    set->first_cell = first_cell_of(set, rank, n_ranks);
    set->end_cell = first_cell_of(set, rank + 1, n_ranks);
    set->first_user = first_user_of(set, set->first_cell);
    set->end_user = first_user_of(set, set->end_cell);
    QN_TRY_ALL(prepare(ctx, set, &owner));
    QN_TRY(qn_comm_sum_int64(ctx, &set->n_rows, 1));
    QN_TRY(qn_triples_by_user(ctx, test, owner, &set->rows));
    qn_ids_map(&test->users, set->first_user, set->end_user, &model->users, set->user);
    qn_ids_map(&test->items, 0, set->n_items, &model->items, set->item);
done:
    qn_free(owner);
    if (st != QN_OK)
        qn_test_set_release(set);
    return st;
}

void qn_test_set_release(qn_test_set *set)
{
    qn_triples_free(set->rows);
    qn_free(set->user);
    qn_free(set->item);
    *set = (qn_test_set){0};
}

/* ---- sums ---- */

qn_status qn_test_sums_open(qn_context *ctx, const qn_test_set *set, qn_test_sums *sums)
{
    *sums = (qn_test_sums){.ctx = ctx, .set = set, .cell = set->first_cell};
    return qn_tree_sum_create(ctx, set->n_cells, QN_TEST_SUMS, &sums->tree);
}

/* Cells up to `cell` are complete. */
static void move_to(qn_test_sums *sums, int64_t cell)
{
    for (; sums->cell < cell && sums->status == QN_OK; sums->cell++) {
        sums->status = qn_tree_sum_add(sums->ctx, sums->tree, sums->cell, sums->sum);
        memset(sums->sum, 0, sizeof sums->sum);
    }
}

double *qn_test_sums_of(qn_test_sums *sums, int64_t user)
{
    move_to(sums, user / sums->set->cell_users);
    return sums->sum;
}

qn_status qn_test_sums_finish(qn_test_sums *sums, double *total)
{
    qn_context *ctx = sums->ctx;
    qn_status st = QN_OK;

    move_to(sums, sums->set->end_cell);
    QN_TRY_ALL(sums->status);
    QN_TRY(qn_tree_sum_finish(ctx, sums->tree, total));
done:
    return st;
}

void qn_test_sums_close(qn_test_sums *sums)
{
    qn_tree_sum_free(sums->tree);
    sums->tree = NULL;
}
