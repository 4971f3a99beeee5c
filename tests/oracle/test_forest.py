"""Trees and forests against plain numpy and scikit-learn: every split is the best there is, every number of a node is
that of its rows, and forests whose rows and features are drawn do as well as scikit-learn's."""
import collections
import itertools
import json
import math
import pathlib
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.ensemble import RandomForestClassifier

from conftest import quern

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from forest_sets import DRAWN

seeds = st.integers(0, 2**32 - 1)


def write(path, columns):
    names = list(columns)
    lines = [",".join(names)] + [",".join(repr(float(v)) for v in row) for row in zip(*columns.values())]
    path.write_text("\n".join(lines) + "\n")


def impurity(kind, label, weight, n_classes):
    """As Spark's; weights of classes, or weight, sum and sum of squares."""
    if kind == "variance":
        w = weight.sum()
        return (weight * label**2).sum() / w - ((weight * label).sum() / w) ** 2 if w > 0 else 0.0
    share = np.bincount(label.astype(int), weight, n_classes)
    share = share[share > 0] / share.sum()
    return 1 - (share**2).sum() if kind == "gini" else -(share * np.log2(share)).sum()


class Reference:
    """All splits of a node by brute force."""

    def __init__(self, x, label, weight, arity, kind, n_classes, max_bins):
        self.x, self.label, self.weight, self.kind, self.n_classes = x, label, weight, kind, n_classes
        self.rules = []  # (feature, what stays left)
        for f in range(x.shape[1]):
            values = np.unique(x[:, f])
            if arity[f] == 0:
                assert len(values) <= max_bins
                for a, b in zip(values, values[1:]):
                    self.rules.append((f, (a + b) / 2))
            else:
                for size in range(1, arity[f]):
                    self.rules += [(f, set(c)) for c in itertools.combinations(range(arity[f]), size)]

    def goes_left(self, rule, rows):
        f, what = rule
        x = self.x[rows, f]
        return np.isin(x, list(what)) if isinstance(what, set) else x <= what

    def gain(self, rows, left):
        if left.all() or not left.any():
            return -math.inf
        parts = [rows[left], rows[~left]]
        total = self.weight[rows].sum()
        return self.measure(rows) - sum(self.weight[p].sum() / total * self.measure(p) for p in parts)

    def measure(self, rows):
        return impurity(self.kind, self.label[rows], self.weight[rows], self.n_classes)

    def is_looked_at(self, rule, rows):
        """Regression looks at categories in the order of their mean labels alone, as Spark does: the best of all subsets
        is among those, unless it leaves fewer rows than a child must have."""
        f, what = rule
        if self.kind != "variance" or not isinstance(what, set):
            return True
        means = {c: prediction_of(self, rows[self.x[rows, f] == c]) for c in np.unique(self.x[rows, f])}
        return max((m for c, m in means.items() if c in what), default=-math.inf) <= \
            min((m for c, m in means.items() if c not in what), default=math.inf)

    def best(self, rows, least_rows):
        gains = [-math.inf]
        for rule in filter(lambda rule: self.is_looked_at(rule, rows), self.rules):
            left = self.goes_left(rule, rows)
            if min(left.sum(), (~left).sum()) >= least_rows:
                gains.append(self.gain(rows, left))
        return max(gains)


def prediction_of(ref, rows):
    if ref.kind == "variance":
        return (ref.weight[rows] * ref.label[rows]).sum() / ref.weight[rows].sum()
    return np.bincount(ref.label[rows].astype(int), ref.weight[rows], ref.n_classes).argmax()


