/* Saving and loading ALS models: our own directories bit by bit, Spark's by its own predictions,
 * and everything that can be wrong with one. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base/file.h"
#include "check.h"
#include "data/parquet.h"
#include "kernels/kernels.h"
#include "ml/als/als_dir.h"

typedef struct fixture {
    qn_context *ctx;
    char dir[64];
    char warning[512]; /* the last one */
} fixture;

static void keep_warning(void *user, const qn_event *event)
{
    fixture *f = user;

    if (event->kind == QN_EVENT_WARNING)
        snprintf(f->warning, sizeof f->warning, "%s", event->text);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    return !f || qn_context_create(&(qn_context_options){.threads = 1}, &f->ctx) != QN_OK ||
           qn_context_add_sink(f->ctx, keep_warning, f) != QN_OK || !fresh_dir(f->dir);
}

static int teardown(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

/* malloc'ed dir/name */
static char *place(const fixture *f, const char *name)
{
    char *path = qn_path_join(f->dir, name);

    assert_non_null(path);
    return path;
}

static void make_ids(qn_context *ctx, qn_id_type type, int64_t n, qn_ids *ids)
{
    *ids = (qn_ids){.type = type, .n = n};
    if (type != QN_ID_STRING) {
        CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&ids->number, n, 8, "ids"));
        for (int64_t i = 0; i < n; i++)
            ids->number[i] = type == QN_ID_INT32 ? 10 * i - 5 : INT64_C(5000000000) + i * i;
        return;
    }
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&ids->offset, n + 1, 8, "ids"));
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&ids->text, 8 * n, 1, "ids"));
    ids->offset[0] = 0;
    for (int64_t i = 0; i < n; i++) /* "", "é'\"001", "é'\"002" ... */
        ids->offset[i + 1] =
            ids->offset[i] +
            (i ? snprintf(ids->text + ids->offset[i], 9, "\xC3\xA9'\"%03d", (int)i) : 0);
}

/* A model whose factors are told by their place: user u, feature f: u + f / 8; items negative. */
static qn_als_model *make_model(qn_context *ctx, qn_id_type user_type, qn_id_type item_type)
{
    qn_als_model *m;

    CHECK_OK(ctx, qn_calloc_array(ctx, (void **)&m, 1, sizeof *m, "a model"));
    qn_params_init(&qn_als_table, &m->params);
    m->params.rank = m->rank = 3;
    m->params.reg_param = 0.07;
    m->params.seed = INT64_MIN;
    m->params.cold_start = QN_COLD_POPULAR;
    m->params.nonnegative = true;
    m->stride = qn_factor_stride(3);
    make_ids(ctx, user_type, 7, &m->users);
    make_ids(ctx, item_type, 5, &m->items);
    CHECK_OK(ctx, qn_calloc_array(ctx, (void **)&m->user_factors, 7 * m->stride, 4, "factors"));
    CHECK_OK(ctx, qn_calloc_array(ctx, (void **)&m->item_factors, 5 * m->stride, 4, "factors"));
    CHECK_OK(ctx, qn_calloc_array(ctx, (void **)&m->item_count, 5, 4, "counts"));
    CHECK_OK(ctx, qn_calloc_array(ctx, (void **)&m->item_mean, 5, 4, "means"));
    for (int64_t row = 0; row < 7; row++)
        for (int64_t f = 0; f < 3; f++) {
            m->user_factors[row * m->stride + f] = (float)row + (float)f / 7;
            if (row < 5)
                m->item_factors[row * m->stride + f] = -(float)row - (float)f / 3;
        }
    for (int64_t item = 0; item < 5; item++) {
        m->item_count[item] = (uint32_t)(4000000000 - item);
        m->item_mean[item] = (float)item / 3;
    }
    strcpy(m->user_col, "user \"id\"");
    strcpy(m->item_col, "movieId");
    strcpy(m->rating_col, "stars");
    strcpy(m->prediction_col, "score");
    strcpy(m->kernel_set, "avx2");
    m->mean_rating = 3.3333333F;
    m->iterations = 12;
    m->data_fingerprint = UINT64_C(0xFEDCBA9876543210);
    return m;
}

