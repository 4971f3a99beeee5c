#include "lifecycle/recommend_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"

qn_status qn_line_out_open(qn_context *ctx, const qn_recommend_options *options,
                           const qn_als_model *model, qn_side side, bool with_reasons,
                           qn_line_out **out)
{
    const bool is_user = side == QN_SIDE_USER;
    const qn_ids *ids = is_user ? &model->users : &model->items;
    const qn_ids *others = is_user ? &model->items : &model->users;
    const qn_sink_options sink = {.path = options->output,
                                  .format = (qn_format)options->output_format,
                                  .overwrite = options->overwrite,
                                  .header = true};
    qn_line_out *o = NULL;
    qn_field field[6];
    qn_schema schema = {field, 0, true};
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, o, 1, "lines of recommendations");
    o->id_is_number = ids->type != QN_ID_STRING;
    o->other_is_number = others->type != QN_ID_STRING;
    o->with_title = options->titles != NULL;
    o->with_reasons = with_reasons;
    if (options->output) {
        field[schema.n_fields++] =
            (qn_field){is_user ? "user" : "item", o->id_is_number ? QN_INT64 : QN_TEXT};
        field[schema.n_fields++] = (qn_field){"rank", QN_INT32};
        field[schema.n_fields++] =
            (qn_field){is_user ? "item" : "user", o->other_is_number ? QN_INT64 : QN_TEXT};
        if (o->with_title)
            field[schema.n_fields++] = (qn_field){"title", QN_TEXT};
        field[schema.n_fields++] = (qn_field){"score", QN_FLOAT};
        if (o->with_reasons)
            field[schema.n_fields++] = (qn_field){"reasons", QN_TEXT};
        QN_TRY(qn_sink_open(ctx, &sink, &schema, &o->sink));
    }
    *out = o;
    o = NULL;
done:
    qn_line_out_close(o);
    return st;
}

static void lines_add(qn_text_lines *lines, int64_t n, const char *text)
{
    lines->valid[n / 64] &= ~((uint64_t)1 << (n % 64));
    if (text) {
        qn_string_add(&lines->text, text);
        lines->valid[n / 64] |= (uint64_t)1 << (n % 64);
    }
    lines->offset[n + 1] = (uint32_t)lines->text.length;
}

static qn_column lines_column(const qn_text_lines *lines)
{
    return (qn_column){QN_TEXT, qn_string_text(&lines->text), lines->offset, lines->valid};
}

static qn_column id_column(bool is_number, const int64_t *number, const qn_text_lines *lines)
{
    return is_number ? (qn_column){QN_INT64, number, NULL, NULL} : lines_column(lines);
}

static qn_status flush(qn_context *ctx, qn_line_out *o)
{
    qn_column column[6];
    qn_batch batch = {.n_rows = o->n, .columns = column};
    qn_status st = QN_OK;

    if (o->id.text.failed || o->other.text.failed || o->title.text.failed || o->reasons.text.failed)
        return qn_fail(ctx, QN_ENOMEM, "no memory for lines of recommendations");
    if (o->n > 0 && o->sink) {
        column[batch.n_columns++] = id_column(o->id_is_number, o->id_number, &o->id);
        column[batch.n_columns++] = (qn_column){QN_INT32, o->rank, NULL, NULL};
        column[batch.n_columns++] = id_column(o->other_is_number, o->other_number, &o->other);
        if (o->with_title)
            column[batch.n_columns++] = lines_column(&o->title);
        column[batch.n_columns++] = (qn_column){QN_FLOAT, o->score, NULL, NULL};
        if (o->with_reasons)
            column[batch.n_columns++] = lines_column(&o->reasons);
        st = qn_sink_write(ctx, o->sink, &batch);
    }
    o->n = 0;
    qn_string_clear(&o->id.text);
    qn_string_clear(&o->other.text);
    qn_string_clear(&o->title.text);
    qn_string_clear(&o->reasons.text);
    return st;
}

/* "Heat (1995) 4.5; Alien (1979) 5" */
static void add_reasons(qn_string *out, const qn_recommendation *line)
{
    char rating[32];

    for (int32_t r = 0; r < line->n_reasons; r++) {
        const qn_reason *reason = &line->reason[r];

        qn_format_float(reason->rating, rating);
        qn_string_addf(out, "%s%s %s", r > 0 ? "; " : "",
                       reason->title ? reason->title : reason->item, rating);
    }
}

static void gather(qn_line_out *o, const qn_recommendation *line)
{
    const int64_t n = o->n;

    o->rank[n] = line->rank;
    o->score[n] = line->score;
    if (o->id_is_number)
        o->id_number[n] = strtoll(line->id, NULL, 10);
    else
        lines_add(&o->id, n, line->id);
    if (o->other_is_number)
        o->other_number[n] = strtoll(line->other, NULL, 10);
    else
        lines_add(&o->other, n, line->other);
    lines_add(&o->title, n, line->side == QN_SIDE_USER ? line->title : line->id_title);
    lines_add(&o->reasons, n, "");
    add_reasons(&o->reasons.text, line);
    o->reasons.offset[n + 1] = (uint32_t)o->reasons.text.length;
}

qn_status qn_line_out_add(qn_context *ctx, qn_line_out *out, const qn_recommendation *line)
{
    qn_status st = QN_OK;

    out->n_all++;
    if (out->visit)
        QN_TRY(out->visit(out->arg, line));
    if (!out->sink)
        return QN_OK;
    gather(out, line);
    if (++out->n == QN_LINES_BATCH)
        QN_TRY(flush(ctx, out));
done:
    return st;
}

qn_status qn_line_out_finish(qn_context *ctx, qn_line_out *out)
{
    const qn_status st = flush(ctx, out);

    return st == QN_OK && out->sink ? qn_sink_commit(ctx, &out->sink) : st;
}

void qn_line_out_close(qn_line_out *out)
{
    if (!out)
        return;
    qn_sink_abandon(&out->sink);
    qn_string_release(&out->id.text);
    qn_string_release(&out->other.text);
    qn_string_release(&out->title.text);
    qn_string_release(&out->reasons.text);
    qn_free(out);
}
