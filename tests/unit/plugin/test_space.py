from __future__ import annotations

import pickle

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution

from autotransfer.errors import InvalidSpaceError
from autotransfer.plugin.space import (
    SHARED_KNOBS,
    Parameter,
    SearchSpace,
    choice,
    depth,
    fixed,
    floating,
    integer,
    learning_rate_multiplier,
    regularisation,
    study_name,
)
from autotransfer.results import ParamValue

SPACE = SearchSpace.of(
    depth=depth(default=0.5),
    epochs=integer(1, 9, default=3),
    head=choice(("ridge", "logistic"), default="ridge"),
)


def _study(seed: int = 0) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Spaces with a real, a log-real, a whole number and a choice."""
    low, width = draw(st.floats(-10, 10)), draw(st.floats(0, 10))
    small, factor = draw(st.floats(1e-6, 1)), draw(st.floats(1, 1e6))
    first, count = draw(st.integers(-5, 5)), draw(st.integers(0, 20))
    options = draw(st.lists(st.text(min_size=1, max_size=5), min_size=1, unique=True))
    return SearchSpace.of(
        real=floating(low, low + width, default=low),
        scale=floating(small, small * factor, default=small, log=True),
        whole=integer(first, first + count, default=first + count),
        option=choice(options, default=draw(st.sampled_from(options))),
    )


@given(space=spaces(), seed=st.integers(0, 2**32 - 1))
def test_what_is_suggested_lies_in_the_space(space: SearchSpace, seed: int) -> None:
    study = _study(seed)
    for _ in range(3):
        assert space.contains(space.suggest(study.ask(), "any"))


@given(space=spaces())
def test_the_defaults_lie_in_the_space(space: SearchSpace) -> None:
    assert space.contains(space.defaults())


@given(space=spaces())
def test_an_enqueued_point_comes_back_as_it_was(space: SearchSpace) -> None:
    study = _study()
    study.enqueue_trial(space.encode(space.defaults(), "any"))
    assert space.suggest(study.ask(), "any") == space.defaults()


def test_own_parameters_carry_the_name_of_the_strategy_and_shared_ones_do_not() -> None:
    encoded = SPACE.encode(SPACE.defaults(), "mine")
    assert encoded == {"depth": 0.5, "mine.epochs": 3, "mine.head": "ridge"}
    trial = _study().ask()
    SPACE.suggest(trial, "mine")
    assert trial.params.keys() == encoded.keys()


def test_shared_knobs_of_two_strategies_are_one_parameter_of_the_study() -> None:
    study = _study()
    for name in ("one", "two"):
        trial = study.ask()
        SPACE.suggest(trial, name)
        study.tell(trial, 0.0)
    first, second = (trial.distributions for trial in study.trials)
    assert first["depth"] == second["depth"]
    assert first.keys() & second.keys() == {"depth"}


@pytest.mark.parametrize(
    ("parameter", "low", "high", "log"),
    [
        (learning_rate_multiplier(default=2.0), 0.1, 10.0, True),
        (regularisation(), 1e-3, 1e3, True),
        (depth(), 0.0, 1.0, False),
    ],
)
def test_shared_knobs_have_one_range_for_everybody(
    parameter: Parameter, low: float, high: float, *, log: bool
) -> None:
    assert parameter.distribution == FloatDistribution(low, high, log=log)


def test_there_are_three_shared_knobs() -> None:
    assert SHARED_KNOBS == ("learning_rate_multiplier", "regularisation", "depth")
    assert [study_name(name, "s") for name in SHARED_KNOBS] == list(SHARED_KNOBS)


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        (floating(0.0, 1.0, default=0.5), 1.0, True),
        (floating(0.0, 1.0, default=0.5), 1, True),
        (floating(0.0, 1.0, default=0.5), 1.1, False),
        (floating(0.0, 1.0, default=0.5), float("nan"), False),
        (floating(0.0, 1.0, default=0.5), True, False),
        (floating(0.0, 1.0, default=0.5), "0.5", False),
        (integer(1, 3, default=2), 3, True),
        (integer(1, 3, default=2), 2.0, False),
        (integer(1, 3, default=2), True, False),
        (choice((1, "a"), default=1), 1, True),
        (choice((1, "a"), default=1), True, False),
        (choice((1, "a"), default=1), "b", False),
        (fixed("x"), "x", True),
    ],
)
def test_a_value_is_allowed_by_range_and_type(
    parameter: Parameter, value: ParamValue, *, allowed: bool
) -> None:
    assert parameter.allows(value) is allowed


def test_a_default_outside_the_range_is_refused() -> None:
    with pytest.raises(InvalidSpaceError, match=r"default 2.0 lies outside \[0, 1\]"):
        floating(0.0, 1.0, default=2.0)
    with pytest.raises(InvalidSpaceError, match=r"default 'c' lies outside \{'a', 'b'\}"):
        choice(("a", "b"), default="c")


def test_a_name_that_is_no_identifier_is_refused() -> None:
    with pytest.raises(InvalidSpaceError, match=r"'my\.epochs' is not an identifier"):
        SearchSpace({"my.epochs": fixed(1)})


def test_missing_and_additional_parameters_are_not_contained() -> None:
    assert not SPACE.contains({"depth": 0.5, "epochs": 3})
    assert not SPACE.contains({**SPACE.defaults(), "more": 1})


def test_spaces_are_equal_by_value_and_survive_pickling() -> None:
    same = SearchSpace(dict(reversed(list(SPACE.parameters.items()))))
    assert same == SPACE
    assert hash(same) == hash(SPACE)
    assert pickle.loads(pickle.dumps(SPACE)) == SPACE  # noqa: S301
    assert SPACE.with_parameter("epochs", fixed(3)) != SPACE


def test_a_space_does_not_change() -> None:
    with pytest.raises(TypeError):
        SPACE.parameters["more"] = fixed(1)  # type: ignore[index]
    SPACE.with_parameter("more", fixed(1))
    assert "more" not in SPACE.parameters
