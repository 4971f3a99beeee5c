/* Signs of life: they come by themselves, end with patience, and never after the stop. */
#include "check.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "run/heartbeat.h"

static void count_signs(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_WORKER_PEAK)
        atomic_fetch_add((atomic_int *)user, 1);
}

static qn_context *context_with(atomic_int *signs)
{
    qn_context *ctx = NULL;

    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &ctx), QN_OK);
    CHECK_OK(ctx, qn_context_add_sink(ctx, count_signs, signs));
    return ctx;
}

static void a_silent_context_gives_signs_of_life(void **state)
{
    atomic_int signs = 0;
    qn_context *ctx = context_with(&signs);
    qn_heartbeat *heartbeat = NULL;
    int at_end;

    (void)state;
    CHECK_OK(ctx, qn_heartbeat_start(ctx, 0.002, 60, &heartbeat));
    for (int i = 0; i < 10000 && atomic_load(&signs) < 3; i++)
        usleep(1000);
    qn_heartbeat_stop(heartbeat);
    at_end = atomic_load(&signs);
    CHECK(at_end >= 3);
    usleep(20000);
    CHECK_EQ(atomic_load(&signs), at_end);
    qn_context_free(ctx);
}

static void patience_ends(void **state)
{
    atomic_int signs = 0;
    qn_context *ctx = context_with(&signs);
    qn_heartbeat *heartbeat = NULL;
    int after;

    (void)state;
    CHECK_OK(ctx, qn_heartbeat_start(ctx, 0.002, 0.05, &heartbeat));
    usleep(100000);
    after = atomic_load(&signs);
    usleep(50000);
    CHECK_EQ(atomic_load(&signs), after);
    qn_heartbeat_stop(heartbeat);
    qn_context_free(ctx);
}

static void a_context_that_tells_of_itself_is_left_alone(void **state)
{
    atomic_int signs = 0;
    qn_context *ctx = context_with(&signs);
    qn_heartbeat *heartbeat = NULL;
    int before;

    (void)state;
    qn_context_pulse(ctx, 3600);
    CHECK_OK(ctx, qn_check_cancel(ctx)); /* gives one: its own next is due in an hour */
    before = atomic_load(&signs);
    CHECK_EQ(before, 1);
    CHECK_OK(ctx, qn_heartbeat_start(ctx, 0.002, 60, &heartbeat));
    usleep(50000);
    qn_heartbeat_stop(heartbeat);
    CHECK_EQ(atomic_load(&signs), before);
    qn_context_free(ctx);
}

static void nothing_is_left_of_a_start_that_failed(void **state)
{
    atomic_int signs = 0;
    qn_context *ctx = context_with(&signs);
    qn_heartbeat *heartbeat = NULL;

    (void)state;
    qn_alloc_fail_after(ctx, 0);
    CHECK_EQ(qn_heartbeat_start(ctx, 1, 60, &heartbeat), QN_ENOMEM);
    qn_alloc_fail_after(ctx, QN_NEVER);
    CHECK(heartbeat == NULL);
    qn_heartbeat_stop(heartbeat);
    qn_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_context_gives_signs_of_life),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(a_context_that_tells_of_itself_is_left_alone),
        cmocka_unit_test(nothing_is_left_of_a_start_that_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
