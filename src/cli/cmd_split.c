/* quern split: cuts a ratings file into train and test. */
#include "cli/commands.h"
#include "cli/show.h"
#include "lifecycle/split.h"

static void print_json(const qn_split_options *options, const qn_split_result *r)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "command", "split");
    qn_json_text(&j, "split", options->split);
    qn_json_int(&j, "split_seed", options->split_seed);
    qn_json_text(&j, "train", options->train);
    qn_json_text(&j, "test", options->test);
    qn_json_int(&j, "rows_read", r->counts.rows_read);
    qn_json_int(&j, "rows_bad", r->counts.rows_bad);
    qn_json_int(&j, "train_records", r->train_records);
    qn_json_int(&j, "test_records", r->test_records);
    qn_json_open(&j, "timings", '{');
    qn_json_real(&j, "load_s", r->load_s);
    qn_json_real(&j, "write_s", r->write_s);
    qn_json_real(&j, "total_s", r->total_s);
    qn_json_close(&j, '}');
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

static qn_status run_split(qn_cli *cli)
{
    const qn_split_options *options = cli->values[0];
    qn_split_result result;
    const qn_status st = qn_split_run(cli->ctx, options, cli->values[1], &result);

    if (st != QN_OK)
        return st;
    if (cli->globals->json) {
        print_json(options, &result);
    } else if (!cli->globals->quiet) {
        qn_show_counts(&cli->out, &result.counts);
        printf("train     %s ratings (%s) in %s\n", qn_show_count(result.train_records).text,
               qn_show_share(result.train_records, result.train_records + result.test_records).text,
               options->train);
        printf("test      %s ratings in %s\n", qn_show_count(result.test_records).text,
               options->test);
        printf("time      %s\n", qn_show_seconds(result.total_s).text);
    }
    return QN_OK;
}

const qn_command qn_cmd_split = {
    .name = "split",
    .help = "Cut a ratings file into a training and a test file",
    .table = {&qn_split_table, &qn_ratings_table},
    .usage = "--input FILE... --train FILE --test FILE --split random:0.8 [options]",
    .notes =
        "random keeps a rating in train by its user, item and --split-seed alone, so any format "
        "and order give the same halves; temporal puts the last ratings into test; "
        "leave-one-out the latest of each user.",
    .examples = "  quern split --input ratings.csv --train train.csv --test test.csv --split "
                "temporal:0.9\n",
    .run = run_split,
};
