/* quern data verify: whether a data set is what its manifest says. */
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "lifecycle/dataset_jobs.h"

static qn_status run_verify(qn_cli *cli)
{
    qn_verify_result r;
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "verify"));
    QN_TRY(qn_dataset_verify(cli->ctx, cli->argument[0], &r));
    qn_json_text(&members, "path", cli->argument[0]);
    qn_json_int(&members, "generation", r.generation);
    qn_json_int(&members, "rows", r.rows);
    qn_json_int(&members, "files", r.files);
    qn_json_int(&members, "parts", r.parts);
    qn_json_int(&members, "bytes", r.bytes);
    qn_json_real(&members, "total_s", r.total_s);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet) {
        printf("fine      %s, generation %lld: %s rows in %s files of %s parts, %s\n",
               cli->argument[0], (long long)r.generation, qn_show_count(r.rows).text,
               qn_show_count(r.files).text, qn_show_count(r.parts).text,
               qn_show_bytes((double)r.bytes).text);
        printf("time      %s\n", qn_show_seconds(r.total_s).text);
    }
    qn_json_release(&members);
    return st;
}

const qn_command qn_cmd_data_verify = {
    .name = "data verify",
    .help = "Check every file and row of a data set against its manifest",
    .arguments = "DIR",
    .min_arguments = 1,
    .max_arguments = 1,
    .usage = "[options]",
    .notes = "Presence, size and digest of every file; number, order and month of its rows; no two "
             "rows of one key where the rule says so. The first fault is named, exit code 4.",
    .examples = "  quern data verify data/train\n",
    .run = run_verify,
};
