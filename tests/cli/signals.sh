#!/bin/sh
# SIGINT and SIGTERM stop at the next cell, leave nothing half written, and say so by the exit code.
# Progress is drawn on a terminal only, colour not under NO_COLOR.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet

run datagen ratings --users 2000 --items 500 --ratings 100000 --out data --quiet
expect_code 0
cat >"$work/stop.py" <<'PY'
import glob, json, os, pty, signal, subprocess, sys, time
quern, runs = sys.argv[1], "stop runs"
command = [quern, "fit", "als", "--input", "data/ratings.csv", "--rank", "200", "--max-iter", "1000",
           "--model", "model", "--runs-dir", runs]
before = sorted(os.listdir("."))
for number, code, status in ((signal.SIGINT, 130, "cancelled"), (signal.SIGTERM, 143, "cancelled")):
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    time.sleep(1.0)
    sent = time.time()
    p.send_signal(number)
    out, err = p.communicate(timeout=60)
    assert p.returncode == code, (p.returncode, code, err)
    assert time.time() - sent < 10, "slow to stop"
    assert err.count("quern: ") == 1 and "stopped" in err, err
    assert "--runs-dir 'stop runs'" in err, err
    after = sorted(set(os.listdir(".")) - {runs})
    assert after == before, (before, after)
    newest = max(glob.glob(runs + "/*/record.json"), key=os.path.getmtime)
    record = json.load(open(newest))
    assert record["status"] == status, record["status"]

# Killed: the next run says so.
p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(1.0)
p.kill()
p.wait()
short = [w if w != "1000" else "1" for w in command]
short[short.index("200")] = "2"
p = subprocess.run(short, capture_output=True, text=True)
assert p.returncode == 0 and "died" in p.stderr, p.stderr
listed = subprocess.run([quern, "runs", "list", "--runs-dir", runs], capture_output=True, text=True).stdout
assert "died" in listed, listed

def on_terminal(environment):
    master, slave = pty.openpty()
    p = subprocess.Popen(short[:-4] + ["--split", "random:0.8", "--runs-dir", "none"], stdout=slave, stderr=slave,
                         env={**os.environ, "TERM": "xterm", **environment})
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    assert p.wait() == 0
    return text
coloured, plain = on_terminal({}), on_terminal({"NO_COLOR": "1"})
assert b"\033[1m" in coloured, "no bold on a terminal"
assert b"\033[1m" not in plain and b"\033[31m" not in plain, "colour in spite of NO_COLOR"
assert b"\r" in coloured.replace(b"\r\n", b"\n"), "no progress on a terminal"
print("passed")
PY
said='fit als, stopped'
python3 "$work/stop.py" "$quern" >"$out" 2>"$err" || fail "see above"
echo passed
