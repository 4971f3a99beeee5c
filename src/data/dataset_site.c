/* Where a data set is on disk, and its lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/disk.h"
#include "base/file.h"
#include "base/stage.h"
#include "data/dataset_impl.h"

#define MAX_LINKS 40
#define ENDING    ".generations"

qn_status qn_dataset_text(qn_context *ctx, char **out, const char *format, ...)
{
    qn_string text = {0};
    va_list arguments;
    qn_status st;

    *out = NULL;
    va_start(arguments, format);
    qn_string_addv(&text, format, arguments);
    va_end(arguments);
    st = text.failed ? qn_fail(ctx, QN_ENOMEM, "no memory for a path")
                     : qn_strdup(ctx, qn_string_text(&text), out);
    qn_string_release(&text);
    return st;
}

int64_t qn_dataset_number(const char *name)
{
    const size_t length = strlen(name);

    if (length < 6 || length > 18 || strspn(name, "0123456789") != length)
        return -1;
    return strtoll(name, NULL, 10);
}

/* The generation that a link with this text names if it is ours: ".name.generations/000012". */
static int64_t number_of_link(const char *name, const char *text)
{
    const size_t length = strlen(name);

    if (text[0] != '.' || strncmp(text + 1, name, length) != 0 ||
        strncmp(text + 1 + length, ENDING "/", sizeof ENDING) != 0)
        return -1;
    return qn_dataset_number(text + 1 + length + sizeof ENDING);
}

/* Text of the link, NULL if there is none; free with qn_free. */
static qn_status read_link(qn_context *ctx, const char *path, char **text)
{
    char buffer[4097];
    const ssize_t n = readlink(path, buffer, sizeof buffer - 1);

    *text = NULL;
    if (n < 0)
        return QN_OK;
    buffer[n] = '\0';
    return qn_strdup(ctx, buffer, text);
}

/* Splits `path` into parent and name; "." and the like by what they really are. */
static qn_status split_path(qn_dataset_site *site, const char *path)
{
    qn_context *ctx = site->ctx;
    size_t length = strlen(path);
    const char *slash;
    char *real = NULL;
    qn_status st = QN_OK;

    qn_free(site->target);
    qn_free(site->parent);
    site->target = site->parent = NULL;
    while (length > 1 && path[length - 1] == '/')
        length--;
    QN_TRY(qn_dataset_text(ctx, &site->target, "%.*s", (int)length, path));
    slash = strrchr(site->target, '/');
    site->name = slash ? slash + 1 : site->target;
    if (!strcmp(site->name, ".") || !strcmp(site->name, "..")) {
        real = realpath(site->target, NULL);
        qn_free(site->target);
        site->target = NULL;
        QN_TRY(qn_dataset_text(ctx, &site->target, "%s", real ? real : "/"));
        slash = strrchr(site->target, '/');
        site->name = slash ? slash + 1 : site->target;
    }
    if (!*site->name)
        QN_TRY(qn_fail(ctx, QN_EINVAL, "\"%s\" does not name a data set", site->shown));
    if (!slash)
        QN_TRY(qn_strdup(ctx, ".", &site->parent));
    else
        QN_TRY(qn_dataset_text(ctx, &site->parent, "%.*s",
                               slash == site->target ? 1 : (int)(slash - site->target),
                               site->target));
done:
    free(real);
    return st;
}

/* Follows links that are not ours, so that a link of the user's to a data set stays one. */
static qn_status follow_links(qn_dataset_site *site)
{
    qn_context *ctx = site->ctx;
    char *text = NULL, *next = NULL;
    qn_status st = QN_OK;

    for (int i = 0; i < MAX_LINKS; i++) {
        qn_free(text);
        QN_TRY(read_link(ctx, site->target, &text));
        if (!text || number_of_link(site->name, text) >= 0)
            goto done;
        qn_free(next);
        if (text[0] == '/')
            QN_TRY(qn_strdup(ctx, text, &next));
        else
            QN_TRY(qn_dataset_text(ctx, &next, "%s/%s", site->parent, text));
        QN_TRY(split_path(site, next));
    }
    st = qn_fail(ctx, QN_EIO, "%s: too many links lead on to links", site->shown);
done:
    qn_free(text);
    qn_free(next);
    return st;
}

/* A place inside the folder of generations is not one for a data set. */
static qn_status check_outside(const qn_dataset_site *site)
{
    char *real = realpath(site->parent, NULL);
    const char *last = real ? strrchr(real, '/') : NULL;
    const size_t length = last ? strlen(last + 1) : 0;
    qn_status st = QN_OK;

    if (length > sizeof ENDING && last[1] == '.' &&
        strcmp(last + 1 + length - (sizeof ENDING - 1), ENDING) == 0)
        st = qn_fail(site->ctx, QN_EINVAL,
                     "%s is inside the generations of data set %.*s: name the data set itself",
                     site->shown, (int)(length - sizeof ENDING), last + 2);
    free(real);
    return st;
}

