/* What this process may use: cores, memory, disk, as the container sees them. */
#ifndef QN_BASE_SYSTEM_H
#define QN_BASE_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

typedef struct qn_system {
    int32_t cores_online;    /* of the machine */
    int32_t cores_usable;    /* affinity mask and cgroup quota, rounded up, at least 1 */
    double cpu_quota;        /* cores the cgroup grants; 0: no limit */
    size_t memory_total;     /* of the machine */
    size_t memory_available; /* MemAvailable */
    size_t memory_limit;     /* of the cgroup (v1 or v2, the tightest on the way up); 0: none */
    int64_t oom_kills;       /* processes killed for memory in its cgroup, else on the machine */
    int32_t cgroup_version;  /* 0, 1 or 2 */
    char cpu_model[96];
} qn_system;

/* Never fails: what cannot be read is 0 (cores_usable 1). */
void qn_system_read(qn_system *system);
/* Default budget: 80 % of the cgroup's limit, else of the available memory. */
size_t qn_system_default_budget(const qn_system *system);

typedef struct qn_memory_use {
    size_t rss_anon, rss_shmem, rss_file, vm_hwm; /* bytes, from /proc/self/status */
} qn_memory_use;
void qn_memory_use_read(qn_memory_use *use);
/* Seconds of CPU time of this process, user and system. */
double qn_cpu_seconds(void);
/* Free bytes for us on the file system of `path`, or 0; its type by name in fs (16 bytes). */
size_t qn_disk_free(const char *path, char fs[16]);

#endif
