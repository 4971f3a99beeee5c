/* Going on with a run that has not ended well: the options of checkpoints, and finding the run. */
#ifndef QN_RUN_RESUME_H
#define QN_RUN_RESUME_H

#include "engine/checkpoint.h"
#include "quern/param.h"

/* Of every command that fits. */
typedef struct qn_resume_options {
    const char *checkpoint_dir;      /* DIR/<run id>; NULL: RUNS_DIR/<run id>/checkpoint */
    const char *checkpoint_interval; /* "auto", or iterations; 0 and -1: never */
    const char *resume;              /* run id, beginning of one, "last", or folder; NULL: none */
} qn_resume_options;
extern const qn_params qn_resume_table;

/* A run to go on with. Texts are allocated; release with qn_resume_release. */
typedef struct qn_resume {
    char *run_id, *runs_dir; /* RUNS_DIR/<run id>/record.json is its record */
    char *record;            /* JSON text */
    char *kernel_set;
    bool is_elsewhere; /* it ran on another host: whether it still lives cannot be seen from here */
    bool is_rebuilt;   /* its record has gone: this one is made of what its checkpoint says */
} qn_resume;

/* Where the record has gone the newest checkpoint tells of the run: RUNS_DIR/<run>/checkpoint, or
 * CHECKPOINT_DIR/<run> where that is not NULL, or the folder `run`. QN_ENOTFOUND there is no such
 * run; QN_EINVAL it is of another command or has ended well; QN_EBUSY it still works. */
qn_status qn_resume_find(qn_context *ctx, const char *runs_dir, const char *checkpoint_dir,
                         const char *run, const char *command, qn_resume *resume);
void qn_resume_release(qn_resume *resume);
/* The record of a run as the newest whole checkpoint in `folder` has it, as JSON text; NULL if
 * there is none. Checkpoints of the run are then looked for in that folder. */
qn_status qn_resume_rebuild(qn_context *ctx, const char *folder, char **record);

/* The interval as qn_checkpoint_options has it; QN_EINVAL unless it is "auto" or -1 and above.
 * "auto" means every iteration with a checkpoint_dir or more `workers` than one. */
qn_status qn_resume_interval(qn_context *ctx, const qn_resume_options *options, int32_t workers,
                             int32_t *interval);

#endif
