/* quern runs list, runs show: what has been run. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "run/evidence.h"
#include "run/runs.h"

static void json_run(qn_json *j, const qn_run_info *run)
{
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "run_id", run->run_id);
    qn_json_text(j, "command", run->command);
    qn_json_text(j, "status", run->status);
    qn_json_text(j, "started", run->started);
    qn_json_real(j, "total_s", run->total_s);
    qn_json_real(j, "rmse", run->rmse);
    qn_json_real(j, "ndcg_at_k", run->ndcg);
    qn_json_int(j, "rows", run->rows);
    qn_json_int(j, "users", run->users);
    qn_json_int(j, "items", run->items);
    qn_json_int(j, "peak_bytes", run->peak_bytes);
    qn_json_int(j, "vm_hwm_bytes", run->vm_hwm_bytes);
    qn_json_text(j, "model_digest", run->model_digest[0] ? run->model_digest : NULL);
    qn_json_text(j, "path", run->path);
    qn_json_close(j, '}');
}

static void print_json(const qn_run_info *runs, int64_t n)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_open(&j, "runs", '[');
    for (int64_t i = 0; i < n; i++)
        json_run(&j, &runs[i]);
    qn_json_close(&j, ']');
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

static void print_table(const qn_cli *cli, const qn_run_info *runs, int64_t n)
{
    static const char *const header[] = {"run",  "command", "status", "started", "total",
                                         "rows", "RMSE",    "NDCG",   "peak"};
    qn_text_table rows;

    qn_text_table_init(&rows, "llllrrrrr");
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        qn_text_table_add(&rows, header[i]);
    for (int64_t i = 0; i < n; i++) {
        const qn_run_info *run = &runs[i];

        qn_text_table_add(&rows, run->run_id);
        qn_text_table_add(&rows, run->command);
        qn_text_table_add(&rows, run->status);
        qn_text_table_add(&rows, run->started);
        qn_text_table_add(&rows, isnan(run->total_s) ? "-" : qn_show_seconds(run->total_s).text);
        qn_text_table_add(&rows, run->rows < 0 ? "-" : qn_show_count(run->rows).text);
        qn_text_table_add(&rows, qn_show_number(run->rmse, 4).text);
        qn_text_table_add(&rows, qn_show_number(run->ndcg, 4).text);
        qn_text_table_add(&rows,
                          run->peak_bytes < 0 ? "-" : qn_show_bytes((double)run->peak_bytes).text);
    }
    qn_text_table_print(&rows, &cli->out, true, "");
    qn_text_table_release(&rows);
}

static qn_status run_runs_list(qn_cli *cli)
{
    qn_run_info *runs = NULL;
    int64_t n = 0;
    const qn_status st = qn_runs_list(cli->ctx, cli->globals->runs_dir, &runs, &n);

    if (st == QN_OK) {
        if (cli->globals->json)
            print_json(runs, n);
        else if (n > 0)
            print_table(cli, runs, n);
        else
            printf("no runs in %s\n", cli->globals->runs_dir);
    }
    qn_free(runs);
    return st;
}

const qn_command qn_cmd_runs_list = {
    .name = "runs list",
    .help = "List the runs whose records are kept, newest first",
    .run = run_runs_list,
};

/* Objects as "a.b  value" lines. */
static void show_members(const json_t *object, const char *prefix, qn_text_table *rows)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        char name[256];

        snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", key);
        if (json_is_object(value)) {
            show_members(value, name, rows);
        } else {
            char *text =
                json_is_string(value)
                    ? NULL
                    : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(10));

            qn_text_table_add(rows, name);
            qn_text_table_add(rows, text                    ? text
                                    : json_is_string(value) ? json_string_value(value)
                                                            : "");
            free(text);
        }
    }
}

static void show_record(const qn_cli *cli, const json_t *record)
{
    qn_text_table rows;

    qn_text_table_init(&rows, "ll");
    show_members(record, "", &rows);
    qn_text_table_print(&rows, &cli->out, false, "");
    qn_text_table_release(&rows);
}

/* The record on one line, whatever lines it stands on in its file. */
static void print_compact(const json_t *record)
{
    json_dumpf(record, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
    putchar('\n');
}

/* What the run's event log shows; a run without one shows its record alone. */
static qn_status show_evidence(const qn_cli *cli, const json_t *record)
{
    const json_t *id = json_object_get(record, "run_id");
    qn_evidence evidence;
    qn_string text = {0};
    qn_status st = qn_evidence_of_run(cli->ctx, cli->globals->runs_dir,
                                      json_is_string(id) ? json_string_value(id) : "", &evidence);

    if (st == QN_ENOTFOUND) {
        puts("\nno event log of this run was kept");
        qn_error_clear(cli->ctx);
        return QN_OK;
    }
    if (st == QN_OK)
        qn_evidence_text(&evidence, &text);
    fputs(qn_string_text(&text), stdout);
    qn_string_release(&text);
    qn_evidence_release(&evidence);
    return st;
}

/* The same as member "events" of the record. */
static qn_status add_evidence(const qn_cli *cli, json_t *record)
{
    const json_t *id = json_object_get(record, "run_id");
    qn_evidence evidence;
    qn_json j = {0};
    qn_status st = qn_evidence_of_run(cli->ctx, cli->globals->runs_dir,
                                      json_is_string(id) ? json_string_value(id) : "", &evidence);

    if (st == QN_OK) {
        qn_json_open(&j, NULL, '{');
        qn_evidence_json(&evidence, &j);
        qn_json_close(&j, '}');
    }
    json_object_set_new(record, "events",
                        st == QN_OK ? json_loads(qn_string_text(&j.out), 0, NULL) : json_null());
    qn_json_release(&j);
    qn_evidence_release(&evidence);
    if (st == QN_ENOTFOUND) {
        qn_error_clear(cli->ctx);
        st = QN_OK;
    }
    return st;
}

static qn_status run_runs_show(qn_cli *cli)
{
    const char *id = cli->n_arguments > 0 ? cli->argument[0] : "last";
    char *text = NULL;
    qn_status st = qn_runs_show(cli->ctx, cli->globals->runs_dir, id, &text);
    json_error_t error;
    json_t *record = text ? json_loads(text, 0, &error) : NULL;

    if (st == QN_OK && !record)
        st = qn_fail(cli->ctx, QN_EDATA, "the record is no JSON: %s", error.text);
    if (st == QN_OK && cli->globals->json) {
        st = add_evidence(cli, record);
        if (st == QN_OK)
            print_compact(record);
    } else if (st == QN_OK) {
        show_record(cli, record);
        st = show_evidence(cli, record);
    }
    json_decref(record);
    qn_free(text);
    return st;
}

const qn_command qn_cmd_runs_show = {
    .name = "runs show",
    .help = "Show the record of a run",
    .arguments = "[RUN]",
    .max_arguments = 1,
    .notes = "RUN is an id of quern runs list, its beginning, or last, which is the default. Below "
             "the record stands what the run's event log shows: how the partitions are filled, how "
             "memory was pressed (estimated and measured), where data sets lay, how much ran at "
             "once, and jobs and storage after loading, before and after training.",
    .examples = "  quern runs show last\n",
    .run = run_runs_show,
};
