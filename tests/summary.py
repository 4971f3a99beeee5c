"""summary.py BUILD_DIR: passed, failed and skipped by label of the ctest run that wrote junit.xml, each
skip with its reason, and one plain closing line."""
import collections
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

build = sys.argv[1]
listing = json.loads(subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"],
                                    capture_output=True, text=True, check=True).stdout)
labels = {t["name"]: next((p["value"] for p in t.get("properties", []) if p["name"] == "LABELS"), ["-"])
          for t in listing["tests"]}
counts = collections.defaultdict(collections.Counter)
skips = []
for case in ET.parse(os.path.join(build, "junit.xml")).getroot().iter("testcase"):
    name = case.get("name")
    output = "".join(e.text or "" for e in case.iter("system-out"))
    status = {"run": "passed", "fail": "failed"}.get(case.get("status"), "skipped")
    reasons = re.findall(r"^skipped: (.*)$", output, re.M)
    # A program of several cases says how many it ran; others count as one.
    passed = re.search(r"\[  PASSED  \] (\d+) test", output)
    for label in labels.get(name, ["-"])[:1]:
        if status == "passed":
            counts[label]["passed"] += max(1, int(passed.group(1)) if passed else 1)
            counts[label]["skipped"] += len(reasons)
        else:
            counts[label][status] += 1
    if status == "skipped" and not reasons:
        reasons = ["no reason given"]
    skips += [(name, r) for r in reasons]
for name, reason in skips:
    print(f"skipped: {name}: {reason}")
total = collections.Counter()
for label, c in sorted(counts.items()):
    print(f"label {label}: {c['passed']} passed, {c['failed']} failed, {c['skipped']} skipped")
    total += c
print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
sys.exit(1 if total["failed"] or not total["passed"] + total["skipped"] else 0)
