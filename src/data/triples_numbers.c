/* Sets of numbers, for ids. */
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_sort.h"
#include "data/triples_impl.h"

/* Numbers that a bitmap reaches to at most: 4 MiB a thread. */
#define MAX_WORDS ((int64_t)1 << 19)

static uint64_t hash(int64_t number)
{
    return XXH3_64bits(&number, sizeof number);
}

/* Place of a number, or the free one where it belongs. */
static int64_t *find_slot(const qn_number_set *set, int64_t number)
{
    uint64_t at = hash(number) & (uint64_t)(set->n_slots - 1);

    while (set->slot[at] != INT64_MIN && set->slot[at] != number)
        at = (at + 1) & (uint64_t)(set->n_slots - 1);
    return &set->slot[at];
}

static qn_status grow_slots(qn_context *ctx, qn_number_set *set)
{
    const qn_number_set old = *set;
    qn_status st = QN_OK;
    int64_t *slot = NULL;

    QN_NEW(ctx, slot, old.n_slots ? 2 * old.n_slots : 256, "distinct ids");
    set->slot = slot;
    set->n_slots = old.n_slots ? 2 * old.n_slots : 256;
    for (int64_t i = 0; i < set->n_slots; i++)
        slot[i] = INT64_MIN;
    for (int64_t i = 0; i < old.n_slots; i++)
        if (old.slot[i] != INT64_MIN)
            *find_slot(set, old.slot[i]) = old.slot[i];
    qn_free(old.slot);
done:
    return st;
}

static qn_status add_hashed(qn_context *ctx, qn_number_set *set, int64_t number)
{
    qn_status st = QN_OK;
    int64_t *slot;

    if (number == INT64_MIN) {
        set->has_least = true;
        return QN_OK;
    }
    if (2 * (set->n_hashed + 1) > set->n_slots)
        QN_TRY(grow_slots(ctx, set));
    slot = find_slot(set, number);
    set->n_hashed += *slot == INT64_MIN;
    *slot = number;
done:
    return st;
}

static qn_status grow_bits(qn_context *ctx, qn_number_set *set, int64_t n_words)
{
    qn_status st = QN_OK;

    QN_GROW(ctx, set->bit, n_words, "distinct ids");
    memset(set->bit + set->n_words, 0, (size_t)(n_words - set->n_words) * sizeof *set->bit);
    set->n_words = n_words;
done:
    return st;
}

/* A number that the bitmap does not reach to: it grows while that takes a few bytes a number. */
static qn_status add_far(qn_context *ctx, qn_number_set *set, int64_t number)
{
    const int64_t limit = set->n_seen + 1024 < MAX_WORDS ? set->n_seen + 1024 : MAX_WORDS;
    int64_t wanted = number / 64 + 1;
    qn_status st = QN_OK;

    if (number < 0 || wanted > limit)
        return add_hashed(ctx, set, number);
    wanted = wanted + wanted / 2 < limit ? wanted + wanted / 2 : limit;
    QN_TRY(grow_bits(ctx, set, wanted));
    set->bit[number / 64] |= (uint64_t)1 << (number & 63);
done:
    return st;
}

qn_status qn_number_set_add32(qn_context *ctx, qn_number_set *set, const int32_t *number, int64_t n)
{
    qn_status st = QN_OK;
    uint64_t reach = 64 * (uint64_t)set->n_words;

    set->n_seen += n;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t id = (uint64_t)(int64_t)number[i];

        if (id < reach) {
            set->bit[id >> 6] |= (uint64_t)1 << (id & 63);
            continue;
        }
        QN_TRY(add_far(ctx, set, number[i]));
        reach = 64 * (uint64_t)set->n_words;
    }
done:
    return st;
}

qn_status qn_number_set_add64(qn_context *ctx, qn_number_set *set, const int64_t *number, int64_t n)
{
    qn_status st = QN_OK;
    uint64_t reach = 64 * (uint64_t)set->n_words;

    set->n_seen += n;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t id = (uint64_t)number[i];

        if (id < reach) {
            set->bit[id >> 6] |= (uint64_t)1 << (id & 63);
            continue;
        }
        QN_TRY(add_far(ctx, set, number[i]));
        reach = 64 * (uint64_t)set->n_words;
    }
done:
    return st;
}

void qn_number_set_release(qn_number_set *set)
{
    qn_free(set->bit);
    qn_free(set->slot);
    *set = (qn_number_set){0};
}

/* Puts the bitmap of a set into another one. */
static qn_status add_bits(qn_context *ctx, qn_number_set *to, qn_number_set *from)
{
    qn_status st = QN_OK;

    if (from->n_words > to->n_words)
        QN_TRY(grow_bits(ctx, to, from->n_words));
    for (int64_t w = 0; w < from->n_words; w++)
        to->bit[w] |= from->bit[w];
    qn_free(from->bit);
    from->bit = NULL;
    from->n_words = 0;
done:
    return st;
}

static int64_t list_hashed(const qn_number_set *set, uint64_t *keys)
{
    int64_t n = 0;

    if (set->has_least)
        keys[n++] = qn_int64_order(INT64_MIN);
    for (int64_t i = 0; i < set->n_slots; i++)
        if (set->slot[i] != INT64_MIN)
            keys[n++] = qn_int64_order(set->slot[i]);
    return n;
}

static int64_t list_bits(const qn_number_set *set, uint64_t *keys)
{
    int64_t n = 0;

    for (int64_t w = 0; w < set->n_words; w++)
        for (uint64_t bits = set->bit[w]; bits; bits &= bits - 1)
            keys[n++] = qn_int64_order(64 * w + __builtin_ctzll(bits));
    return n;
}

qn_status qn_number_sets_join(qn_context *ctx, qn_number_set *sets, int64_t n, uint64_t **keys,
                              int64_t *n_keys)
{
    qn_status st = QN_OK;
    uint64_t *scratch = NULL, *all = NULL;
    int64_t room = 0, count = 0;

    *keys = NULL;
    *n_keys = 0;
    for (int64_t s = 0; s < n; s++) {
        if (s > 0)
            QN_TRY(add_bits(ctx, &sets[0], &sets[s]));
        room += sets[s].n_hashed + sets[s].has_least;
    }
    for (int64_t w = 0; n > 0 && w < sets[0].n_words; w++)
        room += __builtin_popcountll(sets[0].bit[w]);
    QN_NEW(ctx, all, room, "distinct ids");
    for (int64_t s = 0; s < n; s++) {
        if (s == 0)
            count += list_bits(&sets[0], all);
        count += list_hashed(&sets[s], all + count);
        qn_number_set_release(&sets[s]);
    }
    if (!qn_keys_ascend(all, count)) {
        QN_NEW(ctx, scratch, count, "distinct ids");
        qn_sort_keys(all, count, scratch);
    }
    *n_keys = qn_keys_unique(all, count);
    *keys = all;
    all = NULL;
done:
    qn_free(scratch);
    qn_free(all);
    return st;
}
