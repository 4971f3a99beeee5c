/* quern plot forest: pictures of a tree or a forest, on the terminal and as files. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/plot_view.h"
#include "experiment/plot_forest.h"

static void print_json(const qn_plot_forest_result *result, const qn_json *list)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_int(&j, "figures", result->n_figures);
    qn_json_raw(&j, "files", qn_string_text(&list->out));
    qn_json_int(&j, "rows", result->n_rows);
    qn_json_real(&j, "accuracy", result->accuracy);
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

/* What is wrong with the place of the pictures is known before work. */
static qn_status check_files(const qn_plot_view *view, const qn_plot_forest_options *options)
{
    qn_status st = QN_OK;

    for (int32_t figure = QN_FOREST_IMPORTANCES; view->files.dir && figure < QN_FOREST_FIGURES;
         figure++)
        if (qn_plot_forest_wants(options, figure))
            QN_TRY(qn_plot_check(view->cli->ctx, &view->files, qn_forest_figure_name(figure)));
done:
    return st;
}

static qn_status run_plot_forest(qn_cli *cli)
{
    const qn_plot_forest_options *options = cli->values[0];
    qn_plot_view view = {
        .cli = cli,
        .files = {.dir = options->out, .format = options->format, .overwrite = options->overwrite}};
    qn_plot_forest_result result;
    qn_status st = QN_OK;

    qn_json_open(&view.list, NULL, '[');
    QN_TRY(check_files(&view, options));
    QN_TRY(qn_plot_forest(cli->ctx, options, qn_plot_view_figure, &view, &result));
    qn_json_close(&view.list, ']');
    if (cli->globals->json)
        print_json(&result, &view.list);
    st = view.missing;
done:
    qn_json_release(&view.list);
    return st;
}

const qn_command qn_cmd_plot_forest = {
    .name = "plot forest",
    .help = "Pictures of trees: importances, error out of bag, confusion matrix, ROC, a map",
    .table = {&qn_plot_forest_table},
    .usage = "--model DIR [--input FILE...] [--x-col COL --y-col COL] [--out DIR] [options]",
    .notes =
        "Each figure is shown as text; with --out it is also written as a picture, SVG or PNG, "
        "with its data beside as CSV. importances: what the features are worth, the largest "
        "first. oob: the error of the first 1, 2 ... trees on rows that they have not seen, where "
        "the fit kept it. confusion: for each label of the input, how its rows were predicted. "
        "roc: true against false positives for every threshold, of class 1 where there are two, "
        "else of each class against the rest. tile: rows of the input at their places, coloured "
        "by label on the left and by prediction on the right. Labels are the model's column or "
        "--label. A tree itself is drawn by quern export --format svg. Pictures are drawn by "
        "gnuplot; without it the text and the data come all the same.",
    .examples =
        "quern plot forest --model model --input test.csv --out pictures --format png\n"
        "quern plot forest --model lidar --input tile.parquet --x-col 'xyz[0]' --y-col 'xyz[1]' "
        "--class-names 1=other,2=ground,3=vegetation\n"
        "quern plot forest --model model --figure importances\n",
    .run = run_plot_forest,
};
