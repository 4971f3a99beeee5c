#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/text.h"
#include "data/datagen_truth.h"
#include "quern/sink.h"

#define USERS_PER_CHUNK 256
#define CANDIDATES      3
#define FIRST_DAY       (9504 * 86400LL)  /* 1996-01-09 */
#define LAST_DAY        (19500 * 86400LL) /* 2023-05-23 */

enum { FORMAT_BY_SHAPE, FORMAT_CSV, FORMAT_DAT, FORMAT_NETFLIX, FORMAT_PARQUET };

static const qn_param rows[] = {
    QN_PARAM_CHOICE_OF(qn_datagen_options, shape, QN_SHAPE_MOVIELENS, "movielens|netflix",
                       "half stars and at least 20 ratings a user, or whole stars"),
    QN_PARAM(qn_datagen_options, users, 6000, 1, 4e9, "users"),
    QN_PARAM(qn_datagen_options, items, 4000, 1, 4e9, "items"),
    QN_PARAM(qn_datagen_options, ratings, 1000000, 1, 1e12, "ratings"),
    QN_PARAM(qn_datagen_options, seed, 42, INT64_MIN, INT64_MAX,
             "seed; the same one, the same files"),
    QN_PARAM_CHOICE_OF(qn_datagen_options, format, FORMAT_BY_SHAPE, "auto|csv|dat|netflix|parquet",
                       "of the ratings; auto: csv, or netflix for that shape"),
    QN_PARAM_STRING(qn_datagen_options, out, NULL, "DIR", "folder for ratings and movies.csv",
                    .required = true),
    QN_PARAM_FLAG(qn_datagen_options, overwrite, "replace files that are there"),
};
const qn_params qn_datagen_table = {"datagen ratings", rows, sizeof rows / sizeof *rows,
                                    sizeof(qn_datagen_options)};

typedef struct row {
    uint32_t item;
    float rating;
    int64_t time;
} row;

/* A run of users being made; one per thread. */
typedef struct chunk {
    uint32_t *stamp; /* [n_items] last user who has the item */
    row *row;        /* rows of the run, user by user, items ascending */
    int64_t capacity, n;
    int64_t *user_end; /* [USERS_PER_CHUNK] */
} chunk;

typedef struct generation {
    qn_context *ctx;
    qn_truth truth;
    int64_t first_user, n_users; /* of the chunks under way */
    chunk *chunk;                /* [threads] */
    int64_t *sure_start;         /* [n_users + 1] into sure_item */
    uint32_t *sure_item;         /* items by the user who has them for sure */
} generation;

static int row_by_item(const void *a, const void *b)
{
    const uint32_t x = ((const row *)a)->item, y = ((const row *)b)->item;

    return (x > y) - (x < y);
}

/* The k-th item that a user takes, by popularity; after many misses any item that is free, so that
 * a user who takes most of them comes to an end. */
static uint32_t next_item(const generation *g, const chunk *c, int64_t user, int64_t *tries)
{
    const uint32_t mark = (uint32_t)(user + 1);
    uint32_t item;

    for (int64_t misses = 0;; misses++) {
        const qn_random random = qn_philox(g->truth.seed, QN_STREAM_DATAGEN, (uint64_t)user,
                                           (uint64_t)100 << 40 | (uint64_t)(*tries)++);
        const double u = qn_uniform(&random, 0);

        item = misses < 20 ? (uint32_t)qn_truth_draw_item(&g->truth, u, qn_uniform(&random, 2))
                           : (uint32_t)(u * (double)g->truth.n_items);
        if (c->stamp[item] != mark)
            return item;
    }
}

/* Seconds that a user's ratings take at the most, so that none lies after the last day. */
static int64_t span_of(int64_t degree)
{
    const int64_t span = degree * 105 + (degree / 25) * 86400 * 20;

    return span < LAST_DAY - FIRST_DAY ? span : LAST_DAY - FIRST_DAY;
}

/* People take what is popular and what they like: the best liked of a few that are popular. */
static uint32_t choose_item(const generation *g, const chunk *c, const qn_truth_user *taste,
                            int64_t user, int64_t *tries)
{
    uint32_t best = next_item(g, c, user, tries);
    double most = qn_truth_liking(&g->truth, taste, best);

    for (int others = 0; others < CANDIDATES - 1; others++) {
        const uint32_t item = next_item(g, c, user, tries);
        const double liking = qn_truth_liking(&g->truth, taste, item);

        if (liking > most) {
            most = liking;
            best = item;
        }
    }
    return best;
}

