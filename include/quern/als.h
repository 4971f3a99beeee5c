/* Alternating least squares for recommendation (Spark's org.apache.spark.ml.recommendation.ALS; Hu,
 * Koren, Volinsky 2008 for implicit feedback; Zhou et al. 2008 for the weighted ridge term). */
#ifndef QUERN_ALS_H
#define QUERN_ALS_H

#include "quern/param.h"
#include "quern/ratings.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_als_bias { QN_ALS_BIAS_NONE, QN_ALS_BIAS_FULL } qn_als_bias;
typedef enum qn_als_init { QN_ALS_INIT_RANDOM, QN_ALS_INIT_SPARK } qn_als_init;
typedef enum qn_als_precision { QN_ALS_FLOAT, QN_ALS_DOUBLE } qn_als_precision;
typedef enum qn_cold_start {
    QN_COLD_NAN,
    QN_COLD_DROP,
    QN_COLD_MEAN,
    QN_COLD_POPULAR
} qn_cold_start;

/* Defaults are in the table, not zero: always start with qn_params_init(&qn_als_table, &params). */
typedef struct qn_als_params {
    int32_t rank;     /* latent factors of a user and an item */
    int32_t max_iter; /* full sweeps: items, then users */
    double reg_param; /* ridge term, times the ratings of the row */
    bool implicit_prefs;
    double alpha; /* confidence of implicit feedback: 1 + alpha |r| */
    bool nonnegative;
    int32_t bias;            /* qn_als_bias */
    int32_t init;            /* qn_als_init */
    int32_t num_user_blocks; /* of Spark's init */
    int32_t num_item_blocks;
    int64_t seed;
    int32_t precision;  /* qn_als_precision, of the normal equations; factors are float */
    int32_t cold_start; /* qn_cold_start, stored with the model */
    int32_t early_stop; /* sweeps without gain on the validation rows before stopping; 0: off */
    double validation;  /* share of the ratings kept for that */
} qn_als_params;
QN_API extern const qn_params qn_als_table;

/* Row i of a side: factors + i * stride, `rank` floats, then zeros. With bias FULL the last two
 * columns are (user bias, 1) and (1, item bias), and `global_mean` is folded into the user bias:
 * every prediction is still one dot product, in Spark too. */
typedef struct qn_als_model {
    qn_als_params params;
    int32_t rank; /* columns: params.rank, or params.rank + 2 with biases */
    int64_t stride;
    qn_ids users, items;
    float *user_factors; /* [users.n x stride] */
    float *item_factors; /* [items.n x stride] */
    char user_col[64], item_col[64], rating_col[64], prediction_col[64];
    float mean_rating;    /* for cold start `mean`; NaN where unknown (models of Spark) */
    uint32_t *item_count; /* [items.n] training ratings of each item; NULL unknown */
    int32_t iterations;   /* sweeps done */
    double loss;          /* of the last sweep, as its step event gives it; NaN unknown */
    char kernel_set[16];
    uint64_t data_fingerprint;
    float *item_mean; /* [items.n] mean training rating of each item, for `popular`; NULL unknown */
} qn_als_model;

/* Fits a model to `ratings`, sweeping items then users.
 * Shapes      ratings: n_users x n_items; partitions over ranks.
 * Collective  every rank calls, with equal params; every rank gets the whole model.
 * Ownership   ratings is borrowed; on QN_OK the caller owns *model, otherwise it is NULL.
 * Errors      QN_EINVAL params, QN_ENOMEM budget, QN_EDATA a row that cannot be solved,
 * QN_ECANCELLED. Events      one step an iteration: value = training RMSE (explicit), or the mean
 * weighted squared error per observed rating (implicit). With validation rows a metric
 * "validationRmse". Repeatable  same bits for any number of threads, ranks and partitions. */
QN_API qn_status qn_als_fit(qn_context *ctx, const qn_als_params *params, const qn_ratings *ratings,
                            qn_als_model **model);
QN_API void qn_als_free(qn_als_model *model);

/* Prediction for pairs of indices, -1 for one that the model does not know: then by `cold_start`:
 * NaN (NAN and DROP), the mean training rating (MEAN), or the item's mean training rating where the
 * item is known, else the mean of all (POPULAR). What the model does not hold is NaN. */
QN_API qn_status qn_als_predict(qn_context *ctx, const qn_als_model *model, int64_t n,
                                const int64_t *user, const int64_t *item, float *out);

typedef enum qn_side { QN_SIDE_USER, QN_SIDE_ITEM } qn_side;
typedef enum qn_ties { QN_TIES_ID_ASC, QN_TIES_SPARK } qn_ties;
#define QN_TIES_CHOICES "id-asc|spark"

/* Best k of the other side for each of n rows (indices of `side`), best first: score descending,
 * then id ascending (or descending with QN_TIES_SPARK). index and score are [n x k]; slots past the
 * catalogue (or what is left of it) hold -1 and NaN. `seen` (NULL: none) are ratings whose pairs
 * are left out; it is matched by id, its dictionaries may differ from the model's. Collective with
 * `seen`, which lies with all ranks: each asks for rows of its own, or for none. */
QN_API qn_status qn_als_recommend(qn_context *ctx, const qn_als_model *model, qn_side side,
                                  const int64_t *rows, int64_t n, int32_t k, qn_ties ties,
                                  const qn_ratings *seen, int64_t *index, float *score);

/* Exact fold-in: the factors (stride floats) that one more half-step would give a new row of `side`
 * with these ratings of known rows of the other side. */
QN_API qn_status qn_als_fold_in(qn_context *ctx, const qn_als_model *model, qn_side side, int64_t n,
                                const int64_t *other, const float *rating, float *factors);

/* Why a user gets the prediction for `target`, an item (Hu, Koren, Volinsky 2008, section 5): with
 * the user's ratings of n known items, contribution[j] is what rating j adds to it. *base is what
 * no rating adds: the mean and the item's bias, or 0. base + all contributions is the prediction
 * for the user folded in from these ratings, up to rounding. */
QN_API qn_status qn_als_explain(qn_context *ctx, const qn_als_model *model, int64_t n,
                                const int64_t *item, const float *rating, int64_t target,
                                double *contribution, double *base);

/* Best k by cosine of the factors, the row itself left out. */
QN_API qn_status qn_als_similar(qn_context *ctx, const qn_als_model *model, qn_side side,
                                int64_t row, int32_t k, int64_t *index, float *score);

/* Spark's model directory, with quern.json beside. The folder appears whole or not at all. `record`
 * is JSON of the run to keep in quern.json, may be NULL. */
QN_API qn_status qn_als_save(qn_context *ctx, const qn_als_model *model, const char *path,
                             bool overwrite, const char *record);
/* Reads a directory of Quern's, Spark 3.x's or 4.x's. QN_EDATA names the missing or damaged part.
 */
QN_API qn_status qn_als_load(qn_context *ctx, const char *path, qn_als_model **model);

/* 128-bit XXH3 over (side, id, float bits) in id order, as 32 hexadecimal digits and a NUL. */
QN_API void qn_als_digest(const qn_als_model *model, char digest[33]);

#ifdef __cplusplus
}
#endif
#endif
