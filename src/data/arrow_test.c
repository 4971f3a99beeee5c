#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "check.h"
#include "data/source_impl.h"
#include "dump.h"
#include "quern/arrow.h"
#include "quern/quern.h"

/* A producer by hand: one column an entry, the same arrays for every batch. Nothing is allocated;
 * release only counts. */
typedef struct column {
    const char *name, *format;
    const void *buffers[4];
    int64_t n_buffers, length, offset, null_count;
    struct column *child, *dictionary;
} column;

#define MOST 8

typedef struct producer {
    const column *columns;
    int32_t n_columns;
    int64_t n_batches, offset, length;
    int fail_at; /* batch that fails; -1: none */
    const char *format;
    int64_t released_streams, released_schemas, released_arrays;
    int64_t given;
    struct ArrowSchema schema[3 * MOST];
    struct ArrowSchema *schema_children[2 * MOST];
    struct ArrowArray array[3 * MOST];
    struct ArrowArray *array_children[2 * MOST];
} producer;

static void release_schema(struct ArrowSchema *schema)
{
    ((producer *)schema->private_data)->released_schemas++;
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    ((producer *)array->private_data)->released_arrays++;
    array->release = NULL;
}

static void release_stream(struct ArrowArrayStream *stream)
{
    ((producer *)stream->private_data)->released_streams++;
    stream->release = NULL;
}

static void describe(producer *p, const column *c, int32_t i)
{
    struct ArrowSchema *own = &p->schema[i];

    *own = (struct ArrowSchema){.format = c->format, .name = c->name};
    if (c->child) {
        p->schema[MOST + i] = (struct ArrowSchema){.format = c->child->format, .name = "item"};
        p->schema_children[MOST + i] = &p->schema[MOST + i];
        own->children = &p->schema_children[MOST + i];
        own->n_children = 1;
    }
    if (c->dictionary) {
        p->schema[2 * MOST + i] = (struct ArrowSchema){.format = c->dictionary->format};
        own->dictionary = &p->schema[2 * MOST + i];
    }
    p->schema_children[i] = own;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    producer *p = stream->private_data;

    for (int32_t i = 0; i < p->n_columns; i++)
        describe(p, &p->columns[i], i);
    *out = (struct ArrowSchema){.format = p->format,
                                .n_children = p->n_columns,
                                .children = p->schema_children,
                                .release = release_schema,
                                .private_data = p};
    return 0;
}

static struct ArrowArray array_of(const column *c)
{
    return (struct ArrowArray){.length = c->length,
                               .null_count = c->null_count,
                               .offset = c->offset,
                               .n_buffers = c->n_buffers,
                               .buffers = (const void **)c->buffers};
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    producer *p = stream->private_data;

    *out = (struct ArrowArray){.release = NULL};
    if (p->given == p->fail_at)
        return EIO;
    if (p->given++ >= p->n_batches)
        return 0;
    for (int32_t i = 0; i < p->n_columns; i++) {
        const column *c = &p->columns[i];
        struct ArrowArray *own = &p->array[i];

        *own = array_of(c);
        if (c->child) {
            p->array[MOST + i] = array_of(c->child);
            p->array_children[MOST + i] = &p->array[MOST + i];
            own->children = &p->array_children[MOST + i];
            own->n_children = 1;
        }
        if (c->dictionary) {
            p->array[2 * MOST + i] = array_of(c->dictionary);
            own->dictionary = &p->array[2 * MOST + i];
        }
        p->array_children[i] = own;
    }
    *out = (struct ArrowArray){.length = p->length,
                               .offset = p->offset,
                               .n_children = p->n_columns,
                               .children = p->array_children,
                               .release = release_array,
                               .private_data = p};
    return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return "the producer lost its file";
}

static struct ArrowArrayStream stream_of(producer *p)
{
    p->format = p->format ? p->format : "+s";
    return (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, p};
}

/* Opens, reads all rows as `wanted` says into `out`, closes; checks that all was given back. */
static qn_status read_all(qn_context *ctx, producer *p, const qn_column_request *request, int32_t n,
                          qn_string *out)
{
    struct ArrowArrayStream stream = stream_of(p);
    qn_source *source = NULL;
    qn_status st = qn_source_from_arrow(ctx, &stream, &source);

    CHECK(stream.release == NULL);
    CHECK((source != NULL) == (st == QN_OK));
    if (st == QN_OK)
        st = dump_source(ctx, source, request, n, out);
    qn_source_free(source);
    CHECK_EQ(p->released_streams, 1);
    return st;
}

static void check_dump(qn_context *ctx, producer *p, const qn_column_request *request, int32_t n,
                       const char *expected)
{
    qn_string out = {0};

    CHECK_OK(ctx, read_all(ctx, p, request, n, &out));
    CHECK_TEXT(qn_string_text(&out), expected);
    CHECK_EQ(p->released_schemas, 1);
    CHECK_EQ(p->released_arrays, p->n_batches);
    qn_string_release(&out);
}

