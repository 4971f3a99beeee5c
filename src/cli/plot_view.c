#include "cli/plot_view.h"

#include "cli/show.h"
#include "run/progress.h"

static void note_file(qn_plot_view *view, const char *name, const char *ending)
{
    qn_string path = {0};

    qn_string_addf(&path, "%s/%s.%s", view->files.dir, name, ending);
    if (view->cli->globals->json)
        qn_json_text(&view->list, NULL, qn_string_text(&path));
    else if (!view->cli->globals->quiet)
        printf("wrote     %s\n", qn_string_text(&path));
    qn_string_release(&path);
}

qn_status qn_plot_view_figure(void *arg, const qn_figure *figure)
{
    qn_plot_view *view = arg;
    const qn_cli *cli = view->cli;
    const qn_plot_screen screen = {
        .width = cli->out.width, .blocks = qn_shows_blocks(), .colour = cli->out.colour};
    qn_string text = {0};
    qn_status st = QN_OK;

    qn_progress_clear(cli->progress);
    if (!cli->globals->json && !cli->globals->quiet) {
        qn_plot_text(figure, &screen, &text);
        printf("%s\n", qn_string_text(&text));
        qn_string_release(&text);
    }
    if (!view->files.dir)
        return QN_OK;
    st = qn_plot_write(cli->ctx, &view->files, figure);
    if (st != QN_OK && st != QN_EUNAVAILABLE)
        return st;
    note_file(view, figure->name, "csv");
    if (st == QN_OK)
        note_file(view, figure->name, view->files.format == QN_PLOT_PNG ? "png" : "svg");
    else
        view->missing = st; /* the data are there; the other figures' data shall be, too */
    return QN_OK;
}
