/* Reading a model directory: Quern's, Spark 3.x's or 4.x's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/params_out.h"
#include "base/text.h"
#include "data/parquet.h"
#include "ml/model_dir.h"
#include "ml/model_hash.h"

#define METADATA_LIMIT ((size_t)64 << 20)

static qn_status fail_class(qn_context *ctx, const char *path, const char *found,
                            const char *wanted)
{
    const char *short_name = strrchr(wanted, '.');
    const size_t length = strlen(found);

    if (strncmp(wanted, found, length) == 0 && strcmp(wanted + length, "Model") == 0)
        return qn_fail(ctx, QN_EDATA,
                       "%s holds the settings of an estimator that was not fitted (%s): save the "
                       "fitted model",
                       path, found);
    return qn_fail(ctx, QN_EDATA, "%s holds a %s, not a %s", path, found,
                   short_name ? short_name + 1 : wanted);
}

/* "3.5.0" -> 3; -1 where it does not begin with major.minor. */
static int major_version(const char *text)
{
    int major = -1, minor = -1;

    return text && sscanf(text, "%d.%d", &major, &minor) == 2 && major >= 0 ? major : -1;
}

static qn_status check_metadata(qn_context *ctx, const char *path, const json_t *metadata,
                                const char *class_name)
{
    const char *found = json_string_value(json_object_get(metadata, "class"));
    const char *version = json_string_value(json_object_get(metadata, "sparkVersion"));

    if (!found)
        return qn_fail(ctx, QN_EDATA, "%s has no \"class\": it is no metadata of a model", path);
    if (class_name && strcmp(found, class_name) != 0)
        return fail_class(ctx, path, found, class_name);
    if (major_version(version) < 0)
        return qn_fail(ctx, QN_EDATA, "%s: \"sparkVersion\" is \"%.40s\", not major.minor", path,
                       version ? version : "");
    if (major_version(version) < 3)
        return qn_fail(
            ctx, QN_EDATA,
            "%s was written by Spark %.40s: load and save it again with Spark 3 or later", path,
            version);
    if (!json_is_object(json_object_get(metadata, "paramMap")) ||
        !json_is_object(json_object_get(metadata, "defaultParamMap")))
        return qn_fail(ctx, QN_EDATA, "%s lacks \"paramMap\" or \"defaultParamMap\"", path);
    return QN_OK;
}

qn_status qn_model_metadata_parse(qn_context *ctx, const char *path, const char *text,
                                  size_t length, const char *class_name, json_t **metadata)
{
    const char *end = length > 0 ? memchr(text, '\n', length) : NULL;
    json_error_t error;
    json_t *parsed;
    qn_status st = QN_OK;

    *metadata = NULL;
    parsed = json_loadb(text, end ? (size_t)(end - text) : length, 0, &error);
    if (!json_is_object(parsed)) {
        st = qn_fail(ctx, QN_EDATA, "%s is damaged: %s at byte %d", path,
                     parsed ? "no JSON object" : error.text, parsed ? 0 : error.position);
        goto done;
    }
    QN_TRY(check_metadata(ctx, path, parsed, class_name));
    *metadata = parsed;
    parsed = NULL;
done:
    json_decref(parsed);
    return st;
}

/* The path of the first metadata/part-*, malloc'ed. Spark 3 calls it part-00000, Spark 4 adds more.
 */
static qn_status find_metadata(qn_context *ctx, const char *path, char **found)
{
    char *folder = qn_path_join(path, "metadata");
    char **names = NULL;
    int64_t n = 0;
    qn_status st = QN_OK;

    *found = NULL;
    if (!folder)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    if (!qn_path_is_dir(folder)) {
        st =
            qn_fail(ctx, QN_EDATA,
                    "%s is no model directory: it has no folder \"metadata\" (name the folder that "
                    "was given to --model or to Spark's save)",
                    path);
        goto done;
    }
    QN_TRY(qn_list_dir(ctx, folder, &names, &n));
    for (int64_t i = 0; i < n && !*found; i++)
        if (strncmp(names[i], "part-", 5) == 0)
            *found = qn_path_join(folder, names[i]);
    if (!*found)
        st =
            qn_fail(ctx, QN_EDATA, "%s has no part-* file: copy the whole model directory", folder);
done:
    qn_names_free(names, n);
    free(folder);
    return st;
}

