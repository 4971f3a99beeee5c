#include "quern/param.h"

#include <math.h>

#include "base/params_out.h"
#include "check.h"

typedef struct settings {
    bool dry_run;
    int32_t rank;
    int64_t seed;
    double reg_param;
    int32_t init;
    const char *out;
    qn_text_list ratings;
    size_t memory;
    int32_t any;
} settings;

static const qn_param rows[] = {
    QN_PARAM_FLAG(settings, dry_run, "change nothing"),
    QN_PARAM(settings, rank, 10, 1, 4096, "latent factors", .aliases = "als-rank k"),
    QN_PARAM(settings, seed, 1994790107, INT64_MIN, INT64_MAX, "random seed"),
    QN_PARAM(settings, reg_param, 0.1, 0, 1e6, "ridge penalty", .group = "Model"),
    QN_PARAM_CHOICE_OF(settings, init, 1, "random|spark", "how the first factors are drawn",
                       .group = "Model"),
    QN_PARAM_STRING(settings, out, "model", "DIR", "where the model goes"),
    QN_PARAM_STRING(settings, ratings, NULL, "FILE", "files with ratings", .required = true),
    QN_PARAM(settings, memory, 0, 0, 1e18, "most bytes to hold"),
    QN_PARAM(settings, any, -1, INT32_MIN, INT32_MAX, "any number", .hidden = true),
};
static const qn_params table = {"test", rows, sizeof rows / sizeof *rows, sizeof(settings)};

typedef struct fixture {
    qn_context *ctx;
    settings s;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || qn_context_create(NULL, &f->ctx) != QN_OK)
        return -1;
    memset(&f->s, 0xff, sizeof f->s);
    qn_params_init(&table, &f->s);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    qn_free(f->s.ratings.item);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static qn_status set(fixture *f, const char *name, const char *text)
{
    const qn_param *param = qn_params_find(&table, name);

    assert_non_null(param);
    return qn_param_set(f->ctx, param, &f->s, text);
}

static void check_refused(fixture *f, const char *name, const char *text, const char *message)
{
    const settings before = f->s;

    CHECK_EQ(set(f, name, text), QN_EINVAL);
    CHECK_TEXT(qn_context_error(f->ctx), message);
    CHECK(memcmp(&before, &f->s, sizeof before) == 0);
}

static void defaults_come_from_the_table(void **state)
{
    const fixture *f = *state;

    CHECK(!f->s.dry_run);
    CHECK_EQ(f->s.rank, 10);
    CHECK_EQ(f->s.seed, 1994790107);
    CHECK(f->s.reg_param == 0.1);
    CHECK_EQ(f->s.init, 1);
    CHECK_TEXT(f->s.out, "model");
    CHECK(f->s.ratings.item == NULL && f->s.ratings.n == 0);
    CHECK_EQ(f->s.memory, 0);
    CHECK_EQ(f->s.any, -1);
}

static void any_spelling_of_a_name_is_found(void **state)
{
    static const char *const names[] = {"reg_param", "reg-param", "regParam", "REG-PARAM"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(qn_params_find(&table, names[i]) == &rows[3]);
    CHECK(qn_params_find(&table, "als_rank") == &rows[1]);
    CHECK(qn_params_find(&table, "k") == &rows[1]);
    CHECK(qn_params_find(&table, "ran") == NULL);
    CHECK(qn_params_find(&table, "") == NULL);
}

static void values_are_taken(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, set(f, "dry_run", "yes"));
    CHECK(f->s.dry_run);
    CHECK_OK(f->ctx, set(f, "dry_run", "False"));
    CHECK(!f->s.dry_run);
    CHECK_OK(f->ctx, set(f, "dry_run", NULL));
    CHECK(f->s.dry_run);
    CHECK_OK(f->ctx, set(f, "rank", "4e3"));
    CHECK_EQ(f->s.rank, 4000);
    CHECK_OK(f->ctx, set(f, "rank", "64.0"));
    CHECK_EQ(f->s.rank, 64);
    CHECK_OK(f->ctx, set(f, "seed", "-9223372036854775808"));
    CHECK_EQ(f->s.seed, INT64_MIN);
    CHECK_OK(f->ctx, set(f, "seed", "9223372036854775807"));
    CHECK_EQ(f->s.seed, INT64_MAX);
    CHECK_OK(f->ctx, set(f, "reg_param", "1e-2"));
    CHECK(f->s.reg_param == 0.01);
    CHECK_OK(f->ctx, set(f, "init", "Random"));
    CHECK_EQ(f->s.init, 0);
    CHECK_OK(f->ctx, set(f, "memory", "1.5g"));
    CHECK_EQ(f->s.memory, (size_t)3 << 29);
    CHECK_OK(f->ctx, set(f, "any", "-2147483648"));
    CHECK_EQ(f->s.any, INT32_MIN);
    CHECK_OK(f->ctx, set(f, "out", "x"));
    CHECK_TEXT(f->s.out, "x");
}

