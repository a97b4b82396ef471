"""Parameters that have an effect beside some values of others only."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from autotransfer.errors import InvalidSpaceError
from autotransfer.plugin.presets import read_preset
from autotransfer.plugin.space import SearchSpace, choice, floating
from autotransfer.search.initial_points import _every_point

SPACE = SearchSpace.of(
    head=choice(("ridge", "deep"), default="ridge"),
    weight=floating(0.0, 2.0, default=0.0),
    width=choice((1, 2, 3), default=2).only_where(head=("deep",)),
    threshold=floating(0.0, 1.0, default=0.5).only_where(weight=()),
)


def test_a_parameter_is_active_where_the_others_have_the_values_that_it_needs() -> None:
    width, threshold = SPACE.parameters["width"], SPACE.parameters["threshold"]
    assert [width.active({"head": head}) for head in ("ridge", "deep")] == [False, True]
    assert [threshold.active({"weight": weight}) for weight in (0.0, 0.1)] == [False, True]
    assert SPACE.parameters["head"].active({})


def test_the_sampler_is_asked_for_what_has_an_effect_alone() -> None:
    trial = optuna.trial.FixedTrial({"s.head": "ridge", "s.weight": 0.3, "s.threshold": 0.9})
    found = SPACE.suggest(trial, "s")  # asked for the width, it would raise
    assert found == {"head": "ridge", "weight": 0.3, "width": 2, "threshold": 0.9}
    assert SPACE.contains(found)


def test_every_point_of_a_small_space_differs_in_what_has_an_effect() -> None:
    small = SearchSpace.of(head=SPACE.parameters["head"], width=SPACE.parameters["width"])
    points = [(p["head"], p["width"]) for p in _every_point(small)]
    assert points == [("ridge", 2), ("deep", 1), ("deep", 2), ("deep", 3)]


def test_a_condition_is_on_what_comes_before() -> None:
    with pytest.raises(InvalidSpaceError, match="width depends on head, which must come before"):
        SearchSpace.of(width=SPACE.parameters["width"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            'head = "ridge"\nwidth = 3',
            "width: has no effect while head is 'ridge'; .* head 'deep'",
        ),
        ('head = "ridge"\nwidth = { choices = [1, 2] }', "width: has no effect"),
        (
            "weight = 0.0\nthreshold = 0.9",
            "threshold: has no effect while weight is 0.0; .* above 0",
        ),
    ],
)
def test_a_preset_that_sets_what_has_no_effect_is_refused(
    tmp_path: Path, table: str, message: str
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f"[s]\n{table}\n")
    with pytest.raises(InvalidSpaceError, match=message):
        read_preset(file).apply("s", SPACE)


def test_a_preset_may_name_the_default_of_what_has_no_effect_and_set_what_has(
    tmp_path: Path,
) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[s]\nhead = "ridge"\nwidth = 2\nthreshold = 0.9\n')
    found = read_preset(file).apply("s", SPACE)
    assert found.defaults() == {**SPACE.defaults(), "threshold": 0.9}
    assert found.parameters["width"].condition == {"head": ("deep",)}  # kept
    file.write_text('[s]\nhead = "deep"\nwidth = 3\n')
    assert read_preset(file).apply("s", SPACE).defaults()["width"] == 3
