#include "experiment/sample.h"

#include <math.h>

#include "check.h"
#include "engine/context_open.h"
#include "experiment/rows_source.h"

static int start(void **state)
{
    static qn_context *ctx;
    const qn_context_options options = {.threads = 2, .memory = (size_t)64 << 20};

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    *state = ctx;
    return 0;
}

static int stop(void **state)
{
    qn_context *ctx = *state;

    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

static void a_sample_takes_one_row_of_each_part(void **state)
{
    int64_t row[10], again[10], all[7];

    (void)state;
    qn_pick_rows(42, 1000, 10, row);
    qn_pick_rows(42, 1000, 10, again);
    for (int64_t i = 0; i < 10; i++) {
        CHECK(row[i] >= 100 * i && row[i] < 100 * (i + 1));
        CHECK_EQ(row[i], again[i]);
    }
    qn_pick_rows(43, 1000, 10, again);
    CHECK(memcmp(row, again, sizeof row) != 0);
    qn_pick_rows(1, 7, 7, all);
    for (int64_t i = 0; i < 7; i++)
        CHECK_EQ(all[i], i);
}

static void an_order_by_lot_holds_every_number_once(void **state)
{
    qn_context *ctx = *state;
    int64_t order[100], seen[100] = {0}, in_place = 0;

    CHECK_OK(ctx, qn_pick_order(ctx, 42, 100, order));
    for (int64_t i = 0; i < 100; i++) {
        seen[order[i]]++;
        in_place += order[i] == i;
    }
    for (int64_t i = 0; i < 100; i++)
        CHECK_EQ(seen[i], 1);
    CHECK(in_place < 10);
}

/* Points on a line in three dimensions, spread along (1, 2, -2) / 3, a little across it. */
static void a_line_is_found(void **state)
{
    static const double x[] = {1,  2,  -2, -1,  -2, 2,   2,    4, -4,
                               -2, -4, 4,  0.2, 0,  0.1, -0.2, 0, -0.1};
    qn_context *ctx = *state;
    qn_plane plane;
    double at[2];

    CHECK_OK(ctx, qn_plane_make(ctx, 6, 3, x, &plane));
    /* The largest entry is -2/3 or 2/3; the first of the largest becomes positive. */
    CHECK_NEAR(plane.axis[0], 1.0 / 3, 0.01);
    CHECK_NEAR(plane.axis[1], 2.0 / 3, 0.01);
    CHECK_NEAR(plane.axis[2], -2.0 / 3, 0.01);
    CHECK_NEAR(plane.variance[0], 2 * (9.0 + 36.0) / 6, 0.01);
    CHECK_NEAR(plane.total, 2 * (9.0 + 36.0 + 0.05) / 6, 1e-12);
    CHECK(plane.variance[1] > 0.005 && plane.variance[1] < 0.02);
    qn_plane_project(&plane, 3, x + 6, at);
    CHECK_NEAR(at[0], 6, 0.01);
    CHECK_NEAR(at[1], 0, 0.1);
    qn_plane_release(&plane);
}

/* Independent features of deviation 30 - f: the axes are those of the two widest. */
static void wide_rows_find_the_widest_features(void **state)
{
    enum { N = 4000, D = 24 };
    static double x[N * D];
    qn_context *ctx = *state;
    double length = 0, dot = 0;
    qn_plane plane;

    for (int64_t i = 0; i < N; i++)
        for (int64_t f = 0; f < D; f++) {
            /* Every feature is another column of an orthogonal pattern of +1 and -1. */
            const int sign = __builtin_popcountll((uint64_t)(i & (f + 1) & 1023)) & 1;

            x[i * D + f] = (sign ? -1.0 : 1.0) * (double)(D + 6 - f) + 5;
        }
    CHECK_OK(ctx, qn_plane_make(ctx, 3072, D, x, &plane));
    CHECK_NEAR(plane.axis[0], 1, 1e-6);
    CHECK_NEAR(plane.axis[D + 1], 1, 1e-6);
    CHECK_NEAR(plane.variance[0], 900, 1e-6);
    CHECK_NEAR(plane.variance[1], 841, 1e-6);
    for (int32_t f = 0; f < D; f++) {
        length += plane.axis[f] * plane.axis[f];
        dot += plane.axis[f] * plane.axis[D + f];
    }
    CHECK_NEAR(length, 1, 1e-12);
    CHECK_NEAR(dot, 0, 1e-12);
    CHECK_NEAR(plane.mean[3], 5, 1e-12);
    qn_plane_release(&plane);
}

static void rows_without_spread_lie_at_the_origin(void **state)
{
    static const double x[] = {4, 4, 4};
    qn_context *ctx = *state;
    double at[2];
    qn_plane plane;

    CHECK_OK(ctx, qn_plane_make(ctx, 3, 1, x, &plane));
    CHECK_NEAR(plane.total, 0, 0);
    qn_plane_project(&plane, 1, x, at);
    CHECK_NEAR(at[0], 0, 0);
    CHECK_NEAR(at[1], 0, 0);
    qn_plane_release(&plane);
    /* One feature: all spread is along it. */
    CHECK_OK(ctx, qn_plane_make(ctx, 2, 1, (const double[]){1, 3}, &plane));
    CHECK_NEAR(plane.axis[0], 1, 0);
    CHECK_NEAR(plane.variance[0], 1, 1e-15);
    CHECK_NEAR(plane.variance[1], 0, 0);
    qn_plane_release(&plane);
}

static void the_plane_survives_every_failed_allocation(void **state)
{
    static const double x[] = {1, 2, -2, -1, -2, 2, 2, 4, -4};
    qn_context *ctx = *state;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_plane plane;

        qn_alloc_fail_after(ctx, allowed);
        st = qn_plane_make(ctx, 3, 3, x, &plane);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        qn_plane_release(&plane);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
}

static void rows_in_memory_come_as_the_columns_asked_for(void **state)
{
    enum { N = 5000 };
    static double x[N * 3];
    static const qn_column_request request[] = {{.field = 2, .type = QN_DOUBLE},
                                                {.field = 0, .type = QN_FLOAT}};
    qn_context *ctx = *state;
    qn_source *source = NULL;
    qn_reader *reader = NULL;
    const qn_batch *batch = NULL;
    int64_t n = 0;

    for (int64_t i = 0; i < N * 3; i++)
        x[i] = (double)i;
    CHECK_OK(ctx, qn_rows_source(ctx, N, 3, x, &source));
    CHECK_EQ(qn_source_schema(source)->n_fields, 3);
    CHECK_TEXT(qn_source_schema(source)->field[2].name, "2");
    CHECK(!qn_source_schema(source)->has_names);
    CHECK_EQ(qn_source_n_splits(source), 1);
    CHECK_OK(ctx, qn_source_open_split(ctx, source, 0, request, 2, &reader));
    for (;;) {
        CHECK_OK(ctx, qn_reader_next(ctx, reader, &batch));
        if (!batch)
            break;
        CHECK_EQ(batch->first_row, n);
        for (int64_t i = 0; i < batch->n_rows; i++, n++) {
            CHECK_NEAR(((const double *)batch->columns[0].data)[i], (double)(n * 3 + 2), 0);
            CHECK_NEAR((double)((const float *)batch->columns[1].data)[i], (double)(n * 3), 0);
        }
    }
    CHECK_EQ(n, N);
    qn_reader_close(reader);
    qn_source_free(source);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sample_takes_one_row_of_each_part),
        TEST(an_order_by_lot_holds_every_number_once),
        TEST(a_line_is_found),
        TEST(wide_rows_find_the_widest_features),
        TEST(rows_without_spread_lie_at_the_origin),
        TEST(the_plane_survives_every_failed_allocation),
        TEST(rows_in_memory_come_as_the_columns_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
