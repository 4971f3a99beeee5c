/* A saved model for readers and other programs. */
#ifndef QN_LIFECYCLE_EXPORT_MODEL_H
#define QN_LIFECYCLE_EXPORT_MODEL_H

#include "ml/algo.h"

typedef struct qn_export_model_options {
    const char *model;
    int32_t format; /* qn_export_format */
    const char *output;
    bool overwrite;
    int32_t tree;
    const char *name;
} qn_export_model_options;
extern const qn_params qn_export_model_table;

/* QN_EINVAL for a model of an algorithm that has no such forms, with those that have. */
qn_status qn_export_model_run(qn_context *ctx, const qn_export_model_options *options);

#endif
