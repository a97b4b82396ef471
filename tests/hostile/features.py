"""Features of anything, as files and as arrays, that are not what scores and fits can use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autotransfer
from tests.hostile.place import Case, Place

ROWS = np.random.default_rng(0).normal(size=(36, 6)).astype(np.float32)
Y = np.arange(36) % 3


def _file(**arrays: Any) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        held: dict[str, Any] = {"one": ROWS, "y": Y, **arrays}
        np.savez(place.root / "f.npz", **held)
        return ["fit", "f.npz", "--trials", "1"]

    return make


FILES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "of NaN": ({"one": np.full((36, 6), np.nan)}, ("'one'",)),
    "of infinity": ({"one": np.full((36, 6), np.inf)}, ("'one'",)),
    "of 1e200": ({"one": np.full((36, 6), 1e200)}, ("'one'",)),
    "of complex numbers": ({"one": ROWS.astype(complex)}, ("'one'",)),
    "of text": ({"one": np.full((36, 6), "a")}, ("'one'",)),
    "of objects": ({"one": np.full((36, 6), None)}, ("f.npz",)),
    "of no column": ({"one": ROWS[:, :0]}, ("'one'",)),
    "of no row": ({"one": ROWS[:0], "y": Y[:0]}, ("(0, 6)",)),
    "of cubes": ({"one": ROWS.reshape(36, 3, 2)}, ("f.npz", "it holds one")),
    "of other lengths": ({"two": ROWS[:5]}, ("'two' 5",)),
    "with fewer labels": ({"y": Y[:5]}, ("(5,)",)),
    "with one class": ({"y": Y * 0}, ("one class",)),
    "with NaN labels": ({"y": np.full(36, np.nan)}, ("NaN",)),
}


def _call(function: str, *arguments: Any, **options: Any) -> Callable[[Place], Callable[[], Any]]:
    return lambda place: lambda: getattr(autotransfer, function)(*arguments, **options)


class _Graph:
    """Something that raises when it is read as an array."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no array")


VALUES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "NaN": (np.full((36, 6), np.nan), ("NaN",)),
    "infinity": (np.full((36, 6), np.inf), ("infinite",)),
    "one axis": (ROWS[:, 0], ("(36,)",)),
    "three axes": (ROWS.reshape(36, 3, 2), ("(36, 3, 2)",)),
    "no row": (ROWS[:0], ("(0, 6)",)),
    "no column": (ROWS[:, :0], ("(36, 0)",)),
    "another length": (ROWS[:5], ("5 images",)),
    "text": ([["a"] * 6] * 36, ()),
    "None": (None, ()),
    "ragged rows": ([[1.0] * (1 + i % 2) for i in range(36)], ()),
    "a thing that raises": (_Graph(), ()),
    "a dictionary": ({"a": 1}, ()),
}
CALLS = {
    "fit_features without matrices": (_call("fit_features", {}, Y), ("matrices",)),
    "fit_features of one matrix": (_call("fit_features", ROWS, Y), ("ndarray",)),
    "fit_features of a list": (_call("fit_features", [ROWS], Y), ("a list",)),
    "fit_features of nothing": (_call("fit_features", None, Y), ("NoneType",)),
    "fit_features without labels": (
        _call("fit_features", {"one": ROWS}, None),
        ("without labels",),
    ),
    "fit_features option": (_call("fit_features", {"one": ROWS}, Y, speed=3), ("'speed'",)),
    "fit_features baseline": (
        _call("fit_features", {"one": ROWS}, Y, baseline="none"),
        ("'none'",),
    ),
    "fit_features test": (_call("fit_features", {"one": ROWS}, Y, test=3), ("test must",)),
    "fit_features other test": (
        _call("fit_features", {"one": ROWS}, Y, test=({"two": ROWS}, Y)),
        ("matrices two", "are one"),
    ),
    "fit_features narrow test": (
        _call("fit_features", {"one": ROWS}, Y, test=({"one": ROWS[:, :2]}, Y)),
        ("'one'", "2 columns"),
    ),
    "fit_features classes of the test": (
        _call("fit_features", {"one": ROWS}, Y, test=({"one": ROWS}, Y + 9)),
        ("not among",),
    ),
    "score_features of nobody": (_call("score_features", ROWS, Y, ["magic"]), ("magic",)),
    "score_features with fewer labels": (_call("score_features", ROWS, Y[:4]), ("(4,)",)),
    "score_features with NaN labels": (_call("score_features", ROWS, Y * np.nan), ("NaN",)),
    "domain_distance of other widths": (_call("domain_distance", ROWS, ROWS[:, :2]), ("6 and 2",)),
    "domain_distance of nobody": (_call("domain_distance", ROWS, ROWS, ["mile"]), ("mile",)),
    "load of nothing": (_call("load", "nowhere"), ("nowhere",)),
    "load of None": (_call("load", None), ("got None",)),
    "fit with a word for the budget": (_call("fit", "bars.npz", budget="soon"), ("soon",)),
    "fit with a budget of nothing": (
        _call("fit", "bars.npz", budget="0 trials"),
        ("trials", "got 0"),
    ),
    "fit with an option of nobody": (_call("fit", "bars.npz", speed=3), ("'speed'",)),
    "fit with a name of NUL": (_call("fit", "bars.npz", name="a\0b"), ("name 'a",)),
    "fit with a folder of NUL": (_call("fit", "bars.npz", out="a\0b"), ("out 'a",)),
    "fit with a seed that is text": (_call("fit", "bars.npz", seed="a"), ("seed", "'a'")),
    "fit with a seed of a half": (_call("fit", "bars.npz", seed=0.5), ("seed", "0.5")),
    "fit with sources of a number": (_call("fit", "bars.npz", sources=3), ("sources", "got 3")),
    "fit with sources of numbers": (_call("fit", "bars.npz", sources=[3]), ("a source", "int")),
    "fit with no source": (_call("fit", "bars.npz", sources=[]), ("sources", "empty")),
    "fit with a strategy of a number": (
        _call("fit", "bars.npz", strategies=[3]),
        ("strategy named 3",),
    ),
    "fit with workers of text": (_call("fit", "bars.npz", workers="two"), ("workers", "'two'")),
    "fit with a margin of text": (_call("fit", "bars.npz", margin="a"), ("margin", "'a'")),
    "fit with a guard of text": (_call("fit", "bars.npz", guard="maybe"), ("guard", "'maybe'")),
    "fit with a workspace that is a file": (
        _call("fit", "bars.npz", workspace="bars.npz"),
        ("bars.npz",),
    ),
}


def _with_bars(make: Callable[[Place], Any]) -> Callable[[Place], Any]:
    def made(place: Place) -> Any:
        place.have("bars.npz")
        return make(place)

    return made


CASES = [
    *(Case(f"features {name}", _file(**arrays), words) for name, (arrays, words) in FILES.items()),
    *(
        Case(
            f"score_features of {name}", _call("score_features", value, Y), words or ("features",)
        )
        for name, (value, words) in VALUES.items()
    ),
    *(
        Case(
            f"domain_distance of {name}",
            _call("domain_distance", value, ROWS),
            words or ("first sample",),
        )
        for name, (value, words) in VALUES.items()
        if name != "another length"
    ),
    *(
        Case(
            f"fit_features of {name}",
            _call("fit_features", {"one": ROWS, "two": value}, Y),
            ("'two'",),
        )
        for name, (value, _) in VALUES.items()
    ),
    *(Case(name, _with_bars(make), words) for name, (make, words) in CALLS.items()),
]
