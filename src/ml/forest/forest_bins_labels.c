/* Labels: which classes there are, or how far numbers reach. */
#include <math.h>
#include <string.h>

#include "ml/forest/forest_grow.h"

/* Whole numbers of weights and labels leave this much for sums over drawn rows: a row is drawn
 * fewer than 2^4 times on average over all. */
#define DRAWN_BITS  4
#define WEIGHT_BITS 61
#define SQUARE_BITS 125
#define MOST_BITS   52

/* What a thread finds. */
typedef struct found {
    int64_t *count;  /* [FOREST_MOST_CLASSES] of classifiers */
    double reach;    /* largest label in size */
    double heaviest; /* weight */
} found;

typedef struct label_scan {
    const forest_fit *fit;
    found *thread;
} label_scan;

static qn_status fail_label(const forest_fit *fit, int64_t row, double label)
{
    char place[512];

    qn_matrix_place(fit->data, row, place, sizeof place);
    if (label < 0 || label != floor(label))
        return qn_fail(fit->ctx, QN_EDATA,
                       "%s: label %.17g is not a class: classes are whole numbers from 0 up; use "
                       "--task regression for numbers",
                       place, label);
    return qn_fail(fit->ctx, QN_EDATA,
                   "%s: label %.17g is too large for a class, which must be below %d: number the "
                   "classes from 0, or use --task regression",
                   place, label, FOREST_MOST_CLASSES);
}

static qn_status scan_block(const forest_fit *fit, const qn_matrix_block *block, found *to)
{
    for (int64_t r = 0; r < block->n_rows; r++) {
        const double label = block->label[r];

        if (fit->labels.is_classifier) {
            if (!(label >= 0 && label < FOREST_MOST_CLASSES && label == floor(label)))
                return fail_label(fit, block->first_row + r, label);
            to->count[(int32_t)label]++;
        } else {
            to->reach = fabs(label) > to->reach ? fabs(label) : to->reach;
        }
        if (block->weight && block->weight[r] > to->heaviest)
            to->heaviest = block->weight[r];
    }
    return QN_OK;
}

static qn_status scan_cell(void *arg, int64_t c, int32_t thread)
{
    const label_scan *scan = arg;
    const forest_fit *fit = scan->fit;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < fit->data->cell[c].n_blocks; i++) {
        qn_matrix_block block;

        QN_TRY(qn_check_cancel(fit->ctx));
        QN_TRY(qn_matrix_pin(fit->ctx, fit->data, c, i, &block));
        st = scan_block(fit, &block, &scan->thread[thread]);
        qn_matrix_unpin(fit->data, c, i);
        QN_TRY(st);
    }
done:
    return st;
}

static qn_status scan_own(forest_fit *fit, found *thread, int32_t n_threads)
{
    qn_status st = QN_OK;
    label_scan scan = {fit, thread};

    for (int32_t t = 0; t < n_threads; t++)
        QN_NEW0(fit->ctx, thread[t].count, fit->labels.is_classifier ? FOREST_MOST_CLASSES : 1,
                "counts of classes");
    QN_TRY(qn_parallel(fit->ctx, fit->data->n_own_cells, scan_cell, &scan));
done:
    return st;
}

/* Doubles from 0 up compare as their bits do. */
static qn_status max_of_ranks(qn_context *ctx, double *value)
{
    int64_t bits;
    qn_status st;

    memcpy(&bits, value, sizeof bits);
    st = qn_comm_max_int64(ctx, &bits, 1);
    memcpy(value, &bits, sizeof bits);
    return st;
}

/* The least e with x < 2^e. */
static int bits_of(double x)
{
    int e = 0;

    frexp(x, &e);
    return e;
}

static double power(int exponent)
{
    return ldexp(1, exponent > 1000 ? 1000 : exponent < -1000 ? -1000 : exponent);
}

