#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/stage.h"

qn_status qn_out_dir_open(qn_context *ctx, const char *path, bool overwrite, qn_out_dir *dir)
{
    qn_status st = QN_OK;
    qn_stage *stage = NULL;

    *dir = (qn_out_dir){.overwrite = overwrite};
    QN_NEW0(ctx, stage, 1, "an output folder");
    QN_TRY(qn_stage_open(ctx, path, overwrite, true, stage));
    dir->stage = stage;
    dir->path = stage->shown;
    dir->staging = stage->staging;
    stage = NULL;
done:
    qn_free(stage);
    return st;
}

static bool is_folder(int fd)
{
    struct stat info;

    return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

/* fsyncs all files and folders below the one open as `fd`, which is closed, and itself. On failure
 * *failed is the path, malloc'ed. */
static int sync_tree(qn_context *ctx, int fd, const char *path, char **failed)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;
    int error_number = 0;

    if (!dir) {
        error_number = errno;
        close(fd);
    }
    while (dir && !error_number && (entry = readdir(dir))) {
        char *below;
        int file;

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (entry->d_type != DT_REG && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
            continue;
        below = qn_path_join(path, entry->d_name);
        file = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (!below || file < 0) {
            error_number = below ? errno : ENOMEM;
            if (file >= 0)
                close(file);
        } else if (is_folder(file)) {
            error_number = sync_tree(ctx, file, below, failed);
        } else {
            error_number = qn_sync_fd(ctx, file);
            close(file);
        }
        if (error_number && !*failed) {
            *failed = below;
            below = NULL;
        }
        free(below);
    }
    if (!error_number)
        error_number = qn_sync_fd(ctx, fd);
    if (dir)
        closedir(dir);
    return error_number;
}

qn_status qn_out_dir_commit(qn_context *ctx, qn_out_dir *dir)
{
    qn_status st = QN_OK;
    char *failed = NULL;
    int fd, error_number;

    if (!dir->stage)
        return qn_fail(ctx, QN_EINTERNAL, "an output folder that is not open was to be committed");
    fd = open(dir->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error_number = fd < 0 ? errno : sync_tree(ctx, fd, dir->staging, &failed);
    if (error_number) {
        st = qn_fail_write(ctx, error_number, failed ? failed : dir->path, 0);
        goto done;
    }
    QN_TRY(qn_stage_swap(ctx, dir->stage));
done:
    free(failed);
    qn_out_dir_abandon(dir);
    return st;
}

void qn_out_dir_abandon(qn_out_dir *dir)
{
    if (!dir->stage)
        return;
    qn_stage_release(dir->stage);
    qn_free(dir->stage);
    *dir = (qn_out_dir){0};
}
