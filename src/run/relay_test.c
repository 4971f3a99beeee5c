/* Events on their way from the workers to the supervisor: as lines, over ranks, in pieces. */
#include "check.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>

#include "engine/comm.h"
#include "engine/event_gather.h"
#include "engine/event_line.h"
#include "run/relay.h"

static int set_up(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    return qn_context_create(&(qn_context_options){.threads = 1}, (qn_context **)state) != QN_OK;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

/* An event with every field set to a number of its own. */
static qn_event full_event(int kind)
{
    return (qn_event){
        .kind = (qn_event_kind)kind,
        .status = QN_EIO,
        .rank = 3,
        .thread = 2,
        .time_us = 1763698530123456,
        .name = "users \"1\"\n",
        .text = "caf\xc3\xa9 \x1e tab\t",
        .id = 11,
        .parent = 12,
        .done = -13,
        .total = INT64_MAX,
        .rows = 15,
        .duration_us = 16,
        .bytes_read = 17,
        .bytes_moved = 18,
        .bytes_spilled = 19,
        .value = 0.1,
        .memory_bytes = 20,
        .disk_bytes = 21,
    };
}

static void check_same(const qn_event *a, const qn_event *b)
{
    qn_event x = *a, y = *b;

    CHECK((x.name == NULL) == (y.name == NULL));
    CHECK((x.text == NULL) == (y.text == NULL));
    if (x.name)
        CHECK_TEXT(x.name, y.name);
    if (x.text)
        CHECK_TEXT(x.text, y.text);
    CHECK(x.value == y.value || (isnan(x.value) && isnan(y.value)));
    x.name = x.text = y.name = y.text = NULL;
    x.value = y.value = 0;
    assert_memory_equal(&x, &y, sizeof x);
}

static void check_round_trip(const qn_event *event)
{
    qn_string line = {0};
    json_t *held = NULL;
    qn_event back;

    qn_event_line_add(&line, event);
    CHECK_EQ(strcspn(line.text, "\n"), line.length - 1);
    assert_null(memchr(line.text, QN_RELAY_MARK, line.length));
    CHECK(qn_event_line_parse(line.text, line.length, &back, &held));
    check_same(event, &back);
    json_decref(held);
    qn_string_release(&line);
}

static void an_event_of_every_kind_comes_back_as_it_was(void **state)
{
    static const double values[] = {0, -0.0, 1.5e300, -1, INFINITY, -INFINITY, NAN};
    int n_kinds = 0;

    (void)state;
#define COUNT_KIND(name, text) n_kinds++;
    QN_EVENT_LIST(COUNT_KIND)
#undef COUNT_KIND
    for (int kind = 0; kind < n_kinds; kind++) {
        const qn_event full = full_event(kind), empty = {.kind = (qn_event_kind)kind};

        check_round_trip(&full);
        check_round_trip(&empty);
    }
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check_round_trip(&(qn_event){.kind = QN_EVENT_STEP, .value = values[i]});
}

static void what_is_no_event_is_refused(void **state)
{
    static const char *const lines[] = {
        "", "{", "[]", "{}", "{\"kind\":3}", "{\"kind\":\"nothing\"}", "null", "taskEnd"};
    qn_event event;
    json_t *held = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        CHECK(!qn_event_line_parse(lines[i], strlen(lines[i]), &event, &held));
        assert_null(held);
    }
}

/* What a supervisor saw. */
typedef struct seen {
    qn_string events; /* lines */
    qn_string passed;
} seen;

static void see_event(void *user, const qn_event *event)
{
    qn_event plain = *event;

    plain.time_us = 0;
    qn_event_line_add(&((seen *)user)->events, &plain);
}

static void see_bytes(void *user, const char *bytes, size_t n)
{
    qn_string_add_bytes(&((seen *)user)->passed, bytes, n);
}

/* What a worker writes: results, events, the end. */
static void write_run(qn_context *ctx, int fd)
{
    qn_context *worker = NULL;
    qn_relay *relay = NULL;

    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &worker), QN_OK);
    CHECK_OK(ctx, qn_relay_open(worker, dup(fd), &relay));
    qn_relay_all(relay);
    qn_emit_count(worker, "rows", 5);
    CHECK(write(fd, "model  rank", 11) == 11); /* half a line of the result */
    qn_emit_fact(worker, "data.format", "csv");
    CHECK(write(fd, " 10\n", 4) == 4);
    qn_emit(worker, &(qn_event){.kind = QN_EVENT_TASK_END, .id = 4, .rank = 2});
    qn_relay_end(relay, QN_EDATA, 4, false, "x.csv line 2: \"a\" is no number\nlook there",
                 "\"a\":1");
    qn_context_free(worker);
    qn_relay_free(relay);
}

