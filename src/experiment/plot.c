#include "experiment/plot.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "experiment/draw.h"
#include "experiment/plot_impl.h"

const qn_plot_colour qn_plot_palette[QN_PLOT_COLOURS] = {
    {0x0072B2, 25},  {0xD55E00, 166}, {0x009E73, 36},  {0xE69F00, 178},
    {0xCC79A7, 175}, {0x56B4E9, 74},  {0x555555, 240}, {0xB8A800, 142},
};

bool qn_plot_row(const qn_figure *figure, const qn_plot_series *series, int64_t row,
                 qn_plot_point *point)
{
    point->x = figure->column[series->x].value[row];
    point->y = figure->column[series->y].value[row];
    point->by = 0;
    point->note = NULL;
    if (!isfinite(point->x) || !isfinite(point->y) || (figure->x.is_log && point->x <= 0) ||
        (figure->y.is_log && point->y <= 0))
        return false;
    if (series->by != QN_PLOT_NONE) {
        const double by = figure->column[series->by].value[row];

        if (!(by >= 0 && by < 1e9))
            return false;
        point->by = (int32_t)by;
    }
    if (series->kind == QN_PLOT_CELLS)
        point->shade = fmin(fmax(figure->column[series->shade].value[row], 0), 1);
    if (series->note != QN_PLOT_NONE) {
        const qn_plot_column *column = &figure->column[series->note];

        if (column->text) {
            point->note = column->text[row];
        } else if (!isnan(column->value[row])) {
            qn_format_double(column->value[row], point->buffer);
            point->note = point->buffer;
        }
    }
    return true;
}

static void span_add(qn_plot_span *span, const qn_plot_point *p)
{
    if (span->n++ == 0) {
        span->x_min = span->x_max = p->x;
        span->y_min = span->y_max = p->y;
    }
    span->x_min = fmin(span->x_min, p->x);
    span->x_max = fmax(span->x_max, p->x);
    span->y_min = fmin(span->y_min, p->y);
    span->y_max = fmax(span->y_max, p->y);
    span->by_max = p->by > span->by_max ? p->by : span->by_max;
}

void qn_plot_span_of(const qn_figure *figure, const qn_plot_series *series, qn_plot_span *span)
{
    qn_plot_point p, before = {.x = NAN};

    *span = (qn_plot_span){.x_gap = INFINITY};
    for (int64_t row = 0; row < figure->n_rows; row++) {
        if (!qn_plot_row(figure, series, row, &p))
            continue;
        span_add(span, &p);
        if (p.x != before.x && !isnan(before.x))
            span->x_gap = fmin(span->x_gap, fabs(p.x - before.x));
        before.x = p.x;
    }
    if (isinf(span->x_gap))
        span->x_gap = 1;
}

void qn_plot_span_all(const qn_figure *figure, qn_plot_span *span)
{
    qn_plot_span one;

    *span = (qn_plot_span){.x_gap = 1};
    for (int32_t s = 0; s < figure->n_series; s++) {
        const qn_plot_series *series = &figure->series[s];

        qn_plot_span_of(figure, series, &one);
        if (one.n == 0)
            continue;
        span_add(span, &(qn_plot_point){.x = one.x_min, .y = one.y_min});
        span_add(span, &(qn_plot_point){.x = one.x_max, .y = one.y_max, .by = one.by_max});
        if (series->kind == QN_PLOT_BARS) {
            span->x_gap = one.x_gap;
            span->y_min = fmin(span->y_min, 0);
            span->y_max = fmax(span->y_max, 0);
        }
    }
}

bool qn_plot_has(const qn_figure *figure, qn_plot_kind kind)
{
    for (int32_t s = 0; s < figure->n_series; s++)
        if (figure->series[s].kind == kind)
            return true;
    return false;
}

double qn_plot_step(double range, int32_t most)
{
    static const double step[] = {1, 2, 5, 10};
    const double size = isfinite(range) && range > 0 ? range / most : 1;
    const double power = pow(10, floor(log10(size)));

    for (size_t i = 0; i < sizeof step / sizeof *step; i++)
        if (step[i] * power >= size * (1 - 1e-9))
            return step[i] * power;
    return 10 * power;
}

static void csv_text(const char *text, qn_string *out)
{
    if (!strpbrk(text, ",\"\r\n")) {
        qn_string_add(out, text);
        return;
    }
    qn_string_add(out, "\"");
    for (; *text; text++)
        qn_string_add(out, *text == '"' ? "\"\"" : (char[2]){*text, '\0'});
    qn_string_add(out, "\"");
}

void qn_plot_csv(const qn_figure *figure, qn_string *out)
{
    for (int64_t row = -1; row < figure->n_rows; row++) {
        const char *comma = "";

        for (int32_t c = 0; c < figure->n_columns; c++) {
            const qn_plot_column *column = &figure->column[c];
            char number[32];

            if (column->is_note)
                continue;
            qn_string_add(out, comma);
            comma = ",";
            if (row < 0) {
                csv_text(column->name, out);
            } else if (column->text) {
                csv_text(column->text[row] ? column->text[row] : "", out);
            } else if (!isnan(column->value[row])) {
                qn_format_double(column->value[row], number);
                qn_string_add(out, number);
            }
        }
        qn_string_add(out, "\n");
    }
}

/* DIR/NAME.ending */
static void file_path(const qn_plot_files *files, const char *name, const char *ending,
                      qn_string *out)
{
    qn_string_clear(out);
    qn_string_addf(out, "%s/%s.%s", files->dir, name, ending);
}

static const char *picture_ending(const qn_plot_files *files)
{
    return files->format == QN_PLOT_PNG ? "png" : "svg";
}

qn_status qn_plot_check(qn_context *ctx, const qn_plot_files *files, const char *name)
{
    const char *const ending[] = {"csv", picture_ending(files)};
    qn_string path = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_make_dirs(ctx, files->dir));
    for (int32_t i = 0; i < 2; i++) {
        qn_out_file *out = NULL;

        file_path(files, name, ending[i], &path);
        QN_TRY(qn_out_open(ctx, qn_string_text(&path), files->overwrite, &out));
        qn_out_abandon(&out);
    }
done:
    qn_string_release(&path);
    return st;
}

static qn_status write_whole(qn_context *ctx, const char *path, bool overwrite,
                             const qn_string *text)
{
    qn_out_file *out = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_out_open(ctx, path, overwrite, &out));
    QN_TRY(qn_out_write(out, qn_string_text(text), text->length));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    return st;
}

qn_status qn_plot_write(qn_context *ctx, const qn_plot_files *files, const qn_figure *figure)
{
    qn_string path = {0}, data = {0}, script = {0}, picture = {0};
    qn_status st = QN_OK;

    qn_plot_csv(figure, &data);
    qn_plot_script(figure, (qn_plot_format)files->format, &script);
    if (data.failed || script.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "not enough memory for the figure %s", figure->name);
        goto done;
    }
    QN_TRY(qn_make_dirs(ctx, files->dir));
    file_path(files, figure->name, "csv", &path);
    QN_TRY(write_whole(ctx, qn_string_text(&path), files->overwrite, &data));
    QN_TRY(qn_draw(ctx, files->program, &script, &picture));
    file_path(files, figure->name, picture_ending(files), &path);
    QN_TRY(write_whole(ctx, qn_string_text(&path), files->overwrite, &picture));
done:
    qn_string_release(&path);
    qn_string_release(&data);
    qn_string_release(&script);
    qn_string_release(&picture);
    return st;
}
