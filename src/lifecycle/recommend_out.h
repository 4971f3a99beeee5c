/* Lines of recommendations on their way out: to the caller's visit and, gathered in batches, to a
 * file. */
#ifndef QN_LIFECYCLE_RECOMMEND_OUT_H
#define QN_LIFECYCLE_RECOMMEND_OUT_H

#include "base/text.h"
#include "lifecycle/recommend.h"
#include "quern/sink.h"

#define QN_LINES_BATCH 4096

/* One text a line. */
typedef struct qn_text_lines {
    qn_string text;
    uint32_t offset[QN_LINES_BATCH + 1];
    uint64_t valid[QN_LINES_BATCH / 64];
} qn_text_lines;

typedef struct qn_line_out {
    qn_recommend_visit *visit;
    void *arg;
    qn_sink *sink; /* NULL: no file */
    bool with_title, with_reasons;
    int64_t n, n_all;
    int32_t rank[QN_LINES_BATCH];
    float score[QN_LINES_BATCH];
    int64_t id_number[QN_LINES_BATCH], other_number[QN_LINES_BATCH];
    bool id_is_number, other_is_number;
    qn_text_lines id, other, title, reasons;
} qn_line_out;

/* Opens the file of the options, if there is one: columns user (or item), rank, item (or user),
 * title, score, reasons. *out is freed by close. */
qn_status qn_line_out_open(qn_context *ctx, const qn_recommend_options *options,
                           const qn_als_model *model, qn_side side, bool with_reasons,
                           qn_line_out **out);
qn_status qn_line_out_add(qn_context *ctx, qn_line_out *out, const qn_recommendation *line);
/* The last lines; then the file appears. */
qn_status qn_line_out_finish(qn_context *ctx, qn_line_out *out);
void qn_line_out_close(qn_line_out *out);

#endif
