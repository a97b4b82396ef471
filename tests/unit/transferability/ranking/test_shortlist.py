from __future__ import annotations

from dataclasses import replace

import pytest

from autotransfer.models.catalogue.timm_names import default_set
from autotransfer.transferability.ranking.prior import constant_choice, family_of, priors, stand_in
from autotransfer.transferability.ranking.shortlist import largest_size, shortlist
from tests.unit.transferability.ranking.samples import scored, source


def _sources(count: int, **more: float) -> list:  # type: ignore[type-arg]
    return [scored(f"s{i}", **more) for i in range(count)]  # type: ignore[arg-type]


def test_the_first_three_are_in_whatever_their_chance() -> None:
    ordered = _sources(3)
    chosen = shortlist(
        ordered, ordered, dict.fromkeys(("s0", "s1", "s2"), 0.0), {}, max_sources=None
    )
    assert chosen == ("s0", "s1", "s2")


def test_further_ones_need_a_chance_of_a_tenth() -> None:
    ordered = _sources(20)
    within = {f"s{i}": 0.11 if i in (4, 7) else 0.1 for i in range(20)}
    assert shortlist(ordered, ordered, within, {}, max_sources=None) == (
        "s0",
        "s1",
        "s2",
        "s4",
        "s7",
    )


def test_never_more_than_a_third_of_the_catalogue_or_what_the_user_says() -> None:
    ordered = _sources(20)
    within = {f"s{i}": 1.0 for i in range(20)}
    assert len(shortlist(ordered, ordered, within, {}, max_sources=None)) == 6
    assert shortlist(ordered, ordered, within, {}, max_sources=2) == ("s0", "s1")
    assert [largest_size(n, None) for n in (2, 10, 11, 15)] == [3, 3, 4, 5]


def test_a_source_that_would_take_more_than_half_of_all_the_time_is_left_out() -> None:
    ordered = [scored(f"s{i}", seconds=100.0 if i == 3 else 1.0) for i in range(20)]
    within = {f"s{i}": 1.0 for i in range(20)}
    chosen = shortlist(ordered, ordered, within, {}, max_sources=5)
    assert chosen == ("s0", "s1", "s2", "s4", "s5")


def test_where_all_are_of_one_family_the_last_place_goes_to_the_best_prior_of_another() -> None:
    others = [
        scored("vit-a", of=source("vit-a", architecture="vit_small_patch16_224")),
        scored("vit-b", of=source("vit-b", architecture="vit_tiny_patch16_224")),
    ]
    ordered = [*_sources(4), *others]
    within = {item.source.name: 0.0 for item in ordered}
    known = {"vit-a": 0.7, "vit-b": 0.8, **dict.fromkeys(["s0", "s1", "s2", "s3"])}
    chosen = shortlist(ordered, ordered, within, known, max_sources=None)
    assert chosen == ("s0", "s1", "vit-b")


def test_a_narrow_source_without_a_prior_gets_no_place_of_its_own() -> None:
    broad = scored("broad", of=source("broad", num_pretraining_images=1_000_000))
    narrow = scored("faces", of=source("faces", architecture="vit_x", num_pretraining_images=500))
    assert stand_in([broad, narrow], {}, ["resnet"]) is None
    wide = scored("wide", of=source("wide", architecture="vit_x", num_pretraining_images=900_000))
    assert stand_in([broad, narrow, wide], {}, ["resnet"]) is wide


@pytest.mark.parametrize(
    ("architecture", "family"),
    [
        ("resnet50d.a1_in1k", "resnet"),
        ("mobilenetv2_100", "mobilenetv2"),
        ("vit_small_patch14_dinov2.lvd142m", "vit"),
        ("tf_efficientnetv2_s", "efficientnetv2"),
        ("convnext_tiny", "convnext"),
        ("regnety_032", "regnety"),
    ],
)
def test_a_family_is_the_name_without_sizes(architecture: str, family: str) -> None:
    assert family_of(source("any", architecture=architecture)) == family


def test_accuracies_count_among_those_that_share_a_pretraining_set() -> None:
    sources = [
        source("a", pretrained_on="ImageNet", pretraining_accuracy=0.7),
        source("b", pretrained_on="ImageNet", pretraining_accuracy=0.8),
        source("c", pretrained_on="faces", pretraining_accuracy=0.99),
        source("d", pretrained_on="ImageNet"),
    ]
    assert priors(sources, {}) == [0.7, 0.8, None, None]
    assert priors(sources[2:], {}) == [None, None]


def test_a_record_of_earlier_targets_comes_before_accuracies() -> None:
    sources = [source("a", architecture="resnet18"), source("b", architecture="resnet34")]
    memory = {sources[0].fingerprint: 0.0, sources[1].fingerprint: 1.0}
    assert priors(sources, memory) == [0.0, -1.0]


def test_the_order_of_a_default_set_is_the_prior_when_nothing_is_known() -> None:
    sources = [*default_set("tiny")[:2][::-1], source("mine")]
    assert priors(sources, {}) == [pytest.approx(-1 / 3), 0.0, None]


def test_whatever_was_measured_comes_before_the_order_of_a_default_set() -> None:
    first, second = default_set("tiny")[:2]
    memory = {first.fingerprint: 1.0, second.fingerprint: 0.0}
    assert priors([first, second], memory) == [-1.0, 0.0]
    known = [
        replace(item, pretrained_on="ImageNet", pretraining_accuracy=accuracy)
        for item, accuracy in ((first, 0.7), (second, 0.8))
    ]
    assert priors(known, {}) == [0.7, 0.8]


def test_the_constant_choice_is_the_best_prior_then_the_broadest_then_the_largest() -> None:
    small = scored("small", megabytes=1.0, of=source("small", num_pretraining_images=10))
    large = scored("large", megabytes=9.0, of=source("large", num_pretraining_images=10))
    broad = scored("broad", megabytes=2.0, of=source("broad", num_pretraining_images=99))
    assert constant_choice([small, large, broad], {}) is broad
    assert constant_choice([small, large], {}) is large
    assert constant_choice([small, large, broad], {"small": 0.5}) is small
