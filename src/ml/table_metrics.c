/* One way over all rows of a matrix: cells over threads and ranks, chunks to the model, what it
 * says to whole-number counts and to sums by cell. */
#include "ml/table_metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "engine/comm.h"
#include "engine/event_gather.h"
#include "engine/tree_sum.h"
#include "kernels/kernels.h"
#include "ml/metrics_classes.h"

#define CHUNK_BYTES  (256 * 1024)
#define CHUNK_ROWS   1024
#define MOST_SCORES  65536 /* different ones that are held, over all curves */
#define UNIT_BITS    14    /* all curves together have so many units of bins: 16 MB a thread */
#define CURVE_BITS   12    /* one has at most */
#define CURVE_POINTS 1000  /* as Spark's */

/* Sums of a cell: of classes the loss alone. */
enum { SUM_LOSS = 0, CLASS_SUMS };
enum { SUM_WEIGHT = 0, SUM_LABEL, LABEL_SUMS };
enum {
    SUM_WEIGHT_SQUARED = 0,
    SUM_ERROR_SQUARED,
    SUM_ERROR_ABSOLUTE,
    SUM_LABEL_SPREAD,
    SUM_EXPLAINED_SPREAD,
    REGRESSION_SUMS
};

/* What a thread has. */
typedef struct judge_thread {
    double *x; /* a chunk in panels of doubles, where the matrix holds floats */
    double *prediction, *probability;
    double sums[REGRESSION_SUMS]; /* of a cell */
    int64_t *confusion;           /* [(k + 1) x (k + 1)] units; class k: labels never seen */
    int64_t *rows;                /* [k + 1] */
    qn_score_tally *tally;        /* [n_curves] */
    double smallest_unseen;
} judge_thread;

/* What is left of a partition, and what it took. */
typedef struct judge_progress {
    atomic_llong left, busy_us, rows;
} judge_progress;

/* A run of rows of a block, predicted or not. */
typedef struct judge_rows {
    int64_t first_row, n; /* of the whole matrix */
    const double *label;
    const double *weight; /* NULL: all 1 */
} judge_rows;

typedef struct judge_work {
    qn_context *ctx;
    const qn_table_judge *judge;
    const qn_matrix *data;
    judge_thread *thread; /* [n_threads] */
    int32_t n_threads, n_curves;
    int32_t curve_class[QN_MOST_CURVES];
    int32_t shift; /* of units */
    int64_t chunk; /* rows */
    qn_tree_sum *tree;
    qn_span stage;
    judge_progress *progress; /* [n_partitions] */
    double weight_sum, label_mean;
    qn_status (*take)(const struct judge_work *w, judge_thread *t, const judge_rows *rows);
    bool predicts; /* false: `take` looks at labels alone */
} judge_work;

static double weight_of(const judge_rows *rows, int64_t r)
{
    return rows->weight ? rows->weight[r] : 1;
}

static qn_status fail_label(const judge_work *w, int64_t row, double label)
{
    char place[512];

    qn_matrix_place(w->data, row, place, sizeof place);
    return qn_fail(w->ctx, QN_EDATA,
                   "%s: the label %.17g is no class: classes are whole numbers from 0", place,
                   label);
}

static qn_status take_scores(const judge_work *w, judge_thread *t, int64_t r, int32_t label,
                             int64_t units)
{
    const int32_t k = w->judge->n_classes;
    const double *probability = t->probability + r * k;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < w->n_curves; i++) {
        const int32_t c = w->curve_class[i];

        QN_TRY(qn_score_tally_add(w->ctx, &t->tally[i], probability[c], label == c, units));
    }
done:
    return st;
}

static qn_status take_classes(const judge_work *w, judge_thread *t, const judge_rows *rows)
{
    const int64_t k = w->judge->n_classes;
    qn_status st = QN_OK;

    for (int64_t r = 0; r < rows->n; r++) {
        const double value = rows->label[r], prediction = t->prediction[r];
        const int64_t units = qn_units(rows->weight, r, w->shift);
        int64_t label, predicted;

        if (!(value >= 0 && isfinite(value) && value == floor(value)))
            return fail_label(w, rows->first_row + r, value);
        if (!(prediction >= 0 && prediction < (double)k))
            return qn_fail(w->ctx, QN_EINTERNAL, "the model predicts %g of %d classes", prediction,
                           (int)k);
        label = value < (double)k ? (int64_t)value : k;
        predicted = (int64_t)prediction;
        t->confusion[label * (k + 1) + predicted] += units;
        t->rows[label]++;
        t->sums[SUM_LOSS] +=
            weight_of(rows, r) * qn_class_loss(label < k ? t->probability[r * k + label] : 0);
        if (label == k)
            t->smallest_unseen = fmin(t->smallest_unseen, value);
        else
            QN_TRY(take_scores(w, t, r, (int32_t)label, units));
    }
done:
    return st;
}

