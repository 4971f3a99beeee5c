/* Fitted trees beside trees grown the plain way: every midpoint of every feature tried on the rows
 * themselves. */
#include "forest_testing.h"

#include <float.h>

/* Rows of a node, by number. */
typedef struct plain {
    const double *x; /* [n x columns], the label last */
    int32_t columns, n_classes, max_depth;
    bool is_number;
    const qn_forest_model *model;
    int32_t next; /* node of the model that is compared */
} plain;

static double label_of(const plain *p, int64_t row)
{
    return p->x[row * p->columns + p->columns - 1];
}

static double impurity_of(const plain *p, const int64_t *row, int64_t n)
{
    double impurity = p->is_number ? 0 : 1, sum = 0, squares = 0;

    if (n == 0)
        return 0;
    for (int64_t i = 0; i < n; i++) {
        sum += label_of(p, row[i]);
        squares += label_of(p, row[i]) * label_of(p, row[i]);
    }
    if (p->is_number)
        return (squares - sum * sum / (double)n) / (double)n;
    for (int32_t c = 0; c < p->n_classes; c++) {
        double share = 0;

        for (int64_t i = 0; i < n; i++)
            share += label_of(p, row[i]) == c;
        impurity -= share / (double)n * (share / (double)n);
    }
    return impurity;
}

/* Rows up to the threshold first; returns how many. Keeps their order. */
static int64_t part(const plain *p, int64_t *row, int64_t n, int32_t f, double threshold)
{
    int64_t *copy = malloc((size_t)n * sizeof *copy), n_left = 0;

    assert_non_null(copy);
    memcpy(copy, row, (size_t)n * sizeof *copy);
    for (int64_t i = 0; i < n; i++)
        if (p->x[copy[i] * p->columns + f] <= threshold)
            row[n_left++] = copy[i];
    for (int64_t i = 0, at = n_left; i < n; i++)
        if (!(p->x[copy[i] * p->columns + f] <= threshold))
            row[at++] = copy[i];
    free(copy);
    return n_left;
}

static double gain_of(const plain *p, int64_t *row, int64_t n, int32_t f, double threshold)
{
    const double all = impurity_of(p, row, n);
    const int64_t n_left = part(p, row, n, f, threshold);

    if (n_left == 0 || n_left == n)
        return -1;
    return all - (double)n_left / (double)n * impurity_of(p, row, n_left) -
           (double)(n - n_left) / (double)n * impurity_of(p, row + n_left, n - n_left);
}

/* Values are whole numbers from 0 to 7, so thresholds are halves. The model's split must be as good
 * as the best, and its rows those that go there. */
static void compare(plain *p, int64_t *row, int64_t n, int32_t depth)
{
    const qn_tree_node *node = &p->model->node[p->next];
    double best = 0;

    CHECK_EQ(node->raw_count, n);
    for (int32_t f = 0; depth < p->max_depth && f < p->columns - 1; f++)
        for (double t = 0.5; t < 7; t++) {
            const double gain = gain_of(p, row, n, f, t);

            best = gain > best ? gain : best;
        }
    if (node->left < 0) {
        CHECK(best < 1e-12);
        p->next++;
        return;
    }
    CHECK_NEAR(node->impurity, impurity_of(p, row, n), 1e-12);
    CHECK_NEAR(node->gain, best, 1e-12);
    CHECK_NEAR(gain_of(p, row, n, node->feature, node->threshold), best, 1e-12);
    const int64_t n_left = part(p, row, n, node->feature, node->threshold);
    CHECK_EQ(node->left, p->next + 1);
    p->next++;
    compare(p, row, n_left, depth + 1);
    CHECK_EQ(node->right, p->next);
    compare(p, row + n_left, n - n_left, depth + 1);
}

