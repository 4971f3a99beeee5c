/* How rows that a half step has solved come to the ranks that hold them fixed in the next. Either
 * all rows go to all ranks, or each rank gets those that its own rows have ratings of: it marks
 * them once, tells their owners once, and from then on owners send just those.
 *
 * Rows keep their place in the array of all rows, which has holes while the sweeps run: at the end
 * the model needs every row on every rank, so a compact array would save nothing, and the indices
 * of ratings would have to be translated wherever they are read. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ml/als/als_impl.h"

/* Rows that are marked: bit r % 64 of word r / 64 - first_word. */
typedef struct als_marks {
    const uint64_t *word;
    int64_t first_word;
} als_marks;

/* Words that hold the bits of rows [first, end). */
static int64_t words_of(int64_t first, int64_t end)
{
    return end > first ? (end + 63) / 64 - first / 64 : 0;
}

/* Marked rows of a word, those of [first, end) alone. */
static uint64_t marked_in(const als_marks *marks, int64_t word, int64_t first, int64_t end)
{
    const int64_t row = 64 * word;
    uint64_t bits = marks->word[word - marks->first_word];

    if (first > row)
        bits &= ~UINT64_C(0) << (first - row);
    if (end < row + 64)
        bits &= ~UINT64_C(0) >> (row + 64 - end);
    return bits;
}

static int64_t count_marked(const als_marks *marks, int64_t first, int64_t end)
{
    const int64_t word = first / 64;
    int64_t n = 0;

    for (int64_t w = word; w < word + words_of(first, end); w++)
        n += __builtin_popcountll(marked_in(marks, w, first, end));
    return n;
}

/* Copies the marked rows of [first, end) behind one another. Returns where they end. */
static char *pack(const als_marks *marks, int64_t first, int64_t end, const char *rows,
                  size_t bytes, char *to)
{
    const int64_t word = first / 64;

    for (int64_t w = word; w < word + words_of(first, end); w++)
        for (uint64_t bits = marked_in(marks, w, first, end); bits; bits &= bits - 1) {
            memcpy(to, rows + (size_t)(64 * w + __builtin_ctzll(bits)) * bytes, bytes);
            to += bytes;
        }
    return to;
}

/* The other way round. */
static const char *unpack(const als_marks *marks, int64_t first, int64_t end, char *rows,
                          size_t bytes, const char *from)
{
    const int64_t word = first / 64;

    for (int64_t w = word; w < word + words_of(first, end); w++)
        for (uint64_t bits = marked_in(marks, w, first, end); bits; bits &= bits - 1) {
            memcpy(rows + (size_t)(64 * w + __builtin_ctzll(bits)) * bytes, from, bytes);
            from += bytes;
        }
    return from;
}

static void rows_of(const als_side *side, int32_t rank, int64_t *first, int64_t *end)
{
    qn_partition_rows_of_rank(side->rows->partitioning, rank, first, end);
}

static size_t row_bytes(const als_fit *fit)
{
    return (size_t)fit->eq.stride * sizeof(float);
}

static als_marks needed_marks(const als_side *side)
{
    return (als_marks){side->exchange.need, 0};
}

/* Own rows that `rank` wants. */
static als_marks wanted_marks(const als_side *side, int32_t rank)
{
    return (als_marks){side->exchange.wanted + rank * words_of(side->first_row, side->end_row),
                       side->first_row / 64};
}

/* ---- who needs what: once a fit ---- */

/* A row that is solved needs the rows of the other side that it has ratings of, those that are held
 * out too: they are scored. */
static void als_mark_row(als_fit *fit, const als_side *side, uint32_t row, const als_entries *part)
{
    uint64_t *need = fit->side[als_other(side->side)].exchange.need;

    (void)row;
    for (int64_t i = 0; i < part->n; i++) {
        uint64_t *word = &need[part->index[i] / 64];
        const uint64_t bit = UINT64_C(1) << part->index[i] % 64;

        if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
            __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
    }
}

/* Marks the rows of `side` that this rank needs; *n: how many of them are not its own. A rank that
 * owns all has nothing to look for. */
