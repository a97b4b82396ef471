"""A reviewer of two fits: MLflow's pages from `autotransfer ui`, and the report."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest
from mlflow import MlflowClient

import autotransfer
from tests.end_to_end.browser import Browser

pytestmark = [
    pytest.mark.kit,
    pytest.mark.nightly,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning"),
]


SOURCE = "mobilenetv1-100-imagenet"
EXPAND = ".ag-row button"  # before the first of the list, which opens its trials


@pytest.fixture
def fits(kit: Path, tmp_path: Path) -> tuple[autotransfer.Selection, ...]:
    """Two fits of ants and bees, with a weak source and with a good one, which is registered."""

    def fit(name: str, source: str, **options: str) -> autotransfer.Selection:
        return autotransfer.fit(
            str(kit / "data" / "hymenoptera.zip"),
            sources=str(kit / "weights" / "catalogue.toml"),
            source=[source],
            plugins=[kit / "weights" / "timm_extra.py"],
            budget="2 trials",
            workspace=tmp_path,
            name=name,
            **options,  # type: ignore[arg-type]  # register alone
        )

    return (
        fit("weak", "mobilenetv1-025-person"),
        fit("good", SOURCE, register="ants-and-bees"),
    )


@contextmanager
def _pages(folder: Path) -> Iterator[str]:
    """Yield the address that `autotransfer ui` prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "autotransfer", "ui", "--no-browser", "--port", "5700"],
        cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            os.killpg(server.pid, signal.SIGINT)


def _shown(words: str) -> str:
    return f"document.body.innerText.includes({words!r})"


def test_a_reviewer_finds_the_best_fit_its_trials_and_its_registered_model(
    fits: tuple[autotransfer.Selection, ...], tmp_path: Path, pictures: Path
) -> None:
    weak, good = fits
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(store, store)
    assert good.record.run_id is not None
    run = client.get_run(good.record.run_id)
    children = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    trials = [
        trial.info.run_name for trial in client.search_runs([run.info.experiment_id], children)
    ]
    assert run.outputs is not None
    (model,) = run.outputs.model_outputs
    report = tmp_path / "good" / "report.html"
    with _pages(tmp_path) as address, Browser(report, tmp_path) as browser:
        browser.look(1440, "light")
        browser.visit(address, "matching runs")
        for words in ("good", "weak", "positive", str(weak.verdict.decision)):
            browser.wait_for(_shown(words))
        text = str(browser.value("document.body.innerText"))
        assert text.index("\ngood\n") < text.index("\nweak\n")  # the newest first
        assert not [name for name in trials if name in text]
        browser.picture(pictures / "reviewer-1-fits.png")
        browser.value(f"document.querySelector({EXPAND!r}).click()")
        for name in trials:
            browser.wait_for(_shown(name))
        browser.picture(pictures / "reviewer-2-trials.png")
        browser.value("[...document.querySelectorAll('.ag-row a')].find(link =>"
                      " link.innerText === 'good').click()")  # fmt: skip
        for words in ("Logged models", "Returned: transfer", SOURCE):
            browser.wait_for(_shown(words))
        browser.picture(pictures / "reviewer-3-best-fit.png")
        place = address.partition("/#")[0] + "/#"
        page = f"{place}/experiments/{run.info.experiment_id}/models/{model.model_id}"
        browser.visit(f"{page}?workflowType=machine_learning", "Source run")
        browser.wait_for(_shown("ants-and-bees"))
        browser.picture(pictures / "reviewer-4-logged-model.png")
        browser.visit(f"{place}/models/ants-and-bees", "champion")
        browser.picture(pictures / "reviewer-5-registered.png")
        browser.open(report)
        for width, scheme in product((390, 768, 1440), ("light", "dark")):
            browser.look(width, scheme)
            browser.picture(pictures / f"reviewer-report-{width}-{scheme}.png")
            assert browser.value("document.documentElement.scrollWidth") <= width
