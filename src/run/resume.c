#include "run/resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "run/process.h"
#include "run/runs.h"

#define RECORD_LIMIT ((size_t)64 << 20)
#define GROUP        .group = "Checkpoints"

static const qn_param rows[] = {
    QN_PARAM_STRING(qn_resume_options, checkpoint_dir, NULL, "DIR",
                    "folder for checkpoints, below it one for the run; with more hosts than one "
                    "all must share it; the run's folder if not given",
                    GROUP),
    QN_PARAM_STRING(qn_resume_options, checkpoint_interval, "auto", "N",
                    "iterations between two checkpoints, 0 none; auto: every one with "
                    "--checkpoint-dir or several workers, else as often as costs below 2 %",
                    GROUP),
    QN_PARAM_STRING(qn_resume_options, resume, NULL, "RUN",
                    "go on with a run that was stopped or died: its id, or its folder; options are "
                    "those of the run",
                    GROUP),
};
const qn_params qn_resume_table = {"checkpoint", rows, sizeof rows / sizeof *rows,
                                   sizeof(qn_resume_options)};

qn_status qn_resume_interval(qn_context *ctx, const qn_resume_options *options, int32_t workers,
                             int32_t *interval)
{
    const char *text = options->checkpoint_interval;
    int64_t value = 0;

    *interval = 0;
    if (qn_name_equal(text, "auto")) {
        *interval = options->checkpoint_dir || workers > 1 ? 1 : QN_CHECKPOINT_AUTO;
        return QN_OK;
    }
    if (!qn_parse_int64(text, strlen(text), &value) || value < -1 || value > INT32_MAX)
        return qn_fail(ctx, QN_EINVAL,
                       "--checkpoint-interval \"%s\" is neither auto nor a number of iterations",
                       text);
    *interval = value > 0 ? (int32_t)value : 0;
    return QN_OK;
}

