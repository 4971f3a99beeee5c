/* The engine proved with something that is not ALS: means and variances of a matrix's columns, on
 * ranks as threads, with cells of 4 rows. */
#include "check.h"

#include "base/pool.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "engine/tree_sum.h"

#define COLUMNS 3

typedef struct moments {
    double mean[COLUMNS], variance[COLUMNS];
} moments;

/* What each rank gets: the whole matrix to cut its part from, and a place for the answer. */
typedef struct task_input {
    int64_t n_rows;
    int64_t wanted_partitions;
    moments answer[8];
    int64_t moved[8];
} task_input;

static double cell_value(int64_t row, int64_t column)
{
    return (double)((row * 7919 + column * 104729) % 1000) / 7.0 + (double)column * 1e3;
}

/* Rows of this rank in blocks of one cell each. */
static qn_status fill_store(qn_context *ctx, const qn_partitioning *p, qn_store *store)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < p->n_partitions; i++) {
        const qn_partition *part = &p->partition[i];

        if (part->owner != qn_rank(ctx))
            continue;
        for (int64_t c = part->first_cell; c < part->first_cell + part->n_cells; c++) {
            void *data = NULL;
            double *cell;

            QN_TRY(qn_store_add(ctx, store, c, (size_t)(p->cell_rows * COLUMNS) * sizeof *cell,
                                &data));
            cell = data;
            for (int64_t r = c * p->cell_rows; r < (c + 1) * p->cell_rows && r < p->n_rows; r++)
                for (int64_t k = 0; k < COLUMNS; k++)
                    *cell++ = cell_value(r, k);
        }
    }
    QN_TRY(qn_store_seal(ctx, store));
done:
    return st;
}

typedef struct column_pass {
    qn_context *ctx;
    const qn_partitioning *p;
    qn_store *store;
    qn_tree_sum *tree;
} column_pass;

static qn_status sum_block(void *arg, int64_t block, int32_t thread)
{
    column_pass *pass = arg;
    const int64_t cell = qn_store_block_partition(pass->store, block);
    const int64_t first = cell * pass->p->cell_rows;
    const int64_t left = pass->p->n_rows - first;
    const int64_t n = left < pass->p->cell_rows ? left : pass->p->cell_rows;
    double sums[2 * COLUMNS] = {0};
    const void *data = NULL;
    qn_status st = qn_store_pin(pass->ctx, pass->store, block, &data);

    (void)thread;
    if (st != QN_OK)
        return st;
    for (int64_t r = 0; r < n; r++)
        for (int64_t k = 0; k < COLUMNS; k++) {
            const double x = ((const double *)data)[r * COLUMNS + k];

            sums[k] += x;
            sums[COLUMNS + k] += x * x;
        }
    st = qn_tree_sum_add(pass->ctx, pass->tree, cell, sums);
    qn_store_unpin(pass->store, block);
    return st;
}

static qn_status column_moments(qn_context *ctx, void *arg)
{
    task_input *input = arg;
    qn_status st = QN_OK;
    qn_partitioning p = {0};
    column_pass pass = {.ctx = ctx, .p = &p};
    double total[2 * COLUMNS];
    moments *answer = &input->answer[qn_rank(ctx)];
    const double n = (double)input->n_rows;

    QN_TRY_ALL(qn_partitioning_make(ctx, input->n_rows, ctx->cells.table_rows, NULL,
                                    input->wanted_partitions, &p));
    QN_TRY_ALL(qn_store_create(ctx, "matrix", &pass.store));
    QN_TRY_ALL(fill_store(ctx, &p, pass.store));
    QN_TRY_ALL(qn_tree_sum_create(ctx, p.n_cells, 2 * COLUMNS, &pass.tree));
    QN_TRY_ALL(qn_parallel(ctx, qn_store_n_blocks(pass.store), sum_block, &pass));
    QN_TRY(qn_tree_sum_finish(ctx, pass.tree, total));
    for (int64_t k = 0; k < COLUMNS; k++) {
        answer->mean[k] = total[k] / n;
        answer->variance[k] =
            (total[COLUMNS + k] - n * answer->mean[k] * answer->mean[k]) / (n - 1);
    }
    input->moved[qn_rank(ctx)] = ctx->comm->bytes_moved;
done:
    qn_tree_sum_free(pass.tree);
    qn_store_free(pass.store);
    qn_partitioning_release(&p);
    return st;
}

