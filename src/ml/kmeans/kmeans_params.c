/* The parameters of K-means: Spark's names and defaults. The only place where they stand. */
#include "quern/kmeans.h"

#define ROW(field, def, lo, hi, help, ...)                                                         \
    QN_PARAM(qn_kmeans_params, field, def, lo, hi, help, __VA_ARGS__)

static const qn_param kmeans_params[] = {
    ROW(k, 2, 2, 1000000, "clusters; fewer come out where fewer rows are distinct",
        .aliases = "clusters n-clusters", .group = "Model"),
    ROW(max_iter, 20, 0, 100000, "iterations at most; 0 gives the start",
        .aliases = "iterations max-iterations", .group = "Model"),
    ROW(tol, 1e-4, 0, 1e300, "stop when no centre moves farther than this", .group = "Model"),
    QN_PARAM_CHOICE_OF(qn_kmeans_params, distance_measure, QN_EUCLIDEAN, QN_DISTANCE_CHOICES,
                       "cosine: rows are compared by their direction", .aliases = "distance",
                       .group = "Model"),
    QN_PARAM_STRING(qn_kmeans_params, init_mode, "k-means||", "MODE",
                    "start: k-means||, random, or a file of k rows", .aliases = "init",
                    .group = "Start"),
    ROW(init_steps, 2, 1, 1000, "rounds of k-means||", .aliases = "initialization-steps",
        .group = "Start"),
    ROW(seed, -1689246527, (double)INT64_MIN, (double)INT64_MAX, "random seed", .group = "Start"),
};

const qn_params qn_kmeans_table = {
    .name = "kmeans",
    .param = kmeans_params,
    .n = sizeof kmeans_params / sizeof kmeans_params[0],
    .struct_size = sizeof(qn_kmeans_params),
};