/* All rows of one user. Times go up in the order of taking: evenings in a row from a first day on.
 */
static void make_user(const generation *g, chunk *c, int64_t user)
{
    const qn_truth_user taste = qn_truth_user_of(&g->truth, user);
    const qn_random start =
        qn_philox(g->truth.seed, QN_STREAM_DATAGEN, (uint64_t)user, (uint64_t)101 << 40);
    const int64_t degree = g->truth.degree[user];
    const int64_t sure = g->sure_start[user + 1] - g->sure_start[user];
    row *rows_of_user = c->row + c->n;
    int64_t time = FIRST_DAY + (int64_t)(qn_uniform(&start, 0) *
                                         (double)(LAST_DAY - FIRST_DAY - span_of(degree)));
    int64_t tries = 0;

    for (int64_t k = 0; k < degree; k++) {
        const uint32_t item = k < sure ? g->sure_item[g->sure_start[user] + k]
                                       : choose_item(g, c, &taste, user, &tries);
        const uint32_t word = start.word[2] * 2654435761u + (uint32_t)k * 40503u;

        c->stamp[item] = (uint32_t)(user + 1);
        time +=
            k % 25 == 24 && time < LAST_DAY - 86400 * 21 ? 86400 * (1 + word % 20) : 15 + word % 90;
        rows_of_user[k] = (row){item, qn_truth_rating(&g->truth, &taste, user, item), time};
    }
    qsort(rows_of_user, (size_t)degree, sizeof *rows_of_user, row_by_item);
    c->n += degree;
}

static qn_status make_chunk(void *arg, int64_t task, int32_t thread)
{
    generation *g = arg;
    chunk *c = &g->chunk[task];
    const int64_t first = g->first_user + task * USERS_PER_CHUNK;
    const int64_t left = g->truth.n_users - first;
    const int64_t n = left < USERS_PER_CHUNK ? left : USERS_PER_CHUNK;
    int64_t rows_needed = 0;
    qn_status st = QN_OK;

    (void)thread;
    c->n = 0;
    for (int64_t u = 0; u < n; u++)
        rows_needed += g->truth.degree[first + u];
    if (rows_needed > c->capacity) {
        QN_GROW(g->ctx, c->row, rows_needed, "generated rows");
        c->capacity = rows_needed;
    }
    for (int64_t u = 0; u < n; u++) {
        make_user(g, c, first + u);
        c->user_end[u] = c->n;
    }
done:
    return st;
}

/* Counting sort of the items by their sure rater. */
static qn_status sort_sure_items(generation *g)
{
    const qn_truth *t = &g->truth;
    qn_context *ctx = g->ctx;
    qn_status st = QN_OK;

    QN_NEW0(ctx, g->sure_start, t->n_users + 2, "sure ratings");
    QN_NEW(ctx, g->sure_item, t->n_items, "sure ratings");
    for (int64_t i = 0; i < t->n_items; i++)
        g->sure_start[t->first_user[i] + 2]++;
    for (int64_t u = 2; u <= t->n_users + 1; u++)
        g->sure_start[u] += g->sure_start[u - 1];
    for (int64_t i = 0; i < t->n_items; i++)
        g->sure_item[g->sure_start[t->first_user[i] + 1]++] = (uint32_t)i;
done:
    return st;
}

static qn_status generation_open(generation *g, const qn_datagen_options *options)
{
    qn_context *ctx = g->ctx;
    const int32_t threads = qn_context_threads(ctx);
    qn_status st = QN_OK;

    QN_TRY(qn_truth_make(ctx, options, &g->truth));
    QN_TRY(sort_sure_items(g));
    QN_NEW0(ctx, g->chunk, threads, "generated rows");
    for (int32_t t = 0; t < threads; t++) {
        QN_NEW0(ctx, g->chunk[t].stamp, options->items, "generated rows");
        QN_NEW(ctx, g->chunk[t].user_end, USERS_PER_CHUNK, "generated rows");
    }
done:
    return st;
}

