#!/bin/sh
# shellcheck disable=SC2154,SC2034,SC1091
# Tables, help, man pages, completion and docs/params.md say the same.
. "$(dirname "$0")/lib.sh"

run params --markdown
expect_code 0
cmp -s "$out" "$source_dir/docs/params.md" ||
    fail "docs/params.md differs: quern params --markdown >docs/params.md"

run params --json
expect_code 0
cp "$out" "$work/params.json"
cat >"$work/check.py" <<'PY'
import json, re, subprocess, sys
quern, params = sys.argv[1], json.load(open(sys.argv[2]))
tables = {t["name"]: t for t in params["tables"]}
def run(*words):
    return subprocess.run([quern, *words], capture_output=True, text=True, check=True).stdout
completion = run("completion", "bash")
for command in params["commands"]:
    words = command["name"].split()
    help_text = " ".join(run(*words, "--help").split())
    man = run("man", *words).replace("\\-", "-").replace("\\e", "\\")
    seen = {}
    for name in command["tables"]:
        before = set(seen.values())  # an option that an earlier table has takes the place of this one
        for p in tables[name]["params"]:
            if p["name"] in before:
                continue
            option = p["cli"] if len(p["name"]) > 1 else "-" + p["name"]
            for key in [p["name"]] + p["aliases"]:
                key = key.replace("-", "").replace("_", "").lower()
                if p["hidden"] and key in seen:
                    continue  # what some commands ignore is an option of this one
                assert key not in seen, f"{command['name']}: {key} is both {seen[key]} and {p['name']}"
                seen[key] = p["name"]
            if p["hidden"]:
                continue
            where = (command["name"], option)
            assert re.search(rf"(^| ){re.escape(option)}( |$)", help_text), where
            assert " ".join(p["help"].split()) in help_text, where
            assert not p["help"].endswith("."), (where, "full stop")
            assert f"\n.B {option}" in man and p["help"] in man, (where, "man")
            assert option in completion, (where, "completion")
print("agree")
PY
python3 "$work/check.py" "$quern" "$work/params.json" >"$out" 2>"$err" || fail "tables, help, man and completion differ"

run completion bash
expect_code 0
bash -n "$out" || fail "bash cannot read the completion"
cat >"$work/complete.sh" <<'SH'
. "$1"
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quern; echo "${COMPREPLY[*]}"; }
complete_words quern doc
complete_words quern doctor --ker
complete_words quern doctor --kernels av
SH
bash "$work/complete.sh" "$out" >"$work/completed"
cat >"$work/wanted" <<'EOT'
doctor
--kernels
avx2 avx512
EOT
cmp -s "$work/completed" "$work/wanted" || fail "completion says $(cat "$work/completed")"
for shell in zsh fish; do
    run completion $shell
    expect_code 0
    expect_out quern
done
refused 2 'bash, zsh or fish' completion tcsh
run man
expect_code 0
expect_out '^\.TH QUERN 1'
if command -v man >/dev/null && command -v groff >/dev/null; then
    run man doctor
    man --warnings -l "$out" >/dev/null 2>"$err" || fail "man cannot read the page"
    [ ! -s "$err" ] || fail "man warns"
fi
echo passed