static qn_context *make_context(int32_t threads)
{
    const qn_context_options options = {.memory = (size_t)64 << 20, .threads = threads};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.table_rows = 4;
    return ctx;
}

static void moments_are_right(void **state)
{
    qn_context *ctx = make_context(1);
    task_input input = {.n_rows = 1003};

    (void)state;
    CHECK_OK(ctx, column_moments(ctx, &input));
    for (int64_t k = 0; k < COLUMNS; k++) {
        double mean = 0, squares = 0;

        for (int64_t r = 0; r < input.n_rows; r++)
            mean += cell_value(r, k) / (double)input.n_rows;
        for (int64_t r = 0; r < input.n_rows; r++)
            squares += (cell_value(r, k) - mean) * (cell_value(r, k) - mean);
        CHECK_NEAR(input.answer[0].mean[k], mean, 1e-9 * (1 + mean));
        CHECK_NEAR(input.answer[0].variance[k], squares / (double)(input.n_rows - 1), 1e-5);
    }
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void ranks_threads_and_partitions_give_the_same_bits(void **state)
{
    qn_context *one = make_context(1);
    task_input expected = {.n_rows = 1003};

    (void)state;
    CHECK_OK(one, column_moments(one, &expected));
    for (int32_t size = 1; size <= 5; size++)
        for (int32_t threads = 1; threads <= 3; threads++)
            for (int64_t partitions = 0; partitions <= 7; partitions += 7) {
                qn_context *ctx = make_context(threads);
                task_input input = {.n_rows = 1003, .wanted_partitions = partitions};

                CHECK_OK(ctx, qn_run_thread_ranks(ctx, size, column_moments, &input));
                for (int32_t r = 0; r < size; r++)
                    assert_memory_equal(&input.answer[r], &expected.answer[0], sizeof(moments));
                if (size > 1)
                    CHECK(input.moved[0] > 0);
                CHECK_EQ(qn_alloc_live(ctx), 0);
                qn_context_free(ctx);
            }
    qn_context_free(one);
}

static void empty_ranks_take_part(void **state)
{
    qn_context *ctx = make_context(1);
    task_input few = {.n_rows = 9}, none = {.n_rows = 1};

    (void)state;
    CHECK_OK(ctx, qn_run_thread_ranks(ctx, 5, column_moments, &few));
    CHECK_NEAR(few.answer[4].mean[0], few.answer[0].mean[0], 0);
    CHECK_OK(ctx, qn_run_thread_ranks(ctx, 3, column_moments, &none));
    CHECK_NEAR(none.answer[2].mean[2], cell_value(0, 2), 0);
    qn_context_free(ctx);
}

static void every_failed_allocation_ends_cleanly(void **state)
{
    qn_context *ctx = make_context(2);
    qn_status st = QN_ENOMEM;

    (void)state;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        task_input input = {.n_rows = 41};

        qn_alloc_fail_after(ctx, allowed);
        st = column_moments(ctx, &input);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        CHECK(allowed < 1000);
    }
    qn_context_free(ctx);
}

static qn_status one_rank_fails(qn_context *ctx, void *arg)
{
    qn_status st = QN_OK;
    const int32_t bad = *(const int32_t *)arg;

    QN_TRY(qn_comm_barrier(ctx));
    if (qn_rank(ctx) == bad)
        return qn_fail(ctx, QN_EDATA, "part-%d is damaged", bad);
    QN_TRY(qn_comm_barrier(ctx));
    QN_TRY(qn_comm_barrier(ctx));
done:
    return st;
}

