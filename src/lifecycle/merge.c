#include "lifecycle/merge.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/context.h"

static const qn_param merge_rows[] = {
    QN_PARAM_STRING(qn_merge_options, streaming, "data/streaming", "DIR",
                    "folder of the data sets train and test that `data process` makes",
                    .aliases = "streaming_path"),
    QN_PARAM_STRING(qn_merge_options, processed, "data/processed/parquet", "DIR",
                    "folder of the data sets train and test that grow",
                    .aliases = "processed_path"),
    QN_PARAM_FLAG(qn_merge_options, keep_streaming, "do not remove what has been merged"),
};
const qn_params qn_merge_table = {.name = "merge",
                                  .param = merge_rows,
                                  .n = sizeof merge_rows / sizeof *merge_rows,
                                  .struct_size = sizeof(qn_merge_options)};

/* One side while it is merged. */
typedef struct merge_job {
    qn_dataset_writer from; /* locked, to be removed */
    bool is_locked;
    qn_rating_input_options input;
    const char *path;
    qn_delivery *delivery;
} merge_job;

static qn_status open_side(qn_context *ctx, const qn_merge_options *merge,
                           const qn_rules_options *rules, const qn_upsert_options *options,
                           qn_merge_side *side, merge_job *job)
{
    qn_dataset_kind kind;
    char *folder = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_paths_apart(ctx, "--streaming", side->from, "--processed", side->to));
    QN_TRY(qn_dataset_resolve(ctx, side->from, &kind, &folder));
    side->missing = kind == QN_DATASET_NONE;
    if (side->missing) {
        if (!options->dry_run)
            st = qn_dataset_clean(ctx, side->from); /* of a merge that died while it removed it */
        goto done;
    }
    if (!merge->keep_streaming && !options->dry_run) {
        QN_TRY(qn_dataset_write_open(ctx, side->from, &job->from));
        job->is_locked = true;
        side->missing = job->from.kind == QN_DATASET_NONE; /* meanwhile */
        if (side->missing)
            goto done;
    }
    job->path = side->from;
    job->input = (qn_rating_input_options){.input = {.item = &job->path, .n = 1},
                                           .format = QN_FORMAT_PARQUET};
    {
        const qn_delivery_spec spec = {
            .command = "data merge", .input = &job->input, .options = options};

        side->side.path = side->to;
        side->side.rules = *rules;
        QN_TRY(qn_delivery_open(ctx, &spec, &side->side, 1, &job->delivery));
    }
done:
    qn_free(folder);
    return st;
}

/* What is removed is what was read: the lock was held all the time. */
static qn_status remove_streaming(merge_job *job, qn_merge_side *side)
{
    qn_status st;

    if (!job->is_locked || side->missing)
        return QN_OK;
    st = qn_dataset_write_remove(&job->from);
    side->removed = st == QN_OK;
    return st;
}

static qn_status merge_sides(qn_context *ctx, const qn_span *span, const qn_upsert_options *options,
                             qn_merge_result *result, merge_job job[2])
{
    qn_delivery *delivery[2];
    int32_t n = 0;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < 2; i++)
        if (job[i].delivery)
            delivery[n++] = job[i].delivery;
    if (n == 0)
        return QN_OK;
    QN_TRY(qn_deliveries_run(ctx, span, delivery, n, options));
    for (int32_t i = 0; i < 2; i++) {
        if (!job[i].delivery)
            continue;
        qn_delivery_result(job[i].delivery, &result->side[i].upsert);
        result->side[i].merged = !options->dry_run;
    }
    for (int32_t i = 0; i < 2; i++)
        QN_TRY(remove_streaming(&job[i], &result->side[i]));
done:
    return st;
}

qn_status qn_merge_run(qn_context *ctx, const qn_merge_options *merge,
                       const qn_rules_options *rules, const qn_upsert_options *options,
                       qn_merge_result *result)
{
    static const char *const name[2] = {"train", "test"};
    const qn_span span = qn_job_start(ctx, "merge");
    const double start = qn_seconds();
    merge_job job[2] = {{.from = {.lock = -1}}, {.from = {.lock = -1}}};
    qn_status st = QN_OK;

    *result = (qn_merge_result){0};
    if (!merge->streaming[0] || !merge->processed[0])
        QN_TRY(qn_fail(ctx, QN_EINVAL, "--streaming and --processed name folders; one is empty"));
    QN_TRY(qn_paths_apart(ctx, "--streaming", merge->streaming, "--processed", merge->processed));
    for (int32_t i = 0; i < 2; i++) {
        qn_merge_side *side = &result->side[i];

        snprintf(side->from, sizeof side->from, "%.4000s/%s", merge->streaming, name[i]);
        snprintf(side->to, sizeof side->to, "%.4000s/%s", merge->processed, name[i]);
        side->side.name = name[i];
        QN_TRY(open_side(ctx, merge, rules, options, side, &job[i]));
    }
    QN_TRY(merge_sides(ctx, &span, options, result, job));
    result->total_s = qn_seconds() - start;
done:
    for (int32_t i = 1; i >= 0; i--) {
        qn_delivery_close(job[i].delivery);
        if (job[i].is_locked)
            qn_dataset_write_close(&job[i].from);
    }
    qn_span_end(ctx, &span, st, NULL);
    return st;
}

void qn_merge_json(const qn_merge_result *result, qn_json *j)
{
    qn_upsert_result sum = {0};

    for (int32_t i = 0; i < 2; i++)
        qn_upsert_result_add(&sum, &result->side[i].upsert);
    qn_upsert_result_json(&sum, j);
    qn_json_bool(j, "train_merged", result->side[0].merged);
    qn_json_bool(j, "test_merged", result->side[1].merged);
    for (int32_t i = 0; i < 2; i++) {
        const qn_merge_side *side = &result->side[i];

        if (side->missing) {
            qn_json_null(j, side->side.name);
            continue;
        }
        qn_json_open(j, side->side.name, '{');
        qn_upsert_side_json(&side->side, j);
        qn_upsert_input_json(&side->upsert, j);
        qn_json_bool(j, "streaming_removed", side->removed);
        qn_json_close(j, '}');
    }
    qn_json_real(j, "total_s", result->total_s);
}
