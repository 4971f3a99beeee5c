/* quern fit als: from a ratings file to a judged, saved model. */
#include <math.h>

#include "base/pool.h"
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/resume.h"
#include "cli/show.h"
#include "engine/comm.h"
#include "lifecycle/fit_als.h"
#include "run/record.h"
#include "run/resume.h"

/* The first loss; the last stands in the result. */
typedef struct loss_seen {
    double first;
} loss_seen;

static void loss_sink(void *user, const qn_event *event)
{
    loss_seen *seen = user;

    if (event->kind == QN_EVENT_STEP && isnan(seen->first))
        seen->first = event->value;
}

static void show_data(const qn_cli *cli, const qn_fit_als_options *options,
                      const qn_fit_als_result *r)
{
    const qn_terminal *out = &cli->out;

    qn_show_counts(out, &r->counts);
    printf("ratings   %s to train on, of %s users and %s items; %.4g to %.4g, mean %.3f",
           qn_show_count(r->train_records).text, qn_show_count(r->n_users).text,
           qn_show_count(r->n_items).text, (double)r->min_rating, (double)r->max_rating,
           r->mean_rating);
    if (r->min_time <= r->max_time) {
        printf("; ");
        qn_show_dates(out, r->min_time, r->max_time);
    }
    putchar('\n');
    qn_show_histogram(out, r->n_values, r->value, r->value_count);
    if (options->split)
        printf("split     %s, seed %lld: %s to train, %s to test\n", options->split,
               (long long)options->split_seed, qn_show_count(r->train_records).text,
               qn_show_count(r->test_records).text);
    else if (r->test_records > 0)
        printf("test      %s ratings\n", qn_show_count(r->test_records).text);
}

/* "by user   16 partitions of 6,120 to 6,480 ratings, mean 6,250.0, deviation 102.1, skew 1.04" */
static void show_cut(const char *side, const qn_cut *cut)
{
    if (cut->n == 1) {
        printf("by %-7s1 partition of %s ratings\n", side, qn_show_count(cut->records).text);
        return;
    }
    printf("by %-7s%s partitions of %s to %s ratings, mean %.1f, deviation %.1f, skew %.3g\n", side,
           qn_show_count(cut->n).text, qn_show_count(cut->least).text,
           qn_show_count(cut->most).text, cut->mean, cut->deviation, cut->skew);
}

static void show_space(const qn_space *s)
{
    show_cut("user", &s->users);
    show_cut("item", &s->items);
    printf(
        "memory    ratings %s (%s in memory, %s on disk), factors %s; Spark's estimate is %s, 3 "
        "times %s",
        qn_show_bytes((double)s->ratings_bytes).text, qn_show_bytes((double)s->memory_bytes).text,
        qn_show_bytes((double)s->disk_bytes).text, qn_show_bytes((double)s->factors_bytes).text,
        qn_show_bytes((double)s->estimated_bytes).text, qn_show_bytes((double)s->raw_bytes).text);
    if (s->estimated_bytes > s->limit_bytes)
        printf(", more than the limit of %s", qn_show_bytes((double)s->limit_bytes).text);
    putchar('\n');
}

static void show_fit(const qn_als_params *als, const qn_fit_als_result *r, const loss_seen *seen)
{
    printf("model     rank %d, reg %g%s%s%s: %d iterations in %s", (int)als->rank, als->reg_param,
           als->implicit_prefs ? ", implicit" : "", als->nonnegative ? ", nonnegative" : "",
           als->bias == QN_ALS_BIAS_FULL ? ", biases" : "", (int)r->iterations,
           qn_show_seconds(r->fit_s).text);
    if (!isnan(r->loss))
        printf(", training %s %s to %s", als->implicit_prefs ? "loss" : "RMSE",
               qn_show_number(seen->first, 4).text, qn_show_number(r->loss, 4).text);
    putchar('\n');
}

