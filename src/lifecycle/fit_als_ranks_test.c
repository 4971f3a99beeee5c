/* Whole jobs on several ranks, as threads: the same model, the same figures and the same files as
 * on one, and one named error for all where a rank fails. */
#include <errno.h>

#include "lifecycle/ranks_testing.h"

#include "als_fit.h"

#include "base/file.h"
#include "engine/comm.h"

typedef struct fixture {
    qn_context *ctx;
    char dir[64], model[96], path[128];
    als_fit fit;

    /* What a run gave, by rank. */
    qn_fit_als_result result[MOST_RANKS];
    char *figures[MOST_RANKS]; /* JSON of the evaluation */
    qn_status status[MOST_RANKS];
    char error[MOST_RANKS][QN_ERROR_BYTES];
    int32_t failing_rank; /* -1: none */
    int64_t allowed;      /* allocations of the failing rank, or its writes */
    bool fails_writes;
    int64_t leaked[MOST_RANKS];
    int64_t n_jobs; /* that rank 0 told of */
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f)
        return -1;
    f->ctx = small_cells(1);
    f->failing_rank = -1;
    fresh_dir(f->dir);
    snprintf(f->model, sizeof f->model, "%s/model", f->dir);
    snprintf(f->path, sizeof f->path, "%s/ratings.csv", f->dir);
    write_ratings(f->path);
    als_fit_for(&f->fit, f->path);
    f->fit.ratings.split_bytes = 4096; /* 17 splits */
    f->fit.ratings.on_duplicate = QN_DUPLICATE_LATEST;
    f->fit.options.split = "random:0.7";
    f->fit.als.rank = 4;
    f->fit.als.max_iter = 3;
    f->fit.ranking.k = 3;
    f->fit.ranking.threshold = 3.5;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    for (int32_t r = 0; r < MOST_RANKS; r++)
        free(f->figures[r]);
    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static void count_jobs(void *user, const qn_event *event)
{
    *(int64_t *)user += event->kind == QN_EVENT_JOB_START;
}

static void keep_figures(fixture *f, int32_t rank)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_evaluation_json(&f->result[rank].evaluation, &j);
    qn_json_close(&j, '}');
    free(f->figures[rank]);
    f->figures[rank] = strdup(qn_string_text(&j.out));
    qn_json_release(&j);
}

static qn_status fit_rank(qn_context *ctx, void *arg)
{
    fixture *f = arg;
    const int32_t rank = qn_rank(ctx);
    const int64_t live = qn_alloc_live(ctx);
    qn_status st = QN_OK;

    if (rank == 0)
        QN_TRY(qn_context_add_sink(ctx, count_jobs, &f->n_jobs));
    if (rank == f->failing_rank && f->fails_writes)
        qn_write_fail_after(ctx, f->allowed, EIO);
    else if (rank == f->failing_rank)
        qn_alloc_fail_after(ctx, f->allowed);
    st = als_fit_run(ctx, &f->fit, &f->result[rank]);
    qn_alloc_fail_after(ctx, QN_NEVER);
    f->status[rank] = st;
    snprintf(f->error[rank], sizeof f->error[rank], "%s", st == QN_OK ? "" : qn_context_error(ctx));
    if (st == QN_OK)
        keep_figures(f, rank);
    f->leaked[rank] = qn_alloc_live(ctx) - live;
done:
    return st;
}

static qn_status fit(fixture *f, int32_t threads, int32_t ranks)
{
    qn_context *ctx = small_cells(threads);
    qn_status st;

    f->n_jobs = 0;
    st = qn_run_thread_ranks(ctx, ranks, fit_rank, f);
    qn_context_free(ctx);
    for (int32_t r = 0; r < ranks; r++)
        CHECK_EQ(f->leaked[r], 0);
    return st;
}

