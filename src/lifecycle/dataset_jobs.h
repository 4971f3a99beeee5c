/* Jobs on a whole data set: `quern data verify`, `compact`, `history`, `rollback`, `gc`,
 * `delete-user`. */
#ifndef QN_LIFECYCLE_DATASET_JOBS_H
#define QN_LIFECYCLE_DATASET_JOBS_H

#include "lifecycle/upsert.h"

/* ---- verify ---- */

typedef struct qn_verify_result {
    int64_t generation, files, parts, rows, bytes;
    double total_s;
} qn_verify_result;
/* Reads everything: each file's presence, size and digest, the number and order of its rows, their
 * part, and that no two rows have one key where the rule says so. QN_EDATA names the first fault in
 * the order of the manifest. QN_EINVAL: a plain folder. */
qn_status qn_dataset_verify(qn_context *ctx, const char *path, qn_verify_result *result);

/* ---- compact, delete-user ---- */

typedef struct qn_rewrite_result {
    int64_t generation; /* that was made; 0: none */
    int64_t rows_before, rows_after, rows_duplicate, rows_removed;
    int64_t rows_unusable; /* of a plain folder that is adopted: lacked a value */
    int64_t files_before, files_written, files_linked, parts_written;
    int64_t bytes_before, bytes_after;
    int64_t generations_removed; /* older ones that held rows of the user */
    double total_s;
} qn_rewrite_result;

/* Files are written again where they are not cut as they should be, all of them where a rule is
 * new; what is as it should be already is left alone. */
qn_status qn_dataset_compact(qn_context *ctx, const char *path, const qn_rules_options *rules,
                             bool dry_run, qn_rewrite_result *result);

/* Removes the rows of a user from the data set, then the generations before, which may hold them.
 * QN_EINVAL: a plain folder, which is not adopted for that. */
qn_status qn_dataset_delete_user(qn_context *ctx, const char *path, int32_t user, bool dry_run,
                                 qn_rewrite_result *result);

/* ---- history ---- */

typedef struct qn_history_result {
    qn_dataset_manifest manifest; /* of the current generation */
    int64_t *generation;          /* [n_generations] that are there, ascending */
    int64_t n_generations;
} qn_history_result;
void qn_history_result_release(qn_history_result *result);
/* QN_EINVAL: a plain folder, which has none. */
qn_status qn_dataset_history(qn_context *ctx, const char *path, qn_history_result *result);

/* QN_ENOTFOUND: nothing is there; QN_EINVAL: a plain folder. *folder: free with qn_free. */
qn_status qn_dataset_need(qn_context *ctx, const char *path, char **folder);

#endif
