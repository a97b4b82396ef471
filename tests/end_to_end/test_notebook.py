"""A fit in a real kernel of Jupyter: progress, the card, the tables."""

from __future__ import annotations

from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CELLS = (
    """
import numpy as np, autotransfer
rng = np.random.default_rng(0)
y = np.repeat([0, 1, 2], 20)
good = rng.normal(size=(60, 8)) + 2 * np.eye(8)[y]
""",
    """selection = autotransfer.fit_features(
    {"good": good, "noise": rng.normal(size=(60, 5))}, y, trials=2, workspace=".")""",
    "selection",
    "selection.ranking.to_frame()",
    "selection.leaderboard()",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What each cell shows."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        # a kernel specification of this Python, whatever else the machine has
        kernels = folder / "share" / "jupyter" / "kernels" / "python3"
        from ipykernel.kernelspec import write_kernel_spec

        write_kernel_spec(str(kernels))
        patch.setenv("JUPYTER_PATH", str(folder / "share" / "jupyter"))
        patch.setenv("AUTOTRANSFER_CACHE", str(folder / "cache"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS]
        )
        run = nbclient.NotebookClient(
            book, timeout=240, resources={"metadata": {"path": str(folder)}}
        )
        run.execute()
    return [cell.outputs for cell in book.cells]


def _text(shown: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for part in shown if part["output_type"] == "stream")


def _html(shown: list[dict[str, Any]]) -> str:
    (result,) = [part for part in shown if part["output_type"] == "execute_result"]
    return str(result["data"]["text/html"])


def test_progress_shows_in_a_notebook_and_nobody_elses(
    outputs: list[list[dict[str, Any]]],
) -> None:
    assert outputs[0] == []
    told = _text(outputs[1])
    assert "ranking 2 sources" in told
    assert "Trial 0 finished" not in told  # Optuna's
    assert "alembic" not in told
    assert "IProgress" not in told  # tqdm's, where ipywidgets are not installed


def test_a_selection_is_a_card_with_the_verdict_and_the_chosen_source(
    outputs: list[list[dict[str, Any]]],
) -> None:
    card = _html(outputs[2])
    assert "positive" in card
    assert "good" in card
    assert card.count("<tr") <= 12


def test_ranking_and_leaderboard_are_tables(outputs: list[list[dict[str, Any]]]) -> None:
    ranking, leaderboard = _html(outputs[3]), _html(outputs[4])
    assert 'class="dataframe"' in ranking
    assert "noise" in ranking
    assert 'class="dataframe"' in leaderboard
    assert "<th>score</th>" in leaderboard
