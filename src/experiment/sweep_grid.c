/* The options of a sweep and the points that they mean. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/comm.h"
#include "experiment/sweep_impl.h"
#include "quern/ratings.h"

#define SWEEP .group = "Sweep"

static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_sweep_options, workers, NULL, "N,N", "worker processes of each point",
                    .aliases = "num_executors", SWEEP),
    QN_PARAM_STRING(qn_sweep_options, partitions, NULL, "N,N",
                    "partitions of each point, 0: by size", .aliases = "parts num_partitions",
                    SWEEP),
    QN_PARAM_STRING(qn_sweep_options, memory, NULL, "BYTES,BYTES",
                    "most memory that a worker of each point holds, such as 512m,2g",
                    .aliases = "driver_memory executor_memory", SWEEP),
    QN_PARAM_STRING(qn_sweep_options, pairs, NULL, "W:P,W:P",
                    "workers and partitions that belong together, such as 1:4,2:8,5:20, in place "
                    "of --workers and --partitions",
                    SWEEP),
    QN_PARAM_STRING(qn_sweep_options, hosts, NULL, "HOST[:N],...",
                    "machines to work on, each with the number of workers there; a point of n "
                    "workers takes the first n places",
                    SWEEP),
    QN_PARAM(qn_sweep_options, repeats, 3, 1, 1000, "runs of each point", SWEEP),
    QN_PARAM(qn_sweep_options, order_seed, 1, INT64_MIN, INT64_MAX,
             "seed of the order in which the runs are made", SWEEP),
    QN_PARAM(qn_sweep_options, timeout, 86400, 0, 1e9,
             "seconds after which a run is ended and counts as failed, 0: never",
             .metavar = "SECONDS", SWEEP),
    QN_PARAM_STRING(qn_sweep_options, out, NULL, "DIR",
                    "folder that keeps every run and the table; that of the run record if not "
                    "given",
                    SWEEP),
    QN_PARAM_FLAG(qn_sweep_options, resume, "go on with the sweep in --out: what is there stays",
                  SWEEP),
};
const qn_params qn_sweep_table = {
    "sweep", rows_of_table, sizeof rows_of_table / sizeof *rows_of_table, sizeof(qn_sweep_options)};

/* The next of the values with commas between them in a list of texts; false at the end. */
typedef struct value_reader {
    const qn_text_list *list;
    int64_t item;
    const char *rest; /* of the item, NULL: not begun */
} value_reader;

static bool next_value(value_reader *r, char *value, size_t size)
{
    size_t length;

    if (!r->rest || !*r->rest) {
        if (r->item >= r->list->n)
            return false;
        r->rest = r->list->item[r->item++];
    }
    length = strcspn(r->rest, ",");
    snprintf(value, size, "%.*s", (int)(length < size ? length : size - 1), r->rest);
    r->rest += length + (r->rest[length] == ',');
    return true;
}

static qn_status parse_workers(qn_context *ctx, const char *option, const char *text, int32_t *out)
{
    int64_t value;

    if (!qn_parse_int64(text, strlen(text), &value) || value < 1 || value > QN_MAX_RANKS)
        return qn_fail(ctx, QN_EINVAL, "%s: \"%s\" is no number of workers from 1 to %d", option,
                       text, QN_MAX_RANKS);
    *out = (int32_t)value;
    return QN_OK;
}

static qn_status parse_partitions(qn_context *ctx, const char *text, int32_t *out)
{
    qn_ratings_options values = {0};
    const qn_status st =
        qn_param_set(ctx, qn_params_find(&qn_ratings_table, "partitions"), &values, text);

    *out = values.partitions;
    return st;
}

/* The text stays as it was given: it is what the runs are given, and part of the point's name. */
static qn_status parse_memory(qn_context *ctx, const char *text, qn_sweep_point *point)
{
    size_t bytes;

    if (!qn_parse_bytes(text, &bytes) || bytes == 0 || strlen(text) >= sizeof point->memory)
        return qn_fail(ctx, QN_EINVAL, "--memory: \"%s\" is no size such as 512m or 2g", text);
    snprintf(point->memory, sizeof point->memory, "%.*s", (int)sizeof point->memory - 1, text);
    return QN_OK;
}

static qn_status parse_pair(qn_context *ctx, const char *text, qn_sweep_point *point)
{
    const char *colon = strchr(text, ':');
    char workers[32];
    qn_status st = QN_OK;

    if (!colon || (size_t)(colon - text) >= sizeof workers)
        return qn_fail(ctx, QN_EINVAL, "--pairs: \"%s\" is not workers:partitions, such as 2:8",
                       text);
    snprintf(workers, sizeof workers, "%.*s", (int)(colon - text), text);
    QN_TRY(parse_workers(ctx, "--pairs", workers, &point->workers));
    QN_TRY(parse_partitions(ctx, colon + 1, &point->partitions));
done:
    return st;
}

/* Points as they grow. */
typedef struct grid {
    qn_context *ctx;
    const qn_sweep_options *options;
    qn_sweep_point *point;
    int64_t n, capacity;
} grid;

