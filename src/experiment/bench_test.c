#include "experiment/bench.h"

#include <jansson.h>
#include <math.h>

#include "check.h"
#include "engine/context_open.h"
#include "quern/matrix.h"

static int start(void **state)
{
    static qn_context *ctx;
    const qn_context_options options = {.threads = 2, .memory = (size_t)32 << 20};

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

static qn_bench_options small(void)
{
    qn_bench_options options;

    qn_params_init(&qn_bench_table, &options);
    options.rows = 1003; /* not whole panels */
    options.features = 3;
    options.k = 5;
    options.repeats = 2;
    return options;
}

static void shares_are_of_the_limit_that_binds(void **state)
{
    const qn_machine machine = {.read = 10, .flops_f32 = 8, .flops_f64 = 4};
    /* 20 bytes take 2 s, 8 operations 1 s; the pass took 4 s. */
    const qn_bench_row reads = {.seconds = {4, 5}, .bytes = 20, .flops = 8};
    /* In double 8 operations take 2 s, 10 bytes 1 s. */
    const qn_bench_row computes = {.seconds = {4, 5}, .bytes = 10, .flops = 8, .is_double = true};
    qn_bench_shares share = qn_bench_share(&machine, &reads);

    (void)state;
    CHECK(share.is_memory);
    CHECK_NEAR(share.read, 0.5, 0);
    CHECK_NEAR(share.flops, 0.25, 0);
    CHECK_NEAR(share.limit, 0.5, 0);
    share = qn_bench_share(&machine, &computes);
    CHECK(!share.is_memory);
    CHECK_NEAR(share.read, 0.25, 0);
    CHECK_NEAR(share.flops, 0.5, 0);
    CHECK_NEAR(share.limit, 0.5, 0);
}

static void the_machine_is_measured_within_the_budget(void **state)
{
    qn_context *ctx = *state;
    qn_machine machine;

    CHECK_OK(ctx, qn_machine_measure(ctx, &machine));
    CHECK_EQ(machine.threads, 2);
    CHECK_EQ(machine.array_bytes, 8 << 20); /* a quarter of 32 MB */
    CHECK(machine.read > 1e6 && machine.read < 1e13);
    CHECK(machine.flops_f32 > 1e6 && machine.flops_f32 < 1e15);
    CHECK_NEAR(machine.flops_f64, machine.flops_f32 / 2, 0);
}

static void work_is_counted_from_rows_features_and_k(void **state)
{
    qn_context *ctx = *state;
    qn_bench_options options = small();
    qn_bench_result result;

    for (int32_t precision = 0; precision < 2; precision++) {
        const double size = precision == QN_PRECISION_DOUBLE ? 8 : 4;

        options.precision = precision;
        CHECK_OK(ctx, qn_bench_run(ctx, "K-Means", &options, &result));
        CHECK_TEXT(result.name, "kmeans");
        CHECK_EQ(result.n_rows, 6);
        CHECK_TEXT(result.row[0].kernel, "nearest");
        CHECK_NEAR(result.row[0].flops, 2 * 1003 * 3 * 5, 0);
        CHECK_NEAR(result.row[0].bytes, 1003 * 3 * size, 0);
        CHECK_NEAR(result.row[1].bytes, 1003 * (3 * size + 4), 0);
        CHECK_NEAR(result.row[3].flops, 2 * 1003 * 3 * 5 + 3 * 1003 * 3, 0);
        CHECK_NEAR(result.row[4].flops, 2 * 1003 * 3 * 5, 0);
        CHECK_NEAR(result.row[5].flops, 3 * 1003 * 3, 0);
        for (int32_t i = 0; i < result.n_rows; i++)
            CHECK(result.row[i].seconds.best > 0 &&
                  result.row[i].seconds.best <= result.row[i].seconds.median);
    }
}

static void the_json_has_a_member_for_each_figure(void **state)
{
    qn_context *ctx = *state;
    const qn_bench_options options = small();
    qn_bench_result result;
    qn_json j = {0};
    json_t *object, *row;

    CHECK_OK(ctx, qn_bench_run(ctx, "kmeans", &options, &result));
    qn_json_open(&j, NULL, '{');
    qn_bench_json(&result, &j);
    qn_json_close(&j, '}');
    object = json_loads(qn_string_text(&j.out), 0, NULL);
    CHECK_EQ(json_integer_value(json_object_get(object, "rows")), 1003);
    CHECK_EQ(json_array_size(json_object_get(object, "kernels")), 6);
    CHECK(json_is_real(json_object_get(json_object_get(object, "machine"), "read_bytes_per_s")));
    row = json_array_get(json_object_get(object, "kernels"), 3);
    CHECK_TEXT(json_string_value(json_object_get(row, "kernel")),
               "first pass: nearest + label_moves");
    CHECK(json_number_value(json_object_get(row, "share_of_limit")) > 0);
    json_decref(object);
    qn_json_release(&j);
}

static void an_unknown_bench_names_those_that_there_are(void **state)
{
    qn_context *ctx = *state;
    qn_bench_options options = small();
    qn_bench_result result;

    CHECK_EQ(qn_bench_run(ctx, "forests", &options, &result), QN_EINVAL);
    CHECK_ERROR(ctx, "there is no bench \"forests\"; there are: kmeans");
    options.repeats = 0;
    CHECK_EQ(qn_bench_run(ctx, "kmeans", &options, &result), QN_EINVAL);
}

static void rows_that_do_not_fit_are_refused_with_the_bytes_needed(void **state)
{
    qn_context *ctx = *state;
    qn_bench_options options = small();
    qn_bench_result result = {.options = options};

    result.options.rows = 1000000000;
    CHECK_EQ(qn_bench_kmeans(ctx, &result), QN_ENOMEM);
    CHECK_ERROR(ctx, "generated rows");
}

static void every_failed_allocation_is_survived(void **state)
{
    qn_context *ctx = *state;
    qn_bench_result result = {.options = small()};
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        result.n_rows = 0;
        qn_alloc_fail_after(ctx, allowed);
        st = qn_bench_kmeans(ctx, &result);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
    for (int64_t allowed = 0; allowed < 5; allowed++) {
        qn_machine machine;

        qn_alloc_fail_after(ctx, allowed);
        st = qn_machine_measure(ctx, &machine);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK_EQ(st, QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
}

static void a_cancelled_bench_stops(void **state)
{
    qn_context *ctx = *state;
    const qn_bench_options options = small();
    qn_bench_result result;

    qn_context_cancel(ctx, 2);
    CHECK_EQ(qn_bench_run(ctx, "kmeans", &options, &result), QN_ECANCELLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shares_are_of_the_limit_that_binds),
        TEST(the_machine_is_measured_within_the_budget),
        TEST(work_is_counted_from_rows_features_and_k),
        TEST(the_json_has_a_member_for_each_figure),
        TEST(an_unknown_bench_names_those_that_there_are),
        TEST(rows_that_do_not_fit_are_refused_with_the_bytes_needed),
        TEST(every_failed_allocation_is_survived),
        TEST(a_cancelled_bench_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
