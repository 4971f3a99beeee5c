#include "data/datagen_table.h"

#include <math.h>

#include <jansson.h>

#include "data/datagen_table_impl.h"
#include "data/parquet.h"
#include "folder.h"

/* A table that was written: its numbers, a list as three columns, and truth.json. */
typedef struct table {
    int64_t n_rows, n_values;
    double *value; /* [n_rows x n_values] */
    json_t *truth;
} table;

static qn_gen_options options_for(folder *f, int64_t rows)
{
    qn_gen_options o;

    qn_params_init(&qn_gen_table, &o);
    o.rows = rows;
    o.out = folder_file(f, "made");
    return o;
}

static qn_gen_blobs_options blobs_of(int32_t k, int32_t features)
{
    qn_gen_blobs_options o;

    qn_params_init(&qn_gen_blobs_table, &o);
    o.k = k;
    o.features = features;
    return o;
}

static qn_gen_regression_options regression_of(int32_t features, int32_t nonzero)
{
    qn_gen_regression_options o;

    qn_params_init(&qn_gen_linear_table, &o);
    o.features = features;
    o.nonzero = nonzero;
    return o;
}

static qn_status generate(qn_context *ctx, const char *shape, const qn_gen_options *o,
                          const void *own)
{
    qn_gen_result result;

    return qn_datagen_table_write(ctx, qn_generator_named(shape), o, own, &result);
}

static void take_batch(table *t, const qn_batch *batch)
{
    t->value = realloc(t->value, (size_t)((t->n_rows + batch->n_rows) * t->n_values) * 8);
    assert_non_null(t->value);
    for (int64_t r = 0; r < batch->n_rows; r++) {
        double *to = t->value + (t->n_rows + r) * t->n_values;

        for (int32_t c = 0; c < batch->n_columns; c++) {
            const qn_column *column = &batch->columns[c];
            const double *from = column->data;

            if (column->type == QN_DOUBLE) {
                *to++ = from[r];
                continue;
            }
            CHECK_EQ(column->offsets[r + 1] - column->offsets[r], 3);
            for (uint32_t i = column->offsets[r]; i < column->offsets[r + 1]; i++)
                *to++ = from[i];
        }
    }
    t->n_rows += batch->n_rows;
}

/* All columns as doubles, splits in order. */
static table *read_table(folder *f, const char *name)
{
    qn_context *ctx = f->ctx;
    char whole[64];
    const char *path;
    qn_column_request request[32];
    qn_source_options options = {.n_paths = 1, .header = -1};
    const qn_schema *schema;
    qn_source *source = NULL;
    table *t = calloc(1, sizeof *t);

    assert_non_null(t);
    snprintf(whole, sizeof whole, "made/%s", name);
    path = folder_file(f, whole);
    options.path = &path;
    CHECK_OK(ctx, qn_source_open(ctx, &options, &source));
    schema = qn_source_schema(source);
    CHECK(schema->n_fields <= 32);
    for (int32_t c = 0; c < schema->n_fields; c++) {
        const bool is_list = schema->field[c].type == QN_DOUBLE_LIST;

        request[c] = (qn_column_request){.field = c, .type = is_list ? QN_DOUBLE_LIST : QN_DOUBLE};
        t->n_values += is_list ? 3 : 1;
    }
    for (int64_t s = 0; s < qn_source_n_splits(source); s++) {
        const qn_batch *batch;
        qn_reader *reader = NULL;

        CHECK_OK(ctx, qn_source_open_split(ctx, source, s, request, schema->n_fields, &reader));
        for (;;) {
            CHECK_OK(ctx, qn_reader_next(ctx, reader, &batch));
            if (!batch)
                break;
            take_batch(t, batch);
        }
        CHECK_EQ(qn_reader_rejects(reader)->total, 0);
        qn_reader_close(reader);
    }
    qn_source_free(source);
    t->truth = json_load_file(folder_file(f, "made/truth.json"), 0, NULL);
    assert_non_null(t->truth);
    return t;
}

static void table_free(table *t)
{
    json_decref(t->truth);
    free(t->value);
    free(t);
}

static double at(const table *t, int64_t row, int64_t column)
{
    return t->value[row * t->n_values + column];
}

static double planted(const table *t, const char *name, size_t i)
{
    return json_number_value(
        json_array_get(json_object_get(json_object_get(t->truth, "planted"), name), i));
}

