#include "folder.h"
#include "small_model.h"

#include "lifecycle/predict.h"

typedef struct predict {
    folder *f;
    qn_predict_options options;
    qn_columns_options columns;
    qn_scoring_options scoring;
    const char *input;
    qn_predict_result result;
} predict;

/* Skips the test where models cannot be saved. */
static void predict_open(predict *p, qn_context *ctx, bool is_text, const char *pairs)
{
    *p = (predict){.f = folder_make(ctx)};
    qn_params_init(&qn_predict_table, &p->options);
    qn_params_init(&qn_columns_table, &p->columns);
    qn_params_init(&qn_scoring_table, &p->scoring);
    p->options.model = folder_file(p->f, "model");
    p->options.output = folder_file(p->f, "out.csv");
    p->input = folder_put(p->f, "pairs.csv", pairs);
    p->options.input = (qn_text_list){&p->input, 1};
    if (!small_model_save(ctx, p->options.model, is_text)) {
        folder_remove(p->f);
        skip();
    }
}

static qn_status predict_run(predict *p)
{
    p->options.overwrite = true;
    return qn_predict_run(p->f->ctx, &p->options, &p->columns, &p->scoring, &p->result);
}

static void predict_close(predict *p)
{
    qn_context *ctx = p->f->ctx;

    folder_remove(p->f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

static void columns_and_their_texts_stay_as_they_were(void **state)
{
    predict p;

    predict_open(&p, *state, false,
                 "rating,movieId,note,userId\n4.0,10,\"a, \"\"b\"\"\",1\n,030,,2\n");
    CHECK_OK(*state, predict_run(&p));
    folder_expect(p.f, "out.csv",
                  "rating,movieId,note,userId,prediction\n4.0,10,\"a, \"\"b\"\"\",1,4\n"
                  ",030,,2,5\n");
    CHECK_EQ(p.result.rows_read, 2);
    CHECK_EQ(p.result.rows_written, 2);
    CHECK_EQ(p.result.rows_bad, 0);
    predict_close(&p);
}

static void cold_rows_are_told_apart_and_served_as_asked(void **state)
{
    /* Known; unknown item; unknown user; both. */
    static const char pairs[] = "userId,movieId\n2,20\n1,99\n7,10\n7,99\n";
    static const struct {
        int32_t cold;
        const char *expected;
    } way[] = {
        {1 + QN_COLD_NAN, "2,20,2\n1,99,NaN\n7,10,NaN\n7,99,NaN\n"},
        {1 + QN_COLD_DROP, "2,20,2\n"},
        {1 + QN_COLD_MEAN, "2,20,2\n1,99,3.5\n7,10,3.5\n7,99,3.5\n"},
        {1 + QN_COLD_POPULAR, "2,20,2\n1,99,3.5\n7,10,4.5\n7,99,3.5\n"},
        {QN_COLD_CHOICE_MODEL, "2,20,2\n1,99,NaN\n7,10,NaN\n7,99,NaN\n"},
    };
    predict p;

    predict_open(&p, *state, false, pairs);
    for (size_t w = 0; w < sizeof way / sizeof *way; w++) {
        char expected[256];

        snprintf(expected, sizeof expected, "userId,movieId,prediction\n%s", way[w].expected);
        p.options.cold = way[w].cold;
        CHECK_OK(*state, predict_run(&p));
        folder_expect(p.f, "out.csv", expected);
        CHECK_EQ(p.result.unknown_item, 1);
        CHECK_EQ(p.result.unknown_user, 1);
        CHECK_EQ(p.result.unknown_both, 1);
        CHECK_EQ(p.result.rows_read, 4);
        CHECK_EQ(p.result.rows_dropped, way[w].cold == 1 + QN_COLD_DROP ? 3 : 0);
        CHECK_EQ(p.result.rows_written + p.result.rows_dropped, 4);
    }
    predict_close(&p);
}

static void a_file_without_names_is_read_by_place(void **state)
{
    predict p;

    predict_open(&p, *state, false, "1,10,x\n2,30,y\n");
    CHECK_OK(*state, predict_run(&p));
    folder_expect(p.f, "out.csv", "1,10,x,4\n2,30,y,5\n");
    predict_close(&p);
}

static void a_name_that_is_taken_is_refused(void **state)
{
    predict p;

    predict_open(&p, *state, false, "userId,movieId,prediction\n1,10,9\n");
    CHECK_EQ(predict_run(&p), QN_EINVAL);
    CHECK_ERROR(*state, "--prediction-col");
    CHECK(!folder_has(p.f, "out.csv"));
    p.options.prediction_col = "again";
    CHECK_OK(*state, predict_run(&p));
    folder_expect(p.f, "out.csv", "userId,movieId,prediction,again\n1,10,9,4\n");
    predict_close(&p);
}

static void text_ids_are_found_byte_for_byte(void **state)
{
    predict p;

    predict_open(&p, *state, true, "userId,movieId\nann,x\nbob,z\nAnn,x\n1,x\n");
    CHECK_OK(*state, predict_run(&p));
    folder_expect(p.f, "out.csv",
                  "userId,movieId,prediction\nann,x,4\nbob,z,5\nAnn,x,NaN\n1,x,NaN\n");
    CHECK_EQ(p.result.unknown_user, 2);
    folder_put(p.f, "pairs.csv", "bob,y\nann,z\n");
    CHECK_OK(*state, predict_run(&p));
    folder_expect(p.f, "out.csv", "bob,y,2\nann,z,2\n");
    predict_close(&p);
}

static void bad_rows_are_counted_or_end_the_job(void **state)
{
    predict p;

    predict_open(&p, *state, false, "userId,movieId\n1,10\n1\n2,\n2,30\n");
    CHECK_OK(*state, predict_run(&p));
    folder_expect(p.f, "out.csv", "userId,movieId,prediction\n1,10,4\n2,30,5\n");
    CHECK_EQ(p.result.rows_bad, 2);
    CHECK_EQ(p.result.rejects.count[QN_REJECT_MALFORMED], 1);
    CHECK_EQ(p.result.rejects.count[QN_REJECT_NULL], 1);
    p.columns.on_bad_row = QN_BAD_ROW_FAIL;
    p.options.output = folder_file(p.f, "other.csv");
    CHECK_EQ(predict_run(&p), QN_EDATA);
    CHECK_ERROR(*state, "line 3");
    CHECK(!folder_has(p.f, "other.csv"));
    predict_close(&p);
}

static void rows_may_be_written_as_json(void **state)
{
    predict p;

    predict_open(&p, *state, false, "userId,movieId,rating\n1,10,4.0\n2,99,3\n");
    p.options.output = folder_file(p.f, "out.jsonl");
    CHECK_OK(*state, predict_run(&p));
    folder_expect(p.f, "out.jsonl",
                  "{\"userId\":1,\"movieId\":10,\"rating\":4,\"prediction\":4.0}\n"
                  "{\"userId\":2,\"movieId\":99,\"rating\":3,\"prediction\":null}\n");
    predict_close(&p);
}

static void a_missing_model_or_column_is_named(void **state)
{
    predict p;

    predict_open(&p, *state, false, "user,film\n1,10\n");
    p.columns.item_col = "flim";
    CHECK_EQ(predict_run(&p), QN_ENOTFOUND);
    CHECK_ERROR(*state, "film");
    p.options.model = "/nowhere/model";
    CHECK_EQ(predict_run(&p), QN_ENOTFOUND);
    CHECK_ERROR(*state, "/nowhere/model");
    predict_close(&p);
}

static void every_failed_write_leaves_no_output(void **state)
{
    qn_status st = QN_EIO;
    predict p;

    predict_open(&p, *state, false, "userId,movieId\n1,10\n2,20\n");
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(*state, allowed, 28 /* ENOSPC */);
        st = predict_run(&p);
        qn_write_fail_after(*state, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        CHECK_EQ(folder_count(p.f), st == QN_OK ? 3 : 2);
        CHECK_EQ(qn_alloc_live(*state), 0);
        CHECK(allowed < 100);
    }
    predict_close(&p);
}

static void every_failed_allocation_leaves_no_output(void **state)
{
    qn_status st = QN_ENOMEM;
    predict p;

    predict_open(&p, *state, false, "userId,movieId\n1,10\n2,20\n");
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(*state, allowed);
        st = predict_run(&p);
        qn_alloc_fail_after(*state, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(folder_count(p.f), st == QN_OK ? 3 : 2);
        CHECK_EQ(qn_alloc_live(*state), 0);
        CHECK(allowed < 1000);
    }
    predict_close(&p);
}

static int set_up(void **state)
{
    qn_context *ctx = NULL;
    const qn_status st = qn_context_create(&(qn_context_options){.threads = 2}, &ctx);

    *state = ctx;
    return st == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_and_their_texts_stay_as_they_were),
        cmocka_unit_test(cold_rows_are_told_apart_and_served_as_asked),
        cmocka_unit_test(a_file_without_names_is_read_by_place),
        cmocka_unit_test(a_name_that_is_taken_is_refused),
        cmocka_unit_test(text_ids_are_found_byte_for_byte),
        cmocka_unit_test(bad_rows_are_counted_or_end_the_job),
        cmocka_unit_test(rows_may_be_written_as_json),
        cmocka_unit_test(a_missing_model_or_column_is_named),
        cmocka_unit_test(every_failed_write_leaves_no_output),
        cmocka_unit_test(every_failed_allocation_leaves_no_output),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
