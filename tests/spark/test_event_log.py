"""Event logs in Spark's own History Server: it lists and draws the runs that we made, with our counts."""
import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import pyspark

QUERN = os.environ["QN_QUERN"]
FEED = os.environ["QN_FEED"]
failures = 0


def check(what, fine, detail=""):
    global failures
    failures += not fine
    print(("ok    " if fine else "FAILED ") + what + (f": {detail}" if detail != "" else ""), flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One History Server over one folder of logs."""

    def __init__(self, folder, log):
        home, port = os.path.dirname(pyspark.__file__), free_port()
        env = dict(os.environ, SPARK_HOME=home, SPARK_LOCAL_IP="127.0.0.1", SPARK_DAEMON_MEMORY="512m",
                   SPARK_HISTORY_OPTS=f"-Dspark.history.fs.logDirectory={folder.as_uri()} "
                                      f"-Dspark.history.ui.port={port} -Dspark.history.fs.update.interval=1s")
        self.base = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([f"{home}/bin/spark-class", "org.apache.spark.deploy.history.HistoryServer"],
                                        env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        atexit.register(self.stop)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=60) as answer:
            return answer.status, answer.read().decode()

    def rest(self, path):
        return json.loads(self.get("/api/v1" + path)[1])

    def wait_for(self, wanted, seconds=120):
        """Ids of the runs that are listed, once all that are wanted are."""
        end, listed = time.time() + seconds, {}
        while time.time() < end and self.process.poll() is None:
            try:
                listed = {run["id"]: run for run in self.rest("/applications")}
                if wanted <= listed.keys():
                    return listed
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.5)
        return listed


def quern(tmp, *words, **more):
    return subprocess.run([QUERN, *map(str, words), "--runs-dir", tmp / "runs"], capture_output=True, text=True, **more)


def newest(tmp):
    return json.loads(quern(tmp, "runs", "show", "--json").stdout)


def make_runs(tmp):
    """Runs of ours, {id: (status, what we say of it)}."""
    ratings, runs = tmp / "made" / "ratings.csv", {}

    def note(status):
        record = newest(tmp)
        runs[record["run_id"]] = (status, record["events"])
        return record

    quern(tmp, "datagen", "ratings", "--out", tmp / "made", "--users", 12000, "--items", 9000, "--ratings", 400000)
    fit = quern(tmp, "fit", "als", "--input", ratings, "--split", "random:0.8", "--rank", 8, "--max-iter", 3,
                "--partitions", 3, "--model", tmp / "model")
    record = note("ok")
    check("plain: fits", fit.returncode == 0, fit.stderr)
    events = record["events"]
    check("plain: load, fit, evaluate, save", [j["name"] for j in events["jobs"]] == ["load", "fit", "evaluate", "save"])
    check("plain: two stages a sweep", sum(s["job"] == 1 for s in events["stages"]) == 6)
    check("plain: a task a partition", {s["done"] for s in events["stages"] if s["job"] == 1} == {3})
    check("plain: the partitions hold the training ratings",
          events["partition_statistics"]["records"] == record["counts"]["train_records"],
          record["counts"]["train_records"])
    check("plain: the bytes read are the file's", events["stages"][0]["read_bytes"] == ratings.stat().st_size)

    fit = quern(tmp, "fit", "als", "--input", ratings, "--rank", 3000, "--memory", "48m")
    note("failed")
    check("failed: for memory", fit.returncode == 1, fit.stderr.strip())
    with subprocess.Popen([QUERN, "fit", "als", "--input", ratings, "--rank", "64", "--max-iter", "900", "--runs-dir",
                           tmp / "runs", "--quiet"]) as process:
        wait_for_stage(tmp, 4)
        process.send_signal(signal.SIGTERM)
    note("cancelled")
    check("cancelled: exit code", process.returncode == 143, process.returncode)

    (tmp / "spill").mkdir()
    spilled = quern(tmp, "fit", "als", "--input", ratings, "--rank", 8, "--max-iter", 2, "--memory", "6m", "--scratch",
                    tmp / "spill")
    record = note("ok")
    check("spilled: fits", spilled.returncode == 0, spilled.stderr)
    check("spilled: the stages tell of bytes that were spilled", sum(s["spilled_bytes"] for s in record["events"]["stages"]),
          record["resources"]["spilled_bytes"])
    check("spilled: a part of the data lies on disk", any(d["disk_bytes"] for d in record["events"]["kept"]))
    resumed(tmp, ratings, note)
    if has_mpi():
        several_workers(tmp, ratings, note)
    else:
        print("note: Open MPI is not here, so no logs of several workers")

    quern(tmp, "datagen", "blobs", "--out", tmp / "blobs", "--rows", 200000)
    table = next((tmp / "blobs").rglob("*.csv"))
    fit = quern(tmp, "fit", "kmeans", "--input", table, "--k", 4, "--max-iter", 5, "--model", tmp / "kmeans")
    note("ok")
    check("kmeans: fits", fit.returncode == 0, fit.stderr)
    predict = quern(tmp, "predict", "--model", tmp / "kmeans", "--input", table, "--output", tmp / "p.csv")
    note("ok")
    check("predict: runs", predict.returncode == 0, predict.stderr)
    return runs


def has_mpi():
    return shutil.which("mpirun.openmpi") and (pathlib.Path(QUERN).parent / "libquern_comm_openmpi.so").exists()


def live_record(tmp, process, ready):
    """The record of the run under way, once `ready` says so of it."""
    for _ in range(1200):
        for path in (tmp / "runs").glob("als-*/record.json"):
            record = json.loads(path.read_text())
            if record["status"] == "running" and ready(record, path.parent):
                return record
        if process.poll() is not None:
            break
        time.sleep(0.05)
    return None


def resumed(tmp, ratings, note):
    """A run of one process, killed in an iteration and gone on with."""
    words = [QUERN, "fit", "als", "--input", ratings, "--rank", "32", "--max-iter", "40", "--checkpoint-interval", "1",
             "--runs-dir", tmp / "runs", "--quiet"]
    with subprocess.Popen(words) as process:
        record = live_record(tmp, process, lambda _, folder: len(list(folder.glob("checkpoint/0*"))) > 1)
        check("resumed: killed in the middle", record)
        process.kill()
    log = tmp / "runs" / "spark-events" / f"{record['run_id']}.inprogress"
    with open(log, "a") as file:
        file.write('{"Event":"SparkListenerTaskE')
    again = quern(tmp, "fit", "als", "--resume", record["run_id"])
    record = note("ok")
    check("resumed: goes on", again.returncode == 0, again.stderr)
    stages = record["events"]["stages"]
    check("resumed: what was open has failed, what was done is skipped, the rest is done",
          {"FAILED", "SKIPPED", "SUCCEEDED"} <= {s["status"] for s in stages} | {j["status"] for j in record["events"]["jobs"]},
          record["counts"]["resumed_iteration"])
    check("resumed: two workers, one lives", [w["is_live"] for w in record["events"]["workers"]] == [False, True])


def several_workers(tmp, ratings, note):
    """Two workers to the end, and two of which one is killed."""
    words = ["fit", "als", "--input", ratings, "--rank", 16, "--workers", 2, "--threads", 1, "--partitions", 4]
    fit = quern(tmp, *words, "--max-iter", 3, "--split", "random:0.8")
    record = note("ok")
    check("two workers: fit", fit.returncode == 0, fit.stderr)
    events = record["events"]
    check("two workers: two executors on this host", [(w["host"], w["cores"]) for w in events["workers"]] ==
          [(socket.gethostname(), 1)] * 2)
    check("two workers: the bytes between them are shuffle reads", sum(s["moved_bytes"] for s in events["stages"]) > 0)
    log = (tmp / "runs" / "spark-events" / record["run_id"]).read_text()
    check("two workers: the master says so", '"spark.master":"mpi[2]"' in log)

    with subprocess.Popen([QUERN, *map(str, words), "--max-iter", "60", "--runs-dir", tmp / "runs"],
                          stderr=subprocess.PIPE, text=True) as process:
        live = live_record(tmp, process, lambda r, _: len(r["workers"]) == 2 and len(r["iterations"]) > 2)
        check("lost: two workers are at work", live)
        os.kill(live["workers"][1]["pid"], signal.SIGKILL)
        said = process.communicate()[1]
    record = note("ok")
    check("lost: the run ends well", process.returncode == 0 and record["counts"]["restarts"] == 1, said)
    workers = record["events"]["workers"]
    check("lost: four executors, two of them live", [w["is_live"] for w in workers] == [False, False, True, True])
    log = (tmp / "runs" / "spark-events" / record["run_id"]).read_text().splitlines()
    reasons = [json.loads(line)["Removed Reason"] for line in log if '"SparkListenerExecutorRemoved"' in line]
    check("lost: one is removed by a signal, the other because of it",
          sum(r.startswith("worker 1 on ") for r in reasons) == 1 and
          sum(r.startswith("ended because worker 1 on ") for r in reasons) == 1, reasons)


def wait_for_stage(tmp, n):
    """Until a run is under way and has begun its n-th stage."""
    for _ in range(600):
        for log in (tmp / "runs" / "spark-events").glob("*.inprogress"):
            if log.read_text().count("SparkListenerStageSubmitted") >= n:
                return
        time.sleep(0.05)


def feed(tmp):
    made = json.loads(subprocess.run([FEED, tmp / "runs"], check=True, capture_output=True, text=True).stdout)
    return {name: (name.removeprefix("quern-"), events) for name, events in made.items()}


STATUS = {"COMPLETE": "SUCCEEDED"}


def compare(server, name, run, events):
    """Jobs, stages, workers and storage of one run: theirs and ours."""
    app = f"/applications/{run}"
    theirs = {j["jobId"]: j for j in server.rest(app + "/jobs")}
    ours = {j["id"]: j for j in events["jobs"]}
    check(f"{name}: jobs", {i: (j["description"], j["status"]) for i, j in theirs.items()} ==
          {i: (j["name"], j["status"]) for i, j in ours.items()}, [f"{j['name']} {j['status']}" for j in ours.values()])
    for i, job in theirs.items():
        mine = [s for s in events["stages"] if s["job"] == i]
        check(f"{name}: job {i} counts",
              (job["numCompletedTasks"], job["numFailedTasks"], job["numKilledTasks"], job["numSkippedStages"],
               job["numActiveStages"], job["numFailedStages"]) ==
              (sum(s["done"] for s in mine), sum(s["failed"] for s in mine), sum(s["killed"] for s in mine),
               sum(s["status"] == "SKIPPED" for s in mine), 0, sum(s["status"] == "FAILED" for s in mine)),
              (job["numCompletedTasks"], job["numFailedTasks"], job["numKilledTasks"], job["numSkippedStages"],
               job["numFailedStages"]))

    def key(s, names):
        return tuple(s[n] for n in names)
    their_names = ["numTasks", "numCompleteTasks", "numFailedTasks", "numKilledTasks", "executorRunTime", "inputRecords",
                   "inputBytes", "shuffleReadBytes", "diskBytesSpilled"]
    our_names = ["tasks", "done", "failed", "killed", "run_ms", "records", "read_bytes", "moved_bytes", "spilled_bytes"]
    stages = {(s["stageId"], s["attemptId"]): (s["name"], STATUS.get(s["status"], s["status"]), *key(s, their_names))
              for s in server.rest(app + "/stages") if s["status"] != "SKIPPED"}
    mine = {(s["id"], s["attempt"]): (s["name"], s["status"], *key(s, our_names))
            for s in events["stages"] if s["status"] not in ("SKIPPED", "PENDING")}
    check(f"{name}: stages with tasks, time, records, bytes", stages == mine,
          f"{len(mine)} attempts" if stages == mine else (stages, mine))
    for (stage, attempt), s in stages.items():
        tasks = server.rest(f"{app}/stages/{stage}/{attempt}/taskList?length=100000")
        if len(tasks) != s[3] + s[4] + s[5]:
            check(f"{name}: tasks of stage {stage}.{attempt}", False, len(tasks))

    executors = {e["id"]: e for e in server.rest(app + "/allexecutors") if e["id"] != "driver"}
    workers = {str(w["executor"]): w for w in events["workers"]}
    check(f"{name}: workers", {i: (e["totalCores"], e["maxMemory"], e["isActive"], e["hostPort"].split(":")[0])
                               for i, e in executors.items()} ==
          {i: (w["cores"], w["limit_bytes"], w["is_live"], w["host"]) for i, w in workers.items()},
          {i: w["is_live"] for i, w in workers.items()})
    check(f"{name}: most that each worker held",
          {i: e.get("peakMemoryMetrics", {}).get("ProcessTreeOtherRSSMemory", 0) for i, e in executors.items()} ==
          {i: w["peak_bytes"] for i, w in workers.items()})
    check(f"{name}: nothing is left running", not any(e["activeTasks"] for e in executors.values()))

    kept = {d["name"]: d for d in events["kept"]}
    rdds = {d["name"]: d for d in server.rest(app + "/storage/rdd")}
    check(f"{name}: data sets", {n: (d["numCachedPartitions"], d["memoryUsed"], d["diskUsed"]) for n, d in rdds.items()
                                 if d["numCachedPartitions"]} ==
          {n: (d["partitions"], d["memory_bytes"], d["disk_bytes"]) for n, d in kept.items() if d["partitions"]},
          {n: (d["partitions"], d["memory_bytes"], d["disk_bytes"]) for n, d in kept.items()})
    parts = [w for d in kept.values() for w in d["workers"]]
    held = {i: (sum(w["memory_bytes"] for w in parts if str(w["executor"]) == i),
                sum(w["disk_bytes"] for w in parts if str(w["executor"]) == i)) for i in workers}
    check(f"{name}: memory and disk of each live worker",
          {i: (e["memoryUsed"], e["diskUsed"]) for i, e in executors.items() if e["isActive"]} ==
          {i: held[i] for i in workers if workers[i]["is_live"]})
    return theirs, stages


def pages(server, name, run, jobs, stages):
    wanted = ["jobs/", "stages/", "storage/", "environment/", "executors/"]
    wanted += [f"jobs/job/?id={i}" for i in jobs]
    wanted += [f"stages/stage/?id={i}&attempt={a}" for i, a in stages]
    bad = []
    for page in wanted:
        try:
            status, text = server.get(f"/history/{run}/{page}")
            if status != 200 or "HTTP ERROR" in text:
                bad.append(page)
        except urllib.error.HTTPError as error:
            bad.append(f"{page} {error.code}")
    check(f"{name}: {len(wanted)} pages are drawn", not bad, bad or "")


def main():
    tmp = pathlib.Path(tempfile.mkdtemp())
    runs = {**make_runs(tmp), **feed(tmp)}
    folder = tmp / "runs" / "spark-events"
    check("finished logs have their names", sorted(p.name for p in folder.iterdir()) == sorted(runs),
          [p.name for p in folder.iterdir() if p.name not in runs])
    with open(tmp / "server.log", "w") as log:
        server = Server(folder, log)
        listed = server.wait_for(set(runs))
        check("all runs are listed and complete",
              {i for i, run in listed.items() if run["attempts"][0]["completed"]} == set(runs), sorted(listed))
        if not listed:
            sys.exit((tmp / "server.log").read_text())
        for run, (name, events) in runs.items():
            name = f"{name} ({run})"
            jobs, stages = compare(server, name, run, events)
            pages(server, name, run, jobs, stages)
        server.stop()
    if failures:
        print((tmp / "server.log").read_text()[-3000:])
    print(f"{failures} failures, Spark {pyspark.__version__}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
