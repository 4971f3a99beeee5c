#include "lifecycle/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/stage.h"

#define COPY_BYTES ((int64_t)1 << 20)

static const qn_param process_rows[] = {
    QN_PARAM_STRING(
        qn_process_options, csv, NULL, "FILE",
        "new ratings with columns DATE, CUST_ID, MOVIE_ID, RATING in any order (needed; "
        "--input does too)",
        .aliases = "csv_path"),
    QN_PARAM_STRING(qn_process_options, output, "data/streaming", "DIR",
                    "folder of the data sets train and test", .aliases = "output_path"),
    QN_PARAM(qn_process_options, train_ratio, 0.8, 0.000001, 0.999999,
             "share of the rows that go to train"),
    QN_PARAM(qn_process_options, seed, 42, INT64_MIN, INT64_MAX,
             "decides with user, movie and date on the side of a row"),
    QN_PARAM_CHOICE_OF(qn_process_options, source, QN_SOURCE_KEEP, "keep|move|delete",
                       "what becomes of the file once both sides are on disk; move: into "
                       "OUTPUT/taken"),
};
const qn_params qn_process_table = {.name = "process",
                                    .param = process_rows,
                                    .n = sizeof process_rows / sizeof *process_rows,
                                    .struct_size = sizeof(qn_process_options)};

/* A qn_upsert_choose: 1 is test. */
static int32_t side_of(const void *arg, const qn_rating_row *row)
{
    const qn_process_options *options = arg;
    const uint64_t pair = (uint64_t)(uint32_t)row->user << 32 | (uint32_t)row->movie;
    const qn_random random =
        qn_philox(options->seed, QN_STREAM_DELIVERY, pair, (uint64_t)(int64_t)row->days);

    return qn_uniform(&random, 0) < options->train_ratio ? 0 : 1;
}

/* ---- the source ---- */

/* The first name in OUTPUT/taken that is free: daily.csv, daily.csv.2 ... */
static qn_status free_name(qn_context *ctx, const qn_process_options *options, char out[4096])
{
    const char *slash = strrchr(options->csv, '/');
    const char *name = slash ? slash + 1 : options->csv;
    qn_string path = {0};
    qn_status st = QN_OK;

    qn_string_addf(&path, "%s/taken/%s", options->output, name);
    for (int i = 2; qn_path_exists(qn_string_text(&path)); i++) {
        qn_string_clear(&path);
        qn_string_addf(&path, "%s/taken/%s.%d", options->output, name, i);
    }
    if (path.failed || path.length >= 4096)
        st = qn_fail(ctx, QN_EINVAL, "%s/taken/%s is too long a path", options->output, name);
    else
        memcpy(out, path.text, path.length + 1);
    qn_string_release(&path);
    return st;
}

