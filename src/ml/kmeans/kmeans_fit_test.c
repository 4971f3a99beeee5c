/* Fits with known answers, and all that Lloyd's iterations promise. */
#include "ml/kmeans/kmeans_testing.h"

/* Sanitizers keep freed memory. */
#if defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KEEPS_MEMORY true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPS_MEMORY true
#endif
#ifndef KEEPS_MEMORY
#define KEEPS_MEMORY false
#endif

/* ---- Known answers ---- */

static const double sample[] = {0,   0,   0,   0.1, 0.1, 0.1, 0.2, 0.2, 0.2,
                                9.0, 9.0, 9.0, 9.1, 9.1, 9.1, 9.2, 9.2, 9.2};
static const test_table sample_table = {
    .n = 6, .columns = 3, .x = sample, .precision = QN_PRECISION_DOUBLE};

static void the_sample_of_spark_gives_its_two_centres(void **state)
{
    folder *f = *state;

    for (int random = 0; random < 2; random++) {
        qn_kmeans_params params = test_params(2);
        qn_kmeans_quality quality;
        qn_kmeans_model *m = NULL;
        qn_matrix *matrix = test_matrix(f, &sample_table);

        params.init_mode = random ? "random" : "k-means||";
        CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, matrix, &m));
        CHECK_EQ(m->k, 2);
        CHECK(test_centre_at(m, (double[]){0.1, 0.1, 0.1}) >= 0);
        CHECK(test_centre_at(m, (double[]){9.1, 9.1, 9.1}) >= 0);
        CHECK_NEAR(m->cost, 0.12, 1e-12);
        CHECK_EQ(m->size[0], 3);
        CHECK_EQ(m->size[1], 3);
        CHECK(m->has_converged);
        CHECK_OK(f->ctx, qn_kmeans_evaluate(f->ctx, m, matrix, &quality));
        CHECK_NEAR(quality.silhouette, 0.9997530305375207, 1e-14);
        CHECK_NEAR(quality.cost, 0.12, 1e-12);
        qn_kmeans_quality_release(&quality);
        qn_kmeans_free(m);
        qn_matrix_free(matrix);
    }
}

static void weights_move_centres(void **state)
{
    folder *f = *state;
    const double weighted[] = {0, 0, 1, 0, 0.1, 2, 0.1, 0, 3, 9, 0, 2.5, 9, 0.2, 1, 9.2, 0, 2};
    double equal[18];
    test_table table = {
        .n = 6, .columns = 3, .x = weighted, .has_weight = true, .precision = QN_PRECISION_DOUBLE};
    const qn_kmeans_params params = test_params(2);
    qn_kmeans_model *m = test_fit(f, &params, &table);

    CHECK(test_centre_at(m, (double[]){9.072727272727272, 0.03636363636363637}) >= 0);
    CHECK(test_centre_at(m, (double[]){0.05, 0.03333333333333333}) >= 0);
    qn_kmeans_free(m);
    memcpy(equal, weighted, sizeof equal);
    for (int i = 0; i < 6; i++)
        equal[3 * i + 2] = 4;
    table.x = equal;
    m = test_fit(f, &params, &table);
    CHECK(test_centre_at(m, (double[]){9.066666666666666, 0.06666666666666667}) >= 0);
    CHECK(test_centre_at(m, (double[]){0.1 / 3, 0.1 / 3}) >= 0);
    qn_kmeans_free(m);
}

static void cosine_groups_rows_by_direction(void **state)
{
    folder *f = *state;
    const double rows[] = {1, 1, 10, 10, 1, 0.5, 10, 4.4, -1, 1, -100, 90};
    const test_table table = {.n = 6, .columns = 2, .x = rows, .precision = QN_PRECISION_DOUBLE};
    qn_kmeans_params params = test_params(3);
    int32_t label[6];
    double distance[6];
    qn_kmeans_model *m = NULL;

    params.distance_measure = QN_COSINE;
    m = test_fit(f, &params, &table);
    CHECK_OK(f->ctx, qn_kmeans_predict(f->ctx, m, 6, rows, label, distance));
    for (int i = 0; i < 6; i += 2)
        CHECK_EQ(label[i], label[i + 1]);
    CHECK(label[0] != label[2] && label[2] != label[4] && label[0] != label[4]);
    CHECK_NEAR(distance[0], 0, 1e-15);
    CHECK_NEAR(m->cost, distance[2] + distance[3] + distance[4] + distance[5], 1e-14);
    for (int j = 0; j < 3; j++)
        CHECK_NEAR(hypot(m->centre[2 * j], m->centre[2 * j + 1]), 1, 1e-15);
    qn_kmeans_free(m);
}