static void check_plain(folder *f, bool is_number, int64_t n, uint64_t seed)
{
    double *x = test_rows(n, 4, is_number ? 23 : 3, 8, seed);
    const test_table t = {.n = n, .columns = 4, .x = x};
    qn_forest_params params = test_params(true);
    int64_t *row = malloc((size_t)n * sizeof *row);
    plain p = {.x = x, .columns = 4, .n_classes = 3, .max_depth = 4, .is_number = is_number};

    assert_non_null(row);
    params.task = is_number ? QN_REGRESSION : QN_CLASSIFICATION;
    params.max_depth = 4;
    params.prune = false;
    qn_forest_model *model = test_fit(f, &params, true, &t);
    for (int64_t i = 0; i < n; i++)
        row[i] = i;
    p.model = model;
    compare(&p, row, n, 0);
    CHECK_EQ(p.next, model->first_node[1]);
    CHECK(p.next > 1);
    qn_forest_free(model);
    free(row);
    free(x);
}

static void trees_of_classes_are_grown_as_by_hand(void **state)
{
    for (uint64_t seed = 20; seed < 30; seed++)
        check_plain(*state, false, 40 + 13 * (int64_t)seed, seed);
}

static void trees_of_numbers_are_grown_as_by_hand(void **state)
{
    for (uint64_t seed = 30; seed < 36; seed++)
        check_plain(*state, true, 40 + 11 * (int64_t)seed, seed);
}

/* ---- many rows: sums in fixed point ---- */

typedef struct large {
    const char *path;
    const test_table *table;
    const qn_forest_params *params;
    char digest[33];
    double root[3];
} large;

static qn_status fit_large(qn_context *ctx, void *arg)
{
    large *l = arg;
    qn_matrix *matrix = NULL;
    qn_forest_model *model = NULL;
    qn_status st = QN_OK;

    QN_TRY(test_read(ctx, l->path, l->table, &matrix));
    QN_TRY(qn_forest_fit(ctx, l->params, false, matrix, &model));
    if (qn_rank(ctx) == 0) {
        qn_forest_digest(model, l->digest);
        memcpy(l->root, model->stats, (size_t)model->n_stats * sizeof *l->root);
        CHECK(isfinite(model->oob_error) || !l->params->bootstrap);
    }
done:
    qn_forest_free(model);
    qn_matrix_free(matrix);
    return st;
}

static void check_large(folder *f, bool is_number)
{
    const int64_t n = FOREST_SERIAL_ROWS + 4000;
    double *x = test_rows(n, 4, is_number ? 23 : 3, 0, 40);
    const test_table t = {.n = n, .columns = 4, .x = x, .has_weight = !is_number, .partitions = 5};
    qn_forest_params params = test_params(false);
    large one = {.table = &t, .params = &params}, many = one;
    double sums[3] = {0};

    one.path = many.path = folder_file(f, "large.csv");
    for (int64_t i = 0; i < n; i++) /* without draws the root holds all rows as they are */
        if (is_number) {
            const double y = x[i * 4 + 3] += 0.25;

            sums[0] += 1;
            sums[1] += y;
            sums[2] += y * y;
        } else {
            x[i * 4 + 2] = (double)(i % 3);     /* label */
            x[i * 4 + 3] = (double)(i % 8) / 4; /* weight */
            sums[i % 3] += x[i * 4 + 3];
        }
    test_write(one.path, &t);
    params.task = is_number ? QN_REGRESSION : QN_CLASSIFICATION;
    params.num_trees = 2;
    params.bootstrap = false;
    CHECK_OK(f->ctx, qn_run_thread_ranks(f->ctx, 1, fit_large, &one));
    for (int c = 0; c < 3; c++)
        CHECK_NEAR(one.root[c], sums[c], 1e-9 * sums[c]);
    params.bootstrap = true;
    CHECK_OK(f->ctx, qn_run_thread_ranks(f->ctx, 1, fit_large, &one));
    CHECK_OK(f->ctx, qn_run_thread_ranks(f->ctx, 3, fit_large, &many));
    CHECK_TEXT(many.digest, one.digest);
    free(x);
}

static void many_rows_of_numbers_change_no_bit_by_rank(void **state)
{
    check_large(*state, true);
}

static void many_weights_change_no_bit_by_rank(void **state)
{
    check_large(*state, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        TEST(trees_of_classes_are_grown_as_by_hand),
        TEST(trees_of_numbers_are_grown_as_by_hand),
        TEST(many_rows_of_numbers_change_no_bit_by_rank),
        TEST(many_weights_change_no_bit_by_rank),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