void qn_resume_release(qn_resume *resume)
{
    qn_free(resume->run_id);
    qn_free(resume->runs_dir);
    qn_free(resume->record);
    qn_free(resume->kernel_set);
    *resume = (qn_resume){0};
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* A folder that holds a record: .../RUNS_DIR/ID or .../RUNS_DIR/ID/checkpoint. *record NULL: none.
 */
static qn_status read_folder(qn_context *ctx, const char *path, char **record, char **runs_dir)
{
    qn_status st = QN_OK;
    char *folder = realpath(path, NULL), *file = NULL, *slash;

    for (int32_t up = 0; folder && !*record && up < 2; up++) {
        file = qn_path_join(folder, "record.json");
        if (file && qn_path_exists(file))
            QN_TRY(qn_read_file(ctx, file, RECORD_LIMIT, record, NULL));
        free(file);
        file = NULL;
        slash = strrchr(folder, '/');
        if (slash)
            *slash = '\0';
    }
    if (*record)
        QN_TRY(qn_strdup(ctx, *folder ? folder : "/", runs_dir));
done:
    free(file);
    free(folder);
    return st;
}

static void take_process(json_t *record, qn_process *process)
{
    const json_t *host = json_object_get(record, "host");

    *process = (qn_process){0};
    snprintf(process->host, sizeof process->host, "%s", text_of(host, "name"));
    snprintf(process->boot_id, sizeof process->boot_id, "%s", text_of(host, "boot_id"));
    process->pid = json_integer_value(json_object_get(host, "pid"));
    process->start_ticks = json_integer_value(json_object_get(host, "start_ticks"));
}

static qn_status check_ended(qn_context *ctx, json_t *record, qn_resume *resume)
{
    const char *status = text_of(record, "status");
    qn_process process, self;

    if (!strcmp(status, "ok"))
        return qn_fail(ctx, QN_EINVAL, "the run %s has ended well: there is nothing to resume",
                       resume->run_id);
    if (strcmp(status, "running") != 0)
        return QN_OK;
    take_process(record, &process);
    qn_process_self(&self);
    if (strcmp(process.host, self.host) != 0) {
        resume->is_elsewhere = true;
        return QN_OK;
    }
    if (!qn_process_may_live(&process))
        return QN_OK;
    return qn_fail(ctx, QN_EBUSY, "the run %s still works, as process %lld: stop it first",
                   resume->run_id, (long long)process.pid);
}

static qn_status take_record(qn_context *ctx, const char *command, qn_resume *resume)
{
    json_t *record = json_loads(resume->record, 0, NULL);
    const char *id = text_of(record, "run_id"), *was = text_of(record, "command");
    qn_status st = QN_OK;

    if (!json_is_object(record) || !*id || strchr(id, '/'))
        QN_TRY(qn_fail(ctx, QN_EDATA, "the record of the run to resume is damaged"));
    if (strcmp(was, command) != 0)
        QN_TRY(qn_fail(ctx, QN_EINVAL,
                       "the run %s is of another command\ntry: quern %s --resume %s", id, was, id));
    QN_TRY(qn_strdup(ctx, id, &resume->run_id));
    QN_TRY(qn_strdup(ctx, text_of(record, "kernel_set"), &resume->kernel_set));
    QN_TRY(check_ended(ctx, record, resume));
done:
    json_decref(record);
    return st;
}

static bool is_whole(const char *text)
{
    json_t *record = text ? json_loads(text, 0, NULL) : NULL;
    const bool is = json_is_object(record);

    json_decref(record);
    return is;
}

/* The record, if it is there and whole; otherwise `why` says what is amiss. */
static qn_status read_record(qn_context *ctx, const char *runs_dir, const char *run, bool is_folder,
                             qn_resume *resume, char why[QN_ERROR_BYTES])
{
    qn_status st = is_folder ? read_folder(ctx, run, &resume->record, &resume->runs_dir)
                             : qn_runs_show(ctx, runs_dir, run, &resume->record);

    if (st == QN_ENOTFOUND) {
        snprintf(why, QN_ERROR_BYTES, "%s", qn_context_error(ctx));
        qn_error_clear(ctx);
        st = QN_OK;
    } else if (st == QN_OK && !is_whole(resume->record)) {
        snprintf(why, QN_ERROR_BYTES,
                 "%s is no folder of a run: there is neither a whole record.json in it nor a "
                 "checkpoint",
                 run);
        qn_free(resume->record);
        resume->record = NULL;
    }
    return st;
}

/* FOLDER/NAME as the place of checkpoints. */
static qn_status rebuild_from(qn_context *ctx, const char *folder, const char *name,
                              qn_resume *resume)
{
    char *path = name ? qn_path_join(folder, name) : strdup(folder);
    qn_status st = QN_OK;

    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    if (!resume->record && qn_path_is_dir(path))
        st = qn_resume_rebuild(ctx, path, &resume->record);
    resume->is_rebuilt = resume->record != NULL;
    free(path);
    return st;
}

/* The run as its checkpoint tells of it, wherever that may lie. */
static qn_status rebuild(qn_context *ctx, const char *runs_dir, const char *checkpoint_dir,
                         const char *run, bool is_folder, qn_resume *resume)
{
    qn_status st = QN_OK;
    qn_string own = {0};

    qn_string_addf(&own, "%s/checkpoint", run);
    if (is_folder) {
        QN_TRY(rebuild_from(ctx, run, "checkpoint", resume));
        QN_TRY(rebuild_from(ctx, run, NULL, resume));
    } else {
        QN_TRY(rebuild_from(ctx, runs_dir, qn_string_text(&own), resume));
        if (checkpoint_dir)
            QN_TRY(rebuild_from(ctx, checkpoint_dir, run, resume));
    }
done:
    qn_string_release(&own);
    return st;
}

qn_status qn_resume_find(qn_context *ctx, const char *runs_dir, const char *checkpoint_dir,
                         const char *run, const char *command, qn_resume *resume)
{
    const bool is_folder = strchr(run, '/') || (qn_path_is_dir(run) && strcmp(run, "last") != 0);
    char why[QN_ERROR_BYTES];
    qn_status st = QN_OK;

    *resume = (qn_resume){0};
    QN_TRY(read_record(ctx, runs_dir, run, is_folder, resume, why));
    if (!resume->record)
        QN_TRY(rebuild(ctx, runs_dir, checkpoint_dir, run, is_folder, resume));
    if (!resume->record)
        QN_TRY(qn_fail(ctx, QN_ENOTFOUND, "%s", why));
    if (!resume->runs_dir)
        QN_TRY(qn_strdup(ctx, runs_dir, &resume->runs_dir));
    QN_TRY(take_record(ctx, command, resume));
done:
    if (st != QN_OK)
        qn_resume_release(resume);
    return st;
}
