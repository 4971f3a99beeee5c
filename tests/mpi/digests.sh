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
numbers="2 5"
check "als, split, judged and saved" fit als --input ratings/ratings.csv --rank 6 --max-iter 2 --seed 5 \
    --split random:0.8 --model m --overwrite true
check "als, implicit" fit als --input ratings/ratings.csv --rank 5 --max-iter 2 --seed 5 --implicit-prefs
