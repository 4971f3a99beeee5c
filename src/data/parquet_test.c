/* Parquet and JSON through the module, by what is written here and read back. */
#include "data/parquet.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "check.h"
#include "data/source_impl.h"

typedef struct fixture {
    qn_context *ctx;
    char dir[64];
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    return !f || qn_context_create(&(qn_context_options){.threads = 2}, &f->ctx) != QN_OK ||
           !fresh_dir(f->dir);
}

static int teardown(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

static char *place(const fixture *f, const char *name)
{
    char *path = qn_path_join(f->dir, name);

    assert_non_null(path);
    return path;
}

/* Five rows of every type; the third lacks what may be missing. */
static const int32_t ints[] = {1, -2, 0, 2147483647, 5};
static const int64_t longs[] = {10000000000, -2, 0, 4, INT64_MIN};
static const float floats[] = {0.5F, -1.5F, 0, 3.25F, 1e30F};
static const double doubles[] = {0.1, 1e300, 0, -4, 5};
static const char texts[] = "aquote\"'b\xC3\xA9zz";
static const uint32_t text_ends[] = {0, 1, 8, 8, 11, 13};
static const int64_t times[] = {0, -1, 0, 1125964800, 253402300799};
static const float values[] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint32_t value_ends[] = {0, 2, 4, 4, 6, 8};
static const uint64_t third_missing[] = {0x1B};
static const qn_field all_fields[] = {{"int", QN_INT32},      {"a long \"one\"", QN_INT64},
                                      {"float's", QN_FLOAT},  {"double", QN_DOUBLE},
                                      {"text", QN_TEXT},      {"time", QN_TIME},
                                      {"list", QN_FLOAT_LIST}};
static const qn_schema all_schema = {all_fields, 7, true};
static const qn_column all_columns[] = {
    {QN_INT32, ints, NULL, NULL},
    {QN_INT64, longs, NULL, third_missing},
    {QN_FLOAT, floats, NULL, third_missing},
    {QN_DOUBLE, doubles, NULL, NULL},
    {QN_TEXT, texts, text_ends, third_missing},
    {QN_TIME, times, NULL, third_missing},
    {QN_FLOAT_LIST, values, value_ends, third_missing},
};
static const qn_batch all_rows = {5, 7, all_columns, 0};

static qn_status write_file(qn_context *ctx, const qn_parquet_write *write, const qn_schema *schema,
                            const qn_batch *batch)
{
    qn_sink *sink;
    qn_status st = qn_parquet_sink_open(ctx, write, schema, &sink);

    if (st != QN_OK)
        return st;
    st = sink->ops->write(ctx, sink, batch);
    if (st == QN_OK)
        return sink->ops->commit(ctx, sink);
    sink->ops->abandon(sink);
    return st;
}

static qn_status open_format(qn_context *ctx, const char *path, qn_format format,
                             qn_source **source)
{
    const qn_source_options options = {.path = &path, .n_paths = 1, .format = format};

    return qn_parquet_source_open(ctx, &options, source);
}

static qn_status open_file(qn_context *ctx, const char *path, qn_source **source)
{
    return open_format(ctx, path, QN_FORMAT_PARQUET, source);
}

static int32_t column_of(const qn_source *source, const char *name)
{
    for (int32_t i = 0; i < source->schema.n_fields; i++)
        if (strcmp(source->schema.field[i].name, name) == 0)
            return i;
    fail_msg("no column %s", name);
    return -1;
}

static qn_reader *open_column(qn_context *ctx, qn_source *source, int64_t split, const char *name,
                              qn_type type, bool nullable)
{
    const qn_column_request request = {column_of(source, name), type, nullable};
    qn_reader *reader = NULL;

    CHECK_OK(ctx, source->ops->open_split(ctx, source, split, &request, 1, &reader));
    return reader;
}

/* The first batch of a column as text, "1 -2 ? ..." ('?': missing), then the rejects. */
static char *show(qn_context *ctx, qn_source *source, int64_t split, const char *name, qn_type type,
                  bool nullable)
{
    static char out[1024];
    qn_reader *reader = open_column(ctx, source, split, name, type, nullable);
    const qn_batch *batch;
    const qn_column *c;
    size_t n = 0;

    out[0] = '\0';
    CHECK_OK(ctx, reader->ops->next(ctx, reader, &batch));
    for (int64_t i = 0; batch && i < batch->n_rows && n < 900; i++) {
        c = &batch->columns[0];
        n += (size_t)snprintf(out + n, sizeof out - n, "%s", i ? " " : "");
        if (!qn_is_valid(c, i))
            n += (size_t)snprintf(out + n, sizeof out - n, "?");
        else if (type == QN_INT32)
            n += (size_t)snprintf(out + n, sizeof out - n, "%d", ((const int32_t *)c->data)[i]);
        else if (type == QN_INT64 || type == QN_TIME)
            n += (size_t)snprintf(out + n, sizeof out - n, "%lld",
                                  (long long)((const int64_t *)c->data)[i]);
        else if (type == QN_FLOAT)
            n += (size_t)snprintf(out + n, sizeof out - n, "%g", ((const float *)c->data)[i]);
        else if (type == QN_DOUBLE)
            n += (size_t)snprintf(out + n, sizeof out - n, "%g", ((const double *)c->data)[i]);
        else if (type == QN_TEXT)
            n += (size_t)snprintf(out + n, sizeof out - n, "%.*s",
                                  (int)(c->offsets[i + 1] - c->offsets[i]),
                                  (const char *)c->data + c->offsets[i]);
        else
            for (uint32_t j = c->offsets[i]; j < c->offsets[i + 1]; j++)
                n += (size_t)snprintf(out + n, sizeof out - n, "%s%g", j > c->offsets[i] ? "," : "",
                                      type == QN_FLOAT_LIST ? (double)((const float *)c->data)[j]
                                                            : ((const double *)c->data)[j]);
    }
    if (batch)
        CHECK_OK(ctx, reader->ops->next(ctx, reader, &batch));
    CHECK(batch == NULL);
    for (int32_t i = 0; i < reader->rejects.n_examples; i++)
        n +=
            (size_t)snprintf(out + n, sizeof out - n, "; row %lld %d \"%s\"",
                             (long long)reader->rejects.example[i].offset,
                             (int)reader->rejects.example[i].kind, reader->rejects.example[i].text);
    reader->ops->close(reader);
    return out;
}

static void rows_of_every_type_come_back(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "it's \"a\" file [1]*?.parquet");
    qn_source *source;

    skip_without_module(f->ctx);
    CHECK_OK(f->ctx, write_file(f->ctx, &(qn_parquet_write){.path = path}, &all_schema, &all_rows));
    CHECK_OK(f->ctx, open_file(f->ctx, path, &source));
    CHECK_EQ(source->schema.n_fields, 7);
    for (int32_t i = 0; i < 7; i++) {
        CHECK_TEXT(source->schema.field[i].name, all_fields[i].name);
        CHECK_EQ(source->schema.field[i].type, all_fields[i].type);
    }
    CHECK_EQ(source->ops->n_splits(source), 1);
    CHECK_TEXT(source->ops->split_path(source, 0), path);
    CHECK_TEXT(show(f->ctx, source, 0, "int", QN_INT32, false), "1 -2 0 2147483647 5");
    CHECK_TEXT(show(f->ctx, source, 0, "int", QN_DOUBLE, false), "1 -2 0 2.14748e+09 5");
    CHECK_TEXT(show(f->ctx, source, 0, "a long \"one\"", QN_INT64, true),
               "10000000000 -2 ? 4 -9223372036854775808");
    CHECK_TEXT(show(f->ctx, source, 0, "float's", QN_FLOAT, true), "0.5 -1.5 ? 3.25 1e+30");
    CHECK_TEXT(show(f->ctx, source, 0, "double", QN_DOUBLE, false), "0.1 1e+300 0 -4 5");
    CHECK_TEXT(show(f->ctx, source, 0, "text", QN_TEXT, true), "a quote\"' ? b\xC3\xA9 zz");
    CHECK_TEXT(show(f->ctx, source, 0, "time", QN_TIME, true), "0 -1 ? 1125964800 253402300799");
    CHECK_TEXT(show(f->ctx, source, 0, "list", QN_FLOAT_LIST, true), "1,2 3,4 ? 5,6 7,8");
    CHECK_TEXT(show(f->ctx, source, 0, "list", QN_DOUBLE_LIST, true), "1,2 3,4 ? 5,6 7,8");
    source->ops->free(source);
    free(path);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void values_that_do_not_fit_are_rejected_by_row(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "x.parquet");
    char expected[256];
    qn_source *source;

    skip_without_module(f->ctx);
    CHECK_OK(f->ctx, write_file(f->ctx, &(qn_parquet_write){.path = path}, &all_schema, &all_rows));
    CHECK_OK(f->ctx, open_file(f->ctx, path, &source));
    snprintf(expected, sizeof expected,
             "-2 4; row 0 %d \"10000000000\"; row 2 %d \"\"; row 4 %d \"-9223372036854775808\"",
             QN_REJECT_RANGE, QN_REJECT_NULL, QN_REJECT_RANGE);
    CHECK_TEXT(show(f->ctx, source, 0, "a long \"one\"", QN_INT32, false), expected);
    snprintf(expected, sizeof expected, "0 -4 5; row 0 %d \"0.1\"; row 1 %d \"1e+300\"",
             QN_REJECT_TYPE, QN_REJECT_RANGE);
    CHECK_TEXT(show(f->ctx, source, 0, "double", QN_INT64, true), expected);
    snprintf(expected, sizeof expected, "0.1 0 -4 5; row 1 %d \"1e+300\"", QN_REJECT_RANGE);
    CHECK_TEXT(show(f->ctx, source, 0, "double", QN_FLOAT, true), expected);
    snprintf(expected, sizeof expected,
             "?; row 0 %d \"a\"; row 1 %d \"quote\"'\"; row 3 %d \"b\\xc3\\xa9\"; row 4 %d \"zz\"",
             QN_REJECT_TYPE, QN_REJECT_TYPE, QN_REJECT_TYPE, QN_REJECT_TYPE);
    CHECK_TEXT(show(f->ctx, source, 0, "text", QN_INT32, true), expected);
    snprintf(expected, sizeof expected, "a quote\"' b\xC3\xA9 zz; row 2 %d \"\"", QN_REJECT_NULL);
    CHECK_TEXT(show(f->ctx, source, 0, "text", QN_TEXT, false), expected);
    snprintf(expected, sizeof expected, "1,2 3,4 5,6 7,8; row 2 %d \"\"", QN_REJECT_NULL);
    CHECK_TEXT(show(f->ctx, source, 0, "list", QN_FLOAT_LIST, false), expected);
    source->ops->free(source);
    free(path);
}

