/* quern plan als: what a fit will hold, move and spill, before it runs. */
#include "cli/commands.h"
#include "cli/show.h"
#include "experiment/plan_als.h"
#include "lifecycle/fit_als.h"

/* "1.2 GB", with its range where it is an estimate. */
static void add_bytes(qn_text_table *rows, double best, double least, double most)
{
    qn_text_table_add(rows, qn_show_bytes(best).text);
    if (least < most * 0.995)
        qn_text_table_addf(rows, "%s to %s", qn_show_bytes(least).text, qn_show_bytes(most).text);
    else
        qn_text_table_add(rows, "");
}

static void add_row(qn_text_table *rows, const char *what, const char *note, double best,
                    double least, double most)
{
    qn_text_table_add(rows, what);
    add_bytes(rows, best, least, most);
    qn_text_table_add(rows, note);
}

#define ROW(what, field, note)                                                                     \
    add_row(&rows, what, note, r->best.field, r->least.field, r->most.field)

static void print_rows(const qn_cli *cli, const char *title, qn_text_table *rows)
{
    printf("\n%s%s%s\n", qn_bold(&cli->out), title, qn_plain(&cli->out));
    qn_text_table_print(rows, &cli->out, false, "  ");
    qn_text_table_release(rows);
}

static void show_guess(const char *name, const qn_guess *guess)
{
    printf("%s %s", qn_show_count((int64_t)guess->best).text, name);
    if (guess->least < guess->most)
        printf(" (%s to %s)", qn_show_count((int64_t)guess->least).text,
               qn_show_count((int64_t)guess->most).text);
}

static void show_shape(const qn_plan_result *r)
{
    const qn_rating_sample *s = &r->sample;

    printf("input     ");
    show_guess("ratings", &s->ratings);
    printf(" of ");
    show_guess("users", &s->distinct[0]);
    printf(" and ");
    show_guess("items", &s->distinct[1]);
    if (s->rows > 0 && s->share < 1)
        printf(": an estimate from %s rows here and there\n", qn_show_count(s->rows).text);
    else
        puts(s->rows > 0 ? ": all of it was read" : ", as given");
    printf("training  %s ratings, %s\n", qn_show_count(r->shape.ratings).text,
           r->shape.is_coded ? "coded in one byte each" : "four bytes each");
    printf("layout    %d %s of %d %s, %s each; %d own users, %d own items\n",
           (int)r->layout.workers, r->layout.workers == 1 ? "worker" : "workers",
           (int)r->layout.threads, r->layout.threads == 1 ? "thread" : "threads",
           qn_show_bytes((double)r->layout.memory).text, (int)r->best.busy[QN_SIDE_USER],
           (int)r->best.busy[QN_SIDE_ITEM]);
}

static void show_held(const qn_cli *cli, const qn_plan_result *r)
{
    qn_text_table rows;

    qn_text_table_init(&rows, "lrrl");
    ROW("ratings by user", data_all[QN_SIDE_USER], "of all workers");
    ROW("ratings by item", data_all[QN_SIDE_ITEM], "of all workers");
    ROW("ratings of a worker", data, "both; may leave memory for scratch");
    ROW("ids and their counts", dictionaries, "every worker has all");
    ROW("factors", factors, "every worker has all");
    ROW("scratch of threads", scratch, "");
    ROW("sums", rest, "");
    if (r->most.exchange > 0)
        ROW("rows on their way", exchange, "where they go by need");
    add_row(&rows, "libraries", r->layout.reserve > 0 ? "reserve: DuckDB, MPI" : "none is loaded",
            (double)r->layout.reserve, (double)r->layout.reserve, (double)r->layout.reserve);
    ROW("all in memory", held, "the budget that nothing leaves");
    ROW("least memory", least, "what cannot leave, and the blocks that are worked on");
    print_rows(cli, "Held by the worker that holds most", &rows);
}

/* The exchange that a fit takes of two is marked. */
static void add_exchange(qn_text_table *rows, const qn_plan_result *r, qn_side side)
{
    const bool by_need = r->best.by_need[side];
    const bool is_user = side == QN_SIDE_USER;

    add_row(rows, is_user ? "users to all" : "items to all",
            by_need ? "the last iteration" : "each iteration: chosen", r->best.half_all[side],
            r->least.half_all[side], r->most.half_all[side]);
    add_row(rows, "  by needed rows", by_need ? "all iterations but the last: chosen" : "instead",
            r->best.needed_all[side], r->least.needed_all[side], r->most.needed_all[side]);
}

