#!/bin/sh
# Each wrong input: one clear message, the right exit code, nothing half written.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet

printf 'userId,movieId,rating,timestamp\n' >head.csv
cp head.csv good.csv
for u in 1 2 3 4 5 6; do
    for i in 1 2 3 4; do echo "$u,$i,$(((u * i) % 5 + 1)),100$u$i" >>good.csv; done
done
fit() { # fit CODE MESSAGE FILE options...
    fit_code=$1
    fit_message=$2
    fit_file=$3
    shift 3
    refused "$fit_code" "$fit_message" fit als --input "$fit_file" --rank 2 --max-iter 2 --model m --runs-dir none "$@"
}

# Paths and columns.
fit 2 'god.csv.*good.csv' god.csv
fit 2 'nowhere' nowhere/ratings.csv
fit 2 'moveId.*movieId' good.csv --item-col moveId
fit 2 'test.csv' good.csv --test test.csv
refused 2 '--input' fit als --model m
fit 2 'split' good.csv --split sideways:0.8

# Contents.
: >empty.csv
fit 4 'empty.csv' empty.csv
fit 4 'head.csv' head.csv
{ cat good.csv; echo '7,1,x,1007'; } >type.csv
fit 4 'type.csv, line 26.*"x"' type.csv
{ cat good.csv; echo '7,1,NaN,1007'; } >nan.csv
fit 4 'nan.csv, line 26' nan.csv
{ cat good.csv; echo '7,1,inf,1007'; } >inf.csv
fit 4 'inf.csv, line 26' inf.csv
{ cat good.csv; echo '7,1,1e300,1007'; } >huge.csv
fit 4 'huge.csv, line 26' huge.csv
{ cat good.csv; echo '3000000000,1,3,1007'; } >ids.csv
fit 4 '3000000000' ids.csv --id-type int32
{ cat good.csv; echo '7,1'; } >short.csv
fit 4 'short.csv, line 26' short.csv
head -c 100000 /dev/urandom >rubbish.csv
refused 4 'rubbish.csv' fit als --input rubbish.csv --model m --runs-dir none
{ cat good.csv; head -c 20000000 /dev/zero | tr '\0' 7; } >long.csv
fit 4 'long.csv' long.csv
rm long.csv
gzip -c good.csv | head -c 60 >cut.csv.gz
fit 4 'cut.csv.gz' cut.csv.gz
echo PAR1 and rubbish PAR1 >damaged.parquet
fit 4 'damaged.parquet' damaged.parquet

# A bad row may be skipped; then it is counted.
run fit als --input type.csv --rank 2 --max-iter 1 --on-bad-row skip --model skipped --runs-dir none
expect_code 0
expect_out '1 bad \(1 type\)'
expect_out 'type.csv, line 26'
rm -r skipped

# Harmless: BOM, CRLF, quotes.
{ printf '\357\273\277'; sed 's/$/\r/' good.csv; } >bom.csv
sed 's/^\([0-9]*\),/"\1",/' good.csv >quoted.csv
run fit als --input good.csv --rank 2 --max-iter 1 --model good --json --runs-dir none
expect_code 0
wanted=$(json 'j["model_digest"]')
for file in bom quoted; do
    run fit als --input $file.csv --rank 2 --max-iter 1 --model good --overwrite --json --runs-dir none
    expect_code 0
    expect_json 'j["model_digest"]' "$wanted"
done
printf 'movieId,title\n1,"One, two\nand ""three"""\n2,Plain\n' >titles.csv
run recommend --model good --user 1 -k 4 --titles titles.csv
expect_code 0
expect_out 'One, two\\x0Aand "three"'

# Outputs, before any work: a pipe that nobody fills would hold a run that reads first.
mkfifo never
said='fit als --input never'
before
timeout 20 "$quern" fit als --input never --model good --runs-dir none >"$out" 2>"$err"
code=$?
expect_code 2
expect_err 'good.*overwrite'
expect_one_error
expect_unchanged
rm never
fit 1 'good.csv' good.csv --model good.csv/model
fit 1 'nowhere' good.csv --model nowhere/model
refused 1 'good.csv' fit als --input good.csv --model m --runs-dir good.csv/runs

# Sizes.
fit 2 '--rank 100000000 is out of range' good.csv --rank 100000000
fit 1 'memory' good.csv --memory 64k
fit 1 'memory|bytes|needs' good.csv --rank 4096 --memory 2m
before
said='fit als with files of at most 512 bytes'
(
    trap '' XFSZ
    ulimit -f 1
    exec "$quern" fit als --input good.csv --rank 4 --max-iter 1 --model m --runs-dir none
) >"$out" 2>"$err"
code=$?
expect_code 1
expect_one_error
expect_unchanged

# Models.
model() { # model MESSAGE: a damaged copy of the good one
    refused 4 "$1" recommend --model bad --user 1
    refused 4 "$1" predict --model bad --input good.csv --output p.csv --runs-dir none
    rm -r bad
}
refused 2 'nomodel' recommend --model nomodel --user 1
cp -r good bad && rm -r bad/userFactors && model userFactors
cp -r good bad && rm bad/metadata/part-00000 && model metadata
cp -r good bad && echo '{' >bad/metadata/part-00000 && model metadata
cp -r good bad && for part in bad/itemFactors/*.parquet; do head -c 100 "$part" >x && mv x "$part"; done && model itemFactors
mkdir bad && model bad
refused 2 'no column "userId".*movieId' evaluate --model good --input titles.csv --runs-dir none
echo passed
