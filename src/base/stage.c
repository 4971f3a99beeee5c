#include "base/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "base/file.h"
#include "base/system.h"
#include "base/text.h"

#define PREFIX   ".quern-"
#define MAX_BASE 150 /* of the target's name inside the hidden one: names end at 255 bytes */

void qn_write_fail_after(qn_context *ctx, int64_t allowed, int error_number)
{
    atomic_store(&ctx->write_error, error_number);
    atomic_store(&ctx->write_allowed, allowed);
}

int qn_write_planned(qn_context *ctx)
{
    if (!ctx || atomic_load_explicit(&ctx->write_allowed, memory_order_relaxed) == INT64_MAX)
        return 0;
    return atomic_fetch_sub(&ctx->write_allowed, 1) > 0 ? 0 : atomic_load(&ctx->write_error);
}

int qn_sync_fd(qn_context *ctx, int fd)
{
    const int planned = qn_write_planned(ctx);

    if (planned)
        return planned;
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS)
        return 0;
    return errno;
}

qn_status qn_fail_write(qn_context *ctx, int error_number, const char *path, double bytes)
{
    char written[32], left[32], fs[16];

    qn_format_bytes(bytes, written);
    if (error_number == ENOSPC || error_number == EDQUOT) {
        qn_string folder = {0};
        const char *slash = strrchr(path, '/');

        qn_string_add_bytes(&folder, path, slash ? (size_t)(slash - path) + 1 : 0);
        qn_format_bytes((double)qn_disk_free(folder.length ? qn_string_text(&folder) : ".", fs),
                        left);
        qn_string_release(&folder);
        return qn_fail_errno(ctx, QN_EIO, error_number,
                             "cannot write %s (%s written, %s free on its %s file system)", path,
                             written, left, fs);
    }
    return qn_fail_errno(ctx, QN_EIO, error_number, "cannot write %s (%s written)", path, written);
}

/* When the process `pid` was started, in clock ticks since boot; 0 if there is none. */
static long long start_of_process(long pid)
{
    char path[64], text[1024];
    const char *p;
    FILE *file;
    size_t n;

    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    /* The name in parentheses may hold blanks; field 3 follows the last ')', start is field 22. */
    p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? atoll(p) : 0;
}

/* ".quern-PID-START-N-BASE" in the target's folder; NULL when out of memory. */
static char *staging_name(const qn_stage *stage, int n)
{
    const long pid = (long)getpid();
    qn_string name = {0};

    qn_string_addf(&name, "%s/" PREFIX "%ld-%lld-%d-%.*s", stage->folder, pid,
                   start_of_process(pid), n, MAX_BASE, strrchr(stage->target, '/') + 1);
    if (name.failed)
        qn_string_release(&name);
    return name.text;
}

/* Whether `name` is a hidden one for this target whose process is gone. */
static bool is_left_over(const qn_stage *stage, const char *name)
{
    char base[MAX_BASE + 1];
    long pid = 0;
    long long start = 0;
    int n = 0, length = 0;

    snprintf(base, sizeof base, "%s", strrchr(stage->target, '/') + 1);
    if (sscanf(name, PREFIX "%ld-%lld-%d-%n", &pid, &start, &n, &length) < 3 || length == 0 ||
        strcmp(name + length, base) != 0 || pid <= 0)
        return false;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return true;
    return start_of_process(pid) != start;
}

/* A process number says nothing about processes on other hosts or in other containers, so the lock
 * has the last word. */
static void remove_left_over(qn_context *ctx, const qn_stage *stage, const char *name)
{
    char *path = qn_path_join(stage->folder, name);
    const int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && qn_remove_tree(ctx, path) != QN_OK)
        qn_error_clear(ctx);
    if (fd >= 0)
        close(fd);
    free(path);
}

static void sweep(qn_context *ctx, const qn_stage *stage)
{
    DIR *dir = opendir(stage->folder);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (is_left_over(stage, entry->d_name))
            remove_left_over(ctx, stage, entry->d_name);
    closedir(dir);
}

