/* Every set marks and reads text as the reference does, and stops where it stops. */
#include "kernels_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_TEXT   65536
#define MOST_FIELDS 8192

typedef struct table {
    char text[MOST_TEXT];
    int64_t n;
} table;

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 33;
}

static qn_text_marks marks_of(int64_t most, char stop)
{
    qn_text_marks marks = {.delimiter = ',', .stop = stop, .most = most};

    marks.place = guarded_alloc((size_t)(most + 63) * sizeof(uint32_t));
    marks.newline = guarded_alloc((size_t)(most + 63) * sizeof(uint32_t));
    return marks;
}

static void marks_free(qn_text_marks *marks)
{
    guarded_free(marks->place, (size_t)(marks->most + 63) * sizeof(uint32_t));
    guarded_free(marks->newline, (size_t)(marks->most + 63) * sizeof(uint32_t));
}

static void check_marks(const qn_kernels *set, const char *text, int64_t n, int64_t most, char stop)
{
    qn_text_marks wanted = marks_of(most, stop), marks = marks_of(most, stop);

    qn_kernels_reference.text_marks(text, n, &wanted);
    set->text_marks(text, n, &marks);
    CHECK_EQ(marks.n_places, wanted.n_places);
    CHECK_EQ(marks.n_newlines, wanted.n_newlines);
    assert_memory_equal(marks.place, wanted.place, (size_t)wanted.n_places * sizeof(uint32_t));
    assert_memory_equal(marks.newline, wanted.newline,
                        (size_t)wanted.n_newlines * sizeof(uint32_t));
    marks_free(&wanted);
    marks_free(&marks);
}

static void marks_are_the_same_in_every_set(void **state)
{
    static const char letters[] = "1.,,\n\"-";
    uint64_t seed = 7;

    (void)state;
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int64_t n = 0; set && n < 400; n++) {
            char *text = guarded_alloc((size_t)n);
            /* Few letters, so that some texts are all separators and some have none. */
            const uint64_t kinds = 1 + next_random(&seed) % (sizeof letters - 1);

            for (int64_t i = 0; i < n; i++)
                text[i] = letters[next_random(&seed) % kinds];
            for (int64_t most = 1; most < 400; most = most * 2 + 1) {
                check_marks(set, text, n, most, '"');
                check_marks(set, text, n, most, '\n');
            }
            guarded_free(text, (size_t)n);
        }
    }
}

static void add_text(table *t, const char *field)
{
    const size_t n = strlen(field);

    memcpy(t->text + t->n, field, n);
    t->n += (int64_t)n;
    t->text[t->n++] = ',';
}

/* Fields one after the other, read by the set and by the C library; those that are bad stop both
 * sets at the same place. */
static void check_fields(const qn_kernels *set, const table *t)
{
    char *text = guarded_alloc((size_t)t->n);
    uint32_t *place = guarded_alloc((MOST_FIELDS + 64) * sizeof(uint32_t));
    uint32_t *newline = guarded_alloc((MOST_FIELDS + 63) * sizeof(uint32_t));
    qn_text_marks marks = {',', '\n', MOST_FIELDS, place + 1, newline, 0, 0};

    memcpy(text, t->text, (size_t)t->n);
    place[0] = UINT32_MAX;
    qn_kernels_reference.text_marks(text, t->n, &marks);
    const int64_t n = marks.n_places;
    float *floats = guarded_alloc((size_t)(n + 1) * sizeof(float));
    double *doubles = guarded_alloc((size_t)(n + 1) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        float wanted_float = 0;
        double wanted = 0;
        const int64_t n_floats =
            qn_kernels_reference.text_floats(text, 1, place + i, place + i + 1, &wanted_float);
        const int64_t n_doubles =
            qn_kernels_reference.text_doubles(text, 1, place + i, place + i + 1, &wanted);
        const int64_t run = n - i < 9 ? n - i : 9;
        const int64_t found = set->text_floats(text, run, place + i, place + i + 1, floats);

        CHECK_EQ(found > 0, n_floats > 0);
        CHECK_EQ(found, qn_kernels_reference.text_floats(text, run, place + i, place + i + 1,
                                                         floats + (found == 0)));
        if (n_floats > 0) {
            const float library = strtof(text + (uint32_t)(place[i] + 1), NULL);

            set->text_floats(text, run, place + i, place + i + 1, floats);
            assert_memory_equal(floats, &wanted_float, sizeof wanted_float);
            assert_memory_equal(floats, &library, sizeof library);
        }
        CHECK_EQ(set->text_doubles(text, run, place + i, place + i + 1, doubles) > 0,
                 n_doubles > 0);
        if (n_doubles > 0) {
            const double library = strtod(text + (uint32_t)(place[i] + 1), NULL);

            assert_memory_equal(doubles, &wanted, sizeof wanted);
            assert_memory_equal(doubles, &library, sizeof library);
        }
    }
    guarded_free(floats, (size_t)(n + 1) * sizeof(float));
    guarded_free(doubles, (size_t)(n + 1) * sizeof(double));
    guarded_free(place, (MOST_FIELDS + 64) * sizeof(uint32_t));
    guarded_free(newline, (MOST_FIELDS + 63) * sizeof(uint32_t));
    guarded_free(text, (size_t)t->n);
}

static void numbers_have_the_bits_of_the_c_library(void **state)
{
    uint64_t seed = 11;
    table *t = calloc(1, sizeof *t);

    (void)state;
    assert_non_null(t);
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        for (int round = 0; set && round < 40; round++) {
            t->n = 0;
            while (t->n < 8000) {
                char field[64];
                const int decimals = (int)(next_random(&seed) % 15);
                const uint64_t size = next_random(&seed) * next_random(&seed);

                snprintf(field, sizeof field, "%s%.*f", next_random(&seed) & 1 ? "-" : "", decimals,
                         (double)(size >> (next_random(&seed) % 62)) / 64.0);
                field[1 + next_random(&seed) % 18] = '\0';
                add_text(t, field);
            }
            check_fields(set, t);
        }
    }
    free(t);
}

static void every_set_stops_at_what_is_not_simple(void **state)
{
    static const char *const odd[] = {"",
                                      "-",
                                      ".",
                                      "-.",
                                      "+1",
                                      "1e5",
                                      "1..2",
                                      "1.2.3",
                                      "--1",
                                      "1-",
                                      " 1",
                                      "1 ",
                                      "NA",
                                      "nan",
                                      "0x1",
                                      "1234567890123456",
                                      "1.2345678901234567",
                                      "/",
                                      ":",
                                      "1:2",
                                      "\x80",
                                      "\xff.1",
                                      "123456789.123456",
                                      "-123456789.12345",
                                      "999999999999999",
                                      ".99999999999999",
                                      "-0",
                                      "-.5",
                                      "5.",
                                      "00000000000000",
                                      "16777217",
                                      "8388608.5",
                                      "0.5"};
    table *t = calloc(1, sizeof *t);

    (void)state;
    assert_non_null(t);
    for (int32_t s = 0; s < N_SETS; s++) {
        const qn_kernels *set = set_or_skip(s);

        t->n = 0;
        for (size_t i = 0; set && i < sizeof odd / sizeof *odd; i++) {
            add_text(t, odd[i]);
            for (size_t k = 0; k < i % 5; k++)
                add_text(t, "1.5");
        }
        if (set)
            check_fields(set, t);
    }
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_the_same_in_every_set),
        cmocka_unit_test(numbers_have_the_bits_of_the_c_library),
        cmocka_unit_test(every_set_stops_at_what_is_not_simple),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
