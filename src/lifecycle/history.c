#include "lifecycle/history.h"

#include "base/alloc.h"
#include "base/context.h"

/* Counting sort of the known rows by user; two rows of a pair keep the order of the file. */
static void place(const qn_triples *t, const int64_t *user, const int64_t *item, qn_history *h)
{
    for (int64_t i = 0; i < t->n; i++) {
        int64_t at;

        if (user[i] < 0 || item[i] < 0)
            continue;
        at = h->start[user[i] + 1]++;
        h->item[at] = item[i];
        h->rating[at] = t->value[i];
    }
}

/* Items ascending within a user: insertion sort, since files are mostly sorted already. */
static void sort_user(qn_history *h, int64_t user)
{
    for (int64_t i = h->start[user] + 1; i < h->start[user + 1]; i++) {
        const int64_t item = h->item[i];
        const float rating = h->rating[i];
        int64_t j = i;

        for (; j > h->start[user] && h->item[j - 1] > item; j--) {
            h->item[j] = h->item[j - 1];
            h->rating[j] = h->rating[j - 1];
        }
        h->item[j] = item;
        h->rating[j] = rating;
    }
}

qn_status qn_history_make(qn_context *ctx, const qn_triples *triples, const qn_als_model *model,
                          qn_history *history)
{
    qn_history h = {.n_users = model->users.n};
    int64_t *user = NULL, *item = NULL;
    qn_status st = QN_OK;

    *history = (qn_history){0};
    QN_NEW(ctx, user, triples->n, "users of ratings");
    QN_NEW(ctx, item, triples->n, "items of ratings");
    QN_TRY(qn_triples_map(ctx, triples, &model->users, &model->items, user, item));
    QN_NEW0(ctx, h.start, h.n_users + 2, "ratings of users");
    QN_NEW(ctx, h.item, triples->n, "ratings of users");
    QN_NEW(ctx, h.rating, triples->n, "ratings of users");
    for (int64_t i = 0; i < triples->n; i++)
        if (user[i] >= 0 && item[i] >= 0)
            h.start[user[i] + 2]++;
    for (int64_t u = 2; u <= h.n_users + 1; u++)
        h.start[u] += h.start[u - 1];
    place(triples, user, item, &h);
    for (int64_t u = 0; u < h.n_users; u++)
        sort_user(&h, u);
    *history = h;
    h = (qn_history){0};
done:
    qn_history_release(&h);
    qn_free(user);
    qn_free(item);
    return st;
}

void qn_history_release(qn_history *history)
{
    qn_free(history->start);
    qn_free(history->item);
    qn_free(history->rating);
    *history = (qn_history){0};
}
