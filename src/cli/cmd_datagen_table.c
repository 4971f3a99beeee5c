/* quern datagen susy|fractal|blobs|linear|logistic: tables with planted truth. */
#include <string.h>

#include "cli/commands.h"
#include "cli/show.h"
#include "data/datagen_table.h"

static void print_json(const qn_cli *cli, const qn_gen_result *r)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "command", cli->command->name);
    qn_json_text(&j, "data_path", r->data_path);
    qn_json_text(&j, "truth_path", r->truth_path);
    qn_json_int(&j, "rows", r->rows);
    qn_json_int(&j, "files", r->n_files);
    qn_json_int(&j, "columns", r->n_columns);
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

/* The command that makes use of the data. */
static void print_next(const char *shape, const void *own, const char *path)
{
    const bool is_susy = strcmp(shape, "susy") == 0, is_blobs = strcmp(shape, "blobs") == 0;

    printf("next      quern %s", is_susy || is_blobs ? "fit kmeans --input " : "inspect ");
    qn_show_word(stdout, path);
    if (is_susy)
        printf(" --k 8 --label 0 --model model");
    if (is_blobs)
        printf(" --k %d --label label --model model", ((const qn_gen_blobs_options *)own)->k);
    puts("");
}

static qn_status run_datagen(qn_cli *cli)
{
    const char *shape = strchr(cli->command->name, ' ') + 1;
    const void *own = cli->command->table[1] ? cli->values[1] : NULL;
    qn_gen_result result;
    const qn_status st =
        qn_datagen_table_write(cli->ctx, qn_generator_named(shape), cli->values[0], own, &result);

    if (st != QN_OK)
        return st;
    if (cli->globals->json) {
        print_json(cli, &result);
    } else if (!cli->globals->quiet) {
        printf("wrote     %s rows of %d columns in %s file%s\n", qn_show_count(result.rows).text,
               result.n_columns, qn_show_count(result.n_files).text,
               result.n_files == 1 ? "" : "s");
        printf("data      %s\ntruth     %s\n", result.data_path, result.truth_path);
        print_next(shape, own, result.data_path);
    }
    return QN_OK;
}

#define NOTES                                                                                      \
    "The same options write the same files, byte for byte, whatever the threads. What is planted " \
    "stands in DIR/truth.json."

const qn_command qn_cmd_datagen_susy = {
    .name = "datagen susy",
    .help = "Write a table that looks like SUSY: a label and 18 standardised features",
    .table = {&qn_gen_table},
    .usage = "--out DIR [--rows N] [options]",
    .notes = NOTES,
    .examples = "  quern datagen susy --rows 5000000 --out susy\n",
    .run = run_datagen,
};

const qn_command qn_cmd_datagen_fractal = {
    .name = "datagen fractal",
    .help = "Write laser scan points that look like FRACTAL: folders of Parquet files with classes",
    .table = {&qn_gen_table, &qn_gen_fractal_table},
    .usage = "--out DIR [--rows N] [--files N] [options]",
    .notes = NOTES,
    .examples = "  quern datagen fractal --rows 1000000 --files 32 --out fractal\n",
    .run = run_datagen,
};

const qn_command qn_cmd_datagen_blobs = {
    .name = "datagen blobs",
    .help = "Write round clusters with known centres",
    .table = {&qn_gen_table, &qn_gen_blobs_table},
    .usage = "--out DIR [--k N] [--features N] [options]",
    .notes = NOTES,
    .examples = "  quern datagen blobs --k 8 --features 4 --out blobs\n",
    .run = run_datagen,
};

const qn_command qn_cmd_datagen_linear = {
    .name = "datagen linear",
    .help = "Write a table whose label is a linear function of few features, with noise",
    .table = {&qn_gen_table, &qn_gen_linear_table},
    .usage = "--out DIR [--features N] [--nonzero N] [options]",
    .notes = NOTES,
    .examples = "  quern datagen linear --features 50 --nonzero 10 --out linear\n",
    .run = run_datagen,
};

const qn_command qn_cmd_datagen_logistic = {
    .name = "datagen logistic",
    .help = "Write a table of two classes whose log odds are linear in few features",
    .table = {&qn_gen_table, &qn_gen_logistic_table},
    .usage = "--out DIR [--features N] [--nonzero N] [options]",
    .notes = NOTES,
    .examples = "  quern datagen logistic --rows 100000 --out logistic\n",
    .run = run_datagen,
};
