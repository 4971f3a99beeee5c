/* quern data history, rollback and gc: the generations of a data set. */
#include <time.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "lifecycle/dataset_jobs.h"

/* "2026-11-21 08:15" */
static void time_text(int64_t seconds, char out[32])
{
    const time_t at = (time_t)seconds;
    struct tm civil;

    gmtime_r(&at, &civil);
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &civil);
}

static bool is_kept(const qn_history_result *r, int64_t generation)
{
    for (int64_t i = 0; i < r->n_generations; i++)
        if (r->generation[i] == generation)
            return true;
    return false;
}

static void change_json(const qn_history_result *r, const qn_dataset_change *c, qn_json *j)
{
    char time[32];

    time_text(c->time, time);
    qn_json_open(j, NULL, '{');
    qn_json_int(j, "generation", c->generation);
    qn_json_text(j, "time", time);
    qn_json_text(j, "command", c->command);
    qn_json_int(j, "rows_read", c->rows_read);
    qn_json_int(j, "rows_malformed", c->rows_malformed);
    qn_json_int(j, "rows_null", c->rows_null);
    qn_json_int(j, "rows_out_of_range", c->rows_out_of_range);
    qn_json_int(j, "rows_duplicate", c->rows_duplicate);
    qn_json_int(j, "rows_before", c->rows_before);
    qn_json_int(j, "rows_after", c->rows_after);
    qn_json_int(j, "files_written", c->files_written);
    qn_json_int(j, "files_linked", c->files_linked);
    qn_json_bool(j, "is_kept", is_kept(r, c->generation));
    qn_json_close(j, '}');
}

static void history_json(const char *path, const qn_history_result *r)
{
    const qn_dataset_manifest *m = &r->manifest;
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "path", path);
    qn_json_int(&j, "generation", m->generation);
    qn_json_int(&j, "rows", qn_dataset_rows(m));
    qn_json_int(&j, "files", m->n_files);
    qn_json_text(&j, "on_duplicate", qn_on_duplicate_name(m->on_duplicate));
    qn_json_text(&j, "partition_by", qn_partition_by_name(m->partition_by));
    qn_json_int(&j, "target_file_size", m->target_file_size);
    qn_json_text(&j, "compression", m->codec);
    qn_json_int(&j, "files_taken", m->n_taken);
    qn_json_open(&j, "generations", '[');
    for (int64_t i = 0; i < r->n_generations; i++)
        qn_json_int(&j, NULL, r->generation[i]);
    qn_json_close(&j, ']');
    qn_json_open(&j, "changes", '[');
    for (int64_t i = 0; i < m->n_changes; i++)
        change_json(r, &m->change[i], &j);
    qn_json_close(&j, ']');
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

static void history_table(const qn_cli *cli, const qn_history_result *r)
{
    static const char *const header[] = {"generation", "time (UTC)", "command", "read",
                                         "bad",        "duplicate",  "before",  "after",
                                         "files new",  "as were",    ""};
    const qn_dataset_manifest *m = &r->manifest;
    qn_text_table rows;

    qn_text_table_init(&rows, "rllrrrrrrrl");
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        qn_text_table_add(&rows, header[i]);
    for (int64_t i = 0; i < m->n_changes; i++) {
        const qn_dataset_change *c = &m->change[i];
        char time[32];

        time_text(c->time, time);
        qn_text_table_addf(&rows, "%lld", (long long)c->generation);
        qn_text_table_add(&rows, time);
        qn_text_table_add(&rows, c->command);
        qn_text_table_add(&rows, qn_show_count(c->rows_read).text);
        qn_text_table_add(
            &rows, qn_show_count(c->rows_malformed + c->rows_null + c->rows_out_of_range).text);
        qn_text_table_add(&rows, qn_show_count(c->rows_duplicate).text);
        qn_text_table_add(&rows, qn_show_count(c->rows_before).text);
        qn_text_table_add(&rows, qn_show_count(c->rows_after).text);
        qn_text_table_add(&rows, qn_show_count(c->files_written).text);
        qn_text_table_add(&rows, qn_show_count(c->files_linked).text);
        qn_text_table_add(&rows, c->generation == m->generation ? "current"
                                 : is_kept(r, c->generation)    ? "kept"
                                                                : "");
    }
    qn_text_table_print(&rows, &cli->out, true, "");
    qn_text_table_release(&rows);
}

