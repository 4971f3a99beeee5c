/* Parts of rows: what was put comes back from any place, of two parts and of many; it leaves memory
 * where there is none; every allocation fails in turn. */
#include "check.h"

#include "data/sides.h"
#include "data/triples_blocks.h"
#include "engine/store.h"

#define ROWS 100000

static qn_context *open_context(size_t memory, const char *scratch)
{
    const qn_context_options options = {.threads = 1, .memory = memory, .scratch_dir = scratch};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.block_rows = 1000;
    return ctx;
}

static qn_status make_triples(qn_context *ctx, int64_t n, qn_triples **t)
{
    static const uint32_t id[1000];
    static const float value[1000];
    qn_status st = QN_OK;

    QN_TRY(qn_triples_create(ctx, false, t));
    for (int64_t i = 0; i < n; i += 1000)
        QN_TRY(qn_triples_append(ctx, *t, n - i < 1000 ? n - i : 1000, id, id, value, NULL));
done:
    if (st != QN_OK) {
        qn_triples_free(*t);
        *t = NULL;
    }
    return st;
}

static uint8_t part_of(int64_t row, int32_t n_parts)
{
    return (uint8_t)(row * row / 7 % n_parts);
}

static qn_status put_all(qn_context *ctx, const qn_triples *t, int32_t n_parts, qn_sides **sides)
{
    uint8_t *part = malloc((size_t)qn_triples_max_rows(t) + 1);
    qn_status st = QN_OK;

    assert_non_null(part);
    QN_TRY(qn_sides_create(ctx, t, n_parts, sides));
    for (int64_t b = 0; b < t->n_blocks; b++) {
        for (int64_t i = 0; i < t->block[b].n; i++)
            part[i] = part_of(t->block[b].first + i, n_parts);
        QN_TRY(qn_sides_put(ctx, *sides, b, part));
    }
done:
    free(part);
    return st;
}

static void check_range(qn_context *ctx, const qn_sides *sides, int32_t n_parts, int64_t first,
                        int64_t n)
{
    uint8_t *part = malloc((size_t)n + 1);

    assert_non_null(part);
    part[n] = 99;
    CHECK_OK(ctx, qn_sides_get(ctx, sides, first, n, part));
    for (int64_t i = 0; i < n; i++)
        CHECK_EQ(part[i], part_of(first + i, n_parts));
    CHECK_EQ(part[n], 99);
    free(part);
}

static void check_parts(size_t memory, const char *scratch, int32_t n_parts)
{
    qn_context *ctx = open_context(memory, scratch);
    qn_triples *t = NULL;
    qn_sides *sides = NULL;

    CHECK_OK(ctx, make_triples(ctx, ROWS - 3, &t));
    CHECK(t->n_blocks > 10);
    CHECK_OK(ctx, put_all(ctx, t, n_parts, &sides));
    qn_triples_free(t); /* they need not live on */
    check_range(ctx, sides, n_parts, 0, ROWS - 3);
    check_range(ctx, sides, n_parts, 999, 2);
    check_range(ctx, sides, n_parts, 1003, 7);
    check_range(ctx, sides, n_parts, ROWS - 4, 1);
    check_range(ctx, sides, n_parts, 5, 0);
    CHECK(!scratch || qn_context_store_totals(ctx).bytes_spilled > 0);
    qn_sides_free(sides);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void parts_come_back_from_any_place(void **state)
{
    (void)state;
    check_parts(0, NULL, 2);
    check_parts(0, NULL, 3);
    check_parts(0, NULL, 256);
}

static void parts_leave_memory_that_is_wanted(void **state)
{
    char scratch[64];

    (void)state;
    assert_non_null(disk_dir(scratch));
    check_parts((size_t)1 << 20, scratch, 2);
    check_parts((size_t)1 << 20, scratch, 100);
    CHECK_EQ(rmdir(scratch), 0);
}

static void no_rows_have_no_parts(void **state)
{
    qn_context *ctx = open_context(0, NULL);
    qn_triples *t = NULL;
    qn_sides *sides = NULL;
    uint8_t part[1];

    (void)state;
    CHECK_OK(ctx, make_triples(ctx, 0, &t));
    CHECK_OK(ctx, put_all(ctx, t, 2, &sides));
    CHECK_OK(ctx, qn_sides_get(ctx, sides, 0, 0, part));
    qn_sides_free(sides);
    qn_triples_free(t);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void every_failed_allocation_is_survived(void **state)
{
    qn_context *ctx = open_context(0, NULL);
    qn_status st = QN_ENOMEM;
    qn_triples *t = NULL;
    int64_t allowed;

    (void)state;
    CHECK_OK(ctx, make_triples(ctx, 5000, &t));
    for (allowed = 0; st != QN_OK; allowed++) {
        const int64_t live = qn_alloc_live(ctx);
        qn_sides *sides = NULL;

        qn_alloc_fail_after(ctx, allowed);
        st = put_all(ctx, t, 2, &sides);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        qn_sides_free(sides);
        CHECK_EQ(qn_alloc_live(ctx), live);
    }
    CHECK(allowed > 5);
    qn_triples_free(t);
    qn_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_back_from_any_place),
        cmocka_unit_test(parts_leave_memory_that_is_wanted),
        cmocka_unit_test(no_rows_have_no_parts),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
