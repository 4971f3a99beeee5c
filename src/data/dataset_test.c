#include "data/dataset.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "data/dataset_impl.h"
#include "data/source_files.h"
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

static void a_generation_before_its_swap_is_not_listed_and_goes(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    int64_t *generation = NULL, n = 0;
    char path[256];

    CHECK_OK(ctx, write_generation(ctx, b->path, "one"));
    CHECK_OK(ctx, qn_make_dirs(ctx, below(b, ".train.generations/000002", path)));
    put_text(below(b, ".train.generations/000002/a", path), "of a dead writer");
    CHECK_OK(ctx, qn_make_dirs(ctx, below(b, ".train.generations/000007.new", path)));
    CHECK_EQ(symlink(".train.generations/000002", below(b, ".train.generations/link.new", path)),
             0);
    CHECK_OK(ctx, qn_dataset_list(ctx, b->path, &generation, &n));
    CHECK_EQ(n, 1);
    qn_free(generation);
    CHECK_OK(ctx, qn_dataset_clean(ctx, b->path));
    CHECK(!qn_path_exists(path));
    CHECK(!qn_path_exists(below(b, ".train.generations/000002", path)));
    CHECK(!qn_path_exists(below(b, ".train.generations/000007.new", path)));
    check_content(ctx, b->path, 1, "one");
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

static void a_removed_data_set_leaves_nothing(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_dataset_writer writer;
    char **names = NULL, path[256];
    int64_t n = 0;

    CHECK_OK(ctx, write_generation(ctx, b->path, "one"));
    CHECK_OK(ctx, write_generation(ctx, b->path, "two"));
    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &writer));
    CHECK_OK(ctx, qn_dataset_write_remove(&writer));
    qn_dataset_write_close(&writer);
    CHECK_OK(ctx, qn_list_dir(ctx, b->dir, &names, &n));
    CHECK_EQ(n, 0);
    qn_names_free(names, n);
    /* of a plain folder only what was listed goes */
    CHECK_OK(ctx, qn_make_dirs(ctx, below(b, "train/year=2005", path)));
    put_text(below(b, "train/year=2005/a.parquet", path), "data");
    put_text(below(b, "train/.notes", path), "mine");
    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &writer));
    CHECK_EQ(writer.old.n_files, 1);
    CHECK_OK(ctx, qn_dataset_write_remove(&writer));
    qn_dataset_write_close(&writer);
    CHECK(has_text(below(b, "train/.notes", path), "mine"));
    CHECK(!qn_path_exists(below(b, "train/year=2005", path)));
    CHECK(!qn_path_exists(below(b, ".train.generations", path)));
}

static void a_link_of_the_users_own_stays_one(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    char far[256], link[256] = "", path[256];

    CHECK_OK(ctx, qn_make_dirs(ctx, below(b, "disk", path)));
    CHECK_EQ(symlink("disk/far", b->path), 0);
    CHECK_OK(ctx, write_generation(ctx, b->path, "one"));
    CHECK_OK(ctx, write_generation(ctx, b->path, "two"));
    CHECK(readlink(b->path, link, sizeof link - 1) > 0);
    CHECK_TEXT(link, "disk/far");
    check_content(ctx, below(b, "disk/far", far), 2, "two");
    check_content(ctx, b->path, 2, "two");
    CHECK(qn_path_is_dir(below(b, "disk/.far.generations/000001", path)));
}

static void a_copied_data_set_is_adopted_with_its_number(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    char command[512], copy[256], path[256];

    CHECK_OK(ctx, write_generation(ctx, b->path, "one"));
    CHECK_OK(ctx, write_generation(ctx, b->path, "two"));
    snprintf(command, sizeof command, "cp -rL %s %s", b->path, below(b, "copy", copy));
    CHECK_EQ(system(command), 0);
    check_content(ctx, copy, 2, "two");
    CHECK_OK(ctx, write_generation(ctx, copy, "three"));
    check_content(ctx, copy, 3, "three");
    check_content(ctx, below(b, ".copy.generations/000002", path), 2, "two");
    CHECK(!qn_path_exists(below(b, "copy.others", path)));
}

