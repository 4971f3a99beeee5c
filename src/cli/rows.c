#include "cli/rows.h"

#include <string.h>

#include "cli/show.h"

void qn_rows_json_id(qn_json *j, const char *key, const char *id, bool is_number)
{
    if (is_number)
        qn_json_raw(j, key, id);
    else
        qn_json_text(j, key, id);
}

void qn_rows_json_reasons(qn_json *j, const qn_recommendation *row, bool item_is_number)
{
    qn_json_open(j, "reasons", '[');
    for (int32_t i = 0; i < row->n_reasons; i++) {
        const qn_reason *reason = &row->reason[i];

        qn_json_open(j, NULL, '{');
        qn_rows_json_id(j, "item", reason->item, item_is_number);
        if (reason->title)
            qn_json_text(j, "title", reason->title);
        qn_json_float(j, "rating", reason->rating);
        qn_json_real(j, "weight", reason->weight);
        qn_json_real(j, "contribution", reason->contribution);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static qn_status print_json(const qn_rows_view *view, const qn_recommendation *row)
{
    const bool for_user = row->side == QN_SIDE_USER;
    const char *other = view->similar ? "similar" : for_user ? "item" : "user";
    const char *title = row->title ? row->title : view->similar ? NULL : row->id_title;
    qn_json j = {0};
    bool failed;

    qn_json_open(&j, NULL, '{');
    qn_rows_json_id(&j, for_user ? "user" : "item", row->id, row->id_is_number);
    qn_json_int(&j, "rank", row->rank);
    qn_rows_json_id(&j, other, row->other, row->other_is_number);
    if (title)
        qn_json_text(&j, "title", title);
    qn_json_float(&j, "score", row->score);
    if (row->n_reasons > 0)
        qn_rows_json_reasons(&j, row, for_user ? row->other_is_number : row->id_is_number);
    qn_json_close(&j, '}');
    failed = j.out.failed;
    fprintf(view->cli->out.stream, "%s\n", qn_string_text(&j.out));
    qn_json_release(&j);
    return failed ? QN_ENOMEM : QN_OK;
}

void qn_rows_end(qn_rows_view *view)
{
    if (!view->open)
        return;
    qn_text_table_print(&view->rows, &view->cli->out, true, "  ");
    qn_text_table_release(&view->rows);
    view->open = false;
}

static void open_table(qn_rows_view *view, const qn_recommendation *row)
{
    const qn_terminal *out = &view->cli->out;
    const char *side = row->side == QN_SIDE_USER ? "user" : "item";
    qn_string head = {0}, shown = {0};

    qn_rows_end(view);
    qn_string_addf(&head, "%s %s", side, row->id);
    if (row->id_title)
        qn_string_addf(&head, ": %s", row->id_title);
    qn_string_add_escaped(&shown, qn_string_text(&head));
    fprintf(out->stream, "%s%s%s%s\n", view->n_tables++ ? "\n" : "", qn_bold(out),
            qn_string_text(&shown), qn_plain(out));
    qn_string_release(&shown);
    qn_string_release(&head);
    qn_text_table_init(&view->rows, "rllll");
    qn_text_table_add(&view->rows, "#");
    qn_text_table_add(&view->rows, view->similar               ? side
                                   : row->side == QN_SIDE_USER ? "item"
                                                               : "user");
    qn_text_table_add(&view->rows, "score");
    qn_text_table_add(&view->rows, row->title ? "title" : "");
    qn_text_table_add(&view->rows, row->n_reasons > 0 ? "because of" : "");
    snprintf(view->id, sizeof view->id, "%s", row->id);
    view->open = true;
}

static void add_row(qn_rows_view *view, const qn_recommendation *row)
{
    qn_string why = {0};

    for (int32_t i = 0; i < row->n_reasons; i++) {
        const qn_reason *reason = &row->reason[i];

        qn_string_addf(&why, "%s%s (%g)", i ? ", " : "",
                       reason->title ? reason->title : reason->item, (double)reason->rating);
    }
    qn_text_table_addf(&view->rows, "%d", (int)row->rank);
    qn_text_table_add(&view->rows, row->other);
    qn_text_table_addf(&view->rows, "%.4f", (double)row->score);
    qn_text_table_add(&view->rows, row->title ? row->title : "");
    qn_text_table_add(&view->rows, qn_string_text(&why));
    qn_string_release(&why);
}

qn_status qn_rows_visit(void *arg, const qn_recommendation *row)
{
    qn_rows_view *view = arg;

    if (view->json)
        return print_json(view, row);
    if (!view->open || row->rank == 1 || strncmp(view->id, row->id, sizeof view->id - 1) != 0)
        open_table(view, row);
    add_row(view, row);
    /* A reader that has gone ends the work at once. */
    return ferror(view->cli->out.stream)
               ? qn_fail(view->cli->ctx, QN_EIO, "writing standard output failed")
               : QN_OK;
}
