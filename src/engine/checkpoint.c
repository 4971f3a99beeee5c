#include "engine/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/checkpoint_impl.h"
#include "engine/comm.h"

#define UNFINISHED ".new"
#define DIGITS     "0123456789"
#define MIN_DIGITS 6

/* Share of the time of a fit that QN_CHECKPOINT_AUTO may take, and what the first is taken to cost:
 * a slow disk's bytes a second, and its fsyncs. */
#define AUTO_SHARE         0.02
#define AUTO_BYTES_SECONDS 100e6
#define AUTO_SYNC_SECONDS  0.05

char *qn_checkpoint_folder(const qn_checkpoint *ck, int64_t iteration, const char *suffix)
{
    char name[40];

    snprintf(name, sizeof name, "%0*lld%s", MIN_DIGITS, (long long)iteration, suffix);
    return qn_path_join(ck->dir, name);
}

char *qn_checkpoint_file(const char *folder, int64_t rank)
{
    char name[40];

    snprintf(name, sizeof name, "rows-%05lld", (long long)rank);
    return qn_path_join(folder, name);
}

/* "000012" -> 12, "000013.new" -> 13 with *finished false; -1: something else. */
static int64_t iteration_of(const char *name, bool *finished)
{
    const size_t digits = strspn(name, DIGITS);

    *finished = name[digits] == '\0';
    if (digits < MIN_DIGITS || digits > 10 || (!*finished && strcmp(name + digits, UNFINISHED)))
        return -1;
    return strtoll(name, NULL, 10);
}

static int newest_first(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return (x < y) - (x > y);
}

qn_status qn_checkpoint_list(qn_context *ctx, const qn_checkpoint *ck, int64_t **iterations,
                             int64_t *n)
{
    qn_status st = QN_OK;
    char **names = NULL;
    int64_t n_names = 0, *list = NULL, count = 0;
    bool finished = false;

    *iterations = NULL;
    *n = 0;
    if (qn_path_exists(ck->dir))
        QN_TRY(qn_list_dir(ctx, ck->dir, &names, &n_names));
    QN_NEW(ctx, list, n_names, "the list of checkpoints");
    for (int64_t i = 0; i < n_names; i++) {
        const int64_t iteration = iteration_of(names[i], &finished);

        if (iteration >= 0 && finished)
            list[count++] = iteration;
    }
    if (count > 1)
        qsort(list, (size_t)count, sizeof *list, newest_first);
    *iterations = list;
    *n = count;
done:
    qn_names_free(names, n_names);
    return st;
}

qn_status qn_checkpoint_sweep(qn_context *ctx, const qn_checkpoint *ck, bool all)
{
    qn_status st = QN_OK;
    char **names = NULL;
    int64_t n = 0;
    bool finished = false;

    if (!qn_path_exists(ck->dir))
        return QN_OK;
    QN_TRY(qn_list_dir(ctx, ck->dir, &names, &n));
    for (int64_t i = 0; i < n; i++) {
        char *path;

        if (iteration_of(names[i], &finished) < 0 || (finished && !all))
            continue;
        path = qn_path_join(ck->dir, names[i]);
        st = path ? qn_remove_tree(ctx, path) : qn_fail(ctx, QN_ENOMEM, "no memory for a path");
        free(path);
        QN_TRY(st);
    }
done:
    qn_names_free(names, n);
    return st;
}

