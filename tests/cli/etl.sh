#!/bin/sh
# Netflix text into data sets by the commands that a user types: exact, added to, refused.
# shellcheck disable=SC2154,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet

cat >train.txt <<'EOF'
1:
1488844,3,2005-09-06
822109,5,2005-05-13
822109,4,2005-05-13
885013,4,2005-10-19
not a row
2:
30878,4,2005-12-26
,4,2005-12-27
823519,3,1969-12-31
EOF
printf '3:\n893988,3,2005-11-17\n' >test.txt
etl() { run etl --train-file train.txt --test-file test.txt --parquet-train-path data/train --parquet-test-path data/test "$@"; }

etl --rejects rejects.csv --json
expect_code 0
expect_json 'j["rows_read"]' 9
expect_json 'j["rows_written"], j["rows_malformed"], j["rows_null"], j["rows_out_of_range"], j["rows_duplicate"]' "6 1 1 0 1"
expect_json 'j["train"]["rows_after"], j["test"]["rows_after"]' "5 1"
expect_json 'j["rows_read"] == sum(j["rows_" + n] for n in "written malformed null out_of_range duplicate".split())' True
expect_json 'j["command"], j["counts"]["rows"], j["counts"]["rows_written"]' "etl 9 6"
[ "$(sed 1d rejects.csv)" = 'train.txt,4,duplicate,"822109,4,2005-05-13"
train.txt,6,malformed,"not a row"
train.txt,9,null,",4,2005-12-27"' ] || fail "rejects: $(cat rejects.csv)"
[ -L data/train ] && [ -d data/train/year=1969/month=12 ] || fail "a link, and months before 1970"

etl
expect_code 0
expect_out 'taken before: not read again'
expect_out 'data/train is as it was'
printf '1:\n1488844,5,2005-09-06\n' >day.txt
run etl --train-file train.txt day.txt --test-file test.txt --parquet-train-path data/train --parquet-test-path data/test --shuffle-partitions 400 --parquet-table-train t
expect_code 0
expect_err '^warning: --shuffle-partitions means nothing here'
expect_err '^warning: --parquet-table-train means nothing here'
expect_out '^train +1 written, 0 duplicate, 1 replaced; 5 before, 5 after'
expect_out '1 file written, 4 as they were; generation 2'
run inspect data/train
expect_code 0
run fit als --input data/train --rank 2 --max-iter 1 --model model
expect_code 0
expect_out 'to train on, of 5 users'

# The same rows give the same files for any threads and memory.
run etl --train-file train.txt day.txt --test-file test.txt --parquet-train-path one/train --parquet-test-path one/test --threads 1
expect_code 0
(cd data/train && find . -name '*.parquet' | sort) >a
(cd one/train && find . -name '*.parquet' | sort) >b
cmp -s a b || fail "other files with one thread: $(diff a b)"

# What is refused changes nothing.
refused 2 'missing: --train-file' etl --test-file test.txt --parquet-train-path x --parquet-test-path y
refused 2 'nowhere.txt' etl --train-file nowhere.txt --test-file test.txt --parquet-train-path x --parquet-test-path y
refused 2 'are the same place' etl --train-file train.txt --test-file test.txt --parquet-train-path x --parquet-test-path ./x/
refused 2 'lies in' etl --train-file train.txt --test-file test.txt --parquet-train-path x --parquet-test-path x/y
refused 2 'lies in' etl --train-file train.txt --test-file test.txt --parquet-train-path . --parquet-test-path y
refused 2 'must be a JSON object' etl --train-file train.txt --test-file test.txt --parquet-train-path x --parquet-test-path y --extra-write-options-json '[]'
refused 2 'is no JSON' etl --train-file train.txt --test-file test.txt --parquet-train-path x --parquet-test-path y --extra-write-options-json '{oops'
refused 2 'try: compression' etl --train-file train.txt --test-file test.txt --parquet-train-path x --parquet-test-path y --extra-write-options-json '{"compresion":"snappy"}'
refused 2 'data compact' etl --train-file day.txt --test-file test.txt --parquet-train-path data/train --parquet-test-path data/test --on-duplicate latest
refused 4 '2 bad rows, --max-bad-rows allows 1' etl --train-file train.txt --test-file test.txt --parquet-train-path x --parquet-test-path y --max-bad-rows 1
refused 4 'none of [0-9]+ rows can be used' etl --train-file a --test-file test.txt --parquet-train-path x --parquet-test-path y
refused 2 'there already' etl --train-file day.txt --test-file test.txt --parquet-train-path x --parquet-test-path y --rejects rejects.csv
refused 1 'nodir' etl --train-file day.txt --test-file test.txt --parquet-train-path x --parquet-test-path y --rejects nodir/rejects.csv
: >empty.txt
refused 4 'empty' etl --train-file empty.txt --test-file test.txt --parquet-train-path x --parquet-test-path y
ln -s train.txt link
refused 2 'is a file' etl --train-file day.txt --test-file test.txt --parquet-train-path link --parquet-test-path y
mkdir home
echo dear >home/letter.txt
refused 2 'letter.txt' etl --train-file day.txt --test-file test.txt --parquet-train-path home --parquet-test-path y
mkdir locked
chmod 500 locked
[ "$(id -u)" = 0 ] || refused 1 'locked' etl --train-file day.txt --test-file test.txt --parquet-train-path locked/x --parquet-test-path y
chmod 700 locked

run etl --train-file train.txt --test-file test.txt --parquet-train-path new/train/ --parquet-test-path new/test --extra-write-options-json '{"mergeSchema":"true","compression":"zstd"}' --dry-run
expect_code 0
expect_out '^dry run +nothing was changed'
[ ! -e new ] || fail "a dry run has made a folder"
run etl --train-file train.txt --test-file test.txt --parquet-train-path new/train/ --parquet-test-path new/test --extra-write-options-json '{"mergeSchema":"true","compression":"zstd"}' --partition-by year
expect_code 0
[ -d new/train/year=2005 ] && [ ! -d new/train/year=2005/month=9 ] || fail "by year"
run data history new/train
expect_out 'by year, zstd'
# Standard input is looked into once.
"$quern" etl --train-file - --test-file test.txt --parquet-train-path piped/train --parquet-test-path piped/test \
    <train.txt >"$out" 2>"$err" || fail "standard input"
expect_out '^read +8 rows, 2 bad'
expect_out 'the first: -, byte [0-9]+: malformed row: not a row'
echo "etl: fine"