static int64_t class_rows(const table *t, size_t file, size_t class)
{
    const json_t *files = json_object_get(t->truth, "files");

    return json_integer_value(
        json_array_get(json_object_get(json_array_get(files, file), "class_rows"), class));
}

static bool has_parquet(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) == QN_OK)
        return true;
    print_message("skipped: %s\n", qn_context_error(ctx));
    return false;
}

static void susy_has_its_share_of_signal_and_standard_features(void **state)
{
    enum { ROWS = 20000 };
    folder *f = folder_make(*state);
    const qn_gen_options o = options_for(f, ROWS);
    int64_t signal = 0;
    table *t;

    CHECK_OK(*state, generate(*state, "susy", &o, NULL));
    t = read_table(f, "susy.csv");
    CHECK_EQ(t->n_rows, ROWS);
    CHECK_EQ(t->n_values, 19);
    for (int64_t r = 0; r < ROWS; r++) {
        CHECK(at(t, r, 0) == 0.0 || at(t, r, 0) == 1.0);
        signal += at(t, r, 0) == 1.0;
    }
    CHECK_NEAR((double)signal / ROWS, 0.46, 0.015);
    CHECK_EQ(class_rows(t, 0, 1), signal);
    for (int32_t c = 1; c <= 18; c++) {
        double sum = 0, squares = 0;

        for (int64_t r = 0; r < ROWS; r++) {
            sum += at(t, r, c);
            squares += at(t, r, c) * at(t, r, c);
        }
        CHECK_NEAR(sum / ROWS, 0, 0.05);
        CHECK_NEAR(squares / ROWS, 1, 0.1);
    }
    table_free(t);
    folder_remove(f);
}

/* The share of (signal, background) pairs that the best direction of the class means puts in order
 * is well above a half: there is something to learn. */
static void the_classes_of_susy_differ_in_their_features(void **state)
{
    folder *f = folder_make(*state);
    const qn_gen_options o = options_for(f, 5000);
    double mean[2][18] = {{0}}, most = 0;
    int64_t n[2] = {0};
    table *t;

    CHECK_OK(*state, generate(*state, "susy", &o, NULL));
    t = read_table(f, "susy.csv");
    for (int64_t r = 0; r < t->n_rows; r++) {
        const int class = at(t, r, 0) == 1.0;

        n[class]++;
        for (int c = 0; c < 18; c++)
            mean[class][c] += at(t, r, 1 + c);
    }
    for (int c = 0; c < 18; c++)
        most = fmax(most, fabs(mean[0][c] / (double)n[0] - mean[1][c] / (double)n[1]));
    CHECK(most > 0.5);
    table_free(t);
    folder_remove(f);
}

static void blobs_lie_round_their_planted_centres(void **state)
{
    enum { ROWS = 6000, K = 5, D = 3 };
    folder *f = folder_make(*state);
    const qn_gen_options o = options_for(f, ROWS);
    qn_gen_blobs_options own = blobs_of(K, D);
    double sum[K][D] = {{0}}, squares = 0;
    int64_t n[K] = {0};
    table *t;

    own.spread = 0.5;
    own.offset = 1e6;
    CHECK_OK(*state, generate(*state, "blobs", &o, &own));
    t = read_table(f, "blobs.csv");
    CHECK_EQ(t->n_rows, ROWS);
    for (int64_t r = 0; r < ROWS; r++) {
        const int k = (int)at(t, r, 0);

        CHECK(k >= 0 && k < K && at(t, r, 0) == k);
        n[k]++;
        for (int c = 0; c < D; c++)
            sum[k][c] += at(t, r, 1 + c) - own.offset;
    }
    for (int k = 0; k < K; k++) {
        const json_t *centre = json_array_get(
            json_object_get(json_object_get(t->truth, "planted"), "centres"), (size_t)k);

        CHECK_EQ(class_rows(t, 0, (size_t)k), n[k]);
        CHECK_NEAR((double)n[k] / ROWS, 1.0 / K, 0.03);
        for (int c = 0; c < D; c++) {
            const double planted_at = json_number_value(json_array_get(centre, (size_t)c));

            CHECK(fabs(planted_at - own.offset) <= 10);
            CHECK_NEAR(sum[k][c] / (double)n[k], planted_at - own.offset, 0.1);
            for (int64_t r = 0; r < ROWS; r++)
                if ((int)at(t, r, 0) == k)
                    squares += (at(t, r, 1 + c) - planted_at) * (at(t, r, 1 + c) - planted_at);
        }
    }
    CHECK_NEAR(sqrt(squares / (ROWS * D)), 0.5, 0.02);
    table_free(t);
    folder_remove(f);
}

