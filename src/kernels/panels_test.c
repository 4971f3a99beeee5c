#include "kernels_check.h"

#include <float.h>
#include <math.h>

/* Rows and centres in either precision, and the same rows in panels. */
typedef struct table {
    int64_t n;
    int32_t k, d;
    double *row; /* [n x d] values as the kernel sees them */
    float *x32;  /* panels; one of the two is NULL */
    double *x64;
    size_t bytes;
    double *centre;
    float *origin, *shifted, *half_norm;
    qn_centres centres;
} table;

static void *plain_alloc(int64_t n, size_t size)
{
    const size_t bytes = ((size_t)n * size + 64) / 64 * 64;
    void *block = aligned_alloc(64, bytes);

    assert_non_null(block);
    memset(block, 0, bytes);
    return block;
}

/* All zeros, to be filled before table_ready(). */
static table table_make(bool is_double, int64_t n, int32_t d, int32_t k)
{
    const int64_t n_values = (n + QN_PANEL - 1) / QN_PANEL * QN_PANEL * d;
    table t = {.n = n, .d = d, .k = k};

    t.bytes = (size_t)n_values * (is_double ? sizeof(double) : sizeof(float));
    if (is_double)
        t.x64 = guarded_alloc(t.bytes);
    else
        t.x32 = guarded_alloc(t.bytes);
    t.row = plain_alloc(n * d, sizeof(double));
    t.centre = plain_alloc((int64_t)k * d, sizeof(double));
    t.origin = plain_alloc(d, sizeof(float));
    t.shifted = plain_alloc((int64_t)k * d, sizeof(float));
    t.half_norm = plain_alloc(k, sizeof(float));
    return t;
}

static void table_free(table *t)
{
    guarded_free(t->x32 ? (void *)t->x32 : (void *)t->x64, t->bytes);
    free(t->row);
    free(t->centre);
    free(t->origin);
    free(t->shifted);
    free(t->half_norm);
}

/* Makes panels of the rows, and what the search needs of the centres and the origin. */
static void table_ready(table *t)
{
    double reach = 0.0;

    for (int64_t i = 0; i < t->n * t->d; i++) {
        const int64_t r = i / t->d;
        const int64_t at = (r / QN_PANEL * t->d + i % t->d) * QN_PANEL + r % QN_PANEL;

        if (t->x32)
            t->row[i] = (double)(t->x32[at] = (float)t->row[i]);
        else
            t->x64[at] = t->row[i];
    }
    for (int32_t j = 0; j < t->k; j++) {
        double square = 0.0;

        for (int64_t f = 0; f < t->d; f++) {
            const int64_t i = (int64_t)j * t->d + f;

            t->shifted[i] = (float)(t->centre[i] - (double)t->origin[f]);
            square += (double)t->shifted[i] * (double)t->shifted[i];
        }
        t->half_norm[j] = (float)(0.5 * square);
        reach = square > reach ? square : reach;
    }
    reach = sqrt(reach);
    t->centres =
        (qn_centres){t->k, t->d, t->centre, t->origin, t->shifted, t->half_norm, HUGE_VALF};
    if (reach < (double)FLT_MAX)
        t->centres.reach = nextafterf((float)reach, HUGE_VALF);
}

static double next_double(uint64_t *seed)
{
    const double high = (double)next_number(seed);

    return high + (double)next_number(seed) * 0x1p-20;
}

static void fill(uint64_t seed, double scale, double offset, table *t)
{
    for (int64_t i = 0; i < t->n * t->d; i++)
        t->row[i] = offset + scale * next_double(&seed);
    for (int64_t i = 0; i < (int64_t)t->k * t->d; i++)
        t->centre[i] = offset + scale * next_double(&seed);
}

/* D(r, j) once more, by its definition. */
static double distance_of(const table *t, int64_t r, int32_t j)
{
    double sum = 0.0;

    for (int64_t f = 0; f < t->d; f++) {
        const double difference = t->row[r * t->d + f] - t->centre[(int64_t)j * t->d + f];

        sum += difference * difference;
    }
    return sum;
}

