#include "lifecycle/upsert.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "lifecycle/upsert_impl.h"

#define MIN_PILE ((size_t)4 << 20)
#define CHUNK    512 /* rows that are sorted to their sides at once */

/* ---- reading ---- */

static qn_status keep_out(qn_delivery *d, qn_delivery_side *state, const qn_rating_row *row,
                          int64_t n)
{
    qn_status st = QN_OK;

    atomic_fetch_add(&state->known_rows, n);
    for (int64_t i = 0; i < n && d->rejects && st == QN_OK; i++)
        st = qn_rejects_file_duplicate(d->rejects, &row[i], &row[i]);
    return st;
}

static qn_status give(qn_delivery *d, int32_t side, int32_t thread, const qn_rating_row *row,
                      int64_t n)
{
    qn_delivery_side *state = &d->state[side];

    if (state->known)
        return keep_out(d, state, row, n);
    return qn_row_pile_add(d->ctx, state->pile, thread, row, n);
}

/* A qn_rating_input_rows. */
static qn_status take_rows(void *arg, int32_t thread, const qn_rating_row *row, int64_t n)
{
    qn_delivery *d = arg;
    qn_status st = QN_OK;

    if (!d->spec.choose)
        return give(d, 0, thread, row, n);
    for (int64_t first = 0; first < n && st == QN_OK; first += CHUNK) {
        const int64_t end = n < first + CHUNK ? n : first + CHUNK;
        qn_rating_row side_row[2][CHUNK];
        int64_t count[2] = {0};

        for (int64_t i = first; i < end; i++) {
            const int32_t side = d->spec.choose(d->spec.choose_arg, &row[i]);

            side_row[side][count[side]++] = row[i];
        }
        for (int32_t side = 0; side < 2 && st == QN_OK; side++)
            if (count[side] > 0)
                st = give(d, side, thread, side_row[side], count[side]);
    }
    return st;
}

/* Half of what is left of the budget, shared by the sides; sorting and coding take the rest. */
static qn_status open_piles(qn_delivery *d)
{
    const size_t limit = qn_budget_limit(d->ctx->budget), used = qn_budget_used(d->ctx->budget);
    const size_t share = (limit > used ? limit - used : 0) / 2 / (size_t)d->n_sides;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < d->n_sides && st == QN_OK; i++) {
        const qn_dataset_writer *writer = &d->state[i].writer;

        if (!d->state[i].known)
            st = qn_row_pile_create(
                d->ctx, writer->next.partition_by, share > MIN_PILE ? share : MIN_PILE,
                d->ctx->scratch_dir ? d->ctx->scratch_dir : writer->staging, &d->state[i].pile);
    }
    return st;
}

static qn_status check_counts(const qn_delivery *d)
{
    const qn_rating_input_counts *c = &d->counts;
    const int64_t bad = c->rows_read - c->rows_delivered;
    const int64_t allowed = d->options->max_bad_rows;
    char shown[32];

    qn_format_count(bad, shown);
    if (allowed >= 0 && bad > allowed)
        return qn_fail(d->ctx, QN_EDATA,
                       "%s bad %s, --max-bad-rows allows %lld: nothing was changed\n"
                       "the first: %s",
                       shown, bad == 1 ? "row" : "rows", (long long)allowed, c->first);
    if (c->rows_read > 0 && c->rows_delivered == 0)
        return qn_fail(d->ctx, QN_EDATA,
                       "none of %s rows can be used: nothing was changed\nthe first: %s", shown,
                       c->first);
    if (c->rows_read == 0 && d->n_sides == 1 && d->side[0].is_new)
        return qn_fail(d->ctx, QN_EDATA, "there is no row in %s: nothing was made",
                       d->input_options.input.item[0]);
    return QN_OK;
}

/* What the rows have shown: rows of a side, and whether ratings are whole numbers. */
static qn_status settle(qn_delivery *d)
{
    for (int32_t i = 0; i < d->n_sides; i++) {
        qn_delivery_side *state = &d->state[i];
        qn_dataset_columns *columns = &state->writer.next.columns;
        const int32_t *part;
        int64_t n;
        qn_status st;

        if (d->side[i].is_new)
            columns->rating_is_double |= d->counts.has_fraction;
        d->side[i].rows = atomic_load(&state->known_rows);
        if (state->known)
            continue;
        st = qn_row_pile_close(d->ctx, state->pile, &part, &n);
        if (st != QN_OK)
            return st;
        d->side[i].rows = qn_row_pile_rows(state->pile);
        d->bytes_spilled += qn_row_pile_spilled(state->pile);
        d->side[i].skipped = d->side[i].is_new && d->side[i].rows == 0;
    }
    return QN_OK;
}

