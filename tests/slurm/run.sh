#!/bin/bash
# deploy/quern.sbatch on a Slurm of three nodes, which this test brings along: each node has a network, a host
# name and a /tmp of its own (cluster.sh), so that workers on two nodes are as far apart as on two machines.
#   QN_QUERN  the program; QN_SOURCE_DIR  the project
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/skip.sh
. "$here/../support/skip.sh"
if [ "${1:-}" != inside ]; then
    for program in munged slurmctld slurmd sbatch mpirun.openmpi ip unshare python3; do
        command -v $program >/dev/null 2>&1 || not_here "no $program on this machine (make slurm installs what is missing)"
    done
    [ -f "$(dirname "$QN_QUERN")/libquern_comm_openmpi.so" ] || not_here "libquern_comm_openmpi.so is not built"
    [ "$(id -u)" = 0 ] || not_here "nodes in networks of their own take root"
    unshare --pid --fork --mount --net --uts true 2>/dev/null || not_here "this kernel makes no new namespaces"
    # Not below /tmp, which each node has of its own.
    place=$(mktemp -d /var/tmp/quern-slurm-XXXXXX) || exit 1
    trap 'rm -rf "$place"' EXIT
    chmod 755 "$place"
    place=$place unshare --pid --fork --kill-child --mount-proc --mount --net --uts bash "$0" inside &
    cluster=$!
    trap 'kill -9 $cluster; wait $cluster; exit 143' TERM INT # unshare itself is deaf to both
    wait $cluster
    exit $?
fi

