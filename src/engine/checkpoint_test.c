/* Checkpoints of two small arrays: written by any number of ranks, read by any other, whole or
 * ignored. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "engine/checkpoint.h"
#include "engine/checkpoint_manifest.h"
#include "engine/comm.h"
#include "quern/param.h"

#define WIDE_ROWS 70 /* of 64 KiB: 64 of them are a part */
#define WIDE      8192

typedef struct test_params {
    int32_t max_iter;
    double step;
} test_params;

static const qn_param test_rows[] = {
    QN_PARAM(test_params, max_iter, 10, 0, 1000, "iterations"),
    QN_PARAM(test_params, step, 0.5, 0, 1, "size of a step"),
};
static const qn_params test_table = {"test", test_rows, 2, sizeof(test_params)};

/* A run that counts: after iteration i every number of `wide` is i plus its place, and `total` is
 * their sum in one row. */
typedef struct counting {
    const char *dir, *run_id, *algorithm;
    test_params params;
    uint64_t fingerprint;
    int32_t interval, stop_after; /* ends after that many iterations */
    bool resume;
    int32_t started_at[8]; /* by rank: iterations that were taken up */
    int32_t n_warnings;
    char warning[512];
} counting;

static counting count_in(const char *dir)
{
    return (counting){.dir = dir,
                      .run_id = "run-1",
                      .algorithm = "count",
                      .params = {10, 0.5},
                      .fingerprint = 0xfeed,
                      .interval = 1,
                      .stop_after = 10};
}

static void note_warning(void *user, const qn_event *event)
{
    counting *c = user;

    if (event->kind != QN_EVENT_WARNING)
        return;
    c->n_warnings++;
    snprintf(c->warning, sizeof c->warning, "%s", event->text);
}

static void fill(int64_t *wide, int64_t iteration)
{
    for (int64_t i = 0; i < (int64_t)WIDE_ROWS * WIDE; i++)
        wide[i] = iteration + i;
}

static qn_status iterate(qn_context *ctx, counting *c, qn_checkpoint *ck, int64_t *wide)
{
    const qn_checkpoint_key key = {c->algorithm, &test_table, &c->params, "max_iter",
                                   c->fingerprint};
    const int64_t rank = qn_rank(ctx);
    const int64_t size = qn_size(ctx);
    int64_t total[2] = {0, 0};
    qn_checkpoint_array arrays[2] = {
        {"wide", WIDE_ROWS, WIDE * sizeof *wide, wide, WIDE_ROWS * rank / size,
         WIDE_ROWS * (rank + 1) / size},
        {"total", 1, sizeof total, total, 0, rank == 0},
    };
    int32_t at = 0;
    bool due = false;
    qn_status st = QN_OK;

    fill(wide, 0);
    QN_TRY(qn_checkpoint_begin(ctx, ck, &key, &at));
    c->started_at[rank] = at;
    if (at > 0) {
        CHECK_EQ(qn_checkpoint_rows(ck, "wide"), WIDE_ROWS);
        CHECK_EQ(qn_checkpoint_rows(ck, "none"), -1);
        fill(wide, -7);
        QN_TRY(qn_checkpoint_read(ctx, ck, arrays, 2));
        CHECK_EQ(total[0], at);
        for (int64_t i = 0; i < (int64_t)WIDE_ROWS * WIDE; i++)
            if (wide[i] != at + i)
                fail_msg("row %lld holds %lld", (long long)(i / WIDE), (long long)wide[i]);
    }
    while (at < c->stop_after) {
        at++;
        total[0] = at;
        fill(wide, at);
        QN_TRY(qn_checkpoint_is_due(ctx, ck, at, arrays, 2, &due));
        if (due)
            QN_TRY(qn_checkpoint_save(ctx, ck, at, arrays, 2));
    }
done:
    return st;
}