/* Fills in shown, target and folder. */
static qn_status find_target(qn_context *ctx, const char *path, qn_stage *stage)
{
    char *slash, *base = NULL, *real = NULL;
    size_t length = strlen(path);
    qn_status st = QN_OK;

    while (length > 1 && path[length - 1] == '/')
        length--;
    stage->shown = strndup(path, length);
    if (!stage->shown)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    stage->target = realpath(stage->shown, NULL);
    if (!stage->target) {
        slash = strrchr(stage->shown, '/');
        base = slash ? slash + 1 : stage->shown;
        if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
            return qn_fail(ctx, QN_EINVAL, "\"%s\" does not name an output", path);
        stage->folder =
            !slash
                ? strdup(".")
                : strndup(stage->shown, slash == stage->shown ? 1 : (size_t)(slash - stage->shown));
        real = stage->folder ? realpath(stage->folder, NULL) : NULL;
        if (!real)
            return qn_fail_errno(ctx, QN_EIO, errno, "cannot write %s: its folder %s", stage->shown,
                                 stage->folder ? stage->folder : "");
        stage->target = qn_path_join(real, base);
        free(stage->folder);
        stage->folder = real;
    } else {
        slash = strrchr(stage->target, '/');
        if (!slash[1])
            return qn_fail(ctx, QN_EINVAL, "\"%s\" cannot be an output", path);
        stage->folder = slash == stage->target
                            ? strdup("/")
                            : strndup(stage->target, (size_t)(slash - stage->target));
    }
    if (!stage->target || !stage->folder)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    return st;
}

