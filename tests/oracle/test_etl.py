"""Ratings into data sets against a plain reader in Python: the same rows, one reason for each dropped one, at any
split, with any threads, delivered at once or file by file."""
import csv
import datetime
import pathlib
import re
import tempfile

import pyarrow.dataset
from hypothesis import assume, given, settings, strategies as st

from conftest import quern

MISSING = {"", "NULL", "null", "NA", "\\N"}
REASONS = ["malformed", "null", "outOfRange"]


def whole(text):
    """A value and no reason, or a reason."""
    if text in MISSING:
        return None, "null"
    if not re.fullmatch(r"[+-]?\d+(\.0*)?", text):
        return None, "malformed"
    value = int(text.split(".")[0])
    return (value, None) if -2**31 <= value < 2**31 else (None, "outOfRange")


def rating(text):
    if text in MISSING:
        return None, "null"
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text):
        return None, "malformed"
    return (float(text), None) if float(text) == int(float(text)) <= 2**24 else (None, "outOfRange")


def date(text):
    if text in MISSING:
        return None, "null"
    try:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)
        return datetime.date.fromisoformat(text), None
    except (AssertionError, ValueError):
        return None, "malformed"


def record(movie, line):
    fields = [field.strip(" \t") for field in line.split(",")]
    if movie is None or len(fields) != 3 or whole(movie)[1] in ("malformed", "null"):
        return None, "malformed"
    read = [whole(movie), whole(fields[0]), rating(fields[1]), date(fields[2])]
    reasons = [reason for _, reason in read if reason]
    if reasons:
        return None, min(reasons, key=REASONS.index)
    return tuple(value for value, _ in read), None


def plain(text):
    """(line number, line, row or None, reason) of each row of Netflix text."""
    movie, out = None, []
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, 1):
        line = line[:-1] if line.endswith("\r") else line
        if line.rstrip(" \t").endswith(":"):
            movie = line.rstrip(" \t")[:-1].strip(" \t")
        elif line.strip(" "):
            out.append((number, line, *record(movie, line)))
    return out


numbers = st.integers(1, 4).map(str)
dates = st.sampled_from(["2005-01-31", "2005-02-01", "2004-02-29", "1969-12-31", "1970-01-01", "0001-01-01"])
good = st.builds("{},{},{}".format, numbers, numbers, dates)
odd_number = numbers | st.sampled_from(["", "x", "NULL", "99999999999", "-7", "3.5", "4.0", " 2 ", "1e3", "\\N"])
odd_date = dates | st.sampled_from(["", "2005-02-30", "05-01-01", "2005-13-01", "never", "NA"])
odd = st.builds("{},{},{}".format, odd_number, odd_number, odd_date)
rubbish = st.text("12,:x \t-\xe9", max_size=12).filter(lambda line: not re.search(r"\d{4}", line))
header = st.builds("{}:".format, numbers) | st.sampled_from(["x:", ":", "99999999999:", " 2 : "])
line = st.one_of(good, good, good, good, good, header, odd, rubbish)
texts = st.builds(lambda head, lines, ends, last: "".join(a + b for a, b in zip([head, *lines], ends)) + last,
                  st.sampled_from(["1:", "2:"]), st.lists(line, max_size=30),
                  st.lists(st.sampled_from(["\n", "\n", "\r\n"]), min_size=31, max_size=31),
                  st.sampled_from(["", "1,1,2005-01-31"]))


def rows_of(folder):
    table = pyarrow.dataset.dataset(folder, partitioning="hive", exclude_invalid_files=False).to_table()
    assert str(table.schema.field("MOVIE_ID").type) == str(table.schema.field("RATING").type) == "int32"
    for row in table.to_pylist():
        assert (row["year"], row["month"]) == (row["DATE"].year, row["DATE"].month)
    return sorted((r["MOVIE_ID"], r["CUST_ID"], r["DATE"], r["RATING"]) for r in table.to_pylist())


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))


