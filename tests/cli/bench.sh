#!/bin/sh
# Kernels beside what the machine can do.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"

small='--rows 20000 --features 5 --k 3 --repeats 2 --memory 64m --threads 2'
# shellcheck disable=SC2086
run bench kmeans $small
expect_code 0
expect_no_err
expect_out '^machine +2 threads, [a-z0-9]+ kernels: reads [0-9.]+ GB/s, [0-9]+ GFLOP/s float'
expect_out '^data +20,000 rows x 5 features, .*; k 3$'
for kernel in nearest label_sums 'label_moves, all rows' 'first pass: nearest \+ label_moves' 'later pass: no row moves' label_distance; do
    expect_out "^$kernel +[0-9.]+ ms +[0-9.]+ ms .* (memory|compute) +[0-9]+ %$"
done
# shellcheck disable=SC2086
run bench kmeans $small --precision double --kernels reference --json
expect_code 0
[ "$(wc -l <"$out")" = 1 ] || fail "one line of JSON"
expect_json 'j["kernel_set"], j["precision"], len(j["kernels"])' 'reference double 6'
expect_json 'all(r["best_s"] <= r["median_s"] and 0 < r["share_of_limit"] for r in j["kernels"])' True

refused 2 'missing: NAME' bench
refused 2 'there is no bench "forests"; there are: kmeans' bench forests
refused 2 'out of range' bench kmeans --k 0
refused 1 'generated rows' bench kmeans --rows 100000000 --memory 64m
echo passed
