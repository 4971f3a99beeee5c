"""A run of two seconds or more is killed at random moments, again and again on what the last one left.
QN_KILLS says how often (10; from 100 on there are two seconds of writing), QN_SEED which moments."""
import json
import os
import random
import subprocess
import sys

import crash

KILLS = int(os.environ.get("QN_KILLS", "10"))
SEED = int(os.environ.get("QN_SEED", "1"))
SECONDS = 2.0  # that the run, or its writing, must take
MOST_ROWS = 40_000_000


def quern(box, *words):
    return [crash.QUERN, *words, "--runs-dir", os.path.join(box.root, "runs"), "--quiet"]


def must(box, *words):
    done = box.run(quern(box, *words), seconds=600)
    crash.check(done.returncode == 0, " ".join(words), done.stderr)


def generate(box, name, rows, seed):
    """Ratings in Netflix's text; the path."""
    must(box, "datagen", "ratings", "--shape", "netflix", "--ratings", str(rows), "--seed",
         str(seed), "--users", "20000", "--items", "500", "--out", os.path.join(box.root, name),
         "--overwrite")
    folder = os.path.join(box.root, name)
    return next(os.path.join(folder, f) for f in sorted(os.listdir(folder)) if "rating" in f)


def etl(box, train, test):
    return quern(box, "etl", "--train-file", train, "--test-file", test, "--parquet-train-path",
                 box.path("train"), "--parquet-test-path", box.path("test"), "--threads", "1")


def look(box):
    return [crash.snapshot(box.path(name)) for name in ("train", "test")]


def prepare(box, old):
    """A run that takes long enough: the command, its time and what it makes. Both sides get the same
    rows."""
    rows = 3_000_000
    while True:
        text = generate(box, "more", rows, 3)
        command = etl(box, text, text)
        done = box.run(command + ["--json"], seconds=600)
        crash.check(done.returncode == 0, "etl:", done.stderr)
        took = json.loads(done.stdout.splitlines()[-1])
        long = took["write_s"] if KILLS >= 100 else took["total_s"]
        new = look(box)
        crash.check(new[0] != old[0] and new[1] != old[1], "the run changes nothing")
        restore(box)
        if long >= SECONDS or rows >= MOST_ROWS:
            return command, took, new
        rows = int(rows * max(1.3, 1.2 * SECONDS / long))


def restore(box):
    """The old data sets again; files are never changed, so that links to them do."""
    subprocess.run(["rm", "-rf", box.data], check=True)
    subprocess.run(["cp", "-al", os.path.join(box.root, "saved"), box.data], check=True)


def kill_once(box, command, moment, old, new):
    """Which sides are new after it, e.g. (True, False)."""
    with open(os.path.join(box.root, "said"), "w+") as said:
        run = subprocess.Popen(command, cwd=box.root, stdin=subprocess.DEVNULL, stdout=said,
                               stderr=said)
        try:
            run.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            run.kill()
        run.wait()
        said.seek(0)
        text = said.read()
    crash.check(run.returncode in (0, -9), "exit code", run.returncode, text)
    found = look(box)
    for i, name in enumerate(("train", "test")):
        crash.check(found[i] in (old[i], new[i]), name, "is neither the old nor the new data set")
    if run.returncode == 0:
        crash.check(found == new, "a whole run gives something else")
    return tuple(found[i] == new[i] for i in range(2))


def main():
    box = crash.Box(fast=False)
    try:
        must(box, "etl", "--train-file", generate(box, "first", 200_000, 1), "--test-file",
             generate(box, "first-test", 50_000, 2), "--parquet-train-path", box.path("train"),
             "--parquet-test-path", box.path("test"))
        subprocess.run(["cp", "-al", box.data, os.path.join(box.root, "saved")], check=True)
        old = look(box)
        command, took, new = prepare(box, old)
        draw = random.Random(SEED)
        count = {"old": 0, "new": 0, "one of two": 0}
        for number in range(KILLS):
            whole = took["total_s"]  # half of the moments are near the end, where links are put
            moment = draw.uniform(0.01 if number % 2 else whole * 0.85, whole * 1.02)
            sides = kill_once(box, command, moment, old, new)
            count["new" if all(sides) else "one of two" if any(sides) else "old"] += 1
            for name in ("train", "test"):
                if number % 3 == 0 or KILLS >= 100:
                    must(box, "data", "verify", box.path(name))
            if any(sides) and draw.random() < 0.7:  # else it goes on from there
                restore(box)
            if all(sides):
                restore(box)
        done = box.run(command, seconds=600)
        crash.check(done.returncode == 0, "the last run:", done.stderr)
        crash.check(look(box) == new, "the last run gives something else")
        crash.check(not crash.leftovers(box.data), "left over:", crash.leftovers(box.data))
        print("%d kills of a run of %.1f s, %.1f s of them writing; seed %d: %s" % (
            KILLS, took["total_s"], took["write_s"], SEED, count))
    except crash.Failed as failed:
        print("FAILED:", failed)
        sys.exit(1)
    finally:
        box.close()


crash.needs_parquet()
main()
