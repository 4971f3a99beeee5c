#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

typedef struct place {
    qn_context *ctx;
    char dir[64];
    char path[2][128];
} place;

static int set_up(void **state)
{
    place *p = calloc(1, sizeof *p);

    if (!p || qn_context_create(NULL, &p->ctx) != QN_OK || !fresh_dir(p->dir))
        return -1;
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    const qn_status st = qn_remove_tree(p->ctx, p->dir);

    qn_context_free(p->ctx);
    free(p);
    return st == QN_OK ? 0 : -1;
}

/* A path in the test's folder, valid until the next but one. */
static const char *at(place *p, const char *name)
{
    memcpy(p->path[0], p->path[1], sizeof p->path[0]);
    snprintf(p->path[1], sizeof p->path[1], "%s/%s", p->dir, name);
    return p->path[1];
}

static void put(place *p, const char *name, const char *text)
{
    FILE *file = fopen(at(p, name), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void check_text(place *p, const char *name, const char *wanted)
{
    char *text = NULL;
    size_t length = 0;

    CHECK_OK(p->ctx, qn_read_file(p->ctx, at(p, name), 1000000, &text, &length));
    CHECK_TEXT(text, wanted);
    CHECK_EQ(length, strlen(wanted));
    qn_free(text);
}

/* The folder holds these names, blank separated, and nothing else, hidden or not. */
static void check_names(place *p, const char *wanted)
{
    char **names = NULL;
    int64_t n = 0;
    qn_string list = {0};

    CHECK_OK(p->ctx, qn_list_dir(p->ctx, p->dir, &names, &n));
    for (int64_t i = 0; i < n; i++)
        qn_string_addf(&list, "%s%s", i ? " " : "", names[i]);
    CHECK_TEXT(qn_string_text(&list), wanted);
    qn_string_release(&list);
    qn_names_free(names, n);
}

static qn_status write_file(place *p, const char *name, bool overwrite, const char *text)
{
    qn_out_file *out = NULL;
    qn_status st = qn_out_open(p->ctx, at(p, name), overwrite, &out);

    if (st != QN_OK) {
        CHECK(out == NULL);
        return st;
    }
    st = qn_out_write(out, text, strlen(text));
    if (st == QN_OK)
        return qn_out_commit(&out);
    qn_out_abandon(&out);
    CHECK(out == NULL);
    return st;
}

static void a_file_appears_at_commit(void **state)
{
    place *p = *state;
    qn_out_file *out = NULL;

    CHECK_OK(p->ctx, qn_out_open(p->ctx, at(p, "a"), false, &out));
    CHECK_TEXT(qn_out_path(out), p->path[1]);
    CHECK_OK(p->ctx, qn_out_write(out, "hello", 5));
    CHECK(!qn_path_exists(at(p, "a")));
    CHECK_OK(p->ctx, qn_out_commit(&out));
    CHECK(out == NULL);
    check_text(p, "a", "hello");
    check_names(p, "a");
}

static void an_abandoned_file_leaves_nothing(void **state)
{
    place *p = *state;
    qn_out_file *out = NULL;

    CHECK_OK(p->ctx, qn_out_open(p->ctx, at(p, "a"), false, &out));
    CHECK_OK(p->ctx, qn_out_write(out, "hello", 5));
    qn_out_abandon(&out);
    qn_out_abandon(&out);
    check_names(p, "");
    CHECK_EQ(qn_alloc_live(p->ctx), 0);
}

static void an_old_file_is_replaced_only_when_asked(void **state)
{
    place *p = *state;
    struct stat info;

    put(p, "a", "old");
    CHECK_EQ(chmod(at(p, "a"), 0640), 0);
    CHECK_EQ(write_file(p, "a", false, "new"), QN_EEXISTS);
    CHECK_ERROR(p->ctx, "is there already: name another or give --overwrite");
    check_text(p, "a", "old");
    CHECK_OK(p->ctx, write_file(p, "a", true, "new"));
    check_text(p, "a", "new");
    CHECK_EQ(stat(at(p, "a"), &info), 0);
    CHECK_EQ(info.st_mode & 0777, 0640);
    check_names(p, "a");
}

static void a_file_that_appears_meanwhile_is_kept(void **state)
{
    place *p = *state;
    qn_out_file *out = NULL;

    CHECK_OK(p->ctx, qn_out_open(p->ctx, at(p, "a"), false, &out));
    put(p, "a", "someone else's");
    CHECK_EQ(qn_out_commit(&out), QN_EEXISTS);
    check_text(p, "a", "someone else's");
    check_names(p, "a");
}

static void impossible_places_are_named_before_work(void **state)
{
    place *p = *state;
    qn_out_file *out = NULL;
    qn_out_dir dir;

    CHECK_EQ(qn_out_open(p->ctx, at(p, "no/such/x"), false, &out), QN_EIO);
    CHECK_ERROR(p->ctx, "its folder");
    CHECK_ERROR(p->ctx, "no/such: No such file or directory");
    put(p, "file", "x");
    CHECK_EQ(qn_out_open(p->ctx, at(p, "file/x"), false, &out), QN_EIO);
    CHECK_EQ(qn_out_open(p->ctx, p->dir, true, &out), QN_EEXISTS);
    CHECK_ERROR(p->ctx, "a folder is there");
    CHECK_EQ(qn_out_dir_open(p->ctx, at(p, "file"), true, &dir), QN_EEXISTS);
    CHECK_ERROR(p->ctx, "a file is there");
    CHECK_EQ(qn_out_dir_open(p->ctx, at(p, "no/such/x"), true, &dir), QN_EIO);
    CHECK(dir.staging == NULL);
    CHECK_EQ(qn_out_dir_open(p->ctx, "/", true, &dir), QN_EINVAL);
    CHECK_EQ(qn_out_dir_open(p->ctx, "", true, &dir), QN_EINVAL);
    check_names(p, "file");
}

static void a_mount_point_is_refused(void **state)
{
    place *p = *state;
    qn_out_dir dir;

    if (!qn_path_is_dir("/dev/shm") || access("/dev", W_OK) != 0)
        skip();
    CHECK_EQ(qn_out_dir_open(p->ctx, "/dev/shm", true, &dir), QN_EIO);
    CHECK_ERROR(p->ctx, "mount point");
}

static void a_link_to_a_file_stays_a_link(void **state)
{
    place *p = *state;
    struct stat info;

    put(p, "real", "old");
    CHECK_EQ(symlink("real", at(p, "link")), 0);
    CHECK_OK(p->ctx, write_file(p, "link", true, "new"));
    check_text(p, "real", "new");
    CHECK_EQ(lstat(at(p, "link"), &info), 0);
    CHECK(S_ISLNK(info.st_mode));
    check_names(p, "link real");
}

static void devices_are_written_not_replaced(void **state)
{
    place *p = *state;
    qn_out_file *out = NULL;
    struct stat info;

    CHECK_OK(p->ctx, qn_out_open(p->ctx, "/dev/null", false, &out));
    CHECK_OK(p->ctx, qn_out_write(out, "x", 1));
    CHECK_OK(p->ctx, qn_out_commit(&out));
    CHECK_EQ(stat("/dev/null", &info), 0);
    CHECK(S_ISCHR(info.st_mode));
    if (access("/dev/full", W_OK) != 0)
        return;
    CHECK_OK(p->ctx, qn_out_open(p->ctx, "/dev/full", false, &out));
    CHECK_OK(p->ctx, qn_out_write(out, "x", 1));
    CHECK_EQ(qn_out_commit(&out), QN_EIO);
    CHECK_ERROR(p->ctx, "cannot write /dev/full (0 B written");
    CHECK_ERROR(p->ctx, "the disk is full");
}

static void large_writes_keep_their_order(void **state)
{
    place *p = *state;
    const size_t n = 1000003;
    char *bytes = malloc(n), *back = NULL;
    qn_out_file *out = NULL;
    size_t length = 0;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 31 % 251);
    CHECK_OK(p->ctx, qn_out_open(p->ctx, at(p, "a"), false, &out));
    for (size_t from = 0, step = 1; from < n; from += step, step = step * 3 + 1)
        CHECK_OK(p->ctx, qn_out_write(out, bytes + from, step < n - from ? step : n - from));
    CHECK_OK(p->ctx, qn_out_commit(&out));
    CHECK_OK(p->ctx, qn_read_file(p->ctx, at(p, "a"), n, &back, &length));
    CHECK_EQ(length, n);
    CHECK(memcmp(bytes, back, n) == 0);
    qn_free(back);
    free(bytes);
}

static void every_failing_write_leaves_the_old_file(void **state)
{
    place *p = *state;
    static const int errors[] = {ENOSPC, EIO};

    for (int e = 0; e < 2; e++) {
        for (int is_new = 0; is_new < 2; is_new++) {
            const char *name = is_new ? "fresh" : "a";
            qn_status st = QN_EIO;
            int64_t allowed = 0;

            put(p, "a", "old");
            for (; st != QN_OK; allowed++) {
                qn_write_fail_after(p->ctx, allowed, errors[e]);
                st = write_file(p, name, true, "new");
                qn_write_fail_after(p->ctx, INT64_MAX, 0);
                if (st == QN_OK)
                    break;
                CHECK_EQ(st, QN_EIO);
                CHECK_ERROR(p->ctx, name);
                CHECK_ERROR(p->ctx, e ? "Input/output error" : "the disk is full");
                check_text(p, "a", "old");
                check_names(p, "a");
                CHECK_EQ(qn_alloc_live(p->ctx), 0);
            }
            CHECK_EQ(allowed, 5); /* create, write, fsync, rename, fsync of the folder */
            check_text(p, name, "new");
            CHECK_OK(p->ctx, qn_remove_tree(p->ctx, at(p, "fresh")));
        }
    }
}

static void the_first_write_error_is_kept(void **state)
{
    place *p = *state;
    qn_out_file *out = NULL;
    static char much[600000];

    CHECK_OK(p->ctx, qn_out_open(p->ctx, at(p, "a"), false, &out));
    qn_write_fail_after(p->ctx, 0, ENOSPC);
    CHECK_EQ(qn_out_write(out, much, sizeof much), QN_EIO);
    qn_write_fail_after(p->ctx, INT64_MAX, 0);
    qn_error_clear(p->ctx);
    CHECK_EQ(qn_out_write(out, "x", 1), QN_EIO);
    CHECK_ERROR(p->ctx, "free on its");
    CHECK_EQ(qn_out_commit(&out), QN_EIO);
    check_names(p, "");
}

static void failing_allocations_leave_nothing(void **state)
{
    place *p = *state;
    qn_status st = QN_ENOMEM;

    put(p, "a", "old");
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(p->ctx, allowed);
        st = write_file(p, "a", true, "new");
        qn_alloc_fail_after(p->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        check_text(p, "a", st == QN_OK ? "new" : "old");
        check_names(p, "a");
        CHECK_EQ(qn_alloc_live(p->ctx), 0);
    }
}

static qn_status write_folder(place *p, const char *name, bool overwrite, const char *text)
{
    qn_out_dir dir;
    qn_status st = qn_out_dir_open(p->ctx, at(p, name), overwrite, &dir);
    char *path, *below;
    FILE *file;

    if (st != QN_OK) {
        CHECK(dir.staging == NULL && dir.path == NULL);
        return st;
    }
    below = qn_path_join(dir.staging, "data");
    CHECK_OK(p->ctx, qn_make_dirs(p->ctx, below));
    path = qn_path_join(below, "part");
    file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    free(path);
    free(below);
    return qn_out_dir_commit(p->ctx, &dir);
}

static void a_folder_appears_whole(void **state)
{
    place *p = *state;
    qn_out_dir dir;

    CHECK_OK(p->ctx, write_folder(p, "m", false, "one"));
    check_text(p, "m/data/part", "one");
    CHECK_EQ(write_folder(p, "m", false, "two"), QN_EEXISTS);
    check_text(p, "m/data/part", "one");
    CHECK_OK(p->ctx, write_folder(p, "m/", true, "three"));
    check_text(p, "m/data/part", "three");
    CHECK_OK(p->ctx, qn_out_dir_open(p->ctx, at(p, "m"), true, &dir));
    qn_out_dir_abandon(&dir);
    qn_out_dir_abandon(&dir);
    check_text(p, "m/data/part", "three");
    check_names(p, "m");
    CHECK_EQ(qn_out_dir_commit(p->ctx, &dir), QN_EINTERNAL);
}

static void every_failing_write_leaves_the_old_folder(void **state)
{
    place *p = *state;

    for (int is_new = 0; is_new < 2; is_new++) {
        const char *name = is_new ? "fresh" : "m";
        qn_status st = QN_EIO;
        int64_t allowed = 0;

        CHECK_OK(p->ctx, write_folder(p, "m", true, "old"));
        for (; st != QN_OK; allowed++) {
            qn_write_fail_after(p->ctx, allowed, ENOSPC);
            st = write_folder(p, name, true, "new");
            qn_write_fail_after(p->ctx, INT64_MAX, 0);
            if (st == QN_OK)
                break;
            CHECK_EQ(st, QN_EIO);
            CHECK_ERROR(p->ctx, "the disk is full");
            check_text(p, "m/data/part", "old");
            check_names(p, "m");
            CHECK_EQ(qn_alloc_live(p->ctx), 0);
        }
        /* create, [probe], three fsyncs, rename, fsync of the folder */
        CHECK_EQ(allowed, is_new ? 6 : 7);
        CHECK_OK(p->ctx, qn_remove_tree(p->ctx, at(p, "fresh")));
    }
}

static void a_link_to_a_folder_keeps_pointing_to_the_new_one(void **state)
{
    place *p = *state;

    CHECK_OK(p->ctx, write_folder(p, "real", false, "old"));
    CHECK_EQ(symlink("real", at(p, "link")), 0);
    CHECK_OK(p->ctx, write_folder(p, "link", true, "new"));
    check_text(p, "real/data/part", "new");
    check_text(p, "link/data/part", "new");
    check_names(p, "link real");
}

/* A child process dies in the middle; the next writer of the same target cleans up after it, and
 * touches neither the hidden files of the living nor those of other targets. */
static void leftovers_of_the_dead_are_swept(void **state)
{
    place *p = *state;
    qn_out_file *other = NULL;
    qn_out_dir dir;
    pid_t child;
    int64_t n = 0;
    char **names = NULL;

    child = fork();
    if (child == 0) {
        qn_out_file *out = NULL;

        if (qn_out_open(p->ctx, at(p, "a"), false, &out) != QN_OK ||
            qn_out_dir_open(p->ctx, at(p, "m"), false, &dir) != QN_OK)
            _exit(1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK_OK(p->ctx, qn_out_open(p->ctx, at(p, "b"), false, &other));
    CHECK_OK(p->ctx, qn_list_dir(p->ctx, p->dir, &names, &n));
    CHECK_EQ(n, 3); /* two left over, one alive */
    qn_names_free(names, n);
    CHECK_OK(p->ctx, write_file(p, "a", false, "new"));
    CHECK_OK(p->ctx, write_folder(p, "m", false, "new"));
    CHECK_OK(p->ctx, qn_list_dir(p->ctx, p->dir, &names, &n));
    CHECK_EQ(n, 3); /* the living one, a, m */
    qn_names_free(names, n);
    CHECK_OK(p->ctx, qn_out_write(other, "b", 1));
    CHECK_OK(p->ctx, qn_out_commit(&other));
    check_names(p, "a b m");
}

/* As if a process in another container, whose number means nothing here, were still writing. */
static void a_locked_leftover_is_kept(void **state)
{
    place *p = *state;
    int fd;

    put(p, ".quern-999999999-1-0-a", "alive elsewhere");
    put(p, ".quern-999999999-1-0-abc", "another target");
    fd = open(at(p, ".quern-999999999-1-0-a"), O_RDONLY);
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    CHECK_OK(p->ctx, write_file(p, "a", false, "one"));
    check_names(p, ".quern-999999999-1-0-a .quern-999999999-1-0-abc a");
    close(fd);
    CHECK_OK(p->ctx, write_file(p, "a", true, "two"));
    check_names(p, ".quern-999999999-1-0-abc a");
}

static void files_are_read_whole(void **state)
{
    place *p = *state;
    char *text = NULL;
    size_t length = 7;

    put(p, "empty", "");
    check_text(p, "empty", "");
    CHECK_EQ(qn_read_file(p->ctx, at(p, "none"), 10, &text, &length), QN_ENOTFOUND);
    CHECK(text == NULL && length == 0);
    CHECK_ERROR(p->ctx, "none: No such file");
    CHECK_EQ(qn_read_file(p->ctx, p->dir, 10, &text, &length), QN_EIO);
    put(p, "ten", "0123456789");
    CHECK_OK(p->ctx, qn_read_file(p->ctx, at(p, "ten"), 10, &text, &length));
    qn_free(text);
    CHECK_EQ(qn_read_file(p->ctx, at(p, "ten"), 9, &text, &length), QN_EDATA);
    CHECK_ERROR(p->ctx, "larger than the 9 B");
    /* Files of /proc say that they are empty. */
    CHECK_OK(p->ctx, qn_read_file(p->ctx, "/proc/self/status", 1000000, &text, &length));
    CHECK(length > 100 && strstr(text, "VmRSS"));
    qn_free(text);
    CHECK_EQ(qn_read_file(p->ctx, "/proc/self/status", 10, &text, &length), QN_EDATA);
    CHECK_EQ(qn_alloc_live(p->ctx), 0);
}

static void trees_are_made_listed_and_removed(void **state)
{
    place *p = *state;
    char **names = NULL;
    char *joined = qn_path_join("a/", "b");
    int64_t n = 0;

    CHECK_TEXT(joined, "a/b");
    free(joined);
    CHECK_OK(p->ctx, qn_make_dirs(p->ctx, at(p, "x/y/z")));
    CHECK_OK(p->ctx, qn_make_dirs(p->ctx, at(p, "x/y/z")));
    CHECK(qn_path_is_dir(at(p, "x/y/z")));
    put(p, "x/f", "1");
    put(p, "x/y/g", "2");
    CHECK_EQ(qn_make_dirs(p->ctx, at(p, "x/f/h")), QN_EIO);
    CHECK_EQ(symlink("/etc", at(p, "x/etc")), 0);
    CHECK(qn_path_is_dir(at(p, "x/etc")));
    CHECK_OK(p->ctx, qn_list_dir(p->ctx, at(p, "x"), &names, &n));
    CHECK_EQ(n, 3);
    CHECK_TEXT(names[0], "etc");
    CHECK_TEXT(names[2], "y");
    qn_names_free(names, n);
    CHECK_OK(p->ctx, qn_remove_tree(p->ctx, at(p, "x")));
    CHECK_OK(p->ctx, qn_remove_tree(p->ctx, at(p, "x")));
    CHECK(qn_path_is_dir("/etc"));
    CHECK_EQ(qn_list_dir(p->ctx, at(p, "x"), &names, &n), QN_ENOTFOUND);
    CHECK(names == NULL && n == 0);
    check_names(p, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_appears_at_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_abandoned_file_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_file_is_replaced_only_when_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_appears_meanwhile_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impossible_places_are_named_before_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mount_point_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_to_a_file_stays_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(devices_are_written_not_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_writes_keep_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_failing_write_leaves_the_old_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_write_error_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failing_allocations_leave_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_appears_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_failing_write_leaves_the_old_folder, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_link_to_a_folder_keeps_pointing_to_the_new_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(leftovers_of_the_dead_are_swept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_locked_leftover_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_read_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trees_are_made_listed_and_removed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
