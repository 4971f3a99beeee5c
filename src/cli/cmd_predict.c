/* quern predict: input columns plus a prediction. */
#include <string.h>

#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "lifecycle/predict.h"
#include "quern/source.h"

/* Text of the data, made harmless. */
static void show_first_missing(FILE *stream, const char *text)
{
    qn_string line = {0};

    qn_string_add_escaped(&line, text);
    fprintf(stream, "          the first: %s\n", qn_string_text(&line));
    qn_string_release(&line);
}

static void show_result(const qn_cli *cli, const qn_predict_result *r, bool to_stdout)
{
    const qn_predict_options *options = cli->values[0];
    FILE *stream = to_stdout ? stderr : stdout;

    fprintf(stream, "read      %s rows, %s bad\n", qn_show_count(r->rows_read).text,
            qn_show_count(r->rows_bad).text);
    fprintf(stream, "wrote     %s rows to %s in %s", qn_show_count(r->rows_written).text,
            to_stdout ? "standard output" : options->output, qn_show_seconds(r->total_s).text);
    if (r->rows_dropped > 0)
        fprintf(stream, ", %s left out", qn_show_count(r->rows_dropped).text);
    if (r->unknown_user + r->unknown_item + r->unknown_both > 0)
        fprintf(stream, "; unknown user %s, item %s, both %s", qn_show_count(r->unknown_user).text,
                qn_show_count(r->unknown_item).text, qn_show_count(r->unknown_both).text);
    if (r->rows_missing > 0)
        fprintf(stream, ", %s without a prediction", qn_show_count(r->rows_missing).text);
    fputc('\n', stream);
    if (r->first_missing[0])
        show_first_missing(stream, r->first_missing);
}

static qn_status run_predict(qn_cli *cli)
{
    qn_predict_options *options = cli->values[0];
    const bool to_stdout = options->output && strcmp(options->output, "-") == 0;
    qn_predict_result result = {0};
    qn_status st = QN_OK;

    if (to_stdout && cli->globals->json)
        options->output_format = QN_FORMAT_JSON;
    if (!to_stdout)
        QN_TRY(qn_cli_job_start(cli, "predict"));
    QN_TRY(qn_predict_run(cli->ctx, options, cli->values[1], cli->values[2], &result));
done:
    st = qn_cli_job_end(cli, st, NULL);
    if (st == QN_OK && !cli->globals->quiet && (to_stdout || !cli->globals->json))
        show_result(cli, &result, to_stdout);
    return st;
}

const qn_command qn_cmd_predict = {
    .name = "predict",
    .help = "Write the rows of a file with the model's prediction behind",
    .table = {&qn_predict_table, &qn_columns_table, &qn_scoring_table},
    .usage = "--model DIR --input FILE... --output FILE [options]",
    .notes = "Rows keep their order and their columns; a row that lacks a feature keeps its line "
             "with an "
             "empty prediction. The extension of the output says its format: "
             "CSV, TSV, JSON lines or Parquet; - is standard output.",
    .examples = "  quern predict --model model --input pairs.csv --output predictions.csv\n"
                "  quern predict --model model --input test.parquet --output - | head\n",
    .takes_workers = true,
    .run = run_predict,
};
