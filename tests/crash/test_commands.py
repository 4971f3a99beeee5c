"""The commands on data sets, on a few rows: stopped after calls that change files, and with such
calls failing. A sample of the calls; QN_CRASH_ALL=1 takes every one."""
import os
import subprocess

import crash

WANTED = 3  # calls of each command and kind, beside those that put things in place

TRAIN = """1:
7,5,2005-09-06
9,4,2005-09-07
11,3,2005-10-01
2:
7,3,2005-10-02
13,1,1969-12-31
bad line
"""
TEST = """1:
8,5,2005-09-08
2:
9,2,2005-10-03
"""
DAILY = """DATE,CUST_ID,MOVIE_ID,RATING
2005-10-04,21,1,4
2005-10-05,22,2,5
2005-11-06,23,1,2
2005-11-07,24,3,1
2005-11-08,25,2,3
2005-09-09,26,3,3
2005-10-04,27,1,
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


class Command(crash.Scenario):
    def quern(self, box, *words):
        return [crash.QUERN, *words, "--runs-dir", os.path.join(box.root, "runs"),
                "--threads", "1", "--quiet"]

    def do(self, box, *words):
        done = box.run(self.quern(box, *words))
        crash.check(done.returncode == 0, " ".join(words), done.stderr)
        return done

    def etl_words(self, box):
        return ["etl", "--train-file", box.path("in", "train.txt"),
                "--test-file", box.path("in", "test.txt"),
                "--parquet-train-path", box.path("train"),
                "--parquet-test-path", box.path("test")]

    def make_input(self, box):
        write(box.path("in", "train.txt"), TRAIN)
        write(box.path("in", "test.txt"), TEST)
        write(box.path("in", "daily.csv"), DAILY)

    def make(self, box):
        self.make_input(box)
        self.do(box, *self.etl_words(box))

    def sets(self, box):
        return [box.path("train"), box.path("test")]

    def argv(self, box):
        return self.quern(box, *self.words(box))

    looks = 0

    def check(self, box, state):
        """Every data set that is there is whole: by its content always (crash.py compares it), by
        `data verify` now and then."""
        self.looks += 1
        if self.looks % 10 != 1 and not crash.ALL:
            return
        for path in self.sets(box):
            if os.path.lexists(path) and crash.snapshot(path)[0] == "ours":
                done = box.run(self.quern(box, "data", "verify", path))
                crash.check(done.returncode == 0, "verify:", done.stderr)


class Etl(Command):
    name = "etl"

    def make(self, box):
        self.make_input(box)

    def words(self, box):
        return self.etl_words(box)


class Upsert(Command):
    name = "data upsert"

    def words(self, box):
        return ["data", "upsert", "--input", box.path("in", "daily.csv"), "--into",
                box.path("train")]


class UpsertPlain(Upsert):
    """Into a folder of Parquet files that nobody has written for us."""
    name = "data upsert into a plain folder"

    def make(self, box):
        Command.make(self, box)
        real = os.path.realpath(box.path("train"))
        os.remove(box.path("train"))
        os.rename(real, box.path("train"))
        os.remove(box.path("train", "_quern.json"))
        write(box.path("train", "_SUCCESS"), "")
        subprocess.run(["rm", "-rf", box.path(".train.generations")], check=True)


class Process(Command):
    name = "data process"
    source = "delete"
    goes_by = "unlink"

    def words(self, box):
        return ["data", "process", "--csv", box.path("in", "daily.csv"), "--output",
                box.path("streaming"), "--source", self.source, "--train-ratio", ".5"]

    def make(self, box):
        self.make_input(box)

    def sets(self, box):
        return [box.path("streaming", "train"), box.path("streaming", "test")]

    def argv(self, box):
        """Where the source has gone the work is done: a run again has nothing to do."""
        if not os.path.exists(box.path("in", "daily.csv")):
            return None
        return Command.argv(self, box)

    def check(self, box, state):
        Command.check(self, box, state)
        if os.path.exists(box.path("in", "daily.csv")):
            crash.check(state != "done", "the source is still there")
            return
        rows = 0
        for path in self.sets(box):
            found = crash.snapshot(path)
            rows += sum(row[2] for row in found[1]) if found else 0
        crash.check(rows == 6, "the source has gone, and of its 6 rows there are", rows)

    def ordered(self, box, calls, order):
        """Both links are put and on disk before the source goes."""
        gone = [n for n, (name, one, _, error) in enumerate(calls)
                if name == self.goes_by and one == box.path("in", "daily.csv") and not error]
        crash.check(len(gone) == 1, "the source goes", len(gone), "times")
        before = crash.Order(calls[:gone[0]])
        crash.check(sorted(before.swapped) == sorted(self.sets(box)),
                    "before the source goes the links put are", before.swapped)


class ProcessMove(Process):
    name = "data process, source moved"
    source = "move"
    goes_by = "rename"

    def check(self, box, state):
        Process.check(self, box, state)
        if not os.path.exists(box.path("in", "daily.csv")):
            with open(box.path("streaming", "taken", "daily.csv")) as moved:
                crash.check(moved.read() == DAILY, "the source that was moved is another")


class Merge(Command):
    name = "data merge"

    def make(self, box):
        self.make_input(box)
        os.mkdir(box.path("processed"))
        words = self.etl_words(box)
        words[words.index(box.path("train"))] = box.path("processed", "train")
        words[words.index(box.path("test"))] = box.path("processed", "test")
        self.do(box, *words)
        self.do(box, "data", "process", "--csv", box.path("in", "daily.csv"), "--output",
                box.path("streaming"), "--train-ratio", ".5")

    def sets(self, box):
        return [box.path("processed", "train"), box.path("processed", "test"),
                box.path("streaming", "train"), box.path("streaming", "test")]

    def words(self, box):
        return ["data", "merge", "--streaming", box.path("streaming"), "--processed",
                box.path("processed")]

    def ordered(self, box, calls, order):
        """Nothing of the streaming side goes before both links of the processed one are on disk."""
        first = next(n for n, (name, one, two, error) in enumerate(calls)
                     if name in ("rename", "unlink") and one in self.sets(box)[2:])
        before = crash.Order(calls[:first])
        crash.check(sorted(before.swapped) == sorted(self.sets(box)[:2]),
                    "before streaming goes the links put are", before.swapped)


class Compact(Command):
    name = "data compact"

    def words(self, box):
        return ["data", "compact", box.path("train"), "--on-duplicate", "keep"]

    def sets(self, box):
        return [box.path("train")]


class DeleteUser(Compact):
    name = "data delete-user"

    def words(self, box):
        return ["data", "delete-user", box.path("train"), "--user", "7"]


    def check(self, box, state):
        """No generation that holds the user's rows is left, even if the run before died in between."""
        Compact.check(self, box, state)
        numbers = [n for n in os.listdir(box.path(".train.generations")) if n.isdigit()]
        crash.check(state != "done" or len(numbers) == 1, "there are the generations", numbers)


class Rollback(Compact):
    name = "data rollback"

    def make(self, box):
        Command.make(self, box)
        self.do(box, "data", "upsert", "--input", box.path("in", "daily.csv"), "--into",
                box.path("train"))

    def words(self, box):
        return ["data", "rollback", box.path("train"), "--to", "1"]


crash.needs_parquet()
crash.main([Etl(), Upsert(), UpsertPlain(), Process(), ProcessMove(), Merge(), Compact(),
            DeleteUser(), Rollback()], WANTED)
