/* Data that a process leaves on its scratch disk when it dies, and who may take them over. The dead
 * process is a child; what it leaves is looked at by a context of its own each time. */
#include "engine/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "engine/scratch.h"

#include "spill_box.h"

#define KB     ((size_t)1 << 10)
#define RUN    "als-2026"
#define KEY    77
#define BLOCKS 24
#define BYTES  (96 * KB)
#define BUDGET (1024 * KB)
#define MANY   100000

/* What is kept. */
typedef struct some_data {
    int64_t number, n;
    int32_t *array; /* [n] */
    char *none;
    div_t *pair; /* a struct */
    qn_store *store;
} some_data;

static qn_context *open_context(const char *dir)
{
    return box_context(dir, BUDGET, 2);
}

/* A folder on a disk; the tests make contexts of their own. */
static int set_up(void **state)
{
    box *b = calloc(1, sizeof *b);

    *state = b;
    return b && disk_dir(b->dir) ? 0 : -1;
}

/* ---- the data ---- */

static qn_status make_data(qn_context *ctx, some_data *data)
{
    qn_status st = QN_OK;
    void *bytes;

    *data = (some_data){.number = 5, .n = 1000};
    QN_NEW(ctx, data->array, data->n, "numbers");
    for (int64_t i = 0; i < data->n; i++)
        data->array[i] = (int32_t)(i * i);
    QN_NEW0(ctx, data->pair, 1, "a struct");
    *data->pair = (div_t){.quot = 8, .rem = 3};
    QN_TRY(qn_store_create(ctx, "letters", &data->store));
    for (int64_t i = 0; i < BLOCKS; i++) {
        QN_TRY(qn_store_add(ctx, data->store, i / 10, BYTES - (size_t)i, &bytes));
        memset(bytes, 'a' + (int)i, BYTES - (size_t)i);
        QN_TRY(qn_store_seal_block(ctx, data->store, i));
    }
    qn_store_drop_block(data->store, 3);
done:
    return st;
}

static void release(some_data *data)
{
    qn_free(data->array);
    qn_free(data->none);
    qn_free(data->pair);
    qn_store_free(data->store);
    *data = (some_data){0};
}

static qn_status describe(qn_kept *book, some_data *data)
{
    qn_status st = QN_OK;

    QN_TRY(qn_kept_bytes(book, &data->number, sizeof data->number));
    QN_TRY(qn_kept_bytes(book, &data->n, sizeof data->n));
    QN_TRY(qn_kept_array(book, (void **)&data->array, data->n, sizeof *data->array, "numbers"));
    QN_TRY(qn_kept_array(book, (void **)&data->none, 12, 1, "nothing"));
    QN_TRY(qn_kept_struct(book, (void **)&data->pair, sizeof *data->pair, "a struct"));
    QN_TRY(qn_kept_store(book, &data->store));
done:
    return st;
}

static qn_status keep(qn_context *ctx, some_data *data)
{
    qn_kept *book = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_kept_begin(ctx, KEY, &book));
    QN_TRY(describe(book, data));
    QN_TRY(qn_kept_commit(book));
done:
    qn_kept_free(book);
    return st;
}

static void check_block(qn_context *ctx, qn_store *store, int64_t i)
{
    const void *bytes;

    CHECK_OK(ctx, qn_store_pin(ctx, store, i, &bytes));
    for (size_t k = 0; k < BYTES - (size_t)i; k++)
        if (((const char *)bytes)[k] != 'a' + (int)i)
            fail_msg("byte %zu of block %lld is wrong", k, (long long)i);
    qn_store_unpin(store, i);
}

static void check_data(qn_context *ctx, const some_data *data)
{
    CHECK_EQ(data->number, 5);
    CHECK_EQ(data->n, 1000);
    for (int64_t i = 0; i < data->n; i++)
        CHECK_EQ(data->array[i], i * i);
    CHECK(data->none == NULL);
    CHECK_EQ(data->pair->quot, 8);
    CHECK_EQ(data->pair->rem, 3);
    CHECK_TEXT(qn_store_name(data->store), "letters");
    CHECK_EQ(qn_store_n_blocks(data->store), BLOCKS);
    CHECK_EQ(qn_store_block_partition(data->store, 23), 2);
    CHECK_OK(ctx, qn_store_read_ahead(ctx, data->store, NULL, 3));
    for (int64_t i = 0; i < BLOCKS; i++)
        if (i != 3)
            check_block(ctx, data->store, i);
}

