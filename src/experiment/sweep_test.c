/* Sweeps of a program that plays fit: a script whose record says what it was given. */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/context_open.h"
#include "experiment/sweep_impl.h"

typedef struct stage {
    qn_context *ctx;
    char dir[64], program[96], out[96];
    qn_sweep_options options;
    qn_sweep_command command;
    const char *word[3];
    qn_sweep_result result;
} stage;

/* Fits take 8 seconds over the workers and one more a repeat; a line of `special` goes first. */
static void write_program(stage *s, const char *special)
{
    FILE *file = fopen(s->program, "w");

    assert_non_null(file);
    fprintf(file,
            "#!/bin/sh\n"
            "echo \"$@\" >>%s/calls\n"
            "workers=$3 digest=d1 data=f1 hosts=\n"
            "%s\n"
            "n=$(grep -c -- \"--workers $3 \" %s/calls)\n"
            "echo 'progress' >&2\n"
            "echo '{\"timings\":{\"load_s\":1,\"fit_s\":'$((8 / $3 + n))'.0,\"evaluate_s\":0.5,"
            "\"total_s\":20},\"metrics\":{\"rmse\":0.75},\"resources\":{\"workers\":'$workers',"
            "\"threads\":1,\"cores\":4,\"spilled_bytes\":7,\"moved_bytes\":9,\"peak_bytes\":11},"
            "\"model_digest\":\"'$digest'\",\"data\":{\"fingerprint\":\"'$data'\"},"
            "\"workers\":['$hosts'],\"kernel_set\":\"k\"}'\n",
            s->dir, special, s->dir);
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(chmod(s->program, 0755), 0);
}

static int setup(void **state)
{
    stage *s = calloc(1, sizeof *s);
    static const char *const workers[] = {"1,2", "4"};

    if (!s || qn_context_create(NULL, &s->ctx) != QN_OK || !fresh_dir(s->dir))
        return -1;
    snprintf(s->program, sizeof s->program, "%s/program", s->dir);
    snprintf(s->out, sizeof s->out, "%s/out", s->dir);
    qn_params_init(&qn_sweep_table, &s->options);
    s->options.workers = (qn_text_list){(const char **)workers, 2};
    s->options.repeats = 3;
    s->options.timeout = 20;
    s->word[0] = s->program;
    s->word[1] = "--fit";
    s->command = (qn_sweep_command){s->word, 2};
    write_program(s, "");
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    stage *s = *state;

    qn_sweep_result_release(&s->result);
    qn_alloc_fail_after(s->ctx, QN_NEVER);
    qn_remove_tree(s->ctx, s->dir);
    CHECK_EQ(qn_alloc_live(s->ctx), 0);
    qn_context_free(s->ctx);
    free(s);
    return 0;
}

static qn_status sweep(stage *s)
{
    qn_sweep_result_release(&s->result);
    return qn_sweep_run_all(s->ctx, &s->options, &s->command, s->out, &s->result);
}

static int64_t n_calls(const stage *s)
{
    char path[96];
    FILE *file;
    int64_t n = 0;

    snprintf(path, sizeof path, "%s/calls", s->dir);
    file = fopen(path, "r");
    for (int c; file && (c = fgetc(file)) != EOF;)
        n += c == '\n';
    if (file)
        fclose(file);
    return n;
}

static void medians_and_speed_up_are_those_of_the_runs(void **state)
{
    stage *s = *state;
    const double median[] = {10, 6, 4}; /* 8 / workers + 1, 2, 3 */

    CHECK_OK(s->ctx, sweep(s));
    CHECK_EQ(s->result.n_points, 3);
    CHECK_EQ(s->result.n_ok, 9);
    CHECK_TEXT(s->result.digest, "d1");
    CHECK(!s->result.digests_differ && !s->result.data_differs);
    for (int64_t i = 0; i < 3; i++) {
        const qn_sweep_row *row = &s->result.row[i];
        const double workers = s->result.point[i].workers;

        CHECK_NEAR(row->fit.median, median[i], 1e-12);
        CHECK_NEAR(row->fit.greatest - row->fit.least, 2, 1e-12);
        CHECK(!row->shares_cores);
        CHECK_EQ(row->base, 0);
        CHECK_NEAR(row->speed_up, 10 / median[i], 1e-12);
        CHECK_NEAR(row->efficiency, 10 / median[i] / workers, 1e-12);
        CHECK_EQ((int64_t)row->spilled.median, 7);
        CHECK_EQ((int64_t)row->moved.median, 9);
        CHECK_EQ((int64_t)row->peak.greatest, 11);
    }
}

