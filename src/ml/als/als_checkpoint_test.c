/* A fit that is stopped anywhere and goes on, on any number of ranks, gives the same bits. */
#include "ml/als/als_testing.h"

#include <errno.h>

#include "base/file.h"
#include "engine/checkpoint.h"

#define N_USERS   300
#define N_ITEMS   90
#define N_RATINGS 4000

typedef struct checkpointed_fit {
    const char *dir;
    qn_als_params params;
    int32_t stop_at;    /* cancelled after that many steps; 0: never */
    int32_t stop_stage; /* or when that many stages have begun */
    bool resume, with_checkpoints;
    uint64_t bits;
    int32_t iterations;
    double loss;
    int64_t n_steps; /* sweeps that rank 0 did */
} checkpointed_fit;

typedef struct watch {
    qn_context *ctx;
    checkpointed_fit *job;
    int64_t n_stages;
} watch;

static void stop_there(void *user, const qn_event *event)
{
    watch *w = user;
    const bool is_step = event->kind == QN_EVENT_STEP;

    w->job->n_steps += is_step;
    w->n_stages += event->kind == QN_EVENT_STAGE_START;
    if ((is_step && event->done == w->job->stop_at) ||
        (w->job->stop_stage > 0 && w->n_stages == w->job->stop_stage))
        qn_context_cancel(w->ctx, 0);
}

static qn_status fit_with(qn_context *ctx, checkpointed_fit *job, const qn_ratings *ratings)
{
    const qn_checkpoint_options options = {
        .dir = job->dir, .interval = 1, .resume = job->resume, .run_id = "als-1"};
    qn_checkpoint *ck = NULL;
    qn_als_model *model = NULL;
    qn_status st = QN_OK;

    if (job->with_checkpoints)
        QN_TRY(qn_checkpoint_open(ctx, &options, &ck));
    qn_checkpoint_attach(ctx, ck);
    QN_TRY(qn_als_fit(ctx, &job->params, ratings, &model));
    if (qn_rank(ctx) == 0) {
        job->bits = test_model_bits(model);
        job->iterations = model->iterations;
        job->loss = model->loss;
    }
done:
    qn_als_free(model);
    qn_checkpoint_close(ck);
    return st;
}

static qn_status fit_rank(qn_context *ctx, void *arg)
{
    checkpointed_fit *job = arg;
    test_rating *list = test_random(N_USERS, N_ITEMS, N_RATINGS, 5);
    watch w = {.ctx = ctx, .job = job};
    qn_ratings *ratings = NULL;
    qn_status st = QN_OK;

    QN_TRY(test_ratings(ctx, list, N_RATINGS, 7, &ratings));
    if (qn_rank(ctx) == 0)
        QN_TRY(qn_context_add_sink(ctx, stop_there, &w));
    QN_TRY(fit_with(ctx, job, ratings));
done:
    qn_ratings_free(ratings);
    free(list);
    return st;
}

static checkpointed_fit run(qn_context *ctx, int32_t ranks, checkpointed_fit job, qn_status wanted)
{
    job.n_steps = 0;
    CHECK_EQ(qn_run_thread_ranks(ctx, ranks, fit_rank, &job), wanted);
    return job;
}

static qn_als_params small_params(void)
{
    return test_params(6, 7, 0.05);
}

/* Stops after sweep 3 on `before` ranks, goes on with `after`. */
static void check_resumed(qn_context *ctx, qn_als_params params, int32_t before, int32_t after)
{
    char dir[64];
    checkpointed_fit job = {.dir = fresh_dir(dir), .params = params};
    const checkpointed_fit undisturbed = run(ctx, 1, job, QN_OK);
    checkpointed_fit resumed;

    job.with_checkpoints = true;
    job.stop_at = 4; /* the sweep after it is cancelled; 4 or 3 is on disk */
    run(ctx, before, job, QN_ECANCELLED);
    job.stop_at = 0;
    job.resume = true;
    resumed = run(ctx, after, job, QN_OK);
    CHECK(resumed.n_steps < undisturbed.n_steps && resumed.n_steps > 0);
    CHECK_EQ(resumed.bits, undisturbed.bits);
    CHECK_EQ(resumed.iterations, undisturbed.iterations);
    CHECK(resumed.loss == undisturbed.loss);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

static void a_fit_goes_on_to_the_same_bits_on_any_number_of_ranks(void **state)
{
    static const int32_t sizes[] = {1, 2, 3, 5};
    qn_context *ctx = *state;

    ctx->cells.rating_rows = 16;
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 4; b++)
            check_resumed(ctx, small_params(), sizes[a], sizes[b]);
}

static void so_it_does_with_biases_implicit_feedback_and_early_stop(void **state)
{
    qn_context *ctx = *state;
    qn_als_params params = small_params();

    ctx->cells.rating_rows = 16;
    params.bias = QN_ALS_BIAS_FULL;
    check_resumed(ctx, params, 2, 3);
    params = small_params();
    params.implicit_prefs = true;
    check_resumed(ctx, params, 3, 1);
    params = small_params();
    params.early_stop = 6;
    params.validation = 0.2;
    params.reg_param = 1e-3; /* overfits: the best sweep is an early one */
    check_resumed(ctx, params, 1, 2);
}

