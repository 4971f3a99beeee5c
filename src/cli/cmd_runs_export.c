/* quern runs export: a run as the reference experiments write it. */
#include <stdio.h>

#include "cli/commands.h"
#include "run/export.h"

static qn_status run_runs_export(qn_cli *cli)
{
    const char *run = cli->n_arguments > 0 ? cli->argument[0] : "last";
    qn_string path = {0};
    const qn_status st =
        qn_export_run(cli->ctx, cli->globals->runs_dir, run, cli->values[0], &path);

    if (st == QN_OK && cli->globals->json) {
        qn_json j = {0};

        qn_json_open(&j, NULL, '{');
        qn_json_text(&j, "path", qn_string_text(&path));
        qn_json_close(&j, '}');
        puts(qn_string_text(&j.out));
        qn_json_release(&j);
    } else if (st == QN_OK && !cli->globals->quiet) {
        printf("wrote     %s\n", qn_string_text(&path));
    }
    qn_string_release(&path);
    return st;
}

const qn_command qn_cmd_runs_export = {
    .name = "runs export",
    .help = "Write a run's results as the reference experiments do, from its record alone",
    .arguments = "[RUN]",
    .max_arguments = 1,
    .table = {&qn_export_table},
    .usage = "--format kmeans|als|forest|spark-events [--out DIR]",
    .notes =
        "RUN is an id of quern runs list, its beginning, or last, which is the default. The "
        "file is called {tag}_{YYYYmmdd_HHMMSS}.json, after the run's --tag and the time "
        "(UTC) at which it ended, and has exactly the keys of the experiment: kmeans: tag, "
        "hostname, workers, k, maxIter, parts, rows, features, size_gb, fraction, train_sec, "
        "wssse (Spark's training cost), cluster_sizes; als: num_nodes, load_time, train_time, "
        "total_time, rmse, train_records, test_records, partitions; forest: train_count, "
        "val_count, test_count, num_partitions, val_accuracy, test_accuracy, "
        "training_time_sec (the fit alone), total_time_sec, num_executors, executor_cores, "
        "sample_fraction, executor_memory (GiB), num_trees, total_cores, and spark_metrics "
        "with the thirty counters of sparkmeasure. spark-events copies the run's event log, which "
        "Spark's History Server lists and draws from any folder.",
    .examples = "  quern runs export last --format kmeans --out results\n",
    .run = run_runs_export,
};
