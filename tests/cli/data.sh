#!/bin/sh
# The life of a data set by the commands that a user types: process, merge, upsert, verify, compact, history,
# rollback, gc, delete-user; two writers, and writers that died.
# shellcheck disable=SC2154,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet

day() { # day FILE FIRST-USER: 200 ratings of October 2005 with the columns of the reference in another order
    awk -v first="$2" 'BEGIN { print "CUST_ID,DATE,RATING,MOVIE_ID"
        for (i = 0; i < 200; i++) printf "%d,2005-10-%02d,%d,%d\n", first + i, 1 + i % 28, 1 + i % 5, 1 + i % 17 }' >"$1"
}
names() { (cd "$1" && find . -name '*.parquet' | sort); }

day day1.csv 1000
cp day1.csv again.csv
run data process --csv_path day1.csv --output_path s --train_ratio .75 --source delete --json
expect_code 0
expect_json 'j["rows_read"], j["rows_written"]' "200 200"
expect_json 'j["train"]["rows_after"] + j["test"]["rows_after"]' 200
expect_json '120 < j["train"]["rows_after"] < 180' True
expect_json 'j["source_removed"]' True
[ ! -e day1.csv ] || fail "the source is still there"
run data process --csv again.csv --output s --train-ratio .75
expect_code 0
expect_out '1 file taken before: not read again'
[ -e again.csv ] || fail "the source is kept by default"
run data process --csv again.csv --output t --train-ratio .75
expect_code 0
names s/train >a
names t/train >b
cmp -s a b || fail "the same file gives other sides"
day day2.csv 5000
run data process --csv day2.csv --output s --train-ratio .75 --source move
expect_code 0
[ -e s/taken/day2.csv ] && [ ! -e day2.csv ] || fail "the source is not in s/taken"
refused 2 'missing: --csv' data process --output s
refused 2 'one file at a time' data process --csv again.csv --input again.csv --output s
printf 'who;what;when;stars\n1;2;2005-10-01;4\n2;2;2005-10-02;5\n' >own.csv
run data process --csv own.csv --output own --user-col who --item-col what --rating-col stars --date-col when --json
expect_code 0
expect_json 'j["rows_written"]' 2
refused 2 'nowhere.csv' data process --csv nowhere.csv --output s
refused 2 'is a folder' data process --csv s --output u
refused 2 'train_ratio|train-ratio' data process --csv again.csv --output u --train-ratio 1.5
printf 'CUST_ID,DATE\n1,2005-01-01\n' >short.csv
refused 2 'MOVIE_ID|movieId' data process --csv short.csv --output u --source delete

refused 2 'output is empty' data process --csv again.csv --output ''
refused 2 'path of the data set is empty' data upsert --input again.csv --into ''
refused 2 'are the same place' data upsert --input again.csv --into x --rejects again.csv --overwrite
refused 2 'again.csv is a file' data verify again.csv

refused 2 'quern data process, quern data merge' data
if grep -q datagen "$err"; then fail "data lists the commands of datagen"; fi

# Merge: train to train, test to test; what is missing is skipped.
run data merge --streaming s --processed p --dry-run
expect_code 0
[ ! -e p ] && [ -L s/train ] || fail "a dry run has changed something"
run data merge --streaming s --processed p --keep-streaming --json
expect_code 0
expect_json 'j["train_merged"], j["test_merged"]' "True True"
expect_json 'j["rows_written"]' 400
[ -L s/train ] || fail "streaming is not kept"
run data merge --streaming_path s --processed_path p --json
expect_code 0
expect_json 'j["train_merged"], j["rows_read"], j["train"]["streaming_removed"]' "True 0 True"
[ ! -e s/train ] && [ ! -e s/.train.generations ] || fail "streaming is still there"
run data merge --streaming s --processed p
expect_code 0
expect_out '^train +there is no s/train: skipped'
expect_out '^test +there is no s/test: skipped'
run data merge --streaming s --processed p --json
expect_json 'j["train_merged"], j["test_merged"]' "False False"
refused 2 'are the same place' data merge --streaming p --processed p
mkdir -p half/train
echo 'PAR1 half' >half/train/part-0.parquet
refused 4 'part-0.parquet' data merge --streaming half --processed p

# One writer; the lock goes with its process.
(exec 9>p/.train.generations/lock && flock 9 && : >locked && exec sleep 30) &
while [ ! -e locked ]; do sleep 0.1; done
rm locked
day day3.csv 7000
refused 75 'p/train is being written' data upsert --input day3.csv --into p/train
refused 75 'being written' data compact p/train
run data verify p/train
expect_code 0
kill $! 2>/dev/null
wait

run data upsert --input day3.csv --into p/train --json
expect_code 0
expect_json 'j["rows_written"], j["data_set"]["files_written"]' "200 1"
refused 2 'missing: --input' data upsert --into p/train
refused 2 'lies in|same place' data upsert --input p/train --into p/train
run data history p/train
expect_code 0
expect_out '^ +2 .* data upsert .* current'
run data history p/train --json
expect_json '[c["command"] for c in j["changes"]]' "['data merge', 'data upsert']"
run data verify p/train --json
expect_code 0
rows=$(json 'j["rows"]')
run data rollback p/train --json
expect_code 0
expect_json 'j["from"], j["to"]' "2 1"
run data rollback p/train --to 2
expect_code 0
refused 2 'there (is|are)' data rollback p/train --to 99

run data compact p/train --partition-by year --on-duplicate latest --target-file-size 1m --json
expect_code 0
expect_json "j['rows_before'] == $rows" True
[ -d p/train/year=2005 ] && [ ! -d p/train/year=2005/month=10 ] || fail "by year"
run data verify p/train
expect_code 0
expect_out '^fine '
run data delete-user p/train --user 7003 --json
expect_code 0
expect_json 'j["rows_removed"], j["rows_before"] - j["rows_after"]' "1 1"
expect_json 'j["generations_removed"] > 0' True
run data delete-user p/train --user 7003
expect_code 0
expect_out '7003 has no rows'
refused 2 'no generation before' data rollback p/train
run data gc p/train --json
expect_code 0
expect_json 'j["removed"]' 0

# Faults are named; the data set is read by its manifest, so strangers' files do no harm.
file=$(find p/train/ -name '*.parquet' | head -1)
cp -L "$file" keep.parquet
rm "$file"
cp keep.parquet "$file"
printf 'x' | dd of="$file" bs=1 seek=50 conv=notrunc 2>/dev/null
refused 4 "$(basename "$file").*content is not what was written" data verify p/train
rm "$file"
refused 4 'is not there' data verify p/train
cp keep.parquet "$file"
run data verify p/train
expect_code 0
sed 's/"format":1/"format":2/' p/train/_quern.json >newer
cp p/train/_quern.json older
cp newer p/train/_quern.json
refused 4 'newer|format 2' data verify p/train
refused 4 'newer|format 2' data upsert --input again.csv --into p/train
cp older p/train/_quern.json
for job in verify compact history rollback; do refused 2 'nowhere' data $job nowhere; done
refused 2 'plain folder' data delete-user half/train --user 1

# What a dead writer leaves is cleared by the next.
mkdir -p p/.train.generations/000099.new/year=2005
run data upsert --input again.csv --into p/train
expect_code 0
[ ! -e p/.train.generations/000099.new ] || fail "a leftover stays"
echo "data: fine"
