/* Measures the points of a sweep one after another and keeps each run as soon as it is done. */
#include "experiment/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "experiment/sweep_impl.h"

#define KEPT_LIMIT  ((size_t)64 << 20)
#define OWN_WORDS   13 /* that are added to the command, and NULL */
#define NAME_BYTES  4400
#define SWEEP_FILE  "sweep.json"
#define POINTS_DIR  "points"
#define RESULT_FILE "results.json"
#define TABLE_FILE  "sweep.csv"

typedef struct sweep_job {
    qn_context *ctx;
    const qn_sweep_options *options;
    const qn_sweep_command *command;
    qn_sweep_result *result;
    int lock; /* open folder, held by a lock; -1: nothing is kept */
    int64_t *order;
    const char **word; /* of a run's command line */
    int64_t n_done;    /* of this sweep and the one it resumes */
} sweep_job;

/* ---- the folder ---- */

static void path_in(const sweep_job *job, const char *name, char path[NAME_BYTES])
{
    snprintf(path, NAME_BYTES, "%s/%s", job->result->dir, name);
}

static void path_of_run(const sweep_job *job, const qn_sweep_run *run, char path[NAME_BYTES])
{
    snprintf(path, NAME_BYTES, "%s/" POINTS_DIR "/%s-r%d.json", job->result->dir,
             job->result->point[run->point].name, (int)run->repeat);
}

static qn_status write_file(qn_context *ctx, const char *path, const qn_string *text)
{
    qn_out_file *out = NULL;
    qn_status st = QN_OK;

    if (text->failed)
        return qn_fail(ctx, QN_ENOMEM, "not enough memory for %s", path);
    QN_TRY(qn_out_open(ctx, path, true, &out));
    QN_TRY(qn_out_write(out, qn_string_text(text), text->length));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    return st;
}

/* What is measured: the words that all runs have in common. */
static void describe(const sweep_job *job, qn_string *text)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_int(&j, "sweep", 1);
    qn_json_open(&j, "command", '[');
    for (int64_t i = 1; i < job->command->n; i++)
        qn_json_text(&j, NULL, job->command->word[i]);
    qn_json_close(&j, ']');
    qn_json_open(&j, "points", '[');
    for (int64_t i = 0; i < job->result->n_points; i++)
        qn_json_text(&j, NULL, job->result->point[i].name);
    qn_json_close(&j, ']');
    qn_json_int(&j, "repeats", job->options->repeats);
    qn_json_int(&j, "order_seed", job->options->order_seed);
    qn_json_close(&j, '}');
    qn_string_add(&j.out, "\n");
    qn_string_release(text);
    *text = j.out; /* ownership has moved */
}

/* Points may be added to a sweep that is resumed; the command must be the same. */
static qn_status compare_command(const sweep_job *job, const char *path, const json_t *kept)
{
    const json_t *words = json_object_get(kept, "command");

    if (!json_is_array(words))
        return qn_fail(job->ctx, QN_EDATA, "%s does not describe a sweep: give another --out",
                       path);
    for (int64_t i = 1; i < job->command->n || (size_t)(i - 1) < json_array_size(words); i++) {
        const char *there = json_string_value(json_array_get(words, (size_t)(i - 1)));
        const char *here = i < job->command->n ? job->command->word[i] : NULL;

        if (!there || !here || strcmp(there, here) != 0)
            return qn_fail(job->ctx, QN_EINVAL,
                           "%s is a sweep of other options (%s there, %s here): resume it with "
                           "the same ones, or give another --out",
                           job->result->dir, there ? there : "nothing", here ? here : "nothing");
    }
    return QN_OK;
}

static qn_status check_kept(const sweep_job *job, const char *path)
{
    qn_context *ctx = job->ctx;
    char *text = NULL;
    size_t length = 0;
    json_t *kept = NULL;
    qn_status st = QN_OK;

    if (!qn_path_exists(path))
        return QN_OK;
    if (!job->options->resume)
        return qn_fail(ctx, QN_EEXISTS,
                       "%s holds a sweep already: go on with it by --resume, or give another "
                       "--out",
                       job->result->dir);
    QN_TRY(qn_read_file(ctx, path, KEPT_LIMIT, &text, &length));
    kept = json_loadb(text, length, 0, NULL);
    QN_TRY(compare_command(job, path, kept));
done:
    json_decref(kept);
    qn_free(text);
    return st;
}

