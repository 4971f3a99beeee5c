/* A look-alike of FRACTAL: points of airborne laser scans with colours, one patch of 50 x 50 m a
 * file, folders train, val and test; the class shows in height, brightness and green. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/math.h"
#include "data/datagen_table_impl.h"

#define CLASSES          7
#define PARTS            3
#define BALANCING_ROUNDS 30
#define MEAN_ALTITUDE    270.0 /* metres */

enum { FOR_CLASS, FOR_PLACE, FOR_LOOK, FOR_SIZE, FOR_SHARE, FOR_TREND, FOR_TERRAIN };
enum { X, Y, Z, INTENSITY, RED, GREEN, BLUE, INFRARED, CLASS, VALUES };

static const int32_t code[CLASSES] = {1, 2, 5, 6, 9, 17, 64};
/* other, ground, vegetation, building, water, bridge, permanent structure */
static const double share[CLASSES] = {.006, .3896, .57, .028, .005, .001, .0004};
/* Mean and deviation: height above the ground, return intensity, brightness, (IR - R) / (IR + R).
 */
static const struct {
    double height[2], intensity[2], bright[2], green[2];
} look[CLASSES] = {
    {{1.5, 1.5}, {600, 350}, {125, 38}, {0.12, .16}},
    {{0.0, 0.2}, {1050, 450}, {128, 34}, {0.10, .17}},
    {{6.0, 4.5}, {620, 400}, {98, 30}, {0.29, .15}},
    {{6.5, 3.0}, {900, 500}, {150, 40}, {-0.03, .09}},
    {{-0.5, 0.1}, {120, 100}, {70, 20}, {-0.20, .12}},
    {{4.0, 1.5}, {900, 400}, {140, 25}, {-0.04, .07}},
    {{9.0, 4.0}, {700, 400}, {140, 40}, {-0.02, .09}},
};

/* What all points of a file have in common. */
typedef struct patch {
    double ground, slope[2];             /* metres, metres a metre */
    double light, green;                 /* of the flight and the season */
    double share[CLASSES], end[CLASSES]; /* end: running sum */
} patch;

static const qn_param rows[] = {
    QN_PARAM(qn_gen_fractal_options, files, 16, 1, 100000,
             "files in train; val and test have an eighth of it each, and a tenth of the rows"),
    QN_PARAM(qn_gen_fractal_options, drift, 0.25, 0, 2,
             "how much the shares of classes differ from file to file and along the names; 0: not"),
};
const qn_params qn_gen_fractal_table = {"datagen fractal", rows, sizeof rows / sizeof *rows,
                                        sizeof(qn_gen_fractal_options)};

/* Sizes differ three times at the most: cut by running sums of weights. */
static void cut_part(const qn_gen_plan *plan, const char *part, qn_gen_file *file, int64_t n,
                     int64_t first_row, int64_t n_rows)
{
    double total = 0.0, sum = 0.0;
    int64_t start = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int64_t f = 0; f < n; f++) {
            const qn_random random = qn_gen_draw(plan, FOR_SIZE, file[f].index, 0);
            const double weight = 0.5 + qn_uniform(&random, 0);
            int64_t end;

            if (pass == 0) {
                total += weight;
                continue;
            }
            sum += weight;
            end = f == n - 1 ? n_rows : (int64_t)((double)n_rows * (sum / total));
            snprintf(file[f].name, sizeof file[f].name, "%s/part-%05lld.parquet", part,
                     (long long)f);
            file[f].first_row = first_row + start;
            file[f].rows = end - start;
            start = end;
        }
}

/* Shares of each file, such that over all files of the part they are the planted ones: rows of
 * files and rows of classes are both right, by scaling in turn. */
