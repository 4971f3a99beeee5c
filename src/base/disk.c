#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stage.h"

int qn_disk_mkdir(qn_context *ctx, const char *path)
{
    const int planned = qn_write_planned(ctx);

    return planned ? planned : mkdir(path, 0777) == 0 ? 0 : errno;
}

int qn_disk_link(qn_context *ctx, const char *old, const char *path)
{
    const int planned = qn_write_planned(ctx);

    return planned ? planned : link(old, path) == 0 ? 0 : errno;
}

int qn_disk_symlink(qn_context *ctx, const char *text, const char *path)
{
    const int planned = qn_write_planned(ctx);

    return planned ? planned : symlink(text, path) == 0 ? 0 : errno;
}

int qn_disk_rename(qn_context *ctx, const char *from, const char *to, unsigned flags)
{
    const int planned = qn_write_planned(ctx);
    int error_number;

    if (planned)
        return planned;
    /* rename() where it does, for file systems that know no flags */
    error_number = (flags ? renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) : rename(from, to));
    return error_number == 0 ? 0 : errno;
}

int qn_disk_sync(qn_context *ctx, const char *path)
{
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int error_number;

    if (fd < 0)
        return errno;
    error_number = qn_sync_fd(ctx, fd);
    close(fd);
    return error_number;
}
