#!/bin/sh
# resume.sh FLAVOUR: a worker is killed in the middle of a fit; the run goes on from its checkpoint on another number of
# workers, to the model of an undisturbed run.
# shellcheck source=tests/mpi/lib.sh
. "$(dirname "$0")/lib.sh"

"$QN_QUERN" datagen ratings --users 3000 --items 900 --ratings 150000 --seed 5 --format csv --out ratings --quiet
fit="fit als --input ratings/ratings.csv --rank 24 --max-iter 60"
wanted=$("$QN_QUERN" $fit --runs-dir none --json --quiet | digest)
[ "${#wanted}" = 32 ] || fail "no digest: $wanted"

# kill_one BEFORE AFTER: dies on so many workers, goes on with the other number.
kill_one() {
    rm -rf runs
    ranks "$1" "$QN_QUERN" $fit --checkpoint-interval 1 --as-rank "$flavour" --quiet >out 2>&1 &
    launcher=$!
    tries=0
    until [ "$(iteration)" -ge 3 ]; do
        tries=$((tries + 1))
        [ $tries -lt 3000 ] || fail "no checkpoint in a minute"
        sleep 0.02
    done
    # The record names the process of worker 0.
    kill -9 "$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' runs/als-*/record.json)"
    if wait $launcher; then fail "a run whose worker was killed ends well"; fi
    got=$(ranks "$2" "$QN_QUERN" fit als --resume last --as-rank "$flavour" --json --quiet | digest)
    [ "$got" = "$wanted" ] || fail "$1 workers, then $2: $got, not $wanted"
    grep -q '"resumed_iteration":[1-9]' runs/als-*/record.json || fail "it began anew"
    [ -z "$(ls -d runs/als-*/checkpoint 2>/dev/null)" ] || fail "checkpoints are left"
    echo "$1 workers, then $2: $got"
}

kill_one 2 1
if [ "$flavour" = openmpi ]; then
    kill_one 3 2
    kill_one 1 5
fi