static const int32_t ints[] = {7, -8, 9, 10};
static const float floats[] = {0.5F, -1.5F, 2.5F, 1e30F};
static const double doubles[] = {0.1, 1e300, -3, 4};
static const uint8_t second_is_null[] = {0xfd};
static const uint8_t bytes[] = {200, 1, 2, 3};
static const uint64_t wide[] = {1, UINT64_MAX, 3, 4};
static const uint8_t bits[] = {0x05};

static void numbers_of_every_width_become_what_is_asked_for(void **state)
{
    const column columns[] = {
        {"i", "i", {NULL, ints}, 2, 4},    {"f", "f", {second_is_null, floats}, 2, 4, 0, 1},
        {"g", "g", {NULL, doubles}, 2, 4}, {"C", "C", {NULL, bytes}, 2, 4},
        {"L", "L", {NULL, wide}, 2, 4},    {"b", "b", {NULL, bits}, 2, 4}};
    const qn_column_request request[] = {
        {0, QN_DOUBLE, true}, {1, QN_DOUBLE, true}, {2, QN_FLOAT, true, .lenient = true},
        {3, QN_FLOAT, true},  {4, QN_DOUBLE, true}, {5, QN_INT32, true},
        {3, QN_TEXT, true}};
    producer p = {.columns = columns, .n_columns = 6, .n_batches = 2, .length = 3, .fail_at = -1};

    check_dump(*state, &p, request, 7,
               "7|0.5|0.1|200|1|1|200\n-8|?|?|1|1.8446744073709552e+19|0|1\n9|2.5|-3|2|3|1|2\n"
               "7|0.5|0.1|200|1|1|200\n-8|?|?|1|1.8446744073709552e+19|0|1\n9|2.5|-3|2|3|1|2\n"
               "!outOfRange 2 1 1e+300\n!outOfRange 2 4 1e+300\n");
}

static void offsets_of_slices_and_of_the_batch_are_added(void **state)
{
    const column columns[] = {{"i", "i", {NULL, ints}, 2, 3, 1},
                              {"f", "f", {second_is_null, floats}, 2, 4, 0, 1}};
    const qn_column_request request[] = {{0, QN_INT64, false}, {1, QN_FLOAT, true}};
    producer p = {.columns = columns,
                  .n_columns = 2,
                  .n_batches = 1,
                  .length = 2,
                  .offset = 1,
                  .fail_at = -1};

    check_dump(*state, &p, request, 2, "9|?\n10|2.5\n");
}

static void texts_of_every_layout_are_read(void **state)
{
    static const int32_t offset[] = {0, 1, 1, 4};
    static const int64_t large[] = {0, 2, 3, 4};
    static const char views[48] = "\x02\0\0\0hi\0\0\0\0\0\0\0\0\0\0\x0d\0\0\0long\0\0\0\0\0\0\0\0"
                                  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    static const int8_t code[] = {2, 0, 1};
    column words = {"", "u", {NULL, offset, "abcd"}, 3, 3};
    const column columns[] = {{"u", "u", {NULL, offset, "abcd"}, 3, 3},
                              {"U", "U", {NULL, large, "5.25"}, 3, 3},
                              {"v", "vu", {NULL, views, "long and longer"}, 3, 3},
                              {"d", "c", {NULL, code}, 2, 3, .dictionary = &words}};
    const qn_column_request request[] = {
        {0, QN_TEXT, false}, {1, QN_TEXT, false}, {2, QN_TEXT, false}, {3, QN_TEXT, false}};
    producer p = {.columns = columns, .n_columns = 4, .n_batches = 1, .length = 3, .fail_at = -1};

    check_dump(*state, &p, request, 4, "a|5.|hi|bcd\n|2|long and long|a\nbcd|5||\n");
}

static void times_and_decimals_are_exact(void **state)
{
    static const int32_t days[] = {0, -1, 13000};
    static const int64_t millis[] = {-1, 1500, 86400000};
    static const int64_t decimals[] = {-105, -1, 5, 0, 123456, 0};
    const column columns[] = {{"d", "tdD", {NULL, days}, 2, 3},
                              {"t", "tsm:UTC", {NULL, millis}, 2, 3},
                              {"n", "d:10,2", {NULL, decimals}, 2, 3}};
    const qn_column_request request[] = {{0, QN_TIME, false},   {1, QN_TIME, false},
                                         {2, QN_DOUBLE, false}, {0, QN_TEXT, false},
                                         {1, QN_TEXT, false},   {2, QN_TEXT, false}};
    producer p = {.columns = columns, .n_columns = 3, .n_batches = 1, .length = 3, .fail_at = -1};

    check_dump(*state, &p, request, 6,
               "0|-1|-1.05|1970-01-01|1969-12-31 23:59:59|-1.05\n"
               "-86400|1|0.05|1969-12-31|1970-01-01 00:00:01|0.05\n"
               "1123200000|86400|1234.56|2005-08-05|1970-01-02 00:00:00|1234.56\n");
}