static void check_same_ids(const qn_ids *a, const qn_ids *b)
{
    CHECK_EQ(a->type, b->type);
    CHECK_EQ(a->n, b->n);
    if (a->type != QN_ID_STRING) {
        assert_memory_equal(a->number, b->number, (size_t)a->n * 8);
        return;
    }
    assert_memory_equal(a->offset, b->offset, (size_t)(a->n + 1) * 8);
    assert_memory_equal(a->text, b->text, (size_t)a->offset[a->n]);
}

static void check_same(const qn_als_model *a, const qn_als_model *b)
{
    char one[33], two[33];

    assert_memory_equal(&a->params, &b->params, sizeof a->params);
    CHECK_EQ(a->rank, b->rank);
    CHECK_EQ(a->stride, b->stride);
    check_same_ids(&a->users, &b->users);
    check_same_ids(&a->items, &b->items);
    assert_memory_equal(a->user_factors, b->user_factors, (size_t)(a->users.n * a->stride) * 4);
    assert_memory_equal(a->item_factors, b->item_factors, (size_t)(a->items.n * a->stride) * 4);
    assert_memory_equal(a->item_count, b->item_count, (size_t)a->items.n * 4);
    assert_memory_equal(a->item_mean, b->item_mean, (size_t)a->items.n * 4);
    CHECK_TEXT(a->user_col, b->user_col);
    CHECK_TEXT(a->item_col, b->item_col);
    CHECK_TEXT(a->rating_col, b->rating_col);
    CHECK_TEXT(a->prediction_col, b->prediction_col);
    CHECK_TEXT(a->kernel_set, b->kernel_set);
    CHECK(a->mean_rating == b->mean_rating);
    CHECK_EQ(a->iterations, b->iterations);
    CHECK(a->data_fingerprint == b->data_fingerprint);
    qn_als_digest(a, one);
    qn_als_digest(b, two);
    CHECK_TEXT(one, two);
}

static void a_model_comes_back_bit_by_bit(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "model");

    skip_without_module(f->ctx);
    for (int user = QN_ID_INT32; user <= QN_ID_STRING; user++)
        for (int item = QN_ID_INT32; item <= QN_ID_STRING; item++) {
            qn_als_model *model = make_model(f->ctx, (qn_id_type)user, (qn_id_type)item), *back;

            CHECK_OK(f->ctx, qn_als_save(f->ctx, model, path, true, "{\"run_id\": \"r1\"}"));
            CHECK_OK(f->ctx, qn_als_load(f->ctx, path, &back));
            check_same(model, back);
            qn_als_free(back);
            qn_als_free(model);
        }
    CHECK_TEXT(f->warning, "");
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    free(path);
}

static void small_ids_of_64_bits_keep_their_type(void **state)
{
    const fixture *f = *state;
    char *path = place(f, "model"), *map = place(f, "model/quern/userIds.parquet");
    qn_als_model *model, *back;

    skip_without_module(f->ctx);
    model = make_model(f->ctx, QN_ID_INT32, QN_ID_INT32);
    model->users.type = QN_ID_INT64;
    CHECK_OK(f->ctx, qn_als_save(f->ctx, model, path, false, NULL));
    CHECK(!qn_path_exists(map));
    CHECK_OK(f->ctx, qn_als_load(f->ctx, path, &back));
    check_same(model, back);
    qn_als_free(back);
    qn_als_free(model);
    free(path);
    free(map);
}

static void the_digest_tells_ids_sides_and_bits_apart(void **state)
{
    const fixture *f = *state;
    qn_als_model *model = make_model(f->ctx, QN_ID_INT32, QN_ID_INT32);
    char first[33], other[33];

    qn_als_digest(model, first);
    CHECK_EQ(strlen(first), 32);
    model->user_factors[3] = 5; /* padding */
    qn_als_digest(model, other);
    CHECK_TEXT(first, other);
    model->users.number[6]++;
    qn_als_digest(model, other);
    CHECK(strcmp(first, other) != 0);
    model->users.number[6]--;
    model->user_factors[0] = -model->user_factors[0]; /* 0 to -0 */
    qn_als_digest(model, other);
    CHECK(strcmp(first, other) != 0);
    qn_als_free(model);
}

