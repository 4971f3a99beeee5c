/* The manifest in memory, and its text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/dataset_impl.h"

#define MONTHS 12

void qn_dataset_manifest_release(qn_dataset_manifest *manifest)
{
    for (int64_t i = 0; i < manifest->n_files; i++)
        qn_free(manifest->file[i].path);
    for (int64_t i = 0; i < manifest->n_taken; i++)
        qn_free(manifest->taken[i].name);
    for (int64_t i = 0; i < manifest->n_changes; i++)
        qn_free(manifest->change[i].command);
    qn_free(manifest->file);
    qn_free(manifest->taken);
    qn_free(manifest->change);
    *manifest = (qn_dataset_manifest){0};
}

qn_status qn_dataset_add_file(qn_context *ctx, qn_dataset_manifest *manifest,
                              const qn_dataset_file *file)
{
    qn_status st = QN_OK;
    char *path = NULL;

    if (manifest->n_files == manifest->file_capacity) {
        const int64_t capacity = 2 * manifest->file_capacity + 16;

        QN_GROW(ctx, manifest->file, capacity, "files of a data set");
        manifest->file_capacity = capacity;
    }
    QN_TRY(qn_strdup(ctx, file->path, &path));
    manifest->file[manifest->n_files] = *file;
    manifest->file[manifest->n_files++].path = path;
done:
    return st;
}

qn_status qn_dataset_add_taken(qn_context *ctx, qn_dataset_manifest *manifest,
                               const qn_dataset_taken *taken)
{
    qn_status st = QN_OK;
    char *name = NULL;

    if (manifest->n_taken == manifest->taken_capacity) {
        const int64_t capacity = 2 * manifest->taken_capacity + 16;

        QN_GROW(ctx, manifest->taken, capacity, "the list of files that a data set has taken");
        manifest->taken_capacity = capacity;
    }
    QN_TRY(qn_strdup(ctx, taken->name ? taken->name : "", &name));
    manifest->taken[manifest->n_taken] = *taken;
    manifest->taken[manifest->n_taken++].name = name;
done:
    return st;
}

qn_status qn_dataset_add_change(qn_context *ctx, qn_dataset_manifest *manifest,
                                const qn_dataset_change *change)
{
    qn_status st = QN_OK;
    char *command = NULL;

    if (manifest->n_changes == manifest->change_capacity) {
        const int64_t capacity = 2 * manifest->change_capacity + 16;

        QN_GROW(ctx, manifest->change, capacity, "the history of a data set");
        manifest->change_capacity = capacity;
    }
    QN_TRY(qn_strdup(ctx, change->command ? change->command : "", &command));
    manifest->change[manifest->n_changes] = *change;
    manifest->change[manifest->n_changes++].command = command;
done:
    return st;
}

int64_t qn_dataset_rows(const qn_dataset_manifest *manifest)
{
    int64_t rows = 0;

    for (int64_t i = 0; i < manifest->n_files; i++)
        rows += manifest->file[i].rows;
    return rows;
}

void qn_dataset_part_name(int32_t partition_by, int32_t part, char *out, size_t size)
{
    const int64_t wide = part;
    const int64_t year = wide >= 0 ? wide / MONTHS : -((MONTHS - 1 - wide) / MONTHS);

    if (partition_by == QN_BY_YEAR_MONTH)
        snprintf(out, size, "year=%lld/month=%lld", (long long)year,
                 (long long)(wide - year * MONTHS + 1));
    else if (partition_by == QN_BY_YEAR)
        snprintf(out, size, "year=%d", part);
    else
        snprintf(out, size, "%s", "");
}

int32_t qn_dataset_part(int32_t partition_by, int32_t days)
{
    int32_t year, month, day;

    qn_date_from_days(days, &year, &month, &day);
    return partition_by == QN_BY_YEAR_MONTH ? MONTHS * year + month - 1
           : partition_by == QN_BY_YEAR     ? year
                                            : 0;
}

/* Choice number `i` of "a|b|c". */
static void add_choice(qn_json *j, const char *key, const char *choices, int32_t i)
{
    while (i-- > 0 && strchr(choices, '|'))
        choices = strchr(choices, '|') + 1;
    qn_json_bytes(j, key, choices, strcspn(choices, "|"));
}

static void files_json(const qn_dataset_manifest *manifest, qn_json *j)
{
    qn_json_open(j, "files", '[');
    for (int64_t i = 0; i < manifest->n_files; i++) {
        const qn_dataset_file *file = &manifest->file[i];

        qn_json_open(j, NULL, '{');
        qn_json_text(j, "path", file->path);
        qn_json_int(j, "part", file->part);
        qn_json_int(j, "rows", file->rows);
        qn_json_int(j, "bytes", file->bytes);
        qn_json_text(j, "digest", file->digest);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void taken_json(const qn_dataset_manifest *manifest, qn_json *j)
{
    qn_json_open(j, "taken", '[');
    for (int64_t i = 0; i < manifest->n_taken; i++) {
        const qn_dataset_taken *taken = &manifest->taken[i];

        qn_json_open(j, NULL, '{');
        qn_json_text(j, "name", taken->name);
        qn_json_int(j, "bytes", taken->bytes);
        qn_json_text(j, "digest", taken->digest);
        qn_json_int(j, "generation", taken->generation);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void changes_json(const qn_dataset_manifest *manifest, qn_json *j)
{
    qn_json_open(j, "changes", '[');
    for (int64_t i = 0; i < manifest->n_changes; i++) {
        const qn_dataset_change *change = &manifest->change[i];

        qn_json_open(j, NULL, '{');
        qn_json_int(j, "generation", change->generation);
        qn_json_int(j, "time", change->time);
        qn_json_text(j, "command", change->command);
        qn_json_int(j, "rows_read", change->rows_read);
        qn_json_int(j, "rows_malformed", change->rows_malformed);
        qn_json_int(j, "rows_null", change->rows_null);
        qn_json_int(j, "rows_out_of_range", change->rows_out_of_range);
        qn_json_int(j, "rows_duplicate", change->rows_duplicate);
        qn_json_int(j, "rows_before", change->rows_before);
        qn_json_int(j, "rows_after", change->rows_after);
        qn_json_int(j, "files_written", change->files_written);
        qn_json_int(j, "files_linked", change->files_linked);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

void qn_dataset_manifest_json(const qn_dataset_manifest *manifest, qn_json *j)
{
    qn_json_open(j, NULL, '{');
    qn_json_int(j, "format", QN_DATASET_FORMAT);
    qn_json_text(j, "quern", qn_version());
    qn_json_int(j, "generation", manifest->generation);
    qn_json_open(j, "columns", '{');
    qn_json_text(j, "user", manifest->columns.user);
    qn_json_text(j, "item", manifest->columns.item);
    qn_json_text(j, "rating", manifest->columns.rating);
    qn_json_text(j, "date", manifest->columns.date);
    qn_json_text(j, "rating_type", manifest->columns.rating_is_double ? "double" : "int32");
    qn_json_close(j, '}');
    add_choice(j, "partition_by", QN_PARTITION_BY_CHOICES, manifest->partition_by);
    add_choice(j, "on_duplicate", QN_ON_DUPLICATE_ROWS_CHOICES, manifest->on_duplicate);
    qn_json_int(j, "target_file_size", manifest->target_file_size);
    qn_json_text(j, "codec", manifest->codec);
    qn_json_int(j, "rows", qn_dataset_rows(manifest));
    files_json(manifest, j);
    taken_json(manifest, j);
    changes_json(manifest, j);
    qn_json_close(j, '}');
}