static void a_column_that_is_no_list_is_refused(void **state)
{
    const fixture *f = *state;
    const qn_column_request request = {0, QN_FLOAT_LIST, false};
    char *path = place(f, "x.parquet");
    qn_source *source;
    qn_reader *reader;

    skip_without_module(f->ctx);
    CHECK_OK(f->ctx, write_file(f->ctx, &(qn_parquet_write){.path = path}, &all_schema, &all_rows));
    CHECK_OK(f->ctx, open_file(f->ctx, path, &source));
    CHECK_EQ(source->ops->open_split(f->ctx, source, 0, &request, 1, &reader), QN_EDATA);
    CHECK_ERROR(f->ctx, "not a list");
    CHECK(reader == NULL);
    source->ops->free(source);
    free(path);
}

/* Writes `n` rows: id = first + i, and f = [id, id]. */
static void write_range(qn_context *ctx, const char *path, int64_t first, int64_t n, int64_t step)
{
    static const qn_field fields[] = {{"id", QN_INT64}, {"f", QN_FLOAT_LIST}};
    int64_t *id = malloc(sizeof *id * (size_t)step);
    float *f = malloc(sizeof *f * 2 * (size_t)step);
    uint32_t *ends = malloc(sizeof *ends * (size_t)(step + 1));
    qn_sink *sink;

    CHECK_OK(ctx, qn_parquet_sink_open(ctx, &(qn_parquet_write){.path = path, .overwrite = true},
                                       &(qn_schema){fields, 2, true}, &sink));
    ends[0] = 0;
    for (int64_t row = 0; row < n; row += step) {
        const int64_t rows = n - row < step ? n - row : step;
        const qn_column columns[] = {{QN_INT64, id, NULL, NULL}, {QN_FLOAT_LIST, f, ends, NULL}};
        const qn_batch batch = {rows, 2, columns, row};

        for (int64_t i = 0; i < rows; i++) {
            id[i] = first + row + i;
            f[2 * i] = f[2 * i + 1] = (float)id[i];
            ends[i + 1] = (uint32_t)(2 * i + 2);
        }
        CHECK_OK(ctx, sink->ops->write(ctx, sink, &batch));
    }
    CHECK_OK(ctx, sink->ops->commit(ctx, sink));
    free(id);
    free(f);
    free(ends);
}

