#include "run/record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/system.h"
#include "run/process.h"
#include "run/record_past.h"
#include "run/tree.h"
#include "run/workers.h"

#define RECORD_PATH     4096
#define REFRESH_SECONDS 2.0   /* between writes of a live run's record at its signs of life */
#define SAMPLE_SECONDS  0.005 /* between looks at the memory, where events come fast */

struct qn_record {
    char id[64];
    char path[RECORD_PATH]; /* of record.json, "" when nothing is written */
    char command[64];
    qn_string parameters;
    qn_json iterations, warnings; /* arrays, not yet closed */
    qn_string attempts;           /* an array of those before this one; "" when there are none */
    qn_tree tree;
    int32_t open_jobs;  /* jobs may lie in one another: the outermost count */
    qn_workers workers; /* as their signs of life say */
    bool is_supervisor; /* the work is theirs alone */
    bool is_foreign;    /* another process writes it */
    bool has_pulse;     /* a worker has told of its limit */
    bool is_restarted;  /* workers were lost, and no iteration has been told of since */
    bool has_memory;    /* the section of what data take */
    double last_write;
    qn_process process;
    qn_context *ctx; /* until it is closed */
    int32_t workers_requested, threads_requested, threads, threads_used;
    size_t budget, budget_peak, rss_peak, vm_hwm;
    double busy_seconds, cpu_start, cpu_seconds;
    int64_t n_stages, n_tasks, stage_us, bytes_read;
    struct record_traffic {
        int64_t spilled, read_back, moved;
    } past;                            /* bytes of workers that are lost */
    int64_t stage_tasks, most_tasks;   /* of the stage that runs, of any */
    int64_t shared_busy_us, shared_us; /* of stages with several tasks: of tasks, of stages */
    char kernel_set[16];
    double start; /* monotonic */
    int64_t start_us, end_us;
    double total_s;
    char status[16];
    int exit_code;
    char error[QN_ERROR_BYTES];
};

/* What the workers tell of themselves, put together. */
static void sample_workers(qn_record *record)
{
    record->busy_seconds = record->cpu_seconds = 0;
    record->threads_used = 0;
    for (int32_t w = 0; w < record->workers.n; w++) {
        const qn_worker_use *use = qn_workers_get(&record->workers, w);

        record->busy_seconds += use->busy_s;
        record->cpu_seconds += use->cpu_s;
        if (use->threads_used > record->threads_used)
            record->threads_used = (int32_t)use->threads_used;
        if (use->threads > 0)
            record->threads = (int32_t)use->threads;
        if (use->budget > 0)
            record->budget = (size_t)use->budget;
    }
    if ((size_t)qn_workers_peak(&record->workers) > record->rss_peak)
        record->rss_peak = (size_t)qn_workers_peak(&record->workers);
}

/* Looks how large the run is; touches no lock of the context, so sinks may call it. */
static void sample(qn_record *record)
{
    qn_memory_use use;

    record->total_s = qn_seconds() - record->start;
    if (record->is_supervisor) {
        sample_workers(record);
        return;
    }
    qn_memory_use_read(&use);
    if (use.rss_anon + use.rss_shmem > record->rss_peak)
        record->rss_peak = use.rss_anon + use.rss_shmem;
    record->vm_hwm = use.vm_hwm;
    record->cpu_seconds = qn_cpu_seconds() - record->cpu_start;
    if (record->ctx) {
        record->budget_peak = qn_budget_peak(record->ctx->budget);
        record->threads_used = qn_pool_threads_used(record->ctx->pool);
        record->busy_seconds = qn_pool_busy_seconds(record->ctx->pool);
    }
}

/* Samples miss short peaks, and the budget counts blocks that were never touched: the larger of the
 * two, but never more than the kernel has seen. */
static size_t peak_bytes(const qn_record *record)
{
    const size_t held =
        record->budget_peak > record->rss_peak ? record->budget_peak : record->rss_peak;

    return record->vm_hwm > 0 && held > record->vm_hwm ? record->vm_hwm : held;
}

