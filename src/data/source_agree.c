/* Whether all workers see the same input. Each reads its share of it, so a host that has another
 * file under the same name would quietly put other rows into the model. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "data/source_files.h"
#include "data/source_impl.h"
#include "engine/comm.h"

#define PIECE_BYTES       4096
#define FILES_LOOKED_INTO 64 /* of many, evenly spread: their sizes all count */

/* Head, middle and tail. A file that cannot be read is told by whoever reads it. */
static uint64_t add_pieces(const qn_source_file *file, uint64_t print)
{
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    char piece[PIECE_BYTES];

    for (int i = 0; fd >= 0 && i < 3; i++) {
        const int64_t last = file->size > PIECE_BYTES ? file->size - PIECE_BYTES : 0;
        const ssize_t n =
            pread(fd, piece, sizeof piece, (off_t)(last / 2 * i + (i == 2) * (last % 2)));

        if (n > 0)
            print = XXH3_64bits_withSeed(piece, (size_t)n, print);
    }
    if (fd >= 0)
        close(fd);
    return print;
}

uint64_t qn_file_list_print(const qn_file_list *files)
{
    const int64_t step = (files->n + FILES_LOOKED_INTO - 1) / FILES_LOOKED_INTO;
    uint64_t print = (uint64_t)files->n;

    for (int64_t f = 0; f < files->n; f++) {
        const qn_source_file *file = &files->file[f];

        print = XXH3_64bits_withSeed(&file->size, sizeof file->size, print);
        if (!file->is_once && f % step == 0)
            print = add_pieces(file, print);
    }
    return print;
}

typedef struct seen {
    uint64_t print;
    int64_t bytes;
} seen;

static qn_status compare(qn_context *ctx, const qn_source *source, const seen *all)
{
    const char *host0 = qn_comm_host_of(ctx, 0);
    const bool has_name = source->ops->n_splits(source) > 0 && source->ops->split_path;

    for (int32_t r = 1; r < qn_size(ctx); r++) {
        const char *host = qn_comm_host_of(ctx, r);

        if (all[r].print == all[0].print)
            continue;
        return qn_fail(
            ctx, QN_EINVAL,
            "%s: worker %d on %s finds other data there (%lld bytes) than worker 0 on %s "
            "(%lld bytes)\ntry: the same files under the same path on every host",
            has_name ? source->ops->split_path(source, 0) : "the input", (int)r,
            host ? host : "its host", (long long)all[r].bytes, host0 ? host0 : "its host",
            (long long)all[0].bytes);
    }
    return QN_OK;
}

qn_status qn_source_agree(qn_context *ctx, const qn_source *source)
{
    const seen mine = {source->print, source->bytes};
    seen all[QN_MAX_RANKS];
    size_t bytes[QN_MAX_RANKS];
    qn_status st = QN_OK;

    for (int32_t r = 0; r < qn_size(ctx); r++)
        bytes[r] = sizeof mine;
    QN_TRY(qn_comm_allgatherv(ctx, &mine, sizeof mine, all, bytes));
    QN_TRY_ALL(compare(ctx, source, all));
done:
    return st;
}

qn_status qn_source_explain_missing(qn_context *ctx, qn_status st)
{
    char error[QN_ERROR_BYTES];

    if (st != QN_ENOTFOUND || qn_comm_n_hosts(ctx) < 2 ||
        strstr(qn_context_error(ctx), "every host"))
        return st;
    snprintf(error, sizeof error, "%s", qn_context_error(ctx));
    return qn_fail(ctx, st,
                   "%s\ntry: a folder that all hosts share; every host reads the same path", error);
}
