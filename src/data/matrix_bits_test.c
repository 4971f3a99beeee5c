/* The same bits on any number of ranks and threads; and what goes wrong. */
#include "table.h"

typedef struct bits {
    wish *w;
    uint64_t fingerprint[8];
    double mean[8][2];
    double far[8][3];
    int64_t missing[8];
} bits;

static qn_status read_bits(qn_context *ctx, void *arg)
{
    const int32_t rank = qn_rank(ctx);
    const int64_t row[3] = {0, 100, 4};
    double rows[3][2];
    bits *b = arg;
    qn_matrix *m = NULL;
    qn_status st = QN_OK;

    QN_TRY(read_wish(ctx, b->w, &m));
    QN_TRY(qn_matrix_rows(ctx, m, 3, row, &rows[0][0]));
    b->fingerprint[rank] = m->fingerprint + (uint64_t)m->n_labels;
    memcpy(b->mean[rank], m->mean, sizeof b->mean[rank]);
    for (int i = 0; i < 3; i++)
        b->far[rank][i] = rows[i][1];
    b->missing[rank] = m->counts.rows_missing;
done:
    qn_matrix_free(m);
    return st;
}

static void check_ranks(wish *w, const bits *one, int32_t threads)
{
    static const int32_t ranks[] = {1, 2, 3, 5};
    qn_context *ctx = make_context(threads);

    for (int k = 0; k < 4; k++) {
        bits b = {.w = w};

        CHECK_OK(ctx, qn_run_thread_ranks(ctx, ranks[k], read_bits, &b));
        for (int r = 0; r < ranks[k]; r++) {
            CHECK(b.fingerprint[r] == one->fingerprint[0]);
            CHECK(memcmp(b.mean[r], one->mean[0], sizeof one->mean[0]) == 0);
            CHECK(memcmp(b.far[r], one->far[0], sizeof one->far[0]) == 0);
            CHECK_EQ(b.missing[r], one->missing[0]);
        }
    }
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void ranks_and_threads_give_the_same_bits(void **state)
{
    static const size_t splits[] = {40, 333, 1 << 20};
    folder *f = *state;
    qn_string text = {0};
    wish w;

    qn_string_add(&text, "a,b,y\n");
    for (int i = 0; i < 307; i++) {
        if (i % 50 == 49)
            qn_string_addf(&text, "%.3f,,%d\n", i / 7.0, i % 3);
        else
            qn_string_addf(&text, "%.3f,%.4f,%d\n", i / 7.0, i * i / 3.0, i % 3);
    }
    wish_for(&w, folder_put(f, "t.csv", qn_string_text(&text)));
    qn_string_release(&text);
    w.options.on_missing = QN_MISSING_SKIP;
    w.options.label = "y";
    for (int s = 0; s < 3; s++) {
        bits one = {.w = &w};

        w.options.split_bytes = splits[s];
        CHECK_OK(f->ctx, read_bits(f->ctx, &one));
        CHECK_EQ(one.missing[0], 6);
        for (int32_t threads = 1; threads <= 3; threads++)
            check_ranks(&w, &one, threads);
    }
}

static void every_failed_allocation_ends_cleanly(void **state)
{
    folder *f = *state;
    qn_context *ctx = make_context(1);
    qn_status st = QN_ENOMEM;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "a,b,y,w\n1,10,0,1\n2,,1,1\n3,30,0,1\n4,4,1,1\n5,5,0,1\n"));
    w.options.label = "y";
    w.options.weight = "w";
    w.options.on_missing = QN_MISSING_SKIP;
    w.use.keep_label = true;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_matrix *m = NULL;

        qn_alloc_fail_after(ctx, allowed);
        st = read_wish(ctx, &w, &m);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((m != NULL) == (st == QN_OK));
        qn_matrix_free(m);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
    qn_context_free(ctx);
}

/* ---- what goes wrong ---- */

/* n rows of numbers, about 8 bytes each. */
static const char *put_rows(folder *f, const char *name, int n)
{
    qn_string text = {0};
    const char *path;

    qn_string_add(&text, "a,b\n");
    for (int i = 0; i < n; i++)
        qn_string_addf(&text, "%03d,%03d\n", i % 997, i % 991);
    assert_false(text.failed);
    path = folder_put(f, name, text.text);
    qn_string_release(&text);
    return path;
}

static qn_context *context_with(size_t memory)
{
    const qn_context_options options = {.memory = memory, .threads = 2};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    return ctx;
}

