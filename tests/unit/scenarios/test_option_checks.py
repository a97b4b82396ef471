"""Nothing is accepted at the start of a fit that could not be kept at its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils import validation

from autotransfer.cli import run
from autotransfer.data.storage import storable
from autotransfer.errors import InvalidOptionError
from autotransfer.scenarios.budget import Budget
from autotransfer.scenarios.option_checks import check_name
from autotransfer.scenarios.options import read_options

NAN, INF = float("nan"), float("inf")
REFUSED: list[tuple[str, list[Any], str]] = [
    ("seed", [-1, 2**32, 10**30, 1.5, "3", True, NAN], "seed must be a whole number from 0 to"),
    ("max_sources", [0, -1, "3", 1.5, 10**30], "max_sources must be a whole number from 1"),
    ("workers", [0, -2, 10**8, "two", True], "workers must be"),
    ("memory", [0, -1, NAN, INF, 1e300, "1", "2 GB"], "memory must be a number above 0"),
    ("max_mb", [0, -1, NAN, INF, [1]], "max_mb must be a number above 0"),
    ("max_ms", [0, -5, NAN, INF, 10**400], "max_ms must be a number above 0"),
    ("margin", [-1, -1e-9, NAN, INF, "0"], "margin must be a number from 0"),
    ("budget", [5, 1.5, ["10m"]], "budget must be a text"),
    ("budget", ["", "soon", "-3s"], "is not understood"),
    ("name", ["", " ", ".", "..", "..."], "no letter or digit"),
    (
        "name",
        ["../x", "/x", "a/b", "a\\b", "a\0b", "a\nb", "a\x7fb", "b\udcff", "a\u2028b"],
        "not",
    ),
    ("name", ["x" * 201, "ö" * 101], "longer than 200 bytes"),
    ("name", ["-rf", "--resume"], "hyphen"),
    ("name", [" a", "a ", "a.", "a\t"], "'a|space|not allowed"),
    ("name", [3, b"a", Path("a")], "name must be a text"),
    ("experiment", ["", " ", 3], "experiment"),
    ("experiment", ["a\nb", "a\0b", "b\udcff"], "is not allowed in it"),
    ("experiment", ["e" * 5000], "longer than 400 bytes"),
    ("register", ["", " ", ".", ".."], "no letter or digit"),
    ("register", ["a/b", "a:b", "a@b", "a'b", 'a"b', "a\nb"], "is not allowed in it"),
    ("register", ["m" * 300], "longer than 200 bytes"),
    ("out", ["a\0b", "a\udcff", 3, b"a"], "out .*folder"),
    ("out", ["/", "..", "a/-b", "a/b "], "the study is called like the folder"),
    ("workspace", ["a\0b", "a\udcff", 3], "workspace .*folder"),
    ("storage", ["", "nonsense", "foo://x/y", "redis://h", 3], "storage"),
    ("tracking_uri", ["foo://x/y", "postgresql+nosuch://h/x", 3], "tracking_uri"),
    ("strategies", ["fine-tune", 3], "strategies must be a list"),
    ("source", [3, Path("a")], "source must be a list"),
    ("license", ["", ",", 3, [], [3], True], "license must be permissive, any"),
    ("plugins", ["a.py", Path("a.py")], "plugins must be a list"),
    ("executor", ["threads", 3, []], "executor"),
    ("sampler", ["dice", 3], "sampler"),
    ("device", [3], "device must be a text"),
    ("metric", [3], "metric must be a text"),
    ("space", [3], "space must be a name or a file"),
    ("on_bad_image", ["cry", 3], "on_bad_image must be"),
]
ACCEPTED: list[tuple[str, list[Any]]] = [
    ("seed", [0, 2**32 - 1, np.int64(7)]),
    ("workers", [1, 8]),
    ("margin", [0, 0.0, 0.05]),
    ("memory", [1e-12, 0.5, 4]),
    ("name", ["a", "What? one: 50 % #1", "größe", "图像", ".hidden", "x" * 200, "a-b_c.d"]),
    ("experiment", ["Default", "/Users/ann/ants", "a:b"]),
    ("register", ["ants", "main.models.ants", "größe 1"]),
    ("out", ["a/b", Path("c"), ".hidden"]),
    ("storage", ["sqlite:///x.db", "postgresql+psycopg://ann:pw@h/x"]),
    ("tracking_uri", ["off", "http://u:p@h", "file:///x", "mlruns", "sqlite:///x.db"]),
    ("license", ["any", "permissive", "mit,unknown", ["mit"], "acme-model-1.0"]),
    ("plugins", [["a.py"], (Path("a.py"),)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [(option, value, said) for option, values, said in REFUSED for value in values],
    ids=lambda value: ascii(value)[:30],
)
def test_what_could_not_be_kept_is_refused_in_one_line(option: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidOptionError, match=said) as refused:
        read_options({option: value})
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize(("option", "values"), ACCEPTED)
def test_what_can_be_kept_is_accepted(option: str, values: list[Any]) -> None:
    for value in values:
        assert getattr(read_options({option: value}), option) == value


def test_a_model_cannot_be_registered_where_nothing_is_written() -> None:
    with pytest.raises(InvalidOptionError, match="tracking_uri is off"):
        read_options({"register": "ants", "tracking_uri": "off"})


@pytest.mark.parametrize(
    "given",
    [{"trials": 0}, {"trials": NAN}, {"trials": 1.5}, {"seconds": NAN}, {"seconds": "3"},
     {"seconds": INF}, {"seconds": 0}, {"seconds": 1e300}, {}],
)  # fmt: skip
def test_a_budget_that_is_none_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptionError):
        Budget(**given)


def test_passwords_are_not_in_what_options_look_like() -> None:
    given = {"storage": "sqlite:///x.db?password=pw", "tracking_uri": "http://u:pw@h"}
    assert "pw" not in repr(read_options(given))


@settings(max_examples=200, deadline=None)
@given(name=st.text(max_size=300))
@example(name="con")
@example(name="x" * 255)
def test_mlflow_and_the_file_system_take_every_name_that_is_accepted(name: str) -> None:
    def accepted(option: str) -> bool:
        try:
            read_options({option: name})
        except InvalidOptionError:
            return False
        return True

    try:
        if accepted("register"):
            validation._validate_model_name(name)
        if accepted("experiment"):
            validation._validate_experiment_name(name)
    except MlflowException as error:
        pytest.fail(str(error))
    if accepted("name"):
        assert len(os.fsencode(f"{name}.0123456789.tmp")) < 255
        assert Path("w", name).resolve().parent == Path("w").resolve()


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.characters(), max_size=300))
@example(name="bad\udcff\nname. ")
@example(name="--x")
def test_a_name_that_is_made_from_a_folder_can_be_given_again(name: str) -> None:
    made = f"{storable(name) or 'target'}-1"
    check_name("name", made, "/\\", folder=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rank", "x", "--seed", "-1"], "seed must be"),
        (["layers", "x", "--seed", "99999999999999999999"], "seed must be"),
        (["distance", "x", "y", "--seed", "-1"], "seed must be"),
        (["compare", "x", "y", "z", "--seed", "-1"], "seed must be"),
        (["compare", "x", "y", "z", "--margin", "nan"], "margin must be"),
        (["demo", "--seed", "-1"], "seed must be"),
        (["demo", "--trials", "0"], "trials must be"),
        (["demo", "--out", "file/below"], "--out file/below cannot be written"),
        (["ui", "--port", "0"], "--port"),
        (["ui", "--port", "99999"], "--port"),
        (["ui", "--tracking-uri", "foo://u:pw@h"], r"foo://***@h"),
        (["sync", "--tracking-uri", "foo://u:pw@h"], r"foo://***@h"),
        (["sync", "--storage", "foo://u:pw@h"], r"foo://***@h"),
        (["rank", "x", "--seed", "foo://u:pw of two@h"], "***"),  # quoted by click
        (["rank", "x", "--foo://u:pw of two@h"], "***"),
    ],
)
def test_every_command_refuses_them_alike(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("autotransfer: ")
    assert said in line
    assert "pw" not in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"domains": "hospital"}, "got 'hospital'; a column of a table is domain_column"),
        ({"domains": 3}, "domains must name the domain of each item, got 3"),
        ({"domains": ["x"], "domain_column": "hospital"}, "domains cannot be used beside domain_"),
        ({"domains": ["x"], "group_column": "patient"}, "group_column cannot be used beside dom"),
    ],
)
def test_domains_are_names_and_stand_alone(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOptionError, match=said):
        read_options(given)
