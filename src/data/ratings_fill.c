/* From a pile to its blocks: entries to their rows, then each row is sorted. */
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_layout.h"
#include "data/ratings_orient.h"
#include "data/ratings_sort.h"
#include "engine/store.h"

/* Where a segment's entries lie. */
typedef struct segment_place {
    uint32_t *index;
    void *value; /* uint8 or float */
} segment_place;

/* Where the next entry of a row goes. */
typedef struct row_cursor {
    uint32_t *index;
    void *value;
    uint32_t left; /* in this segment */
    uint32_t next; /* segment of the row that comes then */
} row_cursor;

/* A pile being arranged. */
typedef struct pile_work {
    const qn_orient *t;
    int64_t pile;
    int64_t first_row, n_rows;
    row_cursor *cursor;     /* [n_rows] */
    int64_t *first_segment; /* [n_rows + 1] */
    segment_place *place;   /* [segments] */
} pile_work;

/* ---- rows and segments ---- */

static void write_segments(const pile_work *w, const qn_orient_block *b, char *block)
{
    const qn_orient *t = w->t;
    const size_t value_bytes = t->coded ? sizeof(uint8_t) : sizeof(float);
    qn_block_header *header = (void *)block;
    qn_block_parts parts;
    qn_segment *segment;
    int64_t start = 0, row = b->row, part = b->part;

    *header = (qn_block_header){b->n_segments, b->n_entries, t->coded};
    qn_block_layout(b->n_segments, b->n_entries, t->coded, &parts);
    segment = (void *)(block + parts.segment);
    for (int64_t s = 0; s < b->n_segments;) {
        const int64_t n = qn_orient_segment_entries(t, row, part);

        if (n > 0) {
            segment_place *place = &w->place[w->first_segment[row - w->first_row] + part];

            segment[s++] =
                (qn_segment){(uint32_t)row, (uint32_t)n, (uint32_t)start, (uint32_t)part};
            place->index = (uint32_t *)(void *)(block + parts.index) + start;
            place->value = block + parts.value + (size_t)start * value_bytes;
            start += n;
        }
        if (++part >= qn_orient_n_segments(t, row)) {
            row++;
            part = 0;
        }
    }
}

static void start_cursors(const pile_work *w)
{
    for (int64_t i = 0; i < w->n_rows; i++) {
        const segment_place *place = &w->place[w->first_segment[i]];

        if (w->t->o->degree[w->first_row + i] == 0)
            continue;
        w->cursor[i] = (row_cursor){
            .index = place->index,
            .value = place->value,
            .left = (uint32_t)qn_orient_segment_entries(w->t, w->first_row + i, 0),
            .next = 1,
        };
    }
}

static qn_status place_rows(pile_work *w)
{
    const qn_orient *t = w->t;
    qn_context *ctx = t->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, w->cursor, w->n_rows, "rows of ratings");
    QN_NEW(ctx, w->first_segment, w->n_rows + 1, "rows of ratings");
    w->first_segment[0] = 0;
    for (int64_t i = 0; i < w->n_rows; i++)
        w->first_segment[i + 1] = w->first_segment[i] + qn_orient_n_segments(t, w->first_row + i);
    QN_NEW(ctx, w->place, w->first_segment[w->n_rows], "segments of ratings");
    for (int64_t b = t->pile_block[w->pile]; b < t->pile_block[w->pile + 1]; b++)
        write_segments(w, &t->block[b], qn_store_edit(t->o->store, b));
    start_cursors(w);
done:
    return st;
}

/* ---- entries ---- */

static void next_segment(const pile_work *w, row_cursor *cursor, int64_t i)
{
    const int64_t part = cursor->next;
    const segment_place *place;

    if (part >= qn_orient_n_segments(w->t, w->first_row + i))
        return;
    place = &w->place[w->first_segment[i] + part];
    cursor->index = place->index;
    cursor->value = place->value;
    cursor->left = (uint32_t)qn_orient_segment_entries(w->t, w->first_row + i, part);
    cursor->next++;
}

static void scatter_chunk(const pile_work *w, const void *data, int64_t n)
{
    const uint32_t *row = data, *other = row + n, *bits = other + n;
    const bool coded = w->t->coded;

    for (int64_t e = 0; e < n; e++) {
        row_cursor *cursor = &w->cursor[row[e] - w->first_row];

        *cursor->index++ = other[e];
        if (coded) {
            *(uint8_t *)cursor->value = ((const uint8_t *)bits)[e];
            cursor->value = (uint8_t *)cursor->value + 1;
        } else {
            *(uint32_t *)cursor->value = bits[e];
            cursor->value = (uint32_t *)cursor->value + 1;
        }
        if (--cursor->left == 0)
            next_segment(w, cursor, row[e] - w->first_row);
    }
}

