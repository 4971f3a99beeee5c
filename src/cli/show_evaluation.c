/* Errors and rankings beside their baselines. */
#include <math.h>

#include "cli/show.h"

static void add_metric(qn_text_table *rows, const qn_metric *metric)
{
    qn_text_table_add(rows, qn_show_number(metric->value, 4).text);
    if (isnan(metric->low))
        qn_text_table_add(rows, "");
    else
        qn_text_table_addf(rows, "%.4f to %.4f", metric->low, metric->high);
}

static void add_errors(qn_text_table *rows, const char *name, const qn_errors *errors)
{
    if (errors->n == 0)
        return;
    qn_text_table_add(rows, name);
    add_metric(rows, &errors->rmse);
    add_metric(rows, &errors->mae);
}

static void add_header(qn_text_table *rows, const char *const *name, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        qn_text_table_add(rows, name[i]);
}

static void show_errors(const qn_terminal *out, const qn_evaluation *e)
{
    static const char *const header[] = {"", "RMSE", "95 %", "MAE", "95 %"};
    qn_text_table rows;

    qn_text_table_init(&rows, "lrlrl");
    add_header(&rows, header, 5);
    add_errors(&rows, "model", &e->model);
    add_errors(&rows, "item mean", &e->item_mean);
    add_errors(&rows, "user mean", &e->user_mean);
    add_errors(&rows, "global mean", &e->global_mean);
    qn_text_table_print(&rows, out, true, "  ");
    qn_text_table_release(&rows);
}

static void show_coverage(const qn_terminal *out, const qn_coverage *c)
{
    fprintf(out->stream, "  %s of %s test rows scored (%s)", qn_show_count(c->rows_scored).text,
            qn_show_count(c->rows).text, qn_show_share(c->rows_scored, c->rows).text);
    if (c->unknown_user + c->unknown_item + c->unknown_both > 0)
        fprintf(out->stream, "; unknown user %s, item %s, both %s",
                qn_show_count(c->unknown_user).text, qn_show_count(c->unknown_item).text,
                qn_show_count(c->unknown_both).text);
    fprintf(out->stream, "; %s of %s users known\n", qn_show_count(c->users_known).text,
            qn_show_count(c->users).text);
}

static void add_ranking(qn_text_table *rows, const char *name, const qn_ranking_result *ranking)
{
    if (ranking->users == 0)
        return;
    qn_text_table_add(rows, name);
    add_metric(rows, &ranking->precision);
    add_metric(rows, &ranking->recall);
    add_metric(rows, &ranking->ndcg);
    qn_text_table_add(rows, qn_show_number(ranking->map.value, 4).text);
    if (ranking->catalogue_share > 0)
        qn_text_table_addf(rows, "%.1f %%", 100.0 * ranking->catalogue_share);
    else
        qn_text_table_add(rows, "-");
}

static void show_ranking(const qn_terminal *out, const qn_evaluation *e)
{
    static const char *const header[] = {"precision", "recall", "NDCG"};
    qn_text_table rows;

    qn_text_table_init(&rows, "lrlrlrlrr");
    qn_text_table_add(&rows, "");
    for (int32_t i = 0; i < 3; i++) {
        qn_text_table_addf(&rows, "%s@%d", header[i], (int)e->k);
        qn_text_table_add(&rows, "95 %");
    }
    qn_text_table_add(&rows, "MAP");
    qn_text_table_add(&rows, "items shown");
    add_ranking(&rows, "model", &e->ranking);
    add_ranking(&rows, "popularity", &e->popularity);
    qn_text_table_print(&rows, out, true, "  ");
    qn_text_table_release(&rows);
    fprintf(
        out->stream,
        "  protocol %s: relevant is a test rating of %g or more; %s users counted, %s without a "
        "relevant item, %s unknown",
        qn_protocol_name(e->protocol), e->threshold, qn_show_count(e->ranking.users).text,
        qn_show_count(e->ranking.without_truth).text, qn_show_count(e->ranking.unknown_users).text);
    if (e->ranking.not_sampled > 0)
        fprintf(out->stream, ", %s not sampled", qn_show_count(e->ranking.not_sampled).text);
    fputc('\n', out->stream);
}

void qn_show_evaluation(const qn_terminal *out, const qn_evaluation *evaluation)
{
    fputc('\n', out->stream);
    if (evaluation->model.n > 0)
        show_errors(out, evaluation);
    show_coverage(out, &evaluation->coverage);
    if (evaluation->has_ranking) {
        fputc('\n', out->stream);
        show_ranking(out, evaluation);
    }
    fputc('\n', out->stream);
}