qn_status qn_dataset_site_look(qn_dataset_site *site)
{
    char *text = NULL;
    qn_status st = QN_OK;

    site->current = -1;
    site->state = QN_SITE_NOTHING;
    if (lstat(site->target, &site->folder_stat) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            st = qn_fail_errno(site->ctx, QN_EIO, errno, "cannot look at %s", site->shown);
        return st;
    }
    if (S_ISDIR(site->folder_stat.st_mode)) {
        site->state = QN_SITE_FOLDER;
        return QN_OK;
    }
    QN_TRY(read_link(site->ctx, site->target, &text));
    site->current = text ? number_of_link(site->name, text) : -1;
    if (site->current < 0)
        st = qn_fail(site->ctx, QN_EEXISTS, "%s is a file; a data set is a folder", site->shown);
    else
        site->state = QN_SITE_LINK;
done:
    qn_free(text);
    return st;
}

qn_status qn_dataset_site_find(qn_context *ctx, const char *path, qn_dataset_site *site)
{
    qn_status st = QN_OK;

    *site = (qn_dataset_site){.ctx = ctx, .lock = -1, .current = -1};
    QN_TRY(qn_strdup(ctx, path, &site->shown));
    QN_TRY(split_path(site, path));
    QN_TRY(follow_links(site));
    QN_TRY(check_outside(site));
    QN_TRY(qn_dataset_text(ctx, &site->generations, "%s/.%s" ENDING, site->parent, site->name));
    QN_TRY(qn_dataset_site_look(site));
    site->has_mutex = pthread_mutex_init(&site->adding, NULL) == 0;
    if (!site->has_mutex)
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a lock");
done:
    if (st != QN_OK)
        qn_dataset_site_close(site);
    return st;
}

static qn_status check_parent(const qn_dataset_site *site)
{
    struct stat info;
    struct statx more;

    if (stat(site->parent, &info) != 0)
        return qn_fail_errno(site->ctx, QN_EIO, errno, "cannot write %s: its folder %s",
                             site->shown, site->parent);
    if (!S_ISDIR(info.st_mode))
        return qn_fail(site->ctx, QN_EIO, "cannot write %s: %s is not a folder", site->shown,
                       site->parent);
    if (access(site->parent, W_OK | X_OK) != 0)
        return qn_fail_errno(site->ctx, QN_EIO, errno, "cannot write %s: its folder %s",
                             site->shown, site->parent);
    if (site->state == QN_SITE_FOLDER &&
        statx(AT_FDCWD, site->target, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &more) == 0 &&
        (more.stx_attributes & more.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
        return qn_fail(site->ctx, QN_EIO,
                       "%s is a mount point, which a link cannot replace: name a folder in it",
                       site->shown);
    return QN_OK;
}

/* "4711 host 1700000000": who holds the lock, since when. */
static qn_status fail_busy(const qn_dataset_site *site, int fd)
{
    char text[400], host[257], age[32];
    long long pid, since;
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    const double now = (double)qn_now_us() / 1e6;

    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%lld %256s %lld", &pid, host, &since) != 3)
        return qn_fail(site->ctx, QN_EBUSY,
                       "%s is being written by another process: try again when it is done",
                       site->shown);
    /* clocks of hosts differ: an age is never negative */
    qn_format_seconds(now > (double)since ? now - (double)since : 0.0, age);
    return qn_fail(site->ctx, QN_EBUSY,
                   "%s is being written by process %lld on %s for %s: try again when it is done",
                   site->shown, pid, host, age);
}

static qn_status fail_lock(const qn_dataset_site *site, int error_number)
{
    if (error_number == ENOLCK || error_number == ENOTSUP || error_number == ENOSYS ||
        error_number == EINVAL)
        return qn_fail(site->ctx, QN_EIO,
                       "%s cannot be a data set: its file system cannot lock files: name a folder "
                       "on another",
                       site->shown);
    return qn_fail_write(site->ctx, error_number, site->generations, 0);
}

/* Locks the file open as `fd`. *held: it is still the one at `path`, and ours. */
static qn_status lock_file(const qn_dataset_site *site, int fd, const char *path, bool *held)
{
    struct stat mine, there;
    int error_number = qn_write_planned(site->ctx);

    *held = false;
    if (!error_number && flock(fd, LOCK_EX | LOCK_NB) != 0)
        error_number = errno;
    if (error_number == EWOULDBLOCK)
        return fail_busy(site, fd);
    if (error_number)
        return fail_lock(site, error_number);
    *held = fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino &&
            mine.st_dev == there.st_dev;
    return QN_OK;
}

static qn_status write_owner(const qn_dataset_site *site, int fd)
{
    char text[400], host[257] = "";
    int error_number = qn_write_planned(site->ctx), length;

    if (gethostname(host, sizeof host - 1) != 0 || !*host)
        snprintf(host, sizeof host, "this host");
    length = snprintf(text, sizeof text, "%ld %s %lld\n", (long)getpid(), host,
                      (long long)(qn_now_us() / 1000000));
    if (!error_number && (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length))
        error_number = errno ? errno : ENOSPC;
    return error_number ? qn_fail_write(site->ctx, error_number, site->generations, 0) : QN_OK;
}

/* Opens the lock file; *is_new: it was not there. Returns an errno, ENOENT where the last writer is
 * removing the folder of generations just now. */
static int open_lock(const qn_dataset_site *site, const char *path, int *fd, bool *is_new)
{
    int error_number = qn_disk_mkdir(site->ctx, site->generations);

    *fd = -1;
    *is_new = false;
    if (!error_number || error_number == EEXIST)
        error_number = qn_write_planned(site->ctx);
    if (error_number)
        return error_number;
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    *is_new = *fd >= 0;
    if (*fd < 0 && errno == EEXIST)
        *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return *fd < 0 ? errno : 0;
}

static qn_status take_lock(qn_dataset_site *site)
{
    char *path = NULL;
    bool held = false, is_new = false;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &path, "%s/lock", site->generations));
    for (int attempt = 0; attempt < 100 && !held; attempt++) {
        int fd;
        const int error_number = open_lock(site, path, &fd, &is_new);

        if (error_number == ENOENT)
            continue;
        if (error_number)
            QN_TRY(qn_fail_write(site->ctx, error_number, site->generations, 0));
        st = lock_file(site, fd, path, &held);
        if (st != QN_OK || !held)
            close(fd);
        else
            site->lock = fd;
        QN_TRY(st);
    }
    st = held ? write_owner(site, site->lock)
              : qn_fail(site->ctx, QN_EBUSY, "%s is being removed: try again", site->shown);
done:
    if (path && st == QN_EIO && site->lock < 0) { /* leaves nothing: neither what it made .. */
        if (is_new)
            unlink(path);
        rmdir(site->generations); /* .. nor a folder that is empty */
    }
    qn_free(path);
    return st;
}