static void a_list_grows(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

    for (size_t i = 0; i < 9; i++)
        CHECK_OK(f->ctx, set(f, "ratings", names[i]));
    CHECK_EQ(f->s.ratings.n, 9);
    for (size_t i = 0; i < 9; i++)
        CHECK_TEXT(f->s.ratings.item[i], names[i]);
    qn_alloc_fail_after(f->ctx, 0);
    for (size_t i = 0; i < 7; i++)
        CHECK_OK(f->ctx, set(f, "ratings", "more"));
    CHECK_EQ(set(f, "ratings", "one too many"), QN_ENOMEM);
    qn_alloc_fail_after(f->ctx, QN_NEVER);
    CHECK_EQ(f->s.ratings.n, 16);
}

static void bad_values_are_named_with_what_would_do(void **state)
{
    fixture *f = *state;

    check_refused(f, "rank", "0", "--rank 0 is out of range: 1 to 4096");
    check_refused(f, "rank", "4097", "--rank 4097 is out of range: 1 to 4096");
    check_refused(f, "rank", "1e30", "--rank 1e30 is out of range: 1 to 4096");
    check_refused(f, "rank", "9999999999", "--rank 9999999999 is out of range: 1 to 4096");
    check_refused(f, "rank", "1.5", "--rank \"1.5\" is not a whole number");
    check_refused(f, "rank", "ten", "--rank \"ten\" is not a whole number");
    check_refused(f, "rank", "", "--rank \"\" is not a whole number");
    check_refused(f, "rank", "nan", "--rank \"nan\" is not a whole number");
    check_refused(f, "seed", "9223372036854775808",
                  "--seed \"9223372036854775808\" is not a number of 64 bits");
    check_refused(f, "any", "2147483648", "--any \"2147483648\" is not a number of 32 bits");
    check_refused(f, "reg_param", "-1", "--reg-param -1 is out of range: 0 to 1000000");
    check_refused(f, "reg_param", "inf", "--reg-param inf is out of range: 0 to 1000000");
    check_refused(f, "reg_param", "NaN", "--reg-param \"NaN\" is not a number");
    check_refused(f, "reg_param", "0,1", "--reg-param \"0,1\" is not a number");
    check_refused(f, "init", "sprak",
                  "--init \"sprak\" is none of random, spark: did you mean spark?");
    check_refused(f, "init", "zeros", "--init \"zeros\" is none of random, spark");
    check_refused(f, "memory", "lots", "--memory \"lots\" is not a size like 512m or 1.5g");
    check_refused(f, "dry_run", "maybe", "--dry-run \"maybe\" is not true or false");
    CHECK_EQ(set(f, "rank", NULL), QN_EINVAL);
    CHECK_ERROR(f->ctx, "a value is missing");
}