static qn_status mark(als_fit *fit, als_side *side, int64_t *n)
{
    qn_status st = QN_OK;
    als_marks marks;

    *n = 0;
    QN_NEW0(fit->ctx, side->exchange.need, words_of(0, side->ids->n), "marks of needed rows");
    if (side->end_row - side->first_row == side->ids->n)
        return QN_OK;
    QN_TRY(als_visit_rows(fit, als_other(side->side), als_mark_row));
    marks = needed_marks(side);
    *n = count_marked(&marks, 0, side->first_row) +
         count_marked(&marks, side->end_row, side->ids->n);
done:
    return st;
}

/* Sends each owner the words of this rank's marks that hold its rows. Collective. */
static qn_status tell_owners(als_fit *fit, als_side *side)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    als_exchange *x = &side->exchange;
    const int32_t size = qn_size(ctx);
    const int64_t own_words = words_of(side->first_row, side->end_row);
    uint64_t *send = NULL;
    int64_t n = 0, first, end;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&send, words_of(0, side->ids->n) + size, sizeof *send,
                              "marks of needed rows"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&x->wanted, size * own_words, sizeof *x->wanted,
                              "marks of wanted rows"));
    for (int32_t r = 0; r < size; r++) {
        rows_of(side, r, &first, &end);
        memcpy(send + n, x->need + first / 64, (size_t)words_of(first, end) * sizeof *send);
        n += words_of(first, end);
        fit->send_bytes[r] = (size_t)words_of(first, end) * sizeof *send;
        fit->recv_bytes[r] = (size_t)own_words * sizeof *send;
    }
    QN_TRY(qn_comm_exchange(ctx, send, fit->send_bytes, x->wanted, fit->recv_bytes));
done:
    qn_free(send);
    return st;
}

/* Rows of `rank` in a round: rounds cut each rank's rows into runs of about equal length. */
static void window_of(const als_side *side, int32_t rank, int64_t round, int64_t *first,
                      int64_t *end)
{
    const int64_t rounds = side->exchange.rounds;
    int64_t from, to;

    rows_of(side, rank, &from, &to);
    *first = from + (to - from) * round / rounds;
    *end = from + (to - from) * (round + 1) / rounds;
}

/* What goes out and comes in, in a round, into fit->send_bytes and recv_bytes. */
static void size_round(als_fit *fit, const als_side *side, int64_t round, size_t *send,
                       size_t *recv)
{
    const als_marks needed = needed_marks(side);
    const int32_t rank = qn_rank(fit->ctx);
    int64_t first, end, own_first, own_end;

    *send = *recv = 0;
    window_of(side, rank, round, &own_first, &own_end);
    for (int32_t r = 0; r < qn_size(fit->ctx); r++) {
        const als_marks wanted = wanted_marks(side, r);

        fit->send_bytes[r] = fit->recv_bytes[r] = 0;
        if (r == rank)
            continue;
        window_of(side, r, round, &first, &end);
        fit->send_bytes[r] = (size_t)count_marked(&wanted, own_first, own_end) * row_bytes(fit);
        fit->recv_bytes[r] = (size_t)count_marked(&needed, first, end) * row_bytes(fit);
        *send += fit->send_bytes[r];
        *recv += fit->recv_bytes[r];
    }
}

/* Rounds of a side: as many as the rank with most to send or receive wants. Then room for the
 * largest of them. Collective. */
static qn_status cut_rounds(als_fit *fit, als_side *side, size_t *most_send, size_t *most_recv)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const size_t room = qn_context_room(ctx) / 16;
    const size_t limit = room < ALS_ROUND_BYTES ? room + row_bytes(fit) : ALS_ROUND_BYTES;
    size_t send, recv;

    side->exchange.rounds = 1;
    size_round(fit, side, 0, &send, &recv);
    side->exchange.rounds = (int64_t)((send > recv ? send : recv) / limit) + 1;
    QN_TRY(qn_comm_max_int64(ctx, &side->exchange.rounds, 1));
    for (int64_t round = 0; round < side->exchange.rounds; round++) {
        size_round(fit, side, round, &send, &recv);
        *most_send = send > *most_send ? send : *most_send;
        *most_recv = recv > *most_recv ? recv : *most_recv;
    }
done:
    return st;
}

static void tell_choice(const als_fit *fit, const als_side *side)
{
    const als_exchange *x = &side->exchange;
    char name[32], text[160], needed[32], all[32];

    qn_format_bytes(x->bytes.needed, needed);
    qn_format_bytes(x->bytes.all, all);
    snprintf(name, sizeof name, "exchange_%s", side->name);
    snprintf(text, sizeof text, "%s: %s a half step, %s by %s", als_exchange_name(x->by_need),
             x->by_need ? needed : all, x->by_need ? all : needed, als_exchange_name(!x->by_need));
    qn_emit_fact(fit->ctx, name, text);
}

