/* quern bench: how fast the kernels are, beside what the machine can do. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/show.h"
#include "experiment/bench.h"

static void show_machine(const qn_bench_result *r)
{
    const qn_machine *m = &r->machine;

    printf("machine   %d threads, %s kernels: reads %.1f GB/s, %.0f GFLOP/s float, %.0f double\n",
           (int)m->threads, r->kernel_set, m->read * 1e-9, m->flops_f32 * 1e-9,
           m->flops_f64 * 1e-9);
    printf("data      %s rows x %d features, %s; k %d\n", qn_show_count(r->options.rows).text,
           (int)r->options.features, qn_show_bytes((double)r->data_bytes).text, (int)r->options.k);
    if (r->data_bytes < 2 * m->cache_bytes)
        printf("          they lie in the caches (%s): shares of the read rate mean little; give "
               "more --rows\n",
               qn_show_bytes((double)m->cache_bytes).text);
}

static void show_kernels(const qn_cli *cli, const qn_bench_result *r)
{
    static const char *const header[] = {"kernel",  "best",    "median", "GB/s",    "of read",
                                         "GFLOP/s", "of peak", "limit",  "of limit"};
    qn_text_table rows;

    qn_text_table_init(&rows, "lrrrrrrlr");
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        qn_text_table_add(&rows, header[i]);
    for (int32_t i = 0; i < r->n_rows; i++) {
        const qn_bench_row *row = &r->row[i];
        const qn_bench_shares share = qn_bench_share(&r->machine, row);

        qn_text_table_add(&rows, row->kernel);
        qn_text_table_addf(&rows, "%.2f ms", row->seconds.best * 1e3);
        qn_text_table_addf(&rows, "%.2f ms", row->seconds.median * 1e3);
        qn_text_table_addf(&rows, "%.2f", row->bytes / row->seconds.best * 1e-9);
        qn_text_table_addf(&rows, "%.0f %%", 100 * share.read);
        qn_text_table_addf(&rows, "%.1f", row->flops / row->seconds.best * 1e-9);
        qn_text_table_addf(&rows, "%.0f %%", 100 * share.flops);
        qn_text_table_add(&rows, share.is_memory ? "memory" : "compute");
        qn_text_table_addf(&rows, "%.0f %%", 100 * share.limit);
    }
    qn_text_table_print(&rows, &cli->out, true, "");
    qn_text_table_release(&rows);
}

static qn_status run_bench(qn_cli *cli)
{
    qn_bench_result result;
    const qn_status st = qn_bench_run(cli->ctx, cli->argument[0], cli->values[0], &result);

    if (st == QN_OK && cli->globals->json) {
        qn_json j = {0};

        qn_json_open(&j, NULL, '{');
        qn_bench_json(&result, &j);
        qn_json_close(&j, '}');
        puts(qn_string_text(&j.out));
        qn_json_release(&j);
    } else if (st == QN_OK) {
        show_machine(&result);
        show_kernels(cli, &result);
    }
    return st;
}

const qn_command qn_cmd_bench = {
    .name = "bench",
    .help = "Time an algorithm's kernels on made-up rows, beside what this machine can do",
    .arguments = "NAME",
    .min_arguments = 1,
    .max_arguments = 1,
    .table = {&qn_bench_table},
    .usage = "[--rows N] [--features D] [--k K]",
    .notes =
        "NAME is an algorithm: kmeans. The machine's read rate (all threads, an array larger than "
        "the caches) and its peak of multiply-adds in the kernel set in use are measured first. "
        "Work is useful work: rows are read once, and only the products and sums of the formula "
        "count. The limit is the one that would take longer; the last column says which part of "
        "the best pass it would take. Nothing else should run meanwhile.",
    .examples = "  quern bench kmeans --rows 5000000 --features 18 --k 8\n",
    .run = run_bench,
};
