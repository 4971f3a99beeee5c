#include <inttypes.h>
#include <stdio.h>

#include "data/assemble.h"
#include "lifecycle/inspect.h"
#include "ml/model_dir.h"

static const char *id_type_name(qn_id_type type)
{
    static const char *const name[] = {"auto", "int32", "int64", "string"};

    return name[type];
}

static const char *format_name(qn_format format)
{
    static const char *const name[] = {"auto",    "csv",  "tsv",    "dat",  "netflix",
                                       "parquet", "json", "libsvm", "lines"};

    return name[format];
}

static void add_hex(qn_json *j, const char *key, uint64_t value)
{
    char text[20];

    snprintf(text, sizeof text, "%016" PRIx64, value);
    qn_json_text(j, key, text);
}

static void add_skew(qn_json *j, const char *key, const qn_skew *skew)
{
    qn_json_open(j, key, '{');
    qn_json_real(j, "mean", skew->mean);
    qn_json_int(j, "median", skew->median);
    qn_json_real(j, "max", skew->max);
    qn_json_real(j, "top_1_percent_share", skew->top_share);
    qn_json_real(j, "gini", skew->gini);
    qn_json_close(j, '}');
}

static void add_statistics(const qn_inspect_column *c, qn_json *j)
{
    qn_json_int(j, "rows", c->n);
    qn_json_int(j, "missing", c->missing);
    qn_json_real(j, "min", c->min);
    qn_json_real(j, "max", c->max);
    qn_json_real(j, "mean", c->mean);
    qn_json_real(j, "deviation", c->deviation);
}

static void add_rejects(const qn_ratings_counts *counts, qn_json *j)
{
    qn_json_int(j, "rows_bad", counts->rows_bad);
    qn_json_open(j, "bad_by_kind", '{');
    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        if (counts->rejects.count[k] > 0)
            qn_json_int(j, qn_reject_name((qn_reject_kind)k), counts->rejects.count[k]);
    qn_json_close(j, '}');
    qn_json_text(j, "first_bad_row", counts->first_reject);
}

