#include "experiment/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernels/kernels.h"

#ifdef QN_X86_64
#include <immintrin.h>
#endif

#ifdef __clang__
#define UNROLL_ALL _Pragma("clang loop unroll(full)")
#else
#define UNROLL_ALL _Pragma("GCC unroll 16")
#endif

#define ARRAY_LEAST ((int64_t)256 << 20)
#define ARRAY_MOST  ((int64_t)1 << 30)
#define CHUNK_BYTES ((int64_t)2 << 20) /* as blocks of matrices are */
#define REPEATS     9
#define SPINS       ((int64_t)1 << 18) /* rounds of one task: about one millisecond */
#define TASKS       16                 /* of spinning, a thread */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

qn_status qn_time_tasks(qn_context *ctx, int32_t repeats, int64_t n_tasks, qn_task *task, void *arg,
                        qn_timing *timing)
{
    double *seconds = NULL;
    qn_status st = QN_OK;

    *timing = (qn_timing){0};
    QN_NEW(ctx, seconds, repeats, "times of passes");
    QN_TRY(qn_parallel(ctx, n_tasks, task, arg));
    for (int32_t i = 0; i < repeats; i++) {
        const double start = qn_seconds();

        QN_TRY(qn_parallel(ctx, n_tasks, task, arg));
        seconds[i] = qn_seconds() - start;
    }
    qsort(seconds, (size_t)repeats, sizeof *seconds, by_size);
    timing->best = seconds[0];
    timing->median = (seconds[(repeats - 1) / 2] + seconds[repeats / 2]) / 2;
done:
    qn_free(seconds);
    return st;
}

typedef struct read_job {
    uint64_t *array;
    int64_t chunk;  /* numbers of a chunk */
    uint64_t *seen; /* [threads x 8]: so that no read is left out */
} read_job;

static qn_status touch_task(void *arg, int64_t task, int32_t thread)
{
    const read_job *job = arg;

    (void)thread;
    memset(job->array + task * job->chunk, 1, (size_t)job->chunk * sizeof *job->array);
    return QN_OK;
}

static qn_status read_task(void *arg, int64_t task, int32_t thread)
{
    const read_job *job = arg;
    const uint64_t *from = job->array + task * job->chunk;
    uint64_t sum[8] = {0};

    for (int64_t i = 0; i < job->chunk; i += 8)
        for (int32_t j = 0; j < 8; j++)
            sum[j] += from[i + j];
    for (int32_t j = 0; j < 8; j++)
        job->seen[(int64_t)thread * 8 + j] += sum[j];
    return QN_OK;
}

/* Several times the largest cache, and no more than a quarter of the budget. */
static int64_t array_bytes(const qn_context *ctx, int64_t cache)
{
    const int64_t quarter = (int64_t)(qn_context_memory(ctx) / 4);
    int64_t bytes = 4 * cache;

    bytes = bytes > ARRAY_LEAST ? bytes : ARRAY_LEAST;
    bytes = bytes < ARRAY_MOST ? bytes : ARRAY_MOST;
    bytes = bytes < quarter ? bytes : quarter;
    return bytes / CHUNK_BYTES > 0 ? bytes / CHUNK_BYTES * CHUNK_BYTES : CHUNK_BYTES;
}

static qn_status measure_read(qn_context *ctx, qn_machine *machine)
{
    read_job job = {.chunk = CHUNK_BYTES / (int64_t)sizeof *job.array};
    const int64_t n_chunks = machine->array_bytes / CHUNK_BYTES;
    qn_timing timing;
    qn_status st = QN_OK;

    QN_NEW(ctx, job.array, n_chunks * job.chunk, "an array larger than the caches");
    QN_NEW0(ctx, job.seen, (int64_t)machine->threads * 8, "sums of what is read");
    QN_TRY(qn_parallel(ctx, n_chunks, touch_task, &job));
    QN_TRY(qn_time_tasks(ctx, REPEATS, n_chunks, read_task, &job, &timing));
    machine->read = (double)machine->array_bytes / timing.best;
done:
    qn_free(job.array);
    qn_free(job.seen);
    return st;
}

/* Enough chains of multiply-adds to hide their delay, in registers alone. Each returns a number
 * that depends on all of them. */
