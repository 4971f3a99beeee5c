/* A fit that is stopped after any iteration and goes on, on any number of ranks, gives the same
 * bits. */
#include "ml/kmeans/kmeans_testing.h"

#include "engine/checkpoint.h"
#include "engine/comm.h"

#define N_ROWS 3000

typedef struct checkpointed_fit {
    const char *dir, *path;
    const test_table *table;
    qn_kmeans_params params;
    int32_t stop_at; /* cancelled after that many iterations; 0: never */
    bool resume;
    int32_t n_steps, iterations;
    char digest[33];
    double cost, training_cost;
    qn_context *ctx;
} checkpointed_fit;

static void stop_there(void *user, const qn_event *event)
{
    checkpointed_fit *job = user;

    if (event->kind != QN_EVENT_STEP)
        return;
    job->n_steps++;
    if (event->done == job->stop_at)
        qn_context_cancel(job->ctx, 0);
}

static qn_status fit_rank(qn_context *ctx, void *arg)
{
    checkpointed_fit *job = arg;
    const qn_checkpoint_options options = {
        .dir = job->dir, .interval = 1, .resume = job->resume, .run_id = "kmeans-1"};
    qn_checkpoint *ck = NULL;
    qn_matrix *matrix = NULL;
    qn_kmeans_model *model = NULL;
    qn_status st = QN_OK;

    if (qn_rank(ctx) == 0) {
        job->ctx = ctx;
        QN_TRY(qn_context_add_sink(ctx, stop_there, job));
    }
    QN_TRY(test_read(ctx, job->path, job->table, &matrix));
    if (job->dir)
        QN_TRY(qn_checkpoint_open(ctx, &options, &ck));
    qn_checkpoint_attach(ctx, ck);
    QN_TRY(qn_kmeans_fit(ctx, &job->params, matrix, &model));
    if (qn_rank(ctx) == 0) {
        qn_kmeans_digest(model, job->digest);
        job->iterations = model->iterations;
        job->cost = model->cost;
        job->training_cost = model->training_cost;
    }
done:
    qn_checkpoint_close(ck);
    qn_kmeans_free(model);
    qn_matrix_free(matrix);
    return st;
}

static checkpointed_fit run(qn_context *ctx, int32_t ranks, checkpointed_fit job, qn_status wanted)
{
    job.n_steps = 0;
    CHECK_EQ(qn_run_thread_ranks(ctx, ranks, fit_rank, &job), wanted);
    return job;
}

static void check_resumed(folder *f, const checkpointed_fit *undisturbed, int32_t stop_at,
                          int32_t before, int32_t after)
{
    char dir[96];
    checkpointed_fit job = *undisturbed;

    snprintf(dir, sizeof dir, "%s/checkpoint", f->path);
    job.dir = dir;
    job.stop_at = stop_at;
    run(f->ctx, before, job, QN_ECANCELLED);
    job.stop_at = 0;
    job.resume = true;
    job = run(f->ctx, after, job, QN_OK);
    CHECK(job.n_steps < undisturbed->n_steps && job.n_steps > 0);
    CHECK_TEXT(job.digest, undisturbed->digest);
    CHECK_EQ(job.iterations, undisturbed->iterations);
    CHECK(job.cost == undisturbed->cost);
    CHECK(job.training_cost == undisturbed->training_cost);
    CHECK_OK(f->ctx, qn_remove_tree(f->ctx, dir));
}

static checkpointed_fit undisturbed_fit(folder *f, const test_table *table, int32_t measure)
{
    checkpointed_fit job = {
        .path = folder_file(f, "rows.csv"), .table = table, .params = test_params(9)};

    job.params.distance_measure = measure;
    job.params.max_iter = 12;
    test_write(job.path, table);
    return run(f->ctx, 1, job, QN_OK);
}

static void a_fit_goes_on_to_the_same_bits_on_any_number_of_ranks(void **state)
{
    static const int32_t sizes[] = {1, 2, 3, 5};
    folder *f = *state;
    double *x = test_blobs(N_ROWS, 4, 20, 3);
    const test_table table = {.n = N_ROWS,
                              .columns = 4,
                              .x = x,
                              .has_weight = true,
                              .precision = QN_PRECISION_FLOAT,
                              .partitions = 5};
    checkpointed_fit whole;

    f->ctx->cells.table_rows = 64;
    whole = undisturbed_fit(f, &table, QN_EUCLIDEAN);
    CHECK(whole.n_steps > 5);
    for (int32_t a = 0; a < 4; a++)
        for (int32_t b = 0; b < 4; b++)
            check_resumed(f, &whole, 2 + (a + b) % 3, sizes[a], sizes[b]);
    whole = undisturbed_fit(f, &table, QN_COSINE);
    check_resumed(f, &whole, 2, 2, 3);
    free(x);
}

static void fewer_iterations_and_other_parameters_are_refused(void **state)
{
    folder *f = *state;
    double *x = test_blobs(N_ROWS, 4, 20, 3);
    const test_table table = {.n = N_ROWS, .columns = 4, .x = x, .precision = QN_PRECISION_FLOAT};
    checkpointed_fit job = undisturbed_fit(f, &table, QN_EUCLIDEAN);

    job.dir = folder_file(f, "checkpoint");
    run(f->ctx, 2, job, QN_OK);
    job.resume = true;
    job.params.max_iter = 11;
    run(f->ctx, 1, job, QN_EINVAL);
    CHECK_ERROR(f->ctx, "--max-iter 12, now it is 11: it may only grow");
    job.params.max_iter = 12;
    job.params.k = 8;
    run(f->ctx, 1, job, QN_EINVAL);
    CHECK_ERROR(f->ctx, "-k 9, now it is 8");
    free(x);
}

static int setup(void **state)
{
    qn_context *ctx = NULL;

    if (qn_context_create(NULL, &ctx) != QN_OK)
        return -1;
    *state = folder_make(ctx);
    return 0;
}

static int teardown(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;

    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fit_goes_on_to_the_same_bits_on_any_number_of_ranks),
        TEST(fewer_iterations_and_other_parameters_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
