/* Writing a checkpoint: parts by their owners, then the manifest, then the name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/disk.h"
#include "base/file.h"
#include "base/stage.h"
#include "base/text.h"
#include "engine/checkpoint_impl.h"
#include "engine/comm.h"

/* One save under way. */
typedef struct saving {
    qn_context *ctx;
    qn_checkpoint *ck;
    int64_t iteration;
    const qn_checkpoint_array *array;
    int32_t n_arrays;
    char *folder, *place; /* DIR/000012.new and DIR/000012 */
    char *file;           /* of this rank */
    int fd;
    int64_t written;
    qn_manifest_part *part; /* of this rank, then of all */
    int64_t n_parts;
} saving;

static qn_status no_path(qn_context *ctx)
{
    return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
}

static qn_status check_disk(const saving *s, int error_number, const char *path)
{
    return error_number ? qn_fail_write(s->ctx, error_number, path, (double)s->written) : QN_OK;
}

static int64_t rows_of_part(const qn_checkpoint_array *array)
{
    const int64_t bytes = array->row_bytes > 0 ? (int64_t)array->row_bytes : 1;
    const int64_t rows = CHECKPOINT_PART_BYTES / bytes;

    return rows > 0 ? rows : 1;
}

/* Paths, and room for the parts of this rank. */
static qn_status begin(saving *s)
{
    qn_status st = QN_OK;
    int64_t n = 0;

    s->folder = qn_checkpoint_folder(s->ck, s->iteration, ".new");
    s->place = qn_checkpoint_folder(s->ck, s->iteration, "");
    s->file = s->folder ? qn_checkpoint_file(s->folder, qn_rank(s->ctx)) : NULL;
    if (!s->file || !s->place)
        return no_path(s->ctx);
    for (int32_t a = 0; a < s->n_arrays; a++) {
        const int64_t own = s->array[a].end_row - s->array[a].first_row;
        const int64_t rows = rows_of_part(&s->array[a]);

        n += (own + rows - 1) / rows;
    }
    QN_NEW(s->ctx, s->part, n, "parts of a checkpoint");
done:
    return st;
}

/* Rank 0. */
static qn_status make_folder(saving *s)
{
    qn_status st = QN_OK;

    QN_TRY(qn_make_dirs(s->ctx, s->ck->dir));
    QN_TRY(qn_checkpoint_lock(s->ctx, s->ck));
    QN_TRY(qn_remove_tree(s->ctx, s->folder));
    QN_TRY(check_disk(s, qn_disk_mkdir(s->ctx, s->folder), s->folder));
done:
    return st;
}

static int write_all(qn_context *ctx, int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const int planned = qn_write_planned(ctx);
        const ssize_t put = planned ? -1 : write(fd, bytes, n);

        if (put < 0 && (planned || errno != EINTR))
            return planned ? planned : errno;
        if (put > 0) {
            bytes += put;
            n -= (size_t)put;
        }
    }
    return 0;
}

static qn_status write_array(saving *s, int32_t a)
{
    const qn_checkpoint_array *array = &s->array[a];
    const int64_t rows = rows_of_part(array);
    qn_status st = QN_OK;

    for (int64_t first = array->first_row; first < array->end_row; first += rows) {
        const int64_t left = array->end_row - first;
        const int64_t n = left < rows ? left : rows;
        const char *bytes = (const char *)array->data + (size_t)first * array->row_bytes;
        const size_t size = (size_t)n * array->row_bytes;

        QN_TRY(qn_check_cancel(s->ctx));
        s->part[s->n_parts++] = (qn_manifest_part){.array = a,
                                                   .file = qn_rank(s->ctx),
                                                   .first_row = first,
                                                   .n_rows = n,
                                                   .offset = s->written,
                                                   .xxh3 = XXH3_64bits(bytes, size)};
        QN_TRY(check_disk(s, write_all(s->ctx, s->fd, bytes, size), s->file));
        s->written += (int64_t)size;
    }
done:
    return st;
}

