/* What the files of src/data/dataset*.c share: the place of a data set on disk, locked.
 *
 * Names in the folder of generations, and what they mean when a writer has died:
 *   000012         a generation
 *   000013.new     one being made: removed
 *   000000.adopt   hard links to the files of a plain folder that is being replaced. Where the path
 *                  is a link of ours the swap has happened: it becomes 000000. Else it is removed
 *   link.new       a symlink: the link before its swap; the generation it names is removed with it.
 *                  A folder: the plain one after the swap; its files that are in 000000.adopt too
 *                  are removed
 *   link.back      the link of a rollback before its swap: removed
 *   link.removed   the link of a data set whose removal has begun: it is finished
 *   probe...       removed */
#ifndef QN_DATA_DATASET_IMPL_H
#define QN_DATA_DATASET_IMPL_H

#include <pthread.h>
#include <sys/stat.h>

#include "data/dataset.h"

typedef enum qn_dataset_state {
    QN_SITE_NOTHING,
    QN_SITE_LINK,  /* a link of ours */
    QN_SITE_FOLDER /* no link: the folder itself */
} qn_dataset_state;

typedef struct qn_dataset_site {
    qn_context *ctx;
    char *shown;       /* as the user named it, for messages */
    char *target;      /* where our link is or will be: links of the user's own are followed */
    char *parent;      /* folder of the target */
    char *generations; /* parent/.name.generations */
    const char *name;  /* last part of target */
    qn_dataset_state state;
    int64_t current; /* generation that the link names; -1: no link */
    int lock;        /* -1: not locked */
    bool has_mutex;
    pthread_mutex_t adding; /* guards the next manifest while threads write files */

    struct stat folder_stat; /* of a QN_SITE_FOLDER when it was opened */
    char **also;             /* beside its data: what Spark leaves (_SUCCESS, .x.crc) */
    int64_t n_also, also_capacity;

    int64_t n_removed, bytes_removed; /* generations and leftovers, counted for gc */
} qn_dataset_site;

/* Text in the budget; free with qn_free. */
qn_status qn_dataset_text(qn_context *ctx, char **out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Finds the place and what is there; changes nothing. QN_EEXISTS: a file is there. QN_EINVAL: a
 * place inside a data set. */
qn_status qn_dataset_site_find(qn_context *ctx, const char *path, qn_dataset_site *site);
/* Looks again what is there. */
qn_status qn_dataset_site_look(qn_dataset_site *site);
/* Takes the lock, making the folder of generations, and clears up after dead writers. */
qn_status qn_dataset_site_lock(qn_dataset_site *site);
/* Releases the lock; removes the folder of generations if it holds nothing but the lock. */
void qn_dataset_site_close(qn_dataset_site *site);

/* Number of a generation by its name, -1 if it is none. */
int64_t qn_dataset_number(const char *name);
/* The generation that a link in the folder of generations names, else -1. */
int64_t qn_dataset_link_number(const char *path);
/* Numbers that are there, ascending; free with qn_free. */
qn_status qn_dataset_numbers(qn_dataset_site *site, int64_t **number, int64_t *n);
/* generations/000012 and an ending; free with qn_free. */
qn_status qn_dataset_folder(qn_dataset_site *site, int64_t generation, const char *ending,
                            char **path);
/* Points the link to a generation: a new link `hidden` in the folder of generations is renamed over
 * the target; fsyncs the parent. On failure the old link is in place. */
qn_status qn_dataset_swap(qn_dataset_site *site, int64_t generation, const char *hidden);
/* Makes the link that a swap will move: before the generation gets its name, so that one that never
 * was current is known. */
qn_status qn_dataset_prepare_link(qn_dataset_site *site, int64_t generation, const char *hidden);

/* Removes name below the folder of generations and counts it. */
qn_status qn_dataset_drop(qn_dataset_site *site, const char *name);
qn_status qn_dataset_drop_generation(qn_dataset_site *site, int64_t generation);
/* Removes generations but the current one, the one numbered `also` (-1: none) and the newest,
 * `keep` in all. */
qn_status qn_dataset_drop_old(qn_dataset_site *site, int64_t also, int32_t keep);

/* Clears up what a dead writer left. */
qn_status qn_dataset_recover(qn_dataset_site *site);
/* The plain folder at link.new, after it was swapped or moved there: removes what is in
 * 000000.adopt too, puts what is left back in sight and names it. */
qn_status qn_dataset_finish_folder(qn_dataset_site *site);
/* Hard links to the files of the folder at `folder` as NNNNNN.adopt, synced. */
qn_status qn_dataset_adopt(qn_dataset_site *site, const char *folder, int64_t generation,
                           const qn_dataset_manifest *old);
/* A file that is adopted and removed with the data: path in the folder. */
qn_status qn_dataset_add_companion(qn_dataset_site *site, const char *path);
/* Lists a plain folder: data files into `manifest`, Spark's others as companions. */
qn_status qn_dataset_scan(qn_dataset_site *site, const char *folder, qn_dataset_manifest *manifest);

/* Every folder below and the folder itself. */
qn_status qn_dataset_sync_folders(qn_context *ctx, const char *path);
/* The folders of `path` below `root`, which is there. */
qn_status qn_dataset_make_folders(qn_context *ctx, const char *root, const char *path);

/* The text of a manifest; free with qn_json_release. */
void qn_dataset_manifest_json(const qn_dataset_manifest *manifest, qn_json *json);
/* `name` is for messages. */
qn_status qn_dataset_manifest_parse(qn_context *ctx, const char *name, const char *text,
                                    size_t length, qn_dataset_manifest *manifest);

#endif
