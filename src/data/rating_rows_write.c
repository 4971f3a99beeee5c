/* The new generation: which parts change, and the files of those that do. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "data/rating_rows_stream.h"

/* A part, and what the old generation has of it. */
typedef struct part_work {
    int32_t part;
    int64_t old_first, n_old; /* files of writer->old */
    int64_t old_rows, new_rows;
    bool is_written; /* not linked */
} part_work;

typedef struct generation {
    qn_context *ctx;
    qn_dataset_writer *writer;
    const qn_rows_rule *rule;
    qn_row_pile *pile, *adopted, *losing; /* new rows; stored ones that are not in order; latest */
    bool old_is_sorted, all, compact;
    qn_parquet_coder *coder;
    qn_rows_columns columns;
    qn_rows_reader model; /* how old files are read */
    int64_t rows_per_file;
    part_work *work; /* [n_work] ascending by part */
    int64_t n_work;
    int64_t *order; /* [n_order] of those that are written, as they are handed out */
    int64_t n_order;
    pthread_mutex_t lock; /* guards `written` */
    qn_rows_written *written;
} generation;

/* ---- one part ---- */

/* A part on its way into files. */
typedef struct part_out {
    generation *g;
    qn_rows_stream stream;
    qn_rating_row next; /* looked at before its file was opened */
    bool has_next;
    int64_t in_file;
    qn_rows_written written;
} part_out;

static qn_status fail_fraction(qn_context *ctx, const qn_rating_row *row)
{
    char rating[32];

    qn_format_float(row->rating, rating);
    return qn_fail(ctx, QN_EDATA,
                   "user %d rates movie %d with %s, but ratings of this data set are whole numbers",
                   row->user, row->movie, rating);
}

/* Rows into the columns of a file, until it is full. */
static qn_status fill_file(void *arg, int64_t max, void *const *column, int64_t *n)
{
    part_out *out = arg;
    generation *g = out->g;
    const int64_t left = g->rows_per_file - out->in_file;
    const bool is_double = g->columns.column[2].type == QN_PARQUET_DOUBLE;
    int32_t *movie = column[0], *user = column[1];
    int32_t *days = g->columns.n > 3 ? column[3] : NULL;
    int64_t i = 0;
    qn_status st = QN_OK;

    QN_TRY(qn_check_cancel(g->ctx));
    for (max = max < left ? max : left; i < max && out->has_next; i++) {
        const qn_rating_row *row = &out->next;

        movie[i] = row->movie;
        user[i] = row->user;
        if (days)
            days[i] = row->days;
        if (is_double) {
            ((double *)column[2])[i] = qn_rating_as_double(row->rating);
        } else {
            if (!(row->rating >= -2147483648.0F && row->rating < 2147483648.0F) ||
                (float)(int32_t)row->rating != row->rating)
                QN_TRY(fail_fraction(g->ctx, row));
            ((int32_t *)column[2])[i] = (int32_t)row->rating;
        }
        QN_TRY(qn_rows_stream_next(g->ctx, &out->stream, &out->next, &out->has_next));
    }
    out->in_file += i;
    *n = i;
done:
    return st;
}

static qn_status write_files(part_out *out, int32_t part)
{
    generation *g = out->g;
    char *path = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_rows_stream_next(g->ctx, &out->stream, &out->next, &out->has_next));
    for (int64_t number = 0; out->has_next; number++) {
        qn_parquet_file file = {
            .codec = g->writer->next.codec, .column = g->columns.column, .n_columns = g->columns.n};

        QN_TRY(qn_dataset_write_file(g->writer, part, number, &path));
        file.path = path;
        out->in_file = 0;
        QN_TRY(qn_parquet_code(g->ctx, g->coder, &file, fill_file, out));
        QN_TRY(qn_dataset_write_done(g->writer, part, number, path, out->in_file));
        qn_free(path);
        path = NULL;
        out->written.rows_written += out->in_file;
        out->written.files_written++;
    }
done:
    qn_free(path);
    return st;
}

static qn_status old_more(qn_context *ctx, qn_row_cursor *cursor)
{
    int64_t n = 0;
    qn_status st;

    st = qn_rows_reader_next(ctx, cursor->source, &cursor->at, &n);
    cursor->end = cursor->at + n;
    return st;
}

