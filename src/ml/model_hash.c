#include "ml/model_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"

#define READ_BYTES ((int64_t)1 << 20)

static qn_status hash_file(qn_context *ctx, const char *path, char *buffer, char digest[33])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    XXH3_state_t state;
    XXH128_hash_t hash;
    ssize_t n = -1;
    qn_status st = QN_OK;

    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    while (fd >= 0 && (n = read(fd, buffer, (size_t)READ_BYTES)) > 0)
        XXH3_128bits_update(&state, buffer, (size_t)n);
    if (n < 0)
        st = qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s", path);
    if (fd >= 0)
        close(fd);
    hash = XXH3_128bits_digest(&state);
    snprintf(digest, 33, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
    return st;
}

/* `prefix` is the path of `dir` in the directory, "" or ending in '/'. */
static qn_status hash_folder(qn_context *ctx, const char *dir, const char *prefix, char *buffer,
                             json_t *files)
{
    char **names = NULL;
    int64_t n = 0;
    char digest[33];
    qn_string name = {0};
    char *path = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_list_dir(ctx, dir, &names, &n));
    for (int64_t i = 0; i < n; i++) {
        if (*names[i] == '.' || *names[i] == '_' || (!*prefix && !strcmp(names[i], "quern.json")))
            continue;
        free(path);
        path = qn_path_join(dir, names[i]);
        qn_string_clear(&name);
        qn_string_addf(&name, "%s%s", prefix, names[i]);
        if (path && qn_path_is_dir(path)) {
            qn_string_add(&name, "/");
            st = name.failed ? qn_fail(ctx, QN_ENOMEM, "no memory for a path")
                             : hash_folder(ctx, path, name.text, buffer, files);
            QN_TRY(st);
            continue;
        }
        if (!path || name.failed) {
            st = qn_fail(ctx, QN_ENOMEM, "no memory for a path");
            goto done;
        }
        QN_TRY(hash_file(ctx, path, buffer, digest));
        if (json_object_set_new(files, name.text, json_string(digest)) != 0) {
            st = qn_fail(ctx, QN_EDATA, "%s: the name is not UTF-8", path);
            goto done;
        }
    }
done:
    qn_names_free(names, n);
    qn_string_release(&name);
    free(path);
    return st;
}

qn_status qn_model_hash_files(qn_context *ctx, const char *dir, json_t **files)
{
    char *buffer = NULL;
    json_t *list = json_object();
    qn_status st = QN_OK;

    *files = NULL;
    if (!list)
        return qn_fail(ctx, QN_ENOMEM, "no memory for the digests of %s", dir);
    QN_NEW(ctx, buffer, READ_BYTES, "a buffer to read by");
    QN_TRY(hash_folder(ctx, dir, "", buffer, list));
    *files = list;
    list = NULL;
done:
    json_decref(list);
    qn_free(buffer);
    return st;
}
