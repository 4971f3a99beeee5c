#include "kernels_check.h"

#include <math.h>

static const int64_t awkward_lengths[] = {0, 1, 7, 8, 9, 63, 64, 65, 200, 1000};
#define N_LENGTHS     10
#define MOST_ENTRIES  1000
#define N_FACTOR_ROWS 37

/* A run over random rows, its factors in a block of exactly the size that may be read. */
typedef struct random_run {
    qn_gram_run run;
    uint32_t index[MOST_ENTRIES];
    float weight[MOST_ENTRIES];
    float target[MOST_ENTRIES];
    float *factors;
    size_t factor_bytes;
} random_run;

static void random_run_init(random_run *r, int32_t rank, int64_t n, bool is_weighted)
{
    uint64_t seed = (uint64_t)rank * 1000003U + (uint64_t)n;

    r->run = (qn_gram_run){.n = n, .index = r->index, .target = r->target, .rank = rank};
    r->run.weight = is_weighted ? r->weight : NULL;
    r->run.stride = qn_factor_stride(rank);
    r->factor_bytes = (size_t)N_FACTOR_ROWS * (size_t)r->run.stride * sizeof(float);
    r->factors = guarded_alloc(r->factor_bytes);
    r->run.factors = r->factors;
    for (int32_t i = 0; i < N_FACTOR_ROWS; i++) {
        for (int32_t f = 0; f < rank; f++)
            r->factors[i * r->run.stride + f] = next_number(&seed);
    }
    for (int64_t j = 0; j < MOST_ENTRIES; j++) {
        r->index[j] = (uint32_t)((next_number(&seed) + 1.0F) * 0.5F * N_FACTOR_ROWS);
        r->weight[j] = 2.0F + next_number(&seed);
        r->target[j] = next_number(&seed);
    }
}

static void random_run_release(random_run *r)
{
    guarded_free(r->factors, r->factor_bytes);
}

/* Sums in long double of the entry (a, b), b == rank being the right-hand side, and of its absolute
 * terms, which bound the rounding. */
static long double exact_entry(const random_run *r, int32_t a, int32_t b, double *terms)
{
    long double sum = 0.0L;

    *terms = 0.0;
    for (int64_t j = 0; j < r->run.n; j++) {
        const float *y = r->factors + r->index[j] * r->run.stride;
        const long double weight = r->run.weight ? r->weight[j] : 1.0L;
        const long double right = b < r->run.rank ? weight * y[b] : r->target[j];

        sum += y[a] * right;
        *terms += fabs((double)(y[a] * right));
    }
    return sum;
}

/* A chain of n additions of products with at most two roundings each. */
static void check_entry(const random_run *r, int32_t a, int32_t b, double got, double epsilon)
{
    double terms;
    const double wanted = (double)exact_entry(r, a, b, &terms);
    const double bound = (double)(r->run.n + 3) * epsilon * terms;

    if (!(fabs(got - wanted) <= bound)) {
        print_error("rank %d, n %d, entry (%d, %d): %.17g, not %.17g +- %g\n", r->run.rank,
                    (int)r->run.n, a, b, got, wanted, bound);
        fail();
    }
}

/* All entries would take minutes at rank 129: every corner of a tile is among these. */
static bool is_checked(int32_t rank, int32_t a, int32_t b)
{
    return rank <= 24 || (a * 31 + b * 17) % 7 == 0 || b >= rank - 1 || a == b;
}

static void check_gram_f32(const qn_kernels *set, const random_run *r)
{
    const size_t gram_bytes = (size_t)r->run.rank * (size_t)r->run.stride * sizeof(float);
    const size_t rhs_bytes = (size_t)r->run.stride * sizeof(float);
    const size_t scratch_bytes = qn_gram_scratch_bytes(r->run.rank);
    float *gram = guarded_alloc(gram_bytes);
    float *rhs = guarded_alloc(rhs_bytes);
    void *scratch = guarded_alloc(scratch_bytes);

    memset(scratch, 0xFF, scratch_bytes); /* NaN: what it held before may not matter */
    set->gram_f32(&r->run, gram, rhs, scratch);
    for (int32_t a = 0; a < r->run.rank; a++) {
        for (int32_t b = a; b < r->run.rank; b++) {
            if (is_checked(r->run.rank, a, b))
                check_entry(r, a, b, gram[a * r->run.stride + b], 0x1p-24);
        }
        check_entry(r, a, r->run.rank, rhs[a], 0x1p-24);
    }
    guarded_free(gram, gram_bytes);
    guarded_free(rhs, rhs_bytes);
    guarded_free(scratch, scratch_bytes);
}

