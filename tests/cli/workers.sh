#!/bin/sh
# --workers with a real mpirun: the digest of one process, also after a worker was killed; a stop that reaches all.
# shellcheck disable=SC2154,SC2034,SC1091,SC2086
. "$(dirname "$0")/lib.sh"
needs_parquet
# What MPI libraries leave behind in a worker that is stopped is theirs; our own leaks are found without MPI.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
has_mpi mpirun.openmpi openmpi || skip "Open MPI is not here"
PATH=/bin:$PATH # a link to /usr/bin on most machines, by which Open MPI refuses to be called

run datagen ratings --users 2000 --items 500 --ratings 100000 --out data --quiet
expect_code 0
rank=64
[ -z "${QN_SANITIZE:-}" ] || rank=16 # its iterations take longer there than those of 64 take here
fit="fit als --input data/ratings.csv --rank $rank --max-iter 60 --threads 1"
run $fit --model one --json
expect_code 0
digest=$(json 'j["model_digest"]')
run $fit --model two --json --workers 2 --max-iter 60
expect_code 0
expect_json 'j["model_digest"]' "$digest"
expect_json 'len(j["workers"])' 2
rm -rf runs

# begin WORDS...: starts quern and waits until its record names two workers, by which some iterations are done: some
# are saved, as the record itself tells of them but every two seconds.
begin() {
    said=$*
    # A shell starts background jobs deaf to SIGINT; python gives it its ears back.
    python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
        "$quern" "$@" >"$out" 2>"$err" </dev/null &
    supervisor=$!
    for _ in $(seq 1500); do
        pids=$(sed -n 's/.*"worker":0,[^}]*"pid":\([0-9]*\).*"worker":1,[^}]*"pid":\([0-9]*\).*/\1 \2/p' \
            runs/*/record.json 2>/dev/null)
        [ -n "$pids" ] && [ "$(iteration)" -ge 2 ] && return
        kill -0 $supervisor 2>/dev/null || fail "it has ended before its record named two workers"
        sleep 0.02
    done
    fail "no two workers in half a minute"
}
finish() {
    wait $supervisor
    code=$?
}
all_gone() { for pid in $pids; do if kill -0 "$pid" 2>/dev/null; then fail "worker $pid lives on"; fi; done; }

# The second of two is killed: named, with its host; the run goes on from its checkpoint to the same model.
begin $fit --max-iter 90 --model three --json --workers 2
victim=${pids#* }
[ "$(cat "/proc/$victim/comm")" = "$(basename "$quern")" ] || fail "$victim is no worker"
kill -9 "$victim" || fail "worker 1 could not be killed"
finish
expect_code 0
all_gone
expect_err "warning: worker 1 on $(hostname) was ended by signal 9 .* it last held .*; starting again on 2 workers \(restart 1 of 3\)"
expect_json 'j["counts"]["restarts"]' 1
grep -h '"SparkListenerExecutorRemoved"' runs/spark-events/* | grep -q '"Removed Reason":"worker 1 on ' ||
    fail "the event log does not say why the executor was removed"
expect_json '[i["iteration"] for i in j["iterations"]] == list(range(1, 91)), len(j["data"]["files"])' "True 1"
expect_json 'j["counts"]["resumed_iteration"] > 0' True
restarted=$(json 'j["model_digest"]')
rm -rf runs
run $fit --max-iter 90 --model four --json
expect_json 'j["model_digest"]' "$restarted"
rm -rf runs

# A stop reaches every worker: nothing is left of them or of the model, and the record says so.
stopped() { # stopped SIGNAL CODE FLAVOUR
    begin $fit --max-iter 90 --model five --workers 2 --mpi "$3"
    kill -s "$1" $supervisor
    finish
    expect_code "$2"
    all_gone
    expect_one_error
    expect_err 'stopped; nothing was left half written'
    expect_err 'go on with: quern fit als --resume als-[-0-9a-f]* .*--workers 2'
    [ ! -e five ] || fail "a run that was stopped left a model"
    grep -q '"status":"cancelled","exit_code":'"$2" runs/*/record.json || fail "the record is not closed as cancelled"
    [ -z "$(find runs/spark-events -name '*.inprogress')" ] || fail "the event log is not closed"
    id=$(sed -n 's/.*--resume \([^ ]*\) .*/\1/p' "$err")
}
for flavour in openmpi mpich; do
    [ $flavour = openmpi ] || has_mpi mpiexec.mpich mpich || continue
    [ $flavour = openmpi ] && pairs="INT:130 TERM:143" || pairs=TERM:143
    for pair in $pairs; do
        stopped "${pair%:*}" "${pair#*:}" $flavour
        [ "$flavour$pair" = openmpiTERM:143 ] || rm -rf runs
    done
    [ $flavour = openmpi ] || continue
    # What was stopped on two workers goes on in one process, with less memory.
    run fit als --resume "$id" --workers 1 --memory 200m --json
    expect_code 0
    expect_json 'j["model_digest"]' "$restarted"
    rm -rf runs five
done
echo "workers: fine"
