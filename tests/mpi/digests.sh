#!/bin/sh
# digests.sh FLAVOUR: one model for any number of workers and threads, that of the plain run; some workers have
# nothing to do.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
flavour=$1
. "$here/lib.sh"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

digest() { # digest OPTION...: of a plain run
    "$QN_QUERN" "$@" --runs-dir none --json --quiet | sed 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/'
}
check() { # check NAME OPTION...
    name=$1
    shift
    wanted=$(digest "$@" --threads 1)
    [ "${#wanted}" = 32 ] || { echo "$name: no digest: $wanted"; exit 1; }
    for n in $(counts $numbers); do
        for threads in 1 2; do
            got=$(ranks "$n" "$QN_QUERN" "$@" --threads $threads --as-rank "$flavour" --runs-dir none --json --quiet |
                sed 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/')
            [ "$got" = "$wanted" ] || { echo "$name, $n workers, $threads threads: $got, not $wanted"; exit 1; }
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
# One or two ratings a row: rows go to the workers that need them.
"$QN_QUERN" datagen ratings --users 40000 --items 30000 --ratings 70000 --seed 7 --format csv --out sparse --quiet
sparse="fit als --input sparse/ratings.csv --rank 6 --max-iter 4 --seed 5"
# shellcheck disable=SC2086
check "als, sparse" $sparse
# shellcheck disable=SC2086
check "als, sparse, spilled" $sparse --memory 64m --scratch .
exchange() { # exchange RATINGS: what the record of a fit on 5 workers says of its iterations
    # shellcheck disable=SC2046
    [ -n "$(counts 5)" ] || return 0
    rm -rf runs
    ranks 5 "$QN_QUERN" fit als --input "$1/ratings.csv" --rank 6 --max-iter 3 --seed 5 --as-rank "$flavour" --runs-dir runs \
        --json --quiet >/dev/null
    python3 -c 'import glob, json
for i in json.load(open(glob.glob("runs/*/record.json")[0]))["iterations"]:
    for side, x in sorted(i["exchange"].items()):
        assert x["bytes"] > 0, x
        print(i["iteration"], side, x["rows"])'
}
said() { # said NAME WANTED GOT
    [ -z "$3" ] || [ "$3" = "$2" ] || { echo "$1: $3"; exit 1; }
}
said "exchange, sparse" "1 items needed rows
1 users needed rows
2 items needed rows
2 users needed rows
3 items all rows
3 users all rows" "$(exchange sparse)"
said "exchange, dense" "1 items all rows
1 users all rows
2 items all rows
2 users all rows
3 items all rows
3 users all rows" "$(exchange ratings)"
numbers="2 5"
check "als, sparse, implicit" fit als --input sparse/ratings.csv --rank 5 --max-iter 3 --seed 5 --implicit-prefs
check "als, split, judged and saved" fit als --input ratings/ratings.csv --rank 6 --max-iter 2 --seed 5 \
    --split random:0.8 --model m --overwrite true
check "als, implicit" fit als --input ratings/ratings.csv --rank 5 --max-iter 2 --seed 5 --implicit-prefs
