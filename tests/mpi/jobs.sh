#!/bin/sh
# jobs.sh FLAVOUR: the jobs of ALS from ratings to a judged and saved model, and what is done with it, on several
# workers: the files, the figures and the lines of the plain run, and one error where a worker fails.
# shellcheck source=tests/mpi/lib.sh
. "$(dirname "$0")/lib.sh"

workers() { # workers N COMMAND...
    n=$1
    shift
    ranks "$n" "$QN_QUERN" "$@" --as-rank "$flavour"
}
# What does not change with the workers: the sections of figures, and the digest.
figures() {
    sed 's/.*"metrics":\({.*}\),"facts".*"model_digest":\("[0-9a-f]*"\).*/\1 \2/'
}
same() { # same WHAT FILE FILE
    cmp -s "$2" "$3" || { diff "$2" "$3" | cut -c1-2000 | head -5; fail "$1 is not that of one worker"; }
}

"$QN_QUERN" datagen ratings --users 3000 --items 500 --ratings 60000 --seed 3 --format csv --out ratings --quiet
head -20001 ratings/ratings.csv >test.csv
fit="fit als --input ratings/ratings.csv --rank 6 --max-iter 3 --seed 5 --runs-dir none --json --quiet"

# shellcheck disable=SC2086
{
    "$QN_QUERN" $fit --split random:0.8 --model plain | figures >split.json
    "$QN_QUERN" $fit --test test.csv | figures >test.json
}
grep -q '"ndcg_at_k":0\.' split.json || fail "no figures: $(cat split.json)"
"$QN_QUERN" evaluate --model plain --input test.csv --seen ratings/ratings.csv --runs-dir none --json --quiet |
    figures >evaluate.json
"$QN_QUERN" recommend --model plain --all-users -k 5 --exclude-seen ratings/ratings.csv --output lists.csv --quiet
"$QN_QUERN" predict --model plain --input test.csv --output predicted.csv --quiet
"$QN_QUERN" similar --model plain --item 7 -k 5 --json >similar.json

for n in $(counts 2 3 5); do
    # shellcheck disable=SC2086
    {
        workers "$n" $fit --split random:0.8 --model model --overwrite --threads 1 | figures >got.json
        same "the judged split of $n workers" split.json got.json
        workers "$n" $fit --test test.csv --threads 1 | figures >got.json
        same "the judged test file of $n workers" test.json got.json
    }
    for part in userFactors itemFactors; do
        for file in plain/$part/*.parquet; do
            same "$part of $n workers" "$file" "model/$part/$(basename "$file")"
        done
    done
    workers "$n" evaluate --model model --input test.csv --seen ratings/ratings.csv --runs-dir none --json --quiet |
        figures >got.json
    same "evaluate of $n workers" evaluate.json got.json
    workers "$n" recommend --model model --all-users -k 5 --exclude-seen ratings/ratings.csv --output got.csv \
        --overwrite --quiet
    same "the lists of $n workers" lists.csv got.csv
    workers "$n" predict --model model --input test.csv --output got.csv --overwrite --quiet
    same "the predictions of $n workers" predicted.csv got.csv
    workers "$n" similar --model model --item 7 -k 5 --json >got.json
    same "the neighbours of $n workers" similar.json got.json
    echo "$n workers: the jobs of one"
done

# A failure of one worker is told once, and ends all in seconds.
echo "1,2,much" >>ratings/ratings.csv
n=$(counts 2 3 | tail -1)
# shellcheck disable=SC2086
if workers "$n" $fit 2>error.txt >/dev/null; then fail "a bad row did not end the job"; fi
[ "$(grep -c 'line 60002' error.txt)" = 1 ] || fail "a bad row is told as: $(cat error.txt)"
# shellcheck disable=SC2086
if workers "$n" $fit --on-bad-row skip --model none/model 2>error.txt >/dev/null; then fail "a folder that is not there was written"; fi
[ "$(grep -c 'none/model' error.txt)" -ge 1 ] || fail "a missing folder is told as: $(cat error.txt)"
