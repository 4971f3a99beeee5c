#include "cli/show_upsert.h"

#include "cli/show.h"
#include "run/record.h"

static const char *plural(int64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

void qn_show_upsert_read(const qn_terminal *out, const char *name, const qn_upsert_result *r)
{
    const int64_t *dropped = r->input.dropped;
    const int64_t bad = r->input.rows_read - r->input.rows_delivered;
    qn_string line = {0};

    if (r->files_known > 0)
        printf("%-9s %s %s taken before: not read again\n", name,
               qn_show_count(r->files_known).text, plural(r->files_known, "file", "files"));
    if (r->files_known > 0 && r->input.rows_read == 0)
        return;
    qn_string_addf(&line, "%s rows, %s bad", qn_show_count(r->input.rows_read).text,
                   qn_show_count(bad).text);
    if (bad > 0)
        qn_string_addf(&line, " (%s malformed, %s null, %s out of range)",
                       qn_show_count(dropped[QN_DROP_MALFORMED]).text,
                       qn_show_count(dropped[QN_DROP_NULL]).text,
                       qn_show_count(dropped[QN_DROP_RANGE]).text);
    printf("%-9s %s; %s\n", name, qn_string_text(&line),
           qn_show_bytes((double)r->input.bytes).text);
    if (r->input.first[0]) {
        fputs("          the first: ", stdout);
        qn_print_folded(out->stream, r->input.first, out->width, 21);
    }
    if (r->bytes_spilled > 0)
        printf("          %s went to scratch files, --memory allows no more\n",
               qn_show_bytes((double)r->bytes_spilled).text);
    qn_string_release(&line);
}

void qn_show_upsert_side(const qn_upsert_side *side, bool dry_run)
{
    const char *name = side->name ? side->name : "rows";

    if (side->skipped) {
        printf("%-9s no rows for it: %s is not made\n", name, side->path);
        return;
    }
    if (side->generation == 0 && !dry_run && side->rows_written == 0) {
        printf("%-9s %s is as it was", name, side->path);
        if (side->rows_duplicate > 0)
            printf("; %s rows it had before", qn_show_count(side->rows_duplicate).text);
        putchar('\n');
        return;
    }
    printf("%-9s %s written, %s duplicate, %s replaced; %s before, %s after\n", name,
           qn_show_count(side->rows_written).text, qn_show_count(side->rows_duplicate).text,
           qn_show_count(side->rows_replaced).text, qn_show_count(side->rows_before).text,
           qn_show_count(side->rows_after).text);
    if (side->rows_unusable > 0)
        printf("          %s rows of the plain folder lack a value: left out\n",
               qn_show_count(side->rows_unusable).text);
    printf("          %s %s, %s %s written, %s as they were", dry_run ? "would make" : "data set",
           side->path, qn_show_count(side->files_written).text,
           plural(side->files_written, "file", "files"), qn_show_count(side->files_linked).text);
    if (side->adopted)
        fputs(", a plain folder adopted", stdout);
    if (side->generation > 0)
        printf("; generation %lld", (long long)side->generation);
    putchar('\n');
}

void qn_show_upsert_end(const qn_cli *cli, const qn_upsert_result *r,
                        const qn_upsert_options *options, double total_s)
{
    if (options->rejects)
        printf("rejects   %s\n", options->rejects);
    if (options->dry_run)
        puts("dry run   nothing was changed");
    if (qn_record_path(cli->record))
        printf("record    %s\n", qn_record_path(cli->record));
    printf("time      read %s, sort and write %s, commit %s, total %s; %d threads, most held %s\n",
           qn_show_seconds(r->read_s).text, qn_show_seconds(r->write_s).text,
           qn_show_seconds(r->commit_s).text, qn_show_seconds(total_s).text,
           (int)qn_context_threads(cli->ctx),
           qn_show_bytes((double)qn_context_peak(cli->ctx)).text);
}
