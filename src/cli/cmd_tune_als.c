/* quern tune als: a grid of parameters, each judged on the same split or folds. */
#include <math.h>

#include "base/params_out.h"
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "lifecycle/tune.h"
#include "run/record.h"

static void json_row(qn_json *j, const qn_tune_row *row)
{
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "point", row->point);
    qn_json_real(j, "metric", row->mean);
    qn_json_real(j, "std", row->std);
    qn_json_real(j, "rmse", row->rmse);
    qn_json_real(j, "mae", row->mae);
    qn_json_real(j, "precision_at_k", row->precision);
    qn_json_real(j, "recall_at_k", row->recall);
    qn_json_real(j, "ndcg_at_k", row->ndcg);
    qn_json_real(j, "map", row->map);
    qn_json_int(j, "rows_scored", row->rows_scored);
    qn_json_real(j, "fit_s", row->fit_s);
    if (row->status != QN_OK)
        qn_json_text(j, "error", row->error);
    qn_json_close(j, '}');
}

/* "grid":[...],"best":"rank=10 ..." for the record. */
static void json_members(qn_json *j, const qn_tune_result *r)
{
    qn_json_open(j, "grid", '[');
    for (int64_t i = 0; i < r->n_rows; i++)
        json_row(j, &r->row[i]);
    qn_json_close(j, ']');
    qn_json_text(j, "best", r->best >= 0 ? r->row[r->best].point : NULL);
}

static void add_row(qn_text_table *rows, const qn_tune_row *row, bool best)
{
    qn_text_table_add(rows, best ? "*" : "");
    qn_text_table_add(rows, row->point);
    if (row->status != QN_OK) {
        qn_text_table_add(rows, "failed");
        for (int32_t i = 0; i < 6; i++)
            qn_text_table_add(rows, "");
        qn_text_table_add(rows, row->error);
        return;
    }
    qn_text_table_add(rows, qn_show_number(row->mean, 4).text);
    qn_text_table_add(rows, qn_show_number(row->std, 4).text);
    qn_text_table_add(rows, qn_show_number(row->rmse, 4).text);
    qn_text_table_add(rows, qn_show_number(row->mae, 4).text);
    qn_text_table_add(rows, qn_show_number(row->ndcg, 4).text);
    qn_text_table_add(rows, qn_show_number(row->map, 4).text);
    qn_text_table_add(rows, qn_show_seconds(row->fit_s).text);
    qn_text_table_add(rows, "");
}

static void show_grid(const qn_cli *cli, const qn_tune_result *r)
{
    const qn_param choices = {.choices = QN_TUNE_METRIC_CHOICES};
    size_t length = 0;
    const char *metric = qn_param_choice(&choices, r->metric, &length);
    qn_text_table rows;

    qn_text_table_init(&rows, "llrrrrrrrl");
    qn_text_table_add(&rows, "");
    qn_text_table_add(&rows, "point");
    qn_text_table_addf(&rows, "mean %.*s", (int)length, metric ? metric : "");
    qn_text_table_add(&rows, "std");
    qn_text_table_add(&rows, "RMSE");
    qn_text_table_add(&rows, "MAE");
    qn_text_table_add(&rows, "NDCG");
    qn_text_table_add(&rows, "MAP");
    qn_text_table_add(&rows, "fit");
    qn_text_table_add(&rows, "");
    for (int64_t i = 0; i < r->n_rows; i++)
        add_row(&rows, &r->row[i], i == r->best);
    qn_text_table_print(&rows, &cli->out, true, "  ");
    qn_text_table_release(&rows);
}

static void show_result(const qn_cli *cli, const qn_tune_result *r)
{
    const qn_tune_als_options *options = cli->values[0];

    qn_show_counts(&cli->out, &r->counts);
    printf("ratings   %s of %s users and %s items; %d %s\n\n", qn_show_count(r->n_ratings).text,
           qn_show_count(r->n_users).text, qn_show_count(r->n_items).text, (int)r->folds,
           r->folds == 1 ? "split" : "folds");
    show_grid(cli, r);
    putchar('\n');
    if (r->best >= 0)
        printf("best      %s\n", r->row[r->best].point);
    if (options->model && r->digest[0])
        printf("saved     %s, fitted on all ratings, digest %s\n", options->model, r->digest);
    if (qn_record_path(cli->record))
        printf("record    %s\n", qn_record_path(cli->record));
    printf("time      %s\n", qn_show_seconds(r->total_s).text);
}

static qn_status run_tune_als(qn_cli *cli)
{
    qn_tune_result result = {0};
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "tune"));
    QN_TRY(qn_tune_als_run(cli->ctx, cli->values[0], cli->values[1], cli->values[2], cli->values[3],
                           &result));
    json_members(&members, &result);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet)
        show_result(cli, &result);
    qn_json_release(&members);
    qn_tune_result_release(&result);
    return st;
}

const qn_command qn_cmd_tune_als = {
    .name = "tune als",
    .help = "Try a grid of parameters on the same split or folds and keep the best",
    .table = {&qn_tune_als_table, &qn_ratings_table, &qn_als_table, &qn_ranking_table},
    .usage = "--input FILE... --grid NAME=A,B,C [--grid ...] [--folds 3 | --split random:0.8] "
             "[--model DIR] [options]",
    .examples = "  quern tune als --input ratings.csv --grid rank=10,20,50 --grid "
                "reg-param=.02,.05,.1 --folds 3 --model best\n",
    .takes_workers = true,
    .run = run_tune_als,
};
