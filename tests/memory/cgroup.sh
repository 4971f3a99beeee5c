# Sourced by the tests of memory, after tests/support/skip.sh: runs a command in a memory cgroup of its own.
# shellcheck shell=sh
cgroup_root=/sys/fs/cgroup/memory
cgroup=$cgroup_root/quern-test-$$

cgroup_open() {
    mkdir "$cgroup" 2>/dev/null && [ -w "$cgroup/memory.limit_in_bytes" ] && return
    skip "$cgroup_root cannot be written (cgroup v1 and root are needed)"
}

cgroup_close() {
    [ -d "$cgroup" ] && rmdir "$cgroup"
}

# The budget and max(10 %, 64 MB), in bytes; $1 in MB.
limit_of_budget() {
    awk -v m="$1" 'BEGIN { more = m / 10; if (more < 64) more = 64; printf "%d\n", (m + more) * 1048576 }'
}

# cgroup_run LIMIT COMMAND...: its status; nothing of the file cache is left from before.
cgroup_run() {
    echo "$1" >"$cgroup/memory.limit_in_bytes" || exit 1
    echo 0 >"$cgroup/memory.max_usage_in_bytes"
    shift
    sync
    echo 1 >/proc/sys/vm/drop_caches 2>/dev/null
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cgroup" "$@"
}

cgroup_peak() {
    cat "$cgroup/memory.max_usage_in_bytes"
}

cgroup_killed() {
    sed -n 's/^oom_kill //p' "$cgroup/memory.oom_control"
}
