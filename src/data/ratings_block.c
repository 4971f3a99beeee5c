#include "data/ratings_block.h"

#include "data/ratings_layout.h"
#include "engine/store.h"

static size_t align64(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t qn_block_layout(int64_t n_segments, int64_t n_entries, bool coded, qn_block_parts *parts)
{
    parts->segment = align64(sizeof(qn_block_header));
    parts->index = parts->segment + align64((size_t)n_segments * sizeof(qn_segment));
    parts->value = parts->index + align64((size_t)n_entries * sizeof(uint32_t));
    return parts->value + align64((size_t)n_entries * (coded ? sizeof(uint8_t) : sizeof(float)));
}

qn_status qn_ratings_block_pin(qn_context *ctx, const qn_orientation *o, int64_t b,
                               qn_ratings_block *view)
{
    const void *data = NULL;
    const qn_status st = qn_store_pin(ctx, o->store, b, &data);
    const qn_block_header *header = data;
    qn_block_parts parts;

    *view = (qn_ratings_block){0};
    if (st != QN_OK)
        return st;
    qn_block_layout(header->n_segments, header->n_entries, header->coded, &parts);
    view->n_segments = header->n_segments;
    view->n_entries = header->n_entries;
    view->segment = (const qn_segment *)(const void *)((const char *)data + parts.segment);
    view->index = (const uint32_t *)(const void *)((const char *)data + parts.index);
    if (header->coded)
        view->code = (const uint8_t *)data + parts.value;
    else
        view->value = (const float *)(const void *)((const char *)data + parts.value);
    return QN_OK;
}
