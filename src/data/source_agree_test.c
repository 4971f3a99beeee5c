/* Workers that find other data under the same name. */
#include "check.h"
#include "data/source_impl.h"
#include "engine/comm.h"

typedef struct pair {
    const char *path[2]; /* of rank 0, of the others */
} pair;

static qn_status open_and_agree(qn_context *ctx, void *arg)
{
    const pair *p = arg;
    const qn_source_options options = {.path = &p->path[qn_rank(ctx) > 0], .n_paths = 1};
    qn_source *source = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_source_open(ctx, &options, &source));
    QN_TRY(qn_source_agree(ctx, source));
done:
    qn_source_free(source);
    return st;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    CHECK(fputs(text, file) >= 0);
    fclose(file);
}

static qn_status agree_on(qn_context *ctx, const char *one, const char *other)
{
    char dir[] = "/tmp/qn-agree-XXXXXX", a[64], b[64];
    const pair p = {{a, b}};
    qn_status st;

    assert_non_null(mkdtemp(dir));
    snprintf(a, sizeof a, "%s/a.csv", dir);
    snprintf(b, sizeof b, "%s/b.csv", dir);
    write_text(a, one);
    write_text(b, other);
    st = qn_run_thread_ranks(ctx, 3, open_and_agree, (void *)&p);
    unlink(a);
    unlink(b);
    rmdir(dir);
    return st;
}

static void the_same_bytes_are_the_same_data(void **state)
{
    qn_context *ctx = NULL;

    (void)state;
    assert_int_equal(qn_context_create(NULL, &ctx), QN_OK);
    CHECK_OK(ctx, agree_on(ctx, "1,2,3\n4,5,6\n", "1,2,3\n4,5,6\n"));
    qn_context_free(ctx);
}

static void one_byte_or_one_row_more_is_other_data(void **state)
{
    qn_context *ctx = NULL;

    (void)state;
    assert_int_equal(qn_context_create(NULL, &ctx), QN_OK);
    CHECK_EQ(agree_on(ctx, "1,2,3\n4,5,6\n", "1,2,3\n4,5,7\n"), QN_EINVAL);
    CHECK_ERROR(ctx, "finds other data there (12 bytes) than worker 0");
    CHECK_EQ(agree_on(ctx, "1,2,3\n4,5,6\n", "1,2,3\n4,5,6\n1,1,1\n"), QN_EINVAL);
    CHECK_ERROR(ctx, "worker 1 on");
    CHECK_ERROR(ctx, "(18 bytes)");
    qn_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes_are_the_same_data),
        cmocka_unit_test(one_byte_or_one_row_more_is_other_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