/* Believed only if it is about the files that are here. */
static qn_status read_note(qn_context *ctx, qn_model_files *files)
{
    char *path = qn_path_join(files->path, "quern.json"), *text = NULL;
    json_t *note = NULL, *found = NULL;
    const json_t *listed;
    size_t length;
    qn_status st = QN_OK;

    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    if (!qn_path_exists(path))
        goto done;
    QN_TRY(qn_read_file(ctx, path, METADATA_LIMIT, &text, &length));
    note = json_loadb(text, length, 0, NULL);
    listed = json_object_get(note, "files");
    if (!json_is_object(listed)) {
        qn_emit_warning(ctx, "%s is damaged and ignored: parameters and counts are unknown", path);
        goto done;
    }
    QN_TRY(qn_model_hash_files(ctx, files->path, &found));
    if (!json_equal(listed, found)) {
        qn_emit_warning(
            ctx,
            "%s does not belong to the files beside it, which were changed since: it is "
            "ignored, parameters and counts are unknown",
            path);
        goto done;
    }
    files->quern = note;
    note = NULL;
done:
    json_decref(note);
    json_decref(found);
    qn_free(text);
    free(path);
    return st;
}

/* The folder itself, or the newest of its version_* folders: where a pipeline saves one model after
 * the other, the parent may be named. */
static qn_status resolve(qn_context *ctx, const char *path, char **resolved)
{
    const qn_status st = qn_model_find_latest(ctx, path, resolved);

    if (st == QN_OK && strcmp(path, *resolved) != 0)
        qn_emit_fact(ctx, "model_version", *resolved);
    if (st != QN_ENOTFOUND)
        return st;
    qn_error_clear(ctx);
    return qn_strdup(ctx, path, resolved); /* what is missing there is told by the next step */
}

/* Finds the folder and parses its metadata; the caller releases `files` also after a failure. */
static qn_status open_metadata(qn_context *ctx, const char *path, const char *class_name,
                               qn_model_files *files)
{
    char *metadata = NULL, *text = NULL;
    size_t length;
    qn_status st = QN_OK;

    *files = (qn_model_files){0};
    if (!qn_path_is_dir(path))
        return qn_path_exists(path)
                   ? qn_fail(ctx, QN_EDATA, "%s is a file: a model is a folder", path)
                   : qn_fail(ctx, QN_ENOTFOUND, "there is no model folder %s", path);
    QN_TRY(resolve(ctx, path, &files->path));
    QN_TRY(find_metadata(ctx, files->path, &metadata));
    QN_TRY(qn_read_file(ctx, metadata, METADATA_LIMIT, &text, &length));
    QN_TRY(qn_model_metadata_parse(ctx, metadata, text, length, class_name, &files->metadata));
done:
    qn_free(text);
    free(metadata);
    return st;
}

qn_status qn_model_files_open(qn_context *ctx, const char *path, const char *class_name,
                              qn_model_files *files)
{
    qn_status st = open_metadata(ctx, path, class_name, files);

    if (st == QN_OK)
        st = read_note(ctx, files);
    if (st != QN_OK)
        qn_model_files_release(files);
    return st;
}

qn_status qn_model_class(qn_context *ctx, const char *path, char *out, size_t size)
{
    qn_model_files files;
    const qn_status st = open_metadata(ctx, path, NULL, &files);

    out[0] = '\0';
    if (st == QN_OK)
        snprintf(out, size, "%s", json_string_value(json_object_get(files.metadata, "class")));
    qn_model_files_release(&files);
    return st;
}

void qn_model_files_release(qn_model_files *files)
{
    qn_free(files->path);
    json_decref(files->metadata);
    json_decref(files->quern);
    *files = (qn_model_files){0};
}

