/* The main job with less memory than its ratings take, on a disk that is full or fails: each write
 * to scratch in turn. */
#include <errno.h>

#include "als_fit.h"

#define MB    ((size_t)1 << 20)
#define USERS 3000
#define MANY  100000 /* more writes than there are */

static int set_up(void **state)
{
    als_box *box = calloc(1, sizeof *box);

    *state = box;
    return box && als_box_open(box, USERS) ? 0 : -1;
}

static int tear_down(void **state)
{
    als_box_close(*state);
    free(*state);
    return 0;
}

/* One fit whose writes fail after so many; *error is what it says, *spilled whether it wrote to
 * scratch. */
static qn_status fit(const als_box *box, int64_t allowed, int error_number, char error[1024],
                     bool *spilled)
{
    const qn_context_options context = {
        .memory = 5 * MB, .threads = 2, .scratch_dir = box->scratch};
    als_fit job;
    qn_fit_als_result result;
    qn_context *ctx = NULL;
    qn_status st;

    als_fit_for(&job, box->input);
    job.als.rank = 4;
    job.als.max_iter = 2;
    CHECK_EQ(qn_context_create(&context, &ctx), QN_OK);
    qn_write_fail_after(ctx, allowed, error_number);
    st = als_fit_run(ctx, &job, &result);
    snprintf(error, 1024, "%s", qn_context_error(ctx));
    *spilled = atomic_load(&ctx->traffic.spilled) > 0;
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return st;
}

static void every_failed_write_of_scratch_ends_the_fit_and_leaves_nothing(void **state)
{
    const als_box *box = *state;
    char error[1024];
    bool spilled = false;
    qn_status st = QN_EIO;
    int n_failed = 0;

    for (int64_t allowed = 0; st != QN_OK; allowed += allowed < 12 ? 1 : 3) {
        const bool is_full = allowed % 2 == 0;

        CHECK(allowed < MANY);
        st = fit(box, allowed, is_full ? ENOSPC : EIO, error, &spilled);
        CHECK_EQ(n_entries(box->scratch), 0);
        if (st == QN_OK)
            break;
        n_failed++;
        CHECK_EQ(st, QN_EIO);
        CHECK(strstr(error, box->scratch));
        CHECK(strstr(error, "MB") || strstr(error, "KB"));
        CHECK(strstr(error, is_full ? "full" : "nput/output error"));
    }
    CHECK_EQ(st, QN_OK);
    CHECK(spilled);
    CHECK(n_failed > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_failed_write_of_scratch_ends_the_fit_and_leaves_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
