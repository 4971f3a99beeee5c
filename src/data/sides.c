#include "data/sides.h"

#include <string.h>

#include "base/alloc.h"
#include "data/triples_blocks.h"
#include "engine/store.h"

struct qn_sides {
    qn_store *store;
    int64_t n_blocks;
    bool is_wide;   /* a byte a row, not a bit */
    int64_t *first; /* [n_blocks + 1] row of each block */
    int64_t *place; /* [n_blocks] in the store */
};

qn_status qn_sides_create(qn_context *ctx, const qn_triples *triples, int32_t n_parts,
                          qn_sides **sides)
{
    qn_status st = QN_OK;
    qn_sides *s = NULL;

    *sides = NULL;
    QN_NEW0(ctx, s, 1, "parts of rows");
    s->n_blocks = triples->n_blocks;
    s->is_wide = n_parts > 2;
    QN_NEW(ctx, s->first, s->n_blocks + 1, "parts of rows");
    QN_NEW(ctx, s->place, s->n_blocks, "parts of rows");
    for (int64_t b = 0; b < s->n_blocks; b++)
        s->first[b] = triples->block[b].first;
    s->first[s->n_blocks] = triples->n;
    QN_TRY(qn_store_create(ctx, "parts of rows", &s->store));
    *sides = s;
    s = NULL;
done:
    qn_sides_free(s);
    return st;
}

void qn_sides_free(qn_sides *sides)
{
    if (!sides)
        return;
    qn_store_free(sides->store);
    qn_free(sides->first);
    qn_free(sides->place);
    qn_free(sides);
}

static size_t block_bytes(const qn_sides *sides, int64_t block)
{
    const int64_t n = sides->first[block + 1] - sides->first[block];

    return (size_t)(sides->is_wide ? n : (n + 7) / 8);
}

qn_status qn_sides_put(qn_context *ctx, qn_sides *sides, int64_t block, const uint8_t *part)
{
    const int64_t n = sides->first[block + 1] - sides->first[block];
    const size_t bytes = block_bytes(sides, block);
    qn_status st = QN_OK;
    void *data;
    uint8_t *bits;

    QN_TRY(qn_store_add_any(ctx, sides->store, 0, bytes, &sides->place[block], &data));
    bits = data;
    if (sides->is_wide) {
        memcpy(bits, part, bytes);
    } else {
        memset(bits, 0, bytes);
        for (int64_t i = 0; i < n; i++)
            bits[i / 8] |= (uint8_t)((part[i] & 1) << i % 8);
    }
    QN_TRY(qn_store_seal_block(ctx, sides->store, sides->place[block]));
done:
    return st;
}

/* The block of a row; empty blocks are passed over. */
static int64_t block_of(const qn_sides *sides, int64_t row)
{
    int64_t low = 0, high = sides->n_blocks;

    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;

        if (sides->first[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

qn_status qn_sides_get(qn_context *ctx, const qn_sides *sides, int64_t first, int64_t n,
                       uint8_t *part)
{
    const int64_t end = first + n;
    qn_status st = QN_OK;

    for (int64_t b = n > 0 ? block_of(sides, first) : 0; first < end; b++) {
        const int64_t stop = sides->first[b + 1] < end ? sides->first[b + 1] : end;
        const void *data;
        const uint8_t *held;

        QN_TRY(qn_store_pin(ctx, sides->store, sides->place[b], &data));
        held = data;
        for (; first < stop; first++) {
            const int64_t i = first - sides->first[b];

            *part++ = sides->is_wide ? held[i] : held[i / 8] >> i % 8 & 1;
        }
        qn_store_unpin(sides->store, sides->place[b]);
    }
done:
    return st;
}
