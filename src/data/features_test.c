#include <jansson.h>

#include "base/pool.h"
#include "data/assemble_testing.h"
#include "data/source_impl.h"
#include "engine/comm.h"

static const char table[] = "id,a,b,colour,y,w\n1,2,3,red,0,1\n2,4,5,blue,1,1\n";

static void every_number_but_label_and_weight_is_a_feature(void **state)
{
    fixture *f = *state;

    CHECK_TEXT(found(f, "t.csv", table), "id a b y w");
    CHECK(f->features.has_names);
    CHECK_EQ(f->features.width, 5);
    f->options.label = "y";
    f->options.weight = "w";
    CHECK_TEXT(found(f, "t.csv", table), "id a b | label y | weight w");
    f->options.label = "Y";
    f->options.weight = "5";
    CHECK_TEXT(found(f, "t.csv", table), "id a b | label y | weight w");
}

static void what_an_expression_reads_is_no_feature_of_its_own(void **state)
{
    fixture *f = *state;

    f->options.feature = LIST("d=a-b", " e = a * 2 ");
    CHECK_TEXT(found(f, "t.csv", table), "id y w d=a-b e=a * 2");
    f->options.features = LIST("a", "e,id");
    CHECK_TEXT(found(f, "t.csv", table), "a e=a * 2 id d=a-b");
}

static void an_expression_may_take_a_column_s_name(void **state)
{
    fixture *f = *state;

    f->options.feature = LIST("a=a*2");
    f->options.features = LIST("id,a,b");
    CHECK_TEXT(found(f, "t.csv", table), "id a=a*2 b");
}

static void features_stand_in_the_order_asked_for(void **state)
{
    fixture *f = *state;

    f->options.features = LIST(" b , a ", "id");
    CHECK_TEXT(found(f, "t.csv", table), "b a id");
    f->options.features = LIST("2,1");
    CHECK_TEXT(found(f, "t.csv", table), "b a");
    f->options.features = LIST("\"x,y\",`b\"\"`", "\"q");
    CHECK_TEXT(found(f, "t.csv", "\"x,y\",\"b\"\"\"\"\",\"\"\"q\"\n1,2,3\n4,5,6\n"),
               "x,y b\"\" \"q");
}

static void categories_come_at_the_place_of_their_column(void **state)
{
    fixture *f = *state;
    char name[64];

    f->options.categorical = LIST("colour,id");
    CHECK_TEXT(found(f, "t.csv", table), "id{1,2} a b colour{blue,red} y w");
    CHECK_EQ(f->features.width, 8);
    qn_features_name(&f->features, 0, name, sizeof name);
    CHECK_TEXT(name, "id=1");
    qn_features_name(&f->features, 5, name, sizeof name);
    CHECK_TEXT(name, "colour=red");
    qn_features_name(&f->features, 7, name, 2);
    CHECK_TEXT(name, "w");
    qn_features_name(&f->features, 8, name, sizeof name);
    CHECK_TEXT(name, "");
    f->categories = QN_CATEGORIES_INDEX;
    f->options.features = LIST("colour,a,id");
    CHECK_TEXT(found(f, "t.csv", table), "colour{blue,red} a id{1,2}");
    CHECK_EQ(f->features.width, 3);
    qn_features_name(&f->features, 0, name, sizeof name);
    CHECK_TEXT(name, "colour");
}

static void categories_ascend_as_numbers_or_as_bytes(void **state)
{
    fixture *f = *state;

    f->options.categorical = LIST("c");
    CHECK_TEXT(found(f, "t.csv", "c,a\n10,1\n9,1\n-3,1\n9.50,1\n9.0,1\n1e1,1\n"),
               "c{-3,9,9.5,10} a");
    CHECK_TEXT(found(f, "t.csv", "c,a\nb10,1\nb9,1\n\"\",1\nB,1\n,1\nNA,1\n"), "c{,B,b10,b9} a");
}

