#!/bin/sh
# limits.sh: no more workers than are left, no more starts than are allowed: a named error, and never a hang.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
hosts_open alpha beta
undisturbed
fit="$fit --hosts alpha,beta"

start $fit --max-restarts 0
reach 3
kill -9 $(ranks_on beta)
finish
expect_code 1
expect_err '^quern: fit als: worker 1 on beta was ended by signal 9 .*started again 0 times \(--max-restarts\)'
for host in $hosts; do wait_until 5 is_idle "$host" || fail "processes are left on $host"; done
echo "--max-restarts reached: $code"

run fit als --resume last --json --hosts alpha,beta
expect_same
echo "and resumed"
rm -rf runs

start $fit
reach 3
host_kill beta
finish
expect_code 75
expect_err 'hosts for 1 workers are left, and --min-workers is 2'
wait_until 5 is_idle alpha || fail "processes are left on alpha"
echo "--min-workers reached: $code"
host_start beta
run fit als --resume last --json --hosts alpha,beta --min-workers 1
expect_same
echo "and resumed"
echo "limits: fine"
