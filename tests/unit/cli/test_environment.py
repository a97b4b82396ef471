"""What a command sets before it imports the libraries that do the work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


FULL = Path("/dev/full")


def _help(stdout: int | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autotransfer", "--help"]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def test_an_output_that_nobody_reads_ends_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = _help(writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not FULL.is_char_device(), reason="no /dev/full")
def test_an_output_on_a_full_disk_is_one_line() -> None:
    with FULL.open("w") as full:
        done = _help(full.fileno())
    said = "autotransfer: the output cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_an_error_that_cannot_be_told_keeps_its_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "autotransfer", "fit", "--nothing"]
    assert subprocess.run(command, stderr=writer, check=False).returncode == 2
    os.close(writer)


def test_a_name_that_is_no_utf8_is_printed_in_its_escaped_form() -> None:
    code = (
        "import sys, click, autotransfer.cli as c\n"
        'c.run = lambda _: click.echo("\\udcff.png") or 0\n'
        "c.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"\\udcff.png\n"