/* Whether the stage that runs has tasks that can go on at once: several here, or one a worker. */
static bool is_shared(const qn_record *record)
{
    return record->stage_tasks > 1 || record->workers.n > 1;
}

/* Tasks at once, on average, in stages that have several; NaN: there were none. */
static double parallelism(const qn_record *record)
{
    return record->shared_us > 0 ? (double)record->shared_busy_us / (double)record->shared_us : NAN;
}

static int32_t n_workers(const qn_record *record)
{
    return record->workers.n > 1 ? record->workers.n : 1;
}

/* Bytes of all workers, as they told at their last signs of life. */
static struct record_traffic traffic_of(const qn_record *record)
{
    struct record_traffic sum = record->past;

    qn_workers_add_traffic(&record->workers, &sum.spilled, &sum.read_back, &sum.moved);
    return sum;
}

static void resources_json(const qn_record *record, qn_json *j)
{
    const struct record_traffic traffic = traffic_of(record);
    const int32_t workers = n_workers(record);
    const double possible = record->total_s * (double)record->threads * (double)workers;
    qn_system system;

    qn_system_read(&system);
    qn_json_open(j, "resources", '{');
    qn_json_int(j, "workers", workers);
    qn_json_int(j, "workers_requested", record->workers_requested);
    qn_json_int(j, "threads", record->threads);
    qn_json_int(j, "threads_requested", record->threads_requested);
    qn_json_int(j, "threads_observed", record->threads_used);
    qn_json_int(j, "cores", system.cores_usable);
    qn_json_text(j, "cpu", system.cpu_model);
    qn_json_real(j, "busy_share", possible > 0 ? record->busy_seconds / possible : 0);
    qn_json_real(j, "busy_s", record->busy_seconds);
    qn_json_real(j, "cpu_s", record->cpu_seconds);
    qn_json_int(j, "stages", record->n_stages);
    qn_json_int(j, "tasks", record->n_tasks);
    qn_json_real(j, "stage_s", (double)record->stage_us * 1e-6);
    qn_json_real(j, "parallelism_observed", parallelism(record));
    qn_json_int(j, "read_bytes", record->bytes_read);
    qn_json_int(j, "moved_bytes", traffic.moved);
    qn_json_int(j, "spilled_bytes", traffic.spilled);
    qn_json_int(j, "read_back_bytes", traffic.read_back);
    qn_json_int(j, "peak_bytes", (int64_t)peak_bytes(record));
    qn_json_int(j, "rss_peak_bytes", (int64_t)record->rss_peak);
    qn_json_int(j, "budget_bytes", (int64_t)record->budget);
    if (!record->is_supervisor) { /* the others' are not known, and its own mean nothing */
        qn_json_int(j, "budget_peak_bytes", (int64_t)record->budget_peak);
        qn_json_int(j, "vm_hwm_bytes", (int64_t)record->vm_hwm);
    }
    qn_json_close(j, '}');
}

static void versions_json(qn_json *j)
{
    struct utsname name;

    qn_json_open(j, "versions", '{');
    qn_json_text(j, "quern", qn_version());
    qn_json_int(j, "record", 1);
    if (uname(&name) == 0) {
        qn_json_text(j, "system", name.sysname);
        qn_json_text(j, "system_release", name.release);
        qn_json_text(j, "machine", name.machine);
    }
    qn_json_close(j, '}');
}

static void process_json(const qn_process *process, qn_json *j)
{
    qn_json_open(j, "host", '{');
    qn_json_text(j, "name", process->host);
    qn_json_text(j, "boot_id", process->boot_id);
    qn_json_int(j, "pid", process->pid);
    qn_json_int(j, "start_ticks", process->start_ticks);
    qn_json_close(j, '}');
}

/* A list that is still growing, as it stands. */
static void list_json(const qn_json *list, const char *key, qn_json *j)
{
    qn_string closed = {0};

    qn_string_add(&closed, qn_string_text(&list->out));
    qn_string_add(&closed, "]");
    qn_json_raw(j, key, qn_string_text(&closed));
    j->out.failed |= closed.failed;
    qn_string_release(&closed);
}