/* ---- the dead process ---- */

/* A process that keeps and then dies; with `lives` it waits to be killed, and is returned. */
static pid_t leave(const char *dir, bool lives)
{
    int told[2], status;
    pid_t child;
    char one;

    CHECK_EQ(pipe(told), 0);
    child = fork();
    if (child == 0) {
        qn_context *ctx = open_context(dir);
        qn_kept *book = NULL;
        some_data data;

        if (qn_kept_find(ctx, RUN, KEY, &book) != QN_OK || book || make_data(ctx, &data) != QN_OK ||
            keep(ctx, &data) != QN_OK || write(told[1], "k", 1) != 1)
            _exit(1);
        if (lives)
            pause();
        kill(getpid(), SIGKILL);
    }
    close(told[1]);
    CHECK_EQ(read(told[0], &one, 1), 1);
    close(told[0]);
    if (lives)
        return child;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    return 0;
}

/* The file `name` (or the one whose name ends so) of the only folder in `dir`. */
static void path_of(const char *dir, const char *name, char path[512])
{
    char **folders = NULL, **files = NULL;
    char inside[256];
    int64_t n = 0, n_files = 0;

    CHECK_EQ(qn_list_dir(NULL, dir, &folders, &n), QN_OK);
    CHECK_EQ(n, 1);
    snprintf(inside, sizeof inside, "%s/%s", dir, folders[0]);
    CHECK_EQ(qn_list_dir(NULL, inside, &files, &n_files), QN_OK);
    path[0] = '\0';
    for (int64_t i = 0; i < n_files; i++) {
        const size_t length = strlen(files[i]), end = strlen(name);

        if (length >= end && strcmp(files[i] + length - end, name) == 0)
            snprintf(path, 512, "%s/%s", inside, files[i]);
    }
    qn_names_free(folders, n);
    qn_names_free(files, n_files);
}

/* Looks for the data and gives them up again, unless they are whole: then they are checked. */
static bool is_taken(const char *dir, const char *run, uint64_t key)
{
    qn_context *ctx = open_context(dir);
    qn_kept *book = NULL;
    some_data data = {0};
    bool taken;

    CHECK_OK(ctx, qn_kept_find(ctx, run, key, &book));
    taken = book && describe(book, &data) == QN_OK;
    if (taken)
        check_data(ctx, &data);
    release(&data);
    qn_kept_settle(ctx, book, false);
    qn_kept_free(book);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return taken;
}

/* ---- the tests ---- */

static void the_next_process_takes_over_what_lies_in_scratch(void **state)
{
    const box *b = *state;
    qn_context *ctx = open_context(b->dir);
    qn_kept *book = NULL;
    some_data data = {0}, more;
    qn_store_stats stats;
    char path[512];

    leave(b->dir, false);
    path_of(b->dir, "kept", path);
    CHECK(path[0]);
    snprintf(strrchr(path, '/'), 20, "/010-other.blocks");
    close(open(path, O_WRONLY | O_CREAT, 0600));
    CHECK_OK(ctx, qn_kept_find(ctx, RUN, KEY, &book));
    CHECK(book && qn_kept_is_reading(book));
    CHECK_OK(ctx, describe(book, &data));
    qn_kept_settle(ctx, book, true);
    qn_kept_free(book);
    CHECK(!qn_path_exists(path));
    stats = qn_store_get_stats(data.store);
    CHECK_EQ(stats.bytes_resident, 0);
    CHECK_EQ(stats.bytes_on_disk, stats.bytes);
    CHECK_EQ(stats.bytes_spilled, 0);
    check_data(ctx, &data);
    CHECK_EQ(qn_store_get_stats(data.store).bytes_spilled, 0); /* it is on disk already */
    CHECK_OK(ctx, make_data(ctx, &more));                      /* beside it, in another file */
    check_data(ctx, &more);
    check_data(ctx, &data);
    release(&more);
    path_of(b->dir, "kept", path);
    CHECK(path[0]); /* for whoever comes after a next death */
    qn_store_drop_block(data.store, 0);
    path_of(b->dir, "kept", path);
    CHECK(!path[0]); /* not all is there any more */
    release(&data);
    qn_context_free(ctx);
}

