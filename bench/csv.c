/* How fast a table of numbers is read from text: every column as float (or double), no row kept.
 *     bench_csv FILE [--threads 0] [--memory 0] [--repeat 3] [--double] [--lenient] [--libsvm]
 * Prints one line of JSON: seconds to open and to read (of the best and the median run), MB/s, time
 * of processors in all and per number, and a sum over the values, which no way of reading may
 * change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "quern/source.h"

#define MAX_REPEAT 100

typedef struct bench {
    qn_context_options context;
    const char *path;
    qn_type type;
    bool lenient;
    int32_t format;
    int64_t repeat;
} bench;

/* What one reading found. */
typedef struct reading {
    qn_context *ctx;
    qn_source *source;
    qn_column_request *request;
    int32_t n_columns;
    int64_t *rows, *missing, *rejects; /* [n_splits] */
    uint64_t *sum;                     /* [n_splits] of the values' bits: in any order the same */
} reading;

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t sum_of(const qn_column *c, int64_t n)
{
    const uint32_t *floats = c->data;
    const uint64_t *doubles = c->data;
    uint64_t sum = 0;

    if (c->type == QN_FLOAT) {
        for (int64_t i = 0; i < n; i++)
            sum += floats[i];
    } else if (c->type == QN_DOUBLE) {
        for (int64_t i = 0; i < n; i++)
            sum += doubles[i];
    } else {
        for (uint32_t i = c->offsets[0]; i < c->offsets[n]; i++)
            sum += doubles[i];
    }
    return sum;
}

static qn_status read_split(void *arg, int64_t split, int32_t thread)
{
    const reading *job = arg;
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    (void)thread;
    QN_TRY(
        qn_source_open_split(job->ctx, job->source, split, job->request, job->n_columns, &reader));
    for (;;) {
        QN_TRY(qn_reader_next(job->ctx, reader, &batch));
        if (!batch)
            break;
        job->rows[split] += batch->n_rows;
        for (int32_t c = 0; c < batch->n_columns; c++) {
            const qn_column *column = &batch->columns[c];

            job->sum[split] += sum_of(column, batch->n_rows);
            for (int64_t i = 0; column->validity && i < batch->n_rows; i++)
                job->missing[split] += !qn_is_valid(column, i);
        }
    }
    job->rejects[split] = qn_reader_rejects(reader)->total;
done:
    qn_reader_close(reader);
    return st;
}

static void reading_release(reading *job)
{
    qn_free(job->request);
    qn_free(job->rows);
    qn_free(job->missing);
    qn_free(job->rejects);
    qn_free(job->sum);
    qn_source_free(job->source);
}