/* To another file system: copied and synced before the old one goes. */
static qn_status copy_file(qn_context *ctx, const char *from, const char *to)
{
    const int fd = open(from, O_RDONLY | O_CLOEXEC);
    qn_out_file *out = NULL;
    char *buffer = NULL;
    ssize_t n = 0;
    qn_status st = QN_OK;

    if (fd < 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s", from);
    QN_NEW(ctx, buffer, COPY_BYTES, "a copy");
    QN_TRY(qn_out_open(ctx, to, false, &out));
    while ((n = read(fd, buffer, (size_t)COPY_BYTES)) > 0)
        QN_TRY(qn_out_write(out, buffer, (size_t)n));
    if (n < 0)
        QN_TRY(qn_fail_errno(ctx, QN_EIO, errno, "cannot read %s", from));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    qn_free(buffer);
    close(fd);
    return st;
}

static qn_status move_source(qn_context *ctx, const qn_process_options *options, char taken[4096])
{
    char folder[4096];
    qn_status st = QN_OK;

    snprintf(folder, sizeof folder, "%.4000s/taken", options->output);
    QN_TRY(qn_make_dirs(ctx, folder));
    QN_TRY(free_name(ctx, options, taken));
    if (rename(options->csv, taken) == 0)
        return QN_OK;
    if (errno != EXDEV)
        QN_TRY(qn_fail_errno(ctx, QN_EIO, errno, "cannot move %s to %s", options->csv, taken));
    QN_TRY(copy_file(ctx, options->csv, taken));
    if (unlink(options->csv) != 0)
        st = qn_fail_errno(ctx, QN_EIO, errno, "cannot remove %s", options->csv);
done:
    if (st != QN_OK)
        taken[0] = '\0';
    return st;
}

/* Rows that were added to the file after it was read must not go with it. */
static bool has_changed(const char *path, const struct stat *before)
{
    struct stat now;

    return stat(path, &now) != 0 || now.st_ino != before->st_ino || now.st_dev != before->st_dev ||
           now.st_size != before->st_size || now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

/* Both sides are on disk: nothing that happens here is a failure of the command. */
static void remove_source(qn_context *ctx, const qn_process_options *options,
                          const struct stat *before, qn_process_result *result)
{
    qn_status st = QN_OK;

    if (options->source == QN_SOURCE_KEEP)
        return;
    if (has_changed(options->csv, before)) {
        qn_emit_warning(ctx, "%s has changed since it was opened and stays: process it again",
                        options->csv);
        return;
    }
    if (options->source == QN_SOURCE_MOVE)
        st = move_source(ctx, options, result->taken);
    else if (unlink(options->csv) != 0)
        st = qn_fail_errno(ctx, QN_EIO, errno, "cannot remove %s", options->csv);
    result->source_removed = st == QN_OK;
    if (st == QN_OK)
        return;
    qn_emit_warning(ctx, "the rows are taken, but %s: remove it by hand", qn_context_error(ctx));
    qn_error_clear(ctx);
}

static qn_status check_source(qn_context *ctx, const qn_process_options *options)
{
    if (!options->output[0])
        return qn_fail(ctx, QN_EINVAL, "--output is empty: name a folder");
    if (strcmp(options->csv, "-") == 0)
        return qn_fail(ctx, QN_EINVAL,
                       "--csv -: process keeps account of the files that it has taken\n"
                       "try: quern data upsert --input -");
    if (qn_path_is_dir(options->csv))
        return qn_fail(ctx, QN_EINVAL, "--csv %s is a folder: name one file", options->csv);
    return QN_OK;
}

qn_status qn_process_run(qn_context *ctx, const qn_process_options *process,
                         const qn_rating_input_options *input, const qn_rules_options *rules,
                         const qn_upsert_options *options, qn_process_result *result)
{
    const qn_span job = qn_job_start(ctx, "process");
    const double start = qn_seconds();
    qn_rating_input_options in = *input;
    const char *csv = process->csv;
    char note[96], ratio[32];
    struct stat before = {0};
    qn_delivery *delivery = NULL;
    qn_status st = QN_OK;

    *result = (qn_process_result){.side = {{.name = "train"}, {.name = "test"}}};
    QN_TRY(check_source(ctx, process));
    stat(csv, &before); /* one that is not there is told when it is opened */
    in.input = (qn_text_list){.item = &csv, .n = 1};
    qn_format_double(process->train_ratio, ratio);
    snprintf(note, sizeof note, "ratio %s, seed %lld", ratio, (long long)process->seed);
    for (int32_t i = 0; i < 2; i++) {
        snprintf(result->path[i], sizeof result->path[i], "%.4000s/%s", process->output,
                 result->side[i].name);
        result->side[i].path = result->path[i];
        result->side[i].rules = *rules;
    }
    {
        const qn_delivery_spec spec = {.command = "data process",
                                       .input = &in,
                                       .options = options,
                                       .choose = side_of,
                                       .choose_arg = process,
                                       .note = note};

        QN_TRY(qn_delivery_open(ctx, &spec, result->side, 2, &delivery));
    }
    QN_TRY(qn_deliveries_run(ctx, &job, &delivery, 1, options));
    qn_delivery_result(delivery, &result->upsert);
    if (!options->dry_run)
        remove_source(ctx, process, &before, result);
    result->total_s = qn_seconds() - start;
done:
    qn_delivery_close(delivery);
    qn_span_end(ctx, &job, st, NULL);
    return st;
}

void qn_process_json(const qn_process_result *result, qn_json *j)
{
    qn_upsert_result_json(&result->upsert, j);
    for (int32_t i = 0; i < 2; i++) {
        qn_json_open(j, result->side[i].name, '{');
        qn_upsert_side_json(&result->side[i], j);
        qn_json_close(j, '}');
    }
    qn_json_bool(j, "source_removed", result->source_removed);
    qn_json_text(j, "source_moved_to", result->taken[0] ? result->taken : NULL);
    qn_json_real(j, "total_s", result->total_s);
}
