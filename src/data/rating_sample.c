/* How many ratings, users and items an input holds, from a part of it. Runs of rows are read here
 * and there; an id that turns up in one run alone stands for others that were not met, as in counts
 * of species (Chao and Lin 2012, sampling without replacement). */
#include "data/rating_sample.h"

#include <math.h>
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"
#include "data/triples_columns.h"

#define UNITS      24                  /* runs that are read */
#define UNIT_ROWS  ((int64_t)1 << 17)  /* of each, at most */
#define TEXT_SPLIT ((size_t)512 << 10) /* a run of a text file */
#define MAX_VALUES 256

/* An id that was met. */
typedef struct met {
    uint64_t key;  /* never 0 */
    int32_t units; /* in which it was met; 0: free */
    int32_t last;  /* of them */
} met;

typedef struct met_set {
    met *slot; /* [n_slots], a power of two */
    int64_t n_slots, n;
    double bytes; /* of texts */
} met_set;

typedef struct sampler {
    qn_context *ctx;
    qn_rating_columns columns;
    met_set side[2];
    float value[MAX_VALUES];
    int32_t n_values; /* MAX_VALUES + 1: too many to code */
    int64_t rows;     /* so far */
    int32_t unit;
} sampler;

static qn_status met_grow(qn_context *ctx, met_set *set)
{
    const met_set old = *set;
    qn_status st = QN_OK;

    set->slot = NULL;
    set->n_slots = old.n_slots > 0 ? 2 * old.n_slots : 4096;
    QN_NEW0(ctx, set->slot, set->n_slots, "ids of a sample");
    for (int64_t i = 0; i < old.n_slots; i++) {
        uint64_t at = old.slot[i].key & (uint64_t)(set->n_slots - 1);

        if (old.slot[i].units == 0)
            continue;
        while (set->slot[at].units)
            at = (at + 1) & (uint64_t)(set->n_slots - 1);
        set->slot[at] = old.slot[i];
    }
done:
    qn_free(old.slot);
    return st;
}

static qn_status met_add(qn_context *ctx, met_set *set, const void *id, size_t length, int32_t unit)
{
    const uint64_t key = XXH3_64bits(id, length) | 1;
    qn_status st = QN_OK;
    met *slot;
    uint64_t at;

    if (2 * set->n >= set->n_slots)
        QN_TRY(met_grow(ctx, set));
    for (at = key & (uint64_t)(set->n_slots - 1);; at = (at + 1) & (uint64_t)(set->n_slots - 1)) {
        slot = &set->slot[at];
        if (slot->units == 0 || slot->key == key)
            break;
    }
    if (slot->units == 0) {
        *slot = (met){key, 0, -1};
        set->n++;
        set->bytes += (double)length;
    }
    slot->units += slot->last != unit;
    slot->last = unit;
done:
    return st;
}

static qn_status take_ids(sampler *s, int32_t side, const qn_column *column, int64_t n)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        if (column->type == QN_TEXT) {
            QN_TRY(met_add(s->ctx, &s->side[side], (const char *)column->data + column->offsets[i],
                           column->offsets[i + 1] - column->offsets[i], s->unit));
        } else {
            const int64_t id = column->type == QN_INT32 ? ((const int32_t *)column->data)[i]
                                                        : ((const int64_t *)column->data)[i];

            QN_TRY(met_add(s->ctx, &s->side[side], &id, sizeof id, s->unit));
        }
    }
done:
    return st;
}

static void take_values(sampler *s, const qn_column *column, int64_t n)
{
    for (int64_t i = 0; i < n && s->n_values <= MAX_VALUES; i++) {
        const float value = (float)((const double *)column->data)[i];
        int32_t at = 0;

        while (at < s->n_values && s->value[at] != value)
            at++;
        if (at < s->n_values)
            continue;
        if (at < MAX_VALUES)
            s->value[at] = value;
        s->n_values++;
    }
}

/* The head of a split. *whole: it ended within. */
static qn_status read_unit(sampler *s, qn_source *source, int64_t split, int64_t *rows, bool *whole)
{
    qn_context *ctx = s->ctx;
    qn_reader *reader = NULL;
    const qn_batch *batch = NULL;
    qn_status st = QN_OK;

    *rows = 0;
    QN_TRY(qn_source_open_split(ctx, source, split, s->columns.request, s->columns.n, &reader));
    for (;;) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        *whole = !batch;
        if (!batch || *rows >= UNIT_ROWS)
            break;
        for (int32_t side = 0; side < 2; side++)
            QN_TRY(take_ids(s, side, &batch->columns[side], batch->n_rows));
        if (s->columns.rating >= 0)
            take_values(s, &batch->columns[s->columns.rating], batch->n_rows);
        *rows += batch->n_rows;
    }
    s->rows += *rows;
    s->unit++;
done:
    qn_reader_close(reader);
    return st;
}

/* ---- from what was met to what there is ---- */

