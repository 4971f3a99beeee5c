/* What can go wrong with scratch: disks that are full, fail or lie, folders that do not serve, and
 * processes that die. Each ends in one clear message, and nothing is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "base/file.h"
#include "engine/scratch.h"
#include "engine/store.h"

#include "spill_box.h"

#define KB     ((size_t)1 << 10)
#define BLOCKS 24
#define BYTES  (96 * KB)
#define BUDGET (1024 * KB)

static qn_context *open_context(const char *dir)
{
    return box_context(dir, BUDGET, 2);
}

static int set_up(void **state)
{
    return open_box(state, BUDGET);
}

static qn_status make_store(qn_context *ctx, qn_store **out)
{
    qn_status st = QN_OK;
    qn_store *store = NULL;
    void *data;

    *out = NULL;
    QN_TRY(qn_store_create(ctx, "ratings by user", &store));
    for (int64_t i = 0; i < BLOCKS; i++) {
        QN_TRY(qn_store_add(ctx, store, 0, BYTES, &data));
        memset(data, 'a' + (int)i, BYTES);
        QN_TRY(qn_store_seal_block(ctx, store, i));
    }
    *out = store;
    store = NULL;
done:
    qn_store_free(store);
    return st;
}

static qn_status check_block(qn_context *ctx, qn_store *store, int64_t i)
{
    const void *data;
    const qn_status st = qn_store_pin(ctx, store, i, &data);
    const char *c = data;

    CHECK((st == QN_OK) == (data != NULL));
    if (st != QN_OK)
        return st;
    for (size_t k = 0; k < BYTES; k++)
        if (c[k] != 'a' + (int)i)
            fail_msg("byte %zu of block %lld is wrong", k, (long long)i);
    qn_store_unpin(store, i);
    return QN_OK;
}

static qn_status read_store(qn_context *ctx, qn_store *store)
{
    qn_status st = QN_OK;

    QN_TRY(qn_store_read_ahead(ctx, store, NULL, -1));
    for (int64_t i = 0; i < BLOCKS; i++)
        QN_TRY(check_block(ctx, store, i));
done:
    return st;
}

static void every_failed_allocation_is_survived(void **state)
{
    box *b = *state;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_store *store = NULL;

        qn_alloc_fail_after(b->ctx, allowed);
        st = make_store(b->ctx, &store);
        if (st == QN_OK)
            st = read_store(b->ctx, store);
        qn_alloc_fail_after(b->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        if (store)
            CHECK_OK(b->ctx, read_store(b->ctx, store));
        qn_store_free(store);
        CHECK_EQ(qn_alloc_live(b->ctx), 0);
    }
}

/* Folders, files, writes and syncs fail in turn. What has failed stays in memory, so that the same
 * store goes on once there is room. */
static void every_failed_write_is_told(void **state)
{
    static const int errors[] = {ENOSPC, EIO};
    static const char *const texts[] = {"the disk is full", "Input/output error"};
    box *b = *state;

    for (int e = 0; e < 2; e++) {
        qn_status st = QN_EIO;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_context *ctx = open_context(b->dir);
            qn_store *store = NULL;
            void *big = NULL;

            qn_write_fail_after(ctx, allowed, errors[e]);
            st = make_store(ctx, &store);
            if (st != QN_OK) {
                CHECK_EQ(st, QN_EIO);
                CHECK_ERROR(ctx, b->dir);
                CHECK_ERROR(ctx, texts[e]);
                CHECK_ERROR(ctx, "--scratch");
                CHECK(store == NULL);
            }
            qn_write_fail_after(ctx, INT64_MAX, 0);
            if (st == QN_OK) { /* now fail what spills later, and go on after it */
                qn_write_fail_after(ctx, 0, errors[e]);
                CHECK_EQ(qn_alloc_array(ctx, &big, 900, KB, "factors"), QN_EIO);
                CHECK_ERROR(ctx, "cannot spill 96 KB of ratings by user to ");
                CHECK_ERROR(ctx, texts[e]);
                qn_write_fail_after(ctx, INT64_MAX, 0);
                CHECK_OK(ctx, qn_alloc_array(ctx, &big, 800, KB, "factors"));
                CHECK_OK(ctx, read_store(ctx, store));
                qn_free(big);
            }
            qn_store_free(store);
            CHECK_EQ(qn_alloc_live(ctx), 0);
            qn_context_free(ctx);
            CHECK_EQ(n_entries(b->dir), 0);
        }
    }
}

