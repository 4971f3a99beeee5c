/* Judging what a model says of a table: here the table itself says what the model would. */
#include "table.h"

#include "ml/table_metrics.h"

/* Feature 0 is the prediction, those behind it are the probabilities. */
static void say(const void *model, int64_t n_rows, const double *x, double *prediction,
                double *probability)
{
    const int32_t k = *(const int32_t *)model;
    const int64_t d = k + 1;

    for (int64_t r = 0; r < n_rows; r++) {
        const double *row = x + r / 16 * 16 * d + r % 16;

        prediction[r] = row[0];
        for (int32_t c = 0; c < k; c++)
            probability[r * k + c] = row[16 * (c + 1)];
    }
}

/* A table of y (label), w (weight) and what `say` wants. */
static qn_status read_table(qn_context *ctx, const char *path, bool has_weight, int32_t precision,
                            int32_t partitions, qn_matrix **m)
{
    wish w;

    wish_for(&w, path);
    w.options.label = "y";
    w.options.weight = has_weight ? "w" : NULL;
    w.options.precision = precision;
    w.options.partitions = partitions;
    w.options.split_bytes = 2000;
    w.use.keep_label = true;
    return read_wish(ctx, &w, m);
}

static qn_status judge_file(qn_context *ctx, const char *path, bool has_weight, int32_t k,
                            qn_judgement *out)
{
    const qn_table_judge judge = {.n_classes = k, .predict = say, .model = &k};
    qn_matrix *m = NULL;
    qn_status st = read_table(ctx, path, has_weight, QN_PRECISION_DOUBLE, 0, &m);

    *out = (qn_judgement){0};
    if (st == QN_OK)
        st = qn_table_judge_run(ctx, &judge, m, out);
    qn_matrix_free(m);
    return st;
}

static void nine_rows_give_the_metrics_of_spark(void **state)
{
    folder *f = *state;
    const char *path = folder_put(f, "t.csv",
                                  "y,p,p0,p1,p2\n0,0,.7,.2,.1\n1,0,.5,.3,.2\n0,0,.8,.1,.1\n"
                                  "0,1,.4,.5,.1\n1,1,.1,.9,0\n1,1,.2,.8,0\n1,1,.2,.7,.1\n"
                                  "2,2,0,.1,.9\n0,2,.3,.1,.6\n");
    qn_judgement j;

    CHECK_OK(f->ctx, judge_file(f->ctx, path, false, 3, &j));
    CHECK_EQ(j.classes.n, 9);
    CHECK_NEAR(j.classes.accuracy, 6.0 / 9, 0);
    CHECK_NEAR(j.classes.weighted_f1, 0.66137566137566137, 1e-15);
    CHECK_NEAR(j.classes.weighted_precision, 0.68518518518518519, 1e-15);
    CHECK_NEAR(
        j.classes.log_loss,
        -(log(.7) + log(.3) + log(.8) + log(.4) + log(.9) + log(.8) + log(.7) + log(.9) + log(.3)) /
            9,
        1e-15);
    CHECK_EQ(j.n_curves, 3);
    /* Class 2: .9 against .1 .2 .1 .1 0 0 .1 .6: above all. Class 0: of 4 x 5 pairs one is lost
     * twice (.4 and .3 below .5). */
    CHECK(j.curve[2].area_under_roc == 1 && j.curve[2].positives == 1);
    CHECK_NEAR(j.curve[0].area_under_roc, 18.0 / 20, 1e-15);
    CHECK_EQ(j.n_unseen, 0);
    CHECK(isnan(j.smallest_unseen));
    qn_judgement_release(&j);
}

