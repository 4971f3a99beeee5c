#include "experiment/plan_als.h"

#include <math.h>

#include "base/context.h"
#include "base/system.h"
#include "data/parquet.h"
#include "data/triples.h"
#include "engine/comm_module.h"

#define PLAN .group = "Plan"

static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_plan_options, input, NULL, "FILE",
                    "ratings that will be fitted; a part of them is read", PLAN),
    QN_PARAM(qn_plan_options, users, 0, 0, 4e9, "distinct users, in place of --input",
             .metavar = "N", PLAN),
    QN_PARAM(qn_plan_options, items, 0, 0, 4e9, "distinct items, in place of --input",
             .metavar = "N", PLAN),
    QN_PARAM(qn_plan_options, ratings, 0, 0, 1e15, "ratings to train on, in place of --input",
             .metavar = "N", PLAN),
    QN_PARAM(qn_plan_options, workers, 1, 1, QN_MAX_RANKS, "worker processes", .metavar = "N",
             .aliases = "num_executors", PLAN),
    QN_PARAM(qn_plan_options, memory, 0, 0, 9e18,
             "most memory that a worker holds, such as 512m or 4g; 0: 80 % of what this machine "
             "has, shared by the workers",
             .metavar = "BYTES", .aliases = "driver_memory executor_memory", PLAN),
};
const qn_params qn_plan_table = {
    "plan", rows_of_table, sizeof rows_of_table / sizeof *rows_of_table, sizeof(qn_plan_options)};

/* Ratings that are trained on, of those that the input holds. */
static qn_status training_share(qn_context *ctx, const char *split, double users, double ratings,
                                double *share)
{
    qn_split_spec spec;
    qn_status st = QN_OK;

    *share = 1;
    if (!split)
        return QN_OK;
    QN_TRY(qn_split_parse(ctx, split, 0, &spec));
    if (spec.kind == QN_SPLIT_LEAVE_ONE_OUT)
        *share = fmax(1 - users / ratings, 0);
    else
        *share = spec.train_fraction;
done:
    return st;
}

static int64_t whole(double number)
{
    return number > 1 ? (int64_t)llround(number) : 1;
}

static double of_guess(const qn_guess *guess, int which)
{
    return which < 0 ? guess->least : which > 0 ? guess->most : guess->best;
}

/* The shape at the estimate (0), at its least (-1) and at its most (1). */
static qn_als_shape shape_of(const qn_rating_sample *s, double share, int which)
{
    return (qn_als_shape){
        .rows = {whole(of_guess(&s->distinct[0], which)), whole(of_guess(&s->distinct[1], which))},
        .ratings = whole(share * of_guess(&s->ratings, which)),
        .id_bytes = {s->id_bytes[0], s->id_bytes[1]},
        .is_coded = s->is_coded,
        .is_clustered = s->is_clustered,
    };
}

static void give_shape(const qn_plan_options *o, qn_rating_sample *s)
{
    const double rows[2] = {(double)o->users, (double)o->items};
    const double ratings = (double)o->ratings;

    *s = (qn_rating_sample){.ratings = {ratings, ratings, ratings}, .share = 1, .is_coded = true};
    for (int32_t side = 0; side < 2; side++)
        s->distinct[side] = (qn_guess){rows[side], rows[side], rows[side]};
}

static qn_status look(qn_context *ctx, const qn_plan_options *o, const qn_ratings_options *ratings,
                      qn_rating_sample *sample)
{
    const bool any = o->users > 0 || o->items > 0 || o->ratings > 0;
    const bool all = o->users > 0 && o->items > 0 && o->ratings > 0;
    qn_ratings_options options = *ratings;

    if (o->input.n > 0 && any)
        return qn_fail(ctx, QN_EINVAL,
                       "--input and --users, --items, --ratings exclude each other: one tells what "
                       "the others do");
    if (o->input.n == 0 && !all)
        return qn_fail(ctx, QN_EINVAL, "missing: --input FILE, or --users, --items and --ratings");
    if (o->input.n == 0) {
        give_shape(o, sample);
        return QN_OK;
    }
    options.input = o->input;
    return qn_rating_sample_read(ctx, &options, sample);
}

