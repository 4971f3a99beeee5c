#!/bin/sh
# store.sh BUILD: a store of eight times the budget, in a cgroup that holds hardly more than the budget,
# is written, read back and equal; nobody is killed and nothing is left in the scratch folder.
# shellcheck source=tests/memory/lib.sh
. "$(dirname "$0")/lib.sh"
program=$1/store_passes
budget=64
size=512
# said NAME LINE: a figure of what the program said
said() {
    echo "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

needs_disk "$scratch"
cgroup_open
free=$("$program" "$scratch" 1024 $size 3) || fail "the run in memory failed"
limit=$(limit_of_budget $budget)
held=$(cgroup_run "$limit" "$program" "$scratch" $budget $size 3) || fail "ended with $? under $limit bytes"
echo "in memory: $free"
echo "budgeted:  $held"
echo "cgroup: limit $limit, peak $(cgroup_peak), killed $(cgroup_killed)"
[ "$(said spilled "$free")" = 0 ] || fail "spilled although all fits"
[ "$(said sum "$free")" = "$(said sum "$held")" ] || fail "the sums differ"
[ "$(said spilled "$held")" -ge $((440 << 20)) ] || fail "spilled less than what cannot have fitted"
[ "$(said spilled "$held")" -le $((size << 20)) ] || fail "a block was written twice"
[ "$(said peak "$held")" -le $((budget << 20)) ] || fail "the budget was exceeded"
[ "$(cgroup_killed)" = 0 ] || fail "a process was killed"
[ -z "$(ls -A "$scratch")" ] || fail "files are left in the scratch folder"
