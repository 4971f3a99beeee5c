/* The table of qn_ratings_options: what every command that reads ratings accepts. */
#include "quern/ratings.h"

#define GROUP .group = "Input"

static const qn_param ratings_params[] = {
    QN_PARAM_STRING(qn_ratings_options, input, NULL, "FILE",
                    "ratings: files, folders, or - for standard input",
                    .aliases = "parquet_train_path train_path", .required = true, GROUP),
    QN_PARAM_CHOICE_OF(qn_ratings_options, format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the input, found out by name and first bytes if not given",
                       GROUP),
    QN_PARAM_CHOICE_OF(qn_ratings_options, header, 0, "auto|no|yes",
                       "whether the first line names the columns", GROUP),
    QN_PARAM_STRING(qn_ratings_options, delimiter, NULL, "CHAR",
                    "character between fields, found out if not given", .aliases = "sep", GROUP),
    QN_PARAM_STRING(qn_ratings_options, user_col, "userId", "COL",
                    "column of user ids, by name or number from 0",
                    .aliases = "user_id_column user_column", GROUP),
    QN_PARAM_STRING(qn_ratings_options, item_col, "movieId", "COL",
                    "column of item ids, by name or number from 0",
                    .aliases = "item_id_column item_column", GROUP),
    QN_PARAM_STRING(qn_ratings_options, rating_col, "rating", "COL",
                    "column of ratings; empty: every rating is 1", .aliases = "rating_column",
                    GROUP),
    QN_PARAM_STRING(qn_ratings_options, timestamp_col, "timestamp", "COL",
                    "column of times, as seconds or dates; read where a split or rule needs it",
                    .aliases = "timestamp_column time_col", GROUP),
    QN_PARAM_CHOICE_OF(qn_ratings_options, id_type, QN_ID_AUTO, QN_ID_TYPE_CHOICES,
                       "type of ids; int32 is what Spark accepts", GROUP),
    QN_PARAM_CHOICE_OF(
        qn_ratings_options, on_duplicate, QN_DUPLICATE_KEEP, QN_ON_DUPLICATE_CHOICES,
        "what to do with several ratings of one item by one user; keep is what Spark does", GROUP),
    QN_PARAM_CHOICE_OF(qn_ratings_options, on_bad_row, QN_BAD_ROW_FAIL, QN_ON_BAD_ROW_CHOICES,
                       "what to do with a row that cannot be read", GROUP),
    QN_PARAM(qn_ratings_options, partitions, 0, 0, 1048576,
             "partitions of users and of items, 0: by size; moves work, never results",
             .aliases = "parts num_partitions", .metavar = "N", GROUP),
    QN_PARAM(qn_ratings_options, split_bytes, 0, 0, 1099511627776,
             "bytes of a piece that one thread reads, 0: 8m; never changes results",
             .metavar = "BYTES", .hidden = true, GROUP),
};

const qn_params qn_ratings_table = {
    .name = "ratings",
    .param = ratings_params,
    .n = (int64_t)(sizeof ratings_params / sizeof ratings_params[0]),
    .struct_size = sizeof(qn_ratings_options),
};
