"""ALS against numpy: the same initial factors, the same sweeps in float64, the same factors."""
import csv
import tempfile

import numpy as np
import pyarrow.parquet as pq
from hypothesis import given, settings, strategies as st

from conftest import quern


def write(path, rows):
    with open(path, "w", newline="") as fh:
        out = csv.writer(fh)
        out.writerow(["userId", "movieId", "rating"])
        out.writerows(rows)


def factors(model, side):
    table = pq.read_table(f"{model}/{side}Factors")
    order = np.argsort(table["id"].to_numpy())
    return table["id"].to_numpy()[order], np.array(table["features"].to_pylist(), np.float64)[order]


def solve(rows, cols, rating, fixed, n, reg, implicit, alpha):
    """One half step of Spark's ALS in float64: n rows, `cols` index the fixed side."""
    k = fixed.shape[1]
    out = np.zeros((n, k))
    base = fixed.T @ fixed if implicit else np.zeros((k, k))
    for r in range(n):
        mine = rows == r
        y, x = fixed[cols[mine]], rating[mine]
        if implicit:
            c = alpha * np.abs(x)
            a = base + (y * c[:, None]).T @ y
            b = ((1 + c) * (x > 0)) @ y
            count = int((x > 0).sum())
        else:
            a, b, count = base + y.T @ y, x @ y, len(x)
        out[r] = np.linalg.solve(a + reg * count * np.eye(k), b)
    return out


ratings = st.lists(st.tuples(st.integers(-5, 12), st.integers(100, 109), st.sampled_from([.5, 1, 2.5, 4, 5])),
                   min_size=5, max_size=60)


@settings(max_examples=25, deadline=None)
@given(rows=ratings, rank=st.integers(1, 9), seed=st.integers(-2**63, 2**63 - 1),
       implicit=st.booleans(), precision=st.sampled_from(["float", "double"]))
def test_sweeps_equal_numpy(rows, rank, seed, implicit, precision):
    with tempfile.TemporaryDirectory() as tmp:
        write(f"{tmp}/r.csv", rows)
        options = ["--input", f"{tmp}/r.csv", "--rank", rank, "--seed", seed, "--reg-param", 0.3, "--alpha", 2,
                   "--precision", precision, "--runs-dir", f"{tmp}/runs"]
        if implicit:
            options.append("--implicit-prefs")
        quern("fit", "als", *options, "--max-iter", 0, "--model", f"{tmp}/start")
        quern("fit", "als", *options, "--max-iter", 2, "--model", f"{tmp}/end")
        users, x = factors(f"{tmp}/start", "user")
        items, y = factors(f"{tmp}/start", "item")
        assert np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
        u = np.searchsorted(users, [r[0] for r in rows])
        i = np.searchsorted(items, [r[1] for r in rows])
        value = np.array([r[2] for r in rows])
        for _ in range(2):
            y = solve(i, u, value, x, len(items), 0.3, implicit, 2)
            x = solve(u, i, value, y, len(users), 0.3, implicit, 2)
        tolerance = 1e-5 if precision == "double" else 2e-3
        assert np.allclose(factors(f"{tmp}/end", "user")[1], x, rtol=tolerance, atol=tolerance)
        assert np.allclose(factors(f"{tmp}/end", "item")[1], y, rtol=tolerance, atol=tolerance)


@settings(max_examples=15, deadline=None)
@given(rows=ratings, seed=st.integers(0, 1000), data=st.data())
def test_order_and_format_do_not_change_the_model(rows, seed, data):
    shuffled = data.draw(st.permutations(rows))
    with tempfile.TemporaryDirectory() as tmp:
        write(f"{tmp}/a.csv", rows)
        with open(f"{tmp}/b.dat", "w") as fh:
            fh.writelines(f"{u}::{i}::{r}\n" for u, i, r in shuffled)
        digests = {quern("fit", "als", "--input", f"{tmp}/{name}", "--rank", 3, "--max-iter", 2, "--seed", seed,
                         "--runs-dir", f"{tmp}/runs", "--model", f"{tmp}/{name}.model")["model_digest"]
                   for name in ("a.csv", "b.dat")}
        assert len(digests) == 1
