/* For tests of rating input: a plain reader of Netflix text, line by line and slow, against which
 * the fast one is judged, and the rows that were delivered, in the order of the files. */
#ifndef QN_DATA_RATING_INPUT_TESTING_H
#define QN_DATA_RATING_INPUT_TESTING_H

#include <ctype.h>
#include <pthread.h>

#include "base/text.h"
#include "check.h"
#include "data/rating_input.h"

/* ---- the plain reader ---- */

typedef struct plain {
    qn_string rows;    /* "movie user rating days" of each good row */
    qn_string rejects; /* lines of the rejects file */
    int64_t dropped[QN_DROP_REASONS];
    int64_t n_rows;
    int64_t lose_every; /* each such row is taken to be a duplicate; 0: none */
} plain;

static inline void plain_release(plain *p)
{
    qn_string_release(&p->rows);
    qn_string_release(&p->rejects);
}

static inline char *plain_trim(char *text)
{
    char *end = text + strlen(text);

    while (*text == ' ' || *text == '\t')
        text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    return text;
}

/* -1: good, else why not. */
static inline int plain_whole(const char *text, int64_t *value)
{
    char *end;

    if (!*text || strcmp(text, "NULL") == 0)
        return QN_DROP_NULL;
    if (isspace((unsigned char)*text))
        return QN_DROP_MALFORMED;
    *value = strtoll(text, &end, 10);
    if (*end || end == text)
        return QN_DROP_MALFORMED;
    return *value < INT32_MIN || *value > INT32_MAX ? (int)QN_DROP_RANGE : -1;
}

static inline int plain_rating(const char *text, double *value)
{
    char *end;

    if (!*text || strcmp(text, "NULL") == 0)
        return QN_DROP_NULL;
    *value = strtod(text, &end);
    if (*end || end == text)
        return QN_DROP_MALFORMED;
    return *value != (double)(int64_t)*value ? (int)QN_DROP_RANGE : -1;
}

static inline int plain_date(const char *text, int64_t *days)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d, n = 0;

    if (!*text || strcmp(text, "NULL") == 0)
        return QN_DROP_NULL;
    if (sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 || n != 10 || text[10] || m < 1 ||
        m > 12 || d < 1 || d > length[m - 1] + (m == 2 && y % 4 == 0))
        return QN_DROP_MALFORMED;
    *days = qn_days_from_date(y, m, d);
    return -1;
}

/* The least of reasons wins: that is their order. */
static inline int plain_worst(int a, int b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

static inline void plain_reject(plain *p, const char *file, int64_t line, int reason,
                                const char *text)
{
    const bool quote = strpbrk(text, ", \"\t") != NULL;

    p->dropped[reason]++;
    qn_string_addf(&p->rejects, "%s,%lld,%s,%s", file, (long long)line,
                   qn_drop_name((qn_drop_reason)reason), quote ? "\"" : "");
    for (const char *c = text; *c; c++)
        qn_string_addf(&p->rejects, *c == '"' ? "\"\"" : *c == '\t' ? "\\x09" : "%c", *c);
    qn_string_addf(&p->rejects, "%s\n", quote ? "\"" : "");
}

static inline void plain_row(plain *p, const char *file, int64_t line, const char *movie_text,
                             const char *text)
{
    char copy[512], *field[3] = {copy, NULL, NULL};
    int64_t movie = 0, user = 0, days = 0;
    double rating = 0;
    int n = 1, reason;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c; c++)
        if (*c == ',') {
            *c = '\0';
            if (n < 3)
                field[n] = c + 1;
            n++;
        }
    const int header = movie_text ? plain_whole(movie_text, &movie) : (int)QN_DROP_MALFORMED;
    if (n != 3 || header == QN_DROP_MALFORMED || header == QN_DROP_NULL) {
        plain_reject(p, file, line, QN_DROP_MALFORMED, text);
        return;
    }
    reason = plain_worst(plain_worst(plain_whole(plain_trim(field[0]), &user),
                                     plain_rating(plain_trim(field[1]), &rating)),
                         plain_worst(plain_date(plain_trim(field[2]), &days), header));
    p->n_rows += reason < 0;
    if (reason < 0 && p->lose_every && user % p->lose_every == 0)
        plain_reject(p, file, line, QN_DROP_DUPLICATE, text);
    else if (reason >= 0)
        plain_reject(p, file, line, reason, text);
    if (reason < 0)
        qn_string_addf(&p->rows, "%lld %lld %g %lld\n", (long long)movie, (long long)user, rating,
                       (long long)days);
}

static inline void plain_read(plain *p, const char *file, const char *text)
{
    char movie[128], line[512];
    bool has_movie = false;

    for (int64_t number = 1; *text; number++) {
        size_t n = strcspn(text, "\n");
        const char *next = text + n + (text[n] == '\n');

        n -= n > 0 && text[n - 1] == '\r';
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        text = next;
        while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
            n--;
        if (n > 0 && line[n - 1] == ':') {
            snprintf(movie, sizeof movie, "%.*s", (int)(n - 1), line);
            memmove(movie, plain_trim(movie), strlen(plain_trim(movie)) + 1);
            has_movie = true;
        } else if (line[strspn(line, " ")] != '\0') {
            plain_row(p, file, number, has_movie ? movie : NULL, line);
        }
    }
}

/* ---- what was delivered ---- */

typedef struct taken_rows {
    pthread_mutex_t lock;
    qn_rating_row *row;
    int64_t n;
} taken_rows;

static inline qn_status take_rows(void *arg, int32_t thread, const qn_rating_row *row, int64_t n)
{
    taken_rows *t = arg;

    (void)thread;
    pthread_mutex_lock(&t->lock);
    t->row = realloc(t->row, (size_t)(t->n + n) * sizeof *row);
    assert_non_null(t->row);
    memcpy(t->row + t->n, row, (size_t)n * sizeof *row);
    t->n += n;
    pthread_mutex_unlock(&t->lock);
    return QN_OK;
}

static inline int compare_origins(const void *a, const void *b)
{
    const uint64_t x = ((const qn_rating_row *)a)->origin, y = ((const qn_rating_row *)b)->origin;

    return x < y ? -1 : x > y;
}

/* In the order of the files. */
static inline void sort_taken(taken_rows *t)
{
    if (t->n > 0)
        qsort(t->row, (size_t)t->n, sizeof *t->row, compare_origins);
}

static inline void taken_text(const taken_rows *t, qn_string *out)
{
    for (int64_t i = 0; i < t->n; i++)
        qn_string_addf(out, "%d %d %g %d\n", t->row[i].movie, t->row[i].user,
                       (double)t->row[i].rating, t->row[i].days);
}

#endif