static void check_gram_f64(const qn_kernels *set, const random_run *r)
{
    const size_t gram_bytes = (size_t)r->run.rank * (size_t)r->run.stride * sizeof(double);
    const size_t rhs_bytes = (size_t)r->run.stride * sizeof(double);
    const size_t scratch_bytes = qn_gram_scratch_bytes(r->run.rank);
    double *gram = guarded_alloc(gram_bytes);
    double *rhs = guarded_alloc(rhs_bytes);
    void *scratch = guarded_alloc(scratch_bytes);

    memset(scratch, 0xFF, scratch_bytes);
    set->gram_f64(&r->run, gram, rhs, scratch);
    for (int32_t a = 0; a < r->run.rank; a++) {
        for (int32_t b = a; b < r->run.rank; b++) {
            if (is_checked(r->run.rank, a, b))
                check_entry(r, a, b, gram[a * r->run.stride + b], 0x1p-53);
        }
        check_entry(r, a, r->run.rank, rhs[a], 0x1p-53);
    }
    guarded_free(gram, gram_bytes);
    guarded_free(rhs, rhs_bytes);
    guarded_free(scratch, scratch_bytes);
}

/* Long runs of large ranks take the exact sums long; the paths are the same from 65 entries on. */
static bool is_worth_it(int32_t rank, int64_t n)
{
    return n <= 200 ? rank <= 65 || n <= 65 : rank <= 17 || rank == 50;
}

static void every_gram_equals_the_exact_sum_within_rounding(void **state)
{
    static random_run r;

    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t i = 0; set && i < N_RANKS * N_LENGTHS * 2; i++) {
            const int32_t rank = awkward_ranks[i / 2 / N_LENGTHS];
            const int64_t n = awkward_lengths[i / 2 % N_LENGTHS];

            if (!is_worth_it(rank, n))
                continue;
            random_run_init(&r, rank, n, i % 2);
            check_gram_f32(set, &r);
            check_gram_f64(set, &r);
            random_run_release(&r);
        }
    }
}

/* Upper triangle and right-hand side alone. */
static void check_same_bits(int32_t rank, int64_t stride, size_t size, const void *x, const void *y)
{
    for (int32_t a = 0; a < rank; a++) {
        const size_t at = (size_t)(a * stride + a) * size;

        assert_memory_equal((const char *)x + at, (const char *)y + at, (size_t)(rank - a) * size);
    }
}

/* Runs the whole at once, then cut in three, with and without a look ahead. */
static void check_cut(const qn_kernels *set, const random_run *r, bool is_double, int64_t first,
                      int64_t second)
{
    const int64_t cut[4] = {0, first, second, r->run.n};
    const size_t size = is_double ? sizeof(double) : sizeof(float);
    const size_t bytes = (size_t)(r->run.rank + 1) * (size_t)r->run.stride * size;
    const size_t rhs_at = (size_t)r->run.rank * (size_t)r->run.stride * size;
    const size_t scratch_bytes = qn_gram_scratch_bytes(r->run.rank);
    char *sums[2] = {guarded_alloc(bytes), guarded_alloc(bytes)};
    void *scratch = guarded_alloc(scratch_bytes);

    for (int32_t part = 0; part < 4; part++) {
        char *to = sums[part > 0];
        const int64_t start = part > 0 ? cut[part - 1] : 0;
        qn_gram_run run = r->run;

        run.n = part > 0 ? cut[part] - start : run.n;
        run.n_ahead = (int32_t)(r->run.n - start - run.n);
        run.index += start;
        run.weight = run.weight ? run.weight + start : NULL;
        run.target += start;
        if (is_double)
            set->gram_f64(&run, (double *)to, (double *)(to + rhs_at), scratch);
        else
            set->gram_f32(&run, (float *)to, (float *)(to + rhs_at), scratch);
    }
    check_same_bits(r->run.rank, r->run.stride, size, sums[0], sums[1]);
    assert_memory_equal(sums[0] + rhs_at, sums[1] + rhs_at, (size_t)r->run.rank * size);
    guarded_free(sums[0], bytes);
    guarded_free(sums[1], bytes);
    guarded_free(scratch, scratch_bytes);
}

