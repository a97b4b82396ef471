"""What a fit says while it runs, and that no library speaks beside it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

import optuna

from autotransfer.scenarios.options import Options, Say

_LOGGERS = ("mlflow", "alembic", "huggingface_hub")  # they report what is no news to a user


def told_by(options: Options) -> Say:
    """Return who is told about progress: `say`, the printer, or both.

    Args:
        options: `verbose` decides whether lines are printed; None is where somebody watches and
            no `say` was given.
    """
    given = options.say is not Options.say
    printing = not given and watched() if options.verbose is None else options.verbose
    if not printing:
        return options.say
    if not given:
        return _print

    def both(text: str) -> None:
        _print(text)
        options.say(text)

    return both


def watched() -> bool:
    """Return whether somebody sees what is printed: in a notebook, or on a terminal."""
    return in_notebook() or bool(sys.stderr and sys.stderr.isatty())


def in_notebook() -> bool:
    """Return whether this runs in a kernel of Jupyter."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _print(text: str) -> None:
    stream: TextIO = sys.stdout if in_notebook() else sys.stderr  # red in a notebook
    stream.write(f"{text}\n")
    stream.flush()


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep reports of Optuna and MLflow off the screen; warnings of Optuna stay."""
    with ExitStack() as after:
        before = optuna.logging.get_verbosity()
        after.callback(optuna.logging.set_verbosity, before)
        optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
        for logger in map(logging.getLogger, _LOGGERS):
            after.callback(logger.setLevel, logger.level)
            logger.setLevel(max(logger.level, logging.ERROR))
        yield
