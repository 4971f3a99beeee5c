#include "cli/job.h"

#include <signal.h>
#include <string.h>

#include "base/params_out.h"
#include "cli/resume.h"
#include "engine/comm.h"
#include "run/progress.h"
#include "run/record.h"
#include "run/resume.h"
#include "run/run_log.h"
#include "run/runs.h"
#include "run/spark_log.h"

#define PULSE_SECONDS 1.0 /* between signs of life, from which the record knows what a run held */

void qn_cli_value_text(const qn_param *param, const void *values, qn_string *out)
{
    qn_json j = {0};
    const char *text;
    size_t length;

    qn_param_value_json(param, values, &j);
    text = strchr(qn_string_text(&j.out), ':'); /* "name": behind it the value */
    text = text ? text + 1 : "";
    length = strlen(text);
    if (length >= 2 && text[0] == '"') {
        text++;
        length -= 2;
    }
    qn_string_add_bytes(out, text, length);
    qn_json_release(&j);
}

void qn_cli_job_parameters(const qn_cli *cli, qn_json *j, const char *key)
{
    qn_json_open(j, key, '{');
    for (int32_t t = 0; t < cli->args->n_tables - 1; t++)
        for (int64_t p = 0; p < cli->args->table[t]->n; p++) {
            const qn_param *param = &cli->args->table[t]->param[p];

            if (qn_command_shows(cli->args->table, t, p))
                qn_param_value_json(param, cli->values[t], j);
        }
    qn_json_close(j, '}');
}

/* The event log, beside the record; without a record there is none. */
static qn_status open_log(qn_cli *cli, const char *parameters)
{
    const char *runs_dir = cli->globals->runs_dir, *hosts = cli->globals->hosts;
    const int32_t workers = cli->is_supervisor ? cli->n_workers : qn_size(cli->ctx);
    qn_string dir = {0}, master = {0};
    qn_spark_log_options options = {
        .run_id = qn_record_id(cli->record),
        .name = cli->command->name,
        .parameters = parameters,
    };
    qn_status st = QN_OK;

    qn_string_addf(&dir, "%s/%s", runs_dir, QN_SPARK_LOG_FOLDER);
    options.dir = qn_string_text(&dir);
    if (hosts)
        qn_string_addf(&master, "mpi://%s", hosts);
    else
        qn_string_addf(&master, "mpi[%d]", (int)workers);
    if (workers > 1 || hosts)
        options.master = qn_string_text(&master);
    QN_TRY(cli->resume ? qn_spark_log_resume(cli->ctx, &options, &cli->log)
                       : qn_spark_log_open(cli->ctx, &options, &cli->log));
done:
    qn_string_release(&dir);
    qn_string_release(&master);
    return st;
}

/* The command as it was given, with the full names of its options. */
static void command_text(const qn_cli *cli, qn_string *out)
{
    qn_string_addf(out, "quern %s", cli->command->name);
    for (int64_t i = 0; i < cli->args->n_values; i++) {
        char option[64];

        qn_cli_option_name(cli->args->value[i].param->name, option);
        qn_string_addf(out, " %s=", option);
        qn_string_add_word(out, cli->args->value[i].text);
    }
    for (int64_t i = 0; i < cli->n_arguments; i++) {
        qn_string_add(out, " ");
        qn_string_add_word(out, cli->argument[i]);
    }
}

/* The log in words, beside the record. */
static qn_status open_run_log(qn_cli *cli)
{
    const char *record = qn_record_path(cli->record);
    const char *name = record ? strrchr(record, '/') : NULL;
    qn_string path = {0}, command = {0};
    qn_status st = QN_OK;

    if (!name)
        return QN_OK;
    qn_string_addf(&path, "%.*s/%s", (int)(name - record), record, QN_RUN_LOG_FILE);
    command_text(cli, &command);
    if (path.failed || command.failed)
        QN_TRY(qn_fail(cli->ctx, QN_ENOMEM, "not enough memory for the log of the run"));
    QN_TRY(
        qn_run_log_open(cli->ctx, qn_string_text(&path), qn_string_text(&command), &cli->run_log));
done:
    qn_string_release(&path);
    qn_string_release(&command);
    return st;
}

qn_status qn_cli_job_start(qn_cli *cli, const char *prefix)
{
    const bool has_dir = strcmp(cli->globals->runs_dir, "none") != 0;
    const bool keep = has_dir && !cli->globals->run_id && qn_rank(cli->ctx) == 0;
    qn_json parameters = {0};
    qn_record_options options = {
        .runs_dir = keep || (has_dir && cli->globals->run_id) ? cli->globals->runs_dir : NULL,
        .id = cli->globals->run_id,
        .is_supervisor = cli->is_supervisor,
        .prefix = prefix,
        .command = cli->command->name,
        .workers_requested = cli->globals->workers,
        .threads_requested = cli->globals->threads,
        .resumed = cli->resume ? cli->resume->record : NULL,
    };
    qn_status st = QN_OK;

    qn_cli_job_parameters(cli, &parameters, NULL);
    options.parameters = qn_string_text(&parameters.out);
    if (keep)
        QN_TRY(qn_runs_sweep(cli->ctx, cli->globals->runs_dir, NULL));
    QN_TRY(qn_record_open(cli->ctx, &options, &cli->record));
    if (keep)
        QN_TRY(open_run_log(cli));
    if (keep && cli->globals->event_log)
        QN_TRY(open_log(cli, options.parameters));
    if (keep)
        qn_cli_resume_warn(cli);
    if (!cli->is_supervisor) {
        qn_emit_this_worker(cli->ctx);
        qn_emit_pulse(cli->ctx); /* so that the record knows limit and size from the start */
        qn_context_pulse(cli->ctx, PULSE_SECONDS);
    }
done:
    qn_json_release(&parameters);
    return qn_comm_agree(cli->ctx, st); /* worker 0 alone keeps a record */
}

/* The record with `members` in it, as the last line. */
static qn_status print_record(const qn_cli *cli, const char *members)
{
    qn_string text = {0};
    const qn_status st = qn_record_json(cli->ctx, cli->record, &text);

    if (st == QN_OK) {
        while (text.length > 0 && strchr("}\n", text.text[text.length - 1])) {
            const bool brace = text.text[--text.length] == '}';

            if (brace)
                break;
        }
        fwrite(qn_string_text(&text), 1, text.length, stdout);
        printf("%s%s}\n", members && members[0] ? "," : "", members ? members : "");
    }
    qn_string_release(&text);
    return st;
}

qn_status qn_cli_job_end(qn_cli *cli, qn_status st, const char *members)
{
    const bool terminated = st == QN_ECANCELLED && qn_cancel_signal(cli->ctx) == SIGTERM;
    const int code = terminated ? 128 + SIGTERM : qn_status_exit_code(st);
    qn_status end = QN_OK;

    qn_progress_clear(cli->progress);
    if (cli->record && !cli->is_supervisor)
        qn_emit_pulse(cli->ctx); /* the last, with all that was worked */
    if (cli->relay)
        qn_string_add(&cli->members, members ? members : "");
    qn_spark_log_close(cli->ctx, cli->log, st);
    qn_run_log_close(cli->ctx, cli->run_log, st);
    if (cli->record)
        end = qn_record_close(cli->ctx, cli->record, st, code);
    if (st == QN_OK && end == QN_OK && cli->globals->json && cli->record && !cli->relay)
        end = print_record(cli, members);
    qn_cli_checkpoint_close(cli, st == QN_OK ? end : st);
    return st != QN_OK ? st : end;
}