/* The label that the planted coefficients give for a row. */
static double score_of(const table *t, int64_t row, int32_t features)
{
    double sum =
        json_number_value(json_object_get(json_object_get(t->truth, "planted"), "intercept"));

    for (int32_t c = 0; c < features; c++)
        sum += planted(t, "coefficients", (size_t)c) * at(t, row, 1 + c);
    return sum;
}

static void a_linear_label_is_the_planted_function_and_noise(void **state)
{
    enum { ROWS = 20000, D = 6 };
    folder *f = folder_make(*state);
    qn_gen_options o = options_for(f, ROWS);
    qn_gen_regression_options own = regression_of(D, 3);
    int32_t nonzero = 0;

    for (int with_noise = 0; with_noise < 2; with_noise++) {
        double squares = 0, along[D] = {0};
        table *t;

        own.noise = with_noise ? 2 : 0;
        o.overwrite = with_noise;
        CHECK_OK(*state, generate(*state, "linear", &o, &own));
        t = read_table(f, "linear.csv");
        CHECK_EQ(t->n_values, 1 + D);
        for (int64_t r = 0; r < t->n_rows; r++) {
            const double residual = at(t, r, 0) - score_of(t, r, D);

            squares += residual * residual;
            CHECK(with_noise || fabs(residual) < 6e-7);
            for (int32_t c = 0; c < D; c++)
                along[c] += at(t, r, 0) * at(t, r, 1 + c) / ROWS;
        }
        CHECK_NEAR(sqrt(squares / ROWS), own.noise, 0.05);
        for (int32_t c = 0; c < D; c++) {
            const double b = planted(t, "coefficients", (size_t)c);

            nonzero += b != 0;
            CHECK(b == 0 || (fabs(b) >= 0.5 && fabs(b) <= 2));
            CHECK_NEAR(along[c], b, 0.15); /* features are independent and standard */
        }
        table_free(t);
    }
    CHECK_EQ(nonzero, 6);
    folder_remove(f);
}

static void a_logistic_label_follows_the_planted_odds(void **state)
{
    enum { ROWS = 20000, D = 4 };
    folder *f = folder_make(*state);
    const qn_gen_options o = options_for(f, ROWS);
    const qn_gen_regression_options own = regression_of(D, 2);
    double off = 0, along[D] = {0}, right = 0;
    table *t;

    CHECK_OK(*state, generate(*state, "logistic", &o, &own));
    t = read_table(f, "logistic.csv");
    for (int64_t r = 0; r < ROWS; r++) {
        const double p = 1 / (1 + exp(-score_of(t, r, D))), residual = at(t, r, 0) - p;

        off += residual / ROWS;
        right += (p > 0.5) == (at(t, r, 0) == 1);
        for (int32_t c = 0; c < D; c++)
            along[c] += residual * at(t, r, 1 + c) / ROWS;
    }
    CHECK_NEAR(off, 0, 0.02);
    for (int32_t c = 0; c < D; c++)
        CHECK_NEAR(along[c], 0, 0.02);
    CHECK(right / ROWS > 0.65 && right / ROWS < 0.98);
    table_free(t);
    folder_remove(f);
}

