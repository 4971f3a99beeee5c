/* Few rows, whose sums round: all of them on rank 0, in one block, so that they are added up in one
 * order. Other ranks have none and follow. */
#include "ml/forest/forest_grow.h"

/* Replaces own items of `bytes` each by those of all ranks in the order of the rows; on other ranks
 * than the first by none. Collective. */
static qn_status gather(forest_fit *fit, void **array, size_t bytes)
{
    qn_context *ctx = fit->ctx;
    void *all = NULL;
    size_t n_all = 0;
    qn_status st = QN_OK;

    if (!*array)
        return QN_OK;
    QN_TRY(qn_comm_allgather(ctx, *array, (size_t)fit->rows.n * bytes, &all, &n_all));
    qn_free(*array);
    *array = all;
done:
    return st;
}

static qn_status one_block(forest_fit *fit)
{
    forest_rows *rows = &fit->rows;
    qn_status st = QN_OK;

    rows->n = qn_rank(fit->ctx) == 0 ? fit->n_rows : 0;
    rows->first_row = 0;
    rows->most_rows = rows->n;
    rows->n_blocks = rows->n > 0;
    qn_free(rows->block);
    rows->block = NULL;
    QN_NEW0(fit->ctx, rows->block, 1, "blocks of rows");
    rows->block[0].n = rows->n;
    /* The kernels read a little behind the last code. */
    QN_TRY(qn_realloc_array(fit->ctx, (void **)&rows->code, fit->n_rows * rows->stride + 4, 1,
                            "codes of rows"));
done:
    return st;
}

qn_status forest_rows_gather(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    const int64_t moved = ctx->comm->bytes_moved;
    forest_rows *rows = &fit->rows;
    qn_status st = QN_OK;

    if (fit->rule.sums != FOREST_SERIAL)
        return QN_OK;
    QN_TRY(gather(fit, (void **)&rows->code, (size_t)rows->stride));
    QN_TRY(gather(fit, (void **)&rows->label, sizeof *rows->label));
    QN_TRY(gather(fit, (void **)&rows->target, sizeof *rows->target));
    QN_TRY(gather(fit, (void **)&rows->value, sizeof *rows->value));
    QN_TRY(gather(fit, (void **)&rows->mass, sizeof *rows->mass));
    QN_TRY_ALL(one_block(fit));
    fit->merge_bytes = ctx->comm->bytes_moved - moved;
done:
    return st;
}
