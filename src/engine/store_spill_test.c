/* Stores larger than the budget: what is pinned is what was written, whatever left meanwhile. */
#include <dirent.h>
#include <pthread.h>

#include "base/pool.h"
#include "engine/scratch.h"
#include "engine/store.h"

#include "spill_box.h"

#define MB ((size_t)1 << 20)

static int set_up(void **state)
{
    return open_box(state, 16 * MB);
}

static void fill(void *data, size_t bytes, int64_t number)
{
    uint64_t *words = data;

    for (size_t i = 0; i < bytes / 8; i++)
        words[i] = (uint64_t)number * 1000003 + i * 7;
    memset((char *)data + bytes / 8 * 8, (int)number, bytes % 8);
}

static bool is_filled(const void *data, size_t bytes, int64_t number)
{
    const uint64_t *words = data;

    for (size_t i = 0; i < bytes / 8; i++)
        if (words[i] != (uint64_t)number * 1000003 + i * 7)
            return false;
    for (size_t i = bytes / 8 * 8; i < bytes; i++)
        if (((const unsigned char *)data)[i] != (unsigned char)number)
            return false;
    return true;
}

static size_t bytes_of(int64_t number)
{
    return MB + (size_t)(number * 37 % 1000);
}

/* n blocks of a little over 1 MB, each sealed as soon as it is filled. */
static qn_status make_store(qn_context *ctx, int64_t n, qn_store **out)
{
    qn_status st = QN_OK;
    qn_store *store = NULL;
    void *data;

    *out = NULL;
    QN_TRY(qn_store_create(ctx, "ratings by user", &store));
    for (int64_t i = 0; i < n; i++) {
        QN_TRY(qn_store_add(ctx, store, i / 4, bytes_of(i), &data));
        fill(data, bytes_of(i), i);
        QN_TRY(qn_store_seal_block(ctx, store, i));
    }
    *out = store;
    store = NULL;
done:
    qn_store_free(store);
    return st;
}

static qn_status check_block(qn_context *ctx, qn_store *store, int64_t i)
{
    const void *data;
    const qn_status st = qn_store_pin(ctx, store, i, &data);
    bool same;

    if (st != QN_OK)
        return st;
    same = is_filled(data, bytes_of(i), i);
    qn_store_unpin(store, i);
    CHECK(same);
    return QN_OK;
}

static void a_store_of_eight_times_the_budget_is_read_back(void **state)
{
    box *b = *state;
    qn_store *store;
    qn_store_stats stats;

    CHECK_OK(b->ctx, make_store(b->ctx, 128, &store));
    for (int round = 0; round < 2; round++) {
        CHECK_OK(b->ctx, qn_store_read_ahead(b->ctx, store, NULL, -1));
        for (int64_t i = 0; i < 128; i++)
            CHECK_OK(b->ctx, check_block(b->ctx, store, i));
    }
    stats = qn_store_get_stats(store);
    CHECK_EQ(stats.n_blocks, 128);
    CHECK(stats.bytes > 128 * MB && stats.bytes < 129 * MB);
    CHECK(stats.bytes_resident <= 16 * MB && stats.bytes_resident > 8 * MB);
    CHECK(stats.bytes_spilled >= 112 * MB && stats.bytes_spilled <= stats.bytes);
    CHECK_EQ(stats.bytes_on_disk, stats.bytes_spilled);
    CHECK(stats.blocks_spilled <= 128 && stats.blocks_spilled >= 112);
    CHECK(stats.bytes_read >= 2 * 110 * MB);
    CHECK(qn_context_peak(b->ctx) <= 16 * MB);
    qn_store_free(store);
    CHECK_EQ(qn_alloc_live(b->ctx), 0);
    stats = qn_context_store_totals(b->ctx);
    CHECK_EQ(stats.bytes, 0);
    CHECK_EQ(stats.bytes_on_disk, 0);
    CHECK(stats.bytes_spilled >= 112 * MB);
}

static void a_clean_block_is_never_written_again(void **state)
{
    box *b = *state;
    qn_store *store;
    int64_t spilled = 0;

    CHECK_OK(b->ctx, make_store(b->ctx, 64, &store));
    for (int round = 0; round < 4; round++) {
        for (int64_t i = 0; i < 64; i++)
            CHECK_OK(b->ctx, check_block(b->ctx, store, i));
        if (round == 1)
            spilled = qn_store_get_stats(store).blocks_spilled;
    }
    CHECK(spilled <= 64);
    CHECK_EQ(qn_store_get_stats(store).blocks_spilled, spilled);
    qn_store_free(store);
}

