/* Sets of texts, for ids that are no numbers. */
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/triples_impl.h"

static uint64_t text_hash(const char *text, size_t length)
{
    return XXH3_64bits(text, length);
}

/* Slot that holds the text, or the free one where it belongs. */
static uint32_t *find_slot(const qn_text_set *set, const char *text, size_t length)
{
    uint64_t at = text_hash(text, length) & (uint64_t)(set->n_slots - 1);

    for (;; at = (at + 1) & (uint64_t)(set->n_slots - 1)) {
        const uint32_t number = set->slot[at];
        int64_t start;

        if (number == 0)
            return &set->slot[at];
        start = set->offset[number - 1];
        if (set->offset[number] - start == (int64_t)length &&
            memcmp(set->text + start, text, length) == 0)
            return &set->slot[at];
    }
}

static qn_status grow_slots(qn_context *ctx, qn_text_set *set)
{
    qn_status st = QN_OK;
    const int64_t n_slots = set->n_slots ? 2 * set->n_slots : 1024;
    uint32_t *slot = NULL;

    QN_NEW0(ctx, slot, n_slots, "table of text ids");
    qn_free(set->slot);
    set->slot = slot;
    set->n_slots = n_slots;
    for (int64_t i = 0; i < set->n; i++)
        *find_slot(set, set->text + set->offset[i], (size_t)(set->offset[i + 1] - set->offset[i])) =
            (uint32_t)(i + 1);
done:
    return st;
}

static qn_status make_room(qn_context *ctx, qn_text_set *set, size_t length)
{
    qn_status st = QN_OK;

    if (set->n + 1 >= (int64_t)UINT32_MAX)
        return qn_fail(ctx, QN_EDATA, "more than 4 billion distinct text ids");
    if (2 * (set->n + 1) > set->n_slots)
        QN_TRY(grow_slots(ctx, set));
    if (set->n + 2 > set->capacity) {
        const int64_t capacity = set->capacity ? 2 * set->capacity : 1024;

        QN_GROW(ctx, set->offset, capacity, "text ids");
        set->capacity = capacity;
        set->offset[0] = 0;
    }
    if (set->bytes + (int64_t)length > set->text_capacity) {
        const int64_t capacity = 2 * (set->bytes + (int64_t)length) + 4096;

        QN_GROW(ctx, set->text, capacity, "text ids");
        set->text_capacity = capacity;
    }
done:
    return st;
}

qn_status qn_text_set_add(qn_context *ctx, qn_text_set *set, const char *text, size_t length,
                          uint32_t *number)
{
    uint32_t *slot = set->n_slots ? find_slot(set, text, length) : NULL;

    if (!slot || *slot == 0) {
        const qn_status st = make_room(ctx, set, length);

        if (st != QN_OK)
            return st;
        slot = find_slot(set, text, length);
        if (length > 0)
            memcpy(set->text + set->bytes, text, length);
        set->bytes += (int64_t)length;
        set->offset[++set->n] = set->bytes;
        *slot = (uint32_t)set->n;
    }
    *number = *slot - 1;
    return QN_OK;
}

bool qn_text_set_find(const qn_text_set *set, const char *text, size_t length, uint32_t *number)
{
    const uint32_t *slot = set->n_slots ? find_slot(set, text, length) : NULL;

    if (!slot || *slot == 0)
        return false;
    *number = *slot - 1;
    return true;
}

void qn_text_set_release(qn_text_set *set)
{
    qn_free(set->text);
    qn_free(set->offset);
    qn_free(set->slot);
    *set = (qn_text_set){0};
}