/* The command to try next, that works as it stands. */
static void show_next(const qn_fit_als_options *options, const qn_ratings_options *ratings)
{
    printf("next      quern ");
    if (!options->model) {
        puts("fit als with --model DIR keeps the model");
        return;
    }
    printf("recommend --model ");
    qn_show_word(stdout, options->model);
    printf(" --all-users -k 10 --exclude-seen");
    for (int64_t i = 0; i < ratings->input.n; i++) {
        putchar(' ');
        qn_show_word(stdout, ratings->input.item[i]);
    }
    puts(" --output recommendations.csv");
}

static void show_end(const qn_cli *cli, const qn_fit_als_options *options,
                     const qn_fit_als_result *r)
{
    if (options->model)
        printf("saved     %s\n", options->model);
    if (r->digest[0])
        printf("digest    %s\n", r->digest);
    if (qn_record_path(cli->record))
        printf("record    %s\n", qn_record_path(cli->record));
    printf("time      load %s, fit %s, evaluate %s, save %s, total %s; ",
           qn_show_seconds(r->load_s).text, qn_show_seconds(r->fit_s).text,
           qn_show_seconds(r->evaluate_s).text, qn_show_seconds(r->save_s).text,
           qn_show_seconds(r->total_s).text);
    if (qn_size(cli->ctx) > 1)
        printf("%d workers of ", (int)qn_size(cli->ctx));
    printf("%d threads, %s, most held %s\n", (int)qn_context_threads(cli->ctx),
           qn_context_kernels(cli->ctx), qn_show_bytes((double)qn_context_peak(cli->ctx)).text);
}

static void show_result(const qn_cli *cli, const qn_fit_als_result *r, const loss_seen *seen)
{
    const qn_fit_als_options *options = cli->values[0];

    show_data(cli, options, r);
    show_fit(cli->values[2], r, seen);
    show_space(&r->space);
    if (r->has_evaluation)
        qn_show_evaluation(&cli->out, &r->evaluation);
    show_end(cli, options, r);
    show_next(options, cli->values[1]);
}

static qn_status run_fit_als(qn_cli *cli)
{
    const qn_ratings_options *ratings = cli->values[1];
    qn_fit_als_result result;
    loss_seen seen = {.first = NAN};
    qn_json reference = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "als"));
    QN_TRY(qn_cli_checkpoint_open(cli, 4));
    QN_TRY(qn_context_add_sink(cli->ctx, loss_sink, &seen));
    QN_TRY(
        qn_fit_als_run(cli->ctx, cli->values[0], ratings, cli->values[2], cli->values[3], &result));
    qn_json_open(&reference, "reference", '{');
    qn_fit_als_reference_json(&result, qn_size(cli->ctx), ratings->partitions, &reference);
    qn_json_close(&reference, '}');
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&reference.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet)
        show_result(cli, &result, &seen);
    qn_json_release(&reference);
    return st;
}

const qn_command qn_cmd_fit_als = {
    .name = "fit als",
    .help = "Train a recommending model on ratings, judge it and save it",
    .table = {&qn_fit_als_table, &qn_ratings_table, &qn_als_table, &qn_ranking_table,
              &qn_resume_table},
    .usage = "--input FILE... [--split random:0.8 | --test FILE...] --model DIR [options]",
    .notes =
        "Alternating least squares with Spark's names, defaults and formulas. Reads CSV with or "
        "without a header, TSV, ::, Netflix text and Parquet, plain, .gz or .zst, and writes "
        "the model folder in Spark's format. The same ratings, options and seed give the same "
        "model, bit for bit, whatever the threads, the format and the order of the rows.",
    .examples =
        "  quern fit als --input ratings.csv --split random:0.8 --model model\n"
        "  quern fit als --input train.parquet --test test.parquet --rank 50 --model model\n"
        "  quern fit als --resume last\n"
        "  quern fit als --input plays.tsv --implicit-prefs --alpha 40 --model model\n",
    .takes_workers = true,
    .run = run_fit_als,
};
