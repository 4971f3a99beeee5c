#include "data/datagen_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/params_out.h"
#include "data/datagen_table_impl.h"

#define TRUTH "truth.json"
/* Counters that generated ratings leave free. */
#define FIRST_WHAT 1000

static const qn_param rows[] = {
    QN_PARAM(qn_gen_options, rows, 1000000, 1, 1e12, "rows, over all files"),
    QN_PARAM(qn_gen_options, seed, 42, INT64_MIN, INT64_MAX, "seed; the same one, the same files"),
    QN_PARAM_CHOICE_OF(qn_gen_options, format, QN_GEN_AUTO, "auto|csv|parquet",
                       "auto: csv, or parquet for fractal, which has a list column"),
    QN_PARAM_STRING(qn_gen_options, out, NULL, "DIR", "folder to make, for data and truth.json",
                    .required = true),
    QN_PARAM_FLAG(qn_gen_options, overwrite, "replace a folder that holds generated tables"),
};
const qn_params qn_gen_table = {"generated table", rows, sizeof rows / sizeof *rows,
                                sizeof(qn_gen_options)};

static const qn_generator *const generators[] = {&qn_generator_susy,     &qn_generator_fractal,
                                                 &qn_generator_blobs,    &qn_generator_linear,
                                                 &qn_generator_logistic, NULL};

const qn_generator *qn_generator_named(const char *name)
{
    int32_t i = 0;

    while (generators[i] && strcmp(generators[i]->name, name) != 0)
        i++;
    return generators[i];
}

/* -- for generators ---------------------------------------------------------------------------- */

qn_random qn_gen_draw(const qn_gen_plan *plan, int32_t what, int64_t a, int64_t k)
{
    return qn_philox(plan->seed, QN_STREAM_DATAGEN, (uint64_t)a,
                     (uint64_t)(FIRST_WHAT + what) << 40 | (uint64_t)k);
}

void qn_gen_normals(const qn_gen_plan *plan, int32_t what, int64_t a, int32_t n, double *out)
{
    for (int32_t i = 0; i < n; i += 2) {
        const qn_random random = qn_gen_draw(plan, what, a, i / 2);
        double pair[2];

        qn_normal_pair(&random, pair);
        out[i] = pair[0];
        if (i + 1 < n)
            out[i + 1] = pair[1];
    }
}

qn_status qn_gen_add_fields(qn_context *ctx, qn_gen_plan *plan, int32_t n)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, plan->field, n, "columns of a table");
    QN_NEW0(ctx, plan->field_name, n, "columns of a table");
    plan->n_fields = n;
done:
    return st;
}

void qn_gen_set_field(qn_gen_plan *plan, int32_t i, const char *name, qn_type type)
{
    snprintf(plan->field_name[i], sizeof plan->field_name[i], "%s", name);
    plan->field[i] = (qn_field){plan->field_name[i], type};
    plan->n_values += type == QN_DOUBLE_LIST ? QN_GEN_LIST : 1;
}

void qn_gen_set_features(qn_gen_plan *plan, int32_t first)
{
    for (int32_t i = first; i < plan->n_fields; i++) {
        char name[16];

        snprintf(name, sizeof name, "f%d", i - first);
        qn_gen_set_field(plan, i, name, QN_DOUBLE);
    }
}

qn_status qn_gen_add_file(qn_context *ctx, qn_gen_plan *plan, const qn_gen_options *options,
                          const char *name)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, plan->file, 1, "the files to write");
    snprintf(plan->file->name, sizeof plan->file->name, "%s.%s", name,
             options->format == QN_GEN_PARQUET ? "parquet" : "csv");
    plan->file->rows = options->rows;
    plan->n_files = 1;
done:
    return st;
}

void qn_gen_list_json(qn_json *j, const char *name, const double *value, int64_t n)
{
    qn_json_open(j, name, '[');
    for (int64_t i = 0; i < n; i++)
        qn_json_real(j, NULL, value[i]);
    qn_json_close(j, ']');
}

void qn_gen_rows_json(qn_json *j, const char *name, const double *value, int64_t n_rows,
                      int64_t n_columns)
{
    qn_json_open(j, name, '[');
    for (int64_t r = 0; r < n_rows; r++)
        qn_gen_list_json(j, NULL, value + r * n_columns, n_columns);
    qn_json_close(j, ']');
}

/* -- truth.json -------------------------------------------------------------------------------- */

