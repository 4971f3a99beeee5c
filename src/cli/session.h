/* One call of a command: context, signals, messages, exit code. */
#ifndef QN_CLI_SESSION_H
#define QN_CLI_SESSION_H

#include "cli/command.h"

/* Runs a command with word[0..n) behind its name; returns the exit code. */
int qn_session_run(const qn_command *command, const char *const *word, int32_t n);

/* "quern: fit als: message" on standard error, further lines of the message behind it. */
void qn_session_complain(const char *command, const char *message);

#endif
