/* A run whose record has gone, as its checkpoint tells of it: manifests hold command and options.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/checkpoint_manifest.h"
#include "run/resume.h"

#define MANIFEST_LIMIT ((size_t)1 << 30)

static bool is_number(const char *name)
{
    return *name && strspn(name, "0123456789") == strlen(name);
}

/* The manifest of one checkpoint; false: it is not there, or damaged. */
static bool read_manifest(qn_context *ctx, const char *folder, const char *name,
                          qn_checkpoint_manifest *m)
{
    qn_string path = {0};
    char *text = NULL;
    size_t length = 0;
    bool is_read;

    qn_string_addf(&path, "%s/%s/%s", folder, name, QN_CHECKPOINT_MANIFEST);
    is_read = qn_read_file(ctx, qn_string_text(&path), MANIFEST_LIMIT, &text, &length) == QN_OK &&
              qn_checkpoint_manifest_parse(ctx, qn_string_text(&path), text, length, m) == QN_OK;
    qn_error_clear(ctx);
    qn_free(text);
    qn_string_release(&path);
    return is_read;
}

/* The options of the run, with its checkpoints where they were found: folder/ID below a folder of
 * the user's, or ID/checkpoint below the folder of runs. malloc'ed; NULL: out of memory. */
static char *options_at(const qn_checkpoint_manifest *m, const char *folder)
{
    char *place = realpath(folder, NULL), *slash = place ? strrchr(place, '/') : NULL, *text;
    json_t *options = json_loads(m->options, 0, NULL);

    if (slash && !strcmp(slash + 1, m->run_id)) {
        *slash = '\0';
        json_object_set_new(options, "checkpoint_dir", json_string(*place ? place : "/"));
    }
    text = json_dumps(options, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(options);
    free(place);
    return text;
}

static qn_status make_record(qn_context *ctx, const qn_checkpoint_manifest *m, const char *folder,
                             char **record)
{
    char *options = options_at(m, folder);
    qn_json j = {0};
    qn_status st;

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "run_id", m->run_id);
    qn_json_text(&j, "command", m->command);
    qn_json_raw(&j, "parameters", options ? options : "{}");
    qn_json_text(&j, "kernel_set", m->kernel_set);
    qn_json_text(&j, "status", "died");
    qn_json_close(&j, '}');
    st = options && !j.out.failed ? qn_strdup(ctx, qn_string_text(&j.out), record)
                                  : qn_fail(ctx, QN_ENOMEM, "not enough memory for a run record");
    qn_json_release(&j);
    free(options);
    return st;
}

qn_status qn_resume_rebuild(qn_context *ctx, const char *folder, char **record)
{
    qn_checkpoint_manifest newest = {0};
    qn_status st = QN_OK;
    char **names = NULL;
    int64_t n_names = 0, best = -1;

    *record = NULL;
    QN_TRY(qn_list_dir(ctx, folder, &names, &n_names));
    for (int64_t i = 0; i < n_names; i++) {
        qn_checkpoint_manifest m = {0};

        if (!is_number(names[i]) || strtoll(names[i], NULL, 10) <= best)
            continue;
        if (read_manifest(ctx, folder, names[i], &m)) {
            qn_checkpoint_manifest_release(&newest);
            newest = m;
            best = strtoll(names[i], NULL, 10);
        } else {
            qn_checkpoint_manifest_release(&m);
        }
    }
    if (best >= 0 && newest.run_id[0] && !strchr(newest.run_id, '/'))
        QN_TRY(make_record(ctx, &newest, folder, record));
done:
    qn_checkpoint_manifest_release(&newest);
    qn_names_free(names, n_names);
    return st;
}
