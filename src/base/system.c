#include "base/system.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/system_files.h"
#include "base/text.h"

/* The beginning of a small file, cut at its last byte; false if it cannot be read. */
static bool read_small(const char *root, const char *path, char *text, size_t size)
{
    char full[1024];
    FILE *file;
    size_t n;

    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return false;
    file = fopen(full, "re");
    if (!file)
        return false;
    n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return n > 0;
}

/* The number behind "key:" in a file of such lines, 0 if it is not there. */
static size_t read_field(const char *root, const char *path, const char *key, char *text,
                         size_t text_size)
{
    char full[1024], line[512];
    const size_t key_length = strlen(key);
    size_t value = 0;
    FILE *file;

    snprintf(full, sizeof full, "%s%s", root, path);
    file = fopen(full, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        const char *p = line + key_length;

        if (strncmp(line, key, key_length) != 0)
            continue;
        p += strspn(p, " \t");
        if (*p != ':')
            continue;
        p += 1 + strspn(p + 1, " \t");
        value = strtoull(p, NULL, 10);
        if (text)
            snprintf(text, text_size, "%.*s", (int)strcspn(p, "\n"), p);
        break;
    }
    fclose(file);
    return value;
}

/* The number behind "key " in a file of such lines, -1 if it is not there. */
static int64_t read_counter(const char *root, const char *path, const char *key)
{
    char full[1024], line[256];
    const size_t length = strlen(key);
    int64_t value = -1;
    FILE *file;

    snprintf(full, sizeof full, "%s%s", root, path);
    file = fopen(full, "re");
    while (file && value < 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && line[length] == ' ')
            value = strtoll(line + length, NULL, 10);
    if (file)
        fclose(file);
    return value;
}

/* What one folder of the hierarchy grants. */
static void read_limits(const char *root, const char *dir, bool is_v2, bool is_memory, bool is_cpu,
                        qn_system *system)
{
    char path[900], text[128];
    long long quota = 0, period = 0;

    snprintf(path, sizeof path, "%s/%s", dir, is_v2 ? "memory.max" : "memory.limit_in_bytes");
    if (is_memory && read_small(root, path, text, sizeof text) && text[0] >= '0' &&
        text[0] <= '9') {
        const size_t limit = strtoull(text, NULL, 10);

        /* v1 says "none" by a number near 2^63. */
        if (limit > 0 && limit < (size_t)1 << 60 &&
            (system->memory_limit == 0 || limit < system->memory_limit))
            system->memory_limit = limit;
    }
    if (!is_cpu)
        return;
    snprintf(path, sizeof path, "%s/%s", dir, is_v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!read_small(root, path, text, sizeof text) ||
        sscanf(text, "%lld %lld", &quota, &period) < 1 || quota <= 0)
        return;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    if (!is_v2 && read_small(root, path, text, sizeof text))
        period = atoll(text);
    if (period > 0) {
        const double cores = (double)quota / (double)period;

        if (system->cpu_quota == 0.0 || cores < system->cpu_quota)
            system->cpu_quota = cores;
    }
}

/* From the process's own folder up to the mount. Inside a container /proc/self/cgroup may name the
 * path as the host sees it: folders that are not there are passed over, the mount itself is always
 * looked at. */
static void walk_up(const char *root, const char *mount, const char *cgroup, bool is_v2,
                    bool is_memory, bool is_cpu, qn_system *system)
{
    char dir[800];
    const size_t mount_length = strlen(mount);

    if (snprintf(dir, sizeof dir, "%s%s", mount, cgroup) >= (int)sizeof dir)
        snprintf(dir, sizeof dir, "%s", mount);
    for (;;) {
        char *slash, path[900];

        read_limits(root, dir, is_v2, is_memory, is_cpu, system);
        snprintf(path, sizeof path, "%s/%s", dir, is_v2 ? "memory.events" : "memory.oom_control");
        if (is_memory && system->oom_kills < 0) /* the nearest folder counts */
            system->oom_kills = read_counter(root, path, "oom_kill");
        if (strlen(dir) <= mount_length)
            break;
        slash = strrchr(dir, '/');
        *slash = '\0';
    }
}

