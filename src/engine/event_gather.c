#include "engine/event_gather.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "engine/comm.h"
#include "engine/event_line.h"

#define MAX_WARNINGS 256 /* different ones that a run tells */

struct qn_event_gather_box {
    qn_context *ctx;
    qn_string lines; /* kept since the last hand-over; ranks but 0 */
    int64_t n_dropped;
    bool is_handing_over;           /* rank 0 is emitting what others kept */
    uint64_t warning[MAX_WARNINGS]; /* told by rank 0, so that ranks in accord are heard once */
    int32_t n_warnings;
};

/* What every rank tells alike, or what only matters at once. */
static bool is_rank_zeros(qn_event_kind kind)
{
    switch (kind) {
    case QN_EVENT_RUN_START:
    case QN_EVENT_RUN_END:
    case QN_EVENT_JOB_START:
    case QN_EVENT_JOB_END:
    case QN_EVENT_STAGE_START:
    case QN_EVENT_PROGRESS:
    case QN_EVENT_STEP:
    case QN_EVENT_METRIC:
    case QN_EVENT_COUNT:
    case QN_EVENT_FACT:
        return true;
    default:
        return false;
    }
}

/* Notes a warning; false: it was there already. */
static bool warning_is_new(qn_event_gather_box *box, const char *text)
{
    const uint64_t hash = text ? XXH3_64bits(text, strlen(text)) : 0;

    for (int32_t i = 0; i < box->n_warnings; i++)
        if (box->warning[i] == hash)
            return false;
    if (box->n_warnings < MAX_WARNINGS)
        box->warning[box->n_warnings++] = hash;
    return true;
}

static void gather_sink(void *user, const qn_event *event)
{
    qn_event_gather_box *box = user;
    qn_event mine = *event;

    if (qn_rank(box->ctx) == 0) {
        if (event->kind == QN_EVENT_WARNING && !box->is_handing_over)
            warning_is_new(box, event->text);
        return;
    }
    if (is_rank_zeros(event->kind))
        return;
    if (box->lines.length > QN_EVENT_GATHER_BYTES || box->lines.failed) {
        box->n_dropped++;
        return;
    }
    mine.rank = qn_rank(box->ctx);
    qn_event_line_add(&box->lines, &mine);
}

qn_status qn_event_gather_open(qn_context *ctx, qn_event_gather_box **box)
{
    qn_status st = QN_OK;
    qn_event_gather_box *b = NULL;

    *box = NULL;
    QN_NEW0(ctx, b, 1, "the events of a worker");
    b->ctx = ctx;
    QN_TRY(qn_context_add_sink(ctx, gather_sink, b));
    *box = b;
    b = NULL;
done:
    qn_free(b);
    return st;
}

void qn_event_gather_free(qn_event_gather_box *box)
{
    if (!box)
        return;
    qn_string_release(&box->lines);
    qn_free(box);
}

static qn_event_gather_box *find_box(const qn_context *ctx)
{
    for (int32_t i = 0; i < ctx->n_sinks; i++)
        if (ctx->sink[i] == gather_sink)
            return ctx->sink_user[i];
    return NULL;
}

/* The lines of all ranks, emitted here. */
static void emit_lines(qn_context *ctx, qn_event_gather_box *box, const char *lines, size_t n)
{
    box->is_handing_over = true;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(lines + at, '\n', n - at);
        const size_t length = end ? (size_t)(end - lines) - at : n - at;
        qn_event event;
        json_t *held = NULL;

        if (qn_event_line_parse(lines + at, length, &event, &held) &&
            (event.kind != QN_EVENT_WARNING || warning_is_new(box, event.text)))
            qn_emit(ctx, &event);
        json_decref(held);
        at += length + 1;
    }
    box->is_handing_over = false;
}

/* Takes what this rank kept, with a word on what it could not keep. */
static void take_lines(qn_context *ctx, qn_event_gather_box *box, qn_string *mine)
{
    pthread_mutex_lock(&ctx->lock);
    *mine = box->lines;
    box->lines = (qn_string){0};
    if (box->n_dropped > 0) {
        char text[160];

        snprintf(text, sizeof text,
                 "%lld events of worker %d came too fast to be kept: its tasks are not all shown",
                 (long long)box->n_dropped, (int)qn_rank(ctx));
        qn_event_line_add(mine, &(qn_event){.kind = QN_EVENT_WARNING,
                                            .rank = qn_rank(ctx),
                                            .time_us = qn_now_us(),
                                            .text = text});
        box->n_dropped = 0;
    }
    pthread_mutex_unlock(&ctx->lock);
}

qn_status qn_event_gather(qn_context *ctx)
{
    qn_event_gather_box *box = find_box(ctx);
    const int32_t size = qn_size(ctx);
    size_t to[QN_MAX_RANKS] = {0}, from[QN_MAX_RANKS], eight[QN_MAX_RANKS];
    qn_status st = QN_OK;
    qn_string mine = {0};
    size_t total = 0;
    char *all = NULL;

    if (!box)
        return QN_OK;
    take_lines(ctx, box, &mine);
    for (int32_t r = 0; r < size; r++)
        eight[r] = sizeof mine.length;
    QN_TRY(qn_comm_allgatherv(ctx, &mine.length, sizeof mine.length, from, eight));
    for (int32_t r = 0; r < size; r++)
        total += from[r];
    if (total == 0)
        goto done;
    if (qn_rank(ctx) != 0)
        memset(from, 0, sizeof from);
    QN_TRY_ALL(qn_rank(ctx) == 0
                   ? qn_alloc_array(ctx, (void **)&all, (int64_t)total, 1, "events of all workers")
                   : QN_OK);
    to[0] = mine.length;
    QN_TRY(qn_comm_exchange(ctx, mine.text, to, all, from));
    if (qn_rank(ctx) == 0)
        emit_lines(ctx, box, all, total);
done:
    qn_free(all);
    qn_string_release(&mine);
    return st;
}

qn_status qn_stage_end(qn_context *ctx, const qn_span *stage, qn_status status,
                       const qn_event *totals)
{
    qn_status st = status;

    if (qn_rank(ctx) != 0)
        qn_span_end(ctx, stage, st, totals);
    if (st == QN_OK)
        st = qn_event_gather(ctx);
    if (qn_rank(ctx) == 0)
        qn_span_end(ctx, stage, st, totals);
    return st;
}
