/* What a job has loaded outlives its process where it lies on the scratch disk: a next start of the
 * run takes it over in place of reading and arranging its input again. For runs with checkpoints
 * and a place to spill to; others keep nothing. */
#ifndef QN_LIFECYCLE_LOADED_H
#define QN_LIFECYCLE_LOADED_H

#include "engine/kept.h"
#include "quern/param.h"

typedef struct qn_loaded {
    /* All that decides what is loaded: the options of a table, others as text ("" if none), and the
     * files as they are now. */
    const qn_params *table;
    const void *options;
    const char *more;
    const qn_text_list *files[2]; /* NULL or empty: none */
    /* The data, in both directions; `release` leaves them empty. */
    void *data;
    qn_status (*describe)(void *data, qn_kept *book);
    void (*release)(void *data);
    /* Of qn_loaded_take. */
    uint64_t key;
    bool is_known; /* false: nothing can be kept under this key */
} qn_loaded;

/* Fills the data, if all ranks find what they have kept; *found otherwise false. Emits count
 * load_bytes_kept where a run could keep data: bytes of blocks taken over, of all ranks. Before
 * anything is loaded. Collective. */
qn_status qn_loaded_take(qn_context *ctx, qn_loaded *loaded, bool *found);
/* Keeps the data, the only ones in stores now, where some of them have been spilled, as what was
 * loaded of the files as they were when qn_loaded_take looked. A disk that is full is no error, but
 * a warning. Collective. */
qn_status qn_loaded_keep(qn_context *ctx, const qn_loaded *loaded);

#endif
