/* Which files a source is made of, and how their bytes are packed. */
#ifndef QN_DATA_SOURCE_FILES_H
#define QN_DATA_SOURCE_FILES_H

#include <stdbool.h>
#include <sys/stat.h>

#include "data/dataset.h"
#include "quern/source.h"

typedef struct qn_source_file {
    char *path;
    int64_t size; /* bytes on disk when it was found; 0 for pipes */
    struct timespec changed;
    bool is_stream; /* compressed, a pipe or standard input: read in order, one split */
    bool is_once;   /* a pipe or standard input: cannot be opened again */
} qn_source_file;

typedef struct qn_file_list {
    qn_source_file *file;
    int64_t n, capacity;
    int64_t bytes;              /* on disk */
    int64_t n_data_sets;        /* folders of ours, whose files are those of their manifests */
    bool has_columns;           /* they name columns, and the same ones */
    qn_dataset_columns columns; /* if so */
} qn_file_list;

/* Every regular file of `path` (files, folders, "-"): folders recursively in byte order of names,
 * without names that begin with '_' or '.'. A folder that holds a manifest is a data set of ours:
 * its link is resolved once, and the files are those that the manifest names. QN_ENOTFOUND names
 * the nearest name in the folder; QN_EBUSY: a data set that was rewritten meanwhile. */
qn_status qn_file_list_fill(qn_context *ctx, const char *const *path, int64_t n_paths,
                            qn_file_list *list);
/* Of sizes and, of up to 64 files, the content at three places: tells other data from the same. */
uint64_t qn_file_list_print(const qn_file_list *list);
void qn_file_list_release(qn_file_list *list);

#endif
