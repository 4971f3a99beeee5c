"""Metrics of classes and curves by the C API."""
import ctypes
import os
import pathlib
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_void_p

import numpy as np

lib = ctypes.CDLL(str(pathlib.Path(os.environ["QN_QUERN"]).parent / "libquern.so"))
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


def numbers(out, kinds):
    return {name: getattr(out, name) for name, kind in out._fields_ if kind in kinds}


def context():
    made = c_void_p()
    assert lib.qn_context_create(None, byref(made)) == 0
    return made


def judge(ctx, k, label, said, weight=None, probability=None):
    """qn_class_metrics as a dictionary of numbers and arrays."""
    rows = ClassRows(k, len(label), address(label), address(said), address(weight), address(probability))
    out = ClassMetrics()
    assert lib.qn_classes_evaluate(ctx, byref(rows), byref(out)) == 0, lib.qn_context_error(ctx)
    made = numbers(out, (c_double, c_int32, c_int64))
    made |= {name: np.array(array[:k]) for name, array in numbers(out, (Doubles, Counts)).items()}
    made["confusion"] = np.array(out.confusion[:k * k]).reshape(k, k)
    lib.qn_class_metrics_release(byref(out))
    return made


def curve(ctx, score, label, weight=None, num_bins=0):
    """qn_binary_metrics as a dictionary of numbers and arrays."""
    rows = ScoredRows(len(score), address(score), address(label), address(weight))
    out = BinaryMetrics()
    assert lib.qn_binary_evaluate(ctx, byref(rows), c_int64(num_bins), byref(out)) == 0, lib.qn_context_error(ctx)
    made = numbers(out, (c_double, c_int64))
    made |= {name: np.array(array[:out.n]) for name, array in numbers(out, (Doubles,)).items()}
    lib.qn_binary_metrics_release(byref(out))
    return made