static void fractal_has_its_classes_colours_and_drift(void **state)
{
    enum { ROWS = 40000 };
    static const int code[] = {1, 2, 5, 6, 9, 17, 64};
    folder *f = folder_make(*state);
    const qn_gen_options o = options_for(f, ROWS);
    qn_gen_fractal_options own;
    double red = 0, blue = 0, rr = 0, bb = 0, rb = 0, least = 1, most = 0;
    int64_t n[7] = {0}, counted = 0;
    table *t;

    if (!has_parquet(*state)) {
        folder_remove(f);
        skip();
    }
    qn_params_init(&qn_gen_fractal_table, &own);
    CHECK_OK(*state, generate(*state, "fractal", &o, &own));
    CHECK(folder_has(f, "made/train/part-00015.parquet"));
    CHECK(folder_has(f, "made/val/part-00001.parquet"));
    CHECK(folder_has(f, "made/test/part-00001.parquet"));
    t = read_table(f, "train");
    CHECK_EQ(t->n_rows, ROWS - 2 * (ROWS / 10));
    CHECK_EQ(t->n_values, 9);
    for (int64_t r = 0; r < t->n_rows; r++) {
        int c = 0;

        while (c < 7 && code[c] != (int)at(t, r, 8))
            c++;
        CHECK(c < 7);
        n[c]++;
        CHECK(at(t, r, 0) >= 650000 && at(t, r, 2) < 4000);
        for (int v = 4; v < 8; v++)
            CHECK(at(t, r, v) >= 256 && at(t, r, v) <= 65280 && fmod(at(t, r, v), 256) == 0);
        red += at(t, r, 4);
        blue += at(t, r, 6);
        rr += at(t, r, 4) * at(t, r, 4);
        bb += at(t, r, 6) * at(t, r, 6);
        rb += at(t, r, 4) * at(t, r, 6);
    }
    for (int c = 0; c < 7; c++)
        CHECK_NEAR((double)n[c] / (double)t->n_rows, planted(t, "class_shares", (size_t)c), 0.01);
    red /= (double)t->n_rows;
    blue /= (double)t->n_rows;
    CHECK((rb / (double)t->n_rows - red * blue) /
              sqrt((rr / (double)t->n_rows - red * red) * (bb / (double)t->n_rows - blue * blue)) >
          0.9);
    for (size_t file = 0; file < 16; file++) {
        int64_t rows_of_file = 0;

        for (size_t c = 0; c < 7; c++)
            rows_of_file += class_rows(t, file, c);
        CHECK(rows_of_file >= ROWS / 60);
        counted += rows_of_file;
        least = fmin(least, (double)class_rows(t, file, 1) / (double)rows_of_file);
        most = fmax(most, (double)class_rows(t, file, 1) / (double)rows_of_file);
    }
    CHECK_EQ(counted, t->n_rows);
    CHECK(least < 0.36 && most > 0.42); /* ground */
    table_free(t);
    folder_remove(f);
}

static void every_format_holds_the_same_numbers(void **state)
{
    folder *f = folder_make(*state);
    qn_gen_options o = options_for(f, 9000);
    table *csv, *parquet;

    if (!has_parquet(*state)) {
        folder_remove(f);
        skip();
    }
    CHECK_OK(*state, generate(*state, "susy", &o, NULL));
    csv = read_table(f, "susy.csv");
    o.overwrite = true;
    o.format = QN_GEN_PARQUET;
    CHECK_OK(*state, generate(*state, "susy", &o, NULL));
    CHECK(!folder_has(f, "made/susy.csv"));
    parquet = read_table(f, "susy.parquet");
    CHECK_EQ(csv->n_rows, parquet->n_rows);
    CHECK_EQ(csv->n_values, parquet->n_values);
    CHECK(memcmp(csv->value, parquet->value, (size_t)(csv->n_rows * csv->n_values) * 8) == 0);
    table_free(csv);
    table_free(parquet);
    folder_remove(f);
}

/* 30,000 rows of blobs are eight chunks and more for any number of threads. */
static char *bytes_with(int32_t threads, const char *shape, const void *own, int64_t seed)
{
    qn_context *ctx = NULL;
    qn_gen_options o;
    char name[64], *text, *copy;
    folder *f;

    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = threads}, &ctx), QN_OK);
    f = folder_make(ctx);
    o = options_for(f, 30000);
    o.seed = seed;
    CHECK_OK(ctx, generate(ctx, shape, &o, own));
    snprintf(name, sizeof name, "made/%s.csv", shape);
    text = folder_get(f, name);
    copy = strdup(text);
    qn_free(text);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return copy;
}

static void the_same_options_give_the_same_bytes_on_any_threads(void **state)
{
    const qn_gen_blobs_options blobs = blobs_of(4, 3);
    const qn_gen_regression_options regression = regression_of(5, 2);
    static const char *const shape[] = {"susy", "blobs", "linear", "logistic"};
    const void *own[] = {NULL, &blobs, &regression, &regression};

    (void)state;
    for (int i = 0; i < 4; i++) {
        char *one = bytes_with(1, shape[i], own[i], 7), *three = bytes_with(3, shape[i], own[i], 7);
        char *again = bytes_with(3, shape[i], own[i], 7),
             *other = bytes_with(1, shape[i], own[i], 8);

        CHECK_TEXT(one, three);
        CHECK_TEXT(three, again);
        CHECK(strcmp(one, other) != 0);
        free(one);
        free(three);
        free(again);
        free(other);
    }
}

