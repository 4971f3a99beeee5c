#include "run/runs_gc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "run/runs.h"
#include "run/spark_log.h"

static const qn_param rows[] = {
    QN_PARAM(qn_runs_gc_options, keep, 0, 0, 1e9, "newest runs that stay", .required = true,
             .metavar = "N"),
};
const qn_params qn_runs_gc_table = {"runs gc", rows, sizeof rows / sizeof *rows,
                                    sizeof(qn_runs_gc_options)};

/* Event logs first: a run whose record is there can still be removed by the next try. */
static qn_status remove_run(qn_context *ctx, const char *runs_dir, const char *run_id)
{
    static const char *const endings[] = {"", ".inprogress", ".damaged"};
    qn_string path = {0};
    qn_status st = QN_OK;

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        qn_string_clear(&path);
        qn_string_addf(&path, "%s/%s/%s%s", runs_dir, QN_SPARK_LOG_FOLDER, run_id, endings[i]);
        if (unlink(qn_string_text(&path)) != 0 && errno != ENOENT) {
            st = qn_fail_errno(ctx, QN_EIO, errno, "cannot remove %s", qn_string_text(&path));
            goto done;
        }
    }
    qn_string_clear(&path);
    qn_string_addf(&path, "%s/%s", runs_dir, run_id);
    QN_TRY(qn_remove_tree(ctx, qn_string_text(&path)));
done:
    qn_string_release(&path);
    return st;
}

qn_status qn_runs_gc(qn_context *ctx, const char *runs_dir, int32_t keep, int64_t *n_removed,
                     int64_t *n_live)
{
    qn_status st = QN_OK;
    qn_run_info *runs = NULL;
    int64_t n = 0;

    *n_removed = *n_live = 0;
    QN_TRY(qn_runs_list(ctx, runs_dir, &runs, &n));
    for (int64_t i = keep; i < n; i++) {
        if (!strcmp(runs[i].status, "running")) {
            *n_live += 1;
            continue;
        }
        QN_TRY(remove_run(ctx, runs_dir, runs[i].run_id));
        *n_removed += 1;
    }
done:
    qn_free(runs);
    return st;
}