/* Predictions of a directory that Spark wrote must be its own floats. */
static void check_fixture(const fixture *f, const char *name)
{
    qn_string path = {0}, expected = {0};
    qn_als_model *model;
    json_t *root, *row;
    size_t i;

    qn_string_addf(&path, "%s/data/spark-models/%s", shared_dir(), name);
    qn_string_addf(&expected, "%s/expected.json", path.text);
    CHECK_OK(f->ctx, qn_als_load(f->ctx, path.text, &model));
    CHECK_EQ(model->users.n, 30);
    CHECK_EQ(model->items.n, 100);
    CHECK_EQ(model->rank, 4);
    CHECK_TEXT(model->user_col, "userId");
    CHECK_EQ(model->params.cold_start, QN_COLD_DROP);
    CHECK(isnan(model->mean_rating));
    CHECK(model->item_count == NULL);
    CHECK_TEXT(f->warning, "");
    root = json_load_file(expected.text, 0, NULL);
    CHECK_EQ(json_array_size(json_object_get(root, "rows")), 20);
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        const json_t *said = json_array_get(json_object_get(root, "predictions"), i);
        const int64_t user = qn_ids_find_number(&model->users,
                                                json_integer_value(json_object_get(row, "userId"))),
                      item = qn_ids_find_number(
                          &model->items, json_integer_value(json_object_get(row, "movieId")));

        CHECK_EQ(user < 0 || item < 0, json_is_null(said));
        if (user < 0 || item < 0)
            continue;
        CHECK(qn_dot_spark(4, model->user_factors + user * model->stride,
                           model->item_factors + item * model->stride) ==
              (float)json_real_value(json_object_get(said, "prediction")));
    }
    json_decref(root);
    qn_als_free(model);
    qn_string_release(&path);
    qn_string_release(&expected);
}