static void length_of_rows_means_nothing_under_cosine(void **state)
{
    folder *f = *state;
    const double rows[] = {1e-9, 1e-9, 1e9, 1e9, 1e-9, 0.5e-9, 1e12, 4.4e11, -1, 1, -1e100, 9e99};
    const test_table table = {.n = 6, .columns = 2, .x = rows, .precision = QN_PRECISION_DOUBLE};
    qn_kmeans_params params = test_params(3);
    int32_t label[6];
    qn_kmeans_model *m = NULL;

    params.distance_measure = QN_COSINE;
    m = test_fit(f, &params, &table);
    CHECK_OK(f->ctx, qn_kmeans_predict(f->ctx, m, 6, rows, label, NULL));
    for (int i = 0; i < 6; i += 2)
        CHECK_EQ(label[i], label[i + 1]);
    qn_kmeans_free(m);
}

static void a_row_without_length_is_refused_under_cosine(void **state)
{
    folder *f = *state;
    const double rows[] = {1, 1, 2, 1, 0, 0, 5, 1};
    const test_table table = {.n = 4, .columns = 2, .x = rows};
    qn_kmeans_params params = test_params(2);
    qn_matrix *matrix = test_matrix(f, &table);
    qn_kmeans_model *m = NULL;

    params.distance_measure = QN_COSINE;
    CHECK_EQ(qn_kmeans_fit(f->ctx, &params, matrix, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "Cosine distance is not defined for zero-length vectors");
    CHECK_ERROR(f->ctx, "rows.csv, row 2");
    CHECK(m == NULL);
    qn_matrix_free(matrix);
}

/* Row i = 1 .. 50 holds i mod 5 three times. */
static void few_distinct_rows_converge_at_once(void **state)
{
    folder *f = *state;
    double rows[150];
    const test_table table = {.n = 50, .columns = 3, .x = rows};
    qn_kmeans_params params = test_params(5);
    qn_kmeans_model *m = NULL;

    for (int i = 0; i < 150; i++)
        rows[i] = (i / 3 + 1) % 5;
    m = test_fit(f, &params, &table);
    CHECK_EQ(m->k, 5);
    CHECK_EQ(m->iterations, 1);
    CHECK(m->cost < 0.1);
    CHECK(m->training_cost < 0.1);
    qn_kmeans_free(m);
    params.k = 9;
    m = test_fit(f, &params, &table);
    CHECK_EQ(m->k, 5);
    qn_kmeans_free(m);
}

static void fewer_distinct_rows_than_k_give_fewer_centres_and_a_warning(void **state)
{
    folder *f = *state;
    const double rows[] = {1, 1, 1, 1, 4, 4};
    const test_table table = {.n = 6, .columns = 1, .x = rows};
    heard h = {0};

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    for (int random = 0; random < 2; random++) {
        qn_kmeans_params params = test_params(4);
        qn_kmeans_model *m = NULL;
        char doubt[128];

        params.init_mode = random ? "random" : "k-means||";
        m = test_fit(f, &params, &table);
        CHECK_EQ(m->k, 2);
        CHECK_NEAR(m->cost, 0, 0);
        CHECK_EQ(h.n_warnings, 1 + random);
        CHECK(strstr(h.warning, "4 clusters were asked for and 2 made") != NULL);
        CHECK(qn_algo_kmeans.table->doubts(&m->base, doubt, sizeof doubt));
        CHECK_TEXT(doubt, "4 clusters were asked for and 2 made");
        qn_kmeans_free(m);
    }
}

/* ---- Iterations from a given start ---- */

static void ties_go_to_the_lowest_and_empty_clusters_keep_their_centre(void **state)
{
    folder *f = *state;
    const double rows[] = {0, 2, 4, 5};
    const test_table table = {.n = 4, .columns = 1, .x = rows};
    qn_kmeans_params params = test_params(3);
    heard h = {0};
    char doubt[128];
    qn_kmeans_model *m = NULL;

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    params.init_mode = folder_put(f, "start.csv", "1\n3\n50\n");
    params.max_iter = 1;
    m = test_fit(f, &params, &table);
    CHECK(m->centre[0] == 1); /* of 0 and of 2, which lies in the middle */
    CHECK(m->centre[1] == 4.5);
    CHECK(m->centre[2] == 50);
    CHECK_EQ(m->size[2], 0);
    CHECK(!m->has_converged);
    CHECK_NEAR(m->training_cost, 1 + 1 + 1 + 4, 1e-12); /* to 1 and 3 */
    CHECK_NEAR(m->cost, 1 + 1 + 0.25 + 0.25, 1e-12);    /* to 1 and 4.5 */
    CHECK_EQ(h.n_warnings, 1);
    CHECK(strstr(h.warning, "1 of 3 clusters hold no rows") != NULL);
    CHECK(qn_algo_kmeans.table->doubts(&m->base, doubt, sizeof doubt));
    qn_kmeans_free(m);
}

static void clusters_of_weight_zero_are_left_alone(void **state)
{
    folder *f = *state;
    const double rows[] = {0, 1, 2, 1, 9, 0, 11, 0};
    const test_table table = {.n = 4, .columns = 2, .x = rows, .has_weight = true};
    qn_kmeans_params params = test_params(2);
    qn_kmeans_model *m = NULL;

    params.init_mode = folder_put(f, "start.csv", "0\n9\n");
    m = test_fit(f, &params, &table);
    CHECK(m->centre[0] == 1);
    CHECK(m->centre[1] == 9);
    CHECK_EQ(m->size[1], 2);
    CHECK_NEAR(m->cost, 2, 1e-12);
    qn_kmeans_free(m);
}

static void no_iterations_give_the_start(void **state)
{
    folder *f = *state;
    const double rows[] = {0, 2, 4, 5};
    const test_table table = {.n = 4, .columns = 1, .x = rows};
    qn_kmeans_params params = test_params(2);
    qn_kmeans_model *m = NULL;

    params.init_mode = folder_put(f, "start.csv", "a\n1\n3\n"); /* with a header */
    params.max_iter = 0;
    m = test_fit(f, &params, &table);
    CHECK(m->centre[0] == 1 && m->centre[1] == 3);
    CHECK_EQ(m->iterations, 0);
    CHECK_EQ(m->size[0], 2);
    CHECK_NEAR(m->cost, 7, 1e-12);
    CHECK(m->training_cost == m->cost);
    qn_kmeans_free(m);
}

static void iterations_stop_when_no_centre_moves_farther_than_tol(void **state)
{
    folder *f = *state;
    const double rows[] = {0, 1, 2, 3, 10, 11, 12, 13};
    const test_table table = {.n = 8, .columns = 1, .x = rows};
    qn_kmeans_params params = test_params(2);
    heard h = {0};
    qn_kmeans_model *m = NULL;

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    params.init_mode = folder_put(f, "start.csv", "0\n1\n");
    params.tol = 0;
    m = test_fit(f, &params, &table);
    CHECK(m->has_converged);
    CHECK(m->centre[0] == 1.5 && m->centre[1] == 11.5);
    CHECK_EQ(h.n_steps, m->iterations);
    CHECK(m->iterations > 2);
    CHECK(h.cost[m->iterations - 1] == m->training_cost);
    CHECK_NEAR(m->training_cost, m->cost, 1e-12); /* nothing moved any more */
    CHECK_NEAR(m->cost, 10, 1e-12);
    for (int i = 1; i < h.n_steps; i++)
        CHECK(h.cost[i] <= h.cost[i - 1] + 1e-12);
    qn_kmeans_free(m);
    params.tol = 100;
    m = test_fit(f, &params, &table);
    CHECK_EQ(m->iterations, 1);
    CHECK(m->has_converged);
    qn_kmeans_free(m);
}

static void a_start_of_another_shape_is_refused(void **state)
{
    static const struct {
        const char *text, *message;
        qn_status status;
    } bad[] = {
        {"1,2\n3,4\n", "has 2 columns, the data 1 features", QN_EINVAL},
        {"1\n2\n", "holds 2 rows, not the 3 of --k", QN_EINVAL},
        {"1\n2\n3\n4\n", "holds 4 rows, not the 3 of --k", QN_EINVAL},
        {"1\nx\n3\n", "x", QN_EDATA},
        {"1\ninf\n3\n", "finite", QN_EDATA},
    };
    folder *f = *state;
    const double rows[] = {0, 2, 4, 5};
    const test_table table = {.n = 4, .columns = 1, .x = rows};
    qn_matrix *matrix = test_matrix(f, &table);
    qn_kmeans_params params = test_params(3);
    qn_kmeans_model *m = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        params.init_mode = folder_put(f, "start.csv", bad[i].text);
        CHECK_EQ(qn_kmeans_fit(f->ctx, &params, matrix, &m), bad[i].status);
        CHECK_ERROR(f->ctx, bad[i].message);
        CHECK_ERROR(f->ctx, "start.csv");
        CHECK(m == NULL);
    }
    params.init_mode = "ranodm";
    CHECK_EQ(qn_kmeans_fit(f->ctx, &params, matrix, &m), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "--init-mode ranodm is neither k-means|| nor random");
    params.k = 1;
    CHECK_EQ(qn_kmeans_fit(f->ctx, &params, matrix, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--k 1 is out of range");
    qn_matrix_free(matrix);
}

/* ---- Promises ---- */

/* A plain reference in double, row by row, from the first k rows. */
static void reference_fit(const test_table *t, int32_t k, int32_t max_iter, double *centre)
{
    const int32_t d = t->columns - 1;

    for (int32_t iteration = 0; iteration < max_iter; iteration++) {
        double *sum = calloc((size_t)k * (size_t)(d + 1), sizeof *sum);

        assert_non_null(sum);
        for (int64_t i = 0; i < t->n; i++) {
            const double *row = t->x + i * t->columns;
            int32_t best = 0;

            for (int32_t j = 1; j < k; j++)
                if (kmeans_square_distance(d, row, centre + j * d) <
                    kmeans_square_distance(d, row, centre + best * d))
                    best = j;
            for (int32_t c = 0; c < d; c++)
                sum[best * (d + 1) + c] += row[d] * row[c];
            sum[best * (d + 1) + d] += row[d];
        }
        for (int32_t j = 0; j < k; j++)
            for (int32_t c = 0; c < d && sum[j * (d + 1) + d] > 0; c++)
                centre[j * d + c] = sum[j * (d + 1) + c] / sum[j * (d + 1) + d];
        free(sum);
    }
}

static void a_fit_agrees_with_a_plain_reference(void **state)
{
    folder *f = *state;
    const int32_t k = 7;
    const int32_t d = 5;
    double *rows = test_blobs(900, d + 1, 7, 3);
    const test_table table = {.n = 900, .columns = d + 1, .x = rows, .has_weight = true};
    double centre[35];
    double compact[35];
    qn_kmeans_params params = test_params(k);
    qn_kmeans_model *m = NULL;

    for (int32_t j = 0; j < k; j++)
        memcpy(centre + j * d, rows + j * (d + 1), (size_t)d * sizeof *centre);
    memcpy(compact, centre, sizeof centre);
    test_write(folder_file(f, "start.csv"), &(test_table){.n = k, .columns = d, .x = compact});
    params.init_mode = folder_file(f, "start.csv");
    params.max_iter = 6;
    params.tol = 0;
    m = test_fit(f, &params, &table);
    reference_fit(&table, k, m->iterations, centre);
    for (int32_t i = 0; i < k * d; i++)
        CHECK_NEAR(m->centre[i], centre[i], 1e-10);
    qn_kmeans_free(m);
    free(rows);
}

static void floats_and_doubles_of_the_same_numbers_give_the_same_model(void **state)
{
    folder *f = *state;
    double *rows = test_blobs(700, 4, 5, 9);
    test_table table = {.n = 700, .columns = 4, .x = rows, .has_weight = true};
    const qn_kmeans_params params = test_params(6);
    char digest[2][33];

    for (int p = 0; p < 2; p++) {
        qn_kmeans_model *m = NULL;

        table.precision = (qn_precision)p;
        m = test_fit(f, &params, &table);
        qn_kmeans_digest(m, digest[p]);
        CHECK_EQ(m->base.is_double, p == 1);
        qn_kmeans_free(m);
    }
    CHECK_TEXT(digest[0], digest[1]);
    free(rows);
}

/* What every rank of a fit does. */
typedef struct rank_fit {
    const char *path;
    const test_table *table;
    const qn_kmeans_params *params;
    char digest[8][33];
    double silhouette[8], cost[8];
} rank_fit;

static qn_status fit_on_rank(qn_context *ctx, void *arg)
{
    rank_fit *r = arg;
    qn_matrix *matrix = NULL;
    qn_kmeans_model *m = NULL;
    qn_kmeans_quality quality = {0};
    qn_status st = QN_OK;

    QN_TRY(test_read(ctx, r->path, r->table, &matrix));
    QN_TRY(qn_kmeans_fit(ctx, r->params, matrix, &m));
    QN_TRY(qn_kmeans_evaluate(ctx, m, matrix, &quality));
    qn_kmeans_digest(m, r->digest[qn_rank(ctx)]);
    r->silhouette[qn_rank(ctx)] = quality.silhouette;
    r->cost[qn_rank(ctx)] = m->cost;
done:
    qn_kmeans_quality_release(&quality);
    qn_kmeans_free(m);
    qn_matrix_free(matrix);
    return st;
}

/* Digest, cost and silhouette of one way to run; they must be those of `expected`. */
static void check_run(const rank_fit *what, int32_t threads, int32_t ranks, const char *kernels,
                      const rank_fit *expected, rank_fit *out)
{
    const qn_context_options options = {.threads = threads, .kernels = kernels};
    qn_context *ctx = NULL;

    *out = *what;
    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.table_rows = 100;
    CHECK_OK(ctx, qn_run_thread_ranks(ctx, ranks, fit_on_rank, out));
    CHECK_EQ(qn_alloc_live(ctx), 0);
    for (int32_t r = 0; expected && r < ranks; r++) {
        CHECK_TEXT(out->digest[r], expected->digest[0]);
        CHECK(out->cost[r] == expected->cost[0]);
        CHECK(out->silhouette[r] == expected->silhouette[0]);
    }
    qn_context_free(ctx);
}

static void bits_are_the_same_everywhere(qn_precision precision, int32_t measure, const char *mode,
                                         folder *f)
{
    double *rows = test_blobs(1500, 6, 9, 21);
    test_table table = {.n = 1500,
                        .columns = 6,
                        .x = rows,
                        .has_weight = true,
                        .precision = precision,
                        .partitions = 3};
    qn_kmeans_params params = test_params(8);
    rank_fit what = {.path = folder_file(f, "rows.csv"), .table = &table, .params = &params};
    rank_fit first, other;
    const char *sets[3];
    const int32_t n_sets = qn_kernels_available(sets);

    params.init_mode = mode;
    params.distance_measure = measure;
    params.max_iter = 5;
    test_write(what.path, &table);
    check_run(&what, 1, 1, "reference", NULL, &first);
    for (int32_t threads = 1; threads <= 3; threads++)
        check_run(&what, threads, 1, "reference", &first, &other);
    for (int32_t s = 0; s < n_sets; s++)
        check_run(&what, 2, 1, sets[s], &first, &other);
    for (int32_t i = 0; i < 3; i++)
        check_run(&what, 1 + i % 2, (int32_t[]){2, 3, 5}[i], NULL, &first, &other);
    table.partitions = 7;
    check_run(&what, 2, 2, NULL, &first, &other);
    free(rows);
}

static void threads_ranks_partitions_and_kernels_change_no_bit(void **state)
{
    bits_are_the_same_everywhere(QN_PRECISION_FLOAT, QN_EUCLIDEAN, "k-means||", *state);
    bits_are_the_same_everywhere(QN_PRECISION_FLOAT, QN_EUCLIDEAN, "random", *state);
    bits_are_the_same_everywhere(QN_PRECISION_DOUBLE, QN_EUCLIDEAN, "k-means||", *state);
    bits_are_the_same_everywhere(QN_PRECISION_FLOAT, QN_COSINE, "k-means||", *state);
}

static void a_start_depends_on_the_seed(void **state)
{
    folder *f = *state;
    double *rows = test_blobs(400, 4, 30, 5);
    const test_table table = {.n = 400, .columns = 4, .x = rows};
    char digest[3][33];

    for (int random = 0; random < 2; random++) {
        for (int i = 0; i < 3; i++) {
            qn_kmeans_params params = test_params(8);
            qn_kmeans_model *m = NULL;

            params.init_mode = random ? "random" : "k-means-parallel";
            params.max_iter = 0;
            params.seed = i / 2;
            m = test_fit(f, &params, &table);
            qn_kmeans_digest(m, digest[i]);
            qn_kmeans_free(m);
        }
        CHECK_TEXT(digest[0], digest[1]);
        CHECK(strcmp(digest[0], digest[2]) != 0);
    }
    free(rows);
}

/* Draws without replacement: every row once when k is the number of rows. */
static void a_random_start_takes_no_row_twice(void **state)
{
    folder *f = *state;
    double rows[40];
    const test_table table = {.n = 40, .columns = 1, .x = rows};
    qn_kmeans_params params = test_params(40);
    qn_kmeans_model *m = NULL;

    for (int i = 0; i < 40; i++)
        rows[i] = i;
    params.init_mode = "random";
    params.max_iter = 0;
    m = test_fit(f, &params, &table);
    CHECK_EQ(m->k, 40);
    for (int i = 0; i < 40; i++)
        CHECK(m->centre[i] == i);
    qn_kmeans_free(m);
    params.k = 11;
    m = test_fit(f, &params, &table);
    CHECK_EQ(m->k, 11);
    for (int i = 1; i < 11; i++)
        CHECK(m->centre[i] > m->centre[i - 1]);
    qn_kmeans_free(m);
}

static void the_start_of_k_means_parallel_finds_every_blob(void **state)
{
    folder *f = *state;
    double rows[1200];
    const test_table table = {.n = 600, .columns = 2, .x = rows};
    uint64_t noise = 4;

    for (int i = 0; i < 600; i++) {
        rows[2 * i] = (double)(i % 12 % 4) * 100 + test_noise(&noise, 100) / 100.0;
        rows[2 * i + 1] = (double)(i % 12 / 4) * 100 + test_noise(&noise, 100) / 100.0;
    }
    for (int64_t seed = 0; seed < 5; seed++) {
        qn_kmeans_params params = test_params(12);
        qn_kmeans_model *m = NULL;

        params.seed = seed;
        params.max_iter = 1;
        m = test_fit(f, &params, &table);
        CHECK_EQ(m->k, 12);
        for (int j = 0; j < 12; j++)
            CHECK_EQ(m->size[j], 50);
        qn_kmeans_free(m);
    }
}

static void a_fit_tells_its_stages_and_tasks(void **state)
{
    folder *f = *state;
    double *rows = test_blobs(500, 3, 4, 8);
    const test_table table = {.n = 500, .columns = 3, .x = rows, .partitions = 2};
    qn_kmeans_params params = test_params(4);
    heard h = {0};
    qn_matrix *matrix = NULL;
    qn_kmeans_model *m = NULL;

    f->ctx->cells.table_rows = 100;
    params.max_iter = 3;
    params.tol = 0;
    params.init_mode = "random";
    matrix = test_matrix(f, &table);
    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, matrix, &m));
    CHECK_EQ(h.n_steps, m->iterations);
    CHECK_EQ(h.n_stages, m->iterations + 1); /* and the cost of what is saved */
    CHECK_EQ(h.n_tasks, matrix->n_partitions * h.n_stages);
    CHECK_EQ(h.n_jobs, 1);
    qn_kmeans_free(m);
    qn_matrix_free(matrix);
    free(rows);
}

