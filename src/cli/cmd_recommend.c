/* quern recommend, similar, explain: what a model is for. */
#include <string.h>

#include "cli/commands.h"
#include "cli/rows.h"
#include "cli/show.h"

/* What the answer does not say by itself: ids that the model does not know. */
static void note_unknown(const qn_cli *cli, const qn_recommend_result *r)
{
    if (r->unknown > 0)
        qn_emit_warning(cli->ctx, "%lld of the ids asked for are unknown to the model, first %s",
                        (long long)r->unknown, r->first_unknown);
}

static qn_status run_recommend(qn_cli *cli)
{
    qn_recommend_options *options = cli->values[0];
    const bool to_file = options->output && strcmp(options->output, "-") != 0;
    qn_rows_view view = {.cli = cli, .json = cli->globals->json};
    qn_recommend_result result;
    qn_status st;

    if (!to_file)
        options->output = NULL;
    st = qn_recommend_run(cli->ctx, options, cli->values[1], to_file ? NULL : qn_rows_visit, &view,
                          &result);
    qn_rows_end(&view);
    if (st != QN_OK)
        return st;
    note_unknown(cli, &result);
    if (to_file && cli->globals->json)
        printf("{\"command\":\"recommend\",\"rows\":%lld,\"lines\":%lld,\"unknown\":%lld,"
               "\"timings\":{\"load_s\":%.6f,\"recommend_s\":%.6f,\"total_s\":%.6f}}\n",
               (long long)result.rows, (long long)result.lines, (long long)result.unknown,
               result.load_s, result.recommend_s, result.total_s);
    else if (to_file && !cli->globals->quiet)
        printf("wrote     %s lines for %s rows to %s in %s\n", qn_show_count(result.lines).text,
               qn_show_count(result.rows).text, options->output,
               qn_show_seconds(result.total_s).text);
    return QN_OK;
}

const qn_command qn_cmd_recommend = {
    .name = "recommend",
    .help = "The best items for users, or the best users for items",
    .table = {&qn_recommend_table, &qn_columns_table},
    .usage = "--model DIR (--user ID... | --users FILE | --all-users | --item ID... | --items FILE "
             "| --all-items | --new-user RATINGS | --new-item RATINGS) [-k 10] [options]",
    .notes = "People or things that the model has not seen are folded in exactly: --new-user takes "
             "their ratings and gives them the factors that one more step of training would.",
    .examples = "  quern recommend --model model --user 1 2 3 --titles movies.csv "
                "--exclude-seen ratings.csv\n"
                "  quern recommend --model model --all-users -k 10 --output top10.parquet\n"
                "  quern recommend --model model --new-user mine.csv --titles movies.csv\n",
    .takes_workers = true,
    .run = run_recommend,
};

static qn_status run_similar(qn_cli *cli)
{
    qn_rows_view view = {.cli = cli, .json = cli->globals->json, .similar = true};
    qn_recommend_result result;
    const qn_status st = qn_similar_run(cli->ctx, cli->values[0], qn_rows_visit, &view, &result);

    qn_rows_end(&view);
    return st;
}

const qn_command qn_cmd_similar = {
    .name = "similar",
    .help = "The items (or users) whose factors point the same way",
    .table = {&qn_similar_table},
    .usage = "--model DIR (--item ID | --user ID) [-k 10] [--titles FILE] [options]",
    .examples = "  quern similar --model model --item 1 -k 5 --titles movies.csv\n",
    .takes_workers = true,
    .run = run_similar,
};

typedef struct explanation {
    const qn_cli *cli;
    qn_json json;
} explanation;

static void show_reasons(const qn_cli *cli, const qn_recommendation *row)
{
    qn_text_table rows;

    qn_text_table_init(&rows, "rrrll");
    qn_text_table_add(&rows, "adds");
    qn_text_table_add(&rows, "rating");
    qn_text_table_add(&rows, "weight");
    qn_text_table_add(&rows, "item");
    qn_text_table_add(&rows, "");
    for (int32_t i = 0; i < row->n_reasons; i++) {
        qn_text_table_addf(&rows, "%+.4f", row->reason[i].contribution);
        qn_text_table_addf(&rows, "%g", (double)row->reason[i].rating);
        qn_text_table_addf(&rows, "%.4f", row->reason[i].weight);
        qn_text_table_add(&rows, row->reason[i].item);
        qn_text_table_add(&rows, row->reason[i].title ? row->reason[i].title : "");
    }
    qn_text_table_print(&rows, &cli->out, true, "  ");
    qn_text_table_release(&rows);
}

static void show_explained(const qn_cli *cli, const qn_recommendation *row)
{
    qn_string head = {0}, shown = {0};

    qn_string_addf(&head, "user %s, item %s%s%s: predicted %.4f", row->id, row->other,
                   row->title ? ", " : "", row->title ? row->title : "", (double)row->score);
    qn_string_add_escaped(&shown, qn_string_text(&head));
    printf("%s%s%s\n", qn_bold(&cli->out), qn_string_text(&shown), qn_plain(&cli->out));
    qn_string_release(&head);
    qn_string_release(&shown);
}

static qn_status visit_explanation(void *arg, const qn_recommendation *row)
{
    explanation *e = arg;

    if (e->cli->globals->json) {
        qn_rows_json_id(&e->json, "user", row->id, row->id_is_number);
        qn_rows_json_id(&e->json, "item", row->other, row->other_is_number);
        if (row->title)
            qn_json_text(&e->json, "title", row->title);
        qn_rows_json_reasons(&e->json, row, row->other_is_number);
        return QN_OK;
    }
    show_explained(e->cli, row);
    show_reasons(e->cli, row);
    return QN_OK;
}

static qn_status run_explain(qn_cli *cli)
{
    explanation e = {.cli = cli};
    qn_explain_result result;
    qn_status st;

    if (cli->globals->json)
        qn_json_open(&e.json, NULL, '{');
    st = qn_explain_run(cli->ctx, cli->values[0], cli->values[1], visit_explanation, &e, &result);
    if (st == QN_OK && cli->globals->json) {
        qn_json_float(&e.json, "prediction", result.prediction);
        qn_json_real(&e.json, "explained", result.explained);
        qn_json_int(&e.json, "n_ratings", result.n_ratings);
        qn_json_close(&e.json, '}');
        puts(qn_string_text(&e.json.out));
    } else if (st == QN_OK) {
        printf("  the %s ratings of the user add up to %.4f\n",
               qn_show_count(result.n_ratings).text, result.explained);
    }
    qn_json_release(&e.json);
    return st;
}

const qn_command qn_cmd_explain = {
    .name = "explain",
    .help = "Why a user is recommended an item: which ratings add what to the score",
    .table = {&qn_explain_table, &qn_columns_table},
    .usage = "--model DIR --user ID --item ID --ratings TRAIN... [--titles FILE] [options]",
    .examples = "  quern explain --model model --user 1 --item 318 --ratings ratings.csv "
                "--titles movies.csv\n",
    .takes_workers = true,
    .run = run_explain,
};