# From here on the first process of new namespaces: all that is started ends with it.
declare -a node_pid
# shellcheck source=tests/slurm/cluster.sh
. "$here/cluster.sh"
fail() {
    echo "FAILED: $*"
    [ ! -f out ] || cut -c1-300 out | tail -n 40
    exit 1
}
# submit NODES WORDS...: the deployed script with the smaller nodes of this cluster; sets `job`.
submit() {
    local nodes=$1
    shift
    rm -f out
    job=$(sbatch --parsable -N "$nodes" --cpus-per-task=1 --mem=512M -o out "$QN_SOURCE_DIR/deploy/quern.sbatch" "$@") ||
        fail "sbatch $*"
    [ ! -d "runs/slurm-$job" ] || fail "runs of job $job before it has started"
}
job_field() { # job_field NAME: JobState, ExitCode, Restarts, ...
    scontrol show job "$job" | tr ' ' '\n' | sed -n "s/^$1=//p" | head -n 1
}
# ends STATE: waits for the end of the job.
ends() {
    local state=
    for _ in $(seq 900); do
        state=$(job_field JobState)
        case $state in
        COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL)
            [ "$state" = "$1" ] || fail "job $job is $state, not $1"
            return
            ;;
        esac
        sleep 0.1
    done
    fail "job $job is $state after 90 s"
}
record() { # record EXPRESSION VALUE: of the record of the job's run, as j
    got=$(python3 -c 'import glob, json, sys
j = json.load(open(glob.glob(sys.argv[1])[0]))
print(eval(sys.argv[2], {"j": j}))' "runs/slurm-$job/*/record.json" "$1")
    [ "$got" = "$2" ] || fail "job $job: $1 is $got, not $2"
}
digest_of() { sed -n 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/p' "$1" | tail -n 1; }
same_digest() { # same_digest FILE WANTED
    [ "$(digest_of "$1")" = "$2" ] || fail "$1: digest $(digest_of "$1"), not $2"
}
# on_node K NAME: processes of this name there.
on_node() {
    local pid
    for pid in $(pgrep -x "$2"); do
        [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink "/proc/${node_pid[$1]}/ns/net")" ] || echo "$pid"
    done
}
wait_for_checkpoint() {
    for _ in $(seq 600); do
        # shellcheck disable=SC2144
        ls -d runs/slurm-"$job"/als-*/checkpoint/00000[3-9] >/dev/null 2>&1 && return
        sleep 0.05
    done
    fail "job $job has no checkpoint after 30 s"
}
cd "$place" || exit 1
export PATH=${QN_QUERN%/*}:$PATH OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# The script's mpirun is Open MPI's, whatever the machine's alternatives say.
mkdir bin && ln -s "$(command -v mpirun.openmpi)" bin/mpirun
export PATH=$PWD/bin:$PATH
# Each node believes that all cores are its own: waiting workers must give way.
export OMPI_MCA_mpi_yield_when_idle=1
cluster_start 3 || exit 1
echo "three nodes after $SECONDS s"

quern datagen ratings --users 3000 --items 900 --ratings 150000 --seed 5 --out data --quiet || exit 1
short="--input data/ratings.csv --split random:0.8 --rank 8 --max-iter 5 --json --quiet"
long="--input data/ratings.csv --rank 24 --max-iter 40 --json --quiet"
# shellcheck disable=SC2086
quern fit als $short --runs-dir none >plain_short && quern fit als $long --runs-dir none >plain_long || exit 1
wanted_short=$(digest_of plain_short) wanted_long=$(digest_of plain_long)
[ "${#wanted_short}" = 32 ] && [ "${#wanted_long}" = 32 ] || fail "no digest of the plain runs"

# The same model on one, two and three nodes, and each node has worked.
for n in 1 2 3; do
    # shellcheck disable=SC2086
    submit $n $short
    ends COMPLETED
    same_digest out "$wanted_short"
    record 'len({w["host"] for w in j["workers"]}), j["resources"]["workers"]' "($n, $n)"
    record 'j["workers"][0]["budget_bytes"] == 460 << 20' True # nine tenths of --mem
done
echo "one model on 1, 2 and 3 nodes: $wanted_short ($SECONDS s)"

# Started by srun itself, without mpirun: Open MPI by PMIx, MPICH by PMI-2.
for kind in pmix:openmpi pmi2:mpich; do
    if [ ! -f "$(dirname "$QN_QUERN")/libquern_comm_${kind#*:}.so" ]; then
        echo "note: without ${kind#*:} srun --mpi=${kind%:*} is not tried"
        continue
    fi
    # shellcheck disable=SC2086
    timeout 30 srun -N 2 --mpi="${kind%:*}" quern fit als $short --runs-dir none >out 2>&1 || fail "srun --mpi=${kind%:*}"
    same_digest out "$wanted_short"
    [ "$(grep -c model_digest out)" = 1 ] || fail "srun --mpi=${kind%:*}: not one result"
    echo "srun --mpi=${kind%:*} joins ${kind#*:} ($SECONDS s)"
done

# What is wrong is told once with its exit code, and not tried again.
submit 2 --input nowhere.csv
ends FAILED
[ "$(job_field ExitCode)" = 2:0 ] && [ "$(job_field Restarts)" = 0 ] || fail "a missing file: $(job_field ExitCode)"
[ "$(grep -c 'nowhere.csv.*no such file' out)" = 1 ] || fail "a missing file is not told once"

# A worker is killed: a named error, no start of its own accord. --resume goes on, on other nodes.
# shellcheck disable=SC2086
QN_MAX_RESTARTS=0 submit 2 $long
wait_for_checkpoint
kill -9 "$(on_node 2 quern)" || fail "no worker on n2"
ends FAILED
grep -q 'rank 1 .*on node n2 exited on signal 9' out || fail "the lost worker is not named"
record 'j.get("attempts", [])' '[]'
first=$(ls -d "runs/slurm-$job"/als-*)
submit 3 --resume "$first" --json --quiet
ends COMPLETED
same_digest out "$wanted_long"
grep -q '"resumed_iteration":[1-9]' "$first/record.json" || fail "it began anew"
echo "a lost worker ends the job, --resume gives the undisturbed model on 3 nodes ($SECONDS s)"

# A node falls silent, which nothing but time can tell: the job is put back and goes on where nodes are left.
# shellcheck disable=SC2086
submit 2 $long
wait_for_checkpoint
in_node 2 ip link set eth0 down
ends COMPLETED
same_digest out "$wanted_long"
[ "$(job_field Restarts)" -ge 1 ] || fail "the job was not put back"
[ "$(job_field NodeList)" = "n[1,3]" ] || fail "it went on on $(job_field NodeList)"
record 'len(j["attempts"])' 1 # before this one
record '1 <= j["counts"]["resumed_iteration"] < 40' True
echo "a silent node: back in the queue, the undisturbed model on n1 and n3 ($SECONDS s)"

# scancel: a clean stop that can be resumed.
# shellcheck disable=SC2086
submit 2 --input data/ratings.csv --rank 24 --max-iter 4000
wait_for_checkpoint
scancel "$job"
ends CANCELLED
for _ in $(seq 50); do
    if grep -q 'go on with: quern fit als --resume' out; then break; fi
    sleep 0.1
done
grep -q 'go on with: quern fit als --resume' out || fail "scancel: nobody says how to go on"
record 'j["status"]' cancelled
echo "scancel stops cleanly ($SECONDS s)"
