/* quern etl: Netflix text into two data sets. */
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "cli/show_upsert.h"
#include "lifecycle/etl.h"

static void show(const qn_cli *cli, const qn_etl_result *result)
{
    const qn_upsert_options *options = cli->values[2];
    qn_upsert_result sum = {0};

    for (int32_t i = 0; i < 2; i++) {
        qn_show_upsert_read(&cli->out, i ? "read test" : "read", &result->upsert[i]);
        qn_show_upsert_side(&result->side[i], options->dry_run);
        qn_upsert_result_add(&sum, &result->upsert[i]);
    }
    qn_show_upsert_end(cli, &sum, options, result->total_s);
    if (!options->dry_run) {
        fputs("next      quern fit als --input ", stdout);
        qn_show_word(stdout, result->side[0].path);
        fputs(" --test ", stdout);
        qn_show_word(stdout, result->side[1].path);
        puts(" --model model");
    }
}

static qn_status run_etl(qn_cli *cli)
{
    qn_etl_result result;
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "etl"));
    QN_TRY(qn_etl_run(cli->ctx, cli->values[0], cli->values[1], cli->values[2], &result));
    qn_etl_json(&result, &members);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet)
        show(cli, &result);
    qn_json_release(&members);
    return st;
}

const qn_command qn_cmd_etl = {
    .name = "etl",
    .help = "Turn Netflix text into data sets of partitioned Parquet, or add it to them",
    .table = {&qn_etl_table, &qn_rules_table, &qn_upsert_table},
    .usage = "--train-file FILE... --test-file FILE... --parquet-train-path DIR "
             "--parquet-test-path DIR [options]",
    .notes =
        "A data set that is there is added to: rows of one movie, user and date are one by the "
        "data set's rule. Every row that is dropped is counted with one reason; --rejects lists "
        "them. A file that was taken before is not read again. Both data sets stay as they were "
        "until everything is written.",
    .examples =
        "  quern etl --train-file train.txt --test-file test.txt --parquet-train-path data/train "
        "--parquet-test-path data/test\n",
    .run = run_etl,
};
