/* Recommendations, similar items and explanations as they are shown: a table for each row that was
 * asked for, or JSON lines. */
#ifndef QN_CLI_ROWS_H
#define QN_CLI_ROWS_H

#include "cli/command.h"
#include "lifecycle/recommend.h"

typedef struct qn_rows_view {
    const qn_cli *cli;
    bool json;
    bool similar; /* both sides are the same: the other one is called "similar" */
    char id[256]; /* whom the table under way is for */
    qn_text_table rows;
    bool open;
    int64_t n_tables;
} qn_rows_view;

/* A qn_recommend_visit; `arg` is a qn_rows_view. */
qn_status qn_rows_visit(void *arg, const qn_recommendation *row);
/* Prints the last table. */
void qn_rows_end(qn_rows_view *view);
/* "id":..., title and the members of a row's reasons into an open object. */
void qn_rows_json_reasons(qn_json *j, const qn_recommendation *row, bool item_is_number);
void qn_rows_json_id(qn_json *j, const char *key, const char *id, bool is_number);

#endif