/* Of a cyclic scan the part that fits stays: 15 blocks of 20 fit, so a round reads far fewer than
 * all, which is what sending the oldest away would cost. */
static void a_cyclic_scan_keeps_a_part_in_memory(void **state)
{
    box *b = *state;
    qn_store *store;
    int64_t before;

    CHECK_OK(b->ctx, make_store(b->ctx, 20, &store));
    for (int round = 0; round < 3; round++)
        for (int64_t i = 0; i < 20; i++)
            CHECK_OK(b->ctx, check_block(b->ctx, store, i));
    before = qn_store_get_stats(store).blocks_read;
    for (int64_t i = 0; i < 20; i++)
        CHECK_OK(b->ctx, check_block(b->ctx, store, i));
    CHECK(qn_store_get_stats(store).blocks_read - before <= 12);
    qn_store_free(store);
}

static void what_is_not_spilled_costs_nothing_on_disk(void **state)
{
    box *b = *state;
    qn_store *store;

    CHECK_OK(b->ctx, make_store(b->ctx, 10, &store));
    CHECK_OK(b->ctx, qn_store_read_ahead(b->ctx, store, NULL, -1));
    for (int64_t i = 0; i < 10; i++)
        CHECK_OK(b->ctx, check_block(b->ctx, store, i));
    CHECK_EQ(qn_store_get_stats(store).bytes_spilled, 0);
    CHECK_EQ(qn_store_get_stats(store).waits, 0);
    CHECK_TEXT(qn_scratch_path(b->ctx), "");
    CHECK_EQ(n_entries(b->dir), 0);
    qn_store_free(store);
}

static void any_allocation_pushes_blocks_out(void **state)
{
    box *b = *state;
    qn_store *store;
    char *array = NULL;

    CHECK_OK(b->ctx, make_store(b->ctx, 12, &store));
    CHECK_EQ(qn_store_get_stats(store).bytes_spilled, 0);
    CHECK_OK(b->ctx, qn_alloc_array(b->ctx, (void **)&array, 6, MB, "factors"));
    CHECK(qn_store_get_stats(store).bytes_spilled > 0);
    CHECK_OK(b->ctx, qn_realloc_array(b->ctx, (void **)&array, 9, MB, "factors"));
    CHECK(qn_store_get_stats(store).bytes_resident <= 7 * MB);
    qn_free(array);
    CHECK_OK(b->ctx, qn_budget_charge(b->ctx, (int64_t)(15 * MB), "a library"));
    CHECK_EQ(qn_store_get_stats(store).bytes_resident, 0);
    CHECK_OK(b->ctx, qn_budget_charge(b->ctx, -(int64_t)(15 * MB), "a library"));
    for (int64_t i = 0; i < 12; i++)
        CHECK_OK(b->ctx, check_block(b->ctx, store, i));
    qn_store_free(store);
}

static void pinned_and_open_blocks_stay(void **state)
{
    box *b = *state;
    qn_store *store;
    const void *pinned[6];
    void *open, *array = NULL;

    CHECK_OK(b->ctx, make_store(b->ctx, 10, &store));
    for (int64_t i = 0; i < 6; i++)
        CHECK_OK(b->ctx, qn_store_pin(b->ctx, store, i, &pinned[i]));
    CHECK_OK(b->ctx, qn_store_add(b->ctx, store, 9, 2 * MB, &open));
    memset(open, 5, 2 * MB);
    CHECK_EQ(qn_alloc_array(b->ctx, &array, 9, MB, "factors of 9 users"), QN_ENOMEM);
    CHECK_ERROR(b->ctx, "no room for factors of 9 users (9 MB): ");
    CHECK_ERROR(b->ctx, "of the 16 MB budget are held, of which 8 MB are blocks of data in use, "
                        "which cannot go to disk now: raise --memory");
    CHECK_OK(b->ctx, qn_alloc_array(b->ctx, &array, 7, MB, "factors of 7 users"));
    CHECK_EQ(qn_store_get_stats(store).bytes_resident,
             2 * MB + 6 * MB + (size_t)(37 * (1 + 2 + 3 + 4 + 5)));
    for (int64_t i = 0; i < 6; i++) {
        CHECK(is_filled(pinned[i], bytes_of(i), i));
        qn_store_unpin(store, i);
    }
    CHECK_EQ(((char *)open)[2 * MB - 1], 5);
    CHECK_OK(b->ctx, qn_alloc_array(b->ctx, (void **)&pinned[0], 3, MB, "more"));
    qn_free((void *)(uintptr_t)pinned[0]);
    qn_free(array);
    qn_store_free(store);
}

