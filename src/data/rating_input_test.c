#include "data/rating_input_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "folder.h"
#include "quern/sink.h"

typedef struct bench {
    qn_context *ctx;
    folder *dir;
} bench;

/* Options for paths that live as long as the call. */
static qn_rating_input_options input_of(const char **path, int64_t n, size_t split_bytes)
{
    qn_rating_input_options options;

    qn_params_init(&qn_rating_input_table, &options);
    options.input = (qn_text_list){path, n};
    options.split_bytes = split_bytes;
    return options;
}

/* Everything that reading gives. */
typedef struct reading_of {
    qn_rating_input_counts counts;
    qn_string rows; /* in the order of the files */
    char *rejects;  /* without the header line */
    char *text;     /* that `rejects` lies in */
} reading_of;

static void reading_release(reading_of *r)
{
    qn_string_release(&r->rows);
    qn_free(r->text);
    *r = (reading_of){0};
}

/* Rows of which the user is divided by `lose_every` are duplicates, told in no order. */
static void lose_some(qn_context *ctx, qn_rejects_file *rejects, const taken_rows *t,
                      int64_t lose_every)
{
    for (int64_t k = t->n - 1; lose_every && k >= 0; k--) {
        const qn_rating_row *row = &t->row[(k * 7919) % t->n];

        if (t->n % 7919 != 0 && row->user % lose_every == 0)
            CHECK_OK(ctx, qn_rejects_file_duplicate(rejects, row, row));
    }
}

static void read_all(bench *b, const qn_rating_input_options *options, bool whole,
                     int64_t lose_every, reading_of *out)
{
    static const char header[] = "file,line,reason,text\n";
    qn_context *ctx = b->ctx;
    const char *path = folder_file(b->dir, "rejects.csv");
    taken_rows taken = {.lock = PTHREAD_MUTEX_INITIALIZER};
    qn_rejects_file *rejects = NULL;
    qn_rating_input *input = NULL;

    CHECK_OK(ctx, qn_rating_input_open(ctx, options, &input));
    CHECK_OK(ctx, qn_rejects_file_create(ctx, path, true, &rejects));
    CHECK_OK(ctx,
             qn_rating_input_read(ctx, input, whole, rejects, take_rows, &taken, &out->counts));
    sort_taken(&taken);
    taken_text(&taken, &out->rows);
    lose_some(ctx, rejects, &taken, lose_every);
    CHECK_OK(ctx, qn_rejects_file_section(ctx, rejects, input, NULL));
    CHECK_OK(ctx, qn_rejects_file_commit(ctx, &rejects));
    out->text = folder_get(b->dir, "rejects.csv");
    assert_memory_equal(out->text, header, sizeof header - 1);
    out->rejects = out->text + sizeof header - 1;
    CHECK_EQ(out->counts.rows_delivered, taken.n);
    CHECK_EQ(out->counts.rows_read, taken.n + out->counts.dropped[QN_DROP_MALFORMED] +
                                        out->counts.dropped[QN_DROP_NULL] +
                                        out->counts.dropped[QN_DROP_RANGE]);
    CHECK_EQ(out->counts.dropped[QN_DROP_DUPLICATE], 0);
    free(taken.row);
    qn_rating_input_free(input);
}

/* ---- Netflix text ---- */