static int32_t nearest_of(const table *t, int64_t r)
{
    int32_t best = 0;

    for (int32_t j = 1; j < t->k; j++) {
        if (distance_of(t, r, j) < distance_of(t, r, best))
            best = j;
    }
    return best;
}

static void find_labels(const qn_kernels *set, const table *t, int32_t *label)
{
    if (t->x32)
        set->nearest_f32(t->n, t->x32, &t->centres, label);
    else
        set->nearest_f64(t->n, t->x64, &t->centres, label);
}

/* Every set must give the labels of the definition. */
static void check_labels(const table *t)
{
    const size_t bytes = (size_t)((t->n + QN_PANEL - 1) / QN_PANEL * QN_PANEL) * sizeof(int32_t);

    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);
        int32_t *label = guarded_alloc(bytes);

        if (set)
            find_labels(set, t, label);
        for (int64_t r = 0; set && r < t->n; r++) {
            if (label[r] != nearest_of(t, r))
                print_error("%s: row %d of %d, d %d, k %d\n", set->name, (int)r, (int)t->n, t->d,
                            t->k);
            assert_int_equal(label[r], nearest_of(t, r));
        }
        guarded_free(label, bytes);
    }
}

static const int64_t awkward_rows[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 100};
#define N_ROWS ((int32_t)(sizeof awkward_rows / sizeof *awkward_rows))
static const int32_t awkward_k[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 17, 31, 40, 100};
#define N_K ((int32_t)(sizeof awkward_k / sizeof *awkward_k))
static const int32_t awkward_d[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,   12,  13,  15,  16,  17,
                                    18, 19, 31, 33, 47, 63, 64, 65, 100, 128, 200, 256, 257, 600};
#define N_D ((int32_t)(sizeof awkward_d / sizeof *awkward_d))

static void labels_are_those_of_the_definition_at_every_awkward_shape(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 2 * N_D * N_K; i++) {
        const int32_t d = awkward_d[i / 2 % N_D];
        table t = table_make(i % 2, awkward_rows[i % N_ROWS], d, awkward_k[i / 2 / N_D]);

        fill((uint64_t)i, 1.0, i % 3 == 0 ? 0.25 : 0.0, &t);
        table_ready(&t);
        check_labels(&t);
        table_free(&t);
    }
    for (int32_t i = 0; i < 2 * N_ROWS; i++) {
        table t = table_make(i % 2, awkward_rows[i / 2], 18, 8);

        fill((uint64_t)i, 1.0, 0.0, &t);
        table_ready(&t);
        check_labels(&t);
        table_free(&t);
    }
}

static void thousands_of_centres_are_searched(void **state)
{
    table t = table_make(false, 40, 5, 3001);

    (void)state;
    fill(1, 1.0, 0.0, &t);
    table_ready(&t);
    check_labels(&t);
    table_free(&t);
}

static void of_equal_centres_the_lowest_wins(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 2 * N_K; i++) {
        const int32_t k = awkward_k[i / 2];
        table t = table_make(i % 2, 50, 3, k);

        /* Whole numbers: every distance is exact, and many are the same. */
        for (int64_t j = 0; j < t.n * t.d; j++)
            t.row[j] = (double)(j * 7 % 5);
        for (int32_t j = 0; j < k * t.d; j++)
            t.centre[j] = (double)(j / 3 % 4 + j % 3 % 2);
        table_ready(&t);
        check_labels(&t);
        for (int32_t j = 0; j < k * t.d; j++)
            t.centre[j] = 1.5;
        table_ready(&t);
        check_labels(&t);
        table_free(&t);
    }
}

