#include "kernels_check.h"

static void scores_have_the_bits_of_spark_s_dot_product(void **state)
{
    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int32_t i = 0; set && i < N_RANKS * 8; i++) {
            const int32_t rank = awkward_ranks[i / 8];
            const int32_t n_users = i % 8 + 1;
            const int64_t stride = qn_factor_stride(rank);
            const size_t out_bytes = (size_t)n_users * QN_PANEL * sizeof(float);
            float *users = guarded_alloc((size_t)(n_users * stride) * sizeof(float));
            float *panel = guarded_alloc((size_t)rank * QN_PANEL * sizeof(float));
            float *out = guarded_alloc(out_bytes);
            uint64_t seed = (uint64_t)i;

            for (int64_t f = 0; f < n_users * stride; f++)
                users[f] = f % stride < rank ? next_number(&seed) : 0.0F;
            for (int32_t f = 0; f < rank * QN_PANEL; f++)
                panel[f] = next_number(&seed);
            set->score_panel(n_users, rank, stride, users, panel, out);
            for (int32_t r = 0; r < n_users; r++) {
                for (int32_t j = 0; j < QN_PANEL; j++) {
                    float item[129];

                    for (int32_t f = 0; f < rank; f++)
                        item[f] = panel[f * QN_PANEL + j];
                    const float wanted = qn_dot_spark(rank, users + r * stride, item);
                    assert_memory_equal(&out[r * QN_PANEL + j], &wanted, sizeof wanted);
                }
            }
            guarded_free(users, (size_t)(n_users * stride) * sizeof(float));
            guarded_free(panel, (size_t)rank * QN_PANEL * sizeof(float));
            guarded_free(out, out_bytes);
        }
    }
}

static void moments_are_right_and_have_the_same_bits_in_every_set(void **state)
{
    static const int64_t lengths[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 1000};
    double x[1000];
    uint64_t seed = 5;

    (void)state;
    for (int32_t i = 0; i < 1000; i++)
        x[i] = next_number(&seed) + 3.0;
    for (int32_t l = 0; l < 12; l++) {
        double wanted[2] = {2.0, 1.0};
        double plain[2] = {2.0, 1.0};

        qn_kernels_reference.moments_f64(lengths[l], x, &wanted[0], &wanted[1]);
        for (int64_t i = 0; i < lengths[l]; i++) {
            plain[0] += x[i];
            plain[1] += x[i] * x[i];
        }
        CHECK_NEAR(wanted[0], plain[0], 1e-13 * plain[0] * 10);
        CHECK_NEAR(wanted[1], plain[1], 1e-13 * plain[1] * 10);
        for (int32_t s = 1; s < N_SETS; s++) {
            const qn_kernels *set = set_or_skip(s);
            double got[2] = {2.0, 1.0};

            if (set) {
                set->moments_f64(lengths[l], x, &got[0], &got[1]);
                assert_memory_equal(got, wanted, sizeof got);
            }
        }
    }
}

static void sets_are_picked_by_name_and_the_best_is_the_default(void **state)
{
    const char *names[3];
    const int32_t n = qn_kernels_available(names);

    (void)state;
    CHECK(n >= 1 && n <= 3);
    CHECK_TEXT(names[0], "reference");
    for (int32_t i = 0; i < n; i++) {
        CHECK_TEXT(qn_kernels_pick(names[i])->name, names[i]);
        CHECK_EQ(qn_kernels_pick(names[i])->level, i);
    }
    CHECK_TEXT(qn_kernels_pick(NULL)->name, names[n - 1]);
    CHECK_TEXT(qn_kernels_pick("auto")->name, names[n - 1]);
    CHECK(qn_kernels_pick("neon") == NULL);
    CHECK(qn_kernels_pick("") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_have_the_bits_of_spark_s_dot_product),
        cmocka_unit_test(moments_are_right_and_have_the_same_bits_in_every_set),
        cmocka_unit_test(sets_are_picked_by_name_and_the_best_is_the_default),
    };

    return cmocka_run_group_tests_name("score", tests, NULL, NULL);
}
