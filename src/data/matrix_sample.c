/* Which files and splits of a table are read. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/rng.h"
#include "data/matrix_impl.h"
#include "data/source_files.h"
#include "data/source_impl.h"

/* Files that are looked into for the shares of labels. */
#define MAX_PROBED 8

/* As folders are walked: a '/' ends a name and comes before everything. */
static int compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    const int first = *a == '/' ? 1 : *a ? (unsigned char)*a + 1 : 0;
    const int second = *b == '/' ? 1 : *b ? (unsigned char)*b + 1 : 0;

    return first - second;
}

static int compare_texts(const void *a, const void *b)
{
    return compare_paths(*(const char *const *)a, *(const char *const *)b);
}

/* A path that is given twice is read twice. */
static qn_status sorted_paths(qn_context *ctx, const qn_file_list *files, const char ***path)
{
    qn_status st = QN_OK;

    QN_NEW(ctx, *path, files->n, "names of files");
    for (int64_t i = 0; i < files->n; i++)
        (*path)[i] = files->file[i].path;
    qsort(*path, (size_t)files->n, sizeof **path, compare_texts);
done:
    return st;
}

static qn_status check_fraction(qn_context *ctx, const qn_matrix_options *options)
{
    if (options->fraction > 0.0 && options->fraction <= 1.0)
        return QN_OK;
    return qn_fail(ctx, QN_EINVAL, "--fraction %g is not a share of the data: above 0, at most 1",
                   options->fraction);
}

/* The first max(1, n f) of n. */
static int64_t sampled_files(const qn_matrix_options *options, int64_t n)
{
    const int64_t wanted = (int64_t)floor((double)n * options->fraction);

    if (options->fraction >= 1.0 || options->sample != QN_SAMPLE_FILES)
        return n;
    return wanted > 1 ? wanted : 1;
}

/* Opens `n` paths as the options say. */
static qn_status open_paths(qn_context *ctx, const qn_matrix_options *options, const char **path,
                            int64_t n, qn_source **source)
{
    qn_source_options open = {
        .path = path,
        .n_paths = n,
        .format = (qn_format)options->format,
        .header = options->header - 1,
        .split_bytes = (int64_t)options->split_bytes,
        .by_row_group = options->sample == QN_SAMPLE_ROW_GROUPS && options->fraction < 1.0,
    };
    qn_status st = QN_OK;

    QN_TRY(qn_delimiter_parse(ctx, options->delimiter, &open.delimiter));
    QN_TRY(qn_source_open(ctx, &open, source));
done:
    return st;
}

qn_status qn_matrix_source_open(qn_context *ctx, const qn_matrix_options *options,
                                int64_t *files_total, qn_source **source)
{
    qn_file_list files = {0};
    const char **path = NULL;
    qn_status st = QN_OK;

    *source = NULL;
    *files_total = 0;
    if (options->input.n == 0)
        return qn_fail(ctx, QN_EINVAL, "--input is missing: name a file or a folder");
    QN_TRY(check_fraction(ctx, options));
    QN_TRY(
        qn_file_list_fill(ctx, (const char *const *)options->input.item, options->input.n, &files));
    QN_TRY(sorted_paths(ctx, &files, &path));
    *files_total = files.n;
    QN_TRY(open_paths(ctx, options, path, sampled_files(options, files.n), source));
done:
    st = qn_source_explain_missing(ctx, st);
    qn_free(path);
    qn_file_list_release(&files);
    return st;
}

qn_status qn_matrix_probe_open(qn_context *ctx, const qn_matrix_options *options, int64_t *n_files,
                               qn_source **source)
{
    qn_file_list files = {0};
    const char **path = NULL;
    qn_status st = QN_OK;

    *source = NULL;
    *n_files = 0;
    QN_TRY(
        qn_file_list_fill(ctx, (const char *const *)options->input.item, options->input.n, &files));
    QN_TRY(sorted_paths(ctx, &files, &path));
    const int64_t first = sampled_files(options, files.n);
    const int64_t left = files.n - first;
    const int64_t n = left < MAX_PROBED ? left : MAX_PROBED;
    for (int64_t i = 0; i < n; i++)
        path[i] = path[first + (2 * i + 1) * left / (2 * n)];
    *n_files = n;
    if (n > 0)
        QN_TRY(open_paths(ctx, options, path, n, source));
done:
    qn_free(path);
    qn_file_list_release(&files);
    return st;
}

