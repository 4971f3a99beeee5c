#include <math.h>

#include "data/assemble_testing.h"
#include "kernels/kernels.h"

static void columns_of_numbers_are_features_in_their_order(void **state)
{
    fixture *f = *state;

    CHECK_TEXT(rows_of(f, "t.csv", "b,a,name\n1,2,x\n3,4.5,y\n"), "1 2\n3 4.5\n");
}

static void label_and_weight_come_beside_the_features(void **state)
{
    fixture *f = *state;

    f->options.label = "y";
    f->options.weight = "w";
    f->with_label = true;
    CHECK_TEXT(rows_of(f, "t.csv", "y,a,w\n1,2,0.5\n0,3,\n,4,1\n0,5,-1\n0,6,0\n"),
               "2 label 1 weight 0.5\n"
               "3 label 0 weight NaN !1 weight w: missing\n"
               "4 label NaN weight 1 !1 label y: missing\n"
               "5 label 0 weight NaN !1 weight w: -1 is negative\n"
               "6 label 0 weight 0\n");
    f->with_label = false;
    CHECK_TEXT(rows_of(f, "t.csv", "y,a,w\n1,2,0.5\n"), "2 weight 0.5\n");
}

static void a_weight_that_is_not_there_is_not_read(void **state)
{
    fixture *f = *state;

    f->options.weight = "w";
    found(f, "t.csv", "a,w\n2,0.5\n");
    open_text(f, "new.csv", "a\n7\n");
    CHECK_TEXT(assembled(f), "7\n");
}

static void what_is_missing_or_not_finite_is_nan_and_told(void **state)
{
    fixture *f = *state;

    CHECK_TEXT(rows_of(f, "t.csv", "a,b\n1,2\n,2\n3,inf\nnan,4\n5,-inf\n1e300,6\n"),
               "1 2\n"
               "NaN 2 !1 column a: missing\n"
               "3 NaN !1 column b: Infinity is not finite\n"
               "NaN 4 !1 column a: NaN is not finite\n"
               "5 NaN !1 column b: -Infinity is not finite\n"
               "1e+300 6\n");
}

static void floats_are_rounded_once(void **state)
{
    fixture *f = *state;

    f->is_double = false;
    f->options.feature = LIST("third=a / 3");
    f->options.features = LIST("a");
    CHECK_TEXT(rows_of(f, "t.csv", "a\n0.1\n1\n16777217\n"), "0.1 0.033333335\n"
                                                             "1 0.33333334\n"
                                                             "16777216 5592405.5\n");
}

static void a_result_that_no_float_holds_is_told(void **state)
{
    fixture *f = *state;

    f->is_double = false;
    f->options.feature = LIST("big=a * 1e300");
    CHECK_TEXT(rows_of(f, "t.csv", "a\n1\n"),
               "NaN !1 feature big: x / 0, or another result that is no number a float holds; "
               "coalesce(..., 0) gives one\n");
}

static void expressions_read_raw_columns(void **state)
{
    fixture *f = *state;

    f->options.feature = LIST("ndvi=(nir-red)/(nir+red)", "safe=coalesce((nir-red)/(nir+red), 0)");
    f->options.features = LIST("red");
    CHECK_TEXT(rows_of(f, "t.csv", "red,nir\n1,3\n0,0\n,3\n"),
               "1 0.5 0.5\n"
               "0 NaN 0 !1 feature ndvi: x / 0, or another result that is no number; coalesce(..., "
               "0) gives one\n"
               "NaN NaN 0 !1 column red: missing\n");
    f->options.features = LIST("nir");
    CHECK_TEXT(rows_of(f, "t.csv", "red,nir\n,3\n"),
               "3 NaN 0 !1 feature ndvi: column red is missing or not finite\n");
}