static void generation_close(generation *g)
{
    for (int32_t t = 0; g->chunk && t < qn_context_threads(g->ctx); t++) {
        qn_free(g->chunk[t].stamp);
        qn_free(g->chunk[t].row);
        qn_free(g->chunk[t].user_end);
    }
    qn_free(g->chunk);
    qn_free(g->sure_start);
    qn_free(g->sure_item);
    qn_truth_release(&g->truth);
}

/* Takes the rows of users first, first + 1 ... in order. */
typedef qn_status take_rows(void *arg, int64_t first_user, int64_t n_users, const chunk *c);

static qn_status generate(generation *g, take_rows *take, void *arg)
{
    const int64_t wave = (int64_t)qn_context_threads(g->ctx) * USERS_PER_CHUNK;
    qn_status st = QN_OK;

    for (g->first_user = 0; g->first_user < g->truth.n_users; g->first_user += wave) {
        const int64_t left = g->truth.n_users - g->first_user;
        const int64_t users = left < wave ? left : wave;
        const int64_t n_chunks = (users + USERS_PER_CHUNK - 1) / USERS_PER_CHUNK;

        QN_TRY(qn_parallel(g->ctx, n_chunks, make_chunk, g));
        for (int64_t c = 0; c < n_chunks; c++) {
            const int64_t first = c * USERS_PER_CHUNK;

            QN_TRY(take(arg, g->first_user + first,
                        users - first < USERS_PER_CHUNK ? users - first : USERS_PER_CHUNK,
                        &g->chunk[c]));
        }
    }
done:
    return st;
}

/* -- one row a rating ------------------------------------------------------------------------- */

typedef struct table_writer {
    qn_context *ctx;
    qn_sink *sink;
    int64_t *user, *item, *time;
    float *rating;
    int64_t capacity;
    double sum;
} table_writer;

static qn_status table_reserve(table_writer *w, int64_t n)
{
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    if (n <= w->capacity)
        return QN_OK;
    QN_GROW(ctx, w->user, n, "rows to write");
    QN_GROW(ctx, w->item, n, "rows to write");
    QN_GROW(ctx, w->time, n, "rows to write");
    QN_GROW(ctx, w->rating, n, "rows to write");
    w->capacity = n;
done:
    return st;
}

static qn_status table_take(void *arg, int64_t first_user, int64_t n_users, const chunk *c)
{
    table_writer *w = arg;
    qn_status st = table_reserve(w, c->n);

    if (st != QN_OK)
        return st;
    for (int64_t u = 0, i = 0; u < n_users; u++)
        for (; i < c->user_end[u]; i++) {
            w->user[i] = first_user + u + 1;
            w->item[i] = (int64_t)c->row[i].item + 1;
            w->rating[i] = c->row[i].rating;
            w->time[i] = c->row[i].time;
            w->sum += (double)c->row[i].rating;
        }
    for (int64_t i = 0; i < c->n && st == QN_OK; i += 65536) {
        const qn_column column[] = {{.type = QN_INT64, .data = w->user + i},
                                    {.type = QN_INT64, .data = w->item + i},
                                    {.type = QN_FLOAT, .data = w->rating + i},
                                    {.type = QN_INT64, .data = w->time + i}};
        const qn_batch batch = {
            .n_rows = c->n - i < 65536 ? c->n - i : 65536, .n_columns = 4, .columns = column};

        st = qn_sink_write(w->ctx, w->sink, &batch);
    }
    return st;
}

static qn_status write_table(generation *g, const char *path, int32_t format, bool overwrite,
                             double *sum)
{
    static const qn_format sink_format[] = {[FORMAT_CSV] = QN_FORMAT_CSV,
                                            [FORMAT_DAT] = QN_FORMAT_DAT,
                                            [FORMAT_PARQUET] = QN_FORMAT_PARQUET};
    static const qn_field field[] = {
        {"userId", QN_INT64}, {"movieId", QN_INT64}, {"rating", QN_FLOAT}, {"timestamp", QN_INT64}};
    const qn_schema schema = {.field = field, .n_fields = 4, .has_names = true};
    const qn_sink_options options = {.path = path,
                                     .format = sink_format[format],
                                     .overwrite = overwrite,
                                     .header = format != FORMAT_DAT};
    table_writer w = {.ctx = g->ctx};
    qn_status st = QN_OK;

    QN_TRY(qn_sink_open(g->ctx, &options, &schema, &w.sink));
    QN_TRY(generate(g, table_take, &w));
    QN_TRY(qn_sink_commit(g->ctx, &w.sink));
    *sum = w.sum;
done:
    qn_sink_abandon(&w.sink);
    qn_free(w.user);
    qn_free(w.item);
    qn_free(w.time);
    qn_free(w.rating);
    return st;
}

