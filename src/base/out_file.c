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

#define BUFFER_BYTES ((size_t)256 << 10)

struct qn_out_file {
    qn_context *ctx;
    qn_stage stage; /* not used when is_direct */
    char *path;
    char *buffer;
    size_t used;
    int fd;
    bool is_direct;   /* standard output, a device or a pipe: nothing to stage or swap */
    int error_number; /* of the first write that failed; 0: none */
    double written;
};

/* Devices, pipes and sockets are written as they are: a rename would replace them. */
static bool is_special(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

static void out_free(qn_out_file *out)
{
    if (!out)
        return;
    if (!out->is_direct)
        qn_stage_release(&out->stage);
    else if (out->fd > STDOUT_FILENO)
        close(out->fd);
    qn_free(out->path);
    qn_free(out->buffer);
    qn_free(out);
}

/* A new file gets the rights of the one that it replaces. */
static void keep_mode(const qn_stage *stage)
{
    struct stat info;

    if (stat(stage->target, &info) == 0 && fchmod(stage->fd, info.st_mode & 07777) != 0)
        return; /* the file is written all the same */
}

qn_status qn_out_open(qn_context *ctx, const char *path, bool overwrite, qn_out_file **out)
{
    const bool is_stdout = strcmp(path, "-") == 0;
    qn_status st = QN_OK;
    qn_out_file *made = NULL;

    *out = NULL;
    QN_NEW0(ctx, made, 1, "an output file");
    made->ctx = ctx;
    made->fd = -1;
    made->stage.fd = -1;
    made->is_direct = is_stdout || is_special(path);
    QN_TRY(qn_strdup(ctx, is_stdout ? "standard output" : path, &made->path));
    QN_NEW(ctx, made->buffer, (int64_t)BUFFER_BYTES, "the buffer of an output file");
    if (is_stdout) {
        made->fd = STDOUT_FILENO;
    } else if (made->is_direct) {
        made->fd = open(path, O_WRONLY | O_CLOEXEC);
        if (made->fd < 0) {
            st = qn_fail_errno(ctx, QN_EIO, errno, "cannot write %s", path);
            goto done;
        }
    } else {
        QN_TRY(qn_stage_open(ctx, path, overwrite, false, &made->stage));
        made->fd = made->stage.fd;
        keep_mode(&made->stage);
    }
    *out = made;
    made = NULL;
done:
    out_free(made);
    return st;
}

/* Writes all of it or keeps the errno. */
static void put(qn_out_file *out, const char *bytes, size_t n)
{
    while (n > 0 && !out->error_number) {
        const int planned = qn_write_planned(out->ctx);
        const ssize_t put = planned ? -1 : write(out->fd, bytes, n);

        if (put >= 0) {
            bytes += put;
            n -= (size_t)put;
            out->written += (double)put;
        } else if (planned || errno != EINTR) {
            out->error_number = planned ? planned : errno;
        }
    }
}

static qn_status out_status(qn_out_file *out)
{
    return out->error_number ? qn_fail_write(out->ctx, out->error_number, out->path, out->written)
                             : QN_OK;
}

qn_status qn_out_write(qn_out_file *out, const void *bytes, size_t n)
{
    if (out->error_number)
        return out_status(out);
    if (n > BUFFER_BYTES - out->used) {
        put(out, out->buffer, out->used);
        out->used = 0;
    }
    if (n > BUFFER_BYTES) {
        put(out, bytes, n);
    } else if (n > 0) {
        memcpy(out->buffer + out->used, bytes, n);
        out->used += n;
    }
    return out_status(out);
}

qn_status qn_out_commit(qn_out_file **out)
{
    qn_out_file *file = *out;
    qn_status st = QN_OK;

    *out = NULL;
    put(file, file->buffer, file->used);
    if (!file->is_direct && !file->error_number)
        file->error_number = qn_sync_fd(file->ctx, file->fd);
    QN_TRY(out_status(file));
    if (!file->is_direct)
        QN_TRY(qn_stage_swap(file->ctx, &file->stage));
done:
    out_free(file);
    return st;
}

void qn_out_abandon(qn_out_file **out)
{
    out_free(*out);
    *out = NULL;
}

const char *qn_out_path(const qn_out_file *out)
{
    return out->path;
}
