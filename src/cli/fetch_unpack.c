/* Archives by libarchive, and the checksum of a file. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/fetch.h"

qn_status qn_file_md5(qn_context *ctx, const char *path, char digest[33])
{
    unsigned char buffer[1 << 16];
    FILE *file = fopen(path, "rb");
    qn_status st = QN_OK;
    qn_md5 md5;
    size_t n;

    if (!file)
        return qn_fail_errno(ctx, QN_EIO, errno, "%s", path);
    qn_md5_init(&md5);
    while (st == QN_OK && (n = fread(buffer, 1, sizeof buffer, file)) > 0) {
        qn_md5_add(&md5, buffer, n);
        st = qn_check_cancel(ctx);
    }
    if (st == QN_OK && ferror(file))
        st = qn_fail_errno(ctx, QN_EIO, errno, "%s", path);
    fclose(file);
    qn_md5_end(&md5, digest);
    return st;
}

/* What follows the first folder of "ml-latest-small/ratings.csv"; NULL: not a name to write to. */
static const char *inner_name(const char *name)
{
    const char *slash = strchr(name, '/');
    const char *inner = slash ? slash + 1 : name;

    if (name[0] == '/' || strstr(name, "..") || inner[0] == '\0' || inner[0] == '/')
        return NULL;
    return inner;
}

static qn_status copy_bytes(qn_context *ctx, struct archive *archive, const char *from,
                            qn_out_file *out)
{
    qn_status st = QN_OK;

    while (st == QN_OK) {
        const void *bytes;
        size_t n;
        int64_t offset;
        const int code = archive_read_data_block(archive, &bytes, &n, &offset);

        if (code == ARCHIVE_EOF)
            break;
        if (code < ARCHIVE_WARN)
            return qn_fail(ctx, QN_EDATA, "%s: %s", from, archive_error_string(archive));
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_out_write(out, bytes, n));
    }
done:
    return st;
}

/* Writes the entry that the archive stands at. */
static qn_status unpack_entry(qn_context *ctx, struct archive *archive, const char *from,
                              const char *inner, const char *to)
{
    char *path = qn_path_join(to, inner);
    qn_out_file *out = NULL;
    char *slash;
    qn_status st = QN_OK;

    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "out of memory for a path");
    slash = strrchr(path, '/');
    *slash = '\0';
    QN_TRY(qn_make_dirs(ctx, path));
    *slash = '/';
    QN_TRY(qn_out_open(ctx, path, false, &out));
    QN_TRY(copy_bytes(ctx, archive, from, out));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    free(path);
    return st;
}

static qn_status unpack_all(qn_context *ctx, struct archive *archive, const char *from,
                            const char *to, int64_t *n_files)
{
    struct archive_entry *entry;
    int code;

    while ((code = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
        const char *name = code < ARCHIVE_WARN ? NULL : archive_entry_pathname(entry);
        const bool is_file = name && archive_entry_filetype(entry) == AE_IFREG;
        const char *inner = is_file ? inner_name(name) : NULL;
        qn_status st;

        if (!name)
            return qn_fail(ctx, QN_EDATA, "%s: %s", from, archive_error_string(archive));
        if (!is_file)
            continue;
        if (!inner)
            return qn_fail(ctx, QN_EDATA, "%s holds a file that leads out of its folder: %s", from,
                           name);
        st = unpack_entry(ctx, archive, from, inner, to);
        if (st != QN_OK)
            return st;
        ++*n_files;
    }
    if (*n_files == 0)
        return qn_fail(ctx, QN_EDATA, "%s holds no files", from);
    return QN_OK;
}

qn_status qn_unpack(qn_context *ctx, const char *path, const char *to, int64_t *n_files)
{
    struct archive *archive = archive_read_new();
    qn_status st;

    *n_files = 0;
    if (!archive)
        return qn_fail(ctx, QN_ENOMEM, "out of memory for an archive");
    archive_read_support_format_zip(archive);
    if (archive_read_open_filename(archive, path, 1 << 16) != ARCHIVE_OK)
        st = qn_fail(ctx, QN_EDATA, "%s: %s", path, archive_error_string(archive));
    else
        st = unpack_all(ctx, archive, path, to, n_files);
    archive_read_free(archive);
    return st;
}
