/* quern runs gc, runs compare: fewer runs, and two beside one another. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/show.h"
#include "run/runs_gc.h"

static qn_status run_runs_gc(qn_cli *cli)
{
    const qn_runs_gc_options *options = cli->values[0];
    int64_t removed = 0, live = 0;
    const qn_status st =
        qn_runs_gc(cli->ctx, cli->globals->runs_dir, options->keep, &removed, &live);

    if (st != QN_OK)
        return st;
    if (cli->globals->json)
        printf("{\"removed\":%lld,\"live\":%lld}\n", (long long)removed, (long long)live);
    else if (!cli->globals->quiet)
        printf("removed   %lld runs with their event logs%s\n", (long long)removed,
               live > 0 ? "; runs that still live stay" : "");
    return QN_OK;
}

const qn_command qn_cmd_runs_gc = {
    .name = "runs gc",
    .help = "Remove all but the newest runs, with their event logs and checkpoints",
    .table = {&qn_runs_gc_table},
    .usage = "--keep N",
    .notes = "Runs that still live are never removed.",
    .examples = "  quern runs gc --keep 20\n",
    .run = run_runs_gc,
};

static void add_value(qn_text_table *rows, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));

    qn_text_table_add(rows, json_is_string(value) ? json_string_value(value) : text ? text : "");
    free(text);
}

static void add_pairs(qn_text_table *rows, const json_t *pairs)
{
    const char *key;
    json_t *pair;

    json_object_foreach((json_t *)pairs, key, pair)
    {
        const json_t *ratio = json_array_get(pair, 2);

        qn_text_table_add(rows, key);
        add_value(rows, json_array_get(pair, 0));
        add_value(rows, json_array_get(pair, 1));
        qn_text_table_add(
            rows, json_is_number(ratio) ? qn_show_number(json_number_value(ratio), 3).text : "");
    }
}

static void show_pairs(const qn_cli *cli, const json_t *compared)
{
    const json_t *same = json_object_get(compared, "same_model");
    qn_text_table rows;

    qn_text_table_init(&rows, "lrrr");
    qn_text_table_add(&rows, "");
    add_value(&rows, json_object_get(compared, "a"));
    add_value(&rows, json_object_get(compared, "b"));
    qn_text_table_add(&rows, "b / a");
    add_pairs(&rows, json_object_get(compared, "differ"));
    add_pairs(&rows, json_object_get(compared, "numbers"));
    qn_text_table_print(&rows, &cli->out, true, "");
    qn_text_table_release(&rows);
    if (json_is_boolean(same))
        printf("models    %s\n", json_is_true(same) ? "the same, bit for bit" : "differ");
}

static qn_status run_runs_compare(qn_cli *cli)
{
    qn_string text = {0};
    const qn_status st = qn_runs_compare(cli->ctx, cli->globals->runs_dir, cli->argument[0],
                                         cli->argument[1], &text);
    json_t *compared = st == QN_OK ? json_loads(qn_string_text(&text), 0, NULL) : NULL;

    if (st == QN_OK && cli->globals->json)
        puts(qn_string_text(&text));
    else if (st == QN_OK)
        show_pairs(cli, compared);
    json_decref(compared);
    qn_string_release(&text);
    return st;
}

const qn_command qn_cmd_runs_compare = {
    .name = "runs compare",
    .help = "Show where two runs differ, and their numbers beside one another",
    .arguments = "RUN RUN",
    .min_arguments = 2,
    .max_arguments = 2,
    .notes = "RUN is an id of quern runs list, its beginning, or last. Parameters, data and "
             "versions stand there where they differ; counts, timings, metrics and resources "
             "always, with their ratio.",
    .examples = "  quern runs compare als-20261121-041530 last\n",
    .run = run_runs_compare,
};
