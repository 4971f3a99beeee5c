/* What linear and logistic regression find again: few of the features count, with coefficients that
 * are known. */
#include <math.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/math.h"
#include "data/datagen_table_impl.h"

enum { FOR_FEATURES, FOR_NOISE, FOR_PLACE, FOR_COEFFICIENT };

/* plan->truth is [1 + features]: the intercept, then the coefficients. */
typedef struct regression {
    qn_gen_regression_options options;
} regression;

#define SHARED_ROWS                                                                                \
    QN_PARAM(qn_gen_regression_options, features, 20, 1, 10000, "features of a row"),              \
        QN_PARAM(qn_gen_regression_options, nonzero, 5, 0, 10000,                                  \
                 "features whose coefficient is not 0")

static const qn_param linear_rows[] = {
    SHARED_ROWS,
    QN_PARAM(qn_gen_regression_options, noise, 1, 0, 1e6, "standard deviation of the noise"),
};
const qn_params qn_gen_linear_table = {"datagen linear", linear_rows,
                                       sizeof linear_rows / sizeof *linear_rows,
                                       sizeof(qn_gen_regression_options)};
static const qn_param logistic_rows[] = {SHARED_ROWS};
const qn_params qn_gen_logistic_table = {"datagen logistic", logistic_rows,
                                         sizeof logistic_rows / sizeof *logistic_rows,
                                         sizeof(qn_gen_regression_options)};

/* 0.5 to 2, of either sign. */
static double draw_coefficient(const qn_gen_plan *plan, int64_t i)
{
    const qn_random random = qn_gen_draw(plan, FOR_COEFFICIENT, i, 0);
    const double size = 0.5 + 1.5 * qn_uniform(&random, 0);

    return qn_gen_round(random.word[3] & 1 ? size : -size);
}

/* Every set of `nonzero` features is as likely. */
static void draw_truth(const qn_gen_plan *plan, const qn_gen_regression_options *o)
{
    int32_t left = o->nonzero;

    plan->truth[0] = draw_coefficient(plan, 0);
    for (int32_t f = 0; f < o->features; f++) {
        const qn_random random = qn_gen_draw(plan, FOR_PLACE, f, 0);
        const bool counts = qn_uniform(&random, 0) * (o->features - f) < left;

        plan->truth[1 + f] = counts ? draw_coefficient(plan, 1 + f) : 0.0;
        left -= counts;
    }
}

static qn_status make(qn_context *ctx, const qn_gen_options *options, const void *own,
                      const char *name, qn_type label, qn_gen_plan *plan)
{
    const qn_gen_regression_options *o = own;
    qn_status st = QN_OK;
    regression *r = NULL;

    if (o->nonzero > o->features)
        return qn_fail(ctx, QN_EINVAL,
                       "--nonzero %d is more than the %d features: raise --features", o->nonzero,
                       o->features);
    QN_NEW0(ctx, r, 1, "planted truth");
    plan->shape = r;
    r->options = *o;
    plan->has_header = true;
    QN_TRY(qn_gen_add_file(ctx, plan, options, name));
    QN_TRY(qn_gen_add_fields(ctx, plan, 1 + o->features));
    qn_gen_set_field(plan, 0, "label", label);
    qn_gen_set_features(plan, 1);
    QN_NEW(ctx, plan->truth, 1 + o->features, "planted coefficients");
    draw_truth(plan, o);
done:
    return st;
}

static qn_status linear_make(qn_context *ctx, const qn_gen_options *options, const void *own,
                             qn_gen_plan *plan)
{
    return make(ctx, options, own, "linear", QN_DOUBLE, plan);
}

static qn_status logistic_make(qn_context *ctx, const qn_gen_options *options, const void *own,
                               qn_gen_plan *plan)
{
    plan->n_classes = 2;
    return make(ctx, options, own, "logistic", QN_INT32, plan);
}

/* Intercept and coefficients on the features as they are written. */
static double draw_features(const qn_gen_plan *plan, int64_t row, double *x)
{
    const qn_gen_regression_options *o = &((const regression *)plan->shape)->options;
    double sum = plan->truth[0];

    qn_gen_normals(plan, FOR_FEATURES, row, o->features, x);
    for (int32_t f = 0; f < o->features; f++) {
        x[f] = qn_gen_round(x[f]);
        sum += plan->truth[1 + f] * x[f];
    }
    return sum;
}

static int32_t linear_row(const qn_gen_plan *plan, const qn_gen_file *file, int64_t row,
                          double *value)
{
    const qn_gen_regression_options *o = &((const regression *)plan->shape)->options;
    double noise;

    (void)file;
    qn_gen_normals(plan, FOR_NOISE, row, 1, &noise);
    value[0] = draw_features(plan, row, value + 1) + o->noise * noise;
    return 0;
}

static int32_t logistic_row(const qn_gen_plan *plan, const qn_gen_file *file, int64_t row,
                            double *value)
{
    const qn_random random = qn_gen_draw(plan, FOR_NOISE, row, 0);
    const double sum = draw_features(plan, row, value + 1);
    const int32_t label = qn_uniform(&random, 0) < 1.0 / (1.0 + qn_exp(-sum));

    (void)file;
    value[0] = label;
    return label;
}

static void write_truth(const qn_gen_plan *plan, qn_json *j)
{
    const qn_gen_regression_options *o = &((const regression *)plan->shape)->options;

    qn_json_real(j, "intercept", plan->truth[0]);
    qn_gen_list_json(j, "coefficients", plan->truth + 1, o->features);
}

const qn_generator qn_generator_linear = {.name = "linear",
                                          .table = &qn_gen_linear_table,
                                          .make = linear_make,
                                          .row = linear_row,
                                          .truth = write_truth};
const qn_generator qn_generator_logistic = {.name = "logistic",
                                            .table = &qn_gen_logistic_table,
                                            .make = logistic_make,
                                            .row = logistic_row,
                                            .truth = write_truth};
