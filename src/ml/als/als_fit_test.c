#include "ml/als/als_testing.h"

#define MAX_EVENTS 4096

/* Steps, warnings and metrics of a run. */
typedef struct heard {
    double loss[128], validation[128];
    int n_steps, n_warnings, n_validation, n_tasks, n_stages;
    char warning[256];
    qn_context *cancel; /* asks to stop at the first step */
} heard;

static void listen(void *user, const qn_event *event)
{
    heard *h = user;

    if (event->kind == QN_EVENT_STEP) {
        h->loss[h->n_steps++ % 128] = event->value;
        if (h->cancel)
            qn_context_cancel(h->cancel, 2);
    }
    if (event->kind == QN_EVENT_METRIC && strcmp(event->name, "validationRmse") == 0)
        h->validation[h->n_validation++ % 128] = event->value;
    if (event->kind == QN_EVENT_WARNING) {
        snprintf(h->warning, sizeof h->warning, "%s", event->text);
        h->n_warnings++;
    }
    h->n_tasks += event->kind == QN_EVENT_TASK_END;
    h->n_stages += event->kind == QN_EVENT_STAGE_END;
}

static qn_als_model *fit_list(qn_context *ctx, const qn_als_params *params, const test_rating *list,
                              int64_t n)
{
    qn_ratings *ratings = NULL;
    qn_als_model *model = NULL;

    CHECK_OK(ctx, test_ratings(ctx, list, n, 0, &ratings));
    CHECK_OK(ctx, qn_als_fit(ctx, params, ratings, &model));
    qn_ratings_free(ratings);
    return model;
}

static float predict(const qn_als_model *m, int64_t user, int64_t item)
{
    return qn_dot_spark(m->rank, m->user_factors + user * m->stride,
                        m->item_factors + item * m->stride);
}

/* 6 x 6: users like the items of their own colour (5) and not the others (1); the diagonal is kept
 * back and must come out as 5. */
static int64_t checkerboard(test_rating list[36])
{
    int64_t n = 0;

    for (int64_t u = 0; u < 6; u++)
        for (int64_t i = 0; i < 6; i++)
            if (u != i)
                list[n++] = (test_rating){u + 10, i + 100, (u + i) % 2 == 0 ? 5.0F : 1.0F};
    return n;
}

static void the_checkerboard_is_completed(void **state)
{
    qn_context *ctx = *state;
    test_rating list[36];
    const int64_t n = checkerboard(list);
    const qn_als_params params = test_params(2, 20, 0.001);
    qn_als_model *m = fit_list(ctx, &params, list, n);

    for (int64_t u = 0; u < 6; u++)
        for (int64_t i = 0; i < 6; i++)
            CHECK_NEAR(predict(m, u, i), (u + i) % 2 == 0 ? 5 : 1, 0.1);
    CHECK_EQ(m->iterations, 20);
    CHECK_EQ(m->items.n, 6);
    CHECK_EQ(m->item_count[0], 5);
    CHECK_NEAR(m->mean_rating, (12 * 5 + 18) / 30.0, 1e-6);
    CHECK_NEAR(m->item_mean[0], (2 * 5 + 3) / 5.0, 1e-6);
    qn_als_free(m);
}

static void fifty_sweeps_of_a_four_by_four_stay_finite(void **state)
{
    qn_context *ctx = *state;
    test_rating list[16];

    for (int64_t i = 0; i < 16; i++)
        list[i] = (test_rating){i / 4, i % 4, (float)(1 + (i * 5) % 7)};
    for (int implicit = 0; implicit < 2; implicit++) {
        qn_als_params params = test_params(1, 50, 0.01);
        qn_als_model *m = NULL;

        params.implicit_prefs = implicit;
        m = fit_list(ctx, &params, list, 16);
        for (int64_t u = 0; u < 4; u++)
            for (int64_t i = 0; i < 4; i++)
                CHECK(isfinite(predict(m, u, i)) && predict(m, u, i) != 0);
        qn_als_free(m);
    }
}

