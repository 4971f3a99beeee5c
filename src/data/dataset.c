/* Reading and setting back data sets: where the link leads, which generations there are. */
#include "data/dataset.h"

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

#define MAX_TRIES 10

static qn_status has_manifest(qn_context *ctx, const char *folder, bool *has)
{
    char *path = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(ctx, &path, "%s/" QN_DATASET_MANIFEST, folder));
    *has = qn_path_exists(path);
done:
    qn_free(path);
    return st;
}

/* A link of ours that leads nowhere. */
static qn_status fail_dangling(qn_context *ctx, const char *path)
{
    return qn_fail(ctx, QN_EDATA,
                   "%s leads to a generation that is not there: `quern data rollback` goes back to "
                   "one that is",
                   path);
}

/* One look. *is_settled is false when the generation went away while it was looked at. */
static qn_status look_once(qn_context *ctx, const char *path, qn_dataset_kind *kind, char **folder,
                           bool *is_settled)
{
    qn_dataset_manifest manifest = {0};
    char *real = realpath(path, NULL), *again = NULL;
    bool is_ours = false;
    qn_status st = QN_OK;

    *is_settled = real != NULL;
    if (!real)
        return errno == ENOENT ? QN_OK : qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s", path);
    QN_TRY(has_manifest(ctx, real, &is_ours));
    if (is_ours) {
        st = qn_dataset_read(ctx, real, &manifest);
        *is_settled = st != QN_ENOTFOUND;
        if (st == QN_OK)
            st = qn_strdup(ctx, real, folder);
        *kind = QN_DATASET_OURS;
    } else {
        again = realpath(path, NULL);
        *is_settled = again && strcmp(real, again) == 0;
        st = qn_strdup(ctx, path, folder);
        *kind = QN_DATASET_PLAIN;
    }
    if (!*is_settled) {
        qn_free(*folder);
        *folder = NULL;
        qn_error_clear(ctx);
        st = QN_OK;
    }
done:
    qn_dataset_manifest_release(&manifest);
    free(real);
    free(again);
    return st;
}

qn_status qn_dataset_resolve(qn_context *ctx, const char *path, qn_dataset_kind *kind,
                             char **folder)
{
    bool is_settled = false;
    qn_status st = QN_OK;

    *folder = NULL;
    for (int i = 0; i < MAX_TRIES && !is_settled; i++) {
        *kind = QN_DATASET_NONE;
        if (!qn_path_exists(path))
            return QN_OK;
        QN_TRY(look_once(ctx, path, kind, folder, &is_settled));
    }
    if (!is_settled)
        st = fail_dangling(ctx, path);
done:
    if (st != QN_OK)
        *kind = QN_DATASET_NONE;
    return st;
}

qn_status qn_dataset_list(qn_context *ctx, const char *path, int64_t **generation, int64_t *n)
{
    qn_dataset_site site = {.lock = -1};
    char *link = NULL;
    int64_t staged, kept = 0;
    qn_status st = QN_OK;

    *generation = NULL;
    *n = 0;
    QN_TRY(qn_dataset_site_find(ctx, path, &site));
    QN_TRY(qn_dataset_text(ctx, &link, "%s/link.new", site.generations));
    QN_TRY(qn_dataset_numbers(&site, generation, n));
    staged = qn_dataset_link_number(link); /* complete, and not the data set's before the swap */
    for (int64_t i = 0; i < *n; i++)
        if ((*generation)[i] != staged || staged == site.current)
            (*generation)[kept++] = (*generation)[i];
    *n = kept;
done:
    qn_free(link);
    qn_dataset_site_close(&site);
    return st;
}

qn_status qn_dataset_prepare_link(qn_dataset_site *site, int64_t generation, const char *hidden)
{
    char *text = NULL, *link = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &text, ".%s.generations/%06lld", site->name,
                           (long long)generation));
    QN_TRY(qn_dataset_text(site->ctx, &link, "%s/%s", site->generations, hidden));
    error_number = qn_disk_symlink(site->ctx, text, link);
    if (!error_number)
        error_number = qn_disk_sync(site->ctx, site->generations);
    if (error_number)
        st = qn_fail_write(site->ctx, error_number, link, 0);
done:
    qn_free(text);
    qn_free(link);
    return st;
}

/* After a failure behind the swap: the old link, or none, comes back as well as it can. */
static void swap_back(qn_dataset_site *site, const char *link)
{
    char *text = NULL;

    if (site->state == QN_SITE_FOLDER) {
        qn_disk_rename(NULL, link, site->target, RENAME_EXCHANGE);
    } else if (site->state == QN_SITE_NOTHING) {
        qn_disk_rename(NULL, site->target, link, 0);
    } else if (qn_dataset_text(site->ctx, &text, ".%s.generations/%06lld", site->name,
                               (long long)site->current) == QN_OK) {
        if (qn_disk_symlink(NULL, text, link) == 0)
            qn_disk_rename(NULL, link, site->target, 0);
    }
    qn_free(text);
}

/* Nobody else may have changed what stands at the place since it was looked at. */
static qn_status check_place(qn_dataset_site *site)
{
    const qn_dataset_state state = site->state;
    const int64_t current = site->current;
    const struct stat folder = site->folder_stat;
    qn_status st = qn_dataset_site_look(site);

    if (st == QN_OK && (site->state != state || site->current != current ||
                        (state == QN_SITE_FOLDER && (folder.st_ino != site->folder_stat.st_ino ||
                                                     folder.st_dev != site->folder_stat.st_dev))))
        st = qn_fail(site->ctx, QN_EBUSY,
                     "%s has been replaced by someone else meanwhile: run again", site->shown);
    site->state = state;
    site->current = current;
    site->folder_stat = folder;
    return st;
}