static void a_rank_that_fails_wakes_the_others_and_is_named(void **state)
{
    qn_context *ctx = make_context(1);

    (void)state;
    for (int32_t bad = 0; bad < 3; bad++) {
        CHECK_EQ(qn_run_thread_ranks(ctx, 3, one_rank_fails, &bad), QN_EDATA);
        CHECK_ERROR(ctx, "is damaged");
    }
    qn_context_free(ctx);
}

static qn_status agree_on_the_worst(qn_context *ctx, void *arg)
{
    qn_status local = QN_OK, st;

    (void)arg;
    if (qn_rank(ctx) > 0)
        local = qn_fail(ctx, QN_EDATA, "rank %d saw it", qn_rank(ctx));
    st = qn_comm_agree(ctx, local);
    if (st != QN_EDATA || strcmp(qn_context_error(ctx), "rank 1 saw it") != 0)
        return qn_fail(ctx, QN_EINTERNAL, "rank %d has: %s", qn_rank(ctx), qn_context_error(ctx));
    return QN_OK;
}

static void all_ranks_agree_on_the_failure_and_its_text(void **state)
{
    qn_context *ctx = make_context(1);

    (void)state;
    CHECK_OK(ctx, qn_run_thread_ranks(ctx, 3, agree_on_the_worst, NULL));
    qn_context_free(ctx);
}

/* Rank r sends r + 1 bytes of value 10 r + t to rank t. */
static qn_status exchange_letters(qn_context *ctx, void *arg)
{
    const int32_t rank = qn_rank(ctx), size = qn_size(ctx);
    char send[64], recv[64], expected[64];
    size_t send_bytes[8], recv_bytes[8];
    size_t n = 0, m = 0;
    int64_t sums[2] = {rank, -rank}, low = rank, high = rank;
    qn_status st = QN_OK;

    (void)arg;
    for (int32_t t = 0; t < size; t++) {
        send_bytes[t] = (size_t)rank + 1;
        recv_bytes[t] = (size_t)t + 1;
        for (int32_t i = 0; i <= rank; i++)
            send[n++] = (char)(10 * rank + t);
        for (int32_t i = 0; i <= t; i++)
            expected[m++] = (char)(10 * t + rank);
    }
    QN_TRY(qn_comm_exchange(ctx, send, send_bytes, recv, recv_bytes));
    if (memcmp(recv, expected, m) != 0)
        return qn_fail(ctx, QN_EINTERNAL, "wrong letters at %d", rank);
    QN_TRY(qn_comm_gather(ctx, send, (size_t)rank + 1, rank == 1 ? recv : NULL, recv_bytes, 1));
    if (rank == 1 && recv[0] != 0)
        return qn_fail(ctx, QN_EINTERNAL, "wrong gather");
    QN_TRY(qn_comm_sum_int64(ctx, sums, 2));
    QN_TRY(qn_comm_min_int64(ctx, &low, 1));
    QN_TRY(qn_comm_max_int64(ctx, &high, 1));
    if (sums[0] != size * (size - 1) / 2 || sums[1] != -sums[0] || low != 0 || high != size - 1)
        return qn_fail(ctx, QN_EINTERNAL, "wrong sums at %d", rank);
done:
    return st;
}

static void exchange_gather_and_sums_deliver(void **state)
{
    qn_context *ctx = make_context(1);

    (void)state;
    CHECK_OK(ctx, qn_run_thread_ranks(ctx, 4, exchange_letters, NULL));
    qn_context_free(ctx);
}

/* More numbers than are combined whole, and not a multiple of the ranks. */
static qn_status combine_many(qn_context *ctx, void *arg)
{
    const int64_t n = 10007, rank = qn_rank(ctx), size = qn_size(ctx);
    const int64_t before = ctx->comm->bytes_moved;
    int64_t *sum = NULL, *low = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, sum, n, "numbers");
    QN_NEW(ctx, low, n, "numbers");
    for (int64_t i = 0; i < n; i++) {
        sum[i] = i * (rank + 1);
        low[i] = (i + rank) % size;
    }
    QN_TRY(qn_comm_sum_int64(ctx, sum, n));
    if (rank == 0)
        *(int64_t *)arg = ctx->comm->bytes_moved - before;
    QN_TRY(qn_comm_min_int64(ctx, low, n));
    for (int64_t i = 0; i < n; i++)
        if (sum[i] != i * size * (size + 1) / 2 || low[i] != 0)
            st = qn_fail(ctx, QN_EINTERNAL, "number %lld is wrong", (long long)i);