static void two_classes_have_one_curve(void **state)
{
    folder *f = *state;
    const char *path = folder_put(f, "t.csv",
                                  "y,p,p0,p1\n0,0,.9,.1\n1,0,.9,.1\n0,0,.6,.4\n0,1,.4,.6\n"
                                  "1,1,.4,.6\n1,1,.4,.6\n1,1,.2,.8\n");
    qn_judgement j;
    qn_json text = {0};

    CHECK_OK(f->ctx, judge_file(f->ctx, path, false, 2, &j));
    CHECK_EQ(j.n_curves, 1);
    CHECK_NEAR(j.curve[0].area_under_roc, 0.70833333333333333, 1e-15);
    CHECK_NEAR(j.curve[0].area_under_pr, 0.83392857142857142, 1e-15);
    CHECK(j.curve[0].roc_error == 0 && j.curve[0].n == 4);
    qn_json_open(&text, NULL, '{');
    qn_judgement_tell(f->ctx, &j, &text);
    qn_json_close(&text, '}');
    CHECK(strstr(text.out.text, "\"rows\":7,\"accuracy\":0.7142857142857143,\"f1\":") != NULL);
    CHECK(strstr(text.out.text, "\"class_label\":[0,1],\"class_rows\":[3,4],") != NULL);
    CHECK(strstr(text.out.text, "\"confusion_matrix\":[[2,1],[1,3]],\"roc\":{\"threshold\":[0.8,"
                                "0.6,0.4,0.1],\"false_positive_rate\":[0.0,") != NULL);
    qn_json_release(&text);
    qn_judgement_release(&j);
}

/* Classes 0, 2 and 3 are nowhere; of 1 and 4 alone is told. */
static void gaps_between_labels_are_not_told(void **state)
{
    folder *f = *state;
    const char *path = folder_put(f, "t.csv",
                                  "y,p,p0,p1,p2,p3,p4\n1,1,0,1,0,0,0\n"
                                  "4,1,0,1,0,0,0\n4,4,0,0,0,0,1\n");
    qn_judgement j;
    qn_json text = {0};

    CHECK_OK(f->ctx, judge_file(f->ctx, path, false, 5, &j));
    CHECK_EQ(j.classes.n_present, 2);
    qn_json_open(&text, NULL, '{');
    qn_judgement_tell(f->ctx, &j, &text);
    qn_json_close(&text, '}');
    CHECK(strstr(text.out.text, "\"class_label\":[1,4],\"class_rows\":[1,2]") != NULL);
    CHECK(strstr(text.out.text, "\"class_area_under_roc\":[0.75,0.75]") != NULL);
    CHECK(strstr(text.out.text, "\"confusion_matrix\":[[1,0],[1,1]]}") != NULL);
    CHECK(strstr(text.out.text, "\"macro_area_under_roc\":0.75") != NULL);
    CHECK_EQ(j.n_curves, 2);
    CHECK(j.curve_class[0] == 1 && j.curve_class[1] == 4);
    qn_json_release(&text);
    qn_judgement_release(&j);
}

static void warn(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_WARNING)
        snprintf(user, 256, "%s", event->text);
}

static void labels_never_seen_are_errors_of_their_own(void **state)
{
    folder *f = *state;
    const char *path = folder_put(
        f, "t.csv", "y,p,p0,p1\n0,0,1,0\n1,1,0,1\n7,1,0,1\n5,0,1,0\n1,1,0,1\n1e300,1,.5,.5\n");
    char warning[256] = "";
    qn_judgement j;
    qn_json text = {0};

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, warn, warning));
    CHECK_OK(f->ctx, judge_file(f->ctx, path, false, 2, &j));
    CHECK_EQ(j.n_unseen, 3);
    CHECK(j.smallest_unseen == 5 && j.classes.accuracy == 0.5);
    CHECK_EQ(j.classes.n_classes, 3);
    CHECK(j.classes.recall[2] == 0 && j.classes.label[2] == 3 && j.classes.predicted[2] == 0);
    CHECK_NEAR(j.classes.log_loss, -3 * log(1e-15) / 6, 1e-14);
    CHECK(j.curve[0].area_under_roc == 1 && j.curve[0].positives == 2);
    qn_json_open(&text, NULL, '{');
    qn_judgement_tell(f->ctx, &j, &text);
    qn_json_close(&text, '}');
    CHECK(strstr(text.out.text, "\"unseen_label_rows\":3,\"class_label\":[0,1,null]") != NULL);
    CHECK(strstr(text.out.text, "\"confusion_matrix\":[[1,0,0],[0,2,0],[1,2,0]]") != NULL);
    CHECK(strstr(warning, "3 rows have labels that the model has never seen, the smallest is 5"));
    qn_json_release(&text);
    qn_judgement_release(&j);
}

