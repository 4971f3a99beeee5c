"""Trains beside real Spark, loads each other's directories, compares. Prints what it measured."""
import json
import pathlib
import subprocess
import tempfile

from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.recommendation import ALS, ALSModel

from beside import QUERN, SHARED, check, end, need_shared, quern, session


def predictions(path):
    """(user, item) -> prediction of a CSV that `quern predict` wrote."""
    lines = path.read_text().splitlines()
    head = lines[0].split(",")
    at = [head.index(c) for c in ("userId", "movieId", "prediction")]
    return {(int(c[at[0]]), int(c[at[1]])): float(c[at[2]]) for c in (line.split(",") for line in lines[1:])}


def compare(name, model, frame, csv, directory, tmp):
    """Spark's predictions and ours from one directory: float for float."""
    out = tmp / f"{name}.csv"
    quern("predict", "--model", directory, "--input", csv, "--output", out, "--overwrite")
    ours = predictions(out)
    theirs = {(r.userId, r.movieId): r.prediction for r in model.transform(frame).collect()}
    scored = {k: v for k, v in theirs.items() if v == v}
    worst = max((abs(ours[k] - v) for k, v in scored.items()), default=-1)
    check(f"{name}: predictions equal", 0 <= worst < 1e-6 and len(scored) > 100,
          f"{len(scored)} pairs, largest difference {worst:.2g}")


def main():
    need_shared()
    spark = session()
    tmp = pathlib.Path(tempfile.mkdtemp())
    lines = (SHARED / "data/ml-latest-small/ratings.csv").read_text().splitlines()
    train, test = tmp / "train.csv", tmp / "test.csv"
    train.write_text("\n".join([lines[0]] + [l for n, l in enumerate(lines[1:]) if n % 5]) + "\n")
    test.write_text("\n".join([lines[0]] + [l for n, l in enumerate(lines[1:]) if n % 5 == 0]) + "\n")
    schema = "userId int, movieId int, rating float, timestamp long"
    read = {p: spark.read.csv(str(p), header=True, schema=schema).cache() for p in (train, test)}
    columns = dict(userCol="userId", itemCol="movieId", ratingCol="rating")

    # Train beside each other: three seeds.
    rmse = {"spark": [], "quern": []}
    for seed in (1, 2, 3):
        model = ALS(rank=10, maxIter=10, regParam=0.1, seed=seed, coldStartStrategy="drop", **columns).fit(read[train])
        rmse["spark"].append(RegressionEvaluator(labelCol="rating").evaluate(model.transform(read[test])))
    for seed in (1, 2, 3):
        ours = quern("fit", "als", "--input", train, "--test", test, "--rank", 10, "--max-iter", 10, "--reg-param", 0.1,
                     "--seed", seed, "--model", tmp / f"ours{seed}", "--runs-dir", tmp / "runs")
        rmse["quern"].append(ours["metrics"]["rmse"])
    spread = max(rmse["spark"]) - min(rmse["spark"])
    gap = abs(sum(rmse["spark"]) - sum(rmse["quern"])) / 3
    check("trained beside: RMSE agrees", gap < max(spread, 0.005), str({k: [round(x, 4) for x in v] for k, v in rmse.items()}))

    # The same start, the same path: --init spark.
    model = ALS(rank=8, maxIter=5, regParam=0.1, seed=42, numUserBlocks=3, numItemBlocks=2, **columns).fit(read[train])
    quern("fit", "als", "--input", train, "--init", "spark", "--precision", "double", "--num-user-blocks", 3,
          "--num-item-blocks", 2, "--rank", 8, "--max-iter", 5, "--reg-param", 0.1, "--seed", 42,
          "--model", tmp / "same", "--runs-dir", tmp / "runs")
    mine = ALSModel.load(str(tmp / "same"))
    for side in ("userFactors", "itemFactors"):
        a = {r.id: r.features for r in getattr(model, side).collect()}
        b = {r.id: r.features for r in getattr(mine, side).collect()}
        scale = max(abs(x) for row in a.values() for x in row)
        worst = max(abs(x - y) for i in a for x, y in zip(a[i], b[i]))
        check(f"--init spark: {side} follow Spark's", a.keys() == b.keys() and worst / scale < 1e-4,
              f"{len(a)} rows, largest difference {worst / scale:.2g} of the largest factor")

    # Spark loads ours, with biases too; we load Spark's.
    compare("ours in Spark", ALSModel.load(str(tmp / "ours1")), read[test], test, tmp / "ours1", tmp)
    quern("fit", "als", "--input", train, "--bias", "full", "--model", tmp / "bias", "--runs-dir", tmp / "runs")
    compare("ours with biases in Spark", ALSModel.load(str(tmp / "bias")), read[test], test, tmp / "bias", tmp)
    model.write().overwrite().save(str(tmp / "theirs"))
    compare("Spark's in ours", model, read[test], test, tmp / "theirs", tmp)

    # The same top 10, place by place, but for items of an equal score (rare items rated alike by one user have
    # the same factors), which Spark leaves in any order.
    users = [1, 2, 3, 50, 600]
    theirs = {r.userId: [(x.movieId, x.rating) for x in r.recommendations] for r in
              model.recommendForUserSubset(spark.createDataFrame([(u,) for u in users], "userId int"), 10).collect()}
    run = subprocess.run([QUERN, "recommend", "--model", str(tmp / "theirs"), "--user", *map(str, users), "-k", "10",
                          "--json", "--quiet", "--runs-dir", str(tmp / "runs")],
                         capture_output=True, text=True, check=True)
    ours = {u: [] for u in users}
    for row in map(json.loads, run.stdout.splitlines()):
        if "item" in row:
            ours[row["user"]].append((row["item"], row["score"]))
    pairs = [(x, y) for u in users for x, y in zip(ours[u], theirs[u])]
    worst = max(abs(x[1] - y[1]) for x, y in pairs)
    moved = sum(x[0] != y[0] for x, y in pairs)
    check("recommendations equal", len(pairs) == 50 and worst < 5e-6,
          f"{len(pairs)} places, largest difference {worst:.2g}, {moved} places with another item of an equal score")
    end(spark)


main()
