"""Who is told what a fit does: the caller, the screen, or nobody; and libraries say nothing."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import optuna
import pytest

from autotransfer.scenarios import speaking
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.speaking import quiet_libraries, told_by


@pytest.mark.parametrize(
    ("watched", "verbose", "printed"),
    [
        (True, None, True),
        (False, None, False),
        (False, True, True),
        (True, False, False),
    ],
)
def test_lines_are_printed_where_somebody_watches_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    watched: bool,  # noqa: FBT001
    verbose: bool | None,  # noqa: FBT001
    printed: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(speaking, "watched", lambda: watched)
    told_by(read_options({"verbose": verbose}))("trial 1 is done")
    assert capsys.readouterr().err == ("trial 1 is done\n" if printed else "")


def test_who_listens_is_told_and_the_screen_only_where_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speaking, "watched", lambda: True)
    heard: list[str] = []
    told_by(read_options({"say": heard.append}))("one")
    assert capsys.readouterr().err == ""
    told_by(read_options({"say": heard.append, "verbose": True}))("two")
    assert capsys.readouterr().err == "two\n"
    assert heard == ["one", "two"]


def test_a_notebook_is_told_on_standard_output_where_it_is_not_red(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class ZMQInteractiveShell:
        """As the kernel of Jupyter calls it."""

    kernel = SimpleNamespace(get_ipython=ZMQInteractiveShell)
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    assert speaking.watched()
    told_by(read_options({}))("one")
    assert capsys.readouterr() == ("one\n", "")


def test_optuna_and_mlflow_are_quiet_during_a_fit_and_as_before_after_it() -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.getLogger("alembic").setLevel(logging.INFO)
    with quiet_libraries():
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING
        assert logging.getLogger("alembic").level == logging.ERROR
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert logging.getLogger("alembic").level == logging.INFO
