"""What is seen in a target is kept with the study, said, and minded where classes are absent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.forecasts import Range
from autotransfer.models.features import FeatureReaders
from autotransfer.plugin.need import Need
from autotransfer.plugin.testing import shapes
from autotransfer.results import Interval, OpenWorld, UnknownImages
from autotransfer.scenarios.unlabelled.holdout import divide_source, divide_target
from autotransfer.scenarios.unlabelled.open_world import (
    judging_among,
    look_and_remember,
    look_at_target,
    open_world_sentence,
    open_world_sentences,
    remembered,
    see_unknown,
    weighed_shares,
    without_rejected,
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


def _study() -> Any:
    return _Study()


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
        centres = generator.standard_normal((4, 60))
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


def _problem(target: ImageSet, labelled: ImageSet) -> Any:
    return SimpleNamespace(
        source=divide_source(labelled),
        target=divide_target(target.without_labels()),
        readers=_Readers([labelled, target]),
        class_names=labelled.class_names,
    )


class _Blind:
    """Answers the first class, and remembers what it was asked about."""

    layers = None

    def __init__(self) -> None:
        self.asked: list[ImageSet] = []

    def predict(self, images: ImageSet, features: Any) -> NDArray[np.float64]:
        self.asked.append(images)
        return np.eye(3)[np.zeros(len(images), dtype=int)]

    def embed(self, images: ImageSet, features: Any) -> NDArray[np.float64]:
        return np.zeros((len(images), 2))


def _open_set(rejected: Sequence[int]) -> Any:
    """Return what rejects images by their place."""
    source = SimpleNamespace(name="s")

    def judged(rows: NDArray[np.float64]) -> tuple[Any, NDArray[np.bool_]]:
        return None, np.isin(np.arange(len(rows)), rejected)

    return SimpleNamespace(found=True, source=source, judged=judged)


def test_validators_read_no_rejected_image() -> None:
    context = _context(None)
    held_out = context.target.held_out
    judging = judging_among(held_out, _open_set([0, 3]), context.readers)
    assert judging is not None
    assert [i for i, read in enumerate(judging) if not read] == [0, 3]
    context = replace(context, judging=judging)
    left = [d for i, d in enumerate(held_out.digests) if i not in (0, 3)]
    assert list(context.judged_on.digests) == left
    assert context.pairs.max() < len(left)
    blind: Any = _Blind()
    said = np.random.default_rng(0).dirichlet(np.ones(3), len(held_out))
    source: Any = SimpleNamespace(name="s")
    found = context.evidence(blind, source, said)
    np.testing.assert_array_equal(found.target, np.delete(said, [0, 3], axis=0))
    assert len(found.target_features) == len(left)
    assert found.frozen is not None
    assert len(found.frozen) == len(left)
    assert held_out.digests not in [images.digests for images in blind.asked]


def test_where_hardly_any_held_out_image_is_kept_all_of_them_judge() -> None:
    context = _context(None)
    held_out = context.target.held_out
    assert judging_among(held_out, None, context.readers) is None
    most = range(len(held_out) - 19)
    assert judging_among(held_out, _open_set(most), context.readers) is None
    some = range(len(held_out) - 20)
    found = judging_among(held_out, _open_set(some), context.readers)
    assert found is not None
    assert sum(found) == 20


def _tiny(readers: _Readers) -> Any:
    return SimpleNamespace(name="s", readers=readers)


def test_a_source_that_tells_the_classes_apart_sees_which_are_in_the_target() -> None:
    some = shapes(3, 60, seed=3)
    problem = _problem(some.subset(np.flatnonzero(some.labels != 1)), shapes(3, 40, seed=1))
    source = _tiny(problem.readers)
    found = look_at_target(problem, [source], see_unknown(problem, source, 0), 0)
    assert found.doubt == ""
    assert found.absent == ("direction 1",)
    assert [round(share.value, 1) for share in found.class_shares] == [0.5, 0.0, 0.5]
    assert {share.n for share in found.class_shares} == {len(problem.target.learn)}
    assert found.unknown is not None
    assert found.unknown.share is not None
    assert found.unknown.share.low == 0.0
    assert found.unknown.rejected == 0


def test_too_few_images_tell_nothing_of_unknown_ones_and_reject_none() -> None:
    problem = _problem(shapes(3, 13, seed=3), shapes(3, 40, seed=1))
    found, open_set = look_and_remember(_study(), problem, [_tiny(problem.readers)], 0)
    assert open_set is None
    assert found.unknown is not None
    assert found.unknown.share is None
    assert found.unknown.doubt == "39 target items are too few; at least 40 are needed"


def _with_a_new_class() -> tuple[Any, NDArray[np.bool_]]:
    """A target of four classes, of which the source has three, and which images are known."""
    labelled, target = shapes(3, 60, seed=1), shapes(4, 60, seed=3)
    problem = _problem(target, labelled)
    truth = dict(zip(target.digests, target.labels != 3, strict=True))
    return problem, np.array([truth[digest] for digest in problem.target.learn.digests])


def test_images_of_a_class_that_nobody_named_are_counted_and_teach_nothing() -> None:
    problem, known = _with_a_new_class()
    study: Any = _Study()
    found, open_set = look_and_remember(study, problem, [_tiny(problem.readers)], 0)
    unknown, right = found.unknown, 1 - known.mean()
    assert unknown is not None
    assert unknown.share is not None
    assert unknown.share.low <= right <= unknown.share.high
    assert unknown.num_images == len(known)
    kept = without_rejected(problem.target, open_set, problem.readers)
    assert len(kept.learn) == len(known) - unknown.rejected
    truth = dict(zip(problem.target.learn.digests, known, strict=True))
    of_kept = np.array([truth[digest] for digest in kept.learn.digests])
    assert of_kept.mean() > 0.97  # nearly all that are left are known
    assert of_kept.sum() > 0.95 * known.sum()  # nearly all known ones are left
    assert kept.held_out is problem.target.held_out
    assert {share.n for share in found.class_shares} <= {len(kept.learn)}
    assert f"{unknown.rejected} of {len(known)} are rejected" in unknown.told_of()


def test_what_rejects_is_the_same_when_a_study_goes_on() -> None:
    problem, _ = _with_a_new_class()
    study: Any = _Study()
    first, rejecting = look_and_remember(study, problem, [_tiny(problem.readers)], 0)
    study.kept = json.loads(json.dumps(study.kept))
    again, still = look_and_remember(study, problem, [_tiny(problem.readers)], 0)
    assert again == first
    assert rejecting is not None
    assert still is not None
    np.testing.assert_array_equal(still.probabilities, rejecting.probabilities)


def test_a_study_that_was_begun_without_looking_for_unknown_images_rejects_none() -> None:
    problem, _ = _with_a_new_class()
    study: Any = _Study()
    study.remember("open world", {"class_shares": [], "absent": [], "doubt": "too different"})
    found, open_set = look_and_remember(study, problem, [_tiny(problem.readers)], 0)
    assert found == OpenWorld(doubt="too different")
    assert open_set is None
    assert without_rejected(problem.target, None, problem.readers) is problem.target


def test_what_is_said_of_unknown_images_has_the_share_the_interval_and_the_number() -> None:
    told = UnknownImages(Range(0.12, 0.05, 0.2), 40, 400).told_of()
    assert told == (
        "12 % of your images seem to be none of the classes (5 % to 20 %); 40 of 400 are "
        "rejected, and teach nothing"
    )
    assert (
        UnknownImages(Range(0.3, 0.1, 0.4), 0, 400)
        .told_of()
        .endswith("which ones cannot be told, and none is rejected")
    )
    none = UnknownImages(Range(0.01, 0.0, 0.08), 0, 400)
    assert none.told_of().endswith("up to 8 % may be, and none is rejected")
    doubt = UnknownImages(None, 0, 400, "too strange")
    assert doubt.told_of() == "how many images are none of the classes is not known: too strange"
    seen = OpenWorld(SHARES, unknown=none)
    assert open_world_sentences(seen, NAMES)[1] == none.told_of()
    assert len(open_world_sentences(OpenWorld(SHARES), NAMES)) == 1