static void a_fit_survives_every_failed_allocation(void **state)
{
    folder *f = *state;
    double *rows = test_blobs(120, 3, 4, 8);
    const test_table table = {.n = 120, .columns = 3, .x = rows};
    const char *const modes[] = {"k-means||", "random",
                                 folder_put(f, "start.csv", "1,2,3\n4,5,6\n")};

    for (size_t i = 0; i < 3; i++) {
        qn_kmeans_params params = test_params(2);
        qn_matrix *matrix = test_matrix(f, &table);
        const int64_t live = qn_alloc_live(f->ctx);
        qn_status st = QN_ENOMEM;

        params.init_mode = modes[i];
        params.distance_measure = i == 0 ? QN_COSINE : QN_EUCLIDEAN;
        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_kmeans_model *m = NULL;

            qn_alloc_fail_after(f->ctx, allowed);
            st = qn_kmeans_fit(f->ctx, &params, matrix, &m);
            qn_alloc_fail_after(f->ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
            CHECK((m != NULL) == (st == QN_OK));
            qn_kmeans_free(m);
            CHECK_EQ(qn_alloc_live(f->ctx), live);
        }
        qn_matrix_free(matrix);
    }
    free(rows);
}

static void a_fit_can_be_cancelled(void **state)
{
    folder *f = *state;
    double *rows = test_blobs(500, 3, 4, 8);
    const test_table table = {.n = 500, .columns = 3, .x = rows};
    const qn_kmeans_params params = test_params(4);
    qn_matrix *matrix = test_matrix(f, &table);
    heard h = {.cancel = f->ctx};
    qn_kmeans_model *m = NULL;

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    CHECK_EQ(qn_kmeans_fit(f->ctx, &params, matrix, &m), QN_ECANCELLED);
    CHECK_EQ(h.n_steps, 1);
    CHECK(m == NULL);
    qn_matrix_free(matrix);
    free(rows);
}

