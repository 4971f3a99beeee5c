/* quern futures: ratings to come, as one CSV file in the order of their dates. */
#include <string.h>

#include "cli/commands.h"
#include "cli/show.h"
#include "lifecycle/futures.h"

static void print_json(const qn_futures_options *options, const qn_futures_result *r)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "command", "futures");
    qn_json_text(&j, "output", options->output);
    qn_json_text(&j, "rejects", options->rejects);
    qn_json_int(&j, "files", r->counts.files);
    qn_json_int(&j, "rows_read", r->counts.rows_read);
    qn_json_open(&j, "rows_dropped", '{');
    for (int32_t k = 0; k < QN_DROP_DUPLICATE; k++) /* duplicates stay */
        qn_json_int(&j, qn_drop_name((qn_drop_reason)k), r->counts.dropped[k]);
    qn_json_close(&j, '}');
    qn_json_int(&j, "rows_written", r->rows_written);
    qn_json_open(&j, "timings", '{');
    qn_json_real(&j, "read_s", r->read_s);
    qn_json_real(&j, "write_s", r->write_s);
    qn_json_real(&j, "total_s", r->total_s);
    qn_json_close(&j, '}');
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

static void print_counts(const qn_futures_options *options, const qn_futures_result *r)
{
    printf("read      %s rows of %s files, %s dropped\n", qn_show_count(r->counts.rows_read).text,
           qn_show_count(r->counts.files).text,
           qn_show_count(r->counts.rows_read - r->counts.rows_delivered).text);
    for (int32_t k = 0; k < QN_DROP_DUPLICATE; k++)
        if (r->counts.dropped[k] > 0)
            printf("          %s %s\n", qn_show_count(r->counts.dropped[k]).text,
                   qn_drop_name((qn_drop_reason)k));
    if (options->rejects)
        printf("rejects   %s\n", options->rejects);
    printf("wrote     %s rows to %s in %s\n", qn_show_count(r->rows_written).text, options->output,
           qn_show_seconds(r->total_s).text);
}

static qn_status run_futures(qn_cli *cli)
{
    const qn_futures_options *options = cli->values[0];
    const bool to_stdout = strcmp(options->output, "-") == 0;
    qn_futures_result result;
    const qn_status st = qn_futures_run(cli->ctx, options, cli->values[1], &result);

    if (st != QN_OK)
        return st;
    if (result.counts.first[0])
        qn_emit_warning(cli->ctx, "%lld rows were dropped; the first: %s",
                        (long long)(result.counts.rows_read - result.counts.rows_delivered),
                        result.counts.first);
    if (cli->globals->json)
        print_json(options, &result);
    else if (!cli->globals->quiet && !to_stdout)
        print_counts(options, &result);
    return QN_OK;
}

const qn_command qn_cmd_futures = {
    .name = "futures",
    .help = "Write ratings to come as one CSV file in the order of their dates",
    .table = {&qn_futures_table, &qn_rating_input_table},
    .usage = "--input FILE... --output FILE [--rejects FILE] [options]",
    .notes =
        "Columns DATE,CUST_ID,MOVIE_ID,RATING; rows by date, then customer, movie and rating; one "
        "file with a header, the same bytes for any number of threads and any order of the input. "
        "Netflix text is recognised (a line \"17:\" is the movie of the lines below it, up to the "
        "end of its file); other formats are read by the names of their columns.\n\n"
        "A row is dropped for one reason, the first of these that holds: malformed (a wrong number "
        "of fields, an id or rating that is no number, a date that there is not such as "
        "2005-02-30, a line under a movie that is no number), null (a value is missing), "
        "outOfRange (an id beyond 32 bits, a rating beyond 16777216 or in Netflix text with a "
        "fraction, a date outside of the years 1 to 9999). Times are cut to their date, UTC; whole "
        "numbers as dates are seconds since "
        "1970. --rejects writes each dropped row with file and line (in Parquet the row, from 0).",
    .examples = "  quern futures --input future.txt --output future.csv\n"
                "  quern futures --input daily/ --output future.csv --rejects rejects.csv "
                "--max-bad-rows 100\n",
    .run = run_futures,
};
