/* Dictionaries of ids: sorted lists that are searched by halves. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "quern/ratings.h"

int64_t qn_ids_find_number(const qn_ids *ids, int64_t id)
{
    int64_t low = 0, high = ids->n;

    if (!ids->number)
        return -1;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;

        if (ids->number[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ids->n && ids->number[low] == id ? low : -1;
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
    const size_t shorter = a_length < b_length ? a_length : b_length;
    const int order = shorter > 0 ? memcmp(a, b, shorter) : 0;

    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

int64_t qn_ids_find_text(const qn_ids *ids, const char *text, size_t length)
{
    int64_t low = 0, high = ids->n;

    if (!ids->offset)
        return -1;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int64_t start = ids->offset[middle];
        const int order = compare_text(ids->text + start, (size_t)(ids->offset[middle + 1] - start),
                                       text, length);

        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

int64_t qn_ids_find_bytes(const qn_ids *ids, const char *text, size_t length)
{
    int64_t number = 0;

    if (ids->type == QN_ID_STRING)
        return qn_ids_find_text(ids, text, length);
    return qn_parse_int64(text, length, &number) ? qn_ids_find_number(ids, number) : -1;
}

int64_t qn_ids_find(const qn_ids *ids, const char *text)
{
    return qn_ids_find_bytes(ids, text, strlen(text));
}

int64_t qn_ids_format(const qn_ids *ids, int64_t index, char *out, size_t size)
{
    int64_t length;

    if (ids->type != QN_ID_STRING)
        return snprintf(out, size, "%" PRId64, ids->number[index]);
    length = ids->offset[index + 1] - ids->offset[index];
    if (size > 0) {
        const size_t n = (size_t)length < size - 1 ? (size_t)length : size - 1;

        memcpy(out, ids->text + ids->offset[index], n);
        out[n] = '\0';
    }
    return length;
}

void qn_ids_release(qn_ids *ids)
{
    qn_free(ids->number);
    qn_free(ids->text);
    qn_free(ids->offset);
    *ids = (qn_ids){0};
}

qn_status qn_ids_copy(qn_context *ctx, const qn_ids *from, qn_ids *to)
{
    qn_status st = QN_OK;
    qn_ids copy = {.type = from->type, .n = from->n};

    *to = (qn_ids){0};
    if (from->type == QN_ID_STRING) {
        const int64_t bytes = from->offset[from->n];

        QN_NEW(ctx, copy.offset, from->n + 1, "ids");
        memcpy(copy.offset, from->offset, (size_t)(from->n + 1) * sizeof *copy.offset);
        QN_NEW(ctx, copy.text, bytes, "ids");
        memcpy(copy.text, from->text, (size_t)bytes);
    } else {
        QN_NEW(ctx, copy.number, from->n, "ids");
        memcpy(copy.number, from->number, (size_t)from->n * sizeof *copy.number);
    }
    *to = copy;
    copy = (qn_ids){0};
done:
    qn_ids_release(&copy);
    return st;
}
