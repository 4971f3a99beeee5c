/* Folders are named quern-scratch-pid-PID-RANK-random or quern-scratch-run-RUN-RANK-random. */
#include "engine/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/stage.h"
#include "engine/comm.h"
#include "engine/store_impl.h"

#define PREFIX       "quern-scratch-"
#define BY_PROCESS   PREFIX "pid-"
#define BY_RUN       PREFIX "run-"
#define LOCK_NAME    "lock"
#define TMPFS_MAGIC_ 0x01021994L
#define RAMFS_MAGIC_ 0x858458f6L

qn_status qn_fault_set(qn_fault *fault, qn_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    fault->status = status;
    return status;
}

const char *qn_fault_reason(int error_number, char buffer[128])
{
    if (error_number == ENOSPC)
        return "the disk is full";
    if (error_number == EDQUOT)
        return "the disk quota is used up";
    return strerror_r(error_number, buffer, 128);
}

void qn_scratch_init(qn_scratch *scratch)
{
    pthread_mutex_init(&scratch->lock, NULL);
    scratch->run[0] = scratch->path[0] = '\0';
    scratch->folder = scratch->held = -1;
}

/* Removes what lies in the folder but the lock and the names. */
static void thin_folder(int folder, const char *const *keep, int32_t n)
{
    const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!dir && copy >= 0)
        close(copy);
    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        bool is_kept = strcmp(entry->d_name, LOCK_NAME) == 0;

        for (int32_t i = 0; i < n && !is_kept; i++)
            is_kept = strcmp(entry->d_name, keep[i]) == 0;
        if (!is_kept)
            unlinkat(folder, entry->d_name, 0); /* "." and ".." stay */
    }
    closedir(dir);
}

/* Removes all, the lock last, so that a folder without one is an empty one. */
static void empty_folder(int folder)
{
    thin_folder(folder, NULL, 0);
    unlinkat(folder, LOCK_NAME, 0);
}

void qn_scratch_discard(qn_scratch *scratch)
{
    if (scratch->folder >= 0) {
        empty_folder(scratch->folder);
        close(scratch->folder);
    }
    if (scratch->path[0])
        rmdir(scratch->path);
    if (scratch->held >= 0)
        close(scratch->held); /* only now: no one else sweeps it at the same time */
    scratch->folder = scratch->held = -1;
    scratch->path[0] = '\0';
}

void qn_scratch_release(qn_scratch *scratch)
{
    qn_scratch_discard(scratch);
    pthread_mutex_destroy(&scratch->lock);
}

static qn_status check_dir(const char *dir, qn_fault *fault)
{
    char reason[128];
    struct stat info;
    struct statfs fs;

    if (stat(dir, &info) != 0)
        return qn_fault_set(fault, errno == ENOENT ? QN_ENOTFOUND : QN_EIO,
                            "scratch folder %s: %s: give --scratch a folder that exists", dir,
                            qn_fault_reason(errno, reason));
    if (!S_ISDIR(info.st_mode))
        return qn_fault_set(fault, QN_EINVAL,
                            "scratch folder %s is not a folder: give --scratch a folder", dir);
    if (statfs(dir, &fs) == 0 &&
        ((long)fs.f_type == TMPFS_MAGIC_ || (unsigned long)fs.f_type == RAMFS_MAGIC_))
        return qn_fault_set(
            fault, QN_EINVAL,
            "scratch folder %s lies in memory (tmpfs), so that spilling to it frees "
            "none: give --scratch a folder on a disk",
            dir);
    if (access(dir, W_OK | X_OK) != 0)
        return qn_fault_set(fault, QN_EIO,
                            "scratch folder %s cannot be written: %s: give --scratch another", dir,
                            qn_fault_reason(errno, reason));
    return QN_OK;
}

qn_status qn_scratch_check(qn_context *ctx, const char *dir)
{
    qn_fault fault;
    const qn_status st = check_dir(dir, &fault);

    return st == QN_OK ? QN_OK : qn_fail(ctx, st, "%s", fault.text);
}

