/* Lines: one column of text. Empty lines are rows too. */
#include "base/context.h"
#include "data/text_source.h"

static qn_status lines_take(qn_context *ctx, qn_text_reader *r, const char *line, size_t length,
                            int64_t offset)
{
    /* Taken as quoted, so that an empty line or "NA" is a text and not a missing value. */
    const qn_text_field cell = {.text = line, .length = length, .is_quoted = true};
    qn_status st = QN_OK;

    QN_TRY(qn_text_reserve(ctx, r, 2 * length, 0));
    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_reject_kind kind = qn_text_store(r, i, &cell);

        if (kind != QN_REJECT_KINDS) {
            qn_text_row_reject(r, kind, i, offset, line, length);
            return QN_OK;
        }
    }
    qn_text_row_end(r);
done:
    return st;
}

const qn_text_format qn_text_lines = {.take = lines_take, .keeps_blank_lines = true};