static qn_status take_labels(const judge_work *w, judge_thread *t, const judge_rows *rows)
{
    (void)w;
    for (int64_t r = 0; r < rows->n; r++) {
        t->sums[SUM_WEIGHT] += weight_of(rows, r);
        t->sums[SUM_LABEL] += weight_of(rows, r) * rows->label[r];
    }
    return QN_OK;
}

static qn_status take_values(const judge_work *w, judge_thread *t, const judge_rows *rows)
{
    for (int64_t r = 0; r < rows->n; r++) {
        const double weight = weight_of(rows, r);
        const double error = rows->label[r] - t->prediction[r];
        const double spread = rows->label[r] - w->label_mean;
        const double explained = t->prediction[r] - w->label_mean;

        t->sums[SUM_WEIGHT_SQUARED] += weight * weight;
        t->sums[SUM_ERROR_SQUARED] += weight * error * error;
        t->sums[SUM_ERROR_ABSOLUTE] += weight * fabs(error);
        t->sums[SUM_LABEL_SPREAD] += weight * spread * spread;
        t->sums[SUM_EXPLAINED_SPREAD] += weight * explained * explained;
    }
    return QN_OK;
}

/* Rows in panels of doubles: the block's own, or a copy. */
static const double *chunk_of(const judge_work *w, const judge_thread *t,
                              const qn_matrix_block *block, int64_t first, int64_t n)
{
    const int64_t d = w->data->n_features;
    const float *x = (const float *)block->x + first * d;
    const int64_t values = (n + QN_PANEL - 1) / QN_PANEL * QN_PANEL * d;

    if (w->data->is_double)
        return (const double *)block->x + first * d;
    for (int64_t i = 0; i < values; i++)
        t->x[i] = (double)x[i];
    return t->x;
}

static qn_status judge_block(const judge_work *w, judge_thread *t, const qn_matrix_block *block)
{
    qn_status st = QN_OK;

    for (int64_t first = 0; first < block->n_rows; first += w->chunk) {
        const int64_t left = block->n_rows - first;
        const judge_rows rows = {.first_row = block->first_row + first,
                                 .n = left < w->chunk ? left : w->chunk,
                                 .label = block->label + first,
                                 .weight = block->weight ? block->weight + first : NULL};

        if (w->predicts)
            w->judge->predict(w->judge->model, rows.n, chunk_of(w, t, block, first, rows.n),
                              t->prediction, t->probability);
        QN_TRY(w->take(w, t, &rows));
    }
done:
    return st;
}

/* Books a cell on its partition; the last own one of it sends the event. */
static void cell_done(const judge_work *w, int64_t c, double seconds, int32_t thread)
{
    const int64_t partition = qn_matrix_partition(w->data, c);
    judge_progress *progress = &w->progress[partition];
    const int64_t us = (int64_t)(seconds * 1e6);
    const int64_t busy = atomic_fetch_add(&progress->busy_us, us) + us;
    const int64_t n_rows = w->data->cell[c].n_rows;
    const int64_t rows = atomic_fetch_add(&progress->rows, n_rows) + n_rows;

    if (atomic_fetch_sub(&progress->left, 1) == 1)
        qn_emit(w->ctx, &(qn_event){.kind = QN_EVENT_TASK_END,
                                    .rank = qn_rank(w->ctx),
                                    .thread = thread,
                                    .name = w->stage.name,
                                    .id = partition,
                                    .parent = w->stage.id,
                                    .rows = rows,
                                    .duration_us = busy});
}

