/* How far the centres of two models lie apart: the cheapest matching (Kuhn 1955, with the
 * potentials of Jonker and Volgenant: every row of the cost table is given a column along the
 * shortest way that changes the others' least). */
#include <math.h>
#include <string.h>

#include "ml/kmeans/kmeans_impl.h"

/* A square table of costs, padded with zeros. Rows and columns count from 1; 0 is "none yet". */
typedef struct matching {
    int32_t n;
    const double *cost;     /* [n x n] */
    double *row_price;      /* [n + 1] */
    double *column_price;   /* [n + 1] */
    int32_t *row_of_column; /* [n + 1] */
    int32_t *way;           /* [n + 1] column before, on the shortest way */
    double *shortest;       /* [n + 1] of the way to a column */
    bool *is_reached;       /* [n + 1] */
} matching;

/* Takes the column that is nearest on the way from `column`, and lowers what is reached to it. */
static int32_t next_column(matching *m, int32_t column)
{
    const int32_t row = m->row_of_column[column];
    double step = INFINITY;
    int32_t next = 0;

    m->is_reached[column] = true;
    for (int32_t j = 1; j <= m->n; j++) {
        const double cost = m->is_reached[j] ? 0
                                             : m->cost[(int64_t)(row - 1) * m->n + j - 1] -
                                                   m->row_price[row] - m->column_price[j];

        if (m->is_reached[j])
            continue;
        if (cost < m->shortest[j]) {
            m->shortest[j] = cost;
            m->way[j] = column;
        }
        if (m->shortest[j] < step) {
            step = m->shortest[j];
            next = j;
        }
    }
    for (int32_t j = 0; j <= m->n; j++) {
        if (m->is_reached[j]) {
            m->row_price[m->row_of_column[j]] += step;
            m->column_price[j] -= step;
        } else {
            m->shortest[j] -= step;
        }
    }
    return next;
}

static void match_row(matching *m, int32_t row)
{
    int32_t column = 0;

    for (int32_t j = 0; j <= m->n; j++) {
        m->shortest[j] = INFINITY;
        m->is_reached[j] = false;
    }
    m->row_of_column[0] = row;
    while (m->row_of_column[column] != 0)
        column = next_column(m, column);
    for (; column != 0; column = m->way[column])
        m->row_of_column[column] = m->row_of_column[m->way[column]];
}

static qn_status match_all(qn_context *ctx, int32_t n, const double *cost, int32_t *column_of_row)
{
    qn_status st = QN_OK;
    matching m = {.n = n, .cost = cost};

    QN_NEW0(ctx, m.row_price, n + 1, "a matching of centres");
    QN_NEW0(ctx, m.column_price, n + 1, "a matching of centres");
    QN_NEW0(ctx, m.row_of_column, n + 1, "a matching of centres");
    QN_NEW0(ctx, m.way, n + 1, "a matching of centres");
    QN_NEW(ctx, m.shortest, n + 1, "a matching of centres");
    QN_NEW(ctx, m.is_reached, n + 1, "a matching of centres");
    for (int32_t row = 1; row <= n; row++) {
        QN_TRY(qn_check_cancel(ctx));
        match_row(&m, row);
    }
    for (int32_t j = 1; j <= n; j++)
        column_of_row[m.row_of_column[j] - 1] = j - 1;
done:
    qn_free(m.row_price);
    qn_free(m.column_price);
    qn_free(m.row_of_column);
    qn_free(m.way);
    qn_free(m.shortest);
    qn_free(m.is_reached);
    return st;
}

static qn_status check_features(qn_context *ctx, const qn_kmeans_model *a, const qn_kmeans_model *b)
{
    if (a->n_features != b->n_features)
        return qn_fail(ctx, QN_EINVAL,
                       "one model has %d features, the other %d: they cannot be "
                       "compared",
                       a->n_features, b->n_features);
    for (int32_t j = 0; a->base.features.n > 0 && b->base.features.n > 0 && j < a->n_features;
         j++) {
        char one[256], other[256];

        qn_features_name(&a->base.features, j, one, sizeof one);
        qn_features_name(&b->base.features, j, other, sizeof other);
        if (strcmp(one, other) != 0)
            return qn_fail(ctx, QN_EINVAL,
                           "feature %d is %s in one model and %s in the other: they cannot be "
                           "compared",
                           j, one, other);
    }
    return QN_OK;
}

qn_status qn_kmeans_drift(qn_context *ctx, const qn_kmeans_model *a, const qn_kmeans_model *b,
                          int32_t *match, double *distance)
{
    qn_status st = QN_OK;
    const int32_t n = a->k > b->k ? a->k : b->k;
    const int64_t d = a->n_features;
    const bool is_cosine = a->params.distance_measure == QN_COSINE;
    kmeans_centres from = {0}, to = {0};
    double *cost = NULL;
    int32_t *column = NULL;

    QN_TRY(check_features(ctx, a, b));
    QN_TRY(kmeans_centres_of(ctx, a, NULL, &from));
    QN_TRY(kmeans_centres_of(ctx, b, NULL, &to));
    QN_NEW0(ctx, cost, (int64_t)n * n, "distances of centres");
    QN_NEW(ctx, column, n, "a matching of centres");
    for (int64_t i = 0; i < a->k; i++)
        for (int64_t j = 0; j < b->k; j++) {
            double square =
                kmeans_square_distance(a->n_features, from.centre + i * d, to.centre + j * d);

            square = square < 1e300 ? square : 1e300; /* the prices stay finite */
            cost[i * n + j] = is_cosine ? square / 2 : sqrt(square);
        }
    QN_TRY(match_all(ctx, n, cost, column));
    for (int64_t i = 0; i < a->k; i++) {
        const bool is_matched = column[i] < b->k;

        match[i] = is_matched ? column[i] : -1;
        distance[i] = is_matched ? cost[i * n + column[i]] : NAN;
    }
done:
    kmeans_centres_release(&from);
    kmeans_centres_release(&to);
    qn_free(cost);
    qn_free(column);
    return st;
}