static void a_label_that_is_no_class_is_named(void **state)
{
    folder *f = *state;
    qn_judgement j;

    CHECK_EQ(
        judge_file(f->ctx, folder_put(f, "a.csv", "y,p,p0,p1\n0,0,1,0\n-1,0,1,0\n"), false, 2, &j),
        QN_EDATA);
    CHECK_ERROR(f->ctx, "a.csv, row 1: the label -1 is no class: classes are whole numbers from 0");
    CHECK_EQ(judge_file(f->ctx, folder_put(f, "b.csv", "y,p,p0,p1\n0.5,0,1,0\n"), false, 2, &j),
             QN_EDATA);
    CHECK_ERROR(f->ctx, "b.csv, row 0: the label 0.5");
    CHECK(j.curve == NULL && j.classes.rows == NULL);
}

static void a_table_without_labels_is_refused(void **state)
{
    folder *f = *state;
    const int32_t k = 1;
    const qn_table_judge judge = {.n_classes = k, .predict = say, .model = &k};
    qn_judgement j;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, folder_put(f, "t.csv", "p,p0\n0,1\n"));
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(qn_table_judge_run(f->ctx, &judge, m, &j), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--label");
    qn_matrix_free(m);
}

static void one_class_is_judged_too(void **state)
{
    folder *f = *state;
    const char *path = folder_put(f, "t.csv", "y,p,p0\n0,0,1\n0,0,1\n");
    qn_judgement j;

    CHECK_OK(f->ctx, judge_file(f->ctx, path, false, 1, &j));
    CHECK(j.classes.accuracy == 1 && j.n_curves == 0);
    CHECK_NEAR(j.classes.log_loss, 1e-15, 1e-17);
    qn_judgement_release(&j);
}

/* The rows of Spark's RegressionMetricsSuite. */
static const double ten_label[] = {77, 85, 62, 55, 63, 88, 57, 81, 51};
static const double ten_said[] = {72.08, 91.88, 65.48, 52.28, 62.18, 81.98, 58.88, 78.68, 55.58};

static void put_values(qn_string *text, double offset)
{
    qn_string_clear(text);
    qn_string_add(text, "y,p,w\n");
    for (int i = 0; i < 9; i++)
        qn_string_addf(text, "%.17g,%.17g,%d\n", ten_label[i] + offset, ten_said[i] + offset,
                       1 + i % 3);
}

static void values_are_judged_as_in_spark(void **state)
{
    folder *f = *state;
    double weight[9];
    qn_regression_metrics plain;
    qn_string text = {0};
    qn_judgement j;

    put_values(&text, 0);
    for (int i = 0; i < 9; i++)
        weight[i] = 1 + i % 3;
    CHECK_OK(f->ctx, judge_file(f->ctx, folder_put(f, "t.csv", text.text), true, 0, &j));
    qn_regression_evaluate(9, ten_label, ten_said, weight, false, &plain);
    CHECK_NEAR(j.regression.rmse, plain.rmse, 1e-14);
    CHECK_NEAR(j.regression.mae, plain.mae, 1e-14);
    CHECK_NEAR(j.regression.r2, plain.r2, 1e-14);
    CHECK_NEAR(j.regression.var, plain.var, 1e-12);
    CHECK(j.regression.weight_sum == 18 && j.regression.n == 9);
    put_values(&text, 1e9); /* no digits are lost far from zero */
    CHECK_OK(f->ctx, judge_file(f->ctx, folder_put(f, "u.csv", text.text), true, 0, &j));
    CHECK_NEAR(j.regression.rmse, plain.rmse, 1e-7);
    CHECK_NEAR(j.regression.r2, plain.r2, 1e-7);
    qn_string_release(&text);
}

