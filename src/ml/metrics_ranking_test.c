/* Known answers of Spark's RankingMetricsSuite and of the reference systems. */
#include "check.h"

#include "quern/metrics.h"

#define EPS    1e-5
#define LEN(a) ((int64_t)(sizeof(a) / sizeof *(a)))

static const int64_t pred1[] = {1, 6, 2, 7, 8, 3, 9, 10, 4, 5};
static const int64_t pred2[] = {4, 1, 5, 6, 2, 7, 3, 8, 9, 10};
static const int64_t pred3[] = {1, 2, 3, 4, 5};
static const int64_t truth1[] = {1, 2, 3, 4, 5};
static const int64_t truth2[] = {1, 2, 3};
static const double relevance1[] = {3, 2, 1, 1, 1};
static const double relevance2[] = {2, 0, 0};

static const qn_ranking_query binary[3] = {
    {pred1, LEN(pred1), truth1, LEN(truth1), NULL},
    {pred2, LEN(pred2), truth2, LEN(truth2), NULL},
    {pred3, LEN(pred3), NULL, 0, NULL},
};
static const qn_ranking_query graded[3] = {
    {pred1, LEN(pred1), truth1, LEN(truth1), relevance1},
    {pred2, LEN(pred2), truth2, LEN(truth2), relevance2},
    {pred3, LEN(pred3), NULL, 0, NULL},
};

static qn_ranking_scores mean_at(const qn_ranking_query *query, int64_t n, int32_t k)
{
    qn_ranking_scores mean = {0}, s;

    for (int64_t i = 0; i < n; i++) {
        qn_ranking_score(&query[i], k, QN_PROTOCOL_SPARK, &s);
        mean.precision += s.precision / (double)n;
        mean.recall += s.recall / (double)n;
        mean.ndcg += s.ndcg / (double)n;
        mean.map += s.map / (double)n;
        mean.map_at_k += s.map_at_k / (double)n;
        mean.reciprocal_rank += s.reciprocal_rank / (double)n;
        mean.hit += s.hit / (double)n;
    }
    return mean;
}

static void precision_is_sparks_at_every_k(void **state)
{
    (void)state;
    const int32_t k[] = {1, 2, 3, 4, 5, 10, 15};
    const double expected[] = {1. / 3, 1. / 3, 1. / 3, .75 / 3, .8 / 3, .8 / 3, 8. / 45};

    for (int64_t i = 0; i < LEN(k); i++)
        CHECK_NEAR(mean_at(binary, 3, k[i]).precision, expected[i], EPS);
}

static void recall_is_sparks_at_every_k(void **state)
{
    (void)state;
    const int32_t k[] = {1, 2, 3, 4, 5, 10, 15};
    const double expected[] = {1. / 15, 8. / 45, 11. / 45, 11. / 45, 16. / 45, 2. / 3, 2. / 3};

    for (int64_t i = 0; i < LEN(k); i++)
        CHECK_NEAR(mean_at(binary, 3, k[i]).recall, expected[i], EPS);
}

static void mean_average_precision_is_sparks(void **state)
{
    (void)state;
    CHECK_NEAR(mean_at(binary, 3, 10).map, .355026, EPS);
    CHECK_NEAR(mean_at(binary, 3, 1).map_at_k, .333334, EPS);
    CHECK_NEAR(mean_at(binary, 3, 2).map_at_k, .25, EPS);
    CHECK_NEAR(mean_at(binary, 3, 3).map_at_k, .24074, EPS);
}

static void ndcg_is_sparks_for_binary_truth(void **state)
{
    (void)state;
    CHECK_NEAR(mean_at(binary, 3, 3).ndcg, 1. / 3, EPS);
    CHECK_NEAR(mean_at(binary, 3, 5).ndcg, .328788, EPS);
    CHECK_NEAR(mean_at(binary, 3, 10).ndcg, .487913, EPS);
    CHECK_NEAR(mean_at(binary, 3, 15).ndcg, .487913, EPS);
}