/* Texts behind the rows that the types were guessed from, in every split. */
static void categories_of_all_splits_and_ranks_are_joined(void **state)
{
    fixture *f = *state;
    qn_string text = {0}, expected = {0};

    qn_string_add(&text, "a,c\n");
    qn_string_add(&expected, "a c{");
    for (int32_t i = 0; i < 2000; i++)
        qn_string_addf(&text, "%d,%d\n", i, 1999 - i);
    for (int32_t i = 0; i < 2000; i++)
        qn_string_addf(&expected, "%s%d", i ? "," : "", i);
    qn_string_add(&expected, "}");
    f->options.categorical = LIST("c");
    f->options.split_bytes = 512;
    CHECK_TEXT(found(f, "t.csv", text.text), expected.text);
    qn_string_release(&text);
    qn_string_release(&expected);
}

typedef struct rank_job {
    const qn_source_options *open;
    const qn_matrix_options *options;
    const char *expected;
    int32_t n_categories;
} rank_job;

static qn_status find_as_rank(qn_context *ctx, void *arg)
{
    const rank_job *job = arg;
    qn_source *source = NULL;
    qn_features features = {0};
    char name[64];
    qn_status st = QN_OK;

    QN_TRY(qn_source_open(ctx, job->open, &source));
    QN_TRY(qn_features_find(ctx, source, job->options, QN_CATEGORIES_ONE_HOT, &features));
    qn_features_name(&features, features.width - 1, name, sizeof name);
    if (strcmp(name, job->expected) != 0)
        st = qn_fail(ctx, QN_EDATA, "the last feature is %s, not %s", name, job->expected);
done:
    qn_features_release(&features);
    qn_source_free(source);
    return st;
}

static void ranks_find_the_same_features(void **state)
{
    fixture *f = *state;
    const char *path = folder_put(f->folder, "t.csv", "a,c\n1,x\n2,y\n3,z\n4,x\n5,w\n6,v\n");
    const char *pairs = folder_put(f->folder, "t.libsvm", "1 1:1\n0 2:1\n0 7:1\n1 3:1\n");
    const qn_source_options open = {.path = &path, .n_paths = 1, .header = -1, .split_bytes = 4};
    const qn_source_options open_pairs = {.path = &pairs, .n_paths = 1, .split_bytes = 4};

    f->options.categorical = LIST("c");
    for (int32_t size = 1; size <= 5; size++) {
        rank_job job = {&open, &f->options, "c=z", 0};

        CHECK_OK(f->ctx, qn_run_thread_ranks(f->ctx, size, find_as_rank, &job));
    }
    qn_params_init(&qn_matrix_table, &f->options);
    for (int32_t size = 1; size <= 5; size++) {
        rank_job job = {&open_pairs, &f->options, "features[6]", 0};

        CHECK_OK(f->ctx, qn_run_thread_ranks(f->ctx, size, find_as_rank, &job));
    }
}

static void too_many_categories_are_refused(void **state)
{
    fixture *f = *state;
    qn_string text = {0};

    qn_string_add(&text, "a,c\n");
    for (int32_t i = 0; i < 10001; i++)
        qn_string_addf(&text, "1,c%d\n", i);
    f->options.categorical = LIST("c");
    f->options.split_bytes = 4096;
    open_text(f, "t.csv", text.text);
    CHECK_FIND_FAILS(f, QN_EDATA,
                     "column c has 10001 different values so far; at most 10000 categories");
    text.text[strlen(text.text) - strlen("1,c10000\n")] = '\0';
    found(f, "t.csv", text.text);
    CHECK_EQ(f->features.width, 10001);
    qn_string_release(&text);
}

static void the_width_of_libsvm_is_the_largest_index(void **state)
{
    fixture *f = *state;

    CHECK_TEXT(found(f, "t.libsvm", "1 1:1 2:1\n0 12:1\n0 3:1\n"), "features*12 | label label");
    f->options.num_features = 20;
    CHECK_TEXT(found(f, "t.libsvm", "1 1:1 2:1\n0 12:1\n0 3:1\n"), "features*20 | label label");
    f->options.num_features = 0;
    open_text(f, "t.libsvm", "1 1:1\n1 9999999:1\n");
    CHECK_FIND_FAILS(f, QN_EDATA, "the largest index is 9999999; more than 1048576 features");
    open_text(f, "t.libsvm", "1 1:1\n");
    f->options.label = "y";
    CHECK_FIND_FAILS(f, QN_ENOTFOUND,
                     "there is no column \"y\": rows of libsvm have label and "
                     "features");
}

