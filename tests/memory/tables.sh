#!/bin/sh
# tables.sh BUILD: a million rows of 18 features go to clusters and to trees with less memory than their matrix takes,
# each in a memory cgroup that holds hardly more than the budget, the file cache cold: K-means with a quarter of the
# matrix, with features scaled and not, and forests with a quarter of it in doubles and three eighths of it in floats
# (a byte of each value stays in memory). Nobody is killed, something is spilled, the models are those made in memory.
# A budget that cannot hold what must stay is refused with the bytes, before the rows are read.
# shellcheck source=tests/memory/lib.sh
. "$(dirname "$0")/lib.sh"
# fit MEMORY ALGORITHM OPTION...: with the options that all runs share, after $before
fit() {
    memory=$1
    algorithm=$2
    shift 2
    $before "$quern" fit "$algorithm" --input "$scratch/data/susy.csv" --label 0 --seed 1 --threads 2 --quiet --json \
        --runs-dir "$scratch/runs" --scratch "$scratch/spill" --memory "$memory" "$@"
}
# held NUMERATOR DENOMINATOR ALGORITHM OPTION...: the same model with that part of the matrix as with all memory
held() {
    part=$1/$2
    numerator=$1
    denominator=$2
    shift 2
    before=
    fit 1g "$@" >"$scratch/free.json" || fail "$* failed in memory"
    bytes=$(value counts.matrix_bytes "$scratch/free.json")
    budget=$((bytes * numerator / denominator))
    before="cgroup_run $(limit_of_budget $((budget >> 20)))"
    fit $budget "$@" >"$scratch/held.json" || fail "$* ended with $? with $part of the matrix"
    spilled=$(value resources.spilled_bytes "$scratch/held.json")
    echo "$*: matrix $bytes, budget $budget, peak $(cgroup_peak), killed $(cgroup_killed), spilled $spilled"
    [ "$(value resources.spilled_bytes "$scratch/free.json")" = 0 ] || fail "$*: spilled although all fits"
    [ "$(value model_digest "$scratch/held.json")" = "$(value model_digest "$scratch/free.json")" ] ||
        fail "$*: another model"
    [ "$spilled" -gt $((bytes / 2)) ] || fail "$*: hardly anything was spilled"
    [ "$(value resources.budget_peak_bytes "$scratch/held.json")" -le $budget ] || fail "$*: the budget was exceeded"
    [ "$(cgroup_killed)" = 0 ] || fail "$*: a process was killed"
    [ -z "$(ls -A "$scratch/spill")" ] || fail "$*: files are left in the scratch folder"
}

needs_disk "$scratch"
needs_python
cgroup_open
mkdir "$scratch/spill"
"$quern" datagen susy --rows 1000000 --seed 3 --out "$scratch/data" --quiet >/dev/null || fail "no rows could be made"
held 1 4 kmeans -k 8 --max-iter 3
held 1 4 kmeans -k 8 --max-iter 3 --scale 1=std,2=std
held 1 4 forest --num-trees 4 --max-depth 5 --precision double
held 3 8 forest --num-trees 4 --max-depth 5
before=
fit 12m forest --num-trees 4 --max-depth 5 >"$scratch/held.json" 2>"$scratch/said" && fail "12 MB were enough"
grep -q "holds 21 MB in memory" "$scratch/said" || fail "refused with $(cat "$scratch/said")"
