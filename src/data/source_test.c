#include <sys/stat.h>

#include "base/file.h"
#include "base/pool.h"
#include "check.h"
#include "data/source_impl.h"
#include "dump.h"
#include "quern/quern.h"

typedef struct fixture {
    qn_context *ctx;
    char dir[64];
    char path[128];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const qn_context_options options = {.threads = 3, .memory = (size_t)1 << 30};

    *state = f;
    fresh_dir(f->dir);
    snprintf(f->path, sizeof f->path, "%s/in.csv", f->dir);
    return qn_context_create(&options, &f->ctx) == QN_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static qn_source_options options_of(const char *const *path)
{
    return (qn_source_options){.path = path, .n_paths = 1, .header = -1};
}

/* Rows of `text`; the same for every size of split. */
static void check_rows_as(fixture *f, qn_source_options *options, const char *text,
                          const char *wanted, const char *expected)
{
    static const int64_t size[] = {0, 1, 2, 3, 5, 7, 16, 33, 64, 100};
    const char *path = f->path;

    options->path = &path;
    options->n_paths = 1;
    write_file(f->path, text, strlen(text));
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        qn_string out = {0};

        options->split_bytes = size[i];
        CHECK_OK(f->ctx, dump_options(f->ctx, options, wanted, &out));
        CHECK_TEXT(qn_string_text(&out), expected);
        qn_string_release(&out);
    }
}

static void check_rows(fixture *f, const char *text, const char *wanted, const char *expected)
{
    qn_source_options options = {.header = -1};

    check_rows_as(f, &options, text, wanted, expected);
}

static void check_rows_whole(fixture *f, const char *text, const char *wanted, const char *expected)
{
    const char *path = f->path;
    const qn_source_options options = options_of(&path);
    qn_string out = {0};

    write_file(f->path, text, strlen(text));
    CHECK_OK(f->ctx, dump_options(f->ctx, &options, wanted, &out));
    CHECK_TEXT(qn_string_text(&out), expected);
    qn_string_release(&out);
}

static qn_status open_text(fixture *f, const char *text, size_t n, qn_source **source)
{
    const char *path = f->path;
    const qn_source_options options = options_of(&path);

    write_file(f->path, text, n);
    return qn_source_open(f->ctx, &options, source);
}

static void check_error(fixture *f, const char *text, size_t n, qn_status expected,
                        const char *message)
{
    qn_source *source = NULL;

    CHECK_EQ(open_text(f, text, n, &source), expected);
    CHECK(source == NULL);
    CHECK_ERROR(f->ctx, f->path);
    CHECK_ERROR(f->ctx, message);
}

#define RATINGS                                                                                    \
    "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3.0,1260759179\n"                \
    "2,10,4.0,835355493\n7,-3,0.5,9\n"

static void ratings_come_as_they_stand(void **state)
{
    check_rows(*state, RATINGS, "userId:int64 movieId:int64 rating:float",
               "1|31|2.5\n1|1029|3\n2|10|4\n7|-3|0.5\n");
    check_rows(*state, RATINGS, "timestamp:time userId:int32 rating:double",
               "1260759144|1|2.5\n1260759179|1|3\n835355493|2|4\n9|7|0.5\n");
    check_rows(*state, RATINGS, "rating:text movieId:text", "2.5|31\n3.0|1029\n4.0|10\n0.5|-3\n");
}

static void a_file_without_header_is_known_by_numbers(void **state)
{
    fixture *f = *state;
    qn_source *source;

    check_rows(f, "1,31,2.5\n2,10,4\n", "0:int64 2:double", "1|2.5\n2|4\n");
    CHECK_OK(f->ctx, open_text(f, "1,31,2.5\n2,10,4\n", 16, &source));
    CHECK(!qn_source_schema(source)->has_names);
    CHECK_EQ(qn_source_schema(source)->n_fields, 3);
    CHECK_TEXT(qn_source_schema(source)->field[2].name, "2");
    qn_source_free(source);
}

static void types_are_guessed_from_the_rows(void **state)
{
    static const char text[] = "id,name,score,day,none,mixed\n1,ann,1.5,2005-09-06,,1\n"
                               "2,bob,2,2005-09-07T12:00:00Z,,x\n";
    static const qn_type expected[] = {QN_INT64, QN_TEXT, QN_DOUBLE, QN_TIME, QN_TEXT, QN_TEXT};
    fixture *f = *state;
    qn_source *source;

    CHECK_OK(f->ctx, open_text(f, text, strlen(text), &source));
    for (int32_t i = 0; i < 6; i++)
        CHECK_EQ(qn_source_schema(source)->field[i].type, expected[i]);
    CHECK_TEXT(qn_source_schema(source)->field[1].name, "name");
    qn_source_free(source);
}

