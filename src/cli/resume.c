#include "cli/resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/job.h"
#include "cli/show.h"
#include "engine/comm.h"
#include "run/record.h"
#include "run/resume.h"

/* Where the run writes and how the work is cut; neither reaches a bit of the model. */
static const char *const may_change[] = {"checkpoint_dir", "checkpoint_interval", "resume",
                                         "overwrite", "partitions"};
static const char *const may_grow[] = {"max_iter"};
/* What no record keeps, since it may differ: said again where a run is to be gone on with. */
static const char *const resources[] = {"workers", "hosts",   "hostfile", "mpi",
                                        "memory",  "threads", "scratch"};

#define IS_ONE_OF(name, list) is_one_of((name), (list), sizeof(list) / sizeof *(list))

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, list[i]))
            return true;
    return false;
}

/* One table's values as the run had them and as they stand on the line. */
typedef struct two_values {
    qn_context *ctx;
    qn_cli_args *args;
    int32_t t;
    const qn_params *table;
    void *was, *now;
} two_values;

/* A value of the record as it would be given; false: null, or nothing that an option could be. */
static bool value_text(const json_t *value, char number[64], const char **text)
{
    *text = number;
    if (json_is_string(value))
        *text = json_string_value(value);
    else if (json_is_boolean(value))
        *text = json_is_true(value) ? "true" : "false";
    else if (json_is_integer(value))
        snprintf(number, 64, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        qn_format_double(json_real_value(value), number);
    else
        return false;
    return true;
}

static bool is_given(const two_values *v, const qn_param *param, int64_t n_given)
{
    for (int64_t i = 0; i < n_given; i++)
        if (v->args->value[i].param == param)
            return true;
    return false;
}

/* The recorded value, into `was`, and on the line if it is not there already. */
static qn_status take_recorded(const two_values *v, const qn_param *param, const json_t *value,
                               bool add)
{
    qn_status st = QN_OK;
    const size_t n = json_is_array(value) ? json_array_size(value) : 1;

    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        const qn_cli_value *kept = NULL;
        char number[64];
        const char *text;

        if (!value_text(one, number, &text))
            continue;
        QN_TRY(qn_cli_args_keep(v->ctx, v->args, param, v->t, text, add, &kept));
        QN_TRY(qn_param_set(v->ctx, param, v->was, kept->text));
    }
done:
    return st;
}

static qn_status fail_changed(qn_context *ctx, const char *name, const char *was, const char *now,
                              bool grows)
{
    char option[64];

    qn_cli_option_name(name, option);
    return qn_fail(ctx, QN_EINVAL, "%s was %s, now it is %s: %s\ntry: leave %s out", option,
                   *was ? was : "not given", *now ? now : "not given",
                   grows ? "it may only grow" : "a run that is resumed keeps its options", option);
}

static qn_status compare(const two_values *v, const qn_param *param)
{
    const bool grows = IS_ONE_OF(param->name, may_grow);
    qn_string was = {0}, now = {0};
    double one = 0, two = 0;
    qn_status st = QN_OK;

    qn_cli_value_text(param, v->was, &was);
    qn_cli_value_text(param, v->now, &now);
    qn_parse_double(qn_string_text(&was), was.length, &one);
    qn_parse_double(qn_string_text(&now), now.length, &two);
    if (strcmp(qn_string_text(&was), qn_string_text(&now)) != 0 && !(grows && two >= one))
        st = fail_changed(v->ctx, param->name, qn_string_text(&was), qn_string_text(&now), grows);
    qn_string_release(&was);
    qn_string_release(&now);
    return st;
}

static void free_values(const two_values *v, void *values)
{
    for (int64_t p = 0; p < v->table->n && values; p++)
        if (v->table->param[p].type == QN_PARAM_LIST)
            qn_free((void *)((qn_text_list *)((char *)values + v->table->param[p].offset))->item);
    free(values);
}

static qn_status merge_table(qn_context *ctx, qn_cli_args *args, int32_t t, const json_t *recorded)
{
    two_values v = {.ctx = ctx, .args = args, .t = t, .table = args->table[t]};
    const int64_t n_given = args->n_values;
    qn_status st = QN_OK;

    v.was = calloc(1, v.table->struct_size);
    v.now = calloc(1, v.table->struct_size);
    if (!v.was || !v.now)
        QN_TRY(qn_fail(ctx, QN_ENOMEM, "out of memory for the options"));
    qn_params_init(v.table, v.was);
    QN_TRY(qn_cli_args_apply(ctx, args, t, v.now));
    for (int64_t p = 0; p < v.table->n; p++) {
        const qn_param *param = &v.table->param[p];
        const bool given = is_given(&v, param, n_given);

        if (param->hidden || (!strcmp(param->name, "resume")))
            continue;
        QN_TRY(take_recorded(&v, param, json_object_get(recorded, param->name), !given));
        if (given && !IS_ONE_OF(param->name, may_change))
            QN_TRY(compare(&v, param));
    }
done:
    free_values(&v, v.was);
    free_values(&v, v.now);
    return st;
}