static void workers_that_share_cores_get_no_speed_up(void **state)
{
    stage *s = *state;
    static const char *const workers[] = {"1,4,5"};

    s->options.workers = (qn_text_list){(const char **)workers, 1};
    CHECK_OK(s->ctx, sweep(s)); /* the program has four cores */
    CHECK(!s->result.row[1].shares_cores && !isnan(s->result.row[1].speed_up));
    CHECK(s->result.row[2].shares_cores && isnan(s->result.row[2].speed_up));
    CHECK_EQ(s->result.row[2].base, -1);
}

static void workers_on_hosts_of_their_own_share_none(void **state)
{
    stage *s = *state;
    static const char *const workers[] = {"1,5,6"};

    s->options.workers = (qn_text_list){(const char **)workers, 1};
    write_program(s, "a='{\"host\":\"a\"}' b='{\"host\":\"b\"}'\n"
                     "[ $3 = 5 ] && hosts=\"$a,$b,$a,$b,$a\"\n"
                     "[ $3 = 6 ] && hosts=\"$a,$b,$a,$a,$a,$a\"");
    CHECK_OK(s->ctx, sweep(s)); /* four cores on each host */
    CHECK(!s->result.row[1].shares_cores && s->result.row[2].shares_cores);
}

static void a_run_that_observed_other_workers_is_not_its_point(void **state)
{
    stage *s = *state;

    write_program(s, "workers=1");
    CHECK_OK(s->ctx, sweep(s));
    CHECK_EQ(s->result.n_ok, 3);
    CHECK_EQ(s->result.n_failed, 6);
    CHECK(strstr(s->result.run[3].error, "asked for 2 workers, its record observed 1"));
    CHECK(isnan(s->result.row[1].speed_up));
}

static void different_models_and_different_data_are_told_apart(void **state)
{
    stage *s = *state;

    write_program(s, "[ $3 = 2 ] && digest=d2");
    CHECK_OK(s->ctx, sweep(s));
    CHECK(s->result.digests_differ && !s->result.data_differs);
    s->options.resume = true;
    write_program(s, "digest=d3 data=f2");
    snprintf(s->out, sizeof s->out, "%s/other", s->dir);
    CHECK_OK(s->ctx, sweep(s));
    CHECK(!s->result.digests_differ && !s->result.data_differs);
}

static void a_failure_is_kept_with_code_and_message(void **state)
{
    stage *s = *state;

    write_program(s, "if [ $3 = 2 ]; then echo 'quern: fit als: no room' >&2; echo '  try: less' "
                     ">&2; exit 4; fi; [ $3 = 4 ] && kill -9 $$");
    CHECK_OK(s->ctx, sweep(s));
    CHECK_EQ(s->result.n_failed, 6);
    CHECK_EQ(s->result.run[3].exit_code, 4);
    CHECK_TEXT(s->result.run[3].error, "fit als: no room; try: less");
    CHECK_EQ(s->result.run[6].exit_code, 137);
    CHECK(strstr(s->result.run[6].error, "more memory"));
}

static void a_run_that_does_not_end_is_ended(void **state)
{
    stage *s = *state;
    const double start = qn_seconds();

    s->options.repeats = 1;
    s->options.timeout = 0.5;
    write_program(s, "[ $3 = 2 ] && sleep 60 & [ $3 = 2 ] && wait");
    CHECK_OK(s->ctx, sweep(s));
    CHECK(qn_seconds() - start < 20);
    CHECK_EQ(s->result.n_failed, 1);
    CHECK(strstr(s->result.run[1].error, "not done after 0.5 seconds"));
}

