#!/bin/sh
# soak.sh FLAVOUR: 8 and 16 workers on this machine, several fits after one another: each ends within a minute, with the
# model of one process, and what a worker holds does not grow over a long fit.
# shellcheck source=tests/mpi/lib.sh
. "$(dirname "$0")/lib.sh"

"$QN_QUERN" datagen ratings --users 40000 --items 5000 --ratings 200000 --seed 3 --out data --quiet
fit="fit als --input data/ratings.csv --rank 8 --threads 1 --memory 64m --json --quiet"
# shellcheck disable=SC2086
"$QN_QUERN" $fit --max-iter 4 --runs-dir none >one.json
wanted=$(digest <one.json)
[ "${#wanted}" = 32 ] || fail "no digest of one process"
for n in 8 16 8; do
    start=$(date +%s)
    # shellcheck disable=SC2086
    timeout 60 "$QN_QUERN" $fit --max-iter 4 --workers $n >out.json 2>err || fail "$n workers ended with $?"
    [ "$(digest <out.json)" = "$wanted" ] || fail "$n workers: $(digest <out.json), not $wanted"
    echo "$n workers: $(($(date +%s) - start)) s"
done

# 60 iterations hold no more than 6, a megabyte apart.
peak() {
    # shellcheck disable=SC2086
    timeout 120 "$QN_QUERN" $fit --max-iter "$1" --workers 8 --checkpoint-interval 1000 >out.json 2>err || fail "a long fit"
    python3 -c 'import json; print(max(w["peak_bytes"] for w in json.loads(open("out.json").read().splitlines()[-1])["workers"]))'
}
short=$(peak 6)
long=$(peak 60)
echo "most that a worker held: $short bytes in 6 iterations, $long in 60"
[ "$long" -le $((short + 1048576)) ] || fail "it grows"