static void an_expression_may_read_label_and_weight(void **state)
{
    fixture *f = *state;

    f->options.feature = LIST("twice=y * 2", "more=w + 1");
    f->options.features = LIST("a");
    f->options.label = "y";
    f->options.weight = "w";
    f->with_label = true;
    CHECK_TEXT(rows_of(f, "t.csv", "a,y,w\n1,2,3\n4,5,-6\n"),
               "1 4 4 label 2 weight 3\n"
               "4 10 -5 label 5 weight NaN !1 weight w: -6 is negative\n");
}

static void an_expression_may_read_nothing(void **state)
{
    fixture *f = *state;

    f->options.features = LIST("c");
    f->options.feature = LIST("c=1+2");
    CHECK_TEXT(rows_of(f, "t.csv", "a,b\n1,2\n4,5\n"), "3\n3\n");
}

static void columns_without_names_go_by_number(void **state)
{
    fixture *f = *state;

    f->options.label = "0";
    f->options.feature = LIST("sum=\"1\" + `2`");
    f->with_label = true;
    CHECK_TEXT(rows_of(f, "t.csv", "1,2,3,4\n5,6,7,8\n"), "4 5 label 1\n8 13 label 5\n");
    CHECK(!f->features.has_names);
}

static void times_are_seconds_where_they_are_asked_for(void **state)
{
    fixture *f = *state;

    f->options.features = LIST("t");
    f->options.feature = LIST("day=t / 86400");
    CHECK_TEXT(rows_of(f, "t.csv", "a,t\n1,1970-01-02\n2,\n"), "86400 1\n"
                                                               "NaN NaN !1 column t: missing\n");
}

static void lists_are_as_many_features_as_they_are_long(void **state)
{
    fixture *f = *state;

    skip_without_module(f);
    f->format = QN_FORMAT_JSON;
    CHECK_TEXT(
        rows_of(f, "t.json",
                "{\"a\":9,\"xyz\":[1,2,3]}\n{\"a\":8,\"xyz\":[4,5]}\n{\"a\":7,\"xyz\":null}\n"
                "{\"a\":6,\"xyz\":[7,8,9.5]}\n"),
        "9 1 2 3\n"
        "8 NaN NaN NaN !2 column xyz: a list of 2 values where 3 are expected\n"
        "7 NaN NaN NaN !1 column xyz: missing\n"
        "6 7 8 9.5\n");
    CHECK_TEXT(features_text(f), "a xyz*3");
}

static void elements_of_lists_are_numbers(void **state)
{
    fixture *f = *state;

    skip_without_module(f);
    f->format = QN_FORMAT_JSON;
    f->options.features = LIST("xyz[2],a");
    f->options.feature = LIST("norm=sqrt(xyz[0]*xyz[0] + xyz[1]*xyz[1])");
    CHECK_TEXT(rows_of(f, "t.json", "{\"a\":9,\"xyz\":[3,4,7]}\n{\"a\":8,\"xyz\":[3,4]}\n"),
               "7 9 5\n"
               "NaN 8 5 !1 feature xyz[2]: column xyz[2] is missing or not finite\n");
}

/* Longer than a tile, and than the first batch's buffers. */
static void many_lists_are_turned(void **state)
{
    fixture *f = *state;
    qn_string text = {0}, expected = {0};

    skip_without_module(f);
    f->format = QN_FORMAT_JSON;
    f->is_double = false;
    for (int32_t r = 0; r < 150; r++) {
        qn_string_addf(&text, "{\"v\":[%d,%d]}\n", r, 2 * r);
        qn_string_addf(&expected, "%d %d\n", r, 2 * r);
    }
    CHECK_TEXT(rows_of(f, "t.json", text.text), expected.text);
    qn_string_release(&text);
    qn_string_release(&expected);
}