/* Lines by chance, most of them good, users one after the other so that no two rows are alike. */
static void damaged_text(uint64_t seed, int64_t n, bool begins_with_header, qn_string *out)
{
    static const char *const damage[] = {
        "",
        "  ",
        "x,3,2005-01-01",
        "5,3",
        "5,3,2005-01-01,1",
        ",3,2005-01-01",
        "5,,2005-01-01",
        "5,3,",
        "5,3,2005-02-30",
        "5,3,05-1-1",
        "5,3.5,2005-01-01",
        "99999999999,3,2005-01-01",
        ",x,2005-01-01",
        "99999999999,,2005-01-01",
        "99999999999,3,never",
        "NULL,3.5,2005-01-01",
        ":x",
        "\"5\",3,2005-01-01",
        "5,3,2005-01-01 ",
        "a long line that is no row at all, and goes on and on and on and on, to the end",
    };
    static const char *const header[] = {"abc:", ":", "12x:", "99999999999:", " 44 :  ", "-7:"};
    static const char *const end[] = {"\n", "\n", "\n", "\r\n"};

    for (int64_t i = 1; i <= n; i++) {
        uint64_t chance;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        chance = seed >> 33;
        if (i == 1 && begins_with_header)
            qn_string_add(out, "1:");
        else if (chance % 11 == 0)
            qn_string_addf(out, "%d:", (int)(chance / 11 % 17770));
        else if (chance % 13 == 1)
            qn_string_add(out, damage[chance / 13 % (sizeof damage / sizeof *damage)]);
        else if (chance % 29 == 2)
            qn_string_add(out, header[chance / 29 % (sizeof header / sizeof *header)]);
        else
            qn_string_addf(out, "%d,%d,%04d-%02d-%02d", (int)i, (int)(chance % 5 + 1),
                           1930 + (int)(chance % 90), (int)(chance / 100 % 12 + 1),
                           (int)(chance / 5000 % 28 + 1));
        if (i < n || chance % 2)
            qn_string_add(out, end[chance / 7 % 4]);
    }
}

static void check_damaged(bench *b, uint64_t seed, int64_t n, int64_t first_size, int64_t last_size)
{
    char kept[3][128]; /* the folder forgets names that it gave */
    const char *path[3] = {kept[0], kept[1], kept[2]};
    plain expected = {.lose_every = 5};
    reading_of got = {0};

    for (int f = 0; f < 3; f++) {
        char name[32];
        qn_string text = {0};

        snprintf(name, sizeof name, "combined_data_%d.txt", f);
        damaged_text(seed + (uint64_t)f, n, f == 0, &text);
        snprintf(kept[f], sizeof kept[f], "%s", folder_put(b->dir, name, qn_string_text(&text)));
        plain_read(&expected, path[f], qn_string_text(&text));
        qn_string_release(&text);
    }
    for (int64_t size = first_size; size <= last_size; size++) {
        qn_rating_input_options options = input_of(path, 3, (size_t)size);

        options.format = QN_FORMAT_NETFLIX;
        read_all(b, &options, true, 5, &got);
        CHECK_TEXT(qn_string_text(&got.rows), qn_string_text(&expected.rows));
        CHECK_TEXT(got.rejects, qn_string_text(&expected.rejects));
        for (int r = 0; r < QN_DROP_DUPLICATE; r++)
            CHECK_EQ(got.counts.dropped[r], expected.dropped[r]);
        CHECK_EQ(got.counts.files, 3);
        reading_release(&got);
    }
    plain_release(&expected);
}

static void damaged_text_is_read_as_a_plain_reader_reads_it_at_any_split(void **state)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        check_damaged(*state, seed * 1000, 40, 16, 80);
    check_damaged(*state, 77, 3000, 4096, 4096);
    check_damaged(*state, 78, 30000, 0, 0);
}

static void one_reason_is_told_in_the_order_malformed_null_out_of_range(void **state)
{
    bench *b = *state;
    const char *path = folder_put(b->dir, "a.csv",
                                  "DATE,CUST_ID,MOVIE_ID,RATING\n"
                                  "never,,99999999999,5\n"
                                  ",99999999999,1,5\n"
                                  "2005-01-01,99999999999,1,3.5\n"
                                  "2005-01-01,,1,3.5\n"
                                  "2005-01-01,1,x,3.5\n");
    const qn_rating_input_options options = input_of(&path, 1, 0);
    reading_of got = {0};
    char expected[1024];

    read_all(b, &options, true, 0, &got);
    snprintf(expected, sizeof expected,
             "%s,2,malformed,\"never,,99999999999,5\"\n%s,3,null,\",99999999999,1,5\"\n"
             "%s,4,outOfRange,\"2005-01-01,99999999999,1,3.5\"\n%s,5,null,\"2005-01-01,,1,3.5\"\n"
             "%s,6,malformed,\"2005-01-01,1,x,3.5\"\n",
             path, path, path, path, path);
    CHECK_TEXT(got.rejects, expected);
    CHECK_EQ(got.counts.rows_read, 5);
    CHECK_EQ(got.counts.rows_delivered, 0);
    snprintf(expected, sizeof expected, "%s, line 2: column DATE: \"never\" is no date", path);
    assert_memory_equal(got.counts.first, expected, strlen(expected));
    reading_release(&got);
}

