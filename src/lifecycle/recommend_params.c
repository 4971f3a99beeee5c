#include "lifecycle/recommend.h"

#include "quern/source.h"

#define WHOM "Whom for (one of these)"

static const qn_param recommend_rows[] = {
    QN_PARAM_STRING(qn_recommend_options, model, NULL, "DIR", "model directory", .required = true,
                    .aliases = "model_path"),
    QN_PARAM_STRING(qn_recommend_options, user, NULL, "ID", "these users", .group = WHOM),
    QN_PARAM_STRING(qn_recommend_options, item, NULL, "ID", "users for these items", .group = WHOM),
    QN_PARAM_STRING(qn_recommend_options, users, NULL, "FILE", "the users of this file",
                    .group = WHOM),
    QN_PARAM_STRING(qn_recommend_options, items, NULL, "FILE", "users for the items of this file",
                    .group = WHOM),
    QN_PARAM_FLAG(qn_recommend_options, all_users, "every user", .group = WHOM),
    QN_PARAM_FLAG(qn_recommend_options, all_items, "users for every item", .group = WHOM),
    QN_PARAM_STRING(
        qn_recommend_options, new_user, NULL, "RATINGS",
        "people the model has not seen, from all their ratings; what they rated is left "
        "out",
        .group = WHOM),
    QN_PARAM_STRING(qn_recommend_options, new_item, NULL, "RATINGS",
                    "users for items the model has not seen, from all their ratings",
                    .group = WHOM),
    QN_PARAM(qn_recommend_options, k, 10, 1, 1e6, "recommendations a row"),
    QN_PARAM_STRING(qn_recommend_options, exclude_seen, NULL, "TRAIN",
                    "leave out what these ratings hold"),
    QN_PARAM_STRING(qn_recommend_options, titles, NULL, "FILE", "titles of items: id, title"),
    QN_PARAM_CHOICE_OF(qn_recommend_options, ties, QN_TIES_ID_ASC, QN_TIES_CHOICES,
                       "order of equal scores: by id, or as Spark (falling)"),
    QN_PARAM(qn_recommend_options, reasons, -1, -1, 100,
             "reasons a recommendation, where the ratings of the user are known; -1: 2 for users "
             "that are named, else none"),
    QN_PARAM_STRING(qn_recommend_options, output, NULL, "FILE",
                    "write rows here, the format by extension"),
    QN_PARAM_FLAG(qn_recommend_options, overwrite, "replace an output that is there"),
    QN_PARAM_CHOICE_OF(qn_recommend_options, output_format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the output; auto: by extension"),
};
const qn_params qn_recommend_table = {"recommend", recommend_rows,
                                      sizeof recommend_rows / sizeof *recommend_rows,
                                      sizeof(qn_recommend_options)};

static const qn_param similar_rows[] = {
    QN_PARAM_STRING(qn_similar_options, model, NULL, "DIR", "model directory", .required = true,
                    .aliases = "model_path"),
    QN_PARAM_STRING(qn_similar_options, item, NULL, "ID", "items like this one"),
    QN_PARAM_STRING(qn_similar_options, user, NULL, "ID", "users like this one"),
    QN_PARAM(qn_similar_options, k, 10, 1, 1e6, "how many"),
    QN_PARAM_STRING(qn_similar_options, titles, NULL, "FILE", "titles of items: id, title"),
};
const qn_params qn_similar_table = {"similar", similar_rows,
                                    sizeof similar_rows / sizeof *similar_rows,
                                    sizeof(qn_similar_options)};

static const qn_param explain_rows[] = {
    QN_PARAM_STRING(qn_explain_options, model, NULL, "DIR", "model directory", .required = true,
                    .aliases = "model_path"),
    QN_PARAM_STRING(qn_explain_options, user, NULL, "ID", "whose prediction", .required = true),
    QN_PARAM_STRING(qn_explain_options, item, NULL, "ID", "of which item", .required = true),
    QN_PARAM_STRING(qn_explain_options, ratings, NULL, "TRAIN", "ratings the model was trained on",
                    .required = true),
    QN_PARAM_STRING(qn_explain_options, titles, NULL, "FILE", "titles of items: id, title"),
    QN_PARAM(qn_explain_options, k, 10, 1, 1e6, "reasons at most"),
};
const qn_params qn_explain_table = {"explain", explain_rows,
                                    sizeof explain_rows / sizeof *explain_rows,
                                    sizeof(qn_explain_options)};
