/* Saving and loading: our own directories bit by bit, Spark's by its own predictions, and all that
 * can be wrong with one. */
#include <errno.h>
#include <sys/stat.h>

#include <jansson.h>

#include "data/parquet.h"
#include "ml/kmeans/kmeans_testing.h"
#include "ml/model_rows.h"

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

/* Coordinates that only exact text or bits carry. */
static qn_kmeans_model *make_model(qn_context *ctx, int32_t k, int32_t d)
{
    static const double hard[] = {0.1,     -0.0,     5e-324, 1.7976931348623157e308,
                                  1.0 / 3, -2.5e-17, 1e22};
    qn_kmeans_params params = test_params(k);
    qn_kmeans_model *m = NULL;
    uint64_t noise = 11;

    params.init_mode = "starts/first.csv";
    params.tol = 0.025;
    params.seed = INT64_MIN;
    params.distance_measure = QN_COSINE;
    CHECK_OK(ctx, kmeans_model_create(ctx, &params, k, d, &m));
    for (int64_t i = 0; i < (int64_t)k * d; i++)
        m->centre[i] = i < 7 ? hard[i] : (test_noise(&noise, 1U << 30) - 5e8) / 7e5;
    for (int32_t j = 0; j < k; j++)
        m->size[j] = 5 + j;
    m->n_rows = 100;
    m->iterations = 7;
    m->training_cost = 1.25;
    m->cost = 1.0 / 7;
    m->has_converged = true;
    m->base.is_double = true;
    m->base.data_fingerprint = UINT64_C(0xFEDCBA9876543210);
    strcpy(m->base.prediction_col, "cluster \"no\"");
    strcpy(m->base.kernel_set, "avx2");
    return m;
}

static void check_same(const qn_kmeans_model *a, const qn_kmeans_model *b)
{
    char one[33], two[33];

    CHECK_EQ(a->k, b->k);
    CHECK_EQ(a->n_features, b->n_features);
    assert_memory_equal(a->centre, b->centre, (size_t)a->k * (size_t)a->n_features * 8);
    assert_memory_equal(a->size, b->size, (size_t)a->k * 8);
    CHECK_TEXT(a->params.init_mode, b->params.init_mode);
    CHECK_EQ(a->params.k, b->params.k);
    CHECK_EQ(a->params.max_iter, b->params.max_iter);
    CHECK(a->params.tol == b->params.tol);
    CHECK(a->params.seed == b->params.seed);
    CHECK_EQ(a->params.distance_measure, b->params.distance_measure);
    CHECK_EQ(a->n_rows, b->n_rows);
    CHECK_EQ(a->iterations, b->iterations);
    CHECK_EQ(a->has_converged, b->has_converged);
    CHECK(a->training_cost == b->training_cost);
    CHECK(a->cost == b->cost);
    CHECK_EQ(a->base.is_double, b->base.is_double);
    CHECK_TEXT(a->base.prediction_col, b->base.prediction_col);
    CHECK_TEXT(a->base.kernel_set, b->base.kernel_set);
    CHECK(a->base.data_fingerprint == b->base.data_fingerprint);
    qn_kmeans_digest(a, one);
    qn_kmeans_digest(b, two);
    CHECK_TEXT(one, two);
}

static void a_model_comes_back_bit_by_bit(void **state)
{
    folder *f = *state;
    const char *path = folder_file(f, "model");

    skip_without_module(f->ctx);
    for (int32_t d = 1; d < 400; d += 199) {
        qn_kmeans_model *m = make_model(f->ctx, 9, d), *back = NULL;

        CHECK_OK(f->ctx, qn_kmeans_save(f->ctx, m, path, true, "{\"run_id\": \"r1\"}"));
        CHECK_OK(f->ctx, qn_kmeans_load(f->ctx, path, &back));
        check_same(m, back);
        qn_kmeans_free(back);
        qn_kmeans_free(m);
    }
}