static void rows_of_libsvm_are_one_list(void **state)
{
    fixture *f = *state;

    f->with_label = true;
    CHECK_TEXT(rows_of(f, "t.libsvm", "1 1:2 3:4\n0 2:5\n-1\n1 4:0.5 # four\n"),
               "2 0 4 0 label 1\n"
               "0 5 0 0 label 0\n"
               "0 0 0 0 label -1\n"
               "0 0 0 0.5 label 1\n");
    CHECK_TEXT(features_text(f), "features*4 | label label");
    f->with_label = false;
    f->is_double = false;
    open_text(f, "new.libsvm", "1 5:1\n0 1:1 2:inf\n1 4:3\n");
    CHECK_TEXT(
        assembled(f),
        "NaN NaN NaN NaN !2 column features: index 5 is beyond the 4 features that are known\n"
        "1 NaN 0 0 !1 column features[1]: Infinity is not finite\n"
        "0 0 0 3\n");
}

static void elements_of_libsvm_that_are_not_there_are_zero(void **state)
{
    fixture *f = *state;

    f->options.features = LIST("features[1]", "features[2]");
    CHECK_TEXT(rows_of(f, "t.libsvm", "1 1:2 3:4\n0 2:5\n"), "0 4\n5 0\n");
}

static void a_model_of_lists_takes_libsvm_and_the_other_way_round(void **state)
{
    fixture *f = *state;

    skip_without_module(f);
    found(f, "t.libsvm", "1 1:2 3:4\n");
    f->format = QN_FORMAT_JSON;
    open_text(f, "t.json", "{\"features\":[1,2,3]}\n");
    CHECK_TEXT(assembled(f), "1 2 3\n");
}

static void categories_are_ones_and_zeros(void **state)
{
    fixture *f = *state;

    f->options.categorical = LIST("colour");
    CHECK_TEXT(rows_of(f, "t.csv", "a,colour,b\n1,red,2\n3,blue,4\n5,,6\n"),
               "1 0 1 2\n"
               "3 1 0 4\n"
               "5 NaN NaN 6 !1 column colour: missing\n");
    open_text(f, "new.csv", "a,colour,b\n1,mauve,2\n1,blue,2\n");
    CHECK_TEXT(
        assembled(f),
        "1 NaN NaN 2 !1 column colour: \"mauve\" is none of the 2 categories that are known\n"
        "1 1 0 2\n");
}

static void categories_may_be_one_index(void **state)
{
    fixture *f = *state;

    f->categories = QN_CATEGORIES_INDEX;
    f->is_double = false;
    f->options.categorical = LIST("code");
    CHECK_TEXT(rows_of(f, "t.csv", "code,a\n10,0.5\n9,0.5\n10.0,1\n-1,1\n"),
               "2 0.5\n1 0.5\n2 1\n0 1\n");
    open_text(f, "new.csv", "code,a\n 9,1\n9.5,1\n");
    CHECK_TEXT(assembled(f),
               "1 1\n"
               "NaN 1 !1 column code: \"9.5\" is none of the 3 categories that are known\n");
}

static void text_in_a_column_of_numbers_keeps_its_row_if_asked(void **state)
{
    fixture *f = *state;

    found(f, "t.csv", "a,b\n1,2\n");
    open_text(f, "new.csv", "a,b\n1,2\nx,3\n4,5\n");
    CHECK_TEXT(assembled(f), "1 2\n4 5\n");
    f->lenient = true;
    CHECK_TEXT(assembled(f), "1 2\nNaN 3 !1 column a: missing, or no number\n4 5\n");
}

static void other_orders_of_columns_give_the_same_features(void **state)
{
    fixture *f = *state;

    f->options.feature = LIST("d=b-a");
    f->options.features = LIST("a,b");
    found(f, "t.csv", "a,b\n1,2\n");
    open_text(f, "new.csv", "z,b,y,a\n0,2,0,1\n");
    CHECK_TEXT(assembled(f), "1 2 1\n");
}

