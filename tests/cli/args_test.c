/* The reader of command lines, on two small tables. */
#include "cli/args.h"

#include "check.h"
#include "cli/terminal.h"

typedef struct toy_options {
    double reg_param;
    int32_t k;
    bool overwrite, verbose;
    qn_text_list input;
    const char *model;
    int64_t shuffle;
} toy_options;

static const qn_param toy_params[] = {
    QN_PARAM(toy_options, reg_param, 0.1, 0, 10, "ridge penalty", .aliases = "als-reg"),
    QN_PARAM(toy_options, k, 10, 1, 100, "how many"),
    QN_PARAM_FLAG(toy_options, overwrite, "replace"),
    QN_PARAM_FLAG(toy_options, verbose, "say more", .number = 1),
    QN_PARAM_STRING(toy_options, input, NULL, "FILE", "files"),
    QN_PARAM_STRING(toy_options, model, NULL, "DIR", "model folder", .required = true),
    QN_PARAM(toy_options, shuffle, 0, 0, 0, "means nothing here", .hidden = true),
};
static const qn_params toy_table = {.name = "toy",
                                    .param = toy_params,
                                    .n = sizeof toy_params / sizeof *toy_params,
                                    .struct_size = sizeof(toy_options)};

typedef struct other_options {
    int32_t threads;
} other_options;
static const qn_param other_params[] = {
    QN_PARAM(other_options, threads, 0, 0, 64, "threads"),
};
static const qn_params other_table = {
    .name = "other", .param = other_params, .n = 1, .struct_size = sizeof(other_options)};
static const qn_params *const tables[] = {&toy_table, &other_table};

typedef struct toy {
    qn_context *ctx;
    qn_cli_args args;
    toy_options toy;
    other_options other;
} toy;

/* Reads words up to NULL and sets both structs; toy_close() frees. */
static qn_status toy_read(toy *t, const char *const *word)
{
    int32_t n = 0;
    qn_status st;

    memset(t, 0, sizeof *t);
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &t->ctx), QN_OK);
    while (word[n])
        n++;
    st = qn_cli_args_read(t->ctx, tables, 2, word, n, &t->args);
    if (st == QN_OK)
        st = qn_cli_args_apply(t->ctx, &t->args, 0, &t->toy);
    if (st == QN_OK)
        st = qn_cli_args_apply(t->ctx, &t->args, 1, &t->other);
    return st;
}

static void toy_close(toy *t)
{
    qn_free((void *)t->toy.input.item);
    qn_cli_args_release(&t->args);
    CHECK_EQ(qn_alloc_live(t->ctx), 0);
    qn_context_free(t->ctx);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void every_spelling_means_the_same_option(void **state)
{
    const char *const *const lines[] = {
        WORDS("--reg-param", "0.5"), WORDS("--reg-param=0.5"), WORDS("--reg_param", "0.5"),
        WORDS("--regParam", "0.5"),  WORDS("--als-reg=0.5"),   WORDS("--REG-PARAM", "5e-1"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        toy t;

        CHECK_OK(t.ctx, toy_read(&t, lines[i]));
        CHECK_NEAR(t.toy.reg_param, 0.5, 0);
        toy_close(&t);
    }
}

static void short_options_take_their_value_apart_or_joined(void **state)
{
    const char *const *const lines[] = {WORDS("-k", "7"), WORDS("-k7"), WORDS("-k=7"),
                                        WORDS("--k", "7")};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        toy t;

        CHECK_OK(t.ctx, toy_read(&t, lines[i]));
        CHECK_EQ(t.toy.k, 7);
        toy_close(&t);
    }
}

static void switches_turn_on_and_off(void **state)
{
    toy t;

    (void)state;
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--overwrite", "--no-verbose")));
    CHECK(t.toy.overwrite && !t.toy.verbose);
    toy_close(&t);
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--overwrite=false", "--verbose", "false", "word")));
    CHECK(!t.toy.overwrite && !t.toy.verbose);
    CHECK_EQ(t.args.n_words, 1);
    toy_close(&t);
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--no_overwrite", "--verbose")));
    CHECK(!t.toy.overwrite && t.toy.verbose);
    toy_close(&t);
}

static void a_list_takes_words_up_to_the_next_option(void **state)
{
    toy t;

    (void)state;
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--input", "a", "b", "-", "--k", "3", "--input", "c", "--",
                                       "--input", "d")));
    CHECK_EQ(t.toy.input.n, 4);
    CHECK_TEXT(t.toy.input.item[0], "a");
    CHECK_TEXT(t.toy.input.item[2], "-");
    CHECK_TEXT(t.toy.input.item[3], "c");
    CHECK_EQ(t.args.n_words, 2);
    CHECK_TEXT(t.args.word[0], "--input");
    toy_close(&t);
}

