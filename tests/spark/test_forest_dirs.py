"""Directories of trees and forests beside real Spark: all four classes, with categories, weights of classes and
thresholds; each loads the other's and predicts the same from it."""
import csv
import json
import pathlib
import tempfile

import numpy as np
from pyspark.ml.classification import (DecisionTreeClassificationModel, DecisionTreeClassifier,
                                       RandomForestClassificationModel, RandomForestClassifier)
from pyspark.ml.feature import VectorAssembler, VectorIndexer
from pyspark.ml.regression import (DecisionTreeRegressionModel, DecisionTreeRegressor, RandomForestRegressionModel,
                                   RandomForestRegressor)

from beside import check, end, need_shared, quern, session

KINDS = {("tree", "classification"): (DecisionTreeClassifier, DecisionTreeClassificationModel),
         ("tree", "regression"): (DecisionTreeRegressor, DecisionTreeRegressionModel),
         ("forest", "classification"): (RandomForestClassifier, RandomForestClassificationModel),
         ("forest", "regression"): (RandomForestRegressor, RandomForestRegressionModel)}
NAMES = ["a", "colour", "b", "size"]
CATEGORIES = {"colour": 7, "size": 3}  # size is unordered where there are several classes
ROWS = 3000


def make_rows():
    rng = np.random.default_rng(8)
    a, b = rng.normal(0, 1, ROWS), rng.normal(0, 3, ROWS).round(2)
    colour, size = rng.integers(0, 7, ROWS), rng.integers(0, 3, ROWS)
    lift = np.array([0.0, 2.5, -1.0, 0.5, 3.0, -2.0, 1.0])
    score = a + lift[colour] + np.where(size == 1, 2.0, -0.5) * (b > 0) + rng.normal(0, 0.4, ROWS)
    label = np.digitize(score, [-1.0, 1.0, 2.5]).astype(float)
    return np.column_stack([a, colour, b, size]), label, score


def write(path, features, label, score):
    with open(path, "w", newline="") as fh:
        out = csv.writer(fh)
        out.writerow([*NAMES, "label", "score"])
        out.writerows([repr(float(v)) for v in row] for row in np.column_stack([features, label, score]))


def predictions(directory, rows_csv, tmp, known):
    """Our predictions and probabilities from a directory."""
    out = tmp / "out.jsonl"
    columns = [] if known else ["--features", ",".join(NAMES)]
    quern("predict", "--model", directory, "--input", rows_csv, "--output", out, "--overwrite", *columns)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return (np.array([r["prediction"] for r in rows]),
            np.array([r["probability"] for r in rows]) if "probability" in rows[0] else None)


def compare(name, model, frame, directory, rows_csv, tmp, known):
    """Spark's predictions, probabilities and importances, and ours, from one directory."""
    ours, shares = predictions(directory, rows_csv, tmp, known)
    rows = model.transform(frame).collect()
    theirs = np.array([r.prediction for r in rows])
    apart = float(np.max(np.abs(ours - theirs)))
    check(f"{name}: predictions", len(ours) == ROWS and apart <= 1e-12 and len(set(theirs)) > 2,
          f"{len(ours)} rows, {apart:.2g} apart")
    if shares is not None:
        apart = float(np.max(np.abs(shares - np.array([r.probability.toArray() for r in rows]))))
        check(f"{name}: probabilities", apart <= 1e-12, f"{apart:.2g} apart")
    exported = tmp / "model.json"
    quern("export", "--model", directory, "--format", "json", "--output", exported, "--overwrite")
    importances = np.array([f["importance"] for f in json.loads(exported.read_text())["features"]])
    apart = float(np.max(np.abs(importances - model.featureImportances.toArray())))
    check(f"{name}: importances", apart <= 1e-12 and importances.max() < 1, f"{apart:.2g} apart")


def categorical_splits(directory, tmp):
    exported = tmp / "model.json"
    quern("export", "--model", directory, "--format", "json", "--output", exported, "--overwrite")
    trees = json.loads(exported.read_text())["trees"]
    return sum("left_categories" in node for tree in trees for node in tree["nodes"])


def ours_in_spark(kind, task, frame, rows_csv, tmp):
    name, directory = f"our {kind}, {task}", tmp / f"{kind}-{task}"
    options = ["--num-trees", 5, "--feature-subset-strategy", "all"] if kind == "forest" else []
    if task == "classification":
        options += ["--thresholds", "0.5", "1", "0.25", "2"] if kind == "forest" else ["--impurity", "entropy"]
    quern("fit", kind, "--input", rows_csv, "--label", "label" if task == "classification" else "score",
          "--features", ",".join(NAMES), "--categorical", ",".join(CATEGORIES), "--task", task, "--max-depth", 4,
          "--max-bins", 64, "--model", directory, "--runs-dir", "none", *options)
    check(f"{name}: has categorical splits", categorical_splits(directory, tmp) > 1, str(directory.name))
    model = KINDS[kind, task][1].load(str(directory))
    check(f"{name}: parameters", model.getOrDefault("maxDepth") == 4 and model.getOrDefault("maxBins") == 64,
          f"depth {model.getOrDefault('maxDepth')}, {model.numFeatures} features")
    compare(name, model, frame, directory, rows_csv, tmp, True)
    again = tmp / f"{kind}-{task}-again"  # and once more through Spark
    model.write().overwrite().save(str(again))
    compare(f"{name}, saved again by Spark", model, frame, again, rows_csv, tmp, False)


def sparks_in_ours(kind, task, frame, rows_csv, tmp):
    name, directory = f"Spark's {kind}, {task}", tmp / f"spark-{kind}-{task}"
    estimator = KINDS[kind, task][0](labelCol="label" if task == "classification" else "score", maxDepth=4, seed=3)
    if kind == "forest":
        estimator.setNumTrees(4)
    model = estimator.fit(frame)
    model.write().overwrite().save(str(directory))
    compare(name, model, frame, directory, rows_csv, tmp, False)


def main():
    need_shared()
    spark = session()
    tmp = pathlib.Path(tempfile.mkdtemp())
    features, label, score = make_rows()
    rows_csv = tmp / "rows.csv"
    write(rows_csv, features, label, score)
    rows = [tuple(map(float, r)) for r in np.column_stack([features, label, score])]
    frame = spark.createDataFrame(rows, [*NAMES, "label", "score"]).coalesce(1)
    frame = VectorAssembler(inputCols=NAMES, outputCol="raw").transform(frame)
    frame = VectorIndexer(inputCol="raw", outputCol="features", maxCategories=7).fit(frame).transform(frame).cache()
    for kind, task in KINDS:
        ours_in_spark(kind, task, frame, rows_csv, tmp)
        sparks_in_ours(kind, task, frame, rows_csv, tmp)
    end(spark)


if __name__ == "__main__":
    main()
