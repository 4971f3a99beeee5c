/* What every model on tables has, whatever its algorithm. */
#ifndef QUERN_MODEL_H
#define QUERN_MODEL_H

#include "quern/matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qn_algo;

/* First member of every such model. */
typedef struct qn_model {
    const struct qn_algo *algo; /* ml/algo.h */
    qn_features features;       /* n 0: unknown (models of Spark): columns in the order given */
    int32_t n_features;
    bool is_double; /* the matrix it was fitted on */
    char prediction_col[64];
    char kernel_set[16];
    uint64_t data_fingerprint; /* 0: unknown */
} qn_model;

#ifdef __cplusplus
}
#endif
#endif