static void every_delimiter_is_found(void **state)
{
    check_rows(*state, "a\tb\n1\t2\n3\t4\n", "a:int64 b:int64", "1|2\n3|4\n");
    check_rows(*state, "a;b\n1;2,5\n3;4,5\n", "a:int64 b:text", "1|2,5\n3|4,5\n");
    check_rows(*state, "1|2\n3|4\n", "0:int64 1:int64", "1|2\n3|4\n");
    check_rows(*state, "1::31::2.5::978300760\n2::10::4::978300761\n",
               "0:int64 1:int64 2:float 3:time", "1|31|2.5|978300760\n2|10|4|978300761\n");
    check_rows(*state, "1::Toy Story: \"One\"::Animation\n2::M::Drama\n", "0:int64 1:text",
               "1|Toy Story: \"One\"\n2|M\n");
    check_rows(*state, "id\n5\n6\n", "id:int64", "5\n6\n");
}

static void marks_returns_blanks_and_a_missing_newline_do_no_harm(void **state)
{
    check_rows(*state, "\xef\xbb\xbfuserId,movieId\r\n1,2\r\n\r\n\n  \n 3 ,\t4\t\r\n5,6",
               "userId:int64 movieId:int64", "1|2\n3|4\n5|6\n");
    check_rows(*state,
               "\xef\xbb\xbf"
               "1,2\n3,4\n",
               "0:int64 1:int64", "1|2\n3|4\n");
}

static void quotes_hold_delimiters_newlines_and_quotes(void **state)
{
    check_rows(*state,
               "movieId,title,year\n1,\"Toy, Story\",1995\n2,\"a\nb\n\nc\",1996\n"
               "3,\"say \"\"hi\"\"\",1997\n4,5\" pipe,1998\n5,\"\",1999\n\"6\", \"x,y\" ,2000\n",
               "movieId:int64 title:text year:int64",
               "1|Toy, Story|1995\n2|a\nb\n\nc|1996\n3|say \"hi\"|1997\n4|5\" pipe|1998\n5||1999\n"
               "6|x,y|2000\n");
}

static void a_broken_quote_costs_one_line(void **state)
{
    check_rows(*state, "a,b\n1,\"open\n2,two\n3,\"x\"y\n4,four\n", "a:int64 b:text",
               "2|two\n4|four\n!malformed -1 4 1,\"open\n!malformed -1 18 3,\"x\"y\n");
}

static void bad_rows_are_told_apart(void **state)
{
    check_rows_whole(*state,
                     "u,m,r\n1,2,3\n1,2\n1,2,3,4\n,2,3\n1,NULL,3\n1,abc,3\n1,123.1,3\n1,2,good\n"
                     "1,99999999999,3\n1,99999999999999999999,3\n1,5.0,+3\n",
                     "u:int32 m:int32 r:float",
                     "1|2|3\n1|5|3\n"
                     "!malformed -1 12 1,2\n!malformed -1 16 1,2,3,4\n!null 0 24 ,2,3\n"
                     "!null 1 29 1,NULL,3\n!type 1 38 abc\n");
}

static void lenient_columns_miss_bad_values_and_keep_rows(void **state)
{
    qn_source_options options = {.header = 1};
    static const char text[] = "a,b,c\n1,1.5,x\nno,2.5,7\n3000000000,4,8\n5,6\n,\"7z\",9\n";

    check_rows_as(*state, &options, text, "a:int32~ b:float~ c:int64?",
                  "?|2.5|7\n?|4|8\n?|?|9\n!type 2 6 x\n!type 0 14 no\n!outOfRange 0 23 3000000000\n"
                  "!malformed -1 38 5,6\n!type 1 42 7z\n");
    check_rows_as(*state, &options, text, "a:int32? b:float? c:int64?",
                  "!type 2 6 x\n!type 0 14 no\n!outOfRange 0 23 3000000000\n"
                  "!malformed -1 38 5,6\n!type 1 42 7z\n");
    check_rows_as(*state, &options, "a,b\n1e400,2020-01-01\n1e39,soon\n1,0\n", "b:time~ a:float~",
                  "1577836800|?\n?|?\n0|1\n!outOfRange 1 4 1e400\n!type 0 21 soon\n"
                  "!outOfRange 1 21 1e39\n");
}

