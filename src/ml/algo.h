/* The algorithms: one line each. Command line, Python, HTTP and docs pick them up from here. */
#ifndef QN_ML_ALGO_H
#define QN_ML_ALGO_H

#include "quern/param.h"

typedef struct qn_algo {
    const char *name;        /* "als" */
    const char *title;       /* one line, no full stop */
    const char *spark_class; /* of its models */
    const qn_params *params;
} qn_algo;

extern const qn_algo qn_algos[];
extern const int64_t qn_n_algos;
/* NULL if there is none. */
const qn_algo *qn_algo_find(const char *name);
/* The algorithm whose models have this Spark class; NULL if none. */
const qn_algo *qn_algo_of_class(const char *spark_class);

#endif