/* Centres that are one float but two doubles, far from 0 and near it, and rows between them. */
static void what_floats_cannot_tell_apart_is_settled_in_double(void **state)
{
    uint64_t seed = 11;

    (void)state;
    for (int32_t i = 0; i < 40; i++) {
        table t = table_make(i % 2, 100, i % 7 + 1, 12);
        const double apart = ldexp(1.0, -20 - i % 25);

        for (int32_t j = 0; j < t.k * t.d; j++)
            t.centre[j] = 1.0 + (double)(j / t.d % 3) + apart * next_double(&seed);
        for (int64_t r = 0; r < t.n; r++) {
            const int32_t a = (int32_t)(r % t.k);
            const int32_t b = (a + 1 + (int32_t)(r % 5)) % t.k;

            for (int32_t f = 0; f < t.d; f++)
                t.row[r * t.d + f] = 0.5 * (t.centre[a * t.d + f] + t.centre[b * t.d + f]) +
                                     apart * apart * next_double(&seed);
        }
        table_ready(&t);
        check_labels(&t);
        table_free(&t);
    }
}

/* Where the float search errs most: rows and centres far from the origin, which is a poor one or a
 * good one, at many scales. */
static void labels_hold_at_every_scale_and_offset(void **state)
{
    static const double offsets[] = {0.0, 1.0, -100.0, 1e6, 3e9};

    (void)state;
    for (int32_t i = 0; i < 400; i++) {
        table t = table_make(i % 2, 64, awkward_d[i % 16], 2 + i % 23);
        const double scale = ldexp(1.0, i % 60 - 30);

        fill((uint64_t)i * 77, scale, offsets[i % 5], &t);
        for (int32_t f = 0; f < t.d && i % 3 == 0; f++)
            t.origin[f] = (float)offsets[i % 5];
        table_ready(&t);
        check_labels(&t);
        table_free(&t);
    }
}

static void rows_too_large_or_too_small_for_floats_are_labelled_in_double(void **state)
{
    static const double scales[] = {1e-45, 1e-40, 1e-37, 1e-30, 1e-20, 1e17, 1e18,
                                    1e19,  1e20,  1e30,  1e37,  1e38,  3e38};

    (void)state;
    for (int32_t i = 0; i < 2 * 13 * 4; i++) {
        table t = table_make(i % 2, 40, 3, 9);

        fill((uint64_t)i, scales[i / 2 % 13], 0.0, &t);
        /* Then rows of another scale than the centres. */
        for (int64_t j = 0; j < t.n * t.d && i / 26 > 0; j++)
            t.row[j] *= i / 26 == 1 ? 0x1p-40 : (double)(j % 50) * 1e-3;
        for (int32_t j = 0; j < t.k * t.d && i / 26 == 3; j++)
            t.centre[j] *= 0x1p-50;
        table_ready(&t);
        check_labels(&t);
        table_free(&t);
    }
    table t = table_make(true, 40, 3, 9);
    fill(5, 1e100, 0.0, &t);
    table_ready(&t);
    check_labels(&t);
    table_free(&t);
}

static void rows_without_numbers_spoil_no_other_row(void **state)
{
    static const double bad[] = {NAN, HUGE_VAL, -HUGE_VAL};

    (void)state;
    for (int32_t i = 0; i < 60; i++) {
        table t = table_make(i % 2, 49, 5, 11);

        fill((uint64_t)i, 1.0, 0.0, &t);
        for (int64_t r = i % 7; r < t.n; r += 9)
            t.row[r * t.d + i % 5] = bad[(i + r) % 3];
        table_ready(&t);
        check_labels(&t);
        table_free(&t);
    }
}

/* Sums and weights of [k x d] and [k], between guards. */
typedef struct label_sums {
    double *sums, *weights;
    size_t sums_bytes, weights_bytes;
} label_sums;

