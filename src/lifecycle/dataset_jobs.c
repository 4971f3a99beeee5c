#include "lifecycle/dataset_jobs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "data/parquet.h"
#include "lifecycle/upsert_impl.h"

qn_status qn_dataset_need(qn_context *ctx, const char *path, char **folder)
{
    qn_dataset_kind kind;
    qn_status st = qn_dataset_resolve(ctx, path, &kind, folder);

    if (st == QN_OK && kind == QN_DATASET_NONE)
        st = qn_fail(ctx, QN_ENOTFOUND, "there is no data set %s", path);
    if (st == QN_OK && kind == QN_DATASET_PLAIN && !qn_path_is_dir(path))
        st = qn_fail(ctx, QN_EEXISTS, "%s is a file; a data set is a folder", path);
    if (st == QN_OK && kind == QN_DATASET_PLAIN)
        st = qn_fail(ctx, QN_EINVAL,
                     "%s is a plain folder without a manifest\ntry: quern data compact %s, which "
                     "makes it a data set",
                     path, path);
    if (st != QN_OK) {
        qn_free(*folder);
        *folder = NULL;
    }
    return st;
}

/* ---- history ---- */

void qn_history_result_release(qn_history_result *result)
{
    qn_dataset_manifest_release(&result->manifest);
    qn_free(result->generation);
    *result = (qn_history_result){0};
}

qn_status qn_dataset_history(qn_context *ctx, const char *path, qn_history_result *result)
{
    char *folder = NULL;
    qn_status st = QN_OK;

    *result = (qn_history_result){0};
    QN_TRY(qn_dataset_need(ctx, path, &folder));
    QN_TRY(qn_dataset_read(ctx, folder, &result->manifest));
    QN_TRY(qn_dataset_list(ctx, path, &result->generation, &result->n_generations));
done:
    qn_free(folder);
    if (st != QN_OK)
        qn_history_result_release(result);
    return st;
}

/* ---- writing it again ---- */

static int64_t bytes_of(const qn_dataset_manifest *manifest)
{
    int64_t bytes = 0;

    for (int64_t i = 0; i < manifest->n_files; i++)
        bytes += manifest->file[i].bytes;
    return bytes;
}

static qn_status add_change(qn_context *ctx, qn_dataset_writer *writer, const char *command,
                            const qn_rewrite_result *r)
{
    const qn_dataset_change change = {
        .generation = writer->generation,
        .time = qn_now_us() / 1000000,
        .command = (char *)command,
        .rows_duplicate = r->rows_duplicate,
        .rows_before = r->rows_before,
        .rows_after = r->rows_after,
        .files_written = r->files_written,
        .files_linked = r->files_linked,
    };

    return qn_dataset_add_change(ctx, &writer->next, &change);
}

static void emit_rewrite(qn_context *ctx, const qn_rewrite_result *r)
{
    qn_emit_count(ctx, "rows", r->rows_before);
    qn_emit_count(ctx, "rows_written", r->rows_after);
    qn_emit_count(ctx, "duplicates", r->rows_duplicate);
    qn_emit_count(ctx, "rows_removed", r->rows_removed);
    qn_emit_count(ctx, "files_written", r->files_written);
    qn_emit_count(ctx, "files_linked", r->files_linked);
}

/* Stages the next generation and fills in the result. */
static qn_status stage(qn_context *ctx, qn_dataset_writer *writer, const char *command,
                       const qn_rows_rule *rule, bool all, qn_rewrite_result *r)
{
    qn_rows_written written;
    qn_status st = QN_OK;

    QN_TRY(qn_rows_write_generation(ctx, writer, NULL, rule, all, true, &written));
    r->rows_before =
        writer->kind == QN_DATASET_PLAIN ? written.rows_old : qn_dataset_rows(&writer->old);
    r->rows_after = qn_dataset_rows(&writer->next);
    r->rows_duplicate = written.rows_dropped;
    r->rows_removed = written.rows_removed;
    r->rows_unusable = written.rows_null;
    r->files_before = writer->old.n_files;
    r->files_written = written.files_written;
    r->files_linked = written.files_linked;
    r->parts_written = written.parts_written;
    r->bytes_before = bytes_of(&writer->old);
    r->bytes_after = bytes_of(&writer->next);
    if (r->rows_before != r->rows_after + r->rows_duplicate + r->rows_removed)
        QN_TRY(qn_fail(ctx, QN_EINTERNAL,
                       "%s: rows do not add up: %lld before, %lld after, %lld duplicate, %lld "
                       "removed: nothing was changed",
                       writer->path, (long long)r->rows_before, (long long)r->rows_after,
                       (long long)r->rows_duplicate, (long long)r->rows_removed));
    QN_TRY(add_change(ctx, writer, command, r));
    emit_rewrite(ctx, r);
done:
    return st;
}

/* ---- compact ---- */

static bool same_rules(const qn_dataset_manifest *a, const qn_dataset_manifest *b)
{
    return a->on_duplicate == b->on_duplicate && a->partition_by == b->partition_by &&
           a->target_file_size == b->target_file_size && strcmp(a->codec, b->codec) == 0;
}

