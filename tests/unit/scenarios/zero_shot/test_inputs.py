"""Opening a target whose classes are described: which source reads the sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.errors import AutotransferError, InvalidOptionError
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.inputs import Problem
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.zero_shot.inputs import problem_of_descriptions
from tests.tiny_texts import write_table

SAID = {
    "direction 0": "a song with a tune",
    "direction 1": "the bank and a loan",
    "direction 2": "a team and its goal",
    "direction 3": "the flute of a band",
    "between": "cash is the price",
}


def _opened(sources: Any, said: Any = None) -> Problem:
    images = shapes(4, 3)
    pixels = np.stack([np.asarray(images[i]) for i in range(len(images))])
    labels = [images.class_names[label] for label in images.labels]
    options = Options(descriptions=SAID if said is None else said, sources=sources)
    return problem_of_descriptions((pixels, labels), options, discover())


def test_images_are_described_by_a_source_of_texts_beside_theirs(tmp_path: Path) -> None:
    problem = _opened(["small_cnn", str(write_table(tmp_path / "table"))])
    table = problem.attributes
    assert table is not None
    assert (table.describer, table.num_seen, table.unseen) == ("table", 4, ("between",))
    assert table.values.shape == (5, 16)
    assert [source.name for source in problem.sources.sources] == ["small_cnn"]
    assert "the descriptions are read by table" in problem.target.notes


@pytest.mark.parametrize(
    ("sources", "said", "reason"),
    [
        ("small_cnn", None, "name one with --sources"),
        (None, {"direction 0": "a song", "x": "a loan"}, "name one with --sources"),
        ("small_cnn", {"direction 0": "a song", "x": ""}, "name one|no description of"),
    ],
)
def test_what_cannot_be_described_says_what_to_do(
    sources: Any, said: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises((InvalidOptionError, AutotransferError), match=reason):
        _opened(sources, said)


def test_every_class_with_items_and_another_one_need_a_sentence(tmp_path: Path) -> None:
    both = ["small_cnn", str(write_table(tmp_path / "table"))]
    with pytest.raises(AutotransferError, match="no row for"):
        _opened(both, {"direction 0": "a song", "x": "a loan"})
    with pytest.raises(AutotransferError, match="nothing to describe"):
        _opened(both, {name: SAID[name] for name in list(SAID)[:4]})
