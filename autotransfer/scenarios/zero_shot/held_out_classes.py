"""The score of a source for the zero-shot scenario: are held-out classes found by their rows?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from typing_extensions import override

from autotransfer.data.attributes import Attributes
from autotransfer.errors import UndefinedScoreError
from autotransfer.models.heads.linear import Standardisation
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.models.zero_shot.eszsl import Decomposition
from autotransfer.models.zero_shot.left_out import LeftOut, partitions
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.need import Need

PENALTIES = (1.0, 10.0, 100.0)  # in units of the mean eigenvalue; few images want large ones
_GROUP = 3
_PARTITIONS = 2
_FEWEST = 4


class HeldOutClasses(TransferabilityEstimator):
    """Per-class top-1 of ESZSL among held-out classes, best of nine pairs of penalties.

    The other scores say how well a source tells the seen classes apart; this one says whether
    what it sees of them carries over to classes that it has no image of.

    Args:
        table: Rows of all classes, the seen ones first, in the order of the labels.
    """

    name: ClassVar[str] = "held-out-classes"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.ATTRIBUTES})

    def __init__(self, table: Attributes) -> None:
        values = table.values - table.values.mean(axis=0)
        values /= np.maximum(table.values.std(axis=0), 1e-12)
        self._rows = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)

    @override
    def score(self, statistics: Statistics) -> float:
        if statistics.num_classes < _FEWEST:
            raise UndefinedScoreError(
                f"held-out-classes is undefined for {statistics.num_classes} classes; it needs "
                f"{_FEWEST}"
            )
        rows = self._rows[np.asarray(statistics.classes, dtype=np.int64)]
        z = Standardisation.of(statistics.rows).apply(statistics.rows)
        left_out = LeftOut.of(Decomposition.of(z), statistics.labels, rows, PENALTIES)
        size = min(_GROUP, len(rows) // 2)
        groups = list(partitions(len(rows), size, _PARTITIONS, seed=0))
        return float(left_out.accuracies(groups).max())