qn_status qn_dataset_compact(qn_context *ctx, const char *path, const qn_rules_options *rules,
                             bool dry_run, qn_rewrite_result *result)
{
    const qn_span job = qn_job_start(ctx, "compact");
    const double start = qn_seconds();
    qn_dataset_writer writer = {.lock = -1};
    qn_dataset_kind kind;
    char *folder = NULL;
    bool is_new;
    qn_status st = QN_OK;

    *result = (qn_rewrite_result){0};
    QN_TRY(qn_dataset_resolve(ctx, path, &kind, &folder));
    if (kind == QN_DATASET_NONE)
        QN_TRY(qn_fail(ctx, QN_ENOTFOUND, "there is no data set %s", path));
    QN_TRY(qn_dataset_write_open(ctx, path, &writer));
    if (writer.kind == QN_DATASET_PLAIN)
        QN_TRY(qn_upsert_look_at_plain(ctx, &writer));
    qn_rules_set(rules, &writer.next);
    if (!writer.next.columns.date[0] && writer.next.partition_by != QN_BY_NOTHING)
        QN_TRY(qn_fail(ctx, QN_EINVAL, "%s has no dates: it cannot be kept by %s", path,
                       qn_partition_by_name(writer.next.partition_by)));
    if (writer.next.on_duplicate == QN_KEEP_MEAN)
        writer.next.columns.rating_is_double = true;
    is_new = writer.kind == QN_DATASET_PLAIN || strcmp(writer.next.codec, writer.old.codec) != 0 ||
             writer.next.partition_by != writer.old.partition_by ||
             writer.next.on_duplicate != writer.old.on_duplicate;
    {
        const qn_rows_rule rule = {.on_duplicate = writer.next.on_duplicate};

        QN_TRY(stage(ctx, &writer, "data compact", &rule, is_new, result));
    }
    if (!dry_run &&
        (result->files_written > 0 || is_new || !same_rules(&writer.old, &writer.next))) {
        QN_TRY(qn_dataset_write_commit(&writer, QN_KEPT_GENERATIONS));
        result->generation = writer.generation;
    }
    result->total_s = qn_seconds() - start;
done:
    qn_dataset_write_close(&writer);
    qn_free(folder);
    qn_span_end(ctx, &job, st, NULL);
    return st;
}

/* ---- delete-user ---- */

typedef struct user_count {
    int32_t user;
    atomic_llong rows;
} user_count;

static qn_status count_rows(void *arg, const qn_rating_row *row, int64_t n)
{
    user_count *count = arg;
    int64_t rows = 0;

    for (int64_t i = 0; i < n; i++)
        rows += row[i].user == count->user;
    atomic_fetch_add(&count->rows, rows);
    return QN_OK;
}

static bool has_digest(const qn_dataset_manifest *manifest, const char *digest)
{
    for (int64_t i = 0; i < manifest->n_files; i++)
        if (strcmp(manifest->file[i].digest, digest) == 0)
            return true;
    return false;
}

/* Whether a generation holds rows of the user in files that the current one does not have. One that
 * cannot be read counts as holding some: it is to go. */
static bool generation_has_user(qn_context *ctx, qn_parquet_coder *coder,
                                const qn_dataset_writer *writer, int64_t generation, int32_t user)
{
    user_count count = {.user = user};
    qn_dataset_manifest manifest = {0};
    qn_string folder = {0};
    qn_status st = QN_OK;

    qn_string_addf(&folder, "%s/%06lld", writer->generations, (long long)generation);
    QN_TRY(qn_dataset_read(ctx, qn_string_text(&folder), &manifest));
    for (int64_t i = 0; i < manifest.n_files && atomic_load(&count.rows) == 0; i++) {
        qn_string path = {0};

        if (has_digest(&writer->old, manifest.file[i].digest))
            continue;
        qn_string_addf(&path, "%s/%s", qn_string_text(&folder), manifest.file[i].path);
        st = qn_rows_read_file_by(ctx, coder, qn_string_text(&path), &manifest.columns, i,
                                  count_rows, &count);
        qn_string_release(&path);
        QN_TRY(st);
    }
done:
    if (st != QN_OK)
        qn_error_clear(ctx);
    qn_dataset_manifest_release(&manifest);
    qn_string_release(&folder);
    return st != QN_OK || atomic_load(&count.rows) > 0;
}

qn_status qn_dataset_delete_user(qn_context *ctx, const char *path, int32_t user, bool dry_run,
                                 qn_rewrite_result *result)
{
    const qn_span job = qn_job_start(ctx, "delete user");
    const double start = qn_seconds();
    qn_dataset_writer writer = {.lock = -1};
    int64_t *generation = NULL, n = 0, older = 0;
    qn_parquet_coder *coder = NULL;
    char *folder = NULL;
    qn_status st = QN_OK;

    *result = (qn_rewrite_result){0};
    QN_TRY(qn_dataset_need(ctx, path, &folder));
    QN_TRY(qn_parquet_coder_open(ctx, &coder));
    QN_TRY(qn_dataset_write_open(ctx, path, &writer));
    QN_TRY(qn_dataset_list(ctx, path, &generation, &n));
    {
        const qn_rows_rule rule = {.on_duplicate = writer.next.on_duplicate,
                                   .has_removed_user = true,
                                   .removed_user = user};

        QN_TRY(stage(ctx, &writer, "data delete-user", &rule, true, result));
    }
    for (int64_t i = 0; i < n; i++)
        if (generation[i] != writer.old.generation)
            older += generation_has_user(ctx, coder, &writer, generation[i], user);
    if (result->rows_removed > 0)
        older = n; /* all that are there now */
    if (!dry_run && (result->rows_removed > 0 || older > 0)) {
        QN_TRY(qn_dataset_write_commit(&writer, 1));
        result->generation = writer.generation;
        result->generations_removed = n;
    }
    result->total_s = qn_seconds() - start;
done:
    qn_dataset_write_close(&writer);
    qn_parquet_coder_close(coder);
    qn_free(generation);
    qn_free(folder);
    qn_span_end(ctx, &job, st, NULL);
    return st;
}