static void nine_values_have_known_errors(void **state)
{
    folder *f = *state;
    qn_string text = {0};
    qn_judgement j;
    qn_json said = {0};

    for (int i = 0; i < 9; i++)
        qn_string_addf(&text, "%s%g,%g\n", i ? "" : "y,p\n", ten_label[i], ten_said[i]);
    CHECK_OK(f->ctx, judge_file(f->ctx, folder_put(f, "t.csv", text.text), false, 0, &j));
    CHECK_NEAR(j.regression.mae, 3.7355556, 1e-7);
    CHECK_NEAR(j.regression.mse, 17.539511, 1e-6);
    CHECK_NEAR(j.regression.rmse, 4.18802, 1e-5);
    CHECK_NEAR(j.regression.r2, .89968225, 1e-7);
    CHECK_NEAR(j.regression.var, 157.3, 1e-1);
    qn_json_open(&said, NULL, '{');
    qn_judgement_tell(f->ctx, &j, &said);
    qn_json_close(&said, '}');
    CHECK(strstr(said.out.text, "{\"rows\":9,\"rmse\":4.188") != NULL);
    CHECK(strstr(said.out.text, "\"explained_variance\":157.3") != NULL);
    qn_json_release(&said);
    qn_string_release(&text);
}

/* ---- The same bits everywhere ---- */

static uint32_t noise(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 33) % limit);
}

/* Labels that are mostly right, probabilities of many different values. */
static const char *put_noise(folder *f, int32_t k, bool many)
{
    qn_string text = {0};
    uint64_t seed = 9;
    const char *path;

    qn_string_add(&text, "y,w,p");
    for (int32_t c = 0; c < k; c++)
        qn_string_addf(&text, ",p%d", (int)c);
    qn_string_add(&text, "\n");
    for (int i = 0; i < 3000; i++) {
        const uint32_t said = k ? noise(&seed, (uint32_t)k) : noise(&seed, 1000);
        const uint32_t label = noise(&seed, 3) ? said : k ? noise(&seed, (uint32_t)k) : said / 2;

        qn_string_addf(&text, "%u,0.%u,%u", (unsigned)label, (unsigned)noise(&seed, 1000),
                       (unsigned)said);
        for (int32_t c = 0; c < k; c++)
            qn_string_addf(&text, ",0.%0*u", many ? 6 : 2,
                           (unsigned)noise(&seed, many ? 1000000 : 100));
        qn_string_add(&text, "\n");
    }
    path = folder_put(f, "noise.csv", text.text);
    qn_string_release(&text);
    return path;
}

typedef struct rank_judge {
    const char *path;
    int32_t k, precision, partitions;
    qn_json said[8];
} rank_judge;

static qn_status judge_on_rank(qn_context *ctx, void *arg)
{
    rank_judge *r = arg;
    qn_json *said = &r->said[qn_rank(ctx)];
    const qn_table_judge judge = {.n_classes = r->k, .predict = say, .model = &r->k};
    qn_matrix *m = NULL;
    qn_status st = read_table(ctx, r->path, true, r->precision, r->partitions, &m);

    qn_json_open(said, NULL, '{');
    if (st == QN_OK)
        st = qn_table_judge_tell(ctx, &judge, m, said);
    qn_json_close(said, '}');
    qn_matrix_free(m);
    return st;
}

/* What one way to run says on its first rank; all ranks say the same. */
static void run_on(rank_judge *r, int32_t threads, int32_t ranks, qn_string *out)
{
    const qn_context_options options = {.threads = threads};
    qn_context *ctx = NULL;

    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.table_rows = 100;
    CHECK_OK(ctx, qn_run_thread_ranks(ctx, ranks, judge_on_rank, r));
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_string_clear(out);
    qn_string_add(out, r->said[0].out.text);
    for (int32_t i = 0; i < ranks; i++) {
        CHECK_TEXT(r->said[i].out.text, out->text);
        qn_json_release(&r->said[i]);
    }
    qn_context_free(ctx);
}

