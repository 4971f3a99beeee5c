/* Every set draws, counts, divides and adds up rows of trees as the reference does. */
#include "kernels_check.h"

#include "base/rng.h"

#define MOST 70

static const int64_t lengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65};
#define N_LENGTHS ((int32_t)(sizeof lengths / sizeof *lengths))

static void draws_are_those_of_philox(void **state)
{
    const int64_t seed = -5;
    const uint64_t a = UINT64_C(3) << 33 | 7, b = UINT64_C(0xfffffffb);

    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t l = 0; set && l < N_LENGTHS; l++) {
            const int64_t n = lengths[l];
            const size_t bytes = (size_t)(4 * n) * sizeof(uint32_t);
            uint32_t *out = guarded_alloc(bytes);

            set->row_draws(qn_philox_key(seed, QN_STREAM_BAG), a, b, n, out);
            for (int64_t i = 0; i < n; i++) {
                const qn_random wanted = qn_philox(seed, QN_STREAM_BAG, a, b + (uint64_t)i);

                for (int w = 0; w < 4; w++)
                    CHECK_EQ(out[w * n + i], wanted.word[w]);
            }
            guarded_free(out, bytes);
        }
    }
}

static void counts_are_of_thresholds_not_above(void **state)
{
    static const uint32_t threshold[] = {0, 10, 0x7fffffff, 0x80000000, 0xffffffff};
    static const uint32_t word[] = {0, 9, 10, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xffffffff};
    static const uint32_t count[] = {1, 1, 2, 2, 3, 4, 5};

    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t l = 0; set && l < N_LENGTHS; l++) {
            const int64_t n = lengths[l];
            const size_t bytes = (size_t)n * sizeof(uint32_t);
            uint32_t *words = guarded_alloc(bytes);
            int64_t n_drawn = 0;

            for (int64_t i = 0; i < n; i++)
                words[i] = word[i % 7];
            CHECK_EQ(set->draw_counts(n, 5, threshold, words), n);
            for (int64_t i = 0; i < n; i++)
                CHECK_EQ(words[i], count[i % 7]);
            for (int64_t i = 0; i < n; i++) {
                words[i] = word[i % 7];
                n_drawn += words[i] >= threshold[1];
            }
            CHECK_EQ(set->draw_counts(n, 4, threshold + 1, words), n_drawn);
            guarded_free(words, bytes);
        }
    }
}

static void entries_are_of_rows_that_count(void **state)
{
    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t l = 0; set && l < N_LENGTHS; l++) {
            const int64_t n = lengths[l];
            const size_t bytes = (size_t)n * sizeof(uint32_t);
            uint32_t *count = guarded_alloc(bytes);
            uint32_t *entry = guarded_alloc(bytes + 15 * sizeof(uint32_t));
            int64_t found = 0;

            for (int64_t i = 0; i < n; i++)
                count[i] = i % 3 == 1 ? 0 : i % 5 == 0 ? QN_ENTRY_MOST : (uint32_t)i;
            const int64_t n_entries = set->row_entries(n, count, entry);
            for (int64_t i = 0; i < n; i++)
                if (count[i] > 0)
                    CHECK_EQ(entry[found++], (uint32_t)i | count[i] << 16);
            CHECK_EQ(n_entries, found);
            guarded_free(count, bytes);
            guarded_free(entry, bytes + 15 * sizeof(uint32_t));
        }
    }
}

static void divided_entries_keep_their_order(void **state)
{
    const int64_t stride = 3;
    uint64_t seed = 3;
    uint8_t code[MOST * 3 + 3];

    (void)state;
    for (size_t i = 0; i < sizeof code; i++)
        code[i] = (uint8_t)(int32_t)(next_number(&seed) * 127 + 128);
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t l = 0; set && l < N_LENGTHS; l++)
            for (int32_t limit = -1; limit < 256; limit += 51) {
                const int64_t n = lengths[l];
                uint32_t entry[MOST + 15], wanted[2][MOST];
                const size_t bytes = (size_t)n * sizeof(uint32_t);
                uint32_t *right = guarded_alloc(bytes);
                int64_t n_left = 0, n_right = 0;

                for (int64_t i = 0; i < n; i++) {
                    entry[i] = (uint32_t)i | 9U << 16;
                    if (code[i * stride + 1] <= limit)
                        wanted[0][n_left++] = entry[i];
                    else
                        wanted[1][n_right++] = entry[i];
                }
                CHECK_EQ(set->code_split(n, entry, code + 1, stride, limit, entry, right), n_left);
                assert_memory_equal(entry, wanted[0], (size_t)n_left * sizeof *entry);
                assert_memory_equal(right, wanted[1], (size_t)n_right * sizeof *entry);
                guarded_free(right, bytes);
            }
    }
}

/* Short runs and long ones, which go another way. */
static void codes_are_counted_by_feature(void **state)
{
    enum { FEATURES = 6, ROWS = 1500 };
    static uint8_t code[ROWS * FEATURES];
    static uint32_t entry[ROWS], sums[(FEATURES + 1) * 256], wanted[(FEATURES + 1) * 256];
    static const int32_t feature[] = {0, 1, 2, 3, 4, 5};
    static const int32_t offset[] = {0, 256, 512, 768, 1024, 1280};
    uint64_t seed = 4;

    (void)state;
    for (size_t i = 0; i < sizeof code; i++)
        code[i] = (uint8_t)(int32_t)(next_number(&seed) * 127 + 128);
    for (uint32_t i = 0; i < ROWS; i++)
        entry[i] = i | (i % 9 + 1) << 16;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t tried = 1; set && tried <= FEATURES; tried++)
            for (int64_t n = 0; n <= ROWS; n = n < 5 ? n + 1 : n * 6 + 3) {
                const qn_code_sums to = {tried, feature, offset, sums};

                memset(sums, 0, sizeof sums);
                memset(wanted, 0, sizeof wanted);
                for (int64_t i = 0; i < n; i++)
                    for (int32_t k = 0; k < tried; k++)
                        wanted[offset[k] + code[i * FEATURES + k]] += entry[i] >> 16;
                set->code_sums(n, entry, code, FEATURES, &to);
                assert_memory_equal(sums, wanted, sizeof sums);
            }
    }
}

static void bins_count_thresholds_below(void **state)
{
    static const double limits[] = {-2, -0.5, 0, 0, 0.25, 3};
    float narrow[6], x[QN_PANEL];
    double wide[QN_PANEL];
    uint8_t bin[QN_PANEL];

    (void)state;
    for (int r = 0; r < QN_PANEL; r++)
        wide[r] = (r - 8) / 4.0;
    wide[15] = 3.5;
    for (int r = 0; r < QN_PANEL; r++)
        x[r] = (float)wide[r];
    for (int t = 0; t < 6; t++)
        narrow[t] = (float)limits[t];
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t n = 0; set && n <= 6; n++) {
            for (int type = 0; type < 2; type++) {
                if (type == 0)
                    set->panel_bins_f32(x, n, narrow, bin);
                else
                    set->panel_bins_f64(wide, n, limits, bin);
                for (int r = 0; r < QN_PANEL; r++) {
                    int32_t wanted = 0;

                    for (int32_t t = 0; t < n; t++)
                        wanted += limits[t] < wide[r];
                    CHECK_EQ(bin[r], wanted);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_those_of_philox),
        cmocka_unit_test(counts_are_of_thresholds_not_above),
        cmocka_unit_test(entries_are_of_rows_that_count),
        cmocka_unit_test(divided_entries_keep_their_order),
        cmocka_unit_test(codes_are_counted_by_feature),
        cmocka_unit_test(bins_count_thresholds_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
