#include "lifecycle/etl.h"

#include <string.h>
#include <sys/stat.h>

#include "base/context.h"

static const qn_param etl_rows[] = {
    QN_PARAM_STRING(qn_etl_options, train_file, NULL, "FILE", "ratings for training",
                    .required = true),
    QN_PARAM_STRING(qn_etl_options, test_file, NULL, "FILE", "ratings for testing",
                    .required = true),
    QN_PARAM_STRING(qn_etl_options, parquet_train_path, NULL, "DIR",
                    "data set of training ratings, made or updated", .required = true),
    QN_PARAM_STRING(qn_etl_options, parquet_test_path, NULL, "DIR",
                    "data set of test ratings, made or updated", .required = true),
    QN_PARAM_CHOICE_OF(qn_etl_options, format, QN_FORMAT_NETFLIX, QN_FORMAT_CHOICES,
                       "format of the files: netflix is lines \"movie:\" with customer,rating,date "
                       "below"),
    QN_PARAM_STRING(qn_etl_options, extra_write_options_json, NULL, "JSON",
                    "{\"compression\":\"snappy\"}: as --compression; mergeSchema means nothing, "
                    "added columns are tolerated"),
    /* of the reference's script */
    {.name = "parquet_table_train", .type = QN_PARAM_TEXT, .hidden = true, .help = ""},
    {.name = "parquet_table_test", .type = QN_PARAM_TEXT, .hidden = true, .help = ""},
};
const qn_params qn_etl_table = {.name = "etl",
                                .param = etl_rows,
                                .n = sizeof etl_rows / sizeof *etl_rows,
                                .struct_size = sizeof(qn_etl_options)};

/* A pipe or standard input: looking into it would take away what is read later. */
static bool is_once(const qn_text_list *files)
{
    for (int64_t i = 0; i < files->n; i++) {
        struct stat info;

        if (strcmp(files->item[i], "-") == 0 ||
            (stat(files->item[i], &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
            return true;
    }
    return false;
}

/* A column that holds fractions on one side makes both sides doubles, when both are new. */
static qn_status any_double(qn_context *ctx, const qn_rating_input_options input[2], bool *is)
{
    qn_status st = QN_OK;

    *is = false;
    for (int32_t i = 0; i < 2; i++) {
        qn_rating_input *open = NULL;

        if (is_once(&input[i].input))
            continue;
        QN_TRY(qn_rating_input_open(ctx, &input[i], &open));
        *is |= qn_rating_input_is_double(open);
        qn_rating_input_free(open);
    }
done:
    return st;
}

qn_status qn_etl_run(qn_context *ctx, const qn_etl_options *etl, const qn_rules_options *rules,
                     const qn_upsert_options *options, qn_etl_result *result)
{
    const qn_rating_input_options input[2] = {{.input = etl->train_file, .format = etl->format},
                                              {.input = etl->test_file, .format = etl->format}};
    const qn_span job = qn_job_start(ctx, "etl");
    const double start = qn_seconds();
    qn_delivery *delivery[2] = {NULL, NULL};
    qn_rules_options rule = *rules;
    bool is_double;
    qn_status st = QN_OK;

    *result = (qn_etl_result){.side = {{.path = etl->parquet_train_path, .name = "train"},
                                       {.path = etl->parquet_test_path, .name = "test"}}};
    QN_TRY(qn_rules_json(ctx, etl->extra_write_options_json, &rule));
    QN_TRY(qn_paths_apart(ctx, "--parquet-train-path", etl->parquet_train_path,
                          "--parquet-test-path", etl->parquet_test_path));
    QN_TRY(any_double(ctx, input, &is_double));
    for (int32_t i = 0; i < 2; i++) {
        const qn_delivery_spec spec = {.command = "etl",
                                       .input = &input[i],
                                       .options = options,
                                       .rating_is_double = is_double};

        result->side[i].rules = rule;
        QN_TRY(qn_delivery_open(ctx, &spec, &result->side[i], 1, &delivery[i]));
    }
    QN_TRY(qn_deliveries_run(ctx, &job, delivery, 2, options));
    for (int32_t i = 0; i < 2; i++)
        qn_delivery_result(delivery[i], &result->upsert[i]);
    result->total_s = qn_seconds() - start;
done:
    for (int32_t i = 1; i >= 0; i--)
        qn_delivery_close(delivery[i]);
    qn_span_end(ctx, &job, st, NULL);
    return st;
}

void qn_etl_json(const qn_etl_result *result, qn_json *j)
{
    qn_upsert_result sum = {0};

    for (int32_t i = 0; i < 2; i++)
        qn_upsert_result_add(&sum, &result->upsert[i]);
    qn_upsert_result_json(&sum, j);
    for (int32_t i = 0; i < 2; i++) {
        qn_json_open(j, result->side[i].name, '{');
        qn_upsert_side_json(&result->side[i], j);
        qn_upsert_input_json(&result->upsert[i], j);
        qn_json_close(j, '}');
    }
    qn_json_real(j, "total_s", result->total_s);
}
