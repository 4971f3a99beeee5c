/* How fast the kernels are, beside what the machine can do, on one core.
 *     bench_kernels             all sets that this processor runs
 *     bench_kernels SET         one of them
 *     bench_kernels --digest    only a digest of each kernel's results, to compare builds
 * Gram figures count the useful sums alone: the upper triangle and the right-hand side. */
#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef QN_X86_64
#include <immintrin.h>
#endif

#ifdef __clang__
#define UNROLL_ALL _Pragma("clang loop unroll(full)")
#else
#define UNROLL_ALL _Pragma("GCC unroll 16")
#endif

#define N_TIMES 5 /* the best of so many is reported */

static const int32_t ranks[] = {8, 10, 16, 20, 32, 50, 64, 100, 128, 200};
#define N_RANKS ((int32_t)(sizeof ranks / sizeof *ranks))

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t bytes)
{
    void *block = aligned_alloc(64, (bytes + 63) / 64 * 64);

    if (!block) {
        fprintf(stderr, "bench_kernels: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    memset(block, 0, bytes);
    return block;
}

static float next_number(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (float)(int64_t)(*seed >> 44) / 524288.0F - 1.0F;
}

/* Two chains for each of two ports and four cycles of delay, and some to spare. */
#ifdef QN_X86_64
__attribute__((target("avx512f"))) static float spin_avx512(int64_t n)
{
    const __m512 a = _mm512_set1_ps(0.5F);
    const __m512 b = _mm512_set1_ps(1.0F);
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
    return _mm512_cvtss_f32(x[0]);
}

__attribute__((target("avx2,fma"))) static float spin_avx2(int64_t n)
{
    const __m256 a = _mm256_set1_ps(0.5F);
    const __m256 b = _mm256_set1_ps(1.0F);
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
    return _mm256_cvtss_f32(x[0]);
}
#else
static float spin_avx512(int64_t n)
{
    return (float)n;
}

static float spin_avx2(int64_t n)
{
    return (float)n;
}
#endif

/* Fused multiply-adds per second of the widest vectors that the set uses, times two; 0: none. */
static double measure_peak(const qn_kernels *set, float *sink)
{
    const int64_t n = 300000;
    double best = 0.0;

    for (int32_t i = 0; set->level > 0 && i < 20 * N_TIMES; i++) {
        const double start = now();
        const double lanes = set->level == 2 ? 16.0 * 16.0 : 12.0 * 8.0;

        *sink += set->level == 2 ? spin_avx512(n) : spin_avx2(n);
        const double rate = 2.0 * lanes * (double)n / (now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

/* Bytes per second of reading `n` doubles through moments_f64, which does nothing else. */
static double measure_moments(const qn_kernels *set, int64_t n, float *sink)
{
    double *x = allocate((size_t)n * sizeof *x);
    const int64_t n_rounds = 1 + ((int64_t)1 << 25) / n;
    double best = 0.0;

    for (int32_t i = 0; i < N_TIMES; i++) {
        double sums[2] = {0};
        const double start = now();

        for (int64_t r = 0; r < n_rounds; r++)
            set->moments_f64(n, x, &sums[0], &sums[1]);
        const double rate = (double)(n * n_rounds) * sizeof *x / (now() - start);
        best = rate > best ? rate : best;
        *sink += (float)sums[0];
    }
    free(x);
    return best;
}

#define RUN_LENGTH 165 /* the mean user of MovieLens */
#define N_RUNS     200
#define N_ENTRIES  (RUN_LENGTH * N_RUNS)

/* Ratings of random rows, and room for the answer in either precision. */
typedef struct gram_case {
    qn_gram_run run;
    uint32_t *index;
    float *weight;
    float *target;
    float *factors;
    double *gram;
    double *rhs;
    void *scratch;
} gram_case;

static void gram_case_init(gram_case *c, int32_t rank, int64_t n_rows)
{
    uint64_t seed = (uint64_t)rank;
    const int64_t stride = qn_factor_stride(rank);

    c->index = allocate(N_ENTRIES * sizeof *c->index);
    c->weight = allocate(N_ENTRIES * sizeof *c->weight);
    c->target = allocate(N_ENTRIES * sizeof *c->target);
    c->factors = allocate((size_t)(n_rows * stride) * sizeof(float));
    c->gram = allocate((size_t)(rank * stride) * sizeof(double));
    c->rhs = allocate((size_t)stride * sizeof(double));
    c->scratch = allocate(qn_gram_scratch_bytes(rank));
    for (int64_t i = 0; i < n_rows * stride; i++)
        c->factors[i] = i % stride < rank ? next_number(&seed) : 0.0F;
    for (int64_t j = 0; j < N_ENTRIES; j++) {
        c->index[j] = (uint32_t)((next_number(&seed) + 1.0F) * 0.5F * (float)n_rows);
        c->weight[j] = 2.0F + next_number(&seed);
        c->target[j] = next_number(&seed);
    }
    c->run = (qn_gram_run){RUN_LENGTH, c->index, NULL, c->target, c->factors, stride, rank, 0};
}

static void gram_case_release(gram_case *c)
{
    free(c->index);
    free(c->weight);
    free(c->target);
    free(c->factors);
    free(c->gram);
    free(c->rhs);
    free(c->scratch);
}

/* One normal equation per run, as a sweep does it. */
static void sum_runs(const qn_kernels *set, gram_case *c, bool is_double, bool is_weighted)
{
    const size_t size = is_double ? sizeof(double) : sizeof(float);
    const size_t gram_bytes = (size_t)c->run.rank * (size_t)c->run.stride * size;

    for (int32_t i = 0; i < N_RUNS; i++) {
        const int64_t start = (int64_t)i * RUN_LENGTH;

        memset(c->gram, 0, gram_bytes);
        memset(c->rhs, 0, (size_t)c->run.stride * size);
        c->run.index = c->index + start;
        c->run.weight = is_weighted ? c->weight + start : NULL;
        c->run.target = c->target + start;
        c->run.n_ahead = (int32_t)(N_ENTRIES - start - RUN_LENGTH);
        if (is_double)
            set->gram_f64(&c->run, c->gram, c->rhs, c->scratch);
        else
            set->gram_f32(&c->run, (float *)c->gram, (float *)c->rhs, c->scratch);
    }
}

/* Seconds per rating. */
static double time_gram(const qn_kernels *set, gram_case *c, bool is_double, bool is_weighted)
{
    double best = HUGE_VAL;

    for (int32_t i = 0; i < N_TIMES; i++) {
        const double start = now();

        sum_runs(set, c, is_double, is_weighted);
        const double seconds = (now() - start) / N_ENTRIES;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void report_gram(const qn_kernels *set, double peak)
{
    static const int64_t table_rows[] = {2000, 100000};

    printf("%-9s %5s %7s | %9s %7s %6s | %9s %7s | %9s %7s\n", "gram", "rank", "rows", "ns/rating",
           "GF/s", "peak", "weighted", "GF/s", "double", "GF/s");
    for (int32_t t = 0; t < 2; t++) {
        for (int32_t i = 0; i < N_RANKS; i++) {
            const double flops = (double)ranks[i] * (ranks[i] + 3);
            gram_case c;

            gram_case_init(&c, ranks[i], table_rows[t]);
            const double plain = time_gram(set, &c, false, false);
            const double weighted = time_gram(set, &c, false, true);
            const double twice = time_gram(set, &c, true, false);
            printf("%-9s %5d %7d | %9.2f %7.1f %5.1f%% | %9.2f %7.1f | %9.2f %7.1f\n", set->name,
                   ranks[i], (int)table_rows[t], plain * 1e9, flops / plain * 1e-9,
                   peak > 0 ? 100.0 * flops / plain / peak : 0.0, weighted * 1e9,
                   flops / weighted * 1e-9, twice * 1e9, flops / twice * 1e-9);
            gram_case_release(&c);
        }
    }
}

/* A well-conditioned matrix in either precision: random rows' Gram plus the identity. */
static void make_spd(const qn_kernels *set, gram_case *c, bool is_double)
{
    const size_t size = is_double ? sizeof(double) : sizeof(float);

    memset(c->gram, 0, (size_t)c->run.rank * (size_t)c->run.stride * size);
    memset(c->rhs, 0, (size_t)c->run.stride * size);
    c->run.index = c->index;
    c->run.weight = NULL;
    c->run.target = c->target;
    c->run.n_ahead = 0;
    c->run.n = N_ENTRIES / 100;
    if (is_double)
        set->gram_f64(&c->run, c->gram, c->rhs, c->scratch);
    else
        set->gram_f32(&c->run, (float *)c->gram, (float *)c->rhs, c->scratch);
    c->run.n = RUN_LENGTH;
}

/* Seconds per solve; the copy that restores the matrix is timed apart and taken off. */
static double time_cholesky(const qn_kernels *set, gram_case *c, bool is_double)
{
    const size_t size = is_double ? sizeof(double) : sizeof(float);
    const size_t bytes = (size_t)c->run.rank * (size_t)c->run.stride * size;
    const size_t rhs_bytes = (size_t)c->run.stride * size;
    const int64_t n = 20 + 20000000 / ((int64_t)c->run.rank * c->run.rank * c->run.rank + 20000);
    char *gram = allocate(bytes);
    char *rhs = allocate(rhs_bytes);
    double best[2] = {HUGE_VAL, HUGE_VAL};

    make_spd(set, c, is_double);
    for (int32_t i = 0; i < 2 * N_TIMES; i++) {
        const double start = now();

        for (int64_t j = 0; j < n; j++) {
            memcpy(gram, c->gram, bytes);
            memcpy(rhs, c->rhs, rhs_bytes);
            __asm__ volatile("" : : "r"(gram), "r"(rhs) : "memory");
            if (i % 2 == 0)
                continue;
            if (is_double)
                set->cholesky_f64(c->run.rank, c->run.stride, (double *)gram, 0.5, (double *)rhs);
            else
                set->cholesky_f32(c->run.rank, c->run.stride, (float *)gram, 0.5F, (float *)rhs);
        }
        const double seconds = (now() - start) / (double)n;
        best[i % 2] = seconds < best[i % 2] ? seconds : best[i % 2];
    }
    free(gram);
    free(rhs);
    return best[1] - best[0];
}

static void report_cholesky(const qn_kernels *set)
{
    printf("%-9s %5s | %9s %7s | %9s %7s\n", "cholesky", "rank", "ns/solve", "GF/s", "double",
           "GF/s");
    for (int32_t i = 0; i < N_RANKS; i++) {
        const double k = ranks[i];
        const double flops = k * k * k / 3.0 + 2.0 * k * k;
        gram_case c;

        gram_case_init(&c, ranks[i], 2000);
        const double plain = time_cholesky(set, &c, false);
        const double twice = time_cholesky(set, &c, true);
        printf("%-9s %5d | %9.0f %7.2f | %9.0f %7.2f\n", set->name, ranks[i], plain * 1e9,
               flops / plain * 1e-9, twice * 1e9, flops / twice * 1e-9);
        gram_case_release(&c);
    }
}

static void report_scores(const qn_kernels *set, float *sink)
{
    const int32_t rank = 64;
    const int64_t n = 20000;
    float *users = allocate((size_t)8 * 64 * sizeof *users);
    float *panel = allocate((size_t)64 * QN_PANEL * sizeof *panel);
    float *out = allocate((size_t)8 * QN_PANEL * sizeof *out);
    double best = HUGE_VAL;

    for (int32_t i = 0; i < N_TIMES; i++) {
        const double start = now();

        for (int64_t j = 0; j < n; j++)
            set->score_panel(8, rank, 64, users, panel, out);
        const double seconds = (now() - start) / (double)n;
        best = seconds < best ? seconds : best;
        *sink += out[0];
    }
    printf("%-9s 8 users x 16 items, rank 64: %.0f ns, %.1f GF/s (multiply and add apart)\n",
           "scores", best * 1e9, 2.0 * 8 * QN_PANEL * rank / best * 1e-9);
    free(users);
    free(panel);
    free(out);
}

/* FNV-1a, 64 bits. */
static uint64_t add_to_digest(uint64_t digest, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < n; i++)
        digest = (digest ^ b[i]) * 1099511628211U;
    return digest;
}

static uint64_t digest_case(const qn_kernels *set, gram_case *c, bool is_double, bool is_weighted)
{
    const size_t size = is_double ? sizeof(double) : sizeof(float);
    const int32_t rank = c->run.rank;
    uint64_t digest = 14695981039346656037U;

    sum_runs(set, c, is_double, is_weighted);
    for (int32_t a = 0; a < rank; a++)
        digest = add_to_digest(digest, (char *)c->gram + (size_t)(a * c->run.stride + a) * size,
                               (size_t)(rank - a) * size);
    digest = add_to_digest(digest, c->rhs, (size_t)rank * size);
    if (is_double)
        set->cholesky_f64(rank, c->run.stride, c->gram, 0.5, c->rhs);
    else
        set->cholesky_f32(rank, c->run.stride, (float *)c->gram, 0.5F, (float *)c->rhs);
    return add_to_digest(digest, c->rhs, (size_t)rank * size);
}

/* Two builds of one set agree when these lines do. */
static void report_digest(const qn_kernels *set)
{
    for (int32_t rank = 1; rank <= 130; rank++) {
        gram_case c;
        uint64_t digest = 0;

        gram_case_init(&c, rank, 2000);
        for (int32_t i = 0; i < 4; i++)
            digest = digest * 31 + digest_case(set, &c, i / 2, i % 2);
        printf("%-9s rank %3d %016llx\n", set->name, rank, (unsigned long long)digest);
        gram_case_release(&c);
    }
}

static void report(const qn_kernels *set, float *sink)
{
    const double peak = measure_peak(set, sink);

    printf("%s: %.1f GF/s of fused multiply-adds; reads %.1f GB/s near, %.1f GB/s far\n", set->name,
           peak * 1e-9, measure_moments(set, 2000, sink) * 1e-9,
           measure_moments(set, (int64_t)1 << 24, sink) * 1e-9);
    report_gram(set, peak);
    report_cholesky(set);
    report_scores(set, sink);
}

int main(int argc, char **argv)
{
    const bool digests = argc > 1 && strcmp(argv[1], "--digest") == 0;
    const char *only = argc > 1 && !digests ? argv[1] : NULL;
    const char *names[3];
    const int32_t n = qn_kernels_available(names);
    float sink = 0.0F;

    if (only && !qn_kernels_pick(only)) {
        fprintf(stderr, "bench_kernels: this processor has no kernel set %s\n", only);
        return 2;
    }
    for (int32_t i = n - 1; i >= 0; i--) {
        if (only && strcmp(only, names[i]) != 0)
            continue;
        if (digests)
            report_digest(qn_kernels_pick(names[i]));
        else
            report(qn_kernels_pick(names[i]), &sink);
    }
    return sink == 0.125F; /* keeps the compiler from dropping the work */
}
