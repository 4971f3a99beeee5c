/* The list of the most rated items for each user, less what the user has rated: what every
 * recommender is to be held against. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/context.h"
#include "lifecycle/evaluate_impl.h"

typedef struct counted {
    uint32_t count;
    int64_t item;
} counted;

static int most_rated_first(const void *a, const void *b)
{
    const counted *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item); /* indices are in id order */
}

qn_status qn_popular_order(qn_context *ctx, const qn_als_model *model, const qn_ratings *train,
                           int64_t **order)
{
    const int64_t n = model->items.n, n_train = train ? train->items.n : 0;
    counted *item = NULL;
    int64_t *map = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, item, n, "items by popularity");
    QN_NEW(ctx, map, n_train, "training items");
    if (train)
        qn_ids_map(&train->items, 0, n_train, &model->items, map);
    for (int64_t i = 0; i < n; i++)
        item[i] = (counted){train ? 0 : model->item_count[i], i};
    for (int64_t i = 0; i < n_train; i++)
        if (map[i] >= 0)
            item[map[i]].count = train->by_item.degree[i];
    if (n > 0)
        qsort(item, (size_t)n, sizeof *item, most_rated_first);
    QN_NEW(ctx, *order, n, "items by popularity");
    for (int64_t i = 0; i < n; i++)
        (*order)[i] = item[i].item;
done:
    qn_free(item);
    qn_free(map);
    return st;
}

static bool is_among(const uint32_t *seen, int64_t n, int64_t item)
{
    int64_t low = 0, high = n;

    while (low < high) {
        const int64_t middle = low + (high - low) / 2;

        if ((int64_t)seen[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && (int64_t)seen[low] == item;
}

int32_t qn_popular_list(const int64_t *order, int64_t n_items, const uint32_t *seen, int64_t n_seen,
                        int32_t k, int64_t *list)
{
    int32_t n = 0;

    for (int64_t i = 0; i < n_items && n < k; i++)
        if (!is_among(seen, n_seen, order[i]))
            list[n++] = order[i];
    return n;
}
