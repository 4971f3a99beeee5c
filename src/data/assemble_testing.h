/* What the tests of features and of the assembler share: a file, options, and what they give as
 * text that can be compared. */
#ifndef QN_DATA_ASSEMBLE_TESTING_H
#define QN_DATA_ASSEMBLE_TESTING_H

#include "base/text.h"
#include "check.h"
#include "data/assemble.h"
#include "data/parquet.h"
#include "folder.h"
#include "quern/quern.h"

typedef struct fixture {
    qn_context *ctx;
    folder *folder;
    qn_matrix_options options;
    qn_categories categories;
    qn_format format;
    qn_source *source;
    qn_features features;
    bool is_double, with_label, lenient;
    qn_string out;
} fixture;

static inline int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || qn_context_create(&(qn_context_options){.threads = 3}, &f->ctx) != QN_OK)
        return 1;
    f->folder = folder_make(f->ctx);
    qn_params_init(&qn_matrix_table, &f->options);
    f->is_double = true;
    return 0;
}

static inline void forget_source(fixture *f)
{
    qn_features_release(&f->features);
    qn_source_free(f->source);
    f->source = NULL;
    qn_string_clear(&f->out);
}

static inline int tear_down(void **state)
{
    fixture *f = *state;

    forget_source(f);
    qn_string_release(&f->out);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    folder_remove(f->folder);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

/* Opens `text` as a file of that name. */
static inline void open_text(fixture *f, const char *name, const char *text)
{
    const char *path = folder_put(f->folder, name, text);

    qn_source_free(f->source);
    f->source = NULL;
    CHECK_OK(f->ctx,
             qn_source_open(
                 f->ctx,
                 &(qn_source_options){
                     .path = &path,
                     .n_paths = 1,
                     .header = -1,
                     .format = f->format,
                     .split_bytes = f->options.split_bytes ? (int64_t)f->options.split_bytes : 64},
                 &f->source));
}

static inline qn_status find(fixture *f)
{
    qn_features_release(&f->features);
    return qn_features_find(f->ctx, f->source, &f->options, f->categories, &f->features);
}

/* "a ndvi xyz*3 colour{red,blue} | label y weight w" */
static inline const char *features_text(fixture *f)
{
    const qn_features *all = &f->features;

    qn_string_clear(&f->out);
    for (int32_t i = 0; i < all->n; i++) {
        const qn_feature *feature = &all->feature[i];

        qn_string_addf(&f->out, "%s%s", i ? " " : "", feature->name);
        if (feature->kind == QN_FEATURE_EXPRESSION)
            qn_string_addf(&f->out, "=%s", feature->source);
        if (feature->kind == QN_FEATURE_LIST)
            qn_string_addf(&f->out, "*%d", feature->width);
        for (int32_t c = 0; c < feature->n_categories; c++)
            qn_string_addf(&f->out, "%s%s", c ? "," : "{", feature->category[c]);
        if (feature->kind == QN_FEATURE_CATEGORY)
            qn_string_add(&f->out, "}");
    }
    if (all->label)
        qn_string_addf(&f->out, " | label %s", all->label);
    if (all->weight)
        qn_string_addf(&f->out, " | weight %s", all->weight);
    return qn_string_text(&f->out);
}

/* Finds the features of `text`. */
static inline const char *found(fixture *f, const char *name, const char *text)
{
    open_text(f, name, text);
    CHECK_OK(f->ctx, find(f));
    return features_text(f);
}

#define CHECK_FIND_FAILS(f, status, message)                                                       \
    do {                                                                                           \
        CHECK_EQ(find(f), status);                                                                 \
        CHECK_ERROR((f)->ctx, message);                                                            \
    } while (0)

static inline void add_row(fixture *f, const qn_assembler *a, const qn_assembled *rows, int64_t r)
{
    char text[128];

    for (int32_t j = 0; j < f->features.width; j++) {
        if (f->is_double)
            qn_format_double(((const double *)rows->column[j])[r], text);
        else
            qn_format_float(((const float *)rows->column[j])[r], text);
        qn_string_addf(&f->out, "%s%s", j ? " " : "", text);
    }
    if (rows->label) {
        qn_format_double(rows->label[r], text);
        qn_string_addf(&f->out, " label %s", text);
    }
    if (rows->weight) {
        qn_format_double(rows->weight[r], text);
        qn_string_addf(&f->out, " weight %s", text);
    }
    qn_assembler_why(a, r, text, sizeof text);
    CHECK_EQ(*text != '\0', rows->incomplete[r] != 0);
    if (*text != '\0')
        qn_string_addf(&f->out, " !%d %s", rows->incomplete[r], text);
    qn_string_add(&f->out, "\n");
}

static inline qn_status read_splits(fixture *f, qn_assembler *a)
{
    int32_t n = 0;
    const qn_column_request *request = qn_assembler_requests(a, &n);
    qn_status st = QN_OK;

    for (int64_t split = 0; split < qn_source_n_splits(f->source) && st == QN_OK; split++) {
        const qn_batch *batch = NULL;
        qn_reader *reader = NULL;

        st = qn_source_open_split(f->ctx, f->source, split, request, n, &reader);
        while (st == QN_OK && (st = qn_reader_next(f->ctx, reader, &batch)) == QN_OK && batch) {
            qn_assembled rows;

            st = qn_assemble(f->ctx, a, batch, &rows);
            for (int64_t r = 0; st == QN_OK && r < rows.n_rows; r++)
                add_row(f, a, &rows, r);
        }
        qn_reader_close(reader);
    }
    return st;
}

/* Rows of the open source, one a line: "1 2.5 label 3 !1 column f3: missing". */
static inline qn_status assemble(fixture *f)
{
    qn_assembler *a = NULL;
    qn_status st;

    qn_string_clear(&f->out);
    st = qn_assembler_open(f->ctx, &f->features, f->source, f->is_double, f->with_label, &a);
    CHECK((a != NULL) == (st == QN_OK));
    if (a && f->lenient)
        qn_assembler_be_lenient(a);
    if (a)
        st = read_splits(f, a);
    qn_assembler_free(a);
    return st;
}

static inline const char *assembled(fixture *f)
{
    CHECK_OK(f->ctx, assemble(f));
    return qn_string_text(&f->out);
}

/* Features and rows of a file. */
static inline const char *rows_of(fixture *f, const char *name, const char *text)
{
    found(f, name, text);
    return assembled(f);
}

static inline void skip_without_module(fixture *f)
{
    const char *version;

    if (qn_parquet_version(f->ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(f->ctx));
        skip();
    }
}

#endif
