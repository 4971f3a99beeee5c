/* What becomes of rows with one key. */
#include "base/alloc.h"
#include "base/text.h"
#include "data/rating_rows_stream.h"

static uint64_t age_of(const qn_rating_row *row)
{
    return row->origin ^ QN_ORIGIN_STORED;
}

bool qn_row_beats(const qn_rating_row *a, const qn_rating_row *b)
{
    const qn_row_key x = qn_row_key_of(a), y = qn_row_key_of(b);

    return x.low != y.low ? x.low > y.low : age_of(a) < age_of(b);
}

static bool same_group(const qn_rows_rule *rule, const qn_rating_row *a, const qn_rating_row *b)
{
    if (a->user != b->user || a->movie != b->movie || rule->on_duplicate == QN_KEEP_ALL)
        return false;
    return a->days == b->days || rule->on_duplicate == QN_KEEP_LATEST;
}

static qn_status group_add(qn_context *ctx, qn_rows_stream *stream, const qn_rating_row *row)
{
    qn_status st = QN_OK;

    if (stream->n_group == stream->group_capacity) {
        QN_GROW(ctx, stream->group, 2 * stream->group_capacity + 16,
                "ratings of one movie by one user");
        stream->group_capacity = 2 * stream->group_capacity + 16;
    }
    stream->group[stream->n_group++] = *row;
done:
    return st;
}

static qn_status fail_duplicate(qn_context *ctx, const qn_rating_row *a, const qn_rating_row *b)
{
    char x[32], y[32];
    int32_t year, month, day;

    qn_format_float(a->rating, x);
    qn_format_float(b->rating, y);
    qn_date_from_days(a->days, &year, &month, &day);
    return qn_fail(ctx, QN_EDATA,
                   "user %d rates movie %d twice on %04d-%02d-%02d (%s, and %s): --on-duplicate "
                   "max-rating, latest, keep or mean says what to do with such rows",
                   a->user, a->movie, year, month, day, x, y);
}

/* The row of the group that the others lose to. */
static int64_t best_of(const qn_rows_stream *stream)
{
    int64_t best = 0;

    for (int64_t i = 1; i < stream->n_group; i++)
        if (qn_row_beats(&stream->group[i], &stream->group[best]))
            best = i;
    return best;
}

/* All of the group but row `stays` (-1: all) lose to `winner`. */
static qn_status tell_dropped(qn_rows_stream *stream, int64_t stays, const qn_rating_row *winner)
{
    const qn_rows_rule *rule = stream->rule;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < stream->n_group; i++) {
        if (i == stays)
            continue;
        stream->rows_dropped++;
        if (rule->dropped)
            QN_TRY(rule->dropped(rule->arg, &stream->group[i], winner));
    }
done:
    return st;
}

/* The winner of this pair in another part; NULL: the winner is here. */
static qn_status lost_to(qn_context *ctx, qn_rows_stream *stream, const qn_rating_row **winner)
{
    const uint64_t pair = qn_row_key_of(&stream->group[0]).high;
    qn_status st = QN_OK;

    *winner = NULL;
    for (;;) {
        if (stream->lost_at == stream->lost_end) {
            int64_t n;

            QN_TRY(qn_row_merge_next(ctx, &stream->losing, &stream->lost_at, &n));
            stream->lost_end = stream->lost_at + n;
            if (n == 0)
                break;
        }
        if (qn_row_key_of(stream->lost_at).high >= pair) {
            if (qn_row_key_of(stream->lost_at).high == pair)
                *winner = stream->lost_at;
            break;
        }
        stream->lost_at++;
    }
done:
    return st;
}

static float mean_of(const qn_rows_stream *stream)
{
    double sum = 0;

    for (int64_t i = 0; i < stream->n_group; i++)
        sum += (double)stream->group[i].rating;
    return (float)(sum / (double)stream->n_group);
}

/* Ends the group: at most one row of it stays. */
static qn_status group_end(qn_context *ctx, qn_rows_stream *stream, qn_rating_row *row,
                           bool *has_row)
{
    const qn_rating_row *winner = NULL;
    const int64_t best = best_of(stream);
    qn_status st = QN_OK;

    *has_row = false;
    if (stream->losing.n > 0)
        QN_TRY(lost_to(ctx, stream, &winner));
    if (winner) {
        QN_TRY(tell_dropped(stream, -1, winner));
    } else {
        *row = stream->group[best];
        *has_row = true;
        if (stream->rule->on_duplicate == QN_KEEP_MEAN && stream->n_group > 1)
            row->rating = mean_of(stream);
        QN_TRY(tell_dropped(stream, best, row));
    }
    stream->n_group = 0;
done:
    return st;
}

/* The next merged row that is not of the user who goes; NULL at the end. */
static qn_status take(qn_context *ctx, qn_rows_stream *stream, const qn_rating_row **row)
{
    const qn_rows_rule *rule = stream->rule;
    qn_status st = QN_OK;

    *row = NULL;
    while (!stream->is_done && !*row) {
        if (stream->at == stream->end) {
            int64_t n;

            QN_TRY(qn_row_merge_next(ctx, &stream->merge, &stream->at, &n));
            stream->end = stream->at + n;
            stream->rows_in += n;
            stream->is_done = n == 0;
            continue;
        }
        *row = stream->at++;
        if (rule->has_removed_user && (*row)->user == rule->removed_user) {
            stream->rows_removed++;
            *row = NULL;
        }
    }
done:
    return st;
}

qn_status qn_rows_stream_next(qn_context *ctx, qn_rows_stream *stream, qn_rating_row *row,
                              bool *has_row)
{
    qn_status st = QN_OK;

    /* Nearly all: a row alone, and the next one at hand. */
    if (stream->n_group == 1 && stream->at != stream->end && stream->is_plain &&
        !same_group(stream->rule, &stream->group[0], stream->at)) {
        *row = stream->group[0];
        stream->group[0] = *stream->at++;
        *has_row = true;
        return QN_OK;
    }
    *has_row = false;
    while (!*has_row) {
        const qn_rating_row *next;

        QN_TRY(take(ctx, stream, &next));
        if (!next && stream->n_group == 0)
            break;
        if (stream->n_group > 0) {
            if (!next || !same_group(stream->rule, &stream->group[0], next))
                QN_TRY(group_end(ctx, stream, row, has_row));
            else if (stream->rule->on_duplicate == QN_KEEP_FAIL)
                QN_TRY(fail_duplicate(ctx, &stream->group[0], next));
        }
        if (next)
            QN_TRY(group_add(ctx, stream, next));
    }
done:
    return st;
}

qn_status qn_rows_stream_start(qn_context *ctx, qn_rows_stream *stream)
{
    qn_status st;

    QN_TRY(qn_row_merge_start(ctx, &stream->merge));
    QN_TRY(qn_row_merge_start(ctx, &stream->losing));
    stream->is_plain = stream->losing.n == 0 && !stream->rule->has_removed_user;
done:
    return st;
}

void qn_rows_stream_release(qn_rows_stream *stream)
{
    qn_row_merge_release(&stream->merge);
    qn_row_merge_release(&stream->losing);
    qn_free(stream->group);
}
