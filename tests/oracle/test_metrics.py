"""Metrics of classes and curves by the C API, beside scikit-learn."""
import ctypes
import pathlib
import warnings
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_void_p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from conftest import QUERN

lib = ctypes.CDLL(str(pathlib.Path(QUERN).parent / "libquern.so"))
lib.qn_context_error.restype = c_char_p
lib.qn_context_free.argtypes = [c_void_p]
Doubles, Counts = POINTER(c_double), POINTER(c_int64)


class ClassRows(ctypes.Structure):
    _fields_ = [("n_classes", c_int32), ("n", c_int64), ("label", c_void_p), ("prediction", c_void_p),
                ("weight", c_void_p), ("probability", c_void_p)]


class ClassMetrics(ctypes.Structure):
    _fields_ = [("n_classes", c_int32), ("n", c_int64), ("weight_sum", c_double), ("accuracy", c_double),
                ("hamming_loss", c_double), ("weighted_precision", c_double), ("weighted_recall", c_double),
                ("weighted_f1", c_double), ("weighted_fpr", c_double), ("macro_f1", c_double), ("mean_iou", c_double),
                ("log_loss", c_double), ("n_present", c_int32), ("rows", Counts), ("confusion", Doubles),
                ("label", Doubles), ("predicted", Doubles), ("precision", Doubles), ("recall", Doubles),
                ("false_rate", Doubles), ("f1", Doubles), ("iou", Doubles)]


class ScoredRows(ctypes.Structure):
    _fields_ = [("n", c_int64), ("score", c_void_p), ("label", c_void_p), ("weight", c_void_p)]


class BinaryMetrics(ctypes.Structure):
    _fields_ = [("area_under_roc", c_double), ("area_under_pr", c_double), ("roc_error", c_double),
                ("positives", c_double), ("negatives", c_double), ("n_scores", c_int64), ("n", c_int64),
                ("threshold", Doubles), ("true_rate", Doubles), ("false_rate", Doubles), ("precision", Doubles)]


def address(array):
    return None if array is None else array.ctypes.data


@pytest.fixture(scope="module")
def ctx():
    made = c_void_p()
    assert lib.qn_context_create(None, byref(made)) == 0
    yield made
    lib.qn_context_free(made)


def judge(ctx, k, label, said, weight=None, probability=None):
    """A dictionary of numbers and arrays."""
    rows = ClassRows(k, len(label), address(label), address(said), address(weight), address(probability))
    out = ClassMetrics()
    assert lib.qn_classes_evaluate(ctx, byref(rows), byref(out)) == 0, lib.qn_context_error(ctx)
    made = {name: getattr(out, name) for name, kind in ClassMetrics._fields_ if kind in (c_double, c_int32, c_int64)}
    made |= {name: np.array(getattr(out, name)[:k]) for name, kind in ClassMetrics._fields_ if kind in (Doubles, Counts)}
    made["confusion"] = np.array(out.confusion[:k * k]).reshape(k, k)
    lib.qn_class_metrics_release(byref(out))
    return made


def curve(ctx, score, label, weight=None, num_bins=0):
    rows = ScoredRows(len(score), address(score), address(label), address(weight))
    out = BinaryMetrics()
    assert lib.qn_binary_evaluate(ctx, byref(rows), c_int64(num_bins), byref(out)) == 0, lib.qn_context_error(ctx)
    made = {name: getattr(out, name) for name, kind in BinaryMetrics._fields_ if kind in (c_double, c_int64)}
    made |= {name: np.array(getattr(out, name)[:out.n]) for name, kind in BinaryMetrics._fields_ if kind is Doubles}
    lib.qn_binary_metrics_release(byref(out))
    return made


def weights(rng, n, kind):
    return {"none": None, "whole": rng.integers(1, 5, n).astype(float), "real": rng.uniform(0.01, 3, n)}[kind]


cases = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(2, 9), st.sampled_from(["none", "whole", "real"]))


