/* A forest whose growing is stopped between groups of trees goes on to the same forest. */
#include "ml/forest/forest_testing.h"

#include "engine/checkpoint.h"
#include "engine/comm.h"

#define N_TREES 60
#define N_ROWS  3000

typedef struct growing {
    const char *path, *dir;
    const test_table *table;
    qn_forest_params params;
    int64_t stop_at; /* cancelled when so many levels are done; 0: never */
    bool resume;
    int64_t n_steps, first_step;
    char digest[33];
    qn_context *ctx;
} growing;

static void stop_there(void *user, const qn_event *event)
{
    growing *job = user;

    if (event->kind != QN_EVENT_STEP)
        return;
    if (job->n_steps++ == 0)
        job->first_step = event->done;
    if (job->stop_at > 0 && event->done >= job->stop_at)
        qn_context_cancel(job->ctx, 0);
}

static qn_status grow_rank(qn_context *ctx, void *arg)
{
    growing *job = arg;
    const qn_checkpoint_options options = {
        .dir = job->dir, .interval = 1, .resume = job->resume, .run_id = "forest-1"};
    qn_checkpoint *ck = NULL;
    qn_matrix *matrix = NULL;
    qn_forest_model *model = NULL;
    qn_status st = QN_OK;

    if (qn_rank(ctx) == 0) {
        job->ctx = ctx;
        QN_TRY(qn_context_add_sink(ctx, stop_there, job));
    }
    QN_TRY(test_read(ctx, job->path, job->table, &matrix));
    if (job->dir)
        QN_TRY(qn_checkpoint_open(ctx, &options, &ck));
    qn_checkpoint_attach(ctx, ck);
    QN_TRY(qn_forest_fit(ctx, &job->params, false, matrix, &model));
    if (qn_rank(ctx) == 0)
        test_digest(model, job->digest);
done:
    qn_checkpoint_close(ck);
    qn_forest_free(model);
    qn_matrix_free(matrix);
    return st;
}

/* With a budget of 4.1 MB few trees grow at once. */
static growing run(size_t memory, int32_t ranks, growing job, qn_status wanted)
{
    const qn_context_options options = {.threads = 1, .memory = memory};
    qn_context *ctx = NULL;

    job.n_steps = 0;
    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    CHECK_EQ(qn_run_thread_ranks(ctx, ranks, grow_rank, &job), wanted);
    if (wanted == QN_EINVAL)
        CHECK_ERROR(ctx, "--num-trees 60, now it is 61");
    qn_context_free(ctx);
    return job;
}

static void a_forest_goes_on_to_the_same_trees(void **state)
{
    const size_t little = (size_t)4200 << 10;
    const size_t much = (size_t)64 << 20;
    double *rows = test_rows(N_ROWS, 5, 3, 0, 7);
    const test_table t = {.n = N_ROWS, .columns = 5, .x = rows};
    growing job = {.path = folder_file(*state, "rows.csv"), .table = &t};
    char dir[96];
    growing whole;

    snprintf(dir, sizeof dir, "%s/checkpoint", ((folder *)*state)->path);
    job.params = test_params(false);
    job.params.num_trees = N_TREES;
    test_write(job.path, &t);
    whole = run(much, 1, job, QN_OK);
    for (int32_t ranks = 1; ranks <= 3; ranks++) {
        growing resumed = job;

        resumed.dir = dir;
        resumed.stop_at = (int64_t)job.params.max_depth * N_TREES * 3 / 4;
        run(little, 1, resumed, QN_ECANCELLED);
        resumed.resume = true;
        resumed.stop_at = 0;
        if (ranks == 1) {
            growing other = resumed;

            other.params.num_trees++;
            run(much, 1, other, QN_EINVAL);
        }
        resumed = run(much, ranks, resumed, QN_OK);
        CHECK(resumed.first_step > job.params.max_depth * 10);
        CHECK_TEXT(resumed.digest, whole.digest);
        resumed.stop_at = 0;
        resumed = run(much, 1, resumed, QN_OK); /* all trees were there */
        CHECK_EQ(resumed.n_steps, 0);
        CHECK_TEXT(resumed.digest, whole.digest);
        CHECK_OK(((folder *)*state)->ctx, qn_remove_tree(((folder *)*state)->ctx, dir));
    }
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_forest_goes_on_to_the_same_trees, test_setup,
                                        test_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