/* All ranks reach the same verdict, from the same sums. Collective. */
static qn_status choose(als_fit *fit)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    int64_t n[2];

    QN_TRY_ALL(mark(fit, &fit->side[0], &n[0]));
    QN_TRY_ALL(mark(fit, &fit->side[1], &n[1]));
    QN_TRY(qn_comm_sum_int64(ctx, n, 2));
    for (int32_t s = 0; s < 2; s++) {
        als_side *side = &fit->side[s];
        als_exchange *x = &side->exchange;

        x->bytes =
            als_exchange_bytes_of((double)side->ids->n, (double)n[s], qn_size(ctx), fit->eq.stride);
        x->by_need = als_need_pays(fit->params, (qn_side)s, &x->bytes);
        if (x->bytes.all > 0)
            tell_choice(fit, side);
        if (!x->by_need) {
            qn_free(x->need);
            x->need = NULL;
        }
    }
done:
    return st;
}

qn_status als_exchange_make(als_fit *fit)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t size = qn_size(ctx);
    size_t send = 0, recv = 0;

    if (fit->params->max_iter == 0)
        return QN_OK;
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&fit->send_bytes, size, sizeof *fit->send_bytes,
                              "sizes of messages"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&fit->recv_bytes, size, sizeof *fit->recv_bytes,
                              "sizes of messages"));
    QN_TRY(choose(fit));
    for (int32_t s = 0; s < 2; s++)
        if (fit->side[s].exchange.by_need) {
            QN_TRY(tell_owners(fit, &fit->side[s]));
            QN_TRY(cut_rounds(fit, &fit->side[s], &send, &recv));
        }
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&fit->sent, (int64_t)send, 1, "rows to send"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&fit->received, (int64_t)recv, 1, "rows to receive"));
done:
    return st;
}

void als_exchange_release(als_fit *fit)
{
    for (int32_t s = 0; s < 2; s++) {
        qn_free(fit->side[s].exchange.need);
        qn_free(fit->side[s].exchange.wanted);
    }
    qn_free(fit->send_bytes);
    qn_free(fit->recv_bytes);
    qn_free(fit->sent);
    qn_free(fit->received);
}

/* ---- after each half step ---- */

static qn_status run_round(als_fit *fit, als_side *side, int64_t round)
{
    qn_status st = QN_OK;
    const als_marks needed = needed_marks(side);
    const int32_t rank = qn_rank(fit->ctx);
    const size_t bytes = row_bytes(fit);
    const char *from = fit->received;
    char *to = fit->sent;
    int64_t first, end;
    size_t send, recv;

    size_round(fit, side, round, &send, &recv);
    window_of(side, rank, round, &first, &end);
    for (int32_t r = 0; r < qn_size(fit->ctx); r++) {
        const als_marks wanted = wanted_marks(side, r);

        if (r != rank)
            to = pack(&wanted, first, end, (const char *)side->factors, bytes, to);
    }
    QN_TRY(qn_comm_exchange(fit->ctx, fit->sent, fit->send_bytes, fit->received, fit->recv_bytes));
    for (int32_t r = 0; r < qn_size(fit->ctx); r++) {
        window_of(side, r, round, &first, &end);
        if (r != rank)
            from = unpack(&needed, first, end, (char *)side->factors, bytes, from);
    }
done:
    return st;
}

qn_status als_give_rows(als_fit *fit, als_side *side, bool whole)
{
    qn_status st = QN_OK;
    als_exchange *x = &side->exchange;

    x->last_by_need = x->by_need && !whole;
    x->last_bytes = x->last_by_need ? x->bytes.needed : x->bytes.all;
    if (x->last_by_need) {
        for (int64_t round = 0; round < x->rounds; round++)
            QN_TRY(run_round(fit, side, round));
    } else {
        QN_TRY(als_share_rows(fit, side, side->factors, row_bytes(fit)));
    }
    x->has_holes = x->last_by_need;
done:
    return st;
}

qn_status als_complete(als_fit *fit)
{
    qn_status st = QN_OK;

    for (int32_t s = 0; s < 2; s++)
        if (fit->side[s].exchange.has_holes)
            QN_TRY(als_give_rows(fit, &fit->side[s], true));
done:
    return st;
}