static void kept_values_are_told_from_rows(void **state)
{
    fixture *f = *state;
    const qn_column_request request[] = {{0, QN_DOUBLE, true, 1e6, true}, {1, QN_INT32}};
    static const char text[] = "a,b\n0,0\nnan,1\n2,2\n1e7,3\nx,4.5\n,5\ninf,6\n";
    const qn_batch *batch;
    qn_source *source;
    qn_reader *reader;

    CHECK_OK(f->ctx, open_text(f, text, strlen(text), &source));
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 0, request, 2, &reader));
    CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
    CHECK_EQ(batch->n_rows, 6);
    for (int64_t i = 0; i < 6; i++)
        CHECK_EQ(qn_is_valid(&batch->columns[0], i), i == 0 || i == 2);
    const qn_rejects *r = qn_reader_rejects(reader);
    CHECK_EQ(r->count[QN_REJECT_RANGE], 3);
    CHECK_EQ(r->count[QN_REJECT_TYPE], 2);
    CHECK_EQ(r->total, 5);
    CHECK_EQ(r->n_kept, 4);
    qn_reader_close(reader);
    qn_source_free(source);
}

static void rejects_are_counted_beyond_the_examples(void **state)
{
    fixture *f = *state;
    const qn_column_request request = {0, QN_INT32, false};
    const qn_batch *batch;
    qn_source *source;
    qn_reader *reader;
    static const char text[] = "a,b\n1,1\nx,1\n1.5,1\n3000000000,1\n9999999999999999999999,1\n"
                               "4,4\n,1\nNA,1\n1\n\x01\xff,1\n";

    CHECK_OK(f->ctx, open_text(f, text, strlen(text), &source));
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 0, &request, 1, &reader));
    CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
    CHECK_EQ(batch->n_rows, 2);
    const qn_rejects *r = qn_reader_rejects(reader);
    CHECK_EQ(r->count[QN_REJECT_TYPE], 3);
    CHECK_EQ(r->count[QN_REJECT_RANGE], 2);
    CHECK_EQ(r->count[QN_REJECT_NULL], 2);
    CHECK_EQ(r->count[QN_REJECT_MALFORMED], 1);
    CHECK_EQ(r->total, 8);
    CHECK_EQ(r->n_examples, QN_REJECT_EXAMPLES);
    CHECK_TEXT(r->example[1].text, "1.5");
    CHECK_EQ(qn_source_line_number(f->ctx, source, 0, r->example[0].offset), 3);
    CHECK_EQ(qn_source_line_number(f->ctx, source, 0, r->example[2].offset), 5);
    CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
    CHECK(batch == NULL);
    qn_reader_close(reader);
    qn_source_free(source);
}

static void unprintable_bytes_are_shown_as_numbers(void **state)
{
    qn_rejects rejects = {0};
    char longer[300];

    (void)state;
    memset(longer, 'a', sizeof longer);
    qn_reject_add(&rejects, QN_REJECT_TYPE, 2, 17, "a\x01\xff", 3);
    qn_reject_add(&rejects, QN_REJECT_TYPE, 2, 17, longer, sizeof longer);
    CHECK_TEXT(rejects.example[0].text, "a\\x01\\xff");
    CHECK(strlen(rejects.example[1].text) < QN_REJECT_TEXT);
    CHECK_TEXT(rejects.example[1].text + strlen(rejects.example[1].text) - 4, "a...");
}

static void missing_values_are_marked_where_they_may_be(void **state)
{
    check_rows(*state, "a,b,c\n1,,x\n,2.5,\n3,NA,\"\"\nx,1,y\n5,\\N,NULL\n6,1,\"NULL\"\n",
               "a:int64? b:double? c:text?",
               "1|?|x\n?|2.5|?\n3|?|\n5|?|?\n6|1|NULL\n!type 0 25 x\n");
}

static void not_a_number_and_infinity_are_delivered(void **state)
{
    check_rows(*state, "a,b\n1,nan\n2,inf\n3,-Infinity\n4,1e39\n", "a:int64 b:float",
               "1|NaN\n2|Infinity\n3|-Infinity\n!outOfRange 1 28 1e39\n");
}

