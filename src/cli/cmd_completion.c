/* quern completion bash|zsh|fish: a script for the shell, made from the tables. */
#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"

/* Options that take a path let the shell complete file names. */
static bool takes_path(const qn_param *param)
{
    return param->metavar &&
           (strstr(param->metavar, "FILE") || strstr(param->metavar, "DIR") ||
            strstr(param->metavar, "PATH") || strcmp(param->metavar, "MODEL") == 0);
}

static void print_option_words(const qn_command *command)
{
    const qn_params *table[QN_CLI_MAX_TABLES];
    const int32_t n = qn_command_tables(command, table);

    for (int32_t t = 0; t < n; t++)
        for (int64_t p = 0; p < table[t]->n; p++) {
            char option[64];

            if (table[t]->param[p].hidden)
                continue;
            qn_cli_option_name(table[t]->param[p].name, option);
            printf(" %s", option);
        }
}

static void print_choice_words(const qn_param *param)
{
    for (const char *c = param->choices; *c; c++)
        putchar(*c == '|' ? ' ' : *c);
}

static void print_choice_case(const qn_param *param)
{
    char option[64];

    qn_cli_option_name(param->name, option);
    printf("    %s) COMPREPLY=($(compgen -W \"", option);
    print_choice_words(param);
    puts("\" -- \"$word\")); return ;;");
}

/* `option) words ;;` for every option with choices, each name once. */
static void print_choice_cases(void)
{
    const char *seen[256];
    int32_t n_seen = 0;

    for (int32_t c = 0; qn_commands[c]; c++) {
        const qn_params *table[QN_CLI_MAX_TABLES];
        const int32_t n = qn_command_tables(qn_commands[c], table);

        for (int32_t t = 0; t < n; t++)
            for (int64_t p = 0; p < table[t]->n; p++) {
                const qn_param *param = &table[t]->param[p];
                int32_t i = 0;

                if (param->type != QN_PARAM_CHOICE || param->hidden)
                    continue;
                while (i < n_seen && strcmp(seen[i], param->name) != 0)
                    i++;
                if (i < n_seen || n_seen == 256)
                    continue;
                seen[n_seen++] = param->name;
                print_choice_case(param);
            }
    }
}

/* Second words of commands such as `fit als`. */
static void print_groups(void)
{
    for (int32_t i = 0; qn_commands[i]; i++) {
        const char *blank = strchr(qn_commands[i]->name, ' ');
        const int length = blank ? (int)(blank - qn_commands[i]->name) : 0;
        bool first = blank != NULL;

        for (int32_t j = 0; first && j < i; j++)
            first = strncmp(qn_commands[j]->name, qn_commands[i]->name, (size_t)length + 1) != 0;
        if (!first)
            continue;
        printf("    %.*s) words=\"", length, qn_commands[i]->name);
        for (int32_t j = i; qn_commands[j]; j++)
            if (strncmp(qn_commands[j]->name, qn_commands[i]->name, (size_t)length + 1) == 0)
                printf(" %s", qn_commands[j]->name + length + 1);
        puts("\" ;;");
    }
}

static void print_first_words(void)
{
    for (int32_t i = 0; qn_commands[i]; i++) {
        const int length = (int)strcspn(qn_commands[i]->name, " ");
        bool first = !qn_commands[i]->hidden;

        for (int32_t j = 0; first && j < i; j++)
            first = strncmp(qn_commands[j]->name, qn_commands[i]->name, (size_t)length) != 0 ||
                    !strchr(" ", qn_commands[j]->name[length]);
        if (first)
            printf(" %.*s", length, qn_commands[i]->name);
    }
}