static qn_status add_old(generation *g, const part_work *work, qn_rows_reader *reader,
                         qn_row_merge *merge)
{
    *reader = g->model;
    reader->file = &g->writer->old.file[work->old_first];
    reader->n_files = work->n_old;
    reader->first_number = work->old_first;
    return qn_row_merge_add(g->ctx, merge, &(qn_row_cursor){.more = old_more, .source = reader});
}

static const qn_row_part *find_part(const qn_row_pile *pile, int32_t part)
{
    return pile ? qn_row_pile_find(pile, part) : NULL;
}

static void add_counts(generation *g, const qn_rows_written *part)
{
    qn_rows_written *sum = g->written;

    pthread_mutex_lock(&g->lock);
    sum->rows_old += part->rows_old;
    sum->rows_new += part->rows_new;
    sum->rows_written += part->rows_written;
    sum->rows_dropped += part->rows_dropped;
    sum->rows_removed += part->rows_removed;
    sum->files_written += part->files_written;
    sum->parts_written += part->files_written > 0;
    pthread_mutex_unlock(&g->lock);
}

static qn_status write_part(void *arg, int64_t task, int32_t thread)
{
    generation *g = arg;
    const part_work *work = &g->work[g->order[task]];
    const qn_row_part *fresh = find_part(g->pile, work->part);
    const qn_row_part *adopted = find_part(g->adopted, work->part);
    part_out out = {.g = g, .stream = {.rule = g->rule}};
    qn_row_merge *merge = &out.stream.merge;
    qn_rows_reader reader = {0};
    qn_status st = QN_OK;

    (void)thread;
    QN_TRY(qn_row_merge_add_part(g->ctx, merge, fresh));
    QN_TRY(qn_row_merge_add_part(g->ctx, merge, adopted));
    if (g->old_is_sorted && work->n_old > 0)
        QN_TRY(add_old(g, work, &reader, merge));
    QN_TRY(qn_row_merge_add_part(g->ctx, &out.stream.losing, find_part(g->losing, work->part)));
    QN_TRY(qn_rows_stream_start(g->ctx, &out.stream));
    QN_TRY(write_files(&out, work->part));
    out.written.rows_new = fresh ? fresh->rows : 0;
    out.written.rows_old = reader.rows + (adopted ? adopted->rows : 0);
    out.written.rows_dropped = out.stream.rows_dropped;
    out.written.rows_removed = out.stream.rows_removed;
    add_counts(g, &out.written);
done:
    qn_rows_stream_release(&out.stream);
    qn_rows_reader_release(&reader);
    return st;
}

/* ---- stored rows that are in no order ---- */

static qn_status adopt_file(void *arg, int64_t task, int32_t thread)
{
    generation *g = arg;
    qn_rows_reader reader = g->model;
    qn_status st = QN_OK;

    reader.file = &g->writer->old.file[task];
    reader.n_files = 1;
    reader.first_number = task;
    reader.must_be_sorted = false;
    reader.may_be_null = true;
    for (;;) {
        const qn_rating_row *row;
        int64_t n;

        QN_TRY(qn_rows_reader_next(g->ctx, &reader, &row, &n));
        if (n == 0)
            break;
        QN_TRY(qn_row_pile_add(g->ctx, g->adopted, thread, row, n));
    }
    pthread_mutex_lock(&g->lock);
    g->written->rows_null += reader.rows_null;
    pthread_mutex_unlock(&g->lock);
done:
    qn_rows_reader_release(&reader);
    return st;
}

/* What the caller gave the new rows, else a quarter of the budget. */
static size_t spare_memory(const generation *g)
{
    return g->pile ? qn_row_pile_memory(g->pile) : qn_context_memory(g->ctx) / 4;
}

/* Without a scratch folder the new generation's own will do: files there have no name. */
static const char *scratch_of(const generation *g)
{
    const char *scratch = g->pile ? qn_row_pile_scratch(g->pile) : g->ctx->scratch_dir;

    return scratch ? scratch : g->writer->staging;
}

