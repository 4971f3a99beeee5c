"""Where the program is, and how tests call it."""
import json
import os
import pathlib
import subprocess

import pytest
from hypothesis import settings

QUERN = os.environ["QN_QUERN"]

# The same examples every time, so that a test fails where something was changed; QN_EXPLORE=1 looks at others.
settings.register_profile("quern", derandomize=not os.environ.get("QN_EXPLORE"), deadline=None)
settings.load_profile("quern")


def quern(*args, expect=0):
    """Runs a command with --json; its last line of output as an object."""
    run = subprocess.run([QUERN, *map(str, args), "--json", "--quiet"], capture_output=True, text=True)
    assert run.returncode == expect, f"exit {run.returncode}: {run.stderr}"
    lines = run.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


@pytest.fixture
def call():
    return quern


@pytest.fixture(scope="session")
def shared():
    path = pathlib.Path(os.environ.get("QN_SHARED", "nowhere"))
    if not path.is_dir():
        pytest.skip("../shared is not here")
    return path