qn_status qn_checkpoint_lock(qn_context *ctx, qn_checkpoint *ck)
{
    if (ck->lock >= 0)
        return QN_OK;
    ck->lock = open(ck->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ck->lock < 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot open the checkpoints in %s", ck->dir);
    /* Where locks do not exist nothing is held. */
    if (flock(ck->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return qn_fail(ctx, QN_EBUSY, "the checkpoints in %s are in use by a run that still works",
                       ck->dir);
    return QN_OK;
}

/* Before work: the folder is there, is writable and holds nothing foreign. Rank 0. */
static qn_status prepare_folder(qn_context *ctx, qn_checkpoint *ck)
{
    qn_status st = QN_OK;
    int64_t *iterations = NULL, n = 0;

    if (ck->interval > 0)
        QN_TRY(qn_make_dirs(ctx, ck->dir));
    if (!qn_path_exists(ck->dir))
        return QN_OK;
    QN_TRY(qn_checkpoint_lock(ctx, ck));
    QN_TRY(qn_checkpoint_list(ctx, ck, &iterations, &n));
    if (n > 0 && !ck->resume) {
        st = qn_fail(ctx, QN_EINVAL,
                     "%s holds checkpoints of another run: give another --checkpoint-dir, or go on "
                     "with that run by --resume",
                     ck->dir);
        goto done;
    }
    QN_TRY(qn_checkpoint_sweep(ctx, ck, false));
done:
    qn_free(iterations);
    return st;
}

/* Every rank must see the folder that rank 0 has made. */
static qn_status check_folder(qn_context *ctx, const qn_checkpoint *ck)
{
    char host[256] = "this host";

    if (ck->interval <= 0 || access(ck->dir, R_OK | W_OK | X_OK) == 0)
        return QN_OK;
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "this host");
    return qn_fail_errno(ctx, QN_EIO, errno,
                         "worker %d on %s cannot write checkpoints in %s, a folder that all "
                         "workers must share",
                         qn_rank(ctx), host, ck->dir);
}

/* Options as they will stand in the manifest; what is no JSON (a path in no known encoding) is left
 * out. */
static const char *options_text(const char *options)
{
    json_t *json = options ? json_loads(options, 0, NULL) : NULL;
    const bool fits = json_is_object(json);

    json_decref(json);
    return fits ? options : "{}";
}

static qn_status make(qn_context *ctx, const qn_checkpoint_options *o, qn_checkpoint **out)
{
    qn_status st = QN_OK;
    qn_checkpoint *ck = NULL;

    QN_NEW0(ctx, ck, 1, "checkpoints");
    ck->lock = -1;
    ck->interval = o->interval;
    ck->resume = o->resume;
    ck->last = qn_seconds();
    QN_TRY(qn_strdup(ctx, o->dir, &ck->dir));
    QN_TRY(qn_strdup(ctx, o->run_id ? o->run_id : "", &ck->run_id));
    QN_TRY(qn_strdup(ctx, o->command ? o->command : "", &ck->command));
    QN_TRY(qn_strdup(ctx, options_text(o->options), &ck->options));
    *out = ck;
    ck = NULL;
done:
    qn_checkpoint_close(ck);
    return st;
}

qn_status qn_checkpoint_open(qn_context *ctx, const qn_checkpoint_options *options,
                             qn_checkpoint **out)
{
    qn_status st = QN_OK;
    qn_checkpoint *ck = NULL;

    *out = NULL;
    QN_TRY_ALL(make(ctx, options, &ck));
    QN_TRY_ALL(qn_rank(ctx) == 0 ? prepare_folder(ctx, ck) : QN_OK);
    QN_TRY_ALL(check_folder(ctx, ck));
    *out = ck;
    ck = NULL;
done:
    qn_checkpoint_close(ck);
    return st;
}

void qn_checkpoint_close(qn_checkpoint *ck)
{
    if (!ck)
        return;
    if (ck->lock >= 0)
        close(ck->lock);
    qn_checkpoint_manifest_release(&ck->found);
    qn_free(ck->dir);
    qn_free(ck->run_id);
    qn_free(ck->command);
    qn_free(ck->options);
    qn_free(ck->algorithm);
    qn_free(ck->parameters);
    qn_free(ck);
}

qn_status qn_checkpoint_remove(qn_context *ctx, qn_checkpoint *ck)
{
    qn_status st = QN_OK;

    if (!ck || qn_rank(ctx) != 0 || !qn_path_exists(ck->dir))
        return QN_OK;
    QN_TRY(qn_checkpoint_sweep(ctx, ck, true));
    if (rmdir(ck->dir) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
        st = qn_fail_errno(ctx, QN_EIO, errno, "cannot remove %s", ck->dir);
done:
    return st;
}

const char *qn_checkpoint_run_id(const qn_checkpoint *ck)
{
    return ck->run_id;
}

void qn_checkpoint_attach(qn_context *ctx, qn_checkpoint *ck)
{
    ctx->checkpoint = ck;
}

qn_checkpoint *qn_checkpoint_attached(const qn_context *ctx)
{
    return ctx->checkpoint;
}

/* Rank 0's clock decides for all. */
static qn_status is_worth_it(qn_context *ctx, const qn_checkpoint *ck, double bytes, bool *due)
{
    const double guess = bytes / AUTO_BYTES_SECONDS + AUTO_SYNC_SECONDS;
    const double cost = ck->cost > 0 ? ck->cost : guess;
    int32_t yes = (qn_seconds() - ck->last) * AUTO_SHARE >= cost;
    const qn_status st = qn_comm_broadcast(ctx, &yes, sizeof yes, 0);

    *due = yes != 0;
    return st;
}

qn_status qn_checkpoint_is_due(qn_context *ctx, qn_checkpoint *ck, int32_t iteration,
                               const qn_checkpoint_array *arrays, int32_t n, bool *due)
{
    double bytes = 0;

    *due = false;
    if (!ck || ck->interval == 0)
        return QN_OK;
    if (ck->interval > 0) {
        *due = iteration / ck->interval > ck->asked / ck->interval;
        ck->asked = iteration;
        return QN_OK;
    }
    for (int32_t a = 0; a < n; a++)
        bytes += (double)arrays[a].n_rows * (double)arrays[a].row_bytes;
    return is_worth_it(ctx, ck, bytes, due);
}