#ifdef QN_X86_64
__attribute__((target("avx512f"))) static double spin_avx512(int64_t n)
{
    const __m512 a = _mm512_set1_ps(0.5F), b = _mm512_set1_ps(1.0F);
    __m512 x[16];

    UNROLL_ALL
    for (int i = 0; i < 16; i++)
        x[i] = _mm512_set1_ps((float)i);
    for (int64_t j = 0; j < n; j++) {
        UNROLL_ALL
        for (int i = 0; i < 16; i++)
            x[i] = _mm512_fmadd_ps(x[i], a, b);
        __asm__ volatile("" : "+v"(x[0]), "+v"(x[9]));
    }
    UNROLL_ALL
    for (int i = 1; i < 16; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    return (double)_mm512_cvtss_f32(x[0]);
}

__attribute__((target("avx2,fma"))) static double spin_avx2(int64_t n)
{
    const __m256 a = _mm256_set1_ps(0.5F), b = _mm256_set1_ps(1.0F);
    __m256 x[12];

    UNROLL_ALL
    for (int i = 0; i < 12; i++)
        x[i] = _mm256_set1_ps((float)i);
    for (int64_t j = 0; j < n; j++) {
        UNROLL_ALL
        for (int i = 0; i < 12; i++)
            x[i] = _mm256_fmadd_ps(x[i], a, b);
        __asm__ volatile("" : "+x"(x[0]), "+x"(x[7]));
    }
    UNROLL_ALL
    for (int i = 1; i < 12; i++)
        x[0] = _mm256_add_ps(x[0], x[i]);
    return (double)_mm256_cvtss_f32(x[0]);
}
#else
static double spin_avx512(int64_t n)
{
    return (double)n;
}

static double spin_avx2(int64_t n)
{
    return (double)n;
}
#endif

/* What plain C gives: multiply and add apart, in the vectors that the compiler chooses. */
static double spin_plain(int64_t n)
{
    float x[32], sum = 0;

    for (int i = 0; i < 32; i++)
        x[i] = (float)i;
    for (int64_t j = 0; j < n; j++)
        for (int i = 0; i < 32; i++)
            x[i] = x[i] * 0.5F + 1.0F;
    for (int i = 0; i < 32; i++)
        sum += x[i];
    return (double)sum;
}

typedef struct spin_job {
    int32_t level; /* of the kernel set */
    double *seen;  /* [threads x 8] */
} spin_job;

static qn_status spin_task(void *arg, int64_t task, int32_t thread)
{
    const spin_job *job = arg;

    (void)task;
    job->seen[(int64_t)thread * 8] += job->level == 2   ? spin_avx512(SPINS)
                                      : job->level == 1 ? spin_avx2(SPINS)
                                                        : spin_plain(SPINS);
    return QN_OK;
}

static qn_status measure_flops(qn_context *ctx, qn_machine *machine)
{
    static const double lanes[] = {32, 12 * 8, 16 * 16}; /* multiply-adds of one round, by level */
    const int64_t n_tasks = (int64_t)machine->threads * TASKS;
    spin_job job = {.level = ctx->kernels->level};
    qn_timing timing;
    qn_status st = QN_OK;

    QN_NEW0(ctx, job.seen, (int64_t)machine->threads * 8, "results of spinning");
    QN_TRY(qn_time_tasks(ctx, REPEATS, n_tasks, spin_task, &job, &timing));
    machine->flops_f32 = 2 * lanes[job.level] * (double)SPINS * (double)n_tasks / timing.best;
    machine->flops_f64 = machine->flops_f32 / 2; /* half as many numbers in a register */
done:
    qn_free(job.seen);
    return st;
}

qn_status qn_machine_measure(qn_context *ctx, qn_machine *machine)
{
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    qn_status st = QN_OK;

    *machine =
        (qn_machine){.threads = qn_context_threads(ctx), .cache_bytes = cache > 0 ? cache : 0};
    machine->array_bytes = array_bytes(ctx, machine->cache_bytes);
    QN_TRY(measure_read(ctx, machine));
    QN_TRY(measure_flops(ctx, machine));
done:
    return st;
}
