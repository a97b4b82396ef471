from __future__ import annotations

from dataclasses import replace

import numpy as np

from autotransfer.results import Baseline, Decision, Interval, Verdict
from autotransfer.scenarios.label_forecast import TRAINED, forecast_of_fit
from autotransfer.transferability.learning_curve.subsampling import Subsampled
from tests.unit.conftest import MakeOutcome

OPEN = Verdict(
    Decision.INCONCLUSIVE,
    "out-of-fold",
    "open",
    "transfer",
    test=Interval(0.7, 0.6, 0.8, 80),
    baselines=(Baseline("majority", 0.5, 0.0), Baseline("classical-pixels", 0.6, 1.0)),
    gap=Interval(0.1, -0.02, 0.22, 80),
    minimum_detectable=0.17,
)


def _measured() -> Subsampled:
    rng = np.random.default_rng(0)
    hits = np.stack([rng.random(80) < share for share in (0.6, 0.65, 0.7)]).astype(float)
    return Subsampled(np.array([20, 40, 80]), hits, 2, 80)


def test_an_open_verdict_is_told_how_many_labels_settle_it_and_a_settled_one_is_not() -> None:
    found = forecast_of_fit(_measured(), 3, OPEN, [], trained=[])
    assert found.settled is not None
    assert 80 < found.settled < 80 * (0.17 / 0.1) ** 2 * 1.2
    settled = replace(OPEN, decision=Decision.POSITIVE)
    assert forecast_of_fit(_measured(), 3, settled, [], trained=[]).settled is None


def test_the_best_without_a_source_and_the_best_trained_network_are_told_forward(
    make_outcome: MakeOutcome,
) -> None:
    outcomes = [
        make_outcome(0, strategy="fine-tune", value=0.5),
        make_outcome(1, strategy="feature-extraction", value=0.9),
    ]
    found = forecast_of_fit(_measured(), 3, OPEN, outcomes, trained=["fine-tune"])
    names = [rival.name for rival in found.overtaken]
    assert names == ["classical pixels, without a source", TRAINED]
    worse = forecast_of_fit(_measured(), 3, OPEN, outcomes[1:], trained=["fine-tune"])
    assert [rival.name for rival in worse.overtaken] == names[:1]
