/* The file of an event log: whole lines, appended. The first write that fails ends it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/stage.h"
#include "run/spark_log_impl.h"

#define BUFFER_BYTES ((size_t)128 << 10)

/* Leaves whole lines behind: a part of one would make the log unreadable. */
static void give_up(qn_spark_log *log, int error)
{
    if (!log->error)
        log->error = error ? error : EIO;
    if (log->fd >= 0) {
        if (ftruncate(log->fd, (off_t)log->bytes) != 0)
            log->error = log->error ? log->error : errno;
        close(log->fd);
    }
    log->fd = -1;
    qn_string_clear(&log->buffer);
}

int spark_file_open(qn_spark_log *log)
{
    const int planned = qn_write_planned(log->ctx);

    log->fd = planned ? -1 : open(log->live_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->fd < 0)
        log->error = planned ? planned : errno;
    return log->error;
}

void spark_file_line(qn_spark_log *log)
{
    if (log->error)
        return;
    qn_string_add_bytes(&log->buffer, qn_string_text(&log->line.out), log->line.out.length);
    qn_string_add_bytes(&log->buffer, "\n", 1);
    if (log->buffer.failed || log->line.out.failed)
        give_up(log, ENOMEM);
    else if (log->buffer.length >= BUFFER_BYTES)
        spark_file_flush(log);
}

void spark_file_flush(qn_spark_log *log)
{
    size_t done = 0;
    int error = log->error || log->buffer.length == 0 ? 0 : qn_write_planned(log->ctx);

    log->flushed_us = log->last_us;
    while (!error && !log->error && done < log->buffer.length) {
        const ssize_t n = write(log->fd, log->buffer.text + done, log->buffer.length - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            error = n == 0 ? EIO : errno;
    }
    if (error) {
        give_up(log, error);
        return;
    }
    log->bytes += (double)done;
    qn_string_clear(&log->buffer);
}

void spark_file_sync(qn_spark_log *log)
{
    int error;

    spark_file_flush(log);
    if (log->error)
        return;
    error = qn_sync_fd(log->ctx, log->fd);
    if (error)
        give_up(log, error);
}

void spark_file_finish(qn_spark_log *log)
{
    int error;

    spark_file_sync(log);
    if (log->error)
        return;
    error = qn_write_planned(log->ctx);
    if (!error && rename(log->live_path, log->path) != 0)
        error = errno;
    if (close(log->fd) != 0 && !error)
        error = errno;
    log->fd = -1;
    if (error && !log->error)
        log->error = error;
}
