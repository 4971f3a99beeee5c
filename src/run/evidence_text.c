/* Evidence as blocks of text and as JSON. */
#include <math.h>

#include "run/evidence.h"

static void partitions_text(const qn_evidence *e, qn_string *out)
{
    const qn_partition_statistics *p = &e->partitions;
    const qn_log_data *data = &e->view.data[e->data];
    char count[32];

    qn_string_addf(out, "\nPARTITION STATISTICS (%lld executors)\n",
                   (long long)e->parallelism.workers);
    qn_format_count(p->records, count);
    qn_string_addf(out, "Data set: %s\nTotal Partitions: %lld\nTotal Records: %s\n", data->name,
                   (long long)p->n, count);
    for (int64_t i = 0; i < data->n_partitions; i++) {
        if (data->block[i].worker < 0)
            continue;
        qn_format_count(data->block[i].records, count);
        qn_string_addf(out, "  Partition %lld: %s records\n", (long long)i, count);
    }
    qn_format_count(p->least, count);
    qn_string_addf(out, "Min: %s\n", count);
    qn_format_count(p->greatest, count);
    qn_string_addf(out, "Max: %s\n", count);
    qn_format_count(p->n > 0 ? p->records / p->n : 0, count);
    qn_string_addf(out, "Avg: %s\n", count);
    qn_string_addf(out, "Spread: %.1f (standard deviation)\nSkew: %.3f (largest over mean)\n",
                   p->deviation, p->skew);
}

static void memory_text(const qn_evidence *e, qn_string *out)
{
    const qn_memory_evidence *m = &e->memory;
    char count[32];

    qn_format_count(m->records, count);
    qn_string_addf(out,
                   "\nMEMORY PRESSURE ANALYSIS\nMemory limit: %.2f MB (of each worker)\n"
                   "Records: %s\nRaw data: %.2f MB (estimated, 32 bytes a record)\n"
                   "ALS: %.2f MB (estimated, multiplier 3)\n",
                   m->limit_mb, count, m->raw_mb, m->als_mb);
    qn_string_addf(out,
                   "Measured: %.2f MB in memory, %.2f MB on disk, %.2f MB spilled; factor %.2f of "
                   "the raw data\n",
                   m->memory_mb, m->disk_mb, m->spilled_mb, m->factor);
    if (m->is_pressed)
        qn_string_addf(out,
                       "*** MEMORY PRESSURE DETECTED ***\n"
                       "Dataset requires %.1fx available memory\n"
                       "Spark will need to spill to disk!\n",
                       m->als_mb / m->limit_mb);
}

static void parallelism_text(const qn_evidence *e, qn_string *out)
{
    const qn_parallelism *p = &e->parallelism;

    qn_string_addf(out, "\nPARALLELISM\nRequested: %lld workers, %lld cores\n",
                   (long long)p->workers, (long long)p->cores);
    if (p->observed > 0)
        qn_string_addf(out, "Observed: %.2f tasks at once on average, %lld at most\n", p->observed,
                       (long long)p->tasks_at_once);
    else
        qn_string_add(out, "Observed: one task at a time, as no stage had several\n");
    qn_string_addf(out, "Bytes: %lld read, %lld moved, %lld spilled\n", (long long)e->bytes_read,
                   (long long)e->bytes_moved, (long long)e->bytes_spilled);
    for (int64_t w = 0; w < e->view.n_workers; w++) {
        const qn_log_worker *worker = &e->view.worker[w];
        char limit[32], peak[32];

        qn_format_bytes((double)worker->memory, limit);
        qn_format_bytes((double)worker->peak_bytes, peak);
        qn_string_addf(out, "  Executor %lld on %s%s: %lld cores, limit %s, peak %s\n",
                       (long long)worker->executor, worker->host, worker->is_live ? "" : " (lost)",
                       (long long)worker->cores, limit, peak);
    }
}

void qn_evidence_text(const qn_evidence *e, qn_string *out)
{
    if (e->data >= 0) {
        partitions_text(e, out);
        memory_text(e, out);
        qn_string_add(out, "\nSTORAGE\n");
        qn_string_add(out, qn_string_text(&e->places));
    }
    parallelism_text(e, out);
    for (int32_t i = 0; i < 3; i++) {
        qn_string_add(out, qn_string_text(&e->phase[i]));
        out->failed |= e->phase[i].failed;
    }
    out->failed |= e->places.failed;
}

