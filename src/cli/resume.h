/* --resume RUN: the options of an earlier run, and the checkpoints of this one. */
#ifndef QN_CLI_RESUME_H
#define QN_CLI_RESUME_H

#include "cli/command.h"
#include "engine/checkpoint.h"

/* Looks for --resume among the words of `args`. If it is there, fills in every option of that run
 * that was not given, and refuses those that were given another value, but for the ones that may
 * change. cli->resume is then set; `globals` get the run's folder and kernel set. */
qn_status qn_cli_resume(qn_context *ctx, qn_cli *cli, qn_cli_args *args, qn_cli_globals *globals);
/* What is not as it should be with that run, as warnings into the new record; for worker 0. */
void qn_cli_resume_warn(const qn_cli *cli);
void qn_cli_resume_free(qn_cli *cli);

/* Opens the checkpoints of the job under way, as table `t` of the command says, and attaches them
 * to the context. Collective. */
qn_status qn_cli_checkpoint_open(qn_cli *cli, int32_t t);
/* After the record has been closed with `st`: checkpoints of a run that is done are removed. */
void qn_cli_checkpoint_close(qn_cli *cli, qn_status st);

/* "quern fit als --resume als-2026..." for a run that was stopped; false: it cannot be resumed. */
bool qn_cli_resume_hint(const qn_cli *cli, qn_string *out);

#endif