static void order_is_kept_and_large_files_are_cut(void **state)
{
    const fixture *f = *state;
    const int64_t n = 2500000;
    char *path = place(f, "large.parquet");
    int64_t expected = 0;
    qn_source *source;

    skip_without_module(f->ctx);
    write_range(f->ctx, path, 0, n, 60000);
    CHECK_OK(f->ctx, open_file(f->ctx, path, &source));
    CHECK_EQ(source->ops->n_splits(source), 5); /* of five row groups each: 614,400 rows */
    for (int64_t split = 0; split < 5; split++) {
        qn_reader *reader = open_column(f->ctx, source, split, "id", QN_INT64, false);
        const qn_batch *batch;
        int64_t in_split = 0;

        CHECK_OK(f->ctx, reader->ops->next(f->ctx, reader, &batch));
        while (batch) {
            CHECK(batch->n_rows <= 65536);
            CHECK_EQ(batch->first_row, in_split);
            for (int64_t i = 0; i < batch->n_rows; i++)
                CHECK_EQ(((const int64_t *)batch->columns[0].data)[i], expected++);
            in_split += batch->n_rows;
            CHECK_OK(f->ctx, reader->ops->next(f->ctx, reader, &batch));
        }
        reader->ops->close(reader);
    }
    CHECK_EQ(expected, n);
    source->ops->free(source);
    free(path);
}

