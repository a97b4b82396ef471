"""The promises that what the items are could break; the others are tried on images alone."""

from __future__ import annotations

from autotransfer.plugin.testing.strategy_promises import STRATEGY_PROMISES

_TRIED = {
    "the-same-seed-gives-the-same-bits",
    "two-classes-with-two-items-each-work",
    "one-item-a-class-works-or-is-refused-in-words",
    "a-saved-predictor-predicts-the-same",
    "training-items-are-predicted-better-than-chance",
}
PROMISES = [promise for promise in STRATEGY_PROMISES if promise.name in _TRIED]