static void floats_are_rounded_once(void **state)
{
    /* The decimal lies just above the middle of two floats, its nearest double on the middle. */
    check_rows(*state, "1,1.000000059604644775390626\n2,1.00000005960464477539062\n3,16777217\n",
               "0:int64 1:float", "1|1.0000001\n2|1\n3|16777216\n");
}

static void bytes_that_are_no_utf8_are_latin1(void **state)
{
    check_rows(*state, "1,Am\xe9lie\n2,Am\xc3\xa9lie\n", "0:int64 1:text",
               "1|Am\xc3\xa9lie\n2|Am\xc3\xa9lie\n");
}

static void what_is_no_text_is_named(void **state)
{
    check_error(*state, "", 0, QN_EDATA, "is empty");
    check_error(*state, "\n\n", 2, QN_EDATA, "no row");
    check_error(*state,
                "\xff\xfe"
                "1\0,\0002\0\n\0",
                10, QN_EDATA, "iconv");
    check_error(*state, "1\0,\0002\0\n\0", 8, QN_EDATA, "UTF-16");
    check_error(*state,
                "\x7f"
                "ELF\0\1\2abcdefgh\n",
                16, QN_EDATA, "binary");
    check_error(*state, "1,2\r3,4\r5,6\r7", 13, QN_EDATA, "CR alone");
}

static void a_header_alone_has_a_schema_and_no_rows(void **state)
{
    fixture *f = *state;

    check_rows(f, "userId,movieId,rating\n", "userId:int64 rating:float", "");
    check_rows(f, "userId,movieId,rating", "userId:int64 rating:float", "");
}

static void a_missing_file_or_column_names_the_nearest(void **state)
{
    fixture *f = *state;
    const char *path = f->path;
    char missing[160];
    qn_source *source;
    int32_t field;

    CHECK_OK(f->ctx, open_text(f, RATINGS, strlen(RATINGS), &source));
    CHECK_EQ(qn_source_column(f->ctx, source, "movieI", &field), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "did you mean \"movieId\"");
    CHECK_ERROR(f->ctx, "userId, movieId, rating, timestamp");
    CHECK_OK(f->ctx, qn_source_column(f->ctx, source, "movie_id", &field));
    CHECK_EQ(field, 1);
    CHECK_OK(f->ctx, qn_source_column(f->ctx, source, "2", &field));
    CHECK_EQ(field, 2);
    qn_source_free(source);
    snprintf(missing, sizeof missing, "%s/im.csv", f->dir);
    path = missing;
    const qn_source_options options = options_of(&path);
    CHECK_EQ(qn_source_open(f->ctx, &options, &source), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "did you mean");
    CHECK_ERROR(f->ctx, "/in.csv");
}

static void a_folder_is_its_files_in_order(void **state)
{
    fixture *f = *state;
    const char *path = f->dir;
    qn_source_options options = options_of(&path);
    char name[160];
    qn_string out = {0};
    qn_source *source;

    CHECK_EQ(qn_source_open(f->ctx, &options, &source), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "no data files");
    snprintf(name, sizeof name, "%s/b", f->dir);
    mkdir(name, 0700);
    snprintf(name, sizeof name, "%s/b/1.csv", f->dir);
    write_file(name, "a,b\n3,3\n", 8);
    snprintf(name, sizeof name, "%s/c.csv", f->dir);
    write_file(name, "a,b\n4,4", 7);
    snprintf(name, sizeof name, "%s/a.csv", f->dir);
    write_file(name, "a,b\n1,1\n2,2\n", 12);
    snprintf(name, sizeof name, "%s/_SUCCESS", f->dir);
    write_file(name, "", 0);
    snprintf(name, sizeof name, "%s/.a.csv.crc", f->dir);
    write_file(name, "crc", 3);
    CHECK_OK(f->ctx, dump_options(f->ctx, &options, "a:int64", &out));
    CHECK_TEXT(qn_string_text(&out), "1\n2\n3\n4\n");
    snprintf(name, sizeof name, "%s/d.csv", f->dir);
    write_file(name, "b,a\n4,4", 7);
    qn_string_clear(&out);
    CHECK_EQ(dump_options(f->ctx, &options, "a:int64", &out), QN_EDATA);
    CHECK_ERROR(f->ctx, "d.csv");
    CHECK_ERROR(f->ctx, "all files of one input");
    qn_string_release(&out);
}

