/* The memory analysis on the numbers of the reference's experiment: MovieLens 32M on workers of 6,
 * 2 and 1 GB. */
#include "check.h"

#include "base/file.h"
#include "engine/context_open.h"
#include "run/evidence.h"
#include "run/spark_log.h"

#define GB      ((int64_t)1 << 30)
#define RECORDS 32000204

/* Replays a run of one worker with such a limit, whose ratings lay in four partitions. */
static void replay(int64_t limit, qn_evidence *e, qn_string *text)
{
    qn_context *ctx = NULL;
    qn_spark_log *log = NULL;
    char dir[64];

    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1, .memory = 64u << 20}, &ctx),
             QN_OK);
    CHECK(fresh_dir(dir) != NULL);
    {
        qn_string place = {0};
        qn_spark_log_options options = {.run_id = "als-1", .name = "fit als"};

        qn_string_addf(&place, "%s/%s", dir, QN_SPARK_LOG_FOLDER);
        options.dir = qn_string_text(&place);
        CHECK_OK(ctx, qn_spark_log_open(ctx, &options, &log));
        qn_string_release(&place);
    }
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WORKER_ADDED,
                             .time_us = 1000000,
                             .text = "a",
                             .done = 1,
                             .memory_bytes = limit});
    for (int64_t p = 0; p < 4; p++)
        qn_emit(ctx, &(qn_event){.kind = QN_EVENT_STORAGE,
                                 .time_us = 2000000,
                                 .name = "ratings by user",
                                 .id = p,
                                 .total = 4,
                                 .rows = RECORDS / 4,
                                 .memory_bytes = 1 << 20});
    /* A log tells of storage behind a stage. */
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_JOB_START, .time_us = 3000000, .name = "fit"});
    qn_emit(
        ctx,
        &(qn_event){.kind = QN_EVENT_STAGE_START, .time_us = 3000000, .name = "users", .total = 1});
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_TASK_END, .time_us = 4000000, .duration_us = 9});
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_STAGE_END, .time_us = 4000000, .name = "users"});
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_JOB_END, .time_us = 5000000, .name = "fit"});
    qn_spark_log_close(ctx, log, QN_OK);
    CHECK_OK(ctx, qn_evidence_of_run(ctx, dir, "als-1", e));
    qn_evidence_text(e, text);
    qn_spark_log_free(log);
    qn_remove_tree(ctx, dir);
    qn_context_free(ctx);
}

static void check_limit(int64_t limit, const char *says, const char *never)
{
    qn_evidence e = {0};
    qn_string text = {0};

    replay(limit, &e, &text);
    CHECK_EQ(e.memory.records, RECORDS);
    CHECK(strstr(qn_string_text(&text), "Records: 32,000,204\n"));
    CHECK(strstr(qn_string_text(&text), "Raw data: 976.57 MB "));
    CHECK(strstr(qn_string_text(&text), "ALS: 2929.71 MB "));
    if (!strstr(qn_string_text(&text), says))
        print_error("%s\n", qn_string_text(&text));
    CHECK(strstr(qn_string_text(&text), says));
    CHECK(!never || !strstr(qn_string_text(&text), never));
    qn_string_release(&text);
    qn_evidence_release(&e);
}

static void six_gigabytes_are_enough_for_the_reference(void **state)
{
    (void)state;
    check_limit(6 * GB, "Memory limit: 6144.00 MB", "MEMORY PRESSURE DETECTED");
}

static void two_and_one_are_not(void **state)
{
    (void)state;
    check_limit(2 * GB, "Dataset requires 1.4x available memory\n", NULL);
    check_limit(1 * GB,
                "*** MEMORY PRESSURE DETECTED ***\nDataset requires 2.9x available memory\nSpark "
                "will need to spill to disk!\n",
                NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_gigabytes_are_enough_for_the_reference),
        cmocka_unit_test(two_and_one_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
