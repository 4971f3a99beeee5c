#!/bin/sh
# K-means: one model for every way through the same file, in every kernel set and from both compilers.
# Standard input and a compressed file are one split, so their rows lie in other cells and sums round
# otherwise: those two have one model between them, and its clusters hold as many rows as the file's.
set -eu
quern=$1/quern
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
other=$source/build-clang/quern
[ "$(readlink -f "$quern")" != "$(readlink -f "$other")" ] || other=$source/build/quern

fit() { # fit PROGRAM OPTION...
    program=$1
    shift
    "$program" fit kmeans --label 0 --k 7 --max-iter 3 --seed 5 --runs-dir none --json --quiet "$@"
}
digest() { fit "$@" | sed 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/'; }
sizes() { fit "$@" | sed 's/.*"cluster_sizes":\(\[[0-9,]*\]\).*/\1/'; }
expect() { # expect WHAT PROGRAM OPTION...
    what=$1
    shift
    got=$(digest "$@")
    if [ "${#got}" != 32 ] || [ "$got" != "$wanted" ]; then
        echo "$what: digest $got, not $wanted"
        exit 1
    fi
}

# 150,000 rows, 26 MB: four splits, four cells. The label is the first column and the file has no header,
# so the first field of all is one that is asked for last.
"$quern" datagen susy --rows 150000 --seed 3 --out made --quiet
csv=made/susy.csv
gzip -k1 "$csv"
sets=
for set in reference avx2 avx512; do
    if "$quern" doctor | grep -q "available:.*$set"; then sets="$sets $set"; else echo "skipped: this processor lacks $set"; fi
done

check() { # check MEMORY OPTION...: more threads and partitions than there are cells, too
    memory=$1
    shift
    wanted=$(digest "$quern" --input "$csv" --threads 1 "$@")
    for n in 2 3 8; do expect "$*, $n threads" "$quern" --input "$csv" --threads $n "$@"; done
    for n in 1 7 64; do expect "$*, $n partitions" "$quern" --input "$csv" --partitions $n "$@"; done
    for n in 300k 1g; do expect "$*, pieces of $n" "$quern" --input "$csv" --split-bytes $n "$@"; done
    expect "$*, $memory of memory" "$quern" --input "$csv" --memory "$memory" "$@"
    for set in $sets; do
        expect "$*, $set" "$quern" --input "$csv" --kernels "$set" "$@"
        [ ! -x "$other" ] || expect "$*, $set, the other compiler" "$other" --input "$csv" --kernels "$set" "$@"
    done

    file=$(sizes "$quern" --input "$csv" "$@")
    wanted=$(digest "$quern" --input "$csv.gz" "$@")
    expect "$*, standard input" "$quern" --input - "$@" <"$csv"
    expect "$*, gzip on 1 thread" "$quern" --input "$csv.gz" --threads 1 --partitions 3 "$@"
    one=$(sizes "$quern" --input "$csv.gz" "$@")
    [ "$file" = "$one" ] || { echo "$*: one split has clusters of $one rows, the file $file"; exit 1; }
}
check 20m --precision float
check 36m --precision double
check 20m --precision float --distance-measure cosine
check 36m --precision double --distance-measure cosine
[ -x "$other" ] || echo "note: the other compiler's program is not built here; make clang compares with it"
