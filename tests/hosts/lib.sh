# Hosts as network namespaces, for the tests of workers on several of them: label hosts. Each has a name and an address
# of its own, private scratch, /dev/shm and temporary folder, and sees the rest of the machine's files, so that
# everything else is shared. They hang on a bridge in the namespace of the host `head`, where the supervisor runs: two
# runs of the tests cannot meet. Read by the scripts; QN_QUERN is the program.
#   $place          the folder of the test; box: where commands run; scratch: another folder on each host
#   $out $err $code what the last command said and ended with
# shellcheck shell=sh disable=SC2034
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/expect.sh
. "$here/../support/expect.sh"
quern=$(readlink -f "${QN_QUERN:?set QN_QUERN to the program}")
# shellcheck source=tests/support/skip.sh
. "$here/../support/skip.sh"
[ "$(id -u)" = 0 ] || not_here "hosts are network namespaces, which takes root"
command -v ip >/dev/null 2>&1 || not_here "no ip on this machine (make hosts installs iproute2)"
command -v mpirun.openmpi >/dev/null 2>&1 || not_here "no mpirun.openmpi on this machine (make hosts installs openmpi-bin)"
[ -f "$(dirname "$quern")/libquern_comm_openmpi.so" ] || not_here "libquern_comm_openmpi.so is not built (make hosts does)"

name=$(basename "$0" .sh)
prefix=qn$$
place=$(mktemp -d "${TMPDIR:-/tmp}/qn-hosts-XXXXXX")
out=$place/out err=$place/err code=0 said='' supervisor='' hosts=''
digest=''

# --- beginning and end ---

# Everything that lives on the hosts, their namespaces, their files. Twice is no harm.
hosts_close() {
    for ns in $(ip netns list 2>/dev/null | awk -v p="$prefix-" 'index($1, p) == 1 { print $1 }'); do
        ip netns pids "$ns" 2>/dev/null | xargs -r kill -9 2>/dev/null
        ip netns del "$ns" 2>/dev/null
    done
    rm -rf "$place"
}

# Tears down if this script itself is killed, which no trap hears.
hosts_guard() {
    export place prefix
    setsid sh -c '
        while kill -0 "$0" 2>/dev/null; do sleep 0.5; done
        for ns in $(ip netns list | awk -v p="$prefix-" "index(\$1, p) == 1 { print \$1 }"); do
            ip netns pids "$ns" | xargs -r kill -9
            ip netns del "$ns"
        done
        rm -rf "$place"' $$ >/dev/null 2>&1 </dev/null 3>&- &
}

trap hosts_close EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# Starts the host, whose namespace is there.
host_start() {
    rm -f "$place/hosts/$1/up"
    nsenter --net="/run/netns/$prefix-$1" unshare --mount --uts \
        setsid -f sh "$here/host.sh" "$1" "$place/hosts/$1" >"$place/hosts/$1/log" 2>&1 </dev/null
    wait_until 5 test -e "$place/hosts/$1/up" || fail "host $1 does not start: $(cat "$place/hosts/$1/log")"
    link "$1" up
}

# hosts_open NAME...: with head, which is none of the workers' hosts.
hosts_open() {
    ip netns add "$prefix-head" 2>"$err" || not_here "no network namespaces here: $(cat "$err")"
    hosts_guard
    ip -n "$prefix-head" link add eth0 type bridge 2>"$err" || not_here "no network bridge here: $(cat "$err")"
    ip -n "$prefix-head" addr add 10.77.0.254/24 dev eth0
    printf '127.0.0.1 localhost\n10.77.0.254 head\n' >"$place/etc_hosts"
    number=0
    for host in "$@"; do
        number=$((number + 1))
        ip netns add "$prefix-$host"
        ip -n "$prefix-head" link add "v-$host" type veth peer name eth0 netns "$prefix-$host"
        ip -n "$prefix-head" link set "v-$host" master eth0 up
        ip -n "$prefix-$host" addr add "10.77.0.$number/24" dev eth0
        echo "10.77.0.$number $host" >>"$place/etc_hosts"
    done
    mkdir -p "$place/scratch" "$place/box"
    for host in head "$@"; do
        mkdir -p "$place/hosts/$host/scratch"
        ip -n "$prefix-$host" link set lo up
        ip -n "$prefix-$host" link set eth0 up
        host_start "$host"
        hosts="$hosts $host"
    done
    cd "$place/box" || exit 1
    export QN_HOSTS_PLACE="$place" QN_RSH_AGENT="$here/agent.sh"
}

fail() {
    echo "FAILED: $*"
    echo "  command: quern $said (exit $code)"
    sed 's/^/  out: /' "$out" 2>/dev/null | tail -n 20 | cut -c1-400
    sed 's/^/  err: /' "$err" 2>/dev/null | tail -n 40
    exit 1
}

