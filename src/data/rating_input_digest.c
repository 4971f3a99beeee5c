/* Digests of input files, by which a second delivery is known. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "data/rating_input_impl.h"

#define READ_BYTES ((int64_t)1 << 20)

typedef struct digest_job {
    qn_context *ctx;
    const qn_source_file *file; /* [n] */
    int64_t *number, *place;    /* of each file that has a digest: in `file`, and in `taken` */
    char **buffer;              /* [threads] */
    qn_dataset_taken *taken;
} digest_job;

static void write_digest(XXH128_hash_t hash, char digest[33])
{
    snprintf(digest, 33, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

static bool is_same(const struct stat *info, const qn_source_file *file)
{
    return info->st_size == file->size && info->st_mtim.tv_sec == file->changed.tv_sec &&
           info->st_mtim.tv_nsec == file->changed.tv_nsec;
}

static qn_status digest_open_file(const digest_job *job, const qn_source_file *file, int fd,
                                  int32_t thread, char digest[33])
{
    XXH3_state_t state;
    XXH128_hash_t hash;
    struct stat info;
    ssize_t n;

    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    while ((n = read(fd, job->buffer[thread], (size_t)READ_BYTES)) > 0) {
        const qn_status st = qn_check_cancel(job->ctx);

        if (st != QN_OK)
            return st;
        XXH3_128bits_update(&state, job->buffer[thread], (size_t)n);
    }
    if (n < 0 || fstat(fd, &info) != 0)
        return qn_fail_errno(job->ctx, QN_EIO, errno, "%s: cannot be read", file->path);
    if (!is_same(&info, file))
        return qn_fail(job->ctx, QN_EIO, "%s: changed while it was read: wait until it is complete",
                       file->path);
    hash = XXH3_128bits_digest(&state);
    write_digest(hash, digest);
    return QN_OK;
}

static qn_status digest_file(void *arg, int64_t task, int32_t thread)
{
    const digest_job *job = arg;
    const qn_source_file *file = &job->file[job->number[task]];
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    qn_status st = QN_OK;

    if (fd < 0)
        return qn_fail_errno(job->ctx, QN_EIO, errno, "%s: cannot be read", file->path);
    st = digest_open_file(job, file, fd, thread, job->taken[job->place[task]].digest);
    close(fd);
    return st;
}

/* Copies a name to *room and moves it on. */
static char *keep_name(char **room, const char *name)
{
    const size_t n = strlen(name) + 1;
    char *copy = memcpy(*room, name, n);

    *room += n;
    return copy;
}

/* Files and data sets in the order of the input, with the names behind, one block. *n_files: how
 * many are files, whose places in the list and in `taken` go to job. */
static qn_status list_inputs(qn_context *ctx, const qn_rating_input *input, digest_job *job,
                             int64_t *n_files, int64_t *n)
{
    const int64_t most = input->files.n + input->n_data_sets;
    int64_t bytes = most * (int64_t)sizeof *job->taken, d = 0;
    qn_status st = QN_OK;
    char *block = NULL, *name;

    for (int64_t i = 0; i < input->files.n; i++)
        bytes += (int64_t)strlen(input->files.file[i].path) + 1;
    for (int64_t i = 0; i < input->n_data_sets; i++)
        bytes += (int64_t)strlen(input->data_set[i].taken.name) + 1;
    QN_NEW0(ctx, block, bytes, "digests of input files");
    job->taken = (qn_dataset_taken *)block;
    name = block + most * (int64_t)sizeof *job->taken;
    for (int64_t i = 0; i <= input->files.n; i++) {
        for (; d < input->n_data_sets && input->data_set[d].before_file == i; d++) {
            job->taken[*n] = input->data_set[d].taken;
            job->taken[(*n)++].name = keep_name(&name, input->data_set[d].taken.name);
        }
        if (i == input->files.n || input->files.file[i].is_once)
            continue;
        job->number[*n_files] = i;
        job->place[(*n_files)++] = *n;
        job->taken[*n].bytes = input->files.file[i].size;
        job->taken[(*n)++].name = keep_name(&name, input->files.file[i].path);
    }
done:
    return st;
}

qn_status qn_rating_input_digests(qn_context *ctx, const qn_rating_input *input,
                                  qn_dataset_taken **taken, int64_t *n)
{
    const int32_t threads = qn_context_threads(ctx);
    digest_job job = {.ctx = ctx, .file = input->files.file};
    int64_t n_files = 0;
    qn_status st = QN_OK;

    *taken = NULL;
    *n = 0;
    QN_NEW(ctx, job.number, input->files.n, "input files");
    QN_NEW(ctx, job.place, input->files.n, "input files");
    QN_NEW0(ctx, job.buffer, threads, "buffers");
    for (int32_t t = 0; t < threads; t++)
        QN_NEW(ctx, job.buffer[t], READ_BYTES, "a buffer of input");
    QN_TRY(list_inputs(ctx, input, &job, &n_files, n));
    QN_TRY(qn_parallel(ctx, n_files, digest_file, &job));
    *taken = job.taken;
    job.taken = NULL;
done:
    if (st != QN_OK)
        *n = 0;
    for (int32_t t = 0; job.buffer && t < threads; t++)
        qn_free(job.buffer[t]);
    qn_free(job.buffer);
    qn_free(job.number);
    qn_free(job.place);
    qn_free(job.taken);
    return st;
}

void qn_rating_input_digest_manifest(const qn_dataset_manifest *manifest, char digest[33])
{
    XXH3_state_t state;
    XXH128_hash_t hash;

    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    for (int64_t i = 0; i < manifest->n_files; i++)
        XXH3_128bits_update(&state, manifest->file[i].digest, strlen(manifest->file[i].digest));
    hash = XXH3_128bits_digest(&state);
    write_digest(hash, digest);
}
