from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotransfer.data.csv_cells import csv_text, plain


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("\uff1d1+1", "'\uff1d1+1"),  # full width, which some locales take for =
        ("'=1", "''=1"),
        ("'tis.png", "'tis.png"),
        ("a=b.png", "a=b.png"),
        ("-1.5e-07", "-1.5e-07"),
        ("-2.png", "'-2.png"),
        ("", ""),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(cell: str, written: str) -> None:
    assert next(csv.reader(io.StringIO(csv_text([[cell]]), newline=""))) == [written]
    assert plain(written) == cell


def test_numbers_stay_as_they_are() -> None:
    assert csv_text([["a", -1, -0.5, None]], "\n") == "a,-1,-0.5,\n"


@given(st.lists(st.text("=+-@' \t\r\n\"0.e,;x", max_size=6), min_size=1))
def test_every_text_is_read_back_as_it_was(cells: list[str]) -> None:
    (read,) = csv.reader(io.StringIO(csv_text([["first", *cells]]), newline=""))
    assert [plain(cell) for cell in read[1:]] == cells
    assert not [c for c in read if c[:1] in "=+@\t\r\n" and c]