static void models_of_spark_3_and_4_predict_as_spark_does(void **state)
{
    const fixture *f = *state;

    SKIP_WITHOUT_SHARED();
    skip_without_module(f->ctx);
    check_fixture(f, "als");
    check_fixture(f, "als_spark43");
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void another_kind_of_model_is_named(void **state)
{
    const fixture *f = *state;
    qn_string path = {0};
    qn_als_model *model;

    SKIP_WITHOUT_SHARED();
    qn_string_addf(&path, "%s/data/spark-models/kmeans", shared_dir());
    CHECK_EQ(qn_als_load(f->ctx, path.text, &model), QN_EDATA);
    CHECK_ERROR(f->ctx, "KMeansModel");
    CHECK(model == NULL);
    qn_string_release(&path);
}

/* A saved model in `dir`/model, to be damaged. */
static char *save_one(const fixture *f)
{
    qn_als_model *model = make_model(f->ctx, QN_ID_STRING, QN_ID_INT32);
    char *path = place(f, "model");

    CHECK_OK(f->ctx, qn_als_save(f->ctx, model, path, true, NULL));
    qn_als_free(model);
    return path;
}

static void write_over(const fixture *f, const char *name, const char *text)
{
    char *path = place(f, name);
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    free(path);
}

static void check_load_fails(const fixture *f, const char *path, const char *text)
{
    qn_als_model *model;

    CHECK_EQ(qn_als_load(f->ctx, path, &model), QN_EDATA);
    CHECK_ERROR(f->ctx, text);
    CHECK(model == NULL);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void remove_part(const fixture *f, const char *name)
{
    char *path = place(f, name);

    CHECK(qn_path_exists(path));
    CHECK_OK(f->ctx, qn_remove_tree(f->ctx, path));
    free(path);
}

#define METADATA(class, version, rest)                                                             \
    "{\"class\":\"org.apache.spark.ml." class "\",\"timestamp\":1,\"sparkVersion\":\"" version     \
                                              "\",\"uid\":\"x\",\"paramMap\":{},"                  \
                                              "\"defaultParamMap\":{}" rest "}\n"

static void missing_and_damaged_parts_are_named(void **state)
{
    static const char metadata[] = "model/metadata/part-00000";
    const fixture *f = *state;
    char *path;

    skip_without_module(f->ctx);
    path = save_one(f);
    write_over(f, metadata, METADATA("recommendation.ALSModel", "2.4.8", ",\"rank\":3"));
    check_load_fails(f, path, "Spark 2.4.8");
    write_over(f, metadata, METADATA("recommendation.ALS", "3.5.0", ""));
    check_load_fails(f, path, "not fitted");
    write_over(f, metadata, METADATA("recommendation.ALSModel", "3.5.0", ""));
    check_load_fails(f, path, "\"rank\"");
    write_over(f, metadata, METADATA("recommendation.ALSModel", "3.5.0", ",\"rank\":2"));
    check_load_fails(f, path, "has 3 features, the metadata says rank 2");
    write_over(f, metadata, "{\"class\": ");
    check_load_fails(f, path, "part-00000 is damaged");
    remove_part(f, metadata);
    check_load_fails(f, path, "no part-* file");
    free(path);
    path = save_one(f);
    write_over(f, "model/userFactors/part-00000.parquet", "PAR1 rubbish PAR1");
    check_load_fails(f, path, "userFactors/part-00000.parquet");
    remove_part(f, "model/userFactors/part-00000.parquet");
    check_load_fails(f, path, "userFactors");
    remove_part(f, "model/userFactors");
    check_load_fails(f, path, "userFactors");
    free(path);
}

/* Puts the table file of one model into another's folder. */
static void move_part(const fixture *f, const char *from, const char *to)
{
    char *one = place(f, from), *two = place(f, to);

    assert_int_equal(rename(one, two), 0);
    free(one);
    free(two);
}

static void mixed_parts_and_wrong_maps_are_refused(void **state)
{
    fixture *f = *state;
    char *path, *other = place(f, "other");
    qn_als_model *model;

    skip_without_module(f->ctx);
    path = save_one(f);
    model = make_model(f->ctx, QN_ID_STRING, QN_ID_INT32);
    model->users.n = 6;
    CHECK_OK(f->ctx, qn_als_save(f->ctx, model, other, false, NULL));
    qn_als_free(model);
    move_part(f, "other/quern/userIds.parquet", "model/quern/userIds.parquet");
    check_load_fails(f, path, "6 ids for 7 rows");
    CHECK(strstr(f->warning, "does not belong to the files"));
    move_part(f, "other/itemFactors/part-00000.parquet", "model/itemFactors/part-00001.parquet");
    check_load_fails(f, path, "holds item -5 twice");
    free(path);
    free(other);
}

static void factors_that_are_no_numbers_are_refused(void **state)
{
    const fixture *f = *state;
    qn_als_model *model;
    char *path = place(f, "model");

    skip_without_module(f->ctx);
    model = make_model(f->ctx, QN_ID_INT32, QN_ID_INT32);
    model->item_factors[model->stride + 2] = NAN;
    CHECK_OK(f->ctx, qn_als_save(f->ctx, model, path, false, NULL));
    qn_als_free(model);
    check_load_fails(f, path, "feature 2 of item 5 is no finite number");
    free(path);
}

static void a_note_of_other_files_is_ignored_with_a_warning(void **state)
{
    fixture *f = *state;
    qn_als_model *model = NULL;
    char *path;

    skip_without_module(f->ctx);
    path = save_one(f);
    write_over(f, "model/metadata/part-00000",
               METADATA("recommendation.ALSModel", "3.5.0", ",\"rank\":3"));
    CHECK_OK(f->ctx, qn_als_load(f->ctx, path, &model));
    CHECK(strstr(f->warning, "quern.json"));
    CHECK(isnan(model->mean_rating));
    CHECK_EQ(model->users.type, QN_ID_STRING);
    qn_als_free(model);
    write_over(f, "model/quern.json", "{\"files\": ");
    f->warning[0] = '\0';
    CHECK_OK(f->ctx, qn_als_load(f->ctx, path, &model));
    CHECK(strstr(f->warning, "damaged"));
    qn_als_free(model);
    free(path);
}

static void no_folder_a_file_and_an_existing_model_are_told(void **state)
{
    const fixture *f = *state;
    qn_als_model *model, *mine;
    char *path = place(f, "nothing"), *below = place(f, "no/where");

    skip_without_module(f->ctx);
    CHECK_EQ(qn_als_load(f->ctx, path, &model), QN_ENOTFOUND);
    write_over(f, "nothing", "x");
    check_load_fails(f, path, "is a file");
    check_load_fails(f, f->dir, "no model directory");
    mine = make_model(f->ctx, QN_ID_INT32, QN_ID_INT32);
    CHECK_EQ(qn_als_save(f->ctx, mine, below, false, NULL), QN_EIO);
    free(path);
    path = place(f, "model");
    CHECK_EQ(qn_als_save(f->ctx, mine, path, false, "{not json"), QN_EINVAL);
    CHECK(!qn_path_exists(path));
    CHECK_OK(f->ctx, qn_als_save(f->ctx, mine, path, false, NULL));
    CHECK_EQ(qn_als_save(f->ctx, mine, path, false, NULL), QN_EEXISTS);
    qn_als_free(mine);
    free(path);
    free(below);
}

static void the_newest_version_is_found(void **state)
{
    const fixture *f = *state;
    char *one = place(f, "version_2024"), *two = place(f, "version_2025"), *found;

    CHECK_EQ(qn_model_find_latest(f->ctx, f->dir, &found), QN_ENOTFOUND);
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, one));
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, two));
    write_over(f, "version_9", "a file");
    CHECK_OK(f->ctx, qn_model_find_latest(f->ctx, f->dir, &found));
    CHECK_TEXT(found, two);
    qn_free(found);
    free(one);
    free(two);
}