static void ndcg_is_sparks_with_relevance(void **state)
{
    (void)state;
    CHECK_NEAR(mean_at(graded, 3, 3).ndcg, .511959, EPS);
    CHECK_NEAR(mean_at(graded, 3, 5).ndcg, .487806, EPS);
    CHECK_NEAR(mean_at(graded, 3, 10).ndcg, .518700, EPS);
    CHECK_NEAR(mean_at(graded, 3, 15).ndcg, .518700, EPS);
    CHECK_NEAR(mean_at(graded, 3, 4).precision, .75 / 3, EPS);
    CHECK_NEAR(mean_at(graded, 3, 10).map, .355026, EPS);
}

static void few_predictions_still_divide_by_k(void **state)
{
    (void)state;
    static const int64_t few[] = {1, 6, 2};
    const qn_ranking_query query[2] = {
        {few, 3, truth1, 5, NULL},
        {NULL, 0, truth2, 3, NULL},
    };

    CHECK_NEAR(mean_at(query, 2, 1).precision, .5, EPS);
    CHECK_NEAR(mean_at(query, 2, 2).precision, .25, EPS);
    CHECK_NEAR(mean_at(query, 2, 1).ndcg, .5, EPS);
    CHECK_NEAR(mean_at(query, 2, 2).ndcg, .30657, EPS);
    CHECK_NEAR(mean_at(query, 2, 1).recall, .1, EPS);
    CHECK_NEAR(mean_at(query, 2, 2).recall, .1, EPS);
}

static void the_reciprocal_rank_is_that_of_the_first_hit(void **state)
{
    (void)state;
    CHECK_NEAR(mean_at(binary, 3, 10).reciprocal_rank, .5, EPS); /* (1 + 1/2 + 0) / 3 */
    CHECK_NEAR(mean_at(binary, 3, 10).hit, 2. / 3, EPS);
    CHECK_NEAR(mean_at(binary, 3, 1).hit, 1. / 3, EPS);
}

static void a_repeated_hit_counts_twice_as_in_spark(void **state)
{
    (void)state;
    static const int64_t twice[] = {1, 1};
    const qn_ranking_query query = {twice, 2, truth2, 3, NULL};
    qn_ranking_scores s;

    qn_ranking_score(&query, 2, QN_PROTOCOL_SPARK, &s);
    CHECK_NEAR(s.precision, 1, 0);
    CHECK_NEAR(s.recall, 2. / 3, 1e-12);
}

/* Relevant {1, 2, 3}, list [3, 9, 1, 8], K 4. */
static void the_reference_protocol_gives_its_golden_numbers(void **state)
{
    (void)state;
    static const int64_t list[] = {3, 9, 1, 8};
    const qn_ranking_query query = {list, 4, truth2, 3, NULL};
    qn_ranking_scores s;

    qn_ranking_score(&query, 4, QN_PROTOCOL_REFERENCE, &s);
    CHECK_NEAR(s.precision, .5, 1e-12);
    CHECK_NEAR(s.recall, 2. / 3, 1e-12);
    CHECK_NEAR(s.ndcg, .7039, 5e-5);
}

static void the_reference_divides_by_what_it_recommended(void **state)
{
    (void)state;
    static const int64_t list[] = {3, 9};
    const qn_ranking_query query = {list, 2, truth2, 3, NULL};
    qn_ranking_scores reference, spark, honest;

    qn_ranking_score(&query, 4, QN_PROTOCOL_REFERENCE, &reference);
    qn_ranking_score(&query, 4, QN_PROTOCOL_SPARK, &spark);
    qn_ranking_score(&query, 4, QN_PROTOCOL_HONEST, &honest);
    CHECK_NEAR(reference.precision, .5, 0);
    CHECK_NEAR(spark.precision, .25, 0);
    CHECK_NEAR(honest.precision, .25, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precision_is_sparks_at_every_k),
        cmocka_unit_test(recall_is_sparks_at_every_k),
        cmocka_unit_test(mean_average_precision_is_sparks),
        cmocka_unit_test(ndcg_is_sparks_for_binary_truth),
        cmocka_unit_test(ndcg_is_sparks_with_relevance),
        cmocka_unit_test(few_predictions_still_divide_by_k),
        cmocka_unit_test(the_reciprocal_rank_is_that_of_the_first_hit),
        cmocka_unit_test(a_repeated_hit_counts_twice_as_in_spark),
        cmocka_unit_test(the_reference_protocol_gives_its_golden_numbers),
        cmocka_unit_test(the_reference_divides_by_what_it_recommended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