/* Fewer rows are the first of more: a row depends on its number alone. */
static void a_longer_table_begins_with_the_shorter_one(void **state)
{
    const qn_gen_blobs_options own = blobs_of(3, 2);
    folder *f = folder_make(*state);
    qn_gen_options o = options_for(f, 10);
    char *few, *many;

    CHECK_OK(*state, generate(*state, "blobs", &o, &own));
    few = folder_get(f, "made/blobs.csv");
    o.rows = 9000;
    o.overwrite = true;
    CHECK_OK(*state, generate(*state, "blobs", &o, &own));
    many = folder_get(f, "made/blobs.csv");
    CHECK(strlen(few) > 100 && strncmp(few, many, strlen(few)) == 0);
    CHECK(strncmp(few, "label,f0,f1\n", 12) == 0);
    qn_free(few);
    qn_free(many);
    folder_remove(f);
}

static void numbers_are_rounded_to_millionths(void **state)
{
    (void)state;
    CHECK_EQ(qn_gen_millionths(0.1234564), 123456);
    CHECK_EQ(qn_gen_millionths(0.1234566), 123457);
    CHECK_EQ(qn_gen_millionths(-0.1234566), -123457);
    CHECK_EQ(qn_gen_millionths(-0.0000001), 0);
    CHECK_EQ(qn_gen_millionths(-3), -3000000);
    CHECK_EQ(qn_gen_millionths(1e300), 9000000000000000);
    CHECK_EQ(qn_gen_millionths(-1e300), -9000000000000000);
    CHECK(!signbit(qn_gen_round(-0.0000001)));
    CHECK(qn_gen_round(1e9 + 0.1234566) == 1000000000.123457);
    CHECK(!qn_generator_named("susi"));
}

static void what_cannot_be_is_refused_before_work(void **state)
{
    qn_context *ctx = *state;
    folder *f = folder_make(ctx);
    qn_gen_options o = options_for(f, 100);
    qn_gen_regression_options regression = regression_of(3, 4);
    qn_gen_blobs_options blobs = blobs_of(0, 2);
    qn_gen_fractal_options fractal;

    qn_params_init(&qn_gen_fractal_table, &fractal);
    CHECK_EQ(generate(ctx, "linear", &o, &regression), QN_EINVAL);
    CHECK_ERROR(ctx, "--nonzero 4");
    CHECK_EQ(generate(ctx, "blobs", &o, &blobs), QN_EINVAL);
    CHECK_ERROR(ctx, "--k");
    CHECK_EQ(generate(ctx, "fractal", &o, &fractal), QN_EINVAL);
    CHECK_ERROR(ctx, "at least 200");
    fractal.files = 3;
    o.rows = 99;
    CHECK_EQ(generate(ctx, "fractal", &o, &fractal), QN_EINVAL);
    CHECK_ERROR(ctx, "at least 100");
    o.format = QN_GEN_CSV;
    CHECK_EQ(generate(ctx, "fractal", &o, &fractal), QN_EINVAL);
    CHECK_ERROR(ctx, "--format parquet");
    o.out = NULL;
    CHECK_EQ(generate(ctx, "susy", &o, NULL), QN_EINVAL);
    CHECK_ERROR(ctx, "--out is missing");
    CHECK_EQ(folder_count(f), 0);
    folder_remove(f);
}

/* --out may name a folder with other things in it: they are never lost. */
static void only_generated_folders_are_replaced(void **state)
{
    const qn_gen_blobs_options own = blobs_of(2, 2);
    qn_context *ctx = *state;
    folder *f = folder_make(ctx);
    qn_gen_options o = options_for(f, 10);

    CHECK_OK(ctx, qn_make_dirs(ctx, o.out)); /* empty: filled */
    CHECK_OK(ctx, generate(ctx, "blobs", &o, &own));
    CHECK_EQ(generate(ctx, "blobs", &o, &own), QN_EEXISTS);
    CHECK_ERROR(ctx, "--overwrite");
    o.overwrite = true;
    CHECK_OK(ctx, generate(ctx, "blobs", &o, &own));
    folder_put(f, "made/notes.txt", "mine");
    CHECK_EQ(generate(ctx, "blobs", &o, &own), QN_EEXISTS);
    CHECK_ERROR(ctx, "notes.txt");
    folder_expect(f, "made/notes.txt", "mine");
    CHECK_OK(ctx, qn_make_dirs(ctx, folder_file(f, "real/train")));
    o.out = folder_file(f, "real"); /* looks generated, but has no truth */
    CHECK_EQ(generate(ctx, "blobs", &o, &own), QN_EEXISTS);
    CHECK_ERROR(ctx, "no truth.json");
    CHECK(folder_has(f, "real/train"));
    o.out = folder_file(f, "a/b/made/"); /* folders above are made */
    CHECK_OK(ctx, generate(ctx, "blobs", &o, &own));
    CHECK(folder_has(f, "a/b/made/truth.json"));
    CHECK_EQ(folder_count(f), 3);
    folder_remove(f);
}

