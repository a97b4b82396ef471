"""The command line. Importing it, or asking for help, loads nothing heavy."""

from __future__ import annotations

import errno
import io
import os
import shlex
import sys
import time
import traceback
import warnings
from contextlib import suppress
from typing import Any

import click

from autotransfer.cli.compare import compare
from autotransfer.cli.demo import demo
from autotransfer.cli.distance import distance
from autotransfer.cli.doctor import doctor
from autotransfer.cli.export import export
from autotransfer.cli.fit import fit
from autotransfer.cli.label import label
from autotransfer.cli.layers import layers
from autotransfer.cli.listing import plugins, spaces
from autotransfer.cli.predict import predict
from autotransfer.cli.rank import rank
from autotransfer.cli.show import show
from autotransfer.cli.sources import sources
from autotransfer.cli.sync import sync
from autotransfer.cli.ui import ui
from autotransfer.errors import (
    AutotransferError,
    AutotransferWarning,
    BudgetExhaustedError,
    InterruptedFitError,
    told,
)
from autotransfer.masking import masked, note_secrets
from autotransfer.search.interrupts import ended_like_interrupts

BAD_INPUT = 2
NOTHING_FINISHED = 3
INTERRUPTED = 130
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
# Unless the user says otherwise, libraries neither write on the terminal nor report use.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TQDM_DISABLE": "1",
    # Threads that wait sleep; has to be said before torch is imported. Threads that spin take the
    # cores from those that they wait for: beside three busy processes on two cores, training a
    # small network took 244 seconds instead of 43.
    "OMP_WAIT_POLICY": "PASSIVE",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="autotransfer")
def cli() -> None:
    """Answer what to transfer to your images, how, and when not to."""


for command in (
    fit, rank, label, distance, layers, predict, export, compare, sources, plugins, spaces, show,
    sync, demo, ui, doctor,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run the command line; errors that a user can fix end with one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
    try:
        code = run(sys.argv[1:])
    except Exception:  # noqa: BLE001 - a fault of ours: shown whole, but for the secrets of URLs
        with suppress(OSError):
            click.echo(masked(traceback.format_exc()), err=True, nl=False)
        code = 1
    sys.exit(_flushed(code))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    began = time.monotonic()  # what a fit imports counts as its time
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    note_secrets(*arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("default", AutotransferWarning)
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            with ended_like_interrupts():
                code = cli.main(
                    arguments, prog_name="autotransfer", standalone_mode=False, obj=began
                )
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except click.ClickException as error:
            return _fail(error.format_message(), BAD_INPUT)
        except AutotransferError as error:
            ended = isinstance(error, BudgetExhaustedError)
            return _fail(str(error), NOTHING_FINISHED if ended else BAD_INPUT)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            return _fail(
                f"{error.filename or 'the output'} cannot be written ({error.strerror})", BAD_INPUT
            )
        except (KeyboardInterrupt, click.Abort) as stop:
            return _fail(f"interrupted{_going_on(arguments, stop)}", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _going_on(arguments: list[str], stop: BaseException) -> str:
    cause = stop.__cause__  # click raises an Abort from it
    if not isinstance(cause, InterruptedFitError) or arguments[0] != "fit":  # `demo` begins anew
        return ""
    return f"; to go on: {resuming(arguments, cause.name)}"


def resuming(arguments: list[str], name: str) -> str:
    """Return the command that continues the study of an interrupted fit, without passwords."""
    kept: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        named = "--name" in (before, argument) or argument.startswith("--name=")
        if argument != "--resume" and not named:
            kept.append(masked(argument))
    return shlex.join(["autotransfer", *kept, "--resume", "--name", name])


def _fail(text: str, code: int) -> int:
    with suppress(OSError):  # standard error may be full or closed as well
        click.echo(f"autotransfer: {told(text)}", err=True)
    return code


def _flushed(code: int) -> int:
    """Return the exit code; what cannot be written is dropped, or Python would tell at its end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or BAD_INPUT
    return code


def _show_warning(message: Warning | str, category: type[Warning], *_rest: Any) -> None:
    if issubclass(category, AutotransferWarning):
        click.echo(f"warning: {told(message)}", err=True)
