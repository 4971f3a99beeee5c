/* Which columns of a source are user, item, rating and time, and how a row that was refused is told
 * of. */
#ifndef QN_DATA_TRIPLES_COLUMNS_H
#define QN_DATA_TRIPLES_COLUMNS_H

#include "quern/ratings.h"

#define QN_RATING_COLUMNS 4

/* What is asked of each split: user, item, then rating and time where there are such columns. */
typedef struct qn_rating_columns {
    qn_column_request request[QN_RATING_COLUMNS];
    const char *name[QN_RATING_COLUMNS]; /* as the file calls them; borrowed of the source */
    int32_t n;
    int32_t rating, time; /* places in the request, -1: none */
    qn_id_type type[2];   /* STRING, INT32, INT64, or AUTO: whole numbers of any size */
    bool is_explicit_int32;
} qn_rating_columns;

/* The files that the options name, with their format and delimiter. */
qn_status qn_ratings_source_open(qn_context *ctx, const qn_ratings_options *options,
                                 qn_source **source);

/* Whether the columns of users and items stand there by name, as given or by one of the usual ones.
 */
bool qn_rating_columns_named(const qn_source *source, const qn_ratings_options *options);

/* Finds the columns; a fact tells where an alias was taken. QN_ENOTFOUND names the nearest column,
 * QN_EINVAL a missing column of times where one is needed. */
qn_status qn_rating_columns_find(qn_context *ctx, const qn_source *source,
                                 const qn_ratings_options *options, bool want_time, bool need_time,
                                 qn_rating_columns *columns);

/* `file, line 17: column rating: "abc" is not ...` into out. */
void qn_reject_describe(qn_context *ctx, const qn_source *source, int64_t split,
                        const qn_rating_columns *columns, const qn_reject *reject, char *out,
                        size_t size);

#endif
