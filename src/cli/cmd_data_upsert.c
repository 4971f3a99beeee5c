/* quern data upsert: ratings of any format into a data set. */
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show_upsert.h"

typedef struct upsert_target {
    const char *into;
} upsert_target;

static const qn_param target_rows[] = {
    QN_PARAM_STRING(upsert_target, into, NULL, "DIR", "data set, made or updated",
                    .required = true),
};
static const qn_params target_table = {.name = "data upsert",
                                       .param = target_rows,
                                       .n = sizeof target_rows / sizeof *target_rows,
                                       .struct_size = sizeof(upsert_target)};

static qn_status run_upsert(qn_cli *cli)
{
    const upsert_target *target = cli->values[0];
    const qn_rating_input_options *input = cli->values[1];
    const qn_upsert_options *options = cli->values[3];
    qn_data_upsert_result result;
    qn_json members = {0};
    qn_status st = QN_OK;

    if (input->input.n == 0)
        return qn_fail(cli->ctx, QN_EINVAL, "missing: --input FILE");
    QN_TRY(qn_cli_job_start(cli, "upsert"));
    QN_TRY(qn_data_upsert_run(cli->ctx, target->into, input, cli->values[2], options, &result));
    qn_upsert_result_json(&result.upsert, &members);
    qn_json_open(&members, "data_set", '{');
    qn_upsert_side_json(&result.side, &members);
    qn_json_close(&members, '}');
    qn_json_real(&members, "total_s", result.total_s);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet) {
        qn_show_upsert_read(&cli->out, "read", &result.upsert);
        qn_show_upsert_side(&result.side, options->dry_run);
        qn_show_upsert_end(cli, &result.upsert, options, result.total_s);
    }
    qn_json_release(&members);
    return st;
}

const qn_command qn_cmd_data_upsert = {
    .name = "data upsert",
    .help = "Add ratings of any format to a data set, or make it",
    .table = {&target_table, &qn_rating_input_table, &qn_rules_table, &qn_upsert_table},
    .usage = "--input FILE... --into DIR [options]",
    .notes = "Rows of one movie, user and date are one by the data set's rule; only the months "
             "that new rows fall into are written again. A file that was taken before is not read "
             "again. A plain folder of Parquet becomes a data set.",
    .examples = "  quern data upsert --input ratings.csv --into data/train\n",
    .run = run_upsert,
};
