#!/bin/sh
# fit, predict, evaluate and inspect on tables, through the commands that a user types.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet

# Two clouds around (0, 0) and (10, 10); the label says which.
python3 - >rows.csv <<'PY'
print("x,y,kind")
for i in range(300):
    far = i % 3 == 0
    print(f"{10 * far + i % 7 / 10},{10 * far + i % 5 / 10},{int(far)}")
PY

run fit kmeans --input rows.csv --label kind --k 2 --seed 1 --partitions 4 --tag night --model model
expect_code 0
expect_no_err
expect_out '^read +300 rows, 0 bad; '
expect_out '^data +300 rows of 2 features, .* as float, in 1 partition$'
expect_out '^labels +0: 200 \(66.67 %\), 1: 100 \(33.33 %\)$'
expect_out '^model +kmeans, k 2, seed 1: fitted in '
expect_out '^cluster +rows +share$'
expect_out '^      0 +[12]00 +(33.33|66.67) %$'
expect_out '^saved +model$'
expect_out '^digest +[0-9a-f]{32}$'
expect_out '^record +runs/kmeans-[0-9]{8}-[0-9]{6}-[0-9a-f]+/record.json$'
expect_out '^time +load .*, fit .*, save .*, total '
expect_out '^next +quern predict --model model --input rows.csv --output predictions.csv$'
digest=$(sed -n 's/^digest *//p' "$out")
next=$(sed -n 's/^next *quern //p' "$out")
# shellcheck disable=SC2086
run $next
expect_code 0
[ "$(head -n 1 predictions.csv)" = x,y,kind,prediction ] || fail "the columns of the input, then the prediction"
[ "$(wc -l <predictions.csv)" = 301 ] || fail "a line for each row"
[ "$(cut -d, -f3,4 predictions.csv | sed 1d | sort -u | wc -l)" = 2 ] || fail "a cluster is a cloud"

# The same model from other threads and the other format; the record of --json.
run predict --model model --input rows.csv --output rows.parquet
expect_code 0
run fit kmeans --input rows.parquet --features x y --k 2 --seed 1 --threads 1 --tag night --model model2 --json
expect_code 0
[ "$(wc -l <"$out")" = 1 ] || fail "one line of JSON"
expect_json 'j["model_digest"]' "$digest"
expect_json 'j["command"]' 'fit kmeans'
expect_json 'j["parameters"]["tag"]' night
expect_json '[j["counts"][n] for n in ("rows", "rows_bad", "rows_missing", "train_records", "features", "partitions")]' '[300, 0, 0, 300, 2, 1]'
expect_json 'sorted(j["counts"]["cluster_sizes"])' '[100, 200]'
expect_json 'j["data"]["features"]' "['x', 'y']"
expect_json 'all(j["timings"][k] >= 0 for k in "load_s fit_s save_s total_s".split())' True
expect_json 'j["fit"]["partition_rows"]' '[300]'
expect_json 'j["metrics"]["cost"] > 0' True

# A bound in the middle of the rows: features from expressions, rows that lack one.
printf 'a,b\n1,2\n2,4\n0,1\n3,6\n,3\n20,1\n21,1\n22,1\n' >gaps.csv
refused 4 'gaps.csv, line 4' fit kmeans --input gaps.csv --feature 'r=b/a' --k 2 --model m --runs-dir none
run fit kmeans --input gaps.csv --feature 'r=b/a' --features a --on-missing skip --k 2 --seed 3 --model ratio --runs-dir none
expect_code 0
expect_out '^read +8 rows, 0 bad, 2 left out for a missing value'
printf 'b,a,c\n2,1,p\n1,0,q\nten,2,r\n1,21,s\n5\n4,2,t\n' >raw.csv
run predict --model ratio --input raw.csv --output out.csv
expect_code 0
expect_out '^wrote +5 rows to out.csv .*, 2 without a prediction$'
expect_out '^read +5 rows, 1 bad$'
[ "$(cut -d, -f1-3 out.csv)" = "$(printf 'b,a,c\n2,1,p\n1,0,q\nten,2,r\n1,21,s\n4,2,t')" ] || fail "rows changed"
[ "$(sed -n '3,4p' out.csv | cut -d, -f4 | tr -d '\n')" = '' ] || fail "an empty prediction where a feature is missing"
refused 4 'raw.csv' predict --model ratio --input raw.csv --output o.csv --on-missing fail --runs-dir none
refused 4 'raw.csv, line 4' predict --model ratio --input raw.csv --output o.csv --on-bad-row fail --runs-dir none
printf 'b,aa\n1,2\n' >other.csv
refused 2 'aa' predict --model ratio --input other.csv --output o.csv --runs-dir none
refused 2 'out.csv' predict --model ratio --input raw.csv --output out.csv --runs-dir none
run predict --model ratio --input raw.csv --output - --json
expect_code 0
expect_json 'sorted(j)' "['a', 'b', 'c', 'prediction']"

