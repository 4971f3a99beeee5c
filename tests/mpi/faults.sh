#!/bin/sh
# faults.sh FLAVOUR: ranks that fail, sleep, stop, die or are interrupted end the whole job within seconds, with a
# message that names the rank, and with the exit code of the failure.
# shellcheck source=tests/mpi/lib.sh
. "$(dirname "$0")/lib.sh"
program=$(dirname "$QN_QUERN")/mpi_ranks

# try CASE RANKS CODES SECONDS [TEXT]: the job ends in so many seconds with one of these codes, and somebody says TEXT.
try() {
    start=$(date +%s)
    code=0
    ranks "$2" "$program" "$flavour" "$1" >out 2>&1 || code=$?
    seconds=$(($(date +%s) - start))
    case " $3 " in
    *" $code "*) ;;
    *) fail "$1: exit code $code, not $3" ;;
    esac
    [ "$seconds" -le "$4" ] || fail "$1: took $seconds s"
    if grep -q WRONG out; then fail "$1:"; fi
    [ -z "${5:-}" ] || grep -q "$5" out || fail "$1: nobody says \"$5\""
    echo "$1, $2 ranks: ended after $seconds s with $code"
}
# A rank that ends without a word, mpiexec of MPICH notices and ends the others by signals 1 and 9. Its own code is that of
# the process that it looks at first, so any of the three; Quern's supervisor goes by what workers say instead.
if [ "$flavour" = openmpi ]; then early=7; else early="7 1 9"; fi
for n in $(counts 2 3); do
    try abort "$n" 4 6 "the disk is on fire"
    try deadline "$n" 1 12 "heard nothing from worker 1 on"
    try cancel "$n" 130 15 "interrupted by signal 15"
    try sizes "$n" 1 10 "sizes of a collective differ"
    try early_exit "$n" "$early" 12
    if [ "$flavour" = openmpi ]; then
        try killed "$n" 137 12
        try stopped "$n" 1 15 "heard nothing from worker 1 on"
    fi
done
[ "$flavour" = openmpi ] || echo "note: mpiexec of MPICH does not end a process that is stopped; Quern's own supervisor does"

# The program: one message, from worker 0 where all have agreed, and mpirun ends with its code.
one_message() { # one_message CODE TEXT COMMAND...
    wanted=$1
    text=$2
    shift 2
    code=0
    ranks 2 "$QN_QUERN" "$@" >out 2>&1 || code=$?
    [ "$code" = "$wanted" ] || fail "$*: exit code $code, not $wanted"
    [ "$(grep -c "$text" out)" = 1 ] || fail "$*: not told once: $text"
}
"$QN_QUERN" datagen ratings --users 3000 --items 300 --ratings 40000 --seed 3 --format csv --out r --quiet
one_message 2 "there is no option --bogus" fit als --bogus 1
one_message 2 "no such file or folder" fit als --input nothing.csv --runs-dir none
one_message 2 "this command works in one process" doctor
one_message 2 "workers 3, but this job was started with 2" fit als --input r/ratings.csv --workers 3
one_message 2 "checkpoint-interval needs a folder" fit als --input r/ratings.csv --runs-dir none --checkpoint-interval 1
if [ "$flavour" = openmpi ]; then other=mpich; else other=openmpi; fi
one_message 2 "was started by $flavour" fit als --input r/ratings.csv --as-rank $other
printf 'user,item,rating\n1,1,3\n1,x\n' >bad.csv
one_message 4 "bad.csv" fit als --input bad.csv --runs-dir none

# Workers that are not alike: another build is refused, another kernel set is settled and told.
fit="fit als --input r/ratings.csv --rank 4 --max-iter 1 --runs-dir none --json"
cp "$(dirname "$QN_QUERN")"/libquern_comm_$flavour.so .
if command -v objcopy >/dev/null 2>&1; then
    head -c 36 /dev/zero | tr '\0' 'x' >note
    printf '\004\000\000\000\024\000\000\000\003\000\000\000GNU\000' | dd of=note conv=notrunc 2>/dev/null
    objcopy --update-section .note.gnu.build-id=note "$QN_QUERN" quern
    code=0
    # shellcheck disable=SC2086
    ranks 1 "$QN_QUERN" $fit : -n 1 ./quern $fit >out 2>&1 || code=$?
    [ "$code" = 2 ] || fail "another build: exit code $code"
    [ "$(grep -c 'workers run different builds of Quern: worker 0 on .* another build have worker 1 on' out)" = 1 ] ||
        fail "another build: not told once"
    echo "another build is refused"
fi
# shellcheck disable=SC2086
ranks 1 "$QN_QUERN" $fit : -n 1 "$QN_QUERN" $fit --kernels reference >out 2>&1 || fail "another kernel set"
wanted=$("$QN_QUERN" fit als --input r/ratings.csv --rank 4 --max-iter 1 --runs-dir none --json --kernels reference | digest)
grep -q "$wanted" out || fail "another kernel set: not the model of the lowest"
if "$QN_QUERN" doctor | grep -q "available:.*avx"; then
    [ "$(grep -c 'not every worker can: all use reference' out)" = 1 ] || fail "another kernel set: not told once"
fi
echo "the lowest kernel set is taken"

# One of two, that has no ratings, is told to stop: both end, nothing is left of the model.
ranks 2 "$QN_QUERN" fit als --input r/ratings.csv --rank 60 --max-iter 1000 --runs-dir runs --model m --as-rank "$flavour" \
    >out 2>&1 &
job=$!
for _ in $(seq 100); do
    if grep -q '"status"' runs/*/record.json 2>/dev/null; then break; fi
    sleep 0.1
done
sleep 1
victim=$(pgrep -f "fit als --input r/ratings.csv --rank 60" | while read -r pid; do
    if [ "$(readlink "/proc/$pid/cwd")" = "$place" ] && [ "$(cat "/proc/$pid/comm")" = quern ]; then echo "$pid"; fi
done | tail -n 1)
[ -n "$victim" ] || fail "no worker found"
kill -TERM "$victim"
code=0
wait $job || code=$?
case $code in
130 | 143) ;;
*) fail "stopped: exit code $code" ;;
esac
[ ! -e m ] || fail "stopped: there is a model"
grep -q '"status":"cancelled"' runs/*/record.json || fail "stopped: the record does not say so"
echo "a worker that is told to stop stops all: $code"
