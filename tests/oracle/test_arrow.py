"""Arrow producers as they are: pyarrow tables and polars frames handed to libquern, beside numpy and the program."""
import ctypes
import datetime
import decimal
import pathlib
from ctypes import POINTER, byref, c_bool, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_void_p

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest

from conftest import QUERN, quern

lib = ctypes.CDLL(str(pathlib.Path(QUERN).parent / "libquern.so"))
lib.qn_context_error.restype = c_char_p
lib.qn_params_find.restype = c_void_p
lib.qn_context_free.argtypes = lib.qn_source_free.argtypes = lib.qn_matrix_free.argtypes = [c_void_p]
lib.qn_kmeans_free.argtypes = [c_void_p]


class Table(ctypes.Structure):
    """qn_params."""
    _fields_ = [("name", c_char_p), ("param", c_void_p), ("n", c_int64), ("struct_size", c_size_t)]


class Features(ctypes.Structure):
    _fields_ = [("feature", c_void_p), ("n", c_int32), ("width", c_int32), ("has_names", c_bool),
                ("categories", c_int), ("label", c_char_p), ("weight", c_char_p)]


class Matrix(ctypes.Structure):
    """The beginning of qn_matrix."""
    _fields_ = [("features", Features), ("n_features", c_int32), ("is_double", c_bool), ("has_label", c_bool),
                ("has_weight", c_bool), ("n_rows", c_int64)]


class Use(ctypes.Structure):
    """qn_matrix_use."""
    _fields_ = [("features", c_void_p), ("categories", c_int), ("keep_label", c_bool), ("allow_missing", c_bool)]


class Library:
    """A context, and calls with it that raise its message."""

    def __init__(self):
        self.ctx, self.kept = c_void_p(), []
        assert lib.qn_context_create(None, byref(self.ctx)) == 0

    def close(self):
        lib.qn_context_free(self.ctx)

    def __call__(self, name, *args):
        if getattr(lib, name)(self.ctx, *args) != 0:
            raise ValueError(lib.qn_context_error(self.ctx).decode())

    def options(self, table, **values):
        """The struct that a table describes, its defaults and then `values`."""
        table = Table.in_dll(lib, table)
        struct = ctypes.create_string_buffer(table.struct_size)
        lib.qn_params_init(byref(table), struct)
        for name, value in values.items():
            for text in value if isinstance(value, list) else [value]:
                self.kept.append(str(text).encode())  # borrowed
                param = c_void_p(lib.qn_params_find(byref(table), name.encode()))
                self("qn_param_set", param, struct, self.kept[-1])
        return struct

    def matrix(self, producer, **options):
        """Reads whatever has __arrow_c_stream__."""
        capsule = producer.__arrow_c_stream__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]
        source, matrix = c_void_p(), POINTER(Matrix)()
        use = Use(allow_missing=options.get("on_missing") == "keep")
        self("qn_source_from_arrow", c_void_p(pointer(capsule, b"arrow_array_stream")), byref(source))
        try:
            self("qn_matrix_from_source", source, self.options("qn_matrix_table", **options), byref(use), byref(matrix))
        finally:
            lib.qn_source_free(source)
        return matrix

    def read(self, producer, **options):
        """Its rows as numpy has them."""
        matrix = self.matrix(producer, **options)
        shape = matrix[0].n_rows, matrix[0].n_features
        rows, numbers = np.empty(shape), np.arange(shape[0])
        self("qn_matrix_rows", matrix, c_int64(shape[0]), numbers.ctypes.data_as(POINTER(c_int64)),
             rows.ctypes.data_as(POINTER(c_double)))
        lib.qn_matrix_free(matrix)
        return rows

    def kmeans(self, producer, **params):
        """Digest of the model."""
        matrix, model = self.matrix(producer, precision="double"), c_void_p()
        digest = ctypes.create_string_buffer(33)
        self("qn_kmeans_fit", self.options("qn_kmeans_table", **params), matrix, byref(model))
        lib.qn_kmeans_digest(model, digest)
        lib.qn_kmeans_free(model)
        lib.qn_matrix_free(matrix)
        return digest.value.decode()


@pytest.fixture
def library():
    library = Library()
    yield library
    library.close()


def check(found, *columns, kind=np.float64):
    """Bit for bit, NaN where a value is missing."""
    np.testing.assert_array_equal(found, np.column_stack([np.asarray(c, np.float64) for c in columns]).astype(kind))


def numbers(n, seed=7):
    """A column of each type of number: name, type, values."""
    rng = np.random.default_rng(seed)
    for bits in (8, 16, 32, 64):
        for kind in (f"int{bits}", f"uint{bits}"):
            ends = np.iinfo(kind)
            yield kind, getattr(pa, kind)(), rng.integers(ends.min, ends.max, n, dtype=kind, endpoint=True)
    yield "float", pa.float32(), rng.normal(0, 1e3, n).astype(np.float32)
    yield "double", pa.float64(), rng.normal(0, 1e-3, n)
    yield "bool", pa.bool_(), rng.integers(0, 2, n).astype(bool)


def batches(table, sizes):
    """The table in record batches of these sizes, each a slice with an offset of its own."""
    at, out = 0, []
    for size in sizes:
        out += table.slice(at, size).to_batches()
        at += size
    return pa.Table.from_batches(out)


