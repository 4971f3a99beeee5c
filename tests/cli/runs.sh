#!/bin/sh
# Runs are shown with what their event logs tell, compared, exported and removed.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"

run datagen ratings --users 60 --items 30 --ratings 900 --seed 5 --out data
expect_code 0
run fit als --input data/ratings.csv --split random:0.8 --rank 2 --max-iter 1 --partitions 3 --model m
expect_code 0
run fit als --input data/ratings.csv --split random:0.8 --rank 3 --max-iter 1 --event-log false
expect_code 0
[ "$(find runs/spark-events -type f | wc -l)" = 1 ] || fail "--event-log false leaves a log"
log=$(ls runs/spark-events)
grep -c '^{"Event":"SparkListenerJobStart"' "runs/spark-events/$log" | grep -qx 4 ||
    fail "load, fit, evaluate and save are not four jobs"
tail -n 1 "runs/spark-events/$log" | grep -q '^{"Event":"SparkListenerApplicationEnd"' || fail "the log does not end"

run runs show "$log"
expect_code 0
expect_out '^PARTITION STATISTICS \(1 executors\)$'
expect_out '^Total Partitions: [0-9]+$'
expect_out '^Memory limit: [0-9.]+ MB \(of each worker\)$'
expect_out '^  ratings by user +all workers '
expect_out '^SPARK UI EVIDENCE – After Data Loading$'
expect_out '^  Job 1 \(fit\): RUNNING, stages \[1-2\]$'
expect_out '^  Job 1 \(fit\): SUCCEEDED, stages \[1-2\]$'
# The same in words: the command, then lines with time and level.
[ "$(head -n 1 "runs/$log/run.log")" = "Command: quern fit als --input=data/ratings.csv --split=random:0.8 --rank=2 --max-iter=1 --partitions=3 --model=m" ] ||
    fail "the first line of run.log is not the command: $(head -n 1 "runs/$log/run.log")"
if sed 1d "runs/$log/run.log" | grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z (INFO|WARN|ERROR) .'; then fail "lines without time or level"; fi
for words in 'load: done in ' 'train_records = [0-9]+' 'partitions\.users\.sizes\[\] = [0-9]+' 'als: iteration 1 of 1 in ' 'rmse = [0-9]' 'ended well'; do
    grep -qE "Z INFO $words" "runs/$log/run.log" || fail "run.log has no $words"
done
run runs show last
expect_code 0
expect_out '^no event log of this run was kept$'

run runs compare "$log" last
expect_code 0
expect_out '^parameters\.rank +2 +3 *$'
expect_out '^models +differ$'
run runs export "$log" --format spark-events --out history
expect_code 0
cmp -s "history/$log" "runs/spark-events/$log" || fail "the exported log differs"
refused 2 'is there already' runs export "$log" --format spark-events --out history
refused 2 'event-log false' runs export last --format spark-events --out history

refused 2 'missing: --keep' runs gc
run runs gc --keep 1
expect_code 0
expect_out '^removed +1 runs'
[ -z "$(ls runs/spark-events)" ] || fail "the log of a removed run is left"
run runs list --json
[ "$(grep -o run_id "$out" | wc -l)" = 1 ] || fail "more or less than one run was kept"
echo passed
