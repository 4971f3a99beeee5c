/* quern inspect: what lies in a ratings file, a table or a model folder. */
#include <math.h>
#include <string.h>

#include "base/params_out.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "lifecycle/inspect.h"
#include "ml/model_dir.h"

static void show_format(qn_format format)
{
    const qn_param choices = {.choices = QN_FORMAT_CHOICES};
    size_t length = 0;
    const char *name = qn_param_choice(&choices, (int32_t)format, &length);

    printf("%.*s", (int)length, name ? name : "");
}

static void add_statistics(qn_text_table *rows, const qn_inspect_column *c)
{
    const double value[] = {c->min, c->max, c->mean, c->deviation};

    qn_text_table_add(rows, c->is_number ? qn_show_count(c->n).text : "");
    qn_text_table_add(rows, c->is_number ? qn_show_count(c->missing).text : "");
    for (size_t i = 0; i < sizeof value / sizeof *value; i++)
        if (c->is_number && !isnan(value[i]))
            qn_text_table_addf(rows, "%.6g", value[i]);
        else
            qn_text_table_add(rows, "");
}

static void show_labels(const qn_inspect_result *r)
{
    qn_text_table rows;

    if (!r->label[0])
        return;
    if (r->n_labels < 0) {
        printf("labels    more than %d values of %s\n", QN_INSPECT_VALUES, r->label);
        return;
    }
    qn_text_table_init(&rows, "rrr");
    qn_text_table_add(&rows, r->label);
    qn_text_table_add(&rows, "rows");
    qn_text_table_add(&rows, "share");
    for (int32_t l = 0; l < r->n_labels; l++) {
        qn_text_table_addf(&rows, "%g", r->label_value[l]);
        qn_text_table_add(&rows, qn_show_count(r->label_count[l]).text);
        qn_text_table_add(&rows, qn_show_share(r->label_count[l], r->n_rows).text);
    }
    puts("labels");
    qn_text_table_print(&rows, &(qn_terminal){.stream = stdout}, true, "  ");
    qn_text_table_release(&rows);
}

static void show_columns(const qn_cli *cli, const qn_inspect_result *r)
{
    static const char *const header[] = {"column", "type", "first row", "rows",     "missing",
                                         "min",    "max",  "mean",      "deviation"};
    qn_text_table rows;

    printf("file      ");
    show_format(r->format);
    if (r->bytes > 0)
        printf(", %s", qn_show_bytes((double)r->bytes).text);
    printf(", %s %s; %s\n", qn_show_count(r->n_splits).text, r->n_splits == 1 ? "split" : "splits",
           r->has_names ? "with a header" : "no header: columns by number");
    qn_text_table_init(&rows, r->has_statistics ? "lllrrrrrr" : "lll");
    for (size_t i = 0; i < (r->has_statistics ? 9 : 3); i++)
        qn_text_table_add(&rows, header[i]);
    for (int32_t i = 0; i < r->n_columns; i++) {
        qn_text_table_add(&rows, r->column[i].name);
        qn_text_table_add(&rows, qn_type_name(r->column[i].type));
        qn_text_table_add(&rows, r->column[i].example);
        if (r->has_statistics)
            add_statistics(&rows, &r->column[i]);
    }
    qn_text_table_print(&rows, &cli->out, true, "  ");
    qn_text_table_release(&rows);
}

static void show_id_range(const char *side, int64_t n, qn_id_type type, const char *first,
                          const char *last)
{
    const qn_param choices = {.choices = QN_ID_TYPE_CHOICES};
    size_t length = 0;
    const char *name = qn_param_choice(&choices, (int32_t)type, &length);
    qn_string line = {0};

    qn_string_addf(&line, "%s ... %s", first, last);
    printf("%-8s  %s, %.*s ids ", side, qn_show_count(n).text, (int)length, name ? name : "");
    fputs(qn_string_text(&line), stdout);
    putchar('\n');
    qn_string_release(&line);
}

static void show_skew(const char *name, const qn_skew *skew)
{
    printf("%-8s  %.1f ratings each on average, median %s, most %s; the top 1 %% have %.1f %%; "
           "Gini %.2f\n",
           name, skew->mean, qn_show_count(skew->median).text,
           qn_show_count((int64_t)skew->max).text, 100.0 * skew->top_share, skew->gini);
}

