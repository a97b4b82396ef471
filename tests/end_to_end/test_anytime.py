"""An answer within the budget, whatever it is, and after an interrupt."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import InterruptedFitError
from autotransfer.orchestrator import fit_features
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.results import Decision
from autotransfer.selection.selection import load

pytestmark = [
    pytest.mark.usefixtures("brief_report"),
    pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning"),
]

TRAIN, OTHER = shapes(3, 12, seed=1), shapes(3, 10, seed=2)
SOURCES = [tiny_source("one"), tiny_source("two", seed=1)]
NO_TIME = autotransfer.Budget(seconds=1e-3)


def _arrays(images: Any) -> tuple[Any, list[str]]:
    pixels = np.stack([np.asarray(images[i]) for i in range(len(images))])
    return pixels, [images.class_names[label] for label in images.labels]


def _labelled(**options: Any) -> Any:
    return autotransfer.fit(*_arrays(TRAIN), sources=SOURCES, **options)


def _precomputed(**options: Any) -> Any:
    rows = np.random.default_rng(0).normal(size=(len(TRAIN), 6)) + TRAIN.labels[:, None]
    return fit_features({"a": rows, "b": rows[:, ::2]}, _arrays(TRAIN)[1], **options)


def _unlabelled(**options: Any) -> Any:
    more: dict[str, Any] = {"scenario": "unlabelled", "source_data": _arrays(TRAIN)}
    return autotransfer.fit(_arrays(OTHER)[0], sources=SOURCES, **more, **options)


def _zero_shot(**options: Any) -> Any:
    rng = np.random.default_rng(0)
    seen = shapes(4, 9, seed=3)
    table = {name: rng.normal(size=4).tolist() for name in (*seen.class_names, "new", "newer")}
    return autotransfer.fit(*_arrays(seen), sources=SOURCES, attributes=table, **options)


@pytest.mark.usefixtures("warm_cache")
@pytest.mark.parametrize("fit", [_labelled, _precomputed, _unlabelled, _zero_shot])
def test_a_budget_that_is_over_at_once_ends_with_an_unverified_answer(
    fit: Callable[..., Any],
) -> None:
    found = fit(budget=NO_TIME)
    assert found.verdict.decision is Decision.UNVERIFIED
    assert found.record.forced
    assert found.record.run_id is None  # MLflow was left out, and said so
    assert any("MLflow was left out" in told for told in found.record.forced)
    saved = load(found.record.model)
    if fit is not _precomputed:
        assert saved.predict_proba(_arrays(OTHER)[0]).shape == (30, 2 if fit is _zero_shot else 3)


@pytest.mark.usefixtures("warm_cache")
def test_where_only_what_trains_is_named_a_probe_is_the_last_resort() -> None:
    found = _labelled(budget=NO_TIME, strategies=["fine-tune"], tracking_uri="off")
    assert found.record.finalist.strategy == "default-probe"
    assert "default-probe on one is the last resort" in found.record.forced[-1]


def test_an_interrupt_is_raised_on_with_the_answer_and_a_resume_tests_it() -> None:
    def interrupt(_outcome: object) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"name": "stopped", "tracking_uri": "off"}
    budget = autotransfer.Budget(trials=1)
    with pytest.raises(InterruptedFitError, match="resume=True and name='stopped'") as stop:
        _precomputed(budget=budget, on_outcome=interrupt, **options)
    answer = stop.value.selection
    assert answer.verdict.decision is Decision.UNVERIFIED
    assert answer.verdict.sentence == "nothing was tested: the fit was interrupted"
    assert len(answer.outcomes) == 1
    assert load(answer.record.model).record == answer.record
    again = _precomputed(budget=budget, resume=True, **options)
    assert again.verdict.decision is not Decision.UNVERIFIED


def test_trials_alone_say_that_no_time_limit_holds() -> None:
    said: list[str] = []
    with pytest.raises(autotransfer.errors.AutotransferError):
        autotransfer.fit("nowhere", budget=autotransfer.Budget(trials=4), say=said.append)
    assert said[0].startswith("no time limit: the fit ends after 4 trial(s)")


@pytest.fixture
def busy() -> Iterator[None]:
    """Eight programs that take the processors."""
    code = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(code) for _ in range(8)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("busy")
def test_on_a_busy_machine_a_fit_of_60_seconds_takes_at_most_ten_more(
    kit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "flowers"
    with zipfile.ZipFile(kit / "data" / "flowers5.zip") as archive:
        names = [n for n in sorted(archive.namelist()) if n.startswith("train/") and n[-1] != "/"]
        for label in {name.split("/")[1] for name in names}:
            for name in [n for n in names if n.split("/")[1] == label][:60]:
                place = target / label / Path(name).name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(name))
    weights, began = kit / "weights", time.monotonic()
    sources = ("mobilenetv1-100-imagenet", "mobilenetv2-imagenet", "mobilenet-edgetpu-imagenet")
    code = run(
        [
            *("fit", str(target), "--seconds", "60", "--json"),
            *("--sources", str(weights / "catalogue.toml")),
            *("--plugin", str(weights / "timm_extra.py")),
            *(argument for source in sources for argument in ("--source", source)),
        ]
    )
    assert time.monotonic() - began < 70
    assert code == 0
    assert json.loads(capsys.readouterr().out)["source"] in sources