static qn_status scatter_pile(const pile_work *w)
{
    const qn_piles *piles = &w->t->piles;
    qn_status st = QN_OK;

    for (int64_t c = 0; c < qn_piles_n_chunks(piles, w->pile); c++) {
        const void *data = NULL;

        QN_TRY(qn_piles_pin(piles, w->pile, c, &data));
        scatter_chunk(w, data, qn_piles_chunk_records(piles, w->pile, c));
        qn_piles_drop(piles, w->pile, c);
    }
done:
    return st;
}

/* ---- sorting ---- */

static uint32_t value_order(const pile_work *w, const segment_place *place, int64_t i)
{
    float value;

    if (w->t->coded)
        return ((const uint8_t *)place->value)[i];
    memcpy(&value, (const uint32_t *)place->value + i, sizeof value);
    return qn_float_order(value);
}

static void load_row(const pile_work *w, int64_t i, uint64_t *keys)
{
    const int64_t row = w->first_row + i;

    for (int64_t part = 0; part < qn_orient_n_segments(w->t, row); part++) {
        const segment_place *place = &w->place[w->first_segment[i] + part];
        const int64_t n = qn_orient_segment_entries(w->t, row, part);

        for (int64_t e = 0; e < n; e++)
            *keys++ = (uint64_t)place->index[e] << 32 | value_order(w, place, e);
    }
}

static void store_row(const pile_work *w, int64_t i, const uint64_t *keys)
{
    const int64_t row = w->first_row + i;

    for (int64_t part = 0; part < qn_orient_n_segments(w->t, row); part++) {
        const segment_place *place = &w->place[w->first_segment[i] + part];
        const int64_t n = qn_orient_segment_entries(w->t, row, part);

        for (int64_t e = 0; e < n; e++, keys++) {
            const float value = qn_float_of_order((uint32_t)*keys);

            place->index[e] = (uint32_t)(*keys >> 32);
            if (w->t->coded)
                ((uint8_t *)place->value)[e] = (uint8_t)*keys;
            else
                memcpy((uint32_t *)place->value + e, &value, sizeof value);
        }
    }
}

/* Returns the entries whose `other` stood before. */
static int64_t sort_row(const pile_work *w, int64_t i, uint64_t *keys)
{
    const int64_t n = w->t->o->degree[w->first_row + i];
    int64_t repeats = 0;

    load_row(w, i, keys);
    if (!qn_keys_ascend(keys, n)) {
        qn_sort_keys(keys, n, keys + n);
        store_row(w, i, keys);
    }
    for (int64_t e = 1; e < n; e++)
        repeats += keys[e - 1] >> 32 == keys[e] >> 32;
    return repeats;
}

static qn_status sort_rows(const pile_work *w, qn_orient_keys *keys, int64_t *n_repeats)
{
    const uint32_t *degree = w->t->o->degree + w->first_row;
    qn_context *ctx = w->t->ctx;
    qn_status st = QN_OK;
    int64_t longest = 0;

    for (int64_t i = 0; i < w->n_rows; i++)
        longest = degree[i] > longest ? degree[i] : longest;
    if (2 * longest > keys->capacity) {
        qn_free(keys->keys);
        *keys = (qn_orient_keys){0};
        QN_NEW(ctx, keys->keys, 2 * longest, "sorting a row");
        keys->capacity = 2 * longest;
    }
    for (int64_t i = 0; i < w->n_rows; i++)
        *n_repeats += sort_row(w, i, keys->keys);
done:
    return st;
}

qn_status qn_orient_fill_pile(const qn_orient *t, int64_t pile, qn_orient_keys *keys,
                              int64_t *n_repeats)
{
    pile_work w = {.t = t,
                   .pile = pile,
                   .first_row = t->pile_row[pile],
                   .n_rows = t->pile_row[pile + 1] - t->pile_row[pile]};
    qn_status st = QN_OK;

    QN_TRY(place_rows(&w));
    QN_TRY(scatter_pile(&w));
    QN_TRY(sort_rows(&w, keys, n_repeats));
    for (int64_t b = t->pile_block[pile]; b < t->pile_block[pile + 1]; b++)
        QN_TRY(qn_store_seal_block(t->ctx, t->o->store, b));
done:
    qn_free(w.cursor);
    qn_free(w.first_segment);
    qn_free(w.place);
    return st;
}
