/* quern evaluate: how good a saved model is on ratings that it has not seen. */
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "run/record.h"

static void show_result(const qn_cli *cli, const qn_evaluate_result *r)
{
    const qn_evaluate_options *options = cli->values[0];

    if (r->algo->table) {
        qn_show_table_counts(&cli->out, &r->table_counts);
        printf("model     %s: %s, digest %s\n", options->model, r->algo->name, r->digest);
        printf("data      %s rows of %s features\n", qn_show_count(r->n_rows).text,
               qn_show_count(r->n_features).text);
        qn_show_json(&cli->out, qn_string_text(&r->figures.out));
    } else {
        qn_show_counts(&cli->out, &r->counts);
        printf("model     %s: rank %d, digest %s\n", options->model, (int)r->rank, r->digest);
        qn_show_evaluation(&cli->out, &r->evaluation);
    }
    if (qn_record_path(cli->record))
        printf("record    %s\n", qn_record_path(cli->record));
    printf("time      load %s, evaluate %s, total %s\n", qn_show_seconds(r->load_s).text,
           qn_show_seconds(r->evaluate_s).text, qn_show_seconds(r->total_s).text);
}

/* What the record does not hold. */
static void add_members(const qn_evaluate_options *options, const qn_evaluate_result *r, qn_json *j)
{
    const qn_reference_run run = {
        .model_path = options->model, .test_file = options->input.item[0], .rank = r->rank};

    if (r->algo->table) {
        /* Without its braces: the figures stand beside the record's own members. */
        qn_string_add_bytes(&j->out, r->figures.out.text + 1, r->figures.out.length - 2);
        return;
    }
    qn_json_open(j, "reference", '{');
    qn_evaluation_reference_json(&r->evaluation, &run, j);
    qn_json_close(j, '}');
}

static qn_status run_evaluate(qn_cli *cli)
{
    const qn_evaluate_options *options = cli->values[0];
    qn_evaluate_result result = {0};
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "evaluate"));
    QN_TRY(qn_evaluate_run(cli->ctx, options, cli->values[1], cli->values[2], cli->values[3],
                           &result));
    add_members(options, &result, &members);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet)
        show_result(cli, &result);
    qn_json_release(&members);
    qn_evaluate_result_release(&result);
    return st;
}

const qn_command qn_cmd_evaluate = {
    .name = "evaluate",
    .help = "Judge a saved model on rows it has not seen",
    .table = {&qn_evaluate_table, &qn_columns_table, &qn_ranking_table, &qn_scoring_table},
    .usage = "--model DIR --input TEST... [--seen TRAIN...] [options]",
    .notes = "What is said depends on the model: errors, rankings, coverage and baselines of a "
             "recommending one, costs and silhouette of clusters. Three ways to judge rankings: "
             "spark (its formulas), reference (all items are "
             "candidates, users without a relevant item are left out) and honest (items seen in "
             "training are no candidates; needs --seen). Every figure has a 95 % interval and "
             "stands beside what the means and the most popular items would reach.",
    .examples = "  quern evaluate --model model --input test.csv --seen train.csv -k 10\n",
    .takes_workers = true,
    .run = run_evaluate,
};
