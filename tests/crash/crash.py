"""What the crash tests share: boxes of files, runs under the shim, and what must hold after each.

A program runs with shim.so before it, which kills it right after its k-th call that changes files, or
lets that call fail. Whatever k is, each data set is the old or the new one, whole; the next run
succeeds, leaves nothing lying about and gives what an undisturbed run gives.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SHIM = os.environ["QN_SHIM"]
QUERN = os.environ["QN_QUERN"]
STEPS = os.environ["QN_STEPS"]
ALL = os.environ.get("QN_CRASH_ALL") == "1"  # every call of every command, not a sample


class Failed(Exception):
    pass


def check(is_so, *said):
    if not is_so:
        raise Failed(" ".join(str(s) for s in said))


def fast_folder():
    """In memory where there is one: thousands of runs need no real disk."""
    shm = "/dev/shm"
    if "TMPDIR" in os.environ or not os.access(shm, os.W_OK):
        return None
    free = os.statvfs(shm)
    return shm if free.f_bavail * free.f_frsize > 256 << 20 else None


class Box:
    """A folder `data` that is counted, and room beside it."""

    def __init__(self, fast=True):
        folder = fast_folder() if fast else None
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="qn-crash-", dir=folder))
        self.data = os.path.join(self.root, "data")
        self.log = os.path.join(self.root, "log")
        self.runs = 0
        os.mkdir(self.data)

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.data, *names)

    def save(self):
        self.saved = os.path.join(self.root, "saved")
        subprocess.run(["rm", "-rf", self.saved], check=True)
        subprocess.run(["cp", "-a", self.data, self.saved], check=True)

    def restore(self):
        subprocess.run(["rm", "-rf", self.data], check=True)
        subprocess.run(["cp", "-a", self.saved, self.data], check=True)
        if os.path.exists(self.log):
            os.remove(self.log)

    def run(self, argv, at=0, how="", log=False, seconds=120):
        self.runs += 1
        env = dict(os.environ)
        if at or log:
            env.update(LD_PRELOAD=SHIM, QN_CRASH_DIR=self.data)
        if at:
            env.update(QN_CRASH_AT=str(at), QN_CRASH_HOW=how)
        if log:
            env.update(QN_CRASH_LOG=self.log)
        return subprocess.run(argv, cwd=self.root, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=seconds)

    def calls(self):
        """The log: [(name, path, other path, errno)]."""
        if not os.path.exists(self.log):
            return []
        with open(self.log) as log:
            lines = [line.rstrip("\n").split("\t") for line in log]
        return [(name, one, two, int(error)) for _, name, one, two, error in lines]


def sha(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def snapshot(path):
    """What a reader finds: None, or the kind and every file with its content."""
    if not os.path.lexists(path):
        return None
    folder = os.path.realpath(path)
    check(os.path.isdir(folder), path, "leads to", folder, "which is no folder")
    manifest = os.path.join(folder, "_quern.json")
    if not os.path.exists(manifest):
        names = [os.path.join(top, name) for top, _, files in os.walk(folder) for name in files]
        return ("plain", tuple(sorted((os.path.relpath(n, folder), sha(n)) for n in names)))
    with open(manifest) as file:
        said = json.load(file)
    rows = []
    for one in said["files"]:
        name = os.path.join(folder, one["path"])
        check(os.path.exists(name), name, "is in the manifest and not there")
        check(os.path.getsize(name) == one["bytes"], name, "has not the bytes of the manifest")
        rows.append((one["path"], sha(name), one["rows"]))
    check(said["rows"] == sum(r[2] for r in rows), manifest, "has a wrong sum of rows")
    there = sorted(os.path.relpath(os.path.join(top, name), folder)
                   for top, _, files in os.walk(folder) for name in files)
    check(there == sorted([r[0] for r in rows] + ["_quern.json"]), folder, "holds", there)
    return ("ours", tuple(sorted(rows)))


def leftovers(folder):
    """Hidden things below that no finished run leaves."""
    found = []
    for top, folders, files in os.walk(folder):
        in_generations = top.endswith(".generations")
        for name in folders + files:
            path = os.path.join(top, name)
            if in_generations:
                if not re.fullmatch(r"\d{6,}|lock", name):
                    found.append(path)
            elif name.startswith(".") and not (name.endswith(".generations")
                                               and os.path.isdir(path)):
                found.append(path)
        if in_generations:
            numbers = [f for f in folders if f.isdigit()]
            if len(numbers) > 2:
                found.append("%s: %s" % (top, numbers))
            folders[:] = []
    return found


class Order:
    """Walks through a log: is every file on disk before the manifest that names it, and all of it
    before the link that makes it the data set? `swapped` are the places whose link was put."""

    def __init__(self, calls):
        self.dirty = {}  # path -> what was done to it and is not synced
        self.swapped = []
        self.pending = set()  # folders whose new link is not synced
        for number, (name, one, two, error) in enumerate(calls, 1):
            if error == 0:
                self.take(number, name, one, two)
        check(not self.pending, "the folders of", self.pending, "are not synced after the swap")

    def take(self, number, name, one, two):
        is_lock = os.path.basename(one) == "lock"
        if name in ("open", "write", "truncate") and not is_lock:
            self.dirty[one] = name
            self.touch(one)
        elif name == "fsync":
            self.dirty.pop(one, None)
            self.pending.discard(one)
        elif name in ("mkdir", "symlink"):
            self.touch(one)
            if name == "mkdir":
                self.dirty[one] = name
        elif name == "link":
            self.touch(two)
        elif name in ("rename", "exchange"):
            self.rename(number, name, one, two)
        elif name in ("unlink", "rmdir"):
            self.forget(one)

    def touch(self, path):
        """A name was put into the folder."""
        self.dirty[os.path.dirname(path)] = "a name in it"

    def forget(self, path):
        for known in [p for p in self.dirty if p == path or p.startswith(path + "/")]:
            del self.dirty[known]

    def rename(self, number, name, one, two):
        if os.path.basename(two) == "_quern.json":
            below = [p for p in self.dirty if p.startswith(os.path.dirname(two) + "/")
                     and self.dirty[p] in ("open", "write", "truncate")]
            check(not below, "call", number, "puts a manifest before files are synced:", below)
        is_swap = os.path.basename(one) in ("link.new", "link.back") and not is_generation(two)
        if is_swap:
            generations = os.path.dirname(one)
            below = [p for p in self.dirty if p == generations or p.startswith(generations + "/")]
            check(not below, "call", number, "swaps before all is synced:",
                  [(p, self.dirty[p]) for p in below])
            self.swapped.append(two)
            self.pending |= {os.path.dirname(two)}
        for known in [p for p in self.dirty if p == one or p.startswith(one + "/")]:
            if name == "rename":
                self.dirty[two + known[len(one):]] = self.dirty.pop(known)
        if not is_swap:
            self.touch(two)


def is_generation(path):
    return ".generations/" in path


class Scenario:
    """A command on a box. `make(box)` fills the box, `argv(box)` is the command, `sets(box)` are the
    data sets that it may change."""

    name = ""
    repeat = True       # running it again after it is done changes nothing

    def make(self, box):
        raise NotImplementedError

    def argv(self, box):
        raise NotImplementedError

    def sets(self, box):
        raise NotImplementedError

    def check(self, box, state):
        """More that must hold, after every run."""

    def look(self, box):
        return tuple(snapshot(path) for path in self.sets(box))


def needs_parquet():
    said = subprocess.run([QUERN, "doctor"], capture_output=True, text=True).stdout
    if any(line.startswith("missing") and "Parquet" in line for line in said.splitlines()):
        print("skipped: the Parquet module is not built")
        sys.exit(77)


def sample(n, wanted):
    """`wanted` numbers of 1 .. n, spread evenly with both ends."""
    if ALL or n <= wanted:
        return list(range(1, n + 1))
    return sorted({1 + round(i * (n - 1) / (wanted - 1)) for i in range(wanted)})


def points(calls, wanted, how):
    """Which calls to stop at: those that put things in place and the next ones, and a sample."""
    chosen = set(sample(len(calls), wanted))
    for number, (name, one, two, _) in enumerate(calls, 1):
        in_place = name == "exchange" or (name == "rename" and (
            os.path.basename(one).startswith("link.") or os.path.basename(two) == "_quern.json"))
        if in_place and (how != "ENOSPC" or ALL):
            chosen |= {number, number + 1} if how == "kill" else {number}
    return sorted(k for k in chosen if 1 <= k <= len(calls))


def rerun(scenario, box, new, is_clean):
    """The next run succeeds, cleans up and gives what an undisturbed one gives."""
    argv = scenario.argv(box)
    if argv is None:
        return
    done = box.run(argv)
    check(done.returncode == 0, "the next run ends with", done.returncode, done.stderr)
    check(scenario.look(box) == new, "the next run gives something else")
    check(not is_clean or not leftovers(box.data), "the next run leaves", leftovers(box.data))
    scenario.check(box, "done")


def disturb(scenario, box, how, k, old, new):
    box.restore()
    done = box.run(scenario.argv(box), at=k, how=how, log=True)
    calls = box.calls()
    said = calls[k - 1] if len(calls) >= k else ("nothing",)
    try:
        state = scenario.look(box)
        for i, path in enumerate(scenario.sets(box)):
            check(state[i] in (old[i], new[i]), path, "is neither the old nor the new data set:",
                  state[i])
        if how == "kill":
            check(done.returncode in (-9, 0), "a killed run ends with", done.returncode)
        elif done.returncode != 0:
            check(done.returncode == 1, "exit code", done.returncode, done.stderr)
            check(done.stderr.strip(), "no message")
        else:
            check(state == new, "exit code 0 with the old data set")
        scenario.check(box, "disturbed")
        # What could not be removed stays until there is something to write again.
        is_clean = how == "kill" or said[0] not in ("unlink", "rmdir")
        if scenario.repeat or state == old:
            rerun(scenario, box, new, is_clean)
    except Failed as failed:
        raise Failed("%s: %s at call %d (%s): %s\n%s" % (
            scenario.name, how, k, " ".join(str(s) for s in said), failed, done.stderr)) from None


def step(scenario, wanted=10 ** 9, hows=("kill", "ENOSPC", "EIO")):
    """Steps k = 1, 2, ... over the command."""
    box = Box()
    try:
        scenario.make(box)
        box.save()
        old = scenario.look(box)
        done = box.run(scenario.argv(box), log=True)
        check(done.returncode == 0, scenario.name, "ends with", done.returncode, done.stderr)
        calls = box.calls()
        new = scenario.look(box)
        order = Order(calls)
        scenario.check(box, "done")
        scenario.ordered(box, calls, order) if hasattr(scenario, "ordered") else None
        check(not leftovers(box.data), scenario.name, "leaves", leftovers(box.data))
        count = 0
        for how in hows:
            for k in points(calls, wanted, how):
                disturb(scenario, box, how, k, old, new)
                count += 1
        print("%-34s %4d calls, %4d stopped or failed" % (scenario.name, len(calls), count),
              flush=True)
    finally:
        box.close()


def main(scenarios, wanted=10 ** 9):
    failed = 0
    chosen = sys.argv[1:]
    for scenario in scenarios:
        if chosen and scenario.name not in chosen:
            continue
        try:
            step(scenario, wanted)
        except Failed as said:
            failed += 1
            print("FAILED:", said, flush=True)
    sys.exit(1 if failed else 0)
