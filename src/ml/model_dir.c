/* Writing a model directory. */
#include "ml/model_dir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/context.h"
#include "base/params_out.h"
#include "base/text.h"
#include "data/parquet.h"
#include "ml/model_hash.h"

#define FORMAT_VERSION 1
#define SPARK_VERSION  "3.5.0"

qn_status qn_model_dir_open(qn_context *ctx, const char *path, bool overwrite, qn_out_dir *dir)
{
    const char *version;
    const qn_status st = qn_parquet_version(ctx, &version); /* without it nothing could be saved */

    *dir = (qn_out_dir){0};
    return st == QN_OK ? qn_out_dir_open(ctx, path, overwrite, dir) : st;
}

/* Makes the folder of `name` in the staged directory; *path is malloc'ed. */
static qn_status staged_path(qn_context *ctx, const qn_out_dir *dir, const char *name, char **path)
{
    char *slash;
    qn_status st;

    *path = qn_path_join(dir->staging, name);
    if (!*path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    slash = strrchr(*path, '/');
    *slash = '\0';
    st = qn_make_dirs(ctx, *path);
    *slash = '/';
    if (st != QN_OK) {
        free(*path);
        *path = NULL;
    }
    return st;
}

static qn_status write_text(qn_context *ctx, const qn_out_dir *dir, const char *name,
                            const qn_string *text)
{
    qn_out_file *out = NULL;
    char *path = NULL;
    qn_status st = QN_OK;

    if (text->failed)
        return qn_fail(ctx, QN_ENOMEM, "no memory for %s", name);
    QN_TRY(staged_path(ctx, dir, name, &path));
    QN_TRY(qn_out_open(ctx, path, false, &out));
    QN_TRY(qn_out_write(out, text->text, text->length));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    free(path);
    return st;
}

static void add_object(qn_json *json, const char *key, const char *inside)
{
    qn_string object = {0};

    qn_string_addf(&object, "{%s}", inside ? inside : "");
    json->out.failed |= object.failed;
    qn_json_raw(json, key, qn_string_text(&object));
    qn_string_release(&object);
}

qn_status qn_model_dir_metadata(qn_context *ctx, const qn_out_dir *dir,
                                const qn_spark_metadata *metadata)
{
    qn_json json = {0};
    qn_status st;

    qn_json_open(&json, NULL, '{');
    qn_json_text(&json, "class", metadata->class_name);
    qn_json_int(&json, "timestamp", qn_now_us() / 1000);
    qn_json_text(&json, "sparkVersion", SPARK_VERSION);
    qn_json_text(&json, "uid", metadata->uid);
    add_object(&json, "paramMap", metadata->param_map);
    add_object(&json, "defaultParamMap", metadata->default_param_map);
    if (metadata->extra && *metadata->extra) {
        qn_string_add(&json.out, ",");
        qn_string_add(&json.out, metadata->extra);
    }
    qn_json_close(&json, '}');
    qn_string_add(&json.out, "\n");
    st = write_text(ctx, dir, "metadata/part-00000", &json.out);
    qn_json_release(&json);
    return st;
}

/* `json` with ours around it. The caller's part is text, so that its numbers stay as they are. */
static qn_status compose_note(qn_context *ctx, const char *json, const json_t *files,
                              qn_string *note)
{
    const char *inside = strchr(json, '{'), *end = strrchr(json, '}');
    char *list = json_dumps(files, JSON_SORT_KEYS | JSON_COMPACT);
    json_t *check;

    if (!inside || !end || !list) {
        free(list);
        return qn_fail(ctx, list ? QN_EINTERNAL : QN_ENOMEM,
                       "what is to be kept is no JSON object");
    }
    inside++;
    qn_string_addf(note, "{\"formatVersion\":%d", FORMAT_VERSION);
    if (strspn(inside, " \t\r\n") < (size_t)(end - inside))
        qn_string_addf(note, ",%.*s", (int)(end - inside), inside);
    qn_string_addf(note, ",\"files\":%s}\n", list);
    free(list);
    check = note->failed ? NULL : json_loadb(note->text, note->length, 0, NULL);
    if (!check && !note->failed)
        return qn_fail(ctx, QN_EINVAL, "the record to be kept with the model is no valid JSON");
    json_decref(check);
    return QN_OK;
}

qn_status qn_model_dir_commit(qn_context *ctx, qn_out_dir *dir, const char *json)
{
    json_t *files = NULL;
    qn_string note = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_model_hash_files(ctx, dir->staging, &files));
    QN_TRY(compose_note(ctx, json, files, &note));
    QN_TRY(write_text(ctx, dir, "quern.json", &note));
    QN_TRY(qn_out_dir_commit(ctx, dir));
done:
    json_decref(files);
    qn_string_release(&note);
    return st;
}

void qn_model_params_write(const qn_params *table, const void *values, qn_json *json)
{
    /* Lists and sizes are not parameters of models. */
    for (int64_t i = 0; i < table->n; i++)
        if (table->param[i].type != QN_PARAM_LIST && table->param[i].type != QN_PARAM_BYTES)
            qn_param_value_json(&table->param[i], values, json);
}
