#!/bin/sh
# silence.sh: workers that say nothing: their link is down, or they are stopped. The first is noticed by asking the
# host, the second by the watchdog, after ten seconds or five iterations.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
hosts_open alpha beta gamma
undisturbed 60
fit="$fit --hosts alpha,beta,gamma"

# The link comes back: what was cut off ends by itself, and the host is taken again after the next loss.
start $fit --min-workers 1
reach 3
strike link beta down
wait_until 60 grep -q 'relaunched in' "$err" || fail "nobody notices"
link beta up
back=$(date +%s)
wait_until 60 is_idle beta || fail "the workers that were cut off live on: $(pids_on beta)"
echo "what was cut off is gone $(($(date +%s) - back)) s after the link is back"
kill -9 $(ranks_on gamma)
finish
expect_same
expect_err 'worker 1 on beta gave no sign of life for [0-9.]+ s, and its host does not answer; starting again on 2 workers'
expect_err 'worker 1 on gamma was ended by signal 9 .*starting again on 3 workers, more than before'
expect_times 10
rm -rf runs

for host in beta alpha; do
    start $fit
    reach 3
    strike kill -STOP $(ranks_on $host)
    finish
    expect_same
    expect_err "worker [01] on $host gave no sign of life for 1[0-9.]* s; starting again on 3 workers"
    expect_times 14
    rm -rf runs
done
echo "silence: fine"
