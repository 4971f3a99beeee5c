#include "base/alloc.h"

#include <pthread.h>

#include "check.h"

static int set_up(void **state)
{
    const qn_context_options options = {.memory = (size_t)64 << 20, .threads = 2};

    return qn_context_create(&options, (qn_context **)state) == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

static void a_block_is_aligned_counted_and_given_back(void **state)
{
    qn_context *ctx = *state;
    static const int64_t sizes[] = {0, 1, 63, 64, 1000, 1 << 20, 3 << 20, 5 << 20, (20 << 20) + 1};
    const size_t before = qn_budget_used(ctx->budget);

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block = NULL;

        CHECK_OK(ctx, qn_alloc_array(ctx, &block, sizes[i], 1, "bytes"));
        CHECK_EQ((uintptr_t)block % 64, 0);
        CHECK_EQ(qn_alloc_size(block), (size_t)sizes[i]);
        memset(block, 7, (size_t)sizes[i]);
        CHECK(qn_budget_used(ctx->budget) >= before + (size_t)sizes[i]);
        CHECK(qn_budget_used(ctx->budget) <= before + (size_t)sizes[i] + 8192);
        CHECK_EQ(qn_alloc_live(ctx), 1);
        qn_free(block);
        CHECK_EQ(qn_budget_used(ctx->budget), before);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
    qn_free(NULL);
}

static void calloc_clears_small_and_large_blocks(void **state)
{
    qn_context *ctx = *state;
    static const int64_t sizes[] = {100, 9 << 20};

    for (int round = 0; round < 4; round++) {
        const int64_t n = sizes[round % 2];
        unsigned char *block = NULL;
        int64_t sum = 0;

        CHECK_OK(ctx, qn_calloc_array(ctx, (void **)&block, n, 1, "bytes"));
        for (int64_t i = 0; i < n; i++)
            sum += block[i];
        CHECK_EQ(sum, 0);
        memset(block, 0xff, (size_t)n);
        qn_free(block);
    }
}

static void the_message_names_need_held_and_limit(void **state)
{
    qn_context *ctx = *state;
    void *held = NULL, *block = &held;

    CHECK_OK(ctx, qn_alloc_array(ctx, &held, 30 << 20, 1, "bytes"));
    CHECK_EQ(qn_alloc_array(ctx, &block, 3, (size_t)20 << 20, "factors of 3 users"), QN_ENOMEM);
    CHECK(block == NULL);
    CHECK_TEXT(qn_context_error(ctx), "no room for factors of 3 users (60 MB): 30 MB of the 64 MB "
                                      "budget are held: raise --memory");
    qn_free(held);
    CHECK_EQ(qn_alloc_array(ctx, &block, INT64_MAX, 8, "numbers"), QN_ENOMEM);
    CHECK_ERROR(ctx, "no room for numbers (64 EB)");
    CHECK_EQ(qn_alloc_array(ctx, &block, -1, 8, "numbers"), QN_ENOMEM);
    CHECK_EQ(qn_alloc_array(ctx, &block, INT64_MAX, SIZE_MAX, "numbers"), QN_ENOMEM);
    CHECK(block == NULL);
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

static void peak_is_the_most_held_at_once(void **state)
{
    qn_context *ctx = *state;
    const size_t before = qn_budget_used(ctx->budget);
    void *a = NULL, *b = NULL;

    CHECK_OK(ctx, qn_alloc_array(ctx, &a, 8 << 20, 1, "a"));
    CHECK_OK(ctx, qn_alloc_array(ctx, &b, 4 << 20, 1, "b"));
    qn_free(a);
    qn_free(b);
    CHECK_OK(ctx, qn_alloc_array(ctx, &a, 2 << 20, 1, "a"));
    qn_free(a);
    CHECK(qn_context_peak(ctx) >= before + (12U << 20));
    CHECK(qn_context_peak(ctx) <= before + (12U << 20) + 16384);
}

static void growing_and_shrinking_keeps_the_contents(void **state)
{
    qn_context *ctx = *state;
    static const int64_t sizes[] = {1,      10,     100000, 300000, 2000000, 5000000,
                                    400000, 200000, 3,      0,      7};
    const size_t before = qn_budget_used(ctx->budget);
    int32_t *block = NULL;
    int64_t kept = 0;

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int64_t n = sizes[s];

        CHECK_OK(ctx, qn_realloc_array(ctx, (void **)&block, n, sizeof *block, "numbers"));
        CHECK_EQ(qn_alloc_size(block), (size_t)n * sizeof *block);
        for (int64_t i = 0; i < (n < kept ? n : kept); i++)
            if (block[i] != (int32_t)(i * 7))
                fail_msg("entry %lld is lost at size %lld", (long long)i, (long long)n);
        for (int64_t i = 0; i < n; i++)
            block[i] = (int32_t)(i * 7);
        kept = n;
        CHECK_EQ(qn_alloc_live(ctx), 1);
    }
    qn_free(block);
    CHECK_EQ(qn_budget_used(ctx->budget), before);
}

static void a_block_stays_when_growing_fails(void **state)
{
    qn_context *ctx = *state;
    static const int64_t sizes[] = {10, 2 << 20};

    for (int i = 0; i < 2; i++) {
        char *block = NULL, *old;

        CHECK_OK(ctx, qn_realloc_array(ctx, (void **)&block, sizes[i], 1, "bytes"));
        block[9] = 'x';
        old = block;
        CHECK_EQ(qn_realloc_array(ctx, (void **)&block, 65 << 20, 1, "bytes"), QN_ENOMEM);
        CHECK(block == old && block[9] == 'x');
        qn_alloc_fail_after(ctx, 0);
        CHECK_EQ(qn_realloc_array(ctx, (void **)&block, 4 << 20, 1, "bytes"), QN_ENOMEM);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(block == old && block[9] == 'x');
        qn_free(block);
    }
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

static void planned_failures_come_when_planned(void **state)
{
    qn_context *ctx = *state;
    char *text[4] = {NULL};

    qn_alloc_fail_after(ctx, 2);
    CHECK_EQ(qn_strdup(ctx, "a", &text[0]), QN_OK);
    CHECK_EQ(qn_strdup(ctx, "b", &text[1]), QN_OK);
    CHECK_EQ(qn_strdup(ctx, "c", &text[2]), QN_ENOMEM);
    CHECK_EQ(qn_strdup(ctx, "d", &text[3]), QN_ENOMEM);
    qn_alloc_fail_after(ctx, QN_NEVER);
    CHECK_TEXT(text[1], "b");
    CHECK(!text[2] && !text[3]);
    CHECK_EQ(qn_alloc_live(ctx), 2);
    qn_free(text[0]);
    qn_free(text[1]);
}

static void memory_of_others_is_charged(void **state)
{
    qn_context *ctx = *state;
    const size_t before = qn_budget_used(ctx->budget);

    CHECK_OK(ctx, qn_budget_charge(ctx, 50 << 20, "a library"));
    CHECK_EQ(qn_budget_charge(ctx, 50 << 20, "a library"), QN_ENOMEM);
    CHECK_ERROR(ctx, "no room for a library (50 MB): 50 MB of the 64 MB budget are held");
    CHECK_OK(ctx, qn_budget_charge(ctx, -(50 << 20), "a library"));
    CHECK_EQ(qn_budget_used(ctx->budget), before);
}

static void a_block_outlives_its_context(void **state)
{
    qn_context *ctx = NULL;
    char *text = NULL;

    (void)state;
    CHECK_EQ(qn_context_create(NULL, &ctx), QN_OK);
    CHECK_OK(ctx, qn_strdup(ctx, "still here", &text));
    qn_context_free(ctx);
    CHECK_TEXT(text, "still here");
    qn_free(text);
}

/* Something that holds memory which it can do without. */
typedef struct hoard {
    qn_context *ctx;
    void *block[8];
    size_t wanted; /* of the last call */
    int n_calls;
    qn_status st; /* what it fails with */
} hoard;

static qn_status give_one(void *arg, qn_context *ctx, qn_reclaim *reclaim)
{
    hoard *h = arg;

    h->n_calls++;
    h->wanted = reclaim->wanted;
    if (h->st != QN_OK)
        return qn_fail(ctx, h->st, "cannot spill: the disk is full");
    for (int i = 0; i < 8 && reclaim->freed == 0; i++) {
        if (!h->block[i])
            continue;
        reclaim->freed = qn_alloc_size(h->block[i]);
        qn_free(h->block[i]);
        h->block[i] = NULL;
    }
    return QN_OK;
}

static void fill_hoard(hoard *h, qn_context *ctx)
{
    *h = (hoard){.ctx = ctx};
    for (int i = 0; i < 8; i++)
        CHECK_OK(ctx, qn_alloc_array(ctx, &h->block[i], 6 << 20, 1, "hoard"));
    CHECK_OK(ctx, qn_budget_add_reclaimer(ctx, give_one, h));
}

static void empty_hoard(hoard *h)
{
    qn_budget_remove_reclaimer(h->ctx, give_one, h);
    for (int i = 0; i < 8; i++)
        qn_free(h->block[i]);
}

static void reclaimers_are_asked_before_it_is_refused(void **state)
{
    qn_context *ctx = *state;
    void *block = NULL;
    hoard h;

    fill_hoard(&h, ctx); /* 48 of 64 MB */
    CHECK_OK(ctx, qn_alloc_array(ctx, &block, 10 << 20, 1, "fits"));
    CHECK_EQ(h.n_calls, 0);
    CHECK_OK(ctx, qn_realloc_array(ctx, &block, 30 << 20, 1, "grows"));
    CHECK(h.n_calls == 3 || h.n_calls == 5); /* five where both are held while it is copied */
    CHECK(h.wanted > 0 && h.wanted <= 6 << 20);
    CHECK_OK(ctx, qn_budget_charge(ctx, 30 << 20, "a library"));
    CHECK_EQ(h.n_calls, 8);
    CHECK_EQ(qn_budget_charge(ctx, 30 << 20, "a library"), QN_ENOMEM);
    CHECK_EQ(h.n_calls, 9);
    CHECK_ERROR(
        ctx, "no room for a library (30 MB): 60 MB of the 64 MB budget are held: raise --memory");
    CHECK_OK(ctx, qn_budget_charge(ctx, -(30 << 20), "a library"));
    qn_free(block);
    empty_hoard(&h);
}

static void what_can_never_fit_is_refused_at_once(void **state)
{
    qn_context *ctx = *state;
    void *block = NULL;
    hoard h;

    fill_hoard(&h, ctx);
    CHECK_EQ(qn_alloc_array(ctx, &block, 65 << 20, 1, "too much"), QN_ENOMEM);
    CHECK_EQ(h.n_calls, 0);
    empty_hoard(&h);
}

static void a_reclaimer_that_fails_is_told_as_such(void **state)
{
    qn_context *ctx = *state;
    void *block = NULL;
    hoard h;

    fill_hoard(&h, ctx);
    h.st = QN_EIO;
    CHECK_EQ(qn_alloc_array(ctx, &block, 20 << 20, 1, "bytes"), QN_EIO);
    CHECK_TEXT(qn_context_error(ctx), "cannot spill: the disk is full");
    CHECK(block == NULL);
    empty_hoard(&h);
}

static void planned_failures_and_what_only_may_fit_do_not_reclaim(void **state)
{
    qn_context *ctx = *state;
    void *block = NULL;
    hoard h;

    fill_hoard(&h, ctx);
    qn_alloc_fail_after(ctx, 0);
    CHECK_EQ(qn_alloc_array(ctx, &block, 20 << 20, 1, "bytes"), QN_ENOMEM);
    qn_alloc_fail_after(ctx, QN_NEVER);
    CHECK(!qn_alloc_if_fits(ctx, 20 << 20));
    CHECK(!qn_alloc_if_fits(ctx, SIZE_MAX));
    CHECK_EQ(h.n_calls, 0);
    block = qn_alloc_if_fits(ctx, 10 << 20);
    CHECK(block != NULL);
    qn_free(block);
    empty_hoard(&h);
}

static void memory_is_used_again_for_about_as_much(void **state)
{
    qn_context *ctx = *state;
    const size_t before = qn_budget_used(ctx->budget);
    void *block = NULL;
    size_t held;

    CHECK_EQ(qn_alloc_array(ctx, &block, 1 << 20, 1, "bytes"), QN_OK);
    if (!qn_alloc_pages(block, &held)) { /* AddressSanitizer: nothing is mapped apart */
        qn_free(block);
        skip();
    }
    held = qn_budget_used(ctx->budget);
    CHECK(qn_alloc_reuse(&block, (1 << 20) - 5000)); /* too little to give back */
    CHECK_EQ(qn_alloc_size(block), (size_t)(1 << 20) - 5000);
    CHECK_EQ(qn_budget_used(ctx->budget), held);
    CHECK(qn_alloc_reuse(&block, (1 << 20) + 100000));
    memset(block, 1, (1 << 20) + 100000);
    CHECK(qn_budget_used(ctx->budget) > held + 90000);
    CHECK(qn_alloc_reuse(&block, 900000));
    CHECK(qn_budget_used(ctx->budget) < held);
    CHECK(!qn_alloc_reuse(&block, 1 << 19)); /* too far off */
    CHECK(!qn_alloc_reuse(&block, 2 << 20));
    CHECK_EQ(qn_alloc_size(block), 900000);
    qn_free(block);
    CHECK_EQ(qn_budget_used(ctx->budget), before);
    CHECK_EQ(qn_alloc_array(ctx, &block, 1000, 1, "bytes"), QN_OK);
    CHECK(!qn_alloc_reuse(&block, 1000)); /* not mapped apart */
    qn_free(block);
}

static void *churn(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        void *block = NULL;

        if (qn_alloc_array(arg, &block, 1 + i * 37 % 5000, 1, "bytes") == QN_OK)
            qn_free(block);
    }
    return NULL;
}

static void threads_keep_the_books_straight(void **state)
{
    qn_context *ctx = *state;
    const size_t before = qn_budget_used(ctx->budget);
    pthread_t thread[3];

    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, churn, ctx), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    CHECK_EQ(qn_budget_used(ctx->budget), before);
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_block_is_aligned_counted_and_given_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(calloc_clears_small_and_large_blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_message_names_need_held_and_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_used_again_for_about_as_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(peak_is_the_most_held_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(growing_and_shrinking_keeps_the_contents, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_block_stays_when_growing_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(planned_failures_come_when_planned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_of_others_is_charged, set_up, tear_down),
        cmocka_unit_test(a_block_outlives_its_context),
        cmocka_unit_test_setup_teardown(reclaimers_are_asked_before_it_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_can_never_fit_is_refused_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reclaimer_that_fails_is_told_as_such, set_up, tear_down),
        cmocka_unit_test_setup_teardown(planned_failures_and_what_only_may_fit_do_not_reclaim,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_keep_the_books_straight, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