qn_status qn_delivery_read(qn_delivery *d, qn_rejects_file *rejects)
{
    const double start = qn_seconds();
    bool whole = false;
    qn_status st = QN_OK;

    if (d->nothing)
        return QN_OK;
    d->rejects = rejects;
    for (int32_t i = 0; i < d->n_sides; i++)
        whole |= !d->side[i].is_new && !d->state[i].writer.next.columns.rating_is_double;
    QN_TRY(open_piles(d));
    QN_TRY(qn_rating_input_read(d->ctx, d->input, whole, rejects, take_rows, d, &d->counts));
    QN_TRY(settle(d));
    QN_TRY(check_counts(d));
    d->read_s = qn_seconds() - start;
done:
    return st;
}

/* ---- writing ---- */

/* A qn_row_dropped. */
static qn_status drop_row(void *arg, const qn_rating_row *row, const qn_rating_row *winner)
{
    qn_delivery_side *state = arg;
    qn_delivery *d = state->delivery;
    qn_rating_row shown = *row;

    if (row->origin & QN_ORIGIN_STORED)
        atomic_fetch_add(&state->dropped_old, 1);
    else
        atomic_fetch_add(&state->dropped_new, 1);
    if (!d->rejects)
        return QN_OK;
    if (row->origin & QN_ORIGIN_STORED) /* files of both sides are numbered behind one another */
        shown.origin += qn_row_origin(state->first_file, 0);
    return qn_rejects_file_duplicate(d->rejects, &shown, winner);
}

/* Every row that came has gone somewhere, and nothing came from nowhere. */
static qn_status check_side(qn_context *ctx, const qn_upsert_side *side)
{
    if (side->rows == side->rows_written + side->rows_duplicate &&
        side->rows_after == side->rows_before + side->rows_written - side->rows_replaced)
        return QN_OK;
    return qn_fail(ctx, QN_EINTERNAL,
                   "%s: rows do not add up: %lld came, %lld written, %lld duplicate, %lld "
                   "replaced; %lld before, %lld after: nothing was changed",
                   side->path, (long long)side->rows, (long long)side->rows_written,
                   (long long)side->rows_duplicate, (long long)side->rows_replaced,
                   (long long)side->rows_before, (long long)side->rows_after);
}

static qn_status note_change(qn_delivery *d, int32_t i)
{
    const qn_upsert_side *side = &d->side[i];
    const int64_t *dropped = d->counts.dropped;
    const bool alone = d->n_sides == 1; /* else no row that is bad belongs to a side */
    qn_dataset_manifest *next = &d->state[i].writer.next;
    qn_dataset_change change = {
        .generation = d->state[i].writer.generation,
        .time = qn_now_us() / 1000000,
        .command = (char *)d->spec.command,
        .rows_read = alone ? d->counts.rows_read : side->rows,
        .rows_malformed = alone ? dropped[QN_DROP_MALFORMED] : 0,
        .rows_null = alone ? dropped[QN_DROP_NULL] : 0,
        .rows_out_of_range = alone ? dropped[QN_DROP_RANGE] : 0,
        .rows_duplicate = side->rows_duplicate,
        .rows_before = side->rows_before,
        .rows_after = side->rows_after,
        .files_written = side->files_written,
        .files_linked = side->files_linked,
    };
    qn_status st = QN_OK;

    for (int64_t t = 0; t < d->n_taken; t++) {
        qn_dataset_taken taken;
        char name[QN_TAKEN_NAME];

        if (!d->is_fresh[t])
            continue;
        qn_delivery_entry(d, i, t, &taken, name);
        taken.generation = change.generation;
        QN_TRY(qn_dataset_add_taken(d->ctx, next, &taken));
    }
    QN_TRY(qn_dataset_add_change(d->ctx, next, &change));
done:
    return st;
}

static qn_status write_side(qn_delivery *d, int32_t i)
{
    qn_delivery_side *state = &d->state[i];
    qn_upsert_side *side = &d->side[i];
    const qn_rows_rule rule = {
        .on_duplicate = state->writer.next.on_duplicate, .dropped = drop_row, .arg = state};
    qn_rows_written written = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_rows_write_generation(d->ctx, &state->writer, state->pile, &rule,
                                    state->writer.kind == QN_DATASET_PLAIN, false, &written));
    qn_row_pile_free(state->pile);
    state->pile = NULL;
    side->rows_duplicate = atomic_load(&state->dropped_new);
    side->rows_replaced = atomic_load(&state->dropped_old);
    side->rows_written = side->rows - side->rows_duplicate;
    side->rows_before = side->adopted ? written.rows_old : qn_dataset_rows(&state->writer.old);
    side->rows_after = qn_dataset_rows(&state->writer.next);
    side->parts_written = written.parts_written;
    side->files_written = written.files_written;
    side->files_linked = written.files_linked;
    side->rows_unusable = written.rows_null;
    QN_TRY(check_side(d->ctx, side));
    QN_TRY(note_change(d, i));
    state->is_staged = true;