static qn_status judge_cell(void *arg, int64_t c, int32_t thread)
{
    const judge_work *w = arg;
    judge_thread *t = &w->thread[thread];
    const double start = qn_seconds();
    qn_status st = QN_OK;

    memset(t->sums, 0, sizeof t->sums);
    for (int32_t i = 0; i < w->data->cell[c].n_blocks; i++) {
        qn_matrix_block block;

        QN_TRY(qn_check_cancel(w->ctx));
        QN_TRY(qn_matrix_pin(w->ctx, w->data, c, i, &block));
        st = judge_block(w, t, &block);
        qn_matrix_unpin(w->data, c, i);
        QN_TRY(st);
    }
    QN_TRY(qn_tree_sum_add(w->ctx, w->tree, w->data->first_cell + c, t->sums));
    cell_done(w, c, qn_seconds() - start, thread);
done:
    return st;
}

/* Cells of each partition that this rank has; their rows. */
static int64_t progress_reset(judge_work *w)
{
    int64_t rows = 0;

    for (int64_t p = 0; p < w->data->n_partitions; p++) {
        atomic_store(&w->progress[p].left, 0);
        atomic_store(&w->progress[p].busy_us, 0);
        atomic_store(&w->progress[p].rows, 0);
    }
    for (int64_t c = 0; c < w->data->n_own_cells; c++) {
        atomic_fetch_add(&w->progress[qn_matrix_partition(w->data, c)].left, 1);
        rows += w->data->cell[c].n_rows;
    }
    return rows;
}

/* One pass: sums [width] of all ranks. */
static qn_status pass(judge_work *w, const qn_span *job, const char *name, int32_t width,
                      double *sums)
{
    qn_context *ctx = w->ctx;
    const qn_event totals = {.rows = progress_reset(w)};
    qn_status st = QN_OK;

    w->stage = qn_stage_start(ctx, job, name, w->data->n_partitions);
    QN_TRY_ALL(qn_tree_sum_create(ctx, w->data->n_cells, width, &w->tree));
    QN_TRY_ALL(qn_parallel(ctx, w->data->n_own_cells, judge_cell, w));
    QN_TRY(qn_tree_sum_finish(ctx, w->tree, sums));
done:
    qn_tree_sum_free(w->tree);
    w->tree = NULL;
    return qn_stage_end(ctx, &w->stage, st, &totals);
}

/* ---- Before and behind the passes ---- */

static qn_status thread_init(const judge_work *w, judge_thread *t)
{
    const int64_t k = w->judge->n_classes;
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    t->smallest_unseen = INFINITY;
    QN_NEW(ctx, t->prediction, w->chunk, "predictions of a thread");
    if (!w->data->is_double)
        QN_NEW(ctx, t->x, w->chunk * w->data->n_features, "rows of a thread");
    if (k == 0)
        return QN_OK;
    QN_NEW(ctx, t->probability, w->chunk * k, "probabilities of a thread");
    QN_NEW0(ctx, t->confusion, (k + 1) * (k + 1), "a confusion matrix");
    QN_NEW0(ctx, t->rows, k + 1, "rows of classes");
    QN_NEW0(ctx, t->tally, w->n_curves, "scores of a thread");
    for (int32_t c = 0; c < w->n_curves; c++) {
        t->tally[c].limit = MOST_SCORES / w->n_curves;
        t->tally[c].unit_bits = UNIT_BITS;
        while (w->n_curves << t->tally[c].unit_bits > 1 << UNIT_BITS ||
               t->tally[c].unit_bits > CURVE_BITS)
            t->tally[c].unit_bits--;
    }
done:
    return st;
}

/* Which classes get a curve. The matrix knows its labels, where they are few. */
static void choose_curves(judge_work *w)
{
    const int32_t k = w->judge->n_classes;

    if (k == 2)
        w->curve_class[w->n_curves++] = 1;
    for (int32_t i = 0; k > 2 && i < w->data->n_labels; i++) {
        const double label = w->data->label_value[i];

        if (!(label >= 0 && label < k && label == floor(label)))
            continue; /* none of the model's, or refused later */
        if (w->n_curves == QN_MOST_CURVES) {
            w->n_curves = 0;
            return;
        }
        w->curve_class[w->n_curves++] = (int32_t)label;
    }
}