/* A link and a hard link are made and removed: where they cannot be, nothing is begun. */
static qn_status probe_links(qn_dataset_site *site)
{
    char *soft = NULL, *hard = NULL, *lock = NULL;
    const char *what = "links";
    int error_number;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_text(site->ctx, &soft, "%s/probe-link", site->generations));
    QN_TRY(qn_dataset_text(site->ctx, &hard, "%s/probe-hard", site->generations));
    QN_TRY(qn_dataset_text(site->ctx, &lock, "%s/lock", site->generations));
    error_number = qn_disk_symlink(site->ctx, "nothing", soft);
    if (!error_number) {
        what = "hard links";
        error_number = qn_disk_link(site->ctx, lock, hard);
    }
    if (!error_number && site->state == QN_SITE_FOLDER) {
        what = "an exchange of names";
        error_number = qn_disk_rename(site->ctx, soft, hard, RENAME_EXCHANGE);
    }
    unlink(soft);
    unlink(hard);
    if (error_number == EPERM || error_number == ENOTSUP || error_number == ENOSYS ||
        error_number == EINVAL)
        st = qn_fail(site->ctx, QN_EIO,
                     "%s cannot be a data set: its file system does not know %s: name a folder on "
                     "another",
                     site->shown, what);
    else if (error_number)
        st = qn_fail_write(site->ctx, error_number, site->generations, 0);
done:
    qn_free(soft);
    qn_free(hard);
    qn_free(lock);
    return st;
}

qn_status qn_dataset_site_lock(qn_dataset_site *site)
{
    qn_status st = QN_OK;

    QN_TRY(check_parent(site));
    QN_TRY(take_lock(site));
    QN_TRY(qn_dataset_site_look(site)); /* it may have changed until the lock was ours */
    QN_TRY(qn_dataset_recover(site));
    QN_TRY(qn_dataset_site_look(site));
    QN_TRY(probe_links(site));
done:
    return st;
}

/* Whether the folder of generations holds nothing but the lock. */
static bool is_empty(const qn_dataset_site *site)
{
    char **names = NULL;
    int64_t n = 0;
    const bool is = qn_list_dir(NULL, site->generations, &names, &n) == QN_OK && n == 1 &&
                    strcmp(names[0], "lock") == 0;

    qn_names_free(names, n);
    return is;
}

void qn_dataset_site_close(qn_dataset_site *site)
{
    if (site->lock >= 0) {
        if (is_empty(site)) {
            char *path = qn_path_join(site->generations, "lock");

            if (path && unlink(path) == 0)
                rmdir(site->generations);
            free(path);
        }
        close(site->lock);
    }
    if (site->has_mutex)
        pthread_mutex_destroy(&site->adding);
    qn_names_free(site->also, site->n_also);
    qn_free(site->shown);
    qn_free(site->target);
    qn_free(site->parent);
    qn_free(site->generations);
    *site = (qn_dataset_site){.lock = -1};
}