static qn_status count_rank(qn_context *ctx, void *arg)
{
    counting *c = arg;
    const qn_checkpoint_options options = {
        .dir = c->dir,
        .interval = c->interval,
        .resume = c->resume,
        .run_id = c->run_id,
        .command = "count",
        .options = "{\"path\": \"a\"}",
    };
    qn_checkpoint *ck = NULL;
    int64_t *wide = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(
        qn_alloc_array(ctx, (void **)&wide, (int64_t)WIDE_ROWS * WIDE, sizeof *wide, "numbers"));
    QN_TRY(qn_checkpoint_open(ctx, &options, &ck));
    QN_TRY(iterate(ctx, c, ck, wide));
done:
    qn_checkpoint_close(ck);
    qn_free(wide);
    return st;
}

static void path_in(char out[256], const char *dir, const char *name)
{
    snprintf(out, 256, "%.120s/%.120s", dir, name);
}

/* Names in the folder, blank separated. */
static void listing(qn_context *ctx, const char *dir, char out[256])
{
    char **names = NULL;
    int64_t n = 0;

    out[0] = '\0';
    CHECK_OK(ctx, qn_list_dir(ctx, dir, &names, &n));
    for (int64_t i = 0; i < n; i++)
        snprintf(out + strlen(out), 256 - strlen(out), "%s%s", i ? " " : "", names[i]);
    qn_names_free(names, n);
}

typedef struct place {
    qn_context *ctx;
    char dir[64];
} place;

/* In memory where there is a place: hundreds of fsyncs need no real disk. */
static char *memory_dir(char dir[64])
{
    snprintf(dir, 64, "/dev/shm/qn-test-XXXXXX");
    return access("/dev/shm", W_OK) == 0 && mkdtemp(dir) ? dir : fresh_dir(dir);
}

static int setup(void **state)
{
    const qn_context_options options = {.memory = (size_t)512 << 20, .threads = 1};
    place *p = calloc(1, sizeof *p);

    *state = p;
    return p && memory_dir(p->dir) && qn_context_create(&options, &p->ctx) == QN_OK ? 0 : -1;
}

static int teardown(void **state)
{
    place *p = *state;

    CHECK_EQ(qn_alloc_live(p->ctx), 0);
    qn_remove_tree(p->ctx, p->dir);
    qn_context_free(p->ctx);
    free(p);
    return 0;
}

static void the_last_two_are_kept_and_the_newest_is_taken_up(void **state)
{
    place *p = *state;
    counting c = count_in(p->dir);
    char names[256];

    c.stop_after = 7;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    listing(p->ctx, p->dir, names);
    CHECK_TEXT(names, "000006 000007");
    c.resume = true;
    c.stop_after = 10;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    CHECK_EQ(c.started_at[0], 7);
    listing(p->ctx, p->dir, names);
    CHECK_TEXT(names, "000009 000010");
}

static void any_number_of_ranks_takes_up_what_any_other_wrote(void **state)
{
    static const int32_t sizes[] = {1, 2, 3, 5};
    place *p = *state;
    char dir[256];

    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 4; b++) {
            counting c = count_in(dir);

            snprintf(dir, sizeof dir, "%s/%zu-%zu", p->dir, a, b);
            c.stop_after = 2;
            CHECK_OK(p->ctx, qn_run_thread_ranks(p->ctx, sizes[a], count_rank, &c));
            c.resume = true;
            c.stop_after = 3;
            CHECK_OK(p->ctx, qn_run_thread_ranks(p->ctx, sizes[b], count_rank, &c));
            for (int32_t r = 0; r < sizes[b]; r++)
                CHECK_EQ(c.started_at[r], 2);
        }
}

static void an_interval_of_three_saves_every_third(void **state)
{
    place *p = *state;
    counting c = count_in(p->dir);
    char names[256];

    c.interval = 3;
    c.stop_after = 8;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    listing(p->ctx, p->dir, names);
    CHECK_TEXT(names, "000003 000006");
}