static void same_rows_give_same_bytes(void **state)
{
    const fixture *f = *state;
    char *one = place(f, "one.parquet"), *two = place(f, "two.parquet");
    char *a, *b;
    size_t n, m;

    skip_without_module(f->ctx);
    write_range(f->ctx, one, 0, 300000, 65536);
    write_range(f->ctx, two, 0, 300000, 777);
    CHECK_OK(f->ctx, qn_read_file(f->ctx, one, SIZE_MAX, &a, &n));
    CHECK_OK(f->ctx, qn_read_file(f->ctx, two, SIZE_MAX, &b, &m));
    CHECK_EQ(n, m);
    CHECK(memcmp(a, b, n) == 0);
    qn_free(a);
    qn_free(b);
    free(one);
    free(two);
}

static void folders_hold_partitions_and_files_of_different_columns(void **state)
{
    static const qn_field extra_fields[] = {{"id", QN_INT64}, {"extra", QN_DOUBLE}};
    static const qn_column extra_columns[] = {{QN_INT64, longs, NULL, NULL},
                                              {QN_DOUBLE, doubles, NULL, NULL}};
    const fixture *f = *state;
    char *root = place(f, "t"), *one = place(f, "t/year=2020/city=S%C3%A3o Paulo"),
         *two = place(f, "t/year=2021/city=__HIVE_DEFAULT_PARTITION__"), *path;
    qn_source *source;

    skip_without_module(f->ctx);
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, one));
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, two));
    path = qn_path_join(one, "part-0.parquet");
    write_range(f->ctx, path, 7, 2, 100);
    free(path);
    path = qn_path_join(two, "part-0.parquet");
    CHECK_OK(f->ctx,
             write_file(f->ctx, &(qn_parquet_write){.path = path},
                        &(qn_schema){extra_fields, 2, true}, &(qn_batch){2, 2, extra_columns, 0}));
    free(path);
    CHECK_OK(f->ctx, open_file(f->ctx, root, &source));
    CHECK_EQ(source->ops->n_splits(source), 2);
    CHECK_TEXT(show(f->ctx, source, 0, "id", QN_INT64, false), "7 8");
    CHECK_TEXT(show(f->ctx, source, 0, "year", QN_INT32, false), "2020 2020");
    CHECK_TEXT(show(f->ctx, source, 1, "year", QN_INT64, false), "2021 2021");
    CHECK_TEXT(show(f->ctx, source, 0, "city", QN_TEXT, true), "S\xC3\xA3o Paulo S\xC3\xA3o Paulo");
    CHECK_TEXT(show(f->ctx, source, 1, "city", QN_TEXT, true), "? ?");
    CHECK_TEXT(show(f->ctx, source, 0, "extra", QN_DOUBLE, true), "? ?");
    CHECK_TEXT(show(f->ctx, source, 1, "extra", QN_DOUBLE, true), "0.1 1e+300");
    CHECK_TEXT(show(f->ctx, source, 1, "f", QN_FLOAT_LIST, true), "? ?");
    source->ops->free(source);
    free(root);
    free(one);
    free(two);
}

