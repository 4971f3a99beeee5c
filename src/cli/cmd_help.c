/* quern help [COMMAND]. */
#include "cli/commands.h"
#include "cli/help.h"

/* The command that the words name; with a message if there is none. */
static qn_status named_command(const qn_cli *cli, const qn_command **command)
{
    *command = qn_command_named(cli->argument, (int32_t)cli->n_arguments);
    if (!*command)
        return qn_fail(cli->ctx, QN_EINVAL, "there is no command \"%s\"\ntry: quern help",
                       cli->argument[0]);
    return QN_OK;
}

static qn_status run_help(qn_cli *cli)
{
    const qn_command *command;
    qn_status st;

    if (cli->n_arguments == 0) {
        qn_help_overview(&cli->out);
        return QN_OK;
    }
    st = named_command(cli, &command);
    if (st == QN_OK)
        qn_help_command(&cli->out, command);
    return st;
}

const qn_command qn_cmd_help = {
    .name = "help",
    .help = "Show the commands, or the options of one",
    .arguments = "[COMMAND]",
    .max_arguments = 2,
    .run = run_help,
};

static qn_status run_man(qn_cli *cli)
{
    const qn_command *command = NULL;
    qn_status st = QN_OK;

    if (cli->n_arguments > 0)
        st = named_command(cli, &command);
    if (st == QN_OK)
        qn_help_man(stdout, command);
    return st;
}

const qn_command qn_cmd_man = {
    .name = "man",
    .help = "Print the manual page of the program or of a command, for man -l",
    .arguments = "[COMMAND]",
    .max_arguments = 2,
    .examples = "  quern man fit-als | man -l -\n",
    .run = run_man,
};
