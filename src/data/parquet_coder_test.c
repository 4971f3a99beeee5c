/* The coder: what it writes is read back, from any thread; and what goes wrong. */
#include "data/parquet.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/pool.h"
#include "folder.h"

#define ROWS_OF_GROUP 122880

static int setup(void **state)
{
    qn_context *ctx = NULL;
    const char *version;

    assert_int_equal(qn_context_create(&(qn_context_options){.threads = 2}, &ctx), QN_OK);
    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        exit(77);
    }
    *state = folder_make(ctx);
    return 0;
}

static int teardown(void **state)
{
    qn_context *ctx = ((folder *)*state)->ctx;

    folder_remove(*state);
    qn_context_free(ctx);
    return 0;
}

static const qn_parquet_column columns[] = {
    {"MOVIE \"ID\"", QN_PARQUET_INT32}, {"RATING", QN_PARQUET_DOUBLE}, {"DATE", QN_PARQUET_DATE}};

/* Rows 0 .. n - 1: id -i, rating i / 4, date i - 1000 days. */
typedef struct counter {
    int64_t next, n;
    int64_t fail_at; /* -1: never */
    qn_context *ctx;
} counter;

static qn_status count_on(void *arg, int64_t max, void *const *column, int64_t *n)
{
    counter *c = arg;

    for (*n = 0; *n < max && c->next < c->n; (*n)++, c->next++) {
        if (c->next == c->fail_at)
            return qn_fail(c->ctx, QN_EDATA, "row %lld is not to be", (long long)c->next);
        ((int32_t *)column[0])[*n] = (int32_t)-c->next;
        ((double *)column[1])[*n] = (double)c->next / 4;
        ((int32_t *)column[2])[*n] = (int32_t)c->next - 1000;
    }
    return QN_OK;
}

static qn_status code(folder *f, qn_parquet_coder *coder, const char *path, int64_t n,
                      int64_t fail_at)
{
    counter c = {.n = n, .fail_at = fail_at, .ctx = f->ctx};
    const qn_parquet_file file = {.path = path, .column = columns, .n_columns = 3};

    return qn_parquet_code(f->ctx, coder, &file, count_on, &c);
}

static qn_status check_file(qn_context *ctx, qn_parquet_coder *coder, const char *path, int64_t n)
{
    const qn_parquet_file file = {.path = path, .column = columns, .n_columns = 3};
    qn_parquet_decoder *decoder = NULL;
    qn_parquet_rows rows = {0};
    int64_t at = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_parquet_decoder_open(ctx, coder, &file, &decoder));
    do {
        QN_TRY(qn_parquet_decoder_next(ctx, decoder, &rows));
        for (int64_t i = 0; i < rows.n; i++, at++) {
            if (((const int32_t *)rows.data[0])[i] != (int32_t)-at ||
                ((const double *)rows.data[1])[i] != (double)at / 4 ||
                ((const int32_t *)rows.data[2])[i] != (int32_t)at - 1000)
                QN_TRY(qn_fail(ctx, QN_EDATA, "row %lld is another", (long long)at));
        }
    } while (rows.n > 0);
    if (at != n)
        st = qn_fail(ctx, QN_EDATA, "%lld rows for %lld", (long long)at, (long long)n);
done:
    qn_parquet_decoder_close(decoder);
    return st;
}

static void files_of_any_length_are_read_back(void **state)
{
    folder *f = *state;
    const int64_t lengths[] = {0, 1, 2047, 2048, 2049, ROWS_OF_GROUP, ROWS_OF_GROUP + 1};
    qn_parquet_coder *coder = NULL;

    CHECK_OK(f->ctx, qn_parquet_coder_open(f->ctx, &coder));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const char *path = folder_file(f, "it's.parquet");

        CHECK_OK(f->ctx, code(f, coder, path, lengths[i], -1));
        CHECK_OK(f->ctx, check_file(f->ctx, coder, path, lengths[i]));
    }
    qn_parquet_coder_close(coder);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

typedef struct many {
    folder *f;
    qn_parquet_coder *coder;
} many;

static qn_status code_and_check(void *arg, int64_t task, int32_t thread)
{
    const many *job = arg;
    char path[128];
    qn_status st = QN_OK;

    (void)thread;
    snprintf(path, sizeof path, "%s/%lld.parquet", job->f->path, (long long)task);
    QN_TRY(code(job->f, job->coder, path, 3000 * (task + 1), -1));
    QN_TRY(check_file(job->f->ctx, job->coder, path, 3000 * (task + 1)));
done:
    return st;
}