/* ---- columns, dates, fractions ---- */

static void check_rows(bench *b, const char *name, const char *text, const char *rows,
                       const char *rejects)
{
    char kept[128];
    const char *path = kept;

    snprintf(kept, sizeof kept, "%s", folder_put(b->dir, name, text));

    for (size_t split = 0; split < 40; split += 13) {
        const qn_rating_input_options options = input_of(&path, 1, split);
        reading_of got = {0};

        read_all(b, &options, true, 0, &got);
        CHECK_TEXT(qn_string_text(&got.rows), rows);
        CHECK_TEXT(strchr(got.rejects, ',') ? strchr(got.rejects, ',') : "", rejects);
        reading_release(&got);
    }
}

static void columns_are_found_by_name_in_any_order(void **state)
{
    static const char rows[] = "10 7 4 13149\n11 8 5 -1\n";

    check_rows(*state, "a.csv",
               "DATE,CUST_ID,MOVIE_ID,RATING\n2006-01-01,7,10,4\n1969-12-31,8,11,5\n", rows, "");
    check_rows(*state, "b.csv",
               "userId,movieId,rating,timestamp\n7,10,4.0,1136073600\n8,11,5.0,-1\n", rows, "");
    check_rows(
        *state, "c.tsv",
        "Rating\tnote\tItem-ID\tuser\tdate\n4\thm\t10\t7\t2006-01-01\n5\t\t11\t8\t1969-12-31\n",
        rows, "");
    check_rows(*state, "d.dat", "7::10::4::1136073600\n8::11::5::-86400\n", rows, "");
    check_rows(*state, "e.csv", "7,10,4,2006-01-01T23:59:59Z\n8,11,5,1969-12-31 00:00:00\n", rows,
               "");
}

static void dates_are_days_and_must_be_dates(void **state)
{
    check_rows(*state, "a.csv",
               "user,item,rating,date\n1,1,1,0001-01-01\n1,2,1,9999-12-31\n1,3,1,1970-01-01\n"
               "1,4,1,-86401\n1,5,1,2005-02-30\n1,6,1,2004-02-29\n",
               "1 1 1 -719162\n2 1 1 2932896\n3 1 1 0\n4 1 1 -2\n6 1 1 12477\n",
               ",6,malformed,\"1,5,1,2005-02-30\"\n");
    check_rows(*state, "b.csv", "user,item,rating,date\n1,1,1,1112486027000\n1,2,1,1112486027\n",
               "2 1 1 12875\n", ",2,outOfRange,\"1,1,1,1112486027000\"\n");
}

static void a_fraction_is_out_of_range_where_ratings_are_whole(void **state)
{
    bench *b = *state;
    const char *path =
        folder_put(b->dir, "a.csv", "user,item,rating,date\n1,1,3,0\n1,2,3.5,0\n1,3,1e9,0\n");
    const qn_rating_input_options options = input_of(&path, 1, 0);
    reading_of got = {0};
    char expected[256];

    read_all(b, &options, true, 0, &got);
    CHECK_TEXT(qn_string_text(&got.rows), "1 1 3 0\n");
    CHECK(!got.counts.has_fraction);
    CHECK_EQ(got.counts.dropped[QN_DROP_RANGE], 2);
    snprintf(expected, sizeof expected,
             "%s, line 3: column rating: 3.5 is not a whole number, as ratings are here", path);
    CHECK_TEXT(got.counts.first, expected);
    reading_release(&got);
    read_all(b, &options, false, 0, &got);
    CHECK_TEXT(qn_string_text(&got.rows), "1 1 3 0\n2 1 3.5 0\n");
    snprintf(expected, sizeof expected,
             "%s, line 4: column rating: 1000000000 is too large for a rating", path);
    CHECK_TEXT(got.counts.first, expected);
    reading_release(&got);
}

static void netflix_text_has_whole_ratings_whatever_is_asked(void **state)
{
    bench *b = *state;
    const char *path = folder_put(b->dir, "a.txt", "1:\n5,3.5,2005-01-01\n6,4.0,2005-01-01\n");
    const qn_rating_input_options options = input_of(&path, 1, 0);
    reading_of got = {0};

    read_all(b, &options, false, 0, &got);
    CHECK_TEXT(qn_string_text(&got.rows), "1 6 4 12784\n");
    CHECK(!got.counts.has_fraction);
    reading_release(&got);
}

