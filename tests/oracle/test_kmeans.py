"""K-means against scikit-learn: the same start, the same centres; and what Spark does otherwise, against numpy."""
import pathlib
import tempfile
import warnings

import numpy as np
from hypothesis import assume, given, settings, strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from conftest import quern


def write(path, rows, names=True):
    head = [",".join(f"x{j}" for j in range(rows.shape[1]))] if names else []
    path.write_text("\n".join(head + [",".join(repr(float(v)) for v in r) for r in rows]) + "\n")


def fit(tmp, rows, start, *more, iterations=50):
    write(tmp / "rows.csv", rows)
    write(tmp / "start.csv", start)
    quern("fit", "kmeans", "--input", tmp / "rows.csv", "--k", len(start), "--init-mode", tmp / "start.csv",
          "--max-iter", iterations, "--tol", 0, "--model", tmp / "model", "--overwrite", "--runs-dir", "none", *more)
    return quern("inspect", tmp / "model")


def centres(model):
    return np.array(model["centres"])


def empties(rows, start, iterations):
    """Whether a cluster is nobody's nearest at any time."""
    centre = start
    for _ in range(iterations):
        label = ((rows[:, None, :] - centre[None]) ** 2).sum(2).argmin(1)
        if np.bincount(label, minlength=len(start)).min() == 0:
            return True
        centre = np.array([rows[label == c].mean(0) for c in range(len(start))])
    return False


points = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(seed=points, k=st.integers(2, 9), d=st.integers(1, 20), n=st.integers(60, 400),
       precision=st.sampled_from(["float", "double"]), threads=st.integers(1, 3))
def test_centres_are_those_of_scikit_learn(seed, k, d, n, precision, threads):
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 6, (k, d))
    # What a float holds, so that both see the same numbers.
    rows = (true[rng.integers(0, k, n)] + rng.normal(0, 1, (n, d))).astype(np.float32).astype(np.float64)
    start = rows[rng.choice(n, k, replace=False)]
    # scikit-learn moves the centre of a cluster that becomes empty on the way, Spark and we keep it.
    assume(not empties(rows, start, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = KMeans(k, init=start, n_init=1, max_iter=50, tol=0, algorithm="lloyd").fit(rows)
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        model = fit(tmp, rows, start, "--precision", precision, "--threads", threads)
        judged = quern("evaluate", "--model", tmp / "model", "--input", tmp / "rows.csv", "--runs-dir", "none")
    np.testing.assert_allclose(centres(model), theirs.cluster_centers_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model["cost"], theirs.inertia_, rtol=1e-9)
    assert judged["cluster_sizes"] == np.bincount(theirs.predict(rows), minlength=k).tolist()
    np.testing.assert_allclose(judged["cost"], theirs.inertia_, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=points, k=st.integers(2, 5), n=st.integers(10, 60))
def test_silhouette_is_that_of_squared_distances(seed, k, n):
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 3, (n, 3)).round(2)
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        model = fit(tmp, rows, rows[:k], "--precision", "double")
        judged = quern("evaluate", "--model", tmp / "model", "--input", tmp / "rows.csv", "--precision", "double",
                       "--runs-dir", "none")
    found = centres(model)
    distance = ((rows[:, None, :] - found[None]) ** 2).sum(2)
    labels = distance.argmin(1)
    assume(len(set(labels)) > 1)
    pairs = ((rows[:, None, :] - rows[None]) ** 2).sum(2)
    np.testing.assert_allclose(judged["silhouette"], silhouette_score(pairs, labels, metric="precomputed"), rtol=1e-9,
                               atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=points, k=st.integers(2, 6), rounds=st.integers(0, 6))
def test_weights_ties_and_empty_clusters_are_those_of_spark(seed, k, rounds):
    """Small whole numbers: many equal distances, many equal points, empty clusters; every step in numpy."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, (30, 2)).astype(np.float64)
    weight = rng.integers(0, 4, 30).astype(np.float64)
    start = np.vstack([rows[rng.choice(30, k - 1, replace=False)], [[50, 50]]])  # the last one is nobody's nearest
    centre, cost = start.copy(), None
    for _ in range(rounds):
        distance = ((rows[:, None, :] - centre[None]) ** 2).sum(2)
        label = distance.argmin(1)
        cost = float((weight * distance.min(1)).sum())
        before = centre.copy()
        for c in range(k):
            mine = label == c
            if weight[mine].sum() > 0:
                centre[c] = (rows[mine] * weight[mine, None]).sum(0) / weight[mine].sum()
        if (((centre - before) ** 2).sum(1) <= 0).all():
            break
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        write(tmp / "rows.csv", np.column_stack([rows, weight]))
        write(tmp / "start.csv", start)
        quern("fit", "kmeans", "--input", tmp / "rows.csv", "--weight", "x2", "--k", k, "--init-mode", tmp / "start.csv",
              "--max-iter", rounds, "--tol", 0, "--precision", "double", "--model", tmp / "model", "--runs-dir", "none")
        model = quern("inspect", tmp / "model")
    np.testing.assert_allclose(centres(model), centre, rtol=1e-12, atol=1e-12)
    if cost is not None:
        np.testing.assert_allclose(model["training_cost"], cost, rtol=1e-12, atol=1e-9)
