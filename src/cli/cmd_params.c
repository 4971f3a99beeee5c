/* quern params: every parameter table, for people (Markdown) and programs (JSON). */
#include <string.h>

#include "base/params_out.h"
#include "cli/commands.h"
#include "cli/help.h"

#define MAX_SHOWN_TABLES 64

typedef struct params_options {
    bool markdown;
} params_options;

static const qn_param params_params[] = {
    QN_PARAM_FLAG(params_options, markdown, "print docs/params.md"),
};
static const qn_params params_table = {
    .name = "params", .param = params_params, .n = 1, .struct_size = sizeof(params_options)};

/* Every table once, in the order of the commands; returns how many. */
static int32_t all_tables(const qn_params *table[MAX_SHOWN_TABLES])
{
    int32_t n = 0;

    for (int32_t c = 0; qn_commands[c]; c++) {
        const qn_params *own[QN_CLI_MAX_TABLES];
        const int32_t n_own = qn_command_tables(qn_commands[c], own);

        for (int32_t t = 0; t < n_own && n < MAX_SHOWN_TABLES; t++) {
            int32_t i = 0;

            while (i < n && table[i] != own[t])
                i++;
            if (i == n)
                table[n++] = own[t];
        }
    }
    return n;
}

static void json_command(qn_json *j, const qn_command *command)
{
    const qn_params *table[QN_CLI_MAX_TABLES];
    const int32_t n = qn_command_tables(command, table);

    qn_json_open(j, NULL, '{');
    qn_json_text(j, "name", command->name);
    qn_json_text(j, "help", qn_command_help(command));
    qn_json_text(j, "arguments", command->arguments);
    qn_json_open(j, "tables", '[');
    for (int32_t t = 0; t < n; t++)
        qn_json_text(j, NULL, table[t]->name);
    qn_json_close(j, ']');
    qn_json_close(j, '}');
}

static void print_json(void)
{
    const qn_params *table[MAX_SHOWN_TABLES];
    const int32_t n = all_tables(table);
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "version", qn_version());
    qn_json_open(&j, "commands", '[');
    for (int32_t c = 0; qn_commands[c]; c++)
        json_command(&j, qn_commands[c]);
    qn_json_close(&j, ']');
    qn_json_open(&j, "tables", '[');
    for (int32_t t = 0; t < n; t++)
        qn_params_json(table[t], &j);
    qn_json_close(&j, ']');
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
}

/* A cell of a Markdown table: '|' would end it. */
static void print_cell(const char *text)
{
    for (; *text; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

static void print_row(const qn_param *param)
{
    qn_string option = {0}, value = {0}, range = {0};

    qn_help_option(param, &option);
    qn_help_default(param, &value);
    qn_help_range(param, &range);
    printf("| `");
    print_cell(qn_string_text(&option));
    printf("` | ");
    if (param->required)
        printf("required");
    else if (value.length > 0)
        printf("`%s`", value.text);
    printf(" | %s | ", qn_string_text(&range));
    print_cell(param->help);
    if (param->aliases)
        printf("; also `%s`", param->aliases);
    puts(" |");
    qn_string_release(&option);
    qn_string_release(&value);
    qn_string_release(&range);
}

static void print_command(const qn_command *command)
{
    const qn_params *table[QN_CLI_MAX_TABLES];
    const int32_t n = qn_command_tables(command, table);

    printf("| `quern %s%s%s` | ", command->name, command->arguments ? " " : "",
           command->arguments ? command->arguments : "");
    print_cell(qn_command_help(command));
    printf(" | ");
    for (int32_t t = 0; t < n; t++)
        printf("%s[%s](#%s)", t ? ", " : "", table[t]->name, table[t]->name);
    puts(" |");
}

static void print_markdown(void)
{
    const qn_params *table[MAX_SHOWN_TABLES];
    const int32_t n = all_tables(table);

    puts(
        "# Commands and parameters\n\n"
        "Printed by `quern params --markdown` from the tables that the program parses its options "
        "with; a test\nfails when this page differs. `--reg-param`, `--reg_param` and `--regParam` "
        "are one option; a switch is\nturned off by `--no-`; a list takes words up to the next "
        "option.\n\n"
        "## Commands\n\n| command | what it does | its options |\n|---|---|---|");
    for (int32_t c = 0; qn_commands[c]; c++)
        if (!qn_commands[c]->hidden)
            print_command(qn_commands[c]);
    for (int32_t t = 0; t < n; t++) {
        printf("\n## %s\n\n| option | default | range | meaning |\n|---|---|---|---|\n",
               table[t]->name);
        for (int64_t p = 0; p < table[t]->n; p++)
            if (!table[t]->param[p].hidden)
                print_row(&table[t]->param[p]);
    }
}

/* Every option in columns. */
static void print_plain(const qn_cli *cli)
{
    const qn_params *table[MAX_SHOWN_TABLES];
    const int32_t n = all_tables(table);
    qn_text_table rows;

    qn_text_table_init(&rows, "llll");
    qn_text_table_add(&rows, "table");
    qn_text_table_add(&rows, "option");
    qn_text_table_add(&rows, "default");
    qn_text_table_add(&rows, "meaning");
    for (int32_t t = 0; t < n; t++)
        for (int64_t p = 0; p < table[t]->n; p++) {
            const qn_param *param = &table[t]->param[p];
            qn_string value = {0};
            char option[64];

            if (param->hidden)
                continue;
            qn_cli_option_name(param->name, option);
            qn_help_default(param, &value);
            qn_text_table_add(&rows, table[t]->name);
            qn_text_table_add(&rows, option);
            qn_text_table_add(&rows, qn_string_text(&value));
            qn_text_table_add(&rows, param->help);
            qn_string_release(&value);
        }
    qn_text_table_print(&rows, &cli->out, true, "");
    qn_text_table_release(&rows);
}

static qn_status run_params(qn_cli *cli)
{
    const params_options *options = cli->values[0];

    if (options->markdown)
        print_markdown();
    else if (cli->globals->json)
        print_json();
    else
        print_plain(cli);
    return QN_OK;
}

const qn_command qn_cmd_params = {
    .name = "params",
    .help = "Print every option of every command, as a table, JSON or Markdown",
    .table = {&params_table},
    .run = run_params,
};