static qn_status add_point(grid *g, qn_sweep_point point)
{
    qn_status st = QN_OK;
    size_t at;

    at = (size_t)snprintf(point.name, sizeof point.name, "w%d", (int)point.workers);
    if (point.partitions > 0)
        at += (size_t)snprintf(point.name + at, sizeof point.name - at, "-p%d",
                               (int)point.partitions);
    if (point.memory[0])
        snprintf(point.name + at, sizeof point.name - at, "-m%s", point.memory);
    for (int64_t i = 0; i < g->n; i++)
        if (strcmp(g->point[i].name, point.name) == 0)
            return qn_fail(g->ctx, QN_EINVAL,
                           "the point of %d workers, %d partitions, memory %s stands twice in the "
                           "grid: use --repeats to measure points several times",
                           (int)point.workers, (int)point.partitions,
                           point.memory[0] ? point.memory : "as is");
    if (g->n >= QN_SWEEP_RUNS / g->options->repeats)
        return qn_fail(g->ctx, QN_EINVAL, "the grid means more than %d runs", QN_SWEEP_RUNS);
    if (g->n == g->capacity) {
        g->capacity = g->capacity * 2 + 16;
        QN_GROW(g->ctx, g->point, g->capacity, "points of a sweep");
    }
    g->point[g->n++] = point;
done:
    return st;
}

static qn_status add_memories(grid *g, qn_sweep_point point)
{
    value_reader r = {.list = &g->options->memory};
    char value[64];
    qn_status st = QN_OK;

    if (r.list->n == 0)
        return add_point(g, point);
    while (next_value(&r, value, sizeof value)) {
        QN_TRY(parse_memory(g->ctx, value, &point));
        QN_TRY(add_point(g, point));
    }
done:
    return st;
}

static qn_status add_partitions(grid *g, qn_sweep_point point)
{
    value_reader r = {.list = &g->options->partitions};
    char value[64];
    qn_status st = QN_OK;

    if (r.list->n == 0)
        return add_memories(g, point);
    while (next_value(&r, value, sizeof value)) {
        QN_TRY(parse_partitions(g->ctx, value, &point.partitions));
        QN_TRY(add_memories(g, point));
    }
done:
    return st;
}

static qn_status add_workers(grid *g)
{
    value_reader r = {.list = &g->options->workers};
    qn_sweep_point point = {.workers = 1};
    char value[64];
    qn_status st = QN_OK;

    if (r.list->n == 0)
        return add_partitions(g, point);
    while (next_value(&r, value, sizeof value)) {
        QN_TRY(parse_workers(g->ctx, "--workers", value, &point.workers));
        QN_TRY(add_partitions(g, point));
    }
done:
    return st;
}

static qn_status add_pairs(grid *g)
{
    value_reader r = {.list = &g->options->pairs};
    qn_sweep_point point = {0};
    char value[64];
    qn_status st = QN_OK;

    if (g->options->workers.n > 0 || g->options->partitions.n > 0)
        return qn_fail(g->ctx, QN_EINVAL,
                       "--pairs stands in place of --workers and --partitions: give one or the "
                       "others");
    while (next_value(&r, value, sizeof value)) {
        QN_TRY(parse_pair(g->ctx, value, &point));
        QN_TRY(add_memories(g, point));
    }
done:
    return st;
}

qn_status sweep_points(qn_context *ctx, const qn_sweep_options *options, qn_sweep_point **points,
                       int64_t *n)
{
    grid g = {.ctx = ctx, .options = options};
    qn_status st = QN_OK;

    *points = NULL;
    *n = 0;
    QN_TRY(qn_params_check(ctx, &qn_sweep_table, options));
    QN_TRY(options->pairs.n > 0 ? add_pairs(&g) : add_workers(&g));
    *points = g.point;
    *n = g.n;
    g.point = NULL;
done:
    qn_free(g.point);
    return st;
}

qn_status qn_sweep_most_workers(qn_context *ctx, const qn_sweep_options *options, int32_t *most)
{
    qn_sweep_point *point = NULL;
    int64_t n = 0;
    const qn_status st = sweep_points(ctx, options, &point, &n);

    *most = 1;
    for (int64_t i = 0; i < n; i++)
        *most = point[i].workers > *most ? point[i].workers : *most;
    qn_free(point);
    return st;
}

bool sweep_hosts(const char *hosts, int32_t workers, qn_string *out)
{
    qn_string_clear(out);
    while (*hosts && workers > 0) {
        const size_t length = strcspn(hosts, ",");
        const size_t name = strcspn(hosts, ":,");
        int64_t places = 1;

        if (name < length &&
            (!qn_parse_int64(hosts + name + 1, length - name - 1, &places) || places < 1))
            return false;
        places = places < workers ? places : workers;
        qn_string_addf(out, "%s%.*s:%d", out->length > 0 ? "," : "", (int)name, hosts, (int)places);
        workers -= (int32_t)places;
        hosts += length + (hosts[length] == ',');
    }
    return workers == 0;
}

void sweep_order(int64_t seed, int64_t n_points, int32_t repeats, int64_t *order)
{
    for (int32_t repeat = 0; repeat < repeats; repeat++) {
        int64_t *round = order + repeat * n_points;

        for (int64_t i = 0; i < n_points; i++)
            round[i] = i * repeats + repeat;
        for (int64_t i = n_points - 1; i > 0; i--) {
            const qn_random random =
                qn_philox(seed, QN_STREAM_SWEEP, (uint64_t)repeat, (uint64_t)i);
            const int64_t j = (int64_t)(qn_uniform(&random, 0) * (double)(i + 1));
            const int64_t held = round[i];

            round[i] = round[j];
            round[j] = held;
        }
    }
}
