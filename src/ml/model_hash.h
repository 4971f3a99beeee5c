/* Digests of the files of a model directory, by which quern.json is believed or not. */
#ifndef QN_ML_MODEL_HASH_H
#define QN_ML_MODEL_HASH_H

#include "quern/context.h"

struct json_t;

/* {"userFactors/part-00000.parquet": "<XXH3, 32 digits>", ...} of every file below `dir` but
 * quern.json and names that begin with '.' or '_'. Free with json_decref. */
qn_status qn_model_hash_files(qn_context *ctx, const char *dir, struct json_t **files);

#endif
