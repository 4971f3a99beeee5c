/* A look-alike of SUSY: 46 % signal, eight measured features (energies, angles, others) and ten
 * that are functions of what was measured, all standardised. */
#include <math.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/math.h"
#include "base/pool.h"
#include "data/datagen_table_impl.h"

#define LOW        8
#define HIGH       10
#define FEATURES   (LOW + HIGH)
#define SHARE      0.46
#define SEPARATION 1.66   /* of the classes in the space of what is measured, in deviations */
#define BEST_AUC   0.8798 /* of that: the normal distribution at SEPARATION / sqrt(2) */
#define PILOT_ROWS 65536  /* from which mean and deviation are taken */
#define PILOT_CELL 4096

enum { FOR_LABEL, FOR_MEASURED, FOR_NOISE, FOR_MIX, FOR_SHIFT, FOR_COMBINE };

typedef struct susy {
    double mix[LOW][LOW], shift[LOW], combine[LOW][HIGH];
    double mean[FEATURES], deviation[FEATURES];
} susy;

static double tanh_plain(double x)
{
    return 1.0 - 2.0 / (qn_exp(2.0 * x) + 1.0);
}

static void low_features(const susy *s, const double *z, double *x)
{
    for (int32_t c = 0; c < LOW; c++)
        x[c] = 0.0;
    for (int32_t r = 0; r < LOW; r++)
        for (int32_t c = 0; c < LOW; c++)
            x[c] += z[r] * s->mix[r][c];
    for (int32_t c = 0; c < 3; c++) /* energies: positive, skewed */
        x[c] = qn_exp(0.6 * x[c]);
    for (int32_t c = 3; c < 6; c++) /* angles: bounded */
        x[c] = x[c] < -3.0 ? -3.0 : x[c] > 3.0 ? 3.0 : x[c];
}

static void high_features(const susy *s, const double *z, const double *noise, double *x)
{
    double t[HIGH] = {0};

    for (int32_t r = 0; r < LOW; r++)
        for (int32_t c = 0; c < HIGH; c++)
            t[c] += z[r] * s->combine[r][c];
    for (int32_t c = 0; c < HIGH; c++) {
        x[c] = tanh_plain(t[c]) + 0.15 * t[c] * t[c] + 0.3 * noise[c];
        x[c] = c < 4 ? fabs(x[c]) : x[c];
    }
}

/* Features before they are standardised; returns the label. */
static int32_t raw_row(const qn_gen_plan *plan, int64_t row, double *x)
{
    const susy *s = plan->shape;
    const qn_random random = qn_gen_draw(plan, FOR_LABEL, row, 0);
    const int32_t label = qn_uniform(&random, 0) < SHARE;
    double z[LOW], noise[HIGH];

    qn_gen_normals(plan, FOR_MEASURED, row, LOW, z);
    qn_gen_normals(plan, FOR_NOISE, row, HIGH, noise);
    for (int32_t c = 0; c < LOW; c++)
        z[c] += label ? s->shift[c] : 0.0;
    low_features(s, z, x);
    high_features(s, z, noise, x + LOW);
    return label;
}

static int32_t susy_row(const qn_gen_plan *plan, const qn_gen_file *file, int64_t row,
                        double *value)
{
    const susy *s = plan->shape;
    const int32_t label = raw_row(plan, row, value + 1);

    (void)file;
    value[0] = label;
    for (int32_t c = 0; c < FEATURES; c++)
        value[1 + c] = (value[1 + c] - s->mean[c]) / s->deviation[c];
    return label;
}

typedef struct pilot {
    const qn_gen_plan *plan;
    double sum[PILOT_ROWS / PILOT_CELL][FEATURES], squares[PILOT_ROWS / PILOT_CELL][FEATURES];
} pilot;

