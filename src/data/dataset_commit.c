/* The step that makes a new generation the data set, and the removal of one. */
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

static int compare_files(const void *a, const void *b)
{
    const qn_dataset_file *x = a, *y = b;

    return x->part != y->part ? (x->part > y->part) - (x->part < y->part)
                              : strcmp(x->path, y->path);
}

/* Times of a history never go back, whatever the clocks of the writers' hosts say. */
static void set_times(qn_dataset_manifest *manifest, int64_t first)
{
    const int64_t now = qn_now_us() / 1000000;

    for (int64_t i = first; i < manifest->n_changes; i++) {
        qn_dataset_change *change = &manifest->change[i];

        change->generation = manifest->generation;
        if (change->time == 0)
            change->time = now;
        if (i > 0 && change->time < manifest->change[i - 1].time)
            change->time = manifest->change[i - 1].time;
    }
}

/* What cannot be read back must not be written. */
static qn_status check_manifest(qn_dataset_writer *writer, const qn_json *json)
{
    qn_dataset_manifest back;
    const qn_status st = qn_dataset_manifest_parse(writer->ctx, "the new manifest", json->out.text,
                                                   json->out.length, &back);

    qn_dataset_manifest_release(&back);
    return st == QN_EDATA
               ? qn_fail_prefix(writer->ctx, QN_EINTERNAL, "%s cannot be written", writer->path)
               : st;
}

static qn_status write_manifest(qn_dataset_writer *writer)
{
    qn_out_file *out = NULL;
    qn_json json = {0};
    char *path = NULL;
    qn_status st = QN_OK;

    qn_dataset_manifest_json(&writer->next, &json);
    qn_string_add(&json.out, "\n");
    if (json.out.failed)
        QN_TRY(qn_fail(writer->ctx, QN_ENOMEM, "no memory for the manifest of %s", writer->path));
    QN_TRY(check_manifest(writer, &json));
    QN_TRY(qn_dataset_text(writer->ctx, &path, "%s/" QN_DATASET_MANIFEST, writer->staging));
    QN_TRY(qn_out_open(writer->ctx, path, false, &out));
    QN_TRY(qn_out_write(out, json.out.text, json.out.length));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    qn_json_release(&json);
    qn_free(path);
    return st;
}

/* The staged folder gets its number, when the link to it waits under its hidden name already. */
static qn_status name_generation(qn_dataset_writer *writer)
{
    qn_dataset_site *site = writer->site;
    char *folder = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_prepare_link(site, writer->generation, "link.new"));
    QN_TRY(qn_dataset_folder(site, writer->generation, "", &folder));
    error_number = qn_disk_rename(writer->ctx, writer->staging, folder, 0);
    if (error_number)
        QN_TRY(qn_fail_write(writer->ctx, error_number, folder, 0));
    qn_free(writer->staging);
    writer->staging = folder;
    folder = NULL;
    error_number = qn_disk_sync(writer->ctx, site->generations);
    if (error_number)
        st = qn_fail_write(writer->ctx, error_number, site->generations, 0);
done:
    qn_free(folder);
    return st;
}

/* The data set is the new one: what fails from here on is left to the next writer. */
static void clean_up(qn_dataset_writer *writer, bool was_folder, int64_t before, int32_t keep)
{
    qn_dataset_site *site = writer->site;
    qn_status st = QN_OK;

    if (was_folder)
        QN_TRY(qn_dataset_recover(site));
    QN_TRY(qn_dataset_drop_old(site, before, keep > 1 ? keep : 1));
done:
    if (st != QN_OK) {
        qn_emit_warning(writer->ctx,
                        "%s is written, but what it replaces is not all removed (%s): "
                        "the next writer does it",
                        writer->path, qn_context_error(writer->ctx));
        qn_error_clear(writer->ctx);
    }
}

