"""The table of an audit, as people fill it in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from autotransfer.errors import InvalidOptionError, InvalidTargetError
from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.unlabelled.audit import Draw
from autotransfer.scenarios.unlabelled.audit_table import read_table, write_table

IMAGES = shapes(2, 4)
PLAN = {"draw": asdict(Draw((1, 3), (6,), 4, len(IMAGES)))}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_as_any_spreadsheet_saves_it(
    tmp_path: Path, separator: str, encoding: str
) -> None:
    path = tmp_path / "audit.csv"
    write_table(path, PLAN, IMAGES, seed=0)
    head, *rows = path.read_text().split()
    filled = [head, *(f"{row}{IMAGES.class_names[1]}" for row in rows)]
    text = "\r\n".join(line.replace(",", separator) for line in filled)
    path.write_bytes(text.encode(encoding))
    assert read_table(path, PLAN, IMAGES, IMAGES.class_names) == {1: 1, 3: 1, 6: 1}


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("", InvalidTargetError, "it is empty"),
        ("image,label\n", InvalidOptionError, "columns image and label"),
        ("image,class\n1,a\n", InvalidOptionError, "columns image and label"),
        ("image,label\n1,a,b\n", InvalidTargetError, "line 2 has 3 field"),
        ("image,label\n1,circle\n", InvalidOptionError, "2 of 3 images have no label"),
        ("image,label\n1,x\n3,x\n6,x\n", InvalidOptionError, "no class named x"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, kind: type[Exception], reason: str
) -> None:
    path = tmp_path / "audit.csv"
    path.write_text(text)
    with pytest.raises(kind, match=reason):
        read_table(path, PLAN, IMAGES, IMAGES.class_names)