static void fractions_in_the_first_rows_make_ratings_doubles(void **state)
{
    static const struct {
        const char *text;
        bool is_double;
    } known[] = {{"user,item,rating,date\n1,1,3.0,0\n", false},
                 {"user,item,rating,date\n1,1,3.5,0\n", true},
                 {"user,item,rating,date\n1,1,4,0\n", false},
                 {"1:\n5,3,2005-01-01\n", false},
                 {"1:\n5,3.5,2005-01-01\n", false}};
    bench *b = *state;

    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        const char *path = folder_put(b->dir, "a.txt", known[k].text);
        const qn_rating_input_options options = input_of(&path, 1, 0);
        qn_rating_input *input = NULL;
        qn_dataset_columns columns;

        CHECK_OK(b->ctx, qn_rating_input_open(b->ctx, &options, &input));
        CHECK_EQ(qn_rating_input_is_double(input), known[k].is_double);
        qn_rating_input_columns(input, &columns);
        CHECK_TEXT(columns.date, "date");
        CHECK_EQ(columns.rating_is_double, known[k].is_double);
        qn_rating_input_free(input);
    }
}

static void a_missing_column_is_named_with_those_that_are_there(void **state)
{
    bench *b = *state;
    const char *path = folder_put(b->dir, "a.csv", "user,item,rating,wann\n1,1,3,2005-01-01\n");
    qn_rating_input_options options = input_of(&path, 1, 0);
    qn_rating_input *input = NULL;
    reading_of got = {0};

    CHECK_EQ(qn_rating_input_open(b->ctx, &options, &input), QN_ENOTFOUND);
    CHECK_ERROR(b->ctx, "DATE");
    CHECK_ERROR(b->ctx, "wann");
    CHECK_ERROR(b->ctx, "--date-col");
    options.date_col = "wann";
    read_all(b, &options, true, 0, &got);
    CHECK_TEXT(qn_string_text(&got.rows), "1 1 3 12784\n");
    reading_release(&got);
    options.date_col = "";
    read_all(b, &options, true, 0, &got);
    CHECK_TEXT(qn_string_text(&got.rows), "1 1 3 0\n");
    reading_release(&got);
}

/* ---- the rejects file ---- */

static void a_row_of_several_lines_keeps_its_place(void **state)
{
    check_rows(
        *state, "a.csv",
        "user,item,rating,date,note\n\n1,1,3,0,\"two\nlines\"\nx,2,3,0,\"three\nmore\nlines\"\n"
        "1,3,3,0,\"\xff,\"\n1,4,3,0,\n",
        "1 1 3 0\n3 1 3 0\n4 1 3 0\n",
        ",5,malformed,\"x,2,3,0,\"\"three\\x0amore\\x0alines\"\"\"\n");
}

static void many_rejects_go_to_scratch_and_come_back_in_order(void **state)
{
    const qn_context_options small = {.memory = (size_t)24 << 20, .threads = 3};
    bench *b = *state;
    bench c = *b;

    CHECK_EQ(qn_context_create(&small, &c.ctx), QN_OK);
    check_damaged(&c, 5, 60000, 9999, 9999);
    CHECK_EQ(qn_alloc_live(c.ctx), 0);
    qn_context_free(c.ctx);
}

static void stored_rows_are_named_by_file_and_row(void **state)
{
    bench *b = *state;
    const char *path = folder_put(b->dir, "a.txt", "1:\n5,3,2005-01-01\n");
    const qn_rating_input_options options = input_of(&path, 1, 0);
    const qn_dataset_file file = {.path =
                                      (char *)(uintptr_t) "year=2005/month=1/part-00000.parquet"};
    const qn_rating_row row = {.movie = 3,
                               .user = 4,
                               .days = 12784,
                               .rating = 2.5F,
                               .origin = QN_ORIGIN_STORED | qn_row_origin(0, 41)};
    qn_dataset_manifest old = {0};
    qn_rejects_file *rejects = NULL;
    qn_rating_input *input = NULL;

    CHECK_OK(b->ctx, qn_dataset_add_file(b->ctx, &old, &file));
    CHECK_OK(b->ctx, qn_rating_input_open(b->ctx, &options, &input));
    CHECK_OK(b->ctx, qn_rejects_file_create(b->ctx, folder_file(b->dir, "r.csv"), false, &rejects));
    CHECK_OK(b->ctx, qn_rejects_file_duplicate(rejects, &row, &row));
    CHECK_OK(b->ctx, qn_rejects_file_section(b->ctx, rejects, input, &old));
    CHECK_OK(b->ctx, qn_rejects_file_section(b->ctx, rejects, input, &old));
    CHECK_OK(b->ctx, qn_rejects_file_commit(b->ctx, &rejects));
    folder_expect(b->dir, "r.csv",
                  "file,line,reason,text\nyear=2005/month=1/part-00000.parquet,41,duplicate,"
                  "\"3,4,2.5,2005-01-01\"\n");
    qn_rating_input_free(input);
    qn_dataset_manifest_release(&old);
}

