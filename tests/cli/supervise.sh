#!/bin/sh
# The supervisor with a launcher of the test's own: it starts nothing, but says what workers would
# say, and dies, hangs or stammers as told. What is told is in the script `play`, called with the
# number of the start.
# shellcheck disable=SC1091,SC2034,SC2154,SC2240,SC2086,SC2016,SC2013
. "$(dirname "$0")/lib.sh"

cat >"$work/mpirun" <<'EOF'
#!/bin/sh
n=$(($(cat "$QN_PLAY/starts" 2>/dev/null || echo 0) + 1))
echo "$n" >"$QN_PLAY/starts"
echo $$ >"$QN_PLAY/pid"
echo "$@" >"$QN_PLAY/words.$n"
say() { printf '\036%s\n' "$1"; }
hello() {
    say '{"kind":"workerAdded","text":"alpha","id":4241,"done":2,"memory_bytes":1048576}'
    say '{"kind":"workerAdded","text":"beta","id":4242,"rank":1,"done":2,"memory_bytes":1048576}'
    say '{"kind":"workerPeak","rank":1,"done":900000000,"total":1000000000,"memory_bytes":950000000}'
    say '{"kind":"jobStart","name":"fit","id":1}'
}
step() { say "{\"kind\":\"step\",\"name\":\"als\",\"done\":$1,\"total\":9,\"value\":0.5,\"duration_us\":1000}"; }
finish() {
    say '{"kind":"jobEnd","name":"fit","id":1,"duration_us":2000}'
    say '{"end":{"status":0,"exit_code":0,"error":"","members":"\"extra\":7"}}'
}
killed() {
    echo "--------------------------------------------------------------------------" >&2
    echo "mpirun noticed that process rank 1 with PID 4242 on node beta exited on signal ${1:-9} (Killed)." >&2
    echo "--------------------------------------------------------------------------" >&2
    exit 137
}
. "$QN_PLAY/play"
EOF
chmod +x "$work/mpirun"
export QN_MPIRUN="$work/mpirun" QN_PLAY="$work"
fit="fit als --input none.csv --rank 3"

# play: what the launcher does, on standard input.
play() { cat >"$work/play"; rm -f "$work/starts" "$work"/words.*; rm -rf runs; }
starts() { [ "$(cat "$work/starts")" = "$1" ] || fail "$(cat "$work/starts") starts, not $1"; }
record() {
    python3 -B - "$1" <<'EOF' || fail "the record is not so: $1"
import glob, json, sys
j = json.load(open(glob.glob("runs/*/record.json")[0]))
assert eval(sys.argv[1], {"j": j}), json.dumps(j, indent=1)
EOF
}

# All is well: the results are shown, the record is the supervisor's, of what the workers told.
play <<'EOF'
hello; step 1; echo "model     rank 3"; step 2; finish; echo "digest    12"
EOF
run $fit --workers 2
expect_code 0
expect_no_err
printf 'model     rank 3\ndigest    12\n' | cmp -s - "$out" || fail "not the results alone"
starts 1
grep -q -- '-n 2 .* fit als --as-rank=openmpi --run-id=als-[0-9a-f-]* .*--input=none.csv --rank=3' "$work/words.1" ||
    fail "words of the workers: $(cat "$work/words.1")"
record 'j["status"] == "ok" and len(j["iterations"]) == 2 and j["resources"]["workers"] == 2'
record 'j["workers"][1]["host"] == "beta" and j["workers"][1]["peak_bytes"] == 950000000'
record 'j["resources"]["peak_bytes"] == 950000000 and j["resources"]["threads"] == 2'
record 'j["resources"]["workers_requested"] == 2 and "vm_hwm_bytes" not in j["resources"]'

run $fit --workers 2 --json
expect_code 0
tail -n 1 "$out" | python3 -c 'import json, sys; j = json.loads(sys.stdin.read()); assert j["extra"] == 7 and j["status"] == "ok"' ||
    fail "no record with its members as the last line"