static void check_run(const seen *s, const qn_relay_reader *reader)
{
    CHECK_TEXT(qn_string_text(&s->passed), "model  rank 10\n");
    CHECK_TEXT(qn_string_text(&s->events),
               "{\"kind\":\"count\",\"name\":\"rows\",\"done\":5}\n"
               "{\"kind\":\"fact\",\"name\":\"data.format\",\"text\":\"csv\"}\n"
               "{\"kind\":\"taskEnd\",\"rank\":2,\"id\":4}\n");
    CHECK(reader->result.is_told);
    CHECK_EQ(reader->result.status, QN_EDATA);
    CHECK_EQ(reader->result.exit_code, 4);
    CHECK_TEXT(reader->result.error, "x.csv line 2: \"a\" is no number\nlook there");
    CHECK_TEXT(qn_string_text(&reader->result.members), "\"a\":1");
    CHECK_EQ(reader->n_events, 3);
    CHECK_EQ(reader->n_broken, 0);
}

static void a_run_is_read_in_pieces_of_any_size(void **state)
{
    qn_context *ctx = *state;
    char bytes[4096];
    int fd[2];
    ssize_t n;

    CHECK_EQ(pipe(fd), 0);
    write_run(ctx, fd[1]);
    close(fd[1]);
    n = read(fd[0], bytes, sizeof bytes);
    CHECK(n > 0 && n < (ssize_t)sizeof bytes);
    close(fd[0]);
    for (size_t piece = 1; piece <= (size_t)n; piece += piece < 9 ? 1 : 37) {
        seen s = {0};
        qn_relay_reader reader = {.pass = see_bytes, .user = &s};
        qn_context *supervisor = NULL;

        CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &supervisor), QN_OK);
        CHECK_OK(supervisor, qn_context_add_sink(supervisor, see_event, &s));
        for (size_t at = 0; at < (size_t)n; at += piece)
            qn_relay_read(supervisor, &reader, bytes + at,
                          at + piece < (size_t)n ? piece : (size_t)n - at);
        check_run(&s, &reader);
        qn_relay_reader_release(&reader);
        qn_context_free(supervisor);
        qn_string_release(&s.events);
        qn_string_release(&s.passed);
    }
}

static void a_sign_of_life_may_come_in_the_middle_of_a_line(void **state)
{
    static const char bytes[] =
        "\x1e{\"kind\":\"count\",\"na\x1e{\"kind\":\"workerPeak\",\"rank\":1}\n"
        "me\":\"rows\",\"done\":7}\nresult\n";
    qn_context *ctx = NULL;
    seen s = {0};
    qn_relay_reader reader = {.pass = see_bytes, .user = &s};

    (void)state;
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &ctx), QN_OK);
    CHECK_OK(ctx, qn_context_add_sink(ctx, see_event, &s));
    qn_relay_read(ctx, &reader, bytes, sizeof bytes - 1);
    CHECK_TEXT(qn_string_text(&s.events), "{\"kind\":\"workerPeak\",\"rank\":1}\n"
                                          "{\"kind\":\"count\",\"name\":\"rows\",\"done\":7}\n");
    CHECK_TEXT(qn_string_text(&s.passed), "result\n");
    CHECK_EQ(reader.n_broken, 0);
    qn_relay_reader_release(&reader);
    qn_context_free(ctx);
    qn_string_release(&s.events);
    qn_string_release(&s.passed);
}

/* Deterministic damage: whatever comes, nothing but whole events gets through. */
static void broken_lines_are_counted_and_harm_nothing(void **state)
{
    static const char good[] = "\x1e{\"kind\":\"count\",\"name\":\"rows\",\"done\":7}\n";
    qn_context *ctx = *state;
    uint64_t mixed = 1;

    for (int round = 0; round < 2000; round++) {
        seen s = {0};
        qn_relay_reader reader = {.pass = see_bytes, .user = &s};
        char bytes[3 * sizeof good];
        size_t n = 0;

        for (int copy = 0; copy < 3; copy++) {
            memcpy(bytes + n, good, sizeof good - 1);
            n += sizeof good - 1;
        }
        for (int hit = 0; hit < 3; hit++) {
            static const char damage[] = "\x1e\n{}\",\\x\xff\0";

            mixed = mixed * 6364136223846793005u + 1442695040888963407u;
            bytes[(mixed >> 33) % n] = damage[(mixed >> 20) % sizeof damage];
        }
        qn_relay_read(ctx, &reader, bytes, n);
        qn_relay_read(ctx, &reader, "\n", 1);
        CHECK(reader.n_events <= 3);
        CHECK(reader.n_events + reader.n_broken <= 12);
        CHECK(!reader.result.is_told);
        qn_relay_reader_release(&reader);
        qn_string_release(&s.passed);
    }
}

static void a_reader_that_is_gone_stops_the_work(void **state)
{
    qn_context *worker = NULL;
    qn_relay *relay = NULL;
    int fd[2];

    (void)state;
    CHECK_EQ(pipe(fd), 0);
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 1}, &worker), QN_OK);
    CHECK_OK(worker, qn_relay_open(worker, dup(fd[1]), &relay));
    qn_relay_all(relay);
    close(fd[0]);
    CHECK_OK(worker, qn_check_cancel(worker));
    qn_emit_count(worker, "rows", 5);
    CHECK_EQ(qn_check_cancel(worker), QN_ECANCELLED);
    qn_context_free(worker);
    qn_relay_free(relay);
    close(fd[1]);
}