/* What was not met is a lower bound by its formula, so the range reaches further up than down. */
static qn_guess guess_distinct(const met_set *set, int32_t units, double share, double ratings)
{
    const double d = (double)set->n;
    const double w = units > 1 ? (double)units / (units - 1) : 1;
    double once = 0, twice = 0, unseen;
    qn_guess guess = {d, d, d};

    if (share >= 1 || set->n == 0)
        return guess;
    for (int64_t i = 0; i < set->n_slots; i++) {
        once += set->slot[i].units == 1;
        twice += set->slot[i].units == 2;
    }
    unseen = once > 0 ? once * once / (w * 2 * twice + share / (1 - share) * once) : 0;
    guess.best = fmin(d + unseen, fmin(d / share, ratings));
    guess.least = d + 0.8 * (guess.best - d);
    guess.most = fmin(fmin(d + 2 * unseen, 1.1 * d / share) + 0.01 * d, ratings);
    return guess;
}

/* The ratings of a user lie together if users are met in one run alone though they have several. */
static bool is_clustered(const sampler *s)
{
    const met_set *users = &s->side[QN_SIDE_USER];
    int64_t once = 0;

    for (int64_t i = 0; i < users->n_slots; i++)
        once += users->slot[i].units == 1;
    return s->unit > 1 && s->rows > 2 * users->n && 5 * once > 4 * users->n;
}

/* Rows of all splits from those of the units, `sum` and `squares` over `units` whole ones. */
static qn_guess guess_rows(const qn_source *source, const sampler *s, bool all_whole,
                           double squares)
{
    const double n = (double)qn_source_n_splits(source), units = s->unit;
    const double mean = (double)s->rows / units;
    const double spread = sqrt(fmax(squares / units - mean * mean, 0) / units);
    qn_guess guess;

    if (qn_source_format(source) == QN_FORMAT_PARQUET && source->n_rows > 0)
        return (qn_guess){(double)source->n_rows, (double)source->n_rows, (double)source->n_rows};
    if (all_whole && units == n)
        return (qn_guess){(double)s->rows, (double)s->rows, (double)s->rows};
    if (!all_whole && source->n_rows > s->rows) { /* packed: guessed by its first lines */
        guess.best = (double)source->n_rows;
        return (qn_guess){guess.best, (double)s->rows, 2 * guess.best};
    }
    guess.best = fmax(mean * n, (double)s->rows);
    guess.least = fmax(guess.best - 2 * spread * n - mean, (double)s->rows);
    guess.most = guess.best + 2 * spread * n;
    return guess;
}

static void conclude(const sampler *s, const qn_source *source, bool all_whole, double squares,
                     qn_rating_sample *out)
{
    out->ratings = guess_rows(source, s, all_whole, squares);
    out->rows = s->rows;
    out->units = s->unit;
    out->share = out->ratings.best > 0 ? (double)s->rows / out->ratings.best : 1;
    out->is_coded = s->n_values <= MAX_VALUES;
    out->is_clustered = is_clustered(s);
    out->is_parquet = qn_source_format(source) == QN_FORMAT_PARQUET;
    for (int32_t side = 0; side < 2; side++) {
        const met_set *set = &s->side[side];

        out->distinct[side] = guess_distinct(set, s->unit, out->share, out->ratings.best);
        if (s->columns.type[side] == QN_ID_STRING && set->n > 0)
            out->id_bytes[side] = set->bytes / (double)set->n;
    }
}

static qn_status read_units(sampler *s, qn_source *source, qn_rating_sample *sample)
{
    const int64_t n_splits = qn_source_n_splits(source);
    const int64_t n = n_splits < UNITS ? n_splits : UNITS;
    bool all_whole = true;
    double squares = 0;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        int64_t rows = 0;
        bool whole = false;

        /* The middle of each of n runs of splits: the last split alone may be short. */
        QN_TRY(read_unit(s, source, n_splits * (2 * i + 1) / (2 * n), &rows, &whole));
        all_whole &= whole;
        squares += (double)rows * (double)rows;
    }
    if (s->rows == 0)
        return qn_fail(s->ctx, QN_EDATA, "no ratings can be read from the input");
    conclude(s, source, all_whole, squares, sample);
done:
    return st;
}

qn_status qn_rating_sample_read(qn_context *ctx, const qn_ratings_options *options,
                                qn_rating_sample *sample)
{
    qn_ratings_options open = *options;
    sampler s = {.ctx = ctx};
    qn_source *source = NULL;
    qn_status st = QN_OK;

    *sample = (qn_rating_sample){0};
    if (open.split_bytes == 0)
        open.split_bytes = TEXT_SPLIT;
    QN_TRY(qn_ratings_source_open(ctx, &open, &source));
    if (source->is_once)
        QN_TRY(qn_fail(ctx, QN_EINVAL,
                       "a pipe can be read only once: plan with --users, --items and --ratings"));
    QN_TRY(qn_rating_columns_find(ctx, source, &open, false, false, &s.columns));
    QN_TRY(read_units(&s, source, sample));
done:
    qn_source_free(source);
    for (int32_t side = 0; side < 2; side++)
        qn_free(s.side[side].slot);
    return st;
}
