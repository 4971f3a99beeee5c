#!/bin/sh
# The main job through the commands that a user types.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet

run datagen ratings --users 400 --items 120 --ratings 12000 --seed 5 --out data
expect_code 0
expect_out '^wrote +12,000 ratings of 400 users and 120 items'
expect_no_err
[ "$(wc -l <data/ratings.csv)" = 12001 ] || fail "12,000 rows and a header"
refused 2 'is there already' datagen ratings --users 400 --items 120 --ratings 12000 --out data
run datagen ratings --users 400 --items 120 --ratings 12000 --seed 5 --out data --overwrite --json
expect_code 0
expect_json 'j["ratings"]' 12000

run inspect data/ratings.csv
expect_code 0
expect_out '^ +userId +'
expect_out '^users +400, '
expect_out '^items +120, '
run inspect data/ratings.csv --json
expect_code 0
run inspect
expect_code 2
expect_err 'missing: --input'

run split --input data/ratings.csv --train train.csv --test test.csv --split random:0.8
expect_code 0
expect_out '^train +[0-9,]+ ratings'
[ $(($(wc -l <train.csv) + $(wc -l <test.csv))) = 12002 ] || fail "every row in one half"

run fit als --input train.csv --test test.csv --rank 8 --max-iter 5 --model model
expect_code 0
expect_out '^read +'
expect_out 'to train on, of 400 users'
expect_out '^model +rank 8, reg 0.1: 5 iterations in .*, training RMSE [0-9.]+ to [0-9.]+$'
expect_out '^ +model +0\.[0-9]{4}'
expect_out '^ +global mean +[01]\.[0-9]{4}'
expect_out '^ +popularity +0\.[0-9]{4}'
expect_out 'test rows scored'
expect_out '^saved +model$'
expect_out '^digest +[0-9a-f]{32}$'
expect_out '^record +runs/als-[0-9]{8}-[0-9]{6}-[0-9a-f]+/record.json$'
expect_out '^next +quern recommend --model model'
expect_no_err
digest=$(sed -n 's/^digest *//p' "$out")
next=$(sed -n 's/^next *quern //p' "$out")
# shellcheck disable=SC2086
run $next
expect_code 0
[ -s recommendations.csv ] || fail "the next command to try does nothing"

run fit als --input train.csv --test test.csv --rank 8 --max-iter 5 --model model --overwrite --json --threads 2
expect_code 0
[ "$(wc -l <"$out")" = 1 ] || fail "one line of JSON"
expect_json 'j["model_digest"]' "$digest"
expect_json 'j["command"]' 'fit als'
expect_json 'j["parameters"]["rank"]' 8
expect_json 'all(k in j for k in "run_id command parameters data counts timings metrics resources kernel_set model_digest".split())' True
expect_json 'all(j["timings"][k] >= 0 for k in "load_s fit_s evaluate_s save_s total_s".split())' True
expect_json 'all(j["metrics"][k] > 0 for k in "rmse mae precision_at_k recall_at_k ndcg_at_k".split())' True
expect_json '"coverage" in j["metrics"]' True
expect_json 'all(j["resources"][k] > 0 for k in "threads peak_bytes vm_hwm_bytes".split())' True
expect_json 'j["reference"]["num_nodes"]' 1
run fit als --input train.csv --rank 2 --max-iter 1 --quiet --model quiet
expect_code 0
expect_no_out
expect_no_err

run inspect model
expect_code 0
expect_out "^digest +$digest"
run inspect model --json
expect_code 0

run predict --model model --input test.csv --output predictions.csv
expect_code 0
head -1 predictions.csv | grep -q '^userId,movieId,rating,timestamp,prediction$' || fail "columns of the input plus prediction"
[ "$(wc -l <predictions.csv)" = "$(wc -l <test.csv)" ] || fail "a row for each"
run predict --model model --input test.csv --output - --json
expect_code 0
expect_json '"prediction" in j' True
refused 2 'predictions.csv' predict --model model --input test.csv --output predictions.csv

run evaluate --model model --input test.csv --seen train.csv
expect_code 0
expect_out 'protocol honest'
run evaluate --model model --input test.csv --protocol reference -k 5 --json
expect_code 0
expect_json 'j["metrics"]["k"] if "k" in j["metrics"] else j["reference"]["k"]' 5
expect_json 'j["reference"]["rating_threshold"]' 4.0

run recommend --model model --user 1 2 -k 3 --exclude-seen train.csv --titles data/movies.csv
expect_code 0
[ "$(grep -c '^user ' "$out")" = 2 ] || fail "a table for each user"
[ "$(grep -cE '^ +[123] ' "$out")" = 6 ] || fail "three rows each"
run recommend --model model --user 1 -k 3 --json
expect_code 0
[ "$(wc -l <"$out")" = 3 ] || fail "a JSON line for each row"
expect_json '(j["user"], j["rank"])' '(1, 3)'
run recommend --model model --all-items -k 2 --output items.csv
expect_code 0
expect_out '^wrote +240 lines for 120 rows'
run recommend --model model --user 1 999999 -k 1
expect_code 0
expect_err 'unknown'
refused 2 '999999' recommend --model model --user 999999
refused 2 '.' recommend --model model
# A reader that goes away ends it quietly.
{ "$quern" recommend --model model --all-users -k 50 2>"$err"; echo $? >"$work/pipe_code"; } | head -1 >/dev/null
expect_no_err

printf 'userId,movieId,rating\n1,1,5\n1,2,4\n1,3,1\n' >mine.csv
run recommend --model model --new-user mine.csv -k 3
expect_code 0
run similar --model model --item 1 -k 4 --titles data/movies.csv
expect_code 0
[ "$(grep -cE '^ +[1234] ' "$out")" = 4 ] || fail "four rows"
run similar --model model --item 1 -k 1 --json
expect_json 'sorted(j)[:3]' "['item', 'rank', 'score']"
run explain --model model --user 1 --item 2 --ratings train.csv
expect_code 0
expect_out '^user 1, item 2.*: predicted '
run explain --model model --user 1 --item 2 --ratings train.csv --json
expect_json 'abs(j["prediction"] - j["explained"]) < 1e-2' True

run tune als --input data/ratings.csv --grid rank=2,4 --grid reg-param=.1,.5 --split random:0.8 --max-iter 2 --model best
expect_code 0
expect_out '^best +rank='
[ "$(grep -cE '^ +(\*)? +rank=' "$out")" = 4 ] || fail "four points"
run tune als --input data/ratings.csv --grid rank=2,3 --folds 2 --max-iter 1 --json
expect_code 0
expect_json 'len(j["grid"])' 2

run runs list
expect_code 0
expect_out '^als-.* fit als +ok '
run runs list --json
expect_json 'j["runs"][0]["status"]' ok
run runs show
expect_code 0
expect_out '^run_id +'
run runs show --json
expect_json 'j["command"]' 'tune als'
refused 2 'nosuch' runs show nosuch
echo passed
