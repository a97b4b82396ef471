"""Which licences of weights are allowed, and what is said where one is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidOptionError, NoCandidateError
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.catalogue.licences import PERMISSIVES, Licences, told_licences
from autotransfer.models.source import LocalWeights, Source, Untrained


def _source(name: str, licence: str) -> Source:
    weights = LocalWeights(Path("x.safetensors"), "00")
    return Source(name, "resnet18", weights, Preprocessing(32), license=licence)


FREE, BOUND, SILENT = _source("a", "MIT"), _source("b", "cc-by-nc-4.0"), _source("c", "unknown")


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (None, "abc"),
        ("any", "abc"),
        ("any,mit", "abc"),
        ("permissive", "a"),
        ("Permissive", "a"),
        ("mit", "a"),
        ("apache-2.0, mit", "a"),
        ("permissive,cc-by-nc-4.0", "ab"),
        ("permissive,unknown", "ac"),
        (["cc-by-nc-4.0"], "b"),
        (("unknown", "CC BY-NC 4.0"), "bc"),
        ({"mit"}, "a"),
    ],
)
def test_a_source_stays_where_its_licence_is_allowed(given: Any, left: str) -> None:
    found = resolve_sources([FREE, BOUND, SILENT], license=given)
    assert "".join(source.name for source in found.sources) == left
    assert {skip.source for skip in found.skipped} == set("abc") - set(left)


def test_what_is_left_out_is_told_with_its_licence_and_what_to_do() -> None:
    bound, silent = resolve_sources([FREE, BOUND, SILENT], license="permissive").skipped
    assert "its licence is cc-by-nc-4.0" in bound.reason
    assert "license=permissive,cc-by-nc-4.0" in bound.reason
    assert "its licence is unknown" in silent.reason
    assert "state it in the catalogue" in silent.reason
    assert "license=permissive,unknown" in silent.reason


def test_where_no_source_is_left_every_reason_is_told() -> None:
    with pytest.raises(NoCandidateError, match=r"b: its licence is cc-by-nc-4\.0"):
        resolve_sources([BOUND, SILENT], license="mit")
    with pytest.raises(NoCandidateError, match="b: its licence"):
        resolve_sources([FREE, BOUND], only=["b"], license="permissive")


@pytest.mark.parametrize(
    "spelling", ["Apache-2.0", "apache 2.0", "Apache License 2.0", "Apache License, Version 2.0"]
)
def test_usual_spellings_of_a_licence_are_one(spelling: str) -> None:
    assert not Licences.of("apache-2.0").against(_source("a", spelling))
    assert not Licences.of([spelling]).against(_source("a", "apache-2.0"))


@pytest.mark.parametrize("licence", ["bsd-4-clause", "apache-2.0-nc", "mit-nc", "cc-by-4.0", ""])
def test_a_name_that_only_resembles_a_permissive_one_is_not_allowed(licence: str) -> None:
    assert Licences.of("permissive").against(_source("a", licence))


def test_a_network_without_pretrained_weights_needs_no_licence() -> None:
    untrained = replace(SILENT, weights=Untrained())
    assert not Licences.of("permissive").against(untrained)
    assert not told_licences([untrained])


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("permisive", "permissive"),
        ("apache2", "apache-2.0"),
        ("mit,dinov3-licens", "dinov3-license"),
        ("acme-model", "acme-model-1.0"),
    ],
)
def test_a_mistyped_name_is_refused_with_what_may_be_meant(given: str, meant: str) -> None:
    with pytest.raises(InvalidOptionError, match=f"did you mean '{meant}'") as refused:
        resolve_sources([FREE, _source("d", "acme-model-1.0")], license=given)
    assert "permissive, any" in str(refused.value)


def test_a_licence_of_one_s_own_is_known_where_a_source_has_it() -> None:
    own = _source("d", "acme-model-1.0")
    assert resolve_sources([FREE, own], license="acme-model-1.0").sources == (own,)
    with pytest.raises(InvalidOptionError, match="acme-model"):
        resolve_sources([FREE], license="acme-model-1.0")


@pytest.mark.parametrize("given", ["", " ", ",", "mit,", [], [3], 3, True, ["mit", ""], "license"])
def test_what_names_no_licence_is_refused(given: Any) -> None:
    with pytest.raises(InvalidOptionError, match="license must be permissive, any, or names"):
        Licences.of(given)


def test_what_is_not_permissive_is_named_in_one_line() -> None:
    text = told_licences([FREE, BOUND, SILENT])
    assert "b (cc-by-nc-4.0), c (unknown)" in text
    assert "a (" not in text
    assert "license=permissive" in text
    assert not told_licences([_source("x", licence) for licence in PERMISSIVES])
