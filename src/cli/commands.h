/* One line a command. */
#ifndef QN_CLI_COMMANDS_H
#define QN_CLI_COMMANDS_H

#include "cli/command.h"

extern const qn_command qn_cmd_completion;
extern const qn_command qn_cmd_doctor;
extern const qn_command qn_cmd_help;
extern const qn_command qn_cmd_man;
extern const qn_command qn_cmd_params;

#endif
