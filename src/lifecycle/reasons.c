#include "lifecycle/reasons.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"

qn_status qn_reasons_open(qn_context *ctx, const qn_als_model *model, const qn_history *history,
                          const qn_titles *titles, int32_t most, qn_reasons *reasons)
{
    qn_reasons r = {.model = model, .history = history, .titles = titles, .most = most};
    qn_status st = QN_OK;

    *reasons = (qn_reasons){0};
    QN_NEW0(ctx, r.reason, most, "reasons");
    QN_NEW0(ctx, r.id, most, "reasons");
    *reasons = r;
    r = (qn_reasons){0};
done:
    qn_reasons_close(&r);
    return st;
}

void qn_reasons_close(qn_reasons *reasons)
{
    qn_free(reasons->reason);
    qn_free(reasons->id);
    qn_free(reasons->contribution);
    qn_free(reasons->order);
    *reasons = (qn_reasons){0};
}

static qn_status reserve(qn_context *ctx, qn_reasons *r, int64_t n)
{
    qn_status st = QN_OK;

    if (n <= r->capacity)
        return QN_OK;
    QN_GROW(ctx, r->contribution, n, "reasons");
    QN_GROW(ctx, r->order, n, "reasons");
    r->capacity = n;
done:
    return st;
}

/* The `most` largest by selection: few are wanted. Equal ones keep the order of items. */
static int32_t pick(qn_reasons *r, int64_t n, bool signed_too)
{
    int32_t picked = 0;

    for (int64_t i = 0; i < n; i++)
        r->order[i] = i;
    for (; picked < r->most && picked < n; picked++) {
        int64_t best = picked;

        for (int64_t i = picked + 1; i < n; i++) {
            const double a = r->contribution[r->order[i]], b = r->contribution[r->order[best]];

            if ((signed_too ? fabs(a) > fabs(b) : a > b) ||
                (a == b && r->order[i] < r->order[best]))
                best = i;
        }
        if (!signed_too && !(r->contribution[r->order[best]] > 0))
            break;
        const int64_t swap = r->order[picked];

        r->order[picked] = r->order[best];
        r->order[best] = swap;
    }
    return picked;
}

qn_status qn_reasons_find(qn_context *ctx, qn_reasons *r, int64_t user, int64_t item,
                          bool signed_too)
{
    const int64_t start = r->history->start[user];
    const int64_t n = r->history->start[user + 1] - start;
    const int64_t *other = r->history->other + start;
    const float *rating = r->history->rating + start;
    double base = 0;
    qn_status st = QN_OK;

    r->n = 0;
    r->explained = NAN;
    if (n == 0)
        return QN_OK;
    QN_TRY(reserve(ctx, r, n));
    QN_TRY(qn_als_explain(ctx, r->model, n, other, rating, item, r->contribution, &base));
    r->explained = base;
    for (int64_t i = 0; i < n; i++)
        r->explained += r->contribution[i];
    r->n = pick(r, n, signed_too);
    for (int32_t i = 0; i < r->n; i++) {
        const int64_t at = r->order[i];

        qn_ids_format(&r->model->items, other[at], r->id[i], sizeof r->id[i]);
        r->reason[i] = (qn_reason){
            .item = r->id[i],
            .title = qn_title(r->titles, other[at]),
            .rating = rating[at],
            .weight = rating[at] != 0 ? r->contribution[at] / (double)rating[at] : 0,
            .contribution = r->contribution[at],
        };
    }
done:
    return st;
}
