/* Everything that can be wrong with a data set, looked for; the first fault is named. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/parquet.h"
#include "lifecycle/dataset_jobs.h"

#define READ_BYTES ((int64_t)1 << 20)
#define FAULT      768

typedef struct verify_job {
    qn_context *ctx;
    const char *folder;
    qn_dataset_manifest manifest;
    qn_parquet_coder *coder;
    char **buffer;               /* [threads] */
    qn_rating_row *first, *last; /* [n_files] of each file */
    pthread_mutex_t lock;        /* guards the rest */
    int64_t fault_file;          /* first file with a fault; n_files: none */
    char fault[FAULT];
    qn_status fault_status;
} verify_job;

/* Keeps the fault of the first file, whichever thread comes first. */
static void keep_fault(verify_job *job, int64_t file, qn_status st, const char *text)
{
    pthread_mutex_lock(&job->lock);
    if (file < job->fault_file) {
        job->fault_file = file;
        job->fault_status = st;
        snprintf(job->fault, sizeof job->fault, "%s", text);
    }
    pthread_mutex_unlock(&job->lock);
}

static void fault(verify_job *job, int64_t file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fault(verify_job *job, int64_t file, const char *format, ...)
{
    char text[FAULT];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    keep_fault(job, file, QN_EDATA, text);
}

/* ---- bytes ---- */

static bool check_bytes(verify_job *job, int64_t i, const char *path, int32_t thread)
{
    const qn_dataset_file *file = &job->manifest.file[i];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char digest[33];
    XXH3_state_t state;
    XXH128_hash_t hash;
    int64_t bytes = 0;
    ssize_t n;

    if (fd < 0) {
        fault(job, i, "%s: %s", path, errno == ENOENT ? "is not there" : strerror(errno));
        return false;
    }
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    while ((n = read(fd, job->buffer[thread], (size_t)READ_BYTES)) > 0) {
        XXH3_128bits_update(&state, job->buffer[thread], (size_t)n);
        bytes += n;
    }
    close(fd);
    hash = XXH3_128bits_digest(&state);
    snprintf(digest, sizeof digest, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
    if (n < 0)
        fault(job, i, "%s: cannot be read", path);
    else if (bytes != file->bytes)
        fault(job, i, "%s: has %lld bytes, not %lld", path, (long long)bytes,
              (long long)file->bytes);
    else if (strcmp(digest, file->digest) != 0)
        fault(job, i, "%s: its content is not what was written: digest %s, not %s", path, digest,
              file->digest);
    else
        return true;
    return false;
}

/* ---- rows ---- */

typedef struct row_check {
    verify_job *job;
    const char *path;
    int64_t file, rows;
    bool is_bad;
} row_check;

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* By movie, user, date and rating. *same_key: movie, user and date are one. */
static int compare_rows(const qn_rating_row *a, const qn_rating_row *b, bool *same_key)
{
    int order = compare(a->movie, b->movie);

    order = order ? order : compare(a->user, b->user);
    order = order ? order : compare(a->days, b->days);
    *same_key = order == 0;
    return order ? order : (a->rating > b->rating) - (a->rating < b->rating);
}

/* False after naming a pair that is out of order or of one key. */
static bool check_pair(verify_job *job, int64_t file, const char *path, int64_t row,
                       const qn_rating_row *before, const qn_rating_row *here)
{
    bool same;

    if (compare_rows(before, here, &same) > 0) {
        fault(job, file, "%s, row %lld: movie %d, user %d is out of order", path, (long long)row,
              here->movie, here->user);
        return false;
    }
    if (same && job->manifest.on_duplicate != QN_KEEP_ALL) {
        fault(job, file,
              "%s, row %lld: movie %d, user %d has a second row of that date, by rule "
              "%s",
              path, (long long)row, here->movie, here->user,
              qn_on_duplicate_name(job->manifest.on_duplicate));
        return false;
    }
    return true;
}

static qn_status check_rows(void *arg, const qn_rating_row *row, int64_t n)
{
    row_check *check = arg;
    verify_job *job = check->job;
    const qn_dataset_file *file = &job->manifest.file[check->file];

    for (int64_t i = 0; i < n && !check->is_bad; i++, check->rows++) {
        if (qn_dataset_part(job->manifest.partition_by, row[i].days) != file->part) {
            fault(job, check->file, "%s, row %lld: its date belongs into another folder",
                  check->path, (long long)check->rows);
            check->is_bad = true;
        } else if (check->rows > 0) {
            check->is_bad = !check_pair(job, check->file, check->path, check->rows,
                                        &job->last[check->file], &row[i]);
        } else {
            job->first[check->file] = row[i];
        }
        job->last[check->file] = row[i];
    }
    return check->is_bad ? QN_EDATA : qn_check_cancel(job->ctx);
}

static qn_status verify_file(void *arg, int64_t i, int32_t thread)
{
    verify_job *job = arg;
    const qn_dataset_file *file = &job->manifest.file[i];
    qn_string path = {0};
    row_check check = {.job = job, .file = i};
    qn_status st = QN_OK;

    qn_string_addf(&path, "%s/%s", job->folder, file->path);
    check.path = qn_string_text(&path);
    if (check_bytes(job, i, check.path, thread)) {
        st = qn_rows_read_file_by(job->ctx, job->coder, check.path, &job->manifest.columns, i,
                                  check_rows, &check);
        if (st == QN_EDATA && !check.is_bad)
            keep_fault(job, i, st, qn_context_error(job->ctx));
        if (st == QN_EDATA) /* the others are looked at, so that the first fault is named */
            st = QN_OK;
        else if (st == QN_OK && check.rows != file->rows)
            fault(job, i, "%s: has %lld rows, not %lld", check.path, (long long)check.rows,
                  (long long)file->rows);
    }
    qn_string_release(&path);
    return st;
}

/* Rows go on in order from a file of a part to the next. */
static void check_joints(verify_job *job)
{
    const qn_dataset_manifest *m = &job->manifest;

    for (int64_t i = 1; i < m->n_files && i < job->fault_file; i++)
        if (m->file[i].part == m->file[i - 1].part && m->file[i].rows > 0 &&
            m->file[i - 1].rows > 0)
            check_pair(job, i, m->file[i].path, 0, &job->last[i - 1], &job->first[i]);
}

/* ---- latest: one row of a movie and a user in all parts ---- */

typedef struct key_pass {
    uint64_t *key; /* [capacity] */
    int64_t n, capacity;
    uint64_t pass, passes;
} key_pass;

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15ULL;
    return x ^ (x >> 29);
}

static qn_status add_keys(void *arg, const qn_rating_row *row, int64_t n)
{
    key_pass *keys = arg;

    for (int64_t i = 0; i < n; i++) {
        const uint64_t key = (uint64_t)(uint32_t)row[i].movie << 32 | (uint32_t)row[i].user;

        if (mix(key) % keys->passes == keys->pass && keys->n < keys->capacity)
            keys->key[keys->n++] = key;
    }
    return QN_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static qn_status check_latest(verify_job *job, int64_t rows)
{
    const int64_t room = (int64_t)(qn_context_memory(job->ctx) / 4 / sizeof(uint64_t));
    key_pass keys = {.passes = (uint64_t)(rows / (room > 0 ? room : 1)) + 1};
    qn_status st = QN_OK;

    keys.capacity = keys.passes == 1 ? rows : room + room / 4;
    QN_NEW(job->ctx, keys.key, keys.capacity, "keys of a data set");
    for (; keys.pass < keys.passes; keys.pass++) {
        keys.n = 0;
        for (int64_t i = 0; i < job->manifest.n_files; i++) {
            qn_string path = {0};

            qn_string_addf(&path, "%s/%s", job->folder, job->manifest.file[i].path);
            st = qn_rows_read_file_by(job->ctx, job->coder, qn_string_text(&path),
                                      &job->manifest.columns, i, add_keys, &keys);
            qn_string_release(&path);
            QN_TRY(st);
            QN_TRY(qn_check_cancel(job->ctx));
        }
        qsort(keys.key, (size_t)keys.n, sizeof *keys.key, compare_keys);
        for (int64_t i = 1; i < keys.n; i++)
            if (keys.key[i] == keys.key[i - 1])
                QN_TRY(qn_fail(job->ctx, QN_EDATA,
                               "%s: movie %d, user %d has more than one row, by rule latest",
                               job->folder, (int)(int32_t)(keys.key[i] >> 32),
                               (int)(int32_t)keys.key[i]));
    }
done:
    qn_free(keys.key);
    return st;
}

/* ---- the whole ---- */

static qn_status job_open(qn_context *ctx, const char *folder, verify_job *job)
{
    const int32_t threads = qn_context_threads(ctx);
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_read(ctx, folder, &job->manifest));
    job->fault_file = job->manifest.n_files;
    QN_TRY(qn_parquet_coder_open(ctx, &job->coder));
    QN_NEW0(ctx, job->buffer, threads, "buffers");
    for (int32_t t = 0; t < threads; t++)
        QN_NEW(ctx, job->buffer[t], READ_BYTES, "a buffer to read by");
    QN_NEW0(ctx, job->first, job->manifest.n_files, "first rows of files");
    QN_NEW0(ctx, job->last, job->manifest.n_files, "last rows of files");
done:
    return st;
}

static void job_close(verify_job *job)
{
    for (int32_t t = 0; job->buffer && t < qn_context_threads(job->ctx); t++)
        qn_free(job->buffer[t]);
    qn_free(job->buffer);
    qn_parquet_coder_close(job->coder);
    qn_free(job->first);
    qn_free(job->last);
    qn_dataset_manifest_release(&job->manifest);
    pthread_mutex_destroy(&job->lock);
}

static void fill_result(const verify_job *job, qn_verify_result *result)
{
    const qn_dataset_manifest *m = &job->manifest;

    result->generation = m->generation;
    result->files = m->n_files;
    result->rows = qn_dataset_rows(m);
    for (int64_t i = 0; i < m->n_files; i++) {
        result->bytes += m->file[i].bytes;
        result->parts += i == 0 || m->file[i].part != m->file[i - 1].part;
    }
}

qn_status qn_dataset_verify(qn_context *ctx, const char *path, qn_verify_result *result)
{
    const qn_span span = qn_job_start(ctx, "verify");
    const double start = qn_seconds();
    verify_job job = {.ctx = ctx};
    char *folder = NULL;
    qn_status st = QN_OK;

    *result = (qn_verify_result){0};
    pthread_mutex_init(&job.lock, NULL);
    QN_TRY(qn_dataset_need(ctx, path, &folder));
    job.folder = folder;
    QN_TRY(job_open(ctx, folder, &job));
    QN_TRY(qn_parallel(ctx, job.manifest.n_files, verify_file, &job));
    check_joints(&job);
    if (job.fault_file < job.manifest.n_files)
        QN_TRY(qn_fail(ctx, job.fault_status, "%s\ntry: quern data rollback %s", job.fault, path));
    fill_result(&job, result);
    if (job.manifest.on_duplicate == QN_KEEP_LATEST)
        QN_TRY(check_latest(&job, result->rows));
    qn_emit_count(ctx, "rows", result->rows);
    qn_emit_count(ctx, "files", result->files);
    result->total_s = qn_seconds() - start;
done:
    job_close(&job);
    qn_free(folder);
    qn_span_end(ctx, &span, st, NULL);
    return st;
}
