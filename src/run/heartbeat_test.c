/* Signs of life of a worker that is busy with something else. */
#include "run/heartbeat.h"

#include <stdatomic.h>
#include <time.h>

#include "check.h"

static void count_pulses(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_WORKER_PEAK)
        atomic_fetch_add((atomic_int *)user, 1);
}

static void doze(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int pulses_in(double seconds, double patience, long ms, bool has_own)
{
    qn_context *ctx = NULL;
    qn_heartbeat *heartbeat = NULL;
    atomic_int n = 0;
    int seen;

    CHECK_OK(ctx, qn_context_create(NULL, &ctx));
    CHECK_OK(ctx, qn_context_add_sink(ctx, count_pulses, &n));
    CHECK_OK(ctx, qn_heartbeat_start(ctx, seconds, patience, &heartbeat));
    if (has_own) /* the next one is far in the future */
        atomic_store(&ctx->pulse_due, qn_now_us() + 60000000);
    doze(ms);
    qn_heartbeat_stop(heartbeat);
    seen = atomic_load(&n);
    qn_context_free(ctx);
    return seen;
}

static void a_worker_that_passes_no_cancel_point_still_gives_signs_of_life(void **state)
{
    (void)state;
    CHECK(pulses_in(0.01, 100, 400, false) >= 3);
}

static void a_worker_that_gives_its_own_is_left_alone(void **state)
{
    (void)state;
    CHECK_EQ(pulses_in(0.05, 100, 200, true), 0);
}

static void one_that_is_stuck_for_good_does_not_look_alive(void **state)
{
    (void)state;
    CHECK(pulses_in(0.02, 0.05, 600, false) <= 3);
}

static void stopping_does_not_wait_for_the_next_beat(void **state)
{
    const double start = qn_seconds();

    (void)state;
    CHECK_EQ(pulses_in(30, 100, 10, false), 0);
    CHECK(qn_seconds() - start < 10);
}

static void starting_survives_a_failed_allocation(void **state)
{
    qn_heartbeat *heartbeat = NULL;
    qn_context *ctx = NULL;

    (void)state;
    CHECK_OK(ctx, qn_context_create(NULL, &ctx));
    qn_alloc_fail_after(ctx, 0);
    CHECK_EQ(qn_heartbeat_start(ctx, 1, 1, &heartbeat), QN_ENOMEM);
    qn_alloc_fail_after(ctx, QN_NEVER);
    CHECK(heartbeat == NULL);
    qn_heartbeat_stop(heartbeat);
    qn_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_passes_no_cancel_point_still_gives_signs_of_life),
        cmocka_unit_test(a_worker_that_gives_its_own_is_left_alone),
        cmocka_unit_test(one_that_is_stuck_for_good_does_not_look_alive),
        cmocka_unit_test(stopping_does_not_wait_for_the_next_beat),
        cmocka_unit_test(starting_survives_a_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
