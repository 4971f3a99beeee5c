/* Plain folders that become data sets, and other changes of layout: the rows go through the pile.
 */
#include "data/rating_rows_testing.h"
#include "quern/sink.h"

/* Writes a plain file by SQL over five rows n = 0 .. 4. */
static void put_plain(run *r, const char *path, const char *select)
{
    const int32_t numbers[] = {0, 1, 2, 3, 4};
    const qn_field field = {"n", QN_INT32};
    const qn_schema schema = {(qn_field *)&field, 1};
    const qn_column column = {.type = QN_INT32, .data = numbers};
    const qn_batch batch = {.n_rows = 5, .n_columns = 1, .columns = (qn_column *)&column};
    const qn_parquet_write write = {.path = path, .select = select};
    qn_sink *sink = NULL;

    CHECK_OK(r->ctx, qn_parquet_sink_open(r->ctx, &write, &schema, &sink));
    CHECK_OK(r->ctx, qn_sink_write(r->ctx, sink, &batch));
    CHECK_OK(r->ctx, qn_sink_commit(r->ctx, &sink));
}

/* A folder of two files: unsorted rows with a day each, the second in another month; int64 ids. */
static void make_plain(run *r, folder *f)
{
    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, qn_make_dirs(r->ctx, folder_file(f, "set/year=2005/month=9")));
    put_plain(
        r, folder_file(f, "set/year=2005/month=9/a.parquet"),
        "7 - n AS MOVIE_ID, n::BIGINT AS CUST_ID, 'x' AS more, (n % 5 + 1)::TINYINT AS RATING, "
        "DATE '2005-09-10' - n AS DATE");
    put_plain(
        r, folder_file(f, "set/b.parquet"),
        "NULLIF(n, 3) AS CUST_ID, 9 AS MOVIE_ID, 2.0 AS RATING, TIMESTAMP '2005-10-02' AS DATE");
}

static void a_plain_folder_is_sorted_and_merged(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row more[] = {row_of(9, 2, 2005, 10, 2, 5), row_of(4, 3, 2005, 9, 7, 1)};
    const qn_rating_row expected[] = {
        row_of(3, 4, 2005, 9, 6, 5),  row_of(4, 3, 2005, 9, 7, 4),  row_of(5, 2, 2005, 9, 8, 3),
        row_of(6, 1, 2005, 9, 9, 2),  row_of(7, 0, 2005, 9, 10, 1), row_of(9, 0, 2005, 10, 2, 2),
        row_of(9, 1, 2005, 10, 2, 2), row_of(9, 2, 2005, 10, 2, 5), row_of(9, 4, 2005, 10, 2, 2)};

    make_plain(r, f);
    CHECK_OK(r->ctx, upsert(r, more, COUNT(more)));
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->written.rows_null, 1);
    CHECK_EQ(r->written.rows_old, 9);
    CHECK_EQ(r->written.rows_dropped, 2);
    CHECK_EQ(r->written.files_linked, 0);
    folder_remove(f);
}

static void a_plain_folder_is_adopted_without_new_rows(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);

    make_plain(r, f);
    r->on_duplicate = QN_KEEP_LATEST;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    CHECK_EQ(r->written.rows_written, 9);
    CHECK_EQ(r->written.parts_written, 2);
    folder_remove(f);
}

static void a_plain_file_that_lacks_a_column_is_named(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);

    make_plain(r, f);
    put_plain(r, folder_file(f, "set/c.parquet"), "n AS CUST_ID, 9 AS MOVIE_ID");
    CHECK_EQ(upsert(r, NULL, 0), QN_EDATA);
    CHECK_ERROR(r->ctx, "c.parquet");
    CHECK_ERROR(r->ctx, "RATING");
    folder_remove(f);
}

static void the_history_of_a_plain_folder_does_not_show(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    found rows;
    qn_string adopted = {0}, direct = {0};

    make_plain(r, f);
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    digests(r, &adopted);
    read_back(r, &rows);
    r->path = folder_file(f, "other");
    CHECK_OK(r->ctx, upsert(r, rows.row, rows.n));
    digests(r, &direct);
    CHECK_TEXT(qn_string_text(&adopted), qn_string_text(&direct));
    qn_string_release(&adopted);
    qn_string_release(&direct);
    folder_remove(f);
}

static void folders_may_change_to_years(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row row[] = {row_of(2, 5, 2005, 9, 6, 4), row_of(1, 9, 2005, 10, 3, 3),
                                 row_of(1, 9, 1969, 10, 3, 3)};
    const qn_rating_row expected[] = {row[2], row[1], row[0]};

    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, row, COUNT(row)));
    r->partition_by = QN_BY_YEAR;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->written.files_written, 2);
    CHECK(folder_has(f, "set/year=1969"));
    CHECK(folder_has(f, "set/year=2005"));
    CHECK(!folder_has(f, "set/year=2005/month=9"));
    r->partition_by = QN_BY_NOTHING;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    CHECK_EQ(r->written.files_written, 1);
    folder_remove(f);
}

static void a_file_that_is_not_in_order_is_told(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row row[] = {row_of(2, 5, 2005, 9, 6, 4), row_of(9, 9, 2005, 9, 3, 3)};
    qn_dataset_manifest manifest;
    char *dir = NULL, *path;

    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, row, COUNT(row)));
    read_manifest(r, &manifest, &dir);
    path = qn_path_join(dir, manifest.file[0].path);
    CHECK_EQ(unlink(path), 0);
    put_plain(r, path, "5 - n AS MOVIE_ID, n AS CUST_ID, 3 AS RATING, DATE '2005-09-10' AS DATE");
    r->all = true;
    CHECK_EQ(upsert(r, NULL, 0), QN_EDATA);
    CHECK_ERROR(r->ctx, "row 1 is out of order");
    CHECK_ERROR(r->ctx, "data verify");
    free(path);
    qn_dataset_manifest_release(&manifest);
    qn_free(dir);
    folder_remove(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_plain_folder_is_sorted_and_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plain_folder_is_adopted_without_new_rows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_plain_file_that_lacks_a_column_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(the_history_of_a_plain_folder_does_not_show, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(folders_may_change_to_years, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_in_order_is_told, setup, teardown),
    };

    return has_module() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
