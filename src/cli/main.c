/* quern COMMAND [options]: finds the command and hands over. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/session.h"

/* Names of all commands, for a suggestion. */
static const char *nearest_command(const char *const *word, int32_t n)
{
    const char *names[64];
    int64_t n_names = 0;
    const char *near = NULL;
    qn_string two = {0};

    for (int32_t i = 0; qn_commands[i] && n_names < 64; i++)
        names[n_names++] = qn_commands[i]->name;
    if (n > 1 && word[1][0] != '-') {
        qn_string_addf(&two, "%s %s", word[0], word[1]);
        near = qn_nearest(qn_string_text(&two), names, n_names);
    }
    qn_string_release(&two);
    return near ? near : qn_nearest(word[0], names, n_names);
}

static int unknown_command(const char *const *word, int32_t n)
{
    const char *near = nearest_command(word, n);
    qn_string text = {0};

    if (qn_command_group_size(word[0]) > 0) {
        qn_string_addf(&text, "%s what?\ntry:", word[0]);
        for (int32_t i = 0, listed = 0; qn_commands[i]; i++) {
            const size_t length = strlen(word[0]);

            if (strncmp(qn_commands[i]->name, word[0], length) == 0 &&
                qn_commands[i]->name[length] == ' ')
                qn_string_addf(&text, "%s quern %s", listed++ ? "," : "", qn_commands[i]->name);
        }
    } else {
        qn_string_addf(&text, "there is no command \"%.80s\"\ntry: quern %s", word[0],
                       near ? near : "help");
    }
    qn_session_complain(NULL, qn_string_text(&text));
    qn_string_release(&text);
    return qn_status_exit_code(QN_EINVAL);
}

int main(int argc, char **argv)
{
    const char *const *word = (const char *const *)argv + 1;
    const int32_t n = argc - 1;
    const qn_terminal out = qn_terminal_open(stdout);
    const qn_command *command;
    int32_t n_words;

    if (n > 0 && (strcmp(word[0], "--version") == 0 || strcmp(word[0], "-V") == 0)) {
        printf("quern %s\n", qn_version());
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (n <= 0) {
        const qn_terminal err = qn_terminal_open(stderr);

        qn_help_overview(&err);
        return qn_status_exit_code(QN_EINVAL);
    }
    if (strcmp(word[0], "--help") == 0 || strcmp(word[0], "-h") == 0) {
        qn_help_overview(&out);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (word[0][0] == '-') {
        qn_session_complain(NULL, "options come behind the command\ntry: quern COMMAND --help");
        return qn_status_exit_code(QN_EINVAL);
    }
    command = qn_command_find(word, n, &n_words);
    if (!command)
        return unknown_command(word, n);
    return qn_session_run(command, word + n_words, n - n_words);
}