static void balance(const qn_gen_file *file, patch *p, int64_t n)
{
    double total = 0.0;

    for (int64_t f = 0; f < n; f++)
        total += (double)file[f].rows;
    for (int round = 0; round < BALANCING_ROUNDS; round++) {
        double sum[CLASSES] = {0};

        for (int64_t f = 0; f < n; f++)
            for (int32_t c = 0; c < CLASSES; c++)
                sum[c] += p[f].share[c] * (double)file[f].rows / total;
        for (int64_t f = 0; f < n; f++) {
            double of_file = 0.0;

            for (int32_t c = 0; c < CLASSES; c++) {
                p[f].share[c] *= share[c] / sum[c];
                of_file += p[f].share[c];
            }
            for (int32_t c = 0; c < CLASSES; c++)
                p[f].share[c] /= of_file;
        }
    }
    for (int64_t f = 0; f < n; f++)
        for (int32_t c = 0; c < CLASSES; c++)
            p[f].end[c] = (c ? p[f].end[c - 1] : 0.0) + p[f].share[c];
}

static void draw_shares(const qn_gen_plan *plan, const qn_gen_file *file, patch *p, int64_t n,
                        double drift)
{
    for (int64_t f = 0; f < n; f++) {
        const double along = n > 1 ? 2.0 * (double)f / (double)(n - 1) - 1.0 : 0.0;
        double noise[CLASSES];

        qn_gen_normals(plan, FOR_SHARE, file[f].index, CLASSES, noise);
        for (int32_t c = 0; c < CLASSES; c++) {
            const qn_random sign = qn_gen_draw(plan, FOR_TREND, c, 0);

            p[f].share[c] =
                share[c] * qn_exp(drift * (noise[c] + (sign.word[0] & 1 ? along : -along)));
        }
    }
    balance(file, p, n);
}

static void draw_terrain(const qn_gen_plan *plan, int64_t file, patch *p)
{
    const qn_random random = qn_gen_draw(plan, FOR_TERRAIN, file, 100);
    double normal[4];

    qn_gen_normals(plan, FOR_TERRAIN, file, 4, normal);
    p->ground = -MEAN_ALTITUDE * qn_log(1.0 - qn_uniform(&random, 0));
    p->light = 10.0 * normal[0];
    p->green = 0.04 * normal[1];
    p->slope[0] = 0.08 * normal[2];
    p->slope[1] = 0.08 * normal[3];
}

static qn_status make_files(qn_context *ctx, const qn_gen_options *options,
                            const qn_gen_fractal_options *o, qn_gen_plan *plan)
{
    static const char *const name[PARTS] = {"train", "val", "test"};
    const int64_t tenth = options->rows / 10, eighth = o->files < 8 ? 1 : o->files / 8;
    const int64_t n_rows[PARTS] = {options->rows - 2 * tenth, tenth, tenth};
    const int64_t n_files[PARTS] = {o->files, eighth, eighth};
    /* Ten rows a file, of 80 % of the rows and of 10 %. */
    const int64_t for_train = (25 * (int64_t)o->files + 1) / 2, for_val = 100 * eighth;
    const int64_t least = for_train > for_val ? for_train : for_val;
    int64_t first_row = 0, first_file = 0;
    patch *p = NULL;
    qn_status st = QN_OK;

    if (options->rows < least)
        return qn_fail(ctx, QN_EINVAL,
                       "--rows %lld is too few for %d files in train and %lld in val and in test: "
                       "ask for at least %lld, or for fewer --files",
                       (long long)options->rows, o->files, (long long)eighth, (long long)least);
    plan->n_files = o->files + 2 * eighth;
    QN_NEW0(ctx, plan->file, plan->n_files, "the files to write");
    QN_NEW0(ctx, p, plan->n_files, "patches of land");
    plan->shape = p;
    for (int64_t f = 0; f < plan->n_files; f++) {
        plan->file[f].index = f;
        draw_terrain(plan, f, &p[f]);
    }
    for (int32_t i = 0; i < PARTS; i++) {
        cut_part(plan, name[i], plan->file + first_file, n_files[i], first_row, n_rows[i]);
        draw_shares(plan, plan->file + first_file, p + first_file, n_files[i], o->drift);
        first_row += n_rows[i];
        first_file += n_files[i];
    }
done:
    return st;
}