static void no_sweeps_give_unit_vectors(void **state)
{
    qn_context *ctx = *state;
    test_rating list[36];
    const int64_t n = checkerboard(list);
    const qn_als_params params = test_params(5, 0, 0.1);
    qn_als_model *m = fit_list(ctx, &params, list, n);

    for (int64_t u = 0; u < 6; u++) {
        double squares = 0;

        for (int64_t f = 0; f < 5; f++)
            squares += pow((double)m->user_factors[u * m->stride + f], 2);
        CHECK_NEAR(squares, 1, 1e-6);
        for (int64_t f = 5; f < m->stride; f++)
            CHECK(m->user_factors[u * m->stride + f] == 0);
    }
    CHECK(m->user_factors[0] != m->item_factors[0]);
    CHECK(isnan(m->loss)); /* no sweep has been scored */
    qn_als_free(m);
}

/* ---- A plain reference in double, written for the test: dense, row by row. ---- */

#define REF_RANK 4 /* three factors and a bias */

typedef struct reference {
    const test_rating *list;
    int64_t n, n_users, n_items;
    const qn_als_params *params;
    int32_t rank; /* unknowns */
    double mean;
    double *x[2], *bias[2]; /* by side: [rows x 3], [rows] */
} reference;

static void gauss(int32_t n, double a[REF_RANK][REF_RANK], double *b)
{
    for (int32_t p = 0; p < n; p++) {
        for (int32_t r = p + 1; r < n; r++) {
            const double factor = a[r][p] / a[p][p];

            for (int32_t c = p; c < n; c++)
                a[r][c] -= factor * a[p][c];
            b[r] -= factor * b[p];
        }
    }
    for (int32_t r = n - 1; r >= 0; r--) {
        for (int32_t c = r + 1; c < n; c++)
            b[r] -= a[r][c] * b[c];
        b[r] /= a[r][r];
    }
}

/* Nonnegative least squares by trying every set of columns that may be above 0. */
static void gauss_nonnegative(int32_t n, double a[REF_RANK][REF_RANK], double *b)
{
    double best[REF_RANK] = {0};
    double best_value = 0;

    for (uint32_t set = 1; set < 1U << n; set++) {
        double part[REF_RANK][REF_RANK] = {{0}};
        double x[REF_RANK] = {0};
        double value = 0;
        bool is_allowed = true;

        for (int32_t r = 0; r < n; r++)
            for (int32_t c = 0; c < n; c++)
                part[r][c] = (set >> r & 1) && (set >> c & 1) ? a[r][c] : r == c;
        for (int32_t r = 0; r < n; r++)
            x[r] = set >> r & 1 ? b[r] : 0;
        gauss(n, part, x);
        for (int32_t r = 0; r < n; r++) {
            is_allowed = is_allowed && x[r] >= 0;
            value -= b[r] * x[r];
            for (int32_t c = 0; c < n; c++)
                value += 0.5 * x[r] * a[r][c] * x[c];
        }
        if (is_allowed && value < best_value) {
            best_value = value;
            memcpy(best, x, sizeof best);
        }
    }
    memcpy(b, best, sizeof best);
}

/* One row: side 0 solves a user, side 1 an item. */
static void reference_row(reference *ref, int side, int64_t row, const qn_ids *ids[2])
{
    const qn_als_params *p = ref->params;
    const bool has_bias = p->bias == QN_ALS_BIAS_FULL;
    const int other = 1 - side;
    const int64_t n_others = side == 0 ? ref->n_items : ref->n_users;
    double a[REF_RANK][REF_RANK] = {{0}};
    double b[REF_RANK] = {0};
    double count = 0;

    for (int64_t o = 0; p->implicit_prefs && o < n_others; o++)
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 3; c++)
                a[r][c] += ref->x[other][o * 3 + r] * ref->x[other][o * 3 + c];
    for (int64_t i = 0; i < ref->n; i++) {
        const int64_t at[2] = {test_find(ids[0], ref->list[i].user),
                               test_find(ids[1], ref->list[i].item)};
        const double *x = ref->x[other] + at[other] * 3;
        const double y[REF_RANK] = {x[0], x[1], x[2], 1};
        const double rating = (double)ref->list[i].value;
        const double weight = p->implicit_prefs ? p->alpha * fabs(rating) : 1;
        double target = p->implicit_prefs ? (rating > 0 ? 1 + weight : 0) : rating;

        if (at[side] != row)
            continue;
        if (has_bias)
            target -= ref->mean + ref->bias[other][at[other]];
        count += !p->implicit_prefs || rating > 0;
        for (int r = 0; r < ref->rank; r++) {
            b[r] += target * y[r];
            for (int c = 0; c < ref->rank; c++)
                a[r][c] += weight * y[r] * y[c];
        }
    }
    for (int r = 0; r < ref->rank; r++)
        a[r][r] += count * p->reg_param;
    if (count == 0)
        memset(b, 0, sizeof b);
    else if (p->nonnegative)
        gauss_nonnegative(ref->rank, a, b);
    else
        gauss(ref->rank, a, b);
    memcpy(ref->x[side] + row * 3, b, 3 * sizeof *b);
    ref->bias[side][row] = has_bias ? b[3] : 0;
}

