/* quern sweep ALGORITHM: the same fit on a grid of workers, partitions and memory. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/system.h"
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "experiment/sweep.h"
#include "lifecycle/fit_als.h"
#include "lifecycle/fit_table.h"
#include "ml/algo.h"
#include "run/record.h"

/* ---- the command of each run ---- */

/* Words of the `quern fit` as all points have them; texts lie in `text`, one behind the other. */
typedef struct fit_words {
    char program[4096];
    qn_string text;
    const char **word;
    int64_t n;
} fit_words;

static void fit_words_release(fit_words *words)
{
    qn_string_release(&words->text);
    qn_free((void *)words->word);
}

/* Options that belong to the sweep as a whole and not to its runs. */
static bool is_own(const qn_cli *cli, const qn_cli_value *value)
{
    static const char *const own[] = {"json", "quiet", "help", "runs_dir"};

    if (value->table == 0)
        return true;
    if (value->table != cli->args->n_tables - 1)
        return false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(value->param->name, own[i]) == 0)
            return true;
    return value->param->hidden;
}

/* Adds a text and remembers where it begins; words are made of it once all stand. */
static void add_word(fit_words *words, const char *name, const char *value)
{
    char shown[64];

    qn_cli_option_name(name, shown);
    qn_string_addf(&words->text, "%s=%s", shown, value);
    qn_string_add_bytes(&words->text, "", 1);
    words->n++;
}

/* Each worker works with as many threads at every point: what this machine has for the most. */
static qn_status add_threads(qn_cli *cli, fit_words *words)
{
    qn_system system;
    char text[16];
    int32_t most, share;
    qn_status st = QN_OK;

    if (qn_cli_args_given(cli->args, "threads") || qn_cli_args_given(cli->args, "hosts"))
        return QN_OK;
    QN_TRY(qn_sweep_most_workers(cli->ctx, cli->values[0], &most));
    qn_system_read(&system);
    share = system.cores_usable / most;
    snprintf(text, sizeof text, "%d", (int)(share > 0 ? share : 1));
    add_word(words, "threads", text);
done:
    return st;
}

/* "sweep als" -> "als". */
static const char *algorithm_of(const qn_cli *cli)
{
    return strchr(cli->command->name, ' ') + 1;
}

