/* A new generation: opened, filled, committed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/disk.h"
#include "base/file.h"
#include "base/stage.h"
#include "base/system.h"
#include "data/dataset_impl.h"

#define READ_BYTES         ((int64_t)1 << 20)
#define DEFAULT_FILE_BYTES ((int64_t)256 << 20)

/* What a data set is like unless its maker says otherwise: names and layout of the reference. */
static void set_defaults(qn_dataset_manifest *manifest)
{
    *manifest = (qn_dataset_manifest){
        .columns = {.user = "CUST_ID", .item = "MOVIE_ID", .rating = "RATING", .date = "DATE"},
        .partition_by = QN_BY_YEAR_MONTH,
        .on_duplicate = QN_KEEP_MAX_RATING,
        .target_file_size = DEFAULT_FILE_BYTES,
        .codec = "snappy",
    };
}

/* The next manifest begins as the old one without its files. */
static qn_status begin_next(qn_dataset_writer *writer)
{
    const qn_dataset_manifest *old = &writer->old;
    qn_dataset_manifest *next = &writer->next;
    qn_status st = QN_OK;

    set_defaults(next);
    if (writer->kind == QN_DATASET_OURS) {
        next->columns = old->columns;
        next->partition_by = old->partition_by;
        next->on_duplicate = old->on_duplicate;
        next->target_file_size = old->target_file_size;
        memcpy(next->codec, old->codec, sizeof next->codec);
    }
    for (int64_t i = 0; i < old->n_taken; i++)
        QN_TRY(qn_dataset_add_taken(writer->ctx, next, &old->taken[i]));
    for (int64_t i = 0; i < old->n_changes; i++)
        QN_TRY(qn_dataset_add_change(writer->ctx, next, &old->change[i]));
    next->generation = writer->generation;
done:
    return st;
}

/* Reads what is there now. */
static qn_status read_old(qn_dataset_writer *writer)
{
    qn_dataset_site *site = writer->site;
    char *manifest = NULL;
    qn_status st = QN_OK;

    if (site->state == QN_SITE_NOTHING)
        return QN_OK;
    if (site->state == QN_SITE_LINK) {
        QN_TRY(qn_dataset_folder(site, site->current, "", &writer->folder));
        if (!qn_path_is_dir(writer->folder))
            QN_TRY(qn_fail(writer->ctx, QN_EDATA,
                           "%s leads to generation %lld, which is not there: `quern data rollback` "
                           "goes back to one that is",
                           site->shown, (long long)site->current));
    } else {
        QN_TRY(qn_strdup(writer->ctx, site->target, &writer->folder));
    }
    QN_TRY(qn_dataset_text(writer->ctx, &manifest, "%s/" QN_DATASET_MANIFEST, writer->folder));
    writer->kind = qn_path_exists(manifest) ? QN_DATASET_OURS : QN_DATASET_PLAIN;
    if (writer->kind == QN_DATASET_OURS)
        QN_TRY(qn_dataset_read(writer->ctx, writer->folder, &writer->old));
    if (writer->kind == QN_DATASET_OURS && site->state == QN_SITE_FOLDER) /* a copy of one */
        QN_TRY(qn_dataset_add_companion(site, QN_DATASET_MANIFEST));
    if (writer->kind == QN_DATASET_PLAIN)
        QN_TRY(qn_dataset_scan(site, writer->folder, &writer->old));
done:
    qn_free(manifest);
    return st;
}

/* Greater than every number that is or was. A folder that is adopted takes the one before it. */
static qn_status choose_number(qn_dataset_writer *writer)
{
    int64_t *number = NULL, n = 0, last = -1;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_numbers(writer->site, &number, &n));
    if (n > 0)
        last = number[n - 1];
    if (writer->site->current > last)
        last = writer->site->current;
    if (writer->old.generation > last)
        last = writer->old.generation - 1;
    writer->generation = writer->site->state == QN_SITE_FOLDER ? last + 2 : last + 1;
    if (writer->generation < 1)
        writer->generation = 1;
done:
    qn_free(number);
    return st;
}

qn_status qn_dataset_write_open(qn_context *ctx, const char *path, qn_dataset_writer *writer)
{
    int error_number;
    qn_status st = QN_OK;

    *writer = (qn_dataset_writer){.ctx = ctx, .lock = -1};
    QN_NEW0(ctx, writer->site, 1, "a data set being written");
    writer->site->lock = -1;
    QN_TRY(qn_dataset_site_find(ctx, path, writer->site));
    QN_TRY(qn_dataset_site_lock(writer->site));
    writer->lock = writer->site->lock;
    writer->path = writer->site->shown;
    writer->generations = writer->site->generations;
    QN_TRY(read_old(writer));
    QN_TRY(choose_number(writer));
    QN_TRY(begin_next(writer));
    QN_TRY(qn_dataset_folder(writer->site, writer->generation, ".new", &writer->staging));
    error_number = qn_disk_mkdir(ctx, writer->staging);
    if (error_number)
        st = qn_fail_write(ctx, error_number, writer->staging, 0);
done:
    if (st != QN_OK)
        qn_dataset_write_close(writer);
    return st;
}