static void a_fit_stopped_in_any_stage_goes_on(void **state)
{
    qn_context *ctx = *state;
    char dir[64];
    checkpointed_fit job = {.params = small_params()};
    const checkpointed_fit undisturbed = run(ctx, 1, job, QN_OK);

    for (int32_t stage = 1; stage <= 14; stage++) {
        checkpointed_fit one = job;

        one.dir = fresh_dir(dir);
        one.with_checkpoints = true;
        one.stop_stage = stage;
        run(ctx, 1, one, QN_ECANCELLED);
        one.stop_stage = 0;
        one.resume = true;
        one = run(ctx, 1, one, QN_OK);
        CHECK_EQ(one.bits, undisturbed.bits);
        CHECK_EQ(one.n_steps, 7 - (stage - 1) / 2);
        CHECK_OK(ctx, qn_remove_tree(ctx, dir));
    }
}

static void more_sweeps_may_be_asked_for_and_fewer_may_not(void **state)
{
    qn_context *ctx = *state;
    char dir[64];
    checkpointed_fit job = {.dir = fresh_dir(dir), .params = small_params()};
    checkpointed_fit longer = job;

    longer.params.max_iter = 10;
    longer = run(ctx, 1, longer, QN_OK);
    job.with_checkpoints = true;
    run(ctx, 2, job, QN_OK);
    job.resume = true;
    job.params.max_iter = 6;
    run(ctx, 1, job, QN_EINVAL);
    CHECK_ERROR(ctx, "--max-iter 7, now it is 6: it may only grow");
    job.params.max_iter = 10;
    job = run(ctx, 1, job, QN_OK);
    CHECK_EQ(job.n_steps, 3);
    CHECK_EQ(job.bits, longer.bits);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

static void a_fit_that_was_done_when_it_was_killed_is_not_done_again(void **state)
{
    qn_context *ctx = *state;
    char dir[64];
    checkpointed_fit job = {
        .dir = fresh_dir(dir), .params = small_params(), .with_checkpoints = true};
    const checkpointed_fit first = run(ctx, 3, job, QN_OK);
    checkpointed_fit second;

    job.resume = true;
    second = run(ctx, 2, job, QN_OK);
    CHECK_EQ(second.n_steps, 0);
    CHECK_EQ(second.bits, first.bits);
    CHECK_EQ(second.iterations, 7);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

static void other_parameters_or_kernels_are_refused(void **state)
{
    qn_context *ctx = *state;
    char dir[64];
    checkpointed_fit job = {
        .dir = fresh_dir(dir), .params = small_params(), .with_checkpoints = true};
    const char *kernels = qn_context_kernels(ctx);

    run(ctx, 1, job, QN_OK);
    job.resume = true;
    job.params.rank = 5;
    run(ctx, 2, job, QN_EINVAL);
    CHECK_ERROR(ctx, "--rank 6, now it is 5");
    job.params = small_params();
    job.params.seed++;
    run(ctx, 1, job, QN_EINVAL);
    CHECK_ERROR(ctx, "--seed");
    job.params = small_params();
    if (strcmp(kernels, "reference") != 0) {
        CHECK_OK(ctx, qn_context_use_kernels(ctx, "reference"));
        run(ctx, 1, job, QN_EINVAL);
        CHECK_ERROR(ctx, "now it is reference: give --kernels");
        CHECK_OK(ctx, qn_context_use_kernels(ctx, kernels));
    }
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

static void every_failed_allocation_of_a_resumed_fit_is_survived(void **state)
{
    qn_context *ctx = *state;
    char dir[64];
    checkpointed_fit job = {.dir = fresh_dir(dir), .params = test_params(2, 2, 0.1)};
    test_rating *list = test_random(N_USERS, N_ITEMS, N_RATINGS, 5);
    qn_ratings *ratings = NULL;
    qn_status st = QN_ENOMEM;
    uint64_t bits;

    CHECK_OK(ctx, test_ratings(ctx, list, N_RATINGS, 3, &ratings));
    CHECK_OK(ctx, fit_with(ctx, &job, ratings));
    bits = job.bits;
    job.with_checkpoints = true;
    job.params.max_iter = 1;
    CHECK_OK(ctx, fit_with(ctx, &job, ratings));
    job.resume = true;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        job.params.max_iter = 2;
        qn_alloc_fail_after(ctx, allowed);
        st = fit_with(ctx, &job, ratings);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
    }
    CHECK_EQ(job.bits, bits);
    qn_ratings_free(ratings);
    free(list);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_context_setup, test_context_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fit_goes_on_to_the_same_bits_on_any_number_of_ranks),
        TEST(so_it_does_with_biases_implicit_feedback_and_early_stop),
        TEST(a_fit_stopped_in_any_stage_goes_on),
        TEST(more_sweeps_may_be_asked_for_and_fewer_may_not),
        TEST(a_fit_that_was_done_when_it_was_killed_is_not_done_again),
        TEST(other_parameters_or_kernels_are_refused),
        TEST(every_failed_allocation_of_a_resumed_fit_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
