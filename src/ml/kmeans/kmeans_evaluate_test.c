/* Silhouettes with known answers and against the definition, predictions, drift. */
#include "ml/kmeans/kmeans_testing.h"

/* Weighted sum of weight x distance over every pair: the definition, rows x rows. */
static double plain_silhouette(const test_table *t, int32_t k, const int32_t *label, bool is_cosine)
{
    const int32_t d = t->columns - t->has_weight;
    double sum = 0;
    double total = 0;

    for (int64_t i = 0; i < t->n; i++) {
        double distance[16] = {0};
        double weight[16] = {0};
        const double *x = t->x + i * t->columns;
        const double own_weight = t->has_weight ? x[d] : 1;
        double a = 0;
        double b = INFINITY;

        for (int64_t j = 0; j < t->n; j++) {
            const double *y = t->x + j * t->columns;
            const double w = t->has_weight ? y[d] : 1;
            double one[16];
            double other[16];

            memcpy(one, x, (size_t)d * sizeof *x);
            memcpy(other, y, (size_t)d * sizeof *y);
            if (is_cosine)
                CHECK(kmeans_to_unit(d, one) && kmeans_to_unit(d, other));
            distance[label[j]] += w * kmeans_square_distance(d, one, other);
            weight[label[j]] += w;
        }
        total += own_weight;
        if (weight[label[i]] == own_weight)
            continue; /* alone */
        a = distance[label[i]] / (weight[label[i]] - own_weight);
        for (int32_t c = 0; c < k; c++)
            if (c != label[i] && weight[c] > 0)
                b = fmin(b, distance[c] / weight[c]);
        sum += own_weight * (a < b ? 1 - a / b : a > b ? b / a - 1 : 0);
    }
    return sum / total;
}

/* The library's, for rows with given labels; centres are the first rows of each label. */
static double silhouette(folder *f, const test_table *t, int32_t k, const int32_t *label,
                         int32_t measure)
{
    const int32_t d = t->columns - t->has_weight;
    qn_matrix *matrix = test_matrix(f, t);
    qn_kmeans_quality quality = {0};
    kmeans_centres centres;
    double result = 0;

    CHECK_OK(f->ctx, kmeans_centres_init(f->ctx, k, d, kmeans_mean(matrix, measure), &centres));
    for (int64_t i = t->n - 1; i >= 0; i--) {
        double *centre = centres.centre + label[i] * d;

        memcpy(centre, t->x + i * t->columns, (size_t)d * sizeof *centre);
        if (measure == QN_COSINE)
            kmeans_to_unit(d, centre);
    }
    kmeans_centres_set(&centres, k);
    CHECK_OK(f->ctx, kmeans_quality(f->ctx, matrix, measure, &centres, label, &quality));
    result = quality.silhouette;
    qn_kmeans_quality_release(&quality);
    kmeans_centres_release(&centres);
    qn_matrix_free(matrix);
    return result;
}

/* Spark 3.5's own answers. */
static void single_rows_and_weights_count_as_in_spark(void **state)
{
    folder *f = *state;
    const double weighted[] = {1, 0, 1, 2, 1, 2, 9, 1, 3, 9, 2, 1, 8, 3, 4};
    const double plain[] = {1, 0, 2, 1, 9, 1, 9, 2, 8, 3};
    const int32_t label[] = {0, 0, 1, 2, 2};
    const test_table one = {.n = 5, .columns = 3, .x = weighted, .has_weight = true};
    const test_table two = {.n = 5, .columns = 2, .x = plain};

    CHECK_NEAR(silhouette(f, &one, 3, label, QN_EUCLIDEAN), 0.43376623376624307, 1e-12);
    CHECK_NEAR(silhouette(f, &two, 3, label, QN_EUCLIDEAN), 0.40476190476190477, 1e-12);
    CHECK_NEAR(silhouette(f, &one, 3, label, QN_COSINE), -0.06597817559602091, 1e-11);
    CHECK_NEAR(silhouette(f, &two, 3, label, QN_COSINE), -0.29996824397211314, 1e-11);
}

static void rows_of_weight_zero_count_as_in_spark(void **state)
{
    folder *f = *state;
    const double weighted[] = {1, 0, 1, 2, 1, 0, 9, 1, 3, 9, 2, 1, 8, 3, 4, 3, 3, 0};
    const int32_t label[] = {0, 0, 1, 2, 2, 1};
    const test_table table = {.n = 6, .columns = 3, .x = weighted, .has_weight = true};

    CHECK_NEAR(silhouette(f, &table, 3, label, QN_EUCLIDEAN), 0.2111111111111224, 1e-12);
    CHECK_NEAR(silhouette(f, &table, 3, label, QN_COSINE), 0.25721050432179754, 1e-11);
}