static label_sums sum_labels(const qn_kernels *set, const table *t, const int32_t *label,
                             const double *weight)
{
    label_sums s = {.sums_bytes = (size_t)t->k * (size_t)t->d * sizeof(double),
                    .weights_bytes = (size_t)t->k * sizeof(double)};

    s.sums = guarded_alloc(s.sums_bytes);
    s.weights = guarded_alloc(s.weights_bytes);
    for (int32_t i = 0; i < t->k * t->d; i++)
        s.sums[i] = 0.001 * i;
    for (int32_t j = 0; j < t->k; j++)
        s.weights[j] = 0.5;
    if (t->x32)
        set->label_sums_f32(t->n, t->d, t->x32, label, weight, s.sums, s.weights);
    else
        set->label_sums_f64(t->n, t->d, t->x64, label, weight, s.sums, s.weights);
    return s;
}

static void label_sums_free(label_sums *s)
{
    guarded_free(s->sums, s->sums_bytes);
    guarded_free(s->weights, s->weights_bytes);
}

static void check_sums(const table *t, const int32_t *label, const double *weight)
{
    double *wanted = plain_alloc((int64_t)t->k * t->d, sizeof *wanted);
    double *wanted_weights = plain_alloc(t->k, sizeof *wanted_weights);

    for (int32_t i = 0; i < t->k * t->d; i++)
        wanted[i] = 0.001 * i;
    for (int32_t j = 0; j < t->k; j++)
        wanted_weights[j] = 0.5;
    for (int64_t r = 0; r < t->n; r++) {
        for (int32_t f = 0; label[r] >= 0 && f < t->d; f++) {
            const double product = (weight ? weight[r] : 1.0) * t->row[r * t->d + f];

            wanted[label[r] * t->d + f] += product;
        }
        if (label[r] >= 0)
            wanted_weights[label[r]] += weight ? weight[r] : 1.0;
    }
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        if (set) {
            label_sums got = sum_labels(set, t, label, weight);

            assert_memory_equal(got.sums, wanted, got.sums_bytes);
            assert_memory_equal(got.weights, wanted_weights, got.weights_bytes);
            label_sums_free(&got);
        }
    }
    free(wanted);
    free(wanted_weights);
}

static void sums_by_label_have_the_bits_of_row_after_row(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 2 * N_D * N_ROWS; i++) {
        table t = table_make(i % 2, awkward_rows[i / 2 / N_D], awkward_d[i / 2 % N_D],
                             awkward_k[i % N_K]);
        int32_t *label = guarded_alloc((size_t)t.n * sizeof *label);
        double *weight = guarded_alloc((size_t)t.n * sizeof *weight);
        uint64_t seed = (uint64_t)i;

        fill(seed, 1.0, 3.0, &t);
        table_ready(&t);
        for (int64_t r = 0; r < t.n; r++) {
            label[r] = (int32_t)((next_double(&seed) + 1.0) * 0.5 * t.k);
            weight[r] = next_double(&seed) + 1.25;
        }
        check_sums(&t, label, NULL);
        check_sums(&t, label, weight);
        for (int64_t r = i % 3; r < t.n; r += 3)
            label[r] = r % 2 ? -1 : INT32_MIN;
        check_sums(&t, label, NULL);
        check_sums(&t, label, weight);
        for (int64_t r = 0; r < t.n; r++)
            label[r] = i % 5 == 0 ? -1 : t.k - 1;
        check_sums(&t, label, NULL);
        check_sums(&t, label, weight);
        guarded_free(label, (size_t)t.n * sizeof *label);
        guarded_free(weight, (size_t)t.n * sizeof *weight);
        table_free(&t);
    }
}

static void a_bad_row_spoils_the_sums_of_its_own_label_alone(void **state)
{
    (void)state;
    for (int32_t s = 0; s < 2 * N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s / 2);
        table t = table_make(s % 2, 33, 18, 3);
        int32_t label[33];

        if (set) {
            fill(9, 1.0, 0.0, &t);
            for (int32_t r = 0; r < 33; r++)
                label[r] = r % 3;
            t.row[4 * 18 + 7] = NAN;
            t.row[19 * 18 + 8] = HUGE_VAL;
            table_ready(&t);
            label_sums got = sum_labels(set, &t, label, NULL);
            for (int32_t i = 0; i < 3 * 18; i++)
                CHECK_EQ(isfinite(got.sums[i]) != 0, i != 18 + 7 && i != 18 + 8);
            CHECK_NEAR(got.weights[1], 11.5, 0.0);
            label_sums_free(&got);
        }
        table_free(&t);
    }
}