static void tail_json(const qn_record *record, qn_json *j)
{
    char time[40];

    versions_json(j);
    process_json(&record->process, j);
    qn_format_time(record->start_us, time);
    qn_json_text(j, "started", time);
    qn_format_time(record->end_us, time);
    qn_json_text(j, "ended", record->end_us ? time : NULL);
    qn_json_text(j, "status", record->status);
    qn_json_int(j, "exit_code", record->exit_code);
    qn_json_text(j, "error", record->error[0] ? record->error : NULL);
    if (record->attempts.length > 0)
        qn_json_raw(j, "attempts", qn_string_text(&record->attempts));
}

static void build_json(const qn_record *record, qn_json *j)
{
    static const char *const sections[] = {"data",    "counts",  "partitions", "memory",
                                           "storage", "timings", "metrics",    "facts"};

    qn_json_open(j, NULL, '{');
    qn_json_text(j, "run_id", record->id);
    qn_json_text(j, "command", record->command);
    qn_json_raw(j, "parameters", qn_string_text(&record->parameters));
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        qn_tree_json(&record->tree, sections[i], sections[i], j);
    list_json(&record->iterations, "iterations", j);
    list_json(&record->warnings, "warnings", j);
    resources_json(record, j);
    qn_workers_json(&record->workers, "workers", j);
    qn_json_text(j, "kernel_set", record->kernel_set);
    qn_json_text(j, "model_digest", qn_tree_get_text(&record->tree, "model_digest"));
    tail_json(record, j);
    qn_json_close(j, '}');
}

/* Writes the record beside its place and renames it. Returns an errno. Not qn_out_open: sinks call
 * this while the context is locked. */
static int write_record(qn_record *record, bool to_disk)
{
    char beside[RECORD_PATH + 8];
    qn_json j = {0};
    FILE *file;
    int error = 0;

    if (!record->path[0] || record->is_foreign)
        return 0;
    record->last_write = qn_seconds();
    build_json(record, &j);
    qn_string_add(&j.out, "\n");
    snprintf(beside, sizeof beside, "%s.new", record->path);
    errno = 0;
    file = j.out.failed ? NULL : fopen(beside, "we");
    if (!file)
        error = errno ? errno : ENOMEM;
    else {
        if (fwrite(j.out.text, 1, j.out.length, file) != j.out.length || fflush(file) != 0 ||
            (to_disk && fsync(fileno(file)) != 0))
            error = errno ? errno : EIO;
        if (fclose(file) != 0 && !error)
            error = errno;
        if (!error && rename(beside, record->path) != 0)
            error = errno;
        if (error)
            unlink(beside);
    }
    qn_json_release(&j);
    return error;
}

/* "items<TAB>needed rows<TAB>1234\n" a half step, as the step event has them, as
 * "exchange":{"items":{"rows":"needed rows","bytes":1234}}. */
static void exchange_json(const char *text, qn_json *j)
{
    char side[32], rows[32];
    long long bytes;
    int length;

    qn_json_open(j, "exchange", '{');
    while (sscanf(text, "%31[^\t]\t%31[^\t]\t%lld\n%n", side, rows, &bytes, &length) == 3) {
        qn_json_open(j, side, '{');
        qn_json_text(j, "rows", rows);
        qn_json_int(j, "bytes", bytes);
        qn_json_close(j, '}');
        text += length;
    }
    qn_json_close(j, '}');
}

static void on_step(qn_record *record, const qn_event *event)
{
    qn_json *j = &record->iterations;

    if (record->is_restarted) /* those behind the last checkpoint are done anew */
        qn_record_past_cut(j, event->done - 1);
    record->is_restarted = false;
    qn_json_open(j, NULL, '{');
    qn_json_int(j, "iteration", event->done);
    qn_json_real(j, "loss", event->value);
    qn_json_real(j, "seconds", (double)event->duration_us * 1e-6);
    if (event->text)
        exchange_json(event->text, j);
    qn_json_close(j, '}');
    sample(record);
}

