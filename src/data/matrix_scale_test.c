/* --scale: deviations known by eye, the same bits however the rows are read, raw columns again when
 * a model is applied. */
#include "table.h"

#include <jansson.h>

/* a: mean 3, squares 4 + 1 + 0 + 1 + 4 over n - 1 = 4: deviation sqrt(2.5). c does not vary. */
static const char five[] = "a,b,c\n1,10,7\n2,-20,7\n3,30,7\n4,40,7\n5,50,7\n";

static void a_feature_is_divided_by_its_sample_deviation(void **state)
{
    const double deviation = sqrt(2.5);
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", five));
    w.options.precision = QN_PRECISION_DOUBLE;
    w.options.scale = LIST("a=std, c=std");
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_NEAR(m->features.feature[0].scale[0], 1 / deviation, 1e-15);
    CHECK(m->features.feature[1].scale == NULL);
    CHECK(m->features.feature[2].scale[0] == 0);
    for (int64_t r = 0; r < 5; r++) {
        CHECK_NEAR(value_at(f->ctx, m, r, 0), (double)(r + 1) / deviation, 1e-15);
        CHECK(value_at(f->ctx, m, r, 2) == 0);
    }
    CHECK(value_at(f->ctx, m, 1, 1) == -20);
    CHECK_NEAR(m->mean[0], 3 / deviation, 1e-15);
    CHECK_NEAR(m->min[0], 1 / deviation, 1e-15);
    CHECK_NEAR(m->max[0], 5 / deviation, 1e-15);
    qn_matrix_free(m);
}

static void rows_read_with_the_factors_are_the_rows_that_were_scaled(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL, *again = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", five));
    w.options.feature = LIST("d=a/3");
    w.options.scale = LIST("d=std", "b=std");
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    w.options.feature = w.options.scale = (qn_text_list){0};
    w.use.features = &m->features;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &again));
    CHECK_EQ(m->n_features, again->n_features);
    CHECK(m->fingerprint == again->fingerprint);
    CHECK(m->max[1] == again->max[1]);
    qn_matrix_free(m);
    qn_matrix_free(again);
}

static void lists_are_scaled_value_by_value(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.libsvm", "0 1:1 2:4\n1 1:3\n"));
    w.options.precision = QN_PRECISION_DOUBLE;
    w.options.scale = LIST("features=std");
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_NEAR(value_at(f->ctx, m, 1, 0), 3 / sqrt(2), 1e-15);
    CHECK_NEAR(value_at(f->ctx, m, 0, 1), 4 / sqrt(8), 1e-15);
    qn_matrix_free(m);
}

static void missing_values_are_left_out_of_the_deviation(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "a,b\n1,1\n,2\n3,3\n"));
    w.options.on_missing = QN_MISSING_KEEP;
    w.use.allow_missing = true;
    w.options.scale = LIST("a=std");
    w.options.precision = QN_PRECISION_DOUBLE;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_NEAR(value_at(f->ctx, m, 2, 0), 3 / sqrt(2), 1e-15);
    CHECK(isnan(value_at(f->ctx, m, 1, 0)));
    qn_matrix_free(m);
}

static void what_cannot_be_scaled_is_refused(void **state)
{
    static const struct {
        const char *scale, *message;
        qn_status status;
    } bad[] = {
        {"a", "--scale a: say NAME=std", QN_EINVAL},
        {"a=minmax", "--scale a=minmax: say NAME=std", QN_EINVAL},
        {"=std", "--scale =std: say NAME=std", QN_EINVAL},
        {"aa=std", "there is no feature \"aa\"", QN_ENOTFOUND},
        {"c=std", "feature c holds categories", QN_EINVAL},
        {"a=std,a=std", "feature a is named twice", QN_EINVAL},
    };
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", five));
    w.options.categorical = LIST("c");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        w.options.scale = (qn_text_list){(const char **)&bad[i].scale, 1};
        CHECK_EQ(read_wish(f->ctx, &w, &m), bad[i].status);
        CHECK_ERROR(f->ctx, bad[i].message);
        CHECK(m == NULL);
    }
}

static void factors_are_kept_with_the_features(void **state)
{
    static const char *const bad[] = {"[1, 2]", "[-1]", "[\"x\"]", "3"};
    const char *form = "{\"has_names\":true,\"categories\":\"index\",\"feature\":[{\"name\":\"a\","
                       "\"kind\":\"column\",\"source\":\"a\",\"scale\":%s}]}";
    folder *f = *state;
    qn_features features = {0}, back = {0};
    qn_matrix *m = NULL;
    json_t *json;
    qn_json j = {0};
    wish w;

    wish_for(&w, folder_put(f, "t.csv", five));
    w.options.scale = LIST("b=std");
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    qn_features_json(&m->features, &j, NULL);
    json = json_loads(qn_string_text(&j.out), 0, NULL);
    CHECK_OK(f->ctx, qn_features_parse(f->ctx, json, &back));
    CHECK(back.feature[0].scale == NULL);
    CHECK(back.feature[1].scale[0] == m->features.feature[1].scale[0]);
    json_decref(json);
    qn_json_release(&j);
    qn_features_release(&back);
    qn_matrix_free(m);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        qn_string text = {0};

        qn_string_addf(&text, form, bad[i]);
        json = json_loads(qn_string_text(&text), 0, NULL);
        CHECK_EQ(qn_features_parse(f->ctx, json, &features), QN_EDATA);
        CHECK_ERROR(f->ctx, "scale");
        json_decref(json);
        qn_string_release(&text);
    }
}

static void scaling_survives_every_failed_allocation(void **state)
{
    folder *f = *state;
    const char *path = folder_put(f, "t.csv", five);
    const int64_t live = qn_alloc_live(f->ctx);
    qn_status st = QN_ENOMEM;
    wish w;

    wish_for(&w, path);
    w.options.scale = LIST("a=std");
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_matrix *m = NULL;

        qn_alloc_fail_after(f->ctx, allowed);
        st = read_wish(f->ctx, &w, &m);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((m != NULL) == (st == QN_OK));
        qn_matrix_free(m);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
    }
}

static void threads_and_cells_of_other_sizes_of_a_split_give_the_same_factors(void **state)
{
    folder *f = *state;
    const char *path = put_classes(f, "t.csv", 1000);
    double factor[3];
    uint64_t fingerprint[3];

    for (int32_t i = 0; i < 3; i++) {
        qn_context *ctx = make_context(i + 1);
        qn_matrix *m = NULL;
        wish w;

        wish_for(&w, path);
        w.options.scale = LIST("a=std");
        w.options.partitions = 1 + 2 * i;
        CHECK_OK(ctx, read_wish(ctx, &w, &m));
        factor[i] = m->features.feature[0].scale[0];
        fingerprint[i] = m->fingerprint;
        qn_matrix_free(m);
        qn_context_free(ctx);
    }
    CHECK(factor[0] == factor[1] && factor[0] == factor[2]);
    CHECK(fingerprint[0] == fingerprint[1] && fingerprint[0] == fingerprint[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_feature_is_divided_by_its_sample_deviation),
        TEST(rows_read_with_the_factors_are_the_rows_that_were_scaled),
        TEST(lists_are_scaled_value_by_value),
        TEST(missing_values_are_left_out_of_the_deviation),
        TEST(what_cannot_be_scaled_is_refused),
        TEST(factors_are_kept_with_the_features),
        TEST(scaling_survives_every_failed_allocation),
        TEST(threads_and_cells_of_other_sizes_of_a_split_give_the_same_factors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
