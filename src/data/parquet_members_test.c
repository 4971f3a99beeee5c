/* Members of structs as columns of their own. */
#include "data/parquet.h"
#include "data/source_impl.h"
#include "folder.h"

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

/* Writes rows 0, 1, 2 with this select over the column i. */
static const char *write_rows(folder *f, const char *name, const char *select)
{
    static const int32_t i[] = {0, 1, 2};
    static const qn_field field = {"i", QN_INT32};
    static const qn_schema schema = {&field, 1, true};
    const qn_column column = {QN_INT32, i, NULL, NULL};
    const char *path = folder_file(f, name);
    const qn_parquet_write write = {.path = path, .select = select};
    qn_sink *sink = NULL;

    CHECK_OK(f->ctx, qn_parquet_sink_open(f->ctx, &write, &schema, &sink));
    CHECK_OK(f->ctx, qn_sink_write(f->ctx, sink, &(qn_batch){3, 1, &column, 0}));
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    return path;
}

static qn_status open_rows(folder *f, const char *path, bool members, qn_source **source)
{
    const qn_source_options options = {
        .path = &path, .n_paths = 1, .format = QN_FORMAT_PARQUET, .members = members};

    return qn_parquet_source_open(f->ctx, &options, source);
}

static void check_fields(const qn_source *source, const char *const *names, const qn_type *types,
                         int32_t n)
{
    const qn_schema *schema = qn_source_schema(source);

    CHECK_EQ(schema->n_fields, n);
    for (int32_t i = 0; i < n; i++) {
        CHECK_TEXT(schema->field[i].name, names[i]);
        CHECK_EQ(schema->field[i].type, types[i]);
    }
}

static const char nested[] =
    "i, {'id': i * 10, 'x,) y\"z''s': i / 2, 'in': {'list': list_value(i, i + 1), 'n': CASE WHEN i "
    "= 1 THEN NULL ELSE i::BIGINT END}} AS \"a b\", [{'k': i}] AS many";

static void members_stand_behind_the_columns(void **state)
{
    static const char *const names[] = {
        "i", "a b", "many", "a b.id", "a b.x,) y\"z's", "a b.in", "a b.in.list", "a b.in.n"};
    static const qn_type types[] = {QN_INT32,  QN_TEXT, QN_TEXT,        QN_INT32,
                                    QN_DOUBLE, QN_TEXT, QN_DOUBLE_LIST, QN_INT64};
    folder *f = *state;
    const char *path;
    qn_source *source = NULL;

    skip_without_module(f->ctx);
    path = write_rows(f, "rows.parquet", nested);
    CHECK_OK(f->ctx, open_rows(f, path, true, &source));
    check_fields(source, names, types, 8);
    qn_source_free(source);
    CHECK_OK(f->ctx, open_rows(f, path, false, &source));
    check_fields(source, names, types, 3);
    qn_source_free(source);
}

static void members_are_read_and_missing_ones_rejected(void **state)
{
    const qn_column_request request[] = {
        {3, QN_INT32, false, 0}, {4, QN_DOUBLE, false, 0}, {6, QN_DOUBLE_LIST, false, 0}};
    const qn_column_request missing = {7, QN_INT64, false, 0};
    folder *f = *state;
    const qn_batch *batch = NULL;
    qn_source *source = NULL;
    qn_reader *reader = NULL;

    skip_without_module(f->ctx);
    CHECK_OK(f->ctx, open_rows(f, write_rows(f, "rows.parquet", nested), true, &source));
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 0, request, 3, &reader));
    CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
    CHECK_EQ(batch->n_rows, 3);
    CHECK_EQ(((const int32_t *)batch->columns[0].data)[2], 20);
    CHECK_NEAR(((const double *)batch->columns[1].data)[1], 0.5, 0);
    CHECK_EQ(batch->columns[2].offsets[3], 6);
    CHECK_NEAR(((const double *)batch->columns[2].data)[5], 3, 0);
    qn_reader_close(reader);
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 0, &missing, 1, &reader));
    CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
    CHECK_EQ(batch->n_rows, 2);
    CHECK_EQ(qn_reader_rejects(reader)->example[0].offset, 1);
    qn_reader_close(reader);
    qn_source_free(source);
}

/* A column that is called like a member hides it, and a file may lack the member or the struct. */
static void names_with_dots_and_files_that_differ_are_told_apart(void **state)
{
    const qn_column_request request[] = {{2, QN_INT32, true, 0}, {1, QN_INT32, true, 0}};
    const char *folder_path;
    folder *f = *state;
    const qn_batch *batch = NULL;
    qn_source *source = NULL;
    qn_reader *reader = NULL;

    skip_without_module(f->ctx);
    folder_path = folder_file(f, "two");
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, folder_path));
    write_rows(f, "two/a.parquet", "{'x': i} AS s, i + 5 AS \"s.x\"");
    write_rows(f, "two/b.parquet", "{'y': i + 7} AS s, i + 6 AS \"s.x\"");
    CHECK_OK(f->ctx, open_rows(f, folder_path, true, &source));
    CHECK_TEXT(qn_source_schema(source)->field[1].name, "s.x");
    CHECK_TEXT(qn_source_schema(source)->field[2].name, "s.y");
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 0, request, 2, &reader));
    CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
    CHECK(!qn_is_valid(&batch->columns[0], 0));
    CHECK_EQ(((const int32_t *)batch->columns[1].data)[0], 5);
    qn_reader_close(reader);
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 1, request, 2, &reader));
    CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
    CHECK_EQ(((const int32_t *)batch->columns[0].data)[0], 7);
    CHECK_EQ(((const int32_t *)batch->columns[1].data)[0], 6);
    qn_reader_close(reader);
    qn_source_free(source);
}

static void every_failed_allocation_is_survived(void **state)
{
    folder *f = *state;
    const char *path;
    qn_status st = QN_ENOMEM;

    skip_without_module(f->ctx);
    path = write_rows(f, "rows.parquet", nested);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_source *source = NULL;

        qn_alloc_fail_after(f->ctx, allowed);
        st = open_rows(f, path, true, &source);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        qn_source_free(source);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
}

static int setup(void **state)
{
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(NULL, &ctx), QN_OK);
    *state = folder_make(ctx);
    return 0;
}

static int teardown(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;

    folder_remove(f);
    qn_context_free(ctx);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(members_stand_behind_the_columns),
        TEST(members_are_read_and_missing_ones_rejected),
        TEST(names_with_dots_and_files_that_differ_are_told_apart),
        TEST(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
