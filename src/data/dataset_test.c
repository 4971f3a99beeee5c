#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "check.h"
#include "data/dataset_impl.h"

/* A folder of its own for a test, and a context. */
typedef struct box {
    qn_context *ctx;
    char dir[64];
    char path[128]; /* of the data set */
} box;

static int open_box(void **state)
{
    box *b = calloc(1, sizeof *b);

    assert_non_null(b);
    assert_int_equal(qn_context_create(&(qn_context_options){.threads = 2}, &b->ctx), QN_OK);
    assert_non_null(fresh_dir(b->dir));
    snprintf(b->path, sizeof b->path, "%s/train", b->dir);
    *state = b;
    return 0;
}

static int close_box(void **state)
{
    box *b = *state;
    const int64_t live = qn_alloc_live(b->ctx);

    qn_remove_tree(b->ctx, b->dir);
    qn_context_free(b->ctx);
    free(b);
    return live != 0; /* nothing leaked */
}

static const char *below(const box *b, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", b->dir, name);
    return out;
}

static void put_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool has_text(const char *path, const char *text)
{
    char found[256] = "";
    FILE *file = fopen(path, "r");

    if (!file)
        return false;
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    return strcmp(found, text) == 0;
}

/* Writes a file of the part with that text in it. */
static qn_status add_part(qn_dataset_writer *writer, int32_t part, int64_t number, const char *text)
{
    char *path = NULL;
    qn_status st = qn_dataset_write_file(writer, part, number, &path);

    if (st == QN_OK) {
        put_text(path, text);
        st = qn_dataset_write_done(writer, part, number, path, (int64_t)strlen(text));
    }
    qn_free(path);
    return st;
}

enum { SEPTEMBER = 12 * 2005 + 8, OCTOBER };

/* A generation with two files: September's is kept where it is there, October's gets `text`. */
static qn_status write_generation(qn_context *ctx, const char *path, const char *text)
{
    qn_dataset_writer writer = {.lock = -1};
    const qn_dataset_change change = {.command = (char *)"test", .rows_read = 3};
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_write_open(ctx, path, &writer));
    QN_TRY(qn_dataset_write_room(&writer, 1000));
    if (writer.kind == QN_DATASET_OURS)
        QN_TRY(qn_dataset_write_link(&writer, 0));
    else
        QN_TRY(add_part(&writer, SEPTEMBER, 0, "september"));
    QN_TRY(add_part(&writer, OCTOBER, 0, text));
    QN_TRY(qn_dataset_add_change(ctx, &writer.next, &change));
    QN_TRY(qn_dataset_write_commit(&writer, 2));
done:
    qn_dataset_write_close(&writer);
    return st;
}

/* Reads as a reader does; the files must be there with the text that is expected of October. */
static void check_content(qn_context *ctx, const char *path, int64_t generation, const char *text)
{
    qn_dataset_manifest manifest;
    qn_dataset_kind kind;
    char *folder = NULL, file[512];

    CHECK_OK(ctx, qn_dataset_resolve(ctx, path, &kind, &folder));
    CHECK_EQ(kind, QN_DATASET_OURS);
    CHECK_OK(ctx, qn_dataset_read(ctx, folder, &manifest));
    CHECK_EQ(manifest.generation, generation);
    CHECK_EQ(manifest.n_files, 2);
    snprintf(file, sizeof file, "%s/%s", folder, manifest.file[0].path);
    CHECK(has_text(file, "september"));
    snprintf(file, sizeof file, "%s/%s", folder, manifest.file[1].path);
    CHECK(has_text(file, text));
    qn_dataset_manifest_release(&manifest);
    qn_free(folder);
}

static void a_written_generation_is_read_back(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_dataset_manifest manifest;
    qn_dataset_kind kind;
    char *folder = NULL, text[256], link[256] = "";

    CHECK_OK(ctx, write_generation(ctx, b->path, "october"));
    CHECK(readlink(b->path, link, sizeof link - 1) > 0);
    CHECK_TEXT(link, ".train.generations/000001");
    CHECK_OK(ctx, qn_dataset_resolve(ctx, b->path, &kind, &folder));
    CHECK_OK(ctx, qn_dataset_read(ctx, folder, &manifest));
    CHECK_EQ(kind, QN_DATASET_OURS);
    CHECK_EQ(qn_dataset_rows(&manifest), 9 + 7);
    CHECK_TEXT(manifest.columns.user, "CUST_ID");
    CHECK_EQ(manifest.file[0].part, SEPTEMBER);
    CHECK_EQ(manifest.file[1].bytes, 7);
    CHECK(strncmp(manifest.file[0].path, "year=2005/month=9/part-00000-", 29) == 0);
    CHECK(strncmp(manifest.file[0].path + 29, manifest.file[0].digest, 16) == 0);
    CHECK_TEXT(manifest.file[0].path + 45, ".parquet");
    CHECK_EQ(manifest.n_changes, 1);
    CHECK_EQ(manifest.change[0].generation, 1);
    CHECK(manifest.change[0].time > 1600000000);
    snprintf(text, sizeof text, "%s/%s", folder, manifest.file[1].path);
    CHECK(has_text(text, "october"));
    qn_dataset_manifest_release(&manifest);
    qn_free(folder);
}

