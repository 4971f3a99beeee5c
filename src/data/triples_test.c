/* Ratings from files: the same model data from any format, order, split, thread and rank; ids of
 * all types; splits; what each bad input says. */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/pool.h"
#include "data/sides.h"
#include "data/triples_testing.h"
#include "engine/comm.h"

typedef struct place {
    char dir[64];
    char path[128];
} place;

static qn_context *open_context(int32_t threads)
{
    const qn_context_options options = {.threads = threads, .memory = (size_t)1 << 30};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells = (qn_cell_sizes){.rating_rows = 4, .long_row = 8, .table_rows = 4};
    return ctx;
}

static void close_context(qn_context *ctx)
{
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void write_file(place *p, const char *name, const char *text)
{
    FILE *file;

    if (!p->dir[0])
        assert_non_null(fresh_dir(p->dir));
    snprintf(p->path, sizeof p->path, "%s/%s", p->dir, name);
    file = fopen(p->path, "w");
    assert_non_null(file);
    assert_true(fwrite(text, 1, strlen(text), file) == strlen(text));
    fclose(file);
}

static void remove_place(place *p)
{
    qn_context *ctx = open_context(1);

    CHECK_OK(ctx, qn_remove_tree(ctx, p->dir));
    qn_context_free(ctx);
    p->dir[0] = '\0';
}

/* One input; the list borrows `input`. */
static qn_ratings_options options_for(const char **input)
{
    qn_ratings_options options;

    qn_params_init(&qn_ratings_table, &options);
    options.input = (qn_text_list){input, 1};
    return options;
}

/* Reads the text as a CSV of its own; the caller frees. */
static qn_status read_text(qn_context *ctx, const char *name, const char *text,
                           const qn_ratings_options *wanted, bool need_time, qn_triples **t)
{
    place p = {0};
    const char *input = p.path;
    qn_ratings_options options = wanted ? *wanted : options_for(&input);
    qn_status st;

    write_file(&p, name, text);
    options.input = (qn_text_list){&input, 1};
    st = qn_triples_read(ctx, &options, need_time, need_time, t);
    remove_place(&p);
    return st;
}

static void a_csv_becomes_dictionaries_and_indices(void **state)
{
    qn_context *ctx = open_context(2);
    qn_triples *t = NULL;
    flat_rows rows;

    (void)state;
    CHECK_OK(ctx, read_text(ctx, "r.csv",
                            "userId,movieId,rating,timestamp\n"
                            "9,30,4.5,100\n2,-7,1,90\n9,10,3,80\n",
                            NULL, true, &t));
    flatten(ctx, t, &rows);
    CHECK_EQ(t->n, 3);
    CHECK_EQ(t->users.n, 2);
    CHECK_EQ(t->users.type, QN_ID_INT32);
    CHECK_EQ(t->users.number[0], 2);
    CHECK_EQ(t->users.number[1], 9);
    CHECK_EQ(t->items.n, 3);
    CHECK_EQ(t->items.number[0], -7);
    CHECK_EQ(t->items.number[2], 30);
    CHECK_EQ(rows.user[0], 1);
    CHECK_EQ(rows.user[1], 0);
    CHECK_EQ(rows.item[0], 2);
    CHECK_EQ(rows.item[2], 1);
    CHECK(rows.value[0] == 4.5f && rows.value[1] == 1 && rows.value[2] == 3);
    CHECK_EQ(rows.time[2], 80);
    CHECK_EQ(t->counts.rows_read, 3);
    CHECK_EQ(t->counts.rows_bad, 0);
    qn_triples_free(t);
    close_context(ctx);
}

static void ids_past_int32_become_int64_and_far_ids_are_found_by_hash(void **state)
{
    qn_context *ctx = open_context(2);
    qn_triples *t = NULL;
    flat_rows rows;

    (void)state;
    CHECK_OK(ctx, read_text(ctx, "r.csv",
                            "userId,movieId,rating\n5,1,1\n9000000000,2,2\n"
                            "-9223372036854775808,3,3\n9223372036854775807,2000000000,4\n5,2,5\n",
                            NULL, false, &t));
    flatten(ctx, t, &rows);
    CHECK_EQ(t->users.type, QN_ID_INT64);
    CHECK_EQ(t->items.type, QN_ID_INT32);
    CHECK_EQ(t->users.n, 4);
    CHECK(t->users.number[0] == INT64_MIN && t->users.number[3] == INT64_MAX);
    CHECK_EQ(rows.user[0], 1);
    CHECK_EQ(rows.user[1], 2);
    CHECK_EQ(rows.user[2], 0);
    CHECK_EQ(rows.user[4], 1);
    CHECK_EQ(rows.item[3], 3);
    CHECK_EQ(qn_ids_find(&t->users, "9000000000"), 2);
    CHECK_EQ(qn_ids_find(&t->users, "x"), -1);
    qn_triples_free(t);
    close_context(ctx);
}

static void text_ids_are_ordered_by_bytes(void **state)
{
    qn_context *ctx = open_context(3);
    qn_triples *t = NULL;
    flat_rows rows;
    char text[8];

    (void)state;
    CHECK_OK(ctx,
             read_text(ctx, "r.csv", "user,item,rating\nzoe,b,1\nAnn,abc,2\nzo,b,3\n\"o,k\",ab,4\n",
                       NULL, false, &t));
    flatten(ctx, t, &rows);
    CHECK_EQ(t->users.type, QN_ID_STRING);
    CHECK_EQ(t->users.n, 4);
    CHECK_EQ(qn_ids_find(&t->users, "Ann"), 0);
    CHECK_EQ(qn_ids_find(&t->users, "o,k"), 1);
    CHECK_EQ(qn_ids_find(&t->users, "zo"), 2);
    CHECK_EQ(qn_ids_find(&t->users, "zoe"), 3);
    CHECK_EQ(qn_ids_find(&t->users, "z"), -1);
    CHECK_EQ(qn_ids_find(&t->items, "ab"), 0);
    CHECK_EQ(rows.user[0], 3);
    CHECK_EQ(rows.item[0], 2);
    CHECK_EQ(qn_ids_format(&t->users, 3, text, sizeof text), 3);
    CHECK_TEXT(text, "zoe");
    CHECK_EQ(qn_ids_format(&t->users, 3, text, 3), 3);
    CHECK_TEXT(text, "zo");
    qn_triples_free(t);
    close_context(ctx);
}

static void other_names_and_no_names_are_understood(void **state)
{
    qn_context *ctx = open_context(1);
    qn_triples *t = NULL;
    flat_rows rows;

    (void)state;
    CHECK_OK(ctx, read_text(ctx, "r.csv", "MOVIE_ID,CUST_ID,RATING,DATE\n7,1,5,2005-09-06\n", NULL,
                            true, &t));
    flatten(ctx, t, &rows);
    CHECK_EQ(t->users.number[0], 1);
    CHECK_EQ(t->items.number[0], 7);
    CHECK_EQ(rows.time[0], 1125964800);
    qn_triples_free(t);
    CHECK_OK(ctx,
             read_text(ctx, "r.dat", "1::7::5::978300760\n2::7::4::978300761\n", NULL, true, &t));
    flatten(ctx, t, &rows);
    CHECK_EQ(t->users.n, 2);
    CHECK_EQ(t->items.number[0], 7);
    CHECK_EQ(rows.time[1], 978300761);
    qn_triples_free(t);
    CHECK_OK(ctx, read_text(ctx, "r.txt", "7:\n1,5,2005-09-06\n2,3,2005-09-07\n", NULL, true, &t));
    flatten(ctx, t, &rows);
    CHECK_EQ(t->users.n, 2);
    CHECK_EQ(t->items.number[0], 7);
    CHECK(rows.value[1] == 3);
    qn_triples_free(t);
    close_context(ctx);
}

static void no_rating_column_makes_every_rating_one(void **state)
{
    const char *input = NULL;
    qn_ratings_options options = options_for(&input);
    qn_context *ctx = open_context(1);
    qn_triples *t = NULL;
    flat_rows rows;

    (void)state;
    options.rating_col = "";
    CHECK_OK(ctx, read_text(ctx, "r.csv", "userId,movieId\n1,2\n3,4\n", &options, false, &t));
    flatten(ctx, t, &rows);
    CHECK(rows.value[0] == 1 && rows.value[1] == 1);
    qn_triples_free(t);
    close_context(ctx);
}

typedef struct bad_case {
    const char *text;
    qn_status status;
    const char *says[3];
    int32_t id_type;
    bool need_time;
} bad_case;

static void each_bad_input_has_its_message(void **state)
{
    static const bad_case cases[] = {
        {"userId,movieId,rating\n1,2,3\n1,2,abc\n",
         QN_EDATA,
         {"line 3", "column rating: \"abc\"", "--on-bad-row skip"}},
        {"userId,movieId,rating\n1,2,3\n,2,3\n", QN_EDATA, {"line 3", "ids MUST NOT be Null"}},
        {"userId,movieId,rating\n1,2,3\n5,2,nan\n",
         QN_EDATA,
         {"line 3", "MUST NOT be Null or NaN"}},
        {"userId,movieId,rating\n1,2,3\n1,2,-inf\n", QN_EDATA, {"line 3", "MUST NOT be Infinity"}},
        {"userId,movieId,rating\n1,2,1e31\n", QN_EDATA, {"line 2", "1e30"}},
        {"userId,movieId,rating\n", QN_EDATA, {"No ratings available from"}},
        {"userId,movieId,rating\n1,2,3\nbob,2,3\n",
         QN_EDATA,
         {"line 3", "\"bob\"", "--id-type string"},
         QN_ID_INT64},
        {"userId,movieId,rating\n1,2,3\n2147483648,2,3\n",
         QN_EDATA,
         {"values in Integer range", "2147483648", "line 3"},
         QN_ID_INT32},
        {"userId,movieId,rating\n1,2,3\n123.1,2,3\n",
         QN_EDATA,
         {"values in Integer range", "123.1"},
         QN_ID_INT32},
        {"userIds,movieId,rating\n1,2,3\n", QN_ENOTFOUND, {"userId"}},
        {"userId,movieId,rating\n1,2,3\n", QN_EINVAL, {"--timestamp-col"}, QN_ID_AUTO, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *input = NULL;
        qn_ratings_options options = options_for(&input);
        qn_context *ctx = open_context(2);
        qn_triples *t = NULL;

        options.id_type = cases[i].id_type;
        CHECK_EQ(read_text(ctx, "r.csv", cases[i].text, &options, cases[i].need_time, &t),
                 cases[i].status);
        assert_null(t);
        for (int s = 0; s < 3 && cases[i].says[s]; s++)
            CHECK_ERROR(ctx, cases[i].says[s]);
        close_context(ctx);
    }
}

static void skipped_rows_are_counted_with_examples(void **state)
{
    const char *input = NULL;
    qn_ratings_options options = options_for(&input);
    qn_context *ctx = open_context(2);
    qn_triples *t = NULL;

    (void)state;
    options.on_bad_row = QN_BAD_ROW_SKIP;
    options.id_type = QN_ID_INT64;
    CHECK_OK(ctx, read_text(ctx, "r.csv",
                            "userId,movieId,rating\n1,2,3\n1,x,3\n1,2\n2,3,5\n,1,1\n2,1,z\n"
                            "7,8,NaN\n7,8,inf\n7,8,-1e300\n",
                            &options, false, &t));
    CHECK_EQ(t->n, 2);
    CHECK_EQ(t->counts.rows_read, 2);
    CHECK_EQ(t->counts.rows_bad, 7);
    CHECK_EQ(t->users.n, 2);
    CHECK_EQ(t->counts.rejects.count[QN_REJECT_RANGE] + t->counts.rejects.count[QN_REJECT_NULL], 4);
    CHECK_EQ(t->counts.rejects.count[QN_REJECT_MALFORMED], 1);
    CHECK_EQ(t->counts.rejects.count[QN_REJECT_TYPE], 2);
    CHECK_EQ(t->counts.rejects.n_examples, 5);
    CHECK_TEXT(t->counts.rejects.example[0].text, "x");
    assert_non_null(strstr(t->counts.first_reject, "r.csv, line 3: column movieId: \"x\""));
    qn_triples_free(t);
    close_context(ctx);
}

/* ---- the same from everywhere ---- */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

#define N_ROWS 600

/* 600 rows, written in the order of the shuffle, with `cell` between fields. */
static void write_ratings(place *p, const char *name, const char *header, const char *cell,
                          uint64_t seed)
{
    static char text[N_ROWS * 48];
    int64_t order[N_ROWS];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", header);

    for (int64_t i = 0; i < N_ROWS; i++)
        order[i] = i;
    for (int64_t i = N_ROWS - 1; seed && i > 0; i--) {
        const int64_t j = (int64_t)(next_random(&seed) % (uint64_t)(i + 1));
        const int64_t swap = order[i];

        order[i] = order[j];
        order[j] = swap;
    }
    for (int64_t k = 0; k < N_ROWS; k++) {
        uint64_t random = (uint64_t)order[k] * 977 + 3;
        const unsigned user = (unsigned)(next_random(&random) % 40);
        const unsigned item = (unsigned)(next_random(&random) % 30);
        const unsigned half = (unsigned)(next_random(&random) % 10) + 1;

        used += (size_t)snprintf(text + used, sizeof text - used, "%u%s%u%s%u.%u%s%u\n", user * 7,
                                 cell, item, cell, half / 2, half % 2 * 5, cell,
                                 (unsigned)(next_random(&random) % 1000) + 10000);
    }
    write_file(p, name, text);
}

/* What must not depend on how the ratings came in. */
typedef struct answer {
    uint64_t fingerprint, train, test;
    int64_t n, n_test, duplicates, users, items;
    double sum;
} answer;

typedef struct read_input {
    qn_ratings_options options;
    const char *split;
    answer answer[4];
} read_input;

static qn_status part_fingerprint(qn_context *ctx, const qn_triples *t, const qn_sides *sides,
                                  uint8_t keep, uint64_t *fingerprint, int64_t *n)
{
    const qn_choice choice = {sides, 1, keep == 0}; /* of two parts: the other, or the one */
    qn_triples *taken = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_triples_take(ctx, t, &choice, true, &taken));
    QN_TRY(qn_triples_fingerprint(ctx, taken, fingerprint));
    *n = taken->n;
    QN_TRY(qn_comm_sum_int64(ctx, n, 1));
done:
    qn_triples_free(taken);
    return st;
}

static qn_status read_on_rank(qn_context *ctx, void *arg)
{
    read_input *input = arg;
    answer *a = &input->answer[qn_rank(ctx)];
    qn_split_spec spec;
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    qn_ratings *r = NULL;
    qn_sides *sides = NULL;
    int64_t n = 0;

    QN_TRY(qn_split_parse(ctx, input->split, 42, &spec));
    QN_TRY(qn_triples_read(ctx, &input->options, true, true, &t));
    QN_TRY(qn_triples_split(ctx, t, &spec, &sides));
    QN_TRY(part_fingerprint(ctx, t, sides, 0, &a->train, &n));
    QN_TRY(part_fingerprint(ctx, t, sides, 1, &a->test, &a->n_test));
    QN_TRY(qn_ratings_from_triples(ctx, &t, 0, &r));
    a->fingerprint = r->fingerprint;
    a->n = r->n_ratings;
    a->duplicates = r->counts.duplicates;
    a->users = r->users.n;
    a->items = r->items.n;
    a->sum = r->sum_ratings;
    if (n + a->n_test != a->n || a->train + a->test != a->fingerprint)
        st = qn_fail(ctx, QN_EINTERNAL, "the parts are not the whole");
done:
    qn_sides_free(sides);
    qn_triples_free(t);
    qn_ratings_free(r);
    return st;
}

static answer read_answer(const char *path, const char *split, int32_t threads, int32_t ranks,
                          size_t split_bytes, int32_t id_type)
{
    qn_context *ctx = open_context(threads);
    read_input input = {.options = options_for(&path), .split = split};

    input.options.split_bytes = split_bytes;
    input.options.id_type = id_type;
    if (ranks == 1)
        CHECK_OK(ctx, read_on_rank(ctx, &input));
    else
        CHECK_OK(ctx, qn_run_thread_ranks(ctx, ranks, read_on_rank, &input));
    for (int32_t r = 1; r < ranks; r++)
        assert_memory_equal(&input.answer[0], &input.answer[r], sizeof(answer));
    close_context(ctx);
    return input.answer[0];
}

static void one_answer_for_any_format_order_split_threads_and_ranks(void **state)
{
    static const char *const splits[] = {"random:0.8", "temporal:0.75", "leave-one-out"};
    place p = {0};

    (void)state;
    for (int32_t s = 0; s < 3; s++) {
        answer first, other;

        write_ratings(&p, "r.csv", "userId,movieId,rating,timestamp\n", ",", 0);
        first = read_answer(p.path, splits[s], 1, 1, 0, QN_ID_AUTO);
        CHECK_EQ(first.n, N_ROWS);
        CHECK_EQ(first.users, 40);
        CHECK(first.duplicates > 50);
        CHECK(s != 0 || (first.n_test > 80 && first.n_test < 160));
        CHECK(s != 1 || first.n_test == N_ROWS / 4);
        CHECK(s != 2 || first.n_test == 40);
        for (int32_t ranks = 1; ranks <= 3; ranks++) {
            write_ratings(&p, "r.tsv", "userId\tmovieId\trating\ttimestamp\n", "\t",
                          (uint64_t)ranks);
            other = read_answer(p.path, splits[s], ranks, ranks, 500, QN_ID_AUTO);
            assert_memory_equal(&first, &other, sizeof first);
            write_ratings(&p, "r.dat", "", "::", (uint64_t)ranks + 7);
            other = read_answer(p.path, splits[s], 8, ranks, 300, QN_ID_INT64);
            assert_memory_equal(&first, &other, sizeof first);
        }
    }
    remove_place(&p);
}

static void text_ids_give_one_answer_for_any_threads_and_ranks(void **state)
{
    place p = {0};
    answer first;

    (void)state;
    write_ratings(&p, "r.csv", "userId,movieId,rating,timestamp\n", ",", 0);
    first = read_answer(p.path, "random:0.5", 1, 1, 0, QN_ID_STRING);
    CHECK_EQ(first.users, 40);
    for (int32_t ranks = 1; ranks <= 3; ranks++) {
        const answer other = read_answer(p.path, "random:0.5", ranks + 1, ranks, 400, QN_ID_STRING);

        assert_memory_equal(&first, &other, sizeof first);
    }
    remove_place(&p);
}

static void splits_are_parsed_or_explained(void **state)
{
    static const char *const bad[] = {"random:1.5", "random:0",   "temporal:x",
                                      "half",       "random:nan", "leave-one-out:2"};
    qn_context *ctx = open_context(1);
    qn_split_spec spec;

    (void)state;
    CHECK_OK(ctx, qn_split_parse(ctx, "random:0.9", 7, &spec));
    CHECK(spec.kind == QN_SPLIT_RANDOM && spec.train_fraction == 0.9 && spec.seed == 7);
    CHECK_OK(ctx, qn_split_parse(ctx, "temporal", 7, &spec));
    CHECK(spec.kind == QN_SPLIT_TEMPORAL && spec.train_fraction == 0.8);
    CHECK_OK(ctx, qn_split_parse(ctx, "leave-one-out", 7, &spec));
    CHECK_EQ(spec.kind, QN_SPLIT_LEAVE_ONE_OUT);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(qn_split_parse(ctx, bad[i], 7, &spec), QN_EINVAL);
        CHECK_ERROR(ctx, "leave-one-out");
    }
    close_context(ctx);
}

