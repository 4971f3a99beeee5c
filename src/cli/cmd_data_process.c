/* quern data process: a file of new ratings into the train and test data sets of a folder. */
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "cli/show_upsert.h"
#include "lifecycle/delivery.h"

static void show(const qn_cli *cli, const qn_process_options *process,
                 const qn_process_result *result)
{
    const qn_upsert_options *options = cli->values[2];

    qn_show_upsert_read(&cli->out, "read", &result->upsert);
    for (int32_t i = 0; i < 2; i++)
        qn_show_upsert_side(&result->side[i], options->dry_run);
    if (result->taken[0])
        printf("source    moved to %s\n", result->taken);
    else if (result->source_removed)
        printf("source    %s deleted\n", process->csv);
    qn_show_upsert_end(cli, &result->upsert, options, result->total_s);
}

static qn_status run_process(qn_cli *cli)
{
    qn_process_options process = *(const qn_process_options *)cli->values[0];
    const qn_rating_input_options *input = cli->values[3];
    qn_process_result result;
    qn_json members = {0};
    qn_status st = QN_OK;

    if (!process.csv && input->input.n == 1)
        process.csv = input->input.item[0];
    else if (!process.csv || input->input.n > 0)
        return qn_fail(cli->ctx, QN_EINVAL, "%s --csv FILE",
                       process.csv || input->input.n > 0 ? "one file at a time:" : "missing:");
    QN_TRY(qn_cli_job_start(cli, "process"));
    QN_TRY(qn_process_run(cli->ctx, &process, input, cli->values[1], cli->values[2], &result));
    qn_process_json(&result, &members);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet)
        show(cli, &process, &result);
    qn_json_release(&members);
    return st;
}

const qn_command qn_cmd_data_process = {
    .name = "data process",
    .help = "Add a file of new ratings to the train and test data sets of a folder",
    .table = {&qn_process_table, &qn_rules_table, &qn_upsert_table, &qn_rating_input_table},
    .usage = "--csv FILE [--output DIR] [--train-ratio .8] [--source keep|move|delete] [options]",
    .notes = "The side of a row depends on --seed, user, movie and date alone, so a file that "
             "comes again, or is tried again, lands on the same sides. The source is moved or "
             "deleted only after both sides are on disk; delete is what the reference's "
             "drift_detection.py process does.",
    .examples = "  quern data process --csv daily.csv --output data/streaming --source move\n",
    .run = run_process,
};
