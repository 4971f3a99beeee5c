#include "experiment/draw.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS     60.0
#define PICTURE_MAX ((size_t)256 << 20)

extern char **environ;

/* Standard input, output and error of the child: files in memory, so nothing is left behind and
 * neither side waits for the other to read. */
typedef struct child_files {
    int fd[3];
} child_files;

static void files_close(child_files *files)
{
    for (int i = 0; i < 3; i++)
        if (files->fd[i] >= 0)
            close(files->fd[i]);
}

static qn_status files_make(qn_context *ctx, const qn_string *script, child_files *files)
{
    static const char *const name[3] = {"script", "picture", "words"};
    size_t done = 0;

    for (int i = 0; i < 3; i++) {
        files->fd[i] = memfd_create(name[i], MFD_CLOEXEC);
        if (files->fd[i] < 0)
            return qn_fail_errno(ctx, QN_EIO, errno, "cannot make a file in memory for gnuplot");
    }
    while (done < script->length) {
        const ssize_t n = write(files->fd[0], script->text + done, script->length - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return qn_fail_errno(ctx, QN_EIO, errno, "cannot hand its script to gnuplot");
        done += (size_t)n;
    }
    if (lseek(files->fd[0], 0, SEEK_SET) != 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot hand its script to gnuplot");
    return QN_OK;
}

/* Whole contents of a file in memory. */
static qn_status file_take(qn_context *ctx, int fd, qn_string *out)
{
    char buffer[1 << 14];
    size_t at = 0;

    while (at < PICTURE_MAX) {
        const ssize_t n = pread(fd, buffer, sizeof buffer, (off_t)at);

        if (n < 0)
            return qn_fail_errno(ctx, QN_EIO, errno, "cannot read what gnuplot has drawn");
        if (n == 0)
            break;
        qn_string_add_bytes(out, buffer, (size_t)n);
        at += (size_t)n;
    }
    if (out->failed)
        return qn_fail(ctx, QN_ENOMEM, "not enough memory for a picture");
    return QN_OK;
}

/* Returns an errno. Settings and start-up files of the user do not matter (-d). */
static int start(const char *program, const child_files *files, pid_t *pid)
{
    char *const arguments[] = {(char *)program, (char *)"-d", (char *)"-", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, standard;
    int error = posix_spawn_file_actions_init(&actions);

    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE); /* we ignore it; the child shall not */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &standard);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    for (int i = 0; i < 3 && !error; i++)
        error = posix_spawn_file_actions_adddup2(&actions, files->fd[i], i);
    if (!error)
        error = posix_spawnp(pid, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* Waits for the end; kills it when the run is cancelled or the time is over. */
static qn_status finish(qn_context *ctx, const char *program, pid_t pid, int *end)
{
    const double deadline = qn_seconds() + SECONDS;
    const struct timespec pause = {.tv_nsec = 2000000};
    qn_status st = QN_OK;

    for (;;) {
        const pid_t done = waitpid(pid, end, WNOHANG);

        if (done == pid)
            return QN_OK;
        if (done < 0 && errno != EINTR)
            return qn_fail_errno(ctx, QN_EIO, errno, "lost sight of %s", program);
        st = qn_check_cancel(ctx);
        if (st == QN_OK && qn_seconds() > deadline)
            st = qn_fail(ctx, QN_EIO, "%s was not done after %g s and was ended", program, SECONDS);
        if (st != QN_OK)
            break;
        nanosleep(&pause, NULL);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, end, 0) < 0 && errno == EINTR)
        ;
    return st;
}

/* Its last line that is not empty. */
static const char *last_words(const qn_string *words)
{
    char *text = words->text;
    size_t length = words->length;

    while (length > 0 && strchr(" \r\n", text[length - 1]))
        text[--length] = '\0';
    if (length == 0)
        return "it said nothing";
    for (char *p = text + length; p > text; p--)
        if (p[-1] == '\n')
            return p;
    return text;
}

qn_status qn_draw(qn_context *ctx, const char *program, const qn_string *script, qn_string *picture)
{
    const char *name = program ? program : "gnuplot";
    child_files files = {{-1, -1, -1}};
    qn_string words = {0};
    qn_status st = QN_OK;
    pid_t pid = 0;
    int error, end = 0;

    QN_TRY(files_make(ctx, script, &files));
    error = start(name, &files, &pid);
    if (error == ENOENT || error == EACCES) {
        st = qn_fail(ctx, QN_EUNAVAILABLE,
                     "pictures need gnuplot, and there is no %s; the data are written\n"
                     "try: apt-get install gnuplot-nox",
                     name);
        goto done;
    }
    if (error) {
        st = qn_fail_errno(ctx, QN_EIO, error, "cannot start %s", name);
        goto done;
    }
    QN_TRY(finish(ctx, name, pid, &end));
    QN_TRY(file_take(ctx, files.fd[2], &words));
    QN_TRY(file_take(ctx, files.fd[1], picture));
    if (!WIFEXITED(end) || WEXITSTATUS(end) != 0 || picture->length == 0)
        st = qn_fail(ctx, QN_EIO, "%s could not draw: %s", name, last_words(&words));
done:
    qn_string_release(&words);
    files_close(&files);
    return st;
}
