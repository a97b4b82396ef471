"""The default sets: what timm has, under free licences, with sizes that were measured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import timm

from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.catalogue.default_sets import (
    DEFAULT_SETS,
    SIZES_FILE,
    default_places,
    measured_sizes,
)
from autotransfer.models.catalogue.timm_names import (
    default_set,
    describe_default_set,
    timm_source,
)
from autotransfer.models.source import LocalWeights, Untrained
from tests.benchmarks.source_sizes import PAGE, measure, with_table, write_sizes

CONSTRAINTS = Path(__file__).parents[4] / "constraints.txt"
NAMES = list(chain.from_iterable(DEFAULT_SETS.values()))
FREE = ("apache-2.0", "mit")  # what the sets promise; narrower than what counts as permissive
QUICK = ("mobilenetv4_conv_small.e2400_r224_in1k", "vit_small_patch14_reg4_dinov2.lvd142m@224")


@pytest.mark.parametrize("name", NAMES)
def test_a_default_source_has_weights_that_timm_knows_under_a_free_licence(name: str) -> None:
    plain = name.partition("@")[0]
    assert plain in timm.list_pretrained(plain)
    assert timm.get_pretrained_cfg(plain).hf_hub_id.startswith("timm/")
    assert timm_source(name).license in FREE


def test_no_source_is_in_two_sets_so_that_they_can_be_named_together() -> None:
    assert len(set(NAMES)) == len(NAMES)
    found = resolve_sources(list(DEFAULT_SETS), license=",".join(FREE))
    assert [source.name for source in found.sources] == NAMES
    assert not found.skipped


def test_the_sizes_are_those_of_the_tested_timm() -> None:
    kept = json.loads(SIZES_FILE.read_text(encoding="utf-8"))
    tested = dict(re.findall(r"^(timm|torch)==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE))
    assert {name: kept[name] for name in tested} == tested
    assert list(measured_sizes()) == NAMES


@pytest.mark.parametrize("name", QUICK)
def test_megabytes_and_multiply_adds_are_what_a_measurement_finds(name: str) -> None:
    found, kept = measure(timm_source(name)), measured_sizes()[name]
    assert found.megabytes == pytest.approx(kept.megabytes, rel=0.01)
    assert found.gmacs == pytest.approx(kept.gmacs, rel=0.05)


@pytest.mark.slow
def test_the_whole_file_is_what_the_script_writes(tmp_path: Path) -> None:
    write_sizes(tmp_path / "sizes.json")
    assert (tmp_path / "sizes.json").read_text() == SIZES_FILE.read_text(encoding="utf-8")


def test_a_known_network_has_the_multiply_adds_that_its_authors_publish() -> None:
    # 1.8 GFLOPs (multiply-adds) at 224 pixels: He et al., arXiv:1512.03385, table 1
    assert measure(timm_source("resnet18.a1_in1k")).gmacs == pytest.approx(1.8, rel=0.02)
    # 4.5 at 224 pixels: Liu et al., arXiv:2201.03545, table 1
    assert measured_sizes()["convnext_tiny.in12k_ft_in1k"].gmacs == pytest.approx(4.5, rel=0.02)


def test_the_manual_has_the_table_of_what_was_measured() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page, measured_sizes()) == page
    assert all(f"`{name}`" in page for name in NAMES)


def test_a_default_set_is_described_before_anything_is_fetched() -> None:
    text = describe_default_set("tiny", 300)
    for source in default_set("tiny"):
        assert source.name in text
    assert "62 MB" in text  # of the first one
    assert "0.6 min for 300 images" in text  # 300 x 2.45 x 0.05 s


def test_none_means_tiny_on_a_processor_and_small_on_a_gpu() -> None:
    assert resolve_sources(None).default_set == "tiny"
    assert resolve_sources(None, device_type="cuda").default_set == "small"


def test_a_place_is_the_order_of_the_set() -> None:
    tiny = default_set("tiny")
    assert default_places(tiny) == [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]
    assert default_places(tiny[::-1])[0] == 1.0


def test_places_compare_within_the_set_that_most_are_of() -> None:
    mixed = [*default_set("tiny")[1:3], default_set("small")[0], timm_source("resnet18")]
    assert default_places(mixed) == [pytest.approx(1 / 3), pytest.approx(2 / 3), None, None]
    assert default_places(mixed[1:]) == [None, None, None]
    assert default_places([]) == []


def test_weights_on_disk_have_the_place_of_their_name_and_no_weights_have_none() -> None:
    first, second, *_ = default_set("tiny")
    local = replace(first, weights=LocalWeights(Path("first.safetensors"), "00"))
    assert default_places([local, second])[0] == 0.0
    random = replace(first, weights=Untrained())
    assert default_places([random, second]) == [None, None]