static void a_fitted_model_keeps_its_features(void **state)
{
    folder *f = *state;
    const char *path = folder_put(f, "named.csv", "speed,\"room, used\"\n1,2\n3,4\n8,9\n9,8\n");
    const char *model_path = folder_file(f, "model");
    const qn_matrix_use use = {0};
    const qn_kmeans_params params = test_params(2);
    qn_matrix_options options;
    qn_matrix *matrix = NULL;
    qn_kmeans_model *m = NULL, *back = NULL;
    qn_json j = {0};

    skip_without_module(f->ctx);
    qn_params_init(&qn_matrix_table, &options);
    options.input = (qn_text_list){&path, 1};
    CHECK_OK(f->ctx, qn_matrix_read(f->ctx, &options, &use, &matrix));
    CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, matrix, &m));
    qn_matrix_free(matrix);
    CHECK_OK(f->ctx, qn_kmeans_save(f->ctx, m, model_path, false, NULL));
    CHECK_OK(f->ctx, qn_kmeans_load(f->ctx, model_path, &back));
    check_same(m, back);
    qn_json_open(&j, NULL, '{');
    qn_algo_kmeans.table->describe(&back->base, true, &j);
    qn_json_close(&j, '}');
    CHECK(strstr(j.out.text, "\"feature_names\":[\"speed\",\"room, used\"]") != NULL);
    CHECK(strstr(j.out.text, "\"centres\":[[") != NULL);
    qn_json_release(&j);
    qn_kmeans_free(m);
    qn_kmeans_free(back);
}

static void spark_sees_what_it_knows(void **state)
{
    folder *f = *state;
    qn_kmeans_model *m = NULL;
    char *metadata;

    skip_without_module(f->ctx);
    m = make_model(f->ctx, 3, 2);
    CHECK_OK(f->ctx, qn_kmeans_save(f->ctx, m, folder_file(f, "model"), false, NULL));
    metadata = folder_get(f, "model/metadata/part-00000");
    CHECK(strstr(metadata, "\"class\":\"org.apache.spark.ml.clustering.KMeansModel\"") != NULL);
    CHECK(strstr(metadata, "\"paramMap\":{\"featuresCol\":\"features\"") != NULL);
    CHECK(strstr(metadata, "\"k\":3,\"maxIter\":20,\"tol\":0.025,\"initMode\":\"random\"") != NULL);
    CHECK(strstr(metadata, "\"distanceMeasure\":\"cosine\"") != NULL);
    CHECK(strstr(metadata, "starts/first.csv") == NULL);
    CHECK(strstr(metadata, "\"uid\":\"kmeans_") != NULL);
    qn_free(metadata);
    qn_kmeans_free(m);
}

/* Predictions of a directory that Spark wrote must be its own. */
static void check_fixture(folder *f, const char *name)
{
    qn_string path = {0}, expected = {0};
    qn_kmeans_model *m = NULL;
    json_t *root;

    qn_string_addf(&path, "%s/data/spark-models/%s", shared_dir(), name);
    qn_string_addf(&expected, "%s/expected.json", path.text);
    CHECK_OK(f->ctx, qn_kmeans_load(f->ctx, path.text, &m));
    CHECK_EQ(m->k, 3);
    CHECK_EQ(m->n_features, 4);
    CHECK(m->centre[0] == -0.6077777799999998);
    CHECK_EQ(m->params.k, 3);
    CHECK(m->params.seed == 1);
    CHECK_TEXT(m->params.init_mode, "k-means||");
    CHECK_TEXT(m->base.prediction_col, "prediction");
    CHECK(m->size == NULL && m->n_rows == 0 && isnan(m->cost));
    root = json_load_file(expected.text, 0, NULL);
    CHECK_EQ(json_array_size(json_object_get(root, "rows")), 20);
    for (size_t i = 0; i < 20; i++) {
        const json_t *x =
            json_object_get(json_array_get(json_object_get(root, "rows"), i), "features");
        const json_t *said =
            json_object_get(json_array_get(json_object_get(root, "predictions"), i), "prediction");
        double row[4];
        int32_t label = -1;

        for (size_t c = 0; c < 4; c++)
            row[c] = json_number_value(json_array_get(x, c));
        CHECK_OK(f->ctx, qn_kmeans_predict(f->ctx, m, 1, row, &label, NULL));
        CHECK_EQ(label, json_integer_value(said));
    }
    json_decref(root);
    qn_kmeans_free(m);
    qn_string_release(&path);
    qn_string_release(&expected);
}