/* The flowers of Fisher as Spark's sample has them, scaled to [-1, 1]; back in centimetres. */
static void read_flowers(double rows[600], int32_t label[150])
{
    static const double least[] = {4.3, 2.0, 1.0, 0.1}, most[] = {7.9, 4.4, 6.9, 2.5};
    qn_string path = {0};
    FILE *file;

    qn_string_addf(&path, "%s/data/spark/sample_multiclass_classification_data.txt", shared_dir());
    file = fopen(path.text, "r");
    qn_string_release(&path);
    assert_non_null(file);
    for (int i = 0; i < 600; i++)
        rows[i] = (least[i % 4] + most[i % 4]) / 2; /* zeros are left out of the file */
    for (int i = 0; i < 150; i++) {
        char line[256];
        char *at = line;
        int index, used;
        double value;

        assert_non_null(fgets(line, sizeof line, file));
        label[i] = (int32_t)strtol(at, &at, 10);
        while (sscanf(at, " %d:%lf%n", &index, &value, &used) == 2) {
            const double span = most[index - 1] - least[index - 1];

            rows[4 * i + index - 1] = round(10 * (least[index - 1] + (value + 1) / 2 * span)) / 10;
            at += used;
        }
    }
    fclose(file);
}

static void the_flowers_give_the_silhouettes_of_spark(void **state)
{
    folder *f = *state;
    double rows[600];
    int32_t label[150];
    const test_table table = {.n = 150, .columns = 4, .x = rows, .precision = QN_PRECISION_DOUBLE};

    SKIP_WITHOUT_SHARED();
    read_flowers(rows, label);
    CHECK_NEAR(silhouette(f, &table, 3, label, QN_EUCLIDEAN), 0.6564679231, 1e-10);
    CHECK_NEAR(silhouette(f, &table, 3, label, QN_COSINE), 0.7222369298, 1e-10);
    CHECK_NEAR(silhouette(f, &table, 3, label, QN_COSINE), plain_silhouette(&table, 3, label, true),
               1e-12);
}

static void far_from_zero_the_silhouette_keeps_its_digits(void **state)
{
    folder *f = *state;
    double rows[240];
    int32_t label[80];
    const test_table table = {
        .n = 80, .columns = 3, .x = rows, .has_weight = true, .precision = QN_PRECISION_DOUBLE};
    uint64_t noise = 1;

    for (int i = 0; i < 80; i++) {
        label[i] = i % 4;
        rows[3 * i] = 1e7 + label[i] * 3 + test_noise(&noise, 100) / 64.0;
        rows[3 * i + 1] = -5e6 + test_noise(&noise, 100) / 64.0;
        rows[3 * i + 2] = 1 + test_noise(&noise, 4);
    }
    CHECK_NEAR(silhouette(f, &table, 4, label, QN_EUCLIDEAN),
               plain_silhouette(&table, 4, label, false), 1e-9);
}

static void evaluation_counts_rows_weights_and_costs(void **state)
{
    folder *f = *state;
    const double rows[] = {0, 1, 2, 3, 10, 2, 12, 2, 13, 0};
    const test_table table = {.n = 5, .columns = 2, .x = rows, .has_weight = true};
    const int32_t label[] = {0, 0, 1, 1, 1};
    qn_kmeans_params params = test_params(3);
    qn_kmeans_quality q;
    qn_matrix *matrix = NULL;
    qn_kmeans_model *m = NULL;

    params.init_mode = folder_put(f, "start.csv", "1\n11\n99\n");
    params.max_iter = 0;
    matrix = test_matrix(f, &table);
    CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, matrix, &m));
    CHECK_OK(f->ctx, qn_kmeans_evaluate(f->ctx, m, matrix, &q));
    CHECK_EQ(q.n_rows, 5);
    CHECK_EQ(q.size[0], 2);
    CHECK_EQ(q.size[1], 3);
    CHECK_EQ(q.size[2], 0);
    CHECK(q.weight[0] == 4 && q.weight[1] == 4 && q.weight[2] == 0);
    CHECK(q.cluster_cost[0] == 4 && q.cluster_cost[1] == 4 && q.cluster_cost[2] == 0);
    CHECK(q.cost == 8);
    CHECK_NEAR(q.silhouette, plain_silhouette(&table, 3, label, false), 1e-14);
    qn_kmeans_quality_release(&q);
    qn_kmeans_free(m);
    qn_matrix_free(matrix);
}

