/* Titles of items, from a file with an id column and a title column. */
#ifndef QN_LIFECYCLE_TITLES_H
#define QN_LIFECYCLE_TITLES_H

#include "quern/ratings.h"

typedef struct qn_titles {
    int64_t n;       /* ids of the dictionary */
    char *text;      /* ended by NUL each */
    int64_t *offset; /* [n] into text, -1: no title */
    int64_t n_found;
} qn_titles;

/* Reads the titles of `ids`. The id column is `id_col` if the file has it, else the first; the
 * title column "title", else the second. The first title of an id wins. */
qn_status qn_titles_read(qn_context *ctx, const char *path, const char *id_col, const qn_ids *ids,
                         qn_titles **titles);
void qn_titles_free(qn_titles *titles);
/* NULL if there is none; titles may be NULL. */
const char *qn_title(const qn_titles *titles, int64_t index);

#endif