static void lists_of_numbers_are_read(void **state)
{
    static const int32_t offset[] = {0, 2, 2, 3};
    column item = {"", "f", {NULL, floats}, 2, 4};
    column pair = {"", "i", {NULL, ints}, 2, 4, 0, 0};
    column holes = {"", "f", {second_is_null, floats}, 2, 4, 0, 1};
    const column columns[] = {{"l", "+l", {NULL, offset}, 2, 3, .child = &item},
                              {"w", "+w:1", {NULL}, 1, 3, 1, .child = &pair},
                              {"h", "+l", {NULL, offset}, 2, 3, .child = &holes}};
    const qn_column_request request[] = {{0, QN_DOUBLE_LIST, true}, {1, QN_FLOAT_LIST, true}};
    const qn_column_request of_holes = {2, QN_FLOAT_LIST, true};
    producer p = {.columns = columns, .n_columns = 2, .n_batches = 1, .length = 3, .fail_at = -1};
    producer q = {.columns = columns, .n_columns = 3, .n_batches = 1, .length = 3, .fail_at = -1};

    check_dump(*state, &p, request, 2, "0.5 -1.5|-8\n|9\n2.5|10\n");
    check_dump(*state, &q, &of_holes, 1, "\n2.5\n!null 0 0 a list with missing values\n");
}

static void what_cannot_be_read_is_told_by_name(void **state)
{
    qn_context *ctx = *state;
    const column columns[] = {{"z", "z", {NULL, ints}, 2, 4}, {"i", "i", {NULL, ints}, 2, 4}};
    const qn_column_request odd = {0, QN_TEXT, true}, list = {1, QN_FLOAT_LIST, true},
                            fine = {1, QN_INT32, true};
    const producer whole = {
        .columns = columns, .n_columns = 2, .n_batches = 1, .length = 4, .fail_at = -1};
    producer p = whole;
    qn_string out = {0};

    CHECK(read_all(ctx, &p, &odd, 1, &out) == QN_EDATA);
    CHECK_ERROR(ctx, "column \"z\" is of a type that is not read");
    p = whole;
    CHECK(read_all(ctx, &p, &list, 1, &out) == QN_EDATA);
    CHECK_ERROR(ctx, "column \"i\" is int32, not list of float");
    p = whole;
    p.fail_at = 1;
    CHECK(read_all(ctx, &p, &fine, 1, &out) == QN_EIO);
    CHECK_ERROR(ctx, "the producer lost its file");
    CHECK_EQ(p.released_arrays, 1);
    p = whole;
    p.format = "i";
    CHECK(read_all(ctx, &p, &fine, 1, &out) == QN_EDATA);
    CHECK_ERROR(ctx, "not a struct of columns");
    p = whole;
    p.length = 5;
    CHECK(read_all(ctx, &p, &fine, 1, &out) == QN_EDATA);
    CHECK_ERROR(ctx, "column \"z\" of a batch");
    qn_string_release(&out);
}

static void a_stream_is_read_once(void **state)
{
    qn_context *ctx = *state;
    const column columns[] = {{"i", "i", {NULL, ints}, 2, 4}};
    const qn_column_request request = {0, QN_INT32, true};
    producer p = {.columns = columns, .n_columns = 1, .n_batches = 1, .length = 4, .fail_at = -1};
    struct ArrowArrayStream stream = stream_of(&p);
    qn_source *source;
    qn_reader *reader;

    CHECK_OK(ctx, qn_source_from_arrow(ctx, &stream, &source));
    CHECK_OK(ctx, qn_source_open_split(ctx, source, 0, &request, 1, &reader));
    qn_reader_close(reader);
    CHECK(qn_source_open_split(ctx, source, 0, &request, 1, &reader) == QN_EINVAL);
    CHECK(reader == NULL);
    qn_source_free(source);
    CHECK_EQ(p.released_streams, 1);
}

static void every_failed_allocation_is_survived(void **state)
{
    qn_context *ctx = *state;
    static const int32_t offset[] = {0, 2, 2, 3};
    column item = {"", "f", {NULL, floats}, 2, 4};
    const column columns[] = {{"l", "+l", {NULL, offset}, 2, 3, .child = &item},
                              {"f", "f", {second_is_null, floats}, 2, 4, 0, 1}};
    const qn_column_request request[] = {{0, QN_DOUBLE_LIST, true}, {1, QN_DOUBLE, true}};
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        producer p = {
            .columns = columns, .n_columns = 2, .n_batches = 1, .length = 3, .fail_at = -1};
        qn_string out = {0};

        qn_alloc_fail_after(ctx, allowed);
        st = read_all(ctx, &p, request, 2, &out);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        CHECK(p.released_arrays == (p.given > 0));
        qn_string_release(&out);
    }
}

static int set_up(void **state)
{
    return qn_context_create(&(qn_context_options){.threads = 1}, (qn_context **)state);
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_width_become_what_is_asked_for),
        cmocka_unit_test(offsets_of_slices_and_of_the_batch_are_added),
        cmocka_unit_test(texts_of_every_layout_are_read),
        cmocka_unit_test(times_and_decimals_are_exact),
        cmocka_unit_test(lists_of_numbers_are_read),
        cmocka_unit_test(what_cannot_be_read_is_told_by_name),
        cmocka_unit_test(a_stream_is_read_once),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