static void one_cluster_has_no_silhouette(void **state)
{
    folder *f = *state;
    const double rows[] = {1, 1, 1};
    const test_table table = {.n = 3, .columns = 1, .x = rows};
    const qn_kmeans_params params = test_params(2);
    qn_matrix *matrix = test_matrix(f, &table);
    qn_kmeans_quality q;
    qn_kmeans_model *m = NULL;
    qn_json j = {0};

    CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, matrix, &m));
    CHECK_EQ(m->k, 1);
    CHECK_OK(f->ctx, qn_kmeans_evaluate(f->ctx, m, matrix, &q));
    CHECK(isnan(q.silhouette));
    CHECK(q.cost == 0);
    qn_kmeans_quality_release(&q);
    qn_json_open(&j, NULL, '{');
    CHECK_OK(f->ctx, qn_algo_kmeans.table->evaluate(f->ctx, &m->base, matrix, &j));
    qn_algo_kmeans.table->summary(f->ctx, &m->base, &j);
    qn_json_close(&j, '}');
    CHECK(strstr(j.out.text, "\"silhouette\":null") != NULL);
    CHECK(strstr(j.out.text, "\"cluster_share\":[1.0]") != NULL);
    qn_json_release(&j);
    qn_kmeans_free(m);
    qn_matrix_free(matrix);
}

static void an_evaluation_survives_every_failed_allocation(void **state)
{
    folder *f = *state;
    double *rows = test_blobs(90, 3, 3, 4);
    const test_table table = {.n = 90, .columns = 3, .x = rows, .has_weight = true};
    const qn_kmeans_params params = test_params(3);
    qn_matrix *matrix = test_matrix(f, &table);
    qn_kmeans_model *m = NULL;
    qn_status st = QN_ENOMEM;
    int64_t live = 0;

    CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, matrix, &m));
    live = qn_alloc_live(f->ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_kmeans_quality q;

        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_kmeans_evaluate(f->ctx, m, matrix, &q);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((q.size != NULL) == (st == QN_OK));
        qn_kmeans_quality_release(&q);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
    }
    qn_kmeans_free(m);
    qn_matrix_free(matrix);
    free(rows);
}

static void a_table_of_another_width_is_refused(void **state)
{
    folder *f = *state;
    const double rows[] = {1, 2, 3, 4, 5, 6};
    const test_table table = {.n = 3, .columns = 2, .x = rows};
    const qn_kmeans_params params = test_params(2);
    qn_matrix *matrix = test_matrix(f, &table);
    qn_kmeans_quality q;
    qn_kmeans_model *m = NULL;

    CHECK_OK(f->ctx, kmeans_model_create(f->ctx, &params, 2, 3, &m));
    CHECK_EQ(qn_kmeans_evaluate(f->ctx, m, matrix, &q), QN_EINVAL);
    CHECK_ERROR(f->ctx, "the model has 3 features, the table 2");
    CHECK(q.size == NULL);
    qn_kmeans_free(m);
    qn_matrix_free(matrix);
}

/* ---- Predict ---- */

static qn_kmeans_model *model_of(folder *f, int32_t k, int32_t d, const double *centre)
{
    const qn_kmeans_params params = test_params(k);
    qn_kmeans_model *m = NULL;

    CHECK_OK(f->ctx, kmeans_model_create(f->ctx, &params, k, d, &m));
    memcpy(m->centre, centre, (size_t)k * (size_t)d * sizeof *centre);
    return m;
}

static void rows_and_panels_are_predicted_alike(void **state)
{
    folder *f = *state;
    const int64_t sizes[] = {0, 1, 15, 16, 17, 600, 1500};
    double *rows = test_blobs(1500, 3, 5, 77);
    qn_kmeans_model *m = model_of(f, 4, 3, rows + 3 * 200);
    int32_t *label = malloc(1520 * sizeof *label), *again = malloc(1520 * sizeof *again);
    double *distance = malloc(1520 * sizeof *distance);
    double *panels = aligned_alloc(64, 1520 * 3 * sizeof *panels);

    for (int measure = 0; measure < 2; measure++) {
        m->params.distance_measure = measure;
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const int64_t n = sizes[s];

            memset(panels, 0, 1520 * 3 * sizeof *panels);
            for (int64_t i = 0; i < 3 * n; i++)
                panels[(i / 3 / 16 * 3 + i % 3) * 16 + i / 3 % 16] = rows[i];
            CHECK_OK(f->ctx, qn_kmeans_predict(f->ctx, m, n, rows, label, distance));
            CHECK_OK(f->ctx, qn_algo_kmeans.table->predict(f->ctx, &m->base, n, panels,
                                                           (void *const[]){again}));
            assert_memory_equal(label, again, (size_t)n * sizeof *label);
            for (int64_t i = 0; i < n; i++)
                for (int32_t j = 0; measure == QN_EUCLIDEAN && j < 4; j++)
                    CHECK(distance[i] <=
                          kmeans_square_distance(3, rows + 3 * i, m->centre + 3 * j));
        }
    }
    qn_kmeans_free(m);
    free(rows);
    free(label);
    free(again);
    free(distance);
    free(panels);
}