/* Whether a comma separated list has this word. */
static bool list_has(const char *list, const char *word)
{
    const size_t n = strlen(word);

    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

static void read_cgroup(const char *root, qn_system *system)
{
    char path[1024], line[1024];
    FILE *file;

    snprintf(path, sizeof path, "%s/sys/fs/cgroup/cgroup.controllers", root);
    system->cgroup_version = access(path, R_OK) == 0 ? 2 : 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':');
        char *cgroup = controllers ? strchr(controllers + 1, ':') : NULL;

        if (!cgroup)
            continue;
        *controllers++ = '\0';
        *cgroup++ = '\0';
        cgroup[strcspn(cgroup, "\n")] = '\0';
        if (cgroup[0] == '/' && cgroup[1] == '\0')
            cgroup[0] = '\0';
        if (controllers[0] == '\0' && system->cgroup_version == 2) {
            walk_up(root, "/sys/fs/cgroup", cgroup, true, true, true, system);
        } else if (list_has(controllers, "memory")) {
            system->cgroup_version = 1;
            walk_up(root, "/sys/fs/cgroup/memory", cgroup, false, true, false, system);
        } else if (list_has(controllers, "cpu")) {
            system->cgroup_version = 1;
            snprintf(path, sizeof path, "%s/sys/fs/cgroup/cpu", root);
            walk_up(root,
                    access(path, R_OK) == 0 ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup/cpu,cpuacct",
                    cgroup, false, false, true, system);
        }
    }
    fclose(file);
}

/* The mask holds what taskset and cpusets leave. Machines beyond 1024 cores need a larger set. */
static int32_t count_affinity(void)
{
    for (int cores = 1024; cores <= 65536; cores *= 4) {
        const size_t size = CPU_ALLOC_SIZE(cores);
        cpu_set_t *set = CPU_ALLOC(cores);
        int32_t count = 0;

        if (set && sched_getaffinity(0, size, set) == 0)
            count = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 1;
}

void qn_system_read_under(const char *root, qn_system *system)
{
    int32_t granted;

    memset(system, 0, sizeof *system);
    system->cores_online = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    system->memory_total = read_field(root, "/proc/meminfo", "MemTotal", NULL, 0) * 1024;
    system->memory_available = read_field(root, "/proc/meminfo", "MemAvailable", NULL, 0) * 1024;
    read_field(root, "/proc/cpuinfo", "model name", system->cpu_model, sizeof system->cpu_model);
    system->oom_kills = -1;
    read_cgroup(root, system);
    if (system->oom_kills < 0)
        system->oom_kills = read_counter(root, "/proc/vmstat", "oom_kill");
    if (system->oom_kills < 0)
        system->oom_kills = 0;
    system->cores_usable = count_affinity();
    if (system->cpu_quota > 0.0 && system->cpu_quota < 1e6) {
        granted = (int32_t)system->cpu_quota;
        granted += (double)granted < system->cpu_quota;
        if (granted < system->cores_usable)
            system->cores_usable = granted;
    }
    if (system->cores_usable < 1)
        system->cores_usable = 1;
}

void qn_system_read(qn_system *system)
{
    qn_system_read_under("", system);
}

size_t qn_system_default_budget(const qn_system *system)
{
    size_t base = system->memory_available;

    if (system->memory_limit > 0 &&
        (system->memory_total == 0 || system->memory_limit < system->memory_total))
        base = system->memory_limit;
    if (base == 0)
        base = system->memory_total ? system->memory_total : (size_t)1 << 30;
    return base / 10 * 8;
}

void qn_memory_use_read(qn_memory_use *use)
{
    static const char path[] = "/proc/self/status";

    use->rss_anon = read_field("", path, "RssAnon", NULL, 0) * 1024;
    use->rss_shmem = read_field("", path, "RssShmem", NULL, 0) * 1024;
    use->rss_file = read_field("", path, "RssFile", NULL, 0) * 1024;
    use->vm_hwm = read_field("", path, "VmHWM", NULL, 0) * 1024;
}

double qn_cpu_seconds(void)
{
    struct rusage use;

    if (getrusage(RUSAGE_SELF, &use) != 0)
        return 0.0;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* Magic numbers as statfs(2) lists them. */
const char *qn_fs_name(long type)
{
    switch ((unsigned long)type & 0xffffffffUL) {
    case 0xEF53:
        return "ext4";
    case 0x01021994:
        return "tmpfs";
    case 0x858458f6:
        return "ramfs";
    case 0x794c7630:
        return "overlay";
    case 0x6969:
        return "nfs";
    case 0x58465342:
        return "xfs";
    case 0x9123683E:
        return "btrfs";
    case 0x2FC12FC1:
        return "zfs";
    case 0xFF534D42:
    case 0xFE534D42:
        return "cifs";
    case 0x65735546:
        return "fuse";
    case 0x01021997:
        return "9p";
    case 0x00C36400:
        return "ceph";
    case 0x0BD00BD0:
        return "lustre";
    case 0x47504653:
        return "gpfs";
    case 0xF2F52010:
        return "f2fs";
    case 0x4d44:
        return "vfat";
    case 0x2011BAB0:
        return "exfat";
    case 0x73717368:
        return "squashfs";
    default:
        return "unknown";
    }
}

size_t qn_disk_free(const char *path, char fs[16])
{
    struct statfs info;

    if (statfs(path, &info) != 0) {
        snprintf(fs, 16, "unknown");
        return 0;
    }
    snprintf(fs, 16, "%s", qn_fs_name((long)info.f_type));
    return (size_t)info.f_bavail * (size_t)info.f_bsize;
}
