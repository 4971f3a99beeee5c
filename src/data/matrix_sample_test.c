/* Samples: of files, of pieces, of rows and of labels. */
#include "table.h"

static void a_stratified_sample_keeps_the_share_of_each_label(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    wish_for(&w, put_classes(f, "t.csv", 300));
    w.options.sample = QN_SAMPLE_STRATIFIED;
    w.options.fraction = 0.1;
    w.options.features = (qn_text_list){(const char *[]){"a"}, 1};
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "needs labels");
    w.options.label = "y";
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 30);
    CHECK_EQ(m->n_labels, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(m->label_count[i], 10);
    CHECK_EQ(m->counts.rows_sampled_out, 270);
    qn_matrix_free(m);
    w.options.label = "a";
    w.options.features = (qn_text_list){(const char *[]){"y"}, 1};
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "more than 256 labels");
}

static void a_sample_of_rows_is_by_lot_and_by_seed(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    int64_t n_rows, same = 0;
    char place[256], expected[256];
    double first[400];
    wish w;

    wish_for(&w, put_classes(f, "t.csv", 1000));
    w.options.sample = QN_SAMPLE_ROWS;
    w.options.fraction = 0.3;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    n_rows = m->n_rows;
    CHECK(n_rows > 240 && n_rows < 360);
    CHECK_EQ(m->counts.rows_sampled_out, 1000 - n_rows);
    for (int64_t r = 0; r < n_rows; r++) {
        first[r] = value_at(f->ctx, m, r, 0);
        snprintf(expected, sizeof expected, "%s, row %.0f", w.path[0], first[r]);
        qn_matrix_place(m, r, place, sizeof place);
        CHECK_TEXT(place, expected);
    }
    qn_matrix_free(m);
    w.options.sample_seed = 43;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    for (int64_t r = 0; r < n_rows && r < m->n_rows; r++)
        same += value_at(f->ctx, m, r, 0) == first[r];
    CHECK(same < n_rows / 2);
    qn_matrix_free(m);
    w.options.fraction = 1e-9;
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "the sample holds no rows");
    w.options.fraction = 1.5;
    CHECK_EQ(read_wish(f->ctx, &w, &m), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--fraction 1.5");
}

static void a_sample_of_files_is_the_first_by_name(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    wish w;

    put_classes(f, "c.csv", 3);
    put_classes(f, "a.csv", 5);
    put_classes(f, "b.csv", 7);
    folder_put(f, "d.csv", "not looked at\n1,2,3\n");
    wish_for(&w, f->path);
    w.options.fraction = 0.5;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 12);
    CHECK_EQ(m->counts.files, 2);
    CHECK_EQ(m->counts.files_total, 4);
    qn_matrix_free(m);
    w.options.fraction = 0.01;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK_EQ(m->n_rows, 5);
    qn_matrix_free(m);
}

static void a_sample_of_pieces_reads_some_splits(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL, *all = NULL;
    wish w;

    wish_for(&w, put_classes(f, "t.csv", 1000));
    w.options.sample = QN_SAMPLE_ROW_GROUPS;
    w.options.split_bytes = 100;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &all));
    w.options.fraction = 0.5;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    CHECK(m->counts.splits > all->counts.splits / 4);
    CHECK(m->counts.splits < all->counts.splits * 3 / 4);
    CHECK_EQ(m->counts.rows_read, m->n_rows);
    CHECK(m->n_rows > 250 && m->n_rows < 750);
    qn_matrix_free(m);
    qn_matrix_free(all);
}

typedef struct heard {
    char sample[128], share[128], warning[512];
} heard;

static void listen(void *user, const qn_event *event)
{
    heard *h = user;

    if (event->kind == QN_EVENT_FACT && strcmp(event->name, "sample") == 0)
        snprintf(h->sample, sizeof h->sample, "%s", event->text);
    if (event->kind == QN_EVENT_FACT && strcmp(event->name, "sample.share.1") == 0)
        snprintf(h->share, sizeof h->share, "%s", event->text);
    if (event->kind == QN_EVENT_WARNING)
        snprintf(h->warning, sizeof h->warning, "%s", event->text);
}

/* Label 1 is a quarter of the first file and half of the others. */
static void a_sample_of_files_tells_how_the_labels_have_moved(void **state)
{
    folder *f = *state;
    qn_matrix *m = NULL;
    heard h = {0};
    wish w;

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    folder_put(f, "a.csv", "a,y\n1,0\n2,1\n3,0\n4,0\n");
    folder_put(f, "b.csv", "a,y\n1,0\n2,1\n");
    folder_put(f, "c.csv", "a,y\n1,1\n2,0\n");
    wish_for(&w, f->path);
    w.options.label = "y";
    w.options.fraction = 0.4;
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    qn_matrix_free(m);
    CHECK(strncmp(h.sample, "Loading 1/3 files (33.3333%)", 28) == 0);
    CHECK_TEXT(h.share, "25.00% of the sample, 50.00% of the files left out");
    CHECK(strstr(h.warning, "the first 1 of 3 files are not like the others: label 0 is 75.00% of "
                            "their rows but 50.00% in 2 files"));
    folder_put(f, "c.csv", "a,z\n1,1\n2,0\n"); /* not read: cannot do harm */
    CHECK_OK(f->ctx, read_wish(f->ctx, &w, &m));
    qn_matrix_free(m);
    CHECK(strstr(h.warning, "is not known"));
}

/* Of a source, files are runs of its splits. */
static void a_source_is_sampled_by_its_own_files(void **state)
{
    folder *f = *state;
    const char *path = f->path;
    const qn_source_options open = {.path = &path, .n_paths = 1, .header = -1, .split_bytes = 10};
    qn_source *source = NULL;
    qn_matrix *m = NULL;
    wish w;

    put_classes(f, "a.csv", 5);
    put_classes(f, "b.csv", 7);
    CHECK_OK(f->ctx, qn_source_open(f->ctx, &open, &source));
    wish_for(&w, NULL);
    CHECK_OK(f->ctx, qn_matrix_from_source(f->ctx, source, &w.options, &w.use, &m));
    CHECK_EQ(m->n_rows, 12);
    qn_matrix_free(m);
    w.options.fraction = 0.5;
    CHECK_OK(f->ctx, qn_matrix_from_source(f->ctx, source, &w.options, &w.use, &m));
    CHECK_EQ(m->n_rows, 5);
    CHECK_EQ(m->counts.files, 1);
    CHECK_EQ(m->counts.files_total, 2);
    qn_matrix_free(m);
    qn_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stratified_sample_keeps_the_share_of_each_label),
        TEST(a_sample_of_rows_is_by_lot_and_by_seed),
        TEST(a_sample_of_files_is_the_first_by_name),
        TEST(a_sample_of_pieces_reads_some_splits),
        TEST(a_sample_of_files_tells_how_the_labels_have_moved),
        TEST(a_source_is_sampled_by_its_own_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