/* Without where it goes: the same table in another folder has the same truth. */
static void add_options(const qn_generator *g, const qn_gen_options *o, const void *own, qn_json *j)
{
    qn_json_open(j, "options", '{');
    for (int64_t i = 0; i < qn_gen_table.n; i++)
        if (strcmp(rows[i].name, "out") != 0 && strcmp(rows[i].name, "overwrite") != 0)
            qn_param_value_json(&rows[i], o, j);
    for (int64_t i = 0; g->table && i < g->table->n; i++)
        qn_param_value_json(&g->table->param[i], own, j);
    qn_json_close(j, '}');
}

static void add_files(const qn_gen_plan *plan, qn_json *j)
{
    qn_json_open(j, "files", '[');
    for (int64_t f = 0; f < plan->n_files; f++) {
        qn_json_open(j, NULL, '{');
        qn_json_text(j, "path", plan->file[f].name);
        qn_json_int(j, "rows", plan->file[f].rows);
        if (plan->n_classes > 0) {
            qn_json_open(j, "class_rows", '[');
            for (int32_t c = 0; c < plan->n_classes; c++)
                qn_json_int(j, NULL, plan->count[f * plan->n_classes + c]);
            qn_json_close(j, ']');
        }
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void add_columns(const qn_gen_plan *plan, qn_json *j)
{
    qn_json_open(j, "columns", '[');
    for (int32_t i = 0; i < plan->n_fields; i++)
        qn_json_text(j, NULL, plan->field[i].name);
    qn_json_close(j, ']');
    if (plan->n_classes == 0)
        return;
    qn_json_open(j, "classes", '[');
    for (int32_t c = 0; c < plan->n_classes; c++)
        qn_json_int(j, NULL, plan->class ? plan->class[c] : c);
    qn_json_close(j, ']');
}

static qn_status write_truth(qn_context *ctx, const qn_generator *g, const qn_gen_options *o,
                             const void *own, const qn_gen_plan *plan, const char *path)
{
    qn_out_file *out = NULL;
    qn_json j = {0};
    qn_status st = QN_OK;

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "shape", g->name);
    qn_json_int(&j, "rows", o->rows);
    add_options(g, o, own, &j);
    add_columns(plan, &j);
    add_files(plan, &j);
    qn_json_open(&j, "planted", '{');
    g->truth(plan, &j);
    qn_json_close(&j, '}');
    qn_json_close(&j, '}');
    qn_string_add(&j.out, "\n");
    if (j.out.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the truth of a generated table");
        goto done;
    }
    QN_TRY(qn_out_open(ctx, path, false, &out));
    QN_TRY(qn_out_write(out, j.out.text, j.out.length));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    qn_json_release(&j);
    return st;
}

/* -- the folder -------------------------------------------------------------------------------- */

static bool is_generated_name(const char *name)
{
    static const char *const folder[] = {TRUTH, "train", "val", "test"};

    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++)
        if (strcmp(name, folder[i]) == 0)
            return true;
    for (int32_t i = 0; generators[i]; i++) {
        const size_t length = strlen(generators[i]->name);

        if (strncmp(name, generators[i]->name, length) == 0 &&
            (strcmp(name + length, ".csv") == 0 || strcmp(name + length, ".parquet") == 0))
            return true;
    }
    return false;
}

/* An empty folder may be filled. One that holds anything but generated tables is never replaced:
 * --out may name a folder that a user cares for. */
static qn_status look_at_folder(qn_context *ctx, const qn_gen_options *o, bool *replace)
{
    char **names = NULL;
    const char *other = NULL;
    int64_t n = 0;
    bool has_truth = false;
    qn_status st = QN_OK;

    *replace = o->overwrite;
    if (!qn_path_is_dir(o->out))
        return QN_OK;
    QN_TRY(qn_list_dir(ctx, o->out, &names, &n));
    for (int64_t i = 0; i < n; i++) {
        has_truth = has_truth || strcmp(names[i], TRUTH) == 0;
        other = other || is_generated_name(names[i]) ? other : names[i];
    }
    if (n == 0)
        *replace = true;
    else if (o->overwrite && (other || !has_truth))
        st = qn_fail(ctx, QN_EEXISTS,
                     "%s %s%s, so it is not a generated table to replace: name another folder",
                     o->out, other ? "holds " : "has no ", other ? other : TRUTH);
done:
    qn_names_free(names, n);
    return st;
}

/* Folders above OUT. */
static qn_status make_parents(qn_context *ctx, const char *path)
{
    size_t length = strlen(path);
    char *parent;
    qn_status st = QN_OK;

    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length == 0)
        return QN_OK;
    parent = strndup(path, length);
    if (!parent)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    st = qn_make_dirs(ctx, parent);
    free(parent);
    return st;
}

