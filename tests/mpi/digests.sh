#!/bin/sh
# digests.sh FLAVOUR: one model for any number of workers and threads, that of the plain run; some workers have
# nothing to do.
# shellcheck source=tests/mpi/lib.sh
. "$(dirname "$0")/lib.sh"

plain() { # plain OPTION...: the digest of a plain run
    "$QN_QUERN" "$@" --runs-dir none --json --quiet | digest
}
check() { # check NAME OPTION...
    name=$1
    shift
    wanted=$(plain "$@" --threads 1)
    [ "${#wanted}" = 32 ] || fail "$name: no digest: $wanted"
    for n in $(counts $numbers); do
        for threads in 1 2; do
            got=$(ranks "$n" "$QN_QUERN" "$@" --threads $threads --as-rank "$flavour" --runs-dir none --json --quiet | digest)
            [ "$got" = "$wanted" ] || fail "$name, $n workers, $threads threads: $got, not $wanted"
        done
    done
    echo "$name: $wanted"
}

"$QN_QUERN" datagen ratings --users 9000 --items 700 --ratings 120000 --seed 3 --format csv --out ratings --quiet
"$QN_QUERN" datagen susy --rows 150000 --seed 3 --out rows --quiet
numbers="1 2 3 5 7"
check "als" fit als --input ratings/ratings.csv --rank 9 --max-iter 3 --seed 5
check "forest" fit forest --label 0 --input rows/susy.csv --num-trees 4 --max-depth 5 --seed 5
check "kmeans" fit kmeans --label 0 --input rows/susy.csv --k 5 --max-iter 3 --seed 5
# One or two ratings a row: rows go to the workers that need them. In `hub` one worker owns all items and needs all users.
"$QN_QUERN" datagen ratings --users 40000 --items 30000 --ratings 70000 --seed 7 --format csv --out sparse --quiet
"$QN_QUERN" datagen ratings --users 40000 --items 3000 --ratings 1000000 --seed 7 --format csv --out hub --quiet
check "als, sparse" fit als --input sparse/ratings.csv --rank 6 --max-iter 4 --seed 5 --partitions 9
memory=15m
[ "$flavour" = openmpi ] || memory=18m # MPICH takes 3 MB more of it
numbers="1 2 5"
check "als, hub, spilled" fit als --input hub/ratings.csv --rank 6 --max-iter 3 --seed 5 --partitions 9 --memory $memory --scratch .
record() { # record NAME OPTION...: of a fit on 5 workers: what half steps exchanged, and whether anything was spilled
    name=$1
    shift
    rm -rf runs
    ranks 5 "$QN_QUERN" fit als --rank 6 --max-iter 3 --seed 5 --partitions 9 --threads 1 --as-rank "$flavour" --runs-dir runs \
        --json --quiet "$@" >/dev/null
    python3 - "$name" <<'PY'
import glob, json, sys
record = json.load(open(glob.glob("runs/als-*/record.json")[0]))
said = [(side, x["rows"]) for i in record["iterations"] for side, x in sorted(i["exchange"].items()) if x["bytes"] > 0]
by_need = {"sparse": ["items", "users"], "hub": ["users"], "dense": []}[sys.argv[1]]
last = [("items", "all rows"), ("users", "all rows")]
wanted = [(s, "needed rows" if s in by_need else "all rows") for s in ("items", "users")] * 2 + last
assert said == wanted, said
assert sys.argv[1] != "hub" or record["memory"]["spilled_bytes"] > 0, record["memory"]
print("exchange,", sys.argv[1] + ": as it should be")
PY
}
if [ -n "$(counts 5)" ]; then
    record sparse --input sparse/ratings.csv
    record hub --input hub/ratings.csv --memory $memory --scratch .
    "$QN_QUERN" datagen ratings --users 20000 --items 20000 --ratings 2000000 --seed 7 --format csv --out dense --quiet
    record dense --input dense/ratings.csv
fi
numbers="2 5"
check "als, sparse, implicit" fit als --input sparse/ratings.csv --rank 5 --max-iter 3 --seed 5 --partitions 9 --implicit-prefs
check "als, split, judged and saved" fit als --input ratings/ratings.csv --rank 6 --max-iter 2 --seed 5 \
    --split random:0.8 --model m --overwrite true
check "als, implicit" fit als --input ratings/ratings.csv --rank 5 --max-iter 2 --seed 5 --implicit-prefs