/* The file of the only store. */
static void scratch_file(const qn_context *ctx, char path[4400])
{
    snprintf(path, 4400, "%s/001-ratings-by-user.blocks", qn_scratch_path(ctx));
}

static void send_all_to_disk(qn_context *ctx, const qn_store *store)
{
    void *all = NULL;

    CHECK_OK(ctx, qn_alloc_array(ctx, &all, 960, KB, "all"));
    CHECK_EQ(qn_store_get_stats(store).bytes_resident, 0);
    qn_free(all);
}

/* Of a damaged file the block, its place and the file are named, with and without reading ahead;
 * the other blocks are well. */
static void a_damaged_block_is_named(void **state)
{
    box *b = *state;
    char path[4400], word[64];
    int64_t n_bad = 0, bad = -1;
    qn_store *store;
    int fd;

    CHECK_OK(b->ctx, make_store(b->ctx, &store));
    send_all_to_disk(b->ctx, store);
    scratch_file(b->ctx, path);
    fd = open(path, O_WRONLY);
    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, "!", 1, 3 * 100 * 1024 + 5000), 1);
    close(fd);
    for (int round = 0; round < 2; round++) {
        send_all_to_disk(b->ctx, store);
        if (round == 1)
            CHECK_OK(b->ctx, qn_store_read_ahead(b->ctx, store, NULL, -1));
        for (int64_t i = 0; i < BLOCKS; i++) {
            const qn_status st = check_block(b->ctx, store, i);

            usleep(2000);
            if (st == QN_OK)
                continue;
            CHECK_EQ(st, QN_EIO);
            CHECK_ERROR(b->ctx, path);
            CHECK_ERROR(b->ctx, "does not have its checksum");
            snprintf(word, sizeof word, "at offset %d: block %lld of ratings by user",
                     3 * 100 * 1024 + 64, (long long)i);
            CHECK_ERROR(b->ctx, word);
            CHECK(bad < 0 || bad == i);
            bad = i;
            n_bad++;
        }
    }
    CHECK_EQ(n_bad, 2);
    qn_store_free(store);
}

static void a_file_that_is_cut_off_is_named(void **state)
{
    box *b = *state;
    char path[4400];
    int64_t n_bad = 0;
    qn_store *store;

    CHECK_OK(b->ctx, make_store(b->ctx, &store));
    send_all_to_disk(b->ctx, store);
    scratch_file(b->ctx, path);
    CHECK_EQ(truncate(path, 20 * 100 * 1024), 0);
    for (int64_t i = 0; i < BLOCKS; i++) {
        if (check_block(b->ctx, store, i) == QN_OK)
            continue;
        CHECK_ERROR(b->ctx, path);
        CHECK_ERROR(b->ctx, "is cut off");
        n_bad++;
    }
    CHECK_EQ(n_bad, BLOCKS - 20);
    qn_store_free(store);
}

static void folders_that_do_not_serve_are_refused(void **state)
{
    box *b = *state;
    static const struct {
        const char *dir, *text;
        qn_status st;
    } cases[] = {
        {"no-such-folder",
         "scratch folder no-such-folder: No such file or directory: give --scratch a folder that "
         "exists",
         QN_ENOTFOUND},
        {"/dev/null", "scratch folder /dev/null is not a folder", QN_EINVAL},
        {"/proc", "cannot make a folder in scratch folder /proc: ", QN_EIO},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        qn_context *ctx = open_context(cases[i].dir);
        qn_store *store;

        CHECK_EQ(make_store(ctx, &store), cases[i].st);
        CHECK_ERROR(ctx, cases[i].text);
        if (cases[i].st != QN_EIO)
            CHECK_EQ(qn_scratch_check(ctx, cases[i].dir), cases[i].st);
        qn_context_free(ctx);
    }
    CHECK_OK(b->ctx, qn_scratch_check(b->ctx, b->dir));
    if (geteuid() != 0) {
        qn_store *store;

        chmod(b->dir, 0500);
        CHECK_EQ(make_store(b->ctx, &store), QN_EIO);
        CHECK_ERROR(b->ctx, "cannot be written");
        chmod(b->dir, 0700);
    }
}