static void nothing_is_written_without_an_interval_or_for_a_short_fit(void **state)
{
    place *p = *state;
    char dir[256];
    counting c = count_in(dir);

    path_in(dir, p->dir, "none");
    c.interval = 0;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    c.interval = QN_CHECKPOINT_AUTO;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    CHECK(!qn_path_exists(dir));
}

/* Changes one byte in the middle of a file, or cuts it. */
static void damage(const char *dir, const char *name, bool cut)
{
    char path[256], byte = 0;
    struct stat info;
    int fd;

    path_in(path, dir, name);
    fd = open(path, O_RDWR);
    CHECK(fd >= 0 && fstat(fd, &info) == 0);
    if (cut) {
        CHECK_EQ(ftruncate(fd, info.st_size / 2), 0);
    } else {
        CHECK_EQ(pread(fd, &byte, 1, info.st_size / 2), 1);
        byte ^= 4;
        CHECK_EQ(pwrite(fd, &byte, 1, info.st_size / 2), 1);
    }
    close(fd);
}

static void resume_after_damage(place *p, const char *name, int how)
{
    char dir[256], path[256];
    counting c = count_in(dir);

    snprintf(dir, sizeof dir, "%s/%d-%c", p->dir, how, name[7]);
    c.stop_after = 4;
    CHECK_OK(p->ctx, qn_run_thread_ranks(p->ctx, 2, count_rank, &c));
    path_in(path, dir, name);
    if (how == 2)
        CHECK_OK(p->ctx, qn_remove_tree(p->ctx, path));
    else
        damage(dir, name, how == 1);
    c.resume = true;
    c.stop_after = 5;
    c.n_warnings = 0;
    CHECK_OK(p->ctx, qn_run_thread_ranks(p->ctx, 3, count_rank, &c));
    CHECK_EQ(c.started_at[0], 3);
    CHECK_EQ(c.started_at[2], 3);
    listing(p->ctx, dir, path);
    CHECK_TEXT(path, "000004 000005"); /* 4 has been made anew */
}

static void a_damaged_newest_gives_way_to_the_one_before(void **state)
{
    place *p = *state;

    for (int how = 0; how < 3; how++) {
        resume_after_damage(p, "000004/manifest.json", how);
        resume_after_damage(p, "000004/rows-00001", how);
    }
}

static void the_damage_is_warned_of(void **state)
{
    place *p = *state;
    counting c = count_in(p->dir);

    c.stop_after = 4;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    damage(p->dir, "000004/rows-00000", false);
    c.resume = true;
    CHECK_OK(p->ctx, qn_context_add_sink(p->ctx, note_warning, &c));
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    CHECK_EQ(c.n_warnings, 1);
    CHECK(strstr(c.warning, "000004/rows-00000 is damaged"));
    CHECK(strstr(c.warning, "iteration 3, is used"));
}

static void when_all_are_damaged_that_is_an_error(void **state)
{
    place *p = *state;
    counting c = count_in(p->dir);

    c.stop_after = 4;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    damage(p->dir, "000004/rows-00000", false);
    damage(p->dir, "000003/manifest.json", true);
    c.resume = true;
    CHECK_EQ(count_rank(p->ctx, &c), QN_EDATA);
    CHECK_ERROR(p->ctx, "no checkpoint in /");
    CHECK_ERROR(p->ctx, "fit anew, without --resume");
}

static void what_a_killed_run_left_half_written_is_ignored_and_swept(void **state)
{
    place *p = *state;
    counting c = count_in(p->dir);
    char path[256], names[256];

    c.stop_after = 2;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    path_in(path, p->dir, "000003.new");
    CHECK_EQ(mkdir(path, 0777), 0);
    c.resume = true;
    c.interval = 0;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    CHECK_EQ(c.started_at[0], 2);
    listing(p->ctx, p->dir, names);
    CHECK_TEXT(names, "000001 000002");
}