static void lay_out(const qn_plan_options *o, const qn_ratings_options *ratings, bool saves,
                    int32_t threads, qn_plan_result *r)
{
    qn_system system;
    int32_t share;

    qn_system_read(&system);
    share = system.cores_usable / o->workers;
    r->cores = system.cores_usable;
    r->reserve_duckdb = saves || r->sample.is_parquet ? QN_PARQUET_RESERVE : 0;
    r->reserve_mpi = o->workers > 1 ? qn_comm_reserve("openmpi", o->workers) : 0;
    r->layout = (qn_als_layout){
        .workers = o->workers,
        .threads = threads > 0 ? threads
                   : share > 0 ? share
                               : 1,
        .partitions = ratings->partitions,
        .memory =
            o->memory > 0 ? o->memory : qn_system_default_budget(&system) / (size_t)o->workers,
        .reserve = r->reserve_duckdb + r->reserve_mpi,
    };
}

static const char *warning_of(const qn_plan_result *r)
{
    const int32_t workers = r->layout.workers;

    if (r->best.least > (double)r->layout.memory)
        return "this does not fit: what cannot leave memory is more than a worker may hold. Lower "
               "--rank, or raise --memory";
    if (r->best.busy[QN_SIDE_USER] < workers || r->best.busy[QN_SIDE_ITEM] < workers)
        return r->shape.ratings / workers < ((int64_t)1 << 18) || r->layout.partitions > 0
                   ? "some workers own no rows of a side and wait while it is solved: fewer "
                     "workers do as well"
                   : "some workers own no rows of a side and wait while it is solved: more "
                     "--partitions help while there are cells of 4,096 rows to cut";
    return NULL;
}

qn_status qn_plan_als(qn_context *ctx, const qn_plan_options *options,
                      const qn_ratings_options *ratings, const qn_als_params *als,
                      const char *split, bool saves, int32_t threads, qn_plan_result *result)
{
    qn_plan_result *r = result;
    qn_als_shape shape;
    double share = 1;
    qn_status st = QN_OK;

    *r = (qn_plan_result){.max_iter = als->max_iter};
    QN_TRY(qn_params_check(ctx, &qn_plan_table, options));
    QN_TRY(qn_params_check(ctx, &qn_als_table, als));
    QN_TRY(look(ctx, options, ratings, &r->sample));
    if (options->input.n > 0)
        QN_TRY(
            training_share(ctx, split, r->sample.distinct[0].best, r->sample.ratings.best, &share));
    lay_out(options, ratings, saves, threads, r);
    r->shape = shape_of(&r->sample, share, 0);
    qn_als_bytes_of(ctx, als, &r->shape, &r->layout, &r->best);
    shape = shape_of(&r->sample, share, -1);
    qn_als_bytes_of(ctx, als, &shape, &r->layout, &r->least);
    r->fast = qn_als_seconds_of(als, &shape, &r->layout, &r->least);
    shape = shape_of(&r->sample, share, 1);
    qn_als_bytes_of(ctx, als, &shape, &r->layout, &r->most);
    r->slow = qn_als_seconds_of(als, &shape, &r->layout, &r->most);
    r->warning = warning_of(r);
done:
    return st;
}

/* ---- JSON ---- */

static void json_guess(qn_json *j, const char *key, double best, double least, double most)
{
    qn_json_open(j, key, '{');
    qn_json_int(j, "estimate", llround(best));
    qn_json_int(j, "least", llround(least));
    qn_json_int(j, "most", llround(most));
    qn_json_close(j, '}');
}

#define BYTES(key, field) json_guess(j, key, r->best.field, r->least.field, r->most.field)

static void json_worker(const qn_plan_result *r, qn_json *j)
{
    qn_json_open(j, "worker_bytes", '{');
    BYTES("ratings", data);
    BYTES("dictionaries", dictionaries);
    BYTES("factors", factors);
    BYTES("scratch", scratch);
    BYTES("other", rest);
    BYTES("exchange", exchange);
    qn_json_int(j, "reserve_duckdb", (int64_t)r->reserve_duckdb);
    qn_json_int(j, "reserve_mpi", (int64_t)r->reserve_mpi);
    BYTES("fixed", fixed);
    BYTES("held", held);
    BYTES("least_memory", least);
    BYTES("spilled", spilled);
    BYTES("scratch_disk", scratch_disk);
    qn_json_close(j, '}');
}