static qn_status work_init(judge_work *w)
{
    const int32_t k = w->judge->n_classes;
    const int64_t row = w->data->n_features > k ? w->data->n_features : k;
    const int64_t rows = CHUNK_BYTES / ((int64_t)sizeof(double) * (row + 1)) / QN_PANEL * QN_PANEL;
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    w->chunk = rows < QN_PANEL ? QN_PANEL : rows < CHUNK_ROWS ? rows : CHUNK_ROWS;
    w->shift = w->data->has_weight ? qn_unit_shift(w->data->weight_sum) : 0;
    choose_curves(w);
    w->n_threads = qn_context_threads(ctx);
    QN_NEW0(ctx, w->progress, w->data->n_partitions, "progress of partitions");
    QN_NEW0(ctx, w->thread, w->n_threads, "scratch of threads");
    for (int32_t t = 0; t < w->n_threads; t++)
        QN_TRY(thread_init(w, &w->thread[t]));
done:
    return st;
}

static void work_release(judge_work *w)
{
    for (int32_t i = 0; w->thread && i < w->n_threads; i++) {
        judge_thread *t = &w->thread[i];

        qn_free(t->x);
        qn_free(t->prediction);
        qn_free(t->probability);
        qn_free(t->confusion);
        qn_free(t->rows);
        for (int32_t c = 0; t->tally && c < w->n_curves; c++)
            qn_score_tally_release(&t->tally[c]);
        qn_free(t->tally);
    }
    qn_free(w->thread);
    qn_free(w->progress);
}

/* Sums of the threads into the first one's. */
static qn_status join_threads(judge_work *w)
{
    const int64_t k = w->judge->n_classes + 1;
    judge_thread *all = &w->thread[0];
    qn_status st = QN_OK;

    for (int32_t i = 1; i < w->n_threads; i++) {
        judge_thread *t = &w->thread[i];

        for (int64_t j = 0; j < k * k; j++)
            all->confusion[j] += t->confusion[j];
        for (int64_t j = 0; j < k; j++)
            all->rows[j] += t->rows[j];
        all->smallest_unseen = fmin(all->smallest_unseen, t->smallest_unseen);
        for (int32_t c = 0; c < w->n_curves; c++) {
            QN_TRY(qn_score_tally_merge(w->ctx, &t->tally[c], &all->tally[c]));
            qn_score_tally_release(&t->tally[c]);
        }
    }
done:
    return st;
}

static qn_status join_unseen(judge_work *w, qn_judgement *out)
{
    const int64_t k = w->judge->n_classes;
    const double mine = w->thread[0].smallest_unseen;
    double *all = NULL;
    size_t bytes = 0;
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    out->smallest_unseen = NAN;
    out->n_unseen = w->thread[0].rows[k];
    QN_TRY(qn_comm_allgather(ctx, &mine, sizeof mine, (void **)&all, &bytes));
    for (size_t r = 0; out->n_unseen > 0 && r < bytes / sizeof *all; r++)
        out->smallest_unseen = fmin(out->smallest_unseen, all[r]);
done:
    qn_free(all);
    return st;
}

/* Without the class of labels never seen, unless there are some. */
static qn_status make_classes(const judge_work *w, double loss, qn_judgement *out)
{
    const int32_t k = w->judge->n_classes;
    int64_t *confusion = w->thread[0].confusion;
    const int32_t n = out->n_unseen > 0 ? k + 1 : k;

    for (int64_t i = 0; i < n; i++)
        memmove(confusion + i * n, confusion + i * (k + 1), (size_t)n * sizeof *confusion);
    return qn_class_metrics_make(w->ctx,
                                 &(qn_class_sums){.n_classes = n,
                                                  .confusion = confusion,
                                                  .rows = w->thread[0].rows,
                                                  .shift = w->shift,
                                                  .loss = loss},
                                 &out->classes);
}

static qn_status make_curves(const judge_work *w, qn_judgement *out)
{
    const judge_thread *all = &w->thread[0];
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, out->curve_class, w->n_curves, "curves");
    QN_NEW0(ctx, out->curve, w->n_curves, "curves");
    out->n_curves = w->n_curves;
    memcpy(out->curve_class, w->curve_class, (size_t)w->n_curves * sizeof *out->curve_class);
    for (int32_t c = 0; c < w->n_curves; c++)
        QN_TRY(qn_score_tally_curve(ctx, &all->tally[c], w->shift, CURVE_POINTS, &out->curve[c]));
done:
    return st;
}

