# A Slurm of its own: a controller and a few nodes, each node in a network of its own, on this machine.
# Read by run.sh, which is the first process of new namespaces (processes, mounts, networks, host name):
# when it ends, in whatever way, the kernel ends all that it has started and takes their networks away.
# shellcheck shell=bash disable=SC2154

# cluster_files N: what Slurm reads, below $place/etc.
cluster_files() {
    local k
    mkdir -p "$place/etc" "$place/log" "$place/state" "$place/munge"
    {
        echo "127.0.0.1 localhost"
        echo "10.213.0.254 control"
        for k in $(seq "$1"); do echo "10.213.0.$k n$k"; done
    } >"$place/etc/hosts"
    {
        cat <<EOF
ClusterName=quern
SlurmctldHost=control(10.213.0.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmdTimeout=5
KillWait=2
MinJobAge=300
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
RebootProgram=/bin/true
StateSaveLocation=$place/state
SlurmctldPidFile=$place/state/slurmctld.pid
SlurmctldLogFile=$place/log/slurmctld
SlurmdSpoolDir=$place/state/%n
SlurmdPidFile=$place/state/%n.pid
SlurmdLogFile=$place/log/%n
EOF
        for k in $(seq "$1"); do
            echo "NodeName=n$k NodeAddr=10.213.0.$k CPUs=1 Boards=1 SocketsPerBoard=1 CoresPerSocket=1 ThreadsPerCore=1 RealMemory=1024 State=UNKNOWN"
        done
        echo "PartitionName=all Nodes=n[1-$1] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO"
    } >"$place/etc/slurm.conf"
}

# in_node K COMMAND...: in the network of node K, under its name.
in_node() {
    local k=$1
    shift
    nsenter --target "${node_pid[$k]}" --net --uts --mount -- "$@"
}

cluster_start() {
    local n=$1 k
    cluster_files "$n"
    export SLURM_CONF=$place/etc/slurm.conf
    mount --bind "$place/etc/hosts" /etc/hosts
    hostname control
    ip link set lo up
    ip link add bridge0 type bridge
    ip addr add 10.213.0.254/24 dev bridge0
    ip link set bridge0 up
    for k in $(seq "$n"); do
        # Holds the namespaces open; dies with us.
        unshare --net --uts --mount sh -c "mkdir -p $place/tmp.n$k; mount --bind $place/tmp.n$k /tmp; ip link set lo up; hostname n$k; exec sleep 100000" &
        node_pid[k]=$!
    done
    for k in $(seq "$n"); do
        ip link add "port$k" type veth peer name "eth$k"
        until [ "$(nsenter --target "${node_pid[$k]}" --uts hostname)" = "n$k" ]; do sleep 0.02; done
        ip link set "eth$k" netns "${node_pid[$k]}"
        ip link set "port$k" master bridge0 up
        in_node "$k" ip link set "eth$k" name eth0
        in_node "$k" ip addr add "10.213.0.$k/24" dev eth0
        in_node "$k" ip link set eth0 up
    done
    head -c 1024 /dev/urandom >"$place/munge/key"
    chmod 400 "$place/munge/key"
    chmod 755 "$place/munge"
    munged --foreground --force --key-file="$place/munge/key" --socket="$place/munge/socket" --pid-file="$place/munge/pid" \
        --log-file="$place/log/munged" --seed-file="$place/munge/seed" --num-threads=2 >"$place/log/munged.out" 2>&1 &
    until [ -S "$place/munge/socket" ]; do sleep 0.05; done
    slurmctld -D -c >"$place/log/slurmctld.out" 2>&1 &
    for k in $(seq "$n"); do node_start "$k"; done
    for _ in $(seq 200); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = "$n" ] && return 0
        sleep 0.1
    done
    echo "the cluster does not start:"
    sinfo -N -l
    tail -n 20 "$place"/log/*
    return 1
}

node_start() {
    in_node "$1" slurmd -D -N "n$1" >"$place/log/n$1.out" 2>&1 &
}