static qn_status run_history(qn_cli *cli)
{
    qn_history_result result;
    const qn_status st = qn_dataset_history(cli->ctx, cli->argument[0], &result);

    if (st != QN_OK)
        return st;
    if (cli->globals->json) {
        history_json(cli->argument[0], &result);
    } else {
        const qn_dataset_manifest *m = &result.manifest;

        printf("data set  %s: %s rows in %s files, on duplicates %s, by %s, %s\n", cli->argument[0],
               qn_show_count(qn_dataset_rows(m)).text, qn_show_count(m->n_files).text,
               qn_on_duplicate_name(m->on_duplicate), qn_partition_by_name(m->partition_by),
               m->codec);
        history_table(cli, &result);
    }
    qn_history_result_release(&result);
    return QN_OK;
}

const qn_command qn_cmd_data_history = {
    .name = "data history",
    .help = "Show what a data set is and every change that made it",
    .arguments = "DIR",
    .min_arguments = 1,
    .max_arguments = 1,
    .usage = "[options]",
    .examples = "  quern data history data/train\n",
    .run = run_history,
};

typedef struct rollback_options {
    int64_t to;
} rollback_options;

static const qn_param rollback_rows[] = {
    QN_PARAM(rollback_options, to, -1, -1, 1e15,
             "generation to go to; -1: the one before the current one", .metavar = "N"),
};
static const qn_params rollback_table = {.name = "rollback",
                                         .param = rollback_rows,
                                         .n = sizeof rollback_rows / sizeof *rollback_rows,
                                         .struct_size = sizeof(rollback_options)};

static qn_status run_rollback(qn_cli *cli)
{
    const rollback_options *options = cli->values[0];
    int64_t from, to;
    char *folder = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_need(cli->ctx, cli->argument[0], &folder));
    QN_TRY(qn_dataset_rollback(cli->ctx, cli->argument[0], options->to, &from, &to));
    if (cli->globals->json) {
        qn_json j = {0};

        qn_json_open(&j, NULL, '{');
        qn_json_text(&j, "path", cli->argument[0]);
        qn_json_int(&j, "from", from);
        qn_json_int(&j, "to", to);
        qn_json_close(&j, '}');
        puts(qn_string_text(&j.out));
        qn_json_release(&j);
    } else if (!cli->globals->quiet) {
        printf("data set  %s: generation %lld, was %lld\n", cli->argument[0], (long long)to,
               (long long)from);
    }
done:
    qn_free(folder);
    return st;
}

const qn_command qn_cmd_data_rollback = {
    .name = "data rollback",
    .help = "Go back to an older generation of a data set",
    .arguments = "DIR",
    .min_arguments = 1,
    .max_arguments = 1,
    .table = {&rollback_table},
    .usage = "[--to N] [options]",
    .notes = "Two generations are kept. Files that were taken after the one that is gone back to "
             "count as not taken, so they can be delivered again.",
    .examples = "  quern data rollback data/train\n",
    .run = run_rollback,
};

typedef struct gc_options {
    int32_t keep;
} gc_options;

static const qn_param gc_rows[] = {
    QN_PARAM(gc_options, keep, 1, 1, 1000000, "generations to keep; the current one always stays",
             .metavar = "N"),
};
static const qn_params gc_table = {.name = "gc",
                                   .param = gc_rows,
                                   .n = sizeof gc_rows / sizeof *gc_rows,
                                   .struct_size = sizeof(gc_options)};

static qn_status run_gc(qn_cli *cli)
{
    const gc_options *options = cli->values[0];
    int64_t n_removed, bytes;
    const qn_status st =
        qn_dataset_gc(cli->ctx, cli->argument[0], options->keep, &n_removed, &bytes);

    if (st != QN_OK)
        return st;
    if (cli->globals->json) {
        qn_json j = {0};

        qn_json_open(&j, NULL, '{');
        qn_json_text(&j, "path", cli->argument[0]);
        qn_json_int(&j, "removed", n_removed);
        qn_json_int(&j, "bytes", bytes);
        qn_json_close(&j, '}');
        puts(qn_string_text(&j.out));
        qn_json_release(&j);
    } else if (!cli->globals->quiet) {
        printf("removed   %s %s, %s\n", qn_show_count(n_removed).text,
               n_removed == 1 ? "generation" : "generations", qn_show_bytes((double)bytes).text);
    }
    return QN_OK;
}

const qn_command qn_cmd_data_gc = {
    .name = "data gc",
    .help = "Remove older generations of a data set and what writers that died have left",
    .arguments = "DIR",
    .min_arguments = 1,
    .max_arguments = 1,
    .table = {&gc_table},
    .usage = "[--keep N] [options]",
    .examples = "  quern data gc data/train --keep 1\n",
    .run = run_gc,
};
