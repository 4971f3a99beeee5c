/* One fit of ALS with everything it takes, and a file of ratings on a disk for it, for tests. */
#ifndef QN_TESTS_ALS_FIT_H
#define QN_TESTS_ALS_FIT_H

#include <sys/stat.h>

#include "folder.h"

#include "lifecycle/fit_als.h"

typedef struct als_fit {
    const char *input;
    qn_fit_als_options options;
    qn_ratings_options ratings;
    qn_als_params als;
    qn_ranking_options ranking;
} als_fit;

/* Everything by default; `fit` stays where it is. */
static inline void als_fit_for(als_fit *fit, const char *input)
{
    fit->input = input;
    qn_params_init(&qn_fit_als_table, &fit->options);
    qn_params_init(&qn_ratings_table, &fit->ratings);
    qn_params_init(&qn_als_table, &fit->als);
    qn_params_init(&qn_ranking_table, &fit->ranking);
    fit->ratings.input = (qn_text_list){&fit->input, 1};
}

static inline qn_status als_fit_run(qn_context *ctx, als_fit *fit, qn_fit_als_result *result)
{
    return qn_fit_als_run(ctx, &fit->options, &fit->ratings, &fit->als, &fit->ranking, result);
}

/* A folder on a disk with ratings and an empty folder to spill to. */
typedef struct als_box {
    char dir[64], input[96], scratch[96];
} als_box;

#define ALS_BOX_OF_USER 170 /* ratings a user */
#define ALS_BOX_ITEMS   1000

/* The files of a folder that is there. */
static inline void als_box_name(als_box *box, const char *dir)
{
    snprintf(box->dir, sizeof box->dir, "%s", dir);
    snprintf(box->input, sizeof box->input, "%s/ratings.csv", dir);
    snprintf(box->scratch, sizeof box->scratch, "%s/scratch", dir);
}

/* False: a folder or the file cannot be made. */
static inline bool als_box_open(als_box *box, int users)
{
    char dir[64];
    FILE *stream;

    if (!disk_dir(dir))
        return false;
    als_box_name(box, dir);
    if (mkdir(box->scratch, 0777) != 0 || !(stream = fopen(box->input, "w")))
        return false;
    fputs("userId,movieId,rating\n", stream);
    for (int u = 0; u < users; u++)
        for (int i = 0; i < ALS_BOX_OF_USER; i++)
            fprintf(stream, "u%d,%d,%d\n", u + 1, (u * 7 + i * 5) % ALS_BOX_ITEMS + 1,
                    1 + (u * i) % 5);
    return fclose(stream) == 0;
}

static inline void als_box_close(als_box *box)
{
    CHECK_EQ(qn_remove_tree(NULL, box->dir), QN_OK);
}

#endif
