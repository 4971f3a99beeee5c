/* The log of a run in words. */
#include "check.h"

#include <errno.h>

#include "base/file.h"
#include "engine/context_open.h"
#include "run/run_log.h"

typedef struct fixture {
    qn_context *ctx;
    qn_run_log *log;
    char dir[64], path[128];
    int32_t n_warnings;
} fixture;

static void count_warnings(void *user, const qn_event *event)
{
    ((fixture *)user)->n_warnings += event->kind == QN_EVENT_WARNING;
}

static int start(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || qn_context_create(&(qn_context_options){.threads = 1, .memory = 16u << 20},
                                &f->ctx) != QN_OK)
        return -1;
    fresh_dir(f->dir);
    snprintf(f->path, sizeof f->path, "%s/%s", f->dir, QN_RUN_LOG_FILE);
    return qn_context_add_sink(f->ctx, count_warnings, f) == QN_OK ? 0 : -1;
}

static int stop(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_run_log_free(f->log);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static void check_log(const fixture *f, const char *expected)
{
    char *text;
    size_t length;

    CHECK_OK(f->ctx, qn_read_file(f->ctx, f->path, (size_t)1 << 20, &text, &length));
    if (!strstr(text, expected))
        print_error("no \"%s\" in:\n%s\n", expected, text);
    CHECK(strstr(text, expected) != NULL);
    qn_free(text);
}

static void every_line_has_time_level_and_what_happened(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, qn_run_log_open(f->ctx, f->path, "quern fit als --rank=3", &f->log));
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_WORKER_ADDED,
                                .text = "alpha",
                                .done = 2,
                                .memory_bytes = (int64_t)1 << 30});
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_JOB_START, .name = "fit"});
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_STEP,
                                .name = "als",
                                .done = 1,
                                .total = 10,
                                .value = 0.75,
                                .duration_us = 250000});
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_TASK_END, .name = "no line of its own"});
    qn_emit_count(f->ctx, "train_records", 80);
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_METRIC, .name = "rmse", .value = 0.875});
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_FACT, .name = "file", .text = "a\nb"});
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_JOB_END, .name = "fit", .duration_us = 1500000});
    qn_run_log_close(f->ctx, f->log, QN_OK);
    check_log(f, "Command: quern fit als --rank=3\n2");
    check_log(f, "Z INFO worker 0 on alpha: 2 cores, at most 1 GB\n");
    check_log(f, "Z INFO fit: begins\n");
    check_log(f, "Z INFO als: iteration 1 of 10 in 0.250 s, loss 0.75\n2");
    check_log(f, "Z INFO train_records = 80\n");
    check_log(f, "Z INFO rmse = 0.875\n");
    check_log(f, "Z INFO file = a b\n");
    check_log(f, "Z INFO fit: done in 1.500 s\n");
    check_log(f, "Z INFO ended well\n");
}

static void job(const fixture *f, qn_event_kind kind)
{
    qn_emit(f->ctx, &(qn_event){.kind = kind, .name = "load"});
}

static void a_job_inside_another_is_not_told_beside_it(void **state)
{
    fixture *f = *state;
    char *text, *first;

    CHECK_OK(f->ctx, qn_run_log_open(f->ctx, f->path, "quern fit als", &f->log));
    job(f, QN_EVENT_JOB_START);
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_WORKER_LOST, .text = "killed on beta"});
    job(f, QN_EVENT_JOB_START);
    job(f, QN_EVENT_JOB_START);
    job(f, QN_EVENT_JOB_END);
    job(f, QN_EVENT_JOB_END);
    qn_run_log_close(f->ctx, f->log, QN_OK);
    CHECK_OK(f->ctx, qn_read_file(f->ctx, f->path, (size_t)1 << 20, &text, NULL));
    first = strstr(text, "load: begins\n");
    CHECK(first != NULL);
    CHECK(strstr(first, "is lost") != NULL);
    first = strstr(first + 1, "load: begins\n"); /* after the loss it begins anew */
    CHECK(first != NULL);
    CHECK(strstr(first + 1, "load: begins\n") == NULL);
    first = strstr(first, "load: done in");
    CHECK(first != NULL);
    CHECK(strstr(first + 1, "load: done in") == NULL);
    qn_free(text);
}

static void a_failure_says_why_and_a_resumed_run_goes_on_behind(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, qn_run_log_open(f->ctx, f->path, "quern fit als", &f->log));
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_WORKER_LOST, .text = "killed on beta"});
    qn_emit_warning(f->ctx, "take care");
    qn_fail(f->ctx, QN_EIO, "the disk is full");
    qn_run_log_close(f->ctx, f->log, QN_EIO);
    qn_run_log_free(f->log);
    f->ctx->n_sinks--;
    CHECK_OK(f->ctx, qn_run_log_open(f->ctx, f->path, "quern fit als --resume=last", &f->log));
    qn_run_log_close(f->ctx, f->log, QN_OK);
    check_log(f, "Z ERROR a worker is lost: killed on beta\n");
    check_log(f, "Z WARN take care\n");
    check_log(f, "Z ERROR ended: the disk is full\nCommand: quern fit als --resume=last\n");
}

static void what_cannot_be_written_is_told_once_and_fails_nothing(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, qn_run_log_open(f->ctx, "/dev/full", "quern fit als", &f->log));
    for (int32_t i = 0; i < 3; i++)
        qn_emit_count(f->ctx, "rows", i);
    CHECK_EQ(f->n_warnings, 0);
    qn_run_log_close(f->ctx, f->log, QN_OK);
    CHECK_EQ(f->n_warnings, 1);
    qn_run_log_free(f->log);
    f->ctx->n_sinks--;
    snprintf(f->path, sizeof f->path, "%s/none/run.log", f->dir);
    CHECK_OK(f->ctx, qn_run_log_open(f->ctx, f->path, "quern fit als", &f->log));
    CHECK_EQ(f->n_warnings, 2);
    qn_emit_count(f->ctx, "rows", 1);
    qn_run_log_close(f->ctx, f->log, QN_OK);
    CHECK_EQ(f->n_warnings, 2);
}

static void an_allocation_that_fails_ends_cleanly(void **state)
{
    fixture *f = *state;
    qn_status st;

    qn_alloc_fail_after(f->ctx, 0);
    st = qn_run_log_open(f->ctx, f->path, "quern fit als", &f->log);
    qn_alloc_fail_after(f->ctx, QN_NEVER);
    CHECK_EQ(st, QN_ENOMEM);
    CHECK(f->log == NULL);
}

int main(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        LOG_TEST(every_line_has_time_level_and_what_happened),
        LOG_TEST(a_job_inside_another_is_not_told_beside_it),
        LOG_TEST(a_failure_says_why_and_a_resumed_run_goes_on_behind),
        LOG_TEST(what_cannot_be_written_is_told_once_and_fails_nothing),
        LOG_TEST(an_allocation_that_fails_ends_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
