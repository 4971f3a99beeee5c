#!/bin/sh
# shellcheck disable=SC2154,SC2034,SC1091
# --resume: what a run that was stopped needs to go on, and what is refused.
. "$(dirname "$0")/lib.sh"

needs_parquet

run datagen ratings --out data --ratings 60000 --users 900 --items 400
expect_code 0

digest() { sed -n 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/p' "$1/quern.json"; }
fit() { run fit als --input data/ratings.csv --split random:0.8 --rank 24 --max-iter 60 "$@"; }
fit --model whole --quiet
expect_code 0
whole=$(digest whole)

# Stopped in the middle: exit 143, and the command to go on with, which works as it stands.
struck TERM runs fit als --input data/ratings.csv --split random:0.8 --rank 24 --max-iter 60 --model model
expect_code 143
expect_err 'go on with: quern fit als --resume als-[-0-9a-f]*$'
id=$(sed -n 's/.*--resume //p' "$err")
[ ! -e model ] || fail "a run that was stopped has left a model"

refused 2 'rank was 24, now it is 12: a run that is resumed keeps its options' fit als --resume "$id" --rank 12
refused 2 'max-iter was 60, now it is 59: it may only grow' fit als --resume "$id" --max-iter 59
refused 2 'split was random:0.8, now it is random:0.5' fit als --resume "$id" --split random:0.5
refused 2 'kernels was .*, now it is reference' fit als --resume "$id" --kernels reference
refused 2 'of another command' fit kmeans --resume "$id"
refused 2 'no run "nonsense"' fit als --resume nonsense
refused 2 'no folder of a run' fit als --resume ./data
refused 2 'neither auto nor a number' fit als --input data/ratings.csv --checkpoint-interval often

# Other training data under the same name.
mv data/ratings.csv kept.csv
sed '2,51d' kept.csv >data/ratings.csv
run fit als --resume "$id" --quiet
expect_code 2
expect_err 'is of other training data \(fingerprint'
mv kept.csv data/ratings.csv

# The newest is damaged: the one before serves.
newest=$(find "runs/$id/checkpoint" -name rows-00000 | sort | tail -1)
printf 'x' | dd of="$newest" bs=1 seek=5000 conv=notrunc 2>/dev/null
run fit als --resume "runs/$id" --threads 1 --partitions 3
expect_code 0
expect_err 'warning: .*rows-00000 is damaged: the checksum .*, is used'
[ "$(digest model)" = "$whole" ] || fail "the resumed run gives $(digest model), not $whole"
[ ! -e "runs/$id/checkpoint" ] || fail "checkpoints are left"
grep -q '"attempts":\[{"started"' "runs/$id/record.json" || fail "the record has no attempts"
refused 2 'has ended well' fit als --resume "$id"

# A folder of one's own, and one that cannot be.
fit --model other --checkpoint-dir ck --checkpoint-interval 20 --quiet
expect_code 0
[ "$(digest other)" = "$whole" ] || fail "checkpoints change the model"
[ -z "$(ls ck)" ] || fail "checkpoints are left in ck"
refused 1 'cannot make folder data/ratings.csv' fit als --input data/ratings.csv --checkpoint-dir data/ratings.csv
echo passed