static void show_moved(const qn_cli *cli, const qn_plan_result *r)
{
    qn_text_table rows;

    qn_text_table_init(&rows, "lrrl");
    ROW("ids", load_ids_all, "once");
    ROW("counts of ratings", load_degrees_all, "once");
    ROW("ratings to their owners", load_ratings_all, "once, in two orientations");
    ROW("first factors", start_all, "once");
    ROW("lists of needed rows", lists_all, "once");
    add_exchange(&rows, r, QN_SIDE_ITEM);
    add_exchange(&rows, r, QN_SIDE_USER);
    ROW("an iteration", iteration_all, "");
    ROW("  into a worker", received, "into the one that receives most");
    ROW("the fit", fit_all, "from first factors to last");
    print_rows(cli, "Moved between workers, all together", &rows);
}

static void show_disk(const qn_cli *cli, const qn_plan_result *r)
{
    qn_text_table rows;

    qn_text_table_init(&rows, "lrrl");
    ROW("spilled", spilled, "of a worker; read again in every iteration");
    ROW("scratch disk", scratch_disk, "of a worker, at most, while loading");
    ROW("a checkpoint", checkpoint, "the last two are kept");
    print_rows(cli, "On disk", &rows);
}

static void add_seconds(qn_text_table *rows, const char *what, double least, double most,
                        const char *note)
{
    qn_text_table_add(rows, what);
    qn_text_table_addf(rows, "%s to %s", qn_show_seconds(least).text, qn_show_seconds(most).text);
    qn_text_table_add(rows, note);
}

#define SECONDS(what, field, note)                                                                 \
    add_seconds(&rows, what, r->fast.field.least, r->slow.field.most, note)

static void show_seconds(const qn_cli *cli, const qn_plan_result *r)
{
    qn_text_table rows;
    char note[3][64];

    qn_text_table_init(&rows, "lrl");
    snprintf(note[0], sizeof note[0], "%d %s at %g to %g Gflop/s", (int)r->layout.threads,
             r->layout.threads == 1 ? "thread" : "threads", ALS_FLOPS_LEAST * 1e-9,
             ALS_FLOPS_MOST * 1e-9);
    snprintf(note[1], sizeof note[1], "%g to %g GB/s into a worker", ALS_RECEIVED_LEAST * 1e-9,
             ALS_RECEIVED_MOST * 1e-9);
    snprintf(note[2], sizeof note[2], "%g to %g GB/s from its disk", ALS_READ_LEAST * 1e-9,
             ALS_READ_MOST * 1e-9);
    SECONDS("solving", solve, note[0]);
    if (r->layout.workers > 1)
        SECONDS("receiving rows", receive, note[1]);
    if (r->most.spilled > 0)
        SECONDS("reading what was spilled", read, note[2]);
    SECONDS("an iteration", iteration, "one after the other, each worker on cores of its own");
    print_rows(cli, "Time of an iteration, a range and no measurement", &rows);
}

static void show_result(const qn_cli *cli, const qn_plan_result *r)
{
    show_shape(r);
    show_held(cli, r);
    if (r->layout.workers > 1)
        show_moved(cli, r);
    show_disk(cli, r);
    show_seconds(cli, r);
    putchar('\n');
    if (r->warning)
        printf("warning   %s\n", r->warning);
    else if (r->best.spilled > 0)
        puts("verdict   fits, with ratings on disk");
    else
        puts("verdict   fits in memory");
}

static qn_status run_plan_als(qn_cli *cli)
{
    const qn_fit_als_options *fit = cli->values[1];
    qn_plan_result result;
    qn_json j = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_plan_als(cli->ctx, cli->values[0], cli->values[2], cli->values[3], fit->split,
                       fit->model != NULL, cli->globals->threads, &result));
    if (cli->globals->json) {
        qn_json_open(&j, NULL, '{');
        qn_plan_json(&result, &j);
        qn_json_close(&j, '}');
        puts(qn_string_text(&j.out));
    } else {
        show_result(cli, &result);
    }
done:
    qn_json_release(&j);
    return st;
}

const qn_command qn_cmd_plan_als = {
    .name = "plan als",
    .help = "Say what a fit will hold, move and spill, before it runs",
    .table = {&qn_plan_table, &qn_fit_als_table, &qn_ratings_table, &qn_als_table,
              &qn_ranking_table},
    .usage = "--input FILE... | --users N --items N --ratings N [--workers N] [--memory BYTES] "
             "[fit als options]",
    .notes = "Takes the options of fit als. Counts are estimated from parts of the input, with the "
             "range that they may lie in; docs/scale.md has the formulas.",
    .examples = "  quern plan als --input ratings.csv --rank 50 --memory 1g\n"
                "  quern plan als --users 10000000 --items 1000000 --ratings 1000000000 --rank 50 "
                "--workers 32 --memory 8g\n",
    .run = run_plan_als,
};