/* As many bits as leave all sums exact. */
static void choose_scales(forest_fit *fit, double reach, double heaviest)
{
    const int rows = bits_of((double)fit->data->n_rows) + DRAWN_BITS;
    int weight = 0, target;

    fit->labels.weight_scale = 1;
    if (fit->data->has_weight) {
        weight = WEIGHT_BITS - rows < 40 ? WEIGHT_BITS - rows : 40;
        fit->labels.weight_scale = power(weight - bits_of(heaviest));
    }
    target = (SQUARE_BITS - rows - weight) / 2;
    target = target < MOST_BITS ? target : MOST_BITS;
    fit->labels.target_scale = power(target - bits_of(reach));
}

static qn_status keep_classes(forest_fit *fit, const int64_t *count)
{
    qn_context *ctx = fit->ctx;
    forest_labels *labels = &fit->labels;
    qn_status st = QN_OK;

    for (int32_t c = 0; c < FOREST_MOST_CLASSES; c++)
        if (count[c] > 0) {
            labels->n_classes = c + 1;
            labels->n_kept++;
        }
    labels->n_classes = labels->n_classes < 2 ? 2 : labels->n_classes;
    QN_NEW(ctx, labels->label, labels->n_kept, "classes");
    QN_NEW(ctx, labels->count, labels->n_kept, "classes");
    QN_NEW(ctx, labels->class_of, labels->n_classes, "classes");
    if (fit->params.class_weight == QN_CLASS_WEIGHT_BALANCED)
        QN_NEW(ctx, labels->class_weight, labels->n_kept, "classes");
    for (int32_t c = 0, k = 0; c < labels->n_classes; c++) {
        labels->class_of[c] = count[c] > 0 ? k : -1;
        if (count[c] == 0)
            continue;
        labels->label[k] = c;
        labels->count[k] = count[c];
        if (labels->class_weight)
            labels->class_weight[k] =
                (double)fit->data->n_rows / ((double)labels->n_kept * (double)count[c]);
        k++;
    }
done:
    return st;
}

static void warn_classes(const forest_fit *fit)
{
    const forest_labels *labels = &fit->labels;

    if (labels->n_kept == 1)
        qn_emit_warning(fit->ctx,
                        "all rows have label %d: every prediction will be it; was --label meant?",
                        labels->label[0]);
    else if (labels->n_kept < labels->n_classes)
        qn_emit_warning(fit->ctx,
                        "%d of the %d classes from 0 to the largest label have no rows and are "
                        "never predicted",
                        labels->n_classes - labels->n_kept, labels->n_classes);
}

qn_status forest_labels_read(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    const int32_t n_threads = qn_context_threads(ctx);
    found *thread = NULL;
    found all = {0};
    qn_status st = QN_OK;

    fit->labels.is_classifier = fit->params.task == QN_CLASSIFICATION;
    QN_NEW0(ctx, thread, n_threads, "scratch of threads");
    QN_TRY_ALL(scan_own(fit, thread, n_threads));
    for (int32_t t = 0; t < n_threads; t++) {
        all.reach = thread[t].reach > all.reach ? thread[t].reach : all.reach;
        all.heaviest = thread[t].heaviest > all.heaviest ? thread[t].heaviest : all.heaviest;
        for (int32_t c = 0; t > 0 && fit->labels.is_classifier && c < FOREST_MOST_CLASSES; c++)
            thread[0].count[c] += thread[t].count[c];
    }
    QN_TRY(max_of_ranks(ctx, &all.reach));
    QN_TRY(max_of_ranks(ctx, &all.heaviest));
    choose_scales(fit, all.reach, all.heaviest);
    if (fit->labels.is_classifier) {
        QN_TRY(qn_comm_sum_int64(ctx, thread[0].count, FOREST_MOST_CLASSES));
        QN_TRY_ALL(keep_classes(fit, thread[0].count));
        warn_classes(fit);
    }
done:
    for (int32_t t = 0; thread && t < n_threads; t++)
        qn_free(thread[t].count);
    qn_free(thread);
    return st;
}

void forest_labels_release(forest_labels *labels)
{
    qn_free(labels->label);
    qn_free(labels->class_of);
    qn_free(labels->count);
    qn_free(labels->class_weight);
    *labels = (forest_labels){0};
}