static void another_run_data_set_or_parameter_is_refused_by_name(void **state)
{
    place *p = *state;
    const counting first = count_in(p->dir);
    counting c = first;

    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    c.resume = false;
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "holds checkpoints of another run");
    c.resume = true;
    c.run_id = "run-2";
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "is of the run run-1, not of run-2");
    c.run_id = first.run_id;
    c.algorithm = "sum";
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "is of fit count, not of fit sum");
    c.algorithm = first.algorithm;
    c.fingerprint = 0xbeef;
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "fingerprint 000000000000feed, now 000000000000beef");
    c.fingerprint = first.fingerprint;
    c.params.step = 0.25;
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "was made with --step 0.5, now it is 0.25");
    c.params = (test_params){9, 0.5};
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "--max-iter 10, now it is 9: it may only grow");
    c.params.max_iter = 11;
    c.stop_after = 11;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    CHECK_EQ(c.started_at[0], 10);
}

/* Writes the newest checkpoint's manifest anew as another version would. */
static void rewrite(place *p, int64_t format, const char *quern)
{
    qn_checkpoint_manifest m;
    char path[256], *text = NULL;
    size_t length = 0;
    FILE *file;

    path_in(path, p->dir, "000010/manifest.json");
    CHECK_OK(p->ctx, qn_read_file(p->ctx, path, 1 << 20, &text, &length));
    CHECK_OK(p->ctx, qn_checkpoint_manifest_parse(p->ctx, path, text, length, &m));
    qn_free(text);
    m.format = format;
    qn_free(m.quern);
    CHECK_OK(p->ctx, qn_strdup(p->ctx, quern, &m.quern));
    CHECK_OK(p->ctx, qn_checkpoint_manifest_text(p->ctx, &m, &text, &length));
    file = fopen(path, "w");
    CHECK(file && fwrite(text, 1, length, file) == length && fclose(file) == 0);
    qn_free(text);
    qn_checkpoint_manifest_release(&m);
}

static void another_version_is_refused_by_name(void **state)
{
    place *p = *state;
    counting c = count_in(p->dir);

    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    c.resume = true;
    rewrite(p, 1, "0.0.9");
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "was written by Quern 0.0.9, this is");
    rewrite(p, 1, qn_version());
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    rewrite(p, 2, "9.0.0");
    CHECK_EQ(count_rank(p->ctx, &c), QN_EINVAL);
    CHECK_ERROR(p->ctx, "has format 2 of Quern 9.0.0; this one");
}

static void a_folder_that_another_process_holds_is_busy(void **state)
{
    place *p = *state;
    const qn_checkpoint_options options = {.dir = p->dir, .interval = 1, .resume = true};
    qn_checkpoint *one = NULL, *two = NULL;

    CHECK_OK(p->ctx, qn_checkpoint_open(p->ctx, &options, &one));
    CHECK_EQ(qn_checkpoint_open(p->ctx, &options, &two), QN_EBUSY);
    CHECK_ERROR(p->ctx, "in use by a run that still works");
    CHECK(two == NULL);
    qn_checkpoint_close(one);
}

static void a_failing_write_is_a_warning_and_the_ones_before_stay(void **state)
{
    static const int errors[] = {ENOSPC, EIO};
    place *p = *state;
    int32_t failed = 1;
    char dir[256];

    for (int64_t allowed = 0; failed > 0; allowed++) {
        counting c = count_in(dir);
        int64_t n_args = allowed;

        snprintf(dir, sizeof dir, "%s/%lld", p->dir, (long long)allowed);
        CHECK_OK(p->ctx, qn_context_add_sink(p->ctx, note_warning, &c));
        c.stop_after = 2;
        CHECK_OK(p->ctx, count_rank(p->ctx, &c));
        CHECK_EQ(c.n_warnings, 0);
        c.resume = true;
        c.stop_after = 3;
        qn_write_fail_after(p->ctx, n_args, errors[allowed % 2]);
        CHECK_OK(p->ctx, count_rank(p->ctx, &c));
        qn_write_fail_after(p->ctx, INT64_MAX, 0);
        failed = c.n_warnings;
        CHECK(failed <= 1);
        if (failed)
            CHECK(strstr(c.warning, "checkpoint of iteration 3 was not written"));
        CHECK_OK(p->ctx, count_rank(p->ctx, &c));
        CHECK(c.started_at[0] == 2 || c.started_at[0] == 3);
        CHECK(failed || c.started_at[0] == 3);
        p->ctx->n_sinks = 0;
        CHECK_OK(p->ctx, qn_remove_tree(p->ctx, dir));
    }
}

