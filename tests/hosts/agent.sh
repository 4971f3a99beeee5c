#!/bin/sh
# agent.sh HOST COMMAND...: stands for ssh between the hosts of lib.sh. As ssh does, it gives the words to a shell
# over there, passes output on, ends with the command's exit code, with 255 where the host is gone, and waits in
# vain while the link is down. QN_HOSTS_PLACE is the folder of the hosts.
set -u
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
home=$QN_HOSTS_PLACE/hosts/$host
if [ ! -e "$home/up" ]; then
    echo "ssh: Could not resolve hostname $host: Name or service not known" >&2
    exit 255
fi
is_linked() { [ "$(cat "$home/link")" = up ]; }
if ! is_linked; then
    sleep 4
    echo "ssh: connect to host $host port 22: Connection timed out" >&2
    exit 255
fi
call=$(mktemp -d "$home/asked/XXXXXX")
mkfifo "$call/out" "$call/err"
cat "$call/out" &
cat "$call/err" >&2 &
printf '%s\n' "$*" >"$call/command"
echo "$call" >"$home/door"
wait
while ! is_linked; do sleep 0.1; done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if [ -e "$call/code" ]; then
        code=$(cat "$call/code")
        rm -rf "$call"
        exit "$code"
    fi
    sleep 0.02
done
echo "Connection to $host closed by remote host." >&2
exit 255