static void files_of_two_kinds_are_refused_with_the_odd_one_named(void **state)
{
    static const char *const odd[] = {"a.json", "z.jsonl", "m.parquet"};
    fixture *f = *state;
    const char *path = f->dir;
    qn_source_options options = options_of(&path);
    char name[160];
    qn_source *source;

    snprintf(name, sizeof name, "%s/b.csv", f->dir);
    write_file(name, "a,b\n3,3\n", 8);
    snprintf(name, sizeof name, "%s/c.tsv", f->dir);
    write_file(name, "a,b\n4,4\n", 8);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(name, sizeof name, "%s/%s", f->dir, odd[i]);
        write_file(name, "{}\n", 3);
        CHECK_EQ(qn_source_open(f->ctx, &options, &source), QN_EINVAL);
        CHECK(source == NULL);
        CHECK_ERROR(f->ctx, odd[i]);
        CHECK_ERROR(f->ctx, "is no text, as 2 of the 3 files are: move it away");
        unlink(name);
    }
    snprintf(name, sizeof name, "%s/_info.json", f->dir);
    write_file(name, "{}\n", 3);
    CHECK_OK(f->ctx, qn_source_open(f->ctx, &options, &source));
    qn_source_free(source);
}

static void a_line_that_is_too_long_costs_itself_alone(void **state)
{
    fixture *f = *state;
    qn_source_options options = {.header = -1, .max_line_bytes = 40};

    check_rows_as(f, &options,
                  "a,b\n1,2\n3,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n4,5\n"
                  "6,\"zzzzzzzzzzzzzzzzz\nzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\",7\n8,9\n",
                  "a:int64 b:text",
                  "1|2\n4|5\n8|9\n"
                  "!tooLong -1 8 3,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
                  "!malformed -1 71 6,\"zzzzzzzzzzzzzzzzz\n"
                  "!type 0 92 zzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"\n");
}

/* 64 MB without a newline under a limit of 1 MB. */
static void a_huge_line_is_passed_over_in_little_memory(void **state)
{
    fixture *f = *state;
    const char *path = f->path;
    qn_source_options options = options_of(&path);
    FILE *file = fopen(f->path, "wb");
    static char block[65536];
    qn_string out = {0};

    memset(block, '7', sizeof block);
    fputs("a,b\n1,2\n3,", file);
    for (int i = 0; i < 1024; i++)
        fwrite(block, 1, sizeof block, file);
    fputs("\n4,5\n", file);
    fclose(file);
    options.max_line_bytes = 1 << 20;
    CHECK_OK(f->ctx, dump_options(f->ctx, &options, "a:int64 b:int64", &out));
    CHECK(strncmp(qn_string_text(&out), "1|2\n4|5\n!tooLong -1 8 3,777", 27) == 0);
    CHECK(qn_context_peak(f->ctx) < (size_t)8 << 20);
    qn_string_release(&out);
}

static void a_file_that_changes_meanwhile_is_an_error(void **state)
{
    fixture *f = *state;
    const qn_column_request request = {0, QN_INT64, false};
    const qn_batch *batch;
    qn_source *source;
    qn_reader *reader;

    CHECK_OK(f->ctx, open_text(f, RATINGS, strlen(RATINGS), &source));
    CHECK_EQ(truncate(f->path, 10), 0);
    CHECK_EQ(qn_source_open_split(f->ctx, source, 0, &request, 1, &reader), QN_EIO);
    CHECK_ERROR(f->ctx, "changed while it was being read");
    CHECK(reader == NULL);
    (void)batch;
    qn_source_free(source);
}

static qn_status read_everything(fixture *f)
{
    const char *path = f->path;
    qn_source_options options = options_of(&path);
    qn_string out = {0};

    options.split_bytes = 24;
    const qn_status st =
        dump_options(f->ctx, &options, "userId:int64 movieId:text? rating:float?", &out);
    qn_string_release(&out);
    return st;
}

static void reading_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;
    int64_t allowed = 0;

    write_file(f->path, RATINGS "\"8\",\"9\",1\n", strlen(RATINGS) + 10);
    const int64_t live = qn_alloc_live(f->ctx);
    for (; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = read_everything(f);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
    }
    CHECK(allowed > 20);
}

typedef struct sum_job {
    qn_context *ctx;
    qn_source *source;
    int64_t *sum; /* [n_splits] */
} sum_job;

