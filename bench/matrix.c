/* How fast a table becomes a matrix, and where the time goes.
 *     bench_matrix FILE [--threads 0] [--memory 0] [--repeat 3] [other options of a table]
 * Prints one line of JSON: seconds, and seconds of the processors, to read the columns alone, to
 * read and assemble features, and to read the whole matrix, each the best of the repeats; rows,
 * bytes held at the peak, fingerprint. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/text.h"
#include "data/assemble.h"
#include "data/matrix_impl.h"

typedef struct bench {
    qn_context *ctx;
    qn_context_options context;
    qn_matrix_options options;
    const char *path;
    int64_t repeat;
} bench;

/* Of the wall and of all processors together. */
typedef struct seconds {
    double wall, cpu;
} seconds;

static seconds now(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (seconds){qn_seconds(), (double)cpu.tv_sec + (double)cpu.tv_nsec * 1e-9};
}

/* The best so far; 0: nothing yet. */
static void take_since(seconds start, seconds *best)
{
    const seconds end = now();
    const double wall = end.wall - start.wall, cpu = end.cpu - start.cpu;

    best->wall = best->wall > 0 && best->wall < wall ? best->wall : wall;
    best->cpu = best->cpu > 0 && best->cpu < cpu ? best->cpu : cpu;
}

/* One pass over the splits, with as much of the work as is asked for. */
typedef struct pass {
    qn_context *ctx;
    qn_source *source;
    qn_assembler **assembler; /* [threads] */
    bool assembles;
} pass;

static qn_status read_split(void *arg, int64_t split, int32_t thread)
{
    pass *p = arg;
    const qn_column_request *request;
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_assembled rows;
    qn_status st = QN_OK;
    int32_t n = 0;

    request = qn_assembler_requests(p->assembler[thread], &n);
    QN_TRY(qn_source_open_split(p->ctx, p->source, split, request, n, &reader));
    QN_TRY(qn_reader_next(p->ctx, reader, &batch));
    while (batch) {
        if (p->assembles)
            QN_TRY(qn_assemble(p->ctx, p->assembler[thread], batch, &rows));
        QN_TRY(qn_reader_next(p->ctx, reader, &batch));
    }
done:
    qn_reader_close(reader);
    return st;
}

static qn_status time_pass(bench *b, bool assembles, seconds *best)
{
    pass p = {.ctx = b->ctx, .assembles = assembles};
    const seconds start = now();
    qn_context *ctx = b->ctx;
    qn_features features = {0};
    int64_t files = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_matrix_source_open(ctx, &b->options, &files, &p.source));
    QN_TRY(qn_features_find(ctx, p.source, &b->options, QN_CATEGORIES_ONE_HOT, &features));
    QN_NEW0(ctx, p.assembler, qn_context_threads(ctx), "assemblers");
    for (int32_t t = 0; t < qn_context_threads(ctx); t++)
        QN_TRY(qn_assembler_open(ctx, &features, p.source, b->options.precision, features.label,
                                 &p.assembler[t]));
    QN_TRY(qn_parallel(ctx, qn_source_n_splits(p.source), read_split, &p));
    take_since(start, best);
done:
    for (int32_t t = 0; p.assembler && t < qn_context_threads(ctx); t++)
        qn_assembler_free(p.assembler[t]);
    qn_free(p.assembler);
    qn_features_release(&features);
    qn_source_free(p.source);
    return st;
}

static qn_status run(bench *b)
{
    const qn_matrix_use use = {.allow_missing = true};
    seconds columns = {0}, features = {0}, whole = {0};
    char line[640];
    qn_status st = QN_OK;

    for (int64_t i = 0; i < b->repeat; i++) {
        qn_matrix *m = NULL;

        QN_TRY(time_pass(b, false, &columns));
        QN_TRY(time_pass(b, true, &features));
        const seconds start = now();
        QN_TRY(qn_matrix_read(b->ctx, &b->options, &use, &m));
        take_since(start, &whole);
        snprintf(line, sizeof line,
                 "\"rows\":%" PRId64 ",\"features\":%d,\"cells\":%" PRId64
                 ",\"bytes\":%zu,\"peak\":%zu,\"fingerprint\":\"%016" PRIx64 "\"",
                 m->n_rows, m->n_features, m->n_cells, m->bytes, qn_context_peak(b->ctx),
                 m->fingerprint);
        qn_matrix_free(m);
    }
    printf("{\"file\":\"%s\",\"threads\":%d,\"columns_s\":%.3f,\"features_s\":%.3f,"
           "\"matrix_s\":%.3f,\"columns_cpu_s\":%.3f,\"features_cpu_s\":%.3f,"
           "\"matrix_cpu_s\":%.3f,%s}\n",
           b->path, qn_context_threads(b->ctx), columns.wall, features.wall, whole.wall,
           columns.cpu, features.cpu, whole.cpu, line);
done:
    return st;
}

/* Options of the context make it, the others need it. */
static bool take_option(bench *b, const char *name, const char *value)
{
    const qn_param *param;

    if (strcmp(name, "--threads") == 0)
        b->context.threads = atoi(value);
    else if (strcmp(name, "--repeat") == 0)
        b->repeat = atoll(value);
    else if (strcmp(name, "--memory") == 0)
        return qn_parse_bytes(value, &b->context.memory);
    else if (strncmp(name, "--", 2) == 0 && (param = qn_params_find(&qn_matrix_table, name + 2)))
        return !b->ctx || qn_param_set(b->ctx, param, &b->options, value) == QN_OK;
    else
        return false;
    return true;
}

static bool take_options(bench *b, int argc, char **argv)
{
    for (int i = 2; i < argc; i += 2)
        if (i + 1 == argc || !take_option(b, argv[i], argv[i + 1]))
            return false;
    return argc > 1;
}

int main(int argc, char **argv)
{
    bench b = {.repeat = 3};
    qn_status st = QN_EINVAL;

    qn_params_init(&qn_matrix_table, &b.options);
    b.path = argc > 1 ? argv[1] : "";
    b.options.input = (qn_text_list){&b.path, 1};
    if (!take_options(&b, argc, argv) || qn_context_create(&b.context, &b.ctx) != QN_OK ||
        !take_options(&b, argc, argv))
        fprintf(stderr,
                "usage: bench_matrix FILE [--threads N] [--memory BYTES] [--repeat N] [option of a "
                "table and its value ...]\n%s\n",
                qn_context_error(b.ctx));
    else
        st = run(&b);
    if (st != QN_OK && b.ctx)
        fprintf(stderr, "bench_matrix: %s\n", qn_context_error(b.ctx));
    qn_context_free(b.ctx);
    return qn_status_exit_code(st);
}
