/* The main job with less memory than its ratings take, on a disk that is full or fails: each write
 * to scratch in turn. */
#include <errno.h>
#include <sys/stat.h>

#include "folder.h"

#include "base/file.h"
#include "lifecycle/fit_als.h"

#define MB     ((size_t)1 << 20)
#define USERS  3000
#define A_USER 170
#define ITEMS  1000
#define MANY   100000 /* more writes than there are */

typedef struct fixture {
    char dir[64], input[96], scratch[96];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    FILE *stream;

    *state = f;
    if (!f || !disk_dir(f->dir))
        return -1;
    snprintf(f->input, sizeof f->input, "%s/ratings.csv", f->dir);
    snprintf(f->scratch, sizeof f->scratch, "%s/scratch", f->dir);
    if (mkdir(f->scratch, 0777) != 0 || !(stream = fopen(f->input, "w")))
        return -1;
    fputs("userId,movieId,rating\n", stream);
    for (int u = 0; u < USERS; u++)
        for (int i = 0; i < A_USER; i++)
            fprintf(stream, "%d,%d,%d\n", u + 1, (u * 7 + i * 5) % ITEMS + 1, 1 + (u * i) % 5);
    return fclose(stream);
}

static int tear_down(void **state)
{
    fixture *f = *state;

    qn_remove_tree(NULL, f->dir);
    free(f);
    return 0;
}

/* One fit whose writes fail after so many; *error is what it says, *spilled whether it wrote to
 * scratch. */
static qn_status fit(const fixture *f, int64_t allowed, int error_number, char error[1024],
                     bool *spilled)
{
    const qn_context_options context = {.memory = 5 * MB, .threads = 2, .scratch_dir = f->scratch};
    const char *input = f->input;
    qn_fit_als_options options;
    qn_ratings_options ratings;
    qn_als_params als;
    qn_ranking_options ranking;
    qn_fit_als_result result;
    qn_context *ctx = NULL;
    qn_status st;

    qn_params_init(&qn_fit_als_table, &options);
    qn_params_init(&qn_ratings_table, &ratings);
    qn_params_init(&qn_als_table, &als);
    qn_params_init(&qn_ranking_table, &ranking);
    ratings.input = (qn_text_list){&input, 1};
    als.rank = 4;
    als.max_iter = 2;
    CHECK_EQ(qn_context_create(&context, &ctx), QN_OK);
    qn_write_fail_after(ctx, allowed, error_number);
    st = qn_fit_als_run(ctx, &options, &ratings, &als, &ranking, &result);
    snprintf(error, 1024, "%s", qn_context_error(ctx));
    *spilled = atomic_load(&ctx->traffic.spilled) > 0;
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return st;
}

static void every_failed_write_of_scratch_ends_the_fit_and_leaves_nothing(void **state)
{
    const fixture *f = *state;
    char error[1024];
    bool spilled = false;
    qn_status st = QN_EIO;
    int n_failed = 0;

    for (int64_t allowed = 0; st != QN_OK; allowed += allowed < 12 ? 1 : 3) {
        const bool is_full = allowed % 2 == 0;

        CHECK(allowed < MANY);
        st = fit(f, allowed, is_full ? ENOSPC : EIO, error, &spilled);
        CHECK_EQ(n_entries(f->scratch), 0);
        if (st == QN_OK)
            break;
        n_failed++;
        CHECK_EQ(st, QN_EIO);
        CHECK(strstr(error, f->scratch));
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
