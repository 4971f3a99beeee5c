/* The way of a data set through its life, without rows: what the crash tests step through. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/dataset.h"

enum { FIRST_MONTH = 12 * 2005 };

/* Not synced: that is the data set's to do. */
static qn_status write_part(qn_dataset_writer *writer, int32_t part, const char *text)
{
    char *path = NULL;
    int fd = -1;
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_write_file(writer, part, 0, &path));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        QN_TRY(qn_fail_errno(writer->ctx, QN_EIO, errno, "cannot write %s", path));
    QN_TRY(qn_dataset_write_done(writer, part, 0, path, (int64_t)strlen(text)));
done:
    if (fd >= 0)
        close(fd);
    qn_free(path);
    return st;
}

/* Three months; the first is taken over where it is there, the others hold `text`. */
static qn_status write_months(qn_context *ctx, const char *path, const char *text)
{
    qn_dataset_writer writer = {.lock = -1};
    const qn_dataset_change change = {.command = (char *)"write"};
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_write_open(ctx, path, &writer));
    QN_TRY(qn_dataset_write_room(&writer, 1 << 20));
    for (int32_t month = 0; month < 3; month++) {
        if (month == 0 && writer.kind == QN_DATASET_OURS && writer.old.n_files > 0)
            QN_TRY(qn_dataset_write_link(&writer, 0));
        else
            QN_TRY(write_part(&writer, FIRST_MONTH + month, month == 0 ? "first" : text));
    }
    QN_TRY(qn_dataset_add_change(ctx, &writer.next, &change));
    QN_TRY(qn_dataset_write_commit(&writer, 2));
done:
    qn_dataset_write_close(&writer);
    return st;
}

static qn_status remove_all(qn_context *ctx, const char *path)
{
    qn_dataset_writer writer = {.lock = -1};
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_write_open(ctx, path, &writer));
    QN_TRY(qn_dataset_write_remove(&writer));
done:
    qn_dataset_write_close(&writer);
    return st;
}

static qn_status run(qn_context *ctx, const char *command, const char *path, const char *argument)
{
    int64_t one, two;

    if (strcmp(command, "write") == 0)
        return write_months(ctx, path, argument);
    if (strcmp(command, "remove") == 0)
        return remove_all(ctx, path);
    if (strcmp(command, "rollback") == 0)
        return qn_dataset_rollback(ctx, path, atoll(argument), &one, &two);
    if (strcmp(command, "gc") == 0)
        return qn_dataset_gc(ctx, path, atoi(argument), &one, &two);
    return qn_fail(ctx, QN_EINVAL, "%s is not write, remove, rollback or gc", command);
}

int main(int argc, char **argv)
{
    qn_context *ctx = NULL;
    qn_status st = qn_context_create(&(qn_context_options){.threads = 1}, &ctx);

    if (st == QN_OK && argc == 4)
        st = run(ctx, argv[1], argv[2], argv[3]);
    if (st != QN_OK)
        fprintf(stderr, "steps: %s\n", qn_context_error(ctx));
    qn_context_free(ctx);
    return argc == 4 ? qn_status_exit_code(st) : 2;
}