/* -- Netflix text: "movie:" lines, then customer,rating,date ----------------------------------- */

typedef struct by_movie {
    int64_t *next; /* [n_items + 1] place of the movie's next row */
    uint32_t *user;
    int16_t *day;
    uint8_t *stars;
    double sum;
} by_movie;

static qn_status count_movies(void *arg, int64_t first_user, int64_t n_users, const chunk *c)
{
    by_movie *m = arg;

    (void)first_user;
    (void)n_users;
    for (int64_t i = 0; i < c->n; i++)
        m->next[c->row[i].item + 1]++;
    return QN_OK;
}

static qn_status place_movies(void *arg, int64_t first_user, int64_t n_users, const chunk *c)
{
    by_movie *m = arg;

    for (int64_t u = 0, i = 0; u < n_users; u++)
        for (; i < c->user_end[u]; i++) {
            const int64_t at = m->next[c->row[i].item]++;

            m->user[at] = (uint32_t)(first_user + u + 1);
            m->day[at] = (int16_t)(c->row[i].time / 86400);
            m->stars[at] = (uint8_t)c->row[i].rating;
            m->sum += (double)c->row[i].rating;
        }
    return QN_OK;
}

static qn_status print_movies(qn_context *ctx, const by_movie *m, int64_t n_items, qn_out_file *out)
{
    qn_string text = {0};
    qn_status st = QN_OK;

    for (int64_t item = 0, i = 0; item < n_items; item++) {
        qn_string_clear(&text);
        qn_string_addf(&text, "%lld:\n", (long long)item + 1);
        for (; i < m->next[item]; i++) {
            int32_t year, month, day;

            qn_date_from_days(m->day[i], &year, &month, &day);
            qn_string_addf(&text, "%u,%u,%04d-%02d-%02d\n", m->user[i], m->stars[i], year, month,
                           day);
        }
        if (text.failed) {
            st = qn_fail(ctx, QN_ENOMEM, "not enough memory for the ratings of movie %lld",
                         (long long)item + 1);
            goto done;
        }
        QN_TRY(qn_out_write(out, qn_string_text(&text), text.length));
    }
done:
    qn_string_release(&text);
    return st;
}

/* Two passes over the same numbers: one counts, one places. */
static qn_status write_netflix(generation *g, const char *path, int64_t n_ratings, bool overwrite,
                               double *sum)
{
    qn_context *ctx = g->ctx;
    by_movie m = {0};
    qn_out_file *out = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_out_open(ctx, path, overwrite, &out));
    QN_NEW0(ctx, m.next, g->truth.n_items + 1, "rows by movie");
    QN_NEW(ctx, m.user, n_ratings, "rows by movie");
    QN_NEW(ctx, m.day, n_ratings, "rows by movie");
    QN_NEW(ctx, m.stars, n_ratings, "rows by movie");
    QN_TRY(generate(g, count_movies, &m));
    for (int64_t i = 0; i < g->truth.n_items; i++)
        m.next[i + 1] += m.next[i];
    for (int32_t t = 0; t < qn_context_threads(ctx); t++)
        memset(g->chunk[t].stamp, 0, (size_t)g->truth.n_items * sizeof(uint32_t));
    QN_TRY(generate(g, place_movies, &m));
    QN_TRY(print_movies(ctx, &m, g->truth.n_items, out));
    QN_TRY(qn_out_commit(&out));
    *sum = m.sum;
done:
    qn_out_abandon(&out);
    qn_free(m.next);
    qn_free(m.user);
    qn_free(m.day);
    qn_free(m.stars);
    return st;
}

/* -- titles ------------------------------------------------------------------------------------ */

