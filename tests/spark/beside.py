"""What tests beside real Spark share: our program, checks that are counted and printed, a session."""
import json
import os
import pathlib
import subprocess
import sys

from pyspark.sql import SparkSession

QUERN = os.environ["QN_QUERN"]
SHARED = pathlib.Path(os.environ["QN_SHARED"])
counts = {True: 0, False: 0}


def quern(*args):
    """Runs a command with --json; its last line of output as an object."""
    run = subprocess.run([QUERN, *map(str, args), "--json", "--quiet"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"quern {args}: exit {run.returncode}: {run.stderr}")
    return json.loads(run.stdout.strip().splitlines()[-1]) if run.stdout.strip() else None


def check(name, ok, detail):
    counts[bool(ok)] += 1
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {detail}", flush=True)


def need_shared():
    if not SHARED.is_dir():
        print("skipped: ../shared is not here")
        sys.exit(1 if os.environ.get("QN_REQUIRE_ALL") else 77)


def session():
    os.environ["PYSPARK_PYTHON"] = sys.executable  # the system's own has no numpy
    spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
             .config("spark.sql.shuffle.partitions", "4").config("spark.ui.showConsoleProgress", "false")
             .config("spark.driver.memory", "2g").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    print("Spark", spark.version)
    return spark


def end(spark):
    spark.stop()
    print(f"{counts[True]} passed, {counts[False]} failed")
    sys.exit(counts[False] > 0)