static void what_is_done_is_not_done_again(void **state)
{
    stage *s = *state;
    char path[160];

    CHECK_OK(s->ctx, sweep(s));
    CHECK_EQ(n_calls(s), 9);
    CHECK_EQ(sweep(s), QN_EEXISTS);
    s->options.resume = true;
    CHECK_OK(s->ctx, sweep(s));
    CHECK_EQ(n_calls(s), 9);
    CHECK_EQ(s->result.n_kept, 9);
    snprintf(path, sizeof path, "%s/points/w2-r2.json", s->out);
    CHECK_EQ(unlink(path), 0);
    s->options.repeats = 4; /* the sweep may grow */
    CHECK_OK(s->ctx, sweep(s));
    CHECK_EQ(n_calls(s), 9 + 1 + 3);
    s->word[1] = "--other";
    CHECK_EQ(sweep(s), QN_EINVAL);
    CHECK_ERROR(s->ctx, "--fit there, --other here");
    CHECK_EQ(n_calls(s), 13);
}

static void a_cancelled_sweep_keeps_what_it_has(void **state)
{
    stage *s = *state;

    qn_context_cancel(s->ctx, 2);
    CHECK_EQ(sweep(s), QN_ECANCELLED);
    CHECK_EQ(n_calls(s), 0);
}

static void a_program_that_is_not_there_is_named(void **state)
{
    stage *s = *state;

    s->word[0] = "/nowhere/quern";
    CHECK_EQ(sweep(s), QN_EUNAVAILABLE);
    CHECK_ERROR(s->ctx, "/nowhere/quern");
}

static void points_take_the_first_places_of_the_hosts(void **state)
{
    qn_string out = {0};

    (void)state;
    CHECK(sweep_hosts("a,b:2,c", 1, &out));
    CHECK_TEXT(qn_string_text(&out), "a:1");
    CHECK(sweep_hosts("a,b:2,c", 3, &out));
    CHECK_TEXT(qn_string_text(&out), "a:1,b:2");
    CHECK(sweep_hosts("a,b:2,c", 4, &out));
    CHECK_TEXT(qn_string_text(&out), "a:1,b:2,c:1");
    CHECK(!sweep_hosts("a,b:2,c", 5, &out));
    CHECK(!sweep_hosts("a:x", 1, &out));
    qn_string_release(&out);
}

static void every_round_has_every_point_once(void **state)
{
    int64_t order[60], again[60];
    bool differs = false;

    (void)state;
    sweep_order(5, 20, 3, order);
    sweep_order(5, 20, 3, again);
    CHECK_EQ(memcmp(order, again, sizeof order), 0);
    for (int32_t round = 0; round < 3; round++) {
        int32_t seen[20] = {0};

        for (int64_t i = 0; i < 20; i++) {
            CHECK_EQ(order[round * 20 + i] % 3, round);
            seen[order[round * 20 + i] / 3]++;
            differs |= order[round * 20 + i] / 3 != i;
        }
        for (int64_t i = 0; i < 20; i++)
            CHECK_EQ(seen[i], 1);
    }
    CHECK(differs);
}

static void a_sweep_survives_every_failed_allocation_and_write(void **state)
{
    stage *s = *state;
    qn_status st = QN_ENOMEM;

    s->options.repeats = 1;
    s->options.resume = true;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(s->ctx, allowed);
        st = sweep(s);
        qn_alloc_fail_after(s->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
    }
    snprintf(s->out, sizeof s->out, "%s/writes", s->dir);
    st = QN_EIO;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(s->ctx, allowed, ENOSPC);
        st = sweep(s);
        qn_write_fail_after(s->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
    }
    CHECK_EQ(s->result.n_ok, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(medians_and_speed_up_are_those_of_the_runs),
        TEST(workers_that_share_cores_get_no_speed_up),
        TEST(workers_on_hosts_of_their_own_share_none),
        TEST(a_run_that_observed_other_workers_is_not_its_point),
        TEST(different_models_and_different_data_are_told_apart),
        TEST(a_failure_is_kept_with_code_and_message),
        TEST(a_run_that_does_not_end_is_ended),
        TEST(what_is_done_is_not_done_again),
        TEST(a_cancelled_sweep_keeps_what_it_has),
        TEST(a_program_that_is_not_there_is_named),
        cmocka_unit_test(points_take_the_first_places_of_the_hosts),
        cmocka_unit_test(every_round_has_every_point_once),
        TEST(a_sweep_survives_every_failed_allocation_and_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