static qn_status lock_folder(sweep_job *job)
{
    const char *dir = job->result->dir;

    job->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (job->lock < 0)
        return qn_fail_errno(job->ctx, QN_EIO, errno, "cannot open %s", dir);
    if (flock(job->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return qn_fail(job->ctx, QN_EBUSY, "another sweep is at work in %s: wait for its end", dir);
    return QN_OK;
}

static qn_status open_folder(sweep_job *job, const char *dir)
{
    qn_context *ctx = job->ctx;
    qn_sweep_result *r = job->result;
    char path[NAME_BYTES];
    qn_string text = {0};
    qn_status st = QN_OK;

    if (!dir && job->options->resume)
        return qn_fail(ctx, QN_EINVAL,
                       "--resume needs --out, the folder of the sweep to go on with");
    if (!dir)
        return QN_OK;
    if ((size_t)snprintf(r->dir, sizeof r->dir, "%s", dir) >= sizeof r->dir)
        return qn_fail(ctx, QN_EINVAL, "--out %.80s... is too long", dir);
    path_in(job, POINTS_DIR, path);
    QN_TRY(qn_make_dirs(ctx, path));
    QN_TRY(lock_folder(job));
    path_in(job, SWEEP_FILE, path);
    QN_TRY(check_kept(job, path));
    describe(job, &text);
    QN_TRY(write_file(ctx, path, &text));
done:
    qn_string_release(&text);
    return st;
}

/* ---- runs ---- */

static qn_status load_run(sweep_job *job, qn_sweep_run *run)
{
    char path[NAME_BYTES];
    char *text = NULL;
    size_t length = 0;
    qn_status st = QN_OK;

    path_of_run(job, run, path);
    if (!job->result->dir[0] || !qn_path_exists(path))
        return QN_OK;
    QN_TRY(qn_read_file(job->ctx, path, KEPT_LIMIT, &text, &length));
    QN_TRY(sweep_run_parse(job->ctx, path, text, length, &job->result->point[run->point], run));
    run->is_kept = true;
    job->n_done++;
done:
    qn_free(text);
    return st;
}

static qn_status prepare_runs(sweep_job *job)
{
    qn_context *ctx = job->ctx;
    qn_sweep_result *r = job->result;
    const int32_t repeats = job->options->repeats;
    qn_status st = QN_OK;

    QN_NEW0(ctx, r->row, r->n_points, "rows of a sweep");
    QN_NEW0(ctx, r->run, r->n_points * repeats, "runs of a sweep");
    r->n_runs = r->n_points * repeats;
    QN_NEW(ctx, job->order, r->n_runs, "the order of runs");
    QN_NEW0(ctx, job->word, job->command->n + OWN_WORDS, "words of a command");
    sweep_order(job->options->order_seed, r->n_points, repeats, job->order);
    for (int64_t i = 0; i < r->n_runs; i++) {
        qn_sweep_run *run = &r->run[i];

        run->point = i / repeats;
        run->repeat = (int32_t)(i % repeats) + 1;
        run->load_s = run->fit_s = run->evaluate_s = run->total_s = run->quality = NAN;
        run->workers = run->threads = run->cores = run->on_a_host = -1;
        run->spilled_bytes = run->moved_bytes = run->peak_bytes = -1;
        QN_TRY(load_run(job, run));
    }
done:
    return st;
}

/* Texts that the words of a run point to. */
typedef struct own_words {
    char workers[16], partitions[16], runs[NAME_BYTES];
    qn_string hosts;
} own_words;

static void fill_words(sweep_job *job, const qn_sweep_point *point, own_words *own)
{
    int64_t n = job->command->n;

    memcpy(job->word, job->command->word, (size_t)n * sizeof *job->word);
    snprintf(own->workers, sizeof own->workers, "%d", (int)point->workers);
    job->word[n++] = "--workers";
    job->word[n++] = own->workers;
    if (job->options->hosts && sweep_hosts(job->options->hosts, point->workers, &own->hosts)) {
        job->word[n++] = "--hosts";
        job->word[n++] = qn_string_text(&own->hosts);
    }
    if (point->partitions > 0) {
        snprintf(own->partitions, sizeof own->partitions, "%d", (int)point->partitions);
        job->word[n++] = "--partitions";
        job->word[n++] = own->partitions;
    }
    if (point->memory[0]) {
        job->word[n++] = "--memory";
        job->word[n++] = point->memory;
    }
    snprintf(own->runs, sizeof own->runs, "none");
    if (job->result->dir[0])
        path_in(job, "runs", own->runs);
    job->word[n++] = "--runs-dir";
    job->word[n++] = own->runs;
    job->word[n++] = "--json";
    job->word[n] = NULL;
}

/* One run, kept and read back as every later sweep will read it. */
static qn_status measure(sweep_job *job, qn_sweep_run *run)
{
    qn_context *ctx = job->ctx;
    const qn_sweep_point *point = &job->result->point[run->point];
    char path[NAME_BYTES];
    sweep_child child = {0};
    qn_string text = {0};
    own_words own = {0};
    qn_status st = QN_OK;

    fill_words(job, point, &own);
    path_of_run(job, run, path);
    QN_TRY(sweep_child_run(ctx, job->word, job->options->timeout, &child));
    sweep_run_describe(point, run, &child, job->options->timeout, job->word, &text);
    if (job->result->dir[0])
        QN_TRY(write_file(ctx, path, &text));
    QN_TRY(sweep_run_parse(ctx, path, qn_string_text(&text), text.length, point, run));
    if (!run->is_ok)
        qn_emit_warning(ctx, "run %d of %s failed with exit code %d: %s", (int)run->repeat,
                        point->name, (int)run->exit_code, run->error);
done:
    sweep_child_release(&child);
    qn_string_release(&own.hosts);
    qn_string_release(&text);
    return st;
}

static void tell_progress(const sweep_job *job)
{
    const qn_event event = {
        .kind = QN_EVENT_PROGRESS,
        .name = "sweep",
        .done = job->n_done,
        .total = job->result->n_runs,
        .rows = job->n_done,
    };

    qn_emit(job->ctx, &event);
}

static qn_status measure_all(sweep_job *job)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < job->result->n_runs; i++) {
        qn_sweep_run *run = &job->result->run[job->order[i]];

        tell_progress(job);
        QN_TRY(qn_check_cancel(job->ctx));
        if (run->is_done)
            continue;
        QN_TRY(measure(job, run));
        job->n_done++;
    }
    tell_progress(job);
done:
    return st;
}

