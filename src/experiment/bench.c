#include "experiment/bench.h"

#include <string.h>

#include "quern/matrix.h"

static const qn_param rows_of_table[] = {
    QN_PARAM(qn_bench_options, rows, 2000000, 1, 1e12, "rows that are made up"),
    QN_PARAM(qn_bench_options, features, 18, 1, 100000, "features of a row", .aliases = "d"),
    QN_PARAM(qn_bench_options, k, 8, 1, 1000000, "clusters"),
    QN_PARAM_CHOICE_OF(qn_bench_options, precision, QN_PRECISION_FLOAT, QN_PRECISION_CHOICES,
                       "of the rows"),
    QN_PARAM(qn_bench_options, repeats, 9, 1, QN_MAX_REPEATS, "passes that are timed"),
    QN_PARAM(qn_bench_options, seed, 1, INT64_MIN, INT64_MAX, "seed of the rows"),
};
const qn_params qn_bench_table = {
    "bench", rows_of_table, sizeof rows_of_table / sizeof *rows_of_table, sizeof(qn_bench_options)};

/* One line a bench. */
static const struct {
    const char *name;
    qn_bench_function *run;
} benches[] = {
    {"kmeans", qn_bench_kmeans},
};
#define N_BENCHES ((int64_t)(sizeof benches / sizeof *benches))

void qn_bench_names(qn_string *out)
{
    for (int64_t i = 0; i < N_BENCHES; i++)
        qn_string_addf(out, "%s%s", i == 0 ? "" : ", ", benches[i].name);
}

qn_status qn_bench_run(qn_context *ctx, const char *name, const qn_bench_options *options,
                       qn_bench_result *result)
{
    qn_string known = {0};
    int64_t found = -1;
    qn_status st = QN_OK;

    *result = (qn_bench_result){.options = *options, .kernel_set = qn_context_kernels(ctx)};
    for (int64_t i = 0; i < N_BENCHES; i++)
        if (qn_name_equal(name, benches[i].name))
            found = i;
    if (found < 0) {
        qn_bench_names(&known);
        st = qn_fail(ctx, QN_EINVAL, "there is no bench \"%s\"; there are: %s", name,
                     qn_string_text(&known));
        goto done;
    }
    result->name = benches[found].name;
    QN_TRY(qn_params_check(ctx, &qn_bench_table, options));
    QN_TRY(qn_machine_measure(ctx, &result->machine));
    QN_TRY(benches[found].run(ctx, result));
done:
    qn_string_release(&known);
    return st;
}

qn_status qn_bench_add(qn_context *ctx, qn_bench_result *result, const qn_bench_row *row,
                       int64_t n_tasks, qn_task *task, void *arg)
{
    qn_bench_row *added = &result->row[result->n_rows];
    qn_status st = QN_OK;

    if (result->n_rows == QN_BENCH_ROWS)
        return qn_fail(ctx, QN_EINTERNAL, "a bench has more than %d kernels", QN_BENCH_ROWS);
    *added = *row;
    QN_TRY(qn_time_tasks(ctx, result->options.repeats, n_tasks, task, arg, &added->seconds));
    result->n_rows++;
done:
    return st;
}

qn_bench_shares qn_bench_share(const qn_machine *machine, const qn_bench_row *row)
{
    const double peak = row->is_double ? machine->flops_f64 : machine->flops_f32;
    const double read = row->bytes / machine->read, compute = row->flops / peak;

    return (qn_bench_shares){.read = read / row->seconds.best,
                             .flops = compute / row->seconds.best,
                             .is_memory = read >= compute,
                             .limit = (read >= compute ? read : compute) / row->seconds.best};
}

static void row_json(const qn_machine *machine, const qn_bench_row *row, qn_json *j)
{
    const qn_bench_shares share = qn_bench_share(machine, row);

    qn_json_open(j, NULL, '{');
    qn_json_text(j, "kernel", row->kernel);
    qn_json_real(j, "best_s", row->seconds.best);
    qn_json_real(j, "median_s", row->seconds.median);
    qn_json_real(j, "bytes", row->bytes);
    qn_json_real(j, "bytes_per_s", row->bytes / row->seconds.best);
    qn_json_real(j, "share_of_read", share.read);
    qn_json_real(j, "flops", row->flops);
    qn_json_real(j, "flops_per_s", row->flops / row->seconds.best);
    qn_json_real(j, "share_of_peak", share.flops);
    qn_json_text(j, "precision", row->is_double ? "double" : "float");
    qn_json_text(j, "limit", share.is_memory ? "memory" : "compute");
    qn_json_real(j, "share_of_limit", share.limit);
    qn_json_close(j, '}');
}

void qn_bench_json(const qn_bench_result *result, qn_json *j)
{
    const qn_bench_options *o = &result->options;
    const qn_machine *m = &result->machine;

    qn_json_text(j, "bench", result->name);
    qn_json_text(j, "kernel_set", result->kernel_set);
    qn_json_int(j, "rows", o->rows);
    qn_json_int(j, "features", o->features);
    qn_json_int(j, "k", o->k);
    qn_json_text(j, "precision", o->precision == QN_PRECISION_DOUBLE ? "double" : "float");
    qn_json_int(j, "repeats", o->repeats);
    qn_json_int(j, "data_bytes", result->data_bytes);
    qn_json_open(j, "machine", '{');
    qn_json_int(j, "threads", m->threads);
    qn_json_real(j, "read_bytes_per_s", m->read);
    qn_json_real(j, "flops_per_s_float", m->flops_f32);
    qn_json_real(j, "flops_per_s_double", m->flops_f64);
    qn_json_int(j, "array_bytes", m->array_bytes);
    qn_json_int(j, "cache_bytes", m->cache_bytes);
    qn_json_close(j, '}');
    qn_json_open(j, "kernels", '[');
    for (int32_t i = 0; i < result->n_rows; i++)
        row_json(m, &result->row[i], j);
    qn_json_close(j, ']');
}
