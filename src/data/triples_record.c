#include "data/triples_record.h"

#include <string.h>

#define XXH_INLINE_ALL /* a record is 24 bytes: the call would cost more than the hash */
#include <xxhash.h>

/* A number is its own key; of a text it is the hash of its bytes. */
static uint64_t id_key(const qn_ids *ids, uint32_t index)
{
    if (ids->type != QN_ID_STRING)
        return (uint64_t)ids->number[index];
    return XXH3_64bits(ids->text + ids->offset[index],
                       (size_t)(ids->offset[index + 1] - ids->offset[index]));
}

uint64_t qn_records_hash(const qn_triples *t, const qn_triples_view *view)
{
    uint64_t sum = 0;

    for (int64_t i = 0; i < view->n; i++) {
        uint64_t record[3] = {id_key(&t->users, view->user[i]), id_key(&t->items, view->item[i]),
                              0};
        uint32_t bits;

        memcpy(&bits, &view->value[i], sizeof bits);
        record[2] = bits;
        sum += XXH3_64bits(record, sizeof record);
    }
    return sum;
}
