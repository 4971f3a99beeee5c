/* A matrix that a process keeps before it dies is, part by part, the one that was read. */
#include "data/matrix_kept.h"

#include "again.h"
#include "kernels/kernels.h"
#include "spill_box.h"
#include "table.h"

#define MB   ((size_t)1 << 20)
#define KEY  7
#define MANY 1000

static qn_context *context_for(const char *scratch)
{
    qn_context *ctx = box_context(scratch, 64 * MB, 2);

    ctx->cells.table_rows = 4;
    return ctx;
}

/* Two files, a row with a gap that is left out, categories, an expression, labels, weights and a
 * factor. */
static qn_status read_table(qn_context *ctx, const char *dir, qn_matrix **m)
{
    char one[96], two[96];
    const char *feature = "d=a-b", *category = "c", *scale = "d=std";
    wish w;

    snprintf(one, sizeof one, "%s/one.csv", dir);
    snprintf(two, sizeof two, "%s/two.csv", dir);
    wish_for(&w, one);
    w.path[1] = two;
    w.options.input.n = 2;
    w.options.label = "y";
    w.options.weight = "w";
    w.options.feature = (qn_text_list){&feature, 1};
    w.options.categorical = (qn_text_list){&category, 1};
    w.options.scale = (qn_text_list){&scale, 1};
    w.options.on_missing = QN_MISSING_SKIP;
    w.use.keep_label = true;
    w.use.categories = QN_CATEGORIES_ONE_HOT;
    return read_wish(ctx, &w, m);
}

static void put_files(folder *f)
{
    folder_put(f, "one.csv",
               "a,b,c,y,w\n1,10,red,0,1\n2,20,blue,1,2\n,30,red,1,1\n4,40,,0,1\n"
               "5,50,green,1,3\n6,60,red,0,1\n7,70,blue,1,1\n");
    folder_put(f, "two.csv", "a,b,c,y,w\n8,80,red,2,1\n9,90,blue,1,2\n");
}

/* Reads, keeps and ends without a word. */
static int keep(const char *dir, const char *scratch)
{
    qn_context *ctx = context_for(scratch);
    qn_kept *book = NULL;
    qn_matrix *m = NULL;

    _exit(read_table(ctx, dir, &m) != QN_OK || qn_kept_find(ctx, "run", KEY, &book) != QN_OK ||
          qn_kept_begin(ctx, KEY, &book) != QN_OK || qn_matrix_kept(book, &m) != QN_OK ||
          qn_kept_commit(book) != QN_OK);
}

/* A process that does so. */
static void leave(const folder *f, const char *scratch)
{
    CHECK_EQ(run_again((const char *const[]){"keep", f->path, scratch, NULL}), 0);
}

static void same_texts(const char *a, const char *b)
{
    CHECK((a == NULL) == (b == NULL));
    if (a)
        CHECK_TEXT(a, b);
}

static void same_features(const qn_features *a, const qn_features *b)
{
    CHECK_EQ(a->n, b->n);
    CHECK_EQ(a->width, b->width);
    same_texts(a->label, b->label);
    same_texts(a->weight, b->weight);
    for (int32_t i = 0; i < a->n; i++) {
        const qn_feature *x = &a->feature[i], *y = &b->feature[i];

        same_texts(x->name, y->name);
        same_texts(x->source, y->source);
        CHECK_EQ(x->kind, y->kind);
        CHECK_EQ(x->n_categories, y->n_categories);
        for (int32_t c = 0; c < x->n_categories; c++)
            same_texts(x->category[c], y->category[c]);
        CHECK((x->scale == NULL) == (y->scale == NULL));
        if (x->scale)
            assert_memory_equal(x->scale, y->scale, (size_t)x->width * sizeof *x->scale);
    }
}

