/* Matrices read from small tables whose cells, blocks and sums are known by eye, on any number of
 * ranks and threads. */
#include "folder.h"

#include <inttypes.h>
#include <math.h>

#include "base/text.h"
#include "data/assemble.h"
#include "engine/comm.h"
#include "engine/store.h"

static qn_context *make_context(int32_t threads)
{
    const qn_context_options options = {.memory = (size_t)64 << 20, .threads = threads};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.table_rows = 4;
    return ctx;
}

static int setup(void **state)
{
    *state = folder_make(make_context(2));
    return 0;
}

static int teardown(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;

    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

typedef struct wish {
    qn_matrix_options options;
    qn_matrix_use use;
    const char *path[4];
} wish;

/* Everything by default; at most three more paths. */
static wish *wish_for(wish *w, const char *path)
{
    *w = (wish){0};
    qn_params_init(&qn_matrix_table, &w->options);
    w->path[0] = path;
    w->options.input = (qn_text_list){w->path, 1};
    return w;
}

static qn_status read_wish(qn_context *ctx, const wish *w, qn_matrix **m)
{
    return qn_matrix_read(ctx, &w->options, &w->use, m);
}

static double value_at(qn_context *ctx, const qn_matrix *m, int64_t row, int32_t f)
{
    double *out = malloc((size_t)m->n_features * sizeof *out);
    double value;

    assert_non_null(out);
    CHECK_OK(ctx, qn_matrix_rows(ctx, m, 1, &row, out));
    value = out[f];
    free(out);
    return value;
}

/* ---- what a matrix says ---- */

static void rows_means_and_extremes_are_those_of_the_table(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "a,b\n1,10\n2,20\n3,-30\n4,40\n5,50\n6,60\n"));
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_features, 2);
    CHECK_EQ(m->n_rows, 6);
    CHECK_EQ(m->n_cells, 2); /* of 4 rows and of 2 */
    CHECK_EQ(m->n_own_cells, 2);
    CHECK_EQ(m->cell[0].n_rows, 4);
    CHECK_EQ(m->cell[1].first_row, 4);
    CHECK_EQ(m->cell[1].split_row, 4);
    CHECK_NEAR(m->mean[0], 3.5, 0);
    CHECK_NEAR(m->mean[1], 25, 0);
    CHECK_NEAR(m->min[1], -30, 0);
    CHECK_NEAR(m->max[1], 60, 0);
    CHECK_NEAR(m->weight_sum, 6, 0);
    CHECK_NEAR(value_at(f->ctx, m, 2, 1), -30, 0);
    CHECK_NEAR(value_at(f->ctx, m, 5, 0), 6, 0);
    CHECK_EQ(m->counts.rows_read, 6);
    CHECK_EQ(m->counts.files, 1);
    CHECK_EQ(m->counts.files_total, 1);
    CHECK(m->bytes == 2 * (size_t)(16 * 2 * 4));
    qn_matrix_free(m);
}

static void blocks_hold_panels_then_labels_then_weights(void **state)
{
    folder *f = *state;
    qn_matrix_block block;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w,
             folder_put(f, "t.csv", "a,y,w,b\n1,0,2,10\n2,1,3,20\n3,0,4,30\n4,1,5,40\n5,1,6,50\n"));
    w.options.label = "y";
    w.options.weight = "w";
    w.options.precision = QN_PRECISION_DOUBLE;
    w.use.keep_label = true;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_features, 2);
    CHECK_OK(f->ctx, qn_matrix_pin(f->ctx, m, 0, 0, &block));
    CHECK_EQ(block.first_row, 0);
    CHECK_EQ(block.n_rows, 4);
    CHECK_NEAR(((const double *)block.x)[1], 2, 0);
    CHECK_NEAR(((const double *)block.x)[16 + 3], 40, 0);
    CHECK_NEAR(((const double *)block.x)[16 + 4], 0, 0); /* padding */
    CHECK_NEAR(block.label[3], 1, 0);
    CHECK_NEAR(block.weight[2], 4, 0);
    qn_matrix_unpin(m, 0, 0);
    CHECK_OK(f->ctx, qn_matrix_pin(f->ctx, m, 1, 0, &block));
    CHECK_EQ(block.first_row, 4);
    CHECK_EQ(block.n_rows, 1);
    CHECK_NEAR(block.weight[0], 6, 0);
    qn_matrix_unpin(m, 1, 0);
    CHECK_EQ(qn_matrix_pin(f->ctx, m, 1, 1, &block), QN_EINTERNAL);
    CHECK_EQ(qn_matrix_pin(f->ctx, m, 2, 0, &block), QN_EINTERNAL);
    CHECK_NEAR(m->weight_sum, 20, 0);
    CHECK_NEAR(m->mean[0], 3, 0); /* unweighted */
    CHECK_EQ(m->n_labels, 2);
    CHECK_NEAR(m->label_value[1], 1, 0);
    CHECK_EQ(m->label_count[1], 3);
    qn_matrix_free(m);
}

