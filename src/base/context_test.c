#include "base/context.h"

#include <errno.h>
#include <signal.h>

#include "base/text.h"
#include "check.h"

static int set_up(void **state)
{
    const qn_context_options options = {
        .memory = (size_t)8 << 20, .threads = 3, .scratch_dir = "/scratch"};

    return qn_context_create(&options, (qn_context **)state) == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

static void every_status_has_an_exit_code_and_a_text(void **state)
{
    (void)state;
    CHECK_EQ(qn_status_exit_code(QN_OK), 0);
    CHECK_EQ(qn_status_exit_code(QN_ENOMEM), 1);
    CHECK_EQ(qn_status_exit_code(QN_EINVAL), 2);
    CHECK_EQ(qn_status_exit_code(QN_EGATE), 3);
    CHECK_EQ(qn_status_exit_code(QN_EDATA), 4);
    CHECK_EQ(qn_status_exit_code(QN_EBUSY), 75);
    CHECK_EQ(qn_status_exit_code(QN_ECANCELLED), 130);
    CHECK_EQ(qn_status_exit_code((qn_status)999), 1);
    CHECK_TEXT(qn_status_text(QN_EDATA), "bad data or model");
    CHECK(qn_status_text((qn_status)999) != NULL);
}

static void options_are_taken_and_copied(void **state)
{
    qn_context *ctx = *state;

    CHECK_EQ(qn_context_threads(ctx), 3);
    CHECK_EQ(qn_context_memory(ctx), (size_t)8 << 20);
    CHECK_TEXT(ctx->scratch_dir, "/scratch");
    CHECK(ctx->module_dir == NULL);
    CHECK_EQ(ctx->cells.rating_rows, 4096);
    CHECK_TEXT(qn_context_error(ctx), "");
    CHECK_EQ(qn_alloc_live(ctx), 0); /* what the context holds itself does not count */
    CHECK_TEXT(qn_version(), QN_VERSION);
}

static void impossible_options_are_refused(void **state)
{
    const qn_context_options too_many = {.threads = 100000};
    const qn_context_options tiny = {.memory = 100};
    qn_context *ctx = NULL;

    (void)state;
    CHECK_EQ(qn_context_create(&too_many, &ctx), QN_EINVAL);
    CHECK(ctx == NULL);
    CHECK_EQ(qn_context_create(&tiny, &ctx), QN_ENOMEM);
    CHECK(ctx == NULL);
    qn_context_free(NULL);
}

static void a_failure_leaves_its_message(void **state)
{
    qn_context *ctx = *state;

    CHECK_EQ(qn_fail(ctx, QN_EDATA, "a.csv line %d: \"%s\"", 7, "x"), QN_EDATA);
    CHECK_TEXT(qn_context_error(ctx), "a.csv line 7: \"x\"");
    CHECK_EQ(qn_fail_prefix(ctx, QN_EIO, "reading %s", "b"), QN_EIO);
    CHECK_TEXT(qn_context_error(ctx), "reading b: a.csv line 7: \"x\"");
    CHECK_EQ(qn_fail(ctx, QN_EIO, "<%s>", qn_context_error(ctx)), QN_EIO);
    CHECK_TEXT(qn_context_error(ctx), "<reading b: a.csv line 7: \"x\">");
    CHECK_EQ(qn_fail_errno(ctx, QN_EIO, ENOENT, "cannot open %s", "c"), QN_EIO);
    CHECK_TEXT(qn_context_error(ctx), "cannot open c: No such file or directory");
    qn_fail_errno(ctx, QN_EIO, ENOSPC, "cannot write d");
    CHECK_TEXT(qn_context_error(ctx), "cannot write d: the disk is full");
    qn_error_clear(ctx);
    CHECK_TEXT(qn_context_error(ctx), "");
}

static void a_long_message_is_cut_not_overrun(void **state)
{
    qn_context *ctx = *state;
    char text[3 * QN_ERROR_BYTES];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    qn_fail(ctx, QN_EIO, "%s", text);
    CHECK_EQ(strlen(qn_context_error(ctx)), QN_ERROR_BYTES - 1);
    qn_fail_errno(ctx, QN_EIO, EIO, "%s", text);
    CHECK_EQ(strlen(qn_context_error(ctx)), QN_ERROR_BYTES - 1);
    qn_fail_prefix(ctx, QN_EIO, "p");
    CHECK_EQ(strlen(qn_context_error(ctx)), QN_ERROR_BYTES - 1);
}

static void cancel_stops_and_keeps_the_first_signal(void **state)
{
    qn_context *ctx = *state;

    CHECK_EQ(qn_check_cancel(ctx), QN_OK);
    CHECK_EQ(qn_cancel_signal(ctx), 0);
    qn_context_cancel(ctx, SIGTERM);
    qn_context_cancel(ctx, SIGINT);
    CHECK_EQ(qn_check_cancel(ctx), QN_ECANCELLED);
    CHECK_EQ(qn_cancel_signal(ctx), SIGTERM);
    CHECK_ERROR(ctx, "interrupted by signal 15");
}

/* Writes one line an event. */
static void note(void *user, const qn_event *event)
{
    qn_string_addf(user, "%s %s %s id=%d parent=%d done=%d total=%d rows=%d status=%d value=%g\n",
                   qn_event_kind_name(event->kind), event->name ? event->name : "-",
                   event->text ? event->text : "-", (int)event->id, (int)event->parent,
                   (int)event->done, (int)event->total, (int)event->rows, (int)event->status,
                   event->value);
    assert_true(event->time_us > 1500000000000000);
}

static void events_reach_every_sink_in_order(void **state)
{
    qn_context *ctx = *state;
    qn_string one = {0}, two = {0};
    const qn_event totals = {.rows = 12};
    qn_span job, stage;

    CHECK_OK(ctx, qn_context_add_sink(ctx, note, &one));
    CHECK_OK(ctx, qn_context_add_sink(ctx, note, &two));
    job = qn_job_start(ctx, "fit");
    stage = qn_stage_start(ctx, &job, "items", 5);
    qn_emit_count(ctx, "rows", 9);
    qn_emit_metric(ctx, "rmse", 0.5, "leave one out");
    qn_emit_fact(ctx, "kernels", "reference");
    qn_emit_warning(ctx, "%d rows dropped", 3);
    CHECK(qn_span_end(ctx, &stage, QN_OK, &totals) >= 0.0);
    qn_span_end(ctx, &job, QN_EIO, NULL);
    CHECK_TEXT(qn_string_text(&one),
               "jobStart fit - id=1 parent=0 done=0 total=0 rows=0 status=0 value=0\n"
               "stageStart items - id=2 parent=1 done=0 total=5 rows=0 status=0 value=0\n"
               "count rows - id=0 parent=0 done=9 total=0 rows=0 status=0 value=0\n"
               "metric rmse leave one out id=0 parent=0 done=0 total=0 rows=0 status=0 value=0.5\n"
               "fact kernels reference id=0 parent=0 done=0 total=0 rows=0 status=0 value=0\n"
               "warning - 3 rows dropped id=0 parent=0 done=0 total=0 rows=0 status=0 value=0\n"
               "workerPeak - - id=0 parent=2 done=0 total=0 rows=0 status=0 value=0\n"
               "stageEnd items - id=2 parent=1 done=0 total=0 rows=12 status=0 value=0\n"
               "jobEnd fit - id=1 parent=0 done=0 total=0 rows=0 status=2 value=0\n");
    CHECK_TEXT(qn_string_text(&one), qn_string_text(&two));
    qn_string_release(&one);
    qn_string_release(&two);
}

static void a_ninth_sink_is_refused(void **state)
{
    qn_context *ctx = *state;

    for (int i = 0; i < QN_MAX_SINKS; i++)
        CHECK_OK(ctx, qn_context_add_sink(ctx, note, NULL));
    CHECK_EQ(qn_context_add_sink(ctx, note, NULL), QN_EINVAL);
    CHECK_ERROR(ctx, "at most 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_an_exit_code_and_a_text),
        cmocka_unit_test_setup_teardown(options_are_taken_and_copied, set_up, tear_down),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test_setup_teardown(a_failure_leaves_its_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_message_is_cut_not_overrun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancel_stops_and_keeps_the_first_signal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events_reach_every_sink_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ninth_sink_is_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
