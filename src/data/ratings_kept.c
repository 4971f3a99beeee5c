/* A struct goes into the book as it is, then what it points to: who reads it is the same program.
 */
#include "data/ratings_kept.h"

#include "base/alloc.h"
#include "base/context.h"
#include "data/triples_blocks.h"
#include "engine/cell.h"

static qn_status ids_kept(qn_kept *book, qn_ids *ids)
{
    qn_status st = QN_OK;

    QN_TRY(qn_kept_array(book, (void **)&ids->number, ids->n, sizeof *ids->number, "ids"));
    QN_TRY(qn_kept_array(book, (void **)&ids->offset, ids->n + 1, sizeof *ids->offset, "ids"));
    QN_TRY(qn_kept_array(book, (void **)&ids->text, ids->offset ? ids->offset[ids->n] : 0, 1,
                         "texts of ids"));
done:
    return st;
}

static qn_status orientation_kept(qn_kept *book, qn_orientation *o)
{
    qn_partitioning *p;
    qn_status st = QN_OK;

    QN_TRY(qn_kept_struct(book, (void **)&o->partitioning, sizeof *p, "partitions"));
    p = o->partitioning;
    if (qn_kept_is_reading(book))
        p->partition = NULL;
    QN_TRY(qn_kept_array(book, (void **)&p->partition, p->n_partitions, sizeof *p->partition,
                         "partitions"));
    QN_TRY(qn_kept_array(book, (void **)&o->degree, o->n_rows, sizeof *o->degree, "ratings a row"));
    QN_TRY(qn_kept_store(book, &o->store));
done:
    return st;
}

static void ids_forget(qn_ids *ids)
{
    ids->number = ids->offset = NULL;
    ids->text = NULL;
}

static void orientation_forget(qn_orientation *o)
{
    o->store = NULL;
    o->partitioning = NULL;
    o->degree = NULL;
}

qn_status qn_ratings_kept(qn_kept *book, qn_ratings **ratings)
{
    const bool is_reading = qn_kept_is_reading(book);
    qn_ratings *r;
    qn_status st = QN_OK;

    QN_TRY(qn_kept_struct(book, (void **)ratings, sizeof *r, "ratings"));
    r = *ratings;
    if (is_reading) {
        ids_forget(&r->users);
        ids_forget(&r->items);
        orientation_forget(&r->by_user);
        orientation_forget(&r->by_item);
    }
    QN_TRY(ids_kept(book, &r->users));
    QN_TRY(ids_kept(book, &r->items));
    QN_TRY(orientation_kept(book, &r->by_user));
    QN_TRY(orientation_kept(book, &r->by_item));
done:
    if (is_reading && st != QN_OK) {
        qn_ratings_free(*ratings);
        *ratings = NULL;
    }
    return st;
}

qn_status qn_triples_kept(qn_kept *book, qn_triples **triples)
{
    const bool is_reading = qn_kept_is_reading(book);
    bool is_there = *triples != NULL;
    qn_triples *t;
    qn_status st = QN_OK;

    if (is_reading)
        *triples = NULL;
    QN_TRY(qn_kept_bytes(book, &is_there, sizeof is_there));
    if (!is_there)
        return QN_OK;
    QN_TRY(qn_kept_struct(book, (void **)triples, sizeof *t, "ratings"));
    t = *triples;
    if (is_reading) {
        ids_forget(&t->users);
        ids_forget(&t->items);
        t->store = NULL;
        t->block = NULL;
    }
    QN_TRY(ids_kept(book, &t->users));
    QN_TRY(ids_kept(book, &t->items));
    QN_TRY(qn_kept_array(book, (void **)&t->block, t->n_blocks, sizeof *t->block, "blocks"));
    QN_TRY(qn_kept_store(book, &t->store));
done:
    if (is_reading && st != QN_OK) {
        qn_triples_free(*triples);
        *triples = NULL;
    }
    return st;
}
