#!/bin/sh
# Options as scripts for other systems have them: those that mean something here do it, the others are taken and told.
# shellcheck disable=SC2154,SC2034,SC1091,SC2086
. "$(dirname "$0")/lib.sh"

run datagen ratings --users 60 --items 30 --ratings 900 --seed 5 --out data --quiet
expect_code 0
fit="fit als --input data/ratings.csv --rank 2 --max-iter 1 --json"

# Memory, in every spelling.
for words in "--executor-memory 6g" "--driver-memory=6144m" "--executor_memory 6G" "--memory 6gb"; do
    run $fit $words
    expect_code 0
    expect_json 'j["resources"]["budget_bytes"]' $((6 << 30))
done
for bad in 6x -1g g; do refused 2 "memory" $fit --memory $bad; done

# Workers by Spark's name: one is this process, several are asked for and observed.
run $fit --num-executors 1
expect_code 0
expect_json 'j["resources"]["workers"]' 1
refused 2 'workers' $fit --num-executors 1000000

# What means nothing here: a warning names it, and the run is the same.
run $fit
digest=$(json 'j["model_digest"]')
for words in "--master spark://m:7077" "--executor-cores 1" "--total-executor-cores 5" "--conf spark.driver.memory=2g" \
    "--shuffle-partitions 10" "--deploy-mode cluster" "--intermediate-storage-level MEMORY_AND_DISK" "--blockSize 4096"; do
    run $fit $words
    expect_code 0
    expect_json 'j["model_digest"]' "$digest"
    expect_err '^warning: --[a-z-]+ means nothing here and is ignored$'
done
echo passed