static void overwrite_byte(const char *path, int64_t at, int64_t n)
{
    const int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(pwrite(fd, "\xA5", 1, at + i), 1);
    close(fd);
}

static qn_status read_split(qn_context *ctx, qn_source *source, int64_t split, int64_t *rows)
{
    const qn_column_request request = {0, QN_INT64, false};
    qn_reader *reader = NULL;
    const qn_batch *batch = NULL;
    qn_status st = source->ops->open_split(ctx, source, split, &request, 1, &reader);

    while (st == QN_OK) {
        st = reader->ops->next(ctx, reader, &batch);
        if (!batch)
            break;
        *rows += batch->n_rows;
    }
    if (reader)
        reader->ops->close(reader);
    return st;
}

static qn_status read_all(qn_context *ctx, const char *path, int64_t *rows)
{
    qn_source *source;
    qn_status st = open_file(ctx, path, &source);

    *rows = 0;
    if (st != QN_OK)
        return st;
    for (int64_t s = 0; s < source->ops->n_splits(source) && st == QN_OK; s++)
        st = read_split(ctx, source, s, rows);
    source->ops->free(source);
    return st;
}

static void damaged_files_are_told_from_short_ones(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "d.parquet");
    struct stat info;
    int64_t rows;

    skip_without_module(f->ctx);
    write_range(f->ctx, path, 0, 1000000, 65536);
    CHECK_OK(f->ctx, read_all(f->ctx, path, &rows));
    CHECK_EQ(rows, 1000000);
    assert_int_equal(stat(path, &info), 0);
    overwrite_byte(path, info.st_size / 2, 4096);
    CHECK_EQ(read_all(f->ctx, path, &rows), QN_EDATA);
    CHECK_ERROR(f->ctx, "d.parquet");
    CHECK(rows < 1000000);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
    CHECK_EQ(read_all(f->ctx, path, &rows), QN_EDATA);
    CHECK_ERROR(f->ctx, "d.parquet");
    assert_int_equal(truncate(path, 0), 0);
    CHECK_EQ(read_all(f->ctx, path, &rows), QN_EDATA);
    assert_int_equal(unlink(path), 0);
    CHECK_EQ(read_all(f->ctx, path, &rows), QN_ENOTFOUND);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    free(path);
}

static void json_lines_keep_digits_and_reject_by_line(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "r.jsonl");
    FILE *out = fopen(path, "w");
    char expected[256];
    qn_source *source;

    skip_without_module(f->ctx);
    fputs("{\"user\": 9007199254740993, \"rating\": 3.5, \"tags\": [1, 2.5]}\n"
          "{\"user\": \"x\", \"rating\": null}\n{\"rating\": 4, \"user\": 7}\n",
          out);
    fclose(out);
    CHECK_OK(f->ctx, open_format(f->ctx, path, QN_FORMAT_JSON, &source));
    snprintf(expected, sizeof expected, "9007199254740993 7; row 1 %d \"x\"", QN_REJECT_TYPE);
    CHECK_TEXT(show(f->ctx, source, 0, "user", QN_INT64, false), expected);
    CHECK_TEXT(show(f->ctx, source, 0, "user", QN_TEXT, false), "9007199254740993 x 7");
    CHECK_TEXT(show(f->ctx, source, 0, "rating", QN_FLOAT, true), "3.5 ? 4");
    CHECK_TEXT(show(f->ctx, source, 0, "tags", QN_FLOAT_LIST, true), "1,2.5 ? ?");
    CHECK_EQ(source->ops->line_number(f->ctx, source, 0, 1), 2);
    source->ops->free(source);
    free(path);
}

