"""What is seen in a target is kept with the study, said, and minded where classes are absent."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders
from autotransfer.plugin.need import Need
from autotransfer.plugin.testing import shapes
from autotransfer.results import Interval, OpenWorld
from autotransfer.scenarios.unlabelled.holdout import divide_source, divide_target
from autotransfer.scenarios.unlabelled.open_world import (
    look_at_target,
    open_world_sentence,
    remembered,
    weighed_shares,
)
from autotransfer.scenarios.unlabelled.trials import UnlabelledContext

SHARES = tuple(Interval(v, v / 2, v + 0.1, 90) for v in (0.6, 0.38, 0.02))
SEEN = OpenWorld(SHARES, absent=("direction 2",))
NAMES = ("direction 0", "direction 1", "direction 2")


class _Study:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def recall(self, key: str) -> Any:
        return self.kept.get(key)

    def remember(self, key: str, value: Any) -> None:
        self.kept[key] = value


def _context(
    shares: tuple[float, ...] | None, target: ImageSet | None = None
) -> UnlabelledContext:
    labelled, target = shapes(3, 40, seed=1), target or shapes(3, 40, seed=2)
    return UnlabelledContext(
        divide_source(labelled),
        divide_target(target.without_labels()),
        NAMES,
        _Readers([labelled, target]),
        (),
        0,
        class_shares=shares,
    )


class _Readers(FeatureReaders):
    """Reads each image as the centre of its class, with noise."""

    def __init__(self, known: Sequence[ImageSet]) -> None:
        self.device = torch.device("cpu")
        generator = np.random.default_rng(0)
        centres = generator.standard_normal((3, 60))
        self.rows = {
            digest: centres[label] + generator.standard_normal(60)
            for images in known
            for digest, label in zip(images.digests, images.labels, strict=True)
        }

    @override
    def __getitem__(self, source: Any) -> Any:
        return lambda images: np.array([self.rows[digest] for digest in images.digests])


def _strategy(*needs: Need) -> Any:
    return SimpleNamespace(needs=frozenset(needs))


def test_what_was_seen_once_is_what_all_trials_of_a_study_go_by() -> None:
    study: Any = _Study()
    assert remembered(study, lambda: SEEN) == SEEN
    assert remembered(study, lambda: OpenWorld(doubt="another look")) == SEEN


def test_shares_are_minded_only_where_a_quarter_of_the_classes_is_absent() -> None:
    learn = shapes(3, 2)
    assert weighed_shares(SEEN, learn) == (0.6, 0.38, 0.02)
    assert weighed_shares(OpenWorld(SHARES), learn) is None
    assert weighed_shares(OpenWorld(doubt="too different"), learn) is None
    assert weighed_shares(None, learn) is None
    assert weighed_shares(SEEN, shapes(5, 2)) is None  # one of five


def test_the_sentence_names_the_classes_that_seem_to_be_there() -> None:
    said = "2 of your 3 classes seem to be in the target: direction 0, direction 1"
    assert open_world_sentence(SEEN, NAMES) == said
    assert open_world_sentence(OpenWorld(SHARES), NAMES).startswith("3 of your 3 classes")
    assert open_world_sentence(OpenWorld(doubt="too different"), NAMES).endswith(
        "is not known: too different"
    )


def test_what_adapts_learns_from_source_images_with_the_shares_of_the_target() -> None:
    context = _context((0.6, 0.4, 0.0))
    source: Any = SimpleNamespace(name="s")
    adapting = context.task(source, _strategy(Need.UNLABELLED_TARGET))
    n = len(context.source.learn)
    assert np.bincount(adapting.train.labels, minlength=3).tolist() == [
        n * 6 // 10,
        n * 4 // 10,
        0,
    ]
    assert adapting.class_shares == (0.6, 0.4, 0.0)
    plain = context.task(source, _strategy())
    assert plain.train is context.source.learn
    assert plain.class_shares is None
    assert _context(None).task(source, _strategy(Need.UNLABELLED_TARGET)).class_shares is None


def test_a_source_that_tells_the_classes_apart_sees_which_are_in_the_target() -> None:
    some = shapes(3, 60, seed=3)
    context = _context(None, some.subset(np.flatnonzero(some.labels != 1)))
    problem: Any = SimpleNamespace(
        source=context.source,
        target=context.target,
        readers=context.readers,
        class_names=NAMES,
    )
    found = look_at_target(problem, SimpleNamespace(name="s"), 0)  # type: ignore[arg-type]
    assert found.doubt == ""
    assert found.absent == ("direction 1",)
    assert [round(share.value, 1) for share in found.class_shares] == [0.5, 0.0, 0.5]
    assert {share.n for share in found.class_shares} == {len(context.target.learn)}