static void threads_share_a_coder(void **state)
{
    many job = {.f = *state};

    CHECK_OK(job.f->ctx, qn_parquet_coder_open(job.f->ctx, &job.coder));
    CHECK_OK(job.f->ctx, qn_parallel(job.f->ctx, 12, code_and_check, &job));
    qn_parquet_coder_close(job.coder);
}

static void the_same_rows_give_the_same_bytes(void **state)
{
    folder *f = *state;
    char *text[2] = {NULL, NULL};
    size_t length[2];

    for (int i = 0; i < 2; i++) {
        qn_parquet_coder *coder = NULL;
        const char *path = folder_file(f, i ? "b.parquet" : "a.parquet");

        CHECK_OK(f->ctx, qn_parquet_coder_open(f->ctx, &coder));
        if (i)
            CHECK_OK(f->ctx, code(f, coder, folder_file(f, "other.parquet"), 77, -1));
        CHECK_OK(f->ctx, code(f, coder, path, 150000, -1));
        qn_parquet_coder_close(coder);
        CHECK_OK(f->ctx, qn_read_file(f->ctx, path, 64 << 20, &text[i], &length[i]));
    }
    CHECK_EQ(length[0], length[1]);
    CHECK(memcmp(text[0], text[1], length[0]) == 0);
    qn_free(text[0]);
    qn_free(text[1]);
}

static void what_fill_says_is_what_is_told(void **state)
{
    folder *f = *state;
    qn_parquet_coder *coder = NULL;

    CHECK_OK(f->ctx, qn_parquet_coder_open(f->ctx, &coder));
    CHECK_EQ(code(f, coder, folder_file(f, "a.parquet"), 9000, 5000), QN_EDATA);
    CHECK_ERROR(f->ctx, "row 5000 is not to be");
    CHECK_OK(f->ctx, code(f, coder, folder_file(f, "a.parquet"), 9000, -1)); /* goes on */
    qn_parquet_coder_close(coder);
}

static void places_that_cannot_be_written_are_named(void **state)
{
    folder *f = *state;
    qn_parquet_coder *coder = NULL;
    const char *path = folder_file(f, "missing/a.parquet");

    CHECK_OK(f->ctx, qn_parquet_coder_open(f->ctx, &coder));
    CHECK_EQ(code(f, coder, path, 10, -1), QN_EIO);
    CHECK_ERROR(f->ctx, path);
    CHECK_EQ(code(f, coder, f->path, 10, -1), QN_EIO);
    qn_write_fail_after(f->ctx, 0, ENOSPC);
    CHECK_EQ(code(f, coder, folder_file(f, "full.parquet"), 10, -1), QN_EIO);
    CHECK_ERROR(f->ctx, "full.parquet");
    qn_write_fail_after(f->ctx, INT64_MAX, 0);
    CHECK_EQ(code(f, coder, "/dev/full", 200000, -1), QN_EIO);
    qn_parquet_coder_close(coder);
}

static void files_that_cannot_be_read_are_named(void **state)
{
    folder *f = *state;
    qn_parquet_coder *coder = NULL;
    const char *path = folder_put(f, "text.parquet", "this is no Parquet, but it is long enough");

    CHECK_OK(f->ctx, qn_parquet_coder_open(f->ctx, &coder));
    CHECK_EQ(check_file(f->ctx, coder, path, 0), QN_EDATA);
    CHECK_ERROR(f->ctx, path);
    CHECK(check_file(f->ctx, coder, folder_file(f, "none.parquet"), 0) != QN_OK);
    CHECK_ERROR(f->ctx, "none.parquet");
    qn_parquet_coder_close(coder);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void every_failed_allocation_is_told(void **state)
{
    folder *f = *state;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_parquet_coder *coder = NULL;
        const char *path = folder_file(f, "a.parquet");

        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_parquet_coder_open(f->ctx, &coder);
        CHECK((coder != NULL) == (st == QN_OK));
        if (st == QN_OK)
            st = code(f, coder, path, 10, -1);
        if (st == QN_OK)
            st = check_file(f->ctx, coder, path, 10);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        qn_parquet_coder_close(coder);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_of_any_length_are_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_share_a_coder, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_rows_give_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_fill_says_is_what_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_written_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_read_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(every_failed_allocation_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