static double reference_predict(const reference *ref, int64_t user, int64_t item)
{
    double sum = ref->params->bias == QN_ALS_BIAS_FULL
                     ? ref->mean + ref->bias[0][user] + ref->bias[1][item]
                     : 0;

    for (int f = 0; f < 3; f++)
        sum += ref->x[0][user * 3 + f] * ref->x[1][item * 3 + f];
    return sum;
}

/* The loss that the step event promises, by its definition. */
static double reference_loss(const reference *ref, const qn_ids *ids[2])
{
    double sum = 0;

    for (int64_t i = 0; i < ref->n; i++) {
        const int64_t user = test_find(ids[0], ref->list[i].user);
        const int64_t item = test_find(ids[1], ref->list[i].item);
        const double rating = (double)ref->list[i].value;
        const double value = reference_predict(ref, user, item);

        if (ref->params->implicit_prefs) /* the pair's own 1 is in the sum over all pairs below */
            sum += (1 + ref->params->alpha * fabs(rating)) * pow((rating > 0) - value, 2) -
                   value * value;
        else
            sum += pow(rating - value, 2);
    }
    if (!ref->params->implicit_prefs)
        return sqrt(sum / (double)ref->n);
    for (int64_t u = 0; u < ref->n_users; u++)
        for (int64_t i = 0; i < ref->n_items; i++)
            sum += pow(reference_predict(ref, u, i), 2);
    return sum / (double)ref->n;
}

