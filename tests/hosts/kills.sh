#!/bin/sh
# kills.sh: QN_KILLS (default 6) kills of random processes on random hosts at random moments: of a rank, of all of a
# host, of mpirun. Prints how long each took to be noticed, the workers to be there again and their data; 3 s at most
# for the first two together.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
hosts_open alpha beta gamma
undisturbed 60
kills=${QN_KILLS:-6}
seed=${QN_SEED:-$$}
echo "seed $seed"

random() { # random BELOW: into $drawn
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % $1))
}

# Up to three kills a run. One that comes as the run ends, when nothing is to be started again, does not count.
done_kills=0
: >times.txt
while [ $done_kills -lt "$kills" ]; do
    rm -rf runs strikes
    start $fit --hosts alpha,beta,gamma --max-restarts 100
    struck=0
    while [ $((done_kills + struck)) -lt "$kills" ] && [ $struck -lt 3 ]; do
        wait_until 60 has_reached $(($(iteration) + 1)) || fail "it does not go on"
        random 900
        sleep "$(printf '0.%03d' $drawn)"
        random 3
        host=$(echo alpha beta gamma | cut -d ' ' -f $((drawn + 1)))
        random 3
        case $drawn in
        0) victims=$(ranks_on "$host") what="a rank on $host" ;;
        1) victims=$(pids_on "$host") what="all of $host" ;;
        2) victims=$(pgrep -P "$supervisor") what=mpirun ;;
        esac
        said_before=$(grep -c 'relaunched in' "$err")
        struck_at=$(date +%s.%N)
        [ -n "$victims" ] && kill -9 $victims 2>/dev/null
        wait_until 60 has_gone_on || fail "no relaunch after a kill of $what"
        kill -0 "$supervisor" 2>/dev/null || break
        struck=$((struck + 1))
        echo "$struck $struck_at $what" >>strikes
    done
    done_kills=$((done_kills + struck))
    finish
    expect_code 0
    expect_json 'j["model_digest"]' "$digest"
    expect_clean
    [ $struck -gt 0 ] || continue
    python3 - "$out" strikes >>times.txt <<'PY' || fail "the record does not have the times"
import json, sys
restarts = json.loads(open(sys.argv[1]).read().splitlines()[-1])["metrics"]["restarts"]
for line in open(sys.argv[2]):
    number, at, what = line.split(" ", 2)
    t = restarts[number]
    print("%.3f %.3f %.3f %s" % (t["noticed_at"] - float(at), t["relaunched_s"], t["reloaded_s"], what.strip()))
PY
done
python3 - times.txt <<'PY' || fail "too slow"
import statistics, sys
rows = [line.split(" ", 3) for line in open(sys.argv[1])]
for seen, there, data, what in rows:
    print("%-16s noticed in %5s s, relaunched in %5s s, reloaded in %5s s" % (what.strip(), seen, there, data))
both = [float(r[0]) + float(r[1]) for r in rows]
for name, values in ("noticed", [float(r[0]) for r in rows]), ("noticed and relaunched", both), ("reloaded", [float(r[2]) for r in rows]):
    print("%-23s median %.2f s, worst %.2f s of %d kills" % (name, statistics.median(values), max(values), len(values)))
sys.exit(max(both) > 3)
PY
echo "kills: fine"
