"""K-means beside real Spark: the same start, the same centres; each loads the other's directories; the same
predictions, costs and silhouettes."""
import csv
import pathlib
import tempfile

import numpy as np
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.mllib.clustering import KMeans as OldKMeans, KMeansModel as OldKMeansModel

from beside import SHARED, check, end, need_shared, quern, session

WIDTH, K = 5, 6


def write(path, names, rows):
    with open(path, "w", newline="") as fh:
        out = csv.writer(fh)
        out.writerow(names)
        out.writerows([repr(float(v)) for v in row] for row in rows)


def centres(model):
    return np.array(model["centres"])


def predictions(path):
    with open(path) as fh:
        return [int(row["prediction"]) for row in csv.DictReader(fh)]


def compare(name, model, frame, rows_csv, directory, measure, tmp):
    """Spark's predictions and silhouette and ours, from one directory."""
    out = tmp / f"{name}.csv"
    quern("predict", "--model", directory, "--input", rows_csv, "--output", out, "--overwrite")
    ours, theirs = predictions(out), model.transform(frame)
    labels = [r.prediction for r in theirs.collect()]
    check(f"{name}: predictions equal", ours == labels and len(ours) > 100, f"{len(ours)} rows")
    silhouette = ClusteringEvaluator(distanceMeasure="cosine" if measure == "cosine" else "squaredEuclidean").evaluate(theirs)
    judged = quern("evaluate", "--model", directory, "--input", rows_csv, "--precision", "double", "--runs-dir", "none")
    check(f"{name}: silhouettes equal", abs(judged["silhouette"] - silhouette) < 1e-9,
          f"{silhouette:.12f}, difference {judged['silhouette'] - silhouette:.2g}")


def main():
    need_shared()
    spark = session()
    tmp = pathlib.Path(tempfile.mkdtemp())
    rng = np.random.default_rng(5)
    rows = rng.normal(0, 4, (K, WIDTH))[rng.integers(0, K, 3000)] + rng.normal(0, 1.5, (3000, WIDTH))
    names = [f"x{j}" for j in range(WIDTH)]
    rows_csv, start_csv = tmp / "rows.csv", tmp / "start.csv"
    write(rows_csv, names, rows)
    write(start_csv, names, rows[:K])
    frame = spark.createDataFrame([tuple(map(float, r)) for r in rows], names).coalesce(1)
    frame = VectorAssembler(inputCols=names, outputCol="features").transform(frame).cache()

    # The same start, the same path.
    for iterations in (1, 3, 40):
        theirs = OldKMeans.train(frame.rdd.map(lambda r: r.features.toArray()), K, maxIterations=iterations, seed=1,
                                 epsilon=0.0, initialModel=OldKMeansModel([r for r in rows[:K]]))
        quern("fit", "kmeans", "--input", rows_csv, "--k", K, "--init-mode", start_csv, "--max-iter", iterations,
              "--tol", 0, "--precision", "double", "--model", tmp / f"ours{iterations}", "--runs-dir", "none")
        worst = np.abs(centres(quern("inspect", tmp / f"ours{iterations}")) - np.array(theirs.centers)).max()
        check(f"{iterations} iterations from the same start: centres equal", worst < 1e-9, f"largest difference {worst:.2g}")

    # Spark loads ours, we load Spark's, for both measures.
    for measure in ("euclidean", "cosine"):
        ours, theirs = tmp / f"ours-{measure}", tmp / f"theirs-{measure}"
        run = quern("fit", "kmeans", "--input", rows_csv, "--k", K, "--distance-measure", measure, "--seed", 3,
                    "--precision", "double", "--model", ours, "--runs-dir", "none")
        compare(f"ours in Spark, {measure}", KMeansModel.load(str(ours)), frame, rows_csv, ours, measure, tmp)
        model = KMeans(k=K, seed=3, distanceMeasure=measure).fit(frame)
        model.write().overwrite().save(str(theirs))
        compare(f"Spark's in ours, {measure}", model, frame, rows_csv, theirs, measure, tmp)
        # Both searched from their own random start: neither may be far from the other.
        cost = [run["metrics"]["training_cost"], model.summary.trainingCost]
        check(f"trained beside, {measure}: costs alike", abs(cost[0] - cost[1]) < 0.25 * min(cost),
              f"ours {cost[0]:.6g}, Spark's {cost[1]:.6g}")

    # Spark's sample (T5): two clusters, both find the same.
    sample = SHARED / "data/spark/sample_kmeans_data.txt"
    data = spark.read.format("libsvm").load(str(sample))
    silhouette = ClusteringEvaluator().evaluate(KMeans(k=2, seed=1).fit(data).transform(data))
    quern("fit", "kmeans", "--input", sample, "--format", "libsvm", "--k", 2, "--seed", 1, "--precision", "double",
          "--model", tmp / "sample", "--runs-dir", "none")
    judged = quern("evaluate", "--model", tmp / "sample", "--input", sample, "--format", "libsvm", "--precision", "double",
                   "--runs-dir", "none")
    check("sample_kmeans_data: silhouettes equal", abs(judged["silhouette"] - silhouette) < 1e-12, f"{silhouette:.16f}")
    end(spark)


main()
