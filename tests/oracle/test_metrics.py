"""Metrics of classes and curves by the C API, beside scikit-learn."""
import pathlib
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from metrics_api import context, curve, judge, lib


@pytest.fixture(scope="module")
def ctx():
    made = context()
    yield made
    lib.qn_context_free(made)


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
