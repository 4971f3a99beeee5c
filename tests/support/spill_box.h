/* A folder on a disk, and a context that spills to it. */
#ifndef QN_TESTS_SPILL_BOX_H
#define QN_TESTS_SPILL_BOX_H

#include "folder.h"

typedef struct box {
    qn_context *ctx;
    char dir[64];
} box;

/* One more context with that scratch folder; NULL: none. */
static inline qn_context *box_context(const char *dir, size_t memory, int32_t threads)
{
    const qn_context_options options = {.memory = memory, .threads = threads, .scratch_dir = dir};
    qn_context *ctx = NULL;

    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    return ctx;
}

/* Set-up of a test: *state is a box with two threads and this much memory. */
static inline int open_box(void **state, size_t memory)
{
    box *b = calloc(1, sizeof *b);

    *state = b;
    if (!b || !disk_dir(b->dir))
        return -1;
    b->ctx = box_context(b->dir, memory, 2);
    return 0;
}

/* Tear-down: whatever a test did, nothing is left in the folder once the context has gone. */
static inline int close_box(void **state)
{
    box *b = *state;

    qn_context_free(b->ctx);
    CHECK_EQ(n_entries(b->dir), 0);
    rmdir(b->dir);
    free(b);
    return 0;
}

#endif
