/* How results are shown to a person. */
#ifndef QN_CLI_SHOW_H
#define QN_CLI_SHOW_H

#include "cli/command.h"
#include "lifecycle/evaluate.h"
#include "quern/source.h"

/* "read      1,000,000 rows, 3 bad (2 malformed, 1 null); 24 MB" and the first bad row. */
void qn_show_counts(const qn_terminal *out, const qn_ratings_counts *counts);
/* Whether the terminal shows block characters: the locale says UTF-8. */
bool qn_shows_blocks(void);
/* "read      5,000,000 rows, 3 bad, 2 with missing values left out; 2.4 GB" and the first ones. */
void qn_show_table_counts(const qn_terminal *out, const qn_matrix_counts *counts);
/* An object of JSON: lines of names and values, arrays of objects as tables. */
void qn_show_json(const qn_terminal *out, const char *json);
/* One bar a value. */
void qn_show_histogram(const qn_terminal *out, int32_t n, const float *value, const int64_t *count);
/* "2005-09-06 to 2018-03-01"; nothing when min > max. */
void qn_show_dates(const qn_terminal *out, int64_t min, int64_t max);
/* Errors and rankings beside their baselines, coverage. */
void qn_show_evaluation(const qn_terminal *out, const qn_evaluation *evaluation);
/* A word as a shell would need it written. */
void qn_show_word(FILE *stream, const char *word);
/* "12,345" of a count, "0.8712" of a number ("-" for NaN). */
typedef struct qn_shown {
    char text[32];
} qn_shown;
qn_shown qn_show_count(int64_t count);
qn_shown qn_show_number(double value, int32_t digits);
qn_shown qn_show_seconds(double seconds);
qn_shown qn_show_bytes(double bytes);
/* "99.95 %" */
qn_shown qn_show_share(int64_t part, int64_t whole);

#endif
