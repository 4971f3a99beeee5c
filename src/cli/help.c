/* --help. */
#include "cli/help.h"

#include <string.h>

#define HELP_COLUMN 30

static void overview_row(const qn_terminal *out, const qn_command *command)
{
    fprintf(out->stream, "  %s%-18s%s ", qn_bold(out), command->name, qn_plain(out));
    qn_print_folded(out->stream, qn_command_help(command), out->width, 21);
}

void qn_help_overview(const qn_terminal *out)
{
    fprintf(out->stream,
            "Quern %s: from files of rows to a judged, saved model.\n\n"
            "usage: quern COMMAND [options]\n\nCommands:\n",
            qn_version());
    for (int32_t i = 0; qn_commands[i]; i++)
        if (!qn_commands[i]->hidden)
            overview_row(out, qn_commands[i]);
    fputs("\nquern COMMAND --help lists the options of a command. First steps:\n"
          "  quern datagen ratings --out data            make ratings to play with\n"
          "  quern fit als --input data/ratings.csv --split random:0.8 --model model\n"
          "  quern recommend --model model --user 1 --titles data/movies.csv\n",
          out->stream);
}

void qn_help_examples(FILE *stream, const char *examples)
{
    while (*examples) {
        const size_t length = strcspn(examples, "\n");
        const size_t blanks = strspn(examples, " ");

        if (blanks < length)
            fprintf(stream, "  %.*s\n", (int)(length - blanks), examples + blanks);
        examples += length + (examples[length] == '\n');
    }
}

/* Range and default. */
static void print_default(const qn_param *param, qn_string *line)
{
    qn_string value = {0}, range = {0};

    qn_help_default(param, &value);
    qn_help_range(param, &range);
    if (range.length > 0)
        qn_string_addf(line, " (%s)", range.text);
    if (param->required)
        qn_string_add(line, " (required)");
    else if (value.length > 0 && !(param->type == QN_PARAM_BOOL && param->number == 0))
        qn_string_addf(line, " [%s]", value.text);
    qn_string_release(&value);
    qn_string_release(&range);
}

static void print_option(const qn_terminal *out, const qn_param *param)
{
    qn_string head = {0}, body = {0};

    qn_help_option(param, &head);
    qn_string_add(&body, param->help);
    print_default(param, &body);
    fprintf(out->stream, "  %s%s%s", qn_bold(out), qn_string_text(&head), qn_plain(out));
    if ((int32_t)head.length + 2 > HELP_COLUMN - 2)
        fprintf(out->stream, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out->stream, "%*s", HELP_COLUMN - 2 - (int)head.length, "");
    qn_print_folded(out->stream, qn_string_text(&body), out->width, HELP_COLUMN);
    qn_string_release(&head);
    qn_string_release(&body);
}

/* Rows of one heading, from all tables; nothing if the heading stood before (table t, row p). */
static void print_group(const qn_terminal *out, const qn_params *const *table, int32_t n, int32_t t,
                        int64_t p)
{
    const char *group = qn_help_group(&table[t]->param[p]);

    for (int32_t a = 0; a <= t; a++)
        for (int64_t b = 0; b < (a == t ? p : table[a]->n); b++)
            if (qn_command_shows(table, a, b) &&
                strcmp(qn_help_group(&table[a]->param[b]), group) == 0)
                return;
    fprintf(out->stream, "\n%s:\n", group);
    for (int32_t a = 0; a < n; a++)
        for (int64_t b = 0; b < table[a]->n; b++)
            if (qn_command_shows(table, a, b) &&
                strcmp(qn_help_group(&table[a]->param[b]), group) == 0)
                print_option(out, &table[a]->param[b]);
}

void qn_help_command(const qn_terminal *out, const qn_command *command)
{
    const qn_params *table[QN_CLI_MAX_TABLES];
    const int32_t n = qn_command_tables(command, table);

    qn_string usage = {0};

    qn_string_addf(&usage, "usage: quern %s%s%s %s", command->name, command->arguments ? " " : "",
                   command->arguments ? command->arguments : "",
                   command->usage ? command->usage : "[options]");
    qn_print_folded(out->stream, qn_string_text(&usage), out->width, 0);
    qn_string_release(&usage);
    fputc('\n', out->stream);
    qn_print_folded(out->stream, qn_command_help(command), out->width, 0);
    if (qn_command_notes(command)) {
        fputc('\n', out->stream);
        qn_print_folded(out->stream, qn_command_notes(command), out->width, 0);
    }
    for (int32_t t = 0; t < n; t++)
        for (int64_t p = 0; p < table[t]->n; p++)
            if (qn_command_shows(table, t, p))
                print_group(out, table, n, t, p);
    if (qn_command_examples(command)) {
        fputs("\nExamples:\n", out->stream);
        qn_help_examples(out->stream, qn_command_examples(command));
    }
}
