/* How fast the kernels on panels are, beside what the machine can do, on one thread and on two.
 *     bench_panels [SET] [ROWS]     the best set and 5 million rows unless told
 * A pass is nearest and then label_moves on each chunk of QN_LABEL_ROWS rows, as K-means does it:
 * the first one moves all rows, a late one none.
 * Useful work is 2 k d operations a row for nearest and products, 3 d for label_distance, d for
 * label_sums. Rates of reading count the rows' values alone. */
#include "kernels/kernels.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#ifdef QN_X86_64
#include <immintrin.h>
#endif

#ifdef __clang__
#define UNROLL_ALL _Pragma("clang loop unroll(full)")
#else
#define UNROLL_ALL _Pragma("GCC unroll 16")
#endif

#define N_FEATURES   18
#define TOTAL_STRIDE 24
#define MOST_K       100
#define MOST_THREADS 2
#define N_TIMES      15 /* the best of so many is reported */
#define HUGE_PAGE    ((size_t)1 << 21)

typedef enum work {
    READ,
    SPIN,
    NEAREST,
    SUMS,
    MOVES,
    FIRST,
    LATE,
    DISTANCE,
    PRODUCTS,
    N_WORKS
} work;

/* Rows and centres, and what the kernels write. */
typedef struct table {
    const qn_kernels *set;
    int64_t n_rows; /* a multiple of QN_PANEL */
    float *x;
    int32_t *label, *before;
    double *distance;
    qn_centres centres;
    double centre[MOST_K * N_FEATURES];
    _Alignas(64) float shifted[MOST_K * N_FEATURES];
    float half_norm[MOST_K];
    float origin[N_FEATURES];
    double total_origin[TOTAL_STRIDE], scale[TOTAL_STRIDE];
} table;