qn_status qn_dataset_write_commit(qn_dataset_writer *writer, int32_t keep)
{
    qn_dataset_site *site = writer->site;
    const bool was_folder = site->state == QN_SITE_FOLDER;
    int64_t before = site->current;
    qn_status st = QN_OK;

    if (writer->next.n_files > 1)
        qsort(writer->next.file, (size_t)writer->next.n_files, sizeof *writer->next.file,
              compare_files);
    set_times(&writer->next, writer->old.n_changes);
    QN_TRY(write_manifest(writer));
    QN_TRY(qn_dataset_sync_folders(writer->ctx, writer->staging));
    if (was_folder) {
        before = writer->generation - 1;
        QN_TRY(qn_dataset_adopt(site, writer->folder, before, &writer->old));
    }
    QN_TRY(name_generation(writer));
    QN_TRY(qn_dataset_swap(site, writer->generation, "link.new"));
    qn_free(writer->staging); /* is not ours to remove any more */
    writer->staging = NULL;
    clean_up(writer, was_folder, before, keep);
done:
    return st;
}

/* Moves the link away, which makes the data set be gone at once, then its generations. */
static qn_status remove_link(qn_dataset_writer *writer)
{
    qn_dataset_site *site = writer->site;
    const int64_t current = site->current;
    char *link = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_site_look(site));
    if (site->state != QN_SITE_LINK || site->current != current)
        QN_TRY(qn_fail(writer->ctx, QN_EBUSY,
                       "%s has been replaced by someone else meanwhile: run again", site->shown));
    QN_TRY(qn_dataset_text(writer->ctx, &link, "%s/link.removed", site->generations));
    error_number = qn_disk_rename(writer->ctx, site->target, link, 0);
    if (!error_number)
        error_number = qn_disk_sync(writer->ctx, site->parent);
    if (error_number)
        QN_TRY(qn_fail_errno(writer->ctx, QN_EIO, error_number, "cannot remove %s", site->shown));
done:
    qn_free(link);
    return st;
}

/* The folder is moved away whole; twins of the files that were listed say which of them may go. */
static qn_status remove_folder(qn_dataset_writer *writer)
{
    qn_dataset_site *site = writer->site;
    char *folder = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_adopt(site, writer->folder, writer->generation - 1, &writer->old));
    QN_TRY(qn_dataset_text(writer->ctx, &folder, "%s/link.new", site->generations));
    error_number = qn_disk_rename(writer->ctx, site->target, folder, 0);
    if (!error_number)
        error_number = qn_disk_sync(writer->ctx, site->parent);
    if (error_number)
        QN_TRY(qn_fail_errno(writer->ctx, QN_EIO, error_number, "cannot remove %s", site->shown));
done:
    qn_free(folder);
    return st;
}

qn_status qn_dataset_write_remove(qn_dataset_writer *writer)
{
    qn_dataset_site *site = writer->site;
    qn_status st = QN_OK;

    if (site->state == QN_SITE_LINK)
        QN_TRY(remove_link(writer));
    else if (site->state == QN_SITE_FOLDER)
        QN_TRY(remove_folder(writer));
    QN_TRY(qn_dataset_site_look(site));
    QN_TRY(qn_dataset_recover(site)); /* it finishes what is begun; the staging folder goes too */
    qn_free(writer->staging);
    writer->staging = NULL;
done:
    return st;
}

/* What a failed commit may have left beside the staging folder. Where even the way back failed the
 * new generation is the data set: then nothing of it may go. */
static void remove_hidden(qn_dataset_writer *writer)
{
    qn_dataset_site *site = writer->site;
    const qn_dataset_state state = site->state;
    char *link = qn_path_join(site->generations, "link.new"), *twin = NULL;
    struct stat info;

    if (qn_dataset_site_look(site) != QN_OK || site->state != state ||
        site->current == writer->generation) {
        free(link);
        return;
    }
    if (link && lstat(link, &info) == 0 && S_ISLNK(info.st_mode))
        unlink(link);
    free(link);
    if (site->state == QN_SITE_FOLDER &&
        qn_dataset_folder(site, writer->generation - 1, ".adopt", &twin) == QN_OK &&
        qn_path_is_dir(twin))
        qn_remove_tree(NULL, twin);
    qn_free(twin);
    qn_remove_tree(NULL, writer->staging);
}

void qn_dataset_write_close(qn_dataset_writer *writer)
{
    if (writer->staging)
        remove_hidden(writer);
    qn_free(writer->staging);
    qn_free(writer->folder);
    qn_dataset_manifest_release(&writer->old);
    qn_dataset_manifest_release(&writer->next);
    if (writer->site)
        qn_dataset_site_close(writer->site);
    qn_free(writer->site);
    *writer = (qn_dataset_writer){.lock = -1};
}
