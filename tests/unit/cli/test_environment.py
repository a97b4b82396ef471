"""What a command sets before it imports the libraries that do the work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
from autotransfer.cli import run
assert "torch" not in sys.modules
run(["--help"])
print(os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize(("own", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_wants_them_to_spin(
    own: str | None, used: str
) -> None:
    environment = {name: v for name, v in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if own is not None:
        environment["OMP_WAIT_POLICY"] = own
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == used