static void lenient_columns_miss_bad_values_and_keep_rows(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "l.jsonl");
    FILE *out = fopen(path, "w");
    const qn_column_request request[] = {
        {0, QN_INT32, true, 0, true}, {1, QN_FLOAT, true, 10, true}, {0, QN_DOUBLE, true}};
    const qn_batch *batch;
    qn_source *source;
    qn_reader *reader;

    skip_without_module(f->ctx);
    fputs("{\"a\": 1, \"b\": 2}\n{\"a\": 1.5, \"b\": 11}\nno\n{\"a\": \"x\", \"b\": 1}\n"
          "{\"a\": 4, \"b\": \"y\"}\n{\"a\": 5, \"b\": 12}\n{\"a\": 1e10, \"b\": 13}\n",
          out);
    fclose(out);
    CHECK_OK(f->ctx, open_format(f->ctx, path, QN_FORMAT_JSON, &source));
    CHECK_OK(f->ctx, source->ops->open_split(f->ctx, source, 0, request, 3, &reader));
    CHECK_OK(f->ctx, reader->ops->next(f->ctx, reader, &batch));
    CHECK_EQ(batch->n_rows, 5);
    for (int64_t i = 0; i < 5; i++) { /* 1 2, ? ?, 4 ?, 5 ?, ? ? */
        CHECK_EQ(qn_is_valid(&batch->columns[0], i), i == 0 || i == 2 || i == 3);
        CHECK_EQ(qn_is_valid(&batch->columns[1], i), i == 0);
    }
    const qn_rejects *r = qn_reader_rejects(reader);
    CHECK_EQ(r->total, 9);
    CHECK_EQ(r->n_kept, 7);
    CHECK_EQ(r->count[QN_REJECT_MALFORMED], 1);
    CHECK_EQ(r->count[QN_REJECT_RANGE], 4);
    CHECK_EQ(r->count[QN_REJECT_TYPE], 4);
    static const int64_t line[] = {1, 1, 2, 3, 3};
    for (int32_t i = 0; i < QN_REJECT_EXAMPLES; i++)
        CHECK_EQ(r->example[i].offset, line[i]);
    CHECK_TEXT(r->example[1].text, "11");
    reader->ops->close(reader);
    source->ops->free(source);
    free(path);
}

static void malformed_json_lines_are_rejected(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "b.jsonl");
    FILE *out = fopen(path, "w");
    char expected[256];
    qn_source *source;

    skip_without_module(f->ctx);
    fputs("{\"a/b~\\\"c'\": 1, \"l\": [1, 2]}\n{\"a/b~\n{\"a/b~\\\"c'\": 2, \"l\": "
          "[null]}\nrubbish\n",
          out);
    fclose(out);
    CHECK_OK(f->ctx, open_format(f->ctx, path, QN_FORMAT_JSON, &source));
    snprintf(expected, sizeof expected,
             "1 2; row 1 %d \"not a JSON object\"; row 3 %d \"not a JSON object\"",
             QN_REJECT_MALFORMED, QN_REJECT_MALFORMED);
    CHECK_TEXT(show(f->ctx, source, 0, "a/b~\"c'", QN_INT32, true), expected);
    snprintf(expected, sizeof expected,
             "1,2; row 1 %d \"not a JSON object\"; row 2 %d \"a list with missing values\"; "
             "row 3 %d \"not a JSON object\"",
             QN_REJECT_MALFORMED, QN_REJECT_NULL, QN_REJECT_MALFORMED);
    CHECK_TEXT(show(f->ctx, source, 0, "l", QN_DOUBLE_LIST, false), expected);
    source->ops->free(source);
    out = fopen(path, "w");
    fputs("no JSON at all\n", out);
    fclose(out);
    CHECK_EQ(open_format(f->ctx, path, QN_FORMAT_JSON, &source), QN_EDATA);
    CHECK_ERROR(f->ctx, "b.jsonl");
    free(path);
}

static void writing_survives_every_failed_write(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "w.parquet");
    qn_status st = QN_EIO;
    int64_t rows;

    skip_without_module(f->ctx);
    write_range(f->ctx, path, 0, 3, 3);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        char **names;
        int64_t n;

        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        st = write_file(f->ctx, &(qn_parquet_write){.path = path, .overwrite = true}, &all_schema,
                        &all_rows);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        CHECK_OK(f->ctx, read_all(f->ctx, path, &rows));
        CHECK_EQ(rows, st == QN_OK ? 5 : 3);
        CHECK_OK(f->ctx, qn_list_dir(f->ctx, f->dir, &names, &n));
        CHECK_EQ(n, 1); /* nothing half written beside */
        qn_names_free(names, n);
        CHECK(allowed < 100);
    }
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    free(path);
}

