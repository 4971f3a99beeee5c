/* What a run shows of itself, replayed from its event log: how partitions are filled, how memory
 * was pressed, where data sets lay, which jobs ran, and how much ran at once. */
#ifndef QN_RUN_EVIDENCE_H
#define QN_RUN_EVIDENCE_H

#include "base/text.h"
#include "run/log_view.h"

/* Sizes of the parts of one data set. Standard deviation over partitions; skew is the largest over
 * the mean. */
typedef struct qn_partition_statistics {
    int64_t n, records, least, greatest;
    double deviation, skew;
} qn_partition_statistics;

/* Megabytes are 2^20 bytes. Estimated: 32 bytes a record and three times that for ALS; measured:
 * the most that data sets took at once. */
typedef struct qn_memory_evidence {
    double limit_mb; /* of the smallest worker */
    int64_t records;
    double raw_mb, als_mb;                 /* estimated */
    double memory_mb, disk_mb, spilled_mb; /* measured */
    double factor;                         /* (memory + disk) / raw; 0: no records */
    bool is_pressed;                       /* als_mb > limit_mb */
} qn_memory_evidence;

typedef struct qn_parallelism {
    int64_t workers, cores; /* asked for: workers, cores of all */
    int64_t tasks_at_once;  /* most, seen */
    double observed;        /* time of tasks over time of stages with more than one */
} qn_parallelism;

typedef struct qn_evidence {
    qn_log_view view; /* at the end of the log */
    int64_t data;     /* place of the data set whose partitions are shown; -1: none */
    qn_partition_statistics partitions;
    qn_memory_evidence memory;
    qn_parallelism parallelism;
    qn_string phase[3]; /* blocks "SPARK UI EVIDENCE": loaded, before and after training */
    qn_string places;   /* storage as it was when data sets took most, text and JSON */
    qn_json storage;
    qn_json kept; /* storage at the end of the run */
    int64_t bytes_moved, bytes_spilled, bytes_read;
} qn_evidence;

/* Replays the text of a log. QN_EDATA: a damaged line, by number. */
qn_status qn_evidence_read(qn_context *ctx, const char *text, size_t length, qn_evidence *evidence);
/* The log of a run that runs, or of one that has ended. QN_ENOTFOUND: none was kept. */
qn_status qn_evidence_of_run(qn_context *ctx, const char *runs_dir, const char *run_id,
                             qn_evidence *evidence);
void qn_evidence_text(const qn_evidence *evidence, qn_string *out);
/* Members of an open object. */
void qn_evidence_json(const qn_evidence *evidence, qn_json *j);
void qn_evidence_release(qn_evidence *evidence);

#endif