static void add_labels(const qn_inspect_result *r, qn_json *j)
{
    qn_json_text(j, "label", r->label);
    qn_json_open(j, "labels", '[');
    for (int32_t l = 0; l < r->n_labels; l++) {
        qn_json_open(j, NULL, '{');
        qn_json_real(j, "label", r->label_value[l]);
        qn_json_int(j, "count", r->label_count[l]);
        qn_json_real(j, "share", (double)r->label_count[l] / (double)r->n_rows);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void add_table(const qn_inspect_result *r, qn_json *j)
{
    qn_json_text(j, "format", format_name(r->format));
    qn_json_int(j, "bytes", r->bytes);
    qn_json_int(j, "splits", r->n_splits);
    qn_json_open(j, "columns", '[');
    for (int32_t c = 0; c < r->n_columns; c++) {
        qn_json_open(j, NULL, '{');
        qn_json_text(j, "name", r->column[c].name);
        qn_json_text(j, "type", qn_type_name(r->column[c].type));
        qn_json_text(j, "example", r->column[c].example);
        if (r->has_statistics && r->column[c].is_number)
            add_statistics(&r->column[c], j);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
    if (!r->has_statistics)
        return;
    qn_json_int(j, "rows", r->n_rows);
    add_rejects(&r->counts, j);
    if (r->label[0])
        add_labels(r, j);
}

static void add_histogram(const qn_inspect_result *r, qn_json *j)
{
    qn_json_open(j, "histogram", '[');
    for (int32_t v = 0; v < r->n_values; v++) {
        qn_json_open(j, NULL, '{');
        qn_json_float(j, "rating", r->value[v]);
        qn_json_int(j, "count", r->value_count[v]);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void add_side(qn_json *j, const char *key, int64_t n, qn_id_type type, const char *first,
                     const char *last, const qn_skew *skew)
{
    qn_json_open(j, key, '{');
    qn_json_int(j, "count", n);
    qn_json_text(j, "id_type", id_type_name(type));
    qn_json_text(j, "first", first);
    qn_json_text(j, "last", last);
    add_skew(j, "ratings", skew);
    qn_json_close(j, '}');
}

static void add_ratings(const qn_inspect_result *r, qn_json *j)
{
    qn_json_int(j, "rows", r->counts.rows_read);
    add_rejects(&r->counts, j);
    qn_json_int(j, "ratings", r->n_ratings);
    qn_json_int(j, "duplicates", r->duplicates);
    add_side(j, "users", r->n_users, r->user_type, r->first_user, r->last_user, &r->user_skew);
    add_side(j, "items", r->n_items, r->item_type, r->first_item, r->last_item, &r->item_skew);
    qn_json_real(j, "density", r->density);
    qn_json_float(j, "min_rating", r->min_rating);
    qn_json_float(j, "max_rating", r->max_rating);
    qn_json_real(j, "mean_rating", r->mean_rating);
    qn_json_real(j, "std_rating", r->std_rating);
    add_histogram(r, j);
    if (r->max_time >= r->min_time) {
        qn_json_int(j, "min_time", r->min_time);
        qn_json_int(j, "max_time", r->max_time);
    }
    add_hex(j, "fingerprint", r->fingerprint);
}

/* Every number of the model, and what quern.json keeps. */
static void add_table_model(const qn_inspect_result *r, qn_json *j)
{
    const qn_model *m = r->table_model;
    const qn_table_ops *ops = r->algo->table;

    qn_json_text(j, "algorithm", r->algo->name);
    qn_json_text(j, "model_digest", r->digest);
    qn_json_text(j, "kernel_set", m->kernel_set);
    qn_json_text(j, "prediction_col", m->prediction_col);
    add_hex(j, "data_fingerprint", m->data_fingerprint);
    qn_features_json(&m->features, j, "features");
    qn_json_open(j, "parameters", '{');
    qn_model_params_write(r->algo->params, ops->params(m), j);
    qn_json_close(j, '}');
    ops->describe(m, true, j);
    qn_json_raw(j, "quern", r->note ? r->note : "null");
}

static void add_model(const qn_inspect_result *r, qn_json *j)
{
    const qn_als_model *m = r->model;

    qn_json_text(j, "algorithm", "als");
    qn_json_int(j, "users", m->users.n);
    qn_json_int(j, "items", m->items.n);
    qn_json_int(j, "rank", m->rank);
    qn_json_text(j, "user_id_type", id_type_name(m->users.type));
    qn_json_text(j, "item_id_type", id_type_name(m->items.type));
    qn_json_int(j, "bytes", (m->users.n + m->items.n) * (int64_t)m->rank * 4);
    qn_json_real(j, "mean_user_norm", r->user_norm);
    qn_json_real(j, "mean_item_norm", r->item_norm);
    qn_json_float(j, "mean_rating", m->mean_rating);
    qn_json_int(j, "iterations", m->iterations);
    qn_json_text(j, "kernel_set", m->kernel_set);
    qn_json_text(j, "user_col", m->user_col);
    qn_json_text(j, "item_col", m->item_col);
    add_hex(j, "data_fingerprint", m->data_fingerprint);
    qn_json_text(j, "model_digest", r->digest);
}

void qn_inspect_json(const qn_inspect_result *result, qn_json *j)
{
    static const char *const kind[] = {"model", "ratings", "table"};

    qn_json_text(j, "kind", kind[result->kind]);
    if (result->kind == QN_INSPECT_MODEL) {
        if (result->table_model)
            add_table_model(result, j);
        else
            add_model(result, j);
        return;
    }
    add_table(result, j);
    if (result->kind == QN_INSPECT_RATINGS)
        add_ratings(result, j);
}
