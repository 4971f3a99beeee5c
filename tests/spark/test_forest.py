"""Trees and forests beside real Spark: node for node the same wherever bins are exact and nothing is drawn; accuracies
alike where rows and features are drawn."""
import csv
import json
import math
import pathlib
import sys
import tempfile

import numpy as np
from pyspark.ml.classification import (DecisionTreeClassificationModel, DecisionTreeClassifier,
                                       RandomForestClassificationModel, RandomForestClassifier)
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import VectorAssembler, VectorIndexer
from pyspark.ml.regression import (DecisionTreeRegressionModel, DecisionTreeRegressor, RandomForestRegressionModel,
                                   RandomForestRegressor)

from beside import SHARED, check, end, need_shared, quern, session

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from forest_sets import DRAWN

TMP = pathlib.Path(tempfile.mkdtemp())
CLASSES = {("tree", False): (DecisionTreeClassifier, DecisionTreeClassificationModel),
           ("tree", True): (DecisionTreeRegressor, DecisionTreeRegressionModel),
           ("forest", False): (RandomForestClassifier, RandomForestClassificationModel),
           ("forest", True): (RandomForestRegressor, RandomForestRegressionModel)}


class Table:
    """One table for both: a CSV with a header, or libsvm, and a frame with features, label and w."""

    def __init__(self, spark, name, columns=None, categorical=(), libsvm=None, seed=0):
        self.name = name
        if libsvm:
            self.args = ["--input", libsvm, "--format", "libsvm"]
            self.frame = spark.read.format("libsvm").load(str(libsvm)).coalesce(1).cache()
            return
        path = TMP / f"{name}.csv"
        names = list(columns)
        rows = list(zip(*columns.values()))
        with open(path, "w", newline="") as fh:
            out = csv.writer(fh)
            out.writerow(names)
            out.writerows([repr(float(v)) for v in row] for row in rows)
        features = [n for n in names if n not in ("label", "w")]
        frame = spark.createDataFrame([tuple(map(float, r)) for r in rows], names).coalesce(1)
        frame = VectorAssembler(inputCols=features, outputCol="raw" if categorical else "features").transform(frame)
        if categorical:  # columns with few values are categories, by their place among the values
            most = max(len(set(columns[c])) for c in categorical)
            frame = VectorIndexer(inputCol="raw", outputCol="features", maxCategories=most).fit(frame).transform(frame)
        self.frame = frame.cache()
        self.path = path
        self.args = ["--input", path, "--label", "label", "--features", ",".join(features)]
        if categorical:
            self.args += ["--categorical", ",".join(categorical)]


def trees(spark, directory, is_forest):
    """{tree: [node, ...]} of a model directory, whoever wrote it."""
    frame = spark.read.parquet(str(directory / "data"))
    out = {}
    for row in frame.collect():
        node = row.nodeData if is_forest else row
        out.setdefault(row.treeID if is_forest else 0, []).append(node)
    return {t: sorted(nodes, key=lambda n: n.id) for t, nodes in out.items()}


def near(a, b, scale=1.0):
    """Sums to about ten digits of the largest: they are made in Spark's order, but for what is told from them."""
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-10 * max(1.0, scale))


def node_differs(a, b):
    """What is not equal of two nodes: structure and thresholds to the bit, sums to the rounding."""
    if a.rawCount != b.rawCount or (a.leftChild < 0) != (b.leftChild < 0):
        return f"node {a.id}: {a.rawCount} rows / {b.rawCount}, left {a.leftChild} / {b.leftChild}, gains {a.gain} / {b.gain}"
    if a.split.featureIndex != b.split.featureIndex or a.split.numCategories != b.split.numCategories:
        return f"node {a.id}: split {a.split} / {b.split}, gains {a.gain!r} / {b.gain!r}"
    left, right = list(a.split.leftCategoriesOrThreshold), list(b.split.leftCategoriesOrThreshold)
    if a.split.numCategories >= 0:
        left, right = sorted(left), sorted(right)
    if left != right:
        return f"node {a.id}: split {left} / {right}, gains {a.gain!r} / {b.gain!r}"
    scale = max(map(abs, b.impurityStats))
    for field in ("prediction", "impurity", "gain"):
        if not near(getattr(a, field), getattr(b, field), scale):
            return f"node {a.id}: {field} {getattr(a, field)!r} / {getattr(b, field)!r}"
    if not all(near(x, y, scale) for x, y in zip(a.impurityStats, b.impurityStats)):
        return f"node {a.id}: statistics {a.impurityStats} / {b.impurityStats}"
    return None