/* Sweeps of both from the same start: predictions and loss must agree. */
static void agrees_with_reference(qn_als_params params, double tolerance)
{
    const int64_t n = 300;
    qn_context *ctx = NULL;
    test_rating *list = test_random(20, 15, n, 5);
    reference ref = {.list = list, .n = n, .params = &params};
    heard heard_now = {0};
    qn_als_model *m = NULL;
    const qn_ids *ids[2];

    CHECK_EQ(qn_context_create(NULL, &ctx), QN_OK);
    params.rank = 3;
    params.max_iter = 0;
    ref.rank = params.bias == QN_ALS_BIAS_FULL ? 4 : 3;
    m = fit_list(ctx, &params, list, n);
    ids[0] = &m->users;
    ids[1] = &m->items;
    ref.n_users = m->users.n;
    ref.n_items = m->items.n;
    for (int64_t i = 0; i < n; i++)
        ref.mean += (double)list[i].value / (double)n;
    for (int s = 0; s < 2; s++) {
        ref.x[s] = calloc((size_t)ids[s]->n * 3, sizeof(double));
        ref.bias[s] = calloc((size_t)ids[s]->n, sizeof(double));
    }
    for (int64_t u = 0; u < ref.n_users; u++)
        for (int64_t f = 0; f < 3; f++)
            ref.x[0][u * 3 + f] = (double)m->user_factors[u * m->stride + f];
    for (int sweep = 0; sweep < 3; sweep++)
        for (int side = 1; side >= 0; side--)
            for (int64_t row = 0; row < ids[side]->n; row++)
                reference_row(&ref, side, row, ids);
    params.max_iter = 3;
    CHECK_OK(ctx, qn_context_add_sink(ctx, listen, &heard_now));
    {
        qn_als_model *fitted = fit_list(ctx, &params, list, n);

        for (int64_t u = 0; u < ref.n_users; u++)
            for (int64_t i = 0; i < ref.n_items; i++)
                CHECK_NEAR(predict(fitted, u, i), reference_predict(&ref, u, i), tolerance);
        CHECK_EQ(heard_now.n_steps, 3);
        CHECK_EQ(heard_now.n_stages, 6);
        CHECK_EQ(heard_now.n_tasks, 6);
        CHECK_NEAR(heard_now.loss[2], reference_loss(&ref, ids), tolerance);
        CHECK(fitted->loss == heard_now.loss[2]);
        qn_als_free(fitted);
    }
    qn_als_free(m);
    for (int s = 0; s < 2; s++) {
        free(ref.x[s]);
        free(ref.bias[s]);
    }
    free(list);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void explicit_fit_agrees_with_dense_equations(void **state)
{
    qn_als_params params = test_params(3, 3, 0.05);

    (void)state;
    agrees_with_reference(params, 1e-3);
    params.precision = QN_ALS_DOUBLE;
    agrees_with_reference(params, 1e-4);
}

static void implicit_fit_agrees_with_dense_equations(void **state)
{
    qn_als_params params = test_params(3, 3, 0.05);

    (void)state;
    params.implicit_prefs = true;
    params.alpha = 2;
    agrees_with_reference(params, 1e-3);
    params.precision = QN_ALS_DOUBLE;
    agrees_with_reference(params, 1e-4);
}

static void nonnegative_fit_agrees_with_every_set_of_columns(void **state)
{
    qn_als_params params = test_params(3, 3, 0.05);

    (void)state;
    params.nonnegative = true;
    agrees_with_reference(params, 2e-3);
    params.implicit_prefs = true;
    agrees_with_reference(params, 2e-3);
}

static void biased_fit_agrees_with_dense_equations(void **state)
{
    qn_als_params params = test_params(3, 3, 0.05);

    (void)state;
    params.bias = QN_ALS_BIAS_FULL;
    agrees_with_reference(params, 1e-3);
    params.precision = QN_ALS_DOUBLE;
    agrees_with_reference(params, 1e-4);
}

static void implicit_rows_without_positive_ratings_are_zero(void **state)
{
    qn_context *ctx = *state;
    const test_rating list[] = {{1, 1, 3}, {1, 2, 1}, {2, 1, 2}, {2, 3, 1}, {3, 1, 0}, {3, 2, -2}};
    qn_als_params params = test_params(2, 4, 0.1);
    qn_als_model *m = NULL;

    params.implicit_prefs = true;
    m = fit_list(ctx, &params, list, 6);
    for (int64_t f = 0; f < m->stride; f++)
        CHECK(m->user_factors[2 * m->stride + f] == 0);
    CHECK(predict(m, 0, 0) > 0.5F);
    qn_als_free(m);
}

static void zero_ratings_change_nothing_of_an_implicit_fit(void **state)
{
    qn_context *ctx = *state;
    const test_rating list[] = {{1, 1, 3}, {1, 2, 1}, {2, 1, 2}, {2, 2, 1}, {1, 2, 0}, {2, 1, 0}};
    qn_als_params params = test_params(2, 4, 0.1);
    qn_als_model *with = NULL;
    qn_als_model *without = NULL;

    params.implicit_prefs = true;
    with = fit_list(ctx, &params, list, 6);
    without = fit_list(ctx, &params, list, 4);
    CHECK(test_model_bits(with) == test_model_bits(without));
    qn_als_free(with);
    qn_als_free(without);
}

static void singular_rows_are_solved_and_reported_once(void **state)
{
    qn_context *ctx = *state;
    const test_rating list[] = {{1, 1, 4}, {1, 2, 2}, {2, 1, 5}, {3, 2, 1}};
    const qn_als_params params = test_params(3, 5, 0);
    heard h = {0};
    qn_als_model *m = NULL;

    CHECK_OK(ctx, qn_context_add_sink(ctx, listen, &h));
    m = fit_list(ctx, &params, list, 4); /* three factors, at most two ratings a row */
    CHECK_NEAR(predict(m, 0, 0), 4, 1e-2);
    CHECK_NEAR(predict(m, 0, 1), 2, 1e-2);
    CHECK_NEAR(predict(m, 1, 0), 5, 1e-2);
    CHECK_NEAR(predict(m, 2, 1), 1, 1e-2);
    for (int64_t i = 0; i < m->users.n * m->stride; i++)
        CHECK(fabsf(m->user_factors[i]) < 100);
    CHECK_EQ(h.n_warnings, 2); /* the rank, and the ridge */
    CHECK(strstr(h.warning, "singular") != NULL);
    qn_als_free(m);
}

static void huge_ratings_are_an_error_that_names_the_row(void **state)
{
    qn_context *ctx = *state;
    const test_rating list[] = {{1, 1, 4}, {1, 2, 2}, {7, 1, 3e38F}, {7, 2, 3e38F}, {7, 3, 3e38F}};
    const qn_als_params params = test_params(2, 3, 0.1);
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;

    CHECK_OK(ctx, test_ratings(ctx, list, 5, 0, &ratings));
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_EDATA);
    CHECK(m == NULL);
    CHECK_ERROR(ctx, "finite factors");
    qn_ratings_free(ratings);
}

