/* Tables of numbers: the fast way must give what the general way gives. A column asked for as text
 * beside the numbers makes a reader take the general way. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "check.h"
#include "dump.h"
#include "quern/quern.h"

#define N_COLUMNS 7

typedef struct fixture {
    qn_context *ctx;
    char dir[64];
    char path[128];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const qn_context_options options = {.threads = 1, .memory = (size_t)1 << 30};

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

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 33;
}

/* What the rows of a made table are like. */
typedef struct shape {
    int32_t odd_in;      /* one field of so many is odd; 0: none */
    bool is_long;        /* 19 digits and an exponent */
    const char *newline; /* "\n" or "\r\n" */
    int64_t n_rows;
} shape;

static void add_field(qn_string *out, const shape *s, uint64_t *seed)
{
    static const char *const odd[] = {
        "",        "NA",    "1e5",        "+3",
        "\"4.5\"", "x",     " 7 ",        "nan",
        "inf",     "1e39",  "\"a,b\nc\"", "1e400",
        "-0.0",    "1e-46", "\\N",        "1.000000059604644775390626",
        "7\t",     ".",     "1,2",        "\""};
    const double value = (double)(int64_t)next_random(seed) / 1e6 - 1000.0;

    if (s->odd_in && next_random(seed) % (uint64_t)s->odd_in == 0)
        qn_string_add(out, odd[next_random(seed) % (sizeof odd / sizeof *odd)]);
    else if (s->is_long)
        qn_string_addf(out, "%.18e", value);
    else
        qn_string_addf(out, "%.*f", (int)(next_random(seed) % 7), value);
}

static void make_table(const fixture *f, const shape *s, uint64_t seed)
{
    qn_string out = {0};

    qn_string_add(&out, "a,b,c,d,e,f,g\n");
    for (int64_t r = 0; r < s->n_rows; r++) {
        for (int32_t c = 0; c < N_COLUMNS; c++) {
            if (c)
                qn_string_add(&out, ",");
            add_field(&out, s, &seed);
        }
        qn_string_add(&out, s->newline);
        if (s->odd_in && r % 97 == 0)
            qn_string_add(&out, r & 1 ? "\n" : ",,\n");
    }
    write_file(f->path, out.text, out.length);
    qn_string_release(&out);
}

/* The first n columns, row by row as bits, and the rejects. */
static void read_table(fixture *f, const qn_column_request *request, int32_t n_asked, int32_t n,
                       qn_string *out)
{
    const char *path = f->path;
    const qn_source_options options = {
        .path = &path, .n_paths = 1, .header = 1, .format = QN_FORMAT_CSV, .delimiter = ','};
    const qn_batch *batch;
    qn_source *source;
    qn_reader *reader;

    CHECK_OK(f->ctx, qn_source_open(f->ctx, &options, &source));
    CHECK_OK(f->ctx, qn_source_open_split(f->ctx, source, 0, request, n_asked, &reader));
    for (;;) {
        CHECK_OK(f->ctx, qn_reader_next(f->ctx, reader, &batch));
        if (!batch)
            break;
        for (int64_t r = 0; r < batch->n_rows; r++) {
            for (int32_t c = 0; c < n; c++) {
                const qn_column *column = &batch->columns[c];
                const bool is_float = column->type == QN_FLOAT;
                const uint32_t *floats = column->data;
                const uint64_t *doubles = column->data;

                qn_string_addf(out, "%s%llx ", qn_is_valid(column, r) ? "" : "?",
                               (unsigned long long)(is_float ? floats[r] : doubles[r]));
            }
            qn_string_add(out, "\n");
        }
    }
    const qn_rejects *rejects = qn_reader_rejects(reader);
    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        qn_string_addf(out, "%d: %lld\n", k, (long long)rejects->count[k]);
    qn_string_addf(out, "kept: %lld\n", (long long)rejects->n_kept);
    for (int32_t e = 0; e < rejects->n_examples; e++)
        qn_string_addf(out, "%d %lld %s\n", rejects->example[e].column,
                       (long long)rejects->example[e].offset, rejects->example[e].text);
    qn_reader_close(reader);
    qn_source_free(source);
}