static qn_status sum_split(void *arg, int64_t split, int32_t thread)
{
    sum_job *job = arg;
    const qn_column_request request = {0, QN_INT64, false};
    const qn_batch *batch;
    qn_reader *reader;
    qn_status st;

    (void)thread;
    st = qn_source_open_split(job->ctx, job->source, split, &request, 1, &reader);
    while (st == QN_OK && (st = qn_reader_next(job->ctx, reader, &batch)) == QN_OK && batch) {
        for (int64_t i = 0; i < batch->n_rows; i++)
            job->sum[split] += ((const int64_t *)batch->columns[0].data)[i];
    }
    qn_reader_close(reader);
    return st;
}

static void many_threads_read_many_splits(void **state)
{
    fixture *f = *state;
    const char *path = f->path;
    qn_source_options options = options_of(&path);
    FILE *file = fopen(f->path, "wb");
    sum_job job = {.ctx = f->ctx};
    int64_t sum = 0;

    for (int i = 1; i <= 100000; i++)
        fprintf(file, "%d,%d,%d.5\n", i, i % 77, i % 5);
    fclose(file);
    options.split_bytes = 10000;
    CHECK_OK(f->ctx, qn_source_open(f->ctx, &options, &job.source));
    const int64_t n = qn_source_n_splits(job.source);
    CHECK(n > 100);
    job.sum = calloc((size_t)n, sizeof *job.sum);
    CHECK_OK(f->ctx, qn_parallel(f->ctx, n, sum_split, &job));
    for (int64_t i = 0; i < n; i++)
        sum += job.sum[i];
    CHECK_EQ(sum, 5000050000);
    free(job.sum);
    qn_source_free(job.source);
}

static void real_movies_keep_their_commas(void **state)
{
    fixture *f = *state;
    char path_text[512];
    const char *path = path_text;
    qn_source_options options = options_of(&path);
    qn_string whole = {0}, cut = {0};

    SKIP_WITHOUT_SHARED();
    snprintf(path_text, sizeof path_text, "%s/data/ml-latest-small/movies.csv", shared_dir());
    CHECK_OK(f->ctx,
             dump_options(f->ctx, &options, "movieId:int64 title:text genres:text", &whole));
    options.split_bytes = 333;
    CHECK_OK(f->ctx, dump_options(f->ctx, &options, "movieId:int64 title:text genres:text", &cut));
    CHECK(
        strstr(qn_string_text(&whole), "11|American President, The (1995)|Comedy|Drama|Romance\n"));
    CHECK(!strchr(qn_string_text(&whole), '!') || !strstr(qn_string_text(&whole), "\n!"));
    CHECK_TEXT(qn_string_text(&whole), qn_string_text(&cut));
    qn_string_release(&whole);
    qn_string_release(&cut);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ratings_come_as_they_stand),
        TEST(a_file_without_header_is_known_by_numbers),
        TEST(types_are_guessed_from_the_rows),
        TEST(every_delimiter_is_found),
        TEST(marks_returns_blanks_and_a_missing_newline_do_no_harm),
        TEST(quotes_hold_delimiters_newlines_and_quotes),
        TEST(a_broken_quote_costs_one_line),
        TEST(bad_rows_are_told_apart),
        TEST(lenient_columns_miss_bad_values_and_keep_rows),
        TEST(kept_values_are_told_from_rows),
        TEST(rejects_are_counted_beyond_the_examples),
        TEST(unprintable_bytes_are_shown_as_numbers),
        TEST(missing_values_are_marked_where_they_may_be),
        TEST(not_a_number_and_infinity_are_delivered),
        TEST(floats_are_rounded_once),
        TEST(bytes_that_are_no_utf8_are_latin1),
        TEST(what_is_no_text_is_named),
        TEST(a_header_alone_has_a_schema_and_no_rows),
        TEST(a_missing_file_or_column_names_the_nearest),
        TEST(a_folder_is_its_files_in_order),
        TEST(files_of_two_kinds_are_refused_with_the_odd_one_named),
        TEST(a_line_that_is_too_long_costs_itself_alone),
        TEST(a_huge_line_is_passed_over_in_little_memory),
        TEST(a_file_that_changes_meanwhile_is_an_error),
        TEST(reading_survives_every_failed_allocation),
        TEST(many_threads_read_many_splits),
        TEST(real_movies_keep_their_commas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