static void without_a_scratch_folder_the_refusal_says_to_give_one(void **state)
{
    box *b = *state;
    qn_context *ctx = box_context(NULL, 16 * MB, 2);
    qn_store *store = NULL;

    (void)b;
    CHECK_EQ(make_store(ctx, 20, &store), QN_ENOMEM);
    CHECK(store == NULL);
    CHECK_ERROR(ctx, "no room for ratings by user (1 MB): ");
    CHECK_ERROR(ctx, "could go to disk: give a folder on a disk with --scratch, or raise --memory");
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void dropped_blocks_give_memory_and_disk_back(void **state)
{
    box *b = *state;
    qn_store *store;
    qn_store_stats stats;
    const void *data;

    CHECK_OK(b->ctx, make_store(b->ctx, 40, &store));
    for (int64_t i = 0; i < 40; i++)
        if (i != 3 && i != 39)
            qn_store_drop_block(store, i);
    qn_store_drop_block(store, 5);
    stats = qn_store_get_stats(store);
    CHECK_EQ(stats.n_blocks, 40);
    CHECK_EQ(stats.bytes, bytes_of(3) + bytes_of(39));
    CHECK(stats.bytes_resident + stats.bytes_on_disk >= stats.bytes);
    CHECK(stats.bytes_resident <= stats.bytes && stats.bytes_on_disk <= stats.bytes);
    CHECK_EQ(qn_store_pin(b->ctx, store, 5, &data), QN_EINTERNAL);
    CHECK(data == NULL);
    CHECK_OK(b->ctx, check_block(b->ctx, store, 3));
    CHECK_OK(b->ctx, check_block(b->ctx, store, 39));
    qn_store_free(store);
}

static void a_block_is_sealed_once(void **state)
{
    box *b = *state;
    qn_store *store;
    const void *seen;
    void *data;

    CHECK_OK(b->ctx, qn_store_create(b->ctx, "rows", &store));
    CHECK_OK(b->ctx, qn_store_add(b->ctx, store, 0, 100, &data));
    CHECK_OK(b->ctx, qn_store_add(b->ctx, store, 0, 100, &data));
    CHECK_OK(b->ctx, qn_store_seal_block(b->ctx, store, 0));
    CHECK_EQ(qn_store_seal_block(b->ctx, store, 0), QN_EINTERNAL);
    CHECK_OK(b->ctx, qn_store_pin(b->ctx, store, 0, &seen));
    CHECK_EQ(qn_store_pin(b->ctx, store, 1, &seen), QN_EINTERNAL);
    qn_store_unpin(store, 0);
    CHECK_OK(b->ctx, qn_store_seal(b->ctx, store));
    CHECK_OK(b->ctx, qn_store_pin(b->ctx, store, 1, &seen));
    qn_store_unpin(store, 1);
    qn_store_free(store);
}

static void an_announced_order_is_read_ahead(void **state)
{
    box *b = *state;
    qn_store *store;
    int64_t order[50], wrong = 50;
    qn_store_stats stats;

    CHECK_OK(b->ctx, make_store(b->ctx, 50, &store));
    for (int64_t i = 0; i < 50; i++)
        order[i] = i * 17 % 50;
    CHECK_EQ(qn_store_read_ahead(b->ctx, store, &wrong, 1), QN_EINTERNAL);
    for (int round = 0; round < 3; round++) {
        CHECK_OK(b->ctx, qn_store_read_ahead(b->ctx, store, order, 50));
        for (int64_t i = 0; i < 50; i++) {
            CHECK_OK(b->ctx, check_block(b->ctx, store, order[i]));
            usleep(1000); /* work, for the reader to get in front */
        }
    }
    stats = qn_store_get_stats(store);
    CHECK(stats.blocks_ahead > 10);
    CHECK(stats.blocks_ahead <= stats.blocks_read);
    qn_store_free(store);
}

static void announcing_a_pass_in_the_middle_of_another_is_fine(void **state)
{
    box *b = *state;
    qn_store *store;

    CHECK_OK(b->ctx, make_store(b->ctx, 40, &store));
    for (int64_t i = 0; i < 40; i++) {
        CHECK_OK(b->ctx, qn_store_read_ahead(b->ctx, store, NULL, i % 3 ? -1 : i));
        CHECK_OK(b->ctx, check_block(b->ctx, store, i * 7 % 40));
    }
    qn_store_free(store);
}

/* ---- threads ---- */

typedef struct crowd {
    qn_context *ctx;
    qn_store *store;
    int64_t n;
} crowd;

static qn_status check_some(void *arg, int64_t task, int32_t thread)
{
    const crowd *c = arg;

    (void)thread;
    return check_block(c->ctx, c->store, task % c->n);
}

static void threads_pin_what_keeps_leaving(void **state)
{
    box *b = *state;
    qn_context *ctx = box_context(b->dir, 12 * MB, 4);
    crowd c = {.ctx = ctx, .n = 40};

    CHECK_OK(ctx, make_store(ctx, c.n, &c.store));
    CHECK_OK(ctx, qn_store_read_ahead(ctx, c.store, NULL, -1));
    CHECK_OK(ctx, qn_parallel(ctx, 4 * c.n, check_some, &c));
    qn_store_free(c.store);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static qn_status pin_twice(void *arg, int64_t task, int32_t thread)
{
    const crowd *c = arg;
    const void *data;
    qn_status st = qn_store_pin(c->ctx, c->store, task / 4, &data);

    (void)thread;
    if (st != QN_OK)
        return st;
    st = check_block(c->ctx, c->store, task / 4);
    qn_store_unpin(c->store, task / 4);
    return st;
}

/* All are on disk and would fit: each is read once though four tasks ask for it at a time. */
static void threads_that_want_one_block_read_it_once(void **state)
{
    box *b = *state;
    qn_context *ctx = box_context(b->dir, 64 * MB, 4);
    crowd c = {.ctx = ctx, .n = 40};
    void *array = NULL;
    int64_t before;

    CHECK_OK(ctx, make_store(ctx, c.n, &c.store));
    CHECK_OK(ctx, qn_alloc_array(ctx, &array, 63, MB, "all"));
    qn_free(array);
    CHECK_EQ(qn_store_get_stats(c.store).bytes_resident, 0);
    before = qn_store_get_stats(c.store).blocks_read;
    CHECK_OK(ctx, qn_parallel(ctx, 4 * c.n, pin_twice, &c));
    CHECK_EQ(qn_store_get_stats(c.store).blocks_read - before, c.n);
    qn_store_free(c.store);
    qn_context_free(ctx);
}

static qn_status build_one(void *arg, int64_t task, int32_t thread)
{
    const crowd *c = arg;
    qn_status st = QN_OK;
    int64_t number;
    void *data;

    (void)thread;
    QN_TRY(qn_store_add_any(c->ctx, c->store, task, 2 * MB, &number, &data));
    fill(data, bytes_of(task), task);
    QN_TRY(qn_store_shrink(c->ctx, c->store, number, bytes_of(task), &data));
    QN_TRY(qn_store_seal_block(c->ctx, c->store, number));
    if (task % 8 == 7) { /* what others have sealed is pinned meanwhile */
        const void *seen;

        QN_TRY(qn_store_pin(c->ctx, c->store, number, &seen));
        CHECK(is_filled(seen, bytes_of(task), task));
        qn_store_unpin(c->store, number);
    }
done:
    return st;
}

static void threads_build_a_store_that_spills_meanwhile(void **state)
{
    box *b = *state;
    qn_context *ctx = box_context(b->dir, 16 * MB, 4);
    crowd c = {.ctx = ctx, .n = 60};

    CHECK_OK(ctx, qn_store_create(ctx, "rows", &c.store));
    CHECK_OK(ctx, qn_parallel(ctx, c.n, build_one, &c));
    for (int64_t i = 0; i < c.n; i++) {
        const int64_t made = qn_store_block_partition(c.store, i);
        const void *seen;

        CHECK_EQ(qn_store_block_bytes(c.store, i), bytes_of(made));
        CHECK_OK(ctx, qn_store_pin(ctx, c.store, i, &seen));
        CHECK(is_filled(seen, bytes_of(made), made));
        qn_store_unpin(c.store, i);
    }
    qn_store_free(c.store);
    qn_context_free(ctx);
}

static void *allocate_and_free(void *arg)
{
    qn_context *ctx = arg;
    int64_t failed = 0;

    for (int i = 0; i < 60; i++) {
        void *block = NULL;

        failed += qn_alloc_array(ctx, &block, 1 + i % 3, MB, "arrays") != QN_OK;
        qn_free(block);
    }
    return (void *)(intptr_t)failed;
}

static void other_threads_allocate_and_free_stores_meanwhile(void **state)
{
    box *b = *state;
    pthread_t thread[2];
    qn_store *store, *other;

    CHECK_OK(b->ctx, make_store(b->ctx, 30, &store));
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, allocate_and_free, b->ctx), 0);
    for (int round = 0; round < 3; round++) {
        CHECK_OK(b->ctx, make_store(b->ctx, 10, &other));
        CHECK_OK(b->ctx, qn_store_read_ahead(b->ctx, other, NULL, -1));
        CHECK_OK(b->ctx, qn_store_read_ahead(b->ctx, store, NULL, -1));
        for (int64_t i = 0; i < 30; i++)
            CHECK_OK(b->ctx, check_block(b->ctx, store, i));
        qn_store_free(other);
    }
    for (int i = 0; i < 2; i++) {
        void *failed;

        pthread_join(thread[i], &failed);
        CHECK_EQ((intptr_t)failed, 0);
    }
    qn_store_free(store);
    CHECK_EQ(qn_alloc_live(b->ctx), 0);
}

