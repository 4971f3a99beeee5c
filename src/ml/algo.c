#include "ml/algo.h"

#include <string.h>

#include "base/text.h"
#include "quern/als.h"

static const qn_algo algo_als = {
    .name = "als",
    .title = "Recommend by alternating least squares",
    .spark_class = "org.apache.spark.ml.recommendation.ALSModel",
    .params = &qn_als_table,
};

#define ROW(name) &qn_algo_##name,
const qn_algo *const qn_algos[] = {&algo_als, QN_TABLE_ALGO_LIST(ROW)};
#undef ROW
const int64_t qn_n_algos = (int64_t)(sizeof qn_algos / sizeof qn_algos[0]);

const qn_algo *qn_algo_find(const char *name)
{
    for (int64_t i = 0; i < qn_n_algos; i++)
        if (qn_name_equal(qn_algos[i]->name, name))
            return qn_algos[i];
    return NULL;
}

bool qn_algo_has_class(const qn_algo *algo, const char *spark_class)
{
    return strcmp(algo->spark_class, spark_class) == 0 ||
           (algo->spark_regressor && strcmp(algo->spark_regressor, spark_class) == 0);
}

const qn_algo *qn_algo_of_class(const char *spark_class)
{
    for (int64_t i = 0; i < qn_n_algos; i++)
        if (qn_algo_has_class(qn_algos[i], spark_class))
            return qn_algos[i];
    return NULL;
}