static void temporal_and_leave_one_out_take_the_last_rows(void **state)
{
    /* by (time, user, item, rating): rows 3, 0, 4, 2, 1 */
    static const char text[] = "userId,movieId,rating,timestamp\n"
                               "1,10,3,50\n1,12,4,90\n1,11,5,90\n2,10,1,40\n2,11,2,60\n";
    static const uint8_t temporal[] = {0, 1, 1, 0, 0}, last[] = {0, 1, 0, 0, 1};
    qn_context *ctx = open_context(1);
    qn_split_spec spec = {QN_SPLIT_TEMPORAL, 0.6, 0};
    qn_triples *t = NULL, *taken = NULL;
    flat_rows rows;
    qn_sides *sides = NULL;
    uint8_t part[5];

    (void)state;
    CHECK_OK(ctx, read_text(ctx, "r.csv", text, NULL, true, &t));
    CHECK_OK(ctx, qn_triples_split(ctx, t, &spec, &sides));
    CHECK_OK(ctx, qn_sides_get(ctx, sides, 0, 5, part));
    assert_memory_equal(part, temporal, 5);
    qn_sides_free(sides);
    spec.kind = QN_SPLIT_LEAVE_ONE_OUT;
    CHECK_OK(ctx, qn_triples_split(ctx, t, &spec, &sides));
    CHECK_OK(ctx, qn_sides_get(ctx, sides, 0, 5, part));
    assert_memory_equal(part, last, 5);
    CHECK_OK(ctx, qn_triples_take(ctx, t, &(qn_choice){sides, 1, false}, true, &taken));
    qn_sides_free(sides);
    CHECK_EQ(taken->n, 2);
    CHECK_EQ(taken->items.n, 2);
    CHECK_EQ(taken->items.number[0], 11);
    flatten(ctx, taken, &rows);
    CHECK_EQ(rows.item[0], 1);
    CHECK_EQ(rows.time[1], 60);
    qn_triples_free(taken);
    qn_triples_free(t);
    CHECK_OK(ctx, read_text(ctx, "r.csv", "userId,movieId,rating\n1,2,3\n", NULL, false, &t));
    CHECK_EQ(qn_triples_split(ctx, t, &spec, &sides), QN_EINVAL);
    assert_null(sides);
    CHECK_ERROR(ctx, "--timestamp-col");
    qn_triples_free(t);
    close_context(ctx);
}