static void labels_are_counted_even_where_they_are_not_kept(void **state)
{
    folder *f = *state;
    qn_matrix_block block;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "a,y\n1,3\n2,-1\n3,3\n4,3\n5,\n"));
    w.options.label = "y";
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 5); /* a label that is only counted may be missing */
    CHECK(!m->has_label);
    CHECK_EQ(m->n_labels, 2);
    CHECK_NEAR(m->label_value[0], -1, 0);
    CHECK_EQ(m->label_count[0], 1);
    CHECK_EQ(m->label_count[1], 3);
    CHECK_OK(f->ctx, qn_matrix_pin(f->ctx, m, 0, 0, &block));
    CHECK(block.label == NULL);
    qn_matrix_unpin(m, 0, 0);
    qn_matrix_free(m);
    w.use.keep_label = true;
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "t.csv, line 6");
    CHECK(m == NULL);
}

/* ---- missing values and bad rows ---- */

static void missing_values_fail_with_their_place_are_skipped_or_kept(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    char place[256];
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "a,b\n1,10\n2,20\n\n3,\n4,40\n5,nan\n6,60\n"));
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "t.csv, line 5, column b");
    CHECK_ERROR(f->ctx, "--on-missing skip");
    w.options.on_missing = QN_MISSING_KEEP;
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "cannot use missing values");
    CHECK_ERROR(f->ctx, "--on-missing skip");
    w.use.allow_missing = true;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 6);
    CHECK(isnan(value_at(f->ctx, m, 2, 1)));
    CHECK_NEAR(m->mean[1], 32.5, 0);
    CHECK_NEAR(m->max[1], 60, 0);
    qn_matrix_free(m);
    w.options.on_missing = QN_MISSING_SKIP;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 4);
    CHECK_EQ(m->counts.rows_read, 6);
    CHECK_EQ(m->counts.rows_missing, 2);
    CHECK(strstr(m->counts.first_missing, "t.csv, line 5, column b"));
    CHECK_EQ(m->n_cells, 2); /* rows left out are counted: 3 rows and 1 */
    CHECK_EQ(m->cell[0].n_rows, 3);
    CHECK_EQ(m->cell[1].split_row, 4);
    qn_matrix_place(m, 2, place, sizeof place);
    CHECK(strstr(place, "t.csv, row 3"));
    qn_matrix_place(m, 3, place, sizeof place);
    CHECK(strstr(place, "t.csv, row 5"));
    qn_matrix_free(m);
}

/* The first thousand rows tell what a column is. */
static void bad_rows_fail_with_their_line_or_are_skipped_and_counted(void **state)
{
    folder *f = *state;
    qn_string text = {0};
    qn_matrix *m = NULL;
    wish w;

    qn_string_add(&text, "a,b\n");
    for (int i = 0; i < 1000; i++)
        qn_string_add(&text, "1,10\n");
    qn_string_add(&text, "2,x\n3,30,3\n4,40\n");
    wish_for(&w, folder_put(f, "t.csv", qn_string_text(&text)));
    qn_string_release(&text);
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "t.csv, line 1002: column b: \"x\" is not a number");
    CHECK_ERROR(f->ctx, "--on-bad-row skip");
    w.options.on_bad_row = QN_BAD_ROW_SKIP;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 1001);
    CHECK_EQ(m->counts.rows_bad, 2);
    CHECK_EQ(m->counts.rejects.count[QN_REJECT_TYPE], 1);
    CHECK_EQ(m->counts.rejects.count[QN_REJECT_MALFORMED], 1);
    CHECK(strstr(m->counts.first_reject, "t.csv, line 1002: column b"));
    qn_matrix_free(m);
}

static void no_rows_are_an_error_that_says_why(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "a,b\n1,\n,2\n"));
    w.options.on_missing = QN_MISSING_SKIP;
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "no rows are left: 2 have missing values");
    CHECK(m == NULL);
}

static void a_negative_weight_is_no_weight(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "a,w\n1,1\n2,-2\n"));
    w.options.weight = "w";
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "t.csv, line 3, weight w: -2 is negative");
    w.options.on_missing = QN_MISSING_KEEP; /* of features, not of weights */
    w.use.allow_missing = true;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 1);
    CHECK_EQ(m->counts.rows_missing, 1);
    qn_matrix_free(m);
}