static void on_job_end(qn_record *record, const qn_event *event)
{
    char path[QN_TREE_PATH];

    sample(record);
    record->bytes_read += event->bytes_read; /* beyond what its stages have told */
    if (record->open_jobs > 0 && --record->open_jobs > 0)
        return;
    snprintf(path, sizeof path, "timings.%s_s", event->name);
    qn_tree_add_real(&record->tree, path, (double)event->duration_us * 1e-6);
    write_record(record, true);
}

/* Keeps the file of a live run fresh, so that what it held is known if it dies. A failing disk will
 * be told of when the record is closed. */
static void on_worker(qn_record *record, const qn_event *event)
{
    if (!qn_workers_note(&record->workers, event))
        return;
    sample(record);
    if (!record->has_pulse && event->kind == QN_EVENT_WORKER_PEAK && event->parent == 0) {
        record->has_pulse = true; /* limit and size are known: in case it is killed at once */
        write_record(record, false);
    } else if (qn_seconds() - record->last_write > REFRESH_SECONDS)
        write_record(record, false);
}

/* A fact "a.b" goes where it says; "model_digest" stands at the top; others are facts. */
static void on_fact(qn_record *record, const qn_event *event)
{
    const bool is_placed = strchr(event->name, '.') || !strcmp(event->name, "model_digest");
    char path[QN_TREE_PATH];

    snprintf(path, sizeof path, "%s%s", is_placed ? "" : "facts.", event->name);
    qn_tree_text(&record->tree, path, event->text);
}

/* "partitions.users.count" is where it says; other names stand in their kind's section. */
static void place(char path[QN_TREE_PATH], const char *section, const char *name)
{
    const bool is_placed = !strncmp(name, "partitions.", strlen("partitions.")) ||
                           !strncmp(name, "memory.", strlen("memory.")) ||
                           !strncmp(name, "storage.", strlen("storage."));

    snprintf(path, QN_TREE_PATH, "%s%s%s", is_placed ? "" : section, is_placed ? "" : ".", name);
}

static void record_sink(void *user, const qn_event *event)
{
    qn_record *record = user;
    char path[QN_TREE_PATH];

    if (record->end_us)
        return;
    switch (event->kind) {
    case QN_EVENT_JOB_START:
        record->open_jobs++;
        break;
    case QN_EVENT_JOB_END:
        on_job_end(record, event);
        break;
    case QN_EVENT_STEP:
        on_step(record, event);
        break;
    case QN_EVENT_METRIC:
        place(path, "metrics", event->name);
        if (event->text && !strcmp(event->text, "count"))
            qn_tree_int(&record->tree, path, (int64_t)event->value);
        else
            qn_tree_real(&record->tree, path, event->value);
        break;
    case QN_EVENT_COUNT:
        if (!strcmp(event->name, "resumed_iteration"))
            qn_record_past_cut(&record->iterations, event->done);
        place(path, "counts", event->name);
        qn_tree_int(&record->tree, path, event->done);
        record->has_memory |= !strncmp(event->name, "memory.", strlen("memory."));
        break;
    case QN_EVENT_FACT:
        on_fact(record, event);
        break;
    case QN_EVENT_WARNING:
        qn_json_text(&record->warnings, NULL, event->text);
        break;
    case QN_EVENT_STAGE_START:
        record->stage_tasks = event->total;
        if (event->total > record->most_tasks)
            record->most_tasks = event->total;
        break;
    case QN_EVENT_STAGE_END:
        if (event->rank == 0) { /* the others tell of their part of the same stage */
            record->n_stages++;
            record->stage_us += event->duration_us;
            record->shared_us += is_shared(record) ? event->duration_us : 0;
        }
        record->bytes_read += event->bytes_read;
        sample(record);
        break;
    case QN_EVENT_TASK_END:
        record->shared_busy_us += is_shared(record) ? event->duration_us : 0;
        record->n_tasks++;
        break;
    case QN_EVENT_WORKER_ADDED:
    case QN_EVENT_WORKER_PEAK:
        on_worker(record, event);
        break;
    case QN_EVENT_WORKER_LOST: /* what was open is over */
        record->open_jobs = 0;
        record->is_restarted = true;
        qn_tree_drop_arrays(&record->tree);
        record->past = traffic_of(record);
        qn_workers_clear(&record->workers);
        break;
    case QN_EVENT_PROGRESS:
        if (qn_seconds() - record->start > record->total_s + SAMPLE_SECONDS)
            sample(record);
        break;
    default:
        break;
    }
}

