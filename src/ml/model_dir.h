/* Spark MLlib's model directories, for every algorithm: metadata/part-00000, Parquet tables, and
 * quern.json beside. The format's rules stand here and nowhere else. */
#ifndef QN_ML_MODEL_DIR_H
#define QN_ML_MODEL_DIR_H

#include "base/file.h"
#include "quern/param.h"
#include "quern/sink.h"
#include "quern/source.h"

/* What metadata/part-00000 holds. The three texts are JSON objects without the outer braces, e.g.
 * "\"rank\":10"; empty is fine. */
typedef struct qn_spark_metadata {
    const char *class_name;
    const char *uid;
    const char *param_map;
    const char *default_param_map;
    const char *extra; /* more keys at top level */
} qn_spark_metadata;

/* Writing: open (checks before training), metadata, tables, note, commit. */
qn_status qn_model_dir_open(qn_context *ctx, const char *path, bool overwrite, qn_out_dir *dir);
qn_status qn_model_dir_metadata(qn_context *ctx, const qn_out_dir *dir,
                                const qn_spark_metadata *metadata);
/* A table of the directory, e.g. "userFactors"; part files are cut by size (rows_per_file) in the
 * order given. A name that ends in ".parquet" is one file, "quern/userIds.parquet". `select` and
 * `row_metadata` (the footer text Spark needs for vector columns) may be NULL. */
typedef struct qn_model_table {
    const char *name;
    const char *select;
    const char *row_metadata;
    int64_t rows_per_file; /* 0: one file */
} qn_model_table;
qn_status qn_model_dir_table(qn_context *ctx, const qn_out_dir *dir, const qn_model_table *table,
                             const qn_schema *schema, qn_sink **sink);
/* Writes quern.json: `json` (an object) plus "formatVersion" and "files", the XXH3 of each file. */
qn_status qn_model_dir_commit(qn_context *ctx, qn_out_dir *dir, const char *json);

/* Reading. */
struct json_t;
typedef struct qn_model_files {
    char *path;
    struct json_t *metadata; /* the first line of metadata/part-* */
    struct json_t *quern; /* quern.json, NULL if absent, damaged or not of these files (warned) */
} qn_model_files;
/* QN_ENOTFOUND no such folder; QN_EDATA not a model directory, a missing part, another class than
 * `class_name` (NULL: any), a version below 3.0. */
qn_status qn_model_files_open(qn_context *ctx, const char *path, const char *class_name,
                              qn_model_files *files);
void qn_model_files_release(qn_model_files *files);
/* The class in the metadata alone, cut to `size`: what kind of model lies there. Errors as above.
 */
qn_status qn_model_class(qn_context *ctx, const char *path, char *out, size_t size);
/* The table as a source; names beginning with '_' or '.' are ignored. */
qn_status qn_model_files_table(qn_context *ctx, const qn_model_files *files, const char *name,
                               qn_source **source);
/* Whether the directory holds this table or file. */
bool qn_model_files_has(const qn_model_files *files, const char *name);
/* Looks in paramMap, then defaultParamMap; NULL if in neither. */
struct json_t *qn_model_files_param(const qn_model_files *files, const char *name);

/* The first line of a metadata file: an object with all that Spark needs, of `class_name` (NULL:
 * any) and of Spark 3.0 or later. `path` is for messages. Free *metadata with json_decref. */
qn_status qn_model_metadata_parse(qn_context *ctx, const char *path, const char *text,
                                  size_t length, const char *class_name, struct json_t **metadata);

/* Parameters in quern.json: by their names in C, choices as texts. What is missing keeps its value;
 * QN_EDATA names one that does not fit. */
struct qn_json;
void qn_model_params_write(const qn_params *table, const void *values, struct qn_json *json);
qn_status qn_model_params_read(qn_context *ctx, const qn_params *table, const struct json_t *json,
                               void *values);

/* The newest version_* folder below root (N35), or root itself when it is a model. */
qn_status qn_model_find_latest(qn_context *ctx, const char *root, char **path);

#endif
