/* Counts by score, in bounded memory. */
#include <string.h>

#include "base/alloc.h"
#include "engine/comm.h"
#include "ml/metrics_classes.h"

#define FIRST_SLOTS 1024

static int64_t slot_of(const qn_score_tally *tally, double score)
{
    uint64_t bits;
    int64_t at;

    memcpy(&bits, &score, sizeof bits);
    at = (int64_t)((bits * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (uint64_t)(tally->n_slots - 1));
    while (!isnan(tally->slot[at].score) && tally->slot[at].score != score)
        at = (at + 1) & (tally->n_slots - 1);
    return at;
}

static qn_status make_slots(qn_context *ctx, int64_t n_slots, qn_score_tally *tally)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, tally->slot, n_slots, "different scores");
    tally->n_slots = n_slots;
    tally->n = 0;
    for (int64_t i = 0; i < n_slots; i++)
        tally->slot[i].score = NAN;
done:
    return st;
}

static void put(qn_score_tally *tally, const qn_score_count *count)
{
    qn_score_count *slot = &tally->slot[slot_of(tally, count->score)];

    tally->n += isnan(slot->score);
    slot->score = count->score;
    slot->units[0] += count->units[0];
    slot->units[1] += count->units[1];
}

/* ---- Bins ----
 * Half of them lie below 0.5, the others are their mirror image. From 0 up, in units of 2^unit_bits
 * bins: one unit of equal bins to 2^-20; one for each doubling to 2^-4; then 2, 4 and 8. */

#define SIDE_UNITS    31
#define FLAT_BITS     20 /* below 2^-20 bins are equal */
#define WIDE          3  /* doublings at the upper end that have more than a unit */
#define MANTISSA_BITS 52

static int64_t count_bins(const qn_score_tally *tally)
{
    return (int64_t)(2 * SIDE_UNITS) << tally->unit_bits;
}

/* First unit, and the logarithm of the units, of the doubling [2^-(o + 2), 2^-(o + 1)). */
static int64_t first_unit(int32_t o)
{
    static const int32_t first[WIDE] = {23, 19, 17};

    return o < WIDE ? first[o] : FLAT_BITS - 1 - o;
}

static int32_t wide_bits(int32_t o)
{
    return o < WIDE ? WIDE - o : 0;
}

/* Place of t in [0, 0.5] among the bins of its side: the leading bits of the number. */
static int64_t side_bin(double t, int32_t unit_bits)
{
    uint64_t bits;
    int32_t o;

    if (t < 1.0 / (1 << FLAT_BITS))
        return (int64_t)(t * (double)(INT64_C(1) << (FLAT_BITS + unit_bits)));
    if (t >= 0.5)
        return ((int64_t)SIDE_UNITS << unit_bits) - 1;
    memcpy(&bits, &t, sizeof bits);
    o = 1021 - (int32_t)(bits >> MANTISSA_BITS);
    bits &= (UINT64_C(1) << MANTISSA_BITS) - 1;
    return (first_unit(o) << unit_bits) +
           (int64_t)(bits >> (MANTISSA_BITS - unit_bits - wide_bits(o)));
}

/* Where bin i of a side begins; of the one behind the last: 0.5. */
static double side_edge(int64_t i, int32_t unit_bits)
{
    const int64_t at_unit = i >> unit_bits;
    int32_t o = 0;

    if (at_unit == 0)
        return ldexp((double)i, -FLAT_BITS - unit_bits);
    while (at_unit < first_unit(o))
        o++;
    return ldexp(1 + ldexp((double)(i - (first_unit(o) << unit_bits)), -unit_bits - wide_bits(o)),
                 -(o + 2));
}

/* The least score that bin i holds. */
static double bin_score(const qn_score_tally *tally, int64_t i)
{
    const int64_t side = count_bins(tally) / 2;

    return i < side ? side_edge(i, tally->unit_bits)
                    : nextafter(1 - side_edge(2 * side - i, tally->unit_bits), 2);
}

static void put_bin(qn_score_tally *tally, const qn_score_count *count)
{
    const double score = fmin(fmax(count->score, 0), 1);
    const int64_t at = score <= 0.5 ? side_bin(score, tally->unit_bits)
                                    : count_bins(tally) - 1 - side_bin(1 - score, tally->unit_bits);

    tally->bin[2 * at] += count->units[0];
    tally->bin[2 * at + 1] += count->units[1];
}

static qn_status to_bins(qn_context *ctx, qn_score_tally *tally)
{
    qn_status st = QN_OK;

    if (tally->bin)
        return QN_OK;
    QN_NEW0(ctx, tally->bin, 2 * count_bins(tally), "bins of scores");
    for (int64_t i = 0; i < tally->n_slots; i++)
        if (!isnan(tally->slot[i].score))
            put_bin(tally, &tally->slot[i]);
    qn_free(tally->slot);
    tally->slot = NULL;
    tally->n_slots = tally->n = 0;
done:
    return st;
}