done:
    return st;
}

/* The files of all sides behind one another, as drop_row numbers them. */
static qn_status all_files(qn_delivery *d, qn_dataset_manifest *all)
{
    qn_status st = QN_OK;

    for (int32_t i = 0; i < d->n_sides; i++) {
        const qn_dataset_manifest *old = &d->state[i].writer.old;

        for (int64_t f = 0; f < old->n_files; f++) {
            qn_dataset_file file = old->file[f];
            qn_string path = {0};

            qn_string_addf(&path, "%s/%s", d->side[i].path, file.path);
            file.path = (char *)qn_string_text(&path);
            st = qn_dataset_add_file(d->ctx, all, &file);
            qn_string_release(&path);
            if (st != QN_OK)
                return st;
        }
    }
    return st;
}

static qn_status tell_rejects(qn_delivery *d)
{
    qn_dataset_manifest all = {0};
    qn_status st = all_files(d, &all);

    if (st == QN_OK)
        st = qn_rejects_file_section(d->ctx, d->rejects, d->input, &all);
    qn_dataset_manifest_release(&all);
    return st;
}

qn_status qn_delivery_write(qn_delivery *d)
{
    const double start = qn_seconds();
    qn_status st = QN_OK;

    if (d->nothing)
        return QN_OK;
    for (int32_t i = 0; i < d->n_sides; i++) {
        qn_upsert_side *side = &d->side[i];

        if (d->state[i].known)
            side->rows_duplicate = side->rows;
        else if (!side->skipped && d->counts.rows_read > 0)
            QN_TRY(write_side(d, i));
    }
    if (d->rejects)
        QN_TRY(tell_rejects(d));
    d->write_s = qn_seconds() - start;
done:
    return st;
}

qn_status qn_delivery_commit(qn_delivery *d)
{
    const double start = qn_seconds();

    for (int32_t i = 0; i < d->n_sides && !d->options->dry_run; i++) {
        qn_status st;

        if (!d->state[i].is_staged)
            continue;
        st = qn_dataset_write_commit(&d->state[i].writer, QN_KEPT_GENERATIONS);
        if (st != QN_OK)
            return st;
        d->side[i].generation = d->state[i].writer.generation;
        d->state[i].is_committed = true;
    }
    d->commit_s = qn_seconds() - start;
    return QN_OK;
}

/* ---- the whole ---- */

void qn_delivery_result(const qn_delivery *d, qn_upsert_result *result)
{
    *result = (qn_upsert_result){.input = d->counts,
                                 .files_known = d->n_taken,
                                 .read_s = d->read_s,
                                 .write_s = d->write_s,
                                 .commit_s = d->commit_s,
                                 .bytes_spilled = d->bytes_spilled};
    for (int64_t t = 0; t < d->n_taken; t++) {
        result->files_taken += d->is_fresh[t];
        result->files_known -= d->is_fresh[t];
    }
    for (int32_t i = 0; i < d->n_sides; i++) {
        result->rows_written += d->side[i].rows_written;
        result->rows_duplicate += d->side[i].rows_duplicate;
    }
}

static qn_status check_delivery(const qn_delivery *d)
{
    qn_upsert_result r;
    int64_t told;

    qn_delivery_result(d, &r);
    told = r.rows_written + r.rows_duplicate + r.input.dropped[QN_DROP_MALFORMED] +
           r.input.dropped[QN_DROP_NULL] + r.input.dropped[QN_DROP_RANGE];
    if (told == r.input.rows_read)
        return QN_OK;
    return qn_fail(d->ctx, QN_EINTERNAL,
                   "rows do not add up: %lld read, %lld written or told: nothing was changed",
                   (long long)r.input.rows_read, (long long)told);
}

static void emit_result(const qn_delivery *d)
{
    qn_upsert_result r;

    qn_delivery_result(d, &r);
    for (int64_t i = 0; i < d->spec.input->input.n; i++)
        qn_emit_fact(d->ctx, "data.files[]", d->spec.input->input.item[i]);
    for (int32_t i = 0; i < d->n_sides; i++) {
        char name[64];

        snprintf(name, sizeof name, "%s%sgeneration", d->side[i].name ? d->side[i].name : "",
                 d->side[i].name ? "_" : "");
        qn_emit_count(d->ctx, name, d->side[i].generation);
    }
    if (r.files_known > 0)
        qn_emit_count(d->ctx, "files_known", r.files_known);
}