static void every_failed_allocation_is_survived(void **state)
{
    place *p = *state;
    qn_status st = QN_ENOMEM;
    char dir[256];

    for (int64_t allowed = 0; st != QN_OK || allowed < 60; allowed++) {
        counting c = count_in(dir);

        snprintf(dir, sizeof dir, "%s/a", p->dir);
        c.stop_after = 2;
        CHECK_OK(p->ctx, count_rank(p->ctx, &c));
        c.resume = true;
        c.stop_after = 3;
        qn_alloc_fail_after(p->ctx, allowed);
        st = count_rank(p->ctx, &c);
        qn_alloc_fail_after(p->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(p->ctx), 0);
        CHECK_OK(p->ctx, qn_remove_tree(p->ctx, dir));
    }
}

static void a_cancelled_run_writes_no_more(void **state)
{
    place *p = *state;
    counting c = count_in(p->dir);
    char names[256];

    c.stop_after = 2;
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    c.resume = true;
    c.stop_after = 3;
    qn_context_cancel(p->ctx, 0);
    CHECK_EQ(count_rank(p->ctx, &c), QN_ECANCELLED);
    listing(p->ctx, p->dir, names);
    CHECK_TEXT(names, "000001 000002");
}

static void a_run_that_is_done_leaves_nothing(void **state)
{
    place *p = *state;
    char dir[256];
    counting c = count_in(dir);
    const qn_checkpoint_options options = {.dir = dir, .interval = 1, .resume = true};
    qn_checkpoint *ck = NULL;

    path_in(dir, p->dir, "ck");
    CHECK_OK(p->ctx, count_rank(p->ctx, &c));
    CHECK_OK(p->ctx, qn_checkpoint_open(p->ctx, &options, &ck));
    CHECK_OK(p->ctx, qn_checkpoint_remove(p->ctx, ck));
    qn_checkpoint_close(ck);
    CHECK(!qn_path_exists(dir));
}

static void a_folder_that_cannot_be_made_is_named_before_work(void **state)
{
    place *p = *state;
    char file[256], dir[300];
    counting c = count_in(dir);

    path_in(file, p->dir, "file");
    close(open(file, O_CREAT | O_WRONLY, 0666));
    snprintf(dir, sizeof dir, "%s/ck", file);
    CHECK_EQ(qn_run_thread_ranks(p->ctx, 2, count_rank, &c), QN_EIO);
    CHECK_ERROR(p->ctx, file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_two_are_kept_and_the_newest_is_taken_up),
        TEST(any_number_of_ranks_takes_up_what_any_other_wrote),
        TEST(an_interval_of_three_saves_every_third),
        TEST(nothing_is_written_without_an_interval_or_for_a_short_fit),
        TEST(a_damaged_newest_gives_way_to_the_one_before),
        TEST(the_damage_is_warned_of),
        TEST(when_all_are_damaged_that_is_an_error),
        TEST(what_a_killed_run_left_half_written_is_ignored_and_swept),
        TEST(another_run_data_set_or_parameter_is_refused_by_name),
        TEST(another_version_is_refused_by_name),
        TEST(a_folder_that_another_process_holds_is_busy),
        TEST(a_failing_write_is_a_warning_and_the_ones_before_stay),
        TEST(every_failed_allocation_is_survived),
        TEST(a_cancelled_run_writes_no_more),
        TEST(a_run_that_is_done_leaves_nothing),
        TEST(a_folder_that_cannot_be_made_is_named_before_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
