#!/bin/sh
# host.sh NAME HOME: runs on each host of lib.sh, in namespaces of its own: gives the host its name and its private
# folders, then carries out what agent.sh asks for. It stands for sshd: what it starts is no child of whoever
# asked, and lives on when the asker is gone.
set -u
name=$1
home=$2
place=$(dirname "$(dirname "$home")")
hostname "$name"
mount --bind "$place/etc_hosts" /etc/hosts
mount --bind "$home/scratch" "$place/scratch"
mount -t tmpfs -o size=256m shm /dev/shm
rm -rf "$home/asked" "$home/door"
mkdir -p "$home/tmp" "$home/asked"
mkfifo "$home/door"
export TMPDIR="$home/tmp"
exec 3<>"$home/door"
echo $$ >"$home/pid"
echo up >"$home/link"
echo up >"$home/up"
while read -r call <&3; do
    (
        exec 3<&- >"$call/out" 2>"$call/err" </dev/null
        setsid sh "$call/command"
        code=$?
        echo $code >"$call/code.new" && mv "$call/code.new" "$call/code"
    ) 2>/dev/null &
done
