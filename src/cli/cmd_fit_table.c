/* quern fit NAME for every algorithm on tables: from files to a fitted, saved model. The commands
 * are made from the list in ml/algo.h; nothing here knows an algorithm. */
#include <string.h>

#include "base/params_out.h"
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/resume.h"
#include "cli/show.h"
#include "lifecycle/fit_table.h"
#include "run/record.h"
#include "run/resume.h"

static void show_read(const qn_terminal *out, const qn_matrix_options *input,
                      const qn_fit_table_result *r)
{
    const qn_param choices = {.choices = QN_SAMPLE_CHOICES};
    const qn_matrix_counts *c = &r->counts;
    size_t length = 0;

    qn_show_table_counts(out, c);
    if (input->fraction < 1) {
        const char *name = qn_param_choice(&choices, input->sample, &length);

        printf("sample    %g %% by %.*s: %s of %s files", 100 * input->fraction, (int)length,
               name ? name : "", qn_show_count(c->files).text, qn_show_count(c->files_total).text);
        if (c->rows_sampled_out > 0)
            printf(", %s rows left out", qn_show_count(c->rows_sampled_out).text);
        putchar('\n');
    }
}

/* "16 partitions of 262,144 to 327,680 rows" */
static void show_partitions(const qn_fit_table_result *r)
{
    int64_t least = INT64_MAX, most = 0;

    for (int64_t p = 0; p < r->n_partitions; p++) {
        least = r->partition_rows[p] < least ? r->partition_rows[p] : least;
        most = r->partition_rows[p] > most ? r->partition_rows[p] : most;
    }
    printf("%s %s", qn_show_count(r->n_partitions).text,
           r->n_partitions == 1 ? "partition" : "partitions");
    if (least < most)
        printf(" of %s to %s rows, %s on average", qn_show_count(least).text,
               qn_show_count(most).text, qn_show_count(r->n_rows / r->n_partitions).text);
    else if (r->n_partitions > 1)
        printf(" of %s rows", qn_show_count(most).text);
}

static void show_labels(const qn_fit_table_result *r)
{
    if (r->n_labels == 0)
        return;
    printf("labels    ");
    for (int32_t l = 0; l < r->n_labels; l++) {
        if (l == 20) {
            printf(" ... (%d values)", (int)r->n_labels);
            break;
        }
        printf("%s%g: %s (%s)", l ? ", " : "", r->label_value[l],
               qn_show_count(r->label_count[l]).text,
               qn_show_share(r->label_count[l], r->n_rows).text);
    }
    putchar('\n');
}

static void show_data(const qn_cli *cli, const qn_fit_table_result *r)
{
    show_read(&cli->out, cli->values[1], r);
    printf("data      %s rows of %s features, %s as %s, in ", qn_show_count(r->n_rows).text,
           qn_show_count(r->n_features).text, qn_show_bytes((double)r->bytes).text,
           r->is_double ? "double" : "float");
    show_partitions(r);
    putchar('\n');
    show_labels(r);
}

static void show_judged(const qn_cli *cli, const char *name, int64_t records,
                        const qn_json *figures)
{
    if (figures->out.length == 0)
        return;
    printf("%-9s %s rows\n", name, qn_show_count(records).text);
    qn_show_json(&cli->out, qn_string_text(&figures->out));
}

/* The algorithm, the options that were given, and how long it took. */
static void show_model(const qn_cli *cli, const qn_fit_table_result *r)
{
    const qn_algo *algo = cli->command->algo;

    printf("model     %s", algo->name);
    for (int64_t p = 0; p < algo->params->n; p++) {
        qn_string value = {0};

        if (!qn_cli_args_given(cli->args, algo->params->param[p].name))
            continue;
        qn_cli_value_text(&algo->params->param[p], cli->values[2], &value);
        printf(", %s %s", algo->params->param[p].name, qn_string_text(&value));
        qn_string_release(&value);
    }
    printf(": fitted in %s\n", qn_show_seconds(r->fit_s).text);
    qn_show_json(&cli->out, qn_string_text(&r->summary.out));
    show_judged(cli, "val", r->val_records, &r->validation);
    show_judged(cli, "test", r->test_records, &r->evaluation);
}

/* The command to try next, that works as it stands. */
static void show_next(const qn_cli *cli)
{
    const qn_fit_table_options *options = cli->values[0];
    const qn_matrix_options *input = cli->values[1];

    printf("next      quern ");
    if (!options->model) {
        printf("%s with --model DIR keeps the model\n", cli->command->name);
        return;
    }
    printf("predict --model ");
    qn_show_word(stdout, options->model);
    printf(" --input");
    for (int64_t i = 0; i < input->input.n; i++) {
        putchar(' ');
        qn_show_word(stdout, input->input.item[i]);
    }
    if (input->format != QN_FORMAT_AUTO) {
        const qn_param choices = {.choices = QN_FORMAT_CHOICES};
        size_t length = 0;
        const char *name = qn_param_choice(&choices, input->format, &length);

        printf(" --format %.*s", (int)length, name);
    }
    puts(" --output predictions.csv");
}

static void show_end(const qn_cli *cli, const qn_fit_table_result *r)
{
    const qn_fit_table_options *options = cli->values[0];

    if (options->model)
        printf("saved     %s\n", options->model);
    printf("digest    %s\n", r->digest);
    if (qn_record_path(cli->record))
        printf("record    %s\n", qn_record_path(cli->record));
    printf(
        "time      load %s, fit %s, evaluate %s, save %s, total %s; %d threads, %s, most held %s\n",
        qn_show_seconds(r->load_s).text, qn_show_seconds(r->fit_s).text,
        qn_show_seconds(r->evaluate_s).text, qn_show_seconds(r->save_s).text,
        qn_show_seconds(r->total_s).text, (int)qn_context_threads(cli->ctx),
        qn_context_kernels(cli->ctx), qn_show_bytes((double)qn_context_peak(cli->ctx)).text);
}

qn_status qn_cmd_fit_table_run(qn_cli *cli)
{
    const qn_algo *algo = cli->command->algo;
    qn_fit_table_result result = {0};
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, algo->name));
    QN_TRY(qn_cli_checkpoint_open(cli, 3));
    QN_TRY(
        qn_fit_table_run(cli->ctx, algo, cli->values[0], cli->values[1], cli->values[2], &result));
    qn_json_open(&members, "fit", '{');
    qn_fit_table_json(&result, &members);
    qn_json_close(&members, '}');
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet) {
        show_data(cli, &result);
        show_model(cli, &result);
        show_end(cli, &result);
        show_next(cli);
    }
    qn_json_release(&members);
    qn_fit_table_result_release(&result);
    return st;
}

#define COMMAND(algorithm)                                                                         \
    const qn_command qn_cmd_fit_##algorithm = {                                                    \
        .name = "fit " #algorithm,                                                                 \
        .algo = &qn_algo_##algorithm,                                                              \
        .table = {&qn_fit_table_table, &qn_matrix_table, &qn_##algorithm##_table,                  \
                  &qn_resume_table},                                                               \
        .usage = "--input FILE... [--features COL,...] [--label COL] --model DIR [options]",       \
        .takes_workers = true,                                                                     \
        .run = qn_cmd_fit_table_run,                                                               \
    };
QN_TABLE_ALGO_LIST(COMMAND)