bool qn_model_files_has(const qn_model_files *files, const char *name)
{
    char *path = qn_path_join(files->path, name);
    const bool has = path && qn_path_exists(path);

    free(path);
    return has;
}

qn_status qn_model_files_table(qn_context *ctx, const qn_model_files *files, const char *name,
                               qn_source **source)
{
    char *path = qn_path_join(files->path, name);
    const char *const paths[] = {path};
    const qn_source_options options = {
        .path = paths, .n_paths = 1, .format = QN_FORMAT_PARQUET, .members = true};
    qn_status st;

    *source = NULL;
    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    if (!qn_path_exists(path)) {
        st = qn_fail(ctx, QN_EDATA, "%s has no \"%s\": copy the whole model directory", files->path,
                     name);
    } else {
        st = qn_parquet_source_open(ctx, &options, source);
        if (st == QN_ENOTFOUND)
            st = qn_fail(ctx, QN_EDATA, "%s holds no part files: copy the whole model directory",
                         path);
    }
    free(path);
    return st;
}

json_t *qn_model_files_param(const qn_model_files *files, const char *name)
{
    json_t *value = json_object_get(json_object_get(files->metadata, "paramMap"), name);

    return value ? value
                 : json_object_get(json_object_get(files->metadata, "defaultParamMap"), name);
}

/* One value by its type; false if the JSON is of another kind. */
static bool read_param(const qn_param *p, const json_t *value, char *at)
{
    const char *text = json_string_value(value);

    switch (p->type) {
    case QN_PARAM_BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value);
    case QN_PARAM_INT32:
        *(int32_t *)at = (int32_t)json_integer_value(value);
        return json_is_integer(value) && json_integer_value(value) == *(int32_t *)at;
    case QN_PARAM_INT64:
        *(int64_t *)at = json_integer_value(value);
        return json_is_integer(value);
    case QN_PARAM_DOUBLE:
        *(double *)at = json_number_value(value);
        return json_is_number(value);
    case QN_PARAM_CHOICE:
        for (int32_t i = 0; text; i++) {
            size_t length;
            const char *choice = qn_param_choice(p, i, &length);

            if (!choice)
                return false;
            *(int32_t *)at = i;
            if (strlen(text) == length && strncmp(text, choice, length) == 0)
                return true;
        }
        return false;
    default:
        return true;
    }
}

qn_status qn_model_params_read(qn_context *ctx, const qn_params *table, const json_t *json,
                               void *values)
{
    for (int64_t i = 0; i < table->n; i++) {
        const qn_param *p = &table->param[i];
        const json_t *value = json_object_get(json, p->name);

        if (value && !read_param(p, value, (char *)values + p->offset))
            return qn_fail(ctx, QN_EDATA, "parameter \"%s\" of the model is damaged", p->name);
    }
    return QN_OK;
}

qn_status qn_model_find_latest(qn_context *ctx, const char *root, char **path)
{
    char **names = NULL;
    char *best = NULL, *metadata = qn_path_join(root, "metadata");
    int64_t n = 0;
    qn_status st = QN_OK;

    *path = NULL;
    if (!metadata)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    if (!qn_path_is_dir(root)) {
        st = qn_fail(ctx, QN_ENOTFOUND, "there is no folder %s", root);
        goto done;
    }
    if (qn_path_is_dir(metadata)) {
        st = qn_strdup(ctx, root, path);
        goto done;
    }
    QN_TRY(qn_list_dir(ctx, root, &names, &n));
    for (int64_t i = n - 1; i >= 0 && !best; i--) {
        if (strncmp(names[i], "version_", 8) != 0)
            continue;
        best = qn_path_join(root, names[i]);
        if (best && !qn_path_is_dir(best)) {
            free(best);
            best = NULL;
        }
    }
    st = best ? qn_strdup(ctx, best, path)
              : qn_fail(ctx, QN_ENOTFOUND, "%s is no model and holds no folder version_*", root);
done:
    qn_names_free(names, n);
    free(best);
    free(metadata);
    return st;
}
