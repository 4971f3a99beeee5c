/* A fit that dies in an iteration and is taken up again: from what it had spilled, where that is
 * whole and of the same files, and otherwise from its input; the model is the same. */
#include <fcntl.h>
#include <signal.h>

#include "again.h"
#include "als_fit.h"
#include "spill_box.h"

#include "engine/checkpoint.h"

#define MB   ((size_t)1 << 20)
#define FEW  3000 /* users: 5.1 MB of ratings in both orientations */
#define MANY 6000 /* and a part of them to judge on, which takes 5 MB to score */

typedef struct fixture {
    als_box box;
    char checkpoints[96];
    const char *split; /* "": none */
} fixture;

typedef struct outcome {
    qn_fit_als_result result;
    int64_t kept; /* bytes taken over; -1: it was not told */
} outcome;

static int open_fixture(void **state, int users, const char *split)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || !als_box_open(&f->box, users))
        return -1;
    snprintf(f->checkpoints, sizeof f->checkpoints, "%s/checkpoints", f->box.dir);
    f->split = split;
    return 0;
}

static int set_up(void **state)
{
    return open_fixture(state, FEW, "");
}

static int set_up_with_split(void **state)
{
    return open_fixture(state, MANY, "random:0.8");
}

static int tear_down(void **state)
{
    fixture *f = *state;

    als_box_close(&f->box);
    free(f);
    return 0;
}

static void touch(const fixture *f)
{
    const struct timespec then[2] = {{1000000000, 0}, {1000000000, 0}};

    CHECK_EQ(utimensat(AT_FDCWD, f->box.input, then, 0), 0);
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
    qn_checkpoint *ck = NULL;
    als_fit fit;
    qn_status st = QN_OK;

    als_fit_for(&fit, f->box.input);
    fit.options.split = f->split[0] ? f->split : NULL;
    fit.als.rank = 4;
    fit.als.max_iter = 4;
    out->kept = -1;
    QN_TRY(qn_checkpoint_open(ctx, &checkpoints, &ck));
    qn_checkpoint_attach(ctx, ck);
    qn_alloc_fail_after(ctx, allowed);
    st = als_fit_run(ctx, &fit, &out->result);
    qn_alloc_fail_after(ctx, QN_NEVER);
    qn_checkpoint_attach(ctx, NULL);
done:
    qn_checkpoint_close(ck);
    return st;
}

/* Another date for the input, once it is known what was kept of it and before it is read. */
static void touch_before_reading(void *user, const qn_event *event)
{
    const fixture *f = user;

    if (event->kind == QN_EVENT_COUNT && strcmp(event->name, "load_bytes_kept") == 0)
        touch(f);
}

/* A process that is killed in an iteration; `touches`: and has touched its input. */
static void die_having(const fixture *f, size_t memory, bool touches)
{
    char bytes[32];
    int status;

    snprintf(bytes, sizeof bytes, "%zu", memory);
    status = run_again((const char *const[]){"die", f->box.dir, bytes, f->split,
                                             touches ? "touches" : "reads", NULL});
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void die(const fixture *f, size_t memory)
{
    die_having(f, memory, false);
}

static int die_as_told(char **word)
{
    const size_t memory = (size_t)strtoull(word[1], NULL, 10);
    const bool touches = strcmp(word[3], "touches") == 0;
    fixture f = {.split = word[2]};
    outcome out;
    qn_context *ctx;

    als_box_name(&f.box, word[0]);
    snprintf(f.checkpoints, sizeof f.checkpoints, "%s/checkpoints", f.box.dir);
    ctx = box_context(f.box.scratch, memory, 2);
    if (qn_context_add_sink(ctx, die_in_an_iteration, NULL) == QN_OK &&
        (!touches || qn_context_add_sink(ctx, touch_before_reading, &f) == QN_OK))
        start(&f, ctx, qn_path_exists(f.checkpoints), QN_NEVER, &out);
    return 1;
}

/* From a fresh folder of checkpoints, or from what is there. */
static qn_status go_on(const fixture *f, size_t memory, int64_t allowed, outcome *out)
{
    qn_context *ctx = box_context(f->box.scratch, memory, 2);
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

/* The whole run in memory, of which nothing stays. */
static void undisturbed(const fixture *f, outcome *out)
{
    go_on(f, 256 * MB, QN_NEVER, out);
    forget_checkpoints(f);
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

    undisturbed(f, &whole);
    CHECK_EQ(whole.kept, 0);
    CHECK(whole.result.has_evaluation);
    die(f, 10 * MB);
    go_on(f, 10 * MB, QN_NEVER, &again);
    CHECK(again.kept >= 2 * 5 * again.result.train_records);
    expect_same(&again, &whole);
    CHECK(again.result.evaluation.model.rmse.value == whole.result.evaluation.model.rmse.value);
    CHECK_EQ(n_entries(f->box.scratch), 0);
}

static void what_was_never_spilled_or_was_read_of_another_file_is_read_again(void **state)
{
    const fixture *f = *state;
    outcome whole, again;

    undisturbed(f, &whole);
    die(f, 256 * MB);
    go_on(f, 5 * MB, QN_NEVER, &again);
    CHECK_EQ(again.kept, 0);
    expect_same(&again, &whole);
    forget_checkpoints(f);
    die(f, 5 * MB);
    touch(f);
    go_on(f, 5 * MB, QN_NEVER, &again);
    CHECK_EQ(again.kept, 0);
    expect_same(&again, &whole);
    CHECK_EQ(n_entries(f->box.scratch), 0);
}

static void a_file_that_changes_while_it_is_read_is_read_again(void **state)
{
    const fixture *f = *state;
    outcome again;

    die_having(f, 5 * MB, true);
    go_on(f, 5 * MB, QN_NEVER, &again);
    CHECK_EQ(again.kept, 0);
    CHECK_EQ(n_entries(f->box.scratch), 0);
}

static void a_second_death_loses_nothing(void **state)
{
    const fixture *f = *state;
    outcome whole, again;

    undisturbed(f, &whole);
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

    undisturbed(f, &whole);
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
    CHECK_EQ(n_entries(f->box.scratch), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_start_takes_over_what_was_spilled,
                                        set_up_with_split, tear_down),
        TEST(what_was_never_spilled_or_was_read_of_another_file_is_read_again),
        TEST(a_file_that_changes_while_it_is_read_is_read_again),
        TEST(a_second_death_loses_nothing),
        TEST(every_failed_allocation_while_taking_over_is_survived),
    };

    if (argc == 5)
        return die_as_told(argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