def check_tree(nodes, ref, depth, least_rows):
    """Walks a tree that was not pruned."""
    todo = [(0, np.arange(len(ref.label)), 0)]
    while todo:
        at, rows, level = todo.pop()
        node = nodes[at]
        assert node["rows"] == len(rows)
        np.testing.assert_allclose(node["prediction"], prediction_of(ref, rows), rtol=1e-9, atol=1e-10)
        best = ref.best(rows, least_rows) if level < depth else -math.inf
        if node["impurity"] != -1 or best > 1e-10:  # Spark's -1: no split is valid
            np.testing.assert_allclose(node["impurity"], ref.measure(rows), rtol=1e-9, atol=1e-10)
        if "left" not in node:
            assert level == depth or best <= 1e-10, (at, best)
            continue
        rule = (node["feature"], set(node["left_categories"]) if "left_categories" in node else node["threshold"])
        left = ref.goes_left(rule, rows)
        np.testing.assert_allclose(node["gain"], ref.gain(rows, left), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(node["gain"], best, rtol=1e-8, atol=1e-10)
        assert min(left.sum(), (~left).sum()) >= least_rows
        todo += [(node["left"], rows[left], level + 1), (node["right"], rows[~left], level + 1)]


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(8, 200), n_classes=st.integers(2, 4), kind=st.sampled_from(["gini", "entropy", "variance"]),
       depth=st.integers(0, 5), least=st.integers(1, 6), weighted=st.booleans(), categories=st.integers(0, 4),
       threads=st.integers(1, 3))
def test_every_split_is_the_best_there_is(seed, n, n_classes, kind, depth, least, weighted, categories, threads):
    rng = np.random.default_rng(seed)
    if kind != "variance" and n_classes == 2:
        categories = 0  # Spark's order, by rows of class 1, does not always find the best subset
    arity = [0, 0, categories if categories > 1 else 0]
    x = np.stack([rng.integers(0, 9, n), np.round(rng.normal(0, 1, n) * 4) / 4,
                  rng.integers(0, max(categories, 5), n) if arity[2] == 0 else
                  np.concatenate([np.arange(arity[2]), rng.integers(0, arity[2], n - arity[2])])], 1).astype(float)
    label = (x[:, 0] + 3 * x[:, 1] * (x[:, 2] > 1) + rng.normal(0, 1.5, n))
    if kind == "variance":
        label = np.round(label, 2)
    else:
        label = np.clip(np.digitize(label, np.quantile(label, np.arange(1, n_classes) / n_classes)), 0, n_classes - 1)
        label[0] = n_classes - 1
    weight = np.round(rng.uniform(0.5, 3, n), 2) if weighted else np.ones(n)
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        write(tmp / "t.csv", {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "label": label, "w": weight})
        args = ["--input", tmp / "t.csv", "--features", "a,b,c", "--label", "label", "--max-depth", depth, "--max-bins", 64,
                "--min-instances-per-node", least, "--prune", "false", "--precision", "double", "--threads", threads,
                "--model", tmp / "m", "--runs-dir", "none"]
        args += ["--weight", "w"] if weighted else []
        args += ["--categorical", "c"] if arity[2] else []
        args += ["--task", "regression"] if kind == "variance" else ["--impurity", kind]
        quern("fit", "tree", *args)
        told = quern("inspect", tmp / "m")
        check_tree(told["nodes_of_trees"][0], Reference(x, label.astype(float), weight, arity, kind, n_classes, 64), depth, least)


def walk(nodes, row):
    node = nodes[0]
    while "left" in node:
        x = row[node["feature"]]
        left = x in node["left_categories"] if "left_categories" in node else x <= node["threshold"]
        node = nodes[node["left"] if left else node["right"]]
    return node


@settings(max_examples=10, deadline=None)
@given(seed=seeds, trees=st.integers(1, 8), depth=st.integers(1, 8), bootstrap=st.booleans(),
       subset=st.sampled_from(["auto", "all", "2", "0.5", "log2"]), merge=st.booleans())
