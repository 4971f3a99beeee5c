#!/bin/sh
# --workers with a real mpirun: the digest of one process, also after a worker was killed.
# shellcheck disable=SC2154,SC2034,SC1091,SC2086
. "$(dirname "$0")/lib.sh"
needs_parquet
if ! command -v mpirun.openmpi >/dev/null || [ ! -e "$(dirname "$quern")/libquern_comm_openmpi.so" ]; then
    echo "skipped: Open MPI is not here"
    exit 77
fi

run datagen ratings --users 2000 --items 500 --ratings 100000 --out data --quiet
expect_code 0
fit="fit als --input data/ratings.csv --rank 64 --max-iter 30 --threads 1"
run $fit --model one --json
expect_code 0
digest=$(json 'j["model_digest"]')
run $fit --model two --json --workers 2
expect_code 0
expect_json 'j["model_digest"]' "$digest"
expect_json 'len(j["workers"])' 2

"$quern" $fit --model three --json --workers 2 >"$out" 2>"$err" </dev/null &
supervisor=$!
sleep 2.5
victim=$(pgrep -f -- '--as-rank=openmpi --run-id=.*three' | tail -n 1)
[ -z "$victim" ] || kill -9 "$victim"
wait "$supervisor"
code=$?
said="$fit --workers 2, a worker killed"
expect_code 0
expect_json 'j["model_digest"]' "$digest"
echo "workers: fine"