static void ids_have_places_among_those_of_a_model(void **state)
{
    qn_context *ctx = open_context(1);
    int64_t numbers[] = {3, 5}, offsets[] = {0, 2, 3};
    int64_t *user = NULL, *item = NULL;
    char texts[] = "117";
    const qn_ids users = {.type = QN_ID_INT64, .n = 2, .number = numbers};
    const qn_ids items = {.type = QN_ID_STRING, .n = 2, .text = texts, .offset = offsets};
    qn_triples *t = NULL;

    (void)state;
    CHECK_OK(ctx, read_text(ctx, "r.csv", "userId,movieId,rating\n5,11,1\n4,7,1\n3,1,1\n", NULL,
                            false, &t));
    CHECK_OK(ctx, qn_ids_place(ctx, &t->users, &users, &user));
    CHECK_OK(ctx, qn_ids_place(ctx, &t->items, &items, &item));
    CHECK(user[0] == 0 && user[1] == -1 && user[2] == 1); /* of 3, 4, 5 */
    CHECK(item[0] == -1 && item[1] == 1 && item[2] == 0); /* of 1, 7, 11 */
    qn_free(user);
    qn_free(item);
    qn_triples_free(t);
    close_context(ctx);
}

static void reading_survives_every_failed_allocation(void **state)
{
    place p = {0};

    (void)state;
    write_ratings(&p, "r.csv", "userId,movieId,rating,timestamp\n", ",", 0);
    for (int32_t id_type = QN_ID_AUTO; id_type <= QN_ID_STRING; id_type += QN_ID_STRING) {
        const char *path = p.path;
        qn_context *ctx = open_context(2);
        read_input input = {.options = options_for(&path), .split = "random:0.5"};
        qn_status st = QN_ENOMEM;

        input.options.split_bytes = 4000;
        input.options.id_type = id_type;
        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_alloc_fail_after(ctx, allowed);
            st = read_on_rank(ctx, &input);
            qn_alloc_fail_after(ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
            CHECK_EQ(qn_alloc_live(ctx), 0);
        }
        qn_context_free(ctx);
    }
    remove_place(&p);
}

