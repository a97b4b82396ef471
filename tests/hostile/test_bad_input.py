"""Bad input ends with exit code 2 and one line that names it; no file is changed or left."""

from __future__ import annotations

import re

import pytest

from autotransfer.cli import run
from autotransfer.errors import AutotransferError
from tests.hostile import (
    catalogues,
    features,
    models,
    options,
    scenarios,
    sounds,
    spaces,
    targets,
    texts,
)
from tests.hostile.place import Case, Place

CASES = [
    case
    for module in (
        options,
        targets,
        catalogues,
        models,
        spaces,
        features,
        scenarios,
        texts,
        sounds,
    )
    for case in module.CASES
]
LONGEST = 2000
DATABASES = ("autotransfer.db", "mlflow.db", "mlartifacts")  # of the workspace; they may stay


def test_there_are_three_hundred_and_each_has_its_own_name() -> None:
    assert len(CASES) >= 300
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.words and min(map(len, case.words)) > 1 for case in CASES)


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore")  # what is wrong is said in the error
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused(case: Case, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    command = case.make(place)
    before = place.tree()
    if callable(command):
        with pytest.raises(AutotransferError) as caught:
            command()
        said = str(caught.value)
    else:
        assert run(command) == 2
        printed = capfd.readouterr()
        assert printed.out == ""
        assert "Traceback" not in printed.err
        assert printed.err.count("autotransfer: ") == 1
        said = printed.err[printed.err.index("autotransfer: ") :].strip()
    assert len(said) <= LONGEST
    first, *others = said.splitlines()
    assert not others or first.endswith(":")  # a list of what is wrong, a line each
    for word in case.words:
        assert _names(said, word) or _names(said, word.replace("-", "_"))
    changed = {name for name, _ in before.items() ^ place.tree().items()}
    assert all(name.startswith(DATABASES) for name in changed)


def _names(said: str, word: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said))
