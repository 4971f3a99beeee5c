"""fit als with checkpoints is stopped after calls that change files, lets such calls fail, and is
killed at random moments, resumed runs too. `--resume` always ends in the model of an undisturbed run.
QN_KILLS says how often at random (10), QN_SEED which moments."""
import json
import os
import random
import subprocess
import sys
import time

import crash

KILLS = int(os.environ.get("QN_KILLS", "10"))
SEED = int(os.environ.get("QN_SEED", "1"))
WANTED = 12  # calls of each kind that are stopped or fail, beside the last ones
LAST = 10    # where the model is put in its place and checkpoints go


def fit(box, *more):
    return [crash.QUERN, "fit", "als", *more, "--runs-dir", box.path("runs"), "--quiet"]


def first(box, *more):
    return fit(box, "--input", os.path.join(box.root, "in", "ratings.csv"), "--split", "random:0.8",
               "--rank", "8", "--model", box.path("model"), "--checkpoint-interval", "1", *more)


def generate(box, rows):
    done = box.run([crash.QUERN, "datagen", "ratings", "--ratings", str(rows), "--users", "600",
                    "--items", "300", "--out", os.path.join(box.root, "in"), "--overwrite",
                    "--quiet"])
    crash.check(done.returncode == 0, "datagen:", done.stderr)


def digest(box):
    path = box.path("model", "quern.json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)["model_digest"]


def runs(box):
    folder = box.path("runs")
    return [n for n in os.listdir(folder) if n.startswith("als-")] if os.path.isdir(folder) else []


def status(box, run):
    with open(box.path("runs", run, "record.json")) as file:
        return json.load(file)["status"]


def go_on(box, expected):
    """Resumes the one run that there is, until it is done; how many checkpoints it had saved."""
    found = [run for run in runs(box) if os.path.exists(box.path("runs", run, "record.json"))]
    if not found:
        return None
    crash.check(len(found) == 1, "there are the runs", found)
    folder = box.path("runs", found[0], "checkpoint")
    saved = len(os.listdir(folder)) if os.path.isdir(folder) else 0
    was = status(box, found[0])
    done = box.run(fit(box, "--resume", found[0]))
    if was == "ok":
        crash.check(done.returncode == 2 and "ended well" in done.stderr, "a run that is done",
                    done.returncode, done.stderr)
    else:
        crash.check(done.returncode == 0, "--resume ends with", done.returncode, done.stderr)
        crash.check(not os.path.exists(folder), "checkpoints are left:", folder)
    crash.check(status(box, found[0]) == "ok", "the record says", status(box, found[0]))
    crash.check(digest(box) == expected, "the resumed run gives", digest(box), "not", expected)
    crash.check(not crash.leftovers(box.data), "left over:", crash.leftovers(box.data))
    return saved


def disturb(box, how, k, expected, old):
    box.restore()
    done = box.run(first(box, "--max-iter", "5"), at=k, how=how, log=True)
    calls = box.calls()
    said = " ".join(str(s) for s in calls[k - 1]) if len(calls) >= k else "nothing"
    try:
        crash.check(digest(box) in (old, expected), "the model is neither the old nor the new one")
        if how == "kill":
            crash.check(done.returncode in (-9, 0), "a killed run ends with", done.returncode)
        elif done.returncode != 0:
            crash.check(done.returncode == 1 and done.stderr.strip(), "exit code", done.returncode)
        else:
            crash.check(digest(box) == expected, "exit code 0 with another model")
        go_on(box, expected)
    except crash.Failed as failed:
        raise crash.Failed("%s at call %d (%s): %s\n%s" % (how, k, said, failed,
                                                           done.stderr)) from None


def check_order(calls):
    """Parts are on disk before the manifest, the manifest before the name of the folder."""
    dirty = set()
    renamed = 0
    for name, one, two, error in calls:
        if "/checkpoint/" not in one:
            continue
        if name in ("open", "write"):
            dirty.add(one)
        elif name == "fsync":
            dirty.discard(one)
        elif name == "rename" and one.endswith(".new"):
            renamed += 1
            crash.check(not [d for d in dirty if d.startswith(one)], one, "is renamed before",
                        dirty, "are synced")
    crash.check(renamed >= 5, "checkpoints were written", renamed, "times")


def stopped_at_calls():
    box = crash.Box()
    try:
        generate(box, 6000)
        box.save()
        done = box.run(first(box, "--max-iter", "5"), log=True)
        crash.check(done.returncode == 0, "fit als:", done.stderr)
        expected, calls = digest(box), box.calls()
        check_order(calls)
        count = 0
        for how in ("kill", "ENOSPC", "EIO"):
            n = len(calls)
            chosen = set(crash.sample(n, WANTED))
            if how == "kill":
                chosen |= set(range(max(1, n - LAST), n + 1))
                chosen |= {i for i, c in enumerate(calls, 1) if c[1].endswith("3.new")}
            for k in sorted(chosen):
                disturb(box, how, k, expected, None)
                count += 1
        print("%d calls, %d stopped or failed, all resumed to the same model" % (len(calls), count),
              flush=True)
    finally:
        box.close()


def kill_after(box, command, seconds):
    run = subprocess.Popen(command, cwd=box.root, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        run.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.kill()
    said = run.communicate()[1]
    crash.check(run.returncode in (0, -9), "exit code", run.returncode, said)


def killed_at_random():
    box = crash.Box(fast=False)
    draw = random.Random(SEED)
    try:
        generate(box, 60000)
        box.save()
        begin = time.monotonic()
        done = box.run(first(box, "--max-iter", "40"))
        took = time.monotonic() - begin
        crash.check(done.returncode == 0, "fit als:", done.stderr)
        expected = digest(box)
        kills = 0
        while kills < KILLS:
            box.restore()
            kill_after(box, first(box, "--max-iter", "40"), draw.uniform(0.05, took))
            kills += 1
            while draw.random() < 0.5 and runs(box) and status(box, runs(box)[0]) != "ok":
                kill_after(box, fit(box, "--resume", "last"), draw.uniform(0.05, took))
                kills += 1
            go_on(box, expected)
        print("%d kills of a run of %.1f s, all resumed to the same model; seed %d" % (
            kills, took, SEED))
    finally:
        box.close()


crash.needs_parquet()
try:
    stopped_at_calls()
    killed_at_random()
except crash.Failed as failure:
    print("FAILED:", failure)
    sys.exit(1)
