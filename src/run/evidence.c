#include "run/evidence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "run/spark_log.h"

#define MB           (1.0 / (double)(1 << 20))
#define RECORD_BYTES 32
#define ALS_FACTOR   3
#define LOG_LIMIT    ((size_t)4 << 30)

/* ---- while it is replayed ---- */

typedef struct replay {
    qn_evidence *e;
    int64_t n_fitted; /* jobs "fit" that have ended */
    int64_t most_bytes;
} replay;

static void data_totals(const qn_log_data *data, int64_t worker, int64_t *n, qn_log_block *total)
{
    *n = 0;
    *total = (qn_log_block){0};
    for (int64_t p = 0; p < data->n_partitions; p++) {
        const qn_log_block *block = &data->block[p];

        if (block->worker < 0 || (worker >= 0 && block->worker != worker))
            continue;
        *n += 1;
        total->records += block->records;
        total->memory += block->memory;
        total->disk += block->disk;
    }
}

/* "0", "1-20": the job's stages, whose ids ascend. */
static void stages_text(const qn_log_view *view, int64_t job, qn_string *out)
{
    int64_t first = -1, last = -2;

    for (int64_t s = 0; s <= view->n_stages; s++) {
        const qn_log_stage *stage = s < view->n_stages ? &view->stage[s] : NULL;

        if (stage && (stage->job != job || stage->attempt > 0))
            continue;
        if (stage && stage->id == last + 1) {
            last++;
            continue;
        }
        if (first >= 0 && last > first)
            qn_string_addf(out, "%lld-%lld%s", (long long)first, (long long)last,
                           stage ? ", " : "");
        else if (first >= 0)
            qn_string_addf(out, "%lld%s", (long long)first, stage ? ", " : "");
        first = last = stage ? stage->id : -1;
    }
}

static void job_line(const qn_log_view *view, int64_t job, qn_string *out)
{
    qn_string_addf(out, "  Job %lld (%s): %s, stages [", (long long)view->job[job].id,
                   view->job[job].name, qn_log_status_name(view->job[job].status));
    stages_text(view, job, out);
    qn_string_add(out, "]\n");
}

static void add_storage(qn_string *out, const qn_log_view *view)
{
    qn_string_add(out, "Storage:\n");
    for (int64_t d = 0; d < view->n_data; d++) {
        qn_log_block total;
        int64_t n;

        data_totals(&view->data[d], -1, &n, &total);
        qn_string_addf(out, "  RDD %lld (%s): %lld partitions, memory %.2f MB, disk %.2f MB\n",
                       (long long)view->data[d].id, view->data[d].name, (long long)n,
                       (double)total.memory * MB, (double)total.disk * MB);
    }
}

static void set_phase(qn_string *out, const qn_log_view *view, const char *phase)
{
    int64_t active = 0;

    qn_string_clear(out);
    for (int64_t j = 0; j < view->n_jobs; j++)
        active += view->job[j].status == QN_LOG_RUNNING;
    qn_string_addf(out, "\nSPARK UI EVIDENCE – %s\nActive jobs: %lld\n", phase, (long long)active);
    for (int64_t j = 0; j < view->n_jobs && j < 5; j++)
        job_line(view, j, out);
}

static void place_text(const char *name, const char *where, int64_t n, const qn_log_block *total,
                       qn_string *out)
{
    char records[32];

    qn_format_count(total->records, records);
    qn_string_addf(
        out, "  %-24s %-12s %5lld partitions %15s records %11.2f MB in memory %11.2f MB on disk\n",
        name, where, (long long)n, records, (double)total->memory * MB, (double)total->disk * MB);
}

static void place_json(int64_t n, const qn_log_block *total, qn_json *j)
{
    qn_json_int(j, "partitions", n);
    qn_json_int(j, "records", total->records);
    qn_json_int(j, "memory_bytes", total->memory);
    qn_json_int(j, "disk_bytes", total->disk);
}

