#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/comm.h"
#include "engine/comm_module.h"
#include "engine/event_gather.h"
#include "run/heartbeat.h"
#include "run/relay.h"

#define HEARTBEAT_SECONDS 1.0

qn_status qn_report_open(qn_cli *cli)
{
    int out;

    if (!cli->globals->run_id)
        return QN_OK;
    out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (out < 0)
        return qn_fail_errno(cli->ctx, QN_EIO, errno, "a worker has no standard output");
    return qn_relay_open(cli->ctx, out, &cli->relay);
}

qn_status qn_report_begin(qn_cli *cli)
{
    qn_context *ctx = cli->ctx;
    qn_status st = QN_OK;

    if (!cli->as_rank)
        return QN_OK;
    QN_TRY_ALL(qn_event_gather_open(ctx, &cli->box));
    if (cli->relay && qn_rank(ctx) == 0)
        qn_relay_all(cli->relay);
    if (cli->relay)
        QN_TRY(
            qn_heartbeat_start(ctx, HEARTBEAT_SECONDS, QN_COMM_DEADLINE_SECONDS, &cli->heartbeat));
    if (cli->relay)
        qn_emit_pulse(ctx);
done:
    return st;
}

bool qn_report_end(const qn_cli *cli, bool tells, qn_status st, int exit_code, const char *error)
{
    if (!cli->relay)
        return false;
    if (tells && (st != QN_OK || qn_rank(cli->ctx) == 0))
        qn_relay_end(cli->relay, st, exit_code, cli->has_lost_worker, error,
                     qn_string_text(&cli->members));
    return true;
}

void qn_report_stop(qn_cli *cli)
{
    qn_heartbeat_stop(cli->heartbeat);
    cli->heartbeat = NULL;
}

void qn_report_free(qn_cli *cli)
{
    qn_relay_free(cli->relay);
    qn_event_gather_free(cli->box);
    qn_string_release(&cli->members);
}
