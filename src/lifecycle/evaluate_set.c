#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "lifecycle/evaluate_impl.h"

#define ID_BYTES 4096

static int64_t find_mixed(const qn_ids *from, int64_t i, const qn_ids *to)
{
    char text[ID_BYTES];

    qn_ids_format(from, i, text, sizeof text);
    return qn_ids_find(to, text);
}

void qn_ids_map(const qn_ids *from, const qn_ids *to, int64_t *map)
{
    const bool from_text = from->type == QN_ID_STRING, to_text = to->type == QN_ID_STRING;

    for (int64_t i = 0; i < from->n; i++) {
        if (from_text != to_text)
            map[i] = find_mixed(from, i, to);
        else if (from_text)
            map[i] = qn_ids_find_text(to, from->text + from->offset[i],
                                      (size_t)(from->offset[i + 1] - from->offset[i]));
        else
            map[i] = qn_ids_find_number(to, from->number[i]);
    }
}

static int by_item_then_rating(const void *a, const void *b)
{
    const qn_test_rating *x = a, *y = b;

    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

/* Rows to their users, by counting; then each user's own rows are sorted. */
static void sort_rows(const qn_triples *test, qn_test_set *set)
{
    for (int64_t i = 0; i < test->n; i++)
        set->start[test->user[i] + 1]++;
    for (int64_t u = 0; u < set->n_users; u++)
        set->start[u + 1] += set->start[u];
    for (int64_t i = 0; i < test->n; i++)
        set->rating[set->start[test->user[i]]++] = (qn_test_rating){test->item[i], test->value[i]};
    for (int64_t u = set->n_users; u > 0; u--) /* the filling moved every start to its end */
        set->start[u] = set->start[u - 1];
    set->start[0] = 0;
    for (int64_t u = 0; u < set->n_users; u++)
        if (set->start[u + 1] - set->start[u] > 1)
            qsort(set->rating + set->start[u], (size_t)(set->start[u + 1] - set->start[u]),
                  sizeof *set->rating, by_item_then_rating);
}

qn_status qn_test_set_make(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                           qn_test_set *set)
{
    qn_status st = QN_OK;

    *set = (qn_test_set){
        .n = test->n, .n_users = test->users.n, .n_items = test->items.n, .user_ids = &test->users};
    QN_NEW0(ctx, set->start, set->n_users + 1, "test ratings by user");
    QN_NEW(ctx, set->rating, set->n, "test ratings by user");
    QN_NEW(ctx, set->user, set->n_users, "test users");
    QN_NEW(ctx, set->item, set->n_items, "test items");
    sort_rows(test, set);
    qn_ids_map(&test->users, &model->users, set->user);
    qn_ids_map(&test->items, &model->items, set->item);
done:
    if (st != QN_OK)
        qn_test_set_release(set);
    return st;
}

void qn_test_set_release(qn_test_set *set)
{
    qn_free(set->start);
    qn_free(set->rating);
    qn_free(set->user);
    qn_free(set->item);
    *set = (qn_test_set){0};
}
