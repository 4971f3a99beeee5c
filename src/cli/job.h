/* What every long command does around its work: look for runs that died, keep a record, and end
 * with one line of JSON where it is asked for. */
#ifndef QN_CLI_JOB_H
#define QN_CLI_JOB_H

#include "cli/command.h"

/* Reports runs that died and begins the run's record; `prefix` is that of the run id: "als". */
qn_status qn_cli_job_start(qn_cli *cli, const char *prefix);
/* Ends the record with `st` and returns `st`, or what went wrong in writing it. After success with
 * --json prints the record; `members` are JSON members to add to it, may be NULL. */
qn_status qn_cli_job_end(qn_cli *cli, qn_status st, const char *members);

/* One parameter's value as it would be given on the command line. */
void qn_cli_value_text(const qn_param *param, const void *values, qn_string *out);
/* Every parameter of the command's tables as a JSON object. */
void qn_cli_job_parameters(const qn_cli *cli, qn_json *j, const char *key);

#endif