/* ---- books ---- */

typedef struct seen_stores {
    int64_t n;
    size_t bytes;
    char names[200];
} seen_stores;

static void see_store(void *arg, const char *name, const qn_store_stats *stats)
{
    seen_stores *seen = arg;

    seen->n++;
    seen->bytes += stats->bytes;
    strncat(seen->names, name, sizeof seen->names - strlen(seen->names) - 1);
    strncat(seen->names, ";", sizeof seen->names - strlen(seen->names) - 1);
}

static void the_stores_of_a_context_can_be_listed(void **state)
{
    box *b = *state;
    seen_stores seen = {0};
    qn_store *one, *two;
    void *data;

    CHECK_OK(b->ctx, qn_store_create(b->ctx, "ratings by user", &one));
    CHECK_OK(b->ctx, qn_store_create(b->ctx, "ratings by item", &two));
    CHECK_OK(b->ctx, qn_store_add(b->ctx, one, 0, 100, &data));
    CHECK_OK(b->ctx, qn_store_add(b->ctx, two, 0, 200, &data));
    qn_context_stores(b->ctx, see_store, &seen);
    CHECK_EQ(seen.n, 2);
    CHECK_EQ(seen.bytes, 300);
    CHECK_TEXT(seen.names, "ratings by user;ratings by item;");
    CHECK_TEXT(qn_store_name(two), "ratings by item");
    CHECK_EQ(qn_context_store_totals(b->ctx).bytes, 300);
    CHECK_EQ(qn_context_store_totals(b->ctx).n_blocks, 2);
    qn_store_free(one);
    CHECK_EQ(qn_context_store_totals(b->ctx).bytes, 200);
    qn_store_free(two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_store_of_eight_times_the_budget_is_read_back),
        TEST(a_clean_block_is_never_written_again),
        TEST(a_cyclic_scan_keeps_a_part_in_memory),
        TEST(what_is_not_spilled_costs_nothing_on_disk),
        TEST(any_allocation_pushes_blocks_out),
        TEST(pinned_and_open_blocks_stay),
        TEST(without_a_scratch_folder_the_refusal_says_to_give_one),
        TEST(dropped_blocks_give_memory_and_disk_back),
        TEST(a_block_is_sealed_once),
        TEST(an_announced_order_is_read_ahead),
        TEST(announcing_a_pass_in_the_middle_of_another_is_fine),
        TEST(threads_pin_what_keeps_leaving),
        TEST(threads_that_want_one_block_read_it_once),
        TEST(threads_build_a_store_that_spills_meanwhile),
        TEST(other_threads_allocate_and_free_stores_meanwhile),
        TEST(the_stores_of_a_context_can_be_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