/* The kernel set of the run, unless another is asked for. */
static qn_status merge_kernels(qn_context *ctx, const qn_resume *resume, qn_cli_globals *globals)
{
    const qn_param *param = qn_params_find(&qn_cli_global_table, "kernels");
    const int32_t asked = globals->kernels;
    const qn_status st = qn_param_set(ctx, param, globals, resume->kernel_set);
    qn_string now = {0};

    if (st != QN_OK)
        return st;
    if (asked != 0 && asked != globals->kernels) {
        globals->kernels = asked;
        qn_cli_value_text(param, globals, &now);
        fail_changed(ctx, "kernels", resume->kernel_set, qn_string_text(&now), false);
        qn_string_release(&now);
        return QN_EINVAL;
    }
    return QN_OK;
}

/* An option of checkpoints as it was given; NULL: it was not. */
static const char *asked_for(const qn_cli_args *args, const char *name)
{
    for (int64_t i = 0; i < args->n_values; i++)
        if (args->table[args->value[i].table] == &qn_resume_table &&
            !strcmp(args->value[i].param->name, name))
            return args->value[i].text;
    return NULL;
}

/* A model that this very run has put in its place, just before it was killed, is its own to
 * replace. */
static bool model_is_own(const json_t *recorded, const char *run_id)
{
    const char *model = json_string_value(json_object_get(recorded, "model"));
    char *path = model ? qn_path_join(model, "quern.json") : NULL;
    json_t *note = path ? json_load_file(path, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(json_object_get(note, "run"), "run_id"));
    const bool is_own = id && !strcmp(id, run_id);

    json_decref(note);
    free(path);
    return is_own;
}

static qn_status merge(qn_context *ctx, const qn_cli *cli, qn_cli_args *args,
                       qn_cli_globals *globals)
{
    qn_resume *resume = cli->resume;
    json_t *record = json_loads(resume->record, 0, NULL);
    json_t *recorded = json_object_get(record, "parameters");
    qn_status st = QN_OK;

    if (!json_is_object(recorded))
        QN_TRY(
            qn_fail(ctx, QN_EDATA, "the record of the run %s has no parameters", resume->run_id));
    if (model_is_own(recorded, resume->run_id))
        json_object_set_new(recorded, "overwrite", json_true());
    for (int32_t t = 0; t < args->n_tables - 1; t++)
        QN_TRY(merge_table(ctx, args, t, recorded));
    QN_TRY(merge_kernels(ctx, resume, globals));
    globals->runs_dir = resume->runs_dir;
done:
    json_decref(record);
    return st;
}

qn_status qn_cli_resume(qn_context *ctx, qn_cli *cli, qn_cli_args *args, qn_cli_globals *globals)
{
    const char *run = asked_for(args, "resume");
    qn_status st = QN_OK;

    if (!run)
        return QN_OK;
    QN_NEW0(ctx, cli->resume, 1, "the run to resume");
    QN_TRY(qn_resume_find(ctx, globals->runs_dir, asked_for(args, "checkpoint_dir"), run,
                          cli->command->name, cli->resume));
    QN_TRY(merge(ctx, cli, args, globals));
done:
    return st;
}

void qn_cli_resume_warn(const qn_cli *cli)
{
    const qn_resume *resume = cli->resume;

    if (resume && resume->is_elsewhere)
        qn_emit_warning(cli->ctx,
                        "the run %s worked on another host, where it cannot be looked at from "
                        "here: make sure that it has ended",
                        resume->run_id);
    if (resume && resume->is_rebuilt)
        qn_emit_warning(cli->ctx,
                        "the record of the run %s has gone or is damaged: its options are those "
                        "that its checkpoint tells of, and a new record is begun",
                        resume->run_id);
}

void qn_cli_resume_free(qn_cli *cli)
{
    if (cli->resume)
        qn_resume_release(cli->resume);
    qn_free(cli->resume);
    cli->resume = NULL;
}