/* Makes a folder and takes its lock. EAGAIN: someone swept it before it was locked. */
static int try_make(qn_context *ctx, qn_scratch *scratch)
{
    const int planned = qn_write_planned(ctx);
    char number[32];
    struct stat opened, named;
    int length;

    snprintf(number, sizeof number, "%ld", (long)getpid());
    length = snprintf(scratch->path, sizeof scratch->path, "%s/%s%s-%d-XXXXXX", ctx->scratch_dir,
                      scratch->run[0] ? BY_RUN : BY_PROCESS,
                      scratch->run[0] ? scratch->run : number, (int)qn_rank(ctx));
    if (planned || length >= (int)sizeof scratch->path || !mkdtemp(scratch->path)) {
        scratch->path[0] = '\0';
        return planned ? planned : length >= (int)sizeof scratch->path ? ENAMETOOLONG : errno;
    }
    scratch->folder = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scratch->folder >= 0)
        scratch->held =
            openat(scratch->folder, LOCK_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (scratch->held < 0)
        return errno == ENOENT ? EAGAIN : errno;
    /* Where locks do not exist nobody sweeps either. */
    if (flock(scratch->held, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return EAGAIN;
    if (fstat(scratch->folder, &opened) != 0 || lstat(scratch->path, &named) != 0 ||
        opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
        return EAGAIN;
    return 0;
}

/* The lock of the scratch is held. */
static qn_status make(qn_context *ctx, qn_scratch *scratch, qn_fault *fault)
{
    char reason[128];
    int error_number = EAGAIN;
    qn_status st = check_dir(ctx->scratch_dir, fault);

    if (st != QN_OK)
        return st;
    for (int i = 0; i < 100 && error_number == EAGAIN; i++) {
        error_number = try_make(ctx, scratch);
        if (error_number)
            qn_scratch_discard(scratch);
    }
    if (!error_number)
        return QN_OK;
    return qn_fault_set(fault, QN_EIO,
                        "cannot make a folder in scratch folder %s: %s: give "
                        "--scratch another",
                        ctx->scratch_dir, qn_fault_reason(error_number, reason));
}

qn_status qn_scratch_open(qn_context *ctx, qn_scratch *scratch, const char *name, int *fd,
                          qn_fault *fault)
{
    char reason[128];
    qn_status st = QN_OK;
    int planned;

    *fd = -1;
    pthread_mutex_lock(&scratch->lock);
    if (!scratch->path[0])
        st = make(ctx, scratch, fault);
    pthread_mutex_unlock(&scratch->lock);
    if (st != QN_OK)
        return st;
    planned = qn_write_planned(ctx);
    if (!planned)
        *fd = openat(scratch->folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd < 0)
        return qn_fault_set(fault, QN_EIO,
                            "cannot make scratch file %s/%s: %s: give --scratch "
                            "another folder",
                            scratch->path, name,
                            qn_fault_reason(planned ? planned : errno, reason));
    return QN_OK;
}

void qn_scratch_remove(qn_scratch *scratch, const char *name)
{
    if (scratch->folder >= 0)
        unlinkat(scratch->folder, name, 0);
}

/* Removes one folder if nobody holds it. Its owner makes folder, lock file and lock one after the
 * other and starts anew when one of them is gone, so being in between is no danger to it. */
static void sweep_one(int dir, const char *name)
{
    const int folder = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const int held = folder < 0 ? -1 : openat(folder, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (held >= 0 && flock(held, LOCK_EX | LOCK_NB) == 0)
        empty_folder(folder);
    if (folder >= 0)
        unlinkat(dir, name, AT_REMOVEDIR); /* only if it is empty */
    if (held >= 0)
        close(held);
    if (folder >= 0)
        close(folder);
}

/* The rank of a folder of run `run`, whose name goes on with "-RANK-random"; -1: it is another's.
 */
static int32_t rank_in_run(const char *name, const char *run)
{
    const size_t length = strlen(run);
    const char *rest = name + strlen(BY_RUN) + length;
    char *end;
    long rank;

    if (strncmp(name, BY_RUN, strlen(BY_RUN)) != 0 ||
        strncmp(name + strlen(BY_RUN), run, length) != 0 || *rest != '-' || rest[1] < '0' ||
        rest[1] > '9')
        return -1;
    rank = strtol(rest + 1, &end, 10);
    return *end == '-' && !strchr(end + 1, '-') && rank < INT32_MAX ? (int32_t)rank : -1;
}

void qn_scratch_sweep(const char *dir, bool all, const char *keep)
{
    DIR *list = opendir(dir);
    const struct dirent *entry;

    if (!list)
        return;
    while ((entry = readdir(list))) {
        const char *name = entry->d_name;
        const bool by_run = strncmp(name, BY_RUN, strlen(BY_RUN)) == 0;

        if (!by_run && strncmp(name, BY_PROCESS, strlen(BY_PROCESS)) != 0)
            continue;
        if (!by_run || (all && !(keep && rank_in_run(name, keep) >= 0)))
            sweep_one(dirfd(list), name);
    }
    closedir(list);
}

qn_status qn_scratch_set_run(qn_context *ctx, const char *run)
{
    qn_scratch *scratch = &ctx->stores->scratch;
    const size_t length = strlen(run);

    if (length == 0 || length >= sizeof scratch->run ||
        length != strspn(run, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"))
        return qn_fail(ctx, QN_EINVAL,
                       "run \"%s\": a run's name has 1 to %zu letters, digits, '-' or '_'", run,
                       sizeof scratch->run - 1);
    pthread_mutex_lock(&scratch->lock);
    memcpy(scratch->run, run, length + 1);
    pthread_mutex_unlock(&scratch->lock);
    if (ctx->scratch_dir)
        qn_scratch_sweep(ctx->scratch_dir, true, run);
    return QN_OK;
}

const char *qn_scratch_path(const qn_context *ctx)
{
    return ctx->stores->scratch.path;
}

/* ---- taking over ---- */

/* Takes the folder if nobody holds it and the file is in it. */
static bool try_adopt(qn_scratch *scratch, int dir, const char *dir_path, const char *folder_name,
                      const char *file)
{
    const int folder = openat(dir, folder_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const int held = folder < 0 ? -1 : openat(folder, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    const int length =
        snprintf(scratch->path, sizeof scratch->path, "%s/%s", dir_path, folder_name);

    if (held >= 0 && length < (int)sizeof scratch->path && flock(held, LOCK_EX | LOCK_NB) == 0 &&
        fstatat(folder, file, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode)) {
        scratch->folder = folder;
        scratch->held = held;
        return true;
    }
    scratch->path[0] = '\0';
    if (held >= 0)
        close(held);
    if (folder >= 0)
        close(folder);
    return false;
}

bool qn_scratch_adopt(qn_context *ctx, const char *name)
{
    qn_scratch *scratch = &ctx->stores->scratch;
    DIR *list = ctx->scratch_dir && scratch->run[0] ? opendir(ctx->scratch_dir) : NULL;
    const struct dirent *entry;
    bool is_adopted = false;

    pthread_mutex_lock(&scratch->lock);
    while (list && !scratch->path[0] && (entry = readdir(list)))
        if (rank_in_run(entry->d_name, scratch->run) == qn_rank(ctx))
            is_adopted = try_adopt(scratch, dirfd(list), ctx->scratch_dir, entry->d_name, name);
    pthread_mutex_unlock(&scratch->lock);
    if (list)
        closedir(list);
    return is_adopted;
}

void qn_scratch_keep_only(qn_scratch *scratch, const char *const *name, int32_t n)
{
    if (scratch->folder >= 0)
        thin_folder(scratch->folder, name, n);
}