/* What of each shape is run with planned failures: small, and 1 thread so that few chunks are. */
static void fail_in_turn(const char *shape, int32_t format, const void *own, int error_number)
{
    qn_context *ctx = NULL;
    qn_status st = QN_ENOMEM;

    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &ctx), QN_OK);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        folder *f = folder_make(ctx);
        qn_gen_options o = options_for(f, 120);

        o.format = format;
        if (error_number)
            qn_write_fail_after(ctx, allowed, error_number);
        else
            qn_alloc_fail_after(ctx, allowed);
        st = generate(ctx, shape, &o, own);
        qn_alloc_fail_after(ctx, QN_NEVER);
        qn_write_fail_after(ctx, INT64_MAX, 0);
        if (st != QN_OK && st != (error_number ? QN_EIO : QN_ENOMEM))
            print_error("%s, %lld allowed: %s\n", shape, (long long)allowed, qn_context_error(ctx));
        CHECK(st == QN_OK || st == (error_number ? QN_EIO : QN_ENOMEM));
        CHECK_EQ(folder_count(f), st == QN_OK);
        folder_remove(f);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        CHECK(allowed < 1000);
    }
    qn_context_free(ctx);
}

static void every_failed_allocation_and_write_leaves_nothing(void **state)
{
    enum { NO_SPACE = 28, IO_ERROR = 5 };
    static const int error_number[] = {0, NO_SPACE, IO_ERROR};
    const qn_gen_blobs_options blobs = blobs_of(2, 2);
    const qn_gen_regression_options regression = regression_of(3, 2);
    const qn_gen_fractal_options fractal = {.files = 2, .drift = 0.25};

    for (int i = 0; i < 3; i++) {
        fail_in_turn("blobs", QN_GEN_CSV, &blobs, error_number[i]);
        fail_in_turn("linear", QN_GEN_CSV, &regression, error_number[i]);
        if (i == 0)
            fail_in_turn("susy", QN_GEN_CSV, NULL, 0);
        if (has_parquet(*state))
            fail_in_turn("fractal", QN_GEN_PARQUET, &fractal, error_number[i]);
    }
}

static void cancel_at_rows(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_PROGRESS && event->rows > 0)
        qn_context_cancel(user, 2);
}

static void a_cancelled_table_leaves_nothing(void **state)
{
    const qn_gen_blobs_options own = blobs_of(2, 2);
    qn_context *ctx = NULL;
    qn_gen_options o;
    folder *f;

    (void)state;
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 2}, &ctx), QN_OK);
    CHECK_EQ(qn_context_add_sink(ctx, cancel_at_rows, ctx), QN_OK);
    f = folder_make(ctx);
    o = options_for(f, 1000000);
    CHECK_EQ(generate(ctx, "blobs", &o, &own), QN_ECANCELLED);
    CHECK_EQ(folder_count(f), 0);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static int set_up(void **state)
{
    qn_context *ctx = NULL;
    const qn_status st = qn_context_create(&(qn_context_options){.threads = 2}, &ctx);

    *state = ctx;
    return st == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(susy_has_its_share_of_signal_and_standard_features),
        cmocka_unit_test(the_classes_of_susy_differ_in_their_features),
        cmocka_unit_test(blobs_lie_round_their_planted_centres),
        cmocka_unit_test(a_linear_label_is_the_planted_function_and_noise),
        cmocka_unit_test(a_logistic_label_follows_the_planted_odds),
        cmocka_unit_test(fractal_has_its_classes_colours_and_drift),
        cmocka_unit_test(every_format_holds_the_same_numbers),
        cmocka_unit_test(the_same_options_give_the_same_bytes_on_any_threads),
        cmocka_unit_test(a_longer_table_begins_with_the_shorter_one),
        cmocka_unit_test(numbers_are_rounded_to_millionths),
        cmocka_unit_test(what_cannot_be_is_refused_before_work),
        cmocka_unit_test(only_generated_folders_are_replaced),
        cmocka_unit_test(every_failed_allocation_and_write_leaves_nothing),
        cmocka_unit_test(a_cancelled_table_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