/* Rows that no table holds. */
static qn_status pilot_cell(void *arg, int64_t task, int32_t thread)
{
    pilot *p = arg;

    (void)thread;
    for (int64_t r = 0; r < PILOT_CELL; r++) {
        double x[FEATURES];

        raw_row(p->plan, -1 - (task * PILOT_CELL + r), x);
        for (int32_t c = 0; c < FEATURES; c++) {
            p->sum[task][c] += x[c];
            p->squares[task][c] += x[c] * x[c];
        }
    }
    return QN_OK;
}

static qn_status find_moments(qn_context *ctx, const qn_gen_plan *plan, susy *s)
{
    qn_status st = QN_OK;
    pilot *p = NULL;

    QN_NEW0(ctx, p, 1, "moments of features");
    p->plan = plan;
    QN_TRY(qn_parallel(ctx, PILOT_ROWS / PILOT_CELL, pilot_cell, p));
    for (int32_t c = 0; c < FEATURES; c++) {
        double sum = 0.0, squares = 0.0;

        for (int32_t cell = 0; cell < PILOT_ROWS / PILOT_CELL; cell++) {
            sum += p->sum[cell][c];
            squares += p->squares[cell][c];
        }
        s->mean[c] = sum / PILOT_ROWS;
        s->deviation[c] = sqrt(squares / PILOT_ROWS - s->mean[c] * s->mean[c]);
    }
done:
    qn_free(p);
    return st;
}

static void draw_truth(const qn_gen_plan *plan, susy *s)
{
    double length = 0.0;

    for (int32_t r = 0; r < LOW; r++) {
        qn_gen_normals(plan, FOR_MIX, r, LOW, s->mix[r]);
        qn_gen_normals(plan, FOR_COMBINE, r, HIGH, s->combine[r]);
        for (int32_t c = 0; c < LOW; c++)
            s->mix[r][c] = 0.35 * s->mix[r][c] + (r == c);
        for (int32_t c = 0; c < HIGH; c++)
            s->combine[r][c] /= sqrt((double)LOW);
    }
    qn_gen_normals(plan, FOR_SHIFT, 0, LOW, s->shift);
    for (int32_t c = 0; c < LOW; c++)
        length += s->shift[c] * s->shift[c];
    for (int32_t c = 0; c < LOW; c++)
        s->shift[c] *= SEPARATION / sqrt(length);
}

static qn_status susy_make(qn_context *ctx, const qn_gen_options *options, const void *own,
                           qn_gen_plan *plan)
{
    qn_status st = QN_OK;
    susy *s = NULL;

    (void)own;
    QN_NEW0(ctx, s, 1, "planted truth");
    plan->shape = s;
    plan->n_classes = 2;
    QN_TRY(qn_gen_add_file(ctx, plan, options, "susy"));
    QN_TRY(qn_gen_add_fields(ctx, plan, 1 + FEATURES));
    qn_gen_set_field(plan, 0, "label", QN_INT32);
    qn_gen_set_features(plan, 1);
    draw_truth(plan, s);
    QN_TRY(find_moments(ctx, plan, s));
done:
    return st;
}

static void susy_truth(const qn_gen_plan *plan, qn_json *j)
{
    const susy *s = plan->shape;
    const double share[] = {1.0 - SHARE, SHARE};

    qn_gen_list_json(j, "class_shares", share, 2);
    qn_json_real(j, "separation", SEPARATION);
    qn_json_real(j, "best_auc", BEST_AUC);
    qn_gen_list_json(j, "shift", s->shift, LOW);
    qn_gen_rows_json(j, "mix", &s->mix[0][0], LOW, LOW);
    qn_gen_rows_json(j, "combine", &s->combine[0][0], LOW, HIGH);
    qn_gen_list_json(j, "mean_before", s->mean, FEATURES);
    qn_gen_list_json(j, "deviation_before", s->deviation, FEATURES);
}

const qn_generator qn_generator_susy = {
    .name = "susy", .make = susy_make, .row = susy_row, .truth = susy_truth};