static void cutting_a_run_changes_no_bit(void **state)
{
    static random_run r;

    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t i = 0; set && i < N_RANKS * 2; i++) {
            random_run_init(&r, awkward_ranks[i / 2], 333, i % 2);
            check_cut(set, &r, false, 1, 100);
            check_cut(set, &r, false, 97, 97);
            check_cut(set, &r, true, 65, 300);
            random_run_release(&r);
        }
    }
}

static void a_row_of_a_gram_is_what_was_there_plus_the_run(void **state)
{
    /* k = 2: add ([1,2], 3), then ([4,5], 12) with weight 2: the target is multiplied by the
     * caller; then another ([7,8], 9). Spark's NormalEquation suite. */
    static const float factors[3 * 16] = {1, 2, [16] = 4, 5, [32] = 7, 8};
    static const uint32_t index[3] = {0, 1, 2};
    static const float weight[3] = {1, 2, 1};
    static const float target[3] = {3, 12, 9};
    static _Alignas(64) float aligned[3 * 16];

    (void)state;
    memcpy(aligned, factors, sizeof factors);
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);
        float gram[2 * 16] = {0};
        float rhs[16] = {0};
        qn_gram_run run = {2, index, weight, target, aligned, 16, 2, 0};
        void *scratch = guarded_alloc(qn_gram_scratch_bytes(2));

        if (set) {
            set->gram_f32(&run, gram, rhs, scratch);
            CHECK(gram[0] == 33 && gram[1] == 42 && gram[17] == 54);
            CHECK(rhs[0] == 51 && rhs[1] == 66);
            run = (qn_gram_run){1, index + 2, weight + 2, target + 2, aligned, 16, 2, 0};
            set->gram_f32(&run, gram, rhs, scratch);
            CHECK(gram[0] == 82 && gram[1] == 98 && gram[17] == 118);
            CHECK(rhs[0] == 114 && rhs[1] == 138);
        }
        guarded_free(scratch, qn_gram_scratch_bytes(2));
    }
}

static void the_gram_of_consecutive_rows_equals_a_run_over_them(void **state)
{
    static random_run r;

    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t i = 0; set && i < N_RANKS; i++) {
            const int32_t rank = awkward_ranks[i];
            const size_t bytes = (size_t)rank * (size_t)qn_factor_stride(rank) * sizeof(float);
            float *gram = guarded_alloc(bytes);

            random_run_init(&r, rank, N_FACTOR_ROWS, false);
            for (uint32_t j = 0; j < N_FACTOR_ROWS; j++)
                r.index[j] = j;
            set->gram_rows_f32(20, rank, r.run.stride, r.factors, gram);
            set->gram_rows_f32(N_FACTOR_ROWS - 20, rank, r.run.stride,
                               r.factors + 20 * r.run.stride, gram);
            for (int32_t a = 0; a < rank; a++) {
                for (int32_t b = a; b < rank; b++)
                    check_entry(&r, a, b, gram[a * r.run.stride + b], 0x1p-24);
            }
            guarded_free(gram, bytes);
            random_run_release(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_of_a_gram_is_what_was_there_plus_the_run),
        cmocka_unit_test(every_gram_equals_the_exact_sum_within_rounding),
        cmocka_unit_test(cutting_a_run_changes_no_bit),
        cmocka_unit_test(the_gram_of_consecutive_rows_equals_a_run_over_them),
    };

    return cmocka_run_group_tests_name("gram", tests, NULL, NULL);
}