static void input_that_passes_once_asks_for_widths(void **state)
{
    fixture *f = *state;

    found(f, "t.libsvm", "1 1:1 2:1\n");
    f->source->is_once = true;
    CHECK_FIND_FAILS(f, QN_EINVAL, "give it by --num-features or read from a file");
    f->options.num_features = 2;
    CHECK_OK(f->ctx, find(f));
    CHECK_EQ(f->features.width, 2);
    open_text(f, "t.csv", table);
    f->source->is_once = true;
    CHECK_OK(f->ctx, find(f));
    f->options.categorical = LIST("colour");
    CHECK_FIND_FAILS(f, QN_EINVAL, "the categories of column colour take a pass of their own");
}

static void a_pipe_passes_once(void **state)
{
    fixture *f = *state;
    int ends[2];
    char path[32];
    const char *paths = path;

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(write(ends[1], table, sizeof table - 1), (ssize_t)sizeof table - 1);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    CHECK_OK(f->ctx, qn_source_open(
                         f->ctx, &(qn_source_options){.path = &paths, .n_paths = 1, .header = -1},
                         &f->source));
    CHECK(f->source->is_once);
    close(ends[0]);
}

static void lists_are_as_wide_as_the_first(void **state)
{
    fixture *f = *state;

    skip_without_module(f);
    f->format = QN_FORMAT_JSON;
    CHECK_TEXT(
        found(f, "t.json", "{\"a\":1,\"v\":null}\n{\"a\":1,\"v\":[1,2]}\n{\"a\":1,\"v\":[1]}\n"),
        "a v*2");
    f->options.feature = LIST("first=v[0]");
    CHECK_TEXT(features_text(f), "a v*2");
    CHECK_OK(f->ctx, find(f));
    CHECK_TEXT(features_text(f), "a first=v[0]");
    f->options.feature = LIST("first=v");
    CHECK_FIND_FAILS(f, QN_EINVAL, "--feature first: column v holds lists: write v[0]");
    f->options.feature = LIST("first=a[0]");
    CHECK_FIND_FAILS(f, QN_EINVAL, "--feature first: column a holds no lists: write a without [0]");
    f->options.feature = (qn_text_list){0};
    open_text(f, "t.json", "{\"a\":1,\"v\":[]}\n{\"a\":1,\"v\":[1.5]}\n");
    CHECK_FIND_FAILS(f, QN_EDATA, "the first list of column v has 0 values");
}

static void keep_warning(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_WARNING)
        snprintf(user, 256, "%s", event->text);
}

static void keep_first_warning(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_WARNING && *(char *)user == '\0')
        snprintf(user, 256, "%s", event->text);
}

static void a_stray_text_in_a_column_of_numbers_is_told_with_its_line(void **state)
{
    fixture *f = *state;
    char warning[256] = "";

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, keep_first_warning, warning));
    found(f, "t.csv", "a,b\n1,1\n2,2\n3,oops\n4,4\n");
    CHECK(strstr(warning, "t.csv, line 4: column b: \"oops\" is not a number, and so the column"));
    CHECK_EQ(f->features.n, 1);
}

static void columns_that_are_left_out_are_told(void **state)
{
    fixture *f = *state;
    char warning[256] = "";

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, keep_warning, warning));
    found(f, "t.csv", "a,name,day\n1,x,2020-01-01\n2,y,2020-01-02\n");
    CHECK_TEXT(warning, "columns of texts and times are no features: name, day; name those that "
                        "hold categories under --categorical");
    *warning = '\0';
    f->options.features = LIST("a");
    found(f, "t.csv", "a,name,day\n1,x,2020-01-01\n2,y,2020-01-02\n");
    CHECK_TEXT(warning, "");
}