qn_status qn_dataset_swap(qn_dataset_site *site, int64_t generation, const char *hidden)
{
    char *link = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &link, "%s/%s", site->generations, hidden));
    QN_TRY(check_place(site));
    error_number = qn_disk_rename(site->ctx, link, site->target,
                                  site->state == QN_SITE_FOLDER ? RENAME_EXCHANGE : 0);
    if (error_number)
        QN_TRY(qn_fail_errno(site->ctx, QN_EIO, error_number, "cannot put %s in its place",
                             site->shown));
    error_number = qn_disk_sync(site->ctx, site->parent);
    if (!error_number)
        error_number = qn_disk_sync(site->ctx, site->generations);
    if (error_number) {
        swap_back(site, link);
        QN_TRY(qn_fail_errno(site->ctx, QN_EIO, error_number, "cannot sync the folder of %s",
                             site->shown));
    }
    site->state = QN_SITE_LINK;
    site->current = generation;
done:
    qn_free(link);
    return st;
}

/* The generation to go back to: the newest before the current one, or the one that is asked for. */
static qn_status choose_generation(qn_dataset_site *site, int64_t wanted, int64_t *chosen)
{
    int64_t *number = NULL, n = 0;
    qn_string have = {0};
    qn_status st = QN_OK;

    *chosen = -1;
    QN_TRY(qn_dataset_numbers(site, &number, &n));
    for (int64_t i = 0; i < n; i++) {
        if (wanted >= 0 ? number[i] == wanted : site->current < 0 || number[i] < site->current)
            *chosen = number[i];
        qn_string_addf(&have, "%s%lld", i ? ", " : "", (long long)number[i]);
    }
    if (*chosen < 0 && wanted >= 0)
        st = qn_fail(site->ctx, QN_ENOTFOUND, "%s has no generation %lld: there are %s",
                     site->shown, (long long)wanted, n ? qn_string_text(&have) : "none");
    else if (*chosen < 0)
        st = qn_fail(site->ctx, QN_ENOTFOUND, "%s has no generation before %lld to go back to",
                     site->shown, (long long)site->current);
done:
    qn_string_release(&have);
    qn_free(number);
    return st;
}

/* A generation without a manifest is a folder that was adopted. */
static qn_status check_generation(qn_dataset_site *site, int64_t generation)
{
    qn_dataset_manifest manifest = {0};
    char *folder = NULL;
    bool is_ours = false;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_folder(site, generation, "", &folder));
    QN_TRY(has_manifest(site->ctx, folder, &is_ours));
    if (is_ours)
        QN_TRY(qn_dataset_read(site->ctx, folder, &manifest));
done:
    qn_dataset_manifest_release(&manifest);
    qn_free(folder);
    return st;
}

/* A place with no generations beside it has nothing to lock either. */
static qn_status open_existing(qn_context *ctx, const char *path, qn_dataset_site *site)
{
    qn_status st = qn_dataset_site_find(ctx, path, site);

    if (st == QN_OK && !qn_path_is_dir(site->generations))
        st = qn_fail(ctx, QN_ENOTFOUND, "%s %s", site->shown,
                     site->state == QN_SITE_FOLDER ? "is a plain folder: it has no generations yet"
                                                   : "is not there");
    if (st == QN_OK)
        st = qn_dataset_site_lock(site);
    return st;
}

qn_status qn_dataset_clean(qn_context *ctx, const char *path)
{
    qn_dataset_site site = {.lock = -1};
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_site_find(ctx, path, &site));
    if (qn_path_is_dir(site.generations))
        QN_TRY(qn_dataset_site_lock(&site));
done:
    qn_dataset_site_close(&site);
    return st;
}

qn_status qn_dataset_rollback(qn_context *ctx, const char *path, int64_t generation, int64_t *from,
                              int64_t *to)
{
    qn_dataset_site site = {.lock = -1};
    int64_t chosen = -1;
    qn_status st = QN_OK;

    *from = *to = -1;
    QN_TRY(open_existing(ctx, path, &site));
    if (site.state == QN_SITE_FOLDER)
        QN_TRY(qn_fail(ctx, QN_EINVAL, "%s is a plain folder: there is nothing to go back to",
                       site.shown));
    QN_TRY(choose_generation(&site, generation, &chosen));
    QN_TRY(check_generation(&site, chosen));
    *from = site.current;
    if (chosen != site.current) {
        QN_TRY(qn_dataset_prepare_link(&site, chosen, "link.back"));
        QN_TRY(qn_dataset_swap(&site, chosen, "link.back"));
    }
    *to = chosen;
done:
    if (site.lock >= 0 && st != QN_OK) {
        char *left = qn_path_join(site.generations, "link.back");

        if (left)
            unlink(left);
        free(left);
    }
    qn_dataset_site_close(&site);
    return st;
}

qn_status qn_dataset_gc(qn_context *ctx, const char *path, int32_t keep, int64_t *n_removed,
                        int64_t *bytes)
{
    qn_dataset_site site = {.lock = -1};
    qn_status st = QN_OK;

    *n_removed = *bytes = 0;
    QN_TRY(open_existing(ctx, path, &site));
    QN_TRY(qn_dataset_drop_old(&site, -1, keep > 1 ? keep : 1));
    *n_removed = site.n_removed;
    *bytes = site.bytes_removed;
done:
    qn_dataset_site_close(&site);
    return st;
}
