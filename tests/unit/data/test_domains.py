from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autotransfer.data.domains import FOLDER, domain_folds
from autotransfer.data.holdout import divide
from autotransfer.data.target import Target, open_target
from autotransfer.errors import InvalidOptionError, InvalidTargetError


def _opened(grow: Callable[..., Path], tree: dict[str, int], column: str = FOLDER) -> Target:
    return open_target(str(grow(tree)), domain_column=column)


TREE = {f"{domain}/{label}": 2 for domain in ("ink", "oil", "photo") for label in ("cat", "dog")}


def test_top_folders_are_domains_and_the_folders_below_are_classes(
    grow: Callable[..., Path],
) -> None:
    opened = _opened(grow, TREE)
    assert opened.class_names == ("cat", "dog")
    assert opened.groups == ("ink",) * 4 + ("oil",) * 4 + ("photo",) * 4
    assert opened.by_domain


def test_a_fold_holds_one_domain_and_learns_from_the_others(grow: Callable[..., Path]) -> None:
    division = divide(_opened(grow, TREE))
    assert division.held_out is None
    found = [fold.validation.tolist() for fold in division.folds(seed=0)]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert all(len(np.intersect1d(f.train, f.validation)) == 0 for f in division.folds(seed=1))


def test_a_column_of_a_manifest_names_the_domains(grow: Callable[..., Path]) -> None:
    folder = grow(TREE)
    paths = sorted(folder.glob("*/*/*.png"))
    rows = [(p.relative_to(folder), p.parts[-2], f"from {p.parts[-3]}") for p in paths]
    table = folder.parent / "table.csv"
    frame = pd.DataFrame(rows, columns=["image", "label", "place"])
    frame["image"] = [f"{folder.name}/{p}" for p in frame["image"]]
    frame.to_csv(table, index=False)
    opened = open_target(str(table), domain_column="place")
    assert set(opened.groups or ()) == {"from ink", "from oil", "from photo"}
    with pytest.raises(InvalidTargetError, match="no column 'hospital'"):
        open_target(str(table), domain_column="hospital")


def test_fewer_than_three_domains_are_refused_by_their_number(grow: Callable[..., Path]) -> None:
    opened = _opened(grow, {"ink/a": 2, "ink/b": 2, "oil/a": 2, "oil/b": 2})
    with pytest.raises(InvalidTargetError, match=r"2 domain\(s\) \('ink', 'oil'\); at least 3"):
        divide(opened).folds(seed=0)


def test_a_class_of_one_domain_alone_is_refused_by_name(grow: Callable[..., Path]) -> None:
    opened = _opened(grow, {**TREE, "oil/fox": 2})
    with pytest.raises(InvalidTargetError, match=r"'fox' are in the domain\(s\) 'oil' alone"):
        divide(opened).folds(seed=0)


def test_a_domain_of_one_class_is_noted(grow: Callable[..., Path]) -> None:
    opened = _opened(grow, {**TREE, "map/cat": 2})
    assert [note for note in opened.notes if "'map' has one class (cat)" in note]


def test_folders_of_another_depth_are_refused(grow: Callable[..., Path]) -> None:
    with pytest.raises(InvalidTargetError, match="expected <domain>/<class>/<image>"):
        _opened(grow, {"cat": 2, "dog": 2})


def test_an_image_set_has_no_domains(grow: Callable[..., Path]) -> None:
    images = _opened(grow, TREE).train
    with pytest.raises(InvalidOptionError, match="an ImageSet has no columns; give domains"):
        open_target(images, domain_column="place")


def test_of_many_domains_several_are_left_out_together_in_ten_folds(
    grow: Callable[..., Path],
) -> None:
    tree = {f"d{i:02}/{label}": 1 for i in range(12) for label in ("a", "b")}
    opened = _opened(grow, tree)
    folds = domain_folds(opened.train, opened.groups or ())
    assert sorted(len(fold.validation) for fold in folds) == [2] * 8 + [4] * 2
    names = np.array(opened.groups)
    for fold in folds:
        assert not set(names[fold.validation]) & set(names[fold.train])


def _given(n: int = 12) -> tuple[np.ndarray, list[str]]:
    pixels = np.random.default_rng(0).integers(0, 255, (n, 8, 8, 3), dtype=np.uint8)
    return pixels, ["ant" if i % 2 else "bee" for i in range(n)]


def test_items_that_are_given_one_by_one_are_given_their_domains_as_well() -> None:
    domains = ["x", "y", "z", 4] * 3
    opened = open_target(_given(), domains=domains)
    assert opened.by_domain
    assert opened.groups == ("x", "y", "z", "4") * 3
    again = open_target(opened.train, domains=pd.Series(domains))
    assert again.groups == opened.groups
    assert len(domain_folds(again.train, again.groups)) == 4


@pytest.mark.parametrize(
    ("domains", "reason"),
    [
        (["x", "y"], "each of the 12 items; there are 2"),
        (np.zeros((12, 2)), "there are 12 x 2"),
        (["x", "y", None] * 4, "4 items have none .the first is at 2."),
        (["x", "y", " "] * 4, "4 items have none"),
        (["x", "y", float("nan")] * 4, "4 items have none"),
    ],
)
def test_a_domain_for_each_item_is_needed(domains: Any, reason: str) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        open_target(_given(), domains=domains)


def test_domains_of_a_folder_or_a_table_are_named_by_a_column(grow: Callable[..., Path]) -> None:
    frame = pd.DataFrame({"image": ["a.png"], "label": ["ant"]})
    for target in (grow({"a/1.png": 1}), frame):
        with pytest.raises(InvalidOptionError, match="domain_column names them"):
            open_target(target, domains=["x"])
