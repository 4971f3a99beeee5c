/* A fit that dies in an iteration and is taken up again: from what it had spilled, where that is
 * whole and of the same files, and otherwise from its input; the model is the same. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "spill_box.h"

#include "base/file.h"
#include "engine/checkpoint.h"
#include "lifecycle/fit_als.h"

#define MB     ((size_t)1 << 20)
#define FEW    3000 /* users: 5.1 MB of ratings in both orientations */
#define MANY   6000 /* and a part of them to judge on, which takes 5 MB to score */
#define A_USER 170
#define ITEMS  1000

typedef struct fixture {
    char dir[64], input[96], scratch[96], checkpoints[96];
    const char *split;
} fixture;

typedef struct outcome {
    qn_fit_als_result result;
    int64_t kept; /* bytes taken over; -1: it was not told */
} outcome;

static int open_fixture(void **state, int users)
{
    fixture *f = calloc(1, sizeof *f);
    FILE *stream;

    *state = f;
    if (!f || !disk_dir(f->dir))
        return -1;
    snprintf(f->input, sizeof f->input, "%s/ratings.csv", f->dir);
    snprintf(f->scratch, sizeof f->scratch, "%s/scratch", f->dir);
    snprintf(f->checkpoints, sizeof f->checkpoints, "%s/checkpoints", f->dir);
    if (mkdir(f->scratch, 0777) != 0 || !(stream = fopen(f->input, "w")))
        return -1;
    fputs("userId,movieId,rating\n", stream);
    for (int u = 0; u < users; u++)
        for (int i = 0; i < A_USER; i++)
            fprintf(stream, "u%d,%d,%d\n", u + 1, (u * 7 + i * 5) % ITEMS + 1, 1 + (u * i) % 5);
    return fclose(stream);
}

static int set_up(void **state)
{
    return open_fixture(state, FEW);
}

static int set_up_with_split(void **state)
{
    const int failed = open_fixture(state, MANY);

    if (!failed)
        ((fixture *)*state)->split = "random:0.8";
    return failed;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    qn_remove_tree(NULL, f->dir);
    free(f);
    return 0;
}

static void note_kept(void *user, const qn_event *event)
{
    outcome *out = user;

    if (event->kind == QN_EVENT_COUNT && strcmp(event->name, "load_bytes_kept") == 0)
        out->kept = event->done;
}

static void die_in_an_iteration(void *user, const qn_event *event)
{
    (void)user;
    if (event->kind == QN_EVENT_STEP && event->done >= 2)
        kill(getpid(), SIGKILL);
}

/* One start of the run, with its checkpoint; `allowed` allocations succeed. */
static qn_status start(const fixture *f, qn_context *ctx, bool resume, int64_t allowed,
                       outcome *out)
{
    const qn_checkpoint_options checkpoints = {.dir = f->checkpoints,
                                               .interval = 1,
                                               .resume = resume,
                                               .run_id = "als-2026",
                                               .command = "fit als"};
    const char *input = f->input;
    qn_checkpoint *ck = NULL;
    qn_fit_als_options options;
    qn_ratings_options ratings;
    qn_als_params als;
    qn_ranking_options ranking;
    qn_status st = QN_OK;

    qn_params_init(&qn_fit_als_table, &options);
    qn_params_init(&qn_ratings_table, &ratings);
    qn_params_init(&qn_als_table, &als);
    qn_params_init(&qn_ranking_table, &ranking);
    ratings.input = (qn_text_list){&input, 1};
    options.split = f->split;
    als.rank = 4;
    als.max_iter = 4;
    out->kept = -1;
    QN_TRY(qn_checkpoint_open(ctx, &checkpoints, &ck));
    qn_checkpoint_attach(ctx, ck);
    qn_alloc_fail_after(ctx, allowed);
    st = qn_fit_als_run(ctx, &options, &ratings, &als, &ranking, &out->result);
    qn_alloc_fail_after(ctx, QN_NEVER);
    qn_checkpoint_attach(ctx, NULL);
done:
    qn_checkpoint_close(ck);
    return st;
}

