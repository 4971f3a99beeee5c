/* Help texts and man pages, made from the command and parameter tables. */
#ifndef QN_CLI_HELP_H
#define QN_CLI_HELP_H

#include "cli/command.h"

/* The list of commands. */
void qn_help_overview(const qn_terminal *out);
void qn_help_command(const qn_terminal *out, const qn_command *command);
/* troff; command NULL: the page of the program. */
void qn_help_man(FILE *stream, const qn_command *command);

/* One example a line, set in alike. */
void qn_help_examples(FILE *stream, const char *examples);
/* "--reg-param X", "-k N", "--input FILE..."; the value's name is made from the type if the
 * row has none. */
void qn_help_option(const qn_param *param, qn_string *out);
/* "0.1", "random", "42", "auto", "" where there is none. */
void qn_help_default(const qn_param *param, qn_string *out);
/* "1 to 4096", "at least 0"; "" where anything goes. */
void qn_help_range(const qn_param *param, qn_string *out);
/* Heading of the row. */
const char *qn_help_group(const qn_param *param);

#endif
