/* A data set of ratings as text, and the options of jobs on data sets, for tests. */
#ifndef QN_TESTS_RATING_SET_H
#define QN_TESTS_RATING_SET_H

#include "folder.h"

#include "data/parquet.h"
#include "lifecycle/upsert.h"

/* Nothing works without the Parquet module. */
static inline void skip_without_parquet(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

static inline qn_status rating_set_add(void *arg, const qn_rating_row *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t year, month, day;
        char rating[32];

        qn_date_from_days(row[i].days, &year, &month, &day);
        qn_format_float(row[i].rating, rating);
        qn_string_addf(arg, "%d %d %04d-%02d-%02d %s\n", row[i].movie, row[i].user, year, month,
                       day, rating);
    }
    return QN_OK;
}

/* "movie user date rating" a line, in the order of the files; "" when nothing is there. The caller
 * releases it. */
static inline qn_string rating_set_text(folder *f, const char *name)
{
    qn_dataset_manifest manifest = {0};
    qn_dataset_kind kind;
    char *at = NULL;
    qn_string text = {0};

    CHECK_OK(f->ctx, qn_dataset_resolve(f->ctx, folder_file(f, name), &kind, &at));
    if (kind == QN_DATASET_OURS)
        CHECK_OK(f->ctx, qn_dataset_read(f->ctx, at, &manifest));
    for (int64_t i = 0; i < manifest.n_files; i++) {
        qn_string path = {0};

        qn_string_addf(&path, "%s/%s", at, manifest.file[i].path);
        CHECK_OK(f->ctx, qn_rows_read_file(f->ctx, qn_string_text(&path), &manifest.columns, i,
                                           rating_set_add, &text));
        qn_string_release(&path);
    }
    qn_dataset_manifest_release(&manifest);
    qn_free(at);
    return text;
}

static inline void rating_set_expect(folder *f, const char *name, const char *expected)
{
    qn_string text = rating_set_text(f, name);

    CHECK_TEXT(qn_string_text(&text), expected);
    qn_string_release(&text);
}

/* Adds CSV text to a data set. */
static inline qn_status rating_set_upsert(folder *f, const char *csv, const char *name,
                                          const qn_rules_options *rules,
                                          qn_data_upsert_result *result)
{
    const char *input = folder_put(f, "new.csv", csv);
    qn_rating_input_options options;
    qn_upsert_options upsert;
    qn_rules_options none = {0};

    qn_params_init(&qn_rating_input_table, &options);
    qn_params_init(&qn_upsert_table, &upsert);
    options.input = (qn_text_list){&input, 1};
    return qn_data_upsert_run(f->ctx, folder_file(f, name), &options, rules ? rules : &none,
                              &upsert, result);
}

#endif