static void json_moved(const qn_plan_result *r, qn_json *j)
{
    qn_json_open(j, "moved_bytes", '{');
    BYTES("load_ids", load_ids_all);
    BYTES("load_degrees", load_degrees_all);
    BYTES("load_ratings", load_ratings_all);
    BYTES("start", start_all);
    BYTES("items_allgather", half_all[QN_SIDE_ITEM]);
    BYTES("items_needed_rows", needed_all[QN_SIDE_ITEM]);
    BYTES("users_allgather", half_all[QN_SIDE_USER]);
    BYTES("users_needed_rows", needed_all[QN_SIDE_USER]);
    BYTES("lists", lists_all);
    BYTES("iteration", iteration_all);
    BYTES("fit", fit_all);
    qn_json_close(j, '}');
    qn_json_open(j, "exchange", '{'); /* in all iterations but the last */
    qn_json_text(j, "items", als_exchange_name(r->best.by_need[QN_SIDE_ITEM]));
    qn_json_text(j, "users", als_exchange_name(r->best.by_need[QN_SIDE_USER]));
    qn_json_close(j, '}');
}

static void json_rate(qn_json *j, const char *key, double least, double most)
{
    qn_json_open(j, key, '{');
    qn_json_real(j, "least", least);
    qn_json_real(j, "most", most);
    qn_json_close(j, '}');
}

#define SECONDS(key, field) json_rate(j, key, r->fast.field.least, r->slow.field.most)

static void json_seconds(const qn_plan_result *r, qn_json *j)
{
    qn_json_open(j, "iteration_seconds", '{');
    SECONDS("solve", solve);
    SECONDS("receive", receive);
    SECONDS("read", read);
    SECONDS("all", iteration);
    qn_json_open(j, "taking", '{');
    json_rate(j, "flops_of_a_thread", ALS_FLOPS_LEAST, ALS_FLOPS_MOST);
    json_rate(j, "bytes_received_a_second", ALS_RECEIVED_LEAST, ALS_RECEIVED_MOST);
    json_rate(j, "bytes_read_a_second", ALS_READ_LEAST, ALS_READ_MOST);
    qn_json_close(j, '}');
    qn_json_close(j, '}');
}

void qn_plan_json(const qn_plan_result *r, qn_json *j)
{
    const qn_rating_sample *s = &r->sample;

    qn_json_open(j, "shape", '{');
    json_guess(j, "users", s->distinct[0].best, s->distinct[0].least, s->distinct[0].most);
    json_guess(j, "items", s->distinct[1].best, s->distinct[1].least, s->distinct[1].most);
    json_guess(j, "ratings", s->ratings.best, s->ratings.least, s->ratings.most);
    qn_json_int(j, "train_ratings", r->shape.ratings);
    qn_json_bool(j, "is_estimate", s->share < 1);
    qn_json_int(j, "rows_sampled", s->rows);
    qn_json_bool(j, "coded", s->is_coded);
    qn_json_close(j, '}');
    qn_json_open(j, "layout", '{');
    qn_json_int(j, "workers", r->layout.workers);
    qn_json_int(j, "threads", r->layout.threads);
    qn_json_int(j, "partitions", r->layout.partitions);
    qn_json_int(j, "memory", (int64_t)r->layout.memory);
    qn_json_int(j, "workers_with_users", r->best.busy[QN_SIDE_USER]);
    qn_json_int(j, "workers_with_items", r->best.busy[QN_SIDE_ITEM]);
    qn_json_close(j, '}');
    qn_json_open(j, "data_bytes", '{');
    BYTES("by_user", data_all[QN_SIDE_USER]);
    BYTES("by_item", data_all[QN_SIDE_ITEM]);
    qn_json_close(j, '}');
    json_worker(r, j);
    json_moved(r, j);
    qn_json_int(j, "received_bytes_an_iteration", llround(r->best.received));
    json_seconds(r, j);
    qn_json_open(j, "checkpoint_bytes", '{');
    BYTES("one", checkpoint);
    qn_json_close(j, '}');
    qn_json_bool(j, "fits", r->best.least <= (double)r->layout.memory);
    qn_json_text(j, "warning", r->warning);
}
