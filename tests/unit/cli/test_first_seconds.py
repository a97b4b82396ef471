"""What a command says before it loads PyTorch: that it has begun, or what is plainly wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import BashComplete

from autotransfer.cli import cli, run, words
from autotransfer.data.checking import BAD_IMAGE_RULES
from autotransfer.models.catalogue.default_sets import DEFAULT_SETS
from autotransfer.models.metrics import METRICS
from autotransfer.results import ScenarioKind
from autotransfer.search.executors import EXECUTORS
from autotransfer.search.study import SAMPLERS

HEAVY = "heavy = {'torch', 'timm', 'mlflow', 'optuna', 'sklearn'} & set(sys.modules)"


def test_the_words_of_the_command_line_are_those_of_the_package() -> None:
    assert set(words.METRICS) == set(METRICS)
    assert words.SAMPLERS == SAMPLERS
    assert words.EXECUTORS == EXECUTORS
    assert tuple(map(str, ScenarioKind)) == words.SCENARIOS
    assert tuple(BAD_IMAGE_RULES) == words.BAD_IMAGE_RULES
    assert set(words.DEFAULT_SETS) == set(DEFAULT_SETS)


def test_plain_mistakes_are_refused_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    mistakes = [
        ["fit", "phtos"],
        ["rank", "phtos"],
        ["fit", str(photos), "--source-data", "nowhere"],
        ["fit", str(photos), "--sources", "nope.toml"],
        ["fit", str(photos), "--budget", "10x"],
        ["fit", str(photos), "--trials", "0"],
        ["fit", str(photos), "--sampler", "tpo"],
        ["fit", str(photos), "--setting", "labelled"],
    ]
    code = f"import sys, autotransfer.cli\nfor a in {mistakes!r}:\n    "
    code += f"assert autotransfer.cli.run(a) == 2, a\n{HEAVY}\nassert not heavy, heavy\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "autotransfer: phtos: no such file or folder",
        "autotransfer: phtos: no such file or folder",
        "autotransfer: nowhere: no such file or folder",
        "autotransfer: catalogue nope.toml: there is no such file",
        "autotransfer: budget '10x' is not understood; write '90s', '10m', '2h' or '40 trials'",
        "autotransfer: trials must be a whole number from 1 to 1000000000, got 0",
        "autotransfer: no sampler named 'tpo'; did you mean 'tpe'? available: tpe, gp, random",
        "autotransfer: --setting is now called --scenario; it takes labelled, unlabelled or "
        "zero-shot",
    ]


@pytest.mark.parametrize("command", ["fit", "rank"])
def test_a_command_says_what_it_begins_before_it_loads_anything(
    command: str, tmp_path: Path
) -> None:
    code = (
        "import sys, builtins, autotransfer.cli\n"
        "find = builtins.__import__\n"
        "def refused(name, *rest):\n"
        "    if name == 'torch': print('torch', file=sys.stderr); sys.exit(7)\n"
        "    return find(name, *rest)\n"
        "builtins.__import__ = refused\n"
        f"autotransfer.cli.run([{command!r}, {str(tmp_path)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 7
    assert done.stderr.splitlines() == [f"opening {tmp_path} (loading PyTorch first)", "torch"]


def test_a_mistyped_command_or_option_is_answered_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["fti", "photos"]) == 2
    assert run(["fit", "photos", "--bugdet", "5m"]) == 2
    told = capsys.readouterr().err
    assert "Did you mean 'fit'?" in told
    assert "'--budget'" in told


def _completed(*arguments: str, incomplete: str = "") -> list[str]:
    shell = BashComplete(cli, {}, "autotransfer", "_AUTOTRANSFER_COMPLETE")
    return [item.value for item in shell.get_completions(list(arguments), incomplete)]


def test_the_shell_completes_commands_options_and_their_values() -> None:
    assert _completed(incomplete="f") == ["fit"]
    assert "--budget" in _completed("fit", "photos", incomplete="--bu")
    assert _completed("fit", "photos", "--sampler") == ["tpe", "gp", "random"]
    assert _completed("fit", "photos", "--metric", incomplete="b") == ["balanced_accuracy"]
    assert _completed("fit", "photos", "--sources", incomplete="s") == ["small"]
    assert _completed("rank", "photos", "--device", incomplete="c") == ["cpu", "cuda"]


def _help(name: str, width: int = 80) -> str:
    command = cli.commands[name]
    settings: dict[str, Any] = {"terminal_width": width, **cli.context_settings}
    context = click.Context(command, info_name=name, **settings)
    return command.get_help(context)


def test_the_options_of_fit_stand_in_groups_each_in_one() -> None:
    text = _help("fit")
    titles = ["Target:", "Sources:", "Search:", "Guard:", "Compute:", "Output:", "Other:"]
    places = [text.index(f"\n{title}") for title in titles]
    assert places == sorted(places)
    other = text[places[-1] :]
    assert other.split() == ["Other:", "-h,", "--help", "Show", "this", "message", "and", "exit."]
    for parameter in cli.commands["fit"].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert text.count(f"\n  {parameter.opts[0]} ") == 1, parameter.opts[0]


@pytest.mark.parametrize("name", [*sorted(cli.commands), ""])
def test_help_fits_into_80_columns_and_cuts_nothing_off(name: str) -> None:
    text = _help(name) if name else cli.get_help(click.Context(cli, terminal_width=80))
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.partition("\n")[2]  # the usage may repeat an argument
