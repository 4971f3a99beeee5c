/* Matrices whose cells, blocks and sums are known by eye. */
#include "table.h"

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
    wish_for(&w, folder_put(f, "t.csv", "a,b\n"));
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "t.csv holds no rows, only a header");
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

static void a_row_that_does_not_fit_is_an_error_whatever_is_missing(void **state)
{
    static const qn_on_missing given[] = {QN_MISSING_SKIP, QN_MISSING_KEEP};
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.libsvm", "1 1:2 2:nan\n0 1:1 3:4\n"));
    w.options.num_features = 2;
    w.use.allow_missing = true;
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        w.options.on_missing = given[i];
        CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
        CHECK_ERROR(f->ctx, "t.libsvm, line 2, column features: index 3 is beyond the 2 features");
        CHECK_ERROR(f->ctx, "raise --num-features");
        CHECK(m == NULL);
    }
}

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
        TEST(a_row_that_does_not_fit_is_an_error_whatever_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
