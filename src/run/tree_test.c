#include "check.h"

#include "run/tree.h"

static void check_json(const qn_tree *tree, const char *path, const char *expected)
{
    qn_json j = {0};

    qn_tree_json(tree, path, NULL, &j);
    CHECK_TEXT(qn_string_text(&j.out), expected);
    qn_json_release(&j);
}

static void dotted_paths_become_nested_objects_in_the_order_they_came(void **state)
{
    (void)state;
    qn_tree t = {0};

    qn_tree_int(&t, "counts.rows", 3);
    qn_tree_real(&t, "metrics.rmse", 0.5);
    qn_tree_int(&t, "counts.bad.type", 1);
    qn_tree_text(&t, "metrics.protocol", "honest");
    qn_tree_int(&t, "counts.bad.null", 2);
    qn_tree_int(&t, "counts.users", 4);
    check_json(&t, "counts", "{\"rows\":3,\"bad\":{\"type\":1,\"null\":2},\"users\":4}");
    check_json(&t, "metrics", "{\"rmse\":0.5,\"protocol\":\"honest\"}");
    check_json(&t, "metric", "{}");
    check_json(&t, "nothing", "{}");
    qn_tree_release(&t);
}

static void a_later_value_takes_the_place_and_times_add_up(void **state)
{
    (void)state;
    qn_tree t = {0};

    qn_tree_int(&t, "a", 1);
    qn_tree_text(&t, "a", "two");
    qn_tree_add_real(&t, "s", 1.5);
    qn_tree_add_real(&t, "s", 2);
    check_json(&t, "", "{\"a\":\"two\",\"s\":3.5}");
    CHECK_TEXT(qn_tree_get_text(&t, "a"), "two");
    CHECK(qn_tree_get_text(&t, "s") == NULL);
    qn_tree_release(&t);
}

static void brackets_collect_an_array(void **state)
{
    (void)state;
    qn_tree t = {0};

    qn_tree_text(&t, "data.files[]", "a.csv");
    qn_tree_text(&t, "data.format", "csv");
    qn_tree_text(&t, "data.files[]", "b.csv");
    check_json(&t, "data", "{\"files\":[\"a.csv\",\"b.csv\"],\"format\":\"csv\"}");
    qn_tree_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dotted_paths_become_nested_objects_in_the_order_they_came),
        cmocka_unit_test(a_later_value_takes_the_place_and_times_add_up),
        cmocka_unit_test(brackets_collect_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
