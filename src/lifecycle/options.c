#include "lifecycle/options.h"

#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "base/params_out.h"
#include "data/reading.h"
#include "data/triples.h"

static const qn_param ranking_rows[] = {
    QN_PARAM(qn_ranking_options, k, 10, 1, 100000, "length of the lists that are judged",
             .group = "Judging"),
    QN_PARAM(qn_ranking_options, threshold, 4.0, -1e30, 1e30,
             "a test rating at or above it is relevant", .aliases = "rating_threshold",
             .group = "Judging"),
    QN_PARAM_CHOICE_OF(
        qn_ranking_options, protocol, QN_PROTOCOL_CHOICE_AUTO, "auto|" QN_PROTOCOL_CHOICES,
        "how rankings are judged; auto: honest where the training ratings are known, "
        "else reference",
        .group = "Judging"),
    QN_PARAM(qn_ranking_options, ranking_users, 0, -1, INT32_MAX,
             "judge the rankings of that many users, 0 all, -1 no rankings", .group = "Judging"),
};
const qn_params qn_ranking_table = {"ranking", ranking_rows,
                                    sizeof ranking_rows / sizeof *ranking_rows,
                                    sizeof(qn_ranking_options)};

static const qn_param columns_rows[] = {
    QN_PARAM_CHOICE_OF(qn_columns_options, format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the files; auto: found out", .group = "Files"),
    QN_PARAM_CHOICE_OF(qn_columns_options, header, 0, "auto|no|yes",
                       "whether the first line names the columns", .group = "Files"),
    QN_PARAM_STRING(qn_columns_options, delimiter, NULL, "C",
                    "one character between fields; found out if not given", .group = "Files"),
    QN_PARAM_STRING(qn_columns_options, user_col, NULL, "COL",
                    "column of users; the model's name for it if not given", .group = "Files",
                    .aliases = "user_id_column"),
    QN_PARAM_STRING(qn_columns_options, item_col, NULL, "COL",
                    "column of items; the model's name for it if not given", .group = "Files",
                    .aliases = "item_id_column"),
    QN_PARAM_STRING(qn_columns_options, rating_col, NULL, "COL",
                    "column of ratings; the model's name for it if not given", .group = "Files"),
    QN_PARAM_STRING(qn_columns_options, timestamp_col, NULL, "COL", "column of times",
                    .group = "Files"),
    QN_PARAM_CHOICE_OF(qn_columns_options, on_bad_row, QN_BAD_ROW_SKIP, QN_ON_BAD_ROW_CHOICES,
                       "stop at a row that cannot be read, or count it and go on",
                       .group = "Files"),
};
const qn_params qn_columns_table = {"columns", columns_rows,
                                    sizeof columns_rows / sizeof *columns_rows,
                                    sizeof(qn_columns_options)};

static const qn_param scoring_rows[] = {
    QN_PARAM_STRING(qn_scoring_options, features, NULL, "COL",
                    "columns that are the features, for models that do not know theirs; all number "
                    "columns if not given",
                    .group = "Tables"),
    QN_PARAM_STRING(qn_scoring_options, label, NULL, "COL",
                    "column of labels; the model's where it needs one", .group = "Tables",
                    .aliases = "label_col"),
    QN_PARAM_STRING(qn_scoring_options, weight, NULL, "COL", "column of weights", .group = "Tables",
                    .aliases = "weight_col"),
    QN_PARAM_CHOICE_OF(qn_scoring_options, on_missing, QN_MISSING_SKIP, QN_ON_MISSING_CHOICES,
                       "rows that lack a feature: stop, leave without a prediction, or let the "
                       "model see the gap",
                       .group = "Tables"),
};
const qn_params qn_scoring_table = {"scoring", scoring_rows,
                                    sizeof scoring_rows / sizeof *scoring_rows,
                                    sizeof(qn_scoring_options)};

const char *qn_protocol_name(qn_ranking_protocol protocol)
{
    static const char *const name[] = {"spark", "reference", "honest"};

    return name[protocol];
}

void qn_model_name_columns(qn_als_model *model, const qn_ratings_options *ratings)
{
    const char *rating = ratings->rating_col ? ratings->rating_col : "";

    snprintf(model->user_col, sizeof model->user_col, "%s", ratings->user_col);
    snprintf(model->item_col, sizeof model->item_col, "%s", ratings->item_col);
    snprintf(model->rating_col, sizeof model->rating_col, "%s", rating);
}

/* A column's name: as given, else the model's, else the default of `fit`. A model of Spark's whose
 * columns were never named says "user", "item", "rating", which tells nothing. */
static void name_column(const char *given, const char *of_model, const char *unnamed,
                        const char **name)
{
    if (given)
        *name = given;
    else if (of_model[0] && strcmp(of_model, unnamed) != 0)
        *name = of_model;
}

void qn_columns_ratings(const qn_columns_options *columns, const qn_als_model *model,
                        const qn_text_list *input, qn_ratings_options *out)
{
    qn_params_init(&qn_ratings_table, out);
    out->input = *input;
    out->format = columns->format;
    out->header = columns->header;
    out->delimiter = columns->delimiter;
    out->on_bad_row = columns->on_bad_row;
    name_column(columns->user_col, model->user_col, "user", &out->user_col);
    name_column(columns->item_col, model->item_col, "item", &out->item_col);
    name_column(columns->rating_col, model->rating_col, "rating", &out->rating_col);
    name_column(columns->timestamp_col, "", "", &out->timestamp_col);
    if (model->users.type == QN_ID_STRING && model->items.type == QN_ID_STRING)
        out->id_type = QN_ID_STRING;
}

void qn_columns_matrix(const qn_columns_options *columns, const qn_scoring_options *scoring,
                       const qn_text_list *input, qn_matrix_options *out)
{
    qn_params_init(&qn_matrix_table, out);
    out->input = *input;
    out->format = columns->format;
    out->header = columns->header;
    out->delimiter = columns->delimiter;
    out->on_bad_row = columns->on_bad_row;
    out->features = scoring->features;
    out->label = scoring->label;
    out->weight = scoring->weight;
    out->on_missing = scoring->on_missing;
}

qn_status qn_columns_source(qn_context *ctx, const qn_columns_options *columns,
                            const qn_text_list *input, qn_source **source)
{
    qn_source_options options = {.path = input->item,
                                 .n_paths = input->n,
                                 .format = (qn_format)columns->format,
                                 .header = columns->header - 1}; /* auto no yes: -1 0 1 */
    qn_status st;

    *source = NULL;
    st = qn_delimiter_parse(ctx, columns->delimiter, &options.delimiter);
    return st == QN_OK ? qn_source_open(ctx, &options, source) : st;
}

static bool is_text_default(const char *value, const char *usual)
{
    return value == usual || (value && usual && strcmp(value, usual) == 0);
}

static bool is_default(const qn_param *param, const void *values)
{
    const void *field = (const char *)values + param->offset;

    switch (param->type) {
    case QN_PARAM_BOOL:
        return *(const bool *)field == (param->number != 0);
    case QN_PARAM_INT32:
    case QN_PARAM_CHOICE:
        return *(const int32_t *)field == (int32_t)param->number;
    case QN_PARAM_INT64:
        return *(const int64_t *)field == (int64_t)param->number;
    case QN_PARAM_DOUBLE:
        return *(const double *)field == param->number;
    case QN_PARAM_BYTES:
        return *(const size_t *)field == (size_t)param->number;
    case QN_PARAM_TEXT:
        return is_text_default(*(const char *const *)field, param->text);
    case QN_PARAM_LIST:
        return ((const qn_text_list *)field)->n == 0;
    }
    return true;
}

/* Whether `name` is one of the blank separated words. */
static bool is_word_of(const char *name, const char *words)
{
    const size_t length = strlen(name);

    for (const char *at = words; (at = strstr(at, name)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

qn_status qn_options_refuse(qn_context *ctx, const qn_params *table, const void *values,
                            const char *names, const char *kind)
{
    for (int64_t p = 0; p < table->n; p++) {
        const qn_param *param = &table->param[p];
        char option[64];

        if ((names && !is_word_of(param->name, names)) || is_default(param, values))
            continue;
        qn_param_cli_name(param->name, option, sizeof option);
        return qn_fail(ctx, QN_EINVAL, "%s means nothing for a model of %s: leave it out", option,
                       kind);
    }
    return QN_OK;
}