/* ---- samples ---- */

/* n rows "i,i % 3", with a header. */
static const char *put_classes(folder *f, const char *name, int n)
{
    qn_string text = {0};
    const char *path;

    qn_string_add(&text, "a,y\n");
    for (int i = 0; i < n; i++)
        qn_string_addf(&text, "%d,%d\n", i, i % 3);
    path = folder_put(f, name, qn_string_text(&text));
    qn_string_release(&text);
    return path;
}

static void a_stratified_sample_keeps_the_share_of_each_label(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, put_classes(f, "t.csv", 300));
    w.options.sample = QN_SAMPLE_STRATIFIED;
    w.options.fraction = 0.1;
    w.options.features = (qn_text_list){(const char *[]){"a"}, 1};
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "needs labels");
    w.options.label = "y";
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 30);
    CHECK_EQ(m->n_labels, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(m->label_count[i], 10);
    CHECK_EQ(m->counts.rows_sampled_out, 270);
    qn_matrix_free(m);
    w.options.label = "a";
    w.options.features = (qn_text_list){(const char *[]){"y"}, 1};
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "more than 256 labels");
}

static void a_sample_of_rows_is_by_lot_and_by_seed(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    int64_t n_rows, same = 0;
    char place[256], expected[256];
    double first[400];
    wish w;

    wish_for(&w, put_classes(f, "t.csv", 1000));
    w.options.sample = QN_SAMPLE_ROWS;
    w.options.fraction = 0.3;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    n_rows = m->n_rows;
    CHECK(n_rows > 240 && n_rows < 360);
    CHECK_EQ(m->counts.rows_sampled_out, 1000 - n_rows);
    for (int64_t r = 0; r < n_rows; r++) {
        first[r] = value_at(f->ctx, m, r, 0);
        snprintf(expected, sizeof expected, "%s, row %.0f", w.path[0], first[r]);
        qn_matrix_place(m, r, place, sizeof place);
        CHECK_TEXT(place, expected);
    }
    qn_matrix_free(m);
    w.options.sample_seed = 43;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    for (int64_t r = 0; r < n_rows && r < m->n_rows; r++)
        same += value_at(f->ctx, m, r, 0) == first[r];
    CHECK(same < n_rows / 2);
    qn_matrix_free(m);
    w.options.fraction = 1e-9;
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "the sample holds no rows");
    w.options.fraction = 1.5;
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--fraction 1.5");
}

static void a_sample_of_files_is_the_first_by_name(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    put_classes(f, "c.csv", 3);
    put_classes(f, "a.csv", 5);
    put_classes(f, "b.csv", 7);
    folder_put(f, "d.csv", "not looked at\n1,2,3\n");
    wish_for(&w, f->path);
    w.options.fraction = 0.5;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 12);
    CHECK_EQ(m->counts.files, 2);
    CHECK_EQ(m->counts.files_total, 4);
    qn_matrix_free(m);
    w.options.fraction = 0.01;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 5);
    qn_matrix_free(m);
}

static void a_sample_of_pieces_reads_some_splits(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL, *all = NULL;
    wish w;

    wish_for(&w, put_classes(f, "t.csv", 1000));
    w.options.sample = QN_SAMPLE_ROW_GROUPS;
    w.options.split_bytes = 100;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &all));
    w.options.fraction = 0.5;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK(m->counts.splits > all->counts.splits / 4);
    CHECK(m->counts.splits < all->counts.splits * 3 / 4);
    CHECK_EQ(m->counts.rows_read, m->n_rows);
    CHECK(m->n_rows > 250 && m->n_rows < 750);
    qn_matrix_free(m);
    qn_matrix_free(all);
}

/* ---- the same bits ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_means_and_extremes_are_those_of_the_table),
        TEST(blocks_hold_panels_then_labels_then_weights),
        TEST(labels_are_counted_even_where_they_are_not_kept),
        TEST(missing_values_fail_with_their_place_are_skipped_or_kept),
        TEST(bad_rows_fail_with_their_line_or_are_skipped_and_counted),
        TEST(no_rows_are_an_error_that_says_why),
        TEST(a_negative_weight_is_no_weight),
        TEST(a_stratified_sample_keeps_the_share_of_each_label),
        TEST(a_sample_of_rows_is_by_lot_and_by_seed),
        TEST(a_sample_of_files_is_the_first_by_name),
        TEST(a_sample_of_pieces_reads_some_splits),
        TEST(ranks_and_threads_give_the_same_bits),
        TEST(every_failed_allocation_ends_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