/* What stands at the target now must be of the same kind and replaceable. */
static qn_status check_target(qn_context *ctx, const qn_stage *stage)
{
    struct stat info;
    struct statx more;

    if (lstat(stage->folder, &info) != 0 || access(stage->folder, W_OK | X_OK) != 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot write %s: its folder %s", stage->shown,
                             stage->folder);
    if (!S_ISDIR(info.st_mode))
        return qn_fail(ctx, QN_EIO, "cannot write %s: %s is not a folder", stage->shown,
                       stage->folder);
    if (lstat(stage->target, &info) != 0)
        return QN_OK;
    if (S_ISDIR(info.st_mode) != stage->is_dir)
        return qn_fail(ctx, QN_EEXISTS, "cannot write %s: %s is there", stage->shown,
                       stage->is_dir ? "a file" : "a folder");
    if (!stage->overwrite)
        return qn_fail(ctx, QN_EEXISTS, "%s is there already: name another or give --overwrite",
                       stage->shown);
    if (stage->is_dir &&
        statx(AT_FDCWD, stage->target, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &more) == 0 &&
        (more.stx_attributes & more.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
        return qn_fail(ctx, QN_EIO, "cannot replace %s: it is a mount point: name a folder in it",
                       stage->shown);
    return QN_OK;
}

/* Makes the hidden file or folder under a name that is free, and locks it. */
static qn_status make_staging(qn_context *ctx, qn_stage *stage)
{
    int error_number = qn_write_planned(ctx);

    for (int n = 0; n < 10000 && !error_number; n++) {
        free(stage->staging);
        stage->staging = staging_name(stage, n);
        if (!stage->staging)
            return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
        if (stage->is_dir && mkdir(stage->staging, 0777) != 0) {
            if (errno == EEXIST)
                continue;
            error_number = errno;
            break;
        }
        stage->fd = stage->is_dir
                        ? open(stage->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                        : open(stage->staging, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (stage->fd >= 0) {
            stage->is_made = true;
            flock(stage->fd, LOCK_EX | LOCK_NB); /* where locks do not exist nothing is swept */
            return QN_OK;
        }
        if (errno != EEXIST) {
            error_number = errno;
            break;
        }
    }
    return qn_fail_write(ctx, error_number ? error_number : EEXIST, stage->shown, 0);
}

/* Two empty folders are exchanged, so that a file system that cannot do it refuses before work. */
static qn_status probe_exchange(qn_context *ctx, const qn_stage *stage)
{
    qn_string one = {0}, two = {0};
    qn_status st = QN_OK;
    int error_number = qn_write_planned(ctx);

    qn_string_addf(&one, "%s/.a", stage->staging);
    qn_string_addf(&two, "%s/.b", stage->staging);
    if (one.failed || two.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a path");
        goto done;
    }
    if (!error_number && (mkdir(one.text, 0777) != 0 || mkdir(two.text, 0777) != 0 ||
                          renameat2(AT_FDCWD, one.text, AT_FDCWD, two.text, RENAME_EXCHANGE) != 0))
        error_number = errno;
    rmdir(one.text);
    rmdir(two.text);
    if (error_number == EINVAL || error_number == ENOSYS)
        st = qn_fail(ctx, QN_EIO,
                     "cannot replace %s: its file system cannot swap folders: remove it first or "
                     "write to another",
                     stage->shown);
    else if (error_number)
        st = qn_fail_write(ctx, error_number, stage->shown, 0);
done:
    qn_string_release(&one);
    qn_string_release(&two);
    return st;
}

qn_status qn_stage_open(qn_context *ctx, const char *path, bool overwrite, bool is_dir,
                        qn_stage *stage)
{
    qn_status st = QN_OK;

    *stage = (qn_stage){.fd = -1, .overwrite = overwrite, .is_dir = is_dir};
    QN_TRY(find_target(ctx, path, stage));
    QN_TRY(check_target(ctx, stage));
    sweep(ctx, stage);
    QN_TRY(make_staging(ctx, stage));
    if (is_dir && qn_path_exists(stage->target))
        QN_TRY(probe_exchange(ctx, stage));
done:
    if (st != QN_OK)
        qn_stage_release(stage);
    return st;
}

static int rename_flags(const char *from, const char *to, unsigned flags)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) == 0 ? 0 : errno;
}

/* Renames; *swapped says that the old thing now lies under the staging name. */
static int rename_in(const qn_stage *stage, bool *swapped)
{
    int error_number;

    *swapped = false;
    if (!qn_path_exists(stage->target) || !stage->overwrite) {
        error_number = rename_flags(stage->staging, stage->target, RENAME_NOREPLACE);
        if (error_number != EINVAL && error_number != ENOSYS)
            return error_number;
        if (qn_path_exists(stage->target))
            return EEXIST;
    } else {
        error_number = rename_flags(stage->staging, stage->target, RENAME_EXCHANGE);
        *swapped = error_number == 0;
        if (stage->is_dir || (error_number != EINVAL && error_number != ENOSYS))
            return error_number;
    }
    return rename(stage->staging, stage->target) == 0 ? 0 : errno;
}

qn_status qn_stage_swap(qn_context *ctx, qn_stage *stage)
{
    int error_number = qn_write_planned(ctx);
    bool swapped = false;
    int folder;

    if (!error_number)
        error_number = rename_in(stage, &swapped);
    if (error_number == EEXIST)
        return qn_fail(ctx, QN_EEXISTS,
                       "%s has appeared meanwhile: name another or give --overwrite", stage->shown);
    if (error_number)
        return qn_fail_errno(ctx, QN_EIO, error_number, "cannot put %s in its place", stage->shown);
    folder = open(stage->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error_number = folder < 0 ? errno : qn_sync_fd(ctx, folder);
    if (folder >= 0)
        close(folder);
    if (error_number) { /* back, so that failure always means the old state */
        rename_flags(stage->target, stage->staging, swapped ? RENAME_EXCHANGE : 0);
        return qn_fail_errno(ctx, QN_EIO, error_number, "cannot sync the folder of %s",
                             stage->shown);
    }
    stage->is_made = swapped;
    return QN_OK;
}

void qn_stage_release(qn_stage *stage)
{
    /* Removed while the lock is still held: no one else sweeps it at the same time. */
    if (stage->is_made)
        qn_remove_tree(NULL, stage->staging);
    if (stage->fd >= 0)
        close(stage->fd);
    free(stage->shown);
    free(stage->target);
    free(stage->folder);
    free(stage->staging);
    *stage = (qn_stage){.fd = -1};
}