void qn_matrix_plan_release(qn_matrix_plan *plan)
{
    qn_free(plan->split);
    *plan = (qn_matrix_plan){0};
}

/* Whether a split begins another file than the one before it. */
static bool begins_file(const qn_source *source, int64_t split)
{
    return split == 0 || strcmp(qn_source_split_path(source, split - 1),
                                qn_source_split_path(source, split)) != 0;
}

static double draw(const qn_matrix_options *options, uint64_t a, uint64_t b)
{
    const qn_random random = qn_philox(options->sample_seed, QN_STREAM_SAMPLE, a, b);

    return qn_uniform(&random, 0);
}

/* Piece `group` of a file. */
static bool is_drawn(const qn_matrix_options *options, int64_t file, int64_t group)
{
    return options->sample != QN_SAMPLE_ROW_GROUPS || options->fraction >= 1.0 ||
           draw(options, (uint64_t)file, (uint64_t)group) < options->fraction;
}

qn_status qn_matrix_plan_make(qn_context *ctx, const qn_source *source,
                              const qn_matrix_options *options, bool by_file, qn_matrix_plan *plan)
{
    const int64_t n_splits = qn_source_n_splits(source);
    int64_t file = -1, group = 0, first_left_out;
    qn_status st = QN_OK;

    *plan = (qn_matrix_plan){0};
    QN_TRY(check_fraction(ctx, options));
    QN_NEW(ctx, plan->split, n_splits, "splits");
    for (int64_t s = 0; s < n_splits; s++)
        plan->files_total += begins_file(source, s);
    first_left_out = by_file ? sampled_files(options, plan->files_total) : plan->files_total;
    for (int64_t s = 0; s < n_splits; s++) {
        file += begins_file(source, s);
        group = begins_file(source, s) ? 0 : group + 1;
        if (file < first_left_out && is_drawn(options, file, group))
            plan->split[plan->n++] = s;
    }
    plan->files = first_left_out;
done:
    return st;
}

/* ---- rows ---- */

bool qn_sample_is_by_row(const qn_matrix_options *options)
{
    return options->fraction < 1.0 &&
           (options->sample == QN_SAMPLE_ROWS || options->sample == QN_SAMPLE_STRATIFIED);
}

static int32_t find_stratum(const qn_strata *strata, double label)
{
    for (int32_t i = 0; i < strata->n; i++)
        if (strata->label[i] == label)
            return i;
    return -1;
}

/* A label starts at a place by lot, then every row moves it by the fraction: a row that takes it
 * past 1 is kept. So of n rows n f are, rounded down or up. */
static qn_status sample_strata(qn_context *ctx, const qn_matrix_options *options,
                               const qn_assembled *rows, int64_t split, qn_strata *strata,
                               uint8_t *keep)
{
    for (int64_t r = 0; r < rows->n_rows; r++) {
        const double label = rows->label[r] + 0.0;
        int32_t at = find_stratum(strata, label);
        uint64_t bits;

        if (!isfinite(label))
            continue;
        if (at < 0 && strata->n == QN_MAX_LABELS)
            return qn_fail(ctx, QN_EINVAL,
                           "--sample stratified takes the same share of each label, but there are "
                           "more than %d labels: use --sample rows",
                           QN_MAX_LABELS);
        if (at < 0) {
            at = strata->n++;
            memcpy(&bits, &label, sizeof bits);
            strata->label[at] = label;
            strata->position[at] = draw(options, (uint64_t)split, bits);
        }
        strata->position[at] += options->fraction;
        keep[r] = strata->position[at] >= 1.0;
        strata->position[at] -= keep[r];
    }
    return QN_OK;
}

qn_status qn_sample_rows(qn_context *ctx, const qn_matrix_options *options,
                         const qn_assembled *rows, int64_t split, int64_t first_row,
                         qn_strata *strata, uint8_t *keep)
{
    if (options->sample == QN_SAMPLE_STRATIFIED)
        return sample_strata(ctx, options, rows, split, strata, keep);
    for (int64_t r = 0; r < rows->n_rows; r++)
        keep[r] = draw(options, (uint64_t)split, (uint64_t)(first_row + r)) < options->fraction;
    return QN_OK;
}
