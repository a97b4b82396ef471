"""Importance-weighted source accuracy; logged only, outlying weights decide it."""

from __future__ import annotations

import numpy as np

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence
from autotransfer.scenarios.unlabelled.validators.importance import importance


def iwcv(evidence: Evidence) -> float:
    """Return minus the mean weighted 0/1 loss on held-out source images.

    References:
        Sugiyama, Krauledat & Müller, Covariate Shift Adaptation by Importance Weighted Cross
        Validation, JMLR 8, 2007.
    """
    wrong = evidence.source.argmax(axis=1) != evidence.source_labels
    return -float(np.mean(importance(evidence) * wrong))