static void *write_pipe(void *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs("1:\n5,3,2005-01-01\nx\n10,3,2005-01-01\n", file);
    fclose(file);
    return NULL;
}

static void a_pipe_is_read_once_and_has_no_digest(void **state)
{
    bench *b = *state;
    const char *path = folder_file(b->dir, "pipe");
    const qn_rating_input_options options = input_of(&path, 1, 0);
    taken_rows taken = {.lock = PTHREAD_MUTEX_INITIALIZER};
    qn_rejects_file *rejects = NULL;
    qn_rating_input_counts counts;
    qn_rating_input *input = NULL;
    qn_dataset_taken *digests = NULL;
    char expected[256];
    pthread_t thread;
    int64_t n = 7;

    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK_EQ(pthread_create(&thread, NULL, write_pipe, (void *)(uintptr_t)path), 0);
    CHECK_OK(b->ctx, qn_rating_input_open(b->ctx, &options, &input));
    CHECK_OK(b->ctx, qn_rating_input_digests(b->ctx, input, &digests, &n));
    CHECK_EQ(n, 0);
    qn_free(digests);
    CHECK_OK(b->ctx, qn_rejects_file_create(b->ctx, folder_file(b->dir, "r.csv"), false, &rejects));
    CHECK_OK(b->ctx,
             qn_rating_input_read(b->ctx, input, true, rejects, take_rows, &taken, &counts));
    CHECK_EQ(counts.rows_read, 3);
    CHECK_EQ(taken.n, 2);
    CHECK_OK(b->ctx, qn_rejects_file_duplicate(rejects, &taken.row[1], &taken.row[0]));
    CHECK_OK(b->ctx, qn_rejects_file_section(b->ctx, rejects, input, NULL));
    CHECK_OK(b->ctx, qn_rejects_file_commit(b->ctx, &rejects));
    snprintf(expected, sizeof expected,
             "file,line,reason,text\n%s,3,malformed,x\n%s,,duplicate,\"1,10,3,2005-01-01\"\n", path,
             path);
    folder_expect(b->dir, "r.csv", expected);
    pthread_join(thread, NULL);
    qn_rating_input_free(input);
    free(taken.row);
}

/* ---- digests, failures ---- */

static void digests_are_of_the_bytes_in_the_order_of_the_input(void **state)
{
    bench *b = *state;
    const char *path[3];
    qn_rating_input_options options;
    qn_rating_input *input = NULL;
    qn_dataset_taken *digest = NULL;
    int64_t n = 0;

    path[0] = folder_put(b->dir, "b.txt", "1:\n5,3,2005-01-01\n");
    path[1] = folder_put(b->dir, "empty.txt", "");
    path[2] = folder_put(b->dir, "a.txt", "1:\n5,3,2005-01-01\n");
    options = input_of(path, 3, 0);
    CHECK_OK(b->ctx, qn_rating_input_open(b->ctx, &options, &input));
    CHECK_OK(b->ctx, qn_rating_input_digests(b->ctx, input, &digest, &n));
    CHECK_EQ(n, 3);
    for (int i = 0; i < 3; i++)
        CHECK_TEXT(digest[i].name, path[i]);
    CHECK_TEXT(digest[1].digest, "99aa06d3014798d86001c324468d497f"); /* of nothing, XXH3-128 */
    CHECK_TEXT(digest[0].digest, digest[2].digest);
    CHECK_EQ(digest[0].bytes, 18);
    qn_free(digest);
    folder_put(b->dir, "a.txt", "1:\n5,3,2005-01-01\n6,3,2005-01-01\n");
    CHECK_EQ(qn_rating_input_digests(b->ctx, input, &digest, &n), QN_EIO);
    CHECK_ERROR(b->ctx, "changed while it was read");
    CHECK_EQ(n, 0);
    CHECK(digest == NULL);
    qn_rating_input_free(input);
}

