/* quern data merge: the train and test data sets of one folder into those of another. */
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "cli/show_upsert.h"
#include "lifecycle/merge.h"

static void show(const qn_cli *cli, const qn_merge_result *result)
{
    const qn_upsert_options *options = cli->values[2];
    qn_upsert_result sum = {0};

    for (int32_t i = 0; i < 2; i++) {
        const qn_merge_side *side = &result->side[i];

        if (side->missing) {
            printf("%-9s there is no %s: skipped\n", side->side.name, side->from);
            continue;
        }
        qn_show_upsert_read(&cli->out, "read", &side->upsert);
        qn_show_upsert_side(&side->side, options->dry_run);
        if (side->removed)
            printf("          %s removed\n", side->from);
        qn_upsert_result_add(&sum, &side->upsert);
    }
    qn_show_upsert_end(cli, &sum, options, result->total_s);
}

static qn_status run_merge(qn_cli *cli)
{
    qn_merge_result result;
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "merge"));
    QN_TRY(qn_merge_run(cli->ctx, cli->values[0], cli->values[1], cli->values[2], &result));
    qn_merge_json(&result, &members);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet)
        show(cli, &result);
    qn_json_release(&members);
    return st;
}

const qn_command qn_cmd_data_merge = {
    .name = "data merge",
    .help = "Add the train and test data sets of one folder to those of another",
    .table = {&qn_merge_table, &qn_rules_table, &qn_upsert_table},
    .usage = "--streaming DIR --processed DIR [--keep-streaming] [--dry-run] [options]",
    .notes = "A side that is missing is skipped. The streaming data sets are locked while they are "
             "merged, and removed after both processed ones are on disk: what is removed is what "
             "was read.",
    .examples =
        "  quern data merge --streaming data/streaming --processed data/processed/parquet\n",
    .run = run_merge,
};