static void models_of_spark_3_and_4_predict_as_spark_does(void **state)
{
    folder *f = *state;

    SKIP_WITHOUT_SHARED();
    skip_without_module(f->ctx);
    check_fixture(f, "kmeans");
    check_fixture(f, "kmeans_spark43");
}

/* A saved model with a table of centres of our own: rows of (index, SQL of the vector). */
typedef struct written_centre {
    int32_t index;
    const char *vector; /* after "::", of {type, size, indices, values} */
} written_centre;

#define DENSE(values)         "{'type': 1, 'size': NULL, 'indices': NULL, 'values': " values "}"
#define SPARSE(n, at, values) "{'type': 0, 'size': " n ", 'indices': " at ", 'values': " values "}"

static void write_centres(folder *f, const written_centre *centre, int32_t n)
{
    static const qn_field fields[] = {{"clusterIdx", QN_INT32}};
    const qn_schema schema = {fields, 1, true};
    const char *path = folder_file(f, "model/data/part-00000.parquet");
    qn_string select = {0};
    int32_t index[8];
    const qn_column column = {QN_INT32, index, NULL, NULL};
    qn_parquet_write write = {.path = path, .overwrite = true};
    qn_sink *sink = NULL;

    qn_string_add(&select, "clusterIdx % 100 AS clusterIdx, CASE clusterIdx // 100");
    for (int32_t i = 0; i < n; i++) {
        index[i] = 100 * i + (centre[i].index + 100) % 100;
        qn_string_addf(&select,
                       " WHEN %d THEN %s::STRUCT(\"type\" TINYINT, \"size\" INTEGER, indices "
                       "INTEGER[], \"values\" DOUBLE[])",
                       i, centre[i].vector);
    }
    qn_string_add(&select, " END AS clusterCenter");
    write.select = select.text;
    CHECK_OK(f->ctx, qn_parquet_sink_open(f->ctx, &write, &schema, &sink));
    CHECK_OK(f->ctx, qn_sink_write(f->ctx, sink, &(qn_batch){n, 1, &column, 0}));
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    qn_string_release(&select);
}

static void save_one(folder *f)
{
    qn_kmeans_model *m = make_model(f->ctx, 2, 3);

    CHECK_OK(f->ctx, qn_kmeans_save(f->ctx, m, folder_file(f, "model"), true, NULL));
    qn_kmeans_free(m);
}

static void sparse_vectors_and_any_order_of_rows_are_read(void **state)
{
    folder *f = *state;
    const written_centre centres[] = {
        {2, SPARSE("4", "[1, 3]", "[2.5, -1.0]")},
        {0, DENSE("[1.0, 2.0, 3.0, 4.0]")},
        {1, SPARSE("4", "[]", "[]")},
    };
    const double expected[] = {1, 2, 3, 4, 0, 0, 0, 0, 0, 2.5, 0, -1};
    qn_kmeans_model *m = NULL;

    skip_without_module(f->ctx);
    save_one(f);
    write_centres(f, centres, 3);
    CHECK_OK(f->ctx, qn_kmeans_load(f->ctx, folder_file(f, "model"), &m));
    CHECK_EQ(m->k, 3);
    CHECK_EQ(m->n_features, 4);
    assert_memory_equal(m->centre, expected, sizeof expected);
    CHECK(m->size == NULL); /* quern.json is not about these files */
    qn_kmeans_free(m);
}

