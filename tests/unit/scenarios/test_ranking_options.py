from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

import autotransfer
from autotransfer.errors import InvalidOptionError
from autotransfer.scenarios.options import Options, read_options
from autotransfer.scenarios.ranking_options import OF_A_FIT, refuse_options_of_a_fit

# what target, sources, device and what is said are chosen by
READ = {
    "scenario", "source_data", "classes", "attributes", "descriptions", "group_column", "modality",
    "domain_column", "domains",
    "unlabelled", "labels", "new_classes", "through", "sources", "source", "license",
    "max_sources", "max_mb", "max_ms", "memory", "tracking_uri", "workspace", "on_bad_image",
    "plugins", "device", "seed", "verbose", "say", "began",
}  # fmt: skip
GIVEN: dict[str, Any] = {
    "budget": "5m", "trials": 3, "seconds": 60.0, "strategies": ["fine-tune"], "space": "quick",
    "sampler": "gp", "executor": "processes", "workers": 2, "ray_address": "auto", "refit": False,
    "ensemble": False, "single": True, "metric": "log_loss", "class_weights": "balanced",
    "margin": 0.01, "guard": False, "audit_labels": 20, "warm_start": True, "keep_searching": True,
    "storage": "sqlite:///study.db", "experiment": "plants", "register": "plants",
    "promote": True, "name": "plants",
    "report": False, "resume": True, "out": "plants",
    "on_part": lambda _part, _seconds: None, "on_outcome": lambda _outcome: None,
}  # fmt: skip
NEEDED = {
    "promote": {"register": "plants"}, "resume": {"name": "plants"},
    "ray_address": {"executor": "ray"},
}  # fmt: skip


def test_every_option_is_read_without_training_or_refused() -> None:
    assert {field.name for field in fields(Options)} == READ | set(OF_A_FIT)
    assert not READ & set(OF_A_FIT)
    assert GIVEN.keys() == set(OF_A_FIT)


@pytest.mark.parametrize("name", OF_A_FIT)
def test_an_option_of_a_fit_is_refused_by_name(name: str) -> None:
    options = read_options({name: GIVEN[name], **NEEDED.get(name, {})})
    with pytest.raises(InvalidOptionError, match=r"^\w+ is for fit: rank trains nothing"):
        refuse_options_of_a_fit(options, "rank")


@pytest.mark.parametrize("given", [{"domain_column": "hospital"}, {"domains": ["x", "y", "z"]}])
def test_domains_are_for_fits_and_rankings_alone(given: dict[str, Any]) -> None:
    refuse_options_of_a_fit(read_options(given), "rank")
    with pytest.raises(InvalidOptionError, match=r"^domain\w+ is for fit: suggest_labels"):
        refuse_options_of_a_fit(read_options(given), "suggest_labels")


def test_what_is_left_at_its_default_is_not_refused() -> None:
    refuse_options_of_a_fit(read_options({"metric": "accuracy", "guard": True}), "rank")
    refuse_options_of_a_fit(read_options({"max_sources": 2, "seed": 1}), "rank")


def test_rank_and_labelling_refuse_before_they_open_anything() -> None:
    with pytest.raises(InvalidOptionError, match=r"^trials is for fit: rank"):
        autotransfer.rank("nowhere", trials=3)
    with pytest.raises(InvalidOptionError, match=r"^seconds is for fit: suggest_labels"):
        autotransfer.suggest_labels("nowhere", seconds=3.0)