static qn_status judge_classes(judge_work *w, const qn_span *job, qn_judgement *out)
{
    const int64_t k = w->judge->n_classes + 1;
    double sums[CLASS_SUMS];
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    w->take = take_classes;
    w->predicts = true;
    QN_TRY(pass(w, job, "classes", CLASS_SUMS, sums));
    QN_TRY_ALL(join_threads(w));
    QN_TRY(qn_comm_sum_int64(ctx, w->thread[0].confusion, k * k));
    QN_TRY(qn_comm_sum_int64(ctx, w->thread[0].rows, k));
    for (int32_t c = 0; c < w->n_curves; c++)
        QN_TRY(qn_score_tally_join(ctx, &w->thread[0].tally[c]));
    QN_TRY(join_unseen(w, out));
    QN_TRY_ALL(make_classes(w, sums[SUM_LOSS], out));
    QN_TRY_ALL(make_curves(w, out));
done:
    return st;
}

/* qn_regression_evaluate's definitions. */
static void make_regression(const judge_work *w, const double *sums, qn_regression_metrics *out)
{
    const double freedom = w->weight_sum - sums[SUM_WEIGHT_SQUARED] / w->weight_sum;
    const double total = sums[SUM_LABEL_SPREAD] / freedom * (w->weight_sum - 1);

    *out = (qn_regression_metrics){.n = w->data->n_rows, .weight_sum = w->weight_sum};
    out->mse = sums[SUM_ERROR_SQUARED] / w->weight_sum;
    out->rmse = sqrt(out->mse);
    out->mae = sums[SUM_ERROR_ABSOLUTE] / w->weight_sum;
    out->var = sums[SUM_EXPLAINED_SPREAD] / w->weight_sum;
    out->r2 = 1 - sums[SUM_ERROR_SQUARED] / total;
    if (isnan(out->mse))
        out->mae = out->var = out->r2 = NAN;
}

static qn_status judge_values(judge_work *w, const qn_span *job, qn_judgement *out)
{
    double labels[LABEL_SUMS], sums[REGRESSION_SUMS];
    qn_status st = QN_OK;

    w->take = take_labels;
    QN_TRY(pass(w, job, "labels", LABEL_SUMS, labels));
    w->weight_sum = labels[SUM_WEIGHT];
    w->label_mean = labels[SUM_LABEL] / labels[SUM_WEIGHT];
    w->take = take_values;
    w->predicts = true;
    QN_TRY(pass(w, job, "values", REGRESSION_SUMS, sums));
    make_regression(w, sums, &out->regression);
done:
    return st;
}

qn_status qn_table_judge_run(qn_context *ctx, const qn_table_judge *judge, const qn_matrix *data,
                             qn_judgement *out)
{
    judge_work w = {.ctx = ctx, .judge = judge, .data = data};
    char stages[96];
    qn_span job;
    qn_status st = QN_OK;

    if (judge->n_classes > 0)
        snprintf(stages, sizeof stages, "classes\t%lld\n", (long long)data->n_partitions);
    else
        snprintf(stages, sizeof stages, "labels\t%lld\nvalues\t%lld\n",
                 (long long)data->n_partitions, (long long)data->n_partitions);
    job = qn_job_start_planned(ctx, "evaluate", stages);
    *out = (qn_judgement){.n_classes = judge->n_classes, .smallest_unseen = NAN};
    if (!data->has_label)
        QN_TRY(qn_fail(ctx, QN_EINVAL,
                       "predictions are judged by labels, and the table has none: name their "
                       "column with --label"));
    QN_TRY_ALL(work_init(&w));
    if (judge->n_classes > 0)
        QN_TRY(judge_classes(&w, &job, out));
    else
        QN_TRY(judge_values(&w, &job, out));
done:
    work_release(&w);
    if (st != QN_OK)
        qn_judgement_release(out);
    qn_span_end(ctx, &job, st, NULL);
    return st;
}

void qn_judgement_release(qn_judgement *judgement)
{
    qn_class_metrics_release(&judgement->classes);
    for (int32_t c = 0; c < judgement->n_curves; c++)
        qn_binary_metrics_release(&judgement->curve[c]);
    qn_free(judgement->curve);
    qn_free(judgement->curve_class);
    *judgement = (qn_judgement){.smallest_unseen = NAN};
}
