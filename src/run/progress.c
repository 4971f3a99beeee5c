#include "run/progress.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define REDRAW_SECONDS 0.1
#define BAR_CELLS      20
#define LINE_BYTES     512

struct qn_progress {
    qn_progress_options options;
    char job[32];
    double job_start, last_drawn;
    int32_t open_jobs; /* jobs may lie in one another: the outermost is drawn */
    int64_t rows;      /* that the job or one in it told of */
    bool is_drawn;     /* a line that is still to be overwritten stands on the terminal */
    int64_t steps_done;
    double step_seconds; /* of all steps of the job */
    double loss;
    char last_line[LINE_BYTES]; /* of the job, kept when it ends */
};

static void erase(qn_progress *p)
{
    if (p->is_drawn)
        fputs("\r\033[K", p->options.stream);
    p->is_drawn = false;
}

void qn_progress_clear(qn_progress *progress)
{
    if (!progress)
        return;
    erase(progress);
    fflush(progress->options.stream);
}

/* Cuts a line to the terminal's width, so that it stays one line. */
static void draw(qn_progress *p, const char *line)
{
    const int32_t width = p->options.width > 0 ? p->options.width : 80;

    erase(p);
    fprintf(p->options.stream, "%.*s", (int)(width - 1), line);
    fflush(p->options.stream);
    p->is_drawn = true;
    p->last_drawn = qn_seconds();
}

static void add_bar(char *out, size_t size, double share)
{
    char bar[BAR_CELLS + 1];
    const int full = (int)(share * BAR_CELLS + 0.5);

    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    snprintf(out, size, "[%s] %3.0f %%", bar, share * 100);
}

static double share_of(const qn_event *event)
{
    const double share = event->total > 0 ? (double)event->done / (double)event->total : 0;

    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void on_progress(qn_progress *p, const qn_event *event)
{
    const double elapsed = qn_seconds() - p->job_start;
    const double share = share_of(event);
    char bar[64], rows[32], rate[32], eta[32] = "";
    int n;

    add_bar(bar, sizeof bar, share);
    qn_format_count(event->rows, rows);
    qn_format_count((int64_t)(elapsed > 0 ? (double)event->rows / elapsed : 0), rate);
    n = snprintf(p->last_line, sizeof p->last_line, "%-9s %s", event->name ? event->name : p->job,
                 bar);
    if (event->rows > 0)
        n += snprintf(p->last_line + n, sizeof p->last_line - (size_t)n, "  %s rows, %s/s", rows,
                      rate);
    if (share > 0.01 && share < 1) {
        qn_format_seconds(elapsed / share * (1 - share), eta);
        snprintf(p->last_line + n, sizeof p->last_line - (size_t)n, ", %s left", eta);
    }
    if (qn_seconds() - p->last_drawn >= REDRAW_SECONDS)
        draw(p, p->last_line);
}

/* Time left from the mean of the steps so far. */
static void on_step(qn_progress *p, const qn_event *event)
{
    const double seconds = (double)event->duration_us * 1e-6;
    char bar[64], each[32], left[32];

    p->steps_done++;
    p->step_seconds += seconds;
    p->loss = event->value;
    add_bar(bar, sizeof bar, share_of(event));
    qn_format_seconds(seconds, each);
    qn_format_seconds(
        p->step_seconds / (double)p->steps_done * (double)(event->total - event->done), left);
    snprintf(p->last_line, sizeof p->last_line,
             "%-9s %s  iteration %lld of %lld, loss %.4f, %s each, %s left", p->job, bar,
             (long long)event->done, (long long)event->total, event->value, each, left);
    if (event->done == event->total || qn_seconds() - p->last_drawn >= REDRAW_SECONDS)
        draw(p, p->last_line);
}

static void on_job_start(qn_progress *p, const qn_event *event)
{
    if (p->open_jobs++ > 0)
        return;
    snprintf(p->job, sizeof p->job, "%s", event->name ? event->name : "");
    p->rows = 0;
    p->job_start = qn_seconds();
    p->last_drawn = 0;
    p->steps_done = 0;
    p->step_seconds = 0;
    p->loss = NAN;
    snprintf(p->last_line, sizeof p->last_line, "%-9s ...", p->job);
    draw(p, p->last_line);
    p->last_drawn = 0;
}

static void on_job_end(qn_progress *p, const qn_event *event)
{
    char seconds[32], rows[32], rate[32];

    if (event->rows > 0)
        p->rows = event->rows;
    if (p->open_jobs > 0 && --p->open_jobs > 0)
        return;
    erase(p);
    qn_format_seconds((double)event->duration_us * 1e-6, seconds);
    fprintf(p->options.stream, "%-9s %s in %s", event->name ? event->name : p->job,
            event->status == QN_OK ? "done" : "stopped", seconds);
    if (p->rows > 0) {
        qn_format_count(p->rows, rows);
        qn_format_count((int64_t)((double)p->rows * 1e6 /
                                  (double)(event->duration_us > 0 ? event->duration_us : 1)),
                        rate);
        fprintf(p->options.stream, ", %s rows, %s/s", rows, rate);
    }
    if (p->steps_done > 0)
        fprintf(p->options.stream, ", %lld iterations, loss %.4f", (long long)p->steps_done,
                p->loss);
    fputs("\n", p->options.stream);
    fflush(p->options.stream);
    p->job[0] = '\0';
}

static void progress_sink(void *user, const qn_event *event)
{
    qn_progress *p = user;

    if (p->options.quiet)
        return;
    if (event->kind == QN_EVENT_WARNING) {
        erase(p);
        fprintf(p->options.stream, "warning: %s\n", event->text);
        fflush(p->options.stream);
    }
    if (!p->options.is_terminal)
        return;
    switch (event->kind) {
    case QN_EVENT_WORKER_LOST: /* what was open is over */
        erase(p);
        p->open_jobs = 0;
        break;
    case QN_EVENT_JOB_START:
        on_job_start(p, event);
        break;
    case QN_EVENT_PROGRESS:
        on_progress(p, event);
        break;
    case QN_EVENT_STEP:
        on_step(p, event);
        break;
    case QN_EVENT_JOB_END:
        on_job_end(p, event);
        break;
    default:
        break;
    }
}

qn_status qn_progress_open(qn_context *ctx, const qn_progress_options *options,
                           qn_progress **progress)
{
    qn_status st = QN_OK;
    qn_progress *p = NULL;

    *progress = NULL;
    QN_NEW0(ctx, p, 1, "the progress display");
    p->options = *options;
    p->loss = NAN;
    QN_TRY(qn_context_add_sink(ctx, progress_sink, p));
    *progress = p;
    p = NULL;
done:
    qn_progress_free(p);
    return st;
}

void qn_progress_free(qn_progress *progress)
{
    qn_free(progress);
}