/* Room for one more score: at most half of the slots are taken. */
static qn_status make_room(qn_context *ctx, qn_score_tally *tally)
{
    qn_score_tally grown = {.limit = tally->limit, .unit_bits = tally->unit_bits};
    qn_status st = QN_OK;

    if (2 * (tally->n + 1) <= tally->n_slots)
        return QN_OK;
    QN_TRY(make_slots(ctx, tally->n_slots ? 2 * tally->n_slots : FIRST_SLOTS, &grown));
    for (int64_t i = 0; i < tally->n_slots; i++)
        if (!isnan(tally->slot[i].score))
            put(&grown, &tally->slot[i]);
    qn_free(tally->slot);
    *tally = grown;
done:
    return st;
}

static qn_status add_count(qn_context *ctx, qn_score_tally *tally, const qn_score_count *count)
{
    qn_status st = QN_OK;

    if (!tally->bin) {
        QN_TRY(make_room(ctx, tally));
        if (tally->n == tally->limit && isnan(tally->slot[slot_of(tally, count->score)].score))
            QN_TRY(to_bins(ctx, tally));
    }
    if (tally->bin)
        put_bin(tally, count);
    else
        put(tally, count);
done:
    return st;
}

qn_status qn_score_tally_add(qn_context *ctx, qn_score_tally *tally, double score, bool is_positive,
                             int64_t units)
{
    qn_score_count count = {.score = isnan(score) ? 0 : score + 0.0}; /* -0 is 0 */

    count.units[is_positive] = units;
    return add_count(ctx, tally, &count);
}

qn_status qn_score_tally_merge(qn_context *ctx, const qn_score_tally *from, qn_score_tally *into)
{
    qn_status st = QN_OK;

    if (from->bin) {
        QN_TRY(to_bins(ctx, into));
        for (int64_t i = 0; i < 2 * count_bins(into); i++)
            into->bin[i] += from->bin[i];
    }
    for (int64_t i = 0; i < from->n_slots; i++)
        if (!isnan(from->slot[i].score))
            QN_TRY(add_count(ctx, into, &from->slot[i]));
done:
    return st;
}

/* The scores behind one another, in no order. The caller frees *list. */
static qn_status list_scores(qn_context *ctx, const qn_score_tally *tally, qn_score_count **list,
                             int64_t *n)
{
    const int64_t n_bins = tally->bin ? count_bins(tally) : 0;
    qn_status st = QN_OK;

    *n = 0;
    QN_NEW(ctx, *list, tally->bin ? n_bins : tally->n, "different scores");
    for (int64_t i = 0; i < tally->n_slots; i++)
        if (!isnan(tally->slot[i].score))
            (*list)[(*n)++] = tally->slot[i];
    for (int64_t i = 0; i < n_bins; i++)
        if (tally->bin[2 * i] || tally->bin[2 * i + 1])
            (*list)[(*n)++] =
                (qn_score_count){bin_score(tally, i), {tally->bin[2 * i], tally->bin[2 * i + 1]}};
done:
    return st;
}

static qn_status add_list(qn_context *ctx, qn_score_tally *tally, const qn_score_count *list,
                          int64_t n)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++)
        QN_TRY(add_count(ctx, tally, &list[i]));
done:
    return st;
}

qn_status qn_score_tally_join(qn_context *ctx, qn_score_tally *tally)
{
    qn_score_count *mine = NULL, *all = NULL;
    int64_t n = 0, has_bins = tally->bin != NULL;
    size_t bytes = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_comm_max_int64(ctx, &has_bins, 1));
    if (has_bins) {
        QN_TRY_ALL(to_bins(ctx, tally));
        QN_TRY(qn_comm_sum_int64(ctx, tally->bin, 2 * count_bins(tally)));
    } else {
        QN_TRY_ALL(list_scores(ctx, tally, &mine, &n));
        QN_TRY(qn_comm_allgather(ctx, mine, (size_t)n * sizeof *mine, (void **)&all, &bytes));
        qn_score_tally_release(tally);
        QN_TRY_ALL(add_list(ctx, tally, all, (int64_t)(bytes / sizeof *all)));
    }
done:
    qn_free(mine);
    qn_free(all);
    return st;
}

void qn_score_tally_release(qn_score_tally *tally)
{
    qn_free(tally->slot);
    qn_free(tally->bin);
    *tally = (qn_score_tally){.limit = tally->limit, .unit_bits = tally->unit_bits};
}

qn_status qn_score_tally_curve(qn_context *ctx, const qn_score_tally *tally, int32_t shift,
                               int64_t points, qn_binary_metrics *out)
{
    qn_score_count *list = NULL;
    qn_binary_metrics whole = {0};
    int64_t n = 0;
    qn_status st = QN_OK;

    *out = (qn_binary_metrics){0};
    QN_TRY(list_scores(ctx, tally, &list, &n));
    qn_scores_sort(list, &n);
    qn_scores_areas(list, n, shift, &whole);
    QN_TRY(qn_scores_curve(ctx, list, n, shift, points, out));
    out->area_under_roc = whole.area_under_roc;
    out->area_under_pr = whole.area_under_pr;
    out->roc_error = tally->bin ? whole.roc_error : 0;
done:
    qn_free(list);
    return st;
}