static qn_status make_words(qn_cli *cli, fit_words *words)
{
    qn_context *ctx = cli->ctx;
    const ssize_t length = readlink("/proc/self/exe", words->program, sizeof words->program - 1);
    const char *at;
    qn_status st = QN_OK;

    if (length < 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot tell where this program lies");
    words->program[length] = '\0';
    QN_TRY(add_threads(cli, words));
    for (int64_t i = 0; i < cli->args->n_values; i++)
        if (!is_own(cli, &cli->args->value[i]))
            add_word(words, cli->args->value[i].param->name, cli->args->value[i].text);
    if (words->text.failed)
        return qn_fail(ctx, QN_ENOMEM, "not enough memory for the options of a run");
    QN_NEW(ctx, words->word, words->n + 3, "the options of a run");
    words->word[0] = words->program;
    words->word[1] = "fit";
    words->word[2] = algorithm_of(cli);
    at = qn_string_text(&words->text);
    for (int64_t i = 0; i < words->n; i++) {
        words->word[3 + i] = at;
        at += strlen(at) + 1;
    }
    words->n += 3;
done:
    return st;
}

/* ---- what is shown ---- */

static void add_range(qn_text_table *rows, const qn_sweep_range *range)
{
    if (isnan(range->median))
        qn_text_table_add(rows, "-");
    else if (range->least == range->greatest)
        qn_text_table_addf(rows, "%.3f", range->median);
    else
        qn_text_table_addf(rows, "%.3f (%.3f-%.3f)", range->median, range->least, range->greatest);
}

static void add_bytes(qn_text_table *rows, double bytes)
{
    qn_text_table_add(rows, isnan(bytes) ? "-" : qn_show_bytes(bytes).text);
}

static void add_row(qn_text_table *rows, const qn_sweep_result *r, int64_t i)
{
    const qn_sweep_point *point = &r->point[i];
    const qn_sweep_row *row = &r->row[i];

    qn_text_table_addf(rows, "%d", (int)point->workers);
    qn_text_table_add(rows,
                      point->partitions > 0 ? qn_show_count(point->partitions).text : "by size");
    qn_text_table_add(rows, point->memory[0] ? point->memory : "default");
    add_range(rows, &row->load);
    add_range(rows, &row->fit);
    add_range(rows, &row->evaluate);
    add_range(rows, &row->total);
    qn_text_table_add(rows, qn_show_number(row->quality, 4).text);
    qn_text_table_add(rows, qn_show_number(row->speed_up, 2).text);
    if (isnan(row->efficiency))
        qn_text_table_add(rows, "-");
    else
        qn_text_table_addf(rows, "%.0f %%", row->efficiency * 100);
    add_bytes(rows, row->spilled.median);
    add_bytes(rows, row->moved.median);
    add_bytes(rows, row->peak.greatest);
    qn_text_table_add(rows, row->n_ok == 0 ? "-" : row->shares_cores ? "shared" : "own");
    if (row->n_failed > 0)
        qn_text_table_addf(rows, "%d of %d failed", (int)row->n_failed,
                           (int)(row->n_failed + row->n_ok));
    else
        qn_text_table_add(rows, "");
}

static const char *metric_title(const qn_sweep_result *r)
{
    static const char *const title[][2] = {
        {"rmse", "RMSE"}, {"accuracy", "Accuracy"}, {"cost", "Cost"}, {"oob_error", "OOB error"}};

    for (size_t i = 0; i < sizeof title / sizeof *title; i++)
        if (strcmp(r->metric, title[i][0]) == 0)
            return title[i][1];
    return "Quality";
}

static void show_table(const qn_cli *cli, const qn_sweep_result *r)
{
    const char *const head[] = {"Nodes",    "Partitions",  "Memory",   "Load(s)",
                                "Train(s)", "Evaluate(s)", "Total(s)", metric_title(r),
                                "Speed-up", "Efficiency",  "Spilled",  "Moved",
                                "Peak",     "Cores",       ""};
    qn_text_table rows;

    qn_text_table_init(&rows, "rrrrrrrrrrrrrll");
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        qn_text_table_add(&rows, head[i]);
    for (int64_t i = 0; i < r->n_points; i++)
        add_row(&rows, r, i);
    printf("%sSUMMARY OF ALL EXPERIMENTS%s\n", qn_bold(&cli->out), qn_plain(&cli->out));
    qn_text_table_print(&rows, &cli->out, true, "  ");
    qn_text_table_release(&rows);
}

/* Why there is or is no speed-up in the table. */
static void show_cores(const qn_sweep_result *r)
{
    int64_t n_shared = 0, n_claimed = 0, first = -1;

    for (int64_t i = 0; i < r->n_points; i++) {
        n_shared += r->row[i].shares_cores;
        n_claimed += r->row[i].base >= 0 && r->row[i].base != i;
        first = first < 0 && r->row[i].n_ok > 0 ? i : first;
    }
    if (first < 0)
        return;
    printf("cores     %d on this host, workers of %s each", (int)r->row[first].cores,
           r->row[first].threads == 1 ? "1 thread" : "the same threads");
    if (n_shared > 0)
        printf("; %lld of %lld points have more threads than cores: no speed-up is claimed there",
               (long long)n_shared, (long long)r->n_points);
    putchar('\n');
    if (n_claimed > 0)
        puts("speed-up  of training, against the fewest workers with cores of their own at the "
             "same memory");
}

static void show_failures(const qn_sweep_result *r)
{
    for (int64_t i = 0; i < r->n_points; i++)
        if (r->row[i].failed >= 0) {
            const qn_sweep_run *run = &r->run[r->row[i].failed];

            printf("failed    %s, exit %d: %s\n", r->point[i].name, (int)run->exit_code,
                   run->error);
        }
}

static void show_digest(const qn_cli *cli, const qn_sweep_result *r)
{
    if (r->data_differs)
        printf("%sDATA      the runs did not read the same data: files have changed under the "
               "sweep%s\n",
               qn_red(&cli->out), qn_plain(&cli->out));
    if (r->digests_differ)
        printf("%sDIGESTS DIFFER: the same data, options and seed have made different models%s\n",
               qn_red(&cli->out), qn_plain(&cli->out));
    else if (!r->data_differs && r->digest[0])
        printf("digest    %s, the same in %s\n", r->digest,
               r->n_ok == 1 ? "the only run" : "every run that succeeded");
}

static void show_result(const qn_cli *cli, const qn_sweep_result *r)
{
    show_table(cli, r);
    putchar('\n');
    printf("runs      %lld of %lld succeeded", (long long)r->n_ok, (long long)r->n_runs);
    if (r->n_kept > 0)
        printf(", %lld of them there before", (long long)r->n_kept);
    putchar('\n');
    show_failures(r);
    show_cores(r);
    show_digest(cli, r);
    if (r->dir[0])
        printf("kept      %s: sweep.csv, results.json and every run\n", r->dir);
    if (qn_record_path(cli->record))
        printf("record    %s\n", qn_record_path(cli->record));
}

/* ---- the command ---- */

/* --out, else the folder of the sweep's own record, else none. */
static const char *folder_of(const qn_cli *cli, const qn_sweep_options *options, char *dir,
                             size_t size)
{
    const char *record = qn_record_path(cli->record);
    const char *slash = record ? strrchr(record, '/') : NULL;

    if (options->out || !slash)
        return options->out;
    snprintf(dir, size, "%.*s", (int)(slash - record), record);
    return dir;
}

/* What the whole comes to, the table being shown whatever it is. */
static qn_status verdict(qn_cli *cli, const qn_sweep_result *r)
{
    if (r->digests_differ)
        return qn_fail(cli->ctx, QN_EINTERNAL,
                       "the runs made different models of the same data; each run is kept in %s",
                       r->dir[0] ? r->dir : "no folder: give --out");
    if (r->data_differs)
        return qn_fail(cli->ctx, QN_EDATA,
                       "the runs did not read the same data: sweep files that nobody changes");
    if (r->n_ok == 0)
        return qn_fail(cli->ctx, QN_EIO, "no run succeeded; the first failed with: %s",
                       r->run[0].error);
    return QN_OK;
}

static qn_status run_sweep(qn_cli *cli)
{
    const qn_sweep_options *options = cli->values[0];
    qn_sweep_result result = {0};
    fit_words words = {0};
    qn_json members = {0};
    char dir[4096];
    qn_status st = QN_OK;

    if (qn_cli_args_given(cli->args, "model"))
        return qn_fail(cli->ctx, QN_EINVAL,
                       "--model: runs of a sweep are measured and save nothing; fit the model "
                       "apart: all points make the same one");
    QN_TRY(make_words(cli, &words));
    QN_TRY(qn_cli_job_start(cli, "sweep"));
    QN_TRY(qn_sweep_run_all(cli->ctx, options, &(qn_sweep_command){words.word, words.n},
                            folder_of(cli, options, dir, sizeof dir), &result));
    qn_sweep_json(&result, &members);
    qn_emit_count(cli->ctx, "runs_ok", result.n_ok);
    qn_emit_count(cli->ctx, "runs_failed", result.n_failed);
    if (result.digest[0])
        qn_emit_fact(cli->ctx, "model_digest", result.digest);
    if (!cli->globals->json && !cli->globals->quiet)
        show_result(cli, &result);
    QN_TRY(verdict(cli, &result));
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    qn_json_release(&members);
    qn_sweep_result_release(&result);
    fit_words_release(&words);
    return st;
}

#define HELP "Run the same fit on a grid of workers, partitions and memory, and compare"
#define NOTES                                                                                      \
    "Each run is a process of its own, in a shuffled order, and is kept as soon as it is done: a " \
    "sweep that was stopped goes on with --out DIR --resume. A run that fails is a row of the "    \
    "table. A point counts only if its record observed as many workers as were asked for. No "     \
    "speed-up is claimed where workers have fewer cores than threads."
#define GRID "[--workers 1,2,5] [--partitions 4,8,20] [--memory 1g,2g] [--repeats 3] [--out DIR] "

const qn_command qn_cmd_sweep_als = {
    .name = "sweep als",
    .help = HELP,
    .table = {&qn_sweep_table, &qn_fit_als_table, &qn_ratings_table, &qn_als_table,
              &qn_ranking_table},
    .usage = "--input FILE... " GRID "[fit als options]",
    .notes = NOTES,
    .examples = "  quern sweep als --input ratings.csv --split random:0.8 --pairs 1:4,2:8,5:20\n"
                "  quern sweep als --input ratings.csv --workers 1,2 --memory 256m,1g --out sweep\n"
                "  quern sweep als --input ratings.csv --workers 1,2 --memory 256m,1g --out sweep "
                "--resume\n",
    .run = run_sweep,
};

#define COMMAND(algorithm)                                                                         \
    const qn_command qn_cmd_sweep_##algorithm = {                                                  \
        .name = "sweep " #algorithm,                                                               \
        .help = HELP,                                                                              \
        .algo = &qn_algo_##algorithm,                                                              \
        .table = {&qn_sweep_table, &qn_fit_table_table, &qn_matrix_table,                          \
                  &qn_##algorithm##_table},                                                        \
        .usage = "--input FILE... [--features COL,...] [--label COL] " GRID "[fit " #algorithm     \
                 " options]",                                                                      \
        .notes = NOTES,                                                                            \
        .examples = "  quern sweep " #algorithm                                                    \
                    " --input rows.csv --label class --workers 1,2,5 --out sweep\n",               \
        .run = run_sweep,                                                                          \
    };
QN_TABLE_ALGO_LIST(COMMAND)
