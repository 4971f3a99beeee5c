/* Finding and reading the checkpoint to go on from. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/params_out.h"
#include "base/text.h"
#include "engine/checkpoint_impl.h"
#include "engine/comm.h"

#define MANIFEST_LIMIT ((size_t)1 << 30)

static qn_status no_path(qn_context *ctx)
{
    return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
}

static qn_status read_manifest(qn_context *ctx, const char *folder, qn_checkpoint_manifest *m)
{
    char *path = qn_path_join(folder, QN_CHECKPOINT_MANIFEST), *text = NULL;
    size_t length = 0;
    qn_status st = QN_OK;

    *m = (qn_checkpoint_manifest){0};
    if (!path)
        return no_path(ctx);
    QN_TRY(qn_read_file(ctx, path, MANIFEST_LIMIT, &text, &length));
    QN_TRY(qn_checkpoint_manifest_parse(ctx, path, text, length, m));
done:
    qn_free(text);
    free(path);
    return st;
}

/* What is read of a checkpoint's files, one open at a time. */
typedef struct reader {
    qn_context *ctx;
    const char *folder;
    char *path; /* of the open file */
    int fd;
    int64_t file; /* its number; -1: none */
} reader;

static void reader_close(reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->path);
    r->path = NULL;
    r->fd = -1;
    r->file = -1;
}

static qn_status reader_open(reader *r, int64_t file)
{
    if (r->file == file)
        return QN_OK;
    reader_close(r);
    r->path = qn_checkpoint_file(r->folder, file);
    if (!r->path)
        return no_path(r->ctx);
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return qn_fail_errno(r->ctx, QN_EDATA, errno, "%s is damaged: cannot read %s", r->folder,
                             r->path);
    r->file = file;
    return QN_OK;
}