/* Storage as it stands: each data set, and each worker's part of it. */
static void add_places(const qn_log_view *view, qn_string *text, qn_json *j)
{
    qn_json_open(j, NULL, '[');
    for (int64_t d = 0; d < view->n_data; d++) {
        const qn_log_data *data = &view->data[d];
        qn_log_block total;
        int64_t n;

        data_totals(data, -1, &n, &total);
        place_text(data->name, "all workers", n, &total, text);
        qn_json_open(j, NULL, '{');
        qn_json_text(j, "name", data->name);
        place_json(n, &total, j);
        qn_json_open(j, "workers", '[');
        for (int64_t w = 0; w < view->n_workers; w++) {
            char where[32];

            data_totals(data, w, &n, &total);
            if (n == 0)
                continue;
            snprintf(where, sizeof where, "executor %lld", (long long)view->worker[w].executor);
            place_text("", where, n, &total, text);
            qn_json_open(j, NULL, '{');
            qn_json_int(j, "executor", view->worker[w].executor);
            place_json(n, &total, j);
            qn_json_close(j, '}');
        }
        qn_json_close(j, ']');
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void note_places(const qn_log_view *view, qn_string *text, qn_json *j)
{
    qn_string_clear(text);
    qn_json_release(j);
    add_places(view, text, j);
}

static void partition_statistics(const qn_log_data *data, qn_partition_statistics *out)
{
    double squares = 0, mean;

    *out = (qn_partition_statistics){0};
    for (int64_t p = 0; p < data->n_partitions; p++) {
        const int64_t records = data->block[p].records;

        if (data->block[p].worker < 0)
            continue;
        if (out->n == 0 || records < out->least)
            out->least = records;
        if (records > out->greatest)
            out->greatest = records;
        out->records += records;
        out->n++;
    }
    mean = out->n > 0 ? (double)out->records / (double)out->n : 0;
    for (int64_t p = 0; p < data->n_partitions; p++)
        if (data->block[p].worker >= 0)
            squares +=
                ((double)data->block[p].records - mean) * ((double)data->block[p].records - mean);
    out->deviation = out->n > 0 ? sqrt(squares / (double)out->n) : 0;
    out->skew = mean > 0 ? (double)out->greatest / mean : 0;
}

/* The most that data sets took at once, and how they lay then. */
static void note_storage(replay *r, const qn_log_view *view)
{
    qn_log_block all = {0}, total;
    int64_t n;

    for (int64_t d = 0; d < view->n_data; d++) {
        data_totals(&view->data[d], -1, &n, &total);
        all.memory += total.memory;
        all.disk += total.disk;
    }
    if (all.memory + all.disk <= r->most_bytes)
        return;
    r->most_bytes = all.memory + all.disk;
    r->e->memory.memory_mb = (double)all.memory * MB;
    r->e->memory.disk_mb = (double)all.disk * MB;
    note_places(view, &r->e->places, &r->e->storage);
    if (view->n_data > 0) {
        r->e->data = 0;
        partition_statistics(&view->data[0], &r->e->partitions);
    }
}

static int64_t n_ended(const qn_log_view *view, const char *name)
{
    int64_t n = 0;

    for (int64_t j = 0; j < view->n_jobs; j++)
        n += !strcmp(view->job[j].name, name) && view->job[j].end_ms > 0;
    return n;
}

/* Before training: its first stage has been begun, its data sets are known, no task runs. */
static void after_line(void *arg, const qn_log_view *view)
{
    replay *r = arg;
    qn_string *phase = r->e->phase;
    const qn_log_job *last = view->n_jobs > 0 ? &view->job[view->n_jobs - 1] : NULL;

    if (phase[0].length == 0 && n_ended(view, "load") > 0)
        set_phase(&phase[0], view, "After Data Loading");
    if (phase[1].length == 0 && view->n_tasks > 0 && last && !strcmp(last->name, "fit")) {
        /* A log tells of data sets with the first stage behind the one that made them. */
        if (phase[0].length > 0)
            add_storage(&phase[0], view);
        set_phase(&phase[1], view, "Before ALS Training");
        add_storage(&phase[1], view);
    }
    if (n_ended(view, "fit") > r->n_fitted) { /* a run that was resumed has several */
        r->n_fitted++;
        set_phase(&phase[2], view, "After ALS Training");
        add_storage(&phase[2], view);
    }
    if (view->n_tasks > r->e->parallelism.tasks_at_once)
        r->e->parallelism.tasks_at_once = view->n_tasks;
    if (view->is_block)
        note_storage(r, view);
}

/* ---- at the end ---- */

static void finish_memory(qn_evidence *e)
{
    qn_memory_evidence *m = &e->memory;
    const double spilled = (double)e->bytes_spilled * MB;

    for (int64_t w = 0; w < e->view.n_workers; w++) {
        const double limit = (double)e->view.worker[w].memory * MB;

        if (limit > 0 && (m->limit_mb == 0 || limit < m->limit_mb))
            m->limit_mb = limit;
    }
    m->records = e->partitions.records;
    m->raw_mb = (double)m->records * RECORD_BYTES * MB;
    m->als_mb = ALS_FACTOR * m->raw_mb;
    m->spilled_mb = spilled;
    m->factor = m->raw_mb > 0 ? (m->memory_mb + m->disk_mb) / m->raw_mb : 0;
    m->is_pressed = m->limit_mb > 0 && m->als_mb > m->limit_mb;
}

static void finish_parallelism(qn_evidence *e)
{
    qn_parallelism *p = &e->parallelism;
    int64_t run = 0, wall = 0, most = 0;

    for (int64_t s = 0; s < e->view.n_stages; s++) {
        const qn_log_stage *stage = &e->view.stage[s];

        e->bytes_moved += stage->bytes_moved;
        e->bytes_spilled += stage->bytes_spilled;
        e->bytes_read += stage->bytes_read;
        if (stage->n_tasks < 2 || stage->end_ms <= stage->start_ms)
            continue;
        run += stage->run_ms;
        wall += stage->end_ms - stage->start_ms;
    }
    for (int64_t w = 0; w < e->view.n_workers; w++) {
        most += e->view.worker[w].is_live;
        p->cores += e->view.worker[w].is_live ? e->view.worker[w].cores : 0;
    }
    p->workers = most;
    p->observed = wall > 0 ? (double)run / (double)wall : 0;
}

qn_status qn_evidence_read(qn_context *ctx, const char *text, size_t length, qn_evidence *evidence)
{
    replay r = {.e = evidence};
    qn_string at_end = {0};
    qn_status st;

    *evidence = (qn_evidence){.data = -1};
    st = qn_log_view_read(ctx, &evidence->view, text, length, after_line, &r);
    note_places(&evidence->view, &at_end, &evidence->kept);
    qn_string_release(&at_end);
    if (evidence->phase[0].length > 0 && evidence->phase[1].length == 0)
        add_storage(&evidence->phase[0], &evidence->view);
    finish_parallelism(evidence);
    finish_memory(evidence);
    if (st != QN_OK)
        qn_evidence_release(evidence);
    return st;
}

qn_status qn_evidence_of_run(qn_context *ctx, const char *runs_dir, const char *run_id,
                             qn_evidence *evidence)
{
    qn_status st = QN_OK;
    qn_string path = {0};
    char *text = NULL;
    size_t length;

    *evidence = (qn_evidence){.data = -1};
    qn_string_addf(&path, "%s/%s/%s.inprogress", runs_dir, QN_SPARK_LOG_FOLDER, run_id);
    if (!qn_path_exists(qn_string_text(&path))) {
        qn_string_clear(&path);
        qn_string_addf(&path, "%s/%s/%s", runs_dir, QN_SPARK_LOG_FOLDER, run_id);
    }
    QN_TRY(qn_read_file(ctx, qn_string_text(&path), LOG_LIMIT, &text, &length));
    st = qn_evidence_read(ctx, text, length, evidence);
    if (st != QN_OK)
        st = qn_fail_prefix(ctx, st, "%s", qn_string_text(&path));
done:
    qn_free(text);
    qn_string_release(&path);
    return st;
}

void qn_evidence_release(qn_evidence *evidence)
{
    qn_log_view_release(&evidence->view);
    for (int32_t i = 0; i < 3; i++)
        qn_string_release(&evidence->phase[i]);
    qn_string_release(&evidence->places);
    qn_json_release(&evidence->storage);
    qn_json_release(&evidence->kept);
}