/* --- over ranks --- */

#define RANKS 3

typedef struct gathered {
    seen rank0;
    pthread_mutex_t lock;
} gathered;

static qn_status two_stages(qn_context *ctx, void *arg)
{
    gathered *g = arg;
    qn_event_gather_box *box = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_event_gather_open(ctx, &box));
    if (qn_rank(ctx) == 0)
        QN_TRY(qn_context_add_sink(ctx, see_event, &g->rank0));
    for (int s = 0; s < 2; s++) {
        const qn_span stage = qn_stage_start(ctx, NULL, "pass", RANKS);

        qn_emit_count(ctx, "rows", 5); /* alike on all ranks: told once */
        qn_emit_warning(ctx, "the same");
        if (qn_rank(ctx) == 2)
            qn_emit_warning(ctx, "of worker 2");
        qn_emit(ctx,
                &(qn_event){.kind = QN_EVENT_TASK_END, .id = qn_rank(ctx), .parent = stage.id});
        QN_TRY(qn_stage_end(ctx, &stage, QN_OK, NULL));
    }
done:
    ctx->n_sinks = 0; /* the context outlives the box */
    qn_event_gather_free(box);
    return st;
}

static int count_text(const char *text, const char *what)
{
    int n = 0;

    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

static void events_of_all_ranks_come_to_rank_0_before_the_stage_ends(void **state)
{
    gathered g = {0};
    const char *events, *last;

    CHECK_OK(*state, qn_run_thread_ranks(*state, RANKS, two_stages, &g));
    events = qn_string_text(&g.rank0.events);
    CHECK_EQ(count_text(events, "\"taskEnd\""), 2 * RANKS);
    CHECK_EQ(count_text(events, "\"stageEnd\""), 2 * RANKS);
    CHECK_EQ(count_text(events, "\"stageStart\""), 2);
    CHECK_EQ(count_text(events, "\"count\""), 2);
    CHECK_EQ(count_text(events, "\"of worker 2\""), 1);
    CHECK_EQ(count_text(events, "\"the same\""), 2); /* rank 0 said it twice */
    CHECK_EQ(count_text(events, "\"rank\":1"), 6);   /* task, peak and end of two stages */
    last = strrchr(events, '{');
    assert_non_null(strstr(last, "\"stageEnd\"")); /* rank 0's own is the last */
    assert_null(strstr(last, "\"rank\""));
    qn_string_release(&g.rank0.events);
}

static qn_status no_box(qn_context *ctx, void *arg)
{
    const qn_span stage = qn_stage_start(ctx, NULL, "pass", 1);

    (void)arg;
    return qn_stage_end(ctx, &stage, QN_OK, NULL);
}

static void without_a_box_a_stage_just_ends(void **state)
{
    CHECK_OK(*state, no_box(*state, NULL));
    CHECK_OK(*state, qn_run_thread_ranks(*state, 2, no_box, NULL));
}

static qn_status too_many(qn_context *ctx, void *arg)
{
    gathered *g = arg;
    qn_event_gather_box *box = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_event_gather_open(ctx, &box));
    if (qn_rank(ctx) == 0)
        QN_TRY(qn_context_add_sink(ctx, see_event, &g->rank0));
    for (int i = 0; i < 60000 && qn_rank(ctx) == 1; i++)
        qn_emit(ctx, &(qn_event){.kind = QN_EVENT_TASK_END, .id = i});
    QN_TRY(qn_event_gather(ctx));
done:
    ctx->n_sinks = 0;
    qn_event_gather_free(box);
    return st;
}

static void what_a_rank_keeps_is_bounded_and_it_says_so(void **state)
{
    gathered g = {0};

    CHECK_OK(*state, qn_run_thread_ranks(*state, 2, too_many, &g));
    assert_non_null(strstr(qn_string_text(&g.rank0.events), "events of worker 1 came too fast"));
    CHECK(g.rank0.events.length < 2 * QN_EVENT_GATHER_BYTES);
    qn_string_release(&g.rank0.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_of_every_kind_comes_back_as_it_was),
        cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(a_run_is_read_in_pieces_of_any_size),
        cmocka_unit_test(a_sign_of_life_may_come_in_the_middle_of_a_line),
        cmocka_unit_test(broken_lines_are_counted_and_harm_nothing),
        cmocka_unit_test(a_reader_that_is_gone_stops_the_work),
        cmocka_unit_test(events_of_all_ranks_come_to_rank_0_before_the_stage_ends),
        cmocka_unit_test(without_a_box_a_stage_just_ends),
        cmocka_unit_test(what_a_rank_keeps_is_bounded_and_it_says_so),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