/* The run on one rank, then every other shape against it. */
static void every_shape_agrees(fixture *f)
{
    static const int32_t ranks[] = {1, 2, 3, 5, 7};
    char digest[33], *figures;
    int64_t n_jobs;

    CHECK_EQ(fit(f, 1, 1), QN_OK);
    snprintf(digest, sizeof digest, "%s", f->result[0].digest);
    figures = strdup(f->figures[0]);
    n_jobs = f->n_jobs;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        for (int32_t threads = 1; threads <= 2; threads++) {
            CHECK_EQ(fit(f, threads, ranks[i]), QN_OK);
            CHECK_EQ(f->n_jobs, n_jobs);
            for (int32_t r = 0; r < ranks[i]; r++) {
                CHECK_TEXT(f->result[r].digest, digest);
                CHECK_TEXT(f->figures[r], figures);
            }
        }
    free(figures);
}

static void a_split_is_judged_to_the_last_bit_alike(void **state)
{
    fixture *f = *state;

    f->fit.options.model = f->model;
    f->fit.options.overwrite = true;
    every_shape_agrees(f);
    CHECK(f->result[0].evaluation.ranking.users > 80);
    CHECK(f->result[0].evaluation.model.n > 500);
    CHECK(f->result[0].evaluation.user_mean.n > 500);
    CHECK(f->result[0].evaluation.popularity.users > 80);
}

/* Every rank ends with the same status and the same words. */
static void all_say(const fixture *f, int32_t ranks, qn_status status, const char *words)
{
    for (int32_t r = 0; r < ranks; r++) {
        CHECK_EQ(f->status[r], status);
        CHECK_TEXT(f->error[r], f->error[0]);
    }
    if (!strstr(f->error[0], words))
        print_error("no \"%s\" in: %s\n", words, f->error[0]);
    CHECK(strstr(f->error[0], words) != NULL);
}

static void a_folder_that_cannot_be_written_ends_all_ranks_before_work(void **state)
{
    fixture *f = *state;

    snprintf(f->model, sizeof f->model, "%s/none/model", f->dir);
    f->fit.options.model = f->model;
    CHECK_EQ(fit(f, 1, 3), QN_EIO);
    all_say(f, 3, QN_EIO, "/none");
    CHECK_EQ(f->n_jobs, 0);
}

static void a_model_that_is_there_ends_all_ranks_before_work(void **state)
{
    fixture *f = *state;

    f->fit.options.model = f->model;
    CHECK_EQ(fit(f, 1, 2), QN_OK);
    CHECK_EQ(fit(f, 1, 2), QN_EEXISTS);
    all_say(f, 2, QN_EEXISTS, "model");
}

static void a_bad_row_that_one_rank_reads_ends_all_with_its_line(void **state)
{
    fixture *f = *state;
    FILE *file = fopen(f->path, "a");

    CHECK(file != NULL);
    fputs("3,5,much,1000000\n", file); /* of the last split */
    CHECK_EQ(fclose(file), 0);
    for (int32_t ranks = 2; ranks <= 5; ranks++) {
        CHECK_EQ(fit(f, 1, ranks), QN_EDATA);
        all_say(f, ranks, QN_EDATA, "line 3002");
    }
}

static void a_write_that_fails_ends_all_ranks_and_leaves_no_model(void **state)
{
    fixture *f = *state;

    f->fit.options.model = f->model;
    f->failing_rank = 0;
    f->fails_writes = true;
    for (f->allowed = 0; fit(f, 1, 3) != QN_OK; f->allowed += 3) {
        all_say(f, 3, QN_EIO, "Input/output error");
        CHECK(!qn_path_exists(f->model));
        CHECK(f->allowed < 200);
    }
    CHECK(f->allowed > 3);
}

static void memory_that_one_rank_lacks_ends_all_with_its_words(void **state)
{
    fixture *f = *state;

    f->fit.options.model = f->model;
    f->fit.options.overwrite = true;
    for (f->failing_rank = 0; f->failing_rank < 3; f->failing_rank += 2)
        for (f->allowed = 0; fit(f, 1, 3) != QN_OK; f->allowed += 1 + f->allowed / 16) {
            all_say(f, 3, QN_ENOMEM, "");
            CHECK(f->allowed < 100000);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_split_is_judged_to_the_last_bit_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written_ends_all_ranks_before_work,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_that_is_there_ends_all_ranks_before_work, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_bad_row_that_one_rank_reads_ends_all_with_its_line,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_write_that_fails_ends_all_ranks_and_leaves_no_model,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_that_one_rank_lacks_ends_all_with_its_words, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
