"""A fit in a real kernel of Jupyter: progress, the card, the tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.notebooks import html_of, run_cells, streamed

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
    with pytest.MonkeyPatch.context() as patch:
        return run_cells(CELLS, tmp_path_factory.mktemp("notebook"), patch)


def test_progress_shows_in_a_notebook_and_nobody_elses(
    outputs: list[list[dict[str, Any]]],
) -> None:
    assert outputs[0] == []
    told = streamed(outputs[1])
    assert "ranking 2 sources" in told
    assert "Trial 0 finished" not in told  # Optuna's
    assert "alembic" not in told
    assert "IProgress" not in told  # tqdm's, where ipywidgets are not installed


def test_a_selection_is_a_card_with_the_verdict_and_the_chosen_source(
    outputs: list[list[dict[str, Any]]],
) -> None:
    card = html_of(outputs[2])
    assert "positive" in card
    assert "good" in card
    assert card.count("<tr") <= 12


def test_ranking_and_leaderboard_are_tables(outputs: list[list[dict[str, Any]]]) -> None:
    ranking, leaderboard = html_of(outputs[3]), html_of(outputs[4])
    assert 'class="dataframe"' in ranking
    assert "noise" in ranking
    assert 'class="dataframe"' in leaderboard
    assert "<th>score</th>" in leaderboard
