/* quern data compact and delete-user: a data set written again. */
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/show.h"
#include "lifecycle/dataset_jobs.h"
#include "run/record.h"

typedef struct rewrite_options {
    bool dry_run;
} rewrite_options;

static const qn_param rewrite_rows[] = {
    QN_PARAM_FLAG(rewrite_options, dry_run, "do everything but the last step: change nothing"),
};
static const qn_params rewrite_table = {.name = "rewrite",
                                        .param = rewrite_rows,
                                        .n = sizeof rewrite_rows / sizeof *rewrite_rows,
                                        .struct_size = sizeof(rewrite_options)};

typedef struct user_options {
    int32_t user;
} user_options;

static const qn_param user_rows[] = {
    QN_PARAM(user_options, user, 0, INT32_MIN, INT32_MAX, "whose rows are removed",
             .required = true, .metavar = "ID"),
};
static const qn_params user_table = {.name = "delete user",
                                     .param = user_rows,
                                     .n = sizeof user_rows / sizeof *user_rows,
                                     .struct_size = sizeof(user_options)};

static void result_json(const char *path, const qn_rewrite_result *r, qn_json *j)
{
    qn_json_text(j, "path", path);
    qn_json_int(j, "generation", r->generation);
    qn_json_int(j, "rows_before", r->rows_before);
    qn_json_int(j, "rows_after", r->rows_after);
    qn_json_int(j, "rows_duplicate", r->rows_duplicate);
    qn_json_int(j, "rows_removed", r->rows_removed);
    qn_json_int(j, "rows_unusable", r->rows_unusable);
    qn_json_int(j, "files_before", r->files_before);
    qn_json_int(j, "files_written", r->files_written);
    qn_json_int(j, "files_linked", r->files_linked);
    qn_json_int(j, "bytes_before", r->bytes_before);
    qn_json_int(j, "bytes_after", r->bytes_after);
    qn_json_int(j, "generations_removed", r->generations_removed);
    qn_json_real(j, "total_s", r->total_s);
}

static void show_rewrite(const qn_cli *cli, const qn_rewrite_result *r, bool dry_run)
{
    printf("rows      %s before, %s after", qn_show_count(r->rows_before).text,
           qn_show_count(r->rows_after).text);
    if (r->rows_duplicate > 0)
        printf(", %s duplicate", qn_show_count(r->rows_duplicate).text);
    if (r->rows_removed > 0)
        printf(", %s of the user removed", qn_show_count(r->rows_removed).text);
    if (r->rows_unusable > 0)
        printf(", %s without a value left out", qn_show_count(r->rows_unusable).text);
    printf("\nfiles     %s before: %s written, %s as they were; %s before, %s after\n",
           qn_show_count(r->files_before).text, qn_show_count(r->files_written).text,
           qn_show_count(r->files_linked).text, qn_show_bytes((double)r->bytes_before).text,
           qn_show_bytes((double)r->bytes_after).text);
    if (dry_run)
        puts("dry run   nothing was changed");
    else if (r->generation > 0)
        printf("data set  %s, generation %lld\n", cli->argument[0], (long long)r->generation);
    else
        printf("data set  %s is as it was\n", cli->argument[0]);
}

static void show_end(const qn_cli *cli, const qn_rewrite_result *r)
{
    if (qn_record_path(cli->record))
        printf("record    %s\n", qn_record_path(cli->record));
    printf("time      %s; %d threads, most held %s\n", qn_show_seconds(r->total_s).text,
           (int)qn_context_threads(cli->ctx),
           qn_show_bytes((double)qn_context_peak(cli->ctx)).text);
}

static qn_status run_compact(qn_cli *cli)
{
    const rewrite_options *options = cli->values[1];
    qn_rewrite_result result;
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "compact"));
    QN_TRY(
        qn_dataset_compact(cli->ctx, cli->argument[0], cli->values[0], options->dry_run, &result));
    result_json(cli->argument[0], &result, &members);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet) {
        show_rewrite(cli, &result, options->dry_run);
        show_end(cli, &result);
    }
    qn_json_release(&members);
    return st;
}

const qn_command qn_cmd_data_compact = {
    .name = "data compact",
    .help = "Write a data set's files again: of the right size, or by another rule",
    .arguments = "DIR",
    .min_arguments = 1,
    .max_arguments = 1,
    .table = {&qn_rules_table, &rewrite_table},
    .usage = "[--on-duplicate RULE] [--partition-by HOW] [--target-file-size SIZE] [options]",
    .notes = "Months whose files are as they should be are left alone, unless a rule is new. A "
             "plain folder of Parquet becomes a data set.",
    .examples = "  quern data compact data/train --on-duplicate latest\n",
    .run = run_compact,
};

static qn_status run_delete_user(qn_cli *cli)
{
    const user_options *user = cli->values[0];
    const rewrite_options *options = cli->values[1];
    qn_rewrite_result result;
    qn_json members = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_cli_job_start(cli, "delete-user"));
    QN_TRY(
        qn_dataset_delete_user(cli->ctx, cli->argument[0], user->user, options->dry_run, &result));
    result_json(cli->argument[0], &result, &members);
done:
    st = qn_cli_job_end(cli, st, qn_string_text(&members.out));
    if (st == QN_OK && !cli->globals->json && !cli->globals->quiet) {
        show_rewrite(cli, &result, options->dry_run);
        if (result.rows_removed == 0)
            printf("user      %d has no rows in the data set\n", user->user);
        if (result.generations_removed > 0)
            printf("gone      %s older %s, which may hold the user: there is no way back\n",
                   qn_show_count(result.generations_removed).text,
                   result.generations_removed == 1 ? "generation" : "generations");
        show_end(cli, &result);
    }
    qn_json_release(&members);
    return st;
}

const qn_command qn_cmd_data_delete_user = {
    .name = "data delete-user",
    .help = "Remove every row of a user from a data set and from its older generations",
    .arguments = "DIR",
    .min_arguments = 1,
    .max_arguments = 1,
    .table = {&user_table, &rewrite_table},
    .usage = "--user ID [--dry-run] [options]",
    .notes = "After it no rollback leads back to the user's rows. Copies elsewhere, rejects files "
             "and models are not touched.",
    .examples = "  quern data delete-user data/train --user 42\n",
    .run = run_delete_user,
};