static void die(const fixture *f, size_t memory)
{
    const pid_t child = fork();
    int status;

    if (child == 0) {
        qn_context *ctx = box_context(f->scratch, memory, 2);
        outcome out;

        if (qn_context_add_sink(ctx, die_in_an_iteration, NULL) == QN_OK)
            start(f, ctx, qn_path_exists(f->checkpoints), QN_NEVER, &out);
        _exit(1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* From a fresh folder of checkpoints, or from what is there. */
static qn_status go_on(const fixture *f, size_t memory, int64_t allowed, outcome *out)
{
    qn_context *ctx = box_context(f->scratch, memory, 2);
    qn_status st;

    CHECK_OK(ctx, qn_context_add_sink(ctx, note_kept, out));
    st = start(f, ctx, qn_path_exists(f->checkpoints), allowed, out);
    if (allowed == QN_NEVER)
        CHECK_OK(ctx, st);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return st;
}

static void forget_checkpoints(const fixture *f)
{
    CHECK_EQ(qn_remove_tree(NULL, f->checkpoints), QN_OK);
}

static void expect_same(const outcome *a, const outcome *b)
{
    CHECK_TEXT(a->result.digest, b->result.digest);
    CHECK_EQ(a->result.n_users, b->result.n_users);
    CHECK_EQ(a->result.train_records, b->result.train_records);
    CHECK_EQ(a->result.test_records, b->result.test_records);
    CHECK_EQ(a->result.counts.rows_read, b->result.counts.rows_read);
    CHECK_EQ(a->result.counts.bytes_read, b->result.counts.bytes_read);
    CHECK_EQ(a->result.data_fingerprint, b->result.data_fingerprint);
}

static void the_next_start_takes_over_what_was_spilled(void **state)
{
    const fixture *f = *state;
    outcome whole, again;

    go_on(f, 256 * MB, QN_NEVER, &whole);
    CHECK_EQ(whole.kept, 0);
    CHECK(whole.result.has_evaluation);
    forget_checkpoints(f);
    die(f, 10 * MB);
    go_on(f, 10 * MB, QN_NEVER, &again);
    CHECK(again.kept >= 2 * 5 * again.result.train_records);
    expect_same(&again, &whole);
    CHECK(again.result.evaluation.model.rmse.value == whole.result.evaluation.model.rmse.value);
    CHECK_EQ(n_entries(f->scratch), 0);
}

static void what_was_never_spilled_or_was_read_of_another_file_is_read_again(void **state)
{
    const struct timespec then[2] = {{1000000000, 0}, {1000000000, 0}};
    const fixture *f = *state;
    outcome whole, again;

    go_on(f, 256 * MB, QN_NEVER, &whole);
    forget_checkpoints(f);
    die(f, 256 * MB);
    go_on(f, 5 * MB, QN_NEVER, &again);
    CHECK_EQ(again.kept, 0);
    expect_same(&again, &whole);
    forget_checkpoints(f);
    die(f, 5 * MB);
    CHECK_EQ(utimensat(AT_FDCWD, f->input, then, 0), 0);
    go_on(f, 5 * MB, QN_NEVER, &again);
    CHECK_EQ(again.kept, 0);
    expect_same(&again, &whole);
    CHECK_EQ(n_entries(f->scratch), 0);
}

static void a_second_death_loses_nothing(void **state)
{
    const fixture *f = *state;
    outcome whole, again;

    go_on(f, 256 * MB, QN_NEVER, &whole);
    forget_checkpoints(f);
    die(f, 5 * MB);
    die(f, 5 * MB);
    go_on(f, 6 * MB, QN_NEVER, &again);
    CHECK(again.kept > 0);
    expect_same(&again, &whole);
}

static void every_failed_allocation_while_taking_over_is_survived(void **state)
{
    const fixture *f = *state;
    outcome whole, again;
    int n_before = 0, n_taken = 0;

    go_on(f, 256 * MB, QN_NEVER, &whole);
    forget_checkpoints(f);
    for (int64_t allowed = 10; allowed < 50; allowed += 12) {
        qn_status st;

        die(f, 5 * MB);
        st = go_on(f, 5 * MB, allowed, &again);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        n_before += again.kept < 0;
        n_taken += again.kept > 0;
    }
    CHECK(n_before > 0);
    CHECK(n_taken > 0);
    die(f, 5 * MB);
    go_on(f, 5 * MB, QN_NEVER, &again);
    CHECK(again.kept > 0);
    expect_same(&again, &whole);
    CHECK_EQ(n_entries(f->scratch), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_start_takes_over_what_was_spilled,
                                        set_up_with_split, tear_down),
        TEST(what_was_never_spilled_or_was_read_of_another_file_is_read_again),
        TEST(a_second_death_loses_nothing),
        TEST(every_failed_allocation_while_taking_over_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