/* Tries names until a folder is new; the suffix is from the process and the try, not random. */
static qn_status make_run_dir(qn_context *ctx, qn_record *record, const qn_record_options *options)
{
    const char *prefix = options->prefix ? options->prefix : "run";
    const time_t now = (time_t)(record->start_us / 1000000);
    struct tm civil;
    char stamp[16], dir[RECORD_PATH - 16];
    qn_status st = QN_OK;

    if (options->id) {
        snprintf(record->id, sizeof record->id, "%s", options->id);
        if (options->runs_dir)
            snprintf(record->path, sizeof record->path, "%s/%s/record.json", options->runs_dir,
                     record->id);
        record->is_foreign = true;
        return QN_OK;
    }
    gmtime_r(&now, &civil);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &civil);
    if (options->resumed) { /* of several workers only one writes */
        if (options->runs_dir) {
            snprintf(dir, sizeof dir, "%s/%s", options->runs_dir, record->id);
            QN_TRY(qn_make_dirs(ctx, dir)); /* the checkpoint may be all that is left of it */
            snprintf(record->path, sizeof record->path, "%s/record.json", dir);
        }
        return QN_OK;
    }
    if (options->runs_dir)
        QN_TRY(qn_make_dirs(ctx, options->runs_dir));
    for (int64_t attempt = 0;; attempt++) {
        const uint64_t mixed =
            (uint64_t)(record->process.pid + record->start_us + attempt) * 0x9E3779B97F4A7C15u;

        snprintf(record->id, sizeof record->id, "%.32s-%s-%04x", prefix, stamp,
                 (unsigned)(mixed >> 48));
        if (!options->runs_dir)
            return QN_OK;
        if ((size_t)snprintf(dir, sizeof dir, "%s/%s", options->runs_dir, record->id) >= sizeof dir)
            return qn_fail(ctx, QN_EINVAL, "--runs-dir %s is too long", options->runs_dir);
        if (mkdir(dir, 0777) == 0)
            break;
        if (errno != EEXIST || attempt > 1000)
            return qn_fail_errno(ctx, QN_EIO, errno, "cannot make the folder of the run record, %s",
                                 dir);
    }
    snprintf(record->path, sizeof record->path, "%s/record.json", dir);
done:
    return st;
}

static void record_start(qn_record *record, qn_context *ctx, const qn_record_options *options)
{
    record->ctx = ctx;
    record->start = qn_seconds();
    record->start_us = qn_now_us();
    record->cpu_start = qn_cpu_seconds();
    record->workers_requested = options->workers_requested;
    record->threads_requested = options->threads_requested;
    record->is_supervisor = options->is_supervisor;
    record->threads = qn_context_threads(ctx);
    record->budget = qn_context_memory(ctx);
    qn_process_self(&record->process);
    qn_json_open(&record->iterations, NULL, '[');
    qn_json_open(&record->warnings, NULL, '[');
    qn_string_add(&record->parameters, options->parameters ? options->parameters : "{}");
    snprintf(record->command, sizeof record->command, "%s",
             options->command ? options->command : "");
    snprintf(record->kernel_set, sizeof record->kernel_set, "%s", qn_context_kernels(ctx));
    snprintf(record->status, sizeof record->status, "running");
}

