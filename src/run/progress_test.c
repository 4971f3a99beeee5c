#include "check.h"

#include "run/progress.h"

/* What a short run draws, with these options. */
static void draw_run(qn_progress_options options, char *out, size_t size)
{
    qn_context *ctx = NULL;
    qn_progress *progress = NULL;
    qn_span job;
    size_t n;

    options.stream = tmpfile();
    CHECK(options.stream != NULL);
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &ctx), QN_OK);
    CHECK_OK(ctx, qn_progress_open(ctx, &options, &progress));
    job = qn_job_start(ctx, "load");
    qn_emit(ctx,
            &(qn_event){
                .kind = QN_EVENT_PROGRESS, .name = "load", .done = 50, .total = 100, .rows = 1234});
    qn_span_end(ctx, &job, QN_OK, &(qn_event){.rows = 2468});
    job = qn_job_start(ctx, "fit");
    for (int64_t i = 1; i <= 2; i++)
        qn_emit(ctx, &(qn_event){.kind = QN_EVENT_STEP,
                                 .name = "als",
                                 .done = i,
                                 .total = 2,
                                 .value = 0.5 / (double)i,
                                 .duration_us = 1000});
    qn_emit_warning(ctx, "mind the gap");
    qn_span_end(ctx, &job, QN_OK, NULL);
    qn_context_free(ctx);
    qn_progress_free(progress);
    rewind(options.stream);
    n = fread(out, 1, size - 1, options.stream);
    out[n] = '\0';
    fclose(options.stream);
}

static void a_terminal_sees_rows_iterations_and_what_is_left(void **state)
{
    (void)state;
    char out[8192];

    draw_run((qn_progress_options){.is_terminal = true, .width = 120}, out, sizeof out);
    CHECK(strstr(out, " 50 %") != NULL);
    CHECK(strstr(out, "1,234 rows") != NULL);
    CHECK(strstr(out, "iteration 2 of 2, loss 0.2500") != NULL);
    CHECK(strstr(out, "2 iterations, loss 0.2500") != NULL);
    CHECK(strstr(out, "warning: mind the gap\n") != NULL);
}

static void lines_stay_within_the_width_of_the_terminal(void **state)
{
    (void)state;
    char out[8192];

    draw_run((qn_progress_options){.is_terminal = true, .width = 30}, out, sizeof out);
    CHECK(strstr(out, "iteration 2 of 2") == NULL);
}

static void off_a_terminal_only_warnings_are_written(void **state)
{
    (void)state;
    char out[8192];

    draw_run((qn_progress_options){.is_terminal = false}, out, sizeof out);
    CHECK_TEXT(out, "warning: mind the gap\n");
}

static void quiet_writes_nothing(void **state)
{
    (void)state;
    char out[8192];

    draw_run((qn_progress_options){.is_terminal = true, .quiet = true}, out, sizeof out);
    CHECK_TEXT(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_sees_rows_iterations_and_what_is_left),
        cmocka_unit_test(lines_stay_within_the_width_of_the_terminal),
        cmocka_unit_test(off_a_terminal_only_warnings_are_written),
        cmocka_unit_test(quiet_writes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