static void a_struct_filled_in_by_hand_is_checked(void **state)
{
    fixture *f = *state;

    CHECK_EQ(qn_params_check(f->ctx, &table, &f->s), QN_EINVAL);
    CHECK_TEXT(qn_context_error(f->ctx), "--ratings is missing: files with ratings");
    CHECK_OK(f->ctx, set(f, "ratings", "a"));
    CHECK_OK(f->ctx, qn_params_check(f->ctx, &table, &f->s));
    f->s.rank = -3;
    CHECK_EQ(qn_params_check(f->ctx, &table, &f->s), QN_EINVAL);
    CHECK_TEXT(qn_context_error(f->ctx), "--rank -3 is out of range: 1 to 4096");
    f->s.rank = 3;
    f->s.reg_param = (double)NAN;
    CHECK_EQ(qn_params_check(f->ctx, &table, &f->s), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--reg-param NaN is out of range");
    f->s.reg_param = 0.0;
    f->s.init = 2;
    CHECK_EQ(qn_params_check(f->ctx, &table, &f->s), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--init \"2\" is not the number of a choice");
    f->s.init = -1;
    CHECK_EQ(qn_params_check(f->ctx, &table, &f->s), QN_EINVAL);
    f->s.init = 0;
    CHECK_OK(f->ctx, qn_params_check(f->ctx, &table, &f->s));
}

static void names_are_turned_into_other_conventions(void **state)
{
    char name[64];

    (void)state;
    qn_param_spark_name("num_user_blocks", name, sizeof name);
    CHECK_TEXT(name, "numUserBlocks");
    qn_param_cli_name("num_user_blocks", name, sizeof name);
    CHECK_TEXT(name, "--num-user-blocks");
    qn_param_spark_name("num_user_blocks", name, 5);
    CHECK_TEXT(name, "numU");
}

static void help_shows_ranges_and_defaults(void **state)
{
    qn_string help = {0};

    (void)state;
    qn_params_help(&table, &help);
    CHECK_TEXT(qn_string_text(&help),
               "Options:\n"
               "  --dry-run                   change nothing\n"
               "  --rank N                    latent factors (1 to 4096, default 10)\n"
               "  --seed N                    random seed (default 1994790107)\n"
               "  --out DIR                   where the model goes (default model)\n"
               "  --ratings FILE              files with ratings (required)\n"
               "  --memory SIZE               most bytes to hold\n"
               "\n"
               "Model:\n"
               "  --reg-param X               ridge penalty (0 to 1000000, default 0.1)\n"
               "  --init random|spark         how the first factors are drawn (default spark)\n");
    qn_string_release(&help);
}

static void long_help_is_wrapped(void **state)
{
    static const qn_param wide[] = {
        QN_PARAM(
            settings, reg_param, 0, 0, 0,
            "a long text that does not fit into one line of one hundred columns and so goes on in "
            "the next",
            .metavar = "A_RATHER_LONG_METAVAR"),
    };
    const qn_params one = {"wide", wide, 1, sizeof(settings)};
    qn_string help = {0};

    (void)state;
    qn_params_help(&one, &help);
    CHECK_TEXT(qn_string_text(&help),
               "Options:\n"
               "  --reg-param A_RATHER_LONG_METAVAR\n"
               "                              a long text that does not fit into one line of one "
               "hundred columns and\n"
               "                              so goes on in the next (default 0)\n");
    qn_string_release(&help);
}

static void json_holds_the_whole_table(void **state)
{
    qn_json j = {0};
    const qn_params two = {"two", rows + 1, 2, sizeof(settings)};
    const qn_params choice = {"choice", rows + 4, 1, sizeof(settings)};

    (void)state;
    qn_params_json(&two, &j);
    CHECK_TEXT(qn_string_text(&j.out),
               "{\"name\":\"two\",\"params\":["
               "{\"name\":\"rank\",\"cli\":\"--rank\",\"spark\":\"rank\",\"type\":\"int32\","
               "\"default\":10,"
               "\"min\":1,\"max\":4096,\"choices\":[],\"metavar\":null,\"help\":\"latent factors\","
               "\"aliases\":[\"als-rank\",\"k\"],\"group\":\"Options\",\"required\":false,"
               "\"hidden\":false},"
               "{\"name\":\"seed\",\"cli\":\"--seed\",\"spark\":\"seed\",\"type\":\"int64\","
               "\"default\":1994790107,\"min\":null,\"max\":null,\"choices\":[],\"metavar\":null,"
               "\"help\":\"random seed\",\"aliases\":[],\"group\":\"Options\",\"required\":false,"
               "\"hidden\":false}]}");
    qn_json_release(&j);
    qn_params_json(&choice, &j);
    CHECK(strstr(qn_string_text(&j.out), "\"type\":\"choice\",\"default\":\"spark\""));
    CHECK(strstr(qn_string_text(&j.out), "\"choices\":[\"random\",\"spark\"]"));
    qn_json_release(&j);
}

static void json_holds_the_values_of_a_struct(void **state)
{
    fixture *f = *state;
    qn_json j = {0};

    f->s.dry_run = true;
    f->s.seed = -7;
    qn_json_open(&j, NULL, '{');
    for (int64_t i = 0; i < table.n; i++)
        qn_param_value_json(&table.param[i], &f->s, &j);
    qn_json_close(&j, '}');
    CHECK_TEXT(qn_string_text(&j.out),
               "{\"dry_run\":true,\"rank\":10,\"seed\":-7,\"reg_param\":0.1,\"init\":\"spark\","
               "\"out\":\"model\",\"ratings\":[],\"memory\":0,\"any\":-1}");
    qn_json_release(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_come_from_the_table, set_up, tear_down),
        cmocka_unit_test(any_spelling_of_a_name_is_found),
        cmocka_unit_test_setup_teardown(values_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_grows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_values_are_named_with_what_would_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_struct_filled_in_by_hand_is_checked, set_up, tear_down),
        cmocka_unit_test(names_are_turned_into_other_conventions),
        cmocka_unit_test(help_shows_ranges_and_defaults),
        cmocka_unit_test(long_help_is_wrapped),
        cmocka_unit_test(json_holds_the_whole_table),
        cmocka_unit_test_setup_teardown(json_holds_the_values_of_a_struct, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
