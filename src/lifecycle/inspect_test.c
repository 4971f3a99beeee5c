#include "folder.h"
#include "small_model.h"

#include "lifecycle/inspect.h"

/* User 5 rates four films, users 1 and 3 one each; item 20 has three ratings; (5, 20) twice. */
static const char ratings_csv[] = "userId,movieId,rating,timestamp\n"
                                  "5,20,4.0,86400\n"
                                  "5,10,3.5,172800\n"
                                  "1,20,4.0,0\n"
                                  "5,20,1.0,86401\n"
                                  "5,30,4.0,3\n"
                                  "3,10,0.5,4\n";

static qn_status inspect(qn_context *ctx, const char *path, bool schema_only,
                         qn_inspect_result *result)
{
    qn_inspect_options options = {.schema_only = schema_only};
    qn_ratings_options ratings;

    qn_params_init(&qn_ratings_table, &ratings);
    ratings.input = (qn_text_list){&path, 1};
    return qn_inspect_run(ctx, &options, &ratings, result);
}

static void ratings_are_counted_and_measured(void **state)
{
    folder *f = folder_make(*state);
    qn_inspect_result r;

    CHECK_OK(*state, inspect(*state, folder_put(f, "r.csv", ratings_csv), false, &r));
    CHECK_EQ(r.kind, QN_INSPECT_RATINGS);
    CHECK_EQ(r.format, QN_FORMAT_CSV);
    CHECK_EQ(r.bytes, (int64_t)strlen(ratings_csv));
    CHECK_EQ(r.n_ratings, 6);
    CHECK_EQ(r.n_users, 3);
    CHECK_EQ(r.n_items, 3);
    CHECK_TEXT(r.first_user, "1");
    CHECK_TEXT(r.last_user, "5");
    CHECK_TEXT(r.first_item, "10");
    CHECK_TEXT(r.last_item, "30");
    CHECK_NEAR(r.density, 6.0 / 9, 1e-12);
    CHECK_NEAR(r.mean_rating, 17.0 / 6, 1e-12);
    /* Squares of 7/6 2/3 7/6 -11/6 7/6 -7/3, over 5. */
    CHECK_NEAR(r.std_rating, 1.6329931618554521, 1e-12);
    CHECK_EQ(r.min_time, 0);
    CHECK_EQ(r.max_time, 172800);
    CHECK(r.min_rating == 0.5F && r.max_rating == 4.0F);
    qn_inspect_result_release(&r);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

static void the_histogram_is_by_value(void **state)
{
    static const float value[] = {0.5F, 1, 3.5F, 4};
    static const int64_t count[] = {1, 1, 1, 3};
    folder *f = folder_make(*state);
    qn_inspect_result r;

    CHECK_OK(*state, inspect(*state, folder_put(f, "r.csv", ratings_csv), false, &r));
    CHECK_EQ(r.n_values, 4);
    for (int32_t v = 0; v < 4; v++) {
        CHECK(r.value[v] == value[v]);
        CHECK_EQ(r.value_count[v], count[v]);
    }
    qn_inspect_result_release(&r);
    folder_remove(f);
}

static void skew_tells_how_uneven_the_ratings_lie(void **state)
{
    folder *f = folder_make(*state);
    qn_inspect_result r;

    CHECK_OK(*state, inspect(*state, folder_put(f, "r.csv", ratings_csv), false, &r));
    /* Users 1 1 4: gini = 2 (1 + 2 + 12) / (3 * 6) - 4 / 3; the top 1 % is one user. */
    CHECK_NEAR(r.user_skew.mean, 2, 1e-12);
    CHECK_NEAR(r.user_skew.max, 4, 1e-12);
    CHECK_EQ(r.user_skew.median, 1);
    CHECK_NEAR(r.user_skew.gini, 1.0 / 3, 1e-12);
    CHECK_NEAR(r.user_skew.top_share, 4.0 / 6, 1e-12);
    /* Items 1 2 3. */
    CHECK_EQ(r.item_skew.median, 2);
    CHECK_NEAR(r.item_skew.gini, 2.0 * 14 / 18 - 4.0 / 3, 1e-12);
    CHECK_NEAR(r.item_skew.top_share, 0.5, 1e-12);
    qn_inspect_result_release(&r);
    folder_remove(f);
}

static void duplicates_are_told_and_kept(void **state)
{
    folder *f = folder_make(*state);
    qn_inspect_result r;

    CHECK_OK(*state, inspect(*state, folder_put(f, "r.csv", ratings_csv), false, &r));
    CHECK_EQ(r.duplicates, 1);
    CHECK_EQ(r.n_ratings, 6);
    qn_inspect_result_release(&r);
    folder_remove(f);
}

static void a_damaged_file_is_shown_with_its_bad_rows(void **state)
{
    folder *f = folder_make(*state);
    qn_inspect_result r;

    CHECK_OK(*state, inspect(*state,
                             folder_put(f, "r.csv",
                                        "userId,movieId,rating,timestamp\n"
                                        "1,10,4.0,100\n1,20,3.0,84 x\n2,10,good,3\n3,10,2,4\n"),
                             false, &r));
    CHECK_EQ(r.kind, QN_INSPECT_RATINGS);
    CHECK_EQ(r.n_ratings, 2);
    CHECK_EQ(r.counts.rows_bad, 2);
    CHECK(strstr(r.counts.first_reject, "line 3") != NULL);
    qn_inspect_result_release(&r);
    folder_remove(f);
}

static void the_schema_alone_reads_no_rows(void **state)
{
    folder *f = folder_make(*state);
    qn_inspect_result r;

    CHECK_OK(*state, inspect(*state, folder_put(f, "r.csv", ratings_csv), true, &r));
    CHECK_EQ(r.kind, QN_INSPECT_TABLE);
    CHECK_EQ(r.n_columns, 4);
    CHECK(r.has_names);
    CHECK_TEXT(r.column[2].name, "rating");
    CHECK_TEXT(r.column[2].example, "4.0");
    CHECK_EQ(r.n_ratings, 0);
    qn_inspect_result_release(&r);
    folder_remove(f);
}

static void another_table_is_shown_by_its_columns(void **state)
{
    folder *f = folder_make(*state);
    qn_inspect_result r;

    CHECK_OK(*state, inspect(*state, folder_put(f, "m.csv", "code,title\n7,\"Up, up\"\n8,Down\n"),
                             false, &r));
    CHECK_EQ(r.kind, QN_INSPECT_TABLE);
    CHECK_EQ(r.n_columns, 2);
    CHECK_TEXT(r.column[1].name, "title");
    CHECK_TEXT(r.column[1].example, "Up, up");
    qn_inspect_result_release(&r);
    CHECK_EQ(inspect(*state, folder_file(f, "none.csv"), false, &r), QN_ENOTFOUND);
    CHECK_ERROR(*state, "none.csv");
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

static void a_model_is_known_by_its_folder(void **state)
{
    folder *f = folder_make(*state);
    qn_als_model *model = NULL;
    char digest[33];
    qn_inspect_result r;

    if (!small_model_save(*state, folder_file(f, "model"), false)) {
        folder_remove(f);
        skip();
    }
    CHECK_OK(*state, inspect(*state, folder_file(f, "model"), false, &r));
    CHECK_EQ(r.kind, QN_INSPECT_MODEL);
    CHECK_EQ(r.model->users.n, 2);
    CHECK_EQ(r.model->items.n, 3);
    CHECK_TEXT(r.last_user, "2");
    CHECK_TEXT(r.first_item, "10");
    CHECK_EQ(r.model->params.rank, 2);
    CHECK_NEAR(r.user_norm, 1, 1e-12);
    /* Roots of 17, 13 and 29. */
    CHECK_NEAR(r.item_norm, (4.123105625617661 + 3.605551275463989 + 5.385164807134504) / 3, 1e-12);
    CHECK_OK(*state, small_model_make(*state, false, &model));
    qn_als_digest(model, digest);
    CHECK_TEXT(r.digest, digest);
    qn_als_free(model);
    qn_inspect_result_release(&r);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

/* x 1 2 3 and two gaps, y of text and numbers (first read as numbers), z one number. */
static const char table_csv[] = "x,y,z,name\n1,4,7,ann\n3,4,7,bob\n,ten,7,cid\n2,8,7,dan\n"
                                "inf,6,7\ninf,6,7,eve\n";

static qn_status inspect_table(qn_context *ctx, const char *path, const char *label,
                               size_t split_bytes, qn_inspect_result *result)
{
    const qn_inspect_options options = {.label = label};
    qn_ratings_options ratings;

    qn_params_init(&qn_ratings_table, &ratings);
    ratings.input = (qn_text_list){&path, 1};
    ratings.split_bytes = split_bytes;
    return qn_inspect_run(ctx, &options, &ratings, result);
}

static void columns_of_numbers_are_measured(void **state)
{
    folder *f = folder_make(*state);
    const char *path = folder_put(f, "t.csv", table_csv);
    qn_inspect_result r;

    CHECK_OK(*state, inspect_table(*state, path, NULL, 0, &r));
    CHECK_EQ(r.kind, QN_INSPECT_TABLE);
    CHECK(r.has_statistics);
    CHECK_EQ(r.n_rows, 5);
    CHECK_EQ(r.counts.rows_bad, 1);
    CHECK(strstr(r.counts.first_reject, "t.csv, line ") != NULL);
    CHECK_EQ(r.column[0].n, 3);
    CHECK_EQ(r.column[0].missing, 2);
    CHECK_NEAR(r.column[0].min, 1, 0);
    CHECK_NEAR(r.column[0].max, 3, 0);
    CHECK_NEAR(r.column[0].mean, 2, 1e-15);
    CHECK_NEAR(r.column[0].deviation, 1, 1e-15);
    CHECK_NEAR(r.column[2].deviation, 0, 0);
    CHECK(!r.column[3].is_number);
    qn_inspect_result_release(&r);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

static void labels_are_counted_by_value(void **state)
{
    folder *f = folder_make(*state);
    const char *path = folder_put(f, "t.csv", "a,b\n1,2\n1,0\n1,2\n1,-3.5\n1,2\n");
    qn_inspect_result r;

    CHECK_OK(*state, inspect_table(*state, path, "b", 0, &r));
    CHECK_TEXT(r.label, "b");
    CHECK_EQ(r.n_labels, 3);
    CHECK_NEAR(r.label_value[0], -3.5, 0);
    CHECK_NEAR(r.label_value[2], 2, 0);
    CHECK_EQ(r.label_count[2], 3);
    qn_inspect_result_release(&r);
    CHECK_EQ(inspect_table(*state, path, "bb", 0, &r), QN_ENOTFOUND);
    CHECK_ERROR(*state, "b");
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

/* Splits join in their order: the figures depend on them alone, and little on how many there are.
 */
static void figures_do_not_depend_on_threads(void **state)
{
    folder *f = folder_make(*state);
    qn_string text = {0};
    qn_context *one = NULL;
    qn_inspect_result a, b, whole;
    const char *path;

    qn_string_add(&text, "x,y\n");
    for (int32_t i = 0; i < 5000; i++)
        qn_string_addf(&text, "%d.%d,%d\n", i % 97, i % 7, i);
    path = folder_put(f, "t.csv", qn_string_text(&text));
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &one), QN_OK);
    CHECK_OK(*state, inspect_table(*state, path, NULL, 1000, &a));
    CHECK_OK(one, inspect_table(one, path, NULL, 1000, &b));
    CHECK_OK(*state, inspect_table(*state, path, NULL, 0, &whole));
    CHECK(a.n_splits > 20);
    for (int32_t c = 0; c < 2; c++) {
        CHECK_EQ(a.column[c].n, 5000);
        CHECK_NEAR(a.column[c].mean, b.column[c].mean, 0);
        CHECK_NEAR(a.column[c].deviation, b.column[c].deviation, 0);
        CHECK_NEAR(a.column[c].mean, whole.column[c].mean, 1e-9);
        CHECK_NEAR(a.column[c].deviation, whole.column[c].deviation, 1e-9);
    }
    /* 0 .. 4999 */
    CHECK_NEAR(a.column[1].mean, 2499.5, 1e-9);
    CHECK_NEAR(a.column[1].deviation, 1443.5200033252061, 1e-8);
    qn_inspect_result_release(&a);
    qn_inspect_result_release(&whole);
    qn_inspect_result_release(&b);
    qn_context_free(one);
    qn_string_release(&text);
    folder_remove(f);
}

static void every_failed_allocation_of_a_table_leaves_nothing(void **state)
{
    folder *f = folder_make(*state);
    const char *path = folder_put(f, "t.csv", table_csv);
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_inspect_result r;

        qn_alloc_fail_after(*state, allowed);
        st = inspect_table(*state, path, "x", 0, &r);
        qn_alloc_fail_after(*state, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        if (st == QN_OK)
            qn_inspect_result_release(&r);
        CHECK_EQ(qn_alloc_live(*state), 0);
        CHECK(allowed < 1000);
    }
    folder_remove(f);
}

static void every_failed_allocation_leaves_nothing(void **state)
{
    folder *f = folder_make(*state);
    const char *path = folder_put(f, "r.csv", ratings_csv);
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_inspect_result r;

        qn_alloc_fail_after(*state, allowed);
        st = inspect(*state, path, false, &r);
        qn_alloc_fail_after(*state, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        if (st == QN_OK)
            qn_inspect_result_release(&r);
        CHECK_EQ(qn_alloc_live(*state), 0);
        CHECK(allowed < 1000);
    }
    folder_remove(f);
}

static int set_up(void **state)
{
    qn_context *ctx = NULL;
    const qn_status st = qn_context_create(&(qn_context_options){.threads = 2}, &ctx);

    *state = ctx;
    return st == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratings_are_counted_and_measured),
        cmocka_unit_test(the_histogram_is_by_value),
        cmocka_unit_test(skew_tells_how_uneven_the_ratings_lie),
        cmocka_unit_test(duplicates_are_told_and_kept),
        cmocka_unit_test(a_damaged_file_is_shown_with_its_bad_rows),
        cmocka_unit_test(the_schema_alone_reads_no_rows),
        cmocka_unit_test(another_table_is_shown_by_its_columns),
        cmocka_unit_test(a_model_is_known_by_its_folder),
        cmocka_unit_test(columns_of_numbers_are_measured),
        cmocka_unit_test(labels_are_counted_by_value),
        cmocka_unit_test(figures_do_not_depend_on_threads),
        cmocka_unit_test(every_failed_allocation_of_a_table_leaves_nothing),
        cmocka_unit_test(every_failed_allocation_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
