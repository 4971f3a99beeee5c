#!/bin/sh
# store.sh BUILD: a store of eight times the budget, in a cgroup that holds hardly more than the budget,
# is written, read back and equal; nobody is killed and nothing is left in the scratch folder.
set -u
program=$1/store_passes
# shellcheck source=tests/memory/cgroup.sh
. "$(dirname "$0")/cgroup.sh"
budget=64
size=512
scratch=$(mktemp -d "$1/memory-store-XXXXXX") || exit 1
trap 'cgroup_close; rm -rf "$scratch"' EXIT
fail() {
    echo "store.sh: $1"
    exit 1
}
value() {
    echo "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

case $(stat -f -c %T "$scratch") in
tmpfs | ramfs) skip "$scratch is not on a disk" ;;
esac
cgroup_open
free=$("$program" "$scratch" 1024 $size 3) || fail "the run in memory failed"
limit=$(limit_of_budget $budget)
held=$(cgroup_run "$limit" "$program" "$scratch" $budget $size 3) || fail "ended with $? under $limit bytes"
echo "in memory: $free"
echo "budgeted:  $held"
echo "cgroup: limit $limit, peak $(cgroup_peak), killed $(cgroup_killed)"
[ "$(value spilled "$free")" = 0 ] || fail "spilled although all fits"
[ "$(value sum "$free")" = "$(value sum "$held")" ] || fail "the sums differ"
[ "$(value spilled "$held")" -ge $((440 << 20)) ] || fail "spilled less than what cannot have fitted"
[ "$(value spilled "$held")" -le $((size << 20)) ] || fail "a block was written twice"
[ "$(value peak "$held")" -le $((budget << 20)) ] || fail "the budget was exceeded"
[ "$(cgroup_killed)" = 0 ] || fail "a process was killed"
[ -z "$(ls -A "$scratch")" ] || fail "files are left in the scratch folder"
