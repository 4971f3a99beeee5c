#include "lifecycle/events.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/context.h"
#include "base/text.h"

static void emit_rejects(qn_context *ctx, const qn_rejects *rejects, int64_t rows_bad,
                         const char *first)
{
    char name[64], bad[32];

    for (int kind = 0; kind < QN_REJECT_KINDS; kind++) {
        snprintf(name, sizeof name, "bad_rows.%s", qn_reject_name((qn_reject_kind)kind));
        if (rejects->count[kind] > 0)
            qn_emit_count(ctx, name, rejects->count[kind]);
    }
    if (rows_bad == 0)
        return;
    qn_format_count(rows_bad, bad);
    qn_emit_warning(ctx, "%s bad %s skipped; the first: %s", bad,
                    rows_bad == 1 ? "row was" : "rows were", first);
}

void qn_emit_input(qn_context *ctx, const qn_text_list *input, const qn_ratings_counts *counts)
{
    for (int64_t i = 0; i < input->n; i++)
        qn_emit_fact(ctx, "data.files[]", input->item[i]);
    qn_emit_count(ctx, "rows", counts->rows_read);
    qn_emit_count(ctx, "rows_bad", counts->rows_bad);
    qn_emit_count(ctx, "bytes", counts->bytes_read);
    qn_emit_count(ctx, "duplicates", counts->duplicates);
    emit_rejects(ctx, &counts->rejects, counts->rows_bad, counts->first_reject);
}

void qn_emit_table_input(qn_context *ctx, const qn_text_list *input, const qn_matrix_counts *counts)
{
    for (int64_t i = 0; i < input->n; i++)
        qn_emit_fact(ctx, "data.files[]", input->item[i]);
    qn_emit_count(ctx, "rows", counts->rows_read);
    qn_emit_count(ctx, "rows_bad", counts->rows_bad);
    qn_emit_count(ctx, "rows_missing", counts->rows_missing);
    qn_emit_count(ctx, "rows_sampled_out", counts->rows_sampled_out);
    qn_emit_count(ctx, "files", counts->files);
    qn_emit_count(ctx, "files_total", counts->files_total);
    qn_emit_count(ctx, "splits", counts->splits);
    qn_emit_count(ctx, "bytes", counts->bytes_read);
    emit_rejects(ctx, &counts->rejects, counts->rows_bad, counts->first_reject);
}

void qn_emit_fingerprint(qn_context *ctx, uint64_t fingerprint)
{
    char text[32];

    snprintf(text, sizeof text, "%016" PRIx64, fingerprint);
    qn_emit_fact(ctx, "data.fingerprint", text);
}
