"""The data set alone, without rows: every call of every step of its life."""
import os

import crash


class Steps(crash.Scenario):
    def __init__(self, name, before, command, repeat=True):
        self.name, self.before, self.command, self.repeat = name, before, command, repeat

    def sets(self, box):
        return [box.path("train")]

    def make(self, box):
        for step in self.before:
            if step == "plain":
                os.makedirs(box.path("train", "year=2005", "month=1"))
                for name in ("year=2005/month=1/a.parquet", "b.parquet", "_SUCCESS"):
                    with open(box.path("train", name), "w") as file:
                        file.write("plain " + name)
            else:
                done = box.run(self.words(box, step))
                crash.check(done.returncode == 0, step, done.stderr)

    def words(self, box, step):
        name, argument = step.split()
        return [crash.STEPS, name, box.path("train"), argument]

    def argv(self, box):
        return self.words(box, self.command)

    def check(self, box, state):
        """The generation before the new one is there too, whole."""
        if state != "done" or not self.before or not self.command.startswith("write"):
            return
        folder = box.path(".train.generations")
        numbers = [name for name in os.listdir(folder) if name.isdigit()]
        crash.check(len(numbers) == 2, "there are the generations", numbers)
        for name in numbers:
            crash.snapshot(os.path.join(folder, name))


crash.main([
    Steps("the first generation", [], "write new"),
    Steps("a second generation", ["write old"], "write new"),
    Steps("a third, and one that goes", ["write a", "write old"], "write new"),
    Steps("a plain folder", ["plain"], "write new"),
    Steps("after a rollback", ["write a", "write b", "rollback 1"], "write new"),
    Steps("a rollback", ["write a", "write b"], "rollback 1"),
    Steps("a rollback to a plain folder", ["plain", "write a"], "rollback 0"),
    Steps("a clean-up", ["write a", "write b", "rollback 1"], "gc 1"),
    Steps("a removal", ["write a", "write b"], "remove -"),
    Steps("a removal of a plain folder", ["plain"], "remove -"),
])
