"""Metrics of classes and curves beside real Spark's evaluators, with weights and with its groups of scores."""
import pathlib
import sys

import numpy as np
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
from pyspark.ml.linalg import Vectors

from beside import check, end, session

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from metrics_api import context, curve, judge

ROWS, CLASSES, CLOSE = 5000, 4, 1e-12
OURS = {"accuracy": "accuracy", "f1": "weighted_f1", "weightedPrecision": "weighted_precision",
        "weightedRecall": "weighted_recall", "weightedFalsePositiveRate": "weighted_fpr", "logLoss": "log_loss",
        "hammingLoss": "hamming_loss"}

spark, ctx, rng = session(), context(), np.random.default_rng(3)
weight = np.round(rng.uniform(.1, 3, ROWS), 3)


def compare(name, ours, theirs):
    check(name, abs(ours - theirs) <= CLOSE, f"{ours:.12f}, Spark {theirs:.12f}")


def floats(row):
    return tuple(float(v) for v in row)


# Scores with ties; one partition, because Spark groups the scores of each partition by itself.
score = np.round(rng.random(ROWS), 4)
label = (rng.random(ROWS) < score).astype(float)
frame = spark.createDataFrame([floats(row) for row in zip(score, label, weight)],
                              "rawPrediction double, label double, weight double").coalesce(1).cache()
spark.conf.set("spark.sql.shuffle.partitions", "1")
for bins in (0, 1000, 300):
    for w in (None, weight):
        evaluator = BinaryClassificationEvaluator(numBins=bins)
        if w is not None:
            evaluator.setWeightCol("weight")
        made = curve(ctx, score, label, w, bins)
        what = f"numBins {bins}, {'no weights' if w is None else 'weights'}"
        compare(f"area under ROC, {what}", made["area_under_roc"],
                evaluator.setMetricName("areaUnderROC").evaluate(frame))
        compare(f"area under PR, {what}", made["area_under_pr"],
                evaluator.setMetricName("areaUnderPR").evaluate(frame))

probability = rng.dirichlet(np.full(CLASSES, .5), ROWS)
label = rng.integers(0, CLASSES, ROWS).astype(float)
said = probability.argmax(1).astype(float)
frame = spark.createDataFrame([(*floats(row), Vectors.dense(p)) for *row, p in zip(label, said, weight, probability)],
                              ["label", "prediction", "weight", "probability"]).cache()
for w in (None, weight):
    made = judge(ctx, CLASSES, label, said, w, probability)
    for theirs, ours in OURS.items():
        evaluator = MulticlassClassificationEvaluator(metricName=theirs)
        if w is not None:
            evaluator.setWeightCol("weight")
        compare(f"{theirs}, {'no weights' if w is None else 'weights'}", made[ours], evaluator.evaluate(frame))
end(spark)