/* What a row counts as in feature f of the sums, by its definition. */
static uint64_t whole_of(const table *t, const qn_label_totals *to, int64_t r, int64_t f,
                         const double *weight)
{
    const double value = f < t->d ? t->row[r * t->d + f] : f == t->d ? 1.0 : 0.0;
    const double product = (value - to->origin[f]) * to->scale[f] * (weight ? weight[r] : 1.0);

    return (uint64_t)llrint(product);
}

/* Every label changes, then one in so many; after each the sums must be those of all rows by label.
 */
static void check_moves(const qn_kernels *set, const table *t, const double *weight,
                        const qn_label_totals *shape, int32_t one_in)
{
    const int64_t stride = qn_total_stride(t->d);
    const size_t bytes = (size_t)(t->k * stride) * sizeof(uint64_t);
    const size_t label_bytes = (size_t)t->n * sizeof(int32_t);
    int32_t *label = guarded_alloc(label_bytes);
    int32_t *before = guarded_alloc(label_bytes);
    uint64_t *wanted = plain_alloc(t->k * stride, sizeof *wanted);
    uint64_t seed = (uint64_t)one_in;
    qn_label_totals to = *shape;

    to.sums = guarded_alloc(bytes);
    memset(to.sums, 0, bytes);
    for (int64_t r = 0; r < t->n; r++)
        before[r] = -1;
    for (int32_t round = 0; round < 3; round++) {
        memset(wanted, 0, bytes);
        for (int64_t r = 0; r < t->n; r++) {
            if (round == 0 || (int32_t)((next_double(&seed) + 1.0) * 0.5 * one_in) == 0)
                label[r] = (int32_t)((next_double(&seed) + 1.0) * 0.5 * t->k);
            for (int64_t f = 0; f < stride; f++)
                wanted[label[r] * stride + f] += whole_of(t, &to, r, f, weight);
        }
        if (t->x32)
            set->label_moves_f32(t->n, t->x32, weight, label, before, &to);
        else
            set->label_moves_f64(t->n, t->x64, weight, label, before, &to);
        assert_memory_equal(to.sums, wanted, bytes);
        assert_memory_equal(before, label, label_bytes);
    }
    guarded_free(to.sums, bytes);
    guarded_free(label, label_bytes);
    guarded_free(before, label_bytes);
    free(wanted);
}

static void moved_rows_leave_the_sums_of_all_rows_by_label(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 2 * N_D * N_SETS; i++) {
        const qn_kernels *set = set_or_skip(i % N_SETS);
        table t = table_make(i % 2, awkward_rows[i % N_ROWS], awkward_d[i / 2 / N_SETS],
                             awkward_k[i % N_K]);
        const int64_t stride = qn_total_stride(t.d);
        double *origin = plain_alloc(stride, sizeof *origin);
        double *scale = plain_alloc(stride, sizeof *scale);
        double *weight = guarded_alloc((size_t)t.n * sizeof *weight);
        const qn_label_totals shape = {t.d, origin, scale, NULL};
        uint64_t seed = (uint64_t)i;

        fill(seed, 1.0, 3.0, &t);
        table_ready(&t);
        for (int32_t f = 0; f < t.d; f++) {
            origin[f] = 3.0 + 0.1 * f / t.d;
            scale[f] = ldexp(1.0, 20 + f % 27);
        }
        scale[t.d] = 0x1p40;
        for (int64_t r = 0; r < t.n; r++)
            weight[r] = next_double(&seed) + 1.25;
        for (int32_t one_in = 1; set && one_in <= 16; one_in *= 4) {
            check_moves(set, &t, NULL, &shape, one_in);
            check_moves(set, &t, weight, &shape, one_in);
        }
        guarded_free(weight, (size_t)t.n * sizeof *weight);
        free(origin);
        free(scale);
        table_free(&t);
    }
}