static void parameters_that_do_not_go_together_are_refused(void **state)
{
    qn_context *ctx = *state;
    test_rating list[36];
    const int64_t n = checkerboard(list);
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;
    qn_als_params params = test_params(2, 3, 0.1);

    CHECK_OK(ctx, test_ratings(ctx, list, n, 0, &ratings));
    params.bias = QN_ALS_BIAS_FULL;
    params.implicit_prefs = true;
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_EINVAL);
    CHECK_ERROR(ctx, "--bias none");
    params.implicit_prefs = false;
    params.nonnegative = true;
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_EINVAL);
    params = test_params(0, 3, 0.1);
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_EINVAL);
    CHECK_ERROR(ctx, "rank");
    params = test_params(2, 3, -0.1);
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_EINVAL);
    params = test_params(2, 3, 0.1);
    params.early_stop = 1;
    params.validation = 0;
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_EINVAL);
    CHECK_ERROR(ctx, "--validation");
    CHECK(m == NULL);
    qn_ratings_free(ratings);
}

static void a_fit_that_does_not_fit_says_the_bytes(void **state)
{
    const qn_context_options options = {.memory = (size_t)64 << 20, .threads = 1};
    qn_context *ctx = NULL;
    test_rating list[36];
    const int64_t n = checkerboard(list);
    const qn_als_params params = test_params(4096, 3, 0.1);
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;

    (void)state;
    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    CHECK_OK(ctx, test_ratings(ctx, list, n, 0, &ratings));
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_ENOMEM);
    CHECK_ERROR(ctx, "rank 4096 needs");
    CHECK_ERROR(ctx, "--memory");
    qn_ratings_free(ratings);
    qn_context_free(ctx);
}

static void a_cancelled_fit_stops_and_frees_all(void **state)
{
    qn_context *ctx = *state;
    test_rating list[36];
    const int64_t n = checkerboard(list);
    const qn_als_params params = test_params(2, 1000, 0.1);
    heard h = {.cancel = ctx};
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;

    CHECK_OK(ctx, test_ratings(ctx, list, n, 0, &ratings));
    CHECK_OK(ctx, qn_context_add_sink(ctx, listen, &h));
    CHECK_EQ(qn_als_fit(ctx, &params, ratings, &m), QN_ECANCELLED);
    CHECK(m == NULL);
    CHECK_EQ(h.n_steps, 1);
    qn_ratings_free(ratings);
}