static qn_status write_tables(sweep_job *job)
{
    qn_context *ctx = job->ctx;
    char path[NAME_BYTES];
    qn_json j = {0};
    qn_string csv = {0};
    qn_status st = QN_OK;

    if (!job->result->dir[0])
        return QN_OK;
    qn_json_open(&j, NULL, '{');
    qn_sweep_json(job->result, &j);
    qn_json_close(&j, '}');
    qn_string_add(&j.out, "\n");
    path_in(job, RESULT_FILE, path);
    QN_TRY(write_file(ctx, path, &j.out));
    qn_sweep_csv(job->result, &csv);
    path_in(job, TABLE_FILE, path);
    QN_TRY(write_file(ctx, path, &csv));
done:
    qn_json_release(&j);
    qn_string_release(&csv);
    return st;
}

/* Before the first run: every point has its places. */
static qn_status check_hosts(const sweep_job *job)
{
    const char *hosts = job->options->hosts;
    qn_string places = {0};
    qn_status st = QN_OK;

    for (int64_t i = 0; hosts && i < job->result->n_points && st == QN_OK; i++)
        if (!sweep_hosts(hosts, job->result->point[i].workers, &places))
            st = qn_fail(job->ctx, QN_EINVAL,
                         "--hosts %s has no places for %d workers: name hosts as HOST or HOST:N",
                         hosts, (int)job->result->point[i].workers);
    qn_string_release(&places);
    return st;
}

static qn_status run_all(sweep_job *job, const char *dir)
{
    qn_context *ctx = job->ctx;
    qn_sweep_result *r = job->result;
    const qn_span span = qn_job_start(ctx, "sweep");
    qn_status st = QN_OK;

    QN_TRY(sweep_points(ctx, job->options, &r->point, &r->n_points));
    QN_TRY(check_hosts(job));
    QN_TRY(open_folder(job, dir));
    QN_TRY(prepare_runs(job));
    QN_TRY(measure_all(job));
    QN_TRY(sweep_summarise(ctx, r));
    QN_TRY(write_tables(job));
done:
    qn_span_end(ctx, &span, st, NULL);
    return st;
}

qn_status qn_sweep_run_all(qn_context *ctx, const qn_sweep_options *options,
                           const qn_sweep_command *command, const char *dir,
                           qn_sweep_result *result)
{
    sweep_job job = {
        .ctx = ctx, .options = options, .command = command, .result = result, .lock = -1};
    qn_status st;

    *result = (qn_sweep_result){0};
    st = run_all(&job, dir);
    if (job.lock >= 0)
        close(job.lock);
    qn_free(job.order);
    qn_free((void *)job.word);
    return st;
}

void qn_sweep_result_release(qn_sweep_result *result)
{
    qn_free(result->point);
    qn_free(result->row);
    qn_free(result->run);
    *result = (qn_sweep_result){0};
}
