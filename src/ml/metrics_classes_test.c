/* Metrics of classes and curves against known answers and against the definition. */
#include <math.h>

#include "check.h"

#include "engine/context_open.h"
#include "ml/metrics_classes.h"

static int setup(void **state)
{
    qn_context *ctx = NULL;

    if (qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return -1;
    *state = ctx;
    return 0;
}

static int teardown(void **state)
{
    qn_context *ctx = *state;

    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

/* The rows of Spark's MulticlassMetricsSuite. */
static const double nine_label[] = {0, 1, 0, 0, 1, 1, 1, 2, 0};
static const double nine_predicted[] = {0, 0, 0, 1, 1, 1, 1, 2, 2};

static void nine_rows_give_the_metrics_of_spark(void **state)
{
    const qn_class_rows rows = {
        .n_classes = 3, .n = 9, .label = nine_label, .prediction = nine_predicted};
    qn_class_metrics m;

    CHECK_OK(*state, qn_classes_evaluate(*state, &rows, &m));
    CHECK_EQ(m.n, 9);
    CHECK_NEAR(m.accuracy, 6.0 / 9, 0);
    CHECK_NEAR(m.hamming_loss, 3.0 / 9, 0);
    CHECK_NEAR(m.weighted_precision, 4.0 / 9 * 2 / 3 + 4.0 / 9 * 3 / 4 + 1.0 / 9 * 1 / 2, 1e-15);
    CHECK_NEAR(m.weighted_recall, 6.0 / 9, 1e-15);
    CHECK_NEAR(m.weighted_f1, 0.66137566137566137, 1e-15);
    CHECK_NEAR(m.weighted_fpr, 4.0 / 9 * 1 / 5 + 4.0 / 9 * 1 / 5 + 1.0 / 9 * 1 / 8, 1e-15);
    CHECK_NEAR(m.precision[0], 2.0 / 3, 1e-15);
    CHECK_NEAR(m.recall[1], 3.0 / 4, 0);
    CHECK_NEAR(m.false_rate[2], 1.0 / 8, 0);
    CHECK_NEAR(m.f1[0], 2 * (2.0 / 3) * (1.0 / 2) / (2.0 / 3 + 1.0 / 2), 1e-15);
    CHECK_NEAR(m.iou[0], 2.0 / 5, 1e-15);
    CHECK_NEAR(m.mean_iou, (2.0 / 5 + 3.0 / 5 + 1.0 / 2) / 3, 1e-15);
    CHECK(m.confusion[0] == 2 && m.confusion[1] == 1 && m.confusion[2] == 1);
    CHECK(m.confusion[3] == 1 && m.confusion[4] == 3 && m.confusion[8] == 1);
    CHECK(isnan(m.log_loss));
    qn_class_metrics_release(&m);
}

/* Each row twice as heavy as the one before: as that many copies of it. */
static void a_weight_counts_as_that_many_rows(void **state)
{
    const double weight[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    double label[511], predicted[511];
    const qn_class_rows one = {.n_classes = 3,
                               .n = 9,
                               .label = nine_label,
                               .prediction = nine_predicted,
                               .weight = weight};
    const qn_class_rows many = {.n_classes = 3, .n = 511, .label = label, .prediction = predicted};
    qn_class_metrics a, b;
    int at = 0;

    for (int i = 0; i < 9; i++)
        for (int j = 0; j < (1 << i); j++, at++) {
            label[at] = nine_label[i];
            predicted[at] = nine_predicted[i];
        }
    CHECK_OK(*state, qn_classes_evaluate(*state, &one, &a));
    CHECK_OK(*state, qn_classes_evaluate(*state, &many, &b));
    CHECK_EQ(a.n, 9);
    CHECK(a.weight_sum == 511 && a.accuracy == b.accuracy && a.macro_f1 == b.macro_f1);
    CHECK(a.weighted_f1 == b.weighted_f1 && a.mean_iou == b.mean_iou);
    CHECK_EQ(memcmp(a.confusion, b.confusion, 9 * sizeof(double)), 0);
    qn_class_metrics_release(&a);
    qn_class_metrics_release(&b);
}

static void the_loss_is_the_log_of_what_the_own_class_was_given(void **state)
{
    const double label[] = {1, 2, 0, 0}, predicted[] = {1, 2, 0, 0};
    const double probability[] = {.1, .8, .1, .9, .05, .05, .8, .2, 0, .3, .5, .2};
    const double sure[] = {0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0};
    qn_class_rows rows = {.n_classes = 3,
                          .n = 4,
                          .label = label,
                          .prediction = predicted,
                          .probability = probability};
    qn_class_metrics m;

    CHECK_OK(*state, qn_classes_evaluate(*state, &rows, &m));
    CHECK_NEAR(m.log_loss, -(log(.8) + log(.05) + log(.8) + log(.3)) / 4, 1e-15);
    qn_class_metrics_release(&m);
    rows.probability = sure; /* and once surely wrong */
    CHECK_OK(*state, qn_classes_evaluate(*state, &rows, &m));
    CHECK_NEAR(m.log_loss, -log(1e-15) / 4, 1e-12);
    qn_class_metrics_release(&m);
}

static void classes_that_are_nowhere_do_not_count_in_plain_means(void **state)
{
    const double label[] = {1, 1, 64}, predicted[] = {1, 64, 64};
    const qn_class_rows rows = {.n_classes = 65, .n = 3, .label = label, .prediction = predicted};
    qn_class_metrics m;

    CHECK_OK(*state, qn_classes_evaluate(*state, &rows, &m));
    CHECK_EQ(m.n_present, 2);
    CHECK_NEAR(m.macro_f1, 2.0 / 3, 1e-15);
    CHECK_NEAR(m.mean_iou, 0.5, 0);
    CHECK(m.precision[5] == 0 && m.recall[5] == 0 && m.f1[5] == 0 && m.iou[5] == 0);
    qn_class_metrics_release(&m);
}

static void one_class_all_right_and_all_wrong(void **state)
{
    const double zero[] = {0, 0}, one[] = {1, 1};
    qn_class_rows rows = {.n_classes = 1, .n = 2, .label = zero, .prediction = zero};
    qn_class_metrics m;

    CHECK_OK(*state, qn_classes_evaluate(*state, &rows, &m));
    CHECK(m.accuracy == 1 && m.macro_f1 == 1 && m.mean_iou == 1 && m.weighted_fpr == 0);
    qn_class_metrics_release(&m);
    rows.n_classes = 2;
    rows.prediction = one;
    CHECK_OK(*state, qn_classes_evaluate(*state, &rows, &m));
    CHECK(m.accuracy == 0 && m.hamming_loss == 1 && m.macro_f1 == 0 && m.weighted_f1 == 0);
    CHECK_EQ(m.n_present, 2);
    qn_class_metrics_release(&m);
}

static void a_number_that_is_no_class_is_named(void **state)
{
    const double good[] = {0, 1, 1}, bad[][3] = {{0, 1, 2}, {0, -1, 0}, {0.5, 0, 0}, {0, 0, NAN}};
    const char *const text[] = {"row 2: the label 2 is no class from 0 to 1", "row 1: the label -1",
                                "row 0: the label 0.5", "row 2: the label"};
    qn_class_rows rows = {.n_classes = 2, .n = 3, .prediction = good};
    qn_class_metrics m;

    for (int i = 0; i < 4; i++) {
        rows.label = bad[i];
        CHECK_EQ(qn_classes_evaluate(*state, &rows, &m), QN_EDATA);
        CHECK_ERROR((qn_context *)*state, text[i]);
        CHECK(m.confusion == NULL);
    }
    rows.label = good;
    rows.prediction = bad[0];
    CHECK_EQ(qn_classes_evaluate(*state, &rows, &m), QN_EDATA);
    CHECK_ERROR((qn_context *)*state, "row 2: the prediction 2");
}

static void no_rows_have_no_metrics(void **state)
{
    const qn_class_rows rows = {.n_classes = 2};
    const qn_scored_rows scored = {0};
    qn_class_metrics m;
    qn_binary_metrics b;

    CHECK_OK(*state, qn_classes_evaluate(*state, &rows, &m));
    CHECK(m.n == 0 && isnan(m.accuracy) && isnan(m.mean_iou));
    qn_class_metrics_release(&m);
    CHECK_OK(*state, qn_binary_evaluate(*state, &scored, 0, &b));
    CHECK(b.n == 0 && isnan(b.area_under_roc) && isnan(b.area_under_pr));
    qn_binary_metrics_release(&b);
}

/* ---- Curves ---- */

/* The rows of Spark's BinaryClassificationMetricsSuite. */
static const double seven_score[] = {.1, .1, .4, .6, .6, .6, .8};
static const double seven_label[] = {0, 1, 0, 0, 1, 1, 1};

static void seven_scores_give_the_curve_of_spark(void **state)
{
    const qn_scored_rows rows = {.n = 7, .score = seven_score, .label = seven_label};
    qn_binary_metrics m;

    CHECK_OK(*state, qn_binary_evaluate(*state, &rows, 1000, &m));
    CHECK_EQ(m.n, 4);
    CHECK_NEAR(m.area_under_roc, 0.70833333333333333, 1e-15);
    CHECK_NEAR(m.area_under_pr, 0.83392857142857142, 1e-15);
    CHECK(m.threshold[0] == .8 && m.threshold[1] == .6 && m.threshold[3] == .1);
    CHECK(m.true_rate[0] == .25 && m.true_rate[1] == .75 && m.true_rate[3] == 1);
    CHECK(m.false_rate[0] == 0 && m.false_rate[3] == 1);
    CHECK_NEAR(m.false_rate[1], 1.0 / 3, 1e-15);
    CHECK(m.precision[0] == 1 && m.precision[1] == .75 && m.precision[2] == .6);
    CHECK(m.roc_error == 0 && m.positives == 4 && m.negatives == 3);
    qn_binary_metrics_release(&m);
}

static void runs_of_scores_become_points(void **state)
{
    double score[10], label[10];
    const qn_scored_rows rows = {.n = 10, .score = score, .label = label};
    qn_binary_metrics m, exact;

    for (int i = 0; i < 10; i++) {
        score[i] = i;
        label[i] = i % 3 == 0;
    }
    CHECK_OK(*state, qn_binary_evaluate(*state, &rows, 3, &m));     /* 9 8 7 | 6 5 4 | 3 2 1 | 0 */
    CHECK_OK(*state, qn_binary_evaluate(*state, &rows, 6, &exact)); /* 10 / 6 < 2: as they are */
    CHECK_EQ(m.n, 4);
    CHECK_EQ(m.n_scores, 10);
    CHECK(m.threshold[0] == 7 && m.threshold[1] == 4 && m.threshold[3] == 0);
    CHECK_NEAR(m.true_rate[0], 0.25, 0);
    CHECK_NEAR(m.false_rate[0], 2.0 / 6, 1e-15);
    CHECK_EQ(exact.n, 10);
    qn_binary_metrics_release(&m);
    qn_binary_metrics_release(&exact);
}

static void the_order_of_rows_does_not_matter_and_weights_are_copies(void **state)
{
    const double score[] = {.6, .8, .1, .6, .4, .1}, label[] = {1, 1, 0, 0, 0, 1};
    const double weight[] = {2, 1, 1, 1, 1, 1};
    const qn_scored_rows mixed = {.n = 6, .score = score, .label = label, .weight = weight};
    const qn_scored_rows rows = {.n = 7, .score = seven_score, .label = seven_label};
    qn_binary_metrics a, b;

    CHECK_OK(*state, qn_binary_evaluate(*state, &mixed, 0, &a));
    CHECK_OK(*state, qn_binary_evaluate(*state, &rows, 0, &b));
    CHECK(a.area_under_roc == b.area_under_roc && a.area_under_pr == b.area_under_pr);
    CHECK(a.positives == 4 && a.negatives == 3);
    qn_binary_metrics_release(&a);
    qn_binary_metrics_release(&b);
}

static void one_class_has_no_area(void **state)
{
    const double score[] = {.5, .6}, ones[] = {1, 1}, zeros[] = {0, 0};
    qn_scored_rows rows = {.n = 2, .score = score, .label = ones};
    qn_binary_metrics m;

    CHECK_OK(*state, qn_binary_evaluate(*state, &rows, 0, &m));
    CHECK(isnan(m.area_under_roc) && m.area_under_pr == 1);
    qn_binary_metrics_release(&m);
    rows.label = zeros;
    CHECK_OK(*state, qn_binary_evaluate(*state, &rows, 0, &m));
    CHECK(isnan(m.area_under_roc) && isnan(m.area_under_pr));
    qn_binary_metrics_release(&m);
    rows.score = (const double[]){.5, NAN};
    CHECK_EQ(qn_binary_evaluate(*state, &rows, 0, &m), QN_EDATA);
    CHECK_ERROR((qn_context *)*state, "row 1: the score is not a number");
}

static uint32_t noise(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 33) % limit);
}

/* A tally of n rows of `scores` different scores, positives mostly high; rows from `first` by
 * steps of `step`. */
static void fill(qn_context *ctx, qn_score_tally *tally, uint32_t scores, int first, int step)
{
    uint64_t seed = 5;

    for (int i = 0; i < 4000; i++) {
        const uint32_t s = noise(&seed, scores), positive = noise(&seed, scores) < s;
        const int64_t units = 1 + noise(&seed, 3);

        if (i % step == first)
            CHECK_OK(ctx, qn_score_tally_add(ctx, tally, (double)s / scores, positive, units));
    }
}

static void counted_scores_are_exact_up_to_the_limit(void **state)
{
    qn_context *ctx = *state;
    qn_score_tally whole = {.limit = 64, .unit_bits = 2}, parts = {.limit = 64, .unit_bits = 2},
                   part = {.limit = 64, .unit_bits = 2};
    qn_binary_metrics a, b;

    fill(ctx, &whole, 64, 0, 1);
    for (int i = 0; i < 3; i++) {
        fill(ctx, &part, 64, i, 3);
        CHECK_OK(ctx, qn_score_tally_merge(ctx, &part, &parts));
        qn_score_tally_release(&part);
    }
    CHECK(!whole.bin && !parts.bin);
    CHECK_EQ(whole.n, 64);
    CHECK_OK(ctx, qn_score_tally_curve(ctx, &whole, 0, 0, &a));
    CHECK_OK(ctx, qn_score_tally_curve(ctx, &parts, 0, 10, &b));
    CHECK(a.area_under_roc == b.area_under_roc && a.area_under_pr == b.area_under_pr);
    CHECK(a.roc_error == 0 && a.n == 64 && b.n == 11);
    qn_binary_metrics_release(&a);
    qn_binary_metrics_release(&b);
    qn_score_tally_release(&whole);
    qn_score_tally_release(&parts);
}

static void more_scores_are_binned_and_the_error_is_bounded(void **state)
{
    qn_context *ctx = *state;
    qn_score_tally exact = {.limit = 4096, .unit_bits = 2}, whole = {.limit = 64, .unit_bits = 2},
                   parts = {.limit = 64, .unit_bits = 2};
    qn_binary_metrics a, b, c;

    fill(ctx, &exact, 3000, 0, 1);
    fill(ctx, &whole, 3000, 0, 1);
    for (int i = 0; i < 50; i++) {
        qn_score_tally part = {.limit = 64, .unit_bits = 2};

        fill(ctx, &part, 3000, i, 50);
        CHECK_OK(ctx, qn_score_tally_merge(ctx, &part, &parts));
        qn_score_tally_release(&part);
    }
    CHECK(!exact.bin && whole.bin && parts.bin);
    CHECK_EQ(memcmp(whole.bin, parts.bin, 2 * 62 * 4 * sizeof *whole.bin), 0);
    CHECK_OK(ctx, qn_score_tally_curve(ctx, &exact, 0, 0, &a));
    CHECK_OK(ctx, qn_score_tally_curve(ctx, &whole, 0, 0, &b));
    CHECK_OK(ctx, qn_score_tally_curve(ctx, &parts, 0, 0, &c));
    CHECK(a.area_under_roc != b.area_under_roc && b.area_under_roc == c.area_under_roc);
    CHECK(b.roc_error > 0 && b.roc_error < 0.005);
    CHECK_NEAR(a.area_under_roc, b.area_under_roc, b.roc_error);
    qn_binary_metrics_release(&a);
    qn_binary_metrics_release(&b);
    qn_binary_metrics_release(&c);
    qn_score_tally_release(&exact);
    qn_score_tally_release(&whole);
    qn_score_tally_release(&parts);
}

/* 1 belongs to the last bin, -0 to 0. */
static void scores_at_the_ends_have_a_bin(void **state)
{
    qn_context *ctx = *state;
    qn_score_tally tally = {.limit = 1, .unit_bits = 0};

    CHECK_OK(ctx, qn_score_tally_add(ctx, &tally, -0.0, false, 1));
    CHECK_OK(ctx, qn_score_tally_add(ctx, &tally, 0.0, true, 1));
    CHECK(!tally.bin);
    CHECK_OK(ctx, qn_score_tally_add(ctx, &tally, 1.0, true, 5));
    CHECK(tally.bin && tally.bin[0] == 1 && tally.bin[1] == 1 && tally.bin[123] == 5);
    qn_score_tally_release(&tally);
}

/* Each score alone: the threshold is not above it, and the same for everything that is not below
 * the threshold up to the score; thresholds rise with scores. */
static void bins_begin_where_they_say(void **state)
{
    qn_context *ctx = *state;
    double before = -1;

    for (int i = 0; i <= 6000; i++) {
        const double score = i < 1000   ? ldexp(i / 1000.0, -20) /* flat */
                             : i < 2000 ? ldexp(1 + (i - 1000) / 1000.0, -20 + i % 17)
                             : i < 5000 ? (i - 2000) / 3000.0
                                        : 1 - ldexp((6000 - i) / 1000.0, -15);
        double threshold[2];

        for (int again = 0; again < 2; again++) {
            qn_score_tally tally = {.limit = 0, .unit_bits = 2};
            qn_binary_metrics m;

            CHECK_OK(ctx, qn_score_tally_add(ctx, &tally, again ? threshold[0] : score, true, 1));
            CHECK_OK(ctx, qn_score_tally_curve(ctx, &tally, 0, 0, &m));
            CHECK_EQ(m.n, 1);
            threshold[again] = m.threshold[0];
            qn_binary_metrics_release(&m);
            qn_score_tally_release(&tally);
        }
        CHECK(threshold[0] <= score && threshold[0] == threshold[1]);
        CHECK(score - threshold[0] <= fmax(fmin(score, 1 - score) / 3, 1e-6));
        if (i >= 2000 && i < 5000) {
            CHECK(threshold[0] >= before);
            before = threshold[0];
        }
    }
}

static qn_status everything(qn_context *ctx)
{
    const qn_class_rows rows = {
        .n_classes = 3, .n = 9, .label = nine_label, .prediction = nine_predicted};
    const qn_scored_rows scored = {.n = 7, .score = seven_score, .label = seven_label};
    qn_class_metrics m;
    qn_binary_metrics b;
    qn_score_tally tally = {.limit = 600, .unit_bits = 1}, other = {.limit = 600, .unit_bits = 1};
    qn_status st = QN_OK;

    QN_TRY(qn_classes_evaluate(ctx, &rows, &m));
    qn_class_metrics_release(&m);
    QN_TRY(qn_binary_evaluate(ctx, &scored, 0, &b));
    qn_binary_metrics_release(&b);
    for (int i = 0; i < 700; i++)
        QN_TRY(qn_score_tally_add(ctx, &tally, i / 700.0, i % 2, 1));
    QN_TRY(qn_score_tally_merge(ctx, &tally, &other));
    QN_TRY(qn_score_tally_curve(ctx, &other, 0, 0, &b));
    qn_binary_metrics_release(&b);
done:
    qn_score_tally_release(&tally);
    qn_score_tally_release(&other);
    return st;
}

static void metrics_survive_every_failed_allocation(void **state)
{
    qn_context *ctx = *state;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(ctx, allowed);
        st = everything(ctx);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nine_rows_give_the_metrics_of_spark),
        TEST(a_weight_counts_as_that_many_rows),
        TEST(the_loss_is_the_log_of_what_the_own_class_was_given),
        TEST(classes_that_are_nowhere_do_not_count_in_plain_means),
        TEST(one_class_all_right_and_all_wrong),
        TEST(a_number_that_is_no_class_is_named),
        TEST(no_rows_have_no_metrics),
        TEST(seven_scores_give_the_curve_of_spark),
        TEST(runs_of_scores_become_points),
        TEST(the_order_of_rows_does_not_matter_and_weights_are_copies),
        TEST(one_class_has_no_area),
        TEST(counted_scores_are_exact_up_to_the_limit),
        TEST(more_scores_are_binned_and_the_error_is_bounded),
        TEST(scores_at_the_ends_have_a_bin),
        TEST(bins_begin_where_they_say),
        TEST(metrics_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