qn_status qn_record_open(qn_context *ctx, const qn_record_options *options, qn_record **record)
{
    qn_status st = QN_OK;
    qn_record *r = NULL;
    int error;

    *record = NULL;
    QN_NEW0(ctx, r, 1, "the run record");
    record_start(r, ctx, options);
    if (options->resumed)
        QN_TRY(qn_record_past(ctx, options->resumed, r->id, &r->iterations.out, &r->attempts));
    r->iterations.need_comma = r->iterations.out.length > 1;
    QN_TRY(make_run_dir(ctx, r, options));
    sample(r);
    error = write_record(r, true);
    if (error) {
        st = qn_fail_errno(ctx, QN_EIO, error,
                           "cannot write the run record %s; give another --runs-dir", r->path);
        goto done;
    }
    QN_TRY(qn_context_add_sink(ctx, record_sink, r));
    *record = r;
    r = NULL;
done:
    qn_record_free(r);
    return st;
}

/* Says where what was seen is not what was asked for: threads that had work and did none, or more
 * cores at work than threads, as when a library starts its own. */
static void warn_of_parallelism(qn_context *ctx, qn_record *record)
{
    double used;
    int32_t threads;

    pthread_mutex_lock(&ctx->lock);
    sample(record);
    used = record->total_s > 0 ? record->cpu_seconds / record->total_s : 0;
    threads = record->threads * n_workers(record);
    pthread_mutex_unlock(&ctx->lock);
    if (record->threads_used > 0 && record->threads_used < record->threads &&
        record->most_tasks >= 2 * (int64_t)record->threads)
        qn_emit_warning(ctx,
                        "%d threads were to work and %d did, on up to %lld tasks: look whether the "
                        "machine is shared or the container allows fewer cores",
                        record->threads, record->threads_used, (long long)record->most_tasks);
    if (record->total_s > 1 && used > 1.1 * (double)threads + 0.2)
        qn_emit_warning(ctx,
                        "%.1f cores were at work where %d threads were to: a library has started "
                        "threads of its own, so times of this run are not those of %d threads",
                        used, threads, threads);
}

qn_status qn_record_close(qn_context *ctx, qn_record *record, qn_status status, int exit_code)
{
    int error;

    warn_of_parallelism(ctx, record);
    pthread_mutex_lock(&ctx->lock); /* no event may come between */
    sample(record);
    qn_tree_real(&record->tree, "timings.total_s", record->total_s);
    if (record->has_memory) {
        qn_tree_int(&record->tree, "memory.spilled_bytes", traffic_of(record).spilled);
        qn_tree_int(&record->tree, "memory.read_bytes", traffic_of(record).read_back);
    }
    record->end_us = qn_now_us();
    record->exit_code = exit_code;
    snprintf(record->status, sizeof record->status, "%s",
             status == QN_OK           ? "ok"
             : status == QN_ECANCELLED ? "cancelled"
                                       : "failed");
    if (status != QN_OK)
        snprintf(record->error, sizeof record->error, "%s", ctx->error);
    error = write_record(record, true);
    record->ctx = NULL;
    pthread_mutex_unlock(&ctx->lock);
    if (error)
        return qn_fail_errno(ctx, QN_EIO, error, "cannot write the run record %s", record->path);
    return QN_OK;
}

void qn_record_free(qn_record *record)
{
    if (!record)
        return;
    qn_tree_release(&record->tree);
    qn_workers_release(&record->workers);
    qn_string_release(&record->parameters);
    qn_string_release(&record->attempts);
    qn_json_release(&record->iterations);
    qn_json_release(&record->warnings);
    qn_free(record);
}

const char *qn_record_id(const qn_record *record)
{
    return record->id;
}

const char *qn_record_path(const qn_record *record)
{
    return record->path[0] ? record->path : NULL;
}

qn_status qn_record_json(qn_context *ctx, qn_record *record, qn_string *out)
{
    qn_json j = {0};

    build_json(record, &j);
    if (j.out.failed || qn_tree_failed(&record->tree)) {
        qn_json_release(&j);
        return qn_fail(ctx, QN_ENOMEM, "not enough memory for the run record");
    }
    qn_string_release(out);
    *out = j.out; /* ownership has moved */
    return QN_OK;
}