static qn_status fractal_make(qn_context *ctx, const qn_gen_options *options, const void *own,
                              qn_gen_plan *plan)
{
    static const char *const name[] = {"xyz",  "Intensity", "Red",           "Green",
                                       "Blue", "Infrared",  "Classification"};
    qn_status st = QN_OK;

    plan->n_classes = CLASSES;
    plan->class = code;
    QN_TRY(make_files(ctx, options, own, plan));
    QN_TRY(qn_gen_add_fields(ctx, plan, sizeof name / sizeof *name));
    for (int32_t i = 0; i < plan->n_fields; i++)
        qn_gen_set_field(plan, i, name[i], i == 0 ? QN_DOUBLE_LIST : QN_INT32);
done:
    return st;
}

static double clip(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

/* Eight bits of an aerial photograph, in sixteen. */
static double colour(double x)
{
    return 256.0 * floor(clip(x, 1.0, 255.0));
}

static double centimetres(double x)
{
    return floor(100.0 * x + 0.5) / 100.0;
}

static int32_t draw_class(const patch *p, double u)
{
    int32_t c = 0;

    while (c < CLASSES - 1 && u >= p->end[c])
        c++;
    return c;
}

static int32_t fractal_row(const qn_gen_plan *plan, const qn_gen_file *file, int64_t row,
                           double *value)
{
    const patch *p = (const patch *)plan->shape + file->index;
    const qn_random of_class = qn_gen_draw(plan, FOR_CLASS, row, 0);
    const qn_random place = qn_gen_draw(plan, FOR_PLACE, row, 0);
    const int32_t c = draw_class(p, qn_uniform(&of_class, 0));
    const double x = 50.0 * qn_uniform(&place, 0), y = 50.0 * qn_uniform(&place, 2);
    double g[7], bright, green, red;

    qn_gen_normals(plan, FOR_LOOK, row, 7, g);
    bright = clip(look[c].bright[0] + p->light + look[c].bright[1] * g[2], 8, 250);
    green = clip(look[c].green[0] + p->green + look[c].green[1] * g[3], -.6, .8);
    red = clip(bright * (1 - .25 * green) + 7 * g[4], 1, 255);
    value[X] = centimetres(650000 + 50.0 * (double)(file->index % 1000) + x);
    value[Y] = centimetres(6860000 + 50.0 * (double)(file->index / 1000) + y);
    value[Z] = centimetres(p->ground + p->slope[0] * x + p->slope[1] * y + look[c].height[0] +
                           look[c].height[1] * fabs(g[0]));
    value[INTENSITY] = floor(clip(look[c].intensity[0] + look[c].intensity[1] * g[1], 0, 65535));
    value[RED] = colour(red);
    value[GREEN] = colour(bright * (1 + .10 * green) + 7 * g[5]);
    value[BLUE] = colour(bright * (.88 - .15 * green) + 7 * g[6]);
    value[INFRARED] = colour(red * (1 + green) / (1 - green));
    value[CLASS] = code[c];
    return c;
}

static void fractal_truth(const qn_gen_plan *plan, qn_json *j)
{
    const patch *p = plan->shape;

    qn_gen_list_json(j, "class_shares", share, CLASSES);
    qn_json_open(j, "file_class_shares", '[');
    for (int64_t f = 0; f < plan->n_files; f++)
        qn_gen_list_json(j, NULL, p[f].share, CLASSES);
    qn_json_close(j, ']');
}

const qn_generator qn_generator_fractal = {.name = "fractal",
                                           .table = &qn_gen_fractal_table,
                                           .has_lists = true,
                                           .result_name = "train",
                                           .make = fractal_make,
                                           .row = fractal_row,
                                           .truth = fractal_truth};
