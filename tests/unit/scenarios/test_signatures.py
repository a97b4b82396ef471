"""What an editor, a type checker and `help()` know of the options."""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import fields

import pytest

import autotransfer
from autotransfer.errors import InvalidOptionError, UnknownNameError, did_you_mean
from autotransfer.scenarios.budget import Budget
from autotransfer.scenarios.options import Options, budget_of, read_options
from autotransfer.scenarios.signatures import FitOptions

FUNCTIONS = (autotransfer.fit, autotransfer.fit_features, autotransfer.rank)
NAMES = [field.name for field in fields(Options)]


def test_the_types_for_a_checker_are_those_of_the_options_in_their_order() -> None:
    assert typing.get_type_hints(FitOptions) == typing.get_type_hints(Options)
    assert list(typing.get_type_hints(FitOptions)) == NAMES


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_option_is_in_the_signature_with_its_default(function: typing.Any) -> None:
    found = inspect.signature(function).parameters
    assert not [p for p in found.values() if p.kind is p.VAR_KEYWORD]
    for name in NAMES:
        assert found[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert found["metric"].default == "accuracy"
    assert found["seed"].default == 0
    assert found["source"].default == ()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_help_says_what_each_option_means(function: typing.Any) -> None:
    told = function.__doc__
    assert "**options" not in told
    for name in NAMES:
        assert re.search(rf"^        {name}: |, {name}, ", told, re.MULTILINE), name
    assert "max_ms: Longest time of the result for an image, milliseconds" in told
    assert told.index("seed: ") < told.index("Raises:")


def mistakes() -> None:
    """Never run: a checker that finds no fault in a line complains of the comment instead."""
    autotransfer.fit("photos", budgett="5m")  # type: ignore[call-arg]
    autotransfer.fit("photos", trials="many")  # type: ignore[arg-type]
    autotransfer.fit("photos", plugins=3)  # type: ignore[arg-type]
    autotransfer.rank("photos", estimator=["logme"])  # type: ignore[call-arg]
    autotransfer.rank("photos", device=0)  # type: ignore[arg-type]
    autotransfer.fit_features({}, [], test=3)  # type: ignore[arg-type]
    autotransfer.fit_features({}, [], sead=1)  # type: ignore[call-arg]
    autotransfer.AutoTransferClassifier(seed=1)  # type: ignore[call-arg]
    autotransfer.AutoTransferClassifier(trials=1.5)  # type: ignore[arg-type]
    autotransfer.Budget(minutes=5)  # type: ignore[call-arg]
    autotransfer.fit("photos", seconds=5, trials=3, source="resnet18", verbose=False)  # right


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("budgett", "budget"), ("Seed", "seed"), ("stratgies", "strategies"), ("keep", "")],
)
def test_a_wrong_name_is_answered_with_the_one_that_was_meant(wrong: str, meant: str) -> None:
    expected = f"no option '{wrong}'; did you mean '{meant}'\\? help.autotransfer.fit. has all$"
    if not meant:
        expected = f"no option '{wrong}'; available: attributes, "
    with pytest.raises(InvalidOptionError, match=expected):
        read_options({wrong: 1})


def test_a_former_name_is_answered_with_the_one_of_today() -> None:
    with pytest.raises(InvalidOptionError, match="'only_sources', which is now called source;"):
        read_options({"only_sources": ["a"]})


def test_an_unknown_name_of_anything_is_answered_with_a_close_one() -> None:
    error = UnknownNameError("strategy", "fine-tun", ["fine-tune", "fusion"])
    assert str(error) == (
        "no strategy named 'fine-tun'; did you mean 'fine-tune'? available: fine-tune, fusion"
    )
    far = UnknownNameError("strategy", "xyz", ["fine-tune"])
    assert str(far) == "no strategy named 'xyz'; available: fine-tune"
    assert did_you_mean("LogMe", ["h-score", "logme"]) == "; did you mean 'logme'?"


def test_trials_and_seconds_are_a_budget_and_stand_beside_none() -> None:
    assert budget_of(read_options({"trials": 4})) == Budget(trials=4)
    assert budget_of(read_options({"seconds": 9.5})) == Budget(seconds=9.5)
    both = read_options({"trials": 4, "seconds": 60})
    assert (
        budget_of(both)
        == Budget(4, 60)
        == budget_of(read_options({"budget": both.budget or Budget(4, 60)}))
    )
    assert budget_of(read_options({})) == Budget(seconds=600.0)
    with pytest.raises(InvalidOptionError, match="budget '5m' beside trials or seconds"):
        read_options({"budget": "5m", "trials": 4})
    with pytest.raises(InvalidOptionError, match="trials must be a whole number"):
        read_options({"trials": 0})


def test_one_source_may_be_named_without_a_list() -> None:
    assert read_options({"source": "resnet18"}).source == ("resnet18",)
    assert list(read_options({"source": ["a", "b"]}).source) == ["a", "b"]