# wait_until SECONDS COMMAND...: false if it does not come true in time.
wait_until() {
    tries=$(($1 * 50))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.02
    done
}

# --- what happens to hosts ---

on() { # on HOST COMMAND...: in its namespaces, in this folder
    on_host=$1
    shift
    nsenter --net --mount --uts -t "$(cat "$place/hosts/$on_host/pid")" sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
}

# All processes of the host but the one that stands for sshd.
pids_on() {
    ip netns pids "$prefix-$1" | grep -vx "$(cat "$place/hosts/$1/pid")"
}

ranks_on() {
    for pid in $(pids_on "$1"); do
        if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "^$quern .*--as-rank"; then echo "$pid"; fi
    done
}

link() { # link HOST up|down
    echo "$2" >"$place/hosts/$1/link"
    ip -n "$prefix-$1" link set eth0 "$2"
}

# The host is switched off: every process of it is killed at once, and nobody answers.
host_kill() {
    rm -f "$place/hosts/$1/up"
    ip netns pids "$prefix-$1" | xargs -r kill -9
    wait_until 5 host_is_empty "$1" || fail "processes on $1 outlive kill -9"
}
host_is_empty() { [ -z "$(ip netns pids "$prefix-$1")" ]; }

# --- the program ---

# start WORDS...: quern on head, in the background; never longer than two minutes.
start() {
    said=$*
    rm -f "$place/supervisor"
    timeout -k 5 120 nsenter --net --mount --uts -t "$(cat "$place/hosts/head/pid")" \
        sh -c 'cd "$1" && echo $$ >"$0.new" && mv "$0.new" "$0" && shift && exec "$@"' "$place/supervisor" "$PWD" \
        "$quern" "$@" >"$out" 2>"$err" </dev/null &
    job=$!
    wait_until 5 test -e "$place/supervisor" || fail "quern does not start"
    supervisor=$(cat "$place/supervisor")
}

finish() {
    wait "$job"
    code=$?
    [ $code -ne 124 ] || fail "it hung"
}

run() {
    start "$@"
    finish
}

has_reached() { [ "$(iteration)" -ge "$1" ] || ! kill -0 "$supervisor" 2>/dev/null; }
# reach N: waits until iteration N is saved, and makes sure that the run goes on.
reach() {
    wait_until 60 has_reached "$1" || fail "iteration $1 does not come"
    if ! kill -0 "$supervisor" 2>/dev/null; then
        finish
        fail "the run ended before iteration $1"
    fi
}

# Nothing of the last run is left on any host: no process, no shared memory, no scratch.
expect_clean() {
    for each in $hosts; do
        wait_until 5 is_idle "$each" ||
            fail "left on $each: $(pids_on "$each" | while read -r pid; do tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-200; done)"
        [ -z "$(on "$each" ls -A /dev/shm)" ] || fail "left in memory of $each: $(on "$each" ls -l /dev/shm)"
        [ -z "$(ls -A "$place/hosts/$each/scratch")" ] || fail "left in scratch of $each: $(ls "$place/hosts/$each/scratch")"
    done
}

# The run has told of one more restart than $said_before, or has ended.
said_before=0
has_gone_on() { [ "$(grep -c 'relaunched in' "$err")" -gt "$said_before" ] || ! kill -0 "$supervisor" 2>/dev/null; }
is_idle() { [ -z "$(pids_on "$1")" ]; }

# strike COMMAND...: does it, and remembers when.
strike() {
    struck_at=$(date +%s.%N)
    "$@" || fail "cannot $*"
}

# expect_times SECONDS: from the strike to its being noticed and all workers being there again. By the record.
expect_times() {
    json "(lambda t: 'noticed in %.2f s, relaunched in %.2f s, reloaded in %.2f s' % (
        t['noticed_at'] - $struck_at, t['relaunched_s'], t['reloaded_s']))(j['metrics']['restarts']['1'])"
    expect_json "(lambda t: t['noticed_at'] - $struck_at + t['relaunched_s'] <= $1)(j['metrics']['restarts']['1'])" True
}

# What all of the tests fit: small, and slow enough for faults to come in between. $digest is the undisturbed one's.
undisturbed() { # undisturbed ITERATIONS
    "$quern" datagen ratings --users 30000 --items 20000 --ratings 300000 --seed 3 --format csv --out data --quiet ||
        fail "no data"
    fit="fit als --input data/ratings.csv --rank 32 --partitions 5 --max-iter ${1:-25} --threads 1 --json"
    # shellcheck disable=SC2086
    run $fit --runs-dir none
    expect_code 0
    digest=$(json 'j["model_digest"]')
    [ "${#digest}" = 32 ] || fail "no digest"
}

# The run that is over is well, and its model is the undisturbed one.
expect_same() {
    expect_code 0
    expect_json 'j["model_digest"]' "$digest"
    expect_clean
}