static void fit_survives_every_failed_allocation(void **state)
{
    qn_context *ctx = *state;
    test_rating list[36];
    const int64_t n = checkerboard(list);
    qn_als_params params = test_params(2, 2, 0.1);
    qn_ratings *ratings = NULL;
    int64_t live = 0;

    ctx->cells.long_row = 4; /* rows of two cells */
    CHECK_OK(ctx, test_ratings(ctx, list, n, 0, &ratings));
    live = qn_alloc_live(ctx);
    for (int kind = 0; kind < 3; kind++) {
        qn_status st = QN_ENOMEM;
        int64_t allowed = 0;

        params.implicit_prefs = kind == 1;
        params.early_stop = kind == 2 ? 2 : 0;
        params.validation = 0.2;
        for (; st != QN_OK; allowed++) {
            qn_als_model *model = NULL;

            qn_alloc_fail_after(ctx, allowed);
            st = qn_als_fit(ctx, &params, ratings, &model);
            qn_alloc_fail_after(ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
            CHECK((model != NULL) == (st == QN_OK));
            qn_als_free(model);
            CHECK_EQ(qn_alloc_live(ctx), live);
        }
        CHECK(allowed > 20);
    }
    qn_ratings_free(ratings);
}

/* Ratings that hold no taste: learning them by heart must be seen and undone. */
static void early_stop_returns_the_best_sweep(void **state)
{
    qn_context *ctx = *state;
    test_rating *list = malloc(2000 * sizeof *list);
    qn_als_params params = test_params(8, 30, 0.01);
    heard h = {0};
    qn_als_model *stopped = NULL;
    qn_als_model *same = NULL;
    uint64_t noise = 9;
    int best = 0;

    for (int64_t i = 0; i < 2000; i++)
        list[i] = (test_rating){test_noise(&noise, 100), test_noise(&noise, 60),
                                (float)(1 + test_noise(&noise, 5))};
    params.early_stop = 3;
    params.validation = 0.2;
    CHECK_OK(ctx, qn_context_add_sink(ctx, listen, &h));
    stopped = fit_list(ctx, &params, list, 2000);
    for (int i = 1; i < h.n_validation; i++)
        if (h.validation[i] < h.validation[best])
            best = i;
    CHECK_EQ(stopped->iterations, best + 1);
    CHECK_EQ(h.n_validation, best + 1 + 3);
    CHECK(stopped->loss == h.loss[best]);
    CHECK(h.n_validation < 30);
    params.max_iter = best + 1;
    same = fit_list(ctx, &params, list, 2000);
    CHECK(test_model_bits(stopped) == test_model_bits(same));
    qn_als_free(stopped);
    qn_als_free(same);
    free(list);
}

/* The validation ratings must leave no trace: the fit is that of the other ratings alone. */
static void validation_ratings_are_not_trained_on(void **state)
{
    qn_context *ctx = *state;
    test_rating *list = test_random(30, 20, 400, 3);
    test_rating *kept = malloc(400 * sizeof *kept);
    qn_als_params params = test_params(3, 3, 0.1);
    const als_holdout holdout = {.seed = params.seed, .share = 0.1};
    qn_als_model *with = NULL;
    qn_als_model *without = NULL;
    int64_t n_kept = 0;

    for (int64_t i = 0; i < 400; i++) {
        uint64_t user = (uint64_t)list[i].user;
        uint64_t item = (uint64_t)list[i].item;
        als_holdout one = holdout;

        one.key[QN_SIDE_USER] = &user;
        one.key[QN_SIDE_ITEM] = &item;
        if (!als_holdout_has(&one, QN_SIDE_USER, user, 0))
            kept[n_kept++] = list[i];
    }
    CHECK(n_kept < 385 && n_kept > 320);
    params.early_stop = 3;
    params.validation = 0.1;
    with = fit_list(ctx, &params, list, 400);
    params.early_stop = 0;
    params.max_iter = with->iterations;
    without = fit_list(ctx, &params, kept, n_kept);
    CHECK_EQ(with->users.n, without->users.n);
    CHECK_EQ(with->items.n, without->items.n);
    CHECK(test_model_bits(with) == test_model_bits(without));
    CHECK(with->mean_rating == without->mean_rating);
    CHECK(memcmp(with->item_count, without->item_count, (size_t)with->items.n * 4) == 0);
    CHECK(memcmp(with->item_mean, without->item_mean, (size_t)with->items.n * 4) == 0);
    qn_als_free(with);
    qn_als_free(without);
    free(list);
    free(kept);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, test_context_setup, test_context_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_checkerboard_is_completed),
        CASE(fifty_sweeps_of_a_four_by_four_stay_finite),
        CASE(no_sweeps_give_unit_vectors),
        CASE(explicit_fit_agrees_with_dense_equations),
        CASE(implicit_fit_agrees_with_dense_equations),
        CASE(nonnegative_fit_agrees_with_every_set_of_columns),
        CASE(biased_fit_agrees_with_dense_equations),
        CASE(implicit_rows_without_positive_ratings_are_zero),
        CASE(zero_ratings_change_nothing_of_an_implicit_fit),
        CASE(singular_rows_are_solved_and_reported_once),
        CASE(huge_ratings_are_an_error_that_names_the_row),
        CASE(parameters_that_do_not_go_together_are_refused),
        CASE(a_fit_that_does_not_fit_says_the_bytes),
        CASE(a_cancelled_fit_stops_and_frees_all),
        CASE(fit_survives_every_failed_allocation),
        CASE(early_stop_returns_the_best_sweep),
        CASE(validation_ratings_are_not_trained_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