done:
    qn_free(sum);
    qn_free(low);
    return st;
}

static void many_numbers_are_combined_in_slices(void **state)
{
    qn_context *ctx = make_context(1);

    (void)state;
    for (int32_t size = 1; size <= 7; size += 3) {
        int64_t moved = -1;

        CHECK_OK(ctx, qn_run_thread_ranks(ctx, size, combine_many, &moved));
        /* Each rank gets about twice the numbers, however many ranks there are. */
        CHECK_NEAR((double)moved, qn_comm_combine_bytes(10007, size) / size, 64);
        CHECK(moved <= 2 * 8 * 10007);
    }
    qn_context_free(ctx);
}

static void partitions_cover_all_rows_once(void **state)
{
    qn_context *ctx = make_context(1);
    const int64_t weight[7] = {100, 1, 1, 1, 1, 1, 100};

    (void)state;
    CHECK_EQ(qn_partition_count(0, 10, 0), 1);
    CHECK_EQ(qn_partition_count((int64_t)1 << 40, 1000, 0), 256);
    CHECK_EQ(qn_partition_count(32000204, 1000, 0), 122);
    CHECK_EQ(qn_partition_count(1000, 10, 99), 10);
    for (int64_t wanted = 1; wanted <= 9; wanted++) {
        qn_partitioning p;
        int64_t row = 0, entries = 0;

        CHECK_OK(ctx, qn_partitioning_make(ctx, 27, 4, weight, wanted, &p));
        for (int64_t i = 0; i < p.n_partitions; i++) {
            CHECK_EQ(p.partition[i].first_row, row);
            CHECK(p.partition[i].n_cells > 0);
            for (int64_t r = row; r < row + p.partition[i].n_rows; r++)
                CHECK_EQ(qn_partition_of_row(&p, r), i);
            row += p.partition[i].n_rows;
            entries += p.partition[i].n_entries;
        }
        CHECK_EQ(row, 27);
        CHECK_EQ(entries, 205);
        qn_partitioning_release(&p);
    }
    qn_context_free(ctx);
}

static void a_cell_left_out_or_added_twice_is_found(void **state)
{
    qn_context *ctx = make_context(1);
    qn_tree_sum *tree = NULL;
    double one = 1, total = 0;

    (void)state;
    CHECK_OK(ctx, qn_tree_sum_create(ctx, 5, 1, &tree));
    for (int64_t c = 0; c < 4; c++)
        CHECK_OK(ctx, qn_tree_sum_add(ctx, tree, c, &one));
    CHECK_EQ(qn_tree_sum_finish(ctx, tree, &total), QN_EINTERNAL);
    for (int64_t c = 4; c >= 0; c--)
        CHECK_OK(ctx, qn_tree_sum_add(ctx, tree, c, &one));
    CHECK_OK(ctx, qn_tree_sum_finish(ctx, tree, &total));
    CHECK_NEAR(total, 5, 0);
    qn_tree_sum_free(tree);
    CHECK_OK(ctx, qn_tree_sum_create(ctx, 0, 1, &tree));
    CHECK_OK(ctx, qn_tree_sum_finish(ctx, tree, &total));
    CHECK_NEAR(total, 0, 0);
    qn_tree_sum_free(tree);
    qn_context_free(ctx);
}