/* What is asked for, and what is said about it. */
static void what_cannot_be_is_refused_by_name(void **state)
{
    fixture *f = *state;
    const struct {
        qn_text_list features, feature, categorical;
        const char *label, *weight, *message;
    } bad[] = {
        {.features = LIST("a,colour"),
         .message = "column colour holds text, which is no feature: "
                    "name it under --categorical"},
        {.features = LIST("a,colours"), .message = "--features: ", /* and the next */},
        {.features = LIST("a,colours"),
         .message = "there is no column \"colours\"; did you mean "
                    "\"colour\"; there are: id, a, b, colour"},
        {.features = LIST("a,b,a"), .message = "two features are called a"},
        {.features = LIST("a"),
         .feature = LIST("a=b+1", "c=b"),
         .categorical = LIST("b"),
         .message = "column b is named under --categorical, but not under --features"},
        {.features = LIST("a,y"),
         .label = "y",
         .message = "column y is the label and cannot be a feature too"},
        {.features = LIST("w"),
         .weight = "w",
         .message = "column w is the weight and cannot be a feature too"},
        {.label = "colour",
         .message = "--label: column colour holds text, and a label is a number"},
        {.label = "yy", .message = "--label: "},
        {.weight = "weigth", .message = "--weight: "},
        {.categorical = LIST("hue"), .message = "--categorical: "},
        {.feature = LIST("a+b"), .message = "--feature a+b: give it a name: --feature NAME=a+b"},
        {.feature = LIST("=a+b"), .message = "--feature =a+b: no name before the ="},
        {.feature = LIST("x=a+"), .message = "--feature x: the expression ends where a number"},
        {.feature = LIST("x=a+hue"), .message = "--feature x: "},
        {.feature = LIST("x=1", "x=2"), .message = "two features are called x"},
        {.feature = LIST("x=\"0\""),
         .message = "in an expression columns go by their names: this "
                    "one's is \"id\""},
        {.features = LIST("a[0]"), .message = "--features a[0]: column a holds no lists"},
        {.features = LIST("hue[0]"), .message = "--features hue[0]: "},
    };

    open_text(f, "t.csv", table);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->options.features = bad[i].features;
        f->options.feature = bad[i].feature;
        f->options.categorical = bad[i].categorical;
        f->options.label = bad[i].label;
        f->options.weight = bad[i].weight;
        const qn_status st = find(f);
        if (st != QN_EINVAL && st != QN_ENOTFOUND)
            print_error("%s: status %d\n", bad[i].message, st);
        CHECK(st == QN_EINVAL || st == QN_ENOTFOUND);
        CHECK_ERROR(f->ctx, bad[i].message);
    }
}

static void a_table_without_numbers_has_no_features(void **state)
{
    fixture *f = *state;

    open_text(f, "t.csv", "a,b\nx,y\nv,z\n");
    CHECK_FIND_FAILS(f, QN_EINVAL, "t.csv has no column of numbers that could be a feature");
    f->options.categorical = LIST("1");
    CHECK_OK(f->ctx, find(f));
    CHECK_TEXT(features_text(f), "1{b,y,z}");
    f->options.feature = LIST("c=3");
    f->options.categorical = (qn_text_list){0};
    CHECK_OK(f->ctx, find(f));
    CHECK_TEXT(features_text(f), "c=3");
}

static void names_that_stand_twice_are_refused(void **state)
{
    fixture *f = *state;

    open_text(f, "t.csv", "a,b,a\n1,2,3\n");
    if (f->source)
        CHECK_FIND_FAILS(f, QN_EINVAL, "two features are called a");
}

static void all_missing_gives_no_categories(void **state)
{
    fixture *f = *state;

    f->options.categorical = LIST("c");
    open_text(f, "t.csv", "a,c\n1,\n2,NA\n");
    CHECK_FIND_FAILS(f, QN_EDATA, "column c holds no category: every value is missing");
}

static void files_without_header_have_columns_by_number(void **state)
{
    fixture *f = *state;

    f->options.label = "0";
    f->options.feature = LIST("d=\"1\" / \"2\"");
    CHECK_TEXT(found(f, "t.csv", "1,2,3,4\n5,6,7,8\n"), "3 d=\"1\" / \"2\" | label 0");
    CHECK(!f->features.has_names);
    f->options.feature = LIST("d=\"9\"");
    CHECK_FIND_FAILS(f, QN_ENOTFOUND, "--feature d: ");
}