static void threads_ranks_and_partitions_change_no_bit(void **state)
{
    folder *f = *state;
    const int32_t classes[] = {0, 2, 3, 2, 3};

    for (int i = 0; i < 5; i++) {
        rank_judge r = {.k = classes[i], .precision = QN_PRECISION_DOUBLE};
        qn_string first = {0}, other = {0};

        r.path = put_noise(f, r.k, i > 2);
        run_on(&r, 1, 1, &first);
        CHECK(strstr(first.text, r.k ? "\"accuracy\":0." : "\"rmse\":") != NULL);
        run_on(&r, 3, 1, &other);
        CHECK_TEXT(other.text, first.text);
        for (int ranks = 2; ranks <= 5; ranks += 1 + ranks / 3) {
            run_on(&r, 2, ranks, &other);
            CHECK_TEXT(other.text, first.text);
        }
        r.partitions = 7;
        run_on(&r, 2, 2, &other);
        CHECK_TEXT(other.text, first.text);
        qn_string_release(&first);
        qn_string_release(&other);
    }
}

/* Panels of floats are handed on as doubles. */
static void a_matrix_of_floats_says_nearly_the_same(void **state)
{
    folder *f = *state;
    rank_judge r = {.k = 2, .path = put_noise(f, 2, false), .precision = QN_PRECISION_FLOAT};
    qn_string said = {0}, other = {0};

    run_on(&r, 2, 1, &said);
    r.precision = QN_PRECISION_DOUBLE;
    run_on(&r, 2, 1, &other);
    *strstr(said.text, "hamming") = 0; /* before it: counts alone */
    CHECK_EQ(strncmp(said.text, other.text, strlen(said.text)), 0);
    CHECK(strlen(said.text) > 100);
    qn_string_release(&said);
    qn_string_release(&other);
}

static void a_judgement_survives_every_failed_allocation(void **state)
{
    folder *f = *state;
    const int32_t classes[] = {0, 2, 3};

    for (int i = 0; i < 3; i++) {
        const int32_t k = classes[i];
        const qn_table_judge judge = {.n_classes = k, .predict = say, .model = &k};
        qn_status st = QN_ENOMEM;
        qn_matrix *m = NULL;
        int64_t live = 0;

        CHECK_OK(f->ctx,
                 read_table(f->ctx, put_noise(f, k, true), true, QN_PRECISION_FLOAT, 0, &m));
        live = qn_alloc_live(f->ctx);
        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_judgement j;

            qn_alloc_fail_after(f->ctx, allowed);
            st = qn_table_judge_run(f->ctx, &judge, m, &j);
            qn_alloc_fail_after(f->ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
            if (st == QN_OK)
                qn_judgement_release(&j);
            CHECK_EQ(qn_alloc_live(f->ctx), live);
        }
        qn_matrix_free(m);
    }
}

static void count_tasks(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_TASK_END)
        *(int64_t *)user += event->rows;
}

static void each_row_is_booked_on_a_partition(void **state)
{
    folder *f = *state;
    const int32_t k = 2;
    const qn_table_judge judge = {.n_classes = k, .predict = say, .model = &k};
    int64_t rows = 0;
    qn_judgement j;
    qn_matrix *m = NULL;

    CHECK_OK(f->ctx, read_table(f->ctx, put_noise(f, k, false), true, 0, 3, &m));
    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, count_tasks, &rows));
    CHECK_OK(f->ctx, qn_table_judge_run(f->ctx, &judge, m, &j));
    CHECK_EQ(rows, 3000);
    qn_judgement_release(&j);
    qn_context_cancel(f->ctx, 2);
    CHECK_EQ(qn_table_judge_run(f->ctx, &judge, m, &j), QN_ECANCELLED);
    qn_matrix_free(m);
    f->ctx->cancel = 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nine_rows_give_the_metrics_of_spark),
        TEST(two_classes_have_one_curve),
        TEST(gaps_between_labels_are_not_told),
        TEST(labels_never_seen_are_errors_of_their_own),
        TEST(a_label_that_is_no_class_is_named),
        TEST(a_table_without_labels_is_refused),
        TEST(one_class_is_judged_too),
        TEST(values_are_judged_as_in_spark),
        TEST(nine_values_have_known_errors),
        TEST(threads_ranks_and_partitions_change_no_bit),
        TEST(a_matrix_of_floats_says_nearly_the_same),
        TEST(a_judgement_survives_every_failed_allocation),
        TEST(each_row_is_booked_on_a_partition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
