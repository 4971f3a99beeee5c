#include "lifecycle/reasons.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"

qn_status qn_reasons_open(qn_context *ctx, const qn_als_model *model, int32_t most,
                          qn_reasons *reasons)
{
    qn_reasons r = {.model = model, .most = most};
    qn_status st = QN_OK;

    *reasons = (qn_reasons){0};
    QN_NEW0(ctx, r.found, most, "reasons");
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
    qn_free(reasons->found);
    qn_free(reasons->reason);
    qn_free(reasons->id);
    qn_free(reasons->contribution);
    qn_free(reasons->order);
    qn_free(reasons->item);
    *reasons = (qn_reasons){0};
}

static qn_status reserve(qn_context *ctx, qn_reasons *r, int64_t n)
{
    qn_status st = QN_OK;

    if (n <= r->capacity)
        return QN_OK;
    QN_GROW(ctx, r->contribution, n, "reasons");
    QN_GROW(ctx, r->order, n, "reasons");
    QN_GROW(ctx, r->item, n, "reasons");
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

qn_status qn_reasons_find(qn_context *ctx, qn_reasons *r, const qn_als_seen *rated, int64_t place,
                          int64_t item, bool signed_too)
{
    const int64_t start = rated->start[place];
    const int64_t n = rated->start[place + 1] - start;
    const float *rating = rated->rating + start;
    double base = 0;
    qn_status st = QN_OK;

    r->n = 0;
    r->explained = NAN;
    if (n == 0)
        return QN_OK;
    QN_TRY(reserve(ctx, r, n));
    for (int64_t i = 0; i < n; i++)
        r->item[i] = rated->other[start + i];
    QN_TRY(qn_als_explain(ctx, r->model, n, r->item, rating, item, r->contribution, &base));
    r->explained = base;
    for (int64_t i = 0; i < n; i++)
        r->explained += r->contribution[i];
    r->n = pick(r, n, signed_too);
    for (int32_t i = 0; i < r->n; i++) {
        const int64_t at = r->order[i];

        r->found[i] = (qn_reason_found){
            .item = r->item[at], .contribution = r->contribution[at], .rating = rating[at]};
    }
done:
    return st;
}

void qn_reasons_tell(qn_reasons *r, const qn_titles *titles, const qn_reason_found *found,
                     int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        const qn_reason_found *f = &found[i];

        qn_ids_format(&r->model->items, f->item, r->id[i], sizeof r->id[i]);
        r->reason[i] = (qn_reason){
            .item = r->id[i],
            .title = qn_title(titles, f->item),
            .rating = f->rating,
            .weight = f->rating != 0 ? f->contribution / (double)f->rating : 0,
            .contribution = f->contribution,
        };
    }
}
