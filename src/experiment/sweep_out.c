/* The table of a sweep as JSON and as CSV. */
#include <math.h>
#include <stdio.h>

#include "experiment/sweep_impl.h"

static const char *sweep_metric(const qn_sweep_result *r)
{
    return r->metric[0] ? r->metric : "quality";
}

static void json_range(qn_json *j, const char *key, const qn_sweep_range *range)
{
    qn_json_open(j, key, '{');
    qn_json_real(j, "median", range->median);
    qn_json_real(j, "least", range->least);
    qn_json_real(j, "greatest", range->greatest);
    qn_json_close(j, '}');
}

static void json_size(qn_json *j, const char *key, double bytes)
{
    if (isnan(bytes))
        qn_json_null(j, key);
    else
        qn_json_int(j, key, (int64_t)bytes);
}

static void json_number(qn_json *j, const char *key, int64_t value)
{
    if (value < 0)
        qn_json_null(j, key);
    else
        qn_json_int(j, key, value);
}

static void json_point(qn_json *j, const qn_sweep_result *r, int64_t i)
{
    const qn_sweep_point *point = &r->point[i];
    const qn_sweep_row *row = &r->row[i];

    qn_json_open(j, NULL, '{');
    qn_json_text(j, "point", point->name);
    qn_json_int(j, "workers", point->workers);
    qn_json_int(j, "partitions", point->partitions);
    qn_json_text(j, "memory", point->memory[0] ? point->memory : NULL);
    json_number(j, "threads", row->threads);
    qn_json_int(j, "runs", row->n_ok);
    qn_json_int(j, "failed", row->n_failed);
    json_range(j, "load_s", &row->load);
    json_range(j, "fit_s", &row->fit);
    json_range(j, "evaluate_s", &row->evaluate);
    json_range(j, "total_s", &row->total);
    qn_json_real(j, sweep_metric(r), row->quality);
    qn_json_bool(j, "shares_cores", row->shares_cores);
    qn_json_real(j, "speed_up", row->speed_up);
    qn_json_real(j, "efficiency", row->efficiency);
    qn_json_text(j, "compared_to", row->base >= 0 ? r->point[row->base].name : NULL);
    json_size(j, "spilled_bytes", row->spilled.median);
    json_size(j, "moved_bytes", row->moved.median);
    json_size(j, "peak_bytes", row->peak.greatest);
    qn_json_text(j, "error", row->failed >= 0 ? r->run[row->failed].error : NULL);
    if (row->failed >= 0)
        qn_json_int(j, "exit_code", r->run[row->failed].exit_code);
    qn_json_close(j, '}');
}

static void json_run(qn_json *j, const qn_sweep_result *r, const qn_sweep_run *run)
{
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "point", r->point[run->point].name);
    qn_json_int(j, "repeat", run->repeat);
    qn_json_text(j, "status", run->is_ok ? "ok" : run->is_done ? "failed" : "missing");
    qn_json_int(j, "exit_code", run->exit_code);
    qn_json_text(j, "error", run->error[0] ? run->error : NULL);
    json_number(j, "workers_observed", run->is_ok ? run->workers : -1);
    qn_json_real(j, "load_s", run->load_s);
    qn_json_real(j, "fit_s", run->fit_s);
    qn_json_real(j, "evaluate_s", run->evaluate_s);
    qn_json_real(j, "total_s", run->total_s);
    qn_json_real(j, sweep_metric(r), run->quality);
    json_number(j, "spilled_bytes", run->spilled_bytes);
    json_number(j, "moved_bytes", run->moved_bytes);
    json_number(j, "peak_bytes", run->peak_bytes);
    qn_json_text(j, "model_digest", run->digest[0] ? run->digest : NULL);
    qn_json_close(j, '}');
}

void qn_sweep_json(const qn_sweep_result *result, qn_json *j)
{
    qn_json_open(j, "points", '[');
    for (int64_t i = 0; i < result->n_points; i++)
        json_point(j, result, i);
    qn_json_close(j, ']');
    qn_json_open(j, "runs", '[');
    for (int64_t i = 0; i < result->n_runs; i++)
        json_run(j, result, &result->run[i]);
    qn_json_close(j, ']');
    qn_json_text(j, "digest", result->digest[0] ? result->digest : NULL);
    qn_json_bool(j, "digests_equal", !result->digests_differ && !result->data_differs);
    qn_json_bool(j, "data_equal", !result->data_differs);
    qn_json_int(j, "runs_ok", result->n_ok);
    qn_json_int(j, "runs_failed", result->n_failed);
    qn_json_int(j, "runs_kept", result->n_kept);
    qn_json_text(j, "folder", result->dir[0] ? result->dir : NULL);
}

/* A field of CSV: empty where there is nothing to say. */
static void csv_real(qn_string *out, double value)
{
    char text[32];

    qn_format_double(value, text);
    qn_string_addf(out, ",%s", isnan(value) ? "" : text);
}

static void csv_range(qn_string *out, const qn_sweep_range *range)
{
    csv_real(out, range->median);
    csv_real(out, range->least);
    csv_real(out, range->greatest);
}

static void csv_text(qn_string *out, const char *text)
{
    qn_string_add(out, ",\"");
    for (; *text; text++) {
        if (*text == '"')
            qn_string_add(out, "\"");
        qn_string_add_bytes(out, text, 1);
    }
    qn_string_add(out, "\"");
}

static void csv_line(const qn_sweep_result *r, int64_t i, qn_string *out)
{
    const qn_sweep_point *point = &r->point[i];
    const qn_sweep_row *row = &r->row[i];

    qn_string_addf(out, "%d,%d,%s,", (int)point->workers, (int)point->partitions, point->memory);
    if (row->threads >= 0)
        qn_string_addf(out, "%d", (int)row->threads);
    qn_string_addf(out, ",%d,%d", (int)row->n_ok, (int)row->n_failed);
    csv_range(out, &row->load);
    csv_range(out, &row->fit);
    csv_range(out, &row->evaluate);
    csv_range(out, &row->total);
    csv_real(out, row->quality);
    qn_string_addf(out, ",%s", row->n_ok == 0 ? "" : row->shares_cores ? "true" : "false");
    csv_real(out, row->speed_up);
    csv_real(out, row->efficiency);
    csv_real(out, row->spilled.median);
    csv_real(out, row->moved.median);
    csv_real(out, row->peak.greatest);
    csv_text(out, row->failed >= 0 ? r->run[row->failed].error : "");
    qn_string_add(out, "\n");
}

void qn_sweep_csv(const qn_sweep_result *result, qn_string *out)
{
    static const char *const timing[] = {"load", "fit", "evaluate", "total"};

    qn_string_add(out, "workers,partitions,memory,threads,runs,failed");
    for (int i = 0; i < 4; i++)
        qn_string_addf(out, ",%s_s,%s_s_least,%s_s_greatest", timing[i], timing[i], timing[i]);
    qn_string_addf(out,
                   ",%s,shares_cores,speed_up,efficiency,spilled_bytes,moved_bytes,peak_bytes,"
                   "error\n",
                   sweep_metric(result));
    for (int64_t i = 0; i < result->n_points; i++)
        csv_line(result, i, out);
}
