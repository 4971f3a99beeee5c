/* Matrices from Parquet: the same rows as from text, row groups as pieces. */
#include "table.h"

#include "data/parquet.h"
#include "quern/sink.h"

/* Three row groups as the writer makes them. */
#define ROWS 300000

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

/* Column a holds the number of the row, b its third. */
static void put_parquet(folder *f, const char *path)
{
    static const qn_field field[] = {{"a", QN_INT32}, {"b", QN_DOUBLE}};
    const qn_schema schema = {field, 2, true};
    int32_t *a = malloc(ROWS * sizeof *a);
    double *b = malloc(ROWS * sizeof *b);
    const qn_parquet_write write = {.path = path, .overwrite = true};
    qn_sink *sink = NULL;

    assert_non_null(a);
    assert_non_null(b);
    for (int32_t i = 0; i < ROWS; i++) {
        a[i] = i;
        b[i] = i / 3.0;
    }
    CHECK_OK(f->ctx, qn_parquet_sink_open(f->ctx, &write, &schema, &sink));
    for (int32_t i = 0; i < ROWS; i += 50000) {
        const qn_column column[] = {{QN_INT32, a + i, NULL, NULL}, {QN_DOUBLE, b + i, NULL, NULL}};

        CHECK_OK(f->ctx, qn_sink_write(f->ctx, sink, &(qn_batch){50000, 2, column, i}));
    }
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    free(a);
    free(b);
}

static void parquet_and_text_make_the_same_matrix(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL, *text = NULL;
    qn_string csv = {0};
    double row[4] = {0};
    wish w;

    skip_without_module(f->ctx);
    f->ctx->cells.table_rows = 65536;
    wish_for(&w, folder_file(f, "t.parquet"));
    put_parquet(f, w.path[0]);
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, ROWS);
    CHECK_EQ(m->n_cells, 5);
    CHECK_NEAR(m->max[0], ROWS - 1, 0);
    CHECK_OK(f->ctx, qn_matrix_rows(f->ctx, m, 2, (int64_t[]){0, 123456}, row));
    CHECK_NEAR(row[2], 123456, 0);
    CHECK_NEAR(row[3], (double)(float)41152, 0);
    qn_string_add(&csv, "a,b\n");
    for (int i = 0; i < ROWS; i++)
        qn_string_addf(&csv, "%d,%.17g\n", i, i / 3.0);
    wish_for(&w, folder_put(f, "t.csv", qn_string_text(&csv)));
    qn_string_release(&csv);
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &text));
    CHECK_EQ(text->n_cells, 5);
    CHECK(text->fingerprint == m->fingerprint);
    CHECK(memcmp(text->mean, m->mean, 2 * sizeof *m->mean) == 0);
    qn_matrix_free(text);
    qn_matrix_free(m);
}

static void row_groups_are_drawn_and_no_other_is_read(void **state)
{
    folder *f = *state;
    int64_t rows[8] = {0};
    qn_matrix *m = NULL;
    wish w;

    skip_without_module(f->ctx);
    f->ctx->cells.table_rows = 65536;
    wish_for(&w, folder_file(f, "t.parquet"));
    put_parquet(f, w.path[0]);
    w.options.sample = QN_SAMPLE_ROW_GROUPS;
    w.options.fraction = 0.5;
    for (int seed = 0; seed < 8; seed++) {
        w.options.sample_seed = seed;
        if (read_wish(f->ctx, &w, &m) == QN_EDATA) { /* none was drawn */
            CHECK_ERROR(f->ctx, "the sample holds no rows");
            continue;
        }
        rows[seed] = m->n_rows;
        CHECK_EQ(m->counts.rows_read, m->n_rows);
        CHECK(m->counts.splits <= 3);
        CHECK(m->n_rows == ROWS || m->n_rows % 122880 == 0 ||
              (m->n_rows - ROWS % 122880) % 122880 == 0);
        qn_matrix_free(m);
    }
    for (int seed = 1; seed < 8; seed++)
        if (rows[seed] != rows[0])
            return;
    fail_msg("all seeds draw the same row groups");
}

static void a_missing_value_is_told_of_with_its_row(void **state)
{
    static const qn_field field[] = {{"a", QN_DOUBLE}};
    static const double values[] = {1, 2, 3};
    static const uint64_t present[] = {0x3};
    const qn_column column = {QN_DOUBLE, values, NULL, present};
    folder *f = *state;
    qn_sink *sink = NULL;
    qn_matrix *m = NULL;
    wish w;

    skip_without_module(f->ctx);
    wish_for(&w, folder_file(f, "t.parquet"));
    CHECK_OK(f->ctx, qn_parquet_sink_open(f->ctx, &(qn_parquet_write){.path = w.path[0]},
                                          &(qn_schema){field, 1, true}, &sink));
    CHECK_OK(f->ctx, qn_sink_write(f->ctx, sink, &(qn_batch){3, 1, &column, 0}));
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "t.parquet, row 2, column a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parquet_and_text_make_the_same_matrix),
        TEST(row_groups_are_drawn_and_no_other_is_read),
        TEST(a_missing_value_is_told_of_with_its_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
