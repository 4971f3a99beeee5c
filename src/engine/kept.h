/* Data that outlive their process. A run that has spilled has most of its data on the scratch disk
 * anyway: once they are complete the rest is written beside, and a *book* tells what lies where. A
 * next start of the same run on the same workers then takes the blocks over, and need not read and
 * arrange its input again. A book is whole or ignored; nobody depends on it, since the input is
 * there still.
 *
 * One function describes data in both directions: what it hands to qn_kept_bytes and the others is
 * written, or filled in from the book. */
#ifndef QN_ENGINE_KEPT_H
#define QN_ENGINE_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/store.h"

typedef struct qn_kept qn_kept;

/* Names the scratch folder after the run, and looks there for the book of data of this `key`, which
 * a dead process of this program, rank and number of ranks has left since the machine was started.
 * *book NULL: there is none. Before anything is spilled. Not collective; QN_EINVAL run, QN_ENOMEM.
 */
qn_status qn_kept_find(qn_context *ctx, const char *run, uint64_t key, qn_kept **book);
/* Ends reading. `use`: what was read is used, and whatever else lies in the folder is removed.
 * Otherwise, or without a book, everything goes that dead processes have left of this run or
 * others. After all ranks have looked. Not collective. */
void qn_kept_settle(qn_context *ctx, qn_kept *book, bool use);

/* Begins a book. Not collective, as what follows. QN_EIO, QN_ENOMEM. */
qn_status qn_kept_begin(qn_context *ctx, uint64_t key, qn_kept **book);
/* Puts the written book in its place. It goes by itself when one of its stores gives up a block. */
qn_status qn_kept_commit(qn_kept *book);
/* Nothing remains of a book that was not committed or used. NULL is fine. */
void qn_kept_free(qn_kept *book);

/* ---- what describes data: written, or filled in; QN_EDATA: the book holds something else ---- */

bool qn_kept_is_reading(const qn_kept *book);
qn_status qn_kept_bytes(qn_kept *book, void *data, size_t bytes);
/* An array of n items, which may be NULL; allocated when it is read, for the caller to free. */
qn_status qn_kept_array(qn_kept *book, void **array, int64_t n, size_t item_bytes,
                        const char *what);
/* An array of items that are described one by one afterwards: cleared when it is read. */
qn_status qn_kept_items(qn_kept *book, void **array, int64_t n, size_t item_bytes,
                        const char *what);
/* One struct, as it is; allocated when it is read, for the caller to free: whatever it points to
 * then belonged to a process that is no more, and is to be forgotten. NULL when it cannot be read.
 */
qn_status qn_kept_struct(qn_kept *book, void **data, size_t bytes, const char *what);
/* A text, which may be NULL. */
qn_status qn_kept_text(qn_kept *book, char **text);
/* A sealed store of which nothing is pinned; writes what is not on disk. Made when it is read, with
 * the same numbers of blocks, for the caller to free. */
qn_status qn_kept_store(qn_kept *book, qn_store **store);

#endif