static void ties_are_predicted_as_the_lowest(void **state)
{
    folder *f = *state;
    qn_kmeans_model *m = model_of(f, 3, 1, (double[]){3, 1, 1});
    const double rows[] = {2, 1, 0};
    int32_t label[3];
    double distance[3];

    CHECK_OK(f->ctx, qn_kmeans_predict(f->ctx, m, 3, rows, label, distance));
    CHECK(label[0] == 0 && label[1] == 1 && label[2] == 1);
    CHECK(distance[0] == 1 && distance[1] == 0 && distance[2] == 1);
    m->params.distance_measure = QN_COSINE;
    CHECK_EQ(qn_kmeans_predict(f->ctx, m, 3, rows, label, distance), QN_EDATA);
    CHECK_ERROR(f->ctx, "row 2: Cosine distance is not defined for zero-length vectors");
    qn_kmeans_free(m);
}

/* ---- Drift ---- */

static void centres_are_matched_at_the_least_total_distance(void **state)
{
    folder *f = *state;
    /* The nearest of b to 0 is 1, but then 2 would have to go to 9. */
    qn_kmeans_model *a = model_of(f, 3, 1, (double[]){0, 2, 20});
    qn_kmeans_model *b = model_of(f, 3, 1, (double[]){21, 1, -3});
    int32_t match[3];
    double distance[3];

    CHECK_OK(f->ctx, qn_kmeans_drift(f->ctx, a, b, match, distance));
    CHECK(match[0] == 2 && match[1] == 1 && match[2] == 0);
    CHECK(distance[0] == 3 && distance[1] == 1 && distance[2] == 1);
    qn_kmeans_free(a);
    qn_kmeans_free(b);
}

static void centres_without_a_partner_are_told(void **state)
{
    folder *f = *state;
    qn_kmeans_model *a = model_of(f, 3, 2, (double[]){0, 0, 3, 4, 50, 50});
    qn_kmeans_model *b = model_of(f, 2, 2, (double[]){50, 51, 0, 0});
    int32_t match[3];
    double distance[3];

    CHECK_OK(f->ctx, qn_kmeans_drift(f->ctx, a, b, match, distance));
    CHECK(match[0] == 1 && match[1] == -1 && match[2] == 0);
    CHECK(distance[0] == 0 && isnan(distance[1]) && distance[2] == 1);
    CHECK_OK(f->ctx, qn_kmeans_drift(f->ctx, b, a, match, distance));
    CHECK(match[0] == 2 && match[1] == 0);
    qn_kmeans_free(b);
    b = model_of(f, 2, 3, (double[]){1, 2, 3, 4, 5, 6});
    CHECK_EQ(qn_kmeans_drift(f->ctx, a, b, match, distance), QN_EINVAL);
    CHECK_ERROR(f->ctx, "one model has 2 features, the other 3");
    qn_kmeans_free(a);
    qn_kmeans_free(b);
}

/* Every order of six, by brute force. */
static double least_total(const double *a, const double *b, int n, uint32_t used)
{
    double best = INFINITY;

    if (n == 0)
        return 0;
    for (int j = 0; j < 6; j++)
        if (!(used >> j & 1))
            best = fmin(best, sqrt(kmeans_square_distance(2, a, b + 2 * j)) +
                                  least_total(a + 2, b, n - 1, used | 1U << j));
    return best;
}

static void the_matching_is_the_best_of_all(void **state)
{
    folder *f = *state;
    uint64_t noise = 6;

    for (int trial = 0; trial < 20; trial++) {
        double x[2][12];
        qn_kmeans_model *a, *b;
        int32_t match[6];
        double distance[6];
        double total = 0;

        for (int i = 0; i < 24; i++)
            x[i / 12][i % 12] = test_noise(&noise, 50);
        a = model_of(f, 6, 2, x[0]);
        b = model_of(f, 6, 2, x[1]);
        CHECK_OK(f->ctx, qn_kmeans_drift(f->ctx, a, b, match, distance));
        for (int i = 0; i < 6; i++)
            total += distance[i];
        CHECK_NEAR(total, least_total(x[0], x[1], 6, 0), 1e-9);
        qn_kmeans_free(a);
        qn_kmeans_free(b);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        TEST(single_rows_and_weights_count_as_in_spark),
        TEST(rows_of_weight_zero_count_as_in_spark),
        TEST(the_flowers_give_the_silhouettes_of_spark),
        TEST(far_from_zero_the_silhouette_keeps_its_digits),
        TEST(evaluation_counts_rows_weights_and_costs),
        TEST(one_cluster_has_no_silhouette),
        TEST(an_evaluation_survives_every_failed_allocation),
        TEST(a_table_of_another_width_is_refused),
        TEST(rows_and_panels_are_predicted_alike),
        TEST(ties_are_predicted_as_the_lowest),
        TEST(centres_are_matched_at_the_least_total_distance),
        TEST(centres_without_a_partner_are_told),
        TEST(the_matching_is_the_best_of_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
