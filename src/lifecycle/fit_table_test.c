/* The jobs on tables with an algorithm of a few lines, which nothing but this file knows: that is
 * the proof that they know none by name. "means" learns the mean of every feature; it predicts the
 * feature farthest from its mean (int), how far all are together (double), and each (list). */
#include "folder.h"

#include <jansson.h>
#include <math.h>

#include "kernels/kernels.h"
#include "lifecycle/evaluate.h"
#include "lifecycle/fit_table.h"
#include "lifecycle/inspect.h"
#include "lifecycle/predict.h"
#include "ml/model_dir.h"
#include "run/record.h"

#define MEANS_CLASS "org.example.MeansModel"

/* -- the algorithm ----------------------------------------------------------------------------- */

typedef struct means_params {
    double shift; /* added to every mean */
} means_params;

static const qn_param means_rows[] = {
    QN_PARAM(means_params, shift, 0, -1e6, 1e6, "added to every mean"),
};
static const qn_params means_table = {"means", means_rows, 1, sizeof(means_params)};

typedef struct means_model {
    qn_model base;
    means_params params;
    double *mean;
} means_model;

static const qn_algo means_algo; /* below */

static void means_free(qn_model *model)
{
    if (!model)
        return;
    qn_model_base_release(model);
    qn_free(((means_model *)model)->mean);
    qn_free(model);
}

static qn_status means_fit(qn_context *ctx, const void *params, const qn_matrix *data,
                           qn_model **out)
{
    const qn_span span = qn_job_start(ctx, "fit");
    means_model *m = NULL;
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, m, 1, "a model");
    m->base.algo = &means_algo;
    m->base.n_features = data->n_features;
    m->base.data_fingerprint = data->fingerprint;
    m->params = *(const means_params *)params;
    snprintf(m->base.prediction_col, sizeof m->base.prediction_col, "prediction");
    QN_TRY(qn_features_copy(ctx, &data->features, &m->base.features));
    QN_NEW(ctx, m->mean, data->n_features, "means");
    for (int32_t f = 0; f < data->n_features; f++)
        m->mean[f] = data->mean[f] + m->params.shift;
    QN_TRY(qn_check_cancel(ctx));
    *out = &m->base;
    m = NULL;
done:
    means_free(m ? &m->base : NULL);
    qn_span_end(ctx, &span, st, NULL);
    return st;
}

static void means_digest(const qn_model *model, char digest[33])
{
    double sum = 0;

    for (int32_t f = 0; f < model->n_features; f++)
        sum += ((const means_model *)model)->mean[f] * (f + 1);
    snprintf(digest, 33, "%032llx", (unsigned long long)(int64_t)(sum * 1e6));
}

static qn_status means_save(qn_context *ctx, const qn_model *model, const char *path,
                            bool overwrite, const char *record)
{
    const qn_spark_metadata metadata = {.class_name = MEANS_CLASS, .uid = "means_0"};
    qn_out_dir dir = {0};
    char digest[33];
    qn_json j = {0};
    qn_status st = QN_OK;

    means_digest(model, digest);
    QN_TRY(qn_model_dir_open(ctx, path, overwrite, &dir));
    QN_TRY(qn_model_dir_metadata(ctx, &dir, &metadata));
    qn_model_note(model, digest, record, &j);
    qn_json_open(&j, "means", '[');
    for (int32_t f = 0; f < model->n_features; f++)
        qn_json_real(&j, NULL, ((const means_model *)model)->mean[f]);
    qn_json_close(&j, ']');
    qn_json_close(&j, '}');
    QN_TRY(qn_model_dir_commit(ctx, &dir, qn_string_text(&j.out)));
done:
    qn_out_dir_abandon(&dir);
    qn_json_release(&j);
    return st;
}

static qn_status means_load(qn_context *ctx, const char *path, qn_model **out)
{
    qn_model_files files = {0};
    means_model *m = NULL;
    const json_t *mean;
    qn_status st = QN_OK;

    *out = NULL;
    QN_TRY(qn_model_files_open(ctx, path, MEANS_CLASS, &files));
    QN_NEW0(ctx, m, 1, "a model");
    m->base.algo = &means_algo;
    mean = json_object_get(files.quern, "means");
    m->base.n_features = (int32_t)json_array_size(mean);
    QN_TRY(qn_model_note_read(ctx, &files, &m->base));
    QN_NEW(ctx, m->mean, m->base.n_features, "means");
    for (int32_t f = 0; f < m->base.n_features; f++)
        m->mean[f] = json_number_value(json_array_get(mean, (size_t)f));
    *out = &m->base;
    m = NULL;
done:
    qn_model_files_release(&files);
    means_free(m ? &m->base : NULL);
    return st;
}

