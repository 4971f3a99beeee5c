/* quern plot kmeans: pictures of a model, on the terminal and as files. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/plot_view.h"
#include "experiment/plot_kmeans.h"

static void show_result(const qn_plot_kmeans_result *result)
{
    if (result->knee > 0)
        printf("knee      k = %d: the point farthest below the line from first to last\n",
               (int)result->knee);
    if (!isnan(result->largest_drift))
        printf("drift     largest %.3g %% of the mean distance between centres (below 1 %%: the "
               "same clusters)\n",
               100 * result->largest_drift);
    if (result->n_unmatched > 0)
        printf("unmatched %d centres: the other model has fewer\n", (int)result->n_unmatched);
}

static void print_json(const qn_plot_kmeans_result *result, const qn_json *list)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_int(&j, "figures", result->n_figures);
    qn_json_raw(&j, "files", qn_string_text(&list->out));
    qn_json_int(&j, "rows", result->n_rows);
    qn_json_int(&j, "sample_rows", result->sample_rows);
    if (result->knee > 0)
        qn_json_int(&j, "knee", result->knee);
    else
        qn_json_null(&j, "knee");
    qn_json_real(&j, "largest_drift", result->largest_drift);
    qn_json_int(&j, "unmatched", result->n_unmatched);
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

/* What is wrong with the place of the pictures is known before work. */
static qn_status check_files(const qn_plot_view *view, const qn_plot_kmeans_options *options)
{
    qn_status st = QN_OK;

    for (int32_t figure = QN_FIGURE_SIZES; view->files.dir && figure < QN_KMEANS_FIGURES; figure++)
        if (qn_plot_kmeans_wants(options, figure))
            QN_TRY(qn_plot_check(view->cli->ctx, &view->files, qn_kmeans_figure_name(figure)));
done:
    return st;
}

static qn_status run_plot_kmeans(qn_cli *cli)
{
    const qn_plot_kmeans_options *options = cli->values[0];
    qn_plot_view view = {
        .cli = cli,
        .files = {.dir = options->out, .format = options->format, .overwrite = options->overwrite}};
    qn_plot_kmeans_result result;
    qn_status st = QN_OK;

    qn_json_open(&view.list, NULL, '[');
    QN_TRY(check_files(&view, options));
    QN_TRY(qn_plot_kmeans(cli->ctx, options, qn_plot_view_figure, &view, &result));
    qn_json_close(&view.list, ']');
    if (cli->globals->json)
        print_json(&result, &view.list);
    else if (!cli->globals->quiet)
        show_result(&result);
    st = view.missing;
done:
    qn_json_release(&view.list);
    return st;
}

const qn_command qn_cmd_plot_kmeans = {
    .name = "plot kmeans",
    .help = "Pictures of clusters: sizes, elbow, projection, drift of the centres between models",
    .table = {&qn_plot_kmeans_table},
    .usage = "--model DIR [--input FILE...] [--against DIR...] [--out DIR] [options]",
    .notes =
        "Each figure is shown as text; with --out it is also written as a picture, SVG or PNG, "
        "with its data beside as CSV. sizes: rows of each cluster. elbow: fits for several k on a "
        "sample of the input, the cost of a row against k. projection: rows of the sample in the "
        "plane of their first two principal components. drift: centres matched with those of "
        "other models so that the sum of distances is least, as a share of the mean distance "
        "between centres. Pictures are drawn by gnuplot; without it the text and the data come "
        "all the same.",
    .examples = "  quern plot kmeans --model model --input susy.csv --out pictures --format png\n"
                "  quern plot kmeans --model monday --against tuesday wednesday --figure drift\n",
    .run = run_plot_kmeans,
};
