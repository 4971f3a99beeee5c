#!/bin/sh
# deaths.sh: kill -9 of a rank, of every process of a host, of mpirun, of the supervisor. Each run goes on from its last
# checkpoint to the undisturbed model; nothing of it is left on any host, in scratch or in memory.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
hosts_open alpha beta gamma
undisturbed 40
fit="$fit --hosts alpha,beta,gamma"

# struck MESSAGE: the run whose process was killed at $struck ends as if nothing had been, and says what was.
struck() {
    finish
    expect_same
    expect_err "$1"
    expect_err 'lost after iteration [0-9]+: noticed [0-9.]+ s after the last sign of life, relaunched in [0-9.]+ s, reloaded in'
    expect_json 'j["counts"]["restarts"]' 1
    expect_json 'j["counts"]["resumed_iteration"] >= 3' True
    expect_times 3
    rm -rf runs
}

start $fit
reach 3
strike kill -9 $(ranks_on beta)
struck 'worker 1 on beta was ended by signal 9'

start $fit
reach 3
strike kill -9 $(ranks_on alpha)
struck 'worker 0 on alpha was ended by signal 9'

start $fit
reach 3
strike kill -9 $(pids_on gamma)
struck 'worker 2 on gamma was lost with its host'

start $fit
reach 3
strike kill -9 $(pgrep -P "$supervisor")
struck 'the launcher .* was ended by signal 9'

# A host is switched off, and the run goes on on the others; another is lost when it is back, so it is taken again.
start $fit --min-workers 1
reach 3
strike host_kill gamma
wait_until 30 has_reached $(($(iteration) + 3)) || fail "it does not go on"
host_start gamma
kill -9 $(ranks_on beta)
finish
expect_same
expect_err 'starting again on 2 workers, fewer than before \(restart 1 of 3\)'
expect_err 'starting again on 3 workers, more than before \(restart 2 of 3\)'
rm -rf runs
echo "a host switched off and back again"

# Two workers of one host share memory there. Where everything on a host dies at once, Open MPI's daemon with its
# workers, nobody is left to remove its segments, which hold 160 KB: they are no business of ours.
start $fit --hosts alpha:2,beta:2
reach 3
strike kill -9 $(pids_on alpha)
finish
on alpha sh -c 'rm -f /dev/shm/vader_segment.*'
expect_same
expect_times 3
rm -rf runs

# The supervisor: its workers end by themselves. When the run goes on, it takes over what they had spilled.
"$quern" datagen ratings --users 30000 --items 20000 --ratings 3000000 --seed 4 --format csv --out large --quiet
fit="fit als --input large/ratings.csv --rank 8 --partitions 12 --max-iter 15 --threads 1 --json"
run $fit --runs-dir none
expect_code 0
digest=$(json 'j["model_digest"]')
start $fit --hosts alpha,beta --memory 20m --scratch "$place/scratch"
reach 3
for host in alpha beta; do
    set -- "$place/hosts/$host/scratch/quern-scratch-"*
    [ -d "$1" ] || fail "$host has not spilled"
done
kill -9 "$supervisor"
finish 2>/dev/null
expect_code 137
for host in $hosts; do wait_until 5 is_idle "$host" || fail "processes on $host outlive the supervisor"; done
run fit als --resume last --json --hosts alpha,beta --memory 20m --scratch "$place/scratch"
expect_same
expect_json 'j["counts"]["resumed_iteration"] >= 3' True
expect_json 'j["counts"]["load_bytes_kept"] >= 2 * 5 * 3000000' True
echo "the supervisor killed, and resumed"

# A host is switched off that has spilled: the other reads the input again.
rm -rf runs
start $fit --hosts alpha,beta --memory 20m --scratch "$place/scratch" --min-workers 1
reach 3
strike host_kill beta
finish
expect_code 0
expect_json 'j["model_digest"]' "$digest"
expect_err 'reloaded in [0-9.]+ s from the input'
expect_json 'j["counts"]["load_bytes_kept"]' 0
host_start beta
[ -n "$(ls "$place/hosts/beta/scratch")" ] || fail "nothing to sweep on beta"

# Only its processes die: what they had spilled is taken over. What lay on beta from before was swept at the start.
rm -rf runs
start $fit --hosts alpha,beta --memory 20m --scratch "$place/scratch"
reach 3
strike kill -9 $(pids_on beta)
finish
expect_same
expect_err 'reloaded in [0-9.]+ s from scratch'
expect_json 'j["counts"]["load_bytes_kept"] >= 2 * 5 * 3000000' True
expect_times 3
echo "deaths: fine"