/* As of a model that Spark has written: the names of the features are not known. */
static qn_status means_load_nameless(qn_context *ctx, const char *path, qn_model **out)
{
    const qn_status st = means_load(ctx, path, out);

    if (st == QN_OK)
        qn_features_release(&(*out)->features);
    return st;
}

static int32_t means_outputs(const qn_model *model, qn_output output[QN_MAX_OUTPUTS])
{
    output[0] = (qn_output){model->prediction_col, QN_INT32, 1};
    output[1] = (qn_output){"distance", QN_DOUBLE, 1};
    return 2;
}

/* With a third column, which only some formats can hold. */
static int32_t means_outputs_list(const qn_model *model, qn_output output[QN_MAX_OUTPUTS])
{
    output[2] = (qn_output){"differences", QN_DOUBLE_LIST, model->n_features};
    return means_outputs(model, output) + 1;
}

static qn_status means_predict(qn_context *ctx, const qn_model *model, int64_t n_rows,
                               const double *x, void *const *values)
{
    const int32_t d = model->n_features;
    const double *mean = ((const means_model *)model)->mean;
    double *list = values[2];

    for (int64_t r = 0; r < n_rows; r++) {
        double sum = 0, most = -1;
        int32_t farthest = 0;

        for (int32_t f = 0; f < d; f++) {
            const double value = x[((r / QN_PANEL) * d + f) * QN_PANEL + r % QN_PANEL];
            const double far = isnan(value) ? 0 : fabs(value - mean[f]);

            sum += far;
            farthest = far > most ? f : farthest;
            most = far > most ? far : most;
            if (list)
                list[r * d + f] = value - mean[f];
        }
        ((int32_t *)values[0])[r] = farthest;
        ((double *)values[1])[r] = sum;
    }
    return qn_check_cancel(ctx);
}

static qn_status means_evaluate(qn_context *ctx, const qn_model *model, const qn_matrix *data,
                                qn_json *j)
{
    double drift = 0;

    for (int32_t f = 0; f < model->n_features; f++)
        drift += fabs(((const means_model *)model)->mean[f] - data->mean[f]);
    qn_json_int(j, "rows", data->n_rows);
    qn_json_real(j, "drift", drift);
    qn_emit_metric(ctx, "drift", drift, NULL);
    return QN_OK;
}

static void means_describe(const qn_model *model, bool all, qn_json *j)
{
    qn_json_open(j, "mean", '[');
    for (int32_t f = 0; all && f < model->n_features; f++)
        qn_json_real(j, NULL, ((const means_model *)model)->mean[f]);
    qn_json_close(j, ']');
}

static void means_summary(qn_context *ctx, const qn_model *model, qn_json *j)
{
    qn_json_real(j, "first_mean", ((const means_model *)model)->mean[0]);
    qn_emit_metric(ctx, "first_mean", ((const means_model *)model)->mean[0], NULL);
}

static const void *means_params_of(const qn_model *model)
{
    return &((const means_model *)model)->params;
}

/* Doubts a mean below zero. */
static bool means_doubts(const qn_model *model, char *out, size_t size)
{
    for (int32_t f = 0; f < model->n_features; f++)
        if (((const means_model *)model)->mean[f] < 0) {
            snprintf(out, size, "the mean of feature %d is below zero", (int)f);
            return true;
        }
    return false;
}

static const qn_table_ops means_ops = {
    .fit = means_fit,
    .free = means_free,
    .save = means_save,
    .load = means_load,
    .digest = means_digest,
    .outputs = means_outputs,
    .predict = means_predict,
    .evaluate = means_evaluate,
    .describe = means_describe,
    .summary = means_summary,
    .params = means_params_of,
    .doubts = means_doubts,
};
static const qn_algo means_algo = {.name = "means",
                                   .title = "means of columns",
                                   .spark_class = MEANS_CLASS,
                                   .params = &means_table,
                                   .table = &means_ops};