static qn_status adopt(generation *g)
{
    const int32_t *part;
    int64_t n;
    qn_status st = QN_OK;

    QN_TRY(qn_row_pile_create(g->ctx, g->writer->next.partition_by, spare_memory(g), scratch_of(g),
                              &g->adopted));
    QN_TRY(qn_parallel(g->ctx, g->writer->old.n_files, adopt_file, g));
    QN_TRY(qn_row_pile_close(g->ctx, g->adopted, &part, &n));
done:
    return st;
}

/* ---- which parts ---- */

static int compare_part(const void *a, const void *b)
{
    const int32_t x = ((const part_work *)a)->part, y = ((const part_work *)b)->part;

    return (x > y) - (x < y);
}

static int64_t count_parts(const qn_row_pile *pile)
{
    const int32_t *part;
    int64_t n = 0;

    if (pile)
        qn_row_pile_parts(pile, &part, &n);
    return n;
}

static void put_parts(generation *g, const qn_row_pile *pile, int64_t *n)
{
    const int32_t *part;
    int64_t n_parts = 0;

    if (pile)
        qn_row_pile_parts(pile, &part, &n_parts);
    for (int64_t i = 0; i < n_parts; i++)
        g->work[(*n)++] = (part_work){.part = part[i]};
}

/* Whether the files of a part are what cutting its rows now would give. */
static bool follows_cuts(const generation *g, const part_work *work)
{
    for (int64_t i = 0; i < work->n_old; i++) {
        const int64_t rows = g->writer->old.file[work->old_first + i].rows;

        if (rows > g->rows_per_file || (i + 1 < work->n_old && rows < g->rows_per_file))
            return false;
    }
    return true;
}

static void look_at(generation *g, part_work *work)
{
    const qn_dataset_manifest *old = &g->writer->old;
    const qn_row_pile *const piles[] = {g->pile, g->adopted, g->losing};

    for (size_t i = 0; i < sizeof piles / sizeof *piles; i++) {
        const qn_row_part *part = find_part(piles[i], work->part);

        work->new_rows += part ? part->rows : 0;
    }
    for (int64_t i = 0; g->old_is_sorted && i < old->n_files; i++) {
        if (old->file[i].part != work->part)
            continue;
        if (work->n_old++ == 0)
            work->old_first = i;
        work->old_rows += old->file[i].rows;
    }
    work->is_written = work->new_rows > 0 || g->all || (g->compact && !follows_cuts(g, work));
}

static qn_status list_work(generation *g)
{
    const qn_dataset_manifest *old = &g->writer->old;
    int64_t n = count_parts(g->pile) + count_parts(g->adopted) + count_parts(g->losing) +
                (g->old_is_sorted ? old->n_files : 0);
    qn_status st = QN_OK;

    QN_NEW0(g->ctx, g->work, n, "parts of a data set");
    n = 0;
    put_parts(g, g->pile, &n);
    put_parts(g, g->adopted, &n);
    put_parts(g, g->losing, &n);
    for (int64_t i = 0; g->old_is_sorted && i < old->n_files; i++)
        g->work[n++] = (part_work){.part = old->file[i].part};
    qsort(g->work, (size_t)n, sizeof *g->work, compare_part);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || g->work[i].part != g->work[i - 1].part)
            g->work[g->n_work++] = g->work[i];
    for (int64_t i = 0; i < g->n_work; i++)
        look_at(g, &g->work[i]);
done:
    return st;
}

static int compare_rows(const void *a, const void *b)
{
    const part_work *x = *(const part_work *const *)a, *y = *(const part_work *const *)b;
    const int64_t rows_x = x->old_rows + x->new_rows, rows_y = y->old_rows + y->new_rows;

    return rows_x != rows_y ? (rows_x < rows_y) - (rows_x > rows_y) : compare_part(x, y);
}

/* Parts in the order of their tasks: the largest first, so that no thread ends alone with it; by
 * date where the first duplicate is to be named. */
static qn_status list_order(generation *g)
{
    const part_work **written = NULL;
    qn_status st = QN_OK;

    QN_NEW(g->ctx, written, g->n_work, "parts of a data set");
    QN_NEW(g->ctx, g->order, g->n_work, "parts of a data set");
    for (int64_t i = 0; i < g->n_work; i++)
        if (g->work[i].is_written)
            written[g->n_order++] = &g->work[i];
    if (g->rule->on_duplicate != QN_KEEP_FAIL)
        qsort(written, (size_t)g->n_order, sizeof *written, compare_rows);
    for (int64_t i = 0; i < g->n_order; i++)
        g->order[i] = written[i] - g->work;
done:
    qn_free(written);
    return st;
}