/* RssAnon of this process in KiB. */
static long resident(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    long kib = -1;

    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

static void memory_is_given_back_after_a_fit(void **state)
{
    folder *f = *state;
    const int64_t n = 200000;
    double *rows = test_blobs(n, 31, 6, 2);
    const test_table table = {.n = n, .columns = 31, .x = rows, .precision = QN_PRECISION_DOUBLE};
    qn_kmeans_params params = test_params(6);
    long before = 0;

    test_write(folder_file(f, "rows.csv"), &table);
    params.max_iter = 2;
    for (int round = 0; round < 4; round++) {
        qn_matrix *matrix = NULL;
        qn_kmeans_model *m = NULL;
        long during = 0;

        CHECK_OK(f->ctx, test_read(f->ctx, folder_file(f, "rows.csv"), &table, &matrix));
        CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, matrix, &m));
        during = resident();
        qn_kmeans_free(m);
        qn_matrix_free(matrix);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
        if (round == 0) /* it starts threads, which keep a little */
            before = resident();
        print_message("RssAnon KiB: %ld at first, %ld with the fit, %ld behind it\n", before,
                      during, resident());
        CHECK(KEEPS_MEMORY || during - before > 40000);
        CHECK(KEEPS_MEMORY || resident() - before < 10000);
    }
    free(rows);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_sample_of_spark_gives_its_two_centres),
        TEST(weights_move_centres),
        TEST(cosine_groups_rows_by_direction),
        TEST(length_of_rows_means_nothing_under_cosine),
        TEST(a_row_without_length_is_refused_under_cosine),
        TEST(few_distinct_rows_converge_at_once),
        TEST(fewer_distinct_rows_than_k_give_fewer_centres_and_a_warning),
        TEST(ties_go_to_the_lowest_and_empty_clusters_keep_their_centre),
        TEST(clusters_of_weight_zero_are_left_alone),
        TEST(no_iterations_give_the_start),
        TEST(iterations_stop_when_no_centre_moves_farther_than_tol),
        TEST(a_start_of_another_shape_is_refused),
        TEST(a_fit_agrees_with_a_plain_reference),
        TEST(floats_and_doubles_of_the_same_numbers_give_the_same_model),
        TEST(threads_ranks_partitions_and_kernels_change_no_bit),
        TEST(a_start_depends_on_the_seed),
        TEST(a_random_start_takes_no_row_twice),
        TEST(the_start_of_k_means_parallel_finds_every_blob),
        TEST(a_fit_tells_its_stages_and_tasks),
        TEST(a_fit_survives_every_failed_allocation),
        TEST(a_fit_can_be_cancelled),
        TEST(memory_is_given_back_after_a_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
