/* Manual pages in troff, made from the tables. */
#include <string.h>

#include "cli/help.h"

/* Text with what troff would take as a request or an escape made plain. */
static void man_text(FILE *stream, const char *text)
{
    bool line_start = true;

    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stream);
        if (*text == '\\')
            fputs("\\e", stream);
        else if (*text == '-')
            fputs("\\-", stream);
        else
            fputc(*text, stream);
        line_start = *text == '\n';
    }
}

static void man_option(FILE *stream, const qn_param *param)
{
    qn_string head = {0}, value = {0}, range = {0};

    qn_help_option(param, &head);
    qn_help_default(param, &value);
    qn_help_range(param, &range);
    fputs(".TP\n.B ", stream);
    man_text(stream, qn_string_text(&head));
    fputc('\n', stream);
    man_text(stream, param->help);
    fputs(".\n", stream);
    if (param->required)
        fputs("Required.\n", stream);
    else if (value.length > 0 && param->type != QN_PARAM_BOOL) {
        fputs("Default: ", stream);
        man_text(stream, value.text);
        fputs(".\n", stream);
    }
    if (range.length > 0) {
        fputs("Range: ", stream);
        man_text(stream, range.text);
        fputs(".\n", stream);
    }
    qn_string_release(&head);
    qn_string_release(&value);
    qn_string_release(&range);
}

static void man_examples(FILE *stream, const char *examples)
{
    fputs(".SH EXAMPLES\n.nf\n", stream);
    man_text(stream, examples);
    fputs(examples[strlen(examples) - 1] == '\n' ? "" : "\n", stream);
    fputs(".fi\n", stream);
}

static void man_command(FILE *stream, const qn_command *command)
{
    const qn_params *table[QN_CLI_MAX_TABLES];
    const int32_t n = qn_command_tables(command, table);
    char title[64];
    size_t i = 0;

    for (; command->name[i] && i < sizeof title - 1; i++)
        title[i] = command->name[i] == ' ' ? '-' : command->name[i];
    title[i] = '\0';
    fprintf(stream, ".TH QUERN-%s 1 \"\" \"quern %s\" \"Quern\"\n.SH NAME\nquern\\-", title,
            qn_version());
    man_text(stream, title);
    fputs(" \\- ", stream);
    man_text(stream, qn_command_help(command));
    fprintf(stream, "\n.SH SYNOPSIS\n.B quern %s\n", command->name);
    man_text(stream, command->arguments ? command->arguments : "");
    fputs(command->arguments ? "\n" : "", stream);
    man_text(stream, command->usage ? command->usage : "[options]");
    fputc('\n', stream);
    if (qn_command_notes(command)) {
        fputs(".SH DESCRIPTION\n", stream);
        man_text(stream, qn_command_notes(command));
        fputc('\n', stream);
    }
    fputs(".SH OPTIONS\n", stream);
    for (int32_t t = 0; t < n; t++)
        for (int64_t p = 0; p < table[t]->n; p++)
            if (qn_command_shows(table, t, p))
                man_option(stream, &table[t]->param[p]);
    if (qn_command_examples(command))
        man_examples(stream, qn_command_examples(command));
}

static void man_exit_codes(FILE *stream)
{
    fputs(".SH EXIT STATUS\n", stream);
    fputs(".TP\n0\ndone\n.TP\n1\nresources, input or output: memory, disk, an unwritable folder\n"
          ".TP\n2\nan option does not fit, or a path or column is not there\n"
          ".TP\n3\na gate said no\n.TP\n4\nbad data or a bad model\n"
          ".TP\n75\na lock is held, try again\n"
          ".TP\n130\ninterrupted\n.TP\n143\nterminated\n",
          stream);
}

void qn_help_man(FILE *stream, const qn_command *command)
{
    if (command) {
        man_command(stream, command);
    } else {
        fprintf(
            stream,
            ".TH QUERN 1 \"\" \"quern %s\" \"Quern\"\n.SH NAME\nquern \\- from a ratings file to a "
            "judged, saved, recommending model\n.SH SYNOPSIS\n.B quern\nCOMMAND [options]\n"
            ".SH COMMANDS\n",
            qn_version());
        for (int32_t i = 0; qn_commands[i]; i++) {
            if (qn_commands[i]->hidden)
                continue;
            fprintf(stream, ".TP\n.B %s\n", qn_commands[i]->name);
            man_text(stream, qn_command_help(qn_commands[i]));
            fputc('\n', stream);
        }
    }
    man_exit_codes(stream);
}
