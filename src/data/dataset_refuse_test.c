/* What a data set cannot be, by name: places, file systems, manifests. */
#include <errno.h>

#include "data/dataset_impl.h"
#include "dataset_box.h"

static void places_that_cannot_be_written_are_named(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    char path[256];

    CHECK_EQ(write_generation(ctx, below(b, "no/train", path), "x"), QN_EIO);
    CHECK_ERROR(ctx, "its folder");
    CHECK_ERROR(ctx, "No such file or directory");
    put_text(b->path, "a file");
    CHECK_EQ(write_generation(ctx, b->path, "x"), QN_EEXISTS);
    CHECK_ERROR(ctx, "is a file; a data set is a folder");
    CHECK_EQ(write_generation(ctx, below(b, "train/train", path), "x"), QN_EIO);
    CHECK_ERROR(ctx, "is not a folder");
    CHECK_EQ(write_generation(ctx, "/", "x"), QN_EINVAL);
    CHECK_EQ(unlink(b->path), 0);
    CHECK_OK(ctx, write_generation(ctx, b->path, "x"));
    CHECK_EQ(write_generation(ctx, below(b, ".train.generations/000001", path), "x"), QN_EINVAL);
    CHECK_ERROR(ctx, "inside the generations of data set train");
    CHECK_OK(ctx, qn_make_dirs(ctx, below(b, "shut", path)));
    CHECK_EQ(chmod(path, 0555), 0);
    if (access(path, W_OK) != 0) {
        CHECK_EQ(write_generation(ctx, below(b, "shut/train", path), "x"), QN_EIO);
        CHECK_ERROR(ctx, "Permission denied");
    }
}

static void a_link_in_a_plain_folder_is_refused(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    char path[256];

    CHECK_OK(ctx, qn_make_dirs(ctx, b->path));
    CHECK_EQ(symlink("../elsewhere.parquet", below(b, "train/a.parquet", path)), 0);
    CHECK_EQ(write_generation(ctx, b->path, "x"), QN_EINVAL);
    CHECK_ERROR(ctx, "a.parquet is a link or no file");
    CHECK(!qn_path_exists(below(b, ".train.generations", path)));
}

/* Fails from each step on as a file system does that lacks something; collects what is said. */
static void collect(box *b, int error_number, qn_string *said)
{
    qn_status st = QN_EIO;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(b->ctx, allowed, error_number);
        st = write_generation(b->ctx, b->path, "x");
        qn_write_fail_after(b->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        if (st == QN_EIO)
            qn_string_addf(said, "%s\n", qn_context_error(b->ctx));
    }
}

static void file_systems_that_lack_something_are_named(void **state)
{
    box *b = *state;
    qn_string said = {0};

    CHECK_OK(b->ctx, qn_make_dirs(b->ctx, b->path)); /* plain, so that an exchange is needed */
    collect(b, ENOLCK, &said);
    CHECK(strstr(qn_string_text(&said), "its file system cannot lock files"));
    qn_remove_tree(b->ctx, b->dir);
    CHECK_OK(b->ctx, qn_make_dirs(b->ctx, b->path));
    collect(b, EPERM, &said);
    CHECK(strstr(qn_string_text(&said), "its file system does not know links"));
    CHECK(strstr(qn_string_text(&said), "its file system does not know hard links"));
    CHECK(strstr(qn_string_text(&said), "its file system does not know an exchange of names"));
    qn_string_release(&said);
}

static void a_full_disk_is_refused_before_work(void **state)
{
    box *b = *state;
    qn_dataset_writer writer;

    CHECK_OK(b->ctx, qn_dataset_write_open(b->ctx, b->path, &writer));
    CHECK_OK(b->ctx, qn_dataset_write_room(&writer, 1));
    CHECK_EQ(qn_dataset_write_room(&writer, INT64_C(1) << 60), QN_EIO);
    CHECK_ERROR(b->ctx, "needs 1 EB");
    CHECK_ERROR(b->ctx, "are free");
    qn_dataset_write_close(&writer);
}

/* The manifest of the data set with one text in place of another. */
static void edit_manifest(box *b, const char *from, const char *to)
{
    char path[256], *text, *at;
    qn_string edited = {0};

    below(b, "train/_quern.json", path);
    CHECK_OK(b->ctx, qn_read_file(b->ctx, path, 1 << 20, &text, NULL));
    at = strstr(text, from);
    assert_non_null(at);
    qn_string_add_bytes(&edited, text, (size_t)(at - text));
    qn_string_add(&edited, to);
    qn_string_add(&edited, at + strlen(from));
    CHECK_EQ(unlink(path), 0);
    put_text(path, qn_string_text(&edited));
    qn_string_release(&edited);
    qn_free(text);
}

