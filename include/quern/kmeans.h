/* K-means clustering (Spark's org.apache.spark.ml.clustering.KMeans; Lloyd 1982; the start
 * k-means||, Bahmani et al. 2012). */
#ifndef QUERN_KMEANS_H
#define QUERN_KMEANS_H

#include "quern/matrix.h"
#include "quern/model.h"
#include "quern/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_distance_measure { QN_EUCLIDEAN, QN_COSINE } qn_distance_measure;
#define QN_DISTANCE_CHOICES "euclidean|cosine"

/* Defaults are in the table, not zero: always start with qn_params_init(&qn_kmeans_table, &p). */
typedef struct qn_kmeans_params {
    int32_t k;        /* clusters, at least 2; fewer come out where fewer points are distinct */
    int32_t max_iter; /* Lloyd's iterations at most */
    double tol;       /* stops when no centre moves farther than this */
    const char *init_mode;    /* "k-means||", "random", or a file of k rows to start from */
    int32_t init_steps;       /* rounds of k-means|| */
    int32_t distance_measure; /* qn_distance_measure */
    int64_t seed;
} qn_kmeans_params;
QN_API extern const qn_params qn_kmeans_table;

typedef struct qn_kmeans_model {
    qn_model base; /* first: see quern/model.h */
    qn_kmeans_params params;
    int32_t k;          /* centres there are */
    int32_t n_features; /* of a centre */
    double *centre;     /* [k x n_features] */
    /* What the fit found; n_rows 0 and NaN for models that keep none (Spark's). */
    int64_t n_rows;
    int64_t *size;        /* [k] rows nearest to each centre, NULL: unknown */
    int32_t iterations;   /* done */
    double training_cost; /* Spark's: of the last iteration, to the centres before it moved them */
    double cost;          /* to the centres that are saved */
    bool has_converged;   /* stopped by tol */
} qn_kmeans_model;

/* Fits a model.
 * Shapes      data: rows x features, all finite; cells over ranks.
 * Collective  every rank calls, with equal params; every rank gets the whole model.
 * Ownership   data is borrowed; on QN_OK the caller owns *model, otherwise it is NULL.
 * Errors      QN_EINVAL params, a start of another width; QN_EDATA a row of length zero under
 * cosine; QN_ENOMEM; QN_ECANCELLED.
 * Warnings    fewer centres than k; empty clusters, which keep their old centre as in Spark.
 * Events      one step an iteration: value = cost to the centres before they move.
 * Repeatable  same bits for any number of threads, ranks and partitions, and in every kernel set.
 */
QN_API qn_status qn_kmeans_fit(qn_context *ctx, const qn_kmeans_params *params,
                               const qn_matrix *data, qn_kmeans_model **model);
QN_API void qn_kmeans_free(qn_kmeans_model *model);

/* Centre nearest to each of n rows (row-major [n x n_features]), ties to the lowest; distance (may
 * be NULL) squared, or 1 - cosine. */
QN_API qn_status qn_kmeans_predict(qn_context *ctx, const qn_kmeans_model *model, int64_t n,
                                   const double *rows, int32_t *label, double *distance);

typedef struct qn_kmeans_quality {
    int64_t n_rows;
    int64_t *size;        /* [k] rows; free with qn_kmeans_quality_release */
    double *weight;       /* [k] weights of them */
    double *cluster_cost; /* [k] */
    double cost;          /* weighted sum of distances to the nearest centre */
    double silhouette;    /* Spark's ClusteringEvaluator on the squared distance (or cosine);
                             NaN where fewer than two clusters hold rows */
} qn_kmeans_quality;

/* Collective. Repeatable as fit. */
QN_API qn_status qn_kmeans_evaluate(qn_context *ctx, const qn_kmeans_model *model,
                                    const qn_matrix *data, qn_kmeans_quality *quality);
QN_API void qn_kmeans_quality_release(qn_kmeans_quality *quality);

/* How far the centres of two models lie apart: the matching of a's centres to b's with the least
 * sum of distances (Kuhn 1955). match[i] = b's centre for centre i of a, -1 where b has fewer;
 * distance[i] between them, NaN there. QN_EINVAL when the features differ. */
QN_API qn_status qn_kmeans_drift(qn_context *ctx, const qn_kmeans_model *a,
                                 const qn_kmeans_model *b, int32_t *match, double *distance);

/* Spark's model directory, with quern.json beside; as qn_als_save and qn_als_load. */
QN_API qn_status qn_kmeans_save(qn_context *ctx, const qn_kmeans_model *model, const char *path,
                                bool overwrite, const char *record);
QN_API qn_status qn_kmeans_load(qn_context *ctx, const char *path, qn_kmeans_model **model);

/* 128-bit XXH3 over (centre number, coordinates' bits), as 32 hexadecimal digits and a NUL. */
QN_API void qn_kmeans_digest(const qn_kmeans_model *model, char digest[33]);

#ifdef __cplusplus
}
#endif
#endif