/* Everything at once. */
static void find_all_kinds(fixture *f)
{
    static const char *named[] = {"a,colour,d"}, *computed[] = {"d=a-b", "e=\"b\"*2"},
                      *categorical[] = {"colour"};

    f->options.features = (qn_text_list){named, 1};
    f->options.feature = (qn_text_list){computed, 2};
    f->options.categorical = (qn_text_list){categorical, 1};
    f->options.label = "y";
    f->options.weight = "w";
    found(f, "t.csv", table);
}

static char *json_of(const qn_features *features)
{
    qn_json j = {0};
    char *text;

    qn_json_open(&j, NULL, '{');
    qn_features_json(features, &j, "features");
    qn_json_close(&j, '}');
    CHECK(!j.out.failed);
    text = strdup(j.out.text);
    qn_json_release(&j);
    return text;
}

static qn_status parse(fixture *f, const char *text, qn_features *features)
{
    json_t *json = json_loads(text, 0, NULL);
    const qn_status st = qn_features_parse(f->ctx, json_object_get(json, "features"), features);

    json_decref(json);
    return st;
}

static void features_go_to_json_and_back(void **state)
{
    fixture *f = *state;
    qn_features back = {0};
    char *text, *again;

    find_all_kinds(f);
    text = json_of(&f->features);
    CHECK_TEXT(text, "{\"features\":{\"has_names\":true,\"categories\":\"one-hot\",\"label\":\"y\","
                     "\"weight\":\"w\",\"feature\":["
                     "{\"name\":\"a\",\"kind\":\"column\",\"source\":\"a\"},"
                     "{\"name\":\"colour\",\"kind\":\"category\",\"source\":\"colour\","
                     "\"category\":[\"blue\",\"red\"]},"
                     "{\"name\":\"d\",\"kind\":\"expression\",\"source\":\"a-b\"},"
                     "{\"name\":\"e\",\"kind\":\"expression\",\"source\":\"\\\"b\\\"*2\"}]}}");
    CHECK_OK(f->ctx, parse(f, text, &back));
    CHECK_EQ(back.width, 5);
    again = json_of(&back);
    CHECK_TEXT(again, text);
    free(again);
    qn_features_release(&back);
    free(text);
    f->options = (qn_matrix_options){.num_features = 7};
    found(f, "t.libsvm", "1 1:1\n");
    text = json_of(&f->features);
    CHECK_OK(f->ctx, parse(f, text, &back));
    CHECK_EQ(back.width, 7);
    CHECK_TEXT(back.label, "label");
    CHECK(back.weight == NULL);
    qn_features_release(&back);
    free(text);
}

static void a_copy_stands_alone(void **state)
{
    fixture *f = *state;
    qn_features copy;
    char *text, *again;

    find_all_kinds(f);
    text = json_of(&f->features);
    CHECK_OK(f->ctx, qn_features_copy(f->ctx, &f->features, &copy));
    qn_features_release(&f->features);
    again = json_of(&copy);
    CHECK_TEXT(again, text);
    CHECK_EQ(copy.width, 5);
    qn_features_release(&copy);
    free(text);
    free(again);
}

