#!/bin/sh
# Forests and trees: one model for every way through the same files, in every kernel set and from both compilers; with
# rows merged, another one that is as steady.
set -eu
quern=$1/quern
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
other=$source/build-clang/quern
[ "$(readlink -f "$quern")" != "$(readlink -f "$other")" ] || other=$source/build/quern

fit() { # fit PROGRAM ALGORITHM OPTION...
    program=$1
    algorithm=$2
    shift 2
    "$program" fit "$algorithm" --label 0 --input "$csv" --max-depth 6 --seed 5 --runs-dir none --json --quiet "$@"
}
digest() { fit "$@" | sed 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/'; }
expect() { # expect WHAT PROGRAM ALGORITHM OPTION...
    what=$1
    shift
    got=$(digest "$@")
    if [ "${#got}" != 32 ] || [ "$got" != "$wanted" ]; then
        echo "$what: digest $got, not $wanted"
        exit 1
    fi
}

# 150,000 rows, 26 MB: four splits, four cells, label in the first column.
"$quern" datagen susy --rows 150000 --seed 3 --out made --quiet
csv=made/susy.csv
sets=
for set in reference avx2 avx512; do
    if "$quern" doctor | grep -q "available:.*$set"; then sets="$sets $set"; else echo "skipped: this processor lacks $set"; fi
done

check() { # check ALGORITHM OPTION...
    wanted=$(digest "$quern" "$@" --threads 1)
    for n in 2 3 8; do expect "$*, $n threads" "$quern" "$@" --threads $n; done
    for n in 1 7 64; do expect "$*, $n partitions" "$quern" "$@" --partitions $n; done
    expect "$*, pieces of 8 MB, as by default" "$quern" "$@" --split-bytes 8m
    expect "$*, 150 MB of memory" "$quern" "$@" --memory 150m
    for set in $sets; do
        expect "$*, $set" "$quern" "$@" --kernels "$set"
        [ ! -x "$other" ] || expect "$*, $set, the other compiler" "$other" "$@" --kernels "$set"
    done
}
check forest --num-trees 12
check forest --num-trees 12 --merge-rows true --max-bins 4
check forest --num-trees 5 --task regression --label 1
check forest --num-trees 5 --bootstrap false --subsampling-rate 0.5 --impurity entropy
check tree

# Twelve trees are the first twelve of thirty; depth 6 is depth 9 cut and pruned again: digests of saved models differ
# in the settings alone, so the nodes are compared.
nodes() { "$quern" inspect "$1" --json --quiet | python3 -c 'import json, sys; print(json.load(sys.stdin)["nodes_of_trees"][:12])'; }
digest "$quern" forest --num-trees 12 --model few >/dev/null
digest "$quern" forest --num-trees 30 --model many >/dev/null
nodes few >few.txt
nodes many >many.txt
cmp few.txt many.txt
[ -x "$other" ] || echo "note: the other compiler's program is not built here; make clang compares with it"
