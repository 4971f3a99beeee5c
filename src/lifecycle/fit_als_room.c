#include "lifecycle/fit_als_room.h"

#include <math.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/text.h"
#include "data/parquet.h"
#include "data/rating_sample.h"
#include "data/source_impl.h"
#include "data/triples_columns.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "ml/als/als_bytes.h"

/* Bytes that a worker cannot do without, at the worst moment: the sweeps, or saving. */
static double least_bytes(const qn_context *ctx, const qn_als_params *als,
                          const qn_als_shape *shape, bool saves, qn_als_bytes *bytes)
{
    const qn_als_layout layout = {.workers = qn_size(ctx), .threads = qn_context_threads(ctx)};
    double saving;

    qn_als_bytes_of(ctx, als, shape, &layout, bytes);
    saving = bytes->dictionaries + bytes->factors + (double)QN_PARQUET_RESERVE;
    return saves ? fmax(bytes->fixed, saving) : bytes->fixed;
}

qn_status qn_fit_als_room_of_options(qn_context *ctx, const qn_als_params *als, bool saves)
{
    const qn_als_shape shape = {.rows = {1, 1}, .ratings = 1, .is_coded = true};
    const size_t room = qn_context_room(ctx);
    char text[3][32];
    qn_als_bytes bytes;
    const double need = least_bytes(ctx, als, &shape, saves, &bytes);

    if (need <= (double)room)
        return QN_OK;
    qn_format_bytes(need, text[0]);
    qn_format_bytes((double)room, text[1]);
    qn_format_bytes(bytes.scratch, text[2]);
    if (need > bytes.fixed)
        return qn_fail(ctx, QN_ENOMEM,
                       "writing a model needs %s, whatever the data, and %s are left: raise "
                       "--memory, or leave out --model",
                       text[0], text[1]);
    return qn_fail(ctx, QN_ENOMEM,
                   "rank %d needs %s, whatever the data (scratch of %d threads %s), and "
                   "%s are left: lower --rank or --threads, or raise --memory",
                   als->rank, text[0], (int)qn_context_threads(ctx), text[2], text[1]);
}

/* Share of the ids that training keeps at least. */
static double share_of_ids(const qn_split_spec *split)
{
    return split->kind == QN_SPLIT_RANDOM || split->kind == QN_SPLIT_TEMPORAL
               ? split->train_fraction
           : split->kind == QN_SPLIT_LEAVE_ONE_OUT ? 0.5
                                                   : 1;
}

static double guess_of(const qn_guess *guess, bool least)
{
    return fmax(floor(least ? guess->least : guess->best), 1);
}

static qn_als_shape shape_of(const qn_rating_sample *s, double share, bool least)
{
    return (qn_als_shape){
        .rows = {(int64_t)ceil(share * guess_of(&s->distinct[0], least)),
                 (int64_t)ceil(share * guess_of(&s->distinct[1], least))},
        .ratings = (int64_t)ceil(share * guess_of(&s->ratings, least)),
        .id_bytes = {s->id_bytes[0], s->id_bytes[1]},
        .is_coded = true,
        .is_clustered = s->is_clustered,
    };
}

static qn_status refuse_sample(qn_context *ctx, const qn_als_params *als, const qn_rating_sample *s,
                               double least, double best)
{
    char text[3][32], count[4][32];

    qn_format_bytes(best, text[0]);
    qn_format_bytes(least, text[1]);
    qn_format_bytes((double)qn_context_room(ctx), text[2]);
    qn_format_count((int64_t)s->distinct[0].best, count[0]);
    qn_format_count((int64_t)s->distinct[1].best, count[1]);
    qn_format_count((int64_t)s->ratings.best, count[2]);
    qn_format_count(s->rows, count[3]);
    return qn_fail(ctx, QN_ENOMEM,
                   "rank %d needs about %s, at least %s, and %s are left (an estimate "
                   "from %s sampled rows: %s users, %s items, %s ratings): lower --rank or raise "
                   "--memory; quern plan als shows what takes it",
                   als->rank, text[0], text[1], text[2], count[3], count[0], count[1], count[2]);
}

/* Whether there is nothing to sample: even two ids a rating, of twice as many ratings as the head
 * of the input lets expect, would fit, or it is a pipe, whose rows come once. */
static bool is_small(qn_context *ctx, const qn_source *source, const qn_als_params *als, bool saves)
{
    const qn_als_shape shape = {.rows = {2 * source->n_rows, 2 * source->n_rows},
                                .ratings = 2 * source->n_rows,
                                .is_coded = true};
    qn_als_bytes bytes;

    return source->is_once || (source->n_rows > 0 && least_bytes(ctx, als, &shape, saves, &bytes) <=
                                                         (double)qn_context_room(ctx));
}

qn_status qn_fit_als_room_of_sample(qn_context *ctx, const qn_source *source,
                                    const qn_ratings_options *input, const qn_als_params *als,
                                    const qn_split_spec *split, bool saves)
{
    const double share = share_of_ids(split);
    qn_rating_sample sample;
    qn_als_shape shape;
    qn_als_bytes bytes;
    double least, best;
    qn_status st = QN_OK;

    if (is_small(ctx, source, als, saves))
        return QN_OK;
    st = qn_rating_sample_read(ctx, input, &sample);
    if (st != QN_OK && st != QN_ECANCELLED) { /* what is wrong is told best by who reads all */
        qn_error_clear(ctx);
        return QN_OK;
    }
    QN_TRY(st);
    shape = shape_of(&sample, share, true);
    least = least_bytes(ctx, als, &shape, saves, &bytes);
    shape = shape_of(&sample, 1, false);
    best = least_bytes(ctx, als, &shape, saves, &bytes);
    if (least > (double)qn_context_room(ctx))
        QN_TRY(refuse_sample(ctx, als, &sample, least, best));
    if (best > (double)qn_context_room(ctx))
        qn_emit_warning(ctx,
                        "memory may not suffice: an estimate from %lld sampled rows says that the "
                        "fit needs %.3g MB; it is known once all ids have been read",
                        (long long)sample.rows, best * 1e-6);
done:
    return st;
}

qn_status qn_fit_als_room_of_ids(qn_context *ctx, const qn_als_params *als, const qn_triples *train)
{
    size_t room = qn_context_room(ctx);

    /* Rows that cannot leave memory are gone before the factors come. */
    if (!ctx->scratch_dir)
        room += qn_store_get_stats(train->store).bytes_resident;
    return qn_als_check_room(ctx, als, train->users.n, train->items.n, room);
}
