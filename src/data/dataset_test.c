#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>

#include "data/dataset_impl.h"
#include "dataset_box.h"

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
        BOX(a_written_generation_is_read_back),
        BOX(unchanged_files_are_linked_and_two_generations_kept),
        BOX(rollback_and_gc_move_between_generations),
        BOX(a_plain_folder_is_adopted_in_the_same_step),
        BOX(a_second_writer_is_told_who_writes),
        BOX(every_planned_failure_leaves_the_old_data_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
