/* Recommendations, similar items, explanations. */
#ifndef QN_LIFECYCLE_RECOMMEND_H
#define QN_LIFECYCLE_RECOMMEND_H

#include "lifecycle/options.h"

/* Tables: qn_recommend_table, qn_columns_table. One of user, users, all_users, item, items,
 * all_items, new_user, new_item. */
typedef struct qn_recommend_options {
    const char *model;
    qn_text_list user, item; /* ids */
    const char *users;       /* file: ids in its user column, or in its only or first column */
    const char *items;
    bool all_users, all_items;
    const char *new_user; /* ratings of people that the model does not know */
    const char *new_item; /* ratings of things that the model does not know */
    int32_t k;
    qn_text_list exclude_seen; /* training ratings whose pairs are left out */
    const char *titles;
    int32_t ties;    /* qn_ties */
    int32_t reasons; /* at most that many a row, where the ratings of the user are at hand */
    const char *output;
    bool overwrite;
    int32_t output_format;
} qn_recommend_options;
extern const qn_params qn_recommend_table;

/* Why: a rating of the user and what it adds to the score. */
typedef struct qn_reason {
    const char *item, *title; /* title NULL: unknown */
    float rating;
    double weight;       /* similarity of the two items in the user's eyes */
    double contribution; /* to the score; all reasons of a row add up to it */
} qn_reason;

/* One line of the answer; borrowed for the call. */
typedef struct qn_recommendation {
    qn_side side;      /* of `id`: recommendations for a user, or for an item */
    const char *id;    /* whom for */
    const char *other; /* what */
    bool id_is_number, other_is_number;
    const char *id_title, *title; /* of the side that is an item; NULL: unknown */
    int32_t rank;                 /* from 1 */
    float score;
    const qn_reason *reason;
    int32_t n_reasons;
} qn_recommendation;
typedef qn_status qn_recommend_visit(void *arg, const qn_recommendation *row);

typedef struct qn_recommend_result {
    int64_t rows;    /* users (or items) answered */
    int64_t unknown; /* asked for, not known to the model */
    char first_unknown[128];
    int64_t lines;
    double load_s, recommend_s, total_s;
} qn_recommend_result;

/* Collective: rows are shared out over the ranks, rank 0 calls `visit` and writes.
 * Rows in the order asked for, each once; unknown ids are counted, and QN_ENOTFOUND when none is
 * known. With `output` the file is written: user, rank, item, title, score, reasons; `visit` is
 * called for every line too unless NULL. */
qn_status qn_recommend_run(qn_context *ctx, const qn_recommend_options *options,
                           const qn_columns_options *columns, qn_recommend_visit *visit, void *arg,
                           qn_recommend_result *result);

/* Tables: qn_similar_table. */
typedef struct qn_similar_options {
    const char *model;
    const char *item; /* one of item, user */
    const char *user;
    int32_t k;
    const char *titles;
} qn_similar_options;
extern const qn_params qn_similar_table;
/* Lines as above: score is the cosine. Collective. */
qn_status qn_similar_run(qn_context *ctx, const qn_similar_options *options,
                         qn_recommend_visit *visit, void *arg, qn_recommend_result *result);

/* Tables: qn_explain_table, qn_columns_table. */
typedef struct qn_explain_options {
    const char *model;
    const char *user, *item;
    qn_text_list ratings; /* training ratings */
    const char *titles;
    int32_t k; /* reasons at most */
} qn_explain_options;
extern const qn_params qn_explain_table;

/* Collective. Calls visit once: score is the prediction, reasons by falling |contribution|. */
typedef struct qn_explain_result {
    float prediction;  /* of the model */
    double explained;  /* sum of all contributions, of the reasons shown and of the others */
    int64_t n_ratings; /* of the user */
    double total_s;
} qn_explain_result;
qn_status qn_explain_run(qn_context *ctx, const qn_explain_options *options,
                         const qn_columns_options *columns, qn_recommend_visit *visit, void *arg,
                         qn_explain_result *result);

#endif