def differs(ours, theirs):
    """What is not equal first, or None."""
    if sorted(ours) != sorted(theirs):
        return f"{len(ours)} trees / {len(theirs)}"
    for t in theirs:
        if len(ours[t]) != len(theirs[t]):
            return f"tree {t}: {len(ours[t])} nodes / {len(theirs[t])}"
        for a, b in zip(ours[t], theirs[t]):
            what = node_differs(a, b)
            if what:
                return f"tree {t}, {what}"
    return None


def predictions(table, model, directory, name):
    """Both models on the table's rows: equal predictions, and probabilities to the rounding."""
    out = TMP / "predicted.jsonl"
    args = [a for a in table.args if a not in ("--label", "label")]
    if "--features" in args:
        at = args.index("--features")
        args = args[:at]
    quern("predict", "--model", directory, *args, "--output", out, "--overwrite")
    ours = [json.loads(line) for line in open(out)]
    theirs = model.transform(table.frame).collect()
    same = len(ours) == len(theirs) and all(near(a["prediction"], b.prediction, 10) for a, b in zip(ours, theirs))
    if ours and "probability" in ours[0]:
        same = same and all(np.allclose(a["probability"], b.probability.toArray(), atol=1e-12) and
                            np.allclose(a["rawPrediction"], b.rawPrediction.toArray(), atol=1e-9)
                            for a, b in zip(ours, theirs))
    check(f"{name}: predictions equal", same, f"{len(ours)} rows")


def snake(name):
    return "--" + "".join("-" + c.lower() if c.isupper() else c for c in name)


def beside(spark, table, is_regression=False, num_trees=None, weights=False, **params):
    """One fit by each, with the same parameters."""
    kind = "forest" if num_trees else "tree"
    is_forest = kind == "forest"
    estimator, loader = CLASSES[kind, is_regression]
    ours, theirs = TMP / "ours", TMP / "theirs"
    args = [*table.args, "--precision", "double", "--model", ours, "--overwrite", "--runs-dir", "none"]
    spark_only = {}
    if is_regression:
        args += ["--task", "regression"]
    if is_forest:
        args += ["--num-trees", num_trees, "--bootstrap", "false", "--feature-subset-strategy", "all"]
        spark_only = dict(numTrees=num_trees, bootstrap=False, featureSubsetStrategy="all")
    if weights:
        args += ["--weight", "w"]
        spark_only["weightCol"] = "w"
    for key, value in params.items():
        args += [snake(key), *(value if isinstance(value, list) else [value])]
    name = ", ".join([table.name, kind, *(["regression"] if is_regression else []), *(["weights"] if weights else []),
                      *(f"{k} {v}" for k, v in params.items())])
    quern("fit", kind, *args)
    thresholds = params.pop("thresholds", None)
    settings = estimator(**params, **spark_only)
    model = (settings.setThresholds(thresholds) if thresholds else settings).fit(table.frame)
    model.write().overwrite().save(str(theirs))
    a, b = trees(spark, ours, is_forest), trees(spark, theirs, is_forest)
    what = differs(a, b)
    check(f"{name}: the same nodes", what is None, what or f"{sum(map(len, b.values()))} nodes")
    loaded = loader.load(str(ours))
    gap = np.abs(loaded.featureImportances.toArray() - model.featureImportances.toArray()).max()
    check(f"{name}: the same importances", gap < 1e-9, f"largest difference {gap:.2g}")
    ours_told = quern("inspect", ours)["feature_importance"]
    gap = np.abs(np.array(ours_told) - loaded.featureImportances.toArray()).max()
    check(f"{name}: importances as we tell them", gap < 1e-9, f"largest difference {gap:.2g}")
    predictions(table, model, ours, name)