def test_predictions_are_the_votes_of_the_leaves(seed, trees, depth, bootstrap, subset, merge):
    rng = np.random.default_rng(seed)
    n = 400
    x = rng.integers(0, 12, (n, 4)).astype(float)
    label = np.digitize(x[:, 0] - x[:, 1] + rng.normal(0, 3, n), [-3, 3])
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        write(tmp / "t.csv", {**{f"x{j}": x[:, j] for j in range(4)}, "label": label})
        quern("fit", "forest", "--input", tmp / "t.csv", "--label", "label", "--num-trees", trees, "--max-depth", depth,
              "--bootstrap", str(bootstrap).lower(), "--feature-subset-strategy", subset, "--merge-rows", str(merge).lower(),
              "--seed", seed % 1000, "--model", tmp / "m", "--runs-dir", "none")
        quern("predict", "--model", tmp / "m", "--input", tmp / "t.csv", "--output", tmp / "p.jsonl", "--runs-dir", "none")
        told = quern("inspect", tmp / "m")
        predicted = [json.loads(line) for line in open(tmp / "p.jsonl")]
    for row, out in zip(x, predicted):
        raw = sum(np.array(s) / sum(s) for s in (walk(nodes, row)["stats"] for nodes in told["nodes_of_trees"]))
        np.testing.assert_allclose(out["rawPrediction"], raw, rtol=1e-12)
        np.testing.assert_allclose(out["probability"], raw / raw.sum(), rtol=1e-12)
        assert out["prediction"] == np.argmax(out["rawPrediction"])
    gains = np.zeros(4)
    for nodes in told["nodes_of_trees"]:
        own = np.zeros(4)
        for node in nodes:
            if "left" in node:
                own[node["feature"]] += node["gain"] * sum(node["stats"])
        gains += own / own.sum() if own.sum() else 0
    np.testing.assert_allclose(told["feature_importance"], gains / gains.sum() if gains.sum() else gains, atol=1e-12)


# ---- rows and features drawn ----

def pruned_accuracy(forest, x, label):
    """Accuracy of scikit-learn's forest with its trees pruned by Spark's rule: two leaves of one parent that predict the
    same become one, with the parent's numbers."""
    total = np.zeros((len(x), forest.n_classes_))
    for tree in (e.tree_ for e in forest.estimators_):
        left, right, share = tree.children_left, tree.children_right, tree.value[:, 0, :]
        prediction, is_leaf = share.argmax(1), left < 0
        for i in reversed(range(tree.node_count)):  # children lie behind their parents
            a, b = left[i], right[i]
            is_leaf[i] |= a >= 0 and is_leaf[a] and is_leaf[b] and prediction[a] == prediction[b]
        ends_at = np.arange(tree.node_count)
        for i in np.flatnonzero(left >= 0):
            for child in (left[i], right[i]):
                ends_at[child] = ends_at[i] if is_leaf[i] else child
        reached = share[ends_at[tree.apply(x)]]
        total += reached / reached.sum(1, keepdims=True)
    return np.mean(total.argmax(1) == label)


@pytest.mark.parametrize("make", DRAWN)
def test_forests_do_as_well_as_those_of_scikit_learn(make):
    rng = np.random.default_rng(7)
    n, trees, depth = 30000, 60, 8
    x, label = make(rng, 3 * n)
    x = x.astype(np.float32)
    mtry = math.ceil(math.sqrt(x.shape[1]))
    cuts = [np.quantile(x[:n, j], np.arange(1, 32) / 32) for j in range(x.shape[1])]
    binned = np.stack([np.searchsorted(c, x[:, j]) for j, c in enumerate(cuts)], 1).astype(np.float32)
    ours, theirs = collections.defaultdict(list), collections.defaultdict(list)  # by whether trees are pruned
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        for name, rows in (("train.csv", slice(0, n)), ("test.csv", slice(n, 3 * n))):
            write(tmp / name, {**{f"x{j}": x[rows, j] for j in range(x.shape[1])}, "label": label[rows]})
        for seed in range(1, 6):
            for prune, merge in itertools.product((False, True), repeat=2):
                run = quern("fit", "forest", "--input", tmp / "train.csv", "--label", "label", "--num-trees", trees,
                            "--max-depth", depth, "--seed", seed, "--prune", str(prune).lower(), "--merge-rows",
                            str(merge).lower(), "--test", tmp / "test.csv", "--runs-dir", "none")
                ours[prune, merge].append(run["metrics"]["test"]["accuracy"])
            model = RandomForestClassifier(trees, max_depth=depth, max_features=mtry, n_jobs=2, random_state=seed)
            model.fit(binned[:n], label[:n])
            theirs[False].append(model.score(binned[n:], label[n:]))
            theirs[True].append(pruned_accuracy(model, binned[n:], label[n:]))
    for (prune, merge), accuracies in ours.items():
        gap = np.mean(accuracies) - np.mean(theirs[prune])
        print(f"{make.__name__}, prune {prune}, merge rows {merge}: {gap:+.4f}")
        assert abs(gap) < 0.002, (prune, merge, accuracies, theirs[prune])