static void a_folder_of_versions_loads_the_newest(void **state)
{
    const fixture *f = *state;
    char *one = place(f, "version_2024"), *two = place(f, "version_2025");
    qn_als_model *old, *new, *back;
    char digest[2][33];

    skip_without_module(f->ctx);
    old = make_model(f->ctx, QN_ID_STRING, QN_ID_INT32);
    new = make_model(f->ctx, QN_ID_INT64, QN_ID_INT32);
    CHECK_OK(f->ctx, qn_als_save(f->ctx, old, one, false, NULL));
    CHECK_OK(f->ctx, qn_als_save(f->ctx, new, two, false, NULL));
    CHECK_OK(f->ctx, qn_als_load(f->ctx, f->dir, &back));
    qn_als_digest(new, digest[0]);
    qn_als_digest(back, digest[1]);
    CHECK_TEXT(digest[1], digest[0]);
    qn_als_free(old);
    qn_als_free(new);
    qn_als_free(back);
    free(one);
    free(two);
}

static void saving_survives_every_failed_write(void **state)
{
    const fixture *f = *state;
    qn_als_model *old, *new, *back;
    char *path;
    qn_status st = QN_EIO;

    skip_without_module(f->ctx);
    path = save_one(f);
    old = make_model(f->ctx, QN_ID_STRING, QN_ID_INT32);
    new = make_model(f->ctx, QN_ID_INT64, QN_ID_INT32);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        char **names;
        int64_t n;

        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        st = qn_als_save(f->ctx, new, path, true, NULL);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        CHECK_OK(f->ctx, qn_als_load(f->ctx, path, &back));
        check_same(st == QN_OK ? new : old, back);
        qn_als_free(back);
        CHECK_OK(f->ctx, qn_list_dir(f->ctx, f->dir, &names, &n));
        CHECK_EQ(n, 1);
        qn_names_free(names, n);
        CHECK(allowed < 200);
    }
    qn_als_free(old);
    qn_als_free(new);
    free(path);
}

static void saving_and_loading_survive_every_failed_allocation(void **state)
{
    const fixture *f = *state;
    qn_als_model *model, *back = NULL;
    char *path = place(f, "model");
    qn_status st = QN_ENOMEM;
    int64_t live;

    skip_without_module(f->ctx);
    model = make_model(f->ctx, QN_ID_STRING, QN_ID_INT32);
    live = qn_alloc_live(f->ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_als_save(f->ctx, model, path, true, NULL);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
        CHECK(allowed < 1000);
    }
    st = QN_ENOMEM;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_als_load(f->ctx, path, &back);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((back != NULL) == (st == QN_OK));
        CHECK(st == QN_OK || qn_alloc_live(f->ctx) == live);
        CHECK(allowed < 1000);
    }
    check_same(model, back);
    qn_als_free(back);
    qn_als_free(model);
    free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_model_comes_back_bit_by_bit),
        TEST(small_ids_of_64_bits_keep_their_type),
        TEST(the_digest_tells_ids_sides_and_bits_apart),
        TEST(models_of_spark_3_and_4_predict_as_spark_does),
        TEST(another_kind_of_model_is_named),
        TEST(missing_and_damaged_parts_are_named),
        TEST(mixed_parts_and_wrong_maps_are_refused),
        TEST(factors_that_are_no_numbers_are_refused),
        TEST(a_note_of_other_files_is_ignored_with_a_warning),
        TEST(no_folder_a_file_and_an_existing_model_are_told),
        TEST(the_newest_version_is_found),
        TEST(a_folder_of_versions_loads_the_newest),
        TEST(saving_survives_every_failed_write),
        TEST(saving_and_loading_survive_every_failed_allocation),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
