/* What kind of model lies in a folder, and whether columns fit it. */
#ifndef QN_LIFECYCLE_MODEL_KIND_H
#define QN_LIFECYCLE_MODEL_KIND_H

#include "ml/algo.h"

/* The algorithm whose model the folder holds, by the class in its metadata. QN_ENOTFOUND no such
 * folder; QN_EDATA no model, or of a class that Quern does not know. */
qn_status qn_model_kind(qn_context *ctx, const char *path, const qn_algo **algo);

/* QN_EINVAL if these features are not as many as the model has: names both. */
qn_status qn_model_check_width(qn_context *ctx, const qn_model *model, const char *path,
                               const qn_features *features);

#endif