static qn_status everything(bench *b, const char *path)
{
    const qn_rating_input_options options = input_of(&path, 1, 24);
    taken_rows taken = {.lock = PTHREAD_MUTEX_INITIALIZER};
    qn_rejects_file *rejects = NULL;
    qn_rating_input_counts counts;
    qn_rating_input *input = NULL;
    qn_dataset_taken *digest = NULL;
    int64_t n;
    qn_status st = QN_OK;

    QN_TRY(qn_rating_input_open(b->ctx, &options, &input));
    QN_TRY(qn_rating_input_digests(b->ctx, input, &digest, &n));
    QN_TRY(qn_rejects_file_create(b->ctx, folder_file(b->dir, "r.csv"), true, &rejects));
    QN_TRY(qn_rating_input_read(b->ctx, input, true, rejects, take_rows, &taken, &counts));
    QN_TRY(qn_rejects_file_duplicate(rejects, &taken.row[0], &taken.row[0]));
    QN_TRY(qn_rejects_file_section(b->ctx, rejects, input, NULL));
    QN_TRY(qn_rejects_file_commit(b->ctx, &rejects));
done:
    qn_rejects_file_abandon(&rejects);
    qn_rating_input_free(input);
    qn_free(digest);
    free(taken.row);
    return st;
}

static void every_failed_allocation_and_write_is_survived(void **state)
{
    bench *b = *state;
    char path[128];
    qn_status st = QN_ENOMEM;

    snprintf(path, sizeof path, "%s",
             folder_put(b->dir, "a.txt", "1:\n5,3,2005-01-01\nx\n6,4.5,2005-01-01\n"));

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(b->ctx, allowed);
        st = everything(b, path);
        qn_alloc_fail_after(b->ctx, QN_NEVER);
        if (st != QN_OK && st != QN_ENOMEM)
            fail_msg("after %lld: %s", (long long)allowed, qn_context_error(b->ctx));
        CHECK_EQ(folder_has(b->dir, "r.csv"), st == QN_OK);
        CHECK_EQ(qn_alloc_live(b->ctx), 0);
    }
    CHECK_EQ(unlink(folder_file(b->dir, "r.csv")), 0);
    for (int64_t allowed = 0; allowed == 0 || st != QN_OK; allowed++) {
        qn_write_fail_after(b->ctx, allowed, ENOSPC);
        st = everything(b, path);
        qn_write_fail_after(b->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        CHECK_EQ(folder_has(b->dir, "r.csv"), st == QN_OK);
        CHECK_EQ(folder_count(b->dir), 1 + (st == QN_OK));
    }
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    assert_int_equal(qn_context_create(&(qn_context_options){.threads = 3}, &b->ctx), QN_OK);
    b->dir = folder_make(b->ctx);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;

    folder_remove(b->dir);
    CHECK_EQ(qn_alloc_live(b->ctx), 0);
    qn_context_free(b->ctx);
    free(b);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(damaged_text_is_read_as_a_plain_reader_reads_it_at_any_split),
        TEST(one_reason_is_told_in_the_order_malformed_null_out_of_range),
        TEST(columns_are_found_by_name_in_any_order),
        TEST(dates_are_days_and_must_be_dates),
        TEST(a_fraction_is_out_of_range_where_ratings_are_whole),
        TEST(netflix_text_has_whole_ratings_whatever_is_asked),
        TEST(fractions_in_the_first_rows_make_ratings_doubles),
        TEST(a_missing_column_is_named_with_those_that_are_there),
        TEST(a_row_of_several_lines_keeps_its_place),
        TEST(many_rejects_go_to_scratch_and_come_back_in_order),
        TEST(stored_rows_are_named_by_file_and_row),
        TEST(a_pipe_is_read_once_and_has_no_digest),
        TEST(digests_are_of_the_bytes_in_the_order_of_the_input),
        TEST(every_failed_allocation_and_write_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