static void negative_numbers_are_values(void **state)
{
    toy t;

    (void)state;
    CHECK_EQ(toy_read(&t, WORDS("--reg-param", "-1")), QN_EINVAL);
    CHECK_ERROR(t.ctx, "--reg-param -1 is out of range: 0 to 10");
    toy_close(&t);
}

static void a_value_that_is_missing_is_named(void **state)
{
    toy t;

    (void)state;
    CHECK_EQ(toy_read(&t, WORDS("--model")), QN_EINVAL);
    CHECK_ERROR(t.ctx, "--model needs a value: model folder");
    toy_close(&t);
    CHECK_EQ(toy_read(&t, WORDS("--model", "--k", "3")), QN_EINVAL);
    CHECK_ERROR(t.ctx, "--model needs a value, but --k follows");
    CHECK_ERROR(t.ctx, "try: --model=--k if that is the value");
    toy_close(&t);
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--model=--k")));
    CHECK_TEXT(t.toy.model, "--k");
    toy_close(&t);
}

static void an_unknown_option_suggests_the_nearest(void **state)
{
    toy t;

    (void)state;
    CHECK_EQ(toy_read(&t, WORDS("--reg-parm", "1")), QN_EINVAL);
    CHECK_ERROR(t.ctx, "there is no option --reg-parm\ntry: --reg-param");
    toy_close(&t);
    CHECK_EQ(toy_read(&t, WORDS("--threds=1")), QN_EINVAL);
    CHECK_ERROR(t.ctx, "try: --threads");
    toy_close(&t);
    CHECK_EQ(toy_read(&t, WORDS("--no-reg-param")), QN_EINVAL);
    CHECK_ERROR(t.ctx, "there is no option --no-reg-param");
    toy_close(&t);
}

static void required_options_are_named_all_at_once(void **state)
{
    toy t;

    (void)state;
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--k", "3")));
    CHECK_EQ(qn_cli_args_check_required(t.ctx, &t.args), QN_EINVAL);
    CHECK_ERROR(t.ctx, "missing: --model DIR");
    toy_close(&t);
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--model", "m")));
    CHECK_OK(t.ctx, qn_cli_args_check_required(t.ctx, &t.args));
    CHECK(qn_cli_args_given(&t.args, "model") && !qn_cli_args_given(&t.args, "k"));
    toy_close(&t);
}

static void count_warnings(void *user, const qn_event *event)
{
    *(int32_t *)user += event->kind == QN_EVENT_WARNING;
}

static void options_of_other_systems_are_taken_with_a_warning(void **state)
{
    toy t;
    int32_t warnings = 0;

    (void)state;
    CHECK_OK(t.ctx, toy_read(&t, WORDS("--shuffle", "400")));
    CHECK_OK(t.ctx, qn_context_add_sink(t.ctx, count_warnings, &warnings));
    qn_cli_args_warn_ignored(t.ctx, &t.args);
    CHECK_EQ(warnings, 1);
    CHECK_EQ(t.toy.shuffle, 0);
    toy_close(&t);
}

static void widths_count_what_a_terminal_shows(void **state)
{
    qn_string s = {0};

    (void)state;
    CHECK_EQ(qn_text_width("abc"), 3);
    CHECK_EQ(qn_text_width("Am\xC3\xA9lie"), 6);            /* e acute in one code point */
    CHECK_EQ(qn_text_width("Ame\xCC\x81lie"), 6);           /* e and a combining accent */
    CHECK_EQ(qn_text_width("\xE4\xB8\x83\xE4\xBA\xBA"), 4); /* two wide characters */
    CHECK_EQ(qn_text_width("\xFF\xC3"), 2);                 /* broken bytes */
    qn_string_add_escaped(&s, "a\033[2Jb\n");
    CHECK_TEXT(s.text, "a\\x1B[2Jb\\x0A");
    qn_string_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_means_the_same_option),
        cmocka_unit_test(short_options_take_their_value_apart_or_joined),
        cmocka_unit_test(switches_turn_on_and_off),
        cmocka_unit_test(a_list_takes_words_up_to_the_next_option),
        cmocka_unit_test(negative_numbers_are_values),
        cmocka_unit_test(a_value_that_is_missing_is_named),
        cmocka_unit_test(an_unknown_option_suggests_the_nearest),
        cmocka_unit_test(required_options_are_named_all_at_once),
        cmocka_unit_test(options_of_other_systems_are_taken_with_a_warning),
        cmocka_unit_test(widths_count_what_a_terminal_shows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