static void a_source_without_the_columns_is_refused(void **state)
{
    fixture *f = *state;

    f->options.feature = LIST("d=b-a");
    f->options.features = LIST("a,width,b");
    f->options.label = "y";
    found(f, "t.csv", "a,b,width,y\n1,2,3,4\n");
    open_text(f, "new.csv", "a,widht,b\n1,2,3\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "new.csv lacks column width, which the features need; did it mean widht; "
                        "it has: a, widht, b");
    open_text(f, "new.csv", "p,q\n1,2\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "lacks columns a, width, b, b, a, which the features need; it has: p, q");
    f->with_label = true;
    open_text(f, "new.csv", "a,width,b\n1,2,3\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "lacks column y, which the features need");
    open_text(f, "new.csv", "1,2,3,4\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "has no header, only 4 columns known by number; the features are made of "
                        "columns by name: a, width, b, b-a. Give it a header, or say --header yes");
    open_text(f, "new.libsvm", "1 1:2\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "which the features need; it has: label, features");
}

static void files_without_names_stay_among_themselves(void **state)
{
    fixture *f = *state;

    found(f, "t.csv", "1,2,3\n");
    open_text(f, "new.csv", "a,b,c\n1,2,3\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx,
                "new.csv has a header; the features are made of columns by number, of files "
                "without header: 0, 1, 2. Take its header off, or say --header no");
    open_text(f, "new.csv", "1,2\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "new.csv has 2 columns, 0 to 1, and lacks 2, which the features need");
    f->with_label = true;
    open_text(f, "new.csv", "1,2,3\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "no column is known as the label: name it by --label");
}

static void a_column_of_another_shape_is_refused(void **state)
{
    fixture *f = *state;

    skip_without_module(f);
    found(f, "t.csv", "a\n1\n");
    f->format = QN_FORMAT_JSON;
    open_text(f, "t.json", "{\"a\":[1,2,3]}\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "column a holds lists, and the features take one number of it");
    CHECK_OK(f->ctx, find(f));
    f->format = QN_FORMAT_AUTO;
    open_text(f, "t.csv", "a\n1\n");
    CHECK_EQ(assemble(f), QN_EINVAL);
    CHECK_ERROR(f->ctx, "column a holds no lists, and the features take lists of it");
}

/* No copy is made of a column that is there as it is wanted. */
static void whole_columns_are_handed_on(void **state)
{
    fixture *f = *state;
    qn_assembler *a = NULL;
    qn_assembled rows;
    const float whole[] = {1, 2, 3}, broken[] = {1, NAN, 3};
    qn_column column[] = {{QN_FLOAT, whole, NULL, NULL}, {QN_FLOAT, broken, NULL, NULL}};
    const qn_batch batch = {3, 2, column, 0};

    found(f, "t.csv", "a,b\n1,2\n");
    CHECK_OK(f->ctx, qn_assembler_open(f->ctx, &f->features, f->source, false, false, &a));
    CHECK_OK(f->ctx, qn_assemble(f->ctx, a, &batch, &rows));
    CHECK(rows.column[0] == whole);
    CHECK(rows.column[1] != broken);
    CHECK_EQ(rows.n_rows, 3);
    CHECK_EQ(rows.n_incomplete, 1);
    CHECK_EQ(rows.n_misfits, 0);
    CHECK(rows.label == NULL && rows.weight == NULL);
    qn_assembler_free(a);
    qn_assembler_free(NULL);
}

static void assembling_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;

    f->options.feature = LIST("d=b-a", "e=c+1");
    f->options.features = LIST("a,b,colour");
    f->options.categorical = LIST("colour");
    f->options.label = "y";
    f->with_label = true;
    found(f, "t.csv", "a,b,c,colour,y\n1,2,3,red,4\n,1,1,blue,\n");
    const int64_t live = qn_alloc_live(f->ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = assemble(f);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
    }
}

#define D 3

/* Row r of feature j holds 100 r + j; panels say where it went. */
static void check_panels(const uint8_t *keep, int64_t n, bool is_double)
{
    double wide[D][64];
    float narrow[D][64];
    const void *column[D];
    double panels[D * QN_PANEL * 8];
    qn_assembled rows = {.n_rows = n, .column = column};
    int64_t written = 0, r = 0;

    for (int32_t j = 0; j < D; j++) {
        for (int64_t i = 0; i < n; i++) {
            wide[j][i] = (double)(100 * i + j);
            narrow[j][i] = (float)wide[j][i];
        }
        column[j] = is_double ? (const void *)wide[j] : narrow[j];
    }
    memset(panels, 0x5a, sizeof panels);
    /* In three calls, the second of which begins inside a panel. */
    for (int64_t part = 0; part < 3; part++)
        written += qn_panels_fill(&rows, D, is_double, keep, part * n / 3, (part + 1) * n / 3,
                                  panels, written);
    const int64_t places = (written + QN_PANEL - 1) / QN_PANEL * QN_PANEL;
    for (int64_t i = 0; i < places; i++) {
        while (i < written && keep && !keep[r])
            r++;
        for (int32_t j = 0; j < D; j++) {
            const int64_t at = ((i / QN_PANEL) * D + j) * QN_PANEL + i % QN_PANEL;
            const double value = is_double ? panels[at] : (double)((float *)panels)[at];

            CHECK_NEAR(value, i < written ? (double)(100 * r + j) : 0.0, 0.0);
        }
        r++;
    }
    CHECK_EQ(((unsigned char *)panels)[(size_t)(places * D) * (is_double ? 8 : 4)], 0x5a);
}

static void rows_lie_side_by_side_in_panels(void **state)
{
    static const int64_t length[] = {0, 1, 2, 15, 16, 17, 47, 48, 64};
    uint8_t keep[64];

    (void)state;
    for (size_t l = 0; l < sizeof length / sizeof *length; l++) {
        for (int32_t is_double = 0; is_double < 2; is_double++) {
            check_panels(NULL, length[l], is_double);
            memset(keep, 1, sizeof keep);
            check_panels(keep, length[l], is_double);
            for (int64_t i = 0; i < 64; i++)
                keep[i] = i % 5 != 2 && i != 0;
            check_panels(keep, length[l], is_double);
            memset(keep, 0, sizeof keep);
            check_panels(keep, length[l], is_double);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(columns_of_numbers_are_features_in_their_order),
        TEST(label_and_weight_come_beside_the_features),
        TEST(a_weight_that_is_not_there_is_not_read),
        TEST(what_is_missing_or_not_finite_is_nan_and_told),
        TEST(floats_are_rounded_once),
        TEST(a_result_that_no_float_holds_is_told),
        TEST(expressions_read_raw_columns),
        TEST(an_expression_may_read_label_and_weight),
        TEST(an_expression_may_read_nothing),
        TEST(columns_without_names_go_by_number),
        TEST(times_are_seconds_where_they_are_asked_for),
        TEST(lists_are_as_many_features_as_they_are_long),
        TEST(elements_of_lists_are_numbers),
        TEST(many_lists_are_turned),
        TEST(rows_of_libsvm_are_one_list),
        TEST(elements_of_libsvm_that_are_not_there_are_zero),
        TEST(a_model_of_lists_takes_libsvm_and_the_other_way_round),
        TEST(categories_are_ones_and_zeros),
        TEST(categories_may_be_one_index),
        TEST(text_in_a_column_of_numbers_keeps_its_row_if_asked),
        TEST(other_orders_of_columns_give_the_same_features),
        TEST(a_source_without_the_columns_is_refused),
        TEST(files_without_names_stay_among_themselves),
        TEST(a_column_of_another_shape_is_refused),
        TEST(whole_columns_are_handed_on),
        TEST(assembling_survives_every_failed_allocation),
        TEST(rows_lie_side_by_side_in_panels),
    };

    return cmocka_run_group_tests_name("data/assemble", tests, NULL, NULL);
}