static void show_ratings(const qn_cli *cli, const qn_inspect_result *r)
{
    qn_show_counts(&cli->out, &r->counts);
    show_id_range("users", r->n_users, r->user_type, r->first_user, r->last_user);
    show_id_range("items", r->n_items, r->item_type, r->first_item, r->last_item);
    printf("ratings   %s (%.3g %% of all pairs); %g to %g, mean %.3f, deviation %.3f\n",
           qn_show_count(r->n_ratings).text, 100.0 * r->density, (double)r->min_rating,
           (double)r->max_rating, r->mean_rating, r->std_rating);
    qn_show_histogram(&cli->out, r->n_values, r->value, r->value_count);
    if (r->duplicates > 0)
        printf("twice     %s rows whose user and item stood before\n",
               qn_show_count(r->duplicates).text);
    if (r->min_time <= r->max_time) {
        printf("dates     ");
        qn_show_dates(&cli->out, r->min_time, r->max_time);
        putchar('\n');
    }
    show_skew("per user", &r->user_skew);
    show_skew("per item", &r->item_skew);
    printf("data      fingerprint %016llx\n", (unsigned long long)r->fingerprint);
}

/* A model of any algorithm on tables. */
static void show_table_model(const qn_cli *cli, const qn_inspect_result *r)
{
    const qn_model *m = r->table_model;
    qn_json j = {0};

    printf("model     %s of %d features, kernel set %s\n", r->algo->name, (int)m->n_features,
           m->kernel_set[0] ? m->kernel_set : "unknown");
    printf("features  ");
    for (int32_t f = 0; f < m->features.n; f++) {
        const qn_feature *feature = &m->features.feature[f];
        const bool is_same = strcmp(feature->name, feature->source) == 0;
        qn_string name = {0};

        qn_string_addf(&name, "%s%s%s%s", f ? ", " : "", feature->name, is_same ? "" : " = ",
                       is_same ? "" : feature->source);
        fputs(qn_string_text(&name), stdout);
        qn_string_release(&name);
    }
    puts(m->features.n > 0 ? "" : "unknown: columns in the order given");
    qn_json_open(&j, NULL, '{');
    qn_model_params_write(r->algo->params, r->algo->table->params(m), &j);
    r->algo->table->describe(m, false, &j);
    qn_json_close(&j, '}');
    qn_show_json(&cli->out, qn_string_text(&j.out));
    qn_json_release(&j);
    printf("data      fingerprint %016llx\ndigest    %s\n", (unsigned long long)m->data_fingerprint,
           r->digest);
}

static void show_model(const qn_inspect_result *r)
{
    const qn_als_model *m = r->model;

    printf("model     als, rank %d (%d columns), %d iterations, kernel set %s\n",
           (int)m->params.rank, (int)m->rank, (int)m->iterations,
           m->kernel_set[0] ? m->kernel_set : "unknown");
    printf("options   reg_param %g%s%s%s, seed %lld\n", m->params.reg_param,
           m->params.implicit_prefs ? ", implicit" : "",
           m->params.nonnegative ? ", nonnegative" : "",
           m->params.bias == QN_ALS_BIAS_FULL ? ", biases" : "", (long long)m->params.seed);
    show_id_range("users", m->users.n, m->users.type, r->first_user, r->last_user);
    show_id_range("items", m->items.n, m->items.type, r->first_item, r->last_item);
    printf("columns   %s, %s, %s -> %s\n", m->user_col, m->item_col, m->rating_col,
           m->prediction_col);
    printf("factors   mean length %.4g of users, %.4g of items\n", r->user_norm, r->item_norm);
    printf("data      fingerprint %016llx\ndigest    %s\n", (unsigned long long)m->data_fingerprint,
           r->digest);
}

static void print_json(const qn_inspect_result *result)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_inspect_json(result, &j);
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

static qn_status run_inspect(qn_cli *cli)
{
    qn_inspect_result result;
    const qn_status st = qn_inspect_run(cli->ctx, cli->values[0], cli->values[1], &result);

    if (st != QN_OK)
        return st;
    if (cli->globals->json) {
        print_json(&result);
    } else if (result.table_model) {
        show_table_model(cli, &result);
    } else if (result.kind == QN_INSPECT_MODEL) {
        show_model(&result);
    } else {
        show_columns(cli, &result);
        if (result.kind == QN_INSPECT_RATINGS)
            show_ratings(cli, &result);
        if (result.has_statistics) {
            qn_show_counts(&cli->out, &result.counts);
            show_labels(&result);
        }
    }
    qn_inspect_result_release(&result);
    return QN_OK;
}

const qn_command qn_cmd_inspect = {
    .name = "inspect",
    .help = "Show what lies in a ratings file, a table or a model folder",
    .arguments = "PATH...",
    .words_are = "input",
    .table = {&qn_inspect_table, &qn_ratings_table},
    .usage = "[options]",
    .notes =
        "Of ratings: schema, rows, ids, histogram, dates, skew. Of other tables: schema and what "
        "each column of numbers holds. Of a model: parameters, sizes, digest; --json has every "
        "number.",
    .examples = "  quern inspect ratings.csv\n  quern inspect model --json\n",
    .run = run_inspect,
};