/* Counts of all deliveries of the command, under the names of other commands' counts. */
static void emit_counts(qn_context *ctx, qn_delivery *const *delivery, int32_t n)
{
    qn_upsert_result sum = {0};

    for (int32_t i = 0; i < n; i++) {
        qn_upsert_result r;

        qn_delivery_result(delivery[i], &r);
        emit_result(delivery[i]);
        qn_upsert_result_add(&sum, &r);
    }
    qn_emit_count(ctx, "rows", sum.input.rows_read);
    qn_emit_count(ctx, "bytes", sum.input.bytes);
    qn_emit_count(ctx, "rows_written", sum.rows_written);
    qn_emit_count(ctx, "rows_malformed", sum.input.dropped[QN_DROP_MALFORMED]);
    qn_emit_count(ctx, "rows_null", sum.input.dropped[QN_DROP_NULL]);
    qn_emit_count(ctx, "rows_out_of_range", sum.input.dropped[QN_DROP_RANGE]);
    qn_emit_count(ctx, "duplicates", sum.rows_duplicate);
}

typedef qn_status delivery_step(qn_delivery *delivery, qn_rejects_file *rejects);

static qn_status step_read(qn_delivery *delivery, qn_rejects_file *rejects)
{
    return qn_delivery_read(delivery, rejects);
}

static qn_status step_write(qn_delivery *delivery, qn_rejects_file *rejects)
{
    const qn_status st = qn_delivery_write(delivery);

    (void)rejects;
    return st == QN_OK ? check_delivery(delivery) : st;
}

static qn_status step_commit(qn_delivery *delivery, qn_rejects_file *rejects)
{
    (void)rejects;
    return qn_delivery_commit(delivery);
}

/* One step of one delivery as a stage of the job. */
static qn_status run_stage(qn_context *ctx, const qn_span *job, const char *name,
                           delivery_step *step, qn_delivery *delivery, qn_rejects_file *rejects)
{
    const qn_span span = qn_stage_start(ctx, job, name, 1);
    const qn_status st = step(delivery, rejects);
    const qn_event totals = {.rows = delivery->counts.rows_read,
                             .bytes_read = delivery->counts.bytes,
                             .bytes_spilled = delivery->bytes_spilled};

    qn_span_end(ctx, &span, st, &totals);
    return st;
}

qn_status qn_deliveries_run(qn_context *ctx, const qn_span *job, qn_delivery *const *delivery,
                            int32_t n, const qn_upsert_options *options)
{
    const bool had_rejects = options->rejects && qn_path_exists(options->rejects);
    qn_rejects_file *rejects = NULL;
    bool told = false;
    qn_status st = QN_OK;

    if (options->rejects)
        QN_TRY(qn_rejects_file_create(ctx, options->rejects, options->overwrite, &rejects));
    for (int32_t i = 0; i < n; i++) {
        QN_TRY(run_stage(ctx, job, "read", step_read, delivery[i], rejects));
        QN_TRY(run_stage(ctx, job, "sort and write", step_write, delivery[i], rejects));
    }
    if (rejects) {
        QN_TRY(qn_rejects_file_commit(ctx, &rejects));
        told = true;
    }
    for (int32_t i = 0; i < n; i++)
        QN_TRY(run_stage(ctx, job, "commit", step_commit, delivery[i], NULL));
    emit_counts(ctx, delivery, n);
done:
    qn_rejects_file_abandon(&rejects);
    if (st != QN_OK && told && !had_rejects && !qn_delivery_any_committed(delivery, n))
        unlink(options->rejects);
    return st;
}

qn_status qn_data_upsert_run(qn_context *ctx, const char *into,
                             const qn_rating_input_options *input, const qn_rules_options *rules,
                             const qn_upsert_options *options, qn_data_upsert_result *result)
{
    const qn_delivery_spec spec = {.command = "data upsert", .input = input, .options = options};
    const qn_span job = qn_job_start(ctx, "upsert");
    const double start = qn_seconds();
    qn_delivery *delivery = NULL;
    qn_status st = QN_OK;

    *result = (qn_data_upsert_result){.side = {.path = into, .rules = *rules}};
    QN_TRY(qn_delivery_open(ctx, &spec, &result->side, 1, &delivery));
    QN_TRY(qn_deliveries_run(ctx, &job, &delivery, 1, options));
    qn_delivery_result(delivery, &result->upsert);
    result->total_s = qn_seconds() - start;
done:
    qn_delivery_close(delivery);
    qn_span_end(ctx, &job, st, NULL);
    return st;
}