static qn_status write_file(qn_context *ctx, qn_gen_writer *writer, const qn_gen_file *file,
                            const char *folder)
{
    const char *slash = strchr(file->name, '/');
    char *path = qn_path_join(folder, file->name);
    qn_status st = QN_OK;

    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    if (slash) {
        path[strlen(path) - strlen(slash)] = '\0';
        st = qn_make_dirs(ctx, path);
        path[strlen(path)] = '/';
    }
    if (st == QN_OK)
        st = qn_gen_write_file(ctx, writer, file, path);
    free(path);
    return st;
}

static qn_status write_folder(qn_context *ctx, const qn_generator *g, const qn_gen_options *o,
                              const void *own, qn_gen_plan *plan)
{
    qn_out_dir dir = {0};
    qn_gen_writer *writer = NULL;
    char *truth = NULL;
    bool replace;
    qn_status st = QN_OK;

    QN_TRY(look_at_folder(ctx, o, &replace));
    QN_TRY(make_parents(ctx, o->out));
    QN_TRY(qn_out_dir_open(ctx, o->out, replace, &dir));
    QN_TRY(qn_gen_writer_create(ctx, g, plan, (qn_gen_format)o->format, &writer));
    for (int64_t f = 0; f < plan->n_files; f++)
        QN_TRY(write_file(ctx, writer, &plan->file[f], dir.staging));
    truth = qn_path_join(dir.staging, TRUTH);
    if (!truth) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a path");
        goto done;
    }
    QN_TRY(write_truth(ctx, g, o, own, plan, truth));
    QN_TRY(qn_out_dir_commit(ctx, &dir));
done:
    free(truth);
    qn_gen_writer_free(writer);
    qn_out_dir_abandon(&dir);
    return st;
}

/* -- a table ----------------------------------------------------------------------------------- */

static void plan_release(qn_gen_plan *plan)
{
    qn_free(plan->field);
    qn_free(plan->field_name);
    qn_free(plan->file);
    qn_free(plan->count);
    qn_free(plan->shape);
    qn_free(plan->truth);
}

/* Checks, and settles the format. */
static qn_status check_options(qn_context *ctx, const qn_generator *g, const void *own,
                               qn_gen_options *o)
{
    qn_status st = QN_OK;

    if (!o->out)
        return qn_fail(ctx, QN_EINVAL, "--out is missing: the folder to make");
    QN_TRY(qn_params_check(ctx, &qn_gen_table, o));
    if (g->table)
        QN_TRY(qn_params_check(ctx, g->table, own));
    if (o->format == QN_GEN_AUTO)
        o->format = g->has_lists ? QN_GEN_PARQUET : QN_GEN_CSV;
    if (o->format == QN_GEN_CSV && g->has_lists)
        st = qn_fail(ctx, QN_EINVAL,
                     "--format csv cannot hold the list column of %s: use --format parquet",
                     g->name);
done:
    return st;
}

static void fill_result(const qn_generator *g, const qn_gen_options *o, const qn_gen_plan *plan,
                        qn_gen_result *result)
{
    size_t length = strlen(o->out);

    while (length > 1 && o->out[length - 1] == '/')
        length--;
    snprintf(result->data_path, sizeof result->data_path, "%.*s/%s", (int)length, o->out,
             g->result_name ? g->result_name : plan->file[0].name);
    snprintf(result->truth_path, sizeof result->truth_path, "%.*s/%s", (int)length, o->out, TRUTH);
    result->rows = o->rows;
    result->n_files = plan->n_files;
    result->n_columns = plan->n_fields;
}

qn_status qn_datagen_table_write(qn_context *ctx, const qn_generator *generator,
                                 const qn_gen_options *options, const void *own,
                                 qn_gen_result *result)
{
    qn_gen_plan plan = {.seed = options->seed};
    qn_gen_options o = *options;
    const qn_span job = qn_job_start(ctx, "generate");
    qn_status st = QN_OK;

    *result = (qn_gen_result){0};
    QN_TRY(check_options(ctx, generator, own, &o));
    QN_TRY(generator->make(ctx, &o, own, &plan));
    QN_NEW0(ctx, plan.count, plan.n_files * plan.n_classes, "rows of classes");
    QN_TRY(write_folder(ctx, generator, &o, own, &plan));
    fill_result(generator, &o, &plan, result);
done:
    plan_release(&plan);
    qn_span_end(ctx, &job, st, &(qn_event){.rows = result->rows});
    return st;
}
