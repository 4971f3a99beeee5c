#!/bin/sh
# job.sh BUILD: the whole main job on ten million ratings, with 64 MB of which DuckDB takes 48: fit with a part held back
# to judge on and a model saved, that model judged on a file, and recommendations for all users without what they have
# rated. Each in a memory cgroup that holds hardly more than the budget, the file cache cold: nobody is killed, and
# everything that comes out is what comes out with all memory.
# shellcheck source=tests/memory/lib.sh
. "$(dirname "$0")/lib.sh"
budget=64
# both NAME WORDS...: a command in memory and under the budget; @ in its words is the folder of its outputs.
both() {
    what=$1
    shift
    for how in free held; do
        mkdir -p "$scratch/$how"
        memory=2g before=
        [ $how = held ] && memory=${budget}m before="cgroup_run $(limit_of_budget $budget)"
        # shellcheck disable=SC2046
        $before "$quern" $(echo "$@" | sed "s|@|$scratch/$how|g") --threads 2 --quiet --json --runs-dir "$scratch/runs" \
            --scratch "$scratch/spill" --memory $memory >"$scratch/$how/$what.json" 2>"$scratch/said" ||
            fail "$what, $how: ended with $?"
    done
    echo "$what: peak $(cgroup_peak), killed $(cgroup_killed)"
    [ "$(cgroup_killed)" = 0 ] || fail "$what: a process was killed"
    [ -z "$(ls -A "$scratch/spill")" ] || fail "$what: files are left in the scratch folder"
}
same() { # same NAME MEMBER: of both results
    held=$(value "$2" "$scratch/held/$1.json") || fail "$1: no $2"
    [ "$held" = "$(value "$2" "$scratch/free/$1.json")" ] || fail "$1: another $2"
}
bounded() { # bounded NAME: by its own account too
    [ "$(value resources.budget_peak_bytes "$scratch/held/$1.json")" -le $((budget << 20)) ] || fail "$1: the budget was exceeded"
}

needs_disk "$scratch"
needs_python
needs_parquet
cgroup_open
mkdir "$scratch/spill"
"$quern" datagen ratings --users 40000 --items 8000 --ratings 10000000 --out "$scratch/data" --quiet >/dev/null ||
    fail "no ratings could be made"
ratings=$scratch/data/ratings.csv
both fit fit als --input "$ratings" --split random:0.8 --rank 10 --max-iter 2 --model @/model
bounded fit
same fit model_digest
same fit metrics.rmse
same fit metrics.ndcg_at_k
[ "$(value resources.spilled_bytes "$scratch/free/fit.json")" = 0 ] || fail "spilled although all fits"
[ "$(value resources.spilled_bytes "$scratch/held/fit.json")" -gt 0 ] || fail "nothing was spilled"
both evaluate evaluate --model @/model --input "$ratings" --seen "$ratings" --ranking-users 2000
bounded evaluate
same evaluate metrics.rmse
same evaluate metrics.ndcg_at_k
both recommend recommend --model @/model --all-users --exclude-seen "$ratings" --output @/lists.csv
cmp -s "$scratch/free/lists.csv" "$scratch/held/lists.csv" || fail "other recommendations"
[ "$(wc -l <"$scratch/held/lists.csv")" -gt 300000 ] || fail "hardly any recommendations"