static qn_status link_rest(generation *g)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < g->n_work; i++) {
        const part_work *work = &g->work[i];

        for (int64_t f = 0; !work->is_written && f < work->n_old; f++) {
            QN_TRY(qn_dataset_write_link(g->writer, work->old_first + f));
            g->written->files_linked++;
        }
    }
done:
    return st;
}

static qn_status check_room(generation *g)
{
    const int64_t file_size = g->writer->next.target_file_size;
    int64_t rows = 0;

    for (int64_t i = 0; i < g->n_order; i++)
        rows += g->work[g->order[i]].old_rows + g->work[g->order[i]].new_rows;
    return qn_dataset_write_room(
        g->writer, (int64_t)((double)rows * (double)file_size / (double)g->rows_per_file));
}

/* ---- the whole ---- */

static bool same_columns(const qn_dataset_columns *a, const qn_dataset_columns *b)
{
    return strcmp(a->user, b->user) == 0 && strcmp(a->item, b->item) == 0 &&
           strcmp(a->rating, b->rating) == 0 && strcmp(a->date, b->date) == 0 &&
           a->rating_is_double == b->rating_is_double;
}

static qn_status find_losing(generation *g)
{
    const qn_dataset_manifest *old = &g->writer->old;
    const qn_rows_latest job = {.ctx = g->ctx,
                                .pile = {g->pile, g->adopted},
                                .partition_by = g->writer->next.partition_by,
                                .scratch = scratch_of(g),
                                .memory = spare_memory(g) / 4,
                                .model = g->model,
                                .file = old->file,
                                .n_files = g->old_is_sorted ? old->n_files : 0,
                                .everything = old->on_duplicate != QN_KEEP_LATEST};

    return qn_rows_find_losing(&job, &g->losing);
}

static void generation_init(generation *g)
{
    const qn_dataset_manifest *old = &g->writer->old, *next = &g->writer->next;
    const qn_dataset_columns *names = *old->columns.user ? &old->columns : &next->columns;

    pthread_mutex_init(&g->lock, NULL);
    g->old_is_sorted =
        g->writer->kind == QN_DATASET_OURS && old->partition_by == next->partition_by;
    g->all |=
        old->on_duplicate != g->rule->on_duplicate || !same_columns(&old->columns, &next->columns);
    g->columns = qn_rows_columns_of(&next->columns, false);
    g->rows_per_file = qn_rows_per_file(next->target_file_size, next->codec);
    g->model = (qn_rows_reader){.columns = qn_rows_columns_of(names, true),
                                .folder = g->writer->folder,
                                .origin_bit = QN_ORIGIN_STORED,
                                .must_be_sorted = true};
}

qn_status qn_rows_write_generation(qn_context *ctx, qn_dataset_writer *writer, qn_row_pile *pile,
                                   const qn_rows_rule *rule, bool all, bool compact,
                                   qn_rows_written *written)
{
    generation g = {.ctx = ctx,
                    .writer = writer,
                    .rule = rule,
                    .pile = pile,
                    .all = all,
                    .compact = compact,
                    .written = written};
    qn_status st = QN_OK;

    *written = (qn_rows_written){0};
    generation_init(&g);
    QN_TRY(qn_parquet_coder_open(ctx, &g.coder));
    g.model.coder = g.coder;
    if (!g.old_is_sorted && writer->old.n_files > 0)
        QN_TRY(adopt(&g));
    if (rule->on_duplicate == QN_KEEP_LATEST)
        QN_TRY(find_losing(&g));
    QN_TRY(list_work(&g));
    QN_TRY(list_order(&g));
    QN_TRY(check_room(&g));
    QN_TRY(qn_parallel(ctx, g.n_order, write_part, &g));
    QN_TRY(link_rest(&g));
done:
    qn_row_pile_free(g.adopted);
    qn_row_pile_free(g.losing);
    qn_parquet_coder_close(g.coder);
    qn_free(g.work);
    qn_free(g.order);
    pthread_mutex_destroy(&g.lock);
    return st;
}