static void unchanged_files_are_linked_and_two_generations_kept(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    int64_t *generation = NULL, n = 0;
    struct stat info;
    qn_dataset_manifest manifest;
    char path[256], file[512];

    CHECK_OK(ctx, write_generation(ctx, b->path, "one"));
    CHECK_OK(ctx, write_generation(ctx, b->path, "two"));
    CHECK_OK(ctx, write_generation(ctx, b->path, "three"));
    CHECK_OK(ctx, qn_dataset_list(ctx, b->path, &generation, &n));
    CHECK_EQ(n, 2);
    CHECK_EQ(generation[0], 2);
    CHECK_EQ(generation[1], 3);
    qn_free(generation);
    check_content(ctx, b->path, 3, "three");
    CHECK_OK(ctx, qn_dataset_read(ctx, below(b, ".train.generations/000003", path), &manifest));
    snprintf(file, sizeof file, "%s/%s", path, manifest.file[0].path);
    CHECK_EQ(stat(file, &info), 0);
    CHECK_EQ(info.st_nlink, 2);
    CHECK_EQ(manifest.n_changes, 3);
    qn_dataset_manifest_release(&manifest);
}

static void rollback_and_gc_move_between_generations(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    int64_t from, to, n, bytes;

    CHECK_OK(ctx, write_generation(ctx, b->path, "one"));
    CHECK_EQ(qn_dataset_rollback(ctx, b->path, -1, &from, &to), QN_ENOTFOUND);
    CHECK_ERROR(ctx, "no generation before 1");
    CHECK_OK(ctx, write_generation(ctx, b->path, "two"));
    CHECK_OK(ctx, qn_dataset_rollback(ctx, b->path, -1, &from, &to));
    CHECK_EQ(from, 2);
    CHECK_EQ(to, 1);
    check_content(ctx, b->path, 1, "one");
    CHECK_EQ(qn_dataset_rollback(ctx, b->path, 7, &from, &to), QN_ENOTFOUND);
    CHECK_ERROR(ctx, "there are 1, 2");
    /* the next one is the third, made from the first; the second is the one that goes */
    CHECK_OK(ctx, write_generation(ctx, b->path, "three"));
    check_content(ctx, b->path, 3, "three");
    CHECK_OK(ctx, qn_dataset_rollback(ctx, b->path, 1, &from, &to));
    check_content(ctx, b->path, 1, "one");
    CHECK_OK(ctx, qn_dataset_gc(ctx, b->path, 1, &n, &bytes));
    CHECK_EQ(n, 1);
    CHECK(bytes > 5 && bytes < 4096); /* "three" and the manifest; September is shared */
    check_content(ctx, b->path, 1, "one");
}

static void a_plain_folder_is_adopted_in_the_same_step(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    int64_t from, to;
    char path[256];
    qn_dataset_kind kind;
    char *folder = NULL;

    CHECK_OK(ctx, qn_make_dirs(ctx, below(b, "train/year=2005/month=9", path)));
    put_text(below(b, "train/year=2005/month=9/a.parquet", path), "old");
    put_text(below(b, "train/_SUCCESS", path), "");
    put_text(below(b, "train/.notes", path), "mine");
    CHECK_OK(ctx, write_generation(ctx, b->path, "october"));
    check_content(ctx, b->path, 1, "october");
    CHECK(has_text(below(b, ".train.generations/000000/year=2005/month=9/a.parquet", path), "old"));
    CHECK(has_text(below(b, "train.others/.notes", path), "mine"));
    CHECK(!qn_path_exists(below(b, "train.others/year=2005", path)));
    CHECK(!qn_path_exists(below(b, "train.others/_SUCCESS", path)));
    CHECK_OK(ctx, qn_dataset_rollback(ctx, b->path, -1, &from, &to));
    CHECK_EQ(to, 0);
    CHECK_OK(ctx, qn_dataset_resolve(ctx, b->path, &kind, &folder));
    CHECK_EQ(kind, QN_DATASET_PLAIN);
    qn_free(folder);
    CHECK(has_text(below(b, "train/year=2005/month=9/a.parquet", path), "old"));
}

static void a_second_writer_is_told_who_writes(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_dataset_writer one, two;
    char path[256];

    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &one));
    CHECK_EQ(qn_dataset_write_open(ctx, b->path, &two), QN_EBUSY);
    CHECK_ERROR(ctx, "is being written by process");
    qn_dataset_write_close(&one);
    CHECK(!qn_path_exists(below(b, ".train.generations", path)));
    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &two));
    qn_dataset_write_close(&two);
    qn_dataset_write_close(&two);
}

static void every_planned_failure_leaves_the_old_data_set(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    const int errors[] = {ENOSPC, EIO, EPERM};
    qn_status st;
    int64_t generation = 1;

    CHECK_OK(ctx, write_generation(ctx, b->path, "old"));
    for (int e = 0; e < 3; e++) {
        st = QN_EIO;
        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_write_fail_after(ctx, allowed, errors[e]);
            st = write_generation(ctx, b->path, "new");
            qn_write_fail_after(ctx, INT64_MAX, 0);
            CHECK(st == QN_OK || st == QN_EIO);
            if (st != QN_OK)
                check_content(ctx, b->path, generation, generation == 1 ? "old" : "new");
            CHECK(allowed < 200);
        }
        generation++;
        check_content(ctx, b->path, generation, "new");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define BOX(f) cmocka_unit_test_setup_teardown(f, open_box, close_box)
        BOX(a_written_generation_is_read_back),
        BOX(unchanged_files_are_linked_and_two_generations_kept),
        BOX(rollback_and_gc_move_between_generations),
        BOX(a_plain_folder_is_adopted_in_the_same_step),
        BOX(a_second_writer_is_told_who_writes),
        BOX(every_planned_failure_leaves_the_old_data_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
