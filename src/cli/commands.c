/* The command table. A new command: write cmd_x.c, add its line here. */
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/commands.h"

#define ROW(name)   &qn_cmd_fit_##name,
#define SWEEP(name) &qn_cmd_sweep_##name,
const qn_command *const qn_commands[] = {
    &qn_cmd_datagen_ratings,
    &qn_cmd_datagen_susy,
    &qn_cmd_datagen_fractal,
    &qn_cmd_datagen_blobs,
    &qn_cmd_datagen_linear,
    &qn_cmd_datagen_logistic,
    &qn_cmd_fetch,
    &qn_cmd_inspect,
    &qn_cmd_split,
    &qn_cmd_etl,
    &qn_cmd_data_process,
    &qn_cmd_data_merge,
    &qn_cmd_data_upsert,
    &qn_cmd_data_verify,
    &qn_cmd_data_compact,
    &qn_cmd_data_history,
    &qn_cmd_data_rollback,
    &qn_cmd_data_gc,
    &qn_cmd_data_delete_user,
    &qn_cmd_futures,
    &qn_cmd_fit_als,
    QN_TABLE_ALGO_LIST(ROW) & qn_cmd_predict,
    &qn_cmd_evaluate,
    &qn_cmd_export,
    &qn_cmd_recommend,
    &qn_cmd_similar,
    &qn_cmd_explain,
    &qn_cmd_tune_als,
    &qn_cmd_plan_als,
    &qn_cmd_sweep_als,
    QN_TABLE_ALGO_LIST(SWEEP) & qn_cmd_runs_list,
    &qn_cmd_runs_show,
    &qn_cmd_runs_compare,
    &qn_cmd_runs_gc,
    &qn_cmd_runs_export,
    &qn_cmd_plot_kmeans,
    &qn_cmd_plot_forest,
    &qn_cmd_bench,
    &qn_cmd_doctor,
    &qn_cmd_params,
    &qn_cmd_completion,
    &qn_cmd_man,
    &qn_cmd_help,
    NULL,
};
#undef ROW
#undef SWEEP

/* Words of `name` that begin word[0..n), or 0. */
static int32_t words_matching(const char *name, const char *const *word, int32_t n)
{
    int32_t i = 0;

    for (;; i++) {
        const size_t length = strcspn(name, " ");

        if (i >= n || strlen(word[i]) != length || strncmp(word[i], name, length) != 0)
            return 0;
        if (name[length] == '\0')
            return i + 1;
        name += length + 1;
    }
}

const qn_command *qn_command_find(const char *const *word, int32_t n, int32_t *n_words)
{
    const qn_command *best = NULL;

    *n_words = 0;
    for (int32_t i = 0; qn_commands[i]; i++) {
        const int32_t words = words_matching(qn_commands[i]->name, word, n);

        if (words > *n_words) {
            best = qn_commands[i];
            *n_words = words;
        }
    }
    return best;
}

const qn_command *qn_command_named(const char *const *word, int32_t n)
{
    int32_t n_words;
    const qn_command *command = qn_command_find(word, n, &n_words);

    for (int32_t i = 0; !command && n == 1 && qn_commands[i]; i++) {
        const char *name = qn_commands[i]->name;
        const char *given = word[0];

        while (*name && (*name == *given || (*name == ' ' && *given == '-'))) {
            name++;
            given++;
        }
        if (!*name && !*given)
            command = qn_commands[i];
    }
    return command;
}

int32_t qn_command_group_size(const char *prefix)
{
    const size_t length = strlen(prefix);
    int32_t n = 0;

    for (int32_t i = 0; qn_commands[i]; i++)
        n += strncmp(qn_commands[i]->name, prefix, length) == 0 &&
             qn_commands[i]->name[length] == ' ';
    return n;
}

const char *qn_command_help(const qn_command *command)
{
    return command->help || !command->algo ? command->help : command->algo->title;
}

const char *qn_command_notes(const qn_command *command)
{
    return command->notes || !command->algo ? command->notes : command->algo->notes;
}

const char *qn_command_examples(const qn_command *command)
{
    return command->examples || !command->algo ? command->examples : command->algo->examples;
}

int32_t qn_command_tables(const qn_command *command, const qn_params *table[QN_CLI_MAX_TABLES])
{
    int32_t n = 0;

    while (n < QN_CLI_MAX_TABLES - 1 && command->table[n]) {
        table[n] = command->table[n];
        n++;
    }
    table[n++] = &qn_cli_global_table;
    return n;
}

bool qn_command_shows(const qn_params *const *table, int32_t t, int64_t p)
{
    const qn_param *param = &table[t]->param[p];

    for (int32_t a = 0; a < t; a++)
        for (int64_t b = 0; b < table[a]->n; b++)
            if (qn_name_equal(table[a]->param[b].name, param->name))
                return false;
    return !param->hidden;
}
