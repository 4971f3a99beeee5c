/* quern export: a saved model for readers and other programs. */
#include <string.h>

#include "cli/commands.h"
#include "lifecycle/export_model.h"

static qn_status run_export(qn_cli *cli)
{
    const qn_export_model_options *options = cli->values[0];
    const qn_status st = qn_export_model_run(cli->ctx, options);
    qn_json j = {0};

    if (st != QN_OK || strcmp(options->output, "-") == 0)
        return st;
    if (cli->globals->json) {
        qn_json_open(&j, NULL, '{');
        qn_json_text(&j, "output", options->output);
        qn_json_close(&j, '}');
        puts(qn_string_text(&j.out));
        qn_json_release(&j);
    } else if (!cli->globals->quiet) {
        printf("written   %s\n", options->output);
    }
    return st;
}

const qn_command qn_cmd_export = {
    .name = "export",
    .help = "Write a saved model as text, JSON, a picture or a C header",
    .table = {&qn_export_model_table},
    .usage = "--model DIR --format text|json|svg|c [--output FILE] [options]",
    .notes =
        "Models of trees and forests have these forms. The C header needs nothing beside it "
        "and predicts a row to the last bit as Quern does; a row holds the model's features in "
        "their order, categories by their number, NaN where a value is missing.",
    .examples = "  quern export --model forest --format text\n"
                "  quern export --model forest --format svg --tree 3 --output tree.svg\n"
                "  quern export --model forest --format c --name lidar --output lidar.h\n",
    .run = run_export,
};
