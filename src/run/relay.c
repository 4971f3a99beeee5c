#include "run/relay.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "engine/comm.h"
#include "engine/event_line.h"

#define LINE_LIMIT ((size_t)4 << 20) /* a record that is longer is broken */

struct qn_relay {
    qn_context *ctx; /* NULL once the reader is gone */
    int fd;
    bool only_pulse;
    qn_string line; /* being written */
};

/* One write for a line, so that lines of several writers on one pipe do not mix. */
static void write_line(qn_relay *relay)
{
    const char *at = qn_string_text(&relay->line);
    size_t left = relay->line.failed ? 0 : relay->line.length;

    while (left > 0) {
        const ssize_t n = write(relay->fd, at, left);

        if (n > 0) {
            at += n;
            left -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd out = {.fd = relay->fd, .events = POLLOUT};

            poll(&out, 1, 1000);
        } else if (errno != EINTR) {
            break;
        }
    }
    if (left > 0 && relay->ctx) { /* nobody listens any more: no work is wanted */
        qn_context_cancel(relay->ctx, 0);
        relay->ctx = NULL;
    }
    qn_string_clear(&relay->line);
}

static void relay_sink(void *user, const qn_event *event)
{
    qn_relay *relay = user;
    qn_event mine = *event;

    if (relay->only_pulse && event->kind != QN_EVENT_WORKER_PEAK &&
        event->kind != QN_EVENT_WORKER_ADDED)
        return;
    if (relay->only_pulse && relay->ctx)
        mine.rank = qn_rank(relay->ctx);
    qn_string_add_bytes(&relay->line, &(const char){QN_RELAY_MARK}, 1);
    qn_event_line_add(&relay->line, &mine);
    write_line(relay);
}

qn_status qn_relay_open(qn_context *ctx, int fd, qn_relay **relay)
{
    qn_status st = QN_OK;
    qn_relay *r = NULL;

    *relay = NULL;
    QN_NEW0(ctx, r, 1, "the way of events to the supervisor");
    r->ctx = ctx;
    r->fd = fd;
    r->only_pulse = true;
    QN_TRY(qn_context_add_sink(ctx, relay_sink, r));
    *relay = r;
    r = NULL;
done:
    qn_free(r);
    return st;
}

void qn_relay_all(qn_relay *relay)
{
    relay->only_pulse = false;
}

void qn_relay_end(qn_relay *relay, qn_status status, int exit_code, bool is_loss, const char *error,
                  const char *members)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_open(&j, "end", '{');
    qn_json_int(&j, "status", status);
    qn_json_int(&j, "exit_code", exit_code);
    qn_json_bool(&j, "is_loss", is_loss);
    qn_json_text(&j, "error", error);
    qn_json_text(&j, "members", members);
    qn_json_close(&j, '}');
    qn_json_close(&j, '}');
    qn_string_clear(&relay->line);
    qn_string_add_bytes(&relay->line, &(const char){QN_RELAY_MARK}, 1);
    qn_string_add_bytes(&relay->line, qn_string_text(&j.out), j.out.length);
    qn_string_add(&relay->line, "\n");
    write_line(relay);
    qn_json_release(&j);
}

void qn_relay_free(qn_relay *relay)
{
    if (!relay)
        return;
    close(relay->fd);
    qn_string_release(&relay->line);
    qn_free(relay);
}

/* The last word of rank 0; false if the line is something else. */
static bool take_end(qn_relay_result *result, const qn_string *line)
{
    json_t *object = json_loadb(qn_string_text(line), line->length, 0, NULL);
    const json_t *end = json_object_get(object, "end");
    const json_t *status = json_object_get(end, "status");
    const char *error = json_string_value(json_object_get(end, "error"));
    const char *members = json_string_value(json_object_get(end, "members"));

    if (!json_is_integer(status) || !json_is_integer(json_object_get(end, "exit_code"))) {
        json_decref(object);
        return false;
    }
    if (result->is_told && result->status != QN_OK) { /* others follow the first */
        json_decref(object);
        return true;
    }
    result->is_told = true;
    result->is_loss = json_is_true(json_object_get(end, "is_loss"));
    result->status = (qn_status)json_integer_value(status);
    result->exit_code = (int)json_integer_value(json_object_get(end, "exit_code"));
    snprintf(result->error, sizeof result->error, "%s", error ? error : "");
    qn_string_clear(&result->members);
    qn_string_add(&result->members, members ? members : "");
    json_decref(object);
    return true;
}

static void take_line(qn_context *ctx, qn_relay_reader *reader)
{
    const qn_string *line = &reader->line;
    qn_event event;
    json_t *held = NULL;

    if (qn_event_line_parse(qn_string_text(line), line->length, &event, &held)) {
        qn_emit(ctx, &event);
        reader->n_events++;
    } else if (!take_end(&reader->result, line)) {
        reader->n_broken++;
    }
    json_decref(held);
}

/* The line is whole. One that it stood in goes on: launchers forward in pieces, so a short line of
 * one worker may come in the middle of a long one of another. */
static void end_line(qn_context *ctx, qn_relay_reader *reader)
{
    take_line(ctx, reader);
    qn_string_clear(&reader->line);
    reader->in_line = reader->in_outer;
    if (reader->in_outer)
        qn_string_add_bytes(&reader->line, qn_string_text(&reader->outer), reader->outer.length);
    qn_string_clear(&reader->outer);
    reader->in_outer = false;
}

static void begin_line(qn_relay_reader *reader)
{
    if (reader->in_line && !reader->in_outer) {
        qn_string_add_bytes(&reader->outer, qn_string_text(&reader->line), reader->line.length);
        reader->in_outer = true;
    } else if (reader->in_line) {
        reader->n_broken++;
    }
    qn_string_clear(&reader->line);
    reader->in_line = true;
}

/* Up to `n` bytes of a record that has begun; returns how many it took. */
static size_t read_line(qn_context *ctx, qn_relay_reader *reader, const char *bytes, size_t n)
{
    size_t take = 0;

    while (take < n && bytes[take] != '\n' && bytes[take] != QN_RELAY_MARK)
        take++;
    qn_string_add_bytes(&reader->line, bytes, take);
    if (reader->line.length > LINE_LIMIT || reader->line.failed) {
        qn_string_release(&reader->line);
        reader->in_line = false;
        reader->n_broken++;
    } else if (take < n && bytes[take] == '\n') {
        end_line(ctx, reader);
        take++;
    }
    return take;
}

void qn_relay_read(qn_context *ctx, qn_relay_reader *reader, const char *bytes, size_t n)
{
    while (n > 0) {
        size_t take = 0;

        if (bytes[0] == QN_RELAY_MARK) {
            begin_line(reader);
            take = 1;
        } else if (reader->in_line) {
            take = read_line(ctx, reader, bytes, n);
        } else {
            const char *mark = memchr(bytes, QN_RELAY_MARK, n);

            take = mark ? (size_t)(mark - bytes) : n;
            if (reader->pass)
                reader->pass(reader->user, bytes, take);
        }
        bytes += take;
        n -= take;
    }
}

void qn_relay_reader_release(qn_relay_reader *reader)
{
    qn_string_release(&reader->outer);
    qn_string_release(&reader->line);
    qn_string_release(&reader->result.members);
}
