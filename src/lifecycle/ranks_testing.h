/* What the tests of jobs on several ranks share: ratings to work on, and contexts with cells so
 * small that every rank has some. */
#ifndef QN_LIFECYCLE_RANKS_TESTING_H
#define QN_LIFECYCLE_RANKS_TESTING_H

#include <math.h>

#include "check.h"

#include "engine/context_open.h"

#define N_RATINGS  3000
#define MOST_RANKS 7

/* Repeatable noise: a number below `limit`. */
static inline uint32_t noise(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 33) % limit);
}

/* 120 users, 60 items; some are in few rows, so that a split leaves ids without training. */
static inline void write_ratings(const char *path)
{
    uint64_t seed = 5;
    FILE *file = fopen(path, "w");

    CHECK(file != NULL);
    fputs("userId,movieId,rating,timestamp\n", file);
    for (int64_t i = 0; i < N_RATINGS; i++) {
        const uint32_t user = noise(&seed, 1 + noise(&seed, 120));
        const uint32_t item = noise(&seed, 1 + noise(&seed, 60));
        const double taste = sin(user * 7 + 1) * cos(item * 3 + 2);

        fprintf(file, "%u,%u,%.1f,%u\n", 3 * user, 5 * item,
                floor(6 + 3 * taste + noise(&seed, 3)) / 2, 1000000 + noise(&seed, 100000));
    }
    CHECK_EQ(fclose(file), 0);
}

static inline qn_context *small_cells(int32_t threads)
{
    const qn_context_options options = {.threads = threads};
    qn_context *ctx = NULL;

    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.rating_rows = 16;
    ctx->cells.long_row = 64;
    ctx->cells.table_rows = 100;
    return ctx;
}

#endif