# The command fails: its message and code, once, and no second start.
play <<'EOF'
hello; say '{"end":{"status":9,"exit_code":4,"error":"x.csv line 3: no number\nlook there"}}'; exit 4
EOF
run $fit --workers 2
expect_code 4
expect_err '^quern: fit als: x.csv line 3: no number$'
expect_one_error
starts 1
record 'j["status"] == "failed" and "line 3" in j["error"] and j["exit_code"] == 4'

# A worker is killed for memory: told which, where, its limit and peak, and started again.
play <<'EOF'
hello; say '{"kind":"fact","name":"data.files[]","text":"a.csv"}'; step 1; step 2; echo "half a result"
[ "$n" = 1 ] && killed
step 3; echo "whole result"; finish
EOF
run $fit --workers 2
expect_code 0
expect_err 'warning: worker 1 on beta was ended by signal 9 \(Killed\): it last held 858 MB, at most 906 MB, of the 954 MB'
expect_err 'ended it for memory \(exit 137\): try --memory below 763 MB'
expect_err 'starting again on 2 workers \(restart 1 of 3\)'
if grep -q "mpirun noticed" "$err"; then fail "the launcher's words are shown"; fi
[ "$(cat "$out")" = "$(printf 'half a result\nwhole result')" ] || fail "results of the lost start are shown"
starts 2
grep -q -- '--restored=true' "$work/words.2" || fail "the second start does not go on from the checkpoint"
if grep -q -- '--restored' "$work/words.1"; then fail "the first start has nothing to go on from"; fi
record 'j["status"] == "ok" and j["counts"]["restarts"] == 1 and len(j["warnings"]) == 1'
record '[i["iteration"] for i in j["iterations"]] == [1, 2, 3] and j["data"]["files"] == ["a.csv"]'
# removed EXECUTOR REASON: what the event log says of an executor that is gone.
removed() {
    grep -h '"SparkListenerExecutorRemoved"' runs/spark-events/* | grep -q "\"Executor ID\":\"$1\",\"Removed Reason\":\"$2" ||
        fail "executor $1 was not removed because $2: $(grep -h ExecutorRemoved runs/spark-events/*)"
}
removed 2 'worker 1 on beta was ended by signal 9 (Killed): it last held 858 MB'
removed 1 'ended because worker 1 on beta was ended by signal 9'

# Killed by somebody: no word of memory.
play <<'EOF'
say '{"kind":"workerAdded","text":"beta","rank":1,"done":2}'
say '{"kind":"workerPeak","rank":1,"done":9000000,"total":1000000000,"memory_bytes":9000000}'
[ "$n" = 1 ] && killed
finish
EOF
run $fit --workers 2
expect_code 0
expect_err 'nothing tells of too little memory'

# A worker that ends itself, and a launcher that is killed: nobody knows of a worker.
play <<'EOF'
hello
if [ "$n" = 1 ]; then
    echo "--------------------------------------------------------------------------" >&2
    echo "mpirun detected that one or more processes exited with non-zero status" >&2
    echo "  Process name: [[38215,1],1]" >&2
    echo "  Exit code:    7" >&2
    echo "--------------------------------------------------------------------------" >&2
    exit 7
fi
[ "$n" = 2 ] && kill -9 $$
finish
EOF
run $fit --workers 2
expect_code 0
expect_err 'warning: worker 1 on beta ended with exit code 7 and without a word; starting again'
expect_err 'warning: the launcher .*mpirun was ended by signal 9 \(Killed\); starting again'
removed 2 'worker 1 on beta ended with exit code 7'
removed 3 'ended because the launcher '
removed 4 'ended because the launcher '

# A worker that misses another says so: that is a loss, not the end of the command.
play <<'EOF'
hello
if [ "$n" = 1 ]; then say '{"end":{"status":7,"exit_code":1,"is_loss":true,"error":"worker 0 on alpha: heard nothing from worker 1 on beta"}}'; exit 1; fi
finish
EOF
run $fit --workers 2
expect_code 0
expect_err 'warning: the workers gave up: worker 0 on alpha: heard nothing from worker 1 on beta; starting again'
starts 2

# Hydra's words.
play <<'EOF'
hello
if [ "$n" = 1 ]; then
    echo "===================================================================================" >&2
    echo "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES" >&2
    echo "=   PID 4242 RUNNING AT beta" >&2
    echo "=   EXIT CODE: 9" >&2
    echo "===================================================================================" >&2
    echo "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)" >&2
    echo "a word of a worker" >&2
    exit 9
fi
finish
EOF
run $fit --workers 2 --mpi mpich
expect_code 0
expect_err 'warning: worker 1 on beta was ended by signal 9 .* at most 906 MB'
expect_err '^a word of a worker$'
if grep -q "BAD TERM\|EXIT STRING" "$err"; then fail "the launcher's words are shown"; fi

# Again and again: a named error at the end.
play <<'EOF'
hello; killed
EOF
run $fit --workers 2 --max-restarts 1
expect_code 1
expect_err '^quern: fit als: worker 1 on beta .*'
expect_err 'started again 1 times \(--max-restarts\)'
starts 2
record 'j["status"] == "failed"'

# Workers that are ended by their launcher say that they were stopped: an echo, not the end.
play <<'EOF'
hello
if [ "$n" = 1 ]; then say '{"end":{"status":11,"exit_code":143,"error":"interrupted by signal 15"}}'; exit 1; fi
finish
EOF
run $fit --workers 2
expect_code 0
starts 2

# They never start: the launcher's reason, no second try.
play <<'EOF'
echo "--------------------------------------------------------------------------" >&2
echo "There are not enough slots available in the system" >&2
echo "--------------------------------------------------------------------------" >&2
exit 1
EOF
run $fit --workers 2
expect_code 1
expect_err 'the workers do not start: .* exit code 1; the launcher says: There are not enough slots'
starts 1

# Broken and mixed lines harm nothing.
play <<'EOF'
hello
printf '\036{"kind":"count","name":"rows"'; sleep 0.1; printf ',"done":5}\n'
printf '\036{"kind":"count","name":"us'; say '{"kind":"workerPeak","rank":1,"done":1}'; printf 'ers","done":6}\n'
printf '\036{broken\n'; printf 'result'; step 1; printf 's\n'
finish
EOF
run $fit --workers 2
expect_code 0
[ "$(cat "$out")" = results ] || fail "not the results"
expect_err 'warning: 1 messages of the workers could not be read'
record 'j["counts"]["rows"] == 5 and j["counts"]["users"] == 6'

# Silence: after 10 s it is ended, whatever it left behind too.
play <<'EOF'
hello; step 1
if [ "$n" = 1 ]; then trap '' TERM; sleep 1000 & echo $! >"$QN_PLAY/left"; setsid sleep 1000 & echo $! >>"$QN_PLAY/left"; wait; fi
finish
EOF
run $fit --workers 2
expect_code 0
expect_err 'no worker gave a sign of life for 10 s; the first to fall silent was worker [01] on (alpha|beta)'
for pid in $(cat "$work/left"); do if kill -0 "$pid" 2>/dev/null; then fail "process $pid is left"; fi; done

# Stopped by the user: workers hear it, the exit code is that of the signal.
for signal in TERM:143 INT:130; do
    play <<'EOF'
hello; trap 'say "{\"end\":{\"status\":11,\"exit_code\":130,\"error\":\"interrupted\"}}"; exit 130' USR1
echo >"$QN_PLAY/ready"; i=0; while [ $i -lt 200 ]; do step 1; sleep 0.05; i=$((i + 1)); done
EOF
    rm -f "$work/ready"
    said="$fit, stopped"
    # A shell starts background jobs deaf to SIGINT; python gives it its ears back.
    python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
        "$quern" $fit --workers 2 >"$out" 2>"$err" </dev/null &
    pid=$!
    for _ in $(seq 100); do [ -e "$work/ready" ] && break; sleep 0.05; done
    kill -s "${signal%:*}" $pid
    wait $pid
    code=$?
    expect_code "${signal#*:}"
    expect_err 'quern: fit als: stopped; nothing was left half written'
    record 'j["status"] == "cancelled"'
done

# The supervisor is killed: its launcher does not live on.
play <<'EOF'
hello; echo >"$QN_PLAY/ready"; sleep 1000
EOF
rm -f "$work/ready"
"$quern" $fit --workers 2 >"$out" 2>"$err" </dev/null &
pid=$!
for _ in $(seq 100); do [ -e "$work/ready" ] && break; sleep 0.05; done
kill -9 $pid
wait $pid 2>/dev/null
for _ in $(seq 40); do kill -0 "$(cat "$work/pid")" 2>/dev/null || break; sleep 0.05; done
if kill -0 "$(cat "$work/pid")" 2>/dev/null; then fail "the launcher lives on"; fi

# Options that do not fit, before anything is started.
refused 2 'hosts are for 3' $fit --workers 4 --hosts a,b:2
refused 2 '"a" is there twice' $fit --hosts a,b,a
refused 2 'is not the name of a host' $fit --hosts a,,b
refused 2 'give one' $fit --hosts a --hostfile f
refused 2 'f: No such file' $fit --hostfile f
refused 2 'min-workers 3 is more than the 2' $fit --workers 2 --min-workers 3
refused 2 'cannot read standard input' fit als --input - --workers 2
refused 2 'works in one process' doctor --workers 2

# Hosts that cannot be reached are named, and one that cannot start the program.
cat >"$work/agent" <<'EOF'
#!/bin/sh
case $1 in
good*) shift; exec "$@" ;;
slow) sleep 100 ;;
bare) echo "sh: $2: not found" >&2; exit 127 ;;
back) [ -e "$QN_PLAY/back" ] && { shift; exec "$@"; }; echo "no route to back" >&2; exit 255 ;;
flaky) [ -e "$QN_PLAY/flaky.gone" ] || { shift; exec "$@"; }; exit 255 ;;
*) echo "ssh: Could not resolve hostname $1" >&2; exit 255 ;;
esac
EOF
chmod +x "$work/agent"
export QN_RSH_AGENT="$work/agent"
play <<'EOF'
hello; [ "$n" = 1 ] && touch "$QN_PLAY/flaky.gone"
[ "$n" = 1 ] && killed
[ "$n" = 2 ] && { rm "$QN_PLAY/flaky.gone"; killed; }
finish
EOF
refused 2 'the host nowhere cannot be reached: ssh: Could not resolve hostname nowhere' $fit --hosts good1,nowhere
refused 2 'the host bare cannot start .*quern' $fit --hosts good1,bare
refused 2 'the host slow does not answer' $fit --hosts good1,slow
[ ! -e "$work/starts" ] || fail "workers were started"

# One host is gone at the first restart and back at the second.
run $fit --hosts good1,flaky:2 --min-workers 1
expect_code 0
expect_err 'starting again on 1 worker, fewer than before \(restart 1 of 3\)'
expect_err 'starting again on 3 workers, more than before \(restart 2 of 3\)'
grep -q -- '--host good1:1 ' "$work/words.2" || fail "words of the second start: $(cat "$work/words.2")"
grep -q -- '--host good1:1,flaky:2 ' "$work/words.3" || fail "words of the third start"
starts 3

# Too few are left.
play <<'EOF'
hello; touch "$QN_PLAY/flaky.gone"; killed
EOF
rm -f "$work/flaky.gone"
run $fit --hosts good1,flaky:2
expect_code 75
expect_err 'hosts for 1 workers are left, and --min-workers is 3'
unset QN_RSH_AGENT

# No launcher: the package is named.
unset QN_MPIRUN
said="fit als without mpirun"
PATH=/nowhere "$quern" $fit --workers 2 >"$out" 2>"$err" </dev/null
code=$?
expect_code 1
expect_err 'apt install openmpi-bin'
echo "supervise: fine"
