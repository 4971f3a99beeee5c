/* The parameters of ALS: Spark's names and defaults, and ours. The only place where they stand. */
#include "quern/als.h"

#define ROW(field, def, lo, hi, help, ...)                                                         \
    QN_PARAM(qn_als_params, field, def, lo, hi, help, __VA_ARGS__)
#define FLAG(field, help, ...) QN_PARAM_FLAG(qn_als_params, field, help, __VA_ARGS__)
#define CHOICE(field, def, list, help, ...)                                                        \
    QN_PARAM_CHOICE_OF(qn_als_params, field, def, list, help, __VA_ARGS__)

static const qn_param als_params[] = {
    ROW(rank, 10, 1, 4096, "latent factors of a user and an item", .aliases = "als-rank factors",
        .group = "Model"),
    ROW(max_iter, 10, 0, 100000, "sweeps: items, then users; 0 gives the random start",
        .aliases = "als-max-iter iterations", .group = "Model"),
    ROW(reg_param, 0.1, 0, 1e6, "ridge penalty, times the ratings of the row",
        .aliases = "als-reg reg lambda", .group = "Model"),
    FLAG(implicit_prefs, "ratings are counts of implicit feedback: confidence, not taste",
         .aliases = "als-implicit implicit", .group = "Model"),
    ROW(alpha, 1.0, 0, 1e6, "confidence of implicit feedback: 1 + alpha |rating|",
        .aliases = "als-alpha", .group = "Model"),
    FLAG(nonnegative, "keep every factor at or above zero", .aliases = "als-nonnegative",
         .group = "Model"),
    CHOICE(bias, QN_ALS_BIAS_NONE, "none|full", "full: model the mean and user and item biases too",
           .aliases = "als-bias biases", .group = "Model"),
    CHOICE(init, QN_ALS_INIT_RANDOM, "random|spark",
           "start; spark: the factors that Spark draws for the same seed and blocks",
           .group = "Start"),
    ROW(num_user_blocks, 10, 1, 1000000, "user blocks of Spark's start", .group = "Start"),
    ROW(num_item_blocks, 10, 1, 1000000, "item blocks of Spark's start", .group = "Start"),
    ROW(seed, 1994790107, (double)INT64_MIN, (double)INT64_MAX, "random seed", .group = "Start"),
    CHOICE(precision, QN_ALS_FLOAT, "float|double", "arithmetic of the normal equations",
           .group = "Model"),
    CHOICE(cold_start, QN_COLD_NAN, "nan|drop|mean|popular",
           "prediction for an unknown user or item; drop leaves the row out",
           .aliases = "cold-start-strategy als-cold-start", .group = "Model"),
    ROW(early_stop, 0, 0, 100000, "stop after N sweeps without gain on validation ratings; 0: off",
        .metavar = "N", .group = "Stopping"),
    ROW(validation, 0.05, 0, 0.9, "share of the ratings kept from training for --early-stop",
        .group = "Stopping"),
};

const qn_params qn_als_table = {
    .name = "als",
    .param = als_params,
    .n = sizeof als_params / sizeof als_params[0],
    .struct_size = sizeof(qn_als_params),
};
