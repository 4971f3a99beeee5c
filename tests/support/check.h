/* What unit tests share: a context, checks that name the line, and where the shared data lie. */
#ifndef QN_TESTS_CHECK_H
#define QN_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/context.h"

#define CHECK(condition)            assert_true(condition)
#define CHECK_EQ(a, b)              assert_int_equal((a), (b))
#define CHECK_TEXT(a, b)            assert_string_equal((a), (b))
#define CHECK_NEAR(a, b, tolerance) check_near_((a), (b), (tolerance), #a, __FILE__, __LINE__)
/* The call must succeed; prints the context's message otherwise. */
#define CHECK_OK(ctx, call)                                                                        \
    do {                                                                                           \
        const qn_status status_ = (call);                                                          \
        if (status_ != QN_OK)                                                                      \
            print_error("%s:%d: %s: %s\n", __FILE__, __LINE__, qn_status_text(status_),            \
                        qn_context_error(ctx));                                                    \
        assert_int_equal(status_, QN_OK);                                                          \
    } while (0)
/* The message of the last failure must hold this text. */
#define CHECK_ERROR(ctx, text)                                                                     \
    do {                                                                                           \
        if (!strstr(qn_context_error(ctx), (text)))                                                \
            print_error("%s:%d: no \"%s\" in: %s\n", __FILE__, __LINE__, (text),                   \
                        qn_context_error(ctx));                                                    \
        assert_non_null(strstr(qn_context_error(ctx), (text)));                                    \
    } while (0)

static inline void check_near_(double a, double b, double tolerance, const char *what,
                               const char *file, int line)
{
    const double difference = a > b ? a - b : b - a;

    if (!(difference <= tolerance)) {
        print_error("%s:%d: %s is %.17g, not %.17g +- %g\n", file, line, what, a, b, tolerance);
        fail();
    }
}

/* A qn_text_list that lives as long as the block around it. */
#define LIST(...)                                                                                  \
    ((qn_text_list){(const char *[]){__VA_ARGS__},                                                 \
                    sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)})

/* A folder of small real data beside the project, or NULL: then the test says so and skips. */
static inline const char *shared_dir(void)
{
    const char *dir = getenv("QN_SHARED");

    return dir && access(dir, R_OK) == 0 ? dir : NULL;
}

#define SKIP_WITHOUT_SHARED()                                                                      \
    do {                                                                                           \
        if (!shared_dir()) {                                                                       \
            print_message("skipped: ../shared is not here\n");                                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* A fresh folder under the build tree or /tmp; the test removes it with qn_remove_tree. */
static inline char *fresh_dir(char buffer[64])
{
    snprintf(buffer, 64, "/tmp/qn-test-XXXXXX");
    return mkdtemp(buffer);
}

/* The same on a disk: where the test runs, as /tmp may lie in memory. */
static inline char *disk_dir(char buffer[64])
{
    snprintf(buffer, 64, "qn-test-XXXXXX");
    return mkdtemp(buffer);
}

#endif