/* Reads a part and compares its checksum. */
static qn_status read_part(reader *r, const qn_manifest_part *part, size_t size, char *bytes)
{
    qn_status st = QN_OK;
    size_t have = 0;

    QN_TRY(qn_check_cancel(r->ctx));
    QN_TRY(reader_open(r, part->file));
    while (have < size) {
        const ssize_t got = pread(r->fd, bytes + have, size - have, part->offset + (off_t)have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            QN_TRY(qn_fail_errno(r->ctx, QN_EDATA, errno, "%s cannot be read", r->path));
        if (got == 0)
            QN_TRY(qn_fail(r->ctx, QN_EDATA, "%s is damaged: it ends too early", r->path));
        have += (size_t)got;
    }
    if (XXH3_64bits(bytes, size) != part->xxh3)
        st = qn_fail(r->ctx, QN_EDATA,
                     "%s is damaged: the checksum of %zu bytes at %" PRId64 " is another", r->path,
                     size, part->offset);
done:
    return st;
}

static size_t part_bytes(const qn_checkpoint_manifest *m, const qn_manifest_part *part)
{
    return (size_t)(part->n_rows * m->array[part->array].row_bytes);
}

/* Reads every size-th part, so that all ranks together read all. */
static qn_status check_parts(qn_context *ctx, const char *folder, const qn_checkpoint_manifest *m)
{
    reader r = {.ctx = ctx, .folder = folder, .fd = -1, .file = -1};
    qn_status st = QN_OK;
    size_t most = 0;
    char *bytes = NULL;

    for (int64_t p = 0; p < m->n_parts; p++)
        most = part_bytes(m, &m->part[p]) > most ? part_bytes(m, &m->part[p]) : most;
    QN_NEW(ctx, bytes, (int64_t)most, "a part of a checkpoint");
    for (int64_t p = qn_rank(ctx); p < m->n_parts; p += qn_size(ctx))
        QN_TRY(read_part(&r, &m->part[p], part_bytes(m, &m->part[p]), bytes));
done:
    reader_close(&r);
    qn_free(bytes);
    return st;
}

/* The key as it will be written, and the one to compare with. */
static qn_status take_key(qn_context *ctx, qn_checkpoint *ck, const qn_checkpoint_key *key)
{
    qn_status st = QN_OK;
    qn_json j = {0};

    qn_free(ck->algorithm);
    qn_free(ck->parameters);
    ck->algorithm = ck->parameters = NULL;
    qn_json_open(&j, NULL, '{');
    for (int64_t p = 0; p < key->table->n; p++)
        qn_param_value_json(&key->table->param[p], key->params, &j);
    qn_json_close(&j, '}');
    if (j.out.failed)
        QN_TRY(qn_fail(ctx, QN_ENOMEM, "not enough memory for a checkpoint's parameters"));
    QN_TRY(qn_strdup(ctx, key->algorithm, &ck->algorithm));
    QN_TRY(qn_strdup(ctx, j.out.text, &ck->parameters));
    snprintf(ck->kernel_set, sizeof ck->kernel_set, "%s", qn_context_kernels(ctx));
    ck->data_fingerprint = key->data_fingerprint;
done:
    qn_json_release(&j);
    return st;
}

static qn_status fail_param(qn_context *ctx, const char *folder, const qn_param *param,
                            const json_t *was, const json_t *is, bool may_grow)
{
    char *old = was ? json_dumps(was, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) : NULL;
    char *new = json_dumps(is, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    char name[64];

    qn_param_cli_name(param->name, name, sizeof name);
    qn_fail(ctx, QN_EINVAL, "%s was made with %s %s, now it is %s: %s", folder, name,
            old ? old : "(unknown)", new ? new : "?",
            may_grow ? "it may only grow" : "a run that is resumed keeps its parameters");
    free(old);
    free(new);
    return QN_EINVAL;
}

static qn_status compare_params(qn_context *ctx, const char *folder, const qn_checkpoint *ck,
                                const qn_checkpoint_key *key, const qn_checkpoint_manifest *m)
{
    qn_status st = QN_OK;
    json_t *was = json_loads(m->parameters, 0, NULL);
    json_t *is = json_loads(ck->parameters, 0, NULL);

    if (!was || !is)
        st = qn_fail(ctx, QN_ENOMEM, "not enough memory for a checkpoint's parameters");
    for (int64_t p = 0; p < key->table->n && st == QN_OK; p++) {
        const qn_param *param = &key->table->param[p];
        json_t *one = json_object_get(was, param->name);
        json_t *two = json_object_get(is, param->name);
        const bool may_grow = key->may_grow && !strcmp(key->may_grow, param->name);

        if (json_equal(one, two) ||
            (may_grow && json_number_value(one) <= json_number_value(two) && one))
            continue;
        st = fail_param(ctx, folder, param, one, two, may_grow);
    }
    json_decref(was);
    json_decref(is);
    return st;
}

/* A checkpoint of something else is not damaged: it is refused. */
static qn_status compare(qn_context *ctx, const char *folder, const qn_checkpoint *ck,
                         const qn_checkpoint_key *key, const qn_checkpoint_manifest *m)
{
    if (strcmp(m->quern, qn_version()) != 0)
        return qn_fail(ctx, QN_EINVAL,
                       "%s was written by Quern %s, this is %s: finish the run with that version, "
                       "or fit anew",
                       folder, m->quern, qn_version());
    if (ck->run_id[0] && strcmp(m->run_id, ck->run_id) != 0)
        return qn_fail(ctx, QN_EINVAL, "%s is of the run %s, not of %s", folder, m->run_id,
                       ck->run_id);
    if (strcmp(m->algorithm, ck->algorithm) != 0)
        return qn_fail(ctx, QN_EINVAL, "%s is of fit %s, not of fit %s", folder, m->algorithm,
                       ck->algorithm);
    if (strcmp(m->kernel_set, ck->kernel_set) != 0)
        return qn_fail(ctx, QN_EINVAL,
                       "%s was made with the kernel set %s, now it is %s: give --kernels %s",
                       folder, m->kernel_set, ck->kernel_set, m->kernel_set);
    if (m->data_fingerprint != ck->data_fingerprint)
        return qn_fail(ctx, QN_EINVAL,
                       "%s is of other training data (fingerprint %016" PRIx64 ", now %016" PRIx64
                       "): the input or its options have changed since; fit anew",
                       folder, m->data_fingerprint, ck->data_fingerprint);
    return compare_params(ctx, folder, ck, key, m);
}

/* Takes the checkpoint if it is whole. Collective. */
static qn_status try_one(qn_context *ctx, qn_checkpoint *ck, const qn_checkpoint_key *key,
                         int64_t iteration)
{
    qn_status st = QN_OK;
    qn_checkpoint_manifest m = {0};
    char *folder = qn_checkpoint_folder(ck, iteration, "");

    QN_TRY_ALL(folder ? QN_OK : no_path(ctx));
    QN_TRY_ALL(read_manifest(ctx, folder, &m));
    QN_TRY_ALL(compare(ctx, folder, ck, key, &m));
    QN_TRY_ALL(m.iteration == iteration
                   ? QN_OK
                   : qn_fail(ctx, QN_EDATA, "%s is damaged: it is of iteration %" PRId64, folder,
                             m.iteration));
    QN_TRY_ALL(check_parts(ctx, folder, &m));
    qn_checkpoint_manifest_release(&ck->found);
    ck->found = m;
    m = (qn_checkpoint_manifest){0};
done:
    qn_checkpoint_manifest_release(&m);
    free(folder);
    return st;
}

static bool is_damage(qn_status st)
{
    return st == QN_EDATA || st == QN_EIO || st == QN_ENOTFOUND;
}

/* What rank 0 sees, newest first, to every rank. Collective. */
static qn_status share_list(qn_context *ctx, const qn_checkpoint *ck, int64_t **list, int64_t *n)
{
    qn_status st = QN_OK;
    size_t bytes = 0;
    int64_t *mine = NULL, n_mine = 0;
    void *all = NULL;

    *list = NULL;
    *n = 0;
    QN_TRY_ALL(qn_rank(ctx) == 0 ? qn_checkpoint_list(ctx, ck, &mine, &n_mine) : QN_OK);
    QN_TRY(qn_comm_allgather(ctx, mine, (size_t)n_mine * sizeof *mine, &all, &bytes));
    *list = all;
    *n = (int64_t)(bytes / sizeof **list);
done:
    qn_free(mine);
    return st;
}

static qn_status find(qn_context *ctx, qn_checkpoint *ck, const qn_checkpoint_key *key)
{
    qn_status st = QN_OK;
    int64_t *list = NULL, n = 0;

    QN_TRY(share_list(ctx, ck, &list, &n));
    for (int64_t i = 0; i < n; i++) {
        st = try_one(ctx, ck, key, list[i]);
        if (!is_damage(st))
            goto done;
        if (i + 1 < n && qn_rank(ctx) == 0)
            qn_emit_warning(ctx, "%s; the checkpoint before it, of iteration %" PRId64 ", is used",
                            qn_context_error(ctx), list[i + 1]);
    }
    if (n > 0)
        st = qn_fail_prefix(ctx, QN_EDATA,
                            "no checkpoint in %s is whole: fit anew, without --resume", ck->dir);
done:
    qn_free(list);
    return st;
}

qn_status qn_checkpoint_begin(qn_context *ctx, qn_checkpoint *ck, const qn_checkpoint_key *key,
                              int32_t *iteration)
{
    qn_status st = QN_OK;

    *iteration = 0;
    if (!ck)
        return QN_OK;
    QN_TRY_ALL(take_key(ctx, ck, key));
    if (ck->resume)
        QN_TRY(find(ctx, ck, key));
    *iteration = (int32_t)ck->found.iteration;
    ck->asked = *iteration;
    if (*iteration > 0 && qn_rank(ctx) == 0)
        qn_emit_count(ctx, "resumed_iteration", *iteration);
    ck->last = qn_seconds();
done:
    return st;
}

static int32_t array_of(const qn_checkpoint *ck, const char *name)
{
    for (int32_t a = 0; a < ck->found.n_arrays; a++)
        if (!strcmp(ck->found.array[a].name, name))
            return a;
    return -1;
}

int64_t qn_checkpoint_rows(const qn_checkpoint *ck, const char *name)
{
    const int32_t a = array_of(ck, name);

    return a < 0 ? -1 : ck->found.array[a].n_rows;
}

static qn_status read_array(reader *r, const qn_checkpoint *ck, const qn_checkpoint_array *array)
{
    const qn_checkpoint_manifest *m = &ck->found;
    const int32_t a = array_of(ck, array->name);
    qn_status st = QN_OK;

    if (a < 0 || m->array[a].n_rows != array->n_rows ||
        m->array[a].row_bytes != (int64_t)array->row_bytes)
        return qn_fail(r->ctx, QN_EDATA,
                       "%s is damaged: it has no %s of %" PRId64 " rows of %zu bytes", r->folder,
                       array->name, array->n_rows, array->row_bytes);
    for (int64_t p = 0; p < m->n_parts; p++)
        if (m->part[p].array == a)
            QN_TRY(
                read_part(r, &m->part[p], part_bytes(m, &m->part[p]),
                          (char *)array->data + (size_t)m->part[p].first_row * array->row_bytes));
done:
    return st;
}

static qn_status read_arrays(qn_context *ctx, const qn_checkpoint *ck,
                             const qn_checkpoint_array *arrays, int32_t n)
{
    char *folder = qn_checkpoint_folder(ck, ck->found.iteration, "");
    reader r = {.ctx = ctx, .folder = folder, .fd = -1, .file = -1};
    qn_status st = folder ? QN_OK : no_path(ctx);

    for (int32_t a = 0; a < n && st == QN_OK; a++)
        st = read_array(&r, ck, &arrays[a]);
    reader_close(&r);
    free(folder);
    return st;
}

qn_status qn_checkpoint_read(qn_context *ctx, qn_checkpoint *ck, const qn_checkpoint_array *arrays,
                             int32_t n)
{
    qn_status st = QN_OK;

    QN_TRY_ALL(read_arrays(ctx, ck, arrays, n));
done:
    return st;
}
