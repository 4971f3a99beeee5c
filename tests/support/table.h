/* Small tables read into matrices. */
#ifndef QN_TESTS_TABLE_H
#define QN_TESTS_TABLE_H

#include "folder.h"

#include <inttypes.h>
#include <math.h>

#include "base/text.h"
#include "data/assemble.h"
#include "engine/comm.h"
#include "engine/store.h"

static inline qn_context *make_context(int32_t threads)
{
    const qn_context_options options = {.memory = (size_t)64 << 20, .threads = threads};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.table_rows = 4;
    return ctx;
}

static inline int setup(void **state)
{
    *state = folder_make(make_context(2));
    return 0;
}

static inline int teardown(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;

    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

typedef struct wish {
    qn_matrix_options options;
    qn_matrix_use use;
    const char *path[4];
} wish;

/* Everything by default; at most three more paths. */
static inline wish *wish_for(wish *w, const char *path)
{
    *w = (wish){0};
    qn_params_init(&qn_matrix_table, &w->options);
    w->path[0] = path;
    w->options.input = (qn_text_list){w->path, 1};
    return w;
}

static inline qn_status read_wish(qn_context *ctx, const wish *w, qn_matrix **m)
{
    return qn_matrix_read(ctx, &w->options, &w->use, m);
}

static inline double value_at(qn_context *ctx, const qn_matrix *m, int64_t row, int32_t f)
{
    double *out = malloc((size_t)m->n_features * sizeof *out);
    double value;

    assert_non_null(out);
    CHECK_OK(ctx, qn_matrix_rows(ctx, m, 1, &row, out));
    value = out[f];
    free(out);
    return value;
}

/* n rows "i,i % 3", with a header. */
static inline const char *put_classes(folder *f, const char *name, int n)
{
    qn_string text = {0};
    const char *path;

    qn_string_add(&text, "a,y\n");
    for (int i = 0; i < n; i++)
        qn_string_addf(&text, "%d,%d\n", i, i % 3);
    path = folder_put(f, name, qn_string_text(&text));
    qn_string_release(&text);
    return path;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