qn_status qn_dataset_write_room(qn_dataset_writer *writer, int64_t bytes)
{
    char fs[16], left[32], needed[32];
    const double free_bytes = (double)qn_disk_free(writer->generations, fs);

    if (free_bytes >= (double)bytes)
        return QN_OK;
    qn_format_bytes(free_bytes, left);
    qn_format_bytes((double)bytes, needed);
    return qn_fail(writer->ctx, QN_EIO,
                   "%s needs %s for the old and the new data side by side; %s are free on its %s "
                   "file system: make room or write to another",
                   writer->path, needed, left, fs);
}

/* Adds a file to the next manifest; any thread. */
static qn_status add_next(qn_dataset_writer *writer, const qn_dataset_file *file)
{
    qn_status st;

    pthread_mutex_lock(&writer->site->adding);
    st = qn_dataset_add_file(writer->ctx, &writer->next, file);
    pthread_mutex_unlock(&writer->site->adding);
    return st;
}

qn_status qn_dataset_write_link(qn_dataset_writer *writer, int64_t i)
{
    const qn_dataset_file *file = &writer->old.file[i];
    char *from = NULL, *to = NULL;
    int error_number;
    qn_status st = QN_OK;

    if (writer->kind != QN_DATASET_OURS)
        return qn_fail(writer->ctx, QN_EINTERNAL, "a file of a plain folder was to be taken over");
    QN_TRY(qn_dataset_text(writer->ctx, &from, "%s/%s", writer->folder, file->path));
    QN_TRY(qn_dataset_text(writer->ctx, &to, "%s/%s", writer->staging, file->path));
    QN_TRY(qn_dataset_make_folders(writer->ctx, writer->staging, file->path));
    error_number = qn_disk_link(writer->ctx, from, to);
    if (error_number == ENOENT)
        QN_TRY(qn_fail(writer->ctx, QN_EDATA,
                       "%s, which the manifest names, is not there: `quern data rollback` goes "
                       "back to the generation before",
                       from));
    if (error_number)
        QN_TRY(qn_fail_write(writer->ctx, error_number, to, 0));
    QN_TRY(add_next(writer, file));
done:
    qn_free(from);
    qn_free(to);
    return st;
}

/* Path of a file within its generation; *folder_length of it are the folder with its slash. */
static qn_status file_path(qn_dataset_writer *writer, int32_t part, int64_t number,
                           const char *ending, char **path)
{
    char folder[64];

    qn_dataset_part_name(writer->next.partition_by, part, folder, sizeof folder);
    return qn_dataset_text(writer->ctx, path, "%s%spart-%05lld%s.parquet", folder,
                           *folder ? "/" : "", (long long)number, ending);
}

qn_status qn_dataset_write_file(qn_dataset_writer *writer, int32_t part, int64_t number,
                                char **path)
{
    char *within = NULL;
    qn_status st = QN_OK;

    *path = NULL;
    QN_TRY(file_path(writer, part, number, ".new", &within));
    QN_TRY(qn_dataset_make_folders(writer->ctx, writer->staging, within));
    QN_TRY(qn_dataset_text(writer->ctx, path, "%s/%s", writer->staging, within));
done:
    qn_free(within);
    return st;
}

/* Syncs the file and takes size and digest of what is in it. */
static qn_status seal_file(qn_context *ctx, const char *path, qn_dataset_file *file)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *buffer = NULL;
    XXH3_state_t state;
    XXH128_hash_t hash;
    ssize_t n = 0;
    int error_number;
    qn_status st = QN_OK;

    if (fd < 0)
        QN_TRY(qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s", path));
    error_number = qn_sync_fd(ctx, fd);
    if (error_number)
        QN_TRY(qn_fail_write(ctx, error_number, path, 0));
    QN_NEW(ctx, buffer, READ_BYTES, "a buffer to read by");
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    while ((n = read(fd, buffer, (size_t)READ_BYTES)) > 0) {
        XXH3_128bits_update(&state, buffer, (size_t)n);
        file->bytes += n;
    }
    if (n < 0)
        QN_TRY(qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s", path));
    hash = XXH3_128bits_digest(&state);
    snprintf(file->digest, sizeof file->digest, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
done:
    qn_free(buffer);
    if (fd >= 0)
        close(fd);
    return st;
}

qn_status qn_dataset_write_done(qn_dataset_writer *writer, int32_t part, int64_t number,
                                const char *path, int64_t rows)
{
    qn_dataset_file file = {.part = part, .rows = rows};
    char ending[32], *to = NULL;
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(seal_file(writer->ctx, path, &file));
    snprintf(ending, sizeof ending, "-%.16s", file.digest);
    QN_TRY(file_path(writer, part, number, ending, &file.path));
    QN_TRY(qn_dataset_text(writer->ctx, &to, "%s/%s", writer->staging, file.path));
    error_number = qn_disk_rename(writer->ctx, path, to, 0);
    if (error_number)
        QN_TRY(qn_fail_write(writer->ctx, error_number, to, 0));
    QN_TRY(add_next(writer, &file));
done:
    qn_free(file.path);
    qn_free(to);
    return st;
}