def expected_rows(rows, rule):
    best = {}
    for movie, user, stars, day in rows:
        key, order = ((movie, user, day), (stars,)) if rule == "max-rating" else ((movie, user), (day, stars))
        if key not in best or order > best[key][0]:
            best[key] = (order, (movie, user, day, int(stars)))
    return sorted(row for _, row in best.values())


def upsert(tmp, paths, into, *more):
    return quern("data", "upsert", "--input", *paths, "--into", tmp / into, "--format", "netflix",
                 "--runs-dir", "none", *more)


@settings(max_examples=12, deadline=None)
@given(files=st.lists(texts, min_size=1, max_size=3), split=st.sampled_from([0, 16, 17, 23, 64, 100]),
       threads=st.integers(1, 3), rule=st.sampled_from(["max-rating", "latest"]))
def test_every_row_is_kept_or_told(files, split, threads, rule):
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        paths = [tmp / f"f{i}.txt" for i in range(len(files))]
        for path, text in zip(paths, files):
            path.write_bytes(text.encode())
        read = [(str(path), *row) for path, text in zip(paths, files) for row in plain(text)]
        good_rows = [row for *_, row, reason in read if reason is None]
        assume(good_rows)
        found = upsert(tmp, paths, "once", "--split-bytes", split, "--threads", threads, "--on-duplicate", rule,
                       "--rejects", tmp / "rejects.csv")
        assert found["rows_read"] == len(read)
        for reason, key in zip(REASONS, ["rows_malformed", "rows_null", "rows_out_of_range"]):
            assert found[key] == sum(told == reason for *_, told in read), reason
        wanted = expected_rows(good_rows, rule)
        assert rows_of(tmp / "once") == wanted
        assert found["rows_written"] == len(wanted)
        assert found["rows_duplicate"] == len(good_rows) - len(wanted)
        check_rejects(tmp / "rejects.csv", read, wanted)
        check_deliveries(tmp, paths, files, rule, wanted)


def check_rejects(path, read, wanted):
    with open(path, newline="", encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    order = {(name, str(number)): i for i, (name, number, *_) in enumerate(read)}
    places = [order[row["file"], row["line"]] for row in told]
    assert places == sorted(set(places)), "each once, in the order of the input"
    by_place = dict(zip(places, told))
    kept = []
    for i, (_, _, text, row, reason) in enumerate(read):
        if i not in by_place:
            assert reason is None, f"{text!r} is lost without a word"
            kept.append((row[0], row[1], row[3], int(row[2])))
            continue
        assert by_place[i]["reason"] == (reason or "duplicate")
        assert by_place[i]["text"] == text.replace("\t", "\\x09").replace("\r", "\\x0d")
    assert sorted(kept) == wanted


def check_deliveries(tmp, paths, files, rule, wanted):
    """File by file, backwards, and each file twice: the same rows in the same files."""
    for path, text in list(zip(paths, files))[::-1]:
        if any(reason is None for *_, reason in plain(text)):
            upsert(tmp, [path], "slowly", "--on-duplicate", rule)
            assert upsert(tmp, [path], "slowly")["files_taken"] == 0
    assert rows_of(tmp / "slowly") == wanted
    assert files_of(tmp / "slowly") == files_of(tmp / "once")


@settings(max_examples=12, deadline=None)
@given(files=st.lists(texts, min_size=1, max_size=3), split=st.sampled_from([0, 16, 33]), threads=st.integers(1, 3))
def test_futures_are_all_rows_in_the_order_of_dates(files, split, threads):
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        paths = [tmp / f"f{i}.txt" for i in range(len(files))]
        for path, text in zip(paths, files):
            path.write_bytes(text.encode())
        rows = [row for text in files for *_, row, reason in plain(text) if reason is None]
        wanted = sorted((day, user, movie, stars) for movie, user, stars, day in rows)
        quern("futures", "--input", *paths, "--output", tmp / "out.csv", "--format", "netflix", "--split-bytes", split,
              "--threads", threads)
        assert (tmp / "out.csv").read_text() == "DATE,CUST_ID,MOVIE_ID,RATING\n" + "".join(
            f"{day},{user},{movie},{stars:g}\n" for day, user, movie, stars in wanted)
