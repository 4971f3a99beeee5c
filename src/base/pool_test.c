#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

#define MANY 1000

typedef struct probe {
    qn_context *ctx;
    atomic_int ran[MANY];
    atomic_int meeting; /* threads that have arrived */
    int64_t fail_from;
    atomic_int signals_open;
} probe;

static qn_context *context_of(int32_t threads)
{
    const qn_context_options options = {.memory = (size_t)16 << 20, .threads = threads};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    return ctx;
}

static qn_status count_task(void *arg, int64_t task, int32_t thread)
{
    probe *p = arg;

    atomic_fetch_add(&p->ran[task], 1);
    return thread >= 0 && thread < qn_context_threads(p->ctx) ? QN_OK : QN_EINTERNAL;
}

static void every_task_runs_once(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 5; threads += 2) {
        qn_context *ctx = context_of(threads);
        probe p = {.ctx = ctx};

        for (int64_t n = 0; n <= MANY; n = n * 10 + (n == 0))
            CHECK_OK(ctx, qn_parallel(ctx, n, count_task, &p));
        for (int i = 0; i < MANY; i++)
            CHECK_EQ(atomic_load(&p.ran[i]), 1 + (i < 100) + (i < 10) + (i < 1));
        qn_context_free(ctx);
    }
}

/* Waits until a second thread is here too. */
static qn_status meet_task(void *arg, int64_t task, int32_t thread)
{
    probe *p = arg;
    const time_t give_up = time(NULL) + 20;

    (void)task;
    (void)thread;
    atomic_fetch_add(&p->meeting, 1);
    while (atomic_load(&p->meeting) < 2)
        if (time(NULL) > give_up)
            return QN_EINTERNAL;
    return QN_OK;
}

static void two_threads_really_work_at_once(void **state)
{
    qn_context *ctx = context_of(2);
    probe p = {.ctx = ctx};

    (void)state;
    CHECK_EQ(qn_pool_threads_used(ctx->pool), 0);
    CHECK_OK(ctx, qn_parallel(ctx, 2, meet_task, &p));
    CHECK_EQ(qn_pool_threads_used(ctx->pool), 2);
    CHECK(qn_pool_busy_seconds(ctx->pool) > 0.0);
    CHECK_EQ(qn_pool_threads(ctx->pool), 2);
    qn_context_free(ctx);
}

static qn_status failing_task(void *arg, int64_t task, int32_t thread)
{
    probe *p = arg;

    (void)thread;
    atomic_fetch_add(&p->ran[task], 1);
    if (task >= p->fail_from) {
        qn_fail(p->ctx, QN_EINVAL, "not this");
        return qn_fail(p->ctx, task % 2 ? QN_EDATA : QN_EIO, "task %d broke", (int)task);
    }
    qn_fail(p->ctx, QN_EINVAL, "task %d recovered", (int)task);
    return QN_OK;
}

static void the_lowest_failing_task_decides_for_any_number_of_threads(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 4; threads++) {
        for (int round = 0; round < 20; round++) {
            qn_context *ctx = context_of(threads);
            probe p = {.ctx = ctx, .fail_from = 37};

            CHECK_EQ(qn_parallel(ctx, MANY, failing_task, &p), QN_EDATA);
            CHECK_TEXT(qn_context_error(ctx), "task 37 broke");
            for (int i = 0; i < 37; i++)
                CHECK_EQ(atomic_load(&p.ran[i]), 1);
            CHECK_EQ(atomic_load(&p.ran[MANY - 1]), 0);
            qn_fail(ctx, QN_EIO, "after the loop");
            CHECK_TEXT(qn_context_error(ctx), "after the loop");
            qn_context_free(ctx);
        }
    }
}

static qn_status failing_meeting(void *arg, int64_t task, int32_t thread)
{
    const qn_status st = meet_task(arg, task, thread);

    return st != QN_OK ? st : qn_fail(((probe *)arg)->ctx, QN_EDATA, "task %d broke", (int)task);
}

static void of_two_failures_at_once_the_lower_task_counts(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        qn_context *ctx = context_of(2);
        probe p = {.ctx = ctx};

        CHECK_EQ(qn_parallel(ctx, 2, failing_meeting, &p), QN_EDATA);
        CHECK_TEXT(qn_context_error(ctx), "task 0 broke");
        qn_context_free(ctx);
    }
}

static qn_status cancelling_task(void *arg, int64_t task, int32_t thread)
{
    probe *p = arg;

    (void)thread;
    atomic_fetch_add(&p->ran[task], 1);
    if (task == 5)
        qn_context_cancel(p->ctx, SIGINT);
    return QN_OK;
}

static void cancel_stops_the_loop(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        qn_context *ctx = context_of(threads);
        probe p = {.ctx = ctx};

        CHECK_EQ(qn_parallel(ctx, MANY, cancelling_task, &p), QN_ECANCELLED);
        CHECK_ERROR(ctx, "interrupted by signal 2");
        CHECK_EQ(atomic_load(&p.ran[5]), 1);
        CHECK_EQ(atomic_load(&p.ran[MANY - 1]), 0);
        qn_context_free(ctx);
    }
}

static qn_status nested_task(void *arg, int64_t task, int32_t thread)
{
    probe *p = arg;

    (void)task;
    (void)thread;
    return qn_parallel(p->ctx, 2, count_task, p);
}

static void a_loop_inside_a_loop_is_a_defect(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        qn_context *ctx = context_of(threads);
        probe p = {.ctx = ctx};

        CHECK_EQ(qn_parallel(ctx, 3, nested_task, &p), QN_EINTERNAL);
        CHECK_ERROR(ctx, "inside another");
        CHECK_OK(ctx, qn_parallel(ctx, 3, count_task, &p));
        qn_context_free(ctx);
    }
}

static qn_status signal_task(void *arg, int64_t task, int32_t thread)
{
    probe *p = arg;
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (thread > 0 && !sigismember(&mask, SIGINT))
        atomic_fetch_add(&p->signals_open, 1);
    if (thread == 0 && sigismember(&mask, SIGINT))
        atomic_fetch_add(&p->signals_open, 1);
    return meet_task(arg, task, thread);
}

static void workers_take_no_signals(void **state)
{
    qn_context *ctx = context_of(2);
    probe p = {.ctx = ctx};

    (void)state;
    CHECK_OK(ctx, qn_parallel(ctx, 2, signal_task, &p));
    CHECK_EQ(atomic_load(&p.signals_open), 0);
    qn_context_free(ctx);
}

static void *own_pool(void *arg)
{
    qn_context *ctx = context_of(2);
    probe *p = arg;

    p->ctx = ctx;
    for (int i = 0; i < 50; i++)
        if (qn_parallel(ctx, MANY, count_task, p) != QN_OK)
            break;
    qn_context_free(ctx);
    return NULL;
}

static void several_pools_live_side_by_side(void **state)
{
    static probe p[3];
    pthread_t thread[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, own_pool, &p[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(atomic_load(&p[i].ran[MANY - 1]), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(two_threads_really_work_at_once),
        cmocka_unit_test(the_lowest_failing_task_decides_for_any_number_of_threads),
        cmocka_unit_test(of_two_failures_at_once_the_lower_task_counts),
        cmocka_unit_test(cancel_stops_the_loop),
        cmocka_unit_test(a_loop_inside_a_loop_is_a_defect),
        cmocka_unit_test(workers_take_no_signals),
        cmocka_unit_test(several_pools_live_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
