/* What the runs of a sweep say together: medians with their ranges, speed-up where it can be
 * claimed, and whether all runs made one model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "experiment/sweep_impl.h"

static int compare_reals(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts values[n], which hold no NaN. */
static qn_sweep_range range_of(double *values, int64_t n)
{
    qn_sweep_range range = {NAN, NAN, NAN};

    if (n == 0)
        return range;
    qsort(values, (size_t)n, sizeof *values, compare_reals);
    range.least = values[0];
    range.greatest = values[n - 1];
    range.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    return range;
}

enum { LOAD, FIT, EVALUATE, TOTAL, SPILLED, MOVED, PEAK, N_MEASURES };

static double measure_of(const qn_sweep_run *run, int which)
{
    const double seconds[] = {run->load_s, run->fit_s, run->evaluate_s, run->total_s};
    const int64_t bytes[] = {run->spilled_bytes, run->moved_bytes, run->peak_bytes};

    if (which < SPILLED)
        return seconds[which];
    return bytes[which - SPILLED] >= 0 ? (double)bytes[which - SPILLED] : NAN;
}

/* `run` is the point's first of `repeats`; scratch[repeats]. */
static void summarise_point(const qn_sweep_run *run, int64_t first, int64_t repeats,
                            double *scratch, qn_sweep_row *row)
{
    qn_sweep_range *const range[] = {&row->load,    &row->fit,   &row->evaluate, &row->total,
                                     &row->spilled, &row->moved, &row->peak};

    *row = (qn_sweep_row){.failed = -1, .base = -1, .threads = -1, .cores = -1};
    row->quality = row->speed_up = row->efficiency = NAN;
    for (int64_t i = 0; i < repeats; i++) {
        if (run[i].is_done && !run[i].is_ok && row->n_failed++ == 0)
            row->failed = first + i;
        if (!run[i].is_ok || row->n_ok++ > 0)
            continue;
        row->quality = run[i].quality;
        row->threads = run[i].threads;
        row->cores = run[i].cores;
        row->shares_cores = (int64_t)run[i].on_a_host * run[i].threads > run[i].cores;
    }
    for (int which = 0; which < N_MEASURES; which++) {
        int64_t n = 0;

        for (int64_t i = 0; i < repeats; i++)
            if (run[i].is_ok && !isnan(measure_of(&run[i], which)))
                scratch[n++] = measure_of(&run[i], which);
        *range[which] = range_of(scratch, n);
    }
}

/* The point with the fewest workers at the same memory and, where there is more than one such, the
 * same partitions. Points that share cores or failed are compared to nothing. */
static int64_t base_of(const qn_sweep_result *r, int64_t point)
{
    const qn_sweep_point *mine = &r->point[point];
    int64_t best = -1, best_alike = -1;

    if (r->row[point].n_ok == 0 || r->row[point].shares_cores)
        return -1;
    for (int64_t i = 0; i < r->n_points; i++) {
        const qn_sweep_point *other = &r->point[i];

        if (r->row[i].n_ok == 0 || r->row[i].shares_cores ||
            r->row[i].threads != r->row[point].threads || strcmp(other->memory, mine->memory) != 0)
            continue;
        if (best < 0 || other->workers < r->point[best].workers)
            best = i;
        if (other->partitions == mine->partitions &&
            (best_alike < 0 || other->workers < r->point[best_alike].workers))
            best_alike = i;
    }
    return best_alike >= 0 && r->point[best_alike].workers <= r->point[best].workers ? best_alike
                                                                                     : best;
}

static void claim_speed_up(qn_sweep_result *r)
{
    for (int64_t i = 0; i < r->n_points; i++) {
        qn_sweep_row *row = &r->row[i];
        const int64_t base = base_of(r, i);
        double share;

        if (base < 0 || !(row->fit.median > 0))
            continue;
        share = (double)r->point[i].workers / (double)r->point[base].workers;
        row->base = base;
        row->speed_up = r->row[base].fit.median / row->fit.median;
        row->efficiency = row->speed_up / share;
    }
}

static void compare_models(qn_sweep_result *r)
{
    const qn_sweep_run *first = NULL;

    r->n_ok = r->n_failed = r->n_kept = 0;
    for (int64_t i = 0; i < r->n_runs; i++) {
        const qn_sweep_run *run = &r->run[i];

        r->n_ok += run->is_ok;
        r->n_failed += run->is_done && !run->is_ok;
        r->n_kept += run->is_kept;
        if (!run->is_ok)
            continue;
        first = first ? first : run;
        if (!r->metric[0])
            memcpy(r->metric, run->metric, sizeof r->metric);
        /* Bits are promised for one kernel set and one data set. */
        if (strcmp(run->fingerprint, first->fingerprint) != 0)
            r->data_differs = true;
        else if (strcmp(run->digest, first->digest) != 0 &&
                 strcmp(run->kernel_set, first->kernel_set) == 0)
            r->digests_differ = true;
    }
    if (first)
        memcpy(r->digest, first->digest, sizeof r->digest);
}

qn_status sweep_summarise(qn_context *ctx, qn_sweep_result *result)
{
    const int64_t repeats = result->n_points > 0 ? result->n_runs / result->n_points : 0;
    double *scratch = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, scratch, repeats, "runs of a point");
    for (int64_t i = 0; i < result->n_points; i++)
        summarise_point(&result->run[i * repeats], i * repeats, repeats, scratch, &result->row[i]);
    claim_speed_up(result);
    compare_models(result);
done:
    qn_free(scratch);
    return st;
}