static int create(saving *s)
{
    const int planned = qn_write_planned(s->ctx);

    if (planned)
        return planned;
    s->fd = open(s->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return s->fd < 0 ? errno : 0;
}

/* What this rank owns, behind one another in one file. */
static qn_status write_rows(saving *s)
{
    qn_status st = QN_OK;

    QN_TRY(check_disk(s, create(s), s->file));
    for (int32_t a = 0; a < s->n_arrays; a++)
        QN_TRY(write_array(s, a));
    QN_TRY(check_disk(s, qn_sync_fd(s->ctx, s->fd), s->file));
    /* It will not be read again, unless after a crash: no reason to hold it in the page cache. */
    posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
done:
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    return st;
}

/* Every rank knows all parts. Collective. */
static qn_status gather_parts(saving *s)
{
    const size_t bytes = (size_t)s->n_parts * sizeof *s->part;
    size_t n_all = 0;
    void *all = NULL;
    const qn_status st = qn_comm_allgather(s->ctx, s->part, bytes, &all, &n_all);

    if (st == QN_OK) {
        qn_free(s->part);
        s->part = all;
        s->n_parts = (int64_t)(n_all / sizeof *s->part);
    }
    return st;
}

static qn_status manifest_text(const saving *s, char **text, size_t *length)
{
    const qn_checkpoint *ck = s->ck;
    char quern[32], kernels[sizeof ck->kernel_set];
    qn_checkpoint_manifest m = {
        .format = QN_CHECKPOINT_FORMAT,
        .iteration = s->iteration,
        .quern = quern,
        .run_id = ck->run_id,
        .command = ck->command,
        .options = ck->options,
        .algorithm = ck->algorithm,
        .parameters = ck->parameters,
        .kernel_set = kernels,
        .data_fingerprint = ck->data_fingerprint,
        .n_arrays = s->n_arrays,
        .n_parts = s->n_parts,
        .part = s->part,
    };

    snprintf(quern, sizeof quern, "%s", qn_version());
    snprintf(kernels, sizeof kernels, "%s", ck->kernel_set);
    for (int32_t a = 0; a < s->n_arrays; a++) {
        snprintf(m.array[a].name, sizeof m.array[a].name, "%s", s->array[a].name);
        m.array[a].n_rows = s->array[a].n_rows;
        m.array[a].row_bytes = (int64_t)s->array[a].row_bytes;
    }
    return qn_checkpoint_manifest_text(s->ctx, &m, text, length);
}

static qn_status write_manifest(saving *s)
{
    qn_status st = QN_OK;
    qn_out_file *out = NULL;
    char *path = qn_path_join(s->folder, QN_CHECKPOINT_MANIFEST), *text = NULL;
    size_t length = 0;

    if (!path)
        return no_path(s->ctx);
    QN_TRY(manifest_text(s, &text, &length));
    QN_TRY(qn_out_open(s->ctx, path, false, &out));
    QN_TRY(qn_out_write(out, text, length));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    qn_free(text);
    free(path);
    return st;
}

/* All but the last ones. They could stay: a failure here is none of the checkpoint. */
static void remove_older(const saving *s)
{
    int64_t *iterations = NULL, n = 0;
    qn_status st = qn_checkpoint_list(s->ctx, s->ck, &iterations, &n);

    for (int64_t i = QN_CHECKPOINT_KEEP; i < n; i++) {
        char *path = qn_checkpoint_folder(s->ck, iterations[i], "");

        if (path && st == QN_OK)
            st = qn_remove_tree(s->ctx, path);
        free(path);
    }
    if (st != QN_OK)
        qn_error_clear(s->ctx);
    qn_free(iterations);
}

/* The manifest and the name. One that lies there already is damaged, or it had been read. Rank 0.
 */
static qn_status commit(saving *s)
{
    qn_status st = QN_OK;

    QN_TRY(write_manifest(s)); /* syncs the folder too */
    QN_TRY(qn_remove_tree(s->ctx, s->place));
    QN_TRY(check_disk(s, qn_disk_rename(s->ctx, s->folder, s->place, 0), s->place));
    QN_TRY(check_disk(s, qn_disk_sync(s->ctx, s->ck->dir), s->ck->dir));
    remove_older(s);
done:
    return st;
}

static qn_status save(saving *s)
{
    qn_context *ctx = s->ctx;
    const bool is_first = qn_rank(ctx) == 0;
    qn_status st = QN_OK;

    QN_TRY_ALL(begin(s));
    QN_TRY_ALL(is_first ? make_folder(s) : QN_OK);
    QN_TRY_ALL(write_rows(s));
    QN_TRY(gather_parts(s));
    QN_TRY_ALL(is_first ? commit(s) : QN_OK);
done:
    return st;
}

static void tell(const saving *s)
{
    double bytes = 0;

    if (qn_rank(s->ctx) != 0)
        return;
    for (int32_t a = 0; a < s->n_arrays; a++)
        bytes += (double)s->array[a].n_rows * (double)s->array[a].row_bytes;
    qn_emit_metric(s->ctx, "checkpoint_seconds", s->ck->seconds, "s");
    qn_emit_count(s->ctx, "checkpoints", s->ck->n_saved);
    qn_emit_count(s->ctx, "checkpoint_bytes", (int64_t)bytes);
}

/* The fit matters more than the means to go on with it. */
static void warn(const saving *s)
{
    if (qn_rank(s->ctx) == 0) {
        qn_remove_tree(NULL, s->folder);
        qn_emit_warning(s->ctx,
                        "the checkpoint of iteration %lld was not written and the run goes on; "
                        "earlier ones stay. %s",
                        (long long)s->iteration, qn_context_error(s->ctx));
    }
    qn_error_clear(s->ctx);
}

qn_status qn_checkpoint_save(qn_context *ctx, qn_checkpoint *ck, int32_t iteration,
                             const qn_checkpoint_array *arrays, int32_t n)
{
    saving s = {
        .ctx = ctx, .ck = ck, .iteration = iteration, .array = arrays, .n_arrays = n, .fd = -1};
    const double start = qn_seconds();
    qn_status st;

    if (n > QN_CHECKPOINT_MAX_ARRAYS || !ck->algorithm)
        return qn_fail(ctx, QN_EINTERNAL, "a checkpoint of %d arrays, or before a fit", n);
    st = save(&s);
    ck->last = qn_seconds();
    ck->cost = ck->last - start;
    ck->seconds += ck->cost;
    if (st == QN_OK) {
        ck->n_saved++;
        tell(&s);
    } else if (st != QN_ECANCELLED) {
        if (s.folder)
            warn(&s);
        st = QN_OK;
    }
    free(s.folder);
    free(s.place);
    free(s.file);
    qn_free(s.part);
    return st;
}
