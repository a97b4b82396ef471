"""AdaBN: training on source images, then batch-norm statistics of the target."""

from __future__ import annotations

from autotransfer.plugin import sources
from autotransfer_adaptation.two_domains import TwoDomains


class AdaBn(TwoDomains):
    """No objective of its own: the statistics of the layers that learn are the target's.

    References:
        Li et al., Revisiting Batch Normalization For Practical Domain Adaptation,
        arXiv:1603.04779.
    """

    name = "adabn"
    modalities = frozenset({sources.Modality.IMAGE})  # networks for texts have no batch norm
    priority = 3