static void json_that_is_no_features_is_refused(void **state)
{
    fixture *f = *state;
#define BEFORE "{\"features\":{\"has_names\":true,\"categories\":\"index\",\"feature\":["
    static const char *const bad[][2] = {
        {"{}", "the features are no JSON object"},
        {"{\"features\":3}", "the features are no JSON object"},
        {"{\"features\":{}}", "\"has_names\" of the features is neither true nor false"},
        {"{\"features\":{\"has_names\":true,\"feature\":[]}}", "there are 0 features"},
        {"{\"features\":{\"has_names\":true,\"feature\":[3]}}",
         "\"categories\" of the features is not there"},
        {"{\"features\":{\"has_names\":true,\"categories\":\"hash\",\"feature\":[3]}}",
         "\"categories\" of the features is \"hash\", which is not known"},
        {"{\"features\":{\"has_names\":true,\"categories\":\"index\",\"label\":1,\"feature\":[3]}}",
         "\"label\" of the features is no text"},
        {BEFORE "3]}}", "\"name\" of the features is no text"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"row\"}]}}", "\"kind\" of the features is \"row\""},
        {BEFORE "{\"name\":\"a\",\"kind\":\"column\"}]}}", "\"source\" of the features is no text"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"expression\",\"source\":\"1+\"}]}}",
         "feature a: the expression ends"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"list\",\"source\":\"a\"}]}}", "the width of feature a"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"list\",\"source\":\"a\",\"width\":0}]}}",
         "the width of feature a"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"list\",\"source\":\"a\",\"width\":2000000}]}}",
         "the width of feature a"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"list\",\"source\":\"a\",\"width\":1000000},"
                "{\"name\":\"b\",\"kind\":\"list\",\"source\":\"b\",\"width\":1000000}]}}",
         "2000000 features are more than the 1048576"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"category\",\"source\":\"a\"}]}}",
         "feature a has 0 categories"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"category\",\"source\":\"a\",\"category\":[1]}]}}",
         "a category of feature a is no text"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"category\",\"source\":\"a\",\"category\":[\"b\",\"a\"]}"
                "]}}",
         "the categories of feature a do not ascend"},
        {BEFORE "{\"name\":\"a\",\"kind\":\"category\",\"source\":\"a\",\"category\":[\"10\",\"9\"]"
                "}]}}",
         "do not ascend"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        qn_features features;

        CHECK_EQ(parse(f, bad[i][0], &features), QN_EDATA);
        CHECK_ERROR(f->ctx, bad[i][1]);
        CHECK(features.feature == NULL && features.label == NULL);
    }
}

static void finding_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;

    find_all_kinds(f);
    qn_features_release(&f->features);
    const int64_t live = qn_alloc_live(f->ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = find(f);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        qn_features_release(&f->features);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
    }
}

static void json_and_copies_survive_every_failed_allocation(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;
    char *text;

    find_all_kinds(f);
    text = json_of(&f->features);
    const int64_t live = qn_alloc_live(f->ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_features back = {0}, copy = {0};

        qn_alloc_fail_after(f->ctx, allowed);
        st = parse(f, text, &back);
        if (st == QN_OK)
            st = qn_features_copy(f->ctx, &back, &copy);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((copy.n > 0) == (st == QN_OK));
        qn_features_release(&back);
        qn_features_release(&copy);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
    }
    free(text);
}

static void finding_stops_when_asked_to(void **state)
{
    fixture *f = *state;

    f->options.categorical = LIST("colour");
    found(f, "t.csv", table);
    qn_context_cancel(f->ctx, 0);
    CHECK_EQ(find(f), QN_ECANCELLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_number_but_label_and_weight_is_a_feature),
        TEST(what_an_expression_reads_is_no_feature_of_its_own),
        TEST(an_expression_may_take_a_column_s_name),
        TEST(features_stand_in_the_order_asked_for),
        TEST(categories_come_at_the_place_of_their_column),
        TEST(categories_ascend_as_numbers_or_as_bytes),
        TEST(categories_of_all_splits_and_ranks_are_joined),
        TEST(ranks_find_the_same_features),
        TEST(too_many_categories_are_refused),
        TEST(the_width_of_libsvm_is_the_largest_index),
        TEST(input_that_passes_once_asks_for_widths),
        TEST(a_pipe_passes_once),
        TEST(lists_are_as_wide_as_the_first),
        TEST(a_stray_text_in_a_column_of_numbers_is_told_with_its_line),
        TEST(columns_that_are_left_out_are_told),
        TEST(what_cannot_be_is_refused_by_name),
        TEST(a_table_without_numbers_has_no_features),
        TEST(names_that_stand_twice_are_refused),
        TEST(all_missing_gives_no_categories),
        TEST(files_without_header_have_columns_by_number),
        TEST(features_go_to_json_and_back),
        TEST(a_copy_stands_alone),
        TEST(json_that_is_no_features_is_refused),
        TEST(finding_survives_every_failed_allocation),
        TEST(json_and_copies_survive_every_failed_allocation),
        TEST(finding_stops_when_asked_to),
    };

    return cmocka_run_group_tests_name("data/features", tests, NULL, NULL);
}