static void only_the_same_run_and_key_take_over_and_the_rest_is_swept(void **state)
{
    const box *b = *state;

    leave(b->dir, false);
    CHECK(!is_taken(b->dir, RUN, KEY + 1));
    CHECK_EQ(n_entries(b->dir), 0);
    leave(b->dir, false);
    CHECK(!is_taken(b->dir, "als", KEY));
    CHECK_EQ(n_entries(b->dir), 0);
    leave(b->dir, false);
    CHECK(is_taken(b->dir, RUN, KEY));
    CHECK_EQ(n_entries(b->dir), 0);
    CHECK(!is_taken(b->dir, RUN, KEY));
}

static void what_a_process_holds_that_lives_is_its_own(void **state)
{
    const box *b = *state;
    const pid_t child = leave(b->dir, true);

    CHECK(!is_taken(b->dir, RUN, KEY));
    CHECK_EQ(n_entries(b->dir), 1);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK(is_taken(b->dir, RUN, KEY));
}

static void flip(const char *path, off_t at)
{
    const int fd = open(path, O_RDWR);
    unsigned char byte;

    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void a_damaged_book_is_ignored(void **state)
{
    const box *b = *state;
    struct stat info = {.st_size = 1};
    char path[512];

    for (off_t at = 0; at < info.st_size; at += at < 64 ? 5 : 301) {
        leave(b->dir, false);
        path_of(b->dir, "kept", path);
        CHECK_EQ(stat(path, &info), 0);
        flip(path, at);
        CHECK(!is_taken(b->dir, RUN, KEY));
    }
    for (int cut = 0; cut < 3; cut++) {
        leave(b->dir, false);
        path_of(b->dir, "kept", path);
        CHECK_EQ(truncate(path, cut == 0 ? 0 : cut == 1 ? 40 : info.st_size - 1), 0);
        CHECK(!is_taken(b->dir, RUN, KEY));
    }
}

static void blocks_that_are_not_there_are_missed(void **state)
{
    const box *b = *state;
    struct stat info;
    char path[512];

    leave(b->dir, false);
    path_of(b->dir, ".blocks", path);
    CHECK_EQ(stat(path, &info), 0);
    CHECK_EQ(truncate(path, info.st_size / 2), 0);
    CHECK(!is_taken(b->dir, RUN, KEY));
    leave(b->dir, false);
    path_of(b->dir, ".blocks", path);
    flip(path, 0);
    CHECK(!is_taken(b->dir, RUN, KEY));
    leave(b->dir, false);
    path_of(b->dir, ".blocks", path);
    CHECK_EQ(unlink(path), 0);
    CHECK(!is_taken(b->dir, RUN, KEY));
}

/* Only reading a block shows it, which is too late for this process, but not for the next. */
static void a_damaged_block_ends_one_process_and_not_the_next(void **state)
{
    const box *b = *state;
    qn_context *ctx = open_context(b->dir);
    qn_kept *book = NULL;
    some_data data = {0};
    const void *bytes;
    char path[512];
    qn_status st = QN_OK;

    leave(b->dir, false);
    path_of(b->dir, ".blocks", path);
    flip(path, 4096 + 100);
    CHECK_OK(ctx, qn_kept_find(ctx, RUN, KEY, &book));
    CHECK_OK(ctx, describe(book, &data));
    qn_kept_settle(ctx, book, true);
    qn_kept_free(book);
    path_of(b->dir, "kept", path);
    CHECK(path[0]);
    for (int64_t i = 0; i < BLOCKS && st == QN_OK; i++) {
        if (i == 3)
            continue;
        st = qn_store_pin(ctx, data.store, i, &bytes);
        if (st == QN_OK)
            qn_store_unpin(data.store, i);
    }
    CHECK_EQ(st, QN_EIO);
    CHECK_ERROR(ctx, "is damaged at offset");
    path_of(b->dir, "kept", path);
    CHECK(!path[0]);
    release(&data);
    qn_context_free(ctx);
}

static void a_store_that_holds_nothing_is_kept(void **state)
{
    const box *b = *state;
    const pid_t child = fork();
    qn_context *ctx;
    qn_kept *book = NULL;
    qn_store *store = NULL;
    void *bytes;

    if (child == 0) {
        ctx = open_context(b->dir);
        if (qn_kept_find(ctx, RUN, KEY, &book) != QN_OK ||
            qn_store_create(ctx, "nothing", &store) != QN_OK ||
            qn_store_add(ctx, store, 0, BYTES, &bytes) != QN_OK ||
            qn_kept_begin(ctx, KEY, &book) != QN_OK)
            _exit(1);
        qn_store_drop_block(store, 0);
        _exit(qn_kept_store(book, &store) != QN_OK || qn_kept_commit(book) != QN_OK);
    }
    CHECK_EQ(waitpid(child, NULL, 0), child);
    ctx = open_context(b->dir);
    CHECK_OK(ctx, qn_kept_find(ctx, RUN, KEY, &book));
    CHECK(book);
    CHECK_OK(ctx, qn_kept_store(book, &store));
    CHECK_EQ(qn_store_n_blocks(store), 1);
    CHECK_EQ(qn_store_get_stats(store).bytes, 0);
    qn_kept_settle(ctx, book, true);
    qn_kept_free(book);
    qn_store_free(store);
    qn_context_free(ctx);
}

static void a_book_that_cannot_be_written_leaves_none(void **state)
{
    const box *b = *state;
    qn_status st = QN_EIO;
    int n_failed = 0;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_context *ctx = open_context(b->dir);
        qn_kept *book = NULL;
        some_data data;
        char path[512];

        CHECK(allowed < MANY);
        CHECK_OK(ctx, qn_kept_find(ctx, RUN, KEY, &book));
        CHECK_OK(ctx, make_data(ctx, &data));
        qn_write_fail_after(ctx, allowed, allowed % 2 ? ENOSPC : EIO);
        st = keep(ctx, &data);
        qn_write_fail_after(ctx, INT64_MAX, 0);
        path_of(b->dir, "kept", path);
        CHECK_EQ(st == QN_OK, path[0] != '\0');
        path_of(b->dir, "kept.new", path);
        CHECK(!path[0]);
        if (st != QN_OK) {
            CHECK_EQ(st, QN_EIO);
            CHECK_ERROR(ctx, b->dir);
            n_failed++;
        }
        check_data(ctx, &data); /* which are none the worse */
        release(&data);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        qn_context_free(ctx);
    }
    CHECK(n_failed > 5);
}