static void times_and_ages_never_go_back(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_dataset_writer writer, other;
    qn_dataset_manifest manifest;
    const int64_t far = INT64_C(4000000000);
    const char owner[] = "12 elsewhere 4000000000\n";
    char path[256];

    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &writer));
    CHECK_OK(ctx, qn_dataset_add_change(ctx, &writer.next, &(qn_dataset_change){.time = far}));
    CHECK_OK(ctx, qn_dataset_write_commit(&writer, 2));
    qn_dataset_write_close(&writer);
    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &writer));
    CHECK_OK(ctx, qn_dataset_add_change(ctx, &writer.next, &(qn_dataset_change){0}));
    CHECK_OK(ctx, qn_dataset_write_commit(&writer, 2));
    CHECK_OK(ctx, qn_dataset_read(ctx, below(b, "train", path), &manifest));
    CHECK_EQ(manifest.change[1].time, far);
    qn_dataset_manifest_release(&manifest);
    /* a lock taken by the clock of another host */
    CHECK_EQ(pwrite(writer.lock, owner, sizeof owner - 1, 0), sizeof owner - 1);
    CHECK_EQ(qn_dataset_write_open(ctx, b->path, &other), QN_EBUSY);
    CHECK_ERROR(ctx, "process 12 on elsewhere for 0");
    qn_dataset_write_close(&writer);
}

static void parts_are_right_before_1970_too(void **state)
{
    char name[64];
    const struct {
        int32_t year, month, day;
        const char *name;
    } days[] = {{2005, 9, 6, "year=2005/month=9"},
                {1969, 12, 31, "year=1969/month=12"},
                {1970, 1, 1, "year=1970/month=1"},
                {1896, 2, 29, "year=1896/month=2"},
                {1, 1, 1, "year=1/month=1"}};

    (void)state;
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        const int32_t day = (int32_t)qn_days_from_date(days[i].year, days[i].month, days[i].day);

        qn_dataset_part_name(QN_BY_YEAR_MONTH, qn_dataset_part(QN_BY_YEAR_MONTH, day), name,
                             sizeof name);
        CHECK_TEXT(name, days[i].name);
    }
    qn_dataset_part_name(QN_BY_YEAR_MONTH, -1, name, sizeof name);
    CHECK_TEXT(name, "year=-1/month=12");
    qn_dataset_part_name(QN_BY_YEAR, qn_dataset_part(QN_BY_YEAR, -1), name, sizeof name);
    CHECK_TEXT(name, "year=1969");
    qn_dataset_part_name(QN_BY_NOTHING, qn_dataset_part(QN_BY_NOTHING, -1), name, sizeof name);
    CHECK_TEXT(name, "");
}

typedef struct parts_job {
    qn_dataset_writer *writer;
    int32_t first;
} parts_job;

static qn_status write_one(void *arg, int64_t task, int32_t thread)
{
    const parts_job *job = arg;
    char text[32];

    (void)thread;
    snprintf(text, sizeof text, "part %d", (int)task);
    return add_part(job->writer, job->first + (int32_t)task, 0, text);
}

static void files_are_written_by_many_threads(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_dataset_writer writer;
    qn_dataset_manifest manifest;
    parts_job job = {.writer = &writer, .first = SEPTEMBER};

    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &writer));
    CHECK_OK(ctx, qn_parallel(ctx, 40, write_one, &job));
    CHECK_OK(ctx, qn_dataset_write_commit(&writer, 2));
    qn_dataset_write_close(&writer);
    CHECK_OK(ctx, qn_dataset_read(ctx, b->path, &manifest));
    CHECK_EQ(manifest.n_files, 40);
    for (int32_t i = 0; i < 40; i++)
        CHECK_EQ(manifest.file[i].part, SEPTEMBER + i);
    qn_dataset_manifest_release(&manifest);
}

