/* --scale: features divided by their sample deviation over the rows that were read, as Spark's
 * StandardScaler does without centring. The rows are read once: each of their blocks, which may
 * have left memory, gives way to a scaled one, and the features keep the factors for rows to come.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/features_impl.h"
#include "data/matrix_job.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "engine/tree_sum.h"
#include "kernels/kernels.h"

/* ---- which features ---- */

static qn_status fail_unknown(qn_context *ctx, const qn_features *features, const char *name)
{
    const char **known = NULL;
    const char *near;
    qn_status st = QN_OK;

    QN_NEW(ctx, known, features->n, "names of features");
    for (int32_t i = 0; i < features->n; i++)
        known[i] = features->feature[i].name;
    near = qn_nearest(name, known, features->n);
    st = qn_fail(ctx, QN_ENOTFOUND, "--scale: there is no feature \"%s\"%s%s%s", name,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
done:
    qn_free(known);
    return st;
}

static qn_status mark_feature(qn_context *ctx, qn_features *features, const char *name)
{
    qn_feature *found = NULL;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < features->n && !found; i++)
        if (strcmp(features->feature[i].name, name) == 0)
            found = &features->feature[i];
    if (!found)
        return fail_unknown(ctx, features, name);
    if (found->kind == QN_FEATURE_CATEGORY)
        return qn_fail(ctx, QN_EINVAL, "--scale: feature %s holds categories, which have no scale",
                       name);
    if (found->scale)
        return qn_fail(ctx, QN_EINVAL, "--scale: feature %s is named twice", name);
    QN_NEW(ctx, found->scale, found->width, "factors of features");
    for (int32_t j = 0; j < found->width; j++)
        found->scale[j] = 1.0;
done:
    return st;
}

qn_status qn_features_mark_scaled(qn_context *ctx, const qn_text_list *scale, qn_features *features)
{
    qn_names list = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_names_split(ctx, scale, &list));
    for (int64_t i = 0; i < list.n; i++) {
        char *equals = strrchr(list.item[i], '=');

        if (!equals || equals == list.item[i] || strcmp(equals + 1, "std") != 0)
            QN_TRY(
                qn_fail(ctx, QN_EINVAL,
                        "--scale %s: say NAME=std, to divide a feature by its standard deviation",
                        list.item[i]));
        *equals = '\0';
        QN_TRY(mark_feature(ctx, features, list.item[i]));
    }
done:
    qn_names_release(&list);
    return st;
}

/* ---- deviations and scaling ---- */

/* A column of the matrix that is scaled. */
typedef struct scaled {
    int32_t column;
    double mean;
    double *factor; /* of the features */
} scaled;

typedef struct scaling {
    qn_matrix_job *job;
    scaled *scaled; /* [n] */
    int64_t n;
    double *sums; /* [threads x 2 n] of a cell: squares of deviations, numbers of values */
    qn_tree_sum *tree;
} scaling;

static double load(const qn_matrix_shape *shape, const void *x, int64_t at)
{
    return shape->is_double ? ((const double *)x)[at] : (double)((const float *)x)[at];
}

/* Where value r of a column lies in a block's panels. */
static int64_t place(const qn_matrix_shape *shape, int32_t column, int64_t r)
{
    return ((r / QN_PANEL) * shape->n_features + column) * QN_PANEL + r % QN_PANEL;
}

static int64_t block_rows(const scaling *s, const qn_matrix_cell *cell, int32_t i)
{
    const int64_t rows = s->job->shape.block_rows, left = cell->n_rows - i * rows;

    return left < rows ? left : rows;
}

/* Row by row, so that the order is that of the rows whatever the blocks. */
static void add_block(const scaling *s, const void *x, int64_t n_rows, double *sums)
{
    const qn_matrix_shape *shape = &s->job->shape;

    for (int64_t c = 0; c < s->n; c++) {
        const double mean = s->scaled[c].mean;
        double squares = sums[2 * c];
        int64_t n = 0;

        for (int64_t r = 0; r < n_rows; r++) {
            const double value = load(shape, x, place(shape, s->scaled[c].column, r));

            if (!isfinite(value))
                continue;
            squares += (value - mean) * (value - mean);
            n++;
        }
        sums[2 * c] = squares;
        sums[2 * c + 1] += (double)n;
    }
}

static qn_status add_cell(void *arg, int64_t c, int32_t thread)
{
    scaling *s = arg;
    const qn_matrix *m = s->job->matrix;
    const qn_matrix_cell *cell = &m->cell[c];
    double *sums = s->sums + 2 * s->n * thread;
    qn_status st = QN_OK;

    memset(sums, 0, 2 * (size_t)s->n * sizeof *sums);
    for (int32_t i = 0; i < cell->n_blocks; i++) {
        const int64_t number = m->block[cell->first_block + i];
        const void *x = NULL;

        QN_TRY(qn_store_pin(s->job->ctx, m->store, number, &x));
        add_block(s, x, block_rows(s, cell, i), sums);
        qn_store_unpin(m->store, number);
    }
    QN_TRY(qn_tree_sum_add(s->job->ctx, s->tree, m->first_cell + c, sums));
    QN_TRY(qn_check_cancel(s->job->ctx));
done:
    return st;
}

