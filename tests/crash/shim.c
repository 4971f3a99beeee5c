/* Loaded before a program by LD_PRELOAD: counts its calls that change files below a folder, and
 * lets one of them be the last, or fail. QN_CRASH_DIR  the folder, an absolute path without links
 *   QN_CRASH_AT   number of the call, from 1; not given: none
 *   QN_CRASH_HOW  kill (right after the call), ENOSPC or EIO (instead of it)
 *   QN_CRASH_LOG  a file outside the folder; a line for each call: number, name, paths, 0 or errno
 * Calls of stdio are made inside libc and are not seen; what is tested does not write with them. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static atomic_long n_calls;

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

/* Absolute path of a name beside an open folder, or of the open file itself (path NULL). */
static void full_path(int at, const char *path, char out[2 * PATH_MAX])
{
    char link[64], folder[PATH_MAX] = "";
    ssize_t n;

    if (path && path[0] == '/') {
        snprintf(out, 2 * PATH_MAX, "%s", path);
        return;
    }
    if (at == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    n = syscall(SYS_readlink, link, folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = '\0';
    snprintf(out, 2 * PATH_MAX, "%s%s%s", folder, path ? "/" : "", path ? path : "");
}

static bool is_below(const char *path)
{
    const char *dir = setting("QN_CRASH_DIR");
    const size_t n = strlen(dir);

    return n > 0 && strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static void write_log(long number, const char *name, const char *one, const char *two, int result)
{
    const char *log = setting("QN_CRASH_LOG");
    char line[5 * PATH_MAX];
    int fd, n;

    if (!*log)
        return;
    fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    n = snprintf(line, sizeof line, "%ld\t%s\t%s\t%s\t%d\n", number, name, one, two, result);
    if (fd >= 0 && n > 0 && syscall(SYS_write, fd, line, (size_t)n) != n)
        abort();
    if (fd >= 0)
        syscall(SYS_close, fd);
}

/* What is to be done about a call that may count. */
typedef struct call {
    const char *name;
    char one[2 * PATH_MAX], two[2 * PATH_MAX];
    long number; /* 0: does not count */
    int planned; /* errno that it fails with */
    bool is_last;
} call;

static void begin(call *c, const char *name, int at, const char *path, int at_two,
                  const char *path_two)
{
    const char *how = setting("QN_CRASH_HOW");

    c->name = name;
    c->number = 0;
    c->planned = 0;
    c->is_last = false;
    c->two[0] = '\0';
    full_path(at, path, c->one);
    if (path_two)
        full_path(at_two, path_two, c->two);
    if (!is_below(c->one) && !is_below(c->two))
        return;
    c->number = atomic_fetch_add(&n_calls, 1) + 1;
    if (c->number != atol(setting("QN_CRASH_AT")))
        return;
    c->is_last = strcmp(how, "kill") == 0;
    c->planned = strcmp(how, "ENOSPC") == 0 ? ENOSPC : strcmp(how, "EIO") == 0 ? EIO : 0;
}

static long end(const call *c, long result)
{
    const int error_number = errno;

    if (c->number > 0)
        write_log(c->number, c->name, c->one, c->two, result < 0 ? error_number : 0);
    if (c->is_last)
        syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL);
    errno = error_number;
    return result;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A call on one path or open file: counted, then made, failed or the last. */
#define RUN(c, made)                                                                               \
    do {                                                                                           \
        if ((c).planned) {                                                                         \
            errno = (c).planned;                                                                   \
            return end(&(c), -1);                                                                  \
        }                                                                                          \
        return end(&(c), (made));                                                                  \
    } while (0)

static bool changes(int flags)
{
    return (flags & (O_CREAT | O_TRUNC)) != 0;
}

/* Opening counts where it makes or empties a file. */
static long open_counted(const char *name, int at, const char *path, int flags, mode_t mode)
{
    call c;

    if (!changes(flags))
        return syscall(SYS_openat, at, path, flags, mode);
    begin(&c, name, at, path, 0, NULL);
    RUN(c, syscall(SYS_openat, at, path, flags, mode));
}

#define OPEN(name)                                                                                 \
    PUBLIC int name(const char *path, int flags, ...)                                              \
    {                                                                                              \
        va_list rest;                                                                              \
        mode_t mode = 0;                                                                           \
                                                                                                   \
        va_start(rest, flags);                                                                     \
        if (flags & (O_CREAT | O_TMPFILE))                                                         \
            mode = va_arg(rest, mode_t);                                                           \
        va_end(rest);                                                                              \
        return (int)open_counted("open", AT_FDCWD, path, flags, mode);                             \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    PUBLIC int name(int at, const char *path, int flags, ...)                                      \
    {                                                                                              \
        va_list rest;                                                                              \
        mode_t mode = 0;                                                                           \
                                                                                                   \
        va_start(rest, flags);                                                                     \
        if (flags & (O_CREAT | O_TMPFILE))                                                         \
            mode = va_arg(rest, mode_t);                                                           \
        va_end(rest);                                                                              \
        return (int)open_counted("open", at, path, flags, mode);                                   \
    }
OPENAT(openat)
OPENAT(openat64)

PUBLIC ssize_t write(int fd, const void *bytes, size_t n)
{
    call c;

    begin(&c, "write", fd, NULL, 0, NULL);
    RUN(c, syscall(SYS_write, fd, bytes, n));
}

PUBLIC ssize_t writev(int fd, const struct iovec *part, int n)
{
    call c;

    begin(&c, "write", fd, NULL, 0, NULL);
    RUN(c, syscall(SYS_writev, fd, part, n));
}

#define PWRITE(name)                                                                               \
    PUBLIC ssize_t name(int fd, const void *bytes, size_t n, off_t at)                             \
    {                                                                                              \
        call c;                                                                                    \
                                                                                                   \
        begin(&c, "write", fd, NULL, 0, NULL);                                                     \
        RUN(c, syscall(SYS_pwrite64, fd, bytes, n, at));                                           \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define TRUNCATE(name, number, shape, at, path)                                                    \
    PUBLIC int name(shape place, off_t size)                                                       \
    {                                                                                              \
        call c;                                                                                    \
                                                                                                   \
        begin(&c, "truncate", at, path, 0, NULL);                                                  \
        RUN(c, (int)syscall(number, place, size));                                                 \
    }
TRUNCATE(ftruncate, SYS_ftruncate, int, place, NULL)
TRUNCATE(ftruncate64, SYS_ftruncate, int, place, NULL)
TRUNCATE(truncate, SYS_truncate, const char *, AT_FDCWD, place)
TRUNCATE(truncate64, SYS_truncate, const char *, AT_FDCWD, place)

#define SYNC(name, number)                                                                         \
    PUBLIC int name(int fd)                                                                        \
    {                                                                                              \
        call c;                                                                                    \
                                                                                                   \
        begin(&c, "fsync", fd, NULL, 0, NULL);                                                     \
        RUN(c, (int)syscall(number, fd));                                                          \
    }
SYNC(fsync, SYS_fsync)
SYNC(fdatasync, SYS_fdatasync)

PUBLIC int renameat2(int at, const char *from, int at_two, const char *to, unsigned flags)
{
    call c;

    begin(&c, flags & RENAME_EXCHANGE ? "exchange" : "rename", at, from, at_two, to);
    RUN(c, (int)syscall(SYS_renameat2, at, from, at_two, to, flags));
}

PUBLIC int renameat(int at, const char *from, int at_two, const char *to)
{
    return renameat2(at, from, at_two, to, 0);
}

PUBLIC int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

PUBLIC int linkat(int at, const char *from, int at_two, const char *to, int flags)
{
    call c;

    begin(&c, "link", at, from, at_two, to);
    RUN(c, (int)syscall(SYS_linkat, at, from, at_two, to, flags));
}

PUBLIC int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

PUBLIC int symlinkat(const char *text, int at, const char *path)
{
    call c;

    begin(&c, "symlink", at, path, 0, NULL);
    RUN(c, (int)syscall(SYS_symlinkat, text, at, path));
}

PUBLIC int symlink(const char *text, const char *path)
{
    return symlinkat(text, AT_FDCWD, path);
}

PUBLIC int unlinkat(int at, const char *path, int flags)
{
    call c;

    begin(&c, flags & AT_REMOVEDIR ? "rmdir" : "unlink", at, path, 0, NULL);
    RUN(c, (int)syscall(SYS_unlinkat, at, path, flags));
}

PUBLIC int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

PUBLIC int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

PUBLIC int remove(const char *path)
{
    const int result = unlink(path);

    return result != 0 && errno == EISDIR ? rmdir(path) : result;
}

PUBLIC int mkdirat(int at, const char *path, mode_t mode)
{
    call c;

    begin(&c, "mkdir", at, path, 0, NULL);
    RUN(c, (int)syscall(SYS_mkdirat, at, path, mode));
}

PUBLIC int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}
