/* What became of rows, as JSON. */
#include <string.h>

#include "base/text.h"
#include "lifecycle/upsert.h"

void qn_upsert_side_json(const qn_upsert_side *side, qn_json *j)
{
    qn_json_text(j, "path", side->path);
    qn_json_bool(j, "is_new", side->is_new);
    qn_json_bool(j, "adopted", side->adopted);
    qn_json_int(j, "generation", side->generation);
    qn_json_int(j, "rows", side->rows);
    qn_json_int(j, "rows_written", side->rows_written);
    qn_json_int(j, "rows_duplicate", side->rows_duplicate);
    qn_json_int(j, "rows_replaced", side->rows_replaced);
    qn_json_int(j, "rows_unusable", side->rows_unusable);
    qn_json_int(j, "rows_before", side->rows_before);
    qn_json_int(j, "rows_after", side->rows_after);
    qn_json_int(j, "parts_written", side->parts_written);
    qn_json_int(j, "files_written", side->files_written);
    qn_json_int(j, "files_linked", side->files_linked);
}

void qn_upsert_result_add(qn_upsert_result *sum, const qn_upsert_result *r)
{
    sum->input.rows_read += r->input.rows_read;
    sum->input.rows_delivered += r->input.rows_delivered;
    for (int32_t reason = 0; reason < QN_DROP_REASONS; reason++)
        sum->input.dropped[reason] += r->input.dropped[reason];
    sum->input.files += r->input.files;
    sum->input.bytes += r->input.bytes;
    if (!sum->input.first[0])
        memcpy(sum->input.first, r->input.first, sizeof sum->input.first);
    sum->rows_written += r->rows_written;
    sum->rows_duplicate += r->rows_duplicate;
    sum->files_taken += r->files_taken;
    sum->files_known += r->files_known;
    sum->read_s += r->read_s;
    sum->write_s += r->write_s;
    sum->commit_s += r->commit_s;
    sum->bytes_spilled += r->bytes_spilled;
}

void qn_upsert_input_json(const qn_upsert_result *r, qn_json *j)
{
    qn_json_int(j, "rows_read", r->input.rows_read);
    qn_json_int(j, "rows_malformed", r->input.dropped[QN_DROP_MALFORMED]);
    qn_json_int(j, "rows_null", r->input.dropped[QN_DROP_NULL]);
    qn_json_int(j, "rows_out_of_range", r->input.dropped[QN_DROP_RANGE]);
    qn_json_text(j, "first_dropped", r->input.first[0] ? r->input.first : NULL);
    qn_json_int(j, "files_taken", r->files_taken);
    qn_json_int(j, "files_known", r->files_known);
    qn_json_int(j, "bytes_read", r->input.bytes);
    qn_json_int(j, "bytes_spilled", r->bytes_spilled);
    qn_json_real(j, "read_s", r->read_s);
    qn_json_real(j, "write_s", r->write_s);
    qn_json_real(j, "commit_s", r->commit_s);
}

void qn_upsert_result_json(const qn_upsert_result *r, qn_json *j)
{
    qn_json_int(j, "rows_written", r->rows_written);
    qn_json_int(j, "rows_duplicate", r->rows_duplicate);
    qn_upsert_input_json(r, j);
}