typedef struct part {
    pthread_t thread;
    table *table;
    work work;
    int64_t first, end; /* rows */
    double sums[MOST_K * N_FEATURES];
    double weights[MOST_K];
    _Alignas(64) uint64_t totals[MOST_K * TOTAL_STRIDE];
    double products[MOST_K * QN_PANEL];
    double sink;
} part;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t bytes)
{
    const size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *block = aligned_alloc(HUGE_PAGE, whole);

    if (!block) {
        fprintf(stderr, "bench_panels: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    madvise(block, whole, MADV_HUGEPAGE);
    memset(block, 0, whole);
    return block;
}

/* Uniform in [-1, 1). */
static float next_number(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (float)(int64_t)(*seed >> 44) / 524288.0F - 1.0F;
}

/* Two chains for each of two ports and four cycles of delay, and some to spare. */
#ifdef QN_X86_64
__attribute__((target("avx512f"))) static double spin_avx512(int64_t n)
{
    const __m512 a = _mm512_set1_ps(0.5F);
    __m512 x[16];

    UNROLL_ALL
    for (int i = 0; i < 16; i++)
        x[i] = _mm512_set1_ps((float)i);
    for (int64_t j = 0; j < n; j++) {
        UNROLL_ALL
        for (int i = 0; i < 16; i++)
            x[i] = _mm512_fmadd_ps(x[i], a, a);
        __asm__ volatile("" : "+v"(x[0]), "+v"(x[9]));
    }
    UNROLL_ALL
    for (int i = 1; i < 16; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    return (double)_mm512_cvtss_f32(x[0]);
}

__attribute__((target("avx2,fma"))) static double spin_avx2(int64_t n)
{
    const __m256 a = _mm256_set1_ps(0.5F);
    __m256 x[12];

    UNROLL_ALL
    for (int i = 0; i < 12; i++)
        x[i] = _mm256_set1_ps((float)i);
    for (int64_t j = 0; j < n; j++) {
        UNROLL_ALL
        for (int i = 0; i < 12; i++)
            x[i] = _mm256_fmadd_ps(x[i], a, a);
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

#define N_SPINS 1000000

/* Operations of one spin. */
static double spin_work(const table *t)
{
    return 2.0 * N_SPINS * (t->set->level == 2 ? 16 * 16 : 12 * 8);
}

static double read_rows(const float *x, int64_t n)
{
    const uint64_t *word = (const uint64_t *)(const void *)x;
    uint64_t sum[8] = {0};

    for (int64_t i = 0; i < n / 2; i += 8) {
        for (int j = 0; j < 8; j++)
            sum[j] += word[i + j];
    }
    for (int j = 1; j < 8; j++)
        sum[0] += sum[j];
    return (double)sum[0];
}

static void run_chunk(part *p, int64_t first, int64_t n)
{
    const table *t = p->table;
    const float *x = t->x + first * N_FEATURES;
    const qn_label_totals totals = {N_FEATURES, t->total_origin, t->scale, p->totals};

    switch (p->work) {
    case READ:
        p->sink += read_rows(x, n * N_FEATURES);
        break;
    case NEAREST:
        t->set->nearest_f32(n, x, &t->centres, t->label + first);
        break;
    case SUMS:
        t->set->label_sums_f32(n, N_FEATURES, x, t->label + first, NULL, p->sums, p->weights);
        break;
    case FIRST:
    case LATE:
        t->set->nearest_f32(n, x, &t->centres, t->label + first);
        /* fallthrough */
    case MOVES:
        if (p->work != LATE)
            memset(t->before + first, -1, (size_t)n * sizeof *t->before);
        t->set->label_moves_f32(n, x, NULL, t->label + first, t->before + first, &totals);
        break;
    case DISTANCE:
        t->set->label_distance_f32(n, N_FEATURES, x, t->label + first, t->centre,
                                   t->distance + first);
        break;
    case PRODUCTS:
        for (int64_t r = 0; r < n; r += QN_PANEL)
            t->set->products_f32(t->centres.k, N_FEATURES, x + r * N_FEATURES, t->centre,
                                 p->products);
        break;
    default:
        break;
    }
}

static void *run_part(void *argument)
{
    part *p = argument;

    if (p->work == SPIN) {
        p->sink += p->table->set->level == 2 ? spin_avx512(N_SPINS) : spin_avx2(N_SPINS);
        return NULL;
    }
    for (int64_t r = p->first; r < p->end; r += QN_LABEL_ROWS)
        run_chunk(p, r, p->end - r < QN_LABEL_ROWS ? p->end - r : QN_LABEL_ROWS);
    return NULL;
}

/* Seconds of one run over all rows, the best of several. */
static double measure(table *t, work what, int n_threads, double *sink)
{
    static part parts[MOST_THREADS];
    const int64_t n_panels = t->n_rows / QN_PANEL;
    double best = HUGE_VAL;

    for (int i = 0; i < N_TIMES; i++) {
        const double start = now();

        for (int j = 0; j < n_threads; j++) {
            parts[j].table = t;
            parts[j].work = what;
            parts[j].first = n_panels * j / n_threads * QN_PANEL;
            parts[j].end = n_panels * (j + 1) / n_threads * QN_PANEL;
            if (pthread_create(&parts[j].thread, NULL, run_part, &parts[j]) != 0)
                exit(1);
        }
        for (int j = 0; j < n_threads; j++) {
            pthread_join(parts[j].thread, NULL);
            *sink += parts[j].sink;
        }
        const double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

/* Rows around 20 places, of about unit spread. */
static void fill_rows(table *t)
{
    uint64_t seed = 7;
    float place[20][N_FEATURES];

    for (int i = 0; i < 20 * N_FEATURES; i++)
        place[i / N_FEATURES][i % N_FEATURES] = 1.5F * next_number(&seed);
    for (int64_t r = 0; r < t->n_rows; r++) {
        const float *middle = place[(int)((next_number(&seed) + 1.0F) * 10.0F)];
        float *row = t->x + r / QN_PANEL * QN_PANEL * N_FEATURES + r % QN_PANEL;

        for (int f = 0; f < N_FEATURES; f++)
            row[f * QN_PANEL] = middle[f] + next_number(&seed) + next_number(&seed);
    }
}

/* k rows as centres. */
static void choose_centres(table *t, int32_t k)
{
    uint64_t seed = 3;
    double reach = 0.0;

    for (int32_t j = 0; j < k; j++) {
        const int64_t r =
            (int64_t)(((double)next_number(&seed) + 1.0) * 0.5 * (double)(t->n_rows - 1));
        const float *row = t->x + r / QN_PANEL * QN_PANEL * N_FEATURES + r % QN_PANEL;
        double square = 0.0;

        for (int f = 0; f < N_FEATURES; f++) {
            t->centre[j * N_FEATURES + f] = (double)row[f * QN_PANEL];
            t->shifted[j * N_FEATURES + f] = row[f * QN_PANEL];
            square += (double)row[f * QN_PANEL] * (double)row[f * QN_PANEL];
        }
        t->half_norm[j] = (float)(0.5 * square);
        reach = square > reach ? square : reach;
    }
    t->centres = (qn_centres){k,
                              N_FEATURES,
                              t->centre,
                              t->origin,
                              t->shifted,
                              t->half_norm,
                              nextafterf((float)sqrt(reach), HUGE_VALF)};
}

static void report(table *t, int32_t k, int n_threads, double *sink)
{
    static const char *const names[N_WORKS] = {"read",      "spin",     "nearest",
                                               "sums",      "moves",    "first pass",
                                               "late pass", "distance", "products"};
    const double values = (double)t->n_rows * N_FEATURES;
    const double work_of[N_WORKS] = {0,
                                     0,
                                     2.0 * k * values,
                                     values,
                                     values,
                                     (2.0 * k + 1.0) * values,
                                     2.0 * k * values,
                                     3.0 * values,
                                     2.0 * k * values};
    const double bytes = values * sizeof(float);
    double read_rate = bytes / measure(t, READ, n_threads, sink);
    const double spin = spin_work(t) * n_threads / measure(t, SPIN, n_threads, sink);

    printf("%s, k %d, %d thread%s: reads %.1f GB/s, multiplies and adds %.0f GF/s in float\n",
           t->set->name, k, n_threads, n_threads > 1 ? "s" : "", read_rate * 1e-9, spin * 1e-9);
    for (work w = NEAREST; w < N_WORKS; w++) {
        const double seconds = measure(t, w, n_threads, sink);

        printf("  %-10s %8.1f ms %7.1f GB/s %5.1f%% of reading %8.1f GF/s %5.1f%% of peak\n",
               names[w], seconds * 1e3, bytes / seconds * 1e-9, 100.0 * bytes / seconds / read_rate,
               work_of[w] / seconds * 1e-9, 100.0 * work_of[w] / seconds / spin);
    }
}

int main(int argc, char **argv)
{
    static const int32_t ks[] = {8, 100};
    static table t;
    double sink = 0.0;

    t.set = qn_kernels_pick(argc > 1 ? argv[1] : NULL);
    t.n_rows = (argc > 2 ? atoll(argv[2]) : 5000000) / QN_PANEL * QN_PANEL;
    if (!t.set || t.n_rows <= 0) {
        fprintf(stderr, "usage: bench_panels [SET] [ROWS], of a set that this processor runs\n");
        return 2;
    }
    t.x = allocate((size_t)t.n_rows * N_FEATURES * sizeof *t.x);
    t.label = allocate((size_t)t.n_rows * sizeof *t.label);
    t.before = allocate((size_t)t.n_rows * sizeof *t.before);
    for (int f = 0; f <= N_FEATURES; f++)
        t.scale[f] = f < N_FEATURES ? 0x1p30 : 1.0;
    t.distance = allocate((size_t)t.n_rows * sizeof *t.distance);
    fill_rows(&t);
    for (int i = 0; i < 2; i++) {
        choose_centres(&t, ks[i]);
        for (int n_threads = 1; n_threads <= MOST_THREADS; n_threads++)
            report(&t, ks[i], n_threads, &sink);
    }
    free(t.x);
    free(t.label);
    free(t.before);
    free(t.distance);
    return sink == 0.125; /* keeps the compiler from dropping the work */
}