@settings(max_examples=80, deadline=None)
@given(cases)
def test_classes_are_judged_as_by_scikit_learn(ctx, case):
    seed, n, k, kind = case
    rng = np.random.default_rng(seed)
    label = rng.integers(0, k, n).astype(float)
    said = np.where(rng.random(n) < 0.6, label, rng.integers(0, k, n)).astype(float)
    probability = rng.dirichlet(np.full(k, 0.5), n)
    weight = weights(rng, n, kind)
    m = judge(ctx, k, label, said, weight, probability)
    there = np.unique(np.concatenate([label, said]))
    close = lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            label, said, labels=range(k), sample_weight=weight, zero_division=0)
        close(m["precision"], precision)
        close(m["recall"], recall)
        close(m["f1"], f1)
        close(m["iou"], sk.jaccard_score(label, said, labels=range(k), average=None, sample_weight=weight,
                                         zero_division=0))
        close(m["weighted_precision"], sk.precision_score(label, said, average="weighted", sample_weight=weight,
                                                          zero_division=0))
        close(m["weighted_f1"], sk.f1_score(label, said, average="weighted", sample_weight=weight, zero_division=0))
        close(m["macro_f1"], sk.f1_score(label, said, average="macro", sample_weight=weight, zero_division=0))
        close(m["mean_iou"], sk.jaccard_score(label, said, labels=there, average="macro", sample_weight=weight,
                                              zero_division=0))
    close(m["accuracy"], sk.accuracy_score(label, said, sample_weight=weight))
    close(m["weighted_recall"], m["accuracy"])
    close(m["hamming_loss"], sk.hamming_loss(label, said, sample_weight=weight))
    close(m["confusion"], sk.confusion_matrix(label, said, labels=range(k), sample_weight=weight))
    own = np.clip(probability[np.arange(n), label.astype(int)], 1e-15, 1 - 1e-15)
    close(m["log_loss"], np.average(-np.log(own), weights=weight))
    assert m["n"] == n and m["n_present"] == len(there)


@settings(max_examples=80, deadline=None)
@given(cases, st.integers(1, 60))
def test_curves_are_those_of_scikit_learn(ctx, case, levels):
    seed, n, _, kind = case
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=n) * levels) / levels  # ties, and scores below 0 and above 1
    label = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(float)
    weight = weights(rng, n, kind)
    if label.min() == label.max():
        return
    m = curve(ctx, score, label, weight)

    false_rate, true_rate, threshold = sk.roc_curve(label, score, sample_weight=weight, drop_intermediate=False)
    np.testing.assert_allclose(m["area_under_roc"], sk.roc_auc_score(label, score, sample_weight=weight), rtol=1e-11)
    np.testing.assert_allclose(m["false_rate"], false_rate[1:], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(m["true_rate"], true_rate[1:], rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(m["threshold"], threshold[1:])
    precision, recall, _ = sk.precision_recall_curve(label, score, sample_weight=weight)
    precision, recall = precision[:-1][::-1], recall[:-1][::-1]
    keep = slice(0, len(m["precision"]))
    np.testing.assert_allclose(m["precision"][:len(precision)], precision[keep], rtol=1e-11)
    ours = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
    np.testing.assert_allclose(m["area_under_pr"], ours(np.r_[m["precision"][0], m["precision"]],
                                                        np.r_[0, m["true_rate"]]), rtol=1e-11)
    assert m["roc_error"] == 0 and m["n_scores"] == len(np.unique(score))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(200, 3000), st.integers(3, 60))
def test_fewer_points_lie_on_the_curve(ctx, seed, n, bins):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    label = (rng.random(n) < score).astype(float)
    whole, few = curve(ctx, score, label), curve(ctx, score, label, num_bins=bins)

    size = n // bins
    assert few["n"] == (-(-n // size) if size >= 2 else n)
    points = set(zip(whole["threshold"], whole["false_rate"], whole["true_rate"]))
    assert all(p in points for p in zip(few["threshold"], few["false_rate"], few["true_rate"]))
    assert abs(few["area_under_roc"] - whole["area_under_roc"]) < 2 / bins
    order = rng.permutation(n)
    again = curve(ctx, score[order].copy(), label[order].copy(), num_bins=bins)
    assert again["area_under_roc"] == few["area_under_roc"] and again["area_under_pr"] == few["area_under_pr"]