/* Leaves the file open: it appears after the ratings. */
static qn_status write_movies(qn_context *ctx, const qn_truth *truth, const char *path,
                              bool overwrite, qn_out_file **out)
{
    qn_string text = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_out_open(ctx, path, overwrite, out));
    qn_string_add(&text, "movieId,title,genres\n");
    for (int64_t i = 0; i < truth->n_items; i++) {
        char title[128], genres[128];

        qn_truth_title(truth, i, title);
        qn_truth_genres(truth->item[i].genres, genres);
        qn_string_addf(&text, strchr(title, ',') ? "%lld,\"%s\",%s\n" : "%lld,%s,%s\n",
                       (long long)i + 1, title, genres);
    }
    if (text.failed)
        st = qn_fail(ctx, QN_ENOMEM, "not enough memory for the titles of %lld items",
                     (long long)truth->n_items);
    else
        QN_TRY(qn_out_write(*out, qn_string_text(&text), text.length));
done:
    qn_string_release(&text);
    return st;
}

static qn_status check_options(qn_context *ctx, const qn_datagen_options *o)
{
    const double most = floor(0.6 * (double)o->users * (double)o->items);
    const int64_t least = o->users > o->items ? o->users : o->items;

    if (!o->out)
        return qn_fail(ctx, QN_EINVAL, "--out is missing: the folder to write to");
    if ((double)o->ratings > most)
        return qn_fail(
            ctx, QN_EINVAL,
            "--ratings %lld is more than 60 %% of the %lld x %lld pairs: raise --users or "
            "--items, or ask for at most %.0f",
            (long long)o->ratings, (long long)o->users, (long long)o->items, most);
    if (o->ratings < least)
        return qn_fail(
            ctx, QN_EINVAL,
            "--ratings %lld is fewer than %lld: every user and every item has at least one",
            (long long)o->ratings, (long long)least);
    if (o->users >= UINT32_MAX || o->items >= UINT32_MAX)
        return qn_fail(ctx, QN_EINVAL, "--users and --items must be below 4294967295");
    return QN_OK;
}

qn_status qn_datagen_ratings(qn_context *ctx, const qn_datagen_options *options,
                             qn_datagen_result *result)
{
    static const char *const extension[] = {[FORMAT_CSV] = "csv",
                                            [FORMAT_DAT] = "dat",
                                            [FORMAT_NETFLIX] = "txt",
                                            [FORMAT_PARQUET] = "parquet"};
    generation g = {.ctx = ctx};
    qn_out_file *movies = NULL;
    int32_t format = options->format;
    qn_status st = QN_OK;
    double sum = 0;

    *result = (qn_datagen_result){0};
    QN_TRY(check_options(ctx, options));
    if (format == FORMAT_BY_SHAPE)
        format = options->shape == QN_SHAPE_NETFLIX ? FORMAT_NETFLIX : FORMAT_CSV;
    if (format == FORMAT_NETFLIX && options->shape != QN_SHAPE_NETFLIX) {
        st =
            qn_fail(ctx, QN_EINVAL, "--format netflix holds whole stars only: add --shape netflix");
        goto done;
    }
    snprintf(result->ratings_path, sizeof result->ratings_path, "%s/ratings.%s", options->out,
             extension[format]);
    snprintf(result->movies_path, sizeof result->movies_path, "%s/movies.csv", options->out);
    QN_TRY(qn_make_dirs(ctx, options->out));
    QN_TRY(generation_open(&g, options));
    QN_TRY(write_movies(ctx, &g.truth, result->movies_path, options->overwrite, &movies));
    QN_TRY(format == FORMAT_NETFLIX
               ? write_netflix(&g, result->ratings_path, options->ratings, options->overwrite, &sum)
               : write_table(&g, result->ratings_path, format, options->overwrite, &sum));
    st = qn_out_commit(&movies);
    if (st != QN_OK && !options->overwrite)
        unlink(result->ratings_path); /* both or neither */
    if (st != QN_OK)
        goto done;
    result->users = options->users;
    result->items = options->items;
    result->ratings = options->ratings;
    result->mean = sum / (double)options->ratings;
done:
    qn_out_abandon(&movies);
    generation_close(&g);
    return st;
}