def tables(spark):
    rng = np.random.default_rng(11)
    n = 3000
    x = {f"x{j}": np.round(rng.normal(0, 2, n), 3) for j in range(4)}
    small = {"few": rng.integers(0, 4, n), "more": rng.integers(0, 9, n)}
    score = x["x0"] + 0.7 * x["x1"] * (small["few"] > 1) + (small["more"] % 3) - 1 + rng.normal(0, 1, n)
    w = np.round(rng.uniform(0.25, 4, n), 2)
    two = (score > 0).astype(int)
    three = np.digitize(score, [-1, 1.5])
    yield Table(spark, "two classes", {**x, "label": two, "w": w})
    yield Table(spark, "three classes", {**x, "label": three, "w": w})
    yield Table(spark, "two classes with categories", {**x, **small, "label": two, "w": w}, ("few", "more"))
    yield Table(spark, "three classes with categories", {**x, **small, "label": three, "w": w}, ("few", "more"))
    yield Table(spark, "numbers", {**x, "label": np.round(score, 4), "w": w})
    yield Table(spark, "numbers with categories", {**x, **small, "label": np.round(score, 4), "w": w}, ("few", "more"))


def drawn(spark, make):
    """Rows and features drawn: the means over five seeds are alike."""
    rng = np.random.default_rng(7)
    n = 20000
    x, label = make(rng, 3 * n)
    parts = []
    for name, rows in (("train", slice(0, n)), ("test", slice(n, 3 * n))):
        columns = {f"x{j}": np.round(x[rows, j], 4) for j in range(x.shape[1])}
        parts.append(Table(spark, f"{make.__name__} {name}", {**columns, "label": label[rows]}))
    ours, theirs = [], []
    for seed in range(1, 6):
        run = quern("fit", "forest", *parts[0].args, "--num-trees", 60, "--max-depth", 7, "--seed", seed, "--test",
                    parts[1].path, "--runs-dir", "none")
        ours.append(run["metrics"]["test"]["accuracy"])
        model = RandomForestClassifier(numTrees=60, maxDepth=7, seed=seed).fit(parts[0].frame)
        theirs.append(MulticlassClassificationEvaluator(metricName="accuracy").evaluate(model.transform(parts[1].frame)))
    gap = np.mean(ours) - np.mean(theirs)
    check(f"{make.__name__}, rows and features drawn, five seeds: accuracies alike", abs(gap) < 0.002,
          f"ours {np.mean(ours):.4f}, Spark's {np.mean(theirs):.4f}")


def main():
    need_shared()
    spark = session()
    two, three, two_c, three_c, numbers, numbers_c = tables(spark)
    sample = SHARED / "data/spark"
    digits = Table(spark, "sample_libsvm_data", libsvm=sample / "sample_libsvm_data.txt")
    flowers = Table(spark, "sample_multiclass", libsvm=sample / "sample_multiclass_classification_data.txt")
    lines = Table(spark, "sample_linear_regression", libsvm=sample / "sample_linear_regression_data.txt")

    for table in (digits, flowers, two, three):
        beside(spark, table)
    for depth in (0, 1, 3, 8):
        beside(spark, two, maxDepth=depth)
        beside(spark, three_c, maxDepth=depth)
    for table in (two_c, three_c):
        beside(spark, table, impurity="entropy", maxDepth=6)
        beside(spark, table, maxBins=9)
        beside(spark, table, maxBins=64, maxDepth=6)
        beside(spark, table, weights=True, maxDepth=6)
        beside(spark, table, minInstancesPerNode=40, maxDepth=7)
        beside(spark, table, minInfoGain=0.01, maxDepth=7)
        beside(spark, table, minWeightFractionPerNode=0.05, maxDepth=6)
        beside(spark, table, num_trees=3, maxDepth=4)
    beside(spark, two, weights=True, minWeightFractionPerNode=0.04)
    beside(spark, three, num_trees=2, thresholds=[0.3, 0.9, 0.5])
    beside(spark, three, thresholds=[0.3, 0.0, 0.5])
    for table in (numbers, numbers_c, lines):
        for depth in (0, 2, 6):
            beside(spark, table, True, maxDepth=depth)
        beside(spark, table, True, maxBins=100, minInstancesPerNode=5)
        beside(spark, table, True, num_trees=3, maxDepth=4)
    beside(spark, numbers_c, True, weights=True, maxDepth=6)
    beside(spark, numbers, True, weights=True, minInfoGain=0.05, maxDepth=6)
    for make in DRAWN:
        drawn(spark, make)
    end(spark)


main()