static void check_refused(box *b, const char *message)
{
    qn_dataset_kind kind;
    char *folder;

    CHECK_EQ(qn_dataset_resolve(b->ctx, b->path, &kind, &folder), QN_EDATA);
    CHECK_ERROR(b->ctx, message);
    CHECK(folder == NULL);
    CHECK_EQ(write_generation(b->ctx, b->path, "x"), QN_EDATA);
    CHECK_ERROR(b->ctx, message);
}

static void a_newer_format_is_told_and_left_alone(void **state)
{
    box *b = *state;

    CHECK_OK(b->ctx, write_generation(b->ctx, b->path, "x"));
    edit_manifest(b, "\"format\":1", "\"format\":2");
    check_refused(b, "format 2, which a newer Quern has written");
}

static void a_damaged_manifest_is_told_and_rolled_back(void **state)
{
    static const char *const edits[][3] = {
        {"{\"format\"", "\"format\"", "is damaged"},
        {"\"generation\":2", "\"generation\":-2", "\"generation\" is not a number"},
        {"\"user\":\"CUST_ID\"", "\"user\":\"\"", "\"user\" is not a text"},
        {"\"year,month\"", "\"week\"", "\"partition_by\" is not one of its choices"},
        {"\"rows\":12", "\"rows\":13", "not the sum"},
        {"year=2005/month=9/", "../../../month=9/", "not a file in the folder of its part"},
        {"year=2005/month=9/part", "year=2005/month=9/.part", "not a file in the folder"},
        {"\"digest\":\"", "\"digest\":\"X", "\"digest\" is not a text"},
        {"\"files\":[", "\"files\":7,\"f\":[", "\"files\" is not a list"},
    };
    box *b = *state;
    int64_t from, to;

    CHECK_OK(b->ctx, write_generation(b->ctx, b->path, "old"));
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char path[256];

        CHECK_OK(b->ctx, write_generation(b->ctx, b->path, "new"));
        edit_manifest(b, edits[i][0], edits[i][1]);
        check_refused(b, edits[i][2]);
        CHECK_ERROR(b->ctx, "quern data rollback");
        CHECK_OK(b->ctx, qn_dataset_rollback(b->ctx, b->path, -1, &from, &to));
        CHECK_EQ(to, 1);
        /* the damaged one would be kept as the newest: it goes by hand */
        CHECK_OK(b->ctx, qn_remove_tree(b->ctx, below(b, ".train.generations/000002", path)));
    }
}

static void a_lost_generation_is_told(void **state)
{
    box *b = *state;
    int64_t from, to;
    char path[256];

    CHECK_OK(b->ctx, write_generation(b->ctx, b->path, "one"));
    CHECK_OK(b->ctx, write_generation(b->ctx, b->path, "two"));
    CHECK_OK(b->ctx, qn_remove_tree(b->ctx, below(b, ".train.generations/000002", path)));
    check_refused(b, "not there");
    CHECK_OK(b->ctx, qn_dataset_rollback(b->ctx, b->path, -1, &from, &to));
    CHECK_EQ(to, 1);
    /* the link itself can be lost too */
    CHECK_EQ(unlink(b->path), 0);
    CHECK_OK(b->ctx, qn_dataset_rollback(b->ctx, b->path, -1, &from, &to));
    CHECK_EQ(from, -1);
    CHECK_EQ(to, 1);
    CHECK_OK(b->ctx, write_generation(b->ctx, b->path, "three"));
}

static void what_has_no_generations_cannot_go_back(void **state)
{
    box *b = *state;
    int64_t from, to;
    char path[256];

    CHECK_EQ(qn_dataset_rollback(b->ctx, b->path, -1, &from, &to), QN_ENOTFOUND);
    CHECK_ERROR(b->ctx, "is not there");
    CHECK_OK(b->ctx, qn_make_dirs(b->ctx, b->path));
    CHECK_EQ(qn_dataset_gc(b->ctx, b->path, 2, &from, &to), QN_ENOTFOUND);
    CHECK_ERROR(b->ctx, "is a plain folder");
    CHECK(!qn_path_exists(below(b, ".train.generations", path)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX(places_that_cannot_be_written_are_named),
        BOX(a_link_in_a_plain_folder_is_refused),
        BOX(file_systems_that_lack_something_are_named),
        BOX(a_full_disk_is_refused_before_work),
        BOX(a_newer_format_is_told_and_left_alone),
        BOX(a_damaged_manifest_is_told_and_rolled_back),
        BOX(a_lost_generation_is_told),
        BOX(what_has_no_generations_cannot_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