static void same_blocks(qn_context *ctx, const qn_matrix *a, qn_context *other, const qn_matrix *b)
{
    const size_t panels = (size_t)a->n_features * QN_PANEL * sizeof(float);

    for (int64_t c = 0; c < a->n_own_cells; c++) {
        qn_matrix_block x, y;

        assert_memory_equal(&a->cell[c], &b->cell[c], sizeof a->cell[c]);
        CHECK_OK(ctx, qn_matrix_pin(ctx, a, c, 0, &x));
        CHECK_OK(other, qn_matrix_pin(other, b, c, 0, &y));
        CHECK_EQ(x.n_rows, y.n_rows);
        assert_memory_equal(x.x, y.x, panels);
        assert_memory_equal(x.label, y.label, (size_t)x.n_rows * sizeof *x.label);
        assert_memory_equal(x.weight, y.weight, (size_t)x.n_rows * sizeof *x.weight);
        qn_matrix_unpin(a, c, 0);
        qn_matrix_unpin(b, c, 0);
    }
}

static void same_matrices(qn_context *ctx, const qn_matrix *a, qn_context *other,
                          const qn_matrix *b)
{
    const size_t width = (size_t)a->n_features * sizeof(double);
    char x[256], y[256];

    CHECK_EQ(a->n_rows, b->n_rows);
    CHECK_EQ(a->n_cells, b->n_cells);
    CHECK_EQ(a->n_own_cells, b->n_own_cells);
    CHECK(a->fingerprint == b->fingerprint);
    CHECK_EQ(a->counts.rows_missing, b->counts.rows_missing);
    CHECK_TEXT(a->counts.first_missing, b->counts.first_missing);
    same_features(&a->features, &b->features);
    assert_memory_equal(a->mean, b->mean, width);
    assert_memory_equal(a->min, b->min, width);
    assert_memory_equal(a->max, b->max, width);
    CHECK_EQ(a->n_labels, 3);
    assert_memory_equal(a->label_value, b->label_value, 3 * sizeof(double));
    assert_memory_equal(a->label_count, b->label_count, 3 * sizeof(int64_t));
    same_blocks(ctx, a, other, b);
    for (int64_t row = 0; row < a->n_rows; row++) {
        qn_matrix_place(a, row, x, sizeof x);
        qn_matrix_place(b, row, y, sizeof y);
        CHECK_TEXT(x, y);
    }
}

static void what_is_taken_over_is_what_was_read(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx, *next;
    qn_kept *book = NULL;
    qn_matrix *whole = NULL, *kept = NULL;
    char scratch[64];

    CHECK(disk_dir(scratch));
    put_files(f);
    CHECK_OK(ctx, read_table(ctx, f->path, &whole));
    CHECK_EQ(whole->n_rows, 7);
    leave(f, scratch);
    next = context_for(scratch);
    CHECK_OK(next, qn_kept_find(next, "run", KEY, &book));
    CHECK(book);
    CHECK_OK(next, qn_matrix_kept(book, &kept));
    qn_kept_settle(next, book, true);
    qn_kept_free(book);
    same_matrices(ctx, whole, next, kept);
    qn_matrix_free(kept);
    qn_matrix_free(whole);
    CHECK_EQ(qn_alloc_live(next), 0);
    qn_context_free(next);
    CHECK_EQ(rmdir(scratch), 0);
}

static void every_failed_allocation_is_survived(void **state)
{
    folder *f = *state;
    qn_status st = QN_ENOMEM;
    char scratch[64];
    int64_t allowed = 0;

    CHECK(disk_dir(scratch));
    put_files(f);
    for (; st != QN_OK; allowed++) {
        qn_context *ctx;
        qn_kept *book = NULL;
        qn_matrix *m = NULL;

        CHECK(allowed < MANY);
        leave(f, scratch);
        ctx = context_for(scratch);
        CHECK_OK(ctx, qn_kept_find(ctx, "run", KEY, &book));
        qn_alloc_fail_after(ctx, allowed);
        st = qn_matrix_kept(book, &m);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((st == QN_OK) == (m != NULL));
        qn_matrix_free(m);
        qn_kept_settle(ctx, book, false);
        qn_kept_free(book);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        qn_context_free(ctx);
    }
    CHECK(allowed > 30);
    CHECK_EQ(rmdir(scratch), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_taken_over_is_what_was_read),
        TEST(every_failed_allocation_is_survived),
    };

    if (argc == 3)
        return keep(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
