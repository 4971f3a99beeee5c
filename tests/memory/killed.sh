#!/bin/sh
# killed.sh BUILD: runs whose budget is larger than their memory cgroup allows are killed by the kernel. A single
# process is explained at the next start, a worker by its supervisor at once: limit, peak, and what to change.
# shellcheck source=tests/memory/lib.sh
. "$(dirname "$0")/lib.sh"
cgroup_open
cd "$scratch" || exit 1
"$quern" datagen ratings --users 20000 --items 4000 --ratings 2000000 --out data --quiet >/dev/null ||
    fail "no ratings could be made"
head -n 1001 data/ratings.csv >few.csv
limit=$((40 << 20))
fit="fit als --input data/ratings.csv --rank 50 --max-iter 2 --memory 2g --quiet"

cgroup_run $limit "$quern" $fit >said 2>&1
code=$?
[ $code = 137 ] || fail "ended with $code, not 137, in 40 MB"
[ "$(cgroup_killed)" -gt 0 ] || fail "the kernel has killed nobody"
cgroup_run $limit "$quern" fit als --input few.csv --rank 2 --max-iter 1 --memory 20m >said 2>&1 ||
    fail "the next start failed with $?"
grep -qE '^warning: run als-[-0-9a-f]* \(fit als, started .*\) died without a word.*; it last held .* of the 40 MB that its container allows; the system ended it for memory \(exit 137\): try --memory below 32 MB' said ||
    fail "the next start does not say why"
grep -q 'go on with: quern fit als --resume als-' said || fail "the next start does not say how to go on"
echo "one process: $(grep -o 'it last held .*exit 137)' said)"

if command -v mpirun.openmpi >/dev/null && [ -e "$1/libquern_comm_openmpi.so" ]; then
    cgroup_run $((64 << 20)) "$quern" $fit --workers 2 --max-restarts 1 >said 2>&1
    code=$?
    [ $code = 1 ] || fail "two workers: ended with $code, not 1, in 64 MB"
    grep -qE '^quern: fit als: worker [01] on .* was ended by signal 9 \(Killed\): it last held .* of the 64 MB that its container allows; the system ended it for memory \(exit 137\): try --memory below 51.2 MB.*; the workers were started again 1 times' said ||
        fail "two workers: the supervisor does not say why"
    grep -q '"status":"failed","exit_code":1' runs/*/record.json || fail "two workers: the record does not say so"
    grep -h '"SparkListenerExecutorRemoved"' runs/spark-events/* | grep -q 'ended it for memory (exit 137)' ||
        fail "two workers: the event log does not say so"
    echo "two workers: $(grep -o 'worker [01] on .*exit 137)' said | tail -n 1)"
else
    echo "note: Open MPI is not here, so no worker is killed"
fi
