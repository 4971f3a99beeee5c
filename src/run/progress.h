/* Live progress on a terminal: a sink that redraws one line and leaves one line a job. */
#ifndef QN_RUN_PROGRESS_H
#define QN_RUN_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/context.h"

typedef struct qn_progress qn_progress;

typedef struct qn_progress_options {
    FILE *stream;     /* borrowed */
    bool is_terminal; /* false: nothing but warnings is drawn */
    bool quiet;       /* nothing at all */
    int32_t width;    /* columns; 0: 80 */
} qn_progress_options;

/* Becomes a sink of the context; free it after the context. */
qn_status qn_progress_open(qn_context *ctx, const qn_progress_options *options,
                           qn_progress **progress);
/* Removes what is being drawn, before others write to the stream. */
void qn_progress_clear(qn_progress *progress);
void qn_progress_free(qn_progress *progress);

#endif