static void ml_latest_small_is_read_whole(void **state)
{
    char path[512];
    const char *input = path;
    qn_context *ctx = open_context(2);
    qn_ratings_options options = options_for(&input);
    qn_ratings *r = NULL;

    (void)state;
    SKIP_WITHOUT_SHARED();
    snprintf(path, sizeof path, "%s/data/ml-latest-small/ratings.csv", shared_dir());
    options.split_bytes = 100000;
    CHECK_OK(ctx, qn_ratings_read(ctx, &options, &r));
    CHECK_EQ(r->n_ratings, 100836);
    CHECK_EQ(r->users.n, 610);
    CHECK_EQ(r->items.n, 9724);
    CHECK_EQ(r->n_values, 10);
    CHECK_EQ(r->counts.duplicates, 0);
    CHECK_NEAR(r->sum_ratings / 100836.0, 3.50156, 5e-6);
    qn_ratings_free(r);
    close_context(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_csv_becomes_dictionaries_and_indices),
        cmocka_unit_test(ids_past_int32_become_int64_and_far_ids_are_found_by_hash),
        cmocka_unit_test(text_ids_are_ordered_by_bytes),
        cmocka_unit_test(other_names_and_no_names_are_understood),
        cmocka_unit_test(no_rating_column_makes_every_rating_one),
        cmocka_unit_test(each_bad_input_has_its_message),
        cmocka_unit_test(skipped_rows_are_counted_with_examples),
        cmocka_unit_test(one_answer_for_any_format_order_split_threads_and_ranks),
        cmocka_unit_test(text_ids_give_one_answer_for_any_threads_and_ranks),
        cmocka_unit_test(splits_are_parsed_or_explained),
        cmocka_unit_test(temporal_and_leave_one_out_take_the_last_rows),
        cmocka_unit_test(ids_have_places_among_those_of_a_model),
        cmocka_unit_test(reading_survives_every_failed_allocation),
        cmocka_unit_test(ml_latest_small_is_read_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