static void writing_and_reading_survive_every_failed_allocation(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "a.parquet");
    qn_status st = QN_ENOMEM;
    int64_t rows;

    skip_without_module(f->ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = write_file(f->ctx, &(qn_parquet_write){.path = path, .overwrite = true}, &all_schema,
                        &all_rows);
        if (st == QN_OK)
            st = read_all(f->ctx, path, &rows);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
        CHECK(allowed < 1000);
    }
    CHECK_EQ(rows, 5);
    free(path);
}

static void what_cannot_be_written_is_refused_before_and_during(void **state)
{
    static const qn_field fields[] = {{"t", QN_TEXT}};
    static const uint32_t ends[] = {0, 2};
    static const qn_column bad[] = {{QN_TEXT, "\xFF\xFE", ends, NULL}};
    const fixture *f = *state;
    char *path = place(f, "no/where.parquet"), *here = place(f, "x.parquet");
    const qn_schema schema = {fields, 1, true};
    qn_sink *sink;

    skip_without_module(f->ctx);
    CHECK_EQ(qn_parquet_sink_open(f->ctx, &(qn_parquet_write){.path = path}, &all_schema, &sink),
             QN_EIO);
    CHECK(sink == NULL);
    CHECK_EQ(
        write_file(f->ctx, &(qn_parquet_write){.path = here}, &schema, &(qn_batch){1, 1, bad, 0}),
        QN_EDATA);
    CHECK_ERROR(f->ctx, "column \"t\": a text is not UTF-8");
    CHECK(!qn_path_exists(here));
    CHECK_EQ(write_file(f->ctx, &(qn_parquet_write){.path = here, .select = "nonsense FROM"},
                        &all_schema, &all_rows),
             QN_EIO);
    CHECK(!qn_path_exists(here));
    CHECK_OK(f->ctx, write_file(f->ctx, &(qn_parquet_write){.path = here}, &all_schema, &all_rows));
    CHECK_EQ(qn_parquet_sink_open(f->ctx, &(qn_parquet_write){.path = here}, &all_schema, &sink),
             QN_EEXISTS);
    free(path);
    free(here);
}

static void an_empty_table_has_its_columns(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "e.parquet");
    qn_source *source;

    skip_without_module(f->ctx);
    CHECK_OK(f->ctx, write_file(f->ctx, &(qn_parquet_write){.path = path}, &all_schema,
                                &(qn_batch){0, 7, all_columns, 0}));
    CHECK_OK(f->ctx, open_file(f->ctx, path, &source));
    CHECK_EQ(source->schema.n_fields, 7);
    CHECK_TEXT(show(f->ctx, source, 0, "int", QN_INT32, false), "");
    source->ops->free(source);
    free(path);
}

static void a_missing_module_says_how_to_get_it(void **state)
{
    const fixture *f = *state;
    const qn_context_options options = {.module_dir = f->dir};
    const char *version;
    qn_context *ctx;

    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    CHECK_EQ(qn_parquet_version(ctx, &version), QN_EUNAVAILABLE);
    CHECK(version == NULL);
    CHECK_ERROR(ctx, f->dir);
    CHECK_ERROR(ctx, "make deps");
    qn_context_free(ctx);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_of_every_type_come_back),
        TEST(values_that_do_not_fit_are_rejected_by_row),
        TEST(a_column_that_is_no_list_is_refused),
        TEST(order_is_kept_and_large_files_are_cut),
        TEST(same_rows_give_same_bytes),
        TEST(folders_hold_partitions_and_files_of_different_columns),
        TEST(damaged_files_are_told_from_short_ones),
        TEST(json_lines_keep_digits_and_reject_by_line),
        TEST(lenient_columns_miss_bad_values_and_keep_rows),
        TEST(malformed_json_lines_are_rejected),
        TEST(writing_survives_every_failed_write),
        TEST(writing_and_reading_survive_every_failed_allocation),
        TEST(what_cannot_be_written_is_refused_before_and_during),
        TEST(an_empty_table_has_its_columns),
        TEST(a_missing_module_says_how_to_get_it),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
