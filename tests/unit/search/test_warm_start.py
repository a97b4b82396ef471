from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from autotransfer.plugin.space import SearchSpace, floating
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, State
from autotransfer.search.arms import Arms
from autotransfer.search.study import Study, open_study
from autotransfer.search.warm_start import SEEN, earlier_fits, packed_digests

SPACE = SearchSpace.of(size=floating(0.0, 1.0, default=0.5))


class _Named:
    name = "tune"
    trains = True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _study(tmp_path: Path, name: str, seen: list[str] | None, size: float = 0.25) -> Study:
    study = open_study(
        name, storage=None, workspace=tmp_path, sampler="random", seed=0, resume=False
    )
    study.remember("problem", ["fingerprint", "accuracy", 0])
    if seen is not None:
        study.remember(SEEN, packed_digests([_digest(text) for text in seen]))
    trial = study.optuna.ask()
    outcome = Outcome(
        trial.number, "two", "tune", {"size": size}, State.COMPLETE, value=0.9, log_loss=0.3
    )
    study.record(trial, outcome)
    return study


def _arms() -> Arms:
    sources = (tiny_source("one"), tiny_source("two", seed=1))
    return Arms(sources, (_Named(),), {"tune": SPACE})  # type: ignore[arg-type]


def test_the_best_points_of_earlier_fits_come_first_and_are_named(tmp_path: Path) -> None:
    studies = {"a": _study(tmp_path, "a", ["x", "y"]), "b": _study(tmp_path, "b", ["z"], 0.75)}
    found = earlier_fits(studies, [_digest("sealed")], metric="accuracy", without="mine")
    assert found.points(_arms()) == [
        {"source_rank": 2, "strategy": "tune", "tune.size": 0.75},
        {"source_rank": 2, "strategy": "tune", "tune.size": 0.25},
    ]
    assert found.sentence() == "warm start from b (tune on two), a (tune on two)"


def test_what_was_seen_is_kept_as_words_and_read_as_earlier_versions_packed_it(
    tmp_path: Path,
) -> None:
    seen = [_digest("x"), _digest("sealed")]
    assert packed_digests(seen) == f"digests {seen[0][:10]} {seen[1][:10]}"
    packed = base64.b85encode(b"".join(bytes.fromhex(digest)[:8] for digest in seen)).decode()
    study = _study(tmp_path, "a", None)
    study.remember(SEEN, packed)
    for held_out, used in (("sealed", False), ("other", True)):
        found = earlier_fits({"a": study}, [_digest(held_out)], metric="accuracy", without="b")
        assert bool(found.best) is used


def test_a_fit_that_has_seen_a_sealed_picture_is_refused_by_name(tmp_path: Path) -> None:
    studies = {"a": _study(tmp_path, "a", ["x", "sealed"]), "b": _study(tmp_path, "b", None)}
    found = earlier_fits(studies, [_digest("sealed")], metric="accuracy", without="mine")
    assert found.points(_arms()) == []
    assert "not from b, a, which may have learnt from items that are held out" in found.sentence()


def test_a_fit_never_informs_itself_nor_one_with_another_score(tmp_path: Path) -> None:
    studies = {"a": _study(tmp_path, "a", ["x"])}
    assert earlier_fits(studies, [], metric="accuracy", without="a").best == ()
    assert earlier_fits(studies, [], metric="log_loss", without="mine").best == ()


def test_points_that_the_space_no_longer_has_are_left_out(tmp_path: Path) -> None:
    studies = {"a": _study(tmp_path, "a", ["x"], size=2.0)}
    found = earlier_fits(studies, [], metric="accuracy", without="mine")
    assert len(found.best) == 1
    assert found.points(_arms()) == []