static void an_unsealed_or_missing_block_is_refused(void **state)
{
    qn_context *ctx = make_context(1);
    qn_store *store = NULL;
    void *data = NULL;
    const void *seen = NULL;

    (void)state;
    CHECK_OK(ctx, qn_store_create(ctx, "rows", &store));
    CHECK_OK(ctx, qn_store_add(ctx, store, 0, 100, &data));
    CHECK_EQ(qn_store_pin(ctx, store, 0, &seen), QN_EINTERNAL);
    CHECK_OK(ctx, qn_store_seal(ctx, store));
    CHECK_OK(ctx, qn_store_pin(ctx, store, 0, &seen));
    CHECK(seen == data);
    qn_store_unpin(store, 0);
    CHECK_EQ(qn_store_pin(ctx, store, 1, &seen), QN_EINTERNAL);
    CHECK_ERROR(ctx, "rows: block 1 of 1");
    CHECK_EQ(qn_store_add(ctx, store, 0, (size_t)1 << 30, &data), QN_ENOMEM);
    CHECK_EQ(qn_store_get_stats(store).bytes, 100);
    qn_store_free(store);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static qn_status add_and_shrink(void *arg, int64_t task, int32_t thread)
{
    qn_store *store = ((void **)arg)[0];
    qn_context *ctx = ((void **)arg)[1];
    int64_t *number = ((void **)arg)[2];
    const size_t bytes = task % 2 ? (size_t)2 << 20 : 100;
    qn_status st = QN_OK;
    void *data = NULL;

    (void)thread;
    QN_TRY(qn_store_add_any(ctx, store, task, bytes, &number[task], &data));
    memset(data, (int)task, bytes);
    QN_TRY(qn_store_shrink(ctx, store, number[task], bytes / 2, &data));
    if (qn_store_shrink(ctx, store, number[task], bytes, &data) != QN_EINTERNAL)
        st = qn_fail(ctx, QN_EIO, "a block grew while it shrank");
done:
    return st;
}

static void threads_add_blocks_and_cut_them_to_size(void **state)
{
    qn_context *ctx = make_context(3);
    int64_t number[40];
    qn_store *store = NULL;
    void *arg[3] = {NULL, ctx, number};
    const void *seen = NULL;

    (void)state;
    CHECK_OK(ctx, qn_store_create(ctx, "rows", &store));
    arg[0] = store;
    CHECK_OK(ctx, qn_parallel(ctx, 40, add_and_shrink, arg));
    CHECK_OK(ctx, qn_store_seal(ctx, store));
    CHECK_EQ(qn_store_n_blocks(store), 40);
    CHECK_EQ(qn_store_get_stats(store).bytes, 20 * ((1 << 20) + 50));
    for (int64_t i = 0; i < 40; i++) {
        const size_t bytes = qn_store_block_bytes(store, number[i]);

        CHECK_EQ(bytes, i % 2 ? 1 << 20 : 50);
        CHECK_EQ(qn_store_block_partition(store, number[i]), i);
        CHECK_OK(ctx, qn_store_pin(ctx, store, number[i], &seen));
        CHECK_EQ(((const char *)seen)[0], i);
        CHECK_EQ(((const char *)seen)[bytes - 1], i);
    }
    qn_store_free(store);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void an_unknown_kernel_set_is_refused(void **state)
{
    const qn_context_options options = {.kernels = "avx9000"};
    qn_context *ctx = (void *)1;

    (void)state;
    CHECK_EQ(qn_context_create(&options, &ctx), QN_EINVAL);
    CHECK(ctx == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_right),
        cmocka_unit_test(ranks_threads_and_partitions_give_the_same_bits),
        cmocka_unit_test(empty_ranks_take_part),
        cmocka_unit_test(every_failed_allocation_ends_cleanly),
        cmocka_unit_test(a_rank_that_fails_wakes_the_others_and_is_named),
        cmocka_unit_test(all_ranks_agree_on_the_failure_and_its_text),
        cmocka_unit_test(exchange_gather_and_sums_deliver),
        cmocka_unit_test(many_numbers_are_combined_in_slices),
        cmocka_unit_test(partitions_cover_all_rows_once),
        cmocka_unit_test(a_cell_left_out_or_added_twice_is_found),
        cmocka_unit_test(an_unsealed_or_missing_block_is_refused),
        cmocka_unit_test(threads_add_blocks_and_cut_them_to_size),
        cmocka_unit_test(an_unknown_kernel_set_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
