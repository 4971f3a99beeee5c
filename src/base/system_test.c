#include "base/system.h"

#include <sched.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/system_files.h"
#include "check.h"

/* A made-up /proc and /sys. */
typedef struct tree {
    char root[64];
} tree;

static int set_up(void **state)
{
    tree *t = calloc(1, sizeof *t);

    *state = t;
    return t && fresh_dir(t->root) ? 0 : -1;
}

static int tear_down(void **state)
{
    tree *t = *state;
    const qn_status st = qn_remove_tree(NULL, t->root);

    free(t);
    return st == QN_OK ? 0 : -1;
}

static void put(const tree *t, const char *name, const char *text)
{
    char path[512];
    char *slash;
    FILE *file;

    snprintf(path, sizeof path, "%s%s", t->root, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(qn_make_dirs(NULL, path), QN_OK);
    *slash = '/';
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_machine(const tree *t)
{
    put(t, "/proc/meminfo",
        "MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:    8192000 kB\n");
    put(t, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: Abacus 9000 @ 2 GHz\nprocessor\t: 1\n");
}

static void a_bare_machine_has_no_limits(void **state)
{
    const tree *t = *state;
    qn_system s;

    put_machine(t);
    qn_system_read_under(t->root, &s);
    CHECK_EQ(s.memory_total, (size_t)16384000 * 1024);
    CHECK_EQ(s.memory_available, (size_t)8192000 * 1024);
    CHECK_EQ(s.memory_limit, 0);
    CHECK(s.cpu_quota == 0.0);
    CHECK_EQ(s.cgroup_version, 0);
    CHECK_TEXT(s.cpu_model, "Abacus 9000 @ 2 GHz");
    CHECK(s.cores_usable >= 1 && s.cores_usable <= s.cores_online);
    CHECK_EQ(qn_system_default_budget(&s), s.memory_available / 10 * 8);
}

static void version_2_takes_the_tightest_limit_on_the_way_up(void **state)
{
    const tree *t = *state;
    qn_system s;

    put_machine(t);
    put(t, "/proc/self/cgroup", "0::/pods/mine/job\n");
    put(t, "/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    put(t, "/sys/fs/cgroup/pods/memory.max", "1073741824\n");
    put(t, "/sys/fs/cgroup/pods/mine/memory.max", "4294967296\n");
    put(t, "/sys/fs/cgroup/pods/mine/job/memory.max", "max\n");
    put(t, "/sys/fs/cgroup/pods/cpu.max", "150000 100000\n");
    put(t, "/sys/fs/cgroup/pods/mine/job/cpu.max", "max 100000\n");
    qn_system_read_under(t->root, &s);
    CHECK_EQ(s.cgroup_version, 2);
    CHECK_EQ(s.memory_limit, 1073741824);
    CHECK_NEAR(s.cpu_quota, 1.5, 0.0);
    CHECK(s.cores_usable <= 2);
    CHECK_EQ(qn_system_default_budget(&s), (size_t)1073741824 / 10 * 8);
}

static void a_small_quota_still_leaves_one_core(void **state)
{
    const tree *t = *state;
    qn_system s;

    put(t, "/proc/self/cgroup", "0::/\n");
    put(t, "/sys/fs/cgroup/cgroup.controllers", "cpu\n");
    put(t, "/sys/fs/cgroup/cpu.max", "20000 100000\n");
    qn_system_read_under(t->root, &s);
    CHECK_NEAR(s.cpu_quota, 0.2, 1e-15);
    CHECK_EQ(s.cores_usable, 1);
    CHECK(qn_system_default_budget(&s) > 0);
}

static void version_1_is_read_where_the_container_hides_its_path(void **state)
{
    const tree *t = *state;
    qn_system s;

    put_machine(t);
    put(t, "/proc/self/cgroup",
        "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n");
    put(t, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    put(t, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
    put(t, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    qn_system_read_under(t->root, &s);
    CHECK_EQ(s.cgroup_version, 1);
    CHECK_EQ(s.memory_limit, 536870912);
    CHECK_NEAR(s.cpu_quota, 1.0, 0.0);
    CHECK_EQ(s.cores_usable, 1);
}

static void version_1_says_none_by_a_huge_number(void **state)
{
    const tree *t = *state;
    qn_system s;

    put_machine(t);
    put(t, "/proc/self/cgroup", "12:memory:/\n4:cpu:/\n");
    put(t, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(t, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(t, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    qn_system_read_under(t->root, &s);
    CHECK_EQ(s.memory_limit, 0);
    CHECK(s.cpu_quota == 0.0);
}

static void nothing_readable_is_no_failure(void **state)
{
    const tree *t = *state;
    qn_system s;

    qn_system_read_under(t->root, &s);
    CHECK_EQ(s.memory_total, 0);
    CHECK_TEXT(s.cpu_model, "");
    CHECK(s.cores_usable >= 1);
    put(t, "/proc/self/cgroup", "garbage\n:::\n0:\n");
    put(t, "/sys/fs/cgroup/cgroup.controllers", "");
    put(t, "/proc/meminfo", "MemTotal\n\nMemAvailable: x\n");
    qn_system_read_under(t->root, &s);
    CHECK_EQ(s.memory_limit, 0);
    CHECK_EQ(s.memory_available, 0);
}

static void an_affinity_mask_counts(void **state)
{
    cpu_set_t before, one;
    qn_system s;
    int cpu = 0;

    (void)state;
    CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    qn_system_read(&s);
    CHECK_EQ(sched_setaffinity(0, sizeof before, &before), 0);
    CHECK_EQ(s.cores_usable, 1);
}

static void this_process_is_measured(void **state)
{
    qn_memory_use before, after;
    const size_t n = (size_t)32 << 20;
    char *bytes = malloc(n);
    char fs[16];
    volatile double sum = 0.0;

    (void)state;
    qn_memory_use_read(&before);
    memset(bytes, 1, n);
    qn_memory_use_read(&after);
    CHECK(before.rss_anon > 0 && before.rss_file > 0);
    CHECK(after.rss_anon >= before.rss_anon + n / 2);
    CHECK(after.vm_hwm >= after.rss_anon);
    for (size_t i = 0; i < n; i += 4096)
        sum += bytes[i];
    CHECK(sum > 0.0);
    free(bytes);
    for (int i = 0; i < 5000000; i++)
        sum += i;
    CHECK(qn_cpu_seconds() > 0.0);
    CHECK(qn_disk_free("/tmp", fs) > 0);
    CHECK(strlen(fs) > 0);
    CHECK_EQ(qn_disk_free("/no/such/place", fs), 0);
    CHECK_TEXT(fs, "unknown");
    qn_disk_free("/proc", fs);
    CHECK_TEXT(qn_fs_name(0xEF53), "ext4");
    CHECK_TEXT(qn_fs_name(0x01021994), "tmpfs");
    CHECK_TEXT(qn_fs_name(0x9123683E), "btrfs");
    CHECK_TEXT(qn_fs_name(1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bare_machine_has_no_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_2_takes_the_tightest_limit_on_the_way_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_small_quota_still_leaves_one_core, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_1_is_read_where_the_container_hides_its_path,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_1_says_none_by_a_huge_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_readable_is_no_failure, set_up, tear_down),
        cmocka_unit_test(an_affinity_mask_counts),
        cmocka_unit_test(this_process_is_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
