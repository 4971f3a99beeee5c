#!/bin/sh
# ratings.sh BUILD: ten million ratings go from a file to a model with a budget of a quarter and of an eighth of
# what both orientations take, each in a memory cgroup that holds hardly more than the budget, the file cache cold:
# nobody is killed, something is spilled, the model is the one that is made in memory, and nothing is left in the
# scratch folder.
# shellcheck source=tests/memory/lib.sh
. "$(dirname "$0")/lib.sh"
# fit COMMAND...: with the options that all runs share
fit() {
    "$@" "$quern" fit als --input "$scratch/data/ratings.csv" --rank 10 --max-iter 2 --threads 2 --quiet --json \
        --runs-dir "$scratch/runs" --scratch "$scratch/spill" --memory "$memory"
}

needs_disk "$scratch"
needs_python
cgroup_open
mkdir "$scratch/spill"
"$quern" datagen ratings --users 40000 --items 8000 --ratings 10000000 --out "$scratch/data" --quiet >/dev/null ||
    fail "no ratings could be made"
memory=1g
fit env >"$scratch/free.json" || fail "the run in memory failed"
grep -q load_bytes_spilled "$scratch/free.json" && fail "spilled although all fits"
for budget in 24 12; do # of 96 MiB: an index and a code of one byte, twice
    held=$scratch/held.json
    memory=${budget}m
    fit cgroup_run "$(limit_of_budget $budget)" >"$held" || fail "ended with $? under a budget of $budget MB"
    echo "budget $budget MB: peak $(cgroup_peak), killed $(cgroup_killed), spilled $(value counts.load_bytes_spilled "$held")"
    [ "$(value model_digest "$held")" = "$(value model_digest "$scratch/free.json")" ] || fail "another model"
    [ "$(value data.fingerprint "$held")" = "$(value data.fingerprint "$scratch/free.json")" ] || fail "other data"
    [ "$(value counts.load_bytes_spilled "$held")" -gt 0 ] || fail "nothing was spilled"
    [ "$(value resources.budget_peak_bytes "$held")" -le $((budget << 20)) ] || fail "the budget was exceeded"
    [ "$(cgroup_killed)" = 0 ] || fail "a process was killed"
    [ -z "$(ls -A "$scratch/spill")" ] || fail "files are left in the scratch folder"
done