/* label NULL: all rows to the first centre. */
static void check_distances(const qn_kernels *set, const table *t, const int32_t *label,
                            double *distance)
{
    if (t->x32)
        set->label_distance_f32(t->n, t->d, t->x32, label, t->centre, distance);
    else
        set->label_distance_f64(t->n, t->d, t->x64, label, t->centre, distance);
    for (int64_t r = 0; r < t->n; r++) {
        const double wanted = distance_of(t, r, label ? label[r] : 0);

        assert_memory_equal(&distance[r], &wanted, sizeof wanted);
    }
}

static void distances_to_labels_have_the_bits_of_the_definition(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 2 * N_D * N_SETS; i++) {
        const qn_kernels *set = set_or_skip(i % N_SETS);
        table t = table_make(i % 2, awkward_rows[i % N_ROWS], awkward_d[i / 2 / N_SETS],
                             awkward_k[i % N_K]);
        int32_t *label = guarded_alloc((size_t)t.n * sizeof *label);
        double *distance = guarded_alloc((size_t)t.n * sizeof *distance);
        uint64_t seed = (uint64_t)i;

        fill(seed, 1.0, 0.0, &t);
        table_ready(&t);
        for (int64_t r = 0; r < t.n; r++)
            label[r] = (int32_t)((next_double(&seed) + 1.0) * 0.5 * t.k);
        if (set) {
            check_distances(set, &t, label, distance);
            check_distances(set, &t, NULL, distance);
        }
        guarded_free(label, (size_t)t.n * sizeof *label);
        guarded_free(distance, (size_t)t.n * sizeof *distance);
        table_free(&t);
    }
}

static void products_have_the_bits_of_sums_one_by_one(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 2 * N_D * N_SETS; i++) {
        const qn_kernels *set = set_or_skip(i % N_SETS);
        table t = table_make(i % 2, QN_PANEL, awkward_d[i / 2 / N_SETS], awkward_k[i % N_K]);
        const size_t bytes = (size_t)t.k * QN_PANEL * sizeof(double);
        double *out = guarded_alloc(bytes);

        fill((uint64_t)i, 1.0, 0.0, &t);
        table_ready(&t);
        if (set && t.x32)
            set->products_f32(t.k, t.d, t.x32, t.centre, out);
        else if (set)
            set->products_f64(t.k, t.d, t.x64, t.centre, out);
        for (int32_t j = 0; set && j < t.k * QN_PANEL; j++) {
            double wanted = 0.0;

            for (int32_t f = 0; f < t.d; f++)
                wanted += t.row[j % QN_PANEL * t.d + f] * t.centre[j / QN_PANEL * t.d + f];
            assert_memory_equal(&out[j], &wanted, sizeof wanted);
        }
        guarded_free(out, bytes);
        table_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_those_of_the_definition_at_every_awkward_shape),
        cmocka_unit_test(thousands_of_centres_are_searched),
        cmocka_unit_test(of_equal_centres_the_lowest_wins),
        cmocka_unit_test(what_floats_cannot_tell_apart_is_settled_in_double),
        cmocka_unit_test(labels_hold_at_every_scale_and_offset),
        cmocka_unit_test(rows_too_large_or_too_small_for_floats_are_labelled_in_double),
        cmocka_unit_test(rows_without_numbers_spoil_no_other_row),
        cmocka_unit_test(sums_by_label_have_the_bits_of_row_after_row),
        cmocka_unit_test(a_bad_row_spoils_the_sums_of_its_own_label_alone),
        cmocka_unit_test(moved_rows_leave_the_sums_of_all_rows_by_label),
        cmocka_unit_test(distances_to_labels_have_the_bits_of_the_definition),
        cmocka_unit_test(products_have_the_bits_of_sums_one_by_one),
    };

    return cmocka_run_group_tests_name("panels", tests, NULL, NULL);
}