/* Opens and reads; seconds of both. */
static qn_status read_file(qn_context *ctx, const bench *b, reading *job, double *open_s,
                           double *read_s)
{
    const qn_source_options options = {
        .path = &b->path, .n_paths = 1, .header = -1, .format = (qn_format)b->format};
    const double start = now(CLOCK_MONOTONIC);
    qn_status st = QN_OK;

    *job = (reading){.ctx = ctx};
    QN_TRY(qn_source_open(ctx, &options, &job->source));
    *open_s = now(CLOCK_MONOTONIC) - start;
    const int64_t n_splits = qn_source_n_splits(job->source);
    const qn_schema *schema = qn_source_schema(job->source);
    QN_NEW0(ctx, job->request, schema->n_fields, "columns");
    QN_NEW0(ctx, job->rows, n_splits, "rows of splits");
    QN_NEW0(ctx, job->missing, n_splits, "missing values of splits");
    QN_NEW0(ctx, job->rejects, n_splits, "rejects of splits");
    QN_NEW0(ctx, job->sum, n_splits, "sums of splits");
    job->n_columns = schema->n_fields;
    for (int32_t f = 0; f < schema->n_fields; f++) {
        const bool is_list = schema->field[f].type >= QN_FLOAT_LIST;

        job->request[f] = (qn_column_request){f, is_list ? schema->field[f].type : b->type,
                                              !is_list, 0.0, b->lenient};
    }
    QN_TRY(qn_parallel(ctx, n_splits, read_split, job));
    *read_s = now(CLOCK_MONOTONIC) - start - *open_s;
done:
    return st;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_figures(const qn_context *ctx, const bench *b, const reading *job,
                          const double *total, double open_s, double read_s, double cpu_s)
{
    const double mb = (double)qn_source_bytes(job->source) / 1e6;
    const int32_t threads = qn_context_threads(ctx);
    int64_t rows = 0, missing = 0, rejects = 0;
    uint64_t sum = 0;

    for (int64_t s = 0; s < qn_source_n_splits(job->source); s++) {
        rows += job->rows[s];
        missing += job->missing[s];
        rejects += job->rejects[s];
        sum += job->sum[s];
    }
    const double numbers = (double)rows * job->n_columns;
    printf("{\"system\": \"quern\", \"rows\": %lld, \"columns\": %d, \"missing\": %lld, "
           "\"rejects\": %lld, \"sum\": \"%016llx\", \"threads\": %d, \"open_s\": %.4f, "
           "\"read_s\": %.4f, \"load_s\": %.4f, \"load_median_s\": %.4f, \"mb_per_s\": %.1f, "
           "\"cpu_s\": %.4f, \"cpu_ns_per_number\": %.2f}\n",
           (long long)rows, job->n_columns, (long long)missing, (long long)rejects,
           (unsigned long long)sum, threads, open_s, read_s, total[0], total[b->repeat / 2],
           mb / total[0], cpu_s, cpu_s * 1e9 / numbers);
}

static qn_status run(qn_context *ctx, const bench *b)
{
    double total[MAX_REPEAT], best_open = 0, best_read = 1e300, cpu = 1e300;
    reading job = {0};
    qn_status st = QN_OK;

    for (int64_t i = 0; i < b->repeat; i++) {
        const double start = now(CLOCK_PROCESS_CPUTIME_ID);
        double open_s, read_s;

        reading_release(&job);
        QN_TRY(read_file(ctx, b, &job, &open_s, &read_s));
        total[i] = open_s + read_s;
        const double used = now(CLOCK_PROCESS_CPUTIME_ID) - start;
        cpu = used < cpu ? used : cpu;
        if (total[i] < best_open + best_read) {
            best_open = open_s;
            best_read = read_s;
        }
    }
    qsort(total, (size_t)b->repeat, sizeof *total, compare_doubles);
    print_figures(ctx, b, &job, total, best_open, best_read, cpu);
done:
    reading_release(&job);
    return st;
}

static bool parse(int argc, char **argv, bench *b)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];

        if (strcmp(name, "--double") == 0)
            b->type = QN_DOUBLE;
        else if (strcmp(name, "--lenient") == 0)
            b->lenient = true;
        else if (strcmp(name, "--libsvm") == 0)
            b->format = QN_FORMAT_LIBSVM;
        else if (strncmp(name, "--", 2) != 0)
            b->path = name;
        else if (i + 1 == argc)
            return false;
        else if (strcmp(name, "--threads") == 0)
            b->context.threads = (int32_t)strtol(argv[++i], NULL, 10);
        else if (strcmp(name, "--memory") == 0)
            b->context.memory = (size_t)strtoull(argv[++i], NULL, 10);
        else if (strcmp(name, "--repeat") == 0)
            b->repeat = strtoll(argv[++i], NULL, 10);
        else
            return false;
    }
    return b->path && b->repeat > 0 && b->repeat <= MAX_REPEAT;
}

int main(int argc, char **argv)
{
    bench b = {.type = QN_FLOAT, .repeat = 3};
    qn_context *ctx = NULL;

    if (!parse(argc, argv, &b)) {
        fprintf(stderr,
                "usage: %s FILE [--threads N] [--memory BYTES] [--repeat N] [--double] "
                "[--lenient] [--libsvm]\n",
                argv[0]);
        return 2;
    }
    if (qn_context_create(&b.context, &ctx) != QN_OK)
        return 1;
    const qn_status st = run(ctx, &b);
    if (st != QN_OK)
        fprintf(stderr, "%s\n", qn_context_error(ctx));
    qn_context_free(ctx);
    return st == QN_OK ? 0 : 1;
}
