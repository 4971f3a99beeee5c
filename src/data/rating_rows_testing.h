/* What tests of rating rows share: upserts into a data set, and what lies in it then. */
#ifndef QN_DATA_RATING_ROWS_TESTING_H
#define QN_DATA_RATING_ROWS_TESTING_H

#include "base/file.h"
#include "data/parquet.h"
#include "data/rating_rows.h"
#include "folder.h"

#define MAX_ROWS 64

/* A row by its date: year, month, day. */
static inline qn_rating_row row_of(int32_t movie, int32_t user, int32_t y, int32_t m, int32_t d,
                                   float rating)
{
    return (qn_rating_row){.movie = movie,
                           .user = user,
                           .days = (int32_t)qn_days_from_date(y, m, d),
                           .rating = rating};
}

/* How a generation is written, and what came of it. */
typedef struct run {
    qn_context *ctx;
    const char *path;
    int32_t on_duplicate, partition_by;
    int64_t file_size;
    size_t memory;
    bool all, compact, is_double, has_removed_user;
    int32_t removed_user;
    const char *codec;
    qn_rows_written written;
    pthread_mutex_t lock;
    qn_rating_row dropped[MAX_ROWS], winner[MAX_ROWS];
    int64_t n_dropped;
} run;

/* Without the module there is nothing to test: main returns 77. */
static inline bool has_module(void)
{
    qn_context *ctx = NULL;
    const char *version;
    bool has;

    assert_int_equal(qn_context_create(NULL, &ctx), QN_OK);
    has = qn_parquet_version(ctx, &version) == QN_OK;
    if (!has)
        print_message("skipped: %s\n", qn_context_error(ctx));
    qn_context_free(ctx);
    return has;
}

static inline int setup_threads(void **state, int32_t threads)
{
    qn_context *ctx = NULL;
    run *r = calloc(1, sizeof *r);

    assert_non_null(r);
    assert_int_equal(qn_context_create(&(qn_context_options){.threads = threads}, &ctx), QN_OK);
    r->ctx = ctx;
    r->file_size = 1 << 20;
    r->memory = 1 << 20;
    pthread_mutex_init(&r->lock, NULL);
    *state = r;
    return 0;
}

static inline int setup(void **state)
{
    return setup_threads(state, 2);
}

static inline int teardown(void **state)
{
    run *r = *state;

    qn_context_free(r->ctx);
    free(r);
    return 0;
}

static inline qn_status note_dropped(void *arg, const qn_rating_row *row,
                                     const qn_rating_row *winner)
{
    run *r = arg;

    pthread_mutex_lock(&r->lock);
    if (r->n_dropped < MAX_ROWS) {
        r->dropped[r->n_dropped] = *row;
        r->winner[r->n_dropped] = *winner;
    }
    r->n_dropped++;
    pthread_mutex_unlock(&r->lock);
    return QN_OK;
}

/* Upserts rows into the data set at r->path. */
static inline qn_status upsert(run *r, const qn_rating_row *row, int64_t n)
{
    const qn_rows_rule rule = {.on_duplicate = r->on_duplicate,
                               .has_removed_user = r->has_removed_user,
                               .removed_user = r->removed_user,
                               .dropped = note_dropped,
                               .arg = r};
    qn_dataset_writer writer = {0};
    qn_row_pile *pile = NULL;
    const int32_t *part;
    int64_t n_parts;
    qn_status st = QN_OK;

    r->n_dropped = 0;
    QN_TRY(qn_dataset_write_open(r->ctx, r->path, &writer));
    writer.next.target_file_size = r->file_size;
    writer.next.on_duplicate = r->on_duplicate;
    writer.next.partition_by = r->partition_by;
    writer.next.columns.rating_is_double = r->is_double;
    snprintf(writer.next.codec, sizeof writer.next.codec, "%s", r->codec ? r->codec : "snappy");
    QN_TRY(qn_row_pile_create(r->ctx, writer.next.partition_by, r->memory, writer.staging, &pile));
    for (int64_t i = 0; i < n; i++)
        QN_TRY(
            qn_row_pile_add(r->ctx, pile, (int32_t)(i % qn_context_threads(r->ctx)), &row[i], 1));
    QN_TRY(qn_row_pile_close(r->ctx, pile, &part, &n_parts));
    QN_TRY(qn_rows_write_generation(r->ctx, &writer, pile, &rule, r->all, r->compact, &r->written));
    QN_TRY(qn_dataset_write_commit(&writer, 2));
done:
    qn_row_pile_free(pile);
    qn_dataset_write_close(&writer);
    return st;
}

typedef struct found {
    qn_rating_row row[MAX_ROWS];
    int64_t n;
} found;

static inline qn_status note_found(void *arg, const qn_rating_row *row, int64_t n)
{
    found *f = arg;

    for (int64_t i = 0; i < n; i++, f->n++)
        if (f->n < MAX_ROWS)
            f->row[f->n] = row[i];
    return QN_OK;
}

static inline void read_manifest(const run *r, qn_dataset_manifest *manifest, char **dir)
{
    qn_dataset_kind kind;

    CHECK_OK(r->ctx, qn_dataset_resolve(r->ctx, r->path, &kind, dir));
    CHECK_EQ(kind, QN_DATASET_OURS);
    CHECK_OK(r->ctx, qn_dataset_read(r->ctx, *dir, manifest));
}

/* All rows, in the order of the files. */
static inline void read_back(const run *r, found *f)
{
    qn_dataset_manifest manifest;
    char *dir = NULL;

    f->n = 0;
    read_manifest(r, &manifest, &dir);
    for (int64_t i = 0; i < manifest.n_files; i++) {
        char *path = qn_path_join(dir, manifest.file[i].path);
        const int64_t before = f->n;

        CHECK_OK(r->ctx, qn_rows_read_file(r->ctx, path, &manifest.columns, i, note_found, f));
        CHECK_EQ(f->n - before, manifest.file[i].rows);
        free(path);
    }
    qn_dataset_manifest_release(&manifest);
    qn_free(dir);
}

static inline void expect_rows(const run *r, const qn_rating_row *expected, int64_t n)
{
    found f;

    read_back(r, &f);
    CHECK_EQ(f.n, n);
    for (int64_t i = 0; i < n; i++) {
        CHECK_EQ(f.row[i].movie, expected[i].movie);
        CHECK_EQ(f.row[i].user, expected[i].user);
        CHECK_EQ(f.row[i].days, expected[i].days);
        CHECK_NEAR((double)f.row[i].rating, (double)expected[i].rating, 0);
    }
}

/* Digests of all files, in order: what the bytes of a data set are told by. */
static inline void digests(const run *r, qn_string *text)
{
    qn_dataset_manifest manifest;
    char *dir = NULL;

    qn_string_clear(text);
    read_manifest(r, &manifest, &dir);
    for (int64_t i = 0; i < manifest.n_files; i++)
        qn_string_addf(text, "%d:%lld:%s ", manifest.file[i].part, (long long)manifest.file[i].rows,
                       manifest.file[i].digest);
    qn_dataset_manifest_release(&manifest);
    qn_free(dir);
}

#define COUNT(a) ((int64_t)(sizeof(a) / sizeof *(a)))

#endif