static void damaged_centres_are_named(void **state)
{
    static const struct {
        written_centre centre[2];
        const char *message;
    } bad[] = {
        {{{0, DENSE("[1.0]")}, {2, DENSE("[1.0]")}}, "row 1: clusterIdx 2 is not one of the 2"},
        {{{0, DENSE("[1.0]")}, {0, DENSE("[2.0]")}}, "row 1: clusterIdx 0 is there twice"},
        {{{0, DENSE("[1.0]")}, {1, DENSE("['nan'::DOUBLE]")}}, "row 1: coordinate 0 is no finite"},
        {{{0, DENSE("[1.0, 'inf'::DOUBLE]")}, {1, DENSE("[1.0, 2.0]")}},
         "row 0: coordinate 1 is no finite"},
        {{{0, DENSE("[1.0]")}, {1, DENSE("[1.0, 2.0]")}}, "row 1: the centre has 2 coordinates"},
        {{{0, DENSE("[]")}, {1, DENSE("[]")}}, "row 0: clusterCenter is no vector"},
        {{{0, DENSE("NULL")}, {1, DENSE("[1.0]")}}, "row 0: clusterCenter is no vector"},
        {{{0, DENSE("[1.0]")}, {1, DENSE("[NULL]")}}, "row 1: clusterCenter is no vector"},
        {{{0, DENSE("[1.0]")}, {1, "NULL"}}, "row 1 is damaged (null)"},
        {{{0, SPARSE("2", "[2]", "[1.0]")}, {1, DENSE("[1.0, 2.0]")}}, "row 0: clusterCenter"},
        {{{0, SPARSE("2", "[1, 0]", "[1.0, 2.0]")}, {1, DENSE("[1.0, 2.0]")}}, "row 0: cluster"},
        {{{0, SPARSE("2", "[0, 1]", "[1.0]")}, {1, DENSE("[1.0, 2.0]")}}, "row 0: cluster"},
        {{{0, SPARSE("2", "[0]", "[1.0, 2.0]")}, {1, DENSE("[1.0, 2.0]")}}, "row 0: cluster"},
        {{{0, SPARSE("-1", "[]", "[]")}, {1, DENSE("[1.0, 2.0]")}}, "row 0: cluster"},
    };
    folder *f = *state;

    skip_without_module(f->ctx);
    save_one(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        qn_kmeans_model *m = NULL;

        write_centres(f, bad[i].centre, 2);
        CHECK_EQ(qn_kmeans_load(f->ctx, folder_file(f, "model"), &m), QN_EDATA);
        CHECK_ERROR(f->ctx, bad[i].message);
        CHECK_ERROR(f->ctx, "data");
        CHECK(m == NULL);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
}

#define METADATA(class, params)                                                                    \
    "{\"class\":\"org.apache.spark.ml.clustering." class "\",\"timestamp\":1,\"sparkVersion\":"    \
                                                         "\"3.5.0\",\"uid\":\"x\",\"paramMap\":"   \
                                                         "{" params "},\"defaultParamMap\":{}}\n"

static void damaged_metadata_are_named(void **state)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {METADATA("KMeans", ""), "not fitted"},
        {METADATA("GaussianMixtureModel", ""), "GaussianMixtureModel"},
        {METADATA("KMeansModel", "\"k\":\"two\""), "parameter \"k\""},
        {METADATA("KMeansModel", "\"k\":-3"), "--k -3 is out of range"},
        {METADATA("KMeansModel", "\"distanceMeasure\":\"taxi\""), "distance_measure"},
        {"{\"class\": ", "part-00000 is damaged"},
    };
    folder *f = *state;

    skip_without_module(f->ctx);
    save_one(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        qn_kmeans_model *m = NULL;

        folder_put(f, "model/metadata/part-00000", bad[i].text);
        CHECK_EQ(qn_kmeans_load(f->ctx, folder_file(f, "model"), &m), QN_EDATA);
        CHECK_ERROR(f->ctx, bad[i].message);
        CHECK(m == NULL);
    }
    CHECK_EQ(qn_kmeans_load(f->ctx, folder_file(f, "nothing"), &(qn_kmeans_model *){NULL}),
             QN_ENOTFOUND);
}