/* -- the jobs ---------------------------------------------------------------------------------- */

/* Means: a 3, b 20, a/b of the three whole rows. */
static const char train_csv[] = "a,b,kind\n1,10,0\n3,20,1\n5,30,1\n";

typedef struct jobs {
    folder *f;
    qn_context *ctx;
    qn_algo algo;
    qn_table_ops ops;
    const char *input, *model;
    char model_path[128], train_path[128];
    qn_fit_table_options fit;
    qn_matrix_options matrix;
    means_params params;
    qn_fit_table_result fitted;
    qn_predict_options predict;
    qn_evaluate_options evaluate;
    qn_columns_options columns;
    qn_scoring_options scoring;
    qn_ranking_options ranking;
    qn_predict_result predicted;
    qn_evaluate_result evaluated;
} jobs;

static void jobs_open(jobs *w, qn_context *ctx, const char *text)
{
    memset(w, 0, sizeof *w);
    w->ctx = ctx;
    w->f = folder_make(ctx);
    w->ops = means_ops;
    w->algo = means_algo;
    w->algo.table = &w->ops;
    qn_params_init(&qn_fit_table_table, &w->fit);
    qn_params_init(&qn_matrix_table, &w->matrix);
    qn_params_init(&qn_predict_table, &w->predict);
    qn_params_init(&qn_evaluate_table, &w->evaluate);
    qn_params_init(&qn_columns_table, &w->columns);
    qn_params_init(&qn_scoring_table, &w->scoring);
    qn_params_init(&qn_ranking_table, &w->ranking);
    snprintf(w->model_path, sizeof w->model_path, "%s/model", w->f->path);
    w->model = w->predict.model = w->evaluate.model = w->model_path;
    w->fit.overwrite = w->predict.overwrite = true;
    w->matrix.label = "kind";
    snprintf(w->train_path, sizeof w->train_path, "%s", folder_put(w->f, "train.csv", text));
    w->input = w->train_path;
    w->matrix.input = (qn_text_list){&w->input, 1};
}

static void jobs_close(jobs *w)
{
    qn_fit_table_result_release(&w->fitted);
    qn_evaluate_result_release(&w->evaluated);
    folder_remove(w->f);
    CHECK_EQ(qn_alloc_live(w->ctx), 0);
}

static qn_status fit(jobs *w)
{
    qn_fit_table_result_release(&w->fitted);
    return qn_fit_table_run(w->ctx, &w->algo, &w->fit, &w->matrix, &w->params, &w->fitted);
}

/* Fits and saves; skips the test where models cannot be saved. */
static void fit_and_save(jobs *w)
{
    qn_status st;

    w->fit.model = w->model;
    st = fit(w);
    if (st == QN_EUNAVAILABLE) {
        print_message("skipped: %s\n", qn_context_error(w->ctx));
        jobs_close(w);
        skip();
    }
    CHECK_OK(w->ctx, st);
}

static qn_status predict(jobs *w, const char *text, const char *out)
{
    w->input = folder_put(w->f, "rows.csv", text);
    w->predict.input = (qn_text_list){&w->input, 1};
    w->predict.output = folder_file(w->f, out);
    return qn_predict_with(w->ctx, &w->algo, &w->predict, &w->columns, &w->scoring, &w->predicted);
}

static qn_status evaluate(jobs *w)
{
    qn_evaluate_result_release(&w->evaluated);
    w->evaluate.input = (qn_text_list){&w->input, 1};
    return qn_evaluate_on_table(w->ctx, &w->algo, &w->evaluate, &w->columns, &w->ranking,
                                &w->scoring, &w->evaluated);
}

static void a_fit_tells_of_its_data_and_keeps_the_model(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    CHECK_EQ(w.fitted.counts.rows_read, 3);
    CHECK_EQ(w.fitted.n_rows, 3);
    CHECK_EQ(w.fitted.n_features, 2);
    CHECK_EQ(w.fitted.n_labels, 2);
    CHECK_EQ(w.fitted.label_count[1], 2);
    CHECK_EQ(w.fitted.n_partitions, 1);
    CHECK_EQ(w.fitted.partition_rows[0], 3);
    CHECK_TEXT(w.fitted.features.feature[1].name, "b");
    CHECK_TEXT(qn_string_text(&w.fitted.summary.out), "{\"first_mean\":3.0}");
    CHECK(folder_has(w.f, "model/quern.json"));
    jobs_close(&w);
}

