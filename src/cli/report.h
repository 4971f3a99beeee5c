/* What a worker of a supervised run reports: events as they come, and how it ended. */
#ifndef QN_CLI_REPORT_H
#define QN_CLI_REPORT_H

#include "cli/command.h"

/* Before the worker joins the others, which silences its output. Nothing without a supervisor. */
qn_status qn_report_open(qn_cli *cli);
/* Once it has joined: worker 0 reports all that happens, with what the others hand to it. Where
 * there is no supervisor but somebody's mpirun, events are gathered on worker 0 all the same. */
qn_status qn_report_begin(qn_cli *cli);
/* Tells the supervisor how the command ended; false: there is none, the user is to be told. */
bool qn_report_end(const qn_cli *cli, bool tells, qn_status st, int exit_code, const char *error);
/* Ends the signs of life, before the context goes. */
void qn_report_stop(qn_cli *cli);
/* After the context is gone. */
void qn_report_free(qn_cli *cli);

#endif