@pytest.mark.parametrize("precision, kind", [("double", np.float64), ("float", np.float32)])
def test_numbers_of_every_type(library, precision, kind):
    columns = {name: pa.array(values, type) for name, type, values in numbers(1000)}
    table = batches(pa.table(columns), [1, 500, 0, 63, 64, 371, 1]).slice(3, 990)
    wanted = [values[3:993].astype(np.float64) for _, _, values in numbers(1000)]
    check(library.read(table, precision=precision), *wanted, kind=kind)
    check(library.read(pl.from_arrow(table), precision=precision), *wanted, kind=kind)


def test_missing_values_are_skipped_kept_or_named(library):
    rng = np.random.default_rng(3)
    holes = [rng.random(300) < share for share in (0, .02, .05)]
    values = [rng.normal(0, 1, 300) for _ in holes]
    table = pa.table({f"x{i}": pa.array(v, mask=h) for i, (v, h) in enumerate(zip(values, holes))}).slice(11, 280)
    kept = np.column_stack([np.where(h, np.nan, v) for v, h in zip(values, holes)])[11:291]
    for producer in (table, pl.from_arrow(table)):
        check(library.read(producer, precision="double", on_missing="keep"), kept)
        check(library.read(producer, precision="double", on_missing="skip"), kept[~np.isnan(kept).any(1)])
        with pytest.raises(ValueError, match=f"row {np.isnan(kept).any(1).argmax()} of split 0, column x"):
            library.read(producer)


def test_decimals_times_and_dictionaries(library):
    cents = [-105, 0, 99999999999, 1, -3]
    money = pa.array([decimal.Decimal(c).scaleb(-2) for c in cents], pa.decimal128(20, 2))
    moments = [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=7 * i) for i in range(5)]
    seconds = [m.replace(tzinfo=datetime.timezone.utc).timestamp() for m in moments]
    words = ["1.5", "-2", "1.5", "300", "1e-3"]
    table = pa.table({"money": money, "at": pa.array(moments, pa.timestamp("ms")), "word": pa.array(words),
                      "coded": pa.array(words).dictionary_encode()})
    wanted = [[c / 100 for c in cents], seconds, [float(w) for w in words], [float(w) for w in words]]
    # Texts are numbers in expressions only.
    options = {"precision": "double", "features": "money,at,w,c", "feature": ["w=word+0", "c=coded+0"]}
    check(library.read(table, **options), *wanted)
    check(library.read(table.slice(2, 2), **options), *[w[2:4] for w in wanted])
    check(library.read(pl.from_arrow(table), **options), *wanted)
    check(library.read(table, precision="double"), wanted[0])  # what is a number by itself


def test_lists_and_expressions(library):
    values = np.arange(60, dtype=np.float32).reshape(20, 3) / 7
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 3)
    loose = pa.array([list(map(float, row)) for row in values.astype(np.float64)], pa.list_(pa.float64()))
    table = pa.table({"fixed": fixed, "loose": loose, "n": pa.array(range(20), pa.uint16())}).slice(4, 12)
    mine = values[4:16].astype(np.float64)
    options = {"precision": "double", "features": "fixed[2],loose[0],n", "feature": "r=loose[1]/(n+1)"}
    wanted = [mine[:, 2], mine[:, 0], range(4, 16), mine[:, 1] / np.arange(5, 17)]
    check(library.read(table, **options), *wanted)
    check(library.read(pl.from_arrow(table), **options), *wanted)
    check(library.read(table.select(["fixed"]), num_features=3), mine)
    with pytest.raises(ValueError, match="read only once.*fixed.*--num-features"):
        library.read(table.select(["fixed"]))


def test_a_producer_that_fails_is_quoted(library):
    schema = pa.schema([("x", pa.float64())])

    def rows():
        yield pa.record_batch([pa.array([1.0, 2.0])], schema)
        raise OSError("the disk went away")

    with pytest.raises(ValueError, match="the disk went away"):
        library.read(pa.RecordBatchReader.from_batches(schema, rows()))


def test_kmeans_of_a_stream_is_that_of_one_file(library, tmp_path):
    """One split each, so the same cells: 65,536 rows and the rest, whatever the batches."""
    rng = np.random.default_rng(1)
    rows = (rng.normal(0, 5, (6, 4))[rng.integers(0, 6, 80000)] + rng.normal(0, 1, (80000, 4))).round(4)
    table = pa.table({f"x{j}": rows[:, j] for j in range(4)})
    pa.csv.write_csv(table, tmp_path / "rows.csv")
    wanted = quern("fit", "kmeans", "--input", tmp_path / "rows.csv", "--k", 6, "--seed", 2, "--max-iter", 5,
                   "--precision", "double", "--runs-dir", "none")
    assert wanted["counts"]["splits"] == 1 and wanted["counts"]["cells"] == 2
    params = {"k": 6, "seed": 2, "max_iter": 5}
    for producer in (table, batches(table, [1, 64999, 1000, 13999, 1]), pl.from_arrow(table)):
        assert library.kmeans(producer, **params) == wanted["model_digest"]
