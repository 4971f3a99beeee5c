/* Round clusters of equal size, for K-means. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/datagen_table_impl.h"

#define HALF_BOX     10.0 /* centres lie within so much of the offset */
#define FEW_FEATURES 8    /* with so few, drawn centres may come near: the farthest of some */
#define CANDIDATES   16

enum { FOR_CLUSTER, FOR_POINT, FOR_CENTRE };

typedef struct blobs {
    qn_gen_blobs_options options;
} blobs;

static const qn_param rows[] = {
    QN_PARAM(qn_gen_blobs_options, k, 8, 1, 1000, "clusters"),
    QN_PARAM(qn_gen_blobs_options, features, 2, 1, 10000, "features of a row"),
    QN_PARAM(qn_gen_blobs_options, spread, 1, 0, 1e6,
             "standard deviation of a cluster; centres lie in a box 20 wide"),
    QN_PARAM(qn_gen_blobs_options, offset, 0, -1e9, 1e9,
             "added to every feature: far from 0, sums lose digits"),
};
const qn_params qn_gen_blobs_table = {"datagen blobs", rows, sizeof rows / sizeof *rows,
                                      sizeof(qn_gen_blobs_options)};

/* Squared distance to the nearest of the first n centres. */
static double distance_to_others(const double *centre, int32_t n, int32_t d, const double *point)
{
    double least = HUGE_VAL;

    for (int32_t i = 0; i < n; i++) {
        double sum = 0.0;

        for (int32_t c = 0; c < d; c++)
            sum +=
                (centre[(int64_t)i * d + c] - point[c]) * (centre[(int64_t)i * d + c] - point[c]);
        least = sum < least ? sum : least;
    }
    return least;
}

/* Candidate number `t` for centre i. */
static void draw_point(const qn_gen_plan *plan, const qn_gen_blobs_options *o, int32_t i, int32_t t,
                       double *point)
{
    for (int32_t c = 0; c < o->features; c++) {
        const qn_random random = qn_gen_draw(plan, FOR_CENTRE, i, (int64_t)t * o->features + c);

        point[c] = qn_gen_round(o->offset + HALF_BOX * (2.0 * qn_uniform(&random, 0) - 1.0));
    }
}

static void draw_centres(const qn_gen_plan *plan, const qn_gen_blobs_options *o, double *centre)
{
    const int32_t candidates = o->features <= FEW_FEATURES ? CANDIDATES : 1;

    for (int32_t i = 0; i < o->k; i++) {
        double *best = centre + (int64_t)i * o->features;
        double point[FEW_FEATURES] = {0}, most;

        draw_point(plan, o, i, 0, best);
        most = candidates > 1 ? distance_to_others(centre, i, o->features, best) : 0.0;
        for (int32_t t = 1; t < candidates; t++) {
            double distance;

            draw_point(plan, o, i, t, point);
            distance = distance_to_others(centre, i, o->features, point);
            if (distance > most) {
                most = distance;
                memcpy(best, point, (size_t)o->features * sizeof *best);
            }
        }
    }
}

static qn_status blobs_make(qn_context *ctx, const qn_gen_options *options, const void *own,
                            qn_gen_plan *plan)
{
    const qn_gen_blobs_options *o = own;
    qn_status st = QN_OK;
    blobs *b = NULL;

    QN_NEW0(ctx, b, 1, "planted truth");
    plan->shape = b;
    b->options = *o;
    plan->has_header = true;
    plan->n_classes = o->k;
    QN_TRY(qn_gen_add_file(ctx, plan, options, "blobs"));
    QN_TRY(qn_gen_add_fields(ctx, plan, 1 + o->features));
    qn_gen_set_field(plan, 0, "label", QN_INT32);
    qn_gen_set_features(plan, 1);
    QN_NEW(ctx, plan->truth, (int64_t)o->k * o->features, "planted centres");
    draw_centres(plan, o, plan->truth);
done:
    return st;
}

static int32_t blobs_row(const qn_gen_plan *plan, const qn_gen_file *file, int64_t row,
                         double *value)
{
    const qn_gen_blobs_options *o = &((const blobs *)plan->shape)->options;
    const qn_random random = qn_gen_draw(plan, FOR_CLUSTER, row, 0);
    const int32_t cluster = (int32_t)(qn_uniform(&random, 0) * o->k);
    const double *centre = plan->truth + (int64_t)cluster * o->features;

    (void)file;
    value[0] = cluster;
    qn_gen_normals(plan, FOR_POINT, row, o->features, value + 1);
    for (int32_t c = 0; c < o->features; c++)
        value[1 + c] = centre[c] + o->spread * value[1 + c];
    return cluster;
}

static void blobs_truth(const qn_gen_plan *plan, qn_json *j)
{
    const qn_gen_blobs_options *o = &((const blobs *)plan->shape)->options;

    qn_gen_rows_json(j, "centres", plan->truth, o->k, o->features);
}

const qn_generator qn_generator_blobs = {.name = "blobs",
                                         .table = &qn_gen_blobs_table,
                                         .make = blobs_make,
                                         .row = blobs_row,
                                         .truth = blobs_truth};