static void rows_keep_their_order_columns_and_line(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    CHECK_OK(*state, predict(&w, "b,note,a\n20,x,4\n,\"y, z\",3\n050,,3\nten,w,3\n20,v\n25,u,3\n",
                             "out.csv"));
    folder_expect(w.f, "out.csv",
                  "b,note,a,prediction,distance\n20,x,4,0,1\n,\"y, z\",3,,\n050,,3,1,30\n"
                  "ten,w,3,,\n25,u,3,1,5\n");
    CHECK_EQ(w.predicted.rows_read, 5);
    CHECK_EQ(w.predicted.rows_written, 5);
    CHECK_EQ(w.predicted.rows_missing, 2);
    CHECK_EQ(w.predicted.rows_bad, 1);
    CHECK(strstr(w.predicted.first_missing, "rows.csv, line 3") != NULL);
    jobs_close(&w);
}

static void lists_are_written_where_the_format_holds_them(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.ops.outputs = means_outputs_list;
    CHECK_OK(*state, predict(&w, "a,b\n4,20\n,1\n3,18\n", "out.jsonl"));
    folder_expect(w.f, "out.jsonl",
                  "{\"a\":4,\"b\":20,\"prediction\":0,\"distance\":1.0,\"differences\":[1.0,0.0]}\n"
                  "{\"a\":null,\"b\":1,\"prediction\":null,\"distance\":null,"
                  "\"differences\":null}\n"
                  "{\"a\":3,\"b\":18,\"prediction\":1,\"distance\":2.0,"
                  "\"differences\":[0.0,-2.0]}\n");
    jobs_close(&w);
}

static int32_t means_outputs_list_first(const qn_model *model, qn_output output[QN_MAX_OUTPUTS])
{
    means_outputs_list(model, output);
    output[1] = output[2];
    output[2] = (qn_output){"distance", QN_DOUBLE, 1};
    return 3;
}

static qn_status means_predict_list_first(qn_context *ctx, const qn_model *model, int64_t n_rows,
                                          const double *x, void *const *values)
{
    void *const order[] = {values[0], values[2], values[1]};

    return means_predict(ctx, model, n_rows, x, order);
}

static void delimited_text_goes_without_the_models_lists(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.ops.outputs = means_outputs_list_first;
    w.ops.predict = means_predict_list_first;
    CHECK_OK(*state, predict(&w, "a,b\n4,20\n,1\n", "out.csv"));
    folder_expect(w.f, "out.csv", "a,b,prediction,distance\n4,20,0,1\n,1,,\n");
    jobs_close(&w);
}

static bool shift_keeps_missing(const void *params)
{
    return ((const means_params *)params)->shift != 0;
}

static void parameters_may_ask_for_missing_values(void **state)
{
    jobs w;

    jobs_open(&w, *state, "a,b,kind\n1,10,0\n3,,1\n5,30,1\n");
    w.ops.takes_missing = true;
    w.ops.keeps_missing = shift_keeps_missing;
    w.matrix.on_missing = QN_MISSING_KEEP;
    CHECK_EQ(fit(&w), QN_EINVAL);
    CHECK_ERROR(*state, "cannot use missing values unless its own options ask for them");
    w.matrix.on_missing = QN_MISSING_FAIL;
    CHECK_EQ(fit(&w), QN_EDATA);
    w.params.shift = 1;
    CHECK_OK(*state, fit(&w));
    CHECK_EQ(w.fitted.n_rows, 3);
    w.matrix.on_missing = QN_MISSING_SKIP;
    CHECK_OK(*state, fit(&w));
    CHECK_EQ(w.fitted.n_rows, 2);
    jobs_close(&w);
}

