# What the scripts of label memory share. Read with the build folder as $1.
#   $quern    the program
#   $scratch  a folder of the test in the build folder; what the program said may lie there as `said`
# shellcheck shell=sh disable=SC2034
set -u
# shellcheck source=tests/support/skip.sh
. "$(dirname "$0")/../support/skip.sh"
# shellcheck source=tests/memory/cgroup.sh
. "$(dirname "$0")/cgroup.sh"
name=$(basename "$0" .sh)
quern=$1/quern
scratch=$(mktemp -d "$1/memory-$name-XXXXXX") || exit 1
trap 'cgroup_close; rm -rf "$scratch"' EXIT

fail() {
    echo "$name.sh: $1"
    sed 's/^/  /' "$scratch/said" 2>/dev/null
    exit 1
}

needs_python() {
    command -v python3 >/dev/null || skip "python3 is not there to read results"
}

# value PATH FILE: a member of the result, as data.fingerprint
value() {
    python3 -c 'import json,sys
found = json.load(open(sys.argv[2]))
for name in sys.argv[1].split("."):
    found = found[name]
print(found)' "$1" "$2"
}
