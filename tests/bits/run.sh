#!/bin/sh
# One digest for every way to the same ratings, and one per kernel set. Where the other compiler's build lies
# beside (build and build-clang), its digests must be the same too.
set -eu
quern=$1/quern
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

digest() {
    "$@" --rank 9 --max-iter 3 --seed 5 --runs-dir none --json --quiet |
        sed 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/'
}
expect() {
    what=$1
    shift
    got=$(digest "$@")
    if [ "${#got}" != 32 ] || [ "$got" != "$wanted" ]; then
        echo "$what: digest $got, not $wanted"
        exit 1
    fi
}

"$quern" datagen ratings --shape netflix --users 5000 --items 700 --ratings 300000 --seed 3 --format csv --out a --quiet
"$quern" datagen ratings --shape netflix --users 5000 --items 700 --ratings 300000 --seed 3 --out b --quiet
csv=a/ratings.csv
wanted=$(digest "$quern" fit als --input "$csv" --threads 1)
[ "${#wanted}" = 32 ] || { echo "no digest: $wanted"; exit 1; }

for threads in 2 3 8; do expect "$threads threads" "$quern" fit als --input "$csv" --threads "$threads"; done
for partitions in 1 2 5; do expect "$partitions partitions" "$quern" fit als --input "$csv" --partitions "$partitions"; done
{ head -n 1 "$csv"; tail -n +2 "$csv" | sort -t, -k3,3 -k2,2r; } >shuffled.csv
expect "shuffled rows" "$quern" fit als --input shuffled.csv
tail -n +2 shuffled.csv | sed 's/,/::/g' >ratings.dat
expect "::" "$quern" fit als --input ratings.dat
tr ',' '\t' <"$csv" >ratings.tsv
expect "tabs" "$quern" fit als --input ratings.tsv
gzip -k shuffled.csv
expect "gzip" "$quern" fit als --input shuffled.csv.gz
expect "Netflix text" "$quern" fit als --input b/ratings.txt
awk -F, 'NR > 1 { print > ("part" NR % 3 ".csv") }' OFS=, "$csv"
mkdir parts && mv part?.csv parts
expect "a folder" "$quern" fit als --input parts
"$quern" fit als --input - --rank 9 --max-iter 3 --seed 5 --runs-dir none --json --quiet <"$csv" | grep -q "$wanted" ||
    { echo "standard input: another digest"; exit 1; }
if "$quern" datagen ratings --shape netflix --users 5000 --items 700 --ratings 300000 --seed 3 --format parquet --out c --quiet 2>/dev/null; then
    expect "Parquet" "$quern" fit als --input c/ratings.parquet
else
    echo "skipped: Parquet among the formats: the module is not built"
fi

other=$source/build-clang/quern
[ "$(readlink -f "$quern")" != "$(readlink -f "$other")" ] || other=$source/build/quern
for set in reference avx2 avx512; do
    "$quern" doctor | grep -q "available:.*$set" || { echo "skipped: this processor lacks $set"; continue; }
    wanted=$(digest "$quern" fit als --input "$csv" --kernels "$set" --threads 1)
    expect "$set, 2 threads" "$quern" fit als --input "$csv" --kernels "$set" --threads 2
    [ ! -x "$other" ] || expect "$set, the other compiler" "$other" fit als --input "$csv" --kernels "$set"
done
[ -x "$other" ] || echo "note: the other compiler's program is not built here; make clang compares with it"
