/* Data sets of ours as sources see them. */
#include "data/parquet.h"
#include "data/source_files.h"
#include "data/source_impl.h"
#include "data/triples_testing.h"
#include "dataset_box.h"

static qn_status list(qn_context *ctx, const char *path, qn_file_list *files)
{
    *files = (qn_file_list){0};
    return qn_file_list_fill(ctx, &path, 1, files);
}

static void a_source_has_the_files_of_the_manifest_in_order_of_names(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_file_list files;
    char path[256];

    CHECK_OK(ctx, write_generation(ctx, b->path, "ten"));
    put_text(below(b, "train/stray.parquet", path), "not listed");
    CHECK_OK(ctx, list(ctx, b->path, &files));
    CHECK_EQ(files.n, 2);
    CHECK(files.has_columns);
    CHECK_TEXT(files.columns.item, "MOVIE_ID");
    /* bytes order months 10 before 9, and the link is gone from the names */
    CHECK(strstr(files.file[0].path, "/.train.generations/000001/year=2005/month=10/") != NULL);
    CHECK(strstr(files.file[1].path, "/.train.generations/000001/year=2005/month=9/") != NULL);
    qn_file_list_release(&files);
    /* the same by a folder above it */
    CHECK_OK(ctx, list(ctx, b->dir, &files));
    CHECK_EQ(files.n, 2);
    CHECK_EQ(files.n_data_sets, 1);
    qn_file_list_release(&files);
}

static void a_file_that_is_gone_or_cut_short_is_told(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_file_list files;
    char *name;

    CHECK_OK(ctx, write_generation(ctx, b->path, "ten"));
    CHECK_OK(ctx, list(ctx, b->path, &files));
    name = strdup(files.file[0].path);
    qn_file_list_release(&files);
    put_text(name, "te");
    CHECK_EQ(list(ctx, b->path, &files), QN_EDATA);
    CHECK_ERROR(ctx, "2 bytes, 3 by the manifest");
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(list(ctx, b->path, &files), QN_EDATA);
    CHECK_ERROR(ctx, "which the manifest names, is not there");
    free(name);
}

static void a_data_set_without_rows_says_so(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_dataset_writer writer;
    qn_file_list files;

    CHECK_OK(ctx, qn_dataset_write_open(ctx, b->path, &writer));
    CHECK_OK(ctx, qn_dataset_write_commit(&writer, 2));
    qn_dataset_write_close(&writer);
    CHECK_EQ(list(ctx, b->path, &files), QN_ENOTFOUND);
    CHECK_ERROR(ctx, "holds no rows");
}

/* Two rows of ratings under names that nobody guesses, with a column of dates. */
static qn_status write_rows(qn_context *ctx, const char *path)
{
    static const int32_t who[] = {7, 9}, what[] = {1, 2}, stars[] = {4, 5};
    static const int64_t when[] = {1125964800, 1126051200}; /* 2005-09-06, -07 */
    static const qn_field field[] = {
        {"stars", QN_INT32}, {"what", QN_INT32}, {"who", QN_INT32}, {"when", QN_TIME}};
    static const qn_column column[] = {{QN_INT32, stars, NULL, NULL},
                                       {QN_INT32, what, NULL, NULL},
                                       {QN_INT32, who, NULL, NULL},
                                       {QN_TIME, when, NULL, NULL}};
    const qn_schema schema = {field, 4, true};
    const qn_batch batch = {2, 4, column, 0};
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_sink_open(ctx, &(qn_sink_options){.path = path}, &schema, &sink));
    QN_TRY(qn_sink_write(ctx, sink, &batch));
    QN_TRY(qn_sink_commit(ctx, &sink));
done:
    qn_sink_abandon(&sink);
    return st;
}

static qn_status write_ratings(qn_context *ctx, const char *path)
{
    qn_dataset_writer writer;
    char *file = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_write_open(ctx, path, &writer));
    writer.next.columns =
        (qn_dataset_columns){.user = "who", .item = "what", .rating = "stars", .date = "when"};
    QN_TRY(qn_dataset_write_file(&writer, SEPTEMBER, 0, &file));
    QN_TRY(write_rows(ctx, file));
    QN_TRY(qn_dataset_write_done(&writer, SEPTEMBER, 0, file, 2));
    QN_TRY(qn_dataset_write_commit(&writer, 2));
done:
    qn_free(file);
    qn_dataset_write_close(&writer);
    return st;
}

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

static void a_generation_that_goes_while_it_is_read_is_told(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    const char *path = b->path;
    const qn_column_request request = {.field = 0, .type = QN_INT32};
    qn_source *source = NULL;
    qn_reader *reader = NULL;
    const qn_batch *batch;
    int64_t n, bytes;
    qn_status st;

    skip_without_module(ctx);
    CHECK_OK(ctx, write_ratings(ctx, b->path));
    CHECK_OK(ctx, qn_source_open(ctx, &(qn_source_options){.path = &path, .n_paths = 1}, &source));
    CHECK_OK(ctx, write_ratings(ctx, b->path));
    CHECK_OK(ctx, qn_dataset_gc(ctx, b->path, 1, &n, &bytes));
    CHECK_EQ(n, 1);
    st = qn_source_open_split(ctx, source, 0, &request, 1, &reader);
    if (st == QN_OK)
        st = qn_reader_next(ctx, reader, &batch);
    CHECK_EQ(st, QN_EBUSY);
    CHECK_ERROR(ctx, "was rewritten while it was read: run again");
    qn_reader_close(reader);
    qn_source_free(source);
}

static void ratings_need_no_column_options(void **state)
{
    box *b = *state;
    qn_context *ctx = b->ctx;
    qn_ratings_options options;
    qn_triples *triples = NULL;
    flat_rows rows;
    const char *path = b->path;

    skip_without_module(ctx);
    CHECK_OK(ctx, write_ratings(ctx, b->path));
    qn_params_init(&qn_ratings_table, &options);
    options.input = (qn_text_list){.item = &path, .n = 1};
    CHECK_OK(ctx, qn_triples_read(ctx, &options, true, true, &triples));
    CHECK_EQ(triples->n, 2);
    flatten(ctx, triples, &rows);
    CHECK_EQ(triples->users.number[rows.user[0]], 7);
    CHECK_EQ(triples->items.number[rows.item[0]], 1);
    CHECK(rows.value[0] == 4.0F);
    CHECK_EQ(rows.time[0], 1125964800);
    qn_triples_free(triples);
    /* options that are given win */
    options.user_col = "what";
    CHECK_OK(ctx, qn_triples_read(ctx, &options, true, true, &triples));
    flatten(ctx, triples, &rows);
    CHECK_EQ(triples->users.number[rows.user[0]], 1);
    qn_triples_free(triples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX(a_source_has_the_files_of_the_manifest_in_order_of_names),
        BOX(a_file_that_is_gone_or_cut_short_is_told),
        BOX(a_data_set_without_rows_says_so),
        BOX(a_generation_that_goes_while_it_is_read_is_told),
        BOX(ratings_need_no_column_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