static void a_model_takes_the_raw_columns_of_its_expressions(void **state)
{
    const char *features = "a", *expression = "ratio=b/(a-1)";
    jobs w;

    jobs_open(&w, *state, train_csv);
    w.matrix.features = (qn_text_list){&features, 1};
    w.matrix.feature = (qn_text_list){&expression, 1};
    w.matrix.on_missing = QN_MISSING_SKIP;
    fit_and_save(&w);
    CHECK_EQ(w.fitted.counts.rows_missing, 1); /* 10/0 */
    CHECK_EQ(w.fitted.n_rows, 2);
    /* Means: a 4, ratio (20/2 + 30/4)/2 = 8.75. */
    CHECK_OK(*state, predict(&w, "a,b\n4,30\n1,5\n", "out.csv"));
    folder_expect(w.f, "out.csv", "a,b,prediction,distance\n4,30,1,1.25\n1,5,,\n");
    CHECK_EQ(predict(&w, "a,bb\n4,30\n", "other.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "b");
    CHECK(!folder_has(w.f, "other.csv"));
    jobs_close(&w);
}

static void a_missing_value_may_end_the_job_or_be_seen(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.scoring.on_missing = QN_MISSING_FAIL;
    CHECK_EQ(predict(&w, "a,b\n1,2\n,2\n", "out.csv"), QN_EDATA);
    CHECK_ERROR(*state, "rows.csv, line 3");
    CHECK(!folder_has(w.f, "out.csv"));
    w.scoring.on_missing = QN_MISSING_KEEP;
    CHECK_EQ(predict(&w, "a,b\n1,2\n,2\n", "out.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "means");
    w.ops.takes_missing = true;
    CHECK_OK(*state, predict(&w, "a,b\n1,2\n,2\n", "out.csv"));
    folder_expect(w.f, "out.csv", "a,b,prediction,distance\n1,2,1,20\n,2,1,18\n");
    CHECK_EQ(w.predicted.rows_missing, 0);
    jobs_close(&w);
}

static void names_of_new_columns_must_be_free(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    CHECK_EQ(predict(&w, "a,b,prediction\n1,2,3\n", "out.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "--prediction-col");
    CHECK_EQ(predict(&w, "a,b,distance\n1,2,3\n", "out.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "distance");
    w.predict.prediction_col = "distance";
    CHECK_EQ(predict(&w, "a,b\n1,2\n", "out.csv"), QN_EINVAL);
    w.predict.prediction_col = "farthest";
    CHECK_OK(*state, predict(&w, "a,b,prediction\n3,21,9\n", "out.csv"));
    folder_expect(w.f, "out.csv", "a,b,prediction,farthest,distance\n3,21,9,1,1\n");
    jobs_close(&w);
}

static void strict_refuses_what_the_algorithm_doubts(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    w.params.shift = -10;
    w.fit.strict = true;
    w.fit.model = w.model;
    if (fit(&w) == QN_EUNAVAILABLE) {
        jobs_close(&w);
        skip();
    }
    CHECK_ERROR(*state, "the mean of feature 0 is below zero");
    CHECK_EQ(folder_count(w.f), 1);
    w.fit.strict = false;
    CHECK_OK(*state, fit(&w));
    CHECK_EQ(folder_count(w.f), 2);
    jobs_close(&w);
}

static void what_is_wrong_is_said_before_work(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.fit.overwrite = false;
    w.input = "nowhere.csv";
    CHECK_EQ(fit(&w), QN_EEXISTS);
    w.fit.overwrite = true;
    CHECK_EQ(fit(&w), QN_ENOTFOUND);
    w.input = w.train_path;
    w.matrix.label = NULL;
    w.ops.needs_label = true;
    CHECK_EQ(fit(&w), QN_EINVAL);
    CHECK_ERROR(*state, "--label");
    w.matrix.on_missing = QN_MISSING_KEEP;
    w.ops.needs_label = false;
    CHECK_EQ(fit(&w), QN_EINVAL);
    CHECK_ERROR(*state, "--on-missing keep");
    w.params.shift = 1e9;
    w.matrix.on_missing = QN_MISSING_FAIL;
    CHECK_EQ(fit(&w), QN_EINVAL);
    CHECK_ERROR(*state, "shift");
    CHECK(folder_has(w.f, "model/quern.json"));
    jobs_close(&w);
}

static void test_files_are_judged_by_the_same_features(void **state)
{
    const char *test;
    jobs w;

    jobs_open(&w, *state, train_csv);
    test = folder_put(w.f, "test.csv", "kind,b,a\n1,22,3\n0,22,3\n");
    w.fit.test = (qn_text_list){&test, 1};
    CHECK_OK(*state, fit(&w));
    CHECK_EQ(w.fitted.test_records, 2);
    CHECK_TEXT(qn_string_text(&w.fitted.evaluation.out), "{\"rows\":2,\"drift\":2.0}");
    jobs_close(&w);
}

static void val_files_are_judged_beside_the_test_files(void **state)
{
    const char *val, *test;
    jobs w;

    jobs_open(&w, *state, train_csv);
    val = folder_put(w.f, "val.csv", "a,b,kind\n3,20,0\n3,20,0\n");
    test = folder_put(w.f, "test.csv", "kind,b,a\n1,22,3\n");
    w.fit.val = (qn_text_list){&val, 1};
    CHECK_OK(*state, fit(&w));
    CHECK_EQ(w.fitted.val_records, 2);
    CHECK_EQ(w.fitted.evaluation.out.length, 0);
    w.fit.test = (qn_text_list){&test, 1};
    CHECK_OK(*state, fit(&w));
    CHECK_EQ(w.fitted.val_records, 2);
    CHECK_EQ(w.fitted.test_records, 1);
    CHECK_TEXT(qn_string_text(&w.fitted.validation.out), "{\"rows\":2,\"drift\":0.0}");
    CHECK_TEXT(qn_string_text(&w.fitted.evaluation.out), "{\"rows\":1,\"drift\":2.0}");
    jobs_close(&w);
}

static double number_at(const json_t *record, const char *section, const char *name)
{
    const json_t *value = json_object_get(json_object_get(record, section), name);

    if (!json_is_number(value))
        print_error("no number %s.%s\n", section, name);
    CHECK(json_is_number(value));
    return json_number_value(value);
}

static void the_record_holds_the_data_and_the_figures(void **state)
{
    const qn_record_options options = {.prefix = "means", .command = "fit means"};
    qn_record *record = NULL;
    qn_string text = {0};
    const char *test;
    json_t *root;
    qn_context *ctx = NULL;
    jobs w;

    (void)state;
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 2}, &ctx), QN_OK);
    jobs_open(&w, ctx, train_csv);
    test = folder_put(w.f, "test.csv", "kind,b,a\n1,22,3\n");
    w.fit.test = (qn_text_list){&test, 1};
    w.fit.tag = "night";
    CHECK_OK(ctx, qn_record_open(ctx, &options, &record));
    CHECK_OK(ctx, fit(&w));
    CHECK_OK(ctx, qn_record_close(ctx, record, QN_OK, 0));
    CHECK_OK(ctx, qn_record_json(ctx, record, &text));
    root = json_loads(qn_string_text(&text), 0, NULL);
    CHECK_NEAR(number_at(root, "counts", "train_records"), 3, 0);
    CHECK_NEAR(number_at(root, "counts", "test_records"), 1, 0);
    CHECK_NEAR(number_at(root, "counts", "features"), 2, 0);
    CHECK_NEAR(number_at(root, "counts", "partitions"), 1, 0);
    CHECK(number_at(root, "timings", "load_s") > 0);
    CHECK_NEAR(number_at(root, "metrics", "first_mean"), 3, 0);
    CHECK_NEAR(number_at(json_object_get(root, "metrics"), "test", "drift"), 2, 0);
    CHECK_EQ(json_array_size(json_object_get(json_object_get(root, "data"), "features")), 2);
    CHECK_EQ(json_array_size(json_object_get(json_object_get(root, "counts"), "label_counts")), 2);
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(root, "facts"), "tag")), "night");
    CHECK_TEXT(json_string_value(json_object_get(root, "model_digest")), w.fitted.digest);
    json_decref(root);
    qn_string_release(&text);
    qn_fit_table_result_release(&w.fitted);
    folder_remove(w.f);
    qn_record_free(record);
    qn_context_free(ctx);
}

static void evaluating_reads_the_features_of_the_model(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.input = folder_put(w.f, "test.csv", "b,x,a\n20,7,4\n20,8,4\n20,9,\n");
    CHECK_OK(*state, evaluate(&w));
    CHECK_TEXT(qn_string_text(&w.evaluated.figures.out), "{\"rows\":2,\"drift\":1.0}");
    CHECK_EQ(w.evaluated.n_rows, 2);
    CHECK_EQ(w.evaluated.table_counts.rows_missing, 1);
    CHECK_TEXT(w.evaluated.digest, w.fitted.digest);
    w.input = folder_put(w.f, "other.csv", "b,x,c\n20,7,4\n");
    CHECK(evaluate(&w) != QN_OK);
    CHECK_ERROR(*state, "a");
    jobs_close(&w);
}

static void a_model_without_names_takes_columns_in_order(void **state)
{
    const char *columns[] = {"b", "a"};
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.ops.load = means_load_nameless;
    CHECK_OK(*state, predict(&w, "x,y\n4,20\n", "out.csv"));
    folder_expect(w.f, "out.csv", "x,y,prediction,distance\n4,20,0,1\n");
    CHECK_EQ(predict(&w, "x,y,z\n4,20,1\n", "other.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "has 2 features, the input gives 3 (x, y, z)");
    w.scoring.features = (qn_text_list){columns, 2};
    CHECK_OK(*state, predict(&w, "a,c,b\n20,1,4\n", "other.csv"));
    folder_expect(w.f, "other.csv", "a,c,b,prediction,distance\n20,1,4,0,1\n");
    w.ops.load = means_load;
    CHECK_EQ(predict(&w, "a,b\n1,2\n", "third.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "--features");
    jobs_close(&w);
}

static void options_of_other_kinds_are_refused(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.columns.user_col = "a";
    CHECK_EQ(predict(&w, "a,b\n1,2\n", "out.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "--user-col means nothing for a model of means");
    CHECK_EQ(evaluate(&w), QN_EINVAL);
    CHECK_ERROR(*state, "--user-col");
    w.columns.user_col = NULL;
    w.predict.cold = 1;
    CHECK_EQ(predict(&w, "a,b\n1,2\n", "out.csv"), QN_EINVAL);
    CHECK_ERROR(*state, "--cold");
    w.ranking.k = 5;
    CHECK_EQ(evaluate(&w), QN_EINVAL);
    CHECK_ERROR(*state, "-k");
    w.ranking.k = 10;
    w.evaluate.seen = (qn_text_list){&w.input, 1};
    CHECK_EQ(evaluate(&w), QN_EINVAL);
    CHECK_ERROR(*state, "--seen");
    jobs_close(&w);
}

static void a_class_that_is_not_known_is_named(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    w.predict.input = (qn_text_list){&w.input, 1};
    CHECK_EQ(qn_predict_run(*state, &w.predict, &w.columns, &w.scoring, &w.predicted), QN_EDATA);
    CHECK_ERROR(*state, "MeansModel");
    jobs_close(&w);
}

static void inspecting_gives_every_number(void **state)
{
    qn_inspect_result result = {0};
    qn_json j = {0};
    json_t *root;
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    CHECK_OK(*state, qn_inspect_table_model(*state, &w.algo, w.model, &result));
    qn_json_open(&j, NULL, '{');
    qn_inspect_json(&result, &j);
    qn_json_close(&j, '}');
    root = json_loads(qn_string_text(&j.out), 0, NULL);
    CHECK(json_is_object(root));
    CHECK_TEXT(json_string_value(json_object_get(root, "algorithm")), "means");
    CHECK_TEXT(json_string_value(json_object_get(root, "model_digest")), w.fitted.digest);
    CHECK_NEAR(json_number_value(json_array_get(json_object_get(root, "mean"), 1)), 20, 0);
    CHECK_NEAR(json_number_value(json_object_get(json_object_get(root, "parameters"), "shift")), 0,
               0);
    CHECK(json_is_object(json_object_get(root, "quern")));
    json_decref(root);
    qn_json_release(&j);
    qn_inspect_result_release(&result);
    jobs_close(&w);
}

/* Runs a step with one more allocation (or write) allowed each time until it succeeds. */
typedef qn_status a_step(jobs *w);

static qn_status step_fit(jobs *w)
{
    w->fit.model = w->model;
    return fit(w);
}

static qn_status step_predict(jobs *w)
{
    return predict(w, "a,b\n1,2\n,3\n4,5\n", "out.csv");
}

static void fail_in_turn(jobs *w, a_step *step, bool writes, int64_t files_before)
{
    qn_status st = QN_EIO;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        if (writes)
            qn_write_fail_after(w->ctx, allowed, 28 /* ENOSPC */);
        else
            qn_alloc_fail_after(w->ctx, allowed);
        st = step(w);
        qn_write_fail_after(w->ctx, INT64_MAX, 0);
        qn_alloc_fail_after(w->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == (writes ? QN_EIO : QN_ENOMEM));
        qn_fit_table_result_release(&w->fitted);
        qn_evaluate_result_release(&w->evaluated);
        if (files_before >= 0)
            CHECK_EQ(folder_count(w->f), files_before + (st == QN_OK));
        CHECK_EQ(qn_alloc_live(w->ctx), 0);
        CHECK(allowed < 5000);
    }
}

static void every_failed_allocation_leaves_nothing(void **state)
{
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    fail_in_turn(&w, step_fit, false, -1);
    folder_put(w.f, "rows.csv", "");
    fail_in_turn(&w, step_predict, false, 3);
    w.input = folder_put(w.f, "test.csv", "a,b\n1,2\n2,3\n");
    fail_in_turn(&w, evaluate, false, -1);
    jobs_close(&w);
}

static void a_full_disk_leaves_the_old_model_and_no_output(void **state)
{
    char *before, *after;
    jobs w;

    jobs_open(&w, *state, train_csv);
    fit_and_save(&w);
    before = folder_get(w.f, "model/quern.json");
    w.params.shift = 1;
    for (int64_t allowed = 0;; allowed++) {
        qn_status st;

        qn_write_fail_after(w.ctx, allowed, 28);
        st = step_fit(&w);
        qn_write_fail_after(w.ctx, INT64_MAX, 0);
        if (st == QN_OK)
            break;
        CHECK_EQ(st, QN_EIO);
        after = folder_get(w.f, "model/quern.json");
        CHECK_TEXT(after, before);
        qn_free(after);
        CHECK(allowed < 500);
    }
    qn_free(before);
    folder_put(w.f, "rows.csv", "");
    fail_in_turn(&w, step_predict, true, 3);
    jobs_close(&w);
}

static void cancel_from_job(void *user, const qn_event *event)
{
    qn_context **ctx = user;

    if (*ctx && event->kind == QN_EVENT_JOB_START)
        qn_context_cancel(*ctx, 2);
}

static void a_cancelled_job_leaves_nothing(void **state)
{
    qn_context *ctx = NULL, *armed;
    jobs w;

    (void)state;
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 2}, &ctx), QN_OK);
    armed = NULL;
    CHECK_OK(ctx, qn_context_add_sink(ctx, cancel_from_job, &armed));
    jobs_open(&w, ctx, train_csv);
    armed = ctx;
    CHECK_EQ(fit(&w), QN_ECANCELLED);
    CHECK_EQ(folder_count(w.f), 1);
    qn_fit_table_result_release(&w.fitted);
    folder_remove(w.f);
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
        cmocka_unit_test(a_fit_tells_of_its_data_and_keeps_the_model),
        cmocka_unit_test(rows_keep_their_order_columns_and_line),
        cmocka_unit_test(lists_are_written_where_the_format_holds_them),
        cmocka_unit_test(delimited_text_goes_without_the_models_lists),
        cmocka_unit_test(parameters_may_ask_for_missing_values),
        cmocka_unit_test(a_model_takes_the_raw_columns_of_its_expressions),
        cmocka_unit_test(a_missing_value_may_end_the_job_or_be_seen),
        cmocka_unit_test(names_of_new_columns_must_be_free),
        cmocka_unit_test(strict_refuses_what_the_algorithm_doubts),
        cmocka_unit_test(what_is_wrong_is_said_before_work),
        cmocka_unit_test(test_files_are_judged_by_the_same_features),
        cmocka_unit_test(val_files_are_judged_beside_the_test_files),
        cmocka_unit_test(the_record_holds_the_data_and_the_figures),
        cmocka_unit_test(evaluating_reads_the_features_of_the_model),
        cmocka_unit_test(a_model_without_names_takes_columns_in_order),
        cmocka_unit_test(options_of_other_kinds_are_refused),
        cmocka_unit_test(a_class_that_is_not_known_is_named),
        cmocka_unit_test(inspecting_gives_every_number),
        cmocka_unit_test(every_failed_allocation_leaves_nothing),
        cmocka_unit_test(a_full_disk_leaves_the_old_model_and_no_output),
        cmocka_unit_test(a_cancelled_job_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