run evaluate --model model --input rows.csv
expect_code 0
expect_out '^silhouette +0\.9'
expect_out '^data +300 rows of 2 features$'
run evaluate --model model --input rows.csv --json
expect_code 0
expect_json 'sorted(j["cluster_sizes"])' '[100, 200]'
expect_json 'j["silhouette"] > 0.99' True
expect_json 'j["model_digest"]' "$digest"

run inspect model
expect_code 0
expect_out '^model +kmeans of 2 features'
expect_out '^features +x, y$'
expect_out "^digest +$digest"
run inspect ratio
expect_out '^features +a, r = b/a$'
run inspect model --json
expect_code 0
expect_json 'j["parameters"]["k"]' 2
expect_json 'j["model_digest"]' "$digest"
expect_json 'len(j["centres"])' 2
expect_json 'j["quern"]["formatVersion"]' 1

run inspect rows.csv --label kind
expect_code 0
expect_out '^ +x +double +10.0 +300 +0 +0 +10.6 +3\.63233 +4\.72474$'
expect_out '^ +0 +200 +66.67 %$'
run inspect rows.csv --label kind --json
expect_json 'j["columns"][2]["mean"]' 0.3333333333333333
expect_json '[l["count"] for l in j["labels"]]' '[200, 100]'
run inspect rows.csv --schema-only
expect_code 0
if grep -q deviation "$out"; then fail "statistics without being asked"; fi
refused 2 'knid.*kind' inspect rows.csv --label knid

# What does not fit is said before anything is read or written.
refused 2 'model' fit kmeans --input rows.csv --k 2 --model model --runs-dir none
refused 2 'kidn.*kind' fit kmeans --input rows.csv --feature 'r=kidn/y' --k 2 --model m --runs-dir none
refused 2 '--label' fit kmeans --input rows.csv --label knid --k 2 --model m --runs-dir none
refused 2 '--k' fit kmeans --input rows.csv -k 1 --model m --runs-dir none
refused 2 'user-col means nothing for a model of kmeans' predict --model model --input rows.csv --output o.csv --user-col x --runs-dir none
refused 2 'model of kmeans, which has no form to be exported in; models of these have: forest, tree' export --model model
refused 2 'protocol means nothing for a model of kmeans' evaluate --model model --input rows.csv --protocol spark --runs-dir none
printf 'userId,movieId,rating\n1,1,5\n1,2,4\n2,1,3\n2,2,1\n' >ratings.csv
run fit als --input ratings.csv --rank 2 --max-iter 1 --model als --quiet
expect_code 0
refused 2 'label means nothing for a model of als' predict --model als --input ratings.csv --output o.csv --label x --runs-dir none
refused 2 'on-missing means nothing for a model of als' evaluate --model als --input ratings.csv --on-missing fail --runs-dir none
refused 4 'KMeansModel, not a ALSModel' recommend --model model --user 1

# Fewer distinct rows than clusters: a warning, or exit 4 and nothing saved.
printf 'a,b\n1,1\n1,1\n2,2\n2,2\n' >few.csv
run fit kmeans --input few.csv --k 4 --model few --runs-dir none
expect_code 0
expect_err '^warning: '
refused 4 'strict' fit kmeans --input few.csv --k 4 --model few2 --strict --runs-dir none

# Spark's sample: two clusters, known centres and silhouette.
sample=${QN_SHARED:-nowhere}/data/spark/sample_kmeans_data.txt
if [ ! -r "$sample" ]; then
    echo "passed; Spark's sample was left out: ../shared is not here"
    exit 0
fi
run fit kmeans --input "$sample" --format libsvm --k 2 --seed 1 --model sample --test "$sample" --precision double --json
expect_code 0
expect_json 'round(j["fit"]["evaluation"]["silhouette"], 13)' 0.9997530305375
expect_json 'round(j["metrics"]["cost"], 9)' 0.12
run inspect sample --json
expect_json 'sorted([round(x, 9) for x in c] for c in j["centres"])' '[[0.1, 0.1, 0.1], [9.1, 9.1, 9.1]]'
run predict --model sample --input "$sample" --format libsvm --output sample.jsonl
expect_code 0
[ "$(wc -l <sample.jsonl)" = 6 ] || fail "a line for each row"
run predict --model sample --input "$sample" --format libsvm --output sample.csv
expect_code 0
expect_err 'warning: lists are left out'
[ "$(sed -n '1p;2p' sample.csv | wc -l)" = 2 ] || fail "labels and predictions"
echo passed