static void print_bash(void)
{
    puts("# Made by `quern completion bash`. In ~/.bashrc:  source <(quern completion bash)\n"
         "_quern() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
         "  COMPREPLY=()\n"
         "  case \"$before\" in");
    print_choice_cases();
    puts("  esac\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then");
    printf("    words=\"--version --help");
    print_first_words();
    puts("\"\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); return\n"
         "  fi\n"
         "  if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
         "    case \"${COMP_WORDS[1]}\" in");
    print_groups();
    puts("    esac\n"
         "    if [ -n \"$words\" ]; then COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); "
         "return; fi\n"
         "  fi\n"
         "  if [ \"${word:0:1}\" != - ]; then COMPREPLY=($(compgen -f -- \"$word\")); return; fi\n"
         "  case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in");
    for (int32_t i = 0; qn_commands[i]; i++) {
        printf("    \"%s\"%s) words=\"", qn_commands[i]->name,
               strchr(qn_commands[i]->name, ' ') ? "" : "\\ *");
        print_option_words(qn_commands[i]);
        puts("\" ;;");
    }
    puts("  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -o filenames -F _quern quern");
}

static void print_zsh(void)
{
    puts("#compdef quern\n"
         "# Made by `quern completion zsh`. In ~/.zshrc:  source <(quern completion zsh)\n"
         "autoload -U +X bashcompinit && bashcompinit");
    print_bash();
}

/* Text inside single quotes of fish. */
static void print_fish_text(const char *text)
{
    for (; *text; text++)
        printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void print_fish_option(const qn_command *command, const qn_param *param)
{
    const char *blank = strchr(command->name, ' ');
    char option[64];

    qn_cli_option_name(param->name, option);
    printf("complete -c quern -n '__fish_seen_subcommand_from %s' ",
           blank ? blank + 1 : command->name);
    printf("%s %s ", option[1] == '-' ? "-l" : "-s", option + (option[1] == '-' ? 2 : 1));
    if (param->type == QN_PARAM_CHOICE) {
        printf("-x -a '");
        print_choice_words(param);
        printf("' ");
    } else if (param->type != QN_PARAM_BOOL) {
        printf("%s ", takes_path(param) ? "-r -F" : "-x");
    }
    printf("-d '");
    print_fish_text(param->help);
    puts("'");
}

static void print_fish(void)
{
    puts("# Made by `quern completion fish`. To ~/.config/fish/completions/quern.fish");
    for (int32_t i = 0; qn_commands[i]; i++) {
        const qn_params *table[QN_CLI_MAX_TABLES];
        const int32_t n = qn_command_tables(qn_commands[i], table);
        const char *blank = strchr(qn_commands[i]->name, ' ');
        const int length = (int)strcspn(qn_commands[i]->name, " ");

        printf("complete -c quern -f -n __fish_use_subcommand -a '%.*s' -d '", length,
               qn_commands[i]->name);
        print_fish_text(qn_command_help(qn_commands[i]));
        puts("'");
        if (blank)
            printf("complete -c quern -f -n '__fish_seen_subcommand_from %.*s' -a '%s'\n", length,
                   qn_commands[i]->name, blank + 1);
        for (int32_t t = 0; t < n; t++)
            for (int64_t p = 0; p < table[t]->n; p++)
                if (!table[t]->param[p].hidden)
                    print_fish_option(qn_commands[i], &table[t]->param[p]);
    }
}

static qn_status run_completion(qn_cli *cli)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    static void (*const print[])(void) = {print_bash, print_zsh, print_fish};

    for (int32_t i = 0; i < 3; i++)
        if (strcmp(cli->argument[0], shells[i]) == 0) {
            print[i]();
            return QN_OK;
        }
    return qn_fail(cli->ctx, QN_EINVAL, "there is no completion for \"%s\"\ntry: bash, zsh or fish",
                   cli->argument[0]);
}

const qn_command qn_cmd_completion = {
    .name = "completion",
    .help = "Print a script that completes commands and options in a shell",
    .arguments = "bash|zsh|fish",
    .min_arguments = 1,
    .max_arguments = 1,
    .examples = "  source <(quern completion bash)\n",
    .run = run_completion,
};