/* Where the run's checkpoints lie, malloc'ed; NULL: nowhere. */
static char *checkpoint_dir(const qn_cli *cli, const qn_resume_options *o)
{
    const char *record = qn_record_path(cli->record);
    char *folder, *dir = NULL;

    if (o->checkpoint_dir)
        return qn_path_join(o->checkpoint_dir, qn_record_id(cli->record));
    folder = record ? strndup(record, (size_t)(strrchr(record, '/') - record)) : NULL;
    if (folder)
        dir = qn_path_join(folder, "checkpoint");
    free(folder);
    return dir;
}

/* The folder and the run's name of worker 0, who alone keeps a record, on every worker: two texts
 * in one block, to be freed with qn_free; NULL: no folder. Collective. */
static qn_status share_place(const qn_cli *cli, const qn_resume_options *o, char **place)
{
    const bool is_first = qn_rank(cli->ctx) == 0;
    char *dir = is_first ? checkpoint_dir(cli, o) : NULL;
    qn_string text = {0};
    qn_status st = QN_OK;
    size_t n = 0;

    *place = NULL;
    if (dir) {
        qn_string_add_bytes(&text, dir, strlen(dir) + 1);
        qn_string_add_bytes(&text, qn_record_id(cli->record),
                            strlen(qn_record_id(cli->record)) + 1);
    }
    if (text.failed)
        st = qn_fail(cli->ctx, QN_ENOMEM, "no memory for the folder of checkpoints");
    QN_TRY(qn_comm_agree(cli->ctx, st));
    QN_TRY(qn_comm_allgather(cli->ctx, qn_string_text(&text), text.length, (void **)place, &n));
    if (n == 0) {
        qn_free(*place);
        *place = NULL;
    }
done:
    qn_string_release(&text);
    free(dir);
    return st;
}

qn_status qn_cli_checkpoint_open(qn_cli *cli, int32_t t)
{
    const qn_resume_options *o = cli->values[t];
    const int32_t workers = qn_size(cli->ctx);
    qn_checkpoint_options options = {.resume = cli->resume != NULL || cli->globals->restored,
                                     .command = cli->command->name};
    char *dir = NULL;
    qn_json parameters = {0};
    qn_status st = QN_OK;

    QN_TRY(share_place(cli, o, &dir));
    QN_TRY(qn_resume_interval(cli->ctx, o, workers, &options.interval));
    if (!dir && options.interval > 0 && !qn_name_equal(o->checkpoint_interval, "auto"))
        QN_TRY(qn_fail(cli->ctx, QN_EINVAL,
                       "--checkpoint-interval needs a folder: give --checkpoint-dir"));
    if (!dir)
        goto done;
    qn_cli_job_parameters(cli, &parameters, NULL);
    options.dir = dir;
    options.run_id = dir + strlen(dir) + 1;
    options.options = qn_string_text(&parameters.out);
    QN_TRY(qn_checkpoint_open(cli->ctx, &options, &cli->checkpoint));
    qn_checkpoint_attach(cli->ctx, cli->checkpoint);
done:
    qn_json_release(&parameters);
    qn_free(dir);
    return st;
}

void qn_cli_checkpoint_close(qn_cli *cli, qn_status st)
{
    if (!cli->checkpoint)
        return;
    qn_checkpoint_attach(cli->ctx, NULL);
    if (st == QN_OK && qn_checkpoint_remove(cli->ctx, cli->checkpoint) != QN_OK)
        qn_emit_warning(cli->ctx, "%s", qn_context_error(cli->ctx));
    qn_checkpoint_close(cli->checkpoint);
    cli->checkpoint = NULL;
}

bool qn_cli_resume_hint(const qn_cli *cli, qn_string *out)
{
    const qn_params *table[QN_CLI_MAX_TABLES];
    bool can = false;

    for (int32_t t = qn_command_tables(cli->command, table) - 1; t >= 0; t--)
        can |= table[t] == &qn_resume_table;
    if (!can || !cli->record || !qn_record_path(cli->record))
        return false;
    qn_string_addf(out, "quern %s --resume %s", cli->command->name, qn_record_id(cli->record));
    for (int64_t i = 0; i < cli->args->n_values; i++) {
        const qn_cli_value *value = &cli->args->value[i];
        char option[64];

        if (cli->args->table[value->table] != &qn_cli_global_table ||
            !IS_ONE_OF(value->param->name, resources))
            continue;
        qn_cli_option_name(value->param->name, option);
        qn_string_addf(out, " %s ", option);
        qn_string_add_word(out, value->text);
    }
    if (strcmp(cli->globals->runs_dir, "runs") != 0) {
        qn_string_add(out, " --runs-dir ");
        qn_string_add_word(out, cli->globals->runs_dir);
    }
    return true;
}