/* Asks for columns as `types` says, a letter each: f, d, or anything else to leave it out; capital:
 * not to be missing. */
static void check_ways(fixture *f, const char *types, bool lenient)
{
    qn_column_request request[2 * N_COLUMNS + 1];
    qn_string fast = {0}, general = {0};
    int32_t n = 0;

    for (int32_t i = 0; types[i]; i++) {
        const char letter = (char)(types[i] | 0x20);

        if (letter == 'f' || letter == 'd')
            request[n++] = (qn_column_request){i % N_COLUMNS, letter == 'f' ? QN_FLOAT : QN_DOUBLE,
                                               types[i] == letter, 0.0, lenient};
    }
    request[n] = (qn_column_request){0, QN_TEXT, true};
    read_table(f, request, n, n, &fast);
    read_table(f, request, n + 1, n, &general);
    CHECK_TEXT(qn_string_text(&fast), qn_string_text(&general));
    qn_string_release(&fast);
    qn_string_release(&general);
}

static void both_ways_give_the_same_rows(void **state)
{
    static const char *const types[] = {"fffffff", "ddddddd",        "FFFFFFF",
                                        "fdfdfdf", "--f--D-",        "------f",
                                        "f------", "fffffffdddDddd", "-ffffffFff-f--f"};
    static const shape shapes[] = {{0, false, "\n", 40000},   {0, true, "\n", 4000},
                                   {0, false, "\r\n", 4000},  {500, false, "\n", 4000},
                                   {20, false, "\r\n", 1000}, {3, true, "\n", 300},
                                   {1, false, "\n", 300}};
    fixture *f = *state;

    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        make_table(f, &shapes[s], s + 1);
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            if (s == 0 && t > 0)
                continue;
            check_ways(f, types[t], false);
            check_ways(f, types[t], true);
        }
    }
}

static void check_text(fixture *f, const char *text, const char *wanted, const char *expected)
{
    const char *path = f->path;
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
    qn_string out = {0}, padded = {0};

    /* Behind the last row lies enough that none of the rows is too near to the end. */
    qn_string_add(&padded, text);
    qn_string_addf(&padded, "%070d", 0);
    write_file(f->path, padded.text, padded.length);
    CHECK_OK(f->ctx, dump_options(f->ctx, &options, wanted, &out));
    CHECK_TEXT(qn_string_text(&out), expected);
    qn_string_release(&out);
    qn_string_release(&padded);
}

static void small_tables_are_read_as_they_stand(void **state)
{
    check_text(*state, "1.5,2,-3.25\n4,,6e2\n7,8\n.5,-0,NA\n9,9,9\n", "0:float? 2:double? 1:float?",
               "1.5|-3.25|2\n4|600|?\n0.5|?|-0\n9|9|9\n!malformed -1 19 7,8\n"
               "!malformed -1 38 0000000000000000000000000000000000000000000000000000000000000000"
               "000000\n");
    check_text(*state, "5\n\n6\r\n \n7.25\n", "0:double?", "5\n6\n7.25\n0\n");
}

static void columns_keep_their_limit(void **state)
{
    fixture *f = *state;
    const qn_column_request request[] = {{0, QN_FLOAT, true, 10.0, true}, {1, QN_FLOAT, true}};
    qn_string out = {0};

    write_file(f->path, "a,b\n11,12\n-9,13\n-10.5,14\n", 25);
    read_table(f, request, 2, 2, &out);
    CHECK(strstr(out.text, "kept: 2\n") != NULL);
    qn_string_release(&out);
}

static void reading_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    const char *path = f->path;
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
    qn_status st = QN_ENOMEM;

    make_table(f, &(shape){0, false, "\n", 100}, 3);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_string out = {0};

        qn_alloc_fail_after(f->ctx, allowed);
        st = dump_options(f->ctx, &options, "a:float? b:double c:float", &out);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
        qn_string_release(&out);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_ways_give_the_same_rows),
        TEST(small_tables_are_read_as_they_stand),
        TEST(columns_keep_their_limit),
        TEST(reading_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