static double rounded(const qn_matrix_shape *shape, double value)
{
    return shape->is_double ? value : (double)(float)value;
}

static void scale_block(const scaling *s, void *x, int64_t n)
{
    const qn_matrix_shape *shape = &s->job->shape;

    for (int64_t k = 0; k < s->n; k++) {
        const double factor = *s->scaled[k].factor;

        for (int64_t r = 0; r < n; r++) {
            const int64_t at = place(shape, s->scaled[k].column, r);
            const double value = load(shape, x, at) * factor;

            if (shape->is_double)
                ((double *)x)[at] = value;
            else
                ((float *)x)[at] = (float)value;
        }
    }
}

/* A scaled block in the place of `*number`. */
static qn_status replace_block(const scaling *s, int64_t n_rows, int64_t *number)
{
    const qn_matrix *m = s->job->matrix;
    qn_context *ctx = s->job->ctx;
    const size_t bytes = qn_store_block_bytes(m->store, *number);
    const void *old = NULL;
    void *data = NULL;
    int64_t made = -1;
    qn_status st = QN_OK;

    QN_TRY(qn_store_add_any(ctx, m->store, qn_store_block_partition(m->store, *number), bytes,
                            &made, &data));
    QN_TRY(qn_store_pin(ctx, m->store, *number, &old));
    memcpy(data, old, bytes);
    qn_store_unpin(m->store, *number);
    scale_block(s, data, n_rows);
    QN_TRY(qn_store_seal_block(ctx, m->store, made));
    qn_store_drop_block(m->store, *number);
    *number = made;
done:
    return st;
}

static qn_status scale_cell(void *arg, int64_t c, int32_t thread)
{
    const scaling *s = arg;
    const qn_matrix *m = s->job->matrix;
    const qn_matrix_cell *cell = &m->cell[c];
    qn_status st = QN_OK;

    (void)thread;
    for (int32_t i = 0; i < cell->n_blocks; i++)
        QN_TRY(replace_block(s, block_rows(s, cell, i), &m->block[cell->first_block + i]));
    QN_TRY(qn_check_cancel(s->job->ctx));
done:
    return st;
}

/* Lists the columns; their factors are those of the features. */
static qn_status list_columns(scaling *s)
{
    const qn_matrix *m = s->job->matrix;
    qn_context *ctx = s->job->ctx;
    int32_t column = 0;
    qn_status st = QN_OK;

    QN_NEW(ctx, s->scaled, m->n_features, "columns to scale");
    for (int32_t i = 0; i < m->features.n; i++) {
        const qn_feature *f = &m->features.feature[i];

        for (int32_t j = 0; f->scale && j < f->width; j++)
            s->scaled[s->n++] = (scaled){column + j, m->mean[column + j], &f->scale[j]};
        column += f->width;
    }
    QN_NEW(ctx, s->sums, 2 * s->n * qn_context_threads(ctx), "sums of deviations");
    QN_TRY(qn_tree_sum_create(ctx, m->n_cells, 2 * s->n, &s->tree));
done:
    return st;
}

/* 1 / deviation, 0 for a column that does not vary: Spark's rule. */
static qn_status set_factors(scaling *s, const double *total)
{
    qn_matrix *m = s->job->matrix;
    char name[256];

    for (int64_t k = 0; k < s->n; k++) {
        const int32_t column = s->scaled[k].column;
        const double n = total[2 * k + 1];
        const double deviation = n > 1.0 ? sqrt(total[2 * k] / (n - 1.0)) : 0.0;
        const double factor = deviation > 0.0 ? 1.0 / deviation : 0.0;

        if (!isfinite(factor) || !isfinite(deviation)) {
            qn_features_name(&m->features, column, name, sizeof name);
            return qn_fail(s->job->ctx, QN_EDATA,
                           "--scale: the deviation of %s, %g, cannot be divided by", name,
                           deviation);
        }
        *s->scaled[k].factor = factor;
        m->mean[column] *= factor;
        m->min[column] = rounded(&s->job->shape, m->min[column] * factor);
        m->max[column] = rounded(&s->job->shape, m->max[column] * factor);
    }
    return QN_OK;
}

qn_status qn_matrix_scale(qn_matrix_job *job)
{
    const qn_features *features = &job->matrix->features;
    scaling s = {.job = job};
    double *total = NULL;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    bool is_asked = false;

    for (int32_t i = 0; i < features->n; i++)
        is_asked |= features->feature[i].scale != NULL;
    if (!is_asked)
        return QN_OK;
    QN_TRY_ALL(list_columns(&s));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&total, 2 * s.n, sizeof *total, "sums"));
    QN_TRY_ALL(qn_matrix_read_ahead(ctx, job->matrix));
    QN_TRY_ALL(qn_parallel(ctx, job->matrix->n_own_cells, add_cell, &s));
    QN_TRY(qn_tree_sum_finish(ctx, s.tree, total));
    QN_TRY_ALL(set_factors(&s, total));
    QN_TRY_ALL(qn_matrix_read_ahead(ctx, job->matrix));
    QN_TRY_ALL(qn_parallel(ctx, job->matrix->n_own_cells, scale_cell, &s));
done:
    qn_tree_sum_free(s.tree);
    qn_free(s.scaled);
    qn_free(s.sums);
    qn_free(total);
    return st;
}
