/* A plain folder becomes a generation: its files are hard-linked beside before its place is taken,
 * and whatever is not a file of data is put back in sight. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/disk.h"
#include "base/file.h"
#include "base/stage.h"
#include "data/dataset_impl.h"

#define MAX_DEPTH 32
#define MAX_SHOWN 5 /* names in a message */

/* What Spark writes beside its data: of no use to anyone else. */
static bool is_companion(const char *name)
{
    const size_t length = strlen(name);

    return !strcmp(name, "_SUCCESS") || !strcmp(name, "_metadata") ||
           !strcmp(name, "_common_metadata") || !strncmp(name, "_started_", 9) ||
           !strncmp(name, "_committed_", 11) || !strcmp(name, QN_DATASET_MANIFEST) ||
           (name[0] == '.' && length > 5 && !strcmp(name + length - 4, ".crc"));
}

qn_status qn_dataset_add_companion(qn_dataset_site *site, const char *path)
{
    if (site->n_also == site->also_capacity) {
        const int64_t capacity = 2 * site->also_capacity + 16;
        char **more = realloc(site->also, sizeof *more * (size_t)capacity);

        if (!more)
            return qn_fail(site->ctx, QN_ENOMEM, "no memory for the names in %s", site->shown);
        site->also = more;
        site->also_capacity = capacity;
    }
    site->also[site->n_also] = strdup(path);
    if (!site->also[site->n_also])
        return qn_fail(site->ctx, QN_ENOMEM, "no memory for the names in %s", site->shown);
    site->n_also++;
    return QN_OK;
}

static qn_status scan_folder(qn_dataset_site *site, const char *folder, const char *prefix,
                             int depth, qn_dataset_manifest *manifest);

/* One name; `below` is its path in the folder. */
static qn_status scan_name(qn_dataset_site *site, const char *folder, const char *name,
                           const char *below, int depth, qn_dataset_manifest *manifest)
{
    const bool is_hidden = name[0] == '.' || name[0] == '_';
    char *path = NULL;
    struct stat info;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &path, "%s/%s", folder, name));
    if (lstat(path, &info) != 0)
        QN_TRY(qn_fail_errno(site->ctx, QN_EIO, errno, "%s: cannot be read", path));
    if (is_hidden) {
        if (S_ISREG(info.st_mode) && is_companion(name))
            st = qn_dataset_add_companion(site, below);
    } else if (S_ISDIR(info.st_mode)) {
        st = scan_folder(site, path, below, depth + 1, manifest);
    } else if (S_ISREG(info.st_mode)) {
        const qn_dataset_file file = {.path = (char *)below, .bytes = info.st_size};

        st = qn_dataset_add_file(site->ctx, manifest, &file);
    } else {
        st = qn_fail(site->ctx, QN_EINVAL,
                     "%s cannot become a data set: %s is a link or no file: put the file itself "
                     "there",
                     site->shown, path);
    }
done:
    qn_free(path);
    return st;
}

static qn_status scan_folder(qn_dataset_site *site, const char *folder, const char *prefix,
                             int depth, qn_dataset_manifest *manifest)
{
    char **names = NULL, *below = NULL;
    int64_t n = 0;
    qn_status st = QN_OK;

    if (depth > MAX_DEPTH)
        return qn_fail(site->ctx, QN_EINVAL, "%s: folders nest deeper than %d", folder, MAX_DEPTH);
    QN_TRY(qn_list_dir(site->ctx, folder, &names, &n));
    for (int64_t i = 0; i < n; i++) {
        qn_free(below);
        QN_TRY(qn_dataset_text(site->ctx, &below, "%s%s%s", prefix, *prefix ? "/" : "", names[i]));
        QN_TRY(scan_name(site, folder, names[i], below, depth, manifest));
    }
done:
    qn_names_free(names, n);
    qn_free(below);
    return st;
}

qn_status qn_dataset_scan(qn_dataset_site *site, const char *folder, qn_dataset_manifest *manifest)
{
    return scan_folder(site, folder, "", 0, manifest);
}

qn_status qn_dataset_make_folders(qn_context *ctx, const char *root, const char *path)
{
    char *folder = NULL;
    qn_status st = QN_OK;

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        int error_number;

        qn_free(folder);
        QN_TRY(qn_dataset_text(ctx, &folder, "%s/%.*s", root, (int)(slash - path), path));
        error_number = qn_disk_mkdir(ctx, folder);
        if (error_number && error_number != EEXIST)
            QN_TRY(qn_fail_write(ctx, error_number, folder, 0));
    }
done:
    qn_free(folder);
    return st;
}

qn_status qn_dataset_sync_folders(qn_context *ctx, const char *path)
{
    char **names = NULL, *below = NULL;
    int64_t n = 0;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_list_dir(ctx, path, &names, &n));
    for (int64_t i = 0; i < n; i++) {
        struct stat info;

        qn_free(below);
        QN_TRY(qn_dataset_text(ctx, &below, "%s/%s", path, names[i]));
        if (lstat(below, &info) == 0 && S_ISDIR(info.st_mode))
            QN_TRY(qn_dataset_sync_folders(ctx, below));
    }
    error_number = qn_disk_sync(ctx, path);
    if (error_number)
        st = qn_fail_write(ctx, error_number, path, 0);
done:
    qn_names_free(names, n);
    qn_free(below);
    return st;
}

