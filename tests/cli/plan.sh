#!/bin/sh
# quern plan als: what a fit will hold, move and spill, before it runs.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"

# An input that is read whole is known, and the plan beside what a fit finds.
run datagen ratings --users 3000 --items 900 --ratings 90000 --seed 3 --out data
expect_code 0
run fit als --input data/ratings.csv --split random:0.8 --rank 12 --max-iter 1 --json
expect_code 0
users=$(json 'j["counts"]["users"]')
train=$(json 'j["counts"]["train_records"]')
run plan als --input data/ratings.csv --split random:0.8 --rank 12 --json
expect_code 0
expect_json 'j["shape"]["is_estimate"], j["shape"]["ratings"]["estimate"], j["shape"]["users"]["estimate"] >= '"$users" 'False 90000 True'
expect_json 'abs(j["shape"]["train_ratings"] / '"$train"' - 1) < 0.02' True
expect_json 'j["shape"]["coded"], j["fits"], j["warning"]' 'True True None'
expect_json 'j["worker_bytes"]["factors"]["estimate"] == (j["shape"]["users"]["estimate"] + j["shape"]["items"]["estimate"]) * 16 * 4' True
expect_json 'sum(j["moved_bytes"][k]["estimate"] for k in j["moved_bytes"])' 0
expect_json 'j["checkpoint_bytes"]["one"]["estimate"] == j["worker_bytes"]["factors"]["estimate"]' True
run plan als --input data/ratings.csv --rank 12
expect_code 0
expect_out '^input +90,000 ratings of [0-9,]+ users and [0-9,]+ items: all of it was read$'
expect_out '^verdict +fits in memory$'
expect_no_err

# A larger one is estimated from parts, and says so with a range that holds the truth.
run datagen ratings --users 20000 --items 3000 --ratings 1000000 --seed 4 --out large
expect_code 0
run plan als --input large/ratings.csv --workers 3 --memory 16m --rank 10 --json
expect_code 0
expect_json 'j["shape"]["is_estimate"], j["shape"]["rows_sampled"] < 800000' 'True True'
expect_json 'all(abs(j["shape"][k]["estimate"] / n - 1) < 0.05 for k, n in (("ratings", 1000000), ("users", 20000), ("items", 3000)))' True
expect_json 'all(j["shape"][k]["least"] <= n <= j["shape"][k]["most"] for k, n in (("ratings", 1000000), ("items", 3000)))' True
expect_json 'j["layout"]["workers"], j["moved_bytes"]["users_allgather"]["estimate"] == j["shape"]["users"]["estimate"] * 64 * 2' '3 True'
run plan als --input large/ratings.csv
expect_out 'an estimate from [0-9,]+ rows here and there$'
expect_out ' to '

# The shape alone: what a budget spills, and what is too little for any fit.
shape="--users 1000000 --items 50000 --ratings 300000000 --rank 50"
# shellcheck disable=SC2086
run plan als $shape --workers 4 --memory 2g
expect_code 0
expect_out '^input +300,000,000 ratings of 1,000,000 users and 50,000 items, as given$'
expect_out '^ +ratings to their owners +[0-9.]+ GB +once'
expect_out '^verdict +fits in memory$'
expect_out '^ +receiving rows .* 1 to 10 GB/s into a worker$'
expect_out '^ +an iteration +[0-9.]+ (ms|s) to [0-9.]+ (ms|s|min) '
# shellcheck disable=SC2086
run plan als $shape --workers 1 --memory 1g --threads 4 --json
# 3e8 ratings twice at 50 * 53 flops, and 1,050,000 rows, on four threads; the disk is read at 0.5 to 3 GB/s.
expect_json 'round(j["iteration_seconds"]["solve"]["most"], 3), round(j["iteration_seconds"]["solve"]["least"], 4)' '40.975 4.0975'
expect_json 'abs(j["iteration_seconds"]["read"]["least"] * 3e9 / j["worker_bytes"]["spilled"]["estimate"] - 1) < 1e-6' True
expect_json 'j["iteration_seconds"]["receive"]["most"], j["received_bytes_an_iteration"]' '0.0 0'
expect_json 'j["fits"], j["worker_bytes"]["spilled"]["estimate"] == j["worker_bytes"]["held"]["estimate"] - 2**30' 'True True'
expect_json 'j["worker_bytes"]["scratch_disk"]["estimate"] > j["worker_bytes"]["spilled"]["estimate"]' True
# shellcheck disable=SC2086
run plan als $shape --workers 4 --memory 100m
expect_code 0
expect_out '^warning +this does not fit: what cannot leave memory is more than a worker may hold\. Lower --rank, or raise --memory$'
# shellcheck disable=SC2086
run plan als $shape --workers 200 --memory 1g
expect_out '^warning +some workers own no rows of a side'

# 13 of the 200 own items: users go to those alone, in all iterations but the last.
expect_out '^ +users to all +[0-9.]+ GB +the last iteration$'
expect_out '^ +by needed rows +[0-9.]+ GB +all iterations but the last: chosen$'
expect_out '^ +items to all +[0-9.]+ GB +each iteration: chosen$'
# shellcheck disable=SC2086
run plan als $shape --workers 200 --memory 1g --json
expect_json 'j["exchange"]' "{'items': 'all rows', 'users': 'needed rows'}"
# shellcheck disable=SC2086
run plan als $shape --workers 4 --memory 2g --json
expect_json 'j["exchange"]' "{'items': 'all rows', 'users': 'all rows'}"

refused 2 'missing: --input FILE, or --users, --items and --ratings' plan als
refused 2 'missing: --input FILE, or --users, --items and --ratings' plan als --users 5 --items 3
refused 2 'exclude each other' plan als --input data/ratings.csv --users 5
refused 2 'missing.csv' plan als --input missing.csv
refused 2 'workers' plan als --users 5 --items 3 --ratings 9 --workers 5000
refused 2 'split' plan als --input data/ratings.csv --split nonsense
exit 0
