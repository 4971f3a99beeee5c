#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"

/* What stands at the path, a dangling link too. */
bool qn_path_exists(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

bool qn_path_is_dir(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *qn_path_join(const char *dir, const char *name)
{
    const size_t length = strlen(dir);
    qn_string path = {0};

    qn_string_add_bytes(&path, dir, length);
    if (length > 0 && dir[length - 1] != '/')
        qn_string_add(&path, "/");
    qn_string_add(&path, name);
    if (path.failed)
        qn_string_release(&path);
    return path.text;
}

qn_status qn_make_dirs(qn_context *ctx, const char *path)
{
    char *copy = strdup(path);
    qn_status st = QN_OK;

    if (!copy)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    for (char *p = copy + 1; st == QN_OK && p[-1]; p++) {
        const char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            st = qn_fail_errno(ctx, QN_EIO, errno, "cannot make folder %s", copy);
        else if (!qn_path_is_dir(copy))
            st = qn_fail(ctx, QN_EIO, "cannot make folder %s: a file is there", copy);
        *p = c;
    }
    free(copy);
    return st;
}

/* Empties the folder open as `fd`, which is closed. Links are removed, not followed. Returns the
 * first errno. */
static int empty_folder(int fd)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;
    int first = 0;

    if (!dir) {
        first = errno;
        close(fd);
        return first;
    }
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        int error_number = 0, below;

        if (!strcmp(name, ".") || !strcmp(name, ".."))
            continue;
        if (unlinkat(fd, name, 0) == 0)
            continue;
        if (errno != EISDIR && errno != EPERM) {
            error_number = errno;
        } else {
            below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            error_number = below < 0 ? errno : empty_folder(below);
            if (!error_number && unlinkat(fd, name, AT_REMOVEDIR) != 0)
                error_number = errno;
        }
        if (!first && error_number != ENOENT)
            first = error_number;
    }
    closedir(dir);
    return first;
}

qn_status qn_remove_tree(qn_context *ctx, const char *path)
{
    int error_number = 0, fd;

    if (unlink(path) == 0 || errno == ENOENT)
        return QN_OK;
    if (errno != EISDIR && errno != EPERM)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot remove %s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    error_number = fd < 0 ? errno : empty_folder(fd);
    if (!error_number && rmdir(path) != 0)
        error_number = errno;
    if (error_number && error_number != ENOENT)
        return qn_fail_errno(ctx, QN_EIO, error_number, "cannot remove %s", path);
    return QN_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

qn_status qn_list_dir(qn_context *ctx, const char *path, char ***names, int64_t *n)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char **list = NULL;
    int64_t count = 0, capacity = 0;
    qn_status st = QN_OK;

    *names = NULL;
    *n = 0;
    if (!dir)
        return qn_fail_errno(ctx, errno == ENOENT ? QN_ENOTFOUND : QN_EIO, errno,
                             "cannot list folder %s", path);
    while (st == QN_OK && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (count == capacity) {
            char **more = realloc(list, sizeof *list * (size_t)(capacity = capacity * 2 + 16));

            if (!more) {
                st = qn_fail(ctx, QN_ENOMEM, "no memory for the names in %s", path);
                break;
            }
            list = more;
        }
        list[count] = strdup(entry->d_name);
        if (!list[count])
            st = qn_fail(ctx, QN_ENOMEM, "no memory for the names in %s", path);
        else
            count++;
    }
    closedir(dir);
    if (st != QN_OK) {
        qn_names_free(list, count);
        return st;
    }
    if (count > 1)
        qsort(list, (size_t)count, sizeof *list, compare_names);
    *names = list;
    *n = count;
    return QN_OK;
}

void qn_names_free(char **names, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static qn_status fail_limit(qn_context *ctx, const char *path, size_t limit)
{
    char allowed[32];

    qn_format_bytes((double)limit, allowed);
    return qn_fail(ctx, QN_EDATA, "%s is larger than the %s that it may have", path, allowed);
}

/* Appends what can be read to *bytes, which has room for `capacity` and grows: the size of a pipe
 * or of a file in /proc is not known before. */
static qn_status read_all(qn_context *ctx, int fd, const char *path, size_t limit, size_t capacity,
                          char **bytes, size_t *n)
{
    qn_status st = QN_OK;

    for (;;) {
        const ssize_t got = read(fd, *bytes + *n, capacity - 1 - *n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s (%zu bytes read)", path, *n);
        *n += (size_t)got;
        if (*n > limit)
            return fail_limit(ctx, path, limit);
        if (got == 0)
            break;
        if (*n == capacity - 1) {
            capacity *= 2;
            QN_TRY(qn_realloc_array(ctx, (void **)bytes, (int64_t)capacity, 1, "bytes of a file"));
        }
    }
    (*bytes)[*n] = '\0';
done:
    return st;
}

qn_status qn_read_file(qn_context *ctx, const char *path, size_t limit, char **text, size_t *length)
{
    qn_status st = QN_OK;
    char *bytes = NULL;
    size_t n = 0, capacity = 4096;
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    *text = NULL;
    if (length)
        *length = 0;
    if (fd < 0 || fstat(fd, &info) != 0) {
        st = qn_fail_errno(ctx, errno == ENOENT || errno == ENOTDIR ? QN_ENOTFOUND : QN_EIO, errno,
                           "cannot read %s", path);
        goto done;
    }
    if (S_ISREG(info.st_mode)) {
        if ((size_t)info.st_size > limit)
            QN_TRY(fail_limit(ctx, path, limit));
        capacity = (size_t)info.st_size + 2;
    }
    QN_GROW(ctx, bytes, (int64_t)capacity, "bytes of a file");
    QN_TRY(read_all(ctx, fd, path, limit, capacity, &bytes, &n));
    *text = bytes;
    bytes = NULL;
    if (length)
        *length = n;
done:
    if (fd >= 0)
        close(fd);
    qn_free(bytes);
    return st;
}