static void a_failed_save_leaves_the_old_model(void **state)
{
    folder *f = *state;
    const int errors[] = {ENOSPC, EIO};
    qn_kmeans_model *old = NULL, *m = NULL;

    skip_without_module(f->ctx);
    old = make_model(f->ctx, 2, 3);
    CHECK_OK(f->ctx, qn_kmeans_save(f->ctx, old, folder_file(f, "model"), false, NULL));
    CHECK_EQ(qn_kmeans_save(f->ctx, old, folder_file(f, "model"), false, NULL), QN_EEXISTS);
    m = make_model(f->ctx, 5, 3);
    for (int e = 0; e < 2; e++) {
        qn_status st = QN_EIO;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_kmeans_model *back = NULL;

            qn_write_fail_after(f->ctx, allowed, errors[e]);
            st = qn_kmeans_save(f->ctx, m, folder_file(f, "model"), true, NULL);
            qn_write_fail_after(f->ctx, INT64_MAX, 0);
            CHECK(st == QN_OK || st == QN_EIO);
            CHECK_OK(f->ctx, qn_kmeans_load(f->ctx, folder_file(f, "model"), &back));
            /* The last writes come after the swap: the new one may be there whole. */
            CHECK(back->k == (st == QN_OK ? 5 : 2) || (back->k == 5 && allowed > 5));
            qn_kmeans_free(back);
            CHECK_EQ(folder_count(f), 1);
        }
        CHECK_OK(f->ctx, qn_kmeans_save(f->ctx, old, folder_file(f, "model"), true, NULL));
    }
    qn_kmeans_free(old);
    qn_kmeans_free(m);
}

static void saving_and_loading_survive_every_failed_allocation(void **state)
{
    folder *f = *state;
    qn_kmeans_model *m = NULL;
    int64_t live = 0;

    skip_without_module(f->ctx);
    m = make_model(f->ctx, 3, 4);
    live = qn_alloc_live(f->ctx);
    for (int step = 0; step < 2; step++) {
        qn_status st = QN_ENOMEM;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_kmeans_model *back = NULL;

            qn_alloc_fail_after(f->ctx, allowed);
            st = step == 0 ? qn_kmeans_save(f->ctx, m, folder_file(f, "model"), true, NULL)
                           : qn_kmeans_load(f->ctx, folder_file(f, "model"), &back);
            qn_alloc_fail_after(f->ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
            CHECK((back != NULL) == (step == 1 && st == QN_OK));
            qn_kmeans_free(back);
            CHECK_EQ(qn_alloc_live(f->ctx), live);
        }
    }
    qn_kmeans_free(m);
}

static void the_digest_tells_every_bit(void **state)
{
    folder *f = *state;
    qn_kmeans_model *m = make_model(f->ctx, 3, 3);
    char first[33], other[33];

    qn_kmeans_digest(m, first);
    CHECK_EQ(strlen(first), 32);
    m->centre[1] = 0; /* it was -0 */
    qn_kmeans_digest(m, other);
    CHECK(strcmp(first, other) != 0);
    qn_kmeans_free(m);
}

/* Cut anywhere, a text is refused or read, never overrun. */
static void any_text_is_a_vector_or_not(void **state)
{
    static const char *const texts[] = {DENSE("[1.5, -2e-07, nan]"),
                                        SPARSE("5", "[1, 4]", "[1.5, 2.0]")};
    static const int64_t size[] = {3, 5};

    (void)state;
    for (int i = 0; i < 2; i++) {
        const int64_t length = (int64_t)strlen(texts[i]);

        for (int64_t cut = 0; cut <= length; cut++) {
            char *text = malloc((size_t)cut + 1);
            double values[5] = {0};
            int64_t n = 0;

            assert_non_null(text);
            memcpy(text, texts[i], (size_t)cut);
            if (qn_spark_vector_parse(text, cut, 5, values, &n))
                CHECK_EQ(n, size[i]);
            else
                CHECK(cut < length - 1);
            free(text);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_model_comes_back_bit_by_bit),
        TEST(a_fitted_model_keeps_its_features),
        TEST(spark_sees_what_it_knows),
        TEST(models_of_spark_3_and_4_predict_as_spark_does),
        TEST(sparse_vectors_and_any_order_of_rows_are_read),
        TEST(damaged_centres_are_named),
        TEST(damaged_metadata_are_named),
        TEST(a_failed_save_leaves_the_old_model),
        TEST(saving_and_loading_survive_every_failed_allocation),
        TEST(the_digest_tells_every_bit),
        TEST(any_text_is_a_vector_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
