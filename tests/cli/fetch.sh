#!/bin/sh
# Fetching, from a folder that stands for the server.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"

python3 - "$work" <<'PY'
import hashlib, os, sys, zipfile
server = sys.argv[1] + "/server"
os.mkdir(server)
for name in ("ml-latest-small", "ml-1m", "ml-100k", "ml-10m"):
    with zipfile.ZipFile(f"{server}/{name}.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(f"{name}/ratings.csv", "userId,movieId,rating\n" + "".join(f"{u},{u % 7},3.5\n" for u in range(50000)))
        z.writestr(f"{name}/README.txt", "what is allowed")
        if name == "ml-100k":
            z.writestr("../escape.txt", "out")
    digest = hashlib.md5(open(f"{server}/{name}.zip", "rb").read()).hexdigest()
    if name == "ml-1m":
        digest = "0" * 32
    if name != "ml-10m":
        open(f"{server}/{name}.zip.md5", "w").write(f"{digest}  {name}.zip\n")
PY
refused 2 'try: quern fetch ml-latest-small' fetch ml-latest-smal
refused 2 'data/ml-32m is not there, and --url does not say' fetch ml-32m
command -v python3 >/dev/null
run doctor
if grep -q '^missing.*libcurl' "$out"; then
    refused 1 'apt-get install libcurl4' fetch ml-1m --url "file://$work/server"
    skip "libcurl is not on this machine"
fi
url=file://$work/server
run fetch ml-latest-small --url "$url"
expect_code 0
expect_out '^data +data/ml-latest-small$'
[ "$(wc -l <data/ml-latest-small/ratings.csv)" = 50001 ] || fail "the ratings"
[ "$(ls data)" = ml-latest-small ] || fail "only the data set's folder stays"
run fetch ml-latest-small --url "$url"
expect_code 0
expect_out 'is there already'

# Cut off, then taken up.
mkdir again
head -c 1000 "$work/server/ml-latest-small.zip" >again/ml-latest-small.zip.part
run fetch ml-latest-small --url "$url" --out again --keep-archive --json
expect_code 0
expect_json 'j["files"]' 2
cmp -s again/ml-latest-small.zip "$work/server/ml-latest-small.zip" || fail "the archive as it was"
run fetch again/ml-latest-small.zip --out local
expect_code 0
cmp -s local/ml-latest-small/ratings.csv data/ml-latest-small/ratings.csv || fail "a local archive"

mkdir bad
refused 4 'MD5 .*not the published' fetch ml-1m --url "$url" --out bad
run fetch ml-10m --url "$url" --out bad
expect_code 0
expect_err 'no checksum is published'
run fetch ml-100k --url "$url" --out bad
expect_code 4
expect_err 'leads out of its folder'
[ ! -e bad/ml-100k ] && [ ! -e escape.txt ] && [ ! -e bad/escape.txt ] || fail "something was written"
refused 2 'ml-20m.zip is not there' fetch ml-20m --url "$url" --out bad
run fetch ml-20m --url http://127.0.0.1:9/ --out bad
expect_code 1
expect_err 'cannot fetch http://127.0.0.1:9/ml-20m.zip'
expect_err 'quern datagen ratings'
expect_one_error
echo passed
