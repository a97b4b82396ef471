"""Each option has an effect in each scenario, or is refused there by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.results import ScenarioKind
from autotransfer.scenarios.choose import kind_of
from autotransfer.scenarios.options import REFUSED, Options, read_options, refuse_unusable

SCENARIOS = ("labelled", "precomputed", "unlabelled", "zero-shot")
# Options that every scenario reads, and the module that reads them for all four.
EVERYWHERE = {
    "source": "scenarios.inputs",
    "strategies": "scenarios.run",
    "space": "scenarios.run",
    "budget": "scenarios.run",
    "trials": "scenarios.run",
    "seconds": "scenarios.run",
    "began": "scenarios.run",
    "max_sources": "scenarios",
    "refit": "search.finalists",  # without labels the tested checkpoint is always returned
    "ensemble": "search.finalists",  # without labels and zero-shot nothing is put together
    "single": "scenarios.candidates",  # as above
    "sampler": "scenarios.run",
    "executor": "orchestrator",
    "workers": "orchestrator",
    "ray_address": "orchestrator",
    "memory": "orchestrator",
    "storage": "scenarios.run",
    "tracking_uri": "scenarios.run",
    "experiment": "scenarios.run",
    "register": "orchestrator",
    "promote": "orchestrator",
    "name": "scenarios.run",
    "resume": "scenarios.run",
    "out": "scenarios.run",
    "workspace": "scenarios.run",
    "report": "orchestrator",
    "plugins": "scenarios.inputs",
    "device": "scenarios.inputs",
    "seed": "scenarios",
    "verbose": "scenarios.run",
    "say": "orchestrator",
    "on_part": "scenarios.clock",
    "on_outcome": "orchestrator",
}
# Where the others have an effect.
SOMEWHERE = {
    "scenario": {"labelled", "unlabelled", "zero-shot"},
    "source_data": {"labelled", "unlabelled"},
    "classes": {"labelled", "unlabelled"},
    "attributes": {"zero-shot"},
    "descriptions": {"zero-shot"},
    "group_column": {"labelled"},
    "domain_column": {"labelled"},
    "domains": {"labelled", "precomputed"},
    "modality": {"labelled", "unlabelled", "zero-shot"},
    "unlabelled": {"labelled"},
    "labels": {"labelled"},
    "new_classes": {"labelled"},
    "through": {"unlabelled"},
    "audit_labels": {"unlabelled"},
    "sources": {"labelled", "unlabelled", "zero-shot"},
    "license": {"labelled", "unlabelled", "zero-shot"},
    "max_mb": {"labelled", "unlabelled", "zero-shot"},
    "max_ms": {"labelled", "unlabelled", "zero-shot"},
    "metric": {"labelled", "precomputed", "zero-shot"},  # zero-shot: checked by the scenario
    "class_weights": {"labelled", "precomputed"},
    "margin": {"labelled", "precomputed", "unlabelled"},  # unlabelled: beside audit_labels
    "warm_start": {"labelled", "precomputed", "zero-shot"},
    "keep_searching": {"labelled", "precomputed"},
    "guard": {"labelled", "precomputed", "zero-shot"},
    "on_bad_image": {"labelled", "unlabelled", "zero-shot"},
}
GIVEN: dict[str, Any] = {
    "scenario": "labelled",
    "source_data": np.zeros((3, 8, 8, 3)),
    "classes": ["ants", "bees"],
    "attributes": "table.csv",
    "descriptions": "classes.csv",
    "group_column": "patient",
    "domain_column": "hospital",
    "domains": ["x", "y", "z"],
    "modality": "text",
    "unlabelled": np.zeros((3, 8, 8, 3)),
    "labels": ["labels.csv"],
    "new_classes": ["tulips"],
    "through": ["between"],
    "audit_labels": 20,
    "sources": "catalogue.toml",
    "license": "permissive",
    "max_mb": 10.0,
    "max_ms": 10.0,
    "metric": "log_loss",
    "class_weights": "balanced",
    "margin": 0.01,
    "warm_start": True,
    "keep_searching": True,
    "guard": False,
    "on_bad_image": "skip",
}


def test_no_option_is_missing_in_the_table() -> None:
    names = {field.name for field in fields(Options)}
    assert names == EVERYWHERE.keys() | SOMEWHERE.keys()
    assert not EVERYWHERE.keys() & SOMEWHERE.keys()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", SOMEWHERE)
def test_an_option_has_an_effect_or_is_refused_by_name(name: str, scenario: str) -> None:
    options = read_options({name: GIVEN[name]})
    # a table of classes makes the target a zero-shot one
    silent = name in ("attributes", "descriptions") and scenario in ("labelled", "unlabelled")
    if scenario in SOMEWHERE[name] or silent:
        assert name not in REFUSED[scenario]
        return
    with pytest.raises(InvalidOptionError, match=rf"^{name} "):
        refuse_unusable(options, scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_left_at_its_default_is_never_refused(scenario: str) -> None:
    refuse_unusable(read_options({}), scenario)
    refuse_unusable(read_options({"through": [], "metric": "accuracy", "guard": True}), scenario)


@pytest.mark.parametrize("table", ["attributes", "descriptions"])
def test_a_table_of_classes_makes_the_target_zero_shot_or_contradicts(table: str) -> None:
    assert kind_of("x", read_options({table: "t.csv"})) is ScenarioKind.ZERO_SHOT
    with pytest.raises(InvalidOptionError, match=f"--{table} is for the scenario zero-shot"):
        kind_of("x", read_options({table: "t.csv", "scenario": "unlabelled"}))
    with pytest.raises(InvalidOptionError, match="beside --attributes"):
        kind_of("x", read_options({"attributes": "t.csv", "descriptions": "t.csv"}))
    with pytest.raises(InvalidOptionError, match="attributes"):
        kind_of("x", read_options({"scenario": "zero-shot"}))


@pytest.mark.parametrize("scenario", ["labelled", "unlabelled"])
def test_classes_are_kept_of_source_data_and_of_nothing_else(scenario: str) -> None:
    with pytest.raises(InvalidOptionError, match=r"^classes are kept"):
        refuse_unusable(read_options({"classes": ["ants", "bees"]}), scenario)
    given = {"classes": ["ants", "bees"], "source_data": "photos"}
    refuse_unusable(read_options(given), scenario)


def test_a_margin_without_labels_needs_an_audit() -> None:
    with pytest.raises(InvalidOptionError, match=r"^margin .*audit_labels"):
        refuse_unusable(read_options({"margin": 0.02}), "unlabelled")
    refuse_unusable(read_options({"margin": 0.02, "audit_labels": 9}), "unlabelled")


def test_a_champion_is_of_a_registered_model_and_that_is_in_mlflow() -> None:
    assert read_options({"promote": True, "register": "plants"}).promote
    with pytest.raises(InvalidOptionError, match=r"^promote .*register"):
        read_options({"promote": True})
    with pytest.raises(InvalidOptionError, match=r"^register .*MLflow"):
        read_options({"register": "plants", "tracking_uri": "off"})


def test_features_are_read_by_no_graphics_card() -> None:
    refuse_unusable(read_options({"device": "cpu"}), "precomputed")
    with pytest.raises(InvalidOptionError, match=r"^device 'cuda'"):
        refuse_unusable(read_options({"device": "cuda"}), "precomputed")


def test_none_stands_for_the_default() -> None:
    names = [field.name for field in fields(Options) if field.name not in ("say", "on_part")]
    given = read_options(dict.fromkeys(names))
    for name in names:
        assert getattr(given, name) == getattr(Options(), name), name