static qn_status adopt_file(qn_dataset_site *site, const char *folder, const char *twin,
                            const char *path)
{
    char *from = NULL, *to = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &from, "%s/%s", folder, path));
    QN_TRY(qn_dataset_text(site->ctx, &to, "%s/%s", twin, path));
    QN_TRY(qn_dataset_make_folders(site->ctx, twin, path));
    error_number = qn_disk_link(site->ctx, from, to);
    if (error_number == ENOENT)
        QN_TRY(qn_fail(site->ctx, QN_EBUSY, "%s has gone meanwhile: run again", from));
    if (!error_number) /* others may have written it, and not to disk */
        error_number = qn_disk_sync(site->ctx, to);
    if (error_number)
        st = qn_fail_write(site->ctx, error_number, to, 0);
done:
    qn_free(from);
    qn_free(to);
    return st;
}

qn_status qn_dataset_adopt(qn_dataset_site *site, const char *folder, int64_t generation,
                           const qn_dataset_manifest *old)
{
    char *twin = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_folder(site, generation, ".adopt", &twin));
    error_number = qn_disk_mkdir(site->ctx, twin);
    if (error_number)
        QN_TRY(qn_fail_write(site->ctx, error_number, twin, 0));
    for (int64_t i = 0; i < old->n_files; i++)
        QN_TRY(adopt_file(site, folder, twin, old->file[i].path));
    for (int64_t i = 0; i < site->n_also; i++)
        QN_TRY(adopt_file(site, folder, twin, site->also[i]));
    QN_TRY(qn_dataset_sync_folders(site->ctx, twin));
done:
    qn_free(twin);
    return st;
}

/* Removes from `folder` what is the same file in `twin`, and folders that are empty then. Returns
 * the first errno. */
static int remove_twins(const char *folder, const char *twin)
{
    char **names = NULL;
    int64_t n = 0;
    int first = 0;

    if (qn_list_dir(NULL, folder, &names, &n) != QN_OK)
        return EIO;
    for (int64_t i = 0; i < n && !first; i++) {
        char *mine = qn_path_join(folder, names[i]), *other = qn_path_join(twin, names[i]);
        struct stat here, there;

        if (!mine || !other)
            first = ENOMEM;
        else if (lstat(mine, &here) != 0)
            first = errno == ENOENT ? 0 : errno;
        else if (S_ISDIR(here.st_mode))
            first = remove_twins(mine, other);
        else if (lstat(other, &there) == 0 && here.st_ino == there.st_ino &&
                 here.st_dev == there.st_dev && unlink(mine) != 0)
            first = errno;
        free(mine);
        free(other);
    }
    qn_names_free(names, n);
    if (!first && rmdir(folder) != 0 && errno != ENOTEMPTY && errno != EEXIST)
        first = errno;
    return first;
}

/* Names of the first files below, for a message. */
static void name_some(const char *folder, qn_string *text, int *n_shown)
{
    char **names = NULL;
    int64_t n = 0;

    if (qn_list_dir(NULL, folder, &names, &n) != QN_OK)
        return;
    for (int64_t i = 0; i < n; i++) {
        char *path = qn_path_join(folder, names[i]);
        struct stat info;

        if (path && lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
            name_some(path, text, n_shown);
        else if (++*n_shown <= MAX_SHOWN)
            qn_string_addf(text, "%s%s", *n_shown > 1 ? ", " : "", names[i]);
        free(path);
    }
    qn_names_free(names, n);
}

/* Puts what is left of the folder where it can be seen: at its old place if nothing is there now.
 */
static qn_status put_back(qn_dataset_site *site, const char *folder)
{
    qn_string some = {0};
    char *place = NULL;
    int shown = 0, error_number = EEXIST;
    qn_status st = QN_OK;

    for (int i = 0; i < 1000 && error_number == EEXIST; i++) {
        char number[16] = "";

        if (i > 1)
            snprintf(number, sizeof number, "-%d", i);
        qn_free(place);
        QN_TRY(
            qn_dataset_text(site->ctx, &place, "%s%s%s", site->target, i ? ".others" : "", number));
        error_number = qn_path_exists(place) ? EEXIST : qn_disk_rename(site->ctx, folder, place, 0);
    }
    if (error_number)
        QN_TRY(qn_fail_write(site->ctx, error_number, place, 0));
    name_some(place, &some, &shown);
    qn_emit_warning(site->ctx, "%s held what is no data of it (%s%s): it is in %s now", site->shown,
                    qn_string_text(&some), shown > MAX_SHOWN ? ", ..." : "", place);
done:
    qn_string_release(&some);
    qn_free(place);
    return st;
}

/* The name that ends with ".adopt", NULL if there is none; free with free(). */
static char *find_twin(const qn_dataset_site *site)
{
    char **names = NULL, *path = NULL;
    int64_t n = 0;

    if (qn_list_dir(NULL, site->generations, &names, &n) != QN_OK)
        return NULL;
    for (int64_t i = 0; i < n && !path; i++) {
        const char *dot = strrchr(names[i], '.');

        if (dot && strcmp(dot, ".adopt") == 0)
            path = qn_path_join(site->generations, names[i]);
    }
    qn_names_free(names, n);
    return path;
}

qn_status qn_dataset_finish_folder(qn_dataset_site *site)
{
    char *folder = NULL, *twin = find_twin(site);
    int error_number = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &folder, "%s/link.new", site->generations));
    if (twin)
        error_number = remove_twins(folder, twin);
    if (error_number)
        QN_TRY(qn_fail_errno(site->ctx, QN_EIO, error_number,
                             "cannot remove the folder that %s was", site->shown));
    if (qn_path_exists(folder))
        QN_TRY(put_back(site, folder));
done:
    free(twin);
    qn_free(folder);
    return st;
}