static void every_failed_allocation_of_who_takes_over_is_survived(void **state)
{
    const box *b = *state;
    qn_status st = QN_ENOMEM;
    int64_t allowed = 0;

    for (; st != QN_OK; allowed++) {
        qn_context *ctx;
        qn_kept *book = NULL;
        some_data data = {0};

        CHECK(allowed < MANY);
        leave(b->dir, false);
        ctx = open_context(b->dir);
        qn_alloc_fail_after(ctx, allowed);
        st = qn_kept_find(ctx, RUN, KEY, &book);
        if (st == QN_OK)
            st = describe(book, &data);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        release(&data);
        qn_kept_settle(ctx, book, false);
        qn_kept_free(book);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        qn_context_free(ctx);
        CHECK_EQ(n_entries(b->dir), 0);
    }
    CHECK(allowed > 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_process_takes_over_what_lies_in_scratch),
        TEST(only_the_same_run_and_key_take_over_and_the_rest_is_swept),
        TEST(what_a_process_holds_that_lives_is_its_own),
        TEST(a_damaged_book_is_ignored),
        TEST(blocks_that_are_not_there_are_missed),
        TEST(a_damaged_block_ends_one_process_and_not_the_next),
        TEST(a_store_that_holds_nothing_is_kept),
        TEST(a_book_that_cannot_be_written_leaves_none),
        TEST(every_failed_allocation_of_who_takes_over_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