static void jobs_json(const qn_log_view *view, qn_json *j)
{
    qn_json_open(j, "jobs", '[');
    for (int64_t i = 0; i < view->n_jobs; i++) {
        const qn_log_job *job = &view->job[i];

        qn_json_open(j, NULL, '{');
        qn_json_int(j, "id", job->id);
        qn_json_text(j, "name", job->name);
        qn_json_text(j, "status", qn_log_status_name(job->status));
        qn_json_int(j, "start_ms", job->start_ms);
        qn_json_int(j, "end_ms", job->end_ms);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
    qn_json_open(j, "stages", '[');
    for (int64_t i = 0; i < view->n_stages; i++) {
        const qn_log_stage *stage = &view->stage[i];

        qn_json_open(j, NULL, '{');
        qn_json_int(j, "id", stage->id);
        qn_json_int(j, "attempt", stage->attempt);
        qn_json_int(j, "job", stage->job >= 0 ? view->job[stage->job].id : -1);
        qn_json_text(j, "name", stage->name);
        qn_json_text(j, "status", qn_log_status_name(stage->status));
        qn_json_int(j, "tasks", stage->n_tasks);
        qn_json_int(j, "done", stage->done);
        qn_json_int(j, "failed", stage->failed);
        qn_json_int(j, "killed", stage->killed);
        qn_json_int(j, "run_ms", stage->run_ms);
        qn_json_int(j, "records", stage->records);
        qn_json_int(j, "read_bytes", stage->bytes_read);
        qn_json_int(j, "moved_bytes", stage->bytes_moved);
        qn_json_int(j, "spilled_bytes", stage->bytes_spilled);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void workers_json(const qn_log_view *view, qn_json *j)
{
    qn_json_open(j, "workers", '[');
    for (int64_t w = 0; w < view->n_workers; w++) {
        const qn_log_worker *worker = &view->worker[w];

        qn_json_open(j, NULL, '{');
        qn_json_int(j, "executor", worker->executor);
        qn_json_text(j, "host", worker->host);
        qn_json_int(j, "cores", worker->cores);
        qn_json_int(j, "limit_bytes", worker->memory);
        qn_json_int(j, "peak_bytes", worker->peak_bytes);
        qn_json_bool(j, "is_live", worker->is_live);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

static void partitions_json(const qn_evidence *e, qn_json *j)
{
    const qn_partition_statistics *p = &e->partitions;
    const qn_log_data *data = &e->view.data[e->data];

    qn_json_open(j, "partition_statistics", '{');
    qn_json_text(j, "data", data->name);
    qn_json_int(j, "partitions", p->n);
    qn_json_int(j, "records", p->records);
    qn_json_open(j, "counts", '[');
    for (int64_t i = 0; i < data->n_partitions; i++)
        qn_json_int(j, NULL, data->block[i].records);
    qn_json_close(j, ']');
    qn_json_int(j, "min", p->least);
    qn_json_int(j, "max", p->greatest);
    qn_json_int(j, "avg", p->n > 0 ? p->records / p->n : 0);
    qn_json_real(j, "spread", p->deviation);
    qn_json_real(j, "skew", p->skew);
    qn_json_close(j, '}');
}

static void memory_json(const qn_memory_evidence *m, qn_json *j)
{
    qn_json_open(j, "memory_pressure", '{');
    qn_json_real(j, "limit_mb", m->limit_mb);
    qn_json_int(j, "records", m->records);
    qn_json_real(j, "raw_mb", m->raw_mb);
    qn_json_real(j, "als_mb", m->als_mb);
    qn_json_int(j, "als_factor_multiplier", 3);
    qn_json_bool(j, "is_pressed", m->is_pressed);
    qn_json_real(j, "ratio", m->limit_mb > 0 ? m->als_mb / m->limit_mb : NAN);
    qn_json_real(j, "measured_memory_mb", m->memory_mb);
    qn_json_real(j, "measured_disk_mb", m->disk_mb);
    qn_json_real(j, "measured_spilled_mb", m->spilled_mb);
    qn_json_real(j, "measured_factor", m->factor);
    qn_json_close(j, '}');
}

void qn_evidence_json(const qn_evidence *e, qn_json *j)
{
    jobs_json(&e->view, j);
    workers_json(&e->view, j);
    if (e->data >= 0) {
        partitions_json(e, j);
        memory_json(&e->memory, j);
        qn_json_raw(j, "storage", qn_string_text(&e->storage.out));
    }
    qn_json_raw(j, "kept", qn_string_text(&e->kept.out));
    qn_json_open(j, "parallelism", '{');
    qn_json_int(j, "requested_workers", e->parallelism.workers);
    qn_json_int(j, "requested_cores", e->parallelism.cores);
    qn_json_real(j, "observed", e->parallelism.observed);
    qn_json_int(j, "tasks_at_once", e->parallelism.tasks_at_once);
    qn_json_int(j, "read_bytes", e->bytes_read);
    qn_json_int(j, "moved_bytes", e->bytes_moved);
    qn_json_int(j, "spilled_bytes", e->bytes_spilled);
    qn_json_close(j, '}');
    j->out.failed |= e->storage.out.failed;
}
