#include "check.h"

#include "ml/algo.h"

static void algorithms_are_found_by_name_and_by_the_class_of_their_models(void **state)
{
    (void)state;
    const qn_algo *als = qn_algo_find("ALS");

    CHECK(als != NULL);
    CHECK_TEXT(als->params->name, als->name);
    CHECK(qn_algo_of_class(als->spark_class) == als);
    CHECK(qn_algo_find("alsx") == NULL);
    CHECK(qn_algo_of_class("org.apache.spark.ml.recommendation.ALS") == NULL);
}

static void an_algorithm_may_have_a_class_of_its_own_for_numbers(void **state)
{
    const qn_algo two = {.spark_class = "org.example.Classes",
                         .spark_regressor = "org.example.Numbers"};
    const qn_algo one = {.spark_class = "org.example.Classes"};

    (void)state;
    CHECK(qn_algo_has_class(&two, "org.example.Classes"));
    CHECK(qn_algo_has_class(&two, "org.example.Numbers"));
    CHECK(!qn_algo_has_class(&one, "org.example.Numbers"));
}

static void every_algorithm_says_all_about_itself(void **state)
{
    (void)state;
    for (int64_t i = 0; i < qn_n_algos; i++) {
        CHECK(qn_algos[i]->title && qn_algos[i]->title[0]);
        CHECK(qn_algos[i]->params && qn_algos[i]->params->n > 0);
        CHECK(qn_algo_find(qn_algos[i]->name) == qn_algos[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(algorithms_are_found_by_name_and_by_the_class_of_their_models),
        cmocka_unit_test(an_algorithm_may_have_a_class_of_its_own_for_numbers),
        cmocka_unit_test(every_algorithm_says_all_about_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