static void scratch_in_memory_is_refused(void **state)
{
    struct statfs fs;
    qn_context *ctx;
    qn_store *store;

    (void)state;
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != 0x01021994) {
        print_message("skipped: /dev/shm is no tmpfs\n");
        skip();
    }
    ctx = open_context("/dev/shm");
    CHECK_EQ(qn_scratch_check(ctx, "/dev/shm"), QN_EINVAL);
    CHECK_EQ(make_store(ctx, &store), QN_EINVAL);
    CHECK_ERROR(ctx, "scratch folder /dev/shm lies in memory (tmpfs), so that spilling to it frees "
                     "none: give --scratch a folder on a disk");
    qn_context_free(ctx);
}

/* A child that spills and is killed; its folder stays. */
static void kill_a_child_that_spills(const char *dir, const char *run)
{
    const pid_t child = fork();
    int status;

    if (child == 0) {
        qn_context *ctx = open_context(dir);
        qn_store *store;

        if (run && qn_scratch_set_run(ctx, run) != QN_OK)
            _exit(2);
        if (make_store(ctx, &store) != QN_OK)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void what_dead_processes_left_is_swept_at_the_next_start(void **state)
{
    box *b = *state;
    char other[256];
    qn_store *store;
    qn_context *next;

    CHECK_OK(b->ctx, make_store(b->ctx, &store));
    CHECK_EQ(n_entries(b->dir), 1);
    kill_a_child_that_spills(b->dir, NULL);
    CHECK_EQ(n_entries(b->dir), 2);
    kill_a_child_that_spills(b->dir, NULL); /* sweeps what the first has left */
    CHECK_EQ(n_entries(b->dir), 2);
    snprintf(other, sizeof other, "%s/quern-scratch-notes", b->dir);
    CHECK_EQ(mkdir(other, 0700), 0);
    next = open_context(b->dir);
    CHECK_EQ(n_entries(b->dir), 2); /* ours, which lives, and what is none of ours */
    qn_context_free(next);
    CHECK_OK(b->ctx, read_store(b->ctx, store));
    qn_store_free(store);
    CHECK_EQ(rmdir(other), 0);
}

/* As a process leaves it that dies when it has just taken the lock. */
static void leave_folder(const char *dir, const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_EQ(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/%s/lock", dir, name);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    close(fd);
}

static void a_run_finds_its_own_folder_after_a_crash(void **state)
{
    box *b = *state;
    char expected[256];
    qn_store *store;

    kill_a_child_that_spills(b->dir, "als-2026");
    leave_folder(b->dir, "quern-scratch-run-als-2026-01-0-abcdef");
    CHECK_EQ(n_entries(b->dir), 2);
    qn_context_free(open_context(b->dir)); /* knows no run: leaves those of runs */
    CHECK_EQ(n_entries(b->dir), 2);
    CHECK_EQ(qn_scratch_set_run(b->ctx, "a/b"), QN_EINVAL);
    CHECK_EQ(qn_scratch_set_run(b->ctx, ""), QN_EINVAL);
    CHECK_OK(b->ctx, qn_scratch_set_run(b->ctx, "als-2026"));
    CHECK_EQ(n_entries(b->dir), 1);
    CHECK_OK(b->ctx, make_store(b->ctx, &store));
    snprintf(expected, sizeof expected, "%s/quern-scratch-run-als-2026-0-", b->dir);
    CHECK_EQ(strncmp(qn_scratch_path(b->ctx), expected, strlen(expected)), 0);
    qn_store_free(store);
    CHECK_OK(b->ctx, qn_scratch_set_run(b->ctx, "next"));
    CHECK_EQ(n_entries(b->dir), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_failed_allocation_is_survived),
        TEST(every_failed_write_is_told),
        TEST(a_damaged_block_is_named),
        TEST(a_file_that_is_cut_off_is_named),
        TEST(folders_that_do_not_serve_are_refused),
        cmocka_unit_test(scratch_in_memory_is_refused),
        TEST(what_dead_processes_left_is_swept_at_the_next_start),
        TEST(a_run_finds_its_own_folder_after_a_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