/* What a reader is told while another thread writes generation after generation. */
typedef struct read_job {
    const char *path;
    atomic_bool is_done;
    int64_t read, busy, wrong;
} read_job;

static void *read_on(void *arg)
{
    read_job *job = arg;
    qn_context *ctx = NULL;

    if (qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return NULL;
    while (!atomic_load(&job->is_done)) {
        qn_file_list files = {0};
        const qn_status st = qn_file_list_fill(ctx, &job->path, 1, &files);

        job->read += st == QN_OK && files.n == 2;
        job->busy += st == QN_EBUSY;
        if (st == QN_OK ? files.n != 2 : st != QN_EBUSY) {
            job->wrong++;
            print_error("%s, %d files: %s\n", qn_status_text(st), (int)files.n,
                        qn_context_error(ctx));
        }
        qn_file_list_release(&files);
    }
    qn_context_free(ctx);
    return NULL;
}

static void a_reader_during_swaps_sees_whole_generations(void **state)
{
    box *b = *state;
    read_job job = {.path = b->path};
    pthread_t reader;
    char text[32];

    CHECK_OK(b->ctx, write_generation(b->ctx, b->path, "text 0"));
    CHECK_EQ(pthread_create(&reader, NULL, read_on, &job), 0);
    for (int i = 1; i < 60; i++) {
        snprintf(text, sizeof text, "text %d", i);
        CHECK_OK(b->ctx, write_generation(b->ctx, b->path, text));
    }
    atomic_store(&job.is_done, true);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    CHECK(job.read > 0);
    CHECK_EQ(job.wrong, 0);
}

static void every_failed_allocation_leaves_the_old_data_set(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_status st = QN_ENOMEM;

    CHECK_OK(ctx, write_generation(ctx, b->path, "old"));
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(ctx, allowed);
        st = write_generation(ctx, b->path, "new");
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        check_content(ctx, b->path, st == QN_OK ? 2 : 1, st == QN_OK ? "new" : "old");
    }
}

/* The plain folder is as it was, or our data set with the folder as the generation before. */
static void check_adopted(box *b, qn_status st)
{
    char path[256];

    if (st == QN_OK) {
        check_content(b->ctx, b->path, 1, "new");
        CHECK(has_text(below(b, ".train.generations/000000/a.parquet", path), "plain"));
    } else {
        CHECK(!qn_path_exists(below(b, ".train.generations", path)));
        CHECK(has_text(below(b, "train/a.parquet", path), "plain"));
    }
    CHECK(!qn_path_exists(below(b, "train.others", path)));
}

static void a_failed_adoption_leaves_the_folder(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    char path[256];
    qn_status st = QN_EIO;

    CHECK_OK(ctx, qn_make_dirs(ctx, b->path));
    put_text(below(b, "train/a.parquet", path), "plain");
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(ctx, allowed, ENOSPC);
        st = write_generation(ctx, b->path, "new");
        qn_write_fail_after(ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        if (st == QN_EIO)
            check_adopted(b, st);
    }
    CHECK_OK(ctx, write_generation(ctx, b->path, "newer")); /* finishes what that one could not */
    check_content(ctx, b->path, 2, "newer");
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
        BOX(a_generation_before_its_swap_is_not_listed_and_goes),
        BOX(a_second_writer_is_told_who_writes),
        BOX(a_removed_data_set_leaves_nothing),
        BOX(a_link_of_the_users_own_stays_one),
        BOX(a_copied_data_set_is_adopted_with_its_number),
        BOX(times_and_ages_never_go_back),
        BOX(parts_are_right_before_1970_too),
        BOX(files_are_written_by_many_threads),
        BOX(a_reader_during_swaps_sees_whole_generations),
        BOX(every_failed_allocation_leaves_the_old_data_set),
        BOX(a_failed_adoption_leaves_the_folder),
        BOX(every_planned_failure_leaves_the_old_data_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
