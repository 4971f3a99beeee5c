#!/bin/sh
# What the event log costs: the same fit with and without it, in turn.
#   bench/event_log.sh QUERN RATINGS [TIMES] [OPTION...]
# QUERN    the program, built by `make build`     RATINGS  a file of ratings
# OPTIONs are added to the fit (default: --rank 16 --max-iter 10 --partitions 256).
# Prints a line of JSON each run, at the end the best times and the share that the log takes.
set -eu

quern=$1 ratings=$2 times=${3:-3}
shift 2
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- --rank 16 --max-iter 10 --partitions 256
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for _ in $(seq "$times"); do
    for log in true false; do
        "$quern" fit als --input "$ratings" --event-log $log --runs-dir "$dir/runs" --json --quiet "$@" >"$dir/run"
        total=$(sed 's/.*"total_s":\([0-9.e-]*\).*/\1/' "$dir/run")
        fit=$(sed 's/.*"fit_s":\([0-9.e-]*\).*/\1/' "$dir/run")
        cpu=$(sed 's/.*"cpu_s":\([0-9.e-]*\).*/\1/' "$dir/run")
        echo "{\"event_log\":$log,\"fit_s\":$fit,\"total_s\":$total,\"cpu_s\":$cpu}" | tee -a "$dir/all"
    done
done
wc -lc "$dir"/runs/spark-events/* | tail -n 1 | awk '{ printf "logs: %d lines, %d bytes\n", $1, $2 }'
tr ':,}' '   ' <"$dir/all" | awk '
    { if (!($2 in best) || $6 < best[$2]) best[$2] = $6
      if (!($2 in cpu) || $8 < cpu[$2]) cpu[$2] = $8 }
    END { printf "with %.3f s, without %.3f s: %.2f %%; of processors %.3f s and %.3f s\n", best["true"],
                 best["false"], 100 * (best["true"] / best["false"] - 1), cpu["true"], cpu["false"] }'
