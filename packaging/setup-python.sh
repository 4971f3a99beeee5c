#!/bin/sh
# setup-python.sh NAME: an environment with packaging/python/NAME.txt, made once per content of that file, in
# QN_CACHE_DIR or build/deps. Prints the path of its python as the last line.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$1
list=$here/python/$name.txt
base=${QN_CACHE_DIR:-$here/../build/deps}
mkdir -p "$base"
env=$(cd "$base" && pwd)/python-$name-$(sha256sum "$list" | cut -c1-12)
exec 9>"$env.lock" # tests run side by side, and one of them makes it
flock 9
if [ ! -f "$env/.ready" ]; then
    rm -rf "$env"
    python3 -m venv "$env" >&2
    "$env/bin/python" -m pip install -q --disable-pip-version-check -r "$list" >&2
    touch "$env/.ready"
fi
echo "$env/bin/python"
