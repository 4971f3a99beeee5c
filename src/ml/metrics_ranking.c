/* Ranking metrics of one query: mllib.evaluation.RankingMetrics and the reference systems' own. */
#include <math.h>

#include "quern/metrics.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Place of an item in the truth, -1 if it is not relevant. Lists are short. */
static int64_t place_in_truth(const qn_ranking_query *query, int64_t item)
{
    for (int64_t i = 0; i < query->n_truth; i++)
        if (query->truth[i] == item)
            return i;
    return -1;
}

/* The base of the logarithm cancels in the ratio; the protocols name different ones all the same.
 */
static double discount(int64_t place, qn_ranking_protocol protocol)
{
    const double x = (double)place + 2.0;

    return protocol == QN_PROTOCOL_REFERENCE ? log2(x) : log(x);
}

static double gain(const qn_ranking_query *query, int64_t place)
{
    return query->relevance ? exp2(query->relevance[place]) - 1.0 : 1.0;
}

/* How far the ideal list reaches: Spark looks at max(|pred|, |truth|) places, the reference at k.
 */
static int64_t ideal_places(const qn_ranking_query *query, int32_t k)
{
    return least(query->n_truth, k);
}

static double ndcg(const qn_ranking_query *query, int32_t k, qn_ranking_protocol protocol)
{
    const int64_t reach = least(most(query->n_predicted, query->n_truth), k);
    const int64_t ideal_reach = ideal_places(query, k);
    double dcg = 0, ideal = 0;

    for (int64_t i = 0; i < reach && i < query->n_predicted; i++) {
        const int64_t place = place_in_truth(query, query->predicted[i]);

        if (place >= 0)
            dcg += gain(query, place) / discount(i, protocol);
    }
    for (int64_t i = 0; i < ideal_reach; i++)
        ideal += gain(query, i) / discount(i, protocol); /* labels in the order given, as Spark */
    return ideal > 0 ? dcg / ideal : 0.0;
}

/* Sum over the hits of the first `reach` places of (hits so far / place). */
static double precision_sum(const qn_ranking_query *query, int64_t reach)
{
    double sum = 0;
    int64_t hits = 0;

    for (int64_t i = 0; i < least(reach, query->n_predicted); i++)
        if (place_in_truth(query, query->predicted[i]) >= 0)
            sum += (double)++hits / (double)(i + 1);
    return sum;
}

void qn_ranking_score(const qn_ranking_query *query, int32_t k, qn_ranking_protocol protocol,
                      qn_ranking_scores *out)
{
    const int64_t shown = least(query->n_predicted, k);
    int64_t hits = 0, first = -1;

    *out = (qn_ranking_scores){0};
    if (query->n_truth == 0 || k <= 0)
        return;
    for (int64_t i = 0; i < shown; i++)
        if (place_in_truth(query, query->predicted[i]) >= 0) {
            hits++;
            if (first < 0)
                first = i;
        }
    if (protocol == QN_PROTOCOL_REFERENCE)
        out->precision = shown ? (double)hits / (double)shown : 0.0;
    else
        out->precision = (double)hits / (double)k;
    out->recall = (double)hits / (double)query->n_truth;
    out->ndcg = ndcg(query, k, protocol);
    out->map = precision_sum(query, query->n_predicted) / (double)query->n_truth;
    out->map_at_k = precision_sum(query, k) / (double)least(query->n_truth, k);
    out->reciprocal_rank = first < 0 ? 0.0 : 1.0 / (double)(first + 1);
    out->hit = hits > 0 ? 1.0 : 0.0;
}