/* 800,000 rows of two doubles are 12.2 MB. */
static void what_is_clearly_too_large_is_refused_before_it_is_read(void **state)
{
    folder *f = *state;
    qn_context *ctx = context_with((size_t)6 << 20);
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, put_rows(f, "t.csv", 800000));
    w.options.precision = QN_PRECISION_DOUBLE;
    CHECK_EQ(read_wish(ctx, &w, &m), QN_ENOMEM);
    CHECK_ERROR(ctx, "the table needs about 12.2 MB (799,99");
    CHECK_ERROR(ctx, "the budget is 6 MB");
    CHECK_ERROR(ctx, "--fraction");
    CHECK_ERROR(ctx, "--precision float");
    CHECK_ERROR(ctx, "--features");
    CHECK_ERROR(ctx, "--memory");
    CHECK(qn_context_peak(ctx) < (size_t)5 << 20);
    w.options.sample = QN_SAMPLE_ROWS;
    w.options.fraction = 0.01;
    CHECK_OK(ctx, read_wish(ctx, &w, &m));
    qn_matrix_free(m);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void what_turns_out_too_large_says_what_it_would_need(void **state)
{
    folder *f = *state;
    qn_context *ctx = context_with((size_t)11 << 20);
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, put_rows(f, "t.csv", 800000));
    w.options.precision = QN_PRECISION_DOUBLE;
    w.options.split_bytes = 1 << 20;
    CHECK_EQ(read_wish(ctx, &w, &m), QN_ENOMEM);
    CHECK_ERROR(ctx, "the table needs about 12.2 MB");
    CHECK_ERROR(ctx, "the budget is 11 MB");
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void little_is_held_beside_the_rows(void **state)
{
    folder *f = *state;
    qn_context *ctx = context_with((size_t)64 << 20);
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, put_rows(f, "t.csv", 800000));
    CHECK_OK(ctx, read_wish(ctx, &w, &m));
    CHECK_EQ(m->n_rows, 800000);
    CHECK_EQ(m->bytes, 800000 * 8);
    CHECK(qn_context_peak(ctx) < m->bytes + ((size_t)8 << 20));
    qn_matrix_free(m);
    qn_context_free(ctx);
}

static void cancel_once(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_PROGRESS && event->rows > 100)
        qn_context_cancel(user, 0);
}

static void a_cancelled_reading_ends_and_frees_all(void **state)
{
    folder *f = *state;
    qn_context *ctx = make_context(2);
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, put_rows(f, "t.csv", 5000));
    w.options.split_bytes = 400;
    CHECK_OK(ctx, qn_context_add_sink(ctx, cancel_once, ctx));
    CHECK_EQ(read_wish(ctx, &w, &m), QN_ECANCELLED);
    CHECK(m == NULL);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void a_damaged_packed_file_is_named(void **state)
{
    /* the first bytes of a gzip file, and then nothing */
    static const char damaged[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\xd4\x49\xe2";
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    folder_put(f, "a.csv", "a,b\n1,2\n");
    FILE *file = fopen(folder_file(f, "b.csv.gz"), "wb");
    assert_non_null(file);
    CHECK_EQ(fwrite(damaged, 1, sizeof damaged - 1, file), sizeof damaged - 1);
    fclose(file);
    wish_for(&w, f->path);
    CHECK(read_wish(f->ctx, &w, &m) != QN_OK);
    CHECK_ERROR(f->ctx, "b.csv.gz");
    CHECK(m == NULL);
}

static void a_file_with_other_columns_is_named_with_the_first(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    folder_put(f, "a.csv", "a,b\n1,2\n");
    folder_put(f, "b.csv", "a\n1\n");
    wish_for(&w, f->path);
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "b.csv: its header has 1 columns");
    CHECK_ERROR(f->ctx, "a.csv has 2");
    folder_put(f, "b.csv", "b,a\n1,2\n");
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "column 0 is called \"b\"");
    CHECK_ERROR(f->ctx, "a.csv");
}

static void thousands_of_files_are_read_in_the_order_of_their_names(void **state)
{
    folder *f = *state;
    char name[32], text[64], place[256], expected[256];
    qn_matrix *m = NULL;
    wish w;

    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%04d.csv", i);
        snprintf(text, sizeof text, "a,b\n%d,1\n%d,2\n", 2 * i, 2 * i + 1);
        folder_put(f, name, text);
    }
    wish_for(&w, f->path);
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 4000);
    CHECK_EQ(m->n_cells, 2000);
    CHECK_EQ(m->counts.files, 2000);
    for (int64_t r = 0; r < 4000; r += 777)
        CHECK_NEAR(value_at(f->ctx, m, r, 0), (double)r, 0);
    qn_matrix_place(m, 3001, place, sizeof place);
    snprintf(expected, sizeof expected, "%s/1500.csv, row 1", f->path);
    CHECK_TEXT(place, expected);
    qn_matrix_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ranks_and_threads_give_the_same_bits),
        TEST(every_failed_allocation_ends_cleanly),
        TEST(what_is_clearly_too_large_is_refused_before_it_is_read),
        TEST(what_turns_out_too_large_says_what_it_would_need),
        TEST(little_is_held_beside_the_rows),
        TEST(a_cancelled_reading_ends_and_frees_all),
        TEST(a_damaged_packed_file_is_named),
        TEST(a_file_with_other_columns_is_named_with_the_first),
        TEST(thousands_of_files_are_read_in_the_order_of_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
